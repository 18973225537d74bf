#include "lib/media/can/can.h"

#include <stdio.h>

const struct medium medium_can = {.name = "can", .frames = true, .ready = LINK_UP};

void can_bus_name(unsigned group, enum segment s, char out[CAN_BUS_NAME])
{
    if (group)
        snprintf(out, CAN_BUS_NAME, "v%04u.%.4s", group % 10000, segment_name(s));
    else
        snprintf(out, CAN_BUS_NAME, "%s", segment_name(s));
}
