/* Mappings by tables: one row per key says its name, what it holds, within which bounds, where that goes, and
 * whether it must be there. From the same rows files are read, words are suggested, what was understood is
 * told (`check --dump`), and malformed files are made for the tests. */
#ifndef sim_language_table_h
#define sim_language_table_h

#include <stddef.h>

#include "sim/language/tree.h"

struct tree_key;

/* What a plain value can be. `at` is where the row says. */
struct key_kind {
    const char *name; /* "duration", for people */
    bool (*read)(const struct tree_key *k, const struct tree *y, void *at, struct tree_problem *p);
    /* What is there now, in normal form; NULL for a part: it notes its own leaves. */
    void (*print)(const struct tree_key *k, const void *at, char *out, size_t cap);
    const char *unit; /* the end of the key's name in a dump: "_ms"; "" for none */
};

struct tree_key {
    const char *name;
    const struct key_kind *kind;
    bool required;
    size_t offset, size;      /* of the member that it goes to */
    uint64_t min, max;        /* numbers; durations in the kind's unit; a text's bytes */
    const char *const *words; /* NULL at the end */
    bool (*part)(void *out, const struct tree *y, struct tree_problem *p); /* lists, mappings in mappings */
    const void *of; /* what else the kind needs to know */
};

/* Rows. A value goes to a member of what the mapping is read into; a part gets all of it. */
#define KEY(text, kind_name, type, member, ...)                                       \
    {                                                                                 \
        .name = (text), .kind = &(key_##kind_name), .offset = offsetof(type, member), \
        .size = sizeof(((type *)0)->member), __VA_ARGS__                              \
    }
#define PART(text, function, ...)                                          \
    {                                                                      \
        .name = (text), .kind = &key_part, .part = (function), __VA_ARGS__ \
    }
#define END_OF_KEYS  \
    {                \
        .name = NULL \
    }

extern const struct key_kind key_text;   /* char[]; a text has `min` bytes at least */
extern const struct key_kind key_number; /* uint64_t */
extern const struct key_kind key_count;  /* unsigned */
extern const struct key_kind key_us;     /* uint64_t */
extern const struct key_kind key_ms;     /* uint32_t */
extern const struct key_kind key_word;   /* unsigned, or an enum: index in `words` */
extern const struct key_kind key_flag;   /* bool: false, true */
extern const struct key_kind key_part;

const struct tree_key *table_find(const struct tree_key *keys, const char *name);
/* Reads one value and notes what was made of it. */
bool table_take(const struct tree_key *k, const struct tree *y, void *out, struct tree_problem *p);
/* Reads a mapping by a table; unknown and missing keys are problems. */
bool tree_read_map(const struct tree *y, const char *what, const struct tree_key *keys, void *out,
                   struct tree_problem *p);

#endif
