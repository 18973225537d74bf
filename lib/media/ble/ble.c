#include "lib/media/ble/ble.h"

const struct medium medium_ble = {.name = "ble", .ready = LINK_UP, .distances = true};
