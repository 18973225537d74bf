/* What the VOS is asked on a user's behalf (proto/init.proto): OP-01a/3 and 8, the acknowledgement, a
 * renewal, what an owner may know; and what a mailing asks. Of an app's request nothing is kept but that it
 * was there: who asks again after a kill, of either, gets the same. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"

static const char *const names[] = {
    [TBE_ASK_LINK] = "PairingLink",     [TBE_ASK_ACKNOWLEDGE] = "LinkAcknowledge",
    [TBE_ASK_RENEW] = "IdentityRenew",  [TBE_ASK_STATUS] = "StatusAsk",
    [TBE_ASK_VEHICLES] = "VehiclesAsk", [TBE_ASK_MAILING] = "ask of a mailing",
};

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

enum err tbe_vos_ask(struct tbe *t, const struct tbe_asking *about, Init__V1__OpInitRequest *m)
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
    *slot = *about;
    slot->request_id = id;
    slot->until_us = env_now_us(t->env) + t->vos_us;
    arm(t);
    return ERR_OK;
}

/* Of an app's request, or an operator's. */
static struct tbe_asking about(const struct tbe_visit *v, enum tbe_ask ask, const char *what,
                               const char *vehicle)
{
    struct tbe_asking a = {.ask = ask, .caller = v->caller, .audit.what = what};
    a.audit.way = v->caller.port == TBE_PORT_OPERATOR ? TBE_WAY_OPERATOR : TBE_WAY_APP;
    text_copy(a.audit.user, sizeof a.audit.user, v->claims.subject);
    text_copy(a.audit.by, sizeof a.audit.by, v->claims.client);
    text_copy(a.audit.vehicle, sizeof a.audit.vehicle, vehicle);
    return a;
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
    if (!e && (v->wait_s = tbe_vehicle_take(t, vehicle)) != 0)
        e = ERR_HTTP_RATE;
    if (e)
        return e;
    link.vehicle = vehicle;
    link.user = v->claims.subject;
    link.client = v->claims.client;
    link.idempotency_key = key;
    link.way = INIT__V1__WAY__WAY_APP;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_LINK;
    m.link = &link;
    const struct tbe_asking a = about(v, TBE_ASK_LINK, "link", vehicle);
    e = tbe_vos_ask(t, &a, &m);
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
    struct tbe_asking a = about(v, TBE_ASK_ACKNOWLEDGE, "acknowledgement", v->id);
    const char *end = strrchr(v->id, '-'); /* a link's id is the vehicle, "-", and which link */
    size_t len = end ? (size_t)(end - v->id) : 0;
    if (len < sizeof a.audit.vehicle)
        a.audit.vehicle[len] = '\0';
    return tbe_vos_ask(t, &a, &m);
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
    const struct tbe_asking a = about(v, TBE_ASK_RENEW, "renewal", v->id);
    return tbe_vos_ask(t, &a, &m);
}

enum err tbe_status(struct tbe *t, struct tbe_visit *v)
{
    Init__V1__StatusAsk status = INIT__V1__STATUS_ASK__INIT;
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    enum err e = tbe_read_body(v->request, NULL, 0);
    if (!e && strlen(v->id) > MSG_SERIAL_MAX)
        e = ERR_ECU_UNKNOWN;
    if (e)
        return e;
    status.vehicle = v->id;
    status.user = v->claims.subject;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_STATUS;
    m.status = &status;
    const struct tbe_asking a = about(v, TBE_ASK_STATUS, NULL, v->id);
    return tbe_vos_ask(t, &a, &m);
}

enum err tbe_vehicles_ask(struct tbe *t, const struct tbe_caller *caller, const char *user)
{
    char name[TBE_WORD + 1];
    Init__V1__VehiclesAsk vehicles = INIT__V1__VEHICLES_ASK__INIT;
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    const struct tbe_asking a = {.ask = TBE_ASK_VEHICLES, .caller = *caller};
    text_copy(name, sizeof name, user);
    vehicles.user = name;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_VEHICLES;
    m.vehicles = &vehicles;
    return tbe_vos_ask(t, &a, &m);
}

/* ---- answers ---- */

bool tbe_is_plain(const char *text, size_t max)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    return *text && strlen(text) <= max;
}

static enum err hand_over(struct tbe *t, const struct tbe_caller *c, const Init__V1__OpInitResponse *m)
{
    char json[512];
    if (!tbe_is_plain(m->link_id, TBE_ID - 1) || !tbe_is_plain(m->deep_link, 256))
        return ERR_INTERNAL;
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"deep_link\":\"%s\"}", m->link_id, m->deep_link);
    env_trace_step(t->env, "OP-01a/8", "hands the deep link to the app");
    tbe_answer(t, c, 201, json);
    OPENSSL_cleanse(json, sizeof json);
    return ERR_OK;
}

