/* The hotline: an operator has a customer on the telephone, who agrees and says a code that only they know.
 * The operator learns neither which vehicles there are, nor the whole address, nor the link. */
#include <openssl/crypto.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/html/form.h"
#include "lib/html/html.h"

/* A code is short: of a customer, and by an operator, so many are tried in a minute. */
#define CODES_PER_MINUTE 3
#define CALLS_PER_MINUTE 10

static void call_page(struct tbe *t, const struct tbe_caller *c, const uint8_t *id, size_t user,
                      enum err reason, unsigned wait_s)
{
    struct tbe_page_out p;
    tbe_page_open(&p, 200, "Send a link for a customer");
    if (reason)
        tbe_page_alert(&p, reason);
    p.retry_after_s = wait_s;
    tbe_page_form(t, &p, c->port, id, "/call", true);
    tbe_page_field(&p, "customer", "Customer's user name", " autocomplete=\"off\" maxlength=\"64\" required");
    tbe_page_field(&p, "vehicle", "Serial number of the vehicle",
                   " autocomplete=\"off\" maxlength=\"32\" required");
    tbe_page_field(&p, "code", "Telephone code that the customer reads out",
                   " autocomplete=\"off\" inputmode=\"numeric\" maxlength=\"64\" required");
    html_raw(&p.w, "<p><input type=\"checkbox\" id=\"consent\" name=\"consent\" value=\"yes\"> "
                   "<label for=\"consent\">The customer agrees, in this call, that the link with the pairing "
                   "password is sent to the address that we have.</label></p>\n");
    tbe_page_button(&p, "Send the link");
    tbe_page_signed_in(t, &p, c->port, id, user);
    tbe_page_send(t, c, &p);
}

enum err tbe_get_call(struct tbe *t, struct tbe_page_visit *v)
{
    call_page(t, &v->caller, v->cookie, v->session->user, ERR_OK, 0);
    return ERR_OK;
}

static void refuse_call(struct tbe *t, const struct tbe_page_visit *v, enum err reason)
{
    env_trace_reason(t->env, TRACE_REJECT, "OP-01b/2", "POST /call", reason, 0, v->caller.address);
    call_page(t, &v->caller, v->cookie, v->session->user, reason, v->wait_s);
}

/* ---- the form ---- */

struct call_form {
    char customer[TBE_WORD + 1], vehicle[MSG_SERIAL_MAX + 1], code[TBE_WORD + 1], once[TBE_WORD + 1];
    char consent[4];
    int64_t issued_ms; /* by `once` */
};

static enum err take_form(struct tbe *t, const struct tbe_page_visit *v, struct call_form *f)
{
    const struct form_field fields[] = {{"once", TBE_KEY_MIN, f->once, sizeof f->once},
                                        {"customer", 1, f->customer, sizeof f->customer},
                                        {"vehicle", 1, f->vehicle, sizeof f->vehicle},
                                        {"code", 0, f->code, sizeof f->code},
                                        {"consent", 0, f->consent, sizeof f->consent}};
    enum err e = tbe_form_take(t, v, fields, sizeof fields / sizeof fields[0]);
    if (e)
        return e;
    if (!tbe_is_word(f->vehicle, 1) || !tbe_once_issued(f->once, &f->issued_ms))
        return ERR_MSG_MALFORMED;
    return strcmp(f->consent, "yes") == 0 ? ERR_OK : ERR_CONSENT_MISSING;
}

static enum err begin(struct tbe *t, const struct tbe_page_visit *v, const struct call_form *f,
                      size_t customer)
{
    struct tbe_page *g = tbe_page_begin(t, v, TBE_PAGE_CODE);
    if (!g)
        return ERR_BUSY;
    g->customer = customer;
    text_copy(g->vehicle, sizeof g->vehicle, f->vehicle);
    text_copy(g->once, sizeof g->once, f->once);
    g->issued_ms = f->issued_ms;
    enum err e = tbe_page_hash(t, g, customer < TBE_USERS ? tbe_users[customer].code_salt : NULL, f->code);
    if (e)
        tbe_page_end(g);
    return e;
}

