/* Mailings from outside: how one begins, what the last came to, and which go on after a start. */
#include <stdlib.h>
#include <string.h>

#include "backend/tbe/mailing_internal.h"

/* ---- which there are ---- */

static struct mailing *find(struct tbe *t, const char *vehicle, const char *user)
{
    for (size_t i = 0; i < MAILINGS_MAX; i++) {
        struct mailing *m = &t->mailings->all[i];
        if (m->used && strcmp(m->r.vehicle, vehicle) == 0 && strcmp(m->r.user, user) == 0)
            return m;
    }
    return NULL;
}

static struct mailing *find_free(struct tbe *t)
{
    for (size_t i = 0; i < MAILINGS_MAX; i++)
        if (!t->mailings->all[i].used)
            return &t->mailings->all[i];
    return NULL;
}

/* ---- what the portal asks ---- */

static void new_record(struct tbe *t, const struct tbe_mailing_ask *ask, struct mailing_record *out)
{
    uint8_t key[MAILING_KEY / 2];
    *out = (struct mailing_record){.state = MAILING_ASKING, .asked_ms = env_wall_ms(t->env)};
    text_copy(out->vehicle, sizeof out->vehicle, ask->vehicle);
    text_copy(out->user, sizeof out->user, ask->user);
    text_copy(out->operator_, sizeof out->operator_, ask->operator_);
    text_copy(out->once, sizeof out->once, ask->once);
    tbe_address_of(t, tbe_user_find(ask->user), out->address);
    env_random(t->env, key, sizeof key);
    hex_encode(key, sizeof key, out->key);
}

/* Whose call was the last stays known when the customer begins another at the portal. */
static enum err note_call(struct tbe *t, struct mailing_record *r)
{
    struct mailing_record last;
    enum err e = mailing_record_get(t, r->vehicle, r->user, &last);
    const char *by = *r->operator_ ? r->operator_ : last.called_by;
    text_copy(r->called_by, sizeof r->called_by, by);
    r->called_ms = *r->operator_ ? r->asked_ms : last.called_ms;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_ask(const struct tbe_mailing_ask *ask)
{
    if (!tbe_is_word(ask->vehicle, 1) || strlen(ask->vehicle) > MSG_SERIAL_MAX ||
        !tbe_is_word(ask->once, 1) || !tbe_is_word(ask->operator_, 0))
        return ERR_MSG_MALFORMED;
    return tbe_user_find(ask->user) < TBE_USERS ? ERR_OK : ERR_NOT_FOUND;
}

/* Was it made before the last was begun? One that is sent again must not begin what another has come after.
 * Of a clock that was set back since, nothing can be said. */
static bool is_older(struct tbe *t, const struct tbe_mailing_ask *ask, const struct mailing_record *last)
{
    return ask->issued_ms < last->asked_ms && last->asked_ms <= env_wall_ms(t->env);
}

/* ERR_OK: `once` is that of the last, or older; ERR_NOT_FOUND: it is new, and may begin. */
static enum err check_once(struct tbe *t, const struct tbe_mailing_ask *ask)
{
    struct mailing_record last;
    enum err e = mailing_record_get(t, ask->vehicle, ask->user, &last);
    if (!e && (strcmp(last.once, ask->once) == 0 || is_older(t, ask, &last)))
        return ERR_OK;
    if (e && e != ERR_NOT_FOUND)
        return e;
    if (find(t, ask->vehicle, ask->user) || !find_free(t))
        return ERR_BUSY;
    if (!t->vos_up)
        return ERR_VOS_UNREACHABLE;
    return tbe_vehicle_take(t, ask->vehicle) ? ERR_HTTP_RATE : ERR_NOT_FOUND;
}

static enum err begin(struct tbe *t, const struct tbe_mailing_ask *ask)
{
    struct mailing_record r;
    new_record(t, ask, &r);
    enum err e = note_call(t, &r);
    if (!e)
        e = mailing_record_make_room(t, ask->user, ask->vehicle);
    if (!e)
        e = mailing_record_put(t, &r);
    if (!e)
        e = mailing_put_audit(t, &r, "mailing", ERR_OK);
    if (!e)
        e = env_store_commit(t->env);
    if (e)
        return e;
    struct mailing *m = find_free(t);
    *m = (struct mailing){.used = true, .r = r};
    mailing_go_on(t, m);
    return ERR_OK;
}

enum err tbe_mailing_begin(struct tbe *t, const struct tbe_mailing_ask *ask)
{
    enum err e = check_ask(ask);
    if (e)
        return e;
    e = check_once(t, ask);
    return e == ERR_NOT_FOUND ? begin(t, ask) : e;
}

enum err tbe_mailing_get(struct tbe *t, const char *vehicle, const char *user, struct tbe_mailing *out)
{
    static const enum tbe_mailing_state states[] = {
        [MAILING_ASKING] = TBE_MAILING_UNDER_WAY, [MAILING_LEAVING] = TBE_MAILING_UNDER_WAY,
        [MAILING_SENT] = TBE_MAILING_SENT,        [MAILING_REFUSED] = TBE_MAILING_REFUSED,
        [MAILING_UNKNOWN] = TBE_MAILING_UNKNOWN,  [MAILING_FAILED] = TBE_MAILING_FAILED};
    struct mailing_record r;
    *out = (struct tbe_mailing){.state = TBE_MAILING_NONE};
    if (!tbe_is_word(vehicle, 1) || strlen(vehicle) > MSG_SERIAL_MAX || !tbe_is_word(user, 1))
        return ERR_OK; /* nothing has such a name */
    enum err e = mailing_record_get(t, vehicle, user, &r);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    out->state = states[r.state];
    out->asked_ms = r.asked_ms;
    out->called_ms = r.called_ms;
    text_copy(out->called_by, sizeof out->called_by, r.called_by);
    text_copy(out->address, sizeof out->address, r.address);
    out->code = r.state == MAILING_REFUSED ? r.code : 0;
    out->reason = r.state == MAILING_FAILED ? r.reason : ERR_OK;
    text_copy(out->user, sizeof out->user, r.user);
    text_copy(out->operator_, sizeof out->operator_, r.operator_);
    text_copy(out->once, sizeof out->once, r.once);
    return ERR_OK;
}

/* ---- life ---- */

static void resume(void *ctx, const struct mailing_record *r)
{
    struct tbe *t = ctx;
    struct mailing *m = r->settled ? NULL : find_free(t);
    if (m)
        *m = (struct mailing){.used = true, .r = *r, .due_us = ENV_NEVER};
}

/* What had begun to leave in a former life may have come anywhere. */
enum err tbe_mailing_load(struct tbe *t)
{
    t->mailings = calloc(1, sizeof *t->mailings);
    if (!t->mailings)
        return ERR_NO_MEMORY;
    env_random(t->env, &t->mailings->tags, sizeof t->mailings->tags);
    t->mailings->tags >>= 8;
    enum err e = mailing_record_each(t, "", resume, t);
    for (size_t i = 0; !e && i < MAILINGS_MAX; i++) {
        struct mailing *m = &t->mailings->all[i];
        if (m->used && m->r.state == MAILING_LEAVING)
            mailing_on_unknown(t, m);
    }
    return e;
}

void tbe_mailing_fini(struct tbe *t)
{
    free(t->mailings);
}