/* The word of a value of the VOS's; NULL: none that we know. */
static const char *word_of(const char *const *words, size_t n, int value)
{
    return value > 0 && (size_t)value < n ? words[value] : NULL;
}
#define WORD_OF(words, value) word_of(words, sizeof(words) / sizeof(words)[0], (int)(value))

static enum err tell_status(struct tbe *t, const struct tbe_asking *a, const Init__V1__VehicleStatus *s)
{
    static const char *const identities[] = {NULL, "none", "in-progress", "installed"};
    static const char *const verifiers[] = {NULL, "missing", "wanted", "on-the-way", "ready", "used"};
    static const char *const passwords[] = {NULL, "undelivered", "handed-out", "delivered"};
    char json[400];
    const char *identity = s ? WORD_OF(identities, s->identity) : NULL;
    const char *set = s ? WORD_OF(verifiers, s->verifiers) : NULL;
    const char *password = s ? WORD_OF(passwords, s->password) : NULL;
    if (!identity || !set || !password)
        return ERR_INTERNAL;
    snprintf(json, sizeof json,
             "{\"vehicle\":\"%s\",\"service\":\"%s\",\"identity\":\"%s\",\"verifiers\":\"%s\","
             "\"password\":\"%s\",\"pairing\":\"%s\"}",
             a->audit.vehicle, s->provisioned ? "provisioned" : "missing", identity, set, password,
             s->paired ? "paired" : "none");
    tbe_answer(t, &a->caller, 200, json);
    return ERR_OK;
}

static void tell_vehicles(struct tbe *t, const struct tbe_caller *c, enum err e,
                          const Init__V1__OpInitResponse *m)
{
    struct tbe_vehicles list = {.count = 0};
    for (size_t i = 0; !e && i < m->n_vehicles && list.count < TBE_VEHICLES_MAX; i++)
        if (tbe_is_word(m->vehicles[i], 1) && strlen(m->vehicles[i]) <= MSG_SERIAL_MAX)
            text_copy(list.serials[list.count++], sizeof list.serials[0], m->vehicles[i]);
    tbe_portal_on_vehicles(t, c, e, &list);
}

static void audit(struct tbe *t, const struct tbe_asking *a, enum err e)
{
    struct tbe_audit entry = a->audit;
    entry.outcome = e;
    if (entry.what)
        tbe_audit_later(t, &entry);
}

static void answer_app(struct tbe *t, const struct tbe_asking *a, enum err e,
                       const Init__V1__OpInitResponse *m)
{
    if (!e && a->ask == TBE_ASK_LINK)
        e = hand_over(t, &a->caller, m);
    else if (!e && a->ask == TBE_ASK_STATUS)
        e = tell_status(t, a, m->status);
    else if (!e)
        tbe_answer(t, &a->caller, 204, NULL);
    audit(t, a, e);
    if (a->ask == TBE_ASK_LINK)
        tbe_vehicle_judge(t, a->audit.vehicle, e);
    if (!e)
        return;
    env_trace_reason(t->env, TRACE_REJECT, NULL, names[a->ask], e, 0, a->caller.address);
    tbe_refuse(t, &a->caller, e, 0);
}

static void take_answer(struct tbe *t, const Init__V1__OpInitResponse *m)
{
    struct tbe_asking *slot = slot_of(t, m->request_id), a = *slot;
    enum err e = (enum err)m->error;
    slot->request_id = 0;
    arm(t);
    if (a.ask == TBE_ASK_MAILING)
        tbe_mailing_on_answer(t, &a, e, m);
    else if (a.ask == TBE_ASK_VEHICLES)
        tell_vehicles(t, &a.caller, e, m);
    else
        answer_app(t, &a, e, m);
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

static void tell_unanswered(struct tbe *t, const struct tbe_asking *a, enum err reason)
{
    if (a->ask == TBE_ASK_MAILING) {
        tbe_mailing_on_answer(t, a, reason, NULL);
        return;
    }
    env_trace_reason(t->env, TRACE_FAIL, NULL, names[a->ask], reason, 0, a->caller.address);
    audit(t, a, reason);
    if (a->ask == TBE_ASK_VEHICLES)
        tell_vehicles(t, &a->caller, reason, NULL);
    else
        tbe_refuse(t, &a->caller, reason, 0);
}

static void give_up(struct tbe *t, uint64_t until_us, enum err reason)
{
    for (size_t i = 0; i < TBE_ASKING_MAX; i++) {
        struct tbe_asking a = t->asking[i];
        if (!a.request_id || a.until_us > until_us)
            continue;
        t->asking[i].request_id = 0;
        tell_unanswered(t, &a, reason);
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
