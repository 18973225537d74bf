/* What a virtual world does for a node: time, sends, works, trace. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual_internal.h"

void virtual_enter(struct virtual_node *n)
{
    n->world->current = n->node.name;
    seeded_use(&n->random);
}

static uint64_t host_now_us(struct node *n)
{
    return virtual_node_of(n)->world->now_us;
}

static int64_t host_wall_ms(struct node *n)
{
    return virtual_node_of(n)->world->epoch_ms + (int64_t)(virtual_node_of(n)->world->now_us / 1000);
}

static bool is_cyclic(const struct virtual_node *n, unsigned timer)
{
    return n->node.class->timers[timer].cyclic;
}

void virtual_timer_due(struct virtual_node *n, unsigned timer, uint64_t at_us)
{
    bool was = n->timer_due_us[timer] != ENV_NEVER, is = at_us != ENV_NEVER;
    n->timer_due_us[timer] = at_us;
    if (is_cyclic(n, timer) || was == is)
        return;
    if (is)
        n->world->busy++;
    else
        n->world->busy--;
}

/* Its own pending does not count: the timer does, in virtual_timer_due. */
static void timer_event(struct virtual *v, void *object, uint64_t argument)
{
    struct virtual_node *n = object;
    unsigned timer = (unsigned)(argument & 0xFF);
    if (n->life != argument >> 8 || n->timer_queued_us[timer] != v->now_us)
        return;
    n->timer_queued_us[timer] = ENV_NEVER;
    uint64_t due = n->timer_due_us[timer];
    if (due == ENV_NEVER)
        return;
    if (due > v->now_us) {
        n->timer_queued_us[timer] = due;
        virtual_push(v, due, timer_event, n, argument, EVENT_IDLE);
        return;
    }
    virtual_timer_due(n, timer, ENV_NEVER);
    virtual_enter(n);
    node_on_timer(&n->node, timer);
}

/* A deadline that moves away costs nothing: the event queued for the old one looks again. */
static void host_timer_set(struct node *node, unsigned timer, uint64_t at_us)
{
    struct virtual_node *n = virtual_node_of(node);
    if (at_us < n->world->now_us)
        at_us = n->world->now_us;
    virtual_timer_due(n, timer, at_us);
    if (at_us == ENV_NEVER || n->timer_queued_us[timer] <= at_us)
        return;
    n->timer_queued_us[timer] = at_us;
    virtual_push(n->world, at_us, timer_event, n, (uint64_t)n->life << 8 | timer, EVENT_IDLE);
}

struct late_send {
    struct virtual_port *port;
    uint32_t life;
    char address[ENV_KEY_MAX];
    size_t len;
    uint8_t bytes[];
};

static enum err send_now(struct virtual_port *p, const char *address, struct span bytes)
{
    return p->up ? p->twin->send(p, address, bytes) : ERR_LINK_DOWN;
}

static void late_send_event(struct virtual *v, void *object, uint64_t argument)
{
    struct late_send *l = object;
    (void)v;
    (void)argument;
    if (l->life == l->port->node->life)
        send_now(l->port, l->address, span_of(l->bytes, l->len));
    free(l);
}

static enum err host_send(struct node *node, unsigned port, const char *address, struct span bytes,
                          uint64_t delay_us)
{
    struct virtual_node *n = virtual_node_of(node);
    if (delay_us == 0)
        return send_now(&n->ports[port], address, bytes);
    struct late_send *l = malloc(sizeof *l + bytes.len);
    if (!l)
        return ERR_NO_MEMORY;
    *l = (struct late_send){.port = &n->ports[port], .life = n->life, .len = bytes.len};
    text_copy(l->address, sizeof l->address, address);
    memcpy(l->bytes, bytes.p, bytes.len);
    virtual_push(n->world, n->world->now_us + delay_us, late_send_event, l, 0, EVENT_OWNED);
    return ERR_OK;
}

static void host_lose(struct node *node, unsigned port, const char *address, struct span bytes)
{
    struct virtual_port *p = &virtual_node_of(node)->ports[port];
    if (p->twin->lose)
        p->twin->lose(p, address, bytes);
}

static bool host_link_up(struct node *node, unsigned port)
{
    return virtual_node_of(node)->ports[port].up;
}

static enum err host_subscribe(struct node *node, unsigned port, const char *topic)
{
    struct virtual_port *p = &virtual_node_of(node)->ports[port];
    return p->twin->subscribe ? p->twin->subscribe(p, topic) : ERR_BAD_ARGUMENT;
}

static enum err host_tell(struct node *node, unsigned port, const char *address, const char *news)
{
    struct virtual_port *p = &virtual_node_of(node)->ports[port];
    return p->twin->tell ? p->twin->tell(p, address, news) : ERR_BAD_ARGUMENT;
}

/* ---- work: done at once, its result comes when its time is over ---- */

struct work {
    struct virtual_node *node;
    uint32_t life;
    unsigned number;
    enum err e;
    size_t len;
    uint8_t result[];
};

static void work_event(struct virtual *v, void *object, uint64_t argument)
{
    struct work *w = object;
    (void)v;
    (void)argument;
    if (w->life == w->node->life) {
        virtual_enter(w->node);
        node_on_work(&w->node->node, w->number, w->e, span_of(w->result, w->len));
    }
    OPENSSL_cleanse(w->result, w->len);
    free(w);
}

static enum err host_work(struct node *node, unsigned number, struct span in)
{
    struct virtual_node *n = virtual_node_of(node);
    const struct work_spec *spec = &node->class->works[number];
    struct work *w = malloc(sizeof *w + spec->result_max);
    if (!w)
        return ERR_NO_MEMORY;
    *w = (struct work){.node = n, .life = n->life, .number = number};
    w->e = work_memo_run(n->world->memo, n->world->crypto, node->class->name, spec, in, w->result, &w->len);
    /* one after the other, as the one thread of a process would */
    uint64_t now_us = n->world->now_us, start_us = n->work_until_us > now_us ? n->work_until_us : now_us;
    n->work_until_us = start_us + spec->virtual_us;
    virtual_push(n->world, n->work_until_us, work_event, w, 0, EVENT_OWNED);
    return ERR_OK;
}

static void host_trace(struct node *node, const struct trace_event *e)
{
    struct virtual *v = virtual_node_of(node)->world;
    if (v->hooks.on_trace)
        v->hooks.on_trace(v->hooks.ctx, e);
}

static void host_tap(struct node *node, const struct tap_event *e)
{
    struct virtual *v = virtual_node_of(node)->world;
    v->hooks.on_tap(v->hooks.ctx, e);
}

#define HOST_CALLS                                                                                  \
    .now_us = host_now_us, .wall_ms = host_wall_ms, .timer_set = host_timer_set, .send = host_send, \
    .lose = host_lose, .link_up = host_link_up, .subscribe = host_subscribe, .tell = host_tell,     \
    .work = host_work, .trace = host_trace, .die = virtual_host_die

const struct node_host *virtual_host_calls(bool tapped)
{
    static const struct node_host host = {HOST_CALLS}, host_with_tap = {HOST_CALLS, .tap = host_tap};
    return tapped ? &host_with_tap : &host;
}
