/* Key tracking and the end of owner pairing at the VOS: what it passes on, keeps and answers (OP-04/5), and
 * what it keeps of the vehicle's own report (OP-04/7). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos.h"
#include "lib/msg/manage.h"
#include "proto/backend.pb-c.h"
#include "tests/check.h"
#include "tests/tracking_rig.h"
#include "tests/verifier_rig.h"

enum { TRACKING = 3, KTS };

#define PAIRED VOS_PAIRED_PREFIX SERIAL

static struct server s;
static struct rig *rig;
static uint8_t sealed[40] = {'s', 'e', 'a', 'l', 'e', 'd'};

/* Its one vehicle is the rig's. */
static void put_vehicle(void)
{
    uint8_t stored[ENV_VALUE_MAX];
    char id[2 * TRACKING_VEHICLE_ID + 1], name[ENV_KEY_MAX];
    struct x509 k;
    size_t len;
    ASSERT_OK(store_get(s.b.node.store, VOS_VEHICLE_PREFIX SERIAL, stored, sizeof stored, &len));
    Backend__V1__VehicleRecord *m = backend__v1__vehicle_record__unpack(NULL, len, stored);
    cr_assert(m && x509_parse(span_of(rig->k.der, rig->k.len), &k) == ERR_OK);
    Backend__V1__VehicleRecord copy = *m;
    copy.subject_id = k.subject;
    copy.certificate = (ProtobufCBinaryData){rig->k.len, rig->k.der};
    copy.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE;
    len = backend__v1__vehicle_record__pack(&copy, stored);
    backend__v1__vehicle_record__free_unpacked(m, NULL);
    ASSERT_OK(store_set(s.b.node.store, VOS_VEHICLE_PREFIX SERIAL, span_of(stored, len)));
    hex_encode(rig->key.vehicle_id, TRACKING_VEHICLE_ID, id);
    snprintf(name, sizeof name, VOS_IDENTIFIER_PREFIX "%s", id);
    ASSERT_OK(store_set(s.b.node.store, name, span_of(SERIAL, strlen(SERIAL))));
}

static void start(void)
{
    rig = tracking_rig_new();
    server_start(&s, true, NULL, NULL);
    put_vehicle();
}

static void stop(void)
{
    server_stop(&s);
    rig_free(rig);
}

TestSuite(tracking, .init = start, .fini = stop);

static bool is_stored(const char *key)
{
    uint8_t stored[ENV_VALUE_MAX];
    size_t len;
    return store_get(s.b.node.store, key, stored, sizeof stored, &len) == ERR_OK;
}

static bool is_tracked(void)
{
    char key[ENV_KEY_MAX], hex[TRACKING_KEY_TEXT];
    hex_encode(rig->applet.keys[0].key_id, TRACKING_KEY_ID, hex);
    snprintf(key, sizeof key, VOS_TRACKED_PREFIX "%s", hex);
    return is_stored(key);
}

/* What the KTS says to that request. */
static void kts_says(uint64_t number, enum err error)
{
    uint8_t out[256];
    struct wr w = wr_of(out, sizeof out);
    struct tracking_answer a = {.number = number, .error = error, .sealed = span_of(sealed, sizeof sealed)};
    p256_public(rig->kts.key, a.ephemeral);
    ASSERT_OK(tracking_answer_write(&a, &w));
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, KTS, "", span_of(out, w.len));
}

/* The DOS asks; what the KTS was asked for. */
static struct tracking_ask pass_on(struct tracking_memory *m)
{
    struct tracking_ask a = tracking_rig_ask(rig, false), asked = {.number = 0};
    EXPECT_ERR(tracking_rig_tell(&s.b, TRACKING, &a, m).error, ERR_MSG_NO_ANSWER);
    cr_assert(tracking_rig_asked(&s.b, KTS, m, &asked));
    return asked;
}

Test(tracking, the_vos_adds_the_vehicles_certificate)
{
    struct tracking_memory m;
    struct tracking_ask a = tracking_rig_ask(rig, false), asked = pass_on(&m);
    cr_expect(span_equal(asked.vehicle, span_of(rig->k.der, rig->k.len)));
    cr_expect(span_equal(asked.attestation, a.attestation) && span_equal(asked.endpoint, a.endpoint) &&
              span_equal(asked.instance_ca, a.instance_ca) && span_equal(asked.device_oem, a.device_oem));
    cr_expect(memcmp(asked.key_id, a.key_id, sizeof a.key_id) == 0 &&
              memcmp(asked.encryption_pk, a.encryption_pk, P256_POINT) == 0);
    cr_expect(not(is_tracked()));
    kts_says(asked.number, ERR_OK);
    struct tracking_answer r = tracking_rig_last(&s.b, TRACKING, &m);
    EXPECT_ERR(r.error, ERR_OK);
    cr_expect(eq(u64, r.number, 7));
    cr_expect(span_equal(r.sealed, span_of(sealed, sizeof sealed)));
    cr_expect(is_tracked());
}

