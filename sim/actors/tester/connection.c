#include "sim/actors/tester/connection.h"

#include <openssl/crypto.h>
#include <string.h>

#define PADDING 0xCC

static const struct {
    enum matrix_message request, answer;
} rows[ECUS] = {
    [ECU_SGW] = {MATRIX_UDS_SGW_REQ, MATRIX_UDS_SGW_RSP},
    [ECU_SPAAK] = {MATRIX_UDS_SPAAK_REQ, MATRIX_UDS_SPAAK_RSP},
    [ECU_TBM] = {MATRIX_UDS_TBM_REQ, MATRIX_UDS_TBM_RSP},
};

/* ---- out ---- */

/* What many hear is a single frame. */
static void send_to_all(struct connection *c, struct span pdu)
{
    struct bus_frame f = {.id = matrix_row(MATRIX_UDS_FUNCTIONAL)->id, .flags = BUS_FD | BUS_BRS, .len = 8};
    memset(f.data, PADDING, f.len);
    f.data[0] = (uint8_t)pdu.len;
    memcpy(f.data + 1, pdu.p, pdu.len);
    env_send_frame(c->env, c->port, &f); /* a lost one is followed by the next */
}

static void take_event(struct connection *c, const struct uds_client_event *ev)
{
    if (!ev->last)
        return;
    c->ended = true;
    c->end = *ev;
}

/* One timer for what a run waits for, another for what goes on and on. */
static void arm(struct connection *c)
{
    bool busy = uds_client_busy(&c->client);
    uint64_t due_us = uds_client_due_us(&c->client);
    env_timer_set(c->env, c->timers.answer, c->ended ? env_now_us(c->env) : busy ? due_us : ENV_NEVER);
    env_timer_set(c->env, c->timers.alive, busy ? ENV_NEVER : due_us);
}

static void send_due(struct connection *c)
{
    struct uds_client_out out;
    struct uds_client_event ev;
    while (uds_client_take(&c->client, &out)) {
        if (!out.request) {
            send_to_all(c, out.pdu);
        } else if (isotp_port_send(&c->channels[c->asked], out.pdu)) {
            uds_client_send_failed(&c->client, &ev);
            take_event(c, &ev);
        }
    }
}

/* What every call on the client is followed by. Its end is told last: then another request may begin. */
static void settle(struct connection *c)
{
    send_due(c);
    if (c->ended) {
        const struct uds_client_event end = c->end;
        c->ended = c->arriving = false;
        if (isotp_port_busy(&c->channels[c->asked]) || isotp_port_receiving(&c->channels[c->asked]))
            isotp_port_stop(&c->channels[c->asked]); /* what is still under way belongs to nobody */
        c->on_end(c->owner, &end);
        send_due(c);
    }
    arm(c);
}

/* ---- in ---- */

static void on_channel(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct connection *c = owner;
    struct uds_client_event end = {0};
    uint64_t now_us = env_now_us(c->env);
    bool arrived = c->arriving;
    switch (ev->kind) {
    case ISOTP_RECEIVED:
        c->arriving = false;
        uds_client_receive(&c->client, channel->in->id, ev->message, arrived, now_us, &end);
        break;
    case ISOTP_RX_FAILED:
        c->arriving = false;
        uds_client_arrival_failed(&c->client, &end);
        break;
    case ISOTP_TX_FAILED:
        uds_client_send_failed(&c->client, &end);
        break;
    case ISOTP_SENT:
        uds_client_sent(&c->client, now_us);
        break;
    case ISOTP_NONE:
        break;
    }
    take_event(c, &end);
}

void connection_on_frame(struct connection *c, const struct bus_frame *f)
{
    struct isotp_port *channel = &c->channels[c->asked];
    if (!uds_client_busy(&c->client) || f->id != channel->in->id)
        return;
    isotp_port_input(channel, f);
    if (isotp_port_receiving(channel) && !c->arriving) {
        c->arriving = true;
        uds_client_arrival_begins(&c->client);
    }
    settle(c);
}

bool connection_on_timer(struct connection *c, unsigned timer)
{
    struct uds_client_event ev;
    if (timer >= c->timers.channels && timer < c->timers.channels + ECUS) {
        isotp_port_timer(&c->channels[timer - c->timers.channels]);
    } else if (timer == c->timers.answer || timer == c->timers.alive) {
        uds_client_tick(&c->client, env_now_us(c->env), &ev);
        take_event(c, &ev);
    } else {
        return false;
    }
    settle(c);
    return true;
}

/* ---- asking ---- */

bool connection_busy(const struct connection *c)
{
    return uds_client_busy(&c->client);
}

enum err connection_ask(struct connection *c, enum ecu ecu, struct span request)
{
    if (uds_client_busy(&c->client))
        return ERR_BUSY;
    if (request.len > sizeof c->request)
        return ERR_NO_SPACE;
    memcpy(c->request, request.p, request.len);
    enum err e = uds_client_request(&c->client, UDS_PHYSICAL, span_of(c->request, request.len));
    if (e)
        return e;
    c->asked = ecu;
    send_due(c);
    arm(c);
    return ERR_OK;
}

void connection_keep_alive(struct connection *c, bool wanted)
{
    uds_client_keep_alive(&c->client, wanted, env_now_us(c->env));
    send_due(c);
    arm(c);
}

void connection_init(struct connection *c, struct env *env, unsigned port,
                     const struct connection_timers *timers, uint32_t answer_ms)
{
    struct uds_client_config cfg = uds_client_config_default();
    cfg.p2_ms = answer_ms;
    c->env = env;
    c->port = port;
    c->timers = *timers;
    uds_client_init(&c->client, &cfg);
    for (unsigned i = 0; i < ECUS; i++) {
        isotp_port_init(&c->channels[i], env, port, timers->channels + i, rows[i].request, rows[i].answer);
        c->channels[i].on_event = on_channel;
        c->channels[i].owner = c;
    }
}

void connection_fini(struct connection *c)
{
    OPENSSL_cleanse(c->request, sizeof c->request);
    for (unsigned i = 0; i < ECUS; i++)
        isotp_port_fini(&c->channels[i]);
}
