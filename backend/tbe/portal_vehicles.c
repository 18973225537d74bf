/* The portal's pages of vehicles, and what portal and hotline say of a mailing. Whose a vehicle is, is asked
 * anew for each page: it may have been sold since. */
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/html/form.h"
#include "lib/html/html.h"

/* ---- asking ---- */

static enum err ask_vehicles(struct tbe *t, struct tbe_page *g)
{
    if (!g)
        return ERR_BUSY;
    g->until_us = env_now_us(t->env) + TBE_OUTCOME_US;
    enum err e = tbe_vehicles_ask(t, &g->caller, tbe_users[g->customer].name);
    if (e)
        tbe_page_end(g);
    return e;
}

enum err tbe_get_vehicles(struct tbe *t, struct tbe_page_visit *v)
{
    return ask_vehicles(t, tbe_page_begin(t, v, TBE_PAGE_LIST));
}

enum err tbe_get_vehicle(struct tbe *t, struct tbe_page_visit *v)
{
    return ask_vehicles(t, tbe_page_begin(t, v, TBE_PAGE_VEHICLE));
}

enum err tbe_post_mail(struct tbe *t, struct tbe_page_visit *v)
{
    char once[TBE_WORD + 1], who[ENV_TEXT_MAX];
    int64_t issued_ms = 0;
    const struct form_field fields[] = {{"once", TBE_KEY_MIN, once, sizeof once}};
    env_trace_step(t->env, "OP-01b/1", "the portal is asked for a link by mail");
    v->step = "OP-01b/2";
    enum err e = tbe_form_take(t, v, fields, 1);
    if (!e && !tbe_once_issued(once, &issued_ms))
        e = ERR_MSG_MALFORMED;
    if (e)
        return e;
    snprintf(who, sizeof who, "the session is of %.40s", tbe_users[v->session->user].name);
    env_trace_step(t->env, "OP-01b/2", who);
    v->step = "OP-01b/3";
    struct tbe_page *g = tbe_page_begin(t, v, TBE_PAGE_MAIL);
    if (g) {
        text_copy(g->once, sizeof g->once, once);
        g->issued_ms = issued_ms;
    }
    return ask_vehicles(t, g);
}

/* ---- the list ---- */

bool tbe_vehicles_have(const struct tbe_vehicles *list, const char *serial)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->serials[i], serial) == 0)
            return true;
    return false;
}

static void list_page(struct tbe *t, struct tbe_page *g, const struct tbe_vehicles *list)
{
    struct tbe_page_out p;
    tbe_page_open(&p, 200, "Your vehicles");
    if (!list->count)
        tbe_page_paragraph(&p,
                           "No vehicle is registered for you. If you own one, please ask your dealer or our "
                           "service to register you as its owner, then look again.");
    html_raw(&p.w, list->count ? "<ul>\n" : "");
    for (size_t i = 0; i < list->count; i++) {
        html_raw(&p.w, "<li>");
        tbe_page_link(&p, "/vehicles/", list->serials[i], list->serials[i]);
        html_raw(&p.w, "</li>\n");
    }
    html_raw(&p.w, list->count ? "</ul>\n" : "");
    tbe_page_signed_in(t, &p, g->caller.port, g->id, g->user);
    tbe_page_send(t, &g->caller, &p);
    tbe_page_end(g);
}

/* ---- what became of it ---- */

static const struct {
    const char *outcome, *said, *next; /* the address stands between the two, when there is one */
} states[] = {
    [TBE_MAILING_NONE] = {"none", "No link has been sent for this vehicle.", NULL},
    [TBE_MAILING_UNDER_WAY] = {"under-way", "The link is on its way to ", ". Please look again in a moment."},
    [TBE_MAILING_SENT] = {"sent", "The link was sent to ",
                          ". Please open it on the phone that is to become the key. It can be used once."},
    [TBE_MAILING_REFUSED] =
        {"refused", "The mail was not taken for ",
         ". Nobody has the link. Please check this address with our service, then ask for a "
         "new link."},
    [TBE_MAILING_UNKNOWN] =
        {"unknown", "We do not know whether the mail has reached ",
         ". To be safe, the link in it is being made void: until your vehicle has been reached, it may still "
         "work. Please wait a few minutes, then ask for a new one."},
    [TBE_MAILING_FAILED] = {"failed", "", NULL},
};

/* Where it went, whatever the address is today. */
static void say_outcome(struct tbe_page_out *p, const struct tbe_mailing *m, bool is_portal)
{
    char masked[MAIL_ADDRESS_MAX + 1];
    tbe_address_mask(m->address, masked);
    html_raw(&p->w, "<p role=\"status\"");
    html_attribute(&p->w, "data-outcome", states[m->state].outcome);
    if (m->state == TBE_MAILING_FAILED)
        html_attribute(&p->w, "data-reason", err_name(m->reason));
    html_raw(&p->w, ">");
    html_text(&p->w, m->state == TBE_MAILING_FAILED ? tbe_page_words(m->reason) : states[m->state].said);
    if (states[m->state].next) {
        html_text(&p->w, is_portal ? m->address : masked);
        html_text(&p->w, states[m->state].next);
    }
    if (m->state == TBE_MAILING_REFUSED && m->code) {
        html_raw(&p->w, " (The mail server said ");
        html_number(&p->w, m->code);
        html_raw(&p->w, ".)");
    }
    html_raw(&p->w, "</p>\n");
}

