#include "lib/can/isotp.h"

#include <assert.h>
#include <string.h>

/* Protocol control information, high nibble of the first byte (table 9). */
enum { PCI_SF = 0x00, PCI_FF = 0x10, PCI_CF = 0x20, PCI_FC = 0x30 };
enum { FC_CTS = 0x30, FC_WAIT = 0x31, FC_OVERFLOW = 0x32 };

#define FF_SHORT_MAX 4095u

struct isotp_config isotp_config_default(uint32_t tx_id, uint32_t rx_id)
{
    return (struct isotp_config){
        .tx_id = tx_id,
        .rx_id = rx_id,
        .fd = true,
        .brs = true,
        .tx_dl = 64,
        .pad = true,
        .pad_byte = 0xCC,
        .wft_max = 8,
        .n_as_ms = 1000,
        .n_bs_ms = 1000,
        .n_cr_ms = 1000,
        .n_br_ms = 200,
    };
}

/* isotp_init has been here. */
static bool ready(const struct isotp *i)
{
    return i && i->cfg.tx_dl >= 8;
}

enum err isotp_init(struct isotp *i, const struct isotp_config *cfg, uint8_t *rx_buf, uint32_t rx_cap)
{
    assert(i && cfg && (rx_buf || rx_cap == 0));
    uint8_t dl = cfg->tx_dl;
    if (dl < 8 || dl > 64 || bus_fd_length(dl) != dl || (dl > 8 && !cfg->fd))
        return ERR_BAD_ARGUMENT;
    memset(i, 0, sizeof *i);
    i->cfg = *cfg;
    i->rx.buf = rx_buf;
    i->rx.cap = rx_cap;
    return ERR_OK;
}

uint32_t isotp_st_min_us(uint8_t st_min)
{
    if (st_min <= 0x7F)
        return st_min * 1000u;
    if (st_min >= 0xF1 && st_min <= 0xF9)
        return (st_min - 0xF0u) * 100u;
    return 127000;
}

bool isotp_sending(const struct isotp *i)
{
    assert(ready(i));
    return i->tx.state != ISOTP_TX_IDLE;
}

enum err isotp_send(struct isotp *i, const uint8_t *data, uint32_t len, uint64_t now_us)
{
    assert(ready(i) && (data || len == 0));
    if (isotp_sending(i))
        return ERR_BUSY;
    if (len == 0)
        return ERR_BAD_ARGUMENT;
    i->tx.state = ISOTP_TX_FIRST;
    i->tx.data = data;
    i->tx.len = len;
    i->tx.done = 0;
    i->tx.sn = 1;
    i->tx.wait_count = 0;
    i->tx.due_us = now_us;
    i->tx.deadline_us = now_us + i->cfg.n_as_ms * 1000ull;
    return ERR_OK;
}

void isotp_abort_send(struct isotp *i)
{
    assert(ready(i));
    i->tx.state = ISOTP_TX_IDLE;
}

void isotp_set_receiver_busy(struct isotp *i, bool busy, uint64_t now_us)
{
    assert(ready(i));
    i->rx.busy = busy;
    if (!busy && i->rx.fc == FC_WAIT) {
        i->rx.fc = FC_CTS;
        i->rx.fc_due_us = now_us;
    }
}

static void tx_fail(struct isotp *i, enum err reason, struct isotp_event *ev)
{
    i->tx.state = ISOTP_TX_IDLE;
    *ev = (struct isotp_event){.kind = ISOTP_TX_FAILED, .reason = reason};
}

static void rx_fail(struct isotp *i, enum err reason, struct isotp_event *ev)
{
    i->rx.state = ISOTP_RX_IDLE;
    i->rx.fc = 0;
    *ev = (struct isotp_event){.kind = ISOTP_RX_FAILED, .reason = reason};
}

static void rx_done(struct isotp *i, struct isotp_event *ev)
{
    i->rx.state = ISOTP_RX_IDLE;
    i->rx.fc = 0;
    *ev = (struct isotp_event){.kind = ISOTP_RECEIVED, .message = {i->rx.buf, i->rx.len}};
}

/* ---- receiving ---- */

static bool padding_ok(const struct isotp *i, const struct bus_frame *f, size_t used)
{
    if (!i->cfg.check_padding)
        return true;
    for (size_t k = used; k < f->len; k++)
        if (f->data[k] != i->cfg.pad_byte)
            return false;
    return true;
}

