/* Frames of an air, and the radio that the peripheral's end keeps between them and the other. */
#include <stdlib.h>
#include <string.h>

#include "lib/media/ble/parts.h"

static const struct span nothing = {NULL, 0};

/* ---- addresses in frames: type, then the octets, least significant first ---- */

#define ADDRESS_SIZE 7

static void put_address(struct wr *w, const struct ble_address *a)
{
    wr_u8(w, a->random);
    for (size_t i = sizeof a->octets; i-- > 0;)
        wr_u8(w, a->octets[i]);
}

static void get_address(struct rd *r, struct ble_address *out)
{
    uint8_t type = rd_u8(r);
    out->random = type == 1;
    r->failed |= type > 1;
    for (size_t i = sizeof out->octets; i-- > 0;)
        out->octets[i] = rd_u8(r);
}

/* ---- the radio ---- */

static bool on_radio(enum ble_frame type)
{
    return type != BLE_LISTEN && type != BLE_ADVERTISEMENT;
}

static void hand_over(struct ble_air *a, struct span frame)
{
    a->device->hooks.put(a->device->hooks.ctx, (unsigned)(a - a->device->airs), frame);
}

static bool reaches(const struct ble_air *a)
{
    return a->silent_us == BLE_NEVER;
}

/* So long silent that all links over it are lost. */
static bool is_lost(const struct ble_air *a)
{
    return !reaches(a) && ble_now_us(a->device) >= a->silent_us + BLE_SUPERVISION_MS * 1000ull;
}

/* A radio cannot make links faster. */
static uint64_t not_before_us(struct ble_air *a, enum ble_frame type, uint64_t due_us)
{
    if (type != BLE_CONNECT)
        return due_us;
    if (due_us < a->connect_us)
        due_us = a->connect_us;
    a->connect_us = due_us + BLE_CONNECT_GAP_MS * 1000ull;
    return due_us;
}

/* True when it may pass at once; else it waits in the queue, or is lost. */
static bool passes(struct ble_air *a, struct ble_queue *q, uint64_t *last_us, struct span head,
                   struct span body)
{
    if (a->device->central)
        return true;
    if (is_lost(a))
        return false;
    const enum ble_frame type = (enum ble_frame)head.p[0];
    uint64_t now_us = ble_now_us(a->device), due_us = now_us + ble_radio_delay_us(&a->radio);
    due_us = not_before_us(a, type, due_us < *last_us ? *last_us : due_us);
    if (reaches(a) && !q->first && due_us <= now_us)
        return true;
    *last_us = due_us;
    a->crowded |= q->count >= BLE_ON_WAY || !ble_queue_put(q, head, body, due_us);
    return false;
}

void ble_air_put(struct ble_air *a, enum ble_frame type, struct span head, struct span body)
{
    uint8_t frame[BLE_HEADER + BLE_FRAME_MAX];
    struct wr w = wr_of(frame, sizeof frame);
    wr_u8(&w, (uint8_t)type);
    wr_be16(&w, (uint16_t)(head.len + body.len));
    wr_copy(&w, head.p, head.len);
    wr_copy(&w, body.p, body.len);
    struct span whole = span_of(frame, w.len);
    if (!w.failed && (!on_radio(type) || passes(a, &a->out, &a->out_us, whole, nothing)))
        hand_over(a, whole);
}

void ble_air_set_radio(struct ble_air *a, const struct ble_radio *r)
{
    uint8_t owed = a->radio.owed;
    a->radio = *r;
    a->radio.owed = owed;
    if (ble_radio_reaches(r))
        a->silent_us = BLE_NEVER;
    else if (reaches(a))
        a->silent_us = ble_now_us(a->device);
    ble_air_announce(a);
}

/* ---- advertising ---- */

