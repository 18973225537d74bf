/* Owner pairing: phase 1 from the head unit's wish to the field of the pad (OP-02), and who is looked for
 * with which session. What a session leads to: pairing_phases.c.
 *
 * That a pairing is on lies in the store: a restart goes on, with times that begin anew. What was stored of a
 * key decides where: a pending one is tried with phase 3 first (docs/ccc.md). */
#include <string.h>

#include "ecu/spaak/pairing_parts.h"

#define RESUME_MS 100  /* after a start, until the bus carries */
#define TURN_MS   3000 /* a phone may know of its pending key, or not: asked for in turn */
#define RESTARTS  3    /* so often a pairing goes on after a start: its times begin anew each time */

static struct pairing *pairing(struct spaak *s)
{
    return &s->pairing;
}

bool pairing_is_on(const struct spaak *s)
{
    return s->pairing.state != PAIRING_OFF && s->pairing.state != PAIRING_PHASE_4;
}

void pairing_enter(struct spaak *s, enum pairing_state state)
{
    static const char *const names[PAIRING_STATES] = {
        [PAIRING_OFF] = "pairing mode left",
        [PAIRING_WAITS_CARD] = "pairing waits for a card key on the pad",
        [PAIRING_WAITS_VERIFIERS] = "pairing waits for verifiers",
        [PAIRING_PHASE_2] = "pairing mode: waits for a phone",
        [PAIRING_PHASE_3] = "pairing: the key is there, and is tried",
        [PAIRING_PHASE_4] = "paired: waits for the key tracking receipt"};
    if (pairing(s)->state != state)
        env_trace_state(s->env, names[state]);
    pairing(s)->state = state;
}

static bool is_stored_on(struct spaak *s)
{
    uint8_t flag;
    size_t len;
    return env_store_get(s->env, SPAAK_PAIRING_ON, &flag, sizeof flag, &len) == ERR_OK;
}

/* One that goes on keeps the count of its restarts; a card that is refused stores nothing. */
static enum err store_on(struct spaak *s, bool on)
{
    if (on == is_stored_on(s))
        return ERR_OK;
    if (on)
        env_store_put(s->env, SPAAK_PAIRING_ON, span_of("\0", 1));
    else
        env_store_delete(s->env, SPAAK_PAIRING_ON);
    return env_store_commit(s->env);
}

static enum err count_restart(struct spaak *s)
{
    uint8_t restarts = RESTARTS;
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_PAIRING_ON, &restarts, sizeof restarts, &len);
    if (e)
        return e;
    if (restarts++ >= RESTARTS)
        return ERR_PAIRING_RESTARTS;
    e = env_store_put(s->env, SPAAK_PAIRING_ON, span_of(&restarts, 1));
    return e ? e : env_store_commit(s->env);
}

static uint64_t mode_us(struct spaak *s)
{
    uint8_t stored[2];
    size_t len;
    if (env_store_get(s->env, SPAAK_PAIRING_TIMEOUT, stored, sizeof stored, &len) || len != sizeof stored)
        return s->pairing_mode_us;
    return (uint64_t)(stored[0] << 8 | stored[1]) * 1000000;
}

static void quit(struct spaak *s, enum err reason)
{
    for (unsigned t = SPAAK_TIMER_PAIRING_MODE; t <= SPAAK_TIMER_NEXT_PHASE; t++)
        env_timer_set(s->env, t, ENV_NEVER);
    const enum spaak_place place = pairing(s)->place;
    user_forget(s);
    pairing(s)->place = SPAAK_PAD;
    if (!session_abort(s, place, reason))
        readers_off(s, place);
    pairing_enter(s, PAIRING_OFF);
    struct vehicle_key *pending = keys_in_state(s, VEHICLE_KEY_PENDING);
    enum err e = pending ? keys_delete(s, pending) : ERR_OK;
    if (!e)
        e = store_on(s, false);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "the end of pairing was not stored");
}

void pairing_leave(struct spaak *s, enum cabin_notice what, enum err reason)
{
    s->deletion.on = false;
    quit(s, reason);
    cabin_notify(s, what, reason);
    unlock_look(s);
}

/* ---- phase 1 ---- */

/* A reader polls for one application: the applet answers once the phone has heard that its key was accepted,
 * the framework before. */
