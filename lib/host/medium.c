#include "lib/host/medium.h"

#include <string.h>

const struct medium *medium_find(const struct medium *const *media, const char *name)
{
    for (; media && *media; media++)
        if (strcmp((*media)->name, name) == 0)
            return *media;
    return NULL;
}

bool medium_talks(const struct medium *m)
{
    return m->apdus || m->words_shown;
}

static bool is_caller(const struct port_spec *listening, const char *class)
{
    for (const char *const *c = listening->callers; c && *c; c++)
        if (strcmp(*c, class) == 0)
            return true;
    return false;
}

bool medium_reaches(const struct component_class *asker, unsigned asker_group, const struct port_spec *port,
                    const struct component_class *server, unsigned server_group, unsigned *server_port)
{
    if (port->end != PORT_ASKS || (port->server && strcmp(port->server, server->name) != 0) ||
        (server->place == PLACE_VEHICLE && asker->place == PLACE_VEHICLE && asker_group != server_group))
        return false;
    for (unsigned i = 0; i < server->port_count; i++) {
        const struct port_spec *s = &server->ports[i];
        if (s->end == PORT_LISTENS && strcmp(s->name, port->name) == 0 &&
            strcmp(s->medium, port->medium) == 0 && is_caller(s, asker->name)) {
            *server_port = i;
            return true;
        }
    }
    return false;
}

/* The first vehicle's group is 0, that of others their number. */
unsigned medium_group(const struct port_spec *port, unsigned own)
{
    return !port->bench ? own : port->bench == 1 ? 0 : port->bench;
}

bool medium_at_bench(const struct port_spec *port, const struct component_class *class, unsigned group)
{
    return !port->bench || (class->place == PLACE_VEHICLE && group == medium_group(port, 0));
}
