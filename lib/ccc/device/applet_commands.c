/* The commands of the vehicle: SELECT, AUTH0, AUTH1, CONTROL FLOW, and what is permitted when. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/device/applet_internal.h"
#include "lib/ccc/tlv.h"

void applet_end_transaction(struct applet_session *s, enum applet_state state)
{
    p256_free(s->ephemeral);
    channel_close(&s->channel);
    OPENSSL_cleanse(s, sizeof *s);
    s->state = state;
}

void applet_reset(struct applet *a, enum dk_link_id link)
{
    assert(a && link < DK_LINKS && !a->sessions[link].unstored);
    applet_end_transaction(&a->sessions[link], APPLET_DESELECTED);
}

static uint16_t select_applet(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd,
                              struct wr *out)
{
    if (!span_equal(cmd->data, span_of(apdu_aid_applet, APDU_AID)))
        return APDU_SW_NOT_FOUND;
    applet_end_transaction(&a->sessions[link], APPLET_SELECTED);
    op_versions_put(out, APPLET_TAG_VERSION, &a->versions);
    return APDU_SW_OK;
}

/* ---- keys that are there, and the decoy for those that are not ---- */

/* Tags 51, 52: the first and the last second count. */
static bool valid(const struct endpoint_creation *c, int64_t now_s)
{
    return (c->not_before_s == 0 || now_s >= c->not_before_s) &&
           (c->not_after_s == 0 || now_s <= c->not_after_s);
}

static struct digital_key *find_key(struct applet *a, const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID])
{
    for (size_t i = 0; i < APPLET_KEYS; i++) {
        struct digital_key *k = &a->keys[i];
        bool answers = k->state == APPLET_KEY_ACTIVE || k->state == APPLET_KEY_TERMINATED;
        if (answers && valid(&k->creation, a->now_s) &&
            memcmp(k->creation.vehicle_id, vehicle_id, TRANSACTION_VEHICLE_ID) == 0)
            return k;
    }
    return NULL;
}

/* At the first AUTH0 whoever sends it, so that no later one takes longer for it. */
static enum err make_decoy(struct applet *a)
{
    struct digital_key *k = &a->decoy;
    enum err e;
    if (k->device_key)
        return ERR_OK;
    if ((e = p256_generate(a->crypto, &k->vehicle_key)) || (e = p256_generate(a->crypto, &k->device_key))) {
        applet_free_key(k);
        return e;
    }
    p256_public(k->vehicle_key, k->creation.vehicle_pk);
    p256_public(k->device_key, k->device_pk);
    crypto_random(a->crypto, k->kpersistent, sizeof k->kpersistent);
    return ERR_OK;
}

/* ---- AUTH0 ---- */

static bool may_be_fast(const struct digital_key *k)
{
    return k && k->state == APPLET_KEY_ACTIVE && k->has_kpersistent &&
           k->creation.options_1 & ENDPOINT_FAST_CONTACTLESS;
}

/* Cryptogram of a fast transaction; random bytes when there is no key for one. Both are made in any case, so
 * that nothing shows. */
