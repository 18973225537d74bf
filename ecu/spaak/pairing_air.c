/* Owner pairing over Bluetooth LE (CCC-TS-101 19): the same phases at a link in the place of the pad. Phase 2
 * on the link in the clear, under SPAKE2+; then the new key's first approach; phases 3 and 4 when the link is
 * READY. Whenever the link is lost, or phase 2 or 3 fails there, the pad looks for a phone again. */
#include <string.h>

#include "ecu/spaak/pairing_parts.h"

static bool is_on_air(const struct spaak *s)
{
    return s->pairing.place >= SPAAK_AIR;
}

static unsigned link_of(const struct spaak *s)
{
    return s->pairing.place - SPAAK_AIR;
}

void pairing_notify(struct spaak *s, enum cabin_notice what)
{
    static const enum cabin_notice on_air[CABIN_NOTICES] = {
        [CABIN_PAIRING] = CABIN_PAIRING_AIR, [CABIN_LEAVE_PHONE] = CABIN_STAY_NEAR};
    cabin_notify(s, is_on_air(s) && on_air[what] ? on_air[what] : what, ERR_OK);
}

static void take_from_pad(struct spaak *s, enum spaak_place place)
{
    env_timer_set(s->env, SPAAK_TIMER_NEXT_PHASE, ENV_NEVER);
    session_drop(s, SPAAK_PAD);
    readers_off(s, SPAAK_PAD);
    s->pairing.place = place;
}

static void give_to_pad(struct spaak *s)
{
    const unsigned link = link_of(s);
    s->pairing.place = SPAAK_PAD;
    radio_hang_up(s, link);
}

enum err pairing_on_asked(struct spaak *s, enum spaak_place place)
{
    if (s->pairing.state != PAIRING_PHASE_2 || is_on_air(s) || session_is_heard(s, SPAAK_PAD))
        return ERR_BUSY;
    take_from_pad(s, place);
    env_trace_note(s->env, TRACE_NOTE, "a phone asks for owner pairing over Bluetooth");
    enum err e = session_begin_pairing(s, place, 0);
    if (e)
        pairing_leave(s, CABIN_FAILED, e);
    return e;
}

static void try_key(struct spaak *s, struct vehicle_key *pending)
{
    pairing_enter(s, PAIRING_PHASE_3);
    enum err e = session_begin_finish(s, s->pairing.place, VEHICLE_PHASE_3, pending, 0, true);
    if (e)
        pairing_leave(s, CABIN_FAILED, e);
}

/* The one that is to be tried. */
static struct vehicle_key *pending_of(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    struct vehicle_key *k = keys_in_state(s, VEHICLE_KEY_PENDING);
    bool is =
        k && s->pairing.tries < PAIRING_PHASE_3_TRIES && memcmp(k->key_id, key_id, ENDPOINT_KEY_ID) == 0;
    return is ? k : NULL;
}

void pairing_on_ready(struct spaak *s, enum spaak_place place, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    struct vehicle_key *pending = pending_of(s, key_id);
    if (!pairing_is_on(s) || !pending)
        return;
    s->radio.links[place - SPAAK_AIR].has_opened = true; /* who pairs has come in already */
    if (s->pairing.place == SPAAK_PAD && !session_is_heard(s, SPAAK_PAD))
        take_from_pad(s, place); /* its link was lost, and it has come back */
    if (s->pairing.place == place && !s->readers[place].session)
        try_key(s, pending);
}

bool pairing_air_finds(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_LINKS; i++) {
        struct vehicle_key *pending = pending_of(s, s->radio.links[i].key_id);
        if (!radio_is_ready(s, i) || !pending)
            continue;
        s->radio.links[i].has_opened = true;
        take_from_pad(s, (enum spaak_place)(SPAAK_AIR + i));
        try_key(s, pending);
        return true;
    }
    return false;
}

bool pairing_air_goes_on(struct spaak *s)
{
    struct vehicle_key *pending = keys_in_state(s, VEHICLE_KEY_PENDING);
    if (!is_on_air(s))
        return false;
    if (pending && radio_waits_for_key(s, link_of(s))) {
        pairing_enter(s, PAIRING_PHASE_3);
        radio_accepted(s, link_of(s));
        return true;
    }
    give_to_pad(s);
    return false;
}

void pairing_on_link_lost(struct spaak *s, enum spaak_place place)
{
    if (s->pairing.place != place)
        return;
    s->pairing.place = SPAAK_PAD;
    if (pairing_is_on(s))
        pairing_at_pad(s);
}

void pairing_air_settle(struct spaak *s)
{
    if (is_on_air(s) && !radio_is_secure(s, link_of(s)))
        s->pairing.place = SPAAK_PAD;
}

bool pairing_air_waits(const struct spaak *s)
{
    return is_on_air(s) && !radio_is_ready(s, link_of(s));
}
