#include "lib/crypto/sealed.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/crypto/cipher.h"

#define FORM   1
#define KEY_ID 4
#define NONCE  12
#define TAG    16
#define HEAD   (1 + KEY_ID + NONCE)

static_assert(HEAD + TAG == SEALED_OVERHEAD, "the overhead is what stands around the data");

static void key_id(struct crypto *c, const uint8_t key[SEALED_KEY], uint8_t out[KEY_ID])
{
    static const char purpose[] = "which key sealed this";
    uint8_t digest[SHA256_SIZE];
    const struct span parts[] = {span_of(purpose, sizeof purpose), span_of(key, SEALED_KEY)};
    crypto_sha256(c, parts, 2, digest);
    memcpy(out, digest, KEY_ID);
}

static EVP_CIPHER_CTX *begin(struct crypto *c, bool encrypt, const uint8_t *key, const uint8_t *nonce,
                             const char *name)
{
    int n;
    const EVP_CIPHER *type = crypto_cipher(c, CRYPTO_GCM_256);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (type && ctx && EVP_CipherInit_ex2(ctx, type, key, nonce, encrypt, NULL) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)name, (int)strlen(name)) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

bool sealed_names_key(struct crypto *c, const uint8_t key[SEALED_KEY], struct span sealed)
{
    uint8_t id[KEY_ID];
    key_id(c, key, id);
    return sealed.len >= SEALED_OVERHEAD && sealed.p[0] == FORM && memcmp(sealed.p + 1, id, KEY_ID) == 0;
}

enum err sealed_make(struct crypto *c, const uint8_t key[SEALED_KEY], const char *name, struct span plain,
                     uint8_t *out)
{
    int n = 0, last = 0;
    uint8_t *data = out + HEAD;
    out[0] = FORM;
    key_id(c, key, out + 1);
    crypto_random(c, out + 1 + KEY_ID, NONCE);
    EVP_CIPHER_CTX *ctx = begin(c, true, key, out + 1 + KEY_ID, name);
    bool ok = ctx && (!plain.len || EVP_CipherUpdate(ctx, data, &n, plain.p, (int)plain.len) == 1) &&
              EVP_CipherFinal_ex(ctx, data + n, &last) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, data + plain.len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err sealed_open(struct crypto *c, const uint8_t key[SEALED_KEY], const char *name, struct span sealed,
                     uint8_t *out)
{
    int n = 0, last = 0;
    uint8_t tag[TAG];
    if (sealed.len < SEALED_OVERHEAD || sealed.p[0] != FORM)
        return ERR_RECORD_TORN;
    if (!sealed_names_key(c, key, sealed))
        return ERR_STORE_KEY_WRONG;
    size_t len = sealed.len - SEALED_OVERHEAD;
    const uint8_t *data = sealed.p + HEAD;
    memcpy(tag, data + len, TAG);
    EVP_CIPHER_CTX *ctx = begin(c, false, key, sealed.p + 1 + KEY_ID, name);
    bool ok = ctx && (!len || EVP_CipherUpdate(ctx, out, &n, data, (int)len) == 1) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1;
    bool genuine = ok && EVP_CipherFinal_ex(ctx, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (genuine)
        return ERR_OK;
    OPENSSL_cleanse(out, len); /* what was decrypted before the tag was checked */
    return ok ? ERR_RECORD_TORN : ERR_CRYPTO_FAILED;
}
