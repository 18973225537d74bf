/* What a phone finds in its store when it starts. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/records/envelope.h"
#include "tests/check.h"
#include "tests/handset_bench.h"
#include "tests/phone.h"

static void reseal(struct handset_bench *h, const char *key, struct span plain)
{
    const struct seal seal = {test_crypto(), &phone_class, test_store_key};
    struct seal_value v;
    ASSERT_OK(seal_make(&seal, key, plain, &v));
    ASSERT_OK(store_set(h->b.node.store, key, span_of(v.bytes, v.len)));
    seal_value_free(&v);
}

static struct handset_bench *paired(void)
{
    struct handset_bench *h = handset_bench_new();
    handset_type_password(h);
    ASSERT_OK(handset_pair(h->rig));
    return h;
}

/* What can be wrong with a record. */
enum damage { TORN, CUT, EMPTY, OLDER, NEWER, FOREIGN };

static void change_version(uint8_t *p, size_t len, uint16_t version)
{
    const struct envelope_wanted any = {.kind = (enum envelope_kind)p[6],
                                        .oldest = DK_RECORD_VERSION,
                                        .newest = DK_RECORD_VERSION,
                                        .entry = p[7]};
    struct envelope e;
    struct span body;
    ASSERT_OK(envelope_open(test_crypto(), span_of(p, len), &any, &e, &body));
    e.version = version;
    envelope_close(test_crypto(), &e, p, body.len);
}

static void damage(uint8_t *p, size_t *len, enum damage how, struct handset_bench *other, const char *key)
{
    switch (how) {
    case TORN:
        p[*len / 2] ^= 1;
        break;
    case CUT:
        *len -= 1;
        break;
    case EMPTY:
        *len = 0;
        break;
    case OLDER:
    case NEWER:
        change_version(p, *len, how == OLDER ? DK_RECORD_VERSION - 1 : DK_RECORD_VERSION + 1);
        break;
    case FOREIGN:
        ASSERT_OK(bench_secret(&other->b, key, p, DK_RECORD_FRAMEWORK_MAX, len));
        break;
    }
}

static const struct {
    const char *name;
    enum damage how;
    enum err key, framework; /* what loading says of that record */
} rows[] = {
    {"a bit", TORN, ERR_RECORD_TORN, ERR_RECORD_TORN},
    {"cut", CUT, ERR_RECORD_TORN, ERR_RECORD_TORN},
    {"empty", EMPTY, ERR_RECORD_TORN, ERR_RECORD_TORN},
    {"an older form", OLDER, ERR_RECORD_OLDER, ERR_RECORD_OLDER},
    {"a newer form", NEWER, ERR_RECORD_NEWER, ERR_RECORD_NEWER},
    {"another phone's", FOREIGN, ERR_RECORD_FOREIGN, ERR_OK},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void spoil(struct handset_bench *h, const char *key, enum damage how, struct handset_bench *other)
{
    static uint8_t record[DK_RECORD_FRAMEWORK_MAX];
    size_t len;
    ASSERT_OK(bench_secret(&h->b, key, record, sizeof record, &len));
    damage(record, &len, how, other, key);
    reseal(h, key, span_of(record, len));
}

/* One that cannot be read is left out, and stays where it is; the phone can be paired again. */
Test(handset_records, a_key_that_cannot_be_read_is_left_out)
{
    struct handset_bench *other = paired();
    for (size_t i = 0; i < ROWS; i++) {
        struct handset_bench *h = paired();
        spoil(h, "dk/key/0", rows[i].how, other);
        h->b.trace_count = 0;
        handset_restart(h);
        const struct trace_event *e = bench_last(&h->b, TRACE_FAIL);
        cr_assert(e != NULL, "%s", rows[i].name);
        cr_expect(eq(str, (char *)err_name(e->reason), (char *)err_name(rows[i].key)), "%s", rows[i].name);
        cr_expect(eq(str, (char *)e->message, "dk/key/0"), "%s", rows[i].name);
        cr_expect(eq(str, (char *)handset_shown(h, "keys"), "none"), "%s", rows[i].name);
        EXPECT_ERR(handset_unlock(h->rig), ERR_DK_STATUS);
        handset_type_password(h);
        vehicle_key_close(&h->rig->key);
        memset(&h->rig->key, 0, sizeof h->rig->key);
        h->rig->store.record_len = 0;
        memset(&h->rig->store.key, 0, sizeof h->rig->store.key);
        h->rig->finish_config.transaction.n_keys = 0;
        EXPECT_OK(handset_pair(h->rig), "%s", rows[i].name);
        handset_restart(h);
        EXPECT_OK(handset_unlock(h->rig), "%s", rows[i].name);
        handset_bench_free(h);
    }
    handset_bench_free(other);
}

/* Then there is no Digital Key in this phone, and nothing in its store is overwritten; its app goes on. */
Test(handset_records, a_framework_that_cannot_be_read_leaves_none)
{
    uint8_t answer[APDU_RESPONSE_MAX], before[DK_RECORD_FRAMEWORK_MAX + 64], after[sizeof before];
    size_t before_len, after_len;
    char unusable[ENV_TEXT_MAX];
    for (size_t i = 0; i < ROWS; i++) {
        if (!rows[i].framework)
            continue;
        struct handset_bench *h = paired();
        spoil(h, DK_RECORD_FRAMEWORK_NAME, rows[i].how, NULL);
        ASSERT_OK(store_get(h->b.node.store, DK_RECORD_FRAMEWORK_NAME, before, sizeof before, &before_len));
        handset_restart(h);
        snprintf(unusable, sizeof unusable, "unusable: %s", err_name(rows[i].framework));
        cr_expect(eq(str, (char *)handset_shown(h, "framework"), unusable), "%s", rows[i].name);
        cr_expect(eq(sz, handset_say(h, SELECT_APPLET, answer), 0), "%s", rows[i].name);
        EXPECT_ERR(handset_call(h, "type-password", 0, RIG_PASSWORD), rows[i].framework);
        EXPECT_ERR(handset_call(h, "delete-key", 0, NULL), rows[i].framework);
        ASSERT_OK(handset_call(h, "battery", 0, NULL));
        ASSERT_OK(handset_call(h, "battery", 1, NULL));
        cr_expect(eq(str, (char *)handset_shown(h, "framework"), unusable), "%s", rows[i].name);
        EXPECT_OK(handset_call(h, "sign-in", 0, NULL), "%s", rows[i].name);
        ASSERT_OK(store_get(h->b.node.store, DK_RECORD_FRAMEWORK_NAME, after, sizeof after, &after_len));
        cr_expect(span_equal(span_of(before, before_len), span_of(after, after_len)), "%s", rows[i].name);
        handset_bench_free(h);
    }
}

/* With another phone's framework the keys are nobody's. */
Test(handset_records, another_phones_framework_takes_no_keys)
{
    struct handset_bench *other = paired(), *h = paired();
    spoil(h, DK_RECORD_FRAMEWORK_NAME, FOREIGN, other);
    h->b.trace_count = 0;
    handset_restart(h);
    cr_expect(eq(sz, bench_count(&h->b, TRACE_FAIL, ERR_RECORD_FOREIGN), 1));
    cr_expect(eq(str, (char *)handset_shown(h, "keys"), "none"));
    handset_bench_free(h);
    handset_bench_free(other);
}

/* All of them lie sealed, and none is longer than its class says. */
Test(handset_records, nothing_secret_lies_open_in_the_store)
{
    struct handset_bench *h = paired();
    static const char *const keys[] = {DK_RECORD_FRAMEWORK_NAME, "dk/key/0"};
    const struct handset *own = &handset_phone(h)->handset;
    uint8_t raw[DK_RECORD_FRAMEWORK_MAX + 64];
    size_t len;
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(store_get(h->b.node.store, keys[i], raw, sizeof raw, &len));
        cr_expect(sealed_names_key(test_crypto(), test_store_key, span_of(raw, len)), "%s", keys[i]);
        cr_expect(memmem(raw, len, own->device.owned[0].long_term_shared_secret, CCC_KEY) == NULL, "%s",
                  keys[i]);
        cr_expect(memmem(raw, len, own->applet.keys[0].kpersistent, TRANSACTION_KPERSISTENT) == NULL, "%s",
                  keys[i]);
        cr_expect(memmem(raw, len, own->device.id, DK_DEVICE_ID) == NULL, "%s: not even who it is", keys[i]);
    }
    handset_bench_free(h);
}

