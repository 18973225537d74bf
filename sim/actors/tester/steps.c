/* The requests of a tester, a row each, and in which order a job makes them. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/tester/tester_parts.h"

#define HEAD(...)                                                              \
    {                                                                          \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
    }
#define ROUTINE(id) UDS_SID_ROUTINE_CONTROL, UDS_ROUTINE_START, (id) >> 8, (id)&0xFF

#define ANCHOR_ROW(step)                                                                          \
    {                                                                                             \
        ECU_SPAAK, "installAnchor", step, HEAD(ROUTINE(0x0303)), build_anchor, take_verdict, NULL \
    }
#define FINGERPRINT_ROW                                                                                    \
    {                                                                                                      \
        ECU_SPAAK, "fingerprint", "RP-01/7", HEAD(UDS_SID_READ_DATA), build_fingerprint, take_fingerprint, \
            NULL                                                                                           \
    }

static const struct step_row rows[STEPS] = {
    [STEP_SGW_EXTENDED] = {ECU_SGW, "session", NULL, HEAD(UDS_SID_SESSION_CONTROL, UDS_SESSION_EXTENDED),
                           NULL, NULL, NULL},
    [STEP_SGW_SERIAL] = {ECU_SGW, "serial", NULL, HEAD(UDS_SID_READ_DATA, 0xF1, 0x8C), NULL, take_sgw_serial,
                         NULL},
    [STEP_CERTIFICATE] = {ECU_SGW, "certificate", NULL, HEAD(UDS_SID_AUTHENTICATION, UDS_AUTH_CERTIFICATE),
                          build_certificate, take_challenge, NULL},
    [STEP_PROOF] = {ECU_SGW, "proof", NULL, HEAD(UDS_SID_AUTHENTICATION, UDS_AUTH_PROOF), build_proof,
                    take_gate_open, NULL},
    [STEP_MODULE] = {ECU_SPAAK, "the module's life", NULL, HEAD(UDS_SID_READ_DATA, 0xF1, 0x8C, 0x02, 0x00),
                     NULL, take_module, NULL},
    [STEP_SESSION] = {ECU_SPAAK, "session", NULL, HEAD(UDS_SID_SESSION_CONTROL), build_session, NULL, NULL},
    [STEP_SEED] = {ECU_SPAAK, "seed", NULL, HEAD(UDS_SID_SECURITY_ACCESS), build_seed, take_seed,
                   refused_seed},
    [STEP_KEY] = {ECU_SPAAK, "key", NULL, HEAD(UDS_SID_SECURITY_ACCESS), build_key, take_key, refused_key},
    [STEP_ANCHOR] = ANCHOR_ROW("RP-01/2"),
    [STEP_ANCHOR + 1] = ANCHOR_ROW("RP-01/3"),
    [STEP_ANCHOR + 2] = ANCHOR_ROW("RP-01/4"),
    [STEP_ANCHOR + 3] = ANCHOR_ROW("RP-01/5"),
    [STEP_ANCHOR_LAST] = ANCHOR_ROW("RP-01/6"),
    [STEP_ONE_ANCHOR] = {ECU_SPAAK, "installAnchor", NULL, HEAD(ROUTINE(0x0303)), build_one_anchor,
                         take_verdict, NULL},
    [STEP_FINGERPRINT] = FINGERPRINT_ROW,
    [STEP_FINGERPRINT + 1] = FINGERPRINT_ROW,
    [STEP_FINGERPRINT + 2] = FINGERPRINT_ROW,
    [STEP_FINGERPRINT + 3] = FINGERPRINT_ROW,
    [STEP_FINGERPRINT_LAST] = FINGERPRINT_ROW,
    [STEP_LOCK] = {ECU_SPAAK, "closePlant LOCK", "RP-01/8", HEAD(ROUTINE(0x0305), 'L', 'O', 'C', 'K'), NULL,
                   take_lock, NULL},
    [STEP_KEY_PAIR] = {ECU_SPAAK, "generateIdentityKeyPair", "RP-02/1", HEAD(ROUTINE(0x0301)), NULL,
                       take_key_pair, NULL},
    [STEP_MAKE_CSR] = {ECU_SPAAK, "makeCsr", "RP-02/2", HEAD(ROUTINE(0x0302)), NULL, take_status, NULL},
    [STEP_READ_CSR] = {ECU_SPAAK, "makeCsr results", "RP-02/2",
                       HEAD(UDS_SID_ROUTINE_CONTROL, UDS_ROUTINE_RESULTS, 0x03, 0x02), NULL, take_csr, NULL},
    [STEP_IDENTITY] = {ECU_SPAAK, "installIdentityCertificate", "RP-02/6", HEAD(ROUTINE(0x0304)),
                       build_identity, take_identity_verdict, NULL},
    [STEP_IDENTITY_PRINT] = {ECU_SPAAK, "fingerprint", "RP-02/6", HEAD(UDS_SID_READ_DATA, 0x02, 0x15), NULL,
                             take_identity_print, NULL},
    [STEP_DONE] = {ECU_SPAAK, "closePlant DONE", "RP-02/8", HEAD(ROUTINE(0x0305), 'D', 'O', 'N', 'E'), NULL,
                   take_done, NULL},
    [STEP_MODULE_DEFAULT] = {ECU_SPAAK, "session", NULL, HEAD(UDS_SID_SESSION_CONTROL, UDS_SESSION_DEFAULT),
                             NULL, NULL, NULL},
    [STEP_GATE_END] = {ECU_SGW, "deAuthenticate", NULL, HEAD(UDS_SID_AUTHENTICATION, UDS_AUTH_END), NULL,
                       NULL, NULL},
    [STEP_SGW_DEFAULT] = {ECU_SGW, "session", NULL, HEAD(UDS_SID_SESSION_CONTROL, UDS_SESSION_DEFAULT), NULL,
                          NULL, NULL},
    [STEP_REQUEST] = {ECUS, "request", NULL, {NULL, 0}, NULL, NULL, NULL},
    [STEP_END] = {ECUS, "end", NULL, {NULL, 0}, NULL, NULL, NULL},
};

const struct step_row *step_row(enum step s)
{
    return &rows[s];
}

/* ---- the order ---- */

