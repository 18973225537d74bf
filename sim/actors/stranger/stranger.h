/* A stranger at the door of the TBE who keeps to nothing: raw bytes over TLS, HTTP/1.1 and HTTP/2. Each
 * attack is a row of a table, with the answer that it must get; an honest request follows each, on a
 * connection of its own, and must be answered by the TBE. Process world only. */
#ifndef sim_actors_stranger_stranger_h
#define sim_actors_stranger_stranger_h

#include "lib/env/env.h"

extern const struct component_class stranger_class;

#endif
