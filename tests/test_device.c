/* The phone's framework: what is permitted in which state, and what the right vehicle may not do either. */
#include <signal.h>

#include "lib/ccc/ecies.h"
#include "tests/check.h"
#include "tests/phone.h"
#include "tests/support.h"

/* ---- framework ---- */

static const struct {
    const char *name, *apdu;
    uint16_t otherwise, sw[DK_STATES]; /* in the states named; 0: as otherwise */
} permitted[] = {
    {.name = "SELECT framework",
     .apdu = "00A404000DA000000809434343444B46763100",
     .otherwise = 0x6985,
     .sw = {[DK_IDLE] = 0x9000, [DK_SELECTED] = 0x9000, [DK_PAIRED] = 0x9000}},
    {.name = "SELECT applet",
     .apdu = "00A404000DA000000809434343444B41763100",
     .otherwise = 0x6A82,
     .sw = {[DK_PAIRED] = 0x9000}},
    {.name = "SELECT another", .apdu = "00A4040005A00000000100", .otherwise = 0x6A82},
    {.name = "SPAKE2+ REQUEST",
     .apdu = REQUEST_OK,
     .otherwise = 0x6985,
     .sw = {[DK_SELECTED] = 0x9000, [DK_REQUESTED] = 0x9000, [DK_SECURE2] = 0x9000}},
    {.name = "SPAKE2+ VERIFY",
     .apdu = "80320000025200",
     .otherwise = 0x6985,
     .sw = {[DK_REQUESTED] = 0x6A88}},
    {.name = "WRITE DATA",
     .apdu = "84D48000184FAC89109242B8F800CD7407680D37FA34237FBA336E416300",
     .otherwise = 0x6985,
     .sw = {[DK_SECURE1] = 0x6982, [DK_SECURE2] = 0x6982}},
    {.name = "GET DATA",
     .apdu = "84CA000018DED1D7E536BB17E338BA770A21FA1348AD77C0B91745E7FB00",
     .otherwise = 0x6985,
     .sw = {[DK_SECURE2] = 0x6982}},
    {.name = "GET RESPONSE", .apdu = "84C0000000", .otherwise = 0x6985},
    {.name = "key data complete",
     .apdu = "803C1001",
     .otherwise = 0x6A80,
     .sw = {[DK_IDLE] = 0x6985, [DK_WRITTEN] = 0x9000}},
    {.name = "key accepted, [H] not read", .apdu = "803C1002", .otherwise = 0x6985},
    {.name = "end, [H] not read", .apdu = "803C1110", .otherwise = 0x6985, .sw = {[DK_PAIRED] = 0x9000}},
    {.name = "abort", .apdu = "803C120000", .otherwise = 0x9000, .sw = {[DK_IDLE] = 0x6985}},
    {.name = "unknown flow", .apdu = "803C1210", .otherwise = 0x6B00},
    {.name = "AUTH0", .apdu = "8080000000", .otherwise = 0x6D00},
    {.name = "class 90", .apdu = "90300000025B00", .otherwise = 0x6E00},
    {.name = "REQUEST in class 84", .apdu = "84300000025B00", .otherwise = 0x6E00},
    {.name = "REQUEST with P1", .apdu = "80300100025B00", .otherwise = 0x6B00},
    {.name = "WRITE DATA with P1 40", .apdu = "84D44000080102030405060708", .otherwise = 0x6B00},
    {.name = "WRITE DATA without a MAC", .apdu = "84D4000001AA", .otherwise = 0x6700},
    {.name = "half a header", .apdu = "8032", .otherwise = 0x6700},
};

