/* CAN: frames on the segments of a vehicle. A port names its segment; the first vehicle's buses are called as
 * their segments ("body"), those of others are cut short behind the vehicle's number ("v0007.tele"):
 * interface names of the kernel, and so of can.log, have 15 characters. */
#ifndef lib_media_can_can_h
#define lib_media_can_can_h

#include "lib/can/matrix.h"
#include "lib/host/medium.h"

extern const struct medium medium_can;

#define CAN_BUS_NAME 16
/* Name of a vehicle's bus; group as in virtual_add. */
void can_bus_name(unsigned group, enum segment s, char out[CAN_BUS_NAME]);

#endif
