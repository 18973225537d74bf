/* Two links to the phone at once: what one may not do to the other, and what the framework leaves for the end
 * of a session. */
#include "lib/ccc/ecies.h"
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/phone.h"
#include "tests/reader.h"
#include "tests/support.h"

static uint16_t framework_over_ble(struct rig *r, const char *hex)
{
    return phone_send_over(r, DK_BLE, DK_TO_FRAMEWORK, hex);
}

/* ---- pairing on one link ---- */

Test(links, pairing_is_not_disturbed_from_the_other_link)
{
    static const enum dk_device_state states[] = {DK_DERIVING, DK_REQUESTED, DK_SECURE1,
                                                  DK_WRITTEN,  DK_CREATING,  DK_SECURE2};
    static const struct {
        const char *what, *apdu;
        uint16_t sw;
    } commands[] = {
        {"SELECT framework", SELECT_FRAMEWORK, APDU_SW_CONDITIONS},
        {"SELECT applet", SELECT_APPLET, APDU_SW_NOT_FOUND},
        {"SELECT another", SELECT_PPSE, APDU_SW_NOT_FOUND},
        {"REQUEST", REQUEST_OK, APDU_SW_CONDITIONS},
        {"VERIFY", VERIFY_WRONG, APDU_SW_CONDITIONS},
        {"key accepted", "803C1002", APDU_SW_CONDITIONS},
        {"abort", "803C1200", APDU_SW_CONDITIONS},
        {"garbage", "80", APDU_SW_WRONG_LENGTH},
    };
    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        struct rig *r = rig_ready(test_crypto());
        cr_expect(eq(int, framework_over_ble(r, SELECT_FRAMEWORK), APDU_SW_OK));
        phone_bring_to(r, states[s]);
        static struct dk_pairing before;
        before = r->device.pairing;
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            cr_expect(eq(int, framework_over_ble(r, commands[i].apdu), commands[i].sw), "%s in %s",
                      commands[i].what, dk_device_state_name(states[s]));
            cr_expect(eq(int, r->device.state, states[s]), "%s in %s", commands[i].what,
                      dk_device_state_name(states[s]));
        }
        rig_phone_reset_over(r, DK_BLE);
        cr_expect(eq(int, r->device.state, states[s]), "a reset in %s", dk_device_state_name(states[s]));
        cr_expect(memcmp(&before, &r->device.pairing, sizeof before) == 0, "in %s",
                  dk_device_state_name(states[s]));
        rig_free(r);
    }
}

Test(links, key_that_was_made_is_for_the_link_that_asked)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_CREATING);
    ASSERT_OK(dk_device_create_key(&r->device));
    cr_expect(eq(int, framework_over_ble(r, SELECT_FRAMEWORK), APDU_SW_CONDITIONS));
    cr_expect(eq(int, r->device.state, DK_CREATING));
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_OK));
    cr_expect(eq(int, r->device.state, DK_SECURE2));
    rig_free(r);
}

Test(links, whoever_sends_request_first_pairs)
{
    struct rig *r = rig_ready(test_crypto());
    cr_expect(eq(int, framework_over_ble(r, SELECT_FRAMEWORK), APDU_SW_OK));
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_OK));
    rig_phone_reset(r);
    cr_expect(eq(int, r->device.state, DK_SELECTED), "the other link has selected it, too");
    cr_expect(eq(int, framework_over_ble(r, REQUEST_OK), APDU_SW_OK));
    cr_expect(eq(int, r->device.pairing.link, DK_BLE));
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_CONDITIONS));
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(eq(int, r->device.state, DK_IDLE));
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_OK));
    rig_free(r);
}

Test(links, applet_answers_beside_a_pairing_on_the_other_link)
{
    struct rig *r = rig_ready(test_crypto());
    struct reader v;
    ASSERT_OK(rig_pair(r));
    rig_enter_password(r, true);
    phone_bring_to(r, DK_SECURE2);
    reader_open(&v, r, DK_BLE);
    cr_expect(reader_authenticate(&v), "with the older key, not with the one just made");
    cr_expect(r->applet.sessions[DK_BLE].key == &r->applet.keys[0]);
    cr_expect(eq(int, phone_accept(r), APDU_SW_OK));
    cr_expect(r->applet.sessions[DK_BLE].key == NULL, "the older key is gone, and its session");
    reader_close(&v);
    rig_free(r);
}

/* ---- DK messages ---- */

