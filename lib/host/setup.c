#include "lib/host/setup.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

const struct setup_instance *setup_server_of(const struct setup_world *w, const struct setup_instance *asker,
                                             unsigned port, unsigned *server_port)
{
    for (size_t i = 0; i < w->count; i++)
        if (medium_reaches(asker->class, asker->group, &asker->class->ports[port], w->instances[i].class,
                           w->instances[i].group, server_port))
            return &w->instances[i];
    return NULL;
}

void setup_each_caller(const struct setup_world *w, const struct setup_instance *server, unsigned port,
                       void (*each)(void *ctx, const struct setup_instance *asker, unsigned asking_port),
                       void *ctx)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct setup_instance *a = &w->instances[i];
        for (unsigned k = 0; k < a->class->port_count; k++) {
            unsigned reached;
            if (medium_reaches(a->class, a->group, &a->class->ports[k], server->class, server->group,
                               &reached) &&
                reached == port)
                each(ctx, a, k);
        }
    }
}

bool setup_give_token(const struct setup_world *w, const struct setup_end *e, const char *place,
                      const char *client, const char *as)
{
    struct token t;
    bool ok = token_draw(w->book, place, client, &t) &&
              token_ring_add(e->ring, e->who->class->ports[e->port].name, as, &t);
    explicit_bzero(&t, sizeof t);
    return ok;
}

bool setup_sockets_fit(const char *choice, char *problem, size_t cap)
{
    const size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    for (const char *p = choice; *p;) {
        size_t entry = strcspn(p, ","), name = strcspn(p, "=,");
        size_t path = name < entry ? entry - name - 1 : 0;
        if (path > most) {
            snprintf(problem, cap, "the path of a socket has %zu octets at most; \"%.*s\" has %zu", most,
                     name < ENV_NAME_MAX ? (int)name : ENV_NAME_MAX, p, path);
            return false;
        }
        p += entry + (p[entry] == ',');
    }
    return true;
}
