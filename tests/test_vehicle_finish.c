/* Phases 3 and 4 and what the mailboxes are for later: what the vehicle reads, stores, writes and erases. */
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

static struct rig *paired_to_phase_3(void)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair_phase_2(r));
    ASSERT_OK(rig_phase_3(r));
    return r;
}

/* Signalling bitmap and slot bitmap, as the phone has them. */
static void expect_bits(struct rig *r, int signalling, int slots, const char *when)
{
    const uint8_t *p = rig_phone_mailbox(r);
    cr_expect(eq(int, p[0], signalling), "%s", when);
    cr_expect(eq(int, p[1], slots), "%s", when);
}

/* ---- filling ---- */

Test(vehicle_finish, phase_3_writes_one_entry_the_next_transaction_the_rest)
{
    struct rig *r = paired_to_phase_3();
    const uint8_t *list = rig_phone_mailbox(r) + mailbox_map_default.slots;
    const uint8_t *tokens = r->applet.keys[0].mailboxes.confidential_area;
    static const uint8_t zeros[7 * 16];
    expect_bits(r, MAILBOX_SLOT_BITMAP_CHANGED, 0x01, "after phase 3 slots are missing");
    cr_expect(eq(int, list[7], 1));
    cr_expect(memcmp(list + 8, zeros, 7 * 8) == 0 && memcmp(tokens + 16, zeros, sizeof zeros) == 0);
    cr_expect(eq(int, r->store.key.offered, 0x01));
    EXPECT_ERR(rig_phase_4(r), ERR_DK_NO_RECEIPT);
    expect_bits(r, MAILBOX_SLOTS_WRITTEN, 0xFF, "phase 4 fills, receipt or not");
    cr_expect(memcmp(tokens, r->tokens, sizeof r->tokens) == 0);
    cr_expect(eq(int, r->store.key.offered, 0xFF));
    cr_expect(eq(sz, r->store.commits[VEHICLE_STORE_OFFER], 2));
    ASSERT_OK(dk_device_collect(&r->device, &r->applet.keys[0]));
    expect_bits(r, 0, 0xFF, "the phone took note");
    rig_free(r);
}

Test(vehicle_finish, a_refill_fills_what_phase_4_would_have)
{
    struct rig *r = paired_to_phase_3();
    ASSERT_OK(rig_refill(r));
    expect_bits(r, MAILBOX_SLOTS_WRITTEN, 0xFF, "refill");
    size_t apdus = r->apdus;
    ASSERT_OK(rig_refill(r));
    cr_expect(eq(sz, r->apdus - apdus, 5), "nothing to do but to look");
    ASSERT_OK(rig_phase_3(r)); /* tried again, later than anybody would */
    expect_bits(r, MAILBOX_SLOTS_WRITTEN, 0xFF, "no slot is missing");
    rig_free(r);
}

Test(vehicle_finish, identifiers_are_stored_as_used_before_they_leave)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair_phase_2(r));
    r->store.refuses = VEHICLE_STORE_OFFER;
    EXPECT_ERR(rig_phase_3(r), ERR_STORE_FAILED);
    cr_expect(eq(int, r->key.state, VEHICLE_KEY_PENDING));
    expect_bits(r, 0, 0, "nothing left");
    r->store.refuses = VEHICLE_SEND;
    ASSERT_OK(rig_phase_3(r));
    rig_free(r);
}

/* ---- the receipt ---- */

Test(vehicle_finish, no_receipt_is_an_ending_of_its_own)
{
    struct rig *r = paired_to_phase_3();
    EXPECT_ERR(rig_phase_4(r), ERR_DK_NO_RECEIPT);
    struct vehicle_step s[] = {vehicle_finish_proceed(&r->finish), vehicle_finish_link_lost(&r->finish),
                               vehicle_finish_input(&r->finish, span_of("\x90\x00", 2)),
                               vehicle_finish_store_failed(&r->finish, ERR_OK)};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++)
        cr_expect(s[i].what == VEHICLE_NO_RECEIPT && s[i].reason == ERR_DK_NO_RECEIPT, "%zu", i);
    cr_expect(not(r->key.tracked));
    ASSERT_OK(rig_track_key(r));
    ASSERT_OK(rig_phase_4(r));
    cr_expect(eq(int, r->finish.learnt, VEHICLE_LEARNT_RECEIPT));
    cr_expect(r->key.tracked && r->store.key.tracked);
    cr_expect(eq(sz, r->store.statement_len, ATTESTATION_RECEIPT_SIZE(8)));
    ASSERT_OK(rig_phase_4(r)); /* nothing to do */
    cr_expect(eq(int, r->finish.learnt, VEHICLE_LEARNT_NOTHING));
    r->key.tracked = false;
    EXPECT_ERR(rig_phase_4(r), ERR_DK_NO_RECEIPT); /* taken once */
    rig_free(r);
}

