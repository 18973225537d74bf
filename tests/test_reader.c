/* lib/msg/reader: bytes of every message both ways, what is refused, and the channel between both ends. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/msg/reader_channel.h"
#include "tests/check.h"
#include "tests/support.h"

#define SELECT_9 "00A4040004AABBCCDD"
#define BYTES_100                                                                                          \
    "5555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555" \
    "5555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555"

static struct span bytes_of(const char *hex, uint8_t out[400])
{
    long n = hex_decode(hex, strlen(hex), out, 400);
    cr_assert(n >= 0, "%s", hex);
    return span_of(out, (size_t)n);
}

/* ---- commands ---- */

static const struct {
    const char *pdu;
    enum reader_type type;
    unsigned number, gap_ms;
    const char *apdu;
} commands[] = {
    {"0100" SELECT_9, READER_POLL, 0, 0, SELECT_9},
    {"02FF80CA0000", READER_APDU, 255, 0, "80CA0000"},
    {"027F" BYTES_100 BYTES_100
     "0000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000",
     READER_APDU, 127, 0,
     BYTES_100 BYTES_100 "0000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                         "0000000000000000000000000000000000000000"},
    {"03070032" SELECT_9, READER_REPOLL, 7, 50, SELECT_9},
    {"03070001" SELECT_9, READER_REPOLL, 7, 1, SELECT_9},
    {"03072710" SELECT_9, READER_REPOLL, 7, 10000, SELECT_9},
    {"0409", READER_OFF, 9, 0, ""},
};

Test(reader, commands_to_the_byte)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        uint8_t pdu[400], apdu[400], back[READER_PDU_MAX], number = 0xEE;
        struct span in = bytes_of(commands[i].pdu, pdu), inside = bytes_of(commands[i].apdu, apdu);
        struct reader_command c = {0};
        struct wr w = wr_of(back, sizeof back);
        EXPECT_ERR(reader_command_parse(in, &c, &number), ERR_OK);
        cr_expect(eq(int, c.type, commands[i].type), "row %zu", i);
        cr_expect(eq(uint, c.number, commands[i].number), "row %zu", i);
        cr_expect(eq(uint, number, commands[i].number), "row %zu", i);
        cr_expect(eq(uint, c.gap_ms, commands[i].gap_ms), "row %zu", i);
        cr_expect(span_equal(c.apdu, inside), "row %zu", i);
        reader_command_put(&w, &c);
        cr_expect(span_equal(span_of(back, w.len), in) && !w.failed, "row %zu: and back", i);
        struct reader_report r;
        EXPECT_ERR(reader_report_parse(in, &r), ERR_MSG_WRONG_DIRECTION);
    }
}

static const struct {
    const char *pdu;
    enum err reason;
    unsigned number;
} wrong_commands[] = {
    {"", ERR_TRUNCATED, 0},
    {"01", ERR_TRUNCATED, 0},
    {"0105", ERR_TRUNCATED, 5},
    {"010500A404", ERR_TRUNCATED, 5},
    {"020500A404", ERR_TRUNCATED, 5},
    {"0305", ERR_TRUNCATED, 5},
    {"030500", ERR_TRUNCATED, 5},
    {"0305003200A404", ERR_TRUNCATED, 5},
    {"03050000" SELECT_9, ERR_BAD_ARGUMENT, 5},
    {"03052711" SELECT_9, ERR_BAD_ARGUMENT, 5},
    {"040500", ERR_TRAILING_BYTES, 5},
    {"0005", ERR_MSG_MALFORMED, 5},
    {"0505", ERR_MSG_MALFORMED, 5},
    {"8005", ERR_MSG_MALFORMED, 5},
    {"8605", ERR_MSG_MALFORMED, 5},
    {"FF05", ERR_MSG_MALFORMED, 5},
    {"84FE", ERR_MSG_WRONG_DIRECTION, 254},
};

Test(reader, wrong_commands)
{
    for (size_t i = 0; i < sizeof wrong_commands / sizeof wrong_commands[0]; i++) {
        uint8_t pdu[400], number = 0xEE;
        struct reader_command c = {.number = 0x77};
        cr_expect(eq(int, reader_command_parse(bytes_of(wrong_commands[i].pdu, pdu), &c, &number),
                     wrong_commands[i].reason),
                  "%s", wrong_commands[i].pdu);
        cr_expect(eq(uint, number, wrong_commands[i].number), "%s: for the refusal", wrong_commands[i].pdu);
        cr_expect(eq(u8, c.number, 0x77), "%s: nothing is written", wrong_commands[i].pdu);
    }
}

