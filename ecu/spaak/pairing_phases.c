/* Owner pairing: what comes of a session, and which one is next: phase 2 (OP-03), phase 3 (OP-04), phase 4
 * until the key is tracked (OP-05). */
#include "ecu/spaak/pairing_parts.h"

#define AGAIN_MS  1000 /* field off after a phone that failed */
#define RETYPE_MS 5000 /* the same after a wrong password: time to type another */
#define NEXT_MS   100  /* between two sessions with the same phone */

/* Tveh-loop is doubled so often while the same phone has no receipt: its server may be far away. */
#define LOOP_DOUBLED 4

/* The head unit was told at OP-04/6, and shows something else by now. */
static void end_phase_4(struct spaak *s)
{
    env_timer_set(s->env, SPAAK_TIMER_NEXT_PHASE, ENV_NEVER);
    if (session_is_of_pairing(s, s->pairing.place)) {
        session_drop(s, s->pairing.place);
        readers_off(s, s->pairing.place);
    }
    pairing_enter(s, PAIRING_OFF);
    unlock_look(s);
}

/* Until the key is tracked, or the time for it over. Who else is asked for at the pad goes before. */
void pairing_phase_4(struct spaak *s)
{
    struct vehicle_key *k = keys_owner(s);
    pairing_air_settle(s);
    bool others = s->readers[s->pairing.place].session && !session_is_of_pairing(s, s->pairing.place);
    if (!k || k->tracked || env_now_us(s->env) >= s->pairing.until_us) {
        end_phase_4(s);
        return;
    }
    if (others || session_is_heard(s, s->pairing.place) || pairing_air_waits(s)) {
        env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, s->kts_loop_us);
        return;
    }
    session_drop(s, s->pairing.place);
    env_timer_set(s->env, SPAAK_TIMER_NEXT_PHASE, s->pairing.until_us); /* a phone may not come back */
    enum err e = session_begin_finish(s, s->pairing.place, VEHICLE_PHASE_4, k, NEXT_MS, true);
    if (!e)
        return;
    env_trace_reason(s->env, TRACE_FAIL, "OP-05/3", NULL, e, 0, "nobody can be asked for a receipt");
    end_phase_4(s);
}

/* OP-05/3: until the next transaction. A phone that was away may have fetched it meanwhile. */
static void loop(struct spaak *s, const struct session_end *end)
{
    unsigned *in_vain = &s->pairing.in_vain;
    if (end->reason == ERR_DK_LINK_LOST)
        *in_vain = 0;
    const uint64_t next_us = env_now_us(s->env) + (s->kts_loop_us << *in_vain);
    env_timer_set(s->env, SPAAK_TIMER_NEXT_PHASE,
                  next_us < s->pairing.until_us ? next_us : s->pairing.until_us);
    *in_vain += *in_vain < LOOP_DOUBLED;
}

void pairing_yield(struct spaak *s)
{
    if (s->pairing.state != PAIRING_PHASE_4 || !session_is_of_pairing(s, s->pairing.place) ||
        session_is_heard(s, s->pairing.place))
        return;
    session_drop(s, s->pairing.place);
    s->pairing.in_vain = 0;
    env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, s->kts_loop_us);
}

void pairing_on_key_ended(struct spaak *s)
{
    if (s->pairing.state == PAIRING_PHASE_4 && !keys_owner(s) && !session_is_heard(s, s->pairing.place))
        end_phase_4(s);
}

/* OP-04/6, 7: owner pairing is complete */
static void succeed(struct spaak *s)
{
    env_timer_set(s->env, SPAAK_TIMER_PAIRING_MODE, ENV_NEVER);
    env_timer_set(s->env, SPAAK_TIMER_OWNER_PAIRING, ENV_NEVER);
    pairing_enter(s, PAIRING_PHASE_4);
    env_trace_step(s->env, "OP-04/6", "tells the head unit");
    cabin_notify(s, CABIN_PAIRED, ERR_OK);
    pass_report_begin(s);
    verifiers_go_on(s); /* the set has served */
    s->pairing.until_us = env_now_us(s->env) + s->kts_us;
    s->pairing.in_vain = 0;
    readers_off(s, s->pairing.place);
    env_timer_in(s->env, SPAAK_TIMER_NEXT_PHASE, s->kts_loop_us);
    unlock_look(s);
}

