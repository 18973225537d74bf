/* Phones at the readers outside of pairing: the door handle unlocks, the pad lets the engine start; and what
 * a key still waits for happens at the same contact (its receipt, its slots, the end of its life). */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/manage.h"

#define AGAIN_MS 1000 /* a phone that failed is asked again after this */

const char *spaak_place_name(enum spaak_place place)
{
    return place >= SPAAK_AIR ? "Bluetooth" : place == SPAAK_PAD ? "pad" : "door";
}

/* ---- keys that have come to their end ---- */

/* Who looks for a phone begins anew, if there is still one to look for. */
static void drop_waiting(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_ALL_PLACES; i++) {
        bool waits = i < SPAAK_PLACES && s->readers[i].session;
        session_drop(s, (enum spaak_place)i);
        if (waits)
            readers_off(s, (enum spaak_place)i);
    }
}

/* Sessions look at the list of keys: none may be under way. */
static void delete_ended(struct spaak *s)
{
    struct vehicle_key *k = s->keys.ended ? keys_find(s, s->keys.ended_id) : NULL;
    if (env_now_us(s->env) < s->keys.ended_from_us ||
        (pairing_is_on(s) && s->readers[s->pairing.place].session))
        return; /* its own waits, too */
    for (unsigned i = 0; i < SPAAK_ALL_PLACES; i++)
        if (session_is_heard(s, (enum spaak_place)i))
            return;
    s->keys.ended = false;
    if (!k)
        return;
    pairing_yield(s);
    drop_waiting(s);
    enum err e = keys_delete(s, k);
    s->keys.ended = e != ERR_OK;
    if (!e)
        return;
    env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "a terminated key was not deleted");
    env_timer_in(s->env, SPAAK_TIMER_LOOK, AGAIN_MS * 1000);
}

/* The device has signed that it knows: nothing waits for this key any more. What was refused stores nothing:
 * nor does a session that a refusal has ended behind that. */
static void end_key(struct spaak *s, const struct vehicle_key *k, bool refused)
{
    memcpy(s->keys.ended_id, k->key_id, ENDPOINT_KEY_ID);
    s->keys.ended = true;
    s->keys.ended_from_us = refused ? env_now_us(s->env) + AGAIN_MS * 1000 : 0;
    if (refused)
        env_timer_in(s->env, SPAAK_TIMER_LOOK, AGAIN_MS * 1000);
    else
        delete_ended(s);
}

/* ---- who is asked for ---- */

static bool has_keys(struct spaak *s)
{
    for (size_t i = 0; i < s->keys.count; i++)
        if (s->keys.list[i].state != VEHICLE_KEY_PENDING)
            return true;
    return false;
}

static bool is_wanted(struct spaak *s, enum spaak_place place)
{
    const struct cabin_bcm_status *bcm = &s->cabin.bcm;
    if (!s->finished || pairing_is_on(s) || !has_keys(s) || !s->cabin.bcm_heard)
        return false;
    return place == SPAAK_PAD ? bcm->start : bcm->locked;
}

/* A pairing has the pad. Phase 4 has it while nobody wants something there. */
static bool is_the_pairings(struct spaak *s, enum spaak_place place)
{
    if (place != SPAAK_PAD)
        return false;
    if (is_wanted(s, place))
        pairing_yield(s);
    return pairing_is_on(s) || session_is_of_pairing(s, place);
}

static void look_at(struct spaak *s, enum spaak_place place)
{
    struct spaak_reader *r = &s->readers[place];
    if (is_the_pairings(s, place) || session_is_heard(s, place))
        return;
    bool had = r->session != NULL;
    if (had && r->follows_until_us) {
        if (env_now_us(s->env) < r->follows_until_us)
            return; /* the doors have moved, and it is not over for the key */
        session_drop(s, place);
        if (r->opened) { /* nobody came back, it seems */
            presence_begin(s, place);
            readers_off(s, place);
        }
        r->opened = false;
    }
    r->follows_until_us = 0;
    if (presence_holds(s, place)) {
        if (is_wanted(s, place))
            presence_look(s, place);
        return;
    }
    if (!is_wanted(s, place)) {
        if (had) {
            session_drop(s, place);
            readers_off(s, place);
        }
        return;
    }
    if (r->session || env_now_us(s->env) < r->not_before_us)
        return;
    enum err e = session_begin_transaction(s, place, TRANSACTION_UNLOCK);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "a phone cannot be asked for");
}

static bool opens_nothing_yet(struct spaak *s, const struct spaak_link *l)
{
    const struct vehicle_key *k = keys_find(s, l->key_id);
    return k && k->state == VEHICLE_KEY_PENDING;
}