/* What a call has changed and the store refuses is as if it had not been asked for. */
Test(handset_records, a_call_that_the_store_refuses_changes_nothing)
{
    struct handset_bench *h = paired();
    static const struct {
        const char *call;
        uint64_t number;
        const char *text;
    } calls[] = {{"delete-key", 0, NULL}, {"type-password", 0, "12345678"}};
    for (size_t i = 0; i < 2; i++) {
        h->store->at = h->store->commits + 1;
        h->store->fate = RIG_REFUSED;
        EXPECT_ERR(handset_call(h, calls[i].call, calls[i].number, calls[i].text), ERR_STORE_FAILED);
        bench_run_ms(&h->b, 100);
        cr_expect(eq(str, (char *)handset_shown(h, "keys"), "0 00010123456789AB active"), "%s",
                  calls[i].call);
        cr_expect(eq(str, (char *)handset_shown(h, "framework"), "paired"), "%s", calls[i].call);
        EXPECT_OK(handset_unlock(h->rig), "%s", calls[i].call);
    }
    handset_bench_free(h);
}

/* The battery goes before the records are loaded anew: they are when it is back. */
Test(handset_records, what_is_off_is_not_loaded_anew)
{
    struct handset_bench *h = paired();
    h->store->at = h->store->commits + 1;
    h->store->fate = RIG_REFUSED;
    EXPECT_ERR(handset_call(h, "delete-key", 0, NULL), ERR_STORE_FAILED);
    ASSERT_OK(handset_call(h, "battery", 0, NULL));
    bench_run_ms(&h->b, 10000);
    cr_expect(not(handset_phone(h)->handset.open));
    cr_expect(eq(str, (char *)handset_shown(h, "framework"), "off"));
    ASSERT_OK(handset_call(h, "battery", 1, NULL));
    cr_expect(eq(str, (char *)handset_shown(h, "keys"), "0 00010123456789AB active"));
    handset_bench_free(h);
}

/* Without battery nothing of it is left in memory. */
Test(handset_records, what_is_closed_is_wiped)
{
    struct handset_bench *h = paired();
    struct handset *own = &handset_phone(h)->handset;
    ASSERT_OK(handset_call(h, "battery", 0, NULL));
    cr_expect(is_wiped(&own->device, sizeof own->device));
    cr_expect(is_wiped(own->record, sizeof own->record));
    cr_expect(is_wiped(own->applet.keys, sizeof own->applet.keys));
    for (size_t i = 0; i < HANDSET_DERIVING_MAX; i++)
        cr_expect(is_wiped(&own->deriving[i].from, sizeof own->deriving[i].from));
    handset_bench_free(h);
}
