/* ISO-TP as tables: each test is a script of frames and virtual milliseconds, in the words of
 * tests/isotp_player.h. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/can/isotp.h"
#include "tests/check.h"
#include "tests/isotp_player.h"

static struct isotp_config classic(void)
{
    struct isotp_config c = isotp_config_default(0x7E0, 0x7E8);
    c.fd = c.brs = false;
    c.tx_dl = 8;
    return c;
}

static struct isotp_config fd(uint8_t tx_dl)
{
    struct isotp_config c = isotp_config_default(0x7E0, 0x7E8);
    c.tx_dl = tx_dl;
    return c;
}

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PLAY(config, cap, ...)                       \
    do {                                             \
        struct isotp_config cfg_ = config;           \
        isotp_play(&cfg_, cap, SCRIPT(__VA_ARGS__)); \
    } while (0)

/* ---- single frames ---- */

Test(isotp, single_frame_classic)
{
    PLAY(classic(), 100, "send 1", "out 7E0#0100CCCCCCCCCCCC", "sent", "send 7", "out 7E0#0700010203040506",
         "sent", "in 7E8#03000102CCCCCCCC", "received 3", "in 7E8#0700010203040506", "received 7");
}

Test(isotp, single_frame_without_padding)
{
    struct isotp_config c = classic();
    c.pad = false;
    PLAY(c, 100, "send 2", "out 7E0#020001", "sent", "in 7E8#0100", "received 1");
}

Test(isotp, single_frame_fd_escape_length)
{
    PLAY(fd(64), 100, "send 7", "out 7E0##50700010203040506", "sent", "send 8",
         "out 7E0##500080001020304050607CCCC", "sent", "send 62", "out 7E0##5003E0001*/64", "sent",
         "in 7E8##500080001020304050607CCCC", "received 8");
}

Test(isotp, single_frame_fd_lengths_between_dlc_steps_are_padded_up)
{
    PLAY(fd(64), 100, "send 10", "out 7E0##5000A*/12", "sent", "send 11", "out 7E0##5000B*/16", "sent",
         "send 14", "out 7E0##5000E*/16", "sent", "send 15", "out 7E0##5000F*/20", "sent", "send 30",
         "out 7E0##5001E*/32", "sent", "send 31", "out 7E0##5001F*/48", "sent", "send 47",
         "out 7E0##5002F*/64", "sent");
}

Test(isotp, single_frame_bad_lengths_are_ignored)
{
    PLAY(fd(64), 100, "in 7E8#00", "in 7E8#0800010203040506", "in 7E8#050001",
         "in 7E8##5000700010203040506CCCCCC", "in 7E8##5000B00010203040506070809",
         "in 7E8##501080001020304050607CCCC", "nothing");
}

Test(isotp, extended_addressing_one_byte_less)
{
    struct isotp_config c = classic();
    c.address_byte = true;
    c.tx_address = 0x55;
    c.rx_address = 0xAA;
    PLAY(c, 100, "send 6", "out 7E0#5506000102030405", "sent", "send 7", "out 7E0#5510070001020304",
         "in 7E8#55300000CCCCCCCC", "quiet", "in 7E8#AA300000CCCCCCCC", "out 7E0#55210506CCCCCCCC", "sent",
         "in 7E8#AA03000102CCCCCC", "received 3");
}

Test(isotp, fixed_addressing_29_bit)
{
    struct isotp_config c = isotp_config_default(0x18DA10F1, 0x18DAF110);
    c.extended_ids = true;
    c.fd = c.brs = false;
    c.tx_dl = 8;
    PLAY(c, 100, "send 2", "out 18DA10F1#020001CCCCCCCCCC", "sent", "in 18DAF110#020001CCCCCCCCCC",
         "received 2", "in 110#020001CCCCCCCCCC", "in 18DAF111#020001CCCCCCCCCC", "nothing");
}

/* ---- segmented ---- */

Test(isotp, segmented_send_classic)
{
    PLAY(classic(), 100, "send 20", "out 7E0#1014000102030405", "quiet", "in 7E8#300000CCCCCCCCCC",
         "out 7E0#21060708090A0B0C", "out 7E0#220D0E0F10111213", "sent", "quiet");
}

Test(isotp, segmented_receive_classic)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#300000CCCCCCCCCC", "in 7E8#21060708090A0B0C",
         "nothing", "in 7E8#220D0E0F10111213", "received 20", "quiet");
}

