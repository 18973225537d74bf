/* A phone from outside over Bluetooth LE: that of docs/examples, which shares nothing with lib/media/ble or
 * lib/ccc, one that never comes, one that is far away, and a vandal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

TestSuite(external_air, .timeout = 180);

#define BEGINNING                                                   \
    "schema: 1\n"                                                   \
    "name: outside\n"                                               \
    "title: a phone from outside on the air\n"                      \
    "use_case: OP-06\n"                                             \
    "run: [dos, vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp, phone]\n" \
    "limit: 30 s\n"                                                 \
    "given:\n"                                                      \
    "  after: pp02\n"                                               \
    "do:\n"                                                         \
    "  - {call: fob, to: bcm, place: here}\n"                       \
    "  - {call: ignition, to: bcm, power: \"on\"}\n"                \
    "  - {call: add-key, to: hu, after: 300 ms}\n"                  \
    "  - {call: pair-by-bluetooth, to: phone, at: OP-02/7, after: 100 ms}\n"
#define PAIRED                         \
    "  - {step: OP-03/8, by: spaak}\n" \
    "  - {step: OP-06/4, by: spaak}\n" \
    "  - {step: OP-06/5, by: spaak}\n" \
    "  - {step: OP-06/6, by: spaak}\n" \
    "  - {step: OP-04/4, by: spaak}\n"
#define KNOWN                                                                      \
    "  - {event: step, by: spaak, step: OP-06/3, detail: a phone that is known}\n" \
    "  - {event: step, by: spaak, step: OP-06/7, detail: (fast)}\n"                \
    "  - {shows: doors, by: bcm, is: unlocked}\n"

static void put_scenario(const char *directory, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/outside.yaml", directory);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void need_python(void)
{
    if (!launch_has_cryptography())
        cr_skip_test("python3-cryptography is missing");
}

/* How often that stands in a file of the records. */
static unsigned count_in(const char *directory, const char *file, const char *what)
{
    char folder[100];
    unsigned n = 0;
    snprintf(folder, sizeof folder, "%s/o", directory);
    char *text = launch_file(folder, file);
    cr_assert(text != NULL, "%s", file);
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    free(text);
    return n;
}

static void expect_between(const char *directory, const char *file, const char *what, unsigned least,
                           unsigned most)
{
    unsigned is = count_in(directory, file, what);
    cr_expect(least <= is && is <= most, "%s: \"%s\": %u", file, what, is);
}

static void expect_count(const char *directory, const char *file, const char *what, unsigned must)
{
    expect_between(directory, file, what, must, must);
}

struct outcome {
    int run, phone;
    const char *said; /* by the phone */
    struct launch launch, played;
};

/* Runs outside.yaml, or the scenario of that name, with a program for the phone, which is ready before. */
static void run_with(const char *directory, const char *scenario, const char *word, const char *program,
                     const char *arguments, struct outcome *out)
{
    launch_shell(&out->played, "exec python3 tests/when_there.py %s %s/o/external/phone.json %s 2>&1",
                 program, directory, arguments);
    cr_assert(launch_read(&out->played, "ready"), "%s", out->played.text);
    launch_shell(&out->launch, "printf '%s' | '%s/bin/spaaksim' run %s%s --external phone --out %s/o", word,
                 launch_build(), scenario ? "" : directory, scenario ? scenario : "/outside.yaml", directory);
    cr_assert(launch_read(&out->launch, "phone is played from outside"), "%s", out->launch.text);
    cr_expect(strstr(out->launch.text, "; radio at central:;spaak=/") != NULL, "%s", out->launch.text);
    cr_expect(strstr(out->launch.text, " (docs/air-ble.md)") != NULL, "%s", out->launch.text);
    out->phone = launch_finish(&out->played);
    out->said = out->played.text;
    out->run = launch_finish(&out->launch);
}

static const char example[] = "docs/examples/phone_ble.py";

/* ---- the example ---- */

Test(external_air, the_toolbox_of_the_examples_gives_the_specification_s_values)
{
    char out[1000];
    need_python();
    int code = launch_run(out, sizeof out, "python3 tests/ble_samples.py 2>&1");
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(strstr(out, "8 of 8 values are right\n") != NULL, "%s", out);
}

