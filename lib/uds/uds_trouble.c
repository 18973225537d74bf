/* Trouble codes: 14, 19, and the tests behind them. */
#include <assert.h>

#include "lib/uds/uds_server_internal.h"

/* Puts back what was there when the store refuses. */
static enum uds_nrc commit_or_restore(struct uds_server *s, const struct uds_stored *before)
{
    enum uds_nrc nrc = uds_commit(s);
    if (nrc)
        s->stored = *before;
    return nrc;
}

enum uds_nrc uds_serve_clear(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    struct rd r = rd_of(pdu.p + 1, pdu.len - 1);
    struct uds_stored before = s->stored;
    bool any = false;
    (void)out;
    (void)now_us;
    /* 13 */
    if (pdu.len != 4)
        return UDS_NRC_LENGTH;
    uint32_t group = (uint32_t)rd_u8(&r) << 16;
    group |= rd_be16(&r);
    /* 31 */
    for (size_t i = 0; i < s->ecu->dtc_count; i++)
        any = any || group == s->ecu->dtcs[i];
    if (!any && group != UDS_DTC_ALL)
        return UDS_NRC_OUT_OF_RANGE;
    /* 22 */
    enum uds_nrc nrc = s->ecu->may_clear ? s->ecu->may_clear(s->ctx) : UDS_OK;
    if (nrc)
        return nrc;
    for (size_t i = 0; i < s->ecu->dtc_count; i++)
        if (group == UDS_DTC_ALL || group == s->ecu->dtcs[i])
            s->stored.status[i] = uds_dtc_cleared() & s->ecu->dtc_available;
    /* 72 */
    return commit_or_restore(s, &before);
}

static void put_dtc(struct wr *out, uint32_t dtc, uint8_t status)
{
    wr_u8(out, (uint8_t)(dtc >> 16));
    wr_be16(out, (uint16_t)dtc);
    wr_u8(out, status);
}

/* Codes whose status meets the mask, or all; without a writer they are counted. */
static uint16_t list_dtcs(const struct uds_server *s, bool all, uint8_t mask, struct wr *out)
{
    uint16_t n = 0;
    for (size_t i = 0; i < s->ecu->dtc_count; i++) {
        uint8_t status = s->stored.status[i];
        if (!all && !(status & mask & s->ecu->dtc_available))
            continue;
        n++;
        if (out)
            put_dtc(out, s->ecu->dtcs[i], status);
    }
    return n;
}

enum uds_nrc uds_serve_dtcs(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    bool all = s->request.subfunction == UDS_DTCS_SUPPORTED;
    (void)now_us;
    if (pdu.len != (all ? 2u : 3u))
        return UDS_NRC_LENGTH;
    wr_u8(out, s->ecu->dtc_available);
    if (s->request.subfunction != UDS_DTCS_COUNT) {
        list_dtcs(s, all, all ? 0 : pdu.p[2], out);
        return UDS_OK;
    }
    wr_u8(out, UDS_DTC_FORMAT_14229);
    wr_be16(out, list_dtcs(s, false, pdu.p[2], NULL));
    return UDS_OK;
}

enum err uds_server_report(struct uds_server *s, size_t dtc, bool failed)
{
    assert(dtc < s->ecu->dtc_count);
    struct uds_stored before = s->stored;
    uint8_t was = before.status[dtc], status = failed ? uds_dtc_failed(was) : uds_dtc_passed(was);
    status &= s->ecu->dtc_available;
    if (s->dtcs_off || status == was)
        return ERR_OK;
    s->stored.status[dtc] = status;
    return commit_or_restore(s, &before) ? ERR_STORE_FAILED : ERR_OK;
}
