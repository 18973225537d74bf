/* Owner pairing in the SpaaK Module alone: the reader of the pad and the head unit are the test's, the phone
 * is the rig's. Whatever goes wrong on the way, phone and vehicle have the same key at the end. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/pairing.h"
#include "tests/check.h"
#include "tests/pairing_bench.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void press(struct pairing_bench *p)
{
    pairing_bcm_says(p, true, true);
    pairing_wish(p, CABIN_ADD_PHONE);
}

/* As people do: whoever was told to puts the phone back, and gives it time. */
static void wait_for_key(struct pairing_bench *p)
{
    for (int i = 0; i < 40 && pairing_fault(p); i++) {
        pairing_place(p);
        pairing_run_ms(p, 500);
    }
}

static void expect_paired(struct pairing_bench *p, const char *what, size_t number)
{
    const char *fault = pairing_fault(p);
    cr_expect(fault == NULL, "%s %zu: %s", what, number, fault);
    cr_expect(not(pairing_stored(p, SPAAK_VERIFIERS_ID)), "%s %zu: verifiers", what, number);
    cr_expect(not(pairing_stored(p, SPAAK_PAIRING_ON)), "%s %zu: still on", what, number);
    cr_expect(pairing_stored(p, SPAAK_UNREPORTED), "%s %zu: unreported", what, number);
}

Test(spaak_pairing, a_phone_becomes_the_owners_key)
{
    static const enum cabin_notice wanted[] = {CABIN_CLICK_LINK, CABIN_PAIRING, CABIN_LEAVE_PHONE,
                                               CABIN_PAIRED};
    struct pairing_bench p;
    pairing_open(&p);
    press(&p);
    cr_expect(pairing_stored(&p, SPAAK_PAIRING_ON) && p.polls);
    wait_for_key(&p);
    expect_paired(&p, "pairing", 0);
    cr_assert(ge(sz, p.notice_count, 4));
    for (size_t i = 0; i < 4; i++)
        cr_expect(eq(int, (int)p.notices[i].what, (int)wanted[i]), "notice %zu", i);
    pairing_close(&p);
}

Test(spaak_pairing, the_identity_of_its_radio_lies_sealed)
{
    uint8_t stored[22 + SEALED_OVERHEAD], opened[sizeof stored];
    struct pairing_bench p;
    size_t len, opened_len;
    pairing_open(&p);
    press(&p);
    wait_for_key(&p);
    ASSERT_OK(store_get(p.b.node.store, SPAAK_RADIO, stored, sizeof stored, &len));
    ASSERT_OK(bench_secret(&p.b, SPAAK_RADIO, opened, sizeof opened, &opened_len));
    cr_assert(eq(sz, opened_len, 22));
    cr_expect(eq(sz, len, opened_len + SEALED_OVERHEAD));
    cr_expect(memmem(stored, len, opened, 16) == NULL, "the IRK");
    pairing_close(&p);
}

/* ---- what the bus and people do, at each APDU ---- */

#define APDUS_MIN 20 /* of one pairing: fewer would mean that nothing was tried */

static void trouble_at_each_apdu(enum pairing_trouble trouble, enum err refusal, const char *what)
{
    size_t at = 0;
    for (bool troubled = true; troubled; at++) {
        struct pairing_bench p;
        pairing_open(&p);
        p.trouble = trouble;
        p.trouble_at = at;
        p.refusal = refusal;
        press(&p);
        wait_for_key(&p);
        expect_paired(&p, what, at);
        cr_expect(eq(int, (int)pairing_said(&p), CABIN_PAIRED), "%s %zu", what, at);
        troubled = p.troubled;
        pairing_close(&p);
        cr_assert(lt(sz, at, 100));
    }
    cr_expect(ge(sz, at, APDUS_MIN), "%s: %zu APDUs", what, at);
}

Test(spaak_pairing, lifted_at_each_apdu_and_put_back, .timeout = 120)
{
    trouble_at_each_apdu(PAIRING_LIFTED, ERR_OK, "lifted");
}

Test(spaak_pairing, refused_by_the_reader_at_each_apdu, .timeout = 120)
{
    trouble_at_each_apdu(PAIRING_REFUSED, ERR_NOT_FOUND, "refused");
}

