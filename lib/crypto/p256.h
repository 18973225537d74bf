/* P-256 keys, ECDSA with SHA-256, and hashing: the one place that calls OpenSSL's elliptic curves.
 *
 * Keys are OpenSSL's EC_KEY with one shared group, because reading and writing keys through the newer
 * decoder interface costs ten times the signature itself. All randomness comes from the library context
 * that the crypto context was made for. */
#ifndef lib_crypto_p256_h
#define lib_crypto_p256_h

#include <openssl/types.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define P256_POINT   65 /* 04 || X || Y */
#define P256_SCALAR  32
#define P256_SIG_MAX 72 /* DER SEQUENCE { r, s } */
#define SHA256_SIZE  32
#define SHA1_SIZE    20

struct crypto;   /* one per process or virtual world */
struct p256_key; /* public, or public and private */

/* NULL context = OpenSSL's default one. NULL without memory. */
struct crypto *crypto_new(OSSL_LIB_CTX *ctx);
void crypto_free(struct crypto *c);
/* The library context, for the few who build what we never send in earnest. NULL: the default one. */
OSSL_LIB_CTX *crypto_openssl(const struct crypto *c);
/* A place for what another module looks up in OpenSSL once per context, because each look-up costs as much as
 * a MAC. The context calls `free` at its end. Never a secret. */
enum crypto_slot_id {
    CRYPTO_CMAC,
    CRYPTO_ECB,
    CRYPTO_CBC,
    CRYPTO_CCM,
    CRYPTO_GCM_256,
    CRYPTO_P256_FIELD,
    CRYPTO_SLOTS
};
struct crypto_slot {
    void *object; /* NULL: not looked up yet */
    void (*free)(void *object);
};
struct crypto_slot *crypto_slot(struct crypto *c, enum crypto_slot_id id);
/* The shared group, for point arithmetic elsewhere (SPAKE2+). Borrowed. */
const struct ec_group_st *crypto_p256_group(struct crypto *c);
void crypto_random(struct crypto *c, void *out, size_t len);
/* Hash of the parts, one after the other. */
void crypto_sha256(struct crypto *c, const struct span *parts, size_t n, uint8_t out[SHA256_SIZE]);
/* HMAC-SHA-256 (RFC 2104) over the parts, under a key as long as the hash. */
void crypto_hmac(struct crypto *c, const uint8_t key[SHA256_SIZE], const struct span *parts, size_t n,
                 uint8_t out[SHA256_SIZE]);
void crypto_sha1(struct crypto *c, struct span in, uint8_t out[SHA1_SIZE]);

/* New random key; free with p256_free. */
enum err p256_generate(struct crypto *c, struct p256_key **out);
/* ERR_KEY_INVALID when the scalar is out of range. */
enum err p256_from_private(struct crypto *c, const uint8_t scalar[P256_SCALAR], struct p256_key **out);
/* From a scalar and its point, as p256_private and p256_public gave them: without the multiplication, which
 * is most of the work. ERR_KEY_INVALID when the scalar is out of range or the point is not on the curve; that
 * the two belong together is the word of whoever kept them. */
enum err p256_from_pair(struct crypto *c, const uint8_t scalar[P256_SCALAR], const uint8_t point[P256_POINT],
                        struct p256_key **out);
/* ERR_KEY_INVALID unless it is from 1 to n - 1. */
enum err p256_check_scalar(struct crypto *c, const uint8_t scalar[P256_SCALAR]);
/* ERR_KEY_INVALID when the point is not on the curve. */
enum err p256_from_public(struct crypto *c, const uint8_t point[P256_POINT], struct p256_key **out);
/* The same check, without a key. */
enum err p256_check_point(struct crypto *c, const uint8_t point[P256_POINT]);
/* Wipes the private part. NULL is allowed. */
void p256_free(struct p256_key *k);
void p256_public(const struct p256_key *k, uint8_t out[P256_POINT]);
/* The caller wipes out. ERR_NOT_FOUND for a public key. */
enum err p256_private(const struct p256_key *k, uint8_t out[P256_SCALAR]);
enum err p256_sign(const struct p256_key *k, const uint8_t digest[SHA256_SIZE], uint8_t sig[P256_SIG_MAX],
                   size_t *sig_len);
/* ERR_SIGNATURE_INVALID when it does not verify. */
enum err p256_verify(const struct p256_key *k, const uint8_t digest[SHA256_SIZE], struct span sig);
/* x coordinate of the shared point; ERR_KEY_INVALID when the peer's point is not on the curve. The caller
 * wipes x. */
enum err p256_ecdh_x(struct crypto *c, const struct p256_key *own, const uint8_t peer[P256_POINT],
                     uint8_t x[P256_SCALAR]);
/* The OpenSSL object inside, for the few who write files (PEM). Borrowed. */
EC_KEY *p256_openssl(const struct p256_key *k);

#endif
