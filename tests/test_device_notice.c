/* Termination by the vehicle: its statement comes with EXCHANGE, over either link, and is done at the end of
 * that session. */
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/phone.h"
#include "tests/reader.h"
#include "tests/support.h"

#define OEM 0x42 /* mailbox_map_default */

enum notice { RIGHT, SIGNED_BY_ANOTHER, ANOTHER_KEY, ANOTHER_USAGE, NOT_A_STATEMENT, NOTICES };

static void put_notice(struct rig *r, enum notice what, struct wr *w)
{
    const struct digital_key *k = &r->applet.keys[0];
    struct attestation a = {.slot = k->creation.slot};
    uint8_t buf[ATTESTATION_MAX];
    struct wr n = wr_of(buf, sizeof buf);
    memcpy(a.key_id, k->key_id, sizeof a.key_id);
    memcpy(a.vehicle_id, k->creation.vehicle_id, sizeof a.vehicle_id);
    a.key_id[0] ^= what == ANOTHER_KEY;
    if (what == NOT_A_STATEMENT)
        wr_copy(&n, "hello", 5);
    else
        ASSERT_OK(attestation_make(
            r->crypto, &a, what == ANOTHER_USAGE ? ATTESTATION_RESUMED : ATTESTATION_VEHICLE_TERMINATES,
            what == SIGNED_BY_ANOTHER ? r->kts.key : r->k.key, &n));
    exchange_begin(w, EXCHANGE_COMMIT);
    exchange_put_notify(w, span_of(buf, n.len));
}

Test(notice, vehicle_may_ask_for_it)
{
    for (enum notice what = RIGHT; what < NOTICES; what++) {
        struct reader v, far;
        struct rig *r = readers_open(&v, &far);
        struct digital_key *k = &r->applet.keys[0];
        uint8_t buf[300];
        struct wr w = wr_of(buf, sizeof buf);
        put_notice(r, what, &w);
        cr_assert(reader_authenticate(&v));
        cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_OK));
        cr_expect(eq(int, k->state, APPLET_KEY_ACTIVE), "not before the end of the session");
        size_t stores = r->stores;
        cr_expect(eq(int, reader_end(&v), APDU_SW_OK));
        cr_expect(eq(int, k->state, what == RIGHT ? APPLET_KEY_TERMINATED : APPLET_KEY_ACTIVE), "notice %d",
                  (int)what);
        cr_expect(eq(sz, r->stores - stores, what == RIGHT), "notice %d", (int)what);
        cr_expect(eq(int, r->device.owned[0].termination_len > 0, what == RIGHT), "notice %d", (int)what);
        readers_close(&v, &far);
    }
}

Test(notice, that_is_not_stored_is_none)
{
    struct reader v, far;
    struct rig *r = readers_open(&v, &far);
    struct digital_key *k = &r->applet.keys[0];
    static struct mailboxes before;
    uint8_t buf[300], kpersistent[TRANSACTION_KPERSISTENT];
    struct wr w = wr_of(buf, sizeof buf);
    put_notice(r, RIGHT, &w);
    cr_assert(reader_authenticate(&v));
    cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_OK));
    memcpy(kpersistent, k->kpersistent, sizeof kpersistent);
    before = k->mailboxes;
    r->store_fails_at = r->stores + 1;
    cr_expect(eq(int, reader_end(&v), APDU_SW_CONDITIONS));
    cr_expect(memcmp(&before, &k->mailboxes, sizeof before) == 0, "tokens and all");
    cr_expect(eq(int, k->state, APPLET_KEY_ACTIVE));
    cr_expect(k->has_kpersistent && memcmp(k->kpersistent, kpersistent, sizeof kpersistent) == 0);
    cr_expect(eq(sz, r->device.owned[0].termination_len, 0));
    cr_expect(eq(int, k->mailboxes.private_area[0] & MAILBOX_ATTESTATION, 0));
    rig_phone_reset(r);
    cr_expect(eq(int, k->state, APPLET_KEY_ACTIVE), "no session has ended");
    cr_assert(reader_authenticate(&v));
    cr_expect(eq(int, reader_end(&v), APDU_SW_OK));
    cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "at the next end");
    readers_close(&v, &far);
}

