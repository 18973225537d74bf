#include "sim/run_all.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/spawn.h"
#include "lib/host/virtual.h"
#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/run/folder.h"
#include "sim/world/interrupt.h"
#include "sim/world/past.h"

/* Runs in real time for each processor: so many at any time, and so many while nobody waits for a processor.
 */
#define PROCESS_RUNS_LEAST 2
#define PROCESS_RUNS_MOST  14
#define LOOK_NS            20000000 /* between two looks at the processors */

struct job {
    char label[96], path[700], out[700], log[100];
    char variant[SCENARIO_VARIANT];
    enum world_kind world;
    bool started;
    size_t number;        /* as the files come, and in the report */
    uint64_t expected_us; /* in real time: the longer, the earlier it begins */
    pid_t pid;
    double started_s;
    struct report_row row;
};

struct batch {
    struct job *jobs;
    size_t count, started, running[WORLDS], limits[WORLDS];
    size_t limit, least; /* of both worlds together; of real time on a busy machine */
    bool one_world;
    struct run_options options;
    const char *out;
    int folder, worlds[WORLDS];       /* descriptors of the folders */
    char (*causes)[RUN_FAILURE_TEXT]; /* of each job, in memory that its process shares */
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In the child: the run, with its output in a file. What was lived before is in memory already. */
static int work_job(const struct batch *b, const struct job *j)
{
    struct run_options options = b->options;
    FILE *log = folder_create(b->worlds[j->world], j->log);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nothing goes on when the whole is killed */
    if (!log || dup2(fileno(log), STDOUT_FILENO) < 0 || dup2(fileno(log), STDERR_FILENO) < 0)
        return EXIT_FAILED;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (j->world == WORLD_VIRTUAL && !b->one_world) /* only what real time leaves over */
        sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){.sched_priority = 0});
    options.world = j->world;
    options.out = j->out;
    options.colour = false;
    int rc = run_file(j->path, &options, j->variant, b->causes[j - b->jobs]);
    past_forget();
    return rc;
}

/* The life before, lived here once, is then in the memory of every run that begins there. A life that cannot
 * be lived is told by the run itself. */
static void live_before(const struct batch *b, const struct job *j)
{
    struct tree_problem wrong = {0};
    struct scenario *s;
    size_t n;
    char problem[600];
    struct run_options options = b->options;
    options.world = j->world;
    options.out = NULL;
    if (options.keep_past || !scenario_load(j->path, &s, &n, &wrong))
        return;
    int64_t now_ms = j->world == WORLD_VIRTUAL ? VIRTUAL_EPOCH_MS : (int64_t)time(NULL) * 1000;
    if (s->given.after[0])
        past_of(s, &options, now_ms, problem, sizeof problem);
    free(s);
}

static bool start_job(struct batch *b, struct job *j)
{
    j->started = true;
    b->started++;
    live_before(b, j);
    fflush(stdout);
    j->started_s = now_s();
    j->row.began_s = (int64_t)time(NULL);
    pid_t pid = fork();
    if (pid == 0)
        exit(work_job(b, j));
    j->pid = pid > 0 ? pid : 0; /* never -1: who ends that, ends everybody */
    b->running[j->world] += pid > 0;
    return pid > 0;
}

static void end_job(struct batch *b, struct job *j, int status)
{
    static const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_FAIL, VERDICT_FAIL, VERDICT_BLOCKED};
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    b->running[j->world]--;
    j->pid = 0;
    text_copy(j->row.label, sizeof j->row.label, j->label);
    text_copy(j->row.world, sizeof j->row.world, world_names[j->world]);
    j->row.seconds = now_s() - j->started_s;
    j->row.verdict = code >= 0 && code <= 3 ? verdicts[code] : VERDICT_FAIL;
    if (j->row.verdict != VERDICT_PASS)
        text_copy(j->row.detail, sizeof j->row.detail, b->causes[j - b->jobs]);
    if (j->row.verdict != VERDICT_PASS && !j->row.detail[0])
        snprintf(j->row.detail, sizeof j->row.detail, "it gave no reason (exit status 0x%x); see %s/%s/%s",
                 (unsigned)status, b->out, world_names[j->world], j->log);
    printf("%-7s  %-8s %-36s %6.2f s%s%s\n", verdict_name(j->row.verdict), j->row.world, j->label,
           j->row.seconds, j->row.detail[0] ? "  " : "", j->row.detail);
    fflush(stdout);
}

static void reap(struct batch *b)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < b->count; i++)
            if (b->jobs[i].pid == pid)
                end_job(b, &b->jobs[i], status);
}

