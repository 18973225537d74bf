/* The event queue of a virtual world: a heap by (time, sequence). */
#include <assert.h>
#include <stdlib.h>

#include "lib/host/virtual_internal.h"

#define AT_ONCE_MAX 500000 /* events at one instant; thousands are many */

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