/* ---- reports ---- */

static const struct {
    const char *pdu;
    enum reader_type type;
    unsigned number;
    enum reader_loss loss;
    enum err reason;
    const char *apdu;
} reports[] = {
    {"81015A0201009000", READER_SELECTED, 1, 0, 0, "5A0201009000"},
    {"82806985", READER_RESPONSE, 128, 0, 0, "6985"},
    {"830201", READER_LOST, 2, READER_LOST_LIFTED, 0, ""},
    {"830202", READER_LOST, 2, READER_LOST_MUTE, 0, ""},
    {"830203", READER_LOST, 2, READER_LOST_SECOND, 0, ""},
    {"830204", READER_LOST, 2, READER_LOST_FAILED, 0, ""},
    {"8403", READER_DONE, 3, 0, 0, ""},
    {"85040008", READER_REFUSED, 4, 0, ERR_BUSY, ""},
    {"850401F4", READER_REFUSED, 4, 0, ERR_LINK_DOWN, ""},
    {"8504FFFF", READER_REFUSED, 4, 0, (enum err)0xFFFF, ""},
};

Test(reader, reports_to_the_byte)
{
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        uint8_t pdu[400], apdu[400], back[READER_PDU_MAX];
        struct span in = bytes_of(reports[i].pdu, pdu), inside = bytes_of(reports[i].apdu, apdu);
        struct reader_report r = {0};
        struct wr w = wr_of(back, sizeof back);
        EXPECT_ERR(reader_report_parse(in, &r), ERR_OK);
        cr_expect(eq(int, r.type, reports[i].type), "row %zu", i);
        cr_expect(eq(uint, r.number, reports[i].number), "row %zu", i);
        cr_expect(eq(int, r.loss, reports[i].loss), "row %zu", i);
        cr_expect(eq(int, r.reason, reports[i].reason), "row %zu", i);
        cr_expect(span_equal(r.apdu, inside), "row %zu", i);
        reader_report_put(&w, &r);
        cr_expect(span_equal(span_of(back, w.len), in) && !w.failed, "row %zu: and back", i);
        struct reader_command c;
        EXPECT_ERR(reader_command_parse(in, &c, NULL), ERR_MSG_WRONG_DIRECTION);
    }
}

static const struct {
    const char *pdu;
    enum err reason;
} wrong_reports[] = {
    {"", ERR_TRUNCATED},
    {"81", ERR_TRUNCATED},
    {"810190", ERR_TRUNCATED},
    {"8201", ERR_TRUNCATED},
    {"8301", ERR_TRUNCATED},
    {"830100", ERR_BAD_ARGUMENT},
    {"830105", ERR_BAD_ARGUMENT},
    {"8301FF", ERR_BAD_ARGUMENT},
    {"83010101", ERR_TRAILING_BYTES},
    {"840100", ERR_TRAILING_BYTES},
    {"8501", ERR_TRUNCATED},
    {"850100", ERR_TRUNCATED},
    {"85010000", ERR_BAD_ARGUMENT},
    {"8501000800", ERR_TRAILING_BYTES},
    {"8601", ERR_MSG_MALFORMED},
    {"0101" SELECT_9, ERR_MSG_WRONG_DIRECTION},
};

Test(reader, wrong_reports)
{
    for (size_t i = 0; i < sizeof wrong_reports / sizeof wrong_reports[0]; i++) {
        uint8_t pdu[400];
        struct reader_report r = {.number = 0x77};
        cr_expect(
            eq(int, reader_report_parse(bytes_of(wrong_reports[i].pdu, pdu), &r), wrong_reports[i].reason),
            "%s", wrong_reports[i].pdu);
        cr_expect(eq(u8, r.number, 0x77), "%s: nothing is written", wrong_reports[i].pdu);
    }
}

