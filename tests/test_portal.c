/* Portal and hotline as doors: what every answer carries, who gets in, how long, and which forms count. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/token/base64url.h"
#include "tests/check.h"
#include "tests/portal_bench.h"

#define PORTAL  SITE_PORTAL
#define HOTLINE SITE_HOTLINE
#define MINUTE  60000
#define STRANGE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* a cookie of the form that nobody made */

static char anna[64], hugo[64];

static void sign_in(const char *user, const char *secret, char cookie[64])
{
    site_sign_in(PORTAL, user, secret, cookie);
    cr_assert(eq(uint, said.status, 303), "%s", said.body);
}

static void start(void)
{
    site_start();
    sign_in("anna", SITE_ANNA, anna);
    site_sign_in(HOTLINE, "hugo", SITE_HUGO, hugo);
    cr_assert(eq(uint, said.status, 303));
}

TestSuite(portal, .init = start, .fini = site_stop);

/* Is somebody signed in there? */
static bool is_in(unsigned port, const char *cookie)
{
    site_get(port, "/", cookie);
    return said.status == 303;
}

/* ---- every answer ---- */

static void expect_style_allowed(void)
{
    const char *from = strstr(said.body, "<style>"), *to = strstr(said.body, "</style>");
    uint8_t digest[SHA256_SIZE], hash[64];
    char want[80];
    struct wr w = wr_of(hash, sizeof hash);
    cr_assert(from && to);
    const struct span style = span_of(from + 7, (size_t)(to - from - 7));
    crypto_sha256(test_crypto(), &style, 1, digest);
    base64url_encode(span_of(digest, sizeof digest), &w);
    for (size_t i = 0; i < w.len; i++)
        hash[i] = hash[i] == '-' ? '+' : hash[i] == '_' ? '/' : hash[i];
    snprintf(want, sizeof want, "style-src 'sha256-%.43s=';", (char *)hash);
    cr_expect(strstr(said.lines[HTTP_LINE_CONTENT_SECURITY], want) != NULL, "%s", want);
}

