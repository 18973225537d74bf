/* The browser alone on a bench, before canned pages: what it takes for a page, what it sends, which cookies
 * it keeps, and that it repeats nothing by itself. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "sim/actors/browser/browser.h"
#include "sim/actors/browser/page.h"
#include "tests/check.h"
#include "tests/support.h"

enum { PORTAL, HOTLINE };

#define VEHICLE "SPAAK00000001"
#define TOKEN   "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"
#define COOKIE  "__Host-s=0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define RULES   "; Path=/; Secure; HttpOnly; SameSite=Strict"

#define HEAD(title)                                                                               \
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" title "</title>\n" \
    "<style>a>b{color:#000}</style></head><body><main><h1>" title "</h1>"
#define END        "</main></body></html>\n"
#define PAGE(body) HEAD("Hello") body END
#define HIDDEN     "<input type=\"hidden\" name=\"csrf\" value=\"" TOKEN "\">"
#define FORM(action, fields) \
    "<form method=\"post\" action=\"" action "\">" HIDDEN fields "<button>Go</button></form>"
#define INPUT(type, name)                                                                           \
    "<label for=\"" name "\">" name "</label><input id=\"" name "\" type=\"" type "\" name=\"" name \
    "\" required>"
#define SIGN_IN PAGE(FORM("/sign-in", INPUT("text", "user") INPUT("password", "secret")))
#define LIST    PAGE("<ul><li><a href=\"/vehicles/" VEHICLE "\">" VEHICLE "</a></li></ul>" FORM("/sign-out", ""))
#define ONCE    "<input type=\"hidden\" name=\"once\" value=\"a&amp;b=c+d\">"
#define MAIL_PAGE(outcome)                            \
    PAGE("<p role=\"status\" data-outcome=\"" outcome \
         "\">so it is</p>" FORM("/vehicles/" VEHICLE "/mail", ONCE) FORM("/sign-out", ""))
#define CALL                                                                          \
    PAGE(FORM("/call", ONCE INPUT("text", "customer") INPUT("text", "vehicle") INPUT( \
                           "text", "code") "<input type=\"checkbox\" name=\"consent\" value=\"yes\">"))

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

/* ---- pages ---- */

Test(page, what_is_on_it)
{
    struct page *p = calloc(1, sizeof *p);
    ASSERT_OK(page_read(text_span(MAIL_PAGE("under-way")), p));
    cr_expect(eq(str, p->heading, "Hello"));
    cr_expect(eq(str, p->outcome, "under-way"));
    cr_expect(eq(str, p->reason, ""));
    cr_assert(eq(sz, p->form_count, 2));
    const struct page_form *f = page_form(p, "/vehicles/" VEHICLE "/mail");
    cr_assert(f != NULL);
    cr_assert(eq(sz, f->field_count, 2));
    cr_expect(eq(str, (char *)f->fields[0].name, "csrf"));
    cr_expect(eq(str, (char *)f->fields[0].value, TOKEN));
    cr_expect(eq(str, (char *)f->fields[1].value, "a&b=c+d"), "references are decoded");
    cr_expect(f->fields[1].hidden && !f->fields[1].checkbox);
    ASSERT_OK(page_read(text_span(LIST), p));
    cr_expect(page_links_to(p, "/vehicles/" VEHICLE));
    cr_expect(not(page_links_to(p, "/vehicles")));
    free(p);
}

#define BAD(name, body)                  \
    {                                    \
        name, PAGE(body), ERR_BAD_SYNTAX \
    }
