/* The SpaaK Module and phones outside of pairing: who is asked for where and when, what unlocks and starts,
 * what a key still waits for, its end from either side. Reader, body controller and phone are the test's. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/pairing.h"
#include "tests/check.h"
#include "tests/unlock_bench.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct unlock_bench *u;

static void begin(void)
{
    u = unlock_bench_new(true);
    unlock_bench_start(u);
    unlock_forget(u);
}

static void finish(void)
{
    unlock_bench_free(u);
}

TestSuite(unlock);

/* ---- who is asked for when ---- */

static void change_key(const char *how)
{
    struct vehicle_key *k = &u->rig->key;
    if (strcmp(how, "none") == 0) {
        u->rig->store.record_len = 0;
        return;
    }
    if (strcmp(how, "pending") == 0)
        k->state = VEHICLE_KEY_PENDING;
    else if (strcmp(how, "suspended") == 0)
        cr_assert(vehicle_key_suspend(k, TEST_NOW_S));
    else if (strcmp(how, "terminated") == 0)
        vehicle_key_terminate(k);
    rig_store_key(u->rig, k);
}

static const struct {
    const char *key;
    bool silent, unlocked, start;
    bool door, pad; /* asked for there */
} wanted[] = {
    {.key = "active", .door = true},
    {.key = "active", .start = true, .door = true, .pad = true},
    {.key = "active", .unlocked = true},
    {.key = "active", .unlocked = true, .start = true, .pad = true},
    {.key = "active", .silent = true, .start = true},
    {.key = "none", .start = true},
    {.key = "pending", .start = true},
    {.key = "suspended", .start = true, .door = true, .pad = true},
    {.key = "terminated", .door = true},
};

Test(unlock, a_phone_is_asked_for_where_it_can_do_something)
{
    for (size_t i = 0; i < COUNT(wanted); i++) {
        u = unlock_bench_new(true);
        change_key(wanted[i].key);
        unlock_bench_start(u);
        u->bcm_speaks = !wanted[i].silent;
        u->bcm.locked = !wanted[i].unlocked;
        u->bcm.start = wanted[i].start;
        unlock_pass(u, 1000);
        cr_expect(eq(int, u->readers[READER_DOOR].field, wanted[i].door), "row %zu", i);
        cr_expect(eq(int, u->readers[READER_PAD].field, wanted[i].pad), "row %zu", i);
        unlock_bench_free(u);
    }
}

Test(unlock, a_field_goes_off_when_nothing_is_wanted_any_more, .init = begin, .fini = finish)
{
    cr_expect(u->readers[READER_DOOR].field);
    u->bcm.locked = false;
    unlock_pass(u, 100);
    cr_expect(not(u->readers[READER_DOOR].field));
    u->bcm.locked = true;
    unlock_pass(u, 100);
    cr_expect(u->readers[READER_DOOR].field);
    u->bcm_speaks = false;
    unlock_pass(u, 700);
    cr_expect(not(u->readers[READER_DOOR].field));
}

/* ---- doors and engine ---- */

static void expect_command(enum cabin_order order, const char *kind)
{
    char text[CABIN_TRANSACTION_TEXT];
    uint8_t digest[SHA256_SIZE];
    const struct trace_event *claim = bench_last(&u->b, TRACE_CLAIM);
    const struct span value = cabin_transaction_text(u->last.transaction, text);
    cr_expect(eq(sz, u->commands, 1));
    cr_expect(eq(sz, u->refused, 0));
    cr_expect(eq(int, u->last.order, order));
    cr_expect(eq(sz, unlock_steps(u, "OP-06/7", kind), 1), "%s", kind);
    for (size_t i = u->b.trace_count; i-- > 0;)
        if (u->b.trace[i].kind == TRACE_CLAIM && strcmp(u->b.trace[i].message, "authenticated") == 0)
            claim = &u->b.trace[i];
    crypto_sha256(test_crypto(), &value, 1, digest);
    cr_assert(claim != NULL);
    cr_expect(eq(str, (char *)claim->message, "authenticated"));
    cr_expect(memcmp(claim->digest, digest, TRACE_DIGEST) == 0);
}

static void pass_with_status(unsigned ms)
{
    for (unsigned t = 0; t < ms; t += 500) {
        unlock_pass(u, 500);
        unlock_status(u, READER_DOOR);
    }
}

