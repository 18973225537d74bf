/* OP-04/7, server side: the vehicle reports that it has an owner's key, until it hears that this was taken.
 * The pairing does not depend on it; what an owner is told of it does. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

static void key_of(char out[ENV_KEY_MAX], const char *serial)
{
    snprintf(out, ENV_KEY_MAX, VOS_PAIRED_PREFIX "%s", serial);
}

static bool parse(struct span in, uint8_t key_id[SHA1_SIZE])
{
    uint8_t memory[256];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__OwnerPairingPassAck *m =
        spaak__v1__owner_pairing_pass_ack__unpack(&arena.allocator, in.len, in.p);
    if (!m || m->key_id.len != SHA1_SIZE)
        return false;
    memcpy(key_id, m->key_id.data, SHA1_SIZE);
    return true;
}

/* The report may come late: what has ended meanwhile, with its identity or by itself, is nobody's. */
static enum err put(struct vos *v, const char *serial, const struct vehicle *r,
                    const uint8_t key_id[SHA1_SIZE], struct vos_key *k)
{
    char key[ENV_KEY_MAX];
    if (r->state != BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE)
        return ERR_OK;
    enum err e = vos_key_put_new(v, key_id, serial, k);
    key_of(key, serial);
    return e || k->state == KEY_TERMINATED ? e : env_store_put(v->env, key, span_of(key_id, SHA1_SIZE));
}

enum err vos_on_pass_ack(struct vos *v, const struct msg_opened *m, struct vehicle *r)
{
    uint8_t key_id[SHA1_SIZE];
    struct vos_key k = {.state = KEY_STATE_NONE};
    if (!parse(m->body, key_id))
        return ERR_MSG_MALFORMED;
    enum err e = put(v, m->header.ecu_serial, r, key_id, &k);
    if (!e)
        e = record_put(v, m->header.ecu_serial, r); /* the order of its requests */
    if (!e)
        e = env_store_commit(v->env);
    if (e)
        return e;
    if (k.state)
        vos_claim_key(v, key_id, &k);
    struct response response = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_OP_04,
        .type = SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK,
        .ecu_serial = m->header.ecu_serial,
        .request = &m->header,
        .step = "OP-04/7",
    };
    return responder_send(&v->responder, &response);
}

enum err vos_paired_key(struct vos *v, const char *serial, uint8_t key_id[TRACKING_KEY_ID])
{
    char key[ENV_KEY_MAX];
    size_t len;
    key_of(key, serial);
    enum err e = env_store_get(v->env, key, key_id, TRACKING_KEY_ID, &len);
    return !e && len != TRACKING_KEY_ID ? ERR_STORE_FAILED : e;
}

bool vos_is_paired(struct vos *v, const char *serial)
{
    uint8_t key_id[TRACKING_KEY_ID];
    return vos_paired_key(v, serial, key_id) == ERR_OK;
}

enum err vos_put_unpaired(struct vos *v, const char *serial)
{
    char key[ENV_KEY_MAX];
    key_of(key, serial);
    return env_store_delete(v->env, key);
}

enum err vos_put_unpaired_key(struct vos *v, const char *serial, const uint8_t key_id[TRACKING_KEY_ID])
{
    uint8_t paired[TRACKING_KEY_ID];
    if (vos_paired_key(v, serial, paired) || memcmp(paired, key_id, sizeof paired) != 0)
        return ERR_OK;
    return vos_put_unpaired(v, serial);
}
