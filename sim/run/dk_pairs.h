/* An SDU that leaves one end and reaches the other has two lines in a dk.log, in any order, since two
 * processes write: the first that leaves and the first that arrives of those that are alike are a pair. */
#ifndef sim_run_dk_pairs_h
#define sim_run_dk_pairs_h

#include <stdbool.h>

#include "lib/base/bytes.h"

struct dk_pair {
    const char *from, *to; /* whichever of them has the line */
    struct span bytes;     /* of the SDU; empty for all when only its way counts */
    size_t at;             /* the place of the line, the caller's */
    bool came;             /* it arrives; false: it leaves */
};

/* Sorts the list, and calls `take` for each pair with the places of both. */
void dk_pairs_find(struct dk_pair *list, size_t count, void (*take)(void *ctx, size_t left, size_t came),
                   void *ctx);

#endif