Test(unlock, the_door_unlocks_and_the_pad_starts, .init = begin, .fini = finish)
{
    unlock_lay(u, READER_DOOR);
    expect_command(CABIN_UNLOCK, "(fast)");
    cr_expect(u->readers[READER_DOOR].field, "until the phone is gone");
    unlock_lay(u, -1);
    pass_with_status(1500);
    cr_expect(not(u->readers[READER_DOOR].field), "nothing is left to do there");
    unlock_forget(u);
    u->bcm.start = true;
    unlock_pass(u, 1000);
    unlock_lay(u, READER_PAD);
    expect_command(CABIN_START, "(fast)");
}

Test(unlock, without_a_kpersistent_the_transaction_is_a_standard_one_and_leaves_one)
{
    u = unlock_bench_new(true);
    u->rig->key.has_kpersistent = false;
    rig_store_key(u->rig, &u->rig->key);
    unlock_bench_start(u);
    unlock_forget(u);
    unlock_lay(u, READER_DOOR);
    expect_command(CABIN_UNLOCK, "(standard)");
    cr_expect(unlock_record(u).has_kpersistent);
    u->bcm.locked = true;
    unlock_lay(u, -1);
    unlock_forget(u);
    pass_with_status(2500);
    unlock_lay(u, READER_DOOR);
    expect_command(CABIN_UNLOCK, "(fast)");
    finish();
}

Test(unlock, what_takes_too_long_opens_nothing, .init = begin, .fini = finish)
{
    u->readers[READER_DOOR].delay_ms = 2100;
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_TIMEOUT), 1));
    u->readers[READER_DOOR].delay_ms = 1900;
    unlock_pass(u, 1500);
    cr_expect(eq(sz, u->commands, 1));
}

Test(unlock, a_key_outside_its_validity_opens_nothing)
{
    static const int64_t ends_s[] = {1, -1};
    for (size_t i = 0; i < COUNT(ends_s); i++) {
        u = unlock_bench_new(true);
        u->rig->key.not_after_s = TEST_NOW_S + 5 * ends_s[i];
        rig_store_key(u->rig, &u->rig->key);
        unlock_bench_start(u);
        unlock_lay(u, READER_DOOR);
        cr_expect(eq(sz, u->commands, ends_s[i] > 0));
        unlock_lay(u, -1);
        pass_with_status(10000);
        unlock_forget(u);
        u->bcm.locked = true;
        unlock_pass(u, 1000);
        unlock_lay(u, READER_DOOR);
        cr_expect(eq(sz, u->commands + u->refused, 0));
        cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_VALIDITY), 1));
        finish();
    }
}

/* ---- what goes wrong ---- */

static void refuse_everything(void *arg, struct span apdu, struct wr *out)
{
    (void)arg;
    if (apdu.p[1] == 0xA4)
        wr_copy(out, "\x5C\x02\x01\x00\x90\x00", 6);
    else
        wr_copy(out, "\x69\x85", 2);
}

static void say_nothing(void *arg)
{
    (void)arg;
}

Test(unlock, a_phone_that_fails_each_time_is_asked_once_a_second, .init = begin, .fini = finish)
{
    u->rig->other_input = refuse_everything;
    u->rig->other_reset = say_nothing;
    unlock_lay(u, READER_DOOR);
    unlock_pass(u, 10000);
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(le(sz, 9, u->readers[READER_DOOR].selects));
    cr_expect(le(sz, u->readers[READER_DOOR].selects, 11));
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_STATUS), u->readers[READER_DOOR].selects));
    u->rig->other_input = NULL;
    u->rig->other_reset = NULL;
    unlock_pass(u, 1500);
    cr_expect(eq(sz, u->commands, 1), "and our phone unlocks after it");
}

