/* Every commit of the vehicle is a step: what is left when it cannot be stored, and when power is lost right
 * behind it. */
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* ---- what leads to each step ---- */

static enum err phase_2(struct rig *r)
{
    return rig_pair_phase_2(r);
}

static enum err unlock(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, false, &fast);
}

static enum err terminated(struct rig *r)
{
    return rig_finish(r, VEHICLE_TERMINATION);
}

static enum err resumed(struct rig *r)
{
    return rig_finish(r, VEHICLE_RESUMPTION);
}

static void nothing(struct rig *r)
{
    (void)r;
}

static void to_phase_3(struct rig *r)
{
    ASSERT_OK(rig_pair_phase_2(r));
}

static void to_phase_4(struct rig *r)
{
    to_phase_3(r);
    ASSERT_OK(rig_phase_3(r));
    ASSERT_OK(rig_track_key(r));
}

static void to_unlock(struct rig *r)
{
    ASSERT_OK(rig_pair(r));
}

/* A statement in KeyAtt, announced, as the phone's framework puts it there. */
static void announce(struct rig *r, enum attestation_usage usage, const struct p256_key *signer)
{
    uint8_t *p = r->applet.keys[0].mailboxes.private_area;
    struct attestation a = vehicle_key_subject(&r->key);
    a.issued_s = RIG_NOW_S;
    struct wr w = wr_of(p + mailbox_map_default.attestation, mailbox_attestation_size(&mailbox_map_default));
    ASSERT_OK(attestation_make(r->crypto, &a, usage, signer, &w));
    p[0] |= MAILBOX_ATTESTATION;
}

static void to_termination(struct rig *r)
{
    to_unlock(r);
    announce(r, ATTESTATION_TERMINATED, r->applet.keys[0].device_key);
}

static void to_resumption(struct rig *r)
{
    to_unlock(r);
    announce(r, ATTESTATION_RESUMED, r->kts.key);
    r->key.state = VEHICLE_KEY_SUSPENDED;
    rig_store_key(r, &r->key);
}

/* With the key terminated nothing more is to be done. */
static enum err opens(struct rig *r)
{
    enum err e = unlock(r);
    return r->key.state == VEHICLE_KEY_TERMINATED && e == ERR_DK_TERMINATED ? ERR_OK : e;
}

/* What goes on from the stored record: a pending key with phase 3, if the phone heard that it was accepted,
 * else from the beginning; an active one with phase 4 until it is tracked, and with what lies there still. */
static enum err go_on(struct rig *r)
{
    enum err e = ERR_OK;
    if (r->key.state == VEHICLE_KEY_PENDING)
        e = rig_phase_3(r);
    if (r->key.state == 0 || e == ERR_DK_STATUS) {
        rig_enter_password(r, true);
        e = rig_pair_phase_2(r);
        if (!e)
            e = rig_phase_3(r);
    }
    if (!e && r->key.state == VEHICLE_KEY_ACTIVE && !r->key.tracked) {
        e = rig_track_key(r);
        if (!e)
            e = rig_phase_4(r);
    }
    if (!e && r->key.state == VEHICLE_KEY_ACTIVE)
        e = rig_refill(r);
    return e ? e : opens(r);
}

static const struct {
    const char *name;
    enum vehicle_do what;
    void (*prepare)(struct rig *r);
    enum err (*run)(struct rig *r);
    enum vehicle_key_state before, after; /* of the record, when it is stored; 0: there is none */
} steps[] = {
    {"attempt", VEHICLE_STORE_ATTEMPT, nothing, phase_2, 0, 0},
    {"key", VEHICLE_STORE_KEY, nothing, phase_2, 0, VEHICLE_KEY_PENDING},
    {"Kpersistent of phase 3", VEHICLE_STORE_KPERSISTENT, to_phase_3, rig_phase_3, VEHICLE_KEY_PENDING,
     VEHICLE_KEY_PENDING},
    {"offer of phase 3", VEHICLE_STORE_OFFER, to_phase_3, rig_phase_3, VEHICLE_KEY_PENDING,
     VEHICLE_KEY_PENDING},
    {"active", VEHICLE_STORE_ACTIVE, to_phase_3, rig_phase_3, VEHICLE_KEY_PENDING, VEHICLE_KEY_ACTIVE},
    {"receipt", VEHICLE_STORE_RECEIPT, to_phase_4, rig_phase_4, VEHICLE_KEY_ACTIVE, VEHICLE_KEY_ACTIVE},
    {"offer of phase 4", VEHICLE_STORE_OFFER, to_phase_4, rig_phase_4, VEHICLE_KEY_ACTIVE,
     VEHICLE_KEY_ACTIVE},
    {"Kpersistent of an unlock", VEHICLE_STORE_KPERSISTENT, to_unlock, unlock, VEHICLE_KEY_ACTIVE,
     VEHICLE_KEY_ACTIVE},
    {"termination", VEHICLE_STORE_TERMINATION, to_termination, terminated, VEHICLE_KEY_ACTIVE,
     VEHICLE_KEY_TERMINATED},
    {"resumption", VEHICLE_STORE_RESUMED, to_resumption, resumed, VEHICLE_KEY_SUSPENDED, VEHICLE_KEY_ACTIVE},
};
#define STEPS (sizeof steps / sizeof steps[0])

