#include "lib/crypto/cmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static void free_mac_ctx(void *ctx)
{
    EVP_MAC_CTX_free(ctx);
}

/* A CMAC to be copied, under a key of zeros, because OpenSSL copies none without a key. */
static EVP_MAC_CTX *cmac_template(struct crypto *c)
{
    static const uint8_t zeros[CMAC_KEY];
    static char cipher[] = "AES-128-CBC"; /* OpenSSL takes it writable, but only reads it */
    struct crypto_slot *s = crypto_slot(c, CRYPTO_CMAC);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
        OSSL_PARAM_construct_end(),
    };
    if (s->object)
        return s->object;
    EVP_MAC *mac = EVP_MAC_fetch(crypto_openssl(c), "CMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac); /* the context holds it */
    if (ctx && EVP_MAC_init(ctx, zeros, sizeof zeros, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    *s = (struct crypto_slot){ctx, free_mac_ctx};
    return ctx;
}

enum err crypto_cmac(struct crypto *c, const uint8_t key[CMAC_KEY], const struct span *parts, size_t n,
                     uint8_t out[CMAC_SIZE])
{
    size_t len = 0;
    const EVP_MAC_CTX *template = cmac_template(c);
    EVP_MAC_CTX *ctx = template ? EVP_MAC_CTX_dup(template) : NULL;
    bool ok = ctx && EVP_MAC_init(ctx, key, CMAC_KEY, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_MAC_update(ctx, parts[i].p, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(ctx, out, &len, CMAC_SIZE) == 1 && len == CMAC_SIZE;
    EVP_MAC_CTX_free(ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}
