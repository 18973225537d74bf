/* A CAN segment in virtual time: among the waiting frames arbitration decides, each node's own frames stay in
 * order, a frame takes as long as on the wire (lib/can/wire.h). */
#include <stdlib.h>
#include <string.h>

#include "lib/can/wire.h"
#include "lib/host/twin.h"
#include "lib/media/can/can.h"
#include "lib/media/media.h"

#define TX_MAX    65536u
#define ENDPOINTS 32

/* One segment of one vehicle. */
struct bus {
    struct virtual *world;
    unsigned group;
    enum segment segment;
    char name[CAN_BUS_NAME];
    struct endpoint *endpoints[ENDPOINTS];
    size_t endpoint_count;
    struct endpoint *outside; /* of somebody who is no component; NULL until there is one */
    bool busy;
    struct bus_frame on_wire;
    struct endpoint *sender;
};

struct endpoint {
    struct virtual_port *port; /* NULL: from outside */
    struct bus *bus;
    uint32_t ids[16];
    size_t id_count;
    bool all;
    /* frames waiting for the wire: a ring that grows */
    struct bus_frame *tx;
    uint32_t tx_cap, tx_head, tx_count;
};

struct can {
    struct bus **buses; /* group * SEGMENTS + segment */
    size_t group_count;
    bool dead; /* the hub was killed: no bus works */
};

/* A frame under way is news, unless its message is cyclic: a run may be quiet while that is on the wire. */
static void count_frame(struct virtual *v, const struct bus_frame *f, int by)
{
    const struct matrix_row *row = matrix_find(f->id);
    if (!row || !row->cycle_ms)
        virtual_hold(v, by);
}

static bool wants(const struct endpoint *e, uint32_t id)
{
    for (size_t i = 0; i < e->id_count; i++)
        if (e->ids[i] == id)
            return true;
    return e->all;
}

static void start_next(struct bus *b);

static void frame_ended(struct virtual *v, void *object, uint64_t argument)
{
    struct bus *b = object;
    struct bus_frame f = b->on_wire;
    struct endpoint *sender = b->sender;
    (void)argument;
    b->busy = false;
    virtual_frame(v, b->name, &f);
    start_next(b);
    for (size_t i = 0; i < b->endpoint_count; i++) {
        struct endpoint *e = b->endpoints[i];
        if (e->port && e != sender && e->port->up && wants(e, f.id))
            virtual_bytes(e->port, "", span_of(&f, sizeof f));
    }
    if (b->outside && b->outside != sender)
        virtual_outside(v, b->group, b->segment, &f);
    count_frame(v, &f, -1);
}

static void start_next(struct bus *b)
{
    struct endpoint *best = NULL;
    if (b->busy)
        return;
    for (size_t i = 0; i < b->endpoint_count; i++) {
        struct endpoint *e = b->endpoints[i];
        if (e->tx_count &&
            (!best || wire_priority(&e->tx[e->tx_head]) < wire_priority(&best->tx[best->tx_head])))
            best = e;
    }
    if (!best)
        return;
    b->busy = true;
    b->sender = best;
    b->on_wire = best->tx[best->tx_head];
    best->tx_head = (best->tx_head + 1) % best->tx_cap;
    best->tx_count--;
    virtual_push(b->world, virtual_now_us(b->world) + wire_time_us(&b->on_wire), frame_ended, b, 0,
                 EVENT_IDLE);
}

static bool tx_grow(struct endpoint *e)
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

static enum err queue_frame(struct endpoint *e, const struct bus_frame *f)
{
    if (e->tx_count == e->tx_cap && !tx_grow(e))
        return ERR_QUEUE_FULL;
    struct bus_frame *slot = &e->tx[(e->tx_head + e->tx_count++) % e->tx_cap];
    *slot = *f;
    count_frame(e->bus->world, slot, 1);
    start_next(e->bus);
    return ERR_OK;
}

static enum err can_send(struct virtual_port *p, const char *address, struct span bytes)
{
    struct bus_frame f;
    (void)address;
    memcpy(&f, bytes.p, sizeof f);
    return queue_frame(p->link, &f);
}

