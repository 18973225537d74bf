/* The verdict: expectations in order of time, things that must never happen, states of stores, faults that
 * must have fired, links that must have come, invariants of the system. */
#ifndef sim_run_judge_h
#define sim_run_judge_h

#include "sim/run/run.h"

/* Adds failures for all that does not hold. */
void judge_run(struct run *r, uint64_t now_us);
/* Is every expectation about events met by the events so far? Walks them all: matcher_met says the same as
 * events come. */
bool judge_events_met(const struct run *r);
/* "refusal of PP-01/9 VehicleIdentityResponse by spaak for SIGNATURE_INVALID" */
void expect_describe(const struct expect *x, char out[200]);
/* In the store of its component, if that can be looked at now. */
bool judge_state_holds(struct run *r, const struct state_check *c);
/* invariants.c: what holds in every run. */
void judge_invariants(struct run *r);

#endif
