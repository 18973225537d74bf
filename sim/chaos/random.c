#include "sim/chaos/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/spawn.h"
#include "lib/host/virtual.h"
#include "sim/chaos/draw.h"
#include "sim/chaos/pool.h"
#include "sim/chaos/shrink.h"
#include "sim/commands.h"
#include "sim/run/folder.h"
#include "sim/run/leftovers.h"
#include "sim/run/records.h"
#include "sim/world/interrupt.h"
#include "sim/world/past.h"

#define KINDS_MAX    12  /* of failures, each told with its smallest schedule */
#define SEEDS_TOLD   8   /* of a kind */
#define SHRINK_TRIES 120 /* schedules */
#define SEED_FILE    40

/* Failures that differ in numbers only. */
struct failure_kind {
    char cause[RUN_FAILURE_TEXT];
    uint64_t seeds[SEEDS_TOLD];
    struct schedule under; /* of the first */
    size_t count;
};

struct random {
    const struct random_options *options;
    struct run_options run;
    const char *path;
    struct scenario *scenario;
    struct census census;
    struct schedule given; /* of a file */
    bool drawn;
    char out[FOLDER_PATH + 8];
    int folder;
    struct pool pool;
    uint64_t started, ended, failed, goals, drawn_count, fired_count;
    uint64_t fired[FAULT_KINDS + 1]; /* by kind; the last: upsets */
    struct failure_kind kinds[KINDS_MAX];
    size_t kind_count;
    struct report_row *rows; /* a row for each seed that failed */
    size_t row_count;
    double began_s;
    int64_t began_at_s;
};

static double now_s(void)
{
    return records_clock_ms() / 1e3;
}

/* ---- telling ---- */

static bool is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

static void tell_progress(const struct random *x)
{
    if (is_terminal() && !x->run.quiet)
        fprintf(stderr, "\r%llu of %llu seeds, %llu failed ", (unsigned long long)x->ended,
                (unsigned long long)x->options->seeds, (unsigned long long)x->failed);
}

static void end_progress(void)
{
    if (is_terminal())
        fputs("\r\033[K", stderr);
}

static void tell_command(const struct random *x, uint64_t seed, const char *faults)
{
    printf("  again: %s run %s --world %s --seed %llu --faults %s\n", program_invocation_name, x->path,
           world_names[x->run.world], (unsigned long long)seed, faults);
}

static size_t count_fired(const struct schedule *under, const struct trial_result *result)
{
    size_t n = 0;
    for (size_t i = 0; i < under->count; i++)
        n += result->fired[i];
    return n;
}

/* ---- kinds of failures ---- */

static bool same_kind(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "0123456789.");
        b += strspn(b, "0123456789.");
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

static void note_kind(struct random *x, const struct pool_slot *s)
{
    size_t i = 0;
    while (i < x->kind_count && !same_kind(x->kinds[i].cause, s->result->cause))
        i++;
    if (i == KINDS_MAX)
        return;
    struct failure_kind *k = &x->kinds[i];
    if (i == x->kind_count) {
        x->kind_count++;
        text_copy(k->cause, sizeof k->cause, s->result->cause);
        k->under = s->under;
    }
    if (k->count < SEEDS_TOLD)
        k->seeds[k->count] = s->seed;
    k->count++;
}

/* ---- one run has ended ---- */

static void count_faults(struct random *x, const struct pool_slot *s)
{
    x->drawn_count += s->under.count;
    for (size_t i = 0; i < s->under.count; i++) {
        if (!s->result->fired[i])
            continue;
        x->fired_count++;
        x->fired[s->under.items[i].upset ? FAULT_KINDS : s->under.items[i].fault.kind]++;
    }
}

static void note_row(struct random *x, const struct pool_slot *s)
{
    struct report_row *more = realloc(x->rows, (x->row_count + 2) * sizeof *more);
    if (!more)
        abort();
    x->rows = more;
    struct report_row *row = &x->rows[x->row_count++];
    *row = (struct report_row){.verdict = s->result->verdict, .began_s = x->began_at_s};
    snprintf(row->label, sizeof row->label, "%.60s seed %llu", x->scenario->name,
             (unsigned long long)s->seed);
    text_copy(row->world, sizeof row->world, world_names[x->run.world]);
    text_copy(row->detail, sizeof row->detail, s->result->cause);
}

