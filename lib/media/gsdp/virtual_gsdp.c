/* GSDP in virtual time: a broker with the promises of gsdp.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/media/gsdp/gsdp.h"
#include "lib/media/media.h"

#define HOP_US       50    /* client to broker, broker to client */
#define CONNECT_US   300   /* until CONNACK */
#define RECONNECT_US 20000 /* a client tries again this often */
#define BUCKETS      4096

/* A client's session at the broker outlives its connection. */
struct session {
    struct virtual_port *port;
    char filters[GSDP_FILTERS_MAX][GSDP_FILTER_MAX];
    size_t filter_count;
    bool online;
    uint32_t life; /* a connection's number: what is under way for an older one is void */
    struct message *queue, **queue_end;
    struct session *next, *next_in_bucket, **list;
};

struct broker {
    bool dead;
    struct session *sessions;
    struct session *buckets[BUCKETS]; /* by the topic's second level */
    struct session *wild;             /* sessions with "+" there */
};

struct message {
    struct message *next;
    struct session *to;
    uint32_t life;
    size_t len;
    char topic[GSDP_TOPIC_MAX];
    uint8_t bytes[];
};

static struct broker *broker_of(const struct virtual_port *p)
{
    return virtual_state(virtual_of(p), &twin_gsdp);
}

static size_t second_level(const char *topic, const char **out)
{
    const char *slash = strchr(topic, '/');
    *out = slash ? slash + 1 : "";
    return strcspn(*out, "/");
}

static size_t bucket_of(const char *topic)
{
    const char *level;
    size_t len = second_level(topic, &level), h = 5381;
    for (size_t i = 0; i < len; i++)
        h = h * 33 ^ (unsigned char)level[i];
    return h % BUCKETS;
}

static bool matches(const char *filter, const char *topic)
{
    for (;; filter++, topic++) {
        if (*filter == '+') {
            topic += strcspn(topic, "/");
            filter++;
        }
        if (*filter != *topic)
            return false;
        if (!*filter)
            return true;
    }
}

static bool permitted(const struct session *s, enum topic_access access, const char *topic)
{
    const struct virtual_node *n = s->port->node;
    return component_topic(virtual_class(n), virtual_serial(n), access, topic);
}

static void deliver(struct virtual *v, void *object, uint64_t argument);

static void message_send(struct virtual *v, struct message *m)
{
    m->life = m->to->life;
    virtual_push(v, virtual_now_us(v) + HOP_US, deliver, m, 0, EVENT_OWNED);
}

static void enqueue(struct session *s, struct message *m)
{
    size_t waiting = 0;
    for (struct message *q = s->queue; q; q = q->next)
        waiting++;
    if (waiting >= GSDP_QUEUE_MAX) {
        free(m);
        return;
    }
    m->next = NULL;
    if (!s->queue)
        s->queue_end = &s->queue;
    *s->queue_end = m;
    s->queue_end = &m->next;
}

static void deliver(struct virtual *v, void *object, uint64_t argument)
{
    struct message *m = object;
    struct session *s = m->to;
    (void)argument;
    if (broker_of(s->port)->dead) {
        free(m);
        return;
    }
    if (!s->online || s->life != m->life) {
        if (s->online)
            message_send(v, m); /* not acknowledged before the connection broke: again */
        else
            enqueue(s, m);
        return;
    }
    virtual_bytes(s->port, m->topic, span_of(m->bytes, m->len));
    free(m);
}

static void route_to(struct virtual *v, struct session *s, const char *topic, struct span bytes)
{
    bool wanted = false;
    for (size_t i = 0; i < s->filter_count; i++)
        wanted |= matches(s->filters[i], topic);
    if (!wanted || !permitted(s, TOPIC_READ, topic) ||
        bytes.len > component_message_max(virtual_class(s->port->node)))
        return;
    struct message *m = malloc(sizeof *m + bytes.len);
    if (!m)
        return;
    *m = (struct message){.to = s, .len = bytes.len};
    text_copy(m->topic, sizeof m->topic, topic);
    memcpy(m->bytes, bytes.p, bytes.len);
    if (s->online)
        message_send(v, m);
    else
        enqueue(s, m);
}

struct published {
    struct broker *broker;
    size_t len;
    char topic[GSDP_TOPIC_MAX];
    uint8_t bytes[];
};

static void reach_broker(struct virtual *v, void *object, uint64_t argument)
{
    struct published *p = object;
    struct broker *b = p->broker;
    struct span bytes = {p->bytes, p->len};
    (void)argument;
    for (struct session *s = b->dead ? NULL : b->wild; s; s = s->next_in_bucket)
        route_to(v, s, p->topic, bytes);
    for (struct session *s = b->dead ? NULL : b->buckets[bucket_of(p->topic)]; s; s = s->next_in_bucket)
        route_to(v, s, p->topic, bytes);
    free(p);
}

