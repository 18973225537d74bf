/* Whole owner pairings in virtual time, all components on: from "add digital key" at the head unit (OP-02/1)
 * to the receipt in the vehicle (OP-05/6), in a vehicle, back end and phone that live before and after.
 * Without scrypt, which a first run has done for the others (lib/host/work_memo.h). Beside it the time in
 * OpenSSL's P-256 operations of that very pairing. One core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/work_memo.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/figures.h"
#include "tests/timed.h"

enum { ROUNDS = 31 };

/* ---- a pairing ---- */

struct look {
    struct run *run;
    size_t seen;
    enum trace_kind kind;
    const char *component, *step, *detail; /* what is waited for; NULL: any */
};

static bool is_there(void *ctx, bool quiet)
{
    struct look *l = ctx;
    (void)quiet;
    for (; l->seen < l->run->event_count; l->seen++) {
        const struct trace_event *e = &l->run->events[l->seen];
        if (e->kind == l->kind && strcmp(e->component, l->component) == 0 &&
            (!l->step || strcmp(e->step, l->step) == 0) && (!l->detail || strcmp(e->detail, l->detail) == 0))
            return true;
    }
    return false;
}

static void until(struct run *r, enum trace_kind kind, const char *component, const char *step,
                  const char *detail)
{
    struct look l = {.run = r, .kind = kind, .component = component, .step = step, .detail = detail};
    world_virtual.proceed(r, UINT64_MAX, is_there, &l);
    figure_must(l.seen < r->event_count, step ? step : detail);
}

struct pairing {
    double all_s;
    struct timed p256;
};

static struct pairing pair(const struct scenario *s, struct work_memo *memo)
{
    struct run *r = calloc(1, sizeof *r);
    const struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true, .memo = memo};
    figure_must(r && world_virtual.open(r, s, &o), "a world");
    until(r, TRACE_CALL, "hu", NULL, "add-key");
    timed_begin(1 << TIMED_P256);
    double t = cpu_s();
    until(r, TRACE_STEP, "spaak", "OP-05/6", NULL);
    const struct pairing p = {cpu_s() - t, timed_end().of[TIMED_P256]};
    world_virtual.proceed(r, UINT64_MAX, NULL, NULL);
    figure_must(world_virtual.close(r) == VERDICT_PASS, "the pairing");
    run_free(r);
    free(r);
    return p;
}

int main(void)
{
    struct tree_problem problem = {0};
    struct scenario *s;
    size_t n;
    double all_s[ROUNDS], p256_s[ROUNDS];
    char is[120];
    scenario_finder = scenario_find_quietly;
    char *path = scenario_find_quietly("op05");
    struct work_memo *memo = work_memo_new();
    figure_must(path && memo && scenario_load(path, &s, &n, &problem), "op05");
    struct pairing p = pair(s, memo);
    for (size_t i = 0; i < ROUNDS; i++) {
        p = pair(s, memo);
        all_s[i] = p.all_s;
        p256_s[i] = p.p256.s;
    }
    snprintf(is, sizeof is, "the %u P-256 operations of the same pairing alone", p.p256.calls);
    figure_report("virtual_owner_pairings", 1 / figure_median(all_s, ROUNDS),
                  "1/s of CPU, all components, without scrypt, median of 31",
                  1 / figure_median(p256_s, ROUNDS), is, 0.4);
    past_forget();
    work_memo_free(memo);
    free(s);
    free(path);
    return 0;
}
