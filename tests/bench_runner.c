/* What the runner itself costs: an event early and late in a long run, and a life before a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/run/run.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"
#include "tests/support.h"

/* ---- an event ---- */

#define EARLY  1000u
#define LATE   100000u
#define WINDOW 1000u

static void no_cut(struct run *r, const char *name, const char *link, bool cut)
{
    (void)r, (void)name, (void)link, (void)cut;
}

/* A relay, a send, a step, a drop: of each four one comes near an expectation. */
static struct trace_event event_at(uint32_t i)
{
    static const enum trace_kind kinds[] = {TRACE_RELAY, TRACE_SEND, TRACE_STEP, TRACE_DROP};
    struct trace_event e = {.time_us = i, .sequence = i, .kind = (uint16_t)kinds[i % 4], .length = 1};
    text_copy(e.component, sizeof e.component, i % 2 ? "spaak" : "tbm");
    text_copy(e.message, sizeof e.message, "VehicleSubjectIdRequest");
    if (i % 4 == 2)
        snprintf(e.step, sizeof e.step, "PP-01/%u", i % 19);
    return e;
}

static void expectations(struct scenario *s)
{
    memset(s, 0, sizeof *s);
    s->limit_us = UINT64_MAX;
    s->expect_count = 24;
    for (size_t i = 0; i < s->expect_count; i++) {
        struct expect *x = &s->expects[i];
        *x = (struct expect){
            .event = TRACE_SEND, .reason = -1, .at_least = 1, .kind = EXPECT_EVENT, .any_order = i % 3 == 0};
        snprintf(x->step, sizeof x->step, "PP-01/%zu", 30 + i); /* none is ever met */
        if (i % 2) {
            x->kind = EXPECT_PATH;
            x->path_count = 2;
        }
    }
}

static double window_s(struct run *r, uint32_t from)
{
    double t = cpu_s();
    for (uint32_t i = from; i < from + WINDOW; i++) {
        struct trace_event e = event_at(i);
        run_on_event(r, &e);
        run_finished(r, i);
    }
    return (cpu_s() - t) / WINDOW;
}

static void bench_event(void)
{
    static struct scenario s;
    static const struct world_ops ops = {.cut = no_cut};
    double early = 1, late = 1;
    expectations(&s);
    for (int round = 0; round < 5; round++) {
        struct run_options o = {.world = WORLD_VIRTUAL, .quiet = true};
        struct run *r = calloc(1, sizeof *r);
        run_begin(r, &s, &o, &ops, NULL);
        for (uint32_t i = 0; i < LATE; i += WINDOW) {
            double t = window_s(r, i);
            if (i == EARLY && t < early)
                early = t;
        }
        double t = window_s(r, LATE);
        late = t < late ? t : late;
        run_free(r);
        free(r);
    }
    figure_report("runner_event_at_100000", late * 1e6, "us each", early * 1e6, "the same at event 1,000",
                  1.2);
}

/* ---- a life ---- */

static char directory[120];

static char *find_here(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s.yaml", directory, name);
    return access(path, R_OK) == 0 ? strdup(path) : scenario_find_quietly(name);
}

static void write_scenario(const char *name, const char *given, const char *expect)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s.yaml", directory, name);
    FILE *f = fopen(path, "we");
    if (!f)
        exit(1);
    fprintf(f,
            "schema: 1\nname: %s\ntitle: t\nuse_case: PP-01\nquiet: 0 ms\n"
            "run: [broker, pki, vos, gsdp, sgw, tbm, spaak]\n%sexpect:\n  - %s\n",
            name, given, expect);
    fclose(f);
}

static double run_s(const char *name)
{
    struct scenario *s;
    struct tree_problem p = {0};
    size_t n;
    char *path = find_here(name);
    struct run *r = calloc(1, sizeof *r);
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true};
    if (!scenario_load(path, &s, &n, &p))
        exit(1);
    double t = wall_s();
    if (world_run(r, s, &o) != VERDICT_PASS) {
        fprintf(stderr, "%s: %s\n", name, r->failures[0]);
        exit(1);
    }
    t = wall_s() - t;
    run_free(r);
    free(r);
    free(s);
    free(path);
    return t;
}

static void bench_life(void)
{
    double with = 1, without = 1;
    test_path(directory, sizeof directory, "bench-life");
    mkdir(directory, 0700);
    scenario_finder = find_here;
    write_scenario("life", "given: {after: rp02}\n", "{step: PP-01/19, by: spaak}");
    write_scenario("after", "given: {after: life}\n", "{event: step, step: PP-01/2, by: spaak}");
    for (int i = 0; i < 7; i++) {
        past_forget();
        double first = run_s("after"), kept = run_s("after");
        with = first < with ? first : with;
        without = kept < without ? kept : without;
    }
    figure_report("life_before_a_run", (with - without) * 1e3, "ms, virtual world", 24,
                  "the limit, 8 ms for each of its three lives: rp01, rp02, PP-01", 1);
    past_forget();
    for (const char *const *name = (const char *const[]){"life", "after", NULL}; *name; name++) {
        char *path = find_here(*name);
        unlink(path);
        free(path);
    }
    rmdir(directory);
}

int main(void)
{
    bench_event();
    bench_life();
    return 0;
}
