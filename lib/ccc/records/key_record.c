/* The record of a key: the applet's half and the framework's. */
#include <assert.h>
#include <openssl/crypto.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/records/body.h"
#include "lib/ccc/records/dk_records.h"

#define ARENA 12288 /* the longest body once more, and protobuf-c's structures */

/* Everything that has no bound of its own in the form. */
#define LONGEST                                                                                            \
    (ENVELOPE_HEADER + 2 * X509_MAX + MAILBOX_PRIVATE_MAX + MAILBOX_CONFIDENTIAL_MAX + DK_OPAQUE_MAX +     \
     2 * ATTESTATION_LONG + 2 * X509_CN_MAX + 4 * P256_POINT + 2 * P256_SCALAR + TRANSACTION_KPERSISTENT + \
     5 * CCC_KEY)
#define TAGS_AND_NUMBERS 400 /* tags, lengths, and what is shorter than 17 bytes */
_Static_assert(LONGEST + TAGS_AND_NUMBERS <= DK_RECORD_KEY_MAX, "DK_RECORD_KEY_MAX is enough");

/* Numbers are stored as they are. */
_Static_assert((int)DK__V1__KEY_RECORD__STATE__STATE_ACTIVE == APPLET_KEY_ACTIVE &&
                   (int)DK__V1__KEY_RECORD__STATE__STATE_TERMINATED == APPLET_KEY_TERMINATED &&
                   (int)DK__V1__KEY_RECORD__STATE__STATE_SUSPENDED == APPLET_KEY_SUSPENDED,
               "states of a key have the form's numbers");

void dk_record_key_name(unsigned index, char out[DK_RECORD_NAME_MAX])
{
    assert(index < APPLET_KEYS && out);
    snprintf(out, DK_RECORD_NAME_MAX, DK_RECORD_KEY_PREFIX "%u", index);
}

/* ---- writing ---- */

/* A message with all its parts. Secret. */
struct key_message {
    Dk__V1__KeyRecord record;
    Dk__V1__KeyRecord__Creation creation;
    Dk__V1__KeyRecord__Map map;
    Dk__V1__KeyRecord__Part auth1_confidential, auth1_private;
    struct body_key device_key, encryption_key;
    uint32_t vehicle_versions[OP_VERSIONS];
};

static void put_creation(const struct endpoint_creation *e, Dk__V1__KeyRecord__Creation *m)
{
    *m = (Dk__V1__KeyRecord__Creation)DK__V1__KEY_RECORD__CREATION__INIT;
    m->vehicle_id = body_bytes(e->vehicle_id, sizeof e->vehicle_id);
    m->options_1 = e->options_1;
    m->options_2 = e->options_2;
    m->version = e->version;
    m->vehicle_pk = body_bytes(e->vehicle_pk, sizeof e->vehicle_pk);
    m->not_before_s = e->not_before_s;
    m->not_after_s = e->not_after_s;
    m->authorized_pk = body_bytes(e->authorized_pk, sizeof e->authorized_pk);
    m->slot = body_bytes(e->slot.b, e->slot.len);
}

static void put_part(const struct mailbox_part *part, Dk__V1__KeyRecord__Part *m)
{
    *m = (Dk__V1__KeyRecord__Part)DK__V1__KEY_RECORD__PART__INIT;
    m->offset = part->offset;
    m->len = part->len;
}

/* Digital key structure. */
static void put_key(const struct digital_key *k, struct key_message *m)
{
    Dk__V1__KeyRecord *r = &m->record;
    r->state = (Dk__V1__KeyRecord__State)k->state;
    put_creation(&k->creation, &m->creation);
    r->creation = &m->creation;
    r->endpoint_id = body_text(k->endpoint_id);
    r->instance_ca_id = body_text(k->instance_ca_id);
    body_key_with_public(k->device_key, k->device_pk, &m->device_key);
    body_key_of(k->encryption_key, &m->encryption_key);
    r->device_key = &m->device_key.pair;
    r->encryption_key = &m->encryption_key.pair;
    r->certificate = body_bytes(k->certificate, k->certificate_len);
    r->private_mailbox = body_bytes(k->mailboxes.private_area, k->mailboxes.private_size);
    r->confidential_mailbox = body_bytes(k->mailboxes.confidential_area, k->mailboxes.confidential_size);
    put_part(&k->auth1_confidential, &m->auth1_confidential);
    put_part(&k->auth1_private, &m->auth1_private);
    r->auth1_confidential = &m->auth1_confidential;
    r->auth1_private = &m->auth1_private;
    bool fast = k->has_kpersistent && k->state != APPLET_KEY_TERMINATED;
    r->kpersistent = body_bytes(k->kpersistent, fast ? sizeof k->kpersistent : 0);
}

