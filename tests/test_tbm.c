#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/can/isotp.h"
#include "tbm/tbm.h"
#include "tests/support.h"
#include "tests/tester.h"

enum { CAN, GSDP };

static void start(struct bench *b, enum link_state gsdp)
{
    bench_prepare(b, &tbm_class, test_crypto());
    cr_assert(eq(int, node_start(&b->node, &(struct component_args){.serial = "S1"}), ERR_OK));
    b->up[CAN] = true;
    node_on_link(&b->node, CAN, LINK_UP);
    b->up[GSDP] = gsdp != LINK_DOWN;
    node_on_link(&b->node, GSDP, gsdp);
    b->sent_count = 0;
}

static uint8_t last_status(struct bench *b)
{
    for (size_t i = b->sent_count; i-- > 0;)
        if (b->sent[i].is_frame && b->sent[i].frame.id == 0x3A0)
            return b->sent[i].frame.data[0];
    return 0xFF;
}

/* Hands a message to the TBM as the SpaaK Module would, single frames or segmented. */
static void from_vehicle(struct bench *b, const char *text, enum matrix_message row)
{
    struct isotp tp;
    struct isotp_config cfg = isotp_config_default(matrix_row(row)->id, matrix_row(row)->id + 8);
    uint8_t rx[8];
    struct bus_frame f;
    struct isotp_event ev;
    isotp_init(&tp, &cfg, rx, sizeof rx);
    isotp_send(&tp, (const uint8_t *)text, (uint32_t)strlen(text), 0);
    for (size_t seen = b->sent_count; isotp_sending(&tp);) {
        while (isotp_output(&tp, 0, &f, &ev))
            bench_frame(&b->node, CAN, &f);
        for (; seen < b->sent_count; seen++)
            if (b->sent[seen].is_frame)
                isotp_input(&tp, &b->sent[seen].frame, 0, &ev);
    }
}

static const struct bench_sent *published(struct bench *b, size_t n)
{
    for (size_t i = 0; i < b->sent_count; i++)
        if (!b->sent[i].is_frame && n-- == 0)
            return &b->sent[i];
    return NULL;
}

Test(tbm, status_follows_the_link_and_is_cyclic)
{
    struct bench b;
    start(&b, LINK_DOWN);
    bench_run_ms(&b, 1000);
    cr_expect(eq(sz, b.sent_count, 10), "every 100 ms");
    cr_expect(eq(u8, last_status(&b), 0));
    for (size_t i = 1; i < b.sent_count; i++) {
        const struct bus_frame *f = &b.sent[i].frame;
        cr_expect(eq(u8, f->data[1], (b.sent[i - 1].frame.data[1] + 1) & 15), "alive counter");
        cr_expect(eq(u8, f->data[7], matrix_checksum(0x3A0, f->data, 8)));
    }
    b.up[GSDP] = true;
    node_on_link(&b.node, GSDP, LINK_UP);
    cr_expect(eq(u8, last_status(&b), TBM_STATUS_CONNECTED), "at once");
    node_on_link(&b.node, GSDP, LINK_SUBSCRIBED);
    cr_expect(eq(u8, last_status(&b), TBM_STATUS_CONNECTED | TBM_STATUS_SUBSCRIBED));
    b.up[GSDP] = false;
    node_on_link(&b.node, GSDP, LINK_DOWN);
    cr_expect(eq(u8, last_status(&b), 0));
    bench_free(&b);
}

Test(tbm, carries_up_unopened_to_the_services_topic)
{
    struct bench b;
    char large[300];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    start(&b, LINK_SUBSCRIBED);
    from_vehicle(&b, "not even protobuf", MATRIX_SPAAK_VOS_UP);
    from_vehicle(&b, large, MATRIX_SPAAK_GSDP_UP);
    cr_assert(ne(ptr, (void *)published(&b, 1), NULL));
    cr_expect(eq(str, (char *)published(&b, 0)->address, "spaak/S1/up/vos"));
    cr_expect(span_is(span_of(published(&b, 0)->bytes, published(&b, 0)->len), "not even protobuf"));
    cr_expect(eq(str, (char *)published(&b, 1)->address, "spaak/S1/up/gsdp"));
    cr_expect(span_is(span_of(published(&b, 1)->bytes, published(&b, 1)->len), large));
    bench_free(&b);
}

