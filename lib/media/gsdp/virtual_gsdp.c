/* GSDP in virtual time: a broker with the promises that the real one is configured for. Sessions outlive
 * connections, messages for an absent client wait (QoS 1), a killed broker forgets what waited, a vehicle
 * reaches its own topics only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/virtual_internal.h"

#define HOP_US       50    /* client to broker, broker to client */
#define CONNECT_US   300   /* until CONNACK */
#define RECONNECT_US 20000 /* a client tries again this often */
#define QUEUE_MAX    100   /* messages waiting for one client, as mosquitto's max_queued_messages */

struct virtual_message {
    struct virtual_message *next;
    struct virtual_session *to;
    uint32_t life;
    size_t len;
    char topic[96];
    uint8_t bytes[];
};

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
    return h % VIRTUAL_BUCKETS;
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

/* Access rules: a client that belongs to a vehicle reaches spaak/<its serial>/... only. */
static bool permitted(const struct virtual_session *s, const char *topic)
{
    const char *serial = s->node->args->serial, *level;
    size_t len = second_level(topic, &level);
    return !*serial ||
           (strncmp(topic, "spaak/", 6) == 0 && len == strlen(serial) && memcmp(level, serial, len) == 0);
}

static void deliver(struct virtual *v, void *object, uint64_t argument);

static void message_send(struct virtual *v, struct virtual_message *m)
{
    m->life = m->to->life;
    virtual_push(v, v->now_us + HOP_US, deliver, m, 0);
}

static void enqueue(struct virtual_session *s, struct virtual_message *m)
{
    size_t waiting = 0;
    for (struct virtual_message *q = s->queue; q; q = q->next)
        waiting++;
    if (waiting >= QUEUE_MAX) {
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
    struct virtual_message *m = object;
    struct virtual_session *s = m->to;
    (void)argument;
    if (!v->broker.alive) {
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
    virtual_enter(s->node);
    node_on_bytes(&s->node->node, s->port, m->topic, span_of(m->bytes, m->len));
    free(m);
}

static void route_to(struct virtual *v, struct virtual_session *s, const char *topic, struct span bytes)
{
    bool wanted = false;
    for (size_t i = 0; i < s->filter_count; i++)
        wanted |= matches(s->filters[i], topic);
    if (!wanted)
        return;
    struct virtual_message *m = malloc(sizeof *m + bytes.len);
    if (!m)
        return;
    *m = (struct virtual_message){.to = s, .len = bytes.len};
    text_copy(m->topic, sizeof m->topic, topic);
    memcpy(m->bytes, bytes.p, bytes.len);
    if (s->online)
        message_send(v, m);
    else
        enqueue(s, m);
}

struct published {
    size_t len;
    char topic[96];
    uint8_t bytes[];
};

static void reach_broker(struct virtual *v, void *object, uint64_t argument)
{
    struct published *p = object;
    struct span bytes = {p->bytes, p->len};
    (void)argument;
    for (struct virtual_session *s = v->broker.alive ? v->broker.wild : NULL; s; s = s->next_in_bucket)
        route_to(v, s, p->topic, bytes);
    for (struct virtual_session *s = v->broker.alive ? v->broker.buckets[bucket_of(p->topic)] : NULL; s;
         s = s->next_in_bucket)
        route_to(v, s, p->topic, bytes);
    free(p);
}

enum err virtual_gsdp_publish(struct virtual_session *s, const char *topic, struct span bytes)
{
    struct virtual *v = s->node->world;
    if (!s->online || !v->broker.alive)
        return ERR_LINK_DOWN;
    if (!permitted(s, topic))
        return ERR_OK; /* MQTT tells the publisher nothing */
    struct published *p = malloc(sizeof *p + bytes.len);
    if (!p)
        return ERR_NO_MEMORY;
    p->len = bytes.len;
    text_copy(p->topic, sizeof p->topic, topic);
    memcpy(p->bytes, bytes.p, bytes.len);
    virtual_push(v, v->now_us + HOP_US, reach_broker, p, 0);
    return ERR_OK;
}

enum err virtual_gsdp_subscribe(struct virtual_session *s, const char *topic)
{
    struct virtual_broker *b = &s->node->world->broker;
    const char *level;
    for (size_t i = 0; i < s->filter_count; i++)
        if (strcmp(s->filters[i], topic) == 0)
            return ERR_OK;
    if (!permitted(s, topic))
        return ERR_BUS_NOT_ALLOWED;
    if (s->filter_count == 4)
        return ERR_NO_SPACE;
    bool first = s->filter_count == 0;
    text_copy(s->filters[s->filter_count++], sizeof s->filters[0], topic);
    if (first) {
        size_t len = second_level(topic, &level);
        struct virtual_session **list = len == 1 && *level == '+' ? &b->wild : &b->buckets[bucket_of(topic)];
        s->next_in_bucket = *list;
        *list = s;
    }
    return ERR_OK;
}

static void connected(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_session *s = object;
    if (s->life != life || s->node->node.dead || s->node->cut[s->port])
        return;
    if (!v->broker.alive) {
        virtual_push(v, v->now_us + RECONNECT_US, connected, s, life);
        return;
    }
    if (!s->online) {
        s->online = true;
        virtual_set_link(s->node, s->port, LINK_UP);
        virtual_push(v, v->now_us + 2 * HOP_US, connected, s, life);
        return;
    }
    virtual_set_link(s->node, s->port, LINK_SUBSCRIBED);
    while (s->queue) {
        struct virtual_message *m = s->queue;
        s->queue = m->next;
        message_send(v, m);
    }
}

void virtual_gsdp_connect(struct virtual_session *s)
{
    struct virtual *v = s->node->world;
    s->life++;
    s->online = false;
    virtual_push(v, v->now_us + CONNECT_US, connected, s, s->life);
}

void virtual_gsdp_disconnect(struct virtual_session *s)
{
    s->life++;
    s->online = false;
}

enum err virtual_gsdp_attach(struct virtual_node *n, unsigned port)
{
    struct virtual_session *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->node = n;
    s->port = port;
    s->next = n->world->broker.sessions;
    n->world->broker.sessions = s;
    n->session[port] = s;
    return ERR_OK;
}

static void forget_queue(struct virtual_session *s)
{
    while (s->queue) {
        struct virtual_message *m = s->queue;
        s->queue = m->next;
        free(m);
    }
}

void virtual_broker_kill(struct virtual *v)
{
    v->broker.alive = false;
    for (struct virtual_session *s = v->broker.sessions; s; s = s->next) {
        forget_queue(s);
        if (!s->online)
            continue;
        virtual_gsdp_disconnect(s);
        virtual_set_link(s->node, s->port, LINK_DOWN);
        virtual_gsdp_connect(s);
    }
}

void virtual_broker_start(struct virtual *v)
{
    v->broker.alive = true;
}

void virtual_gsdp_free(struct virtual *v)
{
    while (v->broker.sessions) {
        struct virtual_session *s = v->broker.sessions;
        v->broker.sessions = s->next;
        forget_queue(s);
        free(s);
    }
}

/* Frees the payload of an event that will not run. */
bool virtual_gsdp_drop_event(const struct virtual_event *e)
{
    if (e->run != deliver && e->run != reach_broker)
        return false;
    free(e->object);
    return true;
}
