/* The asking side alone: two requesters in one component on a bench, pauses in virtual milliseconds. Nobody
 * answers but the rows of the tables. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>

#include "lib/msg/requester.h"
#include "tests/check.h"
#include "tests/support.h"

#define SERIAL      "SPAAK00000001"
#define RETRY_MS    100
#define BACK_OFF_MS 1000

enum { FIRST, SECOND, ASKERS };

struct asker {
    struct requester requester;
    bool unreachable;
    uint64_t called_us; /* when the requester last called us: its timer is armed at that very moment */
    unsigned transmitted, resumed, channel;
    enum requester_state told;
    size_t len;
    uint8_t bytes[MSG_MAX]; /* last transmission */
};

/* One per test. */
static struct bench bench;
static struct oem_identity ecu;
static struct requester_signer signer;
static struct asker *first, *second; /* of the component on the bench */

static const struct request subject_request = {
    SPAAK__V1__USE_CASE__USE_CASE_PP_01, SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST, 1, "PP-01/3"};
static const struct request csr_request = {SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                           SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_REQUEST, 1,
                                           "PP-01/10"};
static const struct span no_body = {NULL, 0};

/* ---- the component ---- */

static struct asker *called(void *owner)
{
    struct asker *a = owner;
    a->called_us = env_now_us(a->requester.config.env);
    return a;
}

static void on_transmit(void *owner, unsigned channel, struct span bytes)
{
    struct asker *a = called(owner);
    a->transmitted++;
    a->channel = channel;
    a->len = bytes.len;
    memcpy(a->bytes, bytes.p, bytes.len);
}

static bool is_reachable(void *owner)
{
    return !called(owner)->unreachable;
}

static void on_state(void *owner, enum requester_state state)
{
    called(owner)->told = state;
}

static void on_resume(void *owner)
{
    called(owner)->resumed++;
}

static enum err desk_init(void *self, struct env *env, const struct component_args *args)
{
    static const struct requester_ops ops = {on_transmit, is_reachable, on_state, on_resume};
    static const char *const peers[] = {"gsdp", "vos"};
    struct asker *askers = self;
    (void)args;
    for (unsigned i = 0; i < ASKERS; i++) {
        struct requester_config config = {
            .env = env,
            .timer = i,
            .retry_us = RETRY_MS * 1000,
            .back_off_us = BACK_OFF_MS * 1000,
            .peers = peers,
            .signer = &signer,
            .ops = &ops,
            .owner = &askers[i],
        };
        requester_init(&askers[i].requester, &config);
    }
    return ERR_OK;
}

static void desk_on_timer(void *self, unsigned timer)
{
    struct asker *askers = self;
    requester_on_timer(&askers[timer].requester);
}

static const struct timer_spec desk_timers[] = {
    {"asker 1", false}, {"asker 2", false}, {"3", false}, {"4", false}};

static const struct component_class desk_class = {
    .name = "desk",
    .timers = desk_timers,
    .timer_count = sizeof desk_timers / sizeof desk_timers[0],
    .size = ASKERS * sizeof(struct asker),
    .init = desk_init,
    .on_timer = desk_on_timer,
};

/* ---- the bench ---- */

static void start(void)
{
    ASSERT_OK(oem_make_ecu(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, &ecu));
    signer = (struct requester_signer){SERIAL, ecu.key, span_of(ecu.der, ecu.len), NULL};
    bench_prepare(&bench, &desk_class, test_crypto());
    ASSERT_OK(bench_start(&bench, &(struct component_args){.serial = SERIAL}));
    first = bench.node.self;
    second = first + 1;
}

static void stop(void)
{
    bench_free(&bench);
    oem_identity_free(&ecu);
}

TestSuite(requester, .init = start, .fini = stop);

static void begin_and_send(struct asker *a)
{
    requester_begin(&a->requester);
    requester_send(&a->requester, &subject_request, no_body);
}

static uint64_t due_us(const struct asker *a)
{
    return bench.due_us[a->requester.config.timer];
}

