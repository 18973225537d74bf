/* do: calls, checked against what the components declare. `inject: FRAME` is a call too, of whoever can be
 * called so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/language/language.h"

/* ---- parameters ---- */

static const struct member *first_vehicle(const struct scenario *s)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].serial[0])
            return &s->members[i];
    return NULL;
}

static bool read_number(const struct parameter_spec *spec, const char *text, uint64_t *out, char *problem,
                        size_t cap)
{
    struct tree y = {.kind = TREE_TEXT};
    struct tree_problem p = {0};
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    y.text = u.out;
    bool ok = spec->kind == PARAMETER_DURATION ? tree_duration_us(&y, out, &p)
                                               : tree_number(&y, spec->max, out, &p);
    if (!ok)
        snprintf(problem, cap, "%.80s: %.200s", spec->name, p.text);
    else if (*out < spec->min || *out > spec->max)
        snprintf(problem, cap, "%.80s goes from %llu to %llu%s", spec->name, (unsigned long long)spec->min,
                 (unsigned long long)spec->max, spec->kind == PARAMETER_DURATION ? " us" : "");
    else
        return true;
    return false;
}

static bool read_word(const struct parameter_spec *spec, const char *text, uint64_t *out, char *problem,
                      size_t cap)
{
    for (*out = 0; spec->words[*out]; ++*out)
        if (strcmp(spec->words[*out], text) == 0)
            return true;
    const char *best = text_closest(text, spec->words);
    snprintf(problem, cap, "unknown %.40s \"%.60s\"; did you mean \"%.40s\"?", spec->name, text,
             best ? best : spec->words[0]);
    return false;
}

static bool read_vehicle(const struct scenario *s, const char *text, struct call_value *out, char *problem,
                         size_t cap)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].serial[0] && strcmp(s->members[i].serial, text) == 0) {
            text_copy(out->text, sizeof out->text, text);
            return true;
        }
    snprintf(problem, cap, "no vehicle of this run has the serial \"%.40s\"", text);
    return false;
}

bool parameter_read(const struct scenario *s, const struct parameter_spec *spec, const char *text,
                    struct call_value *out, char *problem, size_t cap)
{
    *out = (struct call_value){0};
    if (spec->kind == PARAMETER_VEHICLE)
        return read_vehicle(s, text, out, problem, cap);
    if (spec->kind == PARAMETER_NUMBER || spec->kind == PARAMETER_DURATION)
        return read_number(spec, text, &out->number, problem, cap);
    if (spec->kind == PARAMETER_WORD)
        return read_word(spec, text, &out->number, problem, cap);
    size_t len = strlen(text);
    bool plain = len < sizeof out->text;
    for (size_t i = 0; i < len; i++)
        plain &= (unsigned char)text[i] >= 0x20 && text[i] != 0x7F;
    if (!plain || (spec->check && !spec->check(text))) {
        snprintf(problem, cap, "\"%.60s\" is no %.40s%s%.40s%s", plain ? text : "?", spec->name,
                 spec->form ? "; write it like \"" : "", spec->form ? spec->form : "",
                 spec->form ? "\"" : "");
        return false;
    }
    text_copy(out->text, sizeof out->text, text);
    return true;
}

bool parameters_complete(const struct scenario *s, const struct call_spec *call, const bool *given,
                         struct call_value *values, char *problem, size_t cap)
{
    for (size_t i = 0; i < component_parameters(call); i++) {
        const struct parameter_spec *spec = &call->parameters[i];
        const struct member *vehicle = first_vehicle(s);
        if (given[i])
            continue;
        values[i] = (struct call_value){.number = spec->fallback};
        if (spec->required || (spec->kind == PARAMETER_VEHICLE && !vehicle)) {
            snprintf(problem, cap, "the call %s lacks \"%s\"", call->name, spec->name);
            return false;
        }
        if (spec->kind == PARAMETER_VEHICLE)
            text_copy(values[i].text, sizeof values[i].text, vehicle->serial);
    }
    return true;
}

/* ---- one entry ---- */

static bool is_common(const char *key)
{
    static const char *const common[] = {"call", "to", "at", "after", "inject", NULL};
    for (size_t i = 0; common[i]; i++)
        if (strcmp(common[i], key) == 0)
            return true;
    return false;
}

