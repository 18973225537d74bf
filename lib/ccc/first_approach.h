/* First approach over Bluetooth LE (layout and byte orders: docs/ccc.md, choices): the phone
 * shows which key it has, both sides hand over their out-of-band pairing data. AES-CCM with 8-byte nonces and
 * 4-byte tags.
 *
 *   phone    first_approach_create_request    ->  vehicle  first_approach_consume_request
 *   vehicle  first_approach_create_response   ->  phone    first_approach_consume_response */
#ifndef lib_ccc_first_approach_h
#define lib_ccc_first_approach_h

#include "lib/ccc/primitives.h"

#define FIRST_APPROACH_KEY_ID   8 /* DK_Identifier */
#define FIRST_APPROACH_NONCE    8
#define FIRST_APPROACH_TAG      4
#define FIRST_APPROACH_OOB      38 /* identity address 6, confirm value 16, random 16 */
#define FIRST_APPROACH_REQUEST  70
#define FIRST_APPROACH_RESPONSE 50

struct first_approach_keys {
    uint8_t kble_intro[CCC_KEY];
    uint8_t kble_oob[CCC_KEY];
    uint8_t key_id[FIRST_APPROACH_KEY_ID];
};

/* DK_Identifier of a slot identifier: longer ones are cut to their first 8 bytes, shorter ones get zeros in
 * front. */
void first_approach_key_id(struct span slot, uint8_t out[FIRST_APPROACH_KEY_ID]);
/* Kble_oob from the master key. */
enum err first_approach_keys_make(struct crypto *c, const uint8_t kble_intro[CCC_KEY],
                                  const uint8_t kble_oob_master[CCC_KEY], struct span slot,
                                  struct first_approach_keys *out);

enum err first_approach_create_request(struct crypto *c, const struct first_approach_keys *k,
                                       const uint8_t nonces[2][FIRST_APPROACH_NONCE],
                                       const uint8_t oob[FIRST_APPROACH_OOB],
                                       uint8_t out[FIRST_APPROACH_REQUEST]);
/* ERR_NOT_FOUND when the request is for another key (try the next); ERR_SIGNATURE_INVALID when it is for this
 * one but its out-of-band part does not fit; ERR_TRUNCATED for another length. */
enum err first_approach_consume_request(struct crypto *c, const struct first_approach_keys *k, struct span in,
                                        uint8_t oob[FIRST_APPROACH_OOB]);
enum err first_approach_create_response(struct crypto *c, const struct first_approach_keys *k,
                                        const uint8_t nonce[FIRST_APPROACH_NONCE],
                                        const uint8_t oob[FIRST_APPROACH_OOB],
                                        uint8_t out[FIRST_APPROACH_RESPONSE]);
enum err first_approach_consume_response(struct crypto *c, const struct first_approach_keys *k,
                                         struct span in, uint8_t oob[FIRST_APPROACH_OOB]);

#endif
