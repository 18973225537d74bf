/* What becomes of registered keys at the key tracking server: kept, answered the same again, signed. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "backend/kts/kts.h"
#include "lib/ccc/attestation.h"
#include "lib/msg/manage.h"
#include "tests/check.h"
#include "tests/tracking_rig.h"

enum { VOS };

static struct bench b;
static struct rig *rig;
static struct tracking_ask tracked;

static void start(void)
{
    struct tracking_memory m;
    rig = tracking_rig_new();
    bench_prepare(&b, &kts_class, test_crypto());
    test_equip(&kts_class, "", b.node.store);
    ASSERT_OK(store_set(b.node.store, KTS_ROOT, span_of(rig->j.der, rig->j.len)));
    ASSERT_OK(store_set(b.node.store, KTS_SUB_CA, span_of(rig->j1.der, rig->j1.len)));
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
    tracked = tracking_rig_ask(rig, true);
    EXPECT_ERR(tracking_rig_tell(&b, VOS, &tracked, &m).error, ERR_OK);
}

static void stop(void)
{
    bench_free(&b);
    rig_free(rig);
}

TestSuite(kts_keys, .init = start, .fini = stop);

static struct manage_answer tell(bool event, enum key_action action, int64_t issued_ms)
{
    static struct tracking_memory m;
    uint8_t out[300];
    struct wr w = wr_of(out, sizeof out);
    struct manage_answer r;
    struct manage_ask a = {
        .event = event, .number = 5, .action = action, .cause = KEY_BY_SERVER, .issued_ms = issued_ms};
    memcpy(a.key_id, tracked.key_id, sizeof a.key_id);
    ASSERT_OK(manage_ask_write(&a, &w));
    b.sent_count = 0;
    node_on_bytes(&b.node, VOS, "vos", span_of(out, w.len));
    cr_assert(eq(sz, b.sent_count, 1));
    ASSERT_OK(manage_answer_read(span_of(b.sent[0].bytes, b.sent[0].len), &m, &r));
    cr_expect(eq(u64, r.number, 5));
    return r;
}

static void restart(void)
{
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = ""}));
}

Test(kts_keys, a_resumption_is_signed_once_for_the_vehicle)
{
    uint8_t zz2[P256_POINT], first[TRACKING_RESUMPTION_MAX];
    const struct attestation subject = vehicle_key_subject(&rig->key);
    struct attestation said;
    size_t used;
    EXPECT_ERR(tell(false, KEY_SUSPEND, 5000).error, ERR_OK);
    struct manage_answer r = tell(false, KEY_RESUME, 9000);
    EXPECT_ERR(r.error, ERR_OK);
    cr_expect(eq(int, r.state, KEY_ACTIVE));
    p256_public(test_oem(TEST_NOW_S)->roles[OEM_ZZ2].key, zz2);
    ASSERT_OK(attestation_open(test_crypto(), r.resumption, ATTESTATION_RESUMED, zz2, &said, &used));
    cr_expect(attestation_same_key(&said, &subject));
    cr_expect(eq(i64, said.issued_s, 9));
    memcpy(first, r.resumption.p, r.resumption.len);
    restart();
    r = tell(false, KEY_RESUME, 9000);
    cr_expect(span_equal(r.resumption, span_of(first, r.resumption.len)) && r.resumption.len > 100);
    EXPECT_ERR(tell(false, KEY_SUSPEND, 5000).error, ERR_MSG_STALE);
}

Test(kts_keys, what_has_ended_is_not_tracked_again)
{
    struct tracking_memory m;
    for (int life = 0; life < 2; life++) {
        struct manage_answer r = tell(true, KEY_TERMINATE, 5000 + life);
        EXPECT_ERR(r.error, ERR_OK);
        cr_expect(r.event && r.state == KEY_TERMINATED && r.state_ms == 5000);
        EXPECT_ERR(tracking_rig_tell(&b, VOS, &tracked, &m).error, ERR_KEY_ENDED);
        EXPECT_ERR(tell(false, KEY_RESUME, 9000).error, ERR_KEY_ENDED);
        restart();
    }
}

Test(kts_keys, a_key_that_was_never_registered_is_not_there)
{
    tracked.key_id[0] ^= 1;
    EXPECT_ERR(tell(false, KEY_SUSPEND, 5000).error, ERR_NOT_FOUND);
    EXPECT_ERR(tell(true, KEY_TERMINATE, 5000).error, ERR_NOT_FOUND);
}

Test(kts_keys, a_suspended_key_gets_its_receipt_all_the_same)
{
    struct tracking_memory m;
    EXPECT_ERR(tell(false, KEY_SUSPEND, 5000).error, ERR_OK);
    EXPECT_ERR(tracking_rig_tell(&b, VOS, &tracked, &m).error, ERR_OK);
    EXPECT_ERR(tell(false, KEY_RESUME, 5000).error, ERR_MSG_STALE);
}
