/* Which vehicle, from its advertisement to the open channel. The approach itself: handset_approach.c. */
#include "sim/actors/phone/handset_radio.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/crypto/smp.h"
#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

#define PAUSE_US      1000000 /* after a link has ended */
#define MTU           512
#define REASON_LOST   0x08 /* out of range */
#define REASON_USER   0x13
#define REASON_OWN    0x16 /* this end has disconnected */
#define REASON_MIC    0x3D /* the keys differ */
#define REASON_NOBODY 0x3E /* to the call */

/* CCC-TS-101 19: the SPSM's characteristic; what is said while owner pairing is open */
static const struct ble_uuid spsm_uuid = {
    16, {0xD3, 0xB5, 0xA1, 0x30, 0x9E, 0x23, 0x4B, 0x3A, 0x8B, 0xE4, 0x6B, 0x1E, 0xE5, 0xF9, 0x80, 0xA3}};
static const uint8_t pairing_ad[] = {0x03, 0x03, 0xF5, 0xFF};

/* ---- who this phone is ---- */

enum err handset_radio_identity(struct phone *p, struct radio_identity *out)
{
    uint8_t stored[APPROACH_ADDRESS + CCC_KEY];
    size_t len;
    enum err e = env_store_get(p->env, PHONE_RADIO, stored, sizeof stored, &len);
    if (e == ERR_NOT_FOUND) {
        env_random(p->env, stored, sizeof stored);
        stored[0] |= 0xC0; /* a static random address */
        e = env_store_put(p->env, PHONE_RADIO, span_of(stored, sizeof stored));
        if (!e)
            e = env_store_commit(p->env);
    } else if (!e && len != sizeof stored) {
        e = ERR_STORE_FAILED;
    }
    memcpy(out->address, stored, APPROACH_ADDRESS);
    memcpy(out->irk, stored + APPROACH_ADDRESS, CCC_KEY);
    OPENSSL_cleanse(stored, sizeof stored);
    return e;
}

/* ---- words ---- */

enum err handset_radio_tell(struct phone *p, const char *address, enum ble_tell verb,
                            const struct ble_said *said)
{
    char words[BLE_WORDS];
    ble_tell_write(verb, said, words);
    enum err e = env_tell(p->env, PHONE_PORT_RADIO, address, words);
    OPENSSL_cleanse(words, sizeof words);
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, NULL, NULL, e, 0, "Bluetooth");
    return e;
}

static const struct ble_said nothing;

/* ---- states ---- */

static const char *text_of(const struct phone_radio *r)
{
    static const char *const texts[RADIO_STATES] = {
        "off", "on", "looking", "connecting", "encrypting", "reading", "opening", "", "leaving"};
    if (r->state != RADIO_CONNECTED)
        return texts[r->state];
    return r->approach.both.state == AP_READY ? "near the vehicle" : r->pairs ? "pairing" : "approaching";
}

void handset_radio_show(struct phone *p)
{
    env_show(p->env, PHONE_SHOW_RADIO, text_of(&p->radio));
}

/* How long a vehicle may be silent there; 0: the radio itself has a limit, or there is none. */
static unsigned silence_ms(const struct phone_radio *r)
{
    switch (r->state) {
    case RADIO_ENCRYPTING:
        return HANDSET_RADIO_ENCRYPT_MS;
    case RADIO_READING:
    case RADIO_OPENING:
        return DEVICE_APPROACH_ANSWER_MS;
    case RADIO_CONNECTED:
        return device_approach_patience_ms(&r->approach);
    default:
        return 0;
    }
}

void handset_radio_enter(struct phone *p, enum radio_state state)
{
    p->radio.state = state;
    unsigned ms = state == RADIO_SCANNING ? handset_patience_listen_ms(p) : silence_ms(&p->radio);
    env_timer_set(p->env, PHONE_TIMER_RADIO, ms ? env_now_us(p->env) + ms * 1000ull : ENV_NEVER);
    handset_radio_show(p);
}

static void hang_up(struct phone *p)
{
    const struct ble_said said = {.reason = REASON_USER};
    char words[BLE_WORDS];
    device_approach_wipe(&p->radio.approach);
    handset_radio_enter(p, RADIO_LEAVING);
    ble_tell_write(BLE_TELL_DISCONNECT, &said, words);
    if (env_tell(p->env, PHONE_PORT_RADIO, p->radio.vehicle, words)) /* the other end was first */
        handset_radio_down(p);
}

void handset_radio_leave(struct phone *p)
{
    p->radio.refused = true;
    hang_up(p);
}

static bool looks_for_keys(const struct phone *p)
{
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        if (handset_radio_key_at(p, i))
            return true;
    return false;
}

