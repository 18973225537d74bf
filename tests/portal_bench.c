#include "tests/portal_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/init.pb-c.h"

struct bench site;
struct site_answer said;

static unsigned number, read_count;
static char address[48], cookie_value[64];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "portal bench: %s\n", what);
    abort();
}

static struct span text_span(const char *text)
{
    return span_of(text ? text : "", text ? strlen(text) : 0);
}

/* ---- life ---- */

void site_start_with(const uint64_t *settings)
{
    bench_prepare(&site, &tbe_class, test_crypto());
    must(!bench_start(&site, &(struct component_args){.serial = "", .settings = settings}), "no start");
    number = read_count = 0;
}

void site_start(void)
{
    site_start_with(NULL);
}

void site_stop(void)
{
    bench_free(&site);
}

void site_restart(void)
{
    struct store *store = site.node.store;
    uint64_t now_us = site.now_us;
    struct bench former = site;
    node_stop(&former.node);
    free(former.sent);
    free(former.trace);
    bench_prepare(&site, &tbe_class, test_crypto());
    store_close(site.node.store);
    site.node.store = store;
    site.now_us = now_us;
    must(!bench_start(&site, &(struct component_args){.serial = ""}), "no second start");
    read_count = 0;
}

/* ---- what a page says ---- */

/* What stands in the body between two marks, after the first of them; "": not there. */
static void between(const char *before, const char *after, char *out, size_t cap)
{
    const char *from = strstr(said.body, before);
    const char *to = from ? strstr(from + strlen(before), after) : NULL;
    out[0] = '\0';
    if (to && (size_t)(to - from) - strlen(before) < cap)
        snprintf(out, cap, "%.*s", (int)(to - from - (long)strlen(before)), from + strlen(before));
}

static void take(struct span bytes)
{
    struct http_response r;
    static const char cookie[] = "__Host-s=";
    must(!said.status, "two answers");
    must(!http_response_read(bytes, &r), "no response");
    must(r.body.len < sizeof said.body, "a long page");
    said.status = r.status;
    for (unsigned i = 0; i < HTTP_LINES; i++)
        snprintf(said.lines[i], sizeof said.lines[i], "%.*s", (int)r.lines[i].len,
                 r.lines[i].len ? (const char *)r.lines[i].p : "");
    snprintf(said.body, sizeof said.body, "%.*s", (int)r.body.len, r.body.len ? (const char *)r.body.p : "");
    between("<title>", "</title>", said.title, sizeof said.title);
    between("<h1>", "</h1>", said.h1, sizeof said.h1);
    between("data-reason=\"", "\"", said.reason, sizeof said.reason);
    between("data-outcome=\"", "\"", said.outcome, sizeof said.outcome);
    between("name=\"csrf\" value=\"", "\"", said.csrf, sizeof said.csrf);
    between("name=\"once\" value=\"", "\"", said.once, sizeof said.once);
    const char *set = said.lines[HTTP_LINE_SET_COOKIE];
    said.has_cookie = strncmp(set, cookie, sizeof cookie - 1) == 0 && !strstr(set, "Max-Age=0");
    if (said.has_cookie)
        snprintf(cookie_value, sizeof cookie_value, "%.*s", (int)strcspn(set + sizeof cookie - 1, ";"),
                 set + sizeof cookie - 1);
}

void site_hear(void)
{
    for (; read_count < site.sent_count; read_count++) {
        const struct bench_sent *s = &site.sent[read_count];
        if (s->port >= SITE_PORTAL && strcmp(s->address, address) == 0)
            take(span_of(s->bytes, s->len));
    }
}

const char *site_cookie(void)
{
    return cookie_value;
}

/* ---- requests ---- */

