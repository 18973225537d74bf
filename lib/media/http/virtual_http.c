/* HTTP in virtual time: the door, and every request from its sending to the last word about it. */
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/http/http_problem.h"
#include "lib/media/http/http.h"
#include "lib/media/media.h"

#define HOP_US 80u /* between an end and the door */

enum where {
    TO_DOOR, /* has left the client; the door has not seen it, or is dead */
    WAITING, /* at the door, for a server that is not there or has its hands full */
    HANDED,
    ANSWERED, /* a response is on its way to the client */
    FORGOTTEN /* by its client; the server is still to hear so */
};

struct exchange {
    struct exchange *next;
    uint64_t id;
    enum where where;
    struct virtual_port *client, *server;
    char tag[HTTP_TAG_MAX], address[HTTP_ADDRESS];
    size_t len;
    uint8_t *bytes; /* the request, then the response */
};

struct door {
    struct exchange *first;
    uint64_t ids;
    bool dead;
};

/* Of a listening port. */
struct host {
    unsigned number; /* of requests in this life */
};

static struct door *door_of(struct virtual *v)
{
    return virtual_state(v, &twin_http);
}

static struct exchange *find(struct door *d, uint64_t id)
{
    struct exchange *x = d->first;
    while (x && x->id != id)
        x = x->next;
    return x;
}

static void free_exchange(struct exchange *x)
{
    if (x->bytes)
        explicit_bzero(x->bytes, x->len);
    free(x->bytes);
    free(x);
}

static void end_exchange(struct virtual *v, struct exchange *x)
{
    struct exchange **at = &door_of(v)->first;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    free_exchange(x);
}

static void later(struct virtual *v, void (*run)(struct virtual *, void *, uint64_t), struct exchange *x,
                  uint64_t delay_us, unsigned flags)
{
    virtual_push(v, virtual_now_us(v) + delay_us, run, door_of(v), x->id, flags);
}

static bool take_bytes(struct exchange *x, struct span bytes)
{
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    if (!copy)
        return false;
    memcpy(copy, bytes.p, bytes.len);
    if (x->bytes)
        explicit_bzero(x->bytes, x->len);
    free(x->bytes);
    x->bytes = copy;
    x->len = bytes.len;
    return true;
}

/* ---- the answer ---- */

/* The exchange is over before its client hears so: who hears may ask again. */
static void tell_client(struct virtual *v, struct exchange *x, const char *news)
{
    struct virtual_port *client = x->client;
    char tag[HTTP_TAG_MAX];
    text_copy(tag, sizeof tag, x->tag);
    end_exchange(v, x);
    virtual_news(client, tag, news);
}

static void arrive_event(struct virtual *v, void *object, uint64_t id)
{
    struct exchange *x = find(object, id);
    if (!x)
        return;
    if (!http_fits(span_of(x->bytes, x->len), component_message_max(virtual_class(x->client->node)))) {
        tell_client(v, x, "too-long");
        return;
    }
    struct virtual_port *client = x->client;
    struct exchange own = *x;
    x->bytes = NULL;
    x->len = 0;
    end_exchange(v, x);
    virtual_bytes(client, own.tag, span_of(own.bytes, own.len));
    explicit_bzero(own.bytes, own.len);
    free(own.bytes);
}

static bool answer(struct virtual *v, struct exchange *x, struct span bytes)
{
    if (!take_bytes(x, bytes))
        return false;
    x->where = ANSWERED;
    later(v, arrive_event, x, HOP_US, 0);
    return true;
}

static void refuse(struct virtual *v, struct exchange *x, enum err reason)
{
    uint8_t problem[HTTP_PROBLEM_MAX];
    size_t len = http_door_write(reason, problem);
    if (!answer(v, x, span_of(problem, len)))
        tell_client(v, x, "no-answer");
}

/* ---- the server ---- */

static size_t in_hands(const struct door *d, const struct virtual_port *server)
{
    size_t n = 0;
    for (const struct exchange *x = d->first; x; x = x->next)
        n += x->server == server && x->where == HANDED;
    return n;
}

