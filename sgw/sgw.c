#include <stdio.h>

#include "sgw/sgw_internal.h"

#define TBM_LOST_MS 2000 /* TBM_Status missing this long: a trouble code */

static const struct port_spec ports[] = {
    [SEGMENT_BODY] = {.name = "body", .medium = "can", .segment = SEGMENT_BODY},
    [SEGMENT_TELEMATICS] = {.name = "telematics", .medium = "can", .segment = SEGMENT_TELEMATICS},
    [SEGMENT_INFOTAINMENT] = {.name = "infotainment", .medium = "can", .segment = SEGMENT_INFOTAINMENT},
    [SEGMENT_DIAGNOSTIC] = {.name = "diagnostic", .medium = "can", .segment = SEGMENT_DIAGNOSTIC},
};

static const struct timer_spec timers[] = {
    [SGW_TIMER_REPORT] = {"report", false},
    [SGW_TIMER_TBM] = {"TBM_Status missing", true},
    [SGW_TIMER_DIAGNOSTIC_CHANNEL] = {"ISO-TP UDS", false},
    [SGW_TIMER_DIAGNOSTIC] = {"UDS", false},
};

static const char *const keys[] = {DIAGNOSTIC_STORED, SGW_REVOKED "+", NULL};
static const char *const shows[] = {[SGW_SHOW_GATE] = "gate", NULL};
static const struct plant_item plant[] = {
    {SGW_ANCHOR_J, PLANT_CERTIFICATE, "J"}, {SGW_ANCHOR_J1, PLANT_CERTIFICATE, "J1"}, {.key = NULL}};

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

/* What this node hears itself: the server's requests, and the TBM's sign of life. */
static void hear(struct sgw *g, const struct bus_frame *f, const struct matrix_row *row)
{
    if (row->receivers & NODE_SGW) {
        diagnostic_on_frame(&g->diagnostic, f);
        gate_update(g); /* a reset that was granted closes it before it happens */
        sgw_diagnostics_on_proofs(g);
    }
    if (row == matrix_row(MATRIX_TBM_STATUS)) {
        sgw_diagnostics_on_tbm(g, false);
        sgw_watch_tbm(g);
    }
}

/* Which drops are no mishap but somebody where nobody should be, or too many. */
static bool is_flood(enum segment from, enum err reason)
{
    return from == SEGMENT_DIAGNOSTIC && (reason == ERR_BUS_NOT_ALLOWED || reason == ERR_BUS_RATE);
}

static void drop(struct sgw *g, enum segment from, const struct bus_frame *f, enum err reason)
{
    drops_count(g, from, f, reason);
    if (is_flood(from, reason))
        sgw_diagnostics_on_flood(g);
}

/* Functional requests are for the SGW, too, whether they go on or not; they go on first, because what they
 * ask may close the gate. */
static void sgw_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct sgw *g = self;
    enum segment from = (enum segment)port;
    diagnostic_tick(&g->diagnostic);
    if (diagnostic_silent(&g->diagnostic))
        return;
    /* the matrix has 11-bit identifiers only: a 29-bit one of the same number is another */
    const struct matrix_row *row = f->flags & BUS_EXTENDED ? NULL : matrix_find(f->id);
    if (row && row->from == from && !matrix_relayed(row) && !(row->receivers & NODE_SGW))
        return; /* stays on its segment by design */
    enum err e = sgw_judge(g, from, f, row);
    bool heard = !e;
    if (!e && matrix_diagnostic(row) && matrix_relayed(row))
        e = gate_pass(g, row, f);
    if (e)
        drop(g, from, f, e);
    else
        relay(g, f, row);
    if (heard)
        hear(g, f, row);
}

void sgw_watch_tbm(struct sgw *g)
{
    env_timer_in(g->env, SGW_TIMER_TBM, TBM_LOST_MS * 1000ull);
}

static void sgw_on_timer(void *self, unsigned timer)
{
    struct sgw *g = self;
    if (diagnostic_on_timer(&g->diagnostic, timer) || diagnostic_silent(&g->diagnostic))
        return;
    if (timer == SGW_TIMER_TBM)
        sgw_diagnostics_on_tbm(g, true);
    else
        drops_on_timer(g);
}

static void sgw_on_link(void *self, unsigned port, enum link_state state)
{
    struct sgw *g = self;
    if (port == SEGMENT_TELEMATICS && state != LINK_DOWN && !diagnostic_silent(&g->diagnostic))
        sgw_watch_tbm(g);
}

static enum err sgw_init(void *self, struct env *env, const struct component_args *args)
{
    struct sgw *g = self;
    g->env = env;
    text_copy(g->serial, sizeof g->serial, args->serial);
    return sgw_diagnostics_init(g);
}

static void sgw_fini(void *self)
{
    struct sgw *g = self;
    authentication_forget(g);
    diagnostic_fini(&g->diagnostic);
}

const struct component_class sgw_class = {
    .name = "sgw",
    .place = PLACE_VEHICLE,
    .size = sizeof(struct sgw),
    .stores = true,
    .keys = keys,
    .ports = ports,
    .port_count = SEGMENTS,
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .shows = shows,
    .plant = plant,
    .init = sgw_init,
    .fini = sgw_fini,
    .on_frame = sgw_on_frame,
    .on_link = sgw_on_link,
    .on_timer = sgw_on_timer,
};
