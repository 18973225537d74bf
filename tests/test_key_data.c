/* Key creation data as blocks and pieces, and the operations of EXCHANGE. */
#include "lib/ccc/exchange.h"
#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"
#include "tests/ccc_samples.h"
#include "tests/support.h"

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

static const struct {
    const char *name, *map; /* value of 7F4D */
    bool sharing;
    enum err e;
} without[] = {
    {"no KeyAtt", "D0020000C0020001C1020002C2020042D1020062D20110", false, ERR_OK},
    {"no KeyAtt, no OEM data", "D0020000C0020001C1020002D1020042D20110", false, ERR_OK},
    {"KeyAtt too short for one", "D0020000C0020001C1020002C2020042C3020062D1020063D20110", false,
     ERR_DK_KEY_DATA},
    {"no KeyAtt, but attestations to hand out", "D0020000C0020001C1020002C2020042D1020062D20110", true,
     ERR_DK_KEY_DATA},
};

Test(key_data, areas_that_a_vehicle_may_leave_out)
{
    static const uint8_t certificate[4] = {0x30};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        static struct key_data_buffer b;
        struct key_data k = some_key_data(span_of(certificate, sizeof certificate)), back;
        uint8_t block[KEY_DATA_MAX];
        struct wr w = wr_of(block, sizeof block);
        struct tlv t;
        HEX(map, without[i].map);
        k.config.sharing = (struct device_config_sharing){without[i].sharing, 0, 1};
        ASSERT_OK(key_data_put(&b, &k));
        struct rd r = rd_of(b.bytes, b.len);
        while (tlv_next(&r, &t))
            tlv_put(&w, t.tag, t.tag == 0x7F4D ? span_of(map, map_len) : t.value);
        enum err e = key_data_parse(span_of(block, w.len), &back);
        cr_expect(eq(int, (int)e, (int)without[i].e), "%s: %s", without[i].name, err_name(e));
        if (!e)
            cr_expect(back.map.attestation == back.map.end && back.map.oem <= back.map.attestation, "%s",
                      without[i].name);
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
