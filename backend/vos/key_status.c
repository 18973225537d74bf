/* KM-02, server side: the vehicle says what has become of a key, until it hears that this was taken: that it
 * has obeyed, or that the key has ended by somebody else's doing. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

struct status {
    uint8_t key_id[TRACKING_KEY_ID];
    enum key_state state; /* KEY_STATE_NONE: the vehicle has no such key */
    enum key_cause cause;
    int64_t issued_ms;
};

static bool parse(struct span in, struct status *out)
{
    uint8_t memory[256];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__KeyStatus *m = spaak__v1__key_status__unpack(&arena.allocator, in.len, in.p);
    int state = m ? (int)m->state : -1, cause = m ? (int)m->cause : -1;
    if (!m || m->key_id.len != TRACKING_KEY_ID || state < 0 || state >= KEY_STATES || cause < 0 ||
        cause >= KEY_CAUSES || cause == KEY_BY_DEVICE_OEM || (state == KEY_TERMINATED && !cause) ||
        (!state && !m->error))
        return false;
    *out = (struct status){
        .state = (enum key_state)state, .cause = (enum key_cause)cause, .issued_ms = m->issued_ms};
    memcpy(out->key_id, m->key_id.data, TRACKING_KEY_ID);
    return true;
}

/* Of a key that it has told of before, of one that has ended before it could, or of none. */
static enum err load(struct vos *v, const char *serial, const struct status *s, struct vos_key *out)
{
    enum err e = vos_key_get(v, s->key_id, out);
    if (!e)
        return strcmp(out->serial, serial) == 0 ? ERR_OK : ERR_DK_KEY_MISMATCH;
    if (e != ERR_NOT_FOUND || s->state == KEY_STATE_NONE)
        return e;
    *out = (struct vos_key){.state = KEY_ACTIVE};
    text_copy(out->serial, sizeof out->serial, serial);
    return ERR_OK;
}

/* A key that the vehicle does not have opens nothing: to the servers it has ended, too. */
static enum err put(struct vos *v, const struct status *s, struct vos_key *k)
{
    const bool gone = s->state == KEY_TERMINATED || s->state == KEY_STATE_NONE;
    const enum key_cause cause = s->cause ? s->cause : KEY_IN_CAR;
    enum err e = ERR_OK;
    if (gone && k->state != KEY_TERMINATED)
        e = vos_key_put_state(v, s->key_id, k, KEY_TERMINATED, cause, env_wall_ms(v->env),
                              VOS_DUE_KTS | VOS_DUE_DOS);
    if (!e && (gone || (s->state == k->state && s->issued_ms == k->issued_ms)))
        e = vos_due_put_heard(v, s->key_id, VOS_DUE_VEHICLE);
    return e;
}

static enum err acknowledge(struct vos *v, const struct msg_header *request)
{
    struct response r = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_KM_02,
        .type = SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK,
        .ecu_serial = request->ecu_serial,
        .request = request,
        .step = "KM-02/5",
    };
    return responder_send(&v->responder, &r);
}

/* KM-02/4 */
enum err vos_on_key_status(struct vos *v, const struct msg_opened *m, struct vehicle *r)
{
    struct status s;
    struct vos_key k = {.state = KEY_STATE_NONE};
    char text[80];
    if (!parse(m->body, &s))
        return ERR_MSG_MALFORMED;
    enum err e = load(v, m->header.ecu_serial, &s, &k);
    const bool known = !e;
    const enum key_state before = k.state;
    if (known)
        e = put(v, &s, &k);
    if (!e || e == ERR_NOT_FOUND)
        e = record_put(v, m->header.ecu_serial, r); /* the order of its requests */
    if (!e)
        e = env_store_commit(v->env);
    if (e)
        return e;
    snprintf(text, sizeof text, "the vehicle's key is %s%s%s", key_state_name(s.state), s.cause ? ", " : "",
             key_cause_text(s.cause));
    env_trace_step(v->env, "KM-02/4", text);
    if (known)
        vos_claim_key(v, s.key_id, &k);
    e = acknowledge(v, &m->header);
    if (known && k.state != before)
        vos_tell(v, s.key_id);
    return e;
}

/* ---- the vehicle's identity is renewed ---- */

static void put_ended(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID])
{
    struct vos_key k;
    enum err e = vos_key_get(v, key_id, &k);
    if (!e && k.state != KEY_TERMINATED)
        e = vos_key_put_state(v, key_id, &k, KEY_TERMINATED, KEY_OWNER_CHANGE, env_wall_ms(v->env),
                              VOS_DUE_KTS | VOS_DUE_DOS);
    if (!e) /* the renewal tells the vehicle */
        e = vos_due_put_heard(v, key_id, VOS_DUE_VEHICLE);
    if (e)
        v->retiring = e;
}

static void prefix_of(const char *serial, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, VOS_KEYS_OF_PREFIX "%s/", serial);
}

enum err vos_keys_put_retired(struct vos *v, const char *serial)
{
    char prefix[ENV_KEY_MAX];
    prefix_of(serial, prefix);
    v->retiring = ERR_OK;
    vos_keys_each(v, prefix, put_ended);
    return v->retiring;
}

static void tell_ended(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID])
{
    struct vos_key k;
    if (vos_key_get(v, key_id, &k) == ERR_OK)
        vos_claim_key(v, key_id, &k);
    vos_tell(v, key_id);
}

void vos_keys_retired(struct vos *v, const char *serial)
{
    char prefix[ENV_KEY_MAX];
    prefix_of(serial, prefix);
    vos_keys_each(v, prefix, tell_ended);
}
