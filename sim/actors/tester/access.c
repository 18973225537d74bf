/* The way to a module: the SGW's gate (29), then session and level of the module (10, 27). */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/signature.h"
#include "sim/actors/tester/tester_parts.h"

#define PROOF_LABEL "spaaksim-29"
#define LEVEL_PLANT 0x61
#define DELAYS_MAX  15 /* seconds that a module's delay of 10 s is waited for */

static const struct {
    const char *key, *certificate;
} roles[] = {
    [ROLE_EOL] = {TESTER_EOL_KEY, TESTER_EOL_CERTIFICATE},
    [ROLE_WORKSHOP] = {TESTER_SHOP_KEY, TESTER_SHOP_CERT},
};

/* ---- the gate ---- */

/* What an ECU calls itself becomes a key of the store, and stands in reports: a serial number or nothing. */
static bool take_text(struct span value, char out[UDS_SERIAL_LEN + 1])
{
    char text[UDS_SERIAL_LEN + 1] = "";
    memcpy(text, value.p, UDS_SERIAL_LEN);
    if (strlen(text) != UDS_SERIAL_LEN || !ecu_serial_ok(text))
        return false;
    text_copy(out, UDS_SERIAL_LEN + 1, text);
    return true;
}

struct outcome take_sgw_serial(struct bench *b, struct span answer)
{
    bool ok =
        answer.len == 3 + UDS_SERIAL_LEN && take_text(span_of(answer.p + 3, UDS_SERIAL_LEN), b->sgw_serial);
    return ok ? goes_on() : goes_wrong(ERR_UDS_ANSWER);
}

enum err build_certificate(struct bench *b, struct wr *w)
{
    uint8_t der[X509_MAX];
    size_t len;
    enum err e = store_get(b->tester, roles[b->job.role].certificate, der, sizeof der, &len);
    if (e)
        return e;
    wr_u8(w, 0); /* no configuration */
    wr_be16(w, (uint16_t)len);
    wr_copy(w, der, len);
    wr_be16(w, 0); /* one way: no challenge of ours */
    return ERR_OK;
}

struct outcome take_challenge(struct bench *b, struct span answer)
{
    struct rd r = rd_of(answer.p + 2, answer.len - 2);
    bool ok = rd_u8(&r) == UDS_AUTH_PROOF_NEEDED && rd_be16(&r) == CHALLENGE;
    rd_copy(&r, b->challenge, CHALLENGE);
    ok = rd_be16(&r) == 0 && ok && !r.failed && r.left == 0;
    return ok ? goes_on() : goes_wrong(ERR_UDS_ANSWER);
}

