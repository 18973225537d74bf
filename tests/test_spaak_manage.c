/* The server's words about keys at the SpaaK Module: which it obeys, what it opens then, what it tells the
 * VOS until that has acknowledged. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "ecu/spaak/manage.h"
#include "tests/check.h"
#include "tests/unlock_bench.h"

#define SERIAL "SPAAK00000001"

static struct unlock_bench *u;
static const uint8_t *key_id;
static uint8_t other_id[ENDPOINT_KEY_ID];

static struct spaak *module(void)
{
    return u->b.node.self;
}

static void begin(void)
{
    u = unlock_bench_new(true);
    unlock_bench_start(u);
    unlock_forget(u);
    key_id = u->rig->store.key.key_id;
    memset(other_id, 0x77, sizeof other_id);
}

static void finish(void)
{
    unlock_bench_free(u);
}

TestSuite(spaak_manage, .init = begin, .fini = finish);

static int64_t now_ms(void)
{
    return u->b.wall_ms + (int64_t)(u->b.now_us / 1000);
}

/* The VOS says something. */
static void hear(struct msg_header h, struct span body)
{
    const struct oem_identity *vos = &test_oem(TEST_NOW_S)->roles[OEM_VOS];
    uint8_t out[MSG_MAX];
    size_t len;
    text_copy(h.ecu_serial, sizeof h.ecu_serial, SERIAL);
    h.issued_at_ms = now_ms();
    ASSERT_OK(
        msg_seal(test_crypto(), MSG_RESPONSE, &h, body, vos->key, span_of(vos->der, vos->len), out, &len));
    messages_on_bytes(module(), SPAAK_VOS, span_of(out, len));
}

static void say(const uint8_t *id, enum key_action action, int64_t issued_ms)
{
    uint8_t body[64], copy[ENDPOINT_KEY_ID];
    Spaak__V1__KeyManage m = SPAAK__V1__KEY_MANAGE__INIT;
    memcpy(copy, id, sizeof copy);
    m.key_id = (ProtobufCBinaryData){sizeof copy, copy};
    m.action = (Spaak__V1__KeyManage__Action)action;
    m.issued_ms = issued_ms;
    hear((struct msg_header){.use_case = SPAAK__V1__USE_CASE__USE_CASE_KM_01,
                             .type = SPAAK__V1__MESSAGE_TYPE__KEY_MANAGE},
         span_of(body, spaak__v1__key_manage__pack(&m, body)));
}

static void acknowledge(void)
{
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_KM_02,
                           .type = SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK,
                           .sequence = module()->manage.requester.sequence};
    memcpy(h.correlation, module()->manage.requester.correlation, MSG_UUID);
    hear(h, (struct span){NULL, 0});
}

static int state(void)
{
    return (int)unlock_record(u).state;
}

/* Of the report that waits: state, cause, error, or -1. */
static int report(const uint8_t *id, int field)
{
    char name[ENV_KEY_MAX] = SPAAK_REPORT_PREFIX;
    uint8_t r[SPAAK_KEY_REPORT];
    size_t len;
    hex_encode(id, ENDPOINT_KEY_ID, name + strlen(name));
    if (store_get(u->b.node.store, name, r, sizeof r, &len))
        return -1;
    return field < 2 ? r[field] : r[10] << 8 | r[11];
}

static size_t sent(void)
{
    size_t n = 0;
    for (size_t i = 0; i < u->b.trace_count; i++)
        n += u->b.trace[i].kind == TRACE_SEND && strcmp(u->b.trace[i].message, "KeyStatus") == 0;
    return n;
}

Test(spaak_manage, of_two_words_the_later_holds_and_an_end_for_good)
{
    static const struct {
        enum key_action action;
        int at_s;
        enum err reason;
        enum vehicle_key_state then;
    } rows[] = {{KEY_SUSPEND, 10, ERR_OK, VEHICLE_KEY_SUSPENDED},
                {KEY_SUSPEND, 10, ERR_OK, VEHICLE_KEY_SUSPENDED},
                {KEY_RESUME, 10, ERR_MSG_STALE, VEHICLE_KEY_SUSPENDED},
                {KEY_RESUME, 9, ERR_MSG_STALE, VEHICLE_KEY_SUSPENDED},
                {KEY_RESUME, 12, ERR_OK, VEHICLE_KEY_ACTIVE},
                {KEY_SUSPEND, 10, ERR_MSG_STALE, VEHICLE_KEY_ACTIVE},
                {KEY_SUSPEND, 400, ERR_MSG_STALE, VEHICLE_KEY_ACTIVE},
                {KEY_RESUME, 12, ERR_OK, VEHICLE_KEY_ACTIVE},
                {(enum key_action)0, 13, ERR_MSG_MALFORMED, VEHICLE_KEY_ACTIVE},
                {KEY_ACTIONS, 13, ERR_MSG_MALFORMED, VEHICLE_KEY_ACTIVE},
                {KEY_TERMINATE, 11, ERR_OK, VEHICLE_KEY_TERMINATED},
                {KEY_RESUME, 20, ERR_OK, VEHICLE_KEY_TERMINATED}};
    const int64_t base_ms = now_ms();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t before = bench_count(&u->b, TRACE_REJECT, rows[i].reason);
        say(key_id, rows[i].action, base_ms + rows[i].at_s * 1000);
        if (rows[i].reason)
            cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, rows[i].reason), before + 1), "row %zu", i);
        cr_expect(eq(int, state(), rows[i].then), "row %zu", i);
        if (i % 3 == 0)
            unlock_bench_restart(u);
    }
    cr_expect(eq(int, report(key_id, 0), KEY_TERMINATED));
    cr_expect(eq(int, report(key_id, 1), KEY_BY_SERVER));
}

