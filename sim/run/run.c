#include "sim/run/run.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/run/boxes.h"
#include "sim/run/calls.h"
#include "sim/run/judge.h"
#include "sim/run/records.h"

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"PASS", "FAIL", "BLOCKED", "SKIPPED"};
    return names[v];
}

/* ---- beginning ---- */

/* Where somebody is at first must be so before anybody starts. */
static bool is_place(const struct run *r, size_t index, struct moment when)
{
    return r->scenario->actions[index].moves && when.after_us == 0;
}

/* A call at the start waits until somebody can hear it: awaken_first_calls. */
static void add_trigger(struct run *r, enum trigger_kind kind, size_t index, struct moment when)
{
    struct trigger *t = &r->triggers[r->trigger_count++];
    *t = (struct trigger){.kind = kind, .when = when, .index = index};
    if (!when.step[0] && (kind != TRIGGER_ACTION || is_place(r, index, when))) {
        t->state = TRIGGER_DUE;
        t->due_us = when.after_us;
    }
}

static void add_triggers(struct run *r)
{
    const struct scenario *s = r->scenario;
    for (size_t i = 0; i < s->action_count; i++)
        add_trigger(r, TRIGGER_ACTION, i, s->actions[i].when);
    for (size_t i = 0; i < s->faults.count; i++) {
        const struct fault *f = &s->faults.faults[i];
        struct moment when = {.after_us = s->fault_after_us[i]};
        text_copy(when.step, sizeof when.step, f->step);
        if (f->kind == FAULT_KILL || (f->kind == FAULT_CUT && !f->nth))
            add_trigger(r, f->kind == FAULT_KILL ? TRIGGER_KILL : TRIGGER_CUT, i, when);
    }
}

void run_begin(struct run *r, const struct scenario *s, const struct run_options *options,
               const struct world_ops *ops, void *world)
{
    r->scenario = s;
    r->options = options;
    r->ops = ops;
    r->world = world;
    r->open = options->open;
    r->began_ms = records_clock_ms();
    r->limit_us = s->limit_us;
    r->plan = s->faults;
    externals_begin(r);
    r->plan.census = options->census;
    r->grace_us = options->world == WORLD_VIRTUAL ? 0 : MATCH_REAL_GRACE_US;
    matcher_begin(&r->matcher, s, r->grace_us);
    claims_begin(&r->claims, s);
    links_begin(&r->links, s);
    add_triggers(r);
}

void run_start(struct run *r)
{
    run_pump(r, 0); /* cuts that hold from the start */
    links_start(r);
}

/* ---- events ---- */

static void awaken_triggers(struct run *r, const struct trace_event *e)
{
    if (!e->step[0] || (e->kind != TRACE_STEP && e->kind != TRACE_SEND && e->kind != TRACE_ACCEPT))
        return;
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *t = &r->triggers[i];
        if (t->state != TRIGGER_WAITS || strcmp(t->when.step, e->step) != 0)
            continue;
        /* a component that reaches the step of its own kill is ended by its host, at that very point */
        if (t->kind == TRIGGER_KILL && strcmp(r->plan.faults[t->index].component, e->component) == 0 &&
            t->when.after_us == 0) {
            t->state = TRIGGER_DONE;
            continue;
        }
        t->state = TRIGGER_DUE;
        t->due_us = e->time_us + t->when.after_us;
        externals_moved(r, e->time_us);
    }
}

bool run_take_step(struct run *r, const char *step, uint64_t now_us)
{
    bool any = false;
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *t = &r->triggers[i];
        if (t->state != TRIGGER_WAITS || !t->when.step[0] || strcmp(t->when.step, step) != 0)
            continue;
        t->state = TRIGGER_DUE;
        t->due_us = now_us + t->when.after_us;
        any = true;
    }
    return any;
}

/* The links are ready: for calls the run begins now, in both worlds. */
static void awaken_first_calls(struct run *r, uint64_t now_us)
{
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *t = &r->triggers[i];
        if (t->kind != TRIGGER_ACTION || t->state != TRIGGER_WAITS || t->when.step[0])
            continue;
        t->state = TRIGGER_DUE;
        t->due_us = now_us + t->when.after_us;
    }
}

static int event_order(const void *a, const void *b)
{
    const struct trace_event *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    if (strcmp(x->component, y->component) == 0)
        return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
    return 0;
}

