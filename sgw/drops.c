#include <stdio.h>

#include "sgw/sgw_internal.h"

#define REPORT_US 100000 /* drops are summed up this long before the next trace line */

/* Why a frame is dropped. */
static const enum err reasons[DROP_REASONS] = {ERR_BUS_NOT_ALLOWED, ERR_BUS_FLAGS,       ERR_BUS_LENGTH,
                                               ERR_BUS_RATE,        ERR_BUS_GATE_CLOSED, ERR_BUS_NO_REQUEST,
                                               ERR_BUS_ROLE};

/* NULL when all rows are taken. */
static struct drop *drop_row(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    bool extended = f->flags & BUS_EXTENDED;
    for (struct drop *d = g->drops.rows; d < g->drops.rows + g->drops.count; d++)
        if (d->id == f->id && d->extended == extended && d->segment == from && d->reason == reason)
            return d;
    if (g->drops.count == DROP_ROWS)
        return NULL;
    struct drop *d = &g->drops.rows[g->drops.count++];
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
    for (size_t r = 0; r < DROP_REASONS; r++)
        if (reasons[r] == reason)
            g->drops.others[from][r]++;
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
    uint32_t count = g->drops.others[from][refusal];
    if (count == 0)
        return;
    snprintf(detail, sizeof detail, "segment=%s id=others count=%u", segment_name(from), count);
    env_trace_reason(g->env, TRACE_DROP, NULL, NULL, reasons[refusal], count, detail);
    g->drops.others[from][refusal] = 0;
}

/* Rows are given anew after each report: who is quiet for a while leaves room for others. */
static void report(struct sgw *g)
{
    for (size_t i = 0; i < g->drops.count; i++)
        report_drop(g, &g->drops.rows[i]);
    g->drops.count = 0;
    for (size_t s = 0; s < SEGMENTS; s++)
        for (size_t r = 0; r < DROP_REASONS; r++)
            report_others(g, (enum segment)s, r);
}

void drops_count(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    count_drop(g, from, f, reason);
    g->drops.total[from]++;
    if (g->drops.report_due)
        return;
    g->drops.report_due = true;
    report(g);
    env_timer_in(g->env, SGW_TIMER_REPORT, REPORT_US);
}

void drops_on_timer(struct sgw *g)
{
    g->drops.report_due = false;
    report(g);
}
