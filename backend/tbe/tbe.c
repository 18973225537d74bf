#include "backend/tbe/tbe.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"

#define MINUTE_US 60000000u

/* Everybody may come; what they may have is said by their tokens, never by a certificate. */
static const char *const apps[] = {"phone", "", NULL};
static const char *const operators[] = {"", NULL};
static const char *const browsers[] = {"browser", "", NULL};

static const struct port_spec ports[] = {
    [TBE_PORT_APP] = {.name = "app",
                      .medium = "http",
                      .end = PORT_LISTENS,
                      .callers = apps,
                      .confidential = true,
                      .name_of = http_message_name},
    [TBE_PORT_OPERATOR] = {.name = "operator",
                           .medium = "http",
                           .end = PORT_LISTENS,
                           .callers = operators,
                           .confidential = true,
                           .name_of = http_message_name},
    /* without it the TBE answers that the VOS cannot be reached */
    [TBE_PORT_INIT] = {.name = "init",
                       .medium = "call",
                       .end = PORT_ASKS,
                       .server = "vos",
                       .optional = true,
                       .confidential = true},
    /* without it a mailing fails */
    [TBE_PORT_MAIL] = {.name = "mail",
                       .medium = "mail",
                       .optional = true,
                       .confidential = true,
                       .name_of = mail_message_name},
    [TBE_PORT_PORTAL] = {.name = "portal",
                         .medium = "http",
                         .end = PORT_LISTENS,
                         .callers = browsers,
                         .confidential = true,
                         .name_of = http_message_name},
    [TBE_PORT_HOTLINE] = {.name = "hotline",
                          .medium = "http",
                          .end = PORT_LISTENS,
                          .callers = browsers,
                          .confidential = true,
                          .name_of = http_message_name},
};

static const struct timer_spec timers[] = {
    [TBE_TIMER_VOS] = {.name = "answer of the VOS"},
    [TBE_TIMER_MAILING] = {.name = "mailings"},
    [TBE_TIMER_AUDIT] = {.name = "audit trail"},
    [TBE_TIMER_PAGE] = {.name = "page without an outcome"},
};

static const struct setting_spec settings[] = {
    [TBE_SETTING_TOKEN_S] = {.name = "token_s", .fallback = 900, .min = 1, .max = TOKEN_LIFETIME_S},
    /* of each user in a minute, and so many at once */
    [TBE_SETTING_SIGN_INS] = {.name = "sign_ins", .fallback = 5, .min = 1, .max = 1000},
    [TBE_SETTING_ASKS] = {.name = "asks", .fallback = 60, .min = 1, .max = 100000},
    /* the door itself waits 3 s */
    [TBE_SETTING_VOS_MS] = {.name = "vos_ms", .fallback = 2000, .min = 10, .max = 2500},
    /* for the link of each vehicle in a minute, whoever asks, and so many at once */
    [TBE_SETTING_VEHICLE_ASKS] = {.name = "vehicle_asks", .fallback = 30, .min = 1, .max = 100000},
    /* of a mail that the server refuses for now, or that does not reach it: after 1, 2, 4 s and so on */
    [TBE_SETTING_MAIL_TRIES] = {.name = "mail_tries", .fallback = 5, .min = 1, .max = 10},
    {.name = NULL},
};

static const char *const keys[] = {TBE_TOKEN_KEY,
                                   TBE_MAILING_PREFIX "+/+",
                                   TBE_ADDRESS_PREFIX "+",
                                   TBE_AUDIT_PREFIX "+",
                                   TBE_FORM_KEY,
                                   TBE_SESSION "+",
                                   NULL};
static const char *const secrets[] = {TBE_TOKEN_KEY, TBE_FORM_KEY, NULL};

static const struct work_spec works[] = {
    [TBE_WORK_HASH] = {.name = "hash", .run = tbe_hash, .virtual_us = 50000, .result_max = TBE_HASH},
    {.name = NULL},
};

