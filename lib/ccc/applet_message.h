/* Data fields of the applet's commands: AUTH0 and AUTH1, both ways. */
#ifndef lib_ccc_applet_message_h
#define lib_ccc_applet_message_h

#include "lib/ccc/endpoint.h"
#include "lib/ccc/transaction.h"

enum applet_tag {
    APPLET_TAG_VERSION = 0x5C,
    APPLET_TAG_VEHICLE_EPK = 0x87,
    APPLET_TAG_TRANSACTION_ID = 0x4C,
    APPLET_TAG_VEHICLE_ID = 0x4D,
    APPLET_TAG_ENDPOINT_EPK = 0x86,
    APPLET_TAG_CRYPTOGRAM = 0x9D,
    APPLET_TAG_SIGNATURE = 0x9E,
    APPLET_TAG_SLOT = 0x4E,
    APPLET_TAG_CONFIDENTIAL_PART = 0x4A,
    APPLET_TAG_PRIVATE_PART = 0x4B
};

/* AUTH0: pointers into the parsed data. Errors of all parse functions as in op_message.h. */
struct applet_auth0 {
    uint16_t version;
    const uint8_t *vehicle_epk, *transaction_id, *vehicle_id;
};
void applet_auth0_put(struct wr *w, const struct transaction *t);
enum err applet_auth0_parse(struct span data, struct applet_auth0 *out);
/* Everything of the transaction but the endpoint's ePK. */
void applet_auth0_transaction(const struct applet_auth0 *a, uint8_t p1, uint8_t p2,
                              enum transaction_interface interface, struct transaction *out);

/* Answer to AUTH0; cryptogram is NULL unless it was a fast one. */
struct applet_auth0_answer {
    const uint8_t *endpoint_epk, *cryptogram;
};
enum err applet_auth0_answer_parse(struct span data, bool fast, struct applet_auth0_answer *out);

/* Plaintext of the answer to AUTH1. */
struct applet_auth1_answer {
    struct slot_id slot;
    const uint8_t *signature;
    struct span confidential, private_part; /* {NULL, 0}: not configured */
};
enum err applet_auth1_answer_parse(struct span plain, struct applet_auth1_answer *out);

#endif
