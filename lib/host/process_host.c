#include "lib/host/process_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct process *process_host_of(struct node *n)
{
    return (struct process *)n;
}

/* ---- time ---- */

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t process_host_now_us(struct node *n)
{
    return (monotonic_ns() - process_host_of(n)->start_ns) / 1000;
}

static int64_t host_wall_ms(struct node *n)
{
    struct timespec t;
    (void)n;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void host_timer_set(struct node *n, unsigned timer, uint64_t at_us)
{
    process_host_of(n)->due_us[timer] = at_us;
}

/* ---- links ---- */

static enum err host_send(struct node *n, unsigned port, const char *address, struct span bytes,
                          uint64_t delay_us)
{
    struct process *p = process_host_of(n);
    struct link *l = p->links[port];
    if (delay_us == 0)
        return l->ops->send(l, address, bytes);
    struct late *late = malloc(sizeof *late + bytes.len);
    if (!late)
        return ERR_NO_MEMORY;
    *late = (struct late){
        .next = p->late, .due_us = process_host_now_us(n) + delay_us, .port = port, .len = bytes.len};
    text_copy(late->address, sizeof late->address, address);
    memcpy(late->bytes, bytes.p, bytes.len);
    p->late = late;
    return ERR_OK;
}

static void host_lose(struct node *n, unsigned port, const char *address, struct span bytes)
{
    struct link *l = process_host_of(n)->links[port];
    if (l->ops->lose)
        l->ops->lose(l, address, bytes);
}

static bool host_link_up(struct node *n, unsigned port)
{
    return process_host_of(n)->up[port];
}

static enum err host_subscribe(struct node *n, unsigned port, const char *topic)
{
    struct link *l = process_host_of(n)->links[port];
    return l->ops->subscribe ? l->ops->subscribe(l, topic) : ERR_BAD_ARGUMENT;
}

static enum err host_tell(struct node *n, unsigned port, const char *address, const char *news)
{
    struct link *l = process_host_of(n)->links[port];
    return l->ops->tell ? l->ops->tell(l, address, news) : ERR_BAD_ARGUMENT;
}

void process_host_note_activity(struct process *p)
{
    if (p->slot)
        atomic_fetch_add_explicit(&p->slot->activity, 1, memory_order_relaxed);
}

static void on_link_state(void *ctx, enum link_state state)
{
    struct process *p = ((struct process_port *)ctx)->process;
    unsigned port = ((struct process_port *)ctx)->port;
    p->up[port] = state != LINK_DOWN;
    process_host_note_activity(p);
    node_on_link(&p->node, port, state);
}

static bool is_cyclic(const struct process *p, unsigned port, struct span bytes)
{
    struct bus_frame f;
    if (!p->node.media[port]->frames)
        return false;
    memcpy(&f, bytes.p, sizeof f);
    const struct matrix_row *row = matrix_find(f.id);
    return row && row->cycle_ms;
}

static void on_link_bytes(void *ctx, const char *address, struct span bytes)
{
    struct process *p = ((struct process_port *)ctx)->process;
    unsigned port = ((struct process_port *)ctx)->port;
    if (!is_cyclic(p, port, bytes))
        process_host_note_activity(p);
    node_on_bytes(&p->node, port, address, bytes);
}

static void on_link_news(void *ctx, const char *address, const char *news)
{
    struct process *p = ((struct process_port *)ctx)->process;
    process_host_note_activity(p);
    node_on_news(&p->node, ((struct process_port *)ctx)->port, address, news);
}

/* ---- work ---- */

static int on_work_done(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct process *p = ctx;
    struct span result;
    uint64_t count;
    unsigned work;
    enum err e;
    (void)s;
    (void)revents;
    if (read(fd, &count, sizeof count) < 0)
        return 0;
    while (!p->stop && worker_take(p->worker, &work, &e, &result)) {
        process_host_note_activity(p);
        node_on_work(&p->node, work, e, result);
    }
    return 0;
}

static enum err host_work(struct node *n, unsigned work, struct span in)
{
    struct process *p = process_host_of(n);
    if (!p->worker) {
        p->worker = worker_new(n->class->works);
        if (p->worker && p->memo)
            worker_remember(p->worker, n->class->name, p->memo);
        if (!p->worker ||
            sd_event_add_io(p->event, &p->work_io, worker_fd(p->worker), EPOLLIN, on_work_done, p) < 0)
            return ERR_WORK_FAILED;
    }
    return worker_put(p->worker, work, in);
}

/* The step of its kill is reached. What it has committed and sent until here takes effect, as in the virtual
 * world; nothing after it does. process_loop.c ends it. */
static void host_die(struct node *n, const struct fault *why)
{
    (void)why;
    node_trace(n, TRACE_LIFE, "killed");
    n->dead = true;
    process_host_of(n)->dying = true;
}

/* Head of a packet to the tap, then port, address and bytes as they are. */
static void host_tap(struct node *n, const struct tap_event *e)
{
    struct process_tap_head h = {.time_us = e->time_us,
                                 .out = e->out,
                                 .words = e->words,
                                 .refused = (uint16_t)e->refused,
                                 .len = (uint32_t)e->bytes.len};
    text_copy(h.medium, sizeof h.medium, e->medium);
    text_copy(h.port, sizeof h.port, e->port);
    text_copy(h.address, sizeof h.address, e->out ? e->to : e->from);
    struct iovec parts[] = {{&h, sizeof h}, {NULL, e->bytes.len}};
    union {
        const uint8_t *in;
        void *out;
    } u = {.in = e->bytes.p};
    parts[1].iov_base = u.out;
    if (writev(process_host_of(n)->tap, parts, 2) < 0)
        process_host_of(n)->stop =
            true; /* a record that is not whole: the runner sees the end of this process */
}

#define HOST_CALLS                                                                                          \
    .now_us = process_host_now_us, .wall_ms = host_wall_ms, .timer_set = host_timer_set, .send = host_send, \
    .lose = host_lose, .link_up = host_link_up, .subscribe = host_subscribe, .tell = host_tell,             \
    .work = host_work, .trace = process_words_trace, .die = host_die

const struct node_host *process_host_calls(const struct process *p)
{
    static const struct node_host host = {HOST_CALLS}, host_with_tap = {HOST_CALLS, .tap = host_tap};
    return p->tap >= 0 ? &host_with_tap : &host;
}

struct link_hooks process_host_hooks(struct process *p, unsigned port)
{
    p->ports[port].process = p;
    p->ports[port].port = port;
    return (struct link_hooks){&p->ports[port], on_link_state, on_link_bytes, on_link_news};
}
