/* Attestations, receipts and certificates of the Digital Key: both ways, and what is refused. */
#include "lib/ccc/attestation.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/tlv.h"
#include "tests/ccc_samples.h"
#include "tests/foreign_cert.h"
#include "tests/support.h"

/* ---- attestation, receipt ---- */

static struct attestation some_attestation(void)
{
    struct attestation a = {.key_id = {1, 2, 3}, .vehicle_id = {4, 5}, .slot = {.b = {9}, .len = 8}};
    unhex(V4_DPK, a.device_pk, sizeof a.device_pk);
    return a;
}

Test(attestation, both_kinds_and_their_refusals)
{
    struct crypto *c = test_crypto();
    struct attestation a = some_attestation(), back, other = a;
    struct p256_key *key;
    uint8_t pk[P256_POINT], buf[ATTESTATION_MAX];
    size_t used;
    cr_assert(p256_generate(c, &key) == ERR_OK);
    p256_public(key, pk);
    struct wr w = wr_of(buf, sizeof buf);
    EXPECT_ERR(attestation_make(c, &a, ATTESTATION_OF_VEHICLE, key, &w), ERR_OK);
    expect_hex(span_of(buf, 6), "7f2b76410101", "bytes");
    EXPECT_ERR(attestation_open(c, span_of(buf, w.len), ATTESTATION_OF_VEHICLE, pk, &back, &used), ERR_OK);
    cr_expect(eq(sz, used, w.len));
    cr_expect(memcmp(&a, &back, sizeof a) == 0);
    EXPECT_ERR(attestation_open(c, span_of(buf, w.len), ATTESTATION_RECEIPT, pk, &back, &used),
               ERR_CERT_PURPOSE);
    w = wr_of(buf, sizeof buf);
    EXPECT_ERR(attestation_make(c, &a, ATTESTATION_RECEIPT, key, &w), ERR_OK);
    cr_expect(eq(sz, w.len, ATTESTATION_RECEIPT_SIZE(8)));
    EXPECT_ERR(attestation_check_receipt(c, span_of(buf, sizeof buf), pk, &a), ERR_OK);
    other.key_id[0] ^= 1;
    EXPECT_ERR(attestation_check_receipt(c, span_of(buf, w.len), pk, &other), ERR_DK_ATTESTATION);
    other = a;
    other.slot.b[0] ^= 1;
    EXPECT_ERR(attestation_check_receipt(c, span_of(buf, w.len), pk, &other), ERR_DK_ATTESTATION);
    for (size_t i = 0; i < w.len; i++) {
        buf[i] ^= 0x04;
        cr_expect(attestation_check_receipt(c, span_of(buf, w.len), pk, &a) != ERR_OK, "byte %zu", i);
        buf[i] ^= 0x04;
        cr_expect(attestation_check_receipt(c, span_of(buf, i), pk, &a) != ERR_OK, "%zu bytes", i);
    }
    p256_free(key);
}

/* The right signer signs something else. */
Test(attestation, signed_but_wrong)
{
    static const char *const statements[] = {
        "7F2B00", "7F2B0B410102920093044F504154", /* no version, another version */
        "7F2B03410101",                           /* nothing but a version */
        ("7F2B2B410101921401020304050607080910111213141516171819204D0801020304050607084E0093044B5453"
         "31"), /* slot */
    };
    struct crypto *c = test_crypto();
    struct attestation a;
    struct p256_key *key;
    uint8_t pk[P256_POINT], buf[ATTESTATION_MAX], signature[SIGNATURE_SIZE];
    size_t used, len = 0;
    ASSERT_OK(p256_generate(c, &key));
    p256_public(key, pk);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        HEX(statement, statements[i]);
        struct wr w = wr_of(buf, sizeof buf);
        ASSERT_OK(signature_make(c, span_of(statement, statement_len), key, signature));
        wr_copy(&w, statement, statement_len);
        tlv_put(&w, 0x9E, span_of(signature, sizeof signature));
        EXPECT_ERR(attestation_open(c, span_of(buf, w.len), ATTESTATION_RECEIPT, pk, &a, &used),
                   ERR_MSG_MALFORMED);
        len = w.len;
    }
    pk[40] ^= 1;
    EXPECT_ERR(attestation_open(c, span_of(buf, len), ATTESTATION_RECEIPT, pk, &a, &used), ERR_KEY_INVALID);
    p256_free(key);
}

