/* The cases of python-can-isotp's test/test_transport_layer_logic.py as our own tables;
 * tests/test_isotp_cases.c says which have no row, and why. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/isotp_player.h"

/* ---- python-can-isotp: receiving ---- */

static const struct isotp_row python_receives[] = {
    {"test_receive_single_sf", .steps = {{0, "in 010#050001020304", "received 5; quiet"}}},
    {"test_receive_multiple_sf", .steps = {{0, "in 010#050001020304", "received 5; nothing"},
                                           {1, "in 010#050001020304", "received 5; nothing"}}},
    {"test_receive_multiple_sf_single_process_call",
     .steps = {{0, "in 010#050001020304; in 010#0400010203", "received 5; received 4; nothing"}}},
    {"test_receive_multiframe", .steps = {{0, "in 010#100A000102030405", "out 011#300000"},
                                          {0, "in 010#2106070809", "received 10; nothing"}}},
    {"test_receive_2_multiframe", .steps = {{0, "message 10 8; first", "out 011#300000"},
                                            {0, "next all", "received 10"},
                                            {0, "first", "out 011#300000"},
                                            {0, "next all", "received 10; nothing"}}},
    {"test_receive_multiframe_check_flowcontrol", .given = {.block_size = 5, .st_min = 2},
     .steps = {{0, "message 10 8; first", "out 011#300502; nothing"}, {0, "next all", "received 10"}}},
    {"test_receive_overflow_handling", .given = {.buffer = 32},
     .steps = {{0, "message 33 8; first", "out 011#320000"},
               {0, "next 1", "nothing; quiet"},
               {0, "message 32 8; first", "out 011#300000"},
               {0, "next all", "received 32"}}},
    {"test_receive_overflow_handling_escape_sequence", .given = {.buffer = 4096},
     .steps = {{0, "in 010#1000000000210001", "quiet; nothing"},
               {0, "message 4097 8; first", "out 011#320000"},
               {0, "next 1", "nothing; quiet"},
               {0, "message 4096 8; first", "out 011#300000"},
               {0, "next all", "received 4096"}},
     .otherwise =
         "a first frame with the escape and FF_DL up to 4095 is ignored (9.6.3); sizes above it instead"},
    {"test_receive_multiframe_flowcontrol_padding",
     .given = {.block_size = 5, .st_min = 2, .padded = true, .pad_byte = 0x22},
     .steps = {{0, "message 10 8; first", "out 011#3005022222222222; nothing"},
               {0, "next all", "received 10"}}},
    {"test_long_multiframe_2_flow_control", .given = {.block_size = 3, .st_min = 5},
     .steps = {{0, "message 30 8; first", "out 011#300305"},
               {0, "next 1", "nothing"},
               {0, "next 1", "nothing"},
               {0, "next 1", "out 011#300305; nothing"},
               {0, "next 1", "received 30; nothing"}}},
    {"test_long_multiframe_blocksize_zero", .given = {.st_min = 5},
     .steps = {{0, "message 30 8; first", "out 011#300005"}, {0, "next all", "quiet; received 30"}}},
    {"test_receive_multiframe_bad_seqnum", .given = {.block_size = 1},
     .steps = {{0, "message 10 8; first", "out 011#300100"},
               {0, "in 010#2206070809", "rxfail ISOTP_WRONG_SN; quiet"}}},
    {"test_receive_timeout_consecutive_frame_after_flow_control", .given = {.n_cr_ms = 200},
     .steps = {{0, "message 10 8; first", "out 011#300000"},
               {199, "", "nothing"},
               {200, "", "rxfail ISOTP_TIMEOUT_CR"}}},
    {"test_receive_timeout_consecutive_frame_after_2nd_flow_control",
     .given = {.n_cr_ms = 200, .block_size = 2},
     .steps = {{0, "message 50 8; first", "out 011#300200"},
               {0, "next 2", "out 011#300200"},
               {199, "", "nothing"},
               {200, "", "rxfail ISOTP_TIMEOUT_CR"}}},
    {"test_receive_timeout_consecutive_frame_after_first_frame", .given = {.n_cr_ms = 200},
     .steps = {{0, "message 10 8; first", "out 011#300000"},
               {200, "", "rxfail ISOTP_TIMEOUT_CR"},
               {200, "next all", "nothing; quiet"}}},
    {"test_receive_recover_timeout_consecutive_frame", .given = {.n_cr_ms = 200},
     .steps = {{0, "message 10 8; first", "out 011#300000"},
               {200, "next all", "rxfail ISOTP_TIMEOUT_CR; nothing"},
               {200, "first", "out 011#300000"},
               {200, "next all", "received 10"}}},
    {"test_receive_multiframe_interrupting_another",
     .steps = {{0, "message 17 8; first", "out 011#300000"},
               {0, "message 10 8; first", "rxfail ISOTP_UNEXPECTED_PDU; out 011#300000"},
               {0, "next all", "received 10; nothing"}}},
    {"test_receive_single_frame_interrupt_multiframe_then_recover",
     .steps = {{0, "message 16 8; first", "out 011#300000"},
               {0, "next 1", "nothing"},
               {0, "in 010#050001020304", "received 5"},
               {0, "message 16 8; first", "out 011#300000"},
               {0, "next all", "received 16; nothing"}}},
    {"test_receive_4095_multiframe",
     .steps = {{0, "message 4095 8; first", "out 011#300000"}, {0, "next all", "received 4095"}}},
    {"test_receive_4096_multiframe",
     .steps = {{0, "message 4096 8; first", "out 011#300000"}, {0, "next all", "received 4096"}}},
    {"test_receive_10000_multiframe", .given = {.buffer = 11000},
     .steps = {{0, "message 10000 8; first", "out 011#300000"}, {0, "next all", "received 10000"}}},
    {"receive_invalid_can_message",
     .steps = {{0, "in 010#400000; in 010#500000; in 010#600000; in 010#700000; in 010#800000; in 010#900000",
                "nothing; quiet"},
               {0, "in 010#A00000; in 010#B00000; in 010#C00000; in 010#D00000; in 010#E00000; in 010#F00000",
                "nothing; quiet"}}},
    {"test_receive_can_fd_single_frame_12bytes_no_escape_sequence", .given = {.tx_dl = 12},
     .steps = {{0, "in 010##40B000102030405060708090A", "nothing"}}},
    {"test_receive_can_fd_single_frame_12bytes_escape_sequence", .given = {.tx_dl = 12},
     .steps = {{0, "in 010##4000A00010203040506070809", "received 10"}}},
    {"test_receive_can_fd_single_frame_16bytes_no_escape_sequence", .given = {.tx_dl = 16},
     .steps = {{0, "in 010##4050001020304CCCCCCCCCCCCCCCCCCCC", "nothing"}}},
    {"test_receive_can_fd_single_frame_16bytes_escape_sequence", .given = {.tx_dl = 16},
     .steps = {{0, "in 010##4000E000102030405060708090A0B0C0D", "received 14"}}},
    {"test_receive_can_fd_single_frame_48_bytes_escape_sequence", .given = {.tx_dl = 48},
     .steps =
         {{0,
           "in 010##4002E000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021222324252627"
           "28292A2B2C2D",
           "received 46"}}},
    {"test_receive_can_fd_single_frame_64_bytes_escape_sequence", .given = {.tx_dl = 64},
     .steps =
         {{0,
           "in 010##4003E000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021222324252627"
           "28292A2B2C2D2E2F303132333435363738393A3B3C3D",
           "received 62"}}},
    {"test_receive_can_fd_single_frame_64_bytes_padding", .given = {.tx_dl = 64},
     .steps =
         {{0,
           "in 010##4003C000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021222324252627"
           "28292A2B2C2D2E2F303132333435363738393A3BAABB",
           "received 60"}}},
    {"test_receive_can_fd_multiframe_12_bytes", .given = {.tx_dl = 12, .block_size = 4, .st_min = 5},
     .steps = {{0, "message 37 12; first", "out 011##4300405"}, {0, "next 3", "received 37; quiet"}}},
    {"test_receive_can_fd_multiframe_32_bytes", .given = {.tx_dl = 32, .block_size = 4, .st_min = 5},
     .steps = {{0, "message 100 32; first", "out 011##4300405"}, {0, "next 3", "received 100; quiet"}}},
    {"test_receive_can_fd_multiframe_64_bytes_escape_sequence",
     .given = {.tx_dl = 64, .block_size = 2, .st_min = 5, .buffer = 9000},
     .steps = {{0, "message 4096 64; first", "out 011##4300205"},
               {0, "next 2", "out 011##4300205"},
               {0, "next 2", "out 011##4300205"}},
     .otherwise = "288 bytes do not need the escape and are ignored with it (9.6.3); 4096 instead"},
    {"test_receive_can_fd_ignore_changing_rxdl", .given = {.tx_dl = 32, .block_size = 4, .st_min = 5},
     .steps = {{0, "message 100 32; first", "out 011##4300405"},
               {0, "next 1", "nothing"},
               {0, "in 010##4223D3E3F404142434445464748494A4B4C4D4E4F", "nothing"},
               {0, "in 010##423505152535455565758595A5B5C5D5E5F60616263CCCCCCCCCCCCCCCCCCCCCC",
                "rxfail ISOTP_WRONG_SN"}}},
    {"test_receive_first_frame_rxdl_too_small_but_ok",
     .steps = {{0, "in 010#10140001020304", "nothing; quiet"}},
     .otherwise = "a first frame fills its CAN_DL of 8 or more; a shorter one is ignored (9.6.3)"},
};

