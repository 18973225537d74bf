/* How far mailings have come, in the store: "mailing/<user>/<vehicle>". */
#include <stdio.h>
#include <string.h>

#include "backend/tbe/mailing_internal.h"

#define RECORD_MAX   (5 * TBE_WORD + MAIL_ADDRESS_MAX + TBE_ID + 96)
#define RECORDS_USER TBE_VEHICLES_MAX /* of one user */

static enum err key_of(const char *vehicle, const char *user, char out[ENV_KEY_MAX])
{
    int n = snprintf(out, ENV_KEY_MAX, TBE_MAILING_PREFIX "%s/%s", user, vehicle);
    return n > 0 && n < ENV_KEY_MAX ? ERR_OK : ERR_NO_SPACE;
}

static enum err unpack(struct span stored, struct mailing_record *out)
{
    uint8_t memory[2048];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    TbeRecords__V1__MailingRecord *m =
        tbe_records__v1__mailing_record__unpack(&arena.allocator, stored.len, stored.p);
    if (!m || m->state < MAILING_ASKING || m->state > MAILING_FAILED)
        return ERR_STORE_FAILED;
    out->state = m->state;
    out->settled = m->settled;
    text_copy(out->operator_, sizeof out->operator_, m->operator_);
    text_copy(out->once, sizeof out->once, m->once);
    text_copy(out->key, sizeof out->key, m->idempotency_key);
    text_copy(out->link_id, sizeof out->link_id, m->link_id);
    text_copy(out->called_by, sizeof out->called_by, m->called_by);
    text_copy(out->address, sizeof out->address, m->address);
    out->asked_ms = m->asked_ms;
    out->called_ms = m->called_ms;
    out->code = m->code;
    out->tries = m->tries;
    out->reason = (enum err)m->reason;
    return ERR_OK;
}

enum err mailing_record_get(struct tbe *t, const char *vehicle, const char *user, struct mailing_record *out)
{
    char key[ENV_KEY_MAX];
    uint8_t stored[RECORD_MAX];
    size_t len;
    *out = (struct mailing_record){.settled = false};
    text_copy(out->vehicle, sizeof out->vehicle, vehicle);
    text_copy(out->user, sizeof out->user, user);
    enum err e = key_of(vehicle, user, key);
    if (!e)
        e = env_store_get(t->env, key, stored, sizeof stored, &len);
    return e ? e : unpack(span_of(stored, len), out);
}

enum err mailing_record_put(struct tbe *t, const struct mailing_record *r)
{
    char key[ENV_KEY_MAX];
    uint8_t out[RECORD_MAX];
    struct mailing_record copy = *r;
    TbeRecords__V1__MailingRecord m = TBE_RECORDS__V1__MAILING_RECORD__INIT;
    m.state = r->state;
    m.settled = r->settled;
    m.operator_ = copy.operator_;
    m.once = copy.once;
    m.asked_ms = r->asked_ms;
    m.called_by = copy.called_by;
    m.address = copy.address;
    m.called_ms = r->called_ms;
    m.idempotency_key = copy.key;
    m.link_id = copy.link_id;
    m.code = r->code;
    m.reason = (uint32_t)r->reason;
    m.tries = r->tries;
    enum err e = key_of(r->vehicle, r->user, key);
    if (!e && tbe_records__v1__mailing_record__get_packed_size(&m) > sizeof out)
        e = ERR_NO_SPACE;
    return e ? e : env_store_put(t->env, key, span_of(out, tbe_records__v1__mailing_record__pack(&m, out)));
}

/* ---- all of them ---- */

struct scan {
    struct tbe *t;
    void (*each)(void *ctx, const struct mailing_record *r);
    void *ctx;
};

static void scan_one(void *ctx, const char *key, struct span value)
{
    const struct scan *scan = ctx;
    const char *user = key + strlen(TBE_MAILING_PREFIX), *vehicle = strchr(user, '/');
    struct mailing_record r = {.settled = false};
    if (!vehicle || unpack(value, &r)) {
        env_trace_reason(scan->t->env, TRACE_FAIL, NULL, NULL, ERR_STORE_FAILED, 0, key);
        return;
    }
    snprintf(r.user, sizeof r.user, "%.*s", (int)(vehicle - user), user);
    text_copy(r.vehicle, sizeof r.vehicle, vehicle + 1);
    scan->each(scan->ctx, &r);
}

enum err mailing_record_each(struct tbe *t, const char *user,
                             void (*each)(void *ctx, const struct mailing_record *r), void *ctx)
{
    char prefix[ENV_KEY_MAX];
    struct scan scan = {t, each, ctx};
    snprintf(prefix, sizeof prefix, TBE_MAILING_PREFIX "%s%s", user, *user ? "/" : "");
    return env_store_scan(t->env, prefix, scan_one, &scan);
}

/* ---- room ---- */

struct crowd {
    const char *vehicle;
    size_t count; /* beside that vehicle's */
    struct mailing_record oldest;
};

static void count_one(void *ctx, const struct mailing_record *r)
{
    struct crowd *c = ctx;
    if (strcmp(r->vehicle, c->vehicle) == 0)
        return;
    c->count++;
    if (r->settled && (!*c->oldest.vehicle || r->asked_ms < c->oldest.asked_ms))
        c->oldest = *r;
}

enum err mailing_record_make_room(struct tbe *t, const char *user, const char *vehicle)
{
    char key[ENV_KEY_MAX];
    struct crowd c = {.vehicle = vehicle};
    enum err e = mailing_record_each(t, user, count_one, &c);
    if (e || c.count < RECORDS_USER)
        return e;
    if (!*c.oldest.vehicle)
        return ERR_BUSY;
    e = key_of(c.oldest.vehicle, user, key);
    return e ? e : env_store_delete(t->env, key);
}
