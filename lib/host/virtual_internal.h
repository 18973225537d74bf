/* The parts of a virtual world: queue, nodes and their twins. Used by virtual*.c only. */
#ifndef lib_host_virtual_internal_h
#define lib_host_virtual_internal_h

#include "lib/host/seeded.h"
#include "lib/host/twin.h"
#include "lib/host/virtual.h"

struct event {
    uint64_t time_us, order; /* order: sequence number, and below it the flags of virtual_push */
    void (*run)(struct virtual *v, void *object, uint64_t argument);
    void *object;
    uint64_t argument;
};
#define ORDER_FLAGS 2

struct virtual_node {
    struct node node; /* first */
    struct virtual *world;
    const struct component_args *args;
    unsigned group;
    struct seeded_stream random;
    uint64_t *timer_due_us;    /* what the component asked for */
    uint64_t *timer_queued_us; /* the event that stands for it; later deadlines reuse it */
    uint64_t work_until_us;    /* busy with works until then */
    uint32_t life;             /* starts so far */
    struct virtual_node *next;
    struct virtual_port ports[]; /* as many as the class has */
};

struct helper {
    const struct twin *twin;
    void *state;
    bool dead;
};

struct virtual
{
    struct virtual_hooks hooks;
    struct fault_plan *plan;
    struct work_memo *memo;
    uint64_t seed, now_us, next_sequence, taken;
    uint64_t at_once; /* events taken at this instant */
    int64_t epoch_ms;
    struct event *heap;
    size_t heap_count, heap_cap;
    const char *current; /* component whose input is being handled */
    size_t busy;         /* events and timers pending that do not come for ever */
    struct seeded_context openssl;
    struct crypto *crypto;
    struct seeded_stream outside;
    struct virtual_node *nodes, **nodes_end;
    struct helper *twins; /* and their state in this world */
    const struct medium **media;
    size_t twin_count;
};

/* The node whose `node` this is. */
static inline struct virtual_node *virtual_node_of(struct node *n)
{
    return (struct virtual_node *)n;
}

/* From here on an input of this node runs, with its own randomness. */
void virtual_enter(struct virtual_node *n);
/* Its deadline, in microseconds of the world or ENV_NEVER; the queue is not told. */
void virtual_timer_due(struct virtual_node *n, unsigned timer, uint64_t at_us);
/* What its host does for a node; with a tap when all or some of its bytes are recorded. */
const struct node_host *virtual_host_calls(bool tapped);
/* `die` of a node's host: killed by a fault, and started again when its delay is over. */
void virtual_host_die(struct node *node, const struct fault *why);

#endif