Test(isotp_cases, python_receives)
{
    ISOTP_PLAY_ROWS(python_receives);
}

Test(isotp_cases, python_receives_every_block_size)
{
    for (uint8_t bs = 1; bs < 10; bs++) {
        struct isotp_player p;
        char line[40];
        unsigned left = 585; /* consecutive frames of 4095 bytes */
        struct isotp_given g = {.block_size = bs, .st_min = 2};
        struct isotp_config c = isotp_given_config(&g);
        isotp_player_open(&p, "test_receive_4095_multiframe_check_blocksize", &c, 5000);
        isotp_player_lines(&p, "message 4095 8; first");
        for (; left; left -= left < bs ? left : bs) {
            snprintf(line, sizeof line, "out 011#30%02X02; quiet; nothing; next %u", bs, bs);
            isotp_player_lines(&p, line);
        }
        isotp_player_lines(&p, "received 4095; quiet");
        isotp_player_close(&p);
    }
}

/* ---- python-can-isotp: sending ---- */

static const struct isotp_row python_sends[] = {
    {"test_send_single_frame", .steps = {{0, "send 1", "out 011#0100; sent"},
                                         {0, "send 2", "out 011#020001; sent"},
                                         {0, "send 6", "out 011#06000102030405; sent; quiet"}}},
    {"test_padding_single_frame", .given = {.padded = true, .pad_byte = 0xAA},
     .steps = {{0, "send 1", "out 011#0100AAAAAAAAAAAA; sent"},
               {0, "send 6", "out 011#06000102030405AA; sent"}}},
    {"test_send_multiple_single_frame_one_process",
     .steps = {{0, "send 1", "out 011#0100; sent"}, {0, "send 7", "out 011#0700010203040506; sent"}}},
    {"test_send_small_multiframe", .steps = {{0, "send 10", "out 011#100A000102030405; quiet"},
                                             {0, "in 010#300800", "out 011#2106070809; sent; quiet"}}},
    {"test_padding_multi_frame", .given = {.padded = true, .pad_byte = 0x55},
     .steps = {{0, "send 10", "out 011#100A000102030405; quiet"},
               {0, "in 010#300800", "out 011#2106070809555555; sent; quiet"}}},
    {"test_send_2_small_multiframe", .steps = {{0, "send 10", "out 011#100A000102030405; quiet"},
                                               {0, "in 010#300800", "out 011#2106070809; sent; quiet"},
                                               {0, "send 10", "out 011#100A000102030405; quiet"},
                                               {0, "in 010#300800", "out 011#2106070809; sent; quiet"}}},
    {"test_send_multiframe_flow_control_timeout", .given = {.n_bs_ms = 200},
     .steps = {{0, "send 10", "out 011#10*; quiet"},
               {199, "", "nothing"},
               {200, "", "txfail ISOTP_TIMEOUT_BS; quiet"}}},
    {"test_send_multiframe_flow_control_timeout_recover", .given = {.n_bs_ms = 200},
     .steps = {{0, "send 10", "out 011#10*"},
               {200, "", "txfail ISOTP_TIMEOUT_BS"},
               {200, "send 10", "out 011#10*"},
               {200, "in 010#300800", "cf all; sent"}}},
    {"test_send_unexpected_flow_control", .steps = {{0, "in 010#300864", "quiet; nothing"}}},
    {"test_send_respect_overflow", .steps = {{0, "send 48", "out 011#1030*; quiet"},
                                             {0, "in 010#320800", "txfail ISOTP_BUFFER_OVERFLOW; quiet"}}},
    {"test_send_respect_wait_frame", .given = {.tx_wait_max = 15, .n_bs_ms = 500},
     .steps = {{0, "send 20", "out 011#1014*"},
               {200, "in 010#310100", "quiet; nothing"},
               {600, "in 010#310100", "quiet; nothing"},
               {1000, "in 010#300100", "cf 1; quiet"},
               {1200, "in 010#310100", "quiet"},
               {1600, "in 010#310100", "quiet"},
               {2000, "in 010#300100", "cf 1; sent"}}},
    {"test_send_respect_wait_frame_but_timeout", .given = {.tx_wait_max = 15, .n_bs_ms = 500},
     .steps = {{0, "send 20", "out 011#1014*"},
               {200, "in 010#310100", "quiet"},
               {400, "in 010#310100", "quiet"},
               {900, "", "txfail ISOTP_TIMEOUT_BS"},
               {900, "in 010#300100", "quiet; nothing"}}},
    {"test_send_wait_frame_after_first_frame_reach_max", .given = {.tx_wait_max = 5},
     .steps = {{0, "send 20", "out 011#1014*"},
               {0, "in 010#310100; in 010#310100; in 010#310100; in 010#310100; in 010#310100", "nothing"},
               {0, "in 010#310100", "txfail ISOTP_WFT_OVERRUN"},
               {0, "in 010#300100", "quiet; nothing"}}},
    {"test_send_wait_frame_after_conscutive_frame_reach_max", .given = {.tx_wait_max = 5},
     .steps = {{0, "send 20", "out 011#1014*"},
               {0, "in 010#300100", "cf 1; quiet"},
               {0, "in 010#310100; in 010#310100; in 010#310100; in 010#310100; in 010#310100", "nothing"},
               {0, "in 010#310100", "txfail ISOTP_WFT_OVERRUN"},
               {0, "in 010#300100", "quiet; nothing"}}},
    {"test_stmin_requirement",
     .steps = {{0, "send 30", "out 011#101E*"},
               {0, "in 010#300364", "cf 1; quiet"},
               {99.999, "", "quiet"},
               {100, "", "cf 1; quiet"},
               {199.999, "", "quiet"},
               {200, "", "cf 1; quiet"},
               {200, "in 010#300364", "cf 1; sent"}},
     .otherwise =
         "STmin stands between consecutive frames: the first after a flow control may go at once (9.6.5)"},
    {"test_send_nothing_with_empty_payload", .steps = {{0, "refused 0", "quiet; nothing"}}},
    {"test_send_single_frame_after_empty_payload",
     .steps = {{0, "refused 0; send 1", "out 011#0100; sent"}, {0, "refused 0", "quiet"}}},
    {"test_send_blocksize_zero",
     .steps = {{0, "send 4095", "out 011#1FFF000102030405"}, {0, "in 010#300000", "cf 585; sent; quiet"}}},
    {"test_send_10000_bytes_payload",
     .steps = {{0, "send 10000", "out 011#1000000027100001"}, {0, "in 010#300000", "cf all; sent; quiet"}}},
    {"test_send_4096_bytes_payload",
     .steps = {{0, "send 4096", "out 011#1000000010000001"}, {0, "in 010#300000", "cf all; sent; quiet"}}},
    {"test_transmit_single_frame_txdl_12_bytes", .given = {.tx_dl = 12},
     .steps = {{0, "send 10", "out 011##4000A00010203040506070809; sent"}}},
    {"test_transmit_single_frame_txdl_12_bytes_default_padding", .given = {.tx_dl = 12},
     .steps = {{0, "send 9", "out 011##40009000102030405060708CC; sent"}}},
    {"test_transmit_single_frame_txdl_16_bytes_padding",
     .given = {.tx_dl = 16, .padded = true, .pad_byte = 0xAA},
     .steps = {{0, "send 10", "out 011##4000A00010203040506070809; sent"}}},
    {"test_transmit_single_frame_txdl_64_bytes_default_padding", .given = {.tx_dl = 64},
     .steps = {{0, "send 55", "out 011##40037000102*/64; sent"}}},
    {"test_transmit_single_frame_txdl_64_bytes_small_payload", .given = {.tx_dl = 64},
     .steps = {{0, "send 16", "out 011##40010000102030405060708090A0B0C0D0E0FCCCC; sent"}}},
    {"test_transmit_single_frame_txdl_8_no_min_length", .given = {.padded = true, .pad_byte = 0xAA},
     .steps = {{0, "send 3", "out 011#03000102AAAAAAAA; sent"}}},
    {"test_transmit_is_fd_property", .given = {.fd_8 = true},
     .steps = {{0, "send 5", "out 011##4050001020304; sent"}}},
    {"test_send_10000_bytes_payload_no_txdl_can_fd", .given = {.tx_dl = 64},
     .steps = {{0, "send 10000", "out 011##4100000002710000102*/64"}, {0, "in 010#300000", "cf all; sent"}}},
    {"test_send_can_fd_multiframe_txdl_32", .given = {.tx_dl = 32},
     .steps = {{0, "send 100", "out 011##41064000102*/32"},
               {0, "in 010#300000", "cf 2; out 011##4235C5D5E5F60616263CCCCCC; sent; quiet"}}},
};

