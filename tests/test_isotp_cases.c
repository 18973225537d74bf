/* The ISO-TP cases of two other projects, as our own tables: each row names the case it answers to.
 *
 *   zephyr    tests/subsys/canbus/isotp/conformance/src/main.c of the Zephyr Project
 *   python    test/test_transport_layer_logic.py of python-can-isotp, in test_isotp_python.c
 *   decoding  class TestPDUDecoding of test/test_protocol.py, the same project
 *
 * Where we do otherwise than the case, `otherwise` says why. Lines are those of tests/isotp_player.h, several
 * of them apart by "; "; ms is virtual time since the row began.
 *
 * Cases without a row, and why:
 *
 * - zephyr, mode_check: a controller without CAN FD; ours is told its format.
 *
 * - python, listen_mode: there are no listeners, who receives answers.
 *
 * - python, test_receive_first_frame_rxdl_too_small: 11 bytes are no length of CAN FD, refused with the
 * frame.
 *
 * - python, wftmax_0 (two): 0 means no limit of the sender here, as in the standard.
 *
 * - python, test_override_receiver_stmin_0: the receiver's STmin is always kept.
 *
 * - python, min_length (five): frames are never longer than they must be (9.6.2).
 *
 * - python, rate_limited (two): pace is the bus's and the gateway's business.
 *
 * - python, test_params_bad_values: tests/test_isotp.c, configurations_refused and arguments.
 *
 * - python, blocking reads, threads, sockets, queues of messages: nothing here blocks, one message at a time.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/isotp_player.h"

/* ---- Zephyr ---- */

static const struct isotp_row zephyr[] = {
    {"test_send_sf", .steps = {{0, "send 7", "out 011#0700010203040506; sent; quiet"}}},
    {"test_receive_sf",
     .steps = {{0, "in 010#0700010203040506", "received 7"}, {0, "in 010#0800010203040506", "nothing"}}},
    {"test_receive_sf with padding required", .given = {.rx_padding = ISOTP_RX_PADDED},
     .steps = {{0, "in 010#0700010203040506", "received 7"},
               {0, "in 010#07000102030405", "nothing"},
               {0, "in 010#06000102030405", "nothing"}}},
    {"test_send_sf_ext", .given = {.address_byte = true},
     .steps = {{0, "send 6", "out 011#0506000102030405; sent"}}},
    {"test_receive_sf_ext", .given = {.address_byte = true},
     .steps = {{0, "in 010#0506000102030405", "received 6"}, {0, "in 010#0507000102030405", "nothing"}}},
    {"test_receive_sf_ext with padding required",
     .given = {.address_byte = true, .rx_padding = ISOTP_RX_PADDED},
     .steps = {{0, "in 010#05050001020304", "nothing"}, {0, "in 010#0506000102030405", "received 6"}}},
    {"test_send_sf_fixed", .given = {.extended_ids = true},
     .steps = {{0, "send 7", "out 18DA0201#0700010203040506; sent"}}},
    {"test_receive_sf_fixed", .given = {.extended_ids = true},
     .steps = {{0, "in 18DA0102#0700010203040506", "received 7"},
               {0, "in 18DAFF02#0700010203040506", "nothing"},
               {0, "in 18DA01FF#0700010203040506", "nothing"}},
     .otherwise = "one pair of identifiers is one peer: another source address is another channel"},
    {"test_send_data", .steps = {{0, "send 272", "out 011#1110000102030405; quiet"},
                                 {0, "in 010#300000", "cf 38; sent; quiet"}}},
    {"test_send_data_blocks", .steps = {{0, "send 272", "out 011#1110000102030405"},
                                        {0, "in 010#300800", "cf 8; quiet"},
                                        {50, "in 010#300200", "cf 2; quiet"},
                                        {100, "in 010#300000", "cf 28; sent; quiet"}}},
    {"test_receive_data",
     .steps = {{0, "message 272 8; first", "out 011#300000; quiet"}, {0, "next all", "received 272; quiet"}}},
    {"test_receive_data_blocks", .given = {.block_size = 8},
     .steps = {{0, "message 272 8; first", "out 011#300800"},
               {0, "next 8", "out 011#300800; quiet"},
               {0, "next 8", "out 011#300800"},
               {0, "next 8", "out 011#300800"},
               {0, "next 8", "out 011#300800"},
               {0, "next all", "received 272; quiet"}}},
    {"test_send_timeouts, first flow control",
     .steps = {{0, "send 272", "out 011#11*"}, {999, "", "nothing"}, {1000, "", "txfail ISOTP_TIMEOUT_BS"}}},
    {"test_send_timeouts, second flow control", .steps = {{0, "send 272", "out 011#11*"},
                                                          {0, "in 010#300800", "cf 8; quiet"},
                                                          {999, "", "nothing"},
                                                          {1000, "", "txfail ISOTP_TIMEOUT_BS"}}},
    {"test_send_timeouts, begun anew by a frame", .steps = {{0, "send 272", "out 011#11*"},
                                                            {800, "in 010#310000", "quiet; nothing"},
                                                            {1799, "", "nothing"},
                                                            {1800, "", "txfail ISOTP_TIMEOUT_BS"}}},
    {"test_receive_timeouts", .given = {.block_size = 8},
     .steps = {{0, "message 272 8; first", "out 011#300800"},
               {999, "", "nothing"},
               {1000, "", "rxfail ISOTP_TIMEOUT_CR"}}},
    {"test_stmin", .steps = {{0, "send 34", "out 011#1022*"},
                             {0, "in 010#300205", "cf 1; quiet"},
                             {4.999, "", "quiet"},
                             {5, "", "cf 1; quiet"},
                             {5, "in 010#300232", "cf 1; quiet"},
                             {54.999, "", "quiet"},
                             {55, "", "cf 1; sent"}}},
    {"test_receiver_fc_errors", .given = {.block_size = 8},
     .steps = {{0, "message 272 8; first", "out 011#300800"},
               {0, "next 1", "nothing"},
               {0, "in 010#230D0E0F10111213", "rxfail ISOTP_WRONG_SN; quiet"},
               {0, "next 6", "nothing; quiet"}}},
    {"test_sender_fc_errors, invalid flow status",
     .steps = {{0, "send 272", "out 011#11*"}, {0, "in 010#330800", "txfail ISOTP_INVALID_FS; quiet"}}},
    {"test_sender_fc_errors, more than the receiver's buffer", .given = {.buffer = 128},
     .steps = {{0, "message 5120 8; first", "out 011#320000; quiet; nothing"}}},
    {"test_sender_fc_errors, overflow",
     .steps = {{0, "send 272", "out 011#11*"}, {0, "in 010#320000", "txfail ISOTP_BUFFER_OVERFLOW; quiet"}}},
    {"test_sender_fc_errors, WAIT beyond the sender's limit", .given = {.tx_wait_max = 10},
     .steps = {{0, "send 272", "out 011#11*"},
               {0, "in 010#310000; in 010#310000; in 010#310000; in 010#310000; in 010#310000", "nothing"},
               {0, "in 010#310000; in 010#310000; in 010#310000; in 010#310000; in 010#310000", "nothing"},
               {0, "in 010#310000", "txfail ISOTP_WFT_OVERRUN; quiet"}}},
};

