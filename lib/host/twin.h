/* The virtual twin of a medium: how it behaves in the virtual world. Written against this header alone; the
 * world (lib/host/virtual.c) names no medium. */
#ifndef lib_host_twin_h
#define lib_host_twin_h

#include "lib/host/medium.h"
#include "lib/host/virtual.h"

/* One port of one component in the world. */
struct virtual_port {
    struct virtual_node *node;
    unsigned index; /* in the class */
    const struct twin *twin;
    bool up, cut;
    void *link; /* the twin's own */
};

struct twin {
    const struct medium *medium;
    const char *helper; /* what a scenario can kill beside components: "broker"; NULL: none */
    size_t size;        /* of its state in a world, zeroed */
    /* A port comes into the world; ERR_NO_MEMORY. */
    enum err (*attach)(struct virtual_port *p);
    void (*detach)(struct virtual_port *p); /* the world ends; NULL: nothing to free */
    /* The component has started, or a cut is healed: the link is to come up, at once or later. */
    void (*connect)(struct virtual_port *p);
    /* The component has died, or the link is cut; the component is told of a cut by the world. */
    void (*disconnect)(struct virtual_port *p);
    enum err (*send)(struct virtual_port *p, const char *address, struct span bytes);
    /* A fault has lost that on its way; NULL: nobody hears of it. */
    void (*lose)(struct virtual_port *p, const char *address, struct span bytes);
    enum err (*subscribe)(struct virtual_port *p, const char *topic); /* NULL: no topics */
    enum err (*tell)(struct virtual_port *p, const char *address,
                     const char *news); /* NULL: nothing to tell */
    /* As `radio` of lib/host/link.h; also while the component is not there. */
    enum err (*radio)(struct virtual_port *p, const char *name, const char *text);
    /* A frame from outside, of virtual_put; what is then heard there goes to virtual_outside. NULL: no
     * frames.
     */
    enum err (*put)(struct virtual *v, void *state, unsigned group, enum segment s,
                    const struct bus_frame *f);
    void (*helper_alive)(struct virtual *v, void *state,
                         bool alive); /* killed, started; NULL without helper */
    void (*close)(void *state);       /* NULL: nothing to free */
};

/* ---- what the world offers to twins ---- */

void *virtual_state(struct virtual *v, const struct twin *t);
const struct port_spec *virtual_port_spec(const struct virtual_port *p);
struct virtual *virtual_of(const struct virtual_port *p);
/* Which vehicle: 0 for the first, and for who belongs to none. */
unsigned virtual_group(const struct virtual_node *n);
const struct component_class *virtual_class(const struct virtual_node *n);
struct virtual_port *virtual_port(struct virtual_node *n, unsigned index);
struct virtual_node *virtual_next(struct virtual *v, struct virtual_node *n); /* NULL: the first */
const char *virtual_serial(const struct virtual_node *n);
/* Number of the component's life: what was meant for an older one is void. */
uint32_t virtual_life(const struct virtual_node *n);

/* An event. `idle`: a run may be quiet while it is pending (somebody looks again for ever). `object` is the
 * caller's; with `owned` it came from malloc and is freed when the world ends before the event. */
enum { EVENT_IDLE = 1, EVENT_OWNED = 2 };
void virtual_push(struct virtual *v, uint64_t time_us,
                  void (*run)(struct virtual *v, void *object, uint64_t argument), void *object,
                  uint64_t argument, unsigned flags);

/* Something is under way (+1), or no longer (-1), that no event of its own stands for: the run is not quiet.
 */
void virtual_hold(struct virtual *v, int by);

/* Inputs of a port's component, drawing from its own randomness. */
void virtual_bytes(struct virtual_port *p, const char *address, struct span bytes);
void virtual_link(struct virtual_port *p, enum link_state state);
void virtual_news(struct virtual_port *p, const char *address, const char *news);
/* A frame was on a bus; NULL when nobody wants to know. */
void virtual_frame(struct virtual *v, const char *bus, const struct bus_frame *f);
/* The same at a segment into which somebody from outside has put frames, but not of his own. */
void virtual_outside(struct virtual *v, unsigned group, enum segment s, const struct bus_frame *f);

/* The medium has taken that, into a file of that name among the records (medium.keeps). */
void virtual_keep(struct virtual *v, const struct medium *m, const char *file, struct span bytes);

#endif
