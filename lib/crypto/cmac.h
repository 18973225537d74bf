/* AES-128-CMAC (RFC 4493), the one MAC of Digital Key and of the cabin. */
#ifndef lib_crypto_cmac_h
#define lib_crypto_cmac_h

#include "lib/crypto/p256.h"

#define CMAC_KEY  16 /* bytes */
#define CMAC_SIZE 16

/* Over the parts, one after the other. ERR_CRYPTO_FAILED: out has nothing of use. */
enum err crypto_cmac(struct crypto *c, const uint8_t key[CMAC_KEY], const struct span *parts, size_t n,
                     uint8_t out[CMAC_SIZE]);

#endif
