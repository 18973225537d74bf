/* A small pair on Bluetooth LE (tests/air), in both worlds: what a lock and a fob leave in their records. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/launch.h"

static const char *const worlds[] = {"process", "virtual"};
static char directory[64];

static void set_up(void)
{
    launch_directory(directory);
}

static void tear_down(void)
{
    launch_remove(directory);
}

TestSuite(air, .init = set_up, .fini = tear_down, .timeout = 180);

/* How many events of somebody and of a kind contain that. */
struct wanted {
    const char *by, *kind, *contains;
    unsigned count;
};

#define EVENTS 6
static const struct row {
    const char *scenario, *variant;
    struct wanted events[EVENTS];
} rows[] = {
    {"air-paired",
     "",
     {{"lock", "link", "new-ltk 3 16 ", 1},
      {"lock", "link", "new-irk F0F1F2F3F4F5/public ", 1},
      {"lock", "claim", "LTK", 1},
      {"fob", "link", "radio encrypted 4 16", 2},
      {"lock", "show", "\"open\"", 1},
      {"fob", "claim", "LTK", 1}}},
    {"air-forged",
     "",
     {{"lock", "link", "auth-failed 04", 1},
      {"fob", "link", "auth-failed 04", 1},
      {"lock", "link", "radio down 16", 1},
      {"fob", "link", "radio down 13", 1},
      {"lock", "link", "new-ltk", 0}}},
    {"air-one-sided",
     "",
     {{"lock", "link", "new-ltk 3 16 ", 1},
      {"lock", "link", "radio encrypted 4 16", 1},
      {"lock", "reject", "MSG_UNEXPECTED", 1},
      {"lock", "claim", "LTK", 0}}},
    {"air-away", "BL-01_3", {{"fob", "link", "down 08", 1}, {"lock", "link", "down 08", 1}}},
    {"air-away", "BL-01_5", {{"fob", "link", "down 08", 1}, {"lock", "link", "down 08", 1}}},
    {"air-far",
     "",
     {{"fob", "link", "heard -59", 1}, {"fob", "link", "radio down", 0}, {"runner", "note", "100", 3}}},
    {"air-killed", "BL-01_4", {{"lock", "life", "killed", 1}, {"fob", "show", "\"green\"", 1}}},
    {"air-killed", "BL-01_6", {{"lock", "life", "killed", 1}, {"fob", "show", "\"green\"", 1}}},
};

static unsigned count(const char *trace, const struct wanted *w)
{
    char *text = strdup(trace), *rest = text, name[40], kind[20];
    unsigned n = 0;
    for (char *line; (line = launch_line(&rest));)
        n += strcmp(launch_member(line, "component", name, sizeof name), w->by) == 0 &&
             strcmp(launch_member(line, "kind", kind, sizeof kind), w->kind) == 0 &&
             strstr(line, w->contains);
    free(text);
    return n;
}

static void judge(const struct row *row, int world)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s-%s/%s", directory, row->scenario, worlds[world], row->variant);
    char *trace = launch_file(path, "trace.jsonl");
    cr_assert(ne(ptr, trace, NULL), "%s", path);
    for (size_t i = 0; i < EVENTS && row->events[i].by; i++)
        cr_expect(eq(u32, count(trace, &row->events[i]), row->events[i].count), "%s %s, %s world: %s %s %s",
                  row->scenario, row->variant, worlds[world], row->events[i].by, row->events[i].kind,
                  row->events[i].contains);
    free(trace);
}

/* Both worlds beside each other. */
static void run_both(const char *scenario)
{
    struct launch *l = calloc(2, sizeof *l);
    for (int w = 0; w < 2; w++)
        launch_start_program(&l[w], "tests/air/bin/spaaksim",
                             "run tests/air/%s.yaml --world %s --quiet --out %s/%s-%s", scenario, worlds[w],
                             directory, scenario, worlds[w]);
    for (int w = 0; w < 2; w++)
        cr_expect(eq(int, launch_finish(&l[w]), 0), "%s in the %s world:\n%s", scenario, worlds[w],
                  l[w].text);
    free(l);
}

Test(air, scenarios_leave_what_they_must_in_both_worlds)
{
    const char *last = "";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(last, rows[i].scenario) != 0)
            run_both(rows[i].scenario);
        last = rows[i].scenario;
        for (int world = 0; world < 2; world++)
            judge(&rows[i], world);
    }
}
