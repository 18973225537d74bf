/* Client and server with each other, in one virtual time. */
#include "lib/uds/uds_client.h"
#include "tests/check.h"
#include "tests/uds_ecu.h"

#define MS 1000ull

struct pair {
    struct uds_ecu_bench ecu;
    struct uds_client client;
};

/* Both in the same time, until the request is over. */
static struct uds_client_event ask(struct pair *p, enum uds_addressing a, struct span request)
{
    struct uds_client_event ev = {0};
    struct uds_client_out out;
    const struct uds_ecu_answer *answer;
    EXPECT_OK(uds_client_request(&p->client, a, request));
    while (!ev.last) {
        while (uds_client_take(&p->client, &out)) {
            uds_ecu_send(&p->ecu, out.addressing, out.pdu);
            if (out.request)
                uds_client_sent(&p->client, p->ecu.now_us);
        }
        while (!ev.last && (answer = uds_ecu_answer(&p->ecu)))
            uds_client_receive(&p->client, 1, span_of(answer->bytes, answer->len), false, p->ecu.now_us, &ev);
        if (!ev.last) {
            uds_ecu_run_until(&p->ecu, p->ecu.now_us + 10 * MS);
            if (p->ecu.answered == p->ecu.read)
                uds_client_tick(&p->client, p->ecu.now_us, &ev);
        }
    }
    return ev;
}

static struct pair *new_pair(void)
{
    static struct pair p;
    struct uds_client_config cfg = uds_client_config_default();
    uds_ecu_open(&p.ecu, crypto_new(NULL));
    uds_ecu_power_on(&p.ecu);
    uds_client_init(&p.client, &cfg);
    return &p;
}

static void expect(struct pair *p, const char *request, enum uds_result result, enum uds_nrc nrc)
{
    HEX(pdu, request);
    struct uds_client_event ev = ask(p, UDS_PHYSICAL, span_of(pdu, pdu_len));
    cr_expect(eq(str, (char *)uds_result_name(ev.result), (char *)uds_result_name(result)), "%s", request);
    cr_expect(eq(int, (int)ev.nrc, (int)nrc), "%s", request);
}

static void unlock(struct pair *p, uint8_t level)
{
    uint8_t seed[2] = {UDS_SID_SECURITY_ACCESS, level};
    uint8_t key[2 + UDS_KEY] = {UDS_SID_SECURITY_ACCESS, (uint8_t)(level + 1)};
    struct uds_client_event ev = ask(p, UDS_PHYSICAL, span_of(seed, sizeof seed));
    cr_assert(ev.result == UDS_RESULT_POSITIVE && ev.answer.len == 2 + UDS_SEED);
    uds_ecu_key(&p->ecu, level, ev.answer.p + 2, key + 2);
    ev = ask(p, UDS_PHYSICAL, span_of(key, sizeof key));
    cr_assert(eq(int, (int)ev.result, UDS_RESULT_POSITIVE));
}

Test(uds_pair, talks_to_the_server)
{
    struct pair *p = new_pair();
    expect(p, "1003", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "22F190", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "220221", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "2E0230012C", UDS_RESULT_NEGATIVE, UDS_NRC_SECURITY);
    unlock(p, 0x01);
    expect(p, "2E0230012C", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "3E80", UDS_RESULT_SILENCE, UDS_OK);
    expect(p, "31010310", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "19020D", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "14FFFFFF", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "8502", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "280301", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "1101", UDS_RESULT_POSITIVE, UDS_OK);
    expect(p, "3E00", UDS_RESULT_TIMEOUT, UDS_OK); /* it boots */
    uds_ecu_run_until(&p->ecu, p->ecu.now_us + 110 * MS);
    expect(p, "3E00", UDS_RESULT_POSITIVE, UDS_OK);
}

Test(uds_pair, functional_to_the_server)
{
    struct pair *p = new_pair();
    struct uds_client_event ev = ask(p, UDS_FUNCTIONAL, span_of("\x10\x03", 2));
    cr_expect(ev.result == UDS_RESULT_COLLECTED && ev.answers == 1);
    ev = ask(p, UDS_FUNCTIONAL, span_of("\x22\x12\x34", 3));
    cr_expect(ev.result == UDS_RESULT_COLLECTED && ev.answers == 0);
}

/* The keep-alive holds session and level open for a minute; without it they end. */
Test(uds_pair, keep_alive_holds_the_session)
{
    struct pair *p = new_pair();
    struct uds_client_event ev;
    struct uds_client_out out;
    expect(p, "1003", UDS_RESULT_POSITIVE, UDS_OK);
    unlock(p, 0x01);
    uds_client_keep_alive(&p->client, true, p->ecu.now_us);
    for (int i = 0; i < 600; i++) {
        uds_ecu_run_until(&p->ecu, p->ecu.now_us + 100 * MS);
        uds_client_tick(&p->client, p->ecu.now_us, &ev);
        while (uds_client_take(&p->client, &out))
            uds_ecu_send(&p->ecu, out.addressing, out.pdu);
    }
    expect(p, "2E0230012C", UDS_RESULT_POSITIVE, UDS_OK);
    uds_client_keep_alive(&p->client, false, p->ecu.now_us);
    uds_ecu_run_until(&p->ecu, p->ecu.now_us + 5000 * MS);
    expect(p, "2E0230012C", UDS_RESULT_NEGATIVE, UDS_NRC_NO_SERVICE_IN_SESSION);
}
