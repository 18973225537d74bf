/* Data of the Digital Key messages: bytes out, bytes in, and what is refused. */
#include "lib/ccc/applet_message.h"
#include "lib/ccc/attestation.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"
#include "tests/ccc_vectors.h"
#include "tests/check.h"
#include "tests/support.h"

/* ---- SELECT, REQUEST, VERIFY ---- */

static const struct {
    const char *name, *hex;
    enum err e;
} selects[] = {
    {"ready", "5A0201005C020100D40102", ERR_OK},
    {"any order, unknown tag", "D401025C02010099015A5A020100", ERR_OK},
    {"no versions", "5C020100D40102", ERR_NOT_FOUND},
    {"odd versions", "5A0301005C5C020100D40102", ERR_BAD_ARGUMENT},
    {"empty versions", "5A005C020100D40102", ERR_BAD_ARGUMENT},
    {"nine versions", "5A120100010001000100010001000100010001005C020100D40102", ERR_BAD_ARGUMENT},
    {"unknown mode", "5A0201005C020100D40101", ERR_BAD_ARGUMENT},
    {"mode too long", "5A0201005C020100D4020002", ERR_BAD_ARGUMENT},
    {"mode twice", "5A0201005C020100D40102D40100", ERR_TRAILING_BYTES},
    {"cut", "5A0201005C020100D401", ERR_TRUNCATED},
};

Test(op_message, select_answers)
{
    struct op_select s;
    for (size_t i = 0; i < sizeof selects / sizeof selects[0]; i++) {
        HEX(in, selects[i].hex);
        enum err e = op_select_parse(span_of(in, in_len), &s);
        cr_expect(eq(int, (int)e, (int)selects[i].e), "%s: %s", selects[i].name, err_name(e));
    }
    const struct op_select out = {{{0x0101, 0x0100}, 2}, {{0x0100}, 1}, false};
    uint8_t buf[64];
    struct wr w = wr_of(buf, sizeof buf);
    op_select_put(&w, &out);
    expect_hex(span_of(buf, w.len), "5a04010101005c020100d40100", "bytes");
    EXPECT_ERR(op_select_parse(span_of(buf, w.len), &s), ERR_OK);
    cr_expect(s.framework.n == 2 && s.framework.v[0] == 0x0101 && s.framework.v[1] == 0x0100);
    cr_expect(s.applet.n == 1 && s.applet.v[0] == 0x0100);
    cr_expect(not(s.ready));
}

Test(op_message, highest_common_version)
{
    const struct op_versions ours = {{0x0200, 0x0101, 0x0100}, 3}, theirs = {{0x0101, 0x0100}, 2},
                             other = {{0x0300}, 1};
    cr_expect(eq(int, op_versions_common(&ours, &theirs), 0x0101));
    cr_expect(eq(int, op_versions_common(&ours, &other), 0));
}

Test(op_message, request_vector_both_ways)
{
    HEX(apdu, V1_REQUEST);
    struct op_request r;
    uint8_t again[128];
    struct wr w = wr_of(again, sizeof again);
    struct span data = span_of(apdu + 5, apdu_len - 6);
    EXPECT_ERR(op_request_parse(data, &r), ERR_OK);
    cr_expect(eq(int, r.version, 0x0101));
    cr_expect(eq(sz, r.applet.n, 2));
    cr_expect(eq(uint, r.scrypt.n, 32768));
    cr_expect(eq(int, r.scrypt.r, 8));
    cr_expect(eq(int, r.scrypt.p, 1));
    cr_expect(eq(int, r.brand, 1));
    expect_hex(r.tlv_5b, "5b020101", "bytes");
    expect_hex(r.tlv_5c, "5c0401010100", "bytes");
    op_request_put(&w, &r);
    cr_expect(span_equal(span_of(again, w.len), data));
    for (size_t cut = 0; cut < data.len; cut++)
        cr_expect(op_request_parse(span_of(data.p, cut), &r) != ERR_OK, "%zu bytes", cut);
}

Test(op_message, verify_vector_both_ways)
{
    HEX(apdu, V1_VERIFY);
    const uint8_t *y, *m1, *x;
    uint8_t again[128];
    struct wr w = wr_of(again, sizeof again);
    struct span data = span_of(apdu + 5, apdu_len - 6);
    EXPECT_ERR(op_verify_parse(data, &y, &m1), ERR_OK);
    expect_hex(span_of(m1, 16), V1_M1, "bytes");
    op_verify_put(&w, y, m1);
    cr_expect(span_equal(span_of(again, w.len), data));
    EXPECT_ERR(op_verify_parse(span_of(data.p, 67), &y, &m1), ERR_NOT_FOUND);
    w = wr_of(again, sizeof again);
    op_share_put(&w, y);
    EXPECT_ERR(op_share_parse(span_of(again, w.len), &x), ERR_OK);
    cr_expect(memcmp(x, y, P256_POINT) == 0);
    EXPECT_ERR(op_evidence_parse(span_of(again, w.len), &x), ERR_NOT_FOUND);
}

