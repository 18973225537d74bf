#include "lib/ccc/records/vehicle_record.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdalign.h>
#include <string.h>

#include "lib/ccc/records/body.h"
#include "lib/pki/x509.h"
#include "proto/vehicle_records.pb-c.h"

#define ARENA 2048 /* the longest body once more, and protobuf-c's structures */

#define LONGEST                                                                                         \
    (ENVELOPE_HEADER + P256_POINT + (1 + MAILBOX_SLOTS) * ENDPOINT_SLOT_MAX + TRANSACTION_KPERSISTENT + \
     3 * CCC_KEY)
#define TAGS_AND_NUMBERS 110 /* tags, lengths, numbers */
_Static_assert(LONGEST + TAGS_AND_NUMBERS <= VEHICLE_RECORD_MAX, "VEHICLE_RECORD_MAX is enough");

/* Numbers are stored as they are. */
_Static_assert((int)DK__V1__VEHICLE_KEY_RECORD__ROLE__ROLE_OWNER == VEHICLE_KEY_OWNER &&
                   (int)DK__V1__VEHICLE_KEY_RECORD__STATE__STATE_PENDING == VEHICLE_KEY_PENDING &&
                   (int)DK__V1__VEHICLE_KEY_RECORD__STATE__STATE_ACTIVE == VEHICLE_KEY_ACTIVE &&
                   (int)DK__V1__VEHICLE_KEY_RECORD__STATE__STATE_SUSPENDED == VEHICLE_KEY_SUSPENDED &&
                   (int)DK__V1__VEHICLE_KEY_RECORD__STATE__STATE_TERMINATED == VEHICLE_KEY_TERMINATED,
               "roles and states of a key have the form's numbers");

/* ---- names ---- */

void vehicle_record_name(const uint8_t key_id[ENDPOINT_KEY_ID], char out[VEHICLE_RECORD_NAME_MAX])
{
    assert(key_id && out);
    memcpy(out, VEHICLE_RECORD_PREFIX, sizeof VEHICLE_RECORD_PREFIX - 1);
    hex_encode(key_id, ENDPOINT_KEY_ID, out + sizeof VEHICLE_RECORD_PREFIX - 1);
}

enum err vehicle_record_parse_name(const char *name, uint8_t key_id[ENDPOINT_KEY_ID])
{
    assert(name && key_id);
    const size_t prefix = sizeof VEHICLE_RECORD_PREFIX - 1;
    char again[VEHICLE_RECORD_NAME_MAX];
    uint8_t id[ENDPOINT_KEY_ID];
    if (strnlen(name, sizeof again) != sizeof again - 1 ||
        hex_decode(name + prefix, sizeof again - 1 - prefix, id, sizeof id) != sizeof id)
        return ERR_NOT_FOUND;
    vehicle_record_name(id, again);
    if (strcmp(again, name) != 0)
        return ERR_NOT_FOUND;
    memcpy(key_id, id, sizeof id);
    return ERR_OK;
}

/* ---- what a record may be ---- */

static bool state_sound(const struct vehicle_key *k)
{
    /* only what was active is ever suspended */
    return k->role == VEHICLE_KEY_OWNER && k->state >= VEHICLE_KEY_PENDING &&
           k->state <= VEHICLE_KEY_TERMINATED && (k->state != VEHICLE_KEY_PENDING || k->suspended_s == 0);
}

/* The sizes of the mailboxes are the device's matter: here they are at most the largest. */
static bool slots_sound(const struct vehicle_key *k)
{
    if (k->slot.len > ENDPOINT_SLOT_MAX ||
        mailbox_map_check(&k->map, k->slot.len, MAILBOX_PRIVATE_MAX, MAILBOX_CONFIDENTIAL_MAX))
        return false;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        if (k->offered & 1u << i && k->offers[i].len != k->slot.len)
            return false;
    return k->map.token_len || !k->tokens_by_vehicle;
}

static bool sound(const struct vehicle_key *k)
{
    bool reversed = k->not_before_s && k->not_after_s && k->not_after_s <= k->not_before_s;
    return state_sound(k) && slots_sound(k) && !(k->options_2 & ENDPOINT_RESERVED) && !reversed;
}

