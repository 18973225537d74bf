/* The life of keys at the VOS: who may say what, who is told until he has answered, what a vehicle says. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos.h"
#include "lib/msg/manage.h"
#include "proto/backend.pb-c.h"
#include "tests/check.h"
#include "tests/verifier_rig.h"

enum { TRACKING = 3, KTS, DOS };
enum { MANAGE = 601, STATUS = 602 };

static struct server s;
static uint8_t key_id[TRACKING_KEY_ID];

/* A vehicle has reported its owner's key; KTS and DOS know of it, too. */
static void start(void)
{
    struct tracking_record r = {.state = KEY_ACTIVE, .sealed_len = 8};
    memset(key_id, 0x5A, sizeof key_id);
    server_start(&s, true, NULL, NULL);
    server_pass(&s, 0x5A);
    ASSERT_OK(tracking_record_put(&s.b.node.env, VOS_TRACKED_PREFIX, key_id, &r));
    ASSERT_OK(env_store_commit(&s.b.node.env));
    s.b.sent_count = 0;
}

static void stop(void)
{
    server_stop(&s);
}

TestSuite(vos_keys, .init = start, .fini = stop);

static enum err manage(enum key_action action)
{
    struct call_value values[ENV_VALUES] = {
        {.number = action - KEY_TERMINATE}, {.text = SERIAL}, {.text = ""}};
    unsigned number;
    cr_assert(component_call(&vos_class, "manage-key", &number));
    size_t refused = bench_count(&s.b, TRACE_REJECT, ERR_OK);
    s.b.sent_count = 0;
    node_on_call(&s.b.node, number, values);
    const struct trace_event *e = bench_last(&s.b, TRACE_REJECT);
    return bench_count(&s.b, TRACE_REJECT, ERR_OK) == refused ? ERR_OK : e->reason;
}

static const struct bench_sent *sent(unsigned port)
{
    for (size_t i = s.b.sent_count; i-- > 0;)
        if (s.b.sent[i].port == port)
            return &s.b.sent[i];
    return NULL;
}

/* What that server was asked lately; number 0: nothing. */
static struct manage_ask asked(unsigned port)
{
    static struct tracking_memory m;
    struct manage_ask a = {.number = 0};
    const struct bench_sent *q = sent(port);
    if (q)
        ASSERT_OK(manage_ask_read(span_of(q->bytes, q->len), &m, &a));
    return a;
}

static void answer(unsigned port, const struct manage_ask *a, enum err error, struct span resumption)
{
    uint8_t out[400];
    struct wr w = wr_of(out, sizeof out);
    struct tracking_record r = {.state = key_state_after(a->action), .state_ms = a->issued_ms};
    struct manage_answer said = manage_answer_of(a, error, &r);
    if (!error)
        said.resumption = resumption;
    ASSERT_OK(manage_answer_write(&said, &w));
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, port, "", span_of(out, w.len));
}

static void status(enum key_state state, enum key_cause cause, int64_t issued_ms, enum err error)
{
    uint8_t body[64];
    Spaak__V1__KeyStatus m = SPAAK__V1__KEY_STATUS__INIT;
    m.key_id = (ProtobufCBinaryData){sizeof key_id, key_id};
    m.state = (Spaak__V1__KeyStatus__State)state;
    m.cause = (Spaak__V1__KeyStatus__Cause)cause;
    m.issued_ms = issued_ms;
    m.error = (uint32_t)error;
    server_hear(&s, STATUS, SPAAK__V1__USE_CASE__USE_CASE_KM_02, true,
                span_of(body, spaak__v1__key_status__pack(&m, body)));
}

static unsigned due(void)
{
    char name[ENV_KEY_MAX] = VOS_KEY_DUE_PREFIX;
    uint8_t bits = 0;
    size_t len;
    hex_encode(key_id, sizeof key_id, name + strlen(name));
    return store_get(s.b.node.store, name, &bits, 1, &len) == ERR_OK ? bits : 0;
}

static bool is_paired(void)
{
    uint8_t id[32];
    size_t len;
    return store_get(s.b.node.store, VOS_PAIRED_PREFIX SERIAL, id, sizeof id, &len) == ERR_OK;
}

