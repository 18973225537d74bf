#include "sim/run/external.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/run/external_parts.h"

#define LOOK_US 100000u /* between two looks for a socket */

const struct member *external_member(const struct run *r, const struct external_seat *e)
{
    return &r->scenario->members[e->member];
}

void external_say(const struct run *r, const char *format, ...)
{
    char line[1400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (r->options->print) {
        r->options->print(line);
        return;
    }
    puts(line);
    fflush(stdout); /* a program may be who reads it, and acts */
}

/* ---- who ---- */

/* On a bus, or where others connect. */
static bool stands(const struct component_class *class)
{
    for (size_t i = 0; i < class->port_count; i++)
        if (class->ports[i].end != PORT_ASKS)
            return true;
    return false;
}

void externals_begin(struct run *r)
{
    struct externals *x = &r->externals;
    *x = (struct externals){.wait_us = r->options->wait_us ? r->options->wait_us : EXTERNAL_WAIT_US};
    for (size_t i = 0; i < r->scenario->member_count && x->count < EXTERNAL_SEATS; i++)
        if (r->scenario->members[i].external)
            x->seats[x->count++] =
                (struct external_seat){.member = i, .stands = stands(r->scenario->members[i].class)};
    if (x->count)
        r->limit_us += x->wait_us; /* people are slow */
}

struct external_seat *external_seat_of(struct run *r, size_t member)
{
    for (size_t i = 0; i < r->externals.count; i++)
        if (r->externals.seats[i].member == member)
            return &r->externals.seats[i];
    return NULL;
}

void externals_open(struct run *r, size_t member, const char *where, const char *socket)
{
    struct external_seat *e = external_seat_of(r, member);
    text_copy(e->where, sizeof e->where, where);
    text_copy(e->socket, sizeof e->socket, socket);
    external_say(r, "external  %s is played from outside: %s", external_member(r, e)->name, e->where);
    if (e->stands)
        external_say(r, "external  waiting for %s, at most %.0f s", external_member(r, e)->name,
                     (double)r->externals.wait_us / 1e6);
}

bool external_is_awaited(const struct external_seat *e)
{
    return (e->stands && !e->there) || e->wish_count;
}

/* When what is waited for was asked for; from the beginning on for who must be there. */
static uint64_t since_us(const struct external_seat *e)
{
    return e->wish_count ? e->wishes->since_us : 0;
}

bool externals_there(const struct run *r)
{
    for (size_t i = 0; i < r->externals.count; i++)
        if (r->externals.seats[i].stands && !r->externals.seats[i].there)
            return false;
    return true;
}

bool externals_awaited(const struct run *r)
{
    for (size_t i = 0; i < r->externals.count; i++)
        if (external_is_awaited(&r->externals.seats[i]))
            return true;
    return false;
}

static bool is_heard(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->event_count; i++)
        if ((r->events[i].kind == TRACE_ACCEPT || r->events[i].kind == TRACE_REJECT) &&
            strcmp(r->events[i].peer, name) == 0)
            return true;
    return false;
}

bool externals_nobody(const struct run *r)
{
    const struct scenario *s = r->scenario;
    for (size_t i = 0; i < r->externals.count; i++)
        if (r->externals.seats[i].there || is_heard(r, external_member(r, &r->externals.seats[i])->name))
            return false;
    return r->externals.count && s->unjudged_count && s->expect_count == 0;
}

/* ---- instructions ---- */

static size_t add_value(char *out, size_t cap, const struct parameter_spec *p, const struct call_value *v)
{
    switch (p->kind) {
    case PARAMETER_TEXT:
    case PARAMETER_VEHICLE:
    case PARAMETER_READER:
        return v->text[0] ? (size_t)snprintf(out, cap, " %s=%s", p->name, v->text) : 0;
    case PARAMETER_WORD:
        return (size_t)snprintf(out, cap, " %s=%s", p->name, p->words[v->number]);
    case PARAMETER_DURATION:
        return (size_t)snprintf(out, cap, " %s=%llu us", p->name, (unsigned long long)v->number);
    case PARAMETER_NUMBER:
        break;
    }
    return (size_t)snprintf(out, cap, " %s=%llu", p->name, (unsigned long long)v->number);
}

static void describe_call(const struct run *r, const struct action *a, char *out, size_t cap)
{
    const struct call_spec *call = &r->scenario->members[a->member].class->calls[a->call];
    size_t used = (size_t)snprintf(out, cap, "%s", call->name);
    for (size_t i = 0; i < component_parameters(call) && used < cap; i++)
        used += add_value(out + used, cap - used, &call->parameters[i], &a->values[i]);
}

/* Takes the place of the oldest wish when there are too many. */
static void ask(struct run *r, struct external_seat *e, const char *what, uint64_t now_us)
{
    char steps[100], note[sizeof e->wishes->what + 20];
    if (e->wish_count == EXTERNAL_WISHES)
        external_drop_oldest(e);
    struct external_wish *wish = &e->wishes[e->wish_count++];
    text_copy(wish->what, sizeof wish->what, what);
    wish->since_us = now_us;
    e->asked = true;
    external_steps(r, steps, sizeof steps);
    external_say(r, "external  now %s: %s   (%s when done%s%s)", external_member(r, e)->name, wish->what,
                 r->open ? "`done`" : "Enter", steps[0] ? ", or the step that was reached: " : "", steps);
    snprintf(note, sizeof note, "asked from outside: %s", wish->what);
    run_note(r, now_us, TRACE_NOTE, external_member(r, e)->name, note, 0);
}

