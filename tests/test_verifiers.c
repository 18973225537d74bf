/* PP-02 on both benches: what a SpaaK Module takes as a verifier set and what it refuses, what the VOS
 * derives, pushes and believes. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/spake2p.h"
#include "lib/msg/responder.h"
#include "proto/backend.pb-c.h"
#include "tests/check.h"
#include "tests/vehicle_bench.h"

#define SECRETS  (P256_SCALAR + P256_POINT)
#define SET      405
#define STATUS   402
#define ACK      205
#define PASSWORD "12345678"

/* ---- the module ---- */

enum flaw {
    SOUND,
    OTHER_TRANSPORT_KEY,
    SEALED_BYTE,
    EPHEMERAL_NOT_A_POINT,
    L_NOT_A_POINT,
    W0_ZERO,
    SHORT_ID,
    SHORT_SALT,
    SHORT_SEALED,
    SCRYPT_TOO_MUCH,
    SCRYPT_R,
    GARBAGE
};

struct sealed {
    uint8_t id[16], point[P256_POINT], secrets[SECRETS], bytes[SECRETS + ECIES_OVERHEAD], body[400];
    size_t len;
};

static void fill_secrets(struct sealed *s, enum flaw flaw)
{
    struct p256_key *l;
    ASSERT_OK(p256_generate(test_crypto(), &l));
    memset(s->secrets, 0x11, P256_SCALAR);
    p256_public(l, s->secrets + P256_SCALAR);
    p256_free(l);
    if (flaw == L_NOT_A_POINT)
        s->secrets[SECRETS - 1] ^= 1;
    if (flaw == W0_ZERO)
        memset(s->secrets, 0, P256_SCALAR);
}

static void seal(struct sealed *s, struct store *module, enum flaw flaw)
{
    uint8_t scalar[P256_SCALAR], transport[P256_POINT];
    size_t len;
    struct p256_key *own, *ephemeral;
    ASSERT_OK(store_get(module, SPAAK_TRANSPORT_KEY, scalar, sizeof scalar, &len));
    scalar[0] ^= flaw == OTHER_TRANSPORT_KEY;
    ASSERT_OK(p256_from_private(test_crypto(), scalar, &own));
    p256_public(own, transport);
    ASSERT_OK(p256_generate(test_crypto(), &ephemeral));
    p256_public(ephemeral, s->point);
    ASSERT_OK(ecies_seal(test_crypto(), ephemeral, transport, span_of(s->secrets, SECRETS), s->bytes));
    p256_free(own);
    p256_free(ephemeral);
    s->bytes[3] ^= flaw == SEALED_BYTE;
    s->point[64] ^= flaw == EPHEMERAL_NOT_A_POINT;
}

static struct span set_body(struct sealed *s, struct store *module, uint8_t number, enum flaw flaw)
{
    static uint8_t salt[SPAKE2P_SALT] = "yellowsubmarines";
    Spaak__V1__Spake2VerifierSet m = SPAAK__V1__SPAKE2_VERIFIER_SET__INIT;
    memset(s->id, number, sizeof s->id);
    fill_secrets(s, flaw);
    seal(s, module, flaw);
    m.set_id = (ProtobufCBinaryData){flaw == SHORT_ID ? 15 : 16, s->id};
    m.ephemeral_key = (ProtobufCBinaryData){P256_POINT, s->point};
    m.sealed = (ProtobufCBinaryData){sizeof s->bytes - (flaw == SHORT_SEALED), s->bytes};
    m.salt = (ProtobufCBinaryData){flaw == SHORT_SALT ? 15 : 16, salt};
    m.scrypt_n = flaw == SCRYPT_TOO_MUCH ? 2 * SPAKE2P_N_MAX : SPAKE2P_N_MIN;
    m.scrypt_r = flaw == SCRYPT_R ? 65536 + SPAKE2P_R : SPAKE2P_R;
    m.scrypt_p = SPAKE2P_P;
    s->len = spaak__v1__spake2_verifier_set__pack(&m, s->body);
    if (flaw == GARBAGE)
        memset(s->body, 0xFF, s->len);
    return span_of(s->body, s->len);
}

static struct msg_header push_header(int64_t at_ms)
{
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02, .issued_at_ms = at_ms};
    text_copy(h.ecu_serial, sizeof h.ecu_serial, SERIAL);
    return h;
}

static void push(struct vehicle_bench *v, uint8_t number, enum flaw flaw, int64_t later_ms)
{
    static struct sealed s;
    struct span body = set_body(&s, v->b.node.store, number, flaw);
    vehicle_answer_as(v, OEM_VOS, push_header(TEST_NOW_S * 1000 + later_ms), SET, body);
}

