/* A recorded talk over Bluetooth LE against one end of it: the same seed repeats it to the byte, each field
 * that was changed is named, and a log that is not whole is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/replay/compare.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/replay_bench.h"

TestSuite(replay_air, .init = replay_set_up, .fini = replay_tear_down, .timeout = 300);

#define SERVERS "phone,tbe,dos,vos" /* the password comes by the app */

Test(replay_air, the_same_seed_repeats_each_end_to_the_byte)
{
    static const struct {
        const char *scenario, *files, *alone;
        size_t messages; /* at least: SDUs and words of those under test, with what spaak says on its buses */
    } rows[] = {
        {"op06", "op06/dk.log", "phone", 15},
        {"op06", "op06/dk.log op06/can.log", "spaak", 16},
        {"op06", "op06/dk.log op06/can.log", "spaak,phone", 31},
        {"op03-over-ble", "op03-over-ble/dk.log", SERVERS, 38},
        {"op03-over-ble", "op03-over-ble/dk.log op03-over-ble/can.log", "spaak", 71},
        {"passive-entry", "passive-entry/dk.log", "phone", 26},
        {"passive-entry", "passive-entry/dk.log passive-entry/can.log", "spaak", 41},
        {"passive-start", "passive-start/dk.log", "phone", 19},
        {"passive-start", "passive-start/dk.log passive-start/can.log", "spaak", 28},
        {"bond-goes-with-key", "bond-goes-with-key/dk.log bond-goes-with-key/can.log", "spaak",
         77}, /* refused */
        {"op06-two-phones", "op06-two-phones/dk.log op06-two-phones/can.log", "spaak", 22},
        {"op03", "op03/apdu.log op03/can.log op03/dk.log", "spaak", 100},
        {"ble-jammed", "ble-jammed/dk.log ble-jammed/apdu.log", "phone", 26}, /* its clock is in Time_Sync */
    };
    struct replay_result r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i == 0 || strcmp(rows[i].scenario, rows[i - 1].scenario) != 0)
            replay_record(rows[i].scenario, "--world virtual --seed 7");
        cr_assert(replay_file(rows[i].scenario, rows[i].files, rows[i].alone, 7, true, &r), "%s",
                  replay_problem);
        cr_expect(ge(sz, r.compared, rows[i].messages), "%s against %s", rows[i].scenario, rows[i].alone);
        cr_expect(eq(sz, r.compared, r.same), "%s against %s: %s", rows[i].scenario, rows[i].alone,
                  replay_said);
        cr_expect(zero(sz, r.explained + r.different + r.open), "%s against %s: %s", rows[i].scenario,
                  rows[i].alone, replay_said);
    }
}

Test(replay_air, without_a_trace_people_act_as_late_as_the_record_allows)
{
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    cr_assert(
        eq(int, launch_run(replay_said, sizeof replay_said, "rm '%s/op06/trace.jsonl'", replay_place), 0));
    cr_assert(replay_file("op06", "op06/dk.log", "phone", 7, true, &r), "%s", replay_problem);
    cr_expect(eq(sz, r.same, 15), "%s", replay_said);
    cr_expect(zero(sz, r.different + r.open), "%s", replay_said);
}

/* All of the link at one instant: what is played waits for what came before it, and a phone takes its time
 * for SPAKE2+. Only its clock tells. */
Test(replay_air, who_is_later_than_in_the_record_is_waited_for)
{
    struct replay_result r;
    replay_record("op03-over-ble", "--world virtual --seed 7");
    cr_assert(
        eq(int,
           launch_run(replay_said, sizeof replay_said,
                      "cd '%s/op03-over-ble' && awk '/ phone .* tells connect/ {t = $1} {if (t) $1 = t; "
                      "print}' dk.log >squeezed.log && ! cmp -s dk.log squeezed.log",
                      replay_place),
           0),
        "%s", replay_said);
    cr_assert(replay_file("op03-over-ble", "op03-over-ble/squeezed.log", SERVERS, 7, false, &r), "%s",
              replay_problem);
    cr_expect(eq(sz, r.compared, 38), "%s", replay_said);
    cr_expect(eq(sz, r.explained, 1), "%s", replay_said);
    cr_expect(zero(sz, r.different + r.open), "%s", replay_said);
    cr_expect(replay_has(replay_said, "Time_Sync: device time: of the phone's own clock"), "%s", replay_said);
}