/* The same command goes again, the phone hears it once, and no attempt is lost. */
Test(spaak_pairing, an_answer_lost_on_the_bus_at_each_apdu, .timeout = 120)
{
    struct pairing_bench p;
    size_t apdus;
    pairing_open(&p);
    press(&p);
    wait_for_key(&p);
    apdus = p.apdus;
    pairing_close(&p);
    cr_assert(ge(sz, apdus, APDUS_MIN));
    for (size_t at = 0; at < apdus; at++) {
        pairing_open(&p);
        p.trouble = PAIRING_LOST_WORD;
        p.trouble_at = at;
        press(&p);
        wait_for_key(&p);
        expect_paired(&p, "word lost", at);
        cr_expect(p.troubled && p.apdus == apdus, "%zu: %zu APDUs, not %zu", at, p.apdus, apdus);
        pairing_close(&p);
    }
}

/* ---- commits ---- */

static void spoil_commit(struct pairing_bench *p, size_t at, enum rig_fate fate)
{
    pairing_open(p);
    p->spy.commits = 0; /* from the press on */
    p->spy.at = at;
    p->spy.fate = fate;
    press(p);
    for (int i = 0; i < 60 && (pairing_fault(p) || pairing_is_dead(p)); i++) {
        pairing_place(p);
        if (pairing_is_dead(p))
            pairing_restart(p);
        if (!pairing_stored(p, SPAAK_PAIRING_ON) && pairing_fault(p)) {
            cr_expect(fate != RIG_REFUSED || pairing_said(p) == CABIN_FAILED, "commit %zu", at);
            rig_enter_password(p->rig, true); /* it has ended, and said so: a person begins again */
            press(p);
        }
        pairing_run_ms(p, 500);
    }
}

static void spoil_each_commit(enum rig_fate fate, const char *what)
{
    size_t at = 1;
    for (bool fired = true; fired; at++) {
        struct pairing_bench p;
        spoil_commit(&p, at, fate);
        expect_paired(&p, what, at);
        fired = p.spy.fired;
        pairing_close(&p);
        cr_assert(lt(sz, at, 60));
    }
    cr_expect(ge(sz, at, 8), "%s: %zu commits", what, at);
}

Test(spaak_pairing, each_commit_refused, .timeout = 120)
{
    spoil_each_commit(RIG_REFUSED, "refused");
}

Test(spaak_pairing, power_lost_before_each_commit, .timeout = 120)
{
    spoil_each_commit(RIG_LOST_BEFORE, "cut before");
}

Test(spaak_pairing, power_lost_behind_each_commit, .timeout = 120)
{
    spoil_each_commit(RIG_LOST_AFTER, "cut behind");
}

/* ---- states and inputs ---- */

enum at { OFF, NO_VERIFIERS, WAITS, TALKS, PHASE_3, PAIRED, ATS };
static const char *const at_names[ATS] = {
    "off", "waits for verifiers", "waits for a phone", "in a session", "phase 3", "paired"};

static void bring_to(struct pairing_bench *p, enum at at)
{
    pairing_open(p);
    if (at == OFF)
        return;
    if (at == NO_VERIFIERS) {
        struct store_put gone = {SPAAK_VERIFIERS_ID, {NULL, 0}};
        ASSERT_OK(store_apply(p->spy.inner, &gone, 1));
    }
    p->trouble_at = at == TALKS ? 3 : 19; /* WRITE DATA; AUTH0 */
    if (at == TALKS)
        p->trouble = PAIRING_LOST_WORD;
    if (at == PHASE_3)
        p->trouble = PAIRING_LIFTED;
    press(p);
    if (at == PAIRED) {
        wait_for_key(p);
    } else if (at == TALKS || at == PHASE_3) {
        pairing_place(p);
        pairing_run_ms(p, 700);
        cr_assert(p->troubled);
    }
    p->notice_count = 0;
}

enum input { ADD, ADD_WITHOUT_FOB, CANCEL, MODE_TIMER, INPUTS };
static const char *const input_names[INPUTS] = {"add", "add without a fob", "cancel", "time"};

