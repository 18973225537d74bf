/* What the TBE asks (proto/init.proto): the deep link, what became of it, a new identity, what an owner may
 * know. An ask that cannot be read gets no answer; every other gets one, with the reason when it is no. */
#include <openssl/crypto.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define ANSWER_MAX (VOS_LINK_MAX + VOS_LINK_ID + VOS_VEHICLES_MAX * (MSG_SERIAL_MAX + 2) + 64)

/* What an ask is answered with; wiped. */
struct result {
    struct vos_link link;
    Init__V1__VehicleStatus status;
    bool has_status;
    struct vos_vehicles vehicles;
};

static const char *name_of(const Init__V1__OpInitRequest *m)
{
    static const char *const names[] = {
        [INIT__V1__OP_INIT_REQUEST__ASK_LINK] = "PairingLink",
        [INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE] = "LinkAcknowledge",
        [INIT__V1__OP_INIT_REQUEST__ASK_RENEW] = "IdentityRenew",
        [INIT__V1__OP_INIT_REQUEST__ASK_RELEASE] = "LinkRelease",
        [INIT__V1__OP_INIT_REQUEST__ASK_REVOKE] = "LinkRevoke",
        [INIT__V1__OP_INIT_REQUEST__ASK_STATUS] = "StatusAsk",
        [INIT__V1__OP_INIT_REQUEST__ASK_VEHICLES] = "VehiclesAsk",
    };
    size_t i = (size_t)m->ask_case;
    return i < sizeof names / sizeof names[0] && names[i] ? names[i] : "OpInitRequest";
}

/* ---- each ask ---- */

static bool is_word(const char *text, size_t max)
{
    size_t len = strlen(text);
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return len > 0 && len <= max;
}

static enum err hand_out(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    const Init__V1__PairingLink *m = q->link;
    const struct vos_app app = {m->user, m->client, m->idempotency_key, m->way};
    if (!is_word(m->vehicle, MSG_SERIAL_MAX) || !is_word(m->user, VOS_WORD) ||
        !is_word(m->client, VOS_WORD) || !is_word(m->idempotency_key, VOS_WORD) ||
        (m->way != INIT__V1__WAY__WAY_APP && m->way != INIT__V1__WAY__WAY_MAIL))
        return ERR_MSG_MALFORMED;
    return vos_link_hand_out(v, m->vehicle, &app, &out->link);
}

static enum err acknowledge(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    const Init__V1__LinkAcknowledge *m = q->acknowledge;
    (void)out;
    return vos_link_acknowledge(v, m->link_id, m->user, m->client);
}

static enum err release(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    const Init__V1__LinkRelease *m = q->release;
    (void)out;
    return vos_link_release(v, m->link_id, m->user, m->client);
}

static enum err revoke(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    const Init__V1__LinkRevoke *m = q->revoke;
    (void)out;
    return vos_link_revoke(v, m->link_id, m->user, m->client);
}

static enum err renew(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    const Init__V1__IdentityRenew *m = q->renew;
    (void)out;
    return is_word(m->idempotency_key, VOS_WORD) ? vos_renew_once(v, m->vehicle, m->idempotency_key)
                                                 : ERR_MSG_MALFORMED;
}

static enum err status(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    const Init__V1__StatusAsk *m = q->status;
    if (!is_word(m->vehicle, MSG_SERIAL_MAX) || !is_word(m->user, VOS_WORD))
        return ERR_MSG_MALFORMED;
    enum err e = vos_status(v, m->vehicle, m->user, &out->status);
    out->has_status = !e;
    return e;
}

static enum err vehicles(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out)
{
    return is_word(q->vehicles->user, VOS_WORD) ? vos_vehicles(v, q->vehicles->user, &out->vehicles)
                                                : ERR_MSG_MALFORMED;
}

