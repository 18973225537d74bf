#include "sim/run/match.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_EVERY 512 /* events between two kept copies */
#define FREE       UINT32_MAX

/* ---- one event ---- */

static bool kind_matches(const struct expect *x, const struct trace_event *e)
{
    if (x->event != TRACE_KINDS)
        return e->kind == (uint16_t)x->event;
    return e->kind == TRACE_SEND || e->kind == TRACE_STEP || e->kind == TRACE_ACCEPT;
}

static bool fields_match(const struct expect *x, const struct trace_event *e)
{
    char value[64];
    for (size_t i = 0; i < x->field_count; i++) {
        char key[64];
        text_copy(key, sizeof key, x->fields[i]);
        char *equals = strchr(key, '=');
        *equals = '\0';
        if (!trace_detail(e, key, value, sizeof value) || strcmp(value, equals + 1) != 0)
            return false;
    }
    return true;
}

static bool detail_matches(const struct expect *x, const struct trace_event *e)
{
    if (x->detail_whole)
        return strcmp(e->detail, x->detail) == 0;
    return !x->detail[0] || strstr(e->detail, x->detail);
}

bool match_event(const struct expect *x, const struct trace_event *e)
{
    return kind_matches(x, e) && (x->kind != EXPECT_PATH || strcmp(x->path[0], e->component) == 0) &&
           (!x->component[0] || strcmp(x->component, e->component) == 0) &&
           (!x->peer[0] || strcmp(x->peer, e->peer) == 0) && (!x->step[0] || strcmp(x->step, e->step) == 0) &&
           (!x->message[0] || strcmp(x->message, e->message) == 0) &&
           (x->reason < 0 || x->reason == e->reason) && detail_matches(x, e) && fields_match(x, e);
}

bool match_same(const struct expect *a, const struct expect *b)
{
    bool same = a->any_order && b->any_order && a->kind == b->kind && a->event == b->event &&
                a->reason == b->reason && a->detail_whole == b->detail_whole &&
                a->path_count == b->path_count && a->field_count == b->field_count &&
                strcmp(a->component, b->component) == 0 && strcmp(a->peer, b->peer) == 0 &&
                strcmp(a->step, b->step) == 0 && strcmp(a->message, b->message) == 0 &&
                strcmp(a->detail, b->detail) == 0;
    for (size_t i = 0; same && i < a->path_count; i++)
        same = strcmp(a->path[i], b->path[i]) == 0;
    for (size_t i = 0; same && i < a->field_count; i++)
        same = strcmp(a->fields[i], b->fields[i]) == 0;
    return same;
}

/* Who carries frames and not messages cannot know a message's digest; its length it knows. */
static bool carries_frames_only(const struct scenario *s, const char *name)
{
    const struct member *m = scenario_member(s, name);
    return m && m->class && !m->class->on_bytes && m->class->place == PLACE_VEHICLE;
}

bool match_hop(const struct scenario *s, const char *hop, bool last, const struct trace_event *sent,
               const struct trace_event *e)
{
    if (strcmp(e->component, hop) != 0)
        return false;
    if (!last && e->kind == TRACE_RELAY && !e->has_digest && carries_frames_only(s, hop))
        return e->length == sent->length;
    return e->kind == (last ? TRACE_ACCEPT : TRACE_RELAY) &&
           memcmp(e->digest, sent->digest, TRACE_DIGEST) == 0;
}

/* ---- paths under way ---- */

static void forget_candidates(struct match_progress *p, size_t expect)
{
    for (size_t i = 0; i < MATCH_CANDIDATES; i++)
        p->candidates[expect][i].sent = FREE;
}

static void add_candidate(struct match_progress *p, size_t expect, uint32_t sent)
{
    struct match_candidate *c = p->candidates[expect];
    for (size_t i = 0; i < MATCH_CANDIDATES; i++)
        if (c[i].sent == FREE) {
            c[i] = (struct match_candidate){sent, 1};
            return;
        }
    memmove(c, c + 1, (MATCH_CANDIDATES - 1) * sizeof *c); /* the oldest gives way */
    c[MATCH_CANDIDATES - 1] = (struct match_candidate){sent, 1};
}

/* Takes an event for a path; index of the sent message that has now arrived, or FREE. */
static uint32_t follow_paths(const struct scenario *s, struct match_progress *p, size_t expect,
                             const struct trace_event *events, size_t at)
{
    const struct expect *x = &s->expects[expect];
    if (match_event(x, &events[at]))
        add_candidate(p, expect, (uint32_t)at);
    for (size_t i = 0; i < MATCH_CANDIDATES; i++) {
        struct match_candidate *c = &p->candidates[expect][i];
        while (c->sent != FREE && c->hop < x->path_count &&
               match_hop(s, x->path[c->hop], c->hop + 1 == x->path_count, &events[c->sent], &events[at]))
            c->hop++;
        if (c->sent != FREE && c->hop == x->path_count)
            return c->sent;
    }
    return FREE;
}

/* Index of the event that meets the expectation, now that events[at] has come; FREE for none yet. */
static uint32_t offer(const struct scenario *s, struct match_progress *p, size_t expect,
                      const struct trace_event *events, size_t at)
{
    if (s->expects[expect].kind == EXPECT_PATH)
        return follow_paths(s, p, expect, events, at);
    return match_event(&s->expects[expect], &events[at]) ? (uint32_t)at : FREE;
}

/* ---- all expectations ---- */

