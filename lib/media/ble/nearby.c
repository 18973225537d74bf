#include "lib/media/ble/nearby.h"

#include <string.h>

static bool read_nearby(struct ble_nearby *out, struct span folder, struct span entry)
{
    struct wr w = wr_of(out->path, sizeof out->path - 1);
    out->foreign = entry.len && *entry.p == *BLE_FOREIGN;
    entry = span_of(entry.p + out->foreign, entry.len - out->foreign);
    const uint8_t *equals = memchr(entry.p, '=', entry.len);
    size_t name = equals ? (size_t)(equals - entry.p) : entry.len;
    if (name == 0 || name >= sizeof out->name)
        return false;
    memcpy(out->name, entry.p, name);
    if (equals) {
        wr_copy(&w, equals + 1, entry.len - name - 1);
        return !w.failed;
    }
    wr_copy(&w, folder.p, folder.len);
    wr_u8(&w, '/');
    wr_copy(&w, entry.p, entry.len);
    wr_copy(&w, ".ble", 4);
    return !w.failed;
}

bool ble_nearby_read(const char *text, struct ble_nearby out[BLE_AIRS], size_t *count)
{
    struct span folder = span_of(text, strcspn(text, ";"));
    text += folder.len;
    *count = 0;
    while (*text == ';' && *count < BLE_AIRS) {
        struct span entry = span_of(text + 1, strcspn(text + 1, ";"));
        if (!read_nearby(&out[(*count)++], folder, entry))
            return false;
        text += 1 + entry.len;
    }
    return *text == '\0';
}