Test(framework, every_command_in_every_state)
{
    for (enum dk_device_state s = DK_IDLE; s < DK_STATES; s++)
        for (size_t i = 0; i < sizeof permitted / sizeof permitted[0]; i++) {
            struct rig *r = rig_ready(test_crypto());
            phone_bring_to(r, s);
            uint16_t sw = phone_send(r, permitted[i].apdu);
            uint16_t wanted = permitted[i].sw[s] ? permitted[i].sw[s] : permitted[i].otherwise;
            if (s == DK_DERIVING) /* whatever it is, it gives the derivation up */
                wanted = APDU_SW_CONDITIONS;
            cr_expect(eq(int, sw, wanted), "%s in %s: %04X", permitted[i].name, dk_device_state_name(s), sw);
            if (s == DK_CREATING && sw != APDU_SW_OK) {
                cr_expect(r->device.state == s && r->device.pairing.channel.open,
                          "%s in CREATING has no effect", permitted[i].name);
            } else if (sw != APDU_SW_OK) {
                cr_expect(not(r->device.pairing.channel.open), "%s in %s", permitted[i].name,
                          dk_device_state_name(s));
                cr_expect(r->device.state == (s == DK_IDLE || s == DK_PAIRED ? s : DK_SELECTED));
            }
            rig_free(r);
        }
}

Test(framework, a_command_before_the_store_answered_breaks_a_promise, .signal = SIGABRT)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_REQUESTED);
    HEX(verify, VERIFY_ZEROS);
    struct dk_step s =
        dk_device_input(&r->device, DK_CONTACTLESS, DK_TO_SELECTED, span_of(verify, verify_len));
    cr_assert(s.what == DK_STORE && s.change.framework && s.change.put == 0 && s.change.erase == 0);
    dk_device_input(&r->device, DK_CONTACTLESS, DK_TO_SELECTED, span_of("\x80\x3C\x12\x00", 4));
}

Test(framework, opens_under_a_name_of_which_identifiers_can_be_made)
{
    static struct applet a;
    static struct dk_device d;
    char name[X509_CN_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    applet_open(&a, test_crypto());
    EXPECT_ERR(dk_device_open(&d, test_crypto(), &a, ""), ERR_BAD_ARGUMENT);
    EXPECT_ERR(dk_device_open(&d, test_crypto(), &a, name), ERR_NO_SPACE);
    ASSERT_OK(dk_device_open(&d, test_crypto(), &a, "phonemaker"));
    dk_device_close(&d);
    applet_close(&a);
}

Test(framework, states_have_names)
{
    cr_expect(eq(str, (char *)dk_device_state_name(DK_IDLE), "IDLE"));
    cr_expect(eq(str, (char *)dk_device_state_name(DK_PAIRED), "PAIRED"));
}

Test(framework, request_refusals)
{
    static const struct {
        const char *what, *apdu;
    } rows[] = {
        {"no brand", "803000002B5B0201005C0201007F5020C01001020304050607080910111213141516C10400001000C202000"
                     "8C302000100"},
        {"N not a power of two", "803000002F5B0201005C0201007F5020C01001020304050607080910111213141516C104000"
                                 "01001C2020008C3020001D602000100"},
        {"N too large", "803000002F5B0201005C0201007F5020C01001020304050607080910111213141516C10400020000C202"
                        "0008C3020001D602000100"},
        {"r zero", "803000002F5B0201005C0201007F5020C01001020304050607080910111213141516C10400001000C2020000C"
                   "3020001D602000100"},
        {"p two", "803000002F5B0201005C0201007F5020C01001020304050607080910111213141516C10400001000C2020008C3"
                  "020002D602000100"},
        {"salt zero", "803000002F5B0201005C0201007F5020C01000000000000000000000000000000000C10400001000C20200"
                      "08C3020001D602000100"},
        {"SPAKE2+ version", "803000002F5B0202005C0201007F5020C01001020304050607080910111213141516C10400001000"
                            "C2020008C3020001D602000100"},
        {"applet version", "803000002F5B0201005C0202007F5020C01001020304050607080910111213141516C10400001000C"
                           "2020008C3020001D602000100"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        phone_bring_to(r, DK_SELECTED);
        cr_expect(eq(int, phone_send(r, rows[i].apdu), APDU_SW_INVALID), "%s", rows[i].what);
        cr_expect(eq(int, phone_send(r, REQUEST_OK), APDU_SW_OK), "REQUEST works after %s", rows[i].what);
        rig_free(r);
    }
}

Test(framework, without_a_password)
{
    struct rig *r = rig_ready(test_crypto());
    dk_device_forget_password(&r->device);
    cr_expect(eq(int, phone_send(r, "00A404000DA000000809434343444B46763100"), APDU_SW_OK));
    cr_expect(eq(int, r->device.state, DK_IDLE));
    cr_expect(eq(int, phone_send(r, REQUEST_OK), APDU_SW_NOT_READY));
    cr_expect(eq(int, phone_send(r, "00A404000DA000000809434343444B41763100"), APDU_SW_NOT_FOUND),
              "no key at all");
    rig_free(r);
}

Test(framework, lost_link_keeps_a_created_key_until_the_password_is_dropped)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_SECURE2);
    cr_assert(r->device.pairing.key != NULL);
    rig_phone_reset(r);
    cr_expect(r->device.state == DK_IDLE && !r->device.pairing.channel.open);
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_CREATED));
    dk_device_forget_password(&r->device);
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_NONE));
    rig_free(r);
}

