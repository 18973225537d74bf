/* Bluetooth LE in virtual time: each end is a device (device.h), frames travel as events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/media/ble/device.h"
#include "lib/media/media.h"

#define FRAME_US 1250u /* one way, as measured on a link */
#define BYTE_US  8u    /* at 1 Mbit/s */

struct end;

/* One end of an air: where the other is. Each air has a number of its own; a frame of another is void. */
struct way {
    struct end *to;
    unsigned to_air;
    uint32_t number;
    uint64_t last_us; /* what was sent last arrives then: none overtakes it */
};

struct end {
    struct virtual_port *port;
    struct ble_device device;
    struct way ways[BLE_AIRS];
    uint64_t due_us; /* of the wake-up that counts; BLE_NEVER: none */
    uint32_t wake, draws;
    bool holds;
};

struct air_frame {
    struct end *to;
    unsigned air;
    uint32_t number;
    size_t len;
    uint8_t bytes[];
};

struct airs {
    uint32_t made;
};

/* ---- time ---- */

static void run_event(struct virtual *v, void *object, uint64_t wake);

/* A run is not quiet while a device has something to do at some time. */
static void schedule(struct end *e)
{
    struct virtual *v = virtual_of(e->port);
    uint64_t due_us = ble_device_due_us(&e->device), now_us = virtual_now_us(v);
    bool holds = due_us != BLE_NEVER;
    if (holds != e->holds)
        virtual_hold(v, holds ? 1 : -1);
    e->holds = holds;
    if (holds && due_us < now_us)
        due_us = now_us;
    if (due_us == e->due_us)
        return;
    e->due_us = due_us;
    e->wake++;
    if (holds)
        virtual_push(v, due_us, run_event, e, e->wake, EVENT_IDLE);
}

static void run_event(struct virtual *v, void *object, uint64_t wake)
{
    struct end *e = object;
    (void)v;
    if (e->wake != wake)
        return;
    e->due_us = BLE_NEVER;
    ble_device_run(&e->device);
    schedule(e);
}

/* ---- what a device asks for ---- */

static void on_news(void *ctx, const char *address, const char *news)
{
    virtual_news(((struct end *)ctx)->port, address, news);
}

static void on_bytes(void *ctx, const char *address, struct span bytes)
{
    virtual_bytes(((struct end *)ctx)->port, address, bytes);
}

static uint64_t on_now(void *ctx)
{
    return virtual_now_us(virtual_of(((struct end *)ctx)->port));
}

/* Each draw has a stream of its own, so that it shifts nobody else's. */
static void on_before_random(void *ctx)
{
    struct end *e = ctx;
    char stream[ENV_NAME_MAX + 24];
    snprintf(stream, sizeof stream, BLE_STREAM, virtual_name(e->port->node), ++e->draws);
    virtual_crypto(virtual_of(e->port), stream);
}

static void arrive(struct virtual *v, void *object, uint64_t argument);
static void part_event(struct virtual *v, void *object, uint64_t argument);

static struct air_frame *frame_for(const struct way *w, struct span bytes)
{
    struct air_frame *f = malloc(sizeof *f + bytes.len);
    if (!f)
        return NULL;
    *f = (struct air_frame){.to = w->to, .air = w->to_air, .number = w->number, .len = bytes.len};
    if (bytes.len)
        memcpy(f->bytes, bytes.p, bytes.len);
    return f;
}

static void on_put(void *ctx, unsigned air, struct span frame)
{
    struct end *e = ctx;
    struct way *w = &e->ways[air];
    struct virtual *v = virtual_of(e->port);
    uint64_t at_us = virtual_now_us(v) + FRAME_US + frame.len * BYTE_US;
    struct air_frame *f = w->to ? frame_for(w, frame) : NULL;
    if (!f)
        return;
    w->last_us = at_us > w->last_us ? at_us : w->last_us;
    virtual_push(v, w->last_us, arrive, f, 0, EVENT_OWNED);
}

/* ---- airs ---- */

static bool is_there(const struct air_frame *f)
{
    return f->to->ways[f->air].to && f->to->ways[f->air].number == f->number;
}

/* Neither end has it any more; the other hears of it a moment later. */
static void end_air(struct end *e, unsigned air)
{
    struct way gone = e->ways[air];
    struct virtual *v = virtual_of(e->port);
    struct air_frame *f = frame_for(&gone, (struct span){NULL, 0});
    e->ways[air] = (struct way){.to = NULL};
    if (f)
        virtual_push(v, virtual_now_us(v), part_event, f, 0, EVENT_OWNED);
}

