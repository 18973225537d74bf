/* The NFC reader of the vehicle: in the charging pad, and with the setting `place: 1` in the door handle. It
 * makes the field and carries APDUs between the SpaaK Module and the Digital Key device that is before it; it
 * opens none of them but the answer to SELECT (OP-03, OP-04). What the two say to each other:
 * lib/msg/reader.h. */
#ifndef ecu_wcp_wcp_h
#define ecu_wcp_wcp_h

#include "lib/env/env.h"

extern const struct component_class wcp_class;

#endif