/* Somebody on the bus knows the numbers, and answers AUTH0 with a cryptogram of his own, and AUTH1. */
Test(unlock, frames_in_a_readers_name_open_nothing, .init = begin, .fini = finish)
{
    struct unlock_reader *r = &u->readers[READER_DOOR];
    uint8_t auth0[87] = {0x86, 65}, auth1[106] = {0};
    uint8_t number = r->polled;
    p256_public(u->rig->d.key, auth0 + 2);
    memcpy(auth0 + 67, (const uint8_t[]){0x9D, 16}, 2);
    memcpy(auth0 + 85, (const uint8_t[]){0x90, 0x00}, 2);
    memcpy(auth1 + 104, (const uint8_t[]){0x90, 0x00}, 2);
    unlock_forge(u, READER_DOOR,
                 &(struct reader_report){.type = READER_RESPONSE,
                                         .number = (uint8_t)(number + 1),
                                         .apdu = span_of(auth1, sizeof auth1)});
    cr_expect(eq(sz, r->apdus, 0), "nothing was asked");
    unlock_forge(u, READER_DOOR,
                 &(struct reader_report){.type = READER_SELECTED,
                                         .number = number,
                                         .apdu = span_of("\x5C\x02\x01\x00\x90\x00", 6)});
    cr_expect(eq(sz, r->apdus, 1), "AUTH0");
    unlock_forge(u, READER_DOOR,
                 &(struct reader_report){
                     .type = READER_RESPONSE, .number = ++number, .apdu = span_of(auth0, sizeof auth0)});
    cr_expect(eq(sz, r->apdus, 2), "AUTH1");
    unlock_forge(u, READER_DOOR,
                 &(struct reader_report){
                     .type = READER_RESPONSE, .number = ++number, .apdu = span_of(auth1, sizeof auth1)});
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(eq(sz, unlock_steps(u, "OP-06/7", ""), 0));
    unlock_pass(u, 10000); /* nobody answers what it says then */
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_OK), 1));
    cr_expect(eq(sz, unlock_steps(u, "OP-06/7", ""), 0));
    unlock_lay(u, READER_DOOR);
    unlock_pass(u, 1500);
    cr_expect(eq(sz, u->commands, 1), "and our phone unlocks after it");
}

Test(unlock, a_phone_that_is_lifted_at_any_apdu_unlocks_when_it_comes_again)
{
    for (size_t at = 1; at <= 4; at++) {
        u = unlock_bench_new(true);
        u->rig->key.has_kpersistent = false;
        rig_store_key(u->rig, &u->rig->key);
        unlock_bench_start(u);
        unlock_forget(u);
        u->readers[READER_DOOR].lifted_at = at;
        unlock_lay(u, READER_DOOR);
        cr_expect(eq(int, u->phone, -1));
        cr_expect(eq(sz, u->commands, at > 2), "AUTH0, AUTH1, EXCHANGE, CONTROL FLOW: %zu", at);
        cr_expect(eq(sz, bench_count(&u->b, TRACE_FAIL, ERR_DK_LINK_LOST), 1), "%zu", at);
        unlock_forget(u);
        u->readers[READER_DOOR].lifted_at = 0;
        u->bcm.locked = true;
        pass_with_status(4000);
        unlock_lay(u, READER_DOOR);
        cr_expect(eq(sz, u->commands, 1), "%zu", at);
        finish();
    }
}

Test(unlock, a_store_that_refuses_opens_nothing_and_the_next_contact_does)
{
    u = unlock_bench_new(true);
    u->rig->key.has_kpersistent = false; /* there is something to be stored */
    rig_store_key(u->rig, &u->rig->key);
    unlock_bench_start(u);
    unlock_forget(u);
    u->refuse_at = 1;
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 0));
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_STORE_FAILED), 1));
    unlock_pass(u, 1500);
    cr_expect(eq(sz, u->commands, 1));
    finish();
}

/* ---- a phone that stays ---- */

static void unlock_and_lock_again(void)
{
    unlock_lay(u, READER_DOOR);
    cr_assert(eq(sz, u->commands, 1));
    u->bcm.locked = true;
    unlock_forget(u);
}

Test(unlock, a_phone_that_stays_unlocks_once, .init = begin, .fini = finish)
{
    unlock_and_lock_again();
    pass_with_status(10000);
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(eq(sz, u->readers[READER_DOOR].selects, 0), "nor is it asked");
    unlock_lay(u, -1);
    pass_with_status(2000);
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 1), "it has been away");
}

/* One report, which anybody on the segment can make; the reader's status goes on saying that it is there. */
Test(unlock, a_phone_is_not_gone_because_of_one_report, .init = begin, .fini = finish)
{
    unlock_and_lock_again();
    for (unsigned i = 0; i < 5; i++) {
        presence_on_lost(u->b.node.self, SPAAK_DOOR, i % 2 ? READER_LOST_SECOND : READER_LOST_LIFTED);
        pass_with_status(1500);
    }
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(eq(sz, u->readers[READER_DOOR].selects, 0), "nor is it asked");
}