static void expect_lines(const char *name)
{
    static const struct {
        enum http_line line;
        const char *text;
    } lines[] = {
        {HTTP_LINE_CACHE_CONTROL, "no-store"}, {HTTP_LINE_TYPE_OPTIONS, "nosniff"},
        {HTTP_LINE_REFERRER, "no-referrer"},   {HTTP_LINE_TRANSPORT_SECURITY, "max-age=31536000"},
        {HTTP_LINE_OPENER, "same-origin"},
    };
    static const char *const policy[] = {"default-src 'none';", "form-action 'self';", "base-uri 'none';",
                                         "frame-ancestors 'none'"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_expect(eq(str, said.lines[lines[i].line], (char *)lines[i].text), "%s", name);
    cr_expect(strstr(said.lines[HTTP_LINE_PERMISSIONS], "camera=()") != NULL, "%s", name);
    for (size_t i = 0; i < 4; i++)
        cr_expect(strstr(said.lines[HTTP_LINE_CONTENT_SECURITY], policy[i]) != NULL, "%s", name);
    cr_expect(strstr(said.lines[HTTP_LINE_CONTENT_SECURITY], "unsafe") == NULL, "%s", name);
}

static unsigned count(const char *what)
{
    unsigned n = 0;
    for (const char *at = said.body; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

/* Nothing else to ask for, nothing that runs, and a label for each field. */
static void expect_page(const char *name)
{
    static const char *const never[] = {
        "<script", "<img", "<link", " src=", "http", "style=", " onclick", "<iframe"};
    cr_expect(eq(str, said.lines[HTTP_LINE_TYPE], "text/html; charset=utf-8"), "%s", name);
    cr_expect(strncmp(said.body, "<!DOCTYPE html>\n<html lang=\"en\">", 32) == 0, "%s", name);
    cr_expect(ne(str, said.h1, ""), "%s", name);
    cr_expect(eq(str, said.h1, said.title), "%s", name);
    cr_expect(eq(uint, count("<h1>"), 1), "%s", name);
    cr_expect(eq(uint, count("<label"), count("<input") - count("type=\"hidden\"")), "%s", name);
    cr_expect(eq(uint, count("<form method=\"post\""), count("<form")), "%s", name);
    cr_expect(eq(uint, count("name=\"csrf\""), count("<form")), "%s", name);
    const char *after = strstr(said.body, "</style>");
    cr_assert(after != NULL);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        cr_expect(strstr(after, never[i]) == NULL, "%s: %s", name, never[i]);
    expect_style_allowed();
}

/* ---- paths and methods ---- */

enum who { NOBODY, ANNA, HUGO, OTHERS };

static const struct {
    const char *name;
    unsigned port;
    enum http_method method;
    const char *path;
    enum who who;
    unsigned status;  /* 0: the VOS is asked */
    const char *says; /* reason of a page, place of a 303, methods of a 405 */
} paths[] = {
    {"the sign-in form", PORTAL, HTTP_GET, "/", NOBODY, 200, ""},
    {"of the hotline", HOTLINE, HTTP_GET, "/", NOBODY, 200, ""},
    {"signed in", PORTAL, HTTP_GET, "/", ANNA, 303, "/vehicles"},
    {"signed in at the hotline", HOTLINE, HTTP_GET, "/", HUGO, 303, "/call"},
    {"vehicles of nobody", PORTAL, HTTP_GET, "/vehicles", NOBODY, 303, "/"},
    {"a vehicle of nobody", PORTAL, HTTP_GET, "/vehicles/" SITE_CAR, NOBODY, 303, "/"},
    {"with a cookie that nobody made", PORTAL, HTTP_GET, "/vehicles", OTHERS, 303, "/"},
    {"a call of nobody", HOTLINE, HTTP_GET, "/call", NOBODY, 303, "/"},
    {"a mail of nobody", PORTAL, HTTP_POST, "/vehicles/" SITE_CAR "/mail", NOBODY, 401, "SESSION_MISSING"},
    {"a call by nobody", HOTLINE, HTTP_POST, "/call", NOBODY, 401, "SESSION_MISSING"},
    {"nobody signs out", PORTAL, HTTP_POST, "/sign-out", NOBODY, 401, "SESSION_MISSING"},
    {"vehicles", PORTAL, HTTP_GET, "/vehicles", ANNA, 0, ""},
    {"a vehicle", PORTAL, HTTP_GET, "/vehicles/" SITE_CAR, ANNA, 0, ""},
    {"the call", HOTLINE, HTTP_GET, "/call", HUGO, 200, ""},
    {"a call that was not made", HOTLINE, HTTP_GET, "/call/" SITE_CAR, HUGO, 404, "NOT_FOUND"},
    {"an operator looks for vehicles", HOTLINE, HTTP_GET, "/vehicles", HUGO, 404, "NOT_FOUND"},
    {"for one", HOTLINE, HTTP_GET, "/vehicles/" SITE_CAR, HUGO, 404, "NOT_FOUND"},
    {"with the session of the hotline at the portal", PORTAL, HTTP_GET, "/vehicles", HUGO, 303, "/"},
    {"with that of the portal at the hotline", HOTLINE, HTTP_GET, "/call", ANNA, 303, "/"},
    {"a customer looks for the call", PORTAL, HTTP_GET, "/call", ANNA, 404, "NOT_FOUND"},
    {"no such page", PORTAL, HTTP_GET, "/favicon.ico", ANNA, 404, "NOT_FOUND"},
    {"a path and more", PORTAL, HTTP_GET, "/vehicles/" SITE_CAR "/x", ANNA, 404, "NOT_FOUND"},
    {"a long serial", PORTAL, HTTP_GET, "/vehicles/123456789012345678901234567890123", ANNA, 404,
     "NOT_FOUND"},
    {"no serial", PORTAL, HTTP_GET, "/vehicles/a~b", ANNA, 404, "NOT_FOUND"},
    {"a DELETE", PORTAL, HTTP_DELETE, "/vehicles/" SITE_CAR, ANNA, 405, "GET"},
    {"a POST to the start", PORTAL, HTTP_POST, "/", ANNA, 405, "GET"},
    {"a GET to sign in", PORTAL, HTTP_GET, "/sign-in", NOBODY, 405, "POST"},
    {"a GET to sign out", PORTAL, HTTP_GET, "/sign-out", ANNA, 405, "POST"},
    {"a GET to send", PORTAL, HTTP_GET, "/vehicles/" SITE_CAR "/mail", ANNA, 405, "POST"},
    {"a PUT of a call", HOTLINE, HTTP_PUT, "/call", HUGO, 405, "GET, POST"},
};

static const char *cookie_of(enum who who)
{
    const char *const cookies[] = {"", anna, hugo, STRANGE};
    return cookies[who];
}

Test(portal, each_path_has_its_statuses)
{
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        uint64_t asked;
        const char *name = paths[i].name, *says = paths[i].says;
        site_ask(&(struct site_ask){.port = paths[i].port,
                                    .method = paths[i].method,
                                    .path = paths[i].path,
                                    .cookie = cookie_of(paths[i].who),
                                    .body = paths[i].method == HTTP_POST ? "csrf=x" : NULL});
        cr_expect(eq(uint, said.status, paths[i].status), "%s: %s", name, said.body);
        cr_expect(eq(uint, site_vos_asks(&asked), paths[i].status == 0), "%s", name);
        if (!said.status)
            continue;
        expect_lines(name);
        if (said.status == 303) {
            cr_expect(eq(str, said.lines[HTTP_LINE_LOCATION], (char *)says), "%s", name);
            continue;
        }
        expect_page(name);
        cr_expect(eq(str, said.status == 405 ? said.lines[HTTP_LINE_ALLOW] : said.reason, (char *)says), "%s",
                  name);
        cr_expect(eq(int, *said.lines[HTTP_LINE_WWW_AUTHENTICATE] != 0, said.status == 401), "%s", name);
    }
}

Test(portal, what_is_no_request_gets_a_page)
{
    site.sent_count = 0;
    memset(&said, 0, sizeof said);
    site_ask(&(struct site_ask){.port = PORTAL, .method = HTTP_GET, .path = "/", .query = "user=anna"});
    cr_expect(eq(str, said.reason, "NOT_FOUND"));
    site_ask(&(struct site_ask){.port = PORTAL, .method = HTTP_GET, .path = "/", .body = "user=anna"});
    cr_expect(eq(uint, said.status, 400));
    cr_expect(eq(str, said.reason, "MSG_MALFORMED"));
    expect_page("a GET with a body");
}

/* Whoever looks, and however often: the store stays as it is. */
Test(portal, a_GET_changes_nothing)
{
    static const char *const nothing[] = {NULL};
    size_t stored = bench_count(&site, TRACE_STORE, ERR_OK);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        uint64_t asked;
        if (paths[i].method != HTTP_GET)
            continue;
        site_get(paths[i].port, paths[i].path, cookie_of(paths[i].who));
        if (site_vos_asks(&asked))
            site_vos_has(nothing);
        cr_expect(ne(uint, said.status, 0), "%s", paths[i].name);
    }
    cr_expect(eq(sz, bench_count(&site, TRACE_STORE, ERR_OK), stored));
    cr_expect(is_in(PORTAL, anna));
}

/* ---- signing in ---- */

static const struct {
    const char *name;
    unsigned port;
    const char *user, *secret;
    unsigned status;
    const char *reason;
} sign_ins[] = {
    {"right", PORTAL, "bert", SITE_BERT, 303, ""},
    {"another secret", PORTAL, "bert", "field-and-feathes", 401, "SIGN_IN"},
    {"another's secret", PORTAL, "bert", SITE_ANNA, 401, "SIGN_IN"},
    {"nobody", PORTAL, "carl", SITE_ANNA, 401, "SIGN_IN"},
    {"the hotline's at the portal", PORTAL, "hugo", SITE_HUGO, 401, "SIGN_IN"},
    {"the operator of the door for operators", PORTAL, "olga", SITE_OLGA, 401, "SIGN_IN"},
    {"a customer at the hotline", HOTLINE, "bert", SITE_BERT, 401, "SIGN_IN"},
    {"markup", HOTLINE, "%3Cb%3E", "%22%3E%3Cscript%3E", 401, "SIGN_IN"},
    {"right at the hotline", HOTLINE, "hugo", SITE_HUGO, 303, ""},
};

Test(portal, who_is_not_known_and_who_errs_get_the_same_page)
{
    for (size_t i = 0; i < sizeof sign_ins / sizeof sign_ins[0]; i++) {
        char cookie[64];
        const char *name = sign_ins[i].name;
        site_sign_in(sign_ins[i].port, sign_ins[i].user, sign_ins[i].secret, cookie);
        cr_expect(eq(uint, said.status, sign_ins[i].status), "%s: %s", name, said.body);
        cr_expect(eq(str, said.reason, (char *)sign_ins[i].reason), "%s", name);
        expect_lines(name);
        cr_expect(strstr(said.body, sign_ins[i].secret) == NULL, "%s", name);
        cr_expect(eq(int, is_in(sign_ins[i].port, cookie), sign_ins[i].status == 303), "%s", name);
        site.now_us += 61000000; /* past the allowance */
    }
}

Test(portal, an_unknown_name_costs_a_hash_too)
{
    char body[200];
    site_get(PORTAL, "/", NULL);
    snprintf(body, sizeof body, "csrf=%s&user=nobody-here&secret=x", said.csrf);
    site_post(PORTAL, "/sign-in", site_cookie(), body);
    cr_expect(eq(uint, said.status, 0));
    cr_expect(eq(sz, site.work_count, 1));
    bench_finish_works(&site);
    site_hear();
    cr_expect(eq(str, said.reason, "SIGN_IN"));
    expect_page("who is not known");
}

Test(portal, a_session_is_a_new_random_id_of_which_the_store_has_the_digest)
{
    char visitor[64], cookie[64], body[200], key[100];
    uint8_t id[40], digest[SHA256_SIZE], record[100];
    size_t len;
    site_get(PORTAL, "/", NULL);
    snprintf(visitor, sizeof visitor, "%s", site_cookie());
    cr_expect(eq(sz, strlen(visitor), 43));
    snprintf(body, sizeof body, "csrf=%s&user=bert&secret=" SITE_BERT, said.csrf);
    site_post(PORTAL, "/sign-in", visitor, body);
    bench_finish_works(&site);
    site_hear();
    snprintf(cookie, sizeof cookie, "%s", site_cookie());
    cr_expect(ne(str, cookie, visitor));
    snprintf(body, sizeof body, "__Host-s=%s; Path=/; Secure; HttpOnly; SameSite=Strict", cookie);
    cr_expect(eq(str, said.lines[HTTP_LINE_SET_COOKIE], body));
    cr_assert(eq(long, base64url_decode(span_of(cookie, strlen(cookie)), id, sizeof id), 32));
    const struct span part = {id, 32};
    crypto_sha256(test_crypto(), &part, 1, digest);
    strcpy(key, TBE_SESSION);
    hex_encode(digest, sizeof digest, key + strlen(key));
    ASSERT_OK(store_get(site.node.store, key, record, sizeof record, &len));
    cr_expect(eq(sz, len, 2 + 16 + 4));
    cr_expect(eq(int, memcmp(record + 18, "bert", 4), 0));
    cr_expect(memmem(record, len, id, 16) == NULL);
    cr_expect(not(is_in(PORTAL, visitor)));
}

/* One allowance of a name over both ways. */
Test(portal, who_signs_in_too_often_waits)
{
    char cookie[64], body[200];
    static const char app[] = "{\"user\":\"bert\",\"secret\":\"x\",\"client\":\"installation-0001\"}";
    for (unsigned i = 0; i < 4; i++) {
        site_sign_in(PORTAL, "bert", "wrong", cookie);
        cr_expect(eq(str, said.reason, "SIGN_IN"), "%u", i);
    }
    site_ask(&(struct site_ask){.port = SITE_APP,
                                .method = HTTP_POST,
                                .path = "/v1/tokens",
                                .body = app,
                                .type = "application/json"});
    bench_finish_works(&site);
    site_get(PORTAL, "/", NULL);
    snprintf(body, sizeof body, "csrf=%s&user=bert&secret=" SITE_BERT, said.csrf);
    snprintf(cookie, sizeof cookie, "%s", site_cookie());
    site_post(PORTAL, "/sign-in", cookie, body);
    cr_expect(eq(uint, said.status, 429));
    cr_expect(eq(str, said.reason, "HTTP_RATE"));
    cr_expect(eq(str, said.lines[HTTP_LINE_RETRY_AFTER], "13"));
    cr_expect(eq(sz, site.work_count, 0));
    cr_expect(strstr(said.body, "name=\"secret\"") != NULL);
    expect_page("too often");
    site.now_us += 13000000;
    site_post(PORTAL, "/sign-in", cookie, body);
    bench_finish_works(&site);
    site_hear();
    cr_expect(eq(uint, said.status, 303));
}

/* ---- forms ---- */

static const struct {
    const char *name, *body, *type;
    unsigned status;
    const char *reason;
} forms[] = {
    {"JSON", "{}", "application/json", 415, "HTTP_TYPE"},
    {"parts", "csrf=TOKEN", "multipart/form-data", 415, "HTTP_TYPE"},
    {"without a token", "once=fffffffffff-0123456789abcdef", NULL, 403, "FORM_FORGED"},
    {"an empty token", "csrf=&once=fffffffffff-0123456789abcdef", NULL, 403, "FORM_FORGED"},
    {"a short token", "csrf=AAAA&once=fffffffffff-0123456789abcdef", NULL, 403, "FORM_FORGED"},
    {"a token of nobody", "csrf=" STRANGE "&once=fffffffffff-0123456789abcdef", NULL, 403, "FORM_FORGED"},
    {"a long token", "csrf=" STRANGE STRANGE "&once=fffffffffff-0123456789abcdef", NULL, 413, "MSG_TOO_LONG"},
    {"no once", "csrf=TOKEN", NULL, 400, "MSG_MALFORMED"},
    {"a short once", "csrf=TOKEN&once=fffffffffff-012", NULL, 400, "MSG_MALFORMED"},
    {"a once that is no word", "csrf=TOKEN&once=fffffffffff-0123456789abcde%2F", NULL, 400, "MSG_MALFORMED"},
    {"a field more", "csrf=TOKEN&once=fffffffffff-0123456789abcdef&user=bert", NULL, 400, "MSG_MALFORMED"},
    {"a field twice", "csrf=TOKEN&csrf=TOKEN&once=fffffffffff-0123456789abcdef", NULL, 400, "MSG_MALFORMED"},
    {"no UTF-8", "csrf=TOKEN&once=fffffffffff-0123456789abcdef%FF", NULL, 400, "MSG_MALFORMED"},
    {"as it should be", "csrf=TOKEN&once=fffffffffff-0123456789abcdef", NULL, 0, ""},
};

static void fill(char *out, size_t cap, const char *body, const char *token)
{
    const char *at;
    size_t len = 0;
    for (; (at = strstr(body, "TOKEN")); body = at + 5)
        len += (size_t)snprintf(out + len, cap - len, "%.*s%s", (int)(at - body), body, token);
    snprintf(out + len, cap - len, "%s", body);
}

#define MAIL_FORM "/vehicles/" SITE_CAR "/mail"

Test(portal, a_form_counts_as_it_was_made)
{
    char token[48], body[400];
    site_token(PORTAL, "/vehicles/" SITE_CAR, anna, MAIL_FORM, token);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        uint64_t asked;
        const char *name = forms[i].name;
        fill(body, sizeof body, forms[i].body, token);
        site_ask(&(struct site_ask){.port = PORTAL,
                                    .method = HTTP_POST,
                                    .path = MAIL_FORM,
                                    .cookie = anna,
                                    .body = body,
                                    .type = forms[i].type});
        cr_expect(eq(uint, said.status, forms[i].status), "%s: %s", name, said.body);
        cr_expect(eq(str, said.reason, (char *)forms[i].reason), "%s", name);
        cr_expect(eq(uint, site_vos_asks(&asked), forms[i].status == 0), "%s", name);
    }
}

