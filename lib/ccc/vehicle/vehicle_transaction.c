#include "lib/ccc/vehicle/vehicle_transaction.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/tlv.h"

enum { CONTROL_FAILED = 0x00 };

/* ---- ending ---- */

static void wipe_secrets(struct vehicle_transaction *t)
{
    p256_free(t->ephemeral);
    t->ephemeral = NULL;
    channel_close(&t->channel);
    OPENSSL_cleanse(t->data, sizeof t->data);
    t->len = 0;
}

void vehicle_transaction_wipe(struct vehicle_transaction *t)
{
    assert(t);
    wipe_secrets(t);
    OPENSSL_cleanse(t, sizeof *t);
}

static struct vehicle_step over(struct vehicle_transaction *t, enum err reason)
{
    wipe_secrets(t);
    t->state = VT_OVER;
    t->reason = reason;
    return (struct vehicle_step){.what = reason ? VEHICLE_FAILED : VEHICLE_DONE, .reason = reason};
}

static struct vehicle_step send_command(struct vehicle_transaction *t, enum vehicle_transaction_state state,
                                        const struct apdu_command *cmd)
{
    struct wr w = wr_of(t->out, sizeof t->out);
    apdu_command_put(&w, cmd);
    t->state = state;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(t->out, w.len)};
}

/* Begun, or wiped. */
static bool sound(const struct vehicle_transaction *t)
{
    return t && t->state < VT_STATES && (t->config || t->state == VT_IDLE);
}

/* What has ended stays as it ended. */
static struct vehicle_step send_control_flow(struct vehicle_transaction *t,
                                             enum vehicle_transaction_state state, uint8_t p1, uint8_t p2)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_PLAIN, .ins = APDU_CONTROL_FLOW, .p1 = p1, .p2 = p2};
    if (t->state == VT_OVER || t->state == VT_IDLE)
        return over(t, t->reason);
    wipe_secrets(t);
    return send_command(t, state, &cmd);
}

struct vehicle_step vehicle_transaction_end(struct vehicle_transaction *t, uint8_t p1, uint8_t p2)
{
    assert(sound(t));
    return send_control_flow(t, VT_ENDING, p1, p2);
}

struct vehicle_step vehicle_transaction_fail(struct vehicle_transaction *t, enum err reason)
{
    assert(sound(t) && reason);
    if (t->state != VT_OVER)
        t->reason = reason;
    return send_control_flow(t, VT_FAILING, CONTROL_FAILED, 0);
}

struct vehicle_step vehicle_transaction_link_lost(struct vehicle_transaction *t)
{
    assert(sound(t));
    return over(t, t->state == VT_FAILING || t->state == VT_OVER ? t->reason : ERR_DK_LINK_LOST);
}

/* ---- SELECT, AUTH0 ---- */

struct vehicle_step vehicle_transaction_begin(struct vehicle_transaction *t,
                                              const struct vehicle_transaction_config *c, uint8_t p1,
                                              uint8_t p2)
{
    assert(t && c && c->crypto && c->vehicle_key && (c->keys || c->n_keys == 0));
    const struct apdu_command cmd = {.cla = APDU_CLA_ISO,
                                     .ins = APDU_SELECT,
                                     .p1 = 0x04,
                                     .data = span_of(apdu_aid_applet, APDU_AID),
                                     .has_le = true};
    memset(t, 0, sizeof *t);
    t->config = c;
    t->transaction = (struct transaction){
        .p1 = p1, .p2 = p2, .interface = c->interface, .versions_in_info = c->versions_in_info};
    return send_command(t, VT_SELECTING, &cmd);
}

