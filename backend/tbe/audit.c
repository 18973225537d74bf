/* Who asked for what of which vehicle, by which way, with which outcome: the last TBE_AUDIT_MAX, in the
 * store. No secret stands there, and no link. */
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_internal.h"
#include "proto/tbe_records.pb-c.h"

#define GATHER_US  20000 /* a busy door has one commit for many entries; a kill may lose so much of them */
#define RECORD_MAX (3 * TBE_WORD + MSG_SERIAL_MAX + 96)

static const char *const ways[] = {
    [TBE_WAY_APP] = "app", [TBE_WAY_PORTAL] = "portal", [TBE_WAY_OPERATOR] = "operator"};

static void key_of(uint64_t number, char out[ENV_KEY_MAX])
{
    snprintf(out, ENV_KEY_MAX, TBE_AUDIT_PREFIX "%03u", (unsigned)(number % TBE_AUDIT_MAX));
}

enum err tbe_audit_put(struct tbe *t, const struct tbe_audit *a)
{
    char key[ENV_KEY_MAX], note[ENV_TEXT_MAX];
    uint8_t out[RECORD_MAX];
    char way[16], what[32];
    struct tbe_audit copy = *a;
    TbeRecords__V1__AuditRecord m = TBE_RECORDS__V1__AUDIT_RECORD__INIT;
    text_copy(way, sizeof way, ways[a->way]);
    text_copy(what, sizeof what, a->what);
    m.number = ++t->audit_number;
    m.at_s = env_wall_ms(t->env) / 1000;
    m.user = copy.user;
    m.way = way;
    m.by = copy.by;
    m.what = what;
    m.vehicle = copy.vehicle;
    m.outcome = (uint32_t)a->outcome;
    if (tbe_records__v1__audit_record__get_packed_size(&m) > sizeof out)
        return ERR_NO_SPACE;
    key_of(m.number, key);
    enum err e = env_store_put(t->env, key, span_of(out, tbe_records__v1__audit_record__pack(&m, out)));
    snprintf(note, sizeof note, "audit: %.20s by %s, %s of %.20s: %s", a->user, ways[a->way], a->what,
             a->vehicle, err_name(a->outcome));
    if (!e)
        env_trace_note(t->env, TRACE_NOTE, note);
    return e;
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

static void take_number(void *ctx, const char *key, struct span value)
{
    uint8_t memory[1024];
    struct msg_arena arena;
    struct tbe *t = ctx;
    (void)key;
    msg_arena_init(&arena, memory, sizeof memory);
    TbeRecords__V1__AuditRecord *m =
        tbe_records__v1__audit_record__unpack(&arena.allocator, value.len, value.p);
    if (m && m->number > t->audit_number)
        t->audit_number = m->number;
}

enum err tbe_audit_load(struct tbe *t)
{
    return env_store_scan(t->env, TBE_AUDIT_PREFIX, take_number, t);
}