static enum err load_key(struct bench *b, struct p256_key **out)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = store_get(b->tester, roles[b->job.role].key, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(b->tester->env->crypto, scalar, out) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

/* Over the label, the challenge and the serial number of that SGW. */
enum err build_proof(struct bench *b, struct wr *w)
{
    uint8_t text[sizeof PROOF_LABEL - 1 + CHALLENGE + UDS_SERIAL_LEN], proof[SIGNATURE_SIZE];
    struct wr over = wr_of(text, sizeof text);
    struct p256_key *key;
    enum err e = load_key(b, &key);
    if (e)
        return e;
    wr_copy(&over, PROOF_LABEL, sizeof PROOF_LABEL - 1);
    wr_copy(&over, b->challenge, CHALLENGE);
    wr_copy(&over, b->sgw_serial, UDS_SERIAL_LEN);
    e = signature_make(b->tester->env->crypto, span_of(text, over.len), key, proof);
    p256_free(key);
    wr_be16(w, SIGNATURE_SIZE);
    wr_copy(w, proof, sizeof proof);
    wr_be16(w, 0); /* no session key is wanted */
    return e;
}

struct outcome take_gate_open(struct bench *b, struct span answer)
{
    static const uint8_t complete[] = {UDS_SID_AUTHENTICATION + UDS_POSITIVE, UDS_AUTH_PROOF,
                                       UDS_AUTH_COMPLETE, 0, 0};
    if (!span_equal(answer, span_of(complete, sizeof complete)))
        return goes_wrong(ERR_UDS_ANSWER);
    connection_keep_alive(&b->con, true);
    return goes_on();
}

/* ---- the module ---- */

/* Nothing is to be collected from a module that has its certificate. */
static struct outcome is_done_already(struct bench *b)
{
    enum err e = batch_ended(b, ERR_OK);
    return e ? goes_wrong(e) : goes_to(STEP_MODULE_DEFAULT);
}

/* Where a job goes on, by the life that the module is in: what was done before a cut is not asked for again.
 */
static struct outcome by_life(struct bench *b)
{
    uint8_t life = b->job.life;
    switch (b->job.kind) {
    case JOB_ANCHORS:
        return life == LIFE_OPEN ? goes_on() : goes_to(STEP_FINGERPRINT);
    case JOB_COLLECT:
        if (life == LIFE_OPEN)
            return goes_wrong(ERR_PLANT_OPEN);
        return life == LIFE_LOCKED ? goes_on() : is_done_already(b);
    case JOB_INSTALL:
        return life == LIFE_DONE ? goes_to(STEP_IDENTITY_PRINT) : goes_on();
    default:
        return goes_on();
    }
}

/* Serial number and life, in the order in which they were asked for. */
struct outcome take_module(struct bench *b, struct span answer)
{
    struct rd r = rd_of(answer.p + 1, answer.len - 1);
    bool ok = rd_be16(&r) == 0xF18C;
    struct span serial = rd_span(&r, UDS_SERIAL_LEN);
    ok = rd_be16(&r) == 0x0200 && ok;
    b->job.life = rd_u8(&r);
    ok = ok && !r.failed && !r.left && take_text(serial, b->serial) && b->job.life >= LIFE_OPEN &&
         b->job.life <= LIFE_DONE;
    return ok ? by_life(b) : goes_wrong(ERR_UDS_ANSWER);
}

static uint8_t level_of(const struct bench *b)
{
    bool asked = b->job.kind == JOB_ACCESS || b->job.kind == JOB_LEVEL;
    return asked ? b->job.level : LEVEL_PLANT;
}

enum err build_session(struct bench *b, struct wr *w)
{
    wr_u8(w, level_of(b) == LEVEL_PLANT ? UDS_SESSION_SUPPLIER : UDS_SESSION_EXTENDED);
    return ERR_OK;
}

enum err build_seed(struct bench *b, struct wr *w)
{
    wr_u8(w, level_of(b));
    return ERR_OK;
}

enum err build_key(struct bench *b, struct wr *w)
{
    struct crypto *c = b->tester->env->crypto;
    uint8_t m[UDS_SECRET], k[UDS_SECRET], key[UDS_KEY], level = level_of(b);
    size_t len;
    enum err e = store_get(b->tester, TESTER_SECRET, m, sizeof m, &len);
    if (!e && len != sizeof m)
        e = ERR_STORE_FAILED;
    if (!e)
        e = uds_security_ecu_key(c, m, level, span_of(b->serial, UDS_SERIAL_LEN), k);
    if (!e)
        e = uds_security_key(c, k, level, b->seed, key);
    if (!e) {
        key[0] ^= b->job.kind == JOB_ACCESS && b->job.wrong;
        wr_u8(w, (uint8_t)(level + 1));
        wr_copy(w, key, sizeof key);
    }
    OPENSSL_cleanse(m, sizeof m);
    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(key, sizeof key);
    return e;
}

static struct outcome level_is_open(struct bench *b)
{
    bool anchors = b->job.kind == JOB_ANCHORS || b->job.kind == JOB_ANCHOR;
    if (anchors || (b->job.kind == JOB_ACCESS && level_of(b) == LEVEL_PLANT))
        env_trace_step(b->tester->env, "RP-01/1", "plant session and level are open");
    return goes_on();
}

/* One key of several was answered. */
static struct outcome next_key(struct bench *b)
{
    return b->job.left > 1 && b->job.left-- ? goes_to(STEP_SEED) : goes_to(STEP_MODULE_DEFAULT);
}

/* A seed of zeros: the level is open already. */
struct outcome take_seed(struct bench *b, struct span answer)
{
    if (answer.len != 2 + UDS_SEED)
        return goes_wrong(ERR_UDS_ANSWER);
    memcpy(b->seed, answer.p + 2, UDS_SEED);
    if (!uds_security_seed_is_zero(b->seed))
        return goes_on();
    level_is_open(b);
    enum step after = b->job.kind == JOB_ANCHORS   ? STEP_ANCHOR
                      : b->job.kind == JOB_ANCHOR  ? STEP_ONE_ANCHOR
                      : b->job.kind == JOB_COLLECT ? STEP_KEY_PAIR
                      : b->job.kind == JOB_INSTALL ? STEP_IDENTITY
                      : b->job.kind == JOB_LEVEL   ? STEP_END
                                                   : STEP_MODULE_DEFAULT;
    return goes_to(after);
}

struct outcome take_key(struct bench *b, struct span answer)
{
    (void)answer;
    level_is_open(b);
    return b->job.kind == JOB_ACCESS ? next_key(b) : goes_on();
}

static void note_refusal(struct bench *b, const char *what, enum uds_nrc nrc)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "%s refused: %02X %s bench=%u", what, nrc, uds_nrc_name(nrc), b->number + 1);
    env_trace_note(b->tester->env, TRACE_NOTE, text);
}

/* Wrong keys are counted by the module, and then nobody gets a seed for a while. */
struct outcome refused_seed(struct bench *b, enum uds_nrc nrc)
{
    if (nrc != UDS_NRC_DELAY)
        return step_refused(b, nrc);
    if (b->job.kind == JOB_ACCESS && b->job.wrong) {
        note_refusal(b, "seed", nrc);
        return next_key(b);
    }
    if (b->job.delays == 0)
        note_refusal(b, "seed", nrc);
    return b->job.delays++ < DELAYS_MAX ? (struct outcome){.move = MOVE_LATER} : step_refused(b, nrc);
}

struct outcome refused_key(struct bench *b, enum uds_nrc nrc)
{
    if (b->job.kind != JOB_ACCESS || !b->job.wrong || (nrc != UDS_NRC_INVALID_KEY && nrc != UDS_NRC_ATTEMPTS))
        return step_refused(b, nrc);
    note_refusal(b, "key", nrc);
    return next_key(b);
}
