/* SP-02 (remote service provisioning) and PP-01 (new vehicle identity), vehicle side.
 *
 * SP-02: 1 SpaaK asks GSDP, 2 GSDP verifies, 3 GSDP answers with the drmUUID, 4 SpaaK verifies, 5 SpaaK
 * stores it.
 *
 * Resumption: provisioning_begin looks at the store only, so a restart at any step goes on with what was
 * committed: drmUUID, pending key and CSR, installed certificate, acknowledgement. */
#include "ecu/spaak/spaak_internal.h"

static const char *const state_names[PROVISIONING_STATES] = {
    [PROVISIONING_WAIT_TBM] = "waits for the TBM",
    [PROVISIONING_WAIT_DRM_UUID] = "waits for the drmUUID",
    [PROVISIONING_WAIT_SUBJECT_ID] = "waits for the subject id",
    [PROVISIONING_WAIT_CERTIFICATE] = "waits for the certificate",
    [PROVISIONING_WAIT_ACK] = "waits for the acknowledgement",
    [PROVISIONING_WAIT_BACK_OFF] = "backs off",
    [PROVISIONING_DONE] = "done",
};

static void enter(struct spaak *s, enum provisioning_state state)
{
    s->provisioning.state = state;
    env_trace_state(s->env, state_names[state]);
}

/* then: entered when the request is sealed. */
static void ask(struct spaak *s, const struct request *r, enum provisioning_state then, struct span body)
{
    s->provisioning.then = then;
    requester_send(&s->provisioning.requester, r, body);
}

static void on_requester(void *owner, enum requester_state state)
{
    struct spaak *s = owner;
    enter(s, state == REQUESTER_WAITS ? s->provisioning.then : PROVISIONING_WAIT_BACK_OFF);
}

static void send_drm_request(struct spaak *s)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_SP_02,
                                     SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_REQUEST, SPAAK_GSDP,
                                     "SP-02/1"};
    ask(s, &r, PROVISIONING_WAIT_DRM_UUID, (struct span){NULL, 0});
}

static void send_subject_request(struct spaak *s)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                     SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST, SPAAK_VOS,
                                     "PP-01/3"};
    ask(s, &r, PROVISIONING_WAIT_SUBJECT_ID, (struct span){NULL, 0});
}

static void send_csr(struct spaak *s, uint8_t *csr, size_t csr_len)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                     SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_REQUEST, SPAAK_VOS,
                                     "PP-01/10"};
    uint8_t body[CSR_MAX + 8];
    Spaak__V1__VehicleIdentityCsrRequest m = SPAAK__V1__VEHICLE_IDENTITY_CSR_REQUEST__INIT;
    m.csr = (ProtobufCBinaryData){csr_len, csr};
    ask(s, &r, PROVISIONING_WAIT_CERTIFICATE,
        span_of(body, spaak__v1__vehicle_identity_csr_request__pack(&m, body)));
}

static void send_status(struct spaak *s, uint8_t digest[SHA256_SIZE])
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                     SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CERT_STATUS, SPAAK_VOS,
                                     "PP-01/16"};
    uint8_t body[SHA256_SIZE + P256_POINT + 16], transport[P256_POINT];
    struct p256_key *key = NULL;
    Spaak__V1__VehicleIdentityCertStatus m = SPAAK__V1__VEHICLE_IDENTITY_CERT_STATUS__INIT;
    m.status = SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED;
    m.certificate_sha256 = (ProtobufCBinaryData){SHA256_SIZE, digest};
    if (identity_transport_key(s, &key) == ERR_OK) {
        p256_public(key, transport);
        m.transport_public_key = (ProtobufCBinaryData){P256_POINT, transport};
        p256_free(key);
    }
    ask(s, &r, PROVISIONING_WAIT_ACK, span_of(body, spaak__v1__vehicle_identity_cert_status__pack(&m, body)));
}

static void finish(struct spaak *s)
{
    requester_stop(&s->provisioning.requester);
    enter(s, PROVISIONING_DONE);
}

/* PP-01/2 to the first message that is missing. */
static void resume_identity(struct spaak *s)
{
    uint8_t digest[SHA256_SIZE], csr[CSR_MAX];
    size_t csr_len;
    bool acknowledged;
    enum err e = identity_installed(s, digest, &acknowledged);
    if (!e) {
        env_trace_step(s->env, "PP-01/2",
                       acknowledged ? "certificate is there: nothing to do"
                                    : "certificate is there, not yet reported");
        if (acknowledged)
            finish(s);
        else
            send_status(s, digest);
        return;
    }
    env_trace_step(s->env, "PP-01/2", "certificate is missing");
    if (identity_pending_csr(s, csr, &csr_len) == ERR_OK)
        send_csr(s, csr, csr_len);
    else
        send_subject_request(s);
}

static void provisioning_begin(struct spaak *s)
{
    struct provisioning *p = &s->provisioning;
    requester_begin(&p->requester);
    if (p->discard_pending && identity_discard_pending(s) == ERR_OK)
        p->discard_pending = false;
    env_trace_step(s->env, "PP-01/1",
                   s->signer.drm_uuid ? "drmUUID is there" : "drmUUID is missing: SP-02 first");
    if (s->signer.drm_uuid)
        resume_identity(s);
    else
        send_drm_request(s);
}

