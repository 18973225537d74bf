#include "sim/uds/line.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define NO_ID          0x7FFu /* of a channel that only sends: no row has it */
#define PCI_KIND(f)    ((f)->data[0] >> 4)
#define PCI_FIRST      1u
#define PCI_FLOW       3u
#define FIRST_HEAD     2 /* bytes before the message in a first frame, ... */
#define FIRST_HEAD_MAX 6 /* ... and in one of a longer message */

static_assert(UDS_NEVER == ISOTP_NEVER, "one word for no time");

/* ---- who there is ---- */

static bool is_ecu(const struct matrix_row *row)
{
    return matrix_diagnostic(row) && row->kind == MATRIX_ISOTP && row->sender == NODE_TESTER;
}

const struct matrix_row *desk_ecu(size_t number)
{
    for (unsigned m = 0; m < MATRIX_MESSAGES; m++)
        if (is_ecu(matrix_row((enum matrix_message)m)) && number-- == 0)
            return matrix_row((enum matrix_message)m);
    return NULL;
}

const struct matrix_row *desk_all(void)
{
    return matrix_row(MATRIX_UDS_FUNCTIONAL);
}

void desk_ecu_name(const struct matrix_row *row, char out[DESK_LINE_ECU])
{
    text_copy(out, DESK_LINE_ECU,
              row == desk_all() ? "all" : matrix_node_name((enum matrix_node)row->receivers));
    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
}

/* ---- opening ---- */

static void reset_channel(struct desk_channel *c)
{
    struct isotp_config cfg = c->tp.cfg;
    enum err e = isotp_init(&c->tp, &cfg, c->rx, DESK_PDU_MAX);
    assert(!e);
    (void)e;
    c->arriving = false;
}

static bool open_channel(struct desk_channel *c, const struct matrix_row *row)
{
    c->tp.cfg = isotp_config_default(row->id, matrix_pair(row)->id);
    c->rx = malloc(DESK_PDU_MAX);
    if (c->rx)
        reset_channel(c);
    return c->rx;
}

bool desk_line_open(struct desk_line *l, const struct matrix_row *row, uint32_t p2_ms)
{
    struct uds_client_config cfg = uds_client_config_default();
    struct isotp_config to_all = isotp_config_default(desk_all()->id, NO_ID);
    bool ok = true;
    cfg.p2_ms = p2_ms;
    *l = (struct desk_line){.row = row, .addressing = row == desk_all() ? UDS_FUNCTIONAL : UDS_PHYSICAL};
    uds_client_init(&l->client, &cfg);
    ok = isotp_init(&l->to_all, &to_all, NULL, 0) == ERR_OK;
    for (size_t i = 0; ok && l->count < DESK_ECUS && desk_ecu(i); i++)
        if (l->addressing == UDS_FUNCTIONAL || desk_ecu(i) == row)
            ok = open_channel(&l->channels[l->count++], desk_ecu(i));
    return ok;
}

void desk_line_close(struct desk_line *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->channels[i].rx);
    OPENSSL_cleanse(l->request, sizeof l->request);
    l->count = 0;
}

/* ---- a request ---- */

bool desk_is_keep_alive(struct span request)
{
    return request.len == 2 && request.p[0] == UDS_SID_TESTER_PRESENT && request.p[1] == UDS_SUPPRESS;
}

static struct isotp *sender(struct desk_line *l)
{
    return l->addressing == UDS_FUNCTIONAL ? &l->to_all : &l->channels[0].tp;
}

static void finish(struct desk_line *l)
{
    uds_client_abort(&l->client);
    isotp_abort_send(sender(l));
    OPENSSL_cleanse(l->request, sizeof l->request);
}

enum err desk_line_ask(struct desk_line *l, struct span request, uint64_t now_us)
{
    size_t max = l->addressing == UDS_FUNCTIONAL ? l->row->pdu_max : sizeof l->request;
    struct uds_client_out out;
    if (uds_client_busy(&l->client))
        return ERR_BUSY;
    if (request.len > max)
        return ERR_NO_SPACE;
    enum err e = uds_client_request(&l->client, l->addressing, request);
    if (e)
        return e;
    for (size_t i = 0; i < l->count; i++)
        reset_channel(&l->channels[i]);
    memcpy(l->request, request.p, request.len);
    l->client.request = span_of(l->request, request.len);
    l->client.arriving = 0;
    l->unanswered = desk_is_keep_alive(request);
    bool taken = uds_client_take(&l->client, &out);
    assert(taken);
    e = taken ? isotp_send(sender(l), out.pdu.p, (uint32_t)out.pdu.len, now_us) : ERR_BUSY;
    if (e)
        finish(l);
    return e;
}

void desk_line_abandon(struct desk_line *l)
{
    if (l->client.state == UDS_CLIENT_LEAVING)
        finish(l);
}

bool desk_line_busy(const struct desk_line *l)
{
    return uds_client_busy(&l->client);
}

