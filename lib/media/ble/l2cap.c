/* The credit-based channel of a link (Core Specification, volume 3 part A, 4.22 to 4.25 and 10.1). */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/media/ble/parts.h"

#define OWN_MPS     247 /* octets of one PDU that we take */
#define MPS_MIN     23
#define OWN_CREDITS 10
#define SDU_LENGTH  2
#define SIGNAL_MAX  16

enum signal {
    SIGNAL_REJECT = 0x01,
    SIGNAL_CLOSE = 0x06,
    SIGNAL_CLOSED = 0x07,
    SIGNAL_OPEN = 0x14,
    SIGNAL_OPENED = 0x15,
    SIGNAL_CREDITS = 0x16
};

enum { RESULT_OK = 0x0000, RESULT_NO_SPSM = 0x0002, RESULT_NO_RESOURCES = 0x0004 };

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void put_le16(struct wr *w, uint16_t v)
{
    wr_u8(w, (uint8_t)v);
    wr_u8(w, (uint8_t)(v >> 8));
}

/* One identifier is enough: an end has one request under way. */
static void put_signal(struct ble_air *a, enum signal code, uint8_t id, const uint16_t *words, size_t count)
{
    uint8_t pdu[SIGNAL_MAX];
    struct wr w = wr_of(pdu, sizeof pdu);
    wr_u8(&w, (uint8_t)code);
    wr_u8(&w, id);
    put_le16(&w, (uint16_t)(2 * count));
    for (size_t i = 0; i < count; i++)
        put_le16(&w, words[i]);
    ble_pdu_put(a, CID_SIGNALLING, span_of(pdu, w.len));
}

/* ---- what is sent ---- */

/* The next PDU of the first SDU; with the SDU's length in front of its first one. */
static void put_part(struct ble_air *a, const struct ble_packet *sdu)
{
    struct ble_channel *c = &a->link.channel;
    size_t left = sdu->len - c->sent, most = c->mps < OWN_MPS ? c->mps : OWN_MPS;
    size_t len = left < most ? left : most;
    c->credits--;
    ble_pdu_put(a, c->other_cid, span_of(sdu->bytes + c->sent, len));
    c->sent += len;
}

static void put_sdus(struct ble_air *a)
{
    struct ble_channel *c = &a->link.channel;
    while (c->state == CHANNEL_OPEN && c->credits && c->sdus.first) {
        put_part(a, c->sdus.first);
        if (c->state != CHANNEL_OPEN || c->sent < c->sdus.first->len)
            continue;
        struct ble_packet *done = ble_queue_take(&c->sdus);
        OPENSSL_cleanse(done->bytes, done->len);
        free(done);
        c->sent = 0;
    }
}

enum err ble_channel_send(struct ble_air *a, struct span sdu)
{
    struct ble_channel *c = &a->link.channel;
    const uint8_t head[SDU_LENGTH] = {(uint8_t)sdu.len, (uint8_t)(sdu.len >> 8)};
    if (c->state != CHANNEL_OPEN)
        return ERR_MSG_UNEXPECTED;
    if (sdu.len > c->mtu)
        return ERR_NO_SPACE;
    if (c->sdus.count >= BLE_SDUS)
        return ERR_QUEUE_FULL;
    if (!ble_queue_put(&c->sdus, span_of(head, sizeof head), sdu, 0))
        return ERR_NO_MEMORY;
    put_sdus(a);
    return ERR_OK;
}

/* ---- what comes ---- */

static void give_credit(struct ble_air *a)
{
    const uint16_t words[] = {CID_OPEN, 1};
    put_signal(a, SIGNAL_CREDITS, 1, words, 2);
}

