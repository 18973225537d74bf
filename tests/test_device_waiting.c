/* What the framework leaves for the end of a session, and what KeyAtt holds meanwhile. */
#include "lib/ccc/ecies.h"
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/phone.h"
#include "tests/reader.h"
#include "tests/support.h"

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
        struct rig *r = readers_open(&near, &far);
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
        readers_close(&near, &far);
    }
}

Test(waiting, session_counts_until_the_last_has_ended)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    cr_assert(reader_authenticate(&far) && reader_authenticate(&near));
    ASSERT_OK(receipt_arrives(r));
    end_session(&near, BY_CONTROL_FLOW);
    cr_expect(not(receipt_is_there(r)), "the other is still open");
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(receipt_is_there(r));
    ASSERT_OK(receipt_arrives(r));
    cr_expect(eq(sz, r->device.owned[0].waiting_len, 0), "no session: at once");
    readers_close(&near, &far);
}

/* Whoever knows the vehicle's identifier can send AUTH0, and EXCHANGE without a key for it. */
Test(waiting, stranger_holds_nothing_up)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    struct digital_key *k = &r->applet.keys[0];
    struct slot_id slot;
    unsigned entry;
    for (uint8_t p1 = 0; p1 <= TRANSACTION_FAST; p1 += TRANSACTION_FAST) {
        cr_assert(reader_select(&far) == APDU_SW_OK && reader_auth0(&far, p1) == APDU_SW_OK);
        cr_expect(r->applet.sessions[DK_BLE].key == k);
        EXPECT_OK(dk_device_collect(&r->device, k));
        EXPECT_OK(dk_device_hand_out_slot(&r->device, k, &slot, &entry));
        ASSERT_OK(receipt_arrives(r));
        cr_expect(receipt_is_there(r));
        size_t stores = r->stores;
        cr_expect(eq(int, reader_end(&far), APDU_SW_OK));
        cr_expect(eq(sz, r->stores, stores), "nothing to store");
    }
    readers_close(&near, &far);
}

/* It costs no store even while something waits for the other link. */
Test(waiting, stranger_ends_no_session_of_the_vehicle)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    cr_assert(reader_authenticate(&near));
    ASSERT_OK(receipt_arrives(r));
    cr_assert(reader_select(&far) == APDU_SW_OK && reader_auth0(&far, 0) == APDU_SW_OK);
    size_t stores = r->stores;
    cr_expect(eq(int, reader_end(&far), APDU_SW_OK));
    cr_expect(eq(sz, r->stores, stores));
    cr_expect(not(receipt_is_there(r)));
    cr_assert(reader_select(&near) == APDU_SW_OK && reader_auth0(&near, 0) == APDU_SW_OK);
    cr_expect(receipt_is_there(r), "SELECT and AUTH0 end a session");
    readers_close(&near, &far);
}

Test(waiting, exchange_after_a_fast_auth0_opens_a_session)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    struct digital_key *k = &r->applet.keys[0];
    uint8_t buf[32];
    struct wr w = wr_of(buf, sizeof buf);
    k->creation.options_1 |= ENDPOINT_FAST_CONTACTLESS | ENDPOINT_EXCHANGE_AFTER_FAST;
    cr_assert(reader_select(&near) == APDU_SW_OK && reader_auth0(&near, TRANSACTION_FAST) == APDU_SW_OK);
    cr_assert(reader_fast(&near, k->kpersistent));
    cr_expect(not(applet_session_open(&r->applet, k)));
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_read(&w, MAILBOX_PRIVATE, 0, 1);
    cr_expect(eq(int, reader_exchange(&near, &w), APDU_SW_OK));
    cr_expect(applet_session_open(&r->applet, k));
    EXPECT_ERR(dk_device_collect(&r->device, k), ERR_BUSY);
    end_session(&near, BY_CONTROL_FLOW);
    readers_close(&near, &far);
}

Test(waiting, is_done_at_the_next_end_when_the_store_refused)
{
    for (enum ending how = BY_CONTROL_FLOW; how <= BY_RESET; how++) {
        struct reader near, far;
        struct rig *r = readers_open(&near, &far);
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
        readers_close(&near, &far);
    }
}

Test(waiting, collecting_and_handing_out_keep_off_a_session)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
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
    readers_close(&near, &far);
}

/* ---- what lies in KeyAtt, and what waits behind it ---- */

static struct span make_resumption(struct rig *r, uint8_t out[ATTESTATION_MAX])
{
    struct wr w = wr_of(out, ATTESTATION_MAX);
    struct attestation a = {.slot = r->applet.keys[0].creation.slot};
    ASSERT_OK(attestation_make(r->crypto, &a, ATTESTATION_RESUMED, r->kts.key, &w));
    return span_of(out, w.len);
}

