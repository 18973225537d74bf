/* A CAN wire of 500 kbit/s and 2 Mbit/s: how long a frame takes on it, and who goes first. Both worlds take
 * their bus time from here. */
#ifndef lib_can_wire_h
#define lib_can_wire_h

#include "lib/can/frame.h"

#define WIRE_NOMINAL_BPS 500000u
#define WIRE_DATA_BPS    2000000u /* the data phase of frames with BRS */

/* From start of frame to the end of the intermission (ISO 11898-1, 10.4); stuff bits as in ordinary data. */
uint64_t wire_time_us(const struct bus_frame *f);
/* Arbitration field as a number: the lower one wins (ISO 11898-1, 10.3). */
uint32_t wire_priority(const struct bus_frame *f);

#endif
