/* PP-02, server side: 1 draw a password, derive the SPAKE2+ verifier set from it, store it, 2 push it sealed
 * to the ECU's transport key until the vehicle reports it, 6 verify the report, 7 acknowledge.
 *
 * That a set is wanted is stored before anything is derived: a start goes on from there. Every push of a set
 * carries the same values, sealed anew. The password stays for the owner until the set is used or burnt. */
#include <openssl/crypto.h>
#include <string.h>

#include "backend/vos/vos_internal.h"
#include "lib/ccc/ecies.h"

static bool is_open(const struct verifiers *r)
{
    return r->state == VERIFIERS_WANTED || r->state == VERIFIERS_PUSHED;
}

static void count(struct vos *v, bool was_open, bool open)
{
    v->open_sets += open;
    v->open_sets -= was_open;
    if (!v->open_sets)
        env_timer_set(v->env, VOS_TIMER_VERIFIERS, ENV_NEVER);
}

static void claim(struct vos *v, const char *serial, const struct verifiers *r)
{
    uint8_t set[VOS_SET_ID + VOS_SECRETS];
    memcpy(set, r->set_id, VOS_SET_ID);
    if (r->state == VERIFIERS_STORED && vos_verifiers_get_secrets(v, serial, set + VOS_SET_ID) == ERR_OK)
        env_claim(v->env, VOS_CLAIM_VERIFIERS, serial, span_of(set, sizeof set));
    OPENSSL_cleanse(set, sizeof set);
}

static void claim_none(struct vos *v, const char *serial)
{
    env_claim(v->env, VOS_CLAIM_VERIFIERS, serial, (struct span){NULL, 0});
}

/* ---- pushing ---- */

static enum err seal(struct vos *v, const struct vehicle *vehicle, const char *serial,
                     uint8_t ephemeral_point[P256_POINT], uint8_t sealed[VOS_SECRETS + ECIES_OVERHEAD])
{
    uint8_t secrets[VOS_SECRETS];
    struct p256_key *ephemeral = NULL;
    enum err e = vos_verifiers_get_secrets(v, serial, secrets);
    if (!e)
        e = p256_generate(v->env->crypto, &ephemeral);
    if (!e)
        e = ecies_seal(v->env->crypto, ephemeral, vehicle->transport_key, span_of(secrets, sizeof secrets),
                       sealed);
    if (!e)
        p256_public(ephemeral, ephemeral_point);
    p256_free(ephemeral);
    OPENSSL_cleanse(secrets, sizeof secrets);
    return e;
}

/* PP-02/2 */
static enum err push(struct vos *v, const char *serial, const struct verifiers *r)
{
    struct verifiers copy = *r;
    struct vehicle vehicle;
    uint8_t point[P256_POINT], sealed[VOS_SECRETS + ECIES_OVERHEAD], body[320];
    Spaak__V1__Spake2VerifierSet m = SPAAK__V1__SPAKE2_VERIFIER_SET__INIT;
    enum err e = record_load(v, serial, &vehicle);
    if (!e && !vehicle.has_transport_key)
        e = ERR_TRANSPORT_KEY_MISSING;
    if (!e)
        e = seal(v, &vehicle, serial, point, sealed);
    if (e)
        return e;
    m.set_id = (ProtobufCBinaryData){VOS_SET_ID, copy.set_id};
    m.ephemeral_key = (ProtobufCBinaryData){P256_POINT, point};
    m.sealed = (ProtobufCBinaryData){sizeof sealed, sealed};
    m.salt = (ProtobufCBinaryData){SPAKE2P_SALT, copy.salt};
    m.scrypt_n = copy.scrypt_n;
    m.scrypt_r = SPAKE2P_R;
    m.scrypt_p = SPAKE2P_P;
    struct response response = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02,
        .type = SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET,
        .ecu_serial = serial,
        .body = span_of(body, spaak__v1__spake2_verifier_set__pack(&m, body)),
        .step = "PP-02/2",
    };
    env_timer_in(v->env, VOS_TIMER_VERIFIERS, v->push_pause_us);
    responder_send(&v->responder, &response); /* GSDP down: the timer repeats it */
    return ERR_OK;
}

