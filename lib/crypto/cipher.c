#include "lib/crypto/cipher.h"

#include <openssl/evp.h>

static void free_cipher(void *cipher)
{
    EVP_CIPHER_free(cipher);
}

EVP_CIPHER *crypto_cipher(struct crypto *c, enum crypto_slot_id id)
{
    static const char *const names[CRYPTO_SLOTS] = {[CRYPTO_ECB] = "AES-128-ECB",
                                                    [CRYPTO_CBC] = "AES-128-CBC",
                                                    [CRYPTO_CCM] = "AES-128-CCM",
                                                    [CRYPTO_GCM_256] = "AES-256-GCM"};
    struct crypto_slot *s = crypto_slot(c, id);
    if (!s->object)
        *s = (struct crypto_slot){EVP_CIPHER_fetch(crypto_openssl(c), names[id], NULL), free_cipher};
    return s->object;
}
