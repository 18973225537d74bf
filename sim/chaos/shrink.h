/* Delta debugging: leaves out of a schedule what the failure does not need. */
#ifndef sim_chaos_shrink_h
#define sim_chaos_shrink_h

#include "sim/chaos/schedule.h"

/* Does the run still fail, and in the same way? */
typedef bool shrink_fails(void *ctx, const struct schedule *under);

/* Tries at most `tries` schedules; returns how many it tried. What is left in `under` fails; when tries
 * sufficed, nothing of it can be left out alone. */
unsigned shrink_schedule(struct schedule *under, unsigned tries, shrink_fails *fails, void *ctx);

#endif