Test(tracking, a_key_that_is_tracked_is_answered_without_the_kts)
{
    struct tracking_memory m;
    kts_says(pass_on(&m).number, ERR_OK);
    for (int life = 0; life < 2; life++) {
        struct tracking_ask a = tracking_rig_ask(rig, false);
        a.number = 9;
        struct tracking_answer r = tracking_rig_tell(&s.b, TRACKING, &a, &m);
        EXPECT_ERR(r.error, ERR_OK);
        cr_expect(eq(u64, r.number, 9));
        cr_expect(span_equal(r.sealed, span_of(sealed, sizeof sealed)));
        cr_expect(not(tracking_rig_asked(&s.b, KTS, &m, &a)), "life %d", life);
        server_restart(&s);
    }
    struct tracking_ask other = tracking_rig_ask(rig, false);
    p256_public(rig->j.key, other.encryption_pk);
    EXPECT_ERR(tracking_rig_tell(&s.b, TRACKING, &other, &m).error, ERR_KEY_REGISTERED);
}

Test(tracking, what_the_vos_refuses)
{
    enum what { OTHER_VEHICLE, OTHER_KEY, WITH_K, NO_CERTIFICATE };
    static const struct {
        enum what what;
        enum err reason;
    } rows[] = {{OTHER_VEHICLE, ERR_ECU_UNKNOWN},
                {OTHER_KEY, ERR_DK_KEY_MISMATCH},
                {WITH_K, ERR_MSG_UNEXPECTED},
                {NO_CERTIFICATE, ERR_DER_SYNTAX}};
    struct tracking_memory m;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tracking_ask a = tracking_rig_ask(rig, rows[i].what == WITH_K), asked;
        a.vehicle_id[0] ^= rows[i].what == OTHER_VEHICLE;
        a.key_id[0] ^= rows[i].what == OTHER_KEY;
        if (rows[i].what == NO_CERTIFICATE)
            a.endpoint.len -= 1;
        enum err e = tracking_rig_tell(&s.b, TRACKING, &a, &m).error;
        cr_expect(eq(str, (char *)err_name(e), (char *)err_name(rows[i].reason)), "row %zu", i);
        cr_expect(not(tracking_rig_asked(&s.b, KTS, &m, &asked)), "row %zu", i);
    }
    cr_expect(not(is_tracked()));
}

Test(tracking, without_the_kts_the_caller_hears_so)
{
    struct tracking_memory m;
    uint64_t late = pass_on(&m).number;
    s.b.sent_count = 0;
    bench_run_ms(&s.b, 1499);
    cr_expect(eq(u64, tracking_rig_last(&s.b, TRACKING, &m).number, 0));
    bench_run_ms(&s.b, 1);
    struct tracking_answer r = tracking_rig_last(&s.b, TRACKING, &m);
    EXPECT_ERR(r.error, ERR_MSG_NO_ANSWER);
    cr_expect(eq(u64, r.number, 7));
    kts_says(late, ERR_OK);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_REPLAYED), 1));
    cr_expect(not(is_tracked()), "it comes again when the phone asks again");
    pass_on(&m);
    s.b.sent_count = 0;
    node_on_link(&s.b.node, KTS, LINK_DOWN);
    EXPECT_ERR(tracking_rig_last(&s.b, TRACKING, &m).error, ERR_KTS_UNREACHABLE);
    struct tracking_ask a = tracking_rig_ask(rig, false);
    EXPECT_ERR(tracking_rig_tell(&s.b, TRACKING, &a, &m).error, ERR_KTS_UNREACHABLE);
    node_on_link(&s.b.node, KTS, LINK_UP);
    kts_says(pass_on(&m).number, ERR_RECEIPT_PENDING);
    EXPECT_ERR(tracking_rig_last(&s.b, TRACKING, &m).error, ERR_RECEIPT_PENDING);
    cr_expect(not(is_tracked()));
    kts_says(pass_on(&m).number, ERR_OK);
    cr_expect(is_tracked());
}

/* The vehicle says that the key of the rig has ended. */
static void end_key(void)
{
    uint8_t body[64], key_id[TRACKING_KEY_ID];
    Spaak__V1__KeyStatus m = SPAAK__V1__KEY_STATUS__INIT;
    memcpy(key_id, rig->applet.keys[0].key_id, sizeof key_id);
    m.key_id = (ProtobufCBinaryData){sizeof key_id, key_id};
    m.state = SPAAK__V1__KEY_STATUS__STATE__STATE_TERMINATED;
    m.cause = SPAAK__V1__KEY_STATUS__CAUSE__CAUSE_DEVICE;
    server_hear(&s, SPAAK__V1__MESSAGE_TYPE__KEY_STATUS, SPAAK__V1__USE_CASE__USE_CASE_KM_02, true,
                span_of(body, spaak__v1__key_status__pack(&m, body)));
}