/* ---- routes ---- */

/* Between `before` and `after` stands an id; after NULL: `before` is the whole path. */
static const struct route {
    unsigned port;
    enum http_method method;
    const char *before, *after;
    const char *scope; /* what the token must allow; NULL: no token */
    const char *step;  /* at which a token is refused */
    enum err (*act)(struct tbe *t, struct tbe_visit *v);
} routes[] = {
    {TBE_PORT_APP, HTTP_POST, "/v1/tokens", NULL, NULL, NULL, tbe_sign_in},
    {TBE_PORT_APP, HTTP_POST, "/v1/pairing-passwords", NULL, TBE_SCOPE_PAIRING, "OP-01a/2", tbe_ask_link},
    {TBE_PORT_APP, HTTP_POST, "/v1/pairing-passwords/", "/acknowledge", TBE_SCOPE_PAIRING, NULL,
     tbe_acknowledge},
    {TBE_PORT_APP, HTTP_GET, "/v1/vehicles/", "/status", TBE_SCOPE_PAIRING, NULL, tbe_status},
    {TBE_PORT_OPERATOR, HTTP_POST, "/v1/tokens", NULL, NULL, NULL, tbe_sign_in},
    {TBE_PORT_OPERATOR, HTTP_POST, "/v1/vehicles/", "/renew-identity", TBE_SCOPE_RENEWAL, NULL, tbe_renew},
};

static bool fits(const struct route *r, struct span path, char id[TBE_ID])
{
    size_t before = strlen(r->before), after = r->after ? strlen(r->after) : 0;
    if (!r->after)
        return span_is(path, r->before);
    if (path.len <= before + after || path.len - before - after >= TBE_ID ||
        memcmp(path.p, r->before, before) != 0 || memcmp(path.p + path.len - after, r->after, after) != 0)
        return false;
    size_t len = path.len - before - after;
    memcpy(id, path.p + before, len);
    id[len] = '\0';
    return r->act == tbe_acknowledge ? tbe_is_id(id) : tbe_is_word(id, 1);
}

/* NULL: none. Then `allow` names the methods that the path has; "": there is no such path. */
static const struct route *find_route(struct tbe_visit *v, char allow[32])
{
    struct wr w = wr_of(allow, 31);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const struct route *r = &routes[i];
        if (r->port != v->caller.port || !fits(r, v->request->words[HTTP_WORD_PATH], v->id))
            continue;
        if (r->method == v->request->method)
            return r;
        wr_copy(&w, ", ", w.len ? 2 : 0);
        wr_copy(&w, http_method_name(r->method), strlen(http_method_name(r->method)));
    }
    allow[w.len] = '\0';
    return NULL;
}

unsigned tbe_bucket_take(struct tbe *t, struct tbe_bucket *b, uint64_t per_minute)
{
    uint64_t now_us = env_now_us(t->env), each_us = MINUTE_US / per_minute;
    uint64_t empty_us = (b->empty_us > now_us ? b->empty_us : now_us) + each_us;
    if (empty_us > now_us + MINUTE_US)
        return (unsigned)((empty_us - now_us - MINUTE_US) / 1000000 + 1);
    b->empty_us = empty_us;
    return 0;
}

/* A place in a table of TBE_BUCKETS. */
static size_t bucket_of(struct tbe *t, uint8_t kind, const char *name)
{
    uint8_t digest[SHA256_SIZE];
    const struct span parts[] = {span_of(t->bucket_secret, sizeof t->bucket_secret), span_of(&kind, 1),
                                 span_of(name, strlen(name))};
    crypto_sha256(t->env->crypto, parts, 3, digest);
    return ((size_t)digest[0] << 8 | digest[1]) % TBE_BUCKETS;
}

static struct tbe_bucket *vehicle_bucket(struct tbe *t, const char *vehicle)
{
    return &t->vehicle_buckets[bucket_of(t, 'v', vehicle)];
}

