/* First: the scenarios that end a link at each message have as many as a run has that nobody disturbs.
 *
 * The claims of a whole run in which a door is unlocked: as they came they are good. Moved, dropped or said
 * twice, they are what a vehicle would claim that unlocks without a fresh authenticated transaction, and the
 * judge names it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/commands.h"
#include "sim/run/claims.h"
#include "sim/run/run.h"
#include "sim/world/world.h"
#include "tests/support.h"

/* ---- every message ---- */

static const char *const at_each_message[] = {"op06-disconnect", "op06-disconnect-vehicle",
                                              "passive-entry-disconnect", "passive-entry-disconnect-vehicle"};

static void count_message(void *ctx, const char *link, const char *message)
{
    (void)message;
    *(unsigned *)ctx += strcmp(link, "radio") == 0;
}

static void count_commit(void *ctx, const char *component)
{
    (void)ctx;
    (void)component;
}

/* The first variant without its fault. */
static unsigned messages_of(const struct scenario *variant)
{
    struct scenario *s = malloc(sizeof *s);
    struct run *r = calloc(1, sizeof *r);
    unsigned n = 0;
    const struct fault_census census = {.ctx = &n, .message = count_message, .commit = count_commit};
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .quiet = true, .census = &census};
    *s = *variant;
    s->faults.count = 0;
    world_run(r, s, &o); /* the fault that it expects does not come */
    run_free(r);
    free(r);
    free(s);
    return n;
}

Test(op06, a_link_ends_at_each_message_that_there_is, .timeout = 120)
{
    scenario_finder = scenario_find_quietly;
    for (size_t i = 0; i < sizeof at_each_message / sizeof at_each_message[0]; i++) {
        struct scenario *s = NULL;
        char path[80];
        size_t n = 0;
        snprintf(path, sizeof path, "scenarios/op06/%s.yaml", at_each_message[i]);
        cr_assert(catalogue_load(path, &s, &n), "%s", path);
        for (size_t k = 0; k < n; k++)
            cr_expect(eq(uint, s[k].faults.faults[0].nth, (unsigned)k + 1), "%s", path);
        cr_expect(eq(uint, messages_of(&s[0]), (unsigned)n), "%s: foreach names as many", path);
        free(s);
    }
}

/* ---- claims ---- */

#define UNLOCKED    "bcm claims \"unlocked\" of SPAAK00000001 without a fresh \"authenticated\" before it"
#define STARTED     "bcm claims \"started\" of SPAAK00000001 without a fresh \"authenticated\" before it"
#define FRESH_LIMIT 2000000

enum seed { AS_IT_WAS, DROPPED, AFTERWARDS, TWICE, OTHER_VALUE, OTHER_VEHICLE, LONG_AGO };

static const struct {
    const char *name, *scenario, *claim;
    enum seed seed;
    const char *problem; /* NULL: none */
} rows[] = {
    {"as it was", "unlock/unlock", "authenticated", AS_IT_WAS, NULL},
    {"nobody authenticated", "unlock/unlock", "authenticated", DROPPED, UNLOCKED},
    {"the door was first", "unlock/unlock", "authenticated", AFTERWARDS, UNLOCKED},
    {"one transaction unlocks twice", "unlock/unlock", "unlocked", TWICE, UNLOCKED},
    {"another transaction", "unlock/unlock", "authenticated", OTHER_VALUE, UNLOCKED},
    {"another vehicle's", "unlock/unlock", "authenticated", OTHER_VEHICLE, UNLOCKED},
    {"too long ago", "unlock/unlock", "authenticated", LONG_AGO, UNLOCKED},
    {"the engine as it was", "unlock/start", "authenticated", AS_IT_WAS, NULL},
    {"the engine, nobody authenticated", "unlock/start", "authenticated", DROPPED, STARTED},
    {"the engine, too long ago", "unlock/start", "authenticated", LONG_AGO, STARTED},
    {"one transaction starts twice", "unlock/start", "started", TWICE, STARTED},
};

static bool is_claim(const struct trace_event *e, const char *claim)
{
    return e->kind == TRACE_CLAIM && e->has_digest && strcmp(e->message, claim) == 0;
}

static void take(struct claims *c, const struct trace_event *e, char problem[CLAIM_PROBLEM])
{
    char said[CLAIM_PROBLEM] = "";
    if (!claims_take(c, e, said) && !*problem)
        memcpy(problem, said, sizeof said);
}

/* The first such claim goes through the defect, all else as it came. */
static void judge(const struct run *r, const char *claim, enum seed seed, char problem[CLAIM_PROBLEM])
{
    struct claims c;
    struct trace_event held = {.kind = TRACE_NOTE};
    bool done = false;
    claims_begin(&c, r->scenario);
    for (size_t i = 0; i < r->event_count; i++) {
        struct trace_event e = r->events[i];
        if (!done && is_claim(&e, claim)) {
            done = true;
            held = e;
            e.digest[0] ^= seed == OTHER_VALUE;
            if (seed == OTHER_VEHICLE)
                text_copy(e.peer, sizeof e.peer, "SPAAK00000002");
            if (seed == LONG_AGO)
                e.time_us -= e.time_us < FRESH_LIMIT ? e.time_us : FRESH_LIMIT;
            if (seed == DROPPED || seed == AFTERWARDS)
                continue;
        }
        if (done && seed == LONG_AGO && e.time_us >= held.time_us)
            e.time_us += FRESH_LIMIT;
        take(&c, &e, problem);
        if (seed == TWICE && is_claim(&e, claim))
            take(&c, &e, problem);
    }
    cr_assert(done, "no claim \"%s\" came", claim);
    if (seed == AFTERWARDS)
        take(&c, &held, problem);
    claims_free(&c);
}

Test(op06, the_judge_names_a_door_or_an_engine_that_nobody_authenticated, .timeout = 120)
{
    scenario_finder = scenario_find_quietly;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .quiet = true};
        struct run *r = calloc(1, sizeof *r);
        struct scenario *s = NULL;
        char path[80], problem[CLAIM_PROBLEM] = "";
        size_t n = 0;
        snprintf(path, sizeof path, "scenarios/%s.yaml", rows[i].scenario);
        cr_assert(catalogue_load(path, &s, &n), "%s", path);
        cr_assert(eq(int, world_run(r, s, &o), VERDICT_PASS), "%s", s->name);
        judge(r, rows[i].claim, rows[i].seed, problem);
        if (rows[i].problem)
            cr_expect(eq(str, (char *)problem, (char *)rows[i].problem), "%s", rows[i].name);
        else
            cr_expect(not(problem[0]), "%s: %s", rows[i].name, problem);
        run_free(r);
        free(r);
        free(s);
    }
}
