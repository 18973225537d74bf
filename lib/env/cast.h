/* Who can take part: the classes that a program is built with. There is one such list, and each program has
 * it from the one file that defines `cast` (sim/cast.c). */
#ifndef lib_env_cast_h
#define lib_env_cast_h

#include "lib/env/component.h"

struct cast {
    const struct component_class *const *classes; /* in the order in which they are started: servers first */
    size_t count;
};
extern const struct cast cast;

/* NULL for an unknown name. */
const struct component_class *cast_find(const char *name);

#endif
