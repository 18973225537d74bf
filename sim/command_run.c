#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/host/spawn.h"
#include "lib/host/work_memo.h"
#include "lib/media/media.h"
#include "sim/chaos/random.h"
#include "sim/commands.h"
#include "sim/options.h"
#include "sim/run/folder.h"
#include "sim/run/records.h"
#include "sim/run_all.h"
#include "sim/world/interrupt.h"
#include "sim/world/past.h"
#include "sim/world/world.h"

#define RUN_OUT (FOLDER_PATH + 140) /* --out, a variant, what follows */

static void print_result(const struct run *r, const char *label)
{
    static const char *const colours[] = {"\033[32m", "\033[31m", "\033[33m", "\033[33m"};
    char unjudged[EXTERNAL_UNJUDGED];
    const char *on = r->options->colour ? colours[r->verdict] : "", *off = *on ? "\033[0m" : "";
    for (size_t i = 0; i < r->failure_count; i++)
        printf("%s%s%s\n", on, r->failures[i], off);
    printf("%s%s%s  %s  (%s world%s%s; %.1f ms)%s%s\n", on, verdict_name(r->verdict), off, label,
           world_names[r->options->world], r->transport[0] ? ", " : "", r->transport, r->wall_ms,
           records_are_kept(r) ? "  records in " : "", records_are_kept(r) ? r->options->out : "");
    external_unjudged(r->scenario, unjudged);
    if (unjudged[0])
        printf("%s\n", unjudged);
}

/* out/NAME, or what --out says; of several variants each has a folder in it. */
static bool folder_of(const struct scenario *s, const char *out, bool several, char path[RUN_OUT],
                      char problem[FOLDER_PROBLEM])
{
    size_t n = (size_t)snprintf(path, RUN_OUT, "%s%s", out ? out : "out/", out ? "" : s->name);
    if (!several)
        return true; /* records_open claims it */
    int fd = n < RUN_OUT ? folder_claim(path, problem) : -1;
    if (fd < 0)
        return false;
    close(fd);
    snprintf(path + n, RUN_OUT - n, "/%s", s->variant);
    for (char *p = path + n + 1; *p; p++)
        if (*p == '/' || (*p == '.' && p == path + n + 1))
            *p = '_';
    return true;
}

static enum verdict run_variant(const struct scenario *s, struct run_options options, bool several,
                                char *cause)
{
    struct run *r = calloc(1, sizeof *r);
    char out[RUN_OUT], label[96], problem[FOLDER_PROBLEM];
    scenario_label(s, label);
    if (!s->worlds[options.world] || !r) {
        printf("SKIPPED  %s  (not made for the %s world)\n", label, world_names[options.world]);
        free(r);
        return VERDICT_SKIPPED;
    }
    if (!folder_of(s, options.out, several, out, problem)) {
        printf("%s\nBLOCKED  %s\n", problem, label);
        free(r);
        return VERDICT_BLOCKED;
    }
    options.out = out;
    enum verdict v = world_run(r, s, &options);
    print_result(r, label);
    if (cause && !*cause && r->failure_count)
        text_copy(cause, RUN_FAILURE_TEXT, r->failures[0]);
    fflush(stdout);
    run_free(r);
    free(r);
    return v;
}

static bool speaks(const struct scenario *s, const char *medium)
{
    for (size_t i = 0; i < s->member_count; i++)
        for (size_t k = 0; s->members[i].class && k < s->members[i].class->port_count; k++)
            if (strcmp(s->members[i].class->ports[k].medium, medium) == 0)
                return true;
    return false;
}

/* A choice for a medium that nobody of the scenario speaks is a mistake of the one who typed it. */
static bool check_choices(const struct scenario *s, const struct run_options *options)
{
    for (size_t i = 0; media_setups[i]; i++)
        if (options->choices[i] && !speaks(s, media_setups[i]->medium->name)) {
            fprintf(stderr, "spaaksim: nobody in %s has a port for --%s; leave it away\n", s->name,
                    media_setups[i]->option);
            return false;
        }
    return true;
}

static bool mark_external(struct scenario *variants, size_t count, const struct run_options *options)
{
    char problem[EXTERNAL_PROBLEM];
    for (size_t i = 0; options->external && i < count; i++)
        if (!external_mark(&variants[i], options->external, problem)) {
            fprintf(stderr, "spaaksim: %s\n", problem);
            return false;
        }
    return true;
}

int run_file(const char *path, const struct run_options *options, const char *variant, char *cause)
{
    struct scenario *variants = NULL;
    size_t count, i;
    bool begun = false;
    int rc = EXIT_PASSED;
    if (!catalogue_load(path, &variants, &count) || !mark_external(variants, count, options) ||
        (!cause && !check_choices(variants, options))) { /* of many files some may speak it, and others not */
        free(variants);
        return EXIT_WRONG;
    }
    /* one is begun anyway: its records say that it was interrupted */
    for (i = 0; i < count && !(begun && interrupt_heard()); i++) {
        if (variant && strcmp(variants[i].variant, variant) != 0)
            continue;
        begun = true;
        enum verdict v = run_variant(&variants[i], *options, count > 1, cause);
        if (v == VERDICT_BLOCKED)
            rc = EXIT_MISSING;
        else if (v == VERDICT_FAIL && rc == EXIT_PASSED)
            rc = EXIT_FAILED;
    }
    if (i < count && !variant) {
        printf("interrupted by %s: %zu of %zu variants were not run\n", spawn_signal_name(interrupt_heard()),
               count - i, count);
        rc = rc == EXIT_PASSED ? EXIT_FAILED : rc;
    }
    free(variants);
    return rc;
}

static bool needs_network(const struct run_options *options)
{
    for (size_t i = 0; media_setups[i]; i++)
        if (options->choices[i] && media_setups[i]->needs_network &&
            media_setups[i]->needs_network(options->choices[i]))
            return true;
    return false;
}

int command_run(int argc, char **argv)
{
    struct options o;
    interrupt_watch();
    if (!options_read(OPTIONS_OF_RUN, argc, argv, &o))
        return EXIT_WRONG;
    if (!o.name == !o.all) {
        fprintf(stderr, "spaaksim run takes one scenario, or --all; try spaaksim --help\n");
        return EXIT_WRONG;
    }
    if (o.all && needs_network(&o.run)) /* who serves others, too, serves one run at a time */
        o.jobs = 1;
    if (o.all)
        return run_all(&o.run, o.world_given, o.jobs);
    char *path = scenario_find(o.name);
    if (!path)
        return EXIT_WRONG;
    o.run.memo = work_memo_new();
    const long jobs = o.jobs ? o.jobs : 2 * sysconf(_SC_NPROCESSORS_ONLN);
    const struct random_options random = {&o.run, o.faults, o.seeds, jobs};
    int rc = o.faults ? random_run(path, &random) : run_file(path, &o.run, NULL, NULL);
    past_forget();
    work_memo_free(o.run.memo);
    free(path);
    return rc;
}
