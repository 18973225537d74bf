/* First approach and what follows it, both ends against each other and against what must not be. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/device/device_approach.h"
#include "lib/ccc/vehicle/vehicle_approach.h"
#include "tests/support.h"

#define STORY 600

/* Both ends, and a radio that does what they ask for at once. What they did is told in `story`. */
struct pair {
    struct vehicle_key keys[2];
    struct vehicle_approach vehicle;
    struct device_approach phone;
    struct first_approach_keys phone_keys;
    char story[STORY];
    bool added_by_vehicle, added_by_phone;
    enum err vehicle_ended, phone_ended;
    bool vehicle_over, phone_over;
    bool one_way;                   /* the phone's radio pairs without the vehicle's data */
    bool mute;                      /* nothing reaches the other end */
    uint8_t last[APPROACH_SDU_MAX]; /* that the phone sent */
    size_t last_len;
};

static const struct approach_oob vehicle_oob = {
    .address = {0xC1, 2, 3, 4, 5, 6}, .confirm = {7}, .random = {8}};
static const struct approach_oob phone_oob = {
    .address = {0xD1, 2, 3, 4, 5, 6}, .confirm = {9}, .random = {10}};
static const uint8_t ltk[CCC_KEY] = {1, 2, 3}, irk[CCC_KEY] = {4, 5, 6};

static struct pair p;

static void vehicle_does(struct approach_step s);
static void phone_does(struct approach_step s);

static void tell(const char *who, const char *what)
{
    size_t used = strlen(p.story);
    snprintf(p.story + used, STORY - used, "%s%s %s", used ? ", " : "", who, what);
}

static void tell_of(const char *who, const struct approach_step *s)
{
    char line[DK_LINE_MAX] = "";
    switch (s->what) {
    case APPROACH_SEND:
        dk_message_describe(s->sdu, line);
        break;
    case APPROACH_WANTED:
        snprintf(line, sizeof line, "wanted %02x", s->event);
        break;
    case APPROACH_APDU:
        snprintf(line, sizeof line, "apdu %d", (int)s->type);
        break;
    case APPROACH_REFUSED:
    case APPROACH_OVER:
        snprintf(line, sizeof line, "%s %s", s->what == APPROACH_OVER ? "over" : "refused",
                 err_name(s->reason));
        break;
    case APPROACH_READY:
        snprintf(line, sizeof line, "ready");
        break;
    case APPROACH_STORE_BOND:
        snprintf(line, sizeof line, "bond %02x", s->bond->address[0]);
        break;
    default:
        return;
    }
    tell(who, line);
}

/* Keys and encryption of both ends, as the radio brings them. */
static void pair_over_the_air(void)
{
    if (!p.added_by_vehicle && !p.one_way) {
        phone_does(approach_failed(&p.phone.both));
        vehicle_does(approach_failed(&p.vehicle.both));
        return;
    }
    vehicle_does(approach_identity(&p.vehicle.both, phone_oob.address, irk));
    vehicle_does(approach_ltk(&p.vehicle.both, true, 16, ltk));
    vehicle_does(approach_encrypted(&p.vehicle.both, 4, 16));
    phone_does(approach_identity(&p.phone.both, vehicle_oob.address, irk));
    phone_does(approach_ltk(&p.phone.both, true, 16, ltk));
    phone_does(approach_encrypted(&p.phone.both, 4, 16));
}

static void vehicle_does(struct approach_step s)
{
    for (; s.what != APPROACH_WAIT && !p.vehicle_over; s = approach_proceed(&p.vehicle.both)) {
        tell_of("v", &s);
        if (s.what == APPROACH_SEND && !p.mute)
            phone_does(device_approach_input(&p.phone, s.sdu));
        else if (s.what == APPROACH_READ_OOB)
            vehicle_does(vehicle_approach_oob(&p.vehicle, &vehicle_oob));
        else if (s.what == APPROACH_ADD_OOB)
            p.added_by_vehicle = memcmp(s.oob, &phone_oob, sizeof phone_oob) == 0;
        else if (s.what == APPROACH_STORE_BOND)
            vehicle_does(vehicle_approach_stored(&p.vehicle, ERR_OK));
        else if (s.what == APPROACH_OVER) {
            p.vehicle_over = true;
            p.vehicle_ended = s.reason;
            return;
        }
    }
}

