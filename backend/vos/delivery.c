/* OP-01a, server side: 4 service provisioned? 5 is the user the owner? 6 not delivered before? 7 make the
 * deep link, 10 mark it as delivered. OP-01b: the same in its steps 5 and 8.
 *
 * Who gets a link first is stored before the link leaves, so nobody else ever gets that password; until the
 * acknowledgement the same app gets the same link again. An app that never acknowledges does not keep the
 * owner out: after a time the next who may have a link has the set replaced. A link is not stored: it follows
 * from the set and its password. The record goes with the set's secrets. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define RECORD_MAX (VOS_SET_ID + 3 * VOS_WORD + 48)

#define HANDED_OUT BACKEND__V1__DELIVERY_RECORD__STATE__STATE_HANDED_OUT
#define DELIVERED  BACKEND__V1__DELIVERY_RECORD__STATE__STATE_DELIVERED

/* Who has the password of a set. state 0: nobody. */
struct delivery {
    Backend__V1__DeliveryRecord__State state;
    uint8_t set_id[VOS_SET_ID];
    char user[VOS_WORD + 1], client[VOS_WORD + 1], key[VOS_WORD + 1];
    Init__V1__Way way;
    int64_t handed_out_ms;
};

static void key_of(char out[ENV_KEY_MAX], const char *prefix, const char *serial)
{
    snprintf(out, ENV_KEY_MAX, "%s%s", prefix, serial);
}

/* ---- the record ---- */

static enum err delivery_get(struct vos *v, const char *serial, struct delivery *out)
{
    char key[ENV_KEY_MAX];
    uint8_t stored[RECORD_MAX], memory[768];
    size_t len;
    struct msg_arena arena;
    *out = (struct delivery){.state = 0};
    key_of(key, VOS_DELIVERY_PREFIX, serial);
    enum err e = env_store_get(v->env, key, stored, sizeof stored, &len);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__DeliveryRecord *m = backend__v1__delivery_record__unpack(&arena.allocator, len, stored);
    if (!m || (m->state != HANDED_OUT && m->state != DELIVERED) || m->set_id.len != VOS_SET_ID)
        return ERR_STORE_FAILED;
    out->state = m->state;
    memcpy(out->set_id, m->set_id.data, VOS_SET_ID);
    text_copy(out->user, sizeof out->user, m->user);
    text_copy(out->client, sizeof out->client, m->client);
    text_copy(out->key, sizeof out->key, m->idempotency_key);
    out->way = (Init__V1__Way)m->way;
    out->handed_out_ms = m->handed_out_ms;
    return ERR_OK;
}

static enum err delivery_commit(struct vos *v, const char *serial, struct delivery *d)
{
    char key[ENV_KEY_MAX];
    uint8_t out[RECORD_MAX];
    Backend__V1__DeliveryRecord m = BACKEND__V1__DELIVERY_RECORD__INIT;
    m.state = d->state;
    m.set_id = (ProtobufCBinaryData){VOS_SET_ID, d->set_id};
    m.user = d->user;
    m.client = d->client;
    m.idempotency_key = d->key;
    m.way = (uint32_t)d->way;
    m.handed_out_ms = d->handed_out_ms;
    key_of(key, VOS_DELIVERY_PREFIX, serial);
    enum err e = env_store_put(v->env, key, span_of(out, backend__v1__delivery_record__pack(&m, out)));
    return e ? e : env_store_commit(v->env);
}

enum err vos_delivery_put_none(struct vos *v, const char *serial)
{
    char key[ENV_KEY_MAX];
    key_of(key, VOS_DELIVERY_PREFIX, serial);
    return env_store_delete(v->env, key);
}

/* ---- the checks, in their order ---- */

/* OP-01b has one step for all of them: it is traced when the link is made. */
static void trace_check(struct vos *v, Init__V1__Way way, const char *step, const char *what)
{
    if (way == INIT__V1__WAY__WAY_APP)
        env_trace_step(v->env, step, what);
}

static enum err check_provisioned(struct vos *v, const char *serial, Init__V1__Way way)
{
    struct vehicle r;
    enum err e = record_load(v, serial, &r);
    if (!e && !r.has_drm_uuid)
        e = ERR_NOT_PROVISIONED;
    if (!e)
        trace_check(v, way, "OP-01a/4", "the service is provisioned");
    return e;
}

enum err vos_check_owner(struct vos *v, const char *serial, const char *user)
{
    char key[ENV_KEY_MAX], owner[VOS_WORD + 1] = "";
    size_t len;
    key_of(key, VOS_OWNER_PREFIX, serial);
    enum err e = env_store_get(v->env, key, owner, sizeof owner - 1, &len);
    return e == ERR_NOT_FOUND || (!e && strcmp(owner, user) != 0) ? ERR_NOT_OWNER : e;
}

static bool is_same(const struct delivery *d, const struct vos_app *app)
{
    return d->way == app->way && strcmp(d->user, app->user) == 0 && strcmp(d->client, app->client) == 0 &&
           strcmp(d->key, app->key) == 0;
}