/* The forger says the status, too, each time just before the reader, with its next counter. */
Test(unlock, a_phone_that_its_reader_sees_stays_whoever_is_first, .init = begin, .fini = finish)
{
    struct unlock_reader *door = &u->readers[READER_DOOR];
    unlock_and_lock_again();
    presence_on_lost(u->b.node.self, SPAAK_DOOR, READER_LOST_LIFTED);
    for (unsigned i = 0; i < 10; i++) {
        unlock_pass(u, 500);
        u->phone = -1;
        unlock_status(u, READER_DOOR);
        u->phone = READER_DOOR;
        u->status_alive--;
        unlock_status(u, READER_DOOR);
    }
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_BUS_STALE_COUNTER), 10));
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(door->field);
}

Test(unlock, a_phone_that_is_back_within_a_second_has_stayed, .init = begin, .fini = finish)
{
    unlock_and_lock_again();
    unlock_lay(u, -1);
    pass_with_status(500);
    unlock_lay(u, READER_DOOR);
    pass_with_status(5000);
    cr_expect(eq(sz, u->commands + u->refused, 0));
}

/* A command that got lost, or that the body controller refused. */
Test(unlock, a_phone_that_stays_before_doors_that_did_not_move_is_asked_again, .init = begin, .fini = finish)
{
    u->bcm_is_deaf = true;
    unlock_lay(u, READER_DOOR);
    unlock_pass(u, 2500);
    cr_expect(u->bcm.locked);
    cr_expect(eq(sz, unlock_steps(u, "OP-06/7", ""), 3), "once a second");
    u->bcm_is_deaf = false;
    unlock_pass(u, 1000);
    cr_expect(not(u->bcm.locked));
    u->bcm.locked = true;
    unlock_forget(u);
    pass_with_status(5000);
    cr_expect(eq(sz, u->commands + u->refused, 0));
}

/* What the reader does not say, its status does. */
static const struct {
    const char *what;
    bool reset, silent, lifted;
    size_t commands;
} stays[] = {
    {"the reader begins anew, and finds it there", .reset = true, .commands = 0},
    {"it is lifted, and the word of it gets lost", .silent = true, .lifted = true, .commands = 1},
    {"it is lifted while the reader begins anew", .reset = true, .lifted = true, .commands = 1},
};

Test(unlock, a_phone_that_was_not_seen_is_looked_for)
{
    for (size_t i = 0; i < COUNT(stays); i++) {
        begin();
        struct unlock_reader *r = &u->readers[READER_DOOR];
        unlock_and_lock_again();
        r->silent = stays[i].silent;
        if (stays[i].reset)
            unlock_reset(u, READER_DOOR);
        if (stays[i].lifted)
            unlock_lay(u, -1);
        r->silent = false;
        pass_with_status(5000);
        cr_expect(eq(sz, u->commands, 0), "%s", stays[i].what);
        if (stays[i].lifted)
            unlock_lay(u, READER_DOOR);
        cr_expect(eq(sz, u->commands, stays[i].commands), "%s", stays[i].what);
        cr_expect(r->field, "%s", stays[i].what);
        finish();
    }
}

/* Its end is that of the contact: a follow-up does not unlock either. */
Test(unlock, a_phone_that_stays_behind_a_follow_up_unlocks_once)
{
    u = unlock_bench_new(false);
    ASSERT_OK(rig_track_key(u->rig));
    unlock_bench_start(u);
    unlock_and_lock_again();
    cr_expect(unlock_record(u).tracked);
    pass_with_status(5000);
    cr_expect(eq(sz, u->commands + u->refused, 0));
    finish();
}

/* ---- what a key still waits for ---- */

Test(unlock, an_untracked_key_gets_its_receipt_at_the_contact_that_unlocks)
{
    u = unlock_bench_new(false);
    ASSERT_OK(rig_track_key(u->rig));
    unlock_bench_start(u);
    unlock_forget(u);
    cr_expect(not(unlock_record(u).tracked));
    unlock_lay(u, READER_DOOR);
    expect_command(CABIN_UNLOCK, "(fast)");
    cr_expect(unlock_record(u).tracked);
    cr_expect(eq(sz, unlock_steps(u, "OP-05/5", ""), 1));
    unlock_lay(u, -1);
    u->bcm.locked = true;
    unlock_forget(u);
    pass_with_status(2500);
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 1), "it came again");
    cr_expect(eq(sz, u->readers[READER_DOOR].selects, 1), "and nothing is fetched any more");
    finish();
}

