#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/crypto/p256.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct crypto {
    OSSL_LIB_CTX *ctx;
    EC_GROUP *group; /* made at the first use: who only hashes never pays for curves */
    struct crypto_slot slots[CRYPTO_SLOTS];
};

struct crypto *crypto_new(OSSL_LIB_CTX *ctx)
{
    struct crypto *c = calloc(1, sizeof *c);
    if (c)
        c->ctx = ctx;
    return c;
}

void crypto_free(struct crypto *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CRYPTO_SLOTS; i++)
        if (c->slots[i].object)
            c->slots[i].free(c->slots[i].object);
    EC_GROUP_free(c->group);
    free(c);
}

struct crypto_slot *crypto_slot(struct crypto *c, enum crypto_slot_id id)
{
    return &c->slots[id];
}

const EC_GROUP *crypto_p256_group(struct crypto *c)
{
    if (!c->group)
        c->group = EC_GROUP_new_by_curve_name_ex(c->ctx, NULL, NID_X9_62_prime256v1);
    if (!c->group)
        abort(); /* an OpenSSL without P-256 */
    return c->group;
}

OSSL_LIB_CTX *crypto_openssl(const struct crypto *c)
{
    return c->ctx;
}

void crypto_random(struct crypto *c, void *out, size_t len)
{
    if (RAND_priv_bytes_ex(c->ctx, out, len, 0) != 1)
        abort(); /* no randomness: nothing that follows could be trusted */
}

static void hash_parts(SHA256_CTX *sha, const struct span *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (parts[i].len)
            SHA256_Update(sha, parts[i].p, parts[i].len);
}

/* The plain functions, not EVP: looking up a provider costs a process its first millisecond. */
void crypto_sha256(struct crypto *c, const struct span *parts, size_t n, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX sha;
    (void)c;
    SHA256_Init(&sha);
    hash_parts(&sha, parts, n);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(&sha, sizeof sha); /* of a transcript, the state is the key */
}

void crypto_hmac(struct crypto *c, const uint8_t key[SHA256_SIZE], const struct span *parts, size_t n,
                 uint8_t out[SHA256_SIZE])
{
    enum { IPAD = 0x36, OPAD = 0x5C };
    uint8_t pad[SHA256_CBLOCK];
    SHA256_CTX sha;
    (void)c;
    memset(pad, IPAD, sizeof pad);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        pad[i] ^= key[i];
    /* H(K ^ opad, H(K ^ ipad, text)) */
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, sizeof pad);
    hash_parts(&sha, parts, n);
    SHA256_Final(out, &sha);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= IPAD ^ OPAD;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, sizeof pad);
    SHA256_Update(&sha, out, SHA256_SIZE);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(&sha, sizeof sha);
}

void crypto_sha1(struct crypto *c, struct span in, uint8_t out[SHA1_SIZE])
{
    (void)c;
    SHA1(in.p, in.len, out);
}

/* struct p256_key is never defined: a pointer to it is a pointer to OpenSSL's key. */
static EC_KEY *key_of(const struct p256_key *k)
{
    union {
        const struct p256_key *ours;
        EC_KEY *theirs;
    } u = {.ours = k};
    return u.theirs;
}

EC_KEY *p256_openssl(const struct p256_key *k)
{
    return key_of(k);
}

static EC_KEY *key_empty(struct crypto *c)
{
    EC_KEY *ec = EC_KEY_new_ex(c->ctx, NULL);
    if (ec && EC_KEY_set_group(ec, crypto_p256_group(c)) == 1)
        return ec;
    EC_KEY_free(ec);
    return NULL;
}

static enum err key_deliver(EC_KEY *ec, enum err e, struct p256_key **out)
{
    *out = NULL;
    if (e)
        EC_KEY_free(ec);
    else
        *out = (struct p256_key *)ec;
    return e;
}

enum err p256_generate(struct crypto *c, struct p256_key **out)
{
    EC_KEY *ec = key_empty(c);
    enum err e = ec && EC_KEY_generate_key(ec) == 1 ? ERR_OK : ERR_CRYPTO_FAILED;
    return key_deliver(ec, e, out);
}

enum err p256_from_private(struct crypto *c, const uint8_t scalar[P256_SCALAR], struct p256_key **out)
{
    enum err e = ERR_CRYPTO_FAILED;
    EC_POINT *point = NULL;
    BIGNUM *d = NULL;
    EC_KEY *ec = key_empty(c);
    if (!ec)
        goto out;
    d = BN_secure_new();
    point = EC_POINT_new(crypto_p256_group(c));
    if (!d || !point || !BN_bin2bn(scalar, P256_SCALAR, d))
        goto out;
    e = ERR_KEY_INVALID;
    if (BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(crypto_p256_group(c))) >= 0)
        goto out;
    e = ERR_CRYPTO_FAILED;
    if (EC_POINT_mul(crypto_p256_group(c), point, d, NULL, NULL, NULL) == 1 &&
        EC_KEY_set_private_key(ec, d) == 1 && EC_KEY_set_public_key(ec, point) == 1)
        e = ERR_OK;
