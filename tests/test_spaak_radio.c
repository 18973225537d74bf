/* The SpaaK Module's Bluetooth alone: words of the radio and SDUs go in, the test is radio and phone. What is
 * on the air, who is sent away and why, what of a bond is stored, who is asked for a transaction and how
 * often. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/radio.h"
#include "ecu/spaak/spaak.h"
#include "lib/ccc/device/device_approach.h"
#include "lib/crypto/smp.h"
#include "tests/check.h"
#include "tests/unlock_bench.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define RADIO    1 /* its port */
#define PEER     "4A1122334455/random"
#define OTHER    "4A6677889900/random"
#define IDENTITY "D10203040506/random"
#define IRK      "00112233445566778899AABBCCDDEEFF"
#define LTK      "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
#define DATA     "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"

static struct unlock_bench *u;
static struct device_approach phone;
static struct first_approach_keys phone_keys;
static bool mute;                      /* the phone answers no APDU */
static uint8_t held[APDU_COMMAND_MAX]; /* the last that was not answered */
static size_t held_len;
static bool paired; /* it was told to pair */

static const struct approach_oob phone_oob = {
    .address = {0xD1, 2, 3, 4, 5, 6}, .confirm = {9}, .random = {10}};

/* ---- the bench ---- */

static void news(const char *peer, const char *text)
{
    node_on_news(&u->b.node, RADIO, peer, text);
    unlock_carry(u);
}

static void say(struct span sdu)
{
    node_on_bytes(&u->b.node, RADIO, PEER, sdu);
}

static void answer(struct span apdu)
{
    uint8_t out[APDU_RESPONSE_MAX], sdu[DK_MESSAGE_HEADER + APDU_RESPONSE_MAX];
    struct wr w = wr_of(out, sizeof out), m = wr_of(sdu, sizeof sdu);
    rig_phone_input_over(u->rig, DK_BLE, DK_TO_APPLET, apdu, &w);
    dk_message_put(&m, &(struct dk_message){.type = DK_SE, .id = DK_APDU_RS, .data = span_of(out, w.len)});
    say(span_of(sdu, m.len));
}

static void phone_does(struct approach_step s)
{
    for (; s.what != APPROACH_WAIT && s.what != APPROACH_OVER; s = approach_proceed(&phone.both)) {
        if (s.what == APPROACH_SEND)
            say(s.sdu);
        else if (s.what == APPROACH_READ_OOB)
            phone_does(device_approach_oob(&phone, &phone_oob));
        else if (s.what == APPROACH_PAIR)
            paired = true;
        else if (s.what == APPROACH_STORE_BOND)
            phone_does(device_approach_stored(&phone, ERR_OK));
        else if (s.what == APPROACH_APDU && mute) {
            memcpy(held, s.apdu.p, s.apdu.len);
            held_len = s.apdu.len;
        } else if (s.what == APPROACH_APDU)
            answer(s.apdu);
    }
}

/* The vehicle reads its own data as often as it likes. */
static void on_sdu(struct span sdu)
{
    phone_does(device_approach_input(&phone, sdu));
}

static void put_identity(void)
{
    static const uint8_t own[22] = {1, 2, 3, [16] = 0xC7, 8, 9};
    const struct seal seal = {test_crypto(), &spaak_class, test_store_key};
    struct seal_value v;
    ASSERT_OK(seal_make(&seal, SPAAK_RADIO, span_of(own, sizeof own), &v));
    ASSERT_OK(store_set(u->b.node.store, SPAAK_RADIO, span_of(v.bytes, v.len)));
    seal_value_free(&v);
}

static void begin(void)
{
    const struct vehicle_key *k;
    u = unlock_bench_new(true);
    u->on_sdu = on_sdu;
    k = &u->rig->key;
    mute = paired = false;
    held_len = 0;
    memset(&phone, 0, sizeof phone);
    phone.both.crypto = test_crypto();
    phone.both.time_sync.success = true;
    ASSERT_OK(first_approach_keys_make(test_crypto(), k->kble_intro, k->kble_oob_master,
                                       span_of(k->slot.b, k->slot.len), &phone_keys));
    put_identity();
    unlock_bench_start(u);
    u->bcm.locked = true;
}

static void finish(void)
{
    unlock_bench_free(u);
}

TestSuite(spaak_radio, .init = begin, .fini = finish);
TestSuite(spaak_radio_ends);

