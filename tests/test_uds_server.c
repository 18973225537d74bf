/* The server beside its rows: silence, time, its queue, what arrives in pieces, what a session takes along.
 */
#include "tests/check.h"
#include "tests/uds_rows.h"

#define MS 1000ull

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

/* ---- silence and answers, as rows ---- */

static const struct {
    const char *name;
    enum uds_row_state state;
    const char *steps;
} rows[] = {
    {"functional: what one ECU lacks is not told", UDS_ROW_DEFAULT,
     "F BA > -; F 3E01 > -; F 221234 > -; F 2701 > -; F 31010301 > -"},
    {"functional: a subfunction of another session is not told", UDS_ROW_EXTENDED,
     "F 2761 > -; P 2761 > 7F277E"},
    {"functional: every other refusal is told", UDS_ROW_EXTENDED,
     "F 22F1 > 7F2213; F 2E02300078 > 7F2E33; F 270200000000000000000000000000000000 > 7F2724"},
    {"functional with bit 7: no positive answer, and it is done", UDS_ROW_DEFAULT,
     "F 1083 > -; P 22F186 > 62F18603; F 8582 > -; F 288301 > -; F 2781 > -; P 2702 K > *"},
    {"bit 7 holds back no refusal", UDS_ROW_DEFAULT, "P 3E8000 > 7F3E13; P 1082 > 7F1012; P 2781 > 7F277F"},
    {"the answer's subfunction is without bit 7", UDS_ROW_PLANT_OPEN, "P 31810301 > 7F3178,7101030100"},
    {"bit 7 of data is data", UDS_ROW_DEFAULT, "P 228186 > 7F2231; P 148A0051 > 7F1431"},
    {"no answer to an answer, nor to nothing", UDS_ROW_DEFAULT,
     "P 40 > -; P 7F > -; P C1 > -; P FFFFFF > -; P  > -"},
    {"after a reset it is deaf, and then new", UDS_ROW_WORKSHOP,
     "P 1101 > 5101; wait 59; P 22F186 > -; wait 200; P 22F186 > -; wait 1; P 22F186 > 62F18601"},
    {"a reset whose answer is held back", UDS_ROW_EXTENDED,
     "P 1183 > -; P 3E00 > -; wait 260; P 22F186 > 62F18601"},
    {"a locked level gives two seeds, the first is void", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2702 K > 7F2724"},
    {"a seed of one level opens no other", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 1060 > *; P 2762 K > 7F2724; P 2761 > 6761 S; P 2762 K > 6762"},
    {"the delay goes on in another session", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; "
     "P 2702 BAD > 7F2736; P 1003 > *; P 2701 > 7F2737; P 1060 > *; P 2761 > 6761 S"},
    {"one more try for each delay", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; "
     "P 2702 BAD > 7F2736; wait 10000; P 1003 > *; P 2701 > 6701 S; P 2702 BAD > 7F2736; P 2701 > 7F2737; "
     "wait 10000; P 1003 > *; P 2701 > 6701 S; P 2702 K > 6702; P 2701 > 6701 Z"},
    {"a right key clears the count", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; "
     "P 2702 K > 6702; P 1003 > *; P 2701 > 6701 S; P 2702 BAD > 7F2735; P 2701 > 6701 S; P 2702 BAD > "
     "7F2735"},
    {"three full delays after a start with a wrong key", UDS_ROW_EXTENDED,
     "P 2701 > 6701 S; P 2702 BAD > 7F2735; cut; wait 10199; P 1003 > *; P 2701 > 7F2737; wait 1; P 2701 > "
     "6701 S"},
    {"85 02 ends with its session", UDS_ROW_EXTENDED, "P 8502 > C502; wait 5000; P 22F186 > 62F18601"},
    {"the same identifier is locked for one and free for another", UDS_ROW_PLANT_OPEN,
     "P 2EF19031535041414B3030303030303030303033 > 6EF190; P 1003 > *; "
     "P 2EF19031535041414B3030303030303030303034 > 7F2E33; "
     "P 22F190 > 62F19031535041414B3030303030303030303033"},
    {"a routine's session ends with it", UDS_ROW_LOCKED_OPEN,
     "P 31010301 > *,*; P 3101030430AA > 7101030400; P 31010305444F4E45 > 7101030500; P 22F186 > 62F18601; "
     "P 1060 > 7F1022; P 220200 > 62020003"},
    {"one DID of the plant among public ones", UDS_ROW_DEFAULT, "P 220218F186 > 62F18601; P 220218 > 7F2231"},
};

Test(uds_server, rows)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[UDS_ROW_WHY];
        uds_ecu_open(&bench, own_crypto());
        cr_expect(uds_row_play(&bench, rows[i].state, rows[i].steps, why), "%s: %s", rows[i].name, why);
    }
}

