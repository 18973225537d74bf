#include "lib/msg/tracking.h"

#include <stdio.h>
#include <string.h>

#include "lib/msg/msg.h"
#include "proto/tracking.pb-c.h"

#define VERSION 1

/* ---- bytes ---- */

static ProtobufCBinaryData borrow(struct span s)
{
    uint8_t *p; /* packing only reads it */
    memcpy(&p, &s.p, sizeof p);
    return (ProtobufCBinaryData){s.len, p};
}

static ProtobufCBinaryData fixed(const uint8_t *p, size_t len)
{
    return borrow(span_of(p, len));
}

static struct span span_from(ProtobufCBinaryData d)
{
    return span_of(d.data, d.len);
}

static bool take(ProtobufCBinaryData in, uint8_t *out, size_t len)
{
    if (in.len != len)
        return false;
    if (len)
        memcpy(out, in.data, len);
    return true;
}

static bool is_certificate(ProtobufCBinaryData d)
{
    return d.len > 0 && d.len <= X509_MAX;
}

/* ---- messages ---- */

enum err tracking_ask_write(const struct tracking_ask *a, struct wr *out)
{
    uint8_t packed[TRACKING_MESSAGE_MAX];
    Tracking__V1__TrackRequest m = TRACKING__V1__TRACK_REQUEST__INIT;
    m.protocol_version = VERSION;
    m.message_type = TRACKING__V1__MESSAGE_TYPE__TRACK_REQUEST;
    m.request_id = a->number;
    m.key_id = fixed(a->key_id, TRACKING_KEY_ID);
    m.vehicle_id = fixed(a->vehicle_id, TRACKING_VEHICLE_ID);
    m.device_oem_certificate = borrow(a->device_oem);
    m.instance_ca_certificate = borrow(a->instance_ca);
    m.endpoint_certificate = borrow(a->endpoint);
    m.attestation = borrow(a->attestation);
    m.encryption_public_key = fixed(a->encryption_pk, P256_POINT);
    m.vehicle_certificate = borrow(a->vehicle);
    if (tracking__v1__track_request__get_packed_size(&m) > sizeof packed)
        return ERR_NO_SPACE;
    wr_copy(out, packed, tracking__v1__track_request__pack(&m, packed));
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

enum err tracking_answer_write(const struct tracking_answer *a, struct wr *out)
{
    uint8_t packed[TRACKING_SEALED_MAX + 128];
    Tracking__V1__TrackResponse m = TRACKING__V1__TRACK_RESPONSE__INIT;
    m.protocol_version = VERSION;
    m.message_type = TRACKING__V1__MESSAGE_TYPE__TRACK_RESPONSE;
    m.request_id = a->number;
    m.error = (uint32_t)a->error;
    if (!a->error) {
        m.ephemeral_key = fixed(a->ephemeral, P256_POINT);
        m.sealed = borrow(a->sealed);
    }
    if (tracking__v1__track_response__get_packed_size(&m) > sizeof packed)
        return ERR_NO_SPACE;
    wr_copy(out, packed, tracking__v1__track_response__pack(&m, packed));
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

static enum err check_ask(const Tracking__V1__TrackRequest *m)
{
    if (!m || !m->request_id)
        return ERR_MSG_MALFORMED;
    if (m->protocol_version != VERSION)
        return ERR_MSG_VERSION;
    if (m->message_type != TRACKING__V1__MESSAGE_TYPE__TRACK_REQUEST ||
        !is_certificate(m->device_oem_certificate) || !is_certificate(m->instance_ca_certificate) ||
        !is_certificate(m->endpoint_certificate) || m->vehicle_certificate.len > X509_MAX ||
        !m->attestation.len || m->attestation.len > TRACKING_ATTESTATION_MAX)
        return ERR_MSG_MALFORMED;
    return ERR_OK;
}

enum err tracking_ask_read(struct span in, struct tracking_memory *memory, struct tracking_ask *out)
{
    struct msg_arena arena;
    msg_arena_init(&arena, memory->bytes, sizeof memory->bytes);
    Tracking__V1__TrackRequest *m = tracking__v1__track_request__unpack(&arena.allocator, in.len, in.p);
    struct tracking_ask a = {.number = m ? m->request_id : 0};
    enum err e = check_ask(m);
    if (e)
        return e;
    if (!take(m->key_id, a.key_id, TRACKING_KEY_ID) ||
        !take(m->vehicle_id, a.vehicle_id, TRACKING_VEHICLE_ID) ||
        !take(m->encryption_public_key, a.encryption_pk, P256_POINT))
        return ERR_MSG_MALFORMED;
    a.device_oem = span_from(m->device_oem_certificate);
    a.instance_ca = span_from(m->instance_ca_certificate);
    a.endpoint = span_from(m->endpoint_certificate);
    a.vehicle = span_from(m->vehicle_certificate);
    a.attestation = span_from(m->attestation);
    *out = a;
    return ERR_OK;
}

enum err tracking_answer_read(struct span in, struct tracking_memory *memory, struct tracking_answer *out)
{
    struct msg_arena arena;
    msg_arena_init(&arena, memory->bytes, sizeof memory->bytes);
    Tracking__V1__TrackResponse *m = tracking__v1__track_response__unpack(&arena.allocator, in.len, in.p);
    if (!m || !m->request_id)
        return ERR_MSG_MALFORMED;
    if (m->protocol_version != VERSION)
        return ERR_MSG_VERSION;
    struct tracking_answer a = {.number = m->request_id, .error = (enum err)m->error};
    a.sealed = span_from(m->sealed);
    bool good = m->error ? !m->ephemeral_key.len && !a.sealed.len
                         : take(m->ephemeral_key, a.ephemeral, P256_POINT) && a.sealed.len &&
                               a.sealed.len <= TRACKING_SEALED_MAX;
    if (!good || m->message_type != TRACKING__V1__MESSAGE_TYPE__TRACK_RESPONSE)
        return ERR_MSG_MALFORMED;
    *out = a;
    return ERR_OK;
}

/* ---- records ---- */

static void name_of(char out[ENV_KEY_MAX], const char *prefix, const uint8_t key_id[TRACKING_KEY_ID])
{
    char hex[TRACKING_KEY_TEXT];
    hex_encode(key_id, TRACKING_KEY_ID, hex);
    snprintf(out, ENV_KEY_MAX, "%s%s", prefix, hex);
}

enum err tracking_record_begin(struct env *env, const struct tracking_ask *a, struct tracking_record *out)
{
    const struct span parts[] = {span_of(a->key_id, TRACKING_KEY_ID),
                                 span_of(a->vehicle_id, TRACKING_VEHICLE_ID),
                                 span_of(a->encryption_pk, P256_POINT), a->endpoint};
    uint8_t key_id[SHA1_SIZE];
    struct x509 h;
    enum err e = x509_parse(a->endpoint, &h);
    if (e)
        return e;
    crypto_sha1(env->crypto, span_of(h.public_key, P256_POINT), key_id);
    if (memcmp(key_id, a->key_id, sizeof key_id) != 0)
        return ERR_DK_KEY_MISMATCH;
    *out = (struct tracking_record){.registered_ms = env_wall_ms(env), .state = KEY_ACTIVE};
    crypto_sha256(env->crypto, parts, sizeof parts / sizeof parts[0], out->digest);
    memcpy(out->vehicle_id, a->vehicle_id, TRACKING_VEHICLE_ID);
    memcpy(out->device_pk, h.public_key, P256_POINT);
    return ERR_OK;
}

enum err tracking_record_answer(struct tracking_record *r, const struct tracking_answer *a)
{
    if (a->sealed.len > sizeof r->sealed)
        return ERR_MSG_TOO_LONG;
    memcpy(r->ephemeral, a->ephemeral, P256_POINT);
    memcpy(r->sealed, a->sealed.p, a->sealed.len);
    r->sealed_len = a->sealed.len;
    return ERR_OK;
}

static bool take_life(const Tracking__V1__TrackedKey *m, struct tracking_record *r)
{
    int state = (int)m->state, cause = (int)m->cause;
    if (state < 0 || state >= KEY_STATES || cause < 0 || cause > UINT8_MAX ||
        m->resumption.len > sizeof r->resumption || m->slot.len > sizeof r->slot)
        return false;
    r->state = state ? (enum key_state)state : KEY_ACTIVE;
    r->cause = (uint8_t)cause;
    r->state_ms = m->state_ms;
    r->resumption_len = m->resumption.len;
    r->slot_len = m->slot.len;
    return take(m->resumption, r->resumption, m->resumption.len) && take(m->slot, r->slot, m->slot.len);
}

static enum err unpack(struct span stored, struct tracking_record *out)
{
    uint8_t memory[TRACKING_RECORD_MAX + 512];
    struct msg_arena arena;
    struct tracking_record r = {.sealed_len = 0};
    msg_arena_init(&arena, memory, sizeof memory);
    Tracking__V1__TrackedKey *m = tracking__v1__tracked_key__unpack(&arena.allocator, stored.len, stored.p);
    if (!m || !take(m->digest, r.digest, SHA256_SIZE) ||
        !take(m->vehicle_id, r.vehicle_id, TRACKING_VEHICLE_ID) ||
        !take(m->device_pk, r.device_pk, P256_POINT) || m->sealed.len > sizeof r.sealed ||
        (m->sealed.len && !take(m->ephemeral_key, r.ephemeral, P256_POINT)) || !take_life(m, &r))
        return ERR_STORE_FAILED;
    r.sealed_len = m->sealed.len;
    if (r.sealed_len)
        memcpy(r.sealed, m->sealed.data, r.sealed_len);
    r.registered_ms = m->registered_ms;
    *out = r;
    return ERR_OK;
}

enum err tracking_record_get(struct env *env, const char *prefix, const uint8_t key_id[TRACKING_KEY_ID],
                             struct tracking_record *out)
{
    char name[ENV_KEY_MAX];
    uint8_t stored[TRACKING_RECORD_MAX];
    size_t len;
    name_of(name, prefix, key_id);
    enum err e = env_store_get(env, name, stored, sizeof stored, &len);
    return e ? e : unpack(span_of(stored, len), out);
}

enum err tracking_record_put(struct env *env, const char *prefix, const uint8_t key_id[TRACKING_KEY_ID],
                             const struct tracking_record *r)
{
    char name[ENV_KEY_MAX];
    uint8_t packed[TRACKING_RECORD_MAX];
    Tracking__V1__TrackedKey m = TRACKING__V1__TRACKED_KEY__INIT;
    m.digest = fixed(r->digest, SHA256_SIZE);
    m.vehicle_id = fixed(r->vehicle_id, TRACKING_VEHICLE_ID);
    m.device_pk = fixed(r->device_pk, P256_POINT);
    if (r->sealed_len) {
        m.ephemeral_key = fixed(r->ephemeral, P256_POINT);
        m.sealed = fixed(r->sealed, r->sealed_len);
    }
    m.registered_ms = r->registered_ms;
    m.state = (Tracking__V1__KeyState)r->state;
    m.cause = (Tracking__V1__KeyCause)r->cause;
    m.state_ms = r->state_ms;
    m.resumption = fixed(r->resumption, r->resumption_len);
    m.slot = fixed(r->slot, r->slot_len);
    name_of(name, prefix, key_id);
    return env_store_put(env, name, span_of(packed, tracking__v1__tracked_key__pack(&m, packed)));
}

enum err tracking_record_find(struct env *env, const char *prefix, const struct tracking_ask *a,
                              struct tracking_record *out)
{
    struct tracking_record asked, known;
    enum err e = tracking_record_begin(env, a, &asked);
    if (!e)
        e = tracking_record_get(env, prefix, a->key_id, &known);
    if (e)
        return e;
    if (memcmp(asked.digest, known.digest, SHA256_SIZE) != 0)
        return ERR_KEY_REGISTERED;
    if (known.state == KEY_TERMINATED)
        return ERR_KEY_ENDED;
    *out = known;
    return ERR_OK;
}

struct scanning {
    struct env *env;
    void (*each)(void *ctx, const uint8_t key_id[TRACKING_KEY_ID], const struct tracking_record *r);
    void *ctx;
};

static void scan_one(void *ctx, const char *key, struct span value)
{
    const struct scanning *s = ctx;
    const char *hex = strrchr(key, '/') + 1;
    uint8_t key_id[TRACKING_KEY_ID];
    struct tracking_record r;
    if (hex_decode(hex, strlen(hex), key_id, sizeof key_id) != (long)sizeof key_id || unpack(value, &r))
        env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, ERR_STORE_FAILED, (uint32_t)value.len, key);
    else
        s->each(s->ctx, key_id, &r);
}

void tracking_record_scan(struct env *env, const char *prefix,
                          void (*each)(void *ctx, const uint8_t key_id[TRACKING_KEY_ID],
                                       const struct tracking_record *r),
                          void *ctx)
{
    struct scanning s = {env, each, ctx};
    env_store_scan(env, prefix, scan_one, &s);
}

/* ---- the claim ---- */

void tracking_subject(const uint8_t key_id[TRACKING_KEY_ID], char out[TRACKING_SUBJECT])
{
    hex_encode(key_id, TRACKING_SUBJECT / 2, out);
}

void tracking_claim(struct env *env, unsigned claim, const uint8_t key_id[TRACKING_KEY_ID],
                    const uint8_t vehicle_id[TRACKING_VEHICLE_ID], const uint8_t device_pk[P256_POINT])
{
    char subject[TRACKING_SUBJECT];
    uint8_t fact[TRACKING_VEHICLE_ID + P256_POINT];
    memcpy(fact, vehicle_id, TRACKING_VEHICLE_ID);
    memcpy(fact + TRACKING_VEHICLE_ID, device_pk, P256_POINT);
    tracking_subject(key_id, subject);
    env_claim(env, claim, subject, span_of(fact, sizeof fact));
}

void tracking_unclaim(struct env *env, unsigned claim, const uint8_t key_id[TRACKING_KEY_ID])
{
    char subject[TRACKING_SUBJECT];
    tracking_subject(key_id, subject);
    env_claim(env, claim, subject, (struct span){NULL, 0});
}
