/* A vehicle's record of a key: saved, loaded and saved again it is the same to the byte; what loading refuses
 * of whole records, each with its reason. Contents: test_vehicle_record_contents.c. */
#include "lib/ccc/records/envelope.h"
#include "tests/check.h"
#include "tests/support.h"
#include "tests/vehicle_samples.h"

static struct vehicle_sample sample;

/* ---- saved, loaded, saved again ---- */

static void prepare_pending(struct vehicle_key *k)
{
    k->state = VEHICLE_KEY_PENDING;
    k->suspended_s = 0;
    k->attested = k->tracked = false;
    k->offered = 0;
    memset(k->offers, 0, sizeof k->offers);
    k->has_kpersistent = false;
    memset(k->kpersistent, 0, sizeof k->kpersistent);
}

static void prepare_pending_used(struct vehicle_key *k)
{
    k->state = VEHICLE_KEY_PENDING;
    k->suspended_s = 0;
}

static void prepare_active(struct vehicle_key *k)
{
    (void)k;
}

static void prepare_suspended(struct vehicle_key *k)
{
    vehicle_key_suspend(k, INT64_MAX);
}

static void prepare_terminated(struct vehicle_key *k)
{
    k->state = VEHICLE_KEY_TERMINATED;
    k->has_kpersistent = false;
    memset(k->kpersistent, 0, sizeof k->kpersistent);
}

static void prepare_every_entry(struct vehicle_key *k)
{
    k->offered = 0xFF;
    for (uint8_t i = 0; i < MAILBOX_SLOTS; i++)
        k->offers[i] = (struct slot_id){.b = {0xE0, i}, .len = k->slot.len};
}

static void prepare_last_entry(struct vehicle_key *k)
{
    memset(k->offers, 0, sizeof k->offers);
    k->offered = 0x80;
    k->offers[7] = k->slot;
}

static void prepare_shortest(struct vehicle_key *k)
{
    static const struct mailbox_map map = {
        .slot_bitmap = 1, .slots = 2, .oem = 10, .attestation = 10, .end = 10};
    memset(k, 0, sizeof *k);
    k->role = VEHICLE_KEY_OWNER;
    k->state = VEHICLE_KEY_PENDING;
    k->slot.len = 1;
    k->map = map;
    memcpy(k->vehicle_id, sample.key.vehicle_id, sizeof k->vehicle_id);
    memcpy(k->key_id, sample.key.key_id, sizeof k->key_id);
    memcpy(k->device_pk, sample.key.device_pk, sizeof k->device_pk);
}

static void prepare_no_dates(struct vehicle_key *k)
{
    k->not_before_s = k->not_after_s = k->suspended_s = 0;
}

static void prepare_tokens_elsewhere(struct vehicle_key *k)
{
    k->tokens_by_vehicle = false;
}

static void prepare_longest(struct vehicle_key *k)
{
    static const struct mailbox_map map = {0, 1, 130, 258, 300, MAILBOX_PRIVATE_MAX, 64};
    prepare_every_entry(k);
    k->slot.len = ENDPOINT_SLOT_MAX;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        k->offers[i].len = ENDPOINT_SLOT_MAX;
    k->options_1 = 0xFF;
    k->options_2 = (uint8_t)~ENDPOINT_RESERVED;
    k->not_before_s = -2;
    k->not_after_s = k->suspended_s = -1; /* the longest number of the form */
    k->map = map;
}

static const struct setup {
    const char *name;
    void (*prepare)(struct vehicle_key *k);
} setups[] = {
    {"as pairing leaves it", prepare_pending},
    {"pending, after transactions", prepare_pending_used},
    {"active", prepare_active},
    {"suspended", prepare_suspended},
    {"terminated", prepare_terminated},
    {"every entry given out", prepare_every_entry},
    {"the last entry alone", prepare_last_entry},
    {"as little as there may be", prepare_shortest},
    {"no dates", prepare_no_dates},
    {"tokens not from the vehicle", prepare_tokens_elsewhere},
    {"as long as it may be", prepare_longest},
};

static enum err load(const struct vehicle_key *k, struct span record, struct vehicle_key *out)
{
    memset(out, 0, sizeof *out);
    return vehicle_record_load(test_crypto(), k->vehicle_id, k->key_id, record, out);
}

