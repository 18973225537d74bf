/* The phone's framework against those who are not the right vehicle, and for the peers that are careful: who
 * may bring about what, how often a password may be guessed at, what a stray command does. */
#include "tests/check.h"
#include "tests/phone.h"
#include "tests/support.h"

/* ---- what only the right vehicle may bring about ---- */

static const struct {
    const char *what, *accept;
    uint16_t tag; /* read before; 0: none */
    uint16_t sw;
} acceptances[] = {
    {.what = "nothing was read", .accept = "803C1002", .tag = 0, .sw = APDU_SW_CONDITIONS},
    {.what = "only [F] was read", .accept = "803C1002", .tag = 0x7F20, .sw = APDU_SW_CONDITIONS},
    {.what = "only [E] was read, end", .accept = "803C1110", .tag = 0x7F22, .sw = APDU_SW_CONDITIONS},
    {.what = "[H] was read", .accept = "803C1002", .tag = 0x7F24, .sw = APDU_SW_OK},
    {.what = "[H] was read, end", .accept = "803C1110", .tag = 0x7F24, .sw = APDU_SW_OK},
    {.what = "[H] was read, another radio", .accept = "803C1111", .tag = 0x7F24, .sw = APDU_SW_OK},
    {.what = "[H] was read, reserved", .accept = "803C1003", .tag = 0x7F24, .sw = APDU_SW_OK},
};

Test(acceptance, needs_the_key_certificate_read_whole)
{
    for (size_t i = 0; i < sizeof acceptances / sizeof acceptances[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        bool reserved = strcmp(acceptances[i].accept, "803C1003") == 0;
        bool paired = acceptances[i].sw == APDU_SW_OK && !reserved;
        phone_bring_to(r, DK_SECURE2);
        if (acceptances[i].tag)
            cr_assert(eq(int, phone_read_object(r, acceptances[i].tag, "84C0000000"), APDU_SW_OK));
        cr_expect(eq(int, phone_send(r, acceptances[i].accept), acceptances[i].sw), "%s",
                  acceptances[i].what);
        cr_expect(eq(int, r->device.state == DK_PAIRED, paired), "%s", acceptances[i].what);
        cr_expect(eq(int, r->device.owned[0].paired, paired), "%s", acceptances[i].what);
        rig_free(r);
    }
}

/* Two plain commands of anybody, between the two transactions of a pairing. */
Test(acceptance, plain_commands_leave_the_key_that_is_there)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    rig_enter_password(r, true);
    phone_bring_to(r, DK_CREATING);
    ASSERT_OK(dk_device_create_key(&r->device));
    size_t stores = r->stores;
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_OK));
    cr_expect(eq(int, phone_send(r, "803C1002"), APDU_SW_CONDITIONS));
    cr_expect(eq(sz, r->stores, stores), "nothing was stored");
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_ACTIVE));
    cr_expect(eq(int, r->applet.keys[1].state, APPLET_KEY_NONE));
    rig_free(r);
}

Test(framework, strays_while_the_key_is_made_change_nothing)
{
    static const struct {
        const char *apdu;
        uint16_t sw;
    } strays[] = {{SELECT_PPSE, APDU_SW_NOT_FOUND},   {"00A4040005A00000000100", APDU_SW_NOT_FOUND},
                  {SELECT_APPLET, APDU_SW_NOT_FOUND}, {"8032", APDU_SW_WRONG_LENGTH},
                  {"84C0000000", APDU_SW_CONDITIONS}, {"803C1002", APDU_SW_CONDITIONS},
                  {"00B0000000", APDU_SW_INS}};
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_CREATING);
    for (size_t i = 0; i < sizeof strays / sizeof strays[0]; i++) {
        cr_expect(eq(int, phone_send(r, strays[i].apdu), strays[i].sw), "row %zu", i);
        cr_expect(r->device.state == DK_CREATING && r->device.pairing.channel.open, "row %zu", i);
    }
    rig_phone_reset(r);
    cr_expect(eq(int, phone_send(r, SELECT_PPSE), APDU_SW_NOT_FOUND));
    ASSERT_OK(dk_device_create_key(&r->device));
    cr_expect(eq(int, phone_send(r, SELECT_PPSE), APDU_SW_NOT_FOUND));
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_OK));
    cr_expect(eq(int, r->device.state, DK_SECURE2));
    cr_expect(eq(int, phone_accept(r), APDU_SW_OK));
    rig_free(r);
}

