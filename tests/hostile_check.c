/* What must hold for a hostile file: it is refused with a place and a sentence that can be shown, or taken
 * and then every value of it told. The values are found by libyaml's own reading of the file. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yaml.h>

#include "sim/world/world.h"
#include "tests/hostile.h"

#define LIMIT_US 300000 /* of a run */
#define RUNS_MAX 1      /* of the variants of a file */
#define PATH     4096

struct checking {
    const struct scenario *s;
    const char *dump; /* of one variant */
    yaml_document_t *doc;
    size_t leaves;
    struct hostile_result *result;
};

/* Of this process: what else the machine does is no fault of a file's. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((format(printf, 2, 3))) static bool wrong(struct hostile_result *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->problem, sizeof r->problem, format, args);
    va_end(args);
    return false;
}

/* ---- refused ---- */

static bool check_refusal(const struct tree_problem *p, struct hostile_result *r)
{
    if (!p->text[0] || !p->line || !p->column)
        return wrong(r, "refused without a sentence or a place: %u:%u %s", p->line, p->column, p->text);
    for (size_t i = 0, n; p->text[i]; i += n) {
        n = text_character(p->text + i, strlen(p->text + i));
        if (!n)
            return wrong(r, "the sentence cannot be shown, at byte %zu", i);
    }
    return true;
}

/* ---- taken: is each leaf told? ---- */

static bool is_same_number(const char *file, const char *told)
{
    char *end, *told_end;
    unsigned long long a = strtoull(file, &end, 10), b = strtoull(told, &told_end, 10);
    return end != file && !*end && told_end != told && !*told_end && a == b;
}

static bool is_same_time(const char *file, const char *told, unsigned unit_us)
{
    char *end;
    unsigned long long n = strtoull(file, &end, 10);
    const char *unit = end + (*end == ' ');
    n *= strcmp(unit, "s") == 0 ? 1000000 : strcmp(unit, "ms") == 0 ? 1000 : 1;
    return end != file && n == strtoull(told, NULL, 10) * unit_us;
}

static bool is_same_length(const char *file, const char *told_cm)
{
    char *end;
    unsigned long long n = strtoull(file, &end, 10);
    const char *unit = end + (*end == ' ');
    n *= strcmp(unit, "m") == 0 ? 100 : 1;
    return end != file && n == strtoull(told_cm, NULL, 10);
}

/* The value told under this path and unit; NULL when there is none. */
static const char *told_at(const char *dump, const char *path, const char *unit, char out[PATH])
{
    char line[PATH + 8];
    snprintf(line, sizeof line, "\n%s%s = ", path, unit);
    const char *at = strstr(dump, line);
    if (!at)
        return NULL;
    at += strlen(line);
    snprintf(out, PATH, "%.*s", (int)strcspn(at, "\n"), at);
    return out;
}

static bool check_leaf(struct checking *c, const char *path, const char *file)
{
    char told[PATH];
    const char *text = file[0] == '$' && *c->s->variant ? c->s->variant : file;
    c->leaves++;
    if (told_at(c->dump, path, "", told) && (strcmp(text, told) == 0 || is_same_number(text, told)))
        return true;
    if ((told_at(c->dump, path, "_us", told) && is_same_time(text, told, 1)) ||
        (told_at(c->dump, path, "_ms", told) && is_same_time(text, told, 1000)) ||
        (told_at(c->dump, path, "_cm", told) && is_same_length(text, told)))
        return true;
    return wrong(c->result, "accepted, but \"%s\" at %s is told as \"%s\"", text, path, told);
}

static bool check_node(struct checking *c, int number, char path[PATH])
{
    const yaml_node_t *node = yaml_document_get_node(c->doc, number);
    size_t len = strlen(path);
    bool ok = true;
    if (node->type == YAML_SCALAR_NODE)
        return check_leaf(c, path, (const char *)node->data.scalar.value);
    if (node->type == YAML_SEQUENCE_NODE)
        for (const yaml_node_item_t *i = node->data.sequence.items.start;
             ok && i < node->data.sequence.items.top; i++) {
            snprintf(path + len, PATH - len, "[%zu]", (size_t)(i - node->data.sequence.items.start));
            ok = check_node(c, *i, path);
        }
    else
        for (const yaml_node_pair_t *i = node->data.mapping.pairs.start;
             ok && i < node->data.mapping.pairs.top; i++) {
            const char *key = (const char *)yaml_document_get_node(c->doc, i->key)->data.scalar.value;
            bool plain = *key && strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "0123456789_-/") == strlen(key);
            snprintf(path + len, PATH - len, plain ? "%s%s" : "%s\"%s\"", len ? "." : "", key);
            ok = check_node(c, i->value, path);
        }
    path[len] = '\0';
    return ok;
}

static size_t lines_of(const char *dump)
{
    size_t n = 0;
    for (; (dump = strchr(dump, '\n')); dump++)
        n += dump[1] && dump[1] != '#';
    return n;
}

static bool check_dump(const struct scenario *s, size_t count, char *dump, const char *text, size_t len,
                       struct hostile_result *r)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    bool ok = true;
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &doc))
        return wrong(r, "accepted, but no YAML");
    for (size_t i = 0; ok && i < count; i++) {
        char *next = strstr(dump + 1, "\n# "), path[PATH] = "";
        if (next)
            next[1] = '\0';
        struct checking c = {.s = &s[i], .dump = dump, .doc = &doc, .result = r};
        ok = check_node(&c, 1, path);
        if (ok && c.leaves != lines_of(dump))
            ok = wrong(r, "%zu values in the file, %zu told", c.leaves, lines_of(dump));
        dump = next ? next + 2 : dump;
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return ok;
}

/* ---- taken: run it ---- */

static void run_it(struct scenario *s, const char *out, struct hostile_result *result)
{
    static struct run r;
    double start = now_s();
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 3, .out = out, .quiet = true};
    s->limit_us = s->limit_us < LIMIT_US ? s->limit_us : LIMIT_US;
    world_run(&r, s, &o);
    run_free(&r);
    result->runs++;
    if (now_s() - start > result->longest_s)
        result->longest_s = now_s() - start;
}

void hostile_check(const char *path, const char *out, const char *text, size_t len,
                   struct hostile_result *result)
{
    struct tree_problem p = {0};
    struct scenario *s;
    size_t count, dump_len;
    char *dump = NULL;
    *result = (struct hostile_result){0};
    FILE *f = fopen(path, "w"), *to = open_memstream(&dump, &dump_len);
    if (!f || !to || fwrite(text, 1, len, f) != len || fclose(f) != 0)
        abort();
    double start = now_s();
    result->accepted = scenario_load_and_dump(path, &s, &count, to, &p);
    result->longest_s = now_s() - start;
    fclose(to);
    bool ok = result->accepted ? check_dump(s, count, dump, text, len, result) : check_refusal(&p, result);
    for (size_t i = 0; ok && result->accepted && out && i < count && i < RUNS_MAX; i++)
        if (s[i].worlds[WORLD_VIRTUAL])
            run_it(&s[i], out, result);
    free(s);
    free(dump);
}
