/* Sessions and what hangs on them: 10, 11, 3E, 28, 85. */
#include "lib/uds/uds_server_internal.h"

#define P2_STAR_UNIT_MS 10

/* Types of message in 28: bit 0 normal, bit 1 network management; the high nibble is the network, 0 all. */
#define TYPES_MIN 0x01
#define TYPES_MAX 0x03

void uds_session_enter(struct uds_server *s, uint8_t row)
{
    bool back = row == 0;
    s->session = row;
    s->level = 0;
    s->authenticated = s->challenged = false;
    uds_seed_drop(s);
    if (back) {
        s->rx_off = s->tx_off = 0;
        s->dtcs_off = false;
    }
    uds_changed(s);
}

void uds_server_default_session(struct uds_server *s)
{
    s->s3_due_us = UDS_NEVER;
    uds_session_enter(s, 0);
}

enum uds_nrc uds_serve_session(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    uint8_t row = 0;
    (void)now_us;
    if (pdu.len != 2)
        return UDS_NRC_LENGTH;
    while (row < s->ecu->session_count && s->ecu->sessions[row].id != s->request.subfunction)
        row++;
    if (row == s->ecu->session_count)
        return UDS_NRC_NO_SUBFUNCTION;
    const struct uds_session *to = &s->ecu->sessions[row];
    enum uds_nrc nrc = to->may_enter ? to->may_enter(s->ctx) : UDS_OK;
    if (nrc)
        return nrc;
    wr_be16(out, to->p2_ms);
    wr_be16(out, (uint16_t)(to->p2_star_ms / P2_STAR_UNIT_MS));
    uds_session_enter(s, row);
    return UDS_OK;
}

enum uds_nrc uds_serve_reset(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    (void)out;
    (void)now_us;
    if (pdu.len != 2)
        return UDS_NRC_LENGTH;
    enum uds_reset kind = (enum uds_reset)s->request.subfunction;
    enum uds_nrc nrc = s->ecu->may_reset ? s->ecu->may_reset(s->ctx, kind) : UDS_OK;
    if (!nrc)
        s->request.reset = s->request.subfunction;
    return nrc;
}

enum uds_nrc uds_serve_tester_present(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    (void)s;
    (void)out;
    (void)now_us;
    return pdu.len == 2 ? UDS_OK : UDS_NRC_LENGTH;
}

static void communicate(struct uds_server *s, enum uds_communication wanted, uint8_t types)
{
    bool rx_off = wanted == UDS_COMM_RX_OFF || wanted == UDS_COMM_OFF;
    bool tx_off = wanted == UDS_COMM_TX_OFF || wanted == UDS_COMM_OFF;
    s->rx_off = (uint8_t)(rx_off ? s->rx_off | types : s->rx_off & ~types);
    s->tx_off = (uint8_t)(tx_off ? s->tx_off | types : s->tx_off & ~types);
}

enum uds_nrc uds_serve_communication(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    (void)out;
    (void)now_us;
    if (pdu.len != 3)
        return UDS_NRC_LENGTH;
    uint8_t types = pdu.p[2];
    if (types < TYPES_MIN || types > TYPES_MAX)
        return UDS_NRC_OUT_OF_RANGE;
    enum uds_communication wanted = (enum uds_communication)s->request.subfunction;
    enum uds_nrc nrc =
        s->ecu->may_change_communication ? s->ecu->may_change_communication(s->ctx, wanted, types) : UDS_OK;
    if (nrc)
        return nrc;
    communicate(s, wanted, types);
    uds_changed(s);
    return UDS_OK;
}

enum uds_nrc uds_serve_dtc_setting(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    (void)out;
    (void)now_us;
    if (pdu.len != 2)
        return UDS_NRC_LENGTH;
    s->dtcs_off = s->request.subfunction == UDS_DTCS_OFF;
    uds_changed(s);
    return UDS_OK;
}