/* With an identity, a transport key, and the TBM there. */
static void start(struct vehicle_bench *v)
{
    uint8_t scalar[P256_SCALAR] = {0, 1, 2, 3, 4, 5};
    vehicle_start(v, &(struct history){.drm_uuid = true, .certificate = HISTORY_INSTALLED});
    ASSERT_OK(store_set(v->b.node.store, SPAAK_TRANSPORT_KEY, span_of(scalar, sizeof scalar)));
    vehicle_tbm_says(v, READY);
}

static const struct {
    const char *name;
    enum flaw flaw;
    enum err reason;
} flaws[] = {
    {.name = "sealed to another ECU", .flaw = OTHER_TRANSPORT_KEY, .reason = ERR_VERIFIERS_NOT_FOR_US},
    {.name = "a sealed byte differs", .flaw = SEALED_BYTE, .reason = ERR_VERIFIERS_NOT_FOR_US},
    {.name = "ephemeral key off the curve",
     .flaw = EPHEMERAL_NOT_A_POINT,
     .reason = ERR_VERIFIERS_NOT_FOR_US},
    {.name = "L off the curve", .flaw = L_NOT_A_POINT, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "w0 is zero", .flaw = W0_ZERO, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "an id of 15 bytes", .flaw = SHORT_ID, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "a salt of 15 bytes", .flaw = SHORT_SALT, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "a byte too few", .flaw = SHORT_SEALED, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "scrypt beyond what a phone takes", .flaw = SCRYPT_TOO_MUCH, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "r beyond 16 bits", .flaw = SCRYPT_R, .reason = ERR_VERIFIERS_MALFORMED},
    {.name = "no message", .flaw = GARBAGE, .reason = ERR_MSG_MALFORMED},
};

Test(verifiers, what_is_wrong_with_a_set_is_named_and_nothing_is_stored)
{
    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        struct vehicle_bench v;
        start(&v);
        size_t stores = bench_count(&v.b, TRACE_STORE, ERR_OK);
        push(&v, 1, flaws[i].flaw, 0);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, flaws[i].reason), 1), "%s", flaws[i].name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_STORE, ERR_OK), stores), "%s", flaws[i].name);
        cr_expect(eq(sz, v.heard, 0), "%s: says nothing", flaws[i].name);
        vehicle_stop(&v);
    }
}

Test(verifiers, a_set_is_stored_reported_and_claimed_when_acknowledged)
{
    struct vehicle_bench v;
    uint8_t l[P256_POINT], w0[P256_SCALAR];
    size_t len;
    start(&v);
    push(&v, 7, SOUND, 0);
    ASSERT_OK(store_get(v.b.node.store, SPAAK_VERIFIERS_W0, w0, sizeof w0, &len));
    cr_expect(eq(sz, len, P256_SCALAR));
    cr_expect(eq(u8, w0[0], 0x11));
    ASSERT_OK(store_get(v.b.node.store, SPAAK_VERIFIERS_L, l, sizeof l, &len));
    cr_expect(eq(sz, len, P256_POINT));
    cr_assert(eq(int, (int)v.last.type, STATUS));
    cr_expect(eq(int, (int)v.last.use_case, SPAAK__V1__USE_CASE__USE_CASE_PP_02));
    size_t claims = bench_count(&v.b, TRACE_CLAIM, ERR_OK);
    vehicle_answer_as(&v, OEM_VOS, v.last, ACK, (struct span){NULL, 0});
    cr_expect(vehicle_stored(&v, SPAAK_VERIFIERS_REPORTED));
    cr_expect(eq(sz, bench_count(&v.b, TRACE_CLAIM, ERR_OK), claims + 1));
    cr_expect(bench_last(&v.b, TRACE_CLAIM)->has_digest);
    vehicle_stop(&v);
}

static const struct {
    const char *name;
    uint8_t number;
    int64_t later_ms;
    size_t heard, stored, replayed;
} seconds[] = {
    {.name = "the same again", .number = 7, .later_ms = 0, .heard = 2, .stored = 1, .replayed = 0},
    {.name = "the same, sealed later", .number = 7, .later_ms = 9, .heard = 2, .stored = 1, .replayed = 0},
    {.name = "a newer one", .number = 8, .later_ms = 9, .heard = 2, .stored = 2, .replayed = 0},
    {.name = "an older one", .number = 6, .later_ms = -9, .heard = 1, .stored = 1, .replayed = 1},
};

Test(verifiers, a_second_push)
{
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        struct vehicle_bench v;
        start(&v);
        size_t stores = bench_count(&v.b, TRACE_STORE, ERR_OK);
        push(&v, 7, SOUND, 0);
        push(&v, seconds[i].number, SOUND, seconds[i].later_ms);
        cr_expect(eq(sz, v.heard, seconds[i].heard), "%s", seconds[i].name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_STORE, ERR_OK) - stores, seconds[i].stored), "%s",
                  seconds[i].name);
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_MSG_REPLAYED), seconds[i].replayed), "%s",
                  seconds[i].name);
        vehicle_stop(&v);
    }
}

