/* The server with tables of other ECUs: the longest answer, levels side by side, what an owner refuses. */
#include "tests/check.h"
#include "tests/uds_rows.h"

static struct uds_ecu_bench bench;

static struct crypto *own_crypto(void)
{
    return bench.crypto ? bench.crypto : crypto_new(NULL);
}

static struct uds_ecu_bench *begin(enum uds_row_state state)
{
    uds_ecu_open(&bench, own_crypto());
    uds_row_begin(&bench, state);
    return &bench;
}

static void steps(struct uds_ecu_bench *b, const char *text)
{
    char why[UDS_ROW_WHY];
    cr_expect(uds_row_steps(b, text, why), "%s", why);
}

static void receive(struct uds_ecu_bench *b, const char *hex)
{
    HEX(pdu, hex);
    uds_server_receive(&b->server, UDS_PHYSICAL, span_of(pdu, pdu_len), b->now_us);
}

static void take(struct uds_ecu_bench *b, const char *hex)
{
    struct span pdu;
    cr_assert(uds_server_take(&b->server, &pdu), "%s", hex);
    expect_hex(pdu, hex, "answer");
    cr_expect(not(uds_server_take(&b->server, &pdu)));
    uds_server_sent(&b->server, b->now_us);
}

/* ---- limits ---- */

#define LIMIT_DID 0x0777
static size_t limit_len;

static enum uds_nrc read_limit(void *ctx, const struct uds_did *did, struct wr *out)
{
    (void)ctx;
    (void)did;
    for (size_t i = 0; i < limit_len; i++)
        wr_u8(out, 0x55);
    return UDS_OK;
}

static enum uds_nrc run_limit(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    (void)call;
    return read_limit(ctx, NULL, out);
}

static const struct uds_did limit_did = {
    LIMIT_DID, 0, UDS_ANSWER_MAX + 1, {{UDS_FREE_IN(UDS_IN_ALL)}}, .read_value = read_limit};
static const struct uds_routine limit_routine = {
    LIMIT_DID, {{UDS_FREE_IN(UDS_IN_ALL)}}, {{.offered = true}}, true, run_limit};

static struct uds_ecu_bench *begin_limits(void)
{
    static struct uds_ecu table;
    uds_ecu_open(&bench, own_crypto());
    table = uds_ecu_spaak;
    table.dids = &limit_did;
    table.routines = &limit_routine;
    table.did_count = table.routine_count = 1;
    bench.table = &table;
    uds_row_begin(&bench, UDS_ROW_EXTENDED);
    return &bench;
}

Test(uds_tables, longest_answer)
{
    struct uds_ecu_bench *b = begin_limits();
    static const struct {
        const char *request;
        size_t len; /* of what the handler writes, when the answer is the longest */
    } answers[] = {{"220777", UDS_ANSWER_MAX - 3}, {"31010777", UDS_ANSWER_MAX - 4}};
    for (size_t i = 0; i < 2; i++) {
        limit_len = answers[i].len;
        receive(b, answers[i].request);
        struct span pdu;
        cr_assert(uds_server_take(&b->server, &pdu));
        cr_expect(eq(sz, pdu.len, UDS_ANSWER_MAX));
        uds_server_sent(&b->server, b->now_us);
        unsigned commits = b->commits;
        limit_len++;
        receive(b, answers[i].request);
        take(b, i ? "7f3114" : "7f2214");
        cr_expect(eq(uint, b->commits, commits), "what cannot be answered is not kept");
    }
}

Test(uds_tables, bytes_that_come_later_and_do_not_fit)
{
    static uint8_t info[UDS_ANSWER_MAX];
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    receive(b, "31010310");
    EXPECT_OK(
        uds_server_done(&b->server, b->work.ticket, UDS_OK, span_of(info, UDS_ANSWER_MAX - 3), b->now_us));
    take(b, "7f3114");
}

/* ---- tables of other ECUs ---- */

