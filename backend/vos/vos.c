#include "backend/vos/vos.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

static const char *const init_callers[] = {"tbe", NULL};
static const char *const tracking_callers[] = {"dos", NULL};

static const struct port_spec ports[] = {
    [VOS_PORT_GSDP] = {.name = "gsdp", .medium = "gsdp", .name_of = msg_peek_name},
    /* without it the VOS answers that no certificate can be had */
    [VOS_PORT_PKI] = {.name = "pki", .medium = "call", .end = PORT_ASKS, .server = "pki", .optional = true},
    [VOS_PORT_INIT] = {.name = "init",
                       .medium = "call",
                       .end = PORT_LISTENS,
                       .callers = init_callers,
                       .confidential = true},
    [VOS_PORT_TRACKING] = {.name = "tracking",
                           .medium = "call",
                           .end = PORT_LISTENS,
                           .callers = tracking_callers},
    /* without it the VOS answers that no key can be tracked */
    [VOS_PORT_KTS] = {.name = "kts", .medium = "call", .end = PORT_ASKS, .server = "kts", .optional = true},
};

static const struct topic_rule topics[] = {
    {"spaak/+/up/vos", TOPIC_READ}, {"spaak/+/down/vos", TOPIC_WRITE}, {.filter = NULL}};

static const struct timer_spec timers[] = {
    [VOS_TIMER_RENEW] = {"renewal", false},
    [VOS_TIMER_VERIFIERS] = {"verifier sets", false},
    [VOS_TIMER_KTS] = {"answer of the KTS", false},
};

static const struct setting_spec settings[] = {
    [VOS_SETTING_RENEW_MS] = {.name = "renew_ms", .fallback = 5000, .min = 10, .max = 86400000},
    [VOS_SETTING_PUSH_MS] = {.name = "push_ms", .fallback = 30000, .min = 10, .max = 86400000},
    /* of the sets that are derived from now on; a power of two */
    [VOS_SETTING_SCRYPT_N] = {.name = "scrypt_n",
                              .fallback = SPAKE2P_N_MIN,
                              .min = SPAKE2P_N_MIN,
                              .max = SPAKE2P_N_MAX},
    /* 1: PP-02 follows upon PP-01 */
    [VOS_SETTING_PUSH_AFTER_IDENTITY] = {.name = "push_after_identity", .fallback = 0, .min = 0, .max = 1},
    /* a link that was not acknowledged so long is revoked when somebody else asks */
    [VOS_SETTING_LINK_S] = {.name = "link_s", .fallback = 900, .min = 1, .max = 86400},
    /* less than the DOS waits */
    [VOS_SETTING_KTS_MS] = {.name = "kts_ms", .fallback = 1500, .min = 10, .max = 60000},
    {.name = NULL},
};

static const struct claim_spec claims[] = {
    [VOS_CLAIM_K] = {.name = "K", .kind = CLAIM_EQUAL},
    [VOS_CLAIM_VERIFIERS] = {.name = "verifiers", .kind = CLAIM_EQUAL},
    [VOS_CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL},
    {.name = NULL},
};

static const struct plant_item plant[] = {
    {RESPONDER_KEY, PLANT_KEY, "vos-signer"},
    {RESPONDER_CERTIFICATE, PLANT_CERTIFICATE, "vos-signer"},
    {RESPONDER_ECU_ANCHOR, PLANT_CERTIFICATE, "ecu-ca"},
    {VOS_ECU_PREFIX, PLANT_VEHICLES, NULL},
    {.key = NULL},
};

static const struct defect_spec defects[] = {
    {"signer", "expired", DEFECT_EXPIRED, RESPONDER_CERTIFICATE, NULL},
    {"ecu", "absent", DEFECT_ABSENT, VOS_ECU_PREFIX, NULL},
    {"store_key", "changed", DEFECT_STORE_KEY, VOS_VERIFIER_SECRETS, NULL},
    {.name = NULL},
};

static const char *const keys[] = {VOS_VEHICLE_PREFIX "{serial}",   VOS_RETIRED_PREFIX "{serial}/+",
                                   VOS_VERIFIERS_PREFIX "{serial}", VOS_VERIFIER_SECRETS "{serial}/+",
                                   VOS_OWNER_PREFIX "{serial}",     VOS_DELIVERY_PREFIX "{serial}",
                                   VOS_RENEWAL_PREFIX "{serial}",   VOS_PAIRED_PREFIX "{serial}",
                                   VOS_TRACKED_PREFIX "+",          NULL};
static const char *const secrets[] = {RESPONDER_KEY, VOS_VERIFIER_SECRETS, NULL};

static const struct handout_spec handouts[] = {{"phone", VOS_VERIFIER_SECRETS "+/password"}, {.key = NULL}};