/* What 10/01 is answered 9000 for must not fail afterwards. */
Test(framework, what_cannot_become_a_key_is_refused_at_once)
{
    for (int what = 0; what < 3; what++) {
        struct rig *r = rig_ready(test_crypto());
        static struct key_data_buffer b;
        struct key_data k = r->pairing_config.key_data;
        struct applet_create create = {&k.creation, "E.x", r->partner->instance_ca_id, RIG_NOW_S,
                                       DK_CERT_NO_END_S};
        struct digital_key *other;
        k.creation.version = 0x0100;
        if (what == 1)
            k.config.auth1_private = (struct mailbox_part){0, 160};
        for (int i = 0; what == 2 && i < APPLET_KEYS; i++)
            ASSERT_OK(applet_create_endpoint(&r->applet, &create, &other));
        phone_bring_to(r, DK_SECURE1);
        ASSERT_OK(key_data_put(&b, &k));
        cr_assert(eq(int, phone_write_block(r, &b), APDU_SW_OK));
        cr_expect(eq(int, phone_send(r, "803C1001"), what == 0 ? APDU_SW_OK : APDU_SW_WRONG_DATA), "case %d",
                  what);
        rig_free(r);
    }
}

/* ---- guesses, and what they cost ---- */

Test(password, is_forgotten_after_seven_wrong_evidences)
{
    struct rig *r = rig_ready(test_crypto());
    for (int i = 1; i <= DK_EVIDENCE_MAX; i++) {
        phone_bring_to(r, DK_REQUESTED);
        size_t stores = r->stores;
        cr_expect(eq(int, phone_send(r, i & 1 ? VERIFY_WRONG : VERIFY_ZEROS), APDU_SW_INVALID));
        cr_expect(eq(sz, r->stores, stores + 1), "counted before it was looked at");
        cr_expect(r->stored.framework && !r->stored.put && !r->stored.erase);
        cr_expect(eq(int, r->device.evidence_failures, i % DK_EVIDENCE_MAX));
    }
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    HEX(select, SELECT_FRAMEWORK);
    cr_expect(eq(int, (int)r->device.password_len, 0));
    cr_expect(eq(int, r->device.state, DK_IDLE));
    rig_phone_input(r, span_of(select, select_len), &w);
    expect_hex(span_of(answer, w.len), "5a0201005c020100d401009000", "not in pairing mode");
    cr_expect(eq(int, phone_send(r, REQUEST_OK), APDU_SW_NOT_READY));
    rig_free(r);
}

Test(password, right_evidence_sets_the_count_back)
{
    struct rig *r = rig_ready(test_crypto());
    for (int i = 1; i < DK_EVIDENCE_MAX; i++) {
        phone_bring_to(r, DK_REQUESTED);
        cr_expect(eq(int, phone_send(r, VERIFY_WRONG), APDU_SW_INVALID));
    }
    cr_expect(eq(int, r->device.evidence_failures, DK_EVIDENCE_MAX - 1));
    (void)dk_device_changes(&r->device);
    phone_bring_to(r, DK_SECURE1);
    cr_expect(eq(int, r->device.evidence_failures, 0));
    cr_expect(dk_device_changes(&r->device).framework, "the owner is told");
    cr_expect(not(dk_device_changes(&r->device).framework), "once");
    rig_free(r);
}

