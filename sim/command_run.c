#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/commands.h"
#include "sim/run_all.h"
#include "sim/world/past.h"
#include "sim/world/world.h"

#define MEDIUM_OPTION 0x1000 /* and the number of the medium in the table */

struct arguments {
    struct run_options options;
    const char *name;
    bool all, world_given;
    long jobs;
};

static bool parse_number(const char *text, const char *what, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0')
        return true;
    fprintf(stderr, "spaaksim: %s must be a number, not \"%s\"\n", what, text);
    return false;
}

static bool parse_world(const char *text, struct arguments *a)
{
    a->world_given = true;
    for (unsigned w = 0; world_names[w]; w++)
        if (strcmp(world_names[w], text) == 0) {
            a->options.world = (enum world_kind)w;
            return true;
        }
    fprintf(stderr, "spaaksim: unknown world \"%s\"; there are process and virtual\n", text);
    return false;
}

static bool parse_option(int option, struct arguments *a)
{
    uint64_t n;
    if (option >= MEDIUM_OPTION) {
        a->options.choices[option - MEDIUM_OPTION] = optarg;
        return true;
    }
    switch (option) {
    case 'w':
        return parse_world(optarg, a);
    case 's':
        return parse_number(optarg, "--seed", &a->options.seed);
    case 'o':
        a->options.out = optarg;
        return true;
    case 't':
        a->options.beside = optarg;
        return true;
    case 'j':
        if (!parse_number(optarg, "--jobs", &n) || n == 0 || n > 64)
            return false;
        a->jobs = (long)n;
        return true;
    case 'b':
        return a->options.bytes = true;
    case 'p':
        return a->options.keep_past = true;
    case 'a':
        return a->all = true;
    case 'q':
        return a->options.quiet = true;
    case 'v':
        return a->options.verbose = true;
    default:
        fprintf(stderr, "try spaaksim --help\n");
        return false;
    }
}

/* The options of the command, then those that the media bring. */
static void list_options(struct option out[24])
{
    static const struct option own[] = {
        {"world", required_argument, NULL, 'w'}, {"seed", required_argument, NULL, 's'},
        {"out", required_argument, NULL, 'o'},   {"tap", required_argument, NULL, 't'},
        {"jobs", required_argument, NULL, 'j'},  {"all", no_argument, NULL, 'a'},
        {"bytes", no_argument, NULL, 'b'},       {"keep-past", no_argument, NULL, 'p'},
        {"quiet", no_argument, NULL, 'q'},       {"verbose", no_argument, NULL, 'v'}};
    size_t n = sizeof own / sizeof own[0];
    memcpy(out, own, sizeof own);
    for (int i = 0; media_setups[i] && n < 23; i++)
        if (media_setups[i]->option)
            out[n++] = (struct option){media_setups[i]->option, required_argument, NULL, MEDIUM_OPTION + i};
    out[n] = (struct option){NULL, 0, NULL, 0};
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    struct option longs[24];
    int option;
    list_options(longs);
    *a = (struct arguments){.options = {.seed = 1}};
    a->options.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    a->jobs = sysconf(_SC_NPROCESSORS_ONLN);
    while ((option = getopt_long(argc, argv, "qv", longs, NULL)) != -1)
        if (!parse_option(option, a))
            return false;
    if (optind < argc)
        a->name = argv[optind++];
    if (optind < argc || !a->name == !a->all) {
        fprintf(stderr, "spaaksim run takes one scenario, or --all; try spaaksim --help\n");
        return false;
    }
    return true;
}

static void print_result(const struct run *r, const char *label)
{
    static const char *const colours[] = {"\033[32m", "\033[31m", "\033[33m", "\033[33m"};
    const char *on = r->options->colour ? colours[r->verdict] : "", *off = *on ? "\033[0m" : "";
    for (size_t i = 0; i < r->failure_count; i++)
        printf("%s%s%s\n", on, r->failures[i], off);
    printf("%s%s%s  %s  (%s world%s%s; %.1f ms)  records in %s\n", on, verdict_name(r->verdict), off, label,
           world_names[r->options->world], r->transport[0] ? ", " : "", r->transport, r->wall_ms,
           r->options->out);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static enum verdict run_variant(const struct scenario *s, struct run_options options, bool several)
{
    struct run *r = calloc(1, sizeof *r);
    char out[600], label[96];
    scenario_label(s, label);
    if (options.out)
        snprintf(out, sizeof out, "%s", options.out);
    else
        snprintf(out, sizeof out, "out/%s", s->name);
    if (several) {
        size_t n = strlen(out);
        snprintf(out + n, sizeof out - n, "/%s", s->variant);
        for (char *p = out + n + 1; *p; p++)
            if (*p == '/')
                *p = '_';
    }
    options.out = out;
    if (!s->worlds[options.world] || !r) {
        printf("SKIPPED  %s  (not made for the %s world)\n", label, world_names[options.world]);
        free(r);
        return VERDICT_SKIPPED;
    }
    double start = now_ms();
    enum verdict v = world_run(r, s, &options);
    r->wall_ms = now_ms() - start;
    print_result(r, label);
    fflush(stdout);
    run_free(r);
    free(r);
    return v;
}

int run_file(const char *path, const struct run_options *options)
{
    struct tree_problem problem = {0};
    struct scenario *variants;
    size_t count;
    int rc = EXIT_PASSED;
    if (!scenario_load(path, &variants, &count, &problem)) {
        fprintf(stderr, "%s:%u: %s\n", path, problem.line, problem.text);
        return EXIT_WRONG;
    }
    for (size_t i = 0; i < count; i++) {
        enum verdict v = run_variant(&variants[i], *options, count > 1);
        if (v == VERDICT_BLOCKED)
            rc = EXIT_MISSING;
        else if (v == VERDICT_FAIL && rc == EXIT_PASSED)
            rc = EXIT_FAILED;
    }
    free(variants);
    return rc;
}

int command_run(int argc, char **argv)
{
    struct arguments a;
    if (!parse(argc, argv, &a))
        return EXIT_WRONG;
    if (a.all)
        return run_all(&a.options, a.world_given, a.jobs);
    char *path = scenario_find(a.name);
    if (!path)
        return EXIT_WRONG;
    int rc = run_file(path, &a.options);
    past_forget();
    free(path);
    return rc;
}
