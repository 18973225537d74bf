#include "ecu/spaak/radio.h"

#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/radio_parts.h"
#include "lib/crypto/smp.h"

#define MTU            512
#define REASON_USER    0x13
#define ADDRESS_LIFE_S 900 /* then another private address: nobody follows the car by it */

/* CCC-TS-101 19: the SPSM's characteristic */
static const struct ble_uuid spsm_uuid = {
    16, {0xD3, 0xB5, 0xA1, 0x30, 0x9E, 0x23, 0x4B, 0x3A, 0x8B, 0xE4, 0x6B, 0x1E, 0xE5, 0xF9, 0x80, 0xA3}};
/* owner pairing: the service FFF5; IntentConfiguration 01 and the vehicle's brand under their 128-bit UUID */
static const uint8_t pairing_ad[] = {0x03, 0x03, 0xF5, 0xFF, 0x14, 0x21, 0xE4, 0xCC, 0xDB,
                                     0xE2, 0x2A, 0x2A, 0xA3, 0xA2, 0xE9, 0x11, 0x99, 0xB4,
                                     0xC0, 0xBB, 0x10, 0x58, 0x01, 0x00, 0x01};
static const struct ble_said nothing;

enum err radio_own(struct spaak *s, struct radio_own *out)
{
    uint8_t stored[CCC_KEY + APPROACH_ADDRESS];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_RADIO, stored, sizeof stored, &len);
    if (!e && len != sizeof stored)
        e = ERR_STORE_FAILED;
    if (!e) {
        memcpy(out->irk, stored, CCC_KEY);
        memcpy(out->address, stored + CCC_KEY, APPROACH_ADDRESS);
    }
    OPENSSL_cleanse(stored, sizeof stored);
    return e;
}

enum err radio_tell(struct spaak *s, const char *address, enum ble_tell verb, const struct ble_said *said)
{
    char words[BLE_WORDS];
    ble_tell_write(verb, said, words);
    enum err e = env_tell(s->env, SPAAK_PORT_RADIO, address, words);
    OPENSSL_cleanse(words, sizeof words);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "Bluetooth");
    return e;
}

/* ---- on the air ---- */

static bool may_pair(const struct spaak *s)
{
    return s->pairing.state == PAIRING_PHASE_2 && s->pairing.place == SPAAK_PAD;
}

static bool has_keys(const struct spaak *s)
{
    for (size_t i = 0; i < s->keys.count; i++)
        if (s->keys.list[i].state != VEHICLE_KEY_TERMINATED) /* a pending one's link may have been lost */
            return true;
    return false;
}

static void advertise(struct spaak *s, const struct radio_own *own, bool for_pairing)
{
    struct ble_said said = {.address = {.random = true}};
    if (smp_private_address(s->env->crypto, own->irk, said.address.octets))
        return;
    said.value_len = for_pairing ? sizeof pairing_ad : 0;
    memcpy(said.value, pairing_ad, said.value_len);
    s->radio.on_air = radio_tell(s, "", BLE_TELL_ADVERTISE, &said) == ERR_OK;
    s->radio.for_pairing = for_pairing;
    env_timer_in(s->env, SPAAK_TIMER_LINK + SPAAK_LINKS, ADDRESS_LIFE_S * 1000000ull);
}

static void be_found(struct spaak *s, const struct radio_own *own)
{
    struct ble_said identity = {.address = {.random = true}};
    struct ble_said spsm = {.uuid = spsm_uuid, .value = {SPAAK_SPSM >> 8, SPAAK_SPSM & 0xFF}, .value_len = 2};
    struct ble_said channel = {.spsm = SPAAK_SPSM, .number = MTU};
    memcpy(identity.address.octets, own->address, APPROACH_ADDRESS);
    memcpy(identity.confirm, own->irk, CCC_KEY);
    radio_tell(s, "", BLE_TELL_IDENTITY, &identity);
    radio_tell(s, "", BLE_TELL_ATTRIBUTE, &spsm);
    radio_tell(s, "", BLE_TELL_LISTEN, &channel);
    OPENSSL_cleanse(&identity, sizeof identity);
}

