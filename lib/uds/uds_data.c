/* Data and routines: 22, 2E, 31. */
#include <assert.h>

#include "lib/uds/uds_server_internal.h"

static const struct uds_did *did_of(const struct uds_server *s, uint16_t id)
{
    for (size_t i = 0; i < s->ecu->did_count; i++)
        if (s->ecu->dids[i].id == id)
            return &s->ecu->dids[i];
    return NULL;
}

/* ---- 22 ---- */

static enum uds_nrc may_read(const struct uds_server *s, const struct uds_did *did)
{
    return did ? uds_access_check(s, did->read, UDS_ACCESS_MAX, UDS_NRC_OUT_OF_RANGE) : UDS_NRC_OUT_OF_RANGE;
}

/* Unknown identifiers are passed over as long as one is known. */
static enum uds_nrc check_dids(const struct uds_server *s, struct rd ids)
{
    bool any = false;
    enum uds_nrc locked = UDS_OK;
    while (ids.left) {
        enum uds_nrc nrc = may_read(s, did_of(s, rd_be16(&ids)));
        any = any || nrc != UDS_NRC_OUT_OF_RANGE;
        if (nrc == UDS_NRC_AUTHENTICATION || (nrc == UDS_NRC_SECURITY && !locked))
            locked = nrc;
    }
    return any ? locked : UDS_NRC_OUT_OF_RANGE;
}

static enum uds_nrc read_one(struct uds_server *s, const struct uds_did *did, struct wr *out)
{
    wr_be16(out, did->id);
    size_t from = out->len;
    enum uds_nrc nrc = did->read_value(s->ctx, did, out);
    if (nrc)
        return nrc;
    assert(out->failed || (out->len - from >= did->len_min && out->len - from <= did->len_max));
    return UDS_OK;
}

enum uds_nrc uds_serve_read(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    struct rd ids = rd_of(pdu.p + 1, pdu.len - 1);
    (void)now_us;
    /* 13 */
    if (ids.left < 2 || ids.left % 2 || ids.left / 2 > s->ecu->dids_at_once)
        return UDS_NRC_LENGTH;
    /* 31, 34, 33 */
    enum uds_nrc nrc = check_dids(s, ids);
    /* 22, 14 */
    while (!nrc && ids.left) {
        const struct uds_did *did = did_of(s, rd_be16(&ids));
        if (!may_read(s, did))
            nrc = read_one(s, did, out);
    }
    return nrc;
}

/* ---- 2E ---- */

enum uds_nrc uds_serve_write(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    struct rd r = rd_of(pdu.p + 1, pdu.len - 1);
    (void)now_us;
    /* 13 */
    if (pdu.len < 4)
        return UDS_NRC_LENGTH;
    const struct uds_did *did = did_of(s, rd_be16(&r));
    if (!did)
        return UDS_NRC_OUT_OF_RANGE;
    /* 31, 34, 33 */
    enum uds_nrc nrc = uds_access_check(s, did->write, UDS_ACCESS_MAX, UDS_NRC_OUT_OF_RANGE);
    if (nrc)
        return nrc;
    /* 13 */
    if (r.left < did->len_min || r.left > did->len_max)
        return UDS_NRC_LENGTH;
    wr_be16(out, did->id);
    s->request.durable = true;
    /* 31, 22, 72 */
    return did->write_value(s->ctx, did, rd_span(&r, r.left), s->request.ticket);
}

/* ---- 31 ---- */

static const struct uds_routine *routine_of(const struct uds_server *s, uint16_t id)
{
    for (size_t i = 0; i < s->ecu->routine_count; i++)
        if (s->ecu->routines[i].id == id)
            return &s->ecu->routines[i];
    return NULL;
}

static const struct uds_routine_form *form_of(const struct uds_routine *r, uint8_t subfunction)
{
    if (subfunction < UDS_ROUTINE_START || subfunction > UDS_ROUTINE_RESULTS)
        return NULL;
    const struct uds_routine_form *f = &r->forms[subfunction - UDS_ROUTINE_START];
    return f->offered ? f : NULL;
}

enum uds_nrc uds_serve_routine(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us)
{
    (void)now_us;
    /* 13 */
    if (pdu.len < 4)
        return UDS_NRC_LENGTH;
    struct rd r = rd_of(pdu.p + 2, pdu.len - 2);
    const struct uds_routine *routine = routine_of(s, rd_be16(&r));
    if (!routine)
        return UDS_NRC_OUT_OF_RANGE;
    /* 31, 34, 33 */
    enum uds_nrc nrc = uds_access_check(s, routine->access, UDS_ACCESS_MAX, UDS_NRC_OUT_OF_RANGE);
    if (nrc)
        return nrc;
    /* 12 */
    const struct uds_routine_form *form = form_of(routine, s->request.subfunction);
    if (!form)
        return UDS_NRC_NO_SUBFUNCTION;
    /* 13 */
    if (r.left < form->options_min || r.left > form->options_max)
        return UDS_NRC_LENGTH;
    wr_be16(out, routine->id);
    enum uds_routine_part part = (enum uds_routine_part)s->request.subfunction;
    s->request.durable = routine->durable && part != UDS_ROUTINE_RESULTS;
    struct uds_routine_call call = {routine, part, rd_span(&r, r.left), s->request.ticket};
    /* 31, 24, 22, 72 */
    return routine->run(s->ctx, &call, out);
}
