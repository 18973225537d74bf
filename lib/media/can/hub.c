#include "lib/media/can/hub_door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/media/can/hub_pace.h"
#include "lib/media/can/hub_ring.h"

#define PACKETS_PER_TURN 16 /* from one node before the next has its turn */
#define RECORD_MS                                                                                        \
    50            /* what is recorded waits this long for its reader: each wake-up is one beside the bus \
                   */
#define FULL_MS 2 /* when the ring has no room: until it is looked at again */

struct packet {
    struct packet *next;
    size_t len;
    uint8_t bytes[];
};

struct station {
    int fd;
    bool waits_for_room, paused, leaving, deaf;
    struct hub_hello hello;
    uint8_t open[HUB_PACKET_MAX]; /* packet being filled in this turn */
    size_t open_len;
    struct packet *queue, **queue_end;
    size_t queued;
    uint64_t progress_ms; /* last time it took something, or had nothing to take */
};

struct hub {
    const struct hub_setup *setup;
    int epoll_fd;
    uint64_t stopping;        /* since when, milliseconds; 0: it is not */
    uint64_t unread_since_ms; /* records that nobody was woken for; 0: none */
    struct pace *pace;        /* NULL: frames pass at once */
    int pace_fd;              /* timer: the next frame's end */
    struct hub_door door;
    struct station *nodes[HUB_NODES_MAX];
    size_t count;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void watch(struct hub *h, struct station *n)
{
    struct epoll_event e = {.data.ptr = n};
    e.events = (n->paused ? 0u : (uint32_t)EPOLLIN) | (n->waits_for_room ? (uint32_t)EPOLLOUT : 0u);
    epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, n->fd, &e);
}

static void drop_queue(struct station *n)
{
    while (n->queue) {
        struct packet *p = n->queue;
        n->queue = p->next;
        free(p);
    }
    n->queued = n->open_len = 0;
}

/* It hears nothing any more; what it has sent before is still to be read. */
static void go_deaf(struct station *n)
{
    n->deaf = true;
    drop_queue(n);
}

static void node_remove(struct hub *h, struct station *n)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->nodes[i] == n)
            h->nodes[i] = h->nodes[--h->count];
    size_t unsent = h->pace ? pace_forget(h->pace, n) : 0;
    if (h->setup->ring)
        atomic_fetch_add(&h->setup->ring->unsent[n->hello.segment], unsent);
    drop_queue(n);
    close(n->fd);
    free(n);
}