Test(vos_keys, vehicle_kts_and_dos_are_told_until_each_has_answered)
{
    EXPECT_ERR(manage(KEY_SUSPEND), ERR_OK);
    cr_expect(eq(uint, due(), 7));
    for (int life = 0; life < 2; life++) {
        struct manage_ask kts = asked(KTS), dos = asked(DOS);
        cr_expect(kts.action == KEY_SUSPEND && !kts.event && kts.cause == KEY_BY_SERVER, "life %d", life);
        cr_expect(dos.action == KEY_SUSPEND && dos.issued_ms == kts.issued_ms, "life %d", life);
        cr_expect(sent(0) != NULL, "the vehicle, too");
        server_restart(&s);
        node_on_link(&s.b.node, 0, LINK_SUBSCRIBED);
    }
    struct manage_ask kts = asked(KTS), dos = asked(DOS);
    answer(KTS, &kts, ERR_OK, (struct span){NULL, 0});
    cr_expect(eq(uint, due(), 5));
    answer(DOS, &dos, ERR_STORE_FAILED, (struct span){NULL, 0});
    cr_expect(eq(uint, due(), 5), "its own trouble: it is asked again");
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 10000);
    cr_expect(ne(u64, asked(DOS).number, 0));
    cr_expect(eq(u64, asked(KTS).number, 0), "it has answered");
    answer(DOS, &dos, ERR_NOT_FOUND, (struct span){NULL, 0});
    cr_expect(eq(uint, due(), 1));
    status(KEY_SUSPENDED, 0, kts.issued_ms - 1, ERR_OK);
    cr_expect(eq(uint, due(), 1), "of another word");
    status(KEY_SUSPENDED, 0, kts.issued_ms, ERR_OK);
    cr_expect(eq(uint, due(), 0));
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 30000);
    cr_expect(eq(sz, s.b.sent_count, 0));
    cr_expect(is_paired());
}

Test(vos_keys, the_phone_gets_the_statement_of_the_kts)
{
    static const uint8_t statement[] = "signed";
    EXPECT_ERR(manage(KEY_SUSPEND), ERR_OK);
    const int64_t before_ms = asked(KTS).issued_ms;
    EXPECT_ERR(manage(KEY_RESUME), ERR_OK);
    struct manage_ask kts = asked(KTS);
    cr_expect(kts.action == KEY_RESUME);
    cr_expect(lt(i64, before_ms / 1000, kts.issued_ms / 1000), "a second later, at least");
    cr_expect(eq(u64, asked(DOS).number, 0), "the DOS waits for it");
    answer(KTS, &kts, ERR_OK, span_of(statement, sizeof statement));
    struct manage_ask dos = asked(DOS);
    cr_expect(span_equal(dos.resumption, span_of(statement, sizeof statement)));
    answer(KTS, &kts, ERR_OK, (struct span){NULL, 0});
    server_restart(&s);
    dos = asked(DOS);
    cr_expect(span_equal(dos.resumption, span_of(statement, sizeof statement)),
              "the first holds, and is kept");
}

Test(vos_keys, what_has_ended_stays_ended)
{
    EXPECT_ERR(manage(KEY_TERMINATE), ERR_OK);
    cr_expect(not(is_paired()));
    EXPECT_ERR(manage(KEY_RESUME), ERR_NOT_FOUND); /* the vehicle has no owner's key */
    struct manage_ask a = {
        .number = 3, .action = KEY_RESUME, .cause = KEY_BY_DEVICE_OEM, .issued_ms = TEST_NOW_S * 1000 + 9000};
    memcpy(a.key_id, key_id, sizeof key_id);
    uint8_t out[200];
    struct tracking_memory m;
    struct manage_answer r;
    struct wr w = wr_of(out, sizeof out);
    ASSERT_OK(manage_ask_write(&a, &w));
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, TRACKING, "dos", span_of(out, w.len));
    cr_assert(sent(TRACKING) != NULL);
    ASSERT_OK(manage_answer_read(span_of(sent(TRACKING)->bytes, sent(TRACKING)->len), &m, &r));
    EXPECT_ERR(r.error, ERR_KEY_ENDED);
    server_pass(&s, 0x5A);
    cr_expect(not(is_paired()), "a late report changes nothing");
}

