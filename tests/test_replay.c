/* A recorded talk against one end of it: the same seed repeats it to the byte, a changed byte is found and
 * named, what a new random number explains is told apart, and a file that is not whole is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/ccc/apdu.h"
#include "sim/commands.h"
#include "sim/replay/compare.h"
#include "sim/replay/replay.h"
#include "sim/run/run.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/replay_bench.h"

#define place   replay_place
#define said    replay_said
#define problem replay_problem

static bool begins(const char *text, const char *part)
{
    return strncmp(text, part, strlen(part)) == 0;
}

TestSuite(replay, .init = replay_set_up, .fini = replay_tear_down, .timeout = 240);

/* ---- the same seed ---- */

Test(replay, the_same_seed_repeats_each_end_to_the_byte)
{
    static const struct {
        const char *scenario, *alone;
        size_t messages; /* at least, of those under test */
    } rows[] = {
        {"unlock", "phone", 10},
        {"unlock", "door", 30},
        {"unlock", "spaak", 20},
        {"unlock", "spaak,door", 50},
        {"unlock", "bcm", 10},
        {"op03", "phone,tbe,dos,vos", 26}, /* its password comes by its app */
        {"op03", "wcp", 90},
        {"op03", "spaak", 90},
        {"op03", "spaak,wcp", 190},
        {"op03", "hu", 1},
        {"op03", "bcm", 15},
        {"owner-pairing", "door", 190}, /* the phone is laid before it, and from it before the pad */
    };
    struct replay_result r;
    replay_record("owner-pairing", "--world virtual --seed 7");
    replay_record("unlock", "--world virtual --seed 7");
    replay_record("op03", "--world virtual --seed 7");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char files[80];
        snprintf(files, sizeof files, "%s/apdu.log %s/can.log", rows[i].scenario, rows[i].scenario);
        cr_assert(replay_file(rows[i].scenario, files, rows[i].alone, 7, true, &r), "%s", problem);
        cr_expect(ge(sz, r.compared, rows[i].messages), "%s", rows[i].alone);
        cr_expect(eq(sz, r.compared, r.same), "%s: %s", rows[i].alone, said);
        cr_expect(zero(sz, r.explained + r.different + r.open), "%s: %s", rows[i].alone, said);
    }
}

Test(replay, without_a_trace_people_act_as_late_as_the_record_allows)
{
    struct replay_result r;
    replay_record("unlock", "--world virtual --seed 7");
    cr_assert(eq(int, launch_run(said, sizeof said, "rm '%s/unlock/trace.jsonl'", place), 0));
    cr_assert(replay_file("unlock", "unlock/apdu.log", "phone", 7, true, &r), "%s", problem);
    cr_expect(eq(sz, r.same, 10));
    cr_expect(zero(sz, r.different + r.open), "%s", said);
    cr_assert(replay_file("unlock", "unlock/apdu.log unlock/can.log", "spaak,door", 7, true, &r), "%s",
              problem);
    cr_expect(eq(sz, r.same, 57));
    cr_expect(zero(sz, r.different + r.open), "%s", said);
}

Test(replay, another_seed_is_another_run)
{
    struct replay_result r;
    replay_record("unlock", "--world virtual --seed 7");
    cr_assert(replay_file("unlock", "unlock/apdu.log", "phone", 8, true, &r), "%s", problem);
    cr_expect(ne(sz, r.different, 0));
    cr_expect(begins(r.first, "answer to AUTH0: 86 endpoint_ePK: byte "), "%s", r.first);
}

/* ---- a changed byte ---- */

/* The record with one bit of that line's first byte turned. False: there is no such line. */
static bool change(const char *text, size_t line)
{
    char *copy = strdup(text), *at = copy;
    for (size_t i = 1; at && i < line; i++)
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    char *hex = at && *at ? strpbrk(at, "<>") : NULL;
    if (hex) {
        hex += 2;
        const char *const digits = "0123456789abcdef";
        hex[1] = digits[(strchr(digits, hex[1]) - digits) ^ 1];
        replay_write("unlock/changed.log", copy, strlen(copy));
    }
    free(copy);
    return hex;
}