const struct digital_key *handset_radio_key_at(const struct phone *p, unsigned index)
{
    const struct handset *h = &p->handset;
    const struct digital_key *k = &h->applet.keys[index];
    return h->open && h->device.owned[index].paired && k->state == APPLET_KEY_ACTIVE ? k : NULL;
}

static unsigned keys_of(const struct phone *p)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        bits |= handset_radio_key_at(p, i) ? 1u << i : 0;
    return bits;
}

/* One that is terminated stays until the vehicle has heard so. */
static bool is_keyless(const struct phone *p)
{
    const struct phone_radio *r = &p->radio;
    bool has = r->state >= RADIO_CONNECTING && r->state <= RADIO_CONNECTED;
    return has && (!r->pairs || r->approach.has_keys) && p->handset.open &&
           p->handset.applet.keys[r->key].state == APPLET_KEY_NONE;
}

void handset_radio_look(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    if (r->known != keys_of(p)) {
        r->known = keys_of(p);
        handset_radio_claim(p);
        handset_patience_forget_all(p);
    }
    if (is_keyless(p)) {
        hang_up(p);
        return;
    }
    bool wants = looks_for_keys(p) || (r->wants_pairing && p->handset.open && p->handset.device.password_len);
    if (r->state == RADIO_IDLE && wants) {
        handset_radio_enter(p, RADIO_SCANNING);
        handset_radio_tell(p, "", BLE_TELL_SCAN, &nothing);
    } else if (r->state == RADIO_SCANNING && !wants) {
        handset_radio_enter(p, RADIO_IDLE);
        handset_radio_tell(p, "", BLE_TELL_SCAN_OFF, &nothing);
    }
}

/* Whose patience it is. */
static unsigned vehicle_of(const struct phone_radio *r)
{
    return r->pairs && !r->approach.has_keys ? PHONE_RADIO_PAIRS : r->key;
}

/* OP-06/2: how the link ended decides when the phone comes back to that vehicle. */
static void judge_end(struct phone *p)
{
    const struct phone_radio *r = &p->radio;
    const unsigned vehicle = vehicle_of(r);
    if (r->ready_us && env_now_us(p->env) >= r->ready_us + HANDSET_PATIENCE_SERVED_MS * 1000ull)
        handset_patience_forget(p, vehicle);
    if (r->refused)
        handset_patience_refused(p, vehicle);
}

/* The link is gone, or never came. */
/* The radio keeps them by address, and has room for few. */
static void forget_oob(struct phone *p)
{
    struct ble_said said = {.level = 0};
    char words[BLE_WORDS];
    if (!p->radio.gave_oob || !p->radio.up || ble_address_read(p->radio.vehicle, &said.address))
        return;
    p->radio.gave_oob = false;
    ble_tell_write(BLE_TELL_FORGET_OOB, &said, words);
    env_tell(p->env, PHONE_PORT_RADIO, "", words); /* refused: the radio is gone, and they with it */
}

void handset_radio_down(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    bool reached = r->state == RADIO_CONNECTED;
    judge_end(p);
    forget_oob(p);
    device_approach_wipe(&r->approach);
    r->pairs = r->bonded = false;
    *r->vehicle = '\0';
    handset_radio_enter(p, RADIO_IDLE);
    if (reached)
        handset_reset_link(p, DK_BLE);
    if (r->state == RADIO_IDLE)
        env_timer_in(p->env, PHONE_TIMER_RADIO, PAUSE_US);
}

static void be_up(struct phone *p)
{
    struct radio_identity own;
    struct ble_said said = {.address = {.random = true}};
    if (handset_radio_identity(p, &own))
        return;
    memcpy(said.address.octets, own.address, sizeof own.address);
    memcpy(said.confirm, own.irk, sizeof own.irk);
    handset_radio_enter(p, RADIO_IDLE);
    handset_radio_tell(p, "", BLE_TELL_IDENTITY, &said);
    OPENSSL_cleanse(&own, sizeof own);
    OPENSSL_cleanse(&said, sizeof said);
    handset_radio_look(p);
}

static void settle(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    bool works = r->on && r->up && !p->handset.off;
    if (works && r->state == RADIO_OFF) {
        be_up(p);
    } else if (!works && r->state != RADIO_OFF) {
        bool reached = r->state == RADIO_CONNECTED;
        if (*r->vehicle && r->up)
            hang_up(p);
        if (r->up)
            handset_radio_tell(p, "", BLE_TELL_SCAN_OFF, &nothing);
        device_approach_wipe(&r->approach);
        *r->vehicle = '\0';
        handset_radio_enter(p, RADIO_OFF);
        if (reached)
            handset_reset_link(p, DK_BLE);
    }
}

