#include "lib/ccc/device_config.h"

#include <string.h>

#include "lib/ccc/tlv.h"

enum {
    TAG_VERSIONS = 0x5B,
    TAG_INFO = 0x59,
    TAG_AUTH1_CONFIDENTIAL = 0x4A,
    TAG_AUTH1_PRIVATE = 0x4B,
    TAG_SHARING_PASSWORD = 0xD7,
    TAG_SHARING_PASSWORD_LEN = 0xD8,
    TAG_PROFILES = 0xD9,
    TAG_RADIOS = 0x7F49,
    TAG_SHARING = 0x7F60,
    TAG_OEM = 0x7F2A
};
/* children of 7F49 */
enum {
    TAG_NFC = 0x5F50,
    TAG_NFC_LONG = 0x7F50,
    TAG_UWB = 0x5F51,
    TAG_UWB_LONG = 0x7F51,
    TAG_BLE = 0x7F52,
    TAG_IRK = 0xD0,
    TAG_ADDRESS = 0xD1,
    TAG_FLAG = 0xD2,
    TAG_KBLE_OOB = 0xD3,
    TAG_KBLE_INTRO = 0xD4,
    TAG_KBLE_OOB_MASTER = 0xD5
};
/* children of 7F60 */
enum { TAG_SOURCE = 0xDA, TAG_MAX_ATTESTATIONS = 0xDD };

#define CHILDREN_MAX 160

/* ---- writing ---- */

static void put_part(struct wr *w, uint16_t tag, const struct mailbox_part *p)
{
    if (p->len == 0)
        return;
    tlv_put_header(w, tag, 3);
    wr_be16(w, p->offset);
    wr_u8(w, p->len);
}

static void put_key(struct wr *w, uint16_t tag, const uint8_t *key)
{
    if (key)
        tlv_put(w, tag, span_of(key, CCC_KEY));
}

static void put_radios(struct wr *w, const struct device_config *d)
{
    uint8_t ble[CHILDREN_MAX], all[CHILDREN_MAX];
    struct wr b = wr_of(ble, sizeof ble), r = wr_of(all, sizeof all);
    tlv_put(&b, TAG_IRK, span_of(d->ble.irk, CCC_KEY));
    tlv_put(&b, TAG_ADDRESS, span_of(d->ble.address, sizeof d->ble.address));
    tlv_put(&b, TAG_FLAG, span_of(&d->ble.flag, 1));
    put_key(&b, TAG_KBLE_OOB, d->ble.kble_oob);
    put_key(&b, TAG_KBLE_INTRO, d->ble.kble_intro);
    put_key(&b, TAG_KBLE_OOB_MASTER, d->ble.kble_oob_master_online);
    if (d->nfc)
        tlv_put_header(&r, TAG_NFC, 0);
    if (d->uwb)
        tlv_put_header(&r, TAG_UWB, 0);
    if (d->ble.present)
        tlv_put(&r, TAG_BLE, span_of(ble, b.len));
    tlv_put(w, TAG_RADIOS, span_of(all, r.len));
    w->failed |= r.failed || b.failed;
}

void device_config_put(struct wr *w, const struct device_config *d)
{
    const uint8_t required = d->sharing_password;
    if (d->versions.n)
        op_versions_put(w, TAG_VERSIONS, &d->versions);
    if (d->vehicle_info.len)
        tlv_put(w, TAG_INFO, d->vehicle_info);
    put_part(w, TAG_AUTH1_CONFIDENTIAL, &d->auth1_confidential);
    put_part(w, TAG_AUTH1_PRIVATE, &d->auth1_private);
    tlv_put(w, TAG_SHARING_PASSWORD, span_of(&required, 1));
    if (d->sharing_password)
        tlv_put(w, TAG_SHARING_PASSWORD_LEN, span_of(&d->sharing_password_len, 1));
    if (d->profiles.len)
        tlv_put(w, TAG_PROFILES, d->profiles);
    put_radios(w, d);
    if (d->sharing.present) {
        tlv_put_header(w, TAG_SHARING, 6);
        tlv_put(w, TAG_SOURCE, span_of(&d->sharing.source, 1));
        tlv_put(w, TAG_MAX_ATTESTATIONS, span_of(&d->sharing.max_attestations, 1));
    }
    if (d->oem.len)
        tlv_put(w, TAG_OEM, d->oem);
}

/* ---- reading ---- */

