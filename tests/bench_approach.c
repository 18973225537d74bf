/* First approaches in virtual time, all components on: from the vehicle that the phone recognises (OP-06/2)
 * to unlocked doors (OP-06/8), over the air, with pairing and one fast transaction. Two cars stand side by
 * side, and the second one's approach is measured, when the first has been entered a dozen times: what
 * OpenSSL looks up once is looked up, and the program is warm. Beside it the time in OpenSSL's operations, on
 * P-256 and symmetric, of the same approach once more, in which each of them is timed; what the clock takes
 * is counted out. One core.
 *
 * bench_approach BUILD: passive entry of separate processes, again and again, from the connection to unlocked
 * doors by the times of the trace; beside it the same in virtual time, by the CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"
#include "tests/timed.h"

enum { ROUNDS = 31, ENTRIES = 100, WARM = 12 };

/* ---- an approach in virtual time ---- */

struct look {
    struct run *run;
    size_t seen;
    const char *component, *step;
};

static bool is_there(void *ctx, bool quiet)
{
    struct look *l = ctx;
    (void)quiet;
    for (; l->seen < l->run->event_count; l->seen++) {
        const struct trace_event *e = &l->run->events[l->seen];
        if (e->kind == TRACE_STEP && strcmp(e->component, l->component) == 0 && strcmp(e->step, l->step) == 0)
            return true;
    }
    return false;
}

static void until(struct run *r, const char *component, const char *step)
{
    struct look l = {.run = r, .component = component, .step = step};
    world_virtual.proceed(r, UINT64_MAX, is_there, &l);
    figure_must(l.seen < r->event_count, step);
}

static const char two_cars[] =
    "schema: 1\n"
    "name: bench-approach\n"
    "title: a first approach, and another one\n"
    "use_case: OP-06\n"
    "run: [pki, dos, vos, gsdp, tbe, sgw, tbm, spaak, bcm, hu, wcp, phone, v0002.sgw, v0002.tbm, "
    "v0002.spaak, v0002.bcm, v0002.hu, v0002.wcp, other: phone]\n"
    "given: {after: two-cars}\n"
    "do:\n"
    "  - {call: bluetooth, to: phone, state: \"on\", at: start, after: 300 ms}\n"
    "  - {call: bluetooth, to: other, state: \"on\", at: start, after: 20 s}\n"
    "%s"
    "expect:\n"
    "  - {shows: doors, by: bcm, is: unlocked}\n"
    "  - {shows: doors, by: v0002.bcm, is: unlocked}\n";

/* The first car's: its phone goes away, the doors are locked, it comes again. */
static void write_entries(char *out, size_t cap)
{
    size_t n = 0;
    for (unsigned k = 0; k < WARM; k++)
        n += (size_t)snprintf(out + n, cap - n,
                              "  - {call: bluetooth, to: phone, state: \"off\", at: start, after: %u s}\n"
                              "  - {call: lock-doors, to: bcm, at: start, after: %u300 ms}\n"
                              "  - {call: bluetooth, to: phone, state: \"on\", at: start, after: %u600 ms}\n",
                              k + 2, k + 2, k + 2);
}

enum { OPERATIONS = 1 << TIMED_P256 | 1 << TIMED_POINTS | 1 << TIMED_SYMMETRIC };

struct approach_cost {
    double all_s, crypto_s; /* timed, or not */
    unsigned p256, symmetric;
};

static struct approach_cost approach(const struct scenario *s, const char *phone, const char *bcm,
                                     struct work_memo *memo, unsigned kinds, double clock)
{
    struct run *r = calloc(1, sizeof *r);
    const struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true, .memo = memo};
    struct approach_cost c;
    figure_must(r && world_virtual.open(r, s, &o), "a world");
    until(r, phone, "OP-06/2");
    timed_begin(kinds);
    double t = cpu_s();
    until(r, bcm, "OP-06/8");
    c = (struct approach_cost){.all_s = cpu_s() - t};
    const struct timed_kinds spent = timed_end();
    for (size_t i = 0; i < TIMED_KINDS; i++)
        c.crypto_s += spent.of[i].s - spent.of[i].calls * clock;
    c.p256 = spent.of[TIMED_P256].calls + spent.of[TIMED_POINTS].calls;
    c.symmetric = spent.of[TIMED_SYMMETRIC].calls;
    world_virtual.proceed(r, UINT64_MAX, NULL, NULL);
    figure_must(world_virtual.close(r) == VERDICT_PASS, s->name);
    run_free(r);
    free(r);
    return c;
}

/* Of rounds that are all the same work: what others have disturbed least. */
static double least(const double s[ROUNDS])
{
    double best = s[0];
    for (size_t i = 1; i < ROUNDS; i++)
        best = s[i] < best ? s[i] : best;
    return best;
}

