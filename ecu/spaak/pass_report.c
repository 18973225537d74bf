/* OP-04/7: the VOS hears that owner pairing has passed (OwnerPairingPass_Ack). In the store from the moment
 * that the key is active (session.c) until the VOS has acknowledged it; the pairing does not depend on it. */
#include "ecu/spaak/pairing.h"

#define REPORT 64

static void go_on(struct spaak *s)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_OP_04,
                                     SPAAK__V1__MESSAGE_TYPE__OWNER_PAIRING_PASS_ACK, SPAAK_VOS, "OP-04/7"};
    uint8_t key_id[ENDPOINT_KEY_ID], body[REPORT];
    size_t len;
    Spaak__V1__OwnerPairingPassAck m = SPAAK__V1__OWNER_PAIRING_PASS_ACK__INIT;
    if (!s->tbm_ready || env_store_get(s->env, SPAAK_UNREPORTED, key_id, sizeof key_id, &len))
        return;
    requester_stop(&s->pass_report);
    requester_begin(&s->pass_report);
    m.key_id = (ProtobufCBinaryData){len, key_id};
    requester_send(&s->pass_report, &r, span_of(body, spaak__v1__owner_pairing_pass_ack__pack(&m, body)));
}

void pass_report_put(struct spaak *s, const struct vehicle_key *k)
{
    env_store_put(s->env, SPAAK_UNREPORTED, span_of(k->key_id, ENDPOINT_KEY_ID));
}

void pass_report_begin(struct spaak *s)
{
    go_on(s);
}

enum err pass_report_on_ack(struct spaak *s, const struct spaak_message *m)
{
    enum err e = requester_check(&s->pass_report, &m->opened.header);
    if (e)
        return e;
    messages_trace_accept(s, m, "OP-04/7");
    if (m->opened.header.error) {
        requester_give_up(&s->pass_report, m->opened.header.error);
        return ERR_OK;
    }
    env_store_delete(s->env, SPAAK_UNREPORTED);
    e = env_store_commit(s->env);
    if (!e)
        requester_stop(&s->pass_report);
    return e;
}

void pass_report_on_tbm_ready(struct spaak *s)
{
    if (s->pass_report.state == REQUESTER_IDLE)
        go_on(s);
}

static void on_requester(void *owner, enum requester_state state)
{
    struct spaak *s = owner;
    env_trace_state(s->env, state == REQUESTER_WAITS ? "tells the VOS of the pairing"
                                                     : "backs off with its report of the pairing");
}

static void resume(void *owner)
{
    go_on(owner);
}

void pass_report_init(struct spaak *s)
{
    static const struct requester_ops ops = {messages_transmit, messages_reachable, on_requester, resume};
    messages_requester_init(s, &s->pass_report, SPAAK_TIMER_PASS_REPORT, &ops);
}
