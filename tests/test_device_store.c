/* What the phone stores before it answers; and that it is as its store says when the store refuses. */
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/phone.h"
#include "tests/reader.h"
#include "tests/support.h"

/* The next store is refused. */
static void refuse_next(struct rig *r)
{
    r->store_fails_at = r->stores + 1;
}

static void expect_stored(const struct rig *r, unsigned put, unsigned erase, bool framework, const char *what)
{
    cr_expect(eq(uint, r->stored.put, put), "%s: put", what);
    cr_expect(eq(uint, r->stored.erase, erase), "%s: erase", what);
    cr_expect(eq(int, r->stored.framework, framework), "%s: framework", what);
}

/* ---- VERIFY ---- */

Test(store, attempt_that_is_not_stored_is_not_looked_at)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_REQUESTED);
    refuse_next(r);
    cr_expect(eq(int, phone_send(r, VERIFY_WRONG), APDU_SW_CONDITIONS));
    cr_expect(eq(int, r->device.evidence_failures, 0));
    cr_expect(eq(int, r->device.state, DK_SELECTED));
    cr_expect(eq(sz, r->device.password_len, 8));
    phone_bring_to(r, DK_SECURE1);
    rig_free(r);
}

Test(store, nothing_but_verify_is_stored_before_the_key_is_accepted)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_SECURE2);
    cr_expect(eq(sz, r->stores, 1));
    expect_stored(r, 0, 0, true, "VERIFY");
    cr_expect(eq(int,
                 phone_send_protected(r, APDU_WRITE_DATA, 0x80, span_of("\x5F\x5A\x01\xAA\x5F\x5F\x00", 7)),
                 APDU_SW_OK));
    cr_expect(eq(sz, r->stores, 1));
    cr_expect(eq(int, phone_accept(r), APDU_SW_OK));
    cr_expect(eq(sz, r->stores, 2));
    expect_stored(r, 0x01, 0, true, "10/02");
    rig_free(r);
}

/* ---- 10/02 ---- */

Test(store, accepted_key_is_as_stored_when_it_is_stored)
{
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_SECURE2);
    cr_assert(eq(int, phone_read_object(r, 0x7F24, "84C0000000"), APDU_SW_OK));
    struct dk_step s = phone_step(r, "803C1002");
    cr_assert(s.what == DK_STORE && s.change.put == 1 && s.change.framework);
    /* what is saved now */
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_ACTIVE));
    cr_expect(r->device.owned[0].paired);
    cr_expect(eq(sz, r->device.password_len, 0));
    cr_expect(eq(i64, r->device.password_since_s, 0));
    s = dk_device_stored(&r->device, ERR_OK);
    cr_expect(s.what == DK_ANSWER && span_equal(s.answer, span_of("\x90\x00", 2)));
    cr_expect(eq(int, r->device.state, DK_PAIRED));
    rig_free(r);
}

Test(store, older_key_stays_when_the_new_one_is_not_stored)
{
    struct rig *r = rig_ready(test_crypto());
    bool fast;
    ASSERT_OK(rig_pair(r));
    rig_enter_password(r, true);
    phone_bring_to(r, DK_SECURE2);
    cr_assert(eq(int, phone_read_object(r, 0x7F24, "84C0000000"), APDU_SW_OK));
    refuse_next(r);
    cr_expect(eq(int, phone_send(r, "803C1002"), APDU_SW_CONDITIONS));
    expect_stored(r, 0x02, 0x01, true, "10/02");
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_ACTIVE));
    cr_expect(r->device.owned[0].paired);
    cr_expect(eq(int, r->applet.keys[1].state, APPLET_KEY_NONE));
    cr_expect(not(r->device.owned[1].paired));
    cr_expect(eq(sz, r->device.password_len, 8));
    cr_expect(memcmp(r->device.password, RIG_PASSWORD, 8) == 0);
    cr_expect(eq(i64, r->device.password_since_s, RIG_NOW_S));
    cr_expect(eq(int, r->device.state, DK_SELECTED));
    cr_expect(not(r->device.pairing.channel.open));
    EXPECT_OK(rig_unlock(r, true, true, &fast), "with the older key");
    phone_bring_to(r, DK_SECURE2); /* the password is good for another try */
    cr_expect(eq(int, phone_accept(r), APDU_SW_OK));
    expect_stored(r, 0x02, 0x01, true, "10/02 again");
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_NONE));
    cr_expect(eq(int, r->applet.keys[1].state, APPLET_KEY_ACTIVE));
    cr_expect(eq(sz, r->device.password_len, 0));
    rig_free(r);
}

