/* The Digital Key protocol, part by part, to the byte of the vectors. */
#include "lib/ccc/apdu.h"
#include "lib/ccc/channel.h"
#include "lib/ccc/dk_message.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/spake2p.h"
#include "lib/ccc/tlv.h"
#include "lib/ccc/transaction.h"
#include "lib/ccc/vehicle/first_approach.h"
#include "tests/ccc_vectors.h"
#include "tests/check.h"
#include "tests/support.h"

/* ---- TLV ---- */

static const struct {
    const char *name, *hex;
    bool good;
} tlvs[] = {
    {"empty", "", true},
    {"one byte tag", "5B020100", true},
    {"two byte tag", "7F500101", true},
    {"long form 81", NULL, true},
    {"tag cut", "7F", false},
    {"length missing", "5B", false},
    {"value cut", "5B0201", false},
    {"length not minimal", "5B81020100", false},
    {"length of 3 bytes", "5B83000001AA", false},
    {"indefinite", "5B800000", false},
    {"three byte tag", "7F818101AA", false},
    {"two byte tag that fits one", "7F1001AA", false},
};

Test(tlv, syntax)
{
    for (size_t i = 0; i < sizeof tlvs / sizeof tlvs[0]; i++) {
        uint8_t in[300] = {0x5B, 0x81, 0x80};
        size_t len = tlvs[i].hex ? unhex(tlvs[i].hex, in, sizeof in) : 3 + 0x80;
        cr_expect(eq(int, tlv_well_formed(span_of(in, len)), tlvs[i].good), "%s", tlvs[i].name);
    }
}

Test(tlv, finds_skips_and_measures)
{
    HEX(in, "50015B5B0201007F5002C000");
    struct tlv t;
    struct span v;
    cr_assert(eq(int, tlv_find(span_of(in, in_len), 0x7F50, &t), ERR_OK));
    cr_assert(eq(sz, t.whole.len, 5));
    cr_assert(eq(int, tlv_find_exact(t.value, 0xC0, 0, &v), ERR_OK));
    cr_assert(eq(int, tlv_find(span_of(in, in_len), 0x5C, &t), ERR_NOT_FOUND));
    cr_assert(eq(int, tlv_find_exact(span_of(in, in_len), 0x5B, 3, &v), ERR_BAD_ARGUMENT));
    cr_assert(eq(int, tlv_find(span_of(in, in_len - 1), 0x5C, &t), ERR_TRUNCATED));
}

Test(tlv, builder_is_bounded_and_read_back)
{
    static const size_t sizes[] = {0, 1, 127, 128, 255, 256, 300};
    uint8_t buf[320], value[300] = {7};
    struct tlv t;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct wr w = wr_of(buf, sizeof buf);
        tlv_put(&w, 0x7F49, span_of(value, sizes[i]));
        cr_assert(not(w.failed));
        cr_expect(eq(int, tlv_find(span_of(buf, w.len), 0x7F49, &t), ERR_OK));
        cr_expect(eq(sz, t.value.len, sizes[i]));
        w = wr_of(buf, sizes[i] + 2);
        tlv_put(&w, 0x7F49, span_of(value, sizes[i]));
        cr_expect(w.failed);
    }
}

/* ---- APDU ---- */

static const struct {
    const char *hex, *line;
} commands[] = {
    {V1_SELECT, "SELECT framework 00 A4 04 00, 13 bytes"},
    {V1_REQUEST, "SPAKE2+ REQUEST 80 30 00 00, 49 bytes: 5B SPAKE2+ version (2), 5C applet versions (4), "
                 "7F50 scrypt (32), D6 brand (2)"},
    {V1_VERIFY, "SPAKE2+ VERIFY 80 32 00 00, 85 bytes: 52 Y (65), 57 evidence M[1] (16)"},
    {V3_C1, "WRITE DATA 84 D4 80 00, last piece, 24 bytes"},
    {V4_AUTH0, "AUTH0 80 80 04 07, standard, pairing phase 3, EXCHANGE follows, 99 bytes: 5C applet version "
               "(2), 87 vehicle_ePK (65), "
               "4C transaction identifier (16), 4D vehicle identifier (8)"},
    {"803C0107", "CONTROL FLOW 80 3C 01 07, transaction ok"},
    {"803C1209", "OP CONTROL FLOW 80 3C 12 09, abort: device evidence wrong"},
    {"8099000000", "unknown command 80 99 00 00, 0 bytes"},
    {"00A404000DA000000809434343444B41763100", "SELECT applet 00 A4 04 00, 13 bytes"},
    {"80800100", "AUTH0 80 80 01 00, 0 bytes"},
    {"80810000029A00", "AUTH1 80 81 00 00, 2 bytes: 9A (0)"},
    {"8099", "not an APDU, 2 bytes"},
};

