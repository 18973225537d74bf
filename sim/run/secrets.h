/* The search for secrets at the end of a run: whatever its classes declare as secret stands in its stores and
 * nowhere else. Searched is every file below the folder of its records, that of the lives before and the
 * folder of the run itself (sockets, configuration, what helpers leave there). Left out are `stores`, where
 * they lie, the maildirs of media that keep what they carry, where one may be meant for a person to read, and
 * the records of other runs. */
#ifndef sim_run_secrets_h
#define sim_run_secrets_h

#include "sim/run/run.h"

void secrets_judge(struct run *r);

#endif