/* The value of an optional TLV of that length (0: any); {NULL, 0} when it is absent. */
static enum err optional(struct span in, uint16_t tag, size_t len, struct span *out)
{
    struct tlv t;
    *out = (struct span){0};
    enum err e = tlv_find_once(in, tag, &t);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (!e && len && t.value.len != len)
        return ERR_BAD_ARGUMENT;
    if (!e)
        *out = t.value;
    return e;
}

static enum err optional_u8(struct span in, uint16_t tag, uint8_t *out)
{
    struct span v;
    enum err e = optional(in, tag, 1, &v);
    if (!e && v.p)
        *out = v.p[0];
    return e;
}

static enum err optional_part(struct span in, uint16_t tag, struct mailbox_part *out)
{
    struct span v;
    enum err e = optional(in, tag, 3, &v);
    if (!e && v.p)
        *out = (struct mailbox_part){(uint16_t)(v.p[0] << 8 | v.p[1]), v.p[2]};
    return e;
}

static enum err parse_ble(struct span value, struct device_config_ble *out)
{
    struct device_config_ble b = {.present = true};
    struct span irk, address, v[3];
    static const uint16_t keys[3] = {TAG_KBLE_OOB, TAG_KBLE_INTRO, TAG_KBLE_OOB_MASTER};
    enum err e = tlv_find_exact(value, TAG_IRK, CCC_KEY, &irk);
    if (!e)
        e = tlv_find_exact(value, TAG_ADDRESS, DEVICE_CONFIG_BLE_ADDRESS, &address);
    if (!e)
        e = optional_u8(value, TAG_FLAG, &b.flag);
    for (size_t i = 0; !e && i < 3; i++)
        e = optional(value, keys[i], CCC_KEY, &v[i]);
    if (e)
        return e;
    memcpy(b.irk, irk.p, irk.len);
    memcpy(b.address, address.p, address.len);
    b.kble_oob = v[0].p;
    b.kble_intro = v[1].p;
    b.kble_oob_master_online = v[2].p;
    *out = b;
    return ERR_OK;
}

static enum err parse_radios(struct span value, struct device_config *d)
{
    struct tlv t;
    d->nfc = tlv_find(value, TAG_NFC, &t) == ERR_OK || tlv_find(value, TAG_NFC_LONG, &t) == ERR_OK;
    d->uwb = tlv_find(value, TAG_UWB, &t) == ERR_OK || tlv_find(value, TAG_UWB_LONG, &t) == ERR_OK;
    enum err e = tlv_find_once(value, TAG_BLE, &t);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    return e ? e : parse_ble(t.value, &d->ble);
}

static enum err parse_sharing(struct span value, struct device_config_sharing *out)
{
    struct device_config_sharing s = {.present = true, .max_attestations = 1};
    enum err e = optional_u8(value, TAG_SOURCE, &s.source);
    if (!e)
        e = optional_u8(value, TAG_MAX_ATTESTATIONS, &s.max_attestations);
    if (!e && (s.max_attestations < 1 || s.max_attestations > 16))
        e = ERR_BAD_ARGUMENT;
    if (!e)
        *out = s;
    return e;
}

enum err device_config_parse(struct span value, struct device_config *out)
{
    struct device_config d = {0};
    struct span versions, sharing;
    struct tlv radios;
    uint8_t password = 0;
    enum err e;
    if ((e = optional(value, TAG_VERSIONS, 0, &versions)) ||
        (versions.p && (e = op_versions_parse(versions, &d.versions))) ||
        (e = optional(value, TAG_INFO, 0, &d.vehicle_info)) ||
        (e = optional_part(value, TAG_AUTH1_CONFIDENTIAL, &d.auth1_confidential)) ||
        (e = optional_part(value, TAG_AUTH1_PRIVATE, &d.auth1_private)) ||
        (e = optional_u8(value, TAG_SHARING_PASSWORD, &password)))
        return e;
    if (password > 1)
        return ERR_BAD_ARGUMENT;
    if ((e = optional_u8(value, TAG_SHARING_PASSWORD_LEN, &d.sharing_password_len)) ||
        (e = optional(value, TAG_PROFILES, 0, &d.profiles)) ||
        (e = tlv_find_once(value, TAG_RADIOS, &radios)) || (e = parse_radios(radios.value, &d)) ||
        (e = optional(value, TAG_SHARING, 0, &sharing)) ||
        (sharing.p && (e = parse_sharing(sharing, &d.sharing))) || (e = optional(value, TAG_OEM, 0, &d.oem)))
        return e;
    d.sharing_password = password;
    *out = d;
    return ERR_OK;
}