Test(apdu, decoder_writes_one_readable_line)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        HEX(in, commands[i].hex);
        char line[APDU_LINE_MAX];
        apdu_describe_command(span_of(in, in_len), line);
        cr_expect(eq(str, line, (char *)commands[i].line));
    }
    HEX(rsp, "5A0201005C020100D401029000");
    char line[APDU_LINE_MAX];
    apdu_describe_response(span_of(rsp, rsp_len), line);
    cr_expect(eq(str, line,
                 "9000 ok, 11 bytes: 5A SPAKE2+ versions (2), 5C applet versions (2), D4 pairing mode (1)"));
    HEX(more, "613D");
    apdu_describe_response(span_of(more, more_len), line);
    cr_expect(eq(str, line, "613D more data, 0 bytes"));
    HEX(odd, "1234");
    apdu_describe_response(span_of(odd, odd_len), line);
    cr_expect(eq(str, line, "1234 unknown status, 0 bytes"));
    apdu_describe_response(span_of(odd, 1), line);
    cr_expect(eq(str, line, "not a response, 1 bytes"));
}

static const struct {
    const char *hex;
    enum err e;
} shapes[] = {
    {"80300000", ERR_OK},
    {"8030000000", ERR_OK},
    {"803000000101", ERR_OK},
    {"80300000010100", ERR_OK},
    {"803000", ERR_TRUNCATED},
    {"803000000201", ERR_TRUNCATED},
    {"8030000001", ERR_BAD_ARGUMENT},
    {"80300000010101", ERR_BAD_ARGUMENT},
    {"8030000001010000", ERR_TRAILING_BYTES},
    {"80300000000102", ERR_TRUNCATED},
};

Test(apdu, shapes)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        HEX(in, shapes[i].hex);
        struct apdu_command c;
        uint8_t again[20];
        struct wr w = wr_of(again, sizeof again);
        enum err e = apdu_command_parse(span_of(in, in_len), &c);
        cr_expect(eq(int, (int)e, shapes[i].e), "%s", shapes[i].hex);
        if (e)
            continue;
        apdu_command_put(&w, &c);
        cr_expect(span_equal(span_of(again, w.len), span_of(in, in_len)), "%s", shapes[i].hex);
    }
}

/* ---- SPAKE2+ ---- */

static const char salt_text[] = "yellowsubmarines";

static struct spake2p_scrypt vector_scrypt(void)
{
    struct spake2p_scrypt s = {.n = 32768, .r = 8, .p = 1};
    memcpy(s.salt, salt_text, SPAKE2P_SALT);
    return s;
}

Test(spake2p, registration_vector)
{
    struct spake2p_scrypt s = vector_scrypt();
    struct spake2p_verifier_set set;
    uint8_t w0[32], w1[32];
    cr_assert(eq(int, spake2p_derive(test_crypto(), span_of("pleaseletmein", 13), &s, w0, w1), ERR_OK));
    expect_hex(span_of(w0, 32), V1_W0, "w0");
    expect_hex(span_of(w1, 32), V1_W1, "w1");
    cr_assert(eq(int, spake2p_register(test_crypto(), w0, w1, &set), ERR_OK));
    expect_hex(span_of(set.l, P256_POINT), V1_L, "L");
}