/* All of the structure but the key that was made again. */
static void expect_same(const struct vehicle_key *a, struct vehicle_key *b, const char *what)
{
    struct p256_key *open = b->device_key;
    uint8_t pk[P256_POINT];
    cr_assert(open != NULL, "%s: open", what);
    p256_public(open, pk);
    cr_expect(memcmp(pk, a->device_pk, sizeof pk) == 0, "%s: device.PK", what);
    b->device_key = NULL;
    cr_expect(memcmp(a, b, sizeof *a) == 0, "%s", what);
    b->device_key = open;
}

Test(vehicle_record, saved_the_same_after_loading)
{
    uint8_t before[VEHICLE_RECORD_MAX], after[VEHICLE_RECORD_MAX];
    size_t len, again;
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++) {
        struct vehicle_key k, loaded;
        vehicle_sample_make(test_crypto(), &sample);
        k = sample.key;
        setups[i].prepare(&k);
        ASSERT_OK(vehicle_record_save(test_crypto(), &k, before, sizeof before, &len));
        EXPECT_OK(load(&k, span_of(before, len), &loaded), "%s", setups[i].name);
        expect_same(&k, &loaded, setups[i].name);
        ASSERT_OK(vehicle_record_save(test_crypto(), &loaded, after, sizeof after, &again));
        cr_expect(span_equal(span_of(before, len), span_of(after, again)), "%s", setups[i].name);
        vehicle_key_close(&loaded);
    }
}

/* Every member is in the bytes: another value, other bytes. */
#define MEMBERS(X)                         \
    X(k->state = VEHICLE_KEY_SUSPENDED)    \
    X(k->slot.b[0] ^= 1)                   \
    X(k->options_1 ^= 1)                   \
    X(k->options_2 ^= 1)                   \
    X(k->not_before_s++)                   \
    X(k->not_after_s++)                    \
    X(k->suspended_s++)                    \
    X(k->map.attestation++)                \
    X(k->map.end++)                        \
    X(k->map.token_len++)                  \
    X(k->tokens_by_vehicle = false)        \
    X(k->offered = 0x01)                   \
    X(k->offers[0].b[0] ^= 1)              \
    X(k->offers[2].b[0] ^= 1)              \
    X(k->attested = false)                 \
    X(k->tracked = false)                  \
    X(k->has_kpersistent = false)          \
    X(k->kpersistent[31] ^= 1)             \
    X(k->vehicle_id[7] ^= 1)               \
    X(k->long_term_shared_secret[15] ^= 1) \
    X(k->kble_intro[15] ^= 1)              \
    X(k->kble_oob_master[15] ^= 1)

