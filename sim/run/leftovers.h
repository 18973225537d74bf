/* What an earlier run left in a folder of records. */
#ifndef sim_run_leftovers_h
#define sim_run_leftovers_h

#include <stdbool.h>

/* Removes records, those of the lives before it, and those of each seed of a run under random faults; files
 * of others stay. NULL, or the name of a file that could not be removed, and errno. can.log stays until
 * another one is begun. */
const char *leftovers_remove(int folder);
/* Schedules of seeds that failed (seed-N.yaml): they are input, too, so only a run that draws new ones
 * removes them. */
void leftovers_remove_schedules(int folder);

#endif
