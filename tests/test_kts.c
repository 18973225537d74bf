/* OP-05/1: what the key tracking server registers, what it signs, and what it refuses. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "backend/kts/kts.h"
#include "tests/check.h"
#include "tests/tracking_rig.h"

enum { VOS };

static struct bench b;
static struct rig *rig;
static char entry[ENV_KEY_MAX];

static void begin(const uint64_t *settings)
{
    bench_prepare(&b, &kts_class, test_crypto());
    test_equip(&kts_class, "", b.node.store);
    ASSERT_OK(store_set(b.node.store, KTS_ROOT, span_of(rig->j.der, rig->j.len)));
    ASSERT_OK(store_set(b.node.store, KTS_SUB_CA, span_of(rig->j1.der, rig->j1.len)));
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = "", .settings = settings}));
}

static void start(void)
{
    char hex[TRACKING_KEY_TEXT];
    rig = tracking_rig_new();
    hex_encode(rig->applet.keys[0].key_id, TRACKING_KEY_ID, hex);
    text_copy(entry, sizeof entry, KTS_REGISTERED);
    text_copy(entry + strlen(entry), sizeof entry - strlen(entry), hex);
}

static void stop(void)
{
    bench_free(&b);
    rig_free(rig);
}

TestSuite(kts, .init = start, .fini = stop);

static bool is_registered(void)
{
    uint8_t stored[TRACKING_RECORD_MAX];
    size_t len;
    return store_get(b.node.store, entry, stored, sizeof stored, &len) == ERR_OK;
}

Test(kts, it_signs_what_the_vehicle_has_attested)
{
    struct tracking_memory m;
    uint8_t plain[TRACKING_SEALED_MAX], zz2[P256_POINT];
    struct span receipt, bundle;
    struct attestation said;
    size_t used;
    begin(NULL);
    struct tracking_ask a = tracking_rig_ask(rig, true);
    struct tracking_answer r = tracking_rig_tell(&b, VOS, &a, &m);
    EXPECT_ERR(r.error, ERR_OK);
    cr_expect(eq(u64, r.number, 7));
    size_t len = tracking_rig_open(rig, &r, plain);
    cr_assert(lt(sz, 0, len));
    ASSERT_OK(receipt_split(span_of(plain, len), &receipt, &bundle));
    p256_public(test_oem(TEST_NOW_S)->roles[OEM_ZZ2].key, zz2);
    ASSERT_OK(attestation_open(test_crypto(), receipt, ATTESTATION_RECEIPT, zz2, &said, &used));
    const struct attestation subject = vehicle_key_subject(&rig->key);
    cr_expect(attestation_same_key(&said, &subject));
    cr_expect(span_is(bundle, "{\"vehicle\":\"spaaksim One\"}"));
    cr_expect(is_registered());
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_STEP)->step, (char *)"OP-05/1"));
}

Test(kts, the_same_key_has_the_same_receipt)
{
    static struct tracking_memory first_memory, m;
    begin(NULL);
    struct tracking_ask a = tracking_rig_ask(rig, true);
    struct tracking_answer first = tracking_rig_tell(&b, VOS, &a, &first_memory);
    EXPECT_ERR(first.error, ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1)
            a.attestation = tracking_rig_attest(rig, rig->k.key); /* the vehicle has attested it twice */
        if (i == 2) {
            node_stop(&b.node);
            ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
        }
        a.number = 10 + i;
        struct tracking_answer r = tracking_rig_tell(&b, VOS, &a, &m);
        EXPECT_ERR(r.error, ERR_OK);
        cr_expect(eq(u64, r.number, 10 + i));
        cr_expect(span_equal(r.sealed, first.sealed) && memcmp(r.ephemeral, first.ephemeral, P256_POINT) == 0,
                  "%u", i);
    }
}

