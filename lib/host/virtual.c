#include "lib/host/virtual.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual_internal.h"

#define START_US 100 /* from a component's start until its bus and call links are up */
#define CALL_US  40  /* one way between servers */

/* ---- the event queue: a heap by (time, sequence) ---- */

static bool before(const struct virtual_event *a, const struct virtual_event *b)
{
    return a->time_us < b->time_us || (a->time_us == b->time_us && a->sequence < b->sequence);
}

void virtual_push(struct virtual *v, uint64_t time_us, void (*run)(struct virtual *, void *, uint64_t),
                  void *object, uint64_t argument)
{
    if (v->heap_count == v->heap_cap) {
        v->heap_cap = v->heap_cap ? 2 * v->heap_cap : 256;
        v->heap = realloc(v->heap, v->heap_cap * sizeof *v->heap);
        if (!v->heap)
            abort(); /* a simulation without its queue has no meaning */
    }
    struct virtual_event e = {time_us, v->next_sequence++, run, object, argument};
    size_t i = v->heap_count++;
    for (; i > 0 && before(&e, &v->heap[(i - 1) / 2]); i = (i - 1) / 2)
        v->heap[i] = v->heap[(i - 1) / 2];
    v->heap[i] = e;
}

static struct virtual_event heap_pop(struct virtual *v)
{
    struct virtual_event top = v->heap[0], last = v->heap[--v->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= v->heap_count)
            break;
        if (child + 1 < v->heap_count && before(&v->heap[child + 1], &v->heap[child]))
            child++;
        if (!before(&v->heap[child], &last))
            break;
        v->heap[i] = v->heap[child];
        i = child;
    }
    if (v->heap_count)
        v->heap[i] = last;
    return top;
}

bool virtual_step(struct virtual *v, uint64_t limit_us)
{
    if (v->heap_count == 0 || v->heap[0].time_us > limit_us) {
        v->now_us = limit_us;
        return false;
    }
    struct virtual_event e = heap_pop(v);
    v->now_us = e.time_us;
    v->taken++;
    e.run(v, e.object, e.argument);
    return true;
}

uint64_t virtual_events(const struct virtual *v)
{
    return v->taken;
}

uint64_t virtual_now_us(const struct virtual *v)
{
    return v->now_us;
}

struct outside_event {
    void (*fn)(void *ctx);
    void *ctx;
};

static void run_outside(struct virtual *v, void *object, uint64_t argument)
{
    struct outside_event e = *(struct outside_event *)object;
    (void)argument;
    free(object);
    seeded_use(&v->outside);
    e.fn(e.ctx);
}

void virtual_at(struct virtual *v, uint64_t time_us, void (*fn)(void *ctx), void *ctx)
{
    struct outside_event *e = malloc(sizeof *e);
    if (!e)
        abort();
    *e = (struct outside_event){fn, ctx};
    virtual_push(v, time_us > v->now_us ? time_us : v->now_us, run_outside, e, 0);
}

/* ---- the host of a node ---- */

static struct virtual_node *vnode(struct node *n)
{
    return (struct virtual_node *)n;
}

void virtual_enter(struct virtual_node *n)
{
    seeded_use(&n->random);
}

static uint64_t host_now_us(struct node *n)
{
    return vnode(n)->world->now_us;
}

static int64_t host_wall_ms(struct node *n)
{
    return VIRTUAL_EPOCH_MS + (int64_t)(vnode(n)->world->now_us / 1000);
}

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
        virtual_push(v, due, timer_event, n, argument);
        return;
    }
    n->timer_due_us[timer] = ENV_NEVER;
    virtual_enter(n);
    node_on_timer(&n->node, timer);
}

/* A deadline that moves away costs nothing: the event queued for the old one looks again. */
static void host_timer_set(struct node *node, unsigned timer, uint64_t at_us)
{
    struct virtual_node *n = vnode(node);
    if (timer >= ENV_TIMERS)
        abort();
    if (at_us < n->world->now_us)
        at_us = n->world->now_us;
    n->timer_due_us[timer] = at_us;
    if (at_us == ENV_NEVER || n->timer_queued_us[timer] <= at_us)
        return;
    n->timer_queued_us[timer] = at_us;
    virtual_push(n->world, at_us, timer_event, n, (uint64_t)n->life << 8 | timer);
}

struct late_send {
    struct virtual_node *node;
    unsigned port;
    uint32_t life;
    char address[96];
    size_t len;
    uint8_t bytes[];
};

static enum err send_now(struct virtual_node *n, unsigned port, const char *address, struct span bytes);

static void late_send_event(struct virtual *v, void *object, uint64_t argument)
{
    struct late_send *l = object;
    (void)v;
    (void)argument;
    if (l->life == l->node->life)
        send_now(l->node, l->port, l->address, span_of(l->bytes, l->len));
    free(l);
}

struct call {
    struct virtual_node *to;
    unsigned port;
    char from[16];
    size_t len;
    uint8_t bytes[];
};

