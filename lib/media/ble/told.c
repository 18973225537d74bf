/* What a device is told: each word, by whom and to whom it may be said, and what it does. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/media/ble/parts.h"

/* ---- data of others ---- */

struct ble_oob *ble_oob_of(struct ble_device *d, const struct ble_address *of)
{
    for (size_t i = 0; i < BLE_OOBS; i++)
        if (d->oobs[i].used && ble_address_equal(&d->oobs[i].of, of))
            return &d->oobs[i];
    return NULL;
}

static enum err keep_oob(struct ble_device *d, const struct ble_said *said)
{
    struct ble_oob *o = ble_oob_of(d, &said->address);
    for (size_t i = 0; !o && i < BLE_OOBS; i++)
        if (!d->oobs[i].used)
            o = &d->oobs[i];
    if (!o)
        return ERR_NO_SPACE;
    *o = (struct ble_oob){.used = true, .of = said->address};
    memcpy(o->confirm, said->confirm, BLE_KEY);
    memcpy(o->random, said->key, BLE_KEY);
    return ERR_OK;
}

static enum err forget_oob(struct ble_device *d, const struct ble_address *of)
{
    struct ble_oob *o = ble_oob_of(d, of);
    if (!o)
        return ERR_NOT_FOUND;
    OPENSSL_cleanse(o, sizeof *o);
    return ERR_OK;
}

/* ---- what it is told: whose word it is, and to whom ---- */

enum whose { PERIPHERALS = 1, CENTRALS = 2, EITHER = 3 };
enum of_whom { ITSELF, ADVERTISER, LINK };

static const struct {
    enum whose whose;
    enum of_whom of;
} permitted[BLE_TELLS] = {
    [BLE_TELL_IDENTITY] = {EITHER, ITSELF},       [BLE_TELL_OOB] = {EITHER, ITSELF},
    [BLE_TELL_OOB_OF] = {EITHER, ITSELF},         [BLE_TELL_FORGET_OOB] = {EITHER, ITSELF},
    [BLE_TELL_ADVERTISE] = {PERIPHERALS, ITSELF}, [BLE_TELL_ADVERTISE_OFF] = {PERIPHERALS, ITSELF},
    [BLE_TELL_ATTRIBUTE] = {PERIPHERALS, ITSELF}, [BLE_TELL_LISTEN] = {PERIPHERALS, ITSELF},
    [BLE_TELL_SCAN] = {CENTRALS, ITSELF},         [BLE_TELL_SCAN_OFF] = {CENTRALS, ITSELF},
    [BLE_TELL_CONNECT] = {CENTRALS, ADVERTISER},  [BLE_TELL_READ] = {CENTRALS, LINK},
    [BLE_TELL_OPEN] = {CENTRALS, LINK},           [BLE_TELL_PAIR] = {CENTRALS, LINK},
    [BLE_TELL_DISCONNECT] = {EITHER, LINK},       [BLE_TELL_CLOSE_CHANNEL] = {EITHER, LINK},
    [BLE_TELL_SECURITY] = {EITHER, LINK},         [BLE_TELL_ENCRYPT] = {EITHER, LINK},
    [BLE_TELL_NO_KEY] = {PERIPHERALS, LINK},      [BLE_TELL_SIGNAL] = {PERIPHERALS, LINK},
};

static enum err set_identity(struct ble_device *d, const struct ble_said *said)
{
    d->has_identity = true;
    d->identity = said->address;
    memcpy(d->irk, said->confirm, BLE_KEY);
    return ERR_OK;
}

static enum err set_advertising(struct ble_device *d, bool on, const struct ble_said *said)
{
    if (on && said->value_len > BLE_AD_MAX)
        return ERR_BAD_ARGUMENT;
    d->advertises = on;
    d->address = said->address;
    d->ad_len = said->value_len;
    memcpy(d->ad, said->value, on ? said->value_len : 0);
    for (size_t i = 0; on && i < BLE_AIRS; i++)
        ble_air_announce(&d->airs[i]);
    return ERR_OK;
}

static enum err set_listening(struct ble_device *d, const struct ble_said *said)
{
    if (said->spsm < 0x80 || said->spsm > 0xFF || said->number < BLE_MTU_MIN || said->number > BLE_MTU_MAX)
        return ERR_BAD_ARGUMENT;
    d->spsm = said->spsm;
    d->mtu = said->number;
    return ERR_OK;
}

