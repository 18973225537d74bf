/* An attacker's NFC reader. It listens like a pad, and a phone is laid before it like before one (`place`
 * with its name). It has no secret of the vehicle that is attacked: what it has is key and [K] of a wreck of
 * the same make, the vehicle's end of lib/ccc, and the pairing password if a scenario gives it away.
 *
 * What it is told is done one after the other, each with a field of its own, and ends with a note. */
#ifndef sim_actors_skimmer_skimmer_h
#define sim_actors_skimmer_skimmer_h

#include "lib/env/env.h"

extern const struct component_class skimmer_class;

#endif
