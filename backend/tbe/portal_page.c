/* How a page looks, what it says of a reason, and the lines that every answer carries. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/html/html.h"
#include "lib/token/base64url.h"

#define ONCE_TIME      12 /* hex digits of ms since 1970, at most */
#define ONCE_TIME_MASK 0xffffffffffffull

/* Part of the pages, so that there is nothing else to ask for. Colours are the browser's own, of the day or
 * of the night. */
static const char style[] =
    ":root{color-scheme:light dark}"
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:0 auto;padding:1rem;"
    "overflow-wrap:anywhere}"
    "label{display:block;margin-top:1rem}"
    "input,button{font:inherit;padding:.5rem;max-width:100%;box-sizing:border-box}"
    "input:not([type=checkbox]){display:block;width:100%}"
    "[type=checkbox]+label{display:inline;margin-left:.5rem}"
    "button{margin-top:1rem;cursor:pointer}"
    "a,button,input{min-height:1.5rem}"
    ":focus-visible{outline:3px solid;outline-offset:3px}"
    "[role]{border:2px solid;padding:.5rem 1rem}"
    "[role=alert]{border-width:2px 2px 2px 1rem}"
    "footer{margin-top:2rem;border-top:1px solid}";

void tbe_page_style_policy(struct tbe *t)
{
    uint8_t digest[SHA256_SIZE];
    char hash[BASE64URL_LEN(SHA256_SIZE) + 1];
    const struct span part = {(const uint8_t *)style, sizeof style - 1};
    struct wr w = wr_of(hash, sizeof hash - 1);
    crypto_sha256(t->env->crypto, &part, 1, digest);
    base64url_encode(span_of(digest, sizeof digest), &w);
    hash[w.len] = '\0';
    for (char *c = hash; *c; c++) /* the policy's alphabet is that of RFC 4648, 4 */
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    snprintf(t->style_policy, sizeof t->style_policy,
             "default-src 'none'; style-src 'sha256-%s='; form-action 'self'; base-uri 'none'; "
             "frame-ancestors 'none'",
             hash);
}

/* ---- words ---- */

/* What is the matter, and what to do next. The others say the reason's own text. */
static const struct {
    enum err reason;
    const char *text;
} words[] = {
    {ERR_SIGN_IN, "User name or secret is wrong. Please try again."},
    {ERR_HTTP_RATE, "That was too often in a short time. Please wait a minute, then try again."},
    {ERR_SESSION_MISSING, "You are not signed in any more. Nothing was done. Please sign in and try again."},
    {ERR_FORM_FORGED,
     "This form is too old, or was not made for you. Nothing was done. Please go back to the "
     "start, allow cookies for this site, and try again."},
    {ERR_FORM_FOREIGN,
     "This form was sent from another site. Nothing was done. Please begin at our start page."},
    {ERR_MSG_MALFORMED,
     "This form is not complete. Nothing was done. Please fill in all fields and try again."},
    {ERR_MSG_TOO_LONG, "What was entered is too long. Nothing was done. Please shorten it and try again."},
    {ERR_NOT_FOUND, "There is no such page here. Please begin at our start page."},
    {ERR_CONSENT_MISSING,
     "Without the customer's consent nothing can be sent. Please ask the customer, and tick "
     "the box when they agree."},
    {ERR_CONSENT_WRONG, "Customer and code do not belong together. Nothing was sent. Please ask for the code "
                        "again."},
    {ERR_NOT_OWNER, "The vehicle does not belong to this customer. Nothing was sent. Please check its serial "
                    "number, or ask our service to register the owner."},
    {ERR_BUSY, "Something is still under way for this vehicle. Please wait a moment, then try again."},
    {ERR_VOS_UNREACHABLE,
     "We cannot reach the vehicle service. Nothing was sent. Please try again in a moment."},
    {ERR_MSG_NO_ANSWER, "The vehicle service did not answer in time. Please try again in a moment."},
    {ERR_ECU_UNKNOWN, "We do not know this vehicle. Nothing was sent. Please ask our service."},
    {ERR_NOT_PROVISIONED,
     "The vehicle has not been set up for Digital Key yet. Nothing was sent. Please let it "
     "stand with reception for a while, then try again."},
    {ERR_VERIFIERS_MISSING,
     "A new pairing password is being made. Nothing was sent. Please try again in a few "
     "minutes, when the vehicle has reception."},
    {ERR_VERIFIERS_BURNT,
     "The pairing password was used up. Nothing was sent. Please try again in a few minutes, "
     "when the vehicle has reception."},
    {ERR_PASSWORD_DELIVERED,
     "The pairing password was handed out before. Nothing was sent. If you do not have it, "
     "please ask our service for a new one."},
    {ERR_MAIL_UNREACHABLE, "We cannot reach a mail server. Nobody has the link. Please try again later."},
    {ERR_PASSWORD_PENDING,
     "An app has asked for this pairing password and has not confirmed it. Nothing was sent. "
     "Please open that app, or try again in a quarter of an hour."},
};

