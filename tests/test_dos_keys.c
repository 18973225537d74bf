/* The life of keys at the phones' maker: what it asks the VOS for, what it is told, what a phone hears. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/dos/dos.h"
#include "lib/http/http.h"
#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/msg/manage.h"
#include "tests/check.h"
#include "tests/support.h"

enum { DEVICE, TRACKING, KEYS };

static struct bench b;
static uint8_t key_id[TRACKING_KEY_ID];
static char hex[TRACKING_KEY_TEXT];

static void start(void)
{
    struct tracking_record r = {.state = KEY_ACTIVE, .sealed_len = 4};
    memset(key_id, 0x5A, sizeof key_id);
    hex_encode(key_id, sizeof key_id, hex);
    bench_prepare(&b, &dos_class, test_crypto());
    test_equip(&dos_class, "", b.node.store);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
    ASSERT_OK(tracking_record_put(&b.node.env, DOS_TRACKED "phone/", key_id, &r));
    char name[ENV_KEY_MAX];
    snprintf(name, sizeof name, DOS_PHONE_OF "%s", hex);
    ASSERT_OK(env_store_put(&b.node.env, name, span_of("phone", 5)));
    ASSERT_OK(env_store_commit(&b.node.env));
}

static void stop(void)
{
    bench_free(&b);
}

TestSuite(dos_keys, .init = start, .fini = stop);

static const struct bench_sent *sent(unsigned port)
{
    for (size_t i = b.sent_count; i-- > 0;)
        if (b.sent[i].port == port)
            return &b.sent[i];
    return NULL;
}

/* ---- the phone ---- */

static unsigned get(const char *phone, enum http_method method, char state[16], char resumption[40],
                    enum err *reason)
{
    uint8_t out[400];
    char path[80], address[40];
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = method};
    struct http_response r;
    const struct json_field fields[] = {{"state", 1, state, 16}, {"resumption", 0, resumption, 40}};
    snprintf(path, sizeof path, "/v1/keys/%s", hex);
    snprintf(address, sizeof address, "%s/1", phone);
    q.words[HTTP_WORD_PATH] = span_of(path, strlen(path));
    ASSERT_OK(http_request_write(&q, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, DEVICE, address, span_of(out, w.len));
    cr_assert(sent(DEVICE) != NULL);
    ASSERT_OK(http_response_read(span_of(sent(DEVICE)->bytes, sent(DEVICE)->len), &r));
    *reason = ERR_OK;
    if (r.status == 200)
        ASSERT_OK(json_read(r.body, fields, 2, JSON_SKIP_OTHERS));
    else
        ASSERT_OK(http_problem_reason(&r, reason));
    if (r.status == 405)
        cr_expect(span_is(r.lines[HTTP_LINE_ALLOW], "GET"));
    return r.status;
}

static void expect_state(const char *want, const char *statement)
{
    char state[16], resumption[40];
    enum err reason;
    cr_assert(eq(uint, get("phone", HTTP_GET, state, resumption, &reason), 200));
    cr_expect(eq(str, state, (char *)want));
    cr_expect(eq(str, resumption, (char *)statement));
}

/* ---- the VOS ---- */

