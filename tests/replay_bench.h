/* For tests that play a recorded talk: a folder of their own with records, and what became of them. */
#ifndef tests_replay_bench_h
#define tests_replay_bench_h

#include "sim/replay/replay.h"

extern char replay_place[64], replay_said[32768], replay_problem[RECORD_PROBLEM];

void replay_set_up(void);
void replay_tear_down(void);
/* A run of a scenario leaves its records in a folder of its name. */
void replay_record(const char *scenario, const char *options);
void replay_write(const char *name, const char *text, size_t len);
/* Files below the place, "a b"; what was told goes to replay_said. False: replay_problem says why. */
bool replay_file(const char *scenario, const char *files, const char *alone, uint64_t seed, bool exact,
                 struct replay_result *out);
bool replay_has(const char *text, const char *part);

#endif
