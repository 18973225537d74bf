#include <assert.h>
#include <string.h>

#include "lib/can/isotp_internal.h"

#define ID_MAX_11 0x7FFu
#define ID_MAX_29 0x1FFFFFFFu

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

static bool st_min_reserved(uint8_t st_min) /* table 20 */
{
    return st_min > 0x7F && (st_min < 0xF1 || st_min > 0xF9);
}

/* Two directions on one identifier would take their own frames for the peer's. */
static bool directions_differ(const struct isotp_config *c)
{
    return c->tx_id != c->rx_id || (c->address_byte && c->tx_address != c->rx_address);
}

static bool config_valid(const struct isotp_config *c)
{
    uint8_t dl = c->tx_dl;
    uint32_t id_max = c->extended_ids ? ID_MAX_29 : ID_MAX_11;
    return dl >= 8 && dl <= 64 && bus_fd_length(dl) == dl && (c->fd || (dl == 8 && !c->follow)) &&
           c->tx_id <= id_max && c->rx_id <= id_max && directions_differ(c) && !st_min_reserved(c->st_min);
}

enum err isotp_init(struct isotp *i, const struct isotp_config *cfg, uint8_t *rx_buf, uint32_t rx_cap)
{
    assert(i && cfg && (rx_buf || rx_cap == 0));
    if (!config_valid(cfg))
        return ERR_BAD_ARGUMENT;
    memset(i, 0, sizeof *i);
    i->cfg = *cfg;
    i->peer_fd = cfg->fd;
    i->rx.buf = rx_buf;
    i->rx.cap = rx_cap;
    return ERR_OK;
}

void isotp_set_buffer(struct isotp *i, uint8_t *rx_buf, uint32_t rx_cap)
{
    assert(i->rx.state == ISOTP_RX_IDLE && (rx_buf || rx_cap == 0));
    i->rx.buf = rx_buf;
    i->rx.cap = rx_cap;
}

uint32_t isotp_st_min_us(uint8_t st_min)
{
    if (st_min_reserved(st_min))
        return 127000; /* 9.6.5: the longest that can be said */
    return st_min <= 0x7F ? st_min * 1000u : (st_min - 0xF0u) * 100u;
}

bool isotp_sending(const struct isotp *i)
{
    assert(ready(i));
    return i->tx.state != ISOTP_TX_IDLE;
}

bool isotp_receiving(const struct isotp *i)
{
    assert(ready(i));
    return i->rx.state != ISOTP_RX_IDLE;
}

enum err isotp_send(struct isotp *i, const uint8_t *data, uint32_t len, uint64_t now_us)
{
    assert(ready(i) && (data || len == 0));
    if (isotp_sending(i))
        return ERR_BUSY;
    if (len == 0)
        return ERR_BAD_ARGUMENT;
    i->tx.state = ISOTP_TX_FIRST;
    i->tx.fd = isotp_send_fd(i);
    i->tx.dl = i->tx.fd == i->cfg.fd ? i->cfg.tx_dl : BUS_CLASSIC_MAX;
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
        i->rx.deadline_us = now_us + i->cfg.n_as_ms * 1000ull;
    }
}

/* Not ours: another identifier or address, or no data frame. */
static bool foreign(const struct isotp *i, uint32_t id, const struct bus_frame *f)
{
    size_t at = isotp_address_len(i);
    return f->id != id || !(f->flags & BUS_EXTENDED) != !i->cfg.extended_ids || f->flags & BUS_REMOTE ||
           f->len <= at || (at && f->data[0] != i->cfg.rx_address);
}

void isotp_input(struct isotp *i, const struct bus_frame *f, uint64_t now_us, struct isotp_event *ev)
{
    assert(ready(i) && f && f->len <= BUS_FD_MAX && ev);
    ev->kind = ISOTP_NONE;
    ev->reason = ERR_OK;
    size_t at = isotp_address_len(i);
    if (foreign(i, i->cfg.rx_id, f))
        return;
    switch (f->data[at] & 0xF0) {
    case PCI_SF:
        isotp_input_single(i, f, at, ev);
        break;
    case PCI_FF:
        isotp_input_first(i, f, at, now_us, ev);
        break;
    case PCI_CF:
        isotp_input_consecutive(i, f, at, now_us, ev);
        break;
    case PCI_FC:
        isotp_input_flow_control(i, f, at, now_us, ev);
        break;
    default: /* 9.6.1: reserved, ignored */
        break;
    }
}

bool isotp_input_to_many(struct isotp *i, uint32_t id, const struct bus_frame *f, struct span *message)
{
    assert(ready(i) && f && f->len <= BUS_FD_MAX && message);
    size_t at = isotp_address_len(i), len, head;
    if (foreign(i, id, f) || (f->data[at] & 0xF0) != PCI_SF || !isotp_single_length(i, f, at, &len, &head) ||
        !isotp_padding_agreed(i, f, head + len))
        return false;
    i->peer_fd = f->flags & BUS_FD;
    *message = span_of(f->data + head, len);
    return true;
}

bool isotp_output(struct isotp *i, uint64_t now_us, struct bus_frame *f, struct isotp_event *ev)
{
    assert(ready(i) && f && ev);
    ev->kind = ISOTP_NONE;
    ev->reason = ERR_OK;
    if (i->rx.fc && now_us >= i->rx.fc_due_us) {
        isotp_output_flow_control(i, now_us, f);
        return true;
    }
    return now_us >= i->tx.due_us && isotp_output_sending(i, now_us, f, ev);
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
        isotp_expire_sending(i, ev);
    else if ((i->rx.fc || i->rx.state == ISOTP_RX_WAIT_CF) && now_us >= i->rx.deadline_us)
        isotp_expire_receiving(i, ev);
}