Test(isotp, segmented_fd_last_frame_padded_to_a_dlc_step)
{
    PLAY(fd(64), 200, "send 135", "out 7E0##51087*/64", "in 7E8##5300000CCCCCCCCCC", "out 7E0##5213E*/64",
         "out 7E0##5227D7E7F80*/12", "sent");
    PLAY(fd(64), 200, "send 126", "out 7E0##5107E*/64", "in 7E8##5300000CCCCCCCCCC", "out 7E0##5213E*/64",
         "out 7E0##5227DCCCCCCCCCCCC", "sent");
}

Test(isotp, tx_dl_32)
{
    PLAY(fd(32), 200, "send 62", "out 7E0##5103E*/32", "in 7E8#300000", "out 7E0##5211E*/32",
         "out 7E0##5223D*/8", "sent", "send 30", "out 7E0##5001E*/32", "sent", "send 31",
         "out 7E0##5101F*/32", "in 7E8#300000", "out 7E0##5211E*/8", "sent");
}

Test(isotp, receiver_takes_the_frame_size_of_the_first_frame)
{
    PLAY(fd(64), 200, "in 7E8##4100E00010203040506070809", "out 7E0##5300000*/8", "in 7E8#210A0B0C0DCCCCCC",
         "received 14", "in 7E8#100E000102030405", "out 7E0##5300000*/8", "in 7E8#21060708090A0B0C",
         "in 7E8#220DCCCCCCCCCCCC", "received 14");
}

Test(isotp, escape_length_above_4095)
{
    PLAY(fd(64), 8192, "send 4095", "out 7E0##51FFF0001*/64", "in 7E8#32", "in 7E8#320000",
         "txfail ISOTP_BUFFER_OVERFLOW", "send 4096", "out 7E0##51000000010000001*/64", "in 7E8#320000",
         "txfail ISOTP_BUFFER_OVERFLOW", "send 65536", "out 7E0##51000000100000001*/64", "in 7E8#320000",
         "txfail ISOTP_BUFFER_OVERFLOW");
}

Test(isotp, escape_length_that_did_not_need_it_is_ignored)
{
    PLAY(classic(), 100, "in 7E8#1000000000140001", "quiet", "nothing");
}

Test(isotp, first_frame_of_what_fits_a_single_frame_is_ignored)
{
    PLAY(classic(), 100, "in 7E8#1007000102030405", "quiet", "nothing", "in 7E8#10080001020304", "quiet",
         "nothing");
}

Test(isotp, sequence_number_wraps_at_16)
{
    PLAY(classic(), 200, "send 125", "out 7E0#107D*", "in 7E8#300000", "out 7E0#21*", "out 7E0#22*",
         "out 7E0#23*", "out 7E0#24*", "out 7E0#25*", "out 7E0#26*", "out 7E0#27*", "out 7E0#28*",
         "out 7E0#29*", "out 7E0#2A*", "out 7E0#2B*", "out 7E0#2C*", "out 7E0#2D*", "out 7E0#2E*",
         "out 7E0#2F*", "out 7E0#20*", "out 7E0#21*", "sent");
}

/* ---- blocks, STmin, WAIT ---- */

Test(isotp, block_size_1_asks_after_every_frame)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#300100", "out 7E0#21*", "quiet", "in 7E8#300100",
         "out 7E0#22*", "sent");
    struct isotp_config c = classic();
    c.block_size = 1;
    PLAY(c, 100, "in 7E8#1014000102030405", "out 7E0#300100*", "in 7E8#21060708090A0B0C", "out 7E0#300100*",
         "in 7E8#220D0E0F10111213", "received 20", "quiet");
}

Test(isotp, new_flow_control_may_change_block_size_and_stmin)
{
    PLAY(classic(), 100, "send 41", "out 7E0#10*", "in 7E8#300200", "out 7E0#21*", "out 7E0#22*", "quiet",
         "in 7E8#300005", "out 7E0#23*", "quiet", "ms 5", "out 7E0#24*", "quiet", "ms 5", "out 7E0#25*",
         "sent");
}

Test(isotp, stmin_milliseconds_is_a_lower_bound)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#30000A", "out 7E0#21*", "quiet", "us 9999",
         "quiet", "us 1", "out 7E0#22*", "sent");
}

Test(isotp, stmin_microseconds)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#3000F3", "out 7E0#21*", "us 299", "quiet", "us 1",
         "out 7E0#22*", "sent");
}

static uint64_t frame_of_230_us(const struct bus_frame *f)
{
    return f->len == 8 ? 230 : 1;
}

/* STmin is a gap: it begins when the frame before has ended. */
Test(isotp, stmin_begins_at_the_end_of_a_frame)
{
    struct isotp_config c = classic();
    c.frame_time_us = frame_of_230_us;
    PLAY(c, 100, "send 20", "out 7E0#10*", "in 7E8#3000F3", "out 7E0#21*", "us 529", "quiet", "us 1",
         "out 7E0#22*", "sent");
    PLAY(c, 100, "send 20", "out 7E0#10*", "in 7E8#300000", "out 7E0#21*", "out 7E0#22*", "sent");
}

