#include "lib/msg/manage.h"

#include <string.h>

#include "lib/msg/msg.h"
#include "proto/tracking.pb-c.h"

#define VERSION 1
#define TYPE(x) TRACKING__V1__MESSAGE_TYPE__##x

const char *const key_action_names[] = {"terminate", "suspend", "resume", NULL};

const char *key_state_name(enum key_state s)
{
    static const char *const names[KEY_STATES] = {"unknown", "active", "suspended", "terminated"};
    return s < KEY_STATES ? names[s] : names[KEY_STATE_NONE];
}

const char *key_cause_text(enum key_cause c)
{
    static const char *const texts[KEY_CAUSES] = {[KEY_BY_SERVER] = "by the server",
                                                  [KEY_BY_DEVICE_OEM] = "by the phone's maker",
                                                  [KEY_BY_DEVICE] = "on the phone",
                                                  [KEY_IN_CAR] = "in the car",
                                                  [KEY_OWNER_CHANGE] = "by a change of owner"};
    return c && c < KEY_CAUSES ? texts[c] : "";
}

enum key_state key_state_after(enum key_action a)
{
    static const enum key_state states[KEY_ACTIONS] = {
        [KEY_TERMINATE] = KEY_TERMINATED, [KEY_SUSPEND] = KEY_SUSPENDED, [KEY_RESUME] = KEY_ACTIVE};
    return a < KEY_ACTIONS ? states[a] : KEY_STATE_NONE;
}

enum key_action key_action_for(enum key_state s)
{
    return s == KEY_TERMINATED ? KEY_TERMINATE : s == KEY_SUSPENDED ? KEY_SUSPEND : KEY_RESUME;
}

/* ---- bytes ---- */

static ProtobufCBinaryData borrow(const uint8_t *bytes, size_t len)
{
    uint8_t *p; /* packing only reads it */
    memcpy(&p, &bytes, sizeof p);
    return (ProtobufCBinaryData){len, p};
}

static struct span span_from(ProtobufCBinaryData d)
{
    return span_of(d.data, d.len);
}

enum tracking_kind tracking_peek(struct span in)
{
    uint8_t memory[TRACKING_MESSAGE_MAX + 512];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Tracking__V1__Beginning *m = tracking__v1__beginning__unpack(&arena.allocator, in.len, in.p);
    switch (m ? m->message_type : TYPE(MESSAGE_TYPE_UNSPECIFIED)) {
    case TYPE(TRACK_REQUEST):
        return TRACKING_TRACK;
    case TYPE(TRACK_RESPONSE):
        return TRACKING_TRACKED;
    case TYPE(MANAGE_REQUEST):
    case TYPE(EVENT_NOTIFICATION):
        return TRACKING_MANAGE;
    case TYPE(MANAGE_RESPONSE):
    case TYPE(EVENT_RESPONSE):
        return TRACKING_MANAGED;
    default:
        return TRACKING_NOTHING;
    }
}

/* ---- asks ---- */

