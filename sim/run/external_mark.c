/* What becomes of a scenario when some of its members are played from outside. */
#include <stdio.h>
#include <string.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/run/claims.h"
#include "sim/run/external.h"

/* ---- who can be ---- */

static const char *way_of(const struct port_spec *p)
{
    for (size_t i = 0; media_setups[i]; i++)
        if (strcmp(media_setups[i]->medium->name, p->medium) == 0)
            return media_setups[i]->outside;
    return NULL;
}

/* An end that it cannot be without must be one that somebody outside can take. */
static bool can_be_outside(const struct member *m, char problem[EXTERNAL_PROBLEM])
{
    size_t open = 0;
    for (size_t i = 0; m->class && i < m->class->port_count; i++) {
        const struct port_spec *p = &m->class->ports[i];
        open += way_of(p) != NULL;
        if (way_of(p) || p->optional)
            continue;
        snprintf(
            problem, EXTERNAL_PROBLEM,
            "--external: %s cannot be played from outside: its link %s goes over %s, and nobody outside can "
            "take an end of that yet",
            m->name, p->name, p->medium);
        return false;
    }
    if (open)
        return true;
    snprintf(problem, EXTERNAL_PROBLEM, "--external: %s has no link that somebody outside could take",
             m->name);
    return false;
}

static bool is_outside(const struct scenario *s, const char *name)
{
    const struct member *m = scenario_member(s, name);
    return m && m->external;
}

/* Faults are done by the host of a component, and these have none of ours. */
static bool check_faults(const struct scenario *s, char problem[EXTERNAL_PROBLEM])
{
    for (size_t i = 0; i < s->faults.count; i++) {
        const char *name = s->faults.faults[i].component;
        if (!is_outside(s, name))
            continue;
        snprintf(problem, EXTERNAL_PROBLEM,
                 "%s:%u: %s is played from outside: this fault cannot be done to it", s->file,
                 s->fault_lines[i], name);
        return false;
    }
    return true;
}

static bool mark_one(struct scenario *s, const char *name, size_t len, size_t *count,
                     char problem[EXTERNAL_PROBLEM])
{
    for (size_t i = 0; i < s->member_count; i++) {
        struct member *m = &s->members[i];
        if (strlen(m->name) != len || strncmp(m->name, name, len) != 0)
            continue;
        if (!can_be_outside(m, problem))
            return false;
        *count += !m->external;
        m->external = true;
        if (*count <= EXTERNAL_SEATS)
            return true;
        snprintf(problem, EXTERNAL_PROBLEM, "--external: at most %d members", EXTERNAL_SEATS);
        return false;
    }
    snprintf(problem, EXTERNAL_PROBLEM, "--external: nobody in %s is called \"%.*s\"", s->name,
             (int)(len < 60 ? len : 60), name);
    return false;
}

/* ---- what cannot be judged ---- */

/* Did it happen inside of somebody whom we do not see? */
static bool is_hidden(const struct scenario *s, struct expect *x)
{
    size_t kept = 0;
    for (size_t i = 0; i < x->state_count; i++)
        if (!is_outside(s, x->states[i].component))
            x->states[kept++] = x->states[i];
    bool emptied = x->kind == EXPECT_STATE && kept == 0 && x->state_count > 0;
    x->state_count = kept;
    bool hidden = emptied || is_outside(s, x->component);
    for (size_t i = 0; i < x->path_count; i++)
        hidden |= is_outside(s, x->path[i]);
    return hidden;
}

/* `ordered`: a time is counted from the entry before, and not from the run's beginning. */
static void drop_hidden(struct scenario *s, struct expect *list, size_t *count, bool ordered)
{
    size_t kept = 0;
    bool after_gap = false;
    for (size_t i = 0; i < *count; i++) {
        bool hidden = is_hidden(s, &list[i]);
        if ((hidden || (after_gap && list[i].within_us)) && s->unjudged_count < 2 * SCENARIO_EXPECTS)
            s->unjudged[s->unjudged_count++] = list[i].line;
        if (after_gap && !hidden)
            list[i].within_us = 0; /* it counts from what nobody saw */
        if (!list[i].any_order)
            after_gap = hidden && ordered;
        if (!hidden)
            list[kept++] = list[i];
    }
    *count = kept;
}

bool external_mark(struct scenario *s, const char *list, char problem[EXTERNAL_PROBLEM])
{
    size_t count = 0;
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!mark_one(s, p, strcspn(p, ","), &count, problem))
            return false;
    drop_hidden(s, s->expects, &s->expect_count, true);
    drop_hidden(s, s->nevers, &s->never_count, false);
    return check_faults(s, problem);
}

static size_t add_lines(const struct scenario *s, char *out, size_t cap)
{
    size_t used = 0;
    if (s->unjudged_count)
        used = (size_t)snprintf(out, cap, "line%s", s->unjudged_count > 1 ? "s" : "");
    size_t i = 0;
    for (; i < s->unjudged_count && used + 30 < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s %u", i ? "," : "", s->unjudged[i]);
    if (i < s->unjudged_count)
        used += (size_t)snprintf(out + used, cap - used, " and %zu more", s->unjudged_count - i);
    return used;
}

void external_unjudged(const struct scenario *s, char out[EXTERNAL_UNJUDGED])
{
    static const char lead[] = "not judged, since it is played from outside: ";
    size_t used = sizeof lead - 1 + add_lines(s, out + sizeof lead - 1, EXTERNAL_UNJUDGED / 2);
    memcpy(out, lead, sizeof lead - 1);
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = &s->members[i];
        const struct claim_spec *spec = m->class && !m->external ? m->class->claims : NULL;
        for (; spec && spec->name; spec++)
            if (claims_unseen(s, m, spec) && used < EXTERNAL_UNJUDGED)
                used += (size_t)snprintf(
                    out + used, EXTERNAL_UNJUDGED - used, "%swhich \"%s\" has let %s be \"%s\"",
                    used > sizeof lead - 1 ? "; " : "", spec->after, m->name, spec->name);
    }
    if (used == sizeof lead - 1)
        out[0] = '\0';
}
