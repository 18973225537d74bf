/* Phase 0 of the phone on a bench: what it asks its maker's server for, what it takes, and what it does when
 * it gets nothing. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "tests/check.h"
#include "tests/handset_bench.h"

static void start(struct handset_bench *h)
{
    ASSERT_OK(bench_start(&h->b, &(struct component_args){.serial = ""}));
}

static size_t asked(const struct handset_bench *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->b.sent_count; i++)
        n += h->b.sent[i].port == PHONE_PORT_DEVICE;
    return n;
}

static struct span last_body(const struct handset_bench *h)
{
    struct http_request q;
    const struct bench_sent *s = &h->b.sent[h->b.sent_count - 1];
    ASSERT_OK(http_request_read(span_of(s->bytes, s->len), HTTP_FROM_COMPONENT, &q));
    return q.body;
}

static void refuse(struct handset_bench *h, unsigned status, enum err reason)
{
    uint8_t out[HTTP_PROBLEM_MAX];
    char tag[96];
    size_t len = http_problem_write(status, reason, NULL, out);
    snprintf(tag, sizeof tag, "%s", h->b.sent[h->b.sent_count - 1].address);
    node_on_bytes(&h->b.node, PHONE_PORT_DEVICE, tag, span_of(out, len));
}

Test(handset_phase0, it_takes_what_is_of_its_key_and_name_under_the_root_that_it_knows)
{
    static const struct {
        const char *name;
        enum handset_forgery how;
        enum err reason;
    } rows[] = {
        {"as it should be", HANDSET_HONEST, ERR_OK},
        {"of another key", HANDSET_OTHER_KEY, ERR_CERT_KEY_MISMATCH},
        {"of another name", HANDSET_OTHER_NAME, ERR_CERT_SUBJECT_MISMATCH},
        {"under another root", HANDSET_OTHER_ROOT, ERR_CERT_ISSUER_UNKNOWN},
        {"no JSON", HANDSET_NO_JSON, ERR_MSG_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct handset_bench *h = handset_bench_prepare();
        start(h);
        cr_assert(eq(sz, asked(h), 1), "%s", rows[i].name);
        handset_certify(h, rows[i].how);
        cr_expect(eq(int, handset_certified(h), rows[i].reason == ERR_OK), "%s", rows[i].name);
        if (rows[i].reason) {
            const struct trace_event *e = bench_last(&h->b, TRACE_REJECT);
            cr_expect(eq(str, (char *)err_name(e ? e->reason : ERR_OK), (char *)err_name(rows[i].reason)),
                      "%s", rows[i].name);
        }
        bench_run_ms(&h->b, 500);
        cr_expect(eq(sz, asked(h), rows[i].reason ? 2 : 1), "%s: it asks again", rows[i].name);
        if (rows[i].reason)
            handset_certify(h, HANDSET_HONEST);
        cr_expect(handset_certified(h), "%s", rows[i].name);
        handset_expect_silence(h);
        handset_bench_free(h);
    }
}

/* The key that it asks with is in its store before it asks; what it was given is there before it is used. */
Test(handset_phase0, a_new_life_asks_with_the_same_key_until_it_has_its_certificate)
{
    struct handset_bench *h = handset_bench_prepare();
    uint8_t first[400];
    start(h);
    struct span body = last_body(h);
    const size_t len = body.len;
    cr_assert(lt(sz, len, sizeof first));
    memcpy(first, body.p, len);
    cr_assert(memmem(first, len, "\"identifier\":\"I.phonemaker.SPAAKSIM\"", 36) != NULL);
    handset_restart(h);
    cr_expect(eq(sz, asked(h), 0), "the bench has thrown it away");
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_DOWN);
    bench_run_ms(&h->b, 6000);
    bench_run_ms(&h->b, 500);
    cr_assert(eq(sz, asked(h), 1));
    cr_expect(span_equal(last_body(h), span_of(first, len)));
    handset_certify(h, HANDSET_HONEST);
    cr_expect(handset_certified(h));
    handset_restart(h);
    cr_expect(handset_certified(h));
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_UP);
    bench_run_ms(&h->b, 60000);
    cr_expect(eq(sz, asked(h), 0), "it has all that it needs");
    handset_bench_free(h);
}

