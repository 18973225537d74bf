/* First approach, the phone's end. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/first_approach_parts.h"

#define E1 FIRST_APPROACH_KEY_ID
#define E2 FIRST_APPROACH_OOB

enum err first_approach_create_request(struct crypto *c, const struct first_approach_keys *k,
                                       const uint8_t nonces[2][FIRST_APPROACH_NONCE],
                                       const uint8_t oob[FIRST_APPROACH_OOB],
                                       uint8_t out[FIRST_APPROACH_REQUEST])
{
    uint8_t *second = out + E1 + FIRST_APPROACH_NONCE + FIRST_APPROACH_TAG;
    /* DK_Identifier under Kble_intro, then OOB under Kble_oob */
    enum err e = first_approach_put_part(c, k->kble_intro, nonces[0], span_of(k->key_id, E1), out);
    return e ? e : first_approach_put_part(c, k->kble_oob, nonces[1], span_of(oob, E2), second);
}

enum err first_approach_consume_response(struct crypto *c, const struct first_approach_keys *k,
                                         struct span in, uint8_t oob[FIRST_APPROACH_OOB])
{
    uint8_t data[E2];
    if (in.len != FIRST_APPROACH_RESPONSE)
        return ERR_TRUNCATED;
    enum err e = first_approach_take_part(c, k->kble_oob, in.p, E2, data);
    if (!e)
        memcpy(oob, data, E2);
    OPENSSL_cleanse(data, sizeof data);
    return e;
}
