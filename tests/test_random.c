/* Random faults: what is drawn, that a seed repeats to the byte, that a failure is found, made small and
 * told. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chaos/draw.h"
#include "sim/chaos/shrink.h"
#include "sim/chaos/trial.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "tests/check.h"
#include "tests/launch.h"

static char place[64];

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void set_up(void)
{
    scenario_finder = scenario_find_quietly;
    launch_directory(place);
}

static void tear_down(void)
{
    launch_remove(place);
    past_forget();
}

TestSuite(random, .init = set_up, .fini = tear_down, .timeout = 240);

static struct scenario *load(const char *name)
{
    struct tree_problem p = {0};
    struct scenario *s;
    size_t n;
    char *path = scenario_find_quietly(name);
    cr_assert(scenario_load(path, &s, &n, &p), "%s:%u %s", path, p.line, p.text);
    free(path);
    return s;
}

static void census(const struct scenario *s, struct census *out)
{
    char problem[RUN_FAILURE_TEXT];
    const struct run_options options = {.past_seed = 1};
    cr_assert(census_take(s, &options, out, problem), "%s", problem);
}

static char *printed(const struct scenario *s, const struct schedule *under)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    schedule_print(s, under, f);
    fclose(f);
    return text;
}

/* ---- drawing ---- */

Test(random, the_undisturbed_run_is_counted)
{
    struct scenario *s = load("pp01");
    struct census *c = calloc(1, sizeof *c);
    census(s, c);
    bool request = false;
    for (size_t i = 0; i < c->message_count; i++)
        request |= strcmp(c->messages[i].message, "VehicleSubjectIdRequest") == 0 &&
                   strcmp(c->messages[i].link, "gsdp") == 0 && c->messages[i].count == 1;
    cr_expect(request);
    cr_expect(eq(str, c->steps[0].step, "PP-01/1"));
    cr_expect(lt(u64, 0, c->duration_us));
    for (size_t i = 0; i < s->member_count; i++)
        if (strcmp(s->members[i].name, "spaak") == 0)
            cr_expect(lt(uint, 3, c->commits[i]));
    free(c);
    free(s);
}

/* What is not counted no fault is drawn for. */
Test(random, the_longest_life_is_counted_to_its_end)
{
    struct scenario *s = load("owner-pairing");
    struct census *c = calloc(1, sizeof *c);
    bool last = false;
    census(s, c);
    for (size_t i = 0; i < c->step_count; i++)
        last |= strcmp(c->steps[i].step, "PP-03/5") == 0;
    cr_expect(last);
    cr_expect(lt(sz, c->step_count, CENSUS_STEPS));
    cr_expect(lt(sz, c->message_count, CENSUS_MESSAGES));
    free(c);
    free(s);
}

Test(random, a_schedule_follows_from_its_seed_and_reads_as_it_was_written)
{
    struct scenario *s = load("op03");
    struct census *c = calloc(1, sizeof *c);
    char path[100];
    unsigned kinds = 0, upsets = 0, alone = 0;
    census(s, c);
    snprintf(path, sizeof path, "%s/schedule.yaml", place);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct schedule under, again, read;
        struct tree_problem p = {0};
        unsigned own = 0;
        draw_schedule(s, c, seed, &under);
        draw_schedule(s, c, seed, &again);
        char *text = printed(s, &under), *other = printed(s, &again);
        cr_expect(eq(str, text, other));
        free(other);
        FILE *f = fopen(path, "w");
        fputs(text, f);
        fclose(f);
        cr_assert(schedule_read(path, s, &read, &p), "%u:%u %s in\n%s", p.line, p.column, p.text, text);
        other = printed(s, &read);
        cr_expect(eq(str, text, other));
        free(other);
        free(text);
        for (size_t i = 0; i < under.count; i++)
            if (under.items[i].upset)
                upsets++;
            else
                own |= 1u << under.items[i].fault.kind;
        kinds |= own;
        alone += own && (own & (own - 1)) == 0;
    }
    cr_expect(eq(uint, kinds, (1u << FAULT_KINDS) - 1));
    cr_expect(lt(uint, 10, upsets));
    cr_expect(lt(uint, 10, alone)); /* whole families are left out */
    free(c);
    free(s);
}

/* ---- what is taken away ---- */