/* ---- time ---- */

static void expect_answer(struct uds_ecu_bench *b, uint64_t from_us, double ms, const char *hex)
{
    const struct uds_ecu_answer *a = uds_ecu_answer(b);
    cr_assert(ne(ptr, (void *)a, NULL), "%s did not come", hex);
    expect_hex(span_of(a->bytes, a->len), hex, "answer");
    EXPECT_WITHIN_MS(a->at_us - from_us, ms, 0, hex);
}

Test(uds_server, pending_is_said_at_40_ms_and_each_4500)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    uint64_t from_us = b->now_us;
    steps(b, "B 31010310; wait 0");
    uds_ecu_run_until(b, from_us + 12000 * MS);
    expect_answer(b, from_us, 40, "7f3178");
    expect_answer(b, from_us, 4540, "7f3178");
    expect_answer(b, from_us, 9040, "7f3178");
    expect_answer(b, from_us, 11000, "7101031000");
}

Test(uds_server, pending_ends_after_30_s)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    uint64_t from_us = b->now_us;
    uint8_t good = 0;
    steps(b, "B 31010310; wait 0");
    uint32_t ticket = b->work.ticket;
    b->work.routine = 0; /* it never ends */
    uds_ecu_run_until(b, from_us + 31000 * MS);
    for (int i = 0; i < 7; i++)
        expect_answer(b, from_us, 40 + 4500 * i, "7f3178");
    expect_answer(b, from_us, 30000, "7f3110");
    cr_expect(eq(ptr, (void *)uds_ecu_answer(b), NULL));
    EXPECT_ERR(uds_server_done(&b->server, ticket, UDS_OK, span_of(&good, 1), b->now_us), ERR_NOT_FOUND);
    steps(b, "B 31010310; wait 30 > -"); /* another one is under way: the old ticket is not its own */
    EXPECT_ERR(uds_server_done(&b->server, ticket, UDS_OK, span_of(&good, 1), b->now_us), ERR_NOT_FOUND);
    steps(b, "wait 5000 > 7F3178,7F3178");
}

Test(uds_server, done_before_the_first_78)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    steps(b, "B 31010310; wait 39");
    b->work.due_us = b->now_us;
    steps(b, "wait 0 > 7101031000; wait 5000; P 22F186 > 62F18601");
}

Test(uds_server, done_with_a_refusal)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    steps(b, "B 31810310; wait 100 > 7F3178");
    b->work.routine = 0;
    EXPECT_OK(uds_server_done(&b->server, b->work.ticket, UDS_NRC_CONDITIONS, span_of("x", 1), b->now_us));
    struct span pdu;
    cr_assert(uds_server_take(&b->server, &pdu));
    expect_hex(pdu, "7f3122", "a refusal carries nothing else");
}

Test(uds_server, s3_stands_still_while_pending)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    uint64_t from_us = b->now_us;
    steps(b, "B 31010310; wait 10999 > *,*,*");
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x03));
    steps(b, "wait 1 > *");
    cr_expect(eq(u64, uds_server_due_us(&b->server), from_us + 16000 * MS));
    uds_ecu_run_until(b, from_us + 16000 * MS - 1);
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x03));
    cr_expect(eq(u8, b->server.level, 0x01));
    uds_ecu_run_until(b, from_us + 16000 * MS);
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x01));
    cr_expect(eq(u8, b->server.level, 0));
    cr_expect(eq(u64, uds_server_due_us(&b->server), UDS_NEVER));
}

Test(uds_server, s3_does_not_run_in_the_default_session)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_DEFAULT);
    steps(b, "P 22F186 > *; P BA > *; P 1081 > -");
    cr_expect(eq(u64, uds_server_due_us(&b->server), UDS_NEVER));
    steps(b, "P 1003 > *; P 1001 > *");
    cr_expect(eq(u64, uds_server_due_us(&b->server), UDS_NEVER));
}

