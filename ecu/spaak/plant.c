/* The life of a module in the plant, as far as it is not certificates: its key pair (RP-02/1), its CSR
 * (RP-02/2), and what closes the plant behind it (RP-01/8, RP-02/8). How far it is stands in the store; each
 * step is one transaction or none, and can be asked for again. */
#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"

#define KEY_PAIR_MS 300

enum { KEY_MADE, KEY_THERE, KEY_NONE };
enum { CLOSED, CLOSED_ALREADY };

enum plant_life plant_life(struct spaak *s)
{
    uint8_t life;
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_PLANT_LIFE, &life, sizeof life, &len);
    if (e == ERR_NOT_FOUND)
        return PLANT_OPEN;
    return !e && len == sizeof life && life >= PLANT_OPEN && life <= PLANT_DONE ? (enum plant_life)life
                                                                                : PLANT_UNREADABLE;
}

void plant_trace_life(struct spaak *s, enum plant_life life)
{
    static const char *const texts[] = {
        [PLANT_UNREADABLE] = "of an unknown life",
        [PLANT_OPEN] = "in the plant, its anchors not locked",
        [PLANT_LOCKED] = "in the plant, its anchors locked",
        [PLANT_DONE] = "finished by the plant",
    };
    env_trace_state(s->env, texts[life]);
}

bool plant_is_stored(struct spaak *s, const char *key)
{
    uint8_t any;
    size_t len;
    return env_store_get(s->env, key, &any, sizeof any, &len) != ERR_NOT_FOUND;
}

enum uds_nrc plant_refuse(struct spaak *s, enum uds_nrc nrc, const char *routine, enum err reason,
                          const char *detail)
{
    env_trace_reason(s->env, TRACE_REJECT, NULL, routine, reason, 0, detail);
    return nrc;
}

/* ---- key pair and CSR ---- */

static enum err load_key(struct spaak *s, struct p256_key **out)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_ECU_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(s->env->crypto, scalar, out) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err plant_identity_point(struct spaak *s, uint8_t out[P256_POINT])
{
    struct p256_key *key = NULL;
    enum err e = load_key(s, &key);
    if (!e)
        p256_public(key, out);
    p256_free(key);
    return e;
}

enum uds_nrc plant_make_key(void *spaak, const struct uds_routine_call *call, struct wr *out)
{
    struct spaak *s = spaak;
    bool there = plant_is_stored(s, SPAAK_ECU_KEY);
    if (call->part == UDS_ROUTINE_RESULTS) {
        wr_u8(out, there ? KEY_MADE : KEY_NONE);
        return UDS_OK;
    }
    if (there) {
        env_trace_step(s->env, "RP-02/1", "the identity key pair is there already");
        s->routine.keeps_nothing = true;
        wr_u8(out, KEY_THERE);
        return UDS_OK;
    }
    s->routine.pending = call->routine->id;
    s->routine.ticket = call->ticket;
    env_timer_in(s->env, SPAAK_TIMER_ROUTINE, KEY_PAIR_MS * 1000ull);
    return UDS_NRC_PENDING;
}

/* RP-02/1 */
void plant_end_key(struct spaak *s)
{
    static const uint8_t made = KEY_MADE;
    uint8_t scalar[P256_SCALAR];
    struct p256_key *key = NULL;
    enum err e = p256_generate(s->env->crypto, &key);
    if (!e)
        e = p256_private(key, scalar);
    if (!e)
        e = env_store_put(s->env, SPAAK_ECU_KEY, span_of(scalar, sizeof scalar));
    OPENSSL_cleanse(scalar, sizeof scalar);
    p256_free(key);
    s->routine.pending = 0;
    if (e) {
        diagnostic_done(&s->diagnostic, s->routine.ticket,
                        plant_refuse(s, UDS_NRC_PROGRAMMING, "generateIdentityKeyPair", e, NULL),
                        (struct span){0});
        return;
    }
    s->routine.step = "RP-02/1";
    s->routine.what = "makes the identity key pair";
    diagnostic_done(&s->diagnostic, s->routine.ticket, UDS_OK, span_of(&made, 1));
}

/* RP-02/2. The same bytes until the next start: who asks again gets what it got. */
static enum err make_csr(struct spaak *s)
{
    struct p256_key *key = NULL;
    enum err e = load_key(s, &key);
    if (!e && !s->routine.csr_len)
        e = csr_create(s->env->crypto, s->diagnostic.serial, key, s->routine.csr, &s->routine.csr_len);
    p256_free(key);
    if (!e)
        env_trace_step(s->env, "RP-02/2", "makes the CSR of the identity");
    return e;
}

