/* A verifier set in the store of the SpaaK Module: in force with w0, L and what scrypt took; its attempts;
 * and what is left of it when it is deleted: its id, so that a push that comes late does not bring it back.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"

static bool is_there(struct spaak *s, const char *key)
{
    uint8_t flag;
    size_t len;
    return env_store_get(s->env, key, &flag, sizeof flag, &len) == ERR_OK;
}

static bool is_id(struct spaak *s, const char *key, const uint8_t id[SPAAK_SET_ID])
{
    uint8_t stored[SPAAK_SET_ID];
    size_t len;
    return env_store_get(s->env, key, stored, sizeof stored, &len) == ERR_OK && len == SPAAK_SET_ID &&
           memcmp(stored, id, SPAAK_SET_ID) == 0;
}

bool verifiers_are_stored(struct spaak *s)
{
    uint8_t id[SPAAK_SET_ID];
    size_t len;
    return env_store_get(s->env, SPAAK_VERIFIERS_ID, id, sizeof id, &len) == ERR_OK;
}

bool verifiers_is_stored(struct spaak *s, const uint8_t id[SPAAK_SET_ID])
{
    return is_id(s, SPAAK_VERIFIERS_ID, id);
}

bool verifiers_is_burnt(struct spaak *s, const uint8_t id[SPAAK_SET_ID])
{
    return is_id(s, SPAAK_VERIFIERS_BURNT, id);
}

static void claim_none(struct spaak *s)
{
    env_claim(s->env, SPAAK_CLAIM_VERIFIERS, s->serial, (struct span){NULL, 0});
}

enum err verifiers_store(struct spaak *s, const struct verifier_set *set, int64_t issued_at_ms)
{
    uint8_t now[8];
    struct wr w = wr_of(now, sizeof now);
    wr_be64(&w, (uint64_t)issued_at_ms);
    env_store_put(s->env, SPAAK_VERIFIERS_ID, span_of(set->id, SPAAK_SET_ID));
    env_store_put(s->env, SPAAK_VERIFIERS_W0, span_of(set->secrets, P256_SCALAR));
    env_store_put(s->env, SPAAK_VERIFIERS_L, span_of(set->secrets + P256_SCALAR, P256_POINT));
    env_store_put(s->env, SPAAK_VERIFIERS_SCRYPT, span_of(set->scrypt, SPAAK_SCRYPT));
    env_store_put(s->env, SPAAK_VERIFIERS_LAST, span_of(now, sizeof now));
    env_store_delete(s->env, SPAAK_VERIFIERS_REPORTED);
    env_store_delete(s->env, SPAAK_VERIFIERS_ATTEMPTS);
    env_store_delete(s->env, SPAAK_VERIFIERS_USED);
    env_store_delete(s->env, SPAAK_VERIFIERS_WANTED);
    enum err e = env_store_commit(s->env);
    if (e)
        return e;
    s->retest = true;
    claim_none(s);
    env_trace_step(s->env, "PP-02/4", "stores SPAKE2+ verifier set");
    return ERR_OK;
}

/* ---- attempts ---- */

uint8_t verifiers_attempts(struct spaak *s)
{
    uint8_t attempts;
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_VERIFIERS_ATTEMPTS, &attempts, sizeof attempts, &len);
    return e ? 0 : attempts;
}

enum err verifiers_store_attempts(struct spaak *s, uint8_t attempts)
{
    env_store_put(s->env, SPAAK_VERIFIERS_ATTEMPTS, span_of(&attempts, 1));
    return env_store_commit(s->env);
}

/* ---- the end of a set ---- */

static void put_deleted(struct spaak *s)
{
    static const char *const gone[] = {SPAAK_VERIFIERS_ID,       SPAAK_VERIFIERS_W0,
                                       SPAAK_VERIFIERS_L,        SPAAK_VERIFIERS_SCRYPT,
                                       SPAAK_VERIFIERS_REPORTED, SPAAK_VERIFIERS_ATTEMPTS};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
        env_store_delete(s->env, gone[i]);
}

/* What follows upon it stands under `next`, one byte. */
static enum err delete_set(struct spaak *s, const char *next, uint8_t value)
{
    uint8_t id[SPAAK_SET_ID];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_VERIFIERS_ID, id, sizeof id, &len);
    if (e)
        return e;
    put_deleted(s);
    env_store_put(s->env, SPAAK_VERIFIERS_BURNT, span_of(id, len));
    env_store_put(s->env, next, span_of(&value, 1));
    e = env_store_commit(s->env);
    if (e)
        return e;
    s->retest = true;
    claim_none(s);
    return ERR_OK;
}

enum err verifiers_store_burnt(struct spaak *s)
{
    return delete_set(s, SPAAK_VERIFIERS_WANTED, VERIFIERS_USED_UP);
}

enum err verifiers_store_used(struct spaak *s)
{
    return delete_set(s, SPAAK_VERIFIERS_USED, 1);
}

void verifiers_put_retired(struct spaak *s)
{
    put_deleted(s);
    env_store_delete(s->env, SPAAK_VERIFIERS_BURNT);
    env_store_delete(s->env, SPAAK_VERIFIERS_USED);
    env_store_delete(s->env, SPAAK_VERIFIERS_WANTED);
}

/* ---- asking ---- */

verifier_reason verifiers_wanted(struct spaak *s)
{
    uint8_t reason;
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_VERIFIERS_WANTED, &reason, sizeof reason, &len);
    return e ? SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_UNSPECIFIED : (verifier_reason)reason;
}

enum err verifiers_store_wanted(struct spaak *s, verifier_reason reason)
{
    uint8_t value = (uint8_t)reason;
    env_store_put(s->env, SPAAK_VERIFIERS_WANTED, span_of(&value, 1));
    return env_store_commit(s->env);
}

void verifiers_claim(struct spaak *s)
{
    uint8_t set[SPAAK_SET_ID + SPAAK_SECRETS];
    size_t len;
    if (!is_there(s, SPAAK_VERIFIERS_REPORTED) ||
        env_store_get(s->env, SPAAK_VERIFIERS_ID, set, SPAAK_SET_ID, &len) ||
        env_store_get(s->env, SPAAK_VERIFIERS_W0, set + SPAAK_SET_ID, P256_SCALAR, &len) ||
        env_store_get(s->env, SPAAK_VERIFIERS_L, set + SPAAK_SET_ID + P256_SCALAR, P256_POINT, &len))
        return;
    env_claim(s->env, SPAAK_CLAIM_VERIFIERS, s->serial, span_of(set, sizeof set));
    OPENSSL_cleanse(set, sizeof set);
}
