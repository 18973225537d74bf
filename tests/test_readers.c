/* Whole runs of the NFC readers with a phone and an asker that are the test's (tests/readers), in both
 * worlds.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/launch.h"

static char directory[64];

static void set_up(void)
{
    launch_directory(directory);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(readers, .init = set_up, .fini = tear_down, .timeout = 120);

static const char *const worlds[] = {"virtual", "process"};

static void run_with(const char *scenario, int world, bool with_bytes)
{
    static struct launch l;
    launch_start_program(&l, "tests/readers/bin/spaaksim",
                         "run tests/readers/%s.yaml --world %s %s --out %s/%s", scenario, worlds[world],
                         with_bytes ? "--bytes" : "", directory, worlds[world]);
    cr_expect(eq(int, launch_finish(&l), 0), "%s, %s: %s", scenario, worlds[world], l.text);
}

static void run(const char *scenario, int world)
{
    run_with(scenario, world, false);
}

static char *record(int world, const char *file)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", directory, worlds[world]);
    char *text = launch_file(path, file);
    cr_assert(text != NULL, "%s", path);
    return text;
}

Test(readers, scenarios_pass_in_both_worlds)
{
    static const char *const scenarios[] = {"readers-two", "readers-lifted", "readers-killed", "readers-cut"};
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        for (int w = 0; w < 2; w++)
            run(scenarios[i], w);
}

/* The APDUs that reached the phone, without those that only say SELECT. */
static unsigned count_commands(int world)
{
    char *text = record(world, "bytes.jsonl"), *rest = text, to[40], at[8], medium[8];
    static char hex[1000];
    unsigned n = 0;
    for (char *line; (line = launch_line(&rest));)
        n += strcmp(launch_member(line, "medium", medium, sizeof medium), "nfc") == 0 &&
             strcmp(launch_member(line, "at", at, sizeof at), "in") == 0 &&
             strcmp(launch_member(line, "to", to, sizeof to), "phone") == 0 &&
             strncmp(launch_member(line, "hex", hex, sizeof hex), "00a4", 4) != 0;
    free(text);
    return n;
}

/* The reader's log of APDUs, as people read it. */
Test(readers, the_apdu_log_is_read_back)
{
    static const char *const wanted[] = {"wcp card1 > SELECT framework 00 A4 04 00, 13 bytes",
                                         "wcp card1 < 9000 ok, 11 bytes: 5A SPAKE2+ versions (2)",
                                         "wcp card1 > GET DATA 80 CA 00 00, 200 bytes",
                                         "wcp card1 < 9000 ok, 200 bytes",
                                         "wcp card1 > SELECT applet 00 A4 04 00, 13 bytes"};
    static char out[8192];
    for (int w = 0; w < 2; w++) {
        run("readers-carry", w);
        cr_expect(eq(int,
                     launch_run(out, sizeof out, "%s/bin/spaaksim apdu <%s/%s/apdu.log", launch_build(),
                                directory, worlds[w]),
                     0));
        const char *at = out;
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && at; i++)
            at = strstr(at, wanted[i]);
        cr_expect(at != NULL, "%s, in this order:\n%s", worlds[w], out);
        size_t lines = 0;
        for (const char *p = out; *p; p++)
            lines += *p == '\n';
        cr_expect(eq(sz, lines, 12), "each once: %s", out);
    }
}

Test(readers, the_phone_hears_each_command_once_whatever_the_bus_loses)
{
    for (int w = 0; w < 2; w++) {
        run_with("readers-carry", w, true);
        cr_expect(eq(uint, count_commands(w), 4), "%s", worlds[w]);
        run_with("readers-lost", w, true);
        cr_expect(eq(uint, count_commands(w), 2), "%s", worlds[w]);
    }
}
