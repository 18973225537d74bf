/* Figures of one process: virtual world, ISO-TP engine, VOS, memory. Each line is one JSON object with the
 * floor that was measured in the same run. Placement: pinned to one core by scripts/bench.sh. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/gsdp/gsdp.h"
#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/can/isotp.h"
#include "lib/host/sqlite_store.h"
#include "lib/host/virtual.h"
#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "sgw/sgw.h"
#include "sim/plant/given.h"
#include "tbm/tbm.h"
#include "tests/support.h"

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *name, double value, const char *unit, double floor, const char *floor_is,
                   double goal)
{
    printf(
        "{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"floor\":%.6g,\"floor_is\":\"%s\",\"ratio\":%.3g,"
        "\"goal\":%.3g}\n",
        name, value, unit, floor, floor_is, value / floor, goal);
    fflush(stdout);
}

/* ---- P-256: what the flow cannot avoid ---- */

struct costs {
    double keygen, sign, verify;
};

static struct costs measure_p256(void)
{
    struct crypto *c = test_crypto();
    struct p256_key *k;
    uint8_t digest[SHA256_SIZE] = {1}, sig[P256_SIG_MAX];
    size_t len = 0;
    struct costs out;
    const int n = 3000;
    double t = cpu_s();
    for (int i = 0; i < n; i++) {
        p256_generate(c, &k);
        p256_free(k);
    }
    out.keygen = (cpu_s() - t) / n;
    p256_generate(c, &k);
    t = cpu_s();
    for (int i = 0; i < n; i++)
        p256_sign(k, digest, sig, &len);
    out.sign = (cpu_s() - t) / n;
    t = cpu_s();
    for (int i = 0; i < n; i++)
        p256_verify(k, digest, span_of(sig, len));
    out.verify = (cpu_s() - t) / n;
    p256_free(k);
    return out;
}

/* Operations of one PP-01 flow with SP-02 before it, for a vehicle that the servers have not met:
 *   keygen  1  vehicle identity (PP-01/8)
 *   sign   10  eight messages, the CSR (9), [K] (12)
 *   verify 15  eight messages, the CSR (11), [K] by J1 and J1 by J (14), this ECU's identity certificate at
 * GSDP and at the VOS, the signers' certificates of GSDP and VOS at the vehicle */
enum { FLOW_KEYGEN = 1, FLOW_SIGN = 10, FLOW_VERIFY = 15 };

static double flow_floor_s(const struct costs *c)
{
    return FLOW_KEYGEN * c->keygen + FLOW_SIGN * c->sign + FLOW_VERIFY * c->verify;
}

/* ---- a fleet in the virtual world ---- */

struct fleet {
    struct virtual *v;
    size_t vehicles, done;
    char (*serials)[16];
    char (*names)[3][16];
    struct component_args *args;
    struct component_args server_args;
};

static void on_trace(void *ctx, const struct trace_event *e)
{
    struct fleet *f = ctx;
    f->done += e->kind == TRACE_STATE && strcmp(e->detail, "done") == 0;
}

static void fleet_make(struct fleet *f, size_t vehicles)
{
    static struct virtual_hooks hooks;
    struct oem oem;
    struct oem_options options = {.now_s = VIRTUAL_EPOCH_MS / 1000};
    struct given given = {.ecu = GIVEN_PRESENT};
    hooks = (struct virtual_hooks){.ctx = f, .on_trace = on_trace};
    *f = (struct fleet){.vehicles = vehicles, .server_args = {.serial = ""}};
    f->v = virtual_new(1, &hooks, NULL);
    f->serials = calloc(vehicles, sizeof *f->serials);
    f->names = calloc(vehicles, sizeof *f->names);
    f->args = calloc(vehicles, sizeof *f->args);
    struct virtual_node *pki = virtual_add(f->v, &pki_class, "pki", 0, &f->server_args);
    struct virtual_node *vos = virtual_add(f->v, &vos_class, "vos", 0, &f->server_args);
    struct virtual_node *gsdp = virtual_add(f->v, &gsdp_class, "gsdp", 0, &f->server_args);
    struct given_stores stores = {NULL, virtual_store(vos), virtual_store(gsdp), virtual_store(pki)};
    oem_make(virtual_crypto(f->v, "world"), &options, &oem);
    given_servers(virtual_crypto(f->v, "servers"), &oem, &stores);
    if (virtual_start(pki) || virtual_start(vos) || virtual_start(gsdp))
        exit(1);
    for (size_t i = 0; i < vehicles; i++) {
        static const char *const kinds[] = {"sgw", "tbm", "spaak"};
        static const struct component_class *const classes[] = {&sgw_class, &tbm_class, &spaak_class};
        snprintf(f->serials[i], 16, "SPAAK%08zu", i % 100000000);
        f->args[i] = (struct component_args){.serial = f->serials[i]};
        for (size_t k = 0; k < 3; k++) {
            snprintf(f->names[i][k], 16, "%s%zu", kinds[k], i % 1000000);
            struct virtual_node *n =
                virtual_add(f->v, classes[k], f->names[i][k], (unsigned)i + 1, &f->args[i]);
            if (k == 2) {
                stores.spaak = virtual_store(n);
                given_vehicle(virtual_crypto(f->v, f->serials[i]), &oem, &given, f->serials[i],
                              VIRTUAL_EPOCH_MS, &stores);
            }
            if (virtual_start(n))
                exit(1);
        }
    }
    oem_free(&oem);
}

