#include "lib/msg/reader_channel.h"

#include <openssl/crypto.h>
#include <string.h>

static enum err proceed(struct reader_channel *c)
{
    while (c->count && !isotp_port_busy(&c->tp)) {
        unsigned at = c->first;
        c->first = (c->first + 1) % READER_QUEUE;
        c->count--;
        enum err e = isotp_port_send(&c->tp, span_of(c->queue[at].bytes, c->queue[at].len));
        if (e)
            return e;
    }
    return ERR_OK;
}

static void on_event(void *owner, struct isotp_port *tp, const struct isotp_event *ev)
{
    struct reader_channel *c = owner;
    (void)tp;
    /* of a message that came, the reason is that of one it has cut off */
    if (c->on_failed && ev->reason)
        c->on_failed(c->owner, c, ev->kind != ISOTP_TX_FAILED, ev->reason);
    if (ev->kind == ISOTP_RECEIVED)
        c->on_message(c->owner, c, ev->message);
}

void reader_channel_init(struct reader_channel *c, struct env *env, unsigned port, unsigned timer,
                         enum reader_place place, enum reader_side side)
{
    bool reader = side == READER_SIDE_READER;
    isotp_port_init(&c->tp, env, port, timer, reader ? reader_row_report(place) : reader_row_command(place),
                    reader ? reader_row_command(place) : reader_row_report(place));
    c->tp.on_event = on_event;
    c->tp.owner = c;
    c->first = c->count = 0;
}

void reader_channel_fini(struct reader_channel *c)
{
    isotp_port_fini(&c->tp);
    OPENSSL_cleanse(c->queue, sizeof c->queue);
}

/* What follows a message goes out when the event of its predecessor is over. */
static void follow(struct reader_channel *c)
{
    enum err e = proceed(c);
    if (e && c->on_failed)
        c->on_failed(c->owner, c, false, e);
}

void reader_channel_input(struct reader_channel *c, const struct bus_frame *f)
{
    isotp_port_input(&c->tp, f);
    follow(c);
}

void reader_channel_timer(struct reader_channel *c)
{
    isotp_port_timer(&c->tp);
    follow(c);
}

enum err reader_channel_send(struct reader_channel *c, struct span pdu)
{
    if (pdu.len > READER_PDU_MAX)
        return ERR_NO_SPACE;
    if (c->count == READER_QUEUE)
        return ERR_QUEUE_FULL;
    unsigned at = (c->first + c->count) % READER_QUEUE;
    memcpy(c->queue[at].bytes, pdu.p, pdu.len);
    c->queue[at].len = (uint16_t)pdu.len;
    c->count++;
    return proceed(c);
}

void reader_channel_drop(struct reader_channel *c)
{
    isotp_port_stop(&c->tp);
    c->first = c->count = 0;
}