/* Of another action, vehicle, session, user or host: none is good here. And none of its bits may change. */
Test(portal, a_token_is_for_one_form_of_one_session)
{
    char again[64], other[64], token[48], body[200];
    sign_in("anna", SITE_ANNA, again);
    sign_in("bert", SITE_BERT, other);
    const struct {
        const char *name;
        unsigned port;
        const char *page, *cookie, *action;
        const char *reason;
    } rows[] = {
        {"its own", PORTAL, "/vehicles", anna, "/sign-out", ""},
        {"another action's", PORTAL, "/vehicles/" SITE_CAR, anna, MAIL_FORM, "FORM_FORGED"},
        {"another session's of the same user", PORTAL, "/vehicles", again, "/sign-out", "FORM_FORGED"},
        {"another user's", PORTAL, "/vehicles", other, "/sign-out", "FORM_FORGED"},
        {"the hotline's", HOTLINE, "/call", hugo, "/sign-out", "FORM_FORGED"},
        {"a visitor's", PORTAL, "/", "", "/sign-in", "FORM_FORGED"},
    };
    for (size_t i = sizeof rows / sizeof rows[0]; i-- > 0;) {
        site_token(rows[i].port, rows[i].page, rows[i].cookie, rows[i].action, token);
        snprintf(body, sizeof body, "csrf=%s", token);
        site_post(PORTAL, "/sign-out", anna, body);
        cr_expect(eq(str, said.reason, (char *)rows[i].reason), "%s", rows[i].name);
        cr_expect(eq(uint, said.status, *rows[i].reason ? 403 : 303), "%s", rows[i].name);
    }
    cr_expect(not(is_in(PORTAL, anna)));
    cr_expect(is_in(PORTAL, again));
}