static bool is_terminated(struct spaak *s, const struct spaak_link *l)
{
    const struct vehicle_key *k = keys_find(s, l->key_id);
    return k && k->state == VEHICLE_KEY_TERMINATED;
}

/* It is to hear that its key has ended, once. */
static bool ends_here(struct spaak *s, struct spaak_link *l)
{
    bool tells = is_terminated(s, l) && !l->told;
    l->told |= tells;
    return tells;
}

/* Over the air it is for what is wanted: a start that was pressed, or the doors. */
static enum cabin_order order_at(const struct spaak *s, enum spaak_place place)
{
    if (place >= SPAAK_AIR)
        return s->cabin.bcm.start ? CABIN_START : CABIN_UNLOCK;
    return place == SPAAK_DOOR ? CABIN_UNLOCK : CABIN_START;
}

/* OP-06/7: a phone that has come near is asked for until the doors are unlocked, by whomever; then when
 * somebody wants to start, or when its app wants. */
static void look_at_link(struct spaak *s, unsigned link)
{
    const struct cabin_bcm_status *bcm = &s->cabin.bcm;
    struct spaak_link *l = &s->radio.links[link];
    const enum spaak_place place = (enum spaak_place)(SPAAK_AIR + link);
    if (!radio_is_secure(s, link) || !s->finished || !s->cabin.bcm_heard)
        return;
    l->has_opened |= !bcm->locked; /* also while nobody may be asked */
    if (!radio_is_ready(s, link) || pairing_is_on(s) || opens_nothing_yet(s, l) ||
        env_now_us(s->env) < s->readers[place].not_before_us)
        return;
    bool moves = l->wanted || !l->has_opened || bcm->start;
    if (!moves && !ends_here(s, l))
        return;
    if (moves && !is_terminated(s, l) && !nearness_admits(s, link, order_at(s, place)))
        return;
    enum err e = session_begin_transaction(s, place, TRANSACTION_UNLOCK);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "a phone cannot be asked for");
}

void unlock_look(struct spaak *s)
{
    delete_ended(s);
    for (unsigned i = 0; i < SPAAK_LINKS; i++)
        look_at_link(s, i);
    radio_look(s);
    for (unsigned i = 0; i < SPAAK_PLACES; i++)
        look_at(s, (enum spaak_place)i);
}

/* ---- who it was ---- */

enum err unlock_authenticated(struct spaak *s, enum spaak_place place, const struct vehicle_transaction *t,
                              uint64_t selected_us)
{
    const uint64_t took_us = env_now_us(s->env) - selected_us;
    char text[CABIN_TRANSACTION_TEXT], detail[80];
    uint8_t id[CABIN_TRANSACTION];
    if (took_us > (place >= SPAAK_AIR ? s->ble_unlock_us : s->unlock_us))
        return ERR_DK_TIMEOUT;
    enum err e = place >= SPAAK_AIR ? nearness_check(s, place - SPAAK_AIR, order_at(s, place)) : ERR_OK;
    if (e)
        return e; /* the start was pressed meanwhile */
    memcpy(id, t->transaction.id, sizeof id);
    snprintf(detail, sizeof detail, "a key has proved itself (%s), %.1f ms after its first answer",
             t->fast ? "fast" : "standard", (double)took_us / 1e3);
    env_trace_step(s->env, "OP-06/7", detail);
    env_claim(s->env, SPAAK_CLAIM_AUTHENTICATED, s->serial, cabin_transaction_text(id, text));
    cabin_command(s, order_at(s, place), id);
    s->readers[place].opened = place == SPAAK_DOOR;
    s->readers[place].obeyed = false;
    return ERR_OK;
}

/* ---- what a key still waits for ---- */

/* A device that was told that its key is terminated has a statement of its own at once, and keeps it until
 * the vehicle has taken it. One that was told earlier says so. */
static bool has_been_told(const struct session_end *end)
{
    return end->kind == SESSION_FINISH && end->phase == VEHICLE_TERMINATE_KEY &&
           (end->what == VEHICLE_DONE || end->reason == ERR_DK_TERMINATED);
}

