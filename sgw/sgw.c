#include "sgw/sgw.h"

#include <stdio.h>

#define REPORT_US 100000 /* drops are summed up this long before the next trace line */
#define DROP_ROWS 32     /* identifiers told apart between two reports */

/* Why sgw_judge refuses a frame. */
static const enum err refusals[] = {ERR_BUS_NOT_ALLOWED, ERR_BUS_FLAGS, ERR_BUS_LENGTH, ERR_BUS_RATE};

#define REFUSALS (sizeof refusals / sizeof refusals[0])

enum { TIMER_REPORT };

/* Rate of one row: a bucket of `burst` frames that refills at `per_second`. */
struct bucket {
    uint64_t full_at_us; /* when the bucket is full again */
};

/* Frames dropped since the last report. */
struct drop {
    uint32_t id;
    bool extended;
    enum segment segment;
    enum err reason;
    uint32_t count;
};

struct sgw {
    struct env *env;
    struct bucket buckets[MATRIX_MESSAGES];
    struct drop drops[DROP_ROWS];
    size_t drop_count;
    uint32_t others[SEGMENTS][REFUSALS]; /* of identifiers that found no row: counted under none */
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
    if (!row || row->from != from || f->flags & BUS_REMOTE)
        return ERR_BUS_NOT_ALLOWED;
    if (!(row->formats & (f->flags & BUS_FD ? MATRIX_FD : MATRIX_CLASSIC)))
        return ERR_BUS_FLAGS;
    if (f->len > row->length || f->len == 0)
        return ERR_BUS_LENGTH;
    if (!bucket_take(&g->buckets[row - matrix_row((enum matrix_message)0)], row, env_now_us(g->env)))
        return ERR_BUS_RATE;
    return ERR_OK;
}

/* NULL when all rows are taken. */
static struct drop *drop_row(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    bool extended = f->flags & BUS_EXTENDED;
    for (struct drop *d = g->drops; d < g->drops + g->drop_count; d++)
        if (d->id == f->id && d->extended == extended && d->segment == from && d->reason == reason)
            return d;
    if (g->drop_count == DROP_ROWS)
        return NULL;
    struct drop *d = &g->drops[g->drop_count++];
    *d = (struct drop){.id = f->id, .extended = extended, .segment = from, .reason = reason};
    return d;
}

static void count_drop(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    struct drop *d = drop_row(g, from, f, reason);
    if (d) {
        d->count++;
        return;
    }
    for (size_t r = 0; r < REFUSALS; r++)
        if (refusals[r] == reason)
            g->others[from][r]++;
}

static void report_drop(struct sgw *g, const struct drop *d)
{
    char detail[64];
    const struct matrix_row *row = d->extended ? NULL : matrix_find(d->id);
    snprintf(detail, sizeof detail, "segment=%s id=0x%0*X count=%u", segment_name(d->segment),
             d->extended ? 8 : 3, d->id, d->count);
    env_trace_reason(g->env, TRACE_DROP, NULL, row ? row->name : NULL, d->reason, d->count, detail);
}

static void report_others(struct sgw *g, enum segment from, size_t refusal)
{
    char detail[64];
    uint32_t count = g->others[from][refusal];
    if (count == 0)
        return;
    snprintf(detail, sizeof detail, "segment=%s id=others count=%u", segment_name(from), count);
    env_trace_reason(g->env, TRACE_DROP, NULL, NULL, refusals[refusal], count, detail);
    g->others[from][refusal] = 0;
}

/* Rows are given anew after each report: who is quiet for a while leaves room for others. */
static void report(struct sgw *g)
{
    for (size_t i = 0; i < g->drop_count; i++)
        report_drop(g, &g->drops[i]);
    g->drop_count = 0;
    for (size_t s = 0; s < SEGMENTS; s++)
        for (size_t r = 0; r < REFUSALS; r++)
            report_others(g, (enum segment)s, r);
}

static void drop(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    count_drop(g, from, f, reason);
    if (g->report_due)
        return;
    g->report_due = true;
    report(g);
    env_timer_in(g->env, TIMER_REPORT, REPORT_US);
}

/* The beginning of an ISO-TP message is worth a line: it proves the path. */
static void trace_relay(struct sgw *g, const struct bus_frame *f, const struct matrix_row *row,
                        enum segment to)
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
    snprintf(detail, sizeof detail, "from=%s to=%s", segment_name(row->from), segment_name(to));
    text_copy(e.detail, sizeof e.detail, detail);
    env_trace(g->env, &e);
}

static void relay(struct sgw *g, const struct bus_frame *f, const struct matrix_row *row)
{
    for (unsigned to = 0; to < SEGMENTS; to++) {
        if (!(matrix_relayed(row) & SEGMENT_SET(to)))
            continue;
        if (row->kind != MATRIX_FRAME)
            trace_relay(g, f, row, (enum segment)to);
        env_send_frame(g->env, to, f);
    }
}

static void sgw_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct sgw *g = self;
    /* the matrix has 11-bit identifiers only: a 29-bit one of the same number is another */
    const struct matrix_row *row = f->flags & BUS_EXTENDED ? NULL : matrix_find(f->id);
    if (row && row->from == (enum segment)port && !matrix_relayed(row))
        return; /* stays on its segment by design */
    enum err e = sgw_judge(g, (enum segment)port, f, row);
    if (e) {
        drop(g, (enum segment)port, f, e);
        return;
    }
    relay(g, f, row);
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