static enum err write_event(const struct manage_ask *a, struct wr *out)
{
    uint8_t packed[128];
    Tracking__V1__EventNotification m = TRACKING__V1__EVENT_NOTIFICATION__INIT;
    m.protocol_version = VERSION;
    m.message_type = TYPE(EVENT_NOTIFICATION);
    m.request_id = a->number;
    m.key_id = borrow(a->key_id, TRACKING_KEY_ID);
    m.state = (Tracking__V1__KeyState)key_state_after(a->action);
    m.cause = (Tracking__V1__KeyCause)a->cause;
    m.issued_ms = a->issued_ms;
    wr_copy(out, packed, tracking__v1__event_notification__pack(&m, packed));
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

enum err manage_ask_write(const struct manage_ask *a, struct wr *out)
{
    uint8_t packed[TRACKING_RESUMPTION_MAX + 128];
    Tracking__V1__ManageRequest m = TRACKING__V1__MANAGE_REQUEST__INIT;
    if (a->event)
        return write_event(a, out);
    m.protocol_version = VERSION;
    m.message_type = TYPE(MANAGE_REQUEST);
    m.request_id = a->number;
    m.key_id = borrow(a->key_id, TRACKING_KEY_ID);
    m.action = (Tracking__V1__KeyAction)a->action;
    m.cause = (Tracking__V1__KeyCause)a->cause;
    m.issued_ms = a->issued_ms;
    m.resumption = borrow(a->resumption.p, a->resumption.len);
    if (tracking__v1__manage_request__get_packed_size(&m) > sizeof packed)
        return ERR_NO_SPACE;
    wr_copy(out, packed, tracking__v1__manage_request__pack(&m, packed));
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

/* What both have in common; enums of proto3 may hold any number. */
static enum err take(struct manage_ask *a, uint32_t version, ProtobufCBinaryData key_id, int cause)
{
    if (!a->number)
        return ERR_MSG_MALFORMED;
    if (version != VERSION)
        return ERR_MSG_VERSION;
    if (key_id.len != TRACKING_KEY_ID || cause <= 0 || cause >= KEY_CAUSES || a->issued_ms <= 0)
        return ERR_MSG_MALFORMED;
    memcpy(a->key_id, key_id.data, TRACKING_KEY_ID);
    a->cause = (enum key_cause)cause;
    return ERR_OK;
}

static enum err read_event(struct span in, ProtobufCAllocator *memory, struct manage_ask *out)
{
    Tracking__V1__EventNotification *m = tracking__v1__event_notification__unpack(memory, in.len, in.p);
    if (!m)
        return ERR_MSG_MALFORMED;
    out->event = true;
    out->number = m->request_id;
    out->issued_ms = m->issued_ms;
    out->action = KEY_TERMINATE;
    enum err e = take(out, m->protocol_version, m->key_id, (int)m->cause);
    return !e && (int)m->state != (int)KEY_TERMINATED ? ERR_MSG_MALFORMED : e;
}

static enum err read_manage(struct span in, ProtobufCAllocator *memory, struct manage_ask *out)
{
    Tracking__V1__ManageRequest *m = tracking__v1__manage_request__unpack(memory, in.len, in.p);
    if (!m)
        return ERR_MSG_MALFORMED;
    int action = (int)m->action;
    out->number = m->request_id;
    out->issued_ms = m->issued_ms;
    enum err e = take(out, m->protocol_version, m->key_id, (int)m->cause);
    if (!e && (action <= 0 || action >= KEY_ACTIONS || m->resumption.len > TRACKING_RESUMPTION_MAX ||
               (m->resumption.len && action != KEY_RESUME)))
        e = ERR_MSG_MALFORMED;
    out->action = (enum key_action)action;
    out->resumption = span_from(m->resumption);
    return e;
}

enum err manage_ask_read(struct span in, struct tracking_memory *memory, struct manage_ask *out)
{
    struct msg_arena arena;
    struct manage_ask a = {.number = 0};
    bool event = false;
    msg_arena_init(&arena, memory->bytes, sizeof memory->bytes);
    Tracking__V1__Beginning *m = tracking__v1__beginning__unpack(&arena.allocator, in.len, in.p);
    *out = a;
    if (!m || (m->message_type != TYPE(MANAGE_REQUEST) && m->message_type != TYPE(EVENT_NOTIFICATION)))
        return ERR_MSG_MALFORMED;
    event = m->message_type == TYPE(EVENT_NOTIFICATION);
    msg_arena_init(&arena, memory->bytes, sizeof memory->bytes);
    enum err e = event ? read_event(in, &arena.allocator, &a) : read_manage(in, &arena.allocator, &a);
    if (e)
        a = (struct manage_ask){.event = event, .number = a.number};
    *out = a;
    return e;
}

/* ---- answers ---- */

enum err manage_answer_write(const struct manage_answer *a, struct wr *out)
{
    uint8_t packed[TRACKING_RESUMPTION_MAX + 128];
    Tracking__V1__ManageResponse m = TRACKING__V1__MANAGE_RESPONSE__INIT;
    m.protocol_version = VERSION;
    m.message_type = a->event ? TYPE(EVENT_RESPONSE) : TYPE(MANAGE_RESPONSE);
    m.request_id = a->number;
    m.error = (uint32_t)a->error;
    m.key_id = borrow(a->key_id, TRACKING_KEY_ID);
    m.issued_ms = a->issued_ms;
    if (!a->error) {
        m.state = (Tracking__V1__KeyState)a->state;
        m.state_ms = a->state_ms;
        m.resumption = borrow(a->resumption.p, a->resumption.len);
    }
    if (tracking__v1__manage_response__get_packed_size(&m) > sizeof packed)
        return ERR_NO_SPACE;
    wr_copy(out, packed, tracking__v1__manage_response__pack(&m, packed));
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

static bool is_answer(const Tracking__V1__ManageResponse *m)
{
    int state = (int)m->state;
    bool empty = !state && !m->state_ms && !m->resumption.len;
    bool full = state > 0 && state < KEY_STATES && m->resumption.len <= TRACKING_RESUMPTION_MAX;
    return (m->message_type == TYPE(MANAGE_RESPONSE) || m->message_type == TYPE(EVENT_RESPONSE)) &&
           m->key_id.len == TRACKING_KEY_ID && (m->error ? empty : full);
}

enum err manage_answer_read(struct span in, struct tracking_memory *memory, struct manage_answer *out)
{
    struct msg_arena arena;
    msg_arena_init(&arena, memory->bytes, sizeof memory->bytes);
    Tracking__V1__ManageResponse *m = tracking__v1__manage_response__unpack(&arena.allocator, in.len, in.p);
    if (!m || !m->request_id)
        return ERR_MSG_MALFORMED;
    if (m->protocol_version != VERSION)
        return ERR_MSG_VERSION;
    if (!is_answer(m))
        return ERR_MSG_MALFORMED;
    *out = (struct manage_answer){.event = m->message_type == TYPE(EVENT_RESPONSE),
                                  .number = m->request_id,
                                  .error = (enum err)m->error,
                                  .issued_ms = m->issued_ms,
                                  .state = (enum key_state)m->state,
                                  .state_ms = m->state_ms,
                                  .resumption = span_from(m->resumption)};
    memcpy(out->key_id, m->key_id.data, TRACKING_KEY_ID);
    return ERR_OK;
}

/* ---- records ---- */

/* An end holds in whatever order it comes, for nothing follows it. */
static enum err check_order(const struct tracking_record *r, enum key_state to, int64_t issued_ms)
{
    if (r->state == KEY_TERMINATED)
        return to == KEY_TERMINATED ? ERR_OK : ERR_KEY_ENDED;
    if (to == KEY_TERMINATED)
        return ERR_OK;
    return issued_ms < r->state_ms || (issued_ms == r->state_ms && to != r->state) ? ERR_MSG_STALE : ERR_OK;
}

enum err manage_record_change(struct tracking_record *r, const struct manage_ask *a)
{
    const enum key_state to = key_state_after(a->action);
    enum err e = check_order(r, to, a->issued_ms);
    if (e || r->state == KEY_TERMINATED || (r->state == to && r->state_ms == a->issued_ms))
        return e;
    if (a->resumption.len > sizeof r->resumption)
        return ERR_MSG_TOO_LONG;
    r->state = to;
    r->state_ms = a->issued_ms;
    r->cause = (uint8_t)a->cause;
    r->resumption_len = a->resumption.len;
    if (a->resumption.len)
        memcpy(r->resumption, a->resumption.p, a->resumption.len);
    return ERR_OK;
}

struct manage_answer manage_answer_of(const struct manage_ask *a, enum err error,
                                      const struct tracking_record *r)
{
    struct manage_answer out = {
        .event = a->event, .number = a->number, .error = error, .issued_ms = a->issued_ms};
    memcpy(out.key_id, a->key_id, sizeof out.key_id);
    if (error)
        return out;
    out.state = r->state;
    out.state_ms = r->state_ms;
    out.resumption = span_of(r->resumption, r->resumption_len);
    return out;
}

void manage_answer_send(struct env *env, unsigned port, const char *caller, const struct manage_answer *a)
{
    uint8_t out[TRACKING_RESUMPTION_MAX + 128];
    struct wr w = wr_of(out, sizeof out);
    enum err e = manage_answer_write(a, &w);
    if (!e)
        e = env_send_bytes(env, port, caller, span_of(out, w.len));
    if (e)
        env_trace_reason(env, TRACE_FAIL, NULL, "ManageResponse", e, 0, "it was not sent");
}

const char *manage_ask_name(const struct manage_ask *a)
{
    return a->event ? "EventNotification" : "ManageRequest";
}

/* ---- the claims ---- */

void manage_claim(struct env *env, unsigned claim, const uint8_t key_id[TRACKING_KEY_ID], enum key_state s)
{
    char subject[TRACKING_SUBJECT];
    const char *name = key_state_name(s);
    tracking_subject(key_id, subject);
    env_claim(env, claim, subject,
              s == KEY_STATE_NONE ? (struct span){NULL, 0} : span_of(name, strlen(name)));
}

void manage_claim_record(struct env *env, unsigned key, unsigned state, const uint8_t key_id[TRACKING_KEY_ID],
                         const struct tracking_record *r)
{
    if (r->state == KEY_TERMINATED)
        tracking_unclaim(env, key, key_id);
    else
        tracking_claim(env, key, key_id, r->vehicle_id, r->device_pk);
    manage_claim(env, state, key_id, r->state);
}

struct claiming {
    struct env *env;
    unsigned key, state;
};

static void claim_one(void *ctx, const uint8_t key_id[TRACKING_KEY_ID], const struct tracking_record *r)
{
    const struct claiming *c = ctx;
    if (r->sealed_len)
        manage_claim_record(c->env, c->key, c->state, key_id, r);
}

void manage_claim_all(struct env *env, unsigned key, unsigned state, const char *prefix)
{
    struct claiming c = {env, key, state};
    tracking_record_scan(env, prefix, claim_one, &c);
}