void ble_air_announce(struct ble_air *a)
{
    const struct ble_device *d = a->device;
    uint8_t head[1 + ADDRESS_SIZE];
    struct wr w = wr_of(head, sizeof head);
    if (!a->there || !a->listens || !d->advertises || !reaches(a))
        return;
    wr_u8(&w, (uint8_t)ble_radio_signal(&a->radio));
    put_address(&w, &d->address);
    ble_air_put(a, BLE_ADVERTISEMENT, span_of(head, w.len), span_of(d->ad, d->ad_len));
}

void ble_air_listen(struct ble_air *a)
{
    const uint8_t flag = a->device->scans;
    a->unsaid = false;
    ble_air_put(a, BLE_LISTEN, span_of(&flag, 1), nothing);
}

static enum err take_listen(struct ble_air *a, struct span payload)
{
    if (payload.len != 1 || payload.p[0] > 1)
        return ERR_MSG_MALFORMED;
    a->listens = payload.p[0];
    ble_air_announce(a);
    return ERR_OK;
}

static enum err take_advertisement(struct ble_air *a, struct span payload)
{
    struct rd r = rd_of(payload.p, payload.len);
    struct ble_said said = {.signal = (int8_t)rd_u8(&r)};
    struct ble_address from;
    get_address(&r, &from);
    if (r.failed || r.left > BLE_AD_MAX)
        return ERR_MSG_MALFORMED;
    a->heard = true;
    a->advertiser = from;
    said.value_len = r.left;
    rd_copy(&r, said.value, r.left);
    if (a->device->scans)
        ble_news(a->device, &from, BLE_NEWS_HEARD, &said);
    return ERR_OK;
}

/* ---- links ---- */

static void link_clear(struct ble_link *l)
{
    ble_channel_clear(&l->channel);
    ble_pairing_clear(&l->pairing);
    ble_cipher_clear(l);
    *l = (struct ble_link){.number = l->number};
}

static void put_reason(struct ble_air *a, uint8_t number, uint8_t reason)
{
    const uint8_t head[] = {number, reason};
    ble_air_put(a, BLE_TERMINATE, span_of(head, sizeof head), nothing);
}

/* The link is over, for a reason that the component hears. */
static void ended(struct ble_air *a, uint8_t reason)
{
    ble_link_reason(a, BLE_NEWS_DOWN, reason);
    link_clear(&a->link);
}

void ble_link_drop(struct ble_air *a, uint8_t here, uint8_t there)
{
    put_reason(a, a->link.number, there);
    ended(a, here);
}

static bool linked_elsewhere(const struct ble_device *d, const struct ble_address *other)
{
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (d->airs[i].link.state != BLE_UNLINKED && ble_address_equal(&d->airs[i].link.other, other))
            return true;
    return false;
}

enum err ble_link_connect(struct ble_air *a, const struct ble_address *own)
{
    uint8_t head[1 + 2 * ADDRESS_SIZE];
    struct wr w = wr_of(head, sizeof head);
    if (a->link.state != BLE_UNLINKED)
        return ERR_BUSY;
    if (linked_elsewhere(a->device, &a->advertiser))
        return ERR_BUSY;
    a->link = (struct ble_link){.state = BLE_CALLING,
                                .number = (uint8_t)(a->link.number + 1),
                                .own = *own,
                                .other = a->advertiser,
                                .due_us = ble_in_ms(a->device, BLE_CONNECT_MS)};
    wr_u8(&w, a->link.number);
    put_address(&w, own);
    put_address(&w, &a->advertiser);
    ble_air_put(a, BLE_CONNECT, span_of(head, w.len), nothing);
    return ERR_OK;
}

static enum err take_connect(struct ble_air *a, struct span payload)
{
    struct rd r = rd_of(payload.p, payload.len);
    struct ble_device *d = a->device;
    struct ble_address from, to;
    uint8_t number = rd_u8(&r);
    get_address(&r, &from);
    get_address(&r, &to);
    if (r.failed || r.left || a->link.state != BLE_UNLINKED)
        return ERR_MSG_MALFORMED;
    if (!d->advertises || !ble_address_equal(&to, &d->address) || linked_elsewhere(d, &from)) {
        put_reason(a, number, HCI_NOT_ESTABLISHED);
        return ERR_OK;
    }
    a->link = (struct ble_link){.state = BLE_LINKED, .number = number, .own = to, .other = from};
    ble_air_put(a, BLE_CONNECTED, span_of(&number, 1), nothing);
    ble_link_news(a, BLE_NEWS_UP, NULL);
    return ERR_OK;
}

