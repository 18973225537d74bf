/* The cast of this folder's program, in place of the one in sim. */
#include "lib/env/cast.h"
#include "tests/readers/readers.h"

static const struct component_class *const classes[] = {&wcp_class, &asker_class, &phone_class, &card_class};

const struct cast cast = {classes, sizeof classes / sizeof classes[0]};
