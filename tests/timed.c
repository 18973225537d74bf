#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/timed.h"

#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>

#include "lib/ccc/primitives.h"
#include "tests/figures.h"

enum { TRIES = 31, CLOCKS = 500 };

static struct timed_kinds spent;
static unsigned wanted;

void timed_begin(unsigned kinds)
{
    spent = (struct timed_kinds){.of = {{0}}};
    wanted = kinds;
}

struct timed_kinds timed_end(void)
{
    wanted = 0;
    return spent;
}

/* A call is shorter than the system call that reads the CPU's time: it is timed by the clock on the wall,
 * which is read without one. A round that was disturbed is not the least of the rounds. Scrypt is long. */
static double clock_of(enum timed_kind kind)
{
    return kind == TIMED_SCRYPT ? cpu_s() : wall_s();
}

double timed_clock_s(void)
{
    double best = 1;
    for (int k = 0; k < TRIES; k++) {
        double sum = 0;
        for (int i = 0; i < CLOCKS; i++) {
            double t = wall_s();
            sum += wall_s() - t;
        }
        best = sum / CLOCKS < best ? sum / CLOCKS : best;
    }
    return best;
}

#define TIMED(kind, type, name, parameters, arguments) \
    type __real_##name parameters;                     \
    type __wrap_##name parameters;                     \
    type __wrap_##name parameters                      \
    {                                                  \
        if (!(wanted & 1u << (kind)))                  \
            return __real_##name arguments;            \
        double t = clock_of(kind);                     \
        type result = __real_##name arguments;         \
        spent.of[kind].s += clock_of(kind) - t;        \
        spent.of[kind].calls++;                        \
        return result;                                 \
    }

TIMED(TIMED_P256, int, EC_KEY_generate_key, (EC_KEY * key), (key))
TIMED(TIMED_P256, int, EC_POINT_mul,
      (const EC_GROUP *group, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *ctx),
      (group, r, n, q, m, ctx))
TIMED(TIMED_P256, int, ECDSA_sign,
      (int type, const unsigned char *digest, int digest_len, unsigned char *sig, unsigned *sig_len,
       EC_KEY *key),
      (type, digest, digest_len, sig, sig_len, key))
TIMED(TIMED_P256, int, ECDSA_verify,
      (int type, const unsigned char *digest, int digest_len, const unsigned char *sig, int sig_len,
       EC_KEY *key),
      (type, digest, digest_len, sig, sig_len, key))
TIMED(TIMED_P256, int, ECDH_compute_key,
      (void *out, size_t len, const EC_POINT *public, const EC_KEY *key,
       void *(*kdf)(const void *in, size_t in_len, void *to, size_t *to_len)),
      (out, len, public, key, kdf))
TIMED(TIMED_POINTS, size_t, EC_POINT_point2oct,
      (const EC_GROUP *group, const EC_POINT *p, point_conversion_form_t form, unsigned char *out, size_t len,
       BN_CTX *ctx),
      (group, p, form, out, len, ctx))
TIMED(TIMED_POINTS, int, EC_KEY_oct2key, (EC_KEY * key, const unsigned char *in, size_t len, BN_CTX *ctx),
      (key, in, len, ctx))
TIMED(TIMED_SYMMETRIC, int, EVP_CipherInit_ex2,
      (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv,
       int enc, const OSSL_PARAM params[]),
      (ctx, cipher, key, iv, enc, params))
TIMED(TIMED_SYMMETRIC, int, EVP_CipherUpdate,
      (EVP_CIPHER_CTX * ctx, unsigned char *out, int *len, const unsigned char *in, int in_len),
      (ctx, out, len, in, in_len))
TIMED(TIMED_SYMMETRIC, int, EVP_CipherFinal_ex, (EVP_CIPHER_CTX * ctx, unsigned char *out, int *len),
      (ctx, out, len))
TIMED(TIMED_SYMMETRIC, int, EVP_MAC_init,
      (EVP_MAC_CTX * ctx, const unsigned char *key, size_t key_len, const OSSL_PARAM params[]),
      (ctx, key, key_len, params))
TIMED(TIMED_SYMMETRIC, int, EVP_MAC_update, (EVP_MAC_CTX * ctx, const unsigned char *data, size_t len),
      (ctx, data, len))
TIMED(TIMED_SYMMETRIC, int, EVP_MAC_final, (EVP_MAC_CTX * ctx, unsigned char *out, size_t *len, size_t size),
      (ctx, out, len, size))
TIMED(TIMED_SYMMETRIC, int, EVP_KDF_derive,
      (EVP_KDF_CTX * ctx, unsigned char *key, size_t len, const OSSL_PARAM params[]), (ctx, key, len, params))
TIMED(TIMED_SYMMETRIC, int, SHA256_Update, (SHA256_CTX * sha, const void *data, size_t len), (sha, data, len))
TIMED(TIMED_SYMMETRIC, int, SHA256_Final, (unsigned char *out, SHA256_CTX *sha), (out, sha))
TIMED(TIMED_SCRYPT, enum err, ccc_scrypt,
      (struct crypto * c, struct span password, struct span salt, uint64_t n, uint32_t r, uint32_t p,
       uint8_t *out, size_t len),
      (c, password, salt, n, r, p, out, len))
