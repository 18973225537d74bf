#include "sim/replay/player.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/host/twin.h"
#include "sim/run/records.h"

#define RETRY_US 1000u /* until what a link did not take is offered again */

static const struct record_item *item(const struct player *p, size_t at)
{
    return &p->record->items[at];
}

/* ---- what others wait for ---- */

static bool is_awaited(const struct player *p, size_t at)
{
    return p->mine[at] && !p->done[at] && !whose_is_cyclic(item(p, at));
}

/* The first that those under test have still to say; the record's count for none. */
static size_t first_open(struct player *p)
{
    while (p->first_open < p->record->count && !is_awaited(p, p->first_open))
        p->first_open++;
    return p->first_open;
}

static bool is_free(struct player *p, const struct player_turn *t)
{
    size_t at = first_open(p);
    if (t->deed == DEED_SDU || t->deed == DEED_NEWS) /* answered at once: only the order of lines tells */
        return at > t->item;
    if (t->deed == DEED_CALL && at < p->record->count && item(p, at)->time_us == t->at_us)
        return true; /* answered at once, too */
    return at == p->record->count || item(p, at)->time_us > t->at_us;
}

static void miss_until(struct player *p, uint64_t time_us)
{
    for (size_t at = first_open(p); at < p->record->count && item(p, at)->time_us <= time_us;
         at = first_open(p)) {
        char name[COMPARE_TEXT];
        p->done[at] = true;
        player_name(p, at, name);
        player_find(p, COMPARE_DIFFERENT, at, name, "did not come");
    }
}

/* ---- playing ---- */

static struct virtual_port *port_of(struct player *p, size_t member, enum port_end end)
{
    const struct member *m = &p->scenario->members[member];
    unsigned port = 0;
    whose_apdu_port(m, end, &port);
    return virtual_port(virtual_find(p->v, m->name), port);
}

static enum err play(struct player *p, const struct player_turn *t)
{
    const struct record_item *i = t->item < p->record->count ? item(p, t->item) : NULL;
    struct virtual_port *port;
    assert(i || t->deed >= DEED_CALL); /* what is said stands in the record */
    switch (t->deed) {
    case DEED_FRAME:
        return virtual_put(p->v, t->group, t->segment, &i->frame);
    case DEED_COMMAND:
        port = port_of(p, t->member, PORT_LISTENS);
        return port->twin->send(port, i->what, i->bytes);
    case DEED_ANSWER:
        port = port_of(p, t->member, PORT_ASKS);
        return port->twin->send(port, "", i->bytes);
    case DEED_SDU:
    case DEED_NEWS:
        air_play(p, t);
        return ERR_OK;
    case DEED_FIELD:
        port = port_of(p, t->member, PORT_LISTENS);
        return port->twin->tell(port, "", t->on ? "field-on" : "field-off");
    case DEED_COME:
        port = port_of(p, t->member, PORT_ASKS);
        return port->twin->tell(port, t->reader, "open");
    case DEED_GO:
        port = port_of(p, t->member, PORT_ASKS);
        return port->twin->tell(port, "", "close");
    case DEED_CALL:
        virtual_call(virtual_find(p->v, p->scenario->members[t->member].name), t->action->call,
                     t->action->values);
        return ERR_OK;
    }
    return ERR_BAD_ARGUMENT;
}

static void tell_compare(struct player *p, const struct player_turn *t)
{
    if (t->deed == DEED_FRAME && !whose_is_for_mine(p, t))
        return;
    if (t->deed == DEED_SDU)
        compare_played_sdu(&p->compare, item(p, t->item)->who, item(p, t->item)->bytes);
    else if (t->deed == DEED_NEWS)
        compare_played_news(&p->compare, item(p, t->item)->words);
    else if (t->deed == DEED_FRAME)
        compare_played_frame(&p->compare, item(p, t->item)->who, &item(p, t->item)->frame);
    else if (t->deed == DEED_COMMAND || t->deed == DEED_ANSWER)
        compare_played_apdu(&p->compare, item(p, t->item)->who, t->deed == DEED_COMMAND,
                            item(p, t->item)->bytes);
}