Test(spaak_manage, a_suspended_key_opens_nothing_and_a_resumed_one_does)
{
    say(key_id, KEY_SUSPEND, now_ms());
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(le(sz, 1, bench_count(&u->b, TRACE_REJECT, ERR_DK_SUSPENDED)));
    unlock_lay(u, -1);
    say(key_id, KEY_RESUME, now_ms() + 1000);
    unlock_pass(u, 1500);
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 1));
}

Test(spaak_manage, what_the_store_refuses_has_not_been_said)
{
    static const enum key_action actions[] = {KEY_SUSPEND, KEY_TERMINATE};
    for (size_t i = 0; i < 2; i++) {
        u->refuse_at = 1;
        say(key_id, actions[i], now_ms() + (int64_t)i * 1000);
        cr_expect(eq(int, state(), VEHICLE_KEY_ACTIVE));
        cr_expect(eq(int, report(key_id, 0), -1));
        cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_STORE_FAILED), i + 1));
    }
    u->refuse_at = 0;
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 1), "it opens still");
}

Test(spaak_manage, a_key_that_is_not_there_is_answered_with_a_reason)
{
    for (int i = 0; i < 20; i++) {
        other_id[0] = (uint8_t)i;
        say(other_id, KEY_SUSPEND, now_ms());
        cr_expect(eq(int, report(other_id, 0), i < 16 ? KEY_STATE_NONE : -1), "%d", i);
        cr_expect(i >= 16 || report(other_id, 2) == ERR_DK_UNKNOWN_KEY);
    }
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_BUSY), 4), "so many wait, and no more");
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(int, report(key_id, 0), KEY_TERMINATED), "an end always has a place");
}

Test(spaak_manage, a_pending_key_is_not_touched)
{
    module()->keys.list[0].state = VEHICLE_KEY_PENDING;
    say(key_id, KEY_SUSPEND, now_ms());
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_BUSY), 1), "it is said again");
    cr_expect(eq(int, report(key_id, 0), -1));
}

Test(spaak_manage, it_tells_until_the_vos_has_acknowledged)
{
    cr_expect(eq(sz, sent(), 0));
    say(key_id, KEY_SUSPEND, now_ms());
    unlock_pass(u, 100);
    cr_expect(eq(sz, sent(), 0), "the TBM is not there");
    spaak_set_tbm_ready(module(), true);
    unlock_pass(u, 100);
    cr_expect(eq(sz, sent(), 1));
    say(key_id, KEY_RESUME, now_ms() + 2000); /* while the first is on its way */
    acknowledge();
    cr_expect(eq(int, report(key_id, 0), KEY_ACTIVE), "the newer report is not what was acknowledged");
    unlock_pass(u, 100);
    cr_expect(eq(sz, sent(), 2));
    acknowledge();
    cr_expect(eq(int, report(key_id, 0), -1));
    acknowledge();
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    unlock_pass(u, 2000);
    cr_expect(eq(sz, sent(), 2));
}

Test(spaak_manage, ends_have_their_cause)
{
    static const struct {
        bool on_phone;
        enum key_cause cause;
    } rows[] = {{true, KEY_BY_DEVICE}, {false, KEY_IN_CAR}};
    for (size_t i = 0; i < 2; i++) {
        if (i)
            begin();
        if (rows[i].on_phone)
            ASSERT_OK(dk_device_terminate(&u->rig->device, &u->rig->applet.keys[0]));
        else
            unlock_wish(u, CABIN_DELETE_KEY, 1);
        unlock_lay(u, READER_DOOR);
        unlock_pass(u, 3000);
        cr_expect(eq(int, state(), 0), "both have deleted it");
        cr_expect(eq(int, report(key_id, 0), KEY_TERMINATED));
        cr_expect(eq(int, report(key_id, 1), rows[i].cause), "row %zu", i);
        if (!i)
            finish();
    }
}
