/* The service provisioning service of GSDP: gives each registered ECU its drmUUID (SP-02). The broker
 * itself is mosquitto, or the virtual world's. */
#ifndef backend_gsdp_gsdp_h
#define backend_gsdp_gsdp_h

#include "lib/env/env.h"

/* Store, beside lib/msg/responder.h: drmUUID by ECU serial, 16 bytes. */
#define GSDP_DRM_UUID_PREFIX "drm/"

extern const struct component_class gsdp_class;

#endif
