/* The TBM's table of diagnostics (docs/uds.md), and what stands behind its rows. */
#include <string.h>

#include "lib/pki/x509.h"
#include "tbm/tbm_internal.h"

#define GSDP_LOST_MS  10000
#define RETRY_S       30
#define RETRY_S_MIN   1
#define RETRY_S_MAX   3600
#define BROKER_LEN    64
#define RECONNECT_RID 0x0320

enum { DTC_GSDP_LOST, DTC_CERTIFICATE_MISSING, DTC_CERTIFICATE_EXPIRED };
enum { DID_GSDP_STATE = 0x0240, DID_BROKER, DID_CERTIFICATE, DID_RETRY };

/* ---- identifiers ---- */

static enum uds_nrc read_identity(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct tbm *t = ctx;
    return diagnostic_read(&t->diagnostic, did, out);
}

/* ERR_NOT_FOUND without a certificate that can be read. */
static enum err load_certificate(struct tbm *t, uint8_t der[X509_MAX], struct x509 *out)
{
    size_t len;
    if (env_store_get(t->env, TBM_KEY_CERTIFICATE, der, X509_MAX, &len) || x509_parse(span_of(der, len), out))
        return ERR_NOT_FOUND;
    return ERR_OK;
}

static void put_digest(struct tbm *t, struct wr *out)
{
    uint8_t der[X509_MAX], digest[SHA256_SIZE] = {0};
    struct x509 x;
    if (!load_certificate(t, der, &x))
        crypto_sha256(t->env->crypto, &x.der, 1, digest);
    wr_copy(out, digest, sizeof digest);
}

static enum uds_nrc read_state(void *ctx, const struct uds_did *did, struct wr *out)
{
    struct tbm *t = ctx;
    switch (did->id) {
    case DID_GSDP_STATE:
        wr_u8(out, (uint8_t)t->gsdp);
        break;
    case DID_BROKER:
        diagnostic_put_text(did, tbm_class.ports[TBM_PORT_GSDP].name, out);
        break;
    case DID_CERTIFICATE:
        put_digest(t, out);
        break;
    default:
        wr_be16(out, t->retry_s);
        break;
    }
    return UDS_OK;
}

static enum uds_nrc write_retry(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    struct tbm *t = ctx;
    struct rd r = rd_of(value.p, value.len);
    uint16_t retry_s = rd_be16(&r);
    (void)did;
    (void)ticket;
    if (retry_s < RETRY_S_MIN || retry_s > RETRY_S_MAX)
        return UDS_NRC_OUT_OF_RANGE;
    t->retry_s = retry_s;
    return UDS_OK;
}

/* ---- routine ---- */

/* The connection itself is kept up all the time; what is asked for is not to wait for the next try. */
static enum uds_nrc run_reconnect(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    (void)call;
    tbm_proceed(ctx);
    wr_u8(out, 0x00);
    return UDS_OK;
}

/* ---- hooks ---- */

static uint16_t load_retry(struct tbm *t)
{
    uint8_t stored[2];
    size_t len;
    if (env_store_get(t->env, TBM_KEY_RETRY, stored, sizeof stored, &len) || len != sizeof stored)
        return RETRY_S;
    return (uint16_t)(stored[0] << 8 | stored[1]);
}

static bool store(void *ctx, const struct uds_stored *stored)
{
    struct tbm *t = ctx;
    uint8_t retry[2] = {(uint8_t)(t->retry_s >> 8), (uint8_t)t->retry_s};
    bool kept = (t->retry_s == load_retry(t) ||
                 !env_store_put(t->env, TBM_KEY_RETRY, span_of(retry, sizeof retry))) &&
                diagnostic_store(&t->diagnostic, stored);
    if (!kept)
        t->retry_s = load_retry(t);
    return kept;
}

static bool level_key(void *ctx, uint8_t level, uint8_t k[UDS_SECRET])
{
    struct tbm *t = ctx;
    (void)level;
    return diagnostic_key(&t->diagnostic, TBM_KEY_LEVEL, k);
}

/* Normal messages may be on again: what waited goes. */
static void changed(void *ctx, const struct uds_server *s)
{
    (void)s;
    tbm_proceed(ctx);
}

/* ---- the table ---- */

#define WORKSHOP_OPEN UDS_LOCKED_IN(UDS_IN(DIAGNOSTIC_EXTENDED), DIAGNOSTIC_LEVEL_WORKSHOP)

