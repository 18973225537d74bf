#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/failing_openssl.h"

#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "lib/crypto/p256.h"

static size_t left; /* calls until the one that fails; 0: none does */
static bool failed;

void failing_openssl_arm(size_t n)
{
    left = n;
    failed = false;
}

bool failing_openssl_disarm(void)
{
    left = 0;
    return failed;
}

static bool refused(void)
{
    if (left == 0 || --left > 0)
        return false;
    failed = true;
    return true;
}

/* name, type, what it returns when it fails, parameters, arguments */
#define FAILS(name, type, failure, parameters, arguments)       \
    type __real_##name parameters;                              \
    type __wrap_##name parameters;                              \
    type __wrap_##name parameters                               \
    {                                                           \
        return refused() ? (failure) : __real_##name arguments; \
    }

/* clang-format off */
FAILS(BN_CTX_secure_new_ex, BN_CTX *, NULL, (OSSL_LIB_CTX *a), (a))
FAILS(BN_secure_new, BIGNUM *, NULL, (void), ())
FAILS(BN_bin2bn, BIGNUM *, NULL, (const unsigned char *a, int b, BIGNUM *c), (a, b, c))
FAILS(BN_bn2binpad, int, -1, (const BIGNUM *a, unsigned char *b, int c), (a, b, c))
FAILS(EC_KEY_new_ex, EC_KEY *, NULL, (OSSL_LIB_CTX *a, const char *b), (a, b))
FAILS(EC_KEY_set_group, int, 0, (EC_KEY *a, const EC_GROUP *b), (a, b))
FAILS(EC_KEY_generate_key, int, 0, (EC_KEY *a), (a))
FAILS(EC_KEY_oct2key, int, 0, (EC_KEY *a, const unsigned char *b, size_t c, BN_CTX *d), (a, b, c, d))
FAILS(EC_KEY_set_private_key, int, 0, (EC_KEY *a, const BIGNUM *b), (a, b))
FAILS(EC_KEY_set_public_key, int, 0, (EC_KEY *a, const EC_POINT *b), (a, b))
FAILS(EC_POINT_new, EC_POINT *, NULL, (const EC_GROUP *a), (a))
FAILS(EC_POINT_oct2point, int, 0, (const EC_GROUP *a, EC_POINT *b, const unsigned char *c, size_t d, BN_CTX *e), (a, b, c, d, e))
FAILS(EC_POINT_point2oct, size_t, 0, (const EC_GROUP *a, const EC_POINT *b, point_conversion_form_t c, unsigned char *d, size_t e, BN_CTX *f), (a, b, c, d, e, f))
FAILS(EC_POINT_mul, int, 0, (const EC_GROUP *a, EC_POINT *b, const BIGNUM *c, const EC_POINT *d, const BIGNUM *e, BN_CTX *f), (a, b, c, d, e, f))
FAILS(EC_POINT_add, int, 0, (const EC_GROUP *a, EC_POINT *b, const EC_POINT *c, const EC_POINT *d, BN_CTX *e), (a, b, c, d, e))
FAILS(EC_POINT_get_Jprojective_coordinates_GFp, int, 0, (const EC_GROUP *a, const EC_POINT *b, BIGNUM *c, BIGNUM *d, BIGNUM *e, BN_CTX *f), (a, b, c, d, e, f))
FAILS(EC_POINT_set_Jprojective_coordinates_GFp, int, 0, (const EC_GROUP *a, EC_POINT *b, const BIGNUM *c, const BIGNUM *d, const BIGNUM *e, BN_CTX *f), (a, b, c, d, e, f))
FAILS(EC_POINT_get_affine_coordinates, int, 0, (const EC_GROUP *a, const EC_POINT *b, BIGNUM *c, BIGNUM *d, BN_CTX *e), (a, b, c, d, e))
FAILS(BN_copy, BIGNUM *, NULL, (BIGNUM *a, const BIGNUM *b), (a, b))
FAILS(BN_MONT_CTX_new, BN_MONT_CTX *, NULL, (void), ())
FAILS(BN_MONT_CTX_set, int, 0, (BN_MONT_CTX *a, const BIGNUM *b, BN_CTX *c), (a, b, c))
FAILS(BN_to_montgomery, int, 0, (BIGNUM *a, const BIGNUM *b, BN_MONT_CTX *c, BN_CTX *d), (a, b, c, d))
FAILS(BN_from_montgomery, int, 0, (BIGNUM *a, const BIGNUM *b, BN_MONT_CTX *c, BN_CTX *d), (a, b, c, d))
FAILS(BN_mod_mul_montgomery, int, 0, (BIGNUM *a, const BIGNUM *b, const BIGNUM *c, BN_MONT_CTX *d, BN_CTX *e), (a, b, c, d, e))
FAILS(EC_POINT_invert, int, 0, (const EC_GROUP *a, EC_POINT *b, BN_CTX *c), (a, b, c))
FAILS(ECDH_compute_key, int, -1, (void *a, size_t b, const EC_POINT *c, const EC_KEY *d, void *(*e)(const void *, size_t, void *, size_t *)), (a, b, c, d, e))
FAILS(ECDSA_sign, int, 0, (int a, const unsigned char *b, int c, unsigned char *d, unsigned int *e, EC_KEY *f), (a, b, c, d, e, f))
FAILS(ECDSA_verify, int, -1, (int a, const unsigned char *b, int c, const unsigned char *d, int e, EC_KEY *f), (a, b, c, d, e, f))
FAILS(EVP_KDF_fetch, EVP_KDF *, NULL, (OSSL_LIB_CTX *a, const char *b, const char *c), (a, b, c))
FAILS(EVP_KDF_CTX_new, EVP_KDF_CTX *, NULL, (EVP_KDF *a), (a))
FAILS(EVP_KDF_derive, int, 0, (EVP_KDF_CTX *a, unsigned char *b, size_t c, const OSSL_PARAM *d), (a, b, c, d))
FAILS(EVP_MAC_fetch, EVP_MAC *, NULL, (OSSL_LIB_CTX *a, const char *b, const char *c), (a, b, c))
FAILS(EVP_MAC_CTX_new, EVP_MAC_CTX *, NULL, (EVP_MAC *a), (a))
FAILS(EVP_MAC_CTX_dup, EVP_MAC_CTX *, NULL, (const EVP_MAC_CTX *a), (a))
FAILS(EVP_MAC_init, int, 0, (EVP_MAC_CTX *a, const unsigned char *b, size_t c, const OSSL_PARAM *d), (a, b, c, d))
FAILS(EVP_MAC_update, int, 0, (EVP_MAC_CTX *a, const unsigned char *b, size_t c), (a, b, c))
FAILS(EVP_MAC_final, int, 0, (EVP_MAC_CTX *a, unsigned char *b, size_t *c, size_t d), (a, b, c, d))
FAILS(EVP_CIPHER_fetch, EVP_CIPHER *, NULL, (OSSL_LIB_CTX *a, const char *b, const char *c), (a, b, c))
FAILS(EVP_CIPHER_CTX_new, EVP_CIPHER_CTX *, NULL, (void), ())
FAILS(EVP_CIPHER_CTX_ctrl, int, 0, (EVP_CIPHER_CTX *a, int b, int c, void *d), (a, b, c, d))
FAILS(EVP_CIPHER_CTX_set_padding, int, 0, (EVP_CIPHER_CTX *a, int b), (a, b))
FAILS(EVP_CipherInit_ex2, int, 0, (EVP_CIPHER_CTX *a, const EVP_CIPHER *b, const unsigned char *c, const unsigned char *d, int e, const OSSL_PARAM *f), (a, b, c, d, e, f))
FAILS(EVP_CipherUpdate, int, 0, (EVP_CIPHER_CTX *a, unsigned char *b, int *c, const unsigned char *d, int e), (a, b, c, d, e))
FAILS(EVP_EncryptUpdate, int, 0, (EVP_CIPHER_CTX *a, unsigned char *b, int *c, const unsigned char *d, int e), (a, b, c, d, e))
FAILS(EVP_EncryptFinal_ex, int, 0, (EVP_CIPHER_CTX *a, unsigned char *b, int *c), (a, b, c))
FAILS(EVP_DecryptUpdate, int, 0, (EVP_CIPHER_CTX *a, unsigned char *b, int *c, const unsigned char *d, int e), (a, b, c, d, e))
FAILS(EVP_DecryptFinal_ex, int, 0, (EVP_CIPHER_CTX *a, unsigned char *b, int *c), (a, b, c))
/* clang-format on */

/* Stops the program when it fails, so it does not: the point of a key that we hold has been checked before.
 */
void __real_p256_public(const struct p256_key *k, uint8_t out[P256_POINT]);
void __wrap_p256_public(const struct p256_key *k, uint8_t out[P256_POINT]);
void __wrap_p256_public(const struct p256_key *k, uint8_t out[P256_POINT])
{
    size_t kept = left;
    left = 0;
    __real_p256_public(k, out);
    left = kept;
}
