#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <string.h>

#include "sgw/sgw.h"
#include "tests/support.h"

static const struct component_args none = {.serial = ""};

static void give(struct bench *b, enum segment from, const char *text)
{
    struct bus_frame f;
    cr_assert(eq(int, bus_frame_parse(text, &f), ERR_OK), "%s", text);
    bench_frame(&b->node, from, &f);
}

static const struct {
    enum segment from;
    const char *frame;
    int to;          /* segment, or -1: not forwarded */
    enum err reason; /* of a drop; ERR_OK = silent */
} rows[] = {
    {SEGMENT_TELEMATICS, "3A0#0300000000000000", SEGMENT_BODY, ERR_OK},
    {SEGMENT_BODY, "6B0##5300000CCCCCCCCCC", SEGMENT_TELEMATICS, ERR_OK},
    {SEGMENT_TELEMATICS, "6B8##5300000CCCCCCCCCC", SEGMENT_BODY, ERR_OK},
    {SEGMENT_INFOTAINMENT, "5A0#01", SEGMENT_BODY, ERR_OK},
    {SEGMENT_BODY, "5A8#01", SEGMENT_INFOTAINMENT, ERR_OK},
    {SEGMENT_BODY, "3B8#0400112233000000", SEGMENT_INFOTAINMENT, ERR_OK},
    {SEGMENT_BODY, "6D0##50100CCCCCCCCCCCC", SEGMENT_INFOTAINMENT, ERR_OK},
    {SEGMENT_INFOTAINMENT, "6D8##5300000CCCCCCCCCC", SEGMENT_BODY, ERR_OK},
    {SEGMENT_INFOTAINMENT, "3B8#0400112233000000", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_INFOTAINMENT, "6D0##50100CCCCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_INFOTAINMENT, "5A8#01", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_INFOTAINMENT, "3C0##501000102030405060708112233440000B513738550FAD13A", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_DIAGNOSTIC, "3C0##501000102030405060708112233440000B513738550FAD13A", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_BODY, "3C0##501000102030405060708112233440000B513738550FAD13A", -1, ERR_OK}, /* stays there */
    {SEGMENT_DIAGNOSTIC, "7A0##5021001CCCCCCCCCC", -1, ERR_BUS_GATE_CLOSED},
    {SEGMENT_DIAGNOSTIC, "7A0#021001CCCCCCCCCC", -1, ERR_BUS_GATE_CLOSED}, /* a tester without CAN FD */
    {SEGMENT_DIAGNOSTIC, "7A1##5021001CCCCCCCCCC", -1, ERR_BUS_GATE_CLOSED},
    {SEGMENT_DIAGNOSTIC, "7A3##5021001CCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_DIAGNOSTIC, "7DF##5023E80CCCCCCCCCC", -1, ERR_BUS_GATE_CLOSED},
    {SEGMENT_BODY, "7A0##5021001CCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED}, /* a tester on another segment */
    {SEGMENT_BODY, "7A2##5021001CCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_BODY, "7DF##5023E80CCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_BODY, "7A8##5027E00CCCCCCCCCC", -1, ERR_BUS_NO_REQUEST},
    {SEGMENT_TELEMATICS, "7A9##5027E00CCCCCCCCCC", -1, ERR_BUS_NO_REQUEST},
    {SEGMENT_DIAGNOSTIC, "7A2##5023E80CCCCCCCCCC", -1, ERR_OK},      /* the SGW's own */
    {SEGMENT_BODY, "3B0#00", -1, ERR_OK},                            /* stays on its segment by design */
    {SEGMENT_BODY, "3A0#0300000000000000", -1, ERR_BUS_NOT_ALLOWED}, /* wrong direction */
    {SEGMENT_DIAGNOSTIC, "3A0#0300000000000000", -1, ERR_BUS_NOT_ALLOWED}, /* another segment's sender */
    {SEGMENT_DIAGNOSTIC, "6B8##5300000CCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_INFOTAINMENT, "6B0##5300000CCCCCCCCCC", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_TELEMATICS, "123#00", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_TELEMATICS, "000003A0#0300000000000000", -1, ERR_BUS_NOT_ALLOWED}, /* 29-bit look-alike */
    {SEGMENT_TELEMATICS, "3A0#R8", -1, ERR_BUS_NOT_ALLOWED},
    {SEGMENT_TELEMATICS, "3A0##50300000000000000", -1, ERR_BUS_FLAGS},
    {SEGMENT_BODY, "6B0#300000", -1, ERR_BUS_FLAGS},
    {SEGMENT_TELEMATICS, "3A0#", -1, ERR_BUS_LENGTH},
};

Test(sgw, lets_through_what_the_matrix_allows_and_nothing_else)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        bench_prepare(&b, &sgw_class, test_crypto());
        cr_assert(eq(int, bench_start(&b, &none), ERR_OK));
        give(&b, rows[i].from, rows[i].frame);
        cr_expect(eq(sz, b.sent_count, rows[i].to >= 0), "%s", rows[i].frame);
        if (b.sent_count) {
            char text[BUS_TEXT_MAX];
            bus_frame_print(&b.sent[0].frame, text);
            cr_expect(eq(str, text, (char *)rows[i].frame), "unchanged");
            cr_expect(eq(int, (int)b.sent[0].port, rows[i].to), "%s", rows[i].frame);
        }
        cr_expect(eq(sz, bench_count(&b, TRACE_DROP, rows[i].reason), rows[i].reason != ERR_OK), "%s",
                  rows[i].frame);
        bench_free(&b);
    }
}

Test(sgw, rate_is_limited_per_row_and_recovers)
{
    struct bench b;
    const struct matrix_row *row = matrix_row(MATRIX_TBM_STATUS);
    bench_prepare(&b, &sgw_class, test_crypto());
    bench_start(&b, &none);
    for (unsigned i = 0; i < row->burst + 5u; i++)
        give(&b, SEGMENT_TELEMATICS, "3A0#0300000000000000");
    cr_expect(eq(sz, b.sent_count, row->burst));
    cr_expect(eq(sz, bench_count(&b, TRACE_DROP, ERR_BUS_RATE), 1));
    give(&b, SEGMENT_BODY, "6B0##5300000CCCCCCCCCC");
    cr_expect(eq(sz, b.sent_count, row->burst + 1u), "another row has a bucket of its own");
    bench_run_ms(&b, 1000 / row->per_second);
    give(&b, SEGMENT_TELEMATICS, "3A0#0300000000000000");
    give(&b, SEGMENT_TELEMATICS, "3A0#0300000000000000");
    cr_expect(eq(sz, b.sent_count, row->burst + 2u));
    bench_free(&b);
}

Test(sgw, drops_are_counted_and_reported_in_sums)
{
    struct bench b;
    uint32_t sum = 0;
    bench_prepare(&b, &sgw_class, test_crypto());
    bench_start(&b, &none);
    for (int i = 0; i < 1000; i++)
        give(&b, SEGMENT_DIAGNOSTIC, "001#00");
    cr_expect(eq(sz, bench_count(&b, TRACE_DROP, ERR_OK), 1), "the first at once");
    bench_run_ms(&b, 100);
    cr_expect(eq(sz, bench_count(&b, TRACE_DROP, ERR_OK), 2), "the rest in one line");
    for (size_t i = 0; i < b.trace_count; i++)
        sum += b.trace[i].kind == TRACE_DROP ? b.trace[i].length : 0;
    cr_expect(eq(u32, sum, 1000));
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_DROP)->detail, "segment=diagnostic id=0x001 count=999"));
    bench_free(&b);
}

