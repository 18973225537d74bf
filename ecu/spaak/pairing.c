/* Owner pairing: phase 1 from the head unit's wish to the field of the pad (OP-02), then which session comes
 * next: phase 2 (OP-03), phase 3 (OP-04), phase 4 until the key is tracked (OP-05).
 *
 * That a pairing is on lies in the store: a restart goes on, with times that begin anew. What was stored of a
 * key decides where: a pending one is tried with phase 3 first (docs/ccc.md). */
#include <string.h>

#include "ecu/spaak/pairing.h"

#define PHASE_3_TRIES 3
#define AGAIN_MS      1000 /* field off after a phone that failed */
#define NEXT_MS       100  /* between two sessions with the same phone */

static struct pairing *pairing(struct spaak *s)
{
    return &s->pairing;
}

bool pairing_is_on(const struct spaak *s)
{
    return s->pairing.state != PAIRING_OFF && s->pairing.state != PAIRING_PHASE_4;
}

static void enter(struct spaak *s, enum pairing_state state)
{
    static const char *const names[PAIRING_STATES] = {
        [PAIRING_OFF] = "pairing mode left",
        [PAIRING_WAITS_VERIFIERS] = "pairing waits for verifiers",
        [PAIRING_PHASE_2] = "pairing mode: waits for a phone on the pad",
        [PAIRING_PHASE_3] = "pairing: the key is there, and is tried",
        [PAIRING_PHASE_4] = "paired: waits for the key tracking receipt"};
    if (pairing(s)->state != state)
        env_trace_state(s->env, names[state]);
    pairing(s)->state = state;
}

static enum err store_on(struct spaak *s, bool on)
{
    if (on)
        env_store_put(s->env, SPAAK_PAIRING_ON, span_of("\1", 1));
    else
        env_store_delete(s->env, SPAAK_PAIRING_ON);
    return env_store_commit(s->env);
}

static uint64_t mode_us(struct spaak *s)
{
    uint8_t stored[2];
    size_t len;
    if (env_store_get(s->env, SPAAK_PAIRING_TIMEOUT, stored, sizeof stored, &len) || len != sizeof stored)
        return s->pairing_mode_us;
    return (uint64_t)(stored[0] << 8 | stored[1]) * 1000000;
}

static void leave(struct spaak *s, enum cabin_notice what, enum err reason)
{
    for (unsigned t = SPAAK_TIMER_PAIRING_MODE; t <= SPAAK_TIMER_NEXT_PHASE; t++)
        env_timer_set(s->env, t, ENV_NEVER);
    session_abort(s, SPAAK_PAD, reason);
    readers_off(s, SPAAK_PAD);
    enter(s, PAIRING_OFF);
    struct vehicle_key *pending = keys_in_state(s, VEHICLE_KEY_PENDING);
    enum err e = pending ? keys_delete(s, pending) : ERR_OK;
    if (!e)
        e = store_on(s, false);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "the end of pairing was not stored");
    cabin_notify(s, what, reason);
    unlock_look(s);
}

/* ---- phase 1 ---- */

static void ask_phone(struct spaak *s, unsigned gap_ms)
{
    struct vehicle_key *pending = keys_in_state(s, VEHICLE_KEY_PENDING);
    enum err e;
    if (pending && pairing(s)->tries < PHASE_3_TRIES) {
        enter(s, PAIRING_PHASE_3);
        e = session_begin_finish(s, SPAAK_PAD, VEHICLE_PHASE_3, pending, gap_ms);
    } else {
        enter(s, PAIRING_PHASE_2);
        e = session_begin_pairing(s, SPAAK_PAD, gap_ms);
    }
    if (e)
        leave(s, CABIN_FAILED, e);
}

