/* RP-01: five trust anchors into a module, read back, and locked. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"

#define FIRST_PRINT 0x0210 /* DID of the first slot's fingerprint */
#define ROUTINE_LEN 4      /* 71 01 and the routine */

const char *const anchor_names[ANCHORS + 2] = {"J", "J1", "J_PhysicalKey", "Z1", "ZZ2", "tester", NULL};

/* What a verdict of 0303 means, by its number. */
static const enum err verdicts[] = {
    ERR_OK,           ERR_DER_SYNTAX,         ERR_CERT_NOT_CA,    ERR_ANCHOR_SLOT,
    ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID, ERR_CERT_SIGNATURE, ERR_KEY_NOT_P256,
    ERR_ANCHOR_HELD};

static enum err load_certificate(struct bench *b, unsigned which, uint8_t der[X509_MAX], size_t *len)
{
    char key[ENV_KEY_MAX];
    snprintf(key, sizeof key, TESTER_ANCHOR_PREFIX "%s", anchor_names[which]);
    return store_get(b->tester, which == ANCHOR_TESTER ? TESTER_EOL_CERTIFICATE : key, der, X509_MAX, len);
}

static enum err put_anchor(struct bench *b, unsigned slot, unsigned certificate, struct wr *w)
{
    uint8_t der[X509_MAX];
    size_t len;
    enum err e = load_certificate(b, certificate, der, &len);
    if (e)
        return e;
    wr_u8(w, (uint8_t)(slot + 1));
    wr_copy(w, der, len);
    return ERR_OK;
}

enum err build_anchor(struct bench *b, struct wr *w)
{
    unsigned slot = (unsigned)(job_step(b) - STEP_ANCHOR);
    return put_anchor(b, slot, slot, w);
}

enum err build_one_anchor(struct bench *b, struct wr *w)
{
    return put_anchor(b, b->job.slot, b->job.certificate, w);
}

struct outcome take_verdict(struct bench *b, struct span answer)
{
    uint8_t verdict = answer.len == ROUTINE_LEN + 1 ? answer.p[ROUTINE_LEN] : 0xFF;
    if (verdict >= sizeof verdicts / sizeof verdicts[0])
        return goes_wrong(ERR_UDS_ANSWER);
    if (!verdict)
        return goes_on();
    unsigned slot = b->job.kind == JOB_ANCHOR ? b->job.slot : (unsigned)(job_step(b) - STEP_ANCHOR);
    snprintf(b->why, sizeof b->why, "slot=%s verdict=%02X", anchor_names[slot], verdict);
    return goes_wrong(verdicts[verdict]);
}

enum err build_fingerprint(struct bench *b, struct wr *w)
{
    wr_be16(w, (uint16_t)(FIRST_PRINT + (job_step(b) - STEP_FINGERPRINT)));
    return ERR_OK;
}

/* RP-01/7, one of five. */
struct outcome take_fingerprint(struct bench *b, struct span answer)
{
    unsigned slot = (unsigned)(job_step(b) - STEP_FINGERPRINT);
    uint8_t der[X509_MAX], digest[SHA256_SIZE];
    size_t len;
    enum err e = load_certificate(b, slot, der, &len);
    if (e || answer.len != 3 + SHA256_SIZE)
        return goes_wrong(e ? e : ERR_UDS_ANSWER);
    crypto_sha256(b->tester->env->crypto, &(struct span){der, len}, 1, digest);
    if (memcmp(digest, answer.p + 3, sizeof digest) != 0) {
        snprintf(b->why, sizeof b->why, "slot=%s has another fingerprint", anchor_names[slot]);
        return goes_wrong(ERR_ANCHOR_HELD);
    }
    if (slot + 1 < ANCHORS)
        return goes_on();
    env_trace_step(b->tester->env, "RP-01/7", "the fingerprints are those of our anchors");
    return b->job.life == LIFE_OPEN ? goes_on() : goes_to(STEP_MODULE_DEFAULT);
}

/* 00 locked, 01 was locked before. */
struct outcome take_lock(struct bench *b, struct span answer)
{
    (void)b;
    return answer.len == ROUTINE_LEN + 1 && answer.p[ROUTINE_LEN] <= 1 ? goes_on()
                                                                       : goes_wrong(ERR_UDS_ANSWER);
}
