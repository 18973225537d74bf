/* The test ECU's table, and what stands behind its rows. */
#include <assert.h>
#include <string.h>

#include "tests/uds_ecu.h"

#define KEY_PAIR_MS    300
#define READER_TEST_MS 11000

enum { DEFAULT, EXTENDED, PLANT, SESSIONS };
enum { IN_EXTENDED = UDS_IN(EXTENDED), IN_PLANT = UDS_IN(PLANT), NOT_DEFAULT = IN_EXTENDED | IN_PLANT };
enum { WORKSHOP = 0x01, PLANT_LEVEL = 0x61 };
enum { VERDICT_INSTALLED = 0x00, VERDICT_MALFORMED = 0x01, VERDICT_SLOT_TAKEN = 0x08 };

const uint8_t uds_ecu_secret[UDS_SECRET] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* ---- hooks ---- */

static bool store(void *ctx, const struct uds_stored *stored)
{
    struct uds_ecu_bench *b = ctx;
    b->commits++;
    if (b->commits == b->refuse_at) {
        b->live = b->kept;
        return false;
    }
    bool cut = b->commits == b->cut_at;
    if (b->dead || (cut && !b->cut_keeps)) {
        b->dead = true;
        return true; /* to nobody: power is gone */
    }
    b->live.uds = *stored;
    b->kept = b->live;
    b->dead = cut;
    if (b->kept.life == UDS_ECU_FINISHED && uds_server_session_id(&b->server) == UDS_SESSION_SUPPLIER)
        uds_server_default_session(&b->server);
    return true;
}

static bool level_key(void *ctx, uint8_t level, uint8_t k[UDS_SECRET])
{
    struct uds_ecu_bench *b = ctx;
    struct span serial = span_of(UDS_ECU_SERIAL, strlen(UDS_ECU_SERIAL));
    return !uds_security_ecu_key(b->crypto, uds_ecu_secret, level, serial, k);
}

static enum uds_nrc may_enter_plant(void *ctx)
{
    const struct uds_ecu_bench *b = ctx;
    return b->live.life == UDS_ECU_FINISHED ? UDS_NRC_CONDITIONS : UDS_OK;
}

/* ---- identifiers ---- */

static bool is_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= p[i];
    return !any;
}

static uint8_t present(const struct uds_ecu_bench *b)
{
    unsigned bits = b->live.key_pair ? 0x40 : 0;
    for (unsigned i = 0; i < UDS_ECU_ANCHORS; i++)
        bits |= is_zero(b->live.anchors[i], SHA256_SIZE) ? 0 : 1u << i;
    return (uint8_t)(bits | (is_zero(b->live.identity, SHA256_SIZE) ? 0 : 0x20));
}

static enum uds_nrc read_text(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct uds_ecu_bench *b = ctx;
    static const char part[] = "4711000001", hardware[] = "HW01", software[] = "SW0001";
    switch (did->id) {
    case 0xF187:
        wr_copy(out, part, strlen(part));
        break;
    case 0xF18C:
        wr_copy(out, UDS_ECU_SERIAL, strlen(UDS_ECU_SERIAL));
        break;
    case 0xF190:
        wr_copy(out, b->live.vin, UDS_ECU_VIN);
        break;
    case 0xF191:
        wr_copy(out, hardware, strlen(hardware));
        break;
    default:
        wr_copy(out, software, strlen(software));
        break;
    }
    return UDS_OK;
}

static enum uds_nrc read_state(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct uds_ecu_bench *b = ctx;
    switch (did->id) {
    case 0xF186:
        wr_u8(out, uds_server_session_id(&b->server));
        break;
    case 0x0200:
        wr_u8(out, (uint8_t)b->live.life);
        break;
    case 0x0201:
        wr_u8(out, present(b));
        break;
    default:
        wr_be16(out, b->live.timeout_s);
        break;
    }
    return UDS_OK;
}

static enum uds_nrc read_digest(void *ctx, const struct uds_did *did, struct wr *out)
{
    const struct uds_ecu_bench *b = ctx;
    unsigned slot = did->id - 0x0210u;
    wr_copy(out, slot < UDS_ECU_ANCHORS ? b->live.anchors[slot] : b->live.identity, SHA256_SIZE);
    return UDS_OK;
}

