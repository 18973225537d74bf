#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/commands.h"
#include "sim/replay/replay.h"

static const struct option longs[] = {
    {"of", required_argument, NULL, 'o'},   {"alone", required_argument, NULL, 'a'},
    {"seed", required_argument, NULL, 's'}, {"pace", required_argument, NULL, 'p'},
    {"verbose", no_argument, NULL, 'v'},    {0}};

static bool wrong(const char *sentence)
{
    fprintf(stderr, "spaaksim: %s; try spaaksim replay --help\n", sentence);
    return false;
}

static bool read_seed(struct replay_options *o)
{
    char *end;
    errno = 0;
    o->seed = strtoull(optarg, &end, 10);
    o->exact = true;
    return (*optarg >= '0' && *optarg <= '9' && !*end && !errno) || wrong("--seed takes a number");
}

static bool read_pace(struct replay_options *o)
{
    o->at_pace = strcmp(optarg, "record") == 0;
    return o->at_pace || strcmp(optarg, "fast") == 0 || wrong("--pace is record or fast");
}

static bool read_line(int argc, char **argv, struct replay_options *o, const char **name)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
        if (letter == 'o')
            *name = optarg;
        else if (letter == 'a')
            o->alone = optarg;
        else if (letter == 'v')
            o->verbose = true;
        else if ((letter == 's' && !read_seed(o)) || (letter == 'p' && !read_pace(o)))
            return false;
        else if (letter == '?')
            return wrong("replay does not know that");
    }
    if (argc - optind > RECORD_FILES)
        return wrong("too many files");
    while (optind < argc)
        o->files[o->file_count++] = argv[optind++];
    return (o->file_count && *name && o->alone) || wrong("replay takes FILE... --of SCENARIO --alone LIST");
}

static int run_one(const struct scenario *s, size_t variants, const struct replay_options *o)
{
    char problem[RECORD_PROBLEM] = "", shown[RECORD_PROBLEM];
    struct replay_result result;
    if (variants > 1) {
        fprintf(stderr, "spaaksim: %s has a foreach: a record does not say of which variant it is\n",
                s->name);
        return EXIT_WRONG;
    }
    if (!replay_run(s, o, stdout, &result, problem)) {
        text_shown(shown, sizeof shown, problem);
        fprintf(stderr, "spaaksim: %s\n", shown);
        return EXIT_WRONG;
    }
    return result.different ? EXIT_FAILED : EXIT_PASSED;
}

int command_replay(int argc, char **argv)
{
    struct replay_options o = {.seed = 1};
    struct scenario *variants = NULL;
    const char *name = NULL;
    size_t count = 0;
    if (!read_line(argc, argv, &o, &name))
        return EXIT_WRONG;
    char *path = scenario_find(name);
    int rc = EXIT_WRONG;
    if (path && catalogue_load(path, &variants, &count))
        rc = run_one(variants, count, &o);
    free(variants);
    free(path);
    return rc;
}