static void bring(struct pairing_bench *p, enum input input)
{
    pairing_bcm_says(p, true, input != ADD_WITHOUT_FOB);
    if (input == MODE_TIMER) {
        p->mute = true; /* 300 s, in one step */
        pairing_run_ms(p, 301000);
    } else {
        pairing_wish(p, input == CANCEL ? CABIN_CANCEL : CABIN_ADD_PHONE);
    }
}

static const struct {
    enum cabin_notice says;
    bool on; /* afterwards */
} table[ATS][INPUTS] = {
    [OFF] = {[ADD] = {CABIN_CLICK_LINK, true},
             [ADD_WITHOUT_FOB] = {CABIN_KEY_NEEDED, false},
             [CANCEL] = {CABIN_CANCELLED, false},
             [MODE_TIMER] = {0, false}},
    [NO_VERIFIERS] = {[ADD] = {CABIN_NO_VERIFIERS, true},
                      [ADD_WITHOUT_FOB] = {CABIN_NO_VERIFIERS, true},
                      [CANCEL] = {CABIN_CANCELLED, false},
                      [MODE_TIMER] = {CABIN_TIME_OVER, false}},
    [WAITS] = {[ADD] = {CABIN_CLICK_LINK, true},
               [ADD_WITHOUT_FOB] = {CABIN_CLICK_LINK, true},
               [CANCEL] = {CABIN_CANCELLED, false},
               [MODE_TIMER] = {CABIN_TIME_OVER, false}},
    [TALKS] = {[ADD] = {CABIN_PAIRING, true},
               [ADD_WITHOUT_FOB] = {CABIN_PAIRING, true},
               [CANCEL] = {CABIN_CANCELLED, false},
               [MODE_TIMER] = {CABIN_TIME_OVER, false}},
    [PHASE_3] = {[ADD] = {CABIN_LEAVE_PHONE, true},
                 [ADD_WITHOUT_FOB] = {CABIN_LEAVE_PHONE, true},
                 [CANCEL] = {CABIN_CANCELLED, false},
                 [MODE_TIMER] = {CABIN_TIME_OVER, false}},
    [PAIRED] = {[ADD] = {CABIN_FAILED, false},
                [ADD_WITHOUT_FOB] = {CABIN_FAILED, false},
                [CANCEL] = {CABIN_PAIRED, false},
                [MODE_TIMER] = {0, false}},
};

Test(spaak_pairing, every_wish_in_every_state, .timeout = 120)
{
    for (int a = 0; a < ATS; a++)
        for (int i = 0; i < INPUTS; i++) {
            struct pairing_bench p;
            bring_to(&p, (enum at)a);
            bring(&p, (enum input)i);
            cr_expect(eq(int, (int)pairing_said(&p), (int)table[a][i].says), "%s, %s", at_names[a],
                      input_names[i]);
            cr_expect(eq(int, pairing_stored(&p, SPAAK_PAIRING_ON), table[a][i].on), "%s, %s", at_names[a],
                      input_names[i]);
            pairing_close(&p);
        }
}

/* ---- has the user a key of the car? ---- */

/* The body controller is silent, and somebody else answers in its name. */
static const struct {
    const char *what;
    bool other_challenge, other_key, asked;
    uint8_t bit; /* changed in byte 0 */
    enum err reason;
} lies[] = {
    {"to an earlier challenge", .other_challenge = true, .asked = true, .reason = ERR_MSG_REPLAYED},
    {"with another key", .other_key = true, .asked = true, .reason = ERR_ANSWER_MAC},
    {"changed: a fob", .bit = 2, .asked = true, .reason = ERR_ANSWER_MAC},
    {"nobody has asked", .reason = ERR_MSG_UNEXPECTED},
};

