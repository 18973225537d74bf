#include "lib/ccc/first_approach.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/first_approach_parts.h"

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

enum err first_approach_put_part(struct crypto *c, const uint8_t key[CCC_KEY],
                                 const uint8_t nonce[FIRST_APPROACH_NONCE], struct span plain, uint8_t *out)
{
    uint8_t *tag = out + plain.len + FIRST_APPROACH_NONCE;
    memcpy(out + plain.len, nonce, FIRST_APPROACH_NONCE);
    return ccc_ccm_seal(c, key, span_of(nonce, FIRST_APPROACH_NONCE), plain, out, tag, FIRST_APPROACH_TAG);
}

enum err first_approach_take_part(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t *in, size_t len,
                                  uint8_t *out)
{
    struct span nonce = span_of(in + len, FIRST_APPROACH_NONCE);
    return ccc_ccm_open(c, key, nonce, span_of(in, len), in + len + FIRST_APPROACH_NONCE, FIRST_APPROACH_TAG,
                        out);
}
