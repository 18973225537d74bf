/* Signing in and out of portal and hotline. A user has one allowance of sign-ins over these and the app. */
#include <openssl/crypto.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/html/form.h"

/* With the visitor's id that the browser has, or a new one. */
static void sign_in_page(struct tbe *t, const struct tbe_caller *c, const uint8_t *cookie, enum err reason,
                         unsigned wait_s)
{
    uint8_t id[TBE_SESSION_ID];
    struct tbe_page_out p;
    bool is_known = tbe_visitor_is(t, c->port, cookie);
    if (is_known)
        memcpy(id, cookie, sizeof id);
    else
        tbe_visitor_make(t, c->port, id);
    tbe_page_open(&p, 200, c->port == TBE_PORT_PORTAL ? "Sign in to your vehicles" : "Hotline: sign in");
    if (reason)
        tbe_page_alert(&p, reason);
    p.retry_after_s = wait_s;
    p.cookie = is_known ? NULL : id;
    tbe_page_form(t, &p, c->port, id, "/sign-in", false);
    tbe_page_field(&p, "user", "User name",
                   " autocomplete=\"username\" autocapitalize=\"none\" maxlength=\"64\" required");
    tbe_page_field(&p, "secret", "Secret",
                   " type=\"password\" autocomplete=\"current-password\" maxlength=\"64\" required");
    tbe_page_button(&p, "Sign in");
    tbe_page_send(t, c, &p);
    OPENSSL_cleanse(id, sizeof id);
}

void tbe_sign_in_again(struct tbe *t, const struct tbe_caller *c, const uint8_t *cookie, enum err reason,
                       unsigned wait_s)
{
    env_trace_reason(t->env, TRACE_REJECT, NULL, "sign-in", reason, 0, c->address);
    sign_in_page(t, c, cookie, reason, wait_s);
}

/* Who comes by a link from another site has not sent our cookie, for it is a strict one: a new one would sign
 * them out. One more step, from our own page, and it comes. */
static void go_on_page(struct tbe *t, const struct tbe_caller *c)
{
    struct tbe_page_out p;
    tbe_page_open(&p, 200, "You come from another site");
    tbe_page_paragraph(&p, "Please check the address above before you enter anything.");
    tbe_page_link(&p, "/", "", "Go on");
    tbe_page_send(t, c, &p);
}

enum err tbe_get_sign_in(struct tbe *t, struct tbe_page_visit *v)
{
    struct span site = v->request->words[HTTP_WORD_FETCH_SITE];
    if (v->session)
        tbe_page_go(t, &v->caller, tbe_page_home(v->caller.port), "", NULL);
    else if (site.len && !span_is(site, "same-origin") && !span_is(site, "none"))
        go_on_page(t, &v->caller);
    else
        sign_in_page(t, &v->caller, v->cookie, ERR_OK, 0);
    return ERR_OK;
}

static enum err begin(struct tbe *t, const struct tbe_page_visit *v, size_t user, const char *secret)
{
    struct tbe_page *g = tbe_page_begin(t, v, TBE_PAGE_SIGN_IN);
    if (!g)
        return ERR_BUSY;
    g->user = user;
    enum err e = tbe_page_hash(t, g, user < TBE_USERS ? tbe_users[user].salt : NULL, secret);
    if (e)
        tbe_page_end(g);
    return e;
}

enum err tbe_post_sign_in(struct tbe *t, struct tbe_page_visit *v)
{
    char user[TBE_WORD + 1], secret[TBE_WORD + 1];
    const struct form_field fields[] = {{"user", 1, user, sizeof user}, {"secret", 1, secret, sizeof secret}};
    enum err e = tbe_form_take(t, v, fields, 2);
    /* an id that is neither a session's nor a visitor's of now was never ours, or is over */
    if (!e && !v->session && !tbe_visitor_is(t, v->caller.port, v->cookie))
        e = ERR_FORM_FORGED;
    size_t i = e ? TBE_USERS : tbe_user_at(user, v->caller.port);
    if (!e && (v->wait_s = tbe_sign_in_take(t, v->caller.port, user)))
        e = ERR_HTTP_RATE;
    if (!e) {
        e = begin(t, v, i, secret);
    } else if (!v->session) {
        tbe_sign_in_again(t, &v->caller, v->cookie, e, v->wait_s);
        e = ERR_OK;
    }
    OPENSSL_cleanse(secret, sizeof secret);
    return e;
}

void tbe_signed_in(struct tbe *t, struct tbe_page *g, bool is_right)
{
    uint8_t id[TBE_SESSION_ID];
    if (!is_right) {
        tbe_audit_sign_in(t, g->caller.port, g->user, "");
        tbe_sign_in_again(t, &g->caller, g->id, ERR_SIGN_IN, 0);
        tbe_page_end(g);
        return;
    }
    enum err e = tbe_session_begin(t, g->caller.port, g->user, g->id, id);
    if (e) {
        tbe_page_fail(t, g, NULL, e, 0);
    } else {
        tbe_page_go(t, &g->caller, tbe_page_home(g->caller.port), "", id);
        tbe_page_end(g);
    }
    OPENSSL_cleanse(id, sizeof id);
}

enum err tbe_post_sign_out(struct tbe *t, struct tbe_page_visit *v)
{
    struct tbe_page_out p = {.status = 303, .location = "/", .no_cookie = true};
    enum err e = tbe_form_take(t, v, NULL, 0);
    if (!e)
        e = tbe_session_end(t, v->session);
    if (!e)
        tbe_page_send(t, &v->caller, &p);
    return e;
}