static void hand_event(struct virtual *v, void *object, uint64_t id)
{
    struct door *d = object;
    struct exchange *x = find(d, id);
    if (!x || x->where != WAITING || !x->server->up || in_hands(d, x->server) >= HTTP_HANDED_MAX)
        return;
    struct host *h = x->server->link;
    struct virtual_port *server = x->server;
    x->where = HANDED;
    http_address(virtual_name(x->client->node), ++h->number, x->address);
    struct exchange own = *x; /* the server may answer at once */
    own.bytes = malloc(x->len);
    if (own.bytes) {
        memcpy(own.bytes, x->bytes, x->len);
        virtual_bytes(server, own.address, span_of(own.bytes, own.len));
        explicit_bzero(own.bytes, own.len);
    } else {
        refuse(v, x, ERR_INTERNAL);
    }
    free(own.bytes);
}

/* Those that wait come in, in their order. */
static void hand_next(struct virtual *v, const struct virtual_port *server)
{
    size_t held = in_hands(door_of(v), server);
    for (struct exchange *x = door_of(v)->first; x && held < HTTP_HANDED_MAX; x = x->next)
        if (x->server == server && x->where == WAITING) {
            later(v, hand_event, x, 0, 0);
            held++;
        }
}

static void gone_event(struct virtual *v, void *object, uint64_t id)
{
    struct exchange *x = find(object, id);
    if (!x)
        return;
    struct virtual_port *server = x->server;
    char address[HTTP_ADDRESS];
    text_copy(address, sizeof address, x->address);
    end_exchange(v, x);
    if (server->up)
        virtual_news(server, address, "gone");
    hand_next(v, server);
}

static void late_event(struct virtual *v, void *object, uint64_t id)
{
    struct exchange *x = find(object, id);
    if (!x || (x->where != WAITING && x->where != HANDED))
        return;
    bool handed = x->where == HANDED;
    struct virtual_port *server = x->server;
    char address[HTTP_ADDRESS];
    text_copy(address, sizeof address, x->address);
    refuse(v, x, ERR_MSG_NO_ANSWER);
    if (handed && server->up)
        virtual_news(server, address, "gone");
    hand_next(v, server);
}

/* ---- the door ---- */

static void reach_event(struct virtual *v, void *object, uint64_t id)
{
    struct door *d = object;
    struct exchange *x = find(d, id);
    if (!x || x->where != TO_DOOR || d->dead)
        return;
    if (!http_fits(span_of(x->bytes, x->len), component_message_max(virtual_class(x->server->node)))) {
        refuse(v, x, ERR_MSG_TOO_LONG);
        return;
    }
    x->where = WAITING;
    later(v, late_event, x, HTTP_ANSWER_MS * 1000ull, EVENT_IDLE);
    later(v, hand_event, x, HOP_US, 0);
}

static void given_up_event(struct virtual *v, void *object, uint64_t id)
{
    struct exchange *x = find(object, id);
    if (x && x->where == TO_DOOR)
        tell_client(v, x, "not-sent");
}

/* The door has died with it. */
static void lost_event(struct virtual *v, void *object, uint64_t id)
{
    struct exchange *x = find(object, id);
    if (!x || x->where == TO_DOOR || x->where == FORGOTTEN)
        return;
    bool handed = x->where == HANDED;
    struct virtual_port *server = x->server;
    char address[HTTP_ADDRESS];
    text_copy(address, sizeof address, x->address);
    tell_client(v, x, "no-answer");
    if (handed && server->up)
        virtual_news(server, address, "gone");
}

static void http_alive(struct virtual *v, void *state, bool alive)
{
    struct door *d = state;
    d->dead = !alive;
    for (struct exchange *x = d->first; x; x = x->next) {
        if (alive && x->where == TO_DOOR)
            later(v, reach_event, x, HOP_US, 0);
        if (!alive && x->where != TO_DOOR)
            later(v, lost_event, x, 0, 0);
    }
}

/* ---- ports ---- */

static struct virtual_port *server_of(const struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    unsigned index;
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        if (medium_reaches(virtual_class(p->node), virtual_group(p->node), virtual_port_spec(p),
                           virtual_class(n), virtual_group(n), &index))
            return virtual_port(n, index);
    return NULL;
}

