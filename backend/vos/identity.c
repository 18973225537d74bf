/* PP-01, server side. Every answer is a function of the record, so a repeated request gets the same one. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

/* Subject id of a new vehicle identity, CCC form: V.<manufacturer>.<region>.<brand>.<vehicle identifier>;
 * the identifier is OEM and brand in two bytes, then six random ones. */
#define SUBJECT_PREFIX "V.SPAAKSIM.EU.01."
#define IDENTIFIER_OEM 0x0001

#define RECORD_NEW      BACKEND__V1__VEHICLE_RECORD__STATE__STATE_UNSPECIFIED
#define RECORD_RENEWING BACKEND__V1__VEHICLE_RECORD__STATE__STATE_RENEWING

static enum err respond(struct vos *v, const struct msg_header *request, Spaak__V1__MessageType type,
                        enum err error, struct span body, const char *step)
{
    struct response r = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_01,
        .type = type,
        .ecu_serial = request->ecu_serial,
        .request = request,
        .error = error,
        .body = error ? (struct span){NULL, 0} : body,
        .step = step,
    };
    return responder_send(&v->responder, &r);
}

static void new_subject(struct vos *v, char out[X509_CN_MAX + 1])
{
    uint8_t id[8] = {IDENTIFIER_OEM >> 8, IDENTIFIER_OEM & 0xFF};
    env_random(v->env, id + 2, sizeof id - 2);
    int n = snprintf(out, X509_CN_MAX + 1, SUBJECT_PREFIX);
    for (size_t i = 0; i < sizeof id; i++)
        n += snprintf(out + n, X509_CN_MAX + 1 - (size_t)n, "%02X", id[i]);
}

static enum err commit_record(struct vos *v, const char *serial, const struct vehicle *r)
{
    enum err e = record_put(v, serial, r);
    return e ? e : env_store_commit(v->env);
}

enum err vos_on_subject_request(struct vos *v, const struct msg_opened *m, struct vehicle *r)
{
    uint8_t body[X509_CN_MAX + 8];
    Spaak__V1__VehicleSubjectIdResponse answer = SPAAK__V1__VEHICLE_SUBJECT_ID_RESPONSE__INIT;
    bool fresh = r->state == RECORD_NEW || r->state == RECORD_RENEWING;
    if (fresh) {
        new_subject(v, r->subject_id);
        r->state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_SUBJECT_ISSUED;
        r->generation++;
    }
    enum err e = record_put_identifier(v, m->header.ecu_serial, r, true);
    if (!e)
        e = commit_record(v, m->header.ecu_serial, r);
    if (e)
        return e;
    env_trace_step(v->env, "PP-01/5",
                   fresh ? "generates vehicle subject id" : "repeats the subject id it has issued");
    answer.subject_id = r->subject_id;
    return respond(v, &m->header, SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_RESPONSE, ERR_OK,
                   span_of(body, spaak__v1__vehicle_subject_id_response__pack(&answer, body)), "PP-01/6");
}

static enum err send_certificate(struct vos *v, const struct msg_header *request, struct vehicle *r)
{
    uint8_t body[X509_MAX + 8];
    Spaak__V1__VehicleIdentityCsrResponse answer = SPAAK__V1__VEHICLE_IDENTITY_CSR_RESPONSE__INIT;
    answer.certificate = (ProtobufCBinaryData){r->certificate_len, r->certificate};
    return respond(v, request, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_RESPONSE, ERR_OK,
                   span_of(body, spaak__v1__vehicle_identity_csr_response__pack(&answer, body)), "PP-01/13");
}

static enum err ask_pki(struct vos *v, const struct msg_header *request, struct csr *csr, struct span der)
{
    uint8_t out[CSR_MAX + X509_CN_MAX + MSG_SERIAL_MAX + 32], copy[CSR_MAX];
    char serial[MSG_SERIAL_MAX + 1];
    Backend__V1__IssueRequest m = BACKEND__V1__ISSUE_REQUEST__INIT;
    uint64_t id = ++v->next_request_id;
    memcpy(copy, der.p, der.len);
    text_copy(serial, sizeof serial, request->ecu_serial);
    m.request_id = id;
    m.subject = csr->subject;
    m.ecu_serial = serial;
    m.csr = (ProtobufCBinaryData){der.len, copy};
    enum err e = v->pki_up ? env_send_bytes(v->env, VOS_PORT_PKI, "",
                                            span_of(out, backend__v1__issue_request__pack(&m, out)))
                           : ERR_LINK_DOWN;
    if (e)
        return ERR_PKI_UNREACHABLE;
    struct issuing *slot =
        &v->issuing[id % VOS_ISSUING_MAX]; /* the oldest gives way: its vehicle asks again */
    slot->request_id = id;
    slot->request = *request;
    memcpy(slot->public_key, csr->public_key, P256_POINT);
    return ERR_OK;
}

/* PP-01/11: the CSR's own checks; what fails is the vehicle's fault and is answered. */
static enum err check_csr(struct vos *v, const struct vehicle *r, struct span der, struct csr *out)
{
    if (r->state == RECORD_NEW || r->state == RECORD_RENEWING)
        return ERR_SUBJECT_ID_MISSING;
    enum err e = csr_check(v->env->crypto, der, out);
    if (!e && strcmp(out->subject, r->subject_id) != 0)
        e = ERR_CSR_SUBJECT_MISMATCH;
    if (!e && r->has_public_key && memcmp(out->public_key, r->public_key, P256_POINT) != 0)
        e = ERR_CSR_ALREADY_ISSUED;
    return e;
}