/* Owner pairing, first approach, and an entry by its bond, by cryptography of its own. */
Test(external_air, the_phone_of_the_examples_is_paired_and_known)
{
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    put_scenario(directory,
                 BEGINNING "expect:\n" PAIRED KNOWN "never:\n  - {event: reject}\n  - {event: fail}\n");
    run_with(directory, NULL, "", example, "--comes 2", &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(strstr(o.said, "phone: fast transaction done (01/00)") != NULL, "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, "external  phone is there\n") != NULL, "%s", o.launch.text);
    expect_count(directory, "trace.jsonl", "radio encrypted 4 16", 2);
    expect_count(directory, "trace.jsonl", "radio new-ltk 3 16", 1);
    expect_count(directory, "trace.jsonl", "random\",\"detail\":\"radio up\"", 2);
    launch_remove(directory);
}

/* In the scenario of our own phone: what its app would have done is said by a word. */
Test(external_air, it_takes_the_place_of_ours_in_a_scenario)
{
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    run_with(directory, "op03-over-ble", "OP-01a/10\\n", example, "", &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, "PASS  op03-over-ble") != NULL, "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, "not judged, since it is played from outside: line 27") != NULL, "%s",
              o.launch.text);
    launch_remove(directory);
}

/* With the key that our phone had when it was replaced, in scenarios of ours. */
Test(external_air, it_goes_on_with_the_key_of_our_phone)
{
    static const struct {
        const char *scenario, *arguments;
        unsigned entries;
    } rows[] = {{"op06", "", 1}, {"passive-entry", "--comes 2", 2}};
    static struct outcome o;
    need_python();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char directory[64];
        launch_directory(directory);
        run_with(directory, rows[i].scenario, "", example, rows[i].arguments, &o);
        cr_expect(eq(int, o.phone, 0), "%s: %s", rows[i].scenario, o.said);
        cr_expect(eq(int, o.run, 0), "%s: %s", rows[i].scenario, o.launch.text);
        expect_count(directory, "trace.jsonl", "the doors are unlocked", rows[i].entries);
        expect_count(directory, "trace.jsonl", "radio new-ltk 3 16", 1);
        expect_count(directory, "trace.jsonl", "radio encrypted 4 16", rows[i].entries);
        launch_remove(directory);
    }
}

/* What it was asked keeps the run open, also after the last that the scenario does: it has --wait. */
Test(external_air, who_is_let_come_has_its_time)
{
    static const char asked[] = "external  now phone: come, phone to spaak: 300 0 0 0 0 ";
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    run_with(directory, "passive-entry --wait 20", "", example, "--comes 2 --tarries 2.5", &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, asked) != NULL, "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, "phone: come, phone to spaak: 20000") == NULL, "%s", o.launch.text);
    expect_count(directory, "trace.jsonl", "the doors are unlocked", 2);
    expect_count(directory, "trace.jsonl", "nothing has come of it", 0);
    launch_remove(directory);
}

/* And no more than that. */
Test(external_air, who_does_not_come_again_is_not_waited_for_any_longer)
{
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    run_with(directory, "passive-entry --wait 4", "", example, "", &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 1), "%s", o.launch.text);
    expect_count(directory, "trace.jsonl", "come, phone to spaak: 300 0 0 0 0: nothing has come of it", 1);
    launch_remove(directory);
}

/* The doors are open by its link: who has one has Bluetooth on. */
Test(external_air, what_is_so_already_is_done_when_it_is_asked)
{
    static struct outcome o;
    char directory[64], out[500];
    need_python();
    launch_directory(directory);
    launch_run(out, sizeof out,
               "sed '/call: bluetooth/s|at: start, after: 300 ms|at: OP-06/5|; s/^name: .*/name: outside/' "
               "scenarios/op06/passive-entry.yaml >%s/outside.yaml",
               directory);
    run_with(directory, NULL, "", example, "--comes 2", &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, "external  phone: bluetooth state=on is done: it has a link\n") != NULL,
              "%s", o.launch.text);
    cr_expect(strstr(o.launch.text, "now phone: bluetooth") == NULL, "%s", o.launch.text);
    launch_remove(directory);
}