Test(handset_phase0, what_gets_no_answer_is_asked_again_and_what_is_refused_is_not)
{
    static const struct {
        const char *name;
        unsigned status; /* 0: none */
        enum err reason;
        bool again;
    } rows[] = {
        {"nothing comes", 0, ERR_MSG_NO_ANSWER, true},
        {"the server is away", 502, ERR_HTTP_GONE, true},
        {"the server is slow", 504, ERR_MSG_NO_ANSWER, true},
        {"the server is in trouble", 500, ERR_INTERNAL, true},
        {"it is no partner", 404, ERR_NOT_FOUND, false},
        {"the request is none", 400, ERR_MSG_MALFORMED, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct handset_bench *h = handset_bench_prepare();
        start(h);
        if (rows[i].status)
            refuse(h, rows[i].status, rows[i].reason);
        else
            bench_run_ms(&h->b, 6000);
        cr_expect(eq(sz, bench_count(&h->b, rows[i].again ? TRACE_RETRY : TRACE_FAIL, rows[i].reason), 1),
                  "%s", rows[i].name);
        bench_run_ms(&h->b, 500);
        cr_expect(eq(sz, asked(h), rows[i].again ? 2 : 1), "%s", rows[i].name);
        bench_run_ms(&h->b, 60000);
        cr_expect(eq(sz, asked(h), rows[i].again ? 5 : 1), "%s: five tries", rows[i].name);
        handset_bench_free(h);
    }
}

Test(handset_phase0, an_answer_of_before_is_nobodys)
{
    struct handset_bench *h = handset_bench_prepare();
    start(h);
    refuse(h, 502, ERR_HTTP_GONE);
    handset_certify(h, HANDSET_OTHER_NAME); /* to the tag that was answered */
    cr_expect(eq(sz, bench_count(&h->b, TRACE_RETRY, ERR_OK), 2));
    bench_run_ms(&h->b, 500);
    cr_expect(not(handset_certified(h)));
    handset_certify(h, HANDSET_HONEST);
    cr_expect(handset_certified(h));
    handset_bench_free(h);
}

Test(handset_phase0, without_battery_it_asks_for_nothing)
{
    struct handset_bench *h = handset_bench_prepare();
    start(h);
    ASSERT_OK(handset_call(h, "battery", 0, NULL));
    refuse(h, 502, ERR_HTTP_GONE);
    bench_run_ms(&h->b, 60000);
    cr_expect(eq(sz, asked(h), 1));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_RETRY, ERR_OK), 0));
    ASSERT_OK(handset_call(h, "battery", 1, NULL));
    cr_expect(eq(sz, asked(h), 2));
    handset_certify(h, HANDSET_HONEST);
    cr_expect(handset_certified(h));
    handset_bench_free(h);
}

Test(handset_phase0, without_a_root_there_is_nobody_to_ask_for)
{
    struct handset_bench *h = handset_bench_prepare();
    ASSERT_OK(store_set(h->b.node.store, PHONE_ROOT, (struct span){NULL, 0}));
    start(h);
    cr_expect(eq(sz, asked(h), 0));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_FAIL, ERR_OK), 0));
    handset_bench_free(h);
}

/* At each of its commits the store refuses, or the phone dies: in the end it has its certificate. (The first
 * two are of a start, which fails without its store.) */
Test(handset_phase0, every_commit)
{
    struct handset_bench *h = handset_bench_prepare();
    start(h);
    handset_certify(h, HANDSET_HONEST);
    const size_t commits = h->store->commits;
    cr_assert(eq(sz, commits, 4), "client, framework, partner, certificate");
    handset_bench_free(h);
    for (size_t at = 3; at <= commits; at++)
        for (enum rig_fate f = RIG_REFUSED; f < RIG_FATES; f++) {
            h = handset_bench_prepare();
            h->store->at = at;
            h->store->fate = f;
            start(h);
            for (int i = 0;
                 i < 4 && (h->b.node.dead || !handset_phone(h)->handset.open || !handset_certified(h)); i++) {
                if (h->b.node.dead) {
                    node_stop(&h->b.node);
                    start(h);
                }
                bench_run_ms(&h->b, 200);
                if (handset_phone(h)->handset.phase0.asks)
                    handset_certify(h, HANDSET_HONEST);
            }
            cr_expect(h->store->fired && handset_certified(h), "commit %zu, %d", at, (int)f);
            handset_bench_free(h);
        }
}
