/* Two links to the phone at once: what one may not do to the other. */
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
    struct rig *r = readers_open(&near, &far);
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    cr_expect(eq(int, write_one(&near, EXCHANGE_COMMIT, 1), APDU_SW_OK));
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 2), APDU_SW_OK));
    rig_phone_reset_over(r, DK_CONTACTLESS);
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 3), APDU_SW_OK),
              "a reset of one is none of the other");
    cr_expect(eq(int, r->applet.keys[0].mailboxes.private_area[0x50], 3));
    readers_close(&near, &far);
}

Test(sessions, atomic_session_has_the_mailboxes_for_itself)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    cr_expect(eq(int, write_one(&near, EXCHANGE_MORE, 1), APDU_SW_OK));
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 2), APDU_SW_CONDITIONS));
    cr_expect(r->applet.sessions[DK_BLE].key == NULL, "that ends the other transaction");
    cr_expect(eq(int, write_one(&near, EXCHANGE_COMMIT, 3), APDU_SW_OK));
    cr_assert(reader_authenticate(&far));
    cr_expect(eq(int, write_one(&far, EXCHANGE_COMMIT, 4), APDU_SW_OK));
    cr_expect(eq(int, r->applet.keys[0].mailboxes.private_area[0x50], 4));
    readers_close(&near, &far);
}

Test(sessions, key_that_goes_takes_both_along)
{
    for (int how = 0; how < 3; how++) {
        struct reader near, far;
        struct rig *r = readers_open(&near, &far);
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
        readers_close(&near, &far);
    }
}
