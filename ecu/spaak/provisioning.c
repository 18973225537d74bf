/* SP-02 (remote service provisioning) and PP-01 (new vehicle identity), vehicle side.
 *
 * SP-02: 1 SpaaK asks GSDP, 2 GSDP verifies, 3 GSDP answers with the drmUUID, 4 SpaaK verifies, 5 SpaaK
 * stores it.
 *
 * Resumption: provisioning_begin looks at the store only, so a restart at any step goes on with what was
 * committed: drmUUID, pending key and CSR, installed certificate, acknowledgement. */
#include <string.h>

#include "ecu/spaak/spaak_internal.h"

#define ATTEMPTS_MAX     6 /* transmissions of one request, the pause doubling each time */
#define BACK_OFF_DOUBLES 6 /* the pause after a failed run doubles up to this often */

static void provisioning_begin(struct spaak *s);

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

/* Spreads repetitions of many vehicles over a tenth of the pause. */
static uint64_t with_jitter(struct spaak *s, uint64_t pause_us)
{
    uint16_t r;
    env_random(s->env, &r, sizeof r);
    return pause_us + pause_us / 10 * r / UINT16_MAX;
}

static void give_up(struct spaak *s, enum err reason)
{
    struct provisioning *p = &s->provisioning;
    unsigned doubles = p->failures < BACK_OFF_DOUBLES ? p->failures : BACK_OFF_DOUBLES;
    p->failures++;
    memset(p->correlation, 0, sizeof p->correlation);
    env_trace_reason(s->env, TRACE_FAIL, p->step, NULL, reason, 0, "next attempt after a back-off");
    enter(s, PROVISIONING_WAIT_BACK_OFF);
    env_timer_in(s->env, SPAAK_TIMER_RETRY, with_jitter(s, s->back_off_us << doubles));
}

static void transmit(struct spaak *s)
{
    struct provisioning *p = &s->provisioning;
    struct isotp_port *c = &s->channels[p->channel];
    uint64_t pause_us = s->retry_us << p->attempts;
    p->attempts++;
    isotp_port_send(c, span_of(p->request, p->request_len)); /* busy: the repetition comes */
    env_timer_in(s->env, SPAAK_TIMER_RETRY, with_jitter(s, pause_us));
}

struct request {
    enum spaak_channel channel;
    Spaak__V1__UseCase use_case;
    Spaak__V1__MessageType type;
    const char *step;
    enum provisioning_state then;
};

static void send_request(struct spaak *s, const struct request *r, struct span body)
{
    struct provisioning *p = &s->provisioning;
    struct msg_header h = {.use_case = r->use_case, .type = r->type, .sequence = ++p->sequence};
    char detail[MSG_DESCRIPTION_MAX];
    h.issued_at_ms = env_wall_ms(s->env);
    memcpy(h.correlation, p->correlation, MSG_UUID);
    memcpy(h.ecu_serial, s->serial, sizeof h.ecu_serial);
    h.has_drm_uuid = s->has_drm_uuid;
    memcpy(h.drm_uuid, s->drm_uuid, MSG_UUID);
    p->step = r->step;
    p->channel = r->channel;
    enum err e = msg_seal(s->env->crypto, MSG_REQUEST, &h, body, s->ecu_key,
                          span_of(s->ecu_certificate, s->ecu_certificate_len), p->request, &p->request_len);
    if (e) {
        give_up(s, e);
        return;
    }
    msg_describe(&h, detail);
    env_trace_message(s->env, TRACE_SEND, r->step, msg_type_name(r->type),
                      r->channel == SPAAK_VOS ? "vos" : "gsdp", span_of(p->request, p->request_len), detail);
    p->attempts = 0;
    enter(s, r->then);
    transmit(s);
}

static void send_drm_request(struct spaak *s)
{
    static const struct request r = {SPAAK_GSDP, SPAAK__V1__USE_CASE__USE_CASE_SP_02,
                                     SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_REQUEST, "SP-02/1",
                                     PROVISIONING_WAIT_DRM_UUID};
    send_request(s, &r, (struct span){NULL, 0});
}