/* What the customer can do: at the portal only, an operator needs another call. */
static void mail_form(struct tbe *t, struct tbe_page_out *p, const struct tbe_page *g)
{
    char action[MSG_SERIAL_MAX + 20], address[MAIL_ADDRESS_MAX + 1];
    tbe_address_of(t, g->customer, address);
    snprintf(action, sizeof action, "/vehicles/%s/mail", g->vehicle);
    tbe_page_form(t, p, g->caller.port, g->id, action, true);
    html_raw(&p->w, "<p>The link with the pairing password goes to ");
    html_text(&p->w, address);
    html_raw(&p->w, ".</p>\n");
    tbe_page_button(p, "Send me the link by mail");
}

/* The step itself stands with the mailing: it is done whether anybody looks or not. */
static void note_told(struct tbe *t, const struct tbe_mailing *m)
{
    char what[ENV_TEXT_MAX];
    snprintf(what, sizeof what, "OP-01b/7: the page says %s", states[m->state].outcome);
    if (m->state != TBE_MAILING_NONE)
        env_trace_note(t->env, TRACE_NOTE, what);
}

static void link_paragraph(struct tbe_page_out *p, const char *before, const char *segment, const char *text)
{
    html_raw(&p->w, "<p>");
    tbe_page_link(p, before, segment, text);
    html_raw(&p->w, "</p>\n");
}

static void show_outcome(struct tbe *t, struct tbe_page *g, const struct tbe_mailing *m)
{
    struct tbe_page_out p;
    char title[MSG_SERIAL_MAX + 20];
    bool is_portal = g->caller.port == TBE_PORT_PORTAL;
    snprintf(title, sizeof title, "Vehicle %s", g->vehicle);
    tbe_page_open(&p, 200, title);
    say_outcome(&p, m, is_portal);
    if (m->state == TBE_MAILING_UNDER_WAY)
        link_paragraph(&p, is_portal ? "/vehicles/" : "/call/", g->vehicle, "Look again");
    else if (is_portal)
        mail_form(t, &p, g);
    link_paragraph(&p, tbe_page_home(g->caller.port), "", is_portal ? "All your vehicles" : "Another call");
    tbe_page_signed_in(t, &p, g->caller.port, g->id, g->user);
    note_told(t, m);
    tbe_page_send(t, &g->caller, &p);
}

void tbe_outcome_page(struct tbe *t, struct tbe_page *g)
{
    struct tbe_mailing m;
    enum err e = tbe_mailing_get(t, g->vehicle, tbe_users[g->customer].name, &m);
    if (!e && g->caller.port == TBE_PORT_HOTLINE && strcmp(m.operator_, tbe_users[g->user].name) != 0)
        e = ERR_NOT_FOUND; /* another has been begun meanwhile, which is not this operator's */
    if (e) {
        tbe_page_fail(t, g, NULL, e, 0);
        return;
    }
    if (m.state == TBE_MAILING_UNDER_WAY && env_now_us(t->env) < g->until_us && tbe_page_may_wait(t, g)) {
        g->wants = TBE_PAGE_OUTCOME;
        tbe_pages_arm(t);
        return;
    }
    show_outcome(t, g, &m);
    tbe_page_end(g);
}

/* ---- with the list ---- */

void tbe_mail_begin(struct tbe *t, struct tbe_page *g)
{
    bool is_portal = g->caller.port == TBE_PORT_PORTAL;
    const struct tbe_mailing_ask ask = {.vehicle = g->vehicle,
                                        .user = tbe_users[g->customer].name,
                                        .operator_ = is_portal ? "" : tbe_users[g->user].name,
                                        .once = g->once,
                                        .issued_ms = g->issued_ms};
    env_trace_step(t->env, "OP-01b/3", "the vehicle is the customer's");
    enum err e = tbe_mailing_begin(t, &ask);
    if (e) {
        tbe_page_fail(t, g, "OP-01b/3", e, 0);
        return;
    }
    tbe_page_go(t, &g->caller, is_portal ? "/vehicles/" : "/call/", g->vehicle, NULL);
    tbe_page_end(g);
}

void tbe_vehicles_page(struct tbe *t, struct tbe_page *g, const struct tbe_vehicles *list)
{
    if (g->wants == TBE_PAGE_LIST)
        list_page(t, g, list);
    else if (!tbe_vehicles_have(list, g->vehicle)) /* another's is like one that is not there */
        tbe_page_fail(t, g, g->wants == TBE_PAGE_MAIL ? "OP-01b/3" : NULL, ERR_NOT_FOUND, 0);
    else if (g->wants == TBE_PAGE_MAIL)
        tbe_mail_begin(t, g);
    else
        tbe_outcome_page(t, g);
}
