/* DER, keys, certificates and CSRs; OpenSSL is the outside judge. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "lib/pki/csr.h"
#include "lib/pki/der.h"
#include "lib/pki/x509_parts.h"
#include "sim/plant/bad_csr.h"
#include "tests/check.h"
#include "tests/support.h"

/* ---- DER ---- */

static const struct {
    const char *name, *hex;
    bool good;
} integers[] = {
    {"one", "020101", true},        {"128", "02020080", true},     {"zero", "020100", true},
    {"padded", "02020001", false},  {"empty", "0200", false},      {"negative padded", "0202FF80", false},
    {"cut", "020201", false},       {"indefinite", "0280", false}, {"long form", "02810101", false},
    {"wrong tag", "030101", false},
};

Test(der, integers_in_shortest_form_only)
{
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        uint8_t in[8];
        long n = hex_decode(integers[i].hex, strlen(integers[i].hex), in, sizeof in);
        struct rd r = rd_of(in, (size_t)n);
        der_integer(&r);
        cr_expect(eq(int, !r.failed && r.left == 0, integers[i].good), "%s", integers[i].name);
    }
}

static const struct {
    const char *text;
    uint8_t tag;
    int64_t seconds; /* -1: refused */
} times[] = {
    {"700101000000Z", DER_UTC_TIME, 0},          {"260101000000Z", DER_UTC_TIME, 1767225600},
    {"491231235959Z", DER_UTC_TIME, 2524607999}, {"20500101000000Z", DER_GENERALIZED_TIME, 2524608000},
    {"240229120000Z", DER_UTC_TIME, 1709208000}, {"261301000000Z", DER_UTC_TIME, -1},
    {"260132000000Z", DER_UTC_TIME, -1},         {"2601010000Z", DER_UTC_TIME, -1},
    {"260101000000+", DER_UTC_TIME, -1},         {"26010100000aZ", DER_UTC_TIME, -1},
};

Test(der, times_both_ways)
{
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint8_t buf[40];
        struct der_w w = der_w_of(buf, sizeof buf);
        der_put_tlv(&w, times[i].tag, times[i].text, strlen(times[i].text));
        struct span s = der_written(&w);
        struct rd r = rd_of(s.p, s.len);
        int64_t t = der_time(&r);
        cr_expect(eq(int, r.failed, times[i].seconds < 0), "%s", times[i].text);
        if (times[i].seconds < 0)
            continue;
        cr_expect(eq(i64, t, times[i].seconds), "%s", times[i].text);
        uint8_t again[40];
        w = der_w_of(again, sizeof again);
        der_put_time(&w, times[i].seconds);
        cr_expect(span_equal(der_written(&w), s), "%s", times[i].text);
    }
}

Test(der, writer_stops_at_the_front)
{
    uint8_t buf[4];
    struct der_w w = der_w_of(buf, sizeof buf);
    der_put_tlv(&w, DER_OCTET_STRING, "abc", 3);
    cr_assert(w.failed);
}

/* ---- keys ---- */

Test(p256, signatures_verify_and_no_other_does)
{
    struct crypto *c = test_crypto();
    struct p256_key *k, *other;
    uint8_t digest[SHA256_SIZE] = {1}, sig[P256_SIG_MAX];
    size_t len;
    cr_assert(eq(int, p256_generate(c, &k), ERR_OK));
    cr_assert(eq(int, p256_generate(c, &other), ERR_OK));
    cr_assert(eq(int, p256_sign(k, digest, sig, &len), ERR_OK));
    cr_expect(eq(int, p256_verify(k, digest, span_of(sig, len)), ERR_OK));
    cr_expect(eq(int, p256_verify(other, digest, span_of(sig, len)), ERR_SIGNATURE_INVALID));
    digest[0] = 2;
    cr_expect(eq(int, p256_verify(k, digest, span_of(sig, len)), ERR_SIGNATURE_INVALID));
    cr_expect(eq(int, p256_verify(k, digest, span_of(sig, 0)), ERR_SIGNATURE_INVALID));
    p256_free(k);
    p256_free(other);
}

