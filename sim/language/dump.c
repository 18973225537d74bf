/* What was understood of a scenario: a line for each value, in the order of the file.
 *
 *     # pp01-spaak-killed[PP-01/9]
 *     faults[0].kill.component = spaak
 *     faults[0].kill.restart_after_ms = 200
 *
 * Before the first line stands the scenario's label. A path has keys between dots and numbers of entries,
 * from 0, in brackets; a key of other characters than letters, digits, "_", "-" and "/" stands in quotes. The
 * unit of a duration is the end of its name. The value goes to the end of the line. */
#include <stdio.h>
#include <string.h>

#include "sim/language/language.h"

#define PATH_MAX_BYTES 2048 /* TREE_DEPTH keys of the greatest length would not be a scenario */

static bool is_plain_key(const char *key)
{
    size_t len = strlen(key);
    return len && strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/") == len;
}

static void add_key(char path[PATH_MAX_BYTES], const char *key)
{
    const char *quote = is_plain_key(key) ? "" : "\"";
    size_t len = strlen(path);
    snprintf(path + len, PATH_MAX_BYTES - len, "%s%s%s%s", len ? "." : "", quote, key, quote);
}

static void add_index(char path[PATH_MAX_BYTES], size_t index)
{
    size_t len = strlen(path);
    snprintf(path + len, PATH_MAX_BYTES - len, "[%zu]", index);
}

static void write_below(const struct tree *y, char path[PATH_MAX_BYTES], FILE *out)
{
    size_t len = strlen(path);
    if (y->kind == TREE_TEXT && y->leaf && y->leaf->unit)
        fprintf(out, "%s%s = %s\n", path, y->leaf->unit, y->leaf->text);
    for (size_t i = 0; i < y->count; i++) {
        if (y->kind == TREE_MAP)
            add_key(path, y->keys[i]);
        else
            add_index(path, i);
        write_below(y->items[i], path, out);
        path[len] = '\0';
    }
}

void dump_write(const struct scenario *s, const struct tree *y, FILE *out)
{
    char path[PATH_MAX_BYTES] = "", label[96];
    scenario_label(s, label);
    fprintf(out, "# %s\n", label);
    write_below(y, path, out);
}
