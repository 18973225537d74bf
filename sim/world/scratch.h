/* The folder of one run for sockets and configuration, in $XDG_RUNTIME_DIR, else in memory (/dev/shm), else
 * in /tmp; 0700 and under a name
 * that nobody can foresee. It is locked for as long as the run lives: what a killed run left there is swept
 * by the next one. */
#ifndef sim_world_scratch_h
#define sim_world_scratch_h

#include <stdbool.h>
#include <stddef.h>

#define SCRATCH_PATH 96

struct scratch {
    char path[SCRATCH_PATH]; /* "" when there is none */
    int lock;                /* descriptor, -1: none */
};

/* False and a sentence. */
bool scratch_make(struct scratch *s, char problem[200]);
void scratch_remove(struct scratch *s);
/* Removes those of a user's runs that are dead. Returns how many. */
unsigned scratch_sweep(const char *base);

#endif
