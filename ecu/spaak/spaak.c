#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"

#define TBM_LOST_CYCLES 5 /* TBM_Status missing this long: the TBM is gone */

static const struct port_spec ports[] = {
    [SPAAK_PORT_BODY] = {.name = "body", .medium = "can", .segment = SEGMENT_BODY, .node = NODE_SPAAK},
};

static const struct timer_spec timers[] = {
    [SPAAK_VOS] = {"ISO-TP vos", false},
    [SPAAK_GSDP] = {"ISO-TP gsdp", false},
    [SPAAK_TIMER_PROVISIONING] = {"provisioning", false},
    [SPAAK_TIMER_VERIFIERS] = {"verifiers", false},
    [SPAAK_TIMER_TBM] = {"TBM_Status missing", true},
};

static const struct setting_spec settings[] = {
    [SPAAK_SETTING_RETRY_MS] = {.name = "retry_ms", .fallback = 500, .min = 1, .max = 3600000},
    [SPAAK_SETTING_BACK_OFF_MS] = {.name = "back_off_ms", .fallback = 60000, .min = 1, .max = 86400000},
    {.name = NULL},
};

static const struct claim_spec claims[] = {
    [SPAAK_CLAIM_K] = {.name = "K", .kind = CLAIM_EQUAL, .shared = true},
    [SPAAK_CLAIM_VERIFIERS] = {.name = "verifiers", .kind = CLAIM_EQUAL, .shared = true},
    {.name = NULL},
};

static const struct plant_item plant[] = {
    {SPAAK_ECU_KEY, PLANT_KEY, "ecu"},
    {SPAAK_ECU_CERTIFICATE, PLANT_CERTIFICATE, "ecu"},
    {SPAAK_ANCHOR_J, PLANT_CERTIFICATE, "J"},
    {SPAAK_ANCHOR_J1, PLANT_CERTIFICATE, "J1"},
    {SPAAK_ANCHOR_PHYSICAL_KEY, PLANT_CERTIFICATE, "J_PhysicalKey"},
    {SPAAK_ANCHOR_Z1, PLANT_CERTIFICATE, "Z1"},
    {SPAAK_ANCHOR_ZZ2, PLANT_CERTIFICATE, "ZZ2"},
    {.key = NULL},
};

static const struct defect_spec defects[] = {
    {"identity", "foreign", DEFECT_FOREIGN, SPAAK_ECU_KEY, NULL},
    {"pending_csr", "wrong-subject", DEFECT_CSR_OTHER_SUBJECT, SPAAK_PENDING_CSR, SPAAK_PENDING_KEY},
    {"pending_csr", "weak-key", DEFECT_CSR_WEAK_KEY, SPAAK_PENDING_CSR, SPAAK_PENDING_SUBJECT},
    {.name = NULL},
};

static const char *const secrets[] = {
    SPAAK_ECU_KEY,       SPAAK_PENDING_KEY,  SPAAK_PENDING_TRANSPORT, SPAAK_VEHICLE_KEY,
    SPAAK_TRANSPORT_KEY, SPAAK_VERIFIERS_W0, SPAAK_VERIFIERS_L,       NULL};

static const char *const keys[] = {SPAAK_DRM_UUID,
                                   SPAAK_PENDING_SUBJECT,
                                   SPAAK_PENDING_KEY,
                                   SPAAK_PENDING_CSR,
                                   SPAAK_PENDING_TRANSPORT,
                                   SPAAK_VEHICLE_KEY,
                                   SPAAK_VEHICLE_CERTIFICATE,
                                   SPAAK_VEHICLE_ACKED,
                                   SPAAK_TRANSPORT_KEY,
                                   SPAAK_VERIFIERS_ID,
                                   SPAAK_VERIFIERS_W0,
                                   SPAAK_VERIFIERS_L,
                                   SPAAK_VERIFIERS_SCRYPT,
                                   SPAAK_VERIFIERS_LAST,
                                   SPAAK_VERIFIERS_REPORTED,
                                   SPAAK_VERIFIERS_ATTEMPTS,
                                   SPAAK_VERIFIERS_USED,
                                   SPAAK_VERIFIERS_BURNT,
                                   SPAAK_VERIFIERS_WANTED,
                                   SPAAK_LAST_RENEW,
                                   NULL};

