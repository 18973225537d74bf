/* A CAN port on our hub or on SocketCAN. Endpoints: "hub:<socket>;group=<vehicle>" or "can:<interface>". */
#include <errno.h>
#include <fcntl.h>
#include <linux/can.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/link.h"
#include "lib/media/can/can.h"
#include "lib/media/can/can_socket.h"
#include "lib/media/can/hub.h"
#include "lib/media/media.h"

#define READS_PER_TURN 32
#define RETRY_US       2000 /* connect again; send again into a full interface */

struct can_link {
    struct link link;
    struct link_open o;
    char path[108];
    bool hub, cut, greeted;
    unsigned group; /* hub: which vehicle */
    unsigned byes;  /* of the hub, so far: said ever more seldom */
    int fd;
    sd_event_source *io, *retry;
    /* hub: the packet being filled; interface: frames that did not go yet */
    uint8_t *out;
    size_t out_len, out_cap;
};

static void try_connect(struct can_link *l);

static void disconnect(struct can_link *l)
{
    bool was = l->greeted;
    l->io = sd_event_source_disable_unref(l->io);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->greeted = false;
    l->out_len = 0;
    if (was)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
}

static int on_retry(sd_event_source *s, uint64_t now_us, void *ctx)
{
    struct can_link *l = ctx;
    (void)s;
    (void)now_us;
    if (l->fd < 0 && !l->cut)
        try_connect(l);
    else
        l->link.ops->flush(&l->link);
    return 0;
}

static void retry_later(struct can_link *l)
{
    l->retry = sd_event_source_disable_unref(l->retry);
    sd_event_add_time_relative(l->o.event, &l->retry, CLOCK_MONOTONIC, RETRY_US, 1, on_retry, l);
}

static void deliver(struct can_link *l, const struct bus_frame *f)
{
    l->o.hooks.on_bytes(l->o.hooks.ctx, "", span_of(f, sizeof *f));
}

/* Who was not let in tries again: it may have been too slow among many. */
static void on_bye(struct can_link *l, struct rd reason)
{
    bool was = l->greeted;
    l->byes++;
    if ((l->byes & (l->byes - 1)) == 0)
        fprintf(stderr, "%s: the hub closed the %s segment: %.*s\n", l->o.name, l->o.spec->name,
                (int)reason.left, (const char *)reason.p);
    disconnect(l);
    if (!was)
        retry_later(l);
}

static void on_hub_packet(struct can_link *l, struct span packet)
{
    struct rd r = rd_of(packet.p + 1, packet.len - 1);
    struct bus_frame f;
    switch (packet.p[0]) {
    case HUB_WELCOME:
        l->greeted = true;
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
        break;
    case HUB_FRAMES:
        while (r.left && l->fd >= 0 && bus_frame_read(&r, &f) == ERR_OK)
            deliver(l, &f);
        break;
    case HUB_BYE:
        on_bye(l, r);
        break;
    default:
        break;
    }
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct can_link *l = ctx;
    uint8_t packet[HUB_PACKET_MAX];
    struct bus_frame f;
    (void)s;
    (void)revents;
    for (unsigned i = 0; i < READS_PER_TURN && l->fd == fd; i++) {
        if (!l->hub) {
            int rc = can_socket_read(fd, &f);
            if (rc <= 0)
                break;
            if (!l->cut)
                deliver(l, &f);
            continue;
        }
        ssize_t len = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (len <= 0) {
            disconnect(l);
            if (!l->cut)
                retry_later(l);
            break;
        }
        on_hub_packet(l, span_of(packet, (size_t)len));
    }
    return 0;
}

static bool say_hello(struct can_link *l)
{
    uint8_t packet[256];
    struct hub_hello h = {.segment = (uint8_t)(l->group * SEGMENTS + l->o.spec->segment),
                          .everything = l->o.spec->node == 0};
    const struct token *t = token_ring_find(l->o.tokens, l->o.spec->name, l->o.name);
    if (!t)
        return false;
    h.token = *t;
    h.id_count = matrix_filter(l->o.spec->node, l->o.spec->segment, h.ids, HUB_FILTER_MAX);
    text_copy(h.name, sizeof h.name, l->o.name);
    bool said = send(l->fd, packet, hub_hello_write(&h, packet), MSG_NOSIGNAL) > 0;
    explicit_bzero(packet, sizeof packet);
    explicit_bzero(&h, sizeof h);
    return said;
}

static void try_connect(struct can_link *l)
{
    uint32_t ids[HUB_FILTER_MAX];
    size_t n = matrix_filter(l->o.spec->node, l->o.spec->segment, ids, HUB_FILTER_MAX);
    if (!l->path[0])
        return; /* a bench without its vehicle */
    l->fd = l->hub ? link_connect_ours(&l->o, l->path, SOCK_SEQPACKET, LINK_RUNNER)
                   : can_socket_open(l->path, l->o.spec->node ? ids : NULL, n);
    if (l->fd < 0 || (l->hub && !say_hello(l))) {
        disconnect(l);
        retry_later(l);
        return;
    }
    sd_event_add_io(l->o.event, &l->io, l->fd, EPOLLIN, on_io, l);
}

