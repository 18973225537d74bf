/* Maildirs among the records of a run, one for each medium that keeps what it carries (medium.keeps). Secrets
 * may stand in them and in no other record: they are 0700, and the judge does not search them. */
#ifndef sim_run_boxes_h
#define sim_run_boxes_h

#include "sim/run/run.h"

/* Makes those that this run needs, and removes what an earlier run left in them and in those that it does
 * not. The folder of the records is open. False and a failure. */
bool boxes_open(struct run *r);
/* A descriptor of one, the caller's; -1: there is none. */
int boxes_folder(const struct run *r, const struct medium *m);
/* Puts a file into one; a failure of the run when that cannot be. A run without records keeps nothing. */
void boxes_keep(struct run *r, const struct medium *m, const char *file, struct span bytes);
/* Fails the run when others may look into one. */
void boxes_judge(struct run *r);

#endif
