/* The two worlds, seen from outside: alike. */
#ifndef sim_world_world_h
#define sim_world_world_h

#include "sim/run/run.h"

/* A world is quiet when for so long nothing was in flight and no timer pending but cyclic ones: several
 * rounds of the cyclic messages have then changed nothing. */
#define WORLD_QUIET_US      1000000u
#define WORLD_QUIET_PLAY_US 300000u /* when a person waits for it */

struct world_driver {
    /* Makes the world, lets time begin, starts everybody. False after a failure in the run; close it all the
     * same. */
    bool (*open)(struct run *r, const struct scenario *s, const struct run_options *options);
    /* Lets time go on until the run is finished, until_us has come, or `enough` says so. That is asked after
     * each turn, with whether the world is quiet; NULL: never enough. */
    void (*proceed)(struct run *r, uint64_t until_us, bool (*enough)(void *ctx, bool quiet), void *ctx);
    uint64_t (*now_us)(const struct run *r);
    /* Ends everybody, judges, frees the world; the run itself is freed by run_free. */
    enum verdict (*close)(struct run *r);
};

extern const struct world_driver world_virtual, world_process;
const struct world_driver *world_of(enum world_kind kind);

/* A run from beginning to end. */
enum verdict world_run(struct run *r, const struct scenario *s, const struct run_options *options);

#endif
