/* Which links must come, which have, and the gates of those that wait for the rest. Said once, for both
 * worlds: a link is ready when its medium says so; one that must be there fails the run when it is not ready
 * LINKS_DEADLINE_US after the start; an optional one is waited for when its other end takes part; one that
 * `waits` is opened when all others are. */
#ifndef sim_run_links_h
#define sim_run_links_h

#include "sim/language/scenario.h"

#define LINKS_DEADLINE_US 10000000u /* an emulated machine under load starts its processes that slowly */

struct run;

struct link_watch {
    size_t member;
    unsigned port;
    bool awaited;  /* the run waits for it */
    bool ready;    /* has been, at least once */
    bool gated;    /* kept cut until the others are ready */
    unsigned cuts; /* faults that hold it cut */
};

struct links {
    struct link_watch *watched;
    size_t count;
    bool all_ready; /* and the gates open */
};

void links_begin(struct links *l, const struct scenario *s);
void links_free(struct links *l);
/* Gates close. */
void links_start(struct run *r);
void links_take(struct run *r, const struct trace_event *e);
/* Opens gates when it is time. */
void links_pump(struct run *r, uint64_t now_us);
uint64_t links_due_us(const struct links *l);
/* NULL when nobody of that name has such a link. */
const struct link_watch *links_find(const struct run *r, const char *name, const char *link);
/* A fault cuts or heals. */
void links_cut(struct run *r, const char *name, const char *link, bool cut);
/* Failures for the links that must have come and did not. */
void links_judge(struct run *r);

#endif
