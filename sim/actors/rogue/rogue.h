/* A node that is no ECU: puts given frames on a segment. Plays what is plugged into the OBD port. */
#ifndef sim_actors_rogue_rogue_h
#define sim_actors_rogue_rogue_h

#include "lib/env/env.h"

/* Arguments: segment=<name> frame=<candump text> count=<n> every_us=<n> start_us=<n>. */
extern const struct component_class injector_class;

#endif
