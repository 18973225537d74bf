/* given: the life before the run, and defects that no life leaves behind. settings: numbers that components
 * take. */
#include <stdio.h>
#include <string.h>

#include "sim/language/language.h"

/* ---- given: a life before, and component -> defect -> value ---- */

const struct tree_key given_keys[] = {KEY("after", name, struct given, after), END_OF_KEYS};

/* Names of the class's defects, or the values of the one of that name. */
static void list_defects(const struct component_class *class, const char *name, const char *out[32])
{
    size_t n = 0;
    for (const struct defect_spec *d = class->defects; d && d->name && n < 31; d++)
        if (!name || strcmp(d->name, name) == 0)
            out[n++] = name ? d->value : d->name;
    out[n] = NULL;
}

static bool unknown_defect(const struct member *m, const struct tree *y, size_t i, struct tree_problem *p)
{
    const char *words[32];
    char label[80];
    list_defects(m->class, y->keys[i], words);
    bool known = words[0];
    if (!known)
        list_defects(m->class, NULL, words);
    if (known)
        snprintf(label, sizeof label, "value of %.30s of %.30s", y->keys[i], m->name);
    else
        snprintf(label, sizeof label, "defect of %.30s", m->name);
    return tree_unknown(p, known ? y->items[i]->at : y->key_marks[i], label,
                        known ? y->items[i]->text : y->keys[i], words);
}

static bool read_defect(struct scenario *s, const struct member *m, const struct tree *y, size_t i,
                        struct tree_problem *p)
{
    if (y->items[i]->kind != TREE_TEXT)
        return tree_bad(p, y->items[i]->at, "a plain value belongs here, not a list or mapping");
    const struct defect_spec *d = m->class->defects;
    while (d && d->name && (strcmp(d->name, y->keys[i]) != 0 || strcmp(d->value, y->items[i]->text) != 0))
        d++;
    if (!d || !d->name)
        return unknown_defect(m, y, i, p);
    if (s->given.defect_count == SCENARIO_DEFECTS)
        return tree_bad(p, y->at, "more than %d defects", SCENARIO_DEFECTS);
    s->given.defects[s->given.defect_count].member = (size_t)(m - s->members);
    s->given.defects[s->given.defect_count++].defect = d;
    return tree_understood(y->items[i], "", "%s", d->value);
}

static bool read_defects(void *out, const struct member *m, const struct tree *entries,
                         struct tree_problem *p)
{
    for (size_t i = 0; i < entries->count; i++)
        if (!read_defect(out, m, entries, i, p))
            return false;
    return true;
}

bool read_given(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    if (!tree_map(y, SCENARIO_MEMBERS + 1,
                  "given must be a mapping: after, and components with their defects", p))
        return false;
    for (size_t i = 0; i < y->count; i++) {
        const struct tree_key *k = table_find(given_keys, y->keys[i]);
        if (k ? !table_take(k, y->items[i], &s->given, p)
              : !read_one_member(y, i, "defects: {name: value}", read_defects, s, p))
            return false;
    }
    return true;
}

/* ---- settings: component -> name -> number; the rows are made from the class ---- */

static bool read_member_settings(void *out, const struct member *m, const struct tree *entries,
                                 struct tree_problem *p)
{
    struct scenario *s = out;
    struct tree_key keys[ENV_SETTINGS + 1] = {{.name = NULL}};
    uint64_t values[ENV_SETTINGS];
    char label[80];
    for (size_t i = 0; i < component_settings(m->class); i++)
        keys[i] = (struct tree_key){.name = m->class->settings[i].name,
                                    .kind = &key_number,
                                    .offset = i * sizeof values[0],
                                    .min = m->class->settings[i].min,
                                    .max = m->class->settings[i].max};
    snprintf(label, sizeof label, "the settings of %.40s", m->name);
    if (!tree_read_map(entries, label, keys, values, p))
        return false;
    for (size_t i = 0; keys[i].name; i++) {
        if (!tree_get(entries, keys[i].name))
            continue;
        if (s->setting_count == SCENARIO_SETTINGS)
            return tree_bad(p, entries->at, "more than %d settings", SCENARIO_SETTINGS);
        s->settings[s->setting_count++] = (struct setting){(size_t)(m - s->members), i, values[i]};
    }
    return true;
}

static const struct member *find_same(const struct scenario *s, size_t member, unsigned setting,
                                      uint64_t value)
{
    uint64_t values[ENV_SETTINGS];
    for (size_t i = 0; i < member; i++) {
        if (s->members[i].class != s->members[member].class ||
            s->members[i].group != s->members[member].group)
            continue;
        scenario_settings(s, i, values);
        if (values[setting] == value)
            return &s->members[i];
    }
    return NULL;
}

static bool is_own(const struct component_class *class, unsigned setting)
{
    return class->own_setting && strcmp(class->settings[setting].name, class->own_setting) == 0;
}

bool check_settings(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    const struct tree *settings = tree_get(y, "settings"), *at = settings ? settings : tree_get(y, "run");
    uint64_t values[ENV_SETTINGS];
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = &s->members[i];
        if (!m->class)
            continue; /* a medium's */
        scenario_settings(s, i, values);
        for (unsigned k = 0; k < component_settings(m->class); k++) {
            const struct member *same = is_own(m->class, k) ? find_same(s, i, k, values[k]) : NULL;
            if (same)
                return tree_bad(p, at->at, "%s and %s have the same \"%s\", %llu: only one of them can",
                                same->name, m->name, m->class->settings[k].name,
                                (unsigned long long)values[k]);
        }
    }
    return true;
}

bool read_settings(void *out, const struct tree *y, struct tree_problem *p)
{
    return read_by_member(y, "settings: {name: number}", read_member_settings, out, p);
}
