/* What the VOS is asked on a user's behalf (proto/init.proto): OP-01a/3 and 8, the acknowledgement, a
 * renewal. Nothing is kept beyond a request: who asks again after a kill, of either, gets the same. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/msg/msg.h"
#include "proto/init.pb-c.h"

static const char *const names[] = {[TBE_ASK_LINK] = "PairingLink",
                                    [TBE_ASK_ACKNOWLEDGE] = "LinkAcknowledge",
                                    [TBE_ASK_RENEW] = "IdentityRenew"};

/* ---- asking ---- */

static struct tbe_asking *slot_of(struct tbe *t, uint64_t request_id)
{
    return &t->asking[request_id % TBE_ASKING_MAX];
}

/* The timer stands at the next whose time is over. */
static void arm(struct tbe *t)
{
    uint64_t next_us = ENV_NEVER;
    for (size_t i = 0; i < TBE_ASKING_MAX; i++)
        if (t->asking[i].request_id && t->asking[i].until_us < next_us)
            next_us = t->asking[i].until_us;
    env_timer_set(t->env, TBE_TIMER_VOS, next_us);
}

static enum err send(struct tbe *t, const struct tbe_caller *caller, enum tbe_ask ask,
                     Init__V1__OpInitRequest *m)
{
    uint8_t out[512];
    uint64_t id = t->next_request_id + 1;
    struct tbe_asking *slot = slot_of(t, id);
    if (!t->vos_up)
        return ERR_VOS_UNREACHABLE;
    if (slot->request_id)
        return ERR_BUSY;
    m->protocol_version = 1;
    m->message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_REQUEST;
    m->request_id = id;
    if (init__v1__op_init_request__get_packed_size(m) > sizeof out)
        return ERR_MSG_TOO_LONG;
    size_t len = init__v1__op_init_request__pack(m, out);
    if (env_send_bytes(t->env, TBE_PORT_INIT, "", span_of(out, len)))
        return ERR_VOS_UNREACHABLE;
    t->next_request_id = id;
    *slot = (struct tbe_asking){.request_id = id, .ask = ask, .caller = *caller};
    slot->until_us = env_now_us(t->env) + t->vos_us;
    arm(t);
    return ERR_OK;
}

static bool take_key(const struct http_request *r, char out[TBE_WORD + 1])
{
    struct span word = r->words[HTTP_WORD_IDEMPOTENCY_KEY];
    if (word.len > TBE_WORD)
        return false;
    snprintf(out, TBE_WORD + 1, "%.*s", (int)word.len, word.len ? (const char *)word.p : "");
    return tbe_is_word(out, TBE_KEY_MIN);
}

/* The token was checked by who found the route. */
enum err tbe_ask_link(struct tbe *t, struct tbe_visit *v)
{
    char vehicle[MSG_SERIAL_MAX + 1], key[TBE_WORD + 1], who[ENV_TEXT_MAX];
    const struct json_field fields[] = {{"vehicle", 1, vehicle, sizeof vehicle}};
    Init__V1__PairingLink link = INIT__V1__PAIRING_LINK__INIT;
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    snprintf(who, sizeof who, "the token is of %.40s", v->claims.subject);
    env_trace_step(t->env, "OP-01a/2", who);
    if (!take_key(v->request, key))
        return ERR_HTTP_KEY;
    enum err e = tbe_read_body(v->request, fields, 1);
    if (!e && !tbe_is_word(vehicle, 1))
        e = ERR_MSG_MALFORMED;
    if (e)
        return e;
    link.vehicle = vehicle;
    link.user = v->claims.subject;
    link.client = v->claims.client;
    link.idempotency_key = key;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_LINK;
    m.link = &link;
    e = send(t, &v->caller, TBE_ASK_LINK, &m);
    if (!e)
        env_trace_step(t->env, "OP-01a/3", "asks the VOS");
    return e;
}

enum err tbe_acknowledge(struct tbe *t, struct tbe_visit *v)
{
    Init__V1__LinkAcknowledge acknowledge = INIT__V1__LINK_ACKNOWLEDGE__INIT;
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    enum err e = tbe_read_body(v->request, NULL, 0);
    if (e)
        return e;
    acknowledge.link_id = v->id;
    acknowledge.user = v->claims.subject;
    acknowledge.client = v->claims.client;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE;
    m.acknowledge = &acknowledge;
    return send(t, &v->caller, TBE_ASK_ACKNOWLEDGE, &m);
}

