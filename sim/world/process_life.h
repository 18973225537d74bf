/* The children of a process world, one by one. Used by process.c only; what they are stands in
 * process_setup.h. */
#ifndef sim_world_process_life_h
#define sim_world_process_life_h

#include "sim/world/process_setup.h"

/* Since the run began. */
uint64_t process_now_us(const struct process_world *w);

/* Starts it, component or helper. False and a failure in the run. */
bool process_start(struct process_world *w, struct child *c);
/* A signal that we send: its end is then planned. */
void process_end(struct child *c, int signal_number);
/* It is no more: nothing is heard of it, nothing pending. */
void process_forget(struct child *c);

/* A word of lib/host/process.h. */
void process_say(struct child *c, const char *word);
/* Takes the events, and the bytes, that it has handed over. */
void process_drain(struct process_world *w, struct child *c);
void process_drain_tap(struct child *c);
/* Those who stand at a barrier go on when what was set off there is done. */
void process_release_barriers(struct process_world *w);

/* The zygote tells who ended: as a source of the loop, and one report that came otherwise. */
int process_on_zygote(sd_event_source *s, int fd, uint32_t revents, void *ctx);
void process_report(void *ctx, const struct zygote_report *report);

#endif
