#include "lib/media/ble/ble.h"

#include "lib/ble/words.h"
#include "lib/media/ble/radio.h"

static bool near(const char *way)
{
    struct ble_radio radio;
    return ble_radio_read(way, &radio) && ble_radio_reaches(&radio);
}

const struct medium medium_ble = {
    .name = "ble", .ready = LINK_UP, .distances = true, .near = near, .words_shown = ble_words_hide};
