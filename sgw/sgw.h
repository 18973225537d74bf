/* The Security Gateway: joins the four CAN segments and lets through what the message matrix allows, by
 * segment, identifier, direction, format, length and rate; diagnostics only while a tester that has proved
 * itself holds the gate open. All else is dropped and counted. It is diagnosed itself (docs/uds.md). */
#ifndef sgw_sgw_h
#define sgw_sgw_h

#include "lib/env/env.h"

extern const struct component_class sgw_class;

#endif