static void wake(void *ctx);

void player_wake_at(struct player *p, uint64_t time_us)
{
    uint64_t now = virtual_now_us(p->v);
    time_us = time_us > now ? time_us : now;
    if (p->wake_us <= time_us && p->wake_us > now)
        return;
    p->wake_us = time_us;
    virtual_at(p->v, time_us, wake, p);
}

/* Not taken, or not yet: offered again until patience ends, first when all else of this instant has been: a
 * card that comes now takes a command of now. False: it is still to come. */
static bool refused(struct player *p, const struct player_turn *t, enum err e, uint64_t now)
{
    char name[COMPARE_TEXT] = "a person's hand", text[COMPARE_TEXT];
    bool first = p->stuck_us == UINT64_MAX;
    if (first)
        p->stuck_us = now;
    if (now < p->stuck_us + PLAYER_PATIENCE_US) {
        player_wake_at(p, first ? now : now + RETRY_US);
        return false;
    }
    if (t->item < p->record->count && t->deed != DEED_FIELD && t->deed != DEED_COME && t->deed != DEED_GO)
        player_name(p, t->item, name);
    if (t->deed == DEED_COMMAND && e == ERR_NOT_FOUND)
        snprintf(text, sizeof text, "cannot be played: no card lies at %s", item(p, t->item)->who);
    else
        snprintf(text, sizeof text, "cannot be played: %s", err_text(e));
    player_find(p, COMPARE_DIFFERENT, t->item, name, text);
    return true;
}

/* What is due and free goes at once. */
void player_go_on(struct player *p)
{
    uint64_t now = virtual_now_us(p->v);
    while (!p->over && !p->compare.beyond && p->next_turn < p->turn_count) {
        const struct player_turn *t = &p->turns[p->next_turn];
        if (t->at_us + p->offset_us > now) {
            player_wake_at(p, t->at_us + p->offset_us);
            return;
        }
        if (!is_free(p, t))
            return;
        p->offset_us = now - t->at_us;
        enum err e = play(p, t);
        if (e && !refused(p, t, e, now))
            return;
        if (!e)
            tell_compare(p, t);
        p->stuck_us = UINT64_MAX;
        p->played += !e;
        p->next_turn++;
    }
}

static void wake(void *ctx)
{
    player_go_on(ctx);
}

/* ---- the run ---- */

static bool is_living(void *ctx, const char *name)
{
    const struct player *p = ctx;
    for (size_t i = 0; i < p->scenario->member_count; i++)
        if (strcmp(p->scenario->members[i].name, name) == 0)
            return p->lives[i];
    return false;
}

/* Readers that are played stand ready. */
static void connect_readers(void *ctx)
{
    struct player *p = ctx;
    unsigned port;
    for (size_t i = 0; i < p->scenario->member_count; i++)
        if (!p->lives[i] && whose_apdu_port(&p->scenario->members[i], PORT_LISTENS, &port)) {
            struct virtual_port *v = port_of(p, i, PORT_LISTENS);
            v->twin->connect(v);
        }
}

static void begin(void *ctx, struct run *r, struct virtual *v)
{
    struct player *p = ctx;
    p->run = r;
    p->v = v;
    r->limit_us = UINT64_MAX / 4; /* patience ends it */
    r->in_order = false;          /* what one claims, another who is played may have claimed before */
    for (size_t i = 0; i < r->links.count; i++) {
        r->links.watched[i].awaited = false;
        r->links.watched[i].gated &= p->lives[r->links.watched[i].member];
    }
    p->compare.crypto = virtual_crypto(v, "replay");
    p->wake_us = 0;
    virtual_at(v, 100, connect_readers, p);
    air_begin(p);
    player_go_on(p);
}

static void keep_pace(const struct player *p, uint64_t now_us)
{
    double ahead_ms = (double)now_us / 1e3 - (records_clock_ms() - p->began_ms);
    if (ahead_ms > 1.0) {
        struct timespec t = {(time_t)(ahead_ms / 1e3), (long)(ahead_ms * 1e6) % 1000000000};
        nanosleep(&t, NULL);
    }
}

