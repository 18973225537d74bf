/* The owner of the rig's phone: what is stored and derived between a command and its answer, the field, the
 * errand to the key tracking server. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/ecies.h"
#include "tests/rig_parts.h"

static struct dk_step store(struct rig *r, const struct dk_step *s)
{
    r->stores++;
    r->stored = s->change;
    enum rig_fate fate = r->fate ? r->fate(r->fate_arg, &s->change) : RIG_STORED;
    if (fate == RIG_LOST_BEFORE || fate == RIG_LOST_AFTER) {
        r->phone_died = true;
        return (struct dk_step){.what = DK_NOTHING};
    }
    bool refused = r->stores == r->store_fails_at || fate == RIG_REFUSED;
    return dk_device_stored(&r->device, refused ? ERR_STORE_FAILED : ERR_OK);
}

static bool phone_died(struct rig *r)
{
    bool died = r->phone_died;
    r->phone_died = false;
    return died;
}

static struct dk_step derive(struct rig *r, struct dk_step *s)
{
    struct dk_derived w;
    bool ok = dk_derive(r->crypto, &s->derivation, &w) == ERR_OK;
    struct dk_step next = dk_device_derived(&r->device, s->link, s->derivation.number, ok ? &w : NULL);
    OPENSSL_cleanse(&w, sizeof w);
    OPENSSL_cleanse(&s->derivation, sizeof s->derivation);
    return next;
}

struct dk_step rig_phone_finish(struct rig *r, struct dk_step s)
{
    while (s.what == DK_STORE || s.what == DK_DERIVE)
        s = s.what == DK_STORE ? store(r, &s) : derive(r, &s);
    return s;
}

enum dk_link_id rig_phone_link(const struct rig *r)
{
    return r->interface == TRANSACTION_BLE ? DK_BLE : DK_CONTACTLESS;
}

void rig_phone_input_over(struct rig *r, enum dk_link_id link, enum dk_to to, struct span apdu,
                          struct wr *answer)
{
    struct dk_step s = rig_phone_finish(r, dk_device_input(&r->device, link, to, apdu));
    if (phone_died(r))
        return;
    if (s.what != DK_ANSWER)
        abort();
    wr_copy(answer, s.answer.p, s.answer.len);
}

void rig_phone_reset_over(struct rig *r, enum dk_link_id link)
{
    if (rig_phone_finish(r, dk_device_reset(&r->device, link)).what != DK_NOTHING)
        abort();
    phone_died(r);
}

void rig_phone_reset(struct rig *r)
{
    if (r->other_reset)
        r->other_reset(r->other_arg);
    else
        rig_phone_reset_over(r, rig_phone_link(r));
}

/* Over Bluetooth LE, in DK messages of the type of the exchange under way. */
void rig_phone_input(struct rig *r, struct span apdu, struct wr *answer)
{
    uint8_t sdu[DK_MESSAGE_HEADER + APDU_COMMAND_MAX];
    struct wr w = wr_of(sdu, sizeof sdu);
    struct dk_message m;
    if (r->other_input) {
        r->other_input(r->other_arg, apdu, answer);
        return;
    }
    if (rig_phone_link(r) == DK_CONTACTLESS) {
        rig_phone_input_over(r, DK_CONTACTLESS, DK_TO_SELECTED, apdu, answer);
        return;
    }
    dk_message_put(&w, &(struct dk_message){r->ble_type, DK_APDU_RQ, apdu});
    struct dk_step s = rig_phone_finish(r, dk_device_message(&r->device, span_of(sdu, w.len)));
    if (phone_died(r))
        return;
    if (s.what != DK_ANSWER || dk_message_parse(s.answer, &m) || m.type != r->ble_type || m.id != DK_APDU_RS)
        abort();
    wr_copy(answer, m.data.p, m.data.len);
}

void rig_reset_field(struct rig *r)
{
    rig_phone_reset(r);
    if (r->device.state == DK_CREATING && !r->device.pairing.key)
        dk_device_create_key(&r->device);
}

/* ---- its keys ---- */

static struct digital_key *phone_key(struct rig *r)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].state == APPLET_KEY_ACTIVE)
            return &r->applet.keys[i];
    return NULL;
}

/* The key tracking server knows [H]. */
static bool attested_is(const struct attestation *a, const struct digital_key *k)
{
    return memcmp(a->device_pk, k->device_pk, P256_POINT) == 0 &&
           memcmp(a->key_id, k->key_id, ENDPOINT_KEY_ID) == 0 &&
           memcmp(a->vehicle_id, k->creation.vehicle_id, TRANSACTION_VEHICLE_ID) == 0 &&
           slot_id_equal(&a->slot, &k->creation.slot);
}

enum err rig_make_receipt(struct rig *r, const struct dk_device *d, const struct dk_owned *o,
                          const struct digital_key *k, uint8_t ephemeral_pk[P256_POINT],
                          uint8_t sealed[RIG_RECEIPT_MAX], size_t *len)
{
    static const char ui_bundle[] = "{\"name\":\"spaaksim One\"}";
    uint8_t vehicle_pk[P256_POINT], receiver[P256_POINT], receipt[ATTESTATION_MAX], plain[512];
    struct wr w = wr_of(receipt, sizeof receipt), p = wr_of(plain, sizeof plain);
    struct p256_key *ephemeral = NULL;
    struct attestation a;
    size_t used;
    p256_public(r->k.key, vehicle_pk);
    p256_public(d->enc_key, receiver);
    enum err e = attestation_open(r->crypto, span_of(o->attestation, o->attestation_len),
                                  ATTESTATION_OF_VEHICLE, vehicle_pk, &a, &used);
    if (!e && !attested_is(&a, k))
        e = ERR_DK_ATTESTATION;
    if (!e)
        e = attestation_make(r->crypto, &a, ATTESTATION_RECEIPT, r->kts.key, &w);
    if (!e)
        e = p256_generate(r->crypto, &ephemeral);
    if (!e) {
        p256_public(ephemeral, ephemeral_pk);
        receipt_put(&p, span_of(receipt, w.len), span_of(ui_bundle, sizeof ui_bundle - 1));
        e = ecies_seal(r->crypto, ephemeral, receiver, span_of(plain, p.len), sealed);
    }
    *len = p.len + ECIES_OVERHEAD;
    p256_free(ephemeral);
    return e;
}

/* Phone -> KTS: the attestation; KTS -> phone: the receipt, sealed. */
enum err rig_track_key(struct rig *r)
{
    struct digital_key *k = phone_key(r);
    uint8_t ephemeral_pk[P256_POINT], sealed[RIG_RECEIPT_MAX];
    size_t len = 0;
    if (!k)
        return ERR_NOT_FOUND;
    enum err e = dk_device_collect(&r->device, k);
    if (!e)
        e = rig_make_receipt(r, &r->device, dk_device_owned(&r->device, k), k, ephemeral_pk, sealed, &len);
    return e ? e : dk_device_receipt(&r->device, k, ephemeral_pk, span_of(sealed, len));
}

void rig_walk_away(struct rig *r)
{
    rig_phone_reset(r);
    dk_device_forget_password(&r->device);
}

size_t rig_phone_keys(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < APPLET_KEYS; i++)
        n += r->applet.keys[i].state != APPLET_KEY_NONE;
    return n;
}

const uint8_t *rig_phone_mailbox(const struct rig *r)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].state != APPLET_KEY_NONE)
            return r->applet.keys[i].mailboxes.private_area;
    return NULL;
}