Test(portal, each_character_of_a_token_counts)
{
    char token[48], body[200];
    site_token(PORTAL, "/vehicles", anna, "/sign-out", token);
    for (size_t i = 0; i < 43; i++) {
        snprintf(body, sizeof body, "csrf=%s", token);
        body[5 + i] = body[5 + i] == 'A' ? 'B' : 'A';
        site_post(PORTAL, "/sign-out", anna, body);
        cr_expect(eq(str, said.reason, "FORM_FORGED"), "%zu", i);
    }
    cr_expect(is_in(PORTAL, anna));
}

/* Login CSRF: a form that an attacker got is of no use in another's browser, nor later. */
Test(portal, a_sign_in_form_is_for_the_browser_that_asked_for_it)
{
    char attacker[64], body[200];
    site_get(PORTAL, "/", NULL);
    snprintf(attacker, sizeof attacker, "%s", site_cookie());
    snprintf(body, sizeof body, "csrf=%s&user=bert&secret=" SITE_BERT, said.csrf);
    site_get(PORTAL, "/", NULL);
    const struct {
        const char *name, *cookie;
        unsigned port;
        uint64_t later_us;
        const char *reason;
    } rows[] = {
        {"another browser", site_cookie(), PORTAL, 0, "FORM_FORGED"},
        {"none", "", PORTAL, 0, "FORM_FORGED"},
        {"a made-up one", STRANGE, PORTAL, 0, "FORM_FORGED"},
        {"the hotline", attacker, HOTLINE, 0, "FORM_FORGED"},
        {"who is signed in", anna, PORTAL, 0, "FORM_FORGED"},
        {"in time", attacker, PORTAL, 3590000000, ""},
        {"too late", attacker, PORTAL, 3600000000, "FORM_FORGED"},
    };
    uint64_t start_us = site.now_us;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        site.now_us = start_us + rows[i].later_us;
        site_post(rows[i].port, "/sign-in", rows[i].cookie, body);
        cr_expect(eq(sz, site.work_count, !*rows[i].reason), "%s", rows[i].name);
        bench_finish_works(&site);
        site_hear();
        cr_expect(eq(uint, said.status, *rows[i].reason ? 403 : 303), "%s", rows[i].name);
        cr_expect(eq(str, said.reason, (char *)rows[i].reason), "%s", rows[i].name);
    }
}

