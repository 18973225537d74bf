/* The phone's Digital Key on a bench, before the vehicle's end of lib/ccc: a whole life of a key, then the
 * same with the field lost, the phone killed and the store refusing at every place where that can happen. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tests/handset_bench.h"
#include "tests/phone.h"

#define TRIES 6

/* ---- a life ---- */

static void again(struct handset_bench *h, enum err (*step)(struct rig *r), const char *name)
{
    enum err e = ERR_OK;
    for (int i = 0; i < TRIES; i++) {
        e = step(h->rig);
        if (!e)
            return;
    }
    cr_fatal("%s does not end well: %s; APDU %zu, commit %zu", name, err_name(e), h->dies_at, h->store->at);
}

static void live(struct handset_bench *h)
{
    handset_type_password(h);
    again(h, handset_pair, "pairing");
    again(h, handset_track, "key tracking");
    again(h, rig_phase_4, "phase 4");
    again(h, handset_unlock, "unlock");
    again(h, handset_unlock_fast, "fast unlock");
}

/* Both ends have the same of the key, and so has the phone's store. */
static void expect_agreement(struct handset_bench *h)
{
    const struct vehicle_key *v = &h->rig->store.key;
    char held[DK_DEVICE_PASSWORD_MAX];
    size_t len;
    for (int life = 0; life < 2; life++) {
        const struct handset *own = &handset_phone(h)->handset;
        const struct digital_key *k = &own->applet.keys[0];
        cr_assert(own->open && k->state == APPLET_KEY_ACTIVE && v->state == VEHICLE_KEY_ACTIVE && v->tracked);
        for (size_t i = 1; i < APPLET_KEYS; i++)
            cr_expect(eq(int, own->applet.keys[i].state, APPLET_KEY_NONE), "key %zu", i);
        cr_expect(memcmp(k->device_pk, v->device_pk, P256_POINT) == 0);
        cr_expect(k->has_kpersistent && memcmp(k->kpersistent, v->kpersistent, TRANSACTION_KPERSISTENT) == 0);
        cr_expect(memcmp(own->device.owned[0].long_term_shared_secret, v->long_term_shared_secret, CCC_KEY) ==
                  0);
        cr_expect(eq(sz, own->device.password_len, 0));
        cr_expect(eq(str, (char *)handset_shown(h, "framework"), "paired"));
        cr_expect(eq(str, (char *)handset_shown(h, "keys"), "0 00010123456789AB active"));
        EXPECT_ERR(bench_secret(&h->b, PHONE_PASSWORD, held, sizeof held, &len), ERR_NOT_FOUND);
        handset_restart(h);
    }
}

Test(handset, pairs_and_opens)
{
    struct handset_bench *h = handset_bench_new();
    bool fast;
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "no password"));
    handset_type_password(h);
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "password entered"));
    cr_expect(eq(str, (char *)handset_shown(h, "keys"), "none"));
    ASSERT_OK(rig_pair_phase_2(h->rig));
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "paired"));
    ASSERT_OK(rig_phase_3(h->rig));
    EXPECT_ERR(rig_phase_4(h->rig), ERR_DK_NO_RECEIPT);
    ASSERT_OK(handset_track(h->rig));
    ASSERT_OK(rig_phase_4(h->rig));
    ASSERT_OK(rig_unlock(h->rig, false, true, &fast));
    cr_expect(not(fast));
    ASSERT_OK(rig_unlock(h->rig, true, true, &fast));
    cr_expect(fast);
    expect_agreement(h);
    ASSERT_OK(rig_unlock(h->rig, true, false, &fast));
    cr_expect(fast, "from what the store has");
    handset_bench_free(h);
}

/* ---- what can happen to it ---- */

/* Lives it whole with one disturbance; the numbers of what there was. */
static struct handset_bench *live_undisturbed(void)
{
    struct handset_bench *h = handset_bench_new();
    live(h);
    return h;
}

