/* Existing CAN interfaces: what kind, is it up, bit rates. Virtual ones have no bit rate to set. */
#ifndef lib_media_can_can_control_h
#define lib_media_can_can_control_h

#include <stdbool.h>
#include <stddef.h>

/* Makes sure that an interface exists, is a CAN interface and is up; brings a controller up at 500 kbit/s
 * when it is down and we may. False and a sentence on what to do. */
bool can_control_ready(const char *interface, char *problem, size_t cap);

/* False for vcan and the like, which have no bit rate (and of which libsocketcan complains loudly). */
bool can_control_has_controller(const char *interface);

/* Makes a network namespace for this process (rootless where the system allows it) with one vcan interface
 * per name, each up, MTU for CAN FD. False and the reason; the process may then be in a namespace without
 * them. */
bool can_control_make_vcans(const char *const *names, size_t n, char *problem, size_t cap);
/* Does this kernel know CAN at all? */
bool can_control_kernel_has_can(void);

#endif
