/* PP-02, vehicle side: 3 verify the set that the VOS has pushed, 4 store it, 5 report it, 8 the VOS has
 * acknowledged.
 *
 * w0 and L come sealed to the transport key; password and w1 never come here. A set that is there already is
 * reported again, never stored again. A restart goes on from the store: what is not acknowledged is reported.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/spake2p.h"

#define SET_ID   16
#define SECRETS  (P256_SCALAR + P256_POINT) /* w0 || L, as they are sealed */
#define PARAMS   (SPAKE2P_SALT + 4)         /* salt || N, as they are stored */
#define BODY_MAX 512
#define REPORT   48

/* A set that was opened and checked; wiped by whoever has it. */
struct set {
    uint8_t id[SET_ID], params[PARAMS], secrets[SECRETS];
};

static enum err check_form(const Spaak__V1__Spake2VerifierSet *m, struct spake2p_scrypt *scrypt)
{
    *scrypt =
        (struct spake2p_scrypt){.n = m->scrypt_n, .r = (uint16_t)m->scrypt_r, .p = (uint16_t)m->scrypt_p};
    if (m->set_id.len != SET_ID || m->ephemeral_key.len != P256_POINT || m->salt.len != SPAKE2P_SALT ||
        m->sealed.len != SECRETS + ECIES_OVERHEAD || m->scrypt_r > UINT16_MAX || m->scrypt_p > UINT16_MAX)
        return ERR_VERIFIERS_MALFORMED;
    memcpy(scrypt->salt, m->salt.data, SPAKE2P_SALT);
    return spake2p_scrypt_acceptable(scrypt) ? ERR_OK : ERR_VERIFIERS_MALFORMED;
}

static enum err unseal(struct spaak *s, const Spaak__V1__Spake2VerifierSet *m, struct set *out)
{
    struct spake2p_verifier_set checked;
    struct p256_key *key = NULL;
    enum err e = identity_transport_key(s, &key);
    if (e)
        return e;
    e = ecies_open(s->env->crypto, key, m->ephemeral_key.data, span_of(m->sealed.data, m->sealed.len),
                   out->secrets);
    p256_free(key);
    if (e)
        return ERR_VERIFIERS_NOT_FOR_US;
    e = spake2p_verifier_set_make(s->env->crypto, out->secrets, out->secrets + P256_SCALAR, &checked);
    OPENSSL_cleanse(&checked, sizeof checked);
    return e ? ERR_VERIFIERS_MALFORMED : ERR_OK;
}

/* PP-02/3 */
static enum err open_set(struct spaak *s, struct span body, struct set *out)
{
    uint8_t memory[BODY_MAX];
    struct msg_arena arena;
    struct spake2p_scrypt scrypt;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__Spake2VerifierSet *m =
        spaak__v1__spake2_verifier_set__unpack(&arena.allocator, body.len, body.p);
    if (!m)
        return ERR_MSG_MALFORMED;
    enum err e = check_form(m, &scrypt);
    if (!e)
        e = unseal(s, m, out);
    if (e)
        return e;
    memcpy(out->id, m->set_id.data, SET_ID);
    struct wr w = wr_of(out->params, sizeof out->params);
    wr_copy(&w, scrypt.salt, SPAKE2P_SALT);
    wr_be32(&w, scrypt.n);
    return ERR_OK;
}

/* Nothing older than the newest push obeyed. */
static enum err check_fresh(struct spaak *s, int64_t issued_at_ms)
{
    uint8_t stored[8] = {0};
    size_t len;
    env_store_get(s->env, SPAAK_VERIFIERS_LAST, stored, sizeof stored, &len);
    struct rd r = rd_of(stored, sizeof stored);
    return issued_at_ms < (int64_t)rd_be64(&r) ? ERR_MSG_REPLAYED : ERR_OK;
}

static bool is_stored(struct spaak *s, const uint8_t id[SET_ID])
{
    uint8_t stored[SET_ID];
    size_t len;
    return env_store_get(s->env, SPAAK_VERIFIERS_ID, stored, sizeof stored, &len) == ERR_OK &&
           len == SET_ID && memcmp(stored, id, SET_ID) == 0;
}

