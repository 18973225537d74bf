/* The vehicle's record changes while a session is under way, by the server's word or the owner's; what is
 * offered to a device was given out before. */
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* ---- suspended or terminated in between ---- */

enum change { SUSPEND, TERMINATE };

static void apply(struct vehicle_key *k, enum change c)
{
    if (c == SUSPEND)
        vehicle_key_suspend(k, RIG_NOW_S);
    else
        vehicle_key_terminate(k);
}

/* Answers as the phone, up to a step of that kind. */
static struct vehicle_step finish_to(struct rig *r, struct vehicle_step s, enum vehicle_do what)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    while (s.what != what && !vehicle_step_over(&s)) {
        struct wr w = wr_of(answer, sizeof answer);
        if (s.what != VEHICLE_SEND) {
            s = rig_finish_proceed(r, &s);
            continue;
        }
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_finish_input(&r->finish, span_of(answer, w.len));
    }
    return s;
}

static const struct {
    const char *name;
    enum vehicle_phase phase;
    enum vehicle_key_state before;
    enum vehicle_do at; /* the step that is outstanding */
    enum change change;
    enum vehicle_key_state after;
    enum err reason;
} changes[] = {
    {"terminated before phase 3 ends", VEHICLE_PHASE_3, VEHICLE_KEY_PENDING, VEHICLE_STORE_OFFER, TERMINATE,
     VEHICLE_KEY_TERMINATED, ERR_DK_TERMINATED},
    {"terminated while active is stored", VEHICLE_PHASE_3, VEHICLE_KEY_PENDING, VEHICLE_STORE_ACTIVE,
     TERMINATE, VEHICLE_KEY_TERMINATED, ERR_DK_TERMINATED},
    {"suspended when phase 3 is repeated", VEHICLE_PHASE_3, VEHICLE_KEY_ACTIVE, VEHICLE_STORE_ACTIVE, SUSPEND,
     VEHICLE_KEY_SUSPENDED, ERR_DK_SUSPENDED},
    {"suspended while Kpersistent is stored", VEHICLE_PHASE_4, VEHICLE_KEY_ACTIVE, VEHICLE_STORE_KPERSISTENT,
     SUSPEND, VEHICLE_KEY_SUSPENDED, ERR_DK_SUSPENDED},
    {"terminated while the receipt is stored", VEHICLE_PHASE_4, VEHICLE_KEY_ACTIVE, VEHICLE_STORE_RECEIPT,
     TERMINATE, VEHICLE_KEY_TERMINATED, ERR_DK_TERMINATED},
};

Test(vehicle_changes, a_session_does_not_bring_back_what_was_ended_meanwhile)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        ASSERT_OK(rig_pair_phase_2(r));
        if (changes[i].before == VEHICLE_KEY_ACTIVE) {
            ASSERT_OK(rig_phase_3(r));
            ASSERT_OK(rig_track_key(r));
        }
        rig_phone_reset(r);
        struct vehicle_step s = vehicle_finish_begin(&r->finish, &r->finish_config, changes[i].phase);
        s = finish_to(r, s, changes[i].at);
        cr_assert(eq(int, s.what, changes[i].at), "%s", changes[i].name);
        apply(&r->key, changes[i].change);
        s = vehicle_finish_proceed(&r->finish);
        s = finish_to(r, s, VEHICLE_FAILED);
        EXPECT_OK(s.reason == changes[i].reason ? ERR_OK : ERR_INTERNAL, "%s: %s", changes[i].name,
                  err_name(s.reason));
        cr_expect(eq(int, r->key.state, changes[i].after), "%s", changes[i].name);
        rig_free(r);
    }
}

Test(vehicle_changes, an_unlock_that_was_suspended_meanwhile_does_not_open)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    ASSERT_OK(rig_pair(r));
    rig_phone_reset(r);
    vehicle_transaction_wipe(&r->unlock);
    struct vehicle_step s =
        vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, TRANSACTION_UNLOCK);
    while (s.what == VEHICLE_SEND) {
        struct wr w = wr_of(answer, sizeof answer);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    }
    cr_assert(eq(int, s.what, VEHICLE_STORE_KPERSISTENT));
    vehicle_key_suspend(&r->key, RIG_NOW_S);
    s = vehicle_transaction_proceed(&r->unlock);
    cr_assert(eq(int, s.what, VEHICLE_SEND));
    cr_expect(memcmp(s.apdu.p, "\x80\x3C\x00\x00", 4) == 0);
    s = vehicle_transaction_input(&r->unlock, span_of("\x90\x00", 2));
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_DK_SUSPENDED);
    rig_free(r);
}