static const struct {
    const char *what, *sdu, *answer; /* answer NULL: left to the owner */
} messages[] = {
    {.what = "SELECT framework",
     .sdu = "000B001300A404000DA000000809434343444B46763100",
     .answer = "000c000d5a0201005c020100d401009000"},
    {.what = "SELECT applet",
     .sdu = "010B001300A404000DA000000809434343444B41763100",
     .answer = "010c00065c0201009000"},
    {.what = "SELECT framework sent to the applet",
     .sdu = "010B001300A404000DA000000809434343444B46763100",
     .answer = "010c00026a82"},
    {.what = "SELECT applet sent to the framework",
     .sdu = "000B001300A404000DA000000809434343444B41763100",
     .answer = "000c00026a82"},
    {.what = "no APDU", .sdu = "000B0000", .answer = "000c00026700"},
    {.what = "an answer", .sdu = "000C00029000", .answer = NULL},
    {.what = "an event", .sdu = "030100020101", .answer = NULL},
    {.what = "a first approach", .sdu = "050200020101", .answer = NULL},
    {.what = "cut", .sdu = "000B001300A4", .answer = NULL},
    {.what = "unknown type", .sdu = "080B000400A40400", .answer = NULL},
    {.what = "nothing", .sdu = "", .answer = NULL},
};

Test(messages, type_says_whom_a_command_is_for)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        HEX(sdu, messages[i].sdu);
        struct dk_step s = dk_device_message(&r->device, span_of(sdu, sdu_len));
        cr_expect(eq(int, s.what, messages[i].answer ? DK_ANSWER : DK_NOTHING), "%s", messages[i].what);
        if (messages[i].answer)
            expect_hex(s.answer, messages[i].answer, messages[i].what);
    }
    rig_free(r);
}

Test(messages, answer_that_waited_for_the_store_is_one_too)
{
    struct rig *r = rig_ready(test_crypto());
    r->interface = r->finish_config.transaction.interface = TRANSACTION_BLE;
    bool fast;
    ASSERT_OK(rig_pair(r)); /* the rig takes nothing else for an answer */
    ASSERT_OK(rig_unlock(r, false, true, &fast));
    cr_expect(eq(int, r->applet.sessions[DK_CONTACTLESS].state, APPLET_DESELECTED));
    rig_free(r);
}

/* ---- a transaction on each link ---- */

static struct rig *two_readers(struct reader *near, struct reader *far)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    rig_phone_reset_over(r, DK_CONTACTLESS);
    reader_open(near, r, DK_CONTACTLESS);
    reader_open(far, r, DK_BLE);
    return r;
}

static void close_readers(struct reader *near, struct reader *far)
{
    struct rig *r = near->rig;
    reader_close(near);
    reader_close(far);
    rig_free(r);
}

static uint16_t write_one(struct reader *v, enum exchange_option option, uint8_t value)
{
    uint8_t buf[32];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, option);
    exchange_put_write(&w, MAILBOX_PRIVATE, 0x50, span_of(&value, 1));
    return reader_exchange(v, &w);
}

Test(sessions, both_links_may_use_the_same_key)
{
    struct reader near, far;
    struct rig *r = two_readers(&near, &far);
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    cr_expect(eq(int, write_one(&near, EXCHANGE_COMMIT, 1), APDU_SW_OK));
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 2), APDU_SW_OK));
    rig_phone_reset_over(r, DK_CONTACTLESS);
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 3), APDU_SW_OK),
              "a reset of one is none of the other");
    cr_expect(eq(int, r->applet.keys[0].mailboxes.private_area[0x50], 3));
    close_readers(&near, &far);
}

Test(sessions, atomic_session_has_the_mailboxes_for_itself)
{
    struct reader near, far;
    struct rig *r = two_readers(&near, &far);
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    cr_expect(eq(int, write_one(&near, EXCHANGE_MORE, 1), APDU_SW_OK));
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 2), APDU_SW_CONDITIONS));
    cr_expect(r->applet.sessions[DK_BLE].key == NULL, "that ends the other transaction");
    cr_expect(eq(int, write_one(&near, EXCHANGE_COMMIT, 3), APDU_SW_OK));
    cr_assert(reader_authenticate(&far));
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 4), APDU_SW_OK));
    cr_expect(eq(int, r->applet.keys[0].mailboxes.private_area[0x50], 4));
    close_readers(&near, &far);
}

Test(sessions, key_that_goes_takes_both_along)
{
    for (int how = 0; how < 3; how++) {
        struct reader near, far;
        struct rig *r = two_readers(&near, &far);
        struct digital_key *k = &r->applet.keys[0];
        cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
        if (how == 0)
            dk_device_delete(&r->device, k);
        else if (how == 1)
            ASSERT_OK(dk_device_terminate(&r->device, k));
        else
            ASSERT_OK(dk_device_suspend(&r->device, k));
        for (size_t l = 0; l < DK_LINKS; l++)
            cr_expect(r->applet.sessions[l].key == NULL && !r->applet.sessions[l].channel.open, "%d", how);
        cr_expect(eq(int, write_one(&near, EXCHANGE_COMMIT, 1), APDU_SW_CONDITIONS));
        close_readers(&near, &far);
    }
}