Test(vos_keys, the_dos_asks_and_gets_the_same_answer_again)
{
    static const struct {
        enum key_action action;
        enum key_cause cause;
        int64_t later_ms;
        enum err reason;
        enum key_state state;
    } rows[] = {
        {KEY_SUSPEND, KEY_BY_DEVICE_OEM, 10, ERR_OK, KEY_SUSPENDED},
        {KEY_SUSPEND, KEY_BY_DEVICE_OEM, 10, ERR_OK, KEY_SUSPENDED},
        {KEY_RESUME, KEY_BY_DEVICE_OEM, 10, ERR_MSG_STALE, 0},
        {KEY_RESUME, KEY_BY_DEVICE_OEM, 5, ERR_MSG_STALE, 0},
        {KEY_RESUME, KEY_BY_SERVER, 20, ERR_MSG_UNEXPECTED, 0},
        {KEY_RESUME, KEY_BY_DEVICE_OEM, 600000, ERR_MSG_STALE, 0},
        {KEY_RESUME, KEY_BY_DEVICE_OEM, 20, ERR_OK, KEY_ACTIVE},
        {KEY_SUSPEND, KEY_BY_DEVICE_OEM, 10, ERR_MSG_STALE, 0},
        {KEY_RESUME, KEY_BY_DEVICE_OEM, 20, ERR_OK, KEY_ACTIVE},
    };
    int64_t state_ms = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct manage_ask a = {.number = i + 1,
                               .action = rows[i].action,
                               .cause = rows[i].cause,
                               .issued_ms = TEST_NOW_S * 1000 + rows[i].later_ms};
        uint8_t out[200];
        struct tracking_memory m;
        struct manage_answer r;
        struct wr w = wr_of(out, sizeof out);
        memcpy(a.key_id, key_id, sizeof key_id);
        ASSERT_OK(manage_ask_write(&a, &w));
        s.b.sent_count = 0;
        node_on_bytes(&s.b.node, TRACKING, "dos", span_of(out, w.len));
        cr_assert(sent(TRACKING) != NULL);
        ASSERT_OK(manage_answer_read(span_of(sent(TRACKING)->bytes, sent(TRACKING)->len), &m, &r));
        cr_expect(eq(str, (char *)err_name(r.error), (char *)err_name(rows[i].reason)), "row %zu", i);
        cr_expect(eq(u64, r.number, i + 1));
        cr_expect(eq(int, r.state, rows[i].state), "row %zu", i);
        cr_expect(i != 1 || r.state_ms == state_ms);
        state_ms = r.state_ms;
    }
}

Test(vos_keys, what_a_vehicle_says_of_its_keys_kts_and_dos_hear)
{
    enum err error;
    status(KEY_TERMINATED, KEY_BY_DEVICE, 0, ERR_OK);
    struct manage_ask kts = asked(KTS), dos = asked(DOS);
    cr_expect(kts.event && kts.cause == KEY_BY_DEVICE && dos.event && dos.cause == KEY_BY_DEVICE);
    cr_expect(eq(uint, due(), 6));
    cr_expect(not(is_paired()));
    answer(KTS, &kts, ERR_OK, (struct span){NULL, 0});
    answer(DOS, &dos, ERR_OK, (struct span){NULL, 0});
    cr_expect(eq(uint, due(), 0));
    status(KEY_TERMINATED, KEY_IN_CAR, 0, ERR_OK);
    cr_expect(eq(int, server_said(&s, &error), RIG_ACK), "acknowledged again, and nobody is told again");
    EXPECT_ERR(error, ERR_OK);
}

Test(vos_keys, a_key_that_the_vehicle_does_not_have_has_ended)
{
    EXPECT_ERR(manage(KEY_SUSPEND), ERR_OK);
    status(KEY_STATE_NONE, 0, asked(KTS).issued_ms, ERR_DK_UNKNOWN_KEY);
    cr_expect(eq(uint, due(), 6));
    cr_expect(eq(int, asked(KTS).action, KEY_TERMINATE));
    cr_expect(not(is_paired()));
}

Test(vos_keys, what_is_no_status_is_refused)
{
    static const struct {
        enum key_state state;
        int cause;
        enum err error;
    } rows[] = {{KEY_STATES, 1, 0},
                {KEY_TERMINATED, 0, 0},
                {KEY_TERMINATED, KEY_BY_DEVICE_OEM, 0},
                {KEY_TERMINATED, KEY_CAUSES, 0},
                {KEY_STATE_NONE, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        status(rows[i].state, (enum key_cause)rows[i].cause, 0, rows[i].error);
        cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_MALFORMED), i + 1), "row %zu", i);
        cr_expect(eq(sz, s.b.sent_count, 0), "row %zu", i);
    }
    cr_expect(is_paired());
}

Test(vos_keys, with_the_identity_all_keys_end)
{
    server_call(&s, "renew-vehicle-identity");
    cr_expect(eq(uint, due(), 6), "the renewal tells the vehicle");
    cr_expect(asked(KTS).event && asked(KTS).cause == KEY_OWNER_CHANGE);
    cr_expect(asked(DOS).event && asked(DOS).cause == KEY_OWNER_CHANGE);
}

Test(vos_keys, of_a_key_that_was_never_tracked_only_the_vehicle_is_told)
{
    memset(key_id, 0x33, sizeof key_id);
    server_pass(&s, 0x33);
    EXPECT_ERR(manage(KEY_SUSPEND), ERR_OK);
    cr_expect(eq(uint, due(), 1));
    cr_expect(eq(u64, asked(KTS).number, 0));
    cr_expect(eq(u64, asked(DOS).number, 0));
}