static uint64_t pause_us(const struct asker *a)
{
    return due_us(a) - a->called_us;
}

static void run_until_due(const struct asker *a)
{
    bench_run_ms(&bench, (due_us(a) - bench.now_us) / 1000 + 1);
}

/* With jitter: at most a tenth more. */
static void expect_pause(const struct asker *a, uint64_t want_ms)
{
    cr_expect(ge(u64, pause_us(a), want_ms * 1000));
    cr_expect(le(u64, pause_us(a), want_ms * 1100));
}

/* The last transmission, as a server reads it. */
static struct msg_opened heard(const struct asker *a)
{
    struct x509 ca;
    struct msg_opened m;
    const struct oem_identity *o = &test_oem(TEST_NOW_S)->roles[OEM_ECU_CA];
    ASSERT_OK(x509_parse(span_of(o->der, o->len), &ca));
    struct msg_policy p = {.crypto = test_crypto(),
                           .direction = MSG_REQUEST,
                           .signer = X509_ECU_IDENTITY,
                           .issuer = &ca,
                           .ecu_serial = SERIAL,
                           .now_ms = TEST_NOW_S * 1000 + (int64_t)(bench.now_us / 1000)};
    ASSERT_OK(msg_open(&p, span_of(a->bytes, a->len), &m));
    return m;
}

/* ---- what is sent ---- */

Test(requester, a_request_is_sealed_and_handed_to_its_channel)
{
    static const uint8_t uuid[MSG_UUID] = {0xD1, 0xD2};
    bench_run_ms(&bench, 250);
    begin_and_send(first);
    cr_expect(not(heard(first).header.has_drm_uuid));
    signer.drm_uuid = uuid; /* from now on */
    requester_send(&first->requester, &csr_request, span_of("csr", 3));
    struct msg_opened m = heard(first);
    cr_expect(span_is(m.body, "csr"));
    cr_expect(eq(int, (int)m.header.type, (int)csr_request.type));
    cr_expect(eq(int, (int)m.header.use_case, (int)csr_request.use_case));
    cr_expect(eq(i64, m.header.issued_at_ms, TEST_NOW_S * 1000 + 250));
    cr_expect(m.header.has_drm_uuid && memcmp(m.header.drm_uuid, uuid, MSG_UUID) == 0);
    cr_expect(eq(u32, first->channel, csr_request.channel));
}

Test(requester, the_trace_names_step_peer_message_and_digest)
{
    requester_begin(&first->requester);
    requester_send(&first->requester, &csr_request, no_body);
    const struct trace_event *e = bench_last(&bench, TRACE_SEND);
    cr_assert(ne(ptr, (void *)e, NULL));
    cr_expect(eq(str, (char *)e->step, "PP-01/10"));
    cr_expect(eq(str, (char *)e->peer, "vos"));
    cr_expect(eq(str, (char *)e->message, "VehicleIdentityCSRRequest"));
    cr_expect(eq(str, (char *)e->detail, "ecu=" SERIAL " seq=1"));
    cr_expect(eq(u32, e->length, (uint32_t)first->len));
    cr_expect(e->has_digest);
}

Test(requester, requests_of_one_exchange_share_its_correlation_and_count_up)
{
    begin_and_send(first);
    struct msg_header one = heard(first).header;
    run_until_due(first);
    requester_send(&first->requester, &csr_request, no_body);
    struct msg_header two = heard(first).header;
    cr_expect(memcmp(one.correlation, two.correlation, MSG_UUID) == 0);
    cr_expect(eq(u32, two.sequence, 2));
    expect_pause(first, RETRY_MS); /* its repetitions begin anew */
    requester_stop(&first->requester);
    begin_and_send(first);
    struct msg_header anew = heard(first).header;
    cr_expect(memcmp(one.correlation, anew.correlation, MSG_UUID) != 0);
    cr_expect(eq(u32, anew.sequence, 1));
}

