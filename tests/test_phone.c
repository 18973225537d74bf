/* The phone alone on a bench: what its app asks, which links it takes, and with which key it asks again. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/token/token.h"
#include "sim/actors/phone/phone.h"
#include "tests/check.h"
#include "tests/support.h"

enum { APP };

#define VEHICLE    "SPAAK00000001"
#define ID         "SPAAK00000001-000102030405060708090a0b0c0d0e0f"
#define PAGE       "https://pair.example/pair"
#define BODY(link) "{\"id\":\"" ID "\",\"deep_link\":\"" link "\"}"
#define GOOD       BODY(PAGE "#vehicle=" VEHICLE "&id=" ID "&password=12345678")
#define TOKEN      "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":900}"

static struct bench b;

static void start(void)
{
    bench_prepare(&b, &phone_class, test_crypto());
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

TestSuite(phone, .init = start, .fini = stop);

/* ---- what it is told, and what it says ---- */

static void call(const char *name, uint64_t number, const char *text)
{
    struct call_value value = {.number = number};
    unsigned index;
    cr_assert(component_call(&phone_class, name, &index));
    snprintf(value.text, sizeof value.text, "%s", text ? text : "");
    node_on_call(&b.node, index, &value);
}

/* The last request; its tag is good for an answer. */
static struct http_request said(void)
{
    struct http_request q;
    cr_assert(gt(sz, b.sent_count, 0));
    const struct bench_sent *s = &b.sent[b.sent_count - 1];
    ASSERT_OK(http_request_read(span_of(s->bytes, s->len), HTTP_FROM_COMPONENT, &q));
    return q;
}

static struct span text_span(const char *text)
{
    return span_of(text, strlen(text));
}

static void answer_to(const char *tag, unsigned status, const char *body)
{
    uint8_t out[4096];
    struct wr w = wr_of(out, sizeof out);
    struct http_response r = {.status = status, .body = text_span(body)};
    if (*body)
        r.lines[HTTP_LINE_TYPE] = text_span(http_type_name(HTTP_TYPE_JSON));
    ASSERT_OK(http_response_write(&r, &w));
    node_on_bytes(&b.node, APP, tag, span_of(out, w.len));
}

static void answer(unsigned status, const char *body)
{
    char tag[96];
    snprintf(tag, sizeof tag, "%s", b.sent[b.sent_count - 1].address);
    answer_to(tag, status, body);
}

static void refuse(unsigned status, enum err reason)
{
    uint8_t out[HTTP_PROBLEM_MAX];
    size_t len = http_problem_write(status, reason, NULL, out);
    char tag[96];
    snprintf(tag, sizeof tag, "%s", b.sent[b.sent_count - 1].address);
    node_on_bytes(&b.node, APP, tag, span_of(out, len));
}

static const char *shown(void)
{
    const struct trace_event *e = bench_last(&b, TRACE_SHOW);
    return e ? e->detail : "";
}

static bool stored(const char *key, char *out)
{
    size_t len;
    memset(out, 0, 80);
    if (component_key(&phone_class, NULL, key) && bench_secret(&b, key, out, 79, &len) == ERR_OK)
        return true;
    return store_get(b.node.store, key, out, 79, &len) == ERR_OK;
}

static void sign_in(void)
{
    call("sign-in", 0, NULL);
    answer(200, TOKEN);
    cr_assert(eq(str, (char *)shown(), "signed in as anna"));
}

/* ---- */

Test(phone, its_requests)
{
    char client[80], key[80], body[200];
    call("sign-in", 0, NULL);
    struct http_request q = said();
    cr_assert(stored(PHONE_CLIENT, client));
    snprintf(body, sizeof body, "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"%s\"}",
             client);
    cr_expect(q.method == HTTP_POST && span_is(q.words[HTTP_WORD_PATH], "/v1/tokens"));
    cr_expect(span_is(q.body, body));
    cr_expect(eq(sz, q.words[HTTP_WORD_AUTHORIZATION].len, 0));
    call("ask-link", 0, VEHICLE);
    cr_expect(eq(sz, b.sent_count, 1), "it waits for its token");
    answer(200, TOKEN);
    cr_assert(eq(sz, b.sent_count, 2));
    q = said();
    cr_assert(stored(PHONE_KEY, key));
    cr_expect(span_is(q.words[HTTP_WORD_PATH], "/v1/pairing-passwords"));
    cr_expect(span_is(q.words[HTTP_WORD_AUTHORIZATION], "Bearer a.b.c"));
    cr_expect(span_is(q.words[HTTP_WORD_IDEMPOTENCY_KEY], key));
    cr_expect(eq(sz, strlen(key), 32));
    cr_expect(span_is(q.body, "{\"vehicle\":\"" VEHICLE "\"}"));
    answer(201, GOOD);
    q = said();
    cr_expect(span_is(q.words[HTTP_WORD_PATH], "/v1/pairing-passwords/" ID "/acknowledge"));
    cr_expect(eq(sz, q.body.len, 0));
    cr_expect(stored(PHONE_KEY, key), "until the acknowledgement has arrived");
    answer(204, "");
    cr_expect(eq(str, (char *)shown(), "link here"));
    cr_expect(not(stored(PHONE_KEY, key)));
    cr_expect(eq(u64, b.due_us[0], ENV_NEVER));
    cr_expect(eq(u64, b.due_us[1], ENV_NEVER));
}