Test(vehicle_finish, an_attestation_that_the_phone_has_not_fetched_stays)
{
    struct rig *r = rig_ready(test_crypto());
    r->attest_in_phase_3 = true;
    ASSERT_OK(rig_pair_phase_2(r));
    ASSERT_OK(rig_phase_3(r));
    EXPECT_ERR(rig_phase_4(r), ERR_DK_NO_RECEIPT);
    expect_bits(r, MAILBOX_SLOTS_WRITTEN | MAILBOX_ATTESTATION, 0xFF, "ours is for the phone");
    ASSERT_OK(rig_track_key(r));
    ASSERT_OK(rig_phase_4(r));
    rig_free(r);
}

/* ---- answers of another length ---- */

/* The phone's answer to the EXCHANGE of that number has one byte. */
static void expect_answer_refused(struct rig *r, size_t exchange)
{
    uint8_t answer[APDU_RESPONSE_MAX], honest[APDU_RESPONSE_MAX];
    size_t seen = 0;
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_finish_begin(&r->finish, &r->finish_config, VEHICLE_PHASE_4);
    while (!vehicle_step_over(&s)) {
        struct wr w = wr_of(answer, sizeof answer), h = wr_of(honest, sizeof honest);
        if (s.what != VEHICLE_SEND) {
            s = rig_finish_proceed(r, &s);
            continue;
        }
        struct channel phone = r->finish.transaction.channel;
        rig_phone_input(r, s.apdu, &h);
        if (s.apdu.p[1] == APDU_EXCHANGE && seen++ == exchange) {
            ASSERT_OK(channel_wrap_response(r->crypto, &phone, span_of("\x08", 1), APDU_SW_OK, &w));
            s = vehicle_finish_input(&r->finish, span_of(answer, w.len));
            cr_assert(s.what == VEHICLE_SEND && memcmp(s.apdu.p, "\x80\x3C\x00\x00", 4) == 0);
        } else {
            s = vehicle_finish_input(&r->finish, span_of(honest, h.len));
        }
    }
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_DK_ANSWER);
}

Test(vehicle_finish, answers_of_another_length)
{
    struct rig *r = paired_to_phase_3();
    ASSERT_OK(rig_track_key(r));
    for (size_t exchange = 0; exchange < 2; exchange++) /* bitmaps, KeyAtt */
        expect_answer_refused(r, exchange);
    ASSERT_OK(rig_phase_4(r)); /* nothing was erased */
    rig_free(r);
}

/* ---- configuration ---- */

static void no_key(struct rig *r)
{
    r->finish_config.transaction.n_keys = 0;
}

static void no_kts(struct rig *r)
{
    r->finish_config.kts_pk = NULL;
}

static void short_slot(struct rig *r)
{
    r->finish_config.offer.slots[3].len = 7;
}

static void no_tokens(struct rig *r)
{
    r->finish_config.offer.tokens = NULL;
}

static void not_open(struct rig *r)
{
    p256_free(r->key.device_key);
    r->key.device_key = NULL;
}

static void no_versions(struct rig *r)
{
    r->finish_config.transaction.versions.n = 0;
}

static void long_attestation(struct rig *r)
{
    static const uint8_t bytes[ATTESTATION_MAX + 1];
    r->finish_config.attestation = span_of(bytes, sizeof bytes);
}

static void attestation_without_room(struct rig *r)
{
    static const uint8_t bytes[147];
    r->key.map.end = r->key.map.attestation + 150;
    r->finish_config.attestation = span_of(bytes, sizeof bytes);
}

Test(vehicle_finish, a_wrong_configuration_is_refused_at_once)
{
    static const struct {
        const char *name;
        void (*spoil)(struct rig *r);
        enum vehicle_phase phase;
    } rows[] = {{"no key", no_key, VEHICLE_PHASE_3},
                {"no key of the server", no_kts, VEHICLE_PHASE_4},
                {"no key of the server", no_kts, VEHICLE_REFILL},
                {"no key of the server", no_kts, VEHICLE_TERMINATION},
                {"short slot", short_slot, VEHICLE_REFILL},
                {"no tokens", no_tokens, VEHICLE_PHASE_3},
                {"record not open", not_open, VEHICLE_REFILL},
                {"no versions", no_versions, VEHICLE_REFILL},
                {"long attestation", long_attestation, VEHICLE_PHASE_3},
                {"attestation without room", attestation_without_room, VEHICLE_PHASE_3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = paired_to_phase_3();
        rows[i].spoil(r);
        size_t apdus = r->apdus;
        struct vehicle_step s = vehicle_finish_begin(&r->finish, &r->finish_config, rows[i].phase);
        cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_BAD_ARGUMENT && s.fault, "%s", rows[i].name);
        const struct vehicle_step later[] = {
            vehicle_finish_input(&r->finish, span_of("\x90\x00", 2)), vehicle_finish_proceed(&r->finish),
            vehicle_finish_store_failed(&r->finish, ERR_OK), vehicle_finish_link_lost(&r->finish)};
        for (size_t j = 0; j < sizeof later / sizeof later[0]; j++)
            cr_expect(later[j].what == VEHICLE_FAILED && later[j].reason == ERR_BAD_ARGUMENT, "%s, %zu",
                      rows[i].name, j);
        cr_expect(eq(sz, r->apdus, apdus));
        rig_free(r);
    }
}