/* Fast or not: the vehicle sees after the doors' command that slots are missing, and fills them at this
 * contact with others; of the two that were never handed out nothing changes. */
Test(unlock, slots_that_were_handed_out_are_filled_again)
{
    for (int fast = 0; fast < 2; fast++) {
        struct slot_id given[6];
        unsigned entry;
        u = unlock_bench_new(true);
        u->rig->key.has_kpersistent &= fast;
        rig_store_key(u->rig, &u->rig->key);
        /* behind those that the rig gave out in its pairing */
        ASSERT_OK(store_set(u->b.node.store, SPAAK_SLOTS, span_of("\0\0\0\0\0\1\0\0", 8)));
        unlock_bench_start(u);
        const struct vehicle_key before = unlock_record(u);
        for (size_t i = 0; i < COUNT(given); i++)
            ASSERT_OK(dk_device_hand_out_slot(&u->rig->device, &u->rig->applet.keys[0], &given[i], &entry));
        unlock_forget(u);
        unlock_lay(u, READER_DOOR);
        expect_command(CABIN_UNLOCK, fast ? "(fast)" : "(standard)");
        const struct vehicle_key after = unlock_record(u);
        cr_expect(eq(int, rig_phone_mailbox(u->rig)[1], 0xFF), "the list is full");
        for (size_t i = 0; i < MAILBOX_SLOTS; i++) {
            bool same = slot_id_equal(&before.offers[i], &after.offers[i]);
            cr_expect(eq(int, same, i == 0 || i == 7), "entry %zu", i);
            for (size_t g = 0; g < COUNT(given); g++)
                cr_expect(not(slot_id_equal(&after.offers[i], &given[g])), "entry %zu", i);
        }
        u->bcm.locked = true;
        unlock_lay(u, -1);
        unlock_forget(u);
        unlock_pass(u, 1200);
        unlock_lay(u, READER_DOOR);
        cr_expect(eq(sz, u->readers[READER_DOOR].selects, 1), "nothing is missing any more");
        finish();
    }
}

static void expect_gone(void)
{
    char statement[ENV_KEY_MAX] = SPAAK_STATEMENT_PREFIX;
    uint8_t buf[ENV_VALUE_MAX];
    size_t len;
    hex_encode(u->rig->store.key.key_id, ENDPOINT_KEY_ID, statement + strlen(statement));
    unlock_pass(u, 1100);
    cr_expect(eq(int, unlock_record(u).state, 0), "the record is deleted");
    cr_expect(eq(sz, rig_phone_keys(u->rig), 0), "and so is the phone's key");
    cr_expect(eq(int, store_get(u->b.node.store, statement, buf, sizeof buf, &len), ERR_NOT_FOUND),
              "with the phone's statement");
    ASSERT_OK(store_get(u->b.node.store, SPAAK_VERIFIERS_WANTED, buf, sizeof buf, &len));
    cr_expect(eq(int, buf[0], 1), "because the owner's key was terminated");
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(eq(sz, unlock_steps(u, "PP-03/1", "terminated"), 1));
}

Test(unlock, a_key_ended_on_the_phone_is_gone_after_one_contact, .init = begin, .fini = finish)
{
    ASSERT_OK(dk_device_terminate(&u->rig->device, &u->rig->applet.keys[0]));
    unlock_lay(u, READER_DOOR);
    expect_gone();
}

Test(unlock, a_key_deleted_in_the_car_is_gone_after_one_contact, .init = begin, .fini = finish)
{
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, u->notices[CABIN_KEY_DELETED], 1));
    cr_expect(eq(int, unlock_record(u).state, VEHICLE_KEY_TERMINATED));
    unlock_lay(u, READER_DOOR);
    expect_gone();
}

/* At each commit that follows, and with a restart behind it. */
Test(unlock, a_key_deleted_in_the_car_comes_to_its_end_whichever_commit_is_refused)
{
    for (unsigned at = 1; at <= 4; at++) {
        begin();
        unlock_wish(u, CABIN_DELETE_KEY, 1);
        u->refuse_at = at;
        unlock_lay(u, READER_DOOR);
        cr_expect(eq(sz, u->commands + u->refused, 0), "%u", at);
        u->refuse_at = 0;
        unlock_lay(u, -1);
        unlock_bench_restart(u);
        unlock_pass(u, 1200);
        unlock_lay(u, READER_DOOR);
        unlock_pass(u, 2500);
        cr_expect(eq(sz, u->commands + u->refused, 0), "%u", at);
        cr_expect(eq(sz, rig_phone_keys(u->rig), 0), "%u", at);
        cr_expect(ne(int, unlock_record(u).state, VEHICLE_KEY_ACTIVE), "%u", at);
        finish();
    }
}

