#include "sim/run/failures.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LATE_US 20000u /* what a loaded machine does, and an idle one does not */

/* ---- gathering ---- */

/* A place for one more; when all are taken, that of the least important one. */
static size_t place_for(struct run *r, enum failure_rank rank)
{
    size_t worst = 0;
    if (r->failure_count < RUN_FAILURES)
        return r->failure_count++;
    r->failures_lost++;
    for (size_t i = 1; i < RUN_FAILURES; i++)
        if (r->failure_ranks[i] >= r->failure_ranks[worst])
            worst = i;
    return r->failure_ranks[worst] > (uint8_t)rank ? worst : RUN_FAILURES;
}

__attribute__((format(printf, 3, 0))) static void put(struct run *r, enum failure_rank rank,
                                                      const char *format, va_list args)
{
    size_t at = place_for(r, rank);
    if (at == RUN_FAILURES)
        return;
    vsnprintf(r->failures[at], RUN_FAILURE_TEXT, format, args);
    r->failure_ranks[at] = (uint8_t)rank;
}

void run_fail(struct run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(r, FAILURE_WORLD, format, args);
    va_end(args);
}

void run_fail_as(struct run *r, enum failure_rank rank, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(r, rank, format, args);
    va_end(args);
}

static bool has(const struct run *r, enum failure_rank rank)
{
    return memchr(r->failure_ranks, (int)rank, r->failure_count) != NULL;
}

/* ---- what lies behind ---- */

static bool is_expected(const struct run *r, const struct trace_event *e)
{
    for (size_t i = 0; i < r->scenario->expect_count; i++)
        if (r->scenario->expects[i].kind == EXPECT_EVENT && match_event(&r->scenario->expects[i], e))
            return true;
    return false;
}

/* The first that nobody expected; those after the last thing that went well come before the others. */
static const struct trace_event *find_first(const struct run *r, bool (*is)(const struct trace_event *e),
                                            uint64_t after_us)
{
    const struct trace_event *found = NULL;
    for (size_t i = 0; i < r->event_count; i++) {
        const struct trace_event *e = &r->events[i];
        if (!is(e) || is_expected(r, e))
            continue;
        if (e->time_us >= after_us)
            return e;
        found = found ? found : e;
    }
    return found;
}

static bool is_refusal(const struct trace_event *e)
{
    return e->kind == TRACE_REJECT || e->kind == TRACE_FAIL;
}

static bool is_repetition(const struct trace_event *e)
{
    return e->kind == TRACE_RETRY && e->reason;
}

static bool is_delay(const struct trace_event *e)
{
    return e->kind == TRACE_HOLD;
}

/* The refusal, or the question that got no answer, without which more would have happened. */
static const struct trace_event *find_cause(const struct run *r, uint64_t after_us)
{
    const struct trace_event *e = find_first(r, is_refusal, after_us);
    if (!e)
        e = find_first(r, is_repetition, after_us);
    return e ? e : find_first(r, is_delay, after_us);
}

static void tell_cause(struct run *r, const struct trace_event *e)
{
    const char *verb = "repeats";
    if (e->kind == TRACE_REJECT)
        verb = "refused";
    else if (e->kind == TRACE_FAIL)
        verb = "gave up";
    else if (e->kind == TRACE_HOLD)
        verb = "keeps back";
    run_fail_as(r, FAILURE_CAUSE, "%s %s %s%s%s: %s (%s)%s%s, at %.1f ms", e->component, verb,
                e->message[0] && strcmp(e->message, "?") != 0 ? e->message : "what came",
                e->step[0] ? " at " : "", e->step, err_text((enum err)e->reason),
                err_name((enum err)e->reason), e->detail[0] ? " " : "", e->detail, (double)e->time_us / 1e3);
}

/* Who was killed and has not come back cannot have done its part. */
static void tell_dead(struct run *r)
{
    for (size_t i = 0; i < r->scenario->member_count; i++) {
        const struct trace_event *last = NULL;
        for (size_t k = 0; k < r->event_count; k++)
            if (r->events[k].kind == TRACE_LIFE &&
                strcmp(r->events[k].component, r->scenario->members[i].name) == 0)
                last = &r->events[k];
        if (last && strcmp(last->detail, "killed") == 0)
            run_fail_as(r, FAILURE_CAUSE, "%s was killed at %.1f ms and not started again", last->component,
                        (double)last->time_us / 1e3);
    }
}