static enum err take_connected(struct ble_air *a, struct span payload)
{
    if (a->link.state != BLE_CALLING || payload.len)
        return ERR_MSG_MALFORMED;
    a->link.state = BLE_LINKED;
    a->link.due_us = 0;
    ble_link_news(a, BLE_NEWS_UP, NULL);
    return ERR_OK;
}

static enum err take_terminate(struct ble_air *a, struct span payload)
{
    if (payload.len != 1)
        return ERR_MSG_MALFORMED;
    ended(a, payload.p[0]);
    return ERR_OK;
}

/* Of a link that is over here: it was on its way. */
static enum err take_of_link(struct ble_air *a, enum ble_frame type, struct span payload)
{
    if (payload.len == 0)
        return ERR_MSG_MALFORMED;
    if (a->link.state == BLE_UNLINKED || payload.p[0] != a->link.number)
        return ERR_OK;
    payload = span_of(payload.p + 1, payload.len - 1);
    if (type == BLE_CONNECTED)
        return take_connected(a, payload);
    if (type == BLE_TERMINATE)
        return take_terminate(a, payload);
    return a->link.state == BLE_LINKED ? ble_cipher_take(a, type, payload) : ERR_MSG_MALFORMED;
}

/* ---- what comes ---- */

enum { FROM_CENTRAL = 1, FROM_PERIPHERAL = 2, FROM_EITHER = 3 };
static const uint8_t comes_from[BLE_FRAMES] = {
    [BLE_LISTEN] = FROM_CENTRAL,       [BLE_ADVERTISEMENT] = FROM_PERIPHERAL, [BLE_CONNECT] = FROM_CENTRAL,
    [BLE_CONNECTED] = FROM_PERIPHERAL, [BLE_TERMINATE] = FROM_EITHER,         [BLE_CONTROL] = FROM_EITHER,
    [BLE_DATA] = FROM_EITHER,
};

/* Octets that a frame has, so that nothing waits that is none. */
static const struct {
    size_t least, most;
} forms[BLE_FRAMES] = {
    [BLE_LISTEN] = {0, BLE_FRAME_MAX},
    [BLE_ADVERTISEMENT] = {0, BLE_FRAME_MAX},
    [BLE_CONNECT] = {1 + 2 * ADDRESS_SIZE, 1 + 2 * ADDRESS_SIZE},
    [BLE_CONNECTED] = {1, 1},
    [BLE_TERMINATE] = {2, 2},
    [BLE_CONTROL] = {2, BLE_FRAME_MAX},
    [BLE_DATA] = {5, BLE_FRAME_MAX},
};

static bool has_form(const struct ble_air *a, enum ble_frame type, struct span payload)
{
    bool is_second = type == BLE_CONNECT && a->link.state != BLE_UNLINKED && !a->in.first;
    return payload.len >= forms[type].least && payload.len <= forms[type].most && !is_second;
}

static enum err take_now(struct ble_air *a, enum ble_frame type, struct span payload)
{
    if (type == BLE_LISTEN)
        return take_listen(a, payload);
    if (type == BLE_ADVERTISEMENT)
        return take_advertisement(a, payload);
    return type == BLE_CONNECT ? take_connect(a, payload) : take_of_link(a, type, payload);
}

enum err ble_air_take(struct ble_air *a, enum ble_frame type, struct span payload)
{
    const uint8_t head = (uint8_t)type;
    if (!(comes_from[type] & (a->device->central ? FROM_PERIPHERAL : FROM_CENTRAL)))
        return ERR_MSG_UNEXPECTED;
    if (!has_form(a, type, payload))
        return ERR_MSG_MALFORMED;
    if (on_radio(type) && !passes(a, &a->in, &a->in_us, span_of(&head, 1), payload))
        return a->crowded ? ERR_QUEUE_FULL : ERR_OK;
    return take_now(a, type, payload);
}