/* As a store gives it back when the power went in the middle of the last attempt. */
Test(password, seven_counted_attempts_are_seven_also_after_a_restart)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    HEX(select, SELECT_FRAMEWORK);
    r->device.evidence_failures = DK_EVIDENCE_MAX;
    rig_phone_input(r, span_of(select, select_len), &w);
    cr_expect(eq(int, answer[10], 0), "D4 00");
    cr_expect(eq(int, phone_send(r, REQUEST_OK), APDU_SW_NOT_READY));
    rig_enter_password(r, true); /* the user enters it again */
    phone_bring_to(r, DK_SECURE1);
    rig_free(r);
}

/* REQUEST with a salt of its own. */
static uint16_t request_with_salt(struct rig *r, uint8_t salt)
{
    HEX(request, REQUEST_OK);
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    request[18] = salt;
    phone_send(r, SELECT_FRAMEWORK);
    rig_phone_input(r, span_of(request, request_len), &w);
    phone_send(r, "803C1200");
    return (uint16_t)(answer[w.len - 2] << 8 | answer[w.len - 1]);
}

/* A stranger with salts of its own costs time, and locks nobody out. */
Test(password, scrypt_is_done_four_times_a_minute)
{
    struct rig *r = rig_new(test_crypto());
    rig_enter_password(r, false);
    for (uint8_t i = 1; i <= DK_DERIVATIONS_MAX; i++)
        cr_expect(eq(int, request_with_salt(r, i), APDU_SW_OK), "set %u", i);
    cr_expect(eq(int, request_with_salt(r, 0x77), APDU_SW_NOT_READY), "one more");
    cr_expect(eq(int, request_with_salt(r, DK_DERIVATIONS_MAX), APDU_SW_OK), "the last one stays");
    r->device.now_s += DK_DERIVATIONS_S - 1;
    cr_expect(eq(int, request_with_salt(r, 0x77), APDU_SW_NOT_READY), "not yet");
    r->device.now_s++;
    for (uint8_t i = 1; i <= DK_DERIVATIONS_MAX; i++)
        cr_expect(eq(int, request_with_salt(r, i), APDU_SW_OK), "a minute later, set %u", i);
    cr_expect(eq(int, request_with_salt(r, 0x77), APDU_SW_NOT_READY), "and again");
    r->device.now_s -= 3600;
    cr_expect(eq(int, request_with_salt(r, 0x77), APDU_SW_OK), "a clock that was put back");
    dk_device_set_password(&r->device, span_of("12345678", 8));
    cr_expect(eq(int, request_with_salt(r, 0x77), APDU_SW_OK), "another password");
    rig_free(r);
}

Test(password, right_evidence_begins_the_count_anew)
{
    struct rig *r = rig_new(test_crypto());
    rig_enter_password(r, false);
    for (uint8_t i = 1; i < DK_DERIVATIONS_MAX; i++)
        request_with_salt(r, i);
    phone_bring_to(r, DK_SECURE1);
    cr_expect(eq(int, r->device.derivations, 0));
    rig_free(r);
}

/* ---- the applet beside a pairing ---- */

Test(framework, a_password_for_one_vehicle_does_not_lock_another)
{
    struct rig *r = rig_ready(test_crypto());
    bool fast;
    ASSERT_OK(rig_pair(r));
    rig_enter_password(r, true);
    EXPECT_OK(rig_unlock(r, false, true, &fast), "with a password there");
    cr_expect(eq(int, phone_send(r, SELECT_FRAMEWORK), APDU_SW_OK));
    cr_expect(eq(int, phone_send(r, SELECT_APPLET), APDU_SW_OK), "nothing has begun yet");
    phone_bring_to(r, DK_REQUESTED);
    cr_expect(eq(int, phone_send(r, SELECT_APPLET), APDU_SW_NOT_FOUND), "now it has");
    rig_free(r);
}

/* ---- what a careful peer may send ---- */

Test(framework, get_response_may_say_how_much_it_wants)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_SECURE2);
    cr_expect(eq(int, phone_read_object(r, 0x7F24, "84C00000E0"), APDU_SW_OK));
    cr_expect(eq(int, phone_send(r, "803C1002"), APDU_SW_OK));
    rig_free(r);
}