/* OP-02/5 to 7 */
static void enter_pairing_mode(struct spaak *s)
{
    env_trace_step(s->env, "OP-02/5", "asks the user to open the link in the phone");
    cabin_notify(s, CABIN_CLICK_LINK, ERR_OK);
    env_trace_step(s->env, "OP-02/6", "pairing mode: the pad looks for a phone");
    env_timer_in(s->env, SPAAK_TIMER_PAIRING_MODE, mode_us(s));
    env_trace_step(s->env, "OP-02/7", "the time for owner pairing runs");
    env_timer_in(s->env, SPAAK_TIMER_OWNER_PAIRING, s->owner_pairing_us);
    ask_phone(s, 0);
}

static enum err check_start(struct spaak *s)
{
    uint8_t id[TRANSACTION_VEHICLE_ID];
    if (!s->finished)
        return ERR_PLANT_OPEN;
    if (vehicle_identity_id(s, id))
        return ERR_IDENTITY_MISSING;
    if (keys_owner(s))
        return ERR_OWNER_KEY_HELD;
    return keys_have_room(s) ? ERR_OK : ERR_NO_SPACE;
}

static void begin(struct spaak *s)
{
    pairing(s)->tries = 0;
    for (unsigned i = 0; i < SPAAK_PLACES; i++)
        session_abort(s, (enum spaak_place)i, ERR_BUSY);
    readers_off(s, SPAAK_DOOR);
    enum err e = verifiers_start_pairing_mode(s); /* OP-02/4 */
    if (e) {
        leave(s, CABIN_FAILED, e);
    } else if (verifiers_are_stored(s)) {
        enter_pairing_mode(s);
    } else {
        enter(s, PAIRING_WAITS_VERIFIERS);
        env_timer_in(s->env, SPAAK_TIMER_PAIRING_MODE, mode_us(s));
        cabin_notify(s, CABIN_NO_VERIFIERS, ERR_OK);
    }
}

void pairing_start(struct spaak *s)
{
    if (pairing_is_on(s))
        return; /* pressed twice */
    enum err e = check_start(s);
    if (!e)
        e = cabin_check_user(s);
    if (!e)
        e = store_on(s, true);
    if (!e) {
        begin(s);
        return;
    }
    env_trace_reason(s->env, TRACE_REJECT, NULL, "PhoneKey_Req", e, 0, NULL);
    cabin_notify(s, e == ERR_FOB_AWAY ? CABIN_KEY_NEEDED : CABIN_FAILED, e);
}

void pairing_cancel(struct spaak *s)
{
    if (pairing_is_on(s))
        leave(s, CABIN_CANCELLED, ERR_USER_CANCELLED);
}

void pairing_on_verifiers(struct spaak *s)
{
    if (pairing(s)->state == PAIRING_WAITS_VERIFIERS && verifiers_are_stored(s))
        enter_pairing_mode(s);
}

/* ---- phases 2 to 4 ---- */

static void begin_phase_4(struct spaak *s)
{
    struct vehicle_key *k = keys_owner(s);
    if (!k || env_now_us(s->env) >= pairing(s)->until_us) {
        leave(s, CABIN_PAIRED, ERR_OK);
        return;
    }
    enum err e = session_begin_finish(s, SPAAK_PAD, VEHICLE_PHASE_4, k, NEXT_MS);
    if (e)
        leave(s, CABIN_FAILED, e);
}

/* OP-04/6, 7: owner pairing is complete */
static void succeed(struct spaak *s)
{
    env_timer_set(s->env, SPAAK_TIMER_PAIRING_MODE, ENV_NEVER);
    env_timer_set(s->env, SPAAK_TIMER_OWNER_PAIRING, ENV_NEVER);
    enter(s, PAIRING_PHASE_4);
    env_trace_step(s->env, "OP-04/6", "tells the head unit");
    cabin_notify(s, CABIN_PAIRED, ERR_OK);
    if (store_on(s, false) == ERR_OK)
        pass_report_begin(s);
    verifiers_go_on(s); /* the set has served */
    pairing(s)->until_us = env_now_us(s->env) + s->kts_us;
    readers_off(s, SPAAK_PAD);
    env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, s->kts_loop_us);
    unlock_look(s);
}