/* Announces the flow control that isotp_output will send; N_Cr begins when it is taken. */
static void rx_queue_fc(struct isotp *i, uint8_t fc, uint64_t now_us)
{
    i->rx.fc = fc == FC_CTS && i->rx.busy ? FC_WAIT : fc;
    i->rx.fc_due_us = now_us;
    i->rx.deadline_us = now_us + i->cfg.n_as_ms * 1000ull;
}

/* 9.6.3.1: a new message ends the one being received; the event says so only when there is no other. */
static void rx_interrupt(struct isotp *i, struct isotp_event *ev)
{
    if (i->rx.state == ISOTP_RX_WAIT_CF)
        rx_fail(i, ERR_ISOTP_UNEXPECTED_PDU, ev);
}

static void input_single(struct isotp *i, const struct bus_frame *f, size_t at, struct isotp_event *ev)
{
    size_t len = f->data[at] & 0x0F, head = at + 1;
    if (f->len > 8) {
        if (len != 0 || f->len < at + 2)
            return;
        len = f->data[at + 1];
        head = at + 2;
        if (len < 8 - at)
            return;
    }
    if (len == 0 || len > f->len - head || len > i->rx.cap)
        return;
    if (!padding_ok(i, f, head + len)) {
        rx_fail(i, ERR_ISOTP_BAD_PADDING, ev);
        return;
    }
    rx_interrupt(i, ev);
    bool interrupted = ev->kind != ISOTP_NONE;
    memcpy(i->rx.buf, f->data + head, len);
    i->rx.len = (uint32_t)len;
    rx_done(i, ev);
    if (interrupted)
        ev->reason = ERR_ISOTP_UNEXPECTED_PDU;
}

static void input_first(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                        struct isotp_event *ev)
{
    if (f->len < 8)
        return;
    uint32_t len = (uint32_t)(f->data[at] & 0x0F) << 8 | f->data[at + 1];
    size_t head = at + 2;
    if (len == 0) {
        struct rd r = rd_of(f->data + at + 2, 4);
        len = rd_be32(&r);
        head = at + 6;
        if (len <= FF_SHORT_MAX)
            return;
    }
    size_t single_max = f->len > 8 ? f->len - at - 2u : 7u - at;
    if (len <= single_max)
        return;
    rx_interrupt(i, ev);
    if (len > i->rx.cap) {
        rx_queue_fc(i, FC_OVERFLOW, now_us);
        return;
    }
    i->rx.dl = f->len;
    i->rx.len = len;
    i->rx.done = (uint32_t)(f->len - head);
    memcpy(i->rx.buf, f->data + head, i->rx.done);
    i->rx.sn = 1;
    i->rx.block_left = i->cfg.block_size;
    i->rx.state = ISOTP_RX_WAIT_CF;
    rx_queue_fc(i, FC_CTS, now_us);
}

static void input_consecutive(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                              struct isotp_event *ev)
{
    if (i->rx.state != ISOTP_RX_WAIT_CF || i->rx.fc)
        return;
    assert(i->rx.done < i->rx.len && i->rx.len <= i->rx.cap);
    size_t head = at + 1;
    uint32_t left = i->rx.len - i->rx.done;
    uint32_t want = (uint32_t)(i->rx.dl - head) < left ? (uint32_t)(i->rx.dl - head) : left;
    if ((f->data[at] & 0x0F) != i->rx.sn) {
        rx_fail(i, ERR_ISOTP_WRONG_SN, ev);
        return;
    }
    if (f->len < head + want)
        return;
    if (want == left && !padding_ok(i, f, head + want)) {
        rx_fail(i, ERR_ISOTP_BAD_PADDING, ev);
        return;
    }
    memcpy(i->rx.buf + i->rx.done, f->data + head, want);
    i->rx.done += want;
    i->rx.sn = (i->rx.sn + 1) & 0x0F;
    if (i->rx.done == i->rx.len) {
        rx_done(i, ev);
        return;
    }
    i->rx.deadline_us = now_us + i->cfg.n_cr_ms * 1000ull;
    if (i->rx.block_left && --i->rx.block_left == 0) {
        i->rx.block_left = i->cfg.block_size;
        rx_queue_fc(i, FC_CTS, now_us);
    }
}