static const struct {
    uint32_t n;
    uint16_t r, p;
    bool ok;
} bounds[] = {{4096, 8, 1, true},    {65536, 8, 1, true}, {32768, 8, 1, true}, {2048, 8, 1, false},
              {131072, 8, 1, false}, {5000, 8, 1, false}, {0, 8, 1, false},    {4096, 9, 1, false},
              {4096, 8, 2, false},   {4096, 0, 1, false}};

Test(spake2p, device_bounds_scrypt)
{
    uint8_t w0[32], w1[32];
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        struct spake2p_scrypt s = {.n = bounds[i].n, .r = bounds[i].r, .p = bounds[i].p};
        cr_expect(eq(int, spake2p_scrypt_acceptable(&s), bounds[i].ok), "row %zu", i);
        if (!bounds[i].ok)
            cr_expect(eq(int, spake2p_derive(test_crypto(), span_of("x", 1), &s, w0, w1), ERR_BAD_ARGUMENT));
    }
}

struct sides {
    struct spake2p device, vehicle;
    struct spake2p_prover_set prover;
    struct spake2p_verifier_set verifier;
    uint8_t m1[16], m2[16];
    struct spake2p_keys device_keys, vehicle_keys;
};

static void prepare(struct sides *s)
{
    HEX(w0, V1_W0);
    HEX(w1, V1_W1);
    HEX(tlv_5b, "5b020101");
    HEX(tlv_5c, "5c0401010100");
    memset(s, 0, sizeof *s);
    cr_assert(eq(int, spake2p_prover_set_make(test_crypto(), w0, w1, &s->prover), ERR_OK));
    cr_assert(eq(int, spake2p_register(test_crypto(), w0, w1, &s->verifier), ERR_OK));
    spake2p_set_versions(&s->device, span_of(tlv_5b, 4), span_of(tlv_5c, 6));
    spake2p_set_versions(&s->vehicle, span_of(tlv_5b, 4), span_of(tlv_5c, 6));
    HEX(x, V1_XS);
    cr_assert(eq(int, spake2p_prover_begin(test_crypto(), &s->device, &s->prover, x), ERR_OK));
}

Test(spake2p, ccc_vector_both_sides)
{
    struct sides s;
    HEX(y, V1_YS);
    uint8_t share[P256_POINT];
    prepare(&s);
    expect_hex(span_of(s.device.x, P256_POINT), V1_X, "X");
    cr_assert(
        eq(int, spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, s.device.x, y, s.m1), ERR_OK));
    expect_hex(span_of(s.vehicle.y, P256_POINT), V1_Y, "Y");
    expect_hex(span_of(s.m1, 16), V1_M1, "M[1]");
    memcpy(share, s.vehicle.y, sizeof share);
    cr_assert(
        eq(int, spake2p_prover_finish(test_crypto(), &s.device, &s.prover, share, s.m1, s.m2, &s.device_keys),
           ERR_OK));
    expect_hex(span_of(s.m2, 16), V1_M2, "M[2]");
    cr_assert(eq(int, spake2p_verifier_finish(test_crypto(), &s.vehicle, s.m2, &s.vehicle_keys), ERR_OK));
    cr_expect(memcmp(&s.device_keys, &s.vehicle_keys, sizeof s.device_keys) == 0);
    expect_hex(span_of(s.vehicle_keys.kenc, 16), V1_KENC, "Kenc");
    expect_hex(span_of(s.vehicle_keys.kmac, 16), V1_KMAC, "Kmac");
    expect_hex(span_of(s.vehicle_keys.krmac, 16), V1_KRMAC, "Krmac");
    expect_hex(span_of(s.vehicle_keys.long_term_shared_secret, 16), V1_LONG, "long term");
    expect_hex(span_of(s.vehicle_keys.kble_intro, 16), V1_INTRO, "Kble_intro");
    expect_hex(span_of(s.vehicle_keys.kble_oob_master, 16), V1_OOB, "Kble_oob_master");
}

