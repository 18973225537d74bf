/* What lib/msg/reader takes is written the same again, and is nothing to the other side; cut it is no
 * message, or another one. */
#include "lib/msg/reader.h"
#include "tests/fuzz_targets.h"

static void check_report(struct span in, const struct reader_report *r)
{
    uint8_t again[READER_PDU_MAX];
    struct wr w = wr_of(again, sizeof again);
    struct reader_report cut;
    reader_report_put(&w, r);
    MUST(!w.failed && span_equal(in, span_of(again, w.len)));
    if (r->apdu.len <= READER_RESPONSE_MIN)
        MUST(reader_report_parse(span_of(in.p, in.len - 1), &cut) == ERR_TRUNCATED);
}

static void check_command(struct span in, const struct reader_command *c)
{
    uint8_t again[READER_PDU_MAX];
    struct wr w = wr_of(again, sizeof again);
    struct reader_command cut;
    reader_command_put(&w, c);
    MUST(!w.failed && span_equal(in, span_of(again, w.len)));
    if (c->apdu.len <= READER_COMMAND_MIN)
        MUST(reader_command_parse(span_of(in.p, in.len - 1), &cut, NULL) == ERR_TRUNCATED);
}

void fuzz_reader(const uint8_t *p, size_t len)
{
    struct span in = span_of(p, len);
    struct reader_command c;
    struct reader_report r;
    uint8_t number;
    enum err e = reader_command_parse(in, &c, &number), f = reader_report_parse(in, &r);
    MUST(number == (len > 1 ? p[1] : 0));
    MUST(e || f == ERR_MSG_WRONG_DIRECTION);
    MUST(f || e == ERR_MSG_WRONG_DIRECTION);
    if (!e)
        check_command(in, &c);
    if (!f)
        check_report(in, &r);
}

void fuzz_reader_seeds(fuzz_emit *emit, void *arg)
{
    static const uint8_t apdu[READER_RESPONSE_MAX];
    for (unsigned i = 0; i < 16; i++) {
        uint8_t pdu[READER_PDU_MAX];
        struct wr w = wr_of(pdu, sizeof pdu);
        struct reader_command c = {.type = (enum reader_type)(READER_POLL + i % 4),
                                   .number = (uint8_t)(i * 17),
                                   .gap_ms = (uint16_t)(1 + i * 600),
                                   .apdu = span_of(apdu, i % 4 == 3 ? 0 : 4 + 15 * i)};
        reader_command_put(&w, &c);
        emit(arg, pdu, w.len);
        w = wr_of(pdu, sizeof pdu);
        struct reader_report r = {.type = (enum reader_type)(READER_SELECTED + i % 5),
                                  .number = (uint8_t)i,
                                  .loss = (enum reader_loss)(1 + i % 4),
                                  .reason = ERR_BUSY,
                                  .apdu = span_of(apdu, i % 5 < 2 ? 2 + 16 * i : 0)};
        reader_report_put(&w, &r);
        emit(arg, pdu, w.len);
    }
}
