/* The server's way with a request: the checks that all services share, in their order, and time. */
#include "lib/uds/uds_server.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/uds/uds_server_internal.h"

/* A 78 leaves this long before P2 and P2* end. */
#define PENDING_FIRST_MARGIN_MS 10
#define PENDING_NEXT_MARGIN_MS  500

static uds_serve *const serve[] = {
    [UDS_SID_SESSION_CONTROL] = uds_serve_session,
    [UDS_SID_ECU_RESET] = uds_serve_reset,
    [UDS_SID_CLEAR_DTCS] = uds_serve_clear,
    [UDS_SID_READ_DTCS] = uds_serve_dtcs,
    [UDS_SID_READ_DATA] = uds_serve_read,
    [UDS_SID_SECURITY_ACCESS] = uds_serve_security,
    [UDS_SID_COMMUNICATION_CONTROL] = uds_serve_communication,
    [UDS_SID_AUTHENTICATION] = uds_serve_authentication,
    [UDS_SID_WRITE_DATA] = uds_serve_write,
    [UDS_SID_ROUTINE_CONTROL] = uds_serve_routine,
    [UDS_SID_TESTER_PRESENT] = uds_serve_tester_present,
    [UDS_SID_DTC_SETTING] = uds_serve_dtc_setting,
};

/* ---- the table ---- */

static void check_services(const struct uds_ecu *e)
{
    for (size_t i = 0; i < e->service_count; i++) {
        const struct uds_service *v = &e->services[i];
        assert(v->sid < sizeof serve / sizeof serve[0] && serve[v->sid]);
        bool has = uds_sid_has_subfunction(v->sid) && v->sid != UDS_SID_ROUTINE_CONTROL;
        assert(has == (v->subfunction_count > 0));
        assert(v->sid != UDS_SID_AUTHENTICATION ||
               (e->authenticator.verify_certificate && e->authenticator.verify_proof));
    }
}

static void check_table(const struct uds_ecu *e)
{
    assert(e->session_count >= 1 && e->session_count <= UDS_SESSIONS_MAX);
    assert(e->sessions[0].id == UDS_SESSION_DEFAULT);
    for (size_t i = 0; i < e->session_count; i++)
        assert(e->sessions[i].p2_ms > PENDING_FIRST_MARGIN_MS &&
               e->sessions[i].p2_star_ms > 2 * PENDING_NEXT_MARGIN_MS);
    check_services(e);
    for (size_t i = 0; i < e->did_count; i++)
        assert(e->dids[i].len_min <= e->dids[i].len_max &&
               (e->dids[i].read_value || !e->dids[i].read[0].sessions) &&
               (e->dids[i].write_value || !e->dids[i].write[0].sessions));
    for (size_t i = 0; i < e->routine_count; i++)
        assert(e->routines[i].run);
    assert(e->level_count <= UDS_LEVELS_MAX && e->dtc_count <= UDS_DTCS_MAX);
    for (size_t i = 0; i < e->level_count; i++)
        assert((e->levels[i].level & 1) && e->levels[i].attempts && e->levels[i].key);
    assert(e->store && e->s3_ms && e->dids_at_once);
}

void uds_server_init(struct uds_server *s, const struct uds_ecu *ecu, void *ctx, struct crypto *c,
                     const struct uds_stored *stored, uint64_t now_us)
{
    check_table(ecu);
    memset(s, 0, sizeof *s);
    s->ecu = ecu;
    s->ctx = ctx;
    s->crypto = c;
    s->s3_due_us = s->reset_due_us = UDS_NEVER;
    if (stored)
        s->stored = *stored;
    for (size_t i = 0; i < ecu->dtc_count; i++) {
        uint8_t status = stored ? uds_dtc_new_cycle(stored->status[i]) : uds_dtc_cleared();
        s->stored.status[i] = status & ecu->dtc_available;
    }
    for (size_t i = 0; i < ecu->level_count; i++)
        if (s->stored.failed[i])
            s->delay_end_us[i] = now_us + ecu->levels[i].delay_ms * 1000ull;
}

