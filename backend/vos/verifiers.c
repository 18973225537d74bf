/* PP-02, server side: 1 draw a password, derive the SPAKE2+ verifier set from it, store it, 2 push it sealed
 * to the ECU's transport key until the vehicle reports it, 6 verify the report, 7 acknowledge.
 *
 * The password stays here for the owner; w1 is forgotten as soon as L is made. Every push of a set carries
 * the same values, sealed anew. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/spake2p.h"

#define SECRETS    (P256_SCALAR + P256_POINT) /* w0 || L */
#define WORK_IN    (VOS_PASSWORD + SPAKE2P_SALT)
#define SCRYPT_N   SPAKE2P_N_MIN
#define RECORD_MAX 128

/* ---- the work: scrypt, apart from everything else ---- */

enum err vos_derive(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    struct spake2p_scrypt scrypt = {.n = SCRYPT_N, .r = SPAKE2P_R, .p = SPAKE2P_P};
    if (in.len != WORK_IN || cap < VOS_DERIVED)
        return ERR_BAD_ARGUMENT;
    struct crypto *c = crypto_new(NULL); /* draws nothing from it */
    if (!c)
        return ERR_NO_MEMORY;
    memcpy(scrypt.salt, in.p + VOS_PASSWORD, SPAKE2P_SALT);
    enum err e = spake2p_derive(c, span_of(in.p, VOS_PASSWORD), &scrypt, out, out + P256_SCALAR);
    crypto_free(c);
    *len = VOS_DERIVED;
    return e;
}

/* ---- the store ---- */

static void key_of(char out[ENV_KEY_MAX], const char *prefix, const char *serial, const char *part)
{
    snprintf(out, ENV_KEY_MAX, "%s%s%s", prefix, serial, part);
}

static enum err get_secrets(struct vos *v, const char *serial, uint8_t out[SECRETS])
{
    char key[ENV_KEY_MAX];
    size_t len;
    key_of(key, VOS_VERIFIER_SECRETS, serial, "/w0");
    enum err e = env_store_get(v->env, key, out, P256_SCALAR, &len);
    key_of(key, VOS_VERIFIER_SECRETS, serial, "/l");
    if (!e)
        e = env_store_get(v->env, key, out + P256_SCALAR, P256_POINT, &len);
    return e;
}

static enum err get_record(struct vos *v, const char *serial, struct verifiers *out)
{
    char key[ENV_KEY_MAX];
    uint8_t stored[RECORD_MAX], memory[512];
    size_t len;
    struct msg_arena arena;
    key_of(key, VOS_VERIFIERS_PREFIX, serial, "");
    enum err e = env_store_get(v->env, key, stored, sizeof stored, &len);
    if (e)
        return e;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__VerifierRecord *m = backend__v1__verifier_record__unpack(&arena.allocator, len, stored);
    if (!m || m->set_id.len != VOS_SET_ID || m->salt.len != SPAKE2P_SALT)
        return ERR_STORE_FAILED;
    out->state = m->state;
    out->scrypt_n = m->scrypt_n;
    memcpy(out->set_id, m->set_id.data, VOS_SET_ID);
    memcpy(out->salt, m->salt.data, SPAKE2P_SALT);
    return ERR_OK;
}

static enum err put_record(struct vos *v, const char *serial, const struct verifiers *r)
{
    struct verifiers copy = *r;
    char key[ENV_KEY_MAX];
    uint8_t out[RECORD_MAX];
    Backend__V1__VerifierRecord m = BACKEND__V1__VERIFIER_RECORD__INIT;
    m.state = copy.state;
    m.set_id = (ProtobufCBinaryData){VOS_SET_ID, copy.set_id};
    m.salt = (ProtobufCBinaryData){SPAKE2P_SALT, copy.salt};
    m.scrypt_n = copy.scrypt_n;
    key_of(key, VOS_VERIFIERS_PREFIX, serial, "");
    return env_store_put(v->env, key, span_of(out, backend__v1__verifier_record__pack(&m, out)));
}

