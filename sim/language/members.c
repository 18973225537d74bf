/* run: who takes part. An entry is a class ("spaak"), a name of its own with a class ("door: wcp"), or what
 * belongs to a medium ("broker"). Names of further vehicles' components begin with the vehicle:
 * "v0002.spaak". */
#include <stdio.h>
#include <string.h>

#include "lib/host/setup.h"
#include "lib/media/media.h"
#include "sim/language/language.h"

#define SERIAL_FORM "SPAAK%08u"
#define FIRST       1u /* number of the vehicle whose components have no prefix */
#define LAST        62u

static const char *const *class_names(void)
{
    static const char *names[128];
    size_t n = 0;
    for (const struct setup *const *s = media_setups; *s && n < 120; s++)
        if ((*s)->helper)
            names[n++] = (*s)->helper;
    for (size_t i = 0; i < cast.count && n < 120; i++)
        names[n++] = cast.classes[i]->name;
    names[n] = NULL;
    return names;
}

static bool is_helper(const char *name)
{
    for (const struct setup *const *s = media_setups; *s; s++)
        if ((*s)->helper && strcmp((*s)->helper, name) == 0)
            return true;
    return false;
}

/* "v0007.spaak": 7 and "spaak"; 0 for a name without vehicle. False for a name that nobody may have. */
static bool split_name(const char *name, unsigned *vehicle, const char **rest)
{
    int end = 0;
    *vehicle = 0;
    *rest = name;
    if (*name == 'v' && strspn(name + 1, "0123456789") == 4 && sscanf(name, "v%4u.%n", vehicle, &end) == 1 &&
        end == 6) {
        *rest = name + end;
        *vehicle = *vehicle ? *vehicle : FIRST; /* no vehicle has the number 0, nor this one a prefix */
    }
    size_t len = strlen(*rest);
    return len && (*rest)[0] != '-' && strspn(*rest, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool add_member(struct scenario *s, const char *name, const char *class_name, struct tree_mark at,
                       struct tree_problem *p)
{
    unsigned vehicle;
    const char *rest;
    if (strlen(name) >= ENV_NAME_MAX || !split_name(name, &vehicle, &rest))
        return tree_bad(p, at,
                        "\"%.40s\" is no name; it has small letters, digits and hyphens, like \"door\" or "
                        "\"v0002.door\"",
                        name);
    static const char *const runners[] = {"runner", "zygote", "tap", NULL};
    for (size_t i = 0; runners[i]; i++)
        if (strcmp(name, runners[i]) == 0)
            return tree_bad(p, at, "\"%s\" is a name of the runner's own; take another", name);
    const struct component_class *class = cast_find(class_name ? class_name : rest);
    if (class && is_helper(name))
        return tree_bad(p, at, "\"%s\" is the name of what carries a medium; take another", name);
    if (!class && (class_name || !is_helper(name)))
        return tree_unknown(p, at, "component", class_name ? class_name : rest, class_names());
    if (scenario_member(s, name))
        return tree_bad(p, at, "\"%s\" stands twice in run; give one a name of its own, like \"other: %s\"",
                        name, class ? class->name : name);
    if (s->member_count == SCENARIO_MEMBERS)
        return tree_bad(p, at, "more than %d components", SCENARIO_MEMBERS);
    if (vehicle == FIRST || vehicle > LAST || (vehicle && class && class->place == PLACE_BACK_END))
        return tree_bad(
            p, at,
            "\"%s\": the first vehicle's components have no prefix, others v0002 to v00%u, and the "
            "back end belongs to none",
            name, LAST);
    struct member *m = &s->members[s->member_count++];
    *m = (struct member){.class = class, .group = vehicle};
    text_copy(m->name, sizeof m->name, name);
    if (class && class->place == PLACE_VEHICLE)
        snprintf(m->serial, sizeof m->serial, SERIAL_FORM, vehicle ? vehicle : FIRST);
    if (vehicle >= s->groups)
        s->groups = vehicle + 1;
    return true;
}

static bool add_callee(struct scenario *s, const char *call, struct tree_mark at, struct tree_problem *p)
{
    unsigned index;
    for (size_t c = 0; c < cast.count; c++)
        if (component_call(cast.classes[c], call, &index) && !scenario_member(s, cast.classes[c]->name) &&
            !add_member(s, cast.classes[c]->name, NULL, at, p))
            return false;
    return true;
}

bool scenario_add_callee(struct scenario *s, const char *call, struct tree_problem *p)
{
    unsigned index;
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].class && component_call(s->members[i].class, call, &index))
            return true;
    return add_callee(s, call, (struct tree_mark){0}, p);
}

/* An entry of a `do` list may name somebody who comes along with it: whoever can be called so. */
static bool add_for_actions(struct scenario *s, const struct tree *top, struct tree_problem *p)
{
    const struct tree *actions = tree_get(top, "do");
    for (size_t i = 0; actions && actions->kind == TREE_LIST && i < actions->count; i++)
        if (tree_get(actions->items[i], "inject") && !add_callee(s, "inject", actions->at, p))
            return false;
    return true;
}

static bool read_entry(struct scenario *s, const struct tree *m, struct tree_problem *p)
{
    bool named = m->kind == TREE_MAP && m->count == 1 && m->items[0]->kind == TREE_TEXT;
    if (!named && m->kind != TREE_TEXT)
        return tree_bad(p, m->at, "an entry of run is a component, or a name with its class: \"door: wcp\"");
    if (!add_member(s, named ? m->keys[0] : m->text, named ? m->items[0]->text : NULL, m->at, p))
        return false;
    const struct member *added = &s->members[s->member_count - 1];
    return tree_understood(named ? m->items[0] : m, "", "%s", named ? added->class->name : added->name);
}

bool read_members(struct scenario *s, const struct tree *top, struct tree_problem *p)
{
    const struct tree *y = tree_get(top, "run");
    s->groups = 1;
    if (!y)
        return tree_bad(p, top->at, "a scenario lacks the key \"run\"");
    if (!tree_list(y, 1, SCENARIO_MEMBERS, "run must be a list of components", p))
        return false;
    for (size_t i = 0; i < y->count; i++)
        if (!read_entry(s, y->items[i], p))
            return false;
    return add_for_actions(s, top, p);
}