/* There nobody greets, and no token is handed out. */
Test(external_air, a_socket_at_a_place_of_ones_own_needs_no_greeting)
{
    static struct outcome o;
    char directory[64], scenario[120], folder[100];
    need_python();
    launch_directory(directory);
    snprintf(scenario, sizeof scenario, "op06 --ble spaak=%s/air", directory);
    run_with(directory, scenario, "", example, "", &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    snprintf(folder, sizeof folder, "%s/o/external", directory);
    char *file = launch_file(folder, "phone.json"), place[120];
    snprintf(place, sizeof place, "\"endpoint\": \"central:;spaak=%s/air\", \"tokens\": {}", directory);
    cr_assert(file != NULL);
    cr_expect(strstr(file, place) != NULL, "%s", file);
    free(file);
    launch_remove(directory);
}

/* The vehicle's end keeps the distance, of a phone from outside, too. */
Test(external_air, a_scenario_moves_it_away_and_back)
{
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    put_scenario(directory,
                 BEGINNING "  - {distance: 200 m, from: phone, to: spaak, at: OP-04/4, after: 100 ms}\n"
                           "  - {distance: 2 m, from: phone, to: spaak, at: OP-04/4, after: 4 s}\n"
                           "expect:\n" PAIRED KNOWN);
    run_with(directory, NULL, "", example, "--comes 2", &o);
    cr_expect(strstr(o.said, "phone: the vehicle has ended the link (08)") != NULL, "%s", o.said);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    expect_count(directory, "trace.jsonl", "radio down 08", 1);
    launch_remove(directory);
}

Test(external_air, a_wrong_password_pairs_nobody)
{
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    put_scenario(directory, BEGINNING "expect:\n  - {step: OP-03/3, by: spaak}\n"
                                      "  - {event: fail, by: spaak, reason: DK_EVIDENCE}\n");
    run_with(directory, NULL, "", example, "--password 00000000", &o);
    cr_expect(eq(int, o.phone, 1), "%s", o.said);
    cr_expect(strstr(o.said, "wrong evidence: another password?") != NULL, "%s", o.said);
    expect_count(directory, "trace.jsonl", "\"step\":\"OP-03/8\"", 0);
    expect_count(directory, "trace.jsonl", "radio encrypted", 0);
    launch_remove(directory);
}

/* The other way round: our phone before a vehicle's radio from outside, which knows it by its token. */
Test(external_air, the_radio_of_the_examples_is_met_by_our_phone)
{
    struct launch run;
    char directory[64], out[4096];
    need_python();
    launch_directory(directory);
    launch_shell(&run,
                 "exec '%s/bin/spaaksim' run docs/examples/radio-outside.yaml --external spaak --out %s/o "
                 "</dev/null",
                 launch_build(), directory);
    cr_assert(launch_read(&run, "waiting for spaak"), "%s", run.text);
    int code = launch_run(out, sizeof out, "python3 docs/examples/radio.py %s/o/external/spaak.json 2>&1",
                          directory);
    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(strstr(out, "radio: phone is around\n") != NULL, "%s", out);
    cr_expect(strstr(out, "radio: the phone says 030100020104\n") != NULL, "%s", out);
    cr_expect(eq(int, launch_finish(&run), 0), "%s", run.text);
    cr_expect(strstr(run.text, "external  spaak is there\n") != NULL, "%s", run.text);
    launch_remove(directory);
}

/* Who plays the vehicle keeps its air, and is told so. */
Test(external_air, distances_are_the_affair_of_a_radio_from_outside)
{
    struct launch run;
    char directory[64], out[4096];
    need_python();
    launch_directory(directory);
    launch_run(out, sizeof out,
               "sed 's/^name: .*/name: outside/; /^do:/a\\  - {distance: 40 m, from: phone, to: spaak}' "
               "docs/examples/radio-outside.yaml "
               ">%s/outside.yaml",
               directory);
    launch_shell(&run, "exec '%s/bin/spaaksim' run %s/outside.yaml --external spaak --out %s/o </dev/null",
                 launch_build(), directory, directory);
    cr_assert(launch_read(&run, "waiting for spaak"), "%s", run.text);
    launch_run(out, sizeof out, "python3 docs/examples/radio.py %s/o/external/spaak.json 2>&1", directory);
    cr_expect(eq(int, launch_finish(&run), 0), "%s", run.text);
    cr_expect(strstr(run.text, "external  now spaak: the air to phone is its own to keep: phone to spaak: "
                               "4000 0 0 0 0\n") != NULL,
              "%s", run.text);
    launch_remove(directory);
}

/* ---- who does not come, who comes and does wrong ---- */

Test(external_air, who_does_not_come_is_missing)
{
    char directory[64], out[16000];
    launch_directory(directory);
    put_scenario(directory, BEGINNING "expect:\n" PAIRED);
    int code =
        launch_run(out, sizeof out,
                   "'%s/bin/spaaksim' run %s/outside.yaml --external phone --wait 1 --quiet --out %s/o "
                   "</dev/null 2>&1",
                   launch_build(), directory, directory);
    cr_expect(eq(int, code, 3), "%s", out);
    cr_expect(strstr(out, "did not come within 1 s of being asked to pair-by-bluetooth: ") != NULL, "%s",
              out);
    cr_expect(strstr(out, "/spaak.ble (docs/air-ble.md); longer with --wait") != NULL, "%s", out);
    launch_remove(directory);
}

/* On a slow machine the vehicle's patience is over before the flood is. Each deed ends with a reason, and who
 * behaves after it is paired. */
Test(external_air, a_vandal_harms_nobody_and_is_paired_when_it_behaves)
{
    static const struct {
        const char *what;
        unsigned least, most;
    } logged[] = {
        {"the air of radio to phone is ended: the message is longer than its limit (MSG_TOO_LONG), 1 so far",
         1, 1},
        {"the air of radio to phone is ended: not a well-formed message (MSG_MALFORMED), 2 so far", 1, 1},
        {"TRUNCATED  the approach has ended", 1, 1},
        {"DK_UNKNOWN_KEY  the approach has ended", 1, 1},
        {"radio auth-failed 04", 1, 1},
        {"DK_OOB  the approach has ended", 1, 1},
        {"MSG_UNEXPECTED  over Bluetooth", 8, 8}, /* the eighth ends the link */
        {"DK_REFUSALS", 1, 1},
        {"DK_LINK_LOST", 2, 2},
        {"DK_TIMEOUT", 2, 3},
        {"radio new-ltk", 1, 1},
    };
    static struct outcome o;
    char directory[64];
    need_python();
    launch_directory(directory);
    put_scenario(directory, BEGINNING "expect:\n" PAIRED);
    run_with(directory, NULL, "", "tests/vandal_ble.py",
             "rubbish wrong_pdu no_message no_key wrong_ltk at_once leave babble no_word no_channel flood",
             &o);
    cr_expect(eq(int, o.phone, 0), "%s", o.said);
    cr_expect(eq(int, o.run, 0), "%s", o.launch.text);
    for (size_t i = 0; i < sizeof logged / sizeof logged[0]; i++)
        expect_between(directory, "logs/spaak.log", logged[i].what, logged[i].least, logged[i].most);
    launch_remove(directory);
}

/* ---- by hand ---- */

/* A play asks who is outside as a run does, waits for nobody's kill, and says who is where. */
Test(external_air, a_play_has_it_too)
{
    char directory[64], out[16000];
    launch_directory(directory);
    put_scenario(directory, BEGINNING "expect:\n" PAIRED);
    int code =
        launch_run(out, sizeof out,
                   "printf 'kill phone\\nphone pair-by-bluetooth; done; done\\nstate phone\\ndone now "
                   "here\\n' | '%s/bin/spaaksim' play %s/outside.yaml --external phone --wait 2 --quiet "
                   "--out %s/o 2>&1; ls %s/o/external/phone.json",
                   launch_build(), directory, directory, directory);
    cr_expect(strstr(out, "line 1: phone is played from outside: do it there\n") != NULL, "%s", out);
    cr_expect(strstr(out, "external  now phone: pair-by-bluetooth   (`done` when done)\n") != NULL, "%s",
              out);
    cr_expect(strstr(out, "phone        played from outside\n") != NULL, "%s", out);
    cr_expect(strstr(out, "write it like `done` or `done OP-01a/10`\n") != NULL, "%s", out);
    cr_expect(strstr(out, "is dead at the end") == NULL, "%s", out);
    cr_expect(eq(int, code, 0), "%s", out); /* of ls */
    code = launch_run(out, sizeof out, "'%s/bin/spaaksim' play op03 --external tbm 2>&1 </dev/null",
                      launch_build());
    cr_expect(eq(int, code, 2), "%s", out);
    cr_expect(strstr(out, "tbm cannot be played from outside: its link gsdp") != NULL, "%s", out);
    launch_remove(directory);
}
