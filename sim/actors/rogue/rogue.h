/* A node that is no ECU: puts given frames on a segment. Plays what is plugged into the OBD port. */
#ifndef sim_actors_rogue_rogue_h
#define sim_actors_rogue_rogue_h

#include "lib/env/env.h"

/* Call "inject": a frame as candump writes it, a segment, how many, how far apart. */
extern const struct component_class rogue_class;

#endif