static bool was_told(const char *what)
{
    return strstr(u->b.told_all, what) != NULL;
}

static const char *bond_name(void)
{
    static char name[ENV_KEY_MAX];
    char hex[2 * ENDPOINT_KEY_ID + 1];
    hex_encode(u->rig->key.key_id, ENDPOINT_KEY_ID, hex);
    snprintf(name, sizeof name, "%s%s", SPAAK_BOND_PREFIX, hex);
    return name;
}

static bool has_bond(void)
{
    struct approach_bond bond;
    size_t len;
    return bench_secret(&u->b, bond_name(), &bond, sizeof bond, &len) == ERR_OK;
}

/* ---- stories ---- */

/* Each step of an honest first approach goes as far as `until`. */
enum until { UP, CHANNEL, ASKED, ANSWERED, PAIRED, READY };

static void approach(enum until until)
{
    news(PEER, "up");
    if (until >= CHANNEL)
        news(PEER, "channel 0080 512");
    if (until >= ASKED)
        phone_does(device_approach_begin(&phone, &phone_keys));
    if (until >= ANSWERED)
        news("", "oob " DATA " =" DATA);
    if (until < PAIRED)
        return;
    cr_assert(paired, "the vehicle's answer is good");
    news(PEER, "encrypted 4 16");
    news(PEER, "new-irk " IDENTITY " =" IRK);
    news(PEER, "new-ltk 3 16 =" LTK);
    if (until < READY)
        return;
    phone.both.state = AP_READY; /* its own keys are the medium's affair */
    uint8_t data[TIME_SYNC_LENGTH], sdu[DK_MESSAGE_HEADER + TIME_SYNC_LENGTH];
    struct wr w = wr_of(sdu, sizeof sdu);
    time_sync_put(&phone.both.time_sync, data);
    dk_message_put(&w, &(struct dk_message){DK_SUPPLEMENTARY, DK_TIME_SYNC, span_of(data, sizeof data)});
    say(span_of(sdu, w.len));
    unlock_carry(u);
}

Test(spaak_radio, it_is_on_the_air_for_its_keys)
{
    cr_expect(was_told("radio identity C7"), "%s", u->b.told_all);
    cr_expect(was_told("radio advertise ") && was_told("/random -"), "an address, and no data");
    cr_expect(was_told("radio listen 0080 512"));
    cr_expect(was_told("attribute D3B5A1309E234B3A8BE46B1EE5F980A3 open 0080"));
}

Test(spaak_radio, a_first_approach_leaves_a_bond_and_opens)
{
    struct approach_bond bond;
    size_t len;
    HEX(ltk, LTK);
    HEX(irk, IRK);
    approach(READY);
    ASSERT_OK(bench_secret(&u->b, bond_name(), &bond, sizeof bond, &len));
    cr_assert(eq(sz, len, sizeof bond));
    cr_expect(memcmp(bond.ltk, ltk, 16) == 0 && memcmp(bond.irk, irk, 16) == 0);
    cr_expect(memcmp(bond.address, phone_oob.address, 6) == 0);
    cr_expect(was_told("radio oob-of " PEER " 09"));
    cr_expect(eq(sz, unlock_steps(u, "OP-06/6", ""), 1));
    cr_expect(eq(sz, u->commands, 1));
    cr_expect(eq(int, u->last.order, CABIN_UNLOCK));
    cr_expect(eq(int, was_told("disconnect"), false));
    const struct span trace = span_of(u->b.trace, u->b.trace_count * sizeof u->b.trace[0]);
    cr_expect(eq(int, memmem(trace.p, trace.len, LTK, 32) || memmem(trace.p, trace.len, ltk, 16), 0));
    cr_expect(eq(int, memmem(trace.p, trace.len, IRK, 32) || memmem(trace.p, trace.len, irk, 16), 0));
}

/* ---- who is sent away ---- */

