/* The asking end: libcurl over the door's Unix socket, TLS with a certificate of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/media/curl_loop.h"
#include "lib/media/http/http_ends.h"
#include "lib/media/http/http_tls.h"

#define URL_MAX 1600 /* scheme, host, longest path and query */

struct ask {
    struct ask *before, *next;
    struct http_client *client;
    CURL *easy; /* NULL: not begun */
    struct curl_slist *headers;
    char tag[HTTP_TAG_MAX];
    size_t len;
    uint8_t *bytes;              /* the request */
    struct http_request request; /* in them */
    unsigned sends;              /* how often it began to leave */
    struct http_response response;
    bool unreadable;
    size_t head_len, body_cap;
    uint8_t head[HTTP_HEAD_MAX]; /* values of lines */
    uint8_t *body;
};

struct http_client {
    struct link link;
    struct link_open o;
    char path[108], host[HTTP_HOST_MAX], ca[256], certificate[256];
    char key[HTTP_PEM_MAX];
    bool cut, up;
    size_t count;
    struct ask *asks, *last; /* in the order in which they were asked */
    struct curl_loop *loop;
};

static void end_ask(struct ask *a)
{
    struct http_client *c = a->client;
    if (a->before)
        a->before->next = a->next;
    else
        c->asks = a->next;
    if (a->next)
        a->next->before = a->before;
    else
        c->last = a->before;
    c->count--;
    if (a->easy)
        curl.easy_cleanup(a->easy);
    if (a->headers)
        curl.slist_free_all(a->headers);
    explicit_bzero(a->bytes, a->len);
    free(a->bytes);
    if (a->body)
        explicit_bzero(a->body, a->body_cap);
    free(a->body);
    explicit_bzero(a, sizeof *a);
    free(a);
}

/* ---- what comes back ---- */

static void take_line(struct ask *a, const char *line, size_t len)
{
    for (unsigned i = 0; i < HTTP_LINES; i++) {
        size_t name = strlen(http_lines[i].header);
        if (len <= name || line[name] != ':' || strncasecmp(line, http_lines[i].header, name) != 0)
            continue;
        for (name++; name < len && line[name] == ' ';)
            name++;
        while (len > name && (line[len - 1] == '\n' || line[len - 1] == '\r' || line[len - 1] == ' '))
            len--;
        if (a->response.lines[i].p || len - name > sizeof a->head - a->head_len)
            return;
        a->response.lines[i] = span_of(a->head + a->head_len, len - name);
        memcpy(a->head + a->head_len, line + name, len - name);
        a->head_len += len - name;
    }
}

static size_t on_header(char *line, size_t one, size_t len, void *ctx)
{
    struct ask *a = ctx;
    (void)one;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        a->head_len = 0; /* an answer begins, perhaps after one that only said "go on" */
        a->response = (struct http_response){0};
    }
    take_line(a, line, len);
    return len;
}

static size_t on_body(char *p, size_t one, size_t len, void *ctx)
{
    struct ask *a = ctx;
    size_t have = a->response.body.len;
    (void)one;
    if (len > a->body_cap - have) {
        a->unreadable = true;
        return 0;
    }
    memcpy(a->body + have, p, len);
    a->response.body = span_of(a->body, have + len);
    return len;
}

static void tell(struct http_client *c, struct ask *a, const char *news)
{
    char tag[HTTP_TAG_MAX];
    text_copy(tag, sizeof tag, a->tag);
    end_ask(a);
    c->o.hooks.on_news(c->o.hooks.ctx, tag, news);
}

static void deliver(struct http_client *c, struct ask *a)
{
    char tag[HTTP_TAG_MAX];
    long status = 0;
    uint8_t *bytes = malloc(HTTP_MESSAGE_MAX);
    struct wr w = wr_of(bytes, bytes ? HTTP_MESSAGE_MAX : 0);
    curl.easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    a->response.status = (unsigned)status;
    if (http_response_write(&a->response, &w) || !http_fits(span_of(bytes, w.len), c->o.message_max)) {
        tell(c, a, "too-long");
    } else {
        text_copy(tag, sizeof tag, a->tag);
        end_ask(a);
        c->o.hooks.on_bytes(c->o.hooks.ctx, tag, span_of(bytes, w.len));
    }
    if (bytes)
        explicit_bzero(bytes, w.len);
    free(bytes);
}

