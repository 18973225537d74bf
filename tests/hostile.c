#include "tests/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hostile_values.h"

#define TEXT_CAP  600000
#define DEEP_MAX  40
#define NODES_MAX 4000

struct hostile {
    struct chance chance;
    struct tree **sources;
    size_t source_count;
    char *text;
    size_t len;
};

static size_t below(struct hostile *h, size_t n)
{
    return chance_below(&h->chance, n);
}

#define ANY(h, list) ((list)[below(h, sizeof(list) / sizeof((list)[0]))])

/* ---- trees ---- */

static struct tree *new_node(enum tree_kind kind, char *text)
{
    struct tree *y = calloc(1, sizeof *y);
    if (!y)
        abort();
    y->kind = kind;
    y->text = text;
    return y;
}

static void *resized(void *array, size_t count, size_t size)
{
    void *p = realloc(array, count * size);
    if (!p)
        abort();
    return p;
}

static void insert(struct tree *y, char *key, struct tree *item)
{
    const size_t n = y->count++;
    y->items = resized(y->items, y->count, sizeof(struct tree *));
    y->items[n] = item;
    if (y->kind != TREE_MAP) {
        free(key);
        return;
    }
    y->keys = resized(y->keys, y->count, sizeof(char *));
    y->key_marks = resized(y->key_marks, y->count, sizeof(struct tree_mark));
    y->keys[n] = key;
    y->key_marks[n] = (struct tree_mark){0};
}

static void take_out(struct tree *y, size_t i)
{
    tree_free(y->items[i]);
    y->count--;
    memmove(y->items + i, y->items + i + 1, (y->count - i) * sizeof(struct tree *));
    if (y->kind != TREE_MAP)
        return;
    free(y->keys[i]);
    memmove(y->keys + i, y->keys + i + 1, (y->count - i) * sizeof(char *));
}

/* Where something hangs: an entry of a list or mapping. */
struct spot {
    struct tree *parent;
    size_t i;
};

static void list_places(struct tree *y, struct spot *out, size_t *n)
{
    for (size_t i = 0; i < y->count && *n < NODES_MAX; i++) {
        out[(*n)++] = (struct spot){y, i};
        list_places(y->items[i], out, n);
    }
}

static struct spot any_place(struct hostile *h, struct tree *top)
{
    static struct spot places[NODES_MAX];
    size_t n = 0;
    list_places(top, places, &n);
    return n ? places[below(h, n)] : (struct spot){NULL, 0};
}

static void replace(struct spot at, struct tree *with)
{
    tree_free(at.parent->items[at.i]);
    at.parent->items[at.i] = with;
}

/* ---- mutations of the tree ---- */

static void drop(struct hostile *h, struct spot at)
{
    (void)h;
    take_out(at.parent, at.i);
}

static void duplicate(struct hostile *h, struct spot at)
{
    const char *key = at.parent->kind == TREE_MAP ? at.parent->keys[at.i] : "";
    (void)h;
    insert(at.parent, value_copy(key), tree_clone(at.parent->items[at.i]));
}

static void rename_key(struct hostile *h, struct spot at)
{
    if (at.parent->kind != TREE_MAP)
        return;
    char *key = at.parent->keys[at.i];
    size_t len = strlen(key);
    if (len && below(h, 3) == 0) {
        key[below(h, len)] = "aez-_.0"[below(h, 7)];
        return;
    }
    free(key);
    at.parent->keys[at.i] = below(h, 2) ? value_copy(row_any(&h->chance)->name) : value_hostile(&h->chance);
}

static void other_kind(struct hostile *h, struct spot at)
{
    struct tree *old = at.parent->items[at.i], *y;
    switch (below(h, 5)) {
    case 0:
        y = new_node(TREE_LIST, NULL);
        insert(y, NULL, tree_clone(old));
        break;
    case 1:
        y = new_node(TREE_MAP, NULL);
        insert(y, value_copy(row_any(&h->chance)->name), tree_clone(old));
        break;
    case 2:
        y = new_node(TREE_LIST, NULL);
        break;
    case 3:
        y = new_node(TREE_MAP, NULL);
        break;
    default:
        y = new_node(TREE_TEXT, value_hostile(&h->chance));
    }
    replace(at, y);
}

