#include "lib/media/ble/device.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/media/ble/parts.h"

/* ---- queues ---- */

bool ble_queue_put(struct ble_queue *q, struct span head, struct span body, uint64_t due_us)
{
    struct ble_packet *p = malloc(sizeof *p + head.len + body.len);
    if (!p)
        return false;
    *p = (struct ble_packet){.due_us = due_us, .len = head.len + body.len};
    struct wr w = wr_of(p->bytes, p->len);
    wr_copy(&w, head.p, head.len);
    wr_copy(&w, body.p, body.len);
    if (!q->last)
        q->last = &q->first;
    *q->last = p;
    q->last = &p->next;
    q->count++;
    return true;
}

struct ble_packet *ble_queue_take(struct ble_queue *q)
{
    struct ble_packet *p = q->first;
    if (!p)
        return NULL;
    q->first = p->next;
    q->count--;
    if (!q->first)
        q->last = NULL;
    return p;
}

void ble_queue_clear(struct ble_queue *q)
{
    for (struct ble_packet *p = ble_queue_take(q); p; p = ble_queue_take(q)) {
        OPENSSL_cleanse(p->bytes, p->len);
        free(p);
    }
}

/* ---- what the component is to hear ---- */

static void upcall(struct ble_device *d, const struct ble_address *of, bool is_bytes, struct span data)
{
    struct ble_upcall *u = malloc(sizeof *u + data.len + 1);
    if (!u)
        return;
    *u = (struct ble_upcall){.is_bytes = is_bytes, .len = data.len};
    if (of)
        ble_address_write(of, u->address);
    if (data.len)
        memcpy(u->data, data.p, data.len);
    u->data[data.len] = '\0';
    if (!d->last_upcall)
        d->last_upcall = &d->upcalls;
    *d->last_upcall = u;
    d->last_upcall = &u->next;
}

static struct ble_upcall *upcall_take(struct ble_device *d)
{
    struct ble_upcall *u = d->upcalls;
    if (u)
        d->upcalls = u->next;
    if (!d->upcalls)
        d->last_upcall = NULL;
    return u;
}

static void upcall_free(struct ble_upcall *u)
{
    OPENSSL_cleanse(u->data, u->len);
    free(u);
}

void ble_news(struct ble_device *d, const struct ble_address *of, enum ble_news verb,
              const struct ble_said *said)
{
    static const struct ble_said nothing;
    char text[BLE_WORDS];
    ble_news_write(verb, said ? said : &nothing, text);
    upcall(d, of, false, span_of(text, strlen(text)));
    OPENSSL_cleanse(text, sizeof text);
}

void ble_link_news(struct ble_air *a, enum ble_news verb, const struct ble_said *said)
{
    ble_news(a->device, &a->link.other, verb, said);
}

void ble_link_reason(struct ble_air *a, enum ble_news verb, uint8_t reason)
{
    ble_link_news(a, verb, &(struct ble_said){.reason = reason});
}

void ble_bytes(struct ble_air *a, struct span bytes)
{
    upcall(a->device, &a->link.other, true, bytes);
}

static void tell_component(struct ble_device *d)
{
    for (struct ble_upcall *u = upcall_take(d); u; u = upcall_take(d)) {
        if (u->is_bytes)
            d->hooks.bytes(d->hooks.ctx, u->address, span_of(u->data, u->len));
        else
            d->hooks.news(d->hooks.ctx, u->address, (const char *)u->data);
        upcall_free(u);
    }
}

/* ---- time, randomness, keys ---- */

void ble_random(struct ble_device *d, void *out, size_t len)
{
    if (d->hooks.before_random)
        d->hooks.before_random(d->hooks.ctx);
    crypto_random(d->crypto, out, len);
}

uint64_t ble_now_us(const struct ble_device *d)
{
    return d->hooks.now_us(d->hooks.ctx);
}

uint64_t ble_in_ms(const struct ble_device *d, uint32_t ms)
{
    return ble_now_us(d) + ms * 1000ull;
}

void ble_keys_clear(struct ble_keys *k)
{
    p256_free(k->key);
    OPENSSL_cleanse(k, sizeof *k);
}

/* Volume 3 part H, 2.3.5.6.4: C = f4(PKx, PKx, r, 0). */
enum err ble_keys_make(struct ble_device *d, struct ble_keys *k)
{
    uint8_t point[P256_POINT];
    struct ble_keys made = {.key = NULL};
    ble_random(d, made.random, sizeof made.random);
    enum err e = p256_generate(d->crypto, &made.key);
    if (!e)
        p256_public(made.key, point);
    if (!e)
        e = smp_f4(d->crypto, point + 1, point + 1, made.random, 0, made.confirm);
    if (e)
        ble_keys_clear(&made);
    else
        *k = made;
    return e;
}

