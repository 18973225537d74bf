#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual_internal.h"

/* ---- the world ---- */

static bool make_twins(struct virtual *v, const struct twin *const *twins)
{
    while (twins[v->twin_count])
        v->twin_count++;
    v->twins = calloc(v->twin_count + 1, sizeof *v->twins);
    v->media = calloc(v->twin_count + 1, sizeof *v->media);
    for (size_t i = 0; v->twins && v->media && i < v->twin_count; i++) {
        v->media[i] = twins[i]->medium;
        v->twins[i] = (struct helper){.twin = twins[i], .state = calloc(1, twins[i]->size + 1)};
        if (!v->twins[i].state)
            return false;
    }
    return v->twins && v->media;
}

struct virtual *virtual_new(const struct virtual_options *options)
{
    struct virtual *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->hooks = options->hooks;
    v->plan = options->plan;
    v->memo = options->memo;
    v->seed = options->seed;
    v->epoch_ms = options->epoch_ms ? options->epoch_ms : VIRTUAL_EPOCH_MS;
    v->nodes_end = &v->nodes;
    seeded_stream_init(&v->outside, v->seed, "outside");
    seeded_use(&v->outside);
    v->crypto = seeded_context_open(&v->openssl) ? crypto_new(v->openssl.openssl) : NULL;
    if (v->crypto && make_twins(v, options->twins))
        return v;
    virtual_free(v);
    return NULL;
}

static void node_free(struct virtual_node *n)
{
    virtual_enter(n);
    node_stop(&n->node);
    store_close(n->node.store);
    for (size_t i = 0; i < n->node.class->port_count; i++)
        if (n->ports[i].twin && n->ports[i].twin->detach)
            n->ports[i].twin->detach(&n->ports[i]);
    free(n->timer_due_us);
    free(n->timer_queued_us);
    free(n);
}

void virtual_free(struct virtual *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->heap_count; i++)
        if (v->heap[i].order & EVENT_OWNED)
            free(v->heap[i].object);
    free(v->heap);
    for (size_t i = 0; v->twins && i < v->twin_count; i++) {
        if (v->twins[i].state && v->twins[i].twin->close)
            v->twins[i].twin->close(v->twins[i].state);
        free(v->twins[i].state);
    }
    while (v->nodes) {
        struct virtual_node *n = v->nodes;
        v->nodes = n->next;
        node_free(n);
    }
    free(v->twins);
    free(v->media);
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

static enum err attach_ports(struct virtual_node *n)
{
    struct virtual *v = n->world;
    enum err e = ERR_OK;
    for (unsigned i = 0; !e && i < n->node.class->port_count; i++) {
        struct virtual_port *p = &n->ports[i];
        *p = (struct virtual_port){.node = n, .index = i};
        for (size_t k = 0; k < v->twin_count && !p->twin; k++)
            if (v->twins[k].twin->medium == n->node.media[i])
                p->twin = v->twins[k].twin;
        assert(p->twin); /* node_prepare has found its medium among the twins' */
        e = p->twin->attach(p);
    }
    return e;
}

static enum tap_depth tap_of(const struct virtual *v, const struct component_class *class)
{
    if (!v->hooks.on_tap)
        return TAP_NONE;
    return v->hooks.taps ? v->hooks.taps(v->hooks.ctx, class) : TAP_ALL;
}

struct virtual_node *virtual_add(struct virtual *v, const struct component_class *class, const char *name,
                                 unsigned group, const struct component_args *args)
{
    struct virtual_node *n = calloc(1, sizeof *n + class->port_count * sizeof n->ports[0]);
    struct store *store = store_memory_new();
    uint64_t *due = calloc(class->timer_count + 1, sizeof *due),
             *queued = calloc(class->timer_count + 1, sizeof *queued);
    if (!n || !store || !due || !queued) {
        free(n);
        free(due);
        free(queued);
        store_close(store);
        return NULL;
    }
    enum tap_depth depth = tap_of(v, class);
    node_prepare(&n->node, virtual_host_calls(depth), class, v->media, name, v->crypto, store, v->plan);
    n->node.talk_only = depth == TAP_TALK;
    n->world = v;
    n->group = group;
    n->args = args;
    n->node.dead = true;
    n->timer_due_us = due;
    n->timer_queued_us = queued;
    for (size_t i = 0; i < class->timer_count; i++)
        due[i] = queued[i] = ENV_NEVER;
    seeded_stream_init(&n->random, v->seed, name);
    *v->nodes_end = n;
    v->nodes_end = &n->next;
    return attach_ports(n) ? NULL : n;
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

/* ---- what twins ask for ---- */

void *virtual_state(struct virtual *v, const struct twin *t)
{
    for (size_t i = 0; i < v->twin_count; i++)
        if (v->twins[i].twin == t)
            return v->twins[i].state;
    abort(); /* a port without its twin was refused */
}

const struct port_spec *virtual_port_spec(const struct virtual_port *p)
{
    return &p->node->node.class->ports[p->index];
}

struct virtual *virtual_of(const struct virtual_port *p)
{
    return p->node->world;
}

unsigned virtual_group(const struct virtual_node *n)
{
    return n->group;
}

const struct component_class *virtual_class(const struct virtual_node *n)
{
    return n->node.class;
}

struct virtual_port *virtual_port(struct virtual_node *n, unsigned index)
{
    assert(index < n->node.class->port_count);
    return &n->ports[index];
}

struct virtual_node *virtual_next(struct virtual *v, struct virtual_node *n)
{
    return n ? n->next : v->nodes;
}

const char *virtual_serial(const struct virtual_node *n)
{
    return n->args->serial;
}

uint32_t virtual_life(const struct virtual_node *n)
{
    return n->life;
}

void virtual_bytes(struct virtual_port *p, const char *address, struct span bytes)
{
    virtual_enter(p->node);
    node_on_bytes(&p->node->node, p->index, address, bytes);
}

void virtual_link(struct virtual_port *p, enum link_state state)
{
    p->up = state != LINK_DOWN;
    virtual_enter(p->node);
    node_on_link(&p->node->node, p->index, state);
}

void virtual_news(struct virtual_port *p, const char *address, const char *news)
{
    virtual_enter(p->node);
    node_on_news(&p->node->node, p->index, address, news);
}

void virtual_frame(struct virtual *v, const char *bus, const struct bus_frame *f)
{
    if (v->hooks.on_frame)
        v->hooks.on_frame(v->hooks.ctx, v->now_us, bus, f);
}

void virtual_keep(struct virtual *v, const struct medium *m, const char *file, struct span bytes)
{
    if (v->hooks.on_keep)
        v->hooks.on_keep(v->hooks.ctx, m, file, bytes);
}

void virtual_outside(struct virtual *v, unsigned group, enum segment s, const struct bus_frame *f)
{
    if (v->hooks.on_outside)
        v->hooks.on_outside(v->hooks.ctx, group, s, f);
}

enum err virtual_put(struct virtual *v, unsigned group, enum segment s, const struct bus_frame *f)
{
    for (size_t i = 0; i < v->twin_count; i++)
        if (v->twins[i].twin->put)
            return v->twins[i].twin->put(v, v->twins[i].state, group, s, f);
    return ERR_LINK_DOWN;
}
