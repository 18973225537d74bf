/* One session of lib/ccc/vehicle with the phone at a reader: its APDUs travel, its STORE steps are commits,
 * its end is told to who began it. */
#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/manage.h"
#include "ecu/spaak/session.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/records/vehicle_record.h"

#define ALL_SLOTS 0xFF
#define RESET_MS  100 /* field off between the two transactions of phase 2; at least 50 */
#define POLL_MS   500 /* until a device that is not ready is asked again, field off */

bool session_is_heard(const struct spaak *s, enum spaak_place place)
{
    const struct session *n = s->readers[place].session;
    return n && n->heard;
}

bool session_is_of_pairing(const struct spaak *s, enum spaak_place place)
{
    const struct session *n = s->readers[place].session;
    return n && n->of_pairing;
}

static struct session *session_at(struct spaak *s, enum spaak_place place)
{
    return s->readers[place].session;
}

/* ---- the protocols under one roof ---- */

static struct vehicle_step input(struct session *n, struct span response)
{
    switch (n->kind) {
    case SESSION_PAIRING:
        return vehicle_pairing_input(&n->protocol.pairing, response);
    case SESSION_FINISH:
        return vehicle_finish_input(&n->protocol.finish, response);
    case SESSION_CARD:
        return card_session_input(n, response);
    default:
        return vehicle_transaction_input(&n->protocol.transaction, response);
    }
}

static struct vehicle_step proceed(struct session *n)
{
    switch (n->kind) {
    case SESSION_PAIRING:
        return vehicle_pairing_proceed(&n->protocol.pairing);
    case SESSION_FINISH:
        return vehicle_finish_proceed(&n->protocol.finish);
    default:
        return vehicle_transaction_proceed(&n->protocol.transaction);
    }
}

static struct vehicle_step store_failed(struct session *n, enum err reason)
{
    switch (n->kind) {
    case SESSION_PAIRING:
        return vehicle_pairing_store_failed(&n->protocol.pairing, reason);
    case SESSION_FINISH:
        return vehicle_finish_store_failed(&n->protocol.finish, reason);
    default:
        return vehicle_transaction_store_failed(&n->protocol.transaction, reason);
    }
}

static struct vehicle_step lost(struct session *n)
{
    switch (n->kind) {
    case SESSION_PAIRING:
        return vehicle_pairing_link_lost(&n->protocol.pairing);
    case SESSION_FINISH:
        return vehicle_finish_link_lost(&n->protocol.finish);
    case SESSION_CARD:
        return card_session_lost();
    default:
        return vehicle_transaction_link_lost(&n->protocol.transaction);
    }
}

static void wipe(struct session *n)
{
    if (n->kind == SESSION_PAIRING)
        vehicle_pairing_wipe(&n->protocol.pairing);
    else if (n->kind == SESSION_FINISH)
        vehicle_finish_wipe(&n->protocol.finish);
    else if (n->kind == SESSION_TRANSACTION)
        vehicle_transaction_wipe(&n->protocol.transaction);
}

/* ---- commits ---- */

/* The key is active, its verifier set has served, the pairing is over and unreported: one transaction. */
static enum err store_active(struct spaak *s, const struct vehicle_key *k)
{
    enum err e = keys_put(s, k);
    env_store_delete(s->env, SPAAK_PAIRING_ON);
    pass_report_put(s, k);
    if (!e && verifiers_are_stored(s))
        return verifiers_store_used(s);
    return e ? e : env_store_commit(s->env);
}

static void trace_offer(struct spaak *s, uint8_t entries)
{
    char note[64];
    snprintf(note, sizeof note, "offers slots and tokens: entries %02X", entries);
    env_trace_note(s->env, TRACE_NOTE, note);
}

static enum err store_ended(struct spaak *s, const struct vehicle_step *step)
{
    bool ends = manage_put_ended(s, step->key, KEY_BY_DEVICE);
    keys_put_statement(s, step->key, step->statement);
    enum err e = keys_store(s, step->key);
    if (!e && ends)
        manage_trace_ended(s, KEY_BY_DEVICE);
    return e;
}

static enum err commit(struct spaak *s, const struct vehicle_step *step)
{
    switch (step->what) {
    case VEHICLE_STORE_ATTEMPT:
        return verifiers_begin_attempt(s);
    case VEHICLE_STORE_KEY:
        return keys_store_new(s, step->key);
    case VEHICLE_STORE_ACTIVE:
        return store_active(s, step->key);
    case VEHICLE_STORE_OFFER:
        trace_offer(s, step->entries);
        slots_put_used(s, MAILBOX_SLOTS);
        return keys_store(s, step->key);
    case VEHICLE_STORE_TERMINATION:
        return store_ended(s, step);
    default:
        keys_put_statement(s, step->key, step->statement);
        return keys_store(s, step->key);
    }
}

