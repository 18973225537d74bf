#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/radio_parts.h"
#include "lib/ccc/apdu.h"
#include "lib/msg/tracking.h"

#define ANSWER_MS 2000  /* T_APDU */
#define VERIFY_MS 30000 /* the phone computes scrypt */

/* ---- bonds ---- */

static void bond_name(const uint8_t key_id[ENDPOINT_KEY_ID], char out[ENV_KEY_MAX])
{
    char hex[2 * ENDPOINT_KEY_ID + 1];
    hex_encode(key_id, ENDPOINT_KEY_ID, hex);
    text_copy(out, ENV_KEY_MAX, SPAAK_BOND_PREFIX);
    text_copy(out + strlen(out), ENV_KEY_MAX - strlen(out), hex);
}

enum err radio_bond_get(struct spaak *s, const struct vehicle_key *k, struct approach_bond *out)
{
    char name[ENV_KEY_MAX];
    size_t len;
    bond_name(k->key_id, name);
    enum err e = env_store_get(s->env, name, out, sizeof *out, &len);
    return !e && len != sizeof *out ? ERR_STORE_FAILED : e;
}

static enum err bond_store(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID],
                           const struct approach_bond *bond)
{
    char name[ENV_KEY_MAX];
    bond_name(key_id, name);
    enum err e = env_store_put(s->env, name, span_of(bond, sizeof *bond));
    return e ? e : env_store_commit(s->env);
}

void radio_put_no_bond(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    char name[ENV_KEY_MAX];
    bond_name(key_id, name);
    env_store_delete(s->env, name);
}

static void claim(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID], struct span ltk)
{
    char subject[TRACKING_SUBJECT];
    tracking_subject(key_id, subject);
    env_claim(s->env, SPAAK_CLAIM_BOND, subject, ltk);
}

void radio_claim(struct spaak *s, const struct vehicle_key *k)
{
    struct approach_bond bond;
    if (radio_bond_get(s, k, &bond))
        return;
    claim(s, k->key_id, span_of(bond.ltk, sizeof bond.ltk));
    OPENSSL_cleanse(&bond, sizeof bond);
}

void radio_unclaim(struct spaak *s, const struct vehicle_key *k)
{
    claim(s, k->key_id, (struct span){NULL, 0});
}

/* ---- the beginning ---- */

static const struct vehicle_key *key_of(const struct spaak *s, const struct spaak_link *l)
{
    for (size_t i = 0; l->bonded && i < s->keys.count; i++)
        if (memcmp(s->keys.list[i].key_id, l->key_id, sizeof l->key_id) == 0)
            return &s->keys.list[i];
    return NULL;
}

/* OP-06/3 */
void radio_channel(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    if (l->channel) {
        radio_leave(s, link); /* there is one to a link */
        return;
    }
    l->channel = true;
    l->approach = (struct vehicle_approach){.both.crypto = s->env->crypto,
                                            .keys = s->keys.list,
                                            .n_keys = s->keys.count,
                                            .may_pair = s->radio.for_pairing};
    env_trace_step(s->env, "OP-06/3",
                   l->bonded ? "a phone that is known has opened the channel"
                             : "a phone has opened the channel");
    radio_do(s, link, vehicle_approach_begin(&l->approach, key_of(s, l), l->level, l->key_size));
}

/* ---- steps ---- */

static void send_sdu(struct spaak *s, const struct spaak_link *l, struct span sdu)
{
    enum err e = env_send_bytes(s->env, SPAAK_PORT_RADIO, l->peer, sdu);
    if (e)
        env_trace_reason(s->env, TRACE_DROP, NULL, NULL, e, (uint32_t)sdu.len, NULL);
}

static const struct ble_said nothing;

/* The link that has waited longest; SPAAK_LINKS: none does. */
static unsigned next_in_turn(const struct spaak_radio *r)
{
    unsigned first = SPAAK_LINKS;
    for (unsigned i = 0; i < SPAAK_LINKS; i++)
        if (r->links[i].used && r->links[i].oob_number &&
            (first == SPAAK_LINKS || r->links[i].oob_number < r->links[first].oob_number))
            first = i;
    return first;
}

/* When its turn ends, because others wait; ENV_NEVER: it has none, or nobody waits. */
static uint64_t turn_end_us(const struct spaak_radio *r, unsigned link)
{
    if (r->oob_of != (int)link || next_in_turn(r) == SPAAK_LINKS)
        return ENV_NEVER;
    return r->oob_since_us + SPAAK_OOB_TURN_MS * 1000ull;
}

/* A deadline begins with its state: nothing that the phone says moves it. */
static void set_timer(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    const enum approach_state state = l->approach.both.state;
    unsigned ms = vehicle_approach_patience_ms(&l->approach);
    if (!l->used)
        return;
    if (!l->due_us || l->timed != state)
        l->due_us = ms ? env_now_us(s->env) + ms * 1000ull : ENV_NEVER;
    l->timed = state;
    uint64_t turn_us = turn_end_us(&s->radio, link);
    if (!l->awaits && !l->select_len)
        env_timer_set(s->env, SPAAK_TIMER_LINK + link, turn_us < l->due_us ? turn_us : l->due_us);
}

