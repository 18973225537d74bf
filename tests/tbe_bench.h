/* The TBE on a bench with an app, an operator and the VOS played by the test; for test_tbe.c and
 * test_tbe_limits.c, each of which has its own. */
#ifndef tests_tbe_bench_h
#define tests_tbe_bench_h

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe.h"
#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/token/token.h"
#include "proto/init.pb-c.h"
#include "tests/check.h"
#include "tests/support.h"

/* neither uses all of it */
#pragma GCC diagnostic ignored "-Wunused-function"

enum { APP, OPERATOR, INIT };

#define ADDRESS        "phone/1"
#define CLIENT         "installation-0001"
#define KEY            "idempotency-0001"
#define VEHICLE        "{\"vehicle\":\"SPAAK00000001\"}"
#define LINK_ID        "SPAAK00000001-000102030405060708090a0b0c0d0e0f"
#define LINK           "https://pair.example/pair#password=12345678"
#define PASSWORD       "12345678"
#define ANNA           "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"" CLIENT "\"}"
#define OLGA           "{\"user\":\"olga\",\"secret\":\"harbour-and-hinge\",\"client\":\"" CLIENT "\"}"
#define ASK            "/v1/pairing-passwords"
#define ACK_OF(serial) "/v1/pairing-passwords/" serial "-000102030405060708090a0b0c0d0e0f/acknowledge"
#define ACK            "/v1/pairing-passwords/" LINK_ID "/acknowledge"
#define RENEW          "/v1/vehicles/SPAAK00000001/renew-identity"
#define STATUS         "/v1/vehicles/SPAAK00000001/status"

static struct bench b;
static char anna[TOKEN_MAX + 1], olga[TOKEN_MAX + 1];

/* ---- a request and its answer ---- */

struct ask {
    unsigned port;
    enum http_method method;
    const char *path, *token, *key, *body, *type;
    const char *scheme; /* before the token, with its blank; NULL: "Bearer " */
};

/* What was answered last; status 0: nothing. */
static struct {
    unsigned status;
    enum err reason;
    char body[2048], retry[20], challenge[80], allow[20], cache[20];
} said;

static void copy(char *out, size_t cap, struct span text)
{
    snprintf(out, cap, "%.*s", (int)text.len, text.len ? (const char *)text.p : "");
}

static void hear(void)
{
    struct http_response r;
    memset(&said, 0, sizeof said);
    for (size_t i = 0; i < b.sent_count; i++) {
        if (b.sent[i].port == INIT)
            continue;
        cr_assert(eq(uint, said.status, 0), "one answer");
        cr_assert(eq(str, b.sent[i].address, ADDRESS));
        ASSERT_OK(http_response_read(span_of(b.sent[i].bytes, b.sent[i].len), &r));
        said.status = r.status;
        if (http_problem_reason(&r, &said.reason))
            said.reason = ERR_OK;
        copy(said.body, sizeof said.body, r.body);
        copy(said.retry, sizeof said.retry, r.lines[HTTP_LINE_RETRY_AFTER]);
        copy(said.challenge, sizeof said.challenge, r.lines[HTTP_LINE_WWW_AUTHENTICATE]);
        copy(said.allow, sizeof said.allow, r.lines[HTTP_LINE_ALLOW]);
        copy(said.cache, sizeof said.cache, r.lines[HTTP_LINE_CACHE_CONTROL]);
        cr_expect(eq(str, said.cache, "no-store"));
    }
}

static struct span text_span(const char *text)
{
    return span_of(text, text ? strlen(text) : 0);
}

static void ask(const struct ask *a)
{
    uint8_t out[8192];
    char authorization[TOKEN_MAX + 40] = "";
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = a->method, .body = text_span(a->body)};
    if (a->token)
        snprintf(authorization, sizeof authorization, "%s%s", a->scheme ? a->scheme : "Bearer ", a->token);
    q.words[HTTP_WORD_PATH] = text_span(a->path);
    q.words[HTTP_WORD_AUTHORIZATION] = text_span(authorization);
    q.words[HTTP_WORD_IDEMPOTENCY_KEY] = text_span(a->key);
    q.words[HTTP_WORD_TYPE] = text_span(a->type ? a->type : a->body ? "application/json" : NULL);
    ASSERT_OK(http_request_write(&q, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, a->port, ADDRESS, span_of(out, w.len));
    hear();
}

/* Its hash is done: the answer is there. */
static void sign_in(unsigned port, const char *body)
{
    ask(&(struct ask){port, HTTP_POST, "/v1/tokens", .body = body});
    cr_assert(eq(uint, said.status, 0), "not on the loop");
    bench_finish_works(&b);
    hear();
}

static void token_of(unsigned port, const char *body, char out[TOKEN_MAX + 1])
{
    char type[20];
    const struct json_field fields[] = {{"access_token", 1, out, TOKEN_MAX + 1}, {"token_type", 1, type, 20}};
    sign_in(port, body);
    cr_assert(eq(uint, said.status, 200), "%s", said.body);
    ASSERT_OK(json_read(text_span(said.body), fields, 2, JSON_SKIP_OTHERS));
    cr_assert(eq(str, type, "Bearer"));
}

static void start_with(const uint64_t *settings)
{
    bench_prepare(&b, &tbe_class, test_crypto());
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = "", .settings = settings}));
    token_of(APP, ANNA, anna);
    token_of(OPERATOR, OLGA, olga);
}

static void start(void)
{
    start_with(NULL);
}

static void stop(void)
{
    bench_free(&b);
}

/* ---- the VOS ---- */

/* The one request that the VOS got; free with free_unpacked. */
static Init__V1__OpInitRequest *asked(void)
{
    Init__V1__OpInitRequest *m = NULL;
    for (size_t i = 0; i < b.sent_count; i++)
        if (b.sent[i].port == INIT) {
            cr_assert(m == NULL);
            m = init__v1__op_init_request__unpack(NULL, b.sent[i].len, b.sent[i].bytes);
        }
    return m;
}

static uint64_t asked_number(void)
{
    Init__V1__OpInitRequest *m = asked();
    cr_assert(m != NULL);
    uint64_t id = m->request_id;
    init__v1__op_init_request__free_unpacked(m, NULL);
    return id;
}

static void vos_says(uint64_t number, enum err error, const char *link)
{
    uint8_t out[600];
    Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
    m.request_id = number;
    m.error = (uint32_t)error;
    m.link_id = (char *)(link ? LINK_ID : "");
    m.deep_link = (char *)(link ? link : "");
    b.sent_count = 0;
    node_on_bytes(&b.node, INIT, "", span_of(out, init__v1__op_init_response__pack(&m, out)));
    hear();
}

static void ask_link(const char *token)
{
    ask(&(struct ask){APP, HTTP_POST, .path = ASK, token, KEY, VEHICLE});
}

#endif