Test(isotp, stmin_reserved_values_count_as_127_ms)
{
    static const uint8_t reserved[] = {0x80, 0xA5, 0xF0, 0xFA, 0xFF};
    for (size_t i = 0; i < sizeof reserved; i++)
        cr_expect(eq(u32, isotp_st_min_us(reserved[i]), 127000), "%02X", reserved[i]);
    cr_expect(eq(u32, isotp_st_min_us(0x7F), 127000));
    cr_expect(eq(u32, isotp_st_min_us(0xF1), 100));
    cr_expect(eq(u32, isotp_st_min_us(0xF9), 900));
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#300080", "out 7E0#21*", "us 126999", "quiet",
         "us 1", "out 7E0#22*", "sent");
}

Test(isotp, wait_restarts_the_timer_and_our_sender_may_limit_it)
{
    struct isotp_config c = classic();
    c.tx_wait_max = 2;
    PLAY(c, 100, "send 20", "out 7E0#10*", "ms 999", "in 7E8#310000", "ms 999", "nothing", "in 7E8#310000",
         "ms 999", "in 7E8#300000", "out 7E0#21*", "out 7E0#22*", "sent");
    PLAY(c, 100, "send 20", "out 7E0#10*", "in 7E8#310000", "in 7E8#310000", "in 7E8#310000",
         "txfail ISOTP_WFT_OVERRUN", "quiet");
}

Test(isotp, busy_receiver_repeats_wait_until_free)
{
    PLAY(classic(), 100, "busy", "in 7E8#1014000102030405", "out 7E0#310000*", "quiet", "ms 199", "quiet",
         "ms 1", "out 7E0#310000*", "free", "out 7E0#300000*", "in 7E8#21060708090A0B0C",
         "in 7E8#220D0E0F10111213", "received 20");
}

Test(isotp, a_sender_without_a_limit_of_its_own_waits_as_long_as_it_is_told)
{
    struct isotp_player p;
    struct isotp_config c = classic();
    isotp_player_open(&p, NULL, &c, 100);
    isotp_player_line(&p, "send 20");
    isotp_player_line(&p, "out 7E0#10*");
    for (int i = 0; i < 1000; i++) {
        isotp_player_line(&p, "ms 999");
        isotp_player_line(&p, "in 7E8#310000");
    }
    isotp_player_line(&p, "in 7E8#300000");
    isotp_player_line(&p, "cf all");
    isotp_player_line(&p, "sent");
    isotp_player_close(&p);
}

Test(isotp, busy_receiver_gives_up_after_its_last_wait)
{
    struct isotp_config c = classic();
    c.wft_max = 2;
    PLAY(c, 100, "busy", "in 7E8#1014000102030405", "out 7E0#310000*", "ms 200", "out 7E0#310000*", "ms 199",
         "quiet", "nothing", "ms 1", "rxfail ISOTP_WFT_OVERRUN", "quiet", "free", "quiet",
         "in 7E8#21060708090A0B0C", "nothing");
    PLAY(c, 100, "busy", "in 7E8#1014000102030405", "out 7E0#310000*", "ms 200", "out 7E0#310000*", "ms 199",
         "free", "out 7E0#300000*", "in 7E8#21060708090A0B0C", "in 7E8#220D0E0F10111213", "received 20");
    c.wft_max = 0;
    PLAY(c, 100, "busy", "in 7E8#1014000102030405", "quiet", "ms 199", "quiet", "ms 1",
         "rxfail ISOTP_WFT_OVERRUN");
}

Test(isotp, waits_are_counted_in_a_row)
{
    struct isotp_config c = classic();
    c.wft_max = 1;
    c.block_size = 1;
    PLAY(c, 100, "busy", "in 7E8#1014000102030405", "out 7E0#31*", "free", "out 7E0#30*", "busy",
         "in 7E8#21060708090A0B0C", "out 7E0#31*", "ms 100", "free", "out 7E0#30*", "in 7E8#220D0E0F10111213",
         "received 20");
}

Test(isotp, a_wait_that_the_bus_does_not_take)
{
    PLAY(classic(), 100, "busy", "in 7E8#1014000102030405", "out 7E0#31*", "ms 200", "ms 999", "nothing",
         "ms 1", "rxfail ISOTP_TIMEOUT_A");
}

/* ---- timers ---- */

Test(isotp, missing_flow_control_is_seen_by_the_sender)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "ms 999", "nothing", "ms 1", "txfail ISOTP_TIMEOUT_BS",
         "send 1", "out 7E0#01*", "sent");
}

