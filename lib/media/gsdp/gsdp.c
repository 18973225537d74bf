#include "lib/media/gsdp/gsdp.h"

const struct medium medium_gsdp = {.name = "gsdp", .topics = true, .ready = LINK_SUBSCRIBED};
