/* The phone's Bluetooth alone: words of the radio and SDUs go in, the test is radio and vehicle. Which
 * vehicle it answers, what it is told to do, what of a bond is stored and deleted. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/vehicle/vehicle_approach.h"
#include "lib/crypto/smp.h"
#include "tests/check.h"
#include "tests/handset_bench.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define IRK      "00112233445566778899AABBCCDDEEFF"
#define LTK      "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
#define DATA     "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
#define IDENTITY "C70809000000/random"

static struct handset_bench *h;
static struct vehicle_approach vehicle;
static char peer[BLE_ADDRESS_TEXT];
static const struct approach_oob vehicle_oob = {.address = {0xC7, 8, 9}, .confirm = {7}, .random = {8}};

/* ---- the bench ---- */

static bool was_told(const char *what)
{
    return strstr(h->b.told_all, what) != NULL;
}

static void vehicle_does(struct approach_step s);

/* What the phone says reaches the vehicle. */
static void carry(void)
{
    for (size_t i = 0; i < h->b.sent_count; i++) {
        static struct bench_sent sent;
        sent = h->b.sent[i];
        if (sent.port == PHONE_PORT_RADIO)
            vehicle_does(vehicle_approach_input(&vehicle, span_of(sent.bytes, sent.len)));
    }
    h->b.sent_count = 0;
}

static void vehicle_does(struct approach_step s)
{
    for (; s.what != APPROACH_WAIT && s.what != APPROACH_OVER; s = approach_proceed(&vehicle.both)) {
        if (s.what == APPROACH_SEND)
            node_on_bytes(&h->b.node, PHONE_PORT_RADIO, peer, s.sdu);
        else if (s.what == APPROACH_READ_OOB)
            vehicle_does(vehicle_approach_oob(&vehicle, &vehicle_oob));
    }
}

static void news(const char *from, const char *text)
{
    node_on_news(&h->b.node, PHONE_PORT_RADIO, from, text);
    carry();
}

static void hear(const char *irk_text)
{
    struct ble_address a = {.random = true};
    HEX(irk, irk_text);
    ASSERT_OK(smp_private_address(test_crypto(), irk, a.octets));
    ble_address_write(&a, peer);
    news(peer, "heard -59 -");
}

static void begin(void)
{
    HEX(irk, IRK);
    h = handset_bench_new();
    struct device_config_ble *ble = &h->rig->pairing_config.key_data.config.ble;
    ble->present = true;
    memcpy(ble->irk, irk, sizeof ble->irk);
    handset_type_password(h);
    ASSERT_OK(handset_pair(h->rig));
    node_on_link(&h->b.node, PHONE_PORT_RADIO, LINK_UP);
    h->b.told_all[0] = '\0';
    vehicle = (struct vehicle_approach){.both.crypto = test_crypto(), .keys = &h->rig->key, .n_keys = 1};
    (void)vehicle_approach_begin(&vehicle, NULL, 1, 0);
}

static void finish(void)
{
    handset_bench_free(h);
}

TestSuite(handset_radio, .init = begin, .fini = finish);
TestSuite(handset_radio_ends);

static bool has_bond(void)
{
    uint8_t bond[200];
    size_t len;
    return bench_secret(&h->b, "radio/bond/0", bond, sizeof bond, &len) == ERR_OK;
}

enum until { ON, HEARD, UP, OPENING, CHANNEL, ANSWERED, PAIRED };

static void approach(enum until until)
{
    ASSERT_OK(handset_call(h, "bluetooth", 1, NULL));
    if (until >= HEARD)
        hear(IRK);
    if (until >= UP)
        news(peer, "up");
    if (until >= OPENING)
        news(peer, "value D3B5A1309E234B3A8BE46B1EE5F980A3 0080");
    if (until >= CHANNEL)
        news(peer, "channel 0080 512");
    if (until >= ANSWERED)
        news("", "oob " DATA " =" DATA);
    if (until < PAIRED)
        return;
    vehicle.both.state = AP_OVER; /* it has no radio that would tell it */
    news(peer, "encrypted 4 16");
    news(peer, "new-irk " IDENTITY " =" IRK);
    news(peer, "new-ltk 3 16 =" LTK);
}

/* ---- an honest one ---- */

Test(handset_radio, it_goes_to_the_vehicle_whose_address_it_can_resolve)
{
    approach(ON);
    cr_expect(was_told("radio scan"));
    hear(DATA);
    cr_expect(eq(int, was_told("connect"), false), "another vehicle");
    hear(IRK);
    cr_expect(was_told("radio scan-off"));
    cr_expect(was_told("radio connect "));
    cr_expect(eq(str, (char *)handset_shown(h, "radio"), "connecting"));
}

