/* The SpaaK Module alone: what it asks, in which order, and what it refuses. The servers' answers are sealed
 * here. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "backend/pki/pki.h"
#include "ecu/spaak/spaak.h"
#include "lib/pki/csr.h"
#include "tests/check.h"
#include "tests/vehicle_bench.h"

static const struct component_args args = {.serial = SERIAL};

static struct span subject_body(const char *subject, uint8_t buf[128])
{
    Spaak__V1__VehicleSubjectIdResponse m = SPAAK__V1__VEHICLE_SUBJECT_ID_RESPONSE__INIT;
    m.subject_id = (char *)subject;
    return span_of(buf, spaak__v1__vehicle_subject_id_response__pack(&m, buf));
}

#define SUBJECT "V.SPAAKSIM.EU.01.0001AABBCCDDEEFF"

enum { SUBJECT_REQUEST = 200, SUBJECT_RESPONSE, CSR_REQUEST, CSR_RESPONSE, CERT_STATUS, ACK, RENEW = 207 };

Test(spaak, says_nothing_until_the_tbm_is_connected_and_subscribed)
{
    struct vehicle_bench v;
    vehicle_start(&v, &(struct history){.drm_uuid = true});
    bench_run_ms(&v.b, 5000);
    vehicle_tbm_says(&v, 0);
    vehicle_tbm_says(&v, TBM_STATUS_CONNECTED);
    cr_expect(eq(sz, v.heard, 0));
    vehicle_tbm_says(&v, READY);
    cr_expect(eq(sz, v.heard, 1));
    cr_expect(eq(int, (int)v.last.type, SUBJECT_REQUEST));
    vehicle_stop(&v);
}

Test(spaak, cyclic_status_is_checked)
{
    struct vehicle_bench v;
    struct bus_frame f;
    vehicle_start(&v, &(struct history){.drm_uuid = true});
    bus_frame_parse("3A0#0301000000000000", &f);
    bench_frame(&v.b.node, 0, &f);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_BUS_CHECKSUM), 1));
    vehicle_tbm_says(&v, 0);
    v.alive = (v.alive - 1) & 15;
    vehicle_tbm_says(&v, READY);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_BUS_STALE_COUNTER), 1));
    cr_expect(eq(sz, v.heard, 0));
    bus_frame_parse("3A0#03", &f);
    bench_frame(&v.b.node, 0, &f);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_BUS_LENGTH), 1));
    vehicle_stop(&v);
}

Test(spaak, whole_exchange_stores_only_what_was_verified)
{
    struct vehicle_bench v;
    uint8_t body[1024], point[P256_POINT];
    struct csr csr;
    vehicle_start(&v, &(struct history){.drm_uuid = true});
    vehicle_tbm_says(&v, READY);
    vehicle_answer_as(&v, OEM_VOS, v.last, SUBJECT_RESPONSE, subject_body(SUBJECT, body));
    cr_assert(eq(int, (int)v.last.type, CSR_REQUEST));
    cr_expect(vehicle_stored(&v, SPAAK_PENDING_CSR) && vehicle_stored(&v, SPAAK_PENDING_KEY));
    Spaak__V1__VehicleIdentityCsrRequest *r =
        spaak__v1__vehicle_identity_csr_request__unpack(NULL, v.body_len, v.body);
    cr_assert(eq(int, csr_check(test_crypto(), span_of(r->csr.data, r->csr.len), &csr), ERR_OK));
    spaak__v1__vehicle_identity_csr_request__free_unpacked(r, NULL);
    cr_expect(eq(str, csr.subject, SUBJECT));
    uint8_t cert[X509_MAX];
    size_t len;
    const struct oem *o = test_oem(TEST_NOW_S);
    p256_public(o->roles[OEM_J1].key, point);
    struct x509_template t = {.profile = X509_VEHICLE,
                              .subject = SUBJECT,
                              .issuer = "spaaksim OEM Sub-CA J1",
                              .not_before_s = TEST_NOW_S,
                              .not_after_s = TEST_NOW_S + 100,
                              .public_key = csr.public_key,
                              .issuer_public_key = point};
    x509_issue(test_crypto(), &t, o->roles[OEM_J1].key, cert, &len);
    Spaak__V1__VehicleIdentityCsrResponse m = SPAAK__V1__VEHICLE_IDENTITY_CSR_RESPONSE__INIT;
    m.certificate = (ProtobufCBinaryData){len, cert};
    vehicle_answer_as(&v, OEM_VOS, v.last, CSR_RESPONSE,
                      span_of(body, spaak__v1__vehicle_identity_csr_response__pack(&m, body)));
    cr_assert(eq(int, (int)v.last.type, CERT_STATUS));
    cr_expect(vehicle_stored(&v, SPAAK_VEHICLE_CERTIFICATE) && !vehicle_stored(&v, SPAAK_PENDING_KEY));
    vehicle_answer_as(&v, OEM_VOS, v.last, ACK, (struct span){NULL, 0});
    cr_expect(vehicle_stored(&v, SPAAK_VEHICLE_ACKED));
    cr_expect(eq(str, (char *)bench_last(&v.b, TRACE_STATE)->detail, "done"));
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_OK), 0));
    vehicle_stop(&v);
}

/* Answers to the subject id request that must be refused, each for its own reason. */
#define RIGHT_ANSWER .signer = OEM_VOS, .type = SUBJECT_RESPONSE