Test(attestation, receipt_with_its_bundle)
{
    struct span receipt, bundle;
    HEX(good, "7F2B009E00C003616263");
    EXPECT_ERR(receipt_split(span_of(good, good_len), &receipt, &bundle), ERR_OK);
    expect_hex(receipt, "7f2b009e00", "bytes");
    expect_hex(bundle, "616263", "bytes");
    static const char *const bad[] = {"7F2B009E00", "7F2B00C003616263", "7F2B009E00C00361626300",
                                      "9E007F2B00C000", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        HEX(in, bad[i]);
        EXPECT_ERR(receipt_split(span_of(in, in_len), &receipt, &bundle), ERR_MSG_MALFORMED);
    }
}

/* ---- [H] ---- */

Test(dk_cert, extension_both_ways)
{
    struct endpoint_creation e = some_creation(), back;
    uint8_t der[DK_CERT_EXTENSION_MAX];
    size_t len;
    e.private_size = 0xFFFF;
    e.confidential_size = 0x7F;
    EXPECT_ERR(dk_cert_put_extension(&e, der, &len), ERR_OK);
    EXPECT_ERR(dk_cert_parse_extension(span_of(der, len), &back), ERR_OK);
    cr_expect(memcmp(&e, &back, sizeof e) == 0);
    for (size_t i = 0; i < len; i++)
        cr_expect(dk_cert_parse_extension(span_of(der, i), &back) != ERR_OK, "%zu bytes", i);
}

/* One encoding for each meaning: whatever still parses is written the same again. */
Test(dk_cert, changed_extensions)
{
    struct endpoint_creation e = some_creation(), back;
    uint8_t der[DK_CERT_EXTENSION_MAX], again[DK_CERT_EXTENSION_MAX];
    size_t len, again_len, refused = 0;
    ASSERT_OK(dk_cert_put_extension(&e, der, &len));
    for (size_t i = 0; i < len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            der[i] ^= (uint8_t)(1u << bit);
            if (dk_cert_parse_extension(span_of(der, len), &back)) {
                refused++;
            } else if (der[i] != 0xA3) { /* a size that became a counter limit, which is not kept */
                ASSERT_OK(dk_cert_put_extension(&back, again, &again_len));
                cr_expect(span_equal(span_of(again, again_len), span_of(der, len)), "byte %zu, bit %u", i,
                          bit);
            }
            der[i] ^= (uint8_t)(1u << bit);
        }
    cr_expect(lt(sz, 400, refused));
}

static struct x509 issue_h(struct crypto *c, const struct endpoint_creation *e, uint8_t der[X509_MAX])
{
    struct p256_key *ca;
    struct x509 h;
    size_t len;
    uint8_t device_pk[P256_POINT];
    unhex(V4_DPK, device_pk, sizeof device_pk);
    cr_assert(p256_generate(c, &ca) == ERR_OK);
    const struct dk_cert_endpoint t = {
        e, "E.phonemaker.0102030405060708", "I.phonemaker.SPAAKSIM", device_pk, TEST_NOW_S, DK_CERT_NO_END_S};
    cr_assert(dk_cert_issue_endpoint(c, &t, ca, der, &len) == ERR_OK);
    cr_assert(x509_parse(span_of(der, len), &h) == ERR_OK);
    p256_free(ca);
    return h;
}

Test(dk_cert, certificate_follows_its_profile)
{
    struct crypto *c = test_crypto();
    struct endpoint_creation e = some_creation();
    uint8_t der[X509_MAX];
    struct x509 h = issue_h(c, &e, der);
    EXPECT_ERR(x509_check_profile(c, &h, X509_ENDPOINT), ERR_OK);
    cr_expect(eq(str, h.subject, "E.phonemaker.0102030405060708"));
    cr_expect(h.not_after_s == DK_CERT_NO_END_S && h.ccc_type == 4);
    EXPECT_ERR(dk_cert_check_endpoint(c, &h, &e), ERR_OK);
}

/* ---- certificates of other makers ---- */

enum { J, F, E, H, LETTERS };

