/* VOS, PKI and GSDP's provisioning service, each alone. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "backend/gsdp/gsdp.h"
#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"
#include "tests/support.h"

#define SERIAL  "SPAAK00000001"
#define VOS_UP  "spaak/" SERIAL "/up/vos"
#define GSDP_UP "spaak/" SERIAL "/up/gsdp"

enum { GSDP, PKI, ADMIN };
enum { SUBJECT_REQUEST = 200, SUBJECT_RESPONSE, CSR_REQUEST, CSR_RESPONSE, CERT_STATUS, ACK, RENEW = 207 };

struct server {
    struct bench b, pki;
    struct oem_identity ecu;
    struct msg_opened answer;
};

static const struct component_args none = {.serial = ""};

static void start(struct server *s, const struct component_class *class, bool registered)
{
    const struct oem *o = test_oem(TEST_NOW_S);
    bench_prepare(&s->b, class, test_crypto());
    bench_prepare(&s->pki, &pki_class, test_crypto());
    test_equip(class, "", s->b.node.store);
    test_equip(&pki_class, "", s->pki.node.store);
    oem_make_ecu(test_crypto(), o, SERIAL, TEST_NOW_S, &s->ecu);
    if (registered)
        store_set(s->b.node.store, VOS_ECU_PREFIX SERIAL, span_of("\1", 1));
    cr_assert(eq(int, bench_start(&s->b, &none), ERR_OK));
    cr_assert(eq(int, bench_start(&s->pki, &none), ERR_OK));
}

static void stop(struct server *s)
{
    bench_free(&s->b);
    bench_free(&s->pki);
    oem_identity_free(&s->ecu);
}

static struct msg_header header(int type, uint8_t correlation, uint32_t sequence)
{
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                           .type = (Spaak__V1__MessageType)type};
    strcpy(h.ecu_serial, SERIAL);
    memset(h.correlation, correlation, MSG_UUID);
    h.sequence = sequence;
    h.has_drm_uuid = true;
    h.issued_at_ms = TEST_NOW_S * 1000 + correlation;
    return h;
}

/* Gives a request; the PKI answers in between; true when the server answered, then in s->answer. */
static bool ask(struct server *s, const struct msg_header *h, struct span body, const char *topic)
{
    uint8_t out[MSG_MAX];
    size_t len;
    struct x509 z1;
    const struct oem *o = test_oem(TEST_NOW_S);
    cr_assert(eq(
        int,
        msg_seal(test_crypto(), MSG_REQUEST, h, body, s->ecu.key, span_of(s->ecu.der, s->ecu.len), out, &len),
        ERR_OK));
    s->b.sent_count = s->pki.sent_count = 0;
    node_on_bytes(&s->b.node, GSDP, topic, span_of(out, len));
    if (s->b.sent_count && s->b.sent[0].port == PKI) {
        node_on_bytes(&s->pki.node, 0, "vos", span_of(s->b.sent[0].bytes, s->b.sent[0].len));
        cr_assert(eq(sz, s->pki.sent_count, 1));
        s->b.sent_count = 0;
        node_on_bytes(&s->b.node, PKI, "", span_of(s->pki.sent[0].bytes, s->pki.sent[0].len));
    }
    if (s->b.sent_count == 0)
        return false;
    x509_parse(span_of(o->roles[OEM_Z1].der, o->roles[OEM_Z1].len), &z1);
    struct msg_policy p = {.crypto = test_crypto(),
                           .direction = MSG_RESPONSE,
                           .issuer = &z1,
                           .ecu_serial = SERIAL,
                           .signer = strstr(topic, "/gsdp") ? X509_GSDP_SIGNER : X509_VOS_SIGNER,
                           .now_ms = TEST_NOW_S * 1000};
    cr_assert(eq(int, msg_open(&p, span_of(s->b.sent[0].bytes, s->b.sent[0].len), &s->answer), ERR_OK));
    return true;
}