/* ---- AUTH1 ---- */

Test(store, kpersistent_is_stored_before_the_answer)
{
    struct rig *r = rig_ready(test_crypto());
    struct reader v;
    uint8_t old[TRANSACTION_KPERSISTENT];
    struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(rig_pair(r));
    memcpy(old, k->kpersistent, sizeof old);
    reader_open(&v, r, DK_CONTACTLESS);
    cr_assert(reader_select(&v) == APDU_SW_OK && reader_auth0(&v, 0) == APDU_SW_OK);
    refuse_next(r);
    cr_expect(eq(int, reader_auth1(&v), APDU_SW_CONDITIONS));
    expect_stored(r, 0x01, 0, false, "AUTH1");
    cr_expect(memcmp(k->kpersistent, old, sizeof old) == 0 && k->has_kpersistent);
    cr_expect(r->applet.sessions[DK_CONTACTLESS].key == NULL, "the transaction has ended");
    cr_expect(not(r->applet.sessions[DK_CONTACTLESS].channel.open));
    cr_expect(reader_authenticate(&v));
    cr_expect(memcmp(k->kpersistent, v.kpersistent, sizeof old) == 0, "both have the new one");
    reader_close(&v);
    rig_free(r);
}

/* ---- EXCHANGE ---- */

static struct wr write_op(uint8_t buf[64], enum exchange_option option, const char *text)
{
    struct wr w = wr_of(buf, 64);
    exchange_begin(&w, option);
    exchange_put_write(&w, MAILBOX_PRIVATE, 0x50, span_of(text, 3));
    return w;
}

Test(store, exchange_that_wrote_is_stored_when_it_commits)
{
    struct rig *r = rig_ready(test_crypto());
    struct reader v;
    uint8_t buf[64];
    static struct mailboxes before;
    struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(rig_pair(r));
    reader_open(&v, r, DK_CONTACTLESS);
    cr_assert(reader_authenticate(&v));
    size_t stores = r->stores;
    before = k->mailboxes;
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_read(&w, MAILBOX_PRIVATE, 0, 2);
    cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_OK));
    cr_expect(eq(sz, r->stores, stores), "reads only");
    w = write_op(buf, EXCHANGE_MORE, "abc");
    cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_OK));
    cr_expect(eq(sz, r->stores, stores), "not yet committed");
    w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_COMMIT);
    cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_OK));
    cr_expect(eq(sz, r->stores, stores + 1));
    expect_stored(r, 0x01, 0, false, "EXCHANGE");
    cr_expect(memcmp(k->mailboxes.private_area + 0x50, "abc", 3) == 0);
    before = k->mailboxes;
    refuse_next(r);
    w = write_op(buf, EXCHANGE_COMMIT, "xyz");
    cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_CONDITIONS));
    cr_expect(memcmp(&before, &k->mailboxes, sizeof before) == 0);
    cr_expect(r->applet.sessions[DK_CONTACTLESS].key == NULL, "the transaction has ended");
    reader_close(&v);
    rig_free(r);
}

/* ---- the owner's own calls ---- */

Test(store, owner_is_told_what_his_calls_change)
{
    struct rig *r = rig_ready(test_crypto());
    struct dk_device *d = &r->device;
    struct digital_key *k = &r->applet.keys[0];
    struct slot_id slot;
    unsigned entry;
    ASSERT_OK(rig_pair(r));
    (void)dk_device_changes(d);
    ASSERT_OK(dk_device_collect(d, k));
    cr_expect(eq(uint, dk_device_changes(d).put, 1));
    ASSERT_OK(dk_device_hand_out_slot(d, k, &slot, &entry));
    cr_expect(eq(uint, dk_device_changes(d).put, 1));
    dk_device_set_password(d, span_of("12345678", 8));
    struct dk_change c = dk_device_changes(d);
    cr_expect(c.framework && c.put == 0 && c.erase == 0);
    cr_expect(eq(i64, d->password_since_s, RIG_NOW_S), "for timer Ta");
    dk_device_forget_password(d);
    cr_expect(dk_device_changes(d).framework);
    ASSERT_OK(dk_device_suspend(d, k));
    cr_expect(eq(uint, dk_device_changes(d).put, 1));
    dk_device_delete(d, k);
    c = dk_device_changes(d);
    cr_expect(c.put == 0 && c.erase == 1 && !c.framework);
    rig_free(r);
}

/* ---- scrypt apart ---- */