Test(handset_radio, a_first_approach_leaves_a_bond_and_then_is_ready)
{
    approach(ANSWERED);
    cr_expect(was_told("radio oob-of "), "%s", h->b.told_all);
    cr_expect(was_told("radio pair "));
    cr_expect(eq(int, has_bond(), false));
    vehicle.both.state = AP_OVER;
    news(peer, "encrypted 4 16");
    news(peer, "new-irk " IDENTITY " =" IRK);
    news(peer, "new-ltk 3 16 =" LTK);
    cr_expect(has_bond());
    cr_expect(eq(str, (char *)handset_shown(h, "radio"), "near the vehicle"));
    const struct span trace = span_of(h->b.trace, h->b.trace_count * sizeof h->b.trace[0]);
    cr_expect(eq(int, memmem(trace.p, trace.len, LTK, 32) != NULL, 0), "a secret is traced");
}

Test(handset_radio, a_bond_encrypts_the_next_link_before_anything_is_read)
{
    approach(PAIRED);
    news(peer, "down 08");
    bench_run_ms(&h->b, 1100);
    h->b.told_all[0] = '\0';
    hear(IRK);
    news(peer, "up");
    cr_expect(was_told("radio encrypt " LTK));
    cr_expect(eq(int, was_told("radio read"), false));
    news(peer, "encrypted 4 16");
    cr_expect(was_told("radio read D3B5A1309E234B3A8BE46B1EE5F980A3"));
}

Test(handset_radio, a_bond_that_the_vehicle_does_not_know_is_not_used_twice)
{
    approach(PAIRED);
    news(peer, "down 08");
    bench_run_ms(&h->b, 1100);
    hear(IRK);
    news(peer, "up");
    news(peer, "auth-failed 06");
    cr_expect(has_bond(), "anybody may say so over the air");
    news(peer, "down 16");
    bench_run_ms(&h->b, 1100);
    h->b.told_all[0] = '\0';
    hear(IRK);
    news(peer, "up");
    cr_expect(eq(int, was_told("encrypt"), false));
    cr_expect(was_told("radio read"));
}

Test(handset_radio, a_bond_goes_with_its_key_and_so_does_the_link)
{
    approach(PAIRED);
    cr_assert(has_bond());
    ASSERT_OK(handset_call(h, "delete-key", 0, NULL));
    cr_expect(eq(int, has_bond(), false));
    cr_expect(was_told("radio disconnect 13 "));
}

/* ---- what ends it ---- */

static const struct {
    const char *name;
    enum until until;
    const char *news, *sdu;
    unsigned ms;
    enum err reason; /* ERR_OK: none is given */
} ends[] = {
    {"no such attribute", UP, "no-value D3B5A1309E234B3A8BE46B1EE5F980A3 0A", NULL, 0, ERR_OK},
    {"an SPSM of one octet", UP, "value D3B5A1309E234B3A8BE46B1EE5F980A3 80", NULL, 0, ERR_OK},
    {"nobody listens", UP, "no-channel 0080 2", NULL, 0, ERR_OK},
    {"no SPSM in time", UP, NULL, NULL, 5100, ERR_DK_TIMEOUT},
    {"no channel in time", OPENING, NULL, NULL, 5100, ERR_DK_TIMEOUT},
    {"the channel is closed", CHANNEL, "channel-closed 0080", NULL, 0, ERR_OK},
    {"encrypted before the answer", CHANNEL, "encrypted 4 16", NULL, 0, ERR_DK_BOND},
    {"keys before the answer", CHANNEL, "new-ltk 3 16 =" LTK, NULL, 0, ERR_DK_BOND},
    {"an answer that is made up", CHANNEL, NULL, "05030002AABB", 0, ERR_OK},
    {"the vehicle knows no such key", CHANNEL, NULL, "0301000201FE", 0, ERR_DK_UNKNOWN_KEY},
    {"a weak key", ANSWERED, "new-ltk 2 16 =" LTK, NULL, 0, ERR_DK_LINK_WEAK},
    {"another's identity", ANSWERED, "new-irk D10203040507/random =" IRK, NULL, 0, ERR_DK_OOB},
    {"a pairing that failed", ANSWERED, "auth-failed 04", NULL, 0, ERR_DK_OOB},
    {"a pairing that takes too long", ANSWERED, NULL, NULL, 30100, ERR_DK_TIMEOUT},
};

