/* What comes in and what is to be done about it: the links, whom a command is for, what waits for the store
 * or for scrypt before it is answered. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device_internal.h"

/* ---- answers ---- */

static struct wr answer_begin(struct dk_link *l)
{
    l->answer_len = 0;
    return wr_of(l->answer + DK_MESSAGE_HEADER, APDU_RESPONSE_MAX);
}

static void answer_end(struct dk_link *l, const struct wr *w)
{
    assert(!w->failed);
    l->answer_len = w->len;
}

static void answer_status(struct dk_link *l, uint16_t sw)
{
    struct wr w = answer_begin(l);
    wr_be16(&w, sw);
    answer_end(l, &w);
}

static bool answer_is_error(const struct dk_link *l)
{
    if (l->answer_len == 0)
        return false; /* REQUEST, whose answer waits for scrypt */
    uint8_t sw1 = l->answer[DK_MESSAGE_HEADER + l->answer_len - 2];
    return sw1 != APDU_SW_OK >> 8 && sw1 != APDU_SW_MORE >> 8;
}

static struct span answer_span(struct dk_link *l)
{
    struct span apdu = {l->answer + DK_MESSAGE_HEADER, l->answer_len};
    if (!l->framed)
        return apdu;
    struct wr w = wr_of(l->answer, DK_MESSAGE_HEADER);
    dk_message_put_header(&w, l->type, DK_APDU_RS, apdu.len);
    assert(!w.failed);
    return span_of(l->answer, DK_MESSAGE_HEADER + apdu.len);
}

/* ---- what is to be done next ---- */

static struct dk_step store_step(const struct dk_device *d)
{
    return (struct dk_step){.what = DK_STORE, .link = d->storing.link, .change = d->storing.change};
}

static struct dk_step derive_step(const struct dk_device *d, enum dk_link_id link)
{
    struct dk_step s = {.what = DK_DERIVE, .link = link};
    assert(d->state == DK_DERIVING && d->pairing.link == link);
    memcpy(s.derivation.password, d->password, d->password_len);
    s.derivation.len = d->password_len;
    s.derivation.scrypt = d->pairing.scrypt;
    s.derivation.number = d->links[link].derivation;
    return s;
}

/* Nothing is left to be stored. */
static struct dk_step answer_step(struct dk_device *d, enum dk_link_id link, bool answers)
{
    struct dk_link *l = &d->links[link];
    if (!answers)
        return (struct dk_step){.what = DK_NOTHING, .link = link};
    if (l->answer_len == 0)
        return derive_step(d, link);
    return (struct dk_step){.what = DK_ANSWER, .link = link, .answer = answer_span(l)};
}

static struct dk_step next_step(struct dk_device *d, enum dk_link_id link, bool answers,
                                struct digital_key *const before[DK_LINKS])
{
    if (!d->storing.what)
        dk_settle(d, before, link);
    if (!d->storing.what)
        return answer_step(d, link, answers);
    d->storing.answers = answers;
    return store_step(d);
}

/* ---- commands ---- */

static void to_applet(struct dk_device *d, enum dk_link_id link, const struct apdu_command *cmd,
                      struct wr *out)
{
    bool select = cmd->ins == APDU_SELECT;
    /* the framework comes first in pairing */
    if (select && (dk_pairing_open_on(d, link) || !applet_has_key(d->applet))) {
        dk_framework_conclude(d, link, out, APDU_SW_NOT_FOUND);
        return;
    }
    struct digital_key *k = applet_input(d->applet, link, cmd, out);
    const struct digital_key *with = d->applet->sessions[link].key;
    bool told = cmd->ins == APDU_EXCHANGE && with && dk_take_notification(d, link, with);
    if (!k)
        return;
    dk_store_begin(d, DK_STORING_APPLET, link, (struct dk_change){.put = dk_key_bit(d, k)});
    d->storing.told = told;
}

