#include "tests/verifier_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/host/sqlite_store.h"
#include "proto/backend.pb-c.h"

static void must(enum err e, const char *what)
{
    if (!e)
        return;
    fprintf(stderr, "%s: %s\n", what, err_name(e));
    abort();
}

/* ---- the module ---- */

struct sealed {
    uint8_t id[RIG_SET_ID], point[P256_POINT], secrets[RIG_SECRETS], bytes[RIG_SECRETS + ECIES_OVERHEAD];
    uint8_t body[400];
};

static void fill_secrets(struct sealed *s, enum flaw flaw)
{
    struct p256_key *l;
    must(p256_generate(test_crypto(), &l), "a key");
    memset(s->secrets, 0x11, P256_SCALAR);
    p256_public(l, s->secrets + P256_SCALAR);
    p256_free(l);
    if (flaw == L_NOT_A_POINT)
        s->secrets[RIG_SECRETS - 1] ^= 1;
    if (flaw == W0_ZERO)
        memset(s->secrets, 0, P256_SCALAR);
}

static void seal(struct sealed *s, struct store *module, enum flaw flaw)
{
    uint8_t scalar[P256_SCALAR], transport[P256_POINT];
    size_t len;
    struct p256_key *own, *ephemeral;
    must(store_get(module, SPAAK_TRANSPORT_KEY, scalar, sizeof scalar, &len), "the transport key");
    scalar[0] ^= flaw == OTHER_TRANSPORT_KEY;
    must(p256_from_private(test_crypto(), scalar, &own), "the transport key");
    p256_public(own, transport);
    must(p256_generate(test_crypto(), &ephemeral), "a key");
    p256_public(ephemeral, s->point);
    must(ecies_seal(test_crypto(), ephemeral, transport, span_of(s->secrets, RIG_SECRETS), s->bytes),
         "sealing");
    p256_free(own);
    p256_free(ephemeral);
    s->bytes[3] ^= flaw == SEALED_BYTE;
    s->point[64] ^= flaw == EPHEMERAL_NOT_A_POINT;
}

struct span module_set_body(struct store *module, uint8_t number, enum flaw flaw)
{
    static struct sealed s;
    static uint8_t salt[SPAKE2P_SALT] = {'s', 'a', 'l', 't'};
    Spaak__V1__Spake2VerifierSet m = SPAAK__V1__SPAKE2_VERIFIER_SET__INIT;
    memset(s.id, number, sizeof s.id);
    fill_secrets(&s, flaw);
    seal(&s, module, flaw);
    m.set_id = (ProtobufCBinaryData){flaw == SHORT_ID ? 15 : 16, s.id};
    m.ephemeral_key = (ProtobufCBinaryData){P256_POINT, s.point};
    m.sealed = (ProtobufCBinaryData){sizeof s.bytes - (flaw == SHORT_SEALED), s.bytes};
    m.salt = (ProtobufCBinaryData){flaw == SHORT_SALT ? 15 : 16, salt};
    m.scrypt_n = flaw == SCRYPT_TOO_MUCH ? 2 * SPAKE2P_N_MAX : SPAKE2P_N_MIN;
    m.scrypt_r = flaw == SCRYPT_R ? 65536 + SPAKE2P_R : SPAKE2P_R;
    m.scrypt_p = SPAKE2P_P;
    size_t len = spaak__v1__spake2_verifier_set__pack(&m, s.body);
    if (flaw == GARBAGE)
        memset(s.body, 0xFF, len);
    return span_of(s.body, len);
}

void module_push(struct vehicle_bench *v, uint8_t number, enum flaw flaw, int64_t later_ms)
{
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02,
                           .issued_at_ms = TEST_NOW_S * 1000 + later_ms};
    text_copy(h.ecu_serial, sizeof h.ecu_serial, SERIAL);
    vehicle_answer_as(v, OEM_VOS, h, RIG_SET, module_set_body(v->b.node.store, number, flaw));
}

