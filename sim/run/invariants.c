/* What holds in every run, whatever its scenario says; no component is named here. Claims: 1, 2, 3 and 5.
 * Refusals: 4; secrets, too, in secrets.c. */
#include <string.h>

#include "sim/run/judge.h"
#include "sim/run/secrets.h"

#define NEAR 1000 /* events */

/* ---- claims ---- */

static void fail_claim(void *ctx, const char *problem)
{
    run_fail_as(ctx, FAILURE_RULE, "%s", problem);
}

/* Where events came out of order, claims are taken now, from the sorted whole. */
static void judge_claims(struct run *r)
{
    char problem[CLAIM_PROBLEM];
    for (size_t i = 0; !r->in_order && i < r->event_count; i++)
        if (!claims_take(&r->claims, &r->events[i], problem))
            run_fail_as(r, FAILURE_RULE, "at %.1f ms: %s", (double)r->events[i].time_us / 1e3, problem);
    if (!r->unsettled)
        claims_judge(&r->claims, fail_claim, r);
}

/* ---- refusals ---- */

/* False where the component's life ends or begins: inputs are counted anew then. */
static bool judge_beside(struct run *r, const struct trace_event *refusal, const struct trace_event *e)
{
    if (strcmp(e->component, refusal->component) != 0)
        return true;
    if (e->kind == TRACE_STORE && e->cause == refusal->cause)
        run_fail_as(r, FAILURE_RULE, "invariant 4: %s refused %s (%s) but stored %s", refusal->component,
                    refusal->message, err_name((enum err)refusal->reason), e->detail);
    return e->kind != TRACE_LIFE;
}

/* Invariant 4: an input that was refused has stored nothing. Events of one input lie together. */
static void judge_refusals(struct run *r)
{
    for (size_t i = 0; i < r->event_count; i++) {
        const struct trace_event *e = &r->events[i];
        if (e->kind != TRACE_REJECT)
            continue;
        for (size_t k = i; k > 0 && i - k < NEAR; k--)
            if (!judge_beside(r, e, &r->events[k - 1]))
                break;
        for (size_t k = i + 1; k < r->event_count && k < i + NEAR; k++)
            if (!judge_beside(r, e, &r->events[k]))
                break;
    }
}

void judge_invariants(struct run *r)
{
    judge_claims(r);
    judge_refusals(r);
    secrets_judge(r);
}
