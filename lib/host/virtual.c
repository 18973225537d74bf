#include "lib/host/virtual.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/seeded.h"
#include "lib/host/twin.h"

#define AT_ONCE_MAX 500000 /* events at one instant; thousands are many */
#define START_US    100    /* from a component's start until its links begin to connect */

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

/* ---- the event queue: a heap by (time, sequence) ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->time_us < b->time_us || (a->time_us == b->time_us && a->order < b->order);
}

void virtual_push(struct virtual *v, uint64_t time_us, void (*run)(struct virtual *, void *, uint64_t),
                  void *object, uint64_t argument, unsigned flags)
{
    assert(time_us >= v->now_us && flags < 1u << ORDER_FLAGS);
    if (v->heap_count == v->heap_cap) {
        v->heap_cap = v->heap_cap ? 2 * v->heap_cap : 256;
        v->heap = realloc(v->heap, v->heap_cap * sizeof *v->heap);
        if (!v->heap)
            abort(); /* a simulation without its queue has no meaning */
    }
    v->busy += !(flags & EVENT_IDLE);
    struct event e = {time_us, v->next_sequence++ << ORDER_FLAGS | flags, run, object, argument};
    size_t i = v->heap_count++;
    for (; i > 0 && before(&e, &v->heap[(i - 1) / 2]); i = (i - 1) / 2)
        v->heap[i] = v->heap[(i - 1) / 2];
    v->heap[i] = e;
}

static struct event heap_pop(struct virtual *v)
{
    struct event top = v->heap[0], last = v->heap[--v->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= v->heap_count)
            break;
        if (child + 1 < v->heap_count && before(&v->heap[child + 1], &v->heap[child]))
            child++;
        if (!before(&v->heap[child], &last))
            break;
        v->heap[i] = v->heap[child];
        i = child;
    }
    if (v->heap_count)
        v->heap[i] = last;
    return top;
}

bool virtual_step(struct virtual *v, uint64_t limit_us)
{
    if (v->heap_count == 0 || v->heap[0].time_us > limit_us) {
        v->now_us = limit_us;
        return false;
    }
    struct event e = heap_pop(v);
    v->at_once = e.time_us == v->now_us ? v->at_once + 1 : 0;
    v->now_us = e.time_us;
    v->taken++;
    v->busy -= !(e.order & EVENT_IDLE);
    e.run(v, e.object, e.argument);
    return true;
}

const char *virtual_current(const struct virtual *v)
{
    return v->current ? v->current : "nobody";
}

void virtual_hold(struct virtual *v, int by)
{
    assert(by >= 0 || v->busy >= (size_t)-by);
    v->busy += (size_t)by;
}

bool virtual_stuck(const struct virtual *v)
{
    return v->at_once > AT_ONCE_MAX;
}

bool virtual_quiet(const struct virtual *v)
{
    return v->busy == 0;
}

uint64_t virtual_events(const struct virtual *v)
{
    return v->taken;
}

uint64_t virtual_now_us(const struct virtual *v)
{
    return v->now_us;
}

struct outside_event {
    void (*fn)(void *ctx);
    void *ctx;
};

static void run_outside(struct virtual *v, void *object, uint64_t argument)
{
    struct outside_event e = *(struct outside_event *)object;
    (void)argument;
    free(object);
    seeded_use(&v->outside);
    e.fn(e.ctx);
}

void virtual_at(struct virtual *v, uint64_t time_us, void (*fn)(void *ctx), void *ctx)
{
    struct outside_event *e = malloc(sizeof *e);
    if (!e)
        abort();
    *e = (struct outside_event){fn, ctx};
    virtual_push(v, time_us > v->now_us ? time_us : v->now_us, run_outside, e, 0, EVENT_OWNED);
}

/* ---- the host of a node ---- */

static struct virtual_node *vnode(struct node *n)
{
    return (struct virtual_node *)n;
}

