/* ISO-TP's sending half: single, first and consecutive frames out, flow control in. */
#include <assert.h>
#include <string.h>

#include "lib/can/isotp_internal.h"

static void tx_fail(struct isotp *i, enum err reason, struct isotp_event *ev)
{
    i->tx.state = ISOTP_TX_IDLE;
    *ev = (struct isotp_event){.kind = ISOTP_TX_FAILED, .reason = reason};
}

static void tx_sent(struct isotp *i, struct isotp_event *ev)
{
    i->tx.state = ISOTP_TX_IDLE;
    ev->kind = ISOTP_SENT;
}

static void wait_for_fc(struct isotp *i, uint64_t now_us)
{
    i->tx.state = ISOTP_TX_WAIT_FC;
    i->tx.deadline_us = now_us + i->cfg.n_bs_ms * 1000ull;
}

void isotp_expire_sending(struct isotp *i, struct isotp_event *ev)
{
    tx_fail(i, i->tx.state == ISOTP_TX_WAIT_FC ? ERR_ISOTP_TIMEOUT_BS : ERR_ISOTP_TIMEOUT_A, ev);
}

/* ---- flow control ---- */

static void may_go_on(struct isotp *i, uint8_t block_size, uint8_t st_min, uint64_t now_us)
{
    i->tx.limited = block_size != 0;
    i->tx.block_left = block_size;
    i->tx.gap_us = isotp_st_min_us(st_min);
    i->tx.wait_count = 0;
    i->tx.state = ISOTP_TX_CONSECUTIVE;
    i->tx.due_us = now_us;
    i->tx.deadline_us = now_us + i->cfg.n_as_ms * 1000ull;
}

/* 9.7 leaves the number of WAITs to the receiver; a limit of the sender is an option of ours. */
static void must_wait(struct isotp *i, uint64_t now_us, struct isotp_event *ev)
{
    if (i->cfg.tx_wait_max && ++i->tx.wait_count > i->cfg.tx_wait_max)
        tx_fail(i, ERR_ISOTP_WFT_OVERRUN, ev);
    else
        wait_for_fc(i, now_us);
}

void isotp_input_flow_control(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                              struct isotp_event *ev)
{
    size_t used = at + 3;
    if (i->tx.state != ISOTP_TX_WAIT_FC || f->len < used || !isotp_length_agreed(i, f, used) ||
        !isotp_padding_agreed(i, f, used)) /* 9.8.3, 9.6.5 */
        return;
    switch (f->data[at]) {
    case FC_CTS:
        may_go_on(i, f->data[at + 1], f->data[at + 2], now_us);
        break;
    case FC_WAIT:
        must_wait(i, now_us, ev);
        break;
    case FC_OVERFLOW:
        tx_fail(i, ERR_ISOTP_BUFFER_OVERFLOW, ev);
        break;
    default: /* 9.6.5 */
        tx_fail(i, ERR_ISOTP_INVALID_FS, ev);
    }
}

/* ---- frames ---- */

bool isotp_send_fd(const struct isotp *i)
{
    return i->cfg.fd && (!i->cfg.follow || i->peer_fd);
}

uint8_t *isotp_frame_begin(const struct isotp *i, struct bus_frame *f, bool fd, uint8_t dl)
{
    uint8_t flags = (uint8_t)((i->cfg.extended_ids ? BUS_EXTENDED : 0) | (fd ? BUS_FD : 0) |
                              (fd && i->cfg.brs ? BUS_BRS : 0));
    f->id = i->cfg.tx_id;
    f->flags = flags;
    f->len = 0;
    memset(f->data + dl, 0, BUS_FD_MAX - dl); /* what lay there before leaves with no frame */
    if (!i->cfg.address_byte)
        return f->data;
    f->data[0] = i->cfg.tx_address;
    return f->data + 1;
}

