/* KM-01/3, and all that servers say to each other of a key's state: the vehicle, the KTS and the DOS are told
 * until each has answered. What is told is the newest; who has not heard is in the store, beside it. */
#include <string.h>

#include "backend/vos/vos_internal.h"

/* ---- telling ---- */

static void push(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], const struct vos_key *k)
{
    uint8_t body[64], id[TRACKING_KEY_ID];
    Spaak__V1__KeyManage m = SPAAK__V1__KEY_MANAGE__INIT;
    memcpy(id, key_id, sizeof id);
    m.key_id = (ProtobufCBinaryData){sizeof id, id};
    m.action = (Spaak__V1__KeyManage__Action)key_action_for(k->state);
    m.issued_ms = k->issued_ms;
    struct response r = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_KM_01,
        .type = SPAAK__V1__MESSAGE_TYPE__KEY_MANAGE,
        .ecu_serial = k->serial,
        .body = span_of(body, spaak__v1__key_manage__pack(&m, body)),
        .step = "KM-01/3",
    };
    responder_send(&v->responder, &r); /* GSDP down: the timer repeats it */
}

static void ask(struct vos *v, unsigned port, const uint8_t key_id[TRACKING_KEY_ID], const struct vos_key *k)
{
    uint8_t out[TRACKING_RESUMPTION_MAX + 128];
    struct wr w = wr_of(out, sizeof out);
    struct manage_ask a = {.event = k->state == KEY_TERMINATED && k->cause != KEY_BY_SERVER &&
                                    k->cause != KEY_BY_DEVICE_OEM,
                           .number = ++v->next_request_id,
                           .action = key_action_for(k->state),
                           .cause = k->cause,
                           .issued_ms = k->issued_ms};
    memcpy(a.key_id, key_id, sizeof a.key_id);
    if (port == VOS_PORT_DOS)
        a.resumption = span_of(k->resumption, k->resumption_len);
    enum err e = manage_ask_write(&a, &w);
    if (!e)
        e = env_send_bytes(v->env, port, "", span_of(out, w.len));
    if (e) /* the timer repeats it */
        env_trace_reason(v->env, TRACE_FAIL, NULL, a.event ? "EventNotification" : "ManageRequest", e, 0,
                         "it was not sent");
}

static void tell(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], unsigned whom)
{
    const unsigned due = vos_due_get(v, key_id) & whom;
    struct vos_key k;
    if (!due)
        return;
    enum err e = vos_key_get(v, key_id, &k);
    env_timer_in(v->env, VOS_TIMER_KEYS, v->tell_us);
    if (e) {
        env_trace_reason(v->env, TRACE_FAIL, NULL, NULL, e, 0, "a key's record");
        return;
    }
    if (due & VOS_DUE_VEHICLE)
        push(v, key_id, &k);
    if (due & VOS_DUE_KTS && v->kts_up)
        ask(v, VOS_PORT_KTS, key_id, &k);
    /* the phone is to bring the KTS's statement along */
    bool waits = k.state == KEY_ACTIVE && vos_due_get(v, key_id) & VOS_DUE_KTS;
    if (due & VOS_DUE_DOS && v->dos_up && !waits)
        ask(v, VOS_PORT_DOS, key_id, &k);
}

void vos_tell(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID])
{
    tell(v, key_id, VOS_DUE_ALL);
}

void vos_tell_again(struct vos *v)
{
    vos_keys_each(v, VOS_KEY_DUE_PREFIX, vos_tell);
}

/* ---- who has heard ---- */

enum err vos_due_put_heard(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], unsigned whom)
{
    return vos_due_put(v, key_id, vos_due_get(v, key_id) & ~whom);
}

/* Which word it is about says the time; of another than the newest nothing follows. */
static enum err take(struct vos *v, unsigned whom, const struct manage_answer *a, bool *go_on)
{
    struct vos_key k;
    enum err e = vos_key_get(v, a->key_id, &k);
    if (e)
        return e;
    if (a->issued_ms != k.issued_ms)
        return ERR_MSG_REPLAYED;
    if (!(vos_due_get(v, a->key_id) & whom))
        return ERR_OK; /* it was asked twice */
    if (a->error &&
        a->error != ERR_NOT_FOUND) /* NOT_FOUND: it never tracked that key, and has none to keep */
        return a->error;
    *go_on = whom == VOS_DUE_KTS && k.state == KEY_ACTIVE; /* the DOS waits for the statement */
    if (*go_on) {
        k.resumption_len = a->resumption.len;
        if (a->resumption.len)
            memcpy(k.resumption, a->resumption.p, a->resumption.len);
        e = vos_key_put(v, a->key_id, &k);
    }
    if (!e)
        e = vos_due_put_heard(v, a->key_id, whom);
    return e ? e : env_store_commit(v->env);
}

void vos_on_managed(struct vos *v, unsigned whom, struct span bytes)
{
    struct tracking_memory memory;
    struct manage_answer a;
    bool go_on = false;
    enum err e = manage_answer_read(bytes, &memory, &a);
    if (!e)
        e = take(v, whom, &a, &go_on);
    if (e)
        env_trace_reason(v->env, TRACE_REJECT, NULL, "ManageResponse", e, (uint32_t)bytes.len,
                         whom == VOS_DUE_KTS ? "kts" : "dos");
    else if (go_on)
        tell(v, a.key_id, VOS_DUE_DOS);
}
