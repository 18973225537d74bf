/* YAML files as a tree in which every value knows its place. The first problem is kept with file, line and
 * column and, for a misspelt word, a suggestion.
 *
 * A file is UTF-8 text of one document: mappings, lists and plain values. What a scenario has no use for and
 * could hide something is refused: anchors, aliases, tags, directives, characters that show nothing. */
#ifndef sim_language_tree_h
#define sim_language_tree_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_FILE_MAX 262144 /* bytes of a file */
#define TREE_DEPTH    16     /* lists and mappings in each other */
#define TREE_NODES    20000  /* values of a file */
#define TREE_KEYS     400    /* keys of one mapping */
#define TREE_TEXT_MAX 256    /* bytes of a value or a key */

enum tree_kind { TREE_TEXT, TREE_LIST, TREE_MAP };

/* Where something stands in its file, from 1; columns count characters. */
struct tree_mark {
    unsigned line, column;
};

/* What was made of a plain value: its text in normal form, and the unit that is the end of its name. */
struct tree_leaf {
    char text[TREE_TEXT_MAX + 1];
    const char *unit; /* "_ms"; NULL: nobody has read the value */
};

struct tree {
    enum tree_kind kind;
    struct tree_mark at;
    char *text;             /* TEXT */
    struct tree_leaf *leaf; /* TEXT of a file; NULL: nobody asks what is made of it */
    char **keys;            /* MAP, as many as items */
    struct tree_mark *key_marks;
    struct tree **items; /* LIST, MAP */
    size_t count;
};

struct tree_problem {
    const char *file;
    unsigned line, column; /* 0: of no file */
    char text[300];        /* "": none found */
};

/* ---- loading: load.c ---- */

/* NULL and a problem when the file cannot be read or is none of the above. */
struct tree *tree_load(const char *file, struct tree_problem *problem);
struct tree *tree_clone(const struct tree *y);
void tree_free(struct tree *y);

/* ---- problems: suggest.c ---- */

/* Notes a problem at a value; only the first is kept. Always returns false, for `return tree_bad(...)`. */
bool tree_bad(struct tree_problem *p, struct tree_mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a word that is none of the candidates (NULL-terminated): names the closest, or all. */
bool tree_unknown(struct tree_problem *p, struct tree_mark at, const char *what, const char *word,
                  const char *const *candidates);
/* Edit distance, for suggestions: characters too many, missing, wrong, or two in the wrong order. */
unsigned text_distance(const char *a, const char *b);
/* The candidate meant: the shortest that begins with the word, or else the closest; NULL when none is near.
 */
const char *text_closest(const char *word, const char *const *candidates);

/* ---- values: tree.c ---- */

/* NULL when it is not there, or y is no mapping. */
const struct tree *tree_get(const struct tree *map, const char *key);
bool tree_text(const struct tree *y, char *out, size_t cap, struct tree_problem *p);
bool tree_number(const struct tree *y, uint64_t min, uint64_t max, uint64_t *out, struct tree_problem *p);
/* "500 ms", "2 s", "100 us", in units of `unit_us`, 1 or 1000: a part of one is refused. `min` and `max` in
 * the same unit; `max` at most TREE_DURATION_MAX_US. */
#define TREE_DURATION_MAX_US (7 * 86400 * 1000000ull)
bool tree_duration(const struct tree *y, unsigned unit_us, uint64_t min, uint64_t max, uint64_t *out,
                   struct tree_problem *p);
/* Index in a NULL-terminated list of words. */
bool tree_word(const struct tree *y, const char *what, const char *const *words, unsigned *out,
               struct tree_problem *p);
/* A list, or a mapping, of min to max entries; `form` says in words what it is to be. */
bool tree_list(const struct tree *y, size_t min, size_t max, const char *form, struct tree_problem *p);
bool tree_map(const struct tree *y, size_t max, const char *form, struct tree_problem *p);
/* Notes what was made of a value; always true. */
bool tree_understood(const struct tree *y, const char *unit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Has every plain value been read by somebody? */
bool tree_all_read(const struct tree *y, struct tree_problem *p);

#endif
