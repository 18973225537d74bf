#include "lib/msg/diagnostic.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

/* ---- what is kept: wrong keys by level, status by code, so that a table may grow ---- */

#define FAILED_ROW 2 /* level, wrong keys */
#define STATUS_ROW 4 /* code:3, status */
#define STORED_MAX (1 + UDS_LEVELS_MAX * FAILED_ROW + UDS_DTCS_MAX * STATUS_ROW)

static void write_stored(const struct uds_ecu *ecu, const struct uds_stored *stored, struct wr *out)
{
    wr_u8(out, (uint8_t)ecu->level_count);
    for (size_t i = 0; i < ecu->level_count; i++) {
        wr_u8(out, ecu->levels[i].level);
        wr_u8(out, stored->failed[i]);
    }
    for (size_t i = 0; i < ecu->dtc_count; i++)
        wr_be32(out, ecu->dtcs[i] << 8 | stored->status[i]);
}

static enum err read_stored(const struct uds_ecu *ecu, struct span in, struct uds_stored *out)
{
    struct rd r = rd_of(in.p, in.len);
    const size_t levels = ecu->level_count < UDS_LEVELS_MAX ? ecu->level_count : UDS_LEVELS_MAX;
    assert(levels == ecu->level_count);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < ecu->dtc_count; i++)
        out->status[i] = uds_dtc_cleared();
    for (unsigned n = rd_u8(&r); n > 0; n--) {
        uint8_t level = rd_u8(&r), failed = rd_u8(&r);
        for (size_t i = 0; i < levels; i++)
            if (ecu->levels[i].level == level)
                out->failed[i] = failed;
    }
    while (r.left && !r.failed) {
        uint32_t row = rd_be32(&r);
        for (size_t i = 0; i < ecu->dtc_count; i++)
            if (ecu->dtcs[i] == row >> 8)
                out->status[i] = (uint8_t)row;
    }
    return r.failed ? ERR_STORE_FAILED : ERR_OK;
}

