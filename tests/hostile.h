/* Malformed scenario files, made from a seed: valid scenarios and the language's own tables, mutated. And
 * what must hold for each of them. Used by a short run in make test and a long one in make fuzz. */
#ifndef tests_hostile_h
#define tests_hostile_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTILE_PROBLEM 1024

struct hostile; /* a maker of files */

/* `sources`: paths of valid scenarios. Free it with hostile_free. */
struct hostile *hostile_new(uint64_t seed, char **sources, size_t count);
void hostile_free(struct hostile *h);
/* The next file's bytes, good until the next call. */
const char *hostile_next(struct hostile *h, size_t *len);

struct hostile_result {
    bool accepted;
    unsigned runs;                 /* of it in the virtual world */
    double longest_s;              /* reading, or one run */
    char problem[HOSTILE_PROBLEM]; /* what did not hold; "" when all did */
};

/* Writes the bytes to `path`, whose name ends with "/t.yaml", reads them as a scenario, and runs the first
 * variant of what is accepted, with its records in `out`; NULL: it is not run. */
void hostile_check(const char *path, const char *out, const char *text, size_t len,
                   struct hostile_result *result);

#endif