static void phone_does(struct approach_step s)
{
    for (; s.what != APPROACH_WAIT && !p.phone_over; s = approach_proceed(&p.phone.both)) {
        tell_of("p", &s);
        if (s.what == APPROACH_SEND) {
            memcpy(p.last, s.sdu.p, s.sdu.len);
            p.last_len = s.sdu.len;
            if (!p.mute)
                vehicle_does(vehicle_approach_input(&p.vehicle, s.sdu));
        } else if (s.what == APPROACH_READ_OOB)
            phone_does(device_approach_oob(&p.phone, &phone_oob));
        else if (s.what == APPROACH_ADD_OOB)
            p.added_by_phone = memcmp(s.oob, &vehicle_oob, sizeof vehicle_oob) == 0;
        else if (s.what == APPROACH_PAIR)
            pair_over_the_air();
        else if (s.what == APPROACH_STORE_BOND)
            phone_does(device_approach_stored(&p.phone, ERR_OK));
        else if (s.what == APPROACH_OVER) {
            p.phone_over = true;
            p.phone_ended = s.reason;
            return;
        }
    }
}

static void set_key(struct vehicle_key *k, uint8_t number)
{
    *k = (struct vehicle_key){.state = VEHICLE_KEY_ACTIVE, .slot = {.len = 8}};
    k->slot.b[7] = number;
    memset(k->key_id, number, sizeof k->key_id);
    memset(k->kble_intro, 0x10 + number, CCC_KEY);
    memset(k->kble_oob_master, 0x20 + number, CCC_KEY);
}

/* Before each test: a vehicle with keys 1 and 2, the phone of key 2. */
static void begin(void)
{
    memset(&p, 0, sizeof p);
    set_key(&p.keys[0], 1);
    set_key(&p.keys[1], 2);
    p.vehicle = (struct vehicle_approach){.both.crypto = test_crypto(), .keys = p.keys, .n_keys = 2};
    p.phone = (struct device_approach){.both.crypto = test_crypto()};
    cr_assert(eq(int,
                 first_approach_keys_make(test_crypto(), p.keys[1].kble_intro, p.keys[1].kble_oob_master,
                                          span_of(p.keys[1].slot.b, 8), &p.phone_keys),
                 ERR_OK));
}

TestSuite(approach, .init = begin);

#define FIRST_STORY                                                                                         \
    "p Supplementary First_Approach_RQ, 70 bytes, v Supplementary First_Approach_RS, 50 bytes, v bond d1, " \
    "p bond c1, p Supplementary Time_Sync, 23 bytes, v ready, p ready"

Test(approach, first)
{
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    phone_does(device_approach_begin(&p.phone, &p.phone_keys));
    cr_expect(eq(str, p.story, FIRST_STORY));
    cr_expect(p.added_by_vehicle);
    cr_expect(p.added_by_phone);
    cr_expect(eq(int, p.vehicle.both.state, AP_READY));
    cr_expect(eq(int, p.phone.both.state, AP_READY));
    cr_expect(memcmp(p.vehicle.key_id, p.keys[1].key_id, ENDPOINT_KEY_ID) == 0, "the second key");
}

Test(approach, with_a_bond)
{
    vehicle_does(vehicle_approach_begin(&p.vehicle, &p.keys[0], 4, 16));
    phone_does(device_approach_begin_bonded(&p.phone, 4, 16));
    cr_expect(eq(str, p.story, "p Supplementary Time_Sync, 23 bytes, v ready, p ready"));
    phone_does(device_approach_want(&p.phone));
    vehicle_does(vehicle_approach_input(&p.vehicle, span_of("\x01\x0C\x00\x02\x90\x00", 6)));
    phone_does(device_approach_input(&p.phone, span_of("\x01\x0B\x00\x01\x00", 5)));
    cr_expect(eq(str, p.story + strlen("p Supplementary Time_Sync, 23 bytes, v ready, p ready"),
                 ", p Event notification, 2 bytes, v wanted 03, v apdu 1, p apdu 1"));
}