Test(tbm, unknown_fields_survive)
{
    static const char message[] = "\x0a\x02hi\xfa\x3f\x03new"; /* body, then field 1023 that nobody knows */
    struct bench b;
    start(&b, LINK_SUBSCRIBED);
    from_vehicle(&b, message, MATRIX_SPAAK_VOS_UP);
    cr_expect(span_is(span_of(published(&b, 0)->bytes, published(&b, 0)->len), message));
    bench_free(&b);
}

Test(tbm, holds_what_it_cannot_deliver_in_order_and_bounded)
{
    struct bench b;
    char text[32];
    start(&b, LINK_DOWN);
    for (int i = 0; i < 18; i++) {
        snprintf(text, sizeof text, "message %d", i);
        from_vehicle(&b, text, MATRIX_SPAAK_VOS_UP);
    }
    cr_expect(eq(ptr, (void *)published(&b, 0), NULL));
    cr_expect(eq(sz, bench_count(&b, TRACE_HOLD, ERR_LINK_DOWN), 16));
    cr_expect(eq(sz, bench_count(&b, TRACE_HOLD, ERR_QUEUE_FULL), 2));
    b.up[GSDP] = true;
    node_on_link(&b.node, GSDP, LINK_UP);
    cr_expect(eq(ptr, (void *)published(&b, 0), NULL), "connected is not yet subscribed");
    node_on_link(&b.node, GSDP, LINK_SUBSCRIBED);
    for (int i = 0; i < 16; i++) {
        snprintf(text, sizeof text, "message %d", i);
        cr_expect(span_is(span_of(published(&b, (size_t)i)->bytes, published(&b, (size_t)i)->len), text));
    }
    cr_expect(eq(ptr, (void *)published(&b, 16), NULL));
    bench_free(&b);
}

Test(tbm, carries_down_one_after_the_other)
{
    struct bench b;
    char large[200];
    struct bus_frame f;
    memset(large, 'y', sizeof large);
    start(&b, LINK_SUBSCRIBED);
    node_on_bytes(&b.node, GSDP, "spaak/S1/down/vos", span_of(large, sizeof large));
    node_on_bytes(&b.node, GSDP, "spaak/S1/down/vos", span_of("second", 6));
    cr_expect(eq(sz, b.sent_count, 1), "a first frame; the second message waits");
    bus_frame_parse("6B0##5300000CCCCCCCCCC", &f);
    bench_frame(&b.node, CAN, &f);
    cr_expect(eq(sz, b.sent_count, 5), "three consecutive frames, then the single frame");
    cr_expect(eq(u8, b.sent[4].frame.data[0], 6));
    bench_free(&b);
}

Test(tbm, refuses_what_is_not_for_its_vehicle_or_too_long)
{
    struct bench b;
    static uint8_t large[4000];
    start(&b, LINK_SUBSCRIBED);
    node_on_bytes(&b.node, GSDP, "spaak/S2/down/vos", span_of("x", 1));
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_NOT_FOUND), 1));
    node_on_bytes(&b.node, GSDP, "spaak/S1/down/vos", span_of(large, sizeof large));
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_MSG_TOO_LONG), 1));
    cr_expect(eq(sz, b.sent_count, 0));
    bench_free(&b);
}

/* ---- diagnostics ---- */

#define TBM_SERIAL "TBM0000000001"

struct workshop {
    struct bench bench;
    struct tester tester;
};

static struct workshop *workshop_begin(enum link_state gsdp, bool classic)
{
    static struct workshop shop;
    struct workshop *w = &shop;
    static const struct component_args args = {.serial = "SPAAK00000001"};
    bench_prepare(&w->bench, &tbm_class, test_crypto());
    test_equip(&tbm_class, args.serial, w->bench.node.store);
    cr_assert(eq(int, node_start(&w->bench.node, &args), ERR_OK));
    w->bench.up[CAN] = true;
    node_on_link(&w->bench.node, CAN, LINK_UP);
    w->bench.up[GSDP] = gsdp != LINK_DOWN;
    node_on_link(&w->bench.node, GSDP, gsdp);
    w->bench.sent_count = 0;
    tester_open(&w->tester, classic);
    return w;
}

static void carry(struct workshop *w)
{
    struct bus_frame f;
    for (bool more = true; more;) {
        size_t n = w->bench.sent_count;
        w->bench.sent_count = 0;
        for (size_t i = 0; i < n; i++)
            if (w->bench.sent[i].is_frame) {
                f = w->bench.sent[i].frame;
                tester_input(&w->tester, &f, w->bench.now_us);
            }
        more = tester_output(&w->tester, w->bench.now_us, &f);
        if (more)
            bench_frame(&w->bench.node, CAN, &f);
        more = more || w->bench.sent_count;
    }
}