/* ---- key creation data ---- */

static struct endpoint_creation some_creation(void)
{
    struct endpoint_creation e = {.vehicle_id = {0, 1, 1, 0x23, 0x45, 0x67, 0x89, 0xAB},
                                  .options_1 = ENDPOINT_OWNER_OPTIONS_1,
                                  .options_2 = ENDPOINT_OWNER_OPTIONS_2,
                                  .version = 0x0100,
                                  .confidential_size = MAILBOX_DEFAULT_CONFIDENTIAL,
                                  .private_size = MAILBOX_DEFAULT_PRIVATE,
                                  .slot = {.b = {0, 0, 0, 0, 0, 0, 0, 1}, .len = 8}};
    unhex(V4_VPK, e.vehicle_pk, sizeof e.vehicle_pk);
    unhex(V4_DPK, e.authorized_pk, sizeof e.authorized_pk);
    return e;
}

Test(endpoint, creation_data_both_ways)
{
    struct endpoint_creation e = some_creation(), back;
    uint8_t buf[400];
    struct wr w = wr_of(buf, sizeof buf);
    e.not_before_s = 1767225600;
    e.not_after_s = 4102444799;
    endpoint_creation_put(&w, &e);
    expect_hex(span_of(buf, 20), "4d0800010123456789ab4601334701815c020100", "bytes");
    EXPECT_ERR(endpoint_creation_parse(span_of(buf, w.len), &back), ERR_OK);
    cr_expect(memcmp(&e, &back, sizeof e) == 0);
    for (size_t cut = 0; cut < w.len; cut++)
        cr_expect(endpoint_creation_parse(span_of(buf, cut), &back) != ERR_OK, "%zu bytes", cut);
}

static const struct {
    const char *name;
    const char *more; /* behind the creation data */
    enum err e;
} extras[] = {
    {"later version's overrides", "6003010203", ERR_OK},
    {"dates in order", "510F32303236303130313030303030305A520F32303237303130313030303030305A", ERR_OK},
    {"end before start", "510F32303237303130313030303030305A520F32303236303130313030303030305A",
     ERR_BAD_ARGUMENT},
    {"date of 14 characters", "510E323032363031303130303030305A", ERR_BAD_ARGUMENT},
    {"date with letters", "510F32303236303130313030303030584A", ERR_BAD_ARGUMENT},
    {"month 13", "510F32303236313330313030303030305A", ERR_BAD_ARGUMENT},
    {"the device's own tag", "5F2001AA", ERR_BAD_ARGUMENT},
    {"twice", "460133", ERR_TRAILING_BYTES},
    {"not a TLV", "46", ERR_TRUNCATED},
};

Test(endpoint, what_else_may_stand_in_creation_data)
{
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        struct endpoint_creation e = some_creation(), back = {.options_1 = 0x77};
        uint8_t buf[500];
        struct wr w = wr_of(buf, sizeof buf);
        endpoint_creation_put(&w, &e);
        w.len += unhex(extras[i].more, buf + w.len, sizeof buf - w.len);
        enum err got = endpoint_creation_parse(span_of(buf, w.len), &back);
        cr_expect(eq(int, (int)got, (int)extras[i].e), "%s: %s", extras[i].name, err_name(got));
        if (got)
            cr_expect(eq(int, back.options_1, 0x77), "nothing is committed");
    }
}

Test(endpoint, every_mandatory_tag_is_missed)
{
    struct endpoint_creation e = some_creation(), back;
    uint8_t buf[400], less[400];
    struct wr w = wr_of(buf, sizeof buf);
    struct tlv t;
    endpoint_creation_put(&w, &e);
    struct rd r = rd_of(buf, w.len);
    while (tlv_next(&r, &t)) {
        size_t before = (size_t)(t.whole.p - buf), behind = w.len - before - t.whole.len;
        memcpy(less, buf, before);
        memcpy(less + before, t.whole.p + t.whole.len, behind);
        cr_expect(eq(int, endpoint_creation_parse(span_of(less, before + behind), &back), ERR_NOT_FOUND),
                  "tag %x", t.tag);
    }
}