Test(approach, owner_pairing_then_the_first)
{
    p.vehicle.may_pair = true;
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    phone_does(device_approach_begin_pairing(&p.phone));
    phone_does(device_approach_input(&p.phone, span_of("\x00\x0B\x00\x01\x00", 5)));
    vehicle_does(vehicle_approach_input(&p.vehicle, span_of("\x00\x0C\x00\x02\x90\x00", 6)));
    cr_expect(eq(str, p.story, "p Event notification, 2 bytes, v wanted 04, p apdu 0, v apdu 0"));
    p.story[0] = '\0';
    device_approach_use(&p.phone, &p.phone_keys);
    vehicle_does(vehicle_approach_accepted(&p.vehicle));
    cr_expect(eq(str, p.story, "v Event notification, 2 bytes, " FIRST_STORY));
}

/* What the phone says to a vehicle in a state, and what becomes of it. */
enum { IN_CLEAR, IN_OWNER_PAIRING, IN_PAIRING, IN_SECURE, IN_READY, IN_STATES };
enum {
    SAY_RQ,
    SAY_RQ_SHORT,
    SAY_TIME,
    SAY_WANT,
    SAY_PAIR,
    SAY_SE,
    SAY_FRAMEWORK,
    SAY_CUT,
    SAY_UNKNOWN,
    SAYS
};

static const char *const outcomes[SAYS][IN_STATES] = {
    /*                 CLEAR             OWNER_PAIRING            PAIRING        SECURE          READY */
    [SAY_RQ] = {"PAIRING", "OWNER_PAIRING UNEXPECTED", "OVER UNEXPECTED", "OVER UNEXPECTED",
                "READY UNEXPECTED"},
    [SAY_RQ_SHORT] = {"OVER MALFORMED", "OWNER_PAIRING UNEXPECTED", "OVER UNEXPECTED", "OVER UNEXPECTED",
                      "READY UNEXPECTED"},
    [SAY_TIME] = {"OVER UNEXPECTED", "OWNER_PAIRING UNEXPECTED", "OVER UNEXPECTED", "READY", "READY"},
    [SAY_WANT] = {"OVER UNEXPECTED", "OWNER_PAIRING UNEXPECTED", "PAIRING UNEXPECTED", "SECURE UNEXPECTED",
                  "READY"},
    [SAY_PAIR] = {"OWNER_PAIRING", "OWNER_PAIRING UNEXPECTED", "PAIRING UNEXPECTED", "SECURE UNEXPECTED",
                  "READY UNEXPECTED"},
    [SAY_SE] = {"OVER UNEXPECTED", "OWNER_PAIRING UNEXPECTED", "OVER UNEXPECTED", "OVER UNEXPECTED", "READY"},
    [SAY_FRAMEWORK] = {"OVER UNEXPECTED", "OWNER_PAIRING", "OVER UNEXPECTED", "OVER UNEXPECTED",
                       "READY UNEXPECTED"},
    [SAY_CUT] = {"OVER TRUNCATED", "OWNER_PAIRING TRUNCATED", "OVER TRUNCATED", "OVER TRUNCATED",
                 "READY TRUNCATED"},
    [SAY_UNKNOWN] = {"OVER UNEXPECTED", "OWNER_PAIRING UNEXPECTED", "OVER UNEXPECTED", "OVER UNEXPECTED",
                     "READY UNEXPECTED"},
};

static void bring_vehicle_to(int state)
{
    static const enum approach_state states[IN_STATES] = {AP_CLEAR, AP_OWNER_PAIRING, AP_PAIRING, AP_SECURE,
                                                          AP_READY};
    begin();
    p.mute = true;
    p.vehicle.may_pair = true;
    p.vehicle.both.state = states[state];
}