Test(p256, private_and_public_forms)
{
    struct crypto *c = test_crypto();
    struct p256_key *k, *again;
    uint8_t scalar[P256_SCALAR], a[P256_POINT], b[P256_POINT];
    p256_generate(c, &k);
    cr_assert(eq(int, p256_private(k, scalar), ERR_OK));
    cr_assert(eq(int, p256_from_private(c, scalar, &again), ERR_OK));
    p256_public(k, a);
    p256_public(again, b);
    cr_assert(memcmp(a, b, sizeof a) == 0);
    p256_free(again);
    cr_assert(eq(int, p256_from_public(c, a, &again), ERR_OK));
    cr_assert(eq(int, p256_private(again, scalar), ERR_NOT_FOUND));
    p256_free(again);
    a[64] ^= 1;
    cr_expect(eq(int, p256_from_public(c, a, &again), ERR_KEY_INVALID), "not on the curve");
    memset(scalar, 0, sizeof scalar);
    cr_expect(eq(int, p256_from_private(c, scalar, &again), ERR_KEY_INVALID), "zero");
    memset(scalar, 0xFF, sizeof scalar);
    cr_expect(eq(int, p256_from_private(c, scalar, &again), ERR_KEY_INVALID), "above the order");
    p256_free(k);
}

Test(p256, pairs_that_were_kept)
{
    static const struct {
        const char *what, *scalar;
        bool off_curve;
        enum err scalar_reason, pair_reason;
    } rows[] = {
        {"one", "0000000000000000000000000000000000000000000000000000000000000001", false, ERR_OK, ERR_OK},
        {"n - 1", "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", false, ERR_OK, ERR_OK},
        {"n", "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", false, ERR_KEY_INVALID,
         ERR_KEY_INVALID},
        {"zero", "0000000000000000000000000000000000000000000000000000000000000000", false, ERR_KEY_INVALID,
         ERR_KEY_INVALID},
        {"not on the curve", "0000000000000000000000000000000000000000000000000000000000000001", true, ERR_OK,
         ERR_KEY_INVALID},
    };
    struct crypto *c = test_crypto();
    struct p256_key *k, *pair;
    uint8_t point[P256_POINT], got[P256_POINT];
    p256_generate(c, &k);
    p256_public(k, point);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t scalar[P256_SCALAR], bad[P256_POINT], kept[P256_SCALAR];
        hex_decode(rows[i].scalar, 64, scalar, sizeof scalar);
        memcpy(bad, point, sizeof bad);
        bad[64] ^= rows[i].off_curve;
        cr_expect(eq(int, p256_check_scalar(c, scalar), rows[i].scalar_reason), "%s", rows[i].what);
        cr_assert(eq(int, p256_from_pair(c, scalar, bad, &pair), rows[i].pair_reason), "%s", rows[i].what);
        cr_assert(eq(int, pair != NULL, rows[i].pair_reason == ERR_OK), "%s", rows[i].what);
        if (!pair)
            continue;
        p256_public(pair, got);
        cr_expect(memcmp(got, point, sizeof got) == 0, "the point as it was given");
        cr_assert(eq(int, p256_private(pair, kept), ERR_OK));
        cr_expect(memcmp(kept, scalar, sizeof kept) == 0, "the scalar as it was given");
        p256_free(pair);
    }
    p256_free(k);
}

Test(p256, a_pair_signs_for_its_point)
{
    struct crypto *c = test_crypto();
    struct p256_key *k, *pair;
    uint8_t scalar[P256_SCALAR], point[P256_POINT], digest[SHA256_SIZE] = {7}, sig[P256_SIG_MAX];
    size_t len;
    p256_generate(c, &k);
    p256_public(k, point);
    cr_assert(eq(int, p256_private(k, scalar), ERR_OK));
    cr_assert(eq(int, p256_from_pair(c, scalar, point, &pair), ERR_OK));
    cr_assert(eq(int, p256_sign(pair, digest, sig, &len), ERR_OK));
    cr_expect(eq(int, p256_verify(k, digest, span_of(sig, len)), ERR_OK));
    p256_free(pair);
    p256_free(k);
}

