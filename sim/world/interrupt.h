/* Ctrl-C and its like: a run that hears of one ends, is judged and leaves its records; what was to run after
 * it does not begin. */
#ifndef sim_world_interrupt_h
#define sim_world_interrupt_h

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP are noted instead of ending the program, also those that came
 * blocked. */
void interrupt_watch(void);
/* Notes one that was heard in another way. */
void interrupt_take(int signal_number);
/* Notes one that waits because it is blocked: for what takes long and has no loop that would hear it. Only
 * when they are watched. */
void interrupt_look(void);
/* Looks, and says whether there was one. */
bool interrupt_came(void);
/* The number of the last; 0 for none. */
int interrupt_heard(void);

#endif