static void pass_ms(struct workshop *w, uint64_t ms)
{
    carry(w);
    for (; ms > 0; ms--) {
        bench_run_ms(&w->bench, 1);
        carry(w);
    }
}

/* The key for a seed; the plant's M is zeros on the bench. */
static void put_key(const uint8_t seed[UDS_SEED], uint8_t key[UDS_KEY])
{
    static const uint8_t m[UDS_SECRET];
    uint8_t k[UDS_SECRET];
    cr_assert(eq(int, uds_security_ecu_key(test_crypto(), m, 0x01, span_of(TBM_SERIAL, 13), k), ERR_OK));
    cr_assert(eq(int, uds_security_key(test_crypto(), k, 0x01, seed, key), ERR_OK));
}

/* One request and its answer: "22F190 > 62F190*", "-" for none; "key": 27 01 and 27 02; "wait 100". */
static void step(struct workshop *w, const char *text)
{
    char request[200], want[400], got[2 * 400 + 1];
    uint8_t pdu[200];
    bool all = strncmp(text, "all ", 4) == 0;
    if (strncmp(text, "wait ", 5) == 0) {
        pass_ms(w, strtoul(text + 5, NULL, 10));
        return;
    }
    if (strcmp(text, "key") == 0) {
        tester_ask(&w->tester, 0x7A1, span_of("\x27\x01", 2), w->bench.now_us);
        pass_ms(w, 5);
        const struct tester_answer *seed = tester_answer(&w->tester);
        cr_assert(seed != NULL && seed->len == 18);
        memcpy(pdu, "\x27\x02", 2);
        put_key(seed->bytes + 2, pdu + 2);
        tester_answer(&w->tester);
        tester_ask(&w->tester, 0x7A1, span_of(pdu, 18), w->bench.now_us);
        text_copy(want, sizeof want, "6702");
    } else {
        cr_assert(eq(int, sscanf(text + 4 * all, "%199s > %399s", request, want), 2), "%s", text);
        long n = hex_decode(request, strlen(request), pdu, sizeof pdu);
        tester_ask(&w->tester, all ? 0x7DF : 0x7A1, span_of(pdu, (size_t)n), w->bench.now_us);
    }
    pass_ms(w, 20);
    const struct tester_answer *a = tester_answer(&w->tester);
    cr_assert(eq(int, a != NULL, *want != '-'), "%s", text);
    if (!a)
        return;
    hex_encode(a->bytes, a->len < 400 ? a->len : 400, got);
    for (char *c = got; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    size_t len = strcspn(want, "*");
    cr_expect(strncmp(got, want, len) == 0 && (want[len] == '*' || strlen(got) == len), "%s, but %s", text,
              got);
    cr_expect(eq(int, a->classic, w->tester.classic), "%s", text);
    cr_assert(eq(ptr, (void *)tester_answer(&w->tester), NULL), "%s", text);
}

static void steps(struct workshop *w, const char *text)
{
    char one[600];
    for (size_t n; *text; text += n + strspn(text + n, "; ")) {
        n = strcspn(text, ";");
        memcpy(one, text, n);
        one[n] = '\0';
        step(w, one);
    }
}

static const struct {
    const char *name;
    enum link_state gsdp;
    const char *steps;
} diagnostics[] = {
    {"numbers", LINK_SUBSCRIBED,
     "22F18C > 62F18C54424D30303030303030303031; 22F190 > 62F19031535041414B3030303030303030303031; 22F187 > "
     "62F18734373131303030303032; 22F186 > 62F18601"},
    {"to all", LINK_SUBSCRIBED, "all 3E00 > 7E00; all 3E80 > -; all 221234 > -; all 1003 > 5003003201F4"},
    {"GSDP", LINK_SUBSCRIBED, "220240 > 62024002; 220241 > 62024167736470000000*"},
    {"no GSDP", LINK_DOWN, "220240 > 62024000"},
    {"no plant session", LINK_SUBSCRIBED, "1060 > 7F1012; 1003 > 5003*; 2761 > 7F2712; 2908 > 7F2911"},
    {"level 01", LINK_SUBSCRIBED, "2701 > 7F277F; 1003 > 5003*; key; 2702 > 7F2713"},
    {"retry, protected", LINK_SUBSCRIBED,
     "220243 > 620243001E; 1003 > 5003*; 2E02430005 > 7F2E33; key; 2E02430005 > 6E0243; 220243 > 6202430005; "
     "2E02430000 > 7F2E31; 2E02430E11 > 7F2E31; 2E024305 > 7F2E13; 220243 > 6202430005"},
    {"the rest is not written", LINK_SUBSCRIBED,
     "1003 > 5003*; key; 2EF19031535041414B3030303030303030303031 > 7F2E31; 2E024001 > 7F2E31"},
    {"reconnect", LINK_SUBSCRIBED,
     "31010320 > 7F317F; 1003 > 5003*; 31010320 > 7F3133; key; 31010320 > 7101032000; 31020320 > 7F3112; "
     "3101032000 > 7F3113; 31010301 > 7F3131"},
    {"codes", LINK_SUBSCRIBED,
     "190A > 590A39DA0087009A1051009A105600; 14FFFFFF > 54; 190A > 590A39DA0087109A1051109A105610"},
    {"no GSDP for 10 s", LINK_DOWN, "wait 9900; 19020F > 590239; wait 200; 19020F > 590239DA008729"},
    {"a reset", LINK_SUBSCRIBED,
     "1003 > 5003*; 1101 > 5101; wait 100; 3E00 > -; wait 200; 3E00 > 7E00; 22F186 > 62F18601"},
};

Test(tbm, diagnostics)
{
    for (size_t i = 0; i < sizeof diagnostics / sizeof diagnostics[0]; i++)
        for (int classic = 0; classic < 2; classic++) {
            struct workshop *w = workshop_begin(diagnostics[i].gsdp, classic);
            steps(w, diagnostics[i].steps);
            bench_free(&w->bench);
        }
}

static void restart(struct workshop *w)
{
    static const struct component_args args = {.serial = "SPAAK00000001"};
    node_stop(&w->bench.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        w->bench.due_us[i] = ENV_NEVER;
    cr_assert(eq(int, node_start(&w->bench.node, &args), ERR_OK));
    node_on_link(&w->bench.node, CAN, LINK_UP);
}

Test(tbm, what_was_written_and_a_wrong_key_survive_a_power_cut)
{
    struct workshop *w = workshop_begin(LINK_SUBSCRIBED, false);
    steps(w, "1003 > 5003*; key; 2E0243012C > 6E0243; 1003 > 5003*; 2701 > 6701*; "
             "270200000000000000000000000000000000 > 7F2735");
    restart(w);
    steps(w, "220243 > 620243012C; 1003 > 5003*; 2701 > 7F2737");
    bench_free(&w->bench);
}

static enum err refuse(struct store *s, const struct store_put *puts, size_t n)
{
    (void)s, (void)puts, (void)n;
    return ERR_STORE_FAILED;
}

/* 72, and nothing of it is true. */
Test(tbm, a_store_that_refuses)
{
    struct workshop *w = workshop_begin(LINK_SUBSCRIBED, false);
    steps(w, "1003 > 5003*; key");
    struct store *s = w->bench.node.store;
    const struct store_ops *good = s->ops;
    struct store_ops bad = *good;
    bad.apply = refuse;
    s->ops = &bad;
    steps(w, "2E02430005 > 7F2E72; 220243 > 620243001E; 14FFFFFF > 7F1472; 190201 > 590239");
    s->ops = good;
    steps(w, "2E02430005 > 6E0243; 220243 > 6202430005");
    bench_free(&w->bench);
}

/* K comes from the plant; without it nobody gets a seed. */
Test(tbm, no_level_without_a_key)
{
    struct workshop *w = workshop_begin(LINK_SUBSCRIBED, false);
    struct store_put gone = {.key = "uds/level/01", .value = {NULL, 0}};
    store_apply(w->bench.node.store, &gone, 1);
    steps(w, "1003 > 5003*; 2701 > 7F2722");
    bench_free(&w->bench);
}

static void set_certificate(struct workshop *w, int64_t now_s)
{
    struct oem_identity old;
    cr_assert(eq(int, oem_make_client(test_crypto(), test_oem(TEST_NOW_S), TBM_SERIAL, now_s, &old), ERR_OK));
    store_set(w->bench.node.store, "gsdp/client-certificate", span_of(old.der, old.len));
    oem_identity_free(&old);
}

Test(tbm, the_client_certificate_is_told_by_its_digest_and_tested)
{
    struct workshop *w = workshop_begin(LINK_SUBSCRIBED, false);
    struct store_put gone = {.key = "gsdp/client-certificate", .value = {NULL, 0}};
    uint8_t der[X509_MAX], digest[SHA256_SIZE];
    char want[120] = "220242 > 620242";
    size_t len;
    cr_assert(eq(int, store_get(w->bench.node.store, gone.key, der, sizeof der, &len), ERR_OK));
    struct span whole = span_of(der, len);
    crypto_sha256(test_crypto(), &whole, 1, digest);
    hex_encode(digest, sizeof digest, want + strlen(want));
    for (char *c = want; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    steps(w, want);
    store_apply(w->bench.node.store, &gone, 1);
    node_on_link(&w->bench.node, GSDP, LINK_SUBSCRIBED);
    steps(w, "220242 > 6202420000000000000000000000000000000000000000000000000000000000000000; 190201 > "
             "5902399A105129");
    set_certificate(w, TEST_NOW_S - 26 * 365 * 86400ll);
    node_on_link(&w->bench.node, GSDP, LINK_SUBSCRIBED);
    steps(w, "190201 > 5902399A105629");
    bench_free(&w->bench);
}

static size_t frames_of(struct bench *b, uint32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < b->sent_count; i++)
        n += b->sent[i].is_frame && b->sent[i].frame.id == id;
    return n;
}

/* 28 03: no status, nothing from GSDP goes on; what came meanwhile goes when it is on again. */
Test(tbm, communication_that_is_off)
{
    struct workshop *w = workshop_begin(LINK_SUBSCRIBED, false);
    steps(w, "1003 > 5003*; 280301 > 6803");
    w->bench.sent_count = 0;
    bench_run_ms(&w->bench, 1000);
    node_on_bytes(&w->bench.node, GSDP, "spaak/SPAAK00000001/down/vos", span_of("waits", 5));
    from_vehicle(&w->bench, "unheard", MATRIX_SPAAK_VOS_UP);
    cr_expect(eq(sz, w->bench.sent_count, 0));
    struct bus_frame f;
    bus_frame_parse("7A1##503280001CCCCCCCC", &f);
    bench_frame(&w->bench.node, CAN, &f);
    cr_expect(eq(sz, frames_of(&w->bench, 0x6B8), 1));
    bench_run_ms(&w->bench, 1000);
    cr_expect(eq(sz, frames_of(&w->bench, 0x3A0), 10));
    bench_free(&w->bench);
}

/* What the TBM held is memory; what the broker has yet to bring is not. */
Test(tbm, a_reset_is_silence_and_loses_what_was_held)
{
    struct workshop *w = workshop_begin(LINK_DOWN, false);
    from_vehicle(&w->bench, "held", MATRIX_SPAAK_VOS_UP);
    steps(w, "1101 > 5101; wait 65");
    w->bench.sent_count = 0;
    w->bench.up[GSDP] = true;
    node_on_link(&w->bench.node, GSDP, LINK_SUBSCRIBED);
    node_on_bytes(&w->bench.node, GSDP, "spaak/SPAAK00000001/down/vos", span_of("later", 5));
    from_vehicle(&w->bench, "unheard", MATRIX_SPAAK_VOS_UP);
    bench_run_ms(&w->bench, 100);
    cr_expect(eq(sz, w->bench.sent_count, 0), "it boots");
    bench_run_ms(&w->bench, 100);
    cr_expect(eq(sz, frames_of(&w->bench, 0x6B8), 1));
    cr_expect(ge(sz, frames_of(&w->bench, 0x3A0), 1));
    cr_expect(eq(ptr, (void *)published(&w->bench, 0), NULL), "what it held is gone");
    bench_free(&w->bench);
}

/* GSDP is there and does not take it: again after the seconds of DID 0243, or at once when a tester asks. */
Test(tbm, what_gsdp_did_not_take_is_tried_again)
{
    for (int asked = 0; asked < 2; asked++) {
        struct workshop *w = workshop_begin(LINK_SUBSCRIBED, false);
        steps(w, "1003 > 5003*; key; 2E02430002 > 6E0243");
        w->bench.up[GSDP] = false;
        from_vehicle(&w->bench, "not taken", MATRIX_SPAAK_VOS_UP);
        w->bench.up[GSDP] = true;
        bench_run_ms(&w->bench, 1900);
        cr_expect(eq(ptr, (void *)published(&w->bench, 0), NULL));
        w->bench.sent_count = 0;
        if (asked) {
            struct bus_frame f;
            bus_frame_parse("7A1##50431010320CCCCCC", &f);
            bench_frame(&w->bench.node, CAN, &f);
        } else {
            bench_run_ms(&w->bench, 200);
        }
        cr_assert(ne(ptr, (void *)published(&w->bench, 0), NULL));
        cr_expect(eq(str, (char *)published(&w->bench, 0)->address, "spaak/SPAAK00000001/up/vos"));
        bench_free(&w->bench);
    }
}
