/* The VOS alone: requests served and made durable. Placement: pinned to one core by scripts/bench.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "lib/host/sqlite_store.h"
#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "tests/figures.h"
#include "tests/support.h"

/* ---- the VOS, SQLite on disk, group commit ---- */

enum { VOS_VEHICLES = 400, BATCH = 50 };

struct vos_bench {
    struct bench b, pki;
    struct oem_identity *ecus;
    struct p256_key **keys;
    uint8_t (*message)[MSG_MAX];
    size_t *len;
    char (*serials)[16];
};

static void open_on_disk(struct bench *b, const struct component_class *class, const char *name)
{
    char path[200], side[220];
    const char *reason = "";
    bench_prepare(b, class, test_crypto());
    store_close(b->node.store);
    test_path(path, sizeof path, name);
    b->node.store = sqlite_store_open(path, SQLITE_STORE_DURABLE, &reason);
    if (!b->node.store) {
        fprintf(stderr, "%s\n", reason);
        exit(1);
    }
    store_set(b->node.store, "warm", span_of("", 0)); /* makes the log file */
    store_sync(b->node.store);
    unlink(path); /* the open files live on */
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
}

/* Serves one request; the PKI's part is counted too, as it is in the floor. */
static const struct bench_sent *serve(struct vos_bench *v, size_t i)
{
    char topic[64];
    snprintf(topic, sizeof topic, "spaak/%s/up/vos", v->serials[i]);
    v->b.sent_count = v->b.trace_count = v->pki.sent_count = v->pki.trace_count = 0;
    node_on_bytes(&v->b.node, 0, topic, span_of(v->message[i], v->len[i]));
    if (v->b.sent_count == 1 && v->b.sent[0].port == 1) {
        node_on_bytes(&v->pki.node, 0, "vos", span_of(v->b.sent[0].bytes, v->b.sent[0].len));
        v->b.sent_count = 0;
        node_on_bytes(&v->b.node, 1, "", span_of(v->pki.sent[0].bytes, v->pki.sent[0].len));
    }
    if (v->b.sent_count != 1) {
        fprintf(stderr, "the VOS did not answer\n");
        exit(1);
    }
    return &v->b.sent[0];
}

static void seal(struct vos_bench *v, size_t i, int type, uint32_t sequence, struct span body)
{
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_01,
                           .type = (Spaak__V1__MessageType)type};
    text_copy(h.ecu_serial, sizeof h.ecu_serial, v->serials[i]);
    h.sequence = sequence;
    h.has_drm_uuid = true;
    h.issued_at_ms = TEST_NOW_S * 1000;
    msg_seal(test_crypto(), MSG_REQUEST, &h, body, v->ecus[i].key, span_of(v->ecus[i].der, v->ecus[i].len),
             v->message[i], &v->len[i]);
}

/* All vehicles' requests of one kind, one commit to disk per BATCH, answers counted only after it. Wall time.
 */
static double round_s(struct vos_bench *v, uint8_t (*answers)[MSG_MAX], size_t *answer_len)
{
    double t = wall_s();
    for (size_t i = 0; i < VOS_VEHICLES; i++) {
        const struct bench_sent *s = serve(v, i);
        memcpy(answers[i], s->bytes, s->len);
        answer_len[i] = s->len;
        if ((i + 1) % BATCH == 0 && (store_sync(v->b.node.store) || store_sync(v->pki.node.store)))
            exit(1);
    }
    return wall_s() - t;
}

static struct span body_of(const uint8_t *answer, size_t len, struct msg_opened *m)
{
    struct x509 z1;
    const struct oem *o = test_oem(TEST_NOW_S);
    x509_parse(span_of(o->roles[OEM_Z1].der, o->roles[OEM_Z1].len), &z1);
    struct msg_policy p = {.crypto = test_crypto(),
                           .direction = MSG_RESPONSE,
                           .issuer = &z1,
                           .signer = X509_VOS_SIGNER,
                           .now_ms = TEST_NOW_S * 1000};
    if (msg_open(&p, span_of(answer, len), m) || m->header.error)
        exit(1);
    return m->body;
}

