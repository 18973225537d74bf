/* Calls over Unix sockets that keep message borders, one packet a request or an answer.
 *
 * Endpoints: "call:<socket>;at=<server>" (no socket: the server is not in this run), and
 * "serve:<descriptor>". The caller's first packet is its greeting (lib/host/door_event.h); the server answers
 * with one byte, and from then on both know who is there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/door_event.h"
#include "lib/media/call/call.h"
#include "lib/media/media.h"

#define RETRY_US    2000
#define CALLERS_MAX 64
#define WELCOME     0x01

struct packet {
    struct packet *next;
    struct connection *to;
    size_t len;
    uint8_t bytes[];
};

struct connection {
    struct call_link *link;
    int fd; /* -1: free */
    bool admitted;
    char name[ENV_NAME_MAX]; /* server: of the caller */
    sd_event_source *io;
};

struct call_link {
    struct link link;
    struct link_open o;
    char path[108], at[ENV_NAME_MAX]; /* client: the server's socket and name */
    bool server, cut;
    struct connection peers[CALLERS_MAX]; /* a client uses the first */
    sd_event_source *retry;
    struct packet *queue, **queue_end;
    struct door_event door;
};

static void try_connect(struct call_link *l);

static int on_retry(sd_event_source *s, uint64_t now_us, void *ctx)
{
    struct call_link *l = ctx;
    (void)s;
    (void)now_us;
    if (!l->cut && l->peers[0].fd < 0)
        try_connect(l);
    return 0;
}

static void retry_later(struct call_link *l)
{
    l->retry = sd_event_source_disable_unref(l->retry);
    sd_event_add_time_relative(l->o.event, &l->retry, CLOCK_MONOTONIC, RETRY_US, 1, on_retry, l);
}

static void forget_packets(struct call_link *l, const struct connection *to)
{
    for (struct packet **at = &l->queue; *at;) {
        struct packet *p = *at;
        if (p->to != to) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free(p);
    }
    l->queue_end = &l->queue;
    while (*l->queue_end)
        l->queue_end = &(*l->queue_end)->next;
}

static void hang_up(struct connection *c)
{
    struct call_link *l = c->link;
    bool was = c->admitted;
    c->io = sd_event_source_disable_unref(c->io);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->admitted = false;
    c->name[0] = '\0';
    forget_packets(l, c);
    if (l->server)
        return;
    if (was)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
    if (!l->cut)
        retry_later(l);
}

/* ---- greeting ---- */

/* The place of that caller's former life, else a free one. */
static struct connection *place_for(struct call_link *l, const char *name)
{
    struct connection *free_one = NULL;
    for (size_t i = 0; i < CALLERS_MAX; i++) {
        struct connection *c = &l->peers[i];
        if (c->admitted && strcmp(c->name, name) == 0) {
            hang_up(c);
            return c;
        }
        if (c->fd < 0 && !free_one)
            free_one = c;
    }
    return free_one;
}

static bool connection_open(struct connection *c, int fd);

static enum err judge(void *ctx, struct span greeting)
{
    const struct call_link *l = ctx;
    char name[ENV_NAME_MAX];
    return door_check(&l->o, greeting, name);
}