static struct approach_cost best_of(const char *path, const char *phone, const char *bcm)
{
    struct tree_problem problem = {0};
    struct scenario *s;
    struct approach_cost c;
    size_t n;
    double all_s[ROUNDS], crypto_s[ROUNDS];
    struct work_memo *memo = work_memo_new();
    const double clock = timed_clock_s();
    figure_must(memo != NULL, "memory");
    figure_must(scenario_load(path, &s, &n, &problem), path);
    c = approach(s, phone, bcm, memo, 0, clock);
    for (size_t i = 0; i < ROUNDS; i++) {
        all_s[i] = approach(s, phone, bcm, memo, 0, clock).all_s;
        c = approach(s, phone, bcm, memo, OPERATIONS, clock);
        crypto_s[i] = c.crypto_s;
    }
    past_forget();
    work_memo_free(memo);
    free(s);
    c.all_s = least(all_s);
    c.crypto_s = least(crypto_s);
    return c;
}

static void first_approaches(void)
{
    char dir[200], path[230], is[120], entries[WARM * 250];
    test_path(dir, sizeof dir, "bench-approach");
    snprintf(path, sizeof path, "%s/bench-approach.yaml", dir);
    FILE *f = mkdir(dir, 0700) == 0 ? fopen(path, "we") : NULL;
    write_entries(entries, sizeof entries);
    figure_must(f && fprintf(f, two_cars, entries) >= 0 && fclose(f) == 0, "a scenario");
    const struct approach_cost c = best_of(path, "other", "v0002.bcm");
    unlink(path);
    rmdir(dir);
    snprintf(is, sizeof is, "the %u P-256 operations and %u symmetric calls of the same approach alone",
             c.p256, c.symmetric);
    figure_report("virtual_first_approaches", 1 / c.all_s,
                  "1/s of CPU, recognised to unlocked, all components, best of 31", 1 / c.crypto_s, is, 0.6);
}

/* ---- passive entry in processes ---- */

/* A phone whose Bluetooth is off is away: the doors are locked, and it comes near again. */
static void play(const char *build, const char *out)
{
    char command[500];
    snprintf(command, sizeof command,
             "%s/bin/spaaksim play passive-entry --world process --quiet --out %s >&2", build, out);
    FILE *lines = popen(command, "w");
    figure_must(lines != NULL, "spaaksim play");
    fprintf(lines, "run 4 s; ");
    for (int i = 0; i < ENTRIES; i++)
        fprintf(lines, "phone bluetooth state=off; run 300 ms; bcm lock-doors; run 100 ms; "
                       "phone bluetooth state=on; run 600 ms\n");
    fprintf(lines, "quit\n");
    figure_must(pclose(lines) == 0, "spaaksim play passive-entry");
}

static bool has(const char *line, const char *what)
{
    return strstr(line, what) != NULL;
}

/* Milliseconds from the phone that has recognised the vehicle, and connects, to the doors. */
static size_t read_trace(const char *out, double ms[ENTRIES])
{
    char path[300], line[2000];
    unsigned long long t = 0, began = 0;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/trace.jsonl", out);
    FILE *f = fopen(path, "re");
    figure_must(f != NULL, "the trace");
    while (n < ENTRIES && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"t_us\":");
        if (!at || sscanf(at, "\"t_us\":%llu", &t) != 1)
            continue;
        if (has(line, "\"OP-06/2\"")) {
            began = t;
        } else if (began && has(line, "\"message\":\"doors\",\"detail\":\"unlocked\"")) {
            ms[n++] = (double)(t - began) / 1e3;
            began = 0;
        }
    }
    fclose(f);
    return n;
}

static void passive_entries(const char *build)
{
    static double ms[ENTRIES];
    char out[200], command[300];
    static const char entry[] = "scenarios/op06/passive-entry-relay-unseen.yaml";
    const double floor = best_of(entry, "phone", "bcm").all_s * 1e3;
    test_path(out, sizeof out, "bench-approach");
    play(build, out);
    const size_t n = read_trace(out, ms);
    snprintf(command, sizeof command, "rm -rf %s", out);
    figure_must(system(command) == 0, "cleaning up");
    figure_must(n == ENTRIES, "each entry unlocks");
    const double median = figure_median(ms, n);
    static const char is[] = "the same entry of all components in virtual time, CPU, best of 31";
    figure_report("process_passive_entry", median, "ms from connecting to doors unlocked, median of 100",
                  floor, is, 20);
    figure_report("process_passive_entry_p99", ms[n * 99 / 100 - 1], "ms, 99th percentile of 100", floor, is,
                  100);
}

int main(int argc, char **argv)
{
    scenario_finder = scenario_find_quietly;
    if (argc == 2)
        passive_entries(argv[1]);
    else
        first_approaches();
    return 0;
}