static bool unknown_parameter(const struct call_spec *call, const struct tree *y, size_t i,
                              struct tree_problem *p)
{
    const char *names[ENV_VALUES + 3];
    size_t n = 0;
    for (; n < component_parameters(call); n++)
        names[n] = call->parameters[n].name;
    names[n++] = "at";
    names[n++] = "after";
    names[n] = NULL;
    char label[80];
    snprintf(label, sizeof label, "parameter of %.40s", call->name);
    return tree_unknown(p, y->key_lines[i], label, y->keys[i], names);
}

static bool read_parameters(const struct scenario *s, struct action *a, const struct tree *y,
                            struct tree_problem *p)
{
    const struct call_spec *call = &s->members[a->member].class->calls[a->call];
    bool given[ENV_VALUES] = {false};
    char problem[300];
    for (size_t i = 0; i < y->count; i++) {
        bool first = strcmp(y->keys[i], "inject") == 0; /* the value of `inject` is its first parameter */
        size_t k = 0;
        if (is_common(y->keys[i]) && !first)
            continue;
        while (!first && k < component_parameters(call) && strcmp(call->parameters[k].name, y->keys[i]) != 0)
            k++;
        if (k == component_parameters(call))
            return unknown_parameter(call, y, i, p);
        if (y->items[i]->kind != TREE_TEXT)
            return tree_bad(p, y->items[i]->line, "a plain value belongs here, not a list or mapping");
        if (given[k])
            return tree_bad(p, y->key_lines[i], "\"%s\" stands twice", y->keys[i]);
        given[k] = true;
        if (!parameter_read(s, &call->parameters[k], y->items[i]->text, &a->values[k], problem,
                            sizeof problem))
            return tree_bad(p, y->items[i]->line, "%s", problem);
    }
    return parameters_complete(s, call, given, a->values, problem, sizeof problem) ||
           tree_bad(p, y->line, "%s", problem);
}

static bool find_call(const struct scenario *s, struct action *a, const char *name, const struct tree *y,
                      struct tree_problem *p)
{
    const struct member *m = &s->members[a->member];
    const char *names[64];
    size_t n = 0;
    if (m->class && component_call(m->class, name, &a->call))
        return true;
    for (const struct call_spec *c = m->class ? m->class->calls : NULL; c && c->name && n < 63; c++)
        names[n++] = c->name;
    names[n] = NULL;
    if (n == 0)
        return tree_bad(p, y->line, "%s takes no calls", m->name);
    char label[80];
    snprintf(label, sizeof label, "call of %.40s", m->name);
    return tree_unknown(p, y->line, label, name, names);
}

static bool find_callee(const struct scenario *s, struct action *a, const struct tree *y,
                        struct tree_problem *p)
{
    char name[ENV_NAME_MAX], call[48];
    const struct tree *to = tree_get(y, "to"), *named = tree_get(y, "call");
    unsigned index;
    if (tree_get(y, "inject")) {
        for (size_t i = 0; i < s->member_count; i++)
            if (s->members[i].class && component_call(s->members[i].class, "inject", &index)) {
                a->member = i;
                a->call = index;
                return true;
            }
        return tree_bad(p, y->line, "nobody here can inject frames");
    }
    if (!to || !named)
        return tree_bad(p, y->line, "an entry of do needs \"call\" and \"to\", or \"inject\"");
    if (!read_member(to, name, p) || !tree_text(named, call, sizeof call, p))
        return false;
    a->member = (size_t)(scenario_member(s, name) - s->members);
    return find_call(s, a, call, named, p);
}

static bool read_action(struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    struct action a = {0};
    const struct tree *at = tree_get(y, "at"), *after = tree_get(y, "after");
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "an entry of do is a mapping, like {call: ..., to: ...}");
    if (s->action_count == SCENARIO_ACTIONS)
        return tree_bad(p, y->line, "more than %d actions", SCENARIO_ACTIONS);
    if ((at && !read_step(at, a.when.step, p)) || (after && !tree_duration_us(after, &a.when.after_us, p)) ||
        !find_callee(s, &a, y, p) || !read_parameters(s, &a, y, p))
        return false;
    s->actions[s->action_count++] = a;
    return true;
}

bool read_do(void *out, const struct tree *y, struct tree_problem *p)
{
    if (y->kind != TREE_LIST)
        return tree_bad(p, y->line, "do must be a list");
    for (size_t i = 0; i < y->count; i++)
        if (!read_action(out, y->items[i], p))
            return false;
    return true;
}
