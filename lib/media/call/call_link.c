/* Calls between servers: Unix sockets that keep message borders, one packet a request or an answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/link.h"

#define RETRY_US    2000
#define CALLERS_MAX 64
#define PACKET_MAX  4096

struct packet {
    struct packet *next;
    int peer; /* index of the connection */
    size_t len;
    uint8_t bytes[];
};

struct connection {
    struct call_link *link;
    int fd; /* -1: free */
    sd_event_source *io;
};

struct call_link {
    struct link link;
    struct link_open o;
    char path[108];
    bool server, cut;
    int listen_fd;
    struct connection peers[CALLERS_MAX]; /* a client uses the first */
    sd_event_source *accept, *retry;
    struct packet *queue, **queue_end;
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

static void hang_up(struct connection *c)
{
    struct call_link *l = c->link;
    c->io = sd_event_source_disable_unref(c->io);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    if (l->server)
        return;
    l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
    if (!l->cut)
        retry_later(l);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct connection *c = ctx;
    struct call_link *l = c->link;
    uint8_t packet[PACKET_MAX];
    char address[16];
    (void)s;
    (void)revents;
    snprintf(address, sizeof address, "%d", (int)(c - l->peers));
    for (int i = 0; i < 32 && c->fd == fd; i++) {
        ssize_t len = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (len <= 0)
            hang_up(c);
        else
            l->o.hooks.on_bytes(l->o.hooks.ctx, l->server ? address : "", span_of(packet, (size_t)len));
    }
    return 0;
}

static bool connection_open(struct call_link *l, size_t i, int fd)
{
    l->peers[i].fd = fd;
    return sd_event_add_io(l->o.event, &l->peers[i].io, fd, EPOLLIN, on_io, &l->peers[i]) >= 0;
}

static void try_connect(struct call_link *l)
{
    int fd = link_connect_unix(l->path, SOCK_SEQPACKET);
    if (fd < 0) {
        retry_later(l);
        return;
    }
    connection_open(l, 0, fd);
    l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct call_link *l = ctx;
    (void)s;
    (void)revents;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (size_t i = 0; peer >= 0 && i < CALLERS_MAX; i++)
        if (l->peers[i].fd < 0)
            return connection_open(l, i, peer) ? 0 : -ENOMEM;
    if (peer >= 0)
        close(peer);
    return 0;
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

static enum err call_send(struct link *link, const char *address, struct span bytes)
{
    struct call_link *l = (struct call_link *)link;
    int peer = l->server ? atoi(address) : 0;
    if (peer < 0 || peer >= CALLERS_MAX || l->peers[peer].fd < 0 || l->cut)
        return ERR_LINK_DOWN;
    struct packet *p = malloc(sizeof *p + bytes.len);
    if (!p)
        return ERR_NO_MEMORY;
    p->next = NULL;
    p->peer = peer;
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
        if (l->peers[p->peer].fd >= 0)
            send(l->peers[p->peer].fd, p->bytes, p->len, MSG_DONTWAIT | MSG_NOSIGNAL);
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
    if (!cut)
        on_first_turn(NULL, l);
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
    sd_event_source_disable_unref(l->accept);
    sd_event_source_disable_unref(l->retry);
    free(l);
}

static struct link *open_either(const struct link_open *o, bool server, const char **reason)
{
    static const struct link_ops ops = {call_send, NULL, call_flush, call_set_cut, call_close};
    struct call_link *l = calloc(1, sizeof *l);
    sd_event_source *first = NULL;
    if (!l)
        return NULL;
    l->link.ops = &ops;
    l->o = *o;
    l->server = server;
    for (size_t i = 0; i < CALLERS_MAX; i++)
        l->peers[i] = (struct connection){.link = l, .fd = -1};
    if (server && strncmp(o->endpoint, "serve:", 6) == 0) {
        l->listen_fd = atoi(o->endpoint + 6);
        sd_event_add_io(o->event, &l->accept, l->listen_fd, EPOLLIN, on_accept, l);
    } else if (!server && strncmp(o->endpoint, "call:", 5) == 0) {
        text_copy(l->path, sizeof l->path, o->endpoint + 5);
    } else {
        *reason = "a call endpoint is call:<socket> or serve:<descriptor>";
        call_close(&l->link);
        return NULL;
    }
    sd_event_add_defer(o->event, &first, on_first_turn, l);
    sd_event_source_set_floating(first, 1);
    sd_event_source_unref(first);
    return &l->link;
}

static struct link *call_open(const struct link_open *o, const char **reason)
{
    return open_either(o, false, reason);
}

static struct link *serve_open(const struct link_open *o, const char **reason)
{
    return open_either(o, true, reason);
}

const struct link_driver link_driver_call = {PORT_CALL, call_open};
const struct link_driver link_driver_serve = {PORT_SERVE, serve_open};
