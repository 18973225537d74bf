/* Draws a schedule: from a seed, out of what a census has found. Its randomness is a stream of its own, so
 * that the run's stays what it is without faults. For each seed whole families of faults are left out, and
 * intensities differ. */
#ifndef sim_chaos_draw_h
#define sim_chaos_draw_h

#include "sim/chaos/census.h"
#include "sim/chaos/schedule.h"

/* So long nobody is dead and no link cut, at most. */
#define DRAW_DOWN_MAX_MS 5000

void draw_schedule(const struct scenario *s, const struct census *c, uint64_t seed, struct schedule *out);

#endif
