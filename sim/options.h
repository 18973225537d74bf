/* The options of the commands that start runs: one table, from which they are read and explained. */
#ifndef sim_options_h
#define sim_options_h

#include <stdio.h>

#include "sim/run/run.h"

/* Whose they are; an option may be of several commands. */
enum options_of {
    OPTIONS_OF_RUN = 1,
    OPTIONS_OF_PLAY = 2,
    OPTIONS_OF_UDS = 4 /* which reads its own (sim/uds) */
};

struct options {
    struct run_options run;
    const char *name; /* of a scenario, or its path; NULL: none was given */
    bool all, world_given, seed_given;
    const char *faults; /* "random", or a schedule's file; NULL: those of the scenario */
    uint64_t seeds;     /* how many runs, with faults */
    long jobs;
};

/* Reads a command's line, whose argv[0] is the command. False after a message when it is wrong. */
bool options_read(enum options_of command, int argc, char **argv, struct options *out);
/* A line for each, the media's among them. */
void options_print(enum options_of command, FILE *out);

#endif
