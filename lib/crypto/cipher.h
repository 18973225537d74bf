/* Ciphers of OpenSSL, looked up once for each context. */
#ifndef lib_crypto_cipher_h
#define lib_crypto_cipher_h

#include "lib/crypto/p256.h"

/* CRYPTO_ECB to CRYPTO_GCM_256. Borrowed; NULL when OpenSSL refuses. */
struct evp_cipher_st *crypto_cipher(struct crypto *c, enum crypto_slot_id id);

#endif