static void part_event(struct virtual *v, void *object, uint64_t argument)
{
    struct air_frame *f = object;
    (void)v;
    (void)argument;
    if (is_there(f)) {
        f->to->ways[f->air] = (struct way){.to = NULL};
        ble_device_part(&f->to->device, f->air);
        schedule(f->to);
    }
    free(f);
}

static void arrive(struct virtual *v, void *object, uint64_t argument)
{
    struct air_frame *f = object;
    struct end *e = f->to;
    (void)v;
    (void)argument;
    if (is_there(f) && ble_device_take(&e->device, f->air, span_of(f->bytes, f->len)) != ERR_OK) {
        end_air(e, f->air);
        ble_device_part(&e->device, f->air);
    }
    schedule(e);
    free(f);
}

static void join(struct end *central, struct end *peripheral)
{
    struct airs *airs = virtual_state(virtual_of(central->port), &twin_ble);
    unsigned here, there;
    if (ble_device_join(&peripheral->device, virtual_name(central->port->node), &there) != ERR_OK)
        return;
    peripheral->ways[there] = (struct way){.to = central, .number = ++airs->made};
    if (ble_device_join(&central->device, virtual_name(peripheral->port->node), &here) != ERR_OK) {
        ble_device_part(&peripheral->device, there);
        peripheral->ways[there] = (struct way){.to = NULL};
        return;
    }
    peripheral->ways[there].to_air = here;
    central->ways[here] = (struct way){.to = peripheral, .to_air = there, .number = airs->made};
    schedule(central);
}

static bool reaches(const struct virtual_port *central, const struct virtual_port *peripheral)
{
    unsigned index;
    const struct virtual_node *a = central->node, *b = peripheral->node;
    return medium_reaches(virtual_class(a), virtual_group(a), virtual_port_spec(central), virtual_class(b),
                          virtual_group(b), &index) &&
           index == peripheral->index;
}

/* The other adapters that are on. */
static void meet(struct virtual_port *p, struct virtual_port *other)
{
    bool central = virtual_port_spec(p)->end == PORT_ASKS;
    if (other->twin != &twin_ble || !other->up || other == p)
        return;
    if ((virtual_port_spec(other)->end == PORT_ASKS) == central)
        return;
    struct virtual_port *asks = central ? p : other, *listens = central ? other : p;
    if (reaches(asks, listens))
        join(asks->link, listens->link);
}

static void ble_connect(struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        for (unsigned i = 0; i < virtual_class(n)->port_count; i++)
            meet(p, virtual_port(n, i));
    virtual_link(p, LINK_UP);
}

static void ble_disconnect(struct virtual_port *p)
{
    struct end *e = p->link;
    for (unsigned i = 0; i < BLE_AIRS; i++)
        if (e->ways[i].to)
            end_air(e, i);
    ble_device_reset(&e->device);
    schedule(e);
}

/* ---- the port ---- */

static enum err ble_send(struct virtual_port *p, const char *address, struct span bytes)
{
    struct end *e = p->link;
    enum err err = ble_device_send(&e->device, address, bytes);
    schedule(e);
    return err;
}

static enum err ble_tell(struct virtual_port *p, const char *address, const char *news)
{
    struct end *e = p->link;
    if (p->cut || !p->up)
        return ERR_LINK_DOWN;
    enum err err = ble_device_tell(&e->device, address, news);
    schedule(e);
    return err;
}

static enum err ble_radio(struct virtual_port *p, const char *name, const char *text)
{
    struct end *e = p->link;
    enum err err = ble_device_radio(&e->device, name, text);
    schedule(e);
    return err;
}

static enum err ble_attach(struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    struct end *e = calloc(1, sizeof *e);
    const struct ble_device_hooks hooks = {e, on_news, on_bytes, on_put, on_now, on_before_random};
    if (!e)
        return ERR_NO_MEMORY;
    e->port = p;
    e->due_us = BLE_NEVER;
    ble_device_init(&e->device, virtual_port_spec(p)->end == PORT_ASKS, virtual_crypto(v, "ble"), &hooks);
    p->link = e;
    return ERR_OK;
}

static void ble_detach(struct virtual_port *p)
{
    struct end *e = p->link;
    ble_device_reset(&e->device);
    free(e);
}

const struct twin twin_ble = {
    .medium = &medium_ble,
    .size = sizeof(struct airs),
    .attach = ble_attach,
    .detach = ble_detach,
    .connect = ble_connect,
    .disconnect = ble_disconnect,
    .send = ble_send,
    .tell = ble_tell,
    .radio = ble_radio,
};