static enum err admit(void *ctx, struct span greeting, int fd)
{
    static const uint8_t welcome = WELCOME;
    struct call_link *l = ctx;
    char name[ENV_NAME_MAX];
    enum err e = door_check(&l->o, greeting, name);
    struct connection *c = e ? NULL : place_for(l, name);
    if (!c)
        return ERR_LINK_CROWDED;
    if (send(fd, &welcome, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        return ERR_LINK_DOWN;
    if (!connection_open(c, fd))
        return ERR_NO_MEMORY;
    c->admitted = true;
    text_copy(c->name, sizeof c->name, name);
    return ERR_OK;
}

static void on_packet(struct connection *c, struct span packet)
{
    struct call_link *l = c->link;
    if (c->admitted) {
        l->o.hooks.on_bytes(l->o.hooks.ctx, l->server ? c->name : "", packet);
    } else if (packet.len == 1 && packet.p[0] == WELCOME) {
        c->admitted = true;
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    }
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct connection *c = ctx;
    uint8_t packet[CALL_PACKET_MAX];
    (void)s;
    (void)revents;
    for (int i = 0; i < 32 && c->fd == fd; i++) {
        ssize_t len = recv(fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (len > (ssize_t)sizeof packet)
            fprintf(stderr, "%s: %s: %s\n", c->link->o.name, c->link->o.spec->name,
                    err_text(ERR_MSG_TOO_LONG));
        if (len <= 0 || len > (ssize_t)sizeof packet)
            hang_up(c);
        else
            on_packet(c, span_of(packet, (size_t)len));
    }
    return 0;
}

static bool connection_open(struct connection *c, int fd)
{
    c->fd = sd_event_add_io(c->link->o.event, &c->io, fd, EPOLLIN, on_io, c) >= 0 ? fd : -1;
    return c->fd >= 0;
}

static bool say_hello(struct call_link *l, int fd)
{
    uint8_t hello[TOKEN_SIZE + ENV_NAME_MAX];
    size_t len = door_greeting(&l->o, l->at, hello);
    bool said = len && send(fd, hello, len, MSG_NOSIGNAL) > 0;
    explicit_bzero(hello, sizeof hello);
    return said;
}

static void try_connect(struct call_link *l)
{
    if (!l->path[0])
        return;
    int fd = link_connect_ours(&l->o, l->path, SOCK_SEQPACKET, LINK_RUNNER);
    if (fd >= 0 && say_hello(l, fd) && connection_open(&l->peers[0], fd))
        return;
    if (fd >= 0)
        close(fd);
    retry_later(l);
}

static int on_first_turn(sd_event_source *s, void *ctx)
{
    struct call_link *l = ctx;
    (void)s;
    if (l->cut)
        return 0;
    if (l->server)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    else
        try_connect(l);
    return 0;
}

/* ---- the link ---- */

static struct connection *peer_of(struct call_link *l, const char *address)
{
    for (size_t i = 0; i < (l->server ? CALLERS_MAX : 1u); i++)
        if (l->peers[i].admitted && (!l->server || strcmp(l->peers[i].name, address) == 0))
            return &l->peers[i];
    return NULL;
}

static enum err call_send(struct link *link, const char *address, struct span bytes)
{
    struct call_link *l = (struct call_link *)link;
    struct connection *to = l->cut ? NULL : peer_of(l, address);
    if (!to)
        return ERR_LINK_DOWN;
    if (bytes.len > CALL_PACKET_MAX)
        return ERR_NO_SPACE;
    struct packet *p = malloc(sizeof *p + bytes.len);
    if (!p)
        return ERR_NO_MEMORY;
    p->next = NULL;
    p->to = to;
    p->len = bytes.len;
    memcpy(p->bytes, bytes.p, bytes.len);
    if (!l->queue)
        l->queue_end = &l->queue;
    *l->queue_end = p;
    l->queue_end = &p->next;
    return ERR_OK;
}

static void call_flush(struct link *link)
{
    struct call_link *l = (struct call_link *)link;
    while (l->queue) {
        struct packet *p = l->queue;
        l->queue = p->next;
        /* a full socket loses the packet: the caller asks again */
        if (p->to->fd >= 0)
            send(p->to->fd, p->bytes, p->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        free(p);
    }
}

static void call_set_cut(struct link *link, bool cut)
{
    struct call_link *l = (struct call_link *)link;
    l->cut = cut;
    for (size_t i = 0; cut && i < CALLERS_MAX; i++)
        if (l->peers[i].fd >= 0)
            hang_up(&l->peers[i]);
    if (l->server)
        door_event_shut(&l->door, cut);
    if (!cut)
        on_first_turn(NULL, l);
    else if (l->server)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
}

static void call_close(struct link *link)
{
    struct call_link *l = (struct call_link *)link;
    call_flush(link);
    for (size_t i = 0; i < CALLERS_MAX; i++) {
        sd_event_source_disable_unref(l->peers[i].io);
        if (l->peers[i].fd >= 0)
            close(l->peers[i].fd);
    }
    door_event_close(&l->door);
    sd_event_source_disable_unref(l->retry);
    free(l);
}

static bool configure(struct call_link *l)
{
    const char *endpoint = l->o.endpoint;
    const struct door_hooks hooks = {.ctx = l, .judge = judge, .admit = admit};
    l->server = strncmp(endpoint, "serve:", 6) == 0;
    if (l->server)
        return door_event_open(&l->door, &l->o, atoi(endpoint + 6), &hooks);
    size_t len = strcspn(endpoint, ";");
    if (strncmp(endpoint, "call:", 5) != 0 || len - 5 >= sizeof l->path)
        return false;
    memcpy(l->path, endpoint + 5, len - 5);
    return len == 5 || link_option(endpoint, "at", l->at, sizeof l->at);
}

static struct link *call_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {
        .send = call_send, .flush = call_flush, .set_cut = call_set_cut, .close = call_close};
    struct call_link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->link.ops = &ops;
    l->o = *o;
    for (size_t i = 0; i < CALLERS_MAX; i++)
        l->peers[i] = (struct connection){.link = l, .fd = -1};
    if (!configure(l)) {
        *reason = "a call endpoint is call:<socket>;at=<server> or serve:<descriptor>";
        call_close(&l->link);
        return NULL;
    }
    link_defer(o->event, on_first_turn, l);
    return &l->link;
}

const struct link_driver link_driver_call = {&medium_call, call_open};