Test(vehicle_changes, an_older_suspension_that_arrives_later)
{
    struct vehicle_key k = {.role = VEHICLE_KEY_OWNER, .state = VEHICLE_KEY_ACTIVE};
    cr_expect(vehicle_key_suspend(&k, 200));
    cr_expect(vehicle_key_suspend(&k, 100));
    cr_expect(eq(i64, k.suspended_s, 200));
    k.state = VEHICLE_KEY_PENDING;
    cr_expect(not(vehicle_key_suspend(&k, 300)), "the caller hears that it is not");
}

/* ---- offers ---- */

Test(vehicle_changes, no_identifier_is_offered_twice)
{
    static const struct {
        const char *name;
        size_t entry;   /* this one is offered */
        size_t as;      /* what that entry has, */
        bool in_record; /* though it was given out before */
        bool refused;
    } rows[] = {
        {"as they are", 2, 2, false, false},
        {"two entries with one", 2, 3, false, true},
        {"the key's own to a friend", 2, 0, false, true},
        {"of another entry, given out before", 2, 3, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        ASSERT_OK(rig_pair_phase_2(r));
        ASSERT_OK(rig_phase_3(r));
        struct vehicle_offer *o = &r->finish_config.offer;
        o->slots[rows[i].entry] = o->slots[rows[i].as];
        if (rows[i].in_record) {
            r->key.offered |= (uint8_t)(1u << rows[i].as);
            r->key.offers[rows[i].as] = o->slots[rows[i].as];
            o->entries &= (uint8_t) ~(1u << rows[i].as);
        }
        struct vehicle_step s = vehicle_finish_begin(&r->finish, &r->finish_config, VEHICLE_REFILL);
        cr_expect(eq(int, s.what, rows[i].refused ? VEHICLE_FAILED : VEHICLE_SEND), "%s", rows[i].name);
        if (rows[i].refused)
            cr_expect(s.reason == ERR_BAD_ARGUMENT && strstr(s.fault, "given out before") != NULL);
        rig_free(r);
    }
}

/* Power went between the store and the APDU; the owner offers something else now. */
Test(vehicle_changes, what_was_given_out_and_never_arrived_goes_again)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair_phase_2(r));
    ASSERT_OK(rig_phase_3(r));
    r->store.cut_after = VEHICLE_STORE_OFFER;
    EXPECT_ERR(rig_refill(r), ERR_KILLED);
    r->store.cut_after = VEHICLE_SEND;
    struct slot_id first = r->finish_config.offer.slots[3];
    r->finish_config.offer.slots[3].b[0] = 0x99;
    ASSERT_OK(rig_refill(r));
    const uint8_t *list = rig_phone_mailbox(r) + mailbox_map_default.slots;
    cr_expect(memcmp(list + 3u * first.len, first.b, first.len) == 0);
    cr_expect(slot_id_equal(&r->key.offers[3], &first), "the record has not forgotten it");
    rig_free(r);
}

/* ---- a slot that a replaced key had, too ---- */

Test(vehicle_changes, a_key_that_was_replaced_may_have_the_same_slot)
{
    struct rig *r = rig_ready(test_crypto());
    struct vehicle_key keys[2];
    bool fast;
    ASSERT_OK(rig_pair(r));
    keys[0] = r->key;
    keys[0].state = VEHICLE_KEY_TERMINATED;
    keys[0].device_key = NULL;
    memset(keys[0].kpersistent, 0x5A, sizeof keys[0].kpersistent);
    memcpy(keys[0].device_pk, r->finish_config.transaction.vehicle_pk, P256_POINT);
    ASSERT_OK(vehicle_key_open(r->crypto, &keys[0]));
    keys[1] = r->key;
    r->finish_config.transaction.keys = keys;
    r->finish_config.transaction.n_keys = 2;
    EXPECT_OK(rig_unlock(r, false, false, &fast), "the one that signed");
    r->finish_config.transaction.keys = &r->key;
    vehicle_key_close(&keys[0]);
    rig_free(r);
}