static void be_silent(struct spaak *s)
{
    s->radio.on_air = false;
    radio_tell(s, "", BLE_TELL_ADVERTISE_OFF, &nothing);
    env_timer_set(s->env, SPAAK_TIMER_LINK + SPAAK_LINKS, ENV_NEVER);
}

/* Whose key is not there any more has nothing to say. A session has its own end. */
static void leave_the_keyless(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_LINKS; i++)
        if (radio_is_ready(s, i) && !keys_find(s, s->radio.links[i].key_id)) {
            env_trace_note(s->env, TRACE_NOTE, "a phone whose key is gone is sent away");
            radio_leave(s, i);
        }
}

/* OP-06/1 */
void radio_look(struct spaak *s)
{
    struct spaak_radio *r = &s->radio;
    struct radio_own own;
    leave_the_keyless(s);
    bool pairs = may_pair(s),
         wants = r->up && s->finished && (pairs || has_keys(s)) && !diagnostic_tx_off(&s->diagnostic);
    if (r->on_air && !wants)
        be_silent(s);
    if (!wants || (r->on_air && r->for_pairing == pairs) || radio_own(s, &own))
        return;
    if (!r->on_air)
        be_found(s, &own);
    env_trace_step(s->env, pairs ? "OP-02/6" : "OP-06/1", "is on the air");
    advertise(s, &own, pairs);
    OPENSSL_cleanse(&own, sizeof own);
}

void radio_on_timer(struct spaak *s, unsigned link)
{
    struct radio_own own;
    if (link < SPAAK_LINKS) {
        radio_time(s, link);
    } else if (link > SPAAK_LINKS) {
        unlock_look(s); /* a phone may have come nearer */
    } else if (s->radio.on_air && radio_own(s, &own) == ERR_OK) {
        advertise(s, &own, s->radio.for_pairing);
        OPENSSL_cleanse(&own, sizeof own);
    }
}

/* ---- links ---- */

/* SPAAK_LINKS: none. */
static unsigned find(const struct spaak *s, const char *peer)
{
    unsigned i = 0;
    while (i < SPAAK_LINKS && !(s->radio.links[i].used && strcmp(s->radio.links[i].peer, peer) == 0))
        i++;
    return i;
}

/* The radio keeps them by address, and has room for few. */
static void forget_oob(struct spaak *s, const struct spaak_link *l)
{
    struct ble_said said = {.level = 0};
    char words[BLE_WORDS];
    if (!l->gave_oob || !s->radio.up || ble_address_read(l->peer, &said.address))
        return;
    ble_tell_write(BLE_TELL_FORGET_OOB, &said, words);
    env_tell(s->env, SPAAK_PORT_RADIO, "", words); /* refused: the radio is gone, and they with it */
}

static void forget(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    forget_oob(s, l);
    env_timer_set(s->env, SPAAK_TIMER_LINK + link, ENV_NEVER);
    vehicle_approach_wipe(&l->approach);
    *l = (struct spaak_link){.used = false};
    if (s->radio.oob_of == (int)link)
        s->radio.oob_of = -1;
}

static void send_away(struct spaak *s, const char *peer)
{
    struct ble_said said = {.reason = REASON_USER};
    char words[BLE_WORDS];
    ble_tell_write(BLE_TELL_DISCONNECT, &said, words);
    env_tell(s->env, SPAAK_PORT_RADIO, peer, words); /* refused: the other end was first */
}

void radio_leave(struct spaak *s, unsigned link)
{
    char peer[BLE_ADDRESS_TEXT];
    text_copy(peer, sizeof peer, s->radio.links[link].peer);
    radio_drop(s, link);
    send_away(s, peer);
    radio_next_oob(s);
}

void radio_drop(struct spaak *s, unsigned link)
{
    const enum spaak_place place = (enum spaak_place)(SPAAK_AIR + link);
    forget(s, link);
    if (s->readers[place].session)
        session_on_lost(s, place, ERR_DK_LINK_LOST);
    pairing_on_link_lost(s, place);
}

