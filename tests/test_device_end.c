/* The end of a key: terminated by its owner, suspended and resumed, outside its validity; and that a vehicle
 * which is not known cannot tell. */
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/phone.h"
#include "tests/reader.h"
#include "tests/support.h"

#define KEY_ATT 0x62 /* mailbox_map_default */
#define OEM     0x42

static struct rig *paired(struct reader *v)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    rig_phone_reset_over(r, DK_CONTACTLESS);
    (void)dk_device_changes(&r->device);
    reader_open(v, r, DK_CONTACTLESS);
    return r;
}

static void done(struct reader *v)
{
    struct rig *r = v->rig;
    reader_close(v);
    rig_free(r);
}

static uint8_t signals(const struct rig *r)
{
    return r->applet.keys[0].mailboxes.private_area[0];
}

/* ---- termination ---- */

Test(termination, statement_carries_what_the_vehicle_left_with_the_key)
{
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    const struct dk_owned *o = &r->device.owned[0];
    struct attestation said;
    size_t used;
    memcpy(k->mailboxes.private_area + OEM, "left by the vehicle", 19);
    ASSERT_OK(dk_device_terminate(&r->device, k));
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED));
    cr_expect(not(k->has_kpersistent));
    cr_expect(eq(uint, dk_device_changes(&r->device).put, 1));
    ASSERT_OK(attestation_open(r->crypto, span_of(o->termination, o->termination_len), ATTESTATION_TERMINATED,
                               k->device_pk, &said, &used));
    cr_expect(eq(sz, used, o->termination_len));
    cr_expect(memcmp(said.key_id, k->key_id, sizeof said.key_id) == 0);
    cr_expect(memcmp(said.vehicle_id, k->creation.vehicle_id, sizeof said.vehicle_id) == 0);
    cr_expect(slot_id_equal(&said.slot, &k->creation.slot));
    cr_expect(eq(sz, said.oem.len, KEY_ATT - OEM));
    cr_expect(memcmp(said.oem.p, "left by the vehicle", 19) == 0);
    cr_expect(ne(int, signals(r) & MAILBOX_ATTESTATION, 0));
    cr_expect(memcmp(k->mailboxes.private_area + KEY_ATT, o->termination, o->termination_len) == 0);
    EXPECT_ERR(dk_device_terminate(&r->device, k), ERR_DK_TERMINATED);
    EXPECT_ERR(dk_device_suspend(&r->device, k), ERR_DK_TERMINATED);
    done(&v);
}

Test(termination, nothing_changes_when_the_statement_would_be_too_long)
{
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    struct mailbox_map *m = &r->device.owned[0].map;
    k->mailboxes.private_size = 1024;
    m->end = 1024;
    m->attestation = OEM + ATTESTATION_OEM_MAX + 1;
    EXPECT_ERR(dk_device_terminate(&r->device, k), ERR_NO_SPACE);
    cr_expect(eq(int, k->state, APPLET_KEY_ACTIVE));
    cr_expect(k->has_kpersistent);
    cr_expect(eq(uint, dk_device_changes(&r->device).put, 0));
    m->attestation--;
    m->end = 1024 - 10; /* nor does it fit into KeyAtt: the servers have it */
    ASSERT_OK(dk_device_terminate(&r->device, k));
    cr_expect(lt(sz, ATTESTATION_OEM_MAX, r->device.owned[0].termination_len));
    cr_expect(eq(int, signals(r) & MAILBOX_ATTESTATION, 0));
    done(&v);
}

/* The operation that a vehicle sends with a terminated key. */
static uint16_t operate(struct reader *v, enum exchange_kind kind, enum mailbox_kind mailbox, uint16_t offset,
                        uint8_t len)
{
    uint8_t buf[300], data[255] = {0};
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_COMMIT);
    if (kind == EXCHANGE_READ)
        exchange_put_read(&w, mailbox, offset, len);
    else if (kind == EXCHANGE_WRITE)
        exchange_put_write(&w, mailbox, offset, span_of(data, len));
    else
        exchange_put_set(&w, mailbox, offset, len, 0);
    return reader_exchange(v, &w);
}

