#include "lib/media/nfc/nfc.h"

const struct medium medium_nfc = {.name = "nfc", .ready = LINK_UP, .apdus = true};