void radio_next_oob(struct spaak *s)
{
    struct spaak_radio *r = &s->radio;
    unsigned next = next_in_turn(r);
    if (r->oob_of < 0 && next < SPAAK_LINKS) {
        r->links[next].oob_number = 0;
        r->oob_of = (int)next;
        r->oob_since_us = env_now_us(s->env);
        radio_tell(s, "", BLE_TELL_OOB, &nothing);
    }
    if (r->oob_of >= 0)
        set_timer(s, (unsigned)r->oob_of);
}

/* Without them in the radio a phone that has others would not be found out: then there is no pairing. */
static enum err add_oob(struct spaak *s, struct spaak_link *l, const struct approach_oob *oob)
{
    struct ble_said said = {.level = 0};
    enum err e = ble_address_read(l->peer, &said.address);
    if (e)
        return e;
    memcpy(said.confirm, oob->confirm, sizeof oob->confirm);
    memcpy(said.key, oob->random, sizeof oob->random);
    e = radio_tell(s, "", BLE_TELL_OOB_OF, &said);
    l->gave_oob = !e;
    OPENSSL_cleanse(&said, sizeof said);
    return e;
}

static struct approach_step store_bond(struct spaak *s, unsigned link, const struct approach_bond *bond)
{
    struct spaak_link *l = &s->radio.links[link];
    enum err e = bond_store(s, l->approach.key_id, bond);
    if (!e)
        claim(s, l->approach.key_id, span_of(bond->ltk, sizeof bond->ltk));
    if (!e)
        env_trace_step(s->env, "OP-06/5", "paired out of band: the link is encrypted");
    s->radio.oob_of = -1;
    return vehicle_approach_stored(&l->approach, e);
}

static void on_wanted(struct spaak *s, unsigned link, enum dk_event event)
{
    const enum spaak_place place = (enum spaak_place)(SPAAK_AIR + link);
    if (event == DK_EVENT_REQUEST_STANDARD) {
        s->radio.links[link].wanted = true;
        return;
    }
    enum err e = pairing_on_asked(s, place);
    if (!e)
        return;
    env_trace_reason(s->env, TRACE_REJECT, "OP-03/1", NULL, e, 0, "owner pairing over Bluetooth");
    radio_hang_up(s, link);
}

/* As a reader traces what it carries. */
static void trace_apdu(struct spaak *s, const struct spaak_link *l, bool command, struct span apdu)
{
    char line[APDU_LINE_MAX], detail[96];
    if (command)
        apdu_describe_command(apdu, line);
    else
        apdu_describe_response(apdu, line);
    snprintf(detail, sizeof detail, "%c %.90s", command ? '>' : '<', line);
    env_trace_message(s->env, TRACE_APDU, NULL, NULL, l->peer, apdu, detail);
}

static void do_one(struct spaak *s, unsigned link, const struct approach_step *step)
{
    struct spaak_link *l = &s->radio.links[link];
    switch (step->what) {
    case APPROACH_SEND:
        send_sdu(s, l, step->sdu);
        break;
    case APPROACH_READ_OOB:
        env_trace_step(s->env, "OP-06/4", "first approach of a key that is known");
        l->oob_number = ++s->radio.oob_number;
        radio_next_oob(s);
        break;
    case APPROACH_ADD_OOB:
        if (add_oob(s, l, step->oob))
            radio_leave(s, link);
        break;
    case APPROACH_READY:
        memcpy(l->key_id, l->approach.key_id, sizeof l->key_id);
        env_trace_step(s->env, "OP-06/6", "the phone's clock is known: transactions may be");
        pairing_on_ready(s, (enum spaak_place)(SPAAK_AIR + link), l->key_id);
        break;
    case APPROACH_WANTED:
        on_wanted(s, link, step->event);
        break;
    case APPROACH_APDU:
        l->awaits = false;
        trace_apdu(s, l, false, step->apdu);
        session_on_answer(s, (enum spaak_place)(SPAAK_AIR + link), step->apdu);
        break;
    case APPROACH_REFUSED:
        env_trace_reason(s->env, TRACE_REJECT, NULL, NULL, step->reason, 0, "over Bluetooth");
        break;
    default:
        break;
    }
}