/* A key that was active when the last life ended has passed: the user was not told. */
void pairing_init(struct spaak *s)
{
    uint8_t flag;
    size_t len;
    if (env_store_get(s->env, SPAAK_PAIRING_ON, &flag, sizeof flag, &len))
        return;
    if (s->finished && keys_owner(s))
        succeed(s);
    else if (!check_start(s))
        begin(s);
}

/* The set may be used up by now: PP-03, and another pairing. */
static void phase_2_failed(struct spaak *s, const struct session_end *end)
{
    enum err e = verifiers_end_attempt(s, false);
    if (!verifiers_are_stored(s)) {
        leave(s, CABIN_FAILED, e ? e : ERR_DK_ATTEMPTS);
        return;
    }
    cabin_notify(s, CABIN_FAILED, end->reason);
    ask_phone(s, end->reason == ERR_DK_LINK_LOST ? 0 : AGAIN_MS);
}

static void on_phase_2(struct spaak *s, const struct session_end *end)
{
    if (end->what == VEHICLE_DONE)
        cabin_notify(s, CABIN_LEAVE_PHONE, ERR_OK);
    if (end->what == VEHICLE_DONE || end->stored)
        ask_phone(s, NEXT_MS);
    else
        phase_2_failed(s, end);
}

/* A phone that did not hear that its key was accepted refuses it: begin again. */
static void on_phase_3(struct spaak *s, const struct session_end *end)
{
    if (end->what == VEHICLE_DONE || keys_owner(s)) { /* active, also when the phone left before the end */
        succeed(s);
        return;
    }
    pairing(s)->tries += end->reason != ERR_DK_LINK_LOST;
    if (end->reason == ERR_DK_STATUS)
        pairing(s)->tries = PHASE_3_TRIES;
    cabin_notify(s, CABIN_LEAVE_PHONE, ERR_OK);
    ask_phone(s, end->reason == ERR_DK_LINK_LOST ? 0 : NEXT_MS);
}

static void on_phase_4(struct spaak *s, const struct session_end *end)
{
    if (end->learnt == VEHICLE_LEARNT_RECEIPT) {
        env_trace_step(s->env, "OP-05/6", "the key is tracked");
        leave(s, CABIN_PAIRED, ERR_OK);
        return;
    }
    if (end->what == VEHICLE_FAILED && end->reason != ERR_DK_LINK_LOST)
        env_trace_reason(s->env, TRACE_REJECT, "OP-05/5", NULL, end->reason, 0, "no receipt");
    readers_off(s, SPAAK_PAD);
    env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, s->kts_loop_us);
}

void pairing_on_session(struct spaak *s, const struct session_end *end)
{
    switch (pairing(s)->state) {
    case PAIRING_PHASE_2:
        on_phase_2(s, end);
        break;
    case PAIRING_PHASE_3:
        on_phase_3(s, end);
        break;
    case PAIRING_PHASE_4:
        on_phase_4(s, end);
        break;
    default:
        break;
    }
}

void pairing_retired(struct spaak *s)
{
    bool on = s->pairing.state != PAIRING_OFF;
    for (unsigned i = 0; i < SPAAK_PLACES; i++) {
        session_abort(s, (enum spaak_place)i, ERR_IDENTITY_MISSING);
        readers_off(s, (enum spaak_place)i);
    }
    keys_retire(s);
    if (on)
        leave(s, CABIN_FAILED, ERR_IDENTITY_MISSING);
}

void pairing_on_timer(struct spaak *s, unsigned timer)
{
    if (timer == SPAAK_TIMER_NEXT_PHASE) {
        if (pairing(s)->state == PAIRING_PHASE_4)
            begin_phase_4(s);
    } else if (pairing_is_on(s)) {
        leave(s, CABIN_TIME_OVER, ERR_DK_TIMEOUT);
    }
}
