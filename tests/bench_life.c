/* The whole life of a key (scenarios/life/owner-pairing.yaml) in the virtual world, from the plant to PP-03:
 * CPU of a run, records of it left out, with scrypt and without, beside the P-256 operations and the scrypt
 * of that very run. bench_life BUILD: seeds of random faults on it in a minute of two cores, beside
 * undisturbed runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"
#include "tests/timed.h"

enum { RUNS = 15, SEEDS = 300 };

struct life {
    double all_ms;
    struct timed_kinds spent;
};

static struct life live(const struct scenario *s, struct work_memo *memo)
{
    struct run *r = calloc(1, sizeof *r);
    const struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true, .memo = memo};
    figure_must(r != NULL, "memory");
    timed_begin(1 << TIMED_P256 | 1 << TIMED_SCRYPT);
    double t = cpu_s();
    figure_must(world_run(r, s, &o) == VERDICT_PASS, "owner-pairing");
    const struct life l = {(cpu_s() - t) * 1e3, timed_end()};
    run_free(r);
    free(r);
    return l;
}

/* The medians of all and of the floor; the calls are those of any run: they have the same seed. */
static struct life median(const struct scenario *s, struct work_memo *memo, double *floor_ms)
{
    double all[RUNS], floors[RUNS];
    struct life l = live(s, memo); /* what it fills is there for the others */
    for (size_t i = 0; i < RUNS; i++) {
        l = live(s, memo);
        all[i] = l.all_ms;
        floors[i] = (l.spent.of[TIMED_P256].s + l.spent.of[TIMED_SCRYPT].s) * 1e3;
    }
    l.all_ms = figure_median(all, RUNS);
    *floor_ms = figure_median(floors, RUNS);
    return l;
}

static void report_lives(const struct scenario *s)
{
    struct work_memo *memo = work_memo_new();
    double floor_ms;
    char is[120];
    figure_must(memo != NULL, "memory");
    struct life l = median(s, NULL, &floor_ms);
    figure_must(l.spent.of[TIMED_SCRYPT].calls > 0, "scrypt");
    snprintf(is, sizeof is, "the %u P-256 operations and %u scrypt of the same run",
             l.spent.of[TIMED_P256].calls, l.spent.of[TIMED_SCRYPT].calls);
    figure_report("virtual_life", l.all_ms, "ms of CPU, from RP-01 to PP-03, all components, median of 15",
                  floor_ms, is, 2);
    l = median(s, memo, &floor_ms);
    figure_must(l.spent.of[TIMED_SCRYPT].calls == 0, "no scrypt");
    snprintf(is, sizeof is, "the %u P-256 operations of the same run", l.spent.of[TIMED_P256].calls);
    figure_report("virtual_life_without_scrypt", l.all_ms, "ms of CPU, the same", floor_ms, is, 3);
    work_memo_free(memo);
}

/* What the command says of itself. */
static double seeds_a_minute(const char *build)
{
    char out[200], command[500], line[1000];
    double rate = 0;
    test_path(out, sizeof out, "bench-life");
    snprintf(command, sizeof command,
             "%s/bin/spaaksim run owner-pairing --world virtual --faults random --seeds %d --jobs 2 --out %s",
             build, SEEDS, out);
    FILE *said = popen(command, "r");
    figure_must(said != NULL, "spaaksim run");
    while (fgets(line, sizeof line, said)) {
        const char *minute = strstr(line, " seeds a minute;"), *at = minute;
        while (at && at > line && at[-1] != ' ')
            at--;
        if (at)
            rate = strtod(at, NULL);
    }
    figure_must(pclose(said) == 0 && rate > 0, "owner-pairing under random faults");
    snprintf(command, sizeof command, "rm -rf %s", out);
    figure_must(system(command) == 0, "cleaning up");
    return rate;
}

static void report_seeds(const struct scenario *s, const char *build)
{
    double floor_ms;
    const struct life l = median(s, NULL, &floor_ms);
    figure_report("random_lives", seeds_a_minute(build), "seeds/minute of random faults on two cores",
                  2 * 60e3 / l.all_ms, "undisturbed runs in a minute of two cores", 0.4);
}

int main(int argc, char **argv)
{
    struct tree_problem problem = {0};
    struct scenario *s;
    size_t n;
    figure_must(scenario_load("scenarios/life/owner-pairing.yaml", &s, &n, &problem), problem.text);
    if (argc == 2)
        report_seeds(s, argv[1]);
    else
        report_lives(s);
    past_forget();
    free(s);
    return 0;
}