Test(replay_air, dk_log_of_a_seed_needs_can_log_for_who_stands_on_a_bus)
{
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    cr_expect(not(replay_file("op06", "op06/dk.log", "spaak", 7, true, &r)));
    cr_expect(replay_has(replay_problem, "spaak speaks on the bus and by Bluetooth LE"), "%s",
              replay_problem);
}

Test(replay_air, another_seed_is_another_run)
{
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    cr_assert(replay_file("op06", "op06/dk.log", "phone", 8, true, &r), "%s", replay_problem);
    cr_expect(replay_has(r.first, "tells identity: address: "), "%s", r.first);
    cr_assert(replay_file("op06", "op06/dk.log op06/can.log", "spaak", 8, true, &r), "%s", replay_problem);
    cr_expect(replay_has(replay_said, "tells advertise: address: "), "%s", replay_said);
}

/* ---- a changed byte ---- */

/* Turns a bit of that byte of SDUs that begin so, wherever `mark` has them: '>' leave, '<' reach; 0: both. */
static void change(const char *text, char mark, const char *begins, size_t byte)
{
    char *copy = strdup(text);
    size_t changed = 0;
    for (char *at = strpbrk(copy, "<>"); at; at = strpbrk(at + 1, "<>"))
        if ((!mark || *at == mark) && strncmp(at + 2, begins, strlen(begins)) == 0) {
            static const char digits[] = "0123456789abcdef";
            char *digit = at + 2 + 2 * byte + 1;
            *digit = digits[(strchr(digits, *digit) - digits) ^ 1];
            changed++;
        }
    cr_assert(ge(sz, changed, 1), "%s", begins);
    replay_write("op06/changed.log", copy, strlen(copy));
    free(copy);
}

static char *log_of(const char *scenario)
{
    char folder[100];
    snprintf(folder, sizeof folder, "%s/%s", replay_place, scenario);
    char *text = launch_file(folder, "dk.log");
    cr_assert(ne(ptr, text, NULL));
    return text;
}

/* Of what those under test say themselves. */
Test(replay_air, each_field_that_was_changed_is_named)
{
    static const struct {
        const char *begins;
        size_t byte;
        const char *alone, *says;
    } rows[] = {
        {"05020046", 0, "phone", "message type: byte 1 of 1 is 04"},
        {"05020046", 1, "phone", "message id: "},
        {"05020046", 3, "phone", "length: "},
        {"05020046", 4, "phone", "First_Approach_RQ: key identifier: byte 1 of 8 "},
        {"05020046", 19, "phone", "First_Approach_RQ: nonce 1: byte 8 of 8 "},
        {"05020046", 20, "phone", "First_Approach_RQ: tag 1: byte 1 of 4 "},
        {"05020046", 24, "phone", "First_Approach_RQ: out-of-band data: byte 1 of 38 "},
        {"05020046", 62, "phone", "First_Approach_RQ: nonce 2: byte 1 of 8 "},
        {"05020046", 73, "phone", "First_Approach_RQ: tag 2: byte 4 of 4 "},
        {"05030032", 4, "spaak", "First_Approach_RS: out-of-band data: byte 1 of 38 "},
        {"05030032", 42, "spaak", "First_Approach_RS: nonce: byte 1 of 8 "},
        {"05030032", 50, "spaak", "First_Approach_RS: tag: byte 1 of 4 "},
        {"05010017", 11, "phone", "Time_Sync: event count: byte 8 of 8 "},
        {"05010017", 12, "phone", "Time_Sync: device time: byte 1 of 8 "},
        {"05010017", 20, "phone", "Time_Sync: uncertainty: byte 1 of 1 "},
        {"05010017", 21, "phone", "Time_Sync: skew available: "},
        {"05010017", 23, "phone", "Time_Sync: max ppm: byte 2 of 2 "},
        {"05010017", 24, "phone", "Time_Sync: success: "},
        {"05010017", 26, "phone", "Time_Sync: retry delay: byte 2 of 2 "},
        {"010b0013", 9, "spaak", "DK_APDU_RQ, SELECT: data: byte 1 of 13 "},
        {"010b0069", 20, "spaak", "DK_APDU_RQ, AUTH0: 87 vehicle_ePK: byte 6 of 65 "},
        {"010b001e", 10, "spaak", "DK_APDU_RQ, EXCHANGE: ciphertext: byte 2 of 24 "},
        {"010b0004", 6, "spaak", "CONTROL FLOW: P1: "},
        {"010c0006", 5, "phone", "DK_APDU_RS, answer to SELECT: data: byte 2 of 4 "},
        {"010c0057", 20, "phone", "DK_APDU_RS, answer to AUTH0: 86 endpoint_ePK: byte 15 of 65 "},
        {"010c0057", 80, "phone", "DK_APDU_RS, answer to AUTH0: 9D cryptogram: byte 8 of 16 "},
        {"010c001a", 4, "phone", "DK_APDU_RS, answer to EXCHANGE: ciphertext: byte 1 of 24 "},
        {"03010002", 4, "spaak", "DK_Event: category: "},
        {"03010002", 5, "spaak", "DK_Event: code: byte 1 of 1 is 01 in the record, now 00"},
    };
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    char *text = log_of("op06");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool phone = strcmp(rows[i].alone, "phone") == 0;
        change(text, 0, rows[i].begins, rows[i].byte);
        cr_assert(replay_file("op06", phone ? "op06/changed.log" : "op06/changed.log op06/can.log",
                              rows[i].alone, 7, true, &r),
                  "%s", replay_problem);
        cr_expect(replay_has(r.first, rows[i].says), "%s %zu: %s", rows[i].begins, rows[i].byte, r.first);
        cr_expect(eq(sz, r.different, 1), "%s %zu: %s", rows[i].begins, rows[i].byte, replay_said);
    }
    free(text);
}