void site_ask(const struct site_ask *a)
{
    uint8_t out[9000];
    char cookie[160] = "";
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = a->method, .body = text_span(a->body)};
    if (a->cookie && *a->cookie)
        snprintf(cookie, sizeof cookie, "__Host-s=%s", a->cookie);
    q.words[HTTP_WORD_PATH] = text_span(a->path);
    q.words[HTTP_WORD_QUERY] = text_span(a->query);
    q.words[HTTP_WORD_COOKIE] = text_span(a->raw_cookie ? a->raw_cookie : cookie);
    q.words[HTTP_WORD_ORIGIN] = text_span(a->origin);
    q.words[HTTP_WORD_FETCH_SITE] = text_span(a->site);
    q.words[HTTP_WORD_TYPE] = text_span(a->type   ? a->type
                                        : a->body ? "application/x-www-form-urlencoded"
                                                  : NULL);
    must(!http_request_write(&q, &w), "a request that cannot be written");
    site.sent_count = read_count = 0;
    memset(&said, 0, sizeof said);
    if (a->address)
        snprintf(address, sizeof address, "%s", a->address);
    else
        snprintf(address, sizeof address, "/%u", ++number);
    node_on_bytes(&site.node, a->port, address, span_of(out, w.len));
    site_hear();
}

void site_get(unsigned port, const char *path, const char *cookie)
{
    site_ask(&(struct site_ask){.port = port, .method = HTTP_GET, .path = path, .cookie = cookie});
}

void site_post(unsigned port, const char *path, const char *cookie, const char *body)
{
    site_ask(
        &(struct site_ask){.port = port, .method = HTTP_POST, .path = path, .cookie = cookie, .body = body});
}

void site_sign_in(unsigned port, const char *user, const char *secret, char cookie[64])
{
    char body[300];
    site_get(port, "/", NULL);
    snprintf(cookie, 64, "%s", site_cookie());
    snprintf(body, sizeof body, "csrf=%s&user=%s&secret=%s", said.csrf, user, secret);
    site_post(port, "/sign-in", cookie, body);
    bench_finish_works(&site);
    site_hear();
    if (said.status == 303)
        snprintf(cookie, 64, "%s", site_cookie());
}

void site_token(unsigned port, const char *page, const char *cookie, const char *action, char out[48])
{
    static const char *const nothing[] = {SITE_CAR, NULL};
    char form[160];
    uint64_t asked;
    site_get(port, page, cookie);
    if (site_vos_asks(&asked))
        site_vos_has(nothing);
    snprintf(form, sizeof form, "action=\"%s\"><input type=\"hidden\" name=\"csrf\" value=\"", action);
    between(form, "\"", out, 48);
    must(*out, "no such form");
}

/* ---- the VOS ---- */

unsigned site_vos_asks(uint64_t *asked)
{
    unsigned count = 0;
    for (size_t i = 0; i < site.sent_count; i++) {
        if (site.sent[i].port != SITE_INIT)
            continue;
        Init__V1__OpInitRequest *m =
            init__v1__op_init_request__unpack(NULL, site.sent[i].len, site.sent[i].bytes);
        must(m != NULL, "no request");
        *asked = m->request_id;
        init__v1__op_init_request__free_unpacked(m, NULL);
        count++;
    }
    return count;
}

void site_vos_says(uint64_t asked, enum err e, const char *const *vehicles, const char *link)
{
    uint8_t out[1200];
    char *all[32], id[] = "link-0001", text[300];
    Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
    m.request_id = asked;
    m.error = (uint32_t)e;
    snprintf(text, sizeof text, "%s", link ? link : "");
    if (link) {
        m.link_id = id;
        m.deep_link = text;
    }
    for (m.vehicles = all; vehicles && vehicles[m.n_vehicles]; m.n_vehicles++)
        memcpy(&all[m.n_vehicles], &vehicles[m.n_vehicles], sizeof all[0]);
    must(init__v1__op_init_response__get_packed_size(&m) <= sizeof out, "a long answer");
    size_t len = init__v1__op_init_response__pack(&m, out);
    site.sent_count = read_count = 0;
    node_on_bytes(&site.node, SITE_INIT, "", span_of(out, len));
    site_hear();
}

void site_vos_has(const char *const *vehicles)
{
    uint64_t asked;
    must(site_vos_asks(&asked) == 1, "the VOS was not asked once");
    site_vos_says(asked, ERR_OK, vehicles, NULL);
}

const char *site_mailed(void)
{
    const char *tag = "";
    for (size_t i = 0; i < site.sent_count; i++)
        if (site.sent[i].port == SITE_MAIL)
            tag = site.sent[i].address;
    return tag;
}