/* Events of processes arrive in nearly, but not exactly, the order of their times. Equal ones stay as they
 * came. */
static size_t keep_event(struct run *r, const struct trace_event *e)
{
    if (r->event_count == r->event_cap) {
        r->event_cap = r->event_cap ? 2 * r->event_cap : 256;
        r->events = realloc(r->events, r->event_cap * sizeof *r->events);
        if (!r->events)
            abort();
    }
    size_t at = r->event_count++;
    for (; at > 0 && event_order(e, &r->events[at - 1]) < 0; at--)
        r->events[at] = r->events[at - 1];
    r->events[at] = *e;
    return at;
}

/* Invariants 1, 3 and 5, where events come in order; elsewhere they wait for the end. */
static void judge_claim(struct run *r, const struct trace_event *e)
{
    char problem[CLAIM_PROBLEM];
    if (!r->in_order || claims_take(&r->claims, e, problem))
        return;
    run_fail_as(r, FAILURE_RULE, "at %.1f ms: %s", (double)e->time_us / 1e3, problem);
    r->hopeless = true;
}

static void follow_up(struct run *r, enum trigger_kind kind, size_t index, uint64_t due_us)
{
    if (r->trigger_count == RUN_TRIGGERS)
        abort();
    r->triggers[r->trigger_count++] =
        (struct trigger){.kind = kind, .state = TRIGGER_DUE, .index = index, .due_us = due_us};
}

/* A cut at a message: its component has met it, we make it. */
static void on_fault(struct run *r, const struct trace_event *e)
{
    const unsigned i = e->length - 1;
    const bool again = r->fault_fired[i];
    r->fault_fired[i] = true;
    if (r->plan.faults[i].kind == FAULT_CUT && r->plan.faults[i].nth && !again)
        follow_up(r, TRIGGER_CUT, i, e->time_us + r->scenario->fault_after_us[i]);
}

void run_on_event(struct run *r, const struct trace_event *e)
{
    size_t at = keep_event(r, e);
    records_event(r, at);
    matcher_take(&r->matcher, r->events, r->event_count, at);
    if (e->kind == TRACE_FAULT && e->length >= 1 && e->length <= FAULT_MAX)
        on_fault(r, e);
    calls_take(r, e);
    judge_claim(r, e);
    links_take(r, e);
    externals_event(r, e);
    awaken_triggers(r, e);
}

void run_on_frame(struct run *r, uint64_t now_us, const char *bus, const struct bus_frame *f)
{
    r->frames++;
    externals_frame(r, now_us, bus, f);
    records_frame(r, now_us, bus, f);
}

void run_on_tap(struct run *r, const struct tap_event *e)
{
    externals_tap(r, e);
    records_tap(r, e);
}

void run_on_keep(struct run *r, const struct medium *m, const char *file, struct span bytes)
{
    boxes_keep(r, m, file, bytes);
}

const struct port_spec *run_connector(const struct run *r, unsigned group)
{
    for (size_t i = 0; i < r->scenario->member_count; i++) {
        const struct member *m = &r->scenario->members[i];
        if (!m->class || m->class->place != PLACE_VEHICLE || m->group != group)
            continue;
        for (size_t k = 0; k < m->class->port_count; k++)
            if (m->class->ports[k].segment == SEGMENT_DIAGNOSTIC)
                return &m->class->ports[k];
    }
    return NULL;
}

void run_on_connector(struct run *r, unsigned group, uint64_t now_us, const struct bus_frame *f)
{
    if (r->guest)
        r->guest->frame(r->guest->ctx, group, now_us, f);
}

void run_end_guest(struct run *r)
{
    const struct run_guest *guest = r->guest;
    r->guest = NULL;
    if (guest)
        guest->close(guest->ctx);
}

void run_note(struct run *r, uint64_t now_us, enum trace_kind kind, const char *component, const char *text,
              unsigned fault)
{
    struct trace_event e = {.kind = (uint16_t)kind, .time_us = now_us, .length = fault};
    text_copy(e.component, sizeof e.component, component);
    text_copy(e.detail, sizeof e.detail, text);
    run_on_event(r, &e);
}

/* ---- triggers ---- */

