/* ECIES_v1: data from a server to a device's encryption key (key tracking receipt, user interface bundle).
 * X9.63 KDF with SHA-256 over the ECDH x coordinate, sender's and receiver's public keys as shared
 * information; AES-128-GCM with a 16-byte IV (both the KDF and the IV length: a choice, docs/ccc.md). */
#ifndef lib_ccc_ecies_h
#define lib_ccc_ecies_h

#include "lib/ccc/primitives.h"

#define ECIES_OVERHEAD 16 /* GCM tag behind the data */

/* The caller makes the ephemeral key and sends its public part along. out holds plain.len + ECIES_OVERHEAD
 * bytes. */
enum err ecies_seal(struct crypto *c, const struct p256_key *ephemeral, const uint8_t receiver[P256_POINT],
                    struct span plain, uint8_t *out);
/* out holds sealed.len - ECIES_OVERHEAD bytes. ERR_SIGNATURE_INVALID when it was not sealed for us. */
enum err ecies_open(struct crypto *c, const struct p256_key *own, const uint8_t ephemeral[P256_POINT],
                    struct span sealed, uint8_t *out);

#endif
