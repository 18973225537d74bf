/* Bus time of the hub, without a hub: who waits, who goes, when it ends. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/can/wire.h"
#include "lib/media/can/hub_pace.h"
#include "tests/check.h"

/* ---- the wire ---- */

static struct bus_frame frame(const char *text)
{
    struct bus_frame f;
    cr_assert(eq(int, bus_frame_parse(text, &f), ERR_OK), "%s", text);
    return f;
}

Test(wire, time_of_a_frame)
{
    static const struct {
        const char *frame;
        uint32_t us;
    } rows[] = {
        {"123#", 98},
        {"123#R8", 98},
        {"123#1122334455667788", 232},
        {"00000123#1122334455667788", 274},
        {"123##41122334455667788", 258},
        {"123##51122334455667788", 109},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bus_frame f = frame(rows[i].frame);
        cr_expect(eq(u32, (uint32_t)wire_time_us(&f), rows[i].us), "%s", rows[i].frame);
    }
    struct bus_frame longest = {.id = 0x123, .flags = BUS_FD | BUS_BRS, .len = 64};
    cr_expect(eq(u32, (uint32_t)wire_time_us(&longest), 343), "64 bytes at 2 Mbit/s");
}

/* In the order in which arbitration lets them go. */
Test(wire, lower_identifiers_go_first)
{
    static const char *const order[] = {"000#", "000#R0",    "00000000#", "00000000#R0", "0003FFFF#",
                                        "001#", "00040000#", "3A0#",      "63A#",        "18EAFFFF#",
                                        "63B#", "6B0##4",    "7FF#",      "1FFFFFFE#",   "1FFFFFFF#"};
    for (size_t i = 0; i + 1 < sizeof order / sizeof order[0]; i++) {
        struct bus_frame a = frame(order[i]), b = frame(order[i + 1]);
        cr_expect(lt(u32, wire_priority(&a), wire_priority(&b)), "%s before %s", order[i], order[i + 1]);
    }
}

/* ---- the hub's pace ---- */

struct rig {
    struct pace *pace;
    uint64_t now_us;
    char log[2000]; /* "identifier@end in us of segment " */
    bool from_nobody;
};

static void on_frame(void *ctx, const void *from, uint8_t segment, const struct bus_frame *f, uint64_t at_ns)
{
    struct rig *r = ctx;
    size_t used = strlen(r->log);
    snprintf(r->log + used, sizeof r->log - used, "%X@%llu%s ", f->id, (unsigned long long)(at_ns / 1000),
             segment ? "'" : "");
    r->from_nobody |= !from;
}

static struct rig rig(void)
{
    return (struct rig){.pace = NULL};
}

static void put(struct rig *r, const void *from, uint8_t segment, const char *text, unsigned count)
{
    struct bus_frame f = frame(text);
    if (!r->pace)
        r->pace = pace_new(on_frame, r);
    for (unsigned i = 0; i < count; i++)
        cr_assert(pace_put(r->pace, from, segment, &f, r->now_us * 1000));
}

static void until(struct rig *r, uint64_t us)
{
    r->now_us = us;
    pace_advance(r->pace, us * 1000);
}

static void said(struct rig *r, const char *want)
{
    cr_expect(eq(str, r->log, (char *)want));
    r->log[0] = '\0';
}

static const char a, b, c; /* senders */

Test(pace, a_frame_arrives_when_its_last_bit_does)
{
    struct rig r = rig();
    r.now_us = 1000;
    put(&r, &a, 0, "123#1122334455667788", 1);
    until(&r, 1000);
    EXPECT_WITHIN_MS(pace_next_ns(r.pace) / 1000, 1.232, 0, "end of the frame");
    until(&r, 1231);
    said(&r, "");
    until(&r, 1232);
    said(&r, "123@1232 ");
    cr_expect(eq(u64, pace_next_ns(r.pace), PACE_NEVER));
    cr_expect(eq(sz, pace_left(r.pace), 0));
    pace_free(r.pace);
}