/* VEHICLE_PHASES: nothing. */
static enum vehicle_phase next_of(struct spaak *s, const struct vehicle_key *k, const struct session_end *end)
{
    if (has_been_told(end))
        return VEHICLE_TERMINATION;
    if (end->kind != SESSION_TRANSACTION)
        return VEHICLE_PHASES;
    if (end->reason == ERR_DK_TERMINATED)
        return k->state == VEHICLE_KEY_TERMINATED ? VEHICLE_TERMINATE_KEY : VEHICLE_TERMINATION;
    if (end->reason == ERR_DK_SUSPENDED)
        return VEHICLE_RESUMPTION;
    if (end->what != VEHICLE_DONE)
        return VEHICLE_PHASES;
    if (!k->tracked)
        return VEHICLE_PHASE_4;
    if (manage_resumption_is_due(s, k))
        return VEHICLE_RESUMPTION;
    return k->offered != 0xFF || end->lacks_slots ? VEHICLE_REFILL : VEHICLE_PHASES;
}

/* As end_key() does, for others. */
static void want_verifiers_later(struct spaak *s)
{
    s->keys.ownerless = true;
    env_timer_in(s->env, SPAAK_TIMER_LOOK, AGAIN_MS * 1000);
}

static bool lacks_verifiers(struct spaak *s)
{
    return !keys_owner(s) && !verifiers_are_stored(s) && !verifiers_wanted(s);
}

/* PP-03/1: the vehicle has no owner any more. */
static void want_verifiers(struct spaak *s)
{
    s->keys.ownerless = false;
    if (!lacks_verifiers(s))
        return;
    if (verifiers_store_wanted(s, VERIFIERS_TERMINATED)) {
        want_verifiers_later(s);
        return;
    }
    env_trace_step(s->env, "PP-03/1", "the owner's key was terminated");
    verifiers_go_on(s);
}

enum err unlock_terminate(struct spaak *s, struct vehicle_key *k, enum key_cause cause)
{
    struct vehicle_key update = *k;
    vehicle_key_terminate(&update);
    bool ends = manage_put_ended(s, k, cause);
    enum err e = keys_store(s, &update);
    if (!e && ends)
        manage_trace_ended(s, cause);
    if (!e)
        vehicle_key_terminate(k);
    OPENSSL_cleanse(&update, sizeof update);
    keys_claim(s);
    cabin_notify(s, e ? CABIN_FAILED : CABIN_KEY_DELETED, e);
    pairing_on_key_ended(s);
    want_verifiers(s);
    return e;
}

void unlock_on_learnt(struct spaak *s, const struct session_end *end)
{
    struct vehicle_key *k = end->has_key ? keys_find(s, end->key_id) : NULL;
    if (k && end->learnt == VEHICLE_LEARNT_TERMINATED)
        end_key(s, k, end->what == VEHICLE_FAILED);
    if (lacks_verifiers(s))
        want_verifiers_later(s);
}

void unlock_on_timer(struct spaak *s)
{
    if (s->keys.ownerless)
        want_verifiers(s);
    unlock_look(s);
}

/* Nothing is left to be said to the phone. */
static void finish_contact(struct spaak *s, enum spaak_place place, bool gone)
{
    struct spaak_reader *r = &s->readers[place];
    bool opened = r->opened;
    r->opened = false;
    r->not_before_us = env_now_us(s->env) + AGAIN_MS * 1000;
    if (opened)
        presence_begin(s, place);
    if (!opened || gone) /* it is looked for, then */
        readers_off(s, place);
}

void unlock_on_session(struct spaak *s, enum spaak_place place, const struct session_end *end)
{
    struct vehicle_key *k = end->has_key ? keys_find(s, end->key_id) : NULL;
    enum vehicle_phase next = k ? next_of(s, k, end) : VEHICLE_PHASES;
    if (end->what == VEHICLE_FAILED && end->reason != ERR_DK_LINK_LOST)
        env_trace_reason(s->env, TRACE_REJECT, "OP-06/7", NULL, end->reason, 0, spaak_place_name(place));
    if (k && end->what == VEHICLE_DONE && end->kind == SESSION_FINISH && end->phase == VEHICLE_RESUMPTION)
        manage_resumption_taken(s, k);
    unlock_on_learnt(s, end);
    if (end->learnt == VEHICLE_LEARNT_RECEIPT)
        env_trace_step(s->env, "OP-05/6", "the key is tracked");
    if (end->learnt == VEHICLE_LEARNT_RESUMED)
        env_trace_step(s->env, "KM-01/9", "the phone has brought the word that its key is resumed");
    struct spaak_reader *r = &s->readers[place];
    r->follows_until_us = 0;
    if (next != VEHICLE_PHASES && session_begin_finish(s, place, next, k, 0, false) == ERR_OK)
        r->follows_until_us = env_now_us(s->env) + AGAIN_MS * 1000;
    else
        finish_contact(s, place, end->reason == ERR_DK_LINK_LOST);
    env_timer_in(s->env, SPAAK_TIMER_LOOK, AGAIN_MS * 1000);
}