Test(endpoint, slots_and_reserved_bits)
{
    struct slot_id s;
    const uint8_t b[17] = {1};
    EXPECT_ERR(slot_id_parse(span_of(b, 1), &s), ERR_BAD_ARGUMENT);
    EXPECT_ERR(slot_id_parse(span_of(b, 2), &s), ERR_OK);
    EXPECT_ERR(slot_id_parse(span_of(b, 16), &s), ERR_OK);
    EXPECT_ERR(slot_id_parse(span_of(b, 17), &s), ERR_BAD_ARGUMENT);
    struct endpoint_creation e = some_creation();
    uint8_t buf[400];
    struct wr w = wr_of(buf, sizeof buf);
    e.options_2 |= 0x10;
    endpoint_creation_put(&w, &e);
    EXPECT_ERR(endpoint_creation_parse(span_of(buf, w.len), &e), ERR_BAD_ARGUMENT);
}

/* ---- mailbox mapping ---- */

static const struct {
    const char *name, *hex;
    enum err parse, check; /* check: slots of 8 bytes, 0262 private, 0080 confidential */
} maps[] = {
    {"default", "D0020000C0020001C1020002C2020042C3020062D1020262D20110", ERR_OK, ERR_OK},
    {"no OEM data, no attestation, no tokens", "D0020000C0020001C1020002D1020042", ERR_OK, ERR_OK},
    {"unknown tag", "D0020000C0020001C1020002C2020042C3020062D1020262D201106000", ERR_OK, ERR_OK},
    {"bitmap elsewhere", "D0020001C0020001C1020002C2020042C3020062D1020262D20110", ERR_OK, ERR_BAD_ARGUMENT},
    {"slots over the bitmaps", "D0020000C0020001C1020001C2020041C3020062D1020262", ERR_OK, ERR_BAD_ARGUMENT},
    {"slots of another length", "D0020000C0020001C1020002C2020022C3020062D1020262", ERR_OK, ERR_BAD_ARGUMENT},
    {"areas out of order", "D0020000C0020001C1020002C2020042C3020041D1020262", ERR_OK, ERR_BAD_ARGUMENT},
    {"end before attestation", "D0020000C0020001C1020002C2020042C3020062D1020061", ERR_OK, ERR_BAD_ARGUMENT},
    {"end outside", "D0020000C0020001C1020002C2020042C3020062D1020263", ERR_OK, ERR_BAD_ARGUMENT},
    {"tokens too long", "D0020000C0020001C1020002C2020042C3020062D1020262D20111", ERR_OK, ERR_BAD_ARGUMENT},
    {"no end", "D0020000C0020001C1020002C2020042C3020062", ERR_NOT_FOUND, ERR_OK},
    {"twice", "D0020000D0020000C0020001C1020002D1020042", ERR_TRAILING_BYTES, ERR_OK},
    {"offset of one byte", "D00100C0020001C1020002D1020042", ERR_BAD_ARGUMENT, ERR_OK},
};

Test(mailbox, mapping)
{
    uint8_t buf[64];
    struct wr w = wr_of(buf, sizeof buf);
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        HEX(in, maps[i].hex);
        struct mailbox_map m;
        enum err e = mailbox_map_parse(span_of(in, in_len), &m);
        cr_expect(eq(int, (int)e, (int)maps[i].parse), "%s: %s", maps[i].name, err_name(e));
        if (!e)
            cr_expect(eq(int, (int)mailbox_map_check(&m, 8, 0x262, 0x80), (int)maps[i].check), "%s",
                      maps[i].name);
    }
    mailbox_map_put(&w, &mailbox_map_default);
    expect_hex(span_of(buf, w.len), "d0020000c0020001c1020002c2020042c3020062d1020262d20110", "bytes");
}

Test(mailbox, bounds_and_access)
{
    static struct mailboxes m = {.private_size = 100, .confidential_size = 0};
    cr_expect(mailbox_at(&m, MAILBOX_PRIVATE, 0, 100) == m.private_area);
    cr_expect(mailbox_at(&m, MAILBOX_PRIVATE, 99, 1) == m.private_area + 99);
    cr_expect(mailbox_at(&m, MAILBOX_PRIVATE, 99, 2) == NULL);
    cr_expect(mailbox_at(&m, MAILBOX_PRIVATE, 101, 0) == NULL);
    cr_expect(mailbox_at(&m, MAILBOX_PRIVATE, 1, SIZE_MAX) == NULL);
    cr_expect(mailbox_at(&m, MAILBOX_CONFIDENTIAL, 0, 1) == NULL);
    uint8_t *p;
    EXPECT_ERR(mailbox_reach(&m, MAILBOX_VEHICLE, MAILBOX_PRIVATE, 0, 100, &p), ERR_OK);
    EXPECT_ERR(mailbox_reach(&m, MAILBOX_VEHICLE, MAILBOX_CONFIDENTIAL, 0, 0, &p), ERR_OK);
    EXPECT_ERR(mailbox_reach(&m, MAILBOX_VEHICLE, MAILBOX_CONFIDENTIAL, 0, 1, &p), ERR_BAD_ARGUMENT);
    EXPECT_ERR(mailbox_reach(&m, MAILBOX_FRAMEWORK, MAILBOX_PRIVATE, 0, 100, &p), ERR_OK);
    EXPECT_ERR(mailbox_reach(&m, MAILBOX_FRAMEWORK, MAILBOX_CONFIDENTIAL, 0, 0, &p), ERR_DK_ACCESS);
}

