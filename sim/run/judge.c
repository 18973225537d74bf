#include "sim/run/judge.h"

#include "sim/run/failures.h"

#include <stdio.h>
#include <string.h>

#include "sim/run/calls.h"

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

static void add_word(char out[200], const char *before, const char *word)
{
    size_t used = strlen(out);
    if (*word)
        snprintf(out + used, 200 - used, "%s%s%s", used ? " " : "", before, word);
}

/* "refusal of PP-01/9 VehicleIdentityResponse by spaak for SIGNATURE_INVALID" */
void expect_describe(const struct expect *x, char out[200])
{
    bool refusal = x->event == TRACE_REJECT, about = x->step[0] || x->message[0];
    bool kind = x->event != TRACE_KINDS && x->event != TRACE_SEND && !refusal;
    out[0] = '\0';
    if (refusal)
        add_word(out, "", about ? "refusal of" : "any refusal");
    add_word(out, "", x->step);
    add_word(out, "", x->message);
    if (kind || (x->event == TRACE_SEND && !about))
        add_word(out, "", trace_kind_name(x->event));
    add_word(out, "by ", x->component);
    add_word(out, "to ", x->peer);
    add_word(out, "for ", x->reason >= 0 ? err_name((enum err)x->reason) : "");
}

/* ---- expectations ---- */

enum met { IS_MET, IS_MISSING, IS_LOST_ON_ITS_WAY, IS_LATE, ARE_TOO_FEW };

struct outcome {
    enum met met;
    long at;       /* the event that met it */
    size_t broke;  /* the hop it did not reach */
    uint64_t seen; /* took so long, microseconds; or the sum */
};

/* Where to look for it. `met`: by what event each before it was, or -1. */
static size_t look_from(const struct run *r, size_t expect, const long *met, size_t from)
{
    const struct expect *x = &r->scenario->expects[expect];
    if (!x->any_order)
        return from;
    for (size_t i = expect; i-- > 0;)
        if (match_same(&r->scenario->expects[i], x))
            return met[i] < 0 ? r->event_count : (size_t)met[i] + 1;
    return 0;
}

static struct outcome look_for(const struct run *r, const struct expect *x, size_t from, uint64_t last_us)
{
    struct outcome o = {.met = IS_MET, .at = -1};
    if (x->kind == EXPECT_COUNT) {
        o.seen = summed(r, x);
        o.met = o.seen >= x->at_least ? IS_MET : ARE_TOO_FEW;
        return o;
    }
    o.at = find_event(r, x, from, &o.broke);
    if (o.at < 0) {
        o.met = o.broke ? IS_LOST_ON_ITS_WAY : IS_MISSING;
        return o;
    }
    uint64_t t = r->events[o.at].time_us;
    o.seen = t > last_us ? t - last_us : 0;
    if (x->within_us && o.seen > x->within_us + r->grace_us)
        o.met = IS_LATE;
    return o;
}

static void tell_missed(struct run *r, const struct expect *x, const struct outcome *o, size_t from)
{
    char what[200], nearest[NEAREST_TEXT];
    const char *file = r->scenario->file;
    expect_describe(x, what);
    switch (o->met) {
    case IS_LOST_ON_ITS_WAY:
        run_fail_as(r, FAILURE_EXPECT, "%s:%u: %s did not reach %s", file, x->line, what, x->path[o->broke]);
        return;
    case IS_LATE:
        run_fail_as(r, FAILURE_EXPECT,
                    "%s:%u: %s came %.1f ms after the expectation before it, %.1f ms are allowed%s", file,
                    x->line, what, (double)o->seen / 1e3, (double)x->within_us / 1e3,
                    r->grace_us ? " (and half a second more, since time is real)" : "");
        return;
    case ARE_TOO_FEW:
        run_fail_as(r, FAILURE_EXPECT, "%s:%u: expected at least %llu (%s, %s), saw %llu", file, x->line,
                    (unsigned long long)x->at_least, what, x->detail, (unsigned long long)o->seen);
        return;
    default:
        break;
    }
    run_fail_as(r, FAILURE_EXPECT, "%s:%u: expected %s%s%s, it did not happen%s", file, x->line, what,
                x->detail[0] ? " " : "", x->detail,
                !from          ? ""
                : x->any_order ? " once more"
                               : " after what was expected before it");
    if (nearest_event(r, x, from, nearest))
        run_fail_as(r, FAILURE_EXPECT, "  came nearest: %s", nearest);
}

/* One more; the first is told whole, of the others only where they stand. */
static bool miss(struct missed *m, unsigned line)
{
    if (m->count && m->count <= sizeof m->lines / sizeof m->lines[0])
        m->lines[m->count - 1] = line;
    return m->count++ == 0;
}

