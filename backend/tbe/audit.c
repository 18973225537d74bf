/* Who asked for what of which vehicle, by which way, with which outcome: the last TBE_AUDIT_MAX, in the
 * store. The same again is counted in the entry that is there. No secret stands there, and no link. */
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_internal.h"
#include "proto/tbe_records.pb-c.h"

#define GATHER_US  20000 /* a busy door has one commit for many entries; a kill may lose so much of them */
#define RECORD_MAX (3 * TBE_WORD + MSG_SERIAL_MAX + 128)

static const char *const ways[] = {
    [TBE_WAY_APP] = "app", [TBE_WAY_PORTAL] = "portal", [TBE_WAY_OPERATOR] = "operator"};

static void key_of(uint64_t number, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, TBE_AUDIT_PREFIX "%03u", (unsigned)(number % TBE_AUDIT_MAX));
}

/* ---- one more, or the same again ---- */

/* Names that were made up would be as many entries. */
static bool is_of_no_vehicle(const struct tbe_audit *a)
{
    return a->outcome == ERR_NOT_FOUND || a->outcome == ERR_ECU_UNKNOWN;
}

static bool is_same(const struct tbe_audited *d, const struct tbe_audit *a)
{
    return d->entry.way == a->way && d->entry.outcome == a->outcome && strcmp(d->what, a->what) == 0 &&
           strcmp(d->entry.vehicle, a->vehicle) == 0;
}

/* Of a user: the one that was counted last, or longest ago. */
static struct tbe_audited *find_end(struct tbe_audited all[TBE_AUDIT_KINDS], bool newest)
{
    struct tbe_audited *found = &all[0];
    for (size_t i = 1; i < TBE_AUDIT_KINDS; i++)
        if (newest ? all[i].used > found->used : all[i].used < found->used)
            found = &all[i];
    return found;
}

/* What it is merged into, if that is still in the ring; NULL: nothing. A refusal may be told with one further
 * back: who takes turns with a few erases nothing either. */
static struct tbe_audited *find_same(struct tbe *t, size_t user, const struct tbe_audit *a)
{
    struct tbe_audited *last = find_end(t->audited[user], true);
    for (size_t i = 0; i < TBE_AUDIT_KINDS; i++) {
        struct tbe_audited *d = &t->audited[user][i];
        if (d->number && t->audit_number - d->number < TBE_AUDIT_MAX && is_same(d, a) &&
            (a->outcome || d == last))
            return d;
    }
    return NULL;
}

static enum err write(struct tbe *t, const struct tbe_audited *d)
{
    char key[ENV_KEY_MAX], way[16];
    uint8_t out[RECORD_MAX];
    struct tbe_audited copy = *d;
    TbeRecords__V1__AuditRecord m = TBE_RECORDS__V1__AUDIT_RECORD__INIT;
    text_copy(way, sizeof way, ways[d->entry.way]);
    m.number = d->number;
    m.at_s = d->at_s;
    m.since_s = d->since_s;
    m.count = d->count;
    m.user = copy.entry.user;
    m.way = way;
    m.by = copy.entry.by;
    m.what = copy.what;
    m.vehicle = copy.entry.vehicle;
    m.outcome = (uint32_t)d->entry.outcome;
    if (tbe_records__v1__audit_record__get_packed_size(&m) > sizeof out)
        return ERR_NO_SPACE;
    key_of(m.number, key);
    return env_store_put(t->env, key, span_of(out, tbe_records__v1__audit_record__pack(&m, out)));
}

static void note(struct tbe *t, const struct tbe_audited *d)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "audit: %.20s by %s, %s of %.20s: %s", d->entry.user, ways[d->entry.way],
             d->what, d->entry.vehicle, err_name(d->entry.outcome));
    env_trace_note(t->env, TRACE_NOTE, text);
}