/* Customers have one allowance over portal and app. */
unsigned tbe_sign_in_take(struct tbe *t, unsigned port, const char *name)
{
    unsigned home = port == TBE_PORT_PORTAL ? TBE_PORT_APP : port;
    size_t i = tbe_user_at(name, port);
    struct tbe_bucket *b =
        i < TBE_USERS ? &t->sign_in_buckets[i] : &t->name_buckets[bucket_of(t, (uint8_t)home, name)];
    return tbe_bucket_take(t, b, t->sign_ins);
}

unsigned tbe_code_take(struct tbe *t, size_t customer, const char *name, uint64_t per_minute)
{
    struct tbe_bucket *b =
        customer < TBE_USERS ? &t->code_buckets[customer] : &t->name_buckets[bucket_of(t, 'c', name)];
    return tbe_bucket_take(t, b, per_minute);
}

unsigned tbe_vehicle_take(struct tbe *t, const char *vehicle)
{
    return tbe_bucket_take(t, vehicle_bucket(t, vehicle), t->vehicle_asks);
}

void tbe_vehicle_judge(struct tbe *t, const char *vehicle, enum err answer)
{
    struct tbe_bucket *b = vehicle_bucket(t, vehicle);
    uint64_t each_us = MINUTE_US / t->vehicle_asks;
    if (answer == ERR_NOT_OWNER || answer == ERR_ECU_UNKNOWN)
        b->empty_us -= b->empty_us < each_us ? b->empty_us : each_us;
}

/* Who has a token, and has not asked too often with it. */
static enum err admit(struct tbe *t, const struct route *r, struct tbe_visit *v)
{
    enum err e = tbe_authorise(t, r->scope, v);
    size_t user = e ? TBE_USERS : tbe_user_find(v->claims.subject);
    if (e || user == TBE_USERS)
        return e ? e : ERR_TOKEN_SCOPE;
    v->wait_s = tbe_bucket_take(t, &t->ask_buckets[user], t->asks);
    return v->wait_s ? ERR_HTTP_RATE : ERR_OK;
}

static void serve(struct tbe *t, struct tbe_visit *v, const char *name, uint32_t len)
{
    char allow[32];
    const char *step = NULL;
    const struct route *r = find_route(v, allow);
    enum err e = r ? ERR_OK : *allow ? ERR_HTTP_METHOD : ERR_NOT_FOUND;
    if (!e && r->scope)
        e = admit(t, r, v);
    if (e && r)
        step = r->step;
    if (!e)
        e = r->act(t, v);
    if (!e)
        return;
    env_trace_reason(t->env, TRACE_REJECT, step, name, e, len, v->caller.address);
    if (e == ERR_HTTP_METHOD)
        tbe_refuse_method(t, &v->caller, allow);
    else
        tbe_refuse(t, &v->caller, e, v->wait_s);
}

static void on_request(struct tbe *t, unsigned port, const char *address, struct span bytes)
{
    struct http_request request;
    struct tbe_visit v = {.caller = {.port = port}, .request = &request};
    text_copy(v.caller.address, sizeof v.caller.address, address);
    enum err e = http_request_read(bytes, HTTP_FROM_COMPONENT, &request);
    if (!e) {
        serve(t, &v, http_message_name(bytes), (uint32_t)bytes.len);
        return;
    }
    env_trace_reason(t->env, TRACE_REJECT, NULL, NULL, e, (uint32_t)bytes.len, address);
    tbe_refuse(t, &v.caller, ERR_MSG_MALFORMED, 0);
}

/* ---- life ---- */

static void tbe_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    if (port == TBE_PORT_INIT)
        tbe_on_vos(self, bytes);
    else if (port == TBE_PORT_PORTAL || port == TBE_PORT_HOTLINE)
        tbe_page_on_request(self, port, address, bytes);
    else
        on_request(self, port, address, bytes);
}