/* *d: of the set in force, or nobody's. */
static enum err find_set(struct vos *v, const char *serial, struct verifiers *set, struct delivery *d)
{
    enum err e = vos_verifiers_get(v, serial, set);
    if (!e && (set->state == VERIFIERS_NONE || set->state == VERIFIERS_WANTED))
        e = ERR_VERIFIERS_MISSING;
    if (!e && set->state == VERIFIERS_USED)
        e = ERR_VERIFIERS_BURNT;
    if (!e)
        e = delivery_get(v, serial, d);
    if (!e && memcmp(d->set_id, set->set_id, VOS_SET_ID) != 0)
        *d = (struct delivery){.state = 0};
    return e;
}

enum err vos_delivery_state(struct vos *v, const char *serial, const struct verifiers *set,
                            Backend__V1__DeliveryRecord__State *out)
{
    struct delivery d;
    enum err e = delivery_get(v, serial, &d);
    *out = !e && memcmp(d.set_id, set->set_id, VOS_SET_ID) == 0 ? d.state : 0;
    return e;
}

/* Burns the set whose link somebody has, or may have; a new one is on its way. */
static enum err revoke_set(struct vos *v, const char *serial)
{
    struct vehicle r;
    enum err e = record_load(v, serial, &r);
    return e ? e : vos_verifiers_want(v, serial, &r);
}

/* Somebody else has the link, and nothing was heard since. */
static enum err check_pending(struct vos *v, const char *serial, const struct delivery *d, bool *revoked)
{
    if (env_wall_ms(v->env) - d->handed_out_ms < v->link_ms)
        return ERR_PASSWORD_PENDING;
    enum err e = revoke_set(v, serial);
    *revoked = !e;
    return e ? e : ERR_VERIFIERS_MISSING;
}

static enum err check_undelivered(struct vos *v, const char *serial, const struct vos_app *app,
                                  struct verifiers *set, struct delivery *d, bool *revoked)
{
    enum err e = find_set(v, serial, set, d);
    if (!e && d->state == DELIVERED)
        e = ERR_PASSWORD_DELIVERED;
    if (!e && d->state == HANDED_OUT && !is_same(d, app))
        e = check_pending(v, serial, d, revoked);
    if (!e)
        trace_check(v, app->way, "OP-01a/6", "the password was not delivered before");
    return e;
}

static const char *refused_at(enum err e)
{
    switch (e) {
    case ERR_ECU_UNKNOWN:
    case ERR_NOT_PROVISIONED:
        return "OP-01a/4";
    case ERR_NOT_OWNER:
        return "OP-01a/5";
    case ERR_VERIFIERS_MISSING:
    case ERR_VERIFIERS_BURNT:
    case ERR_PASSWORD_DELIVERED:
    case ERR_PASSWORD_PENDING:
        return "OP-01a/6";
    default:
        return NULL;
    }
}

const char *vos_link_refused_at(Init__V1__Way way, enum err e)
{
    const char *step = refused_at(e);
    return step && way == INIT__V1__WAY__WAY_MAIL ? "OP-01b/5" : step;
}

/* ---- the link ---- */

/* <serial>-<set id in hex>: what was handed out, in the words of the acknowledgement. */
static void link_id(const char *serial, const uint8_t set_id[VOS_SET_ID], char out[VOS_LINK_ID])
{
    char hex[2 * VOS_SET_ID + 1];
    hex_encode(set_id, VOS_SET_ID, hex);
    snprintf(out, VOS_LINK_ID, "%s-%s", serial, hex);
}

static enum err make_link(struct vos *v, const char *serial, const uint8_t set_id[VOS_SET_ID],
                          struct vos_link *out)
{
    uint8_t password[VOS_PASSWORD];
    enum err e = vos_verifiers_get_password(v, serial, password);
    if (!e) {
        link_id(serial, set_id, out->id);
        snprintf(out->deep_link, sizeof out->deep_link, VOS_LINK_PAGE "#vehicle=%s&id=%s&password=%.*s",
                 serial, out->id, VOS_PASSWORD, (const char *)password);
    }
    OPENSSL_cleanse(password, sizeof password);
    return e;
}

static enum err store_handed_out(struct vos *v, const char *serial, const struct vos_app *app,
                                 const struct verifiers *set)
{
    struct delivery d = {.state = HANDED_OUT, .way = app->way, .handed_out_ms = env_wall_ms(v->env)};
    memcpy(d.set_id, set->set_id, VOS_SET_ID);
    text_copy(d.user, sizeof d.user, app->user);
    text_copy(d.client, sizeof d.client, app->client);
    text_copy(d.key, sizeof d.key, app->key);
    return delivery_commit(v, serial, &d);
}

