/* Endpoint creation data (tag 7F4A, table 15-13): what the vehicle asks the device's key to be. The device
 * adds its own endpoint identifier and instance CA identifier; both stand in the certificate [H]. */
#ifndef lib_ccc_endpoint_h
#define lib_ccc_endpoint_h

#include "lib/base/err.h"
#include "lib/ccc/op_message.h"
#include "lib/ccc/transaction.h"

#define ENDPOINT_SLOT_MIN 1
#define ENDPOINT_SLOT_MAX 16
#define ENDPOINT_KEY_ID   SHA1_SIZE /* keyID: SHA-1 of device.PK; an identifier, never a security decision */

/* Option group 1. */
enum {
    ENDPOINT_STANDARD_CONTACTLESS = 0x01,
    ENDPOINT_FAST_CONTACTLESS = 0x02,
    ENDPOINT_STANDARD_WIRED = 0x04,
    ENDPOINT_FAST_WIRED = 0x08,
    ENDPOINT_MAY_SHARE = 0x10,
    ENDPOINT_MAY_SHARE_ON = 0x20,
    ENDPOINT_EXCHANGE_WIRED = 0x40,
    ENDPOINT_EXCHANGE_AFTER_FAST = 0x80
};
/* Option group 2. */
enum {
    ENDPOINT_SIGN = 0x01,
    ENDPOINT_EXPORT_CONFIDENTIAL = 0x02,
    ENDPOINT_SERVER_ISSUED = 0x04,
    ENDPOINT_FLEET = 0x08,
    ENDPOINT_RESERVED = 0x30, /* must be 0 */
    ENDPOINT_COMPRESSED_KEYS = 0x40,
    ENDPOINT_CONFIDENTIAL_DATA = 0x80
};
/* What an owner key gets (a choice, docs/ccc.md). */
#define ENDPOINT_OWNER_OPTIONS_1 \
    (ENDPOINT_STANDARD_CONTACTLESS | ENDPOINT_FAST_CONTACTLESS | ENDPOINT_MAY_SHARE | ENDPOINT_MAY_SHARE_ON)
#define ENDPOINT_OWNER_OPTIONS_2 (ENDPOINT_SIGN | ENDPOINT_CONFIDENTIAL_DATA)

struct slot_id {
    uint8_t b[ENDPOINT_SLOT_MAX];
    uint8_t len;
};
bool slot_id_equal(const struct slot_id *a, const struct slot_id *b);
/* ERR_BAD_ARGUMENT outside 1..16 bytes. */
enum err slot_id_parse(struct span value, struct slot_id *out);
static inline struct span slot_id_span(const struct slot_id *s)
{
    return span_of(s->b, s->len);
}

struct endpoint_creation {
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID]; /* 4D */
    uint8_t options_1, options_2;               /* 46, 47 */
    uint16_t version;                           /* 5C, of the applet protocol */
    uint8_t vehicle_pk[P256_POINT];             /* 5B */
    int64_t not_before_s, not_after_s;          /* 51, 52: since 1970, 0: not given; YYYYMMDDHHMMSSZ */
    uint8_t authorized_pk[P256_POINT];          /* 49: anchor for friend keys */
    uint16_t confidential_size, private_size;   /* 4A, 4B: mailboxes, bytes */
    struct slot_id slot;                        /* 4E, of the owner key */
};

/* The value of 7F4A. */
void endpoint_creation_put(struct wr *w, const struct endpoint_creation *e);
/* Errors as in op_message.h; points are not yet checked to be on the curve. Deprecated tags (57) and those of
 * later versions (60) are skipped like any unknown one; the device's own identifiers (5F20, 42) are not the
 * vehicle's to give and are refused. */
enum err endpoint_creation_parse(struct span value, struct endpoint_creation *out);

#endif