static const struct {
    const char *name, *origin, *site;
    bool counts;
} origins[] = {
    {"says nothing", NULL, NULL, true},
    {"ours", "https://portal.tbe.example", "same-origin", true},
    {"ours, at a port", "https://portal.tbe.example:41234", "same-origin", true},
    {"ours by its other name", "https://portal.tbe.localhost:41234", NULL, true},
    {"hidden by our own policy", "null", "same-origin", true},
    {"typed", NULL, "none", true},
    {"hidden by somebody's", "null", "cross-site", false},
    {"hidden, of an old browser", "null", NULL, false},
    {"another site", "https://evil.example", "cross-site", false},
    {"another site, of an old browser", "https://evil.example", NULL, false},
    {"another site that lies", "https://evil.example", "same-origin", false},
    {"the hotline", "https://hotline.tbe.example", "same-site", false},
    {"the app's host", "https://app.tbe.example", NULL, false},
    {"a neighbour of the site", NULL, "same-site", false},
    {"ours, from elsewhere", "https://portal.tbe.example", "cross-site", false},
    {"a word that nobody knows", NULL, "same", false},
    {"without TLS", "http://portal.tbe.example", "same-origin", false},
    {"a longer name", "https://portal.tbe.example.evil.example", NULL, false},
    {"a name before ours", "https://evil-portal.tbe.example", NULL, false},
    {"a user before", "https://portal.tbe.example@evil.example", NULL, false},
    {"no port", "https://portal.tbe.example:", NULL, false},
    {"a port that is none", "https://portal.tbe.example:80x", NULL, false},
    {"a long port", "https://portal.tbe.example:123456", NULL, false},
    {"a path", "https://portal.tbe.example/", NULL, false},
};

