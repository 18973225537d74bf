#include "sim/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/run/folder.h"

#define MEDIUM_OPTION 0x1000 /* and the number of the medium in the table */
#define OPTIONS_MAX   24
#define SEEDS_MAX     10000000

#define BOTH (OPTIONS_OF_RUN | OPTIONS_OF_PLAY)

static const struct {
    const char *name, *form; /* NULL: takes no value */
    const char *is;
    int letter;
    unsigned of;
    bool after_media;
} own[] = {
    {"world", "process|virtual", "separate processes in real time (default), or one process in virtual time",
     'w', BOTH, false},
    {"seed", "N", "root of all randomness in the virtual world (default 1)", 's', BOTH, false},
    {"out", "DIR", "where the records go (default out/NAME, of play out/play-NAME)", 'o', BOTH, false},
    {"bytes", NULL, "record every byte that enters or leaves a component in bytes.jsonl; secrets masked", 'b',
     BOTH, true},
    {"keep-past", NULL, "keep the records of the lives before the run, too", 'p', BOTH, true},
    {"tap", "COMMAND", "run a shell command beside the buses, e.g. 'candump -L any'", 't', BOTH, true},
    {"external", "LIST",
     "components whom somebody outside plays, e.g. phone,wcp (docs/air.md); process world", 'x', BOTH, true},
    {"wait", "SECONDS", "how long they are waited for, each time (default 60)", 'W', BOTH, true},
    {"all", NULL, "all scenarios, in both worlds unless one is named", 'a', OPTIONS_OF_RUN, true},
    {"jobs", "N", "with --all or --seeds: runs at the same time (default: what the machine bears)", 'j',
     OPTIONS_OF_RUN, true},
    {"faults", "random|FILE",
     "under faults that are drawn from the seed, or a schedule that was (docs/random.md)", 'f',
     OPTIONS_OF_RUN, true},
    {"seeds", "N", "with --faults: so many runs, their seeds from --seed on (default 1)", 'n', OPTIONS_OF_RUN,
     true},
    {"max-record", "MB",
     "longest can.log and bytes.jsonl (default 256); what is left out is said in the trace, which has no "
     "limit",
     'm', BOTH, true},
    {"quiet", NULL, "say no event", 'q', BOTH, true},
    {"verbose", NULL, "say every event, APDUs in hex", 'v', BOTH, true},
};

#define OWN (sizeof own / sizeof own[0])

/* ---- reading ---- */

static bool read_number(const char *text, const char *what, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0)
        return true;
    fprintf(stderr, "spaaksim: %s must be a number of at most 64 bits, not \"%s\"\n", what, text);
    return false;
}

static bool read_world(const char *text, struct options *o)
{
    o->world_given = true;
    for (unsigned w = 0; world_names[w]; w++)
        if (strcmp(world_names[w], text) == 0) {
            o->run.world = (enum world_kind)w;
            return true;
        }
    fprintf(stderr, "spaaksim: unknown world \"%s\"; there are process and virtual\n", text);
    return false;
}

static bool read_jobs(const char *text, struct options *o)
{
    uint64_t n;
    if (!read_number(text, "--jobs", &n))
        return false;
    if (n == 0 || n > 64) {
        fprintf(stderr, "spaaksim: --jobs goes from 1 to 64\n");
        return false;
    }
    o->jobs = (long)n;
    return true;
}

static bool read_choice(const struct setup *setup, const char *text)
{
    char problem[400];
    if (!setup->takes || setup->takes(text, problem, sizeof problem))
        return true;
    fprintf(stderr, "spaaksim: %s\n", problem);
    return false;
}

static bool read_out(const char *text, struct options *o)
{
    o->run.out = text;
    size_t len = strlen(text), at = 0, n = 1;
    while (n && at < len)
        at += n = text_character(text + at, len - at);
    if (len && len <= FOLDER_PATH && at == len)
        return true;
    if (at < len)
        fprintf(stderr, "spaaksim: --out takes a path in UTF-8 without control characters\n");
    else
        fprintf(stderr, "spaaksim: --out takes a folder, its path no longer than %d bytes\n", FOLDER_PATH);
    return false;
}

static bool read_max(const char *text, struct options *o)
{
    uint64_t megabytes;
    if (!read_number(text, "--max-record", &megabytes))
        return false;
    if (megabytes == 0 || megabytes > 1000000) {
        fprintf(stderr, "spaaksim: --max-record goes from 1 to 1000000\n");
        return false;
    }
    o->run.record_max = megabytes * 1000000;
    return true;
}

/* "60" or "60s" */
static bool read_wait(const char *text, struct options *o)
{
    char number[24];
    uint64_t seconds;
    size_t len = strlen(text);
    len -= len && text[len - 1] == 's';
    snprintf(number, sizeof number, "%.*s", (int)len, text);
    if (!read_number(number, "--wait", &seconds))
        return false;
    if (seconds == 0 || seconds > 3600) {
        fprintf(stderr, "spaaksim: --wait goes from 1 to 3600 seconds\n");
        return false;
    }
    o->run.wait_us = seconds * 1000000;
    return true;
}

