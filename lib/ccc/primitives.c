#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/ccc/primitives.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "lib/crypto/cipher.h"
#include "lib/crypto/cmac.h"

#define GCM_TAG 16

/* OpenSSL's parameters take writable pointers, but are only read. */
static void *writable(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return u.out;
}

static OSSL_PARAM octets(const char *name, struct span s)
{
    return OSSL_PARAM_construct_octet_string(name, writable(s.len ? (const void *)s.p : ""), s.len);
}

/* ---- key derivation ---- */

static enum err derive(struct crypto *c, const char *name, const OSSL_PARAM *params, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(crypto_openssl(c), name, NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool ok = ctx && EVP_KDF_derive(ctx, out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

/* Not OpenSSL's: looking up HMAC and its hash costs more than both steps. */
enum err ccc_hkdf(struct crypto *c, struct span ikm, struct span info, uint8_t *out, size_t len)
{
    static const uint8_t salt[SHA256_SIZE];
    uint8_t prk[SHA256_SIZE], t[SHA256_SIZE], i = 0;
    size_t previous = 0;
    assert(len <= 255 * SHA256_SIZE);
    /* RFC 5869, 2.2: PRK = HMAC(salt, IKM) */
    crypto_hmac(c, salt, &ikm, 1, prk);
    /* 2.3: T(i) = HMAC(PRK, T(i - 1) || info || i) */
    while (len) {
        i++;
        const struct span parts[] = {span_of(t, previous), info, span_of(&i, 1)};
        size_t n = len < SHA256_SIZE ? len : SHA256_SIZE;
        crypto_hmac(c, prk, parts, 3, t);
        memcpy(out, t, n);
        out += n;
        len -= n;
        previous = SHA256_SIZE;
    }
    OPENSSL_cleanse(prk, sizeof prk);
    OPENSSL_cleanse(t, sizeof t);
    return ERR_OK;
}

enum err ccc_x963(struct crypto *c, struct span z, struct span shared_info, uint8_t *out, size_t len)
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, writable("SHA256"), 0),
        octets(OSSL_KDF_PARAM_KEY, z),
        octets(OSSL_KDF_PARAM_INFO, shared_info),
        OSSL_PARAM_construct_end(),
    };
    return derive(c, "X963KDF", params, out, len);
}

enum err ccc_scrypt(struct crypto *c, struct span password, struct span salt, uint64_t n, uint32_t r,
                    uint32_t p, uint8_t *out, size_t len)
{
    uint64_t memory = 256ull * n * r; /* twice what it needs */
    const OSSL_PARAM params[] = {
        octets(OSSL_KDF_PARAM_PASSWORD, password),
        octets(OSSL_KDF_PARAM_SALT, salt),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_construct_end(),
    };
    return derive(c, "SCRYPT", params, out, len);
}

enum err ccc_cmac(struct crypto *c, const uint8_t key[CCC_KEY], const struct span *parts, size_t n,
                  uint8_t out[CCC_BLOCK])
{
    return crypto_cmac(c, key, parts, n, out);
}

/* One pass of a block cipher without padding. */
static enum err cipher(const EVP_CIPHER *type, bool encrypt, const uint8_t *key, const uint8_t *iv,
                       const uint8_t *in, size_t len, uint8_t *out)
{
    int n = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = type && ctx && EVP_CipherInit_ex2(ctx, type, key, iv, encrypt, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 && EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 &&
              n == (int)len;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err ccc_ecb_block(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t in[CCC_BLOCK],
                       uint8_t out[CCC_BLOCK])
{
    return cipher(crypto_cipher(c, CRYPTO_ECB), true, key, NULL, in, CCC_BLOCK, out);
}

enum err ccc_cbc(struct crypto *c, bool encrypt, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                 const uint8_t *in, size_t len, uint8_t *out)
{
    return cipher(crypto_cipher(c, CRYPTO_CBC), encrypt, key, iv, in, len, out);
}

static EVP_CIPHER_CTX *gcm_begin(struct crypto *c, bool encrypt, const uint8_t *key, const uint8_t *iv)
{
    size_t iv_len = CCC_BLOCK;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_IVLEN, &iv_len),
                                 OSSL_PARAM_construct_end()};
    EVP_CIPHER *type = EVP_CIPHER_fetch(crypto_openssl(c), "AES-128-GCM", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = type && ctx && EVP_CipherInit_ex2(ctx, type, key, iv, encrypt, params) == 1;
    EVP_CIPHER_free(type);
    if (ok)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

enum err ccc_gcm_seal(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                      struct span plain, uint8_t *out)
{
    int n = 0, last = 0;
    EVP_CIPHER_CTX *ctx = gcm_begin(c, true, key, iv);
    bool ok = ctx && EVP_EncryptUpdate(ctx, out, &n, plain.p, (int)plain.len) == 1 &&
              EVP_EncryptFinal_ex(ctx, out + n, &last) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, out + plain.len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err ccc_gcm_open(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                      struct span sealed, uint8_t *out)
{
    int n = 0, last = 0;
    if (sealed.len < GCM_TAG)
        return ERR_TRUNCATED;
    size_t len = sealed.len - GCM_TAG;
    EVP_CIPHER_CTX *ctx = gcm_begin(c, false, key, iv);
    bool ok = ctx && EVP_DecryptUpdate(ctx, out, &n, sealed.p, (int)len) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, writable(sealed.p + len)) == 1;
    bool genuine = ok && EVP_DecryptFinal_ex(ctx, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (genuine)
        return ERR_OK;
    OPENSSL_cleanse(out, len); /* what was decrypted before the tag was checked */
    return ok ? ERR_SIGNATURE_INVALID : ERR_CRYPTO_FAILED;
}

/* In CCM the lengths come first, the tag with them when opening; then key and nonce. */
static EVP_CIPHER_CTX *ccm_begin(struct crypto *c, bool encrypt, const uint8_t *key, struct span nonce,
                                 const uint8_t *tag, size_t tag_len)
{
    const EVP_CIPHER *type = crypto_cipher(c, CRYPTO_CCM);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok =
        type && ctx && EVP_CipherInit_ex2(ctx, type, NULL, NULL, encrypt, NULL) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce.len, NULL) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag ? writable(tag) : NULL) == 1 &&
        EVP_CipherInit_ex2(ctx, NULL, key, nonce.p, encrypt, NULL) == 1;
    if (ok)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

enum err ccc_ccm_seal(struct crypto *c, const uint8_t key[CCC_KEY], struct span nonce, struct span plain,
                      uint8_t *out, uint8_t *tag, size_t tag_len)
{
    int n = 0;
    EVP_CIPHER_CTX *ctx = ccm_begin(c, true, key, nonce, NULL, tag_len);
    bool ok = ctx && EVP_CipherUpdate(ctx, out, &n, plain.p, (int)plain.len) == 1 && n == (int)plain.len &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err ccc_ccm_open(struct crypto *c, const uint8_t key[CCC_KEY], struct span nonce, struct span sealed,
                      const uint8_t *tag, size_t tag_len, uint8_t *out)
{
    int n = 0;
    EVP_CIPHER_CTX *ctx = ccm_begin(c, false, key, nonce, tag, tag_len);
    if (!ctx)
        return ERR_CRYPTO_FAILED;
    bool genuine = EVP_CipherUpdate(ctx, out, &n, sealed.p, (int)sealed.len) == 1 && n == (int)sealed.len;
    EVP_CIPHER_CTX_free(ctx);
    return genuine ? ERR_OK : ERR_SIGNATURE_INVALID;
}