/* Of what is played to them the answer differs. */
Test(replay_air, a_changed_byte_that_is_played_is_found)
{
    static const struct {
        const char *begins;
        size_t byte;
        const char *alone, *says;
    } rows[] = {
        {"05020046", 30, "spaak", "First_Approach_RS: message type: byte 1 of 1 is 05 in the record, now 03"},
        {"05030032", 10, "phone", "Time_Sync: message type: byte 1 of 1 is 05 in the record, now 03"},
        {"05010017", 3, "spaak", ""},
        {"010b0069", 20, "phone", "DK_APDU_RS, answer to AUTH0: "},
        {"010b001e", 10, "phone", "DK_APDU_RS, answer to EXCHANGE: "},
        {"010c0057", 80, "spaak", "DK_APDU_RQ, "},
        {"010c001a", 6, "spaak", "DK_APDU_RQ, "},
    };
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    char *text = log_of("op06");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool phone = strcmp(rows[i].alone, "phone") == 0;
        change(text, 0, rows[i].begins, rows[i].byte);
        cr_assert(replay_file("op06", phone ? "op06/changed.log" : "op06/changed.log op06/can.log",
                              rows[i].alone, 7, true, &r),
                  "%s", replay_problem);
        cr_expect(ne(sz, r.different, 0), "%s", rows[i].begins);
        cr_expect(replay_has(r.first, rows[i].says), "%s: %s", rows[i].begins, r.first);
    }
    free(text);
}

/* A byte of one of the two lines only, whichever is under test. */
Test(replay_air, an_sdu_that_left_otherwise_than_it_arrived_is_told)
{
    static const struct {
        char mark;
        const char *begins;
        size_t byte;
        const char *says;
    } rows[] = {
        {'>', "05030032", 4,
         "differs    changed.log:24  First_Approach_RS: out-of-band data: byte 1 of 38 is "},
        {'<', "05030032", 50, "differs    changed.log:24  First_Approach_RS: tag: byte 1 of 4 is "},
        {'>', "010c0057", 80, "DK_APDU_RS, answer to AUTH0: 9D cryptogram: byte 8 of 16 is "},
        {'<', "03010002", 5,
         "DK_Event: code: byte 1 of 1 is 00 where it leaves, 01 where it reaches phone (line"},
        {'<', "03010002", 3, "length: "},
    };
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    char *text = log_of("op06");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        change(text, rows[i].mark, rows[i].begins, rows[i].byte);
        for (int k = 0; k < 2; k++) {
            cr_assert(replay_file("op06", k ? "op06/changed.log" : "op06/changed.log op06/can.log",
                                  k ? "phone" : "spaak", 7, true, &r),
                      "%s", replay_problem);
            cr_expect(replay_has(replay_said, rows[i].says), "%s", replay_said);
            cr_expect(replay_has(replay_said, " where it leaves, "), "%s", replay_said);
        }
    }
    free(text);
}