static void send_subject_request(struct spaak *s)
{
    static const struct request r = {SPAAK_VOS, SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                     SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST, "PP-01/3",
                                     PROVISIONING_WAIT_SUBJECT_ID};
    send_request(s, &r, (struct span){NULL, 0});
}

static void send_csr(struct spaak *s, uint8_t *csr, size_t csr_len)
{
    static const struct request r = {SPAAK_VOS, SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                     SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_REQUEST, "PP-01/10",
                                     PROVISIONING_WAIT_CERTIFICATE};
    uint8_t body[CSR_MAX + 8];
    Spaak__V1__VehicleIdentityCsrRequest m = SPAAK__V1__VEHICLE_IDENTITY_CSR_REQUEST__INIT;
    m.csr = (ProtobufCBinaryData){csr_len, csr};
    send_request(s, &r, span_of(body, spaak__v1__vehicle_identity_csr_request__pack(&m, body)));
}

static void send_status(struct spaak *s, uint8_t digest[SHA256_SIZE])
{
    static const struct request r = {SPAAK_VOS, SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                                     SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CERT_STATUS, "PP-01/16",
                                     PROVISIONING_WAIT_ACK};
    uint8_t body[SHA256_SIZE + 16];
    Spaak__V1__VehicleIdentityCertStatus m = SPAAK__V1__VEHICLE_IDENTITY_CERT_STATUS__INIT;
    m.status = SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED;
    m.certificate_sha256 = (ProtobufCBinaryData){SHA256_SIZE, digest};
    send_request(s, &r, span_of(body, spaak__v1__vehicle_identity_cert_status__pack(&m, body)));
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
            enter(s, PROVISIONING_DONE);
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
    env_random(s->env, p->correlation, sizeof p->correlation);
    p->sequence = 0;
    if (p->discard_pending && identity_discard_pending(s) == ERR_OK)
        p->discard_pending = false;
    env_trace_step(s->env, "PP-01/1",
                   s->has_drm_uuid ? "drmUUID is there" : "drmUUID is missing: SP-02 first");
    if (s->has_drm_uuid)
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
    s->provisioning.failures = 0;
    memset(s->provisioning.correlation, 0, MSG_UUID);
    env_timer_set(s->env, SPAAK_TIMER_RETRY, ENV_NEVER);
    enter(s, PROVISIONING_DONE);
    return ERR_OK;
}

/* Answers permitted in each state. */
static const struct permitted {
    enum provisioning_state state;
    enum spaak_channel channel;
    Spaak__V1__MessageType type;
    const char *step;
    enum err (*act)(struct spaak *s, const struct msg_opened *m);
} permitted[] = {
    {PROVISIONING_WAIT_DRM_UUID, SPAAK_GSDP, SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_RESPONSE,
     "SP-02/4", on_drm_uuid},
    {PROVISIONING_WAIT_SUBJECT_ID, SPAAK_VOS, SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_RESPONSE, "PP-01/7",
     on_subject_id},
    {PROVISIONING_WAIT_CERTIFICATE, SPAAK_VOS, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_RESPONSE,
     "PP-01/14", on_certificate},
    {PROVISIONING_WAIT_ACK, SPAAK_VOS, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, "PP-01/19",
     on_ack},
};

static enum err find_permitted(const struct spaak *s, enum spaak_channel channel, const struct msg_header *h,
                               const struct permitted **out)
{
    const struct provisioning *p = &s->provisioning;
    if (memcmp(h->correlation, p->correlation, MSG_UUID) != 0 || h->sequence < p->sequence)
        return ERR_MSG_REPLAYED;
    if (h->sequence > p->sequence)
        return ERR_MSG_OUT_OF_ORDER;
    for (size_t i = 0; i < sizeof permitted / sizeof permitted[0]; i++) {
        *out = &permitted[i];
        if ((*out)->state == p->state && (*out)->channel == channel && (*out)->type == h->type)
            return ERR_OK;
    }
    return ERR_MSG_UNEXPECTED;
}

