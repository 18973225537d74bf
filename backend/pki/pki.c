#include "backend/pki/pki.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"

enum { PORT_PKI };

struct pki {
    struct env *env;
    struct p256_key *key;
    uint8_t der[X509_MAX];
    struct x509 ca;
};

static const char *const callers[] = {"vos", NULL};

static const struct port_spec ports[] = {
    [PORT_PKI] = {.name = "pki", .medium = "call", .end = PORT_LISTENS, .callers = callers},
};

static const struct plant_item plant[] = {
    {PKI_CA_KEY, PLANT_KEY, "J1"},
    {PKI_CA_CERTIFICATE, PLANT_CERTIFICATE, "J1"},
    {.key = NULL},
};

static const char *const keys[] = {PKI_ISSUED_PREFIX "+", PKI_ECU_PREFIX "+", NULL};
static const char *const secrets[] = {PKI_CA_KEY, NULL};

/* The certificate issued before for this subject: ERR_NOT_FOUND, or ERR_CSR_ALREADY_ISSUED for another key.
 */
static enum err issued_before(struct pki *p, const char *key, const uint8_t *public_key,
                              uint8_t out[X509_MAX], size_t *len)
{
    struct x509 cert;
    enum err e = env_store_get(p->env, key, out, X509_MAX, len);
    if (e)
        return e;
    e = x509_parse(span_of(out, *len), &cert);
    if (!e && memcmp(cert.public_key, public_key, P256_POINT) != 0)
        e = ERR_CSR_ALREADY_ISSUED;
    return e;
}

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
    e = issued_before(p, key, csr.public_key, out, len);
    if (e != ERR_NOT_FOUND)
        return e;
    int64_t now_s = env_wall_ms(p->env) / 1000;
    struct x509_template t = {
        .profile = X509_VEHICLE,
        .subject = r->subject,
        .issuer = p->ca.subject,
        .not_before_s = now_s - 60, /* clocks of vehicles may lag */
        .not_after_s = now_s + PKI_VEHICLE_VALIDITY_S < p->ca.not_after_s ? now_s + PKI_VEHICLE_VALIDITY_S
                                                                          : p->ca.not_after_s,
        .public_key = csr.public_key,
        .issuer_public_key = p->ca.public_key,
    };
    e = x509_issue(p->env->crypto, &t, p->key, out, len);
    if (!e)
        e = env_store_put(p->env, key, span_of(out, *len));
    snprintf(key, sizeof key, PKI_ECU_PREFIX "%s", r->subject);
    if (!e)
        e = env_store_put(p->env, key, span_of(r->ecu_serial, strlen(r->ecu_serial)));
    return e ? e : env_store_commit(p->env);
}

static void pki_on_bytes(void *self, unsigned port, const char *caller, struct span bytes)
{
    struct pki *p = self;
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
    env_send_bytes(p->env, port, caller, span_of(out, backend__v1__issue_response__pack(&answer, out)));
}

static enum err pki_init(void *self, struct env *env, const struct component_args *args)
{
    struct pki *p = self;
    uint8_t scalar[P256_SCALAR];
    size_t len;
    (void)args;
    p->env = env;
    enum err e = env_store_get(env, PKI_CA_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(env->crypto, scalar, &p->key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (!e)
        e = env_store_get(env, PKI_CA_CERTIFICATE, p->der, sizeof p->der, &len);
    if (!e)
        e = x509_parse(span_of(p->der, len), &p->ca);
    return e;
}

static void pki_fini(void *self)
{
    struct pki *p = self;
    p256_free(p->key);
}

const struct component_class pki_class = {
    .name = "pki",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct pki),
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .plant = plant,
    .secrets = secrets,
    .init = pki_init,
    .fini = pki_fini,
    .on_bytes = pki_on_bytes,
};