Test(replay_air, changed_words_are_named)
{
    static const struct {
        const char *sed, *alone, *says;
    } rows[] = {
        {"s/ - - tells listen 0080 512/ - - tells listen 0081 512/", "spaak", "tells listen: SPSM: 0081 in"},
        {"s/tells listen 0080 512/tells listen 0080 511/", "spaak",
         "tells listen: number: 511 in the record, now"},
        {"s/spaak - - tells oob-of ....../spaak - - tells oob-of 000000/", "spaak",
         "tells oob-of: address: 000000"},
        {"s/phone - - tells scan$/phone - - tells oob/", "phone", "tells oob: oob in the record, now scan"},
        {"s/random tells open 0080 512/random tells open 0080 513/", "phone", "tells open: number: 513 in"},
        {"s/random tells read D3/random tells read D4/", "phone", "tells read: attribute: D4B5"},
        {"s/44D3EB31D262.random tells open/440000000000\\/random tells open/", "phone",
         "tells open: to 440000000000/random in the record, now to 44D3"},
        {"s/phone - - hears oob ../phone - - hears oob 00/", "phone",
         "hears oob: confirm value: that of the"},
        {"/phone .* hears up/d", "phone", "did not come"},
        {"/spaak .* tells advertise/d", "spaak", "tells oob: oob in the record, now advertise"},
    };
    struct replay_result r;
    replay_record("op06", "--world virtual --seed 7");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool phone = strcmp(rows[i].alone, "phone") == 0;
        cr_assert(eq(int,
                     launch_run(replay_said, sizeof replay_said,
                                "cd '%s/op06' && sed '%s' dk.log >changed.log && ! cmp -s dk.log changed.log",
                                replay_place, rows[i].sed),
                     0),
                  "%s", rows[i].sed);
        cr_assert(replay_file("op06", phone ? "op06/changed.log" : "op06/changed.log op06/can.log",
                              rows[i].alone, 7, true, &r),
                  "%s: %s", rows[i].sed, replay_problem);
        cr_expect(ne(sz, r.different, 0), "%s", rows[i].sed);
        cr_expect(replay_has(replay_said, rows[i].says), "%s: %s", rows[i].sed, replay_said);
    }
}

/* ---- real time ---- */

Test(replay_air, of_a_run_in_real_time_only_what_is_new_differs)
{
    static const struct {
        const char *scenario, *alone, *says;
    } rows[] = {
        {"op06", "phone", "ends here: the record goes on with a vehicle that is known by its address"},
        {"op06", "spaak", "ends here: the record goes on with First_Approach_RQ"},
        {"op03-over-ble", SERVERS,
         "DK_APDU_RS, answer to SPAKE2+ REQUEST: 50 X: a new random number\nends here: the record goes on "
         "with "
         "SPAKE2+ VERIFY"},
    };
    struct replay_result r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char file[60], both[120];
        snprintf(file, sizeof file, "%s/dk.log", rows[i].scenario);
        snprintf(both, sizeof both, "%s %s/can.log", file, rows[i].scenario);
        if (i != 1)
            replay_record(rows[i].scenario, "");
        cr_assert(replay_file(rows[i].scenario, file, rows[i].alone, 1, false, &r), "%s", replay_problem);
        cr_expect(zero(sz, r.different), "%s", replay_said);
        cr_expect(ne(sz, r.explained, 0), "%s", replay_said);
        cr_expect(ne(sz, r.open, 0), "%s", replay_said);
        cr_expect(replay_has(replay_said, rows[i].says), "%s", replay_said);
        cr_assert(replay_file(rows[i].scenario, both, rows[i].alone, 1, false, &r), "%s", replay_problem);
        cr_expect(zero(sz, r.different), "%s", replay_said);
    }
    cr_assert(
        zero(int, launch_run(replay_said, sizeof replay_said, "rm '%s/op06/trace.jsonl'", replay_place)));
    cr_expect(not(replay_file("op06", "op06/dk.log op06/can.log", "phone", 1, false, &r)));
    cr_expect(replay_has(replay_problem, "have two clocks, and no trace.jsonl"), "%s", replay_problem);
}

/* ---- files ---- */

