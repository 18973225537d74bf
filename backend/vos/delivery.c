/* OP-01a, server side: 4 service provisioned? 5 is the user the owner? 6 not delivered before? 7 make the
 * deep link, 10 mark it as delivered.
 *
 * Who gets a link first is stored before the link leaves, so nobody else ever gets that password; until the
 * acknowledgement the same app gets the same link again. A link is not stored: it follows from the set and
 * its password. The record goes with the set's secrets. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

#define RECORD_MAX (VOS_SET_ID + 3 * VOS_WORD + 32)

#define HANDED_OUT BACKEND__V1__DELIVERY_RECORD__STATE__STATE_HANDED_OUT
#define DELIVERED  BACKEND__V1__DELIVERY_RECORD__STATE__STATE_DELIVERED

/* Who has the password of a set. state 0: nobody. */
struct delivery {
    Backend__V1__DeliveryRecord__State state;
    uint8_t set_id[VOS_SET_ID];
    char user[VOS_WORD + 1], client[VOS_WORD + 1], key[VOS_WORD + 1];
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

static enum err check_provisioned(struct vos *v, const char *serial)
{
    struct vehicle r;
    enum err e = record_load(v, serial, &r);
    if (!e && !r.has_drm_uuid)
        e = ERR_NOT_PROVISIONED;
    if (!e)
        env_trace_step(v->env, "OP-01a/4", "the service is provisioned");
    return e;
}

static enum err check_owner(struct vos *v, const char *serial, const char *user)
{
    char key[ENV_KEY_MAX], owner[VOS_WORD + 1] = "";
    size_t len;
    key_of(key, VOS_OWNER_PREFIX, serial);
    enum err e = env_store_get(v->env, key, owner, sizeof owner - 1, &len);
    if (e == ERR_NOT_FOUND || (!e && strcmp(owner, user) != 0))
        e = ERR_NOT_OWNER;
    if (!e)
        env_trace_step(v->env, "OP-01a/5", "the user is the owner");
    return e;
}

static bool is_same(const struct delivery *d, const struct vos_app *app)
{
    return strcmp(d->user, app->user) == 0 && strcmp(d->client, app->client) == 0 &&
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

static enum err check_undelivered(struct vos *v, const char *serial, const struct vos_app *app,
                                  struct verifiers *set, struct delivery *d)
{
    enum err e = find_set(v, serial, set, d);
    if (!e && d->state == DELIVERED)
        e = ERR_PASSWORD_DELIVERED;
    if (!e && d->state == HANDED_OUT && !is_same(d, app))
        e = ERR_PASSWORD_PENDING;
    if (!e)
        env_trace_step(v->env, "OP-01a/6", "the password was not delivered before");
    return e;
}

const char *vos_link_refused_at(enum err e)
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

enum err vos_link_hand_out(struct vos *v, const char *serial, const struct vos_app *app, struct vos_link *out)
{
    struct verifiers set;
    struct delivery d;
    enum err e = check_provisioned(v, serial);
    if (!e)
        e = check_owner(v, serial, app->user);
    if (!e)
        e = check_undelivered(v, serial, app, &set, &d);
    if (!e)
        e = make_link(v, serial, set.set_id, out);
    if (!e && !d.state) {
        d.state = HANDED_OUT;
        memcpy(d.set_id, set.set_id, VOS_SET_ID);
        text_copy(d.user, sizeof d.user, app->user);
        text_copy(d.client, sizeof d.client, app->client);
        text_copy(d.key, sizeof d.key, app->key);
        e = delivery_commit(v, serial, &d);
    }
    if (!e)
        env_trace_step(v->env, "OP-01a/7", "makes the deep link");
    return e;
}

/* ---- the acknowledgement ---- */

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

/* To whom it was not handed out, it is not there. */
static enum err find_handed_out(struct vos *v, const char *id, const char *user, const char *client,
                                char serial[MSG_SERIAL_MAX + 1], struct delivery *d)
{
    char known[VOS_LINK_ID];
    struct verifiers set;
    if (!serial_of(id, serial) || find_set(v, serial, &set, d) || !d->state)
        return ERR_NOT_FOUND;
    link_id(serial, d->set_id, known);
    return strcmp(known, id) == 0 && strcmp(d->user, user) == 0 && strcmp(d->client, client) == 0
               ? ERR_OK
               : ERR_NOT_FOUND;
}

enum err vos_link_acknowledge(struct vos *v, const char *id, const char *user, const char *client)
{
    char serial[MSG_SERIAL_MAX + 1];
    struct delivery d;
    enum err e = find_handed_out(v, id, user, client, serial, &d);
    if (e || d.state == DELIVERED)
        return e;
    d.state = DELIVERED;
    e = delivery_commit(v, serial, &d);
    if (!e)
        env_trace_step(v->env, "OP-01a/10", "marks the password as delivered");
    return e;
}

enum err vos_register_owner(struct vos *v, const char *serial, const char *user)
{
    char key[ENV_KEY_MAX];
    struct vehicle r;
    enum err e = record_load(v, serial, &r);
    key_of(key, VOS_OWNER_PREFIX, serial);
    if (!e)
        e = env_store_put(v->env, key, span_of(user, strlen(user)));
    return e ? e : env_store_commit(v->env);
}
