/* What the phone says over the open channel, and what pairing leaves in its store. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

/* ---- bonds ---- */

static void bond_name(unsigned key, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, "%s%u", PHONE_BOND, key);
}

enum err handset_radio_bond_get(struct phone *p, unsigned key, struct approach_bond *out)
{
    char name[ENV_KEY_MAX];
    size_t len;
    bond_name(key, name);
    enum err e = env_store_get(p->env, name, out, sizeof *out, &len);
    return !e && len != sizeof *out ? ERR_STORE_FAILED : e;
}

static enum err bond_put(struct phone *p, unsigned key, const struct approach_bond *bond)
{
    char name[ENV_KEY_MAX];
    bond_name(key, name);
    enum err e = env_store_put(p->env, name, span_of(bond, sizeof *bond));
    return e ? e : env_store_commit(p->env);
}

/* ---- the beginning ---- */

static enum err keys_of(struct phone *p, unsigned index, struct first_approach_keys *out)
{
    const struct dk_owned *o = &p->handset.device.owned[index];
    const struct digital_key *k = handset_radio_key_at(p, index);
    if (!k)
        return ERR_NOT_FOUND;
    const struct slot_id *slot = &k->creation.slot;
    return first_approach_keys_make(p->env->crypto, o->kble_intro, o->kble_oob_master,
                                    span_of(slot->b, slot->len), out);
}

static void set_clock(struct phone *p)
{
    p->radio.approach.time_sync =
        (struct time_sync){.event_count = 1, .device_us = env_now_us(p->env), .max_ppm = 50, .success = true};
}

void handset_radio_channel(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    struct first_approach_keys keys;
    if (r->state != RADIO_OPENING)
        return;
    r->approach = (struct device_approach){.crypto = p->env->crypto};
    set_clock(p);
    env_trace_step(p->env, "OP-06/3", "the channel is open");
    handset_radio_enter(p, RADIO_CONNECTED);
    if (r->pairs) {
        handset_radio_do(p, device_approach_begin_pairing(&r->approach));
    } else if (r->bonded) { /* handset_radio.c has looked at the link's security */
        handset_radio_do(p, device_approach_begin_bonded(&r->approach, APPROACH_LEVEL, APPROACH_KEY));
    } else if (keys_of(p, r->key, &keys) == ERR_OK) {
        handset_radio_do(p, device_approach_begin(&r->approach, &keys));
        OPENSSL_cleanse(&keys, sizeof keys);
    } else {
        handset_radio_leave(p);
    }
}

/* ---- steps ---- */

static void add_oob(struct phone *p, const struct approach_oob *oob)
{
    struct ble_said said = {.level = 0};
    if (ble_address_read(p->radio.vehicle, &said.address))
        return;
    memcpy(said.confirm, oob->confirm, sizeof oob->confirm);
    memcpy(said.key, oob->random, sizeof oob->random);
    handset_radio_tell(p, "", BLE_TELL_OOB_OF, &said);
    OPENSSL_cleanse(&said, sizeof said);
}

static struct approach_step store_bond(struct phone *p, const struct approach_bond *bond)
{
    struct phone_radio *r = &p->radio;
    enum err e = bond_put(p, r->key, bond);
    if (!e)
        r->distrusts = false;
    return device_approach_stored(&r->approach, e);
}

/* Bit i: key i may approach its vehicle. */
static unsigned paired(const struct phone *p)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        bits |= handset_radio_key_at(p, i) ? 1u << i : 0;
    return bits;
}

/* The pairing over this link has made a key: its first approach follows. */
static void use_new_key(struct phone *p, unsigned before)
{
    struct phone_radio *r = &p->radio;
    struct first_approach_keys keys;
    for (unsigned i = 0; r->pairs && i < APPLET_KEYS; i++)
        if ((paired(p) & ~before) >> i & 1 && keys_of(p, i, &keys) == ERR_OK) {
            r->key = i;
            r->wants_pairing = false;
            device_approach_use(&r->approach, &keys);
            OPENSSL_cleanse(&keys, sizeof keys);
        }
}

static void hand_on(struct phone *p, struct span sdu)
{
    const unsigned before = paired(p);
    struct handset_turn t;
    if (handset_begin(p, &t))
        handset_end(p, &t, dk_device_message(&p->handset.device, sdu));
    use_new_key(p, before);
}

static const struct ble_said nothing;

