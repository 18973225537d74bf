/* The module's table of diagnostics (docs/uds.md), and the data behind it. */
#include <assert.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"

#define TIMEOUT_S_MIN 10 /* of T_PairingModeTimeout */
#define TIMEOUT_S_MAX 600
#define MEMORY_LEN    1024
#define LEVEL_PLANT   0x61

enum {
    DID_VIN = 0xF190,
    DID_LIFE = 0x0200,
    DID_PRESENT = 0x0201,
    DID_ANCHOR_1 = 0x0210, /* to 0214 */
    DID_IDENTITY = 0x0215,
    DID_PUBLIC_KEY = 0x0216,
    DID_VEHICLE = 0x0217,
    DID_DRM_UUID = 0x0218,
    DID_VERIFIERS = 0x0219,
    DID_READERS = 0x021A,
    DID_MEMORY = 0x0221,
    DID_TIMEOUT = 0x0230
};

/* ---- identifiers ---- */

static enum uds_nrc read_identity(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct spaak *s = ctx;
    return diagnostic_read(&s->diagnostic, did, out);
}

/* Bytes of the store, or zeros: for values of one length. */
static void put_stored(struct spaak *s, const char *key, size_t len, struct wr *out)
{
    uint8_t value[P256_POINT] = {0};
    size_t stored;
    assert(len <= sizeof value);
    if (env_store_get(s->env, key, value, len, &stored) || stored != len)
        memset(value, 0, len);
    wr_copy(out, value, len);
}

/* Of a certificate; zeros without one. */
static void put_digest(struct spaak *s, const char *key, struct wr *out)
{
    uint8_t der[X509_MAX], digest[SHA256_SIZE] = {0};
    size_t len;
    if (!env_store_get(s->env, key, der, sizeof der, &len)) {
        struct span whole = span_of(der, len);
        crypto_sha256(s->env->crypto, &whole, 1, digest);
    }
    wr_copy(out, digest, sizeof digest);
}

static enum uds_nrc read_digest(void *ctx, const struct uds_did *did, struct wr *out)
{
    put_digest(ctx,
               did->id == DID_IDENTITY  ? SPAAK_ECU_CERTIFICATE
               : did->id == DID_VEHICLE ? SPAAK_VEHICLE_CERTIFICATE
                                        : plant_slot_key(did->id - (size_t)DID_ANCHOR_1),
               out);
    return UDS_OK;
}

static uint8_t present(struct spaak *s)
{
    unsigned bits = 0;
    for (size_t i = 0; i < PLANT_SLOTS; i++)
        bits |= plant_is_stored(s, plant_slot_key(i)) ? 1u << i : 0;
    bits |= plant_is_stored(s, SPAAK_ECU_CERTIFICATE) ? 0x20 : 0;
    bits |= plant_is_stored(s, SPAAK_ECU_KEY) ? 0x40 : 0;
    return (uint8_t)bits;
}

static enum uds_nrc read_plant(void *ctx, const struct uds_did *did, struct wr *out)
{
    struct spaak *s = ctx;
    uint8_t point[P256_POINT];
    if (did->id == DID_LIFE)
        wr_u8(out, (uint8_t)plant_life(s));
    else if (did->id == DID_PRESENT)
        wr_u8(out, present(s));
    else {
        if (plant_identity_point(s, point))
            memset(point, 0, sizeof point);
        wr_copy(out, point, sizeof point);
    }
    return UDS_OK;
}

/* The codes that are stored, each with its status; zeros behind them. */
static void put_memory(const struct spaak *s, struct wr *out)
{
    size_t left = MEMORY_LEN;
    for (size_t i = 0; i < SPAAK_DTCS; i++) {
        uint8_t status = s->diagnostic.server.stored.status[i];
        if (!(status & UDS_DTC_CONFIRMED))
            continue;
        wr_be32(out, trouble_codes[i] << 8 | status);
        left -= 4;
    }
    while (left-- > 0)
        wr_u8(out, 0);
}

