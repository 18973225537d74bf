/* ISO-TP's receiving half: single, first and consecutive frames in, flow control out. */
#include <assert.h>
#include <string.h>

#include "lib/can/isotp_internal.h"

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

bool isotp_length_agreed(const struct isotp *i, const struct bus_frame *f, size_t used)
{
    switch (i->cfg.rx_padding) {
    case ISOTP_RX_PADDED:
        return f->len >= 8; /* 10.4.2 */
    case ISOTP_RX_SHORTEST:
        return f->len == bus_fd_length(used); /* 10.4.2 */
    case ISOTP_RX_ANY:
        break;
    }
    return f->len >= used;
}

bool isotp_padding_agreed(const struct isotp *i, const struct bus_frame *f, size_t used)
{
    if (i->cfg.rx_padding != ISOTP_RX_PADDED)
        return true;
    for (size_t k = used; k < f->len; k++)
        if (f->data[k] != i->cfg.pad_byte)
            return false;
    return true;
}

/* ---- flow control ---- */

/* 9.7: WAIT is said N_WFTmax times in a row; after that only silence is left, until N_Br has gone by once
 * more. */
static void queue_wait(struct isotp *i, uint64_t now_us, uint64_t due_us)
{
    bool left = i->rx.waits < i->cfg.wft_max;
    i->rx.fc = FC_WAIT;
    i->rx.fc_due_us = left ? due_us : ISOTP_NEVER;
    i->rx.deadline_us = left ? due_us + i->cfg.n_as_ms * 1000ull : now_us + i->cfg.n_br_ms * 1000ull;
}

/* Announces the flow control that isotp_output will send; N_Cr begins when it is taken. */
static void queue_fc(struct isotp *i, uint8_t fc, uint64_t now_us)
{
    i->rx.waits = 0;
    if (fc == FC_CTS && i->rx.busy) {
        queue_wait(i, now_us, now_us);
        return;
    }
    i->rx.fc = fc;
    i->rx.fc_due_us = now_us;
    i->rx.deadline_us = now_us + i->cfg.n_as_ms * 1000ull;
}

void isotp_output_flow_control(struct isotp *i, uint64_t now_us, struct bus_frame *f)
{
    uint8_t *p = isotp_frame_begin(i, f, isotp_send_fd(i), BUS_CLASSIC_MAX);
    *p++ = i->rx.fc;
    *p++ = i->cfg.block_size;
    *p++ = i->cfg.st_min;
    isotp_frame_end(i, f, p);
    if (i->rx.fc == FC_WAIT) {
        i->rx.waits++;
        queue_wait(i, now_us, now_us + i->cfg.n_br_ms * 1000ull);
        return;
    }
    i->rx.fc = 0;
    i->rx.deadline_us = now_us + i->cfg.n_cr_ms * 1000ull;
}

void isotp_expire_receiving(struct isotp *i, struct isotp_event *ev)
{
    if (!i->rx.fc)
        rx_fail(i, ERR_ISOTP_TIMEOUT_CR, ev);
    else if (i->rx.fc_due_us == ISOTP_NEVER)
        rx_fail(i, ERR_ISOTP_WFT_OVERRUN, ev); /* 9.8.4 */
    else
        rx_fail(i, ERR_ISOTP_TIMEOUT_A, ev);
}

/* ---- frames ---- */

/* 9.8.3: a new message ends the one being received; the event says so only when there is no other. */
static void interrupt(struct isotp *i, struct isotp_event *ev)
{
    if (i->rx.state == ISOTP_RX_WAIT_CF)
        rx_fail(i, ERR_ISOTP_UNEXPECTED_PDU, ev);
}

bool isotp_single_length(const struct isotp *i, const struct bus_frame *f, size_t at, size_t *len,
                         size_t *head)
{
    *len = f->data[at] & 0x0F;
    *head = at + 1;
    if (f->len <= 8)
        return *len > 0 && *len <= f->len - *head && isotp_length_agreed(i, f, *head + *len);
    if (*len != 0) /* above 8 bytes only the escape is allowed */
        return false;
    *len = f->data[at + 1];
    *head = at + 2;
    /* no smaller CAN_DL would have held it */
    return *len > isotp_single_max(i, 8) && *head + *len <= f->len && bus_fd_length(*head + *len) == f->len;
}

