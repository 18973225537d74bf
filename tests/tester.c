#include "tests/tester.h"

#include <assert.h>
#include <string.h>

#define FIRST_ID      0x7A0u
#define ANSWER_BIT    0x08u
#define FUNCTIONAL_ID 0x7DFu

/* ---- the tester ---- */

void tester_open(struct tester *t, bool classic)
{
    memset(t, 0, sizeof *t);
    t->classic = classic;
    for (unsigned i = 0; i < TESTER_ECUS; i++) {
        struct isotp_config c = isotp_config_default(FIRST_ID + i, (FIRST_ID + i) | ANSWER_BIT);
        c.fd = c.brs = !classic;
        c.tx_dl = classic ? 8 : 64;
        enum err e = isotp_init(&t->channels[i].tp, &c, t->channels[i].rx, TESTER_MAX);
        assert(!e);
        (void)e;
    }
}

static void ask_all(struct tester *t, struct span pdu)
{
    assert(pdu.len <= 7);
    t->functional = (struct bus_frame){.id = FUNCTIONAL_ID, .len = 8};
    t->functional.flags = t->classic ? 0 : BUS_FD | BUS_BRS;
    memset(t->functional.data, 0xCC, 8);
    t->functional.data[0] = (uint8_t)pdu.len;
    memcpy(t->functional.data + 1, pdu.p, pdu.len);
    t->functional_waits = true;
}

void tester_ask(struct tester *t, uint32_t id, struct span pdu, uint64_t now_us)
{
    if (id == FUNCTIONAL_ID) {
        ask_all(t, pdu);
        return;
    }
    assert(id >= FIRST_ID && id < FIRST_ID + TESTER_ECUS && pdu.len <= TESTER_MAX);
    struct tester_channel *c = &t->channels[id - FIRST_ID];
    isotp_abort_send(&c->tp);
    memcpy(c->tx, pdu.p, pdu.len);
    enum err e = isotp_send(&c->tp, c->tx, (uint32_t)pdu.len, now_us);
    assert(!e);
    (void)e;
}

static void take_answer(struct tester *t, struct tester_channel *c, const struct isotp_event *ev)
{
    if (ev->kind != ISOTP_RECEIVED)
        return;
    assert(t->answered < TESTER_ANSWERS);
    struct tester_answer *a = &t->answers[t->answered++];
    a->id = c->tp.cfg.rx_id;
    a->len = ev->message.len;
    a->classic = !c->saw_fd;
    memcpy(a->bytes, ev->message.p, a->len);
    c->saw_fd = false;
}

void tester_input(struct tester *t, const struct bus_frame *f, uint64_t now_us)
{
    for (size_t i = 0; i < TESTER_ECUS; i++) {
        struct tester_channel *c = &t->channels[i];
        struct isotp_event ev;
        if (c->tp.cfg.rx_id != f->id)
            continue;
        c->saw_fd = c->saw_fd || f->flags & BUS_FD;
        isotp_input(&c->tp, f, now_us, &ev);
        take_answer(t, c, &ev);
    }
}

bool tester_output(struct tester *t, uint64_t now_us, struct bus_frame *f)
{
    struct isotp_event ev;
    if (t->functional_waits) {
        t->functional_waits = false;
        *f = t->functional;
        return true;
    }
    for (size_t i = 0; i < TESTER_ECUS; i++) {
        isotp_expire(&t->channels[i].tp, now_us, &ev);
        if (isotp_output(&t->channels[i].tp, now_us, f, &ev))
            return true;
    }
    return false;
}

const struct tester_answer *tester_answer(struct tester *t)
{
    if (t->read < t->answered)
        return &t->answers[t->read++];
    t->read = t->answered = 0;
    return NULL;
}

/* ---- an ECU ---- */

void tested_ecu_open(struct tested_ecu *e, struct crypto *c, uint32_t request_id)
{
    struct isotp_config cfg = isotp_config_default(request_id | ANSWER_BIT, request_id);
    cfg.follow = true;
    uds_ecu_open(&e->uds, c);
    uds_ecu_power_on(&e->uds);
    e->begun_us = e->uds.now_us;
    enum err bad = isotp_init(&e->tp, &cfg, e->rx, TESTER_MAX);
    assert(!bad);
    (void)bad;
}

static void catch_up(struct tested_ecu *e, uint64_t now_us)
{
    if (e->begun_us + now_us > e->uds.now_us)
        uds_ecu_run_until(&e->uds, e->begun_us + now_us);
}

void tested_ecu_input(struct tested_ecu *e, const struct bus_frame *f, uint64_t now_us)
{
    struct isotp_event ev;
    struct span message;
    catch_up(e, now_us);
    if (isotp_input_to_many(&e->tp, FUNCTIONAL_ID, f, &message))
        uds_ecu_send(&e->uds, UDS_FUNCTIONAL, message);
    isotp_input(&e->tp, f, now_us, &ev);
    if (ev.kind == ISOTP_RECEIVED)
        uds_ecu_send(&e->uds, UDS_PHYSICAL, ev.message);
    else if (ev.kind == ISOTP_RX_FAILED)
        uds_server_arrival_failed(&e->uds.server, UDS_PHYSICAL, e->uds.now_us);
    if (isotp_receiving(&e->tp))
        uds_server_arrival_begins(&e->uds.server, UDS_PHYSICAL, e->uds.now_us);
}

bool tested_ecu_output(struct tested_ecu *e, uint64_t now_us, struct bus_frame *f)
{
    struct isotp_event ev;
    catch_up(e, now_us);
    isotp_expire(&e->tp, now_us, &ev);
    if (ev.kind == ISOTP_RX_FAILED)
        uds_server_arrival_failed(&e->uds.server, UDS_PHYSICAL, e->uds.now_us);
    if (!isotp_sending(&e->tp)) {
        const struct uds_ecu_answer *a = uds_ecu_answer(&e->uds);
        if (a) {
            memcpy(e->tx, a->bytes, a->len);
            isotp_send(&e->tp, e->tx, (uint32_t)a->len, now_us);
        }
    }
    return isotp_output(&e->tp, now_us, f, &ev);
}