Test(spaak_pairing, nobody_else_says_that_a_key_fob_is_there)
{
    for (size_t i = 0; i < COUNT(lies); i++) {
        struct pairing_bench p;
        pairing_open(&p);
        pairing_bcm_says(&p, true, true);
        p.bcm_is_mute = true;
        if (lies[i].asked)
            pairing_wish(&p, CABIN_ADD_PHONE);
        p.challenge[3] ^= lies[i].other_challenge;
        struct bus_frame f = pairing_answer(&p, p.challenge, true, !lies[i].bit);
        f.data[0] ^= lies[i].bit;
        f.data[20] ^= lies[i].other_key;
        bench_frame(&p.b.node, 0, &f);
        cr_expect(eq(sz, bench_count(&p.b, TRACE_REJECT, lies[i].reason), 1), "%s", lies[i].what);
        cr_expect(not(pairing_stored(&p, SPAAK_PAIRING_ON)), "%s", lies[i].what);
        pairing_run_ms(&p, 400);
        cr_expect(eq(sz, p.notice_count, lies[i].asked), "%s", lies[i].what);
        cr_expect(not(pairing_stored(&p, SPAAK_PAIRING_ON)), "%s", lies[i].what);
        cr_expect(eq(sz, p.asks, lies[i].asked ? 3 : 0), "%s", lies[i].what);
        p.bcm_is_mute = false;
        pairing_wish(&p, CABIN_ADD_PHONE);
        cr_expect(pairing_stored(&p, SPAAK_PAIRING_ON), "%s", lies[i].what);
        pairing_close(&p);
    }
}

/* BCM_Status says that a fob is there, the proof says that none is; and the other way round. */
Test(spaak_pairing, the_proof_counts_and_the_status_does_not)
{
    for (int fob = 0; fob < 2; fob++) {
        struct pairing_bench p;
        pairing_open(&p);
        pairing_bcm_says(&p, true, !fob);
        p.user.fob = fob;
        pairing_wish(&p, CABIN_ADD_PHONE);
        cr_expect(eq(int, (int)pairing_said(&p), fob ? CABIN_CLICK_LINK : CABIN_KEY_NEEDED));
        cr_expect(eq(int, pairing_stored(&p, SPAAK_PAIRING_ON), fob));
        pairing_close(&p);
    }
}

/* The true answer, held back: it admits nobody once nobody waits for it, nor to a later wish. */
static const struct {
    unsigned ms;
    bool again; /* somebody has wished once more */
    enum err reason;
} held_back[] = {
    {250, false, ERR_OK},
    {350, false, ERR_MSG_UNEXPECTED},
    {350, true, ERR_MSG_REPLAYED},
};

Test(spaak_pairing, an_answer_that_was_held_back_admits_nobody)
{
    for (size_t i = 0; i < COUNT(held_back); i++) {
        struct pairing_bench p;
        enum err reason = held_back[i].reason;
        pairing_open(&p);
        p.bcm_is_mute = true;
        press(&p);
        struct bus_frame f = pairing_answer(&p, p.challenge, true, true);
        pairing_run_ms(&p, held_back[i].ms);
        if (held_back[i].again)
            press(&p);
        bench_frame(&p.b.node, 0, &f);
        cr_expect(eq(sz, bench_count(&p.b, TRACE_REJECT, reason), reason != ERR_OK), "%zu", i);
        cr_expect(eq(int, pairing_stored(&p, SPAAK_PAIRING_ON), reason == ERR_OK), "%zu", i);
        pairing_close(&p);
    }
}

Test(spaak_pairing, a_wish_can_be_cancelled_before_it_is_answered)
{
    struct pairing_bench p;
    pairing_open(&p);
    p.bcm_is_mute = true;
    press(&p);
    pairing_wish(&p, CABIN_CANCEL);
    struct bus_frame f = pairing_answer(&p, p.challenge, true, true);
    bench_frame(&p.b.node, 0, &f);
    pairing_run_ms(&p, 400);
    cr_expect(eq(int, (int)pairing_said(&p), CABIN_CANCELLED));
    cr_expect(eq(sz, p.notice_count, 1));
    cr_expect(not(pairing_stored(&p, SPAAK_PAIRING_ON)));
    cr_expect(eq(sz, p.asks, 1));
    pairing_close(&p);
}