Test(handset, the_field_is_lost_at_each_apdu, .timeout = 300)
{
    static const enum rig_fault_kind kinds[] = {RIG_LOSE_COMMAND, RIG_LOSE_ANSWER};
    struct handset_bench *h = live_undisturbed();
    const size_t apdus = h->rig->apdus;
    cr_assert(lt(sz, 40, apdus), "%zu", apdus);
    handset_bench_free(h);
    for (size_t k = 0; k < 2; k++)
        for (size_t at = 0; at < apdus; at++) {
            h = handset_bench_new();
            h->rig->fault = (struct rig_fault){.kind = kinds[k], .apdu = at};
            live(h);
            cr_expect(h->rig->fault_fired, "%s %zu", rig_fault_names[kinds[k]], at);
            expect_agreement(h);
            handset_bench_free(h);
        }
}

Test(handset, killed_before_each_apdu_it_goes_on_from_its_store, .timeout = 300)
{
    struct handset_bench *h = live_undisturbed();
    const size_t apdus = h->apdus;
    handset_bench_free(h);
    for (size_t at = 1; at <= apdus; at++) {
        h = handset_bench_new();
        h->dies_at = at;
        live(h);
        cr_expect(h->fired && h->lives == 2, "APDU %zu", at);
        expect_agreement(h);
        handset_bench_free(h);
    }
}

Test(handset, each_commit_is_refused_or_the_last, .timeout = 300)
{
    struct handset_bench *h = live_undisturbed();
    const size_t commits = h->store->commits;
    handset_bench_free(h);
    h = handset_bench_new();
    const size_t first =
        h->store->commits + 2; /* the first is that of the password, which the user retypes */
    handset_bench_free(h);
    cr_assert(lt(sz, first + 8, commits), "%zu", commits);
    for (size_t at = first; at <= commits; at++)
        for (enum rig_fate f = RIG_REFUSED; f < RIG_FATES; f++) {
            h = handset_bench_new();
            h->store->at = at;
            h->store->fate = f;
            live(h);
            cr_expect(h->store->fired, "commit %zu", at);
            cr_expect(eq(sz, h->lives, f == RIG_REFUSED ? 1 : 2), "commit %zu", at);
            h->store->at = 0;
            expect_agreement(h);
            handset_bench_free(h);
        }
}

/* ---- the password ---- */

Test(handset, seven_wrong_evidences_use_the_password_up)
{
    struct handset_bench *h = handset_bench_new();
    char held[DK_DEVICE_PASSWORD_MAX];
    size_t len, said = 0;
    ASSERT_OK(handset_call(h, "type-password", 0, "11111111"));
    for (int i = 1; i <= DK_EVIDENCE_MAX; i++) {
        EXPECT_OK(bench_secret(&h->b, PHONE_PASSWORD, held, sizeof held, &len), "before %d", i);
        cr_expect(eq(str, (char *)handset_shown(h, "framework"), "password entered"), "before %d", i);
        h->rig->store.attempts = 0; /* the vehicle would count to seven, too */
        EXPECT_ERR(rig_pair_phase_2(h->rig), ERR_DK_EVIDENCE);
        if (i == 4)
            handset_restart(h); /* the count is in the store */
        said++;
    }
    cr_expect(eq(sz, said, 7));
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "no password"));
    EXPECT_ERR(bench_secret(&h->b, PHONE_PASSWORD, held, sizeof held, &len), ERR_NOT_FOUND);
    handset_type_password(h);
    h->rig->store.attempts = 0;
    EXPECT_OK(rig_pair_phase_2(h->rig), "with the right one");
    handset_bench_free(h);
}

Test(handset, each_wrong_evidence_is_told)
{
    struct handset_bench *h = handset_bench_new();
    uint8_t command[APDU_COMMAND_MAX];
    ASSERT_OK(handset_call(h, "type-password", 0, "11111111"));
    for (int i = 1; i <= DK_EVIDENCE_MAX; i++) {
        char counted[24];
        cr_assert(eq(int, handset_status(h, SELECT_FRAMEWORK), APDU_SW_OK), "%d", i);
        cr_assert(eq(int, handset_status(h, REQUEST_OK), APDU_SW_OK), "%d", i);
        long len = hex_decode(VERIFY_WRONG, strlen(VERIFY_WRONG), command, sizeof command);
        h->b.trace_count = 0;
        node_on_bytes(&h->b.node, PHONE_PORT_NFC, "", span_of(command, (size_t)len));
        cr_assert(eq(sz, bench_count(&h->b, TRACE_FAIL, ERR_DK_EVIDENCE), 1), "%d", i);
        snprintf(counted, sizeof counted, "%d of 7", i);
        cr_expect(eq(str, (char *)bench_last(&h->b, TRACE_FAIL)->detail, counted));
    }
    handset_bench_free(h);
}