/* In unlock the phone is laid at the door at 500 ms, and nobody lifts it. */
static const struct {
    const char *upset;
    bool fires;
} upsets[] = {
    {"{call: lift, to: phone, at: OP-06/7}\n"
     "  - {call: place, to: phone, reader: door, at: OP-06/7, after: 100 ms}\n",
     true},
    {"{call: lift, to: phone, at: start, after: 600 ms}\n"
     "  - {call: place, to: phone, reader: door, at: start, after: 3 s}\n",
     true},
    /* it is not there yet, or elsewhere */
    {"{call: lift, to: phone, at: start, after: 400 ms}\n"
     "  - {call: place, to: phone, reader: door, at: start, after: 410 ms}\n",
     false},
    {"{call: lift, to: phone, at: OP-06/7}\n"
     "  - {call: place, to: phone, reader: wcp, at: OP-06/7, after: 100 ms}\n",
     false},
};

static struct {
    unsigned lifted, placed;
} seen;

static void count_calls(const struct run *r)
{
    for (size_t i = 0; i < r->event_count; i++) {
        const struct trace_event *e = &r->events[i];
        if (e->kind != TRACE_CALL || strcmp(e->component, "phone") != 0)
            continue;
        seen.lifted += strcmp(e->message, "lift") == 0 || has(e->detail, "lift");
        seen.placed += strcmp(e->message, "place") == 0 || has(e->detail, "place");
    }
}

Test(random, a_phone_is_taken_from_where_the_scenario_has_laid_it_only)
{
    struct scenario *s = load("unlock");
    struct census *c = calloc(1, sizeof *c);
    const struct run_options options = {.world = WORLD_VIRTUAL, .seed = 1, .past_seed = 1, .quiet = true};
    char path[100];
    census(s, c);
    snprintf(path, sizeof path, "%s/upset.yaml", place);
    for (size_t i = 0; i < sizeof upsets / sizeof upsets[0]; i++) {
        struct schedule under;
        struct trial_result got;
        struct tree_problem p = {0};
        FILE *f = fopen(path, "w");
        fprintf(f, "do:\n  - %s", upsets[i].upset);
        fclose(f);
        cr_assert(schedule_read(path, s, &under, &p), "%zu: %s", i, p.text);
        seen.lifted = seen.placed = 0;
        trial_run(s, c, &under, &options, &got, count_calls);
        cr_expect(eq(int, got.verdict, VERDICT_PASS), "%zu: %s", i, got.cause);
        cr_expect(eq(int, got.fired[0], upsets[i].fires), "%zu", i);
        cr_expect(eq(uint, seen.lifted, upsets[i].fires), "%zu", i);
        cr_expect(eq(uint, seen.placed, 1 + upsets[i].fires), "%zu", i);
    }
    free(c);
    free(s);
}

/* ---- making small ---- */

struct needed {
    unsigned a, b, tried;
};

static bool fails_with_both(void *ctx, const struct schedule *under)
{
    struct needed *n = ctx;
    unsigned found = 0;
    n->tried++;
    for (size_t i = 0; i < under->count; i++)
        found += under->items[i].fault.nth == n->a || under->items[i].fault.nth == n->b;
    return found == 2;
}

Test(random, what_a_failure_does_not_need_is_left_out)
{
    static const struct needed table[] = {{1, 2, 0}, {1, 32, 0}, {7, 20, 0}, {31, 32, 0}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct schedule s = {.count = SCHEDULE_MAX};
        struct needed n = table[i];
        for (unsigned k = 0; k < SCHEDULE_MAX; k++)
            s.items[k].fault.nth = k + 1;
        unsigned tried = shrink_schedule(&s, 200, fails_with_both, &n);
        cr_expect(eq(uint, tried, n.tried));
        cr_assert(eq(sz, s.count, 2));
        cr_expect(eq(uint, s.items[0].fault.nth, n.a));
        cr_expect(eq(uint, s.items[1].fault.nth, n.b));
    }
}

Test(random, no_more_schedules_are_tried_than_allowed)
{
    struct schedule s = {.count = SCHEDULE_MAX};
    struct needed n = {1, 1, 0};
    cr_expect(eq(uint, shrink_schedule(&s, 9, fails_with_both, &n), 9));
    cr_expect(eq(sz, s.count, SCHEDULE_MAX));
}

/* ---- the command ---- */

static int spaaksim(char out[8000], const char *arguments)
{
    return launch_run(out, 8000, "b=$PWD/%s; cd %s && $b/bin/spaaksim %s", launch_build(), place, arguments);
}