void isotp_input_single(struct isotp *i, const struct bus_frame *f, size_t at, struct isotp_event *ev)
{
    size_t len, head;
    if (!isotp_single_length(i, f, at, &len, &head) || len > i->rx.cap)
        return;
    if (!isotp_padding_agreed(i, f, head + len)) {
        /* worth a word only when it says nothing false about a message under way */
        if (i->rx.state == ISOTP_RX_IDLE && !i->rx.fc)
            *ev = (struct isotp_event){.kind = ISOTP_RX_FAILED, .reason = ERR_ISOTP_BAD_PADDING};
        return;
    }
    interrupt(i, ev);
    bool interrupted = ev->kind != ISOTP_NONE;
    i->peer_fd = f->flags & BUS_FD;
    memcpy(i->rx.buf, f->data + head, len);
    i->rx.len = (uint32_t)len;
    rx_done(i, ev);
    if (interrupted)
        ev->reason = ERR_ISOTP_UNEXPECTED_PDU;
}

/* FF_DL and where the data begin; false for what 9.6.3 tells a node to ignore. */
static bool first_length(const struct isotp *i, const struct bus_frame *f, size_t at, uint32_t *len,
                         size_t *head)
{
    if (f->len < 8)
        return false;
    *len = (uint32_t)(f->data[at] & 0x0F) << 8 | f->data[at + 1];
    *head = at + 2;
    if (*len == 0) {
        struct rd r = rd_of(f->data + *head, 4);
        *len = rd_be32(&r);
        *head += 4;
        if (*len <= FF_SHORT_MAX)
            return false;
    }
    return *len > isotp_single_max(i, f->len); /* FF_DLmin */
}

void isotp_input_first(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                       struct isotp_event *ev)
{
    uint32_t len;
    size_t head;
    if (!first_length(i, f, at, &len, &head))
        return;
    interrupt(i, ev);
    i->peer_fd = f->flags & BUS_FD;
    if (len > i->rx.cap) { /* 9.6.3: FC(OVFLW) */
        queue_fc(i, FC_OVERFLOW, now_us);
        return;
    }
    i->rx.dl = f->len;
    i->rx.len = len;
    i->rx.done = (uint32_t)(f->len - head);
    memcpy(i->rx.buf, f->data + head, i->rx.done);
    i->rx.sn = 1;
    i->rx.block_left = i->cfg.block_size;
    i->rx.state = ISOTP_RX_WAIT_CF;
    queue_fc(i, FC_CTS, now_us);
}

/* 9.6.4: each frame but the last is RX_DL long, the last is not longer. */
static bool consecutive_length(const struct isotp *i, const struct bus_frame *f, size_t used, bool last)
{
    return f->len >= used && f->len <= i->rx.dl && (!last || isotp_length_agreed(i, f, used));
}

static void consecutive_taken(struct isotp *i, uint64_t now_us, struct isotp_event *ev)
{
    i->rx.sn = (i->rx.sn + 1) & 0x0F;
    if (i->rx.done == i->rx.len) {
        rx_done(i, ev);
        return;
    }
    i->rx.deadline_us = now_us + i->cfg.n_cr_ms * 1000ull;
    if (i->rx.block_left && --i->rx.block_left == 0) {
        i->rx.block_left = i->cfg.block_size;
        queue_fc(i, FC_CTS, now_us);
    }
}

void isotp_input_consecutive(struct isotp *i, const struct bus_frame *f, size_t at, uint64_t now_us,
                             struct isotp_event *ev)
{
    if (i->rx.state != ISOTP_RX_WAIT_CF || i->rx.fc) /* 9.8.3: unexpected, ignored */
        return;
    assert(i->rx.done < i->rx.len && i->rx.len <= i->rx.cap);
    size_t head = at + 1;
    uint32_t left = i->rx.len - i->rx.done, room = (uint32_t)(i->rx.dl - head);
    uint32_t want = room < left ? room : left;
    if (!consecutive_length(i, f, head + want, want == left))
        return;
    if ((f->data[at] & 0x0F) != i->rx.sn) { /* 9.6.4 */
        rx_fail(i, ERR_ISOTP_WRONG_SN, ev);
        return;
    }
    if (want == left && !isotp_padding_agreed(i, f, head + want)) {
        rx_fail(i, ERR_ISOTP_BAD_PADDING, ev);
        return;
    }
    i->peer_fd = f->flags & BUS_FD;
    memcpy(i->rx.buf + i->rx.done, f->data + head, want);
    i->rx.done += want;
    consecutive_taken(i, now_us, ev);
}
