/* The virtual world: components as objects of one process, time that jumps to the next event, one event queue
 * ordered by time and sequence number, randomness from one root seed.
 *
 * What carries bytes is a table of twins (lib/host/twin.h). Several vehicles ("groups") may share one back
 * end; each has buses of its own. Single-threaded; nothing here depends on addresses, the clock or the
 * environment. */
#ifndef lib_host_virtual_h
#define lib_host_virtual_h

#include "lib/host/node.h"
#include "lib/host/work_memo.h"

struct virtual;
struct virtual_node;
struct twin;

/* 2026-01-01T00:00:00Z: the wall clock when a virtual run begins. */
#define VIRTUAL_EPOCH_MS 1767225600000ll

struct virtual_hooks {
    void *ctx;
    void (*on_trace)(void *ctx, const struct trace_event *e); /* may be NULL, like the others */
    void (*on_frame)(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *f);
    void (*on_tap)(void *ctx, const struct tap_event *e);
    /* How much is heard of a component of this class. NULL: all, when there is on_tap. */
    enum tap_depth (*taps)(void *ctx, const struct component_class *class);
    /* Taken by a medium that keeps what it carries (medium.keeps). */
    void (*on_keep)(void *ctx, const struct medium *m, const char *file, struct span bytes);
    /* Heard where virtual_put has put frames: those of others. */
    void (*on_outside)(void *ctx, unsigned group, enum segment s, const struct bus_frame *f);
};

struct virtual_options {
    uint64_t seed;
    int64_t epoch_ms; /* wall clock at time 0; 0: VIRTUAL_EPOCH_MS */
    const struct twin *const *twins;
    struct virtual_hooks hooks;
    struct fault_plan *plan; /* borrowed; NULL for no faults */
    struct work_memo *memo;  /* borrowed; NULL: every work is done */
};

/* NULL when OpenSSL or memory fail. */
struct virtual *virtual_new(const struct virtual_options *options);
void virtual_free(struct virtual *v);
/* For making certificates and keys of the world: draws from the stream of that name. */
struct crypto *virtual_crypto(struct virtual *v, const char *stream_name);
uint64_t virtual_now_us(const struct virtual *v);

/* Adds a component; group says which vehicle's buses it sits on. args and the strings they point to stay
 * the caller's for the life of the world. NULL without memory. */
struct virtual_node *virtual_add(struct virtual *v, const struct component_class *class, const char *name,
                                 unsigned group, const struct component_args *args);
struct virtual_node *virtual_find(struct virtual *v, const char *name);
/* Its store; outlives the component's deaths. */
struct store *virtual_store(struct virtual_node *n);
const char *virtual_name(const struct virtual_node *n);

/* Starts a component (again); its links come up a moment later. */
enum err virtual_start(struct virtual_node *n);
/* Kills: everything but the store is gone. */
void virtual_kill(struct virtual_node *n, const char *why);
bool virtual_alive(const struct virtual_node *n);
/* Kills or starts what belongs to a medium and is no component; false when there is none of that name. */
bool virtual_helper(struct virtual *v, const char *name, bool alive);
/* Is there one of that name, and does it live? */
bool virtual_helper_known(const struct virtual *v, const char *name, bool *alive);
/* Takes a link away from one component, or gives it back. False when the component has no such link. */
bool virtual_cut(struct virtual_node *n, const char *link, bool cut);
/* Says how far away the other of that name is, in the words of lib/host/link.h. False when the component
 * has no such link, or its medium knows no distances or not these words. */
bool virtual_radio(struct virtual_node *n, const char *link, const char *name, const char *text);

/* Puts a frame on a vehicle's segment for somebody who is no component: it takes part in arbitration like any
 * other. ERR_LINK_DOWN while the segment carries nothing. */
enum err virtual_put(struct virtual *v, unsigned group, enum segment s, const struct bus_frame *f);

/* An operator's call, as an event of its own. */
void virtual_call(struct virtual_node *n, unsigned call, const struct call_value *values);
/* Runs fn at that time (or now, if that is past), as an event like any other. */
void virtual_at(struct virtual *v, uint64_t time_us, void (*fn)(void *ctx), void *ctx);

/* Takes the next event; false when there is none up to limit_us, the clock then stands at limit_us. */
bool virtual_step(struct virtual *v, uint64_t limit_us);
/* Nothing in flight, no timer pending but cyclic ones: nothing will happen that does not happen for ever. */
bool virtual_quiet(const struct virtual *v);
/* Time does not move on: so many events came at one instant that they bring each other about for ever. */
bool virtual_stuck(const struct virtual *v);
/* Whose input is being handled, or was last. */
const char *virtual_current(const struct virtual *v);
/* Events taken so far. */
uint64_t virtual_events(const struct virtual *v);

#endif