/* An interface needs no greeting: it is up once the host's loop runs. */
static int on_first_turn(sd_event_source *s, void *ctx)
{
    struct can_link *l = ctx;
    (void)s;
    if (!l->hub && l->fd >= 0 && !l->cut) {
        l->greeted = true;
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    }
    return 0;
}

static bool reserve(struct can_link *l, size_t more)
{
    if (l->out_len + more <= l->out_cap)
        return true;
    size_t cap = l->out_cap ? 2 * l->out_cap : HUB_PACKET_MAX;
    uint8_t *out = realloc(l->out, cap);
    if (!out)
        return false;
    l->out = out;
    l->out_cap = cap;
    return true;
}

static enum err can_send(struct link *link, const char *address, struct span bytes)
{
    struct can_link *l = (struct can_link *)link;
    struct bus_frame f;
    (void)address;
    if (!l->greeted || l->cut)
        return ERR_LINK_DOWN;
    if (!reserve(l, sizeof f))
        return ERR_NO_MEMORY;
    memcpy(&f, bytes.p, sizeof f);
    struct wr w = wr_of(l->out + l->out_len, l->out_cap - l->out_len);
    bus_frame_write(&w, &f);
    l->out_len += w.len;
    return ERR_OK;
}

static void keep_from(struct can_link *l, size_t done)
{
    memmove(l->out, l->out + done, l->out_len - done);
    l->out_len -= done;
    if (l->out_len)
        retry_later(l);
}

/* As many whole frames as a packet holds; the socket blocks nobody: what does not go waits. */
static void flush_hub(struct can_link *l)
{
    uint8_t packet[HUB_PACKET_MAX];
    size_t done = 0;
    while (done < l->out_len && l->fd >= 0) {
        struct rd r = rd_of(l->out + done, l->out_len - done);
        size_t len = 1, taken = 0;
        uint32_t frames = 0;
        struct bus_frame f;
        packet[0] = HUB_FRAMES;
        for (struct rd next = r; next.left && bus_frame_read(&next, &f) == ERR_OK; r = next) {
            size_t size = r.left - next.left;
            if (len + size > sizeof packet)
                break;
            memcpy(packet + len, r.p, size);
            len += size;
            taken += size;
            frames++;
        }
        link_tally_try(l->o.tally, frames);
        bool sent = send(l->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
        link_tally_done(l->o.tally, sent ? frames : 0);
        if (!sent)
            break;
        done += taken;
    }
    keep_from(l, done);
}

static void flush_interface(struct can_link *l)
{
    struct rd r = rd_of(l->out, l->out_len);
    struct bus_frame f;
    size_t done = 0;
    while (r.left && bus_frame_read(&r, &f) == ERR_OK) {
        link_tally_try(l->o.tally, 1);
        int sent = can_socket_write(l->fd, &f);
        link_tally_done(l->o.tally, sent == 1);
        if (sent == 0)
            break;
        done = l->out_len - r.left;
    }
    keep_from(l, done);
}

static void can_flush(struct link *link)
{
    struct can_link *l = (struct can_link *)link;
    if (l->out_len == 0 || l->fd < 0)
        return;
    if (l->hub)
        flush_hub(l);
    else
        flush_interface(l);
}

static void can_set_cut(struct link *link, bool cut)
{
    struct can_link *l = (struct can_link *)link;
    l->cut = cut;
    if (cut)
        disconnect(l);
    else if (l->fd < 0) {
        try_connect(l);
        on_first_turn(NULL, l);
    }
}

static void can_close(struct link *link)
{
    struct can_link *l = (struct can_link *)link;
    can_flush(link);
    sd_event_source_disable_unref(l->io);
    sd_event_source_disable_unref(l->retry);
    if (l->fd >= 0)
        close(l->fd);
    free(l->out);
    free(l);
}

static struct link *can_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {
        .send = can_send, .flush = can_flush, .set_cut = can_set_cut, .close = can_close};
    bool hub = strncmp(o->endpoint, "hub:", 4) == 0;
    struct can_link *l = calloc(1, sizeof *l);
    if (!l || (!hub && strncmp(o->endpoint, "can:", 4) != 0)) {
        *reason = "a CAN endpoint is hub:<socket> or can:<interface>";
        free(l);
        return NULL;
    }
    l->link.ops = &ops;
    l->o = *o;
    l->hub = hub;
    l->fd = -1;
    char group[8] = "";
    size_t len = strcspn(o->endpoint + 4, ";");
    if (len < sizeof l->path)
        memcpy(l->path, o->endpoint + 4, len);
    link_option(o->endpoint, "group", group, sizeof group);
    l->group = (unsigned)strtoul(group, NULL, 10);
    try_connect(l);
    if (!hub && l->fd < 0) {
        *reason = "the CAN interface cannot be opened";
        can_close(&l->link);
        return NULL;
    }
    link_defer(o->event, on_first_turn, l);
    return &l->link;
}

const struct link_driver link_driver_can = {&medium_can, can_open};