static const struct {
    const char *name, *html;
    enum err e;
} pages[] = {
    {"as it should be", PAGE("<p>a &lt; b &amp; c</p>"), ERR_OK},
    {"a fragment", PAGE("<a href=\"#main\">to the text</a>"), ERR_OK},
    {"nothing", "", ERR_BAD_SYNTAX},
    {"no document type", "<html><head><title>a</title></head><body><h1>a</h1></body></html>", ERR_BAD_SYNTAX},
    {"cut off", HEAD("Hello"), ERR_BAD_SYNTAX},
    {"cut off in a tag", HEAD("Hello") "<p", ERR_BAD_SYNTAX},
    {"cut off in a value", HEAD("Hello") "<a href=\"/", ERR_BAD_SYNTAX},
    {"something behind it", PAGE("") "x", ERR_BAD_SYNTAX},
    {"a second document", PAGE("") "<html></html>", ERR_BAD_SYNTAX},
    {"a title that is not the heading",
     "<!DOCTYPE html><html><head><title>a</title></head><body><h1>b</h1></body></html>", ERR_BAD_SYNTAX},
    {"no heading", "<!DOCTYPE html><html><head><title>a</title></head><body></body></html>", ERR_BAD_SYNTAX},
    BAD("two headings", "<h1>Hello</h1>"),
    BAD("a heading in pieces", "<h1>Hel<b>x</b>lo</h1>"),
    BAD("closed in another order", "<p><b>a</p></b>"),
    BAD("never closed", "<p>a"),
    BAD("closed twice", "<p>a</p></p>"),
    BAD("a comment", "<!-- a -->"),
    BAD("capitals", "<P>a</P>"),
    BAD("closed by itself", "<br/>"),
    BAD("a bare &", "<p>a & b</p>"),
    BAD("an unknown reference", "<p>&nbsp;</p>"),
    BAD("a bare >", "<p>a > b</p>"),
    BAD("a control character", "<p>a\x01</p>"),
    BAD("a change of direction", "<p>\xE2\x80\xAE</p>"),
    BAD("no UTF-8", "<p>\xC3\x28</p>"),
    BAD("a value without quotes", "<p class=a>a</p>"),
    BAD("a value in single quotes", "<p class='a'>a</p>"),
    BAD("an attribute twice", "<p class=\"a\" class=\"b\">a</p>"),
    BAD("attributes without a blank", "<p class=\"a\"id=\"b\">a</p>"),
    BAD("a script", "<script>alert(1)</script>"),
    BAD("an event", "<p onclick=\"go()\">a</p>"),
    BAD("an image", "<img src=\"/a.png\">"),
    BAD("another file", "<link rel=\"stylesheet\" href=\"/a.css\">"),
    BAD("another base", "<base href=\"https://evil.example/\">"),
    BAD("a style of its own", "<p style=\"color:red\">a</p>"),
    BAD("a style that never ends", "<style>a{}"),
    BAD("a refresh", "<meta http-equiv=\"refresh\" content=\"0\">"),
    BAD("a link elsewhere", "<a href=\"https://evil.example/\">a</a>"),
    BAD("a link to another host", "<a href=\"//evil.example/\">a</a>"),
    BAD("a link that runs", "<a href=\"javascript:go()\">a</a>"),
    BAD("a link to nowhere", "<a>a</a>"),
    BAD("a form by GET", "<form method=\"get\" action=\"/a\"></form>"),
    BAD("a form without a method", "<form action=\"/a\"></form>"),
    BAD("a form without an action", "<form method=\"post\"></form>"),
    BAD("a form that goes elsewhere", "<form method=\"post\" action=\"//evil.example/\"></form>"),
    BAD("a form in a form", FORM("/a", FORM("/b", ""))),
    BAD("a form's other end", FORM("/a", "<button formaction=\"/b\">b</button>")),
    BAD("an input outside", HIDDEN),
    BAD("an input twice", FORM("/a", HIDDEN)),
    BAD("an input without a name", FORM("/a", "<input type=\"text\">")),
    BAD("an input of another kind", FORM("/a", "<input type=\"file\" name=\"a\">")),
    BAD("a secret in the page", FORM("/a", "<input type=\"password\" name=\"a\" value=\"b\">")),
    BAD("two messages", "<p data-outcome=\"sent\">a</p><p data-reason=\"SIGN_IN\">b</p>"),
    BAD("an empty message", "<p data-outcome=\"\">a</p>"),
    {"deeper than fits", PAGE("<b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b>"),
     ERR_NO_SPACE},
    {"more forms than fit", PAGE(FORM("/a", "") FORM("/b", "") FORM("/c", "") FORM("/d", "") FORM("/e", "")),
     ERR_NO_SPACE},
};

