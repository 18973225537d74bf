#include "sim/run/calls.h"

#include <string.h>

/* NULL: it is done when it returns. */
static const struct lasting_spec *lasting(const struct run *r, size_t action)
{
    const struct action *a = &r->scenario->actions[action];
    const struct component_class *class = r->scenario->members[a->member].class;
    const struct lasting_spec *l = r->scenario->members[a->member].external ? NULL : class->lasting;
    while (l && l->call && strcmp(l->call, class->calls[a->call].name) != 0)
        l++;
    return l && l->call ? l : NULL;
}

static bool is_open(const struct run *r, size_t action)
{
    return !r->call_done[action] && lasting(r, action);
}

static bool is_made(const struct run *r, size_t action)
{
    for (size_t i = 0; i < r->trigger_count; i++)
        if (r->triggers[i].kind == TRIGGER_ACTION && r->triggers[i].index == action)
            return r->triggers[i].state == TRIGGER_DONE;
    return false;
}

void calls_take(struct run *r, const struct trace_event *e)
{
    if (e->kind != TRACE_NOTE)
        return;
    for (size_t i = 0; i < r->scenario->action_count; i++) {
        const struct member *m = &r->scenario->members[r->scenario->actions[i].member];
        const struct lasting_spec *l = is_open(r, i) && is_made(r, i) ? lasting(r, i) : NULL;
        if (!l || strcmp(m->name, e->component) != 0 || strncmp(l->done, e->detail, strlen(l->done)) != 0)
            continue;
        r->call_done[i] = true;
        return;
    }
}

bool calls_open(const struct run *r)
{
    for (size_t i = 0; i < r->scenario->action_count; i++)
        if (is_open(r, i))
            return true;
    return false;
}

void calls_judge(struct run *r)
{
    for (size_t i = 0; i < r->scenario->action_count && !r->open; i++)
        if (is_open(r, i) && is_made(r, i))
            run_fail_as(r, FAILURE_FAULT, "the call \"%s\" to %s was not done when the run ended",
                        lasting(r, i)->call, r->scenario->members[r->scenario->actions[i].member].name);
}
