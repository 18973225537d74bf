#include "lib/env/isotp_port.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/can/wire.h"

struct isotp_port_buffers {
    uint8_t rx[ISOTP_PORT_MAX];
    uint8_t tx[ISOTP_PORT_MAX];
};

/* Nothing is under way, either way. */
static void begin(struct isotp_port *c, const struct isotp_config *cfg)
{
    enum err e = isotp_init(&c->tp, cfg, c->buffers ? c->buffers->rx : NULL, c->buffers ? ISOTP_PORT_MAX : 0);
    assert(!e); /* the matrix has no wrong row */
    (void)e;
}

static bool have_buffers(struct isotp_port *c)
{
    if (c->buffers)
        return true;
    c->buffers = malloc(sizeof *c->buffers);
    if (c->buffers)
        isotp_set_buffer(&c->tp, c->buffers->rx, ISOTP_PORT_MAX);
    return c->buffers != NULL;
}

void isotp_port_init(struct isotp_port *c, struct env *env, unsigned port, unsigned timer,
                     enum matrix_message out, enum matrix_message in)
{
    c->env = env;
    c->port = port;
    c->timer = timer;
    c->out = matrix_row(out);
    c->in = matrix_row(in);
    struct isotp_config cfg = isotp_config_default(c->out->id, c->in->id);
    cfg.follow = c->out->formats == MATRIX_ANY_FORMAT;
    cfg.tx_wait_max = ISOTP_PORT_WAITS;
    cfg.frame_time_us = wire_time_us;
    begin(c, &cfg);
}

void isotp_port_fini(struct isotp_port *c)
{
    if (c->buffers)
        OPENSSL_cleanse(c->buffers, sizeof *c->buffers);
    free(c->buffers);
    c->buffers = NULL;
}

static void deliver(struct isotp_port *c, const struct isotp_event *ev)
{
    if (ev->kind != ISOTP_NONE)
        c->on_event(c->owner, c, ev);
}

/* Sends what is due and arms the timer for the rest. */
static void pump(struct isotp_port *c)
{
    struct bus_frame f;
    struct isotp_event ev;
    uint64_t now_us = env_now_us(c->env);
    while (isotp_output(&c->tp, now_us, &f, &ev)) {
        env_send_frame(c->env, c->port, &f); /* a lost frame is the timers' business */
        deliver(c, &ev);
    }
    env_timer_set(c->env, c->timer, isotp_next_deadline(&c->tp));
}

enum err isotp_port_send(struct isotp_port *c, struct span message)
{
    if (message.len > ISOTP_PORT_MAX)
        return ERR_NO_SPACE;
    if (isotp_sending(&c->tp))
        return ERR_BUSY;
    if (!have_buffers(c))
        return ERR_NO_MEMORY;
    memcpy(c->buffers->tx, message.p, message.len);
    enum err e = isotp_send(&c->tp, c->buffers->tx, (uint32_t)message.len, env_now_us(c->env));
    if (!e)
        pump(c);
    return e;
}

bool isotp_port_busy(const struct isotp_port *c)
{
    return isotp_sending(&c->tp);
}

void isotp_port_stop(struct isotp_port *c)
{
    const struct isotp_config cfg = c->tp.cfg;
    begin(c, &cfg);
    env_timer_set(c->env, c->timer, ENV_NEVER);
}

bool isotp_port_receiving(const struct isotp_port *c)
{
    return isotp_receiving(&c->tp);
}

static void input_to_many(struct isotp_port *c, const struct bus_frame *f)
{
    struct span message;
    if (isotp_input_to_many(&c->tp, c->to_many->id, f, &message))
        c->on_to_many(c->owner, c, message);
}

void isotp_port_input(struct isotp_port *c, const struct bus_frame *f)
{
    struct isotp_event ev;
    if (c->to_many && f->id == c->to_many->id)
        input_to_many(c, f);
    if (f->id != c->in->id || !have_buffers(c))
        return;
    isotp_input(&c->tp, f, env_now_us(c->env), &ev);
    deliver(c, &ev);
    pump(c);
}

void isotp_port_timer(struct isotp_port *c)
{
    struct isotp_event ev;
    uint64_t now_us = env_now_us(c->env);
    do {
        isotp_expire(&c->tp, now_us, &ev);
        deliver(c, &ev);
    } while (ev.kind != ISOTP_NONE);
    pump(c);
}