static struct span words_of(int say, uint8_t out[128])
{
    static const uint8_t apdu[] = {0x90, 0x00}, want[] = {1, 3}, pairing[] = {1, 4};
    uint8_t time[TIME_SYNC_LENGTH] = {0};
    struct wr w = wr_of(out, 128);
    if (say == SAY_RQ || say == SAY_RQ_SHORT) {
        phone_does(device_approach_begin(&p.phone, &p.phone_keys));
        memcpy(out, p.last, p.last_len);
        w.len = p.last_len;
        if (say == SAY_RQ_SHORT) { /* its own length is right */
            out[3]--;
            w.len--;
        }
    } else if (say == SAY_TIME)
        dk_message_put(&w, &(struct dk_message){DK_SUPPLEMENTARY, DK_TIME_SYNC, span_of(time, sizeof time)});
    else if (say == SAY_WANT || say == SAY_PAIR)
        dk_message_put(&w, &(struct dk_message){DK_EVENT, DK_EVENT_NOTIFICATION,
                                                span_of(say == SAY_WANT ? want : pairing, 2)});
    else if (say == SAY_SE || say == SAY_FRAMEWORK)
        dk_message_put(
            &w, &(struct dk_message){say == SAY_SE ? DK_SE : DK_FRAMEWORK, DK_APDU_RS, span_of(apdu, 2)});
    else
        wr_copy(&w, say == SAY_CUT ? "\x01\x0C\x00" : "\x06\x01\x00\x00", say == SAY_CUT ? 3 : 4);
    return span_of(out, w.len);
}

static const char *outcome(const struct approach_step *s, enum err reason, char out[64])
{
    const char *why = err_name(s->what == APPROACH_REFUSED ? s->reason : reason);
    bool bad = s->what == APPROACH_REFUSED || p.vehicle.both.state == AP_OVER;
    snprintf(out, 64, "%s%s%s", approach_state_name(p.vehicle.both.state), bad ? " " : "",
             bad ? why + (strncmp(why, "MSG_", 4) == 0 ? 4 : 0) : "");
    return out;
}

Test(approach, every_message_in_every_state)
{
    for (int say = 0; say < SAYS; say++)
        for (int state = 0; state < IN_STATES; state++) {
            uint8_t bytes[128];
            char text[64];
            bring_vehicle_to(state);
            struct approach_step s = vehicle_approach_input(&p.vehicle, words_of(say, bytes)), first = s;
            enum err reason = ERR_OK;
            for (; s.what != APPROACH_WAIT; s = approach_proceed(&p.vehicle.both)) {
                if (s.what == APPROACH_READ_OOB)
                    vehicle_approach_oob(&p.vehicle, &vehicle_oob);
                if (s.what == APPROACH_OVER)
                    reason = s.reason;
            }
            cr_expect(eq(str, (char *)outcome(&first, reason, text), (char *)outcomes[say][state]),
                      "message %d in state %d", say, state);
        }
}

/* ---- how much is refused ---- */

static const uint8_t no_message[] = {6, 1, 0, 0};

static enum err say_to(bool vehicle, size_t *refused)
{
    struct approach *both = vehicle ? &p.vehicle.both : &p.phone.both;
    const struct span sdu = span_of(no_message, sizeof no_message);
    struct approach_step s =
        vehicle ? vehicle_approach_input(&p.vehicle, sdu) : device_approach_input(&p.phone, sdu);
    enum err over = ERR_OK;
    for (; s.what != APPROACH_WAIT; s = approach_proceed(both)) {
        *refused += s.what == APPROACH_REFUSED;
        if (s.what == APPROACH_OVER)
            over = s.reason;
    }
    return over;
}

