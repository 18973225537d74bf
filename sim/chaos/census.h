/* What there is to disturb in a scenario: counted in one run in virtual time in which nothing goes wrong. */
#ifndef sim_chaos_census_h
#define sim_chaos_census_h

#include "sim/run/run.h"

#define CENSUS_MESSAGES 320
#define CENSUS_STEPS    160

struct census {
    struct {
        char link[16], message[64];
        unsigned count; /* of all who send it there */
    } messages[CENSUS_MESSAGES];
    size_t message_count;
    struct {
        char step[12];
        uint64_t time_us; /* when it was first done */
    } steps[CENSUS_STEPS];
    size_t step_count;
    unsigned commits[SCENARIO_MEMBERS];
    uint64_t duration_us;
};

/* False and a sentence when the scenario does not pass undisturbed. */
bool census_take(const struct scenario *s, const struct run_options *options, struct census *out,
                 char problem[RUN_FAILURE_TEXT]);

#endif