Test(isotp, missing_flow_control_at_block_end)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#300100", "out 7E0#21*", "ms 1000",
         "txfail ISOTP_TIMEOUT_BS");
}

Test(isotp, missing_consecutive_frame)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "ms 999", "nothing", "ms 1",
         "rxfail ISOTP_TIMEOUT_CR", "in 7E8#21060708090A0B0C", "nothing");
}

Test(isotp, consecutive_frame_timer_starts_again_with_each_frame)
{
    PLAY(classic(), 100, "in 7E8#101B000102030405", "out 7E0#30*", "ms 900", "in 7E8#21060708090A0B0C",
         "ms 900", "in 7E8#220D0E0F10111213", "ms 900", "in 7E8#231415161718191A", "received 27");
}

Test(isotp, consecutive_frame_timer_after_flow_control_at_block_end)
{
    struct isotp_config c = classic();
    c.block_size = 1;
    PLAY(c, 100, "in 7E8#1014000102030405", "out 7E0#30*", "ms 900", "in 7E8#21060708090A0B0C", "ms 500",
         "out 7E0#30*", "ms 999", "nothing", "ms 1", "rxfail ISOTP_TIMEOUT_CR");
}

Test(isotp, a_bus_that_takes_no_frame)
{
    PLAY(classic(), 100, "send 20", "ms 1000", "txfail ISOTP_TIMEOUT_A", "in 7E8#1014000102030405", "ms 1000",
         "rxfail ISOTP_TIMEOUT_A");
}

/* ---- errors ---- */

Test(isotp, wrong_sequence_number)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "in 7E8#22060708090A0B0C",
         "rxfail ISOTP_WRONG_SN", "in 7E8#21060708090A0B0C", "nothing");
}

Test(isotp, repeated_consecutive_frame)
{
    PLAY(classic(), 100, "in 7E8#101B000102030405", "out 7E0#30*", "in 7E8#21060708090A0B0C",
         "in 7E8#21060708090A0B0C", "rxfail ISOTP_WRONG_SN");
}

Test(isotp, reserved_flow_status)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#330000", "txfail ISOTP_INVALID_FS", "quiet");
}

Test(isotp, overflow_announced_by_the_receiver)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#320000", "txfail ISOTP_BUFFER_OVERFLOW", "quiet");
}

Test(isotp, overflow_answered_to_the_sender)
{
    PLAY(classic(), 19, "in 7E8#1014000102030405", "out 7E0#320000*", "quiet", "in 7E8#21060708090A0B0C",
         "nothing", "in 7E8#1013000102030405", "out 7E0#300000*");
}

Test(isotp, first_frame_interrupts_a_reception)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "in 7E8#1014000102030405",
         "rxfail ISOTP_UNEXPECTED_PDU", "out 7E0#30*", "in 7E8#21060708090A0B0C", "in 7E8#220D0E0F10111213",
         "received 20");
}

Test(isotp, single_frame_interrupts_a_reception)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "in 7E8#03000102CCCCCCCC", "received 3",
         "in 7E8#21060708090A0B0C", "nothing", "ms 2000", "nothing");
}

Test(isotp, consecutive_frame_before_our_flow_control_is_ignored)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "in 7E8#21060708090A0B0C", "nothing", "out 7E0#30*",
         "in 7E8#21060708090A0B0C", "in 7E8#220D0E0F10111213", "received 20");
}

Test(isotp, unexpected_frames_are_ignored)
{
    PLAY(classic(), 100, "in 7E8#21060708090A0B0C", "in 7E8#300000", "in 7E8#40", "in 7E8#F0112233",
         "in 7E8#", "quiet", "nothing", "in 7E7#03000102CCCCCCCC", "in 7E8#R3", "nothing");
}

Test(isotp, flow_control_too_short_is_ignored)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#30", "in 7E8#3000", "quiet", "ms 1000",
         "txfail ISOTP_TIMEOUT_BS");
}

Test(isotp, second_flow_control_is_ignored)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#300000", "in 7E8#320000", "out 7E0#21*",
         "out 7E0#22*", "sent");
}

Test(isotp, consecutive_frame_too_short_is_ignored)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "in 7E8#2106070809", "nothing",
         "in 7E8#21060708090A0B0C", "in 7E8#220D0E0F10111213", "received 20");
}

Test(isotp, consecutive_frame_longer_than_the_first_is_ignored)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "in 7E8##521060708090A0B0CCCCCCCCC",
         "nothing", "in 7E8#21060708090A0B0C", "in 7E8##5220D0E0F10111213CCCCCCCC", "nothing",
         "in 7E8#220D0E0F10111213", "received 20");
    PLAY(fd(64), 100, "message 30 12", "first", "out 7E0##530*", "in 7E8##5210A0B0C0D0E0F101112131415161718",
         "nothing", "next all", "received 30");
}

