/* Keys of vehicles in the store: what state each is in by whose word, under which vehicle it is found, and
 * who has not heard of it yet. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define RECORD_MAX (TRACKING_RESUMPTION_MAX + MSG_SERIAL_MAX + 64)

static void name_of(char out[ENV_KEY_MAX], const char *prefix, const uint8_t key_id[TRACKING_KEY_ID])
{
    char hex[TRACKING_KEY_TEXT];
    hex_encode(key_id, TRACKING_KEY_ID, hex);
    snprintf(out, ENV_KEY_MAX, "%.50s%s", prefix, hex);
}

static enum err unpack(struct span stored, struct vos_key *out)
{
    uint8_t memory[1024];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__KeyRecord *m = backend__v1__key_record__unpack(&arena.allocator, stored.len, stored.p);
    if (!m || strlen(m->ecu_serial) > MSG_SERIAL_MAX || !m->state || m->state >= KEY_STATES ||
        m->cause >= KEY_CAUSES || m->asked >= KEY_ACTIONS || m->resumption.len > sizeof out->resumption)
        return ERR_STORE_FAILED;
    *out = (struct vos_key){.state = (enum key_state)m->state,
                            .cause = (enum key_cause)m->cause,
                            .issued_ms = m->issued_ms,
                            .asked_ms = m->asked_ms,
                            .asked = (enum key_action)m->asked,
                            .resumption_len = m->resumption.len};
    text_copy(out->serial, sizeof out->serial, m->ecu_serial);
    if (m->resumption.len)
        memcpy(out->resumption, m->resumption.data, m->resumption.len);
    return ERR_OK;
}

enum err vos_key_get(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], struct vos_key *out)
{
    char name[ENV_KEY_MAX];
    uint8_t stored[RECORD_MAX];
    size_t len;
    name_of(name, VOS_KEY_PREFIX, key_id);
    enum err e = env_store_get(v->env, name, stored, sizeof stored, &len);
    return e ? e : unpack(span_of(stored, len), out);
}

enum err vos_key_put(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const struct vos_key *k)
{
    struct vos_key copy = *k;
    char name[ENV_KEY_MAX], prefix[ENV_KEY_MAX];
    uint8_t out[RECORD_MAX];
    Backend__V1__KeyRecord m = BACKEND__V1__KEY_RECORD__INIT;
    m.ecu_serial = copy.serial;
    m.state = (uint32_t)copy.state;
    m.cause = (uint32_t)copy.cause;
    m.issued_ms = copy.issued_ms;
    m.asked_ms = copy.asked_ms;
    m.asked = (uint32_t)copy.asked;
    m.resumption = (ProtobufCBinaryData){copy.resumption_len, copy.resumption};
    name_of(name, VOS_KEY_PREFIX, key_id);
    enum err e = env_store_put(v->env, name, span_of(out, backend__v1__key_record__pack(&m, out)));
    snprintf(prefix, sizeof prefix, VOS_KEYS_OF_PREFIX "%.*s/", MSG_SERIAL_MAX, k->serial);
    name_of(name, prefix, key_id);
    return e ? e : env_store_put(v->env, name, span_of("\1", 1));
}

enum err vos_key_put_new(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const char *serial,
                         struct vos_key *out)
{
    enum err e = vos_key_get(v, key_id, out);
    if (!e)
        return strcmp(out->serial, serial) == 0 ? ERR_OK : ERR_KEY_REGISTERED;
    if (e != ERR_NOT_FOUND)
        return e;
    *out = (struct vos_key){.state = KEY_ACTIVE};
    text_copy(out->serial, sizeof out->serial, serial);
    return vos_key_put(v, key_id, out);
}

/* ---- who has not heard ---- */

unsigned vos_due_get(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID])
{
    char name[ENV_KEY_MAX];
    uint8_t bits = 0;
    size_t len;
    name_of(name, VOS_KEY_DUE_PREFIX, key_id);
    return env_store_get(v->env, name, &bits, 1, &len) == ERR_OK ? bits : 0;
}

enum err vos_due_put(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], unsigned bits)
{
    char name[ENV_KEY_MAX];
    const uint8_t byte = (uint8_t)bits;
    name_of(name, VOS_KEY_DUE_PREFIX, key_id);
    return bits ? env_store_put(v->env, name, span_of(&byte, 1)) : env_store_delete(v->env, name);
}

bool vos_is_tracked(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID])
{
    struct tracking_record r;
    return tracking_record_get(v->env, VOS_TRACKED_PREFIX, key_id, &r) == ERR_OK;
}

/* ---- all of them ---- */

struct scanning {
    struct vos *v;
    void (*each)(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID]);
};

static void scan_one(void *ctx, const char *key, struct span value)
{
    const struct scanning *s = ctx;
    const char *hex = strrchr(key, '/') + 1;
    uint8_t key_id[TRACKING_KEY_ID];
    if (hex_decode(hex, strlen(hex), key_id, sizeof key_id) == (long)sizeof key_id)
        s->each(s->v, key_id);
    else
        env_trace_reason(s->v->env, TRACE_FAIL, NULL, NULL, ERR_STORE_FAILED, (uint32_t)value.len, key);
}

void vos_keys_each(struct vos *v, const char *prefix,
                   void (*each)(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID]))
{
    struct scanning s = {v, each};
    env_store_scan(v->env, prefix, scan_one, &s);
}

/* ---- claims ---- */

void vos_claim_key(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const struct vos_key *k)
{
    struct tracking_record r;
    manage_claim(v->env, VOS_CLAIM_KEY_STATE, key_id, k->state);
    if (k->state == KEY_TERMINATED)
        tracking_unclaim(v->env, VOS_CLAIM_KEY, key_id);
    else if (tracking_record_get(v->env, VOS_TRACKED_PREFIX, key_id, &r) == ERR_OK)
        tracking_claim(v->env, VOS_CLAIM_KEY, key_id, r.vehicle_id, r.device_pk);
}

static void claim_one(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID])
{
    struct vos_key k;
    enum err e = vos_key_get(v, key_id, &k);
    if (e)
        env_trace_reason(v->env, TRACE_FAIL, NULL, NULL, e, 0, "a key's record");
    else
        vos_claim_key(v, key_id, &k);
}

void vos_claim_keys(struct vos *v)
{
    vos_keys_each(v, VOS_KEY_PREFIX, claim_one);
}
