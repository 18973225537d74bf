/* Calls in the process world: a listening socket for each serving port, and a token for each caller that the
 * server declares.
 *
 * One caller may be a guest: a program that is not of the run and comes in the place of a component that the
 * run has not. Whoever starts the run names it, and hands down a descriptor that it alone reads: there it is
 * told, a line for each port that takes its calls, "<server> <port> <socket> <greeting in hex>". The greeting
 * is its first packet there, and the answer one byte; docs/messages.md has a program. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/setup.h"
#include "lib/media/call/call.h"
#include "lib/media/media.h"

#define GUEST_FD_MAX 65535
#define GUEST_LINE   (200 + 2 * (TOKEN_SIZE + ENV_NAME_MAX) + 2 * ENV_NAME_MAX)

struct call_setup {
    char guest[ENV_NAME_MAX]; /* "": none */
    int guest_fd;
};

/* ---- the guest ---- */

static bool read_guest(const char *choice, struct call_setup *out)
{
    char *end;
    size_t len = strcspn(choice, "=");
    *out = (struct call_setup){.guest_fd = -1};
    if (strcmp(choice, "auto") == 0)
        return true;
    if (!len || len >= ENV_NAME_MAX || choice[len] != '=' || choice[len + 1] < '0' || choice[len + 1] > '9')
        return false;
    long fd = strtol(choice + len + 1, &end, 10);
    snprintf(out->guest, sizeof out->guest, "%.*s", (int)len, choice);
    out->guest_fd = (int)fd;
    return *end == '\0' && fd > STDERR_FILENO && fd <= GUEST_FD_MAX;
}

static bool takes(const char *choice, char *problem, size_t cap)
{
    struct call_setup s;
    if (!read_guest(choice, &s))
        snprintf(
            problem, cap,
            "--call takes auto, or NAME=FD: a component that is not in the run, and a descriptor above 2");
    else if (s.guest_fd >= 0 && fcntl(s.guest_fd, F_GETFD) < 0)
        snprintf(problem, cap, "--call: descriptor %d is not open", s.guest_fd);
    else
        return true;
    return false;
}

static bool is_caller(const struct port_spec *p, const char *name)
{
    bool listens = strcmp(p->medium, medium_call.name) == 0 && p->end == PORT_LISTENS;
    for (size_t i = 0; listens && p->callers && p->callers[i]; i++)
        if (strcmp(p->callers[i], name) == 0)
            return true;
    return false;
}

/* Can it come? NULL: yes. */
static const char *why_no_guest(const struct setup_world *w, const char *name)
{
    bool wanted = false;
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->instances[i].name, name) == 0)
            return "the run has one of its own";
        for (unsigned k = 0; k < w->instances[i].class->port_count; k++)
            wanted = wanted || is_caller(&w->instances[i].class->ports[k], name);
    }
    return wanted ? NULL : "nobody in this run takes calls of that name";
}

static bool tell_guest(const struct setup_world *w, const struct call_setup *s, const struct setup_end *e,
                       const char *place)
{
    struct token t;
    uint8_t greeting[TOKEN_SIZE + ENV_NAME_MAX];
    char hex[2 * sizeof greeting + 1], line[GUEST_LINE];
    size_t len = strlen(s->guest);
    bool ok = token_draw(w->book, place, s->guest, &t);
    memcpy(greeting, t.bytes, TOKEN_SIZE);
    memcpy(greeting + TOKEN_SIZE, s->guest, len);
    hex_encode(greeting, TOKEN_SIZE + len, hex);
    int n = snprintf(line, sizeof line, "%s %s %s/%s %s\n", e->who->name, e->who->class->ports[e->port].name,
                     w->directory, place, hex);
    ok = ok && n < (int)sizeof line && write(s->guest_fd, line, (size_t)n) == n;
    explicit_bzero(&t, sizeof t);
    explicit_bzero(greeting, sizeof greeting);
    explicit_bzero(hex, sizeof hex);
    explicit_bzero(line, sizeof line);
    return ok;
}

static bool call_open(struct setup_world *w, void *state)
{
    struct call_setup *s = state;
    char text[200];
    read_guest(w->choice, s);
    const char *why = *s->guest ? why_no_guest(w, s->guest) : NULL;
    if (*s->guest)
        fcntl(s->guest_fd, F_SETFD, FD_CLOEXEC);
    if (why) {
        snprintf(text, sizeof text, "%s cannot come as a guest: %s", s->guest, why);
        w->fail(w->ctx, text);
    } else if (*s->guest) {
        snprintf(w->described, sizeof w->described, "%s is a guest", s->guest);
    }
    return !why;
}

static void call_close(struct setup_world *w, void *state)
{
    const struct call_setup *s = state;
    (void)w;
    if (*s->guest)
        close(s->guest_fd);
}

/* ---- ends ---- */

/* "<server>.<port>.call" in the run's folder, and where tokens are good: the same without the folder. */
static void place_of(const struct setup_instance *server, unsigned port, char out[TOKEN_PLACE])
{
    snprintf(out, TOKEN_PLACE, "%s.%s.call", server->name, server->class->ports[port].name);
}

struct admitting {
    const struct setup_world *world;
    const struct setup_end *end;
    const char *place;
    bool ok;
};

static void admit(void *ctx, const struct setup_instance *asker, unsigned port)
{
    struct admitting *a = ctx;
    (void)port;
    a->ok = a->ok && setup_give_token(a->world, a->end, a->place, asker->name, asker->name);
}

/* It is told once; the socket and the token are the same in all lives of the server. */
static bool admit_guest(const struct setup_world *w, const struct call_setup *s, const struct setup_end *e,
                        const char *place, bool first)
{
    if (!*s->guest || !is_caller(&e->who->class->ports[e->port], s->guest))
        return true;
    if (!setup_give_token(w, e, place, s->guest, s->guest))
        return false;
    if (!first || tell_guest(w, s, e, place))
        return true;
    w->fail(w->ctx, "the guest does not read its descriptor");
    return false;
}

static bool serve(struct setup_world *w, const struct call_setup *s, const struct setup_end *e)
{
    char place[TOKEN_PLACE], path[200];
    place_of(e->who, e->port, place);
    snprintf(path, sizeof path, "%s/%s", w->directory, place);
    bool first = *e->listen_fd < 0;
    if (first)
        *e->listen_fd = spawn_listen(path, SOCK_SEQPACKET);
    struct admitting a = {w, e, place, *e->listen_fd >= 0};
    setup_each_caller(w, e->who, e->port, admit, &a);
    snprintf(e->endpoint, e->cap, "serve:%d", e->listen_as);
    return a.ok && admit_guest(w, s, e, place, first);
}

static bool call_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    unsigned reached;
    char place[TOKEN_PLACE];
    if (e->who->class->ports[e->port].end == PORT_LISTENS)
        return serve(w, state, e);
    const struct setup_instance *server = setup_server_of(w, e->who, e->port, &reached);
    if (!server) {
        snprintf(e->endpoint, e->cap, "call:");
        return true;
    }
    place_of(server, reached, place);
    snprintf(e->endpoint, e->cap, "call:%s/%s;at=%s", w->directory, place, server->name);
    return setup_give_token(w, e, place, e->who->name, server->name);
}

const struct setup setup_call = {
    .medium = &medium_call,
    .option = "call",
    .form = "NAME=FD",
    .option_is = "a program of yours calls in the place of NAME, which is not in the run; FD tells it how",
    .size = sizeof(struct call_setup),
    .takes = takes,
    .open = call_open,
    .endpoint = call_endpoint,
    .close = call_close,
};