static bool is_ordered(const struct expect *x)
{
    return (x->kind == EXPECT_EVENT || x->kind == EXPECT_PATH) && !x->any_order;
}

static void to_next_turn(const struct scenario *s, struct match_progress *p)
{
    while (p->turn < s->expect_count && !is_ordered(&s->expects[p->turn]))
        p->turn++;
    if (p->turn < s->expect_count)
        forget_candidates(p, p->turn);
}

static bool is_in(const struct match_set *set, size_t expect)
{
    return set->bits[expect / 64] & 1ull << expect % 64;
}

static void put_in(struct match_set *set, size_t expect)
{
    set->bits[expect / 64] |= 1ull << expect % 64;
}

static bool is_taken(const struct scenario *s, size_t expect, const struct match_set *taken)
{
    for (size_t i = 0; i < expect; i++)
        if (is_in(taken, i) && match_same(&s->expects[i], &s->expects[expect]))
            return true;
    return false;
}

/* The message has met its like. */
static void forget_sent(const struct scenario *s, struct match_progress *p, size_t expect, uint32_t sent)
{
    for (size_t i = expect + 1; i < s->expect_count; i++)
        for (size_t k = 0; k < MATCH_CANDIDATES && match_same(&s->expects[expect], &s->expects[i]); k++)
            if (p->candidates[i][k].sent == sent)
                p->candidates[i][k].sent = FREE;
}

/* taken: those without order that this event has met. */
static void offer_without_order(const struct scenario *s, struct match_progress *p, size_t expect,
                                const struct trace_event *events, size_t at, struct match_set *taken)
{
    bool path = s->expects[expect].kind == EXPECT_PATH;
    if (!path && is_taken(s, expect, taken))
        return;
    uint32_t met = offer(s, p, expect, events, at);
    if (met == FREE)
        return;
    put_in(&p->met, expect);
    put_in(taken, expect);
    if (path)
        forget_sent(s, p, expect, met);
}

static void take_without_order(const struct scenario *s, struct match_progress *p,
                               const struct trace_event *events, size_t at)
{
    struct match_set taken = {0};
    for (size_t i = 0; i < s->expect_count; i++) {
        const struct expect *x = &s->expects[i];
        if (x->kind == EXPECT_COUNT && match_event(x, &events[at]))
            p->sums[i] += events[at].length;
        else if (x->kind != EXPECT_COUNT && x->any_order && !is_in(&p->met, i))
            offer_without_order(s, p, i, events, at, &taken);
    }
}

/* Each needs an event of its own, after the one that met the expectation before. */
static void take_in_turn(const struct scenario *s, struct match_progress *p, const struct trace_event *events)
{
    const struct expect *x = &s->expects[p->turn];
    uint32_t met = offer(s, p, p->turn, events, p->cursor);
    if (met == FREE) {
        p->cursor++;
        return;
    }
    uint64_t t = events[met].time_us;
    p->late |= x->within_us && t > p->last_us + x->within_us + p->grace_us;
    p->last_us = t;
    p->cursor = (size_t)met + 1;
    p->turn++;
    to_next_turn(s, p);
}

static void keep(struct matcher *m)
{
    if (m->kept_count == m->kept_cap) {
        size_t cap = m->kept_cap ? 2 * m->kept_cap : 4;
        struct match_progress *more = realloc(m->kept, cap * sizeof *more);
        if (!more)
            return; /* a late event then costs more */
        m->kept = more;
        m->kept_cap = cap;
    }
    m->kept[m->kept_count++] = m->now;
}

static void begin(struct match_progress *p, const struct scenario *s, uint64_t grace_us)
{
    memset(p, 0, sizeof *p);
    p->grace_us = grace_us;
    for (size_t i = 0; i < SCENARIO_EXPECTS; i++)
        forget_candidates(p, i);
    to_next_turn(s, p);
}

void matcher_begin(struct matcher *m, const struct scenario *s, uint64_t grace_us)
{
    *m = (struct matcher){.scenario = s};
    begin(&m->now, s, grace_us);
}

void matcher_free(struct matcher *m)
{
    free(m->kept);
    m->kept = NULL;
    m->kept_count = m->kept_cap = 0;
}

/* Back to what was known before the event that came late. */
static void go_back(struct matcher *m, size_t changed)
{
    while (m->kept_count && m->kept[m->kept_count - 1].taken > changed)
        m->kept_count--;
    if (m->kept_count)
        m->now = m->kept[m->kept_count - 1];
    else
        begin(&m->now, m->scenario, m->now.grace_us);
}

void matcher_take(struct matcher *m, const struct trace_event *events, size_t count, size_t changed)
{
    const struct scenario *s = m->scenario;
    if (changed < m->now.taken)
        go_back(m, changed);
    while (m->now.taken < count) {
        take_without_order(s, &m->now, events, m->now.taken++);
        while (m->now.turn < s->expect_count && m->now.cursor < m->now.taken)
            take_in_turn(s, &m->now, events);
        if (m->now.taken % KEEP_EVERY == 0)
            keep(m);
    }
}

bool matcher_met(const struct matcher *m)
{
    const struct scenario *s = m->scenario;
    for (size_t i = 0; i < s->expect_count; i++) {
        const struct expect *x = &s->expects[i];
        if (x->kind == EXPECT_COUNT && m->now.sums[i] < x->at_least)
            return false;
        if (x->kind != EXPECT_COUNT && x->kind != EXPECT_STATE && x->any_order && !is_in(&m->now.met, i))
            return false;
    }
    return m->now.turn >= s->expect_count && !m->now.late;
}