Test(phone, a_link_that_is_none_is_not_taken)
{
    static const struct {
        const char *name, *body;
        bool taken;
    } rows[] = {
        {"as it should be", GOOD, true},
        {"in another order", BODY(PAGE "#password=12345678&id=" ID), true},
        {"with something beside it",
         "{\"id\":\"" ID "\",\"deep_link\":\"" PAGE "#password=12345678&id=" ID "\",\"expires_in\":5}", true},
        {"no JSON", "12345678", false},
        {"nested", "{\"id\":\"" ID "\",\"deep_link\":{\"link\":\"\"}}", false},
        {"no id", "{\"deep_link\":\"" PAGE "#password=12345678&id=" ID "\"}", false},
        {"another's id", BODY(PAGE "#password=12345678&id=x" ID), false},
        {"a password for a server's log", BODY(PAGE "?password=12345678&id=" ID), false},
        {"no fragment", BODY(PAGE), false},
        {"an empty fragment", BODY(PAGE "#"), false},
        {"another scheme", BODY("http://pair.example/pair#password=12345678&id=" ID), false},
        {"a digit short", BODY(PAGE "#password=1234567&id=" ID), false},
        {"a digit more", BODY(PAGE "#password=123456789&id=" ID), false},
        {"a letter", BODY(PAGE "#password=1234567a&id=" ID), false},
        {"another name that ends so", BODY(PAGE "#nopassword=12345678&id=" ID), false},
    };
    char held[80];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sign_in();
        call("ask-link", 0, VEHICLE);
        answer(201, rows[i].body);
        cr_expect(eq(int, stored(PHONE_LINK_PASSWORD, held), rows[i].taken), "%s", rows[i].name);
        if (rows[i].taken)
            cr_expect(eq(str, held, "12345678"), "%s", rows[i].name);
        cr_expect(eq(int, b.due_us[1] != ENV_NEVER, !rows[i].taken), "%s: it asks again", rows[i].name);
        call("forget", 0, NULL);
    }
}

/* Whatever may have been lost is asked again with the same key, also in the next life. */
Test(phone, it_asks_again_with_the_same_key)
{
    char key[80], now[80];
    sign_in();
    call("ask-link", 0, VEHICLE);
    cr_assert(stored(PHONE_KEY, key));
    for (int i = 0; i < 4; i++) {
        size_t sent = b.sent_count;
        if (i == 0)
            refuse(503, ERR_VOS_UNREACHABLE);
        else if (i == 1)
            node_on_news(&b.node, APP, b.sent[sent - 1].address, "no-answer");
        else if (i == 2)
            refuse(502, ERR_HTTP_GONE);
        else
            bench_run_ms(&b, 6000); /* its patience */
        cr_expect(eq(sz, b.sent_count, sent), "%d: not at once", i);
        bench_run_ms(&b, 500);
        cr_assert(eq(sz, b.sent_count, sent + 1), "%d", i);
        cr_expect(span_is(said().words[HTTP_WORD_IDEMPOTENCY_KEY], key), "%d", i);
    }
    refuse(504, ERR_MSG_NO_ANSWER);
    cr_expect(eq(str, (char *)shown(), "gave up: MSG_NO_ANSWER"));
    restart();
    sign_in();
    call("ask-link", 0, VEHICLE);
    cr_expect(span_is(said().words[HTTP_WORD_IDEMPOTENCY_KEY], key));
    call("ask-link", 0, "SPAAK00000002");
    cr_assert(stored(PHONE_KEY, now));
    cr_expect(ne(str, key, now), "another vehicle is another ask");
}

/* A link that is here is not asked for again, only acknowledged; one that has become void is asked for anew.
 */