static struct vehicle_step store(struct spaak *s, struct session *n, const struct vehicle_step *step)
{
    enum vehicle_do what = step->what;
    enum err e = commit(s, step);
    if (e)
        return store_failed(n, e);
    n->stored |= what == VEHICLE_STORE_KEY;
    return what == VEHICLE_STORE_ATTEMPT
               ? vehicle_pairing_counted(&n->protocol.pairing, verifiers_attempts(s))
               : proceed(n);
}

/* ---- the end ---- */

static const struct vehicle_key *whose(const struct session *n)
{
    if (n->kind == SESSION_FINISH)
        return n->finish_config.transaction.keys;
    return n->kind == SESSION_TRANSACTION ? n->protocol.transaction.key : NULL;
}

void session_drop(struct spaak *s, enum spaak_place place)
{
    struct session *n = session_at(s, place);
    if (!n)
        return;
    wipe(n);
    p256_free(n->vehicle_key);
    OPENSSL_cleanse(n, sizeof *n);
    free(n);
    s->readers[place].session = NULL;
}

static void end(struct spaak *s, enum spaak_place place, const struct vehicle_step *step)
{
    struct session *n = session_at(s, place);
    struct session_end out = {.kind = n->kind, .phase = n->phase, .what = step->what, .reason = step->reason};
    const struct vehicle_key *k = whose(n);
    bool pairing = n->of_pairing;
    out.stored = n->stored;
    out.lacks_slots = n->lacks_slots;
    out.has_key = k != NULL;
    if (n->kind == SESSION_PAIRING && n->stored) {
        out.has_key = true;
        memcpy(out.key_id, n->protocol.pairing.result.key_id, ENDPOINT_KEY_ID);
    }
    if (k)
        memcpy(out.key_id, k->key_id, ENDPOINT_KEY_ID);
    if (n->kind == SESSION_FINISH)
        out.learnt = n->protocol.finish.learnt;
    if (step->fault)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, step->reason, 0, step->fault);
    session_drop(s, place);
    keys_claim(s);
    if (pairing)
        pairing_on_session(s, &out);
    else
        unlock_on_session(s, place, &out);
}

/* ---- steps ---- */

/* What a state that was just entered means in the words of the use cases. */
static const struct milestone {
    int state;
    const char *step, *what;
} pairing_milestones[] =
    {
        {VP_REQUESTING, "OP-03/2", "versions are agreed"},
        /* VERIFY, whose attempt was counted: verifiers_begin_attempt has OP-03/3 */
        {VP_WRITING, "OP-03/4", "SPAKE2+ has passed: writes the key creation data"},
        {VP_RESETTING, "OP-03/5", "the device makes the key"},
        {VP_STORING, "OP-03/6", "the device's certificates are good"},
        {VP_ATTESTING, "OP-03/7", "attests the key"},
        {VP_ACCEPTING, "OP-03/8", "accepts the key: OP CONTROL FLOW"},
        {.step = NULL},
},
  phase_3_milestones[] =
      {
          {VF_STORING_OFFER, "OP-04/3", "standard transaction: the key has proved itself"},
          {VF_ENDING, "OP-04/4", "slots and token are written: OP CONTROL FLOW"},
          {.step = NULL},
},
  phase_4_milestones[] = {
      {VF_READING_BITS, "OP-05/3", "standard transaction: the key has proved itself"},
      {VF_READING_STATEMENT, "OP-05/4", "the bit is set: a statement is there"},
      {VF_STORING_STATEMENT, "OP-05/5", "the key tracking receipt is good"},
      {.step = NULL},
};

static int state_of(const struct session *n)
{
    if (n->kind == SESSION_CARD)
        return (int)n->protocol.card.state;
    return n->kind == SESSION_PAIRING ? (int)n->protocol.pairing.state : (int)n->protocol.finish.state;
}

static void trace_progress(struct spaak *s, struct session *n)
{
    const struct milestone *m = NULL;
    int state = state_of(n);
    if (state == n->traced || n->kind == SESSION_TRANSACTION)
        return;
    n->traced = state;
    if (n->kind == SESSION_CARD) {
        card_session_progress(s, n);
        return;
    }
    if (n->kind == SESSION_PAIRING && state == VP_REQUESTING)
        pairing_notify(s, CABIN_PAIRING);
    if (n->kind == SESSION_PAIRING)
        m = pairing_milestones;
    else if (n->phase == VEHICLE_PHASE_3)
        m = phase_3_milestones;
    else if (n->phase == VEHICLE_PHASE_4)
        m = phase_4_milestones;
    for (; m && m->step; m++)
        if (m->state == state)
            env_trace_step(s->env, m->step, m->what);
}

static void send(struct spaak *s, enum spaak_place place, struct span apdu)
{
    struct session *n = session_at(s, place);
    assert(apdu.len <= sizeof n->sent);
    memcpy(n->sent, apdu.p, apdu.len);
    n->sent_len = apdu.len;
    readers_send(s, place, apdu);
}

void session_repeat(struct spaak *s, enum spaak_place place)
{
    struct session *n = session_at(s, place);
    if (n)
        readers_send_again(s, place, span_of(n->sent, n->sent_len));
}