/* Whatever is not there yet, and the diagnostic memory. */
static enum uds_nrc read_zeros(void *ctx, const struct uds_did *did, struct wr *out)
{
    (void)ctx;
    for (size_t i = 0; i < did->len_max; i++)
        wr_u8(out, 0);
    return UDS_OK;
}

static enum uds_nrc write_vin(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    struct uds_ecu_bench *b = ctx;
    (void)did;
    (void)ticket;
    for (size_t i = 0; i < value.len; i++) {
        char c = (char)value.p[i];
        if (!memchr("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", c, 33))
            return UDS_NRC_OUT_OF_RANGE;
    }
    memcpy(b->live.vin, value.p, UDS_ECU_VIN);
    return UDS_OK;
}

static enum uds_nrc write_timeout(void *ctx, const struct uds_did *did, struct span value, uint32_t ticket)
{
    struct uds_ecu_bench *b = ctx;
    struct rd r = rd_of(value.p, value.len);
    uint16_t timeout_s = rd_be16(&r);
    (void)did;
    (void)ticket;
    if (timeout_s < 10 || timeout_s > 600)
        return UDS_NRC_OUT_OF_RANGE;
    b->live.timeout_s = timeout_s;
    return UDS_OK;
}

/* ---- routines ---- */

static enum uds_nrc begin_work(struct uds_ecu_bench *b, const struct uds_routine_call *call, uint64_t ms)
{
    b->work.routine = call->routine->id;
    b->work.ticket = call->ticket;
    b->work.due_us = b->now_us + ms * 1000ull;
    return UDS_NRC_PENDING;
}

void uds_ecu_work_done(struct uds_ecu_bench *b)
{
    static const uint8_t good = 0x00;
    if (b->work.routine == 0x0301)
        b->live.key_pair = true;
    b->work.routine = 0;
    if (uds_server_done(&b->server, b->work.ticket, UDS_OK, span_of(&good, 1), b->now_us))
        b->live = b->kept; /* too late for the tester */
}

static enum uds_nrc run_key_pair(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    struct uds_ecu_bench *b = ctx;
    bool start = call->part == UDS_ROUTINE_START;
    if (start && !b->live.key_pair)
        return begin_work(b, call, KEY_PAIR_MS);
    wr_u8(out, start ? 0x01 : b->live.key_pair ? 0x00 : 0x02);
    return UDS_OK;
}

static enum uds_nrc run_csr(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    struct uds_ecu_bench *b = ctx;
    if (call->part == UDS_ROUTINE_RESULTS && !b->csr_made)
        return UDS_NRC_SEQUENCE;
    if (!b->live.key_pair)
        return UDS_NRC_CONDITIONS;
    b->csr_made = true;
    wr_u8(out, 0x00);
    if (call->part == UDS_ROUTINE_RESULTS)
        wr_copy(out, "CSR", 3);
    return UDS_OK;
}

/* Keeps the digest in a place that is empty or has the same. */
static uint8_t install(struct uds_ecu_bench *b, uint8_t place[SHA256_SIZE], struct span der)
{
    uint8_t digest[SHA256_SIZE];
    if (der.p[0] != 0x30)
        return VERDICT_MALFORMED;
    crypto_sha256(b->crypto, &der, 1, digest);
    if (!is_zero(place, SHA256_SIZE) && memcmp(place, digest, SHA256_SIZE) != 0)
        return VERDICT_SLOT_TAKEN;
    memcpy(place, digest, SHA256_SIZE);
    return VERDICT_INSTALLED;
}

static enum uds_nrc run_install_anchor(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    struct uds_ecu_bench *b = ctx;
    uint8_t slot = call->options.p[0];
    if (slot < 1 || slot > UDS_ECU_ANCHORS)
        return UDS_NRC_OUT_OF_RANGE;
    if (b->live.life != UDS_ECU_OPEN)
        return UDS_NRC_CONDITIONS;
    wr_u8(out, install(b, b->live.anchors[slot - 1], span_of(call->options.p + 1, call->options.len - 1)));
    return UDS_OK;
}