/* More than was announced, or than it may be, ends the air. */
static enum err take_part(struct ble_air *a, struct span pdu)
{
    struct ble_channel *c = &a->link.channel;
    if (c->state == CHANNEL_CLOSING || c->state == CHANNEL_CLOSED)
        return ERR_OK; /* it met the end of the channel on its way */
    if (c->state != CHANNEL_OPEN || pdu.len > OWN_MPS)
        return ERR_MSG_UNEXPECTED;
    bool first = !c->in_begun;
    if (first && pdu.len < SDU_LENGTH)
        return ERR_MSG_MALFORMED;
    if (first) {
        c->in_begun = true;
        c->in_len = 0;
        c->in_whole = le16(pdu.p);
        pdu = span_of(pdu.p + SDU_LENGTH, pdu.len - SDU_LENGTH);
    }
    if (c->in_whole > c->own_mtu || pdu.len > c->in_whole - c->in_len)
        return ERR_MSG_TOO_LONG;
    memcpy(c->in + c->in_len, pdu.p, pdu.len);
    c->in_len += pdu.len;
    if (c->in_len == c->in_whole) {
        c->in_begun = false;
        ble_bytes(a, span_of(c->in, c->in_len));
    }
    give_credit(a);
    return ERR_OK;
}

/* ---- opening ---- */

static void opened(struct ble_air *a, uint16_t cid, uint16_t mtu, uint16_t mps, uint16_t credits)
{
    struct ble_channel *c = &a->link.channel;
    c->state = CHANNEL_OPEN;
    c->other_cid = cid;
    c->mtu = mtu;
    c->mps = mps;
    c->credits = credits;
    ble_link_news(a, BLE_NEWS_CHANNEL, &(struct ble_said){.spsm = c->spsm, .number = mtu});
}

enum err ble_channel_open(struct ble_air *a, uint16_t spsm, uint16_t mtu)
{
    struct ble_channel *c = &a->link.channel;
    const uint16_t words[] = {spsm, CID_OPEN, mtu, OWN_MPS, OWN_CREDITS};
    if (spsm < 0x80 || spsm > 0xFF || mtu < BLE_MTU_MIN || mtu > BLE_MTU_MAX)
        return ERR_BAD_ARGUMENT;
    if (c->state != CHANNEL_CLOSED)
        return ERR_MSG_UNEXPECTED;
    c->state = CHANNEL_OPENING;
    c->spsm = spsm;
    c->own_mtu = mtu;
    put_signal(a, SIGNAL_OPEN, 1, words, 5);
    return ERR_OK;
}

static bool offer_is_good(uint16_t cid, uint16_t mtu, uint16_t mps)
{
    return cid >= CID_OPEN && mtu >= MPS_MIN && mps >= MPS_MIN;
}

/* SPSM, channel, MTU, MPS, credits. */
static enum err take_open(struct ble_air *a, uint8_t id, const uint16_t *words)
{
    const struct ble_device *d = a->device;
    struct ble_channel *c = &a->link.channel;
    uint16_t result = c->state != CHANNEL_CLOSED                          ? RESULT_NO_RESOURCES
                      : d->central || d->spsm == 0 || d->spsm != words[0] ? RESULT_NO_SPSM
                                                                          : RESULT_OK;
    const uint16_t reply[] = {result ? 0 : CID_OPEN, result ? 0 : d->mtu, result ? 0 : OWN_MPS,
                              result ? 0 : OWN_CREDITS, result};
    if (!offer_is_good(words[1], words[2], words[3]))
        return ERR_MSG_MALFORMED;
    put_signal(a, SIGNAL_OPENED, id, reply, 5);
    if (result)
        return ERR_OK;
    c->spsm = words[0];
    c->own_mtu = d->mtu;
    opened(a, words[1], words[2], words[3], words[4]);
    return ERR_OK;
}

/* Channel, MTU, MPS, credits, result. */
static enum err take_opened(struct ble_air *a, uint8_t id, const uint16_t *words)
{
    struct ble_channel *c = &a->link.channel;
    (void)id;
    if (c->state != CHANNEL_OPENING)
        return ERR_MSG_UNEXPECTED;
    if (words[4] != RESULT_OK) {
        ble_link_news(a, BLE_NEWS_NO_CHANNEL, &(struct ble_said){.spsm = c->spsm, .number = words[4]});
        ble_channel_clear(c);
        return ERR_OK;
    }
    if (!offer_is_good(words[0], words[1], words[2]))
        return ERR_MSG_MALFORMED;
    opened(a, words[0], words[1], words[2], words[3]);
    return ERR_OK;
}

