/* A CAN segment in virtual time: the lowest identifier among the waiting frames goes first, each node's own
 * frames stay in order, a frame takes as long as on a wire of 500 kbit/s and 2 Mbit/s. */
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual_internal.h"

#define NOMINAL_NS_PER_BIT 2000u /* 500 kbit/s */
#define DATA_NS_PER_BIT    500u  /* 2 Mbit/s, frames with BRS */
#define TX_MAX             65536u

static uint64_t wire_time_us(const struct bus_frame *f)
{
    uint32_t data_bits = 8u * (f->flags & BUS_REMOTE ? 0u : f->len),
             id_bits = f->flags & BUS_EXTENDED ? 20u : 0u;
    if (!(f->flags & BUS_FD))
        return (uint64_t)(47 + id_bits + data_bits) * 21 / 20 * NOMINAL_NS_PER_BIT /
               1000;                                  /* one stuff bit in 20 */
    uint32_t crc = f->len > 16 ? 21u + 7u : 17u + 6u; /* with fixed stuff bits */
    uint32_t fast = (9u + data_bits + crc) * 33 / 32, slow = 30u + id_bits;
    uint32_t fast_ns = f->flags & BUS_BRS ? DATA_NS_PER_BIT : NOMINAL_NS_PER_BIT;
    return ((uint64_t)slow * NOMINAL_NS_PER_BIT + (uint64_t)fast * fast_ns) / 1000;
}

static bool wants(const struct virtual_endpoint *e, uint32_t id)
{
    for (size_t i = 0; i < e->id_count; i++)
        if (e->ids[i] == id)
            return true;
    return e->all;
}

static void start_next(struct virtual_bus *b);

static void frame_ended(struct virtual *v, void *object, uint64_t argument)
{
    struct virtual_bus *b = object;
    struct bus_frame f = b->on_wire;
    struct virtual_endpoint *sender = b->sender;
    (void)argument;
    b->busy = false;
    if (v->hooks.on_frame)
        v->hooks.on_frame(v->hooks.ctx, v->now_us, b->segment, &f);
    start_next(b);
    for (size_t i = 0; i < b->endpoint_count; i++) {
        struct virtual_endpoint *e = b->endpoints[i];
        if (e == sender || !e->node->up[e->port] || !wants(e, f.id))
            continue;
        virtual_enter(e->node);
        node_on_frame(&e->node->node, e->port, &f);
    }
}

static void start_next(struct virtual_bus *b)
{
    struct virtual_endpoint *best = NULL;
    if (b->busy)
        return;
    for (size_t i = 0; i < b->endpoint_count; i++) {
        struct virtual_endpoint *e = b->endpoints[i];
        if (e->tx_count && (!best || e->tx[e->tx_head].id < best->tx[best->tx_head].id))
            best = e;
    }
    if (!best)
        return;
    b->busy = true;
    b->sender = best;
    b->on_wire = best->tx[best->tx_head];
    best->tx_head = (best->tx_head + 1) % best->tx_cap;
    best->tx_count--;
    virtual_push(b->world, b->world->now_us + wire_time_us(&b->on_wire), frame_ended, b, 0);
}

static bool tx_grow(struct virtual_endpoint *e)
{
    uint32_t cap = e->tx_cap ? 2 * e->tx_cap : 8;
    struct bus_frame *more = cap <= TX_MAX ? malloc(cap * sizeof *more) : NULL;
    if (!more)
        return false;
    for (uint32_t i = 0; i < e->tx_count; i++)
        more[i] = e->tx[(e->tx_head + i) % e->tx_cap];
    free(e->tx);
    e->tx = more;
    e->tx_cap = cap;
    e->tx_head = 0;
    return true;
}

enum err virtual_bus_send(struct virtual_endpoint *e, const struct bus_frame *f)
{
    if (e->tx_count == e->tx_cap && !tx_grow(e))
        return ERR_QUEUE_FULL;
    e->tx[(e->tx_head + e->tx_count++) % e->tx_cap] = *f;
    start_next(e->bus);
    return ERR_OK;
}

static struct virtual_bus *bus_of(struct virtual *v, unsigned group, enum segment s)
{
    if (group >= v->group_count) {
        size_t count = (group + 1) * 2;
        struct virtual_bus **more = realloc(v->buses, count * SEGMENTS * sizeof(struct virtual_bus *));
        if (!more)
            return NULL;
        memset(more + v->group_count * SEGMENTS, 0, (count - v->group_count) * SEGMENTS * sizeof *more);
        v->buses = more;
        v->group_count = count;
    }
    struct virtual_bus **slot = &v->buses[group * SEGMENTS + s];
    if (!*slot && (*slot = calloc(1, sizeof **slot))) {
        (*slot)->world = v;
        (*slot)->segment = s;
    }
    return *slot;
}

enum err virtual_bus_attach(struct virtual_node *n, unsigned port, const struct port_spec *spec)
{
    struct virtual_bus *b = bus_of(n->world, n->group, spec->segment);
    struct virtual_endpoint *e = calloc(1, sizeof *e);
    if (!b || !e || b->endpoint_count == sizeof b->endpoints / sizeof b->endpoints[0]) {
        free(e);
        return ERR_NO_MEMORY;
    }
    *e = (struct virtual_endpoint){.node = n, .port = port, .bus = b, .all = spec->node == 0};
    e->id_count = matrix_filter(spec->node, spec->segment, e->ids, sizeof e->ids / sizeof e->ids[0]);
    b->endpoints[b->endpoint_count++] = e;
    n->endpoint[port] = e;
    return ERR_OK;
}

void virtual_bus_free(struct virtual_bus *b)
{
    for (size_t i = 0; b && i < b->endpoint_count; i++) {
        free(b->endpoints[i]->tx);
        free(b->endpoints[i]);
    }
    free(b);
}