/* When patience ends with what others wait for; or the record ends. */
static uint64_t deadline(struct player *p)
{
    size_t at = first_open(p);
    if (at == p->record->count)
        return p->next_turn < p->turn_count ? UINT64_MAX : p->end_us + p->offset_us;
    uint64_t waits_us = item(p, at)->time_us;
    if (p->next_turn < p->turn_count && p->turns[p->next_turn].at_us > waits_us)
        waits_us = p->turns[p->next_turn].at_us;
    return waits_us + p->offset_us + PLAYER_PATIENCE_US;
}

static void count_open(struct player *p)
{
    for (size_t i = 0; i < p->record->count; i++)
        p->open += p->mine[i] && !p->done[i];
}

static bool was_heard(const struct player *p, uint32_t id)
{
    for (size_t i = 0; i < p->record->count; i++)
        if (p->mine[i] && p->done[i] && item(p, i)->kind == RECORD_FRAME && item(p, i)->frame.id == id)
            return true;
    return false;
}

/* A component that said none of what it says again and again is not there at all. */
static void miss_cyclic(struct player *p)
{
    char name[COMPARE_TEXT];
    for (size_t i = 0; i < p->record->count; i++) {
        if (!p->mine[i] || p->done[i] || item(p, i)->kind != RECORD_FRAME ||
            (!p->compare.exact && was_heard(p, item(p, i)->frame.id)))
            continue;
        p->done[i] = true;
        player_name(p, i, name);
        player_find(p, COMPARE_DIFFERENT, i, name, "did not come");
        return;
    }
}

static void end(struct player *p)
{
    p->over = true;
    if (!p->compare.beyond)
        miss_cyclic(p);
    count_open(p);
    p->run->hopeless = true; /* nothing more can come of it */
}

static void pump(void *ctx, struct run *r, uint64_t now_us)
{
    struct player *p = ctx;
    (void)r;
    if (p->over)
        return;
    if (p->at_pace)
        keep_pace(p, now_us);
    bool all = p->next_turn == p->turn_count && first_open(p) == p->record->count;
    if (p->compare.beyond || (all && now_us >= p->end_us + p->offset_us)) {
        end(p);
        return;
    }
    if (now_us < deadline(p) || first_open(p) == p->record->count)
        return;
    miss_until(p, p->next_turn < p->turn_count ? p->turns[p->next_turn].at_us : UINT64_MAX);
    player_wake_at(p, now_us);
}

static uint64_t due_us(void *ctx)
{
    struct player *p = ctx;
    return p->over ? UINT64_MAX : deadline(p);
}

static bool on_quiet(void *ctx, struct run *r, uint64_t now_us)
{
    (void)r;
    (void)now_us;
    return !((struct player *)ctx)->over;
}

static void judge(void *ctx, struct run *r)
{
    (void)ctx;
    (void)r;
}

bool player_prepare(struct player *p, char problem[RECORD_PROBLEM])
{
    size_t n = p->record->count;
    p->mine = calloc(n + 1, 1);
    p->done = calloc(n + 1, 1);
    p->findings = calloc(PLAYER_FINDINGS, sizeof *p->findings);
    if (!p->mine || !p->done || !p->findings)
        abort();
    p->players = (struct run_players){p, is_living, begin, player_hear_frame, player_hear_tap};
    p->trial =
        (struct run_trial){.ctx = p, .pump = pump, .due_us = due_us, .quiet = on_quiet, .judge = judge};
    p->stuck_us = UINT64_MAX;
    p->began_ms = records_clock_ms();
    if (!turns_make(p, problem))
        return false;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any |= p->mine[i];
        if (item(p, i)->kind < RECORD_CALL && item(p, i)->time_us > p->end_us)
            p->end_us = item(p, i)->time_us;
    }
    pairs_check(p);
    if (!any)
        snprintf(problem, RECORD_PROBLEM, "nothing in the record is said by those who are to be tested");
    return any;
}

void player_free(struct player *p)
{
    compare_free(&p->compare);
    free(p->turns);
    free(p->mine);
    free(p->done);
    free(p->findings);
    free(p->air);
}