Test(isotp, a_length_to_be_ignored_is_ignored_before_its_number_is_read)
{
    PLAY(classic(), 100, "in 7E8#1014000102030405", "out 7E0#30*", "in 7E8#2206070809", "nothing",
         "in 7E8#21060708090A0B0C", "in 7E8#220D0E0F10111213", "received 20");
}

/* SF_DL that a smaller CAN_DL would have held; the borders of each CAN_DL. */
Test(isotp, single_frame_fd_longer_than_it_must_be_is_ignored)
{
    static const struct {
        uint8_t can_dl, from, to; /* SF_DL allowed */
    } allowed[] = {{12, 8, 10},  {16, 11, 14}, {20, 15, 18}, {24, 19, 22},
                   {32, 23, 30}, {48, 31, 46}, {64, 47, 62}};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        for (unsigned sf_dl = 0; sf_dl <= 255; sf_dl++) {
            struct isotp tp;
            struct isotp_event ev;
            struct isotp_config c = fd(64);
            uint8_t rx[300];
            struct bus_frame f = {.id = 0x7E8, .flags = BUS_FD, .len = allowed[i].can_dl};
            f.data[1] = (uint8_t)sf_dl;
            isotp_init(&tp, &c, rx, sizeof rx);
            isotp_input(&tp, &f, 0, &ev);
            bool taken = sf_dl >= allowed[i].from && sf_dl <= allowed[i].to;
            cr_expect(eq(int, ev.kind, taken ? ISOTP_RECEIVED : ISOTP_NONE), "CAN_DL %d SF_DL %u",
                      allowed[i].can_dl, sf_dl);
        }
}

Test(isotp, with_padding_agreed_short_frames_are_ignored)
{
    struct isotp_config c = classic();
    c.rx_padding = ISOTP_RX_PADDED;
    PLAY(c, 100, "in 7E8#03000102", "in 7E8#03000102CCCCCC", "nothing", "in 7E8#03000102CCCCCCCC",
         "received 3", "send 20", "out 7E0#10*", "in 7E8#300000", "in 7E8#300000CCCCCCCC", "quiet",
         "in 7E8#300000CCCCCCCC00", "quiet", "in 7E8#300000CCCCCCCCCC", "cf all", "sent");
    PLAY(c, 100, "in 7E8#100E000102030405", "out 7E0#30*", "in 7E8#21060708090A0B0C", "in 7E8#220D",
         "nothing", "in 7E8#220DCCCCCCCCCCCC", "received 14");
}

Test(isotp, with_shortest_frames_agreed_padded_ones_are_ignored)
{
    struct isotp_config c = classic();
    c.rx_padding = ISOTP_RX_SHORTEST;
    PLAY(c, 100, "in 7E8#03000102CCCCCCCC", "in 7E8#0300010200", "nothing", "in 7E8#03000102", "received 3",
         "send 20", "out 7E0#10*", "in 7E8#300000CCCCCCCCCC", "quiet", "in 7E8#300000", "cf all", "sent");
    PLAY(c, 100, "in 7E8#100E000102030405", "out 7E0#30*", "in 7E8#21060708090A0B0C",
         "in 7E8#220DCCCCCCCCCCCC", "nothing", "in 7E8#220D", "received 14");
}

Test(isotp, a_wrongly_padded_single_frame_ends_no_other_reception)
{
    struct isotp_config c = classic();
    c.rx_padding = ISOTP_RX_PADDED;
    PLAY(c, 100, "in 7E8#1014000102030405", "in 7E8#03000102CCCCCC00", "nothing", "out 7E0#30*",
         "in 7E8#03000102CCCCCC00", "nothing", "in 7E8#21060708090A0B0C", "in 7E8#03000102CCCCCC00",
         "in 7E8#220D0E0F10111213", "received 20");
}

Test(isotp, padding_is_checked_when_asked_for)
{
    struct isotp_config c = classic();
    c.rx_padding = ISOTP_RX_PADDED;
    PLAY(c, 100, "in 7E8#03000102CCCCCC00", "rxfail ISOTP_BAD_PADDING", "in 7E8#03000102CCCCCCCC",
         "received 3", "in 7E8#100E000102030405", "out 7E0#30*", "in 7E8#21060708090A0B0C",
         "in 7E8#220DCCCCCCCCCC00", "rxfail ISOTP_BAD_PADDING");
}