/* ---- device configuration ---- */

Test(device_config, everything_both_ways)
{
    static const uint8_t key[CCC_KEY] = {0x11, 0x22}, profiles[] = {1, 2, 3}, oem[] = {0xAA};
    struct device_config d = {
        .versions = {{0x0100}, 1},
        .vehicle_info = span_of("One", 3),
        .auth1_confidential = {0, 16},
        .auth1_private = {2, 64},
        .sharing_password = true,
        .sharing_password_len = 6,
        .profiles = span_of(profiles, sizeof profiles),
        .nfc = true,
        .uwb = true,
        .ble = {.present = true, .irk = {7}, .address = {1, 2, 3, 4, 5, 6}, .kble_intro = key},
        .sharing = {true, DEVICE_CONFIG_TOKEN_ONLINE, 16},
        .oem = span_of(oem, sizeof oem)};
    struct device_config back;
    uint8_t buf[300];
    struct wr w = wr_of(buf, sizeof buf);
    device_config_put(&w, &d);
    EXPECT_ERR(device_config_parse(span_of(buf, w.len), &back), ERR_OK);
    cr_expect(eq(sz, back.versions.n, 1));
    cr_expect(span_equal(back.vehicle_info, d.vehicle_info) && span_equal(back.profiles, d.profiles) &&
              span_equal(back.oem, d.oem));
    cr_expect(back.auth1_confidential.len == 16 && back.auth1_private.offset == 2 &&
              back.auth1_private.len == 64);
    cr_expect(back.sharing_password && back.sharing_password_len == 6);
    cr_expect(back.nfc && back.uwb && back.ble.present);
    cr_expect(back.ble.irk[0] == 7 && back.ble.address[5] == 6 && back.ble.kble_oob == NULL);
    cr_expect(memcmp(back.ble.kble_intro, key, CCC_KEY) == 0);
    cr_expect(back.sharing.present && back.sharing.source == DEVICE_CONFIG_TOKEN_ONLINE &&
              back.sharing.max_attestations == 16);
}

static const struct {
    const char *name, *hex;
    enum err e;
} configs[] = {
    {"radios only", "7F4900", ERR_OK},
    {"NFC and UWB in the long form", "7F49067F50007F5100", ERR_OK},
    {"radios cut", "7F49037F50", ERR_TRUNCATED},
    {"no radios", "D70100", ERR_NOT_FOUND},
    {"BLE without IRK", "7F490B7F5208D106010203040506", ERR_NOT_FOUND},
    {"BLE without address", "7F49157F5212D01000000000000000000000000000000000", ERR_NOT_FOUND},
    {"password flag 2", "D701027F4900", ERR_BAD_ARGUMENT},
    {"seventeen attestations", "7F49007F6003DD0111", ERR_BAD_ARGUMENT},
    {"no attestation", "7F49007F6003DD0100", ERR_BAD_ARGUMENT},
    {"part of 2 bytes", "4A0200017F4900", ERR_BAD_ARGUMENT},
    {"radios twice", "7F49007F4900", ERR_TRAILING_BYTES},
};

Test(device_config, refusals)
{
    struct device_config d;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        HEX(in, configs[i].hex);
        enum err e = device_config_parse(span_of(in, in_len), &d);
        cr_expect(eq(int, (int)e, (int)configs[i].e), "%s: %s", configs[i].name, err_name(e));
    }
}

/* ---- blocks ---- */