Test(verifiers, without_a_transport_key_there_is_nothing_to_open)
{
    struct vehicle_bench v;
    static struct sealed s;
    start(&v);
    struct span body = set_body(&s, v.b.node.store, 1, SOUND);
    struct store_put gone = {SPAAK_TRANSPORT_KEY, {NULL, 0}};
    ASSERT_OK(store_apply(v.b.node.store, &gone, 1));
    vehicle_answer_as(&v, OEM_VOS, push_header(TEST_NOW_S * 1000), SET, body);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_TRANSPORT_KEY_MISSING), 1));
    vehicle_stop(&v);
}

Test(verifiers, a_report_is_repeated_until_it_is_acknowledged)
{
    struct vehicle_bench v;
    start(&v);
    push(&v, 7, SOUND, 0);
    for (int i = 0; i < 20; i++) {
        bench_run_ms(&v.b, 100);
        vehicle_tbm_says(&v, READY);
    }
    cr_expect(ge(sz, v.heard, 2));
    vehicle_answer_as(&v, OEM_VOS, v.last, ACK, (struct span){NULL, 0});
    size_t heard = v.heard;
    for (int i = 0; i < 300; i++) {
        bench_run_ms(&v.b, 100);
        vehicle_tbm_says(&v, READY);
    }
    cr_expect(eq(sz, v.heard, heard));
    vehicle_stop(&v);
}

/* ---- the VOS ---- */

struct server {
    struct bench b;
    struct oem_identity ecu;
    struct p256_key *transport;
};

static void write_vehicle(struct server *s, bool transport_key)
{
    uint8_t out[512], point[P256_POINT];
    Backend__V1__VehicleRecord m = BACKEND__V1__VEHICLE_RECORD__INIT;
    p256_public(s->transport, point);
    m.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE;
    m.subject_id = (char *)"V.SPAAKSIM.EU.01.0001AABBCCDDEEFF";
    m.certificate = (ProtobufCBinaryData){4, (uint8_t *)"cert"};
    m.transport_key = (ProtobufCBinaryData){transport_key ? P256_POINT : 0, point};
    ASSERT_OK(store_set(s->b.node.store, VOS_ECU_PREFIX SERIAL, span_of("\1", 1)));
    ASSERT_OK(store_set(s->b.node.store, VOS_VEHICLE_PREFIX SERIAL,
                        span_of(out, backend__v1__vehicle_record__pack(&m, out))));
}

static void server_start(struct server *s, bool transport_key)
{
    bench_prepare(&s->b, &vos_class, test_crypto());
    test_equip(&vos_class, "", s->b.node.store);
    ASSERT_OK(oem_make_ecu(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, &s->ecu));
    ASSERT_OK(p256_generate(test_crypto(), &s->transport));
    write_vehicle(s, transport_key);
    ASSERT_OK(bench_start(&s->b, &(struct component_args){.serial = ""}));
}

static void server_stop(struct server *s)
{
    bench_free(&s->b);
    oem_identity_free(&s->ecu);
    p256_free(s->transport);
}

static void call(struct server *s)
{
    struct call_value value = {.text = SERIAL};
    unsigned number;
    cr_assert(component_call(&vos_class, "push-verifiers", &number));
    s->b.sent_count = 0;
    node_on_call(&s->b.node, number, &value);
}

static Spaak__V1__Spake2VerifierSet *pushed(struct server *s)
{
    static struct msg_opened m;
    struct x509 z1;
    const struct oem *o = test_oem(TEST_NOW_S);
    cr_assert(eq(sz, s->b.sent_count, 1));
    ASSERT_OK(x509_parse(span_of(o->roles[OEM_Z1].der, o->roles[OEM_Z1].len), &z1));
    struct msg_policy p = {.crypto = test_crypto(),
                           .direction = MSG_RESPONSE,
                           .issuer = &z1,
                           .ecu_serial = SERIAL,
                           .signer = X509_VOS_SIGNER,
                           .now_ms = s->b.wall_ms + (int64_t)(s->b.now_us / 1000)};
    ASSERT_OK(msg_open(&p, span_of(s->b.sent[0].bytes, s->b.sent[0].len), &m));
    cr_assert(eq(int, (int)m.header.type, SET));
    return spaak__v1__spake2_verifier_set__unpack(NULL, m.body.len, m.body.p);
}

