/* Portal and hotline: which page a request is for, what is checked before any of them, and the pages that
 * wait. Nothing is changed by a GET; a POST counts only when it comes from a form of ours. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/html/form.h"

#define PORTAL  (1u << TBE_PORT_PORTAL)
#define HOTLINE (1u << TBE_PORT_HOTLINE)

/* Between `before` and `after` stands an id; after NULL: `before` is the whole path. */
static const struct route {
    unsigned ports;
    const char *before, *after;
    bool is_private; /* for who is signed in */
    enum err (*get)(struct tbe *t, struct tbe_page_visit *v);
    enum err (*post)(struct tbe *t, struct tbe_page_visit *v);
} routes[] = {
    {PORTAL | HOTLINE, "/", NULL, false, tbe_get_sign_in, NULL},
    {PORTAL | HOTLINE, "/sign-in", NULL, false, NULL, tbe_post_sign_in},
    {PORTAL | HOTLINE, "/sign-out", NULL, true, NULL, tbe_post_sign_out},
    {PORTAL, "/vehicles", NULL, true, tbe_get_vehicles, NULL},
    {PORTAL, "/vehicles/", "", true, tbe_get_vehicle, NULL},
    {PORTAL, "/vehicles/", "/mail", true, NULL, tbe_post_mail},
    {HOTLINE, "/call", NULL, true, tbe_get_call, tbe_post_call},
    {HOTLINE, "/call/", "", true, tbe_get_called, NULL},
};

/* ---- the request ---- */

static bool fits(const struct route *r, struct span path, char id[TBE_ID])
{
    size_t before = strlen(r->before), after = r->after ? strlen(r->after) : 0;
    if (!r->after)
        return span_is(path, r->before);
    if (path.len <= before + after || path.len - before - after > MSG_SERIAL_MAX ||
        memcmp(path.p, r->before, before) != 0 || memcmp(path.p + path.len - after, r->after, after) != 0)
        return false;
    snprintf(id, TBE_ID, "%.*s", (int)(path.len - before - after), (const char *)path.p + before);
    return tbe_is_word(id, 1);
}

static const struct route *find_route(struct tbe_page_visit *v)
{
    struct span path = v->request->words[HTTP_WORD_PATH];
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!(routes[i].ports & 1u << v->caller.port) || !fits(&routes[i], path, v->id))
            continue;
        snprintf(v->path, sizeof v->path, "%.*s", (int)path.len, (const char *)path.p);
        return &routes[i];
    }
    return NULL;
}

/* Does it name this host, by either of the names that the door gives it, at whatever port? The door listens
 * at a port that nobody can know before. */
static bool is_our_origin(unsigned port, struct span origin)
{
    static const char *const hosts[][2] = {
        [TBE_PORT_PORTAL] = {"https://portal.tbe.example", "https://portal.tbe.localhost"},
        [TBE_PORT_HOTLINE] = {"https://hotline.tbe.example", "https://hotline.tbe.localhost"}};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(hosts[port][i]), at = len + 1;
        if (origin.len < len || memcmp(origin.p, hosts[port][i], len) != 0)
            continue;
        while (at < origin.len && origin.p[at] >= '0' && origin.p[at] <= '9')
            at++;
        if (origin.len == len || (origin.p[len] == ':' && at == origin.len && at > len + 1 && at <= len + 6))
            return true;
    }
    return false;
}

/* A browser says where a form comes from; who says nothing is judged by the form's token alone. Under our
 * Referrer-Policy browsers say "null" of our own forms (Fetch, 3.2: append a request `Origin` header), so
 * that is taken together with Sec-Fetch-Site only, which a page cannot set. */
static bool is_our_form(const struct tbe_page_visit *v)
{
    struct span origin = v->request->words[HTTP_WORD_ORIGIN], site = v->request->words[HTTP_WORD_FETCH_SITE];
    if (site.len && !span_is(site, "same-origin") && !span_is(site, "none"))
        return false;
    if (span_is(origin, "null"))
        return span_is(site, "same-origin");
    return !origin.len || is_our_origin(v->caller.port, origin);
}

enum err tbe_form_take(struct tbe *t, const struct tbe_page_visit *v, const struct form_field *fields,
                       size_t n)
{
    char came[TBE_FORM_TOKEN], right[TBE_FORM_TOKEN] = "";
    struct form_field all[FORM_FIELDS] = {{"csrf", 0, came, sizeof came}};
    for (size_t i = 0; i < n; i++)
        all[i + 1] = fields[i];
    enum err e = form_read(v->request->body, all, n + 1);
    if (e)
        return e;
    if (v->has_cookie)
        tbe_form_token(t, v->caller.port, v->cookie, v->path, right);
    if (!*right || strlen(came) != strlen(right) ||
        !bytes_equal_ct((const uint8_t *)came, (const uint8_t *)right, strlen(right)))
        e = ERR_FORM_FORGED;
    for (size_t i = 0; e && i < n; i++)
        OPENSSL_cleanse(fields[i].out, fields[i].cap);
    OPENSSL_cleanse(came, sizeof came);
    OPENSSL_cleanse(right, sizeof right);
    return e;
}