Test(page, what_is_none)
{
    struct page *p = calloc(1, sizeof *p);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        enum err e = page_read(text_span(pages[i].html), p);
        cr_expect(eq(str, (char *)err_name(e), (char *)err_name(pages[i].e)), "%s", pages[i].name);
        if (e)
            cr_expect(is_wiped(p, sizeof *p), "%s", pages[i].name);
    }
    free(p);
}

/* Whatever a page is cut to, or one of its bytes becomes, the reader stays in it: the copy has no byte more.
 */
Test(page, each_cut_and_each_byte)
{
    static const char html[] = MAIL_PAGE("sent");
    struct page *p = calloc(1, sizeof *p);
    size_t taken = 0;
    for (size_t len = 0; len < sizeof html - 1; len++) {
        char *copy = malloc(len ? len : 1);
        memcpy(copy, html, len);
        enum err e = page_read(span_of(copy, len), p);
        taken += !e;
        if (len && !e)
            cr_expect(eq(sz, len, sizeof html - 2), "only the last line end may be missing");
        for (unsigned c = 0; len && c < 256; c += 17) {
            copy[len - 1] = (char)c;
            page_read(span_of(copy, len), p);
        }
        free(copy);
    }
    cr_expect(eq(sz, taken, 1));
    free(p);
}

/* ---- on the bench ---- */

static struct bench b;

static void start(void)
{
    bench_prepare(&b, &browser_class, test_crypto());
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
}

static void restart(void)
{
    node_stop(&b.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        b.due_us[i] = ENV_NEVER;
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
}

static void stop(void)
{
    bench_free(&b);
}

TestSuite(browser, .init = start, .fini = stop);

/* Words by their number, texts as they are, in the order of the call's parameters. */
static void call(const char *name, const char *text, const uint64_t numbers[4])
{
    struct call_value values[4] = {{.number = 0}};
    unsigned index;
    cr_assert(component_call(&browser_class, name, &index));
    for (size_t i = 0; i < 4; i++) {
        values[i].number = numbers ? numbers[i] : 0;
        snprintf(values[i].text, sizeof values[i].text, "%s", text ? text : "");
    }
    node_on_call(&b.node, index, values);
}

static struct http_request said(void)
{
    struct http_request q;
    cr_assert(gt(sz, b.sent_count, 0));
    const struct bench_sent *s = &b.sent[b.sent_count - 1];
    ASSERT_OK(http_request_read(span_of(s->bytes, s->len), HTTP_FROM_COMPONENT, &q));
    return q;
}

static void answer_with(struct http_response *r)
{
    static uint8_t out[HTTP_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    char tag[96];
    const struct bench_sent *s = &b.sent[b.sent_count - 1];
    snprintf(tag, sizeof tag, "%s", s->address);
    ASSERT_OK(http_response_write(r, &w));
    node_on_bytes(&b.node, s->port, tag, span_of(out, w.len));
}

static void answer(unsigned status, const char *html, const char *cookie)
{
    struct http_response r = {.status = status, .body = text_span(html)};
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_HTML));
    r.lines[HTTP_LINE_SET_COOKIE] = text_span(cookie ? cookie : "");
    answer_with(&r);
}

static void lead(const char *to, const char *cookie)
{
    struct http_response r = {.status = 303};
    r.lines[HTTP_LINE_LOCATION] = text_span(to);
    r.lines[HTTP_LINE_SET_COOKIE] = text_span(cookie ? cookie : "");
    answer_with(&r);
}

/* What a screen shows: 0 the page, 1 the message. */
static const char *shown(const char *which)
{
    const char *text = "";
    for (size_t i = 0; i < b.trace_count; i++)
        if (b.trace[i].kind == TRACE_SHOW && strcmp(b.trace[i].message, which) == 0)
            text = b.trace[i].detail;
    return text;
}

