#include "lib/media/can/hub_door.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/media/can/can.h"

static bool watch(void *ctx, struct stranger *s)
{
    const struct hub_door *d = ctx;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) == 0;
}

static void unwatch(void *ctx, struct stranger *s)
{
    const struct hub_door *d = ctx;
    epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

void hub_place(uint8_t segment, char out[HUB_PLACE_MAX])
{
    can_bus_name(segment / SEGMENTS, (enum segment)(segment % SEGMENTS), out);
}

static enum err judge(void *ctx, struct span said)
{
    const struct hub_door *d = ctx;
    struct hub_hello h;
    char place[HUB_PLACE_MAX];
    enum err e = hub_hello_read(said, &h);
    if (e)
        return e;
    hub_place(h.segment, place);
    if (!token_ring_admits(d->tokens, place, h.name, &h.token))
        e = ERR_LINK_NOT_ADMITTED;
    explicit_bzero(&h, sizeof h);
    return e;
}

static enum err admit(void *ctx, struct span said, int fd)
{
    struct hub_door *d = ctx;
    struct hub_hello h;
    enum err e = hub_hello_read(said, &h);
    explicit_bzero(&h.token, sizeof h.token);
    return e ? e : d->admit(d->ctx, fd, &h) ? ERR_OK : ERR_LINK_CROWDED;
}

static void refuse(void *ctx, int fd, enum err reason)
{
    char packet[120];
    (void)ctx;
    packet[0] = HUB_BYE;
    int len = snprintf(packet + 1, sizeof packet - 1, "%s (%s)", err_text(reason), err_name(reason));
    send(fd, packet, (size_t)len + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void hub_door_open(struct hub_door *d)
{
    const struct door_hooks hooks = {d, watch, unwatch, judge, admit, refuse};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = d};
    door_open(&d->door, "hub", "can.sock", &hooks);
    epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, d->listen_fd, &e);
}

static struct stranger *stranger_of(struct hub_door *d, const void *ptr)
{
    for (size_t i = 0; i < DOOR_STRANGERS; i++)
        if (ptr == &d->door.strangers[i])
            return &d->door.strangers[i];
    return NULL;
}

bool hub_door_event(struct hub_door *d, void *ptr, uint64_t now_ms)
{
    struct stranger *s = stranger_of(d, ptr);
    if (ptr == d)
        door_accept(&d->door, d->listen_fd, now_ms);
    else if (s && s->fd >= 0) /* one may have given way to another in this very turn */
        door_hear(s);
    return ptr == d || s;
}

int hub_door_sleep_ms(struct hub_door *d, uint64_t now_ms)
{
    return door_expire(&d->door, now_ms);
}
