/* Bluetooth LE over Unix stream sockets: an air is a connection.
 *
 * Endpoints: a peripheral's is "peripheral:<descriptor>", with ";open=1" for any central of this user; a
 * central's "central:<folder>;<peripheral>;<peripheral>=<socket>", a socket being in the folder or elsewhere;
 * BLE_FOREIGN stands before a peripheral that somebody outside plays. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/door_event.h"
#include "lib/host/peer.h"
#include "lib/media/ble/device.h"
#include "lib/media/ble/nearby.h"
#include "lib/media/media.h"

#define OUT_MAX  262144 /* bytes that wait for one other device; one that reads nothing is put off */
#define RETRY_US 100000u

struct way {
    struct ble_link_end *link;
    int fd; /* -1: none */
    unsigned air;
    sd_event_source *io, *full;
    uint8_t in[BLE_HEADER + BLE_FRAME_MAX];
    size_t in_len;
    uint8_t *out;
    size_t out_len;
    bool broken;
};

struct ble_link_end {
    struct link link;
    struct link_open o;
    bool central, up, cut;
    struct ble_device device;
    struct way ways[BLE_AIRS];
    struct ble_nearby places[BLE_AIRS]; /* the way of the same number leads there */
    size_t place_count;
    sd_event_source *accept, *clock;
    struct door_event door;
    uint64_t retry_us; /* a central looks again for who is away; BLE_NEVER: all are there */
    unsigned ended;    /* airs whose other end did not keep to the form */
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void arm(struct ble_link_end *l)
{
    uint64_t due_us = ble_device_due_us(&l->device);
    if (l->retry_us < due_us)
        due_us = l->retry_us;
    sd_event_source_set_time(l->clock, due_us);
    sd_event_source_set_enabled(l->clock, due_us == BLE_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* ---- ways that come and go ---- */

static void way_close(struct way *w)
{
    w->io = sd_event_source_disable_unref(w->io);
    w->full = sd_event_source_disable_unref(w->full);
    if (w->fd >= 0)
        close(w->fd);
    free(w->out);
    *w = (struct way){.link = w->link, .fd = -1};
}

/* The other end is gone, or does not keep to the form. */
static void part(struct way *w)
{
    struct ble_link_end *l = w->link;
    unsigned air = w->air;
    way_close(w);
    ble_device_part(&l->device, air);
    if (l->central)
        l->retry_us = now_us() + RETRY_US;
    arm(l);
}

/* Takes whole frames from what has come; an error: the other end does not keep to the form. */
static enum err take_frames(struct way *w)
{
    size_t at = 0;
    enum err e = ERR_OK;
    while (!e && w->in_len - at >= BLE_HEADER) {
        size_t len = (size_t)w->in[at + 1] << 8 | w->in[at + 2];
        if (len > BLE_FRAME_MAX)
            return ERR_MSG_TOO_LONG;
        if (w->in_len - at < BLE_HEADER + len)
            break;
        e = ble_device_take(&w->link->device, w->air, span_of(w->in + at, BLE_HEADER + len));
        at += BLE_HEADER + len;
    }
    w->in_len -= at;
    memmove(w->in, w->in + at, w->in_len);
    return e;
}

/* Its component hears no more than of a link that is lost: who plays the other end looks here. */
static void refuse(struct way *w, enum err reason)
{
    struct ble_link_end *l = w->link;
    const char *name = l->device.airs[w->air].name;
    l->ended++;
    if ((l->ended & (l->ended - 1)) == 0)
        fprintf(stderr, "%s: the air of %s to %s is ended: %s (%s), %u so far\n", l->o.name, l->o.spec->name,
                *name ? name : "a stranger", err_text(reason), err_name(reason), l->ended);
    part(w);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct way *w = ctx;
    struct ble_link_end *l = w->link;
    (void)s;
    (void)revents;
    ssize_t len = recv(fd, w->in + w->in_len, sizeof w->in - w->in_len, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len > 0)
        w->in_len += (size_t)len;
    enum err e = len > 0 ? take_frames(w) : ERR_OK;
    if (w->broken)
        e = ERR_LINK_PEER_STALLED;
    if (e)
        refuse(w, e);
    else if (len <= 0)
        part(w);
    ble_device_run(&l->device);
    arm(l);
    return 0;
}

static bool way_open(struct way *w, int fd, const char *name)
{
    struct ble_link_end *l = w->link;
    if (ble_device_join(&l->device, name, &w->air) != ERR_OK)
        return false;
    if (sd_event_add_io(l->o.event, &w->io, fd, EPOLLIN, on_io, w) < 0) {
        ble_device_part(&l->device, w->air);
        return false;
    }
    w->fd = fd;
    arm(l);
    return true;
}

/* ---- a peripheral: who comes ---- */

static bool take_central(struct ble_link_end *l, int fd, const char *name)
{
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (l->ways[i].fd < 0)
            return way_open(&l->ways[i], fd, name);
    return false;
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    (void)s;
    (void)revents;
    int other = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (other >= 0 && (!peer_same_user(other) || !take_central(ctx, other, "")))
        close(other);
    return 0;
}

/* Where the greeting ends; what stands behind it has come with it. */
static size_t greeting_len(struct span said)
{
    return said.len < BLE_HEADER ? SIZE_MAX : BLE_HEADER + ((size_t)said.p[1] << 8 | said.p[2]);
}

static enum err judge(void *ctx, struct span said)
{
    const struct ble_link_end *l = ctx;
    char name[ENV_NAME_MAX];
    size_t len = greeting_len(said);
    if (said.len && said.p[0] != BLE_GREETING)
        return ERR_LINK_NOT_ADMITTED;
    if (len != SIZE_MAX && len > BLE_HEADER + TOKEN_SIZE + ENV_NAME_MAX)
        return ERR_LINK_NOT_ADMITTED;
    if (said.len < len)
        return ERR_TRUNCATED;
    return door_check(&l->o, span_of(said.p + BLE_HEADER, len - BLE_HEADER), name);
}

static bool has_gone(const struct way *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && p.revents;
}

/* One name is one device; a life that has ended leaves it to the next. */
static bool is_here(struct ble_link_end *l, const char *name)
{
    for (size_t i = 0; i < BLE_AIRS; i++) {
        struct way *w = &l->ways[i];
        if (w->fd < 0 || strcmp(l->device.airs[w->air].name, name) != 0)
            continue;
        if (!has_gone(w))
            return true;
        part(w);
    }
    return false;
}

static enum err admit(void *ctx, struct span said, int fd)
{
    struct ble_link_end *l = ctx;
    struct way *w = l->ways;
    char name[ENV_NAME_MAX];
    size_t len = greeting_len(said);
    enum err e = door_check(&l->o, span_of(said.p + BLE_HEADER, len - BLE_HEADER), name);
    if (!e && is_here(l, name))
        e = ERR_LINK_TWICE;
    if (e)
        return e;
    while (w < l->ways + BLE_AIRS && w->fd >= 0)
        w++;
    if (w == l->ways + BLE_AIRS || said.len - len > sizeof w->in || !way_open(w, fd, name))
        return ERR_LINK_CROWDED;
    w->in_len = said.len - len;
    memcpy(w->in, said.p + len, w->in_len);
    e = take_frames(w);
    if (e)
        refuse(w, e);
    arm(l);
    return ERR_OK;
}

/* ---- a central: whom it reaches ---- */

/* Nothing to say before a peripheral that takes any central. */
static bool greet(const struct ble_link_end *l, const char *peripheral, int fd)
{
    uint8_t frame[BLE_HEADER + TOKEN_SIZE + ENV_NAME_MAX] = {BLE_GREETING};
    size_t len = door_greeting(&l->o, peripheral, frame + BLE_HEADER);
    frame[2] = (uint8_t)len;
    bool said = !len || send(fd, frame, BLE_HEADER + len, MSG_NOSIGNAL) == (ssize_t)(BLE_HEADER + len);
    explicit_bzero(frame, sizeof frame);
    return said;
}

static bool reach(struct ble_link_end *l, size_t i)
{
    const struct ble_nearby *p = &l->places[i];
    int fd = link_connect_ours(&l->o, p->path, SOCK_STREAM, p->foreign ? LINK_OUTSIDER : LINK_RUNNER);
    if (fd >= 0 && greet(l, p->name, fd) && way_open(&l->ways[i], fd, p->name))
        return true;
    if (fd >= 0)
        close(fd);
    return false;
}

static void reach_all(struct ble_link_end *l)
{
    l->retry_us = BLE_NEVER;
    for (size_t i = 0; i < l->place_count; i++)
        if (l->ways[i].fd < 0 && !reach(l, i))
            l->retry_us = now_us() + RETRY_US;
}

/* ---- what the device asks for ---- */

static void on_news(void *ctx, const char *address, const char *news)
{
    const struct ble_link_end *l = ctx;
    l->o.hooks.on_news(l->o.hooks.ctx, address, news);
}

static void on_bytes(void *ctx, const char *address, struct span bytes)
{
    const struct ble_link_end *l = ctx;
    l->o.hooks.on_bytes(l->o.hooks.ctx, address, bytes);
}

static uint64_t on_now(void *ctx)
{
    (void)ctx;
    return now_us();
}

static struct way *way_of(struct ble_link_end *l, unsigned air)
{
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (l->ways[i].fd >= 0 && l->ways[i].air == air)
            return &l->ways[i];
    return NULL;
}

static void on_put(void *ctx, unsigned air, struct span frame)
{
    struct way *w = way_of(ctx, air);
    if (!w)
        return;
    uint8_t *more = w->out_len + frame.len > OUT_MAX ? NULL : realloc(w->out, w->out_len + frame.len);
    w->broken |= !more;
    if (!more)
        return;
    memcpy(more + w->out_len, frame.p, frame.len);
    w->out = more;
    w->out_len += frame.len;
}

static int on_clock(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct ble_link_end *l = ctx;
    (void)s;
    (void)usec;
    if (!l->cut && l->up && l->retry_us <= now_us())
        reach_all(l);
    ble_device_run(&l->device);
    arm(l);
    return 0;
}

/* ---- the link ---- */

static enum err ble_send(struct link *link, const char *address, struct span bytes)
{
    struct ble_link_end *l = (struct ble_link_end *)link;
    enum err e = ble_device_send(&l->device, address, bytes);
    arm(l);
    return e;
}

static enum err ble_tell(struct link *link, const char *address, const char *news)
{
    struct ble_link_end *l = (struct ble_link_end *)link;
    if (l->cut || !l->up)
        return ERR_LINK_DOWN;
    enum err e = ble_device_tell(&l->device, address, news);
    arm(l);
    return e;
}

static enum err ble_radio(struct link *link, const char *name, const char *text)
{
    struct ble_link_end *l = (struct ble_link_end *)link;
    enum err e = ble_device_radio(&l->device, name, text);
    arm(l);
    return e;
}

static bool ble_waits(const struct link *link)
{
    return ble_device_due_us(&((const struct ble_link_end *)link)->device) != BLE_NEVER;
}

static void flush_way(struct way *w);

static int on_room(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    (void)s;
    (void)fd;
    (void)revents;
    flush_way(ctx);
    return 0;
}

static void flush_way(struct way *w)
{
    ssize_t len = w->out_len ? send(w->fd, w->out, w->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (len > 0) {
        w->out_len -= (size_t)len;
        memmove(w->out, w->out + len, w->out_len);
    }
    if (w->out_len == 0)
        w->full = sd_event_source_disable_unref(w->full);
    else if (!w->full)
        sd_event_add_io(w->link->o.event, &w->full, w->fd, EPOLLOUT, on_room, w);
}

static void ble_flush(struct link *link)
{
    struct ble_link_end *l = (struct ble_link_end *)link;
    for (size_t i = 0; i < BLE_AIRS; i++)
        if (l->ways[i].fd >= 0 && l->ways[i].out_len)
            flush_way(&l->ways[i]);
}

static int on_first_turn(sd_event_source *s, void *ctx)
{
    struct ble_link_end *l = ctx;
    (void)s;
    if (l->cut || l->up)
        return 0;
    l->up = true;
    if (l->central)
        reach_all(l);
    arm(l);
    l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    return 0;
}

/* The adapter goes off. Centrals before a peripheral that is cut off wait to be taken. */
static void ble_set_cut(struct link *link, bool cut)
{
    struct ble_link_end *l = (struct ble_link_end *)link;
    bool was = l->up;
    l->cut = cut;
    if (!l->central && l->accept)
        sd_event_source_set_enabled(l->accept, cut ? SD_EVENT_OFF : SD_EVENT_ON);
    else if (!l->central)
        door_event_shut(&l->door, cut);
    if (!cut) {
        on_first_turn(NULL, l);
        return;
    }
    for (size_t i = 0; i < BLE_AIRS; i++)
        way_close(&l->ways[i]);
    ble_device_reset(&l->device);
    l->up = false;
    l->retry_us = BLE_NEVER;
    arm(l);
    if (was)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
}

static void ble_close(struct link *link)
{
    struct ble_link_end *l = (struct ble_link_end *)link;
    struct crypto *c = l->device.crypto;
    ble_flush(link);
    for (size_t i = 0; i < BLE_AIRS; i++)
        way_close(&l->ways[i]);
    door_event_close(&l->door);
    sd_event_source_disable_unref(l->accept);
    sd_event_source_disable_unref(l->clock);
    if (c)
        ble_device_reset(&l->device);
    crypto_free(c);
    free(l);
}

static bool listen_at(struct ble_link_end *l, int fd)
{
    const struct door_hooks hooks = {.ctx = l, .judge = judge, .admit = admit};
    char open[4];
    if (link_option(l->o.endpoint, "open", open, sizeof open))
        return sd_event_add_io(l->o.event, &l->accept, fd, EPOLLIN, on_accept, l) >= 0;
    return door_event_open(&l->door, &l->o, fd, &hooks);
}

static const char *prepare(struct ble_link_end *l)
{
    static const char peripheral[] = "peripheral:", central[] = "central:";
    const struct ble_device_hooks hooks = {l, on_news, on_bytes, on_put, on_now, NULL};
    const char *at = l->o.endpoint;
    struct crypto *c = crypto_new(NULL);
    l->central = strncmp(at, central, strlen(central)) == 0;
    if (!c)
        return "no memory";
    ble_device_init(&l->device, l->central, c, &hooks);
    if (sd_event_add_time(l->o.event, &l->clock, CLOCK_MONOTONIC, 0, 1, on_clock, l) < 0 ||
        sd_event_source_set_enabled(l->clock, SD_EVENT_OFF) < 0)
        return "no timer";
    if (l->central)
        return ble_nearby_read(at + strlen(central), l->places, &l->place_count)
                   ? NULL
                   : "a central's endpoint names peripherals";
    if (strncmp(at, peripheral, strlen(peripheral)) != 0)
        return "an endpoint is peripheral:<descriptor> or central:<folder>;<peripheral>";
    return listen_at(l, atoi(at + strlen(peripheral))) ? NULL : "the peripheral's socket cannot be watched";
}

static struct link *ble_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {.send = ble_send,
                                        .tell = ble_tell,
                                        .flush = ble_flush,
                                        .set_cut = ble_set_cut,
                                        .radio = ble_radio,
                                        .waits = ble_waits,
                                        .close = ble_close};
    struct ble_link_end *l = calloc(1, sizeof *l);
    if (!l) {
        *reason = "no memory";
        return NULL;
    }
    l->link.ops = &ops;
    l->o = *o;
    l->retry_us = BLE_NEVER;
    for (size_t i = 0; i < BLE_AIRS; i++)
        l->ways[i] = (struct way){.link = l, .fd = -1};
    *reason = prepare(l);
    if (*reason) {
        ble_close(&l->link);
        return NULL;
    }
    link_defer(o->event, on_first_turn, l);
    return &l->link;
}

const struct link_driver link_driver_ble = {&medium_ble, ble_open};
