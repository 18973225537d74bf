/* All scenarios, in both worlds, several at a time: each in a process of its own. */
#ifndef sim_run_all_h
#define sim_run_all_h

#include "sim/run/records.h"

/* Exit code of the whole. With `one_world`, only options->world. `jobs` at a time; 0: as many as the machine
 * bears, real time before virtual time. Records: out/<world>/<scenario>, out/junit.xml. */
int run_all(const struct run_options *options, bool one_world, long jobs);

#endif