Test(isotp, full_duplex)
{
    PLAY(classic(), 100, "send 20", "out 7E0#10*", "in 7E8#1014000102030405", "out 7E0#300000*",
         "in 7E8#300000", "in 7E8#21060708090A0B0C", "out 7E0#21*", "in 7E8#220D0E0F10111213", "received 20",
         "out 7E0#22*", "sent");
}

Test(isotp, arguments)
{
    struct isotp tp;
    struct isotp_config c = classic();
    uint8_t buf[8];
    static const uint8_t bad_dl[] = {0, 7, 9, 63, 65};
    for (size_t i = 0; i < sizeof bad_dl; i++) {
        c = fd(bad_dl[i]);
        cr_expect(eq(int, isotp_init(&tp, &c, buf, 8), ERR_BAD_ARGUMENT), "%d", bad_dl[i]);
    }
    c = classic();
    c.tx_dl = 12;
    cr_assert(eq(int, isotp_init(&tp, &c, buf, 8), ERR_BAD_ARGUMENT), "classic frames hold 8 bytes");
    c = classic();
    isotp_init(&tp, &c, buf, 8);
    cr_assert(eq(int, isotp_send(&tp, buf, 0, 0), ERR_BAD_ARGUMENT));
    cr_assert(eq(int, isotp_send(&tp, buf, 8, 0), ERR_OK));
    cr_assert(eq(int, isotp_send(&tp, buf, 8, 0), ERR_BUSY));
    isotp_abort_send(&tp);
    cr_assert(eq(int, isotp_send(&tp, buf, 8, 0), ERR_OK));
}

