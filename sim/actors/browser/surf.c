/* Requests and what comes of them: pages, redirections, cookies. One request at a time. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "sim/actors/browser/browser_parts.h"

#define COOKIE_MAX 200

static const struct {
    const char *name, *origin;
} hosts[BROWSER_PORTS] = {[BROWSER_PORT_PORTAL] = {"portal", "https://portal.tbe.example"},
                          [BROWSER_PORT_HOTLINE] = {"hotline", "https://hotline.tbe.example"}};

static void show(struct browser *b, const char *page, const char *message)
{
    env_show(b->env, BROWSER_SHOW_PAGE, page);
    env_show(b->env, BROWSER_SHOW_MESSAGE, message);
}

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

/* ---- asking ---- */

static void tag_of(const struct browser *b, char out[16])
{
    snprintf(out, 16, "q%u", b->sent);
}

bool browser_waits_for(const struct browser *b, const char *tag)
{
    char mine[16];
    tag_of(b, mine);
    return b->waits && strcmp(tag, mine) == 0;
}

void browser_end_wait(struct browser *b)
{
    b->waits = false;
    env_timer_set(b->env, BROWSER_TIMER_PATIENCE, ENV_NEVER);
}

static enum err write(struct browser *b, const char *path, const struct browser_ask *ask, struct wr *out)
{
    char cookie[COOKIE_MAX];
    struct http_request q = {.method = ask->method, .body = ask->body};
    browser_cookie_get(b, cookie, sizeof cookie);
    q.words[HTTP_WORD_PATH] = text_span(path);
    q.words[HTTP_WORD_ACCEPT] = text_span("text/html");
    q.words[HTTP_WORD_COOKIE] = text_span(cookie);
    q.words[HTTP_WORD_ORIGIN] = text_span(ask->origin ? ask->origin : "");
    q.words[HTTP_WORD_FETCH_SITE] = text_span(ask->site);
    if (ask->body.len)
        q.words[HTTP_WORD_TYPE] = text_span(http_type_name(HTTP_TYPE_FORM));
    enum err e = http_request_write(&q, out);
    OPENSSL_cleanse(cookie, sizeof cookie);
    return e;
}

static void note(struct browser *b, const char *what, const char *path)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "%s %s %.60s", hosts[b->port].name, what, path);
    env_trace_note(b->env, TRACE_NOTE, text);
}

void browser_ask(struct browser *b, const char *path, const struct browser_ask *ask)
{
    uint8_t out[BROWSER_OUT_MAX];
    char tag[16];
    struct wr w = wr_of(out, sizeof out);
    note(b, http_method_name(ask->method), path);
    b->sent++;
    tag_of(b, tag);
    enum err e = write(b, path, ask, &w);
    if (!e)
        e = env_send_bytes(b->env, b->port, tag, span_of(out, w.len));
    OPENSSL_cleanse(out, sizeof out);
    b->waits = !e;
    if (e)
        browser_give_up(b, err_name(e));
    else
        env_timer_in(b->env, BROWSER_TIMER_PATIENCE, b->patience_us);
}

void browser_visit(struct browser *b, const char *path, bool by_link)
{
    const struct browser_ask ask = {.method = HTTP_GET, .site = by_link ? "same-origin" : "none"};
    char own[BROWSER_PATH_MAX];
    text_copy(own, sizeof own, path);
    text_copy(b->path, sizeof b->path, own);
    b->redirects = 0;
    browser_ask(b, own, &ask);
}

void browser_submit(struct browser *b, const struct browser_form_sent *form)
{
    struct browser_ask ask = {.method = HTTP_POST,
                              .site = "same-origin",
                              .origin = b->keeps_secret ? "null" : hosts[b->port].origin,
                              .body = span_of(form->body, form->len)};
    if (b->forgery == BROWSER_FORGE_ORIGIN)
        ask.origin = "https://portal.tbe.example.evil.example";
    if (b->forgery == BROWSER_FORGE_SITE)
        ask.origin = NULL;
    if (b->forgery == BROWSER_FORGE_ORIGIN || b->forgery == BROWSER_FORGE_SITE)
        ask.site = "cross-site";
    b->forgery = BROWSER_HONEST;
    b->redirects = 0;
    text_copy(b->path, sizeof b->path, form->path);
    env_show(b->env, BROWSER_SHOW_MESSAGE, "waiting");
    browser_ask(b, form->path, &ask);
}