static const struct {
    const char *name, *hex;
    bool second, last;
    enum err e;
} blocks[] = {
    {"whole attestation", "5F5A02AABB5F5F00", true, true, ERR_OK},
    {"end alone", "5F5F00", true, true, ERR_OK},
    {"half a TLV, more to come", "5F5A02AA", true, false, ERR_OK},
    {"half a tag, more to come", "5F", true, false, ERR_OK},
    {"half a TLV at the end", "5F5A02AA", true, true, ERR_MSG_MALFORMED},
    {"no end of data", "5F5A02AABB", true, true, ERR_MSG_MALFORMED},
    {"end with content", "5F5F0100", true, true, ERR_MSG_MALFORMED},
    {"something behind the end", "5F5F005F5A0100", true, false, ERR_MSG_MALFORMED},
    {"the start of something behind the end", "5F5F005F", true, false, ERR_MSG_MALFORMED},
    {"same tag twice", "5F5A005F5A005F5F00", true, true, ERR_MSG_MALFORMED},
    {"tag of the other block", "7F4D00", true, false, ERR_MSG_MALFORMED},
    {"attestation in the first block", "5F5A00", false, false, ERR_MSG_MALFORMED},
    {"unknown tag", "7F4F00", false, false, ERR_MSG_MALFORMED},
    {"empty piece", "", false, false, ERR_MSG_MALFORMED},
};

Test(key_data, pieces_are_checked_as_they_come)
{
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        static struct key_data_buffer b;
        memset(&b, 0, sizeof b);
        HEX(in, blocks[i].hex);
        enum err e = key_data_add(&b, blocks[i].second ? KEY_DATA_ATTESTATION : KEY_DATA_CREATION,
                                  span_of(in, in_len), blocks[i].last);
        cr_expect(eq(int, (int)e, (int)blocks[i].e), "%s: %s", blocks[i].name, err_name(e));
        if (e)
            cr_expect(eq(sz, b.len, 0), "%s: emptied", blocks[i].name);
    }
}

static struct key_data some_key_data(struct span certificate)
{
    return (struct key_data){.creation = some_creation(),
                             .vehicle_certificate = certificate,
                             .map = mailbox_map_default,
                             .config = {.nfc = true}};
}

Test(key_data, cut_at_every_byte_and_joined_again)
{
    static struct key_data_buffer out, in;
    static const uint8_t certificate[600] = {0x30};
    struct key_data k = some_key_data(span_of(certificate, sizeof certificate)), back;
    EXPECT_ERR(key_data_put(&out, &k), ERR_OK);
    for (size_t cut = 1; cut < out.len; cut++) {
        memset(&in, 0, sizeof in);
        EXPECT_ERR(key_data_add(&in, KEY_DATA_CREATION, span_of(out.bytes, cut), false), ERR_OK);
        EXPECT_ERR(key_data_add(&in, KEY_DATA_CREATION, span_of(out.bytes + cut, out.len - cut), true),
                   ERR_OK);
    }
    EXPECT_ERR(key_data_parse(span_of(in.bytes, in.len), &back), ERR_OK);
    cr_expect(memcmp(&back.creation, &k.creation, sizeof k.creation) == 0);
    cr_expect(span_equal(back.vehicle_certificate, k.vehicle_certificate));
    cr_expect(eq(sz, back.intermediate.len, 0));
    bool last = false;
    size_t pieces = 0;
    while (!last) {
        struct span p = key_data_piece(&out, &last);
        cr_expect(last ? p.len > 0 : p.len == 239);
        pieces++;
    }
    cr_expect(eq(sz, pieces, (out.len + 238) / 239));
}

Test(key_data, no_memory_for_more_than_the_limit)
{
    static struct key_data_buffer b;
    uint8_t piece[239] = {0x7F, 0x4B, 0x82, 0x0F, 0xFF};
    size_t n = 0;
    enum err e;
    while (!(e = key_data_add(&b, KEY_DATA_CREATION, span_of(piece, sizeof piece), false))) {
        n++;
        memset(piece, 0, sizeof piece);
    }
    EXPECT_ERR(e, ERR_NO_SPACE);
    cr_expect(eq(sz, n, KEY_DATA_MAX / 239));
}

Test(key_data, room_for_every_attestation)
{
    static struct key_data_buffer b;
    static const uint8_t certificate[4] = {0x30};
    struct key_data k = some_key_data(span_of(certificate, sizeof certificate)), back;
    k.config.sharing.present = true;
    for (uint8_t n = 1; n <= 16; n++) {
        k.config.sharing.max_attestations = n;
        EXPECT_ERR(key_data_put(&b, &k), ERR_OK);
        EXPECT_ERR(key_data_parse(span_of(b.bytes, b.len), &back), n * 120 <= 512 ? ERR_OK : ERR_DK_KEY_DATA);
    }
}

/* ---- EXCHANGE ---- */