static const struct {
    Init__V1__OpInitRequest__AskCase ask;
    enum err (*act)(struct vos *v, const Init__V1__OpInitRequest *q, struct result *out);
} asks[] = {
    {INIT__V1__OP_INIT_REQUEST__ASK_LINK, hand_out},
    {INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE, acknowledge},
    {INIT__V1__OP_INIT_REQUEST__ASK_RENEW, renew},
    {INIT__V1__OP_INIT_REQUEST__ASK_RELEASE, release},
    {INIT__V1__OP_INIT_REQUEST__ASK_REVOKE, revoke},
    {INIT__V1__OP_INIT_REQUEST__ASK_STATUS, status},
    {INIT__V1__OP_INIT_REQUEST__ASK_VEHICLES, vehicles},
};

static enum err act(struct vos *v, const Init__V1__OpInitRequest *m, struct result *out)
{
    if (m->protocol_version != 1)
        return ERR_MSG_VERSION;
    if (m->message_type != INIT__V1__MESSAGE_TYPE__OP_INIT_REQUEST)
        return ERR_MSG_UNEXPECTED;
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        if (asks[i].ask == m->ask_case)
            return asks[i].act(v, m, out);
    return ERR_MSG_MALFORMED;
}

/* ---- the answer ---- */

static void answer(struct vos *v, const char *caller, uint64_t request_id, enum err error,
                   struct result *result)
{
    uint8_t out[ANSWER_MAX];
    char *serials[VOS_VEHICLES_MAX];
    Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
    for (size_t i = 0; i < result->vehicles.count; i++)
        serials[i] = result->vehicles.serials[i];
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
    m.request_id = request_id;
    m.error = (uint32_t)error;
    m.link_id = result->link.id;
    m.deep_link = result->link.deep_link;
    m.status = result->has_status ? &result->status : NULL;
    m.vehicles = serials;
    m.n_vehicles = result->vehicles.count;
    size_t len = init__v1__op_init_response__pack(&m, out);
    enum err e = env_send_bytes(v->env, VOS_PORT_INIT, caller, span_of(out, len));
    if (e) /* it asks again, and gets the same */
        env_trace_reason(v->env, TRACE_FAIL, NULL, "OpInitResponse", e, 0, "it was not sent");
    OPENSSL_cleanse(out, sizeof out);
}

/* Who is told to come again when another's link was revoked was not refused: something was stored. */
static void trace_refused(struct vos *v, const Init__V1__OpInitRequest *m, enum err e, bool revoked,
                          uint32_t len)
{
    bool is_link = m->ask_case == INIT__V1__OP_INIT_REQUEST__ASK_LINK;
    const char *step = is_link ? vos_link_refused_at(m->link->way, e) : NULL;
    env_trace_reason(v->env, revoked ? TRACE_FAIL : TRACE_REJECT, step, name_of(m), e, len,
                     revoked ? "the link that nobody acknowledged is revoked" : NULL);
}

void vos_on_init(struct vos *v, const char *caller, struct span bytes)
{
    uint8_t memory[2048];
    struct msg_arena arena;
    struct result result = {.status = INIT__V1__VEHICLE_STATUS__INIT};
    msg_arena_init(&arena, memory, sizeof memory);
    Init__V1__OpInitRequest *m = init__v1__op_init_request__unpack(&arena.allocator, bytes.len, bytes.p);
    if (!m || !m->request_id) {
        env_trace_reason(v->env, TRACE_REJECT, NULL, "OpInitRequest", ERR_MSG_MALFORMED, (uint32_t)bytes.len,
                         NULL);
        return;
    }
    enum err e = act(v, m, &result);
    if (e) {
        bool revoked = result.link.revoked;
        OPENSSL_cleanse(&result.link, sizeof result.link);
        trace_refused(v, m, e, revoked, (uint32_t)bytes.len);
    }
    answer(v, caller, m->request_id, e, &result);
    OPENSSL_cleanse(&result, sizeof result);
}
