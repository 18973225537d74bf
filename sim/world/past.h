/* The life before a run: another scenario, lived in virtual time and without faults, whose stores and
 * authorities the run begins with. What was lived is kept for the other runs of this process that begin
 * there. */
#ifndef sim_world_past_h
#define sim_world_past_h

#include "sim/plant/plant.h"
#include "sim/run/run.h"

#define PAST_DAY_MS 86400000ll /* a past begins so much earlier on the clock */
#define PAST_DEPTH  8          /* lives in a chain */

struct past {
    char name[SCENARIO_NAME];
    enum world_kind world; /* and seed, of the run that asked */
    uint64_t seed;
    unsigned depth;
    struct plant plant;
    struct {
        char name[ENV_NAME_MAX];
        struct store *store;
    } stores[SCENARIO_MEMBERS];
    size_t count;
    struct past *next;
};

/* The past that the scenario names, lived now or before; NULL and a sentence when there is none to be had.
 * `now_ms`: wall clock at time 0 of the run that asks. */
struct past *past_of(const struct scenario *s, const struct run_options *options, int64_t now_ms,
                     char *problem, size_t cap);
/* The store that an instance left; NULL for none. */
struct store *past_store(const struct past *p, const char *name);
/* Can the chain of lives before the scenario be lived: all there, no circle, PAST_DEPTH at most? False and a
 * sentence otherwise. */
bool past_check(const struct scenario *s, char *problem, size_t cap);
/* Called at the end of a life that is a past: takes over what it leaves. */
enum err past_take_store(struct past *p, const char *name, struct store *from);
/* Forgets all lives, wiping their secrets. */
void past_forget(void);

#endif