static const struct {
    const char *name;
    enum until until;
    const char *news, *sdu;
    unsigned ms, refuse_at;
    enum err reason; /* ERR_OK: none is given */
} ends[] = {
    {"keys before a channel", UP, "new-ltk 3 16 =" LTK, NULL, 0, 0, ERR_OK},
    {"a failure before a channel", UP, "auth-failed 04", NULL, 0, 0, ERR_OK},
    {"no channel in time", UP, NULL, NULL, 5100, 0, ERR_DK_TIMEOUT},
    {"nothing said in time", CHANNEL, NULL, NULL, 5100, 0, ERR_DK_TIMEOUT},
    {"a second channel", CHANNEL, "channel 0080 512", NULL, 0, 0, ERR_OK},
    {"the channel is closed", CHANNEL, "channel-closed 0080", NULL, 0, 0, ERR_OK},
    {"encrypted without a first approach", CHANNEL, "encrypted 4 16", NULL, 0, 0, ERR_DK_BOND},
    {"keys without a first approach", CHANNEL, "new-ltk 3 16 =" LTK, NULL, 0, 0, ERR_DK_BOND},
    {"an identity without a first approach", CHANNEL, "new-irk " IDENTITY " =" IRK, NULL, 0, 0, ERR_DK_BOND},
    {"keys before our answer", ASKED, "new-ltk 3 16 =" LTK, NULL, 0, 0, ERR_DK_BOND},
    {"no DK message", CHANNEL, NULL, "0502", 0, 0, ERR_TRUNCATED},
    {"a first approach of one byte", CHANNEL, NULL, "0502000100", 0, 0, ERR_MSG_MALFORMED},
    {"an APDU in the clear", CHANNEL, NULL, "010C00029000", 0, 0, ERR_MSG_UNEXPECTED},
    {"Time_Sync in the clear", CHANNEL, NULL, "050100170000000000000001000000000000000000000000010000", 0, 0,
     ERR_MSG_UNEXPECTED},
    {"owner pairing that nobody has opened", CHANNEL, NULL, "030100020104", 0, 0, ERR_MSG_UNEXPECTED},
    {"a pairing that failed", ANSWERED, "auth-failed 04", NULL, 0, 0, ERR_DK_OOB},
    {"nobody pairs in time", ANSWERED, NULL, NULL, 30100, 0, ERR_DK_TIMEOUT},
    {"another's identity", ANSWERED, "new-irk D10203040507/random =" IRK, NULL, 0, 0, ERR_DK_OOB},
    {"a key that nobody has authenticated", ANSWERED, "new-ltk 2 16 =" LTK, NULL, 0, 0, ERR_DK_LINK_WEAK},
    {"a short key", ANSWERED, "new-ltk 3 7 =" LTK, NULL, 0, 0, ERR_DK_LINK_WEAK},
    {"a weak link", ANSWERED, "encrypted 2 16", NULL, 0, 0, ERR_DK_LINK_WEAK},
    {"no Time_Sync in time", PAIRED, NULL, NULL, 5100, 0, ERR_DK_TIMEOUT},
    {"the store refuses", PAIRED, NULL, NULL, 0, 1, ERR_STORE_FAILED},
};

Test(spaak_radio_ends, who_does_not_belong_here_is_sent_away)
{
    for (size_t i = 0; i < COUNT(ends); i++) {
        begin();
        unlock_forget(u);
        u->refuse_at = ends[i].refuse_at;
        approach(ends[i].until);
        if (ends[i].news)
            news(PEER, ends[i].news);
        if (ends[i].sdu) {
            HEX(sdu, ends[i].sdu);
            say(span_of(sdu, sdu_len));
        }
        for (unsigned t = 0; t < ends[i].ms; t += 100)
            unlock_pass(u, 100);
        cr_expect(was_told("radio disconnect 13 " PEER), "%s", ends[i].name);
        size_t said =
            bench_count(&u->b, TRACE_REJECT, ends[i].reason) + bench_count(&u->b, TRACE_FAIL, ends[i].reason);
        cr_expect(eq(int, ends[i].reason == ERR_OK || said, true), "%s: the reason", ends[i].name);
        cr_expect(eq(int, has_bond(), ends[i].until == PAIRED && !ends[i].refuse_at), "%s", ends[i].name);
        cr_expect(eq(sz, u->commands, 0), "%s", ends[i].name);
        finish();
    }
}

Test(spaak_radio, one_phone_too_many_is_sent_away_and_the_others_stay)
{
    char peer[BLE_ADDRESS_TEXT];
    for (unsigned i = 0; i < SPAAK_LINKS; i++) {
        snprintf(peer, sizeof peer, "4A00000000%02X/random", i);
        news(peer, "up");
    }
    cr_expect(eq(int, was_told("disconnect"), false));
    news(OTHER, "up");
    cr_expect(was_told("disconnect 13 " OTHER));
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_BUSY), 1));
    news("4A0000000002/random", "down 08");
    news(PEER, "up");
    cr_expect(eq(int, was_told("disconnect 13 " PEER), false));
}