static size_t told_kts(void)
{
    size_t n = 0;
    for (size_t i = 0; i < s.b.sent_count; i++)
        n += s.b.sent[i].port == KTS &&
             tracking_peek(span_of(s.b.sent[i].bytes, s.b.sent[i].len)) == TRACKING_MANAGE;
    return n;
}

Test(tracking, a_key_that_has_ended_is_not_tracked)
{
    struct tracking_memory m;
    struct tracking_ask a = tracking_rig_ask(rig, false), asked;
    end_key();
    for (int life = 0; life < 2; life++) {
        EXPECT_ERR(tracking_rig_tell(&s.b, TRACKING, &a, &m).error, ERR_KEY_ENDED);
        cr_expect(not(tracking_rig_asked(&s.b, KTS, &m, &asked)));
        server_restart(&s);
    }
}

Test(tracking, a_key_that_ends_on_its_way_ends_at_the_kts_too)
{
    struct tracking_memory m;
    uint64_t number = pass_on(&m).number;
    end_key();
    cr_expect(eq(sz, told_kts(), 0), "it has not said that it knows of it");
    kts_says(number, ERR_OK);
    EXPECT_ERR(tracking_rig_last(&s.b, TRACKING, &m).error, ERR_KEY_ENDED);
    cr_expect(eq(sz, told_kts(), 1));
    cr_expect(not(is_tracked()));
}

Test(tracking, with_the_identity_its_identifier_leads_nowhere)
{
    char name[ENV_KEY_MAX], id[2 * TRACKING_VEHICLE_ID + 1];
    struct tracking_memory m;
    struct tracking_ask a = tracking_rig_ask(rig, false);
    hex_encode(rig->key.vehicle_id, TRACKING_VEHICLE_ID, id);
    snprintf(name, sizeof name, VOS_IDENTIFIER_PREFIX "%s", id);
    cr_assert(is_stored(name));
    server_call(&s, "renew-vehicle-identity");
    cr_expect(not(is_stored(name)));
    EXPECT_ERR(tracking_rig_tell(&s.b, TRACKING, &a, &m).error, ERR_ECU_UNKNOWN);
}

/* ---- OP-04/7 ---- */

Test(tracking, the_vehicles_report_is_kept_and_acknowledged)
{
    enum err error = ERR_INTERNAL;
    uint8_t stored[SHA1_SIZE + 1], key_id[SHA1_SIZE];
    size_t len = 0;
    memset(key_id, 0x5A, sizeof key_id);
    for (int i = 0; i < 2; i++) {
        server_pass(&s, 0x5A);
        cr_expect(eq(int, server_said(&s, &error), RIG_ACK));
        EXPECT_ERR(error, ERR_OK);
        ASSERT_OK(store_get(s.b.node.store, PAIRED, stored, sizeof stored, &len));
        cr_expect(span_equal(span_of(stored, len), span_of(key_id, sizeof key_id)));
        server_restart(&s);
    }
}

Test(tracking, a_report_of_no_key_is_refused)
{
    static const uint8_t bodies[][8] = {{0}, {0x0A, 3, 1, 2, 3}, {0xFF, 0xFF}};
    static const size_t lens[] = {0, 5, 2};
    for (size_t i = 0; i < 3; i++) {
        server_hear(&s, RIG_PASSED, SPAAK__V1__USE_CASE__USE_CASE_OP_04, true, span_of(bodies[i], lens[i]));
        cr_expect(eq(sz, s.b.sent_count, 0), "%zu", i);
        cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_MALFORMED), i + 1));
    }
    cr_expect(not(is_stored(PAIRED)));
}

Test(tracking, with_its_key_or_identity_gone_a_vehicle_is_not_paired)
{
    server_pass(&s, 1);
    cr_assert(is_stored(PAIRED));
    server_request(&s, SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_MISSING, (struct span){NULL, 0});
    cr_expect(is_stored(PAIRED), "verifiers are not keys");
    server_request(&s, SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_OWNER_KEY_TERMINATED,
                   (struct span){NULL, 0});
    cr_expect(not(is_stored(PAIRED)));
    server_pass(&s, 2);
    cr_assert(is_stored(PAIRED));
    server_call(&s, "renew-vehicle-identity");
    cr_expect(not(is_stored(PAIRED)));
    server_pass(&s, 2);
    cr_expect(not(is_stored(PAIRED)), "the key went with the identity");
}