Test(handset_radio_ends, what_does_not_belong_ends_the_link_and_leaves_no_bond)
{
    for (size_t i = 0; i < COUNT(ends); i++) {
        begin();
        approach(ends[i].until);
        if (ends[i].news)
            news(peer, ends[i].news);
        if (ends[i].sdu && ends[i].until == CHANNEL) {
            vehicle.both.state = AP_OVER; /* the test is the vehicle now */
            news("", "oob " DATA " =" DATA);
            HEX(sdu, ends[i].sdu);
            node_on_bytes(&h->b.node, PHONE_PORT_RADIO, peer, span_of(sdu, sdu_len));
        }
        bench_run_ms(&h->b, ends[i].ms);
        cr_expect(was_told("radio disconnect 13 "), "%s", ends[i].name);
        cr_expect(eq(int, ends[i].reason == ERR_OK || bench_count(&h->b, TRACE_FAIL, ends[i].reason), true),
                  "%s", ends[i].name);
        cr_expect(eq(int, has_bond(), false), "%s", ends[i].name);
        finish();
    }
}

Test(handset_radio, a_vehicle_that_encrypts_nothing_is_left_after_a_while)
{
    approach(PAIRED);
    news(peer, "down 08");
    bench_run_ms(&h->b, 1100);
    hear(IRK);
    news(peer, "up");
    h->b.told_all[0] = '\0';
    bench_run_ms(&h->b, 9900);
    cr_expect(eq(int, was_told("disconnect"), false), "its radio may still say that it has no key");
    bench_run_ms(&h->b, 200);
    cr_expect(was_told("radio disconnect 13 "));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_FAIL, ERR_DK_TIMEOUT), 1));
    cr_expect(has_bond());
}

Test(handset_radio, a_vehicle_that_says_too_much_that_is_refused_is_left)
{
    HEX(sdu, "010B001300A404000DA000000809434343444B41763100");
    approach(CHANNEL);
    h->b.told_all[0] = '\0';
    for (unsigned i = 1; i < APPROACH_REFUSALS_MAX; i++)
        node_on_bytes(&h->b.node, PHONE_PORT_RADIO, peer, span_of(sdu, sdu_len));
    cr_expect(eq(int, was_told("disconnect"), false));
    node_on_bytes(&h->b.node, PHONE_PORT_RADIO, peer, span_of(sdu, sdu_len));
    cr_expect(was_told("radio disconnect 13 "));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_FAIL, ERR_DK_REFUSALS), 1));
}

Test(handset_radio, an_apdu_before_the_link_is_ready_reaches_nobody)
{
    HEX(sdu, "010B001300A404000DA000000809434343444B41763100");
    approach(CHANNEL);
    node_on_bytes(&h->b.node, PHONE_PORT_RADIO, peer, span_of(sdu, sdu_len));
    cr_expect(eq(sz, bench_count(&h->b, TRACE_REJECT, ERR_MSG_UNEXPECTED), 1));
    cr_expect(eq(sz, h->b.sent_count, 0));
}

Test(handset_radio, switched_off_it_leaves_and_hears_nothing)
{
    approach(PAIRED);
    ASSERT_OK(handset_call(h, "bluetooth", 0, NULL));
    cr_expect(was_told("radio disconnect 13 "));
    cr_expect(eq(str, (char *)handset_shown(h, "radio"), "off"));
    h->b.told_all[0] = '\0';
    hear(IRK);
    cr_expect(eq(str, h->b.told_all, ""));
    cr_expect(eq(int, handset_call(h, "want", 0, NULL), ERR_MSG_UNEXPECTED));
}

/* ---- who comes back, and when ---- */

#define COMINGS 16

/* What the phone was told to do since the last look, and when it has called the vehicle. */
static struct {
    bool scans, calls;
    uint64_t at_us[COMINGS];
    size_t count;
} seen;

static void see(struct bench *b, const char *address, const char *words)
{
    (void)b;
    (void)address;
    seen.scans |= strcmp(words, "scan") == 0;
    seen.calls |= strncmp(words, "connect ", 8) == 0;
}

/* How the vehicle ends each link. */
enum ending { SAYS_UNKNOWN, DISCONNECTS, HAS_NO_SPSM, IS_SILENT, LOST_ON_THE_WAY, ENDINGS };

static void end_link(enum ending how)
{
    HEX(unknown, "0301000201FE");
    news(peer, how == LOST_ON_THE_WAY ? "down 3E" : "up");
    if (how == LOST_ON_THE_WAY || how == IS_SILENT)
        return;
    if (how == HAS_NO_SPSM) {
        news(peer, "no-value D3B5A1309E234B3A8BE46B1EE5F980A3 0A");
    } else {
        news(peer, "value D3B5A1309E234B3A8BE46B1EE5F980A3 0080");
        news(peer, "channel 0080 512");
        vehicle.both.state = AP_OVER;
        news("", "oob " DATA " =" DATA);
        if (how == SAYS_UNKNOWN)
            node_on_bytes(&h->b.node, PHONE_PORT_RADIO, peer, span_of(unknown, unknown_len));
    }
    news(peer, how == DISCONNECTS ? "down 13" : "down 16");
}