Test(framework, key_that_cannot_be_made_ends_pairing)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_CREATING);
    ASSERT_OK(applet_delete_ca(&r->applet, r->partner->instance_ca_id));
    EXPECT_ERR(dk_device_create_key(&r->device), ERR_NOT_FOUND);
    cr_expect(r->device.state == DK_IDLE && !r->device.pairing.channel.open);
    EXPECT_ERR(dk_device_create_key(&r->device), ERR_MSG_OUT_OF_ORDER);
    rig_free(r);
}

Test(framework, get_data_knows_five_objects)
{
    static const struct {
        uint8_t tag[2], len;
        uint16_t sw;
    } rows[] = {{{0x7F, 0x20}, 2, 0x6100}, {{0x7F, 0x22}, 2, 0x6100}, {{0x7F, 0x24}, 2, 0x6100},
                {{0xD3}, 1, 0x9000},       {{0xD4}, 1, 0x9000},       {{0x7F, 0x21}, 2, 0x6A88},
                {{0x7F}, 1, 0x6A88}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        uint8_t out[APDU_COMMAND_MAX], answer[APDU_RESPONSE_MAX], plain[256];
        struct wr w = wr_of(out, sizeof out), a = wr_of(answer, sizeof answer);
        struct span data;
        uint16_t sw;
        size_t len;
        phone_bring_to(r, DK_SECURE2);
        struct channel vehicle = r->device.pairing.channel; /* both ends are equal between two commands */
        ASSERT_OK(channel_wrap_command(r->crypto, &vehicle, APDU_GET_DATA, 0, 0,
                                       span_of(rows[i].tag, rows[i].len), &w));
        rig_phone_input(r, span_of(out, w.len), &a);
        ASSERT_OK(apdu_response_parse(span_of(answer, a.len), &data, &sw));
        cr_expect(eq(int, sw & 0xFF00, rows[i].sw & 0xFF00), "row %zu: %04X", i, sw);
        if (rows[i].tag[0] == 0xD3) {
            ASSERT_OK(channel_unwrap_response(r->crypto, &vehicle, data, sw, plain, &len));
            cr_expect(span_equal(span_of(plain, len), span_of("\xD3\x0Aphonemaker", 12)));
        }
        rig_free(r);
    }
}

#define WRITE_IN(where) .state = where, .ins = APDU_WRITE_DATA

static const struct {
    const char *what, *plain;
    enum dk_device_state state;
    uint8_t ins, p1;
    uint16_t sw;
} protected_commands[] = {
    {.what = "unknown tag", .plain = "7F4F00", WRITE_IN(DK_SECURE1), .sw = APDU_SW_WRONG_DATA},
    {.what = "end of data with content", .plain = "5F5F0100", WRITE_IN(DK_SECURE1), .sw = APDU_SW_WRONG_DATA},
    {.what = "empty piece", .plain = "", WRITE_IN(DK_SECURE1), .sw = APDU_SW_WRONG_DATA},
    {.what = "last piece without an end",
     .plain = "7F4D00",
     WRITE_IN(DK_SECURE1),
     .p1 = 0x80,
     .sw = APDU_SW_WRONG_DATA},
    {.what = "nothing but an end", .plain = "5F5F00", WRITE_IN(DK_SECURE1), .p1 = 0x80, .sw = APDU_SW_OK},
    {.what = "first block in the second place",
     .plain = "7F4D00",
     WRITE_IN(DK_SECURE2),
     .sw = APDU_SW_WRONG_DATA},
    {.what = "an attestation", .plain = "5F5A01AA5F5F00", WRITE_IN(DK_SECURE2), .p1 = 0x80, .sw = APDU_SW_OK},
    {.what = "no attestation", .plain = "5F5F00", WRITE_IN(DK_SECURE2), .p1 = 0x80, .sw = APDU_SW_OK},
    {.what = "tag of three bytes",
     .plain = "7F2020",
     .state = DK_SECURE2,
     .ins = APDU_GET_DATA,
     .sw = APDU_SW_INVALID},
    {.what = "no tag", .plain = "", .state = DK_SECURE2, .ins = APDU_GET_DATA, .sw = APDU_SW_INVALID},
};