void radio_hang_up(struct spaak *s, unsigned link)
{
    if (s->radio.links[link].used)
        radio_leave(s, link);
}

static unsigned free_link(const struct spaak *s)
{
    unsigned i = 0;
    while (i < SPAAK_LINKS && s->radio.links[i].used)
        i++;
    return i;
}

/* Nobody has said whose phone it is, for as long as a phone needs for that. */
static bool is_nameless(const struct spaak *s, const struct spaak_link *l)
{
    return l->used && !l->bonded && (!l->channel || l->approach.both.state == AP_CLEAR) &&
           !l->approach.has_key && env_now_us(s->env) - l->up_us >= SPAAK_NAMELESS_MS * 1000ull;
}

/* Of those the one that has been there longest: whoever comes may be a phone of ours. */
static void make_room(struct spaak *s)
{
    unsigned oldest = SPAAK_LINKS;
    for (unsigned i = 0; i < SPAAK_LINKS; i++)
        if (is_nameless(s, &s->radio.links[i]) &&
            (oldest == SPAAK_LINKS || s->radio.links[i].up_us < s->radio.links[oldest].up_us))
            oldest = i;
    if (oldest == SPAAK_LINKS)
        return;
    env_trace_reason(s->env, TRACE_REJECT, "OP-06/2", NULL, ERR_BUSY, 0,
                     "a stranger gives way to the next that comes");
    radio_leave(s, oldest);
}

static void on_up(struct spaak *s, const char *peer)
{
    if (free_link(s) == SPAAK_LINKS)
        make_room(s);
    unsigned i = free_link(s);
    if (i == SPAAK_LINKS || !s->finished) {
        env_trace_reason(s->env, TRACE_REJECT, "OP-06/2", NULL, ERR_BUSY, 0, "no link is left");
        send_away(s, peer);
        return;
    }
    struct spaak_link *l = &s->radio.links[i];
    *l = (struct spaak_link){.used = true, .level = 1, .signal_dbm = INT8_MIN, .up_us = env_now_us(s->env)};
    text_copy(l->peer, sizeof l->peer, peer);
    /* nobody keeps a link without saying what for */
    env_timer_in(s->env, SPAAK_TIMER_LINK + i, VEHICLE_APPROACH_CLEAR_MS * 1000ull);
}

static void on_down(struct spaak *s, unsigned link)
{
    radio_drop(s, link);
    radio_next_oob(s);
    unlock_look(s);
}

/* Whose bond is it? By the private address, which only the phone's IRK can have made. */
static void on_key_wanted(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    struct ble_address a;
    struct approach_bond bond = {.address = {0}};
    struct ble_said said = {.level = 0};
    bool found = false;
    if (ble_address_read(l->peer, &a))
        return;
    for (size_t i = 0; i < s->keys.count && !found; i++) {
        const struct vehicle_key *k = &s->keys.list[i];
        found = k->state != VEHICLE_KEY_TERMINATED && radio_bond_get(s, k, &bond) == ERR_OK &&
                (smp_resolves(s->env->crypto, bond.irk, a.octets) ||
                 memcmp(bond.address, a.octets, sizeof bond.address) == 0);
        if (found)
            memcpy(l->key_id, k->key_id, sizeof l->key_id);
    }
    l->bonded = found;
    memcpy(said.confirm, bond.ltk, sizeof said.confirm);
    radio_tell(s, l->peer, found ? BLE_TELL_ENCRYPT : BLE_TELL_NO_KEY, &said);
    OPENSSL_cleanse(&bond, sizeof bond);
    OPENSSL_cleanse(&said, sizeof said);
}

static void on_encrypted(struct spaak *s, unsigned link, const struct ble_said *said)
{
    struct spaak_link *l = &s->radio.links[link];
    l->level = said->level;
    l->key_size = said->number;
    if (s->radio.oob_of == (int)link)
        s->radio.oob_of = -1; /* its pairing has used the out-of-band data up */
    if (l->channel)
        radio_do(s, link, approach_encrypted(&l->approach.both, said->level, said->number));
}

