/* Calls in virtual time. */
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/media/call/call.h"
#include "lib/media/media.h"

#define CALL_US 40 /* one way between servers */

struct packet {
    struct virtual_port *to;
    uint32_t life;
    char from[ENV_NAME_MAX];
    size_t len;
    uint8_t bytes[];
};

/* Of an asking port: the port that has admitted it, or NULL. */
static struct virtual_port *server_of(const struct virtual_port *p)
{
    return p->link;
}

static struct virtual_port *reaches(const struct virtual_port *p, struct virtual_node *n)
{
    unsigned index;
    return medium_reaches(virtual_class(p->node), virtual_group(p->node), virtual_port_spec(p),
                          virtual_class(n), virtual_group(n), &index)
               ? virtual_port(n, index)
               : NULL;
}

static struct virtual_port *find_server(const struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        if (reaches(p, n))
            return reaches(p, n);
    return NULL;
}

static void try_connect(struct virtual_port *p)
{
    struct virtual_port *server = find_server(p);
    if (p->up || p->cut || !virtual_alive(p->node) || !server || !server->up)
        return;
    p->link = server;
    virtual_link(p, LINK_UP);
}

/* Goes over all asking ports that this server has, or could have, admitted. */
static void each_caller(struct virtual_port *server, void (*fn)(struct virtual_port *p))
{
    struct virtual *v = virtual_of(server);
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        for (unsigned i = 0; i < virtual_class(n)->port_count; i++) {
            struct virtual_port *p = virtual_port(n, i);
            if (p->twin == &twin_call && virtual_port_spec(p)->end == PORT_ASKS && reaches(p, server->node) &&
                find_server(p) == server)
                fn(p);
        }
}

static void call_connect(struct virtual_port *p)
{
    if (virtual_port_spec(p)->end == PORT_ASKS) {
        try_connect(p);
        return;
    }
    virtual_link(p, LINK_UP);
    each_caller(p, try_connect);
}

static void lost_event(struct virtual *v, void *object, uint64_t argument)
{
    struct virtual_port *p = object;
    (void)v;
    (void)argument;
    if (p->up && !server_of(p))
        virtual_link(p, LINK_DOWN);
    try_connect(p); /* the server may be there again */
}

static void lose_server(struct virtual_port *p)
{
    if (!server_of(p))
        return;
    p->link = NULL;
    virtual_push(virtual_of(p), virtual_now_us(virtual_of(p)), lost_event, p, 0, 0);
}

static void call_disconnect(struct virtual_port *p)
{
    if (virtual_port_spec(p)->end == PORT_ASKS)
        p->link = NULL;
    else
        each_caller(p, lose_server);
}

static void arrive(struct virtual *v, void *object, uint64_t argument)
{
    struct packet *c = object;
    (void)v;
    (void)argument;
    if (c->to->up && c->life == virtual_life(c->to->node))
        virtual_bytes(c->to, c->from, span_of(c->bytes, c->len));
    free(c);
}

static struct virtual_port *caller_of(struct virtual_port *server, const char *address)
{
    struct virtual_node *n = virtual_find(virtual_of(server), address);
    for (unsigned i = 0; n && i < virtual_class(n)->port_count; i++)
        if (server_of(virtual_port(n, i)) == server && virtual_port(n, i)->twin == &twin_call)
            return virtual_port(n, i);
    return NULL;
}

static enum err call_send(struct virtual_port *p, const char *address, struct span bytes)
{
    bool asks = virtual_port_spec(p)->end == PORT_ASKS;
    struct virtual_port *to = asks ? server_of(p) : caller_of(p, address);
    if (!to)
        return ERR_LINK_DOWN;
    if (bytes.len > CALL_PACKET_MAX)
        return ERR_NO_SPACE;
    struct packet *c = malloc(sizeof *c + bytes.len);
    if (!c)
        return ERR_NO_MEMORY;
    *c = (struct packet){.to = to, .life = virtual_life(to->node), .len = bytes.len};
    text_copy(c->from, sizeof c->from, asks ? virtual_name(p->node) : "");
    memcpy(c->bytes, bytes.p, bytes.len);
    virtual_push(virtual_of(p), virtual_now_us(virtual_of(p)) + CALL_US, arrive, c, 0, EVENT_OWNED);
    return ERR_OK;
}

static enum err call_attach(struct virtual_port *p)
{
    (void)p;
    return ERR_OK;
}

const struct twin twin_call = {
    .medium = &medium_call,
    .attach = call_attach,
    .connect = call_connect,
    .disconnect = call_disconnect,
    .send = call_send,
};