Test(replay, a_changed_byte_of_any_apdu_is_found)
{
    struct replay_result r;
    size_t line = 1;
    replay_record("unlock", "--world virtual --seed 7");
    char folder[100];
    snprintf(folder, sizeof folder, "%s/unlock", place);
    char *text = launch_file(folder, "apdu.log");
    for (; change(text, line); line++) {
        char where[60];
        cr_assert(replay_file("unlock", "unlock/changed.log", "phone", 7, true, &r), "%s", problem);
        /* an answer is compared itself; of a command that is played the answer differs, in the next line */
        snprintf(where, sizeof where, "differs    changed.log:%zu ", line + line % 2);
        cr_expect(begins(said, where), "line %zu: %s", line, said);
        cr_expect(ne(sz, r.different, 0));
    }
    cr_expect(eq(sz, line, 21));
    free(text);
}

Test(replay, a_changed_byte_of_a_frame_is_found_with_its_signal)
{
    struct replay_result r;
    replay_record("unlock", "--world virtual --seed 7");
    cr_assert(eq(int,
                 launch_run(said, sizeof said,
                            "cd '%s/unlock' && sed 's/ body 3A8#0/ body 3A8#1/' can.log > changed.log && "
                            "! cmp -s can.log changed.log",
                            place),
                 0));
    cr_assert(replay_file("unlock", "unlock/changed.log", "spaak", 7, true, &r), "%s", problem);
    cr_expect(ne(sz, r.different, 0));
    cr_expect(begins(r.first, "SpaaK_Status on body (3A8): "), "%s", r.first);
}

/* ---- real time ---- */

Test(replay, of_a_run_in_real_time_only_random_numbers_differ)
{
    static const struct {
        const char *file, *alone, *says;
    } rows[] = {
        {"unlock/apdu.log", "phone", "86 endpoint_ePK: a new random number\nends here: "},
        {"unlock/can.log", "spaak", "SpaaK_Door_Cmd on body (6C1): POLL: number "},
        {"unlock/can.log", "bcm", "BCM_Status on body (3B8): Nonce: a new random number"},
    };
    struct replay_result r;
    replay_record("unlock", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(replay_file("unlock", rows[i].file, rows[i].alone, 1, false, &r), "%s", problem);
        cr_expect(zero(sz, r.different), "%s", said);
        cr_expect(ne(sz, r.explained, 0), "%s", said);
        cr_expect(ne(sz, r.open, 0), "%s", said);
        cr_expect(replay_has(said, rows[i].says), "%s", said);
    }
}

/* The trace says what the clock of can.log said at its time 0: calls come when they came. Where it does not,
 * or that clock is another one's, they are guessed, and less can be compared. */
Test(replay, of_a_run_in_real_time_people_call_when_they_called)
{
    static const char spoil[] =
        "cd '%s/start' && sed -E 's/\"time 0 is 1?/\"time 0 is %s/' trace.jsonl >../t && mv ../t trace.jsonl";
    static const char *const others[] = {"0", "2", "a"}; /* long before, long after, no time */
    struct replay_result r;
    replay_record("start", "");
    cr_assert(replay_file("start", "start/can.log", "bcm", 1, false, &r), "%s", problem);
    cr_expect(zero(sz, r.different), "%s", said);
    cr_expect(ge(sz, r.compared, 5), "%s", said);
    const size_t compared = r.compared;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert(zero(int, launch_run(said, sizeof said, spoil, place, others[i])));
        cr_assert(replay_file("start", "start/can.log", "bcm", 1, false, &r), "%s", problem);
        cr_expect(lt(sz, r.compared, compared), "%s: %s", others[i], said);
    }
}

