#include "sim/chaos/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chaos/draw.h"
#include "sim/run/judge.h"
#include "sim/world/world.h"

#define REST_US  900000000ull /* until the world is at rest, when nobody does anything any more */
#define SLACK_US 10000000u    /* that faults go on when the undisturbed run would be over */

/* ---- what counts ---- */

/* What is shown now, not what once was; who was killed since shows nothing. */
static bool is_shown(const struct run *r, const struct expect *x)
{
    for (size_t i = r->event_count; i-- > 0;) {
        const struct trace_event *e = &r->events[i];
        if (x->component[0] && strcmp(e->component, x->component) != 0)
            continue;
        if (e->kind == TRACE_LIFE && x->component[0])
            return false;
        if (e->kind == TRACE_SHOW && strcmp(e->message, x->message) == 0)
            return match_event(x, e);
    }
    return false;
}

static bool has_happened(const struct run *r, const struct expect *x)
{
    for (size_t i = 0; i < r->event_count; i++)
        if (match_event(x, &r->events[i]))
            return true;
    return false;
}

/* Stores of processes can be looked at when the run is over only. */
static bool states_hold(struct run *r, const struct expect *x, bool over)
{
    for (size_t i = 0; (over || r->in_order) && i < x->state_count; i++)
        if (!judge_state_holds(r, &x->states[i]))
            return false;
    return true;
}

static bool is_met(struct run *r, const struct expect *x, bool over)
{
    if (x->kind == EXPECT_STATE)
        return states_hold(r, x, over);
    return x->detail_whole ? is_shown(r, x) : has_happened(r, x);
}

/* The first of the goal that is not met; NULL: all are. */
static const struct expect *missing(struct run *r, const struct under_faults *u, bool over)
{
    for (size_t i = 0; i < u->goal_count; i++)
        if (!is_met(r, &u->goal[i], over))
            return &u->goal[i];
    return NULL;
}

/* ---- what is taken away and put back ---- */

/* The scenario itself, and those who repeat. */
static void note_call(struct trial *t, const struct action *a)
{
    unsigned away, back;
    if (a->moves || !schedule_upset(t->scenario->members[a->member].class, &away, &back))
        return;
    if (a->call == back)
        t->lies[a->member] = a;
    else if (a->call == away)
        t->lies[a->member] = NULL;
}

static bool is_same_place(const struct action *a, const struct action *b)
{
    for (size_t i = 0; i < ENV_VALUES; i++)
        if (a->values[i].number != b->values[i].number || strcmp(a->values[i].text, b->values[i].text) != 0)
            return false;
    return true;
}

/* Only from where the scenario has laid it, and back only when the scenario has not moved it since. */
static bool may(void *ctx, size_t action)
{
    struct trial *t = ctx;
    const struct action *a = &t->scenario->actions[action];
    if (action < t->own_calls) {
        note_call(t, a);
        return true;
    }
    const struct action *lies = t->lies[a->member];
    size_t upset = (action - t->own_calls) / 2;
    bool is_back = (action - t->own_calls) % 2;
    if (is_back)
        return lies && lies == t->taken[upset];
    t->taken[upset] = lies && is_same_place(lies, a + 1) ? lies : NULL;
    return t->taken[upset] != NULL;
}

/* ---- healing ---- */

static void drop_triggers(const struct trial *t, struct run *r)
{
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *g = &r->triggers[i];
        bool fault = g->kind == TRIGGER_KILL || g->kind == TRIGGER_CUT;
        bool upset = g->kind == TRIGGER_ACTION && g->index >= t->own_calls && g->state == TRIGGER_WAITS;
        if (fault || upset)
            g->state = TRIGGER_DONE;
    }
}

/* A kill finds no step of that name any more, a refusal no component. */
static void drop_faults(struct run *r)
{
    run_clear_faults(r);
    for (size_t i = 0; i < r->plan.count; i++) {
        struct fault *f = &r->plan.faults[i];
        if (f->kind == FAULT_KILL && f->number && !r->fault_fired[i])
            f->step[0] = '\0';
        else if (f->kind == FAULT_REFUSE)
            f->component[0] = '\0';
        else
            continue;
        r->ops->fault(r, f);
    }
}