static enum err begin_fast(struct applet *a, struct applet_session *s, uint8_t cryptogram[CCC_KEY])
{
    bool fast = may_be_fast(s->key);
    const struct digital_key *k = fast ? s->key : &a->decoy;
    const uint8_t keep = (uint8_t)-fast; /* all ones, or zero */
    struct transaction_keys keys;
    uint8_t random[CCC_KEY];
    crypto_random(a->crypto, random, sizeof random);
    /* cryptogram, Kenc, Kmac, Krmac */
    enum err e = transaction_fast_keys(a->crypto, &s->transaction, k->kpersistent, k->creation.vehicle_pk,
                                       k->device_pk, cryptogram, &keys);
    for (size_t i = 0; !e && i < CCC_KEY; i++)
        cryptogram[i] = (uint8_t)((cryptogram[i] & keep) | (random[i] & ~keep));
    if (!e && fast) {
        channel_open(&s->channel, &channel_applet_fast, keys.kenc, keys.kmac, keys.krmac);
        s->state = APPLET_KEYED_FAST;
    }
    OPENSSL_cleanse(&keys, sizeof keys);
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

static uint16_t auth0(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd, struct wr *out)
{
    static const enum transaction_interface interfaces[DK_LINKS] = {
        [DK_CONTACTLESS] = TRANSACTION_CONTACTLESS, [DK_BLE] = TRANSACTION_BLE};
    struct applet_session *s = &a->sessions[link];
    struct applet_auth0 request;
    uint8_t cryptogram[CCC_KEY];
    bool fast = cmd->p1 & TRANSACTION_FAST;
    /* 5C, 87, 4C, 4D */
    if (applet_auth0_parse(cmd->data, &request) || !op_versions_has(&a->versions, request.version))
        return APDU_SW_WRONG_DATA;
    applet_end_transaction(s, APPLET_SELECTED);
    struct transaction *t = &s->transaction;
    applet_auth0_transaction(&request, cmd->p1, cmd->p2, interfaces[link], t);
    put_versions(a, t);
    /* endpoint_ePK */
    if (make_decoy(a) || p256_generate(a->crypto, &s->ephemeral))
        return APDU_SW_CONDITIONS;
    p256_public(s->ephemeral, t->endpoint_epk);
    s->key = find_key(a, t->vehicle_id);
    s->state = APPLET_KEYED;
    if (fast && begin_fast(a, s, cryptogram))
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

/* 4E, 9E, and what the configuration adds from the mailboxes; of a terminated key nothing confidential. */
static enum err put_auth1_answer(struct applet *a, struct applet_session *s, struct wr *w)
{
    struct digital_key *k = s->key;
    bool active = k->state == APPLET_KEY_ACTIVE;
    uint8_t signature[SIGNATURE_SIZE];
    enum err e =
        transaction_sign(a->crypto, &s->transaction, active ? TRANSACTION_ENDPOINT : TRANSACTION_TERMINATED,
                         k->device_key, signature);
    if (e)
        return e;
    tlv_put(w, APPLET_TAG_SLOT, slot_id_span(&k->creation.slot));
    tlv_put(w, APPLET_TAG_SIGNATURE, span_of(signature, sizeof signature));
    if (active)
        put_part(w, APPLET_TAG_CONFIDENTIAL_PART, k, MAILBOX_CONFIDENTIAL, &k->auth1_confidential);
    put_part(w, APPLET_TAG_PRIVATE_PART, k, MAILBOX_PRIVATE, &k->auth1_private);
    return w->failed ? ERR_NO_SPACE : ERR_OK;
}

/* 9E. Checked against the decoy when there is no such key, or no such transaction with it. */
static enum err check_vehicle(struct applet *a, const struct applet_session *s, struct span signature)
{
    bool known = s->key && s->key->creation.options_1 & ENDPOINT_STANDARD_CONTACTLESS;
    const struct digital_key *k = known ? s->key : &a->decoy;
    enum err e =
        transaction_verify(a->crypto, &s->transaction, TRANSACTION_VEHICLE, k->vehicle_key, signature.p);
    return e || known ? e : ERR_SIGNATURE_INVALID;
}

static void replace_kpersistent(struct applet_session *s, const uint8_t fresh[TRANSACTION_KPERSISTENT])
{
    struct digital_key *k = s->key;
    s->had_kpersistent = k->has_kpersistent;
    memcpy(s->old_kpersistent, k->kpersistent, sizeof s->old_kpersistent);
    memcpy(k->kpersistent, fresh, sizeof k->kpersistent);
    k->has_kpersistent = true;
    s->unstored = APPLET_KPERSISTENT;
}

static enum err authenticate(struct applet *a, struct applet_session *s, struct span signature,
                             struct wr *out)
{
    struct transaction_keys keys;
    uint8_t kpersistent[TRANSACTION_KPERSISTENT], plain[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(plain, sizeof plain);
    assert(s->ephemeral); /* AUTH0 made it */
    enum err e;
    /* 9E */
    if ((e = check_vehicle(a, s, signature)))
        return e;
    /* Kenc, Kmac, Krmac, Kpersistent */
    if ((e = transaction_standard_keys(a->crypto, &s->transaction, s->ephemeral, s->transaction.vehicle_epk,
                                       &keys, kpersistent)))
        goto out;
    /* 4E, 9E, 4A, 4B */
    if ((e = put_auth1_answer(a, s, &w)))
        goto out;
    /* counter 00 */
    channel_open(&s->channel, &channel_applet, keys.kenc, keys.kmac, keys.krmac);
    if ((e = channel_wrap_response(a->crypto, &s->channel, span_of(plain, w.len), APDU_SW_OK, out)))
        goto out;
    if (s->key->state == APPLET_KEY_ACTIVE)
        replace_kpersistent(s, kpersistent);
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
static uint16_t auth1(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd, struct wr *out)
{
    struct span signature;
    if (tlv_find_exact(cmd->data, APPLET_TAG_SIGNATURE, SIGNATURE_SIZE, &signature) ||
        authenticate(a, &a->sessions[link], signature, out))
        return APDU_SW_WRONG_DATA;
    return 0; /* the answer is complete */
}

/* ---- CONTROL FLOW ---- */

static uint16_t control_flow(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd,
                             struct wr *out)
{
    (void)cmd;
    (void)out;
    applet_end_transaction(&a->sessions[link], APPLET_SELECTED);
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
    uint16_t (*run)(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd, struct wr *out);
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
     .lc_min = 1,
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
     .run = applet_exchange},
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

struct digital_key *applet_input(struct applet *a, enum dk_link_id link, const struct apdu_command *cmd,
                                 struct wr *out)
{
    assert(a && a->crypto && link < DK_LINKS && cmd);
    assert(out && out->cap - out->len >= APDU_RESPONSE_MAX);
    struct applet_session *s = &a->sessions[link];
    const struct command *c = NULL;
    size_t before = out->len;
    assert(!s->unstored);
    uint16_t sw = refuse(cmd, s->state, &c);
    if (sw == 0)
        sw = c->run(a, link, cmd, out);
    if (sw != 0 && sw != APDU_SW_OK) {
        out->len = before; /* an error carries no data and ends the transaction */
        if (s->state != APPLET_DESELECTED)
            applet_end_transaction(s, APPLET_SELECTED);
    }
    if (sw != 0)
        wr_be16(out, sw);
    assert(!out->failed);
    return s->unstored ? s->key : NULL;
}

void applet_stored(struct applet *a, enum dk_link_id link, bool stored)
{
    struct applet_session *s = &a->sessions[link];
    assert(s->key && s->unstored);
    if (!stored && s->unstored == APPLET_KPERSISTENT) {
        memcpy(s->key->kpersistent, s->old_kpersistent, sizeof s->old_kpersistent);
        s->key->has_kpersistent = s->had_kpersistent;
    }
    if (!stored && s->unstored == APPLET_MAILBOXES)
        applet_swap_mailboxes(s);
    if (s->unstored == APPLET_MAILBOXES)
        OPENSSL_cleanse(&s->stage, sizeof s->stage);
    OPENSSL_cleanse(s->old_kpersistent, sizeof s->old_kpersistent);
    s->unstored = APPLET_STORED;
    if (!stored)
        applet_end_transaction(s, APPLET_SELECTED);
}