static enum err put_secret(struct vos *v, const char *serial, const char *part, struct span value)
{
    char key[ENV_KEY_MAX];
    key_of(key, VOS_VERIFIER_SECRETS, serial, part);
    return env_store_put(v->env, key, value);
}

static void claim(struct vos *v, const char *serial, const struct verifiers *r)
{
    uint8_t set[VOS_SET_ID + SECRETS];
    memcpy(set, r->set_id, VOS_SET_ID);
    if (r->state == BACKEND__V1__VERIFIER_RECORD__STATE__STATE_STORED &&
        get_secrets(v, serial, set + VOS_SET_ID) == ERR_OK)
        env_claim(v->env, VOS_CLAIM_VERIFIERS, serial, span_of(set, sizeof set));
    OPENSSL_cleanse(set, sizeof set);
}

/* ---- pushing ---- */

static enum err seal(struct vos *v, const struct vehicle *vehicle, const char *serial,
                     uint8_t ephemeral_point[P256_POINT], uint8_t sealed[SECRETS + ECIES_OVERHEAD])
{
    uint8_t secrets[SECRETS];
    struct p256_key *ephemeral = NULL;
    enum err e = get_secrets(v, serial, secrets);
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
    uint8_t point[P256_POINT], sealed[SECRETS + ECIES_OVERHEAD], body[320];
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

struct scan {
    struct vos *v;
    bool push; /* else claim */
};

static void each_record(void *ctx, const char *key, struct span value)
{
    const struct scan *scan = ctx;
    const char *serial = key + strlen(VOS_VERIFIERS_PREFIX);
    struct verifiers r;
    (void)value;
    if (get_record(scan->v, serial, &r))
        return;
    bool pushed = r.state == BACKEND__V1__VERIFIER_RECORD__STATE__STATE_PUSHED;
    if (scan->push && pushed)
        push(scan->v, serial, &r);
    if (scan->push)
        return;
    scan->v->pushed += pushed;
    claim(scan->v, serial, &r);
}

void verifiers_push_again(struct vos *v)
{
    struct scan scan = {v, true};
    env_store_scan(v->env, VOS_VERIFIERS_PREFIX, each_record, &scan);
}

enum err verifiers_claim_all(struct vos *v)
{
    struct scan scan = {v, false};
    return env_store_scan(v->env, VOS_VERIFIERS_PREFIX, each_record, &scan);
}

/* ---- deriving ---- */

static void draw_password(struct vos *v, uint8_t out[VOS_PASSWORD])
{
    for (size_t i = 0; i < VOS_PASSWORD;) {
        uint8_t byte;
        env_random(v->env, &byte, 1);
        if (byte < 250) /* ten digits, each as likely */
            out[i++] = (uint8_t)('0' + byte % 10);
    }
}

enum err vos_push_verifiers(struct vos *v, const char *serial)
{
    struct vehicle vehicle;
    struct verifiers r;
    uint8_t in[WORK_IN];
    struct deriving *d = &v->deriving[v->deriving_count];
    enum err e = record_load(v, serial, &vehicle);
    if (!e && !vehicle.has_transport_key)
        e = ERR_TRANSPORT_KEY_MISSING;
    if (!e && get_record(v, serial, &r) == ERR_OK &&
        r.state == BACKEND__V1__VERIFIER_RECORD__STATE__STATE_PUSHED)
        return push(v, serial, &r); /* one is on its way: the same again */
    if (!e && v->deriving_count == VOS_DERIVING_MAX)
        e = ERR_BUSY;
    if (e)
        return e;
    draw_password(v, in);
    env_random(v->env, in + VOS_PASSWORD, SPAKE2P_SALT);
    e = env_work(v->env, VOS_WORK_DERIVE, span_of(in, sizeof in));
    if (!e) {
        text_copy(d->serial, sizeof d->serial, serial);
        memcpy(d->password, in, VOS_PASSWORD);
        memcpy(d->salt, in + VOS_PASSWORD, SPAKE2P_SALT);
        v->deriving_count++;
    }
    OPENSSL_cleanse(in, sizeof in);
    return e;
}

/* PP-02/1: what was drawn and derived is kept, w1 is not. */
static enum err store_derived(struct vos *v, const struct deriving *d, struct span derived,
                              struct verifiers *r)
{
    struct spake2p_verifier_set set;
    enum err e = spake2p_register(v->env->crypto, derived.p, derived.p + P256_SCALAR, &set);
    *r = (struct verifiers){.state = BACKEND__V1__VERIFIER_RECORD__STATE__STATE_PUSHED, .scrypt_n = SCRYPT_N};
    env_random(v->env, r->set_id, VOS_SET_ID);
    memcpy(r->salt, d->salt, SPAKE2P_SALT);
    if (!e)
        e = put_record(v, d->serial, r);
    if (!e)
        e = put_secret(v, d->serial, "/w0", span_of(set.w0, P256_SCALAR));
    if (!e)
        e = put_secret(v, d->serial, "/l", span_of(set.l, P256_POINT));
    if (!e)
        e = put_secret(v, d->serial, "/password", span_of(d->password, VOS_PASSWORD));
    if (!e)
        e = env_store_commit(v->env);
    OPENSSL_cleanse(&set, sizeof set);
    return e;
}

void verifiers_on_derived(struct vos *v, enum err e, struct span derived)
{
    struct deriving d = v->deriving[0];
    struct verifiers r;
    memmove(v->deriving, v->deriving + 1, --v->deriving_count * sizeof d);
    if (!e)
        e = derived.len == VOS_DERIVED ? store_derived(v, &d, derived, &r) : ERR_INTERNAL;
    if (!e) {
        v->pushed++;
        env_trace_step(v->env, "PP-02/1", "derives a SPAKE2+ verifier set");
        env_claim(v->env, VOS_CLAIM_VERIFIERS, d.serial, (struct span){NULL, 0});
        e = push(v, d.serial, &r);
    }
    if (e)
        env_trace_reason(v->env, TRACE_FAIL, "PP-02/1", NULL, e, 0, NULL);
    OPENSSL_cleanse(&d, sizeof d);
}

/* ---- the report ---- */

enum err vos_on_verifier_status(struct vos *v, const struct msg_opened *m, struct vehicle *vehicle)
{
    uint8_t memory[256];
    struct msg_arena arena;
    struct verifiers r;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__Spake2VerifierSetStatus *body =
        spaak__v1__spake2_verifier_set_status__unpack(&arena.allocator, m->body.len, m->body.p);
    if (!body)
        return ERR_MSG_MALFORMED;
    enum err e = get_record(v, m->header.ecu_serial, &r);
    if (e || body->status != SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED ||
        !span_equal(span_of(body->set_id.data, body->set_id.len), span_of(r.set_id, VOS_SET_ID)))
        return ERR_STATUS_MISMATCH;
    bool first = r.state == BACKEND__V1__VERIFIER_RECORD__STATE__STATE_PUSHED;
    r.state = BACKEND__V1__VERIFIER_RECORD__STATE__STATE_STORED;
    e = put_record(v, m->header.ecu_serial, &r);
    if (!e)
        e = record_put(v, m->header.ecu_serial, vehicle); /* the order of its requests */
    if (!e)
        e = env_store_commit(v->env);
    if (e)
        return e;
    claim(v, m->header.ecu_serial, &r);
    v->pushed -= first;
    if (!v->pushed)
        env_timer_set(v->env, VOS_TIMER_VERIFIERS, ENV_NEVER);
    struct response response = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02,
        .type = SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK,
        .ecu_serial = m->header.ecu_serial,
        .request = &m->header,
        .step = "PP-02/7",
    };
    return responder_send(&v->responder, &response);
}