static struct vehicle_step send_auth0(struct vehicle_transaction *t, uint16_t version)
{
    const struct vehicle_transaction_config *c = t->config;
    struct transaction *tr = &t->transaction;
    uint8_t data[APDU_DATA_MAX];
    struct wr w = wr_of(data, sizeof data);
    /* vehicle_ePK, transaction identifier */
    enum err e = p256_generate(c->crypto, &t->ephemeral);
    if (e)
        return vehicle_transaction_fail(t, e);
    p256_public(t->ephemeral, tr->vehicle_epk);
    crypto_random(c->crypto, tr->id, sizeof tr->id);
    memcpy(tr->vehicle_id, c->vehicle_id, sizeof tr->vehicle_id);
    tr->version[0] = (uint8_t)(version >> 8);
    tr->version[1] = (uint8_t)version;
    /* 5C, 87, 4C, 4D */
    applet_auth0_put(&w, tr);
    const struct apdu_command cmd = {.cla = APDU_CLA_PLAIN,
                                     .ins = APDU_AUTH0,
                                     .p1 = tr->p1,
                                     .p2 = tr->p2,
                                     .data = span_of(data, w.len),
                                     .has_le = true};
    return send_command(t, VT_AUTH0, &cmd);
}

static struct vehicle_step on_select(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    struct op_versions theirs;
    struct tlv versions;
    if (sw != APDU_SW_OK)
        return over(t, ERR_DK_STATUS);
    if (tlv_find_once(data, APPLET_TAG_VERSION, &versions) || op_versions_parse(versions.value, &theirs) ||
        versions.value.len > sizeof t->transaction.versions)
        return vehicle_transaction_fail(t, ERR_DK_ANSWER);
    memcpy(t->transaction.versions, versions.value.p, versions.value.len);
    t->transaction.versions_len = (uint8_t)versions.value.len;
    uint16_t version = op_versions_common(&t->config->versions, &theirs);
    return version ? send_auth0(t, version) : vehicle_transaction_fail(t, ERR_DK_APPLET_VERSION);
}

/* ---- fast ---- */

/* Whose cryptogram is it? Every key is tried. False: nobody's, or the keys could not be made; then AUTH1. */
static bool match(struct vehicle_transaction *t, const uint8_t *cryptogram)
{
    const struct vehicle_transaction_config *c = t->config;
    struct transaction_keys keys;
    uint8_t expected[CCC_KEY];
    for (size_t i = 0; i < c->n_keys && !t->key; i++) {
        struct vehicle_key *k = &c->keys[i];
        if (!k->has_kpersistent)
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

/* ---- AUTH1 ---- */

static struct vehicle_step send_auth1(struct vehicle_transaction *t)
{
    const struct vehicle_transaction_config *c = t->config;
    uint8_t data[2 + SIGNATURE_SIZE], signature[SIGNATURE_SIZE];
    struct wr w = wr_of(data, sizeof data);
    /* 9E */
    enum err e = transaction_sign(c->crypto, &t->transaction, TRANSACTION_VEHICLE, c->vehicle_key, signature);
    if (e)
        return vehicle_transaction_fail(t, e);
    tlv_put(&w, APPLET_TAG_SIGNATURE, span_of(signature, sizeof signature));
    const struct apdu_command cmd = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_AUTH1, .data = span_of(data, w.len), .has_le = true};
    return send_command(t, VT_AUTH1, &cmd);
}

static struct vehicle_step open_up(struct vehicle_transaction *t)
{
    assert(t->key && t->channel.open);
    t->state = VT_OPEN;
    return (struct vehicle_step){.what = VEHICLE_OPEN};
}

static struct vehicle_step on_auth0(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    bool fast = t->transaction.p1 & TRANSACTION_FAST;
    struct applet_auth0_answer a;
    if (sw != APDU_SW_OK)
        return vehicle_transaction_fail(t, ERR_DK_STATUS);
    /* 86, 9D */
    if (applet_auth0_answer_parse(data, fast, &a))
        return vehicle_transaction_fail(t, ERR_DK_ANSWER);
    memcpy(t->transaction.endpoint_epk, a.endpoint_epk, P256_POINT);
    if (fast && match(t, a.cryptogram)) {
        t->fast = true;
        return open_up(t);
    }
    return send_auth1(t);
}

static struct vehicle_key *find_slot(const struct vehicle_transaction *t, const struct slot_id *slot)
{
    for (size_t i = 0; i < t->config->n_keys; i++)
        if (slot_id_equal(&t->config->keys[i].slot, slot))
            return &t->config->keys[i];
    return NULL;
}

/* The answer of AUTH1 under the new keys; the slot says whose signature it must be. */
static enum err authenticate(struct vehicle_transaction *t, struct span data, uint16_t sw,
                             uint8_t kpersistent[TRANSACTION_KPERSISTENT])
{
    assert(t->ephemeral); /* AUTH0 made it */
    struct crypto *c = t->config->crypto;
    struct transaction_keys keys;
    struct applet_auth1_answer a;
    /* Kenc, Kmac, Krmac, Kpersistent */
    enum err e = transaction_standard_keys(c, &t->transaction, t->ephemeral, t->transaction.endpoint_epk,
                                           &keys, kpersistent);
    if (e)
        return e;
    channel_open(&t->channel, &channel_applet, keys.kenc, keys.kmac, keys.krmac);
    OPENSSL_cleanse(&keys, sizeof keys);
    /* counter 00: 4E, 9E */
    if ((e = channel_unwrap_response(c, &t->channel, data, sw, t->data, &t->len)) ||
        (e = applet_auth1_answer_parse(span_of(t->data, t->len), &a)))
        return e;
    struct vehicle_key *k = find_slot(t, &a.slot);
    if (!k)
        return ERR_DK_UNKNOWN_KEY;
    e = transaction_verify(c, &t->transaction, TRANSACTION_ENDPOINT, k->device_key, a.signature);
    if (!e)
        t->key = k;
    return e;
}

static struct vehicle_step on_auth1(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    uint8_t kpersistent[TRANSACTION_KPERSISTENT];
    if (sw != APDU_SW_OK)
        return vehicle_transaction_fail(t, ERR_DK_STATUS);
    enum err e = authenticate(t, data, sw, kpersistent);
    if (!e) {
        memcpy(t->key->kpersistent, kpersistent, sizeof kpersistent);
        t->key->has_kpersistent = true;
        p256_free(t->ephemeral);
        t->ephemeral = NULL;
    }
    OPENSSL_cleanse(kpersistent, sizeof kpersistent);
    return e ? vehicle_transaction_fail(t, e) : open_up(t);
}

/* ---- EXCHANGE ---- */

struct vehicle_step vehicle_transaction_exchange(struct vehicle_transaction *t, struct span plain)
{
    assert(sound(t) && (plain.p || plain.len == 0));
    struct wr w = wr_of(t->out, sizeof t->out);
    if (t->state != VT_OPEN)
        return over(t, t->reason ? t->reason : ERR_MSG_OUT_OF_ORDER);
    enum err e = channel_wrap_command(t->config->crypto, &t->channel, APDU_EXCHANGE, 0, 0, plain, &w);
    if (e)
        return vehicle_transaction_fail(t, e);
    t->state = VT_EXCHANGING;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(t->out, w.len)};
}