static void hostile_text(struct hostile *h, struct spot at)
{
    replace(at, new_node(TREE_TEXT, value_hostile(&h->chance)));
}

/* A value as the row of its key has it: half of what comes of it is well-formed. */
static void kindred_text(struct hostile *h, struct spot at)
{
    const struct tree_key *row =
        at.parent->kind == TREE_MAP ? row_named(&h->chance, at.parent->keys[at.i]) : NULL;
    if (at.parent->items[at.i]->kind == TREE_TEXT && row)
        replace(at, new_node(TREE_TEXT, value_of_kind(&h->chance, row)));
}

static void add_row(struct hostile *h, struct spot at)
{
    struct tree *y = at.parent->items[at.i]->kind == TREE_MAP ? at.parent->items[at.i] : at.parent;
    const struct tree_key *row = row_any(&h->chance);
    insert(y, value_copy(row->name), new_node(TREE_TEXT, value_of_kind(&h->chance, row)));
}

static void nest(struct hostile *h, struct spot at)
{
    for (size_t n = 1 + below(h, DEEP_MAX); n > 0; n--) {
        struct tree *y = new_node(below(h, 2) ? TREE_LIST : TREE_MAP, NULL);
        insert(y, value_copy("a"), at.parent->items[at.i]);
        at.parent->items[at.i] = y;
    }
}

static void repeat(struct hostile *h, struct spot at)
{
    if (at.parent->kind == TREE_LIST)
        for (size_t n = below(h, 60); n > 0; n--)
            duplicate(h, at);
}

static void exchange(struct hostile *h, struct spot at)
{
    struct spot other = {at.parent, below(h, at.parent->count)};
    struct tree *y = at.parent->items[at.i];
    at.parent->items[at.i] = other.parent->items[other.i];
    other.parent->items[other.i] = y;
}

static void (*const tree_mutations[])(struct hostile *h, struct spot at) = {
    drop,         duplicate,    rename_key, other_kind, hostile_text, kindred_text, kindred_text,
    kindred_text, kindred_text, add_row,    nest,       repeat,       exchange,
};

/* ---- writing it ---- */

static void put(struct hostile *h, const char *text)
{
    size_t len = strlen(text);
    if (h->len + len >= TEXT_CAP)
        return;
    memcpy(h->text + h->len, text, len);
    h->len += len;
}

static void put_quoted(struct hostile *h, const char *text)
{
    char escaped[8];
    put(h, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        snprintf(escaped, sizeof escaped, c < 0x20 ? "\\x%02X" : c == '"' || c == '\\' ? "\\%c" : "%c", c);
        put(h, escaped);
    }
    put(h, "\"");
}

static void put_text(struct hostile *h, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 /_$.-";
    bool is_plain = *text && strspn(text, plain) == strlen(text) && *text != '-' && *text != ' ';
    if (is_plain || below(h, 6) == 0)
        put(h, text);
    else
        put_quoted(h, text);
}

static void put_flow(struct hostile *h, const struct tree *y)
{
    if (y->kind == TREE_TEXT) {
        put_text(h, y->text);
        return;
    }
    put(h, y->kind == TREE_LIST ? "[" : "{");
    for (size_t i = 0; i < y->count; i++) {
        put(h, i ? ", " : "");
        if (y->kind == TREE_MAP)
            put_text(h, y->keys[i]);
        put(h, y->kind == TREE_MAP ? ": " : "");
        put_flow(h, y->items[i]);
    }
    put(h, y->kind == TREE_LIST ? "]" : "}");
}

static void put_top(struct hostile *h, const struct tree *y)
{
    h->len = 0;
    if (y->kind != TREE_MAP) {
        put_flow(h, y);
        return;
    }
    for (size_t i = 0; i < y->count; i++) {
        put_text(h, y->keys[i]);
        put(h, ": ");
        put_flow(h, y->items[i]);
        put(h, "\n");
    }
}

/* ---- mutations of the bytes ---- */

static void insert_bytes(struct hostile *h, size_t at, const char *bytes, size_t len)
{
    if (h->len + len >= TEXT_CAP)
        return;
    memmove(h->text + at + len, h->text + at, h->len - at);
    memcpy(h->text + at, bytes, len);
    h->len += len;
}