#define EXPECT_SAID(verb, at, body_is)                                                \
    do {                                                                              \
        struct http_request q_ = said();                                              \
        cr_expect(eq(str, (char *)http_method_name(q_.method), (char *)verb));        \
        cr_expect(span_is(q_.words[HTTP_WORD_PATH], at), "%.*s instead of %s",        \
                  (int)q_.words[HTTP_WORD_PATH].len, q_.words[HTTP_WORD_PATH].p, at); \
        cr_expect(span_is(q_.body, body_is), "%.*s", (int)q_.body.len, q_.body.p);    \
    } while (0)

#define EXPECT_WORD(word, is) cr_expect(span_is(said().words[HTTP_WORD_##word], is), #word)

static void sign_in(void)
{
    call("sign-in", NULL, NULL);
    answer(200, SIGN_IN, NULL);
    lead("/vehicles", COOKIE RULES);
    answer(200, LIST, NULL);
}

Test(browser, signs_in_and_asks)
{
    call("sign-in", NULL, NULL);
    EXPECT_SAID("GET", "/", "");
    EXPECT_WORD(FETCH_SITE, "none");
    EXPECT_WORD(ORIGIN, "");
    EXPECT_WORD(COOKIE, "");
    answer(200, SIGN_IN, "__Host-s=before" RULES);
    EXPECT_SAID("POST", "/sign-in", "csrf=" TOKEN "&user=anna&secret=lake-and-lantern");
    EXPECT_WORD(TYPE, "application/x-www-form-urlencoded");
    EXPECT_WORD(FETCH_SITE, "same-origin");
    EXPECT_WORD(ORIGIN, "https://portal.tbe.example");
    EXPECT_WORD(COOKIE, "__Host-s=before");
    lead("/vehicles", COOKIE RULES);
    EXPECT_SAID("GET", "/vehicles", "");
    EXPECT_WORD(COOKIE, COOKIE);
    EXPECT_WORD(ORIGIN, "");
    answer(200, LIST, NULL);
    size_t sent = b.sent_count;
    bench_run_ms(&b, 60000);
    cr_expect(eq(sz, b.sent_count, sent), "it does nothing by itself");
    call("ask-mail", VEHICLE, NULL);
    EXPECT_SAID("GET", "/vehicles", "");
    answer(200, LIST, NULL);
    EXPECT_SAID("GET", "/vehicles/" VEHICLE, "");
    EXPECT_WORD(FETCH_SITE, "same-origin");
    answer(200, MAIL_PAGE("none"), NULL);
    EXPECT_SAID("POST", "/vehicles/" VEHICLE "/mail", "csrf=" TOKEN "&once=a%26b%3Dc%2Bd");
    cr_expect(eq(str, (char *)shown("message"), "waiting"));
    lead("/vehicles/" VEHICLE, NULL);
    answer(200, MAIL_PAGE("under-way"), NULL);
    cr_expect(eq(str, (char *)shown("page"), "Hello"));
    cr_expect(eq(str, (char *)shown("message"), "under-way"));
    call("look-again", NULL, NULL);
    EXPECT_SAID("GET", "/vehicles/" VEHICLE, "");
    answer(200, PAGE("<p data-outcome=\"failed\" data-reason=\"NOT_OWNER\">no</p>"), NULL);
    cr_expect(eq(str, (char *)shown("message"), "failed: NOT_OWNER"));
    call("sign-out", NULL, NULL);
    lead("/vehicles", NULL);
    answer(200, LIST, NULL);
    EXPECT_SAID("POST", "/sign-out", "csrf=" TOKEN);
    lead("/", COOKIE "; Max-Age=0" RULES);
    EXPECT_WORD(COOKIE, "");
}