Test(spaak_radio, strangers_give_way_and_a_phone_that_is_known_does_not)
{
    char peer[BLE_ADDRESS_TEXT];
    approach(READY);
    for (unsigned i = 1; i < SPAAK_LINKS; i++) {
        snprintf(peer, sizeof peer, "4A00000000%02X/random", i);
        news(peer, "up");
        news(peer, "channel 0080 512");
        unlock_pass(u, 300);
    }
    unlock_pass(u, 200);
    news(OTHER, "up");
    cr_expect(was_told("disconnect 13 4A0000000001/random"), "the oldest");
    cr_expect(eq(int, was_told("disconnect 13 " OTHER), false));
    news("4AAAAAAAAAAA/random", "up");
    cr_expect(was_told("disconnect 13 4AAAAAAAAAAA/random"), "the others have just come");
    cr_expect(eq(int, was_told("disconnect 13 " PEER), false));
}

Test(spaak_radio, words_that_are_none_change_nothing)
{
    static const char *const words[] = {"", "up up", "channel 0080", "new-ltk 3 16 =00", "oob 00 =00", "x"};
    news(PEER, "up");
    u->b.told_all[0] = '\0';
    for (size_t i = 0; i < COUNT(words); i++)
        news(PEER, words[i]);
    news(OTHER, "channel 0080 512");
    news("", "oob " DATA " =" DATA);
    cr_expect(eq(str, u->b.told_all, ""));
}

/* ---- one out-of-band key for all links ---- */

/* What a phone said once, said again by anybody at a link of its own. */
static void ask_again(const char *peer, struct span request)
{
    news(peer, "up");
    news(peer, "channel 0080 512");
    node_on_bytes(&u->b.node, RADIO, peer, request);
    unlock_carry(u);
}

static size_t oobs_asked(void)
{
    size_t n = 0;
    static const char word[] = "radio oob";
    for (const char *at = u->b.told_all; (at = strstr(at, word)) != NULL; at++)
        n += at[strlen(word)] != '-';
    return n;
}

static struct span recorded_request(void)
{
    static struct device_approach other;
    memset(&other, 0, sizeof other);
    other.both.crypto = test_crypto();
    device_approach_begin(&other, &phone_keys);
    struct approach_step s = device_approach_oob(&other, &phone_oob);
    cr_assert(eq(int, s.what, APPROACH_SEND));
    return s.sdu;
}

Test(spaak_radio, what_a_phone_says_does_not_move_its_deadline)
{
    static const uint8_t event[] = {DK_EVENT, DK_EVENT_NOTIFICATION, 0, 2, 1, DK_EVENT_REQUEST_STANDARD};
    struct span request = recorded_request();
    ask_again(OTHER, request);
    news("", "oob " DATA " =" DATA);
    unlock_pass(u, 20000);
    cr_expect(eq(int, was_told("disconnect"), false), "nobody waits");
    node_on_bytes(&u->b.node, RADIO, OTHER, span_of(event, sizeof event));
    unlock_pass(u, 10100);
    cr_expect(was_told("disconnect 13 " OTHER), "30 s from the answer");
}

Test(spaak_radio, who_does_not_pair_ends_for_those_who_wait)
{
    char peers[3][BLE_ADDRESS_TEXT];
    struct span request = recorded_request();
    for (unsigned i = 0; i < COUNT(peers); i++) {
        snprintf(peers[i], sizeof peers[i], "4A00000000%02X/random", i);
        ask_again(peers[i], request);
    }
    approach(ASKED);
    unlock_forget(u);
    u->b.told_all[0] = '\0';
    for (unsigned i = 0; i < COUNT(peers); i++) {
        news("", "oob " DATA " =" DATA);
        unlock_pass(u, SPAAK_OOB_TURN_MS - 100);
        cr_expect(eq(sz, oobs_asked(), i), "turn %u", i);
        unlock_pass(u, 100);
        cr_expect(eq(sz, oobs_asked(), i + 1), "turn %u: %s", i, u->b.told_all);
        cr_expect(was_told(peers[i]), "turn %u", i);
        ask_again(peers[i], request); /* begins again, behind the phone */
    }
    news("", "oob " DATA " =" DATA);
    cr_expect(paired, "the phone has its answer within its patience");
}

