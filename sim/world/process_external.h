/* Who is played from outside a process world: their links are opened, and what they need is written to a file
 * for this user alone, EXTERNAL_FOLDER/<name>.json of the records (docs/air.md has its form). */
#ifndef sim_world_process_external_h
#define sim_world_process_external_h

#include "sim/world/process_setup.h"

/* The stores are made. False and a failure in the run. */
bool process_external_open(struct process_world *w);
/* Takes a line from standard input while somebody is waited for. */
void process_external_hear(struct process_world *w);
/* Standard input is left alone from now on. */
void process_external_close(struct process_world *w);

#endif