/* Timer Ta, over a new life, too. */
Test(handset, the_password_is_forgotten_in_time)
{
    static const struct {
        const char *name;
        uint64_t before_ms, restart_ms, after_ms;
        bool there;
    } rows[] = {{"a second before its end", 0, 0, 599000, true},
                {"at its end", 0, 0, 600000, false},
                {"before its end, over two lives", 300000, 1, 299000, true},
                {"at its end, over two lives", 300000, 1, 300000, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct handset_bench *h = handset_bench_new();
        handset_type_password(h);
        bench_run_ms(&h->b, rows[i].before_ms);
        if (rows[i].restart_ms)
            handset_restart(h);
        bench_run_ms(&h->b, rows[i].after_ms);
        cr_expect(eq(str, (char *)handset_shown(h, "framework"),
                     rows[i].there ? "password entered" : "no password"),
                  "%s", rows[i].name);
        handset_bench_free(h);
    }
}

/* ---- its user ---- */

Test(handset, it_is_carried_from_reader_to_reader)
{
    struct handset_bench *h = live_undisturbed();
    static const struct {
        const char *call, *text, *told, *field;
    } rows[] = {
        {"place", "door", "nfc close", "nowhere"},
        {"place", "door", "nfc open door", "in the field of door"},
        {"lift", NULL, "nfc close", "nowhere"},
        {"place", "wcp", "nfc open wcp", "in the field of wcp"},
    };
    cr_expect(eq(str, (char *)handset_shown(h, "field"), "in the field of wcp"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ASSERT_OK(handset_call(h, rows[i].call, 0, rows[i].text));
        if (strstr(rows[i].told, "close")) {
            cr_expect(eq(str, h->b.told, (char *)rows[i].told), "row %zu", i);
            cr_expect(eq(str, (char *)handset_shown(h, "field"), (char *)rows[i].field), "row %zu", i);
            node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_DOWN);
            continue;
        }
        cr_expect(eq(str, h->b.told, (char *)rows[i].told), "row %zu", i);
        node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_UP);
        handset_field(h, true);
        cr_expect(eq(str, (char *)handset_shown(h, "field"), (char *)rows[i].field), "row %zu", i);
        EXPECT_OK(handset_unlock(h->rig), "%s", rows[i].text);
        EXPECT_OK(handset_unlock_fast(h->rig), "%s", rows[i].text);
    }
    handset_bench_free(h);
}

/* A reader that is away, or cut off, has the phone again when it is back. */
Test(handset, a_reader_that_comes_back_finds_the_phone_there)
{
    struct handset_bench *h = handset_bench_new();
    size_t told = h->b.told_count;
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_DOWN);
    cr_expect(eq(str, (char *)handset_shown(h, "field"), "nowhere"));
    h->b.tell = ERR_LINK_DOWN;
    bench_run_ms(&h->b, 400);
    cr_expect(eq(sz, h->b.told_count, told + 2), "it is offered, and offered again");
    h->b.tell = ERR_OK;
    bench_run_ms(&h->b, 1000);
    cr_expect(eq(sz, h->b.told_count, told + 3));
    cr_expect(eq(str, h->b.told, "nfc open wcp"));
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_UP);
    handset_field(h, true);
    cr_expect(eq(int, handset_status(h, SELECT_FRAMEWORK), APDU_SW_OK));
    h->b.tell = ERR_NOT_FOUND;
    ASSERT_OK(handset_call(h, "lift", 0, NULL));
    EXPECT_ERR(handset_call(h, "place", 0, "fridge"), ERR_NOT_FOUND);
    bench_run_ms(&h->b, 1000);
    cr_expect(eq(str, (char *)handset_shown(h, "field"), "nowhere"));
    handset_bench_free(h);
}