static const struct refusal {
    const char *name;
    enum oem_role signer;
    int type;
    int sequence_off;
    bool other_correlation, other_ecu;
    int64_t age_ms;
    const char *subject; /* NULL: the right one */
    enum err reason;
} refusals[] = {
    {.name = "signed by the KTS", .signer = OEM_ZZ2, .type = SUBJECT_RESPONSE, .reason = ERR_CERT_PURPOSE},
    {.name = "wrong type", .signer = OEM_VOS, .type = ACK, .reason = ERR_MSG_UNEXPECTED},
    {.name = "another family", .signer = OEM_VOS, .type = 301, .reason = ERR_MSG_UNEXPECTED},
    {.name = "replay of an earlier exchange",
     RIGHT_ANSWER,
     .other_correlation = true,
     .reason = ERR_MSG_REPLAYED},
    {.name = "earlier sequence", RIGHT_ANSWER, .sequence_off = -1, .reason = ERR_MSG_REPLAYED},
    {.name = "later sequence", RIGHT_ANSWER, .sequence_off = 1, .reason = ERR_MSG_OUT_OF_ORDER},
    {.name = "another vehicle's", RIGHT_ANSWER, .other_ecu = true, .reason = ERR_MSG_WRONG_ECU},
    {.name = "stale", RIGHT_ANSWER, .age_ms = MSG_FRESHNESS_MS + 1, .reason = ERR_MSG_STALE},
    {.name = "from the future", RIGHT_ANSWER, .age_ms = -MSG_FRESHNESS_MS - 1, .reason = ERR_MSG_STALE},
    {.name = "malformed subject", RIGHT_ANSWER, .subject = "V.X", .reason = ERR_SUBJECT_ID_FORM},
};

Test(spaak, every_wrong_answer_is_refused_with_its_reason_and_stores_nothing)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct vehicle_bench v;
        uint8_t body[128];
        vehicle_start(&v, &(struct history){.drm_uuid = true});
        vehicle_tbm_says(&v, READY);
        size_t stores = bench_count(&v.b, TRACE_STORE, ERR_OK);
        struct msg_header h = v.last;
        h.sequence = (uint32_t)((int)h.sequence + r->sequence_off);
        h.correlation[0] ^= r->other_correlation;
        h.issued_at_ms -= r->age_ms;
        if (r->other_ecu)
            strcpy(h.ecu_serial, "SPAAK00000002");
        vehicle_answer_as(&v, r->signer, h, r->type, subject_body(r->subject ? r->subject : SUBJECT, body));
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, r->reason), 1), "%s", r->name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_OK), 1), "%s", r->name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_STORE, ERR_OK), stores), "%s", r->name);
        cr_expect(not(vehicle_stored(&v, SPAAK_PENDING_CSR)), "%s", r->name);
        vehicle_stop(&v);
    }
}

/* 0.5 s, and twice as long each time; up to a tenth longer, so that a fleet does not speak in chorus. */
static void expect_growing_pauses(const struct bench *b)
{
    uint64_t before_us = 0;
    double pause_ms = 500;
    for (size_t i = 0; i < b->trace_count; i++) {
        const struct trace_event *e = &b->trace[i];
        if (e->kind != TRACE_RETRY && e->kind != TRACE_FAIL)
            continue;
        EXPECT_WITHIN_MS(e->time_us - before_us, 1.05 * pause_ms, 0.06 * pause_ms, "pause");
        before_us = e->time_us;
        pause_ms *= 2;
    }
}

Test(spaak, repeats_the_same_bytes_with_growing_pauses_then_backs_off)
{
    struct vehicle_bench v;
    vehicle_start(&v, &(struct history){.drm_uuid = true});
    vehicle_tbm_says(&v, READY);
    struct msg_header first = v.last;
    for (int i = 0; i < 700; i++) { /* 35 s; the TBM goes on saying that all is well */
        bench_run_ms(&v.b, 50);
        if (i % 2)
            vehicle_tbm_says(&v, READY);
        else
            vehicle_listen(&v);
    }
    cr_expect(eq(sz, v.heard, 6), "six transmissions");
    cr_expect(memcmp(first.correlation, v.last.correlation, MSG_UUID) == 0);
    cr_expect(eq(u32, v.last.sequence, first.sequence));
    cr_expect(eq(sz, bench_count(&v.b, TRACE_FAIL, ERR_MSG_NO_ANSWER), 1));
    double gave_up_ms = (double)bench_last(&v.b, TRACE_FAIL)->time_us / 1e3;
    expect_growing_pauses(&v.b);
    for (int i = 0; i < 800; i++) {
        bench_run_ms(&v.b, 100);
        vehicle_tbm_says(&v, READY);
    }
    cr_expect(lt(sz, 6, v.heard), "tries again after a minute");
    EXPECT_WITHIN_MS(bench_last(&v.b, TRACE_SEND)->time_us, gave_up_ms + 63000, 3100, "after the back-off");
    cr_expect(memcmp(first.correlation, v.last.correlation, MSG_UUID) != 0, "as a new exchange");
    vehicle_stop(&v);
}