static bool key_id_sound(struct crypto *c, const struct vehicle_key *k)
{
    uint8_t id[ENDPOINT_KEY_ID];
    x509_key_id(c, k->device_pk, id);
    return memcmp(id, k->key_id, sizeof id) == 0;
}

static void put_owner(const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID], const uint8_t key_id[ENDPOINT_KEY_ID],
                      uint8_t owner[ENVELOPE_OWNER])
{
    memcpy(owner, vehicle_id, TRANSACTION_VEHICLE_ID);
    memcpy(owner + TRANSACTION_VEHICLE_ID, key_id, ENVELOPE_OWNER - TRANSACTION_VEHICLE_ID);
}

/* ---- writing ---- */

/* A message with all its parts; borrows from the record. */
struct record_message {
    Dk__V1__VehicleKeyRecord record;
    Dk__V1__KeyRecord__Map map;
    ProtobufCBinaryData offers[MAILBOX_SLOTS];
};

static void put_offers(const struct vehicle_key *k, struct record_message *m)
{
    m->record.offers = m->offers;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++) {
        bool given = k->offered & 1u << i;
        m->offers[i] = body_bytes(k->offers[i].b, given ? k->offers[i].len : 0);
        if (given)
            m->record.n_offers = i + 1;
    }
}

static void put_keys(const struct vehicle_key *k, Dk__V1__VehicleKeyRecord *r)
{
    bool fast = k->has_kpersistent && k->state != VEHICLE_KEY_TERMINATED;
    r->device_pk = body_bytes(k->device_pk, sizeof k->device_pk);
    r->kpersistent = body_bytes(k->kpersistent, fast ? sizeof k->kpersistent : 0);
    r->long_term_shared_secret = body_bytes(k->long_term_shared_secret, CCC_KEY);
    r->kble_intro = body_bytes(k->kble_intro, CCC_KEY);
    r->kble_oob_master = body_bytes(k->kble_oob_master, CCC_KEY);
}

static void put_record(const struct vehicle_key *k, struct record_message *m)
{
    Dk__V1__VehicleKeyRecord *r = &m->record;
    *r = (Dk__V1__VehicleKeyRecord)DK__V1__VEHICLE_KEY_RECORD__INIT;
    r->role = (Dk__V1__VehicleKeyRecord__Role)k->role;
    r->state = (Dk__V1__VehicleKeyRecord__State)k->state;
    r->slot = body_bytes(k->slot.b, k->slot.len);
    r->options_1 = k->options_1;
    r->options_2 = k->options_2;
    r->not_before_s = k->not_before_s;
    r->not_after_s = k->not_after_s;
    r->suspended_s = k->suspended_s;
    body_map_of(&k->map, &m->map);
    r->map = &m->map;
    r->tokens_by_vehicle = k->tokens_by_vehicle;
    put_offers(k, m);
    r->attested = k->attested;
    r->tracked = k->tracked;
    put_keys(k, r);
}

enum err vehicle_record_save(struct crypto *c, const struct vehicle_key *k, uint8_t *out, size_t cap,
                             size_t *len)
{
    assert(c && k && (out || cap == 0) && len);
    assert(sound(k) && key_id_sound(c, k));
    struct envelope envelope = {.kind = ENVELOPE_VEHICLE_KEY, .version = VEHICLE_RECORD_VERSION};
    struct record_message m;
    put_owner(k->vehicle_id, k->key_id, envelope.owner);
    put_record(k, &m);
    return body_seal(c, &envelope, &m.record.base, out, cap, len);
}

/* ---- reading ---- */

static bool read_offers(const Dk__V1__VehicleKeyRecord *m, struct vehicle_key *k)
{
    if (m->n_offers > MAILBOX_SLOTS)
        return false;
    for (size_t i = 0; i < m->n_offers; i++) {
        if (m->offers[i].len == 0)
            continue;
        if (slot_id_parse(span_of(m->offers[i].data, m->offers[i].len), &k->offers[i]))
            return false;
        k->offered |= (uint8_t)(1u << i);
    }
    return true;
}