void isotp_frame_end(const struct isotp *i, struct bus_frame *f, const uint8_t *end)
{
    size_t used = (size_t)(end - f->data);
    size_t len = f->flags & BUS_FD ? bus_fd_length(used) : used;
    if (i->cfg.pad && len < 8)
        len = 8;
    if (len > used)
        memset(f->data + used, i->cfg.pad_byte, len - used);
    memset(f->data + len, 0, BUS_FD_MAX - len);
    f->len = (uint8_t)len;
}

/* 9.6.2: SF_DL in the PCI's low nibble, or behind it when CAN_DL must exceed 8. */
static void output_single(struct isotp *i, struct bus_frame *f, struct isotp_event *ev)
{
    uint8_t *p = isotp_frame_begin(i, f, i->tx.fd, i->tx.dl);
    if (i->tx.len <= isotp_single_max(i, 8)) {
        *p++ = (uint8_t)(PCI_SF | i->tx.len);
    } else {
        *p++ = PCI_SF;
        *p++ = (uint8_t)i->tx.len;
    }
    memcpy(p, i->tx.data, i->tx.len);
    isotp_frame_end(i, f, p + i->tx.len);
    tx_sent(i, ev);
}

/* 9.6.3: FF_DL in 12 bits, or in 32 behind zeros. */
static void output_first(struct isotp *i, uint64_t now_us, struct bus_frame *f)
{
    uint8_t *p = isotp_frame_begin(i, f, i->tx.fd, i->tx.dl);
    if (i->tx.len <= FF_SHORT_MAX) {
        *p++ = (uint8_t)(PCI_FF | i->tx.len >> 8);
        *p++ = (uint8_t)i->tx.len;
    } else {
        struct wr w = wr_of(p, 6);
        wr_be16(&w, PCI_FF << 8);
        wr_be32(&w, i->tx.len);
        p += 6;
    }
    size_t n = (size_t)(f->data + i->tx.dl - p);
    memcpy(p, i->tx.data, n);
    f->len = i->tx.dl;
    i->tx.done = (uint32_t)n;
    wait_for_fc(i, now_us);
}

/* From one consecutive frame to the next: its own time on the wire, then STmin. That arbitration holds a
 * frame back is not known here: the gap is then shorter by so much. */
static uint64_t gap_after(const struct isotp *i, const struct bus_frame *f)
{
    uint64_t own_us = i->tx.gap_us && i->cfg.frame_time_us ? i->cfg.frame_time_us(f) : 0;
    return own_us + i->tx.gap_us;
}

static void consecutive_gone(struct isotp *i, uint64_t now_us, const struct bus_frame *f,
                             struct isotp_event *ev)
{
    i->tx.sn = (i->tx.sn + 1) & 0x0F;
    if (i->tx.done == i->tx.len) {
        tx_sent(i, ev);
    } else if (i->tx.limited && --i->tx.block_left == 0) {
        wait_for_fc(i, now_us);
    } else {
        i->tx.due_us = now_us + gap_after(i, f);
        i->tx.deadline_us = i->tx.due_us + i->cfg.n_as_ms * 1000ull;
    }
}

static void output_consecutive(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev)
{
    assert(i->tx.done < i->tx.len);
    uint8_t *p = isotp_frame_begin(i, f, i->tx.fd, i->tx.dl);
    *p++ = PCI_CF | i->tx.sn;
    size_t room = (size_t)(f->data + i->tx.dl - p), left = i->tx.len - i->tx.done;
    size_t n = left < room ? left : room;
    memcpy(p, i->tx.data + i->tx.done, n);
    if (n == room)
        f->len = i->tx.dl;
    else
        isotp_frame_end(i, f, p + n);
    i->tx.done += (uint32_t)n;
    consecutive_gone(i, now_us, f, ev);
}

bool isotp_output_sending(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev)
{
    switch (i->tx.state) {
    case ISOTP_TX_FIRST:
        if (i->tx.len <= isotp_single_max(i, i->tx.dl))
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
