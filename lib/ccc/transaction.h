/* The cryptography of the applet's transactions: what AUTH1 signs, the keys of a standard and of a fast
 * transaction. The same functions serve vehicle and device; who signs or verifies what is the caller's part.
 */
#ifndef lib_ccc_transaction_h
#define lib_ccc_transaction_h

#include "lib/ccc/primitives.h"
#include "lib/ccc/signature.h"

#define TRANSACTION_ID          16
#define TRANSACTION_VEHICLE_ID  8
#define TRANSACTION_VERSIONS    64 /* version list of the applet's SELECT response, bytes */
#define TRANSACTION_KPERSISTENT 32

enum transaction_interface {
    TRANSACTION_CONTACTLESS = 0x5E,
    TRANSACTION_BLE = 0xC3 /* a choice, docs/ccc.md */
};

/* AUTH0 P1. */
enum { TRANSACTION_FAST = 0x01, TRANSACTION_EXCHANGE_FOLLOWS = 0x04 };
/* AUTH0 P2 (table 9-1; other values than these three: a choice, docs/ccc.md). */
enum { TRANSACTION_UNLOCK = 0x01, TRANSACTION_PAIRING_PHASE_3 = 0x07, TRANSACTION_PAIRING_PHASE_4 = 0x08 };

/* Usage of a signature, tag 93. */
enum transaction_signer {
    TRANSACTION_VEHICLE = 0x415D9569,
    TRANSACTION_ENDPOINT = 0x4E887B4C,
    TRANSACTION_TERMINATED = 0x5445524D /* the endpoint, once its key was terminated: "TERM" */
};

/* What both sides know once AUTH0 is answered. */
struct transaction {
    uint8_t vehicle_epk[P256_POINT], endpoint_epk[P256_POINT];
    uint8_t id[TRANSACTION_ID], vehicle_id[TRANSACTION_VEHICLE_ID];
    uint8_t p1, p2; /* flag */
    uint8_t version[2];
    enum transaction_interface interface;
    uint8_t versions[TRANSACTION_VERSIONS], versions_len; /* value of 5C in the applet's SELECT answer */
    bool versions_in_info; /* a dialect: the list also enters the keys of a standard transaction */
};

struct transaction_keys {
    uint8_t kenc[CCC_KEY], kmac[CCC_KEY], krmac[CCC_KEY];
};

/* 4D, 86, 87, 4C, 93. */
#define TRANSACTION_SIGNED 102
void transaction_signed_data(const struct transaction *t, enum transaction_signer who,
                             uint8_t out[TRANSACTION_SIGNED]);
enum err transaction_sign(struct crypto *c, const struct transaction *t, enum transaction_signer who,
                          const struct p256_key *key, uint8_t out[SIGNATURE_SIZE]);
/* ERR_SIGNATURE_INVALID. */
enum err transaction_verify(struct crypto *c, const struct transaction *t, enum transaction_signer who,
                            const struct p256_key *key, const uint8_t signature[SIGNATURE_SIZE]);

/* Kdh from our ephemeral key and the peer's, then the session keys and Kpersistent. */
enum err transaction_standard_keys(struct crypto *c, const struct transaction *t,
                                   const struct p256_key *own_ephemeral, const uint8_t peer_epk[P256_POINT],
                                   struct transaction_keys *keys,
                                   uint8_t kpersistent[TRANSACTION_KPERSISTENT]);
/* Cryptogram and session keys from a stored Kpersistent. */
enum err transaction_fast_keys(struct crypto *c, const struct transaction *t,
                               const uint8_t kpersistent[TRANSACTION_KPERSISTENT],
                               const uint8_t vehicle_pk[P256_POINT], const uint8_t device_pk[P256_POINT],
                               uint8_t cryptogram[CCC_KEY], struct transaction_keys *keys);

#endif