Test(replay, frames_and_apdus_of_a_run_in_real_time_are_not_played_together)
{
    struct replay_result r;
    replay_record("unlock", "");
    cr_expect(not(replay_file("unlock", "unlock/apdu.log unlock/can.log", "door", 1, false, &r)));
    cr_expect(replay_has(problem, "a card would answer before it was asked"), "%s", problem);
}

/* ---- files ---- */

Test(replay, a_file_that_is_not_whole_is_refused)
{
#define LINE "   1.000 ms  door card1 > "
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "the file is empty"},
        {LINE "00a40400", ":1: the file ends in the middle of a line"},
        {LINE "00a404zz\n", ":1: these are not whole bytes in hex"},
        {LINE "00a\n", ":1: these are not whole bytes in hex"},
        {LINE "00\n", ":1: an APDU has two bytes at least"},
        {LINE "00a40400\nhello\n", ":2: not a line of an apdu.log"},
        {"   1.0 ms  door card1 > 00a4\n", ":1: not a line of an apdu.log"},
        {"   1.000 ms  door card1 = 00a4\n", ":1: not a line of an apdu.log"},
        {"  -1.000 ms  door card1 > 00a4\n", ":1: not a line of an apdu.log"},
        {"(0.000000) body 3A8#00\n(1767225600.000332) body 3A8#00\n",
         "bad.log: from its first frame to its last is a day or more: a clock was set meanwhile"},
        {"(-1.000000) body 3A8#00\n", ":1: not a line of candump"},
        {"{\"schema\":1}\n", ":1: an event of a trace.jsonl"},
        {LINE "00a40400\n\n", ":2: an empty line"},
        {LINE "00a40400\r\n", ":1: the line ends with carriage return and line feed"},
        {"(1767225600.000332) body 3A8#00\nhello\n", ":2: not a line of candump"},
        {"(1767225600.000332) body 3A8#zz\n", ":1: not a line of candump"},
        {"(1767225600.000332) body 3A8#00\n(1767225600.000400) bdoy 3A8#00\n",
         ":2: unlock has no bus called \"bdoy\"; a vehicle's are "},
        {"   1.000 ms  pad card1 > 00a40400\n", ":1: unlock has no reader called \"pad\""},
        {"   1.000 ms  bcm card1 > 00a40400\n", ":1: unlock has no reader called \"bcm\""},
        {LINE "00a40400\n", "nothing in the record is said by those who are to be tested"},
    };
    struct replay_result r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        replay_write("bad.log", rows[i].text, strlen(rows[i].text));
        cr_expect(not(replay_file("unlock", "bad.log", "phone", 1, false, &r)), "%s", rows[i].text);
        cr_expect(replay_has(problem, rows[i].says), "%s: %s", rows[i].says, problem);
    }
    replay_write("bad.log", LINE "00\0a4\n", sizeof LINE + 6);
    cr_expect(not(replay_file("unlock", "bad.log", "phone", 1, false, &r)));
    cr_expect(replay_has(problem, ":1: a byte of value zero"), "%s", problem);
    cr_expect(not(replay_file("unlock", ".", "phone", 1, false, &r)));
    cr_expect(replay_has(problem, "not a file"), "%s", problem);
    cr_assert(eq(int, launch_run(said, sizeof said, "truncate -s 67108865 '%s/bad.log'", place), 0));
    cr_expect(not(replay_file("unlock", "bad.log", "phone", 1, false, &r)));
    cr_expect(replay_has(problem, "longer than 67108864 bytes"), "%s", problem);
    replay_write("good.log", LINE "00a40400\n", sizeof LINE + 8);
    cr_expect(not(replay_file("unlock", "good.log", "phone,nobody", 1, false, &r)));
    cr_expect(replay_has(problem, "nobody in unlock is called \"nobody\""), "%s", problem);
    cr_expect(not(replay_file("unlock", "good.log", "door", 1, false, &r)));
    cr_expect(replay_has(problem, "it takes can.log and apdu.log"), "%s", problem);
}