Test(spake2p, points_and_transcript_of_the_vector)
{
    struct sides s;
    HEX(y, V1_YS);
    HEX(x_share, V1_X);
    HEX(y_share, V1_Y);
    uint8_t z[P256_POINT], v[P256_POINT], k[32];
    prepare(&s);
    cr_assert(eq(int, spake2p_verifier_points(test_crypto(), &s.verifier, x_share, y, z, v), ERR_OK));
    expect_hex(span_of(z, P256_POINT), V1_Z, "Z");
    expect_hex(span_of(v, P256_POINT), V1_V, "V");
    spake2p_transcript_key(test_crypto(), x_share, y_share, z, v, s.verifier.w0, k);
    expect_hex(span_of(k, 32), V1_K, "K");
}

static bool is_wiped(const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        if (b[i])
            return false;
    return true;
}

Test(spake2p, wrong_evidence_or_points_give_nothing_and_wipe)
{
    HEX(y, V1_YS);
    for (int fault = 0; fault < 5; fault++) {
        struct sides s;
        uint8_t share[P256_POINT];
        prepare(&s);
        memcpy(share, s.device.x, sizeof share);
        if (fault == 0)
            share[64] ^= 1; /* X not on the curve */
        if (fault == 1)
            share[0] = 2; /* compressed */
        enum err e = spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, share, y, s.m1);
        if (fault < 2) {
            cr_expect(eq(int, (int)e, ERR_KEY_INVALID));
            cr_expect(is_wiped(&s.vehicle, sizeof s.vehicle));
            continue;
        }
        cr_assert(eq(int, (int)e, ERR_OK));
        memcpy(share, s.vehicle.y, sizeof share);
        if (fault == 2)
            s.m1[15] ^= 1;
        if (fault == 3)
            share[1] ^= 1;
        e = spake2p_prover_finish(test_crypto(), &s.device, &s.prover, share, s.m1, s.m2, &s.device_keys);
        cr_expect(is_wiped(&s.device, sizeof s.device));
        if (fault < 4) {
            cr_expect(eq(int, (int)e, fault == 2 ? ERR_SIGNATURE_INVALID : ERR_KEY_INVALID));
            cr_expect(is_wiped(s.m2, sizeof s.m2));
            cr_expect(is_wiped(&s.device_keys, sizeof s.device_keys));
            continue;
        }
        s.m2[0] ^= 0x80;
        cr_expect(eq(int, spake2p_verifier_finish(test_crypto(), &s.vehicle, s.m2, &s.vehicle_keys),
                     ERR_SIGNATURE_INVALID));
        cr_expect(is_wiped(&s.vehicle, sizeof s.vehicle));
        cr_expect(is_wiped(&s.vehicle_keys, sizeof s.vehicle_keys));
    }
}

Test(spake2p, evidence_of_zeros_does_not_pass_without_an_exchange)
{
    struct spake2p none = {0};
    struct spake2p_keys keys = {0};
    const uint8_t zeros[SPAKE2P_EVIDENCE] = {0};
    cr_expect(eq(int, spake2p_verifier_finish(test_crypto(), &none, zeros, &keys), ERR_MSG_OUT_OF_ORDER));
    cr_expect(is_wiped(&keys, sizeof keys));
}

Test(spake2p, another_password_fails_at_the_evidence)
{
    struct sides s;
    HEX(y, V1_YS);
    HEX(x, V1_XS);
    uint8_t w0[32] = {0}, w1[32] = {0}, share[P256_POINT];
    prepare(&s);
    w0[31] = 5;
    w1[31] = 6;
    cr_assert(eq(int, spake2p_prover_set_make(test_crypto(), w0, w1, &s.prover), ERR_OK));
    spake2p_prover_begin(test_crypto(), &s.device, &s.prover, x);
    cr_assert(
        eq(int, spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, s.device.x, y, s.m1), ERR_OK));
    memcpy(share, s.vehicle.y, sizeof share);
    cr_expect(
        eq(int, spake2p_prover_finish(test_crypto(), &s.device, &s.prover, share, s.m1, s.m2, &s.device_keys),
           ERR_SIGNATURE_INVALID));
}

