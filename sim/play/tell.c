/* What prints: the state of everybody, and what can be said. */
#include <stdio.h>
#include <string.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/language/language.h"
#include "sim/play/play.h"
#include "sim/run/records.h"

#define LINE_MAX_TEXT 400

/* ---- the last word of the trace ---- */

/* The last event of that kind in the component's present life; NULL for none. `message`: "" for any. */
static const struct trace_event *last_event(const struct run *r, const char *name, enum trace_kind kind,
                                            const char *message)
{
    for (size_t i = r->event_count; i-- > 0;) {
        const struct trace_event *e = &r->events[i];
        if (strcmp(e->component, name) != 0)
            continue;
        if (e->kind == kind && (!*message || strcmp(e->message, message) == 0))
            return e;
        if (e->kind == TRACE_LIFE)
            return NULL;
    }
    return NULL;
}

/* "down" until the trace says another. */
static const char *link_state(const struct run *r, const char *name, const char *link)
{
    size_t len = strlen(link);
    for (size_t i = r->event_count; i-- > 0;) {
        const struct trace_event *e = &r->events[i];
        if (strcmp(e->component, name) != 0)
            continue;
        if (e->kind == TRACE_LINK && strncmp(e->detail, link, len) == 0 && e->detail[len] == ' ')
            return e->detail + len + 1;
        if (e->kind == TRACE_LIFE)
            break;
    }
    return "down";
}

/* ---- state ---- */

static void tell_links(const struct play *p, const struct member *m)
{
    char line[LINE_MAX_TEXT] = "";
    size_t used = 0;
    for (size_t i = 0; i < m->class->port_count && used < sizeof line; i++) {
        const char *name = m->class->ports[i].name;
        const struct link_watch *w = links_find(p->run, m->name, name);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s %s", used ? ", " : "", name,
                                 w && w->cuts ? "cut" : link_state(p->run, m->name, name));
    }
    if (used)
        play_say("    links   %s", line);
}

static void tell_screens(const struct play *p, const struct member *m)
{
    const struct trace_event *state = last_event(p->run, m->name, TRACE_STATE, "");
    if (state)
        play_say("    state   %s%s%s", state->step, state->step[0] ? " " : "", state->detail);
    for (const char *const *show = m->class->shows; show && *show; show++) {
        const struct trace_event *e = last_event(p->run, m->name, TRACE_SHOW, *show);
        if (e)
            play_say("    shows   %s: %s", *show, e->detail);
    }
}

/* Judged only at the end of a run in real time, where events come out of order: gathered anew from the trace.
 */
static void gather_claims(const struct play *p, struct claims *out)
{
    char problem[CLAIM_PROBLEM];
    claims_begin(out, &p->scenario);
    for (size_t i = 0; i < p->run->event_count; i++)
        claims_take(out, &p->run->events[i], problem);
}

static void tell_claims(const struct claims *c, const char *name)
{
    char digest[2 * TRACE_DIGEST + 1];
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->held[i].holder, name) != 0)
            continue;
        hex_encode(c->held[i].value, TRACE_DIGEST, digest);
        play_say("    claims  %s of %s is %s", c->held[i].spec->name, c->held[i].subject, digest);
    }
}

static void tell_one(const struct play *p, const char *name, const struct claims *c)
{
    const struct member *m = scenario_member(&p->scenario, name);
    bool alive = p->run->ops->presence(p->run, name) == PRESENCE_ALIVE;
    bool outside = m && m->external;
    play_say("%-12s %s%s%s", name,
             outside ? "played from outside"
             : alive ? "alive"
                     : "dead",
             m && m->serial[0] ? ", of " : "", m ? m->serial : "");
    if (!m || !m->class || !alive)
        return;
    tell_links(p, m);
    tell_screens(p, m);
    tell_claims(c, name);
}

static void tell_faults(const struct play *p)
{
    char text[96];
    for (size_t i = 0; i < p->run->plan.count; i++) {
        if (!run_fault_waits(p->run, i))
            continue;
        fault_describe(&p->run->plan.faults[i], text);
        play_say("waits for its message: %s", text);
    }
}

/* The name that a command may be limited to; false when nobody has it. */
static bool one_name(struct play *p, const struct words *w, const char **out)
{
    *out = w->count > 1 ? w->word[1] : NULL;
    if (w->count > 2)
        return play_wrong(p, "write it like `%s` or `%s NAME`", w->word[0], w->word[0]);
    return !*out || p->run->ops->presence(p->run, *out) != PRESENCE_NONE ||
           play_unknown(p, "component", *out, play_names(p));
}

bool play_state(struct play *p, const struct words *w)
{
    const char *only;
    struct claims claims;
    if (!one_name(p, w, &only))
        return false;
    records_pump(p->run, UINT64_MAX); /* what led to it stands before it */
    gather_claims(p, &claims);
    for (const char *const *name = play_names(p); *name; name++)
        if (!only || strcmp(only, *name) == 0)
            tell_one(p, *name, &claims);
    claims_free(&claims);
    if (!only) {
        tell_faults(p);
        play_say("%.1f s of %s time%s", (double)p->driver->now_us(p->run) / 1e6,
                 p->options.world == WORLD_VIRTUAL ? "virtual" : "real",
                 p->pending ? "; something is under way" : "");
        play_tell_ways(p);
    }
    return true;
}