Test(browser, an_operator_helps)
{
    static const struct {
        const char *name;
        uint64_t numbers[4]; /* customer, vehicle, code, consent */
        const char *body;
    } rows[] = {
        {"all is right",
         {0, 0, 0, 0},
         "csrf=" TOKEN "&once=a%26b%3Dc%2Bd&customer=anna&vehicle=" VEHICLE "&code=48210973&consent=yes"},
        {"no consent",
         {0, 0, 0, 1},
         "csrf=" TOKEN "&once=a%26b%3Dc%2Bd&customer=anna&vehicle=" VEHICLE "&code=48210973"},
        {"a wrong code",
         {1, 0, 1, 0},
         "csrf=" TOKEN "&once=a%26b%3Dc%2Bd&customer=bert&vehicle=" VEHICLE "&code=41415926&consent=yes"},
        {"no code",
         {0, 0, 2, 0},
         "csrf=" TOKEN "&once=a%26b%3Dc%2Bd&customer=anna&vehicle=" VEHICLE "&code=&consent=yes"},
    };
    call("hotline-sign-in", NULL, (const uint64_t[4]){3});
    answer(200, SIGN_IN, NULL);
    cr_expect(eq(uint, b.sent[b.sent_count - 1].port, HOTLINE));
    EXPECT_WORD(ORIGIN, "https://hotline.tbe.example");
    lead("/call", COOKIE RULES);
    answer(200, CALL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        call("help-customer", VEHICLE, rows[i].numbers);
        EXPECT_SAID("GET", "/call", "");
        answer(200, CALL, NULL);
        EXPECT_SAID("POST", "/call", rows[i].body);
        answer(403, PAGE("<p role=\"alert\" data-reason=\"CONSENT_WRONG\">no</p>"), NULL);
        cr_expect(eq(str, (char *)shown("message"), "CONSENT_WRONG"), "%s", rows[i].name);
    }
}

/* ---- cookies ---- */

Test(browser, cookies_that_it_keeps)
{
    static const struct {
        const char *name, *line, *kept; /* NULL: refused, and the page with it */
    } rows[] = {
        {"as ours are", COOKIE RULES, COOKIE},
        {"in another order", COOKIE "; SameSite=Strict; HttpOnly; Secure; Path=/", COOKIE},
        {"at its end", COOKIE "; Max-Age=0" RULES, ""},
        {"emptied", "__Host-s=" RULES, ""},
        {"not secure", COOKIE "; Path=/; HttpOnly; SameSite=Strict", NULL},
        {"of a path", COOKIE "; Path=/vehicles; Secure; HttpOnly; SameSite=Strict", NULL},
        {"of no path", COOKIE "; Secure; HttpOnly; SameSite=Strict", NULL},
        {"of a domain", COOKIE "; Domain=tbe.example" RULES, NULL},
        {"that scripts may read", COOKIE "; Path=/; Secure; SameSite=Strict", NULL},
        {"that travels from other sites", COOKIE "; Path=/; Secure; HttpOnly; SameSite=Lax", NULL},
        {"without the prefix", "s=a" RULES, NULL},
        {"without a name", "__Host-=a" RULES, NULL},
        {"without a value", "__Host-s" RULES, NULL},
        {"with a blank", "__Host-s=a b" RULES, NULL},
        {"with a comma", "__Host-s=a,b" RULES, NULL},
        {"with an attribute twice", COOKIE "; Secure" RULES, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        call("lose-cookies", NULL, NULL);
        call("open-vehicle", VEHICLE, NULL);
        EXPECT_WORD(COOKIE, "");
        size_t refused = bench_count(&b, TRACE_REJECT, ERR_BAD_SYNTAX);
        answer(200, LIST, rows[i].line);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_BAD_SYNTAX) - refused, rows[i].kept ? 0 : 1), "%s",
                  rows[i].name);
        if (!rows[i].kept)
            call("look-again", NULL, NULL);
        cr_expect(span_is(said().words[HTTP_WORD_COOKIE], rows[i].kept ? rows[i].kept : ""), "%s",
                  rows[i].name);
        answer(200, LIST, NULL);
    }
}

Test(browser, each_host_has_a_cookie_of_its_own_and_a_restart_keeps_it)
{
    sign_in();
    call("hotline-sign-in", NULL, (const uint64_t[4]){3});
    EXPECT_WORD(COOKIE, "");
    answer(200, SIGN_IN, NULL);
    lead("/call", "__Host-s=other" RULES);
    EXPECT_WORD(COOKIE, "__Host-s=other");
    restart();
    call("open-vehicle", VEHICLE, NULL);
    EXPECT_WORD(COOKIE, COOKIE);
}