Test(approach, either_end_has_had_enough_after_so_many_messages)
{
    for (int vehicle = 0; vehicle < 2; vehicle++) {
        size_t refused = 0;
        begin();
        vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
        phone_does(device_approach_begin(&p.phone, &p.phone_keys));
        cr_assert(eq(int, p.vehicle.both.state, AP_READY));
        for (unsigned i = 1; i < APPROACH_REFUSALS_MAX; i++)
            cr_assert(eq(int, say_to(vehicle, &refused), ERR_OK), "message %u", i);
        cr_expect(eq(int, say_to(vehicle, &refused), ERR_DK_REFUSALS));
        cr_expect(eq(int, (vehicle ? &p.vehicle.both : &p.phone.both)->state, AP_OVER));
        cr_expect(eq(int, say_to(vehicle, &refused), ERR_OK));
        cr_expect(eq(sz, refused, APPROACH_REFUSALS_MAX), "nor is anything more refused");
    }
}

/* ---- who may not come in ---- */

static void expect_end(const char *what, enum err vehicle, enum approach_state state)
{
    cr_expect(eq(int, p.vehicle_ended, vehicle), "%s: %s", what, err_name(p.vehicle_ended));
    cr_expect(eq(int, p.vehicle.both.state, state), "%s", what);
    cr_expect(strstr(p.story, "bond") == NULL, "%s: %s", what, p.story);
}

Test(approach, request_of_another_vehicles_key)
{
    p.keys[1].kble_intro[0] ^= 1;
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    phone_does(device_approach_begin(&p.phone, &p.phone_keys));
    expect_end("another intro key", ERR_DK_UNKNOWN_KEY, AP_OVER);
    cr_expect(eq(int, p.phone_ended, ERR_DK_UNKNOWN_KEY));
}

Test(approach, request_of_a_terminated_key)
{
    p.keys[1].state = VEHICLE_KEY_TERMINATED;
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    phone_does(device_approach_begin(&p.phone, &p.phone_keys));
    expect_end("terminated", ERR_DK_UNKNOWN_KEY, AP_OVER);
}

Test(approach, changed_out_of_band_data)
{
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    p.mute = true;
    phone_does(device_approach_begin(&p.phone, &p.phone_keys));
    p.last[DK_MESSAGE_HEADER + 30] ^= 1;
    vehicle_does(vehicle_approach_input(&p.vehicle, span_of(p.last, p.last_len)));
    expect_end("changed", ERR_SIGNATURE_INVALID, AP_OVER);
    cr_expect_not(p.added_by_vehicle);
}

/* Bluetooth would call it authenticated: keys without the approach that they belong to. */
Test(approach, keys_that_nobody_asked_for)
{
    p.mute = true;
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    vehicle_does(approach_ltk(&p.vehicle.both, true, 16, ltk));
    expect_end("in the clear", ERR_DK_BOND, AP_OVER);
}

static const struct {
    const char *what;
    bool authenticated;
    unsigned ltk_size, level, size;
    uint8_t address;
    enum err reason;
} weak[] = {
    {"not authenticated", false, 16, 4, 16, 0xD1, ERR_DK_LINK_WEAK},
    {"short key", true, 7, 4, 16, 0xD1, ERR_DK_LINK_WEAK},
    {"level 3", true, 16, 3, 16, 0xD1, ERR_DK_LINK_WEAK},
    {"short link key", true, 16, 4, 15, 0xD1, ERR_DK_LINK_WEAK},
    {"another's identity", true, 16, 4, 16, 0xD2, ERR_DK_OOB},
};

Test(approach, keys_that_are_too_weak)
{
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        uint8_t address[APPROACH_ADDRESS], bytes[128];
        begin();
        p.mute = true;
        vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
        vehicle_does(vehicle_approach_input(&p.vehicle, words_of(SAY_RQ, bytes)));
        cr_assert(eq(int, p.vehicle.both.state, AP_PAIRING));
        memcpy(address, phone_oob.address, sizeof address);
        address[0] = weak[i].address;
        vehicle_does(approach_identity(&p.vehicle.both, address, irk));
        vehicle_does(approach_ltk(&p.vehicle.both, weak[i].authenticated, weak[i].ltk_size, ltk));
        vehicle_does(approach_encrypted(&p.vehicle.both, weak[i].level, weak[i].size));
        expect_end(weak[i].what, weak[i].reason, AP_OVER);
    }
}