enum uds_nrc plant_make_csr(void *spaak, const struct uds_routine_call *call, struct wr *out)
{
    static const char routine[] = "makeCsr";
    struct spaak *s = spaak;
    if (call->part == UDS_ROUTINE_RESULTS) {
        if (!s->routine.csr_len)
            return plant_refuse(s, UDS_NRC_SEQUENCE, routine, ERR_NOT_FOUND, "none was made since the start");
        wr_u8(out, 0x00);
        wr_copy(out, s->routine.csr, s->routine.csr_len);
        return UDS_OK;
    }
    enum err e = make_csr(s);
    if (e)
        return plant_refuse(s, e == ERR_NOT_FOUND ? UDS_NRC_CONDITIONS : UDS_NRC_PROGRAMMING, routine, e,
                            e == ERR_NOT_FOUND ? "no key pair" : NULL);
    wr_u8(out, 0x00);
    return UDS_OK;
}

/* ---- LOCK and DONE ---- */

static enum uds_nrc close_with(struct spaak *s, enum plant_life life, const char *step, const char *what,
                               struct wr *out)
{
    const uint8_t value = (uint8_t)life;
    enum err e = env_store_put(s->env, SPAAK_PLANT_LIFE, span_of(&value, 1));
    if (e)
        return plant_refuse(s, UDS_NRC_PROGRAMMING, "closePlant", e, NULL);
    s->routine.step = step;
    s->routine.what = what;
    s->routine.closes = true;
    wr_u8(out, CLOSED);
    return UDS_OK;
}

/* RP-01/8 */
static enum uds_nrc lock(struct spaak *s, struct wr *out)
{
    if (plant_life(s) != PLANT_OPEN) {
        env_trace_step(s->env, "RP-01/8", "the anchors are locked already");
        s->routine.keeps_nothing = true;
        wr_u8(out, CLOSED_ALREADY);
        return UDS_OK;
    }
    for (size_t i = 0; i < PLANT_SLOTS; i++)
        if (!plant_is_stored(s, plant_slot_key(i)))
            return plant_refuse(s, UDS_NRC_CONDITIONS, "closePlant", ERR_NOT_FOUND, plant_slot_key(i));
    return close_with(s, PLANT_LOCKED, "RP-01/8", "locks the anchors", out);
}

/* RP-02/8. What the finished module cannot live without is loaded before it says yes. */
static enum uds_nrc finish(struct spaak *s, struct wr *out)
{
    if (plant_life(s) != PLANT_LOCKED)
        return plant_refuse(s, UDS_NRC_CONDITIONS, "closePlant", ERR_PLANT_OPEN, "DONE before LOCK");
    enum err e = load_all(s);
    if (e)
        return plant_refuse(s, UDS_NRC_CONDITIONS, "closePlant", e, "anchors and identity");
    return close_with(s, PLANT_DONE, "RP-02/8", "is finished by the plant", out);
}

enum uds_nrc plant_end(void *spaak, const struct uds_routine_call *call, struct wr *out)
{
    struct spaak *s = spaak;
    if (span_is(call->options, "LOCK"))
        return lock(s, out);
    if (span_is(call->options, "DONE"))
        return finish(s, out);
    return plant_refuse(s, UDS_NRC_OUT_OF_RANGE, "closePlant", ERR_BAD_ARGUMENT, "neither LOCK nor DONE");
}

void plant_kept(struct spaak *s, bool kept)
{
    struct spaak_routine *r = &s->routine;
    const char *step = r->step;
    const bool closes = r->closes;
    r->step = NULL;
    r->closes = false;
    if (!step)
        return;
    enum plant_life life = plant_life(s);
    if (!kept) {
        if (!s->finished)
            load_nothing(s);
        env_trace_reason(s->env, TRACE_REJECT, NULL, r->what, ERR_STORE_FAILED, 0, NULL);
        return;
    }
    s->retest = true;
    s->finished = s->begins = life == PLANT_DONE;
    env_trace_step(s->env, step, r->what);
    if (closes)
        plant_trace_life(s, life);
    if (s->finished)
        uds_server_default_session(&s->diagnostic.server);
}
