#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/can/isotp.h"
#include "tbm/tbm.h"
#include "tests/support.h"

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