static enum err set_scanning(struct ble_device *d, bool on)
{
    d->scans = on;
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].there)
            ble_air_listen(&d->airs[i]);
    return ERR_OK;
}

static enum err obey(struct ble_device *d, enum ble_tell verb, const struct ble_said *said)
{
    switch (verb) {
    case BLE_TELL_IDENTITY:
        return set_identity(d, said);
    case BLE_TELL_OOB:
        d->oob_wanted = true;
        return ERR_OK;
    case BLE_TELL_OOB_OF:
        return keep_oob(d, said);
    case BLE_TELL_FORGET_OOB:
        return forget_oob(d, &said->address);
    case BLE_TELL_ADVERTISE:
    case BLE_TELL_ADVERTISE_OFF:
        return set_advertising(d, verb == BLE_TELL_ADVERTISE, said);
    case BLE_TELL_ATTRIBUTE:
        return ble_attribute_set(d, said);
    case BLE_TELL_LISTEN:
        return set_listening(d, said);
    default:
        return set_scanning(d, verb == BLE_TELL_SCAN);
    }
}

static enum err say_security(struct ble_air *a)
{
    bool on = a->link.cipher.state == CIPHER_ON;
    ble_link_news(a, BLE_NEWS_SECURITY, &(struct ble_said){.level = on ? 4 : 1, .number = on ? BLE_KEY : 0});
    return ERR_OK;
}

static enum err say_signal(struct ble_air *a)
{
    ble_link_news(a, BLE_NEWS_SIGNAL, &(struct ble_said){.signal = ble_radio_signal(&a->radio)});
    return ERR_OK;
}

static enum err obey_of_link(struct ble_air *a, enum ble_tell verb, const struct ble_said *said)
{
    switch (verb) {
    case BLE_TELL_READ:
        return ble_att_read(a, &said->uuid);
    case BLE_TELL_OPEN:
        return ble_channel_open(a, said->spsm, said->number);
    case BLE_TELL_PAIR:
        return ble_pairing_begin(a);
    case BLE_TELL_CLOSE_CHANNEL:
        return ble_channel_close(a);
    case BLE_TELL_SECURITY:
        return say_security(a);
    case BLE_TELL_ENCRYPT:
        return ble_cipher_use(a, said->confirm);
    case BLE_TELL_NO_KEY:
        return ble_cipher_refuse(a);
    case BLE_TELL_SIGNAL:
        return say_signal(a);
    default:
        ble_link_drop(a, HCI_LOCAL_ENDED, said->reason);
        return ERR_OK;
    }
}

static struct ble_air *air_of_link(struct ble_device *d, const char *address)
{
    struct ble_address other;
    if (ble_address_read(address, &other) != ERR_OK)
        return NULL;
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].link.state == BLE_LINKED && ble_address_equal(&d->airs[i].link.other, &other))
            return &d->airs[i];
    return NULL;
}

static enum err connect_to(struct ble_device *d, const char *address, const struct ble_address *own)
{
    struct ble_address other;
    if (ble_address_read(address, &other) != ERR_OK)
        return ERR_BAD_ARGUMENT;
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].heard && ble_address_equal(&d->airs[i].advertiser, &other))
            return ble_link_connect(&d->airs[i], own);
    return ERR_NOT_FOUND;
}

static enum err obey_words(struct ble_device *d, const char *address, enum ble_tell verb,
                           const struct ble_said *said)
{
    if (!(permitted[verb].whose & (d->central ? CENTRALS : PERIPHERALS)))
        return ERR_MSG_UNEXPECTED;
    if (permitted[verb].of == ADVERTISER)
        return connect_to(d, address, &said->address);
    if (permitted[verb].of == ITSELF)
        return *address ? ERR_BAD_ARGUMENT : obey(d, verb, said);
    struct ble_air *a = air_of_link(d, address);
    return a ? obey_of_link(a, verb, said) : ERR_NOT_FOUND;
}

enum err ble_device_tell(struct ble_device *d, const char *address, const char *words)
{
    enum ble_tell verb;
    struct ble_said said;
    enum err e = ble_tell_read(words, &verb, &said);
    if (e)
        return e;
    e = obey_words(d, address, verb, &said);
    OPENSSL_cleanse(&said, sizeof said);
    return e;
}

enum err ble_device_send(struct ble_device *d, const char *address, struct span bytes)
{
    struct ble_air *a = air_of_link(d, address);
    return a ? ble_channel_send(a, bytes) : ERR_NOT_FOUND;
}
