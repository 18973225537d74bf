#include "lib/host/door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/peer.h"

#define ACCEPTS_PER_TURN 64

void door_open(struct door *d, const char *owner, const char *name, const struct door_hooks *hooks)
{
    *d = (struct door){.hooks = *hooks, .owner = owner, .name = name};
    for (size_t i = 0; i < DOOR_STRANGERS; i++)
        d->strangers[i] = (struct stranger){.door = d, .fd = -1};
}

/* Who is refused tries again and again: the log says so ever more seldom. */
static void say_refused(struct door *d, enum err reason)
{
    d->refused++;
    if ((d->refused & (d->refused - 1)) == 0)
        fprintf(stderr, "%s: a stranger on %s is refused: %s (%s), %u so far\n", d->owner, d->name,
                err_text(reason), err_name(reason), d->refused);
}

static void unwatch(struct stranger *s)
{
    if (s->watched)
        s->door->hooks.unwatch(s->door->hooks.ctx, s);
    s->watched = false;
}

static void let_go(struct stranger *s)
{
    unwatch(s);
    explicit_bzero(s->said, sizeof s->said);
    s->len = 0;
    s->fd = -1;
}

static void send_away(struct stranger *s, enum err reason)
{
    struct door *d = s->door;
    int fd = s->fd;
    let_go(s);
    say_refused(d, reason);
    if (d->hooks.refuse)
        d->hooks.refuse(d->hooks.ctx, fd, reason);
    close(fd);
}

static struct stranger *place_for(struct door *d)
{
    struct stranger *oldest = NULL;
    for (size_t i = 0; i < DOOR_STRANGERS; i++) {
        struct stranger *s = &d->strangers[i];
        if (s->fd < 0)
            return s;
        if (!oldest || d->seen - s->number > d->seen - oldest->number)
            oldest = s;
    }
    send_away(oldest, ERR_LINK_CROWDED);
    return oldest;
}

static void take_in(struct door *d, int fd, uint64_t now_ms)
{
    if (!peer_same_user(fd)) {
        say_refused(d, ERR_LINK_OTHER_USER);
        close(fd);
        return;
    }
    struct stranger *s = place_for(d);
    s->fd = fd;
    s->since_ms = now_ms;
    s->number = ++d->seen;
    s->watched = d->hooks.watch(d->hooks.ctx, s);
    if (s->watched)
        door_hear(s); /* who belongs here has greeted already */
    else
        send_away(s, ERR_NO_MEMORY);
}

void door_accept(struct door *d, int listen_fd, uint64_t now_ms)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        take_in(d, fd, now_ms);
    }
}

void door_hear(struct stranger *s)
{
    size_t room = sizeof s->said - s->len;
    ssize_t len = recv(s->fd, s->said + s->len, room, MSG_DONTWAIT | MSG_TRUNC);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0 || (size_t)len > room) {
        send_away(s, len > 0 ? ERR_MSG_TOO_LONG : ERR_LINK_NOT_ADMITTED);
        return;
    }
    s->len += (size_t)len;
    const struct door_hooks *h = &s->door->hooks;
    enum err e = h->judge(h->ctx, span_of(s->said, s->len));
    if (!e) {
        unwatch(s); /* one loop may not watch a socket twice */
        e = h->admit(h->ctx, span_of(s->said, s->len), s->fd);
    }
    if (!e)
        let_go(s);
    else if (e != ERR_TRUNCATED)
        send_away(s, e);
    else if (s->len == sizeof s->said)
        send_away(s, ERR_MSG_TOO_LONG);
}

int door_expire(struct door *d, uint64_t now_ms)
{
    int ms = -1;
    for (size_t i = 0; i < DOOR_STRANGERS; i++) {
        struct stranger *s = &d->strangers[i];
        if (s->fd >= 0 && now_ms >= s->since_ms + DOOR_MS)
            send_away(s, ERR_LINK_GREETING_LATE);
        else if (s->fd >= 0 && (ms < 0 || s->since_ms + DOOR_MS - now_ms < (uint64_t)ms))
            ms = (int)(s->since_ms + DOOR_MS - now_ms);
    }
    return ms;
}

void door_close(struct door *d)
{
    for (size_t i = 0; i < DOOR_STRANGERS; i++)
        if (d->strangers[i].fd >= 0) {
            int fd = d->strangers[i].fd;
            let_go(&d->strangers[i]);
            close(fd);
        }
}