out:
    EC_POINT_free(point);
    BN_clear_free(d);
    return key_deliver(ec, e, out);
}

enum err p256_from_public(struct crypto *c, const uint8_t point[P256_POINT], struct p256_key **out)
{
    EC_KEY *ec = key_empty(c);
    enum err e = ERR_CRYPTO_FAILED;
    if (ec)
        e = point[0] == 4 && EC_KEY_oct2key(ec, point, P256_POINT, NULL) == 1 ? ERR_OK : ERR_KEY_INVALID;
    return key_deliver(ec, e, out);
}

/* A scalar in range, in memory that is wiped when it is freed. */
static enum err scalar_read(struct crypto *c, const uint8_t scalar[P256_SCALAR], BIGNUM **out)
{
    BIGNUM *d = BN_secure_new();
    enum err e = ERR_CRYPTO_FAILED;
    if (d && BN_bin2bn(scalar, P256_SCALAR, d))
        e = BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(crypto_p256_group(c))) >= 0 ? ERR_KEY_INVALID
                                                                                       : ERR_OK;
    if (e) {
        BN_clear_free(d);
        d = NULL;
    }
    *out = d;
    return e;
}

enum err p256_check_scalar(struct crypto *c, const uint8_t scalar[P256_SCALAR])
{
    BIGNUM *d;
    enum err e = scalar_read(c, scalar, &d);
    BN_clear_free(d);
    return e;
}

enum err p256_from_pair(struct crypto *c, const uint8_t scalar[P256_SCALAR], const uint8_t point[P256_POINT],
                        struct p256_key **out)
{
    BIGNUM *d;
    enum err e = scalar_read(c, scalar, &d);
    *out = NULL;
    if (!e)
        e = p256_from_public(c, point, out);
    if (!e && EC_KEY_set_private_key(key_of(*out), d) != 1) {
        p256_free(*out);
        *out = NULL;
        e = ERR_CRYPTO_FAILED;
    }
    BN_clear_free(d);
    return e;
}

enum err p256_check_point(struct crypto *c, const uint8_t point[P256_POINT])
{
    const EC_GROUP *group = crypto_p256_group(c);
    EC_POINT *p = EC_POINT_new(group);
    if (!p)
        return ERR_CRYPTO_FAILED;
    bool ok = point[0] == 4 && EC_POINT_oct2point(group, p, point, P256_POINT, NULL) == 1;
    EC_POINT_free(p);
    return ok ? ERR_OK : ERR_KEY_INVALID;
}

void p256_free(struct p256_key *k)
{
    EC_KEY_free(key_of(k));
}

void p256_public(const struct p256_key *k, uint8_t out[P256_POINT])
{
    const EC_KEY *ec = key_of(k);
    if (EC_POINT_point2oct(EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec), POINT_CONVERSION_UNCOMPRESSED,
                           out, P256_POINT, NULL) != P256_POINT)
        abort();
}

enum err p256_private(const struct p256_key *k, uint8_t out[P256_SCALAR])
{
    const BIGNUM *d = EC_KEY_get0_private_key(key_of(k));
    if (!d)
        return ERR_NOT_FOUND;
    return BN_bn2binpad(d, out, P256_SCALAR) == P256_SCALAR ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err p256_sign(const struct p256_key *k, const uint8_t digest_bytes[SHA256_SIZE],
                   uint8_t sig[P256_SIG_MAX], size_t *sig_len)
{
    unsigned len = 0;
    if (ECDSA_sign(0, digest_bytes, SHA256_SIZE, sig, &len, key_of(k)) != 1)
        return ERR_CRYPTO_FAILED;
    *sig_len = len;
    return ERR_OK;
}

enum err p256_verify(const struct p256_key *k, const uint8_t digest_bytes[SHA256_SIZE], struct span sig)
{
    if (sig.len == 0 || sig.len > P256_SIG_MAX)
        return ERR_SIGNATURE_INVALID;
    if (ECDSA_verify(0, digest_bytes, SHA256_SIZE, sig.p, (int)sig.len, key_of(k)) != 1)
        return ERR_SIGNATURE_INVALID;
    return ERR_OK;
}

enum err p256_ecdh_x(struct crypto *c, const struct p256_key *own, const uint8_t peer[P256_POINT],
                     uint8_t x[P256_SCALAR])
{
    struct p256_key *other;
    enum err e = p256_from_public(c, peer, &other);
    if (e)
        return e;
    if (ECDH_compute_key(x, P256_SCALAR, EC_KEY_get0_public_key(p256_openssl(other)), p256_openssl(own),
                         NULL) != P256_SCALAR)
        e = ERR_CRYPTO_FAILED;
    p256_free(other);
    return e;
}