Test(portal, a_form_from_elsewhere_is_refused_with_a_good_token)
{
    char token[48], body[200];
    site_token(PORTAL, "/vehicles/" SITE_CAR, anna, MAIL_FORM, token);
    snprintf(body, sizeof body, "csrf=%s&once=fffffffffff-0123456789abcdef", token);
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        uint64_t asked;
        site_ask(&(struct site_ask){.port = PORTAL,
                                    .method = HTTP_POST,
                                    .path = MAIL_FORM,
                                    .cookie = anna,
                                    .body = body,
                                    .origin = origins[i].origin,
                                    .site = origins[i].site});
        cr_expect(eq(uint, site_vos_asks(&asked), origins[i].counts), "%s", origins[i].name);
        cr_expect(eq(uint, said.status, origins[i].counts ? 0 : 403), "%s", origins[i].name);
        cr_expect(eq(str, said.reason, origins[i].counts ? "" : "FORM_FOREIGN"), "%s", origins[i].name);
    }
}

/* A strict cookie does not come with a link from elsewhere: that must not sign anybody out. */
Test(portal, a_link_from_elsewhere_changes_no_cookie)
{
    static const char *const sites[] = {"cross-site", "same-site"};
    for (size_t i = 0; i < 2; i++) {
        site_ask(&(struct site_ask){
            .port = PORTAL, .method = HTTP_GET, .path = "/", .cookie = "", .site = sites[i]});
        cr_expect(eq(uint, said.status, 200));
        cr_expect(not(said.has_cookie));
        cr_expect(strstr(said.body, "<a href=\"/\">") != NULL);
        expect_page(sites[i]);
    }
}

