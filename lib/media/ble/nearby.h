/* Whom a central's driver may reach, as the set-up has written it into the endpoint:
 * "<folder>;<peripheral>;<peripheral>=<socket>". */
#ifndef lib_media_ble_nearby_h
#define lib_media_ble_nearby_h

#include "lib/base/bytes.h"
#include "lib/media/ble/ble.h"

struct ble_nearby {
    char name[ENV_NAME_MAX], path[108];
    bool foreign; /* somebody outside the run plays it: only the user is known */
};

/* Behind "central:". False when it is not of that form, or names too many. */
bool ble_nearby_read(const char *text, struct ble_nearby out[BLE_AIRS], size_t *count);

#endif
