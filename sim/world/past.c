#include "sim/world/past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/host/seeded.h"
#include "lib/host/virtual.h"
#include "sim/run/records.h"
#include "sim/world/world.h"

static struct past *lived;

struct store *past_store(const struct past *p, const char *name)
{
    for (size_t i = 0; p && i < p->count; i++)
        if (strcmp(p->stores[i].name, name) == 0)
            return p->stores[i].store;
    return NULL;
}

enum err past_take_store(struct past *p, const char *name, struct store *from)
{
    struct store *to = store_memory_new();
    if (!to || p->count == SCENARIO_MEMBERS) {
        store_close(to);
        return ERR_NO_MEMORY;
    }
    text_copy(p->stores[p->count].name, sizeof p->stores[0].name, name);
    p->stores[p->count++].store = to;
    return store_copy(from, to);
}

static void past_free(struct past *p)
{
    for (size_t i = 0; i < p->count; i++)
        store_close(p->stores[i].store);
    plant_wipe(&p->plant);
    free(p);
}

void past_forget(void)
{
    while (lived) {
        struct past *p = lived;
        lived = p->next;
        past_free(p);
    }
}

/* ---- living ---- */

/* What may be a past: no faults, one variant, at home in the virtual world. */
static bool check(const struct scenario *s, size_t variants, char *problem, size_t cap)
{
    const char *why = variants > 1                ? "it has a foreach"
                      : s->faults.count           ? "it has faults"
                      : !s->worlds[WORLD_VIRTUAL] ? "it is not made for the virtual world"
                                                  : NULL;
    if (why)
        snprintf(problem, cap, "\"%s\" cannot be the life before a run: %s", s->name, why);
    return !why;
}

static uint64_t seed_of(const char *name, uint64_t seed)
{
    struct seeded_stream stream;
    uint64_t own;
    char text[64];
    snprintf(text, sizeof text, "past %s", name);
    seeded_stream_init(&stream, seed, text);
    seeded_stream_draw(&stream, &own, sizeof own);
    return own;
}

/* A process world repeats nothing: neither does the life before it. */
static uint64_t fresh_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        abort();
    return seed;
}

static uint64_t root_of(const struct run_options *asker)
{
    return asker->past_seed ? asker->past_seed : asker->seed;
}

static bool live(struct past *p, const struct scenario *s, const struct run_options *asker, int64_t now_ms,
                 char *problem, size_t cap)
{
    static char out[PAST_DEPTH][600];
    struct run *r = calloc(1, sizeof *r);
    struct run_options options = {
        .world = WORLD_VIRTUAL,
        .seed = asker->world == WORLD_VIRTUAL ? seed_of(s->name, root_of(asker)) : fresh_seed(),
        .epoch_ms = now_ms - PAST_DAY_MS - (int64_t)(s->limit_us / 1000),
        .result = p,
        .depth = asker->depth + 1,
        .keep_past = asker->keep_past,
        .quiet = true,
    };
    if (!r)
        return false;
    memcpy(options.choices, asker->choices, sizeof options.choices);
    if (asker->keep_past && asker->out) {
        snprintf(out[asker->depth], sizeof out[0], "%s/" RECORDS_PAST, asker->out);
        options.out = out[asker->depth];
    }
    bool ok = world_run(r, s, &options) == VERDICT_PASS;
    if (!ok)
        snprintf(problem, cap, "the life before, %s, did not go well: %s", s->name,
                 r->failure_count ? r->failures[0] : "it could not be lived");
    run_free(r);
    free(r);
    return ok;
}

/* The scenario of that name, if it may be a past. */
static struct scenario *load_past(const char *name, char *problem, size_t cap)
{
    struct tree_problem wrong = {0};
    struct scenario *s;
    size_t variants;
    char *path = scenario_finder ? scenario_finder(name) : NULL;
    if (!path) {
        snprintf(problem, cap, "no scenario \"%s\" to come after", name);
        return NULL;
    }
    bool ok = scenario_load(path, &s, &variants, &wrong);
    if (!ok)
        snprintf(problem, cap, "%.200s:%u:%u: %.300s", path, wrong.line, wrong.column, wrong.text);
    free(path);
    if (ok && check(s, variants, problem, cap))
        return s;
    if (ok)
        free(s);
    return NULL;
}

/* A circle would never end. */
bool past_check(const struct scenario *s, char *problem, size_t cap)
{
    char chain[PAST_DEPTH + 1][SCENARIO_NAME], after[SCENARIO_NAME];
    text_copy(chain[0], sizeof chain[0], s->name);
    text_copy(after, sizeof after, s->given.after);
    for (size_t n = 1; *after; n++) {
        for (size_t i = 0; i < n; i++)
            if (strcmp(chain[i], after) == 0) {
                snprintf(problem, cap, "\"%s\" comes after itself", after);
                return false;
            }
        if (n > PAST_DEPTH) {
            snprintf(problem, cap, "more than %d lives one after the other", PAST_DEPTH);
            return false;
        }
        struct scenario *before = load_past(after, problem, cap);
        if (!before)
            return false;
        text_copy(chain[n], sizeof chain[n], after);
        text_copy(after, sizeof after, before->given.after);
        free(before);
    }
    return true;
}

struct past *past_of(const struct scenario *s, const struct run_options *options, int64_t now_ms,
                     char *problem, size_t cap)
{
    for (struct past *p = lived; p; p = p->next)
        if (strcmp(p->name, s->given.after) == 0 && p->world == options->world &&
            p->seed == root_of(options) && p->depth == options->depth)
            return p;
    if (options->depth == 0 && !past_check(s, problem, cap))
        return NULL;
    struct scenario *before = load_past(s->given.after, problem, cap);
    struct past *p = before ? calloc(1, sizeof *p) : NULL;
    if (p) {
        text_copy(p->name, sizeof p->name, s->given.after);
        p->world = options->world;
        p->seed = root_of(options);
        p->depth = options->depth;
    }
    if (p && !live(p, before, options, now_ms, problem, cap)) {
        past_free(p);
        p = NULL;
    }
    free(before);
    if (p) {
        p->next = lived;
        lived = p;
    }
    return p;
}