static const struct {
    const char *what;
    enum exchange_kind kind;
    enum mailbox_kind mailbox;
    uint16_t offset;
    uint8_t len;
    uint16_t sw;
} reach[] = {
    {"reads SigBmp", EXCHANGE_READ, MAILBOX_PRIVATE, 0, 1, APDU_SW_OK},
    {"reads the slots", EXCHANGE_READ, MAILBOX_PRIVATE, 2, 64, APDU_SW_OK},
    {"reads a token", EXCHANGE_READ, MAILBOX_CONFIDENTIAL, 0, 16, APDU_SW_WRONG_DATA},
    {"writes a token", EXCHANGE_WRITE, MAILBOX_CONFIDENTIAL, 0, 16, APDU_SW_WRONG_DATA},
    {"writes SlotIdentBmp", EXCHANGE_WRITE, MAILBOX_PRIVATE, 1, 1, APDU_SW_WRONG_DATA},
    {"writes SigBmp and more", EXCHANGE_SET, MAILBOX_PRIVATE, 0, 2, APDU_SW_WRONG_DATA},
    {"writes before KeyAtt", EXCHANGE_SET, MAILBOX_PRIVATE, KEY_ATT - 1, 2, APDU_SW_WRONG_DATA},
    {"erases KeyAtt", EXCHANGE_SET, MAILBOX_PRIVATE, KEY_ATT, 255, APDU_SW_OK},
    {"erases the end of KeyAtt", EXCHANGE_SET, MAILBOX_PRIVATE, MAILBOX_DEFAULT_PRIVATE - 2, 2, APDU_SW_OK},
    {"writes behind KeyAtt", EXCHANGE_SET, MAILBOX_PRIVATE, MAILBOX_DEFAULT_PRIVATE - 2, 3,
     APDU_SW_WRONG_DATA},
};

Test(termination, vehicle_reaches_what_tells_it_and_nothing_else)
{
    for (size_t i = 0; i < sizeof reach / sizeof reach[0]; i++) {
        struct reader v;
        struct rig *r = paired(&v);
        ASSERT_OK(dk_device_terminate(&r->device, &r->applet.keys[0]));
        cr_assert(reader_authenticate(&v));
        cr_expect(
            eq(int, operate(&v, reach[i].kind, reach[i].mailbox, reach[i].offset, reach[i].len), reach[i].sw),
            "%s", reach[i].what);
        done(&v);
    }
}

Test(termination, key_answers_as_terminated_and_is_deleted_when_the_vehicle_knows)
{
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    uint8_t kpersistent[TRANSACTION_KPERSISTENT];
    memcpy(kpersistent, k->kpersistent, sizeof kpersistent);
    k->auth1_confidential = (struct mailbox_part){0, 16};
    ASSERT_OK(dk_device_terminate(&r->device, k));
    cr_assert(reader_select(&v) == APDU_SW_OK && reader_auth0(&v, TRANSACTION_FAST) == APDU_SW_OK);
    cr_expect(not(reader_fast(&v, kpersistent)), "never fast");
    size_t stores = r->stores;
    cr_assert(eq(int, reader_auth1(&v), APDU_SW_OK));
    cr_expect(eq(int, v.signer, TRANSACTION_TERMINATED));
    cr_expect(eq(int, v.data[0], 0x4E));
    cr_expect(eq(sz, v.len, 10 + 66 + 4), "4E, 9E, 4B: no token");
    cr_expect(eq(sz, r->stores, stores), "Kpersistent is not kept");
    cr_expect(not(k->has_kpersistent));
    cr_expect(eq(int, reader_end(&v), APDU_SW_OK));
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "not before the vehicle knows");
    cr_assert(reader_authenticate(&v));
    cr_expect(eq(int, operate(&v, EXCHANGE_SET, MAILBOX_PRIVATE, 0, 1), APDU_SW_OK));
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "not before the end");
    r->store_fails_at = r->stores + 1;
    cr_expect(eq(int, reader_end(&v), APDU_SW_CONDITIONS));
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "still in the store");
    cr_assert(reader_authenticate(&v));
    cr_expect(eq(int, reader_end(&v), APDU_SW_OK));
    cr_expect(r->stored.erase == 1 && r->stored.put == 0);
    cr_expect(eq(int, k->state, APPLET_KEY_NONE));
    cr_expect(not(r->device.owned[0].paired));
    cr_expect(eq(int, reader_select(&v), APDU_SW_NOT_FOUND));
    done(&v);
}

static enum rig_fate refuse_all(void *arg, const struct dk_change *phone)
{
    (void)arg;
    (void)phone;
    return RIG_REFUSED;
}