Test(random, the_same_seed_gives_the_same_trace)
{
    char out[8000];
    static const char *const seeds[] = {"3", "4"};
    char *first = NULL;
    for (size_t i = 0; i < 2; i++) {
        char line[200], folder[100];
        char *traces[2];
        for (unsigned k = 0; k < 2; k++) {
            snprintf(line, sizeof line,
                     "run op01a --world virtual --seed %s --faults random --quiet --out %u", seeds[i], k);
            cr_expect(eq(int, spaaksim(out, line), 0), "%s", out);
            snprintf(folder, sizeof folder, "%s/%u", place, k);
            traces[k] = launch_file(folder, "trace.jsonl");
            cr_assert(ne(ptr, traces[k], NULL));
        }
        cr_expect(strcmp(traces[0], traces[1]) == 0);
        cr_expect(has(traces[0], "\"kind\":\"fault\""));
        cr_expect(first == NULL || strcmp(first, traces[0]) != 0);
        free(first);
        first = traces[0];
        free(traces[1]);
    }
    free(first);
}

/* Fifty seeds of three scenarios, on each test run. */
Test(random, a_sample_reaches_its_goals)
{
    static const char *const names[] = {"pp01", "unlock", "pp02"};
    char out[8000], line[200];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(line, sizeof line,
                 "run %s --world virtual --faults random --seeds 50 --seed 7000 --jobs 2 --out o", names[i]);
        cr_expect(eq(int, spaaksim(out, line), 0), "%s", out);
        cr_expect(has(out, "50 reached the goal"), "%s", out);
    }
}

static void write_scenario(const char *goal)
{
    char path[100];
    snprintf(path, sizeof path, "%s/lost.yaml", place);
    FILE *f = fopen(path, "w");
    fprintf(f,
            "schema: 1\nname: lost\ntitle: the operator does not repeat\nuse_case: PP-02\n"
            "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\ngiven: {after: pp01}\n"
            "do:\n  - {call: push-verifiers, to: vos, at: PP-01/2, after: 20 ms}\n"
            "expect:\n  - {step: PP-02/8, by: spaak}\nunder_faults:\n  goal:\n    - %s\n",
            goal);
    fclose(f);
}

/* A store that refuses the first commit of the operator's call; nobody repeats it. One seed in fifty or so
 * draws that. */
Test(random, a_failure_is_made_small_and_can_be_repeated)
{
    char out[8000], again[200], *text;
    write_scenario("{step: PP-02/8, by: spaak}");
    cr_expect(eq(int, spaaksim(out, "run lost.yaml --world virtual --faults random --seeds 300 --out o"), 1));
    const char *small = strstr(out, "faults 1 are enough");
    cr_assert(ne(ptr, (void *)small, NULL), "%s", out);
    cr_expect(has(small, "- refuse: {component: vos, nth: 1"), "%s", out);
    const char *file = strstr(small, "--faults o/seed-");
    cr_assert(ne(ptr, (void *)file, NULL));
    unsigned seed = (unsigned)strtoul(file + strlen("--faults o/seed-"), NULL, 10);
    snprintf(again, sizeof again, "run lost.yaml --world virtual --seed %u --faults o/seed-%u.yaml --out p",
             seed, seed);
    cr_expect(eq(int, spaaksim(out, again), 1));
    cr_expect(has(out, "there is no PP-02/8 by spaak"), "%s", out);
    cr_expect(has(out, "1 of 1 faults took effect"), "%s", out);
    snprintf(again, sizeof again,
             "run lost.yaml --world virtual --seed %u --seeds 2 --faults o/seed-%u.yaml --out p", seed, seed);
    cr_expect(eq(int, spaaksim(out, again), 1));
    snprintf(again, sizeof again, "FAIL  lost under the faults of o/seed-%u.yaml: 2 seeds from %u on, ", seed,
             seed);
    cr_expect(has(out, again), "%s", out);
    cr_expect(not(has(out, "random")), "%s", out);
    snprintf(again, sizeof again, "%s/o", place);
    text = launch_file(again, "junit.xml");
    cr_assert(ne(ptr, text, NULL));
    snprintf(again, sizeof again, "name=\"lost seed %u\"", seed);
    cr_expect(has(text, again), "%s", text);
    cr_expect(has(text, "of 300 seeds passed\""), "%s", text);
    free(text);
}

/* An earlier run's schedules, folders and trace; what somebody else has laid beside them stays. */
Test(random, what_an_earlier_run_left_goes_first)
{
    char out[8000];
    const char *run = "run pp01 --world virtual --faults random --seeds 2 --out o";
    cr_expect(eq(int, spaaksim(out, run), 0), "%s", out);
    launch_run(
        out, sizeof out,
        "cd %s/o && touch seed-7.yaml seed-x.yaml trace.jsonl can.log && mkdir -p seed-7/logs seed-8 && "
        "cp .spaaksim seed-7 && touch seed-7/trace.jsonl seed-7/can.log seed-7/logs/vos.log seed-8/mine",
        place);
    cr_expect(eq(int, spaaksim(out, run), 0), "%s", out);
    launch_run(out, sizeof out, "cd %s/o && find . -mindepth 1 | LC_ALL=C sort | tr '\\n' ' '", place);
    cr_expect(eq(str, out, "./.spaaksim ./junit.xml ./seed-8 ./seed-8/mine ./seed-x.yaml "));
}

