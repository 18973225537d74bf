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
    struct ble_keys made = {.key = NULL};
    ble_random(d, made.random, sizeof made.random);
    enum err e = p256_generate(d->crypto, &made.key);
    if (!e)
        p256_public(made.key, made.point);
    if (!e)
        e = smp_f4(d->crypto, made.point + 1, made.point + 1, made.random, 0, made.confirm);
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
