/* Vehicle and phone on a link with faults: lost, repeated, cut, flipped, replaced. */
#include "lib/host/seeded.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* ---- one fault in a run, then a fresh pairing ---- */

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        if (b[i])
            return false;
    return true;
}

#define EXPECT_WIPED(field)                                                                \
    cr_expect(all_zero(&(field), sizeof(field)), "%s is left: %s of APDU %zu, %u", #field, \
              rig_fault_names[f.kind], f.apdu, f.arg)

/* After a run that met a fault: nothing is left but what a finished pairing leaves. */
static void expect_defined_state(struct rig *r, struct rig_fault f)
{
    cr_expect(r->pairing.state == VP_OVER);
    EXPECT_WIPED(r->pairing.spake);
    EXPECT_WIPED(r->pairing.channel);
    EXPECT_WIPED(r->pairing.keys);
    EXPECT_WIPED(r->pairing.m1);
    EXPECT_WIPED(r->pairing.block);
    EXPECT_WIPED(r->pairing.record);
    EXPECT_WIPED(r->finish.update);
    EXPECT_WIPED(r->finish.transaction.update);
    EXPECT_WIPED(r->finish.transaction.channel);
    EXPECT_WIPED(r->finish.transaction.ephemeral);
    rig_walk_away(r);
    EXPECT_WIPED(r->device.pairing);
    EXPECT_WIPED(r->device.storing);
    EXPECT_WIPED(r->device.password);
    EXPECT_WIPED(r->device.prover);
    EXPECT_WIPED(r->applet.sessions[DK_CONTACTLESS].channel);
    EXPECT_WIPED(r->applet.sessions[DK_CONTACTLESS].ephemeral);
    EXPECT_WIPED(r->applet.sessions[DK_CONTACTLESS].stage);
    cr_expect(r->device.state == DK_IDLE || r->device.state == DK_PAIRED);
    for (size_t i = 0; i < APPLET_KEYS; i++) {
        bool there = r->applet.keys[i].state != APPLET_KEY_NONE;
        cr_expect(eq(int, there, r->device.owned[i].paired), "a key is half there: %s of APDU %zu, %u",
                  rig_fault_names[f.kind], f.apdu, f.arg);
        if (!there)
            EXPECT_WIPED(r->device.owned[i]);
    }
    cr_expect(eq(sz, r->verifies_seen, r->store.commits[VEHICLE_STORE_ATTEMPT]));
}

/* False when the fault changed nothing: the right command in place of itself, no answer yet to repeat. */
static bool run_with(struct rig *r, struct rig_fault f)
{
    bool fast = false;
    r->fault = f;
    r->fault_fired = false;
    r->apdus = r->verifies_seen = r->store.commits[VEHICLE_STORE_ATTEMPT] = 0;
    r->last_answer_len = 0;
    rig_enter_password(r, true);
    enum err e = rig_pair(r);
    if (!e)
        e = rig_unlock(r, false, true, &fast);
    if (!e)
        e = rig_unlock(r, true, true, &fast);
    bool fired = r->fault_fired;
    expect_defined_state(r, f);
    bool lost = f.kind == RIG_LOSE_COMMAND || f.kind == RIG_LOSE_ANSWER;
    bool flipped = f.kind == RIG_FLIP_COMMAND || f.kind == RIG_FLIP_ANSWER;
    bool le = f.kind == RIG_FLIP_COMMAND && f.arg % 9 == 8; /* the last byte: no MAC covers it */
    if (lost || (flipped && !le && r->fault_on_protected))
        cr_expect(e != ERR_OK, "%s of APDU %zu, %u went through", rig_fault_names[f.kind], f.apdu, f.arg);
    if (e == ERR_OK)
        cr_expect(r->device.state == DK_PAIRED && r->key.state == VEHICLE_KEY_ACTIVE);
    r->fault.kind = RIG_NO_FAULT;
    r->store.attempts = 0;
    rig_enter_password(r, true);
    EXPECT_OK(rig_pair(r), "a fresh pairing after %s of APDU %zu, %u", rig_fault_names[f.kind], f.apdu,
              f.arg);
    EXPECT_OK(rig_unlock(r, false, true, &fast), "unlock after %s of APDU %zu, %u", rig_fault_names[f.kind],
              f.apdu, f.arg);
    cr_expect(eq(sz, rig_phone_keys(r), 1));
    return fired;
}

/* Counts commands that are byte for byte a row of rig_commands. */
static void count_rows(void *arg, bool command, struct span apdu)
{
    size_t *n = arg;
    for (size_t i = 0; command && i < RIG_COMMANDS; i++) {
        HEX(row, rig_commands[i]);
        *n += span_equal(apdu, span_of(row, row_len));
    }
}

