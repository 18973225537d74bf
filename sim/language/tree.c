#include "sim/language/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"

const struct tree *tree_get(const struct tree *map, const char *key)
{
    for (size_t i = 0; map->kind == TREE_MAP && i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

bool tree_text(const struct tree *y, char *out, size_t cap, struct tree_problem *p)
{
    bool plain = y->kind == TREE_TEXT, fits = plain && strlen(y->text) < cap;
    if (!plain)
        tree_bad(p, y->at, "a plain value belongs here, not a list or mapping");
    else if (!fits)
        tree_bad(p, y->at, "\"%.40s...\" is longer than %zu bytes", y->text, cap - 1);
    text_copy(out, cap, fits ? y->text : "");
    return fits;
}

/* Digits only, and no more than fit; false for anything else. */
static bool read_digits(const char *text, size_t len, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || *out > (UINT64_MAX - digit) / 10)
            return false;
        *out = 10 * *out + digit;
    }
    return len > 0;
}

bool tree_number(const struct tree *y, uint64_t min, uint64_t max, uint64_t *out, struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1];
    if (!tree_text(y, text, sizeof text, p))
        return false;
    if (read_digits(text, strlen(text), out) && *out >= min && *out <= max)
        return true;
    return tree_bad(p, y->at, "\"%.40s\" is not a number from %llu to %llu", text, (unsigned long long)min,
                    (unsigned long long)max);
}

static const struct {
    const char *name;
    uint64_t us;
} units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};

/* "1500 ms" for a bound. */
static const char *duration_text(uint64_t us, char out[32])
{
    size_t u = sizeof units / sizeof units[0] - 1;
    while (u > 0 && (us < units[u].us || us % units[u].us))
        u--;
    snprintf(out, 32, "%llu %s", (unsigned long long)(us / units[u].us), units[u].name);
    return out;
}

/* A number and a unit, a blank between them or none. */
static bool parse_duration(const char *text, uint64_t *us)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + (text[digits] == ' ');
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++)
        if (strcmp(unit, units[u].name) == 0)
            return read_digits(text, digits, us) && !__builtin_mul_overflow(*us, units[u].us, us);
    return false;
}

bool tree_duration(const struct tree *y, unsigned unit_us, uint64_t min, uint64_t max, uint64_t *out,
                   struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1], least[32], most[32];
    uint64_t us;
    if (!tree_text(y, text, sizeof text, p))
        return false;
    if (!parse_duration(text, &us))
        return tree_bad(p, y->at,
                        "\"%.40s\" is not a duration; write it like \"500 ms\", \"2 s\" or \"100 us\"", text);
    if (us % unit_us)
        return tree_bad(p, y->at, "\"%.40s\": this goes by whole milliseconds", text);
    *out = us / unit_us;
    if (*out >= min && *out <= max)
        return true;
    return tree_bad(p, y->at, "\"%.40s\" is out of bounds: it goes from %s to %s", text,
                    duration_text(min * unit_us, least), duration_text(max * unit_us, most));
}

bool tree_word(const struct tree *y, const char *what, const char *const *words, unsigned *out,
               struct tree_problem *p)
{
    char text[TREE_TEXT_MAX + 1];
    if (!tree_text(y, text, sizeof text, p))
        return false;
    for (*out = 0; words[*out]; ++*out)
        if (strcmp(words[*out], text) == 0)
            return true;
    return tree_unknown(p, y->at, what, text, words);
}

bool tree_list(const struct tree *y, size_t min, size_t max, const char *form, struct tree_problem *p)
{
    if (y->kind != TREE_LIST)
        return tree_bad(p, y->at, "%s", form);
    if (y->count >= min && y->count <= max)
        return true;
    return tree_bad(p, y->at, "%s, of %zu to %zu entries", form, min, max);
}

bool tree_map(const struct tree *y, size_t max, const char *form, struct tree_problem *p)
{
    if (y->kind != TREE_MAP)
        return tree_bad(p, y->at, "%s", form);
    if (y->count >= 1 && y->count <= max)
        return true;
    return tree_bad(p, y->at, "%s, of 1 to %zu entries", form, max);
}

/* ---- what was made of it ---- */

bool tree_understood(const struct tree *y, const char *unit, const char *format, ...)
{
    va_list args;
    if (!y->leaf)
        return true;
    y->leaf->unit = unit;
    va_start(args, format);
    vsnprintf(y->leaf->text, sizeof y->leaf->text, format, args);
    va_end(args);
    return true;
}

bool tree_all_read(const struct tree *y, struct tree_problem *p)
{
    if (y->kind == TREE_TEXT && y->leaf && !y->leaf->unit)
        return tree_bad(p, y->at, "\"%.40s\" is read by nobody, and would do nothing", y->text);
    if (y->kind != TREE_TEXT && y->count == 0)
        return tree_bad(p, y->at, "nothing stands here; leave its key away");
    for (size_t i = 0; i < y->count; i++)
        if (!tree_all_read(y->items[i], p))
            return false;
    return true;
}