static void call_event(struct virtual *v, void *object, uint64_t argument)
{
    struct call *c = object;
    (void)v;
    (void)argument;
    if (c->to->up[c->port]) {
        virtual_enter(c->to);
        node_on_bytes(&c->to->node, c->port, c->from, span_of(c->bytes, c->len));
    }
    free(c);
}

/* Finds the port that serves a link's name, or the caller's own port of it. */
static bool find_port(const struct virtual_node *n, const char *link, unsigned *port)
{
    for (size_t i = 0; i < n->node.class->port_count; i++)
        if (strcmp(n->node.class->ports[i].name, link) == 0) {
            *port = (unsigned)i;
            return true;
        }
    return false;
}

static enum err call_deliver(struct virtual_node *to, unsigned port, const char *from, struct span bytes)
{
    struct call *c = malloc(sizeof *c + bytes.len);
    if (!c)
        return ERR_NO_MEMORY;
    *c = (struct call){.to = to, .port = port, .len = bytes.len};
    text_copy(c->from, sizeof c->from, from);
    memcpy(c->bytes, bytes.p, bytes.len);
    virtual_push(to->world, to->world->now_us + CALL_US, call_event, c, 0);
    return ERR_OK;
}

static struct virtual_node *server_of(struct virtual *v, const char *link, unsigned *port)
{
    for (struct virtual_node *n = v->nodes; n; n = n->next)
        if (find_port(n, link, port) && n->node.class->ports[*port].kind == PORT_SERVE)
            return n;
    return NULL;
}

static enum err call_send(struct virtual_node *n, const struct port_spec *spec, const char *address,
                          struct span bytes)
{
    unsigned port = 0;
    struct virtual_node *to =
        spec->kind == PORT_CALL ? server_of(n->world, spec->name, &port) : virtual_find(n->world, address);
    if (!to || (spec->kind == PORT_SERVE && !find_port(to, spec->name, &port)))
        return ERR_LINK_DOWN;
    return call_deliver(to, port, n->node.name, bytes);
}

static enum err send_now(struct virtual_node *n, unsigned port, const char *address, struct span bytes)
{
    const struct port_spec *spec = &n->node.class->ports[port];
    if (!n->up[port])
        return ERR_LINK_DOWN;
    if (spec->kind == PORT_CAN) {
        struct bus_frame f;
        memcpy(&f, bytes.p, sizeof f);
        return virtual_bus_send(n->endpoint[port], &f);
    }
    if (spec->kind == PORT_GSDP)
        return virtual_gsdp_publish(n->session[port], address, bytes);
    return call_send(n, spec, address, bytes);
}

static enum err host_send(struct node *node, unsigned port, const char *address, struct span bytes,
                          uint64_t delay_us)
{
    struct virtual_node *n = vnode(node);
    if (delay_us == 0)
        return send_now(n, port, address, bytes);
    struct late_send *l = malloc(sizeof *l + bytes.len);
    if (!l)
        return ERR_NO_MEMORY;
    *l = (struct late_send){.node = n, .port = port, .life = n->life, .len = bytes.len};
    text_copy(l->address, sizeof l->address, address);
    memcpy(l->bytes, bytes.p, bytes.len);
    virtual_push(n->world, n->world->now_us + delay_us, late_send_event, l, 0);
    return ERR_OK;
}

static bool host_link_up(struct node *node, unsigned port)
{
    return vnode(node)->up[port];
}

static enum err host_subscribe(struct node *node, unsigned port, const char *topic)
{
    return virtual_gsdp_subscribe(vnode(node)->session[port], topic);
}

static void host_trace(struct node *node, const struct trace_event *e)
{
    struct virtual *v = vnode(node)->world;
    if (v->hooks.on_trace)
        v->hooks.on_trace(v->hooks.ctx, e);
}

/* ---- life ---- */