void module_start(struct vehicle_bench *v)
{
    uint8_t scalar[P256_SCALAR] = {0, 1, 2, 3, 4, 5};
    vehicle_start(v, &(struct history){.drm_uuid = true, .certificate = HISTORY_INSTALLED});
    must(store_set(v->b.node.store, SPAAK_TRANSPORT_KEY, span_of(scalar, sizeof scalar)), "the store");
    vehicle_tbm_says(v, READY);
}

void module_power_cut(struct vehicle_bench *v)
{
    node_stop(&v->b.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        v->b.due_us[i] = ENV_NEVER;
    must(bench_start(&v->b, &(struct component_args){.serial = SERIAL}), "the module");
    vehicle_tbm_says(v, READY);
}

void module_call(struct vehicle_bench *v, const char *name, uint64_t value)
{
    struct call_value values[ENV_VALUES] = {{.number = value}};
    unsigned call;
    if (!component_call(&spaak_class, name, &call))
        abort();
    node_on_call(&v->b.node, call, values);
    vehicle_listen(v);
}

void module_answer(struct vehicle_bench *v, int type, enum err error)
{
    struct msg_header h = v->last;
    h.error = error;
    h.issued_at_ms = TEST_NOW_S * 1000 + (int64_t)(v->b.now_us / 1000);
    vehicle_answer_as(v, OEM_VOS, h, type, (struct span){NULL, 0});
}

/* ---- the VOS ---- */

static void write_vehicle(struct server *s, bool transport_key)
{
    uint8_t out[512], point[P256_POINT], certificate[] = {1, 2, 3, 4};
    char subject[] = "V.SPAAKSIM.EU.01.0001AABBCCDDEEFF";
    Backend__V1__VehicleRecord m = BACKEND__V1__VEHICLE_RECORD__INIT;
    p256_public(s->transport, point);
    m.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE;
    m.subject_id = subject;
    m.certificate = (ProtobufCBinaryData){sizeof certificate, certificate};
    m.transport_key = (ProtobufCBinaryData){transport_key ? P256_POINT : 0, point};
    must(store_set(s->b.node.store, VOS_ECU_PREFIX SERIAL, span_of("\1", 1)), "the store");
    must(store_set(s->b.node.store, VOS_VEHICLE_PREFIX SERIAL,
                   span_of(out, backend__v1__vehicle_record__pack(&m, out))),
         "the store");
}

void server_start(struct server *s, bool transport_key, const char *path, const uint64_t *settings)
{
    const char *reason;
    *s = (struct server){.sequence = 0};
    bench_prepare(&s->b, &vos_class, test_crypto());
    if (path) {
        store_close(s->b.node.store);
        s->b.node.store = sqlite_store_open(path, SQLITE_STORE_LIVE, &reason);
        must(s->b.node.store ? ERR_OK : ERR_STORE_FAILED, path);
    }
    test_equip(&vos_class, "", s->b.node.store);
    must(oem_make_ecu(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, &s->ecu), "an ECU");
    must(p256_generate(test_crypto(), &s->transport), "a key");
    write_vehicle(s, transport_key);
    must(bench_start(&s->b, &(struct component_args){.serial = "", .settings = settings}), "the VOS");
}

void server_restart(struct server *s)
{
    node_stop(&s->b.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        s->b.due_us[i] = ENV_NEVER;
    s->b.work_count = s->b.sent_count = 0;
    must(bench_start(&s->b, &(struct component_args){.serial = ""}), "the VOS");
}

void server_stop(struct server *s)
{
    bench_free(&s->b);
    oem_identity_free(&s->ecu);
    p256_free(s->transport);
}

void server_call(struct server *s, const char *name)
{
    struct call_value value = {.text = SERIAL};
    unsigned number;
    if (!component_call(&vos_class, name, &number))
        abort();
    s->b.sent_count = 0;
    node_on_call(&s->b.node, number, &value);
}

static int64_t now_ms(const struct server *s)
{
    return s->b.wall_ms + (int64_t)(s->b.now_us / 1000);
}

static const struct msg_opened *open_sent(struct server *s)
{
    static struct msg_opened m;
    struct x509 z1;
    const struct oem *o = test_oem(TEST_NOW_S);
    if (s->b.sent_count != 1)
        must(ERR_NOT_FOUND, "the one message that the VOS has sent");
    must(x509_parse(span_of(o->roles[OEM_Z1].der, o->roles[OEM_Z1].len), &z1), "Z1");
    struct msg_policy p = {.crypto = test_crypto(),
                           .direction = MSG_RESPONSE,
                           .issuer = &z1,
                           .ecu_serial = SERIAL,
                           .signer = X509_VOS_SIGNER,
                           .now_ms = now_ms(s)};
    must(msg_open(&p, span_of(s->b.sent[0].bytes, s->b.sent[0].len), &m), "what the VOS has sent");
    return &m;
}

int server_said(struct server *s, enum err *error)
{
    const struct msg_opened *m = open_sent(s);
    *error = m->header.error;
    return (int)m->header.type;
}

Spaak__V1__Spake2VerifierSet *server_pushed(struct server *s)
{
    const struct msg_opened *m = open_sent(s);
    if ((int)m->header.type != RIG_SET)
        must(ERR_MSG_UNEXPECTED, "a set that the VOS has pushed");
    return spaak__v1__spake2_verifier_set__unpack(NULL, m->body.len, m->body.p);
}

void server_hear(struct server *s, int type, Spaak__V1__UseCase use_case, bool provisioned, struct span body)
{
    uint8_t out[MSG_MAX];
    size_t len;
    struct msg_header h = {.use_case = use_case, .type = (Spaak__V1__MessageType)type};
    text_copy(h.ecu_serial, sizeof h.ecu_serial, SERIAL);
    h.has_drm_uuid = provisioned;
    h.sequence = ++s->sequence;
    h.correlation[0] = (uint8_t)s->sequence;
    s->b.now_us += 1000;
    h.issued_at_ms = now_ms(s);
    must(msg_seal(test_crypto(), MSG_REQUEST, &h, body, s->ecu.key, span_of(s->ecu.der, s->ecu.len), out,
                  &len),
         "sealing");
    s->b.sent_count = 0;
    node_on_bytes(&s->b.node, 0, "spaak/" SERIAL "/up/vos", span_of(out, len));
}

void server_report(struct server *s, struct span id, Spaak__V1__RespEnum status)
{
    uint8_t body[64], copy[RIG_SET_ID];
    Spaak__V1__Spake2VerifierSetStatus m = SPAAK__V1__SPAKE2_VERIFIER_SET_STATUS__INIT;
    memcpy(copy, id.p, RIG_SET_ID);
    m.status = status;
    m.set_id = (ProtobufCBinaryData){RIG_SET_ID, copy};
    server_hear(s, RIG_STATUS, SPAAK__V1__USE_CASE__USE_CASE_PP_02, true,
                span_of(body, spaak__v1__spake2_verifier_set_status__pack(&m, body)));
}

void server_pass(struct server *s, uint8_t key)
{
    uint8_t body[64], key_id[SHA1_SIZE];
    Spaak__V1__OwnerPairingPassAck m = SPAAK__V1__OWNER_PAIRING_PASS_ACK__INIT;
    memset(key_id, key, sizeof key_id);
    m.key_id = (ProtobufCBinaryData){sizeof key_id, key_id};
    server_hear(s, RIG_PASSED, SPAAK__V1__USE_CASE__USE_CASE_OP_04, true,
                span_of(body, spaak__v1__owner_pairing_pass_ack__pack(&m, body)));
}

void server_request(struct server *s, Spaak__V1__OpSpake2Request__Reason reason, struct span burnt)
{
    uint8_t body[64], copy[RIG_SET_ID];
    Spaak__V1__OpSpake2Request m = SPAAK__V1__OP_SPAKE2_REQUEST__INIT;
    if (burnt.len)
        memcpy(copy, burnt.p, RIG_SET_ID);
    m.reason = reason;
    m.burnt_set_id = (ProtobufCBinaryData){burnt.len, copy};
    server_hear(s, RIG_REQUEST, SPAAK__V1__USE_CASE__USE_CASE_PP_03, true,
                span_of(body, spaak__v1__op_spake2_request__pack(&m, body)));
}
