#include "sim/chaos/draw.h"

#include <string.h>

#include "lib/host/seeded.h"
#include "sim/language/language.h"

#define STEPS_MAX     12 /* that a schedule names: the process world stops at each */
#define BURST_MAX     5
#define DELAY_MAX_MS  5000
#define AFTER_MAX_MS  2000
#define LIFTED_MAX_MS 4000
#define DRAWS_MAX     200

struct drawing {
    const struct scenario *scenario;
    const struct census *census;
    struct seeded_stream stream;
    struct schedule *out;
    char steps[STEPS_MAX][12]; /* those that it names already */
    size_t step_count, upset_count;
};

/* 0 to n - 1. */
static uint64_t below(struct drawing *d, uint64_t n)
{
    uint64_t v;
    seeded_stream_draw(&d->stream, &v, sizeof v);
    return v % n;
}

/* 1 to max, each order of magnitude as often as another. */
static uint32_t spread(struct drawing *d, uint32_t max)
{
    uint32_t bound = 10;
    while (bound < max && below(d, 3))
        bound *= 4;
    return 1 + (uint32_t)below(d, bound < max ? bound : max);
}

static void add(struct drawing *d, const struct disturbance *item)
{
    if (d->out->count < SCHEDULE_MAX)
        d->out->items[d->out->count++] = *item;
}

/* ---- when ---- */

static const char *draw_step(struct drawing *d)
{
    const char *step;
    if (d->census->step_count == 0)
        return NULL;
    if (d->step_count == STEPS_MAX)
        return d->steps[below(d, STEPS_MAX)];
    step = d->census->steps[below(d, d->census->step_count)].step;
    for (size_t i = 0; i < d->step_count; i++)
        if (strcmp(d->steps[i], step) == 0)
            return step;
    text_copy(d->steps[d->step_count++], sizeof d->steps[0], step);
    return step;
}

/* At the very step, or some time after it. */
static bool draw_moment(struct drawing *d, char step[12], uint64_t *after_us)
{
    const char *at = draw_step(d);
    if (!at)
        return false;
    text_copy(step, 12, at);
    *after_us = below(d, 2) ? spread(d, AFTER_MAX_MS) * 1000ull : 0;
    return true;
}

/* ---- families ---- */

static void draw_messages(struct drawing *d, enum fault_kind kind)
{
    const struct census *c = d->census;
    if (c->message_count == 0)
        return;
    size_t row = below(d, c->message_count);
    struct disturbance item = {.fault = {.kind = kind, .times = 1}};
    text_copy(item.fault.link, sizeof item.fault.link, c->messages[row].link);
    text_copy(item.fault.message, sizeof item.fault.message, c->messages[row].message);
    item.fault.nth = 1 + (unsigned)below(d, c->messages[row].count + c->messages[row].count / 4 + 1);
    if (kind == FAULT_REPEAT)
        item.fault.times = 1 + (unsigned)below(d, FAULT_COPIES - 1);
    if (kind == FAULT_REPEAT || kind == FAULT_DELAY)
        item.fault.delay_ms = spread(d, DELAY_MAX_MS);
    if (kind == FAULT_CORRUPT)
        item.fault.byte = (unsigned)below(d, below(d, 2) ? 8 : 400);
    unsigned burst = below(d, 4) ? 1 : 2 + (unsigned)below(d, BURST_MAX - 1);
    for (unsigned i = 0; i < burst; i++, item.fault.nth++)
        add(d, &item);
}

static void draw_kill(struct drawing *d, bool helper)
{
    const struct scenario *s = d->scenario;
    struct disturbance item = {.fault = {.kind = FAULT_KILL}};
    size_t found[SCENARIO_MEMBERS], n = 0;
    for (size_t i = 0; i < s->member_count; i++)
        if (!s->members[i].class == helper)
            found[n++] = i;
    if (n == 0 || !draw_moment(d, item.fault.step, &item.after_us))
        return;
    text_copy(item.fault.component, sizeof item.fault.component, s->members[found[below(d, n)]].name);
    item.fault.delay_ms = spread(d, DRAW_DOWN_MAX_MS);
    add(d, &item);
}