/* The phone has still to answer: the abort waits for that, and nothing comes behind it but OFF. */
Test(spaak_pairing, a_cancelled_phone_hears_the_abort)
{
    struct pairing_bench p;
    bring_to(&p, TALKS);
    size_t apdus = p.apdus, offs = p.offs_heard;
    pairing_wish(&p, CABIN_CANCEL);
    cr_expect(eq(int, (int)pairing_said(&p), CABIN_CANCELLED), "the user is told at once");
    cr_expect(eq(sz, p.offs_heard, offs), "the field stays for the abort");
    pairing_run_ms(&p, 3000);
    cr_expect(eq(sz, p.apdus, apdus + 1));
    cr_expect(eq(sz, p.offs_heard, offs + 1));
    expect_hex(span_of(p.last_apdu, p.last_apdu_len), "803c1200", "what the phone heard last");
    cr_expect(eq(int, p.rig->device.state, DK_IDLE));
    cr_expect(eq(sz, rig_phone_keys(p.rig), 0));
    pairing_close(&p);
}

/* Reports of another number belong to a time that is over. */
Test(spaak_pairing, reports_of_other_numbers_change_nothing)
{
    static const enum reader_type types[] = {READER_SELECTED, READER_RESPONSE, READER_LOST, READER_REFUSED,
                                             READER_DONE};
    struct pairing_bench p;
    bring_to(&p, TALKS);
    size_t commits = p.spy.commits, apdus = p.apdus, polls = p.polls_heard;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int off = -2; off <= 2; off++) {
            uint8_t number =
                (uint8_t)((types[t] == READER_SELECTED || types[t] == READER_LOST ? p.polled
                                                                                  : p.last_number) +
                          off);
            if (off == 0 || number == p.last_number || number == p.polled)
                continue;
            bool apdu = types[t] == READER_SELECTED || types[t] == READER_RESPONSE;
            pairing_report(&p, &(struct reader_report){.type = types[t],
                                                       .number = number,
                                                       .apdu = span_of("\x90", apdu ? 2 : 0),
                                                       .loss = READER_LOST_LIFTED,
                                                       .reason = ERR_BUSY});
        }
    cr_expect(eq(sz, p.spy.commits, commits));
    cr_expect(eq(sz, p.apdus, apdus));
    cr_expect(eq(sz, p.polls_heard, polls));
    wait_for_key(&p);
    expect_paired(&p, "other numbers", 0);
    pairing_close(&p);
}

/* Lifted and put back, and LOST got lost: what the phone says to SELECT is no answer to the command before.
 */
Test(spaak_pairing, a_second_selected_says_that_the_phone_was_away)
{
    struct pairing_bench p;
    bring_to(&p, TALKS);
    rig_phone_reset(p.rig);
    pairing_report(&p, &(struct reader_report){.type = READER_SELECTED,
                                               .number = p.polled,
                                               .apdu = span_of("\x5A\x02\x01\x00\x90\x00", 6)});
    cr_assert(ge(sz, p.notice_count, 1));
    cr_expect(eq(int, (int)p.notices[0].what, CABIN_PUT_PHONE));
    p.trouble = PAIRING_NO_TROUBLE;
    wait_for_key(&p);
    expect_paired(&p, "selected twice", 0);
    pairing_close(&p);
}

/* Whoever says RESPONSE while a phone is waited for is not that phone. */
Test(spaak_pairing, an_answer_that_nobody_waits_for_is_none)
{
    struct pairing_bench p;
    bring_to(&p, WAITS);
    pairing_report(&p, &(struct reader_report){.type = READER_RESPONSE,
                                               .number = p.polled,
                                               .apdu = span_of("\x5A\x02\x01\x00\x90\x00", 6)});
    cr_expect(eq(sz, p.notice_count, 0));
    cr_expect(eq(sz, p.apdus, 0));
    wait_for_key(&p);
    expect_paired(&p, "response first", 0);
    pairing_close(&p);
}

/* ---- phase 4, and people ---- */

/* Every 100 ms, as the body controller says it. */
static void press_start(struct pairing_bench *p, unsigned ms)
{
    for (unsigned i = 0; i < ms && !p->commands; i += 100) {
        pairing_bcm(p, &(struct cabin_bcm_status){.ignition = true, .fob = true, .start = true});
        pairing_run_ms(p, 100);
    }
}