/* ---- ways in ---- */

static bool is_used(const struct play *p, const struct medium *m)
{
    for (size_t i = 0; i < p->scenario.member_count; i++) {
        const struct component_class *class = p->scenario.members[i].class;
        for (size_t k = 0; class && k < class->port_count; k++)
            if (strcmp(class->ports[k].medium, m->name) == 0)
                return true;
    }
    return false;
}

void play_tell_ways(const struct play *p)
{
    char box[700];
    for (size_t i = 0; i < p->run->announced; i++)
        play_say("%s", p->run->announcements[i]);
    for (size_t i = 0; media_setups[i]; i++) {
        const struct setup *s = media_setups[i];
        if (!is_used(p, s->medium))
            continue;
        if (s->only_real && p->options.world == WORLD_VIRTUAL)
            play_say("%s", s->only_real);
        records_path(p->run, s->medium->name, box, sizeof box);
        if (s->medium->keeps && !p->options.choices[i]) /* else it goes to a server of somebody else */
            play_say("%-6s %s/new", s->medium->name, box);
    }
}

/* ---- help ---- */

static void describe_value(const struct play *p, const struct parameter_spec *spec, char out[160])
{
    size_t used = 0;
    switch (spec->kind) {
    case PARAMETER_NUMBER:
        snprintf(out, 160, "%llu", (unsigned long long)(spec->fallback ? spec->fallback : spec->min));
        break;
    case PARAMETER_DURATION:
        snprintf(out, 160, "%lluus", (unsigned long long)(spec->fallback ? spec->fallback : spec->min));
        break;
    case PARAMETER_TEXT:
        snprintf(out, 160, "%s", spec->form ? spec->form : "TEXT");
        break;
    case PARAMETER_WORD:
        out[0] = '\0';
        for (size_t i = 0; spec->words[i] && used < 160; i++)
            used += (size_t)snprintf(out + used, 160 - used, "%s%s", i ? "|" : "", spec->words[i]);
        break;
    case PARAMETER_READER:
        snprintf(out, 160, "%s", spec->form);
        for (size_t i = p->scenario.member_count; i-- > 0;)
            if (member_is_reader(&p->scenario.members[i]))
                snprintf(out, 160, "%s", p->scenario.members[i].name);
        break;
    case PARAMETER_VEHICLE:
        snprintf(out, 160, "SERIAL");
        for (size_t i = p->scenario.member_count; i-- > 0;)
            if (p->scenario.members[i].serial[0])
                snprintf(out, 160, "%s", p->scenario.members[i].serial);
        break;
    }
}

static void tell_call(const struct play *p, const struct member *m, const struct call_spec *c)
{
    char line[LINE_MAX_TEXT], value[160];
    size_t used = (size_t)snprintf(line, sizeof line, "%s %s", m->name, c->name);
    for (size_t i = 0; i < component_parameters(c) && used < sizeof line; i++) {
        const struct parameter_spec *spec = &c->parameters[i];
        describe_value(p, spec, value);
        used += (size_t)snprintf(line + used, sizeof line - used, " %s%s=%s%s", spec->required ? "" : "[",
                                 spec->name, value, spec->required ? "" : "]");
    }
    play_say("  %s", line);
    play_say("      %s", c->title);
}

/* How many. */
static size_t tell_calls(const struct play *p, const char *only)
{
    size_t n = 0;
    for (size_t i = 0; i < p->scenario.member_count; i++) {
        const struct member *m = &p->scenario.members[i];
        if (only && strcmp(only, m->name) != 0)
            continue;
        for (const struct call_spec *c = m->class ? m->class->calls : NULL; c && c->name; c++, n++)
            tell_call(p, m, c);
    }
    return n;
}

/* One, or all. */
static void tell_commands(const char *only)
{
    char head[100];
    for (const struct play_command *c = play_commands; c->name; c++) {
        if (only && strcmp(only, c->name) != 0)
            continue;
        snprintf(head, sizeof head, "%s %s", c->name, c->form);
        if (strlen(head) > 24) {
            play_say("  %s", head);
            head[0] = '\0';
        }
        play_say("  %-24s %s", head, c->is);
    }
}

static bool is_command(const char *word)
{
    for (const struct play_command *c = play_commands; c->name; c++)
        if (strcmp(c->name, word) == 0)
            return true;
    return false;
}

bool play_help(struct play *p, const struct words *w)
{
    const char *only = w->count == 2 ? w->word[1] : NULL;
    if (w->count > 2)
        return play_wrong(p, "write it like `help` or `help NAME`");
    if (only && is_command(only)) {
        tell_commands(only);
        return true;
    }
    if (only && p->run->ops->presence(p->run, only) == PRESENCE_NONE)
        return play_unknown_word(p, only);
    if (!only) {
        tell_commands(NULL);
        play_say("calls, of a component, with name=value and values with blanks in quotes:");
    }
    if (tell_calls(p, only) == 0)
        play_say("  %s%s", only ? only : "nobody", only ? " takes no calls" : " takes any");
    if (!only)
        play_say(
            "several on one line with \";\" between them: only then the world goes on until it is quiet. "
            "# begins a comment.");
    return true;
}
