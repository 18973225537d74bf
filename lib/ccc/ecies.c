#include "lib/ccc/ecies.h"

#include <openssl/crypto.h>
#include <string.h>

/* Key and IV: 32 bytes. */
static enum err derive(struct crypto *c, const struct p256_key *own, const uint8_t peer[P256_POINT],
                       const uint8_t sender[P256_POINT], const uint8_t receiver[P256_POINT], uint8_t okm[32])
{
    uint8_t zx[32], shared[2 * P256_POINT];
    memcpy(shared, sender, P256_POINT);
    memcpy(shared + P256_POINT, receiver, P256_POINT);
    /* Zx; Key || IV */
    enum err e = p256_ecdh_x(c, own, peer, zx);
    if (!e)
        e = ccc_x963(c, span_of(zx, sizeof zx), span_of(shared, sizeof shared), okm, 32);
    OPENSSL_cleanse(zx, sizeof zx);
    return e;
}

enum err ecies_seal(struct crypto *c, const struct p256_key *ephemeral, const uint8_t receiver[P256_POINT],
                    struct span plain, uint8_t *out)
{
    uint8_t okm[32], sender[P256_POINT];
    p256_public(ephemeral, sender);
    enum err e = derive(c, ephemeral, receiver, sender, receiver, okm);
    if (!e)
        e = ccc_gcm_seal(c, okm, okm + CCC_KEY, plain, out);
    OPENSSL_cleanse(okm, sizeof okm);
    return e;
}

enum err ecies_open(struct crypto *c, const struct p256_key *own, const uint8_t ephemeral[P256_POINT],
                    struct span sealed, uint8_t *out)
{
    uint8_t okm[32], receiver[P256_POINT];
    p256_public(own, receiver);
    enum err e = derive(c, own, ephemeral, ephemeral, receiver, okm);
    if (!e)
        e = ccc_gcm_open(c, okm, okm + CCC_KEY, sealed, out);
    OPENSSL_cleanse(okm, sizeof okm);
    return e;
}