static enum uds_nrc run_install_identity(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    struct uds_ecu_bench *b = ctx;
    if (!b->live.key_pair)
        return UDS_NRC_CONDITIONS;
    wr_u8(out, install(b, b->live.identity, call->options));
    return UDS_OK;
}

static enum uds_nrc run_close_plant(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    struct uds_ecu_bench *b = ctx;
    bool lock = span_is(call->options, "LOCK"), locked = b->live.life >= UDS_ECU_LOCKED;
    if (!lock && !span_is(call->options, "DONE"))
        return UDS_NRC_OUT_OF_RANGE;
    bool ready = lock ? (present(b) & 0x1F) == 0x1F || locked : locked && (present(b) & 0x20);
    if (!ready)
        return UDS_NRC_CONDITIONS;
    wr_u8(out, lock && locked ? 0x01 : 0x00);
    b->live.life = !lock ? UDS_ECU_FINISHED : locked ? b->live.life : UDS_ECU_LOCKED;
    return UDS_OK;
}

static enum uds_nrc run_reader_test(void *ctx, const struct uds_routine_call *call, struct wr *out)
{
    struct uds_ecu_bench *b = ctx;
    if (call->part == UDS_ROUTINE_START)
        return begin_work(b, call, READER_TEST_MS);
    (void)out;
    return UDS_NRC_SEQUENCE; /* it runs inside its request only */
}

/* ---- the table ---- */

static const struct uds_session sessions[SESSIONS] = {
    [DEFAULT] = {UDS_SESSION_DEFAULT, .p2_ms = 50, .p2_star_ms = 5000},
    [EXTENDED] = {UDS_SESSION_EXTENDED, .p2_ms = 50, .p2_star_ms = 5000},
    [PLANT] = {UDS_SESSION_SUPPLIER, .p2_ms = 50, .p2_star_ms = 5000, may_enter_plant},
};

#define ALL            UDS_FREE_IN(UDS_IN_ALL)
#define UNLESS_DEFAULT UDS_FREE_IN(NOT_DEFAULT)
#define WORKSHOP_OPEN  UDS_LOCKED_IN(IN_EXTENDED, WORKSHOP)
#define PLANT_OPEN     UDS_LOCKED_IN(IN_PLANT, PLANT_LEVEL)

static const struct uds_subfunction enter[] = {{0x01, {ALL}}, {0x03, {ALL}}, {0x60, {ALL}}};
static const struct uds_subfunction reset[] = {{UDS_RESET_HARD, {ALL}}, {UDS_RESET_SOFT, {ALL}}};
static const struct uds_subfunction reports[] = {
    {UDS_DTCS_COUNT, {ALL}}, {UDS_DTCS_BY_MASK, {ALL}}, {UDS_DTCS_SUPPORTED, {ALL}}};
static const struct uds_subfunction seeds_and_keys[] = {{0x01, {UDS_FREE_IN(IN_EXTENDED)}},
                                                        {0x02, {UDS_FREE_IN(IN_EXTENDED)}},
                                                        {0x61, {UDS_FREE_IN(IN_PLANT)}},
                                                        {0x62, {UDS_FREE_IN(IN_PLANT)}}};
static const struct uds_subfunction communication[] = {{UDS_COMM_ON, {ALL}}, {UDS_COMM_OFF, {ALL}}};
static const struct uds_subfunction zero[] = {{0x00, {ALL}}};
static const struct uds_subfunction dtc_switch[] = {{UDS_DTCS_ON, {ALL}}, {UDS_DTCS_OFF, {ALL}}};

static const struct uds_service services[] = {
    {UDS_SID_SESSION_CONTROL, {ALL}, UDS_SUBFUNCTIONS(enter)},
    {UDS_SID_ECU_RESET, {ALL}, UDS_SUBFUNCTIONS(reset)},
    {.sid = UDS_SID_CLEAR_DTCS, .access = {ALL}},
    {UDS_SID_READ_DTCS, {ALL}, UDS_SUBFUNCTIONS(reports)},
    {.sid = UDS_SID_READ_DATA, .access = {ALL}},
    {UDS_SID_SECURITY_ACCESS, {UNLESS_DEFAULT}, UDS_SUBFUNCTIONS(seeds_and_keys)},
    {UDS_SID_COMMUNICATION_CONTROL, {UNLESS_DEFAULT}, UDS_SUBFUNCTIONS(communication)},
    {.sid = UDS_SID_WRITE_DATA, .access = {UNLESS_DEFAULT}},
    {.sid = UDS_SID_ROUTINE_CONTROL, .access = {UNLESS_DEFAULT}},
    {UDS_SID_TESTER_PRESENT, {ALL}, UDS_SUBFUNCTIONS(zero)},
    {UDS_SID_DTC_SETTING, {UNLESS_DEFAULT}, UDS_SUBFUNCTIONS(dtc_switch)},
};