/* ---- how long a session lives ---- */

Test(portal, a_session_ends_when_it_is_idle)
{
    bench_run_ms(&site, 15 * MINUTE - 1);
    cr_expect(is_in(PORTAL, anna));
    bench_run_ms(&site, 15 * MINUTE - 1);
    cr_expect(is_in(PORTAL, anna));
    bench_run_ms(&site, 15 * MINUTE);
    cr_expect(not(is_in(PORTAL, anna)));
    site_get(PORTAL, "/vehicles", anna);
    cr_expect(eq(str, said.lines[HTTP_LINE_LOCATION], "/"));
}

Test(portal, a_session_ends_after_eight_hours_however_busy)
{
    for (unsigned i = 0; i < 8 * 60 / 10 - 1; i++) {
        bench_run_ms(&site, 10 * MINUTE);
        cr_assert(is_in(PORTAL, anna), "%u", i);
        site.trace_count = 0;
    }
    bench_run_ms(&site, 10 * MINUTE - 1000);
    cr_expect(is_in(PORTAL, anna));
    bench_run_ms(&site, 1000);
    cr_expect(not(is_in(PORTAL, anna)));
}

static void count_key(void *ctx, const char *key, struct span value)
{
    (void)value;
    *(unsigned *)ctx += strncmp(key, TBE_SESSION, strlen(TBE_SESSION)) == 0;
}

static unsigned sessions_kept(void)
{
    unsigned n = 0;
    ASSERT_OK(store_scan(site.node.store, TBE_SESSION, count_key, &n));
    return n;
}

Test(portal, sessions_survive_a_restart_and_no_longer_than_they_may)
{
    char body[200], token[48];
    bench_run_ms(&site, 10 * MINUTE);
    site_restart();
    cr_expect(is_in(PORTAL, anna));
    cr_expect(is_in(HOTLINE, hugo));
    site_token(PORTAL, "/vehicles", anna, "/sign-out", token);
    site_restart();
    snprintf(body, sizeof body, "csrf=%s", token);
    site_post(PORTAL, "/sign-out", anna, body);
    cr_expect(eq(uint, said.status, 303), "a form of the former life");
    site_restart();
    cr_expect(not(is_in(PORTAL, anna)));
    bench_run_ms(&site, 16 * MINUTE);
    cr_expect(eq(uint, sessions_kept(), 1));
    site_restart();
    cr_expect(eq(uint, sessions_kept(), 0), "what is over goes at the start");
    cr_expect(not(is_in(HOTLINE, hugo)));
}

Test(portal, signing_out_ends_it_and_the_cookie)
{
    char token[48], body[200];
    site_token(PORTAL, "/vehicles", anna, "/sign-out", token);
    cr_expect(eq(uint, sessions_kept(), 2));
    snprintf(body, sizeof body, "csrf=%s", token);
    site_post(PORTAL, "/sign-out", anna, body);
    cr_expect(eq(uint, said.status, 303));
    cr_expect(eq(str, said.lines[HTTP_LINE_LOCATION], "/"));
    cr_expect(strstr(said.lines[HTTP_LINE_SET_COOKIE], "__Host-s=; Path=/; Secure") != NULL);
    cr_expect(strstr(said.lines[HTTP_LINE_SET_COOKIE], "Max-Age=0") != NULL);
    cr_expect(eq(uint, sessions_kept(), 1));
    site_post(PORTAL, "/sign-out", anna, body);
    cr_expect(eq(str, said.reason, "SESSION_MISSING"));
}

