/* Phase 0 (CCC-TS-101, 16): the instance CA of this phone for the vehicle OEM is made, its key stored, and
 * the device OEM's server asked for [E] and [F]. What may have been lost is asked again; the server gives a
 * key that it knows the same certificate. */
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"
#include "sim/actors/phone/phone_parts.h"

#define VEHICLE_OEM     "SPAAKSIM"
#define CERTIFICATE_MAX (BASE64URL_LEN(X509_MAX) + 1)

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

void handset_phase0_stop(struct phone *p)
{
    p->handset.phase0.asks = false;
    p->handset.phase0.partner = NULL;
    env_timer_set(p->env, PHONE_TIMER_PHASE0_PATIENCE, ENV_NEVER);
    env_timer_set(p->env, PHONE_TIMER_PHASE0_RETRY, ENV_NEVER);
}

static void tag_of(const struct handset_phase0 *z, char out[16])
{
    snprintf(out, 16, "i%u", z->sent);
}

static bool waits_for(const struct phone *p, const char *tag)
{
    char mine[16];
    tag_of(&p->handset.phase0, mine);
    return p->handset.phase0.asks && strcmp(tag, mine) == 0;
}

/* ---- asking ---- */

static enum err write(const struct handset_phase0 *z, struct wr *out)
{
    char body[400], key[BASE64URL_LEN(P256_POINT) + 1] = "";
    struct wr w = wr_of(key, sizeof key - 1);
    struct http_request q = {.method = HTTP_POST};
    base64url_encode(span_of(z->public_key, P256_POINT), &w);
    snprintf(body, sizeof body, "{\"vehicle_oem\":\"%s\",\"identifier\":\"%s\",\"public_key\":\"%s\"}",
             z->partner->manufacturer, z->partner->instance_ca_id, key);
    q.words[HTTP_WORD_PATH] = text_span("/v1/instance-cas");
    q.words[HTTP_WORD_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
    q.body = text_span(body);
    return http_request_write(&q, out);
}

static void retry(struct phone *p, enum err reason, const char *detail)
{
    struct handset_phase0 *z = &p->handset.phase0;
    env_timer_set(p->env, PHONE_TIMER_PHASE0_PATIENCE, ENV_NEVER);
    if (++z->tries >= p->tries_max) {
        env_trace_reason(p->env, TRACE_FAIL, NULL, "InstanceCA", reason, 0, detail);
        handset_phase0_stop(p);
        return;
    }
    env_trace_reason(p->env, TRACE_RETRY, NULL, "InstanceCA", reason, 0, detail);
    env_timer_in(p->env, PHONE_TIMER_PHASE0_RETRY, p->retry_us);
}

static void send(struct phone *p)
{
    struct handset_phase0 *z = &p->handset.phase0;
    uint8_t out[PHONE_OUT_MAX];
    char tag[16];
    struct wr w = wr_of(out, sizeof out);
    z->sent++;
    tag_of(z, tag);
    env_timer_in(p->env, PHONE_TIMER_PHASE0_PATIENCE, p->patience_us);
    enum err e = write(z, &w);
    if (!e)
        e = env_send_bytes(p->env, PHONE_PORT_DEVICE, tag, span_of(out, w.len));
    if (e)
        retry(p, e, NULL);
}

/* The plant gave the phone the vehicle OEM's root; without one there is nobody to pair with. */
static enum err add_partner(struct phone *p)
{
    struct handset *h = &p->handset;
    struct handset_turn t;
    struct dk_partner *partner = NULL;
    uint8_t root[X509_MAX];
    size_t len;
    enum err e = env_store_get(p->env, PHONE_ROOT, root, sizeof root, &len);
    if (!e && !handset_begin(p, &t))
        e = ERR_NOT_FOUND;
    if (e)
        return e;
    e = dk_device_add_partner(&h->device, VEHICLE_OEM, span_of(root, len), &partner, h->phase0.public_key);
    enum err stored = handset_end_call(p, &t);
    h->phase0.partner = e || stored ? NULL : partner;
    return e ? e : stored;
}

/* Unless it has them, or cannot have them. */
static void begin(struct phone *p)
{
    struct handset_phase0 *z = &p->handset.phase0;
    enum err e = z->up && !z->asks ? add_partner(p) : ERR_BUSY;
    if (e == ERR_BUSY || e == ERR_NOT_FOUND)
        return;
    if (e) {
        env_trace_reason(p->env, TRACE_FAIL, NULL, "InstanceCA", e, 0, NULL);
        return;
    }
    z->asks = true;
    z->tries = 0;
    send(p);
}

void handset_phase0_on_link(struct phone *p, enum link_state state)
{
    p->handset.phase0.up = state != LINK_DOWN;
    begin(p);
}

void handset_phase0_again(struct phone *p)
{
    if (p->handset.phase0.asks)
        send(p);
    else
        begin(p);
}

void handset_phase0_wanted(struct phone *p)
{
    if (!p->handset.phase0.asks)
        begin(p);
}

void handset_phase0_late(struct phone *p)
{
    if (p->handset.phase0.asks)
        retry(p, ERR_MSG_NO_ANSWER, NULL);
}

void handset_phase0_on_news(struct phone *p, const char *tag, const char *news)
{
    if (waits_for(p, tag))
        retry(p, ERR_MSG_NO_ANSWER, news);
}

/* ---- the answer ---- */

/* Certificates as they came. */
struct given {
    uint8_t f[X509_MAX], e[X509_MAX];
    size_t f_len, e_len;
};

static enum err read_certificate(const char *text, uint8_t out[X509_MAX], size_t *len)
{
    long n = base64url_decode(text_span(text), out, X509_MAX);
    *len = n < 0 ? 0 : (size_t)n;
    return n < 0 ? ERR_MSG_MALFORMED : ERR_OK;
}

static enum err read_body(struct span body, struct given *out)
{
    char f[CERTIFICATE_MAX], e[CERTIFICATE_MAX];
    const struct json_field fields[] = {{"device_oem_certificate", 1, f, sizeof f},
                                        {"instance_ca_certificate", 1, e, sizeof e}};
    enum err error = json_read(body, fields, 2, JSON_SKIP_OTHERS);
    if (!error)
        error = read_certificate(f, out->f, &out->f_len);
    return error ? error : read_certificate(e, out->e, &out->e_len);
}

/* [E] is of our key and name, and the vehicle OEM's root stands behind it by way of [F]. */
static enum err check(struct phone *p, const struct given *g)
{
    const struct handset_phase0 *z = &p->handset.phase0;
    const struct dk_anchor *a = &z->partner->anchors[0];
    struct x509 root, f, instance_ca;
    const struct x509 *const issuers[] = {&f, &root};
    enum err e = x509_parse(span_of(a->root, a->root_len), &root);
    if (!e)
        e = x509_parse(span_of(g->f, g->f_len), &f);
    if (!e)
        e = x509_check_profile(p->env->crypto, &f, X509_DEVICE_CROSS);
    if (!e)
        e = x509_parse(span_of(g->e, g->e_len), &instance_ca);
    if (e)
        return e;
    if (memcmp(instance_ca.public_key, z->public_key, P256_POINT) != 0)
        return ERR_CERT_KEY_MISMATCH;
    if (strcmp(instance_ca.subject, z->partner->instance_ca_id) != 0)
        return ERR_CERT_SUBJECT_MISMATCH;
    return x509_check_chain(p->env->crypto, &instance_ca, X509_INSTANCE_CA, issuers, 2,
                            env_wall_ms(p->env) / 1000);
}

static enum err keep(struct phone *p, const struct given *g)
{
    struct handset *h = &p->handset;
    struct handset_turn t;
    if (!handset_begin(p, &t))
        return ERR_MSG_UNEXPECTED;
    enum err e = dk_partner_certify(h->phase0.partner, span_of(g->f, g->f_len), span_of(g->e, g->e_len));
    t.also.framework = !e;
    enum err stored = handset_end_call(p, &t);
    return e ? e : stored;
}

static enum err take(struct phone *p, struct span body)
{
    struct given g;
    enum err e = read_body(body, &g);
    if (!e)
        e = check(p, &g);
    if (!e)
        e = keep(p, &g);
    if (e)
        return e;
    env_claim(p->env, PHONE_CLAIM_INSTANCE_CA, p->env->name, span_of(g.e, g.e_len));
    env_trace_note(p->env, TRACE_NOTE, "instance CA certified for " VEHICLE_OEM);
    handset_phase0_stop(p);
    return ERR_OK;
}

static bool is_passing(unsigned status)
{
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static void refused(struct phone *p, const struct http_response *r)
{
    enum err reason;
    if (http_problem_reason(r, &reason) != ERR_OK)
        reason = ERR_MSG_MALFORMED;
    if (is_passing(r->status)) {
        retry(p, reason, NULL);
        return;
    }
    env_trace_reason(p->env, TRACE_FAIL, NULL, "InstanceCA", reason, 0, "refused");
    handset_phase0_stop(p);
}

void handset_phase0_on_response(struct phone *p, const char *tag, struct span bytes)
{
    struct http_response r;
    if (!waits_for(p, tag))
        return;
    enum err e = http_response_read(bytes, &r);
    if (!e && r.status / 100 != 2) {
        refused(p, &r);
        return;
    }
    if (!e)
        e = take(p, r.body);
    if (!e)
        return;
    env_trace_reason(p->env, TRACE_REJECT, NULL, "InstanceCA", e, (uint32_t)bytes.len, NULL);
    if (p->handset.phase0.partner)
        retry(p, e, NULL);
}