static void on_done(void *ctx, CURL *easy, CURLcode result)
{
    struct http_client *c = ctx;
    struct ask *a = c->asks;
    while (a->easy != easy)
        a = a->next;
    if (result == CURLE_OK)
        deliver(c, a);
    else if (a->unreadable)
        tell(c, a, "too-long");
    else
        tell(c, a, a->sends ? "no-answer" : "not-sent");
}

/* curl would send a request again, on another connection, when the one that it was sent on ends without an
 * answer. The server may have acted: whether to ask again is not curl's to say. */
static int on_leaving(void *ctx, char *to, char *from, int to_port, int from_port)
{
    struct ask *a = ctx;
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    return a->sends++ ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- what goes out ---- */

static bool add_header(struct ask *a, const char *line)
{
    struct curl_slist *more = curl.slist_append(a->headers, line);
    a->headers = more ? more : a->headers;
    return more != NULL;
}

/* Our words and no other: a name without a value keeps curl from adding its own. */
static bool add_headers(struct ask *a)
{
    static const char *const none[] = {"Expect:", "User-Agent:"};
    char line[2200];
    bool ok = add_header(a, none[0]) && add_header(a, none[1]);
    for (unsigned i = 0; ok && i < HTTP_WORD_DOOR; i++) {
        struct span value = a->request.words[i];
        bool is_own = i == HTTP_WORD_TYPE || i == HTTP_WORD_ACCEPT;
        if (!http_words[i].header[0] || (!value.len && !is_own))
            continue;
        snprintf(line, sizeof line, value.len ? "%s: %.*s" : "%s:", http_words[i].header, (int)value.len,
                 (const char *)value.p);
        ok = add_header(a, line);
    }
    explicit_bzero(line, sizeof line);
    return ok;
}

static void set_request(struct ask *a)
{
    const struct http_request *q = &a->request;
    struct span path = q->words[HTTP_WORD_PATH], query = q->words[HTTP_WORD_QUERY];
    char url[URL_MAX];
    bool has_body = q->body.len || q->method == HTTP_POST || q->method == HTTP_PUT || q->method == HTTP_PATCH;
    snprintf(url, sizeof url, "https://%s%.*s%s%.*s", a->client->host, (int)path.len, (const char *)path.p,
             query.len ? "?" : "", (int)query.len, query.len ? (const char *)query.p : "");
    curl.easy_setopt(a->easy, CURLOPT_URL, url);
    if (has_body) {
        curl.easy_setopt(a->easy, CURLOPT_POSTFIELDSIZE, (long)q->body.len);
        curl.easy_setopt(a->easy, CURLOPT_POSTFIELDS, q->body.p);
    }
    curl.easy_setopt(a->easy, CURLOPT_CUSTOMREQUEST, http_method_name(q->method));
    curl.easy_setopt(a->easy, CURLOPT_HTTPHEADER, a->headers);
    explicit_bzero(url, sizeof url);
}

static void set_tls(struct http_client *c, CURL *easy)
{
    struct curl_blob key = {c->key, strlen(c->key), CURL_BLOB_COPY};
    curl.easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl.easy_setopt(easy, CURLOPT_CAINFO, c->ca);
    curl.easy_setopt(easy, CURLOPT_SSLCERT, c->certificate);
    curl.easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
}

static void set_way(struct http_client *c, struct ask *a)
{
    CURL *easy = a->easy;
    curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, c->path);
    curl.easy_setopt(easy, CURLOPT_PROXY, "");
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl.easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl.easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)HTTP_ASK_MS);
    curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.easy_setopt(easy, CURLOPT_HEADERDATA, a);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, a);
    curl.easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_leaving);
    curl.easy_setopt(easy, CURLOPT_PREREQDATA, a);
}

static int on_unbegun(sd_event_source *source, void *ctx);

/* Without memory nothing leaves; the component hears so in the loop's next turn. */
static void begin(struct http_client *c, struct ask *a)
{
    a->easy = add_headers(a) ? curl.easy_init() : NULL;
    if (!a->easy) {
        curl.slist_free_all(a->headers);
        a->headers = NULL;
        link_defer(c->o.event, on_unbegun, c);
        return;
    }
    set_request(a);
    set_way(c, a);
    set_tls(c, a->easy);
    curl_loop_start(c->loop, a->easy);
}

static int on_unbegun(sd_event_source *source, void *ctx)
{
    struct http_client *c = ctx;
    (void)source;
    for (struct ask *a = c->asks, *next; a; a = next) {
        next = a->next;
        if (!a->easy) {
            tell(c, a, "not-sent");
            break; /* its component may have asked more */
        }
    }
    return 0;
}