static uint16_t load_timeout(struct spaak *s)
{
    uint8_t stored[2];
    size_t len;
    if (env_store_get(s->env, SPAAK_PAIRING_TIMEOUT, stored, sizeof stored, &len) || len != sizeof stored)
        return (uint16_t)(s->pairing_mode_us / 1000000);
    return (uint16_t)(stored[0] << 8 | stored[1]);
}

static enum uds_nrc read_state(void *ctx, const struct uds_did *did, struct wr *out)
{
    struct spaak *s = ctx;
    switch (did->id) {
    case DID_DRM_UUID:
        put_stored(s, SPAAK_DRM_UUID, MSG_UUID, out);
        break;
    case DID_VERIFIERS:
        wr_u8(out, verifiers_are_stored(s));
        wr_u8(out, verifiers_attempts(s));
        break;
    case DID_READERS:
        wr_u8(out, s->hearing[SPAAK_SENDER_PAD] == SPAAK_HEARD);
        wr_u8(out, s->hearing[SPAAK_SENDER_DOOR] == SPAAK_HEARD);
        break;
    case DID_MEMORY:
        put_memory(s, out);
        break;
    default:
        wr_be16(out, load_timeout(s));
        break;
    }
    return UDS_OK;
}

static enum uds_nrc read_vin(void *ctx, const struct uds_did *did, struct wr *out)
{
    struct spaak *s = ctx;
    if (!plant_is_stored(s, SPAAK_VIN))
        return diagnostic_read(&s->diagnostic, did, out);
    put_stored(s, SPAAK_VIN, UDS_VIN_LEN, out);
    return UDS_OK;
}

static enum uds_nrc write_vin(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    static const char characters[] = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"; /* ISO 3779 */
    struct spaak *s = ctx;
    (void)did;
    (void)ticket;
    for (size_t i = 0; i < value.len; i++)
        if (!memchr(characters, value.p[i], sizeof characters - 1))
            return UDS_NRC_OUT_OF_RANGE;
    return env_store_put(s->env, SPAAK_VIN, value) ? UDS_NRC_PROGRAMMING : UDS_OK;
}

static enum uds_nrc write_timeout(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    struct spaak *s = ctx;
    struct rd r = rd_of(value.p, value.len);
    uint16_t timeout_s = rd_be16(&r);
    (void)did;
    (void)ticket;
    if (timeout_s < TIMEOUT_S_MIN || timeout_s > TIMEOUT_S_MAX)
        return UDS_NRC_OUT_OF_RANGE;
    return env_store_put(s->env, SPAAK_PAIRING_TIMEOUT, value) ? UDS_NRC_PROGRAMMING : UDS_OK;
}

/* ---- hooks ---- */

static bool store(void *ctx, const struct uds_stored *stored)
{
    struct spaak *s = ctx;
    bool nothing = s->routine.keeps_nothing;
    s->routine.keeps_nothing = false;
    if (nothing)
        return true;
    bool kept = diagnostic_store(&s->diagnostic, stored);
    plant_kept(s, kept);
    return kept;
}

static bool level_key(void *ctx, uint8_t level, uint8_t k[UDS_SECRET])
{
    struct spaak *s = ctx;
    return diagnostic_key(&s->diagnostic, level == LEVEL_PLANT ? SPAAK_LEVEL_PLANT : SPAAK_LEVEL_WORKSHOP, k);
}

static enum uds_nrc may_enter_plant(void *ctx)
{
    struct spaak *s = ctx;
    enum plant_life life = plant_life(s);
    return life == PLANT_OPEN || life == PLANT_LOCKED
               ? UDS_OK
               : plant_refuse(s, UDS_NRC_CONDITIONS, "session 60", ERR_PLANT_LOCKED, NULL);
}

static void changed(void *ctx, const struct uds_server *server)
{
    struct spaak *s = ctx;
    (void)server;
    s->retest = true;
    radio_look(s); /* 28 may have silenced it */
}

/* ---- the table ---- */

enum { IN_PLANT_ROW = DIAGNOSTIC_SESSIONS, SESSIONS };

