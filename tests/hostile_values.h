/* Values for hostile files: by kind of value, and such as no scenario has; and rows of the language's tables,
 * by chance. */
#ifndef tests_hostile_values_h
#define tests_hostile_values_h

#include "sim/language/language.h"

struct chance {
    uint64_t state; /* not 0 */
};
uint64_t chance_draw(struct chance *c);
/* From 0 to n - 1. */
size_t chance_below(struct chance *c, size_t n);

/* Texts are the caller's. */
char *value_copy(const char *text);
char *value_hostile(struct chance *c);
/* As the row has it, or nearly. */
char *value_of_kind(struct chance *c, const struct tree_key *k);

const struct tree_key *row_any(struct chance *c);
/* Some row of that name; NULL when none was found in time. */
const struct tree_key *row_named(struct chance *c, const char *name);

#endif