/* ---- the link ---- */

static struct ask *new_ask(struct http_client *c, const char *tag, struct span bytes)
{
    struct ask *a = calloc(1, sizeof *a);
    uint8_t *copy = a ? malloc(bytes.len) : NULL;
    uint8_t *body = copy ? malloc(c->o.message_max) : NULL;
    if (!body) {
        free(copy);
        free(a);
        return NULL;
    }
    memcpy(copy, bytes.p, bytes.len);
    a->client = c;
    a->bytes = copy;
    a->len = bytes.len;
    a->body = body;
    a->body_cap = c->o.message_max;
    text_copy(a->tag, sizeof a->tag, tag);
    return a;
}

static enum err client_send(struct link *link, const char *tag, struct span bytes)
{
    struct http_client *c = (struct http_client *)link;
    struct http_request q;
    enum err e = c->up ? http_ask_check(tag, bytes, &q) : ERR_LINK_DOWN;
    if (!e && c->count == HTTP_ASKS_MAX)
        e = ERR_BUSY;
    struct ask *a = e ? NULL : new_ask(c, tag, bytes);
    if (!a)
        return e ? e : ERR_NO_MEMORY;
    e = http_request_read(span_of(a->bytes, a->len), HTTP_FROM_COMPONENT, &a->request);
    a->before = c->last;
    if (a->before)
        a->before->next = a;
    else
        c->asks = a;
    c->last = a;
    c->count++;
    return e;
}

static void client_flush(struct link *link)
{
    struct http_client *c = (struct http_client *)link;
    for (struct ask *a = c->asks; a; a = a->next)
        if (!a->easy)
            begin(c, a);
}

static void forget_all(struct http_client *c)
{
    for (struct ask *a = c->asks, *next; a; a = next) {
        next = a->next;
        if (a->easy)
            curl_loop_stop(c->loop, a->easy);
        end_ask(a);
    }
}

static void client_set_cut(struct link *link, bool cut)
{
    struct http_client *c = (struct http_client *)link;
    bool was = c->up;
    const char *reason;
    c->cut = cut;
    if (cut) {
        forget_all(c);
        curl_loop_close(c->loop); /* the door sees connections end, not requests that are no longer wanted */
        c->loop = NULL;
    } else if (!c->loop && c->path[0]) {
        c->loop = curl_loop_open(c->o.event, on_done, c, &reason);
    }
    c->up = c->loop != NULL;
    if (was != c->up)
        c->o.hooks.on_state(c->o.hooks.ctx, c->up ? LINK_UP : LINK_DOWN);
}

static int on_first_turn(sd_event_source *source, void *ctx)
{
    struct http_client *c = ctx;
    (void)source;
    if (!c->cut)
        client_set_cut(&c->link, false);
    return 0;
}

static void client_free(struct http_client *c)
{
    forget_all(c);
    curl_loop_close(c->loop);
    explicit_bzero(c, sizeof *c);
    free(c);
}

static void client_close(struct link *link)
{
    client_free((struct http_client *)link);
}

static bool configure(struct http_client *c)
{
    const char *endpoint = c->o.endpoint + strlen("ask:");
    size_t len = strcspn(endpoint, ";");
    if (len == 0)
        return true;
    const struct token *key = token_ring_find(c->o.tokens, c->o.spec->name, HTTP_KEY);
    if (len >= sizeof c->path || !key || !link_option(endpoint, "host", c->host, sizeof c->host) ||
        !link_option(endpoint, "ca", c->ca, sizeof c->ca) ||
        !link_option(endpoint, "cert", c->certificate, sizeof c->certificate) ||
        !http_tls_key(key->bytes, c->key))
        return false;
    memcpy(c->path, endpoint, len);
    return true;
}

struct link *http_client_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {
        .send = client_send, .flush = client_flush, .set_cut = client_set_cut, .close = client_close};
    struct http_client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->link.ops = &ops;
    c->o = *o;
    *reason = "an HTTP client needs ask:<socket>;host=...;ca=...;cert=... and its key";
    if (configure(c) && (!c->path[0] || (c->loop = curl_loop_open(o->event, on_done, c, reason)))) {
        link_defer(o->event, on_first_turn, c);
        return &c->link;
    }
    client_free(c);
    return NULL;
}
