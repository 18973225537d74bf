/* The node that plays what is plugged in: which frames it puts on a segment. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "sim/actors/rogue/rogue.h"
#include "tests/check.h"
#include "tests/support.h"

static const struct {
    const char *frame;
    uint64_t count, counting;
    size_t sent; /* 0: refused */
    unsigned at;
    uint8_t first, last; /* that byte, of the first and the last */
} rows[] = {
    {"3A0#112233", 3, 0, 3, 0, 0x11, 0x11},     {"3A0#112233", 3, 2, 3, 2, 0x33, 0x35},
    {"3A0#112233", 256, 1, 256, 1, 0x22, 0x21}, {"3A0#1122FF", 2, 2, 2, 2, 0xFF, 0x00},
    {"3A0#112233", 1, 3, 0, 0, 0, 0},           {"3A0##5000881005C0201009000CCCC", 4, 3, 4, 3, 0x00, 0x03},
};

Test(rogue, a_byte_counts_from_frame_to_frame)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        unsigned index;
        bench_prepare(&b, &rogue_class, test_crypto());
        ASSERT_OK(bench_start(&b, &(struct component_args){.serial = "S1"}));
        struct call_value values[5] = {0};
        text_copy(values[0].text, sizeof values[0].text, rows[i].frame);
        values[2].number = rows[i].count;
        values[3].number = 10;
        values[4].number = rows[i].counting;
        cr_assert(component_call(&rogue_class, "inject", &index));
        node_on_call(&b.node, index, values);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_BAD_ARGUMENT), !rows[i].sent), "row %zu", i);
        bench_run_ms(&b, 10);
        cr_assert(eq(sz, b.sent_count, rows[i].sent), "row %zu", i);
        if (rows[i].sent) {
            cr_expect(eq(u8, b.sent[0].frame.data[rows[i].at], rows[i].first), "row %zu", i);
            cr_expect(eq(u8, b.sent[rows[i].sent - 1].frame.data[rows[i].at], rows[i].last), "row %zu", i);
        }
        bench_free(&b);
    }
}