Test(isotp, configurations_refused)
{
    static const struct {
        const char *what;
        uint32_t tx_id, rx_id;
        bool extended, address_byte;
        uint8_t tx_address, st_min;
        enum err want;
    } rows[] = {
        {"11 bits", 0x7FF, 0x7FE, .want = ERR_OK},
        {"12 bits sent", 0x800, 0x7FE, .want = ERR_BAD_ARGUMENT},
        {"12 bits received", 0x7FF, 0x800, .want = ERR_BAD_ARGUMENT},
        {"29 bits", 0x1FFFFFFF, 0x1FFFFFFE, .extended = true, .want = ERR_OK},
        {"30 bits sent", 0x20000000, 1, .extended = true, .want = ERR_BAD_ARGUMENT},
        {"30 bits received", 1, 0x20000000, .extended = true, .want = ERR_BAD_ARGUMENT},
        {"one identifier", 0x7E0, 0x7E0, .want = ERR_BAD_ARGUMENT},
        {"one identifier, two addresses", 0x7E0, 0x7E0, .address_byte = true, .tx_address = 1,
         .want = ERR_OK},
        {"one identifier and address", 0x7E0, 0x7E0, .address_byte = true, .want = ERR_BAD_ARGUMENT},
        {"STmin 127 ms", 1, 2, .st_min = 0x7F, .want = ERR_OK},
        {"STmin reserved", 1, 2, .st_min = 0x80, .want = ERR_BAD_ARGUMENT},
        {"STmin reserved, F0", 1, 2, .st_min = 0xF0, .want = ERR_BAD_ARGUMENT},
        {"STmin 900 us", 1, 2, .st_min = 0xF9, .want = ERR_OK},
        {"STmin reserved, FA", 1, 2, .st_min = 0xFA, .want = ERR_BAD_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct isotp tp;
        uint8_t buf[8];
        struct isotp_config c = isotp_config_default(rows[i].tx_id, rows[i].rx_id);
        c.extended_ids = rows[i].extended;
        c.address_byte = rows[i].address_byte;
        c.tx_address = rows[i].tx_address;
        c.st_min = rows[i].st_min;
        cr_expect(eq(int, isotp_init(&tp, &c, buf, sizeof buf), rows[i].want), "%s", rows[i].what);
    }
}

Test(isotp, a_frame_that_nobody_checked_breaks_a_promise, .signal = SIGABRT)
{
    struct isotp tp;
    struct isotp_config c = classic();
    struct isotp_event ev;
    uint8_t buf[8];
    struct bus_frame f = {.id = 0x7E8, .len = BUS_FD_MAX + 1};
    isotp_init(&tp, &c, buf, sizeof buf);
    isotp_input(&tp, &f, 0, &ev);
}

Test(isotp, nothing_of_the_stack_goes_out_behind_a_frame)
{
    static const uint8_t zeros[BUS_FD_MAX];
    struct isotp tp;
    struct isotp_config c = fd(64);
    struct isotp_event ev;
    struct bus_frame f;
    uint8_t data[3] = {1, 2, 3};
    c.pad = false;
    isotp_init(&tp, &c, NULL, 0);
    isotp_send(&tp, data, sizeof data, 0);
    memset(&f, 0xEE, sizeof f);
    cr_assert(isotp_output(&tp, 0, &f, &ev));
    cr_expect(eq(int, memcmp(f.data + f.len, zeros, sizeof f.data - f.len), 0));
}

/* ---- two engines, every size around every border, at several tick rates ---- */

struct pair {
    struct isotp a, b;
    uint8_t *rx_a, *rx_b;
    uint64_t now_us;
    uint32_t received;
    bool sent;
};

static void carry(struct pair *p, struct isotp *from, struct isotp *to)
{
    struct bus_frame f;
    struct isotp_event ev;
    while (isotp_output(from, p->now_us, &f, &ev)) {
        p->sent |= ev.kind == ISOTP_SENT;
        isotp_input(to, &f, p->now_us, &ev);
        if (ev.kind == ISOTP_RECEIVED)
            p->received = (uint32_t)ev.message.len;
        cr_assert(ev.kind == ISOTP_NONE || ev.kind == ISOTP_RECEIVED);
    }
}

struct transfer {
    bool fd;
    uint8_t tx_dl, block_size, st_min;
    uint32_t len;
    uint64_t tick_us; /* 0: 1 */
};

static void transfer(const struct transfer *t)
{
    struct isotp_config ca = isotp_config_default(1, 2), cb = isotp_config_default(2, 1);
    uint8_t *payload = malloc(t->len);
    struct pair p = {.rx_a = malloc(16), .rx_b = malloc(t->len)};
    ca.fd = cb.fd = ca.brs = cb.brs = t->fd;
    ca.tx_dl = cb.tx_dl = t->tx_dl;
    cb.block_size = t->block_size;
    cb.st_min = t->st_min;
    for (uint32_t i = 0; i < t->len; i++)
        payload[i] = (uint8_t)(i * 7 + t->len);
    isotp_init(&p.a, &ca, p.rx_a, 16);
    isotp_init(&p.b, &cb, p.rx_b, t->len);
    isotp_send(&p.a, payload, t->len, 0);
    for (int i = 0; i < 100000 && !p.received; i++) {
        carry(&p, &p.a, &p.b);
        carry(&p, &p.b, &p.a);
        p.now_us += t->tick_us ? t->tick_us : 1;
    }
    cr_expect(eq(u32, p.received, t->len), "TX_DL %d BS %d STmin %d tick %llu", t->tx_dl, t->block_size,
              t->st_min, (unsigned long long)t->tick_us);
    cr_expect(p.sent);
    cr_expect(memcmp(p.rx_b, payload, t->len) == 0);
    free(payload);
    free(p.rx_a);
    free(p.rx_b);
}

#define TRANSFER(...) transfer(&(const struct transfer){__VA_ARGS__})

Test(isotp, every_size_around_every_border)
{
    static const uint8_t dls[] = {8, 12, 16, 20, 24, 32, 48, 64};
    for (size_t d = 0; d < sizeof dls; d++)
        for (uint32_t len = 1; len < 4u * dls[d]; len++)
            TRANSFER(.fd = true, .tx_dl = dls[d], .len = len);
    for (uint32_t len = 1; len < 130; len++)
        TRANSFER(.fd = false, .tx_dl = 8, .len = len);
    static const uint32_t large[] = {4094, 4095, 4096, 4097, 65535, 65536};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        TRANSFER(.fd = true, .tx_dl = 64, .len = large[i]);
        TRANSFER(.fd = false, .tx_dl = 8, .block_size = 8, .len = large[i]);
    }
}

Test(isotp, no_result_depends_on_the_tick_rate)
{
    static const uint64_t ticks_us[] = {1, 100, 1000, 7000, 50000};
    for (size_t t = 0; t < sizeof ticks_us / sizeof ticks_us[0]; t++) {
        uint64_t us = ticks_us[t];
        TRANSFER(.fd = false, .tx_dl = 8, .block_size = 3, .st_min = 1, .len = 100, .tick_us = us);
        TRANSFER(.fd = true, .tx_dl = 64, .block_size = 2, .st_min = 0xF1, .len = 1000, .tick_us = us);
    }
}

