/* Starts, kills, cuts, calls: what the runner does with the nodes of a virtual world. */
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual_internal.h"

#define START_US 100 /* from a component's start until its links begin to connect */

static void forget_instance(struct virtual_node *n)
{
    n->life++;
    n->node.handling = false;
    n->work_until_us = 0;
    for (unsigned i = 0; i < n->node.class->timer_count; i++) {
        virtual_timer_due(n, i, ENV_NEVER);
        n->timer_queued_us[i] = ENV_NEVER;
    }
    for (size_t i = 0; i < n->node.class->port_count; i++) {
        n->ports[i].up = false;
        n->ports[i].twin->disconnect(&n->ports[i]);
    }
}

static void restart_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    if (n->life == life && n->node.dead)
        virtual_start(n);
}

/* The instance is still on the stack: it is freed by an event of its own. */
static void burial_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    if (n->life != life || !n->node.dead)
        return;
    node_stop(&n->node);
}

void virtual_host_die(struct node *node, const struct fault *why)
{
    struct virtual_node *n = virtual_node_of(node);
    struct virtual *v = n->world;
    node_trace(node, TRACE_LIFE, "killed");
    node->dead = true;
    forget_instance(n);
    virtual_push(v, v->now_us, burial_event, n, n->life, 0);
    virtual_push(v, v->now_us + why->delay_ms * 1000ull, restart_event, n, n->life, 0);
}

void virtual_kill(struct virtual_node *n, const char *why)
{
    if (n->node.dead)
        return;
    node_trace(&n->node, TRACE_LIFE, why);
    node_stop(&n->node);
    forget_instance(n);
}

bool virtual_alive(const struct virtual_node *n)
{
    return !n->node.dead;
}

static void links_up_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    for (unsigned i = 0; i < n->node.class->port_count && n->life == life; i++)
        if (!n->ports[i].cut)
            n->ports[i].twin->connect(&n->ports[i]);
}

enum err virtual_start(struct virtual_node *n)
{
    forget_instance(n);
    node_stop(&n->node);
    virtual_enter(n);
    enum err e = node_start(&n->node, n->args);
    if (!e)
        virtual_push(n->world, n->world->now_us + START_US, links_up_event, n, n->life, 0);
    else
        node_stop(&n->node);
    return e;
}

static struct helper *find_helper(const struct virtual *v, const char *name)
{
    for (size_t i = 0; i < v->twin_count; i++)
        if (v->twins[i].twin->helper && strcmp(v->twins[i].twin->helper, name) == 0)
            return &v->twins[i];
    return NULL;
}

bool virtual_helper(struct virtual *v, const char *name, bool alive)
{
    struct helper *h = find_helper(v, name);
    if (h && h->dead == alive)
        h->twin->helper_alive(v, h->state, alive);
    if (h)
        h->dead = !alive;
    return h;
}

bool virtual_helper_known(const struct virtual *v, const char *name, bool *alive)
{
    const struct helper *h = find_helper(v, name);
    *alive = h && !h->dead;
    return h;
}

bool virtual_cut(struct virtual_node *n, const char *link, bool cut)
{
    unsigned i;
    if (!component_port(n->node.class, link, &i))
        return false;
    struct virtual_port *p = &n->ports[i];
    if (p->cut == cut)
        return true;
    p->cut = cut;
    if (cut) {
        p->twin->disconnect(p);
        if (p->up)
            virtual_link(p, LINK_DOWN);
    } else if (!n->node.dead) {
        p->twin->connect(p);
    }
    return true;
}

bool virtual_radio(struct virtual_node *n, const char *link, const char *name, const char *text)
{
    unsigned i;
    if (!component_port(n->node.class, link, &i) || !n->ports[i].twin->radio)
        return false;
    return n->ports[i].twin->radio(&n->ports[i], name, text) == ERR_OK;
}

struct call_event {
    struct virtual_node *node;
    unsigned call;
    struct call_value values[ENV_VALUES];
};

static void call_event(struct virtual *v, void *object, uint64_t argument)
{
    struct call_event *c = object;
    (void)v;
    (void)argument;
    virtual_enter(c->node);
    node_on_call(&c->node->node, c->call, c->values);
    free(c);
}

void virtual_call(struct virtual_node *n, unsigned call, const struct call_value *values)
{
    struct call_event *c = calloc(1, sizeof *c);
    size_t count = component_parameters(&n->node.class->calls[call]);
    if (!c)
        abort();
    c->node = n;
    c->call = call;
    for (size_t i = 0; i < count; i++)
        c->values[i] = values[i];
    virtual_push(n->world, n->world->now_us, call_event, c, 0, EVENT_OWNED);
}
