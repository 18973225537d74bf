/* OP-04/5 on its way: the DOS asks for a key's receipt (proto/tracking.proto), the VOS adds the certificate
 * of the vehicle, which it has issued, and asks the KTS. What the KTS has answered is stored before it is
 * handed on, and the same key gets it again. Of a request that is under way nothing is kept: who asks again
 * after a kill, of either, gets the same.
 *
 * A call, not HTTPS: a door at the VOS would bring an nginx into every run of a vehicle, and the link says as
 * much of who is at its other end. */
#include <string.h>

#include "backend/vos/vos_internal.h"

/* ---- answers ---- */

static void answer(struct vos *v, const char *caller, const struct tracking_answer *a)
{
    uint8_t out[TRACKING_SEALED_MAX + 128];
    struct wr w = wr_of(out, sizeof out);
    enum err e = tracking_answer_write(a, &w);
    if (!e)
        e = env_send_bytes(v->env, VOS_PORT_TRACKING, caller, span_of(out, w.len));
    if (e) /* it asks again, and gets the same */
        env_trace_reason(v->env, TRACE_FAIL, NULL, "TrackResponse", e, 0, "it was not sent");
}

static void hand_over(struct vos *v, const char *caller, uint64_t number, const struct tracking_record *r)
{
    struct tracking_answer a = {.number = number, .sealed = span_of(r->sealed, r->sealed_len)};
    memcpy(a.ephemeral, r->ephemeral, P256_POINT);
    answer(v, caller, &a);
}

static void refuse(struct vos *v, const char *caller, uint64_t number, enum err reason)
{
    const struct tracking_answer a = {.number = number, .error = reason};
    answer(v, caller, &a);
}

/* ---- asking the KTS ---- */

static struct tracking *slot_of(struct vos *v, uint64_t request_id)
{
    return &v->tracking[request_id % VOS_TRACKING_MAX];
}

/* The timer stands at the next whose time is over. */
static void arm(struct vos *v)
{
    uint64_t next_us = ENV_NEVER;
    for (size_t i = 0; i < VOS_TRACKING_MAX; i++)
        if (v->tracking[i].request_id && v->tracking[i].until_us < next_us)
            next_us = v->tracking[i].until_us;
    env_timer_set(v->env, VOS_TIMER_KTS, next_us);
}