static void give_ids(struct bench *b, unsigned from, unsigned to)
{
    for (unsigned id = from; id <= to; id++) {
        char text[16];
        snprintf(text, sizeof text, "%03X#00", id);
        give(b, SEGMENT_DIAGNOSTIC, text);
    }
}

/* Frames counted under this detail, the count itself left out. */
static uint32_t dropped(const struct bench *b, const char *detail)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < b->trace_count; i++)
        if (b->trace[i].kind == TRACE_DROP && strncmp(b->trace[i].detail, detail, strlen(detail)) == 0)
            sum += b->trace[i].length;
    return sum;
}

Test(sgw, more_kinds_of_drops_than_rows_are_counted_under_no_wrong_identifier)
{
    struct bench b;
    bench_prepare(&b, &sgw_class, test_crypto());
    bench_start(&b, &none);
    give_ids(&b, 1, 100);
    give(&b, SEGMENT_TELEMATICS, "3A0##50300000000000000");
    bench_run_ms(&b, 100);
    cr_expect(eq(u32, dropped(&b, "segment="), 101));
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=0x001 "), 1));
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=0x021 "), 1), "the last that found a row");
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=others "), 67));
    cr_expect(eq(u32, dropped(&b, "segment=telematics id=others "), 1), "apart by segment and reason");
    cr_expect(eq(sz, bench_count(&b, TRACE_DROP, ERR_BUS_FLAGS), 1));
    bench_free(&b);
}

Test(sgw, rows_are_free_again_after_a_report)
{
    struct bench b;
    bench_prepare(&b, &sgw_class, test_crypto());
    bench_start(&b, &none);
    give_ids(&b, 1, 100);
    bench_run_ms(&b, 100);
    size_t before = b.trace_count;
    give_ids(&b, 0x200, 0x210);
    bench_run_ms(&b, 100);
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=0x210 "), 1));
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=others "), 67), "none more");
    cr_expect(lt(sz, before, b.trace_count));
    bench_run_ms(&b, 1000);
    cr_expect(eq(u32, dropped(&b, "segment="), 117), "and nothing is counted twice");
    bench_free(&b);
}

Test(sgw, a_29_bit_identifier_is_not_the_11_bit_one_of_the_same_number)
{
    struct bench b;
    bench_prepare(&b, &sgw_class, test_crypto());
    bench_start(&b, &none);
    give(&b, SEGMENT_DIAGNOSTIC, "3A0#0300000000000000");
    give(&b, SEGMENT_DIAGNOSTIC, "000003A0#0300000000000000");
    give(&b, SEGMENT_BODY, "000003B0#00");
    bench_run_ms(&b, 100);
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=0x3A0 "), 1));
    cr_expect(eq(u32, dropped(&b, "segment=diagnostic id=0x000003A0 "), 1));
    cr_expect(eq(u32, dropped(&b, "segment=body id=0x000003B0 "), 1),
              "it is not the WCP's, which stays there");
    bench_free(&b);
}
