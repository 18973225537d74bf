/* The head unit: a person asks here for digital keys, and reads what becomes of it. It asks the SpaaK Module
 * over the gateway (lib/msg/cabin.h), once for each press; nothing is repeated and nothing survives a loss of
 * power. */
#ifndef ecu_hu_hu_h
#define ecu_hu_hu_h

#include "lib/env/env.h"

extern const struct component_class hu_class;

#endif