static void forget_instance(struct virtual_node *n)
{
    n->life++;
    for (size_t i = 0; i < ENV_TIMERS; i++)
        n->timer_due_us[i] = n->timer_queued_us[i] = ENV_NEVER;
    for (size_t i = 0; i < ENV_PORTS; i++) {
        n->up[i] = false;
        if (n->session[i])
            virtual_gsdp_disconnect(n->session[i]);
        if (n->endpoint[i])
            n->endpoint[i]->tx_count = 0;
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

static void host_die(struct node *node, const struct fault *why)
{
    struct virtual_node *n = vnode(node);
    struct virtual *v = n->world;
    node_trace(node, TRACE_LIFE, "killed");
    node->dead = true;
    forget_instance(n);
    virtual_push(v, v->now_us, burial_event, n, n->life);
    virtual_push(v, v->now_us + why->delay_ms * 1000ull, restart_event, n, n->life);
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

void virtual_set_link(struct virtual_node *n, unsigned port, enum link_state state)
{
    n->up[port] = state != LINK_DOWN;
    virtual_enter(n);
    node_on_link(&n->node, port, state);
}

static void links_up_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    if (n->life != life)
        return;
    for (unsigned i = 0; i < n->node.class->port_count; i++) {
        if (n->cut[i] || n->life != life)
            continue;
        if (n->session[i])
            virtual_gsdp_connect(n->session[i]);
        else
            virtual_set_link(n, i, LINK_UP);
    }
}

enum err virtual_start(struct virtual_node *n)
{
    forget_instance(n);
    node_stop(&n->node);
    virtual_enter(n);
    enum err e = node_start(&n->node, n->args);
    if (!e)
        virtual_push(n->world, n->world->now_us + START_US, links_up_event, n, n->life);
    else
        node_stop(&n->node);
    return e;
}

void virtual_cut(struct virtual_node *n, const char *link, bool cut)
{
    unsigned i;
    if (!find_port(n, link, &i) || n->cut[i] == cut)
        return;
    n->cut[i] = cut;
    if (cut) {
        if (n->session[i])
            virtual_gsdp_disconnect(n->session[i]);
        if (n->up[i])
            virtual_set_link(n, i, LINK_DOWN);
    } else if (!n->node.dead) {
        if (n->session[i])
            virtual_gsdp_connect(n->session[i]);
        else
            virtual_set_link(n, i, LINK_UP);
    }
}

enum err virtual_call(struct virtual_node *n, const char *link, struct span bytes)
{
    unsigned port;
    if (!find_port(n, link, &port))
        return ERR_NOT_FOUND;
    return call_deliver(n, port, "operator", bytes);
}

/* ---- the world ---- */

static const struct node_host host = {host_now_us,  host_wall_ms,   host_timer_set, host_send,
                                      host_link_up, host_subscribe, host_trace,     host_die};

struct virtual *virtual_new(uint64_t seed, const struct virtual_hooks *hooks, struct fault_plan *plan)
{
    struct virtual *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->hooks = *hooks;
    v->plan = plan;
    v->seed = seed;
    v->nodes_end = &v->nodes;
    v->broker.alive = true;
    seeded_stream_init(&v->outside, seed, "outside");
    seeded_use(&v->outside);
    v->crypto = seeded_context_open(&v->openssl) ? crypto_new(v->openssl.openssl) : NULL;
    if (v->crypto)
        return v;
    virtual_free(v);
    return NULL;
}

void virtual_free(struct virtual *v)
{
    if (!v)
        return;
    while (v->nodes) {
        struct virtual_node *n = v->nodes;
        v->nodes = n->next;
        virtual_enter(n);
        node_stop(&n->node);
        store_close(n->node.store);
        free(n);
    }
    for (size_t i = 0; i < v->heap_count; i++)
        if (!virtual_gsdp_drop_event(&v->heap[i]) &&
            (v->heap[i].run == run_outside || v->heap[i].run == late_send_event ||
             v->heap[i].run == call_event))
            free(v->heap[i].object);
    free(v->heap);
    virtual_gsdp_free(v);
    for (size_t i = 0; i < v->group_count * SEGMENTS; i++)
        virtual_bus_free(v->buses[i]);
    free(v->buses);
    crypto_free(v->crypto);
    seeded_context_close(&v->openssl);
    seeded_use(NULL);
    free(v);
}

struct crypto *virtual_crypto(struct virtual *v, const char *stream_name)
{
    seeded_stream_init(&v->outside, v->seed, stream_name);
    seeded_use(&v->outside);
    return v->crypto;
}

struct virtual_node *virtual_add(struct virtual *v, const struct component_class *class, const char *name,
                                 unsigned group, const struct component_args *args)
{
    struct virtual_node *n = calloc(1, sizeof *n);
    struct store *store = store_memory_new();
    if (!n || !store) {
        free(n);
        store_close(store);
        return NULL;
    }
    node_prepare(&n->node, &host, class, name, v->crypto, store, v->plan);
    n->world = v;
    n->group = group;
    n->args = args;
    n->node.dead = true;
    seeded_stream_init(&n->random, v->seed, name);
    *v->nodes_end = n;
    v->nodes_end = &n->next;
    for (unsigned i = 0; i < class->port_count; i++) {
        const struct port_spec *spec = &class->ports[i];
        if ((spec->kind == PORT_CAN && virtual_bus_attach(n, i, spec)) ||
            (spec->kind == PORT_GSDP && virtual_gsdp_attach(n, i)))
            return NULL;
    }
    return n;
}

struct virtual_node *virtual_find(struct virtual *v, const char *name)
{
    for (struct virtual_node *n = v->nodes; n; n = n->next)
        if (strcmp(n->node.name, name) == 0)
            return n;
    return NULL;
}

struct store *virtual_store(struct virtual_node *n)
{
    return n->node.store;
}

const char *virtual_name(const struct virtual_node *n)
{
    return n->node.name;
}