Test(framework, protected_commands_of_the_right_vehicle)
{
    for (size_t i = 0; i < sizeof protected_commands / sizeof protected_commands[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        HEX(in, protected_commands[i].plain);
        phone_bring_to(r, protected_commands[i].state);
        uint16_t sw =
            phone_send_protected(r, protected_commands[i].ins, protected_commands[i].p1, span_of(in, in_len));
        cr_expect(eq(int, sw, protected_commands[i].sw), "%s: %04X", protected_commands[i].what, sw);
        cr_expect(eq(int, r->device.pairing.channel.open, sw == APDU_SW_OK), "%s",
                  protected_commands[i].what);
        rig_free(r);
    }
}

Test(framework, too_much_data)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t piece[CHANNEL_PLAIN_MAX] = {0x7F, 0x4B, 0x82, 0x0F, 0xFF};
    phone_bring_to(r, DK_SECURE1);
    size_t pieces = 0;
    while (phone_send_protected(r, APDU_WRITE_DATA, 0, span_of(piece, sizeof piece)) == APDU_SW_OK)
        pieces++;
    cr_expect(eq(sz, pieces, KEY_DATA_MAX / CHANNEL_PLAIN_MAX));
    cr_expect(eq(int, r->device.state, DK_SELECTED));
    rig_free(r);
}

/* What a vehicle OEM attests is its own affair, also how long it is. */
Test(framework, opaque_attestation_may_be_long)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t piece[CHANNEL_PLAIN_MAX] = {0x5F, 0x5A, 0x82, DK_OPAQUE_MAX >> 8, DK_OPAQUE_MAX & 0xFF}, end[239];
    phone_bring_to(r, DK_SECURE2);
    size_t left = 5 + DK_OPAQUE_MAX;
    for (; left > sizeof piece; left -= sizeof piece) {
        cr_assert(
            eq(int, phone_send_protected(r, APDU_WRITE_DATA, 0, span_of(piece, sizeof piece)), APDU_SW_OK));
        memset(piece, 0xA5, sizeof piece);
    }
    memset(end, 0xA5, sizeof end);
    memcpy(end + left, "\x5F\x5F\x00", 3);
    cr_assert(eq(int, phone_send_protected(r, APDU_WRITE_DATA, 0x80, span_of(end, left + 3)), APDU_SW_OK));
    const struct dk_owned *o = dk_device_owned(&r->device, r->device.pairing.key);
    cr_expect(eq(sz, o->attestation_len, DK_OPAQUE_MAX));
    cr_expect(eq(u8, o->attestation[DK_OPAQUE_MAX - 1], 0xA5));
    rig_free(r);
}

Test(framework, second_attestation_and_write_while_an_object_is_pending)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_SECURE2);
    cr_expect(
        eq(int, phone_send_protected(r, APDU_WRITE_DATA, 0x80, span_of("\x5F\x5F\x00", 3)), APDU_SW_OK));
    cr_expect(eq(int, phone_send_protected(r, APDU_WRITE_DATA, 0x80, span_of("\x5F\x5F\x00", 3)),
                 APDU_SW_CONDITIONS));
    phone_bring_to(r, DK_SECURE2);
    cr_expect(
        eq(int, phone_send_protected(r, APDU_GET_DATA, 0, span_of("\x7F\x24", 2)) & 0xFF00, APDU_SW_MORE));
    struct dk_device before = r->device; /* the channel ends with the error */
    cr_expect(eq(int, phone_send_protected(r, APDU_WRITE_DATA, 0x80, span_of("\x5F\x5F\x00", 3)),
                 APDU_SW_CONDITIONS));
    cr_expect(before.pairing.channel.open && r->device.state == DK_SELECTED);
    phone_bring_to(r, DK_SECURE2);
    cr_expect(
        eq(int, phone_send_protected(r, APDU_GET_DATA, 0, span_of("\x7F\x24", 2)) & 0xFF00, APDU_SW_MORE));
    cr_expect(eq(int, phone_send(r, "803C1002"), APDU_SW_CONDITIONS), "not accepted before it was read");
    rig_free(r);
}

