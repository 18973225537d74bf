/* What the files of the virtual world share. */
#ifndef lib_host_virtual_internal_h
#define lib_host_virtual_internal_h

#include "lib/host/seeded.h"
#include "lib/host/virtual.h"

struct virtual_event {
    uint64_t time_us, sequence;
    void (*run)(struct virtual *v, void *object, uint64_t argument);
    void *object;
    uint64_t argument;
};

/* A client's session at the broker outlives its connection. */
struct virtual_session {
    struct virtual_node *node;
    unsigned port;
    char filters[4][64];
    size_t filter_count;
    bool online, subscribed;
    uint32_t life; /* a connection's number: what is under way for an older one is void */
    struct virtual_message *queue, **queue_end;
    struct virtual_session *next, *next_in_bucket;
};

#define VIRTUAL_BUCKETS 4096

struct virtual_broker {
    bool alive;
    struct virtual_session *sessions;
    struct virtual_session *buckets[VIRTUAL_BUCKETS]; /* by the topic's second level */
    struct virtual_session *wild;                     /* sessions with "+" there */
};

/* One segment of one vehicle. */
struct virtual_bus {
    struct virtual *world;
    enum segment segment;
    struct virtual_endpoint *endpoints[8];
    size_t endpoint_count;
    bool busy;
    struct bus_frame on_wire;
    struct virtual_endpoint *sender;
};

struct virtual_endpoint {
    struct virtual_node *node;
    unsigned port;
    struct virtual_bus *bus;
    uint32_t ids[16];
    size_t id_count;
    bool all;
    /* frames waiting for the wire: a ring that grows */
    struct bus_frame *tx;
    uint32_t tx_cap, tx_head, tx_count;
};

struct virtual_node {
    struct node node; /* first */
    struct virtual *world;
    const struct component_args *args;
    unsigned group;
    struct seeded_stream random;
    uint64_t timer_due_us[ENV_TIMERS];    /* what the component asked for */
    uint64_t timer_queued_us[ENV_TIMERS]; /* the event that stands for it; later deadlines reuse it */
    bool cut[ENV_PORTS], up[ENV_PORTS];
    struct virtual_endpoint *endpoint[ENV_PORTS];
    struct virtual_session *session[ENV_PORTS];
    uint32_t life; /* starts so far */
    struct virtual_node *next;
};

struct virtual
{
    struct virtual_hooks hooks;
    struct fault_plan *plan;
    uint64_t seed, now_us, next_sequence, taken;
    struct virtual_event *heap;
    size_t heap_count, heap_cap;
    struct seeded_context openssl;
    struct crypto *crypto;
    struct seeded_stream outside;
    struct virtual_node *nodes, **nodes_end;
    struct virtual_bus **buses; /* group * SEGMENTS + segment */
    size_t group_count;
    struct virtual_broker broker;
};

void virtual_push(struct virtual *v, uint64_t time_us, void (*run)(struct virtual *, void *, uint64_t),
                  void *object, uint64_t argument);
/* Runs an input of a node with its own randomness. */
void virtual_enter(struct virtual_node *n);
void virtual_set_link(struct virtual_node *n, unsigned port, enum link_state state);

/* virtual_bus.c */
enum err virtual_bus_attach(struct virtual_node *n, unsigned port, const struct port_spec *spec);
enum err virtual_bus_send(struct virtual_endpoint *e, const struct bus_frame *f);
void virtual_bus_free(struct virtual_bus *b);

/* virtual_gsdp.c */
enum err virtual_gsdp_attach(struct virtual_node *n, unsigned port);
enum err virtual_gsdp_subscribe(struct virtual_session *s, const char *topic);
enum err virtual_gsdp_publish(struct virtual_session *s, const char *topic, struct span bytes);
/* Begins to connect: CONNACK and SUBACK come later. */
void virtual_gsdp_connect(struct virtual_session *s);
void virtual_gsdp_disconnect(struct virtual_session *s);
void virtual_gsdp_free(struct virtual *v);
/* Frees the payload of an event of this file that will not run; false for any other event. */
bool virtual_gsdp_drop_event(const struct virtual_event *e);

#endif
