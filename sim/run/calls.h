/* Calls that take time: done when their component says so (lasting_spec), and not before. */
#ifndef sim_run_calls_h
#define sim_run_calls_h

#include "sim/run/run.h"

/* An event may say that one is done: of several alike the first that was made. */
void calls_take(struct run *r, const struct trace_event *e);
/* Is any still under way, or not made yet? */
bool calls_open(const struct run *r);
/* Fails for each. */
void calls_judge(struct run *r);

#endif