/* PP-01 is to run again for a new owner. */
static enum err on_renew(struct spaak *s, const struct msg_header *h)
{
    enum err e = identity_retire(s, h->issued_at_ms);
    if (e)
        return e;
    env_trace_step(s->env, "PP-01/1", "renewal: retires the vehicle identity");
    s->provisioning.failures = 0;
    env_timer_set(s->env, SPAAK_TIMER_RETRY, ENV_NEVER);
    if (s->tbm_ready)
        provisioning_begin(s);
    else
        enter(s, PROVISIONING_WAIT_TBM);
    return ERR_OK;
}

static enum err act(struct spaak *s, enum spaak_channel channel, const struct msg_opened *m,
                    struct span bytes)
{
    const struct permitted *row = NULL;
    const char *name = msg_type_name(m->header.type), *peer = channel == SPAAK_VOS ? "vos" : "gsdp";
    char detail[MSG_DESCRIPTION_MAX];
    msg_describe(&m->header, detail);
    if (channel == SPAAK_VOS && m->header.type == SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_RENEW) {
        enum err e = on_renew(s, &m->header);
        if (!e)
            env_trace_message(s->env, TRACE_ACCEPT, "PP-01/1", name, peer, bytes, detail);
        return e;
    }
    enum err e = find_permitted(s, channel, &m->header, &row);
    if (e)
        return e;
    env_trace_message(s->env, TRACE_ACCEPT, row->step, name, peer, bytes, detail);
    if (m->header.error) {
        s->provisioning.discard_pending = s->provisioning.state == PROVISIONING_WAIT_CERTIFICATE;
        give_up(s, m->header.error);
        return ERR_OK;
    }
    return row->act(s, m);
}

void provisioning_on_message(struct spaak *s, enum spaak_channel channel, struct span bytes)
{
    struct msg_opened m;
    struct msg_policy policy = {
        .crypto = s->env->crypto,
        .direction = MSG_RESPONSE,
        .signer = channel == SPAAK_VOS ? X509_VOS_SIGNER : X509_GSDP_SIGNER,
        .issuer = &s->z1.cert,
        .ecu_serial = s->serial,
        .now_ms = env_wall_ms(s->env),
        .cache = {s->verified, sizeof s->verified / sizeof s->verified[0]},
    };
    enum err e = msg_open(&policy, bytes, &m);
    if (!e)
        e = act(s, channel, &m, bytes);
    if (e)
        env_trace_reason(s->env, TRACE_REJECT, NULL, msg_type_name(m.header.type), e, (uint32_t)bytes.len,
                         NULL);
}

void provisioning_on_tbm(struct spaak *s)
{
    if (!s->tbm_ready)
        return;
    if (s->provisioning.state == PROVISIONING_WAIT_TBM)
        provisioning_begin(s);
}

void provisioning_on_timer(struct spaak *s)
{
    struct provisioning *p = &s->provisioning;
    if (!s->tbm_ready && p->state != PROVISIONING_WAIT_TBM && p->state != PROVISIONING_DONE) {
        env_timer_in(s->env, SPAAK_TIMER_RETRY, s->retry_us); /* nobody to hear us: not an attempt */
        return;
    }
    switch (p->state) {
    case PROVISIONING_WAIT_DRM_UUID:
    case PROVISIONING_WAIT_SUBJECT_ID:
    case PROVISIONING_WAIT_CERTIFICATE:
    case PROVISIONING_WAIT_ACK:
        if (p->attempts >= ATTEMPTS_MAX) {
            give_up(s, ERR_MSG_NO_ANSWER);
            break;
        }
        env_trace_reason(s->env, TRACE_RETRY, p->step, NULL, ERR_MSG_NO_ANSWER, p->attempts, NULL);
        transmit(s);
        break;
    case PROVISIONING_WAIT_BACK_OFF:
        provisioning_begin(s);
        break;
    case PROVISIONING_WAIT_TBM:
    case PROVISIONING_DONE:
    case PROVISIONING_STATES:
        break;
    }
}