Test(vehicle_record, every_member_is_saved)
{
    uint8_t was[VEHICLE_RECORD_MAX], is[VEHICLE_RECORD_MAX];
    size_t len, now;
    vehicle_sample_make(test_crypto(), &sample);
    ASSERT_OK(vehicle_record_save(test_crypto(), &sample.key, was, sizeof was, &len));
#define X(change)                                                                       \
    {                                                                                   \
        struct vehicle_key other = sample.key, *k = &other;                             \
        change;                                                                         \
        ASSERT_OK(vehicle_record_save(test_crypto(), k, is, sizeof is, &now));          \
        cr_expect(not(span_equal(span_of(was, len), span_of(is, now))), "%s", #change); \
    }
    MEMBERS(X)
#undef X
}

/* Left behind, but of no meaning any more. */
Test(vehicle_record, leftovers_are_not_saved)
{
    uint8_t clean[VEHICLE_RECORD_MAX], left[VEHICLE_RECORD_MAX];
    size_t len, now;
    vehicle_sample_make(test_crypto(), &sample);
    struct vehicle_key k = sample.key;
    prepare_terminated(&k);
    ASSERT_OK(vehicle_record_save(test_crypto(), &k, clean, sizeof clean, &len));
    k.has_kpersistent = true;
    memset(k.kpersistent, 0xAB, sizeof k.kpersistent);
    k.offers[1] = k.offers[7] = k.slot;
    ASSERT_OK(vehicle_record_save(test_crypto(), &k, left, sizeof left, &now));
    cr_expect(span_equal(span_of(clean, len), span_of(left, now)));
}

/* ---- room ---- */

Test(vehicle_record, the_longest_one_has_room)
{
    uint8_t out[VEHICLE_RECORD_MAX];
    size_t len;
    vehicle_sample_make(test_crypto(), &sample);
    prepare_longest(&sample.key);
    ASSERT_OK(vehicle_record_save(test_crypto(), &sample.key, out, sizeof out, &len));
    cr_expect(lt(sz, VEHICLE_RECORD_MAX - 64, len), "%zu", len);
}

Test(vehicle_record, what_does_not_fit_is_not_begun)
{
    uint8_t out[VEHICLE_RECORD_MAX] = {0};
    size_t len = 7;
    vehicle_sample_make(test_crypto(), &sample);
    const struct vehicle_key *k = &sample.key;
    const size_t caps[] = {0, ENVELOPE_HEADER - 1, ENVELOPE_HEADER, sample.len - 1};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++)
        EXPECT_ERR(vehicle_record_save(test_crypto(), k, out, caps[i], &len), ERR_NO_SPACE);
    cr_expect(eq(sz, len, 7));
    for (size_t i = 0; i < sizeof out; i++)
        cr_assert(eq(int, out[i], 0));
    EXPECT_OK(vehicle_record_save(test_crypto(), k, out, sample.len, &len), "just enough");
}

/* ---- names ---- */

Test(vehicle_record, names)
{
    static const char name[] = "dk/vehicle-key/000102030405060708090a0b0c0d0e0f10111213";
    static const char *const others[] = {"",
                                         "dk/vehicle-key/",
                                         "dk/vehicle-kex/000102030405060708090a0b0c0d0e0f10111213",
                                         "dk/vehicle-key/000102030405060708090a0b0c0d0e0f1011121",
                                         "dk/vehicle-key/000102030405060708090a0b0c0d0e0f101112134",
                                         "dk/vehicle-key/000102030405060708090a0b0c0d0e0f1011121314",
                                         "dk/vehicle-key/000102030405060708090A0b0c0d0e0f10111213",
                                         "dk/vehicle-key/000102030405060708090g0b0c0d0e0f10111213"};
    char out[VEHICLE_RECORD_NAME_MAX];
    uint8_t id[ENDPOINT_KEY_ID], read[ENDPOINT_KEY_ID];
    for (uint8_t i = 0; i < sizeof id; i++)
        id[i] = i;
    vehicle_record_name(id, out);
    cr_expect(eq(str, out, (char *)name));
    cr_expect(eq(sz, sizeof name, VEHICLE_RECORD_NAME_MAX));
    EXPECT_OK(vehicle_record_parse_name(name, read), "%s", name);
    cr_expect(memcmp(id, read, sizeof id) == 0);
    memset(read, 0xAA, sizeof read);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect(eq(int, vehicle_record_parse_name(others[i], read), ERR_NOT_FOUND), "%s", others[i]);
    cr_expect(eq(int, read[0], 0xAA));
}

/* ---- refused ---- */

