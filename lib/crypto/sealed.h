/* Values sealed for rest: AES-256-GCM with a key that lies elsewhere. A sealed value is bound to the name
 * that it is stored under, so that nobody can put one record in another's place.
 *
 *   form 1 | first 4 bytes of the key's digest | nonce 12 | ciphertext | tag 16 */
#ifndef lib_crypto_sealed_h
#define lib_crypto_sealed_h

#include "lib/crypto/p256.h"

#define SEALED_KEY      32
#define SEALED_OVERHEAD 33

/* Was it sealed with this key, by its own word? Proves nothing. */
bool sealed_names_key(struct crypto *c, const uint8_t key[SEALED_KEY], struct span sealed);
/* out holds plain.len + SEALED_OVERHEAD bytes. Draws the nonce. */
enum err sealed_make(struct crypto *c, const uint8_t key[SEALED_KEY], const char *name, struct span plain,
                     uint8_t *out);
/* out holds sealed.len - SEALED_OVERHEAD bytes and has nothing of use on an error. ERR_STORE_KEY_WRONG:
 * sealed with another key. ERR_RECORD_TORN: of no form that we know, changed, or stored under another name.
 */
enum err sealed_open(struct crypto *c, const uint8_t key[SEALED_KEY], const char *name, struct span sealed,
                     uint8_t *out);

#endif