/* The receipt of a key is waited for, and the phone lies on the pad: a loop goes by, whoever is in it. */
Test(spaak_pairing, phase_4_yields_to_the_start_button_and_is_taken_up_again)
{
    for (unsigned ms = 0; ms < 1200; ms += 50) {
        struct pairing_bench p;
        bring_to(&p, PAIRED);
        pairing_run_ms(&p, ms);
        press_start(&p, 2000);
        cr_expect(eq(sz, p.commands, 1), "%u ms", ms);
        pairing_bcm(&p, &(struct cabin_bcm_status){.ignition = true, .fob = true, .engine = true});
        pairing_run_ms(&p, 2000);
        size_t apdus = p.apdus;
        pairing_run_ms(&p, 3000);
        cr_expect(lt(sz, apdus, p.apdus), "%u ms: the loop goes on", ms);
        cr_expect(eq(sz, p.commands, 1), "%u ms", ms);
        pairing_close(&p);
    }
}

/* The server is far away, and the phone lies there. */
Test(spaak_pairing, phase_4_asks_less_and_less_often)
{
    static const unsigned gaps_s[] = {1, 2, 4, 8, 16, 16};
    unsigned begun_ms[16] = {0};
    size_t begun = 0, apdus;
    struct pairing_bench p;
    bring_to(&p, PAIRED);
    apdus = p.apdus;
    for (unsigned ms = 100, quiet_ms = 0; ms <= 70000; ms += 100) {
        pairing_run_ms(&p, 100);
        quiet_ms += 100;
        if (p.apdus == apdus)
            continue;
        if (quiet_ms >= 500 && begun < COUNT(begun_ms))
            begun_ms[begun++] = ms;
        apdus = p.apdus;
        quiet_ms = 0;
    }
    cr_assert(eq(sz, begun, COUNT(gaps_s) + 1));
    for (size_t i = 0; i < COUNT(gaps_s); i++)
        cr_expect(eq(int, (int)((begun_ms[i + 1] - begun_ms[i]) / 1000), (int)gaps_s[i]), "gap %zu", i);
    cr_expect(not(p.polls), "and its time ends it");
    pairing_close(&p);
}

Test(spaak_pairing, phase_4_ends_with_its_key_and_says_nothing_of_it)
{
    struct pairing_bench p;
    bring_to(&p, PAIRED);
    pairing_lift(&p);
    pairing_run_ms(&p, 1500);
    cr_assert(p.polls);
    struct bus_frame f;
    struct cabin_request delete_first = {.wish = CABIN_DELETE_KEY, .key = 1};
    const struct spaak *module = p.b.node.self;
    memcpy(delete_first.id, module->keys.list[0].key_id, CABIN_KEY_ID);
    cabin_write_request(&delete_first, &p.hu_alive, &f);
    bench_frame(&p.b.node, 0, &f);
    pairing_carry(&p);
    cr_expect(not(p.polls));
    pairing_run_ms(&p, 70000);
    cr_expect(eq(int, (int)pairing_said(&p), CABIN_KEY_DELETED));
    cr_expect(eq(sz, p.notice_count, 1));
    pairing_close(&p);
}

/* ---- times begin anew with each life ---- */

Test(spaak_pairing, it_goes_on_after_three_starts_and_no_more)
{
    struct pairing_bench p;
    bring_to(&p, WAITS);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect(pairing_stored(&p, SPAAK_PAIRING_ON), "%u", i);
        pairing_restart(&p);
        pairing_run_ms(&p, 200);
        cr_expect(eq(int, (int)pairing_said(&p), i < 3 ? CABIN_CLICK_LINK : CABIN_FAILED), "%u", i);
    }
    cr_expect(eq(u16, p.notices[p.notice_count - 1].reason, ERR_PAIRING_RESTARTS));
    cr_expect(not(pairing_stored(&p, SPAAK_PAIRING_ON)));
    pairing_close(&p);
}

