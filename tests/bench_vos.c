/* The VOS alone: requests served and made durable, verifier sets derived, and the first while the second goes
 * on. Placement: pinned to one core by scripts/bench.sh, to two with the argument "two". */
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "lib/ccc/spake2p.h"
#include "lib/host/worker.h"
#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"
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
    bench_on_disk(&v.b, &vos_class, "bench-vos.db");
    bench_on_disk(&v.pki, &pki_class, "bench-pki.db");
    test_equip(&vos_class, "", v.b.node.store);
    test_equip(&pki_class, "", v.pki.node.store);
    make_vehicles(&v, o);
    if (bench_start(&v.b, &none) || bench_start(&v.pki, &none))
        exit(1);
    for (size_t i = 0; i < VOS_VEHICLES; i++)
        seal(&v, i, 200, 1, (struct span){NULL, 0});
    memset(answers, 1, sizeof answers); /* ours, not the VOS's */
    const size_t resident = figure_resident_bytes();
    total += round_s(&v, answers, answer_len);
    for (size_t i = 0; i < VOS_VEHICLES; i++)
        seal_csr(&v, i, body_of(answers[i], answer_len[i], &m));
    total += round_s(&v, answers, answer_len);
    for (size_t i = 0; i < VOS_VEHICLES; i++)
        seal_status(&v, i, body_of(answers[i], answer_len[i], &m));
    total += round_s(&v, answers, answer_len);
    figure_report("vos_memory_per_vehicle",
                  ((double)figure_resident_bytes() - (double)resident) / VOS_VEHICLES,
                  "bytes resident for each of 400 vehicles served, VOS and PKI", 8192, "the limit, 8 kB", 1);
    /* per vehicle: three requests verified and three answers signed, the ECU's certificate verified once, the
     * CSR verified, [K] signed */
    double floor_s = 5 * c->verify + 4 * c->sign;
    figure_report("vos_pp01_requests", 3 * VOS_VEHICLES / total,
                  "requests/s per core, durable, commit per 50", 3 / floor_s,
                  "verify and issue alone: 5 verify, 4 sign for 3 requests", 0.5);
}

/* ---- derivations beside the loop, by the worker that a process has ---- */

enum { SETS = 100, ROUND = 1000 };

static struct worker *worker;

static enum err hand_out(struct node *n, unsigned work, struct span in)
{
    if (!worker && !(worker = worker_new(n->class->works)))
        return ERR_WORK_FAILED;
    return worker_put(worker, work, in);
}

static void use_worker(struct bench *b)
{
    static struct node_host with_worker;
    with_worker = *b->node.host;
    with_worker.work = hand_out;
    b->node.host = &with_worker;
}

/* Results that are there; the wire and the trace are emptied. */
static void take_results(struct bench *b)
{
    unsigned work;
    enum err e;
    struct span result;
    while (worker_take(worker, &work, &e, &result)) {
        b->sent_count = b->trace_count = 0;
        node_on_work(&b->node, work, e, result);
        if (b->sent_count != 1)
            exit(1); /* the push */
    }
}

static void wait_for_results(struct bench *b)
{
    struct pollfd p = {.fd = worker_fd(worker), .events = POLLIN};
    uint64_t count;
    if (poll(&p, 1, -1) != 1 || read(p.fd, &count, sizeof count) < 0)
        exit(1);
    take_results(b);
}

/* Vehicles that a set can be sealed to. */
static void give_transport_keys(struct vos_bench *v)
{
    for (size_t i = 0; i < SETS; i++) {
        char key[64], subject[] = "V.SPAAKSIM.EU.01.0001AABBCCDDEEFF";
        uint8_t out[512], point[P256_POINT];
        Backend__V1__VehicleRecord m = BACKEND__V1__VEHICLE_RECORD__INIT;
        p256_public(v->keys[i], point);
        m.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE;
        m.subject_id = subject;
        m.transport_key = (ProtobufCBinaryData){P256_POINT, point};
        snprintf(key, sizeof key, VOS_VEHICLE_PREFIX "%s", v->serials[i]);
        store_set(v->b.node.store, key, span_of(out, backend__v1__vehicle_record__pack(&m, out)));
    }
}

