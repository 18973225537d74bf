#include "sim/language/tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/bytes.h"

bool tree_bad(struct tree_problem *p, unsigned line, const char *format, ...)
{
    va_list args;
    if (p->line)
        return false;
    p->line = line;
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    return false;
}

unsigned text_distance(const char *a, const char *b)
{
    unsigned row[64], lb = (unsigned)strlen(b);
    if (lb >= 64 || strlen(a) >= 64)
        return 99;
    for (unsigned j = 0; j <= lb; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *text_closest(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    unsigned least = (unsigned)strlen(word) / 3 + 2;
    for (; *candidates; candidates++) {
        unsigned d = text_distance(word, *candidates);
        if (d < least) {
            least = d;
            best = *candidates;
        }
    }
    return best;
}

bool tree_unknown(struct tree_problem *p, unsigned line, const char *what, const char *word,
                  const char *const *candidates)
{
    const char *best = text_closest(word, candidates);
    char all[200] = "";
    if (best)
        return tree_bad(p, line, "unknown %s \"%s\"; did you mean \"%s\"?", what, word, best);
    for (size_t n = 0; *candidates; candidates++) {
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", *candidates);
        if (n >= sizeof all)
            break;
    }
    return tree_bad(p, line, "unknown %s \"%s\"; known are: %s", what, word, all);
}

/* ---- loading ---- */

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

/* A file on its way in. An alias is followed, so that what a file holds and how deep it goes has bounds. */
struct loading {
    yaml_document_t *doc;
    struct tree_problem *problem;
    size_t nodes;
    bool bad;
};

static struct tree *convert(struct loading *l, int node, unsigned depth);

static void convert_list(struct loading *l, const yaml_node_t *node, struct tree *y, unsigned depth)
{
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    y->kind = TREE_LIST;
    y->items = checked(calloc(n + 1, sizeof(struct tree *)));
    for (; y->count < n && !l->bad; y->count++)
        y->items[y->count] = convert(l, node->data.sequence.items.start[y->count], depth);
}

/* A key that stands twice: one of them would be lost without a word. */
static void check_key(struct loading *l, const struct tree *y)
{
    for (size_t i = 0; i < y->count && !l->bad; i++)
        if (strcmp(y->keys[i], y->keys[y->count]) == 0)
            l->bad = !tree_bad(l->problem, y->key_lines[y->count], "\"%.40s\" stands twice", y->keys[i]);
}

static void convert_map(struct loading *l, const yaml_node_t *node, struct tree *y, unsigned depth)
{
    size_t n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    y->kind = TREE_MAP;
    y->items = checked(calloc(n + 1, sizeof(struct tree *)));
    y->keys = checked(calloc(n + 1, sizeof(char *)));
    y->key_lines = checked(calloc(n + 1, sizeof(unsigned)));
    for (; y->count < n && !l->bad; y->count++) {
        const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[y->count];
        const yaml_node_t *key = yaml_document_get_node(l->doc, pair->key);
        const char *text = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "";
        y->keys[y->count] = checked(strdup(text));
        y->key_lines[y->count] = (unsigned)key->start_mark.line + 1;
        check_key(l, y);
        y->items[y->count] = convert(l, pair->value, depth);
    }
}

static struct tree *convert(struct loading *l, int number, unsigned depth)
{
    const yaml_node_t *node = yaml_document_get_node(l->doc, number);
    struct tree *y = checked(calloc(1, sizeof *y));
    y->line = (unsigned)node->start_mark.line + 1;
    if (!l->bad && depth == TREE_DEPTH)
        l->bad = !tree_bad(l->problem, y->line,
                           "lists and mappings go more than %d deep, or an alias holds itself", TREE_DEPTH);
    if (!l->bad && ++l->nodes > TREE_NODES)
        l->bad = !tree_bad(l->problem, y->line, "more than %d values, aliases counted each time", TREE_NODES);
    if (node->type == YAML_SCALAR_NODE || l->bad)
        y->text = checked(node->type == YAML_SCALAR_NODE
                              ? strndup((const char *)node->data.scalar.value, node->data.scalar.length)
                              : strdup(""));
    else if (node->type == YAML_SEQUENCE_NODE)
        convert_list(l, node, y, depth + 1);
    else
        convert_map(l, node, y, depth + 1);
    return y;
}

struct tree *tree_load(const char *file, struct tree_problem *problem)
{
    struct tree *y = NULL;
    yaml_parser_t parser;
    yaml_document_t doc;
    FILE *in = fopen(file, "re");
    problem->file = file;
    if (!in) {
        tree_bad(problem, 1, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_file(&parser, in);
    if (!yaml_parser_load(&parser, &doc)) {
        tree_bad(problem, (unsigned)parser.problem_mark.line + 1, "not YAML: %s", parser.problem);
    } else {
        struct loading l = {.doc = &doc, .problem = problem};
        if (yaml_document_get_root_node(&doc))
            y = convert(&l, 1, 0);
        else
            tree_bad(problem, 1, "the file is empty");
        if (l.bad) {
            tree_free(y);
            y = NULL;
        }
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    fclose(in);
    return y;
}

void tree_free(struct tree *y)
{
    if (!y)
        return;
    for (size_t i = 0; i < y->count; i++) {
        tree_free(y->items[i]);
        if (y->keys)
            free(y->keys[i]);
    }
    free(y->items);
    free(y->keys);
    free(y->key_lines);
    free(y->text);
    free(y);
}

/* ---- reading ---- */

const struct tree *tree_get(const struct tree *map, const char *key)
{
    for (size_t i = 0; map->kind == TREE_MAP && i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

static bool unknown_key(const struct tree *y, size_t at, const char *what, const struct tree_key *keys,
                        struct tree_problem *p)
{
    const char *names[40];
    size_t n = 0;
    char label[80];
    for (; keys[n].name && n < 39; n++)
        names[n] = keys[n].name;
    names[n] = NULL;
    snprintf(label, sizeof label, "key in %s", what);
    return tree_unknown(p, y->key_lines[at], label, y->keys[at], names);
}

bool tree_read_map(const struct tree *y, const char *what, const struct tree_key *keys, void *out,
                   struct tree_problem *p)
{
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->line, "%s must be a mapping (key: value)", what);
    for (size_t i = 0; i < y->count; i++) {
        const struct tree_key *k = keys;
        while (k->name && strcmp(k->name, y->keys[i]) != 0)
            k++;
        if (!k->name)
            return unknown_key(y, i, what, keys, p);
        if (!k->read(out, y->items[i], p))
            return false;
    }
    for (const struct tree_key *k = keys; k->name; k++)
        if (k->required && !tree_get(y, k->name))
            return tree_bad(p, y->line, "%s lacks the key \"%s\"", what, k->name);
    return true;
}

bool tree_text(const struct tree *y, char *out, size_t cap, struct tree_problem *p)
{
    bool plain = y->kind == TREE_TEXT, fits = plain && strlen(y->text) < cap;
    if (!plain)
        tree_bad(p, y->line, "a plain value belongs here, not a list or mapping");
    else if (!fits)
        tree_bad(p, y->line, "\"%.40s...\" is longer than %zu characters", y->text, cap - 1);
    text_copy(out, cap, fits ? y->text : "");
    return fits;
}

bool tree_number(const struct tree *y, uint64_t max, uint64_t *out, struct tree_problem *p)
{
    char text[24], *end;
    if (!tree_text(y, text, sizeof text, p))
        return false;
    *out = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || *out > max)
        return tree_bad(p, y->line, "\"%s\" is not a number from 0 to %llu", text, (unsigned long long)max);
    return true;
}

bool tree_duration_us(const struct tree *y, uint64_t *out, struct tree_problem *p)
{
    char text[32], unit[8] = "";
    unsigned long long n = 0;
    int end = 0;
    if (!tree_text(y, text, sizeof text, p))
        return false;
    bool ok = *text >= '0' && *text <= '9' && sscanf(text, "%9llu %7[a-z]%n", &n, unit, &end) == 2 &&
              text[end] == '\0';
    if (ok && strcmp(unit, "us") == 0)
        *out = n;
    else if (ok && strcmp(unit, "ms") == 0)
        *out = n * 1000;
    else if (ok && strcmp(unit, "s") == 0)
        *out = n * 1000000;
    else
        return tree_bad(p, y->line,
                        "\"%s\" is not a duration; write it like \"500 ms\", \"2 s\" or \"100 us\"", text);
    return true;
}

bool tree_word(const struct tree *y, const char *what, const char *const *words, unsigned *out,
               struct tree_problem *p)
{
    char text[64];
    if (!tree_text(y, text, sizeof text, p))
        return false;
    for (*out = 0; words[*out]; ++*out)
        if (strcmp(words[*out], text) == 0)
            return true;
    return tree_unknown(p, y->line, what, text, words);
}
