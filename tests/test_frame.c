#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/can/frame.h"

static const struct {
    const char *text;
    uint32_t id;
    uint8_t flags, len;
} good[] = {
    {"123#", 0x123, 0, 0},
    {"7FF#1122334455667788", 0x7FF, 0, 8},
    {"18DAF110#0102", 0x18DAF110, BUS_EXTENDED, 2},
    {"123#R4", 0x123, BUS_REMOTE, 4},
    {"7E0##4AABB", 0x7E0, BUS_FD, 2},
    {"7E0##5000102030405060708090A0B", 0x7E0, BUS_FD | BUS_BRS, 12},
    {"00000001##7", 0x1, BUS_EXTENDED | BUS_FD | BUS_BRS | BUS_ESI, 0},
};

Test(frame, text_both_ways)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct bus_frame f;
        char text[BUS_TEXT_MAX];
        cr_expect(eq(int, bus_frame_parse(good[i].text, &f), ERR_OK), "%s", good[i].text);
        cr_expect(eq(u32, f.id, good[i].id));
        cr_expect(eq(u8, f.flags, good[i].flags), "%s", good[i].text);
        cr_expect(eq(u8, f.len, good[i].len));
        bus_frame_print(&f, text);
        cr_expect(eq(str, text, (char *)good[i].text));
    }
}

static const char *const bad[] = {"",           "123",        "12#00",     "800#00",
                                  "1234567#00", "20000000#0", "123#0",     "123#001122334455667788",
                                  "123#zz",     "123##",      "123##8",    "123##500010203040506070809",
                                  "123#R9",     "123#R12",    "FFFFFFFF#", "123##5 00"};

Test(frame, malformed_text_is_refused)
{
    struct bus_frame f;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(eq(int, bus_frame_parse(bad[i], &f), ERR_BAD_SYNTAX), "%s", bad[i]);
}

Test(frame, dots_between_bytes_are_allowed)
{
    struct bus_frame f;
    cr_assert(eq(int, bus_frame_parse("123#11.22.33", &f), ERR_OK));
    cr_assert(eq(u8, f.len, 3));
}

Test(frame, log_line_both_ways)
{
    struct bus_frame f, g;
    char line[BUS_LOG_MAX], bus[17];
    uint64_t t;
    bus_frame_parse("6B0##5AABB", &f);
    bus_log_print(1690000000123456, "body", &f, line);
    cr_assert(eq(str, line, "(1690000000.123456) body 6B0##5AABB"));
    cr_assert(eq(int, bus_log_parse(line, &t, bus, &g), ERR_OK));
    cr_assert(eq(u64, t, 1690000000123456));
    cr_assert(eq(str, bus, "body"));
    cr_assert(bus_frame_equal(&f, &g));
    static const char *const bad[] = {
        "not a line",
        "(-1.000000) body 3A0#00",
        "(+1.000000) body 3A0#00",
        "( 1.000000) body 3A0#00",
        "(1.00000) body 3A0#00",
        "(1.0000000) body 3A0#00",
        "(1. 00000) body 3A0#00",
        "(18446744073709.551616) body 3A0#00",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(eq(int, bus_log_parse(bad[i], &t, bus, &g), ERR_BAD_SYNTAX), "%s", bad[i]);
    cr_assert(eq(int, bus_log_parse("(999999999999.999999) body 3A0#00", &t, bus, &g), ERR_OK));
    cr_expect(eq(u64, t, 999999999999999999u));
}

Test(frame, lengths_between_dlc_steps_round_up)
{
    static const uint8_t rows[][2] = {{0, 0},   {8, 8},   {9, 12},  {12, 12}, {13, 16}, {17, 20},
                                      {21, 24}, {25, 32}, {33, 48}, {48, 48}, {49, 64}, {64, 64}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(eq(u8, bus_fd_length(rows[i][0]), rows[i][1]), "%d", rows[i][0]);
}

Test(frame, socket_form_both_ways_and_bounded)
{
    struct bus_frame f, g;
    uint8_t buf[80];
    bus_frame_parse("18DAF110##5000102030405060708090A0B", &f);
    struct wr w = wr_of(buf, sizeof buf);
    bus_frame_write(&w, &f);
    cr_assert(eq(sz, w.len, 6 + 12));
    for (size_t cut = 0; cut < w.len; cut++) {
        struct rd r = rd_of(buf, cut);
        cr_expect(ne(int, bus_frame_read(&r, &g), ERR_OK), "cut at %zu", cut);
    }
    struct rd r = rd_of(buf, w.len);
    cr_assert(eq(int, bus_frame_read(&r, &g), ERR_OK));
    cr_assert(bus_frame_equal(&f, &g));
    buf[5] = 13; /* no such FD length */
    r = rd_of(buf, sizeof buf);
    cr_assert(eq(int, bus_frame_read(&r, &g), ERR_BAD_ARGUMENT));
}

/* Frames are handed on and recorded whole. */
Test(frame, nothing_stands_behind_its_data)
{
    static const uint8_t zeros[BUS_FD_MAX];
    uint8_t raw[80];
    struct bus_frame f = {.id = 0x123, .len = 2, .data = {1, 2}}, got;
    struct wr w = wr_of(raw, sizeof raw);
    bus_frame_write(&w, &f);
    memset(&got, 0xEE, sizeof got);
    struct rd r = rd_of(raw, w.len);
    cr_assert(eq(int, bus_frame_read(&r, &got), ERR_OK));
    cr_expect(eq(int, memcmp(got.data + 2, zeros, sizeof got.data - 2), 0));
}