static const struct work_spec works[] = {
    [VOS_WORK_DERIVE] = {.name = "scrypt", .run = vos_derive, .virtual_us = 6000, .result_max = VOS_SECRETS},
    {.name = NULL},
};

/* The requests that a VOS serves. */
static const struct served {
    Spaak__V1__MessageType type;
    enum vos_line line;
    const char *step;
    enum err (*act)(struct vos *v, const struct msg_opened *m, struct vehicle *r);
    /* Tells a verified asker why not; NULL: it asks again in any case. */
    void (*refuse)(struct vos *v, const struct msg_opened *m, enum err reason);
} served[] = {
    {SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST, VOS_LINE_IDENTITY, "PP-01/4",
     vos_on_subject_request, NULL},
    {SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CSR_REQUEST, VOS_LINE_IDENTITY, "PP-01/11", vos_on_csr_request,
     NULL},
    {SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_CERT_STATUS, VOS_LINE_IDENTITY, "PP-01/17", vos_on_cert_status,
     NULL},
    {SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET_STATUS, VOS_LINE_VERIFIERS, "PP-02/6",
     vos_on_verifier_status, NULL},
    {SPAAK__V1__MESSAGE_TYPE__OP_SPAKE2_REQUEST, VOS_LINE_VERIFIERS, "PP-03/3", vos_on_verifier_request,
     vos_refuse_verifiers},
    {SPAAK__V1__MESSAGE_TYPE__OWNER_PAIRING_PASS_ACK, VOS_LINE_PAIRING, "OP-04/7", vos_on_pass_ack, NULL},
};

static const struct served *find_served(Spaak__V1__MessageType type)
{
    for (size_t i = 0; i < sizeof served / sizeof served[0]; i++)
        if (served[i].type == type)
            return &served[i];
    return NULL;
}

/* Order over the exchanges of a line: nothing older than the newest accepted, and drmUUIDs do not change. The
 * record takes over what the request brings; it is stored by whoever commits the record. */
static enum err check_order(struct vehicle *r, enum vos_line line, const struct msg_header *h)
{
    struct vos_newest *newest = &r->newest[line];
    bool same = memcmp(newest->correlation, h->correlation, MSG_UUID) == 0;
    if (!h->has_drm_uuid)
        return ERR_NOT_PROVISIONED;
    if (r->has_drm_uuid && memcmp(r->drm_uuid, h->drm_uuid, MSG_UUID) != 0)
        return ERR_MSG_WRONG_DRM_UUID;
    if (!same && h->issued_at_ms < newest->issued_ms)
        return ERR_MSG_REPLAYED;
    if (h->issued_at_ms > newest->issued_ms)
        newest->issued_ms = h->issued_at_ms;
    memcpy(newest->correlation, h->correlation, MSG_UUID);
    memcpy(r->drm_uuid, h->drm_uuid, MSG_UUID);
    r->has_drm_uuid = true;
    return ERR_OK;
}

static enum err serve(struct vos *v, const struct msg_opened *m, struct span bytes)
{
    struct vehicle r;
    const struct served *row = find_served(m->header.type);
    if (!row)
        return ERR_MSG_UNEXPECTED;
    enum err e = record_load(v, m->header.ecu_serial, &r);
    if (!e)
        e = check_order(&r, row->line, &m->header);
    if (!e) {
        responder_trace_accept(&v->responder, m, bytes, row->step);
        e = row->act(v, m, &r);
    }
    if (e && row->refuse)
        row->refuse(v, m, e);
    return e;
}

static void on_request(struct vos *v, const char *topic, struct span bytes)
{
    struct msg_opened m;
    enum err e = responder_open(&v->responder, topic, bytes, &m);
    if (!e)
        e = serve(v, &m, bytes);
    if (e)
        env_trace_reason(v->env, TRACE_REJECT, NULL, msg_type_name(m.header.type), e, (uint32_t)bytes.len,
                         NULL);
}

/* ---- calls ---- */

static enum err call_renew(void *self, const struct call_value *values)
{
    return vos_renew(self, values[0].text);
}

static enum err call_push_verifiers(void *self, const struct call_value *values)
{
    return vos_push_verifiers(self, values[0].text, false);
}

static enum err call_replace_verifiers(void *self, const struct call_value *values)
{
    return vos_push_verifiers(self, values[0].text, true);
}

static enum err call_register_owner(void *self, const struct call_value *values)
{
    return vos_register_owner(self, values[0].text, values[1].text);
}

static bool user_ok(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len <= VOS_WORD && !text[len];
}

static const struct parameter_spec owner_parameters[] = {
    {.name = "vehicle", .kind = PARAMETER_VEHICLE},
    {.name = "user", .kind = PARAMETER_TEXT, .required = true, .check = user_ok, .form = "anna"},
    {.name = NULL}};