static bool is_select(struct span apdu)
{
    return apdu.len > 1 && apdu.p[1] == 0xA4;
}

/* Doors and engine have their command; then, while the device is still here: has it handed out slots? */
static struct vehicle_step open_for(struct spaak *s, enum spaak_place place, struct session *n)
{
    struct vehicle_transaction *t = &n->protocol.transaction;
    uint8_t plain[16];
    struct wr w = wr_of(plain, sizeof plain);
    enum err e = unlock_authenticated(s, place, t, n->heard_us);
    if (e)
        return vehicle_transaction_fail(t, e);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_read(&w, MAILBOX_PRIVATE, t->key->map.slot_bitmap, 1);
    return w.failed ? vehicle_transaction_fail(t, ERR_NO_SPACE)
                    : vehicle_transaction_exchange(t, span_of(plain, w.len));
}

static struct vehicle_step take_slots(struct session *n)
{
    struct vehicle_transaction *t = &n->protocol.transaction;
    if (t->len != 1)
        return vehicle_transaction_fail(t, ERR_DK_ANSWER);
    n->lacks_slots = t->data[0] != ALL_SLOTS;
    return vehicle_transaction_end(t, 0x01, 0x00);
}

static void drive(struct spaak *s, enum spaak_place place, struct vehicle_step step)
{
    struct session *n = session_at(s, place);
    while (!vehicle_step_over(&step)) {
        trace_progress(s, n);
        if (step.what == VEHICLE_SEND) {
            if (is_select(step.apdu))
                readers_poll(s, place, step.apdu, n->gap_ms);
            else
                send(s, place, step.apdu);
            return;
        }
        if (step.what == VEHICLE_POLL || step.what == VEHICLE_RESET_LINK) {
            n->gap_ms = step.what == VEHICLE_POLL ? POLL_MS : n->over_radio ? 0 : RESET_MS;
            n->heard = n->protocol.pairing.state != VP_SELECTING;
            step = proceed(n);
        } else if (step.what == VEHICLE_OPEN) {
            step = open_for(s, place, n);
        } else if (step.what == VEHICLE_DATA) {
            step = take_slots(n);
        } else {
            step = store(s, n, &step);
        }
    }
    end(s, place, &step);
}

/* ---- an end that comes from outside ---- */

static void closed(struct spaak *s, enum spaak_place place)
{
    session_drop(s, place);
    readers_off(s, place);
    unlock_look(s);
}

/* A card takes one command at a time: the abort goes when the last answer is here. */
static void close_on_answer(struct spaak *s, enum spaak_place place)
{
    struct session *n = session_at(s, place);
    struct vehicle_pairing *v = &n->protocol.pairing;
    struct vehicle_step last = {.what = VEHICLE_FAILED};
    if (v->state != VP_ABORTING)
        last = n->closes == ERR_DK_TIMEOUT ? vehicle_pairing_timeout(v)
                                           : vehicle_pairing_abort(v, APDU_ABORT_NO_REASON, n->closes);
    if (last.what == VEHICLE_SEND)
        send(s, place, last.apdu);
    else
        closed(s, place);
}

/* ---- from the reader ---- */

void session_on_answer(struct spaak *s, enum spaak_place place, struct span response)
{
    struct session *n = session_at(s, place);
    if (!n)
        return;
    if (n->absent && !n->closing)
        cabin_notify(s, CABIN_PAIRING, ERR_OK);
    n->absent = false;
    if (n->closing) {
        close_on_answer(s, place);
        return;
    }
    if (!n->heard)
        n->heard_us = env_now_us(s->env);
    n->heard = true;
    session_set_time(n, env_wall_ms(s->env) / 1000);
    drive(s, place, input(n, response));
}

/* Who waits for a phone to come, or to come back, has lost nothing. */
void session_on_lost(struct spaak *s, enum spaak_place place, enum err reason)
{
    struct session *n = session_at(s, place);
    if (!n || s->readers[place].awaits)
        return;
    if (n->closing) {
        closed(s, place);
        return;
    }
    env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, reason, 0, spaak_place_name(place));
    drive(s, place, lost(n));
}

void session_on_absent(struct spaak *s, enum spaak_place place)
{
    struct session *n = session_at(s, place);
    if (!n || !n->heard || n->absent)
        return;
    n->absent = true;
    if (n->closing)
        closed(s, place); /* it cannot be told */
    else if (n->kind == SESSION_PAIRING)
        cabin_notify(s, CABIN_PUT_PHONE, ERR_OK);
}

bool session_abort(struct spaak *s, enum spaak_place place, enum err reason)
{
    struct session *n = session_at(s, place);
    bool talks = n && n->kind == SESSION_PAIRING && n->heard && !n->closing && !n->absent;
    if (!talks) {
        session_drop(s, place);
        return false;
    }
    n->closing = true;
    n->closes = reason;
    return true;
}

void session_start(struct spaak *s, enum spaak_place place, struct session *n, struct vehicle_step first)
{
    assert(!session_at(s, place));
    s->readers[place].session = n;
    drive(s, place, first);
}
