/* PP-02, vehicle side: 3 verify the set that the VOS has pushed, 4 store it, 5 report it, 8 the VOS has
 * acknowledged.
 *
 * w0 and L come sealed to the transport key; password and w1 never come here. A set that is there already is
 * reported again, never stored again; one that was deleted does not come back. A restart goes on from the
 * store: what is wanted is asked for, what is not acknowledged is reported. */
#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/pairing.h"
#include "lib/ccc/ecies.h"

#define BODY_MAX 512
#define REPORT   48

static enum err check_form(const Spaak__V1__Spake2VerifierSet *m, struct spake2p_scrypt *scrypt)
{
    *scrypt =
        (struct spake2p_scrypt){.n = m->scrypt_n, .r = (uint16_t)m->scrypt_r, .p = (uint16_t)m->scrypt_p};
    if (m->set_id.len != SPAAK_SET_ID || m->ephemeral_key.len != P256_POINT || m->salt.len != SPAKE2P_SALT ||
        m->sealed.len != SPAAK_SECRETS + ECIES_OVERHEAD || m->scrypt_r > UINT16_MAX ||
        m->scrypt_p > UINT16_MAX)
        return ERR_VERIFIERS_MALFORMED;
    memcpy(scrypt->salt, m->salt.data, SPAKE2P_SALT);
    return spake2p_scrypt_acceptable(scrypt) ? ERR_OK : ERR_VERIFIERS_MALFORMED;
}

static enum err unseal(struct spaak *s, const Spaak__V1__Spake2VerifierSet *m, struct verifier_set *out)
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
static enum err open_set(struct spaak *s, struct span body, struct verifier_set *out)
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
    memcpy(out->id, m->set_id.data, SPAAK_SET_ID);
    struct wr w = wr_of(out->scrypt, sizeof out->scrypt);
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

static bool is_there(struct spaak *s, const char *key)
{
    uint8_t flag;
    size_t len;
    return env_store_get(s->env, key, &flag, sizeof flag, &len) == ERR_OK;
}

/* PP-02/5: of the set in force that it is stored, of the last one that it was used. */
static void report(struct spaak *s, const char *id_at, Spaak__V1__RespEnum status)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_PP_02,
                                     SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET_STATUS, SPAAK_VOS,
                                     "PP-02/5"};
    uint8_t id[SPAAK_SET_ID], body[REPORT];
    size_t len;
    Spaak__V1__Spake2VerifierSetStatus m = SPAAK__V1__SPAKE2_VERIFIER_SET_STATUS__INIT;
    if (env_store_get(s->env, id_at, id, sizeof id, &len))
        return;
    requester_stop(&s->verifiers);
    requester_begin(&s->verifiers);
    m.status = status;
    m.set_id = (ProtobufCBinaryData){len, id};
    requester_send(&s->verifiers, &r, span_of(body, spaak__v1__spake2_verifier_set_status__pack(&m, body)));
}

static void report_stored(struct spaak *s)
{
    report(s, SPAAK_VERIFIERS_ID, SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED);
}

void verifiers_go_on(struct spaak *s)
{
    if (!s->tbm_ready)
        return;
    if (verifiers_wanted(s))
        verifiers_ask(s);
    else if (is_there(s, SPAAK_VERIFIERS_USED))
        report(s, SPAAK_VERIFIERS_BURNT, SPAAK__V1__RESP_ENUM__RESP_ENUM_USED);
    else if (!is_there(s, SPAAK_VERIFIERS_REPORTED))
        report_stored(s);
}

/* PP-02/3, /4 */
static enum err take_set(struct spaak *s, const struct spaak_message *m, const struct verifier_set *set)
{
    if (verifiers_is_burnt(s, set->id))
        return ERR_VERIFIERS_BURNT;
    messages_trace_accept(s, m, "PP-02/3");
    return verifiers_is_stored(s, set->id) ? ERR_OK : verifiers_store(s, set, m->opened.header.issued_at_ms);
}

enum err verifiers_on_set(struct spaak *s, const struct spaak_message *m)
{
    struct verifier_set set;
    enum err e = check_fresh(s, m->opened.header.issued_at_ms);
    if (!e)
        e = open_set(s, m->opened.body, &set);
    if (!e)
        e = take_set(s, m, &set);
    OPENSSL_cleanse(&set, sizeof set);
    if (e)
        return e;
    report_stored(s);
    pairing_on_verifiers(s);
    return ERR_OK;
}

/* What was acknowledged is what the last request has reported. */
static enum err store_acknowledged(struct spaak *s)
{
    if (is_there(s, SPAAK_VERIFIERS_USED))
        env_store_delete(s->env, SPAAK_VERIFIERS_USED);
    else
        env_store_put(s->env, SPAAK_VERIFIERS_REPORTED, span_of("\1", 1));
    return env_store_commit(s->env);
}

enum err verifiers_on_ack(struct spaak *s, const struct spaak_message *m)
{
    enum err e = requester_check(&s->verifiers, &m->opened.header);
    if (!e && s->verifiers.request->type != SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET_STATUS)
        e = ERR_MSG_UNEXPECTED;
    if (e)
        return e;
    messages_trace_accept(s, m, "PP-02/8");
    if (m->opened.header.error) {
        requester_give_up(&s->verifiers, m->opened.header.error);
        return ERR_OK;
    }
    e = store_acknowledged(s);
    if (e)
        return e;
    requester_stop(&s->verifiers);
    verifiers_claim(s);
    env_trace_state(s->env, verifiers_are_stored(s) ? "verifiers in force" : "verifiers used");
    return ERR_OK;
}

void verifiers_on_tbm_ready(struct spaak *s)
{
    if (s->verifiers.state == REQUESTER_IDLE)
        verifiers_go_on(s);
}

static void on_requester(void *owner, enum requester_state state)
{
    struct spaak *s = owner;
    bool asks = s->verifiers.request && s->verifiers.request->use_case == SPAAK__V1__USE_CASE__USE_CASE_PP_03;
    if (state == REQUESTER_WAITS)
        env_trace_state(s->env,
                        asks ? "asks for verifiers" : "waits for the acknowledgement of its verifiers");
    else
        env_trace_state(s->env, asks ? "backs off without verifiers" : "backs off with its verifiers");
}

static void resume(void *owner)
{
    verifiers_go_on(owner);
}

void verifiers_init(struct spaak *s)
{
    static const struct requester_ops ops = {messages_transmit, messages_reachable, on_requester, resume};
    messages_requester_init(s, &s->verifiers, SPAAK_TIMER_VERIFIERS, &ops);
}

enum err verifiers_load(struct spaak *s)
{
    enum err e = ERR_OK;
    if (verifiers_are_stored(s) && verifiers_attempts(s) >= SPAKE2P_ATTEMPTS_MAX)
        e = verifiers_burn(s);
    verifiers_claim(s);
    return e;
}
