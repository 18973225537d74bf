/* First approach, the vehicle's end. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/first_approach_parts.h"

#define E1 FIRST_APPROACH_KEY_ID
#define E2 FIRST_APPROACH_OOB

enum err first_approach_consume_request(struct crypto *c, const struct first_approach_keys *k, struct span in,
                                        uint8_t oob[FIRST_APPROACH_OOB])
{
    uint8_t id[E1], data[E2];
    if (in.len != FIRST_APPROACH_REQUEST)
        return ERR_TRUNCATED;
    enum err e = first_approach_take_part(c, k->kble_intro, in.p, E1, id);
    if (e == ERR_SIGNATURE_INVALID || (!e && !bytes_equal_ct(id, k->key_id, E1)))
        return ERR_NOT_FOUND;
    if (!e)
        e = first_approach_take_part(c, k->kble_oob, in.p + E1 + FIRST_APPROACH_NONCE + FIRST_APPROACH_TAG,
                                     E2, data);
    if (!e)
        memcpy(oob, data, E2);
    OPENSSL_cleanse(data, sizeof data);
    return e;
}

enum err first_approach_create_response(struct crypto *c, const struct first_approach_keys *k,
                                        const uint8_t nonce[FIRST_APPROACH_NONCE],
                                        const uint8_t oob[FIRST_APPROACH_OOB],
                                        uint8_t out[FIRST_APPROACH_RESPONSE])
{
    return first_approach_put_part(c, k->kble_oob, nonce, span_of(oob, E2), out);
}