static void put_owned(const struct dk_owned *o, struct key_message *m)
{
    Dk__V1__KeyRecord *r = &m->record;
    body_map_of(&o->map, &m->map);
    r->map = &m->map;
    r->long_term_shared_secret = body_bytes(o->long_term_shared_secret, CCC_KEY);
    r->kble_intro = body_bytes(o->kble_intro, CCC_KEY);
    r->kble_oob_master = body_bytes(o->kble_oob_master, CCC_KEY);
    r->kble_oob = body_bytes(o->kble_oob, o->has_kble_oob ? CCC_KEY : 0);
    r->irk = body_bytes(o->irk, sizeof o->irk);
    r->ble_address = body_bytes(o->ble_address, sizeof o->ble_address);
    r->n_vehicle_versions = body_versions(&o->vehicle_versions, m->vehicle_versions);
    r->vehicle_versions = m->vehicle_versions;
    r->vehicle_certificate = body_bytes(o->vehicle_certificate, o->vehicle_certificate_len);
    r->attestation = body_bytes(o->attestation, o->attestation_len);
    r->waiting = body_bytes(o->waiting, o->waiting_len);
    r->termination = body_bytes(o->termination, o->termination_len);
}

/* m borrows from k and o. */
static void put_record(const struct digital_key *k, const struct dk_owned *o, struct key_message *m)
{
    m->record = (Dk__V1__KeyRecord)DK__V1__KEY_RECORD__INIT;
    put_key(k, m);
    put_owned(o, m);
}

static struct envelope envelope_of(const struct dk_device *d, unsigned index)
{
    struct envelope e = {.kind = ENVELOPE_PHONE_KEY, .version = DK_RECORD_VERSION, .entry = (uint8_t)index};
    _Static_assert(sizeof e.owner == sizeof d->id, "the owner of a record is the device's id");
    memcpy(e.owner, d->id, sizeof e.owner);
    return e;
}

enum err dk_record_save_key(const struct dk_device *d, unsigned index, uint8_t *out, size_t cap, size_t *len)
{
    assert(d && d->applet && index < APPLET_KEYS && (out || cap == 0) && len);
    const struct digital_key *k = &d->applet->keys[index];
    const struct envelope envelope = envelope_of(d, index);
    struct key_message m;
    assert(k->state != APPLET_KEY_NONE && d->owned[index].paired);
    put_record(k, &d->owned[index], &m);
    enum err e = body_seal(d->crypto, &envelope, &m.record.base, out, cap, len);
    OPENSSL_cleanse(&m, sizeof m);
    return e;
}

/* ---- reading ---- */

static bool read_creation(const Dk__V1__KeyRecord__Creation *m, struct endpoint_creation *e)
{
    if (!m)
        return false;
    e->not_before_s = m->not_before_s;
    e->not_after_s = m->not_after_s;
    return body_read_exact(&m->vehicle_id, e->vehicle_id, sizeof e->vehicle_id) &&
           body_read_u8(m->options_1, &e->options_1) && body_read_u8(m->options_2, &e->options_2) &&
           !(e->options_2 & ENDPOINT_RESERVED) && body_read_u16(m->version, &e->version) &&
           body_read_exact(&m->vehicle_pk, e->vehicle_pk, sizeof e->vehicle_pk) &&
           body_read_exact(&m->authorized_pk, e->authorized_pk, sizeof e->authorized_pk) &&
           !(e->not_before_s && e->not_after_s && e->not_after_s <= e->not_before_s) &&
           slot_id_parse(span_of(m->slot.data, m->slot.len), &e->slot) == ERR_OK;
}

