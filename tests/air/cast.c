/* The cast of this folder's program, in place of the one in sim. */
#include "lib/env/cast.h"
#include "tests/air/air.h"

static const struct component_class *const classes[] = {&lock_class, &fob_class};

const struct cast cast = {classes, sizeof classes / sizeof classes[0]};