static const struct parameter_spec no_parameters[] = {{.name = NULL}};
enum { ATTEMPT_FAILED, ATTEMPT_PASSED };
static const char *const attempt_outcomes[] = {
    [ATTEMPT_FAILED] = "failed", [ATTEMPT_PASSED] = "passed", NULL};

/* ---- what is in the store at start ---- */

static enum err load_anchor(struct spaak *s, const char *key, enum x509_profile profile,
                            struct spaak_anchor *a)
{
    size_t len;
    enum err e = env_store_get(s->env, key, a->der, sizeof a->der, &len);
    if (!e)
        e = x509_parse(span_of(a->der, len), &a->cert);
    if (!e)
        e = x509_check_profile(s->env->crypto, &a->cert, profile);
    return e;
}

static enum err load_identity(struct spaak *s)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_ECU_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(s->env->crypto, scalar, &s->ecu_key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (!e)
        e = env_store_get(s->env, SPAAK_ECU_CERTIFICATE, s->ecu_certificate, X509_MAX,
                          &s->ecu_certificate_len);
    return e;
}

static enum err load(struct spaak *s)
{
    size_t len;
    enum err e = load_identity(s);
    if (!e)
        e = load_anchor(s, SPAAK_ANCHOR_J, X509_OEM_ROOT, &s->j);
    if (!e)
        e = load_anchor(s, SPAAK_ANCHOR_J1, X509_OEM_SUB_CA, &s->j1);
    if (!e)
        e = load_anchor(s, SPAAK_ANCHOR_Z1, X509_SERVER_CA, &s->z1);
    if (e)
        return e;
    s->signer = (struct requester_signer){
        .ecu_serial = s->serial,
        .key = s->ecu_key,
        .certificate = span_of(s->ecu_certificate, s->ecu_certificate_len),
    };
    if (env_store_get(s->env, SPAAK_DRM_UUID, s->drm_uuid, MSG_UUID, &len) == ERR_OK && len == MSG_UUID)
        s->signer.drm_uuid = s->drm_uuid;
    identity_claim(s);
    return verifiers_load(s);
}

/* ---- the bus ---- */

static void on_channel(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct spaak *s = owner;
    switch (ev->kind) {
    case ISOTP_RECEIVED:
        messages_on_bytes(s, (enum spaak_channel)channel->timer, ev->message);
        break;
    case ISOTP_RX_FAILED:
    case ISOTP_TX_FAILED:
        env_trace_reason(s->env, TRACE_REJECT, NULL,
                         ev->kind == ISOTP_TX_FAILED ? channel->out->name : channel->in->name, ev->reason, 0,
                         NULL);
        break;
    case ISOTP_SENT:
    case ISOTP_NONE:
        break;
    }
}

static void set_tbm_ready(struct spaak *s, bool ready)
{
    if (s->tbm_ready == ready)
        return;
    s->tbm_ready = ready;
    env_trace_note(s->env, TRACE_NOTE, ready ? "TBM: connected to GSDP and subscribed" : "TBM: not ready");
    if (!ready)
        return;
    provisioning_on_tbm_ready(s);
    verifiers_on_tbm_ready(s);
}

static enum err check_status(struct spaak *s, const struct bus_frame *f)
{
    if (f->len != TBM_STATUS_LENGTH || f->flags)
        return ERR_BUS_LENGTH;
    if (matrix_checksum(f->id, f->data, f->len) != f->data[TBM_STATUS_LENGTH - 1])
        return ERR_BUS_CHECKSUM;
    if ((f->data[1] & 0x0F) == s->tbm_alive)
        return ERR_BUS_STALE_COUNTER;
    return ERR_OK;
}