static enum err gsdp_send(struct virtual_port *port, const char *topic, struct span bytes)
{
    struct session *s = port->link;
    struct virtual *v = virtual_of(port);
    struct broker *b = broker_of(port);
    if (!s->online || b->dead)
        return ERR_LINK_DOWN;
    if (!permitted(s, TOPIC_WRITE, topic))
        return ERR_OK; /* MQTT 3.1.1 tells the publisher nothing */
    struct published *p = malloc(sizeof *p + bytes.len);
    if (!p)
        return ERR_NO_MEMORY;
    p->broker = b;
    p->len = bytes.len;
    text_copy(p->topic, sizeof p->topic, topic);
    memcpy(p->bytes, bytes.p, bytes.len);
    virtual_push(v, virtual_now_us(v) + HOP_US, reach_broker, p, 0, EVENT_OWNED);
    return ERR_OK;
}

/* Sessions are looked up by the second level of their filters; one with several is asked each time. */
static void route_by(struct broker *b, struct session *s, const char *topic)
{
    const char *level;
    size_t len = second_level(topic, &level);
    struct session **list = len == 1 && *level == '+' ? &b->wild : &b->buckets[bucket_of(topic)];
    if (s->list == list || s->list == &b->wild)
        return;
    if (s->list) {
        struct session **at = s->list;
        while (*at != s)
            at = &(*at)->next_in_bucket;
        *at = s->next_in_bucket;
        list = &b->wild;
    }
    s->list = list;
    s->next_in_bucket = *list;
    *list = s;
}

static enum err gsdp_subscribe(struct virtual_port *p, const char *topic)
{
    struct session *s = p->link;
    for (size_t i = 0; i < s->filter_count; i++)
        if (strcmp(s->filters[i], topic) == 0)
            return ERR_OK;
    if (s->filter_count == GSDP_FILTERS_MAX || strlen(topic) >= GSDP_FILTER_MAX)
        return ERR_NO_SPACE;
    text_copy(s->filters[s->filter_count++], sizeof s->filters[0], topic);
    route_by(broker_of(p), s, topic);
    return ERR_OK;
}

static void connected(struct virtual *v, void *object, uint64_t life)
{
    struct session *s = object;
    if (s->life != life || !virtual_alive(s->port->node) || s->port->cut)
        return;
    if (broker_of(s->port)->dead) {
        virtual_push(v, virtual_now_us(v) + RECONNECT_US, connected, s, life, EVENT_IDLE);
        return;
    }
    if (!s->online) {
        s->online = true;
        virtual_link(s->port, LINK_UP);
        virtual_push(v, virtual_now_us(v) + (uint64_t)2 * HOP_US, connected, s, life, 0);
        return;
    }
    virtual_link(s->port, LINK_SUBSCRIBED);
    while (s->queue) {
        struct message *m = s->queue;
        s->queue = m->next;
        message_send(v, m);
    }
}

static void gsdp_disconnect(struct virtual_port *p)
{
    struct session *s = p->link;
    s->life++;
    s->online = false;
}

static void gsdp_connect(struct virtual_port *p)
{
    struct session *s = p->link;
    struct virtual *v = virtual_of(p);
    gsdp_disconnect(p);
    virtual_push(v, virtual_now_us(v) + CONNECT_US, connected, s, s->life, 0);
}

static enum err gsdp_attach(struct virtual_port *p)
{
    struct broker *b = broker_of(p);
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->port = p;
    s->next = b->sessions;
    b->sessions = s;
    p->link = s;
    return ERR_OK;
}

static void forget_queue(struct session *s)
{
    while (s->queue) {
        struct message *m = s->queue;
        s->queue = m->next;
        free(m);
    }
}

static void gsdp_alive(struct virtual *v, void *state, bool alive)
{
    struct broker *b = state;
    (void)v;
    b->dead = !alive;
    for (struct session *s = alive ? NULL : b->sessions; s; s = s->next) {
        forget_queue(s);
        if (!s->online)
            continue;
        gsdp_disconnect(s->port);
        virtual_link(s->port, LINK_DOWN);
        gsdp_connect(s->port);
    }
}

static void gsdp_close(void *state)
{
    struct broker *b = state;
    while (b->sessions) {
        struct session *s = b->sessions;
        b->sessions = s->next;
        forget_queue(s);
        free(s);
    }
}

const struct twin twin_gsdp = {
    .medium = &medium_gsdp,
    .helper = "broker",
    .size = sizeof(struct broker),
    .attach = gsdp_attach,
    .connect = gsdp_connect,
    .disconnect = gsdp_disconnect,
    .send = gsdp_send,
    .subscribe = gsdp_subscribe,
    .helper_alive = gsdp_alive,
    .close = gsdp_close,
};