static const struct uds_did dids[] = {
    {0xF186, 1, 1, {{ALL}}, .read_value = read_state},
    {0xF187, 10, 10, {{ALL}}, .read_value = read_text},
    {0xF18C, 13, 13, {{ALL}}, .read_value = read_text},
    {0xF190, 17, 17, {{ALL}}, {{WORKSHOP_OPEN}, {PLANT_OPEN}}, read_text, write_vin},
    {0xF191, 4, 4, {{ALL}}, .read_value = read_text},
    {0xF195, 6, 6, {{ALL}}, .read_value = read_text},
    {0x0200, 1, 1, {{ALL}}, .read_value = read_state},
    {0x0201, 1, 1, {{ALL}}, .read_value = read_state},
    {0x0210, 32, 32, {{ALL}}, .read_value = read_digest},
    {0x0211, 32, 32, {{ALL}}, .read_value = read_digest},
    {0x0212, 32, 32, {{ALL}}, .read_value = read_digest},
    {0x0213, 32, 32, {{ALL}}, .read_value = read_digest},
    {0x0214, 32, 32, {{ALL}}, .read_value = read_digest},
    {0x0215, 32, 32, {{ALL}}, .read_value = read_digest},
    {0x0216, 65, 65, {{ALL}}, .read_value = read_zeros},
    {0x0217, 32, 32, {{ALL}}, .read_value = read_zeros},
    {0x0218, 16, 16, {{UNLESS_DEFAULT}}, .read_value = read_zeros},
    {0x0219, 2, 2, {{ALL}}, .read_value = read_zeros},
    {0x021A, 2, 2, {{ALL}}, .read_value = read_zeros},
    {0x0221, 1024, 1024, {{ALL}}, .read_value = read_zeros},
    {0x0230, 2, 2, {{ALL}}, {{WORKSHOP_OPEN}}, read_state, write_timeout},
};

static const struct uds_routine routines[] = {
    {0x0301, {{PLANT_OPEN}}, {{.offered = true}, {0}, {.offered = true}}, true, run_key_pair},
    {0x0302, {{PLANT_OPEN}}, {{.offered = true}, {0}, {.offered = true}}, false, run_csr},
    {0x0303, {{PLANT_OPEN}}, {{UDS_OPTIONS(2, 2040)}}, true, run_install_anchor},
    {0x0304, {{PLANT_OPEN}}, {{UDS_OPTIONS(1, 2040)}}, true, run_install_identity},
    {0x0305, {{PLANT_OPEN}}, {{UDS_OPTIONS(4, 4)}}, true, run_close_plant},
    {0x0310,
     {{WORKSHOP_OPEN}},
     {{.offered = true}, {.offered = true}, {.offered = true}},
     false,
     run_reader_test},
};

static const struct uds_level levels[] = {
    {WORKSHOP, .attempts = 3, .delay_ms = 10000, level_key},
    {PLANT_LEVEL, .attempts = 3, .delay_ms = 10000, level_key},
};

static const uint32_t dtcs[] = {0x9A0051, 0x9A0151, 0x9A0355, 0xC19887, 0xDA1087};

#define COUNT(table) (sizeof table / sizeof table[0])

const struct uds_ecu uds_ecu_spaak = {
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
    .dtcs = dtcs,
    .dtc_count = COUNT(dtcs),
    .dtc_available = 0x39,
    .dids_at_once = 8,
    .s3_ms = 5000,
    .pending_max_ms = 30000,
    .reset_ms = UDS_ECU_RESET_MS,
    .store = store,
};
