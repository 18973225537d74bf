#include "sgw/sgw.h"

#include <stdio.h>

#define REPORT_US 100000 /* drops are summed up this long before the next trace line */
#define DROP_ROWS 32

enum { TIMER_REPORT };

/* Rate of one row: a bucket of `burst` frames that refills at `per_second`. */
struct bucket {
    uint64_t full_at_us; /* when the bucket is full again */
};

struct drop {
    uint32_t id;
    uint8_t segment;
    uint16_t reason;
    uint32_t unreported;
    bool used;
};

struct sgw {
    struct env *env;
    struct bucket buckets[MATRIX_MESSAGES];
    struct drop drops[DROP_ROWS];
    bool report_due;
};

static const struct port_spec ports[] = {
    [SEGMENT_BODY] = {.name = "body", .medium = "can", .segment = SEGMENT_BODY},
    [SEGMENT_TELEMATICS] = {.name = "telematics", .medium = "can", .segment = SEGMENT_TELEMATICS},
    [SEGMENT_INFOTAINMENT] = {.name = "infotainment", .medium = "can", .segment = SEGMENT_INFOTAINMENT},
    [SEGMENT_DIAGNOSTIC] = {.name = "diagnostic", .medium = "can", .segment = SEGMENT_DIAGNOSTIC},
};

static const struct timer_spec timers[] = {[TIMER_REPORT] = {"report", false}};

static enum err sgw_init(void *self, struct env *env, const struct component_args *args)
{
    struct sgw *g = self;
    (void)args;
    g->env = env;
    return ERR_OK;
}

static bool bucket_take(struct bucket *b, const struct matrix_row *row, uint64_t now_us)
{
    uint64_t frame_us = 1000000u / row->per_second;
    uint64_t start = b->full_at_us > now_us ? b->full_at_us : now_us;
    if (start + frame_us > now_us + frame_us * row->burst)
        return false;
    b->full_at_us = start + frame_us;
    return true;
}

static enum err sgw_judge(struct sgw *g, enum segment from, const struct bus_frame *f,
                          const struct matrix_row *row)
{
    if (!row || row->from != from || row->to == from || f->flags & (BUS_EXTENDED | BUS_REMOTE))
        return ERR_BUS_NOT_ALLOWED;
    if (!(f->flags & BUS_FD) != !row->fd)
        return ERR_BUS_FLAGS;
    if (f->len > row->length || f->len == 0)
        return ERR_BUS_LENGTH;
    if (!bucket_take(&g->buckets[row - matrix_row((enum matrix_message)0)], row, env_now_us(g->env)))
        return ERR_BUS_RATE;
    return ERR_OK;
}

static struct drop *drop_row(struct sgw *g, enum segment from, uint32_t id, enum err reason)
{
    struct drop *d = g->drops;
    for (; d < g->drops + DROP_ROWS - 1 && d->used; d++)
        if (d->id == id && d->segment == from && d->reason == reason)
            return d;
    /* the last row collects what found no row of its own */
    if (!d->used)
        *d = (struct drop){.id = id, .segment = (uint8_t)from, .reason = (uint16_t)reason, .used = true};
    return d;
}

static void report(struct sgw *g)
{
    char detail[64];
    for (struct drop *d = g->drops; d < g->drops + DROP_ROWS && d->used; d++) {
        if (d->unreported == 0)
            continue;
        const struct matrix_row *row = matrix_find(d->id);
        snprintf(detail, sizeof detail, "segment=%s id=0x%03X count=%u",
                 segment_name((enum segment)d->segment), d->id, d->unreported);
        env_trace_reason(g->env, TRACE_DROP, NULL, row ? row->name : NULL, (enum err)d->reason, d->unreported,
                         detail);
        d->unreported = 0;
    }
}

static void drop(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    drop_row(g, from, f->id, reason)->unreported++;
    if (g->report_due)
        return;
    g->report_due = true;
    report(g);
    env_timer_in(g->env, TIMER_REPORT, REPORT_US);
}

/* The beginning of an ISO-TP message is worth a line: it proves the path. */
static void trace_relay(struct sgw *g, const struct bus_frame *f, const struct matrix_row *row)
{
    char detail[64];
    unsigned pci = f->data[0] >> 4, len = 0;
    if (pci == 0)
        len = f->data[0] ? f->data[0] : f->data[1];
    else if (pci == 1)
        len = (f->data[0] & 15u) << 8 | f->data[1];
    else
        return;
    struct trace_event e = {.kind = TRACE_RELAY, .length = len};
    text_copy(e.message, sizeof e.message, row->name);
    snprintf(detail, sizeof detail, "from=%s to=%s", segment_name(row->from), segment_name(row->to));
    text_copy(e.detail, sizeof e.detail, detail);
    env_trace(g->env, &e);
}

static void sgw_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct sgw *g = self;
    const struct matrix_row *row = matrix_find(f->id);
    if (row && row->from == (enum segment)port && row->to == row->from)
        return; /* stays on its segment by design */
    enum err e = sgw_judge(g, (enum segment)port, f, row);
    if (e) {
        drop(g, (enum segment)port, f, e);
        return;
    }
    if (row->kind == MATRIX_ISOTP)
        trace_relay(g, f, row);
    env_send_frame(g->env, row->to, f);
}

static void sgw_on_timer(void *self, unsigned timer)
{
    struct sgw *g = self;
    (void)timer;
    g->report_due = false;
    report(g);
}

const struct component_class sgw_class = {
    .name = "sgw",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct sgw),
    .ports = ports,
    .port_count = SEGMENTS,
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .init = sgw_init,
    .on_frame = sgw_on_frame,
    .on_timer = sgw_on_timer,
};
