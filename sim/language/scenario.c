#include "sim/language/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/medium.h"
#include "sim/language/language.h"

#define DEFAULT_LIMIT_US 10000000u
#define DEFAULT_QUIET_US 200000u

char *(*scenario_finder)(const char *name);

const char *const world_names[] = {"process", "virtual", NULL};

/* ---- the top ---- */

TEXT_READER(read_name, struct scenario, name)
TEXT_READER(read_title, struct scenario, title)
TEXT_READER(read_use_case, struct scenario, use_case)
DURATION_READER(read_limit, struct scenario, limit_us)
DURATION_READER(read_quiet, struct scenario, quiet_us)

static bool read_schema(void *out, const struct tree *y, struct tree_problem *p)
{
    uint64_t v;
    (void)out;
    if (!tree_number(y, 1000, &v, p))
        return false;
    return v == 1 || tree_bad(p, y->line, "schema %llu is not known; this version reads schema 1",
                              (unsigned long long)v);
}

static bool read_worlds(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    unsigned w;
    if (y->kind != TREE_LIST || y->count == 0)
        return tree_bad(p, y->line, "worlds must be a list of process and virtual");
    memset(s->worlds, 0, sizeof s->worlds);
    for (size_t i = 0; i < y->count; i++) {
        if (!tree_word(y->items[i], "world", world_names, &w, p))
            return false;
        s->worlds[w] = true;
    }
    return true;
}

static bool read_bus_time(void *out, const struct tree *y, struct tree_problem *p)
{
    static const char *const words[] = {[BUS_TIME_FREE] = "free", [BUS_TIME_WIRE] = "wire", NULL};
    struct scenario *s = out;
    unsigned w;
    if (!tree_word(y, "bus time", words, &w, p))
        return false;
    s->bus_time = (enum bus_time)w;
    return true;
}

/* Read before all the others, which name those who run; see read_variant. */
static bool read_run(void *out, const struct tree *y, struct tree_problem *p)
{
    (void)out;
    (void)p;
    (void)y;
    return true;
}

/* Its values were put in place before the reading; see scenario_load. */
static bool read_foreach(void *out, const struct tree *y, struct tree_problem *p)
{
    (void)out;
    (void)p;
    (void)y;
    return true;
}

static const struct tree_key top_keys[] = {{"schema", read_schema, true},
                                           {"name", read_name, true},
                                           {"title", read_title, true},
                                           {"use_case", read_use_case, true},
                                           {"worlds", read_worlds, false},
                                           {"foreach", read_foreach, false},
                                           {"limit", read_limit, false},
                                           {"quiet", read_quiet, false},
                                           {"bus_time", read_bus_time, false},
                                           {"run", read_run, true},
                                           {"given", read_given, false},
                                           {"settings", read_settings, false},
                                           {"do", read_do, false},
                                           {"faults", read_faults, false},
                                           {"expect", read_expects, true},
                                           {"never", read_nevers, false},
                                           {NULL, NULL, false}};

/* Replaces "$name" as a whole value all over the tree. */
static void substitute(struct tree *y, const char *variable, const char *value)
{
    if (y->kind == TREE_TEXT && y->text[0] == '$' && strcmp(y->text + 1, variable) == 0) {
        free(y->text);
        y->text = strdup(value);
    }
    for (size_t i = 0; i < y->count; i++)
        substitute(y->items[i], variable, value);
}

static bool check_name(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    const char *base = strrchr(s->file, '/') ? strrchr(s->file, '/') + 1 : s->file;
    size_t len = strlen(s->name);
    if (!len || strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || s->name[0] == '-')
        return tree_bad(p, tree_get(y, "name")->line,
                        "a name has small letters, digits and hyphens, like \"pp01-lost\"");
    if (strncmp(base, s->name, len) != 0 || strcmp(base + len, ".yaml") != 0)
        return tree_bad(p, tree_get(y, "name")->line, "the name \"%s\" differs from the file's name",
                        s->name);
    return true;
}

/* A link that must be there needs its other end. */
static bool check_links(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    unsigned reached;
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = &s->members[i];
        for (unsigned k = 0; m->class && k < m->class->port_count; k++) {
            const struct port_spec *spec = &m->class->ports[k];
            if (spec->end != PORT_ASKS || spec->optional || scenario_server(s, m, k, &reached))
                continue;
            return tree_bad(
                p, tree_get(y, "run")->line,
                "the link \"%s\" of %s goes to %s, which is not in run, or does not take its calls",
                spec->name, m->name, spec->server ? spec->server : "nobody in particular");
        }
    }
    return true;
}

static bool check_past(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    const char *after = s->given.after;
    if (!*after || !scenario_finder)
        return true;
    if (strcmp(after, s->name) == 0)
        return tree_bad(p, tree_get(y, "given")->line, "\"%s\" cannot come after itself", after);
    char *path = scenario_finder(after);
    free(path);
    return path ||
           tree_bad(p, tree_get(y, "given")->line, "there is no scenario \"%s\" to come after", after);
}