/* Runs an input of a node with its own randomness. */
static void enter(struct virtual_node *n)
{
    n->world->current = n->node.name;
    seeded_use(&n->random);
}

static uint64_t host_now_us(struct node *n)
{
    return vnode(n)->world->now_us;
}

static int64_t host_wall_ms(struct node *n)
{
    return vnode(n)->world->epoch_ms + (int64_t)(vnode(n)->world->now_us / 1000);
}

static bool is_cyclic(const struct virtual_node *n, unsigned timer)
{
    return n->node.class->timers[timer].cyclic;
}

static void timer_due(struct virtual_node *n, unsigned timer, uint64_t at_us)
{
    bool was = n->timer_due_us[timer] != ENV_NEVER, is = at_us != ENV_NEVER;
    n->timer_due_us[timer] = at_us;
    if (is_cyclic(n, timer) || was == is)
        return;
    if (is)
        n->world->busy++;
    else
        n->world->busy--;
}

/* Its own pending does not count: the timer does, in timer_due. */
static void timer_event(struct virtual *v, void *object, uint64_t argument)
{
    struct virtual_node *n = object;
    unsigned timer = (unsigned)(argument & 0xFF);
    if (n->life != argument >> 8 || n->timer_queued_us[timer] != v->now_us)
        return;
    n->timer_queued_us[timer] = ENV_NEVER;
    uint64_t due = n->timer_due_us[timer];
    if (due == ENV_NEVER)
        return;
    if (due > v->now_us) {
        n->timer_queued_us[timer] = due;
        virtual_push(v, due, timer_event, n, argument, EVENT_IDLE);
        return;
    }
    timer_due(n, timer, ENV_NEVER);
    enter(n);
    node_on_timer(&n->node, timer);
}

/* A deadline that moves away costs nothing: the event queued for the old one looks again. */
static void host_timer_set(struct node *node, unsigned timer, uint64_t at_us)
{
    struct virtual_node *n = vnode(node);
    if (at_us < n->world->now_us)
        at_us = n->world->now_us;
    timer_due(n, timer, at_us);
    if (at_us == ENV_NEVER || n->timer_queued_us[timer] <= at_us)
        return;
    n->timer_queued_us[timer] = at_us;
    virtual_push(n->world, at_us, timer_event, n, (uint64_t)n->life << 8 | timer, EVENT_IDLE);
}

struct late_send {
    struct virtual_port *port;
    uint32_t life;
    char address[ENV_KEY_MAX];
    size_t len;
    uint8_t bytes[];
};

static enum err send_now(struct virtual_port *p, const char *address, struct span bytes)
{
    return p->up ? p->twin->send(p, address, bytes) : ERR_LINK_DOWN;
}

static void late_send_event(struct virtual *v, void *object, uint64_t argument)
{
    struct late_send *l = object;
    (void)v;
    (void)argument;
    if (l->life == l->port->node->life)
        send_now(l->port, l->address, span_of(l->bytes, l->len));
    free(l);
}

static enum err host_send(struct node *node, unsigned port, const char *address, struct span bytes,
                          uint64_t delay_us)
{
    struct virtual_node *n = vnode(node);
    if (delay_us == 0)
        return send_now(&n->ports[port], address, bytes);
    struct late_send *l = malloc(sizeof *l + bytes.len);
    if (!l)
        return ERR_NO_MEMORY;
    *l = (struct late_send){.port = &n->ports[port], .life = n->life, .len = bytes.len};
    text_copy(l->address, sizeof l->address, address);
    memcpy(l->bytes, bytes.p, bytes.len);
    virtual_push(n->world, n->world->now_us + delay_us, late_send_event, l, 0, EVENT_OWNED);
    return ERR_OK;
}

static void host_lose(struct node *node, unsigned port, const char *address, struct span bytes)
{
    struct virtual_port *p = &vnode(node)->ports[port];
    if (p->twin->lose)
        p->twin->lose(p, address, bytes);
}