/* ---- answers: each parses into locals, checks, commits, goes on ---- */

static enum err on_drm_uuid(struct spaak *s, const struct msg_opened *m)
{
    uint8_t memory[256];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__ServiceProvisioningResponse *body =
        spaak__v1__service_provisioning_response__unpack(&arena.allocator, m->body.len, m->body.p);
    if (!body)
        return ERR_MSG_MALFORMED;
    enum err e = identity_store_drm_uuid(s, span_of(body->drm_uuid.data, body->drm_uuid.len));
    if (e)
        return e;
    env_trace_step(s->env, "SP-02/5", "stores drmUUID");
    resume_identity(s);
    return ERR_OK;
}

static enum err on_subject_id(struct spaak *s, const struct msg_opened *m)
{
    uint8_t memory[256], csr[CSR_MAX];
    size_t csr_len;
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__VehicleSubjectIdResponse *body =
        spaak__v1__vehicle_subject_id_response__unpack(&arena.allocator, m->body.len, m->body.p);
    if (!body)
        return ERR_MSG_MALFORMED;
    if (!x509_vehicle_subject_ok(body->subject_id))
        return ERR_SUBJECT_ID_FORM;
    enum err e = identity_begin(s, body->subject_id);
    if (!e)
        e = identity_pending_csr(s, csr, &csr_len);
    if (!e)
        send_csr(s, csr, csr_len);
    return e;
}

static enum err on_certificate(struct spaak *s, const struct msg_opened *m)
{
    uint8_t memory[1024], digest[SHA256_SIZE];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    Spaak__V1__VehicleIdentityCsrResponse *body =
        spaak__v1__vehicle_identity_csr_response__unpack(&arena.allocator, m->body.len, m->body.p);
    if (!body)
        return ERR_MSG_MALFORMED;
    struct span certificate = {body->certificate.data, body->certificate.len};
    enum err e = identity_verify(s, certificate);
    if (!e)
        e = identity_install(s, certificate);
    if (e)
        return e;
    env_trace_step(s->env, "PP-01/15", "installs vehicle identity certificate");
    crypto_sha256(s->env->crypto, &certificate, 1, digest);
    send_status(s, digest);
    return ERR_OK;
}

static enum err on_ack(struct spaak *s, const struct msg_opened *m)
{
    (void)m;
    enum err e = identity_acknowledge(s);
    if (e)
        return e;
    finish(s);
    return ERR_OK;
}

/* Answers permitted in each state. */
static const struct permitted {
    enum provisioning_state state;
    Spaak__V1__MessageType type;
    const char *step;
    enum err (*act)(struct spaak *s, const struct msg_opened *m);
} permitted[] = {
    {PROVISIONING_WAIT_DRM_UUID, SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_RESPONSE, "SP-02/4",
     on_drm_uuid},
    {PROVISIONING_WAIT_SUBJECT_ID, SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_RESPONSE, "PP-01/7",
     on_subject_id},
    {PROVISIONING_WAIT_CERTIFICATE, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_RESPONSE, "PP-01/14",
     on_certificate},
    {PROVISIONING_WAIT_ACK, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, "PP-01/19", on_ack},
};

static const struct permitted *find_permitted(enum provisioning_state state, Spaak__V1__MessageType type)
{
    for (size_t i = 0; i < sizeof permitted / sizeof permitted[0]; i++)
        if (permitted[i].state == state && permitted[i].type == type)
            return &permitted[i];
    return NULL;
}

enum err provisioning_on_answer(struct spaak *s, const struct spaak_message *m)
{
    struct provisioning *p = &s->provisioning;
    const struct msg_header *h = &m->opened.header;
    enum err e = requester_check(&p->requester, h);
    if (e)
        return e;
    const struct permitted *row = find_permitted(p->state, h->type);
    if (!row)
        return ERR_MSG_UNEXPECTED;
    messages_trace_accept(s, m, row->step);
    if (!h->error)
        return row->act(s, &m->opened);
    p->discard_pending = p->state == PROVISIONING_WAIT_CERTIFICATE;
    requester_give_up(&p->requester, h->error);
    return ERR_OK;
}

/* PP-01 is to run again for a new owner. */
enum err provisioning_on_renew(struct spaak *s, const struct spaak_message *m)
{
    enum err e = identity_retire(s, m->opened.header.issued_at_ms);
    if (e)
        return e;
    env_trace_step(s->env, "PP-01/1", "renewal: retires the vehicle identity");
    requester_stop(&s->provisioning.requester);
    requester_stop(&s->verifiers);
    if (s->tbm_ready)
        provisioning_begin(s);
    else
        enter(s, PROVISIONING_WAIT_TBM);
    messages_trace_accept(s, m, "PP-01/1");
    return ERR_OK;
}

void provisioning_on_tbm_ready(struct spaak *s)
{
    if (s->provisioning.state == PROVISIONING_WAIT_TBM)
        provisioning_begin(s);
}

static void resume(void *owner)
{
    provisioning_begin(owner);
}

void provisioning_init(struct spaak *s)
{
    static const struct requester_ops ops = {messages_transmit, messages_reachable, on_requester, resume};
    s->provisioning.state = PROVISIONING_WAIT_TBM;
    s->provisioning.discard_pending = false;
    messages_requester_init(s, &s->provisioning.requester, SPAAK_TIMER_PROVISIONING, &ops);
}