/* ---- what the framework leaves for the end of a session ---- */

#define KEY_ATT 0x62 /* mailbox_map_default */

/* A sealed receipt; its first five bytes are told. */
static enum err receipt_arrives(struct rig *r)
{
    static const uint8_t receipt[] = {0x7F, 0x2B, 0x02, 0xAA, 0xBB, 0x9E, 0x00, 0xC0, 0x00};
    uint8_t sealed[sizeof receipt + ECIES_OVERHEAD], receiver[P256_POINT], ephemeral_pk[P256_POINT];
    struct p256_key *ephemeral;
    ASSERT_OK(p256_generate(r->crypto, &ephemeral));
    p256_public(ephemeral, ephemeral_pk);
    p256_public(r->device.enc_key, receiver);
    ASSERT_OK(ecies_seal(r->crypto, ephemeral, receiver, span_of(receipt, sizeof receipt), sealed));
    p256_free(ephemeral);
    return dk_device_receipt(&r->device, &r->applet.keys[0], ephemeral_pk, span_of(sealed, sizeof sealed));
}

static bool receipt_is_there(const struct rig *r)
{
    const uint8_t *p = r->applet.keys[0].mailboxes.private_area;
    return p[0] & MAILBOX_ATTESTATION && memcmp(p + KEY_ATT, "\x7F\x2B\x02\xAA\xBB\x9E\x00", 7) == 0;
}

enum ending { BY_CONTROL_FLOW, BY_RESET, BY_ERROR, BY_SELECT, ENDINGS };

static void end_session(struct reader *v, enum ending how)
{
    if (how == BY_CONTROL_FLOW)
        cr_expect(eq(int, reader_end(v), APDU_SW_OK));
    else if (how == BY_RESET)
        rig_phone_reset_over(v->rig, v->link);
    else if (how == BY_ERROR)
        cr_expect(eq(int, phone_send(v->rig, "84C90000080000000000000000"), APDU_SW_SECURE_MESSAGING));
    else
        cr_expect(eq(int, reader_select(v), APDU_SW_OK));
}

Test(waiting, receipt_waits_for_the_end_of_the_session)
{
    for (enum ending how = BY_CONTROL_FLOW; how < ENDINGS; how++) {
        struct reader near, far;
        struct rig *r = two_readers(&near, &far);
        const struct dk_owned *o = &r->device.owned[0];
        cr_assert(reader_authenticate(&near));
        ASSERT_OK(receipt_arrives(r));
        cr_expect(not(receipt_is_there(r)));
        cr_expect(eq(sz, o->waiting_len, 7));
        cr_expect(eq(uint, dk_device_changes(&r->device).put, 1), "what waits is stored, too");
        size_t stores = r->stores;
        end_session(&near, how);
        cr_expect(receipt_is_there(r), "ending %d", (int)how);
        cr_expect(eq(sz, o->waiting_len, 0));
        cr_expect(eq(sz, r->stores, stores + 1), "ending %d", (int)how);
        cr_expect(eq(uint, r->stored.put, 1));
        close_readers(&near, &far);
    }
}

Test(waiting, session_counts_from_auth0_and_until_the_last_has_ended)
{
    struct reader near, far;
    struct rig *r = two_readers(&near, &far);
    cr_assert(reader_select(&far) == APDU_SW_OK && reader_auth0(&far, 0) == APDU_SW_OK);
    cr_assert(reader_authenticate(&near));
    ASSERT_OK(receipt_arrives(r));
    end_session(&near, BY_CONTROL_FLOW);
    cr_expect(not(receipt_is_there(r)), "the other is still open");
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(receipt_is_there(r));
    ASSERT_OK(receipt_arrives(r));
    cr_expect(eq(sz, r->device.owned[0].waiting_len, 0), "no session: at once");
    close_readers(&near, &far);
}

