#include "lib/media/can/can_recorder.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/media/can/can.h"
#include "lib/media/can/can_socket.h"
#include "lib/media/media.h"

#define ECHO_MS 200 /* a controller's own frames come back when they have been on the wire */

static void bus_name(size_t bus, char out[CAN_BUS_NAME])
{
    can_bus_name((unsigned)(bus / SEGMENTS), (enum segment)(bus % SEGMENTS), out);
}

void can_recorder_begin(struct can_recorder *r, struct setup_world *w, size_t bus_count)
{
    *r =
        (struct can_recorder){.world = w, .ring_fd = -1, .wake_fd = -1, .socket = -1, .bus_count = bus_count};
}

/* ---- what has come ---- */

static void drain_hub(struct can_recorder *r)
{
    struct hub_record f;
    char name[CAN_BUS_NAME];
    uint64_t woken;
    if (read(r->wake_fd, &woken, sizeof woken) < 0)
        woken = 0; /* drained without being woken */
    while (hub_ring_take(r->ring, &f)) {
        bus_name(f.bus, name);
        r->recorded[f.bus < HUB_BUSES ? f.bus : 0]++;
        r->world->frame(r->world->ctx, f.time_us, name, &f.frame);
    }
}

static void drain_interfaces(struct can_recorder *r)
{
    struct can_record f;
    char name[IF_NAMESIZE];
    while (can_socket_read_record(r->socket, &f) == 1) {
        if (!if_indextoname((unsigned)f.interface, name))
            continue;
        for (size_t b = 0; b < r->bus_count; b++) {
            if (strcmp(r->interfaces[b], name) != 0)
                continue;
            r->recorded[b] += f.ours;
            r->world->frame(r->world->ctx, (uint64_t)((int64_t)f.wall_us - r->world->wall_offset_us), name,
                            &f.frame);
        }
    }
}

void can_recorder_drain(struct can_recorder *r)
{
    if (r->ring)
        drain_hub(r);
    else if (r->socket >= 0)
        drain_interfaces(r);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    (void)s;
    (void)fd;
    (void)revents;
    can_recorder_drain(ctx);
    return 0;
}

bool can_recorder_on_hub(struct can_recorder *r)
{
    r->ring = hub_ring_make(&r->ring_fd);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return r->ring && r->wake_fd >= 0 &&
           sd_event_add_io(r->world->event, &r->io, r->wake_fd, EPOLLIN, on_io, r) >= 0;
}

bool can_recorder_on_interfaces(struct can_recorder *r, const char (*interfaces)[IF_NAMESIZE])
{
    r->interfaces = interfaces;
    r->socket = can_socket_open("", NULL, 0);
    return r->socket >= 0 && sd_event_add_io(r->world->event, &r->io, r->socket, EPOLLIN, on_io, r) >= 0;
}

/* ---- is all there? ---- */

struct bus_sum {
    bool uncounted; /* somebody outside sends, and hands in no count */
    uint64_t sent, unsure;
    char who[200]; /* "spaak 12, sgw 30" */
};

static void add_port(struct bus_sum *sum, const struct setup_instance *who, const struct link_tally *t)
{
    size_t used = strlen(sum->who);
    uint64_t sent = t ? atomic_load(&t->sent) : 0;
    sum->uncounted |= who->external;
    sum->sent += sent;
    sum->unsure += t ? atomic_load(&t->unsure) + atomic_load(&t->under_way) : 0;
    if (sent)
        snprintf(sum->who + used, sizeof sum->who - used, "%s%s %" PRIu64, used ? ", " : "", who->name, sent);
}

static void add_up(const struct can_recorder *r, size_t bus, setup_tally *tally, struct bus_sum *out)
{
    const struct setup_world *w = r->world;
    *out = (struct bus_sum){0};
    for (size_t i = 0; i < w->count; i++)
        for (unsigned k = 0; k < w->instances[i].class->port_count; k++) {
            const struct port_spec *p = &w->instances[i].class->ports[k];
            if (strcmp(p->medium, medium_can.name) == 0 &&
                medium_group(p, w->instances[i].group) * SEGMENTS + p->segment == bus)
                add_port(out, &w->instances[i], tally(w->ctx, &w->instances[i], k));
        }
}

bool can_recorder_busy(const struct can_recorder *r, setup_tally *tally)
{
    uint64_t sent = 0, passed = r->ring ? atomic_load(&r->ring->put) : 0;
    for (size_t b = 0; r->ring && b < r->bus_count; b++) {
        struct bus_sum sum;
        add_up(r, b, tally, &sum);
        sent += sum.sent;
        passed += atomic_load(&r->ring->unsent[b]);
    }
    return r->hub_lives == 1 && passed < sent;
}

/* One bus: what was sent is recorded, and nothing else is of this machine. A life that was killed may have
 * had frames in its hands; a hub that was killed, frames that it had not read: those were on no wire. */
static bool is_whole(const struct can_recorder *r, size_t bus, const struct bus_sum *sum)
{
    uint64_t recorded = r->recorded[bus], unsent = r->ring ? atomic_load(&r->ring->unsent[bus]) : 0;
    bool enough = recorded + unsent >= sum->sent || r->hub_lives > 1;
    return enough && (sum->uncounted || recorded <= sum->sent + sum->unsure);
}

static bool audit(struct can_recorder *r, setup_tally *tally, bool tell)
{
    bool whole = true;
    for (size_t b = 0; b < r->bus_count; b++) {
        struct bus_sum sum;
        char name[CAN_BUS_NAME], text[400];
        add_up(r, b, tally, &sum);
        if (is_whole(r, b, &sum))
            continue;
        whole = false;
        bus_name(b, name);
        snprintf(text, sizeof text,
                 "can.log is not whole: on %s %" PRIu64 " frames were sent (%s), and %" PRIu64
                 " are recorded",
                 name, sum.sent, sum.who, r->recorded[b]);
        if (tell)
            r->world->fail(r->world->ctx, text);
    }
    return whole;
}

void can_recorder_audit(struct can_recorder *r, setup_tally *tally)
{
    if (!r->ring && r->socket < 0)
        return;
    can_recorder_drain(r);
    for (int left_ms = ECHO_MS; r->socket >= 0 && left_ms > 0 && !audit(r, tally, false); left_ms -= 10) {
        struct pollfd p = {.fd = r->socket, .events = POLLIN};
        poll(&p, 1, 10);
        can_recorder_drain(r);
    }
    audit(r, tally, true);
}

void can_recorder_end(struct can_recorder *r)
{
    const int fds[] = {r->ring_fd, r->wake_fd, r->socket};
    sd_event_source_disable_unref(r->io);
    hub_ring_close(r->ring);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
