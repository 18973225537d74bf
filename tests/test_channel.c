/* Secure messaging of framework and applet, to the byte of the vectors. */
#include "lib/ccc/channel.h"
#include "tests/ccc_vectors.h"
#include "tests/check.h"
#include "tests/support.h"

struct ends {
    struct channel vehicle, device;
};

static struct ends open_ends(const struct channel_rules *rules, const char *kenc, const char *kmac,
                             const char *krmac)
{
    struct ends e;
    HEX(a, kenc);
    HEX(b, kmac);
    HEX(d, krmac);
    channel_open(&e.vehicle, rules, a, b, d);
    channel_open(&e.device, rules, a, b, d);
    return e;
}

/* One command and its answer through both ends; bytes as in the vector. */
static void answer_is(struct ends *e, struct span answer, uint16_t sw, const char *rapdu)
{
    uint8_t buf[300], plain[256];
    size_t len;
    struct span body;
    uint16_t got_sw;
    struct wr w = wr_of(buf, sizeof buf);
    cr_assert(eq(int, channel_wrap_response(test_crypto(), &e->device, answer, sw, &w), ERR_OK));
    if (rapdu)
        expect_hex(span_of(buf, w.len), rapdu, "R-APDU");
    cr_assert(eq(int, apdu_response_parse(span_of(buf, w.len), &body, &got_sw), ERR_OK));
    cr_assert(
        eq(int, channel_unwrap_response(test_crypto(), &e->vehicle, body, got_sw, plain, &len), ERR_OK));
    cr_assert(span_equal(span_of(plain, len), answer));
}

static void exchange(struct ends *e, uint8_t ins, uint8_t p1, struct span data, const char *capdu,
                     struct span answer, uint16_t sw, const char *rapdu)
{
    uint8_t buf[300], plain[256];
    size_t len;
    struct apdu_command cmd;
    struct wr w = wr_of(buf, sizeof buf);
    cr_assert(eq(int, channel_wrap_command(test_crypto(), &e->vehicle, ins, p1, 0, data, &w), ERR_OK));
    if (capdu)
        expect_hex(span_of(buf, w.len), capdu, "C-APDU");
    cr_assert(eq(int, apdu_command_parse(span_of(buf, w.len), &cmd), ERR_OK));
    cr_assert(eq(int, channel_unwrap_command(test_crypto(), &e->device, &cmd, plain, &len), ERR_OK));
    cr_assert(span_equal(span_of(plain, len), data));
    answer_is(e, answer, sw, rapdu);
}

Test(channel, framework_vector)
{
    struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
    uint8_t object[300];
    for (size_t i = 0; i < sizeof object; i++)
        object[i] = (uint8_t)i;
    exchange(&e, APDU_WRITE_DATA, 0x80, span_of("\x5f\x5f\x00", 3), V3_C1, span_of("", 0), 0x9000, V3_R1);
    exchange(&e, APDU_GET_DATA, 0, span_of("\x7f\x20", 2), V3_C2, span_of(object, 239), 0x613D, V3_R2);
    cr_assert(eq(int, channel_continue(test_crypto(), &e.vehicle), ERR_OK));
    cr_assert(eq(int, channel_continue(test_crypto(), &e.device), ERR_OK));
    answer_is(&e, span_of(object + 239, 61), 0x9000, V3_R3);
}

Test(channel, applet_vector)
{
    struct ends e = open_ends(&channel_applet, V4_KENC, V4_KMAC, V4_KRMAC);
    HEX(plain, V4_AUTH1P);
    uint8_t buf[300], got[256];
    size_t len;
    struct wr w = wr_of(buf, sizeof buf);
    /* AUTH1 travels plain; its response is the first thing protected, with counter 00 */
    cr_assert(eq(int, channel_wrap_response(test_crypto(), &e.device, span_of(plain, plain_len), 0x9000, &w),
                 ERR_OK));
    expect_hex(span_of(buf, w.len), V4_AUTH1R, "AUTH1 response");
    cr_assert(eq(
        int, channel_unwrap_response(test_crypto(), &e.vehicle, span_of(buf, w.len - 2), 0x9000, got, &len),
        ERR_OK));
    cr_assert(span_equal(span_of(got, len), span_of(plain, plain_len)));
    exchange(&e, APDU_EXCHANGE, 0, span_of("\x00\x87\x03\x00\x00\x02", 6), V4_XC, span_of("\x09\x00", 2),
             0x9000, V4_XR);
}

Test(channel, no_changed_byte_is_accepted_and_the_keys_are_gone)
{
    for (size_t at = 0; at < 30; at++) {
        struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
        HEX(in, V3_C1);
        struct apdu_command cmd;
        uint8_t plain[256];
        size_t len;
        if (at >= in_len - 1 || at == 4)
            continue; /* Le is not protected; Lc would be another APDU */
        in[at] ^= 0x01;
        cr_assert(eq(int, apdu_command_parse(span_of(in, in_len), &cmd), ERR_OK));
        cr_expect(eq(int, channel_unwrap_command(test_crypto(), &e.device, &cmd, plain, &len),
                     ERR_SIGNATURE_INVALID),
                  "byte %zu", at);
        cr_expect(is_wiped(&e.device, sizeof e.device));
        cr_expect(
            eq(int, channel_unwrap_command(test_crypto(), &e.device, &cmd, plain, &len), ERR_LINK_DOWN));
    }
}