/* The radio has room for few: what it was given goes with the link, however that ends. */
Test(spaak_radio_ends, the_data_of_a_phone_go_with_its_link)
{
    static const struct {
        const char *name, *news;
        unsigned ms;
    } over[] = {
        {"the phone goes", "down 13", 0},
        {"the pairing fails", "auth-failed 04", 0},
        {"nobody pairs", NULL, 30100},
    };
    for (size_t i = 0; i < COUNT(over); i++) {
        begin();
        approach(ANSWERED);
        cr_expect(eq(int, was_told("forget-oob"), false), "%s: too early", over[i].name);
        if (over[i].news)
            news(PEER, over[i].news);
        for (unsigned t = 0; t < over[i].ms; t += 100)
            unlock_pass(u, 100);
        cr_expect(was_told("radio forget-oob " PEER), "%s: %s", over[i].name, u->b.told_all);
        finish();
    }
}

Test(spaak_radio, without_room_for_the_data_of_a_phone_there_is_no_pairing)
{
    u->b.untold = "oob-of";
    approach(ANSWERED);
    cr_expect(eq(int, paired, false), "no answer: the phone cannot pair");
    cr_expect(was_told("radio disconnect 13 " PEER), "%s", u->b.told_all);
    cr_expect(eq(sz, bench_count(&u->b, TRACE_FAIL, ERR_NO_SPACE), 1));
    cr_expect(eq(int, was_told("forget-oob"), false), "it has none");
}

/* ---- the bond ---- */

static void resolvable(char out[BLE_ADDRESS_TEXT])
{
    struct ble_address a = {.random = true};
    HEX(irk, IRK);
    ASSERT_OK(smp_private_address(test_crypto(), irk, a.octets));
    ble_address_write(&a, out);
}

Test(spaak_radio, the_bond_is_for_whom_its_irk_names)
{
    char peer[BLE_ADDRESS_TEXT], want[120];
    approach(READY);
    news(PEER, "down 08");
    resolvable(peer);
    news(peer, "up");
    news(peer, "key-wanted");
    snprintf(want, sizeof want, "radio encrypt " LTK " %s", peer);
    cr_expect(was_told(want), "%s", u->b.told_all);
    news(OTHER, "up");
    news(OTHER, "key-wanted");
    cr_expect(was_told("radio no-key " OTHER));
}

Test(spaak_radio, a_bond_is_known_after_a_restart_and_gone_with_its_key)
{
    char peer[BLE_ADDRESS_TEXT], want[60];
    approach(READY);
    unlock_bench_restart(u);
    cr_expect(has_bond());
    unlock_wish(u, CABIN_DELETE_KEY, 1);
    resolvable(peer);
    news(peer, "up");
    news(peer, "key-wanted");
    snprintf(want, sizeof want, "radio no-key %s", peer);
    cr_expect(was_told(want), "that of an ended key");
    unlock_lay(u, READER_DOOR);
    unlock_pass(u, 5000);
    cr_assert(eq(int, unlock_record(u).state, 0), "the phone has heard of the end");
    cr_expect(eq(int, has_bond(), false));
}

/* ---- how often ---- */

Test(spaak_radio, doors_that_are_locked_near_a_phone_stay_locked_until_it_wants)
{
    static const uint8_t want[] = {DK_EVENT, DK_EVENT_NOTIFICATION, 0, 2, 1, DK_EVENT_REQUEST_STANDARD};
    approach(READY);
    unlock_pass(u, 1500);
    cr_assert(eq(sz, u->commands, 1));
    u->bcm.locked = true;
    unlock_pass(u, 5000);
    cr_expect(eq(sz, u->commands, 1));
    say(span_of(want, sizeof want));
    unlock_pass(u, 500);
    cr_expect(eq(sz, u->commands, 2));
    cr_expect(eq(int, u->bcm.locked, false));
    unlock_pass(u, 3000);
    cr_expect(eq(sz, u->commands, 2));
}

static size_t apdus_of(const char *peer)
{
    size_t n = 0;
    for (size_t i = 0; i < u->b.trace_count; i++)
        n += u->b.trace[i].kind == TRACE_APDU && strcmp(u->b.trace[i].peer, peer) == 0;
    return n;
}

