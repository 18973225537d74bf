/* A card key in the place of the key fob, at the SpaaK Module alone (OP-02a): the pad and the head unit are
 * the test's, the card is lib/card's. What is stored, what the screen is told, whom the pad looks for. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/spaak.h"
#include "tests/check.h"
#include "tests/pairing_bench.h"

#define WAIT_MS 60000 /* card_key_ms */
#define APDUS   3     /* to a card: its certificate in two pieces, the challenge */

struct desk {
    struct pairing_bench p; /* first */
    struct oem_identity card;
    struct card_chip chip;
};

static void open_desk(struct desk *d, const char *vehicle, enum oem_card_flaw flaw)
{
    pairing_open(&d->p);
    memset(&d->card, 0, sizeof d->card);
    ASSERT_OK(oem_make_card(test_crypto(), test_oem(TEST_NOW_S), OEM_J_PHYSICAL_KEY, vehicle, flaw,
                            TEST_NOW_S, &d->card));
    ASSERT_OK(card_chip_init(&d->chip, test_crypto(), d->card.key, span_of(d->card.der, d->card.len)));
}

static void close_desk(struct desk *d)
{
    pairing_close(&d->p);
    oem_identity_free(&d->card);
}

/* The BCM goes on speaking. */
static void run_ms(struct desk *d, unsigned ms, bool ignition, bool fob)
{
    for (unsigned i = 0; i < ms; i += 100) {
        pairing_bcm_says(&d->p, ignition, fob);
        pairing_run_ms(&d->p, 100);
    }
}

/* When diagnostics has stored what it has to, so that commits are of the pairing. */
static void settle(struct desk *d)
{
    run_ms(d, 6000, true, false);
    d->p.spy.commits = 0;
}

static void press(struct desk *d)
{
    pairing_bcm_says(&d->p, true, false);
    pairing_wish(&d->p, CABIN_ADD_PHONE);
}

static void place_card(struct desk *d)
{
    card_chip_reset(&d->chip);
    d->p.card = &d->chip;
    pairing_place(&d->p);
}

static bool is_on(struct desk *d)
{
    return pairing_stored(&d->p, SPAAK_PAIRING_ON);
}

static bool pad_selects(const struct desk *d, const uint8_t *aid, size_t len)
{
    return d->p.polls && memmem(d->p.select, d->p.select_len, aid, len) != NULL;
}

static void expect_admitted(struct desk *d, const char *what, size_t number)
{
    cr_expect(eq(int, (int)pairing_said(&d->p), CABIN_TAKE_CARD), "%s %zu", what, number);
    cr_expect(is_on(d), "%s %zu", what, number);
    cr_expect(pad_selects(d, apdu_aid_framework, APDU_AID), "%s %zu: the pad looks for a phone", what,
              number);
}

/* Nothing begins, nothing was stored on the way, nobody is looked for. */
static void expect_refused(struct desk *d, enum err reason, const char *what)
{
    const struct cabin_notification *n = &d->p.notices[d->p.notice_count - 1];
    cr_expect(eq(int, (int)n->what, CABIN_FAILED), "%s", what);
    cr_expect(eq(int, n->reason, reason), "%s: %s", what, err_name((enum err)n->reason));
    cr_expect(eq(sz, d->p.spy.commits, 0), "%s", what);
    cr_expect(not(is_on(d) || d->p.polls), "%s", what);
}

/* ---- the card is good ---- */

Test(spaak_card, a_card_on_the_pad_begins_a_pairing_and_the_phone_ends_it)
{
    struct desk d;
    open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
    press(&d);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_KEY_NEEDED));
    cr_expect(pad_selects(&d, card_aid, CARD_AID));
    cr_expect(not(is_on(&d)));
    place_card(&d);
    run_ms(&d, 500, true, false);
    expect_admitted(&d, "a card", 0);
    cr_expect(eq(sz, d.p.apdus, APDUS));
    pairing_lift(&d.p);
    d.p.card = NULL;
    for (int i = 0; i < 40 && pairing_fault(&d.p); i++) {
        pairing_place(&d.p);
        run_ms(&d, 500, true, false);
    }
    const char *fault = pairing_fault(&d.p);
    cr_expect(fault == NULL, "%s", fault);
    cr_expect(not(is_on(&d)));
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_PAIRED));
    close_desk(&d);
}

Test(spaak_card, it_is_good_for_one_pairing)
{
    struct desk d;
    open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
    press(&d);
    place_card(&d);
    run_ms(&d, 500, true, false);
    expect_admitted(&d, "the first", 0);
    pairing_lift(&d.p);
    pairing_wish(&d.p, CABIN_CANCEL);
    cr_expect(not(is_on(&d)));
    press(&d);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_KEY_NEEDED));
    cr_expect(not(is_on(&d)));
    close_desk(&d);
}

/* ---- what the bus and people do, at each APDU ---- */