static bool host_link_up(struct node *node, unsigned port)
{
    return vnode(node)->ports[port].up;
}

static enum err host_subscribe(struct node *node, unsigned port, const char *topic)
{
    struct virtual_port *p = &vnode(node)->ports[port];
    return p->twin->subscribe ? p->twin->subscribe(p, topic) : ERR_BAD_ARGUMENT;
}

static enum err host_tell(struct node *node, unsigned port, const char *address, const char *news)
{
    struct virtual_port *p = &vnode(node)->ports[port];
    return p->twin->tell ? p->twin->tell(p, address, news) : ERR_BAD_ARGUMENT;
}

/* ---- work: done at once, its result comes when its time is over ---- */

struct work {
    struct virtual_node *node;
    uint32_t life;
    unsigned number;
    enum err e;
    size_t len;
    uint8_t result[];
};

static void work_event(struct virtual *v, void *object, uint64_t argument)
{
    struct work *w = object;
    (void)v;
    (void)argument;
    if (w->life == w->node->life) {
        enter(w->node);
        node_on_work(&w->node->node, w->number, w->e, span_of(w->result, w->len));
    }
    OPENSSL_cleanse(w->result, w->len);
    free(w);
}

static enum err host_work(struct node *node, unsigned number, struct span in)
{
    struct virtual_node *n = vnode(node);
    const struct work_spec *spec = &node->class->works[number];
    struct work *w = malloc(sizeof *w + spec->result_max);
    if (!w)
        return ERR_NO_MEMORY;
    *w = (struct work){.node = n, .life = n->life, .number = number};
    w->e = work_memo_run(n->world->memo, n->world->crypto, node->class->name, spec, in, w->result, &w->len);
    /* one after the other, as the one thread of a process would */
    uint64_t now_us = n->world->now_us, start_us = n->work_until_us > now_us ? n->work_until_us : now_us;
    n->work_until_us = start_us + spec->virtual_us;
    virtual_push(n->world, n->work_until_us, work_event, w, 0, EVENT_OWNED);
    return ERR_OK;
}

static void host_trace(struct node *node, const struct trace_event *e)
{
    struct virtual *v = vnode(node)->world;
    if (v->hooks.on_trace)
        v->hooks.on_trace(v->hooks.ctx, e);
}

static void host_tap(struct node *node, const struct tap_event *e)
{
    struct virtual *v = vnode(node)->world;
    v->hooks.on_tap(v->hooks.ctx, e);
}

/* ---- life ---- */

static void forget_instance(struct virtual_node *n)
{
    n->life++;
    n->node.handling = false;
    n->work_until_us = 0;
    for (unsigned i = 0; i < n->node.class->timer_count; i++) {
        timer_due(n, i, ENV_NEVER);
        n->timer_queued_us[i] = ENV_NEVER;
    }
    for (size_t i = 0; i < n->node.class->port_count; i++) {
        n->ports[i].up = false;
        n->ports[i].twin->disconnect(&n->ports[i]);
    }
}

static void restart_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    if (n->life == life && n->node.dead)
        virtual_start(n);
}

/* The instance is still on the stack: it is freed by an event of its own. */
static void burial_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    if (n->life != life || !n->node.dead)
        return;
    node_stop(&n->node);
}

static void host_die(struct node *node, const struct fault *why)
{
    struct virtual_node *n = vnode(node);
    struct virtual *v = n->world;
    node_trace(node, TRACE_LIFE, "killed");
    node->dead = true;
    forget_instance(n);
    virtual_push(v, v->now_us, burial_event, n, n->life, 0);
    virtual_push(v, v->now_us + why->delay_ms * 1000ull, restart_event, n, n->life, 0);
}

void virtual_kill(struct virtual_node *n, const char *why)
{
    if (n->node.dead)
        return;
    node_trace(&n->node, TRACE_LIFE, why);
    node_stop(&n->node);
    forget_instance(n);
}