static void heal(struct trial *t, struct run *r, uint64_t now_us)
{
    drop_triggers(t, r);
    drop_faults(r);
    t->healed = true;
    t->rest_us = t->round_us = now_us + (DRAW_DOWN_MAX_MS + 1000) * 1000ull;
    t->next_call = t->scenario->under_faults.repeat_count;
    run_note(r, now_us, TRACE_NOTE, "runner", "from now on nothing goes wrong", 0);
}

/* ---- rounds ---- */

static void begin_round(struct trial *t, struct run *r, uint64_t now_us)
{
    char text[48];
    snprintf(text, sizeof text, "round %u of those who repeat", ++t->round);
    run_note(r, now_us, TRACE_NOTE, "runner", text, 0);
    t->round_us = now_us;
    t->next_call = 0;
}

static bool is_calling(const struct trial *t)
{
    return t->next_call < t->scenario->under_faults.repeat_count;
}

static uint64_t call_us(const struct trial *t)
{
    return t->round_us + t->scenario->under_faults.repeats[t->next_call].when.after_us;
}

static void make_calls(struct trial *t, struct run *r, uint64_t now_us)
{
    while (is_calling(t) && call_us(t) <= now_us) {
        const struct action *a = &t->scenario->under_faults.repeats[t->next_call++];
        note_call(t, a);
        if (a->moves)
            run_move(r, a, now_us);
        else
            r->ops->call(r, a);
    }
}

static uint64_t round_end_us(const struct trial *t)
{
    const struct under_faults *u = &t->scenario->under_faults;
    uint64_t last_us = u->repeat_count && t->round ? u->repeats[u->repeat_count - 1].when.after_us : 0;
    return t->round_us + last_us + u->every_us;
}

/* The world is not quiet, and will perhaps not be: people do not wait for ever. */
static void end_round(struct trial *t, struct run *r, uint64_t now_us)
{
    const struct under_faults *u = &t->scenario->under_faults;
    bool is_missing = missing(r, u, false);
    if (is_missing && t->round < u->rounds) {
        begin_round(t, r, now_us);
        return;
    }
    t->waits = true;
    /* nobody waits in real time for a world that only has timers to run down: who agrees is then not judged
     */
    if (!r->in_order && !is_missing)
        r->unsettled = r->hopeless = true;
}

static void pump(void *ctx, struct run *r, uint64_t now_us)
{
    struct trial *t = ctx;
    if (!t->healed && now_us >= t->heal_us)
        heal(t, r, now_us);
    if (!t->healed)
        return;
    make_calls(t, r, now_us);
    if (!is_calling(t) && !t->waits && now_us >= round_end_us(t))
        end_round(t, r, now_us);
}

static uint64_t due_us(void *ctx)
{
    const struct trial *t = ctx;
    if (!t->healed)
        return t->heal_us;
    if (is_calling(t))
        return call_us(t);
    return t->waits ? UINT64_MAX : round_end_us(t);
}

static bool on_quiet(void *ctx, struct run *r, uint64_t now_us)
{
    struct trial *t = ctx;
    if (!t->healed) {
        heal(t, r, now_us);
        return true;
    }
    if (is_calling(t) || now_us < t->rest_us)
        return true;
    if (t->round >= t->scenario->under_faults.rounds || !missing(r, &t->scenario->under_faults, false))
        return false;
    begin_round(t, r, now_us);
    return true;
}

/* ---- the verdict ---- */