static void input_flow_control(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                               struct isotp_event *ev)
{
    if (i->tx.state != ISOTP_TX_WAIT_FC || f->len < at + 3)
        return;
    switch (f->data[at]) {
    case FC_CTS:
        i->tx.limited = f->data[at + 1] != 0;
        i->tx.block_left = f->data[at + 1];
        i->tx.gap_us = isotp_st_min_us(f->data[at + 2]);
        i->tx.wait_count = 0;
        i->tx.state = ISOTP_TX_CONSECUTIVE;
        i->tx.due_us = now_us;
        i->tx.deadline_us = now_us + i->cfg.n_as_ms * 1000ull;
        break;
    case FC_WAIT:
        if (++i->tx.wait_count > i->cfg.wft_max)
            tx_fail(i, ERR_ISOTP_WFT_OVERRUN, ev);
        else
            i->tx.deadline_us = now_us + i->cfg.n_bs_ms * 1000ull;
        break;
    case FC_OVERFLOW:
        tx_fail(i, ERR_ISOTP_BUFFER_OVERFLOW, ev);
        break;
    default:
        tx_fail(i, ERR_ISOTP_INVALID_FS, ev);
    }
}

void isotp_input(struct isotp *i, const struct bus_frame *f, uint64_t now_us, struct isotp_event *ev)
{
    assert(ready(i) && f && f->len <= BUS_FD_MAX && ev);
    ev->kind = ISOTP_NONE;
    ev->reason = ERR_OK;
    size_t at = i->cfg.address_byte ? 1 : 0;
    if (f->id != i->cfg.rx_id || !(f->flags & BUS_EXTENDED) != !i->cfg.extended_ids ||
        f->flags & BUS_REMOTE || f->len <= at || (at && f->data[0] != i->cfg.rx_address))
        return;
    switch (f->data[at] & 0xF0) {
    case PCI_SF:
        input_single(i, f, at, ev);
        break;
    case PCI_FF:
        input_first(i, f, at, now_us, ev);
        break;
    case PCI_CF:
        input_consecutive(i, f, at, now_us, ev);
        break;
    case PCI_FC:
        input_flow_control(i, f, at, now_us, ev);
        break;
    default:
        break;
    }
}

/* ---- sending ---- */

static uint8_t *frame_begin(const struct isotp *i, struct bus_frame *f)
{
    f->id = i->cfg.tx_id;
    f->flags = (uint8_t)((i->cfg.extended_ids ? BUS_EXTENDED : 0) | (i->cfg.fd ? BUS_FD : 0) |
                         (i->cfg.fd && i->cfg.brs ? BUS_BRS : 0));
    if (!i->cfg.address_byte)
        return f->data;
    f->data[0] = i->cfg.tx_address;
    return f->data + 1;
}

static void frame_end(const struct isotp *i, struct bus_frame *f, const uint8_t *end)
{
    size_t used = (size_t)(end - f->data);
    size_t len = i->cfg.fd ? bus_fd_length(used) : used;
    if (i->cfg.pad && len < 8)
        len = 8;
    if (len > used)
        memset(f->data + used, i->cfg.pad_byte, len - used);
    f->len = (uint8_t)len;
}

static void output_flow_control(struct isotp *i, uint64_t now_us, struct bus_frame *f)
{
    uint8_t *p = frame_begin(i, f);
    *p++ = i->rx.fc;
    *p++ = i->cfg.block_size;
    *p++ = i->cfg.st_min;
    frame_end(i, f, p);
    if (i->rx.fc == FC_WAIT) {
        i->rx.fc_due_us = now_us + i->cfg.n_br_ms * 1000ull;
        i->rx.deadline_us = ISOTP_NEVER;
        return;
    }
    i->rx.fc = 0;
    i->rx.deadline_us = now_us + i->cfg.n_cr_ms * 1000ull;
}

static size_t single_max(const struct isotp *i)
{
    size_t at = i->cfg.address_byte ? 1 : 0;
    return i->cfg.tx_dl > 8 ? i->cfg.tx_dl - at - 2u : 7u - at;
}

static void output_single(struct isotp *i, struct bus_frame *f, struct isotp_event *ev)
{
    uint8_t *p = frame_begin(i, f);
    size_t short_max = 7u - (i->cfg.address_byte ? 1u : 0u);
    if (i->tx.len <= short_max) {
        *p++ = (uint8_t)(PCI_SF | i->tx.len);
    } else {
        *p++ = PCI_SF;
        *p++ = (uint8_t)i->tx.len;
    }
    memcpy(p, i->tx.data, i->tx.len);
    frame_end(i, f, p + i->tx.len);
    i->tx.state = ISOTP_TX_IDLE;
    ev->kind = ISOTP_SENT;
}