/* SELECT decides who gets the commands that follow. */
static enum dk_to choose(struct dk_device *d, enum dk_link_id link, const struct apdu_command *cmd)
{
    struct dk_link *l = &d->links[link];
    if (cmd->ins != APDU_SELECT)
        return l->selected == DK_SELECTED_APPLET ? DK_TO_APPLET : DK_TO_FRAMEWORK;
    return span_equal(cmd->data, span_of(apdu_aid_applet, APDU_AID)) ? DK_TO_APPLET : DK_TO_FRAMEWORK;
}

static uint16_t check_select(const struct apdu_command *cmd, const uint8_t aid[APDU_AID])
{
    if (cmd->cla != APDU_CLA_ISO)
        return APDU_SW_CLA;
    if (cmd->p1 != 0x04 || cmd->p2 != 0)
        return APDU_SW_WRONG_P1P2;
    return span_equal(cmd->data, span_of(aid, APDU_AID)) ? APDU_SW_OK : APDU_SW_NOT_FOUND;
}

/* On a link where SELECT chooses, one of the two is left for the other; only when it succeeds. */
static void select_one(struct dk_device *d, enum dk_link_id link, enum dk_to to, bool exclusive,
                       const struct dk_input *in)
{
    uint16_t sw = check_select(in->cmd, to == DK_TO_APPLET ? apdu_aid_applet : apdu_aid_framework);
    if (sw == APDU_SW_OK && to == DK_TO_APPLET) {
        to_applet(d, link, in->cmd, in->out);
        if (exclusive && d->applet->sessions[link].state != APPLET_DESELECTED)
            d->links[link].selected = DK_SELECTED_APPLET;
        return;
    }
    if (sw == APDU_SW_OK)
        sw = dk_framework_select(d, in);
    if (sw == APDU_SW_OK && exclusive)
        applet_reset(d->applet, link);
    dk_framework_conclude(d, link, in->out, sw);
}

static void take_command(struct dk_device *d, enum dk_link_id link, enum dk_to to,
                         const struct apdu_command *cmd, struct wr *out)
{
    const struct dk_input in = {link, cmd, out};
    bool exclusive = to == DK_TO_SELECTED;
    if (exclusive)
        to = choose(d, link, cmd);
    if (cmd->ins == APDU_SELECT)
        select_one(d, link, to, exclusive, &in);
    else if (to == DK_TO_APPLET)
        to_applet(d, link, cmd, out);
    else
        dk_framework_input(d, &in);
}

/* Not an APDU: nobody knows whom it was for. */
static void take_garbage(struct dk_device *d, enum dk_link_id link, struct wr *out)
{
    applet_reset(d->applet, link);
    if (d->links[link].selected == DK_SELECTED_APPLET)
        d->links[link].selected = DK_SELECTED_NOBODY;
    dk_framework_conclude(d, link, out, APDU_SW_WRONG_LENGTH);
}

static struct dk_step take(struct dk_device *d, enum dk_link_id link, enum dk_to to, struct span command)
{
    struct dk_link *l = &d->links[link];
    struct wr w = answer_begin(l);
    struct digital_key *before[DK_LINKS];
    struct apdu_command cmd;
    dk_sessions(d, before);
    d->applet->now_s = d->now_s;
    l->derivation = 0; /* this is answered, whatever came before */
    if (d->state == DK_DERIVING && d->pairing.link == link)
        dk_framework_conclude(d, link, &w, APDU_SW_CONDITIONS);
    else if (apdu_command_parse(command, &cmd))
        take_garbage(d, link, &w);
    else
        take_command(d, link, to, &cmd, &w);
    answer_end(l, &w);
    return next_step(d, link, true, before);
}

struct dk_step dk_device_input(struct dk_device *d, enum dk_link_id link, enum dk_to to, struct span command)
{
    assert(d && d->applet && link < DK_LINKS && (command.p || command.len == 0));
    assert(!d->storing.what);
    d->links[link].framed = false;
    return take(d, link, to, command);
}