static void take_result(struct random *x, const struct pool_slot *s)
{
    x->ended++;
    count_faults(x, s);
    if (s->result->verdict == VERDICT_PASS) {
        x->goals += s->result->end < 0;
        tell_progress(x);
        return;
    }
    x->failed++;
    note_kind(x, s);
    note_row(x, s);
    end_progress();
    printf("FAIL  seed %llu  %s\n", (unsigned long long)s->seed, s->result->cause);
    fflush(stdout);
}

static void run_seeds(struct random *x)
{
    struct schedule under = x->given;
    struct pool_slot *s;
    while ((x->started < x->options->seeds || x->pool.running) && !interrupt_heard()) {
        if (x->started < x->options->seeds && x->pool.running < (size_t)x->options->jobs) {
            uint64_t seed = x->run.seed + x->started++;
            if (x->drawn)
                draw_schedule(x->scenario, &x->census, seed, &under);
            if (!pool_start(&x->pool, seed, &under))
                abort();
        } else if ((s = pool_wait(&x->pool))) {
            take_result(x, s);
        }
    }
    if (interrupt_heard())
        pool_stop(&x->pool);
    end_progress();
}

/* ---- a failure made small ---- */

struct shrinking {
    struct random *random;
    const struct failure_kind *kind;
};

static bool still_fails(void *ctx, const struct schedule *under)
{
    struct shrinking *k = ctx;
    struct pool *p = &k->random->pool;
    struct pool_slot *s = NULL;
    if (interrupt_heard() || !pool_start(p, k->kind->seeds[0], under))
        return false;
    while (!s && !interrupt_heard())
        s = pool_wait(p);
    return s && s->result->verdict != VERDICT_PASS && same_kind(s->result->cause, k->kind->cause);
}

static void write_schedule(struct random *x, uint64_t seed, const struct schedule *under,
                           char file[SEED_FILE])
{
    snprintf(file, SEED_FILE, "seed-%llu.yaml", (unsigned long long)seed);
    FILE *f = folder_create(x->folder, file);
    if (f)
        schedule_print(x->scenario, under, f);
    if (!f || fclose(f) != 0)
        fprintf(stderr, "spaaksim: %s/%s could not be written: %s\n", x->out, file, strerror(errno));
}

static void tell_kind(struct random *x, struct failure_kind *k)
{
    char file[SEED_FILE], path[FOLDER_PATH + SEED_FILE + 16];
    size_t before = k->under.count;
    unsigned tried = 0;
    printf("\n%zu of them like seed %llu:  %s\n  seeds", k->count, (unsigned long long)k->seeds[0], k->cause);
    for (size_t i = 0; i < k->count && i < SEEDS_TOLD; i++)
        printf(" %llu", (unsigned long long)k->seeds[i]);
    printf("%s\n", k->count > SEEDS_TOLD ? " ..." : "");
    if (x->drawn)
        tell_command(x, k->seeds[0], "random");
    /* processes in real time repeat nothing: what a smaller schedule shows there is chance */
    if (x->run.world == WORLD_VIRTUAL)
        tried = shrink_schedule(&k->under, SHRINK_TRIES, still_fails, &(struct shrinking){x, k});
    write_schedule(x, k->seeds[0], &k->under, file);
    if (tried)
        printf("  of its %zu faults %zu are enough (%u runs):\n", before, k->under.count, tried);
    schedule_print(x->scenario, &k->under, stdout);
    snprintf(path, sizeof path, "%s/%s", x->out, file);
    tell_command(x, k->seeds[0], path);
}

/* ---- the end ---- */

/* What was not run has neither passed nor failed: no case of its own would count as passed. */
static struct report_row unfinished_row(const struct random *x, int signal)
{
    struct report_row row = {.verdict = VERDICT_BLOCKED, .began_s = x->began_at_s};
    unsigned long long left = x->options->seeds - x->ended;
    snprintf(row.label, sizeof row.label, "%.50s %llu of %llu seeds not finished", x->scenario->name, left,
             (unsigned long long)x->options->seeds);
    text_copy(row.world, sizeof row.world, world_names[x->run.world]);
    snprintf(row.detail, sizeof row.detail, "interrupted by %s: %llu of %llu seeds were not finished",
             spawn_signal_name(signal), left, (unsigned long long)x->options->seeds);
    return row;
}