const char *tbe_page_words(enum err reason)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].reason == reason)
            return words[i].text;
    return err_text(reason);
}

/* ---- parts ---- */

void tbe_page_open(struct tbe_page_out *p, unsigned status, const char *title)
{
    *p = (struct tbe_page_out){.status = status};
    p->w = wr_of(p->body, sizeof p->body);
    html_raw(&p->w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                    "<meta name=\"viewport\" content=\"width=device-width\"><title>");
    html_text(&p->w, title);
    html_raw(&p->w, "</title><style>");
    html_raw(&p->w, style);
    html_raw(&p->w, "</style></head>\n<body><main><h1>");
    html_text(&p->w, title);
    html_raw(&p->w, "</h1>\n");
}

void tbe_page_alert(struct tbe_page_out *p, enum err reason)
{
    p->status = tbe_status_of(reason);
    html_raw(&p->w, "<p role=\"alert\"");
    html_attribute(&p->w, "data-reason", err_name(reason));
    html_raw(&p->w, ">");
    html_text(&p->w, tbe_page_words(reason));
    html_raw(&p->w, "</p>\n");
}

static void hidden(struct tbe_page_out *p, const char *name, const char *value)
{
    html_raw(&p->w, "<input type=\"hidden\"");
    html_attribute(&p->w, "name", name);
    html_attribute(&p->w, "value", value);
    html_raw(&p->w, ">");
}

/* The time in hex, "-", and what is drawn. */
static void hidden_once(struct tbe *t, struct tbe_page_out *p)
{
    uint8_t drawn[16];
    char random[BASE64URL_LEN(sizeof drawn) + 1], once[ONCE_TIME + sizeof random + 1];
    struct wr w = wr_of(random, sizeof random - 1);
    env_random(t->env, drawn, sizeof drawn);
    base64url_encode(span_of(drawn, sizeof drawn), &w);
    random[w.len] = '\0';
    snprintf(once, sizeof once, "%llx-%s", (unsigned long long)env_wall_ms(t->env) & ONCE_TIME_MASK, random);
    hidden(p, "once", once);
}

bool tbe_once_issued(const char *once, int64_t *issued_ms)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = strspn(once, digits);
    if (!len || len > ONCE_TIME || once[len] != '-' || !tbe_is_word(once, TBE_KEY_MIN))
        return false;
    *issued_ms = 0;
    for (size_t i = 0; i < len; i++)
        *issued_ms = *issued_ms << 4 | (strchr(digits, once[i]) - digits);
    return true;
}

void tbe_page_form(struct tbe *t, struct tbe_page_out *p, unsigned port, const uint8_t *id,
                   const char *action, bool has_once)
{
    char token[TBE_FORM_TOKEN];
    tbe_form_token(t, port, id, action, token);
    html_raw(&p->w, "<form method=\"post\"");
    html_attribute(&p->w, "action", action);
    html_raw(&p->w, ">");
    hidden(p, "csrf", token);
    if (has_once)
        hidden_once(t, p);
    html_raw(&p->w, "\n");
    OPENSSL_cleanse(token, sizeof token);
}

void tbe_page_field(struct tbe_page_out *p, const char *name, const char *label, const char *type)
{
    html_raw(&p->w, "<label");
    html_attribute(&p->w, "for", name);
    html_raw(&p->w, ">");
    html_text(&p->w, label);
    html_raw(&p->w, "</label><input");
    html_attribute(&p->w, "id", name);
    html_attribute(&p->w, "name", name);
    html_raw(&p->w, type);
    html_raw(&p->w, ">\n");
}

void tbe_page_paragraph(struct tbe_page_out *p, const char *text)
{
    html_raw(&p->w, "<p>");
    html_text(&p->w, text);
    html_raw(&p->w, "</p>\n");
}

void tbe_page_button(struct tbe_page_out *p, const char *label)
{
    html_raw(&p->w, "<button>");
    html_text(&p->w, label);
    html_raw(&p->w, "</button></form>\n");
}

void tbe_page_link(struct tbe_page_out *p, const char *before, const char *segment, const char *text)
{
    html_raw(&p->w, "<a href=\"");
    html_raw(&p->w, before);
    if (*segment)
        html_segment(&p->w, segment);
    html_raw(&p->w, "\">");
    html_text(&p->w, text);
    html_raw(&p->w, "</a>");
}

void tbe_page_signed_in(struct tbe *t, struct tbe_page_out *p, unsigned port, const uint8_t *id, size_t user)
{
    html_raw(&p->w, "<footer><p>Signed in as ");
    html_text(&p->w, tbe_users[user].name);
    html_raw(&p->w, ".</p>\n");
    tbe_page_form(t, p, port, id, "/sign-out", false);
    tbe_page_button(p, "Sign out");
    html_raw(&p->w, "</footer>");
}

