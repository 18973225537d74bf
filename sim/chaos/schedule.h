/* A schedule: faults that were drawn, or read from a file, for one run of a scenario. It is written in the
 * scenario language, so that its lines can go into a scenario as they are. */
#ifndef sim_chaos_schedule_h
#define sim_chaos_schedule_h

#include <stdio.h>

#include "sim/language/scenario.h"

#define SCHEDULE_MAX    FAULT_MAX
#define SCHEDULE_UPSETS (SCENARIO_UPSETS / 2)

/* One that can be left out: a fault, or something taken away and put back. */
struct disturbance {
    bool upset;
    struct fault fault;
    uint64_t after_us;        /* of a fault at a step */
    struct action away, back; /* of an upset */
};

struct schedule {
    struct disturbance items[SCHEDULE_MAX];
    size_t count;
};

/* The scenario as it is run under the schedule: its own calls, and these faults and calls beside them. */
void schedule_apply(const struct scenario *s, const struct schedule *from, struct scenario *out);
/* As `faults:` and `do:` of the language. */
void schedule_print(const struct scenario *s, const struct schedule *from, FILE *out);
/* What schedule_print wrote. False and a problem. */
bool schedule_read(const char *file, const struct scenario *s, struct schedule *out,
                   struct tree_problem *problem);
/* The calls of a member's class by which it is taken away and put back; false when it has none. */
bool schedule_upset(const struct component_class *class, unsigned *away, unsigned *back);

#endif