static bool write_junit(struct random *x, int interrupted)
{
    struct report_row *rows = realloc(x->rows, (x->row_count + 2) * sizeof *rows);
    if (!rows)
        abort();
    x->rows = rows;
    struct report_row *row = &rows[x->row_count];
    *row = (struct report_row){
        .verdict = VERDICT_PASS, .began_s = x->began_at_s, .seconds = now_s() - x->began_s};
    snprintf(row->label, sizeof row->label, "%.50s %llu of %llu seeds passed", x->scenario->name,
             (unsigned long long)(x->ended - x->failed), (unsigned long long)x->options->seeds);
    text_copy(row->world, sizeof row->world, world_names[x->run.world]);
    if (interrupted)
        row[1] = unfinished_row(x, interrupted);
    FILE *f = folder_create(x->folder, "junit.xml");
    bool ok = f && report_write_junit(f, rows, x->row_count + (interrupted ? 2 : 1));
    if (!ok)
        fprintf(stderr, "spaaksim: %s/junit.xml could not be written: %s\n", x->out, strerror(errno));
    return ok;
}

static void tell_faults(const struct random *x)
{
    printf("faults: %llu of %llu took effect:", (unsigned long long)x->fired_count,
           (unsigned long long)x->drawn_count);
    for (unsigned k = 0; k <= FAULT_KINDS; k++)
        if (x->fired[k])
            printf(" %s %llu", k < FAULT_KINDS ? fault_kind_name((enum fault_kind)k) : "away",
                   (unsigned long long)x->fired[k]);
    putchar('\n');
}

static int sum_up(struct random *x)
{
    double took_s = now_s() - x->began_s;
    int interrupted = interrupt_heard();
    for (size_t i = 0; i < x->kind_count && !interrupt_heard(); i++)
        tell_kind(x, &x->kinds[i]);
    bool written = write_junit(x, interrupted);
    tell_faults(x);
    if (interrupted)
        printf("interrupted by %s: %llu of %llu seeds were not finished\n", spawn_signal_name(interrupted),
               (unsigned long long)(x->options->seeds - x->ended), (unsigned long long)x->options->seeds);
    printf("%s  %s under %s%.200s: %llu seeds from %llu on, %llu reached the goal, %llu a clean end, "
           "%llu failed  "
           "(%s world; %.1f s, %.0f seeds a minute; %s/junit.xml)\n",
           x->failed || interrupted ? "FAIL" : "PASS", x->scenario->name,
           x->drawn ? "random faults" : "the faults of ", x->drawn ? "" : x->options->faults,
           (unsigned long long)x->ended, (unsigned long long)x->run.seed, (unsigned long long)x->goals,
           (unsigned long long)(x->ended - x->failed - x->goals), (unsigned long long)x->failed,
           world_names[x->run.world], took_s, took_s > 0 ? (double)x->ended * 60 / took_s : 0, x->out);
    if (!interrupted && x->fired_count == 0) {
        puts("no fault took effect: nothing was tried");
        return EXIT_FAILED;
    }
    return x->failed || interrupted || !written ? EXIT_FAILED : EXIT_PASSED;
}

/* What an earlier run left there goes first: it would be taken for this one's. */
static bool open_folder(struct random *x)
{
    char problem[FOLDER_PROBLEM];
    snprintf(x->out, sizeof x->out, "%s%s", x->run.out ? x->run.out : "out/",
             x->run.out ? "" : x->scenario->name);
    x->folder = folder_claim(x->out, problem);
    if (x->folder < 0) {
        fprintf(stderr, "spaaksim: %s\n", problem);
        return false;
    }
    const char *stays = leftovers_remove(x->folder);
    if (stays)
        fprintf(stderr, "spaaksim: cannot remove %s/%s, which an earlier run left: %s\n", x->out, stays,
                strerror(errno));
    unlinkat(x->folder, "can.log", 0);
    if (x->drawn)
        leftovers_remove_schedules(x->folder);
    return !stays;
}

static int run_many(struct random *x)
{
    if (!open_folder(x))
        return EXIT_MISSING;
    if (!pool_open(&x->pool)) {
        fprintf(stderr, "spaaksim: %s\n", strerror(errno));
        return EXIT_MISSING;
    }
    x->pool.scenario = x->scenario;
    x->pool.census = &x->census;
    x->pool.options = &x->run;
    x->pool.folder = x->run.world == WORLD_PROCESS ? x->out : NULL;
    x->began_s = now_s();
    x->began_at_s = (int64_t)time(NULL);
    run_seeds(x);
    int rc = sum_up(x);
    pool_close(&x->pool);
    close(x->folder);
    free(x->rows);
    return rc;
}

