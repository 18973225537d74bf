#include "lib/crypto/smp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/crypto/cipher.h"
#include "lib/crypto/cmac.h"

/* ---- pairing ---- */

enum err smp_f4(struct crypto *c, const uint8_t u[SMP_X], const uint8_t v[SMP_X], const uint8_t x[SMP_KEY],
                uint8_t z, uint8_t out[SMP_KEY])
{
    const struct span parts[] = {span_of(u, SMP_X), span_of(v, SMP_X), span_of(&z, 1)};
    return crypto_cmac(c, x, parts, 3, out);
}

/* 2.2.7: AES-CMAC_T(Counter || keyID || N1 || N2 || A1 || A2 || Length) */
static enum err f5_part(struct crypto *c, const uint8_t t[SMP_KEY], uint8_t counter,
                        const struct span inputs[4], uint8_t out[SMP_KEY])
{
    static const uint8_t length[] = {0x01, 0x00}; /* bits */
    const uint8_t head[] = {counter, 'b', 't', 'l', 'e'};
    const struct span parts[] = {span_of(head, sizeof head),    inputs[0], inputs[1], inputs[2], inputs[3],
                                 span_of(length, sizeof length)};
    return crypto_cmac(c, t, parts, sizeof parts / sizeof parts[0], out);
}

enum err smp_f5(struct crypto *c, const uint8_t dh[SMP_X], const uint8_t n1[SMP_KEY],
                const uint8_t n2[SMP_KEY], const uint8_t a1[SMP_DEVICE], const uint8_t a2[SMP_DEVICE],
                uint8_t mac_key[SMP_KEY], uint8_t ltk[SMP_KEY])
{
    static const uint8_t salt[SMP_KEY] = {0x6C, 0x88, 0x83, 0x91, 0xAA, 0xF5, 0xA5, 0x38,
                                          0x60, 0x37, 0x0B, 0xDB, 0x5A, 0x60, 0x83, 0xBE};
    const struct span in = span_of(dh, SMP_X), inputs[] = {span_of(n1, SMP_KEY), span_of(n2, SMP_KEY),
                                                           span_of(a1, SMP_DEVICE), span_of(a2, SMP_DEVICE)};
    uint8_t t[SMP_KEY];
    enum err e = crypto_cmac(c, salt, &in, 1, t);
    if (!e)
        e = f5_part(c, t, 0, inputs, mac_key);
    if (!e)
        e = f5_part(c, t, 1, inputs, ltk);
    OPENSSL_cleanse(t, sizeof t);
    return e;
}

enum err smp_f6(struct crypto *c, const uint8_t mac_key[SMP_KEY], const uint8_t n1[SMP_KEY],
                const uint8_t n2[SMP_KEY], const uint8_t r[SMP_KEY], const uint8_t io[SMP_IO],
                const uint8_t a1[SMP_DEVICE], const uint8_t a2[SMP_DEVICE], uint8_t out[SMP_KEY])
{
    const struct span parts[] = {span_of(n1, SMP_KEY), span_of(n2, SMP_KEY),    span_of(r, SMP_KEY),
                                 span_of(io, SMP_IO),  span_of(a1, SMP_DEVICE), span_of(a2, SMP_DEVICE)};
    return crypto_cmac(c, mac_key, parts, sizeof parts / sizeof parts[0], out);
}

/* ---- private addresses ---- */

