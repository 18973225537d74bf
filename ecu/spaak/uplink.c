/* What goes up to the servers: a channel carries one message at a time, and use cases speak when they have
 * something to say. So a message waits for those before it. What waits is no promise: with the module it goes
 * down, and its requester repeats what nobody answers. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"

#define WAITING 4 /* on a channel: as many as there are use cases that could speak at once */

struct spaak_waiting {
    struct spaak_waiting *next;
    size_t len;
    uint8_t bytes[];
};

static void discard(struct spaak_waiting *w)
{
    OPENSSL_cleanse(w->bytes, w->len);
    free(w);
}

/* The first, which waits no more; NULL: none. */
static struct spaak_waiting *take(struct spaak *s, enum spaak_channel channel)
{
    struct spaak_waiting *w = s->waiting[channel];
    if (w)
        s->waiting[channel] = w->next;
    return w;
}

static enum err queue(struct spaak_waiting **at, struct span bytes)
{
    for (unsigned n = 0; *at; at = &(*at)->next)
        if (++n == WAITING)
            return ERR_QUEUE_FULL;
    *at = malloc(sizeof **at + bytes.len);
    if (!*at)
        return ERR_NO_MEMORY;
    (*at)->next = NULL;
    (*at)->len = bytes.len;
    memcpy((*at)->bytes, bytes.p, bytes.len);
    return ERR_OK;
}

static void say(struct spaak *s, enum spaak_channel channel, struct span bytes)
{
    struct isotp_port *c = &s->channels[channel];
    enum err e = isotp_port_send(c, bytes);
    if (e == ERR_BUSY)
        e = queue(&s->waiting[channel], bytes);
    if (e)
        env_trace_reason(s->env, TRACE_FAIL, NULL, c->out->name, e, (uint32_t)bytes.len,
                         "the repetition comes");
}

void uplink_send(struct spaak *s, enum spaak_channel channel, struct span bytes)
{
    if (!diagnostic_tx_off(&s->diagnostic)) /* off by 28: the repetition comes */
        say(s, channel, bytes);
}

void uplink_follow(struct spaak *s, enum spaak_channel channel)
{
    struct spaak_waiting *w;
    if (diagnostic_tx_off(&s->diagnostic))
        uplink_drop(s);
    while (!isotp_port_busy(&s->channels[channel]) && (w = take(s, channel))) {
        say(s, channel, span_of(w->bytes, w->len));
        discard(w);
    }
}

void uplink_drop(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_CHANNELS; i++)
        for (struct spaak_waiting *w; (w = take(s, (enum spaak_channel)i));)
            discard(w);
}