static const struct foreign_row {
    const char *name;
    int path_len[3];   /* of J, F, E; -1: none given */
    char not_critical; /* letter of the certificate whose CCC extension is not */
    enum err e;
} foreign_chains[] = {
    {"as we write them", {-1, 1, 0}, 0, ERR_OK},
    {"no limit anywhere", {-1, -1, -1}, 0, ERR_OK},
    {"limit of the root, which is just kept", {2, 1, 0}, 0, ERR_OK},
    {"F without a limit", {-1, -1, 0}, 0, ERR_OK},
    {"E without a limit", {-1, 1, -1}, 0, ERR_OK},
    {"F that allows no authority below it", {-1, 0, 0}, 0, ERR_CERT_PROFILE},
    {"root that allows one below it", {1, 1, 0}, 0, ERR_CERT_PROFILE},
    {"F wider than its profile", {-1, 2, 0}, 0, ERR_CERT_PROFILE},
    {"E wider than its profile", {-1, 1, 1}, 0, ERR_CERT_PROFILE},
    {"extension of F not critical", {-1, 1, 0}, 'F', ERR_CERT_PROFILE},
    {"extension of E not critical", {-1, 1, 0}, 'E', ERR_CERT_PROFILE},
    {"extension of H not critical", {-1, 1, 0}, 'H', ERR_CERT_PROFILE},
};

static enum err check_foreign(struct crypto *c, const struct foreign_row *row)
{
    static const char *const subjects[] = {"vehicle OEM", "device OEM", "instance CA", "E.phone.01"};
    static const uint8_t types[] = {9, 2, 3, 4};
    struct p256_key *keys[LETTERS];
    uint8_t der[LETTERS][X509_MAX], extension[DK_CERT_EXTENSION_MAX];
    struct span certificates[LETTERS];
    struct endpoint_creation creation = some_creation();
    size_t len;
    ASSERT_OK(dk_cert_put_extension(&creation, extension, &len));
    for (size_t i = 0; i < LETTERS; i++) {
        const struct foreign_cert f = {.subject = subjects[i],
                                       .issuer = subjects[i ? i - 1 : 0],
                                       .key = (p256_generate(c, &keys[i]), keys[i]),
                                       .issuer_key = keys[i ? i - 1 : 0],
                                       .path_len = i < H ? row->path_len[i] : -2,
                                       .ccc_type = types[i],
                                       .ccc_not_critical = row->not_critical == "JFEH"[i],
                                       .ccc_value = span_of(extension, i == H ? len : 0)};
        certificates[i] = span_of(der[i], foreign_cert_make(c, &f, der[i]));
    }
    struct x509 root, h;
    const struct dk_cert_device_chain chain = {certificates[F], certificates[E], certificates[H]};
    ASSERT_OK(x509_parse(certificates[J], &root));
    enum err e = dk_cert_check_device(c, &root, &chain, TEST_NOW_S, &h);
    if (!e)
        EXPECT_ERR(dk_cert_check_endpoint(c, &h, &creation), ERR_OK);
    for (size_t i = 0; i < LETTERS; i++)
        p256_free(keys[i]);
    return e;
}

Test(dk_cert, chains_of_other_makers)
{
    for (size_t i = 0; i < sizeof foreign_chains / sizeof foreign_chains[0]; i++) {
        enum err e = check_foreign(test_crypto(), &foreign_chains[i]);
        cr_expect(eq(int, (int)e, (int)foreign_chains[i].e), "%s: %s", foreign_chains[i].name, err_name(e));
    }
}

static const struct {
    const char *name, *subject;
    bool not_critical;
    enum err e;
} vehicles[] = {
    {"as we write it", "V.spaaksim.EU.0001.00010123456789AB", false, ERR_OK},
    {"identifier in lower case", "V.spaaksim.EU.0001.00010123456789ab", false, ERR_OK},
    {"another identifier", "V.spaaksim.EU.0001.00010123456789AC", false, ERR_CERT_SUBJECT_MISMATCH},
    {"extension not critical", "V.spaaksim.EU.0001.00010123456789AB", true, ERR_CERT_PROFILE},
};

