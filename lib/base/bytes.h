/* Bounded reader and writer. Neither ever touches a byte outside its buffer; the first violation sets
 * `failed`, every later call is then a no-op that yields zeros, so a parser checks once at its end. */
#ifndef lib_base_bytes_h
#define lib_base_bytes_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed run of bytes; never owned. */
struct span {
    const uint8_t *p;
    size_t len;
};

struct rd {
    const uint8_t *p;
    size_t left;
    bool failed;
};

struct wr {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool failed;
};

static inline struct span span_of(const void *p, size_t len)
{
    return (struct span){(const uint8_t *)p, len};
}
bool span_equal(struct span a, struct span b);
/* True when the span holds exactly the characters of s. */
bool span_is(struct span a, const char *s);
/* Constant time in the contents, for MACs and secrets. */
bool bytes_equal_ct(const uint8_t *a, const uint8_t *b, size_t len);

struct rd rd_of(const void *p, size_t len);
uint8_t rd_u8(struct rd *r);
uint16_t rd_be16(struct rd *r);
uint32_t rd_be32(struct rd *r);
uint64_t rd_be64(struct rd *r);
/* Points into the input; {NULL, 0} on failure. */
struct span rd_span(struct rd *r, size_t len);
void rd_copy(struct rd *r, void *out, size_t len);

struct wr wr_of(void *buf, size_t cap);
void wr_u8(struct wr *w, uint8_t v);
void wr_be16(struct wr *w, uint16_t v);
void wr_be32(struct wr *w, uint32_t v);
void wr_be64(struct wr *w, uint64_t v);
void wr_copy(struct wr *w, const void *p, size_t len);

/* Lower-case hex of len bytes plus a terminating zero; out holds 2 * len + 1 characters. */
void hex_encode(const uint8_t *p, size_t len, char *out);
/* Number of bytes decoded, or -1 when text is not hex of an even length or is longer than cap bytes. */
long hex_decode(const char *text, size_t text_len, uint8_t *out, size_t cap);

/* Copies text into a fixed field, always terminated, cut between characters when too long. */
void text_copy(char *out, size_t cap, const char *text);
/* The same for showing it: what cannot be shown becomes "?". */
void text_shown(char *out, size_t cap, const char *text);
/* Bytes of the UTF-8 character that text begins with; 0 when it is none, or one that must not reach a
 * terminal or a line of a file: a control character, a line separator, a change of direction, a
 * non-character. */
size_t text_character(const char *text, size_t len);
/* Bytes of the UTF-8 character at s, of which len are there, and its number; 0 for what is none. */
size_t utf8_character(const char *s, size_t len, uint32_t *code);
#define TEXT_REPLACEMENT 0xFFFD /* stands for bytes that are no character */
/* The inside of a JSON string, always terminated; returns its length. Bytes that are no UTF-8 become U+FFFD,
 * so out holds at most TEXT_JSON_MAX(strlen(text)) characters. Cut between characters when cap is less. */
#define TEXT_JSON_MAX(len) (6 * (len) + 1)
size_t text_json(const char *text, char *out, size_t cap);

#endif