static void look_for(struct spaak *s, bool turned, unsigned gap_ms)
{
    struct vehicle_key *pending = keys_in_state(s, VEHICLE_KEY_PENDING);
    enum err e;
    if (pairing(s)->tries >= PAIRING_PHASE_3_TRIES)
        pending = NULL;
    pairing(s)->turned = turned;
    env_timer_set(s->env, SPAAK_TIMER_NEXT_PHASE,
                  pending ? env_now_us(s->env) + (TURN_MS + gap_ms) * 1000ull : ENV_NEVER);
    if (pending && !turned) {
        pairing_enter(s, PAIRING_PHASE_3);
        e = session_begin_finish(s, pairing(s)->place, VEHICLE_PHASE_3, pending, gap_ms, true);
    } else {
        pairing_enter(s, PAIRING_PHASE_2);
        e = session_begin_pairing(s, pairing(s)->place, gap_ms);
    }
    if (e)
        pairing_leave(s, CABIN_FAILED, e);
    else
        radio_look(s); /* the first pairing has drawn who it is on the air */
}

void pairing_ask_phone(struct spaak *s, unsigned gap_ms)
{
    if (!pairing_air_goes_on(s) && !pairing_air_finds(s))
        look_for(s, false, gap_ms);
}

void pairing_at_pad(struct spaak *s)
{
    look_for(s, false, 0);
}

static void turn(struct spaak *s)
{
    if (session_is_heard(s, SPAAK_PAD)) {
        env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, TURN_MS * 1000);
        return;
    }
    session_drop(s, SPAAK_PAD);
    look_for(s, !pairing(s)->turned, 0);
}

/* OP-02/5 to 7 */
static void enter_pairing_mode(struct spaak *s)
{
    env_trace_step(s->env, "OP-02/5", "asks the user to open the link in the phone");
    cabin_notify(s, pairing(s)->by_card ? CABIN_TAKE_CARD : CABIN_CLICK_LINK, ERR_OK);
    env_trace_step(s->env, "OP-02/6", "pairing mode: the pad looks for a phone");
    env_timer_in(s->env, SPAAK_TIMER_PAIRING_MODE, mode_us(s));
    env_trace_step(s->env, "OP-02/7", "the time for owner pairing runs");
    env_timer_in(s->env, SPAAK_TIMER_OWNER_PAIRING, s->owner_pairing_us);
    pairing_ask_phone(s, 0);
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

static void free_readers(struct spaak *s)
{
    env_timer_set(s->env, SPAAK_TIMER_NEXT_PHASE, ENV_NEVER);
    for (unsigned i = 0; i < SPAAK_PLACES; i++)
        session_drop(s, (enum spaak_place)i); /* POLL and OFF end what was under way */
    readers_off(s, SPAAK_DOOR);
}

static void begin(struct spaak *s)
{
    pairing(s)->tries = 0;
    pairing(s)->place = SPAAK_PAD;
    user_forget(s);
    free_readers(s);
    enum err e = verifiers_start_pairing_mode(s); /* OP-02/4 */
    if (e) {
        pairing_leave(s, CABIN_FAILED, e);
    } else if (verifiers_are_stored(s)) {
        enter_pairing_mode(s);
    } else {
        pairing_enter(s, PAIRING_WAITS_VERIFIERS);
        env_timer_in(s->env, SPAAK_TIMER_PAIRING_MODE, mode_us(s));
        cabin_notify(s, CABIN_NO_VERIFIERS, ERR_OK);
    }
}

/* Pressed twice: says where it stands. */
static void tell_again(struct spaak *s)
{
    static const enum cabin_notice what[PAIRING_STATES] = {[PAIRING_WAITS_CARD] = CABIN_KEY_NEEDED,
                                                           [PAIRING_WAITS_VERIFIERS] = CABIN_NO_VERIFIERS,
                                                           [PAIRING_PHASE_2] = CABIN_CLICK_LINK,
                                                           [PAIRING_PHASE_3] = CABIN_LEAVE_PHONE};
    bool pairs = pairing(s)->state == PAIRING_PHASE_2 && session_is_heard(s, pairing(s)->place);
    pairing_notify(s, pairs ? CABIN_PAIRING : what[pairing(s)->state]);
}

static void refuse_start(struct spaak *s, enum err e)
{
    env_trace_reason(s->env, TRACE_REJECT, NULL, "PhoneKey_Req", e, 0, NULL);
    cabin_notify(s, CABIN_FAILED, e);
}

void pairing_admit(struct spaak *s, bool by_card)
{
    if (s->deletion.on) {
        quit(s, ERR_OK);
        deletion_admit(s);
        unlock_look(s);
        return;
    }
    enum err e = store_on(s, true);
    pairing(s)->by_card = by_card;
    if (!e) {
        begin(s);
        return;
    }
    env_trace_reason(s->env, TRACE_FAIL, NULL, "PhoneKey_Req", e, 0, "the pairing was not stored");
    pairing_leave(s, CABIN_FAILED, e);
}

void pairing_refuse(struct spaak *s, enum err reason)
{
    pairing_leave(s, CABIN_FAILED, reason);
}

/* What was on, and was to go on after a start, ends: nobody is known to have a key now. */
enum err pairing_wait_for_card(struct spaak *s)
{
    enum err e = store_on(s, false);
    if (e)
        return e;
    free_readers(s);
    pairing_enter(s, PAIRING_WAITS_CARD);
    card_begin(s);
    return ERR_OK;
}

void pairing_start(struct spaak *s)
{
    if (pairing_is_on(s)) {
        tell_again(s);
        return;
    }
    enum err e = s->deletion.on ? ERR_BUSY : check_start(s);
    if (e)
        refuse_start(s, e);
    else
        user_ask(s);
}

/* Others may have come between question and answer. */
void pairing_on_user(struct spaak *s, enum err e)
{
    if (pairing(s)->state == PAIRING_WAITS_CARD) {
        card_on_user(s, e);
        return;
    }
    if (s->deletion.on) {
        deletion_on_user(s, e);
        return;
    }
    enum err start = e && e != ERR_FOB_AWAY ? e : check_start(s);
    if (!start && !e) {
        pairing_admit(s, false);
        return;
    }
    if (!start)
        start = pairing_wait_for_card(s);
    if (start && is_stored_on(s))
        pairing_leave(s, CABIN_FAILED, start);
    else if (start)
        refuse_start(s, start);
}

void pairing_cancel(struct spaak *s)
{
    bool deletes = s->deletion.on;
    user_forget(s);
    s->deletion.on = false;
    if (pairing_is_on(s) || is_stored_on(s))
        pairing_leave(s, CABIN_CANCELLED, ERR_USER_CANCELLED);
    else /* nothing is there to cancel, and a key stays */
        cabin_notify(s, pairing(s)->state == PAIRING_PHASE_4 && !deletes ? CABIN_PAIRED : CABIN_CANCELLED,
                     ERR_OK);
}

void pairing_on_verifiers(struct spaak *s)
{
    if (pairing(s)->state == PAIRING_WAITS_VERIFIERS && verifiers_are_stored(s))
        enter_pairing_mode(s);
}

void pairing_init(struct spaak *s)
{
    if (is_stored_on(s))
        env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, RESUME_MS * 1000);
}