/* The longest that an APDU may be passes, one byte more does not. */
Test(reader, lengths_of_apdus)
{
    static uint8_t pdu[400];
    struct reader_command c;
    struct reader_report r;
    pdu[0] = READER_APDU;
    EXPECT_ERR(reader_command_parse(span_of(pdu, 2 + APDU_COMMAND_MAX), &c, NULL), ERR_OK);
    EXPECT_ERR(reader_command_parse(span_of(pdu, 3 + APDU_COMMAND_MAX), &c, NULL), ERR_MSG_TOO_LONG);
    pdu[0] = READER_REPOLL;
    pdu[3] = 1;
    EXPECT_ERR(reader_command_parse(span_of(pdu, READER_PDU_MAX), &c, NULL), ERR_OK);
    EXPECT_ERR(reader_command_parse(span_of(pdu, READER_PDU_MAX + 1), &c, NULL), ERR_MSG_TOO_LONG);
    pdu[0] = READER_RESPONSE;
    EXPECT_ERR(reader_report_parse(span_of(pdu, 2 + APDU_RESPONSE_MAX), &r), ERR_OK);
    EXPECT_ERR(reader_report_parse(span_of(pdu, 3 + APDU_RESPONSE_MAX), &r), ERR_MSG_TOO_LONG);
}

Test(reader, names_and_rows)
{
    cr_expect(eq(str, (char *)reader_type_name(READER_REPOLL), "REPOLL"));
    cr_expect(eq(str, (char *)reader_type_name(READER_REFUSED), "REFUSED"));
    cr_expect(eq(ptr, (void *)reader_type_name(0x06), NULL));
    cr_expect(eq(str, (char *)reader_loss_name(READER_LOST_SECOND), "second card"));
    cr_expect(eq(str, (char *)reader_loss_name(READER_LOSSES), "?"));
    for (unsigned p = 0; p < READER_PLACES; p++) {
        cr_expect(eq(u32, matrix_row(reader_row_command((enum reader_place)p))->id, 0x6C0 + p));
        cr_expect(eq(u32, matrix_row(reader_row_report((enum reader_place)p))->id, 0x6C8 + p));
        cr_expect(eq(u32, matrix_row(reader_row_status((enum reader_place)p))->id, 0x3B0 + p));
    }
}

/* ---- the channel: two components with an end each ---- */

enum { TIMER_CHANNEL };

struct end {
    struct reader_channel channel;
    enum reader_side side;
    char heard[200]; /* first two bytes and length of each message */
    unsigned failed_in, failed_out;
    enum err reason;
};

static void on_message(void *owner, struct reader_channel *c, struct span pdu)
{
    struct end *e = owner;
    size_t used = strlen(e->heard);
    cr_assert(eq(ptr, c, &e->channel));
    snprintf(e->heard + used, sizeof e->heard - used, "%02X%02X/%zu ", pdu.p[0], pdu.p[1], pdu.len);
}

static void on_failed(void *owner, struct reader_channel *c, bool received, enum err reason)
{
    struct end *e = owner;
    (void)c;
    e->failed_in += received;
    e->failed_out += !received;
    e->reason = reason;
}

static enum err end_init(struct end *e, struct env *env, enum reader_side side)
{
    reader_channel_init(&e->channel, env, 0, TIMER_CHANNEL, READER_DOOR, side);
    e->channel.on_message = on_message;
    e->channel.on_failed = on_failed;
    e->channel.owner = e;
    return ERR_OK;
}

static enum err spaak_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    return end_init(self, env, READER_SIDE_SPAAK);
}

static enum err reader_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    return end_init(self, env, READER_SIDE_READER);
}

static void end_fini(void *self)
{
    reader_channel_fini(&((struct end *)self)->channel);
}

static void end_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    (void)port;
    reader_channel_input(&((struct end *)self)->channel, f);
}

static void end_on_timer(void *self, unsigned timer)
{
    (void)timer;
    reader_channel_timer(&((struct end *)self)->channel);
}

static const struct port_spec ports[] = {{.name = "body", .medium = "can", .segment = SEGMENT_BODY}};
static const struct timer_spec timers[] = {{"channel", false}};

#define END(text, function)                                                                          \
    {                                                                                                \
        .name = text, .size = sizeof(struct end), .ports = ports, .port_count = 1, .timers = timers, \
        .timer_count = 1, .init = function, .fini = end_fini, .on_frame = end_on_frame,              \
        .on_timer = end_on_timer                                                                     \
    }
static const struct component_class classes[] = {END("spaak-end", spaak_init),
                                                 END("reader-end", reader_init)};

struct pair {
    struct bench bench[2];
    struct end *end[2];
    size_t carried[2];
    unsigned lose[2]; /* frames of that end: the first is number 1; 0: none */
};

static struct pair pair;

static void open_pair(void)
{
    memset(&pair, 0, sizeof pair);
    for (int i = 0; i < 2; i++) {
        bench_prepare(&pair.bench[i], &classes[i], test_crypto());
        cr_assert(eq(int, bench_start(&pair.bench[i], &(struct component_args){.serial = "S1"}), ERR_OK));
        pair.end[i] = pair.bench[i].node.self;
    }
}