static enum err serve_post(struct tbe *t, const struct route *r, struct tbe_page_visit *v)
{
    if (!is_our_form(v))
        return ERR_FORM_FOREIGN;
    if (r->is_private && !v->session)
        return ERR_SESSION_MISSING;
    if (http_type_of(v->request->words[HTTP_WORD_TYPE]) != HTTP_TYPE_FORM)
        return ERR_HTTP_TYPE;
    return r->post(t, v);
}

static enum err serve_get(struct tbe *t, const struct route *r, struct tbe_page_visit *v)
{
    if (v->request->body.len)
        return ERR_MSG_MALFORMED;
    if (!r->is_private || v->session)
        return r->get(t, v);
    tbe_page_go(t, &v->caller, "/", "", NULL);
    return ERR_OK;
}

static enum err serve(struct tbe *t, const struct route *r, struct tbe_page_visit *v)
{
    if (!r || v->request->words[HTTP_WORD_QUERY].len)
        return ERR_NOT_FOUND;
    tbe_session_recognise(t, v);
    if (v->request->method == HTTP_POST && r->post)
        return serve_post(t, r, v);
    if (v->request->method == HTTP_GET && r->get)
        return serve_get(t, r, v);
    return ERR_HTTP_METHOD;
}

static const char *methods_of(const struct route *r)
{
    return r && r->get && r->post ? "GET, POST" : r && r->post ? "POST" : "GET";
}

void tbe_page_on_request(struct tbe *t, unsigned port, const char *address, struct span bytes)
{
    struct http_request request;
    struct tbe_page_visit v = {.caller = {.port = port}, .request = &request};
    text_copy(v.caller.address, sizeof v.caller.address, address);
    enum err e = http_request_read(bytes, HTTP_FROM_COMPONENT, &request);
    const struct route *r = e ? NULL : find_route(&v);
    if (!e)
        e = serve(t, r, &v);
    else if (e != ERR_HTTP_METHOD)
        e = ERR_MSG_MALFORMED;
    OPENSSL_cleanse(v.cookie, sizeof v.cookie);
    if (!e)
        return;
    env_trace_reason(t->env, TRACE_REJECT, v.step, http_message_name(bytes), e, (uint32_t)bytes.len, address);
    tbe_page_refuse(t, &v.caller, e, v.wait_s, e == ERR_HTTP_METHOD ? methods_of(r) : NULL);
}

/* ---- who ---- */

size_t tbe_user_at(const char *name, unsigned port)
{
    unsigned home = port == TBE_PORT_PORTAL ? TBE_PORT_APP : port;
    size_t i = tbe_user_find(name);
    return i < TBE_USERS && tbe_users[i].port == home ? i : TBE_USERS;
}

const char *tbe_page_home(unsigned port)
{
    return port == TBE_PORT_PORTAL ? "/vehicles" : "/call";
}

/* ---- pages that wait ---- */

static size_t count_waiting(const struct tbe *t, size_t user, bool outcomes_only)
{
    size_t count = 0;
    for (size_t i = 0; i < TBE_PAGES_MAX; i++) {
        const struct tbe_page *g = &t->pages[i];
        bool counts = outcomes_only ? g->wants == TBE_PAGE_OUTCOME
                                    : g->wants != TBE_PAGE_FREE && g->wants != TBE_PAGE_SIGN_IN;
        count += counts && g->user == user;
    }
    return count;
}

bool tbe_page_may_wait(const struct tbe *t, const struct tbe_page *g)
{
    return g->wants == TBE_PAGE_OUTCOME || count_waiting(t, g->user, true) < TBE_OUTCOMES_EACH;
}

struct tbe_page *tbe_page_begin(struct tbe *t, const struct tbe_page_visit *v, enum tbe_page_for wants)
{
    if (wants != TBE_PAGE_SIGN_IN && count_waiting(t, v->session->user, false) >= TBE_PAGES_EACH)
        return NULL;
    for (size_t i = 0; i < TBE_PAGES_MAX; i++) {
        struct tbe_page *g = &t->pages[i];
        if (g->wants != TBE_PAGE_FREE)
            continue;
        *g = (struct tbe_page){.wants = wants, .caller = v->caller};
        memcpy(g->id, v->cookie, sizeof g->id);
        g->user = g->customer = v->session ? v->session->user : TBE_USERS;
        text_copy(g->vehicle, sizeof g->vehicle, v->id);
        return g;
    }
    return NULL;
}