static void trouble_at_each_apdu(enum pairing_trouble trouble, const char *what)
{
    size_t at = 0;
    for (bool troubled = true; troubled; at++) {
        struct desk d;
        open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
        d.p.trouble = trouble;
        d.p.trouble_at = at;
        d.p.refusal = ERR_NOT_FOUND;
        press(&d);
        place_card(&d);
        run_ms(&d, 500, true, false);
        if (trouble == PAIRING_LIFTED)
            place_card(&d);
        run_ms(&d, 9000, true, false);
        expect_admitted(&d, what, at);
        troubled = d.p.troubled;
        cr_expect(troubled == (at < APDUS), "%s %zu", what, at);
        close_desk(&d);
        cr_assert(lt(sz, at, 10));
    }
}

Test(spaak_card, lifted_at_each_apdu_and_put_back)
{
    trouble_at_each_apdu(PAIRING_LIFTED, "lifted");
}

Test(spaak_card, refused_by_the_reader_at_each_apdu)
{
    trouble_at_each_apdu(PAIRING_REFUSED, "refused");
}

Test(spaak_card, an_answer_lost_on_the_bus_at_each_apdu)
{
    trouble_at_each_apdu(PAIRING_LOST_WORD, "word lost");
}

Test(spaak_card, lifted_and_not_put_back_the_time_goes_on)
{
    struct desk d;
    open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
    d.p.trouble = PAIRING_LIFTED;
    d.p.trouble_at = 2;
    press(&d);
    run_ms(&d, WAIT_MS - 5000, true, false);
    place_card(&d);
    run_ms(&d, 4500, true, false);
    cr_assert(d.p.troubled);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_KEY_NEEDED));
    run_ms(&d, 1000, true, false);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_TIME_OVER),
              "a card that was there does not draw it out");
    cr_expect(not(d.p.polls));
    close_desk(&d);
}

/* ---- cards that are none ---- */

Test(spaak_card, what_is_refused_begins_nothing)
{
    static const struct {
        const char *name, *vehicle;
        enum oem_card_flaw flaw;
        bool cloned;
        enum err reason;
    } rows[] = {
        {"another car's", "SPAAK00000002", OEM_CARD_SOUND, false, ERR_CARD_OTHER_VEHICLE},
        {"expired", PAIRING_SERIAL, OEM_CARD_EXPIRED, false, ERR_CERT_EXPIRED},
        {"forged", PAIRING_SERIAL, OEM_CARD_FORGED, false, ERR_CERT_SIGNATURE},
        {"cloned", PAIRING_SERIAL, OEM_CARD_SOUND, true, ERR_CARD_PROOF},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        open_desk(&d, rows[i].vehicle, rows[i].flaw);
        if (rows[i].cloned)
            d.chip.key = test_oem(TEST_NOW_S)->roles[OEM_D].key;
        settle(&d);
        press(&d);
        place_card(&d);
        run_ms(&d, 500, true, false);
        expect_refused(&d, rows[i].reason, rows[i].name);
        size_t polls = d.p.polls_heard;
        run_ms(&d, 3000, true, false);
        cr_expect(eq(sz, d.p.polls_heard, polls), "%s: and nothing tries again", rows[i].name);
        close_desk(&d);
    }
}

/* J_PhysicalKey out of the store: nobody can be checked, and nobody is asked. */
Test(spaak_card, without_the_anchor_no_card_is_looked_for)
{
    struct desk d;
    open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
    struct store_put gone = {SPAAK_ANCHOR_PHYSICAL_KEY, {NULL, 0}};
    ASSERT_OK(store_apply(d.p.spy.inner, &gone, 1));
    settle(&d);
    press(&d);
    expect_refused(&d, ERR_NOT_FOUND, "no anchor");
    close_desk(&d);
}

/* A phone on the pad all the while is not asked for anything but its AID. */
Test(spaak_card, a_phone_is_no_card)
{
    struct desk d;
    open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
    press(&d);
    pairing_place(&d.p);
    run_ms(&d, 3000, true, false);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_KEY_NEEDED));
    cr_expect(eq(sz, d.p.apdus, 0));
    cr_expect(not(is_on(&d)));
    close_desk(&d);
}

/* ---- states and inputs ---- */

enum at { WAITS, ASKS, ATS };
static const char *const at_names[ATS] = {"waits for a card", "asks a card"};

static void bring_to(struct desk *d, enum at at)
{
    open_desk(d, PAIRING_SERIAL, OEM_CARD_SOUND);
    settle(d);
    press(d);
    if (at == ASKS) {
        d->p.trouble = PAIRING_LOST_WORD;
        d->p.trouble_at = 1;
        place_card(d);
        run_ms(d, 200, true, false);
        cr_assert(d->p.troubled);
    }
    d->p.notice_count = 0;
}

enum input { ADD, CANCEL, TIME, FOB, IGNITION_OFF, BCM_SILENT, RESTART, INPUTS };

