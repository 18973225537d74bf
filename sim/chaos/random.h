/* `spaaksim run NAME --faults random [--seeds N]`: many runs of a scenario, each under a schedule of its own.
 */
#ifndef sim_chaos_random_h
#define sim_chaos_random_h

#include "sim/run/run.h"

#define RANDOM_PAST_SEED 1 /* all seeds begin with the same past, lived once */

struct random_options {
    const struct run_options *run; /* its seed is the first; out: NULL for out/NAME */
    const char *faults;            /* "random", or a file that holds a schedule */
    uint64_t seeds;
    long jobs;
};

/* An exit code. */
int random_run(const char *path, const struct random_options *options);

#endif
