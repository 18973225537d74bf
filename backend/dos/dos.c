#include "backend/dos/dos.h"

#include <openssl/crypto.h>
#include <string.h>

#include "backend/dos/dos_internal.h"
#include "lib/http/http_problem.h"

static const char *const callers[] = {"phone", NULL};
static const struct port_spec ports[] = {
    [DOS_PORT_DEVICE] = {.name = "device",
                         .medium = "http",
                         .end = PORT_LISTENS,
                         .callers = callers,
                         .name_of = http_message_name},
    /* without it no key can be tracked */
    [DOS_PORT_TRACKING] = {
        .name = "tracking", .medium = "call", .end = PORT_ASKS, .server = "vos", .optional = true}};
static const struct timer_spec timers[] = {[DOS_TIMER_VOS] = {.name = "answer of the VOS"}};
static const struct setting_spec settings[] = {
    /* the door itself waits 3 s */
    [DOS_SETTING_VOS_MS] = {.name = "vos_ms", .fallback = 2000, .min = 10, .max = 2500},
    {.name = NULL}};
static const struct claim_spec claims[] = {
    [DOS_CLAIM_INSTANCE_CA] = {.name = "instance-ca-issued", .kind = CLAIM_AT_MOST_ONE},
    [DOS_CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL},
    {.name = NULL}};
static const struct plant_item plant[] = {{DOS_KEY, PLANT_KEY, "D"},
                                          {DOS_CERTIFICATE, PLANT_CERTIFICATE, "D"},
                                          {DOS_CROSS "SPAAKSIM", PLANT_CERTIFICATE, "F"},
                                          {.key = NULL}};
static const char *const keys[] = {DOS_ISSUED "+/+", DOS_TRACKED "+/+", NULL};
static const char *const secrets[] = {DOS_KEY, NULL};
/* A phone of its own make certifies its instance CA itself. */
static const struct handout_spec handouts[] = {
    {"phone", DOS_KEY}, {"phone", DOS_CROSS "SPAAKSIM"}, {.key = NULL}};

/* ---- routes ---- */

/* All are POST. Between `path` and `after` stands a key id; after NULL: `path` is all. */
static const struct route {
    const char *path, *after, *what;
    enum err (*act)(struct dos *d, const struct dos_visit *v);
} routes[] = {
    {"/v1/instance-cas", NULL, "InstanceCA", dos_certify_instance_ca},
    {"/v1/keys/", "/tracking", "TrackKey", dos_track},
};

/* Lower-case hex digits and nothing else. */
static bool take_key(struct span text, char out[TRACKING_KEY_TEXT])
{
    if (text.len != TRACKING_KEY_TEXT - 1)
        return false;
    memcpy(out, text.p, text.len);
    out[text.len] = '\0';
    return strspn(out, "0123456789abcdef") == text.len;
}

static bool fits(const struct route *r, struct span path, char key[TRACKING_KEY_TEXT])
{
    size_t before = strlen(r->path), after = r->after ? strlen(r->after) : 0;
    if (!r->after)
        return span_is(path, r->path);
    return path.len > before + after && memcmp(path.p, r->path, before) == 0 &&
           memcmp(path.p + path.len - after, r->after, after) == 0 &&
           take_key(span_of(path.p + before, path.len - before - after), key);
}

static const struct route *find_route(struct dos_visit *v)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (fits(&routes[i], v->request->words[HTTP_WORD_PATH], v->key_text))
            return &routes[i];
    return NULL;
}

static const struct {
    enum err reason;
    unsigned status;
} statuses[] = {
    {ERR_MSG_MALFORMED, 400},
    {ERR_CERT_SUBJECT_MISMATCH, 400},
    {ERR_KEY_INVALID, 400},
    {ERR_NOT_FOUND, 404},
    {ERR_HTTP_METHOD, 405},
    {ERR_MSG_TOO_LONG, 413},
    {ERR_HTTP_TYPE, 415},
    /* of tracking: what may pass, then what will not */
    {ERR_VOS_UNREACHABLE, 503},
    {ERR_KTS_UNREACHABLE, 503},
    {ERR_RECEIPT_PENDING, 503},
    {ERR_BUSY, 503},
    {ERR_MSG_NO_ANSWER, 504},
    {ERR_KEY_REGISTERED, 409},
    {ERR_ECU_UNKNOWN, 404},
    {ERR_SIGNATURE_INVALID, 403},
    {ERR_DK_ATTESTATION, 403},
    {ERR_DK_KEY_MISMATCH, 403},
    {ERR_CERT_SIGNATURE, 403},
    {ERR_CERT_ISSUER_UNKNOWN, 403},
    {ERR_CERT_EXPIRED, 403},
    {ERR_CERT_NOT_YET_VALID, 403},
    {ERR_CERT_PROFILE, 403},
    {ERR_CERT_PURPOSE, 403},
    {ERR_CERT_NOT_CA, 403},
    {ERR_DER_SYNTAX, 400},
    {ERR_KEY_NOT_P256, 400},
};

