/* How near a phone over Bluetooth is, by the strength of its signal: the vehicle decides what is near enough
 * for the doors and for the engine (CCC-TS-101 leaves it to the vehicle). It keeps an honest phone from
 * opening the doors from afar; it is no proof, for a relay or an amplifier makes any signal strong
 * (docs/bluetooth.md). */
#include <stdio.h>

#include "ecu/spaak/pairing.h"
#include "ecu/spaak/radio_parts.h"

#define FRESH_MS      500  /* people walk: a metre or less */
#define AGAIN_MS      1000 /* until a phone that is too far away is listened to again */
#define ANY_DBM       127
#define STRONGEST_DBM 20 /* of a real signal; 127 is "not known" (volume 4 part E, 7.5.4) */

static bool is_known(struct spaak *s, const struct spaak_link *l)
{
    return l->heard && env_now_us(s->env) <= l->heard_us + FRESH_MS * 1000;
}

static void measure(struct spaak *s, struct spaak_link *l)
{
    static const struct ble_said nothing;
    if (!l->measures)
        l->measures = radio_tell(s, l->peer, BLE_TELL_SIGNAL, &nothing) == ERR_OK;
}

enum err nearness_check(const struct spaak *s, unsigned link, enum cabin_order order)
{
    const uint8_t below = s->ble_dbm[order];
    return below == ANY_DBM || s->radio.links[link].signal_dbm >= -below ? ERR_OK : ERR_DK_TOO_FAR;
}

static void refuse(struct spaak *s, unsigned link, enum cabin_order order)
{
    struct spaak_link *l = &s->radio.links[link];
    char detail[96];
    s->readers[SPAAK_AIR + link].not_before_us = env_now_us(s->env) + AGAIN_MS * 1000;
    env_timer_in(s->env, SPAAK_TIMER_NEAR, AGAIN_MS * 1000);
    if (l->said_far >> order & 1)
        return;
    l->said_far |= (uint8_t)(1u << order);
    snprintf(detail, sizeof detail, "%d dBm; %s from -%u on", l->signal_dbm,
             order == CABIN_START ? "the engine starts" : "the doors are unlocked", s->ble_dbm[order]);
    env_trace_reason(s->env, TRACE_REJECT, "OP-06/7", NULL, ERR_DK_TOO_FAR, 0, detail);
}

bool nearness_admits(struct spaak *s, unsigned link, enum cabin_order order)
{
    struct spaak_link *l = &s->radio.links[link];
    if (s->ble_dbm[order] == ANY_DBM)
        return true;
    if (!is_known(s, l)) {
        measure(s, l);
        return false;
    }
    if (nearness_check(s, link, order)) {
        refuse(s, link, order);
        return false;
    }
    l->said_far &= (uint8_t) ~(1u << order);
    return true;
}

void nearness_on_signal(struct spaak *s, unsigned link, int8_t dbm)
{
    struct spaak_link *l = &s->radio.links[link];
    l->measures = false;
    l->heard = true;
    l->signal_dbm = dbm > STRONGEST_DBM ? INT8_MIN : dbm;
    l->heard_us = env_now_us(s->env);
    unlock_look(s);
}