static bool read_seeds(const char *text, struct options *o)
{
    if (!read_number(text, "--seeds", &o->seeds))
        return false;
    if (o->seeds >= 1 && o->seeds <= SEEDS_MAX)
        return true;
    fprintf(stderr, "spaaksim: --seeds goes from 1 to %d\n", SEEDS_MAX);
    return false;
}

static bool read_option(int letter, struct options *o)
{
    if (letter >= MEDIUM_OPTION) {
        o->run.choices[letter - MEDIUM_OPTION] = optarg;
        return read_choice(media_setups[letter - MEDIUM_OPTION], optarg);
    }
    switch (letter) {
    case 'w':
        return read_world(optarg, o);
    case 's':
        o->seed_given = true;
        return read_number(optarg, "--seed", &o->run.seed);
    case 'o':
        return read_out(optarg, o);
    case 't':
        o->run.beside = optarg;
        return true;
    case 'j':
        return read_jobs(optarg, o);
    case 'm':
        return read_max(optarg, o);
    case 'x':
        o->run.external = optarg;
        return true;
    case 'W':
        return read_wait(optarg, o);
    case 'f':
        o->faults = optarg;
        return true;
    case 'n':
        return read_seeds(optarg, o);
    case 'b':
        return o->run.bytes = true;
    case 'p':
        return o->run.keep_past = true;
    case 'a':
        return o->all = true;
    case 'q':
        return o->run.quiet = true;
    case 'v':
        return o->run.verbose = true;
    default:
        fprintf(stderr, "try spaaksim --help\n");
        return false;
    }
}

/* The options of the command, then those that the media bring. */
static void list_options(enum options_of command, struct option out[OPTIONS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < OWN; i++)
        if (own[i].of & command)
            out[n++] = (struct option){own[i].name, own[i].form ? required_argument : no_argument, NULL,
                                       own[i].letter};
    for (int i = 0; media_setups[i] && n < OPTIONS_MAX - 1; i++)
        if (media_setups[i]->option)
            out[n++] = (struct option){media_setups[i]->option, required_argument, NULL, MEDIUM_OPTION + i};
    out[n] = (struct option){NULL, 0, NULL, 0};
}

static unsigned columns_of(int terminal)
{
    struct winsize size;
    return isatty(terminal) && ioctl(terminal, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Names of the options that only real links and processes have a use for. */
static bool check_world(const struct options *o)
{
    const char *name = o->run.beside ? "tap" : o->run.external ? "external" : NULL;
    if (o->all && o->run.external) {
        fprintf(stderr, "spaaksim: --external is for one scenario at a time\n");
        return false;
    }
    if (o->run.wait_us && !o->run.external) {
        fprintf(stderr, "spaaksim: --wait is for those whom --external names\n");
        return false;
    }
    for (size_t i = 0; media_setups[i]; i++)
        if (o->run.choices[i])
            name = media_setups[i]->option;
    if (o->seed_given && o->run.world == WORLD_PROCESS && !o->all && !o->faults) {
        fprintf(stderr, "spaaksim: --seed is for the virtual world; processes in real time repeat nothing\n");
        return false;
    }
    if (!name || o->run.world == WORLD_PROCESS || o->all)
        return true;
    fprintf(stderr, "spaaksim: --%s is for the process world; in virtual time everything is in memory\n",
            name);
    return false;
}

static bool check_faults(const struct options *o)
{
    if (!o->faults && o->seeds > 1)
        fprintf(stderr, "spaaksim: --seeds goes with --faults random\n");
    else if (o->faults && o->all)
        fprintf(stderr, "spaaksim: --faults is for one scenario, not for --all\n");
    else
        return true;
    return false;
}

bool options_read(enum options_of command, int argc, char **argv, struct options *out)
{
    struct option longs[OPTIONS_MAX];
    int letter;
    list_options(command, longs);
    *out = (struct options){.run = {.seed = 1}, .seeds = 1};
    out->run.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    out->run.columns = columns_of(STDOUT_FILENO);
    while ((letter = getopt_long(argc, argv, "qv", longs, NULL)) != -1)
        if (!read_option(letter, out))
            return false;
    if (optind < argc)
        out->name = argv[optind++];
    if (optind == argc)
        return check_faults(out) && check_world(out);
    fprintf(stderr, "spaaksim %s takes one scenario, not \"%s\" too; try spaaksim --help\n", argv[0],
            argv[optind]);
    return false;
}

/* ---- explaining ---- */

static void print_option(const char *name, const char *form, const char *is, FILE *out)
{
    char head[80];
    snprintf(head, sizeof head, "--%s%s%s", name, form ? " " : "", form ? form : "");
    fprintf(out, "  %-24s %s\n", head, is);
}

static void print_own(enum options_of command, bool after_media, FILE *out)
{
    for (size_t i = 0; i < OWN; i++)
        if (own[i].of & command && own[i].after_media == after_media)
            print_option(own[i].name, own[i].form, own[i].is, out);
}

void options_print(enum options_of command, FILE *out)
{
    print_own(command, false, out);
    for (const struct setup *const *s = media_setups; *s; s++)
        if ((*s)->option)
            print_option((*s)->option, (*s)->form, (*s)->option_is, out);
    print_own(command, true, out);
}
