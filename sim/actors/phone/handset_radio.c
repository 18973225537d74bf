/* The states of the phone's Bluetooth LE. What it reports: handset_heard.c; the approach: handset_approach.c.
 */
#include "sim/actors/phone/handset_radio.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/crypto/smp.h"
#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

#define PAUSE_US    1000000 /* after a link has ended */
#define REASON_USER 0x13

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

void handset_radio_hang_up(struct phone *p)
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
    handset_radio_hang_up(p);
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
        handset_radio_hang_up(p);
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
unsigned handset_radio_vehicle(const struct phone_radio *r)
{
    return r->pairs && !r->approach.has_keys ? PHONE_RADIO_PAIRS : r->key;
}

/* OP-06/2: how the link ended decides when the phone comes back to that vehicle. */
static void judge_end(struct phone *p)
{
    const struct phone_radio *r = &p->radio;
    const unsigned vehicle = handset_radio_vehicle(r);
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
            handset_radio_hang_up(p);
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

/* ---- what took too long ---- */

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