static const struct parameter_spec vehicle_only[] = {{.name = "vehicle", .kind = PARAMETER_VEHICLE},
                                                     {.name = NULL}};

static const struct call_spec calls[] = {
    {"renew-vehicle-identity", "retires a vehicle's identity and has PP-01 run again: a new owner",
     vehicle_only, call_renew},
    {"push-verifiers", "gives a vehicle a SPAKE2+ verifier set made from a fresh pairing password (PP-02)",
     vehicle_only, call_push_verifiers},
    {"replace-verifiers", "burns a vehicle's verifier set, wherever it is, and makes and pushes another",
     vehicle_only, call_replace_verifiers},
    {"register-owner", "says whose a vehicle is: the pairing password is handed to nobody else",
     owner_parameters, call_register_owner},
    {.name = NULL},
};

static void vos_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct vos *v = self;
    if (port == VOS_PORT_GSDP)
        on_request(v, address, bytes);
    else if (port == VOS_PORT_PKI)
        vos_on_issued(v, bytes);
    else if (port == VOS_PORT_TRACKING)
        vos_on_track(v, address, bytes);
    else if (port == VOS_PORT_KTS)
        vos_on_tracked(v, bytes);
    else
        vos_on_init(v, address, bytes);
}

static void vos_on_link(void *self, unsigned port, enum link_state state)
{
    struct vos *v = self;
    if (port == VOS_PORT_PKI)
        v->pki_up = state != LINK_DOWN;
    if (port == VOS_PORT_KTS) {
        v->kts_up = state != LINK_DOWN;
        if (!v->kts_up)
            vos_kts_lost(v);
    }
    if (port != VOS_PORT_GSDP || state != LINK_SUBSCRIBED)
        return;
    vos_renew_again(v);
    vos_verifiers_push_again(v);
}

static void vos_on_timer(void *self, unsigned timer)
{
    if (timer == VOS_TIMER_RENEW)
        vos_renew_again(self);
    else if (timer == VOS_TIMER_VERIFIERS)
        vos_verifiers_push_again(self);
    else
        vos_kts_late(self);
}

static void vos_on_work(void *self, unsigned work, enum err e, struct span result)
{
    (void)work;
    vos_verifiers_on_derived(self, e, result);
}

static enum err vos_init(void *self, struct env *env, const struct component_args *args)
{
    struct vos *v = self;
    v->env = env;
    v->renew_pause_us = args->settings[VOS_SETTING_RENEW_MS] * 1000;
    v->push_pause_us = args->settings[VOS_SETTING_PUSH_MS] * 1000;
    v->scrypt_n = (uint32_t)args->settings[VOS_SETTING_SCRYPT_N];
    v->push_after_identity = args->settings[VOS_SETTING_PUSH_AFTER_IDENTITY];
    v->link_ms = (int64_t)args->settings[VOS_SETTING_LINK_S] * 1000;
    v->kts_us = args->settings[VOS_SETTING_KTS_MS] * 1000;
    if (v->scrypt_n & (v->scrypt_n - 1))
        return ERR_SETTING_RANGE;
    v->issuing = calloc(VOS_ISSUING_MAX, sizeof *v->issuing);
    v->deriving = calloc(VOS_DERIVING_MAX, sizeof *v->deriving);
    v->tracking = calloc(VOS_TRACKING_MAX, sizeof *v->tracking);
    if (!v->issuing || !v->deriving || !v->tracking)
        return ERR_NO_MEMORY;
    env_random(env, &v->next_request_id, sizeof v->next_request_id);
    v->next_request_id >>= 8; /* room to count; an answer to a former life does not match */
    enum err e = responder_init(&v->responder, env, VOS_PORT_GSDP, "vos", "spaak");
    if (!e)
        tracking_claim_all(env, VOS_CLAIM_KEY, VOS_TRACKED_PREFIX);
    return e ? e : vos_claim_all(v);
}

static void vos_fini(void *self)
{
    struct vos *v = self;
    responder_fini(&v->responder);
    free(v->issuing);
    if (v->deriving)
        OPENSSL_cleanse(v->deriving, VOS_DERIVING_MAX * sizeof *v->deriving);
    free(v->deriving);
    free(v->tracking);
}

const struct component_class vos_class = {
    .name = "vos",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct vos),
    .message_max = TRACKING_MESSAGE_MAX,
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .topics = topics,
    .calls = calls,
    .claims = claims,
    .plant = plant,
    .defects = defects,
    .handouts = handouts,
    .secrets = secrets,
    .sealed = secrets,
    .works = works,
    .init = vos_init,
    .fini = vos_fini,
    .on_bytes = vos_on_bytes,
    .on_link = vos_on_link,
    .on_timer = vos_on_timer,
    .on_work = vos_on_work,
};
