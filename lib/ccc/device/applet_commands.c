/* The commands of the vehicle: SELECT, AUTH0, AUTH1, EXCHANGE, CONTROL FLOW. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/device/applet.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/tlv.h"

/* Back to SELECTED (or DESELECTED): no key, no channel, no staged write is left. */
static void end_transaction(struct applet *a, enum applet_state state)
{
    struct applet_session *s = &a->session;
    enum transaction_interface interface = s->interface;
    p256_free(s->ephemeral);
    channel_close(&s->channel);
    OPENSSL_cleanse(s, sizeof *s);
    s->interface = interface;
    s->state = state;
}

void applet_reset(struct applet *a, enum transaction_interface interface)
{
    assert(a);
    end_transaction(a, APPLET_DESELECTED);
    a->session.interface = interface;
}

static uint16_t select_applet(struct applet *a, const struct apdu_command *cmd, struct wr *out)
{
    if (!span_equal(cmd->data, span_of(apdu_aid_applet, APDU_AID)))
        return APDU_SW_NOT_FOUND;
    end_transaction(a, APPLET_SELECTED);
    op_versions_put(out, APPLET_TAG_VERSION, &a->versions);
    return APDU_SW_OK;
}

/* ---- AUTH0 ---- */

static struct digital_key *find_key(struct applet *a, const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID])
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (a->keys[i].state == APPLET_KEY_ACTIVE &&
            memcmp(a->keys[i].creation.vehicle_id, vehicle_id, TRANSACTION_VEHICLE_ID) == 0)
            return &a->keys[i];
    return NULL;
}

/* Cryptogram of a fast transaction; random bytes when there is no key for one, so that nothing shows. */
static enum err begin_fast(struct applet *a, uint8_t cryptogram[CCC_KEY])
{
    struct applet_session *s = &a->session;
    const struct digital_key *k = s->key;
    struct transaction_keys keys;
    if (!k || !k->has_kpersistent || !(k->creation.options_1 & ENDPOINT_FAST_CONTACTLESS)) {
        crypto_random(a->crypto, cryptogram, CCC_KEY);
        s->state = APPLET_KEYED;
        return ERR_OK;
    }
    /* cryptogram, Kenc, Kmac, Krmac */
    enum err e = transaction_fast_keys(a->crypto, &s->transaction, k->kpersistent, k->creation.vehicle_pk,
                                       k->device_pk, cryptogram, &keys);
    if (!e)
        channel_open(&s->channel, &channel_applet_fast, keys.kenc, keys.kmac, keys.krmac);
    OPENSSL_cleanse(&keys, sizeof keys);
    s->state = APPLET_KEYED_FAST;
    return e;
}

/* Our list, as the answer to SELECT gave it. */
static void put_versions(const struct applet *a, struct transaction *t)
{
    struct wr w = wr_of(t->versions, sizeof t->versions);
    op_versions_put_value(&w, &a->versions);
    t->versions_len = (uint8_t)w.len;
    t->versions_in_info = a->versions_in_info;
}

static uint16_t auth0(struct applet *a, const struct apdu_command *cmd, struct wr *out)
{
    struct applet_session *s = &a->session;
    struct applet_auth0 request;
    uint8_t cryptogram[CCC_KEY];
    bool fast = cmd->p1 & TRANSACTION_FAST;
    /* 5C, 87, 4C, 4D */
    if (applet_auth0_parse(cmd->data, &request) || !op_versions_has(&a->versions, request.version))
        return APDU_SW_WRONG_DATA;
    end_transaction(a, APPLET_SELECTED);
    struct transaction *t = &s->transaction;
    applet_auth0_transaction(&request, cmd->p1, cmd->p2, s->interface, t);
    put_versions(a, t);
    /* endpoint_ePK */
    enum err e = p256_generate(a->crypto, &s->ephemeral);
    if (e)
        return APDU_SW_CONDITIONS;
    p256_public(s->ephemeral, t->endpoint_epk);
    s->key = find_key(a, t->vehicle_id);
    s->state = APPLET_KEYED;
    if (fast && begin_fast(a, cryptogram))
        return APDU_SW_CONDITIONS;
    /* 86, 9D */
    tlv_put(out, APPLET_TAG_ENDPOINT_EPK, span_of(t->endpoint_epk, P256_POINT));
    if (fast)
        tlv_put(out, APPLET_TAG_CRYPTOGRAM, span_of(cryptogram, sizeof cryptogram));
    OPENSSL_cleanse(cryptogram, sizeof cryptogram);
    return APDU_SW_OK;
}

/* ---- AUTH1 ---- */

static void put_part(struct wr *w, uint16_t tag, struct digital_key *k, enum mailbox_kind kind,
                     const struct mailbox_part *part)
{
    const uint8_t *p = mailbox_at(&k->mailboxes, kind, part->offset, part->len);
    if (part->len && p)
        tlv_put(w, tag, span_of(p, part->len));
}

