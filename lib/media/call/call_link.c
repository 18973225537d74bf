/* Calls over Unix sockets that keep message borders, one packet a request or an answer.
 *
 * Endpoints: "call:<socket>;as=<caller>;token=<hex>" (no socket: the server is not in this run), and
 * "serve:<descriptor>;admit=<caller>:<token>,<caller>:<token>". The caller's first packet is its token and
 * its name; the server answers with one byte, and from then on both know who is there. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/link.h"
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
    int fd;          /* -1: free */
    unsigned number; /* in the order of arrival */
    bool admitted;
    char name[ENV_NAME_MAX]; /* server: of the caller */
    sd_event_source *io;
};

struct call_link {
    struct link link;
    struct link_open o;
    char path[108], admit[1800];
    uint8_t hello[CALL_TOKEN + ENV_NAME_MAX];
    size_t hello_len;
    bool server, cut;
    int listen_fd;
    unsigned seen;                        /* connections so far */
    unsigned refused;                     /* of these */
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

/* Is "<name>:<token>" in the list of those admitted? */
static bool is_admitted(const struct call_link *l, const char *token, const char *name)
{
    char entry[ENV_NAME_MAX + CALL_TOKEN + 2];
    int n = snprintf(entry, sizeof entry, "%s:%s", name, token);
    for (const char *p = l->admit; *p;) {
        size_t len = strcspn(p, ",");
        if (len == (size_t)n && CRYPTO_memcmp(p, entry, len) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

/* A caller that is refused tries again and again: the log says so ever more seldom. */
static void say_refused(struct call_link *l)
{
    l->refused++;
    if ((l->refused & (l->refused - 1)) == 0)
        fprintf(stderr, "%s: a caller on %s was not admitted, %u so far\n", l->o.name, l->o.spec->name,
                l->refused);
}

static void greet(struct connection *c, struct span packet)
{
    struct call_link *l = c->link;
    char token[CALL_TOKEN] = "", name[ENV_NAME_MAX] = "";
    static const uint8_t welcome = WELCOME;
    if (packet.len > CALL_TOKEN - 1 && packet.len < CALL_TOKEN - 1 + sizeof name) {
        memcpy(token, packet.p, CALL_TOKEN - 1);
        memcpy(name, packet.p + CALL_TOKEN - 1, packet.len - (CALL_TOKEN - 1));
    }
    if (!is_admitted(l, token, name)) {
        say_refused(l);
        hang_up(c);
        return;
    }
    for (size_t i = 0; i < CALLERS_MAX; i++) /* its former life's connection */
        if (l->peers[i].admitted && strcmp(l->peers[i].name, name) == 0)
            hang_up(&l->peers[i]);
    c->admitted = send(c->fd, &welcome, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    text_copy(c->name, sizeof c->name, name);
}

static void on_packet(struct connection *c, struct span packet)
{
    struct call_link *l = c->link;
    if (c->admitted) {
        l->o.hooks.on_bytes(l->o.hooks.ctx, l->server ? c->name : "", packet);
    } else if (l->server) {
        greet(c, packet);
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
        ssize_t len = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (len <= 0)
            hang_up(c);
        else
            on_packet(c, span_of(packet, (size_t)len));
    }
    return 0;
}

static bool connection_open(struct connection *c, int fd)
{
    c->fd = fd;
    c->number = ++c->link->seen;
    return sd_event_add_io(c->link->o.event, &c->io, fd, EPOLLIN, on_io, c) >= 0;
}

static void try_connect(struct call_link *l)
{
    if (!l->path[0])
        return;
    int fd = link_connect_unix(l->path, SOCK_SEQPACKET);
    if (fd >= 0 && connection_open(&l->peers[0], fd) && send(fd, l->hello, l->hello_len, MSG_NOSIGNAL) > 0)
        return;
    if (fd >= 0)
        hang_up(&l->peers[0]);
    else
        retry_later(l);
}

/* A free place, or that of the stranger who has had the longest time to greet: idle connections keep nobody
 * out. */
static struct connection *free_place(struct call_link *l)
{
    struct connection *stranger = NULL;
    for (size_t i = 0; i < CALLERS_MAX; i++) {
        if (l->peers[i].fd < 0)
            return &l->peers[i];
        if (!l->peers[i].admitted && (!stranger || l->peers[i].number < stranger->number))
            stranger = &l->peers[i];
    }
    if (stranger)
        hang_up(stranger);
    return stranger;
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct call_link *l = ctx;
    (void)s;
    (void)revents;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *c = peer >= 0 && !l->cut ? free_place(l) : NULL;
    if (c)
        return connection_open(c, peer) ? 0 : -ENOMEM;
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
    sd_event_source_disable_unref(l->accept);
    sd_event_source_disable_unref(l->retry);
    OPENSSL_cleanse(l, sizeof *l);
    free(l);
}

static bool configure_caller(struct call_link *l)
{
    char token[CALL_TOKEN] = "", name[ENV_NAME_MAX] = "";
    size_t len = strcspn(l->o.endpoint + 5, ";");
    if (len >= sizeof l->path)
        return false;
    memcpy(l->path, l->o.endpoint + 5, len);
    if (!len)
        return true;
    if (!link_option(l->o.endpoint, "as", name, sizeof name) ||
        !link_option(l->o.endpoint, "token", token, sizeof token) || strlen(token) != CALL_TOKEN - 1)
        return false;
    memcpy(l->hello, token, CALL_TOKEN - 1);
    memcpy(l->hello + CALL_TOKEN - 1, name, strlen(name));
    l->hello_len = CALL_TOKEN - 1 + strlen(name);
    return true;
}

static bool configure(struct call_link *l)
{
    if (strncmp(l->o.endpoint, "call:", 5) == 0)
        return configure_caller(l);
    if (strncmp(l->o.endpoint, "serve:", 6) != 0)
        return false;
    l->server = true;
    l->listen_fd = atoi(l->o.endpoint + 6);
    link_option(l->o.endpoint, "admit", l->admit, sizeof l->admit);
    return sd_event_add_io(l->o.event, &l->accept, l->listen_fd, EPOLLIN, on_accept, l) >= 0;
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
        *reason = "a call endpoint is call:<socket>;as=;token= or serve:<descriptor>;admit=";
        call_close(&l->link);
        return NULL;
    }
    link_defer(o->event, on_first_turn, l);
    return &l->link;
}

const struct link_driver link_driver_call = {&medium_call, call_open};