void handset_radio_begin(struct phone *p)
{
    uint8_t on;
    size_t len;
    p->radio.on = env_store_get(p->env, PHONE_RADIO_ON, &on, sizeof on, &len) == ERR_OK;
    settle(p);
    handset_radio_show(p);
}

void handset_radio_stop(struct phone *p)
{
    settle(p);
}

enum err handset_radio_switch(struct phone *p, bool on)
{
    enum err e = ERR_OK;
    if (on)
        e = env_store_put(p->env, PHONE_RADIO_ON, span_of("\x01", 1));
    else
        env_store_delete(p->env, PHONE_RADIO_ON);
    if (!e)
        e = env_store_commit(p->env);
    if (e)
        return e;
    p->radio.on = on;
    handset_patience_forget_all(p);
    settle(p);
    return ERR_OK;
}

void handset_radio_on_link(struct phone *p, enum link_state state)
{
    p->radio.up = state != LINK_DOWN;
    settle(p);
}

/* What was heard is told again. */
static void listen_anew(struct phone *p)
{
    if (p->radio.state == RADIO_SCANNING) {
        handset_radio_enter(p, RADIO_IDLE);
        handset_radio_tell(p, "", BLE_TELL_SCAN_OFF, &nothing);
    }
    handset_radio_look(p);
}

void handset_radio_come_back(struct phone *p)
{
    handset_patience_forget_all(p);
    if (p->radio.state == RADIO_SCANNING)
        listen_anew(p);
}

enum err handset_radio_pair(struct phone *p)
{
    if (!p->handset.open || !p->handset.device.password_len)
        return ERR_MSG_UNEXPECTED;
    p->radio.wants_pairing = true;
    handset_patience_forget(p, PHONE_RADIO_PAIRS);
    listen_anew(p);
    return ERR_OK;
}

/* ---- who is heard ---- */

/* OP-06/2: by the address, whose second half only the holder of the vehicle's IRK can make. */
static bool is_of_key(struct phone *p, unsigned index, const struct ble_address *a)
{
    const struct dk_owned *o = &p->handset.device.owned[index];
    if (!handset_radio_key_at(p, index))
        return false;
    return smp_resolves(p->env->crypto, o->irk, a->octets) ||
           (a->random && memcmp(a->octets, o->ble_address, sizeof o->ble_address) == 0);
}

static bool asks_for_pairing(const struct ble_said *said)
{
    return said->value_len >= sizeof pairing_ad && memcmp(said->value, pairing_ad, sizeof pairing_ad) == 0;
}

static void connect(struct phone *p, const char *address)
{
    struct phone_radio *r = &p->radio;
    struct radio_identity own;
    struct ble_said said = {.address = {.random = true}};
    if (handset_radio_identity(p, &own) || smp_private_address(p->env->crypto, own.irk, said.address.octets))
        return;
    OPENSSL_cleanse(&own, sizeof own);
    text_copy(r->vehicle, sizeof r->vehicle, address);
    r->ready_us = 0;
    r->refused = false;
    handset_radio_tell(p, "", BLE_TELL_SCAN_OFF, &nothing);
    handset_radio_enter(p, RADIO_CONNECTING);
    if (handset_radio_tell(p, address, BLE_TELL_CONNECT, &said))
        handset_radio_down(p);
}

static void on_heard(struct phone *p, const char *address, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    struct ble_address a;
    if (r->state != RADIO_SCANNING || ble_address_read(address, &a))
        return;
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        if (is_of_key(p, i, &a)) {
            if (!handset_patience_admits(p, i))
                return;
            r->pairs = false;
            r->key = i;
            env_trace_step(p->env, "OP-06/2", "recognises the vehicle");
            connect(p, address);
            return;
        }
    if (!r->wants_pairing || !p->handset.device.password_len || !asks_for_pairing(said) ||
        !handset_patience_admits(p, PHONE_RADIO_PAIRS))
        return;
    r->pairs = true;
    connect(p, address);
}

/* ---- to the channel ---- */

void handset_radio_late(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    if (r->state == RADIO_CONNECTED) {
        handset_radio_do(p, device_approach_late(&r->approach));
    } else if (silence_ms(r)) {
        env_trace_reason(p->env, TRACE_FAIL, "OP-06/3", NULL, ERR_DK_TIMEOUT, 0, text_of(r));
        handset_radio_leave(p);
    } else if (r->state == RADIO_SCANNING) {
        handset_patience_listened(p);
        listen_anew(p);
    } else {
        handset_radio_look(p);
    }
}