Test(replay_air, a_log_that_is_not_whole_is_refused)
{
#define LINE "   1.000 ms  phone spaak 44D3EB31D262/random "
    static const struct {
        const char *text, *says;
    } rows[] = {
        {LINE "> 0301", ":1: the file ends in the middle of a line"},
        {LINE "> 030\n", ":1: these are not whole bytes in hex"},
        {LINE "> 03zz\n", ":1: these are not whole bytes in hex"},
        {LINE "> \n", ":1: these are not whole bytes in hex"},
        {LINE ">\n", ":1: not a line of a dk.log"},
        {LINE "> 0301\n" LINE "= 0301\n", ":2: not a line of a dk.log"},
        {LINE "> 0301\n" LINE "tells nothing\n", ":2: these are no words of Bluetooth LE"},
        {LINE "hears channel 0080\n", ":1: these are no words of Bluetooth LE"},
        {LINE "hears new-ltk 3 16 =000102030405060708090A0B0C0D0E0F\n", ":1: these are no words"},
        {LINE "tries SLEEP scan\n", ":1: nothing is refused with such a reason"},
        {"   1.000 ms  phone spaak 44D3/random > 0301\n", ":1: no address of a link"},
        {"   1.000 ms  phone spaak - > 0301\n", ":1: an SDU goes over a link"},
        {"   1.0 ms  phone spaak 44D3EB31D262/random > 0301\n", ":1: not a line of a dk.log"},
        {LINE "> 0301\nhello\n", ":2: not a line of a dk.log"},
        {"   1.000 ms  wcp spaak 44D3EB31D262/random > 0301\n",
         ":1: op06 has nobody with Bluetooth called \"wcp\""},
        {"   1.000 ms  p2 spaak 44D3EB31D262/random > 0301\n",
         ":1: op06 has nobody with Bluetooth called \"p2\""},
        {"   1.000 ms  spaak phone 44D3EB31D262/random > 0301\n", "nothing in the record is said by those"},
        {LINE "< 0301\n", "nothing in the record is said by those"},
    };
    struct replay_result r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        replay_write("bad.log", rows[i].text, strlen(rows[i].text));
        cr_expect(not(replay_file("op06", "bad.log", "phone", 1, false, &r)), "%s", rows[i].text);
        cr_expect(replay_has(replay_problem, rows[i].says), "%s: %s", rows[i].says, replay_problem);
    }
    replay_write("bad.log", LINE "> 00\00001\n", sizeof LINE + 8);
    cr_expect(not(replay_file("op06", "bad.log", "phone", 1, false, &r)));
    cr_expect(replay_has(replay_problem, ":1: a byte of value zero"), "%s", replay_problem);
}

Test(replay_air, what_is_longer_than_an_sdu_is_refused)
{
    static char text[10000] = LINE "> ";
    struct replay_result r;
    size_t at = strlen(text);
    memset(text + at, '0', 4098);
    strcpy(text + at + 4098, "\n");
    replay_write("bad.log", text, strlen(text));
    cr_expect(not(replay_file("op06", "bad.log", "phone", 1, false, &r)));
    cr_expect(replay_has(replay_problem, ":1: longer than an SDU may be"), "%s", replay_problem);
    memset(text + at, '0', 9000);
    strcpy(text + at + 9000, "\n");
    replay_write("bad.log", text, strlen(text));
    cr_expect(not(replay_file("op06", "bad.log", "phone", 1, false, &r)));
    cr_expect(replay_has(replay_problem, ":1: a line is too long"), "%s", replay_problem);
}

/* ---- fields ---- */