static bool read_keys(const Dk__V1__VehicleKeyRecord *m, struct vehicle_key *k)
{
    return body_read_exact(&m->device_pk, k->device_pk, sizeof k->device_pk) &&
           body_read_optional(&m->kpersistent, k->kpersistent, sizeof k->kpersistent, &k->has_kpersistent) &&
           body_read_exact(&m->long_term_shared_secret, k->long_term_shared_secret, CCC_KEY) &&
           body_read_exact(&m->kble_intro, k->kble_intro, CCC_KEY) &&
           body_read_exact(&m->kble_oob_master, k->kble_oob_master, CCC_KEY);
}

static bool read_message(const Dk__V1__VehicleKeyRecord *m, struct vehicle_key *k)
{
    k->role = (enum vehicle_key_role)m->role;
    k->state = (enum vehicle_key_state)m->state;
    k->not_before_s = m->not_before_s;
    k->not_after_s = m->not_after_s;
    k->suspended_s = m->suspended_s;
    k->tokens_by_vehicle = m->tokens_by_vehicle;
    k->attested = m->attested;
    k->tracked = m->tracked;
    return body_read_u8(m->options_1, &k->options_1) && body_read_u8(m->options_2, &k->options_2) &&
           slot_id_parse(span_of(m->slot.data, m->slot.len), &k->slot) == ERR_OK &&
           body_read_map(m->map, &k->map) && read_offers(m, k) && read_keys(m, k) && sound(k);
}

/* It would be saved as these very bytes. */
static bool saved_as(const struct vehicle_key *k, struct span body)
{
    struct record_message m;
    put_record(k, &m);
    return body_is(&m.record.base, body);
}

/* On an error k may be open. */
static enum err read_record(struct crypto *c, struct span body, struct vehicle_key *k)
{
    alignas(16) uint8_t memory[ARENA];
    struct body_arena arena;
    enum err e = ERR_RECORD_TORN;
    body_arena_open(&arena, memory, sizeof memory);
    const ProtobufCMessage *unpacked = body_unpack(&arena, &dk__v1__vehicle_key_record__descriptor, body);
    const Dk__V1__VehicleKeyRecord *m = (const Dk__V1__VehicleKeyRecord *)unpacked;
    if (m && read_message(m, k))
        e = body_reason(vehicle_key_open(c, k));
    if (!e && !saved_as(k, body))
        e = ERR_RECORD_TORN;
    body_arena_wipe(&arena);
    return e;
}

/* The envelope tells the vehicle and where keyID begins, device_pk the whole of keyID. */
static enum err identify(struct crypto *c, const struct envelope *e, const uint8_t key_id[ENDPOINT_KEY_ID],
                         struct vehicle_key *k)
{
    uint8_t owner[ENVELOPE_OWNER];
    memcpy(k->vehicle_id, e->owner, sizeof k->vehicle_id);
    x509_key_id(c, k->device_pk, k->key_id);
    put_owner(k->vehicle_id, k->key_id, owner);
    if (memcmp(owner, e->owner, sizeof owner) != 0)
        return ERR_RECORD_TORN;
    return memcmp(k->key_id, key_id, sizeof k->key_id) == 0 ? ERR_OK : ERR_RECORD_FOREIGN;
}

enum err vehicle_record_load(struct crypto *c, const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID],
                             const uint8_t key_id[ENDPOINT_KEY_ID], struct span record,
                             struct vehicle_key *out)
{
    assert(c && vehicle_id && key_id && (record.p || record.len == 0) && out);
    assert(!out->role && !out->device_key);
    uint8_t owner[ENVELOPE_OWNER];
    const struct envelope_wanted wanted = {.kind = ENVELOPE_VEHICLE_KEY,
                                           .oldest = VEHICLE_RECORD_VERSION,
                                           .newest = VEHICLE_RECORD_VERSION,
                                           .owner = owner};
    struct vehicle_key k = {0};
    struct envelope envelope;
    struct span body;
    put_owner(vehicle_id, key_id, owner);
    enum err e = envelope_open(c, record, &wanted, &envelope, &body);
    if (!e)
        e = read_record(c, body, &k);
    if (!e)
        e = identify(c, &envelope, key_id, &k);
    if (!e)
        *out = k;
    else
        p256_free(k.device_key);
    OPENSSL_cleanse(&k, sizeof k);
    return e;
}
