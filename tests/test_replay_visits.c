/* When a card was laid down, where no trace says so or somebody outside did it: the lines of apdu.log tell.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/commands.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/replay_bench.h"

#define place   replay_place
#define said    replay_said
#define problem replay_problem

TestSuite(replay_visits, .init = replay_set_up, .fini = replay_tear_down, .timeout = 120);

/* The phone is laid down three times, and takes part twice. */
static const char twice[] = "schema: 1\n"
                            "name: twice\n"
                            "title: a phone opens the door, starts the engine, and comes back\n"
                            "use_case: OP-06\n"
                            "run: [broker, sgw, tbm, spaak, bcm, hu, wcp, door: wcp, phone, gsdp, vos]\n"
                            "limit: 20 s\n"
                            "settings:\n"
                            "  door: {place: 1}\n"
                            "given:\n"
                            "  after: op03\n"
                            "do:\n"
                            "  - {call: place, to: phone, reader: door, at: start, after: 500 ms}\n"
                            "  - {call: place, to: phone, reader: wcp, at: OP-06/7, after: 1 s}\n"
                            "  - {call: press-start, to: bcm, at: OP-06/7, after: 1500 ms}\n"
                            "  - {call: lift, to: phone, at: OP-06/7, after: 3 s}\n"
                            "  - {call: place, to: phone, reader: door, at: OP-06/7, after: 5 s}\n"
                            "expect:\n"
                            "  - {event: step, by: spaak, step: OP-06/7}\n"
                            "  - {event: step, by: spaak, step: OP-06/7}\n";

static void record_twice(void)
{
    replay_write("twice.yaml", twice, sizeof twice - 1);
    int code = launch_run(
        said, sizeof said,
        "'%s/bin/spaaksim' run '%s/twice.yaml' --world virtual --seed 7 --quiet --out '%s/twice' 2>&1 && "
        "rm '%s/twice/trace.jsonl'",
        launch_build(), place, place, place);
    cr_assert(zero(int, code), "%s", said);
}

Test(replay_visits, without_a_trace_each_reader_s_lines_say_where_the_card_is)
{
    static const struct {
        const char *bus, *alone, *says; /* with can.log, too */
    } rows[] = {
        {"", "phone", "19 messages compared, 19 the same, 0 explained, 0 unexplained; 0 not comparable"},
        {"can.log", "wcp", "0 explained, 0 unexplained; 0 not comparable"},
    };
    record_twice();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code =
            launch_run(said, sizeof said,
                       "b=$(realpath '%s/bin/spaaksim') && cd '%s' && cd twice && \"$b\" replay apdu.log %s "
                       "--of ../twice.yaml --alone %s --seed 7 2>&1",
                       launch_build(), place, rows[i].bus, rows[i].alone);
        cr_expect(zero(int, code), "%s", said);
        cr_expect(replay_has(said, rows[i].says), "%s", said);
    }
}

Test(replay_visits, a_card_that_comes_again_to_the_same_reader_has_another_name)
{
    struct replay_result r;
    replay_record("unlock-fast", "--world virtual --seed 7");
    cr_assert(zero(int, launch_run(said, sizeof said, "rm '%s/unlock-fast/trace.jsonl'", place)));
    cr_assert(replay_file("unlock-fast", "unlock-fast/apdu.log", "phone", 7, true, &r), "%s", problem);
    cr_expect(eq(sz, r.same, 19), "%s", said);
    cr_expect(zero(sz, r.different + r.open), "%s", said);
}

Test(replay_visits, a_command_to_a_reader_where_no_card_lies_says_so)
{
    static const char line[] = "   1.000 ms  door card1 > 00a40400\n   2.000 ms  door card1 < 9000\n";
    static const char lifted[] =
        "{\"t_us\":500,\"component\":\"phone\",\"kind\":\"note\",\"detail\":\"has a rest\"}\n";
    struct replay_result r;
    replay_write("good.log", line, sizeof line - 1);
    replay_write("trace.jsonl", lifted, sizeof lifted - 1);
    cr_assert(replay_file("unlock", "good.log", "phone", 1, false, &r), "%s", problem);
    cr_expect(replay_has(said, "SELECT: cannot be played: no card lies at door\n"), "%s", said);
}

/* As a run writes it whose phone is played from outside: it was asked when the talk had long begun. */
Test(replay_visits, what_was_asked_of_somebody_outside_is_a_call)
{
    static const char *const notes[] = {"asked from outside: place reader=wcp",
                                        "place reader=wcp is done: it has a link"};
    struct replay_result r;
    replay_record("op03", "--world virtual --seed 7");
    cr_assert(zero(int, launch_run(said, sizeof said, "mv '%s/op03/trace.jsonl' '%s/trace'", place, place)));
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        int code = launch_run(
            said, sizeof said,
            "sed -e '/\"phone\",\"kind\":\"call\",\"detail\":\"place\"/"
            "{s/call/note/;s/\"place\"/\"%s\"/;s/\"t_us\":/\"t_us\":9/}' "
            "-e '/\"phone\",\"kind\":\"call\"/{s/\"call\"/\"note\"/;s/\"detail\":\"/&asked from outside: /;p;"
            "s/outside: [a-z -]*/outside: come, 2 m/;p;s/come, 2 m/keeps the air itself/}' "
            "'%s/trace' >'%s/op03/trace.jsonl' && ! grep '\"phone\",\"kind\":\"call\"' '%s/op03/trace.jsonl'",
            notes[i], place, place, place);
        cr_assert(zero(int, code), "%s", said);
        cr_assert(replay_file("op03", "op03/apdu.log", "phone,tbe,dos,vos", 7, true, &r), "%s", problem);
        cr_expect(ge(sz, r.compared, 26), "%s", said);
        cr_expect(eq(sz, r.compared, r.same), "%s", said);
        cr_expect(zero(sz, r.different + r.open), "%s", said);
    }
}

/* Words of the run itself, and a phone that was there before it was asked. */
Test(replay_visits, a_run_with_the_phone_of_the_examples_goes_as_far_as_one_with_ours)
{
    struct launch run;
    char out[4096];
    struct replay_result r;
    if (!launch_has_cryptography())
        cr_skip_test("python3-cryptography is missing");
    launch_shell(&run,
                 "printf 'OP-01a/10\\n' | '%s/bin/spaaksim' run op03 --external phone --quiet --out %s/op03",
                 launch_build(), place);
    cr_assert(launch_read(&run, "phone is played from outside"), "%s", run.text);
    int code =
        launch_run(out, sizeof out, "python3 docs/examples/phone.py %s/op03/external/phone.json 2>&1", place);
    cr_expect(zero(int, code), "%s", out);
    cr_expect(zero(int, launch_finish(&run)), "%s", run.text);
    cr_assert(replay_file("op03", "op03/apdu.log", "phone,tbe,dos,vos", 1, false, &r), "%s", problem);
    cr_expect(zero(sz, r.different), "%s", said);
    cr_expect(eq(sz, r.compared, 2), "%s", said);
    cr_expect(replay_has(said, "ends here: the record goes on with SPAKE2+ VERIFY"), "%s", said);
}
