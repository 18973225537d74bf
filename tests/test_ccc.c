/* The Digital Key protocol, part by part, to the byte of the vectors. */
#include "lib/ccc/apdu.h"
#include "lib/ccc/dk_message.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/first_approach.h"
#include "lib/ccc/tlv.h"
#include "lib/ccc/transaction.h"
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
    {"length not the shortest", "5B81020100", true},
    {"nor here", "5B8200020100", true},
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
    {"8030000001", ERR_OK}, /* Le of any value */
    {"803000000101FF", ERR_OK},
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
        cr_expect(eq(sz, w.len, in_len), "%s", shapes[i].hex);
        size_t without_le = in_len - c.has_le;
        cr_expect(span_equal(span_of(again, without_le), span_of(in, without_le)), "%s", shapes[i].hex);
    }
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