struct dk_step dk_device_message(struct dk_device *d, struct span sdu)
{
    assert(d && d->applet && (sdu.p || sdu.len == 0));
    assert(!d->storing.what);
    struct dk_message m;
    bool ours = dk_message_parse(sdu, &m) == ERR_OK && (m.type == DK_FRAMEWORK || m.type == DK_SE) &&
                m.id == DK_APDU_RQ;
    if (!ours)
        return (struct dk_step){.what = DK_NOTHING, .link = DK_BLE};
    d->links[DK_BLE].framed = true;
    d->links[DK_BLE].type = m.type;
    return take(d, DK_BLE, m.type == DK_FRAMEWORK ? DK_TO_FRAMEWORK : DK_TO_APPLET, m.data);
}

/* ---- links ---- */

/* The channel is gone; a key that was made waits for the password's end. */
static void lose_pairing(struct dk_device *d)
{
    struct dk_pairing *p = &d->pairing;
    channel_close(&p->channel);
    spake2p_wipe(&p->spake);
    OPENSSL_cleanse(&p->keys, sizeof p->keys);
    OPENSSL_cleanse(&p->block, sizeof p->block);
    OPENSSL_cleanse(p->object, sizeof p->object);
    p->object_len = p->object_sent = 0;
    p->endpoint_read = false;
    d->state = DK_IDLE;
}

static bool selected_on_any(const struct dk_device *d)
{
    bool any = false;
    for (size_t l = 0; l < DK_LINKS; l++)
        any |= d->links[l].selected == DK_SELECTED_FRAMEWORK;
    return any;
}

struct dk_step dk_device_reset(struct dk_device *d, enum dk_link_id link)
{
    struct digital_key *before[DK_LINKS];
    assert(d && d->applet && link < DK_LINKS && !d->storing.what);
    dk_sessions(d, before);
    OPENSSL_cleanse(&d->links[link], sizeof d->links[link]);
    applet_reset(d->applet, link);
    if (dk_pairing_open_on(d, link) && d->state != DK_CREATING)
        lose_pairing(d);
    else if (d->state == DK_SELECTED && !selected_on_any(d))
        d->state = DK_IDLE;
    if (!dk_settle(d, before, link))
        dk_settle_ended(d, link);
    return next_step(d, link, false, before);
}

/* ---- the store has answered ---- */

/* The answer that could not be given yet. */
static void conclude_later(struct dk_device *d, enum dk_link_id link,
                           uint16_t (*run)(struct dk_device *d, struct wr *out))
{
    struct dk_link *l = &d->links[link];
    struct wr w = answer_begin(l);
    dk_framework_conclude(d, link, &w, run(d, &w));
    answer_end(l, &w);
}

static uint16_t evidence_not_stored(struct dk_device *d, struct wr *out)
{
    (void)out;
    d->evidence_failures--;
    return APDU_SW_CONDITIONS;
}

static uint16_t accept_is_stored(struct dk_device *d, struct wr *out)
{
    (void)out;
    return dk_accept_stored(d, true);
}

static uint16_t accept_not_stored(struct dk_device *d, struct wr *out)
{
    (void)out;
    return dk_accept_stored(d, false);
}

static void applet_change_stored(struct dk_device *d, enum dk_link_id link, bool stored)
{
    struct digital_key *k = d->applet->sessions[link].key;
    size_t i = dk_key_index(d, k);
    if (!stored && dk_termination_known(d, k)) /* the vehicle has read it, and will not come again */
        d->later[i].noted = true;
    applet_stored(d->applet, link, stored);
    if (stored)
        return;
    if (d->storing.told) /* the vehicle will hear that its command failed */
        d->later[i].terminate &= (uint8_t) ~(1u << link);
    answer_status(&d->links[link], APDU_SW_CONDITIONS);
}