Test(handset, without_battery_it_says_nothing_and_forgets_what_it_had_not_stored)
{
    struct handset_bench *h = handset_bench_new();
    uint8_t answer[APDU_RESPONSE_MAX];
    handset_type_password(h);
    cr_assert(eq(int, handset_status(h, SELECT_FRAMEWORK), APDU_SW_OK));
    cr_assert(eq(int, handset_status(h, REQUEST_OK), APDU_SW_OK));
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "pairing"));
    ASSERT_OK(handset_call(h, "battery", 0, NULL));
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "off"));
    cr_expect(eq(str, h->b.told, "nfc close"));
    cr_expect(eq(sz, handset_say(h, SELECT_FRAMEWORK, answer), 0));
    static const struct {
        const char *call;
        uint64_t number;
        const char *text;
    } refused[] = {{"type-password", 0, RIG_PASSWORD},
                   {"forget", 0, NULL},
                   {"sign-in", 0, NULL},
                   {"ask-link", 0, "SPAAK00000001"},
                   {"delete-key", 0, NULL}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        EXPECT_ERR(handset_call(h, refused[i].call, refused[i].number, refused[i].text), ERR_MSG_UNEXPECTED);
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_DOWN);
    ASSERT_OK(handset_call(h, "battery", 1, NULL));
    cr_expect(eq(str, h->b.told, "nfc open wcp"), "it lies there still");
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_UP);
    handset_field(h, true);
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "password entered"));
    live(h);
    ASSERT_OK(handset_call(h, "battery", 0, NULL));
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_DOWN);
    ASSERT_OK(handset_call(h, "battery", 1, NULL));
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_UP);
    handset_field(h, true);
    EXPECT_OK(handset_unlock_fast(h->rig), "with what the store has");
    handset_bench_free(h);
}

/* scrypt was handed out when the battery went: nobody waits for its result any more. */
Test(handset, a_result_of_before_reaches_nobody)
{
    struct handset_bench *h = handset_bench_new();
    uint8_t command[APDU_COMMAND_MAX];
    long len = hex_decode(REQUEST_OK, strlen(REQUEST_OK), command, sizeof command);
    handset_type_password(h);
    cr_assert(eq(int, handset_status(h, SELECT_FRAMEWORK), APDU_SW_OK));
    node_on_bytes(&h->b.node, PHONE_PORT_NFC, "", span_of(command, (size_t)len));
    cr_assert(eq(sz, h->b.work_count, 1));
    ASSERT_OK(handset_call(h, "battery", 0, NULL));
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_DOWN);
    ASSERT_OK(handset_call(h, "battery", 1, NULL));
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_UP);
    handset_field(h, true);
    h->b.sent_count = 0;
    bench_finish_works(&h->b);
    cr_expect(eq(sz, h->b.sent_count, 0));
    cr_expect(eq(sz, handset_phone(h)->handset.deriving_count, 0));
    live(h);
    expect_agreement(h);
    handset_bench_free(h);
}

Test(handset, a_key_that_was_deleted_opens_nothing)
{
    struct handset_bench *h = live_undisturbed();
    char held[8];
    size_t len;
    EXPECT_ERR(handset_call(h, "delete-key", 1, NULL), ERR_NOT_FOUND);
    ASSERT_OK(handset_call(h, "delete-key", 0, NULL));
    cr_expect(eq(str, (char *)handset_shown(h, "keys"), "none"));
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "no password"));
    EXPECT_ERR(store_get(h->b.node.store, "dk/key/0", held, sizeof held, &len), ERR_NOT_FOUND);
    EXPECT_ERR(handset_unlock(h->rig), ERR_DK_STATUS);
    handset_restart(h);
    EXPECT_ERR(handset_unlock(h->rig), ERR_DK_STATUS);
    handset_bench_free(h);
}
