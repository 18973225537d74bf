/* From a file to a tree, event by event: bounds hold before anything is kept. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/bytes.h"
#include "sim/language/text_file.h"
#include "sim/language/tree.h"

static const struct tree_mark beginning = {1, 1};

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- the file ---- */

/* NULL after a problem; else to be freed. */
static char *read_file(const char *file, size_t *len, struct tree_problem *p)
{
    char why[TEXT_FILE_WHY];
    char *text = text_file_read(file, TREE_FILE_MAX, len, why);
    if (!text)
        tree_bad(p, beginning, "%s", why);
    return text;
}

#define BYTE_ORDER_MARK "\xEF\xBB\xBF" /* some editors begin a file with it */

static bool check_text(const char *text, size_t len, struct tree_problem *p)
{
    struct tree_mark at = beginning;
    for (size_t i = 0, n; i < len; i += n) {
        n = strchr("\t\r\n", text[i]) && text[i] ? 1 : text_character(text + i, len - i);
        if (n == 0)
            return tree_bad(p, at, "the byte 0x%02X is no UTF-8, or a character that cannot be shown",
                            (unsigned char)text[i]);
        bool next = text[i] == '\n' || (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n'));
        at = next ? (struct tree_mark){at.line + 1, 1} : (struct tree_mark){at.line, at.column + 1};
    }
    return true;
}

/* ---- events ---- */

struct loading {
    yaml_parser_t parser;
    struct tree_problem *problem;
    size_t nodes;
};

static struct tree_mark mark_of(yaml_mark_t m)
{
    return (struct tree_mark){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static bool next_event(struct loading *l, yaml_event_t *e)
{
    if (yaml_parser_parse(&l->parser, e))
        return true;
    return tree_bad(l->problem, mark_of(l->parser.problem_mark), "not YAML: %s",
                    l->parser.problem ? l->parser.problem : "no memory");
}

static const unsigned char *name_given(const yaml_char_t *anchor, const yaml_char_t *tag)
{
    return anchor ? anchor : tag;
}

/* A key is checked like a value; both are one line of text. */
static bool check_scalar(struct loading *l, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    if (len > TREE_TEXT_MAX)
        return tree_bad(l->problem, mark_of(e->start_mark), "\"%.40s...\" is longer than %d bytes", text,
                        TREE_TEXT_MAX);
    for (size_t i = 0, n; i < len; i += n) {
        n = text_character(text + i, len - i);
        if (n == 0)
            return tree_bad(l->problem, mark_of(e->start_mark),
                            "a value is one line of text; character %zu of this one is the byte 0x%02X",
                            i + 1, (unsigned char)text[i]);
    }
    return true;
}

static bool check_event(struct loading *l, const yaml_event_t *e)
{
    const struct tree_mark at = mark_of(e->start_mark);
    const unsigned char *named = NULL;
    if (e->type == YAML_ALIAS_EVENT)
        return tree_bad(l->problem, at, "aliases (*%.40s) are not of this language; write it out",
                        (const char *)e->data.alias.anchor);
    if (e->type == YAML_SCALAR_EVENT)
        named = name_given(e->data.scalar.anchor, e->data.scalar.tag);
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        named = name_given(e->data.sequence_start.anchor, e->data.sequence_start.tag);
    else if (e->type == YAML_MAPPING_START_EVENT)
        named = name_given(e->data.mapping_start.anchor, e->data.mapping_start.tag);
    if (named)
        return tree_bad(l->problem, at, "anchors and tags (%.40s) are not of this language",
                        (const char *)named);
    return e->type != YAML_SCALAR_EVENT || check_scalar(l, e);
}

/* ---- values ---- */

static struct tree *take_value(struct loading *l, const yaml_event_t *e, unsigned depth);

/* Room for one more: sizes are powers of 2. */
static void *grown(void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    return checked(realloc(array, (count ? 2 * count : 1) * size));
}

static void add_item(struct tree *y, struct tree *item)
{
    y->items = grown(y->items, y->count, sizeof(struct tree *));
    y->items[y->count++] = item;
}

static bool take_list(struct loading *l, struct tree *y, unsigned depth)
{
    yaml_event_t e;
    y->kind = TREE_LIST;
    while (next_event(l, &e)) {
        bool end = e.type == YAML_SEQUENCE_END_EVENT;
        struct tree *item = end ? NULL : take_value(l, &e, depth);
        yaml_event_delete(&e);
        if (!item)
            return end;
        add_item(y, item);
    }
    return false;
}

/* A key that stands twice: one of them would be lost without a word. */
static bool take_key(struct loading *l, struct tree *y, const yaml_event_t *e)
{
    const struct tree_mark at = mark_of(e->start_mark);
    if (e->type != YAML_SCALAR_EVENT && e->type != YAML_ALIAS_EVENT)
        return tree_bad(l->problem, at, "a key is a plain word, not a list or mapping");
    if (!check_event(l, e))
        return false;
    const char *text = (const char *)e->data.scalar.value;
    for (size_t i = 0; i < y->count; i++)
        if (strcmp(y->keys[i], text) == 0)
            return tree_bad(l->problem, at, "\"%.40s\" stands twice", text);
    if (y->count == TREE_KEYS)
        return tree_bad(l->problem, at, "more than %d keys", TREE_KEYS);
    y->keys = grown(y->keys, y->count, sizeof(char *));
    y->key_marks = grown(y->key_marks, y->count, sizeof at);
    y->keys[y->count] = checked(strdup(text));
    y->key_marks[y->count] = at;
    return true;
}

static bool take_map(struct loading *l, struct tree *y, unsigned depth)
{
    yaml_event_t e;
    y->kind = TREE_MAP;
    while (next_event(l, &e)) {
        bool end = e.type == YAML_MAPPING_END_EVENT, taken = !end && take_key(l, y, &e);
        yaml_event_delete(&e);
        if (!taken)
            return end;
        bool more = next_event(l, &e);
        struct tree *value = more ? take_value(l, &e, depth) : NULL;
        if (more)
            yaml_event_delete(&e);
        add_item(y, value);
        if (!value)
            return false;
    }
    return false;
}

static bool take_text(struct tree *y, const yaml_event_t *e)
{
    y->kind = TREE_TEXT;
    y->text = checked(strdup((const char *)e->data.scalar.value));
    y->leaf = checked(calloc(1, sizeof *y->leaf));
    return true;
}

static bool take_any(struct loading *l, struct tree *y, const yaml_event_t *e, unsigned depth)
{
    if (!check_event(l, e))
        return false;
    if (++l->nodes > TREE_NODES)
        return tree_bad(l->problem, y->at, "more than %d values", TREE_NODES);
    if (e->type == YAML_SCALAR_EVENT)
        return take_text(y, e);
    if (depth == TREE_DEPTH)
        return tree_bad(l->problem, y->at, "lists and mappings go more than %d deep", TREE_DEPTH);
    return e->type == YAML_SEQUENCE_START_EVENT ? take_list(l, y, depth + 1) : take_map(l, y, depth + 1);
}

static struct tree *take_value(struct loading *l, const yaml_event_t *e, unsigned depth)
{
    struct tree *y = checked(calloc(1, sizeof *y));
    y->at = mark_of(e->start_mark);
    if (take_any(l, y, e, depth))
        return y;
    tree_free(y);
    return NULL;
}

/* ---- the document ---- */

static bool take_event(struct loading *l, yaml_event_type_t type, yaml_event_t *e)
{
    if (!next_event(l, e))
        return false;
    if (e->type == type)
        return true;
    if (e->type == YAML_STREAM_END_EVENT)
        tree_bad(l->problem, beginning, "the file is empty");
    else
        tree_bad(l->problem, mark_of(e->start_mark), "a second document; a file is one scenario");
    yaml_event_delete(e);
    return false;
}

static bool skip_event(struct loading *l, yaml_event_type_t type)
{
    yaml_event_t e;
    if (!take_event(l, type, &e))
        return false;
    bool directives = type == YAML_DOCUMENT_START_EVENT && (e.data.document_start.version_directive ||
                                                            e.data.document_start.tag_directives.start !=
                                                                e.data.document_start.tag_directives.end);
    struct tree_mark at = mark_of(e.start_mark);
    yaml_event_delete(&e);
    return !directives || tree_bad(l->problem, at, "directives (%%) are not of this language");
}

static struct tree *take_document(struct loading *l)
{
    yaml_event_t e;
    if (!skip_event(l, YAML_STREAM_START_EVENT) || !skip_event(l, YAML_DOCUMENT_START_EVENT) ||
        !next_event(l, &e))
        return NULL;
    struct tree *y = take_value(l, &e, 0);
    yaml_event_delete(&e);
    if (y && skip_event(l, YAML_DOCUMENT_END_EVENT) && skip_event(l, YAML_STREAM_END_EVENT))
        return y;
    tree_free(y);
    return NULL;
}

static struct tree *parse(const char *text, size_t len, struct tree_problem *p)
{
    struct loading l = {.problem = p};
    size_t skip = len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0;
    if (!check_text(text + skip, len - skip, p))
        return NULL;
    if (!yaml_parser_initialize(&l.parser))
        abort();
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text + skip, len - skip);
    struct tree *y = take_document(&l);
    yaml_parser_delete(&l.parser);
    return y;
}

struct tree *tree_load(const char *file, struct tree_problem *problem)
{
    size_t len;
    problem->file = file;
    char *text = read_file(file, &len, problem);
    struct tree *y = text ? parse(text, len, problem) : NULL;
    free(text);
    return y;
}

/* ---- copies ---- */

struct tree *tree_clone(const struct tree *y)
{
    struct tree *copy = checked(calloc(1, sizeof *copy));
    copy->kind = y->kind;
    copy->at = y->at;
    copy->text = y->text ? checked(strdup(y->text)) : NULL;
    copy->leaf = y->leaf ? checked(calloc(1, sizeof *copy->leaf)) : NULL;
    for (size_t i = 0; i < y->count; i++) {
        if (y->keys) {
            copy->keys = grown(copy->keys, i, sizeof(char *));
            copy->key_marks = grown(copy->key_marks, i, sizeof *copy->key_marks);
            copy->keys[i] = checked(strdup(y->keys[i]));
            copy->key_marks[i] = y->key_marks[i];
        }
        add_item(copy, tree_clone(y->items[i]));
    }
    return copy;
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
    free(y->key_marks);
    free(y->text);
    free(y->leaf);
    free(y);
}