Test(channel, status_word_is_covered_by_the_framework_only)
{
    struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
    uint8_t buf[300], plain[256];
    size_t len;
    struct wr w = wr_of(buf, sizeof buf);
    channel_wrap_response(test_crypto(), &e.device, span_of("x", 1), 0x9000, &w);
    cr_expect(eq(
        int, channel_unwrap_response(test_crypto(), &e.vehicle, span_of(buf, w.len - 2), 0x6101, plain, &len),
        ERR_SIGNATURE_INVALID));
    e = open_ends(&channel_applet, V1_KENC, V1_KMAC, V1_KRMAC);
    w = wr_of(buf, sizeof buf);
    channel_wrap_response(test_crypto(), &e.device, span_of("x", 1), 0x9000, &w);
    cr_expect(eq(
        int, channel_unwrap_response(test_crypto(), &e.vehicle, span_of(buf, w.len - 2), 0x6101, plain, &len),
        ERR_OK));
}

static const struct {
    const char *what, *block; /* plaintext blocks as they are encrypted */
    size_t cut;               /* bytes of ciphertext that do not travel */
    enum err e;
} paddings[] = {
    {"right", "AABB8000000000000000000000000000", 0, ERR_OK},
    {"one byte of padding", "AABBAABBAABBAABBAABBAABBAABBAA80", 0, ERR_OK},
    {"a whole block of padding", "AABBAABBAABBAABBAABBAABBAABBAABB80000000000000000000000000000000", 0,
     ERR_OK},
    {"more than a block", "AABBAABBAABBAABBAABBAABBAABBAA8000000000000000000000000000000000", 0,
     ERR_MSG_MALFORMED},
    {"none", "AABBAABBAABBAABBAABBAABBAABBAABB", 0, ERR_MSG_MALFORMED},
    {"zeros only", "00000000000000000000000000000000", 0, ERR_MSG_MALFORMED},
    {"another mark", "AABB0100000000000000000000000000", 0, ERR_MSG_MALFORMED},
    {"half a block", "AABB8000000000000000000000000000", 8, ERR_MSG_MALFORMED},
};

/* What the holder of the keys can send: a right MAC over anything. */
Test(channel, padding_is_checked_after_the_mac)
{
    struct crypto *c = test_crypto();
    for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
        struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
        HEX(block, paddings[i].block);
        uint8_t data[64], icv[CCC_BLOCK], mac[CCC_BLOCK], plain[256], counter[CCC_BLOCK] = {[15] = 1};
        size_t n = block_len - paddings[i].cut, len;
        cr_assert(eq(int, ccc_ecb_block(c, e.vehicle.kenc, counter, icv), ERR_OK));
        cr_assert(eq(int, ccc_cbc(c, true, e.vehicle.kenc, icv, block, block_len, data), ERR_OK));
        const uint8_t header[5] = {APDU_CLA_SECURE, APDU_WRITE_DATA, 0, 0, (uint8_t)(n + CHANNEL_MAC)};
        const struct span parts[] = {{e.vehicle.mcv, CCC_BLOCK}, {header, 5}, {data, n}};
        cr_assert(eq(int, ccc_cmac(c, e.vehicle.kmac, parts, 3, mac), ERR_OK));
        memcpy(data + n, mac, CHANNEL_MAC);
        const struct apdu_command cmd = {
            APDU_CLA_SECURE, APDU_WRITE_DATA, 0, 0, {data, n + CHANNEL_MAC}, true};
        enum err got = channel_unwrap_command(c, &e.device, &cmd, plain, &len);
        cr_expect(eq(int, (int)got, (int)paddings[i].e), "%s: %s", paddings[i].what, err_name(got));
        cr_expect(eq(int, e.device.open, got == ERR_OK), "%s", paddings[i].what);
    }
    struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
    const struct apdu_command no_mac = {APDU_CLA_SECURE, APDU_WRITE_DATA, 0, 0, {e.vehicle.kmac, 7}, true};
    uint8_t plain[256];
    size_t len;
    cr_expect(eq(int, channel_unwrap_command(c, &e.device, &no_mac, plain, &len), ERR_TRUNCATED));
    cr_expect(eq(int, channel_unwrap_command(c, &e.device, &no_mac, plain, &len), ERR_LINK_DOWN));
}

Test(channel, counter_is_used_up_after_ff)
{
    struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
    uint8_t buf[300];
    for (int i = 1; i <= 255; i++)
        exchange(&e, APDU_WRITE_DATA, 0, span_of("x", 1), NULL, span_of("", 0), 0x9000, NULL);
    struct wr w = wr_of(buf, sizeof buf);
    cr_expect(eq(int,
                 channel_wrap_command(test_crypto(), &e.vehicle, APDU_WRITE_DATA, 0, 0, span_of("x", 1), &w),
                 ERR_MSG_OUT_OF_ORDER));
    cr_expect(is_wiped(&e.vehicle, sizeof e.vehicle));
}

Test(channel, sizes_up_to_the_limit)
{
    uint8_t data[240], buf[300];
    memset(data, 0x80, sizeof data); /* looks like padding */
    for (size_t n = 0; n <= CHANNEL_PLAIN_MAX; n++) {
        struct ends e = open_ends(&channel_applet_fast, V1_KENC, V1_KMAC, V1_KRMAC);
        exchange(&e, APDU_EXCHANGE, 0, span_of(data, n), NULL, span_of(data, n), 0x9000, NULL);
    }
    struct ends e = open_ends(&channel_framework, V1_KENC, V1_KMAC, V1_KRMAC);
    struct wr w = wr_of(buf, sizeof buf);
    cr_expect(eq(
        int, channel_wrap_command(test_crypto(), &e.vehicle, APDU_WRITE_DATA, 0, 0, span_of(data, 240), &w),
        ERR_BAD_ARGUMENT));
    cr_expect(e.vehicle.open, "a caller's mistake does not close it");
}
