/* What loading refuses of whole records, each with its reason: damage, other forms, other owners. Contents:
 * test_dk_records_contents.c. */
#include "lib/ccc/records/envelope.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/support.h"

/* ---- the envelope ---- */

static const bool kinds[] = {false, true}; /* a key, the framework */

Test(refused, every_bit_that_flipped)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    for (size_t i = 0; i < 2; i++) {
        struct keyring_record *r = kinds[i] ? &b->saved.framework : &b->saved.keys[0];
        for (size_t bit = 0; bit < 8 * r->len; bit++) {
            r->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert(eq(int, keyring_loader_load(b, kinds[i], span_of(r->bytes, r->len)), ERR_RECORD_TORN),
                      "bit %zu", bit);
            r->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        EXPECT_OK(keyring_loader_load(b, kinds[i], span_of(r->bytes, r->len)), "as it was");
    }
    keyring_loader_free(b);
}

Test(refused, every_cut_and_what_follows)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    for (size_t i = 0; i < 2; i++) {
        struct keyring_record *r = kinds[i] ? &b->saved.framework : &b->saved.keys[0];
        for (size_t len = 0; len < r->len; len++)
            cr_assert(eq(int, keyring_loader_load(b, kinds[i], span_of(r->bytes, len)), ERR_RECORD_TORN),
                      "%zu bytes", len);
        r->bytes[r->len] = 0;
        EXPECT_ERR(keyring_loader_load(b, kinds[i], span_of(r->bytes, r->len + 1)), ERR_RECORD_TORN);
    }
    EXPECT_ERR(keyring_loader_key(b, 0, (struct span){0}), ERR_RECORD_TORN);
    keyring_loader_free(b);
}

/* The digest is right in all of these. */
Test(refused, other_versions_kinds_owners_and_entries)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    const struct {
        const char *what;
        bool framework;
        struct envelope envelope;
        bool other_owner;
        enum err reason;
    } rows[] = {
        {"version 0", false, {ENVELOPE_PHONE_KEY, 0, 0, {0}}, false, ERR_RECORD_OLDER},
        {"version 1", false, {ENVELOPE_PHONE_KEY, 1, 0, {0}}, false, ERR_OK},
        {"version 2", false, {ENVELOPE_PHONE_KEY, 2, 0, {0}}, false, ERR_RECORD_NEWER},
        {"version 99", false, {ENVELOPE_PHONE_KEY, 99, 0, {0}}, false, ERR_RECORD_NEWER},
        {"another key", false, {ENVELOPE_PHONE_KEY, 1, 1, {0}}, false, ERR_RECORD_FOREIGN},
        {"another phone", false, {ENVELOPE_PHONE_KEY, 1, 0, {0}}, true, ERR_RECORD_FOREIGN},
        {"newer, another phone's", false, {ENVELOPE_PHONE_KEY, 2, 0, {0}}, true, ERR_RECORD_NEWER},
        {"another kind", false, {ENVELOPE_PHONE_FRAMEWORK, 1, 0, {0}}, false, ERR_RECORD_FOREIGN},
        {"another kind, newer", false, {ENVELOPE_PHONE_FRAMEWORK, 2, 0, {0}}, false, ERR_RECORD_FOREIGN},
        {"no kind", false, {(enum envelope_kind)0, 1, 0, {0}}, false, ERR_RECORD_FOREIGN},
        {"version 0", true, {ENVELOPE_PHONE_FRAMEWORK, 0, 0, {0}}, false, ERR_RECORD_OLDER},
        {"version 1", true, {ENVELOPE_PHONE_FRAMEWORK, 1, 0, {0}}, false, ERR_OK},
        {"version 2", true, {ENVELOPE_PHONE_FRAMEWORK, 2, 0, {0}}, false, ERR_RECORD_NEWER},
        {"version 99", true, {ENVELOPE_PHONE_FRAMEWORK, 99, 0, {0}}, false, ERR_RECORD_NEWER},
        {"an entry", true, {ENVELOPE_PHONE_FRAMEWORK, 1, 1, {0}}, false, ERR_RECORD_FOREIGN},
        {"whoever's", true, {ENVELOPE_PHONE_FRAMEWORK, 1, 0, {0}}, true, ERR_OK},
        {"a key's", true, {ENVELOPE_PHONE_KEY, 1, 0, {0}}, false, ERR_RECORD_FOREIGN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct keyring_record r = rows[i].framework ? b->saved.framework : b->saved.keys[0];
        struct envelope e = rows[i].envelope;
        memcpy(e.owner, b->device.id, sizeof e.owner);
        e.owner[0] ^= rows[i].other_owner;
        envelope_close(test_crypto(), &e, r.bytes, r.len - ENVELOPE_HEADER);
        cr_expect(eq(str,
                     (char *)err_name(keyring_loader_load(b, rows[i].framework, span_of(r.bytes, r.len))),
                     (char *)err_name(rows[i].reason)),
                  "%s, row %zu", rows[i].what, i);
    }
    keyring_loader_free(b);
}