/* Device keys are made anew by each reading. */
static bool same_record(const struct vehicle_key *a, const struct vehicle_key *b)
{
    struct vehicle_key x = *a, y = *b;
    x.device_key = y.device_key = NULL;
    return memcmp(&x, &y, sizeof x) == 0;
}

/* The last CONTROL FLOW of either kind. */
static void note_flow(void *arg, bool command, struct span apdu)
{
    uint8_t *flow = arg;
    if (command && apdu.len == 4 && apdu.p[1] == APDU_CONTROL_FLOW)
        memcpy(flow, apdu.p + 2, 2);
}

Test(vehicle_store, a_refusal_ends_it_and_changes_nothing)
{
    for (size_t i = 0; i < STEPS; i++) {
        struct rig *r = rig_ready(test_crypto());
        uint8_t flow[2] = {0xEE, 0xEE};
        steps[i].prepare(r);
        struct rig_store *store = &r->store;
        size_t before = store->commits[steps[i].what];
        r->tap = note_flow;
        r->tap_arg = flow;
        store->refuses = steps[i].what;
        enum err e = steps[i].run(r);
        cr_expect(eq(str, (char *)err_name(e), "STORE_FAILED"), "%s", steps[i].name);
        cr_expect(eq(sz, store->commits[steps[i].what], before), "%s", steps[i].name);
        cr_expect(eq(int, r->key.state, steps[i].before), "%s", steps[i].name);
        cr_expect(same_record(&r->key, &store->key), "%s: memory is what is stored", steps[i].name);
        bool pairing = steps[i].run == phase_2;
        cr_expect(eq(int, flow[0], pairing ? APDU_FLOW_ABORT : 0x00), "%s", steps[i].name);
        cr_expect(eq(int, flow[1], pairing ? APDU_ABORT_OTHER : 0x00), "%s", steps[i].name);
        cr_expect(eq(sz, r->pairing.result.certificate_len && pairing, 0), "%s: no result", steps[i].name);
        if (steps[i].what >= VEHICLE_STORE_RECEIPT)
            cr_expect(eq(int, r->finish.learnt, VEHICLE_LEARNT_NOTHING), "%s", steps[i].name);
        r->tap = NULL;
        store->refuses = VEHICLE_SEND;
        if (pairing)
            rig_enter_password(r, true);
        EXPECT_OK(steps[i].run(r), "%s: again", steps[i].name);
        cr_expect(eq(int, r->key.state, pairing ? VEHICLE_KEY_PENDING : r->store.key.state), "%s",
                  steps[i].name);
        EXPECT_OK(go_on(r), "%s", steps[i].name);
        rig_free(r);
    }
}

Test(vehicle_store, power_lost_behind_a_step_costs_no_key)
{
    for (size_t i = 0; i < STEPS; i++) {
        struct rig *r = rig_ready(test_crypto());
        steps[i].prepare(r);
        r->store.cut_after = steps[i].what;
        enum err e = steps[i].run(r);
        cr_expect(eq(str, (char *)err_name(e), "KILLED"), "%s", steps[i].name);
        cr_expect(eq(int, r->key.state, steps[i].after), "%s", steps[i].name);
        r->store.cut_after = VEHICLE_SEND;
        rig_phone_reset(r);
        EXPECT_OK(go_on(r), "%s", steps[i].name);
        cr_expect(eq(sz, rig_phone_keys(r), 1), "%s", steps[i].name);
        if (r->key.state == VEHICLE_KEY_ACTIVE)
            cr_expect(r->key.tracked && r->key.offered == 0xFF &&
                          !(rig_phone_mailbox(r)[0] & MAILBOX_ATTESTATION),
                      "%s", steps[i].name);
        rig_free(r);
    }
}