static struct vehicle_step on_exchange(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    if (sw != APDU_SW_OK)
        return vehicle_transaction_fail(t, ERR_DK_STATUS);
    enum err e = channel_unwrap_response(t->config->crypto, &t->channel, data, sw, t->data, &t->len);
    if (e)
        return vehicle_transaction_fail(t, e);
    t->state = VT_OPEN;
    return (struct vehicle_step){.what = VEHICLE_DATA};
}

static struct vehicle_step on_end(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    (void)data;
    return over(t, sw == APDU_SW_OK ? ERR_OK : ERR_DK_STATUS);
}

static struct vehicle_step on_fail(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    (void)data;
    (void)sw;
    return over(t, t->reason);
}

/* ---- what is expected when ---- */

static struct vehicle_step (*const on_answer[VT_STATES])(struct vehicle_transaction *t, struct span data,
                                                         uint16_t sw) = {
    [VT_SELECTING] = on_select,    [VT_AUTH0] = on_auth0, [VT_AUTH1] = on_auth1,
    [VT_EXCHANGING] = on_exchange, [VT_ENDING] = on_end,  [VT_FAILING] = on_fail,
};

struct vehicle_step vehicle_transaction_input(struct vehicle_transaction *t, struct span response)
{
    assert(sound(t) && (response.p || response.len == 0));
    struct span data;
    uint16_t sw;
    if (!on_answer[t->state])
        return over(t, t->state == VT_OVER ? t->reason : ERR_MSG_UNEXPECTED);
    if (apdu_response_parse(response, &data, &sw)) {
        data = (struct span){0};
        sw = 0; /* no status at all: as an error */
    }
    return on_answer[t->state](t, data, sw);
}