static void answer_oob(struct ble_device *d)
{
    struct ble_said said = {.level = 0};
    d->oob_wanted = false;
    ble_keys_clear(&d->keys);
    if (ble_keys_make(d, &d->keys) != ERR_OK)
        return;
    memcpy(said.confirm, d->keys.confirm, BLE_KEY);
    memcpy(said.key, d->keys.random, BLE_KEY);
    ble_news(d, NULL, BLE_NEWS_OOB, &said);
    OPENSSL_cleanse(&said, sizeof said);
}

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
    [BLE_TELL_NO_KEY] = {PERIPHERALS, LINK},
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

/* ---- airs ---- */

static struct ble_place *place_of(struct ble_device *d, const char *name)
{
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (strcmp(d->places[i].name, name) == 0)
            return &d->places[i];
    return NULL;
}

enum err ble_device_radio(struct ble_device *d, const char *name, const char *text)
{
    struct ble_radio r = ble_radio_near;
    if (!ble_radio_read(text, &r))
        return ERR_BAD_ARGUMENT;
    struct ble_place *p = place_of(d, name);
    if (!p)
        p = place_of(d, "");
    if (!p)
        return ERR_NO_SPACE;
    text_copy(p->name, sizeof p->name, name);
    p->radio = r;
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].there && strcmp(d->airs[i].name, name) == 0)
            ble_air_set_radio(&d->airs[i], &r);
    return ERR_OK;
}

enum err ble_device_join(struct ble_device *d, const char *name, unsigned *air)
{
    const struct ble_place *p = place_of(d, name);
    unsigned i = 0;
    while (i < BLE_AIRS && d->airs[i].there)
        i++;
    if (i == BLE_AIRS)
        return ERR_LINK_CROWDED;
    struct ble_air *a = &d->airs[i];
    *a = (struct ble_air){.device = d, .there = true, .silent_us = BLE_NEVER};
    text_copy(a->name, sizeof a->name, name);
    ble_air_set_radio(a, p && *name ? &p->radio : &ble_radio_near);
    *air = i;
    a->unsaid = d->scans;
    return ERR_OK;
}

void ble_device_part(struct ble_device *d, unsigned air)
{
    struct ble_air *a = &d->airs[air];
    if (a->link.state == BLE_LINKED)
        ble_link_reason(a, BLE_NEWS_DOWN, HCI_TIMEOUT);
    else if (a->link.state == BLE_CALLING)
        ble_link_reason(a, BLE_NEWS_DOWN, HCI_NOT_ESTABLISHED);
    ble_air_clear(a);
}

enum err ble_device_take(struct ble_device *d, unsigned air, struct span frame)
{
    struct rd r = rd_of(frame.p, frame.len);
    uint8_t type = rd_u8(&r);
    struct span payload = rd_span(&r, rd_be16(&r));
    if (r.failed || r.left || payload.len > BLE_FRAME_MAX || type >= BLE_FRAMES)
        return ERR_MSG_MALFORMED;
    return ble_air_take(&d->airs[air], (enum ble_frame)type, payload);
}

/* ---- life ---- */

void ble_device_init(struct ble_device *d, bool central, struct crypto *crypto,
                     const struct ble_device_hooks *hooks)
{
    *d = (struct ble_device){.central = central, .hooks = *hooks, .crypto = crypto};
}

void ble_device_reset(struct ble_device *d)
{
    struct ble_place places[BLE_AIRS];
    struct ble_device_hooks hooks = d->hooks;
    struct crypto *crypto = d->crypto;
    bool central = d->central;
    memcpy(places, d->places, sizeof places);
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].there)
            ble_air_clear(&d->airs[i]);
    for (struct ble_upcall *u = upcall_take(d); u; u = upcall_take(d))
        upcall_free(u);
    ble_keys_clear(&d->keys);
    OPENSSL_cleanse(d, sizeof *d);
    ble_device_init(d, central, crypto, &hooks);
    memcpy(d->places, places, sizeof places);
}

uint64_t ble_device_due_us(const struct ble_device *d)
{
    if (d->upcalls || d->oob_wanted)
        return 0;
    uint64_t due_us = BLE_NEVER;
    for (size_t i = 0; i < BLE_AIRS; i++) {
        uint64_t own_us = d->airs[i].there ? ble_air_due_us(&d->airs[i]) : BLE_NEVER;
        due_us = own_us < due_us ? own_us : due_us;
    }
    return due_us;
}

void ble_device_run(struct ble_device *d)
{
    if (d->oob_wanted)
        answer_oob(d);
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].there)
            ble_air_run(&d->airs[i]);
    tell_component(d);
}