bool virtual_alive(const struct virtual_node *n)
{
    return !n->node.dead;
}

static void links_up_event(struct virtual *v, void *object, uint64_t life)
{
    struct virtual_node *n = object;
    (void)v;
    for (unsigned i = 0; i < n->node.class->port_count && n->life == life; i++)
        if (!n->ports[i].cut)
            n->ports[i].twin->connect(&n->ports[i]);
}

enum err virtual_start(struct virtual_node *n)
{
    forget_instance(n);
    node_stop(&n->node);
    enter(n);
    enum err e = node_start(&n->node, n->args);
    if (!e)
        virtual_push(n->world, n->world->now_us + START_US, links_up_event, n, n->life, 0);
    else
        node_stop(&n->node);
    return e;
}

static struct helper *find_helper(const struct virtual *v, const char *name)
{
    for (size_t i = 0; i < v->twin_count; i++)
        if (v->twins[i].twin->helper && strcmp(v->twins[i].twin->helper, name) == 0)
            return &v->twins[i];
    return NULL;
}

bool virtual_helper(struct virtual *v, const char *name, bool alive)
{
    struct helper *h = find_helper(v, name);
    if (h && h->dead == alive)
        h->twin->helper_alive(v, h->state, alive);
    if (h)
        h->dead = !alive;
    return h;
}

bool virtual_helper_known(const struct virtual *v, const char *name, bool *alive)
{
    const struct helper *h = find_helper(v, name);
    *alive = h && !h->dead;
    return h;
}

bool virtual_cut(struct virtual_node *n, const char *link, bool cut)
{
    unsigned i;
    if (!component_port(n->node.class, link, &i))
        return false;
    struct virtual_port *p = &n->ports[i];
    if (p->cut == cut)
        return true;
    p->cut = cut;
    if (cut) {
        p->twin->disconnect(p);
        if (p->up)
            virtual_link(p, LINK_DOWN);
    } else if (!n->node.dead) {
        p->twin->connect(p);
    }
    return true;
}

bool virtual_radio(struct virtual_node *n, const char *link, const char *name, const char *text)
{
    unsigned i;
    if (!component_port(n->node.class, link, &i) || !n->ports[i].twin->radio)
        return false;
    return n->ports[i].twin->radio(&n->ports[i], name, text) == ERR_OK;
}

struct call_event {
    struct virtual_node *node;
    unsigned call;
    struct call_value values[ENV_VALUES];
};

static void call_event(struct virtual *v, void *object, uint64_t argument)
{
    struct call_event *c = object;
    (void)v;
    (void)argument;
    enter(c->node);
    node_on_call(&c->node->node, c->call, c->values);
    free(c);
}

void virtual_call(struct virtual_node *n, unsigned call, const struct call_value *values)
{
    struct call_event *c = calloc(1, sizeof *c);
    size_t count = component_parameters(&n->node.class->calls[call]);
    if (!c)
        abort();
    c->node = n;
    c->call = call;
    for (size_t i = 0; i < count; i++)
        c->values[i] = values[i];
    virtual_push(n->world, n->world->now_us, call_event, c, 0, EVENT_OWNED);
}

/* ---- what twins ask for ---- */

void *virtual_state(struct virtual *v, const struct twin *t)
{
    for (size_t i = 0; i < v->twin_count; i++)
        if (v->twins[i].twin == t)
            return v->twins[i].state;
    abort(); /* a port without its twin was refused */
}

const struct port_spec *virtual_port_spec(const struct virtual_port *p)
{
    return &p->node->node.class->ports[p->index];
}

struct virtual *virtual_of(const struct virtual_port *p)
{
    return p->node->world;
}

unsigned virtual_group(const struct virtual_node *n)
{
    return n->group;
}

const struct component_class *virtual_class(const struct virtual_node *n)
{
    return n->node.class;
}

