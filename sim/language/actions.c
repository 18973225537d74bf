/* do: calls, checked against what the components declare. `inject: FRAME` is a call too, of whoever can be
 * called so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/media/media.h"
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
    bool ok = spec->kind == PARAMETER_DURATION ? tree_duration(&y, 1, spec->min, spec->max, out, &p)
                                               : tree_number(&y, spec->min, spec->max, out, &p);
    if (!ok)
        snprintf(problem, cap, "%.80s: %.200s", spec->name, p.text);
    return ok;
}

static bool read_word(const struct parameter_spec *spec, const char *text, uint64_t *out, char *problem,
                      size_t cap)
{
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    struct tree y = {.kind = TREE_TEXT};
    struct tree_problem p = {0};
    unsigned i;
    y.text = u.out;
    bool ok = tree_word(&y, spec->name, spec->words, &i, &p);
    if (!ok)
        snprintf(problem, cap, "%.200s", p.text);
    *out = i;
    return ok;
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

bool member_is_reader(const struct member *m)
{
    for (size_t i = 0; m->class && i < m->class->port_count; i++) {
        const struct medium *medium = medium_find(media, m->class->ports[i].medium);
        if (medium && medium->apdus && m->class->ports[i].end == PORT_LISTENS)
            return true;
    }
    return false;
}

static bool read_reader(const struct scenario *s, const char *text, struct call_value *out, char *problem,
                        size_t cap)
{
    char there[200] = "none";
    size_t used = 0;
    for (size_t i = 0; i < s->member_count; i++) {
        if (!member_is_reader(&s->members[i]))
            continue;
        if (strcmp(s->members[i].name, text) == 0) {
            text_copy(out->text, sizeof out->text, text);
            return true;
        }
        if (used < sizeof there)
            used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", used ? ", " : "",
                                     s->members[i].name);
    }
    snprintf(problem, cap, "\"%.40s\" is no reader of this run; there %s %s", text,
             strchr(there, ',') ? "are" : "is", there);
    return false;
}

bool parameter_read(const struct scenario *s, const struct parameter_spec *spec, const char *text,
                    struct call_value *out, char *problem, size_t cap)
{
    *out = (struct call_value){0};
    if (spec->kind == PARAMETER_VEHICLE)
        return read_vehicle(s, text, out, problem, cap);
    if (spec->kind == PARAMETER_READER)
        return read_reader(s, text, out, problem, cap);
    if (spec->kind == PARAMETER_NUMBER || spec->kind == PARAMETER_DURATION)
        return read_number(spec, text, &out->number, problem, cap);
    if (spec->kind == PARAMETER_WORD)
        return read_word(spec, text, &out->number, problem, cap);
    size_t len = strlen(text);
    bool plain = len < sizeof out->text;
    for (size_t i = 0, n; plain && i < len; i += n) {
        n = text_character(text + i, len - i);
        plain = n != 0;
    }
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
        if (spec->kind == PARAMETER_VEHICLE && !vehicle) {
            snprintf(problem, cap, "the call %s is for a vehicle, and none is in this run", call->name);
            return false;
        }
        if (spec->required) {
            snprintf(problem, cap, "the call %s lacks \"%s\"%s%s", call->name, spec->name,
                     spec->form ? ", like " : "", spec->form ? spec->form : "");
            return false;
        }
        if (spec->kind == PARAMETER_VEHICLE)
            text_copy(values[i].text, sizeof values[i].text, vehicle->serial);
    }
    return true;
}

/* ---- one entry: some keys of the language, then the call's own parameters ---- */

struct action_reading {
    struct action action;
    char call[48], to[ENV_NAME_MAX];
};

/* A parameter's row: `of` is its declaration. */
static bool read_parameter(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1], problem[300];
    if (!tree_text(y, text, sizeof text, p))
        return false;
    return parameter_read(language_scenario(), k->of, text, at, problem, sizeof problem) ||
           tree_bad(p, y->at, "%s", problem);
}

static void print_parameter(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    const struct parameter_spec *spec = k->of;
    const struct call_value *v = at;
    if (spec->kind == PARAMETER_WORD)
        text_copy(out, cap, spec->words[v->number]);
    else if (spec->kind == PARAMETER_NUMBER || spec->kind == PARAMETER_DURATION)
        snprintf(out, cap, "%llu", (unsigned long long)v->number);
    else
        text_copy(out, cap, v->text);
}

static const struct key_kind key_parameter = {"parameter", read_parameter, print_parameter, ""},
                             key_parameter_us = {"parameter", read_parameter, print_parameter, "_us"};