static void close_pair(void)
{
    for (int i = 0; i < 2; i++)
        bench_free(&pair.bench[i]);
}

static void carry_ms(uint64_t ms)
{
    for (uint64_t t = 0; t <= ms; t++) {
        for (bool more = true; more;) {
            more = false;
            for (int i = 0; i < 2; i++)
                for (; pair.carried[i] < pair.bench[i].sent_count; more = true) {
                    struct bus_frame f = pair.bench[i].sent[pair.carried[i]++].frame;
                    if (pair.carried[i] != pair.lose[i])
                        bench_frame(&pair.bench[1 - i].node, 0, &f);
                }
        }
        for (int i = 0; i < 2; i++)
            bench_run_ms(&pair.bench[i], 1);
    }
}

static enum err send(int end, const char *hex)
{
    uint8_t pdu[400];
    return reader_channel_send(&pair.end[end]->channel, bytes_of(hex, pdu));
}

Test(reader_channel, carries_both_ways_in_order)
{
    open_pair();
    EXPECT_ERR(send(0, "0101" SELECT_9), ERR_OK);
    EXPECT_ERR(send(1, "8277" BYTES_100 "9000"), ERR_OK);
    EXPECT_ERR(send(1, "8401"), ERR_OK);
    EXPECT_ERR(send(1, "8278" BYTES_100 "9000"), ERR_OK);
    carry_ms(10);
    cr_expect(eq(str, pair.end[1]->heard, "0101/11 "));
    cr_expect(eq(str, pair.end[0]->heard, "8277/104 8401/2 8278/104 "));
    cr_expect(eq(u32, pair.bench[0].sent[0].frame.id, 0x6C1));
    cr_expect(eq(u32, pair.bench[1].sent[0].frame.id, 0x6C9));
    close_pair();
}

Test(reader_channel, holds_so_much_and_no_more)
{
    open_pair();
    EXPECT_ERR(send(1, "8200" BYTES_100 "9000"), ERR_OK);
    for (int i = 0; i < READER_QUEUE; i++)
        EXPECT_ERR(send(1, "8401"), ERR_OK);
    EXPECT_ERR(send(1, "8401"), ERR_QUEUE_FULL);
    carry_ms(10);
    cr_expect(
        eq(str, pair.end[0]->heard, "8200/104 8401/2 8401/2 8401/2 8401/2 8401/2 8401/2 8401/2 8401/2 "));
    EXPECT_ERR(reader_channel_send(&pair.end[1]->channel, span_of(pair.end[1], READER_PDU_MAX + 1)),
               ERR_NO_SPACE);
    close_pair();
}

Test(reader_channel, what_is_lost_is_told_at_both_ends_and_the_next_goes)
{
    open_pair();
    pair.lose[1] = 3; /* the second consecutive frame */
    EXPECT_ERR(send(1, "8200" BYTES_100 BYTES_100 "9000"), ERR_OK);
    EXPECT_ERR(send(1, "8401"), ERR_OK);
    carry_ms(1100);
    cr_expect(eq(uint, pair.end[0]->failed_in, 1));
    cr_expect(eq(int, pair.end[0]->reason, ERR_ISOTP_UNEXPECTED_PDU));
    cr_expect(eq(str, pair.end[0]->heard, "8401/2 "));
    pair.lose[0] = (unsigned)pair.carried[0] + 1; /* flow control */
    EXPECT_ERR(send(1, "8201" BYTES_100 "9000"), ERR_OK);
    EXPECT_ERR(send(1, "8402"), ERR_OK);
    carry_ms(1100);
    cr_expect(eq(uint, pair.end[1]->failed_out, 1));
    cr_expect(eq(int, pair.end[1]->reason, ERR_ISOTP_TIMEOUT_BS));
    cr_expect(eq(str, pair.end[0]->heard, "8401/2 8402/2 "));
    close_pair();
}

Test(reader_channel, what_is_dropped_does_not_come)
{
    open_pair();
    EXPECT_ERR(send(1, "8200" BYTES_100 "9000"), ERR_OK);
    EXPECT_ERR(send(1, "8401"), ERR_OK);
    reader_channel_drop(&pair.end[1]->channel);
    EXPECT_ERR(send(1, "8402"), ERR_OK);
    carry_ms(1100);
    cr_expect(eq(str, pair.end[0]->heard, "8402/2 "));
    cr_expect(eq(uint, pair.end[1]->failed_out, 0));
    close_pair();
}