static bool check_whole(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    return check_name(s, y, p) && check_links(s, y, p) && check_past(s, y, p);
}

static bool read_variant(const char *file, const char *variable, size_t index, struct scenario *s,
                         struct tree_problem *p)
{
    struct tree *y = tree_load(file, p);
    bool ok = false;
    if (!y)
        return false;
    *s =
        (struct scenario){.worlds = {true, true}, .limit_us = DEFAULT_LIMIT_US, .quiet_us = DEFAULT_QUIET_US};
    text_copy(s->file, sizeof s->file, file);
    if (variable) {
        const struct tree *values = tree_get(tree_get(y, "foreach"), variable);
        if (!tree_text(values->items[index], s->variant, sizeof s->variant, p)) {
            tree_free(y);
            return false;
        }
        substitute(y, variable, s->variant);
    }
    const struct tree *schema = tree_get(y, "schema"); /* another version may be quite different */
    language_begin(s);
    if (y->kind != TREE_MAP)
        tree_bad(p, y->line, "a scenario must be a mapping (key: value)");
    else if ((!schema || read_schema(s, schema, p)) && read_members(s, y, p) &&
             tree_read_map(y, "a scenario", top_keys, s, p))
        ok = check_whole(s, y, p);
    tree_free(y);
    return ok;
}

static bool read_foreach_shape(const struct tree *y, char variable[32], size_t *count, struct tree_problem *p)
{
    const struct tree *foreach = tree_get(y, "foreach");
    *count = 1;
    variable[0] = '\0';
    if (!foreach)
        return true;
    if (foreach->kind != TREE_MAP || foreach->count != 1 || foreach->items[0]->kind != TREE_LIST)
        return tree_bad(p, foreach->line, "foreach is one variable with a list of values");
    *count = foreach->items[0]->count;
    if (*count == 0 || *count > SCENARIO_VARIANTS)
        return tree_bad(p, foreach->line, "foreach takes 1 to %d values", SCENARIO_VARIANTS);
    for (size_t i = 0; i < *count; i++)
        if (foreach->items[0]->items[i]->kind != TREE_TEXT)
            return tree_bad(p, foreach->items[0]->items[i]->line, "a plain value belongs here");
    for (size_t i = 0; i < *count; i++) {
        const struct tree *value = foreach->items[0]->items[i];
        if (value->text[0] == '\0' || value->text[0] == '.') /* it names a folder of records */
            return tree_bad(p, value->line, "a value of foreach is not empty and begins without a dot");
        for (size_t k = 0; k < i; k++)
            if (strcmp(foreach->items[0]->items[k]->text, value->text) == 0)
                return tree_bad(p, value->line, "\"%.40s\" stands twice", value->text);
    }
    if (strlen(foreach->keys[0]) >= 32)
        return tree_bad(p, foreach->line, "a variable of foreach has at most 31 characters");
    text_copy(variable, 32, foreach->keys[0]);
    return true;
}

bool scenario_load(const char *file, struct scenario **out, size_t *count, struct tree_problem *problem)
{
    char variable[32];
    struct tree *y = tree_load(file, problem);
    bool ok = y && read_foreach_shape(y, variable, count, problem);
    tree_free(y);
    *out = ok && *count ? calloc(*count, sizeof **out) : NULL;
    for (size_t i = 0; *out && ok && i < *count; i++)
        ok = read_variant(file, variable[0] ? variable : NULL, i, &(*out)[i], problem);
    if (!ok) {
        free(*out);
        *out = NULL;
    }
    return ok && *out;
}

void scenario_label(const struct scenario *s, char out[96])
{
    if (s->variant[0])
        snprintf(out, 96, "%s[%s]", s->name, s->variant);
    else
        snprintf(out, 96, "%s", s->name);
}

const struct member *scenario_member(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (strcmp(s->members[i].name, name) == 0)
            return &s->members[i];
    return NULL;
}

void scenario_settings(const struct scenario *s, size_t member, uint64_t out[ENV_SETTINGS])
{
    const struct component_class *class = s->members[member].class;
    for (size_t i = 0; i < component_settings(class); i++)
        out[i] = class->settings[i].fallback;
    for (size_t i = 0; i < s->setting_count; i++)
        if (s->settings[i].member == member)
            out[s->settings[i].number] = s->settings[i].value;
}

const struct member *scenario_server(const struct scenario *s, const struct member *m, unsigned port,
                                     unsigned *server_port)
{
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *o = &s->members[i];
        if (o->class &&
            medium_reaches(m->class, m->group, &m->class->ports[port], o->class, o->group, server_port))
            return o;
    }
    return NULL;
}