/* Whoever was admitted may have gone since: as at the beginning, pairing_on_user has the answer. */
static void resume(struct spaak *s)
{
    enum err e = count_restart(s);
    if (!e)
        e = check_start(s);
    if (e)
        pairing_leave(s, CABIN_FAILED, e);
    else
        user_ask(s);
}

/* ---- the end of the identity, time ---- */

void pairing_retired(struct spaak *s)
{
    bool on = s->pairing.state != PAIRING_OFF || s->cabin.asked;
    user_forget(s);
    for (unsigned i = 0; i < SPAAK_PLACES; i++)
        if (!session_abort(s, (enum spaak_place)i, ERR_IDENTITY_MISSING))
            readers_off(s, (enum spaak_place)i);
    for (unsigned i = SPAAK_AIR; i < SPAAK_ALL_PLACES; i++)
        session_drop(s, (enum spaak_place)i);
    radio_stop(s); /* its links look at the keys */
    keys_retire(s);
    if (on)
        pairing_leave(s, CABIN_FAILED, ERR_IDENTITY_MISSING);
}

void pairing_on_timer(struct spaak *s, unsigned timer)
{
    if (timer == SPAAK_TIMER_NEXT_PHASE) {
        if (pairing(s)->state == PAIRING_PHASE_4)
            pairing_phase_4(s);
        else if (pairing_is_on(s))
            turn(s);
        else
            resume(s);
    } else if (pairing_is_on(s)) {
        pairing_leave(s, CABIN_TIME_OVER, ERR_DK_TIMEOUT);
    }
}