Test(spaak, keeps_quiet_while_the_tbm_is_away)
{
    struct vehicle_bench v;
    vehicle_start(&v, &(struct history){.drm_uuid = true});
    vehicle_tbm_says(&v, READY);
    cr_expect(eq(sz, v.heard, 1));
    for (int i = 0; i < 200; i++) {
        bench_run_ms(&v.b, 100);
        vehicle_listen(&v);
    }
    cr_expect(le(sz, v.heard, 2), "after five missing cycles nothing more is sent");
    vehicle_tbm_says(&v, READY);
    bench_run_ms(&v.b, 1000);
    vehicle_listen(&v);
    cr_expect(ge(sz, v.heard, 2), "and it goes on when the TBM is back");
    vehicle_stop(&v);
}

static const struct {
    struct history history;
    int first; /* request after the start */
} resumes[] = {
    {{.drm_uuid = false}, 100},
    {{.drm_uuid = true}, SUBJECT_REQUEST},
    {{.drm_uuid = true, .pending_csr = true}, CSR_REQUEST},
    {{.drm_uuid = true, .certificate = HISTORY_UNREPORTED}, CERT_STATUS},
    {{.drm_uuid = true, .certificate = HISTORY_INSTALLED}, 0},
};

Test(spaak, goes_on_from_what_is_in_its_store)
{
    for (size_t i = 0; i < sizeof resumes / sizeof resumes[0]; i++) {
        struct vehicle_bench v;
        vehicle_start(&v, &resumes[i].history);
        vehicle_tbm_says(&v, READY);
        cr_expect(eq(int, v.heard ? (int)v.last.type : 0, resumes[i].first), "row %zu", i);
        vehicle_stop(&v);
    }
}

Test(spaak, renewal_is_obeyed_once)
{
    struct vehicle_bench v;
    vehicle_start(&v, &(struct history){.drm_uuid = true, .certificate = HISTORY_INSTALLED});
    vehicle_tbm_says(&v, READY);
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                           .issued_at_ms = TEST_NOW_S * 1000};
    strcpy(h.ecu_serial, SERIAL);
    vehicle_answer_as(&v, OEM_VOS, h, RENEW, (struct span){NULL, 0});
    cr_expect(not(vehicle_stored(&v, SPAAK_VEHICLE_CERTIFICATE)));
    cr_expect(not(vehicle_stored(&v, SPAAK_VEHICLE_KEY)));
    cr_expect(eq(int, (int)v.last.type, SUBJECT_REQUEST));
    vehicle_answer_as(&v, OEM_VOS, h, RENEW, (struct span){NULL, 0});
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    vehicle_stop(&v);
}

/* The acknowledgement serves several use cases: only that of the use case which asked ends it. */
Test(spaak, an_answer_belongs_to_its_use_case)
{
    struct vehicle_bench v;
    vehicle_start(&v, &(struct history){.drm_uuid = true, .certificate = HISTORY_UNREPORTED});
    vehicle_tbm_says(&v, READY);
    struct msg_header h = v.last;
    h.use_case = SPAAK__V1__USE_CASE__USE_CASE_SP_02;
    vehicle_answer_as(&v, OEM_VOS, h, ACK, (struct span){NULL, 0});
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_MSG_UNEXPECTED), 1));
    cr_expect(not(vehicle_stored(&v, SPAAK_VEHICLE_ACKED)));
    vehicle_answer_as(&v, OEM_VOS, v.last, ACK, (struct span){NULL, 0});
    cr_expect(vehicle_stored(&v, SPAAK_VEHICLE_ACKED));
    vehicle_stop(&v);
}

Test(spaak, does_not_start_without_its_anchors_or_identity)
{
    static const char *const keys[] = {SPAAK_ECU_KEY, SPAAK_ECU_CERTIFICATE, SPAAK_ANCHOR_J, SPAAK_ANCHOR_J1,
                                       SPAAK_ANCHOR_Z1};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct bench b;
        bench_prepare(&b, &spaak_class, test_crypto());
        test_equip(&spaak_class, SERIAL, b.node.store);
        ASSERT_OK(history_finish(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, b.node.store));
        struct store_put gone = {keys[i], {NULL, 0}};
        store_apply(b.node.store, &gone, 1);
        cr_expect(eq(int, bench_start(&b, &args), ERR_NOT_FOUND), "%s", keys[i]);
        bench_free(&b);
    }
}
