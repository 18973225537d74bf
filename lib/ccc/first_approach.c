#include "lib/ccc/first_approach.h"

#include <openssl/crypto.h>
#include <string.h>

#define E1 FIRST_APPROACH_KEY_ID
#define E2 FIRST_APPROACH_OOB

void first_approach_key_id(struct span slot, uint8_t out[FIRST_APPROACH_KEY_ID])
{
    size_t n = slot.len < FIRST_APPROACH_KEY_ID ? slot.len : FIRST_APPROACH_KEY_ID;
    memset(out, 0, FIRST_APPROACH_KEY_ID);
    if (n)
        memcpy(out + FIRST_APPROACH_KEY_ID - n, slot.p, n);
}

enum err first_approach_keys_make(struct crypto *c, const uint8_t kble_intro[CCC_KEY],
                                  const uint8_t kble_oob_master[CCC_KEY], struct span slot,
                                  struct first_approach_keys *out)
{
    uint8_t okm[64];
    struct first_approach_keys k;
    first_approach_key_id(slot, k.key_id);
    enum err e =
        ccc_hkdf(c, span_of(kble_oob_master, CCC_KEY), span_of(k.key_id, sizeof k.key_id), okm, sizeof okm);
    memcpy(k.kble_intro, kble_intro, CCC_KEY);
    memcpy(k.kble_oob, okm, CCC_KEY);
    if (!e)
        *out = k;
    OPENSSL_cleanse(okm, sizeof okm);
    OPENSSL_cleanse(&k, sizeof k);
    return e;
}

/* payload || nonce || tag */
static enum err put_part(struct crypto *c, const uint8_t key[CCC_KEY],
                         const uint8_t nonce[FIRST_APPROACH_NONCE], struct span plain, uint8_t *out)
{
    uint8_t *tag = out + plain.len + FIRST_APPROACH_NONCE;
    memcpy(out + plain.len, nonce, FIRST_APPROACH_NONCE);
    return ccc_ccm_seal(c, key, span_of(nonce, FIRST_APPROACH_NONCE), plain, out, tag, FIRST_APPROACH_TAG);
}

static enum err take_part(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t *in, size_t len,
                          uint8_t *out)
{
    struct span nonce = span_of(in + len, FIRST_APPROACH_NONCE);
    return ccc_ccm_open(c, key, nonce, span_of(in, len), in + len + FIRST_APPROACH_NONCE, FIRST_APPROACH_TAG,
                        out);
}

enum err first_approach_create_request(struct crypto *c, const struct first_approach_keys *k,
                                       const uint8_t nonces[2][FIRST_APPROACH_NONCE],
                                       const uint8_t oob[FIRST_APPROACH_OOB],
                                       uint8_t out[FIRST_APPROACH_REQUEST])
{
    uint8_t *second = out + E1 + FIRST_APPROACH_NONCE + FIRST_APPROACH_TAG;
    /* DK_Identifier under Kble_intro, then OOB under Kble_oob */
    enum err e = put_part(c, k->kble_intro, nonces[0], span_of(k->key_id, E1), out);
    return e ? e : put_part(c, k->kble_oob, nonces[1], span_of(oob, E2), second);
}

enum err first_approach_consume_request(struct crypto *c, const struct first_approach_keys *k, struct span in,
                                        uint8_t oob[FIRST_APPROACH_OOB])
{
    uint8_t id[E1], data[E2];
    if (in.len != FIRST_APPROACH_REQUEST)
        return ERR_TRUNCATED;
    enum err e = take_part(c, k->kble_intro, in.p, E1, id);
    if (e == ERR_SIGNATURE_INVALID || (!e && !bytes_equal_ct(id, k->key_id, E1)))
        return ERR_NOT_FOUND;
    if (!e)
        e = take_part(c, k->kble_oob, in.p + E1 + FIRST_APPROACH_NONCE + FIRST_APPROACH_TAG, E2, data);
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
    return put_part(c, k->kble_oob, nonce, span_of(oob, E2), out);
}

enum err first_approach_consume_response(struct crypto *c, const struct first_approach_keys *k,
                                         struct span in, uint8_t oob[FIRST_APPROACH_OOB])
{
    uint8_t data[E2];
    if (in.len != FIRST_APPROACH_RESPONSE)
        return ERR_TRUNCATED;
    enum err e = take_part(c, k->kble_oob, in.p, E2, data);
    if (!e)
        memcpy(oob, data, E2);
    OPENSSL_cleanse(data, sizeof data);
    return e;
}