/* The vehicle is there, unless it is away in that part of the time, and ends each link in that way. */
static void pass(unsigned ms, enum ending how, bool away)
{
    h->b.on_tell = see;
    for (unsigned t = 0; t < ms; t += 10) {
        bench_run_ms(&h->b, 10);
        if (seen.scans && !away) {
            seen.scans = false;
            hear(IRK);
        }
        if (!seen.calls)
            continue;
        seen.calls = false;
        if (seen.count < COMINGS)
            seen.at_us[seen.count++] = h->b.now_us;
        end_link(how);
        if (how == IS_SILENT) {
            bench_run_ms(&h->b, 5000);
            news(peer, "down 16");
        }
    }
}

static unsigned gap_ms(size_t i)
{
    return (unsigned)((seen.at_us[i + 1] - seen.at_us[i] + 50000) / 100000 * 100);
}

static void come(void)
{
    memset(&seen, 0, sizeof seen);
    h->b.on_tell = see;
    ASSERT_OK(handset_call(h, "bluetooth", 1, NULL));
}

Test(handset_radio_ends, a_vehicle_that_refuses_is_left_alone_for_longer_and_longer)
{
    static const struct {
        enum ending how;
        unsigned more_ms; /* each link itself takes so long */
    } refused[] = {{SAYS_UNKNOWN, 0}, {DISCONNECTS, 0}, {HAS_NO_SPSM, 0}, {IS_SILENT, 5000}};
    static const unsigned pauses_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (size_t i = 0; i < COUNT(refused); i++) {
        begin();
        come();
        pass(230000, refused[i].how, false);
        cr_assert(ge(sz, seen.count, COUNT(pauses_ms) + (refused[i].more_ms ? 0 : 1)), "%zu", seen.count);
        for (size_t n = 0; n + 1 < seen.count && n < COUNT(pauses_ms); n++)
            cr_expect(eq(int, (int)gap_ms(n), (int)(pauses_ms[n] + refused[i].more_ms)), "%d, pause %zu",
                      (int)refused[i].how, n);
        finish();
    }
}

Test(handset_radio, a_link_that_is_lost_is_no_refusal)
{
    come();
    pass(10000, LOST_ON_THE_WAY, false);
    cr_expect(ge(sz, seen.count, 9), "each second: %zu", seen.count);
}

/* Five links are refused, then 16 s. */
static void annoy(void)
{
    come();
    pass(16000, SAYS_UNKNOWN, false);
    cr_assert(eq(sz, seen.count, 5));
    cr_assert(eq(int, (int)gap_ms(3), 8000));
}

Test(handset_radio, a_user_who_acts_is_not_left_waiting)
{
    static const char *const calls[] = {"want", "bluetooth"};
    for (size_t i = 0; i < COUNT(calls); i++) {
        annoy();
        if (i == 1)
            ASSERT_OK(handset_call(h, "bluetooth", 0, NULL));
        enum err e = handset_call(h, calls[i], 1, NULL);
        cr_expect(eq(int, e, i == 1 ? ERR_OK : ERR_MSG_UNEXPECTED), "%s", calls[i]);
        pass(1500, SAYS_UNKNOWN, false);
        cr_expect(eq(sz, seen.count, 7), "%s: at once, and a second later: %zu", calls[i], seen.count);
        ASSERT_OK(handset_call(h, "bluetooth", 0, NULL));
    }
}

Test(handset_radio, a_vehicle_that_was_away_begins_anew)
{
    annoy();
    pass(10500, SAYS_UNKNOWN, true);
    cr_expect(eq(sz, seen.count, 5));
    seen.scans = true; /* its advertisement is new */
    pass(1500, SAYS_UNKNOWN, false);
    cr_expect(eq(sz, seen.count, 7), "at once, and a second later: %zu", seen.count);
}

static void serve_again(unsigned ms)
{
    bench_run_ms(&h->b, 4100);
    hear(IRK);
    news(peer, "up");
    news(peer, "encrypted 4 16");
    news(peer, "value D3B5A1309E234B3A8BE46B1EE5F980A3 0080");
    news(peer, "channel 0080 512");
    cr_assert(eq(str, (char *)handset_shown(h, "radio"), "near the vehicle"));
    bench_run_ms(&h->b, ms);
    news(peer, "down 13");
}

Test(handset_radio, a_link_that_has_served_begins_anew)
{
    const struct phone_patience *vehicles = handset_phone(h)->radio.patience;
    approach(PAIRED);
    bench_run_ms(&h->b, 9000);
    news(peer, "down 13");
    cr_expect(eq(int, (int)vehicles[0].refused, 1));
    serve_again(9000);
    cr_expect(eq(int, (int)vehicles[0].refused, 2));
    serve_again(10000);
    cr_expect(eq(int, (int)vehicles[0].refused, 1));
}
