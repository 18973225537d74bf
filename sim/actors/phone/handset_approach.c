/* What the phone says over the open channel, and what pairing leaves in its store. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/msg/tracking.h"
#include "sim/actors/phone/handset_radio_parts.h"
#include "sim/actors/phone/phone_parts.h"

static const struct ble_said nothing;

/* ---- bonds ---- */

static void bond_name(unsigned key, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, "%s%u", PHONE_BOND, key);
}

/* With the key that it is of: a number may be another key's by now. */
struct stored_bond {
    uint8_t key_id[ENDPOINT_KEY_ID];
    struct approach_bond bond;
};

enum err handset_radio_bond_get(struct phone *p, unsigned key, struct approach_bond *out)
{
    const struct digital_key *k = handset_radio_key_at(p, key);
    struct stored_bond stored;
    char name[ENV_KEY_MAX];
    size_t len;
    bond_name(key, name);
    enum err e = env_store_get(p->env, name, &stored, sizeof stored, &len);
    if (!e && len != sizeof stored)
        e = ERR_STORE_FAILED;
    if (!e && (!k || memcmp(k->key_id, stored.key_id, sizeof stored.key_id) != 0))
        e = ERR_NOT_FOUND;
    if (!e)
        *out = stored.bond;
    OPENSSL_cleanse(&stored, sizeof stored);
    return e;
}

static enum err bond_put(struct phone *p, unsigned key, const struct approach_bond *bond)
{
    const struct digital_key *k = handset_radio_key_at(p, key);
    struct stored_bond stored = {.bond = *bond};
    char name[ENV_KEY_MAX];
    if (!k)
        return ERR_NOT_FOUND; /* it was deleted meanwhile */
    memcpy(stored.key_id, k->key_id, sizeof stored.key_id);
    bond_name(key, name);
    enum err e = env_store_put(p->env, name, span_of(&stored, sizeof stored));
    OPENSSL_cleanse(&stored, sizeof stored);
    return e ? e : env_store_commit(p->env);
}

enum err handset_radio_put_no_bond(struct phone *p, unsigned key)
{
    char name[ENV_KEY_MAX];
    bond_name(key, name);
    return env_store_delete(p->env, name);
}

/* ---- the claim ---- */

static void claim(struct phone *p, const uint8_t key_id[ENDPOINT_KEY_ID], struct span ltk)
{
    char subject[TRACKING_SUBJECT];
    tracking_subject(key_id, subject);
    env_claim(p->env, PHONE_CLAIM_BOND, subject, ltk);
}

static void claim_key(struct phone *p, unsigned index)
{
    const struct digital_key *k = handset_radio_key_at(p, index);
    struct phone_bond_claim *c = &p->radio.claimed[index];
    struct approach_bond bond;
    if (c->is && (!k || memcmp(c->key_id, k->key_id, sizeof c->key_id) != 0))
        claim(p, c->key_id, (struct span){NULL, 0});
    c->is = k && handset_radio_bond_get(p, index, &bond) == ERR_OK;
    if (!c->is)
        return;
    memcpy(c->key_id, k->key_id, sizeof c->key_id);
    claim(p, k->key_id, span_of(bond.ltk, sizeof bond.ltk));
    OPENSSL_cleanse(&bond, sizeof bond);
}

void handset_radio_claim(struct phone *p)
{
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        claim_key(p, i);
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
    p->radio.approach.both.time_sync =
        (struct time_sync){.event_count = 1, .device_us = env_now_us(p->env), .max_ppm = 50, .success = true};
}

/* An attacker's: with what it has from another link. */
static bool pair_at_once(struct phone *p)
{
    struct ble_said said = {.level = 0};
    if (!phone_attack_kept(p, said.confirm, said.key) || ble_address_read(p->radio.vehicle, &said.address))
        return false;
    p->radio.gave_oob = handset_radio_tell(p, "", BLE_TELL_OOB_OF, &said) == ERR_OK;
    handset_radio_tell(p, p->radio.vehicle, BLE_TELL_PAIR, &nothing);
    return true;
}

void handset_radio_channel(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    struct first_approach_keys keys;
    if (r->state != RADIO_OPENING)
        return;
    r->approach = (struct device_approach){.both.crypto = p->env->crypto};
    set_clock(p);
    env_trace_step(p->env, "OP-06/3", "the channel is open");
    handset_radio_enter(p, RADIO_CONNECTED);
    if (pair_at_once(p))
        return;
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
    if (phone_attack_theirs(p, said.confirm, said.key))
        p->radio.gave_oob = handset_radio_tell(p, "", BLE_TELL_OOB_OF, &said) == ERR_OK;
    OPENSSL_cleanse(&said, sizeof said);
}

static struct approach_step store_bond(struct phone *p, const struct approach_bond *bond)
{
    struct phone_radio *r = &p->radio;
    enum err e = bond_put(p, r->key, bond);
    if (!e) {
        r->distrusts = false;
        claim_key(p, r->key);
    }
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

static void do_one(struct phone *p, const struct approach_step *s)
{
    struct phone_radio *r = &p->radio;
    switch (s->what) {
    case APPROACH_SEND: {
        enum err e = env_send_bytes(p->env, PHONE_PORT_RADIO, r->vehicle, phone_attack_sdu(p, s->sdu));
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
        if (!phone_attack_puts_off(p))
            handset_radio_tell(p, r->vehicle, BLE_TELL_PAIR, &nothing);
        break;
    case APPROACH_READY:
        env_trace_step(p->env, "OP-06/6", "Time_Sync is said");
        r->ready_us = env_now_us(p->env);
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
        s = s.what == APPROACH_STORE_BOND ? store_bond(p, s.bond) : approach_proceed(&r->approach.both);
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
    phone_attack_ours(p, oob.confirm);
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
        handset_radio_do(p, approach_ltk(&r->approach.both, said->level == 3, said->number, said->key));
    else if (verb == BLE_NEWS_NEW_IRK)
        handset_radio_do(p, approach_identity(&r->approach.both, said->address.octets, said->key));
}

enum err handset_radio_want(struct phone *p)
{
    struct phone_radio *r = &p->radio;
    if (r->state != RADIO_CONNECTED || r->approach.both.state != AP_READY) {
        handset_radio_come_back(p);
        return ERR_MSG_UNEXPECTED;
    }
    handset_radio_do(p, device_approach_want(&r->approach));
    return ERR_OK;
}