Test(replay, a_trace_of_another_scenario_is_refused_by_its_name)
{
    static const char call[] =
        "{\"t_us\":1000,\"component\":\"phone\",\"kind\":\"call\",\"detail\":\"dance 1\"}\n";
    struct replay_result r;
    char says[200];
    replay_write("good.log", LINE "00a40400\n", sizeof LINE + 8);
    replay_write("trace.jsonl", call, sizeof call - 1);
    snprintf(says, sizeof says, "%s/trace.jsonl:1: unlock does not call \"dance\" of phone", place);
    cr_expect(not(replay_file("unlock", "good.log", "phone", 1, false, &r)));
    cr_expect(begins(problem, says), "%s", problem);
    static const char *const times[] = {"-1", "0.5", "1e3", "", "null", "1000000000000000"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char line[200];
        int n =
            snprintf(line, sizeof line,
                     "{\"t_us\":%s,\"component\":\"phone\",\"kind\":\"note\",\"detail\":\"x\"}\n", times[i]);
        replay_write("trace.jsonl", line, (size_t)n);
        cr_expect(not(replay_file("unlock", "good.log", "phone", 1, false, &r)), "%s", times[i]);
        cr_expect(replay_has(problem, "trace.jsonl:1: not an event of a trace.jsonl"), "%s: %s", times[i],
                  problem);
    }
}

Test(replay, notes_say_what_is_in_no_record)
{
    static const char answer[] = "   1.000 ms  door card1 > 00a40400\n   2.000 ms  door card1 < 9000\n";
    static const char frames[] = "(1000.000332) body 3A8#0000000000000000\n";
    struct replay_result r;
    replay_write("bad.log", answer, sizeof answer - 1);
    cr_assert(replay_file("unlock", "bad.log", "phone", 1, false, &r), "%s", problem);
    cr_expect(replay_has(said, "note: phone speaks by \"app\", too"), "%s", said);
    cr_expect(not(replay_has(said, "no clock in common")), "%s", said);
    replay_write("bad.log", frames, sizeof frames - 1);
    cr_assert(replay_file("unlock", "bad.log", "spaak", 1, false, &r), "%s", problem);
    cr_expect(ne(sz, r.different, 0));
    cr_expect(replay_has(said, "no clock in common with trace.jsonl"), "%s", said);
}

Test(replay, exit_codes)
{
    static const struct {
        const char *arguments;
        int code;
    } rows[] = {
        {"'%s/unlock/apdu.log' --of unlock --alone phone --seed 7", EXIT_PASSED},
        {"'%s/unlock/apdu.log' --of unlock --alone phone --seed 8", EXIT_FAILED},
        {"'%s/unlock/apdu.log' --of unlock --alone phone --pace record", EXIT_PASSED},
        {"'%s/unlock/apdu.log' --of unlock --alone phone --pace slow", EXIT_WRONG},
        {"'%s/unlock/apdu.log' --of unlock --alone phone --seed x", EXIT_WRONG},
        {"'%s/unlock/apdu.log' --of nowhere --alone phone", EXIT_WRONG},
        {"'%s/unlock/nothing.log' --of unlock --alone phone", EXIT_WRONG},
        {"'%s/unlock/apdu.log' --of unlock", EXIT_WRONG},
        {"--of unlock --alone phone", EXIT_WRONG},
    };
    replay_record("unlock", "--world virtual --seed 7");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[300];
        const char *at = strstr(rows[i].arguments, "%s");
        if (at)
            snprintf(line, sizeof line, "%.*s%s%s", (int)(at - rows[i].arguments), rows[i].arguments, place,
                     at + 2);
        else
            snprintf(line, sizeof line, "%s", rows[i].arguments);
        int code = launch_run(said, sizeof said, "'%s/bin/spaaksim' replay %s", launch_build(), line);
        cr_expect(eq(int, code, rows[i].code), "%s: %s", line, said);
    }
}

