#include "lib/media/call/call.h"

const struct medium medium_call = {.name = "call", .ready = LINK_UP};