Test(dk_cert, vehicles_of_other_makers)
{
    struct crypto *c = test_crypto();
    struct endpoint_creation asked = some_creation();
    struct p256_key *root, *vehicle;
    uint8_t j[X509_MAX], k[X509_MAX];
    struct x509 anchor;
    ASSERT_OK(p256_generate(c, &root));
    ASSERT_OK(p256_generate(c, &vehicle));
    p256_public(vehicle, asked.vehicle_pk);
    const struct foreign_cert of_j = {
        .subject = "OEM", .issuer = "OEM", .key = root, .issuer_key = root, .path_len = -1, .ccc_type = 9};
    ASSERT_OK(x509_parse(span_of(j, foreign_cert_make(c, &of_j, j)), &anchor));
    for (size_t i = 0; i < sizeof vehicles / sizeof vehicles[0]; i++) {
        const struct foreign_cert of_k = {.subject = vehicles[i].subject,
                                          .issuer = "OEM",
                                          .key = vehicle,
                                          .issuer_key = root,
                                          .path_len = -2,
                                          .ccc_type = 1,
                                          .ccc_not_critical = vehicles[i].not_critical};
        const struct dk_cert_vehicle_chain chain = {
            .vehicle = span_of(k, foreign_cert_make(c, &of_k, k)), .roots = &anchor, .n_roots = 1};
        enum err e = dk_cert_check_vehicle(c, &chain, &asked, TEST_NOW_S);
        cr_expect(eq(int, (int)e, (int)vehicles[i].e), "%s: %s", vehicles[i].name, err_name(e));
    }
    p256_free(root);
    p256_free(vehicle);
}

Test(dk_cert, every_member_of_h_is_compared)
{
    struct crypto *c = test_crypto();
    struct endpoint_creation asked = some_creation();
    uint8_t der[X509_MAX];
    struct x509 h = issue_h(c, &asked, der);
    uint8_t *const members[] = {asked.vehicle_id,
                                asked.vehicle_pk + 5,
                                asked.authorized_pk + 5,
                                asked.slot.b,
                                (uint8_t *)&asked.version,
                                (uint8_t *)&asked.confidential_size,
                                (uint8_t *)&asked.private_size};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        *members[i] ^= 1;
        cr_expect(eq(int, dk_cert_check_endpoint(c, &h, &asked), ERR_DK_KEY_MISMATCH), "member %zu", i);
        *members[i] ^= 1;
    }
    asked.options_1 |= ENDPOINT_EXCHANGE_AFTER_FAST; /* the device may grant itself less */
    EXPECT_ERR(dk_cert_check_endpoint(c, &h, &asked), ERR_OK);
    asked.options_1 = ENDPOINT_STANDARD_CONTACTLESS; /* never more */
    EXPECT_ERR(dk_cert_check_endpoint(c, &h, &asked), ERR_DK_KEY_MISMATCH);
}

Test(dk_cert, names)
{
    char id[X509_CN_MAX + 1];
    const uint8_t unique[8] = {1, 2, 3, 4, 5, 6, 7, 0xFF};
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    cr_expect(span_is(dk_cert_manufacturer("V.spaaksim.EU.0001.00010123456789AB"), "spaaksim"));
    cr_expect(dk_cert_manufacturer("E.spaaksim").p == NULL);
    EXPECT_ERR(dk_cert_vehicle_id("V.spaaksim.EU.0001.00010123456789AB", vehicle_id), ERR_OK);
    expect_hex(span_of(vehicle_id, 8), "00010123456789ab", "bytes");
    EXPECT_ERR(dk_cert_vehicle_id("V.spaaksim.EU.0001.00010123456789AG", vehicle_id),
               ERR_CERT_SUBJECT_MISMATCH);
    EXPECT_ERR(dk_cert_vehicle_id("V.spaaksim.EU.0001.00010123456789aB", vehicle_id), ERR_OK);
    expect_hex(span_of(vehicle_id, 8), "00010123456789ab", "digits of either case");
    cr_expect(span_is(dk_cert_manufacturer("V.spaaksim.EU.0001.00010123456789aB"), "spaaksim"));
    EXPECT_ERR(dk_cert_endpoint_id("phonemaker", unique, id), ERR_OK);
    cr_expect(eq(str, id, "E.phonemaker.01020304050607ff"));
    EXPECT_ERR(
        dk_cert_instance_ca_id("a phone maker with a name that is very long", "a vehicle maker likewise", id),
        ERR_NO_SPACE);
}