/* ---- certificates ---- */

static struct span role_der(enum oem_role r)
{
    const struct oem *o = test_oem(TEST_NOW_S);
    return span_of(o->roles[r].der, o->roles[r].len);
}

static struct x509 role(enum oem_role r)
{
    struct x509 x;
    cr_assert(eq(int, x509_parse(role_der(r), &x), ERR_OK), "role %d", (int)r);
    return x;
}

struct k_certificate {
    struct p256_key *key;
    uint8_t der[X509_MAX];
    size_t len;
};

static struct k_certificate make_k(void)
{
    struct k_certificate k;
    uint8_t point[P256_POINT], issuer[P256_POINT];
    const struct oem *o = test_oem(TEST_NOW_S);
    p256_generate(test_crypto(), &k.key);
    p256_public(k.key, point);
    p256_public(o->roles[OEM_J1].key, issuer);
    struct x509_template t = {.profile = X509_VEHICLE,
                              .subject = "V.SPAAKSIM.EU.01.00010123456789AB",
                              .issuer = "spaaksim OEM Sub-CA J1",
                              .not_before_s = TEST_NOW_S,
                              .not_after_s = TEST_NOW_S + 1000,
                              .public_key = point,
                              .issuer_public_key = issuer};
    cr_assert(eq(int, x509_issue(test_crypto(), &t, o->roles[OEM_J1].key, k.der, &k.len), ERR_OK));
    return k;
}

Test(x509, every_role_has_its_profile_and_no_other)
{
    static const enum x509_profile profiles[OEM_ROLES] = {[OEM_J] = X509_OEM_ROOT,
                                                          [OEM_J1] = X509_OEM_SUB_CA,
                                                          [OEM_J_PHYSICAL_KEY] = X509_OEM_ROOT,
                                                          [OEM_Z1] = X509_SERVER_CA,
                                                          [OEM_ZZ2] = X509_KTS_SIGNER,
                                                          [OEM_ECU_CA] = X509_SERVER_CA,
                                                          [OEM_VOS] = X509_VOS_SIGNER,
                                                          [OEM_GSDP] = X509_GSDP_SIGNER,
                                                          [OEM_TESTER_EOL] = X509_TESTER,
                                                          [OEM_TESTER_WORKSHOP] = X509_TESTER,
                                                          [OEM_D] = X509_DEVICE_OEM,
                                                          [OEM_F] = X509_DEVICE_CROSS};
    for (unsigned r = 0; r < OEM_ROLES; r++) {
        struct x509 x = role((enum oem_role)r);
        for (unsigned p = 0; p < X509_PROFILES; p++)
            cr_expect(eq(int, x509_check_profile(test_crypto(), &x, (enum x509_profile)p) == ERR_OK,
                         p == profiles[r]),
                      "role %u profile %u", r, p);
    }
}

/* The OU is a tester's, and nobody else's. */
Test(x509, a_role_stands_before_the_name)
{
    struct x509 x = role(OEM_TESTER_WORKSHOP), j1 = role(OEM_J1), j = role(OEM_J);
    const struct x509 *issuers[] = {&j1, &j};
    cr_expect(eq(str, x.unit, "workshop"));
    cr_expect(eq(str, x.subject, "spaaksim Tester Workshop"));
    cr_expect(eq(str, role(OEM_TESTER_EOL).unit, "eol"));
    cr_expect(eq(str, j1.unit, ""));
    cr_expect(eq(int, x509_check_chain(test_crypto(), &x, X509_TESTER, issuers, 2, TEST_NOW_S + 1), ERR_OK));
    x.unit[0] = '\0';
    cr_expect(eq(int, x509_check_profile(test_crypto(), &x, X509_TESTER), ERR_CERT_PROFILE));
    text_copy(j1.unit, sizeof j1.unit, "eol");
    cr_expect(eq(int, x509_check_profile(test_crypto(), &j1, X509_OEM_SUB_CA), ERR_CERT_PROFILE));
}

