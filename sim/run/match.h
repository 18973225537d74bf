/* Follows the expectations while events come: each event costs the same, however many came before. The
 * verdict is given by judge.c, from the whole; this only says when all is met. */
#ifndef sim_run_match_h
#define sim_run_match_h

#include "sim/language/scenario.h"

/* A busy machine is no fault of who is judged: where time is real, `within` has so much on top. */
#define MATCH_REAL_GRACE_US 500000

#define MATCH_CANDIDATES 8 /* sent messages whose paths are followed at the same time, per expectation */

struct match_candidate {
    uint32_t sent; /* index of the event; UINT32_MAX: free */
    uint32_t hop;  /* how far it has come */
};

/* Of expectations: a bit for each. */
struct match_set {
    uint64_t bits[(SCENARIO_EXPECTS + 63) / 64];
};

/* All that is known after so many events; a copy of it is kept now and then, for events that come late. */
struct match_progress {
    size_t taken;         /* events that the expectations without order and the counts have seen */
    size_t cursor;        /* next event for the expectation in turn */
    size_t turn;          /* that expectation */
    uint64_t last_us;     /* when the one before was met */
    uint64_t grace_us;    /* on top of every `within` */
    bool late;            /* one was met too late: never to be met */
    struct match_set met; /* of expectations without order */
    uint64_t sums[SCENARIO_EXPECTS];
    struct match_candidate candidates[SCENARIO_EXPECTS][MATCH_CANDIDATES];
};

struct matcher {
    const struct scenario *scenario;
    struct match_progress now;
    struct match_progress *kept;
    size_t kept_count, kept_cap;
};

/* `grace_us`: so much later than its `within` an expectation may be met. */
void matcher_begin(struct matcher *m, const struct scenario *s, uint64_t grace_us);
void matcher_free(struct matcher *m);
/* Events before `changed` are as they were at the last call. */
void matcher_take(struct matcher *m, const struct trace_event *events, size_t count, size_t changed);
bool matcher_met(const struct matcher *m);

/* Shared with the judge. */
/* Another without order, that asks for the very same: each of them needs an event of its own. */
bool match_same(const struct expect *a, const struct expect *b);
bool match_event(const struct expect *x, const struct trace_event *e);
/* Does this event show that the message passed the hop? `last`: the path ends there. */
bool match_hop(const struct scenario *s, const char *hop, bool last, const struct trace_event *sent,
               const struct trace_event *e);

#endif
