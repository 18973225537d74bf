/* The body controller: ignition, doors, engine start. It unlocks and starts only when a command of the SpaaK
 * Module says so, which names the authenticated transaction that caused it (lib/msg/cabin.h).
 *
 * What survives a loss of power: the doors, because latches are mechanical and stay where they are; and the
 * key of its commands. What does not: ignition and engine, whose relays drop without the controller; the fob,
 * which it must look for anew; a start that was pressed or authorised; the nonce. */
#ifndef ecu_bcm_bcm_h
#define ecu_bcm_bcm_h

#include "lib/env/env.h"

extern const struct component_class bcm_class;

#endif