/* How many APDUs a run has, from SELECT to the second unlock, and how many of them rig_commands has, too. */
static size_t count_apdus(struct rig *r, size_t *rows)
{
    bool fast;
    *rows = 0;
    r->tap = count_rows;
    r->tap_arg = rows;
    r->apdus = 0;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    ASSERT_OK(rig_unlock(r, false, true, &fast));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    r->tap = NULL;
    return r->apdus;
}

/* Every APDU of a run meets every fault of these kinds; args 0..args-1 each. */
static void sweep(enum rig_fault_kind kind, unsigned first_arg, unsigned args)
{
    struct rig *r = rig_new(test_crypto());
    size_t rows, n = count_apdus(r, &rows), idle = 0;
    cr_assert(lt(sz, 40, n));
    for (size_t i = 0; i < n; i++)
        for (unsigned a = first_arg; a < args; a++)
            idle += !run_with(r, (struct rig_fault){kind, i, a});
    cr_expect(eq(sz, idle,
                 kind == RIG_REPLACE         ? rows
                 : kind == RIG_REPEAT_ANSWER ? 1
                                             : 0),
              "faults that changed nothing");
    rig_free(r);
}

Test(link_fault, lost)
{
    sweep(RIG_LOSE_COMMAND, 0, 1);
    sweep(RIG_LOSE_ANSWER, 0, 1);
}

Test(link_fault, repeated)
{
    sweep(RIG_REPEAT_COMMAND, 0, 1);
    sweep(RIG_REPEAT_ANSWER, 0, 1);
}

Test(link_fault, command_cut)
{
    sweep(RIG_CUT_COMMAND, 1, 8);
}

Test(link_fault, answer_cut)
{
    sweep(RIG_CUT_ANSWER, 1, 8);
}

Test(link_fault, bit_of_command_flipped)
{
    sweep(RIG_FLIP_COMMAND, 0, 9);
}

Test(link_fault, bit_of_answer_flipped)
{
    sweep(RIG_FLIP_ANSWER, 0, 9);
}

Test(link_fault, replaced)
{
    sweep(RIG_REPLACE, 0, RIG_COMMANDS);
}

/* ---- a bad link for longer: what failed is tried again, with no fresh pairing between ---- */

struct bad_link {
    struct rig *rig;
    struct seeded_stream chance;
    size_t faults; /* that changed something */
};

static struct bad_link bad_link_new(const char *name)
{
    struct bad_link l = {.rig = rig_ready(test_crypto())};
    seeded_stream_init(&l.chance, 1, name);
    return l;
}

static unsigned draw(struct bad_link *l, unsigned below)
{
    uint32_t x;
    seeded_stream_draw(&l->chance, &x, sizeof x);
    return x % below;
}

/* One APDU of six meets a fault, of any kind. */
static void next_fault(struct bad_link *l)
{
    struct rig *r = l->rig;
    l->faults += r->fault_fired;
    r->fault_fired = false;
    r->fault = (struct rig_fault){.kind = RIG_NO_FAULT, .apdu = r->apdus};
    if (draw(l, 6) == 0)
        r->fault.kind = 1 + draw(l, RIG_FAULTS - 1);
    r->fault.arg = r->fault.kind == RIG_REPLACE ? draw(l, RIG_COMMANDS) : 1 + draw(l, 7);
}

static void after_answer(void *arg, bool command, struct span apdu)
{
    (void)apdu;
    if (!command)
        next_fault(arg);
}

/* The link is bad for one step of the rig, then good again. */
static enum err badly(struct bad_link *l, enum err (*step)(struct rig *r))
{
    l->rig->tap = after_answer;
    l->rig->tap_arg = l;
    next_fault(l);
    enum err e = step(l->rig);
    l->rig->tap = NULL;
    l->rig->fault.kind = RIG_NO_FAULT;
    return e;
}

static enum err unlock_standard(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, false, &fast);
}

static enum err unlock_standard_and_read(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, true, &fast);
}

static enum err unlock_fast(struct rig *r)
{
    bool fast;
    return rig_unlock(r, true, false, &fast);
}

static enum err unlock_fast_and_read(struct rig *r)
{
    bool fast;
    return rig_unlock(r, true, true, &fast);
}