#define GATE        STEP_SGW_EXTENDED, STEP_SGW_SERIAL, STEP_CERTIFICATE, STEP_PROOF
#define MODULE      STEP_MODULE, STEP_SESSION, STEP_SEED, STEP_KEY
#define CLOSE       STEP_MODULE_DEFAULT, STEP_GATE_END, STEP_SGW_DEFAULT, STEP_END
#define FIVE(first) (first), (first) + 1, (first) + 2, (first) + 3, (first) + 4

static const enum step anchors[] = {GATE,      MODULE, FIVE(STEP_ANCHOR), FIVE(STEP_FINGERPRINT),
                                    STEP_LOCK, CLOSE};
static const enum step anchor[] = {GATE, MODULE, STEP_ONE_ANCHOR, CLOSE};
static const enum step collect[] = {GATE, MODULE, STEP_KEY_PAIR, STEP_MAKE_CSR, STEP_READ_CSR, CLOSE};
static const enum step install[] = {GATE, MODULE, STEP_IDENTITY, STEP_IDENTITY_PRINT, STEP_DONE, CLOSE};
static const enum step access_level[] = {GATE, MODULE, CLOSE};
static const enum step open_gate[] = {GATE, STEP_END};
static const enum step open_level[] = {GATE, MODULE, STEP_END};
static const enum step close_gate[] = {STEP_GATE_END, STEP_SGW_DEFAULT, STEP_END};
static const enum step request[] = {STEP_REQUEST, STEP_END};

const enum step *job_steps(enum job_kind k)
{
    static const enum step *const of[JOBS] = {
        [JOB_ANCHORS] = anchors,  [JOB_ANCHOR] = anchor,       [JOB_COLLECT] = collect,
        [JOB_INSTALL] = install,  [JOB_ACCESS] = access_level, [JOB_OPEN] = open_gate,
        [JOB_CLOSE] = close_gate, [JOB_REQUEST] = request,     [JOB_LEVEL] = open_level,
    };
    return of[k];
}

/* ---- refusals ---- */

/* These say that a session, a level or the gate was lost, or that somebody else is being served. */
static bool may_pass(enum uds_nrc nrc)
{
    switch (nrc) {
    case UDS_NRC_BUSY:
    case UDS_NRC_SEQUENCE:
    case UDS_NRC_SECURITY:
    case UDS_NRC_AUTHENTICATION:
    case UDS_NRC_NO_SUBFUNCTION_IN_SESSION:
    case UDS_NRC_NO_SERVICE_IN_SESSION:
        return true;
    default:
        return false;
    }
}

struct outcome step_refused(struct bench *b, enum uds_nrc nrc)
{
    snprintf(b->why, sizeof b->why, "%02X %s", nrc, uds_nrc_name(nrc));
    return (struct outcome){.move = may_pass(nrc) ? MOVE_AGAIN : MOVE_FAIL, .reason = ERR_UDS_REFUSED};
}