/* A server that nobody ticked in time still acts as if it had been. */
Test(uds_server, late_tick)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    b->now_us += 5000 * MS;
    steps(b, "P 22F186 > 62F18601");
}

Test(uds_server, s3_stands_still_while_a_request_arrives)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    steps(b, "wait 4999");
    uds_server_arrival_begins(&b->server, UDS_PHYSICAL, b->now_us);
    cr_expect(eq(u64, uds_server_due_us(&b->server), UDS_NEVER));
    steps(b, "wait 900; F 3E80 > -; wait 5500"); /* what else comes meanwhile does not end it */
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x03));
    steps(b, "P 22F186 > 62F18603; wait 4999; P 22F186 > 62F18603; wait 5000; P 22F186 > 62F18601");
}

Test(uds_server, a_request_that_does_not_come_to_its_end)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    steps(b, "wait 4000");
    uds_server_arrival_begins(&b->server, UDS_PHYSICAL, b->now_us);
    steps(b, "wait 900");
    uds_server_arrival_failed(&b->server, UDS_PHYSICAL, b->now_us);
    cr_expect(eq(u64, uds_server_due_us(&b->server), b->now_us + 100 * MS));
    steps(b, "wait 50");
    uds_server_arrival_begins(&b->server, UDS_FUNCTIONAL, b->now_us);
    steps(b, "wait 900");
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x03));
    uds_server_arrival_failed(&b->server, UDS_FUNCTIONAL, b->now_us);
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x01));
}

/* ---- answers that leave slowly ---- */

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

Test(uds_server, s3_begins_when_the_answer_has_left)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_EXTENDED);
    struct span pdu;
    receive(b, "22F186");
    cr_assert(uds_server_take(&b->server, &pdu));
    b->now_us += 7000 * MS;
    uds_server_tick(&b->server, b->now_us);
    cr_expect(eq(u8, uds_server_session_id(&b->server), 0x03));
    receive(b, "22F190"); /* the answer is still leaving */
    receive(b, "3E80");
    expect_hex(pdu, "62f18603", "it stays as it is");
    uds_server_sent(&b->server, b->now_us);
    cr_expect(eq(u64, uds_server_due_us(&b->server), b->now_us + 5000 * MS));
    take(b, "7f2221");
    receive(b, "22F186");
    take(b, "62f18603");
}

Test(uds_server, the_queue_keeps_room_for_the_final_answer)
{
    struct uds_ecu_bench *b = begin(UDS_ROW_WORKSHOP);
    struct span pdu;
    receive(b, "31010310");
    for (int i = 0; i < 20; i++)
        receive(b, "22F186");
    for (int i = 0; i < 11; i++) {
        b->now_us += 1000 * MS;
        uds_server_tick(&b->server, b->now_us);
    }
    EXPECT_OK(uds_server_done(&b->server, b->work.ticket, UDS_OK, span_of("\0", 1), b->now_us));
    for (int i = 0; i < UDS_QUEUE - 2; i++)
        take(b, "7f2221");
    take(b, "7f3178");
    take(b, "7101031000");
    cr_expect(not(uds_server_take(&b->server, &pdu)));
}

/* ---- what a session takes along ---- */

Test(uds_server, communication_and_dtc_setting)
{
    static const struct {
        const char *steps;
        uint8_t rx_off, tx_off;
        bool dtcs_off;
    } moves[] = {
        {"P 280301 > *; P 8502 > *", 1, 1, true},
        {"P 280302 > *", 3, 3, true},
        {"P 280001 > *", 2, 2, true},
        {"P 1003 > *", 2, 2, true},
        {"P 1060 > *", 2, 2, true},
        {"P 8501 > *", 2, 2, false},
        {"P 8502 > *; P 1001 > *", 0, 0, false},
        {"P 1003 > *; P 280303 > *; P 8502 > *", 3, 3, true},
        {"wait 5000", 0, 0, false},
    };
    struct uds_ecu_bench *b = begin(UDS_ROW_EXTENDED);
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        steps(b, moves[i].steps);
        cr_expect(eq(u8, b->server.rx_off, moves[i].rx_off), "%s", moves[i].steps);
        cr_expect(eq(u8, b->server.tx_off, moves[i].tx_off), "%s", moves[i].steps);
        cr_expect(eq(int, b->server.dtcs_off, moves[i].dtcs_off), "%s", moves[i].steps);
    }
}