static const struct uds_service services[] = {
    DIAGNOSTIC_SERVICES,
    {UDS_SID_SECURITY_ACCESS, {DIAGNOSTIC_IN_EXTENDED}, UDS_SUBFUNCTIONS(diagnostic_workshop_level)},
    {.sid = UDS_SID_ROUTINE_CONTROL, .access = {DIAGNOSTIC_IN_EXTENDED}},
};

static const struct uds_did dids[] = {
    DIAGNOSTIC_DIDS(read_identity),
    DIAGNOSTIC_VIN(read_identity),
    {DID_GSDP_STATE, 1, 1, {{DIAGNOSTIC_ALL}}, .read_value = read_state},
    {DID_BROKER, BROKER_LEN, BROKER_LEN, {{DIAGNOSTIC_ALL}}, .read_value = read_state},
    {DID_CERTIFICATE, SHA256_SIZE, SHA256_SIZE, {{DIAGNOSTIC_ALL}}, .read_value = read_state},
    {DID_RETRY, 2, 2, {{DIAGNOSTIC_ALL}}, {{WORKSHOP_OPEN}}, read_state, write_retry},
};

static const struct uds_routine routines[] = {
    {RECONNECT_RID, {{WORKSHOP_OPEN}}, {{.offered = true}}, false, run_reconnect}};

static const struct uds_level levels[] = {
    {DIAGNOSTIC_LEVEL_WORKSHOP, .attempts = DIAGNOSTIC_ATTEMPTS, .delay_ms = DIAGNOSTIC_DELAY_MS, level_key}};

static const uint32_t dtcs[] = {
    [DTC_GSDP_LOST] = 0xDA0087,           /* U1A00-87 */
    [DTC_CERTIFICATE_MISSING] = 0x9A1051, /* B1A10-51 */
    [DTC_CERTIFICATE_EXPIRED] = 0x9A1056, /* B1A10-56 */
};

#define COUNT(table) (sizeof table / sizeof table[0])

static const struct uds_ecu ecu = {
    .sessions = diagnostic_sessions,
    .session_count = DIAGNOSTIC_SESSIONS,
    .services = services,
    .service_count = COUNT(services),
    .dids = dids,
    .did_count = COUNT(dids),
    .routines = routines,
    .routine_count = COUNT(routines),
    .levels = levels,
    .level_count = COUNT(levels),
    .dtcs = dtcs,
    .dtc_count = COUNT(dtcs),
    DIAGNOSTIC_BOUNDS,
    .store = store,
    .changed = changed,
};

/* ---- trouble codes ---- */

void tbm_diagnostics_test_certificate(struct tbm *t)
{
    uint8_t der[X509_MAX];
    struct x509 x;
    bool missing = load_certificate(t, der, &x) != ERR_OK;
    diagnostic_report(&t->diagnostic, DTC_CERTIFICATE_MISSING, missing);
    if (!missing)
        diagnostic_report(&t->diagnostic, DTC_CERTIFICATE_EXPIRED,
                          x509_check_time(&x, env_wall_ms(t->env) / 1000) == ERR_CERT_EXPIRED);
}

void tbm_diagnostics_on_gsdp(struct tbm *t)
{
    tbm_diagnostics_test_certificate(t);
    if (t->gsdp == LINK_DOWN) {
        env_timer_in(t->env, TBM_TIMER_GSDP_LOST, GSDP_LOST_MS * 1000ull);
        return;
    }
    env_timer_set(t->env, TBM_TIMER_GSDP_LOST, ENV_NEVER);
    diagnostic_report(&t->diagnostic, DTC_GSDP_LOST, false);
}

void tbm_diagnostics_on_gsdp_lost(struct tbm *t)
{
    diagnostic_report(&t->diagnostic, DTC_GSDP_LOST, true);
}

enum err tbm_diagnostics_init(struct tbm *t)
{
    const struct diagnostic_config cfg = {
        .ecu = &ecu,
        .owner = t,
        .identity = {.part = "4711000002", .letters = "TBM", .hardware = "HW01", .software = "SW0001"},
        .vehicle = t->serial,
        .port = TBM_PORT_TELEMATICS,
        .timer_channel = TBM_TIMER_DIAGNOSTIC_CHANNEL,
        .timer_server = TBM_TIMER_DIAGNOSTIC,
        .request = MATRIX_UDS_TBM_REQ,
        .answer = MATRIX_UDS_TBM_RSP,
        .down = tbm_down,
        .up = tbm_up,
    };
    t->retry_s = load_retry(t);
    return diagnostic_init(&t->diagnostic, t->env, &cfg);
}