Test(exchange, all_operations_both_ways)
{
    uint8_t buf[100];
    const uint8_t data[3] = {0xA1, 0xA2, 0xA3};
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_MORE);
    exchange_put_read(&w, MAILBOX_PRIVATE, 0x0102, 3);
    exchange_put_read(&w, MAILBOX_CONFIDENTIAL, 0, 16);
    exchange_put_write(&w, MAILBOX_PRIVATE, 0x0200, span_of(data, sizeof data));
    exchange_put_set(&w, MAILBOX_CONFIDENTIAL, 5, 7, 0xEE);
    exchange_put_notify(&w, span_of(data, 2));
    expect_hex(span_of(buf, w.len),
               "01"
               "8703010203"
               "8803000010"
               "8a050200a1a2a3"
               "9604000507ee"
               "8e02a1a2",
               "bytes");
    static const struct exchange_op expected[] = {
        {EXCHANGE_READ, MAILBOX_PRIVATE, 0x0102, 3, 0, {0}},
        {EXCHANGE_READ, MAILBOX_CONFIDENTIAL, 0, 16, 0, {0}},
        {EXCHANGE_WRITE, MAILBOX_PRIVATE, 0x0200, 3, 0, {0}},
        {EXCHANGE_SET, MAILBOX_CONFIDENTIAL, 5, 7, 0xEE, {0}},
        {EXCHANGE_NOTIFY, MAILBOX_PRIVATE, 0, 0, 0, {0}},
    };
    struct rd r = rd_of(buf, w.len);
    enum exchange_option option;
    struct exchange_op op;
    EXPECT_ERR(exchange_open(&r, &option), ERR_OK);
    cr_expect(eq(int, option, EXCHANGE_MORE));
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        EXPECT_ERR(exchange_next(&r, &op), ERR_OK);
        cr_expect(op.kind == expected[i].kind && op.mailbox == expected[i].mailbox &&
                      op.offset == expected[i].offset && op.len == expected[i].len &&
                      op.value == expected[i].value,
                  "operation %zu", i);
    }
    EXPECT_ERR(exchange_next(&r, &op), ERR_NOT_FOUND);
}

static const struct {
    const char *name, *hex;
    enum err e;
} exchanges[] = {
    {"read with a length of two bytes", "00870401020003", ERR_OK},
    {"set with a length of two bytes", "009505000000FF01", ERR_OK},
    {"read of length 0", "008703010200", ERR_MSG_MALFORMED},
    {"write of nothing", "008A020100", ERR_MSG_MALFORMED},
    {"write without an offset", "008A0101", ERR_MSG_MALFORMED},
    {"read too long", "0087050102030405", ERR_MSG_MALFORMED},
    {"unknown tag", "00890101", ERR_MSG_MALFORMED},
    {"cut", "00870301", ERR_MSG_MALFORMED},
};

Test(exchange, shapes)
{
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++) {
        HEX(in, exchanges[i].hex);
        struct rd r = rd_of(in, in_len);
        enum exchange_option option;
        struct exchange_op op;
        EXPECT_ERR(exchange_open(&r, &option), ERR_OK);
        cr_expect(eq(int, (int)exchange_next(&r, &op), (int)exchanges[i].e), "%s", exchanges[i].name);
    }
    const uint8_t bad_option[] = {0x02};
    struct rd r = rd_of(bad_option, 1);
    enum exchange_option option;
    EXPECT_ERR(exchange_open(&r, &option), ERR_MSG_MALFORMED);
}

/* ---- attestation, receipt ---- */

static struct attestation some_attestation(void)
{
    struct attestation a = {.key_id = {1, 2, 3}, .vehicle_id = {4, 5}, .slot = {.b = {9}, .len = 8}};
    unhex(V4_DPK, a.device_pk, sizeof a.device_pk);
    return a;
}

