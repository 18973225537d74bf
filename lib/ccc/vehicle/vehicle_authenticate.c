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

static struct vehicle_key *find_slot(const struct vehicle_transaction *t, const struct slot_id *slot)
{
    for (size_t i = 0; i < t->config->n_keys; i++)
        if (slot_id_equal(&t->config->keys[i].slot, slot))
            return &t->config->keys[i];
    return NULL;
}

/* Whose signature it is, and under which usage. Who matched before must be the same. */
static enum err check_signature(struct vehicle_transaction *t, const struct applet_auth1_answer *a,
                                bool *terminated)
{
    struct crypto *c = t->config->crypto;
    struct vehicle_key *k = find_slot(t, &a->slot);
    if (!k || (t->key && t->key != k))
        return ERR_DK_UNKNOWN_KEY;
    enum err e = transaction_verify(c, &t->transaction, TRANSACTION_ENDPOINT, k->device_key, a->signature);
    *terminated =
        e && !transaction_verify(c, &t->transaction, TRANSACTION_TERMINATED, k->device_key, a->signature);
    if (e && !*terminated)
        return e;
    t->key = k;
    return ERR_OK;
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
