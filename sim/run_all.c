#include "sim/run_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/virtual.h"
#include "sim/commands.h"
#include "sim/world/past.h"

struct job {
    char name[64], path[700], out[700], log[720];
    enum world_kind world;
    pid_t pid;
    double started_s;
    struct report_row row;
};

struct batch {
    struct job *jobs;
    size_t count, next, running;
    const struct run_options *options;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    interrupted = signal_number;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In the child: the run, with its output in a file. What was lived before is in memory already. */
static int work_job(const struct batch *b, const struct job *j)
{
    struct run_options options = *b->options;
    int fd = open(j->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        return EXIT_FAILED;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    options.world = j->world;
    options.out = j->out;
    options.colour = false;
    int rc = run_file(j->path, &options);
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
    struct run_options options = *b->options;
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
    live_before(b, j);
    fflush(stdout);
    j->started_s = now_s();
    j->pid = fork();
    if (j->pid == 0)
        exit(work_job(b, j));
    b->running += j->pid > 0;
    return j->pid > 0;
}

static void last_failure(const char *log, char out[RUN_FAILURE_TEXT])
{
    char line[600], previous[600] = "";
    FILE *f = fopen(log, "re");
    out[0] = '\0';
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "FAIL", 4) == 0 || strncmp(line, "BLOCKED", 7) == 0)
            break;
        if (strstr(line, "scenarios/") || strstr(line, "invariant") || strstr(line, "the fault") ||
            !previous[0] || strstr(line, "crashed"))
            memcpy(previous, line, sizeof previous);
    }
    if (f)
        fclose(f);
    text_copy(out, RUN_FAILURE_TEXT, previous);
}

static void end_job(struct batch *b, struct job *j, int status)
{
    static const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_FAIL, VERDICT_FAIL, VERDICT_BLOCKED};
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    b->running--;
    j->pid = 0;
    text_copy(j->row.label, sizeof j->row.label, j->name);
    text_copy(j->row.world, sizeof j->row.world, world_names[j->world]);
    j->row.seconds = now_s() - j->started_s;
    j->row.verdict = code >= 0 && code <= 3 ? verdicts[code] : VERDICT_FAIL;
    if (j->row.verdict != VERDICT_PASS)
        last_failure(j->log, j->row.detail);
    printf("%-7s  %-8s %-30s %6.2f s%s%s\n", verdict_name(j->row.verdict), j->row.world, j->name,
           j->row.seconds, j->row.detail[0] ? "  " : "", j->row.detail);
    fflush(stdout);
}

static void reap_one(struct batch *b)
{
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    for (size_t i = 0; pid > 0 && i < b->count; i++)
        if (b->jobs[i].pid == pid)
            end_job(b, &b->jobs[i], status);
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
    text_copy(j->name, sizeof j->name, s->name);
    text_copy(j->path, sizeof j->path, path);
    snprintf(j->out, sizeof j->out, "%s/%s/%s", b->options->out ? b->options->out : "out", world_names[world],
             j->name);
    snprintf(j->log, sizeof j->log, "%s.log", j->out);
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
            if (one_world && w != b->options->world)
                continue;
            if (!scenario_load(paths[i], &s, &n, &problem)) {
                fprintf(stderr, "%s:%u: %s\n", paths[i], problem.line, problem.text);
                rc = EXIT_WRONG;
                continue;
            }
            if (s->worlds[w] && !add_job(b, paths[i], s, (enum world_kind)w))
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
    char path[600];
    struct report_row *rows = calloc(b->count + 1, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i] = b->jobs[i].row;
        counts[rows[i].verdict]++;
    }
    snprintf(path, sizeof path, "%s/junit.xml", b->options->out ? b->options->out : "out");
    bool written = rows && report_write_junit(path, rows, b->count);
    free(rows);
    if (counts[VERDICT_BLOCKED])
        printf("%zu blocked: something needed is missing\n", counts[VERDICT_BLOCKED]);
    printf("scenarios: %zu passed, %zu failed  (%s)\n", counts[VERDICT_PASS],
           counts[VERDICT_FAIL] + counts[VERDICT_BLOCKED],
           written ? path : "the report could not be written");
    if (b->count == 0 || counts[VERDICT_FAIL] || !written)
        return EXIT_FAILED;
    return counts[VERDICT_BLOCKED] ? EXIT_MISSING : EXIT_PASSED;
}

static void make_out(const struct run_options *options)
{
    char path[600];
    for (unsigned w = 0; w < WORLDS; w++) {
        snprintf(path, sizeof path, "%s/%s", options->out ? options->out : "out", world_names[w]);
        records_make_directories(path);
    }
}

int run_all(const struct run_options *options, bool one_world, long jobs)
{
    struct batch b = {.options = options};
    struct sigaction action = {.sa_handler = on_interrupt};
    int rc = collect(&b, one_world);
    if (rc != EXIT_PASSED)
        goto out;
    make_out(options);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    while ((b.next < b.count || b.running) && !interrupted) {
        if (b.next < b.count && b.running < (size_t)jobs) {
            struct job *j = &b.jobs[b.next++];
            if (!start_job(&b, j)) {
                fprintf(stderr, "spaaksim: cannot start %s\n", j->name);
                j->row.verdict = VERDICT_BLOCKED;
            }
        } else {
            reap_one(&b);
        }
    }
    if (interrupted) {
        for (size_t i = 0; i < b.count; i++)
            if (b.jobs[i].pid)
                kill(b.jobs[i].pid, SIGTERM);
        while (waitpid(-1, NULL, 0) > 0)
            ;
        printf("interrupted: %zu of %zu runs were not finished\n", b.count - b.next + b.running, b.count);
        rc = EXIT_FAILED;
    } else {
        rc = summarise(&b);
    }
out:
    free(b.jobs);
    past_forget();
    return rc;
}
