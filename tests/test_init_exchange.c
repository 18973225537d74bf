/* Messages and calls as somebody else's programs use them: they know docs/ and proto/ only
 * (tests/api/outside.py). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/launch.h"

#define NOT_HERE 3 /* exit code: something is not installed */

static char directory[64], said[8000];

static void set_up(void)
{
    launch_directory(directory);
    /* a component that is killed on purpose must not look for leaks */
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(init_exchange, .init = set_up, .fini = tear_down, .timeout = 240);

static void skip(const char *what)
{
    fprintf(stderr, "SKIPPED: %s: %s\n", what, said);
    cr_skip("%s", what);
}

Test(init_exchange, a_program_of_somebody_elses_takes_the_place_of_the_tbe)
{
    char modules[200] = "";
    if (launch_run(modules, sizeof modules, "scripts/node-modules.sh %s", launch_build()) != 0) {
        fprintf(stderr, "SKIPPED: the exchange by protobufjs: %s\n", modules);
        modules[0] = '\0';
    }
    modules[strcspn(modules, "\n")] = '\0';
    int rc = launch_run(said, sizeof said, "/usr/bin/python3 tests/api/outside.py vos %s/bin/spaaksim %s %s",
                        launch_build(), directory, modules);
    if (rc == NOT_HERE)
        skip("the exchange by Python's protobuf");
    cr_assert(eq(int, rc, 0), "%s", said);
    cr_expect(strstr(said, "a link by ByPython") != NULL, "%s", said);
    cr_expect(eq(int, strstr(said, "a link by ByNode") != NULL, *modules != '\0'), "%s", said);
}

Test(init_exchange, an_app_of_somebody_elses_asks_the_tbe)
{
    int rc = launch_run(said, sizeof said, "/usr/bin/python3 tests/api/outside.py app %s/bin/spaaksim %s",
                        launch_build(), directory);
    if (rc == NOT_HERE)
        skip("the app in Python");
    cr_assert(eq(int, rc, 0), "%s", said);
    cr_expect(strstr(said, "a link by HTTPS") != NULL, "%s", said);
}

/* ---- who cannot come ---- */

static const struct {
    const char *scenario, *guest, *more;
    int rc;
    const char *word;
} guests[] = {
    {"pp01", "tbe=9", "9>/dev/null", 0, "PASS"},
    {"op01a", "tbe=9", "9>/dev/null", 3, "the run has one of its own"},
    {"pp01", "spoon=9", "9>/dev/null", 3, "nobody in this run takes calls of that name"},
    {"pp01", "tbe=9", "9</dev/null", 1, "the guest does not read its descriptor"},
    {"pp01", "tbe=9", "9>&-", 2, "descriptor 9 is not open"},
    {"pp01", "tbe", "", 2, "--call takes"},
    {"pp01", "tbe=9x", "9>/dev/null", 2, "--call takes"},
    {"pp01", "tbe=-9", "9>/dev/null", 2, "--call takes"},
    {"pp01", "tbe=2", "", 2, "--call takes"},
    {"pp01", "=9", "9>/dev/null", 2, "--call takes"},
    {"pp01", "tbe=9", "9>/dev/null --world virtual", 2, "--call is for the process world"},
};

Test(init_exchange, a_guest_comes_only_where_it_is_awaited)
{
    for (size_t i = 0; i < sizeof guests / sizeof guests[0]; i++) {
        int rc =
            launch_run(said, sizeof said, "%s/bin/spaaksim run %s --out %s/%zu --call %s %s", launch_build(),
                       guests[i].scenario, directory, i, guests[i].guest, guests[i].more);
        cr_expect(eq(int, rc, guests[i].rc), "%zu: %s", i, said);
        cr_expect(strstr(said, guests[i].word) != NULL, "%zu: %s", i, said);
    }
}