/* What went wrong before costs the owner a fast transaction at most. */
static void expect_opens(struct rig *r, unsigned round)
{
    bool fast = false;
    EXPECT_OK(rig_unlock(r, true, true, &fast), "round %u", round);
    EXPECT_OK(rig_unlock(r, true, true, &fast), "round %u", round);
    cr_expect(fast, "round %u", round);
    cr_expect(eq(sz, rig_phone_keys(r), 1), "round %u", round);
}

Test(bad_link, an_owner_is_never_locked_out)
{
    static enum err (*const steps[])(struct rig * r) = {unlock_standard, unlock_standard_and_read,
                                                        unlock_fast,     unlock_fast_and_read,
                                                        rig_refill,      rig_phase_4};
    enum { STEPS = sizeof steps / sizeof steps[0] };
    struct bad_link l = bad_link_new("unlocks");
    size_t done[STEPS] = {0}, failed[STEPS] = {0};
    ASSERT_OK(rig_pair(l.rig));
    for (unsigned round = 0; round < 1000; round++) {
        unsigned what = draw(&l, STEPS);
        enum err e = badly(&l, steps[what]);
        (e ? failed : done)[what]++;
        expect_opens(l.rig, round);
    }
    cr_expect(lt(sz, 500, l.faults));
    for (size_t i = 0; i < STEPS; i++)
        cr_expect(done[i] > 20 && failed[i] > 20, "step %zu: %zu done, %zu failed", i, done[i], failed[i]);
    rig_free(l.rig);
}

/* A step on the bad link, up to twice; then on a good one, unless it is done. True when it failed at first.
 */
static bool expect_done_in_the_end(struct bad_link *l, enum err (*step)(struct rig *r), const char *name,
                                   unsigned round)
{
    enum err e = badly(l, step);
    bool failed = e != ERR_OK;
    if (e)
        e = badly(l, step);
    if (e)
        e = step(l->rig);
    EXPECT_OK(e, "%s, round %u", name, round);
    return failed;
}

Test(bad_link, phases_3_and_4_are_tried_again_on_the_same_key)
{
    struct bad_link l = bad_link_new("phases");
    struct rig *r = l.rig;
    size_t failed_3 = 0, failed_4 = 0;
    for (unsigned round = 0; round < 200; round++) {
        r->attest_in_phase_3 = round & 1;
        rig_enter_password(r, true);
        ASSERT_OK(rig_pair_phase_2(r));
        const uint8_t *p = rig_phone_mailbox(r);
        failed_3 += expect_done_in_the_end(&l, rig_phase_3, "phase 3", round);
        ASSERT_OK(rig_track_key(r));
        failed_4 += expect_done_in_the_end(&l, rig_phase_4, "phase 4", round);
        cr_expect(r->key.tracked && r->store.key.tracked);
        cr_expect(eq(int, p[0] & MAILBOX_ATTESTATION, 0), "round %u: the receipt was erased", round);
        cr_expect(eq(int, p[1], 0xFF), "round %u", round);
        expect_opens(r, round);
    }
    cr_expect(failed_3 > 100 && failed_4 > 100, "%zu, %zu", failed_3, failed_4);
    rig_free(r);
}

/* The vehicle stored the key and the link broke: either the phone heard that it was accepted, and phase 3
 * goes on, or it did not, and phase 2 begins again. */
Test(bad_link, phase_2_leaves_a_way_on)
{
    struct bad_link l = bad_link_new("phase 2");
    struct rig *r = l.rig;
    size_t whole = 0, goes_on = 0, again = 0, nothing = 0;
    for (unsigned round = 0; round < 400; round++) {
        r->store.attempts = 0;
        r->key.state = 0;
        rig_enter_password(r, true);
        enum err e = badly(&l, rig_pair_phase_2);
        bool stored = r->key.state == VEHICLE_KEY_PENDING, accepted = r->device.state == DK_PAIRED;
        cr_expect(e != ERR_OK || (stored && accepted), "round %u", round);
        whole += e == ERR_OK;
        if (stored && accepted) {
            goes_on += e != ERR_OK;
        } else {
            again += stored;
            nothing += !stored;
            /* the phone answers with its older key, if it answers */
            enum err early = stored ? rig_phase_3(r) : ERR_DK_STATUS;
            cr_expect(early == ERR_DK_STATUS || early == ERR_SIGNATURE_INVALID, "round %u", round);
            rig_enter_password(r, true);
            ASSERT_OK(rig_pair_phase_2(r));
        }
        ASSERT_OK(rig_phase_3(r));
        expect_opens(r, round);
    }
    cr_expect(whole > 0 && goes_on > 0 && again > 0 && nothing > 0, "%zu %zu %zu %zu", whole, goes_on, again,
              nothing);
    rig_free(r);
}
