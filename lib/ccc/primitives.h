/* The symmetric cryptography of Digital Key, under its own names: the one place in lib/ccc that calls
 * OpenSSL's ciphers, MACs and key derivations. All sizes in bytes. Failures of OpenSSL itself are
 * ERR_CRYPTO_FAILED. */
#ifndef lib_ccc_primitives_h
#define lib_ccc_primitives_h

#include "lib/crypto/p256.h"

#define CCC_KEY   16 /* AES-128 */
#define CCC_BLOCK 16

/* RFC 5869 with an empty salt; len at most 255 * SHA256_SIZE (asserted). */
enum err ccc_hkdf(struct crypto *c, struct span ikm, struct span info, uint8_t *out, size_t len);
/* ANSI X9.63 with SHA-256 (SEC 1, 3.6.1). */
enum err ccc_x963(struct crypto *c, struct span z, struct span shared_info, uint8_t *out, size_t len);
/* RFC 7914; the caller has checked the parameters. */
enum err ccc_scrypt(struct crypto *c, struct span password, struct span salt, uint64_t n, uint32_t r,
                    uint32_t p, uint8_t *out, size_t len);
/* RFC 4493 over the parts, one after the other. */
enum err ccc_cmac(struct crypto *c, const uint8_t key[CCC_KEY], const struct span *parts, size_t n,
                  uint8_t out[CCC_BLOCK]);
enum err ccc_ecb_block(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t in[CCC_BLOCK],
                       uint8_t out[CCC_BLOCK]);
/* Whole blocks, no padding; in and out may be the same. */
enum err ccc_cbc(struct crypto *c, bool encrypt, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                 const uint8_t *in, size_t len, uint8_t *out);
/* AES-128-GCM with a 16-byte IV, no associated data; the 16-byte tag stands behind the data. Opening gives
 * ERR_SIGNATURE_INVALID when the tag does not fit. */
enum err ccc_gcm_seal(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                      struct span plain, uint8_t *out);
enum err ccc_gcm_open(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                      struct span sealed, uint8_t *out);
/* AES-128-CCM without associated data; the tag goes beside the data. Opening gives ERR_SIGNATURE_INVALID. */
enum err ccc_ccm_seal(struct crypto *c, const uint8_t key[CCC_KEY], struct span nonce, struct span plain,
                      uint8_t *out, uint8_t *tag, size_t tag_len);
enum err ccc_ccm_open(struct crypto *c, const uint8_t key[CCC_KEY], struct span nonce, struct span sealed,
                      const uint8_t *tag, size_t tag_len, uint8_t *out);

#endif