enum err vos_link_hand_out(struct vos *v, const char *serial, const struct vos_app *app, struct vos_link *out)
{
    struct verifiers set;
    struct delivery d;
    enum err e = check_provisioned(v, serial, app->way);
    if (!e)
        e = vos_check_owner(v, serial, app->user);
    if (!e)
        trace_check(v, app->way, "OP-01a/5", "the user is the owner");
    if (!e)
        e = check_undelivered(v, serial, app, &set, &d, &out->revoked);
    if (!e)
        e = make_link(v, serial, set.set_id, out);
    if (!e && !d.state)
        e = store_handed_out(v, serial, app, &set);
    if (!e)
        env_trace_step(v->env, app->way == INIT__V1__WAY__WAY_MAIL ? "OP-01b/5" : "OP-01a/7",
                       "makes the deep link");
    return e;
}

/* ---- what became of it ---- */

static bool serial_of(const char *id, char out[MSG_SERIAL_MAX + 1])
{
    size_t len = strlen(id);
    if (len < 2 * VOS_SET_ID + 2 || len - (2 * VOS_SET_ID + 1) > MSG_SERIAL_MAX)
        return false;
    len -= 2 * VOS_SET_ID + 1;
    memcpy(out, id, len);
    out[len] = '\0';
    return id[len] == '-';
}

/* A link by its id: of the set in force, or not; and who has it. */
struct handed {
    char serial[MSG_SERIAL_MAX + 1];
    bool in_force;
    struct delivery d;
};

static enum err find_link(struct vos *v, const char *id, struct handed *out)
{
    char known[VOS_LINK_ID];
    struct verifiers set;
    struct vehicle r;
    *out = (struct handed){.in_force = false};
    if (!serial_of(id, out->serial) || record_load(v, out->serial, &r))
        return ERR_NOT_FOUND;
    enum err e = find_set(v, out->serial, &set, &out->d);
    if (e)
        return e == ERR_VERIFIERS_MISSING || e == ERR_VERIFIERS_BURNT ? ERR_OK : e;
    link_id(out->serial, set.set_id, known);
    out->in_force = strcmp(known, id) == 0;
    return ERR_OK;
}

static bool is_of(const struct delivery *d, const char *user, const char *client)
{
    return d->state && strcmp(d->user, user) == 0 && strcmp(d->client, client) == 0;
}

enum err vos_link_acknowledge(struct vos *v, const char *id, const char *user, const char *client)
{
    struct handed h;
    enum err e = find_link(v, id, &h);
    if (!e && (!h.in_force || !is_of(&h.d, user, client)))
        e = ERR_NOT_FOUND;
    if (e || h.d.state == DELIVERED)
        return e;
    h.d.state = DELIVERED;
    e = delivery_commit(v, h.serial, &h.d);
    if (!e)
        env_trace_step(v->env, h.d.way == INIT__V1__WAY__WAY_MAIL ? "OP-01b/8" : "OP-01a/10",
                       "marks the password as delivered");
    return e;
}

enum err vos_link_release(struct vos *v, const char *id, const char *user, const char *client)
{
    struct handed h;
    enum err e = find_link(v, id, &h);
    if (e || !h.in_force || !h.d.state)
        return e;
    if (!is_of(&h.d, user, client))
        return ERR_NOT_FOUND;
    if (h.d.state == DELIVERED)
        return ERR_PASSWORD_DELIVERED;
    e = vos_delivery_put_none(v, h.serial);
    return e ? e : env_store_commit(v->env);
}

enum err vos_link_revoke(struct vos *v, const char *id, const char *user, const char *client)
{
    struct handed h;
    enum err e = find_link(v, id, &h);
    if (e || !h.in_force)
        return e;
    if (!is_of(&h.d, user, client))
        return ERR_NOT_FOUND;
    return h.d.state == DELIVERED ? ERR_PASSWORD_DELIVERED : revoke_set(v, h.serial);
}

/* ---- whose it is ---- */

/* Has somebody the password of a set that would still pair? */
static enum err find_holder(struct vos *v, const char *serial, bool *out)
{
    struct verifiers set;
    struct delivery d = {.state = 0};
    enum err e = find_set(v, serial, &set, &d);
    *out = !e && d.state;
    return e == ERR_VERIFIERS_MISSING || e == ERR_VERIFIERS_BURNT ? ERR_OK : e;
}

enum err vos_register_owner(struct vos *v, const char *serial, const char *user)
{
    char key[ENV_KEY_MAX];
    struct vehicle r;
    bool held = false;
    enum err e = record_load(v, serial, &r);
    if (!e)
        e = vos_check_owner(v, serial, user);
    if (e != ERR_NOT_OWNER)
        return e;
    e = find_holder(v, serial, &held);
    key_of(key, VOS_OWNER_PREFIX, serial);
    if (!e)
        e = env_store_put(v->env, key, span_of(user, strlen(user)));
    if (e || !held)
        return e ? e : env_store_commit(v->env);
    env_trace_note(v->env, TRACE_NOTE, "another owner: burns the set whose password the former one has");
    return vos_verifiers_want(v, serial, &r);
}