static const struct uds_subfunction any_level[] = {{0x01, {UDS_FREE_IN(UDS_IN_ALL)}},
                                                   {0x02, {UDS_FREE_IN(UDS_IN_ALL)}},
                                                   {0x61, {UDS_FREE_IN(UDS_IN_ALL)}},
                                                   {0x62, {UDS_FREE_IN(UDS_IN_ALL)}}};
static const struct uds_subfunction locked_zero[] = {{0x00, {UDS_LOCKED_IN(UDS_IN_ALL, 0x01)}}};
static const struct uds_service other_services[] = {
    {UDS_SID_SECURITY_ACCESS, {UDS_FREE_IN(UDS_IN_ALL)}, UDS_SUBFUNCTIONS(any_level)},
    {.sid = UDS_SID_READ_DATA, .access = {UDS_LOCKED_IN(UDS_IN_ALL, 0x61)}, .physical_only = true},
    {UDS_SID_TESTER_PRESENT, {UDS_FREE_IN(UDS_IN_ALL)}, UDS_SUBFUNCTIONS(locked_zero)},
};

static struct uds_ecu other;

static struct uds_ecu_bench *begin_other(void)
{
    uds_ecu_open(&bench, own_crypto());
    other = uds_ecu_spaak;
    other.services = other_services;
    other.service_count = sizeof other_services / sizeof other_services[0];
    bench.table = &other;
    return &bench;
}

Test(uds_tables, one_level_at_a_time)
{
    struct uds_ecu_bench *b = begin_other();
    uds_row_begin(b, UDS_ROW_DEFAULT);
    steps(b, "P 2701 > 6701 S; P 2702 K > 6702; P 3E00 > 7E00; P 22F186 > 7F2233; F 22F186 > -");
    steps(b, "P 2761 > 6761 S; P 2701 > 6701 Z; P 2762 BAD > 7F2724; P 3E00 > 7E00");
    steps(b, "P 2761 > 6761 S; P 2762 K > 6762; P 22F186 > 62F18601; P 3E00 > 7F3E33");
    steps(b, "P 2701 > 6701 S");
}

static bool no_key(void *ctx, uint8_t level, uint8_t k[UDS_SECRET])
{
    (void)ctx;
    (void)level;
    (void)k;
    return false;
}

Test(uds_tables, a_level_without_its_secret)
{
    static const struct uds_level keyless[] = {{0x01, 3, 10000, no_key}, {0x61, 3, 10000, no_key}};
    struct uds_ecu_bench *b = begin_other();
    other.levels = keyless;
    uds_row_begin(b, UDS_ROW_DEFAULT);
    steps(b, "P 2701 > 7F2722; P 270200000000000000000000000000000000 > 7F2724");
}

static enum uds_nrc not_now(void *ctx)
{
    (void)ctx;
    return UDS_NRC_CONDITIONS;
}

static enum uds_nrc not_while_driving(void *ctx, enum uds_reset kind)
{
    (void)ctx;
    return kind == UDS_RESET_HARD ? UDS_NRC_CONDITIONS : UDS_OK;
}

static enum uds_nrc never_deaf(void *ctx, enum uds_communication wanted, uint8_t types)
{
    (void)ctx;
    return wanted == UDS_COMM_OFF && types == 3 ? UDS_NRC_CONDITIONS : UDS_OK;
}

Test(uds_tables, what_the_owner_refuses)
{
    static struct uds_ecu table;
    uds_ecu_open(&bench, own_crypto());
    table = uds_ecu_spaak;
    table.may_clear = not_now;
    table.may_reset = not_while_driving;
    table.may_change_communication = never_deaf;
    bench.table = &table;
    uds_row_begin(&bench, UDS_ROW_EXTENDED);
    steps(&bench,
          "P 14FFFFFF > 7F1422; P 14123456 > 7F1431; P 1101 > 7F1122; P 280303 > 7F2822; P 280301 > 6803");
    cr_expect(eq(u8, bench.server.tx_off, 1));
    steps(&bench, "P 1103 > 5103");
}