/* PP-02/4 */
static enum err store_set(struct spaak *s, const struct set *set, int64_t issued_at_ms)
{
    uint8_t now[8];
    struct wr w = wr_of(now, sizeof now);
    wr_be64(&w, (uint64_t)issued_at_ms);
    env_store_put(s->env, SPAAK_VERIFIERS_ID, span_of(set->id, SET_ID));
    env_store_put(s->env, SPAAK_VERIFIERS_W0, span_of(set->secrets, P256_SCALAR));
    env_store_put(s->env, SPAAK_VERIFIERS_L, span_of(set->secrets + P256_SCALAR, P256_POINT));
    env_store_put(s->env, SPAAK_VERIFIERS_SCRYPT, span_of(set->params, PARAMS));
    env_store_put(s->env, SPAAK_VERIFIERS_LAST, span_of(now, sizeof now));
    env_store_delete(s->env, SPAAK_VERIFIERS_REPORTED);
    enum err e = env_store_commit(s->env);
    if (e)
        return e;
    env_claim(s->env, SPAAK_CLAIM_VERIFIERS, s->serial, (struct span){NULL, 0});
    env_trace_step(s->env, "PP-02/4", "stores SPAKE2+ verifier set");
    return ERR_OK;
}

/* PP-02/5 */
static void report(struct spaak *s)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_PP_02,
                                     SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET_STATUS, SPAAK_VOS,
                                     "PP-02/5"};
    uint8_t id[SET_ID], body[REPORT];
    size_t len;
    Spaak__V1__Spake2VerifierSetStatus m = SPAAK__V1__SPAKE2_VERIFIER_SET_STATUS__INIT;
    if (env_store_get(s->env, SPAAK_VERIFIERS_ID, id, sizeof id, &len))
        return;
    requester_stop(&s->verifiers);
    requester_begin(&s->verifiers);
    m.status = SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED;
    m.set_id = (ProtobufCBinaryData){len, id};
    requester_send(&s->verifiers, &r, span_of(body, spaak__v1__spake2_verifier_set_status__pack(&m, body)));
}

static bool is_reported(struct spaak *s)
{
    uint8_t flag;
    size_t len;
    return env_store_get(s->env, SPAAK_VERIFIERS_REPORTED, &flag, sizeof flag, &len) == ERR_OK;
}

enum err verifiers_on_set(struct spaak *s, const struct spaak_message *m)
{
    struct set set;
    int64_t issued_at_ms = m->opened.header.issued_at_ms;
    enum err e = check_fresh(s, issued_at_ms);
    if (!e)
        e = open_set(s, m->opened.body, &set);
    if (!e) {
        messages_trace_accept(s, m, "PP-02/3");
        e = is_stored(s, set.id) ? ERR_OK : store_set(s, &set, issued_at_ms);
    }
    OPENSSL_cleanse(&set, sizeof set);
    if (!e)
        report(s);
    return e;
}

enum err verifiers_on_ack(struct spaak *s, const struct spaak_message *m)
{
    enum err e = requester_check(&s->verifiers, &m->opened.header);
    if (e)
        return e;
    messages_trace_accept(s, m, "PP-02/8");
    if (m->opened.header.error) {
        requester_give_up(&s->verifiers, m->opened.header.error);
        return ERR_OK;
    }
    env_store_put(s->env, SPAAK_VERIFIERS_REPORTED, span_of("\1", 1));
    e = env_store_commit(s->env);
    if (e)
        return e;
    requester_stop(&s->verifiers);
    verifiers_claim(s);
    env_trace_state(s->env, "verifiers in force");
    return ERR_OK;
}

void verifiers_claim(struct spaak *s)
{
    uint8_t set[SET_ID + SECRETS];
    size_t len;
    if (!is_reported(s) || env_store_get(s->env, SPAAK_VERIFIERS_ID, set, SET_ID, &len) ||
        env_store_get(s->env, SPAAK_VERIFIERS_W0, set + SET_ID, P256_SCALAR, &len) ||
        env_store_get(s->env, SPAAK_VERIFIERS_L, set + SET_ID + P256_SCALAR, P256_POINT, &len))
        return;
    env_claim(s->env, SPAAK_CLAIM_VERIFIERS, s->serial, span_of(set, sizeof set));
    OPENSSL_cleanse(set, sizeof set);
}

static void report_what_is_open(struct spaak *s)
{
    if (!is_reported(s))
        report(s);
}

void verifiers_on_tbm_ready(struct spaak *s)
{
    if (s->verifiers.state == REQUESTER_IDLE)
        report_what_is_open(s);
}

static void on_requester(void *owner, enum requester_state state)
{
    struct spaak *s = owner;
    env_trace_state(s->env, state == REQUESTER_WAITS ? "waits for the acknowledgement of its verifiers"
                                                     : "backs off with its verifiers");
}

static void resume(void *owner)
{
    report_what_is_open(owner);
}

void verifiers_init(struct spaak *s)
{
    static const struct requester_ops ops = {messages_transmit, messages_reachable, on_requester, resume};
    messages_requester_init(s, &s->verifiers, SPAAK_TIMER_VERIFIERS, &ops);
}
