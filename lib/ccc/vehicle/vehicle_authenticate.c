#include "lib/ccc/vehicle/vehicle_authenticate.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/applet_message.h"

/* Every key is tried. */
bool vehicle_authenticate_fast(struct vehicle_transaction *t, const uint8_t cryptogram[CCC_KEY])
{
    const struct vehicle_transaction_config *c = t->config;
    struct transaction_keys keys;
    uint8_t expected[CCC_KEY];
    for (size_t i = 0; i < c->n_keys && !t->key; i++) {
        struct vehicle_key *k = &c->keys[i];
        if (!k->has_kpersistent || !(k->options_1 & ENDPOINT_FAST_CONTACTLESS))
            continue;
        if (transaction_fast_keys(c->crypto, &t->transaction, k->kpersistent, c->vehicle_pk, k->device_pk,
                                  expected, &keys))
            break;
        if (bytes_equal_ct(expected, cryptogram, sizeof expected))
            t->key = k;
    }
    if (t->key)
        channel_open(&t->channel, &channel_applet_fast, keys.kenc, keys.kmac, keys.krmac);
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(expected, sizeof expected);
    return t->key != NULL;
}

static bool signed_as(const struct vehicle_transaction *t, enum transaction_signer usage,
                      const struct vehicle_key *k, const uint8_t *signature)
{
    return transaction_verify(t->config->crypto, &t->transaction, usage, k->device_key, signature) == ERR_OK;
}

/* Whose signature it is, and under which usage; a key that was replaced may have had the same slot. Who
 * matched before must be the same. */
static enum err check_signature(struct vehicle_transaction *t, const struct applet_auth1_answer *a,
                                bool *terminated)
{
    enum err e = ERR_DK_UNKNOWN_KEY;
    for (size_t i = 0; i < t->config->n_keys; i++) {
        struct vehicle_key *k = &t->config->keys[i];
        if (!slot_id_equal(&k->slot, &a->slot) || (t->key && t->key != k))
            continue;
        bool ordinary = signed_as(t, TRANSACTION_ENDPOINT, k, a->signature);
        *terminated = !ordinary && signed_as(t, TRANSACTION_TERMINATED, k, a->signature);
        if (ordinary || *terminated) {
            t->key = k;
            return ERR_OK;
        }
        e = ERR_SIGNATURE_INVALID;
    }
    return e;
}

enum err vehicle_authenticate(struct vehicle_transaction *t, struct span data, uint16_t sw,
                              uint8_t kpersistent[TRANSACTION_KPERSISTENT])
{
    assert(t->ephemeral); /* AUTH0 made it */
    struct crypto *c = t->config->crypto;
    struct transaction_keys keys;
    struct applet_auth1_answer a;
    bool terminated;
    /* Kenc, Kmac, Krmac, Kpersistent */
    enum err e = transaction_standard_keys(c, &t->transaction, t->ephemeral, t->transaction.endpoint_epk,
                                           &keys, kpersistent);
    if (e)
        return e;
    channel_open(&t->channel, &channel_applet, keys.kenc, keys.kmac, keys.krmac);
    OPENSSL_cleanse(&keys, sizeof keys);
    /* counter 00: 4E, 9E */
    if ((e = channel_unwrap_response(c, &t->channel, data, sw, t->data, &t->len)) ||
        (e = applet_auth1_answer_parse(span_of(t->data, t->len), &a)) ||
        (e = check_signature(t, &a, &terminated)))
        return e;
    return vehicle_admission_check(t->admission, t->key, terminated, t->config->now_s);
}