/* Calls `missed` for each that is not met, until that says that it has heard enough. */
static void walk(const struct run *r,
                 bool (*missed)(void *ctx, const struct expect *x, const struct outcome *o, size_t from,
                                uint64_t last_us),
                 void *ctx)
{
    long met[SCENARIO_EXPECTS] = {0};
    size_t from = 0;
    uint64_t last_us = 0;
    for (size_t i = 0; i < r->scenario->expect_count; i++) {
        const struct expect *x = &r->scenario->expects[i];
        if (x->kind == EXPECT_STATE)
            continue;
        size_t begin = look_from(r, i, met, from);
        struct outcome o = look_for(r, x, begin, last_us);
        met[i] = o.at;
        if (o.met != IS_MET && !missed(ctx, x, &o, begin, last_us))
            return;
        if (o.at >= 0 && !x->any_order) {
            from = (size_t)o.at + 1;
            last_us = r->events[o.at].time_us;
        }
    }
}

static bool stop_at_first(void *ctx, const struct expect *x, const struct outcome *o, size_t from,
                          uint64_t last_us)
{
    (void)x;
    (void)o;
    (void)from;
    (void)last_us;
    *(bool *)ctx = false;
    return false;
}

bool judge_events_met(const struct run *r)
{
    bool met = true;
    walk(r, stop_at_first, &met);
    return met;
}

struct verdict_of {
    struct run *run;
    struct missed missed;
};

static bool tell_first(void *ctx, const struct expect *x, const struct outcome *o, size_t from,
                       uint64_t last_us)
{
    struct verdict_of *v = ctx;
    if (miss(&v->missed, x->line)) {
        v->missed.last_us = last_us;
        tell_missed(v->run, x, o, from);
    }
    return true;
}

static void judge_nevers(struct run *r)
{
    char what[200], event[EVENT_TEXT];
    for (size_t i = 0; i < r->scenario->never_count; i++) {
        const struct expect *x = &r->scenario->nevers[i];
        size_t broke;
        long at = find_event(r, x, 0, &broke);
        if (at < 0 || (x->within_us && r->events[at].time_us >= x->within_us))
            continue;
        expect_describe(x, what);
        event_tell(&r->events[at], event);
        run_fail_as(r, FAILURE_RULE, "%s:%u: %s must not happen, but did: %s", r->scenario->file, x->line,
                    what, event);
    }
}

static void judge_faults(struct run *r)
{
    char text[96];
    for (size_t i = 0; i < r->scenario->faults.count; i++) {
        if (r->fault_fired[i])
            continue;
        fault_describe(&r->scenario->faults.faults[i], text);
        run_fail_as(r, FAILURE_FAULT,
                    "%s:%u: the fault \"%s\" never fired: what it is meant for did not come by, or other "
                    "faults undid it",
                    r->scenario->file, r->scenario->fault_lines[i], text);
    }
}

static const char *why_unmade(const struct trigger *t, char out[40])
{
    if (t->state == TRIGGER_DUE)
        return "the run ended before its time";
    snprintf(out, 40, "there was no %s", t->when.step[0] ? t->when.step : "world that was ready");
    return out;
}

static void judge_calls(struct run *r)
{
    char why[40];
    for (size_t i = 0; i < r->trigger_count && !r->open; i++) {
        const struct trigger *t = &r->triggers[i];
        if (t->kind != TRIGGER_ACTION || t->state == TRIGGER_DONE)
            continue;
        const struct action *a = &r->scenario->actions[t->index];
        const struct member *m = &r->scenario->members[a->member];
        if (a->moves)
            run_fail_as(r, FAILURE_FAULT, "%s:%u: nobody moved before the run ended: %s", r->scenario->file,
                        a->line, why_unmade(t, why));
        else
            run_fail_as(r, FAILURE_FAULT, "%s:%u: the call \"%s\" to %s was never made: %s",
                        r->scenario->file, a->line, m->class->calls[a->call].name, m->name,
                        why_unmade(t, why));
    }
}

/* ---- stores ---- */

bool judge_state_holds(struct run *r, const struct state_check *c)
{
    uint8_t value[ENV_VALUE_MAX];
    size_t len;
    struct store *s = r->ops->store(r, c->component);
    enum err e = s ? store_get(s, c->key, value, sizeof value, &len) : ERR_NOT_FOUND;
    bool present = e == ERR_OK || e == ERR_NO_SPACE; /* a long one is there, too */
    return present == c->present;
}

static void judge_state(struct run *r, const struct state_check *c, struct missed *m)
{
    if (!judge_state_holds(r, c) && miss(m, c->line))
        run_fail_as(r, FAILURE_EXPECT, "%s:%u: %s should be %s in the store of %s", r->scenario->file,
                    c->line, c->key, c->present ? "present" : "absent", c->component);
}

static void judge_states(struct run *r, struct missed *m)
{
    for (size_t i = 0; i < r->scenario->expect_count; i++)
        for (size_t k = 0; k < r->scenario->expects[i].state_count; k++)
            judge_state(r, &r->scenario->expects[i].states[k], m);
}

void judge_run(struct run *r, uint64_t now_us)
{
    struct verdict_of v = {.run = r};
    links_judge(r);
    if (r->options->trial) {
        judge_invariants(r);
        r->options->trial->judge(r->options->trial->ctx, r);
        return;
    }
    walk(r, tell_first, &v);
    judge_nevers(r);
    judge_states(r, &v.missed);
    judge_faults(r);
    judge_calls(r);
    calls_judge(r);
    judge_invariants(r);
    if (r->failure_count && !r->open)
        failures_settle(r, &v.missed, now_us);
}
