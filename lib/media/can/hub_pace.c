#include "lib/media/can/hub_pace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/can/wire.h"

struct waiting {
    uint64_t since_ns;
    struct bus_frame frame;
};

/* One node on one segment, and its frames: a ring that grows. */
struct sender {
    struct sender *next;
    const void *who;
    uint8_t segment;
    struct waiting *ring;
    size_t cap, head, count;
};

struct wire {
    bool busy;
    const void *from;
    struct bus_frame frame;
    uint64_t end_ns; /* of the frame on it, or of the last one */
};

struct pace {
    pace_deliver *deliver;
    void *ctx;
    struct sender *senders;
    struct wire wires[HUB_BUSES];
    size_t left;
};

struct pace *pace_new(pace_deliver *deliver, void *ctx)
{
    assert(deliver);
    struct pace *p = calloc(1, sizeof *p);
    if (p) {
        p->deliver = deliver;
        p->ctx = ctx;
    }
    return p;
}

static struct sender *sender_find(const struct pace *p, const void *who)
{
    struct sender *s = p->senders;
    while (s && s->who != who)
        s = s->next;
    return s;
}

static struct sender *sender_add(struct pace *p, const void *who, uint8_t segment)
{
    struct sender *s = calloc(1, sizeof *s), **end = &p->senders;
    if (!s)
        return NULL;
    s->who = who;
    s->segment = segment;
    while (*end)
        end = &(*end)->next;
    *end = s;
    return s;
}

static bool sender_grow(struct sender *s)
{
    size_t cap = s->cap ? 2 * s->cap : 16;
    struct waiting *more = malloc(cap * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < s->count; i++)
        more[i] = s->ring[(s->head + i) % s->cap];
    free(s->ring);
    s->ring = more;
    s->cap = cap;
    s->head = 0;
    return true;
}

static void sender_free(struct sender *s)
{
    free(s->ring);
    free(s);
}

static const struct waiting *head_of(const struct sender *s)
{
    return s->count ? &s->ring[s->head] : NULL;
}

/* When the segment can begin its next frame: somebody waits, and the wire is free. */
static uint64_t next_start_ns(const struct pace *p, uint8_t segment)
{
    uint64_t first_ns = PACE_NEVER;
    for (const struct sender *s = p->senders; s; s = s->next)
        if (s->segment == segment && s->count && head_of(s)->since_ns < first_ns)
            first_ns = head_of(s)->since_ns;
    return first_ns > p->wires[segment].end_ns ? first_ns : p->wires[segment].end_ns;
}

/* Who waits at that moment with the lowest identifier; of equals, who came first to the segment. */
static struct sender *arbitrate(const struct pace *p, uint8_t segment, uint64_t start_ns)
{
    struct sender *best = NULL;
    for (struct sender *s = p->senders; s; s = s->next) {
        if (s->segment != segment || !s->count || head_of(s)->since_ns > start_ns)
            continue;
        if (!best || wire_priority(&head_of(s)->frame) < wire_priority(&head_of(best)->frame))
            best = s;
    }
    return best;
}

/* Puts the next frame on a free wire, if one waits by now. */
static void start_next(struct pace *p, uint8_t segment, uint64_t now_ns)
{
    struct wire *w = &p->wires[segment];
    uint64_t start_ns = next_start_ns(p, segment);
    if (w->busy || start_ns > now_ns)
        return;
    struct sender *s = arbitrate(p, segment, start_ns);
    assert(s);
    w->busy = true;
    w->from = s->who;
    w->frame = s->ring[s->head].frame;
    w->end_ns = start_ns + wire_time_us(&w->frame) * 1000;
    s->head = (s->head + 1) % s->cap;
    s->count--;
}

static struct wire *next_end(struct pace *p)
{
    struct wire *best = NULL;
    for (struct wire *w = p->wires; w < p->wires + HUB_BUSES; w++)
        if (w->busy && (!best || w->end_ns < best->end_ns))
            best = w;
    return best;
}

bool pace_put(struct pace *p, const void *from, uint8_t segment, const struct bus_frame *f, uint64_t now_ns)
{
    assert(p && from && segment < HUB_BUSES);
    struct sender *s = sender_find(p, from);
    if (!s)
        s = sender_add(p, from, segment);
    if (!s || (s->count == s->cap && !sender_grow(s)))
        return false;
    s->ring[(s->head + s->count++) % s->cap] = (struct waiting){now_ns, *f};
    p->left++;
    return true;
}

bool pace_full(const struct pace *p, const void *from)
{
    const struct sender *s = sender_find(p, from);
    return s && s->count >= PACE_WAITING;
}

size_t pace_forget(struct pace *p, const void *from)
{
    size_t lost = 0;
    for (struct wire *w = p->wires; w < p->wires + HUB_BUSES; w++)
        if (w->busy && w->from == from)
            w->from = NULL;
    for (struct sender **at = &p->senders; *at; at = &(*at)->next) {
        struct sender *s = *at;
        if (s->who != from)
            continue;
        lost = s->count;
        p->left -= lost;
        *at = s->next;
        sender_free(s);
        break;
    }
    return lost;
}

void pace_advance(struct pace *p, uint64_t now_ns)
{
    for (const struct sender *s = p->senders; s; s = s->next)
        start_next(p, s->segment, now_ns);
    for (struct wire *w = next_end(p); w && w->end_ns <= now_ns; w = next_end(p)) {
        uint8_t segment = (uint8_t)(w - p->wires);
        w->busy = false;
        p->left--;
        p->deliver(p->ctx, w->from, segment, &w->frame, w->end_ns);
        start_next(p, segment, now_ns);
    }
}

uint64_t pace_next_ns(const struct pace *p)
{
    uint64_t ns = PACE_NEVER;
    for (const struct wire *w = p->wires; w < p->wires + HUB_BUSES; w++)
        if (w->busy && w->end_ns < ns)
            ns = w->end_ns;
    return ns;
}

size_t pace_left(const struct pace *p)
{
    return p->left;
}

void pace_free(struct pace *p)
{
    while (p && p->senders) {
        struct sender *s = p->senders;
        p->senders = s->next;
        sender_free(s);
    }
    free(p);
}