/* The vehicle clears the bit, and the store refuses: it has read the statement, and does not come again. */
Test(termination, that_the_vehicle_knows_of_is_not_forgotten_when_the_store_refuses_it)
{
    static struct keyring stored;
    for (int loads_anew = 0; loads_anew < 2; loads_anew++) {
        struct reader v;
        struct rig *r = paired(&v);
        struct digital_key *k = &r->applet.keys[0];
        ASSERT_OK(dk_device_terminate(&r->device, k));
        ASSERT_OK(keyring_save(&r->device, &stored));
        cr_assert(reader_authenticate(&v));
        r->fate = refuse_all;
        cr_expect(eq(int, operate(&v, EXCHANGE_READ, MAILBOX_PRIVATE, 0, 1), APDU_SW_OK));
        cr_expect(eq(int, dk_device_noted(&r->device), 0), "reading is not clearing");
        cr_expect(eq(int, operate(&v, EXCHANGE_SET, MAILBOX_PRIVATE, 0, 1), APDU_SW_CONDITIONS));
        cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "still in the store");
        const uint16_t noted = dk_device_noted(&r->device);
        cr_expect(eq(int, noted, 1));
        if (loads_anew) {
            dk_device_close(&r->device);
            applet_close(&r->applet);
            ASSERT_OK(keyring_load(&r->device, &r->applet, r->crypto, &stored));
            dk_device_note(&r->device, noted);
        }
        rig_phone_reset_over(r, DK_CONTACTLESS);
        cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "refused once more");
        r->fate = NULL;
        rig_phone_reset_over(r, DK_CONTACTLESS);
        cr_expect(r->stored.erase == 1 && r->stored.put == 0);
        cr_expect(eq(int, k->state, APPLET_KEY_NONE));
        cr_expect(eq(int, dk_device_noted(&r->device), 0));
        done(&v);
    }
}

/* Of a key that goes on, nothing is noted. */
Test(termination, a_refused_store_of_an_active_key_notes_nothing)
{
    struct reader v;
    struct rig *r = paired(&v);
    cr_assert(reader_authenticate(&v));
    r->store_fails_at = r->stores + 1;
    cr_expect(eq(int, operate(&v, EXCHANGE_SET, MAILBOX_PRIVATE, 0, 1), APDU_SW_CONDITIONS));
    cr_expect(eq(int, dk_device_noted(&r->device), 0));
    rig_phone_reset_over(r, DK_CONTACTLESS);
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_ACTIVE));
    done(&v);
}

/* Power goes behind the stored clearing: the next life has no session whose end could be waited for. */
Test(termination, that_the_vehicle_knows_of_is_not_forgotten_when_its_session_is_cut_off)
{
    static struct keyring stored;
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(dk_device_terminate(&r->device, k));
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "the vehicle does not know");
    cr_assert(reader_authenticate(&v));
    cr_expect(eq(int, operate(&v, EXCHANGE_SET, MAILBOX_PRIVATE, 0, 1), APDU_SW_OK));
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "its session is open");
    ASSERT_OK(keyring_save(&r->device, &stored));
    dk_device_close(&r->device);
    applet_close(&r->applet);
    ASSERT_OK(keyring_load(&r->device, &r->applet, r->crypto, &stored));
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED));
    r->store_fails_at = r->stores + 1;
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "still in the store");
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(r->stored.erase == 1 && r->stored.put == 0);
    cr_expect(eq(int, k->state, APPLET_KEY_NONE));
    size_t stores = r->stores;
    rig_phone_reset_over(r, DK_BLE);
    cr_expect(eq(sz, r->stores, stores));
    done(&v);
}

Test(termination, wipes_what_the_vehicle_gave_in_confidence)
{
    static const uint8_t zeros[MAILBOX_CONFIDENTIAL_MAX];
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    cr_expect(memcmp(k->mailboxes.confidential_area, zeros, sizeof zeros) != 0, "tokens");
    ASSERT_OK(dk_device_terminate(&r->device, k));
    cr_expect(memcmp(k->mailboxes.confidential_area, zeros, sizeof zeros) == 0);
    cr_expect(lt(sz, 0, k->mailboxes.confidential_size));
    done(&v);
}

Test(termination, replaces_what_waits_and_takes_no_receipt_any_more)
{
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    struct dk_owned *o = &r->device.owned[0];
    uint8_t point[P256_POINT];
    struct slot_id slot;
    unsigned entry;
    o->waiting_len = 7;
    p256_public(r->device.enc_key, point);
    ASSERT_OK(dk_device_terminate(&r->device, k));
    cr_expect(eq(sz, o->waiting_len, 0));
    EXPECT_ERR(dk_device_receipt(&r->device, k, point, span_of("x", 1)), ERR_DK_TERMINATED);
    EXPECT_ERR(dk_device_hand_out_slot(&r->device, k, &slot, &entry), ERR_DK_TERMINATED);
    ASSERT_OK(dk_device_collect(&r->device, k));
    cr_expect(ne(int, signals(r) & MAILBOX_ATTESTATION, 0), "our own statement stays for the vehicle");
    done(&v);
}

