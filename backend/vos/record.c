#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"
#include "lib/ccc/dk_cert.h"

static void key_of(char out[ENV_KEY_MAX], const char *prefix, const char *serial)
{
    snprintf(out, ENV_KEY_MAX, "%s%s", prefix, serial);
}

/* True when the field is empty or has the one size it may have. */
static bool take(ProtobufCBinaryData in, uint8_t *out, size_t len, bool *present)
{
    *present = in.len == len;
    if (*present)
        memcpy(out, in.data, len);
    return in.len == 0 || *present;
}

static enum err unpack(struct span stored, struct vehicle *out)
{
    uint8_t memory[2048];
    struct msg_arena arena;
    struct vos_newest *identity = &out->newest[VOS_LINE_IDENTITY];
    struct vos_newest *verifiers = &out->newest[VOS_LINE_VERIFIERS];
    struct vos_newest *pairing = &out->newest[VOS_LINE_PAIRING];
    struct vos_newest *keys = &out->newest[VOS_LINE_KEYS];
    bool there;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__VehicleRecord *m =
        backend__v1__vehicle_record__unpack(&arena.allocator, stored.len, stored.p);
    if (!m || strlen(m->subject_id) > X509_CN_MAX || m->certificate.len > X509_MAX ||
        !take(m->public_key, out->public_key, P256_POINT, &out->has_public_key) ||
        !take(m->drm_uuid, out->drm_uuid, MSG_UUID, &out->has_drm_uuid) ||
        !take(m->transport_key, out->transport_key, P256_POINT, &out->has_transport_key) ||
        !take(m->last_correlation, identity->correlation, MSG_UUID, &there) ||
        !take(m->last_verifier_correlation, verifiers->correlation, MSG_UUID, &there) ||
        !take(m->last_pairing_correlation, pairing->correlation, MSG_UUID, &there) ||
        !take(m->last_key_correlation, keys->correlation, MSG_UUID, &there))
        return ERR_STORE_FAILED;
    out->state = m->state;
    text_copy(out->subject_id, sizeof out->subject_id, m->subject_id);
    if (m->certificate.len)
        memcpy(out->certificate, m->certificate.data, m->certificate.len);
    out->certificate_len = m->certificate.len;
    identity->issued_ms = m->last_request_ms;
    verifiers->issued_ms = m->last_verifier_request_ms;
    pairing->issued_ms = m->last_pairing_request_ms;
    keys->issued_ms = m->last_key_request_ms;
    out->generation = m->generation;
    return ERR_OK;
}

enum err record_load(struct vos *v, const char *serial, struct vehicle *out)
{
    char key[ENV_KEY_MAX];
    uint8_t stored[ENV_VALUE_MAX];
    size_t len;
    memset(out, 0, sizeof *out);
    key_of(key, VOS_ECU_PREFIX, serial);
    if (env_store_get(v->env, key, stored, sizeof stored, &len))
        return ERR_ECU_UNKNOWN;
    key_of(key, VOS_VEHICLE_PREFIX, serial);
    enum err e = env_store_get(v->env, key, stored, sizeof stored, &len);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    return unpack(span_of(stored, len), out);
}

enum err record_put(struct vos *v, const char *serial, const struct vehicle *r)
{
    struct vehicle copy = *r;
    char key[ENV_KEY_MAX];
    uint8_t out[ENV_VALUE_MAX];
    Backend__V1__VehicleRecord m = BACKEND__V1__VEHICLE_RECORD__INIT;
    m.state = copy.state;
    m.subject_id = copy.subject_id;
    m.public_key = (ProtobufCBinaryData){copy.has_public_key ? P256_POINT : 0, copy.public_key};
    m.certificate = (ProtobufCBinaryData){copy.certificate_len, copy.certificate};
    m.last_request_ms = copy.newest[VOS_LINE_IDENTITY].issued_ms;
    m.last_correlation = (ProtobufCBinaryData){MSG_UUID, copy.newest[VOS_LINE_IDENTITY].correlation};
    m.last_verifier_request_ms = copy.newest[VOS_LINE_VERIFIERS].issued_ms;
    m.last_verifier_correlation =
        (ProtobufCBinaryData){MSG_UUID, copy.newest[VOS_LINE_VERIFIERS].correlation};
    m.last_pairing_request_ms = copy.newest[VOS_LINE_PAIRING].issued_ms;
    m.last_pairing_correlation = (ProtobufCBinaryData){MSG_UUID, copy.newest[VOS_LINE_PAIRING].correlation};
    m.last_key_request_ms = copy.newest[VOS_LINE_KEYS].issued_ms;
    m.last_key_correlation = (ProtobufCBinaryData){MSG_UUID, copy.newest[VOS_LINE_KEYS].correlation};
    m.drm_uuid = (ProtobufCBinaryData){copy.has_drm_uuid ? MSG_UUID : 0, copy.drm_uuid};
    m.generation = copy.generation;
    m.transport_key = (ProtobufCBinaryData){copy.has_transport_key ? P256_POINT : 0, copy.transport_key};
    key_of(key, VOS_VEHICLE_PREFIX, serial);
    return env_store_put(v->env, key, span_of(out, backend__v1__vehicle_record__pack(&m, out)));
}

enum err record_put_retired(struct vos *v, const char *serial, const struct vehicle *r)
{
    char key[ENV_KEY_MAX];
    snprintf(key, sizeof key, VOS_RETIRED_PREFIX "%s/%u", serial, r->generation);
    return env_store_put(v->env, key, span_of(r->certificate, r->certificate_len));
}

/* ---- by the identifier of the vehicle ---- */

static void identifier_of(char out[ENV_KEY_MAX], const uint8_t id[TRACKING_VEHICLE_ID])
{
    char hex[2 * TRACKING_VEHICLE_ID + 1];
    hex_encode(id, TRACKING_VEHICLE_ID, hex);
    key_of(out, VOS_IDENTIFIER_PREFIX, hex);
}

enum err record_put_identifier(struct vos *v, const char *serial, const struct vehicle *r, bool there)
{
    char key[ENV_KEY_MAX];
    uint8_t id[TRACKING_VEHICLE_ID];
    if (!*r->subject_id)
        return ERR_OK;
    enum err e = dk_cert_vehicle_id(r->subject_id, id);
    if (e)
        return e;
    identifier_of(key, id);
    return there ? env_store_put(v->env, key, span_of(serial, strlen(serial)))
                 : env_store_delete(v->env, key);
}

enum err record_find(struct vos *v, const uint8_t id[TRACKING_VEHICLE_ID], char serial[MSG_SERIAL_MAX + 1],
                     struct vehicle *out)
{
    char key[ENV_KEY_MAX];
    uint8_t own[TRACKING_VEHICLE_ID];
    size_t len = 0;
    identifier_of(key, id);
    enum err e = env_store_get(v->env, key, serial, MSG_SERIAL_MAX, &len);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_ECU_UNKNOWN : e;
    serial[len] = '\0';
    e = record_load(v, serial, out);
    if (!e && (!out->certificate_len || dk_cert_vehicle_id(out->subject_id, own) ||
               memcmp(own, id, sizeof own) != 0))
        e = ERR_ECU_UNKNOWN;
    return e;
}