static void read_spsm(struct phone *p)
{
    struct ble_said said = {.uuid = spsm_uuid};
    handset_radio_enter(p, RADIO_READING);
    if (handset_radio_tell(p, p->radio.vehicle, BLE_TELL_READ, &said))
        handset_radio_leave(p);
}

/* Its bond encrypts the link before the channel opens. */
static void on_up(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    struct approach_bond bond;
    struct ble_said said = {.level = 0};
    r->bonded = !r->pairs && !r->distrusts && phone_attack_uses_bond(p) &&
                handset_radio_bond_get(p, r->key, &bond) == ERR_OK;
    if (!r->bonded) {
        read_spsm(p);
        return;
    }
    memcpy(said.confirm, bond.ltk, sizeof bond.ltk);
    OPENSSL_cleanse(&bond, sizeof bond);
    handset_radio_enter(p, RADIO_ENCRYPTING);
    enum err e = handset_radio_tell(p, r->vehicle, BLE_TELL_ENCRYPT, &said);
    OPENSSL_cleanse(&said, sizeof said);
    if (e)
        handset_radio_leave(p);
}

static void on_value(struct phone *p, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    struct ble_said out = {.number = MTU};
    if (r->state != RADIO_READING)
        return;
    if (said->value_len != 2) {
        handset_radio_leave(p);
        return;
    }
    r->spsm = out.spsm = (uint16_t)(said->value[0] << 8 | said->value[1]);
    handset_radio_enter(p, RADIO_OPENING);
    if (handset_radio_tell(p, r->vehicle, BLE_TELL_OPEN, &out))
        handset_radio_leave(p);
}

static void on_encrypted(struct phone *p, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    if (r->state == RADIO_CONNECTED) {
        handset_radio_do(p, approach_encrypted(&r->approach.both, said->level, said->number));
        return;
    }
    if (r->state != RADIO_ENCRYPTING || approach_check_security(said->level, said->number)) {
        handset_radio_leave(p);
        return;
    }
    read_spsm(p);
}

static void on_auth_failed(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    if (r->state == RADIO_CONNECTED) {
        handset_radio_do(p, approach_failed(&r->approach.both));
        return;
    }
    /* the bond stays until another takes its place: anybody may say so over the air */
    r->distrusts = true;
    env_trace_reason(p->env, TRACE_FAIL, "OP-06/3", NULL, ERR_DK_BOND, 0,
                     "the vehicle does not know the bond");
    hang_up(p); /* the next approach is another, and may come soon */
}

/* Both have a bond, and not the same: one end could not store the last one. */
static void on_down(struct phone *p, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    const bool lost = said->reason == REASON_LOST || said->reason == REASON_NOBODY;
    r->refused |= !lost && said->reason != REASON_OWN;
    if (said->reason == REASON_LOST) /* it has gone away */
        handset_patience_forget(p, vehicle_of(r));
    if (r->state == RADIO_ENCRYPTING && said->reason == REASON_MIC) {
        r->distrusts = true;
        r->refused = false;
        env_trace_reason(p->env, TRACE_FAIL, "OP-06/3", NULL, ERR_DK_BOND, 0, "the vehicle has another bond");
    }
    handset_radio_down(p);
}

void handset_radio_on_news(struct phone *p, const char *address, const char *news)
{
    struct phone_radio *r = &p->radio;
    enum ble_news verb;
    struct ble_said said;
    if (r->state == RADIO_OFF || ble_news_read(news, &verb, &said))
        return;
    bool ours = !*address || verb == BLE_NEWS_HEARD || strcmp(address, r->vehicle) == 0;
    if (ours)
        switch (verb) {
        case BLE_NEWS_HEARD:
            on_heard(p, address, &said);
            break;
        case BLE_NEWS_UP:
            on_up(p);
            break;
        case BLE_NEWS_DOWN:
            on_down(p, &said);
            break;
        case BLE_NEWS_VALUE:
            on_value(p, &said);
            break;
        case BLE_NEWS_CHANNEL:
            handset_radio_channel(p);
            break;
        case BLE_NEWS_ENCRYPTED:
            on_encrypted(p, &said);
            break;
        case BLE_NEWS_AUTH_FAILED:
            on_auth_failed(p);
            break;
        case BLE_NEWS_NO_VALUE:
        case BLE_NEWS_NO_CHANNEL:
        case BLE_NEWS_CHANNEL_CLOSED:
            handset_radio_leave(p);
            break;
        default:
            handset_radio_keys(p, verb, &said);
        }
    OPENSSL_cleanse(&said, sizeof said);
}