static unsigned status_of(enum err reason)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].reason == reason)
            return statuses[i].status;
    return 500;
}

/* ---- answers ---- */

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

static void send(struct dos *d, const char *address, struct http_response *r)
{
    uint8_t out[DOS_OUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    r->lines[HTTP_LINE_CACHE_CONTROL] = text_span("no-store");
    enum err e = http_response_write(r, &w);
    if (!e)
        e = env_send_bytes(d->env, DOS_PORT_DEVICE, address, span_of(out, w.len));
    if (e)
        env_trace_reason(d->env, TRACE_FAIL, NULL, NULL, e, (uint32_t)w.len, address);
}

void dos_answer(struct dos *d, const char *address, unsigned status, const char *json)
{
    struct http_response r = {.status = status};
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
    r.body = text_span(json);
    send(d, address, &r);
}

/* Our own trouble is no phone's affair, and may pass. */
void dos_refuse(struct dos *d, const char *address, const char *what, enum err reason, uint32_t len)
{
    char text[HTTP_PROBLEM_MAX];
    unsigned status = status_of(reason);
    struct http_response r = {.status = status};
    env_trace_reason(d->env, status >= 500 ? TRACE_FAIL : TRACE_REJECT, NULL, what, reason, len, address);
    if (status == 405)
        r.lines[HTTP_LINE_ALLOW] = text_span("POST");
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_PROBLEM));
    r.body = span_of(text, http_problem_text(status, status == 500 ? ERR_INTERNAL : reason, NULL, text));
    send(d, address, &r);
}

static void dos_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct http_request request;
    struct dos_visit v = {.address = address, .request = &request};
    size_t len = strcspn(address, "/");
    if (port == DOS_PORT_TRACKING) {
        dos_on_tracked(self, bytes);
        return;
    }
    if (len < sizeof v.phone)
        memcpy(v.phone, address, len);
    const struct route *r = NULL;
    enum err e = http_request_read(bytes, HTTP_FROM_COMPONENT, &request) ? ERR_MSG_MALFORMED : ERR_OK;
    if (!e && *v.phone)
        r = find_route(&v);
    if (!e)
        e = !r ? ERR_NOT_FOUND : request.method == HTTP_POST ? r->act(self, &v) : ERR_HTTP_METHOD;
    if (e)
        dos_refuse(self, address, r ? r->what : NULL, e, (uint32_t)bytes.len);
}

static void dos_on_news(void *self, unsigned port, const char *address, const char *news)
{
    if (port == DOS_PORT_DEVICE && strcmp(news, "gone") == 0)
        dos_forget(self, address);
}

static void dos_on_link(void *self, unsigned port, enum link_state state)
{
    struct dos *d = self;
    if (port != DOS_PORT_TRACKING)
        return;
    d->vos_up = state != LINK_DOWN;
    if (!d->vos_up)
        dos_vos_lost(d);
}

static void dos_on_timer(void *self, unsigned timer)
{
    (void)timer;
    dos_vos_late(self);
}

/* ---- life ---- */

bool dos_is_name(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return len && !text[len];
}

static enum err load_key(struct dos *d)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(d->env, DOS_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(d->env->crypto, scalar, &d->key) : ERR_RECORD_TORN;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

static enum err dos_init(void *self, struct env *env, const struct component_args *args)
{
    struct dos *d = self;
    d->env = env;
    d->vos_us = args->settings[DOS_SETTING_VOS_MS] * 1000;
    env_random(env, &d->next_request_id, sizeof d->next_request_id);
    d->next_request_id >>= 8; /* room to count; an answer to a former life does not match */
    enum err e = load_key(d);
    if (!e)
        e = env_store_get(env, DOS_CERTIFICATE, d->certificate, sizeof d->certificate, &d->certificate_len);
    if (!e)
        dos_claim_all(d);
    return e;
}

static void dos_fini(void *self)
{
    struct dos *d = self;
    p256_free(d->key);
}

const struct component_class dos_class = {
    .name = "dos",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct dos),
    .message_max = DOS_MESSAGE_MAX,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .claims = claims,
    .secrets = secrets,
    .sealed = secrets,
    .plant = plant,
    .handouts = handouts,
    .init = dos_init,
    .fini = dos_fini,
    .on_bytes = dos_on_bytes,
    .on_news = dos_on_news,
    .on_link = dos_on_link,
    .on_timer = dos_on_timer,
};