Test(waiting, is_done_at_the_next_end_when_the_store_refused)
{
    for (enum ending how = BY_CONTROL_FLOW; how <= BY_RESET; how++) {
        struct reader near, far;
        struct rig *r = two_readers(&near, &far);
        static struct mailboxes before;
        cr_assert(reader_authenticate(&near));
        ASSERT_OK(receipt_arrives(r));
        before = r->applet.keys[0].mailboxes;
        r->store_fails_at = r->stores + 1;
        if (how == BY_CONTROL_FLOW)
            cr_expect(eq(int, reader_end(&near), APDU_SW_CONDITIONS));
        else
            rig_phone_reset_over(r, DK_CONTACTLESS);
        cr_expect(memcmp(&before, &r->applet.keys[0].mailboxes, sizeof before) == 0);
        cr_expect(eq(sz, r->device.owned[0].waiting_len, 7), "it still waits");
        cr_assert(reader_authenticate(&near));
        end_session(&near, BY_CONTROL_FLOW);
        cr_expect(receipt_is_there(r));
        close_readers(&near, &far);
    }
}

Test(waiting, collecting_and_handing_out_keep_off_a_session)
{
    struct reader near, far;
    struct rig *r = two_readers(&near, &far);
    struct digital_key *k = &r->applet.keys[0];
    struct dk_owned *o = &r->device.owned[0];
    struct slot_id slot;
    unsigned entry;
    uint8_t buf[64];
    struct wr w = wr_of(buf, sizeof buf);
    o->attestation_len = 0;
    cr_assert(reader_authenticate(&near));
    EXPECT_ERR(dk_device_hand_out_slot(&r->device, k, &slot, &entry), ERR_BUSY);
    EXPECT_ERR(dk_device_collect(&r->device, k), ERR_BUSY);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_write(&w, MAILBOX_PRIVATE, KEY_ATT, span_of("\x5F\x5A\x02\x11\x22", 5));
    exchange_put_set(&w, MAILBOX_PRIVATE, 0, 1, MAILBOX_ATTESTATION);
    cr_expect(eq(int, reader_exchange(&near, &w), APDU_SW_OK));
    ASSERT_OK(receipt_arrives(r));
    end_session(&near, BY_CONTROL_FLOW);
    cr_expect(span_equal(span_of(o->attestation, o->attestation_len), span_of("\x11\x22", 2)),
              "first what the vehicle said, then what it is to hear");
    cr_expect(receipt_is_there(r));
    ASSERT_OK(dk_device_hand_out_slot(&r->device, k, &slot, &entry));
    close_readers(&near, &far);
}

/* ---- what KeyAtt holds ---- */

static const struct {
    const char *what, *area;
    enum err said;
    bool cleared;
} announced[] = {
    {"an attestation", "5F5A0211225F", ERR_OK, true},
    {"a statement of ours", "7F2B02AABB9E00", ERR_OK, false},
    {"something else", "30020101", ERR_MSG_MALFORMED, true},
    {"nothing", "0000000000", ERR_MSG_MALFORMED, true},
    {"more than KeyAtt holds", "5F5A820300", ERR_MSG_MALFORMED, true},
};

Test(key_att, what_cannot_be_read_is_said_and_cleared)
{
    for (size_t i = 0; i < sizeof announced / sizeof announced[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        struct digital_key *k = &r->applet.keys[0];
        uint8_t *p = k->mailboxes.private_area;
        HEX(area, announced[i].area);
        ASSERT_OK(rig_pair(r));
        memset(p + KEY_ATT, 0, 512);
        memcpy(p + KEY_ATT, area, area_len);
        p[0] = MAILBOX_ATTESTATION | MAILBOX_SLOTS_WRITTEN;
        EXPECT_ERR(dk_device_collect(&r->device, k), announced[i].said);
        cr_expect(eq(int, p[0], announced[i].cleared ? 0 : MAILBOX_ATTESTATION), "%s", announced[i].what);
        cr_expect(eq(int, p[KEY_ATT], announced[i].cleared ? 0 : area[0]), "%s", announced[i].what);
        cr_expect(eq(uint, dk_device_changes(&r->device).put, 1));
        EXPECT_ERR(dk_device_collect(&r->device, k), ERR_OK);
        rig_free(r);
    }
}

Test(key_att, attestation_that_is_too_long_is_said_and_cleared)
{
    struct rig *r = rig_ready(test_crypto());
    struct digital_key *k = &r->applet.keys[0];
    uint8_t *p = k->mailboxes.private_area;
    ASSERT_OK(rig_pair(r));
    k->mailboxes.private_size = MAILBOX_PRIVATE_MAX;
    r->device.owned[0].map.end = MAILBOX_PRIVATE_MAX;
    memcpy(p + KEY_ATT, "\x5F\x5A\x82\x04\x01", 5); /* DK_OPAQUE_MAX and one more */
    p[0] = MAILBOX_ATTESTATION;
    EXPECT_ERR(dk_device_collect(&r->device, k), ERR_NO_SPACE);
    cr_expect(p[0] == 0 && p[KEY_ATT] == 0);
    rig_free(r);
}