/* In front of a CI that only looks at junit.xml. */
Test(random, an_interrupted_run_has_not_passed)
{
    char out[8000], folder[100], *junit;
    snprintf(folder, sizeof folder, "%s/o", place);
    launch_run(
        out, sizeof out,
        "b=$PWD/%s; cd %s; timeout -s INT 2 $b/bin/spaaksim run unlock --world virtual --faults random "
        "--seeds 100000 --jobs 1 --out o",
        launch_build(), place);
    cr_expect(has(out, "interrupted by SIGINT: "), "%s", out);
    cr_expect(has(out, "FAIL  unlock under random faults"), "%s", out);
    junit = launch_file(folder, "junit.xml");
    cr_assert(ne(ptr, junit, NULL));
    cr_expect(has(junit, " errors=\"1\""), "%s", junit);
    cr_expect(has(junit, "of 100000 seeds not finished\""), "%s", junit);
    cr_expect(has(junit, "<error message=\"interrupted by SIGINT: "), "%s", junit);
    free(junit);
}

static void write_file(const char *name, const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", place, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

/* The owner is too far away until he repeats what he did. */
Test(random, those_who_repeat_can_walk)
{
    char out[8000];
    write_file("walk.yaml", "schema: 1\nname: walk\ntitle: he comes back\nuse_case: OP-06\n"
                            "run: [vos, gsdp, sgw, tbm, spaak, bcm, hu, wcp, phone]\ngiven: {after: op05}\n"
                            "do:\n  - {distance: 3 m, from: phone, to: spaak, at: start}\n"
                            "  - {call: bluetooth, to: phone, state: \"on\", at: start, after: 100 ms}\n"
                            "  - {distance: 200 m, from: phone, to: spaak, at: OP-06/2}\n"
                            "expect:\n  - {step: OP-06/2, by: phone}\n"
                            "under_faults:\n  goal:\n    - {step: OP-06/8, by: bcm}\n"
                            "  repeat:\n    - {distance: 3 m, from: phone, to: spaak, after: 2 s}\n");
    write_file("kill.yaml", "faults:\n  - kill: {component: vos, at: OP-06/2, restart_after: 1 s}\n");
    cr_expect(eq(int, spaaksim(out, "run walk.yaml --world virtual --faults kill.yaml --out o"), 0), "%s",
              out);
    cr_expect(has(out, "the goal; 1 of 1 faults took effect, 1 round"), "%s", out);
}

Test(random, a_clean_end_is_told_as_one)
{
    char out[8000];
    write_scenario("{step: PP-02/99, by: spaak}\n  clean_ends:\n    - {step: PP-02/8, by: spaak}");
    cr_expect(eq(int, spaaksim(out, "run lost.yaml --world virtual --faults random --seed 3 --out o"), 0),
              "%s", out);
    cr_expect(has(out, "a clean end (line "), "%s", out);
}

Test(random, command_lines_that_are_wrong)
{
    static const struct {
        const char *arguments;
        int code;
        const char *says;
    } table[] = {
        {"run pp01 --seeds 5", 2, "--seeds goes with --faults"},
        {"run --all --faults random", 2, "not for --all"},
        {"run pp01 --faults random --seeds 0", 2, "--seeds goes from 1"},
        {"run pp01-lost-response --world virtual --faults random", 2, "it has faults of its own"},
        {"run op03-killed-in-processes --faults random", 2, "it has a foreach"},
        {"run pp01 --world virtual --faults idle.yaml --out o", 1, "no fault took effect: nothing was tried"},
        {"run pp01 --world virtual --faults idle.yaml --seeds 2 --out o", 1, "no fault took effect"},
        {"run pp01 --world virtual --faults nowhere.yaml", 2, "cannot be read"},
    };
    char out[8000];
    write_file("idle.yaml", "faults:\n  - kill: {component: spaak, at: PP-02/17, restart_after: 1 s}\n");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        cr_expect(eq(int, spaaksim(out, table[i].arguments), table[i].code), "%s\n%s", table[i].arguments,
                  out);
        cr_expect(has(out, table[i].says), "%s", out);
    }
}