static void fleet_run(struct fleet *f)
{
    while (f->done < f->vehicles && virtual_step(f->v, 600000000))
        ;
    if (f->done != f->vehicles) {
        fprintf(stderr, "only %zu of %zu vehicles finished\n", f->done, f->vehicles);
        exit(1);
    }
}

static void fleet_free(struct fleet *f)
{
    virtual_free(f->v);
    free(f->serials);
    free(f->names);
    free(f->args);
}

static size_t resident_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%lu %lu", &pages, &resident) != 2)
        exit(1);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void bench_virtual(const struct costs *c)
{
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        struct fleet f;
        fleet_make(&f, 200);
        double t = cpu_s();
        fleet_run(&f);
        t = (cpu_s() - t) / 200;
        best = t < best ? t : best;
        fleet_free(&f);
    }
    report("virtual_pp01_flows", 1 / best, "flows/s on one core", 1 / flow_floor_s(c),
           "its P-256 operations alone: 1 keygen, 10 sign, 15 verify", 0.5);
}

static void bench_memory(void)
{
    struct fleet f;
    malloc_trim(0);
    size_t before = resident_bytes();
    fleet_make(&f, 1000);
    fleet_run(&f);
    double each = (double)(resident_bytes() - before) / 1000;
    fleet_free(&f);
    report("virtual_memory_per_vehicle", each, "bytes resident at 1000 vehicles", 65536, "the limit, 64 kB",
           1);
}

/* ---- ISO-TP alone ---- */

static void bench_isotp(void)
{
    static uint8_t data[1024], rx_a[8], rx_b[1024];
    static struct bus_frame f;
    struct isotp a, b;
    struct isotp_event ev;
    struct isotp_config ca = isotp_config_default(1, 2), cb = isotp_config_default(2, 1);
    const int n = 2000000;
    size_t frames = 0, received = 0;
    isotp_init(&a, &ca, rx_a, sizeof rx_a);
    isotp_init(&b, &cb, rx_b, sizeof rx_b);
    double t = cpu_s();
    for (int i = 0; i < n; i++) {
        data[0] = (uint8_t)i;
        isotp_send(&a, data, sizeof data, 0);
        while (isotp_output(&a, 0, &f, &ev)) {
            frames++;
            isotp_input(&b, &f, 0, &ev);
            received += ev.kind == ISOTP_RECEIVED;
            if (isotp_output(&b, 0, &f, &ev)) {
                frames++;
                isotp_input(&a, &f, 0, &ev);
            }
        }
    }
    t = (cpu_s() - t) / n;
    if (received != (size_t)n || rx_b[0] != (uint8_t)(n - 1))
        exit(1);
    /* the same frames copied once, no protocol */
    static struct bus_frame from[18], to[18];
    double m = cpu_s();
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < 18; k++) {
            memcpy(&to[k], &from[k], sizeof to[k]);
            __asm__ volatile("" : : "r"(&to[k]) : "memory");
        }
    }
    m = (cpu_s() - m) / n;
    report("isotp_transfers_1kB", 1 / t, "transfers/s in one process", 1e6, "the goal, 1,000,000", 1);
    report("isotp_transfers_1kB_to_memcpy", 1 / t, "transfers/s in one process", 1 / m,
           "memcpy of the same 18 frames", 0);
}

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

static void bench_vos(const struct costs *c)
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
    struct store *spare = store_memory_new();
    struct given_stores stores = {spare, v.b.node.store, spare, v.pki.node.store};
    given_servers(test_crypto(), o, &stores);
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
    report("vos_pp01_requests", 3 * VOS_VEHICLES / total, "requests/s per core, durable, commit per 50",
           3 / floor_s, "verify and issue alone: 5 verify, 4 sign for 3 requests", 0.5);
}

int main(void)
{
    struct costs c = measure_p256();
    bench_isotp();
    bench_virtual(&c);
    bench_vos(&c);
    bench_memory();
    return 0;
}