struct virtual_port *virtual_port(struct virtual_node *n, unsigned index)
{
    assert(index < n->node.class->port_count);
    return &n->ports[index];
}

struct virtual_node *virtual_next(struct virtual *v, struct virtual_node *n)
{
    return n ? n->next : v->nodes;
}

const char *virtual_serial(const struct virtual_node *n)
{
    return n->args->serial;
}

uint32_t virtual_life(const struct virtual_node *n)
{
    return n->life;
}

void virtual_bytes(struct virtual_port *p, const char *address, struct span bytes)
{
    enter(p->node);
    node_on_bytes(&p->node->node, p->index, address, bytes);
}

void virtual_link(struct virtual_port *p, enum link_state state)
{
    p->up = state != LINK_DOWN;
    enter(p->node);
    node_on_link(&p->node->node, p->index, state);
}

void virtual_news(struct virtual_port *p, const char *address, const char *news)
{
    enter(p->node);
    node_on_news(&p->node->node, p->index, address, news);
}

void virtual_frame(struct virtual *v, const char *bus, const struct bus_frame *f)
{
    if (v->hooks.on_frame)
        v->hooks.on_frame(v->hooks.ctx, v->now_us, bus, f);
}

void virtual_keep(struct virtual *v, const struct medium *m, const char *file, struct span bytes)
{
    if (v->hooks.on_keep)
        v->hooks.on_keep(v->hooks.ctx, m, file, bytes);
}

void virtual_outside(struct virtual *v, unsigned group, enum segment s, const struct bus_frame *f)
{
    if (v->hooks.on_outside)
        v->hooks.on_outside(v->hooks.ctx, group, s, f);
}

enum err virtual_put(struct virtual *v, unsigned group, enum segment s, const struct bus_frame *f)
{
    for (size_t i = 0; i < v->twin_count; i++)
        if (v->twins[i].twin->put)
            return v->twins[i].twin->put(v, v->twins[i].state, group, s, f);
    return ERR_LINK_DOWN;
}

/* ---- the world ---- */

#define HOST_CALLS                                                                                  \
    .now_us = host_now_us, .wall_ms = host_wall_ms, .timer_set = host_timer_set, .send = host_send, \
    .lose = host_lose, .link_up = host_link_up, .subscribe = host_subscribe, .tell = host_tell,     \
    .work = host_work, .trace = host_trace, .die = host_die

static const struct node_host host = {HOST_CALLS}, host_with_tap = {HOST_CALLS, .tap = host_tap};

static bool make_twins(struct virtual *v, const struct twin *const *twins)
{
    while (twins[v->twin_count])
        v->twin_count++;
    v->twins = calloc(v->twin_count + 1, sizeof *v->twins);
    v->media = calloc(v->twin_count + 1, sizeof *v->media);
    for (size_t i = 0; v->twins && v->media && i < v->twin_count; i++) {
        v->media[i] = twins[i]->medium;
        v->twins[i] = (struct helper){.twin = twins[i], .state = calloc(1, twins[i]->size + 1)};
        if (!v->twins[i].state)
            return false;
    }
    return v->twins && v->media;
}

struct virtual *virtual_new(const struct virtual_options *options)
{
    struct virtual *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->hooks = options->hooks;
    v->plan = options->plan;
    v->memo = options->memo;
    v->seed = options->seed;
    v->epoch_ms = options->epoch_ms ? options->epoch_ms : VIRTUAL_EPOCH_MS;
    v->nodes_end = &v->nodes;
    seeded_stream_init(&v->outside, v->seed, "outside");
    seeded_use(&v->outside);
    v->crypto = seeded_context_open(&v->openssl) ? crypto_new(v->openssl.openssl) : NULL;
    if (v->crypto && make_twins(v, options->twins))
        return v;
    virtual_free(v);
    return NULL;
}

