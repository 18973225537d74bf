#include "lib/host/door_event.h"

#include <string.h>

static int on_said(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    (void)s;
    (void)fd;
    (void)revents;
    door_hear(ctx);
    return 0;
}

static uint64_t now_ms(const struct door_event *d)
{
    uint64_t us = 0;
    sd_event_now(d->event, CLOCK_MONOTONIC, &us);
    return us / 1000;
}

static void arm(struct door_event *d, int ms)
{
    if (ms < 0)
        return;
    sd_event_source_set_time_relative(d->deadline, (uint64_t)ms * 1000);
    sd_event_source_set_enabled(d->deadline, SD_EVENT_ONESHOT);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct door_event *d = ctx;
    (void)s;
    (void)usec;
    arm(d, door_expire(&d->door, now_ms(d)));
    return 0;
}

static int on_knock(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct door_event *d = ctx;
    (void)s;
    (void)revents;
    door_accept(&d->door, fd, now_ms(d));
    arm(d, door_expire(&d->door, now_ms(d)));
    return 0;
}

static bool watch(void *ctx, struct stranger *s)
{
    const struct door_event *d = (const struct door_event *)s->door;
    sd_event_source *io = NULL;
    (void)ctx;
    int rc = sd_event_add_io(d->event, &io, s->fd, EPOLLIN, on_said, s);
    s->watch = io;
    return rc >= 0;
}

static void unwatch(void *ctx, struct stranger *s)
{
    (void)ctx;
    s->watch = sd_event_source_disable_unref(s->watch);
}

bool door_event_open(struct door_event *d, const struct link_open *o, int listen_fd,
                     const struct door_hooks *link)
{
    struct door_hooks hooks = *link;
    hooks.watch = watch;
    hooks.unwatch = unwatch;
    door_open(&d->door, o->name, o->spec->name, &hooks);
    d->event = o->event;
    d->listen_fd = listen_fd;
    return sd_event_add_io(o->event, &d->accept, listen_fd, EPOLLIN, on_knock, d) >= 0 &&
           sd_event_add_time_relative(o->event, &d->deadline, CLOCK_MONOTONIC, 0, 1, on_deadline, d) >= 0 &&
           sd_event_source_set_enabled(d->deadline, SD_EVENT_OFF) >= 0;
}

void door_event_shut(struct door_event *d, bool shut)
{
    if (shut)
        door_close(&d->door);
    sd_event_source_set_enabled(d->accept, shut ? SD_EVENT_OFF : SD_EVENT_ON);
}

void door_event_close(struct door_event *d)
{
    if (!d->event)
        return;
    door_close(&d->door);
    sd_event_source_disable_unref(d->accept);
    sd_event_source_disable_unref(d->deadline);
}

enum err door_check(const struct link_open *o, struct span greeting, char name[ENV_NAME_MAX])
{
    struct token t;
    if (greeting.len <= TOKEN_SIZE || greeting.len >= TOKEN_SIZE + ENV_NAME_MAX)
        return ERR_LINK_NOT_ADMITTED;
    size_t len = greeting.len - TOKEN_SIZE;
    memcpy(t.bytes, greeting.p, TOKEN_SIZE);
    memcpy(name, greeting.p + TOKEN_SIZE, len);
    name[len] = '\0';
    bool admitted = strlen(name) == len && token_ring_admits(o->tokens, o->spec->name, name, &t);
    explicit_bzero(&t, sizeof t);
    return admitted ? ERR_OK : ERR_LINK_NOT_ADMITTED;
}

size_t door_greeting(const struct link_open *o, const char *server, uint8_t out[TOKEN_SIZE + ENV_NAME_MAX])
{
    const struct token *t = token_ring_find(o->tokens, o->spec->name, server);
    if (!t)
        return 0;
    memcpy(out, t->bytes, TOKEN_SIZE);
    memcpy(out + TOKEN_SIZE, o->name, strlen(o->name));
    return TOKEN_SIZE + strlen(o->name);
}