static void on_sent(struct desk_line *l, const struct isotp_event *ev, uint64_t now_us)
{
    struct uds_client_event over;
    if (ev->kind == ISOTP_SENT)
        uds_client_sent(&l->client, now_us);
    if (ev->kind == ISOTP_TX_FAILED)
        uds_client_send_failed(&l->client, &over);
    if (ev->kind == ISOTP_SENT && l->unanswered)
        finish(l);
}

/* ---- answers ---- */

/* A first frame says of what service its message is. */
static bool may_answer(const struct desk_line *l, const struct bus_frame *f)
{
    size_t at = FIRST_HEAD;
    if (PCI_KIND(f) != PCI_FIRST)
        return true;
    if ((f->data[0] & 0x0F) == 0 && f->data[1] == 0)
        at = FIRST_HEAD_MAX;
    return at < f->len && f->data[at] == (l->client.request.p[0] | UDS_POSITIVE);
}

static bool is_wanted(const struct desk_line *l, const struct bus_frame *f)
{
    if (!f->len)
        return false;
    if (PCI_KIND(f) == PCI_FLOW)
        return desk_line_busy(l);
    return l->client.state == UDS_CLIENT_WAITING && may_answer(l, f);
}

static void arrival_failed(struct desk_line *l, struct desk_channel *c)
{
    struct uds_client_event ev;
    if (c->arriving)
        uds_client_arrival_failed(&l->client, &ev);
    c->arriving = false;
}

/* Strays are answers to others. */
static bool take_message(struct desk_line *l, struct desk_channel *c, struct span message, uint64_t now_us)
{
    struct uds_client_event ev;
    uds_client_receive(&l->client, c->tp.cfg.rx_id, message, c->arriving, now_us, &ev);
    c->arriving = false;
    if (!desk_line_busy(l))
        finish(l);
    return ev.result != UDS_RESULT_STRAY;
}

static bool take_event(struct desk_line *l, struct desk_channel *c, const struct isotp_event *ev,
                       uint64_t now_us)
{
    if (ev->kind == ISOTP_SENT || ev->kind == ISOTP_TX_FAILED)
        on_sent(l, ev, now_us);
    if (ev->kind == ISOTP_RX_FAILED)
        arrival_failed(l, c);
    bool whole = ev->kind == ISOTP_RECEIVED && take_message(l, c, ev->message, now_us);
    if (isotp_receiving(&c->tp) && !c->arriving && desk_line_busy(l)) {
        c->arriving = true;
        uds_client_arrival_begins(&l->client);
    }
    return whole;
}

bool desk_line_input(struct desk_line *l, const struct bus_frame *f, uint64_t now_us, struct span *answer)
{
    for (size_t i = 0; i < l->count; i++) {
        struct desk_channel *c = &l->channels[i];
        struct isotp_event ev;
        if (c->tp.cfg.rx_id != f->id || f->flags & (BUS_EXTENDED | BUS_REMOTE) || !is_wanted(l, f))
            continue;
        isotp_input(&c->tp, f, now_us, &ev);
        if (take_event(l, c, &ev, now_us)) {
            *answer = ev.message;
            return true;
        }
    }
    return false;
}

/* ---- time ---- */

bool desk_line_output(struct desk_line *l, uint64_t now_us, struct bus_frame *f)
{
    struct isotp_event ev;
    bool any = false;
    if (!desk_line_busy(l))
        return false;
    if (l->addressing == UDS_FUNCTIONAL && isotp_output(&l->to_all, now_us, f, &ev)) {
        on_sent(l, &ev, now_us);
        return true;
    }
    for (size_t i = 0; i < l->count && !any && desk_line_busy(l); i++) {
        any = isotp_output(&l->channels[i].tp, now_us, f, &ev);
        take_event(l, &l->channels[i], &ev, now_us);
    }
    return any;
}

uint64_t desk_line_due_us(const struct desk_line *l)
{
    uint64_t due_us = uds_client_due_us(&l->client), t = isotp_next_deadline(&l->to_all);
    if (!desk_line_busy(l))
        return UDS_NEVER;
    for (size_t i = 0; i <= l->count; i++) {
        due_us = t < due_us ? t : due_us;
        t = i < l->count ? isotp_next_deadline(&l->channels[i].tp) : UDS_NEVER;
    }
    return due_us;
}

void desk_line_tick(struct desk_line *l, uint64_t now_us)
{
    struct isotp_event ev;
    struct uds_client_event over;
    for (size_t i = 0; i < l->count && desk_line_busy(l); i++)
        do {
            isotp_expire(&l->channels[i].tp, now_us, &ev);
            take_event(l, &l->channels[i], &ev, now_us);
        } while (ev.kind != ISOTP_NONE && desk_line_busy(l));
    if (l->addressing == UDS_FUNCTIONAL && desk_line_busy(l)) {
        isotp_expire(&l->to_all, now_us, &ev);
        on_sent(l, &ev, now_us);
    }
    if (desk_line_busy(l))
        uds_client_tick(&l->client, now_us, &over);
}