Test(notice, that_the_vehicle_hears_has_failed_is_none)
{
    struct reader v, far;
    struct rig *r = readers_open(&v, &far);
    uint8_t buf[300];
    struct wr w = wr_of(buf, sizeof buf);
    put_notice(r, RIGHT, &w);
    exchange_put_set(&w, MAILBOX_PRIVATE, OEM, 1, 0x11);
    cr_assert(reader_authenticate(&v));
    r->store_fails_at = r->stores + 1;
    cr_expect(eq(int, reader_exchange(&v, &w), APDU_SW_CONDITIONS));
    cr_assert(reader_authenticate(&v));
    cr_expect(eq(int, reader_end(&v), APDU_SW_OK));
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_ACTIVE));
    readers_close(&v, &far);
}

/* ---- over both links ---- */

/* EXCHANGE with the right statement, or none, that also writes. */
static uint16_t say(struct reader *v, bool terminates)
{
    uint8_t buf[300];
    struct wr w = wr_of(buf, sizeof buf);
    if (terminates)
        put_notice(v->rig, RIGHT, &w);
    else
        exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_set(&w, MAILBOX_PRIVATE, OEM, 1, 0x11);
    return reader_exchange(v, &w);
}

static const struct {
    const char *what;
    bool far_says, near_refused_says; /* beside near, that said it first */
} refusals[] = {
    {"the other link says so, too, and is refused", .far_says = true},
    {"the other link writes only, and is refused", .far_says = false},
    {"the same link says so again, and is refused", .near_refused_says = true},
};

Test(notice, that_was_answered_is_not_undone_by_a_refusal)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct reader near, far;
        struct rig *r = readers_open(&near, &far);
        const struct digital_key *k = &r->applet.keys[0];
        cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
        cr_expect(eq(int, say(&near, true), APDU_SW_OK));
        r->store_fails_at = r->stores + 1;
        if (refusals[i].near_refused_says)
            cr_expect(eq(int, say(&near, true), APDU_SW_CONDITIONS), "%s", refusals[i].what);
        else
            cr_expect(eq(int, say(&far, refusals[i].far_says), APDU_SW_CONDITIONS), "%s", refusals[i].what);
        if (!refusals[i].near_refused_says)
            cr_expect(eq(int, reader_end(&near), APDU_SW_OK), "%s", refusals[i].what);
        cr_expect(eq(int, k->state, APPLET_KEY_TERMINATED), "%s", refusals[i].what);
        cr_expect(eq(uint, r->stored.put, 1), "%s", refusals[i].what);
        readers_close(&near, &far);
    }
}

Test(notice, that_was_refused_is_none_of_the_other_links)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    r->store_fails_at = r->stores + 1;
    cr_expect(eq(int, say(&near, true), APDU_SW_CONDITIONS));
    cr_expect(eq(int, reader_end(&far), APDU_SW_OK));
    cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_ACTIVE));
    readers_close(&near, &far);
}

/* What is answered 9000 is stored, whichever of the two ends first. */
Test(notice, over_both_links_is_done_at_the_end_of_either)
{
    for (int far_ends = 0; far_ends < 2; far_ends++) {
        struct reader near, far;
        struct rig *r = readers_open(&near, &far);
        cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
        cr_expect(eq(int, say(&near, true), APDU_SW_OK));
        cr_expect(eq(int, say(&far, true), APDU_SW_OK));
        size_t stores = r->stores;
        cr_expect(eq(int, reader_end(far_ends ? &far : &near), APDU_SW_OK));
        cr_expect(eq(sz, r->stores, stores + 1), "%d", far_ends);
        cr_expect(eq(int, r->applet.keys[0].state, APPLET_KEY_TERMINATED), "%d", far_ends);
        readers_close(&near, &far);
    }
}