static void bring(struct desk *d, enum input input)
{
    switch (input) {
    case ADD:
        pairing_wish(&d->p, CABIN_ADD_PHONE);
        break;
    case CANCEL:
        pairing_wish(&d->p, CABIN_CANCEL);
        break;
    case TIME:
        d->p.mute = true; /* else the card would prove itself in time */
        run_ms(d, WAIT_MS + 1000, true, false);
        break;
    case FOB:
        pairing_bcm_says(&d->p, true, true);
        break;
    case IGNITION_OFF:
        pairing_bcm_says(&d->p, false, false);
        break;
    case BCM_SILENT:
        d->p.mute = d->p.bcm_is_mute = true;
        pairing_run_ms(&d->p, 1200);
        break;
    case RESTART:
        d->p.polls = false;
        pairing_restart(&d->p);
        pairing_bcm_says(&d->p, true, false);
        run_ms(d, 1000, true, false);
        break;
    case INPUTS:
        break;
    }
}

static const struct {
    const char *name;
    enum cabin_notice says; /* 0: nothing */
    enum err reason;
    bool on, polls; /* afterwards */
} table[INPUTS] = {
    [ADD] = {"add", CABIN_KEY_NEEDED, ERR_OK, false, true},
    [CANCEL] = {"cancel", CABIN_CANCELLED, ERR_OK, false, false},
    [TIME] = {"time", CABIN_TIME_OVER, ERR_OK, false, false},
    [FOB] = {"a fob", CABIN_CLICK_LINK, ERR_OK, true, true},
    [IGNITION_OFF] = {"ignition off", CABIN_FAILED, ERR_IGNITION_OFF, false, false},
    [BCM_SILENT] = {"BCM silent", CABIN_FAILED, ERR_BCM_SILENT, false, false},
    [RESTART] = {"restart", (enum cabin_notice)0, ERR_OK, false, false},
};

Test(spaak_card, every_input_in_every_state, .timeout = 120)
{
    for (int a = 0; a < ATS; a++)
        for (int i = 0; i < INPUTS; i++) {
            struct desk d;
            bring_to(&d, (enum at)a);
            bring(&d, (enum input)i);
            const char *at = at_names[a], *name = table[i].name;
            cr_expect(eq(int, (int)pairing_said(&d.p), (int)table[i].says), "%s, %s", at, name);
            if (table[i].reason)
                cr_expect(eq(int, d.p.notices[d.p.notice_count - 1].reason, table[i].reason), "%s, %s", at,
                          name);
            cr_expect(eq(int, is_on(&d), table[i].on), "%s, %s", at, name);
            /* that it is on, and the radio's address, drawn with the first pairing; of what goes on while
             * nobody is heard diagnostics stores something */
            cr_expect(d.p.mute || i == RESTART || d.p.spy.commits == (table[i].on ? 2 : 0), "%s, %s: stored",
                      at, name);
            /* who is mute did not hear OFF */
            cr_expect(d.p.mute || d.p.polls == table[i].polls, "%s, %s", at, name);
            close_desk(&d);
        }
}

/* A card's last word that comes after the end is nobody's. */
Test(spaak_card, an_answer_after_the_end_changes_nothing)
{
    struct desk d;
    bring_to(&d, ASKS);
    pairing_wish(&d.p, CABIN_CANCEL);
    pairing_report(&d.p, &(struct reader_report){
                             .type = READER_RESPONSE, .number = d.p.last_number, .apdu = span_of("\x90", 2)});
    run_ms(&d, 1000, true, false);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_CANCELLED));
    cr_expect(not(is_on(&d)));
    close_desk(&d);
}

/* ---- commits ---- */

Test(spaak_card, an_admission_that_is_not_stored_begins_nothing)
{
    static const enum rig_fate fates[] = {RIG_REFUSED, RIG_LOST_BEFORE, RIG_LOST_AFTER};
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        struct desk d;
        open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
        settle(&d);
        press(&d);
        d.p.spy.at = 1;
        d.p.spy.fate = fates[i];
        place_card(&d);
        pairing_run_ms(&d.p, 300);
        cr_assert(d.p.spy.fired, "%zu", i);
        cr_expect(eq(int, pairing_is_dead(&d.p), fates[i] != RIG_REFUSED));
        if (fates[i] == RIG_REFUSED)
            cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_FAILED));
        else
            pairing_restart(&d.p);
        run_ms(&d, 1000, true, false);
        cr_expect(eq(int, is_on(&d), fates[i] == RIG_LOST_AFTER),
                  "%zu: what was stored goes on, else nothing", i);
        close_desk(&d);
    }
}

/* A pairing that a start was about to go on with ends when somebody without a key asks for another. */
Test(spaak_card, no_admission_outlives_another_wish)
{
    struct desk d;
    open_desk(&d, PAIRING_SERIAL, OEM_CARD_SOUND);
    press(&d);
    place_card(&d);
    run_ms(&d, 500, true, false);
    expect_admitted(&d, "first", 0);
    pairing_lift(&d.p);
    pairing_restart(&d.p);
    press(&d); /* before it goes on */
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_KEY_NEEDED));
    cr_expect(not(is_on(&d)));
    run_ms(&d, 1000, true, false);
    cr_expect(eq(int, (int)pairing_said(&d.p), CABIN_KEY_NEEDED));
    close_desk(&d);
}
