/* RP-02 with a module: its key pair, its CSR, its certificate, DONE. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"

#define ROUTINE_LEN 4 /* 71 01 and the routine */

/* What a verdict of 0304 means, by its number; a slot it does not have. */
static const enum err verdicts[] = {
    ERR_OK,           ERR_DER_SYNTAX,         ERR_CERT_PURPOSE,         ERR_UDS_ANSWER,
    ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID, ERR_CERT_SIGNATURE,       ERR_KEY_NOT_P256,
    ERR_ANCHOR_HELD,  ERR_CERT_KEY_MISMATCH,  ERR_CERT_SUBJECT_MISMATCH};

/* 00 made, 01 was there already. */
struct outcome take_key_pair(struct bench *b, struct span answer)
{
    (void)b;
    return answer.len == ROUTINE_LEN + 1 && answer.p[ROUTINE_LEN] <= 1 ? goes_on()
                                                                       : goes_wrong(ERR_UDS_ANSWER);
}

struct outcome take_status(struct bench *b, struct span answer)
{
    (void)b;
    return answer.len == ROUTINE_LEN + 1 && answer.p[ROUTINE_LEN] == 0 ? goes_on()
                                                                       : goes_wrong(ERR_UDS_ANSWER);
}

/* Kept before anybody is asked for anything more. */
struct outcome take_csr(struct bench *b, struct span answer)
{
    size_t head = ROUTINE_LEN + 1;
    if (answer.len <= head || answer.len > head + CSR_MAX || answer.p[ROUTINE_LEN] != 0)
        return goes_wrong(ERR_UDS_ANSWER);
    enum err e = batch_collected(b, span_of(answer.p + head, answer.len - head));
    return e ? goes_wrong(e) : goes_on();
}

/* RP-02/6. The module's anchors do not have the authority of identities: it goes along. */
enum err build_identity(struct bench *b, struct wr *w)
{
    struct module m;
    uint8_t authority[X509_MAX];
    size_t len;
    enum err e = store_get_module(b->tester, b->job.module, &m);
    if (!e)
        e = store_get(b->tester, TESTER_ECU_CA, authority, sizeof authority, &len);
    if (e)
        return e;
    wr_copy(w, m.certificate, m.certificate_len);
    wr_copy(w, authority, len);
    env_trace_step(b->tester->env, "RP-02/6", "installs the ECU identity certificate");
    return ERR_OK;
}

struct outcome take_identity_verdict(struct bench *b, struct span answer)
{
    uint8_t verdict = answer.len == ROUTINE_LEN + 1 ? answer.p[ROUTINE_LEN] : 0xFF;
    if (verdict >= sizeof verdicts / sizeof verdicts[0])
        return goes_wrong(ERR_UDS_ANSWER);
    if (!verdict)
        return goes_on();
    snprintf(b->why, sizeof b->why, "verdict=%02X", verdict);
    return goes_wrong(verdicts[verdict]);
}

/* A module that is done says what it has, and is asked for no more. */
struct outcome take_identity_print(struct bench *b, struct span answer)
{
    struct module m;
    uint8_t digest[SHA256_SIZE];
    enum err e = store_get_module(b->tester, b->job.module, &m);
    if (e || answer.len != 3 + SHA256_SIZE)
        return goes_wrong(e ? e : ERR_UDS_ANSWER);
    crypto_sha256(b->tester->env->crypto, &(struct span){m.certificate, m.certificate_len}, 1, digest);
    if (memcmp(digest, answer.p + 3, sizeof digest) != 0) {
        snprintf(b->why, sizeof b->why, "another certificate is installed");
        return goes_wrong(ERR_UDS_ANSWER);
    }
    if (b->job.life != LIFE_DONE)
        return goes_on();
    e = batch_ended(b, ERR_OK);
    return e ? goes_wrong(e) : goes_to(STEP_MODULE_DEFAULT);
}

struct outcome take_done(struct bench *b, struct span answer)
{
    if (answer.len != ROUTINE_LEN + 1 || answer.p[ROUTINE_LEN] != 0)
        return goes_wrong(ERR_UDS_ANSWER);
    enum err e = batch_ended(b, ERR_OK);
    return e ? goes_wrong(e) : goes_on();
}