/* ---- answers ---- */

static void redirect(struct browser *b, struct span to)
{
    const struct browser_ask ask = {.method = HTTP_GET, .site = "same-origin"};
    char path[BROWSER_PATH_MAX];
    if (to.len == 0 || to.len >= sizeof path || to.p[0] != '/' || (to.len > 1 && to.p[1] == '/') ||
        b->redirects == BROWSER_REDIRECTS) {
        browser_give_up(b, "leads elsewhere");
        return;
    }
    memcpy(path, to.p, to.len);
    path[to.len] = '\0';
    text_copy(b->path, sizeof b->path, path);
    b->redirects++;
    browser_ask(b, path, &ask);
}

/* The token of the page's last form. */
static enum err keep_token(struct browser *b)
{
    for (size_t i = 0; i < b->page.form_count; i++)
        for (size_t k = 0; k < b->page.forms[i].field_count; k++) {
            const struct page_field *f = &b->page.forms[i].fields[k];
            enum err e = strcmp(f->name, "csrf") == 0
                             ? env_store_put(b->env, BROWSER_FORM_TOKEN, text_span(f->value))
                             : ERR_OK;
            if (e)
                return e;
        }
    return ERR_OK;
}

/* What the answer leaves in the browser, all or nothing. */
static enum err keep(struct browser *b, const struct http_response *r)
{
    struct span cookie = r->lines[HTTP_LINE_SET_COOKIE];
    enum err e = cookie.len ? browser_cookie_keep(b, cookie) : ERR_OK;
    if (!e)
        e = keep_token(b);
    return e ? e : env_store_commit(b->env);
}

static void show_page(struct browser *b)
{
    char message[2 * PAGE_WORD + 2];
    const struct page *p = &b->page;
    snprintf(message, sizeof message, "%s%s%s", p->outcome, *p->outcome && *p->reason ? ": " : "", p->reason);
    show(b, p->heading, message);
    browser_go_on(b);
}

static void show_problem(struct browser *b, const struct http_response *r)
{
    char page[24];
    enum err reason;
    if (http_problem_reason(r, &reason) != ERR_OK)
        reason = ERR_MSG_MALFORMED;
    snprintf(page, sizeof page, "no page: %u", r->status);
    env_show(b->env, BROWSER_SHOW_PAGE, page);
    browser_give_up(b, err_name(reason));
}

/* What was answered; the page is read when it is one. */
static enum err read_answer(struct browser *b, const struct http_response *r, bool *is_page)
{
    *is_page = r->status != 303 && http_type_of(r->lines[HTTP_LINE_TYPE]) == HTTP_TYPE_HTML;
    OPENSSL_cleanse(&b->page, sizeof b->page);
    enum err e = *is_page ? page_read(r->body, &b->page) : ERR_OK;
    return e ? e : keep(b, r);
}

void browser_on_response(struct browser *b, const char *tag, struct span bytes)
{
    struct http_response r;
    bool is_page = false;
    if (!browser_waits_for(b, tag))
        return;
    browser_end_wait(b);
    enum err e = http_response_read(bytes, &r);
    if (!e)
        e = read_answer(b, &r, &is_page);
    if (e) {
        env_trace_reason(b->env, TRACE_REJECT, NULL, http_message_name(bytes), e, (uint32_t)bytes.len, NULL);
        show(b, "no page", "");
        browser_give_up(b, err_name(e));
        return;
    }
    note(b, http_message_name(bytes), b->path);
    b->keeps_secret = span_is(r.lines[HTTP_LINE_REFERRER], "no-referrer");
    if (r.status == 303)
        redirect(b, r.lines[HTTP_LINE_LOCATION]);
    else if (is_page)
        show_page(b);
    else
        show_problem(b, &r);
}