/* Whoever began it may have taken the key fob along. */
Test(spaak_pairing, after_a_start_somebody_has_a_key_of_the_vehicle)
{
    static const struct {
        bool ignition, fob;
        enum cabin_notice says;
        bool on;
    } rows[] = {{true, true, CABIN_CLICK_LINK, true},
                {true, false, CABIN_KEY_NEEDED, false},
                {false, true, CABIN_FAILED, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pairing_bench p;
        bring_to(&p, WAITS);
        p.user = (struct cabin_answer){.ignition = rows[i].ignition, .fob = rows[i].fob};
        pairing_restart(&p);
        pairing_run_ms(&p, 200);
        cr_expect(eq(int, (int)pairing_said(&p), (int)rows[i].says), "%zu", i);
        cr_expect(eq(int, pairing_stored(&p, SPAAK_PAIRING_ON), rows[i].on), "%zu", i);
        pairing_close(&p);
    }
}

/* ---- the list is full ---- */

/* Eight keys that were ended in the car, and whose phones never came: the ninth pairing takes the place of
 * the first of them, and no other. */
Test(spaak_pairing, a_key_that_was_terminated_first_makes_room, .timeout = 60)
{
    struct pairing_bench p;
    char names[SPAAK_KEYS][VEHICLE_RECORD_NAME_MAX];
    pairing_open(&p);
    for (unsigned i = 0; i < SPAAK_KEYS; i++)
        pairing_put_ended(&p, SPAAK_KEYS - i, names[SPAAK_KEYS - 1 - i]);
    pairing_restart(&p);
    press(&p);
    wait_for_key(&p);
    expect_paired(&p, "the ninth", 0);
    for (unsigned i = 0; i < SPAAK_KEYS; i++)
        cr_expect(eq(int, pairing_stored(&p, names[i]), i > 0), "key %u", i);
    pairing_close(&p);
}

/* ---- passwords ---- */

Test(spaak_pairing, seven_wrong_passwords_and_no_eighth, .timeout = 60)
{
    struct pairing_bench p;
    pairing_open(&p);
    dk_device_set_password(&p.rig->device, span_of("73519264", 8));
    press(&p);
    pairing_place(&p);
    pairing_run_ms(&p, 60000);
    cr_expect(eq(int, (int)pairing_said(&p), CABIN_FAILED));
    cr_expect(eq(int, p.notices[p.notice_count - 1].reason, ERR_DK_ATTEMPTS));
    size_t told = 0;
    for (size_t i = 0; i < p.notice_count; i++)
        told += p.notices[i].what == CABIN_FAILED && p.notices[i].reason == ERR_DK_EVIDENCE;
    cr_expect(eq(sz, told, 6));
    cr_expect(pairing_stored(&p, SPAAK_VERIFIERS_WANTED) && !pairing_stored(&p, SPAAK_VERIFIERS_ID));
    cr_expect(not(pairing_stored(&p, SPAAK_PAIRING_ON)));
    cr_expect(eq(sz, p.rig->device.password_len, 0), "the phone has forgotten it, too");
    cr_expect(not(p.polls));
    pairing_close(&p);
}

/* It is asked for again every half second; the head unit keeps asking for the link. */
Test(spaak_pairing, a_phone_without_password_is_waited_for)
{
    struct pairing_bench p;
    pairing_open(&p);
    dk_device_forget_password(&p.rig->device);
    press(&p);
    pairing_place(&p);
    pairing_run_ms(&p, 5000);
    cr_expect(eq(int, (int)pairing_said(&p), CABIN_CLICK_LINK));
    cr_expect(eq(sz, p.apdus, 0));
    cr_expect(lt(sz, p.polls_heard, 15), "%zu", p.polls_heard);
    rig_enter_password(p.rig, true);
    wait_for_key(&p);
    expect_paired(&p, "late password", 0);
    pairing_close(&p);
}

/* ---- readers ---- */

/* POLL got lost, or the reader lost power: its status says that it does not poll. */
Test(spaak_pairing, a_reader_that_does_not_poll_is_told_again)
{
    struct pairing_bench p;
    pairing_open(&p);
    p.mute = true;
    press(&p);
    pairing_run_ms(&p, 1200);
    p.mute = false;
    cr_assert(not(p.polls));
    pairing_run_ms(&p, 1000);
    cr_expect(p.polls);
    p.polls = p.selected = false; /* it began anew */
    pairing_run_ms(&p, 2000);
    cr_expect(p.polls);
    wait_for_key(&p);
    expect_paired(&p, "told again", 0);
    pairing_close(&p);
}
