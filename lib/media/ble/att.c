/* Reading attributes by their UUID (Core Specification, volume 3 part F, 3.4.4.1). An attribute's handle is
 * its number, from 1. */
#include <string.h>

#include "lib/media/ble/parts.h"

enum { ATT_ERROR = 0x01, ATT_READ = 0x08, ATT_VALUE = 0x09 };
enum { ATT_INVALID_HANDLE = 0x01, ATT_NOT_FOUND = 0x0A, ATT_ENCRYPTION = 0x0F };

static bool uuid_equal(const struct ble_uuid *a, const struct ble_uuid *b)
{
    return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

enum err ble_attribute_set(struct ble_device *d, const struct ble_said *said)
{
    size_t i = 0;
    while (i < d->attribute_count && !uuid_equal(&d->attributes[i].uuid, &said->uuid))
        i++;
    if (i == BLE_ATTRIBUTES)
        return ERR_NO_SPACE;
    struct ble_attribute *at = &d->attributes[i];
    *at = (struct ble_attribute){.uuid = said->uuid, .encrypted = said->encrypted, .len = said->value_len};
    memcpy(at->value, said->value, said->value_len);
    d->attribute_count += i == d->attribute_count;
    return ERR_OK;
}

/* ---- the central's end ---- */

enum err ble_att_read(struct ble_air *a, const struct ble_uuid *uuid)
{
    uint8_t pdu[5 + 16] = {ATT_READ, 0x01, 0x00, 0xFF, 0xFF};
    if (a->link.reading)
        return ERR_BUSY;
    for (size_t i = 0; i < uuid->len; i++)
        pdu[5 + i] = uuid->octets[uuid->len - 1 - i];
    a->link.reading = true;
    a->link.read = *uuid;
    ble_pdu_put(a, CID_ATT, span_of(pdu, 5 + uuid->len));
    return ERR_OK;
}

/* Length of each entry, handle, value: there is one entry. */
static enum err take_value(struct ble_air *a, struct span pdu)
{
    struct ble_said said = {.uuid = a->link.read};
    if (pdu.len < 4 || pdu.p[1] != pdu.len - 2 || pdu.len - 4 > BLE_VALUE_MAX)
        return ERR_MSG_MALFORMED;
    said.value_len = pdu.len - 4;
    memcpy(said.value, pdu.p + 4, said.value_len);
    ble_link_news(a, BLE_NEWS_VALUE, &said);
    return ERR_OK;
}

static enum err take_error(struct ble_air *a, struct span pdu)
{
    struct ble_said said = {.uuid = a->link.read};
    if (pdu.len != 5 || pdu.p[1] != ATT_READ)
        return ERR_MSG_MALFORMED;
    said.reason = pdu.p[4];
    ble_link_news(a, BLE_NEWS_NO_VALUE, &said);
    return ERR_OK;
}

static enum err take_answer(struct ble_air *a, struct span pdu)
{
    if (!a->link.reading)
        return ERR_MSG_UNEXPECTED;
    a->link.reading = false;
    return pdu.p[0] == ATT_VALUE ? take_value(a, pdu) : take_error(a, pdu);
}

/* ---- the peripheral's ---- */

static void put_error(struct ble_air *a, size_t handle, uint8_t code)
{
    const uint8_t pdu[] = {ATT_ERROR, ATT_READ, (uint8_t)handle, (uint8_t)(handle >> 8), code};
    ble_pdu_put(a, CID_ATT, span_of(pdu, sizeof pdu));
}

static void put_value(struct ble_air *a, size_t handle, const struct ble_attribute *at)
{
    uint8_t answer[4 + BLE_VALUE_MAX] = {ATT_VALUE, (uint8_t)(2 + at->len), (uint8_t)handle};
    memcpy(answer + 4, at->value, at->len);
    ble_pdu_put(a, CID_ATT, span_of(answer, 4 + at->len));
}

/* Of that UUID, within these handles; 0: none. */
static size_t find_handle(const struct ble_device *d, const struct ble_uuid *uuid, size_t first, size_t last)
{
    for (size_t i = 0; i < d->attribute_count; i++)
        if (i + 1 >= first && i + 1 <= last && uuid_equal(&d->attributes[i].uuid, uuid))
            return i + 1;
    return 0;
}

static enum err take_read(struct ble_air *a, struct span pdu)
{
    struct ble_uuid uuid = {.len = pdu.len - 5};
    if (pdu.len != 5 + 2 && pdu.len != 5 + 16)
        return ERR_MSG_MALFORMED;
    for (size_t k = 0; k < uuid.len; k++)
        uuid.octets[k] = pdu.p[pdu.len - 1 - k];
    size_t first = pdu.p[1] | (size_t)pdu.p[2] << 8, last = pdu.p[3] | (size_t)pdu.p[4] << 8;
    size_t handle = find_handle(a->device, &uuid, first, last);
    const struct ble_attribute *at = handle ? &a->device->attributes[handle - 1] : NULL;
    if (first == 0 || first > last)
        put_error(a, first, ATT_INVALID_HANDLE);
    else if (!at)
        put_error(a, first, ATT_NOT_FOUND);
    else if (at->encrypted && a->link.cipher.state != CIPHER_ON)
        put_error(a, handle, ATT_ENCRYPTION);
    else
        put_value(a, handle, at);
    return ERR_OK;
}

enum err ble_att_take(struct ble_air *a, struct span pdu)
{
    if (pdu.len == 0)
        return ERR_MSG_MALFORMED;
    if (a->device->central && (pdu.p[0] == ATT_VALUE || pdu.p[0] == ATT_ERROR))
        return take_answer(a, pdu);
    return !a->device->central && pdu.p[0] == ATT_READ ? take_read(a, pdu) : ERR_MSG_UNEXPECTED;
}