Test(isotp_cases, python_sends)
{
    ISOTP_PLAY_ROWS(python_sends);
}

static void send_in_blocks(const char *source, uint8_t tx_dl, uint32_t len, unsigned block)
{
    struct isotp_player p;
    char line[60];
    struct isotp_given g = {.tx_dl = tx_dl};
    struct isotp_config c = isotp_given_config(&g);
    isotp_player_open(&p, source, &c, 100);
    snprintf(line, sizeof line, "send %u; out 011#%s1*", len, tx_dl ? "#4" : "");
    isotp_player_lines(&p, line);
    while (isotp_sending(&p.tp)) {
        uint32_t room = c.tx_dl - 1u, frames = (len - p.tp.tx.done + room - 1) / room;
        snprintf(line, sizeof line, "quiet; in 010#30%02X00; cf %u", block,
                 block && block < frames ? block : frames);
        isotp_player_lines(&p, line);
    }
    isotp_player_lines(&p, "sent; quiet");
    isotp_player_close(&p);
}

Test(isotp_cases, python_sends_every_block_size)
{
    send_in_blocks("test_send_4095_multiframe_zero_stmin", 0, 4095, 5);
    for (unsigned bs = 1; bs < 8; bs++)
        send_in_blocks("test_send_128_multiframe_variable_blocksize", 0, 128, bs);
}

