/* DER, as much of it as certificates and CSRs need (X.690 chapter 10): a bounded reader that accepts
 * only the shortest forms, and a writer that builds from the end towards the front, so that lengths
 * are known when headers are written. */
#ifndef lib_pki_der_h
#define lib_pki_der_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_UTF8 = 0x0C,
    DER_PRINTABLE = 0x13,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT_0 = 0xA0,
    DER_CONTEXT_3 = 0xA3
};

/* Reads one element of that tag; its contents. Sets r->failed on anything else. */
struct rd der_enter(struct rd *r, uint8_t tag);
/* The whole element of that tag, header included. */
struct span der_element(struct rd *r, uint8_t tag);
/* True and consumed when the next tag is this one; else nothing is consumed. */
bool der_optional(struct rd *r, uint8_t tag, struct rd *contents);
/* Contents of an INTEGER of up to 33 content bytes in shortest form. */
struct span der_integer(struct rd *r);
/* A small non-negative INTEGER; -1 and failed otherwise. */
int der_small(struct rd *r);
/* Contents of a BIT STRING without unused bits. */
struct span der_bits(struct rd *r);
/* UTCTime or GeneralizedTime in Z form, as seconds since 1970. */
int64_t der_time(struct rd *r);
bool der_is(struct rd contents, const uint8_t *bytes, size_t len);

struct der_w {
    uint8_t *buf;
    size_t at; /* everything from here to the end is written */
    size_t end;
    bool failed;
};

struct der_w der_w_of(void *buf, size_t cap);
void der_put(struct der_w *w, const void *p, size_t len);
/* Puts the header for everything written since `mark` (a former w->at). */
void der_wrap(struct der_w *w, uint8_t tag, size_t mark);
void der_put_tlv(struct der_w *w, uint8_t tag, const void *p, size_t len);
void der_put_small(struct der_w *w, uint8_t value);
/* Positive integer from big-endian bytes. */
void der_put_integer(struct der_w *w, const uint8_t *p, size_t len);
void der_put_bits(struct der_w *w, const void *p, size_t len, uint8_t unused);
/* YYYYMMDDHHMMSSZ, the characters of a GeneralizedTime. False before 1970 and after 9999. */
#define DER_TIME_TEXT 15
bool der_time_text(int64_t seconds, char out[DER_TIME_TEXT + 1]);
/* UTCTime up to 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). */
void der_put_time(struct der_w *w, int64_t seconds);
struct span der_written(const struct der_w *w);
/* Copies it to out, which holds cap bytes. ERR_NO_SPACE, also when the writer had failed. */
enum err der_take(const struct der_w *w, uint8_t *out, size_t cap, size_t *len);

#endif