enum err vos_verifiers_go_on(struct vos *v, const char *serial, const struct verifiers *r)
{
    if (r->state != VERIFIERS_WANTED)
        return push(v, serial, r);
    env_timer_in(v->env, VOS_TIMER_VERIFIERS, v->push_pause_us); /* no room: begun then */
    enum err e = vos_derive_begin(v, serial);
    return e == ERR_BUSY ? ERR_OK : e;
}

static void push_one(void *ctx, const char *key, struct span value)
{
    struct vos *v = ctx;
    const char *serial = key + strlen(VOS_VERIFIERS_PREFIX);
    struct verifiers r;
    (void)value;
    enum err e = vos_verifiers_get(v, serial, &r);
    if (!e && is_open(&r))
        e = vos_verifiers_go_on(v, serial, &r);
    if (e)
        env_trace_reason(v->env, TRACE_FAIL, "PP-02/2", NULL, e, 0, serial);
}

void vos_verifiers_push_again(struct vos *v)
{
    env_store_scan(v->env, VOS_VERIFIERS_PREFIX, push_one, v);
}

static void claim_one(void *ctx, const char *key, struct span value)
{
    struct vos *v = ctx;
    const char *serial = key + strlen(VOS_VERIFIERS_PREFIX);
    struct verifiers r;
    (void)value;
    if (vos_verifiers_get(v, serial, &r))
        return;
    v->open_sets += is_open(&r);
    claim(v, serial, &r);
}

enum err vos_verifiers_claim_all(struct vos *v)
{
    return env_store_scan(v->env, VOS_VERIFIERS_PREFIX, claim_one, v);
}

/* ---- a set is wanted ---- */

enum err vos_verifiers_put_wanted(struct vos *v, const char *serial)
{
    const struct verifiers wanted = {.state = VERIFIERS_WANTED};
    enum err e = vos_verifiers_put_burnt(v, serial);
    return e ? e : vos_verifiers_put(v, serial, &wanted);
}

enum err vos_verifiers_want(struct vos *v, const char *serial, const struct vehicle *vehicle)
{
    struct verifiers before;
    enum err e = vos_verifiers_get(v, serial, &before);
    if (!e)
        e = vos_verifiers_put_wanted(v, serial);
    if (!e)
        e = record_put(v, serial, vehicle);
    if (!e)
        e = env_store_commit(v->env);
    if (!e)
        vos_verifiers_wanted(v, serial, &before);
    return e;
}

void vos_verifiers_wanted(struct vos *v, const char *serial, const struct verifiers *before)
{
    const struct verifiers now = {.state = VERIFIERS_WANTED};
    count(v, is_open(before), true);
    claim_none(v, serial);
    enum err e = vos_verifiers_go_on(v, serial, &now);
    if (e)
        env_trace_reason(v->env, TRACE_FAIL, "PP-02/1", NULL, e, 0, serial);
}

void vos_verifiers_retired(struct vos *v, const char *serial, const struct verifiers *before)
{
    count(v, is_open(before), false);
    claim_none(v, serial);
}

enum err vos_push_verifiers(struct vos *v, const char *serial, bool burn)
{
    struct vehicle vehicle;
    struct verifiers r;
    enum err e = record_load(v, serial, &vehicle);
    if (!e && !vehicle.has_transport_key)
        e = ERR_TRANSPORT_KEY_MISSING;
    if (!e)
        e = vos_verifiers_get(v, serial, &r);
    if (e)
        return e;
    /* one is on its way: the same again */
    return is_open(&r) && !burn ? vos_verifiers_go_on(v, serial, &r)
                                : vos_verifiers_want(v, serial, &vehicle);
}