Test(isotp, next_deadline_is_enough_to_run_it)
{
    struct isotp tp;
    struct isotp_config c = classic();
    uint8_t rx[64], data[20] = {0};
    struct bus_frame f, fc;
    struct isotp_event ev;
    isotp_init(&tp, &c, rx, sizeof rx);
    cr_assert(eq(u64, isotp_next_deadline(&tp), ISOTP_NEVER));
    isotp_send(&tp, data, sizeof data, 500);
    EXPECT_WITHIN_MS(isotp_next_deadline(&tp), 0.5, 0, "a first frame, at once");
    isotp_output(&tp, 500, &f, &ev);
    EXPECT_WITHIN_MS(isotp_next_deadline(&tp), 1000.5, 0, "N_Bs");
    bus_frame_parse("7E8#300014", &fc);
    isotp_input(&tp, &fc, 600, &ev);
    EXPECT_WITHIN_MS(isotp_next_deadline(&tp), 0.6, 0, "a consecutive frame, at once");
    isotp_output(&tp, 600, &f, &ev);
    EXPECT_WITHIN_MS(isotp_next_deadline(&tp), 20.6, 0, "STmin 20 ms");
    isotp_output(&tp, 20600, &f, &ev);
    cr_assert(eq(u64, isotp_next_deadline(&tp), ISOTP_NEVER));
}

/* ---- a channel for peers with and without CAN FD ---- */

static struct isotp_config following(void)
{
    struct isotp_config c = fd(64);
    c.follow = true;
    return c;
}

Test(isotp, follows_the_format_of_the_last_frame)
{
    PLAY(following(), 100, "send 8", "out 7E0##500080001*", "sent", "in 7E8#03000102CCCCCCCC", "received 3",
         "send 7", "out 7E0#0700010203040506", "sent", "in 7E8##503000102CCCCCCCC", "received 3", "send 7",
         "out 7E0##50700010203040506", "sent");
}

Test(isotp, a_long_answer_in_classic_frames_and_its_flow_control)
{
    PLAY(following(), 100, "in 7E8#100A000102030405", "out 7E0#300000CCCCCCCCCC", "in 7E8#2106070809CCCCCC",
         "received 10", "send 10", "out 7E0#100A000102030405", "quiet", "in 7E8#300000CCCCCCCCCC",
         "out 7E0#2106070809CCCCCC", "sent");
}

/* The format of a message is that of its first frame: another request in between changes nothing in it. */
Test(isotp, a_message_under_way_keeps_its_format)
{
    PLAY(following(), 100, "send 70", "out 7E0##51046*/64", "in 7E8#0100", "received 1",
         "in 7E8##5300000CCCCCCCCCC", "out 7E0##521*/12", "sent", "send 7", "out 7E0#0700010203040506",
         "sent");
}

Test(isotp, following_needs_can_fd)
{
    struct isotp tp;
    uint8_t buf[8];
    struct isotp_config c = classic();
    c.follow = true;
    cr_assert(eq(int, isotp_init(&tp, &c, buf, sizeof buf), ERR_BAD_ARGUMENT));
}

/* On the identifier of many only single frames mean anything. */
Test(isotp, single_frames_to_many)
{
    static const struct {
        const char *frame;
        int len; /* of the message; 0: ignored */
    } rows[] = {
        {"7DF#023E80CCCCCCCCCC", 2},
        {"7DF#023E80", 2},
        {"7DF##5023E80CCCCCCCCCC", 2},
        {"7DF##500080102030405060708CCCC", 8},
        {"7DF#00CCCCCCCCCCCCCC", 0},      /* SF_DL 0 */
        {"7DF#083E80CCCCCCCCCC", 0},      /* longer than the frame */
        {"7DF#1014010203040506", 0},      /* first frame */
        {"7DF#2101020304050607", 0},      /* consecutive frame */
        {"7DF#300000CCCCCCCCCC", 0},      /* flow control */
        {"7DE#023E80CCCCCCCCCC", 0},      /* another identifier */
        {"7E8#023E80CCCCCCCCCC", 0},      /* the channel's own is not meant here */
        {"000007DF#023E80CCCCCCCCCC", 0}, /* 29 bits */
        {"7DF#R8", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct isotp_player p;
        struct isotp_config c = following();
        struct bus_frame f;
        struct span message = {0};
        isotp_player_open(&p, rows[i].frame, &c, 100);
        isotp_player_line(&p, "in 7E8#100A000102030405");
        isotp_player_line(&p, "out 7E0#300000CCCCCCCCCC");
        ASSERT_OK(bus_frame_parse(rows[i].frame, &f));
        cr_expect(eq(int, isotp_input_to_many(&p.tp, 0x7DF, &f, &message), rows[i].len != 0), "%s",
                  rows[i].frame);
        cr_expect(eq(sz, message.len, (size_t)rows[i].len), "%s", rows[i].frame);
        cr_expect(isotp_receiving(&p.tp), "what arrives on the channel goes on");
        isotp_player_line(&p, "quiet");
        isotp_player_line(&p, "in 7E8#2106070809CCCCCC");
        isotp_player_line(&p, "received 10");
        cr_expect(not(isotp_receiving(&p.tp)));
        isotp_player_close(&p);
    }
}