/* An attempt is spent when it is stored, whatever comes then. */
Test(vehicle_store, power_lost_behind_the_count_spends_the_attempt)
{
    struct rig *r = rig_ready(test_crypto());
    r->store.cut_after = VEHICLE_STORE_ATTEMPT;
    for (unsigned i = 1; i <= SPAKE2P_ATTEMPTS_MAX; i++) {
        EXPECT_ERR(rig_pair_phase_2(r), ERR_KILLED);
        cr_expect(eq(uint, r->store.attempts, i));
    }
    cr_expect(eq(sz, r->verifies_seen, 0));
    r->store.cut_after = VEHICLE_SEND;
    rig_enter_password(r, true);
    EXPECT_ERR(rig_pair_phase_2(r), ERR_DK_ATTEMPTS);
    rig_free(r);
}

Test(vehicle_store, phase_3_sets_the_attempts_back)
{
    struct rig *r = rig_ready(test_crypto());
    r->store.attempts = 3;
    ASSERT_OK(rig_pair_phase_2(r));
    cr_expect(r->store.attempts == 4 && !r->store.verifier_erased);
    ASSERT_OK(rig_phase_3(r));
    cr_expect(r->store.attempts == 0 && r->store.verifier_erased);
    rig_free(r);
}

/* Power is lost before the identifiers left: the same ones go for the same entries, none is lost or given
 * twice. */
Test(vehicle_store, an_offer_that_was_stored_is_offered_again)
{
    struct rig *r = rig_ready(test_crypto());
    to_phase_4(r);
    r->store.cut_after = VEHICLE_STORE_OFFER;
    EXPECT_ERR(rig_refill(r), ERR_KILLED);
    r->store.cut_after = VEHICLE_SEND;
    cr_assert(eq(int, r->key.offered, 0xFF));
    memset(r->finish_config.offer.slots, 0, sizeof r->finish_config.offer.slots); /* all that is left: */
    memcpy(r->finish_config.offer.slots, r->key.offers, sizeof r->key.offers);
    ASSERT_OK(rig_refill(r));
    cr_expect(eq(int, r->finish.spent, 0));
    const uint8_t *list = rig_phone_mailbox(r) + mailbox_map_default.slots;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        cr_expect(eq(int, list[8 * i + 7], (int)(i + 1)));
    rig_free(r);
}

/* ---- calls out of turn ---- */

Test(vehicle_store, a_store_step_takes_no_answer)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    ASSERT_OK(rig_pair(r));
    uint8_t before[TRANSACTION_KPERSISTENT];
    memcpy(before, r->key.kpersistent, sizeof before);
    rig_phone_reset(r);
    struct vehicle_step s =
        vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, TRANSACTION_UNLOCK);
    while (s.what == VEHICLE_SEND) {
        struct wr w = wr_of(answer, sizeof answer);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    }
    cr_assert(s.what == VEHICLE_STORE_KPERSISTENT && s.key->has_kpersistent);
    cr_expect(memcmp(s.key->kpersistent, before, sizeof before) != 0);
    cr_expect(memcmp(r->key.kpersistent, before, sizeof before) == 0, "until it is stored");
    s = vehicle_transaction_input(&r->unlock, span_of("\x90\x00", 2));
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    cr_expect(memcmp(r->key.kpersistent, before, sizeof before) == 0);
    rig_free(r);
}

Test(vehicle_store, nothing_to_store_is_out_of_turn)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    struct vehicle_step s = vehicle_pairing_store_failed(&r->pairing, ERR_OK);
    cr_expect(s.what == VEHICLE_DONE, "what is over stays over");
    vehicle_pairing_begin(&r->pairing, &r->pairing_config);
    s = vehicle_pairing_store_failed(&r->pairing, ERR_SYSTEM);
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, TRANSACTION_UNLOCK);
    s = vehicle_transaction_store_failed(&r->unlock, ERR_SYSTEM);
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, TRANSACTION_UNLOCK);
    s = vehicle_transaction_proceed(&r->unlock);
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    vehicle_finish_begin(&r->finish, &r->finish_config, VEHICLE_REFILL);
    s = vehicle_finish_store_failed(&r->finish, ERR_SYSTEM);
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    rig_free(r);
}
