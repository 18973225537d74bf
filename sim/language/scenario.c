#include "sim/language/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/medium.h"
#include "sim/language/language.h"

#define SCHEMA           1
#define SCHEMA_MAX       1000 /* versions that there may be */
#define DEFAULT_LIMIT_US 10000000u
#define DEFAULT_QUIET_US 200000u
#define QUIET_MAX_US     3600000000u
#define VARIABLE         32 /* name or value of a foreach variable, with its end */

char *(*scenario_finder)(const char *name);
void (*scenario_nearest)(const char *name, char out[64]);

const char *const world_names[] = {"process", "virtual", NULL};

/* ---- the top ---- */

static bool read_schema(void *out, const struct tree *y, struct tree_problem *p)
{
    uint64_t v;
    (void)out;
    if (!tree_number(y, 0, SCHEMA_MAX, &v, p))
        return false;
    if (v != SCHEMA)
        return tree_bad(p, y->at, "schema %llu is not known; this version reads schema %d",
                        (unsigned long long)v, SCHEMA);
    return tree_understood(y, "", "%d", SCHEMA);
}

static bool read_worlds(void *out, const struct tree *y, struct tree_problem *p)
{
    struct scenario *s = out;
    unsigned w;
    if (!tree_list(y, 1, WORLDS, "worlds must be a list of process and virtual", p))
        return false;
    memset(s->worlds, 0, sizeof s->worlds);
    for (size_t i = 0; i < y->count; i++) {
        if (!tree_word(y->items[i], "world", world_names, &w, p))
            return false;
        if (s->worlds[w])
            return tree_bad(p, y->items[i]->at, "\"%s\" stands twice", world_names[w]);
        s->worlds[w] = true;
        tree_understood(y->items[i], "", "%s", world_names[w]);
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
    return tree_understood(y, "", "%s", words[w]);
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
    for (size_t i = 0; i < y->items[0]->count; i++)
        tree_understood(y->items[0]->items[i], "", "%s", y->items[0]->items[i]->text);
    return true;
}

const struct tree_key scenario_keys[] = {
    PART("schema", read_schema, .required = true),
    KEY("name", name, struct scenario, name, .required = true),
    KEY("title", text, struct scenario, title, .required = true, .min = 1),
    KEY("use_case", use_case, struct scenario, use_case, .required = true),
    PART("worlds", read_worlds),
    PART("foreach", read_foreach),
    KEY("limit", us, struct scenario, limit_us, .min = 1000, .max = TREE_DURATION_MAX_US),
    KEY("quiet", us, struct scenario, quiet_us, .max = QUIET_MAX_US),
    PART("bus_time", read_bus_time),
    PART("run", read_run, .required = true),
    PART("given", read_given),
    PART("settings", read_settings),
    PART("do", read_do),
    PART("faults", read_faults),
    PART("expect", read_expects, .required = true),
    PART("never", read_nevers),
    PART("under_faults", read_under_faults),
    END_OF_KEYS,
};

/* ---- foreach: "$name" as a whole value ---- */

static bool is_variable(const char *text)
{
    size_t len = strlen(text);
    return len && len < VARIABLE && text[0] >= 'a' && text[0] <= 'z' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

/* How often it stands below y, there now replaced by the value. */
static size_t substitute(struct tree *y, const char *variable, const char *value)
{
    size_t n = 0;
    if (y->kind == TREE_TEXT && y->text[0] == '$' && strcmp(y->text + 1, variable) == 0) {
        free(y->text);
        y->text = strdup(value);
        if (!y->text)
            abort();
        n = 1;
    }
    for (size_t i = 0; i < y->count; i++)
        n += substitute(y->items[i], variable, value);
    return n;
}

/* What still looks like a variable is one that nobody has named. */
static bool check_variables(const struct tree *y, const char *variable, struct tree_problem *p)
{
    const char *const names[] = {*variable ? variable : NULL, NULL};
    if (y->kind == TREE_TEXT && y->text[0] == '$' && is_variable(y->text + 1))
        return tree_unknown(p, y->at, "variable of foreach", y->text + 1, names);
    for (size_t i = 0; i < y->count; i++)
        if (!check_variables(y->items[i], variable, p))
            return false;
    return true;
}

/* There "/" becomes "_". */
static bool names_same_folder(const char *a, const char *b)
{
    for (; *a && (*a == *b || (strchr("/_", *a) && *b && strchr("/_", *b))); a++)
        b++;
    return !*a && !*b;
}

static bool check_value(const struct tree *values, size_t at, struct tree_problem *p)
{
    const struct tree *value = values->items[at];
    char text[VARIABLE];
    if (!tree_text(value, text, sizeof text, p))
        return false;
    if (text[0] == '\0' || text[0] == '.' || text[0] == '$') /* it names a folder of records */
        return tree_bad(p, value->at,
                        "a value of foreach is not empty and begins without a dot or a dollar sign");
    for (size_t k = 0; k < at; k++)
        if (names_same_folder(values->items[k]->text, text))
            return tree_bad(p, value->at,
                            "\"%.40s\" stands twice, or its records would go to the same folder", text);
    return true;
}

static bool check_foreach(const struct tree *y, char variable[VARIABLE], size_t *count,
                          struct tree_problem *p)
{
    const struct tree *foreach = tree_get(y, "foreach");
    *count = 1;
    variable[0] = '\0';
    if (!foreach)
        return true;
    if (foreach->kind != TREE_MAP || foreach->count != 1 || foreach->items[0]->kind != TREE_LIST)
        return tree_bad(p, foreach->at, "foreach is one variable with a list of values");
    const struct tree *values = foreach->items[0];
    *count = values->count;
    if (*count == 0 || *count > SCENARIO_VARIANTS)
        return tree_bad(p, values->at, "foreach takes 1 to %d values", SCENARIO_VARIANTS);
    for (size_t i = 0; i < *count; i++)
        if (!check_value(values, i, p))
            return false;
    if (!is_variable(foreach->keys[0]))
        return tree_bad(p, foreach->key_marks[0],
                        "\"%.40s\" is no variable; it has small letters, digits and _, at most %d",
                        foreach->keys[0], VARIABLE - 1);
    text_copy(variable, VARIABLE, foreach->keys[0]);
    return true;
}

static bool put_value(struct tree *y, const char *variable, const char *value, struct tree_problem *p)
{
    size_t used = *variable ? substitute(y, variable, value) : 1;
    if (!check_variables(y, variable, p))
        return false;
    return used || tree_bad(p, tree_get(y, "foreach")->key_marks[0], "$%s is used nowhere", variable);
}

/* ---- what only the whole shows ---- */

static bool check_name(const struct scenario *s, const char *file, const struct tree *y,
                       struct tree_problem *p)
{
    const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    size_t len = strlen(s->name);
    if (strncmp(base, s->name, len) == 0 && strcmp(base + len, ".yaml") == 0)
        return true;
    return tree_bad(p, tree_get(y, "name")->at, "the name \"%s\" differs from the file's name", s->name);
}

/* A link that must be there needs its other end. */
static bool check_links(const struct scenario *s, const struct tree *y, struct tree_problem *p)
{
    unsigned reached;
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = &s->members[i];
        for (unsigned k = 0; m->class && k < m->class->port_count; k++) {
            const struct port_spec *spec = &m->class->ports[k];
            if (spec->end != PORT_ASKS || spec->optional || spec->raw || scenario_server(s, m, k, &reached))
                continue;
            return tree_bad(
                p, tree_get(y, "run")->at,
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
    const struct tree_mark at = tree_get(tree_get(y, "given"), "after")->at;
    if (strcmp(after, s->name) == 0)
        return tree_bad(p, at, "\"%s\" cannot come after itself", after);
    char *path = scenario_finder(after), meant[64] = "";
    free(path);
    if (path)
        return true;
    if (scenario_nearest)
        scenario_nearest(after, meant);
    return tree_bad(p, at, "there is no scenario \"%s\" to come after%s%s%s", after,
                    *meant ? "; did you mean \"" : "", meant, *meant ? "\"?" : "");
}

static bool check_whole(const struct scenario *s, const char *file, const struct tree *y,
                        struct tree_problem *p)
{
    return check_name(s, file, y, p) && check_links(s, y, p) && check_settings(s, y, p) &&
           check_past(s, y, p);
}

/* ---- reading ---- */

/* Another version of the language may be quite different: its number comes first. */
static bool read_whole(struct scenario *s, const char *file, const struct tree *y, struct tree_problem *p)
{
    const struct tree *schema = tree_get(y, "schema");
    language_begin(s);
    if (schema && !read_schema(s, schema, p))
        return false;
    return read_members(s, y, p) && tree_read_map(y, "a scenario", scenario_keys, s, p) &&
           check_whole(s, file, y, p) && tree_all_read(y, p);
}

struct loading {
    const char *file;
    const struct tree *whole; /* with its variable still in it */
    char variable[VARIABLE];
    FILE *dump; /* NULL: nobody wants it */
    struct tree_problem *problem;
};

static bool read_variant(const struct loading *l, size_t index, struct scenario *s)
{
    struct tree *y = tree_clone(l->whole);
    *s =
        (struct scenario){.worlds = {true, true}, .limit_us = DEFAULT_LIMIT_US, .quiet_us = DEFAULT_QUIET_US};
    text_copy(s->file, sizeof s->file, l->file);
    if (*l->variable)
        text_copy(s->variant, sizeof s->variant,
                  tree_get(tree_get(y, "foreach"), l->variable)->items[index]->text);
    bool ok = put_value(y, l->variable, s->variant, l->problem) && read_whole(s, l->file, y, l->problem);
    if (ok && !s->under_faults.given)
        under_faults_default(s);
    if (ok && l->dump)
        dump_write(s, y, l->dump);
    tree_free(y);
    return ok;
}

static bool read_variants(struct loading *l, struct scenario **out, size_t *count)
{
    if (l->whole->kind != TREE_MAP)
        return tree_bad(l->problem, l->whole->at, "a scenario must be a mapping (key: value)");
    if (!check_foreach(l->whole, l->variable, count, l->problem))
        return false;
    struct scenario *all = *out = *count ? calloc(*count, sizeof **out) : NULL;
    if (!all)
        return tree_bad(l->problem, l->whole->at, "no memory for it");
    for (size_t i = 0; i < *count; i++)
        if (!read_variant(l, i, &all[i]))
            return false;
    return true;
}

bool scenario_load_and_dump(const char *file, struct scenario **out, size_t *count, FILE *dump,
                            struct tree_problem *problem)
{
    struct tree *y = tree_load(file, problem);
    struct loading l = {.file = file, .whole = y, .dump = dump, .problem = problem};
    *out = NULL;
    *count = 0;
    bool ok = y && read_variants(&l, out, count);
    tree_free(y);
    if (ok)
        return true;
    free(*out);
    *out = NULL;
    return false;
}

bool scenario_load(const char *file, struct scenario **out, size_t *count, struct tree_problem *problem)
{
    return scenario_load_and_dump(file, out, count, NULL, problem);
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