/* Until a run ends, or it is time to look at the processors again. */
static void wait_a_moment(struct batch *b)
{
    const struct timespec moment = {.tv_nsec = LOOK_NS};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigtimedwait(&ends, NULL, &moment);
    reap(b);
}

/* Does somebody wait for a processor, beside runs in virtual time, which let everybody go first? This process
 * is among those that run. Where /proc does not say it, yes. */
static bool processors_are_busy(const struct batch *b)
{
    unsigned runnable;
    FILE *f = fopen("/proc/loadavg", "re");
    bool known = f && fscanf(f, "%*s %*s %*s %u", &runnable) == 1;
    if (f)
        fclose(f);
    return !known || runnable > 1 + b->running[WORLD_VIRTUAL] + b->limits[WORLD_VIRTUAL];
}

/* Roughly, from what the file says of time: only the order follows from it. */
static uint64_t expected_us(const struct scenario *s)
{
    uint64_t latest_us = 0;
    for (size_t i = 0; i < s->action_count; i++)
        latest_us = s->actions[i].when.after_us > latest_us ? s->actions[i].when.after_us : latest_us;
    for (size_t i = 0; i < s->faults.count; i++)
        latest_us = s->fault_after_us[i] > latest_us ? s->fault_after_us[i] : latest_us;
    return latest_us + s->quiet_us + s->limit_us / 8;
}