static void tbe_on_news(void *self, unsigned port, const char *address, const char *news)
{
    if (port == TBE_PORT_MAIL)
        tbe_mailing_on_mail(self, address, news);
    else if (strcmp(news, "gone") == 0)
        tbe_forget(self, port, address);
}

static void tbe_on_link(void *self, unsigned port, enum link_state state)
{
    struct tbe *t = self;
    if (port != TBE_PORT_INIT)
        return;
    t->vos_up = state != LINK_DOWN;
    if (t->vos_up)
        tbe_mailing_on_vos_up(t);
    else
        tbe_vos_lost(t);
}

static void tbe_on_timer(void *self, unsigned timer)
{
    if (timer == TBE_TIMER_VOS)
        tbe_vos_late(self);
    else if (timer == TBE_TIMER_MAILING)
        tbe_mailing_on_timer(self);
    else if (timer == TBE_TIMER_PAGE)
        tbe_pages_late(self);
    else
        tbe_audit_flush(self);
}

/* ---- calls ---- */

static enum err call_set_address(void *self, const struct call_value *values)
{
    return tbe_set_address(self, values[0].text, values[1].text);
}

static bool user_ok(const char *text)
{
    return tbe_user_find(text) < TBE_USERS;
}

static bool address_ok(const char *text)
{
    return mail_address_ok(span_of(text, strlen(text)));
}

static const struct parameter_spec address_parameters[] = {
    {.name = "user", .kind = PARAMETER_TEXT, .required = true, .check = user_ok, .form = "anna"},
    {.name = "address",
     .kind = PARAMETER_TEXT,
     .required = true,
     .check = address_ok,
     .form = "anna@customer.example"},
    {.name = NULL}};

static const struct call_spec calls[] = {
    {"set-address", "says where mail to a user goes", address_parameters, call_set_address}, {.name = NULL}};

static void tbe_on_work(void *self, unsigned work, enum err e, struct span result)
{
    (void)work;
    tbe_on_hash(self, e, result);
}

static enum err tbe_init(void *self, struct env *env, const struct component_args *args)
{
    struct tbe *t = self;
    t->env = env;
    t->token_s = args->settings[TBE_SETTING_TOKEN_S];
    t->sign_ins = args->settings[TBE_SETTING_SIGN_INS];
    t->asks = args->settings[TBE_SETTING_ASKS];
    t->vos_us = args->settings[TBE_SETTING_VOS_MS] * 1000;
    env_random(env, &t->next_request_id, sizeof t->next_request_id);
    t->next_request_id >>= 8; /* room to count; an answer to a former life does not match */
    tbe_page_style_policy(t);
    t->vehicle_asks = args->settings[TBE_SETTING_VEHICLE_ASKS];
    t->mail_tries = args->settings[TBE_SETTING_MAIL_TRIES];
    env_random(env, t->bucket_secret, sizeof t->bucket_secret);
    enum err e = tbe_key_load(t);
    if (!e)
        e = tbe_audit_load(t);
    if (!e)
        e = tbe_sessions_load(t);
    return e ? e : tbe_mailing_load(t);
}

static void tbe_fini(void *self)
{
    struct tbe *t = self;
    p256_free(t->key);
    tbe_mailing_fini(t);
    OPENSSL_cleanse(t->form_key, sizeof t->form_key);
    OPENSSL_cleanse(t->pages, sizeof t->pages);
}

const struct component_class tbe_class = {
    .name = "tbe",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct tbe),
    .message_max = TBE_MESSAGE_MAX,
    .ports = ports,
    .port_count = TBE_PORTS,
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .calls = calls,
    .secrets = secrets,
    .sealed = secrets,
    .works = works,
    .init = tbe_init,
    .fini = tbe_fini,
    .on_bytes = tbe_on_bytes,
    .on_news = tbe_on_news,
    .on_link = tbe_on_link,
    .on_timer = tbe_on_timer,
    .on_work = tbe_on_work,
};
