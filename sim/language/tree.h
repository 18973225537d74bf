/* YAML files as a tree in which every value knows its line, and strict reading of mappings by tables. The
 * first problem is kept with file, line and, for a misspelt word, a suggestion. */
#ifndef sim_language_tree_h
#define sim_language_tree_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_DEPTH 16    /* lists and mappings in each other */
#define TREE_NODES 20000 /* values of a file; one behind an alias counts each time */

enum tree_kind { TREE_TEXT, TREE_LIST, TREE_MAP };

struct tree {
    enum tree_kind kind;
    unsigned line;
    char *text;  /* TEXT */
    char **keys; /* MAP, as many as items */
    unsigned *key_lines;
    struct tree **items; /* LIST, MAP */
    size_t count;
};

struct tree_problem {
    const char *file;
    unsigned line; /* 0: none found */
    char text[300];
};

/* NULL and a problem when the file cannot be read or is not YAML. */
struct tree *tree_load(const char *file, struct tree_problem *problem);
void tree_free(struct tree *y);

/* Notes a problem at a value; only the first is kept. Always returns false, for `return tree_bad(...)`. */
bool tree_bad(struct tree_problem *p, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a word that is none of the candidates (NULL-terminated): names the closest. */
bool tree_unknown(struct tree_problem *p, unsigned line, const char *what, const char *word,
                  const char *const *candidates);

/* One permitted key of a mapping. */
struct tree_key {
    const char *name;
    bool (*read)(void *out, const struct tree *value, struct tree_problem *p);
    bool required;
};
/* Reads a mapping by a table that ends with a NULL name: unknown and missing keys are problems. */
bool tree_read_map(const struct tree *y, const char *what, const struct tree_key *keys, void *out,
                   struct tree_problem *p);
const struct tree *tree_get(const struct tree *map, const char *key);

/* Values. */
bool tree_text(const struct tree *y, char *out, size_t cap, struct tree_problem *p);
bool tree_number(const struct tree *y, uint64_t max, uint64_t *out, struct tree_problem *p);
/* "500 ms", "2 s", "100 us". */
bool tree_duration_us(const struct tree *y, uint64_t *out, struct tree_problem *p);
/* Index in a NULL-terminated list of words. */
bool tree_word(const struct tree *y, const char *what, const char *const *words, unsigned *out,
               struct tree_problem *p);

/* Edit distance, for suggestions. */
unsigned text_distance(const char *a, const char *b);
/* The candidate closest to word, or NULL when none is near. */
const char *text_closest(const char *word, const char *const *candidates);

#endif
