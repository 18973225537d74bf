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

static void run(const char *scenario, int world)
{
    static struct launch l;
    launch_start_program(&l, "tests/readers/bin/spaaksim",
                         "run tests/readers/%s.yaml --world %s --bytes --out %s/%s", scenario, worlds[world],
                         directory, worlds[world]);
    cr_expect(eq(int, launch_finish(&l), 0), "%s, %s: %s", scenario, worlds[world], l.text);
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

Test(readers, the_phone_hears_each_command_once_whatever_the_bus_loses)
{
    for (int w = 0; w < 2; w++) {
        run("readers-carry", w);
        cr_expect(eq(uint, count_commands(w), 4), "%s", worlds[w]);
        run("readers-lost", w);
        cr_expect(eq(uint, count_commands(w), 2), "%s", worlds[w]);
    }
}
