#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/timed_p256.h"

#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>

#include "lib/ccc/primitives.h"
#include "tests/figures.h"

static struct timed_p256 spent;

void timed_p256_begin(void)
{
    spent = (struct timed_p256){.p256 = {0}};
}

struct timed_p256 timed_p256_end(void)
{
    return spent;
}

#define TIMED(kind, type, name, parameters, arguments) \
    type __real_##name parameters;                     \
    type __wrap_##name parameters;                     \
    type __wrap_##name parameters                      \
    {                                                  \
        double t = cpu_s();                            \
        type result = __real_##name arguments;         \
        spent.kind.s += cpu_s() - t;                   \
        spent.kind.calls++;                            \
        return result;                                 \
    }

TIMED(p256, int, EC_KEY_generate_key, (EC_KEY * key), (key))
TIMED(p256, int, EC_POINT_mul,
      (const EC_GROUP *group, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *ctx),
      (group, r, n, q, m, ctx))
TIMED(p256, int, ECDSA_sign,
      (int type, const unsigned char *digest, int digest_len, unsigned char *sig, unsigned *sig_len,
       EC_KEY *key),
      (type, digest, digest_len, sig, sig_len, key))
TIMED(p256, int, ECDSA_verify,
      (int type, const unsigned char *digest, int digest_len, const unsigned char *sig, int sig_len,
       EC_KEY *key),
      (type, digest, digest_len, sig, sig_len, key))
TIMED(p256, int, ECDH_compute_key,
      (void *out, size_t len, const EC_POINT *public, const EC_KEY *key,
       void *(*kdf)(const void *in, size_t in_len, void *to, size_t *to_len)),
      (out, len, public, key, kdf))
TIMED(scrypt, enum err, ccc_scrypt,
      (struct crypto * c, struct span password, struct span salt, uint64_t n, uint32_t r, uint32_t p,
       uint8_t *out, size_t len),
      (c, password, salt, n, r, p, out, len))
