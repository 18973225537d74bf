/* What the TBE asks (proto/init.proto): the deep link, its acknowledgement, a new identity. An ask that
 * cannot be read gets no answer; every other gets one, with the reason when it is no. */
#include <openssl/crypto.h>
#include <string.h>

#include "backend/vos/vos_internal.h"
#include "proto/init.pb-c.h"

#define ANSWER_MAX (VOS_LINK_MAX + VOS_LINK_ID + 64)

static const char *name_of(const Init__V1__OpInitRequest *m)
{
    switch (m->ask_case) {
    case INIT__V1__OP_INIT_REQUEST__ASK_LINK:
        return "PairingLink";
    case INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE:
        return "LinkAcknowledge";
    case INIT__V1__OP_INIT_REQUEST__ASK_RENEW:
        return "IdentityRenew";
    default:
        return "OpInitRequest";
    }
}

static bool is_word(const char *text, size_t max)
{
    size_t len = strlen(text);
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return len > 0 && len <= max;
}

static enum err hand_out(struct vos *v, const Init__V1__PairingLink *m, struct vos_link *out)
{
    const struct vos_app app = {m->user, m->client, m->idempotency_key};
    if (!is_word(m->vehicle, MSG_SERIAL_MAX) || !is_word(m->user, VOS_WORD) ||
        !is_word(m->client, VOS_WORD) || !is_word(m->idempotency_key, VOS_WORD))
        return ERR_MSG_MALFORMED;
    return vos_link_hand_out(v, m->vehicle, &app, out);
}

static enum err act(struct vos *v, const Init__V1__OpInitRequest *m, struct vos_link *out)
{
    if (m->protocol_version != 1)
        return ERR_MSG_VERSION;
    if (m->message_type != INIT__V1__MESSAGE_TYPE__OP_INIT_REQUEST)
        return ERR_MSG_UNEXPECTED;
    switch (m->ask_case) {
    case INIT__V1__OP_INIT_REQUEST__ASK_LINK:
        return hand_out(v, m->link, out);
    case INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE:
        return vos_link_acknowledge(v, m->acknowledge->link_id, m->acknowledge->user, m->acknowledge->client);
    case INIT__V1__OP_INIT_REQUEST__ASK_RENEW:
        return is_word(m->renew->idempotency_key, VOS_WORD)
                   ? vos_renew_once(v, m->renew->vehicle, m->renew->idempotency_key)
                   : ERR_MSG_MALFORMED;
    default:
        return ERR_MSG_MALFORMED;
    }
}

static void answer(struct vos *v, const char *caller, uint64_t request_id, enum err error,
                   struct vos_link *link)
{
    uint8_t out[ANSWER_MAX];
    Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
    m.request_id = request_id;
    m.error = (uint32_t)error;
    m.link_id = link->id;
    m.deep_link = link->deep_link;
    size_t len = init__v1__op_init_response__pack(&m, out);
    enum err e = env_send_bytes(v->env, VOS_PORT_INIT, caller, span_of(out, len));
    if (e) /* it asks again, and gets the same */
        env_trace_reason(v->env, TRACE_FAIL, NULL, "OpInitResponse", e, 0, "it was not sent");
    OPENSSL_cleanse(out, sizeof out);
}

void vos_on_init(struct vos *v, const char *caller, struct span bytes)
{
    uint8_t memory[2048];
    struct msg_arena arena;
    struct vos_link link = {.id = ""};
    msg_arena_init(&arena, memory, sizeof memory);
    Init__V1__OpInitRequest *m = init__v1__op_init_request__unpack(&arena.allocator, bytes.len, bytes.p);
    if (!m || !m->request_id) {
        env_trace_reason(v->env, TRACE_REJECT, NULL, "OpInitRequest", ERR_MSG_MALFORMED, (uint32_t)bytes.len,
                         NULL);
        return;
    }
    enum err e = act(v, m, &link);
    if (e) {
        OPENSSL_cleanse(&link, sizeof link);
        env_trace_reason(v->env, TRACE_REJECT, vos_link_refused_at(e), name_of(m), e, (uint32_t)bytes.len,
                         NULL);
    }
    answer(v, caller, m->request_id, e, &link);
    OPENSSL_cleanse(&link, sizeof link);
}