#define ALL            DIAGNOSTIC_ALL
#define IN_EXTENDED    UDS_IN(DIAGNOSTIC_EXTENDED)
#define IN_PLANT       UDS_IN(IN_PLANT_ROW)
#define UNLESS_DEFAULT UDS_FREE_IN(IN_EXTENDED | IN_PLANT)
#define WORKSHOP_OPEN  UDS_LOCKED_IN(IN_EXTENDED, DIAGNOSTIC_LEVEL_WORKSHOP)
#define PLANT_IS_OPEN  UDS_LOCKED_IN(IN_PLANT, LEVEL_PLANT)

static const struct uds_session sessions[SESSIONS] = {
    [DIAGNOSTIC_DEFAULT] = {UDS_SESSION_DEFAULT, DIAGNOSTIC_P2_MS, DIAGNOSTIC_P2_STAR_MS, NULL},
    [DIAGNOSTIC_EXTENDED] = {UDS_SESSION_EXTENDED, DIAGNOSTIC_P2_MS, DIAGNOSTIC_P2_STAR_MS, NULL},
    [IN_PLANT_ROW] = {UDS_SESSION_SUPPLIER, DIAGNOSTIC_P2_MS, DIAGNOSTIC_P2_STAR_MS, may_enter_plant},
};

static const struct uds_subfunction enter[] = {
    {UDS_SESSION_DEFAULT, {ALL}}, {UDS_SESSION_EXTENDED, {ALL}}, {UDS_SESSION_SUPPLIER, {ALL}}};
static const struct uds_subfunction seeds_and_keys[] = {
    {DIAGNOSTIC_LEVEL_WORKSHOP, {UDS_FREE_IN(IN_EXTENDED)}},
    {DIAGNOSTIC_LEVEL_WORKSHOP + 1, {UDS_FREE_IN(IN_EXTENDED)}},
    {LEVEL_PLANT, {UDS_FREE_IN(IN_PLANT)}},
    {LEVEL_PLANT + 1, {UDS_FREE_IN(IN_PLANT)}}};

static const struct uds_service services[] = {
    {UDS_SID_SESSION_CONTROL, {ALL}, UDS_SUBFUNCTIONS(enter)},
    {UDS_SID_ECU_RESET, {ALL}, UDS_SUBFUNCTIONS(diagnostic_reset)},
    {.sid = UDS_SID_CLEAR_DTCS, .access = {ALL}},
    {UDS_SID_READ_DTCS, {ALL}, UDS_SUBFUNCTIONS(diagnostic_reports)},
    {.sid = UDS_SID_READ_DATA, .access = {ALL}},
    {UDS_SID_SECURITY_ACCESS, {UNLESS_DEFAULT}, UDS_SUBFUNCTIONS(seeds_and_keys)},
    {UDS_SID_COMMUNICATION_CONTROL, {UNLESS_DEFAULT}, UDS_SUBFUNCTIONS(diagnostic_communication)},
    {.sid = UDS_SID_WRITE_DATA, .access = {UNLESS_DEFAULT}},
    {.sid = UDS_SID_ROUTINE_CONTROL, .access = {UNLESS_DEFAULT}},
    {UDS_SID_TESTER_PRESENT, {ALL}, UDS_SUBFUNCTIONS(diagnostic_present)},
    {UDS_SID_DTC_SETTING, {UNLESS_DEFAULT}, UDS_SUBFUNCTIONS(diagnostic_dtc_switch)},
};

#define DIGEST(id)                                                         \
    {                                                                      \
        (id), SHA256_SIZE, SHA256_SIZE, {{ALL}}, .read_value = read_digest \
    }

