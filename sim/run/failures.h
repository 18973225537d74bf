/* What went wrong in a run, in the order in which a person needs it: the cause first, then what was expected
 * and what came nearest to it, then one line for all that follows. Failures are gathered as they are found,
 * by rank, and put in order when the run is judged. */
#ifndef sim_run_failures_h
#define sim_run_failures_h

#include "sim/run/run.h"

/* What the judge found missing. */
struct missed {
    size_t count;      /* expectations that were not met */
    unsigned lines[6]; /* where those after the first stand, as many as fit */
    uint64_t last_us;  /* when the one before the first of them was met */
};

/* Puts the failures in order and adds what belongs to them: the refusal behind a missed expectation, how the
 * run ended, where to read more. */
void failures_settle(struct run *r, const struct missed *missed, uint64_t now_us);

/* An event in a sentence: "PP-01/9 vos -> spaak send VehicleIdentityResponse at 12.3 ms". */
#define EVENT_TEXT 200
void event_tell(const struct trace_event *e, char out[EVENT_TEXT]);

/* Says of the event that comes nearest to what was expected at or after `from`: which, when and in what it
 * differs. False when none shares a step or a message with it. */
#define NEAREST_TEXT 400
bool nearest_event(const struct run *r, const struct expect *x, size_t from, char out[NEAREST_TEXT]);

#endif