Test(approach, the_phone_wants_a_strong_link_too)
{
    p.mute = true;
    phone_does(device_approach_begin_bonded(&p.phone, 1, 0));
    cr_expect(eq(int, p.phone_ended, ERR_DK_LINK_WEAK));
    begin();
    p.mute = true;
    phone_does(device_approach_begin(&p.phone, &p.phone_keys));
    phone_does(approach_ltk(&p.phone.both, true, 16, ltk));
    cr_expect(eq(int, p.phone_ended, ERR_DK_BOND), "before the vehicle's data");
}

Test(approach, no_command_reaches_the_applet_in_the_clear)
{
    p.mute = true;
    phone_does(device_approach_begin(&p.phone, &p.phone_keys));
    phone_does(device_approach_input(&p.phone, span_of("\x01\x0B\x00\x01\x00", 5)));
    cr_expect(strstr(p.story, "p refused MSG_UNEXPECTED") != NULL);
    cr_expect(strstr(p.story, "apdu") == NULL);
}

Test(approach, a_store_that_refuses)
{
    uint8_t bytes[128];
    p.mute = true;
    vehicle_does(vehicle_approach_begin(&p.vehicle, NULL, 1, 0));
    vehicle_does(vehicle_approach_input(&p.vehicle, words_of(SAY_RQ, bytes)));
    p.vehicle.both.state = AP_STORING;
    vehicle_does(vehicle_approach_stored(&p.vehicle, ERR_STORE_FAILED));
    expect_end("refused", ERR_STORE_FAILED, AP_OVER);
}

/* ---- time ---- */

static const struct {
    enum approach_state state;
    unsigned patience_ms;
    enum approach_state then;
} patience[] = {
    {AP_CLEAR, 5000, AP_OVER},   {AP_OWNER_PAIRING, 0, AP_OWNER_PAIRING},
    {AP_READING, 0, AP_READING}, {AP_PAIRING, 30000, AP_OVER},
    {AP_STORING, 0, AP_STORING}, {AP_SECURE, 5000, AP_OVER},
    {AP_READY, 0, AP_READY},
};

Test(approach, patience)
{
    for (size_t i = 0; i < sizeof patience / sizeof patience[0]; i++) {
        begin();
        p.vehicle.both.state = patience[i].state;
        cr_expect(eq(uint, vehicle_approach_patience_ms(&p.vehicle), patience[i].patience_ms));
        vehicle_does(vehicle_approach_late(&p.vehicle));
        cr_expect(eq(int, p.vehicle.both.state, patience[i].then), "%s",
                  approach_state_name(patience[i].state));
        if (patience[i].then == AP_OVER)
            cr_expect(eq(int, p.vehicle_ended, ERR_DK_TIMEOUT));
    }
}

/* ---- bytes ---- */

Test(approach, time_sync)
{
    static const uint8_t bytes[TIME_SYNC_LENGTH] = {0, 0,    0,    0,    0, 0, 0, 5,   0, 0,    0,   0,
                                                    0, 0x0F, 0x42, 0x40, 7, 1, 0, 100, 1, 0x01, 0x02};
    struct time_sync t;
    uint8_t again[TIME_SYNC_LENGTH];
    cr_assert(eq(int, time_sync_parse(span_of(bytes, sizeof bytes), &t), ERR_OK));
    cr_expect(eq(u64, t.event_count, 5));
    cr_expect(eq(u64, t.device_us, 1000000));
    cr_expect(eq(u16, t.max_ppm, 100));
    cr_expect(eq(u16, t.retry_delay_ms, 0x0102));
    time_sync_put(&t, again);
    cr_expect(memcmp(again, bytes, sizeof bytes) == 0);
    cr_expect(eq(int, time_sync_parse(span_of(bytes, 22), &t), ERR_TRUNCATED));
    memcpy(again, bytes, sizeof again);
    again[17] = 2;
    cr_expect(eq(int, time_sync_parse(span_of(again, sizeof again), &t), ERR_BAD_ARGUMENT));
}