/* Four of each user: the oldest gives way, and nobody else's does. */
Test(portal, the_oldest_session_of_a_user_gives_way)
{
    char cookies[5][64], other[64];
    sign_in("bert", SITE_BERT, other);
    for (size_t i = 0; i < 5; i++) {
        bench_run_ms(&site, 13000);
        sign_in("anna", SITE_ANNA, cookies[i]);
    }
    cr_expect(eq(uint, sessions_kept(), 1 + 1 + 4));
    cr_expect(not(is_in(PORTAL, anna)));
    cr_expect(not(is_in(PORTAL, cookies[0])));
    for (size_t i = 1; i < 5; i++)
        cr_expect(is_in(PORTAL, cookies[i]), "%zu", i);
    cr_expect(is_in(PORTAL, other));
    cr_expect(is_in(HOTLINE, hugo));
}

Test(portal, a_cookie_is_one_and_of_its_form)
{
    char two[300], behind[300], cut[300], longer[300], padded[300];
    snprintf(two, sizeof two, "__Host-s=%s; __Host-s=%s", anna, anna);
    snprintf(behind, sizeof behind, "a=b; __Host-s=%s; c=d", anna);
    snprintf(cut, sizeof cut, "__Host-s=%.42s", anna);
    snprintf(longer, sizeof longer, "__Host-s=%sA", anna);
    snprintf(padded, sizeof padded, "__Host-s=%s=", anna);
    const struct {
        const char *name, *line;
        bool is_in;
    } rows[] = {
        {"among others", behind, true},  {"twice", two, false},           {"cut", cut, false},
        {"longer", longer, false},       {"padded", padded, false},       {"another name", "s=abc", false},
        {"nothing", "__Host-s=", false}, {"no value", "__Host-s", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        site_ask(
            &(struct site_ask){.port = PORTAL, .method = HTTP_GET, .path = "/", .raw_cookie = rows[i].line});
        cr_expect(eq(int, said.status == 303, rows[i].is_in), "%s", rows[i].name);
    }
}

/* A second sign-in in the same browser ends the first session. */
Test(portal, who_signs_in_again_is_signed_in_once)
{
    char body[200], token[48], cookie[64];
    site_token(PORTAL, "/vehicles", anna, "/sign-out", token);
    snprintf(body, sizeof body, "csrf=%s&user=bert&secret=" SITE_BERT, token);
    site_post(PORTAL, "/sign-in", anna, body);
    cr_expect(eq(str, said.reason, "FORM_FORGED"));
    cr_expect(is_in(PORTAL, anna));
    site_sign_in(PORTAL, "bert", SITE_BERT, cookie);
    cr_expect(eq(uint, sessions_kept(), 3));
}

Test(portal, who_is_gone_is_not_signed_in)
{
    char body[200];
    site_get(PORTAL, "/", NULL);
    snprintf(body, sizeof body, "csrf=%s&user=bert&secret=" SITE_BERT, said.csrf);
    site_ask(&(struct site_ask){.port = PORTAL,
                                .method = HTTP_POST,
                                .path = "/sign-in",
                                .cookie = site_cookie(),
                                .body = body,
                                .address = "/99"});
    node_on_news(&site.node, PORTAL, "/99", "gone");
    bench_finish_works(&site);
    site_hear();
    cr_expect(eq(uint, said.status, 0));
    cr_expect(eq(uint, sessions_kept(), 2));
}

/* ---- secrets ---- */

Test(portal, no_secret_is_traced_or_stored)
{
    static const char *const secrets[] = {SITE_ANNA, SITE_HUGO, "wrong-and-wronger"};
    char cookie[64];
    site_sign_in(PORTAL, "anna", "wrong-and-wronger", cookie);
    cr_expect(eq(str, said.reason, "SIGN_IN"));
    for (size_t i = 0; i < site.trace_count; i++) {
        const struct trace_event *e = &site.trace[i];
        for (size_t j = 0; j < 3; j++) {
            cr_expect(strstr(e->detail, secrets[j]) == NULL);
            cr_expect(strstr(e->message, secrets[j]) == NULL);
        }
        cr_expect(strstr(e->detail, anna) == NULL);
        cr_expect(strstr(e->detail, cookie) == NULL);
    }
}