/* REQUEST up to the wish for scrypt, and its result computed elsewhere. */
static struct rig *deriving(struct dk_derived *w)
{
    struct rig *r = rig_new(test_crypto());
    rig_enter_password(r, false);
    phone_send(r, SELECT_FRAMEWORK);
    struct dk_step s = phone_step(r, REQUEST_OK);
    cr_assert(s.what == DK_DERIVE && s.link == DK_CONTACTLESS);
    cr_expect(eq(sz, s.derivation.len, 8));
    cr_expect(memcmp(s.derivation.password, RIG_PASSWORD, 8) == 0);
    cr_expect(eq(uint, s.derivation.scrypt.n, 4096));
    ASSERT_OK(dk_derive(test_crypto(), &s.derivation, w));
    (void)dk_device_changes(&r->device);
    return r;
}

Test(scrypt, request_is_answered_when_it_is_done)
{
    struct dk_derived w;
    struct rig *r = deriving(&w);
    struct dk_step s = dk_device_derived(&r->device, DK_CONTACTLESS, w.from.number, &w);
    cr_expect(s.what == DK_ANSWER && s.link == DK_CONTACTLESS);
    cr_expect(dk_device_changes(&r->device).framework, "w0 and w1 are kept");
    cr_expect(eq(sz, s.answer.len, 69));
    cr_expect(memcmp(s.answer.p, "\x50\x41\x04", 3) == 0);
    cr_expect(eq(int, r->device.state, DK_REQUESTED));
    rig_free(r);
}

Test(scrypt, failure_is_an_error_answer)
{
    struct dk_derived w;
    struct rig *r = deriving(&w);
    struct dk_step s = dk_device_derived(&r->device, DK_CONTACTLESS, w.from.number, NULL);
    cr_expect(s.what == DK_ANSWER && span_equal(s.answer, span_of("\x6A\x88", 2)));
    cr_expect(eq(int, r->device.state, DK_SELECTED));
    s = dk_device_derived(&r->device, DK_CONTACTLESS, w.from.number, NULL);
    cr_expect(s.what == DK_NOTHING, "nobody waits any more");
    rig_free(r);
}

static const struct {
    const char *what;
    bool reset, command, forget, other_password;
    bool kept, answered; /* the set; REQUEST, with 6985 */
} interruptions[] = {
    {.what = "the link went away", .reset = true, .kept = true, .answered = false},
    {.what = "another command came", .command = true, .kept = true, .answered = false},
    {.what = "the password was dropped", .forget = true, .kept = false, .answered = true},
    {.what = "another password was entered", .other_password = true, .kept = false, .answered = true},
};

Test(scrypt, late_result_is_kept_while_the_password_is_the_same)
{
    for (size_t i = 0; i < sizeof interruptions / sizeof interruptions[0]; i++) {
        struct dk_derived w;
        struct rig *r = deriving(&w);
        const char *what = interruptions[i].what;
        if (interruptions[i].reset)
            rig_phone_reset(r);
        if (interruptions[i].command)
            cr_expect(eq(int, phone_send(r, "803C1200"), APDU_SW_CONDITIONS), "%s", what);
        if (interruptions[i].forget)
            dk_device_forget_password(&r->device);
        if (interruptions[i].other_password)
            dk_device_set_password(&r->device, span_of("12345678", 8));
        cr_expect(ne(int, r->device.state, DK_DERIVING), "%s", what);
        struct dk_step s = dk_device_derived(&r->device, DK_CONTACTLESS, w.from.number, &w);
        cr_expect(eq(int, s.what, interruptions[i].answered ? DK_ANSWER : DK_NOTHING), "%s", what);
        if (interruptions[i].answered)
            cr_expect(span_equal(s.answer, span_of("\x69\x85", 2)), "%s", what);
        s = dk_device_derived(&r->device, DK_CONTACTLESS, w.from.number, NULL);
        cr_expect(eq(int, s.what, DK_NOTHING), "%s: once", what);
        cr_expect(eq(int, r->device.derived, interruptions[i].kept), "%s", what);
        if (interruptions[i].kept) {
            phone_send(r, SELECT_FRAMEWORK);
            cr_expect(phone_step(r, REQUEST_OK).what == DK_ANSWER, "%s: the next REQUEST finds it", what);
        }
        rig_free(r);
    }
}

