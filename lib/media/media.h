/* The one table of media. A new medium is a folder and a row here; from it come the drivers of component
 * processes, the twins of the virtual world and the set-ups of the runner, each in a list of its own, because
 * no program has all three.
 *
 * Row m stands for medium_m, link_driver_m, twin_m and setup_m. */
#ifndef lib_media_media_h
#define lib_media_media_h

#include "lib/host/medium.h"

#define MEDIA_LIST(X) \
    X(can)            \
    X(gsdp)           \
    X(call)           \
    X(http)           \
    X(mail)           \
    X(nfc)            \
    X(ble)

#define X(m)                                         \
    extern const struct medium medium_##m;           \
    extern const struct link_driver link_driver_##m; \
    extern const struct twin twin_##m;               \
    extern const struct setup setup_##m;
MEDIA_LIST(X)
#undef X

/* Each with NULL at the end. */
extern const struct medium *const media[];
extern const struct link_driver *const media_drivers[];
extern const struct twin *const media_twins[];
extern const struct setup *const media_setups[];

#endif
