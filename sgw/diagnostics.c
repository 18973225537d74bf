/* The SGW's table of diagnostics (docs/uds.md), and what stands behind its rows. */
#include "sgw/sgw_internal.h"

#define WRONG_PROOFS 3

enum { DTC_TBM_SILENT, DTC_FLOOD, DTC_PROOFS };
enum { DID_GATE = 0x0250, DID_ROLE, DID_TESTER, DID_DROPPED };

static enum uds_nrc read_identity(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct sgw *g = ctx;
    return diagnostic_read(&g->diagnostic, did, out);
}

static enum uds_nrc read_gate(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct sgw *g = ctx;
    switch (did->id) {
    case DID_GATE:
        wr_u8(out, g->gate.open);
        break;
    case DID_ROLE:
        wr_u8(out, (uint8_t)g->gate.tester.role);
        break;
    case DID_TESTER:
        wr_copy(out, g->gate.tester.digest, SHA256_SIZE);
        break;
    default:
        for (size_t s = 0; s < SEGMENTS; s++)
            wr_be32(out, g->drops.total[s]);
        break;
    }
    return UDS_OK;
}

static bool store(void *ctx, const struct uds_stored *stored)
{
    struct sgw *g = ctx;
    return diagnostic_store(&g->diagnostic, stored);
}

static void changed(void *ctx, const struct uds_server *s)
{
    (void)s;
    gate_update(ctx);
}

/* ---- the table ---- */

static const struct uds_subfunction authenticate[] = {{UDS_AUTH_END, {DIAGNOSTIC_ALL}},
                                                      {UDS_AUTH_CERTIFICATE, {DIAGNOSTIC_IN_EXTENDED}},
                                                      {UDS_AUTH_PROOF, {DIAGNOSTIC_IN_EXTENDED}},
                                                      {UDS_AUTH_CONFIGURATION, {DIAGNOSTIC_ALL}}};

static const struct uds_service services[] = {
    DIAGNOSTIC_SERVICES,
    {UDS_SID_AUTHENTICATION, {DIAGNOSTIC_ALL}, UDS_SUBFUNCTIONS(authenticate)},
};

static const struct uds_did dids[] = {
    DIAGNOSTIC_DIDS(read_identity),
    DIAGNOSTIC_VIN(read_identity),
    {DID_GATE, 1, 1, {{DIAGNOSTIC_ALL}}, .read_value = read_gate},
    {DID_ROLE, 1, 1, {{DIAGNOSTIC_ALL}}, .read_value = read_gate},
    {DID_TESTER, SHA256_SIZE, SHA256_SIZE, {{DIAGNOSTIC_ALL}}, .read_value = read_gate},
    {DID_DROPPED, 4 * SEGMENTS, 4 * SEGMENTS, {{DIAGNOSTIC_ALL}}, .read_value = read_gate},
};

static const uint32_t dtcs[] = {
    [DTC_TBM_SILENT] = 0xC19887, /* U0198-87 */
    [DTC_FLOOD] = 0xDA2068,      /* U1A20-68 */
    [DTC_PROOFS] = 0xDA2168,     /* U1A21-68 */
};

#define COUNT(table) (sizeof table / sizeof table[0])

/* ---- trouble codes ---- */

void sgw_diagnostics_on_flood(struct sgw *g)
{
    diagnostic_report(&g->diagnostic, DTC_FLOOD, true);
}

void sgw_diagnostics_on_proofs(struct sgw *g)
{
    if (g->gate.wrong_proofs >= WRONG_PROOFS)
        diagnostic_report(&g->diagnostic, DTC_PROOFS, true);
    else if (g->gate.open)
        diagnostic_report(&g->diagnostic, DTC_PROOFS, false);
}

void sgw_diagnostics_on_tbm(struct sgw *g, bool silent)
{
    diagnostic_report(&g->diagnostic, DTC_TBM_SILENT, silent);
}

/* ---- life ---- */

static void down(void *sgw)
{
    struct sgw *g = sgw;
    gate_update(g);
    authentication_forget(g);
    g->gate = (struct gate){0};
    g->drops = (struct drops){0};
    for (size_t i = 0; i < MATRIX_MESSAGES; i++)
        g->buckets[i].full_at_us = 0;
    env_timer_set(g->env, SGW_TIMER_REPORT, ENV_NEVER);
    env_timer_set(g->env, SGW_TIMER_TBM, ENV_NEVER);
}

static void up(void *sgw)
{
    sgw_watch_tbm(sgw);
}

enum err sgw_diagnostics_init(struct sgw *g)
{
    static const struct uds_ecu ecu = {
        .sessions = diagnostic_sessions,
        .session_count = DIAGNOSTIC_SESSIONS,
        .services = services,
        .service_count = COUNT(services),
        .dids = dids,
        .did_count = COUNT(dids),
        .dtcs = dtcs,
        .dtc_count = COUNT(dtcs),
        DIAGNOSTIC_BOUNDS,
        .authenticator = {authentication_certificate, authentication_proof},
        .store = store,
        .changed = changed,
    };
    const struct diagnostic_config cfg = {
        .ecu = &ecu,
        .owner = g,
        .identity = {.part = "4711000003", .letters = "SGW", .hardware = "HW01", .software = "SW0001"},
        .vehicle = g->serial,
        .port = SEGMENT_DIAGNOSTIC,
        .timer_channel = SGW_TIMER_DIAGNOSTIC_CHANNEL,
        .timer_server = SGW_TIMER_DIAGNOSTIC,
        .request = MATRIX_UDS_SGW_REQ,
        .answer = MATRIX_UDS_SGW_RSP,
        .down = down,
        .up = up,
    };
    return diagnostic_init(&g->diagnostic, g->env, &cfg);
}