enum err smp_e(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t in[SMP_KEY], uint8_t out[SMP_KEY])
{
    int n = 0;
    const EVP_CIPHER *type = crypto_cipher(c, CRYPTO_ECB);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = type && ctx && EVP_EncryptInit_ex2(ctx, type, key, NULL, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 && EVP_EncryptUpdate(ctx, out, &n, in, SMP_KEY) == 1 &&
              n == SMP_KEY;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err smp_ah(struct crypto *c, const uint8_t irk[SMP_KEY], const uint8_t prand[SMP_PRIVATE],
                uint8_t out[SMP_PRIVATE])
{
    uint8_t padded[SMP_KEY] = {0}, block[SMP_KEY];
    memcpy(padded + SMP_KEY - SMP_PRIVATE, prand, SMP_PRIVATE);
    enum err e = smp_e(c, irk, padded, block);
    if (!e)
        memcpy(out, block + SMP_KEY - SMP_PRIVATE, SMP_PRIVATE);
    return e;
}

/* Volume 6 part B, 1.3.2.2: the two most significant bits are 01, the rest is neither all 0 nor all 1. */
static bool is_private(const uint8_t address[2 * SMP_PRIVATE])
{
    return address[0] >> 6 == 1;
}

enum err smp_private_address(struct crypto *c, const uint8_t irk[SMP_KEY], uint8_t out[2 * SMP_PRIVATE])
{
    static const uint8_t low[] = {0x40, 0, 0}, high[] = {0x7F, 0xFF, 0xFF};
    do {
        crypto_random(c, out, SMP_PRIVATE);
        out[0] = (uint8_t)((out[0] & 0x3F) | 0x40);
    } while (memcmp(out, low, SMP_PRIVATE) == 0 || memcmp(out, high, SMP_PRIVATE) == 0);
    return smp_ah(c, irk, out, out + SMP_PRIVATE);
}

bool smp_resolves(struct crypto *c, const uint8_t irk[SMP_KEY], const uint8_t address[2 * SMP_PRIVATE])
{
    uint8_t hash[SMP_PRIVATE];
    return is_private(address) && smp_ah(c, irk, address, hash) == ERR_OK &&
           memcmp(hash, address + SMP_PRIVATE, SMP_PRIVATE) == 0;
}

/* ---- packets ---- */

/* In CCM the lengths come first, the tag with them when opening; then key and nonce, all the data's length,
 * what is only authenticated. NULL when OpenSSL refuses. */
static EVP_CIPHER_CTX *ccm_begin(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t nonce[SMP_NONCE],
                                 uint8_t header, uint8_t *mic, size_t len)
{
    int n = 0, seals = mic == NULL;
    const EVP_CIPHER *type = crypto_cipher(c, CRYPTO_CCM);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = type && ctx && EVP_CipherInit_ex2(ctx, type, NULL, NULL, seals, NULL) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, SMP_NONCE, NULL) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SMP_MIC, mic) == 1 &&
              EVP_CipherInit_ex2(ctx, NULL, key, nonce, seals, NULL) == 1 &&
              EVP_CipherUpdate(ctx, NULL, &n, NULL, (int)len) == 1 &&
              EVP_CipherUpdate(ctx, NULL, &n, &header, 1) == 1;
    if (ok)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

enum err smp_seal(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t nonce[SMP_NONCE],
                  uint8_t header, struct span plain, uint8_t *out)
{
    int n = 0;
    EVP_CIPHER_CTX *ctx = ccm_begin(c, key, nonce, header, NULL, plain.len);
    bool ok = ctx && EVP_CipherUpdate(ctx, out, &n, plain.p, (int)plain.len) == 1 && n == (int)plain.len &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SMP_MIC, out + plain.len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err smp_open(struct crypto *c, const uint8_t key[SMP_KEY], const uint8_t nonce[SMP_NONCE],
                  uint8_t header, struct span sealed, uint8_t *out)
{
    int n = 0;
    uint8_t mic[SMP_MIC];
    if (sealed.len <= SMP_MIC)
        return ERR_TRUNCATED;
    size_t len = sealed.len - SMP_MIC;
    memcpy(mic, sealed.p + len, SMP_MIC);
    EVP_CIPHER_CTX *ctx = ccm_begin(c, key, nonce, header, mic, len);
    if (!ctx)
        return ERR_CRYPTO_FAILED;
    bool genuine = EVP_CipherUpdate(ctx, out, &n, sealed.p, (int)len) == 1 && n == (int)len;
    EVP_CIPHER_CTX_free(ctx);
    return genuine ? ERR_OK : ERR_SIGNATURE_INVALID;
}