uint64_t run_next_due_us(const struct run *r)
{
    uint64_t t = records_due_us(r), links_due = r->hopeless ? UINT64_MAX : links_due_us(&r->links);
    for (size_t i = 0; i < r->trigger_count; i++)
        if (r->triggers[i].state == TRIGGER_DUE && r->triggers[i].due_us < t)
            t = r->triggers[i].due_us;
    if (r->complete && r->complete_at_us + r->scenario->quiet_us < t)
        t = r->complete_at_us + r->scenario->quiet_us;
    uint64_t trial_due = r->options->trial ? r->options->trial->due_us(r->options->trial->ctx) : UINT64_MAX;
    t = trial_due < t ? trial_due : t;
    uint64_t guest_due = r->guest ? r->guest->due_us(r->guest->ctx) : UINT64_MAX;
    uint64_t externals_due = externals_due_us(r);
    t = guest_due < t ? guest_due : t;
    t = externals_due < t ? externals_due : t;
    return links_due < t ? links_due : t;
}

bool run_idle(const struct run *r)
{
    for (size_t i = 0; i < r->trigger_count; i++)
        if (r->triggers[i].state == TRIGGER_DUE)
            return false;
    if (externals_awaited(r))
        return false;
    return !r->guest || !r->guest->busy(r->guest->ctx);
}

void run_restart_later(struct run *r, size_t fault, uint64_t now_us)
{
    follow_up(r, TRIGGER_RESTART, fault, now_us + r->plan.faults[fault].delay_ms * 1000ull);
}

void run_move(struct run *r, const struct action *a, uint64_t now_us)
{
    const struct member *to = &r->scenario->members[a->member], *from = &r->scenario->members[a->other];
    char text[2 * 31 + sizeof " to : " + sizeof a->way];
    snprintf(text, sizeof text, "%.31s to %.31s: %s", from->name, to->name, a->way);
    run_note(r, now_us, TRACE_NOTE, "runner", text, 0);
    if (!externals_move(r, a, text, now_us))
        r->ops->move(r, a);
}

static void act(struct run *r, size_t action, uint64_t now_us)
{
    const struct run_trial *trial = r->options->trial;
    const struct action *a = &r->scenario->actions[action];
    if (trial && trial->may && !trial->may(trial->ctx, action))
        return;
    if (a->moves)
        run_move(r, a, now_us);
    else if (!externals_call(r, a, now_us))
        r->ops->call(r, a);
}

static void fire(struct run *r, const struct trigger *t, uint64_t now_us)
{
    const struct fault *f = t->kind == TRIGGER_ACTION ? NULL : &r->plan.faults[t->index];
    char text[96];
    switch (t->kind) {
    case TRIGGER_ACTION:
        act(r, t->index, now_us);
        break;
    case TRIGGER_KILL:
        fault_describe(f, text);
        run_note(r, now_us, TRACE_FAULT, "runner", text, (unsigned)t->index + 1);
        r->plan.faults[t->index].number = 0; /* its host must not do it too */
        r->ops->kill(r, f->component);
        follow_up(r, TRIGGER_RESTART, t->index, now_us + f->delay_ms * 1000ull);
        break;
    case TRIGGER_RESTART:
        r->ops->start(r, f->component);
        break;
    case TRIGGER_CUT:
        fault_describe(f, text);
        if (!f->nth) /* it was told */
            run_note(r, now_us, TRACE_FAULT, "runner", text, (unsigned)t->index + 1);
        links_cut(r, f->component, f->link, true);
        follow_up(r, TRIGGER_HEAL, t->index, now_us + f->delay_ms * 1000ull);
        break;
    case TRIGGER_HEAL:
        snprintf(text, sizeof text, "heals %s of %s", f->link, f->component);
        run_note(r, now_us, TRACE_NOTE, "runner", text, 0);
        links_cut(r, f->component, f->link, false);
        break;
    }
}

void run_pump(struct run *r, uint64_t now_us)
{
    records_pump(r, now_us);
    links_pump(r, now_us);
    externals_pump(r, now_us);
    if (r->links.all_ready && externals_there(r))
        awaken_first_calls(r, now_us);
    for (size_t i = 0; i < r->trigger_count; i++) {
        struct trigger *t = &r->triggers[i];
        if (t->state != TRIGGER_DUE || t->due_us > now_us)
            continue;
        t->state = TRIGGER_DONE;
        struct trigger now = *t; /* what it sets off may add to the list */
        fire(r, &now, now_us);
    }
    if (r->guest)
        r->guest->pump(r->guest->ctx, now_us);
    if (r->options->trial)
        r->options->trial->pump(r->options->trial->ctx, r, now_us);
}

