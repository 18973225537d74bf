/* Data of the Digital Key messages: bytes out, bytes in, and what is refused. */
#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"
#include "tests/ccc_samples.h"
#include "tests/support.h"

/* ---- SELECT, REQUEST, VERIFY ---- */

static const struct {
    const char *name, *hex;
    enum err e;
    size_t versions;
    bool ready;
} selects[] = {
    {"ready", "5A0201005C020100D40102", ERR_OK, 1, true},
    {"not ready", "5A0201005C020100D40100", ERR_OK, 1, false},
    {"any order, unknown tag", "D401025C02010099015A5A020100", ERR_OK, 1, true},
    {"nine versions", "5A120109010801070106010501040103010201015C020100D40102", ERR_OK, 9, true},
    {"a mode that we do not know", "5A0201005C020100D40101", ERR_OK, 1, false},
    {"no versions", "5C020100D40102", ERR_NOT_FOUND, 0, false},
    {"odd versions", "5A0301005C5C020100D40102", ERR_BAD_ARGUMENT, 0, false},
    {"empty versions", "5A005C020100D40102", ERR_BAD_ARGUMENT, 0, false},
    {"mode too long", "5A0201005C020100D4020002", ERR_BAD_ARGUMENT, 0, false},
    {"mode twice", "5A0201005C020100D40102D40100", ERR_TRAILING_BYTES, 0, false},
    {"cut", "5A0201005C020100D401", ERR_TRUNCATED, 0, false},
};

Test(op_message, select_answers)
{
    struct op_select s;
    for (size_t i = 0; i < sizeof selects / sizeof selects[0]; i++) {
        HEX(in, selects[i].hex);
        enum err e = op_select_parse(span_of(in, in_len), &s);
        cr_expect(eq(int, (int)e, (int)selects[i].e), "%s: %s", selects[i].name, err_name(e));
        if (e)
            continue;
        cr_expect(eq(sz, s.framework.n, selects[i].versions), "%s", selects[i].name);
        cr_expect(s.framework.v[0] >= s.framework.v[s.framework.n - 1], "%s: highest first", selects[i].name);
        cr_expect(eq(int, s.ready, selects[i].ready), "%s", selects[i].name);
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
    {"deprecated counter limit", "570400000001", ERR_OK},
    {"unknown tag, and once more", "61017F6100", ERR_OK},
    {"dates in order", "510F32303236303130313030303030305A520F32303237303130313030303030305A", ERR_OK},
    {"end before start", "510F32303237303130313030303030305A520F32303236303130313030303030305A",
     ERR_BAD_ARGUMENT},
    {"date of 14 characters", "510E323032363031303130303030305A", ERR_BAD_ARGUMENT},
    {"date with letters", "510F32303236303130313030303030584A", ERR_BAD_ARGUMENT},
    {"31 February", "510F32303236303233313030303030305A", ERR_BAD_ARGUMENT},
    {"29 February of a common year", "510F32303236303232393030303030305A", ERR_BAD_ARGUMENT},
    {"29 February of a leap year", "510F32303238303232393030303030305A", ERR_OK},
    {"31 April", "510F32303236303433313030303030305A", ERR_BAD_ARGUMENT},
    {"month 13", "510F32303236313330313030303030305A", ERR_BAD_ARGUMENT},
    {"the device's own identifier", "5F2001AA", ERR_BAD_ARGUMENT},
    {"that of its instance CA", "4201AA", ERR_BAD_ARGUMENT},
    {"a date twice", "510F32303236303130313030303030305A510F32303236303130313030303030305A",
     ERR_TRAILING_BYTES},
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
    EXPECT_ERR(slot_id_parse(span_of(b, 0), &s), ERR_BAD_ARGUMENT);
    EXPECT_ERR(slot_id_parse(span_of(b, 1), &s), ERR_OK);
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
    const struct mailbox_map short_slots = {0, 1, 2, 2 + MAILBOX_SLOTS, 0x20, 0x20, 0};
    EXPECT_ERR(mailbox_map_check(&short_slots, 1, 0x20, 0), ERR_OK);
    EXPECT_ERR(mailbox_map_check(&short_slots, 2, 0x20, 0), ERR_BAD_ARGUMENT);
    const struct mailbox_map no_slots = {0, 1, 2, 2, 0x20, 0x20, 0};
    EXPECT_ERR(mailbox_map_check(&no_slots, 0, 0x20, 0), ERR_BAD_ARGUMENT);
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

/* Of a list that is longer than we keep, the highest. */
Test(op_message, versions_that_are_too_many)
{
    uint8_t list[2 * OP_VERSIONS + 4];
    struct op_versions v;
    for (size_t i = 0; i < sizeof list / 2; i++) {
        list[2 * i] = 1;
        list[2 * i + 1] = (uint8_t)(0xF0 - i);
    }
    for (size_t n = OP_VERSIONS - 1; n <= OP_VERSIONS + 2; n++) {
        EXPECT_OK(op_versions_parse(span_of(list, 2 * n), &v), "%zu", n);
        cr_expect(eq(sz, v.n, n < OP_VERSIONS ? n : OP_VERSIONS));
        cr_expect(eq(int, v.v[v.n - 1], 0x01F0 - (int)v.n + 1));
    }
}