static struct bus *bus_of(struct virtual *v, struct can *can, unsigned group, enum segment s)
{
    if (group >= can->group_count) {
        size_t count = (group + 1) * 2;
        struct bus **more = realloc(can->buses, count * SEGMENTS * sizeof(struct bus *));
        if (!more)
            return NULL;
        memset(more + can->group_count * SEGMENTS, 0, (count - can->group_count) * SEGMENTS * sizeof *more);
        can->buses = more;
        can->group_count = count;
    }
    struct bus **slot = &can->buses[group * SEGMENTS + s];
    if (!*slot && (*slot = calloc(1, sizeof **slot))) {
        (*slot)->world = v;
        (*slot)->group = group;
        (*slot)->segment = s;
        can_bus_name(group, s, (*slot)->name);
    }
    return *slot;
}

static enum err can_attach(struct virtual_port *p)
{
    const struct port_spec *spec = virtual_port_spec(p);
    struct bus *b = bus_of(virtual_of(p), virtual_state(virtual_of(p), &twin_can),
                           medium_group(spec, virtual_group(p->node)), spec->segment);
    struct endpoint *e = calloc(1, sizeof *e);
    if (!b || !e || b->endpoint_count == ENDPOINTS) {
        free(e);
        return ERR_NO_MEMORY;
    }
    *e = (struct endpoint){.port = p, .bus = b, .all = spec->node == 0};
    e->id_count = matrix_filter(spec->node, spec->segment, e->ids, sizeof e->ids / sizeof e->ids[0]);
    b->endpoints[b->endpoint_count++] = e;
    p->link = e;
    return ERR_OK;
}

static bool has_other_end(const struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        if (medium_at_bench(virtual_port_spec(p), virtual_class(n), virtual_group(n)))
            return true;
    return false;
}

static enum err can_put(struct virtual *v, void *state, unsigned group, enum segment s,
                        const struct bus_frame *f)
{
    struct can *can = state;
    struct bus *b = can->dead ? NULL : bus_of(v, can, group, s);
    if (!b)
        return can->dead ? ERR_LINK_DOWN : ERR_NO_MEMORY;
    if (!b->outside) {
        if (b->endpoint_count == ENDPOINTS || !(b->outside = calloc(1, sizeof *b->outside)))
            return ERR_NO_MEMORY;
        b->outside->bus = b;
        b->endpoints[b->endpoint_count++] = b->outside;
    }
    return queue_frame(b->outside, f);
}

static void can_connect(struct virtual_port *p)
{
    const struct can *can = virtual_state(virtual_of(p), &twin_can);
    if (!can->dead && !p->up && has_other_end(p))
        virtual_link(p, LINK_UP);
}

static void drop_frames(struct endpoint *e)
{
    for (; e->tx_count; e->tx_count--) {
        count_frame(e->bus->world, &e->tx[e->tx_head], -1);
        e->tx_head = (e->tx_head + 1) % e->tx_cap;
    }
}

static void can_disconnect(struct virtual_port *p)
{
    drop_frames(p->link);
}

/* Without the hub no bus carries anything; with it again, whoever lives and is not cut off is back. */
static void can_alive(struct virtual *v, void *state, bool alive)
{
    struct can *can = state;
    can->dead = !alive;
    for (size_t i = 0; i < can->group_count * SEGMENTS; i++)
        for (size_t k = 0; can->buses[i] && k < can->buses[i]->endpoint_count; k++) {
            struct virtual_port *p = can->buses[i]->endpoints[k]->port;
            if (!alive)
                drop_frames(can->buses[i]->endpoints[k]);
            if (!p)
                continue;
            if (!alive && p->up)
                virtual_link(p, LINK_DOWN);
            else if (alive && !p->cut && virtual_alive(p->node))
                can_connect(p);
        }
    (void)v;
}

static void can_close(void *state)
{
    struct can *can = state;
    for (size_t i = 0; i < can->group_count * SEGMENTS; i++) {
        struct bus *b = can->buses[i];
        for (size_t k = 0; b && k < b->endpoint_count; k++) {
            free(b->endpoints[k]->tx);
            free(b->endpoints[k]);
        }
        free(b);
    }
    free(can->buses);
}

const struct twin twin_can = {
    .medium = &medium_can,
    .helper = "hub",
    .size = sizeof(struct can),
    .attach = can_attach,
    .connect = can_connect,
    .disconnect = can_disconnect,
    .send = can_send,
    .put = can_put,
    .helper_alive = can_alive,
    .close = can_close,
};
