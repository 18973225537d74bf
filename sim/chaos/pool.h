/* Runs under schedules in processes of their own, several at a time: a run that breaks a promise ends its own
 * process alone. What was lived before is in the memory of each. */
#ifndef sim_chaos_pool_h
#define sim_chaos_pool_h

#include <sys/types.h>

#include "sim/chaos/trial.h"

#define POOL_JOBS 64

struct pool {
    const struct scenario *scenario;
    const struct census *census;
    const struct run_options *options; /* of each run, but for its seed and its folder */
    const char *folder; /* where runs that need one have theirs: FOLDER/seed-N; NULL: none do */
    long jobs;
    struct pool_slot {
        pid_t pid; /* 0: free */
        uint64_t seed;
        struct schedule under;
        struct trial_result *result; /* in memory that its process shares */
        int said;                    /* what it says: a file in memory */
    } slots[POOL_JOBS];
    size_t running;
};

bool pool_open(struct pool *p);
void pool_close(struct pool *p);
/* False when no process can be had. There must be a free slot. */
bool pool_start(struct pool *p, uint64_t seed, const struct schedule *under);
/* Waits for one to end; NULL when none runs, or a signal came. Its slot is free, and as it was until the
 * next start. */
struct pool_slot *pool_wait(struct pool *p);
/* Ends them all. */
void pool_stop(struct pool *p);

#endif