static void do_one(struct phone *p, const struct approach_step *s)
{
    struct phone_radio *r = &p->radio;
    switch (s->what) {
    case APPROACH_SEND: {
        enum err e = env_send_bytes(p->env, PHONE_PORT_RADIO, r->vehicle, s->sdu);
        if (e)
            env_trace_reason(p->env, TRACE_DROP, NULL, NULL, e, (uint32_t)s->sdu.len, NULL);
        break;
    }
    case APPROACH_READ_OOB:
        env_trace_step(p->env, "OP-06/4", "first approach");
        handset_radio_tell(p, "", BLE_TELL_OOB, &nothing);
        break;
    case APPROACH_ADD_OOB:
        add_oob(p, s->oob);
        break;
    case APPROACH_PAIR:
        env_trace_step(p->env, "OP-06/5", "pairs out of band");
        handset_radio_tell(p, r->vehicle, BLE_TELL_PAIR, &nothing);
        break;
    case APPROACH_READY:
        env_trace_step(p->env, "OP-06/6", "Time_Sync is said");
        break;
    case APPROACH_REFUSED:
        env_trace_reason(p->env, TRACE_REJECT, NULL, NULL, s->reason, 0, "over Bluetooth");
        break;
    default:
        break;
    }
}

void handset_radio_do(struct phone *p, struct approach_step s)
{
    struct phone_radio *r = &p->radio;
    while (s.what != APPROACH_WAIT) {
        if (s.what == APPROACH_OVER) {
            if (s.reason)
                env_trace_reason(p->env, TRACE_FAIL, NULL, NULL, s.reason, 0, "the approach has ended");
            handset_radio_leave(p);
            return;
        }
        do_one(p, &s);
        s = s.what == APPROACH_STORE_BOND ? store_bond(p, s.bond) : device_approach_proceed(&r->approach);
    }
    if (r->state == RADIO_CONNECTED)
        handset_radio_enter(p, RADIO_CONNECTED);
}

/* ---- what comes ---- */

void handset_radio_on_bytes(struct phone *p, struct span sdu)
{
    struct phone_radio *r = &p->radio;
    if (r->state != RADIO_CONNECTED)
        return;
    struct approach_step s = device_approach_input(&r->approach, sdu);
    if (s.what == APPROACH_APDU)
        hand_on(p, sdu);
    else
        handset_radio_do(p, s);
}

void handset_radio_answer(struct phone *p, struct span message)
{
    enum err e = env_send_bytes(p->env, PHONE_PORT_RADIO, p->radio.vehicle, message);
    if (e) /* the link went while it was made */
        env_trace_reason(p->env, TRACE_DROP, NULL, NULL, e, (uint32_t)message.len, NULL);
}

static void on_own_oob(struct phone *p, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    struct radio_identity own;
    struct approach_oob oob;
    bool known = handset_radio_identity(p, &own) == ERR_OK;
    memcpy(oob.address, own.address, sizeof oob.address);
    memcpy(oob.confirm, said->confirm, sizeof oob.confirm);
    memcpy(oob.random, said->key, sizeof oob.random);
    handset_radio_do(p, device_approach_oob(&r->approach, known ? &oob : NULL));
    OPENSSL_cleanse(&own, sizeof own);
    OPENSSL_cleanse(&oob, sizeof oob);
}

void handset_radio_keys(struct phone *p, enum ble_news verb, const struct ble_said *said)
{
    struct phone_radio *r = &p->radio;
    if (r->state != RADIO_CONNECTED)
        return;
    if (verb == BLE_NEWS_OOB)
        on_own_oob(p, said);
    else if (verb == BLE_NEWS_NEW_LTK)
        handset_radio_do(p, device_approach_ltk(&r->approach, said->level == 3, said->number, said->key));
    else if (verb == BLE_NEWS_NEW_IRK)
        handset_radio_do(p, device_approach_identity(&r->approach, said->address.octets, said->key));
}

void handset_radio_late(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    if (r->state == RADIO_CONNECTED)
        handset_radio_do(p, device_approach_late(&r->approach));
    else
        handset_radio_look(p);
}

enum err handset_radio_want(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    if (r->state != RADIO_CONNECTED || r->approach.state != DA_READY)
        return ERR_MSG_UNEXPECTED;
    handset_radio_do(p, device_approach_want(&r->approach));
    return ERR_OK;
}