static bool read_part(const Dk__V1__KeyRecord__Part *m, struct mailbox_part *part)
{
    return m && body_read_u16(m->offset, &part->offset) && body_read_u8(m->len, &part->len);
}

/* As long as the vehicle asked for. */
static bool read_mailboxes(const Dk__V1__KeyRecord *m, struct digital_key *k)
{
    struct mailboxes *b = &k->mailboxes;
    size_t private_size, confidential_size;
    if (!body_read_up_to(&m->private_mailbox, b->private_area, sizeof b->private_area, &private_size) ||
        !body_read_up_to(&m->confidential_mailbox, b->confidential_area, sizeof b->confidential_area,
                         &confidential_size))
        return false;
    k->creation.private_size = b->private_size = (uint16_t)private_size;
    k->creation.confidential_size = b->confidential_size = (uint16_t)confidential_size;
    return true;
}

static bool state_known(const struct digital_key *k)
{
    return k->state == APPLET_KEY_ACTIVE || k->state == APPLET_KEY_SUSPENDED ||
           (k->state == APPLET_KEY_TERMINATED && !k->has_kpersistent);
}

static bool read_digital_key(const Dk__V1__KeyRecord *m, struct digital_key *k)
{
    k->state = (enum applet_key_state)m->state;
    return read_creation(m->creation, &k->creation) &&
           body_read_text(m->endpoint_id, k->endpoint_id, sizeof k->endpoint_id) &&
           body_read_text(m->instance_ca_id, k->instance_ca_id, sizeof k->instance_ca_id) && m->device_key &&
           body_read_exact(&m->device_key->public_, k->device_pk, sizeof k->device_pk) &&
           body_read_up_to(&m->certificate, k->certificate, sizeof k->certificate, &k->certificate_len) &&
           read_mailboxes(m, k) && read_part(m->auth1_confidential, &k->auth1_confidential) &&
           read_part(m->auth1_private, &k->auth1_private) &&
           applet_check_setup(&k->creation, &k->auth1_confidential, &k->auth1_private) == ERR_OK &&
           body_read_optional(&m->kpersistent, k->kpersistent, sizeof k->kpersistent, &k->has_kpersistent) &&
           state_known(k);
}

static bool read_owned(const Dk__V1__KeyRecord *m, const struct digital_key *k, struct dk_owned *o)
{
    o->paired = true;
    return body_read_map(m->map, &o->map) &&
           mailbox_map_check(&o->map, k->creation.slot.len, k->mailboxes.private_size,
                             k->mailboxes.confidential_size) == ERR_OK &&
           body_read_exact(&m->long_term_shared_secret, o->long_term_shared_secret, CCC_KEY) &&
           body_read_exact(&m->kble_intro, o->kble_intro, CCC_KEY) &&
           body_read_exact(&m->kble_oob_master, o->kble_oob_master, CCC_KEY) &&
           body_read_optional(&m->kble_oob, o->kble_oob, CCC_KEY, &o->has_kble_oob) &&
           body_read_exact(&m->irk, o->irk, sizeof o->irk) &&
           body_read_exact(&m->ble_address, o->ble_address, sizeof o->ble_address) &&
           body_read_versions(m->n_vehicle_versions, m->vehicle_versions, &o->vehicle_versions) &&
           body_read_up_to(&m->vehicle_certificate, o->vehicle_certificate, sizeof o->vehicle_certificate,
                           &o->vehicle_certificate_len) &&
           body_read_up_to(&m->attestation, o->attestation, sizeof o->attestation, &o->attestation_len) &&
           body_read_up_to(&m->waiting, o->waiting, sizeof o->waiting, &o->waiting_len) &&
           body_read_up_to(&m->termination, o->termination, sizeof o->termination, &o->termination_len);
}