static void node_free(struct virtual_node *n)
{
    enter(n);
    node_stop(&n->node);
    store_close(n->node.store);
    for (size_t i = 0; i < n->node.class->port_count; i++)
        if (n->ports[i].twin && n->ports[i].twin->detach)
            n->ports[i].twin->detach(&n->ports[i]);
    free(n->timer_due_us);
    free(n->timer_queued_us);
    free(n);
}

void virtual_free(struct virtual *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->heap_count; i++)
        if (v->heap[i].order & EVENT_OWNED)
            free(v->heap[i].object);
    free(v->heap);
    for (size_t i = 0; v->twins && i < v->twin_count; i++) {
        if (v->twins[i].state && v->twins[i].twin->close)
            v->twins[i].twin->close(v->twins[i].state);
        free(v->twins[i].state);
    }
    while (v->nodes) {
        struct virtual_node *n = v->nodes;
        v->nodes = n->next;
        node_free(n);
    }
    free(v->twins);
    free(v->media);
    crypto_free(v->crypto);
    seeded_context_close(&v->openssl);
    seeded_use(NULL);
    free(v);
}

struct crypto *virtual_crypto(struct virtual *v, const char *stream_name)
{
    seeded_stream_init(&v->outside, v->seed, stream_name);
    seeded_use(&v->outside);
    return v->crypto;
}

static enum err attach_ports(struct virtual_node *n)
{
    struct virtual *v = n->world;
    enum err e = ERR_OK;
    for (unsigned i = 0; !e && i < n->node.class->port_count; i++) {
        struct virtual_port *p = &n->ports[i];
        *p = (struct virtual_port){.node = n, .index = i};
        for (size_t k = 0; k < v->twin_count && !p->twin; k++)
            if (v->twins[k].twin->medium == n->node.media[i])
                p->twin = v->twins[k].twin;
        assert(p->twin); /* node_prepare has found its medium among the twins' */
        e = p->twin->attach(p);
    }
    return e;
}

static enum tap_depth tap_of(const struct virtual *v, const struct component_class *class)
{
    if (!v->hooks.on_tap)
        return TAP_NONE;
    return v->hooks.taps ? v->hooks.taps(v->hooks.ctx, class) : TAP_ALL;
}

struct virtual_node *virtual_add(struct virtual *v, const struct component_class *class, const char *name,
                                 unsigned group, const struct component_args *args)
{
    struct virtual_node *n = calloc(1, sizeof *n + class->port_count * sizeof n->ports[0]);
    struct store *store = store_memory_new();
    uint64_t *due = calloc(class->timer_count + 1, sizeof *due),
             *queued = calloc(class->timer_count + 1, sizeof *queued);
    if (!n || !store || !due || !queued) {
        free(n);
        free(due);
        free(queued);
        store_close(store);
        return NULL;
    }
    enum tap_depth depth = tap_of(v, class);
    node_prepare(&n->node, depth ? &host_with_tap : &host, class, v->media, name, v->crypto, store, v->plan);
    n->node.talk_only = depth == TAP_TALK;
    n->world = v;
    n->group = group;
    n->args = args;
    n->node.dead = true;
    n->timer_due_us = due;
    n->timer_queued_us = queued;
    for (size_t i = 0; i < class->timer_count; i++)
        due[i] = queued[i] = ENV_NEVER;
    seeded_stream_init(&n->random, v->seed, name);
    *v->nodes_end = n;
    v->nodes_end = &n->next;
    return attach_ports(n) ? NULL : n;
}

struct virtual_node *virtual_find(struct virtual *v, const char *name)
{
    for (struct virtual_node *n = v->nodes; n; n = n->next)
        if (strcmp(n->node.name, name) == 0)
            return n;
    return NULL;
}

struct store *virtual_store(struct virtual_node *n)
{
    return n->node.store;
}

const char *virtual_name(const struct virtual_node *n)
{
    return n->node.name;
}