/* ---- what goes wrong ---- */

Test(browser, what_leads_elsewhere_is_not_followed)
{
    static const char *const to[] = {"https://evil.example/", "//evil.example/", "vehicles",
                                     "javascript:go()"};
    for (size_t i = 0; i < sizeof to / sizeof to[0]; i++) {
        call("open-vehicle", VEHICLE, NULL);
        size_t sent = b.sent_count;
        lead(to[i], NULL);
        cr_expect(eq(sz, b.sent_count, sent), "%s", to[i]);
        cr_expect(eq(str, (char *)shown("message"), "leads elsewhere"));
    }
    call("open-vehicle", VEHICLE, NULL);
    for (int i = 0; i < 5; i++)
        lead("/vehicles", NULL);
    size_t sent = b.sent_count;
    lead("/vehicles", NULL);
    cr_expect(eq(sz, b.sent_count, sent), "in a circle");
}

Test(browser, it_repeats_nothing_by_itself)
{
    for (int i = 0; i < 5; i++) {
        call("look-again", NULL, NULL);
        size_t sent = b.sent_count;
        char tag[96], door[HTTP_PROBLEM_MAX];
        snprintf(tag, sizeof tag, "%s", b.sent[sent - 1].address);
        size_t len = http_door_write(ERR_HTTP_GONE, (uint8_t *)door);
        if (i == 0)
            node_on_news(&b.node, PORTAL, tag, "no-answer");
        else if (i == 1)
            node_on_news(&b.node, PORTAL, tag, "not-sent");
        else if (i == 2)
            bench_run_ms(&b, 6000); /* its patience */
        else if (i == 3)
            node_on_bytes(&b.node, PORTAL, tag, span_of(door, len));
        else
            answer(200, "<p>not ours", NULL);
        static const char *const messages[] = {"no-answer", "not-sent", "no-answer", "HTTP_GONE",
                                               "BAD_SYNTAX"};
        cr_expect(eq(str, (char *)shown("message"), (char *)messages[i]));
        bench_run_ms(&b, 60000);
        cr_expect(eq(sz, b.sent_count, sent), "%d", i);
    }
}

Test(browser, what_waits_is_done_after_and_not_after_a_failure)
{
    call("sign-in", NULL, NULL);
    call("ask-mail", VEHICLE, NULL);
    cr_expect(eq(sz, b.sent_count, 1));
    answer(200, SIGN_IN, NULL);
    lead("/vehicles", COOKIE RULES);
    answer(200, LIST, NULL);
    EXPECT_SAID("GET", "/vehicles", "");
    answer(200, PAGE("<p>you have none</p>"), NULL);
    cr_expect(eq(str, (char *)shown("message"), "not there"));
    size_t sent = b.sent_count;
    call("sign-in", NULL, NULL);
    call("ask-mail", VEHICLE, NULL);
    node_on_news(&b.node, PORTAL, b.sent[b.sent_count - 1].address, "no-answer");
    bench_run_ms(&b, 60000);
    cr_expect(eq(sz, b.sent_count, sent + 1));
}

Test(browser, what_was_asked_before_is_heard_of_no_more)
{
    char before[96];
    call("look-again", NULL, NULL);
    snprintf(before, sizeof before, "%s", b.sent[b.sent_count - 1].address);
    bench_run_ms(&b, 6000);
    call("look-again", NULL, NULL);
    node_on_news(&b.node, PORTAL, before, "not-sent");
    cr_expect(eq(str, (char *)shown("message"), "no-answer"));
    answer(200, LIST, NULL);
    cr_expect(eq(str, (char *)shown("page"), "Hello"));
}

/* ---- attackers ---- */