static void report(struct server *s, ProtobufCBinaryData id, uint32_t sequence)
{
    uint8_t out[MSG_MAX], body[64];
    size_t len;
    Spaak__V1__Spake2VerifierSetStatus m = SPAAK__V1__SPAKE2_VERIFIER_SET_STATUS__INIT;
    struct msg_header h = push_header(s->b.wall_ms + (int64_t)(s->b.now_us / 1000));
    m.status = SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED;
    m.set_id = id;
    h.type = (Spaak__V1__MessageType)STATUS;
    h.has_drm_uuid = true;
    h.sequence = sequence;
    ASSERT_OK(msg_seal(test_crypto(), MSG_REQUEST, &h,
                       span_of(body, spaak__v1__spake2_verifier_set_status__pack(&m, body)), s->ecu.key,
                       span_of(s->ecu.der, s->ecu.len), out, &len));
    s->b.sent_count = 0;
    node_on_bytes(&s->b.node, 0, "spaak/" SERIAL "/up/vos", span_of(out, len));
}

Test(vos_verifiers, a_set_is_what_its_password_makes_and_opens_with_the_transport_key_only)
{
    struct server s;
    uint8_t secrets[SECRETS], password[16], w0[P256_SCALAR], w1[P256_SCALAR];
    struct spake2p_verifier_set want;
    size_t len;
    server_start(&s, true);
    call(&s);
    cr_expect(eq(sz, s.b.sent_count, 0), "not before scrypt is done");
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *m = pushed(&s);
    ASSERT_OK(ecies_open(test_crypto(), s.transport, m->ephemeral_key.data,
                         span_of(m->sealed.data, m->sealed.len), secrets));
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", password, sizeof password, &len));
    cr_assert(eq(sz, len, 8));
    for (size_t i = 0; i < len; i++)
        cr_expect(password[i] >= '0' && password[i] <= '9');
    struct spake2p_scrypt scrypt = {.n = m->scrypt_n, .r = (uint16_t)m->scrypt_r, .p = (uint16_t)m->scrypt_p};
    memcpy(scrypt.salt, m->salt.data, SPAKE2P_SALT);
    ASSERT_OK(spake2p_derive(test_crypto(), span_of(password, len), &scrypt, w0, w1));
    ASSERT_OK(spake2p_register(test_crypto(), w0, w1, &want));
    cr_expect(memcmp(secrets, want.w0, P256_SCALAR) == 0);
    cr_expect(memcmp(secrets + P256_SCALAR, want.l, P256_POINT) == 0);
    for (size_t i = 0; i + P256_SCALAR <= s.b.sent[0].len; i++)
        cr_assert(memcmp(s.b.sent[0].bytes + i, w0, P256_SCALAR) != 0, "w0 in clear");
    spaak__v1__spake2_verifier_set__free_unpacked(m, NULL);
    server_stop(&s);
}

Test(vos_verifiers, one_that_nobody_has_reported_is_pushed_again_with_the_same_values)
{
    struct server s;
    server_start(&s, true);
    call(&s);
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *first = pushed(&s);
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 31000);
    Spaak__V1__Spake2VerifierSet *second = pushed(&s);
    call(&s);
    Spaak__V1__Spake2VerifierSet *third = pushed(&s);
    cr_expect(span_equal(span_of(first->set_id.data, 16), span_of(second->set_id.data, 16)));
    cr_expect(span_equal(span_of(first->set_id.data, 16), span_of(third->set_id.data, 16)));
    cr_expect(memcmp(first->ephemeral_key.data, second->ephemeral_key.data, P256_POINT) != 0, "sealed anew");
    report(&s, first->set_id, 1);
    cr_expect(eq(sz, s.b.sent_count, 1), "acknowledged");
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 120000);
    cr_expect(eq(sz, s.b.sent_count, 0), "and pushed no more");
    spaak__v1__spake2_verifier_set__free_unpacked(first, NULL);
    spaak__v1__spake2_verifier_set__free_unpacked(second, NULL);
    spaak__v1__spake2_verifier_set__free_unpacked(third, NULL);
    server_stop(&s);
}

Test(vos_verifiers, a_report_of_another_set_is_not_believed)
{
    struct server s;
    server_start(&s, true);
    report(&s, (ProtobufCBinaryData){16, (uint8_t *)"0123456789abcdef"}, 1);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 1), "none was pushed");
    call(&s);
    bench_finish_works(&s.b);
    report(&s, (ProtobufCBinaryData){16, (uint8_t *)"0123456789abcdef"}, 2);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 2));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_CLAIM, ERR_OK), 2),
              "[K] at the start, and that it holds no set");
    server_stop(&s);
}

Test(vos_verifiers, a_vehicle_without_transport_key_gets_none)
{
    struct server s;
    server_start(&s, false);
    call(&s);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_TRANSPORT_KEY_MISSING), 1));
    cr_expect(eq(sz, s.b.work_count, 0));
    server_stop(&s);
}
