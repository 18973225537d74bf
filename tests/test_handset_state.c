/* What the phone hears from its maker's server of its keys: when it asks, what it takes, and once. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/token/base64url.h"
#include "tests/check.h"
#include "tests/handset_bench.h"

static struct handset_bench *h;

/* With a key whose receipt it has. */
static void start(void)
{
    char name[ENV_KEY_MAX];
    h = handset_bench_new();
    handset_type_password(h);
    ASSERT_OK(rig_pair_phase_2(h->rig));
    ASSERT_OK(rig_phase_3(h->rig));
    handset_tracking_name(0, name);
    ASSERT_OK(env_store_put(&h->b.node.env, name,
                            span_of(handset_phone(h)->handset.applet.keys[0].key_id, ENDPOINT_KEY_ID)));
    ASSERT_OK(env_store_commit(&h->b.node.env));
    handset_tracking_stop(handset_phone(h));
}

static void stop(void)
{
    handset_bench_free(h);
}

TestSuite(handset_state, .init = start, .fini = stop);

static const struct handset_state *state(void)
{
    return &handset_phone(h)->handset.state;
}

static const struct digital_key *key(void)
{
    return &handset_phone(h)->handset.applet.keys[0];
}

/* The request for a key's state that it sent; NULL: none. */
static const struct bench_sent *asked(void)
{
    for (size_t i = 0; i < h->b.sent_count; i++)
        if (h->b.sent[i].port == PHONE_PORT_DEVICE && h->b.sent[i].address[0] == 's')
            return &h->b.sent[i];
    return NULL;
}

static void check(void)
{
    h->b.sent_count = 0;
    cr_expect(eq(int, handset_call(h, "check-keys", 0, ""), ERR_OK));
}

static void hear(struct span bytes)
{
    char tag[16];
    snprintf(tag, sizeof tag, "s%u", state()->sent);
    node_on_bytes(&h->b.node, PHONE_PORT_DEVICE, tag, bytes);
}

static void answer(const char *json)
{
    uint8_t out[2000];
    struct wr w = wr_of(out, sizeof out);
    const char *type = http_type_name(HTTP_TYPE_JSON);
    struct http_response r = {.status = 200, .body = span_of(json, strlen(json))};
    r.lines[HTTP_LINE_TYPE] = span_of(type, strlen(type));
    ASSERT_OK(http_response_write(&r, &w));
    hear(span_of(out, w.len));
}

Test(handset_state, it_asks_for_tracked_keys_when_the_server_is_there_and_after_a_while)
{
    char path[80], hex[2 * ENDPOINT_KEY_ID + 1];
    struct http_request q;
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_DOWN);
    h->b.sent_count = 0;
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_UP);
    cr_assert(asked() != NULL);
    ASSERT_OK(http_request_read(span_of(asked()->bytes, asked()->len), HTTP_FROM_COMPONENT, &q));
    hex_encode(key()->key_id, ENDPOINT_KEY_ID, hex);
    snprintf(path, sizeof path, "/v1/keys/%s", hex);
    cr_expect(q.method == HTTP_GET && span_is(q.words[HTTP_WORD_PATH], path));
    answer("{\"state\":\"active\",\"cause\":\"\",\"resumption\":\"\"}");
    h->b.sent_count = 0;
    bench_run_ms(&h->b, 61000);
    cr_expect(asked() != NULL);
    h->b.sent_count = 0;
    bench_run_ms(&h->b, 7000);
    cr_expect(not(state()->asks), "nobody has answered");
    bench_run_ms(&h->b, 61000);
    cr_expect(asked() != NULL);
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_DOWN);
    cr_expect(eq(int, handset_call(h, "check-keys", 0, ""), ERR_LINK_DOWN));
}

Test(handset_state, what_it_hears_changes_the_key_once)
{
    static const struct {
        const char *json;
        enum applet_key_state then;
        size_t steps;
    } rows[] = {{"{\"state\":\"suspended\",\"resumption\":\"\"}", APPLET_KEY_SUSPENDED, 1},
                {"{\"state\":\"suspended\",\"resumption\":\"\"}", APPLET_KEY_SUSPENDED, 0},
                {"{\"state\":\"active\",\"resumption\":\"\"}", APPLET_KEY_ACTIVE, 1},
                {"{\"state\":\"active\",\"resumption\":\"\"}", APPLET_KEY_ACTIVE, 0},
                {"{\"state\":\"terminated\",\"resumption\":\"\"}", APPLET_KEY_TERMINATED, 1},
                {"{\"state\":\"terminated\",\"resumption\":\"\"}", APPLET_KEY_TERMINATED, 0},
                {"{\"state\":\"active\",\"resumption\":\"\"}", APPLET_KEY_TERMINATED, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check();
        cr_assert(state()->asks, "row %zu", i);
        h->b.trace_count = 0;
        answer(rows[i].json);
        size_t steps = 0;
        for (size_t k = 0; k < h->b.trace_count; k++)
            steps += strcmp(h->b.trace[k].step, "KM-01/8") == 0;
        cr_expect(eq(int, key()->state, rows[i].then), "row %zu", i);
        cr_expect(eq(sz, steps, rows[i].steps), "row %zu", i);
        handset_restart(h);
        cr_expect(eq(int, key()->state, rows[i].then), "row %zu, in the next life", i);
    }
}

Test(handset_state, what_is_no_answer_changes_nothing)
{
    static const char *const rows[] = {"{\"state\":\"gone\",\"resumption\":\"\"}",
                                       "{\"state\":\"suspended\"}",
                                       "{\"state\":\"suspended\",\"resumption\":\"*\"}", "[]",
                                       "{\"state\":\"unknown\",\"resumption\":\"\"}"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check();
        size_t before = bench_count(&h->b, TRACE_REJECT, ERR_MSG_MALFORMED);
        answer(rows[i]);
        cr_expect(eq(sz, bench_count(&h->b, TRACE_REJECT, ERR_MSG_MALFORMED), before + 1), "row %zu", i);
        cr_expect(eq(int, key()->state, APPLET_KEY_ACTIVE));
    }
    uint8_t out[HTTP_PROBLEM_MAX];
    check();
    hear(span_of(out, http_problem_write(404, ERR_NOT_FOUND, NULL, out)));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_REJECT, ERR_NOT_FOUND), 1));
    cr_expect(eq(int, key()->state, APPLET_KEY_ACTIVE));
}

Test(handset_state, a_statement_that_is_none_leaves_the_key_suspended)
{
    check();
    answer("{\"state\":\"suspended\",\"resumption\":\"\"}");
    check();
    answer("{\"state\":\"active\",\"resumption\":\"YWJj\"}");
    cr_expect(eq(int, key()->state, APPLET_KEY_SUSPENDED));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_REJECT, ERR_MSG_MALFORMED), 1));
}
