#include "lib/media/ble/ble.h"

#include "lib/ble/words.h"

const struct medium medium_ble = {
    .name = "ble", .ready = LINK_UP, .distances = true, .words_shown = ble_words_hide};
