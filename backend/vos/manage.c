/* KM-01: a server suspends, resumes or ends a key. Who may: the operator, by a call; the device OEM's server,
 * whose phone is lost. What was decided is stored with whom it is to be told to, in one transaction; the same
 * ask gets the same answer, an older one changes nothing, and what has ended stays ended. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define SECOND_MS 1000

/* A resumption counts seconds: words about a key are told as so far apart, at least. */
static int64_t issue_after(const struct vos_key *k, int64_t asked_ms)
{
    int64_t next_ms = k->issued_ms ? (k->issued_ms / SECOND_MS + 1) * SECOND_MS : 0;
    return asked_ms > next_ms ? asked_ms : next_ms;
}

enum err vos_key_put_state(struct vos *v, const uint8_t key_id[TRACKING_KEY_ID], struct vos_key *k,
                           enum key_state to, enum key_cause cause, int64_t at_ms, unsigned whom)
{
    unsigned due = vos_due_get(v, key_id);
    k->issued_ms = issue_after(k, at_ms);
    k->state = to;
    k->cause = cause;
    k->resumption_len = 0;
    due |= vos_is_tracked(v, key_id) ? whom : whom & VOS_DUE_VEHICLE;
    enum err e = vos_key_put(v, key_id, k);
    if (!e)
        e = vos_due_put(v, key_id, due);
    return !e && to == KEY_TERMINATED ? vos_put_unpaired_key(v, k->serial, key_id) : e;
}

/* Is there anything to be decided? */
static enum err check(struct vos *v, const struct vos_key *k, const struct manage_ask *a, bool *same)
{
    const enum key_state to = key_state_after(a->action);
    *same = k->state == to;
    if (k->state == KEY_TERMINATED)
        return *same ? ERR_OK : ERR_KEY_ENDED;
    if (a->issued_ms < k->asked_ms || a->issued_ms > env_wall_ms(v->env) + MSG_FRESHNESS_MS)
        return ERR_MSG_STALE;
    if (a->issued_ms == k->asked_ms && a->action != k->asked)
        return ERR_MSG_STALE;
    return ERR_OK;
}

static enum err decide(struct vos *v, const struct manage_ask *a, struct vos_key *k)
{
    char text[80];
    enum err e = ERR_OK;
    k->asked_ms = a->issued_ms;
    k->asked = a->action;
    e = vos_key_put_state(v, a->key_id, k, key_state_after(a->action), a->cause, a->issued_ms, VOS_DUE_ALL);
    if (!e)
        e = env_store_commit(v->env);
    if (e)
        return e;
    snprintf(text, sizeof text, "%ss a key of %s, %s", key_action_names[a->action - 1], k->serial,
             key_cause_text(a->cause));
    env_trace_step(v->env, "KM-01/2", text);
    vos_claim_key(v, a->key_id, k);
    return ERR_OK;
}

static enum err manage(struct vos *v, const struct manage_ask *a, struct vos_key *k)
{
    bool same;
    enum err e = vos_key_get(v, a->key_id, k);
    if (!e)
        e = check(v, k, a, &same);
    return e || same ? e : decide(v, a, k);
}

/* ---- the operator ---- */

/* The key that was named, or the owner's. */
static enum err find_key(struct vos *v, const char *serial, const char *hex, uint8_t key_id[TRACKING_KEY_ID])
{
    if (!*hex)
        return vos_paired_key(v, serial, key_id);
    return hex_decode(hex, strlen(hex), key_id, TRACKING_KEY_ID) == TRACKING_KEY_ID ? ERR_OK
                                                                                    : ERR_BAD_ARGUMENT;
}

enum err vos_manage_key(struct vos *v, enum key_action action, const char *serial, const char *hex)
{
    struct manage_ask a = {.action = action, .cause = KEY_BY_SERVER, .issued_ms = env_wall_ms(v->env)};
    struct vos_key k;
    enum err e = find_key(v, serial, hex, a.key_id);
    if (!e)
        e = vos_key_get(v, a.key_id, &k);
    if (e)
        return e;
    if (a.issued_ms <= k.asked_ms) /* clocks of servers differ: the operator's word is the last */
        a.issued_ms = k.asked_ms + 1;
    e = manage(v, &a, &k);
    if (!e)
        vos_tell(v, a.key_id);
    return e;
}

/* ---- the device OEM's server ---- */

static void answer(struct vos *v, const char *caller, const struct manage_ask *a, enum err error,
                   const struct vos_key *k)
{
    struct manage_answer said = {
        .event = a->event, .number = a->number, .error = error, .issued_ms = a->issued_ms};
    memcpy(said.key_id, a->key_id, sizeof said.key_id);
    if (!error) {
        said.state = k->state;
        said.state_ms = k->issued_ms;
        said.resumption = span_of(k->resumption, k->resumption_len);
    }
    manage_answer_send(v->env, VOS_PORT_TRACKING, caller, &said);
}

void vos_on_manage(struct vos *v, const char *caller, struct span bytes)
{
    struct tracking_memory memory;
    struct manage_ask a;
    struct vos_key k;
    enum err e = manage_ask_read(bytes, &memory, &a);
    bool was_read = a.number != 0;
    if (!e && (a.event || a.cause != KEY_BY_DEVICE_OEM || a.resumption.len))
        e = ERR_MSG_UNEXPECTED;
    if (!e && !vos_is_tracked(v, a.key_id))
        e = ERR_NOT_FOUND; /* of no phone that it knows */
    if (!e)
        e = manage(v, &a, &k);
    if (e)
        env_trace_reason(v->env, TRACE_REJECT, "KM-01/2", "ManageRequest", e, (uint32_t)bytes.len, NULL);
    if (was_read)
        answer(v, caller, &a, e, &k);
    if (!e)
        vos_tell(v, a.key_id);
}
