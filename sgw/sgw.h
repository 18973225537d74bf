/* The Security Gateway: joins the four CAN segments and lets through what the message matrix allows, by
 * segment, identifier, direction, format, length and rate. All else is dropped and counted. */
#ifndef sgw_sgw_h
#define sgw_sgw_h

#include "lib/env/env.h"

extern const struct component_class sgw_class;

#endif