static void tell_missing(struct run *r, const struct trial *t, const struct expect *x)
{
    char what[200];
    if (x->kind == EXPECT_STATE) {
        for (size_t i = 0; i < x->state_count; i++)
            if (!judge_state_holds(r, &x->states[i]))
                run_fail_as(r, FAILURE_EXPECT,
                            "%s:%u: after all was healed, and %u round%s, %s should be %s in the store of %s",
                            r->scenario->file, x->states[i].line, t->round, t->round == 1 ? "" : "s",
                            x->states[i].key, x->states[i].present ? "present" : "absent",
                            x->states[i].component);
        return;
    }
    expect_describe(x, what);
    run_fail_as(r, FAILURE_EXPECT, "%s:%u: after all was healed, and %u round%s, there is no %s%s%s",
                r->scenario->file, x->line, t->round, t->round == 1 ? "" : "s", what, x->detail[0] ? " " : "",
                x->detail);
}

static void note_fired(const struct run *r, const struct trial *t, const struct schedule *under)
{
    size_t fault = 0, upset = 0;
    for (size_t i = 0; i < under->count; i++)
        if (under->items[i].upset) {
            t->result->fired[i] = upset < SCENARIO_UPSETS / 2 && t->taken[upset];
            upset++;
        } else {
            t->result->fired[i] = fault < FAULT_MAX && r->fault_fired[fault];
            fault++;
        }
}

/* A command under which nothing went wrong has tried nothing. */
static void judge_effect(struct run *r, const struct trial *t)
{
    bool any = false;
    note_fired(r, t, t->under);
    for (size_t i = 0; i < t->under->count; i++)
        any |= t->result->fired[i];
    if (t->result->alone && !any)
        run_fail_as(r, FAILURE_FAULT, "no fault took effect: nothing was tried");
}

static void judge(void *ctx, struct run *r)
{
    struct trial *t = ctx;
    const struct under_faults *u = &t->scenario->under_faults;
    const struct expect *x = missing(r, u, true);
    t->result->end = -1;
    judge_effect(r, t);
    if (!r->quiet_end && !r->unsettled && !r->failure_count)
        run_fail_as(r, FAILURE_EXPECT, "the world was not at rest when all was healed and %u round%s over",
                    u->rounds, u->rounds == 1 ? " was" : "s were");
    for (size_t i = 0; x && i < u->end_count; i++)
        if (is_met(r, &u->ends[i], true)) {
            t->result->end = (int)i;
            return;
        }
    if (x)
        tell_missing(r, t, x);
}

/* ---- from beginning to end ---- */

static uint64_t limit_of(const struct trial *t)
{
    const struct under_faults *u = &t->scenario->under_faults;
    uint64_t last_us = u->repeat_count ? u->repeats[u->repeat_count - 1].when.after_us : 0;
    return t->heal_us + (DRAW_DOWN_MAX_MS + 1000) * 1000ull + (u->rounds + 2) * (u->every_us + last_us) +
           REST_US;
}

void trial_run(const struct scenario *s, const struct census *c, const struct schedule *under,
               const struct run_options *options, struct trial_result *out, void (*tell)(const struct run *r))
{
    struct scenario *disturbed = malloc(sizeof *disturbed);
    struct run *r = calloc(1, sizeof *r);
    struct run_options o = *options;
    if (!disturbed || !r)
        abort();
    schedule_apply(s, under, disturbed);
    *out = (struct trial_result){.alone = out->alone, .end = -1};
    struct trial t = {.scenario = disturbed, .own_calls = s->action_count, .under = under, .result = out};
    t.heal_us = 2 * c->duration_us + SLACK_US;
    t.hooks = (struct run_trial){&t, pump, due_us, on_quiet, judge, may};
    disturbed->limit_us = limit_of(&t);
    o.trial = &t.hooks;
    out->verdict = world_run(r, disturbed, &o);
    out->rounds = t.round;
    out->us = r->event_count ? r->events[r->event_count - 1].time_us : 0;
    if (r->failure_count)
        text_copy(out->cause, sizeof out->cause, r->failures[0]);
    note_fired(r, &t, under); /* of a run that was not judged, too */
    if (tell)
        tell(r);
    run_free(r);
    free(r);
    free(disturbed);
}