static void begin_sets(struct vos_bench *v)
{
    unsigned call;
    if (!component_call(&vos_class, "replace-verifiers", &call))
        exit(1);
    for (size_t i = 0; i < SETS; i++) {
        struct call_value vehicle = {.number = 0};
        text_copy(vehicle.text, sizeof vehicle.text, v->serials[i]);
        v->b.trace_count = v->b.sent_count = 0;
        node_on_call(&v->b.node, call, &vehicle);
    }
}

/* Requests of the vehicles that want a subject id, over and over. */
static void serve_some(struct vos_bench *v, size_t n)
{
    static size_t next;
    for (size_t i = 0; i < n; i++) {
        serve(v, SETS + next++ % (VOS_VEHICLES - SETS));
        if (next % BATCH == 0 && store_sync(v->b.node.store))
            exit(1);
    }
}

static double pp01_rate(struct vos_bench *v)
{
    double t = wall_s();
    serve_some(v, ROUND);
    return ROUND / (wall_s() - t);
}

static double pp01_rate_while_deriving(struct vos_bench *v)
{
    size_t served = 0;
    begin_sets(v);
    double t = wall_s();
    for (; worker_count(worker); served += 10) {
        serve_some(v, 10);
        take_results(&v->b);
    }
    return (double)served / (wall_s() - t);
}

static double scrypt_rate(void)
{
    uint8_t out[80];
    double t = wall_s();
    for (int i = 0; i < SETS; i++)
        if (EVP_PBE_scrypt("12345678", 8, (const uint8_t *)"sixteen bytes of", 16, SPAKE2P_N_MIN, SPAKE2P_R,
                           SPAKE2P_P, 0, out, sizeof out) != 1)
            exit(1);
    return SETS / (wall_s() - t);
}

static double derivation_rate(struct vos_bench *v)
{
    double t = wall_s();
    begin_sets(v);
    while (worker_count(worker))
        wait_for_results(&v->b);
    if (store_sync(v->b.node.store))
        exit(1);
    return SETS / (wall_s() - t);
}

static double median3(double a, double b, double c)
{
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Each beside its floor, in turn, three times: others may be at work on this machine. */
static void bench_deriving(bool two_cores)
{
    static struct vos_bench v;
    struct component_args none = {.serial = ""};
    double with[3], without[3], sets[3], bare[3];
    bench_on_disk(&v.b, &vos_class, "bench-verifiers.db");
    test_equip(&vos_class, "", v.b.node.store);
    make_vehicles(&v, test_oem(TEST_NOW_S));
    give_transport_keys(&v);
    if (bench_start(&v.b, &none))
        exit(1);
    use_worker(&v.b);
    for (size_t i = SETS; i < VOS_VEHICLES; i++)
        seal(&v, i, 200, 1, (struct span){NULL, 0});
    serve_some(&v, VOS_VEHICLES);
    for (int i = 0; i < 3; i++) {
        bare[i] = scrypt_rate();
        sets[i] = two_cores ? derivation_rate(&v) : 0;
        without[i] = pp01_rate(&v);
        with[i] = pp01_rate_while_deriving(&v);
    }
    if (two_cores)
        figure_report("verifier_sets", median3(sets[0], sets[1], sets[2]),
                      "sets/s drawn, derived, stored sealed and pushed, two cores",
                      median3(bare[0], bare[1], bare[2]), "EVP_PBE_scrypt alone, N 4096, one thread", 0.9);
    figure_report(two_cores ? "vos_pp01_while_deriving_two_cores" : "vos_pp01_while_deriving",
                  median3(with[0], with[1], with[2]), "answers/s while 100 sets are derived",
                  median3(without[0], without[1], without[2]), "the same without derivations",
                  two_cores ? 0.8 : 0.45);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "two") == 0) {
        bench_deriving(true);
        return 0;
    }
    struct p256_costs c = measure_p256();
    bench_vos(&c);
    bench_deriving(false);
    return 0;
}
