/* given: the life before the run, and defects that no life leaves behind. settings: numbers that components
 * take. */
#include <stdio.h>
#include <string.h>

#include "sim/language/language.h"

static bool unknown_defect(const struct member *m, const struct tree *y, size_t i, struct tree_problem *p)
{
    const char *names[32];
    size_t n = 0;
    bool known = false;
    for (const struct defect_spec *d = m->class->defects; d && d->name && n < 31; d++)
        known |= strcmp(d->name, y->keys[i]) == 0;
    for (const struct defect_spec *d = m->class->defects; d && d->name && n < 31; d++)
        if (!known || strcmp(d->name, y->keys[i]) == 0)
            names[n++] = known ? d->value : d->name;
    names[n] = NULL;
    char label[80];
    snprintf(label, sizeof label, known ? "value of %.30s of %.30s" : "defect %.30s of %.30s",
             known ? y->keys[i] : "", m->name);
    return tree_unknown(p, known ? y->items[i]->line : y->key_lines[i], label,
                        known ? y->items[i]->text : y->keys[i], names);
}

static bool read_defect(struct scenario *s, const struct member *m, const struct tree *y, size_t i,
                        struct tree_problem *p)
{
    if (y->items[i]->kind != TREE_TEXT)
        return tree_bad(p, y->items[i]->line, "a plain value belongs here");
    const struct defect_spec *d = m->class->defects;
    while (d && d->name && (strcmp(d->name, y->keys[i]) != 0 || strcmp(d->value, y->items[i]->text) != 0))
        d++;
    if (!d || !d->name)
        return unknown_defect(m, y, i, p);
    if (s->given.defect_count == SCENARIO_DEFECTS)
        return tree_bad(p, y->line, "more than %d defects", SCENARIO_DEFECTS);
    s->given.defects[s->given.defect_count].member = (size_t)(m - s->members);
    s->given.defects[s->given.defect_count++].defect = d;
    return true;
}

static bool read_component_given(struct scenario *s, const struct tree *y, size_t c, struct tree_problem *p)
{
    const struct member *m = scenario_member(s, y->keys[c]);
    const struct tree *entries = y->items[c];
    if (!m)
        return tree_unknown(p, y->key_lines[c], "component of this run (or \"after\")", y->keys[c],
                            member_names(s));
    if (!m->class || entries->kind != TREE_MAP)
        return tree_bad(p, y->key_lines[c], "%s takes a mapping of defects: {name: value}", y->keys[c]);
    for (size_t i = 0; i < entries->count; i++)
        if (!read_defect(s, m, entries, i, p))
            return false;
    return true;
}

bool read_given(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "given must be a mapping: after, and components with their defects");
    for (size_t c = 0; c < y->count; c++) {
        bool after = strcmp(y->keys[c], "after") == 0;
        if (after && !tree_text(y->items[c], s->given.after, sizeof s->given.after, p))
            return false;
        if (after && !s->given.after[0])
            return tree_bad(p, y->items[c]->line, "after needs the name of a scenario");
        if (!after && !read_component_given(s, y, c, p))
            return false;
    }
    return true;
}

/* ---- settings: component -> name -> number ---- */

static bool read_setting(struct scenario *s, const struct member *m, const struct tree *y, size_t i,
                         struct tree_problem *p)
{
    const char *names[ENV_SETTINGS + 1] = {NULL};
    struct setting v = {.member = (size_t)(m - s->members)};
    const size_t n = component_settings(m->class);
    for (size_t k = 0; k < n; k++)
        names[k] = m->class->settings[k].name;
    while (v.number < n && strcmp(names[v.number], y->keys[i]) != 0)
        v.number++;
    if (v.number == n)
        return tree_unknown(p, y->key_lines[i], "setting", y->keys[i], names);
    const struct setting_spec *spec = &m->class->settings[v.number];
    if (!tree_number(y->items[i], UINT64_MAX / 2, &v.value, p))
        return false;
    if (v.value < spec->min || v.value > spec->max)
        return tree_bad(p, y->items[i]->line, "%s of %s goes from %llu to %llu", spec->name, m->name,
                        (unsigned long long)spec->min, (unsigned long long)spec->max);
    if (s->setting_count == SCENARIO_SETTINGS)
        return tree_bad(p, y->line, "more than %d settings", SCENARIO_SETTINGS);
    s->settings[s->setting_count++] = v;
    return true;
}

bool read_settings(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "settings must be a mapping of components");
    for (size_t c = 0; c < y->count; c++) {
        const struct member *m = scenario_member(s, y->keys[c]);
        if (!m)
            return tree_unknown(p, y->key_lines[c], "component of this run", y->keys[c], member_names(s));
        if (!m->class || y->items[c]->kind != TREE_MAP)
            return tree_bad(p, y->items[c]->line, "%s takes a mapping of settings: {name: number}", m->name);
        for (size_t i = 0; i < y->items[c]->count; i++)
            if (!read_setting(s, m, y->items[c], i, p))
                return false;
    }
    return true;
}