Test(spake2p, scalars_out_of_range_are_refused)
{
    struct spake2p_verifier_set set;
    uint8_t zero[32] = {0}, high[32], one[32] = {0}, l[P256_POINT];
    HEX(good_l, V1_L);
    one[31] = 1;
    memset(high, 0xFF, sizeof high);
    memcpy(l, good_l, sizeof l);
    cr_expect(eq(int, spake2p_verifier_set_make(test_crypto(), zero, l, &set), ERR_KEY_INVALID));
    cr_expect(eq(int, spake2p_verifier_set_make(test_crypto(), high, l, &set), ERR_KEY_INVALID));
    l[10] ^= 1;
    cr_expect(eq(int, spake2p_verifier_set_make(test_crypto(), one, l, &set), ERR_KEY_INVALID));
}

/* RFC 9383 appendix C: the group layer, CMAC and HKDF under the RFC's own transcript and key order. */
Test(spake2p, rfc_9383_vector)
{
    struct spake2p_verifier_set set;
    struct spake2p_prover_set prover;
    struct spake2p device = {0};
    uint8_t z[P256_POINT], v[P256_POINT], k[32], confirm[32], shared[32], mac[16];
    struct crypto *c = test_crypto();
    HEX(w0, V2_W0);
    HEX(w1, V2_W1);
    HEX(xs, V2_XS);
    HEX(ys, V2_YS);
    HEX(tt, V2_TT);
    HEX(x, V2_X);
    HEX(y, V2_Y);
    cr_assert(eq(int, spake2p_register(c, w0, w1, &set), ERR_OK));
    expect_hex(span_of(set.l, P256_POINT), V2_L, "L");
    spake2p_prover_set_make(c, w0, w1, &prover);
    spake2p_prover_begin(c, &device, &prover, xs);
    expect_hex(span_of(device.x, P256_POINT), V2_X, "shareP");
    cr_assert(eq(int, spake2p_verifier_points(c, &set, x, ys, z, v), ERR_OK));
    expect_hex(span_of(z, P256_POINT), V2_Z, "Z");
    expect_hex(span_of(v, P256_POINT), V2_V, "V");
    cr_expect(ne(ptr, memmem(tt, tt_len, z, P256_POINT), NULL), "stands in the transcript");
    const struct span transcript = {tt, tt_len};
    crypto_sha256(c, &transcript, 1, k);
    expect_hex(span_of(k, 32), V2_KMAIN, "K_main");
    ccc_hkdf(c, span_of(k, 32), span_of("ConfirmationKeys", 16), confirm, 32);
    expect_hex(span_of(confirm, 16), V2_KCP, "K_confirmP");
    expect_hex(span_of(confirm + 16, 16), V2_KCV, "K_confirmV");
    ccc_hkdf(c, span_of(k, 32), span_of("SharedKey", 9), shared, 32);
    expect_hex(span_of(shared, 32), V2_KSHARED, "K_shared");
    const struct span share_v = {y, y_len}, share_p = {x, x_len};
    ccc_cmac(c, confirm, &share_v, 1, mac);
    expect_hex(span_of(mac, 16), V2_CP, "confirmP");
    ccc_cmac(c, confirm + 16, &share_p, 1, mac);
    expect_hex(span_of(mac, 16), V2_CV, "confirmV");
}

/* ---- secure messaging ---- */

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

/* ---- transactions ---- */

static struct transaction vector_transaction(const char *vehicle_epk, const char *endpoint_epk,
                                             const char *id)
{
    struct transaction t = {.version = {1, 0}, .interface = TRANSACTION_CONTACTLESS};
    unhex(vehicle_epk, t.vehicle_epk, sizeof t.vehicle_epk);
    unhex(endpoint_epk, t.endpoint_epk, sizeof t.endpoint_epk);
    unhex(id, t.id, sizeof t.id);
    unhex("00010123456789ab", t.vehicle_id, sizeof t.vehicle_id);
    return t;
}

static struct p256_key *private_key(const char *hex)
{
    uint8_t scalar[32];
    struct p256_key *k;
    unhex(hex, scalar, sizeof scalar);
    cr_assert(eq(int, p256_from_private(test_crypto(), scalar, &k), ERR_OK));
    return k;
}