/* ---- one seed, with its records ---- */

static void tell_failures(const struct run *r)
{
    for (size_t i = 0; i < r->failure_count; i++)
        puts(r->failures[i]);
}

static int run_one(struct random *x)
{
    static const int codes[] = {EXIT_PASSED, EXIT_FAILED, EXIT_MISSING, EXIT_FAILED};
    struct schedule under = x->given;
    struct trial_result result = {.alone = true};
    char out[FOLDER_PATH + 8], end[40] = "the goal";
    if (x->drawn && !interrupt_heard()) /* then the census may lack what is drawn from */
        draw_schedule(x->scenario, &x->census, x->run.seed, &under);
    schedule_print(x->scenario, &under, stdout);
    snprintf(out, sizeof out, "%s%s", x->run.out ? x->run.out : "out/", x->run.out ? "" : x->scenario->name);
    x->run.out = out;
    trial_run(x->scenario, &x->census, &under, &x->run, &result, tell_failures);
    if (result.end >= 0)
        snprintf(end, sizeof end, "a clean end (line %u)", x->scenario->under_faults.ends[result.end].line);
    printf(
        "%s  %s under faults, seed %llu: %s%s%zu of %zu faults took effect, %u round%s, %.1f s of %s time  "
        "records in %s\n",
        verdict_name(result.verdict), x->scenario->name, (unsigned long long)x->run.seed,
        result.verdict == VERDICT_PASS ? end : "", result.verdict == VERDICT_PASS ? "; " : "",
        count_fired(&under, &result), under.count, result.rounds, result.rounds == 1 ? "" : "s",
        (double)result.us / 1e6, x->run.world == WORLD_VIRTUAL ? "virtual" : "real", out);
    return codes[result.verdict];
}

/* ---- the command ---- */

static bool fits(const struct scenario *s, size_t variants, enum world_kind world)
{
    const char *why = variants > 1      ? "it has a foreach"
                      : s->faults.count ? "it has faults of its own"
                      : !s->worlds[WORLD_VIRTUAL]
                          ? "it is not made for the virtual world, where it is first looked at"
                      : !s->worlds[world] ? "it is not made for this world"
                                          : NULL;
    if (why)
        fprintf(stderr, "spaaksim: %s cannot be run under other faults: %s\n", s->name, why);
    return !why;
}

static bool prepare(struct random *x)
{
    struct tree_problem wrong = {0};
    char problem[RUN_FAILURE_TEXT];
    x->drawn = strcmp(x->options->faults, "random") == 0;
    if (!x->drawn && !schedule_read(x->options->faults, x->scenario, &x->given, &wrong)) {
        fprintf(stderr, "%s:%u:%u: %s\n", x->options->faults, wrong.line, wrong.column, wrong.text);
        return false;
    }
    if (census_take(x->scenario, &x->run, &x->census, problem))
        return true;
    if (!interrupt_heard())
        fprintf(stderr, "spaaksim: %s: %s\n", x->scenario->name, problem);
    return interrupt_heard(); /* then no seed begins, and the end is told */
}

/* Every run finds it lived already. */
static void live_before(const struct random *x)
{
    char problem[600];
    struct run_options o = x->run;
    o.out = NULL;
    int64_t now_ms = o.world == WORLD_VIRTUAL ? VIRTUAL_EPOCH_MS : (int64_t)time(NULL) * 1000;
    if (x->scenario->given.after[0])
        past_of(x->scenario, &o, now_ms, problem,
                sizeof problem); /* one that cannot be lived is told by the run */
}

int random_run(const char *path, const struct random_options *options)
{
    struct random *x = calloc(1, sizeof *x);
    size_t variants;
    int rc = EXIT_WRONG;
    if (!x)
        abort();
    x->options = options;
    x->path = path;
    x->run = *options->run;
    x->run.past_seed = RANDOM_PAST_SEED;
    if (catalogue_load(path, &x->scenario, &variants) && fits(x->scenario, variants, x->run.world) &&
        prepare(x)) {
        live_before(x);
        rc = options->seeds == 1 ? run_one(x) : run_many(x);
    }
    past_forget();
    free(x->scenario);
    free(x);
    return rc;
}