/* 4E, 9E, and what the configuration adds from the mailboxes. */
static enum err put_auth1_answer(struct applet *a, struct wr *w)
{
    struct digital_key *k = a->session.key;
    uint8_t signature[SIGNATURE_SIZE];
    enum err e =
        transaction_sign(a->crypto, &a->session.transaction, TRANSACTION_ENDPOINT, k->device_key, signature);
    if (e)
        return e;
    tlv_put(w, APPLET_TAG_SLOT, slot_id_span(&k->creation.slot));
    tlv_put(w, APPLET_TAG_SIGNATURE, span_of(signature, sizeof signature));
    put_part(w, APPLET_TAG_CONFIDENTIAL_PART, k, MAILBOX_CONFIDENTIAL, &k->auth1_confidential);
    put_part(w, APPLET_TAG_PRIVATE_PART, k, MAILBOX_PRIVATE, &k->auth1_private);
    return w->failed ? ERR_NO_SPACE : ERR_OK;
}

static enum err authenticate(struct applet *a, struct span signature, struct wr *out)
{
    struct applet_session *s = &a->session;
    struct digital_key *k = s->key;
    struct transaction_keys keys;
    uint8_t kpersistent[TRANSACTION_KPERSISTENT], plain[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(plain, sizeof plain);
    assert(k && s->ephemeral); /* AUTH0 made it */
    enum err e;
    /* 9E */
    if ((e = transaction_verify(a->crypto, &s->transaction, TRANSACTION_VEHICLE, k->vehicle_key,
                                signature.p)))
        goto out;
    /* Kenc, Kmac, Krmac, Kpersistent */
    if ((e = transaction_standard_keys(a->crypto, &s->transaction, s->ephemeral, s->transaction.vehicle_epk,
                                       &keys, kpersistent)))
        goto out;
    /* 4E, 9E, 4A, 4B */
    if ((e = put_auth1_answer(a, &w)))
        goto out;
    /* counter 00 */
    channel_open(&s->channel, &channel_applet, keys.kenc, keys.kmac, keys.krmac);
    if ((e = channel_wrap_response(a->crypto, &s->channel, span_of(plain, w.len), APDU_SW_OK, out)))
        goto out;
    memcpy(k->kpersistent, kpersistent, sizeof kpersistent);
    k->has_kpersistent = true;
    s->state = APPLET_AUTHENTICATED;
    p256_free(s->ephemeral);
    s->ephemeral = NULL;
out:
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(kpersistent, sizeof kpersistent);
    OPENSSL_cleanse(plain, sizeof plain);
    return e;
}

/* An unknown vehicle and a wrong signature get the same answer (its status: a choice, docs/ccc.md). */
static uint16_t auth1(struct applet *a, const struct apdu_command *cmd, struct wr *out)
{
    const struct digital_key *k = a->session.key;
    struct span signature;
    if (tlv_find_exact(cmd->data, APPLET_TAG_SIGNATURE, SIGNATURE_SIZE, &signature) || !k ||
        !(k->creation.options_1 & ENDPOINT_STANDARD_CONTACTLESS) || authenticate(a, signature, out))
        return APDU_SW_WRONG_DATA;
    return 0; /* the answer is complete */
}

/* ---- EXCHANGE ---- */

/* One operation on the staged mailboxes; reads go to w. */
static enum err run_operation(struct applet *a, const struct exchange_op *op, struct wr *w)
{
    if (op->kind == EXCHANGE_NOTIFY) {
        if (a->notification_len)
            return ERR_MSG_MALFORMED; /* one for each command */
        memcpy(a->notification, op->data.p, op->data.len);
        a->notification_len = op->data.len;
        return ERR_OK;
    }
    uint8_t *p;
    enum err e = mailbox_reach(&a->session.stage, MAILBOX_VEHICLE, op->mailbox, op->offset, op->len, &p);
    if (e)
        return e;
    if (op->kind == EXCHANGE_READ)
        wr_copy(w, p, op->len);
    else if (op->kind == EXCHANGE_WRITE)
        memcpy(p, op->data.p, op->len);
    else
        memset(p, op->value, op->len);
    return w->failed ? ERR_NO_SPACE : ERR_OK;
}

/* All operations of a command, on a copy; the copy becomes the mailboxes when the session is committed. */
static enum err run_exchange(struct applet *a, struct span plain, struct wr *w)
{
    struct applet_session *s = &a->session;
    struct rd r = rd_of(plain.p, plain.len);
    enum exchange_option option;
    struct exchange_op op;
    assert(s->key); /* no state with a channel is without one */
    enum err e = exchange_open(&r, &option);
    if (!s->staged)
        s->stage = s->key->mailboxes;
    s->staged = true;
    a->notification_len = 0;
    while (!e && !(e = exchange_next(&r, &op)))
        e = run_operation(a, &op, w);
    if (e != ERR_NOT_FOUND) {
        a->notification_len = 0;
        return e;
    }
    if (option == EXCHANGE_COMMIT) {
        s->key->mailboxes = s->stage;
        OPENSSL_cleanse(&s->stage, sizeof s->stage);
        s->staged = false;
    }
    return ERR_OK;
}

static uint16_t exchange(struct applet *a, const struct apdu_command *cmd, struct wr *out)
{
    struct applet_session *s = &a->session;
    uint8_t plain[CCC_BLOCK * 16], answer[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    size_t len;
    uint16_t sw = 0;
    if (s->state == APPLET_KEYED_FAST && !(s->key->creation.options_1 & ENDPOINT_EXCHANGE_AFTER_FAST))
        return APDU_SW_CONDITIONS;
    if (channel_unwrap_command(a->crypto, &s->channel, cmd, plain, &len)) {
        sw = APDU_SW_SECURE_MESSAGING;
    } else {
        s->state = APPLET_AUTHENTICATED;
        if (run_exchange(a, span_of(plain, len), &w) ||
            channel_wrap_response(a->crypto, &s->channel, span_of(answer, w.len), APDU_SW_OK, out))
            sw = APDU_SW_WRONG_DATA;
    }
    OPENSSL_cleanse(plain, sizeof plain);
    OPENSSL_cleanse(answer, sizeof answer);
    return sw;
}

static uint16_t control_flow(struct applet *a, const struct apdu_command *cmd, struct wr *out)
{
    (void)cmd;
    (void)out;
    end_transaction(a, APPLET_SELECTED);
    return APDU_SW_OK;
}

/* ---- what is permitted when ---- */

#define IN(state) (1u << (state))
#define ANY_SELECTED \
    (IN(APPLET_SELECTED) | IN(APPLET_KEYED) | IN(APPLET_KEYED_FAST) | IN(APPLET_AUTHENTICATED))

/* A handler returns the status of an answer whose data it put, or 0 when it put the status, too. */
static const struct command {
    uint8_t ins, cla;
    uint8_t p1_mask, p2_mask; /* bits that may be set */
    uint8_t p1, p2;           /* bits that must be set */
    size_t lc_min, lc_max;
    unsigned states;
    uint16_t (*run)(struct applet *a, const struct apdu_command *cmd, struct wr *out);
} commands[] = {
    {.ins = APDU_SELECT,
     .cla = APDU_CLA_ISO,
     .p1_mask = 0x04,
     .p1 = 0x04,
     .lc_min = 5,
     .lc_max = 16,
     .states = IN(APPLET_DESELECTED) | ANY_SELECTED,
     .run = select_applet},
    {.ins = APDU_AUTH0,
     .cla = APDU_CLA_PLAIN,
     .p1_mask = TRANSACTION_FAST | TRANSACTION_EXCHANGE_FOLLOWS,
     .p2_mask = 0xFF,
     .lc_min = 99,
     .lc_max = 255,
     .states = ANY_SELECTED,
     .run = auth0},
    {.ins = APDU_AUTH1,
     .cla = APDU_CLA_PLAIN,
     .lc_min = 66,
     .lc_max = 66,
     .states = IN(APPLET_KEYED) | IN(APPLET_KEYED_FAST),
     .run = auth1},
    {.ins = APDU_EXCHANGE,
     .cla = APDU_CLA_SECURE,
     .lc_min = CHANNEL_MAC,
     .lc_max = 255,
     .states = IN(APPLET_AUTHENTICATED) | IN(APPLET_KEYED_FAST),
     .run = exchange},
    {.ins = APDU_CONTROL_FLOW,
     .cla = APDU_CLA_PLAIN,
     .p1_mask = 0xFF,
     .p2_mask = 0xFF,
     .states = ANY_SELECTED,
     .run = control_flow},
};

static uint16_t refuse(const struct apdu_command *cmd, enum applet_state state, const struct command **out)
{
    const struct command *c = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].ins == cmd->ins)
            c = &commands[i];
    bool class_known = cmd->cla == APDU_CLA_ISO || cmd->cla == APDU_CLA_PLAIN || cmd->cla == APDU_CLA_SECURE;
    if (!class_known || (c && c->cla != cmd->cla))
        return APDU_SW_CLA;
    if (!c)
        return APDU_SW_INS;
    if (cmd->p1 & ~c->p1_mask || cmd->p2 & ~c->p2_mask || (cmd->p1 & c->p1) != c->p1 ||
        (cmd->p2 & c->p2) != c->p2)
        return APDU_SW_WRONG_P1P2;
    if (cmd->data.len < c->lc_min || cmd->data.len > c->lc_max)
        return APDU_SW_WRONG_LENGTH;
    if (!(c->states & IN(state)))
        return APDU_SW_CONDITIONS;
    *out = c;
    return 0;
}

void applet_input(struct applet *a, const struct apdu_command *cmd, struct wr *out)
{
    assert(a && a->crypto && cmd && out && out->cap - out->len >= APDU_RESPONSE_MAX);
    const struct command *c = NULL;
    size_t before = out->len;
    uint16_t sw = refuse(cmd, a->session.state, &c);
    if (sw == 0)
        sw = c->run(a, cmd, out);
    if (sw != 0 && sw != APDU_SW_OK) {
        out->len = before; /* an error carries no data and ends the transaction */
        if (a->session.state != APPLET_DESELECTED)
            end_transaction(a, APPLET_SELECTED);
    }
    if (sw != 0)
        wr_be16(out, sw);
    assert(!out->failed);
}