Test(attestation, both_kinds_and_their_refusals)
{
    struct crypto *c = test_crypto();
    struct attestation a = some_attestation(), back, other = a;
    struct p256_key *key;
    uint8_t pk[P256_POINT], buf[ATTESTATION_MAX];
    size_t used;
    cr_assert(p256_generate(c, &key) == ERR_OK);
    p256_public(key, pk);
    struct wr w = wr_of(buf, sizeof buf);
    EXPECT_ERR(attestation_make(c, &a, ATTESTATION_OF_VEHICLE, key, &w), ERR_OK);
    expect_hex(span_of(buf, 6), "7f2b76410101", "bytes");
    EXPECT_ERR(attestation_open(c, span_of(buf, w.len), ATTESTATION_OF_VEHICLE, pk, &back, &used), ERR_OK);
    cr_expect(eq(sz, used, w.len));
    cr_expect(memcmp(&a, &back, sizeof a) == 0);
    EXPECT_ERR(attestation_open(c, span_of(buf, w.len), ATTESTATION_RECEIPT, pk, &back, &used),
               ERR_CERT_PURPOSE);
    w = wr_of(buf, sizeof buf);
    EXPECT_ERR(attestation_make(c, &a, ATTESTATION_RECEIPT, key, &w), ERR_OK);
    cr_expect(eq(sz, w.len, ATTESTATION_RECEIPT_SIZE(8)));
    EXPECT_ERR(attestation_check_receipt(c, span_of(buf, sizeof buf), pk, &a), ERR_OK);
    other.key_id[0] ^= 1;
    EXPECT_ERR(attestation_check_receipt(c, span_of(buf, w.len), pk, &other), ERR_DK_ATTESTATION);
    other = a;
    other.slot.b[0] ^= 1;
    EXPECT_ERR(attestation_check_receipt(c, span_of(buf, w.len), pk, &other), ERR_DK_ATTESTATION);
    for (size_t i = 0; i < w.len; i++) {
        buf[i] ^= 0x04;
        cr_expect(attestation_check_receipt(c, span_of(buf, w.len), pk, &a) != ERR_OK, "byte %zu", i);
        buf[i] ^= 0x04;
        cr_expect(attestation_check_receipt(c, span_of(buf, i), pk, &a) != ERR_OK, "%zu bytes", i);
    }
    p256_free(key);
}

/* The right signer signs something else. */
Test(attestation, signed_but_wrong)
{
    static const char *const statements[] = {
        "7F2B00", "7F2B0B410102920093044F504154", /* no version, another version */
        "7F2B03410101",                           /* nothing but a version */
        ("7F2B2C410101921401020304050607080910111213141516171819204D0801020304050607084E01FF93044B5453"
         "31"), /* slot */
    };
    struct crypto *c = test_crypto();
    struct attestation a;
    struct p256_key *key;
    uint8_t pk[P256_POINT], buf[ATTESTATION_MAX], signature[SIGNATURE_SIZE];
    size_t used, len = 0;
    ASSERT_OK(p256_generate(c, &key));
    p256_public(key, pk);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        HEX(statement, statements[i]);
        struct wr w = wr_of(buf, sizeof buf);
        ASSERT_OK(signature_make(c, span_of(statement, statement_len), key, signature));
        wr_copy(&w, statement, statement_len);
        tlv_put(&w, 0x9E, span_of(signature, sizeof signature));
        EXPECT_ERR(attestation_open(c, span_of(buf, w.len), ATTESTATION_RECEIPT, pk, &a, &used),
                   ERR_MSG_MALFORMED);
        len = w.len;
    }
    pk[40] ^= 1;
    EXPECT_ERR(attestation_open(c, span_of(buf, len), ATTESTATION_RECEIPT, pk, &a, &used), ERR_KEY_INVALID);
    p256_free(key);
}

Test(attestation, receipt_with_its_bundle)
{
    struct span receipt, bundle;
    HEX(good, "7F2B009E00C003616263");
    EXPECT_ERR(receipt_split(span_of(good, good_len), &receipt, &bundle), ERR_OK);
    expect_hex(receipt, "7f2b009e00", "bytes");
    expect_hex(bundle, "616263", "bytes");
    static const char *const bad[] = {"7F2B009E00", "7F2B00C003616263", "7F2B009E00C00361626300",
                                      "9E007F2B00C000", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        HEX(in, bad[i]);
        EXPECT_ERR(receipt_split(span_of(in, in_len), &receipt, &bundle), ERR_MSG_MALFORMED);
    }
}

/* ---- [H] ---- */

Test(dk_cert, extension_both_ways)
{
    struct endpoint_creation e = some_creation(), back;
    uint8_t der[DK_CERT_EXTENSION_MAX];
    size_t len;
    e.private_size = 0xFFFF;
    e.confidential_size = 0x7F;
    EXPECT_ERR(dk_cert_put_extension(&e, der, &len), ERR_OK);
    EXPECT_ERR(dk_cert_parse_extension(span_of(der, len), &back), ERR_OK);
    cr_expect(memcmp(&e, &back, sizeof e) == 0);
    for (size_t i = 0; i < len; i++)
        cr_expect(dk_cert_parse_extension(span_of(der, i), &back) != ERR_OK, "%zu bytes", i);
}

