/* What somebody says who plays from outside, and whether he may yet do something. */
#include <stdio.h>
#include <string.h>

#include "sim/run/external_parts.h"

void external_steps(const struct run *r, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < r->trigger_count && used < cap; i++) {
        const struct trigger *t = &r->triggers[i];
        if (t->state == TRIGGER_WAITS && t->when.step[0] && !strstr(out, t->when.step))
            used += (size_t)snprintf(out + used, cap - used, "%s%s", used ? ", " : "", t->when.step);
    }
}

void external_drop_oldest(struct external_seat *e)
{
    e->wish_count--;
    memmove(e->wishes, e->wishes + 1, e->wish_count * sizeof *e->wishes);
}

/* Who stands somewhere and is not there yet, else who was asked first. */
static struct external_seat *next_awaited(struct run *r)
{
    struct external_seat *next = NULL;
    for (size_t i = 0; i < r->externals.count; i++) {
        struct external_seat *e = &r->externals.seats[i];
        if (e->stands && !e->there)
            return e;
        if (e->wish_count && (!next || e->wishes->since_us < next->wishes->since_us))
            next = e;
    }
    return next;
}

/* What fits nothing is answered with what would. */
static void tell_steps(const struct run *r, const char *what)
{
    char steps[100];
    external_steps(r, steps, sizeof steps);
    external_say(r, "external  %s; %s%s", what, steps[0] ? "they wait for " : "none waits for a step", steps);
}

/* One line, one thing: who presses once too often has not done all that comes later. */
static void take_as_done(struct run *r, uint64_t now_us)
{
    struct external_seat *e = next_awaited(r);
    char note[sizeof e->wishes->what + 40];
    if (!e) {
        tell_steps(r, "no call waits for Enter now");
        return;
    }
    if (e->stands && !e->there) {
        external_show(r, e, now_us);
        return;
    }
    snprintf(note, sizeof note, "%s is taken as done, on somebody's word", e->wishes->what);
    external_say(r, "external  %s: %s", external_member(r, e)->name, note);
    run_note(r, now_us, TRACE_NOTE, external_member(r, e)->name, note, 0);
    external_drop_oldest(e);
}

void externals_word(struct run *r, const char *line, uint64_t now_us)
{
    char what[64], note[80];
    if (!*line) {
        take_as_done(r, now_us);
        return;
    }
    if (!run_take_step(r, line, now_us)) {
        snprintf(what, sizeof what, "no call waits for \"%.20s\"", line);
        tell_steps(r, what);
        return;
    }
    snprintf(note, sizeof note, "%.20s is taken as reached, on somebody's word", line);
    run_note(r, now_us, TRACE_NOTE, "runner", note, 0);
    externals_moved(r, now_us);
}

/* ---- when a line is taken ---- */

/* Has anybody outside been seen, or asked? */
static bool has_begun(const struct run *r)
{
    for (size_t i = 0; i < r->externals.count; i++)
        if (r->externals.seats[i].there || r->externals.seats[i].asked)
            return true;
    return false;
}

/* Is there a call to somebody outside that has not been made? */
static bool will_ask(const struct run *r)
{
    for (size_t i = 0; i < r->trigger_count; i++) {
        const struct trigger *t = &r->triggers[i];
        if (t->kind == TRIGGER_ACTION && t->state != TRIGGER_DONE &&
            r->scenario->members[r->scenario->actions[t->index].member].external)
            return true;
    }
    return false;
}

/* Whoever pipes lines has written them before anything was asked: an Enter waits for its question. */
bool externals_hear(const struct run *r, bool step)
{
    return externals_awaited(r) || (has_begun(r) && (step || !will_ask(r)));
}

/* ---- what may yet come of them ---- */

static bool may_act(const struct run *r)
{
    for (size_t i = 0; i < r->externals.count; i++) {
        const struct external_seat *e = &r->externals.seats[i];
        if ((e->stands && e->there) || e->links)
            return true;
    }
    return false;
}

bool externals_may_act(struct run *r)
{
    char steps[100];
    if (!may_act(r))
        return false;
    external_steps(r, steps, sizeof steps);
    if (steps[0] && !r->externals.told_steps)
        external_say(r, "external  calls wait for %s: type the step when it is reached", steps);
    r->externals.told_steps = true;
    return true;
}