static void cut_short(struct hostile *h)
{
    h->len = below(h, h->len + 1);
}

static void change_byte(struct hostile *h)
{
    if (h->len)
        h->text[below(h, h->len)] = (char)chance_draw(&h->chance);
}

static void add_byte(struct hostile *h)
{
    const char byte = (char)chance_draw(&h->chance);
    insert_bytes(h, below(h, h->len + 1), &byte, 1);
}

static void add_beginning(struct hostile *h)
{
    static const char *const beginnings[] = {"\xEF\xBB\xBF", "\xFF\xFE", "---\n",       "%YAML 1.1\n---\n",
                                             "%TAG ! x\n",   "...\n",    "# comment\n", "%YAML 9.9\n---\n",
                                             "\n\n",         "\t",       "--- !x\n",    "&a\n"};
    const char *text = ANY(h, beginnings);
    insert_bytes(h, 0, text, strlen(text));
}

static void add_end(struct hostile *h)
{
    static const char *const ends[] = {
        "---\na: 1\n",    "...\n",        "...\n---\n",         "<<: *a\n",         "x: &a 1\n",
        "y: *a\n",        "z: !!int 3\n", "? [a]\n: b\n",       "limit: >\n 5 s\n", "# no end",
        "title: 'open\n", "b: !<x> 1\n",  "<<: {limit: 1 s}\n", "never: &n [*n]\n", "  deep: 1\n",
        "...\n...\n"};
    put(h, ANY(h, ends));
}

static void use_crlf(struct hostile *h)
{
    for (size_t i = 0; i < h->len; i++)
        if (h->text[i] == '\n')
            insert_bytes(h, i++, "\r", 1);
}

static void go_deep(struct hostile *h)
{
    static const char *const openings[] = {"[", "{a: ", "- ", "? ", "[\n", "{"};
    const char *opening = ANY(h, openings);
    put(h, "deep: ");
    for (size_t n = below(h, 60000); n > 0; n--)
        put(h, opening);
}

static void grow(struct hostile *h)
{
    for (size_t n = 5000 + below(h, 5000); n > 0; n--)
        put(h, "# a comment, to fill the file with so many bytes\n");
}

static void widen(struct hostile *h)
{
    for (size_t i = 0; i < h->len && h->len < 20000; i += 2)
        insert_bytes(h, i + 1, "\0", 1);
}

static void (*const text_mutations[])(struct hostile *h) = {
    cut_short, change_byte, add_byte, add_beginning, add_end, use_crlf, go_deep, grow, widen,
};

/* ---- files ---- */

/* Every file is called t.yaml. */
static void call_it_t(struct tree *y)
{
    for (size_t i = 0; i < y->count; i++)
        if (y->kind == TREE_MAP && strcmp(y->keys[i], "name") == 0)
            replace((struct spot){y, i}, new_node(TREE_TEXT, value_copy("t")));
}

struct hostile *hostile_new(uint64_t seed, char **sources, size_t count)
{
    struct hostile *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    h->chance.state = seed * 0x9E3779B97F4A7C15ull + 1;
    h->text = malloc(TEXT_CAP);
    h->sources = calloc(count, sizeof(struct tree *));
    if (!h->text || !h->sources)
        abort();
    for (; h->source_count < count; h->source_count++) {
        struct tree_problem p = {0};
        struct tree *y = tree_load(sources[h->source_count], &p);
        if (!y)
            abort();
        call_it_t(y);
        h->sources[h->source_count] = y;
    }
    return h;
}

void hostile_free(struct hostile *h)
{
    for (size_t i = 0; i < h->source_count; i++)
        tree_free(h->sources[i]);
    free(h->sources);
    free(h->text);
    free(h);
}

const char *hostile_next(struct hostile *h, size_t *len)
{
    struct tree *y = tree_clone(h->sources[below(h, h->source_count)]);
    for (size_t n = 1 + below(h, 3); n > 0; n--) {
        struct spot at = any_place(h, y);
        if (at.parent)
            ANY(h, tree_mutations)(h, at);
    }
    put_top(h, y);
    tree_free(y);
    for (size_t n = below(h, 4) ? 0 : 1 + below(h, 2); n > 0; n--)
        ANY(h, text_mutations)(h);
    *len = h->len;
    return h->text;
}