bool diagnostic_store(struct diagnostic *d, const struct uds_stored *stored)
{
    uint8_t buf[STORED_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    write_stored(d->cfg.ecu, stored, &w);
    assert(!w.failed);
    return !env_store_put(d->env, DIAGNOSTIC_STORED, span_of(buf, w.len)) && !env_store_commit(d->env);
}

bool diagnostic_key(struct diagnostic *d, const char *at, uint8_t k[UDS_SECRET])
{
    size_t len;
    return !env_store_get(d->env, at, k, UDS_SECRET, &len) && len == UDS_SECRET;
}

/* ---- the server and its channel ---- */

static void arm(struct diagnostic *d)
{
    env_timer_set(d->env, d->cfg.timer_server, d->booting ? d->boot_end_us : uds_server_due_us(&d->server));
}

static void go_down(struct diagnostic *d)
{
    uds_server_wipe(&d->server);
    isotp_port_stop(&d->channel);
    d->booting = true;
    d->boot_end_us = env_now_us(d->env) + DIAGNOSTIC_BOOT_MS * 1000ull;
    env_trace_state(d->env, "resets");
    if (d->cfg.down)
        d->cfg.down(d->cfg.owner);
}

/* What every call on the server is followed by. */
static void settle(struct diagnostic *d)
{
    struct span pdu;
    while (uds_server_take(&d->server, &pdu))
        if (isotp_port_send(&d->channel, pdu))
            uds_server_sent(&d->server, env_now_us(d->env));
    if (d->server.state == UDS_SERVER_DOWN)
        go_down(d);
    arm(d);
}

static void on_channel(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct diagnostic *d = owner;
    uint64_t now_us = env_now_us(d->env);
    switch (ev->kind) {
    case ISOTP_RECEIVED:
        uds_server_receive(&d->server, UDS_PHYSICAL, ev->message, now_us);
        break;
    case ISOTP_RX_FAILED:
        env_trace_reason(d->env, TRACE_REJECT, NULL, channel->in->name, ev->reason, 0, NULL);
        uds_server_arrival_failed(&d->server, UDS_PHYSICAL, now_us);
        break;
    case ISOTP_TX_FAILED:
        env_trace_reason(d->env, TRACE_REJECT, NULL, channel->out->name, ev->reason, 0, NULL);
        uds_server_sent(&d->server, now_us);
        break;
    case ISOTP_SENT:
        uds_server_sent(&d->server, now_us);
        break;
    case ISOTP_NONE:
        break;
    }
}

static void on_to_many(void *owner, struct isotp_port *channel, struct span message)
{
    struct diagnostic *d = owner;
    (void)channel;
    uds_server_receive(&d->server, UDS_FUNCTIONAL, message, env_now_us(d->env));
}

void diagnostic_on_frame(struct diagnostic *d, const struct bus_frame *f)
{
    if (d->booting)
        return;
    isotp_port_input(&d->channel, f);
    if (isotp_port_receiving(&d->channel) && !d->server.arriving[UDS_PHYSICAL])
        uds_server_arrival_begins(&d->server, UDS_PHYSICAL, env_now_us(d->env));
    settle(d);
}

/* ---- life ---- */

static enum err start(struct diagnostic *d)
{
    uint8_t buf[STORED_MAX];
    struct uds_stored stored;
    size_t len;
    enum err e = env_store_get(d->env, DIAGNOSTIC_STORED, buf, sizeof buf, &len);
    bool first = e == ERR_NOT_FOUND;
    if (!e)
        e = read_stored(d->cfg.ecu, span_of(buf, len), &stored);
    if (e && !first)
        return ERR_STORE_FAILED;
    isotp_port_init(&d->channel, d->env, d->cfg.port, d->cfg.timer_channel, d->cfg.answer, d->cfg.request);
    d->channel.to_many = matrix_row(MATRIX_UDS_FUNCTIONAL);
    d->channel.on_to_many = on_to_many;
    d->channel.on_event = on_channel;
    d->channel.owner = d;
    uds_server_init(&d->server, d->cfg.ecu, d->cfg.owner, d->env->crypto, first ? NULL : &stored,
                    env_now_us(d->env));
    d->booting = false;
    return ERR_OK;
}

enum err diagnostic_init(struct diagnostic *d, struct env *env, const struct diagnostic_config *cfg)
{
    d->env = env;
    d->cfg = *cfg;
    uds_serial_of(cfg->identity.letters, cfg->vehicle, UDS_SERIAL_LEN, d->serial);
    uds_serial_of(UDS_VIN_LETTERS, cfg->vehicle, UDS_VIN_LEN, d->vin);
    return start(d);
}

void diagnostic_fini(struct diagnostic *d)
{
    uds_server_wipe(&d->server);
    isotp_port_fini(&d->channel); /* keys and proofs have gone through it */
}

/* What was kept a moment ago is read again: it is what was written, or the ECU stays down. */
static void boot(struct diagnostic *d)
{
    if (start(d)) {
        env_timer_set(d->env, d->cfg.timer_server, ENV_NEVER);
        return;
    }
    env_trace_state(d->env, "up");
    if (d->cfg.up)
        d->cfg.up(d->cfg.owner);
    arm(d);
}

bool diagnostic_silent(const struct diagnostic *d)
{
    return d->booting;
}

bool diagnostic_tx_off(const struct diagnostic *d)
{
    return !d->booting && d->server.tx_off & 1;
}

bool diagnostic_rx_off(const struct diagnostic *d)
{
    return !d->booting && d->server.rx_off & 1;
}

void diagnostic_tick(struct diagnostic *d)
{
    if (d->booting || uds_server_due_us(&d->server) > env_now_us(d->env))
        return;
    uds_server_tick(&d->server, env_now_us(d->env));
    settle(d);
}

bool diagnostic_on_timer(struct diagnostic *d, unsigned timer)
{
    if (timer == d->cfg.timer_channel) {
        isotp_port_timer(&d->channel);
        settle(d);
        return true;
    }
    if (timer != d->cfg.timer_server)
        return false;
    if (d->booting)
        boot(d);
    else
        diagnostic_tick(d);
    return true;
}

enum err diagnostic_done(struct diagnostic *d, uint32_t ticket, enum uds_nrc nrc, struct span info)
{
    if (d->booting)
        return ERR_NOT_FOUND;
    enum err e = uds_server_done(&d->server, ticket, nrc, info, env_now_us(d->env));
    settle(d);
    return e;
}

void diagnostic_report(struct diagnostic *d, size_t dtc, bool failed)
{
    char code[UDS_DTC_TEXT];
    if (d->booting)
        return;
    bool was = d->server.stored.status[dtc] & UDS_DTC_FAILED;
    enum err e = uds_server_report(&d->server, dtc, failed);
    bool is = d->server.stored.status[dtc] & UDS_DTC_FAILED;
    if (!e && was == is)
        return;
    uds_dtc_text(d->cfg.ecu->dtcs[dtc], code);
    if (e)
        env_trace_reason(d->env, TRACE_FAIL, NULL, code, e, 0, "trouble code");
    else if (is)
        env_trace_note(d->env, TRACE_NOTE, code);
}

/* ---- rows that ECUs share ---- */

void diagnostic_put_text(const struct uds_did *did, const char *text, struct wr *out)
{
    size_t len = strlen(text);
    assert(len <= did->len_max);
    wr_copy(out, text, len);
    for (; len < did->len_min; len++)
        wr_u8(out, 0);
}

enum uds_nrc diagnostic_read(const struct diagnostic *d, const struct uds_did *did, struct wr *out)
{
    switch (did->id) {
    case 0xF186:
        wr_u8(out, uds_server_session_id(&d->server));
        break;
    case 0xF187:
        diagnostic_put_text(did, d->cfg.identity.part, out);
        break;
    case 0xF18C:
        diagnostic_put_text(did, d->serial, out);
        break;
    case 0xF190:
        diagnostic_put_text(did, d->vin, out);
        break;
    case 0xF191:
        diagnostic_put_text(did, d->cfg.identity.hardware, out);
        break;
    default:
        assert(did->id == 0xF195);
        diagnostic_put_text(did, d->cfg.identity.software, out);
        break;
    }
    return UDS_OK;
}

#define ALL DIAGNOSTIC_ALL
#define SESSION(number)                                                                \
    {                                                                                  \
        .id = (number), .p2_ms = DIAGNOSTIC_P2_MS, .p2_star_ms = DIAGNOSTIC_P2_STAR_MS \
    }

const struct uds_session diagnostic_sessions[DIAGNOSTIC_SESSIONS] = {
    [DIAGNOSTIC_DEFAULT] = SESSION(UDS_SESSION_DEFAULT),
    [DIAGNOSTIC_EXTENDED] = SESSION(UDS_SESSION_EXTENDED),
};

const struct uds_subfunction diagnostic_enter[2] = {{UDS_SESSION_DEFAULT, {ALL}},
                                                    {UDS_SESSION_EXTENDED, {ALL}}};
const struct uds_subfunction diagnostic_reset[2] = {{UDS_RESET_HARD, {ALL}}, {UDS_RESET_SOFT, {ALL}}};
const struct uds_subfunction diagnostic_reports[3] = {
    {UDS_DTCS_COUNT, {ALL}}, {UDS_DTCS_BY_MASK, {ALL}}, {UDS_DTCS_SUPPORTED, {ALL}}};
const struct uds_subfunction diagnostic_communication[2] = {{UDS_COMM_ON, {ALL}}, {UDS_COMM_OFF, {ALL}}};
const struct uds_subfunction diagnostic_present[1] = {{0x00, {ALL}}};
const struct uds_subfunction diagnostic_dtc_switch[2] = {{UDS_DTCS_ON, {ALL}}, {UDS_DTCS_OFF, {ALL}}};
const struct uds_subfunction diagnostic_workshop_level[2] = {
    {DIAGNOSTIC_LEVEL_WORKSHOP, {DIAGNOSTIC_IN_EXTENDED}},
    {DIAGNOSTIC_LEVEL_WORKSHOP + 1, {DIAGNOSTIC_IN_EXTENDED}}};