Test(requester, what_cannot_be_sealed_is_given_up_and_never_leaves)
{
    static const uint8_t body[MSG_MAX];
    requester_begin(&first->requester);
    requester_send(&first->requester, &csr_request, span_of(body, sizeof body));
    cr_expect(eq(u32, first->transmitted, 0));
    cr_expect(eq(sz, bench_count(&bench, TRACE_SEND, ERR_OK), 0));
    cr_expect(eq(sz, bench_count(&bench, TRACE_FAIL, ERR_MSG_TOO_LONG), 1));
    cr_expect(eq(str, (char *)bench_last(&bench, TRACE_FAIL)->step, "PP-01/10"));
    cr_expect(eq(int, (int)first->told, REQUESTER_BACKS_OFF));
    expect_pause(first, BACK_OFF_MS);
}

/* ---- repetition ---- */

static const struct {
    unsigned transmissions; /* so far */
    uint64_t pause_ms;      /* after the last of them */
    enum requester_state then;
} repetitions[] = {
    {.transmissions = 1, .pause_ms = 100, .then = REQUESTER_WAITS},
    {.transmissions = 2, .pause_ms = 200, .then = REQUESTER_WAITS},
    {.transmissions = 3, .pause_ms = 400, .then = REQUESTER_WAITS},
    {.transmissions = 4, .pause_ms = 800, .then = REQUESTER_WAITS},
    {.transmissions = 5, .pause_ms = 1600, .then = REQUESTER_WAITS},
    {.transmissions = 6, .pause_ms = 3200, .then = REQUESTER_BACKS_OFF},
};

Test(requester, repeats_the_same_bytes_with_growing_pauses_then_gives_up)
{
    uint8_t bytes[MSG_MAX];
    begin_and_send(first);
    memcpy(bytes, first->bytes, first->len);
    for (size_t i = 0; i < sizeof repetitions / sizeof repetitions[0]; i++) {
        cr_expect(eq(u32, first->transmitted, repetitions[i].transmissions), "row %zu", i);
        cr_expect(memcmp(first->bytes, bytes, first->len) == 0, "row %zu", i);
        cr_expect(eq(sz, bench_count(&bench, TRACE_RETRY, ERR_MSG_NO_ANSWER), i), "row %zu", i);
        expect_pause(first, repetitions[i].pause_ms);
        run_until_due(first);
        cr_expect(eq(int, (int)first->requester.state, (int)repetitions[i].then), "row %zu", i);
    }
    cr_expect(eq(u32, first->transmitted, 6));
    cr_expect(eq(sz, bench_count(&bench, TRACE_SEND, ERR_OK), 1));
    cr_expect(eq(sz, bench_count(&bench, TRACE_FAIL, ERR_MSG_NO_ANSWER), 1));
}

Test(requester, jitter_spreads_over_a_tenth_of_the_pause)
{
    uint64_t least_us = UINT64_MAX, most_us = 0;
    for (size_t i = 0; i < 200; i++) {
        begin_and_send(first);
        uint64_t got_us = pause_us(first);
        least_us = got_us < least_us ? got_us : least_us;
        most_us = got_us > most_us ? got_us : most_us;
        requester_stop(&first->requester);
    }
    cr_expect(ge(u64, least_us, RETRY_MS * 1000));
    cr_expect(le(u64, most_us, RETRY_MS * 1100));
    cr_expect(lt(u64, RETRY_MS * 50, most_us - least_us), "200 draws cover more than half of it");
}

/* ---- nobody there ---- */

static const struct {
    const char *name;
    bool given_up;
    unsigned transmissions, resumes; /* once there is somebody again */
} deaf[] = {
    {.name = "waits for an answer", .given_up = false, .transmissions = 2, .resumes = 0},
    {.name = "backs off", .given_up = true, .transmissions = 1, .resumes = 1},
};