/* [H] is this key's, [K] this vehicle's. Who signed them was checked when they came. */
static bool certified(const struct digital_key *k, const struct dk_owned *o)
{
    struct x509 x;
    if (x509_parse(span_of(k->certificate, k->certificate_len), &x) ||
        memcmp(x.public_key, k->device_pk, P256_POINT) != 0 || strcmp(x.subject, k->endpoint_id) != 0 ||
        strcmp(x.issuer, k->instance_ca_id) != 0)
        return false;
    return x509_parse(span_of(o->vehicle_certificate, o->vehicle_certificate_len), &x) == ERR_OK &&
           memcmp(x.public_key, k->creation.vehicle_pk, P256_POINT) == 0;
}

static enum err make_keys(struct crypto *c, const Dk__V1__KeyRecord *m, struct digital_key *k)
{
    enum err e = body_read_key(c, m->device_key, &k->device_key);
    if (!e)
        e = body_read_key(c, m->encryption_key, &k->encryption_key);
    if (!e)
        e = body_reason(p256_from_public(c, k->creation.vehicle_pk, &k->vehicle_key));
    if (!e)
        e = body_reason(p256_check_point(c, k->creation.authorized_pk));
    x509_key_id(c, k->device_pk, k->key_id);
    return e;
}

/* It would be saved as these very bytes. */
static bool saved_as(const struct digital_key *k, const struct dk_owned *o, struct span body)
{
    struct key_message m;
    put_record(k, o, &m);
    bool same = body_is(&m.record.base, body);
    OPENSSL_cleanse(&m, sizeof m);
    return same;
}

/* On an error k may hold keys. */
static enum err read_record(struct crypto *c, struct span body, struct digital_key *k, struct dk_owned *o)
{
    alignas(16) uint8_t memory[ARENA];
    struct body_arena arena;
    enum err e = ERR_RECORD_TORN;
    body_arena_open(&arena, memory, sizeof memory);
    const ProtobufCMessage *unpacked = body_unpack(&arena, &dk__v1__key_record__descriptor, body);
    const Dk__V1__KeyRecord *m = (const Dk__V1__KeyRecord *)unpacked;
    if (m && read_digital_key(m, k) && read_owned(m, k, o) && certified(k, o))
        e = make_keys(c, m, k);
    if (!e && !saved_as(k, o, body))
        e = ERR_RECORD_TORN;
    body_arena_wipe(&arena);
    return e;
}

/* A vehicle has one key in a phone: 10/02 stores the newer and erases the older together. */
static bool vehicle_has_key(const struct applet *a, const struct digital_key *k)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (a->keys[i].state != APPLET_KEY_NONE &&
            memcmp(a->keys[i].creation.vehicle_id, k->creation.vehicle_id, TRANSACTION_VEHICLE_ID) == 0)
            return true;
    return false;
}

enum err dk_record_load_key(struct dk_device *d, unsigned index, struct span record)
{
    assert(d && d->applet && index < APPLET_KEYS && (record.p || record.len == 0));
    const struct envelope_wanted wanted = {.kind = ENVELOPE_PHONE_KEY,
                                           .oldest = DK_RECORD_VERSION,
                                           .newest = DK_RECORD_VERSION,
                                           .entry = (uint8_t)index,
                                           .owner = d->id};
    struct digital_key k = {0}, *entry = &d->applet->keys[index];
    struct dk_owned o = {0};
    struct envelope envelope;
    struct span body;
    assert(entry->state == APPLET_KEY_NONE && !d->owned[index].paired);
    enum err e = envelope_open(d->crypto, record, &wanted, &envelope, &body);
    if (!e)
        e = read_record(d->crypto, body, &k, &o);
    if (!e && vehicle_has_key(d->applet, &k))
        e = ERR_RECORD_FOREIGN;
    if (!e) {
        *entry = k;
        d->owned[index] = o;
    } else {
        p256_free(k.device_key);
        p256_free(k.vehicle_key);
        p256_free(k.encryption_key);
    }
    OPENSSL_cleanse(&k, sizeof k);
    OPENSSL_cleanse(&o, sizeof o);
    return e;
}