void uds_server_wipe(struct uds_server *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

/* ---- what several services need ---- */

enum uds_nrc uds_access_check(const struct uds_server *s, const struct uds_access *rows, size_t n,
                              enum uds_nrc elsewhere)
{
    enum uds_nrc best = elsewhere;
    for (size_t i = 0; i < n; i++) {
        if (!(rows[i].sessions & UDS_IN(s->session)))
            continue;
        if (rows[i].authenticated && !s->authenticated)
            best = UDS_NRC_AUTHENTICATION;
        else if (rows[i].level && rows[i].level != s->level)
            best = UDS_NRC_SECURITY;
        else
            return UDS_OK;
    }
    return best;
}

enum uds_nrc uds_commit(struct uds_server *s)
{
    return s->ecu->store(s->ctx, &s->stored) ? UDS_OK : UDS_NRC_PROGRAMMING;
}

void uds_changed(struct uds_server *s)
{
    if (s->ecu->changed)
        s->ecu->changed(s->ctx, s);
}

uint8_t uds_server_session_id(const struct uds_server *s)
{
    return s->ecu->sessions[s->session].id;
}

/* ---- one request ---- */

static const struct uds_service *service_of(const struct uds_server *s, const struct uds_request *r)
{
    for (size_t i = 0; i < s->ecu->service_count; i++) {
        const struct uds_service *v = &s->ecu->services[i];
        if (v->sid == r->sid && !(v->physical_only && r->functional))
            return v;
    }
    return NULL;
}

static enum uds_nrc check_subfunction(const struct uds_server *s, const struct uds_service *v, uint8_t id)
{
    for (size_t i = 0; i < v->subfunction_count; i++)
        if (v->subfunctions[i].id == id)
            return uds_access_check(s, &v->subfunctions[i].access, 1, UDS_NRC_NO_SUBFUNCTION_IN_SESSION);
    return UDS_NRC_NO_SUBFUNCTION;
}

/* The checks that are the same for all services, in the order of ISO 14229-1. */
static enum uds_nrc check_service(const struct uds_server *s, struct span pdu)
{
    const struct uds_service *v = service_of(s, &s->request);
    /* 11 */
    if (!v)
        return UDS_NRC_NO_SERVICE;
    /* 7F, 34, 33 */
    enum uds_nrc nrc = uds_access_check(s, &v->access, 1, UDS_NRC_NO_SERVICE_IN_SESSION);
    if (nrc || !v->subfunction_count)
        return nrc;
    /* 13: a subfunction is there */
    if (pdu.len < 2)
        return UDS_NRC_LENGTH;
    /* 12, 7E, 34, 33 */
    return check_subfunction(s, v, s->request.subfunction);
}

static struct uds_request request_of(const struct uds_server *s, enum uds_addressing a, struct span pdu)
{
    struct uds_request r = {
        .sid = pdu.p[0],
        .functional = a == UDS_FUNCTIONAL,
        .ticket = s->request.ticket + 1,
        .pending_due_us = UDS_NEVER,
        .pending_end_us = UDS_NEVER,
    };
    if (uds_sid_has_subfunction(r.sid) && pdu.len >= 2) {
        r.subfunction = pdu.p[1] & UDS_SUBFUNCTION_MASK;
        r.suppressed = pdu.p[1] & UDS_SUPPRESS;
    }
    return r;
}

static void pend(struct uds_server *s, size_t answer_len, uint64_t now_us)
{
    const struct uds_session *row = &s->ecu->sessions[s->session];
    s->state = UDS_SERVER_PENDING;
    s->answer_len = answer_len;
    s->request.pending_due_us = now_us + (row->p2_ms - PENDING_FIRST_MARGIN_MS) * 1000ull;
    s->request.pending_end_us = now_us + s->ecu->pending_max_ms * 1000ull;
}

/* The verdict of a handler is there, at once or later: what is to be kept is kept, and the answer goes. */
static void complete(struct uds_server *s, enum uds_nrc nrc, struct wr *out, uint64_t now_us)
{
    if (s->request.sid == UDS_SID_AUTHENTICATION)
        nrc = uds_authentication_end(s, nrc, out);
    if (!nrc && out->failed)
        nrc = UDS_NRC_TOO_LONG;
    if (!nrc && s->request.durable)
        nrc = uds_commit(s);
    s->answer_len = out->len;
    uds_conclude(s, nrc, now_us);
}

static void serve_request(struct uds_server *s, struct span pdu, uint64_t now_us)
{
    struct wr out = wr_of(s->answer, sizeof s->answer);
    enum uds_nrc nrc = check_service(s, pdu);
    wr_u8(&out, s->request.sid | UDS_POSITIVE);
    if (uds_sid_has_subfunction(s->request.sid))
        wr_u8(&out, s->request.subfunction);
    if (nrc) {
        uds_conclude(s, nrc, now_us);
        return;
    }
    nrc = serve[s->request.sid](s, pdu, &out, now_us);
    if (nrc == UDS_NRC_PENDING)
        pend(s, out.len, now_us);
    else
        complete(s, nrc, &out, now_us);
}

/* Another request is being served: 3E 80 is taken in silence, others are asked to come again. */
static void receive_busy(struct uds_server *s, enum uds_addressing a, struct span pdu)
{
    static const uint8_t keep_alive[] = {UDS_SID_TESTER_PRESENT, UDS_SUPPRESS};
    if (a == UDS_PHYSICAL && !span_equal(pdu, span_of(keep_alive, sizeof keep_alive)))
        uds_say_busy(s, pdu.p[0]);
}

void uds_server_receive(struct uds_server *s, enum uds_addressing a, struct span pdu, uint64_t now_us)
{
    uds_server_tick(s, now_us);
    s->arriving[a] = false;
    if (pdu.len == 0 || (pdu.p[0] & UDS_POSITIVE))
        return;
    switch (s->state) {
    case UDS_SERVER_READY:
        s->s3_due_us = UDS_NEVER;
        s->request = request_of(s, a, pdu);
        serve_request(s, pdu, now_us);
        return;
    case UDS_SERVER_PENDING:
    case UDS_SERVER_ANSWERING:
        receive_busy(s, a, pdu);
        return;
    case UDS_SERVER_RESETTING:
    case UDS_SERVER_DOWN:
        return;
    }
}

enum err uds_server_done(struct uds_server *s, uint32_t ticket, enum uds_nrc nrc, struct span info,
                         uint64_t now_us)
{
    assert(nrc != UDS_NRC_PENDING);
    uds_server_tick(s, now_us);
    if (s->state != UDS_SERVER_PENDING || s->request.ticket != ticket)
        return ERR_NOT_FOUND;
    struct wr out = wr_of(s->answer, sizeof s->answer);
    out.len = s->answer_len;
    wr_copy(&out, info.p, info.len);
    complete(s, nrc, &out, now_us);
    return ERR_OK;
}

/* ---- time ---- */

void uds_server_arrival_begins(struct uds_server *s, enum uds_addressing a, uint64_t now_us)
{
    uds_server_tick(s, now_us);
    s->arriving[a] = true;
}

void uds_server_arrival_failed(struct uds_server *s, enum uds_addressing a, uint64_t now_us)
{
    s->arriving[a] = false;
    uds_server_tick(s, now_us);
}

/* S3 stands still while a request arrives. */
static bool s3_runs(const struct uds_server *s)
{
    return s->state == UDS_SERVER_READY && !s->arriving[UDS_PHYSICAL] && !s->arriving[UDS_FUNCTIONAL];
}

static void tick_pending(struct uds_server *s, uint64_t now_us)
{
    const struct uds_session *row = &s->ecu->sessions[s->session];
    if (now_us >= s->request.pending_end_us) {
        uds_conclude(s, UDS_NRC_GENERAL_REJECT, now_us);
    } else if (now_us >= s->request.pending_due_us) {
        uds_say_pending(s);
        s->request.pending_due_us = now_us + (row->p2_star_ms - PENDING_NEXT_MARGIN_MS) * 1000ull;
    }
}

void uds_server_tick(struct uds_server *s, uint64_t now_us)
{
    if (s->state == UDS_SERVER_PENDING)
        tick_pending(s, now_us);
    if (s->state == UDS_SERVER_RESETTING && now_us >= s->reset_due_us)
        s->state = UDS_SERVER_DOWN;
    if (s3_runs(s) && now_us >= s->s3_due_us)
        uds_server_default_session(s);
}

uint64_t uds_server_due_us(const struct uds_server *s)
{
    const struct uds_request *r = &s->request;
    if (s->state == UDS_SERVER_PENDING)
        return r->pending_due_us < r->pending_end_us ? r->pending_due_us : r->pending_end_us;
    if (s->state == UDS_SERVER_RESETTING)
        return s->reset_due_us;
    return s3_runs(s) ? s->s3_due_us : UDS_NEVER;
}