static bool triggers_done(const struct run *r)
{
    for (size_t i = 0; i < r->trigger_count; i++)
        if (r->triggers[i].state != TRIGGER_DONE)
            return false;
    for (size_t i = 0; i < r->scenario->faults.count; i++)
        if (!r->fault_fired[i])
            return false;
    return !calls_open(r);
}

bool run_finished(struct run *r, uint64_t now_us)
{
    if (r->open)
        return false;
    if (r->options->trial)
        return r->hopeless;
    if (r->judged != r->event_count) {
        r->judged = r->event_count;
        bool complete =
            triggers_done(r) && matcher_met(&r->matcher) && r->links.all_ready && !externals_nobody(r);
        if (complete && !r->complete)
            r->complete_at_us = now_us;
        r->complete = complete;
    }
    return r->hopeless || (r->complete && now_us >= r->complete_at_us + r->scenario->quiet_us);
}

void run_on_quiet(struct run *r, uint64_t now_us)
{
    const struct run_trial *trial = r->options->trial;
    if (trial && trial->quiet(trial->ctx, r, now_us))
        return;
    /* where time is real, a link may take longer than a quiet world does to be one */
    bool at_rest = !r->open && !r->complete && run_idle(r) && (r->links.all_ready || r->in_order);
    if (at_rest && !externals_may_act(r)) /* of people and their programs the limit is the judge */
        r->hopeless = r->quiet_end = true;
}

/* ---- faults that come while it runs ---- */

static bool is_of_messages(const struct fault *f)
{
    return f->kind < FAULT_KILL;
}

bool run_fault_waits(const struct run *r, size_t fault)
{
    const struct fault *f = &r->plan.faults[fault];
    return is_of_messages(f) && f->message[0] && (f->nth == FAULT_ALWAYS || !r->fault_fired[fault]);
}

/* The place of one that has done its work is free again. */
bool run_add_fault(struct run *r, const struct fault *f)
{
    size_t at = 0;
    assert(is_of_messages(f) && f->message[0]);
    while (at < r->plan.count && (!is_of_messages(&r->plan.faults[at]) || run_fault_waits(r, at)))
        at++;
    if (at == FAULT_MAX)
        return false;
    r->plan.count += at == r->plan.count;
    r->plan.faults[at] = *f;
    r->plan.faults[at].number = (unsigned)at + 1;
    r->fault_fired[at] = false;
    r->ops->fault(r, &r->plan.faults[at]);
    return true;
}

void run_clear_faults(struct run *r)
{
    for (size_t i = 0; i < r->plan.count; i++) {
        if (!run_fault_waits(r, i))
            continue;
        r->plan.faults[i].message[0] = '\0'; /* no message has this name */
        r->ops->fault(r, &r->plan.faults[i]);
    }
}

/* ---- the end ---- */

void run_end(struct run *r, uint64_t now_us)
{
    records_settle(r);
    if (r->verdict == VERDICT_PASS) { /* it was begun */
        judge_run(r, now_us);
        r->verdict = r->failure_count ? externals_verdict(r) : VERDICT_PASS;
    }
    if (r->verdict == VERDICT_PASS && externals_nobody(r)) {
        run_fail(r, "nobody came to play from outside, and of what is expected nothing else can be judged");
        r->verdict = VERDICT_BLOCKED;
    }
    if (!records_report(r, now_us) && r->verdict == VERDICT_PASS)
        r->verdict = VERDICT_FAIL;
}

void run_amend(struct run *r, uint64_t now_us)
{
    if (r->verdict == VERDICT_BLOCKED)
        return;
    r->verdict = VERDICT_FAIL;
    records_report(r, now_us);
}

void run_free(struct run *r)
{
    free(r->events);
    r->events = NULL;
    records_close(r);
    matcher_free(&r->matcher);
    claims_free(&r->claims);
    links_free(&r->links);
    OPENSSL_cleanse(&r->store_keys, sizeof r->store_keys);
}