Test(requester, while_nobody_hears_no_attempt_is_counted)
{
    for (size_t i = 0; i < sizeof deaf / sizeof deaf[0]; i++) {
        unsigned before = first->transmitted;
        begin_and_send(first);
        if (deaf[i].given_up)
            requester_give_up(&first->requester, ERR_PKI_REFUSED);
        first->unreachable = true;
        for (int n = 0; n < 20; n++) {
            run_until_due(first);
            cr_expect(eq(u64, pause_us(first), RETRY_MS * 1000), "%s", deaf[i].name);
        }
        cr_expect(eq(u32, first->transmitted, before + 1), "%s", deaf[i].name);
        cr_expect(eq(u32, first->requester.attempts, 1), "%s", deaf[i].name);
        cr_expect(eq(u32, first->resumed, 0), "%s", deaf[i].name);
        first->unreachable = false;
        run_until_due(first);
        cr_expect(eq(u32, first->transmitted, before + deaf[i].transmissions), "%s", deaf[i].name);
        cr_expect(eq(u32, first->resumed, deaf[i].resumes), "%s", deaf[i].name);
        requester_stop(&first->requester);
    }
}

/* ---- failure and success ---- */

static const struct {
    unsigned failures; /* in a row */
    uint64_t back_off_ms;
} back_offs[] = {
    {.failures = 1, .back_off_ms = 1000},  {.failures = 2, .back_off_ms = 2000},
    {.failures = 3, .back_off_ms = 4000},  {.failures = 4, .back_off_ms = 8000},
    {.failures = 5, .back_off_ms = 16000}, {.failures = 6, .back_off_ms = 32000},
    {.failures = 7, .back_off_ms = 64000}, {.failures = 8, .back_off_ms = 64000},
    {.failures = 9, .back_off_ms = 64000},
};

Test(requester, the_back_off_doubles_up_to_its_cap_and_then_resumes)
{
    for (size_t i = 0; i < sizeof back_offs / sizeof back_offs[0]; i++) {
        begin_and_send(first);
        requester_give_up(&first->requester, ERR_PKI_REFUSED);
        cr_expect(eq(u32, first->requester.failures, back_offs[i].failures), "row %zu", i);
        cr_expect(eq(int, (int)first->told, REQUESTER_BACKS_OFF), "row %zu", i);
        expect_pause(first, back_offs[i].back_off_ms);
        cr_expect(eq(u32, first->resumed, i), "row %zu", i);
        run_until_due(first);
        cr_expect(eq(u32, first->resumed, i + 1), "row %zu", i);
        cr_expect(eq(int, (int)first->requester.state, REQUESTER_IDLE), "row %zu", i);
    }
    cr_expect(eq(sz, bench_count(&bench, TRACE_FAIL, ERR_PKI_REFUSED), 9));
}

Test(requester, success_stops_the_timer_and_forgets_failures)
{
    for (int i = 0; i < 3; i++) {
        begin_and_send(first);
        requester_give_up(&first->requester, ERR_PKI_REFUSED);
        run_until_due(first);
    }
    begin_and_send(first);
    unsigned transmitted = first->transmitted;
    requester_stop(&first->requester);
    cr_expect(eq(u64, due_us(first), ENV_NEVER));
    node_on_timer(&bench.node, FIRST); /* was on its way already */
    bench_run_ms(&bench, 100000);
    cr_expect(eq(u32, first->transmitted, transmitted));
    cr_expect(eq(u32, first->resumed, 3));
    begin_and_send(first);
    requester_give_up(&first->requester, ERR_PKI_REFUSED);
    expect_pause(first, BACK_OFF_MS);
}

/* ---- answers ---- */

/* Its last request was the second of its exchange. */
static void bring_to(struct asker *a, enum requester_state state)
{
    requester_stop(&a->requester);
    begin_and_send(a);
    requester_send(&a->requester, &csr_request, no_body);
    if (state == REQUESTER_BACKS_OFF)
        requester_give_up(&a->requester, ERR_PKI_REFUSED);
    if (state == REQUESTER_IDLE || state == REQUESTER_BEGUN)
        requester_stop(&a->requester);
    if (state == REQUESTER_BEGUN)
        requester_begin(&a->requester);
    cr_assert(eq(int, (int)a->requester.state, (int)state));
}