Test(transaction, standard_vector)
{
    struct crypto *c = test_crypto();
    struct transaction t = vector_transaction(V4_VEPK, V4_EEPK, V4_TID);
    struct transaction_keys vehicle, device;
    uint8_t signed_data[TRANSACTION_SIGNED], kp[2][32], sig[64];
    t.p1 = TRANSACTION_EXCHANGE_FOLLOWS;
    t.p2 = TRANSACTION_PAIRING_PHASE_3;
    transaction_signed_data(&t, TRANSACTION_VEHICLE, signed_data);
    expect_hex(span_of(signed_data, sizeof signed_data), V4_VIN, "vehicle signature input");
    transaction_signed_data(&t, TRANSACTION_ENDPOINT, signed_data);
    expect_hex(span_of(signed_data, sizeof signed_data), V4_EIN, "endpoint signature input");
    struct p256_key *vsk = private_key(V4_VSK), *dsk = private_key(V4_DSK), *vesk = private_key(V4_VESK),
                    *eesk = private_key(V4_EESK);
    unhex(V4_VSIG, sig, sizeof sig);
    cr_expect(eq(int, transaction_verify(c, &t, TRANSACTION_VEHICLE, vsk, sig), ERR_OK));
    cr_expect(eq(int, transaction_verify(c, &t, TRANSACTION_ENDPOINT, vsk, sig), ERR_SIGNATURE_INVALID));
    unhex(V4_ESIG, sig, sizeof sig);
    cr_expect(eq(int, transaction_verify(c, &t, TRANSACTION_ENDPOINT, dsk, sig), ERR_OK));
    sig[63] ^= 1;
    cr_expect(eq(int, transaction_verify(c, &t, TRANSACTION_ENDPOINT, dsk, sig), ERR_SIGNATURE_INVALID));
    for (int i = 0; i < 50; i++) { /* halves with leading zeros come by themselves */
        cr_assert(eq(int, transaction_sign(c, &t, TRANSACTION_VEHICLE, vsk, sig), ERR_OK));
        cr_assert(eq(int, transaction_verify(c, &t, TRANSACTION_VEHICLE, vsk, sig), ERR_OK));
    }
    cr_assert(eq(int, transaction_standard_keys(c, &t, vesk, t.endpoint_epk, &vehicle, kp[0]), ERR_OK));
    cr_assert(eq(int, transaction_standard_keys(c, &t, eesk, t.vehicle_epk, &device, kp[1]), ERR_OK));
    cr_expect(memcmp(&vehicle, &device, sizeof vehicle) == 0);
    cr_expect(memcmp(kp[0], kp[1], 32) == 0);
    expect_hex(span_of(vehicle.kenc, 16), V4_KENC, "Kenc");
    expect_hex(span_of(vehicle.kmac, 16), V4_KMAC, "Kmac");
    expect_hex(span_of(vehicle.krmac, 16), V4_KRMAC, "Krmac");
    expect_hex(span_of(kp[0], 32), V4_KPERSISTENT, "Kpersistent");
    uint8_t bad[P256_POINT];
    memcpy(bad, t.endpoint_epk, sizeof bad);
    bad[64] ^= 1;
    cr_expect(eq(int, transaction_standard_keys(c, &t, vesk, bad, &vehicle, kp[0]), ERR_KEY_INVALID));
    p256_free(vsk);
    p256_free(dsk);
    p256_free(vesk);
    p256_free(eesk);
}

Test(transaction, fast_vector)
{
    struct transaction t = vector_transaction(V5_VEPK, V5_EEPK, V5_TID);
    struct transaction_keys keys;
    uint8_t cryptogram[16];
    HEX(kp, V4_KPERSISTENT);
    HEX(vpk, V4_VPK);
    HEX(dpk, V4_DPK);
    t.p1 = TRANSACTION_FAST;
    t.p2 = TRANSACTION_UNLOCK;
    memcpy(t.versions, "\x01\x00", 2);
    t.versions_len = 2;
    cr_assert(eq(int, transaction_fast_keys(test_crypto(), &t, kp, vpk, dpk, cryptogram, &keys), ERR_OK));
    expect_hex(span_of(cryptogram, 16), V5_CRYPTOGRAM, "cryptogram");
    expect_hex(span_of(keys.kenc, 16), V5_KENC, "Kenc");
    expect_hex(span_of(keys.kmac, 16), V5_KMAC, "Kmac");
    expect_hex(span_of(keys.krmac, 16), V5_KRMAC, "Krmac");
}