static void subject_of(struct server *s, char out[X509_CN_MAX + 1])
{
    Spaak__V1__VehicleSubjectIdResponse *m =
        spaak__v1__vehicle_subject_id_response__unpack(NULL, s->answer.body.len, s->answer.body.p);
    text_copy(out, X509_CN_MAX + 1, m->subject_id);
    spaak__v1__vehicle_subject_id_response__free_unpacked(m, NULL);
}

static struct span csr_body(const char *subject, struct p256_key *key, uint8_t out[512])
{
    uint8_t csr[CSR_MAX];
    size_t len;
    Spaak__V1__VehicleIdentityCsrRequest m = SPAAK__V1__VEHICLE_IDENTITY_CSR_REQUEST__INIT;
    csr_create(test_crypto(), subject, key, csr, &len);
    m.csr = (ProtobufCBinaryData){len, csr};
    return span_of(out, spaak__v1__vehicle_identity_csr_request__pack(&m, out));
}

static struct span status_body(struct span certificate, uint8_t out[64])
{
    uint8_t digest[SHA256_SIZE];
    Spaak__V1__VehicleIdentityCertStatus m = SPAAK__V1__VEHICLE_IDENTITY_CERT_STATUS__INIT;
    crypto_sha256(test_crypto(), &certificate, 1, digest);
    m.status = SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED;
    m.certificate_sha256 = (ProtobufCBinaryData){SHA256_SIZE, digest};
    return span_of(out, spaak__v1__vehicle_identity_cert_status__pack(&m, out));
}

static const struct span empty = {NULL, 0};

Test(vos, whole_exchange_and_every_repetition_gets_the_same_answer)
{
    struct server s;
    struct p256_key *key;
    char subject[2][X509_CN_MAX + 1];
    uint8_t body[512], cert[2][X509_MAX];
    size_t cert_len[2];
    start(&s, &vos_class, true);
    p256_generate(test_crypto(), &key);
    for (int i = 0; i < 2; i++) {
        struct msg_header h = header(SUBJECT_REQUEST, 1, 1);
        cr_assert(ask(&s, &h, empty, VOS_UP));
        cr_expect(eq(u32, s.answer.header.sequence, 1));
        subject_of(&s, subject[i]);
    }
    cr_expect(eq(str, subject[0], subject[1]));
    cr_expect(x509_vehicle_subject_ok(subject[0]));
    for (int i = 0; i < 2; i++) {
        struct msg_header h = header(CSR_REQUEST, 1, 2);
        /* another CSR for the same key: signatures differ, the certificate must not */
        cr_assert(ask(&s, &h, csr_body(subject[0], key, body), VOS_UP));
        cr_expect(eq(int, (int)s.answer.header.error, ERR_OK));
        Spaak__V1__VehicleIdentityCsrResponse *m =
            spaak__v1__vehicle_identity_csr_response__unpack(NULL, s.answer.body.len, s.answer.body.p);
        cert_len[i] = m->certificate.len;
        memcpy(cert[i], m->certificate.data, m->certificate.len);
        spaak__v1__vehicle_identity_csr_response__free_unpacked(m, NULL);
    }
    cr_expect(span_equal(span_of(cert[0], cert_len[0]), span_of(cert[1], cert_len[1])));
    for (int i = 0; i < 2; i++) {
        struct msg_header h = header(CERT_STATUS, 1, 3);
        cr_assert(ask(&s, &h, status_body(span_of(cert[0], cert_len[0]), body), VOS_UP));
        cr_expect(eq(int, (int)s.answer.header.type, ACK));
    }
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_OK), 0));
    p256_free(key);
    stop(&s);
}

Test(vos, unknown_ecus_and_missing_drm_uuids_get_no_answer)
{
    struct server s;
    start(&s, &vos_class, false);
    struct msg_header h = header(SUBJECT_REQUEST, 1, 1);
    cr_expect(not(ask(&s, &h, empty, VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_ECU_UNKNOWN), 1));
    stop(&s);
    start(&s, &vos_class, true);
    h.has_drm_uuid = false;
    cr_expect(not(ask(&s, &h, empty, VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_NOT_PROVISIONED), 1));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), 0));
    stop(&s);
}