static unsigned gap_after(enum err reason)
{
    if (reason == ERR_DK_LINK_LOST)
        return 0;
    return reason == ERR_DK_EVIDENCE ? RETYPE_MS : AGAIN_MS;
}

/* What the head unit shows for a moment stays in the trace; a phone that was taken away is no failure. */
static void trace_failure(struct spaak *s, const struct session_end *end, const char *phase)
{
    if (end->what == VEHICLE_FAILED && end->reason != ERR_DK_LINK_LOST)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, end->reason, 0, phase);
}

/* The set may be used up by now: PP-03, and another pairing. */
static void phase_2_failed(struct spaak *s, const struct session_end *end)
{
    enum err e = verifiers_end_attempt(s, false);
    if (!verifiers_are_stored(s)) {
        pairing_leave(s, CABIN_FAILED, e ? e : ERR_DK_ATTEMPTS);
        return;
    }
    cabin_notify(s, end->reason == ERR_DK_LINK_LOST ? CABIN_PUT_PHONE : CABIN_FAILED, end->reason);
    pairing_ask_phone(s, gap_after(end->reason));
}

static void on_phase_2(struct spaak *s, const struct session_end *end)
{
    trace_failure(s, end, "phase 2");
    if (!end->stored) {
        phase_2_failed(s, end);
        return;
    }
    s->pairing.tries = 0; /* another key */
    pairing_notify(s, CABIN_LEAVE_PHONE);
    pairing_ask_phone(s, NEXT_MS);
}

/* A phone that did not hear that its key was accepted refuses it: begin again. A key that is active stays so,
 * whether or not the phone has heard the end. */
static void on_phase_3(struct spaak *s, const struct session_end *end)
{
    if (end->what == VEHICLE_DONE || keys_owner(s)) {
        succeed(s);
        return;
    }
    trace_failure(s, end, "phase 3");
    s->pairing.tries += end->reason != ERR_DK_LINK_LOST;
    bool in_vain = end->reason != ERR_DK_LINK_LOST && s->pairing.tries >= PAIRING_PHASE_3_TRIES;
    if (end->reason == ERR_DK_STATUS)
        s->pairing.tries = PAIRING_PHASE_3_TRIES;
    else if (in_vain) /* it needs a password again, which only its user has */
        cabin_notify(s, CABIN_FAILED, end->reason);
    if (end->reason == ERR_DK_LINK_LOST) /* the pad looks for it, too */
        cabin_notify(s, CABIN_LEAVE_PHONE, ERR_OK);
    else if (end->reason == ERR_DK_STATUS || !in_vain)
        pairing_notify(s, CABIN_LEAVE_PHONE);
    pairing_ask_phone(s, end->reason == ERR_DK_LINK_LOST ? 0 : NEXT_MS);
}

static void on_phase_4(struct spaak *s, const struct session_end *end)
{
    if (end->learnt == VEHICLE_LEARNT_RECEIPT) {
        env_trace_step(s->env, "OP-05/6", "the key is tracked");
        readers_off(s, s->pairing.place);
        end_phase_4(s);
        return;
    }
    if (end->what == VEHICLE_FAILED && end->reason != ERR_DK_LINK_LOST)
        env_trace_reason(s->env, TRACE_REJECT, "OP-05/5", NULL, end->reason, 0, "no receipt");
    readers_off(s, s->pairing.place);
    loop(s, end);
    unlock_on_learnt(s, end);
    pairing_on_key_ended(s);
    unlock_look(s);
}

void pairing_on_session(struct spaak *s, const struct session_end *end)
{
    switch (s->pairing.state) {
    case PAIRING_WAITS_CARD:
        card_on_session(s, end);
        break;
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