/* REQUEST again while the first derivation runs: its result, or its failure, is not that of the second. */
Test(scrypt, earlier_result_answers_no_later_request)
{
    for (int failed = 0; failed < 2; failed++) {
        struct dk_derived first, second;
        struct rig *r = deriving(&first);
        rig_phone_reset(r);
        phone_send(r, SELECT_FRAMEWORK);
        struct dk_step s = phone_step(r, REQUEST_OK);
        cr_assert(eq(int, s.what, DK_DERIVE));
        cr_expect(ne(uint, s.derivation.number, first.from.number));
        ASSERT_OK(dk_derive(test_crypto(), &s.derivation, &second));
        s = dk_device_derived(&r->device, DK_CONTACTLESS, first.from.number, failed ? NULL : &first);
        cr_expect(eq(int, s.what, DK_NOTHING), "%d", failed);
        cr_expect(eq(int, r->device.state, DK_DERIVING), "%d", failed);
        s = dk_device_derived(&r->device, DK_CONTACTLESS, second.from.number, &second);
        cr_expect(s.what == DK_ANSWER && s.answer.len == 69, "%d", failed);
        rig_free(r);
    }
}

/* The password is changed, and the other link asks with the new one before the first has its answer. */
Test(scrypt, each_link_gets_its_own_answer)
{
    struct dk_derived near, far;
    struct rig *r = deriving(&near);
    HEX(request, REQUEST_OK);
    dk_device_set_password(&r->device, span_of("12345678", 8));
    cr_expect(eq(int, phone_send_over(r, DK_BLE, DK_TO_FRAMEWORK, SELECT_FRAMEWORK), APDU_SW_OK));
    struct dk_step s = dk_device_input(&r->device, DK_BLE, DK_TO_FRAMEWORK, span_of(request, request_len));
    cr_assert(s.what == DK_DERIVE && s.link == DK_BLE);
    ASSERT_OK(dk_derive(test_crypto(), &s.derivation, &far));
    s = dk_device_derived(&r->device, DK_CONTACTLESS, near.from.number, NULL);
    cr_expect(s.what == DK_ANSWER && s.link == DK_CONTACTLESS);
    cr_expect(span_equal(s.answer, span_of("\x69\x85", 2)));
    s = dk_device_derived(&r->device, DK_BLE, far.from.number, &far);
    cr_expect(s.what == DK_ANSWER && s.link == DK_BLE && s.answer.len == 69);
    cr_expect(eq(int, r->device.state, DK_REQUESTED));
    rig_free(r);
}

/* REQUEST ends the session for which a receipt waits, and the store refuses that: with the set there, and
 * with scrypt to be computed. */
Test(scrypt, request_fails_when_what_its_session_left_is_not_stored)
{
    for (int ready = 0; ready < 2; ready++) {
        struct reader near, far;
        struct rig *r = readers_open(&near, &far);
        rig_enter_password(r, true);
        r->device.derived = ready;
        HEX(request, REQUEST_OK);
        memcpy(r->device.derived_from.salt, request + 18, sizeof r->device.derived_from.salt);
        phone_send_over(r, DK_BLE, DK_TO_FRAMEWORK, SELECT_FRAMEWORK);
        cr_assert(reader_authenticate(&far));
        r->device.later[0].collect = true;
        refuse_next(r);
        cr_expect(eq(int, phone_send_over(r, DK_BLE, DK_TO_FRAMEWORK, REQUEST_OK), APDU_SW_CONDITIONS), "%d",
                  ready);
        cr_expect(eq(int, r->device.state, DK_SELECTED), "%d", ready);
        cr_expect(eq(int, r->device.derivations, ready ? 0 : 1));
        cr_expect(r->device.later[0].collect);
        readers_close(&near, &far);
    }
}

/* The exchange under way was begun with another set. */
Test(scrypt, late_result_does_not_disturb_an_exchange)
{
    struct dk_derived w;
    struct rig *r = deriving(&w);
    rig_phone_reset(r);
    r->device.prover = r->prover;
    r->device.derived_from = r->pairing_config.scrypt;
    r->device.derived = true;
    phone_bring_to(r, DK_REQUESTED);
    cr_expect(dk_device_derived(&r->device, DK_CONTACTLESS, w.from.number, &w).what == DK_NOTHING);
    cr_expect(memcmp(&r->device.prover, &r->prover, sizeof r->prover) == 0);
    rig_free(r);
}

Test(scrypt, other_link_is_answered_meanwhile)
{
    struct rig *r = rig_ready(test_crypto());
    struct reader v;
    ASSERT_OK(rig_pair(r));
    rig_enter_password(r, false);
    phone_bring_to(r, DK_DERIVING);
    reader_open(&v, r, DK_BLE);
    cr_expect(reader_authenticate(&v));
    cr_expect(eq(int, r->device.state, DK_DERIVING));
    reader_close(&v);
    rig_free(r);
}
