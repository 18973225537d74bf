/* A recorded talk against one end of it, alone: spaaksim replay. Those under test live in a virtual world and
 * begin with what the scenario's past gives; everybody else is played from the record (player.h); what they
 * say is compared with it, field by field (compare.h). docs/replay.md tells it to people. */
#ifndef sim_replay_replay_h
#define sim_replay_replay_h

#include <stdio.h>

#include "sim/language/scenario.h"
#include "sim/replay/record.h"

struct replay_options {
    const char *files[RECORD_FILES];
    size_t file_count;
    const char *alone; /* "spaak,wcp" */
    uint64_t seed;
    bool exact;   /* the record is of a virtual run with that seed: nothing is explained */
    bool at_pace; /* of the record, by the clock on the wall; else as fast as it goes */
    bool verbose; /* tell what is explained, too */
};

struct replay_result {
    size_t compared, same, explained, different; /* messages of those under test */
    size_t open;                                 /* that could not be compared any more */
    size_t played;                               /* of others, and deeds of people */
    char first[500];                             /* the first difference that nothing explains; "" */
};

/* Runs it and tells of it in `out`, the first difference first. False and a sentence when there is something
 * wrong with the files, or with whom they are to be tried on. */
bool replay_run(const struct scenario *s, const struct replay_options *o, FILE *out,
                struct replay_result *result, char problem[RECORD_PROBLEM]);

#endif