/* One encoding for each meaning: whatever still parses is written the same again. */
Test(dk_cert, changed_extensions)
{
    struct endpoint_creation e = some_creation(), back;
    uint8_t der[DK_CERT_EXTENSION_MAX], again[DK_CERT_EXTENSION_MAX];
    size_t len, again_len, refused = 0;
    ASSERT_OK(dk_cert_put_extension(&e, der, &len));
    for (size_t i = 0; i < len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            der[i] ^= (uint8_t)(1u << bit);
            if (dk_cert_parse_extension(span_of(der, len), &back)) {
                refused++;
            } else if (der[i] != 0xA3) { /* a size that became a counter limit, which is not kept */
                ASSERT_OK(dk_cert_put_extension(&back, again, &again_len));
                cr_expect(span_equal(span_of(again, again_len), span_of(der, len)), "byte %zu, bit %u", i,
                          bit);
            }
            der[i] ^= (uint8_t)(1u << bit);
        }
    cr_expect(gt(sz, refused, 400));
}

static struct x509 issue_h(struct crypto *c, const struct endpoint_creation *e, uint8_t der[X509_MAX])
{
    struct p256_key *ca;
    struct x509 h;
    size_t len;
    uint8_t device_pk[P256_POINT];
    unhex(V4_DPK, device_pk, sizeof device_pk);
    cr_assert(p256_generate(c, &ca) == ERR_OK);
    const struct dk_cert_endpoint t = {
        e, "E.phonemaker.0102030405060708", "I.phonemaker.spaaksim", device_pk, TEST_NOW_S, DK_CERT_NO_END_S};
    cr_assert(dk_cert_issue_endpoint(c, &t, ca, der, &len) == ERR_OK);
    cr_assert(x509_parse(span_of(der, len), &h) == ERR_OK);
    p256_free(ca);
    return h;
}

Test(dk_cert, certificate_follows_its_profile)
{
    struct crypto *c = test_crypto();
    struct endpoint_creation e = some_creation();
    uint8_t der[X509_MAX];
    struct x509 h = issue_h(c, &e, der);
    EXPECT_ERR(x509_check_profile(c, &h, X509_ENDPOINT), ERR_OK);
    cr_expect(eq(str, h.subject, "E.phonemaker.0102030405060708"));
    cr_expect(h.not_after_s == DK_CERT_NO_END_S && h.ccc_type == 4);
    EXPECT_ERR(dk_cert_check_endpoint(c, &h, &e), ERR_OK);
}

Test(dk_cert, every_member_of_h_is_compared)
{
    struct crypto *c = test_crypto();
    struct endpoint_creation asked = some_creation();
    uint8_t der[X509_MAX];
    struct x509 h = issue_h(c, &asked, der);
    uint8_t *const members[] = {asked.vehicle_id,
                                asked.vehicle_pk + 5,
                                asked.authorized_pk + 5,
                                asked.slot.b,
                                (uint8_t *)&asked.version,
                                (uint8_t *)&asked.confidential_size,
                                (uint8_t *)&asked.private_size};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        *members[i] ^= 1;
        cr_expect(eq(int, dk_cert_check_endpoint(c, &h, &asked), ERR_DK_KEY_MISMATCH), "member %zu", i);
        *members[i] ^= 1;
    }
    asked.options_1 |= ENDPOINT_EXCHANGE_AFTER_FAST; /* the device may grant itself less */
    EXPECT_ERR(dk_cert_check_endpoint(c, &h, &asked), ERR_OK);
    asked.options_1 = ENDPOINT_STANDARD_CONTACTLESS; /* never more */
    EXPECT_ERR(dk_cert_check_endpoint(c, &h, &asked), ERR_DK_KEY_MISMATCH);
}

Test(dk_cert, names)
{
    char id[X509_CN_MAX + 1];
    const uint8_t unique[8] = {1, 2, 3, 4, 5, 6, 7, 0xFF};
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    cr_expect(span_is(dk_cert_manufacturer("V.spaaksim.EU.0001.00010123456789AB"), "spaaksim"));
    cr_expect(dk_cert_manufacturer("E.spaaksim").p == NULL);
    EXPECT_ERR(dk_cert_vehicle_id("V.spaaksim.EU.0001.00010123456789AB", vehicle_id), ERR_OK);
    expect_hex(span_of(vehicle_id, 8), "00010123456789ab", "bytes");
    EXPECT_ERR(dk_cert_vehicle_id("V.spaaksim.EU.0001.00010123456789AG", vehicle_id),
               ERR_CERT_SUBJECT_MISMATCH);
    EXPECT_ERR(dk_cert_endpoint_id("phonemaker", unique, id), ERR_OK);
    cr_expect(eq(str, id, "E.phonemaker.01020304050607ff"));
    EXPECT_ERR(
        dk_cert_instance_ca_id("a phone maker with a name that is very long", "a vehicle maker likewise", id),
        ERR_NO_SPACE);
}