static const struct {
    const char *name;
    enum requester_state in;
    int later;    /* its sequence number, against that of the last request */
    uint8_t flip; /* bits of its correlation */
    enum err reason;
} answers[] = {
    {"the answer", .in = REQUESTER_WAITS, .reason = ERR_OK},
    {"to the request before", .in = REQUESTER_WAITS, .later = -1, .reason = ERR_MSG_REPLAYED},
    {"to a request to come", .in = REQUESTER_WAITS, .later = 1, .reason = ERR_MSG_OUT_OF_ORDER},
    {"of another exchange", .in = REQUESTER_WAITS, .flip = 1, .reason = ERR_MSG_REPLAYED},
    {"of another, later", .in = REQUESTER_WAITS, .flip = 1, .later = 1, .reason = ERR_MSG_REPLAYED},
    {"after it was given up", .in = REQUESTER_BACKS_OFF, .reason = ERR_MSG_REPLAYED},
    {"after success", .in = REQUESTER_IDLE, .reason = ERR_MSG_REPLAYED},
    {"before the next has asked", .in = REQUESTER_BEGUN, .reason = ERR_MSG_REPLAYED},
};

Test(requester, only_the_answer_to_the_last_request_is_one)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        bring_to(first, answers[i].in);
        struct msg_header h = heard(first).header;
        h.sequence += (uint32_t)answers[i].later;
        h.correlation[15] ^= answers[i].flip;
        enum err got = requester_check(&first->requester, &h);
        cr_expect(eq(str, (char *)err_name(got), (char *)err_name(answers[i].reason)), "%s", answers[i].name);
    }
}

/* ---- side by side ---- */

Test(requester, two_do_not_disturb_each_other)
{
    begin_and_send(first);
    bench_run_ms(&bench, 1000); /* repeated after 100..110, 300..330, 700..770 ms */
    begin_and_send(second);
    struct msg_header h1 = heard(first).header, h2 = heard(second).header;
    cr_expect(eq(u32, first->transmitted, 4));
    cr_expect(eq(u32, second->transmitted, 1));
    EXPECT_OK(requester_check(&first->requester, &h1));
    EXPECT_OK(requester_check(&second->requester, &h2));
    EXPECT_ERR(requester_check(&first->requester, &h2), ERR_MSG_REPLAYED);
    EXPECT_ERR(requester_check(&second->requester, &h1), ERR_MSG_REPLAYED);

    requester_stop(&first->requester);
    expect_pause(second, RETRY_MS);
    second->unreachable = true; /* the first one's ways are its own */
    begin_and_send(first);
    bench_run_ms(&bench, 500);
    cr_expect(eq(u32, first->transmitted, 4 + 3));
    cr_expect(eq(u32, second->transmitted, 1));

    requester_give_up(&first->requester, ERR_PKI_REFUSED);
    EXPECT_OK(requester_check(&second->requester, &h2));
    cr_expect(eq(u32, second->requester.failures, 0));
    second->unreachable = false;
    run_until_due(second);
    cr_expect(eq(u32, second->transmitted, 2));
    cr_expect(eq(int, (int)first->requester.state, REQUESTER_BACKS_OFF));
}

/* ---- the doors ---- */

Test(requester, a_second_exchange_needs_the_first_to_end, .signal = SIGABRT)
{
    begin_and_send(first);
    requester_begin(&first->requester);
}

Test(requester, nothing_is_asked_outside_an_exchange, .signal = SIGABRT)
{
    requester_send(&first->requester, &subject_request, no_body);
}

Test(requester, nothing_is_given_up_twice, .signal = SIGABRT)
{
    begin_and_send(first);
    requester_give_up(&first->requester, ERR_MSG_NO_ANSWER);
    requester_give_up(&first->requester, ERR_MSG_NO_ANSWER);
}