static size_t asked_by(const struct door *d, const struct virtual_port *client)
{
    size_t n = 0;
    for (const struct exchange *x = d->first; x; x = x->next)
        n += x->client == client && x->where != FORGOTTEN;
    return n;
}

static enum err ask(struct virtual_port *p, const char *tag, struct span bytes)
{
    struct virtual *v = virtual_of(p);
    struct door *d = door_of(v);
    struct http_request q;
    enum err e = p->up ? http_ask_check(tag, bytes, &q) : ERR_LINK_DOWN;
    if (!e && asked_by(d, p) == HTTP_ASKS_MAX)
        e = ERR_BUSY;
    struct exchange *x = e ? NULL : calloc(1, sizeof *x);
    if (!x || !take_bytes(x, bytes)) {
        free(x);
        return e ? e : ERR_NO_MEMORY;
    }
    x->id = ++d->ids;
    x->client = p;
    x->server = server_of(p);
    text_copy(x->tag, sizeof x->tag, tag);
    struct exchange **end = &d->first;
    while (*end)
        end = &(*end)->next;
    *end = x;
    later(v, reach_event, x, HOP_US, 0);
    later(v, given_up_event, x, HTTP_ASK_MS * 1000ull, EVENT_IDLE);
    return ERR_OK;
}

static enum err reply(struct virtual_port *p, const char *address, struct span bytes)
{
    struct virtual *v = virtual_of(p);
    struct http_response r;
    enum err e = p->up ? http_response_read(bytes, &r) : ERR_LINK_DOWN;
    struct exchange *x = door_of(v)->first;
    while (!e && x && (x->server != p || x->where != HANDED || strcmp(x->address, address) != 0))
        x = x->next;
    if (e || !x)
        return e ? e : ERR_NOT_FOUND;
    if (!answer(v, x, bytes))
        return ERR_NO_MEMORY;
    hand_next(v, p);
    return ERR_OK;
}

static enum err http_send(struct virtual_port *p, const char *address, struct span bytes)
{
    return virtual_port_spec(p)->end == PORT_ASKS ? ask(p, address, bytes) : reply(p, address, bytes);
}

static enum err http_attach(struct virtual_port *p)
{
    bool listens = virtual_port_spec(p)->end == PORT_LISTENS;
    p->link = listens ? calloc(1, sizeof(struct host)) : NULL;
    return listens && !p->link ? ERR_NO_MEMORY : ERR_OK;
}

static void http_detach(struct virtual_port *p)
{
    free(p->link);
}

static void http_connect(struct virtual_port *p)
{
    if (virtual_port_spec(p)->end == PORT_ASKS && (virtual_port_spec(p)->raw || !server_of(p)))
        return;
    virtual_link(p, LINK_UP);
    if (virtual_port_spec(p)->end == PORT_LISTENS)
        hand_next(virtual_of(p), p);
}

static void lose_client(struct virtual *v, struct exchange *x)
{
    if (x->where != HANDED) {
        if (x->where != FORGOTTEN)
            end_exchange(v, x);
        return;
    }
    x->where = FORGOTTEN;
    later(v, gone_event, x, HOP_US, 0);
}

static void http_disconnect(struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    struct host *h = p->link;
    for (struct exchange *x = door_of(v)->first, *next; x; x = next) {
        next = x->next;
        if (x->client == p)
            lose_client(v, x);
        else if (x->server == p && x->where == HANDED)
            refuse(v, x, ERR_HTTP_GONE);
        else if (x->server == p && x->where == FORGOTTEN)
            end_exchange(v, x);
    }
    if (h && !virtual_alive(p->node))
        h->number = 0;
}

static void http_close(void *state)
{
    struct door *d = state;
    while (d->first) {
        struct exchange *x = d->first;
        d->first = x->next;
        free_exchange(x);
    }
}

const struct twin twin_http = {
    .medium = &medium_http,
    .helper = "nginx",
    .size = sizeof(struct door),
    .attach = http_attach,
    .detach = http_detach,
    .connect = http_connect,
    .disconnect = http_disconnect,
    .send = http_send,
    .helper_alive = http_alive,
    .close = http_close,
};
