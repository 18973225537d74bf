/* What both hosts share: a component, its env, its store transaction, its trace numbers and its faults. The
 * host adds time, links and life. */
#ifndef lib_host_node_h
#define lib_host_node_h

#include "lib/env/env.h"
#include "lib/host/fault.h"
#include "lib/host/store.h"

struct node;

struct node_host {
    uint64_t (*now_us)(struct node *n);
    int64_t (*wall_ms)(struct node *n);
    void (*timer_set)(struct node *n, unsigned timer, uint64_t at_us);
    /* Puts bytes on the port's link after a delay (0: in order). CAN: the bytes of a struct bus_frame. */
    enum err (*send)(struct node *n, unsigned port, const char *address, struct span bytes,
                     uint64_t delay_us);
    bool (*link_up)(struct node *n, unsigned port);
    enum err (*subscribe)(struct node *n, unsigned port, const char *topic);
    void (*trace)(struct node *n, const struct trace_event *e);
    /* Ends the component here and now; may return (virtual world): then nothing it does has effect. */
    void (*die)(struct node *n, const struct fault *why);
};

/* A message that a reorder fault holds back. */
struct node_held {
    bool used;
    unsigned port;
    char address[96];
    size_t len;
    uint8_t *bytes;
};

struct node {
    struct env env; /* first: an env is a node */
    const struct node_host *host;
    const struct component_class *class;
    void *self;
    struct store *store;
    struct store_txn txn;
    struct fault_plan *plan; /* NULL: none */
    struct node_held held;
    uint32_t sequence, cause;
    bool dead;
    char name[16];
};

/* Fills in a zeroed node; the instance is created by node_start. */
void node_prepare(struct node *n, const struct node_host *host, const struct component_class *class,
                  const char *name, struct crypto *crypto, struct store *store, struct fault_plan *plan);
enum err node_start(struct node *n, const struct component_args *args);
/* Ends the instance: its memory is wiped and freed, its uncommitted puts are gone. */
void node_stop(struct node *n);

/* Inputs. Each is one step: a number for traces, and the end of any uncommitted transaction. */
void node_on_frame(struct node *n, unsigned port, const struct bus_frame *f);
void node_on_bytes(struct node *n, unsigned port, const char *address, struct span bytes);
void node_on_link(struct node *n, unsigned port, enum link_state state);
void node_on_timer(struct node *n, unsigned timer);

/* A host's own event about this node (life, links). */
void node_trace(struct node *n, enum trace_kind kind, const char *detail);

#endif