/* Known by the same bond, at a link of its own. */
static void another_phone(const char *peer)
{
    uint8_t data[TIME_SYNC_LENGTH], sdu[DK_MESSAGE_HEADER + TIME_SYNC_LENGTH];
    struct wr w = wr_of(sdu, sizeof sdu);
    news(peer, "up");
    news(peer, "key-wanted");
    news(peer, "encrypted 4 16");
    news(peer, "channel 0080 512");
    time_sync_put(&phone.both.time_sync, data);
    dk_message_put(&w, &(struct dk_message){DK_SUPPLEMENTARY, DK_TIME_SYNC, span_of(data, sizeof data)});
    node_on_bytes(&u->b.node, RADIO, peer, span_of(sdu, w.len));
    unlock_carry(u);
}

Test(spaak_radio, who_comes_when_the_doors_are_unlocked_is_not_asked)
{
    char peers[3][BLE_ADDRESS_TEXT];
    approach(READY);
    unlock_pass(u, 500);
    cr_assert(eq(sz, u->commands, 1));
    for (size_t i = 0; i < COUNT(peers); i++) {
        resolvable(peers[i]);
        another_phone(peers[i]);
    }
    unlock_pass(u, 3000);
    cr_expect(eq(sz, unlock_steps(u, "OP-06/6", ""), 4), "all four are there");
    for (size_t i = 0; i < COUNT(peers); i++)
        cr_expect(eq(sz, apdus_of(peers[i]), 0));
    cr_expect(eq(sz, u->commands, 1));
}

Test(spaak_radio, the_engine_starts_over_the_link_that_is_there)
{
    approach(READY);
    unlock_pass(u, 1500);
    u->bcm.start = true;
    unlock_pass(u, 500);
    cr_expect(eq(int, u->last.order, CABIN_START));
    cr_expect(eq(sz, u->commands, 2));
}

/* ---- how much ---- */

/* Of a phone that is known, and talks: what nobody has asked for, what is no message. */
static const struct {
    const char *name, *sdu;
} floods[] = {
    {"an APDU that nobody has asked for", "010C00029000"},
    {"an APDU of the framework", "000C00029000"},
    {"no DK message", "06010000"},
    {"an event of another category", "030100020204"},
};

Test(spaak_radio_ends, who_says_too_much_that_is_refused_is_sent_away)
{
    for (size_t i = 0; i < COUNT(floods); i++) {
        HEX(sdu, floods[i].sdu);
        begin();
        approach(READY);
        unlock_pass(u, 1500);
        unlock_forget(u);
        u->b.told_all[0] = '\0';
        for (unsigned n = 1; n < APPROACH_REFUSALS_MAX; n++)
            say(span_of(sdu, sdu_len));
        cr_expect(eq(int, was_told("disconnect"), false), "%s", floods[i].name);
        for (unsigned n = 0; n < 3000; n++)
            say(span_of(sdu, sdu_len));
        cr_expect(was_told("radio disconnect 13 " PEER), "%s", floods[i].name);
        cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_REFUSALS), 1), "%s", floods[i].name);
        cr_expect(le(sz, u->b.trace_count, 3 * APPROACH_REFUSALS_MAX), "%s: %zu lines", floods[i].name,
                  u->b.trace_count);
        cr_expect(has_bond(), "%s", floods[i].name);
        finish();
    }
}

/* ---- 28 ---- */

static void ask_uds(const char *frame)
{
    struct bus_frame f;
    ASSERT_OK(bus_frame_parse(frame, &f));
    u->b.told_all[0] = '\0';
    bench_frame(&u->b.node, 0, &f);
    unlock_pass(u, 100);
}

/* Links that are there stay: what goes over them is no normal message of the vehicle's. */
Test(spaak_radio, communication_control_silences_it)
{
    approach(READY);
    ask_uds("7A0##5021003CCCCCCCCCC");
    cr_expect(eq(str, u->b.told_all, ""));
    ask_uds("7A0##503280301CCCCCCCC");
    cr_expect(was_told("radio advertise-off"), "%s", u->b.told_all);
    cr_expect(eq(int, was_told("disconnect"), false));
    ask_uds("7A0##503280001CCCCCCCC");
    cr_expect(was_told("radio advertise "), "%s", u->b.told_all);
    ask_uds("7A0##503280302CCCCCCCC");
    cr_expect(eq(str, u->b.told_all, ""), "network management only");
    ask_uds("7A0##503280301CCCCCCCC");
    ask_uds("7A0##5021001CCCCCCCCCC");
    cr_expect(was_told("radio advertise "), "the default session ends it: %s", u->b.told_all);
}