Test(x509, k_has_the_ccc_profile)
{
    struct k_certificate k = make_k();
    struct x509 x, j = role(OEM_J), j1 = role(OEM_J1);
    const struct x509 *issuers[] = {&j1, &j};
    cr_assert(eq(int, x509_parse(span_of(k.der, k.len), &x), ERR_OK));
    cr_expect(eq(u8, x.ccc_type, 1));
    cr_expect(eq(u8, x.key_usage, 0x80));
    cr_expect(not(x.ca));
    cr_expect(eq(int, x.path_len, -1));
    cr_expect(eq(str, x.subject, "V.SPAAKSIM.EU.01.00010123456789AB"));
    cr_expect(eq(int, x509_check_chain(test_crypto(), &x, X509_VEHICLE, issuers, 2, TEST_NOW_S), ERR_OK));
    cr_expect(eq(int, x509_check_chain(test_crypto(), &x, X509_VEHICLE, issuers, 2, TEST_NOW_S - 1),
                 ERR_CERT_NOT_YET_VALID));
    cr_expect(eq(int, x509_check_chain(test_crypto(), &x, X509_VEHICLE, issuers, 2, TEST_NOW_S + 1001),
                 ERR_CERT_EXPIRED));
    /* the very bytes of the profile: extension 1.3.6.1.4.1.41577.5.1, critical, SEQUENCE { 1 } */
    static const uint8_t ext[] = {0x06, 0x0A, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0xC4, 0x69, 0x05,
                                  0x01, 0x01, 0x01, 0xFF, 0x04, 0x05, 0x30, 0x03, 0x02, 0x01, 0x01};
    static const uint8_t usage[] = {0x55, 0x1D, 0x0F, 0x01, 0x01, 0xFF, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80};
    static const uint8_t basic[] = {0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF, 0x04, 0x02, 0x30, 0x00};
    cr_expect(memmem(k.der, k.len, ext, sizeof ext) != NULL);
    cr_expect(memmem(k.der, k.len, usage, sizeof usage) != NULL);
    cr_expect(memmem(k.der, k.len, basic, sizeof basic) != NULL);
    p256_free(k.key);
}

static X509 *openssl_of(struct span der)
{
    const unsigned char *p = der.p;
    return d2i_X509(NULL, &p, (long)der.len);
}

Test(x509, openssl_accepts_the_chain_of_k)
{
    struct k_certificate k = make_k();
    X509 *leaf = openssl_of(span_of(k.der, k.len)), *j1 = openssl_of(role_der(OEM_J1)),
         *j = openssl_of(role_der(OEM_J));
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *between = sk_X509_new_null();
    X509_STORE_add_cert(store, j);
    sk_X509_push(between, j1);
    X509_STORE_CTX_init(ctx, store, leaf, between);
    X509_STORE_CTX_set_time(ctx, 0, TEST_NOW_S + 10);
    /* the CCC extensions are critical and OpenSSL does not know them: that one check is left to us */
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_IGNORE_CRITICAL);
    int ok = X509_verify_cert(ctx);
    cr_assert(eq(int, ok, 1), "%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    cr_expect(eq(int, X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE));
    cr_expect(eq(int, X509_check_ca(j1), 1));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_free(between);
    X509_free(leaf);
    X509_free(j1);
    X509_free(j);
    p256_free(k.key);
}

Test(x509, wrong_issuers_are_named)
{
    struct x509 vos = role(OEM_VOS), z1 = role(OEM_Z1), j1 = role(OEM_J1), gsdp = role(OEM_GSDP),
                changed = z1;
    struct crypto *c = test_crypto();
    cr_expect(eq(int, x509_check_issued(c, &vos, &z1), ERR_OK));
    cr_expect(eq(int, x509_check_issued(c, &vos, &j1), ERR_CERT_ISSUER_UNKNOWN));
    changed.ca = false;
    cr_expect(eq(int, x509_check_issued(c, &vos, &changed), ERR_CERT_NOT_CA));
    changed = vos;
    changed.signature = gsdp.signature;
    cr_expect(eq(int, x509_check_issued(c, &changed, &z1), ERR_CERT_SIGNATURE));
}

