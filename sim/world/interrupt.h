/* Ctrl-C and its like: a run that hears of one ends, is judged and leaves its records; what was to run after
 * it does not begin. */
#ifndef sim_world_interrupt_h
#define sim_world_interrupt_h

/* From now on SIGINT, SIGTERM and SIGHUP are noted instead of ending the program. */
void interrupt_watch(void);
/* Notes one that was heard in another way. */
void interrupt_take(int signal_number);
/* The number of the last; 0 for none. */
int interrupt_heard(void);

#endif