enum err tbe_audit_put(struct tbe *t, const struct tbe_audit *a)
{
    size_t user = tbe_user_find(a->user);
    struct tbe_audited next = {.entry = *a, .at_s = env_wall_ms(t->env) / 1000, .count = 1};
    if (user == TBE_USERS)
        return ERR_NOT_FOUND;
    if (is_of_no_vehicle(a))
        next.entry.vehicle[0] = '\0';
    text_copy(next.what, sizeof next.what, a->what);
    struct tbe_audited *slot = find_same(t, user, &next.entry);
    next.since_s = slot ? slot->since_s : next.at_s;
    next.count += slot ? slot->count : 0;
    next.number = slot ? slot->number : ++t->audit_number;
    if (!slot)
        slot = find_end(t->audited[user], false);
    next.used = ++t->audit_uses;
    enum err e = write(t, &next);
    if (e)
        return e;
    *slot = next;
    note(t, &next);
    return ERR_OK;
}

void tbe_audit_later(struct tbe *t, const struct tbe_audit *a)
{
    if (t->pending_count == TBE_PENDING_MAX) {
        env_trace_reason(t->env, TRACE_FAIL, NULL, "audit", ERR_QUEUE_FULL, 0, a->user);
        return;
    }
    if (t->pending_count == 0)
        env_timer_in(t->env, TBE_TIMER_AUDIT, GATHER_US);
    t->pending[t->pending_count++] = *a;
}

void tbe_audit_sign_in(struct tbe *t, unsigned port, size_t user, const char *client)
{
    struct tbe_audit a = {.way = TBE_WAY_OPERATOR, .what = "sign-in", .outcome = ERR_SIGN_IN};
    if (user == TBE_USERS)
        return;
    if (port == TBE_PORT_APP || port == TBE_PORT_PORTAL)
        a.way = port == TBE_PORT_APP ? TBE_WAY_APP : TBE_WAY_PORTAL;
    text_copy(a.user, sizeof a.user, tbe_users[user].name);
    text_copy(a.by, sizeof a.by, client);
    tbe_audit_later(t, &a);
}

void tbe_audit_flush(struct tbe *t)
{
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < t->pending_count; i++)
        e = tbe_audit_put(t, &t->pending[i]);
    if (!e && t->pending_count)
        e = env_store_commit(t->env);
    if (e)
        env_trace_reason(t->env, TRACE_FAIL, NULL, "audit", e, 0, NULL);
    t->pending_count = 0;
}

/* ---- a later life ---- */

static void take_entry(struct tbe *t, const TbeRecords__V1__AuditRecord *m)
{
    size_t user = tbe_user_find(m->user), way = 0;
    while (way < sizeof ways / sizeof ways[0] && strcmp(ways[way], m->way) != 0)
        way++;
    if (user == TBE_USERS || way == sizeof ways / sizeof ways[0])
        return;
    struct tbe_audited *d = find_end(t->audited[user], false);
    if (d->number >= m->number)
        return;
    *d = (struct tbe_audited){.entry = {.way = (enum tbe_way)way, .outcome = (enum err)m->outcome},
                              .number = m->number,
                              .used = m->number,
                              .at_s = m->at_s,
                              .since_s = m->since_s,
                              .count = m->count};
    text_copy(d->what, sizeof d->what, m->what);
    text_copy(d->entry.user, sizeof d->entry.user, m->user);
    text_copy(d->entry.by, sizeof d->entry.by, m->by);
    text_copy(d->entry.vehicle, sizeof d->entry.vehicle, m->vehicle);
}

static void take_number(void *ctx, const char *key, struct span value)
{
    uint8_t memory[1024];
    struct msg_arena arena;
    struct tbe *t = ctx;
    (void)key;
    msg_arena_init(&arena, memory, sizeof memory);
    TbeRecords__V1__AuditRecord *m =
        tbe_records__v1__audit_record__unpack(&arena.allocator, value.len, value.p);
    if (!m)
        return;
    if (m->number > t->audit_number)
        t->audit_number = t->audit_uses = m->number;
    take_entry(t, m);
}

enum err tbe_audit_load(struct tbe *t)
{
    return env_store_scan(t->env, TBE_AUDIT_PREFIX, take_number, t);
}
