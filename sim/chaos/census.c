#include "sim/chaos/census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/world.h"

struct counting {
    const struct scenario *scenario;
    struct census *census;
};

static void count_message(void *ctx, const char *link, const char *message)
{
    struct census *c = ((struct counting *)ctx)->census;
    size_t i = 0;
    if (!*message || strcmp(message, "?") == 0 || strlen(message) >= sizeof c->messages[0].message)
        return;
    while (i < c->message_count &&
           (strcmp(c->messages[i].link, link) != 0 || strcmp(c->messages[i].message, message) != 0))
        i++;
    if (i == CENSUS_MESSAGES)
        return;
    if (i == c->message_count) {
        text_copy(c->messages[i].link, sizeof c->messages[i].link, link);
        text_copy(c->messages[i].message, sizeof c->messages[i].message, message);
        c->message_count++;
    }
    c->messages[i].count++;
}

static void count_commit(void *ctx, const char *component)
{
    struct counting *k = ctx;
    const struct member *m = scenario_member(k->scenario, component);
    if (m)
        k->census->commits[m - k->scenario->members]++;
}

static void note_step(struct census *c, const struct trace_event *e)
{
    size_t i = 0;
    if (!e->step[0] || (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT))
        return;
    while (i < c->step_count && strcmp(c->steps[i].step, e->step) != 0)
        i++;
    if (i < c->step_count || i == CENSUS_STEPS)
        return;
    text_copy(c->steps[i].step, sizeof c->steps[i].step, e->step);
    c->steps[i].time_us = e->time_us;
    c->step_count++;
}

bool census_take(const struct scenario *s, const struct run_options *options, struct census *out,
                 char problem[RUN_FAILURE_TEXT])
{
    struct counting k = {s, out};
    const struct fault_census census = {&k, count_message, count_commit};
    struct run *r = calloc(1, sizeof *r);
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 1, .quiet = true, .census = &census};
    if (!r)
        abort();
    o.past_seed = options->past_seed;
    *out = (struct census){0};
    bool ok = world_run(r, s, &o) == VERDICT_PASS;
    for (size_t i = 0; i < r->event_count; i++) {
        note_step(out, &r->events[i]);
        out->duration_us = r->events[i].time_us;
    }
    if (!ok)
        snprintf(problem, RUN_FAILURE_TEXT, "undisturbed, it does not pass: %.600s",
                 r->failure_count ? r->failures[0] : "it could not be run");
    run_free(r);
    free(r);
    return ok;
}