/* ---- ECIES ---- */

Test(ecies, vector_and_refusals)
{
    struct p256_key *receiver = private_key(V6_RSK), *ephemeral = private_key(V6_ESK);
    HEX(rpk, V6_RPK);
    HEX(epk, V6_EPK);
    HEX(plain, V6_PLAIN);
    uint8_t sealed[64], opened[64];
    cr_assert(eq(int, ecies_seal(test_crypto(), ephemeral, rpk, span_of(plain, plain_len), sealed), ERR_OK));
    expect_hex(span_of(sealed, plain_len + ECIES_OVERHEAD), V6_DATA, "data");
    struct span s = span_of(sealed, plain_len + ECIES_OVERHEAD);
    cr_assert(eq(int, ecies_open(test_crypto(), receiver, epk, s, opened), ERR_OK));
    cr_assert(memcmp(opened, plain, plain_len) == 0);
    for (size_t i = 0; i < s.len; i++) {
        sealed[i] ^= 1;
        cr_expect(eq(int, ecies_open(test_crypto(), receiver, epk, s, opened), ERR_SIGNATURE_INVALID),
                  "byte %zu", i);
        cr_expect(is_wiped(opened, plain_len), "byte %zu", i);
        sealed[i] ^= 1;
    }
    cr_expect(eq(int, ecies_open(test_crypto(), ephemeral, epk, s, opened), ERR_SIGNATURE_INVALID),
              "not for us");
    cr_expect(eq(int, ecies_open(test_crypto(), receiver, epk, span_of(sealed, 15), opened), ERR_TRUNCATED));
    p256_free(receiver);
    p256_free(ephemeral);
}

/* ---- Bluetooth LE ---- */

Test(dk_message, both_ways_and_bounded)
{
    HEX(in, "010B001300A404000DA000000809434343444B41763100");
    struct dk_message m;
    uint8_t again[40];
    char line[DK_LINE_MAX];
    struct wr w = wr_of(again, sizeof again);
    cr_assert(eq(int, dk_message_parse(span_of(in, in_len), &m), ERR_OK));
    cr_expect(m.type == DK_SE && m.id == DK_APDU_RQ && m.data.len == 19);
    dk_message_put(&w, &m);
    cr_expect(span_equal(span_of(again, w.len), span_of(in, in_len)));
    dk_message_describe(span_of(in, in_len), line);
    cr_expect(eq(str, line, "SE DK_APDU_RQ, 19 bytes"));
    dk_message_describe(span_of("\x02\x07\x00\x00", 4), line);
    cr_expect(eq(str, line, "UWB 07, 0 bytes"));
    dk_message_describe(span_of("\x02", 1), line);
    cr_expect(eq(str, line, "not a DK message, 1 bytes"));
    for (size_t cut = 0; cut < in_len; cut++)
        cr_expect(eq(int, dk_message_parse(span_of(in, cut), &m), ERR_TRUNCATED), "cut at %zu", cut);
    cr_expect(eq(int, dk_message_parse(span_of("\x03\x01\x00\x01\x01\x01", 6), &m), ERR_TRAILING_BYTES));
    cr_expect(eq(int, dk_message_parse(span_of("\x43\x01\x00\x00", 4), &m), ERR_BAD_ARGUMENT));
    cr_expect(eq(int, dk_message_parse(span_of("\x08\x01\x00\x00", 4), &m), ERR_BAD_ARGUMENT));
    w = wr_of(again, 10);
    dk_message_put(&w, &(struct dk_message){DK_SE, 1, span_of(in, 7)});
    cr_expect(w.failed);
}