static void tell_done(struct run *r, const struct external_seat *e, const char *what, uint64_t now_us)
{
    char note[sizeof e->wishes->what + 40];
    snprintf(note, sizeof note, "%s is done: it has a link", what);
    external_say(r, "external  %s: %s", external_member(r, e)->name, note);
    run_note(r, now_us, TRACE_NOTE, external_member(r, e)->name, note, 0);
}

bool externals_call(struct run *r, const struct action *a, uint64_t now_us)
{
    struct external_seat *e = external_seat_of(r, a->member);
    char what[sizeof e->wishes->what];
    if (!e)
        return false;
    describe_call(r, a, what, sizeof what);
    if (external_is_so(r, e, a))
        tell_done(r, e, what, now_us);
    else
        ask(r, e, what, now_us);
    return true;
}

/* Its way is kept here, and what it makes of it is its own: for that it has its time. */
static void let_come(struct run *r, const struct action *a, const char *text, uint64_t now_us)
{
    struct external_seat *e = external_seat_of(r, a->other);
    char what[sizeof e->wishes->what];
    if (!e || !external_may_come(r, e, a))
        return;
    snprintf(what, sizeof what, "come, %.140s", text);
    ask(r, e, what, now_us);
}

bool externals_move(struct run *r, const struct action *a, const char *text, uint64_t now_us)
{
    const struct external_seat *e = external_seat_of(r, a->member);
    if (!e) {
        let_come(r, a, text, now_us);
        return false;
    }
    external_say(r, "external  now %s: the air to %s is its own to keep: %s", external_member(r, e)->name,
                 r->scenario->members[a->other].name, text);
    run_note(r, now_us, TRACE_NOTE, external_member(r, e)->name, "asked from outside: keeps the air itself",
             0);
    return true;
}

void external_show(struct run *r, struct external_seat *e, uint64_t now_us)
{
    e->wish_count = 0;
    if (e->there)
        return;
    e->there = true;
    external_say(r, "external  %s is there", external_member(r, e)->name);
    run_note(r, now_us, TRACE_NOTE, external_member(r, e)->name, "is there, from outside", 0);
}

void externals_moved(struct run *r, uint64_t now_us)
{
    (void)now_us;
    for (size_t i = 0; i < r->externals.count; i++)
        r->externals.seats[i].wish_count = 0;
}

/* ---- bounds ---- */

/* Of who is there the limit and the quiet of the run are the judges, as of anybody. */
static void give_up(struct run *r, struct external_seat *e, uint64_t now_us)
{
    char note[sizeof e->wishes->what + 40], refusal[EXTERNAL_REFUSAL];
    const char *wish = e->wish_count ? e->wishes->what : "";
    double s = (double)r->externals.wait_us / 1e6;
    const char *name = external_member(r, e)->name;
    if (e->there) {
        snprintf(note, sizeof note, "%s: nothing has come of it", wish);
        external_drop_oldest(e);
        run_note(r, now_us, TRACE_NOTE, name, note, 0);
        return;
    }
    r->hopeless = true;
    bool refused = external_refusal(r, e, refusal);
    run_fail(r, "%s, who is played from outside, did not come within %.0f s%s%s%s%s: %s; longer with --wait",
             name, s, *wish ? " of being asked to " : "", wish, refused ? "; somebody was sent away: " : "",
             refusal, e->where);
    r->verdict = VERDICT_BLOCKED; /* what the run needs is missing */
}

static bool is_seen(const struct run *r, const struct external_seat *e)
{
    const char *name = external_member(r, e)->name;
    bool seen = e->there;
    for (size_t i = 0; i < r->event_count && !seen; i++) {
        const struct trace_event *t = &r->events[i];
        seen = strcmp(t->peer, name) == 0 &&
               (t->kind == TRACE_APDU || t->kind == TRACE_ACCEPT || t->kind == TRACE_REJECT);
    }
    return seen;
}

enum verdict externals_verdict(struct run *r)
{
    for (size_t i = 0; i < r->externals.count; i++) {
        const struct external_seat *e = &r->externals.seats[i];
        if (!e->asked || is_seen(r, e))
            continue;
        run_fail(r,
                 "%s, who is played from outside, never came: what was asked of it was done on somebody's "
                 "word alone",
                 external_member(r, e)->name);
        return VERDICT_BLOCKED;
    }
    return VERDICT_FAIL;
}

static void look_for(struct run *r, struct external_seat *e, uint64_t now_us)
{
    struct stat about;
    if (e->socket[0] && !e->there && lstat(e->socket, &about) == 0 && S_ISSOCK(about.st_mode))
        external_show(r, e, now_us);
}

void externals_pump(struct run *r, uint64_t now_us)
{
    struct externals *x = &r->externals;
    bool look = now_us >= x->looked_us + LOOK_US;
    for (size_t i = 0; i < x->count && !r->hopeless; i++) {
        struct external_seat *e = &x->seats[i];
        if (look)
            look_for(r, e, now_us);
        if (external_is_awaited(e) && now_us >= since_us(e) + x->wait_us)
            give_up(r, e, now_us);
    }
    if (look)
        x->looked_us = now_us;
}

uint64_t externals_due_us(const struct run *r)
{
    const struct externals *x = &r->externals;
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < x->count && !r->hopeless; i++) {
        const struct external_seat *e = &x->seats[i];
        uint64_t at = e->socket[0] && !e->there ? x->looked_us + LOOK_US : since_us(e) + x->wait_us;
        if (external_is_awaited(e) && at < due)
            due = at;
    }
    return due;
}