Test(vos, order_over_exchanges)
{
    struct server s;
    start(&s, &vos_class, true);
    struct msg_header newer = header(SUBJECT_REQUEST, 9, 1), older = header(SUBJECT_REQUEST, 1, 1);
    cr_assert(ask(&s, &newer, empty, VOS_UP));
    cr_expect(not(ask(&s, &older, empty, VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    newer.drm_uuid[0] = 7;
    cr_expect(not(ask(&s, &newer, empty, VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_WRONG_DRM_UUID), 1));
    struct msg_header other = header(SUBJECT_REQUEST, 10, 1);
    cr_expect(not(ask(&s, &other, empty, "spaak/SPAAK00000002/up/vos")));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_SIGNER_NOT_BOUND), 1));
    other = header(300, 10, 1); /* OP_INIT belongs to a later use case */
    cr_expect(not(ask(&s, &other, empty, VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_UNEXPECTED), 1));
    stop(&s);
}

Test(vos, csr_refusals_are_answered_with_their_reason)
{
    struct server s;
    struct p256_key *key, *second;
    char subject[X509_CN_MAX + 1];
    uint8_t body[512];
    start(&s, &vos_class, true);
    p256_generate(test_crypto(), &key);
    p256_generate(test_crypto(), &second);
    struct msg_header h = header(CSR_REQUEST, 1, 1);
    cr_assert(ask(&s, &h, csr_body("V.A.B.C.0000000000000000", key, body), VOS_UP));
    cr_expect(eq(int, (int)s.answer.header.error, ERR_SUBJECT_ID_MISSING));
    h = header(SUBJECT_REQUEST, 1, 1);
    ask(&s, &h, empty, VOS_UP);
    subject_of(&s, subject);
    h = header(CSR_REQUEST, 1, 2);
    cr_assert(ask(&s, &h, span_of("\x0a\x01x", 3), VOS_UP));
    cr_expect(eq(int, (int)s.answer.header.error, ERR_CSR_MALFORMED));
    cr_assert(ask(&s, &h, csr_body("V.A.B.C.0000000000000000", key, body), VOS_UP));
    cr_expect(eq(int, (int)s.answer.header.error, ERR_CSR_SUBJECT_MISMATCH));
    cr_expect(eq(sz, s.answer.body.len, 0));
    cr_assert(ask(&s, &h, csr_body(subject, key, body), VOS_UP));
    cr_expect(eq(int, (int)s.answer.header.error, ERR_OK));
    cr_assert(ask(&s, &h, csr_body(subject, second, body), VOS_UP));
    cr_expect(eq(int, (int)s.answer.header.error, ERR_CSR_ALREADY_ISSUED));
    h = header(CERT_STATUS, 1, 3);
    cr_expect(not(ask(&s, &h, status_body(span_of("another", 7), body), VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 1));
    p256_free(key);
    p256_free(second);
    stop(&s);
}

Test(vos, pki_down_means_no_answer_and_no_state)
{
    struct server s;
    struct p256_key *key;
    char subject[X509_CN_MAX + 1];
    uint8_t body[512];
    start(&s, &vos_class, true);
    p256_generate(test_crypto(), &key);
    struct msg_header h = header(SUBJECT_REQUEST, 1, 1);
    ask(&s, &h, empty, VOS_UP);
    subject_of(&s, subject);
    s.b.up[PKI] = false;
    node_on_link(&s.b.node, PKI, LINK_DOWN);
    size_t stores = bench_count(&s.b, TRACE_STORE, ERR_OK);
    h = header(CSR_REQUEST, 1, 2);
    cr_expect(not(ask(&s, &h, csr_body(subject, key, body), VOS_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_PKI_UNREACHABLE), 1));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores));
    p256_free(key);
    stop(&s);
}

static void call_renew(struct server *s, const char *serial)
{
    struct call_value value = {0};
    unsigned call;
    cr_assert(component_call(&vos_class, "renew-vehicle-identity", &call));
    text_copy(value.text, sizeof value.text, serial);
    s->b.sent_count = s->b.trace_count = 0;
    node_on_call(&s->b.node, call, &value);
    cr_expect(eq(str, (char *)bench_last(&s->b, TRACE_CALL)->detail, "renew-vehicle-identity"));
}

