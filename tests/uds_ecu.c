#include "tests/uds_ecu.h"

#include <assert.h>
#include <string.h>

static const uint8_t failed_codes = UDS_DTC_FAILED | UDS_DTC_CONFIRMED | UDS_DTC_FAILED_SINCE_CLEAR;

void uds_ecu_open(struct uds_ecu_bench *b, struct crypto *c)
{
    memset(b, 0, sizeof *b);
    b->table = &uds_ecu_spaak;
    b->crypto = c;
    b->now_us = 1000000; /* no run begins at 0 */
    b->boot_us = UDS_NEVER;
    b->kept.life = UDS_ECU_OPEN;
    b->kept.timeout_s = 120;
    memcpy(b->kept.vin, "1SPAAK00000000001", UDS_ECU_VIN);
    b->kept.uds.status[0] = b->kept.uds.status[1] = failed_codes;
}

void uds_ecu_power_on(struct uds_ecu_bench *b)
{
    b->live = b->kept;
    b->work.routine = 0;
    b->csr_made = b->dead = false;
    b->boot_us = UDS_NEVER;
    uds_server_init(&b->server, b->table, b, b->crypto, &b->kept.uds, b->now_us);
}

void uds_ecu_cut(struct uds_ecu_bench *b)
{
    uds_server_wipe(&b->server);
    b->work.routine = 0;
    b->dead = false;
    b->boot_us = b->now_us + UDS_ECU_BOOT_MS * 1000ull;
}

static bool is_on(const struct uds_ecu_bench *b)
{
    return b->boot_us == UDS_NEVER;
}

/* What every call on the server is followed by. */
static void settle(struct uds_ecu_bench *b)
{
    struct span pdu;
    if (b->dead) {
        uds_ecu_cut(b);
        return;
    }
    while (uds_server_take(&b->server, &pdu)) {
        assert(b->answered < UDS_ECU_ANSWERS);
        struct uds_ecu_answer *a = &b->answers[b->answered++];
        a->at_us = b->now_us;
        a->len = pdu.len;
        memcpy(a->bytes, pdu.p, pdu.len);
        uds_server_sent(&b->server, b->now_us);
    }
    if (b->server.state == UDS_SERVER_DOWN)
        uds_ecu_cut(b);
}

void uds_ecu_send(struct uds_ecu_bench *b, enum uds_addressing a, struct span pdu)
{
    if (!is_on(b))
        return;
    uds_server_receive(&b->server, a, pdu, b->now_us);
    settle(b);
}

static uint64_t next_us(const struct uds_ecu_bench *b)
{
    if (!is_on(b))
        return b->boot_us;
    uint64_t due_us = uds_server_due_us(&b->server);
    return b->work.routine && b->work.due_us < due_us ? b->work.due_us : due_us;
}

/* One step of what is due now. */
static void step(struct uds_ecu_bench *b)
{
    if (!is_on(b)) {
        uds_ecu_power_on(b);
        return;
    }
    if (b->work.routine && b->now_us >= b->work.due_us)
        uds_ecu_work_done(b);
    else
        uds_server_tick(&b->server, b->now_us);
    settle(b);
}

void uds_ecu_run_until(struct uds_ecu_bench *b, uint64_t us)
{
    while (next_us(b) <= us) {
        b->now_us = next_us(b) > b->now_us ? next_us(b) : b->now_us;
        step(b);
    }
    b->now_us = us;
}

void uds_ecu_run_for_answers(struct uds_ecu_bench *b, size_t n, uint64_t most_us)
{
    uint64_t end_us = b->now_us + most_us;
    while (b->answered - b->read < n && next_us(b) <= end_us)
        uds_ecu_run_until(b, next_us(b));
}

const struct uds_ecu_answer *uds_ecu_answer(struct uds_ecu_bench *b)
{
    if (b->read < b->answered)
        return &b->answers[b->read++];
    b->read = b->answered = 0;
    return NULL;
}

void uds_ecu_key(struct uds_ecu_bench *b, uint8_t level, const uint8_t seed[UDS_SEED], uint8_t key[UDS_KEY])
{
    uint8_t k[UDS_SECRET];
    struct span serial = span_of(UDS_ECU_SERIAL, strlen(UDS_ECU_SERIAL));
    enum err e = uds_security_ecu_key(b->crypto, uds_ecu_secret, level, serial, k);
    assert(!e);
    e = uds_security_key(b->crypto, k, level, seed, key);
    assert(!e);
    (void)e;
}