Test(replay_air, fields_of_sdus)
{
#define TIME(clock, ppm) \
    "05010017"           \
    "0000000000000001" clock "0000" ppm "010000"
#define RS(data, nonce)                                                                        \
    "05030032" data "000000000000000000000000000000000000000000000000000000000000000000000000" \
    "00" nonce "00000000000000"                                                                \
    "11223344"
    static const struct {
        bool exact, roots;
        const char *recorded, *got;
        enum compare_result result;
        const char *says;
    } rows[] = {
        {true, false, "030100020100", "030100020100", COMPARE_SAME, ""},
        {false, false, "030100020100", "030100020101", COMPARE_DIFFERENT,
         "code: byte 1 of 1 is 00 in the record"},
        {false, true, "030100020100", "030100020200", COMPARE_DIFFERENT, "category: "},
        {false, true, "030100020100", "050100020100", COMPARE_DIFFERENT, "message type: "},
        {false, true, "030100020100", "0301000101", COMPARE_DIFFERENT, "data: 2 bytes in the record, now 1"},
        {false, true, "030100020100", "0301", COMPARE_DIFFERENT, "SDU: 6 bytes in the record, now 2"},
        {false, false, TIME("0000000000000007", "0032"), TIME("0000000000000009", "0032"), COMPARE_EXPLAINED,
         "device time: of the phone's own clock"},
        {true, false, TIME("0000000000000007", "0032"), TIME("0000000000000009", "0032"), COMPARE_DIFFERENT,
         "device time: byte 8 of 8 is 07 in the record, now 09"},
        {false, true, TIME("0000000000000007", "0032"), TIME("0000000000000009", "0033"), COMPARE_DIFFERENT,
         "max ppm: byte 2 of 2 is 32"},
        {false, false, RS("01", "05"), RS("02", "05"), COMPARE_DIFFERENT, "out-of-band data: byte 1 of 38"},
        {false, false, RS("01", "05"), RS("02", "06"), COMPARE_EXPLAINED,
         "out-of-band data: follows from a new random number"},
        {true, true, RS("01", "05"), RS("01", "06"), COMPARE_DIFFERENT, "nonce: byte 1 of 8 is 05"},
        {false, true, "010c00029000", "010c00026985", COMPARE_DIFFERENT, "status 9000"},
        {false, true, "00", "01", COMPARE_DIFFERENT, "message type: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compare c = {.exact = rows[i].exact, .roots = rows[i].roots};
        uint8_t a[200], b[200];
        char text[COMPARE_TEXT] = "";
        long x = hex_decode(rows[i].recorded, strlen(rows[i].recorded), a, sizeof a),
             y = hex_decode(rows[i].got, strlen(rows[i].got), b, sizeof b);
        cr_assert(x > 0 && y > 0, "row %zu", i);
        enum compare_result r = compare_sdu(&c, "phone", span_of(a, (size_t)x), span_of(b, (size_t)y), text);
        cr_expect(eq(int, (int)r, (int)rows[i].result), "row %zu: %s", i, text);
        cr_expect(strncmp(text, rows[i].says, strlen(rows[i].says)) == 0, "row %zu: %s", i, text);
    }
}

Test(replay_air, fields_of_words)
{
#define A "4A1122334455/random"
#define B "4B1122334455/random"
    static const struct {
        bool exact;
        const char *recorded, *got;
        enum compare_result result;
        const char *says;
    } rows[] = {
        {true, "scan", "scan", COMPARE_SAME, ""},
        {false, "scan", "scan-off", COMPARE_DIFFERENT, "scan in the record, now scan-off"},
        {false, "connect " A, "connect " B, COMPARE_EXPLAINED, "address: a new random number"},
        {true, "connect " A, "connect " B, COMPARE_DIFFERENT, "address: " A " in the record, now " B},
        {false, "oob-of " A " 00112233445566778899AABBCCDDEEFF *",
         "oob-of " A " 01112233445566778899AABBCCDDEEFF *", COMPARE_EXPLAINED,
         "confirm value: a new random number"},
        {false, "advertise " A " -", "advertise " B " 00", COMPARE_DIFFERENT,
         "value: - in the record, now 00"},
        {false, "disconnect 13", "disconnect 16", COMPARE_DIFFERENT, "reason: 13 in the record, now 16"},
        {false, "encrypt *", "encrypt *", COMPARE_SAME, ""},
        {false, "attribute 2A07 open 00", "attribute 2A07 encrypted 00", COMPARE_DIFFERENT,
         "who may read: open"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compare c = {.exact = rows[i].exact};
        char text[COMPARE_TEXT] = "";
        enum compare_result r = compare_words(&c, rows[i].recorded, rows[i].got, text);
        cr_expect(eq(int, (int)r, (int)rows[i].result), "row %zu: %s", i, text);
        cr_expect(strncmp(text, rows[i].says, strlen(rows[i].says)) == 0, "row %zu: %s", i, text);
        cr_expect(eq(int, c.roots,
                     rows[i].result == COMPARE_EXPLAINED || strncmp(rows[i].got, "advertise", 9) == 0),
                  "row %zu", i);
    }
}
