/* The components there are: the one list from which both worlds, the scenario checker and the help are made.
 */
#ifndef sim_cast_h
#define sim_cast_h

#include "lib/env/env.h"

struct component_row {
    const char *name;
    const struct component_class *class; /* NULL: not written by us (the broker) */
    bool in_vehicle;                     /* knows its vehicle's serial */
    bool has_store;                      /* keeps something over a restart */
};

extern const struct component_row component_rows[];
extern const size_t component_row_count;

/* NULL for an unknown name. */
const struct component_row *component_find(const char *name);

#endif