Test(isotp_cases, python_sends_lengths_next_to_a_dlc_step)
{
    static const uint16_t sizes[] = {63,  64,  65,  123, 124, 125, 126, 134, 135, 136, 137,  140,  141,
                                     144, 145, 148, 149, 156, 157, 173, 174, 188, 189, 2048, 2078, 2079};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        send_in_blocks("test_canfd_multiframe_boundary_txdl_64", 64, sizes[i], 0);
}

Test(isotp_cases, python_sends_single_frames_that_fill_each_tx_dl)
{
    static const uint8_t dls[] = {8, 12, 16, 20, 24, 32, 48, 64};
    for (size_t i = 0; i < sizeof dls; i++) {
        struct isotp_player p;
        char line[80];
        unsigned dl = dls[i], len = dl == 8 ? 7 : dl - 2;
        struct isotp_given g = {.tx_dl = dls[i]};
        struct isotp_config c = isotp_given_config(&g);
        isotp_player_open(&p, "test_can_fd_singleframe_tx_dl", &c, 100);
        snprintf(line, sizeof line,
                 dl == 8 ? "send %u; out 011##4%02X0001*/%u; sent"
                         : "send %u; out 011##400%02X0001*/%u; sent",
                 len, len, dl);
        isotp_player_lines(&p, line);
        isotp_player_close(&p);
    }
}