static struct first_approach_keys vector_ble_keys(uint8_t slot_last)
{
    struct first_approach_keys k;
    uint8_t slot[8] = {0};
    HEX(intro, V1_INTRO);
    HEX(master, V1_OOB);
    slot[7] = slot_last;
    cr_assert(eq(int, first_approach_keys_make(test_crypto(), intro, master, span_of(slot, 8), &k), ERR_OK));
    return k;
}

Test(first_approach, vector_both_messages)
{
    struct first_approach_keys k = vector_ble_keys(1);
    static const uint8_t nonces[2][8] = {{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17},
                                         {0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27}};
    static const uint8_t nonce[8] = {0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57};
    uint8_t rq[FIRST_APPROACH_REQUEST], rs[FIRST_APPROACH_RESPONSE], dk[100], oob[FIRST_APPROACH_OOB];
    HEX(phone, V7_RQP);
    HEX(vehicle, V7_RSP);
    expect_hex(span_of(k.kble_oob, 16), V7_OOB, "Kble_oob");
    cr_assert(eq(int, first_approach_create_request(test_crypto(), &k, nonces, phone, rq), ERR_OK));
    struct wr w = wr_of(dk, sizeof dk);
    dk_message_put(&w, &(struct dk_message){DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, span_of(rq, sizeof rq)});
    expect_hex(span_of(dk, w.len), V7_RQ, "First_Approach_RQ");
    cr_assert(
        eq(int, first_approach_consume_request(test_crypto(), &k, span_of(rq, sizeof rq), oob), ERR_OK));
    cr_expect(memcmp(oob, phone, sizeof oob) == 0);
    cr_assert(eq(int, first_approach_create_response(test_crypto(), &k, nonce, vehicle, rs), ERR_OK));
    w = wr_of(dk, sizeof dk);
    dk_message_put(&w, &(struct dk_message){DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS, span_of(rs, sizeof rs)});
    expect_hex(span_of(dk, w.len), V7_RS, "First_Approach_RS");
    cr_assert(
        eq(int, first_approach_consume_response(test_crypto(), &k, span_of(rs, sizeof rs), oob), ERR_OK));
    cr_expect(memcmp(oob, vehicle, sizeof oob) == 0);
}

Test(first_approach, other_keys_and_changed_bytes)
{
    struct first_approach_keys k = vector_ble_keys(1), other = vector_ble_keys(2);
    uint8_t rq[FIRST_APPROACH_REQUEST], oob[FIRST_APPROACH_OOB] = {0};
    static const uint8_t nonces[2][8] = {{1}, {2}};
    static const uint8_t data[FIRST_APPROACH_OOB] = {9};
    first_approach_create_request(test_crypto(), &k, nonces, data, rq);
    cr_expect(eq(int, first_approach_consume_request(test_crypto(), &other, span_of(rq, sizeof rq), oob),
                 ERR_NOT_FOUND));
    for (size_t i = 0; i < sizeof rq; i++) {
        rq[i] ^= 1;
        cr_expect(eq(int, first_approach_consume_request(test_crypto(), &k, span_of(rq, sizeof rq), oob),
                     i < 20 ? ERR_NOT_FOUND : ERR_SIGNATURE_INVALID),
                  "byte %zu", i);
        rq[i] ^= 1;
    }
    cr_expect(is_wiped(oob, sizeof oob), "nothing was handed out");
    cr_expect(
        eq(int, first_approach_consume_request(test_crypto(), &k, span_of(rq, 69), oob), ERR_TRUNCATED));
}

static const struct {
    const char *slot, *id;
} slots[] = {{"0000000000000001", "0000000000000001"},
             {"0102", "0000000000000102"},
             {"", "0000000000000000"},
             {"11223344556677889900", "1122334455667788"}};

Test(first_approach, identifier_of_a_slot)
{
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        uint8_t id[8];
        HEX(slot, slots[i].slot);
        first_approach_key_id(span_of(slot, slot_len), id);
        expect_hex(span_of(id, 8), slots[i].id, slots[i].slot);
    }
}
