#include "sim/run/judge.h"

#include <stdio.h>
#include <string.h>

/* ---- events ---- */

/* Index of the event that ends the path, or -1 with the hop where it broke. */
static long path_end(const struct run *r, const struct expect *x, size_t sent, size_t *broke)
{
    size_t at = sent;
    for (size_t h = 1; h < x->path_count; h++) {
        size_t i = at;
        while (i < r->event_count &&
               !match_hop(r->scenario, x->path[h], h + 1 == x->path_count, &r->events[sent], &r->events[i]))
            i++;
        if (i == r->event_count) {
            *broke = h;
            return -1;
        }
        at = i;
    }
    return (long)at;
}

/* Index of the first event at or after `from` that meets the expectation, or -1. */
static long find_event(const struct run *r, const struct expect *x, size_t from, size_t *broke)
{
    *broke = 0;
    for (size_t i = from; i < r->event_count; i++) {
        if (!match_event(x, &r->events[i]))
            continue;
        if (x->kind != EXPECT_PATH || path_end(r, x, i, broke) >= 0)
            return (long)i;
    }
    return -1;
}

static uint64_t summed(const struct run *r, const struct expect *x)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->event_count; i++)
        if (match_event(x, &r->events[i]))
            sum += r->events[i].length;
    return sum;
}

static void describe(const struct expect *x, char out[200])
{
    bool kind = x->event != TRACE_KINDS && x->event != TRACE_SEND && x->event != TRACE_REJECT;
    snprintf(out, 200, "%s%s%s%s%s%s%s%s%s%s%s%s", x->event == TRACE_REJECT ? "refusal of " : "", x->step,
             x->step[0] ? " " : "", x->message, kind && x->message[0] ? " " : "",
             kind ? trace_kind_name(x->event) : "", x->component[0] ? " by " : "", x->component,
             x->peer[0] ? " to " : "", x->peer, x->reason >= 0 ? " for " : "",
             x->reason >= 0 ? err_name((enum err)x->reason) : "");
}

/* Walks the expectations; with failures == NULL stops at the first that is not met. */
static bool walk(const struct run *r, struct run *failures)
{
    size_t from = 0;
    uint64_t last_us = 0;
    char what[200];
    for (size_t i = 0; i < r->scenario->expect_count; i++) {
        const struct expect *x = &r->scenario->expects[i];
        size_t broke;
        if (x->kind == EXPECT_STATE)
            continue;
        describe(x, what);
        if (x->kind == EXPECT_COUNT) {
            uint64_t n = summed(r, x);
            if (n >= x->at_least)
                continue;
            if (!failures)
                return false;
            run_fail(failures, "%s:%u: expected at least %llu (%s, %s), saw %llu", r->scenario->file, x->line,
                     (unsigned long long)x->at_least, what, x->detail, (unsigned long long)n);
            continue;
        }
        long at = find_event(r, x, x->any_order ? 0 : from, &broke);
        if (at < 0 && !failures)
            return false;
        if (at < 0 && broke) {
            run_fail(failures, "%s:%u: %s did not reach %s", r->scenario->file, x->line, what,
                     x->path[broke]);
        } else if (at < 0) {
            run_fail(failures, "%s:%u: expected %s%s%s, it did not happen%s", r->scenario->file, x->line,
                     what, x->detail[0] ? " " : "", x->detail,
                     from && !x->any_order ? " after what was expected before it" : "");
        } else {
            uint64_t t = r->events[at].time_us;
            if (x->within_us && t > last_us + x->within_us) {
                if (!failures)
                    return false;
                run_fail(failures,
                         "%s:%u: %s came %.1f ms after the expectation before it, %.1f ms are allowed",
                         r->scenario->file, x->line, what, (double)(t - last_us) / 1e3,
                         (double)x->within_us / 1e3);
            }
            if (!x->any_order) {
                from = (size_t)at;
                last_us = t;
            }
        }
    }
    return true;
}

bool judge_events_met(const struct run *r)
{
    return walk(r, NULL);
}

/* The first refusals and failures of the run: mostly the reason for what is missing. */
static void add_hints(struct run *r)
{
    unsigned hints = 0;
    for (size_t i = 0; i < r->event_count && hints < 3; i++) {
        const struct trace_event *e = &r->events[i];
        if (e->kind != TRACE_REJECT && e->kind != TRACE_FAIL)
            continue;
        run_fail(r, "seen: %s %s %s%s%s (%s)", e->component, e->kind == TRACE_REJECT ? "refused" : "gave up",
                 e->message[0] ? e->message : e->step, ": ", err_text((enum err)e->reason),
                 err_name((enum err)e->reason));
        hints++;
    }
}

static void judge_nevers(struct run *r)
{
    char what[200];
    for (size_t i = 0; i < r->scenario->never_count; i++) {
        const struct expect *x = &r->scenario->nevers[i];
        size_t broke;
        long at = find_event(r, x, 0, &broke);
        if (at < 0 || (x->within_us && r->events[at].time_us >= x->within_us))
            continue;
        describe(x, what);
        run_fail(r, "%s:%u: %s must not happen, but did at %.1f ms", r->scenario->file, x->line, what,
                 (double)r->events[at].time_us / 1e3);
    }
}

static void judge_faults(struct run *r)
{
    char text[96];
    for (size_t i = 0; i < r->scenario->faults.count; i++) {
        if (r->fault_fired[i])
            continue;
        fault_describe(&r->scenario->faults.faults[i], text);
        run_fail(r, "the fault \"%s\" never fired: nothing it is meant for came by", text);
    }
}

static void judge_calls(struct run *r)
{
    for (size_t i = 0; i < r->trigger_count && !r->open; i++) {
        const struct trigger *t = &r->triggers[i];
        if (t->kind != TRIGGER_ACTION || t->state == TRIGGER_DONE)
            continue;
        const struct action *a = &r->scenario->actions[t->index];
        const struct member *m = &r->scenario->members[a->member];
        run_fail(r, "the call \"%s\" to %s was never made: %s%s", m->class->calls[a->call].name, m->name,
                 t->state == TRIGGER_DUE ? "the run ended before its time" : "there was no ",
                 t->state == TRIGGER_DUE ? ""
                 : *t->when.step         ? t->when.step
                                         : "world that was ready");
    }
}

/* ---- stores ---- */

static void judge_states(struct run *r)
{
    uint8_t value[ENV_VALUE_MAX];
    size_t len;
    for (size_t i = 0; i < r->scenario->expect_count; i++) {
        const struct expect *x = &r->scenario->expects[i];
        for (size_t k = 0; k < x->state_count; k++) {
            const struct state_check *c = &x->states[k];
            struct store *s = r->ops->store(r, c->component);
            bool present = s && store_get(s, c->key, value, sizeof value, &len) == ERR_OK;
            if (present != c->present)
                run_fail(r, "%s:%u: %s should be %s in the store of %s", r->scenario->file, c->line, c->key,
                         c->present ? "present" : "absent", c->component);
        }
    }
}

void judge_run(struct run *r, uint64_t now_us)
{
    size_t before = r->failure_count;
    links_judge(r);
    walk(r, r);
    judge_nevers(r);
    judge_states(r);
    judge_faults(r);
    judge_calls(r);
    judge_invariants(r);
    if (r->failure_count > before && r->quiet_end)
        run_fail(r, "nothing more could have come of it: the run was quiet at %.1f ms", (double)now_us / 1e3);
    if (r->failure_count > before)
        add_hints(r);
}