static void output_first(struct isotp *i, uint64_t now_us, struct bus_frame *f)
{
    uint8_t *p = frame_begin(i, f);
    if (i->tx.len <= FF_SHORT_MAX) {
        *p++ = (uint8_t)(PCI_FF | i->tx.len >> 8);
        *p++ = (uint8_t)i->tx.len;
    } else {
        struct wr w = wr_of(p, 6);
        wr_be16(&w, PCI_FF << 8);
        wr_be32(&w, i->tx.len);
        p += 6;
    }
    size_t n = (size_t)(f->data + i->cfg.tx_dl - p);
    memcpy(p, i->tx.data, n);
    f->len = i->cfg.tx_dl;
    i->tx.done = (uint32_t)n;
    i->tx.state = ISOTP_TX_WAIT_FC;
    i->tx.deadline_us = now_us + i->cfg.n_bs_ms * 1000ull;
}

static void output_consecutive(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev)
{
    assert(i->tx.done < i->tx.len);
    uint8_t *p = frame_begin(i, f);
    *p++ = PCI_CF | i->tx.sn;
    size_t room = (size_t)(f->data + i->cfg.tx_dl - p), left = i->tx.len - i->tx.done;
    size_t n = left < room ? left : room;
    memcpy(p, i->tx.data + i->tx.done, n);
    if (n == room)
        f->len = i->cfg.tx_dl;
    else
        frame_end(i, f, p + n);
    i->tx.done += (uint32_t)n;
    i->tx.sn = (i->tx.sn + 1) & 0x0F;
    if (i->tx.done == i->tx.len) {
        i->tx.state = ISOTP_TX_IDLE;
        ev->kind = ISOTP_SENT;
    } else if (i->tx.limited && --i->tx.block_left == 0) {
        i->tx.state = ISOTP_TX_WAIT_FC;
        i->tx.deadline_us = now_us + i->cfg.n_bs_ms * 1000ull;
    } else {
        i->tx.due_us = now_us + i->tx.gap_us;
        i->tx.deadline_us = i->tx.due_us + i->cfg.n_as_ms * 1000ull;
    }
}

bool isotp_output(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev)
{
    assert(ready(i) && f && ev);
    ev->kind = ISOTP_NONE;
    ev->reason = ERR_OK;
    if (i->rx.fc && now_us >= i->rx.fc_due_us) {
        output_flow_control(i, now_us, f);
        return true;
    }
    if (now_us < i->tx.due_us)
        return false;
    switch (i->tx.state) {
    case ISOTP_TX_FIRST:
        if (i->tx.len <= single_max(i))
            output_single(i, f, ev);
        else
            output_first(i, now_us, f);
        return true;
    case ISOTP_TX_CONSECUTIVE:
        output_consecutive(i, now_us, f, ev);
        return true;
    case ISOTP_TX_IDLE:
    case ISOTP_TX_WAIT_FC:
        break;
    }
    return false;
}

/* ---- time ---- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t isotp_next_deadline(const struct isotp *i)
{
    assert(ready(i));
    uint64_t t = ISOTP_NEVER;
    if (i->rx.fc)
        t = i->rx.fc_due_us;
    if (i->rx.fc || i->rx.state == ISOTP_RX_WAIT_CF)
        t = min_u64(t, i->rx.deadline_us);
    if (i->tx.state == ISOTP_TX_FIRST || i->tx.state == ISOTP_TX_CONSECUTIVE)
        t = min_u64(t, i->tx.due_us);
    if (i->tx.state != ISOTP_TX_IDLE)
        t = min_u64(t, i->tx.deadline_us);
    return t;
}

void isotp_expire(struct isotp *i, uint64_t now_us, struct isotp_event *ev)
{
    assert(ready(i) && ev);
    ev->kind = ISOTP_NONE;
    ev->reason = ERR_OK;
    if (i->tx.state != ISOTP_TX_IDLE && now_us >= i->tx.deadline_us)
        tx_fail(i, i->tx.state == ISOTP_TX_WAIT_FC ? ERR_ISOTP_TIMEOUT_BS : ERR_ISOTP_TIMEOUT_A, ev);
    else if ((i->rx.fc || i->rx.state == ISOTP_RX_WAIT_CF) && now_us >= i->rx.deadline_us)
        rx_fail(i, i->rx.fc ? ERR_ISOTP_TIMEOUT_A : ERR_ISOTP_TIMEOUT_CR, ev);
}