Test(x509, no_flipped_bit_is_accepted)
{
    struct x509 z1 = role(OEM_Z1), x;
    struct span good = role_der(OEM_VOS);
    uint8_t copy[X509_MAX];
    const struct x509 *issuers[] = {&z1};
    for (size_t bit = 0; bit < good.len * 8; bit++) {
        memcpy(copy, good.p, good.len);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum err e = x509_parse(span_of(copy, good.len), &x);
        if (!e)
            e = x509_check_chain(test_crypto(), &x, X509_VOS_SIGNER, issuers, 1, TEST_NOW_S);
        cr_expect(ne(int, e, ERR_OK), "bit %zu", bit);
    }
    for (size_t cut = 0; cut < good.len; cut++)
        cr_expect(ne(int, x509_parse(span_of(good.p, cut), &x), ERR_OK), "cut at %zu", cut);
}

static const struct {
    const char *cn;
    bool ok;
} subjects[] = {
    {"V.SPAAKSIM.EU.01.00010123456789AB", true},
    {"V.S.E.1.0000000000000000", true},
    {"V.SPAAKSIM.EU.01.00010123456789ab", false},
    {"V.SPAAKSIM.EU.01.00010123456789A", false},
    {"W.SPAAKSIM.EU.01.00010123456789AB", false},
    {"V.SPAAKSIM.EU.00010123456789AB", false},
    {"V.SPAAKSIM.EU.01.X.00010123456789AB", false},
    {"V.SPAAKSIM..01.00010123456789AB", false},
    {"", false},
};

Test(x509, subject_id_in_the_ccc_form)
{
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        cr_expect(eq(int, x509_vehicle_subject_ok(subjects[i].cn), subjects[i].ok), "%s", subjects[i].cn);
}

/* ---- CSRs ---- */

Test(csr, openssl_verifies_ours)
{
    struct p256_key *k;
    uint8_t der[CSR_MAX];
    size_t len;
    struct csr parsed;
    p256_generate(test_crypto(), &k);
    cr_assert(eq(int, csr_create(test_crypto(), "V.SPAAKSIM.EU.01.00010123456789AB", k, der, &len), ERR_OK));
    const unsigned char *p = der;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)len);
    cr_assert(ne(ptr, req, NULL));
    cr_expect(eq(int, X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1));
    X509_REQ_free(req);
    cr_expect(eq(int, csr_check(test_crypto(), span_of(der, len), &parsed), ERR_OK));
    cr_expect(eq(str, parsed.subject, "V.SPAAKSIM.EU.01.00010123456789AB"));
    for (size_t bit = 0; bit < len * 8; bit++) {
        der[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect(ne(int, csr_check(test_crypto(), span_of(der, len), &parsed), ERR_OK), "bit %zu", bit);
        der[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    p256_free(k);
}

Test(csr, each_fault_has_its_reason)
{
    struct p256_key *k;
    uint8_t der[512];
    size_t len;
    struct csr parsed;
    p256_generate(test_crypto(), &k);
    struct store *s = store_memory_new();
    ASSERT_OK(store_set(s, "csr", span_of("", 0)));
    ASSERT_OK(store_set(s, "subject", span_of("V.A.B.C.0000000000000000", 24)));
    ASSERT_OK(bad_csr_weak_key(test_crypto(), s, "csr", "subject"));
    ASSERT_OK(store_get(s, "csr", der, sizeof der, &len));
    store_close(s);
    cr_expect(eq(int, csr_check(test_crypto(), span_of(der, len), &parsed), ERR_CSR_KEY_NOT_P256));
    csr_create(test_crypto(), "x", k, der, &len);
    der[len - 1] ^= 1;
    cr_expect(eq(int, csr_check(test_crypto(), span_of(der, len), &parsed), ERR_CSR_SIGNATURE));
    cr_expect(eq(int, csr_check(test_crypto(), span_of(der, len - 1), &parsed), ERR_CSR_MALFORMED));
    cr_expect(eq(int, csr_check(test_crypto(), span_of(der, 0), &parsed), ERR_CSR_MALFORMED));
    p256_free(k);
}