static void on_failed(struct spaak *s, unsigned link)
{
    struct spaak_link *l = &s->radio.links[link];
    l->bonded = false;
    if (l->channel)
        radio_do(s, link, approach_failed(&l->approach.both));
    else
        radio_leave(s, link);
}

/* Ours. */
static void on_oob(struct spaak *s, const struct ble_said *said)
{
    struct radio_own own;
    struct approach_oob oob;
    int link = s->radio.oob_of;
    if (link < 0 || !s->radio.links[link].channel)
        return;
    bool known = radio_own(s, &own) == ERR_OK;
    memcpy(oob.address, own.address, sizeof oob.address);
    memcpy(oob.confirm, said->confirm, sizeof oob.confirm);
    memcpy(oob.random, said->key, sizeof oob.random);
    radio_do(s, (unsigned)link, vehicle_approach_oob(&s->radio.links[link].approach, known ? &oob : NULL));
    OPENSSL_cleanse(&own, sizeof own);
    OPENSSL_cleanse(&oob, sizeof oob);
}

/* The list that approaches borrow. */
static void count_keys(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_LINKS; i++)
        s->radio.links[i].approach.n_keys = s->radio.links[i].channel ? s->keys.count : 0;
}

static void on_link_news(struct spaak *s, unsigned i, enum ble_news verb, const struct ble_said *said)
{
    struct vehicle_approach *a = &s->radio.links[i].approach;
    bool channel = s->radio.links[i].channel;
    switch (verb) {
    case BLE_NEWS_DOWN:
        on_down(s, i);
        break;
    case BLE_NEWS_CHANNEL:
        radio_channel(s, i);
        break;
    case BLE_NEWS_CHANNEL_CLOSED:
        radio_leave(s, i);
        break;
    case BLE_NEWS_KEY_WANTED:
        on_key_wanted(s, i);
        break;
    case BLE_NEWS_ENCRYPTED:
        on_encrypted(s, i, said);
        break;
    case BLE_NEWS_AUTH_FAILED:
        on_failed(s, i);
        break;
    case BLE_NEWS_SIGNAL:
        nearness_on_signal(s, i, said->signal);
        break;
    case BLE_NEWS_NEW_LTK: /* without a channel there was no first approach */
        if (channel)
            radio_do(s, i, approach_ltk(&a->both, said->level == 3, said->number, said->key));
        else
            radio_leave(s, i);
        break;
    case BLE_NEWS_NEW_IRK:
        if (channel)
            radio_do(s, i, approach_identity(&a->both, said->address.octets, said->key));
        break;
    default:
        break;
    }
}

void radio_on_news(struct spaak *s, const char *address, const char *news)
{
    enum ble_news verb;
    struct ble_said said;
    if (ble_news_read(news, &verb, &said))
        return;
    unsigned link = find(s, address);
    count_keys(s);
    if (verb == BLE_NEWS_OOB)
        on_oob(s, &said);
    else if (verb == BLE_NEWS_UP)
        on_up(s, address);
    else if (link < SPAAK_LINKS)
        on_link_news(s, link, verb, &said);
    OPENSSL_cleanse(&said, sizeof said);
}

void radio_on_bytes(struct spaak *s, const char *address, struct span sdu)
{
    unsigned link = find(s, address);
    if (link == SPAAK_LINKS || !s->radio.links[link].channel)
        return;
    count_keys(s);
    radio_do(s, link, vehicle_approach_input(&s->radio.links[link].approach, sdu));
}

/* ---- life ---- */

void radio_stop(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_LINKS; i++) {
        if (s->radio.links[i].used)
            send_away(s, s->radio.links[i].peer);
        forget(s, i);
    }
    if (s->radio.on_air)
        be_silent(s);
}

void radio_on_link(struct spaak *s, enum link_state state)
{
    s->radio.up = state != LINK_DOWN;
    if (!s->radio.up) {
        for (unsigned i = 0; i < SPAAK_LINKS; i++)
            if (s->radio.links[i].used)
                radio_drop(s, i);
        s->radio.on_air = false;
    }
    radio_look(s);
}