/* ---- how it ended ---- */

static void tell_rest(struct run *r, const struct missed *missed, uint64_t now_us)
{
    char rest[160] = "", end[120] = "";
    size_t shown = missed->count - 1, n = 0;
    if (missed->count > 1)
        n = (size_t)snprintf(rest, sizeof rest, "%zu more expectation%s not met (line", shown,
                             shown > 1 ? "s were" : " was");
    for (size_t i = 0; i < shown && i < sizeof missed->lines / sizeof missed->lines[0]; i++)
        n += (size_t)snprintf(rest + n, sizeof rest - n, "%s %u",
                              i           ? ","
                              : shown > 1 ? "s"
                                          : "",
                              missed->lines[i]);
    if (missed->count > 1)
        snprintf(rest + n, sizeof rest - n, "%s)",
                 shown > sizeof missed->lines / sizeof missed->lines[0] ? ", ..." : "");
    if (r->quiet_end)
        snprintf(end, sizeof end, "nothing more could have come of it: the run was quiet at %.1f ms",
                 (double)now_us / 1e3);
    if (rest[0] || end[0])
        run_fail_as(r, FAILURE_AFTER, "%s%s%s", rest, rest[0] && end[0] ? "; " : "", end);
}

static bool ended_by_limit(const struct run *r, uint64_t now_us)
{
    return !r->complete && !r->hopeless && now_us >= r->limit_us && !has(r, FAILURE_WORLD);
}

/* What was only missed because something else had gone wrong before is told after it. */
static void demote(struct run *r, enum failure_rank from, enum failure_rank to)
{
    for (size_t i = 0; i < r->failure_count; i++)
        if (r->failure_ranks[i] == (uint8_t)from)
            r->failure_ranks[i] = (uint8_t)to;
}

static void swap(struct run *r, size_t a, size_t b)
{
    char text[RUN_FAILURE_TEXT];
    uint8_t rank = r->failure_ranks[a];
    memcpy(text, r->failures[a], sizeof text);
    memcpy(r->failures[a], r->failures[b], sizeof text);
    memcpy(r->failures[b], text, sizeof text);
    r->failure_ranks[a] = r->failure_ranks[b];
    r->failure_ranks[b] = rank;
}

/* Those of one rank stay in the order in which they were found. */
static void sort(struct run *r)
{
    for (size_t i = 1; i < r->failure_count; i++)
        for (size_t k = i; k > 0 && r->failure_ranks[k] < r->failure_ranks[k - 1]; k--)
            swap(r, k, k - 1);
}

void failures_settle(struct run *r, const struct missed *missed, uint64_t now_us)
{
    const struct trace_event *e = NULL;
    bool world = has(r, FAILURE_WORLD);
    if (!world && (missed->count || has(r, FAILURE_FAULT)))
        e = find_cause(r, missed->last_us);
    if (!world && missed->count)
        tell_dead(r);
    if (e)
        tell_cause(r, e);
    if (e || world)
        demote(r, FAILURE_FAULT, FAILURE_AFTER);
    if (missed->count && ended_by_limit(r, now_us))
        run_fail_as(r, e ? FAILURE_AFTER : FAILURE_CAUSE,
                    "the limit of %g s came before all that is expected", (double)r->limit_us / 1e6);
    if (missed->count)
        tell_rest(r, missed, now_us);
    if (r->late_us > LATE_US)
        run_fail_as(r, FAILURE_AFTER,
                    "the machine was busy: the runner came up to %.0f ms late to what was due",
                    (double)r->late_us / 1e3);
    if (r->failures_lost)
        run_fail_as(r, FAILURE_AFTER, "%zu more of the kind", r->failures_lost);
    if (e)
        run_fail_as(r, FAILURE_HINT, "what to look at: spaaksim explain %s", err_name((enum err)e->reason));
    sort(r);
}
