#include "lib/media/ble/stream.h"

#include <string.h>

static size_t payload_len(const uint8_t header[BLE_HEADER])
{
    return (size_t)header[1] << 8 | header[2];
}

enum err ble_stream_take(struct ble_stream *s, struct ble_device *d, unsigned air)
{
    size_t at = 0;
    enum err e = ERR_OK;
    while (!e && s->len - at >= BLE_HEADER) {
        size_t len = payload_len(s->bytes + at);
        if (len > BLE_FRAME_MAX)
            return ERR_MSG_TOO_LONG;
        if (s->len - at < BLE_HEADER + len)
            break;
        e = ble_device_take(d, air, span_of(s->bytes + at, BLE_HEADER + len));
        at += BLE_HEADER + len;
    }
    s->len -= at;
    memmove(s->bytes, s->bytes + at, s->len);
    return e;
}

size_t ble_greeting_len(struct span said)
{
    return said.len < BLE_HEADER ? SIZE_MAX : BLE_HEADER + payload_len(said.p);
}