static void settled(struct dk_device *d, enum dk_link_id link, bool answers, bool stored)
{
    dk_settle_stored(d, stored);
    if (stored || !answers || answer_is_error(&d->links[link]))
        return;
    answer_status(&d->links[link], APDU_SW_CONDITIONS);
    d->links[link].derivation = 0;
    dk_after_error(d, link);
}

struct dk_step dk_device_stored(struct dk_device *d, enum err result)
{
    assert(d && d->storing.what);
    const enum dk_storing_what what = d->storing.what;
    const enum dk_link_id link = d->storing.link;
    const bool answers = d->storing.answers, stored = result == ERR_OK;
    struct digital_key *before[DK_LINKS];
    dk_sessions(d, before);
    switch (what) {
    case DK_STORING_EVIDENCE:
        conclude_later(d, link, stored ? dk_check_evidence : evidence_not_stored);
        break;
    case DK_STORING_ACCEPTED:
        conclude_later(d, link, stored ? accept_is_stored : accept_not_stored);
        break;
    case DK_STORING_APPLET:
        applet_change_stored(d, link, stored);
        break;
    case DK_STORING_SETTLED:
    case DK_STORING_NOTHING:
        settled(d, link, answers, stored);
        break;
    }
    OPENSSL_cleanse(&d->storing, sizeof d->storing);
    if (what == DK_STORING_SETTLED) /* what a store refused is not tried again at once */
        return answer_step(d, link, answers);
    return next_step(d, link, answers, before);
}

/* ---- scrypt ---- */

enum err dk_derive(struct crypto *c, const struct dk_derivation *from, struct dk_derived *out)
{
    assert(c && from && from->len && from->len <= sizeof from->password && out);
    assert(spake2p_scrypt_acceptable(&from->scrypt));
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    /* w0, w1 */
    enum err e = spake2p_derive(c, span_of(from->password, from->len), &from->scrypt, w0, w1);
    if (!e)
        e = spake2p_prover_set_make(c, w0, w1, &out->prover);
    if (!e)
        out->from = *from;
    OPENSSL_cleanse(w0, sizeof w0);
    OPENSSL_cleanse(w1, sizeof w1);
    return e;
}

static bool same_password(const struct dk_device *d, const struct dk_derivation *f)
{
    return d->password_len != 0 && f->len == d->password_len &&
           bytes_equal_ct(f->password, d->password, f->len);
}

/* It belongs to the password, and disturbs no exchange under way, which has its own set. */
static void keep_derived(struct dk_device *d, const struct dk_derived *w)
{
    d->prover = w->prover;
    d->derived_from = w->from.scrypt;
    d->derived = true;
    d->changed.framework = true;
}

struct dk_step dk_device_derived(struct dk_device *d, enum dk_link_id link, uint32_t number,
                                 const struct dk_derived *w)
{
    assert(d && d->applet && link < DK_LINKS && number && !d->storing.what);
    struct dk_link *l = &d->links[link];
    bool owed = l->derivation == number;
    bool awaited = owed && d->state == DK_DERIVING && d->pairing.link == link;
    bool good =
        w && same_password(d, &w->from) && (!awaited || dk_scrypt_equal(&w->from.scrypt, &d->pairing.scrypt));
    if (good && (awaited || (d->state != DK_DERIVING && d->state != DK_REQUESTED)))
        keep_derived(d, w);
    if (!owed)
        return (struct dk_step){.what = DK_NOTHING, .link = link};
    struct wr out = answer_begin(l);
    l->derivation = 0;
    if (awaited)
        dk_framework_conclude(d, link, &out, good ? dk_put_share(d, &out) : APDU_SW_INVALID);
    else /* the password that it was for is gone */
        wr_be16(&out, APDU_SW_CONDITIONS);
    answer_end(l, &out);
    return answer_step(d, link, true);
}