/* Who has no code is nobody that we know. */
static size_t customer_of(const char *name)
{
    size_t i = tbe_user_at(name, TBE_PORT_PORTAL);
    return i < TBE_USERS && *tbe_users[i].code_salt ? i : TBE_USERS;
}

enum err tbe_post_call(struct tbe *t, struct tbe_page_visit *v)
{
    struct call_form f;
    env_trace_step(t->env, "OP-01b/1", "the hotline is asked for a link by mail");
    v->step = "OP-01b/2";
    enum err e = take_form(t, v, &f);
    size_t customer = e ? TBE_USERS : customer_of(f.customer);
    if (!e)
        v->wait_s = tbe_bucket_take(t, &t->call_buckets[v->session->user], CALLS_PER_MINUTE);
    if (!e && !v->wait_s)
        v->wait_s = tbe_code_take(t, customer, f.customer, CODES_PER_MINUTE);
    if (!e && v->wait_s)
        e = ERR_HTTP_RATE;
    if (!e) {
        e = begin(t, v, &f, customer);
    } else if (e == ERR_CONSENT_MISSING || e == ERR_HTTP_RATE || e == ERR_MSG_MALFORMED) {
        refuse_call(t, v, e);
        e = ERR_OK;
    }
    OPENSSL_cleanse(&f, sizeof f);
    return e;
}

/* ---- the code, and the vehicle ---- */

static void fail_call(struct tbe *t, struct tbe_page *g, const char *step, enum err reason)
{
    env_trace_reason(t->env, TRACE_REJECT, step, "POST /call", reason, 0, g->caller.address);
    call_page(t, &g->caller, g->id, g->user, reason, 0);
    tbe_page_end(g);
}

static void audit_code(struct tbe *t, const struct tbe_page *g)
{
    struct tbe_audit a = {.way = TBE_WAY_OPERATOR, .what = "code", .outcome = ERR_CONSENT_WRONG};
    if (g->customer == TBE_USERS)
        return;
    text_copy(a.user, sizeof a.user, tbe_users[g->customer].name);
    text_copy(a.by, sizeof a.by, tbe_users[g->user].name);
    tbe_audit_later(t, &a);
}

void tbe_code_checked(struct tbe *t, struct tbe_page *g, bool is_right)
{
    if (!is_right) {
        audit_code(t, g);
        fail_call(t, g, "OP-01b/2", ERR_CONSENT_WRONG);
        return;
    }
    env_trace_step(t->env, "OP-01b/2", "the customer agrees, and the code is theirs");
    g->wants = TBE_PAGE_CALL;
    enum err e = tbe_vehicles_ask(t, &g->caller, tbe_users[g->customer].name);
    if (e)
        tbe_page_fail(t, g, "OP-01b/3", e, 0);
}

void tbe_call_page(struct tbe *t, struct tbe_page *g, const struct tbe_vehicles *list)
{
    if (tbe_vehicles_have(list, g->vehicle))
        tbe_mail_begin(t, g);
    else
        fail_call(t, g, "OP-01b/3", ERR_NOT_OWNER);
}

/* ---- the outcome ---- */

/* Of whom this operator spoke last, of that vehicle: another customer's outcome is not told again. */
static size_t customer_called(struct tbe *t, const struct tbe_page_visit *v)
{
    struct tbe_mailing m;
    size_t found = TBE_USERS;
    int64_t last_ms = -1;
    for (size_t i = 0; i < TBE_USERS; i++) {
        if (tbe_mailing_get(t, v->id, tbe_users[i].name, &m) || m.state == TBE_MAILING_NONE ||
            strcmp(m.called_by, tbe_users[v->session->user].name) != 0 || m.called_ms <= last_ms)
            continue;
        found = i;
        last_ms = m.called_ms;
    }
    return found;
}

enum err tbe_get_called(struct tbe *t, struct tbe_page_visit *v)
{
    size_t customer = customer_called(t, v);
    if (customer == TBE_USERS)
        return ERR_NOT_FOUND;
    struct tbe_page *g = tbe_page_begin(t, v, TBE_PAGE_CALLED);
    if (!g)
        return ERR_BUSY;
    g->customer = customer;
    g->until_us = env_now_us(t->env) + TBE_OUTCOME_US;
    tbe_outcome_page(t, g);
    return ERR_OK;
}