/* Channel, credits. */
static enum err take_credits(struct ble_air *a, uint8_t id, const uint16_t *words)
{
    struct ble_channel *c = &a->link.channel;
    (void)id;
    if (c->state != CHANNEL_OPEN)
        return ERR_OK;
    if (words[0] != c->other_cid || words[1] == 0 || words[1] > UINT16_MAX - c->credits)
        return ERR_MSG_UNEXPECTED;
    c->credits = (uint16_t)(c->credits + words[1]);
    put_sdus(a);
    return ERR_OK;
}

/* ---- closing ---- */

static void closed(struct ble_air *a)
{
    ble_link_news(a, BLE_NEWS_CHANNEL_CLOSED, &(struct ble_said){.spsm = a->link.channel.spsm});
    ble_channel_clear(&a->link.channel);
}

enum err ble_channel_close(struct ble_air *a)
{
    struct ble_channel *c = &a->link.channel;
    const uint16_t words[] = {c->other_cid, CID_OPEN};
    if (c->state != CHANNEL_OPEN)
        return ERR_MSG_UNEXPECTED;
    c->state = CHANNEL_CLOSING;
    ble_queue_clear(&c->sdus);
    put_signal(a, SIGNAL_CLOSE, 2, words, 2);
    return ERR_OK;
}

/* Our channel, the other's; both ends may close at once. */
static enum err take_close(struct ble_air *a, uint8_t id, const uint16_t *words)
{
    if (a->link.channel.state == CHANNEL_CLOSED)
        return ERR_OK;
    if (words[0] != CID_OPEN || a->link.channel.state == CHANNEL_OPENING)
        return ERR_MSG_UNEXPECTED;
    put_signal(a, SIGNAL_CLOSED, id, words, 2);
    closed(a);
    return ERR_OK;
}

static enum err take_closed(struct ble_air *a, uint8_t id, const uint16_t *words)
{
    (void)id;
    (void)words;
    if (a->link.channel.state == CHANNEL_CLOSING)
        closed(a);
    return ERR_OK;
}

void ble_channel_clear(struct ble_channel *c)
{
    ble_queue_clear(&c->sdus);
    OPENSSL_cleanse(c, sizeof *c);
}

/* ---- signalling ---- */

#define WORDS_MAX 5

static const struct {
    enum signal code;
    size_t words;
    enum err (*take)(struct ble_air *a, uint8_t id, const uint16_t *words);
} signals[] = {
    {SIGNAL_OPEN, 5, take_open},   {SIGNAL_OPENED, 5, take_opened}, {SIGNAL_CREDITS, 2, take_credits},
    {SIGNAL_CLOSE, 2, take_close}, {SIGNAL_CLOSED, 2, take_closed},
};

static enum err take_signal(struct ble_air *a, struct span pdu)
{
    static const uint16_t not_understood = 0;
    uint16_t words[WORDS_MAX];
    if (pdu.len < 4 || le16(pdu.p + 2) != pdu.len - 4)
        return ERR_MSG_MALFORMED;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (signals[i].code != pdu.p[0])
            continue;
        if (pdu.len - 4 != 2 * signals[i].words)
            return ERR_MSG_MALFORMED;
        for (size_t k = 0; k < signals[i].words; k++)
            words[k] = le16(pdu.p + 4 + 2 * k);
        return signals[i].take(a, pdu.p[1], words);
    }
    if (pdu.p[0] != SIGNAL_REJECT)
        put_signal(a, SIGNAL_REJECT, pdu.p[1], &not_understood, 1);
    return ERR_OK;
}

enum err ble_l2cap_take(struct ble_air *a, uint16_t cid, struct span pdu)
{
    if (cid == CID_SIGNALLING)
        return take_signal(a, pdu);
    return cid == CID_OPEN ? take_part(a, pdu) : ERR_OK;
}
