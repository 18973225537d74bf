#include "backend/dos/dos.h"

#include <openssl/crypto.h>
#include <string.h>

#include "backend/dos/dos_internal.h"
#include "lib/http/http_problem.h"

static const char *const callers[] = {"phone", NULL};
static const struct port_spec ports[] = {[DOS_PORT_DEVICE] = {.name = "device",
                                                              .medium = "http",
                                                              .end = PORT_LISTENS,
                                                              .callers = callers,
                                                              .name_of = http_message_name}};
static const struct claim_spec claims[] = {
    [DOS_CLAIM_INSTANCE_CA] = {.name = "instance-ca-issued", .kind = CLAIM_AT_MOST_ONE}, {.name = NULL}};
static const struct plant_item plant[] = {{DOS_KEY, PLANT_KEY, "D"},
                                          {DOS_CERTIFICATE, PLANT_CERTIFICATE, "D"},
                                          {DOS_CROSS "SPAAKSIM", PLANT_CERTIFICATE, "F"},
                                          {.key = NULL}};
static const char *const keys[] = {DOS_ISSUED "+/+", NULL};
static const char *const secrets[] = {DOS_KEY, NULL};

/* ---- routes ---- */

/* All are POST. */
static const struct route {
    const char *path;
    enum err (*act)(struct dos *d, const struct dos_visit *v);
} routes[] = {
    {"/v1/instance-cas", dos_certify_instance_ca},
};

static const struct {
    enum err reason;
    unsigned status;
} statuses[] = {
    {ERR_MSG_MALFORMED, 400}, {ERR_CERT_SUBJECT_MISMATCH, 400}, {ERR_KEY_INVALID, 400}, {ERR_NOT_FOUND, 404},
    {ERR_HTTP_METHOD, 405},   {ERR_MSG_TOO_LONG, 413},          {ERR_HTTP_TYPE, 415},
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

static void send(struct dos *d, const struct dos_visit *v, struct http_response *r)
{
    uint8_t out[DOS_OUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    r->lines[HTTP_LINE_CACHE_CONTROL] = text_span("no-store");
    enum err e = http_response_write(r, &w);
    if (!e)
        e = env_send_bytes(d->env, DOS_PORT_DEVICE, v->address, span_of(out, w.len));
    if (e)
        env_trace_reason(d->env, TRACE_FAIL, NULL, NULL, e, (uint32_t)w.len, v->address);
}

void dos_answer(struct dos *d, const struct dos_visit *v, unsigned status, const char *json)
{
    struct http_response r = {.status = status};
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
    r.body = text_span(json);
    send(d, v, &r);
}

/* Our own trouble is no phone's affair, and may pass. */
static void refuse(struct dos *d, const struct dos_visit *v, enum err reason, uint32_t len)
{
    char text[HTTP_PROBLEM_MAX];
    unsigned status = status_of(reason);
    struct http_response r = {.status = status};
    env_trace_reason(d->env, status == 500 ? TRACE_FAIL : TRACE_REJECT, NULL, "InstanceCA", reason, len,
                     v->address);
    if (status == 405)
        r.lines[HTTP_LINE_ALLOW] = text_span("POST");
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_PROBLEM));
    r.body = span_of(text, http_problem_text(status, status == 500 ? ERR_INTERNAL : reason, NULL, text));
    send(d, v, &r);
}

static enum err serve(struct dos *d, const struct dos_visit *v)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (span_is(v->request->words[HTTP_WORD_PATH], routes[i].path))
            return v->request->method == HTTP_POST ? routes[i].act(d, v) : ERR_HTTP_METHOD;
    return ERR_NOT_FOUND;
}

static void dos_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct http_request request;
    struct dos_visit v = {.address = address, .request = &request};
    size_t len = strcspn(address, "/");
    (void)port;
    if (len < sizeof v.phone)
        memcpy(v.phone, address, len);
    enum err e = http_request_read(bytes, HTTP_FROM_COMPONENT, &request);
    if (!e)
        e = *v.phone ? serve(self, &v) : ERR_NOT_FOUND;
    else
        e = ERR_MSG_MALFORMED;
    if (e)
        refuse(self, &v, e, (uint32_t)bytes.len);
}

/* ---- life ---- */

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
    (void)args;
    d->env = env;
    enum err e = load_key(d);
    if (!e)
        e = env_store_get(env, DOS_CERTIFICATE, d->certificate, sizeof d->certificate, &d->certificate_len);
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
    .message_max = DOS_OUT_MAX,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .claims = claims,
    .secrets = secrets,
    .sealed = secrets,
    .plant = plant,
    .init = dos_init,
    .fini = dos_fini,
    .on_bytes = dos_on_bytes,
};