enum err tbe_renew(struct tbe *t, struct tbe_visit *v)
{
    char key[TBE_WORD + 1];
    Init__V1__IdentityRenew renew = INIT__V1__IDENTITY_RENEW__INIT;
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    if (!take_key(v->request, key))
        return ERR_HTTP_KEY;
    enum err e = tbe_read_body(v->request, NULL, 0);
    if (e)
        return e;
    renew.vehicle = v->id;
    renew.idempotency_key = key;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_RENEW;
    m.renew = &renew;
    return send(t, &v->caller, TBE_ASK_RENEW, &m);
}

/* ---- answers ---- */

/* Both texts are put into JSON as they are. */
static bool is_plain(const char *text, size_t max)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    return *text && strlen(text) <= max;
}

static enum err hand_over(struct tbe *t, const struct tbe_caller *c, const Init__V1__OpInitResponse *m)
{
    char json[512];
    if (!is_plain(m->link_id, TBE_ID - 1) || !is_plain(m->deep_link, 256))
        return ERR_INTERNAL;
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"deep_link\":\"%s\"}", m->link_id, m->deep_link);
    env_trace_step(t->env, "OP-01a/8", "hands the deep link to the app");
    tbe_answer(t, c, 201, json);
    OPENSSL_cleanse(json, sizeof json);
    return ERR_OK;
}

static void take_answer(struct tbe *t, const Init__V1__OpInitResponse *m)
{
    struct tbe_asking *slot = slot_of(t, m->request_id), a = *slot;
    enum err e = (enum err)m->error;
    slot->request_id = 0;
    arm(t);
    if (!e && a.ask == TBE_ASK_LINK)
        e = hand_over(t, &a.caller, m);
    else if (!e)
        tbe_answer(t, &a.caller, 204, NULL);
    if (!e)
        return;
    env_trace_reason(t->env, TRACE_REJECT, NULL, names[a.ask], e, 0, a.caller.address);
    tbe_refuse(t, &a.caller, e, 0);
}

void tbe_on_vos(struct tbe *t, struct span bytes)
{
    uint8_t memory[2048];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Init__V1__OpInitResponse *m = init__v1__op_init_response__unpack(&arena.allocator, bytes.len, bytes.p);
    enum err e = ERR_OK;
    if (!m || m->protocol_version != 1 || m->message_type != INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE)
        e = ERR_MSG_MALFORMED;
    else if (!m->request_id || slot_of(t, m->request_id)->request_id != m->request_id)
        e = ERR_MSG_REPLAYED; /* too late: its caller was told so */
    if (e)
        env_trace_reason(t->env, TRACE_REJECT, NULL, "OpInitResponse", e, (uint32_t)bytes.len, NULL);
    else
        take_answer(t, m);
    OPENSSL_cleanse(memory, sizeof memory);
}

/* ---- without an answer ---- */

static void give_up(struct tbe *t, uint64_t until_us, enum err reason)
{
    for (size_t i = 0; i < TBE_ASKING_MAX; i++) {
        struct tbe_asking *a = &t->asking[i];
        if (!a->request_id || a->until_us > until_us)
            continue;
        env_trace_reason(t->env, TRACE_FAIL, NULL, names[a->ask], reason, 0, a->caller.address);
        tbe_refuse(t, &a->caller, reason, 0);
        a->request_id = 0;
    }
    arm(t);
}

void tbe_vos_lost(struct tbe *t)
{
    give_up(t, ENV_NEVER, ERR_VOS_UNREACHABLE);
}

void tbe_vos_late(struct tbe *t)
{
    give_up(t, env_now_us(t->env), ERR_MSG_NO_ANSWER);
}

static void forget(struct tbe_caller *c, unsigned port, const char *address)
{
    if (c->port == port && strcmp(c->address, address) == 0)
        c->address[0] = '\0';
}

void tbe_forget(struct tbe *t, unsigned port, const char *address)
{
    for (size_t i = 0; i < TBE_ASKING_MAX; i++)
        forget(&t->asking[i].caller, port, address);
    for (size_t i = 0; i < TBE_SIGNING_MAX; i++)
        forget(&t->signing[i].caller, port, address);
    tbe_page_forget(t, port, address);
}