Test(pace, of_those_that_wait_the_lowest_identifier_goes_next)
{
    struct rig r = rig();
    put(&r, &a, 0, "300#", 2);
    until(&r, 0);
    put(&r, &b, 0, "200#", 1);
    put(&r, &c, 0, "100#", 1);
    until(&r, 10000);
    said(&r, "300@98 100@196 200@294 300@392 ");
    pace_free(r.pace);
}

Test(pace, a_senders_own_frames_stay_in_order)
{
    struct rig r = rig();
    put(&r, &a, 0, "300#", 1);
    put(&r, &a, 0, "100#", 1);
    put(&r, &b, 0, "200#", 1);
    until(&r, 10000);
    said(&r, "200@98 300@196 100@294 ");
    pace_free(r.pace);
}

Test(pace, a_flood_of_low_priority_delays_others_by_one_frame_at_most)
{
    struct rig r = rig();
    put(&r, &a, 0, "7FF#", 100);
    until(&r, 500); /* 5 have gone, the sixth is on the wire */
    r.log[0] = '\0';
    put(&r, &b, 0, "3A0#", 1);
    until(&r, 700);
    said(&r, "7FF@588 3A0@686 ");
    pace_free(r.pace);
}

Test(pace, a_flood_of_top_priority_starves_others)
{
    struct rig r = rig();
    put(&r, &a, 0, "000#", 100);
    put(&r, &b, 0, "3A0#", 1);
    until(&r, 9799);
    cr_expect(strstr(r.log, "3A0") == NULL);
    r.log[0] = '\0';
    until(&r, 9898);
    said(&r, "0@9800 3A0@9898 ");
    pace_free(r.pace);
}

Test(pace, segments_do_not_wait_for_each_other_and_deliver_in_order_of_time)
{
    struct rig r = rig();
    put(&r, &a, 0, "100#1122334455667788", 2);
    put(&r, &b, 1, "200#", 3);
    until(&r, 10000);
    said(&r, "200@98' 200@196' 100@232 200@294' 100@464 ");
    pace_free(r.pace);
}

/* Looking late moves no frame: the segment was as busy as it would have been. */
Test(pace, does_not_depend_on_how_often_it_is_looked_at)
{
    static const unsigned ticks_us[] = {1, 7, 98, 1000, 50000};
    for (size_t t = 0; t < sizeof ticks_us / sizeof ticks_us[0]; t++) {
        struct rig r = rig();
        put(&r, &a, 0, "300#", 3);
        put(&r, &b, 0, "200#", 2);
        for (uint64_t us = 0; us <= 50000; us += ticks_us[t])
            until(&r, us);
        said(&r, "200@98 200@196 300@294 300@392 300@490 ");
        pace_free(r.pace);
    }
}

Test(pace, who_comes_later_takes_no_part_in_an_earlier_arbitration)
{
    struct rig r = rig();
    put(&r, &a, 0, "300#", 2);
    r.now_us = 150; /* nobody looked before; at 98 the second had won already */
    put(&r, &b, 0, "100#", 1);
    until(&r, 10000);
    said(&r, "300@98 300@196 100@294 ");
    pace_free(r.pace);
}

Test(pace, who_leaves_takes_what_waited_along)
{
    struct rig r = rig();
    put(&r, &a, 0, "300#", 5);
    put(&r, &b, 0, "400#", 1);
    until(&r, 50);
    pace_forget(r.pace, &a);
    cr_expect(eq(sz, pace_left(r.pace), 2));
    until(&r, 10000);
    said(&r, "300@98 400@196 ");
    cr_expect(r.from_nobody, "the frame on the wire outlives its sender");
    pace_free(r.pace);
}

Test(pace, says_when_a_sender_should_be_read_no_further)
{
    struct rig r = rig();
    put(&r, &a, 0, "300#", PACE_WAITING - 1);
    cr_expect(not(pace_full(r.pace, &a)));
    put(&r, &a, 0, "300#", 1);
    cr_expect(pace_full(r.pace, &a));
    cr_expect(not(pace_full(r.pace, &b)));
    until(&r, 0);
    cr_expect(not(pace_full(r.pace, &a)), "one is on the wire");
    pace_free(r.pace);
}