Test(kts, it_registers_nothing_that_is_not_proved)
{
    enum what { SIGNATURE, SIGNER, VEHICLE_ID, KEY_ID, NO_K, J1_AS_K, OTHER_H, SWAPPED, ENC, TRAILING };
    static const struct {
        enum what what;
        enum err reason;
    } rows[] = {{SIGNATURE, ERR_SIGNATURE_INVALID},
                {SIGNER, ERR_SIGNATURE_INVALID},
                {VEHICLE_ID, ERR_CERT_SUBJECT_MISMATCH},
                {KEY_ID, ERR_DK_ATTESTATION},
                {NO_K, ERR_DER_SYNTAX},
                {J1_AS_K, ERR_CERT_PROFILE},
                {OTHER_H, ERR_CERT_PROFILE},
                {SWAPPED, ERR_CERT_PROFILE},
                {ENC, ERR_KEY_INVALID},
                {TRAILING, ERR_DK_ATTESTATION}};
    struct tracking_memory m;
    begin(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t said[ATTESTATION_MAX + 1];
        struct tracking_ask a = tracking_rig_ask(rig, true);
        memcpy(said, a.attestation.p, a.attestation.len);
        said[a.attestation.len] = 0;
        const enum what w = rows[i].what;
        said[a.attestation.len - 1] ^= w == SIGNATURE;
        a.attestation.len += w == TRAILING;
        a.attestation.p = said;
        if (w == SIGNER)
            a.attestation = tracking_rig_attest(rig, rig->j.key);
        a.vehicle_id[7] ^= w == VEHICLE_ID;
        a.key_id[0] ^= w == KEY_ID;
        a.encryption_pk[64] ^= w == ENC;
        if (w == NO_K)
            a.vehicle.len = 0;
        if (w == J1_AS_K)
            a.vehicle = span_of(rig->j1.der, rig->j1.len);
        if (w == OTHER_H)
            a.endpoint = a.instance_ca;
        if (w == SWAPPED)
            a.instance_ca = a.device_oem;
        struct tracking_answer r = tracking_rig_tell(&b, VOS, &a, &m);
        cr_expect(eq(str, (char *)err_name(r.error), (char *)err_name(rows[i].reason)), "row %zu", i);
        cr_expect(eq(sz, r.sealed.len, 0), "row %zu", i);
        cr_expect(not(is_registered()), "row %zu", i);
    }
    struct tracking_ask a = tracking_rig_ask(rig, true);
    EXPECT_ERR(tracking_rig_tell(&b, VOS, &a, &m).error, ERR_OK);
    cr_expect(is_registered(), "the one that is true");
}

Test(kts, a_registered_key_is_not_sealed_to_another_phone)
{
    struct tracking_memory m;
    begin(NULL);
    struct tracking_ask a = tracking_rig_ask(rig, true);
    EXPECT_ERR(tracking_rig_tell(&b, VOS, &a, &m).error, ERR_OK);
    p256_public(rig->j.key, a.encryption_pk);
    struct tracking_answer r = tracking_rig_tell(&b, VOS, &a, &m);
    EXPECT_ERR(r.error, ERR_KEY_REGISTERED);
    cr_expect(eq(sz, r.sealed.len, 0));
}

Test(kts, it_signs_later_and_keeps_the_registration_over_a_restart)
{
    static const uint64_t settings[] = {1000};
    struct tracking_memory m;
    uint8_t plain[TRACKING_SEALED_MAX];
    begin(settings);
    struct tracking_ask a = tracking_rig_ask(rig, true);
    EXPECT_ERR(tracking_rig_tell(&b, VOS, &a, &m).error, ERR_RECEIPT_PENDING);
    cr_expect(is_registered());
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = "", .settings = settings}));
    b.wall_ms += 999;
    EXPECT_ERR(tracking_rig_tell(&b, VOS, &a, &m).error, ERR_RECEIPT_PENDING);
    b.wall_ms += 1;
    struct tracking_answer r = tracking_rig_tell(&b, VOS, &a, &m);
    EXPECT_ERR(r.error, ERR_OK);
    cr_expect(lt(sz, 0, tracking_rig_open(rig, &r, plain)));
    cr_expect(eq(sz, bench_count(&b, TRACE_HOLD, ERR_RECEIPT_PENDING), 2));
}

Test(kts, what_is_no_request_gets_no_answer)
{
    uint8_t out[TRACKING_MESSAGE_MAX];
    struct wr w = wr_of(out, sizeof out);
    begin(NULL);
    struct tracking_ask a = tracking_rig_ask(rig, true);
    ASSERT_OK(tracking_ask_write(&a, &w));
    for (size_t len = 0; len < w.len; len += len < 64 ? 1 : 61)
        node_on_bytes(&b.node, VOS, "vos", span_of(out, len));
    cr_expect(eq(sz, b.sent_count, 0));
    cr_expect(not(is_registered()));
    node_on_bytes(&b.node, VOS, "vos", span_of(out, w.len));
    cr_expect(eq(sz, b.sent_count, 1));
}

Test(kts, it_does_not_start_with_a_key_that_is_not_zz2)
{
    bench_prepare(&b, &kts_class, test_crypto());
    test_equip(&kts_class, "", b.node.store);
    const struct oem_identity *z1 = &test_oem(TEST_NOW_S)->roles[OEM_Z1];
    ASSERT_OK(store_set(b.node.store, KTS_CERTIFICATE, span_of(z1->der, z1->len)));
    EXPECT_ERR(bench_start(&b, &(struct component_args){.serial = ""}), ERR_CERT_KEY_MISMATCH);
}