static void draw_cut(struct drawing *d)
{
    const struct scenario *s = d->scenario;
    struct disturbance item = {.fault = {.kind = FAULT_CUT}};
    size_t m = below(d, s->member_count);
    const struct component_class *class = s->members[m].class;
    unsigned port = class && class->port_count ? (unsigned)below(d, class->port_count) : 0;
    if (!class || !class->port_count || !link_is_whole(s, &s->members[m], port) ||
        !draw_moment(d, item.fault.step, &item.after_us))
        return;
    text_copy(item.fault.component, sizeof item.fault.component, s->members[m].name);
    text_copy(item.fault.link, sizeof item.fault.link, class->ports[port].name);
    item.fault.delay_ms = spread(d, DRAW_DOWN_MAX_MS);
    add(d, &item);
}

static void draw_refusal(struct drawing *d)
{
    size_t m = below(d, d->scenario->member_count);
    struct disturbance item = {.fault = {.kind = FAULT_REFUSE}};
    if (d->census->commits[m] == 0)
        return;
    text_copy(item.fault.component, sizeof item.fault.component, d->scenario->members[m].name);
    item.fault.nth = 1 + (unsigned)below(d, d->census->commits[m] + 2);
    item.fault.times = 1 + (unsigned)below(d, 3);
    add(d, &item);
}

/* Of those that the scenario itself puts somewhere. */
static void draw_upset(struct drawing *d)
{
    const struct scenario *s = d->scenario;
    struct disturbance item = {.upset = true};
    unsigned away, back;
    size_t i = s->action_count ? below(d, s->action_count) : 0;
    const struct action *a = &s->actions[i];
    if (s->action_count == 0 || d->upset_count == SCHEDULE_UPSETS ||
        !schedule_upset(s->members[a->member].class, &away, &back) || a->call != back ||
        !draw_moment(d, item.away.when.step, &item.away.when.after_us))
        return;
    item.back = *a;
    item.away.member = a->member;
    item.away.call = away;
    item.back.when = item.away.when;
    item.back.when.after_us += spread(d, LIFTED_MAX_MS) * 1000ull;
    d->upset_count++;
    add(d, &item);
}

enum family { LOSE, REPEAT, DELAY, REORDER, CORRUPT, KILL, HELPER, CUT, REFUSE, UPSET, FAMILIES };

static void draw_one(struct drawing *d, enum family f)
{
    static const enum fault_kind kinds[] = {FAULT_LOSE, FAULT_REPEAT, FAULT_DELAY, FAULT_REORDER,
                                            FAULT_CORRUPT};
    switch (f) {
    case KILL:
    case HELPER:
        draw_kill(d, f == HELPER);
        break;
    case CUT:
        draw_cut(d);
        break;
    case REFUSE:
        draw_refusal(d);
        break;
    case UPSET:
        draw_upset(d);
        break;
    default:
        draw_messages(d, kinds[f]);
    }
}

/* Each is there or not with the same chance; one at least. */
static size_t draw_families(struct drawing *d, enum family out[FAMILIES])
{
    size_t n = 0;
    while (n == 0)
        for (unsigned f = 0; f < FAMILIES; f++)
            if (below(d, 2))
                out[n++] = (enum family)f;
    return n;
}

void draw_schedule(const struct scenario *s, const struct census *c, uint64_t seed, struct schedule *out)
{
    static const unsigned most[] = {2, 5, 10, 20};
    struct drawing d = {.scenario = s, .census = c, .out = out};
    enum family families[FAMILIES];
    *out = (struct schedule){0};
    seeded_stream_init(&d.stream, seed, "random faults");
    size_t n = draw_families(&d, families);
    size_t wanted = 1 + below(&d, most[below(&d, sizeof most / sizeof most[0])]);
    for (unsigned draws = 0; out->count < wanted && draws < DRAWS_MAX; draws++)
        draw_one(&d, families[below(&d, n)]);
}