Test(browser, forms_that_an_attacker_sends)
{
    static const struct {
        const char *name, *origin, *site;
        int token; /* 1: the page's, 2: another, 0: none */
    } rows[] = {
        {"csrf", "https://portal.tbe.example", "same-origin", 2},
        {"no-csrf", "https://portal.tbe.example", "same-origin", 0},
        {"origin", "https://portal.tbe.example.evil.example", "cross-site", 1},
        {"site", "", "cross-site", 1},
        {"honest again", "https://portal.tbe.example", "same-origin", 1},
    };
    sign_in();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i < 4)
            call("forge", NULL, (const uint64_t[4]){i});
        call("ask-mail", VEHICLE, (const uint64_t[4]){0, 1});
        EXPECT_SAID("GET", "/vehicles/" VEHICLE, "");
        answer(200, MAIL_PAGE("none"), NULL);
        EXPECT_WORD(ORIGIN, rows[i].origin);
        EXPECT_WORD(FETCH_SITE, rows[i].site);
        EXPECT_WORD(COOKIE, COOKIE);
        struct http_request q = said();
        bool token = memmem(q.body.p, q.body.len, "csrf=", 5) != NULL,
             ours = memmem(q.body.p, q.body.len, TOKEN, strlen(TOKEN)) != NULL;
        cr_expect(eq(int, token, rows[i].token != 0), "%s", rows[i].name);
        cr_expect(eq(int, ours, rows[i].token == 1), "%s", rows[i].name);
        cr_expect(memmem(q.body.p, q.body.len, "once=a%26b", 10) != NULL, "%s", rows[i].name);
        answer(403, PAGE("<p role=\"alert\" data-reason=\"FORM_FORGED\">no</p>"), NULL);
    }
}

Test(browser, the_last_form_once_more)
{
    uint8_t first[4096];
    call("send-again", NULL, NULL);
    cr_expect(eq(sz, b.sent_count, 0), "there is none");
    cr_expect(eq(str, (char *)shown("message"), "not there"));
    sign_in();
    call("ask-mail", VEHICLE, NULL);
    answer(200, LIST, NULL);
    answer(200, MAIL_PAGE("none"), NULL);
    size_t len = b.sent[b.sent_count - 1].len;
    memcpy(first, b.sent[b.sent_count - 1].bytes, len);
    lead("/vehicles/" VEHICLE, NULL);
    answer(200, MAIL_PAGE("sent"), NULL);
    call("send-again", NULL, NULL);
    cr_expect(span_equal(span_of(b.sent[b.sent_count - 1].bytes, b.sent[b.sent_count - 1].len),
                         span_of(first, len)));
}

/* A page that wants no referrer said is left by forms whose origin is "null" (Fetch, 3.2). */
Test(browser, says_null_where_browsers_do)
{
    struct http_response r = {.status = 200, .body = text_span(MAIL_PAGE("none"))};
    r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_HTML));
    r.lines[HTTP_LINE_REFERRER] = text_span("no-referrer");
    call("ask-mail", VEHICLE, (const uint64_t[4]){0, 1});
    answer_with(&r);
    EXPECT_WORD(ORIGIN, "null");
    EXPECT_WORD(FETCH_SITE, "same-origin");
}

/* ---- secrets ---- */

Test(browser, secrets_lie_sealed_and_stand_in_no_trace)
{
    static const char *const secrets[] = {"0123456789abcdefghij", TOKEN, "lake-and-lantern", "48210973"};
    static const char *const keys[] = {BROWSER_JAR_PORTAL, BROWSER_FORM_TOKEN, BROWSER_PERSON_SECRET,
                                       BROWSER_PERSON_CODE};
    uint8_t raw[400];
    char open[400];
    size_t len;
    sign_in();
    call("help-customer", VEHICLE, (const uint64_t[4]){0});
    answer(200, CALL, NULL);
    for (size_t i = 0; i < 4; i++) {
        ASSERT_OK(store_get(b.node.store, keys[i], raw, sizeof raw, &len));
        cr_expect(memmem(raw, len, secrets[i], strlen(secrets[i])) == NULL, "%s", keys[i]);
        memset(open, 0, sizeof open);
        ASSERT_OK(bench_secret(&b, keys[i], open, sizeof open - 1, &len));
        cr_expect(strstr(open, secrets[i]) != NULL, "%s", keys[i]);
        for (size_t k = 0; k < b.trace_count; k++)
            cr_expect(strstr(b.trace[k].detail, secrets[i]) == NULL, "%s", keys[i]);
    }
}