Test(phone, a_link_that_was_not_acknowledged_is_acknowledged_by_the_next_life)
{
    char key[80], now[80];
    sign_in();
    call("ask-link", 0, VEHICLE);
    cr_assert(stored(PHONE_KEY, key));
    answer(201, GOOD);
    restart();
    sign_in();
    call("ask-link", 0, "SPAAK00000002");
    cr_expect(span_is(said().words[HTTP_WORD_PATH], "/v1/pairing-passwords"), "that is another's");
    call("ask-link", 0, VEHICLE);
    cr_expect(span_is(said().words[HTTP_WORD_PATH], "/v1/pairing-passwords/" ID "/acknowledge"));
    refuse(404, ERR_NOT_FOUND);
    call("ask-link", 0, VEHICLE);
    cr_expect(span_is(said().words[HTTP_WORD_PATH], "/v1/pairing-passwords"));
    cr_assert(stored(PHONE_KEY, now));
    cr_expect(ne(str, key, now));
}

Test(phone, what_was_asked_before_is_answered_to_nobody)
{
    char first[96], held[80];
    sign_in();
    call("ask-link", 0, VEHICLE);
    snprintf(first, sizeof first, "%s", b.sent[b.sent_count - 1].address);
    refuse(503, ERR_VOS_UNREACHABLE);
    bench_run_ms(&b, 500);
    answer_to(first, 201, GOOD);
    node_on_news(&b.node, APP, first, "no-answer");
    cr_expect(not(stored(PHONE_LINK_PASSWORD, held)));
    answer(201, GOOD);
    cr_expect(stored(PHONE_LINK_PASSWORD, held));
}

Test(phone, a_refusal_is_final_and_named)
{
    sign_in();
    call("ask-link", 0, VEHICLE);
    refuse(403, ERR_NOT_OWNER);
    cr_expect(eq(str, (char *)shown(), "refused: NOT_OWNER"));
    cr_expect(eq(u64, b.due_us[1], ENV_NEVER));
    call("ask-link", 0, VEHICLE);
    refuse(401, ERR_TOKEN_EXPIRED);
    call("ask-link", 0, VEHICLE);
    cr_expect(eq(sz, said().words[HTTP_WORD_AUTHORIZATION].len, 0),
              "a token that was refused is thrown away");
}

Test(phone, the_framework_holds_what_was_opened_or_typed)
{
    char held[80];
    size_t failed = bench_count(&b, TRACE_REJECT, ERR_NOT_FOUND) + bench_count(&b, TRACE_FAIL, ERR_NOT_FOUND);
    call("open-link", 0, NULL);
    cr_expect(eq(sz,
                 bench_count(&b, TRACE_REJECT, ERR_NOT_FOUND) + bench_count(&b, TRACE_FAIL, ERR_NOT_FOUND),
                 failed + 1),
              "there is none");
    sign_in();
    call("ask-link", 0, VEHICLE);
    answer(201, GOOD);
    answer(204, "");
    cr_expect(not(stored(PHONE_PASSWORD, held)), "not before the user opens it");
    call("open-link", 0, NULL);
    cr_expect(eq(str, (char *)shown(), "password entered"));
    cr_assert(stored(PHONE_PASSWORD, held));
    cr_expect(eq(str, held, "12345678"));
    call("type-password", 0, "87654321");
    cr_assert(stored(PHONE_PASSWORD, held));
    cr_expect(eq(str, held, "87654321"));
    restart();
    cr_expect(eq(str, (char *)shown(), "password entered"));
    call("forget", 0, NULL);
    cr_expect(eq(str, (char *)shown(), "no password"));
    cr_expect(not(stored(PHONE_PASSWORD, held)));
    cr_expect(not(stored(PHONE_LINK_PASSWORD, held)));
}

Test(phone, secrets_lie_sealed_and_stand_in_no_trace)
{
    uint8_t raw[200];
    size_t len;
    sign_in();
    call("ask-link", 0, VEHICLE);
    answer(201, GOOD);
    answer(204, "");
    call("open-link", 0, NULL);
    static const char *const keys[] = {PHONE_LINK_PASSWORD, PHONE_PASSWORD};
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(store_get(b.node.store, keys[i], raw, sizeof raw, &len));
        cr_expect(memmem(raw, len, "12345678", 8) == NULL, "%s", keys[i]);
    }
    for (size_t i = 0; i < b.trace_count; i++) {
        cr_expect(strstr(b.trace[i].detail, "12345678") == NULL);
        cr_expect(strstr(b.trace[i].message, "12345678") == NULL);
    }
}