void tbe_page_end(struct tbe_page *g)
{
    OPENSSL_cleanse(g, sizeof *g);
    g->wants = TBE_PAGE_FREE;
}

void tbe_page_fail(struct tbe *t, struct tbe_page *g, const char *step, enum err reason, unsigned wait_s)
{
    env_trace_reason(t->env, TRACE_REJECT, step, NULL, reason, 0, g->caller.address);
    tbe_page_refuse(t, &g->caller, reason, wait_s, NULL);
    tbe_page_end(g);
}

enum err tbe_page_hash(struct tbe *t, struct tbe_page *g, const char *salt, const char *secret)
{
    const struct tbe_signing s = {.caller = g->caller, .page = (unsigned)(g - t->pages) + 1};
    return tbe_hash_begin(t, &s, salt, secret);
}

/* ---- what they wait for ---- */

static bool is_right(const uint8_t *hash, struct span typed)
{
    return typed.len == TBE_HASH && bytes_equal_ct(hash, typed.p, TBE_HASH);
}

/* Who is gone has begun nothing. */
void tbe_page_on_hash(struct tbe *t, size_t page, enum err e, struct span hash)
{
    struct tbe_page *g = &t->pages[page];
    bool is_code = g->wants == TBE_PAGE_CODE;
    size_t user = is_code ? g->customer : g->user;
    if (!*g->caller.address)
        tbe_page_end(g);
    else if (e)
        tbe_page_fail(t, g, is_code ? "OP-01b/2" : NULL, e, 0);
    else if (is_code)
        tbe_code_checked(t, g, user < TBE_USERS && is_right(tbe_users[user].code_hash, hash));
    else
        tbe_signed_in(t, g, user < TBE_USERS && is_right(tbe_users[user].hash, hash));
}

static struct tbe_page *find_waiting(struct tbe *t, const struct tbe_caller *c)
{
    for (size_t i = 0; *c->address && i < TBE_PAGES_MAX; i++) {
        struct tbe_page *g = &t->pages[i];
        if (g->wants >= TBE_PAGE_LIST && g->wants <= TBE_PAGE_CALL && g->caller.port == c->port &&
            strcmp(g->caller.address, c->address) == 0)
            return g;
    }
    return NULL;
}

void tbe_portal_on_vehicles(struct tbe *t, const struct tbe_caller *caller, enum err e,
                            const struct tbe_vehicles *list)
{
    struct tbe_page *g = find_waiting(t, caller);
    if (!g)
        return;
    bool begins = g->wants == TBE_PAGE_MAIL || g->wants == TBE_PAGE_CALL;
    if (e)
        tbe_page_fail(t, g, begins ? "OP-01b/3" : NULL, e, 0);
    else if (g->wants == TBE_PAGE_CALL)
        tbe_call_page(t, g, list);
    else
        tbe_vehicles_page(t, g, list);
}

/* The timer stands at the next whose time is over. */
void tbe_pages_arm(struct tbe *t)
{
    uint64_t next_us = ENV_NEVER;
    for (size_t i = 0; i < TBE_PAGES_MAX; i++)
        if (t->pages[i].wants == TBE_PAGE_OUTCOME && t->pages[i].until_us < next_us)
            next_us = t->pages[i].until_us;
    env_timer_set(t->env, TBE_TIMER_PAGE, next_us);
}

/* Asks again for those pages: whose mailing has ended, or whose time is over, is told. */
static void tell(struct tbe *t, const char *vehicle)
{
    for (size_t i = 0; i < TBE_PAGES_MAX; i++) {
        struct tbe_page *g = &t->pages[i];
        if (g->wants == TBE_PAGE_OUTCOME && (!vehicle || strcmp(g->vehicle, vehicle) == 0))
            tbe_outcome_page(t, g);
    }
    tbe_pages_arm(t);
}

void tbe_portal_on_mailing(struct tbe *t, const char *vehicle)
{
    tell(t, vehicle);
}

void tbe_pages_late(struct tbe *t)
{
    tell(t, NULL);
}

/* A hash comes back to its page: that one is ended then. */
void tbe_page_forget(struct tbe *t, unsigned port, const char *address)
{
    for (size_t i = 0; i < TBE_PAGES_MAX; i++) {
        struct tbe_page *g = &t->pages[i];
        if (g->wants == TBE_PAGE_FREE || g->caller.port != port || strcmp(g->caller.address, address) != 0)
            continue;
        if (g->wants == TBE_PAGE_SIGN_IN || g->wants == TBE_PAGE_CODE)
            g->caller.address[0] = '\0';
        else
            tbe_page_end(g);
    }
}
