/* The Vehicle OEM Server: subject ids and identity certificates of vehicles (PP-01, server side). */
#ifndef backend_vos_vos_h
#define backend_vos_vos_h

#include "lib/env/env.h"

/* Store, beside lib/msg/responder.h: ECUs registered by the plant, vehicle records (backend.proto), retired
 * [K]s by serial and generation. */
#define VOS_ECU_PREFIX     "ecu/"
#define VOS_VEHICLE_PREFIX "vehicle/"
#define VOS_RETIRED_PREFIX "retired/"

extern const struct component_class vos_class;

#endif