/* Key creation data that only the device can judge. */
Test(framework, key_data_is_judged_at_its_end)
{
    static const uint8_t garbage[] = {0x30, 0x01, 0x00};
    static const struct {
        const char *name;
        bool other_version, bad_certificate;
        uint8_t options_1;
        int64_t not_before_s, not_after_s;
        uint16_t sw;
    } rows[] = {
        {"good", .options_1 = 0x33, .sw = APDU_SW_OK},
        {"another applet version", .options_1 = 0x33, .other_version = true, .sw = APDU_SW_WRONG_DATA},
        {"[K] is none", .options_1 = 0x33, .bad_certificate = true, .sw = APDU_SW_WRONG_DATA},
        {"a key that opens nothing", .options_1 = 0x32, .sw = APDU_SW_WRONG_DATA},
        {"over already", .options_1 = 0x33, .not_after_s = RIG_NOW_S - 1, .sw = APDU_SW_WRONG_DATA},
        {"this very second", .options_1 = 0x33, .not_after_s = RIG_NOW_S, .sw = APDU_SW_OK},
        {"from tomorrow", .options_1 = 0x33, .not_before_s = RIG_NOW_S + 86400, .sw = APDU_SW_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        static struct key_data_buffer b;
        struct key_data k = r->pairing_config.key_data;
        k.creation.version = rows[i].other_version ? 0x0101 : 0x0100;
        k.creation.options_1 = rows[i].options_1;
        k.creation.not_before_s = rows[i].not_before_s;
        k.creation.not_after_s = rows[i].not_after_s;
        if (rows[i].bad_certificate)
            k.vehicle_certificate = span_of(garbage, sizeof garbage);
        phone_bring_to(r, DK_SECURE1);
        ASSERT_OK(key_data_put(&b, &k));
        cr_assert(eq(int, phone_write_block(r, &b), APDU_SW_OK));
        cr_expect(eq(int, phone_send(r, "803C1001"), rows[i].sw), "%s", rows[i].name);
        rig_free(r);
    }
}

Test(framework, password_after_select_needs_another_select)
{
    struct rig *r = rig_ready(test_crypto());
    dk_device_forget_password(&r->device);
    cr_expect(eq(int, phone_send(r, "00A404000DA000000809434343444B46763100"), APDU_SW_OK));
    rig_enter_password(r, true);
    cr_expect(eq(int, phone_send(r, REQUEST_OK), APDU_SW_CONDITIONS));
    cr_expect(eq(int, phone_send(r, "00A404000DA000000809434343444B46763100"), APDU_SW_OK));
    cr_expect(eq(int, phone_send(r, REQUEST_OK), APDU_SW_OK));
    EXPECT_ERR(dk_device_set_password(&r->device, span_of("", 0)), ERR_BAD_ARGUMENT);
    EXPECT_ERR(dk_device_set_password(&r->device, span_of("123456789012345678901234567890123", 33)),
               ERR_BAD_ARGUMENT);
    rig_free(r);
}

Test(framework, keys_that_the_vehicle_sends_replace_derived_ones)
{
    static const uint8_t oob[CCC_KEY] = {1}, intro[CCC_KEY] = {2}, master[CCC_KEY] = {3};
    struct rig *r = rig_ready(test_crypto());
    struct device_config_ble *ble = &r->pairing_config.key_data.config.ble;
    const struct dk_owned *o = &r->device.owned[0];
    ble->kble_oob = oob;
    ble->kble_intro = intro;
    ble->kble_oob_master_online = master;
    ASSERT_OK(rig_pair_phase_2(r));
    cr_expect(o->has_kble_oob && memcmp(o->kble_oob, oob, CCC_KEY) == 0);
    cr_expect(memcmp(o->kble_intro, intro, CCC_KEY) == 0 && memcmp(o->kble_oob_master, master, CCC_KEY) == 0);
    cr_expect(memcmp(o->irk, ble->irk, sizeof o->irk) == 0);
    rig_free(r);
}

Test(framework, partners)
{
    struct rig *r = rig_ready(test_crypto());
    struct dk_partner *p;
    uint8_t pk[P256_POINT];
    static const uint8_t huge[X509_MAX + 1];
    struct span root = {r->j.der, r->j.len};
    EXPECT_ERR(dk_device_add_partner(&r->device, "other", span_of(huge, 3), &p, pk), ERR_DER_SYNTAX);
    EXPECT_ERR(dk_device_add_partner(&r->device, "other", span_of(huge, sizeof huge), &p, pk), ERR_NO_SPACE);
    EXPECT_ERR(dk_device_add_partner(&r->device, "SPAAKSIM", root, &p, pk), ERR_BUSY);
    const char *const names[] = {"b", "c", "d"};
    for (size_t i = 0; i < 3; i++)
        ASSERT_OK(dk_device_add_partner(&r->device, names[i], root, &p, pk));
    EXPECT_ERR(dk_partner_certify(p, span_of(huge, sizeof huge), root), ERR_NO_SPACE);
    (void)dk_device_changes(&r->device);
    struct dk_partner *again;
    uint8_t same[P256_POINT];
    ASSERT_OK(dk_device_add_partner(&r->device, "d", span_of(r->f.der, r->f.len), &again, same));
    cr_expect(again == p && memcmp(same, pk, sizeof pk) == 0, "not certified yet: the same CA");
    cr_expect(span_equal(span_of(p->anchors[0].root, p->anchors[0].root_len), span_of(r->f.der, r->f.len)));
    cr_expect(dk_device_changes(&r->device).framework);
    ASSERT_OK(dk_partner_certify(p, root, root));
    EXPECT_ERR(dk_device_add_partner(&r->device, "d", root, &again, same), ERR_BUSY);
    EXPECT_ERR(dk_device_add_partner(&r->device, "e", root, &p, pk), ERR_NO_SPACE);
    rig_free(r);
}

Test(framework, receipts_that_do_not_fit)
{
    struct rig *r = rig_ready(test_crypto());
    static uint8_t sealed[4096];
    uint8_t receiver[P256_POINT], ephemeral_pk[P256_POINT];
    const uint8_t receipt[] = {0x7F, 0x2B, 0x02, 0xAA, 0xBB, 0x9E, 0x00, 0xC0, 0x00};
    struct p256_key *ephemeral;
    struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(rig_pair_phase_2(r));
    ASSERT_OK(p256_generate(r->crypto, &ephemeral));
    p256_public(ephemeral, ephemeral_pk);
    p256_public(r->device.enc_key, receiver);
    ASSERT_OK(ecies_seal(r->crypto, ephemeral, receiver, span_of(receipt, sizeof receipt), sealed));
    EXPECT_ERR(dk_device_receipt(&r->device, k, ephemeral_pk, span_of(sealed, 5)), ERR_NO_SPACE);
    EXPECT_ERR(dk_device_receipt(&r->device, k, ephemeral_pk, span_of(sealed, sizeof sealed)), ERR_NO_SPACE);
    struct span whole = {sealed, sizeof receipt + ECIES_OVERHEAD};
    sealed[0] ^= 1;
    EXPECT_ERR(dk_device_receipt(&r->device, k, ephemeral_pk, whole), ERR_SIGNATURE_INVALID);
    sealed[0] ^= 1;
    r->device.owned[0].map.end = (uint16_t)(r->device.owned[0].map.attestation + 6);
    EXPECT_ERR(dk_device_receipt(&r->device, k, ephemeral_pk, whole), ERR_NO_SPACE);
    r->device.owned[0].map.end++;
    EXPECT_ERR(dk_device_receipt(&r->device, k, ephemeral_pk, whole), ERR_OK);
    cr_expect(memcmp(k->mailboxes.private_area + r->device.owned[0].map.attestation, receipt, 7) == 0);
    p256_free(ephemeral);
    rig_free(r);
}
