/* PP-01/12: vehicle identities, for the VOS. */
#include <stdio.h>
#include <string.h>

#include "backend/pki/pki_internal.h"
#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"

/* A subject stays with the ECU that it was asked for first. */
static enum err check_ecu(struct pki *p, const char *subject, const char *serial)
{
    char key[ENV_KEY_MAX], known[MSG_SERIAL_MAX + 1] = "";
    size_t len = strlen(serial);
    if (len == 0 || len > MSG_SERIAL_MAX)
        return ERR_ECU_UNKNOWN;
    snprintf(key, sizeof key, PKI_ECU_PREFIX "%s", subject);
    enum err e = env_store_get(p->env, key, known, sizeof known - 1, &len);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    return e || strcmp(known, serial) == 0 ? e : ERR_SUBJECT_OTHER_ECU;
}

static enum err check_request(struct pki *p, const Backend__V1__IssueRequest *r, struct csr *csr)
{
    if (!x509_vehicle_subject_ok(r->subject))
        return ERR_SUBJECT_ID_FORM;
    enum err e = csr_check(p->env->crypto, span_of(r->csr.data, r->csr.len), csr);
    if (!e && strcmp(csr->subject, r->subject) != 0)
        e = ERR_CSR_SUBJECT_MISMATCH;
    return e ? e : check_ecu(p, r->subject, r->ecu_serial);
}

static enum err issue(struct pki *p, const Backend__V1__IssueRequest *r, uint8_t out[X509_MAX], size_t *len)
{
    char key[ENV_KEY_MAX];
    struct csr csr;
    enum err e = check_request(p, r, &csr);
    if (e)
        return e;
    snprintf(key, sizeof key, PKI_ISSUED_PREFIX "%s", r->subject);
    e = pki_issued_before(p, key, csr.public_key, out, X509_MAX, len);
    if (e != ERR_NOT_FOUND)
        return e;
    int64_t now_s = env_wall_ms(p->env) / 1000;
    struct x509_template t = {
        .profile = X509_VEHICLE,
        .subject = r->subject,
        .issuer = p->j1.certificate.subject,
        .not_before_s = now_s - 60, /* clocks of vehicles may lag */
        .not_after_s = now_s + PKI_VEHICLE_VALIDITY_S < p->j1.certificate.not_after_s
                           ? now_s + PKI_VEHICLE_VALIDITY_S
                           : p->j1.certificate.not_after_s,
        .public_key = csr.public_key,
        .issuer_public_key = p->j1.certificate.public_key,
    };
    e = x509_issue(p->env->crypto, &t, p->j1.key, out, len);
    if (!e)
        e = env_store_put(p->env, key, span_of(out, *len));
    snprintf(key, sizeof key, PKI_ECU_PREFIX "%s", r->subject);
    if (!e)
        e = env_store_put(p->env, key, span_of(r->ecu_serial, strlen(r->ecu_serial)));
    return e ? e : env_store_commit(p->env);
}

void pki_on_issue_request(struct pki *p, const char *caller, struct span bytes)
{
    uint8_t memory[1536], cert[X509_MAX], out[X509_MAX + 32];
    size_t len = 0;
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__IssueRequest *r = backend__v1__issue_request__unpack(&arena.allocator, bytes.len, bytes.p);
    if (!r) {
        env_trace_reason(p->env, TRACE_REJECT, NULL, "IssueRequest", ERR_MSG_MALFORMED, (uint32_t)bytes.len,
                         NULL);
        return;
    }
    enum err e = issue(p, r, cert, &len);
    if (e)
        env_trace_reason(p->env, TRACE_REJECT, "PP-01/12", "IssueRequest", e, (uint32_t)bytes.len, NULL);
    else
        env_trace_step(p->env, "PP-01/12", "signs vehicle identity certificate");
    Backend__V1__IssueResponse answer = BACKEND__V1__ISSUE_RESPONSE__INIT;
    answer.request_id = r->request_id;
    answer.error = (uint32_t)e;
    answer.certificate = (ProtobufCBinaryData){e ? 0 : len, cert};
    env_send_bytes(p->env, PKI_PORT_VEHICLE, caller,
                   span_of(out, backend__v1__issue_response__pack(&answer, out)));
}