/* Why the call was refused; ERR_OK when it was not. */
static enum err call_result(struct server *s)
{
    const struct trace_event *e = bench_last(&s->b, TRACE_REJECT);
    return e ? (enum err)e->reason : ERR_OK;
}

Test(vos, renewal_is_pushed_until_the_vehicle_asks_for_a_new_subject)
{
    struct server s;
    char subject[2][X509_CN_MAX + 1];
    start(&s, &vos_class, true);
    struct msg_header h = header(SUBJECT_REQUEST, 1, 1);
    ask(&s, &h, empty, VOS_UP);
    subject_of(&s, subject[0]);
    call_renew(&s, "NOBODY");
    cr_expect(eq(int, (int)call_result(&s), ERR_ECU_UNKNOWN));
    call_renew(&s, SERIAL);
    cr_expect(eq(int, (int)call_result(&s), ERR_OK));
    cr_expect(eq(str, s.b.sent[0].address, "spaak/" SERIAL "/down/vos"));
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 11000);
    cr_expect(eq(sz, s.b.sent_count, 2), "twice in 11 s");
    h = header(SUBJECT_REQUEST, 2, 1);
    ask(&s, &h, empty, VOS_UP);
    subject_of(&s, subject[1]);
    cr_expect(ne(str, subject[0], subject[1]));
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 60000);
    cr_expect(eq(sz, s.b.sent_count, 0));
    stop(&s);
}

Test(vos, garbage_on_every_port_changes_nothing)
{
    struct server s;
    static const char *const garbage[] = {"", "\xff", "\x0a", "\x0a\x7f", "garbage garbage garbage"};
    start(&s, &vos_class, true);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        for (unsigned port = 0; port < vos_class.port_count; port++)
            node_on_bytes(&s.b.node, port, port == GSDP ? VOS_UP : "x",
                          span_of(garbage[i], strlen(garbage[i])));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_OK), 5 * vos_class.port_count));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), 0));
    stop(&s);
}

Test(gsdp, each_ecu_has_one_drm_uuid)
{
    struct server s;
    uint8_t body[2][32];
    start(&s, &gsdp_class, true);
    for (int i = 0; i < 2; i++) {
        struct msg_header h = header(100, (uint8_t)(i + 1), 1);
        cr_assert(ask(&s, &h, empty, GSDP_UP));
        cr_assert(eq(sz, s.answer.body.len, 18));
        memcpy(body[i], s.answer.body.p, 18);
    }
    cr_expect(memcmp(body[0], body[1], 18) == 0);
    cr_expect(eq(u8, body[0][8] >> 4, 4), "UUID version 4");
    cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), 1));
    struct msg_header h = header(SUBJECT_REQUEST, 3, 1);
    cr_expect(not(ask(&s, &h, empty, GSDP_UP)));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_UNEXPECTED), 1));
    stop(&s);
}

#define SUBJECT_A "V.SPAAKSIM.EU.01.00010123456789AB"
#define SUBJECT_B "V.SPAAKSIM.EU.01.00010123456789AC"

/* What is asked for, and what the CSR says; `flip` is a byte of it, from the end, that is changed: the
 * signature's last for 1. */