/* PhoneKey_Req alone ends no key: who has neither key fob nor card key deletes nothing. */
Test(unlock, a_key_is_deleted_by_whoever_has_one_of_the_vehicle, .init = begin, .fini = finish)
{
    u->user.ignition = false;
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, u->notices[CABIN_FAILED], 1));
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_IGNITION_OFF), 1));
    u->user = (struct cabin_answer){.ignition = true, .fob = false};
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, u->notices[CABIN_KEY_NEEDED], 1));
    unlock_pass(u, 5000);
    unlock_wish(u, CABIN_CANCEL, 0);
    cr_expect(eq(sz, u->notices[CABIN_CANCELLED], 1));
    cr_expect(eq(int, unlock_record(u).state, VEHICLE_KEY_ACTIVE));
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 1), "it opens still");
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    u->user.fob = u->bcm.fob = true;
    unlock_tell(u);
    unlock_pass(u, 100);
    cr_expect(eq(sz, u->notices[CABIN_KEY_DELETED], 1), "a fob has come");
    cr_expect(eq(int, unlock_record(u).state, VEHICLE_KEY_TERMINATED));
}

/* What was refused ends nothing: no word of an end either. */
Test(unlock, a_key_that_stays_has_no_end_in_the_trace, .init = begin, .fini = finish)
{
    u->refuse_at = 1;
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, bench_count(&u->b, TRACE_STEP, ERR_OK), 0));
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, unlock_steps(u, "KM-02/1", "a key ends"), 1));
}

/* A phone is refused in one input, the verifiers are wanted in another; a commit of that which is refused is
 * tried again. */
Test(unlock, verifiers_are_wanted_in_an_input_of_its_own, .init = begin, .fini = finish)
{
    u->refuse_at = 2;
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, unlock_steps(u, "PP-03/1", "terminated"), 0));
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_TERMINATED), 1));
    cr_expect(eq(sz, unlock_steps(u, "PP-03/1", "terminated"), 0), "not by the contact");
    unlock_pass(u, 1100);
    cr_expect(eq(sz, unlock_steps(u, "PP-03/1", "terminated"), 1));
}

Test(unlock, a_list_that_has_moved_deletes_no_other_key, .init = begin, .fini = finish)
{
    struct spaak *s = u->b.node.self;
    struct cabin_request r = {.wish = CABIN_DELETE_KEY, .key = 1};
    memcpy(r.id, s->keys.list[0].key_id, CABIN_KEY_ID);
    r.id[CABIN_KEY_ID - 1] ^= 1; /* the head unit has heard of another */
    deletion_begin(s, &r);
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_LIST_CHANGED), 1));
    unlock_pass(u, 100);
    cr_expect(eq(sz, u->notices[CABIN_LIST_FOLLOWS], 1), "the list is sent anew");
    cr_expect(eq(int, unlock_record(u).state, VEHICLE_KEY_ACTIVE));
}

Test(unlock, what_cannot_be_deleted_says_so, .init = begin, .fini = finish)
{
    unlock_wish(u, CABIN_DELETE_KEY, 2);
    cr_expect(eq(sz, u->notices[CABIN_FAILED], 1));
    u->refuse_at = 1;
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    cr_expect(eq(sz, u->notices[CABIN_FAILED], 2));
    cr_expect(eq(sz, u->notices[CABIN_KEY_DELETED], 0));
    cr_expect(eq(int, unlock_record(u).state, VEHICLE_KEY_ACTIVE));
    unlock_lay(u, READER_DOOR);
    cr_expect(eq(sz, u->commands, 1), "it opens still");
}

Test(unlock, a_suspended_key_opens_nothing_and_goes_on_being_asked)
{
    u = unlock_bench_new(true);
    change_key("suspended");
    unlock_bench_start(u);
    unlock_lay(u, READER_DOOR);
    unlock_pass(u, 3000);
    cr_expect(eq(sz, u->commands + u->refused, 0));
    cr_expect(le(sz, 1, bench_count(&u->b, TRACE_REJECT, ERR_DK_SUSPENDED)));
    cr_expect(le(sz, u->readers[READER_DOOR].selects, 8));
    finish();
}
