#include "lib/ccc/vehicle/vehicle_transaction.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/tlv.h"
#include "lib/ccc/vehicle/vehicle_authenticate.h"

enum { CONTROL_FAILED = 0x00 };

/* ---- ending ---- */

static void wipe_secrets(struct vehicle_transaction *t)
{
    p256_free(t->ephemeral);
    t->ephemeral = NULL;
    channel_close(&t->channel);
    OPENSSL_cleanse(t->data, sizeof t->data);
    OPENSSL_cleanse(t->plain, sizeof t->plain);
    OPENSSL_cleanse(&t->update, sizeof t->update);
    t->len = 0;
    t->exchange_waits = false;
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

static struct vehicle_step send_apdu(struct vehicle_transaction *t, enum vehicle_transaction_state state,
                                     const struct wr *w)
{
    t->state = state;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(t->out, w->len), .type = DK_SE};
}

static struct vehicle_step send_command(struct vehicle_transaction *t, enum vehicle_transaction_state state,
                                        const struct apdu_command *cmd)
{
    struct wr w = wr_of(t->out, sizeof t->out);
    apdu_command_put(&w, cmd);
    return send_apdu(t, state, &w);
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

static const char *find_fault(const struct vehicle_transaction_config *c, uint8_t p1)
{
    if (c->versions.n == 0 || c->versions.n > OP_VERSIONS)
        return "no version of the applet protocol, or too many";
    if (c->interface != TRANSACTION_CONTACTLESS && c->interface != TRANSACTION_BLE)
        return "no such interface";
    if (p1 & ~(TRANSACTION_FAST | TRANSACTION_EXCHANGE_FOLLOWS))
        return "P1 of AUTH0 has bits that are not defined";
    for (size_t i = 0; i < c->n_keys; i++)
        if (!c->keys[i].device_key || c->keys[i].state < VEHICLE_KEY_PENDING ||
            c->keys[i].state > VEHICLE_KEY_TERMINATED)
            return "a record of a key that is not open, or of no state";
    return NULL;
}

static uint8_t asked(const struct vehicle_transaction_config *c, uint8_t p1)
{
    for (size_t i = 0; i < c->n_keys; i++)
        if (c->keys[i].options_1 & ENDPOINT_FAST_CONTACTLESS)
            return p1;
    return p1 & (uint8_t)~TRANSACTION_FAST;
}

struct vehicle_step vehicle_transaction_begin_for(struct vehicle_transaction *t,
                                                  const struct vehicle_transaction_config *c, uint8_t p1,
                                                  uint8_t p2, enum vehicle_admission admission)
{
    assert(t && c && c->crypto && c->vehicle_key && (c->keys || c->n_keys == 0));
    const struct apdu_command cmd = {.cla = APDU_CLA_ISO,
                                     .ins = APDU_SELECT,
                                     .p1 = 0x04,
                                     .data = span_of(apdu_aid_applet, APDU_AID),
                                     .has_le = true};
    const char *fault = find_fault(c, p1);
    memset(t, 0, sizeof *t);
    t->config = c;
    t->admission = admission;
    if (fault) {
        over(t, ERR_BAD_ARGUMENT);
        return vehicle_step_fault(fault);
    }
    t->transaction = (struct transaction){
        .p1 = asked(c, p1), .p2 = p2, .interface = c->interface, .versions_in_info = c->versions_in_info};
    return send_command(t, VT_SELECTING, &cmd);
}

struct vehicle_step vehicle_transaction_begin(struct vehicle_transaction *t,
                                              const struct vehicle_transaction_config *c, uint8_t p1,
                                              uint8_t p2)
{
    return vehicle_transaction_begin_for(t, c, p1, p2, vehicle_admission_of(p2));
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

/* ---- AUTH1 ---- */

static struct vehicle_step send_auth1(struct vehicle_transaction *t)
{
    const struct vehicle_transaction_config *c = t->config;
    uint8_t data[2 + SIGNATURE_SIZE], signature[SIGNATURE_SIZE];
    struct wr w = wr_of(data, sizeof data);
    channel_close(&t->channel); /* of a fast transaction that is not enough */
    /* 9E */
    enum err e = transaction_sign(c->crypto, &t->transaction, TRANSACTION_VEHICLE, c->vehicle_key, signature);
    if (e)
        return vehicle_transaction_fail(t, e);
    tlv_put(&w, APPLET_TAG_SIGNATURE, span_of(signature, sizeof signature));
    const struct apdu_command cmd = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_AUTH1, .data = span_of(data, w.len), .has_le = true};
    return send_command(t, VT_AUTH1, &cmd);
}

static struct vehicle_step send_exchange(struct vehicle_transaction *t, struct span plain)
{
    struct wr w = wr_of(t->out, sizeof t->out);
    enum err e = channel_wrap_command(t->config->crypto, &t->channel, APDU_EXCHANGE, 0, 0, plain, &w);
    return e ? vehicle_transaction_fail(t, e) : send_apdu(t, VT_EXCHANGING, &w);
}

/* The key may do what it is here for: OPEN, or the EXCHANGE that waited for it. */
static struct vehicle_step open_up(struct vehicle_transaction *t)
{
    assert(t->key && t->channel.open);
    if (t->exchange_waits) {
        struct vehicle_step step = send_exchange(t, span_of(t->plain, t->plain_len));
        OPENSSL_cleanse(t->plain, sizeof t->plain);
        t->exchange_waits = false;
        return step;
    }
    t->state = VT_OPEN;
    return (struct vehicle_step){.what = VEHICLE_OPEN};
}

/* ---- fast ---- */

static bool exchange_allowed(const struct vehicle_transaction *t)
{
    return !t->fast || t->key->options_1 & ENDPOINT_EXCHANGE_AFTER_FAST;
}

static struct vehicle_step on_match(struct vehicle_transaction *t)
{
    enum err e = vehicle_admission_check(t->admission, t->key, false, t->config->now_s);
    if (e)
        return vehicle_transaction_fail(t, e);
    t->fast = true;
    if (t->transaction.p1 & TRANSACTION_EXCHANGE_FOLLOWS && !exchange_allowed(t))
        return send_auth1(t);
    return open_up(t);
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
    return fast && vehicle_authenticate_fast(t, a.cryptogram) ? on_match(t) : send_auth1(t);
}

/* ---- the answer of AUTH1 ---- */

static struct vehicle_step on_auth1(struct vehicle_transaction *t, struct span data, uint16_t sw)
{
    uint8_t kpersistent[TRANSACTION_KPERSISTENT];
    if (sw != APDU_SW_OK)
        return vehicle_transaction_fail(t, ERR_DK_STATUS);
    enum err e = vehicle_authenticate(t, data, sw, kpersistent);
    bool keeps = !e && vehicle_admission_keeps(t->admission);
    if (keeps) {
        t->update = *t->key;
        t->update.has_kpersistent = true;
        memcpy(t->update.kpersistent, kpersistent, sizeof kpersistent);
    }
    OPENSSL_cleanse(kpersistent, sizeof kpersistent);
    if (e)
        return vehicle_transaction_fail(t, e);
    p256_free(t->ephemeral);
    t->ephemeral = NULL;
    t->fast = false;
    if (!keeps)
        return open_up(t);
    t->state = VT_STORING;
    return (struct vehicle_step){.what = VEHICLE_STORE_KPERSISTENT, .key = &t->update};
}

struct vehicle_step vehicle_transaction_proceed(struct vehicle_transaction *t)
{
    assert(sound(t));
    if (t->state != VT_STORING)
        return over(t, t->state == VT_OVER ? t->reason : ERR_MSG_UNEXPECTED);
    /* The record may have been suspended or terminated while it was stored as it had been. */
    enum err e = vehicle_admission_check(t->admission, t->key, false, t->config->now_s);
    if (!e && (t->key->state != t->update.state || t->key->suspended_s != t->update.suspended_s))
        e = ERR_BUSY;
    if (e)
        return vehicle_transaction_fail(t, e);
    memcpy(t->key->kpersistent, t->update.kpersistent, sizeof t->key->kpersistent);
    t->key->has_kpersistent = true;
    OPENSSL_cleanse(&t->update, sizeof t->update);
    return open_up(t);
}

struct vehicle_step vehicle_transaction_store_failed(struct vehicle_transaction *t, enum err reason)
{
    assert(sound(t));
    if (t->state != VT_STORING)
        return over(t, t->state == VT_OVER ? t->reason : ERR_MSG_UNEXPECTED);
    return vehicle_transaction_fail(t, reason ? reason : ERR_STORE_FAILED);
}

/* ---- EXCHANGE ---- */

struct vehicle_step vehicle_transaction_exchange(struct vehicle_transaction *t, struct span plain)
{
    assert(sound(t) && (plain.p || plain.len == 0));
    if (t->state != VT_OPEN)
        return over(t, t->reason ? t->reason : ERR_MSG_OUT_OF_ORDER);
    if (exchange_allowed(t))
        return send_exchange(t, plain);
    if (plain.len > sizeof t->plain)
        return vehicle_transaction_fail(t, ERR_BAD_ARGUMENT);
    if (plain.len)
        memcpy(t->plain, plain.p, plain.len);
    t->plain_len = plain.len;
    t->exchange_waits = true;
    return send_auth1(t);
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