Test(vehicle_record, every_bit_that_flipped)
{
    vehicle_sample_make(test_crypto(), &sample);
    for (size_t bit = 0; bit < 8 * sample.len; bit++) {
        sample.record[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(eq(int, vehicle_sample_load(test_crypto(), &sample, span_of(sample.record, sample.len)),
                     ERR_RECORD_TORN),
                  "bit %zu", bit);
        sample.record[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    EXPECT_OK(vehicle_sample_load(test_crypto(), &sample, span_of(sample.record, sample.len)), "as it was");
}

Test(vehicle_record, every_cut_and_what_follows)
{
    vehicle_sample_make(test_crypto(), &sample);
    for (size_t len = 0; len < sample.len; len++)
        cr_assert(eq(int, vehicle_sample_load(test_crypto(), &sample, span_of(sample.record, len)),
                     ERR_RECORD_TORN),
                  "%zu bytes", len);
    sample.record[sample.len] = 0;
    EXPECT_ERR(vehicle_sample_load(test_crypto(), &sample, span_of(sample.record, sample.len + 1)),
               ERR_RECORD_TORN);
    EXPECT_ERR(vehicle_sample_load(test_crypto(), &sample, (struct span){0}), ERR_RECORD_TORN);
}

/* The digest is right in all of these. */
Test(vehicle_record, other_versions_kinds_owners_and_entries)
{
    static const struct {
        const char *what;
        struct envelope envelope; /* owner: what is changed of it */
        enum err reason;
    } rows[] = {
        {"version 0", {ENVELOPE_VEHICLE_KEY, 0, 0, {0}}, ERR_RECORD_OLDER},
        {"version 1", {ENVELOPE_VEHICLE_KEY, 1, 0, {0}}, ERR_OK},
        {"version 2", {ENVELOPE_VEHICLE_KEY, 2, 0, {0}}, ERR_RECORD_NEWER},
        {"version 99", {ENVELOPE_VEHICLE_KEY, 99, 0, {0}}, ERR_RECORD_NEWER},
        {"an entry", {ENVELOPE_VEHICLE_KEY, 1, 1, {0}}, ERR_RECORD_FOREIGN},
        {"another vehicle", {ENVELOPE_VEHICLE_KEY, 1, 0, {[7] = 1}}, ERR_RECORD_FOREIGN},
        {"another key", {ENVELOPE_VEHICLE_KEY, 1, 0, {[8] = 1}}, ERR_RECORD_FOREIGN},
        {"another key", {ENVELOPE_VEHICLE_KEY, 1, 0, {[15] = 1}}, ERR_RECORD_FOREIGN},
        {"newer, another vehicle's", {ENVELOPE_VEHICLE_KEY, 2, 0, {1}}, ERR_RECORD_NEWER},
        {"a phone's key", {ENVELOPE_PHONE_KEY, 1, 0, {0}}, ERR_RECORD_FOREIGN},
        {"a phone's key, newer", {ENVELOPE_PHONE_KEY, 2, 0, {0}}, ERR_RECORD_FOREIGN},
        {"a phone's framework", {ENVELOPE_PHONE_FRAMEWORK, 1, 0, {0}}, ERR_RECORD_FOREIGN},
        {"no kind", {(enum envelope_kind)0, 1, 0, {0}}, ERR_RECORD_FOREIGN},
    };
    vehicle_sample_make(test_crypto(), &sample);
    const struct envelope honest = vehicle_sample_envelope(&sample);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct envelope e = rows[i].envelope;
        for (size_t j = 0; j < sizeof e.owner; j++)
            e.owner[j] ^= honest.owner[j];
        envelope_close(test_crypto(), &e, sample.record, sample.len - ENVELOPE_HEADER);
        enum err got = vehicle_sample_load(test_crypto(), &sample, span_of(sample.record, sample.len));
        cr_expect(eq(str, (char *)err_name(got), (char *)err_name(rows[i].reason)), "%s, row %zu",
                  rows[i].what, i);
    }
}

/* The reader wants another one: also where only what the envelope does not tell is another. */
Test(vehicle_record, where_it_does_not_belong)
{
    vehicle_sample_make(test_crypto(), &sample);
    for (size_t i = 0; i < ENDPOINT_KEY_ID; i++) {
        struct vehicle_key wanted = sample.key, out;
        wanted.key_id[i] ^= 1;
        cr_expect(eq(int, load(&wanted, span_of(sample.record, sample.len), &out), ERR_RECORD_FOREIGN),
                  "byte %zu", i);
        cr_expect(eq(int, out.role, 0));
    }
}

/* Envelope and name agree, the key inside is another one's. */
Test(vehicle_record, a_key_under_another_ones_name)
{
    vehicle_sample_make(test_crypto(), &sample);
    struct envelope e = vehicle_sample_envelope(&sample);
    e.owner[TRANSACTION_VEHICLE_ID] ^= 1;
    sample.key.key_id[0] ^= 1;
    envelope_close(test_crypto(), &e, sample.record, sample.len - ENVELOPE_HEADER);
    EXPECT_ERR(vehicle_sample_load(test_crypto(), &sample, span_of(sample.record, sample.len)),
               ERR_RECORD_TORN);
}