/* ---- time ---- */

static bool is_due(const struct ble_air *a, const struct ble_queue *q)
{
    return q->first && q->first->due_us <= ble_now_us(a->device);
}

/* What has come to its time; a frame of the wrong form ends the link here, because nobody else is there to
 * hear of it. */
static void move_on(struct ble_air *a)
{
    while (reaches(a) && is_due(a, &a->out)) {
        struct ble_packet *p = ble_queue_take(&a->out);
        hand_over(a, span_of(p->bytes, p->len));
        free(p);
    }
    while (reaches(a) && is_due(a, &a->in)) {
        struct ble_packet *p = ble_queue_take(&a->in);
        enum err e = take_now(a, (enum ble_frame)p->bytes[0], span_of(p->bytes + 1, p->len - 1));
        if (e && a->link.state == BLE_LINKED)
            ble_link_drop(a, HCI_TIMEOUT, HCI_TIMEOUT);
        free(p);
    }
}

/* Both ends hear nothing from each other any more; the other does so by a frame past the radio. */
static void lose(struct ble_air *a)
{
    const uint8_t frame[] = {BLE_TERMINATE, 0, 2, a->link.number, HCI_TIMEOUT};
    ble_queue_clear(&a->out);
    ble_queue_clear(&a->in);
    if (a->link.state != BLE_UNLINKED)
        ended(a, HCI_TIMEOUT);
    hand_over(a, span_of(frame, sizeof frame));
    a->told_lost = true;
}

void ble_air_run(struct ble_air *a)
{
    if (a->unsaid)
        ble_air_listen(a);
    if (reaches(a))
        a->told_lost = false;
    else if (is_lost(a) && !a->told_lost)
        lose(a);
    if (a->crowded)
        lose(a);
    a->crowded = false;
    move_on(a);
    if (a->link.state == BLE_CALLING && ble_now_us(a->device) >= a->link.due_us)
        ble_link_drop(a, HCI_NOT_ESTABLISHED, HCI_NOT_ESTABLISHED);
    if (a->link.state == BLE_LINKED)
        ble_cipher_run(a);
    if (a->link.state == BLE_LINKED)
        ble_pairing_run(a);
}

static uint64_t sooner(uint64_t a_us, uint64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

static uint64_t cipher_due_us(const struct ble_cipher *c)
{
    if (c->state == CIPHER_TO_ASK || c->state == CIPHER_TO_ANSWER)
        return 0;
    return c->state == CIPHER_OFF || c->state == CIPHER_ON ? BLE_NEVER : c->due_us;
}

uint64_t ble_air_due_us(const struct ble_air *a)
{
    const struct ble_link *l = &a->link;
    uint64_t due_us = a->unsaid || a->crowded ? 0 : BLE_NEVER;
    if (reaches(a) && a->out.first)
        due_us = sooner(due_us, a->out.first->due_us);
    if (reaches(a) && a->in.first)
        due_us = sooner(due_us, a->in.first->due_us);
    if (!reaches(a) && !a->told_lost)
        due_us = sooner(due_us, a->silent_us + BLE_SUPERVISION_MS * 1000ull);
    if (l->state == BLE_CALLING)
        due_us = sooner(due_us, l->due_us);
    if (l->state == BLE_LINKED)
        due_us = sooner(due_us, cipher_due_us(&l->cipher));
    if (l->state == BLE_LINKED && l->pairing.state != PAIRING_NONE)
        due_us = sooner(due_us, l->pairing.due_us);
    return due_us;
}

void ble_air_clear(struct ble_air *a)
{
    link_clear(&a->link);
    ble_queue_clear(&a->out);
    ble_queue_clear(&a->in);
    *a = (struct ble_air){.device = a->device};
}