static void tell_bye(struct station *n, const char *reason)
{
    char packet[120];
    packet[0] = HUB_BYE;
    int len = snprintf(packet + 1, sizeof packet - 1, "%s", reason);
    send(n->fd, packet, (size_t)len + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    fprintf(stderr, "hub: %s leaves: %s\n", n->hello.name, reason);
}

static void say_bye(struct station *n, const char *reason)
{
    tell_bye(n, reason);
    n->leaving = true;
}

/* Sends the packet now, or queues a copy behind those that wait. */
static void node_send(struct hub *h, struct station *n, const uint8_t *bytes, size_t len)
{
    if (n->deaf)
        return;
    if (!n->queue) {
        n->progress_ms = now_ns() / 1000000;
        if (send(n->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return;
        if (errno != EAGAIN && errno != ENOBUFS) {
            go_deaf(n);
            return;
        }
    }
    struct packet *p = malloc(sizeof *p + len);
    if (!p) {
        say_bye(n, "the hub is out of memory");
        return;
    }
    p->next = NULL;
    p->len = len;
    memcpy(p->bytes, bytes, len);
    if (!n->queue)
        n->queue_end = &n->queue;
    *n->queue_end = p;
    n->queue_end = &p->next;
    n->queued += len;
    if (!n->waits_for_room) {
        n->waits_for_room = true;
        watch(h, n);
    }
}

static void node_drain(struct hub *h, struct station *n)
{
    while (n->queue) {
        struct packet *p = n->queue;
        if (send(n->fd, p->bytes, p->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EAGAIN || errno == ENOBUFS)
                return;
            go_deaf(n);
            break;
        }
        n->progress_ms = now_ns() / 1000000;
        n->queue = p->next;
        n->queued -= p->len;
        free(p);
    }
    n->waits_for_room = false;
    watch(h, n);
}

static void node_close_packet(struct hub *h, struct station *n)
{
    if (n->open_len > 1)
        node_send(h, n, n->open, n->open_len);
    n->open_len = 0;
}

static bool wants(const struct station *n, uint8_t segment, uint32_t id)
{
    if (n->hello.segment != segment)
        return false;
    for (size_t i = 0; i < n->hello.id_count; i++)
        if (n->hello.ids[i] == id)
            return true;
    return n->hello.everything;
}

static void node_add_frame(struct hub *h, struct station *n, struct span raw)
{
    if (n->open_len + raw.len > sizeof n->open)
        node_close_packet(h, n);
    if (n->open_len == 0)
        n->open[n->open_len++] = HUB_FRAMES;
    struct wr w = wr_of(n->open + n->open_len, sizeof n->open - n->open_len);
    wr_copy(&w, raw.p, raw.len);
    n->open_len += w.len;
}

static void wake_reader(struct hub *h)
{
    const uint64_t one = 1;
    h->unread_since_ms = 0;
    if (h->setup->wake_fd >= 0 && write(h->setup->wake_fd, &one, sizeof one) < 0)
        fprintf(stderr, "hub: nobody can be woken to read the records: %s\n", strerror(errno));
}

/* The record comes first: what anybody has heard is in it, whatever becomes of the hub. */
static void record(struct hub *h, uint8_t segment, const struct bus_frame *f, uint64_t at_ns)
{
    struct hub_ring *ring = h->setup->ring;
    if (!ring)
        return;
    hub_ring_put(ring, (at_ns - h->setup->start_ns) / 1000, segment, f);
    if (!h->unread_since_ms)
        h->unread_since_ms = now_ns() / 1000000;
    if (hub_ring_room(ring) == HUB_RING_FRAMES / 2)
        wake_reader(h);
}

static void spread(struct hub *h, const struct station *from, uint8_t segment, const struct bus_frame *f,
                   struct span raw, uint64_t at_ns)
{
    record(h, segment, f, at_ns);
    for (size_t i = 0; i < h->count; i++) {
        struct station *to = h->nodes[i];
        if (to != from && !to->leaving && !to->deaf && wants(to, segment, f->id))
            node_add_frame(h, to, raw);
    }
}

/* The end of a frame that took its time. */
static void on_paced(void *ctx, const void *from, uint8_t segment, const struct bus_frame *f, uint64_t at_ns)
{
    uint8_t raw[80];
    struct wr w = wr_of(raw, sizeof raw);
    bus_frame_write(&w, f);
    spread(ctx, from, segment, f, span_of(raw, w.len), at_ns);
}

static void route(struct hub *h, struct station *from, struct span packet)
{
    struct rd r = rd_of(packet.p + 1, packet.len - 1);
    struct bus_frame f;
    uint64_t at_ns = now_ns();
    while (r.left) {
        const uint8_t *start = r.p;
        if (bus_frame_read(&r, &f)) {
            say_bye(from, "sent what is not a frame");
            return;
        }
        if (!h->pace)
            spread(h, from, from->hello.segment, &f, span_of(start, (size_t)(r.p - start)), at_ns);
        else if (!pace_put(h->pace, from, from->hello.segment, &f, at_ns))
            say_bye(from, "the hub is out of memory");
    }
}

/* As many frames as a packet can have, beside those that wait for the wire. */
static bool ring_is_full(const struct hub *h)
{
    size_t waiting = h->pace ? pace_left(h->pace) : 0;
    return h->setup->ring && hub_ring_room(h->setup->ring) < HUB_PACKET_MAX / BUS_FRAME_MIN + waiting;
}

static void node_read(struct hub *h, struct station *n)
{
    uint8_t packet[HUB_PACKET_MAX];
    for (unsigned turn = 0; turn < PACKETS_PER_TURN && !n->leaving && !ring_is_full(h); turn++) {
        ssize_t len = recv(n->fd, packet, sizeof packet, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len <= 0) {
            n->leaving = true;
            return;
        }
        struct span s = {packet, (size_t)len};
        if (packet[0] == HUB_FRAMES)
            route(h, n, s);
        else
            say_bye(n, "sent a packet of an unknown type");
    }
}

/* Its next life is there, or it has stopped reading: it hears nothing more, and what it sent is read to its
 * end. */
static void part_with(struct station *n)
{
    go_deaf(n);
    shutdown(n->fd, SHUT_RDWR);
}

static void end_former_life(struct hub *h, const struct hub_hello *hello)
{
    for (size_t i = 0; i < h->count; i++) {
        struct station *n = h->nodes[i];
        if (n->hello.segment == hello->segment && strcmp(n->hello.name, hello->name) == 0)
            part_with(n);
    }
}

static bool admit_node(void *ctx, int fd, const struct hub_hello *hello)
{
    static const uint8_t welcome = HUB_WELCOME;
    struct hub *h = ctx;
    struct station *n = h->count == HUB_NODES_MAX ? NULL : calloc(1, sizeof *n);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = n};
    if (!n || epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        free(n);
        return false;
    }
    end_former_life(h, hello);
    n->fd = fd;
    n->hello = *hello;
    n->progress_ms = now_ns() / 1000000;
    h->nodes[h->count++] = n;
    node_send(h, n, &welcome, 1);
    return true;
}

/* A full queue pauses the senders of its segment; an empty one sets them free. */
static void apply_pressure(struct hub *h)
{
    bool full[HUB_BUSES] = {false}, no_room = ring_is_full(h);
    uint64_t now_ms = now_ns() / 1000000;
    for (size_t i = 0; i < h->count; i++) {
        struct station *n = h->nodes[i];
        if (n->queue && now_ms > n->progress_ms + HUB_STALL_MS) {
            tell_bye(n, "it stopped reading (LINK_PEER_STALLED)");
            part_with(n);
        }
        if (n->queued < HUB_QUEUE_HIGH || n->leaving)
            continue;
        for (size_t s = 0; s < HUB_BUSES; s++)
            full[s] |= n->hello.segment == s;
    }
    for (size_t i = 0; i < h->count; i++) {
        struct station *n = h->nodes[i];
        bool pause = no_room || full[n->hello.segment] || (h->pace && pace_full(h->pace, n));
        if (pause != n->paused) {
            n->paused = pause;
            watch(h, n);
        }
    }
}

/* Sets the timer to the next frame's end. */
static void keep_pace(struct hub *h)
{
    struct itimerspec t = {0};
    if (!h->pace)
        return;
    pace_advance(h->pace, now_ns());
    uint64_t next_ns = pace_next_ns(h->pace);
    if (next_ns != PACE_NEVER) {
        t.it_value.tv_sec = (time_t)(next_ns / 1000000000u);
        t.it_value.tv_nsec = (long)(next_ns % 1000000000u);
    }
    timerfd_settime(h->pace_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void end_turn(struct hub *h)
{
    bool pressed = ring_is_full(h) || (h->pace && pace_left(h->pace));
    if (h->unread_since_ms && now_ns() / 1000000 >= h->unread_since_ms + RECORD_MS)
        wake_reader(h);
    keep_pace(h);
    for (size_t i = 0; i < h->count; i++) {
        if (h->nodes[i]->open_len)
            node_close_packet(h, h->nodes[i]);
        pressed |= h->nodes[i]->queue || h->nodes[i]->paused;
    }
    if (pressed)
        apply_pressure(h);
    for (size_t i = h->count; i-- > 0;)
        if (h->nodes[i]->leaving)
            node_remove(h, h->nodes[i]);
}

static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until when epoll may sleep: a queue is looked after, a reader of the records is woken, a full ring has room
 * again. */
static int sleep_ms(struct hub *h)
{
    int ms = hub_door_sleep_ms(&h->door, now_ns() / 1000000);
    if (h->unread_since_ms)
        ms = sooner(ms, RECORD_MS);
    if (ring_is_full(h))
        ms = sooner(ms, FULL_MS);
    for (size_t i = 0; i < h->count; i++)
        if (h->nodes[i]->queue)
            ms = sooner(ms, 100);
    return h->stopping ? sooner(ms, 10) : ms;
}

static bool pace_begin(struct hub *h)
{
    struct epoll_event on_end = {.events = EPOLLIN, .data.ptr = &h->pace_fd};
    h->pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    h->pace = pace_new(on_paced, h);
    return h->pace && h->pace_fd >= 0 && epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->pace_fd, &on_end) == 0;
}

static void pace_end(struct hub *h)
{
    if (!h->pace)
        return;
    while (pace_next_ns(h->pace) != PACE_NEVER) /* what is on the wire comes to its end */
        pace_advance(h->pace, pace_next_ns(h->pace));
    pace_free(h->pace);
    close(h->pace_fd);
}

static void on_event(struct hub *h, const struct epoll_event *e)
{
    struct station *node = e->data.ptr;
    if (e->data.ptr == &h->pace_fd) /* which end_turn looks after */
        return;
    if (hub_door_event(&h->door, e->data.ptr, now_ns() / 1000000))
        return;
    if (e->events & EPOLLOUT)
        node_drain(h, node);
    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        node_read(h, node);
}

static void take_turn(struct hub *h)
{
    struct epoll_event events[64];
    int n = epoll_wait(h->epoll_fd, events, 64, sleep_ms(h));
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            on_event(h, &events[i]);
        else if (!h->stopping)
            h->stopping = now_ns() / 1000000;
    }
    end_turn(h);
}

/* Nobody comes in any more; those who are here have a while to hang up. */
static void stop_serving(struct hub *h)
{
    door_close(&h->door.door);
    epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, h->setup->stop_fd, NULL);
    epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, h->setup->listen_fd, NULL);
    while (h->count && now_ns() / 1000000 < h->stopping + HUB_STOP_MS)
        take_turn(h);
    while (h->count) {
        node_close_packet(h, h->nodes[0]);
        node_remove(h, h->nodes[0]);
    }
    pace_end(h);
}

int hub_serve(const struct hub_setup *setup)
{
    struct hub h = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .setup = setup};
    struct epoll_event on_stop = {.events = EPOLLIN, .data.ptr = NULL};
    if (h.epoll_fd < 0 || epoll_ctl(h.epoll_fd, EPOLL_CTL_ADD, setup->stop_fd, &on_stop) != 0 ||
        (setup->wire_time && !pace_begin(&h)))
        return 1;
    h.door = (struct hub_door){.epoll_fd = h.epoll_fd,
                               .listen_fd = setup->listen_fd,
                               .tokens = setup->tokens,
                               .ctx = &h,
                               .admit = admit_node};
    hub_door_open(&h.door);
    while (!h.stopping)
        take_turn(&h);
    stop_serving(&h);
    close(h.epoll_fd);
    return 0;
}