static int longest_first(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    if (x->world != y->world)
        return x->world < y->world ? -1 : 1;
    if (x->world == WORLD_PROCESS && x->expected_us != y->expected_us)
        return x->expected_us > y->expected_us ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool add_job(struct batch *b, const char *path, const struct scenario *s, enum world_kind world)
{
    struct job *more = realloc(b->jobs, (b->count + 1) * sizeof *more);
    if (!more)
        return false;
    b->jobs = more;
    struct job *j = &b->jobs[b->count++];
    memset(j, 0, sizeof *j);
    j->world = world;
    j->number = b->count;
    j->expected_us = expected_us(s);
    scenario_label(s, j->label);
    text_copy(j->variant, sizeof j->variant, s->variant);
    text_copy(j->path, sizeof j->path, path);
    snprintf(j->out, sizeof j->out, "%s/%s/%s", b->out, world_names[world], s->name);
    snprintf(j->log, sizeof j->log, "%s%s%s.log", s->name, *s->variant ? "_" : "", s->variant);
    for (char *p = j->log; *p; p++)
        *p = *p == '/' ? '_' : *p;
    return true;
}

static int collect(struct batch *b, bool one_world)
{
    unsigned long files;
    char **paths = scenario_files(&files);
    int rc = EXIT_PASSED;
    for (unsigned w = 0; w < WORLDS; w++)
        for (size_t i = 0; i < files; i++) {
            struct tree_problem problem = {0};
            struct scenario *s;
            size_t n;
            if (one_world && w != b->options.world)
                continue;
            if (!scenario_load(paths[i], &s, &n, &problem)) {
                fprintf(stderr, "%s:%u:%u: %s\n", paths[i], problem.line, problem.column, problem.text);
                rc = EXIT_WRONG;
                continue;
            }
            for (size_t k = 0; s->worlds[w] && k < n; k++)
                if (!add_job(b, paths[i], &s[k], (enum world_kind)w))
                    rc = EXIT_FAILED;
            free(s);
        }
    for (size_t i = 0; i < files; i++)
        free(paths[i]);
    free(paths);
    return rc;
}

static int summarise(const struct batch *b)
{
    size_t counts[4] = {0};
    struct report_row *rows = calloc(b->count + 1, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[b->jobs[i].number] = b->jobs[i].row;
        counts[b->jobs[i].row.verdict]++;
    }
    FILE *f = rows ? folder_create(b->folder, "junit.xml") : NULL;
    bool written = f && report_write_junit(f, rows, b->count);
    if (!written)
        fprintf(stderr, "spaaksim: %s/junit.xml could not be written: %s\n", b->out, strerror(errno));
    free(rows);
    if (counts[VERDICT_BLOCKED])
        printf("%zu blocked: something needed is missing\n", counts[VERDICT_BLOCKED]);
    printf("scenarios: %zu passed, %zu failed  (%s/junit.xml)\n", counts[VERDICT_PASS],
           counts[VERDICT_FAIL] + counts[VERDICT_BLOCKED], b->out);
    if (b->count == 0 || counts[VERDICT_FAIL] || !written)
        return EXIT_FAILED;
    return counts[VERDICT_BLOCKED] ? EXIT_MISSING : EXIT_PASSED;
}

static bool claim(const char *path, int *out)
{
    char problem[FOLDER_PROBLEM];
    *out = folder_claim(path, problem);
    if (*out < 0)
        fprintf(stderr, "spaaksim: %s\n", problem);
    return *out >= 0;
}

static bool make_out(struct batch *b)
{
    char path[FOLDER_PATH + 20];
    bool ok = claim(b->out, &b->folder);
    if (ok)
        unlinkat(b->folder, "junit.xml", 0); /* should this one be interrupted, it would be taken for its */
    for (unsigned w = 0; ok && w < WORLDS; w++) {
        snprintf(path, sizeof path, "%s/%s", b->out, world_names[w]);
        ok = claim(path, &b->worlds[w]);
    }
    return ok;
}

static bool share_causes(struct batch *b)
{
    void *p = mmap(NULL, (b->count + 1) * sizeof *b->causes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    b->causes = p == MAP_FAILED ? NULL : p;
    return b->causes;
}

/* The next that may begin beside those that run; NULL: one must end first, or none is left. */
static struct job *next_job(const struct batch *b)
{
    if (b->running[WORLD_PROCESS] + b->running[WORLD_VIRTUAL] >= b->limit)
        return NULL;
    bool full[WORLDS];
    for (unsigned w = 0; w < WORLDS; w++)
        full[w] = b->running[w] >= b->limits[w];
    if (!full[WORLD_PROCESS] && b->running[WORLD_PROCESS] >= b->least)
        full[WORLD_PROCESS] = processors_are_busy(b);
    for (size_t i = 0; i < b->count; i++)
        if (!b->jobs[i].started && !full[b->jobs[i].world])
            return &b->jobs[i];
    return NULL;
}

static void work_all(struct batch *b)
{
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, &before);
    while ((b->started < b->count || b->running[WORLD_PROCESS] || b->running[WORLD_VIRTUAL]) &&
           !interrupt_heard()) {
        struct job *j = next_job(b);
        if (!j) {
            wait_a_moment(b);
        } else if (!start_job(b, j)) {
            fprintf(stderr, "spaaksim: cannot start %s: %s\n", j->label, strerror(errno));
            j->row.verdict = VERDICT_BLOCKED;
        }
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static int stop_all(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->jobs[i].pid > 0)
            kill(b->jobs[i].pid, SIGTERM);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    printf("interrupted by %s: %zu of %zu runs were not finished\n", spawn_signal_name(interrupt_heard()),
           b->count - b->started + b->running[WORLD_PROCESS] + b->running[WORLD_VIRTUAL], b->count);
    return EXIT_FAILED;
}

static void end_batch(struct batch *b)
{
    for (unsigned w = 0; w < WORLDS; w++)
        if (b->worlds[w] >= 0)
            close(b->worlds[w]);
    if (b->folder >= 0)
        close(b->folder);
    if (b->causes)
        munmap(b->causes, (b->count + 1) * sizeof *b->causes);
    free(b->jobs);
    past_forget();
    work_memo_free(b->options.memo);
    if (b->options.memo_fd > 0)
        close(b->options.memo_fd);
}

/* Runs in real time mostly wait, those in virtual time never do. */
static void set_limits(struct batch *b, long jobs)
{
    size_t processors = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    b->limits[WORLD_PROCESS] = jobs ? (size_t)jobs : PROCESS_RUNS_MOST * processors;
    b->limits[WORLD_VIRTUAL] = jobs ? (size_t)jobs : processors;
    b->least = jobs ? (size_t)jobs : PROCESS_RUNS_LEAST * processors;
    b->limit = jobs ? (size_t)jobs : b->limits[WORLD_PROCESS] + b->limits[WORLD_VIRTUAL];
}

int run_all(const struct run_options *options, bool one_world, long jobs)
{
    struct batch b = {
        .options = *options, .out = options->out ? options->out : "out", .folder = -1, .worlds = {-1, -1}};
    b.one_world = one_world;
    b.options.memo = work_memo_make(&b.options.memo_fd);
    set_limits(&b, jobs);
    int rc = collect(&b, one_world);
    if (rc == EXIT_PASSED && (!make_out(&b) || !share_causes(&b)))
        rc = EXIT_MISSING;
    if (rc == EXIT_PASSED) {
        if (b.jobs)
            qsort(b.jobs, b.count, sizeof *b.jobs, longest_first);
        else
            b.count = 0;
        work_all(&b);
        rc = interrupt_heard() ? stop_all(&b) : summarise(&b);
    }
    end_batch(&b);
    return rc;
}
