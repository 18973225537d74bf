/* The Telematics Box Module: CAN on one side, GSDP on the other. Tells the vehicle by a cyclic message
 * whether GSDP can be reached, carries messages both ways without opening them, and holds what it cannot
 * deliver. Diagnostics: docs/uds.md. */
#ifndef tbm_tbm_h
#define tbm_tbm_h

#include "lib/env/env.h"

extern const struct component_class tbm_class;

#endif