/* ---- how near ---- */

static const struct {
    const char *name;
    int signal_dbm; /* 0: the radio does not say */
    bool start;
    size_t commands;
    enum err refused; /* ERR_OK: not */
} nearness[] = {
    {"doors, one metre", -59, false, 1, ERR_OK},
    {"doors, the weakest", -75, false, 1, ERR_OK},
    {"doors, too weak", -76, false, 0, ERR_DK_TOO_FAR},
    {"doors, a stack that does not know", 127, false, 0, ERR_DK_TOO_FAR},
    {"doors, stronger than a signal can be", 21, false, 0, ERR_DK_TOO_FAR},
    {"doors, no word", 0, false, 0, ERR_OK},
    {"engine, the weakest", -65, true, 1, ERR_OK},
    {"engine, good for the doors only", -66, true, 0, ERR_DK_TOO_FAR},
};

Test(spaak_radio_ends, who_is_heard_too_weakly_is_not_asked)
{
    for (size_t i = 0; i < COUNT(nearness); i++) {
        begin();
        u->bcm.locked = !nearness[i].start;
        u->bcm.start = nearness[i].start;
        u->signal_dbm = nearness[i].signal_dbm;
        unlock_tell(u);
        approach(READY);
        unlock_pass(u, 3500);
        cr_expect(eq(sz, u->commands, nearness[i].commands), "%s", nearness[i].name);
        cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_TOO_FAR), nearness[i].refused ? 1 : 0),
                  "%s: said once", nearness[i].name);
        finish();
    }
}

Test(spaak_radio, who_comes_nearer_is_asked_then)
{
    u->signal_dbm = -80;
    approach(READY);
    unlock_pass(u, 2000);
    cr_assert(eq(sz, u->commands, 0));
    u->signal_dbm = -70;
    unlock_pass(u, 1200);
    cr_expect(eq(sz, u->commands, 1));
    cr_expect(eq(int, u->last.order, CABIN_UNLOCK));
    u->bcm.start = true;
    unlock_pass(u, 2000);
    cr_expect(eq(sz, u->commands, 1), "near the doors, and not in the car");
    u->signal_dbm = -60;
    unlock_pass(u, 1200);
    cr_expect(eq(int, u->last.order, CABIN_START));
}

/* The doors were asked for, and somebody presses start before the phone has answered. */
Test(spaak_radio, a_start_that_is_pressed_meanwhile_wants_its_own_nearness)
{
    u->signal_dbm = -70;
    mute = true;
    approach(READY);
    cr_assert(ne(sz, held_len, 0), "the phone was asked");
    mute = false;
    u->bcm.start = true;
    unlock_tell(u);
    answer(span_of(held, held_len));
    unlock_carry(u);
    cr_expect(eq(sz, u->commands, 0));
    cr_expect(eq(sz, bench_count(&u->b, TRACE_REJECT, ERR_DK_TOO_FAR), 1));
}

Test(spaak_radio, a_body_controller_that_did_not_hear_is_told_again)
{
    u->bcm_is_deaf = true;
    approach(READY);
    unlock_pass(u, 500);
    cr_expect(u->bcm.locked);
    u->bcm_is_deaf = false;
    unlock_pass(u, 2000);
    cr_expect(eq(int, u->bcm.locked, false));
}

Test(spaak_radio, an_answer_that_does_not_come_ends_the_link)
{
    mute = true;
    approach(READY);
    unlock_pass(u, 2500);
    cr_expect(was_told("disconnect 13 " PEER));
    cr_expect(ne(sz, bench_count(&u->b, TRACE_FAIL, ERR_DK_TIMEOUT), 0));
    cr_expect(eq(sz, u->commands, 0));
    cr_expect(has_bond(), "it is no fault of the bond");
}

Test(spaak_radio, an_adapter_that_goes_takes_its_links_with_it)
{
    approach(READY);
    u->b.told_all[0] = '\0';
    node_on_link(&u->b.node, RADIO, LINK_DOWN);
    cr_expect(eq(str, u->b.told_all, ""), "nobody is there to be told");
    u->bcm.locked = true;
    unlock_pass(u, 2000);
    cr_expect(eq(sz, u->commands, 1));
    node_on_link(&u->b.node, RADIO, LINK_UP);
    cr_expect(was_told("radio advertise "));
}