Test(isotp_cases, zephyr)
{
    ISOTP_PLAY_ROWS(zephyr);
}

/* ---- python-can-isotp: decoding ---- */

static const struct isotp_row decoding[] = {
    {"test_decode_single_frame",
     .steps = {{0, "in 010#; in 010#00; in 010#01; in 010#0200", "nothing"},
               {0, "in 010#08; in 010#09; in 010#0A; in 010#0B; in 010#0C; in 010#0D; in 010#0E", "nothing"},
               {0, "in 010#0100", "received 1"},
               {0, "in 010#020001", "received 2"},
               {0, "in 010#0200010203", "received 2"},
               {0, "in 010#0700010203040506", "received 7"},
               {0, "in 010##4080001020304050607CCCCCC", "nothing"}}},
    {"test_decode_first_frame",
     .steps = {{0, "in 010#; in 010#10; in 010#1F; in 010#1002; in 010#100200", "nothing; quiet"},
               {0, "in 010#10020001; in 010#1002000102", "nothing; quiet"},
               {0, "in 010#1006000102030405; in 010#100A0001020304", "nothing; quiet"},
               {0, "in 010#100A000102030405", "out 011#300000"},
               {0, "in 010#1ABC000102030405", "rxfail ISOTP_UNEXPECTED_PDU; out 011#300000"}},
     .otherwise = "a length that a single frame would hold, and a CAN_DL below 8, are ignored (9.6.3)"},
    {"test_decode_consecutive_frame",
     .steps = {{0, "in 010#; in 010#20; in 010#2000; in 010#2A00010203040506", "nothing; quiet"},
               {0, "message 10 8; first", "out 011#300000"},
               {0, "in 010#21; in 010#2106", "nothing"},
               {0, "next all", "received 10"}}},
    {"test_decode_flow_control, incomplete", .steps = {{0, "send 10", "out 011#10*"},
                                                       {0, "in 010#30; in 010#3000", "quiet; nothing"},
                                                       {0, "in 010#300000", "cf all; sent"}}},
};

Test(isotp_cases, decoding)
{
    ISOTP_PLAY_ROWS(decoding);
}

Test(isotp_cases, decoding_reserved_flow_status)
{
    for (unsigned status = 3; status < 16; status++) {
        char line[90];
        struct isotp_player p;
        struct isotp_given g = {0};
        struct isotp_config c = isotp_given_config(&g);
        isotp_player_open(&p, "test_decode_flow_control, reserved status", &c, 100);
        snprintf(line, sizeof line, "send 10; out 011#10*; in 010#3%X0000; txfail ISOTP_INVALID_FS", status);
        isotp_player_lines(&p, line);
        isotp_player_close(&p);
    }
}

/* Reserved values are no error but the longest gap (9.6.5), which that project refuses. */
Test(isotp_cases, decoding_stmin)
{
    for (unsigned st_min = 0; st_min < 256; st_min++) {
        char line[90];
        struct isotp_player p;
        struct isotp_given g = {0};
        struct isotp_config c = isotp_given_config(&g);
        double gap_ms = st_min <= 0x7F                     ? st_min
                        : st_min >= 0xF1 && st_min <= 0xF9 ? (st_min - 0xF0) / 10.0
                                                           : 127;
        isotp_player_open(&p, "test_decode_flow_control, STmin", &c, 100);
        snprintf(line, sizeof line, "send 20; out 011#10*; in 010#3000%02X; cf 1", st_min);
        isotp_player_lines(&p, line);
        if (gap_ms > 0) {
            isotp_player_until(&p, gap_ms - 0.001);
            isotp_player_lines(&p, "quiet");
        }
        isotp_player_until(&p, gap_ms);
        isotp_player_lines(&p, "cf 1; sent");
        isotp_player_close(&p);
    }
}