/* ---- suspension ---- */

Test(suspension, is_as_if_there_were_no_key_until_it_is_resumed)
{
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    uint8_t statement[ATTESTATION_MAX];
    struct wr w = wr_of(statement, sizeof statement);
    struct attestation a = {.slot = k->creation.slot};
    ASSERT_OK(attestation_make(r->crypto, &a, ATTESTATION_RESUMED, r->kts.key, &w));
    struct span said = {statement, w.len};
    EXPECT_ERR(dk_device_resume(&r->device, k, said), ERR_BAD_ARGUMENT);
    ASSERT_OK(dk_device_suspend(&r->device, k));
    EXPECT_ERR(dk_device_suspend(&r->device, k), ERR_DK_SUSPENDED);
    struct slot_id slot;
    unsigned entry;
    EXPECT_ERR(dk_device_hand_out_slot(&r->device, k, &slot, &entry), ERR_DK_SUSPENDED);
    cr_expect(eq(int, reader_select(&v), APDU_SW_OK), "it still is a key");
    cr_expect(eq(int, reader_auth0(&v, TRANSACTION_FAST), APDU_SW_OK));
    cr_expect(not(reader_fast(&v, k->kpersistent)));
    cr_expect(eq(int, reader_auth1(&v), APDU_SW_WRONG_DATA));
    EXPECT_ERR(dk_device_resume(&r->device, k, span_of("\x30\x00", 2)), ERR_MSG_MALFORMED);
    EXPECT_ERR(dk_device_resume(&r->device, k, span_of(statement, w.len - 1)), ERR_MSG_MALFORMED);
    r->device.owned[0].map.end = KEY_ATT + 20;
    EXPECT_ERR(dk_device_resume(&r->device, k, said), ERR_NO_SPACE);
    r->device.owned[0].map.end = MAILBOX_DEFAULT_PRIVATE;
    cr_expect(eq(int, k->state, APPLET_KEY_SUSPENDED));
    (void)dk_device_changes(&r->device);
    ASSERT_OK(dk_device_resume(&r->device, k, said));
    cr_expect(eq(uint, dk_device_changes(&r->device).put, 1));
    cr_expect(ne(int, signals(r) & MAILBOX_ATTESTATION, 0));
    cr_expect(memcmp(k->mailboxes.private_area + KEY_ATT, statement, w.len) == 0);
    cr_expect(eq(int, reader_auth0(&v, TRANSACTION_FAST), APDU_SW_OK));
    cr_expect(reader_fast(&v, k->kpersistent), "Kpersistent outlived it");
    done(&v);
}

Test(suspension, may_end_without_a_statement)
{
    struct reader v;
    struct rig *r = paired(&v);
    struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(dk_device_suspend(&r->device, k));
    ASSERT_OK(dk_device_resume(&r->device, k, (struct span){0}));
    cr_expect(eq(int, signals(r) & MAILBOX_ATTESTATION, 0));
    cr_expect(reader_authenticate(&v));
    done(&v);
}

/* ---- validity ---- */

static const struct {
    const char *what;
    int64_t not_before_s, not_after_s;
    bool valid;
} validities[] = {
    {"no dates", 0, 0, true},
    {"begins now", RIG_NOW_S, 0, true},
    {"begins in a second", RIG_NOW_S + 1, 0, false},
    {"ends now", 0, RIG_NOW_S, true},
    {"ended a second ago", 0, RIG_NOW_S - 1, false},
    {"within", RIG_NOW_S - 1, RIG_NOW_S + 1, true},
};

Test(validity, key_outside_of_it_is_as_unknown_as_a_strangers)
{
    for (size_t i = 0; i < sizeof validities / sizeof validities[0]; i++) {
        struct reader v;
        struct rig *r = paired(&v);
        struct digital_key *k = &r->applet.keys[0];
        const char *what = validities[i].what;
        k->creation.not_before_s = validities[i].not_before_s;
        k->creation.not_after_s = validities[i].not_after_s;
        cr_assert(eq(int, reader_select(&v), APDU_SW_OK));
        cr_expect(eq(int, reader_auth0(&v, TRANSACTION_FAST), APDU_SW_OK), "%s", what);
        cr_expect(eq(int, reader_fast(&v, k->kpersistent), validities[i].valid), "%s", what);
        cr_expect(eq(int, reader_auth0(&v, 0), APDU_SW_OK), "%s", what);
        cr_expect(eq(int, reader_auth1(&v), validities[i].valid ? APDU_SW_OK : APDU_SW_WRONG_DATA), "%s",
                  what);
        done(&v);
    }
}
