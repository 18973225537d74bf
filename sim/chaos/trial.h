/* One run under a schedule: faults act for a while, then nothing goes wrong any more, and whatever was taken
 * away comes back. People then do what the scenario says that they repeat, in rounds, until the goal is
 * reached. The run ends when the world is quiet, in the goal or in one of the clean ends, or it has failed.
 */
#ifndef sim_chaos_trial_h
#define sim_chaos_trial_h

#include "sim/chaos/census.h"
#include "sim/chaos/schedule.h"

struct trial_result {
    bool alone; /* set by the caller: this is the whole command, so that something must take effect */
    enum verdict verdict;
    char cause[RUN_FAILURE_TEXT]; /* the first failure; "" for none */
    bool fired[SCHEDULE_MAX];     /* of the schedule's faults and upsets */
    int end;                      /* index of the clean end; -1: the goal */
    unsigned rounds;              /* of people who repeated */
    uint64_t us;                  /* how long the run was, on its own clock */
};

struct trial {
    struct run_trial hooks;
    const struct scenario *scenario;
    uint64_t heal_us, rest_us, round_us; /* all is healed; nobody is dead any more; the round began */
    bool healed, waits;                  /* waits: for rest, and nothing else */
    unsigned round;
    size_t next_call; /* of the round */
    size_t own_calls; /* of the scenario; behind them are those of the schedule */
    const struct action
        *lies[SCENARIO_MEMBERS]; /* the call by which the scenario laid it there; NULL: it does not */
    const struct action *taken[SCENARIO_UPSETS / 2]; /* from where an upset took it; NULL: it did not */
    const struct schedule *under;
    struct trial_result *result;
};

/* Runs the scenario so, with options->seed. `tell`: called before the run is freed; NULL: nobody asks. */
void trial_run(const struct scenario *s, const struct census *c, const struct schedule *under,
               const struct run_options *options, struct trial_result *out,
               void (*tell)(const struct run *r));

#endif