static enum err tell(bool event, enum key_action action, int64_t issued_ms)
{
    struct tracking_memory m;
    uint8_t out[300];
    struct wr w = wr_of(out, sizeof out);
    struct manage_answer r;
    struct manage_ask a = {.event = event,
                           .number = 5,
                           .action = action,
                           .cause = event ? KEY_BY_DEVICE : KEY_BY_SERVER,
                           .issued_ms = issued_ms};
    memcpy(a.key_id, key_id, sizeof a.key_id);
    if (action == KEY_RESUME)
        a.resumption = span_of("abc", 3);
    ASSERT_OK(manage_ask_write(&a, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, KEYS, "vos", span_of(out, w.len));
    cr_assert(sent(KEYS) != NULL);
    ASSERT_OK(manage_answer_read(span_of(sent(KEYS)->bytes, sent(KEYS)->len), &m, &r));
    return r.error;
}

Test(dos_keys, what_the_vos_says_a_phone_hears)
{
    static const struct {
        bool event;
        enum key_action action;
        int64_t issued_ms;
        enum err reason;
        const char *state, *resumption;
    } rows[] = {{false, KEY_SUSPEND, 2000, ERR_OK, "suspended", ""},
                {false, KEY_SUSPEND, 2000, ERR_OK, "suspended", ""},
                {false, KEY_RESUME, 1000, ERR_MSG_STALE, "suspended", ""},
                {false, KEY_RESUME, 3000, ERR_OK, "active", "YWJj"},
                {true, KEY_TERMINATE, 4000, ERR_OK, "terminated", ""},
                {false, KEY_RESUME, 5000, ERR_KEY_ENDED, "terminated", ""}};
    expect_state("active", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_ERR(tell(rows[i].event, rows[i].action, rows[i].issued_ms), rows[i].reason);
        expect_state(rows[i].state, rows[i].resumption);
        node_stop(&b.node);
        ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
        expect_state(rows[i].state, rows[i].resumption);
    }
    key_id[0] ^= 1;
    EXPECT_ERR(tell(false, KEY_SUSPEND, 9000), ERR_NOT_FOUND);
}

Test(dos_keys, what_a_phone_does_not_hear)
{
    char state[16], resumption[40];
    enum err reason;
    cr_expect(eq(uint, get("other", HTTP_GET, state, resumption, &reason), 404));
    EXPECT_ERR(reason, ERR_NOT_FOUND);
    cr_expect(eq(uint, get("phone", HTTP_POST, state, resumption, &reason), 405));
    EXPECT_ERR(reason, ERR_HTTP_METHOD);
    hex[0] = '0';
    cr_expect(eq(uint, get("phone", HTTP_GET, state, resumption, &reason), 404));
}

static void call(enum key_action action, const char *phone)
{
    struct call_value values[ENV_VALUES] = {{.number = action - KEY_TERMINATE}};
    unsigned number;
    text_copy(values[1].text, sizeof values[1].text, phone);
    cr_assert(component_call(&dos_class, "manage-keys", &number));
    b.sent_count = 0;
    node_on_call(&b.node, number, values);
}

static struct manage_ask asked(void)
{
    static struct tracking_memory m;
    struct manage_ask a = {.number = 0};
    const struct bench_sent *q = sent(TRACKING);
    if (q)
        ASSERT_OK(manage_ask_read(span_of(q->bytes, q->len), &m, &a));
    return a;
}

static void answer(const struct manage_ask *a, enum err error)
{
    uint8_t out[300];
    struct wr w = wr_of(out, sizeof out);
    struct tracking_record r = {.state = key_state_after(a->action), .state_ms = a->issued_ms};
    struct manage_answer said = manage_answer_of(a, error, &r);
    ASSERT_OK(manage_answer_write(&said, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, TRACKING, "", span_of(out, w.len));
}

Test(dos_keys, the_vos_is_asked_until_it_has_answered)
{
    call(KEY_SUSPEND, "phone");
    struct manage_ask first = asked();
    cr_expect(first.action == KEY_SUSPEND && first.cause == KEY_BY_DEVICE_OEM && !first.event);
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
    b.sent_count = 0;
    node_on_link(&b.node, TRACKING, LINK_UP);
    struct manage_ask again = asked();
    cr_expect(again.action == KEY_SUSPEND && again.issued_ms == first.issued_ms,
              "the same, in the next life");
    call(KEY_RESUME, "phone");
    struct manage_ask later = asked();
    cr_expect(later.action == KEY_RESUME && later.issued_ms > first.issued_ms, "the newest takes its place");
    answer(&first, ERR_OK);
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    answer(&later, ERR_STORE_FAILED);
    b.sent_count = 0;
    bench_run_ms(&b, 10000);
    cr_expect(eq(i64, asked().issued_ms, later.issued_ms), "its own trouble passes");
    expect_state("active", "");
    answer(&later, ERR_OK);
    b.sent_count = 0;
    bench_run_ms(&b, 60000);
    cr_expect(eq(sz, b.sent_count, 0));
}

Test(dos_keys, a_refusal_is_final_and_a_phone_without_keys_has_none)
{
    call(KEY_SUSPEND, "phone");
    struct manage_ask a = asked();
    answer(&a, ERR_KEY_ENDED);
    b.sent_count = 0;
    bench_run_ms(&b, 60000);
    cr_expect(eq(sz, b.sent_count, 0));
    call(KEY_SUSPEND, "other");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_NOT_FOUND), 1));
    EXPECT_ERR(tell(true, KEY_TERMINATE, 4000), ERR_OK);
    call(KEY_SUSPEND, "phone");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_NOT_FOUND), 2), "what has ended is not asked for");
}
