/* What the phone's Bluetooth LE reports: a vehicle that is heard, and from the link to the open channel. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/crypto/smp.h"
#include "sim/actors/phone/handset_radio.h"
#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

#define MTU 512
/* of a link's end */
#define REASON_LOST   0x08 /* out of range */
#define REASON_OWN    0x16 /* this end has disconnected */
#define REASON_MIC    0x3D /* the keys differ */
#define REASON_NOBODY 0x3E /* to the call */

/* CCC-TS-101 19: the SPSM's characteristic; what is said while owner pairing is open */
static const struct ble_uuid spsm_uuid = {
    16, {0xD3, 0xB5, 0xA1, 0x30, 0x9E, 0x23, 0x4B, 0x3A, 0x8B, 0xE4, 0x6B, 0x1E, 0xE5, 0xF9, 0x80, 0xA3}};
static const uint8_t pairing_ad[] = {0x03, 0x03, 0xF5, 0xFF};

static const struct ble_said nothing;

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
    handset_radio_hang_up(p); /* the next approach is another, and may come soon */
}

/* Both have a bond, and not the same: one end could not store the last one. */
static void on_down(struct phone *p, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    const bool lost = said->reason == REASON_LOST || said->reason == REASON_NOBODY;
    r->refused |= !lost && said->reason != REASON_OWN;
    if (said->reason == REASON_LOST) /* it has gone away */
        handset_patience_forget(p, handset_radio_vehicle(r));
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