/* ---- fields ---- */

#define G                                                                                                    \
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce" \
    "33576b315ececbb6406837bf51f5"
#define TWO_G                                                                                                \
    "047cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc4766997807775510db8ed040293d9ac69f7430dbba7d" \
    "ade63ce982299e04b79d227873d1"

Test(replay, fields_of_answers)
{
    static const struct {
        uint8_t ins;
        bool exact, roots; /* roots: a random number has differed before */
        const char *recorded, *got;
        enum compare_result result;
        const char *says;
    } rows[] = {
        {APDU_SPAKE2P_REQUEST, false, false, "5041" G "9000", "5041" G "9000", COMPARE_SAME, ""},
        {APDU_SPAKE2P_REQUEST, false, false, "5041" G "9000", "5041" TWO_G "9000", COMPARE_EXPLAINED,
         "50 X: a new random number"},
        {APDU_SPAKE2P_REQUEST, true, false, "5041" G "9000", "5041" TWO_G "9000", COMPARE_DIFFERENT,
         "50 X: byte 2 of 65 is 6b in the record, now 7c"},
        {APDU_SPAKE2P_REQUEST, false, false, "5001049000", "5001059000", COMPARE_DIFFERENT,
         "50 X: no point of the curve"},
        {APDU_SPAKE2P_VERIFY, false, false, "580211119000", "580222229000", COMPARE_DIFFERENT,
         "58 evidence M[2]: byte 1 of 2 is 11 in the record, now 22"},
        {APDU_SPAKE2P_VERIFY, false, true, "580211119000", "580222229000", COMPARE_EXPLAINED,
         "58 evidence M[2]: follows from a new random number"},
        {APDU_SPAKE2P_VERIFY, false, true, "580211119000", "5801119000", COMPARE_DIFFERENT,
         "58 evidence M[2]: 2 bytes in the record, now 1"},
        {APDU_SELECT, false, true, "5a0201005c020100d401029000", "5a0201005c020100d401009000",
         COMPARE_DIFFERENT, "D4 pairing mode: byte 1 of 1 is 02 in the record, now 00"},
        {APDU_SELECT, false, true, "5a0201009000", "5c0201009000", COMPARE_DIFFERENT,
         "5A SPAKE2+ versions is missing"},
        {APDU_SELECT, false, true, "5a0201009000", "5a0201005c0201009000", COMPARE_DIFFERENT,
         "5C applet versions is not in the record"},
        {APDU_SELECT, false, true, "9000", "6a82", COMPARE_DIFFERENT,
         "status 9000 (ok) in the record, now 6A82 (application not found)"},
        {APDU_AUTH1, false, true, "112233449000", "112233459000", COMPARE_EXPLAINED, "ciphertext"},
        {APDU_AUTH1, false, false, "112233449000", "112233459000", COMPARE_DIFFERENT, "ciphertext"},
    };
    struct crypto *crypto = crypto_new(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct compare c = {.crypto = crypto, .exact = rows[i].exact, .roots = rows[i].roots};
        char text[COMPARE_TEXT] = "";
        const uint8_t command[] = {APDU_CLA_PLAIN, rows[i].ins, 0, 0};
        HEX(a, rows[i].recorded);
        HEX(b, rows[i].got);
        compare_hear(compare_talk_of(&c, "door"), true, span_of(command, sizeof command));
        enum compare_result r = compare_apdu(&c, "door", false, span_of(a, a_len), span_of(b, b_len), text);
        cr_expect(eq(int, (int)r, (int)rows[i].result), "row %zu: %s", i, text);
        cr_expect(begins(text, rows[i].says), "row %zu: %s", i, text);
    }
    crypto_free(crypto);
}