enum err vos_on_csr_request(struct vos *v, const struct msg_opened *m, struct vehicle *r)
{
    uint8_t memory[CSR_MAX + 256];
    struct msg_arena arena;
    struct csr csr;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__VehicleIdentityCsrRequest *body =
        spaak__v1__vehicle_identity_csr_request__unpack(&arena.allocator, m->body.len, m->body.p);
    struct span der = body ? span_of(body->csr.data, body->csr.len) : span_of(NULL, 0);
    enum err e = body ? check_csr(v, r, der, &csr) : ERR_CSR_MALFORMED;
    if (e) {
        env_trace_reason(v->env, TRACE_REJECT, "PP-01/11", msg_type_name(m->header.type), e, 0, NULL);
        return respond(v, &m->header, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_RESPONSE, e,
                       (struct span){NULL, 0}, "PP-01/13");
    }
    if (r->certificate_len)
        return send_certificate(v, &m->header, r);
    return ask_pki(v, &m->header, &csr, der);
}

static enum err store_issued(struct vos *v, const struct issuing *slot, const Backend__V1__IssueResponse *m,
                             struct vehicle *r)
{
    struct x509 cert;
    enum err e = record_load(v, slot->request.ecu_serial, r);
    if (!e)
        e = x509_parse(span_of(m->certificate.data, m->certificate.len), &cert);
    if (!e && (strcmp(cert.subject, r->subject_id) != 0 ||
               memcmp(cert.public_key, slot->public_key, P256_POINT) != 0))
        e = ERR_CERT_SUBJECT_MISMATCH; /* the vehicle was renewed meanwhile, or the PKI errs */
    if (e)
        return e;
    memcpy(r->certificate, m->certificate.data, m->certificate.len);
    r->certificate_len = m->certificate.len;
    memcpy(r->public_key, slot->public_key, P256_POINT);
    r->has_public_key = true;
    r->state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_CERTIFICATE_ISSUED;
    return commit_record(v, slot->request.ecu_serial, r);
}

/* The certificate is issued and stored; the vehicle asks again for an answer that did not reach it. */
static void tell_unsent(struct vos *v, enum err e)
{
    if (e)
        env_trace_reason(v->env, TRACE_FAIL, "PP-01/13", "VehicleIdentityCSRResponse", e, 0,
                         "it was not sent");
}

void vos_on_issued(struct vos *v, struct span bytes)
{
    uint8_t memory[2048];
    struct vehicle r;
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Backend__V1__IssueResponse *m = backend__v1__issue_response__unpack(&arena.allocator, bytes.len, bytes.p);
    struct issuing *slot = m ? &v->issuing[m->request_id % VOS_ISSUING_MAX] : NULL;
    enum err e = ERR_OK;
    if (!m)
        e = ERR_MSG_MALFORMED;
    else if (m->request_id == 0 || slot->request_id != m->request_id)
        e = ERR_MSG_REPLAYED;
    if (!e) {
        slot->request_id = 0;
        e = m->error ? ERR_PKI_REFUSED : store_issued(v, slot, m, &r);
        if (e == ERR_PKI_REFUSED)
            respond(v, &slot->request, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_RESPONSE, e,
                    (struct span){NULL, 0}, "PP-01/13");
        else if (!e)
            tell_unsent(v, send_certificate(v, &slot->request, &r));
    }
    if (e)
        env_trace_reason(v->env, TRACE_REJECT, "PP-01/12", "IssueResponse", e, (uint32_t)bytes.len, NULL);
}

/* The key that secrets for this ECU are sealed to from now on; one without has none. */
static enum err take_transport_key(struct vos *v, ProtobufCBinaryData key, struct vehicle *r)
{
    r->has_transport_key = key.len != 0;
    if (!r->has_transport_key)
        return ERR_OK;
    if (key.len != P256_POINT)
        return ERR_KEY_NOT_P256;
    memcpy(r->transport_key, key.data, P256_POINT);
    return p256_check_point(v->env->crypto, r->transport_key);
}

enum err vos_on_cert_status(struct vos *v, const struct msg_opened *m, struct vehicle *r)
{
    uint8_t memory[256], digest[SHA256_SIZE];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__VehicleIdentityCertStatus *body =
        spaak__v1__vehicle_identity_cert_status__unpack(&arena.allocator, m->body.len, m->body.p);
    if (!body)
        return ERR_MSG_MALFORMED;
    struct span cert = {r->certificate, r->certificate_len};
    crypto_sha256(v->env->crypto, &cert, 1, digest);
    struct span reported = {body->certificate_sha256.data, body->certificate_sha256.len};
    if (!r->certificate_len || body->status != SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED ||
        !span_equal(reported, span_of(digest, sizeof digest)))
        return ERR_STATUS_MISMATCH;
    enum err e = take_transport_key(v, body->transport_public_key, r);
    if (e)
        return e;
    r->state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE;
    struct verifiers set;
    e = vos_verifiers_get(v, m->header.ecu_serial, &set);
    bool wants = v->push_after_identity && set.state == VERIFIERS_NONE && r->has_transport_key;
    if (!e && wants)
        e = vos_verifiers_put_wanted(v, m->header.ecu_serial);
    if (!e)
        e = commit_record(v, m->header.ecu_serial, r);
    if (e)
        return e;
    vos_claim(v, m->header.ecu_serial, r);
    e = respond(v, &m->header, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, ERR_OK,
                (struct span){NULL, 0}, "PP-01/18");
    if (wants)
        vos_verifiers_wanted(v, m->header.ecu_serial, &set);
    return e;
}