static const struct {
    const char *asked, *says, *serial;
    bool other_key;
    size_t flip, cut;
    enum err error;
} issues[] = {
    {.asked = SUBJECT_A, .says = SUBJECT_A, .serial = SERIAL},
    {.asked = SUBJECT_A, .says = SUBJECT_A, .serial = SERIAL}, /* again: the same certificate */
    {.asked = "spaaksim OEM CA Root J",
     .says = "spaaksim OEM CA Root J",
     .serial = SERIAL,
     .error = ERR_SUBJECT_ID_FORM},
    {.asked = SUBJECT_A, .says = SUBJECT_A, .serial = "SPAAK00000002", .error = ERR_SUBJECT_OTHER_ECU},
    {.asked = SUBJECT_A,
     .says = SUBJECT_A,
     .serial = SERIAL,
     .other_key = true,
     .error = ERR_CSR_ALREADY_ISSUED},
    {.asked = SUBJECT_B, .says = SUBJECT_A, .serial = SERIAL, .error = ERR_CSR_SUBJECT_MISMATCH},
    {.asked = SUBJECT_B, .says = SUBJECT_B, .serial = SERIAL, .flip = 1, .error = ERR_CSR_SIGNATURE},
    {.asked = SUBJECT_B, .says = SUBJECT_B, .serial = SERIAL, .cut = 1, .error = ERR_CSR_MALFORMED},
    {.asked = SUBJECT_B, .says = SUBJECT_B, .serial = SERIAL, .cut = CSR_MAX, .error = ERR_CSR_MALFORMED},
    {.asked = SUBJECT_B, .says = SUBJECT_B, .serial = "", .error = ERR_ECU_UNKNOWN},
    {.asked = SUBJECT_B, .says = SUBJECT_B, .serial = "SPAAK00000002", .other_key = true},
};

/* The PKI's answer; to be freed. */
static Backend__V1__IssueResponse *ask_for(struct server *s, size_t row, struct p256_key *key)
{
    uint8_t csr[CSR_MAX], out[1024];
    size_t len;
    Backend__V1__IssueRequest m = BACKEND__V1__ISSUE_REQUEST__INIT;
    csr_create(test_crypto(), issues[row].says, key, csr, &len);
    csr[len - issues[row].flip] ^= issues[row].flip ? 1 : 0;
    m.request_id = row + 1;
    m.subject = (char *)issues[row].asked;
    m.ecu_serial = (char *)issues[row].serial;
    m.csr = (ProtobufCBinaryData){len > issues[row].cut ? len - issues[row].cut : 0, csr};
    s->pki.sent_count = 0;
    node_on_bytes(&s->pki.node, 0, "vos", span_of(out, backend__v1__issue_request__pack(&m, out)));
    return backend__v1__issue_response__unpack(NULL, s->pki.sent[0].len, s->pki.sent[0].bytes);
}

Test(pki, signs_what_the_vehicle_has_signed_and_each_subject_once)
{
    struct server s;
    struct p256_key *keys[2];
    uint8_t first[X509_MAX];
    start(&s, &vos_class, true);
    p256_generate(test_crypto(), &keys[0]);
    p256_generate(test_crypto(), &keys[1]);
    for (size_t i = 0; i < sizeof issues / sizeof issues[0]; i++) {
        Backend__V1__IssueResponse *r = ask_for(&s, i, keys[issues[i].other_key]);
        cr_expect(eq(u64, r->request_id, i + 1));
        cr_expect(eq(str, (char *)err_name(r->error), (char *)err_name(issues[i].error)), "row %zu", i);
        cr_expect(eq(int, r->certificate.len > 0, issues[i].error == ERR_OK), "row %zu", i);
        if (i == 0)
            memcpy(first, r->certificate.data, r->certificate.len);
        if (i == 1)
            cr_expect(memcmp(first, r->certificate.data, r->certificate.len) == 0);
        backend__v1__issue_response__free_unpacked(r, NULL);
    }
    p256_free(keys[0]);
    p256_free(keys[1]);
    stop(&s);
}

/* A public key that was seen somewhere, and no CSR: the request as it was before. */
Test(pki, a_key_without_proof_of_possession_gets_nothing)
{
    struct server s;
    static const uint8_t former[] = {0x08, 0x01, 0x12, 0x01, 'V', 0x1A, 0x02, 0x04, 0x01};
    start(&s, &vos_class, true);
    node_on_bytes(&s.pki.node, 0, "vos", span_of(former, sizeof former));
    cr_assert(eq(sz, s.pki.sent_count, 1));
    Backend__V1__IssueResponse *r =
        backend__v1__issue_response__unpack(NULL, s.pki.sent[0].len, s.pki.sent[0].bytes);
    cr_expect(ne(u32, r->error, 0));
    cr_expect(eq(sz, r->certificate.len, 0));
    backend__v1__issue_response__free_unpacked(r, NULL);
    stop(&s);
}