/* ---- sending ---- */

static struct span text_span(const char *text)
{
    return span_of(text, text ? strlen(text) : 0);
}

/* OWASP's list for pages that need nothing but their own style. */
static void add_policies(struct tbe *t, struct http_response *r)
{
    r->lines[HTTP_LINE_CACHE_CONTROL] = text_span("no-store");
    r->lines[HTTP_LINE_CONTENT_SECURITY] = text_span(t->style_policy);
    r->lines[HTTP_LINE_TYPE_OPTIONS] = text_span("nosniff");
    r->lines[HTTP_LINE_REFERRER] = text_span("no-referrer");
    r->lines[HTTP_LINE_TRANSPORT_SECURITY] = text_span("max-age=31536000");
    r->lines[HTTP_LINE_OPENER] = text_span("same-origin");
    r->lines[HTTP_LINE_PERMISSIONS] =
        text_span("camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()");
}

static void cookie_text(const struct tbe_page_out *p, char *out, size_t cap)
{
    char id[BASE64URL_LEN(TBE_SESSION_ID) + 1] = "";
    struct wr w = wr_of(id, sizeof id - 1);
    if (p->cookie)
        base64url_encode(span_of(p->cookie, TBE_SESSION_ID), &w);
    snprintf(out, cap, "__Host-s=%s; Path=/; Secure; HttpOnly; SameSite=Strict%s", id,
             p->no_cookie ? "; Max-Age=0" : "");
    OPENSSL_cleanse(id, sizeof id);
}

static void put_on_wire(struct tbe *t, const struct tbe_caller *c, struct http_response *r)
{
    uint8_t out[TBE_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    enum err e = *c->address ? http_response_write(r, &w) : ERR_OK;
    if (!e && w.len)
        e = env_send_bytes(t->env, c->port, c->address, span_of(out, w.len));
    if (e)
        env_trace_reason(t->env, TRACE_FAIL, NULL, NULL, e, (uint32_t)w.len, c->address);
    OPENSSL_cleanse(out, sizeof out);
}

void tbe_page_send(struct tbe *t, const struct tbe_caller *c, struct tbe_page_out *p)
{
    char cookie[160], seconds[12], challenge[] = "Cookie realm=\"tbe\"";
    struct http_response r = {.status = p->status};
    snprintf(seconds, sizeof seconds, "%u", p->retry_after_s);
    cookie_text(p, cookie, sizeof cookie);
    if (!p->location)
        html_raw(&p->w, "</main></body></html>\n");
    if (p->w.failed)
        r.status = 500;
    else
        r.body = span_of(p->body, p->w.len);
    if (r.body.len)
        r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_HTML));
    if (p->cookie || p->no_cookie)
        r.lines[HTTP_LINE_SET_COOKIE] = text_span(cookie);
    if (p->retry_after_s)
        r.lines[HTTP_LINE_RETRY_AFTER] = text_span(seconds);
    if (p->status == 401)
        r.lines[HTTP_LINE_WWW_AUTHENTICATE] = text_span(challenge);
    r.lines[HTTP_LINE_LOCATION] = text_span(p->location);
    r.lines[HTTP_LINE_ALLOW] = text_span(p->allow);
    add_policies(t, &r);
    put_on_wire(t, c, &r);
    OPENSSL_cleanse(cookie, sizeof cookie);
    OPENSSL_cleanse(p->body, sizeof p->body);
}

void tbe_page_go(struct tbe *t, const struct tbe_caller *c, const char *before, const char *segment,
                 const uint8_t *cookie)
{
    char location[2 * TBE_ID];
    struct tbe_page_out p = {.status = 303, .location = location, .cookie = cookie};
    p.w = wr_of(p.body, sizeof p.body);
    snprintf(location, sizeof location, "%s%s", before, segment);
    tbe_page_send(t, c, &p);
}

void tbe_page_refuse(struct tbe *t, const struct tbe_caller *c, enum err reason, unsigned wait_s,
                     const char *allow)
{
    struct tbe_page_out p;
    bool is_ours = tbe_status_of(reason) == 500; /* our own trouble is no caller's affair */
    tbe_page_open(&p, 0, "This did not work");
    tbe_page_alert(&p, is_ours ? ERR_INTERNAL : reason);
    html_raw(&p.w, "<p>");
    tbe_page_link(&p, "/", "", "Start page");
    html_raw(&p.w, "</p>\n");
    p.allow = allow;
    p.retry_after_s = wait_s ? wait_s : p.status == 429 ? 60 : p.status == 503;
    tbe_page_send(t, c, &p);
}
