#include "sim/language/table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"

#define NAMES_MAX 40

/* ---- kinds of values ---- */

static bool read_text(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    if (!tree_text(y, at, k->size, p))
        return false;
    return strlen(at) >= k->min || tree_bad(p, y->at, "a text belongs here, and there is none");
}

static void print_text(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    text_copy(out, cap, at);
}

static bool read_number(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    return tree_number(y, k->min, k->max, at, p);
}

static void print_number(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    snprintf(out, cap, "%llu", (unsigned long long)*(const uint64_t *)at);
}

static bool read_count(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    uint64_t v;
    assert(k->max <= UINT32_MAX);
    if (!tree_number(y, k->min, k->max, &v, p))
        return false;
    *(unsigned *)at = (unsigned)v;
    return true;
}

static void print_count(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    snprintf(out, cap, "%u", *(const unsigned *)at);
}

static bool read_us(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    assert(k->max <= TREE_DURATION_MAX_US);
    return tree_duration(y, 1, k->min, k->max, at, p);
}

static bool read_ms(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    uint64_t v;
    assert(k->max <= TREE_DURATION_MAX_US / 1000);
    if (!tree_duration(y, 1000, k->min, k->max, &v, p))
        return false;
    *(uint32_t *)at = (uint32_t)v;
    return true;
}

static bool read_word(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    assert(k->size == sizeof(unsigned));
    return tree_word(y, k->name, k->words, at, p);
}

static void print_word(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    text_copy(out, cap, k->words[*(const unsigned *)at]);
}

static const char *const flags[] = {"false", "true", NULL};

static bool read_flag(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p)
{
    unsigned i;
    if (!tree_word(y, k->name, flags, &i, p))
        return false;
    *(bool *)at = i == 1;
    return true;
}

static void print_flag(const struct tree_key *k, const void *at, char *out, size_t cap)
{
    (void)k;
    text_copy(out, cap, flags[*(const bool *)at]);
}

const struct key_kind key_text = {"text", read_text, print_text, ""};
const struct key_kind key_number = {"number", read_number, print_number, ""};
const struct key_kind key_count = {"number", read_count, print_count, ""};
const struct key_kind key_us = {"duration", read_us, print_number, "_us"};
const struct key_kind key_ms = {"duration in whole ms", read_ms, print_count, "_ms"};
const struct key_kind key_word = {"word", read_word, print_word, ""};
const struct key_kind key_flag = {"false or true", read_flag, print_flag, ""};
const struct key_kind key_part = {"part", NULL, NULL, ""};

/* ---- mappings ---- */

const struct tree_key *table_find(const struct tree_key *keys, const char *name)
{
    while (keys->name && strcmp(keys->name, name) != 0)
        keys++;
    return keys->name ? keys : NULL;
}

static bool table_unknown(const struct tree *y, size_t i, const char *what, const struct tree_key *keys,
                          struct tree_problem *p)
{
    const char *names[NAMES_MAX + 1];
    size_t n = 0;
    char label[80];
    for (; keys[n].name && n < NAMES_MAX; n++)
        names[n] = keys[n].name;
    names[n] = NULL;
    snprintf(label, sizeof label, "key in %s", what);
    return tree_unknown(p, y->key_marks[i], label, y->keys[i], names);
}

bool table_take(const struct tree_key *k, const struct tree *y, void *out, struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1];
    void *at = (char *)out + k->offset;
    if (k->kind == &key_part)
        return k->part(out, y, p);
    if (!k->kind->read(k, y, at, p))
        return false;
    k->kind->print(k, at, text, sizeof text);
    return tree_understood(y, k->kind->unit, "%s", text);
}

bool tree_read_map(const struct tree *y, const char *what, const struct tree_key *keys, void *out,
                   struct tree_problem *p)
{
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->at, "%s must be a mapping (key: value)", what);
    for (size_t i = 0; i < y->count; i++) {
        const struct tree_key *k = table_find(keys, y->keys[i]);
        if (!k)
            return table_unknown(y, i, what, keys, p);
        if (!table_take(k, y->items[i], out, p))
            return false;
    }
    for (const struct tree_key *k = keys; k->name; k++)
        if (k->required && !tree_get(y, k->name))
            return tree_bad(p, y->at, "%s lacks the key \"%s\"", what, k->name);
    return true;
}