static const struct uds_did dids[] = {
    DIAGNOSTIC_DIDS(read_identity),
    {DID_VIN, UDS_VIN_LEN, UDS_VIN_LEN, {{ALL}}, {{WORKSHOP_OPEN}, {PLANT_IS_OPEN}}, read_vin, write_vin},
    {DID_LIFE, 1, 1, {{ALL}}, .read_value = read_plant},
    {DID_PRESENT, 1, 1, {{ALL}}, .read_value = read_plant},
    DIGEST(DID_ANCHOR_1),
    DIGEST(DID_ANCHOR_1 + 1),
    DIGEST(DID_ANCHOR_1 + 2),
    DIGEST(DID_ANCHOR_1 + 3),
    DIGEST(DID_ANCHOR_1 + 4),
    DIGEST(DID_IDENTITY),
    {DID_PUBLIC_KEY, P256_POINT, P256_POINT, {{ALL}}, .read_value = read_plant},
    DIGEST(DID_VEHICLE),
    {DID_DRM_UUID, MSG_UUID, MSG_UUID, {{UNLESS_DEFAULT}}, .read_value = read_state},
    {DID_VERIFIERS, 2, 2, {{ALL}}, .read_value = read_state},
    {DID_READERS, 2, 2, {{ALL}}, .read_value = read_state},
    {DID_MEMORY, MEMORY_LEN, MEMORY_LEN, {{ALL}}, .read_value = read_state},
    {DID_TIMEOUT, 2, 2, {{ALL}}, {{WORKSHOP_OPEN}}, read_state, write_timeout},
};

static const struct uds_routine routines[] = {
    {SPAAK_RID_KEY, {{PLANT_IS_OPEN}}, {{.offered = true}, {0}, {.offered = true}}, true, plant_make_key},
    {SPAAK_RID_CSR, {{PLANT_IS_OPEN}}, {{.offered = true}, {0}, {.offered = true}}, false, plant_make_csr},
    {SPAAK_RID_ANCHOR, {{PLANT_IS_OPEN}}, {{UDS_OPTIONS(2, ISOTP_PORT_MAX)}}, true, anchors_install},
    {SPAAK_RID_IDENTITY,
     {{PLANT_IS_OPEN}},
     {{UDS_OPTIONS(1, ISOTP_PORT_MAX)}},
     true,
     anchors_install_identity},
    {SPAAK_RID_CLOSE, {{PLANT_IS_OPEN}}, {{UDS_OPTIONS(4, 4)}}, true, plant_end},
    {SPAAK_RID_READERS,
     {{WORKSHOP_OPEN}},
     {{.offered = true}, {.offered = true}, {.offered = true}},
     false,
     trouble_test_readers},
};

static const struct uds_level levels[] = {
    {DIAGNOSTIC_LEVEL_WORKSHOP, DIAGNOSTIC_ATTEMPTS, DIAGNOSTIC_DELAY_MS, level_key},
    {LEVEL_PLANT, DIAGNOSTIC_ATTEMPTS, DIAGNOSTIC_DELAY_MS, level_key}};

#define COUNT(table) (sizeof table / sizeof table[0])

static const struct uds_ecu ecu = {
    .sessions = sessions,
    .session_count = SESSIONS,
    .services = services,
    .service_count = COUNT(services),
    .dids = dids,
    .did_count = COUNT(dids),
    .routines = routines,
    .routine_count = COUNT(routines),
    .levels = levels,
    .level_count = COUNT(levels),
    .dtcs = trouble_codes,
    .dtc_count = SPAAK_DTCS,
    DIAGNOSTIC_BOUNDS,
    .store = store,
    .changed = changed,
};

enum err spaak_diagnostics_init(struct spaak *s)
{
    const struct diagnostic_config cfg = {
        .ecu = &ecu,
        .owner = s,
        .identity = {.part = "4711000001", .letters = "SPAAK", .hardware = "HW01", .software = "SW0001"},
        .vehicle = s->serial,
        .port = SPAAK_PORT_BODY,
        .timer_channel = SPAAK_TIMER_DIAGNOSTIC_CHANNEL,
        .timer_server = SPAAK_TIMER_DIAGNOSTIC,
        .request = MATRIX_UDS_SPAAK_REQ,
        .answer = MATRIX_UDS_SPAAK_RSP,
        .down = spaak_down,
        .up = spaak_up,
    };
    return diagnostic_init(&s->diagnostic, s->env, &cfg);
}