static enum err send(struct vos *v, struct tracking_ask a, const struct vehicle *r)
{
    uint8_t out[TRACKING_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    a.number = v->next_request_id + 1;
    a.vehicle = span_of(r->certificate, r->certificate_len);
    if (!v->kts_up)
        return ERR_KTS_UNREACHABLE;
    if (slot_of(v, a.number)->request_id)
        return ERR_BUSY;
    enum err e = tracking_ask_write(&a, &w);
    if (!e && env_send_bytes(v->env, VOS_PORT_KTS, "", span_of(out, w.len)))
        e = ERR_KTS_UNREACHABLE;
    return e;
}

static enum err ask_kts(struct vos *v, const char *caller, const struct tracking_ask *a)
{
    struct tracking t = {.number = a->number};
    struct vehicle r;
    enum err e = tracking_record_begin(v->env, a, &t.record);
    if (!e)
        e = record_find(v, a->vehicle_id, t.serial, &r);
    if (!e)
        e = send(v, *a, &r);
    if (e)
        return e;
    t.request_id = ++v->next_request_id;
    t.until_us = env_now_us(v->env) + v->kts_us;
    text_copy(t.caller, sizeof t.caller, caller);
    memcpy(t.key_id, a->key_id, sizeof t.key_id);
    *slot_of(v, t.request_id) = t;
    arm(v);
    return ERR_OK;
}

/* Who asks anew for a key that is suspended may not have kept that it is. */
static enum err find(struct vos *v, const struct tracking_ask *a, struct tracking_record *out)
{
    struct vos_key k;
    enum err e = vos_key_get(v, a->key_id, &k);
    if (e && e != ERR_NOT_FOUND)
        return e;
    if (!e && k.state == KEY_TERMINATED)
        return ERR_KEY_ENDED;
    const bool tell = !e && k.state == KEY_SUSPENDED;
    e = tracking_record_find(v->env, VOS_TRACKED_PREFIX, a, out);
    if (e || !tell)
        return e;
    e = vos_due_put(v, a->key_id, vos_due_get(v, a->key_id) | VOS_DUE_DOS);
    return e ? e : env_store_commit(v->env);
}

void vos_on_track(struct vos *v, const char *caller, struct span bytes)
{
    struct tracking_memory memory;
    struct tracking_record known;
    struct tracking_ask a = {.number = 0};
    enum err e = tracking_ask_read(bytes, &memory, &a);
    if (!e && a.vehicle.len)
        e = ERR_MSG_UNEXPECTED; /* which vehicle it is nobody says but us */
    bool was_read = a.number != 0;
    if (!e)
        e = find(v, &a, &known);
    if (!e) {
        hand_over(v, caller, a.number, &known);
        vos_tell(v, a.key_id);
        return;
    }
    if (e == ERR_NOT_FOUND)
        e = ask_kts(v, caller, &a);
    if (!e)
        return;
    env_trace_reason(v->env, TRACE_REJECT, "OP-04/5", "TrackRequest", e, (uint32_t)bytes.len, NULL);
    if (was_read)
        refuse(v, caller, a.number, e);
}

/* ---- what the KTS says ---- */

/* What has become of the key meanwhile the KTS hears behind its registration, and the DOS behind this. */
static enum err put_key(struct vos *v, const struct tracking *t, struct vos_key *k)
{
    enum err e = vos_key_put_new(v, t->key_id, t->serial, k);
    if (e || k->state == KEY_ACTIVE)
        return e;
    return vos_due_put(v, t->key_id,
                       vos_due_get(v, t->key_id) | VOS_DUE_KTS |
                           (k->state == KEY_SUSPENDED ? VOS_DUE_DOS : 0));
}

static enum err store(struct vos *v, struct tracking *t, const struct tracking_answer *a)
{
    struct vos_key k;
    enum err e = tracking_record_answer(&t->record, a);
    if (!e)
        e = put_key(v, t, &k);
    const bool ended = !e && k.state == KEY_TERMINATED;
    if (!e && !ended)
        e = tracking_record_put(v->env, VOS_TRACKED_PREFIX, t->key_id, &t->record);
    if (!e)
        e = env_store_commit(v->env);
    if (!e && !ended)
        vos_claim_key(v, t->key_id, &k);
    return !e && ended ? ERR_KEY_ENDED : e;
}

static void take(struct vos *v, const struct tracking_answer *a)
{
    struct tracking *slot = slot_of(v, a->number), t = *slot;
    slot->request_id = 0;
    arm(v);
    enum err e = a->error ? a->error : store(v, &t, a);
    if (e) {
        env_trace_reason(v->env, TRACE_FAIL, "OP-04/5", "TrackResponse", e, 0, "no receipt");
        refuse(v, t.caller, t.number, e);
    } else {
        env_trace_note(v->env, TRACE_NOTE, "keeps a key's receipt, and hands it on");
        hand_over(v, t.caller, t.number, &t.record);
    }
    vos_tell(v, t.key_id);
}

void vos_on_tracked(struct vos *v, struct span bytes)
{
    struct tracking_memory memory;
    struct tracking_answer a;
    enum err e = tracking_answer_read(bytes, &memory, &a);
    if (!e && slot_of(v, a.number)->request_id != a.number)
        e = ERR_MSG_REPLAYED; /* too late: its caller was told so */
    if (e)
        env_trace_reason(v->env, TRACE_REJECT, "OP-05/1", "TrackResponse", e, (uint32_t)bytes.len, NULL);
    else
        take(v, &a);
}

/* ---- without an answer ---- */

static void give_up(struct vos *v, uint64_t until_us, enum err reason)
{
    for (size_t i = 0; i < VOS_TRACKING_MAX; i++) {
        struct tracking t = v->tracking[i];
        if (!t.request_id || t.until_us > until_us)
            continue;
        v->tracking[i].request_id = 0;
        env_trace_reason(v->env, TRACE_FAIL, "OP-04/5", "TrackRequest", reason, 0, NULL);
        refuse(v, t.caller, t.number, reason);
    }
    arm(v);
}

void vos_kts_lost(struct vos *v)
{
    give_up(v, ENV_NEVER, ERR_KTS_UNREACHABLE);
}

void vos_kts_late(struct vos *v)
{
    give_up(v, env_now_us(v->env), ERR_MSG_NO_ANSWER);
}
