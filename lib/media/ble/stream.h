/* What has come on a socket of Bluetooth LE and is not yet a whole frame. No I/O: whoever reads puts octets
 * behind `len`, as many as there is room for. */
#ifndef lib_media_ble_stream_h
#define lib_media_ble_stream_h

#include "lib/media/ble/device.h"

struct ble_stream {
    uint8_t bytes[BLE_HEADER + BLE_FRAME_MAX];
    size_t len;
};

/* Hands the whole frames to the device; there is room again behind them. An error: the other end does not
 * keep to the form, and the air is to be ended. ERR_MSG_TOO_LONG as soon as a header says so. */
enum err ble_stream_take(struct ble_stream *s, struct ble_device *d, unsigned air);
/* Where a greeting ends, by its header; SIZE_MAX before that is there. What stands behind it has come with
 * it. */
size_t ble_greeting_len(struct span said);

#endif