/* VOS_VEHICLES ECUs that the VOS knows, each with a certificate and the key of its new identity. */
static void make_vehicles(struct vos_bench *v, const struct oem *o)
{
    v->ecus = calloc(VOS_VEHICLES, sizeof *v->ecus);
    v->keys = calloc(VOS_VEHICLES, sizeof(struct p256_key *));
    v->message = calloc(VOS_VEHICLES, sizeof *v->message);
    v->len = calloc(VOS_VEHICLES, sizeof *v->len);
    v->serials = calloc(VOS_VEHICLES, sizeof *v->serials);
    for (size_t i = 0; i < VOS_VEHICLES; i++) {
        char key[64];
        snprintf(v->serials[i], 16, "SPAAK%08zu", i);
        snprintf(key, sizeof key, VOS_ECU_PREFIX "%s", v->serials[i]);
        store_set(v->b.node.store, key, span_of("\1", 1));
        oem_make_ecu(test_crypto(), o, v->serials[i], TEST_NOW_S, &v->ecus[i]);
        p256_generate(test_crypto(), &v->keys[i]);
    }
    store_sync(v->b.node.store);
}

/* PP-01/10: the CSR for the subject that the VOS's answer `b` names. */
static void seal_csr(struct vos_bench *v, size_t i, struct span b)
{
    uint8_t csr[CSR_MAX], body[512];
    size_t len;
    Spaak__V1__VehicleSubjectIdResponse *s = spaak__v1__vehicle_subject_id_response__unpack(NULL, b.len, b.p);
    csr_create(test_crypto(), s->subject_id, v->keys[i], csr, &len);
    spaak__v1__vehicle_subject_id_response__free_unpacked(s, NULL);
    Spaak__V1__VehicleIdentityCsrRequest r = SPAAK__V1__VEHICLE_IDENTITY_CSR_REQUEST__INIT;
    r.csr = (ProtobufCBinaryData){len, csr};
    seal(v, i, 202, 2, span_of(body, spaak__v1__vehicle_identity_csr_request__pack(&r, body)));
}

/* PP-01/16: the status of the certificate in the VOS's answer `b`: installed. */
static void seal_status(struct vos_bench *v, size_t i, struct span b)
{
    uint8_t digest[SHA256_SIZE], body[64];
    Spaak__V1__VehicleIdentityCsrResponse *s =
        spaak__v1__vehicle_identity_csr_response__unpack(NULL, b.len, b.p);
    struct span cert = {s->certificate.data, s->certificate.len};
    crypto_sha256(test_crypto(), &cert, 1, digest);
    spaak__v1__vehicle_identity_csr_response__free_unpacked(s, NULL);
    Spaak__V1__VehicleIdentityCertStatus r = SPAAK__V1__VEHICLE_IDENTITY_CERT_STATUS__INIT;
    r.status = SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED;
    r.certificate_sha256 = (ProtobufCBinaryData){SHA256_SIZE, digest};
    seal(v, i, 204, 3, span_of(body, spaak__v1__vehicle_identity_cert_status__pack(&r, body)));
}

static void bench_vos(const struct p256_costs *c)
{
    static struct vos_bench v;
    static struct msg_opened m;
    static uint8_t answers[VOS_VEHICLES][MSG_MAX];
    static size_t answer_len[VOS_VEHICLES];
    const struct oem *o = test_oem(TEST_NOW_S);
    struct component_args none = {.serial = ""};
    double total = 0;
    open_on_disk(&v.b, &vos_class, "bench-vos.db");
    open_on_disk(&v.pki, &pki_class, "bench-pki.db");
    test_equip(&vos_class, "", v.b.node.store);
    test_equip(&pki_class, "", v.pki.node.store);
    make_vehicles(&v, o);
    if (bench_start(&v.b, &none) || bench_start(&v.pki, &none))
        exit(1);
    for (size_t i = 0; i < VOS_VEHICLES; i++)
        seal(&v, i, 200, 1, (struct span){NULL, 0});
    total += round_s(&v, answers, answer_len);
    for (size_t i = 0; i < VOS_VEHICLES; i++)
        seal_csr(&v, i, body_of(answers[i], answer_len[i], &m));
    total += round_s(&v, answers, answer_len);
    for (size_t i = 0; i < VOS_VEHICLES; i++)
        seal_status(&v, i, body_of(answers[i], answer_len[i], &m));
    total += round_s(&v, answers, answer_len);
    /* per vehicle: three requests verified and three answers signed, the ECU's certificate verified once, the
     * CSR verified, [K] signed */
    double floor_s = 5 * c->verify + 4 * c->sign;
    figure_report("vos_pp01_requests", 3 * VOS_VEHICLES / total,
                  "requests/s per core, durable, commit per 50", 3 / floor_s,
                  "verify and issue alone: 5 verify, 4 sign for 3 requests", 0.5);
}

int main(void)
{
    struct p256_costs c = measure_p256();
    bench_vos(&c);
    return 0;
}
