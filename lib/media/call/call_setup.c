/* Calls in the process world: a listening socket for each serving port, and a token for each caller that the
 * server declares. */
#include <stdio.h>
#include <sys/socket.h>

#include "lib/host/setup.h"
#include "lib/media/call/call.h"
#include "lib/media/media.h"

static bool call_open(struct setup_world *w, void *state)
{
    (void)w;
    (void)state;
    return true;
}

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

static bool serve(struct setup_world *w, const struct setup_end *e)
{
    char place[TOKEN_PLACE], path[200];
    place_of(e->who, e->port, place);
    snprintf(path, sizeof path, "%s/%s", w->directory, place);
    if (*e->listen_fd < 0)
        *e->listen_fd = spawn_listen(path, SOCK_SEQPACKET);
    struct admitting a = {w, e, place, *e->listen_fd >= 0};
    setup_each_caller(w, e->who, e->port, admit, &a);
    snprintf(e->endpoint, e->cap, "serve:%d", e->listen_as);
    return a.ok;
}

static bool call_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    unsigned reached;
    char place[TOKEN_PLACE];
    (void)state;
    if (e->who->class->ports[e->port].end == PORT_LISTENS)
        return serve(w, e);
    const struct setup_instance *server = setup_server_of(w, e->who, e->port, &reached);
    if (!server) {
        snprintf(e->endpoint, e->cap, "call:");
        return true;
    }
    place_of(server, reached, place);
    snprintf(e->endpoint, e->cap, "call:%s/%s;at=%s", w->directory, place, server->name);
    return setup_give_token(w, e, place, e->who->name, server->name);
}

const struct setup setup_call = {.medium = &medium_call, .open = call_open, .endpoint = call_endpoint};