void radio_do(struct spaak *s, unsigned link, struct approach_step step)
{
    struct spaak_link *l = &s->radio.links[link];
    while (step.what != APPROACH_WAIT && l->used) {
        if (step.what == APPROACH_OVER) {
            if (step.reason)
                env_trace_reason(s->env, TRACE_REJECT, "OP-06/4", NULL, step.reason, 0,
                                 "the approach has ended");
            radio_leave(s, link);
            break;
        }
        if (step.what == APPROACH_APDU && !l->awaits) { /* nobody has asked */
            step = approach_refuse(&l->approach.both, ERR_MSG_UNEXPECTED);
            continue;
        }
        do_one(s, link, &step);
        if (!l->used)
            break;
        step = step.what == APPROACH_STORE_BOND ? store_bond(s, link, step.bond)
                                                : approach_proceed(&l->approach.both);
    }
    set_timer(s, link);
    radio_next_oob(s);
    unlock_look(s);
}

/* ---- for sessions ---- */

static void send_apdu(struct spaak *s, unsigned link, struct span apdu)
{
    struct spaak_link *l = &s->radio.links[link];
    uint8_t out[DK_MESSAGE_HEADER + APDU_COMMAND_MAX];
    struct wr w = wr_of(out, sizeof out);
    const enum dk_type type = l->approach.both.state == AP_OWNER_PAIRING ? DK_FRAMEWORK : DK_SE;
    const struct dk_message m = {.type = type, .id = DK_APDU_RQ, .data = apdu};
    dk_message_put(&w, &m);
    trace_apdu(s, l, true, apdu);
    bool slow = apdu.len > 1 && (apdu.p[1] == APDU_SPAKE2P_REQUEST || apdu.p[1] == APDU_SPAKE2P_VERIFY);
    l->awaits = true;
    env_timer_in(s->env, SPAAK_TIMER_LINK + link, (slow ? VERIFY_MS : ANSWER_MS) * 1000ull);
    send_sdu(s, l, span_of(out, w.len));
}

void radio_send(struct spaak *s, unsigned link, struct span command)
{
    if (s->radio.links[link].used)
        send_apdu(s, link, command);
}

void radio_select(struct spaak *s, unsigned link, struct span select, unsigned gap_ms)
{
    struct spaak_link *l = &s->radio.links[link];
    if (!l->used || select.len > sizeof l->select)
        return;
    if (!gap_ms) {
        send_apdu(s, link, select);
        return;
    }
    memcpy(l->select, select.p, select.len);
    l->select_len = select.len;
    env_timer_in(s->env, SPAAK_TIMER_LINK + link, gap_ms * 1000ull);
}

void radio_deselect(struct spaak *s, unsigned link)
{
    static const uint8_t event[] = {DK_EVENT, DK_EVENT_NOTIFICATION,     0,
                                    2,        DK_EVENT_COMMAND_COMPLETE, DK_EVENT_DESELECT_SE};
    struct spaak_link *l = &s->radio.links[link];
    l->awaits = false;
    l->wanted = false;
    if (l->used && l->approach.both.state == AP_READY)
        send_sdu(s, l, span_of(event, sizeof event));
    if (l->used && l->approach.both.state == AP_OWNER_PAIRING)
        radio_leave(s, link); /* owner pairing is over: what else should it be for? */
    else if (l->used)
        set_timer(s, link);
}

bool radio_is_secure(const struct spaak *s, unsigned link)
{
    const struct spaak_link *l = &s->radio.links[link];
    return l->used && l->channel && l->approach.both.state == AP_READY;
}

/* An answer that is still to come is of a session that was dropped. */
bool radio_is_ready(const struct spaak *s, unsigned link)
{
    const struct spaak_link *l = &s->radio.links[link];
    return radio_is_secure(s, link) && !l->awaits && !l->select_len && !s->readers[SPAAK_AIR + link].session;
}

bool radio_waits_for_key(const struct spaak *s, unsigned link)
{
    const struct spaak_link *l = &s->radio.links[link];
    return l->used && l->channel && l->approach.both.state == AP_OWNER_PAIRING;
}

void radio_accepted(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    l->approach.keys = s->keys.list;
    l->approach.n_keys = s->keys.count;
    radio_do(s, link, vehicle_approach_accepted(&l->approach));
}

void radio_time(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    if (!l->used)
        return;
    if (l->select_len) {
        struct span select = span_of(l->select, l->select_len);
        l->select_len = 0;
        send_apdu(s, link, select);
    } else if (l->awaits || !l->channel) {
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, ERR_DK_TIMEOUT, 0, "over Bluetooth");
        radio_leave(s, link);
        unlock_look(s);
    } else if (turn_end_us(&s->radio, link) <= env_now_us(s->env)) {
        /* OP-06/4: the phone begins again, behind those that wait */
        env_trace_reason(s->env, TRACE_REJECT, "OP-06/4", NULL, ERR_DK_TIMEOUT, 0,
                         "has not paired in its turn, and another phone waits");
        radio_leave(s, link);
        unlock_look(s);
    } else if (env_now_us(s->env) < l->due_us) {
        set_timer(s, link); /* nobody waits any more */
    } else {
        radio_do(s, link, vehicle_approach_late(&l->approach));
    }
}