#define COMMON_KEYS                                                                                 \
    KEY("at", step, struct action_reading, action.when.step),                                       \
        KEY("after", us, struct action_reading, action.when.after_us, .max = TREE_DURATION_MAX_US), \
        END_OF_KEYS
const struct tree_key call_keys[] = {
    KEY("call", text, struct action_reading, call, .min = 1, .required = true),
    KEY("to", member, struct action_reading, to, .required = true), COMMON_KEYS};
/* The value of `inject` is its first parameter. */
const struct tree_key inject_keys[] = {COMMON_KEYS};
#define OWN_KEYS (sizeof call_keys / sizeof call_keys[0])

static struct tree_key parameter_row(const struct parameter_spec *spec, size_t number, const char *name)
{
    return (struct tree_key){
        .name = name,
        .kind = spec->kind == PARAMETER_DURATION ? &key_parameter_us : &key_parameter,
        .offset = offsetof(struct action_reading, action.values) + number * sizeof(struct call_value),
        .size = sizeof(struct call_value),
        .of = spec,
    };
}

static bool find_call(const struct scenario *s, const struct tree *y, struct action_reading *r,
                      struct tree_problem *p)
{
    const struct tree *to = tree_get(y, "to"), *call = tree_get(y, "call");
    const char *names[64];
    char label[80];
    size_t n = 0;
    if (!to || !call)
        return tree_bad(p, y->at, "an entry of do needs \"call\" and \"to\", or \"inject\", or \"distance\"");
    if (!read_member(to, r->to, p) || !tree_text(call, r->call, sizeof r->call, p))
        return false;
    const struct member *m = scenario_member(s, r->to);
    r->action.member = (size_t)(m - s->members);
    if (m->class && component_call(m->class, r->call, &r->action.call))
        return true;
    for (const struct call_spec *c = m->class ? m->class->calls : NULL; c && c->name && n < 63; c++)
        names[n++] = c->name;
    names[n] = NULL;
    if (n == 0)
        return tree_bad(p, call->at, "%s takes no calls", m->name);
    snprintf(label, sizeof label, "call of %.40s", m->name);
    return tree_unknown(p, call->at, label, r->call, names);
}

static bool find_injector(const struct scenario *s, const struct tree *y, struct action *a,
                          struct tree_problem *p)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].class && component_call(s->members[i].class, "inject", &a->call)) {
            a->member = i;
            return true;
        }
    return tree_bad(p, y->at, "nobody here can inject frames");
}

static bool read_by_rows(const struct scenario *s, const struct tree *y, const struct tree_key *own,
                         struct action_reading *r, struct tree_problem *p)
{
    const struct call_spec *call = &s->members[r->action.member].class->calls[r->action.call];
    const size_t count = component_parameters(call);
    struct tree_key keys[OWN_KEYS + ENV_VALUES];
    bool given[ENV_VALUES] = {false};
    char problem[300], label[80];
    size_t n = 0;
    for (; own[n].name; n++)
        keys[n] = own[n];
    for (size_t i = 0; i < count; i++) {
        const char *name = own == inject_keys && i == 0 ? call->name : call->parameters[i].name;
        keys[n++] = parameter_row(&call->parameters[i], i, name);
        given[i] = tree_get(y, name);
    }
    keys[n] = (struct tree_key)END_OF_KEYS;
    snprintf(label, sizeof label, "the call %.40s", call->name);
    if (!tree_read_map(y, label, keys, r, p))
        return false;
    return parameters_complete(s, call, given, r->action.values, problem, sizeof problem) ||
           tree_bad(p, y->at, "%s", problem);
}

static bool read_call(struct scenario *s, const struct tree *y, struct action *out, struct tree_problem *p)
{
    struct action_reading r = {.call = ""};
    bool inject = tree_get(y, "inject");
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->at, "an entry of do is a mapping, like {call: ..., to: ...}");
    if (inject ? !find_injector(s, y, &r.action, p) : !find_call(s, y, &r, p))
        return false;
    if (!read_by_rows(s, y, inject ? inject_keys : call_keys, &r, p))
        return false;
    r.action.line = y->at.line;
    *out = r.action;
    return true;
}

bool read_action(struct scenario *s, const struct tree *y, struct action *out, struct tree_problem *p)
{
    if (y->kind != TREE_MAP || !tree_get(y, "distance"))
        return read_call(s, y, out, p);
    if (!read_distance_action(s, y, out, p))
        return false;
    out->line = y->at.line;
    return true;
}

bool read_do(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (!tree_list(y, 1, SCENARIO_ACTIONS, "do must be a list", p))
        return false;
    for (size_t i = 0; i < y->count; i++)
        if (!read_action(s, y->items[i], &s->actions[s->action_count++], p))
            return false;
    return true;
}