static bool is_there(const struct rig *r, struct span statement)
{
    const uint8_t *p = r->applet.keys[0].mailboxes.private_area;
    return p[0] & MAILBOX_ATTESTATION && memcmp(p + KEY_ATT, statement.p, statement.len) == 0;
}

/* The vehicle has read what lies there. */
static void clear_bit(struct reader *v)
{
    uint8_t buf[32];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_set(&w, MAILBOX_PRIVATE, 0, 1, 0);
    cr_expect(eq(int, reader_exchange(v, &w), APDU_SW_OK));
}

/* When the receipt comes; whichever it is, the vehicle reads the resumption first, then the receipt. */
enum receipt_comes { IN_A_SESSION, BEFORE_SUSPENSION, WHILE_SUSPENDED, BEHIND_THE_RESUMPTION, RECEIPT_TIMES };

Test(waiting, neither_resumption_nor_receipt_is_lost)
{
    for (enum receipt_comes when = IN_A_SESSION; when < RECEIPT_TIMES; when++) {
        struct reader near, far;
        struct rig *r = readers_open(&near, &far);
        struct digital_key *k = &r->applet.keys[0];
        uint8_t statement[ATTESTATION_MAX];
        const struct span resumption = make_resumption(r, statement);
        if (when == IN_A_SESSION)
            cr_assert(reader_authenticate(&near));
        if (when <= BEFORE_SUSPENSION)
            ASSERT_OK(receipt_arrives(r));
        ASSERT_OK(dk_device_suspend(&r->device, k));
        if (when == WHILE_SUSPENDED)
            ASSERT_OK(receipt_arrives(r));
        ASSERT_OK(dk_device_resume(&r->device, k, resumption));
        if (when == BEHIND_THE_RESUMPTION)
            ASSERT_OK(receipt_arrives(r));
        cr_expect(eq(sz, r->device.owned[0].waiting_len, 7), "%d", (int)when);
        cr_assert(reader_authenticate(&near));
        size_t stores = r->stores;
        cr_expect(eq(int, reader_end(&near), APDU_SW_OK));
        cr_expect(is_there(r, resumption), "%d: not read yet", (int)when);
        cr_expect(eq(sz, r->stores, stores), "%d: nothing has changed", (int)when);
        cr_assert(reader_authenticate(&near));
        clear_bit(&near);
        cr_expect(eq(int, reader_end(&near), APDU_SW_OK));
        cr_expect(receipt_is_there(r), "%d", (int)when);
        cr_expect(eq(sz, r->device.owned[0].waiting_len, 0), "%d", (int)when);
        readers_close(&near, &far);
    }
}

Test(waiting, newer_statement_of_a_kind_replaces_the_older)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    struct digital_key *k = &r->applet.keys[0];
    struct dk_owned *o = &r->device.owned[0];
    uint8_t statement[ATTESTATION_MAX];
    o->waiting_len = 3;
    ASSERT_OK(receipt_arrives(r));
    cr_expect(receipt_is_there(r));
    cr_expect(eq(sz, o->waiting_len, 0), "an older receipt");
    ASSERT_OK(receipt_arrives(r));
    cr_expect(eq(sz, o->waiting_len, 0), "nothing but a receipt lay there");
    for (int i = 0; i < 2; i++) {
        const struct span resumption = make_resumption(r, statement);
        ASSERT_OK(dk_device_suspend(&r->device, k));
        ASSERT_OK(dk_device_resume(&r->device, k, resumption));
        cr_expect(is_there(r, resumption), "%d", i);
        cr_expect(eq(sz, o->waiting_len, 7), "%d: the receipt, and not the older resumption", i);
    }
    ASSERT_OK(dk_device_terminate(&r->device, k));
    cr_expect(eq(sz, o->waiting_len, 0));
    cr_expect(is_there(r, span_of(o->termination, o->termination_len)));
    readers_close(&near, &far);
}

Test(waiting, what_the_vehicle_left_is_taken_before_the_receipt_is_written)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    struct dk_owned *o = &r->device.owned[0];
    uint8_t *p = r->applet.keys[0].mailboxes.private_area;
    cr_assert(reader_authenticate(&near));
    ASSERT_OK(receipt_arrives(r));
    memset(p + KEY_ATT, 0, 512);
    memcpy(p + KEY_ATT, "\x5F\x5A\x02\x11\x22", 5);
    p[0] |= MAILBOX_ATTESTATION;
    end_session(&near, BY_CONTROL_FLOW);
    cr_expect(eq(int, p[KEY_ATT], 0x5F), "nobody asked for it yet");
    cr_expect(eq(sz, o->waiting_len, 7));
    ASSERT_OK(dk_device_collect(&r->device, &r->applet.keys[0]));
    cr_expect(span_equal(span_of(o->attestation, o->attestation_len), span_of("\x11\x22", 2)));
    cr_expect(receipt_is_there(r));
    cr_expect(eq(sz, o->waiting_len, 0));
    readers_close(&near, &far);
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