static void on_tbm_status(struct spaak *s, const struct bus_frame *f)
{
    const uint8_t both = TBM_STATUS_CONNECTED | TBM_STATUS_SUBSCRIBED;
    const struct matrix_row *row = matrix_row(MATRIX_TBM_STATUS);
    enum err e = check_status(s, f);
    if (e) {
        env_trace_reason(s->env, TRACE_REJECT, NULL, row->name, e, f->len, NULL);
        return;
    }
    s->tbm_alive = f->data[1] & 0x0F;
    env_timer_in(s->env, SPAAK_TIMER_TBM, row->cycle_ms * 1000ull * TBM_LOST_CYCLES);
    set_tbm_ready(s, (f->data[0] & both) == both);
}

static void spaak_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    struct spaak *s = self;
    (void)port;
    if (f->id == matrix_row(MATRIX_TBM_STATUS)->id)
        on_tbm_status(s, f);
    for (size_t i = 0; i < SPAAK_CHANNELS; i++)
        isotp_port_input(&s->channels[i], f);
}

static void spaak_on_timer(void *self, unsigned timer)
{
    struct spaak *s = self;
    switch (timer) {
    case SPAAK_TIMER_PROVISIONING:
        requester_on_timer(&s->provisioning.requester);
        break;
    case SPAAK_TIMER_VERIFIERS:
        requester_on_timer(&s->verifiers);
        break;
    case SPAAK_TIMER_TBM:
        set_tbm_ready(s, false);
        break;
    default:
        assert(timer < SPAAK_CHANNELS);
        isotp_port_timer(&s->channels[timer]);
        break;
    }
}

/* ---- calls: what head unit and phone will bring ---- */

static enum err call_start_pairing_mode(void *self, const struct call_value *values)
{
    (void)values;
    return verifiers_start_pairing_mode(self);
}

static enum err call_pairing_attempt(void *self, const struct call_value *values)
{
    enum err e = verifiers_begin_attempt(self);
    return e ? e : verifiers_end_attempt(self, values[0].number == ATTEMPT_PASSED);
}

static const struct parameter_spec attempt_parameters[] = {
    {.name = "outcome", .kind = PARAMETER_WORD, .required = true, .words = attempt_outcomes},
    {.name = NULL},
};

static const struct call_spec calls[] = {
    {"start-pairing-mode",
     "ignition on, \"add digital key\": verifiers are looked for, and asked for (PP-03)", no_parameters,
     call_start_pairing_mode},
    {"pairing-attempt", "a SPAKE2+ attempt of a phone, counted, that failed or passed", attempt_parameters,
     call_pairing_attempt},
    {.name = NULL},
};

static enum err spaak_init(void *self, struct env *env, const struct component_args *args)
{
    static const enum matrix_message rows[SPAAK_CHANNELS][2] = {
        [SPAAK_VOS] = {MATRIX_SPAAK_VOS_UP, MATRIX_SPAAK_VOS_DOWN},
        [SPAAK_GSDP] = {MATRIX_SPAAK_GSDP_UP, MATRIX_SPAAK_GSDP_DOWN},
    };
    struct spaak *s = self;
    s->env = env;
    s->tbm_alive = -1;
    s->retry_us = args->settings[SPAAK_SETTING_RETRY_MS] * 1000;
    s->back_off_us = args->settings[SPAAK_SETTING_BACK_OFF_MS] * 1000;
    text_copy(s->serial, sizeof s->serial, args->serial);
    for (unsigned i = 0; i < SPAAK_CHANNELS; i++) {
        isotp_port_init(&s->channels[i], env, SPAAK_PORT_BODY, i, rows[i][0], rows[i][1]);
        s->channels[i].on_event = on_channel;
        s->channels[i].owner = s;
    }
    provisioning_init(s);
    verifiers_init(s);
    return load(s);
}

static void spaak_fini(void *self)
{
    struct spaak *s = self;
    p256_free(s->ecu_key);
    OPENSSL_cleanse(s, sizeof *s);
}

const struct component_class spaak_class = {
    .name = "spaak",
    .place = PLACE_VEHICLE,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct spaak),
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .claims = claims,
    .calls = calls,
    .plant = plant,
    .defects = defects,
    .secrets = secrets,
    .init = spaak_init,
    .fini = spaak_fini,
    .on_frame = spaak_on_frame,
    .on_timer = spaak_on_timer,
};
