/* ECDSA with P-256 and SHA-256 in the form that APDUs carry: r || s, 32 bytes each. */
#ifndef lib_ccc_signature_h
#define lib_ccc_signature_h

#include "lib/crypto/p256.h"

#define SIGNATURE_SIZE 64

enum err signature_make(struct crypto *c, struct span data, const struct p256_key *key,
                        uint8_t out[SIGNATURE_SIZE]);
/* ERR_SIGNATURE_INVALID. */
enum err signature_check(struct crypto *c, struct span data, const struct p256_key *key,
                         const uint8_t signature[SIGNATURE_SIZE]);

#endif