Test(refused, records_where_they_do_not_belong)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    struct rig *other = rig_new(test_crypto());
    const struct keyring_record *key = &b->saved.keys[0], *framework = &b->saved.framework;
    EXPECT_ERR(keyring_loader_key(b, 1, span_of(key->bytes, key->len)), ERR_RECORD_FOREIGN);
    EXPECT_ERR(keyring_loader_key(b, 0, span_of(framework->bytes, framework->len)), ERR_RECORD_FOREIGN);
    EXPECT_ERR(keyring_loader_framework(b, span_of(key->bytes, key->len)), ERR_RECORD_FOREIGN);
    EXPECT_ERR(dk_record_load_key(&other->device, 0, span_of(key->bytes, key->len)), ERR_RECORD_FOREIGN);
    cr_expect(eq(sz, rig_phone_keys(other), 0));
    EXPECT_OK(keyring_loader_key(b, 0, span_of(key->bytes, key->len)), "where it belongs");
    rig_free(other);
    keyring_loader_free(b);
}

/* 10/02 stores a newer key and erases the older together: two of them are of no store of ours. */
Test(refused, a_second_key_of_one_vehicle)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    const struct keyring_record *first = &b->saved.keys[0];
    struct keyring_record second = *first;
    struct envelope e = {ENVELOPE_PHONE_KEY, 1, 1, {0}};
    memcpy(e.owner, b->device.id, sizeof e.owner);
    envelope_close(test_crypto(), &e, second.bytes, second.len - ENVELOPE_HEADER);
    EXPECT_OK(keyring_loader_key(b, 1, span_of(second.bytes, second.len)), "alone");
    ASSERT_OK(dk_record_load_key(&b->device, 0, span_of(first->bytes, first->len)));
    EXPECT_ERR(dk_record_load_key(&b->device, 1, span_of(second.bytes, second.len)), ERR_RECORD_FOREIGN);
    cr_expect(eq(int, b->applet.keys[1].state, APPLET_KEY_NONE));
    cr_expect(not(b->device.owned[1].paired));
    keyring_loader_free(b);
}

/* Header and digest to the byte. */
Test(refused, the_envelope_as_it_is)
{
    uint8_t record[ENVELOPE_HEADER + 3];
    const struct envelope e = {ENVELOPE_PHONE_KEY, 1, 5, {0xA0, 0xA1, [15] = 0xAF}};
    memcpy(record + ENVELOPE_HEADER, "abc", 3);
    envelope_close(test_crypto(), &e, record, 3);
    expect_hex(span_of(record, 28),
               "444b5231000102"
               "05a0a100000000000000000000000000af00000003",
               "header");
    uint8_t digest[SHA256_SIZE];
    const struct span parts[] = {{record, 28}, {record + ENVELOPE_HEADER, 3}};
    crypto_sha256(test_crypto(), parts, 2, digest);
    cr_expect(memcmp(record + 28, digest, sizeof digest) == 0);
}

/* The digest is right, what it is over is not. */
Test(refused, other_beginnings)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t change;
    } rows[] = {
        {"another magic", 3, '1' ^ '2'}, {"a body longer than it says", 27, 1}, {"much longer", 24, 0x80}};
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct keyring_record r = b->saved.keys[0];
        r.bytes[rows[i].at] ^= rows[i].change;
        const struct span parts[] = {{r.bytes, 28}, {r.bytes + ENVELOPE_HEADER, r.len - ENVELOPE_HEADER}};
        crypto_sha256(test_crypto(), parts, 2, r.bytes + 28);
        cr_expect(eq(int, keyring_loader_key(b, 0, span_of(r.bytes, r.len)), ERR_RECORD_TORN), "%s",
                  rows[i].what);
    }
    keyring_loader_free(b);
}