/* PP-02/1 */
static enum err store_derived(struct vos *v, const struct deriving *d, struct span derived,
                              struct verifiers *r)
{
    *r = (struct verifiers){.state = VERIFIERS_PUSHED, .scrypt_n = d->scrypt_n};
    env_random(v->env, r->set_id, VOS_SET_ID);
    memcpy(r->salt, d->salt, SPAKE2P_SALT);
    enum err e = vos_verifiers_put(v, d->serial, r);
    if (!e)
        e = vos_verifiers_put_secrets(v, d->serial, derived.p, d->password);
    return e ? e : env_store_commit(v->env);
}

void vos_verifiers_on_derived(struct vos *v, enum err e, struct span derived)
{
    struct deriving d = vos_derive_take(v);
    struct verifiers r;
    if (!e)
        e = derived.len == VOS_SECRETS ? vos_verifiers_get(v, d.serial, &r) : ERR_INTERNAL;
    if (!e && r.state != VERIFIERS_WANTED) {
        env_trace_note(v->env, TRACE_NOTE, "drops a verifier set: the identity was retired meanwhile");
        OPENSSL_cleanse(&d, sizeof d);
        return;
    }
    if (!e)
        e = store_derived(v, &d, derived, &r);
    if (!e) {
        env_trace_step(v->env, "PP-02/1", "derives a SPAKE2+ verifier set");
        e = push(v, d.serial, &r);
    }
    if (e)
        env_trace_reason(v->env, TRACE_FAIL, "PP-02/1", NULL, e, 0, NULL);
    OPENSSL_cleanse(&d, sizeof d);
}

/* ---- the report ---- */

/* PP-02/6: of the set that was pushed; what was used stays used. */
static enum err take_status(const Spaak__V1__Spake2VerifierSetStatus *m, struct verifiers *r)
{
    if (r->state == VERIFIERS_NONE || r->state == VERIFIERS_WANTED ||
        !span_equal(span_of(m->set_id.data, m->set_id.len), span_of(r->set_id, VOS_SET_ID)))
        return ERR_STATUS_MISMATCH;
    if (m->status == SPAAK__V1__RESP_ENUM__RESP_ENUM_USED)
        r->state = VERIFIERS_USED;
    else if (m->status == SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED && r->state != VERIFIERS_USED)
        r->state = VERIFIERS_STORED;
    else
        return ERR_STATUS_MISMATCH;
    return ERR_OK;
}

static enum err store_status(struct vos *v, const char *serial, const struct verifiers *r,
                             const struct vehicle *vehicle)
{
    enum err e = vos_verifiers_put(v, serial, r);
    if (!e && r->state == VERIFIERS_USED)
        e = vos_verifiers_put_burnt(v, serial);
    if (!e)
        e = record_put(v, serial, vehicle); /* the order of its requests */
    return e ? e : env_store_commit(v->env);
}

enum err vos_on_verifier_status(struct vos *v, const struct msg_opened *m, struct vehicle *vehicle)
{
    uint8_t memory[256];
    struct msg_arena arena;
    struct verifiers r;
    const char *serial = m->header.ecu_serial;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__Spake2VerifierSetStatus *body =
        spaak__v1__spake2_verifier_set_status__unpack(&arena.allocator, m->body.len, m->body.p);
    if (!body)
        return ERR_MSG_MALFORMED;
    enum err e = vos_verifiers_get(v, serial, &r);
    bool was_open = is_open(&r);
    if (!e)
        e = take_status(body, &r);
    if (!e)
        e = store_status(v, serial, &r, vehicle);
    if (e)
        return e;
    count(v, was_open, false);
    if (r.state == VERIFIERS_USED)
        claim_none(v, serial);
    else
        claim(v, serial, &r);
    struct response response = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02,
        .type = SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK,
        .ecu_serial = serial,
        .request = &m->header,
        .step = "PP-02/7",
    };
    return responder_send(&v->responder, &response);
}
