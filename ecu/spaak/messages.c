/* Between the channels and the use cases: opens what arrives, once, and hands it to the use case whose row it
 * is; carries what a use case's requester sends. A new use case brings its rows. */
#include <assert.h>

#include "ecu/spaak/manage.h"

static const char *const peers[SPAAK_CHANNELS] = {[SPAAK_VOS] = "vos", [SPAAK_GSDP] = "gsdp"};

static const enum x509_profile signers[SPAAK_CHANNELS] = {
    [SPAAK_VOS] = X509_VOS_SIGNER,
    [SPAAK_GSDP] = X509_GSDP_SIGNER,
};

/* Every message that SpaaK knows, with the only channel it may come by. The use case belongs to the name of a
 * message: one acknowledgement serves several. */
static const struct row {
    Spaak__V1__UseCase use_case;
    Spaak__V1__MessageType type;
    enum spaak_channel channel;
    enum err (*handle)(struct spaak *s, const struct spaak_message *m);
} rows[] = {
    {SPAAK__V1__USE_CASE__USE_CASE_SP_02, SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_RESPONSE, SPAAK_GSDP,
     provisioning_on_answer},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_01, SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_RESPONSE, SPAAK_VOS,
     provisioning_on_answer},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_01, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_RESPONSE, SPAAK_VOS,
     provisioning_on_answer},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_01, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, SPAAK_VOS,
     provisioning_on_answer},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_01, SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_RENEW, SPAAK_VOS,
     provisioning_on_renew},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_02, SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET, SPAAK_VOS,
     verifiers_on_set},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_02, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, SPAAK_VOS,
     verifiers_on_ack},
    {SPAAK__V1__USE_CASE__USE_CASE_PP_03, SPAAK__V1__MESSAGE_TYPE__OP_SPAKE2_RESPONSE, SPAAK_VOS,
     verifiers_on_answer},
    {SPAAK__V1__USE_CASE__USE_CASE_OP_04, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, SPAAK_VOS,
     pass_report_on_ack},
    {SPAAK__V1__USE_CASE__USE_CASE_KM_01, SPAAK__V1__MESSAGE_TYPE__KEY_MANAGE, SPAAK_VOS, manage_on_key},
    {SPAAK__V1__USE_CASE__USE_CASE_KM_02, SPAAK__V1__MESSAGE_TYPE__C2V_USECASE_COMPLETION_ACK, SPAAK_VOS,
     manage_on_ack},
};

static enum err dispatch(struct spaak *s, const struct spaak_message *m)
{
    const struct msg_header *h = &m->opened.header;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == h->type && rows[i].use_case == h->use_case && rows[i].channel == m->channel)
            return rows[i].handle(s, m);
    return ERR_MSG_UNEXPECTED;
}

void messages_on_bytes(struct spaak *s, enum spaak_channel channel, struct span bytes)
{
    struct spaak_message m = {.channel = channel, .bytes = bytes};
    struct msg_policy policy = {
        .crypto = s->env->crypto,
        .direction = MSG_RESPONSE,
        .signer = signers[channel],
        .issuer = &s->z1.cert,
        .ecu_serial = s->serial,
        .now_ms = env_wall_ms(s->env),
        .cache = {s->verified, sizeof s->verified / sizeof s->verified[0]},
    };
    /* without Z1 nobody can prove who sent it */
    enum err e = s->finished ? msg_open(&policy, bytes, &m.opened) : ERR_PLANT_OPEN;
    if (!e)
        e = dispatch(s, &m);
    if (e)
        env_trace_reason(s->env, TRACE_REJECT, NULL, msg_type_name(m.opened.header.type), e,
                         (uint32_t)bytes.len, NULL);
}

void messages_trace_accept(struct spaak *s, const struct spaak_message *m, const char *step)
{
    char detail[MSG_DESCRIPTION_MAX];
    msg_describe(&m->opened.header, detail);
    env_trace_message(s->env, TRACE_ACCEPT, step, msg_type_name(m->opened.header.type), peers[m->channel],
                      m->bytes, detail);
}

void messages_requester_init(struct spaak *s, struct requester *r, unsigned timer,
                             const struct requester_ops *ops)
{
    struct requester_config config = {
        .env = s->env,
        .timer = timer,
        .retry_us = s->retry_us,
        .back_off_us = s->back_off_us,
        .peers = peers,
        .signer = &s->signer,
        .ops = ops,
        .owner = s,
    };
    requester_init(r, &config);
}

void messages_transmit(void *spaak, unsigned channel, struct span bytes)
{
    struct spaak *s = spaak;
    assert(channel < SPAAK_CHANNELS);
    uplink_send(s, (enum spaak_channel)channel, bytes);
}

bool messages_reachable(void *spaak)
{
    const struct spaak *s = spaak;
    return s->tbm_ready;
}
