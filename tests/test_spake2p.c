/* SPAKE2+ to the byte of the published vectors, and what each end refuses. */
#include "lib/ccc/spake2p.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "tests/ccc_vectors.h"
#include "tests/check.h"
#include "tests/own_stack.h"
#include "tests/support.h"

static const char salt_text[] = "yellowsubmarines";

static struct spake2p_scrypt vector_scrypt(void)
{
    struct spake2p_scrypt s = {.n = 32768, .r = 8, .p = 1};
    memcpy(s.salt, salt_text, SPAKE2P_SALT);
    return s;
}

Test(spake2p, registration_vector)
{
    struct spake2p_scrypt s = vector_scrypt();
    struct spake2p_verifier_set set;
    uint8_t w0[32], w1[32];
    cr_assert(eq(int, spake2p_derive(test_crypto(), span_of("pleaseletmein", 13), &s, w0, w1), ERR_OK));
    expect_hex(span_of(w0, 32), V1_W0, "w0");
    expect_hex(span_of(w1, 32), V1_W1, "w1");
    cr_assert(eq(int, spake2p_register(test_crypto(), w0, w1, &set), ERR_OK));
    expect_hex(span_of(set.l, P256_POINT), V1_L, "L");
}

static const struct {
    uint32_t n;
    uint16_t r, p;
    bool ok;
} bounds[] = {{4096, 8, 1, true},    {65536, 8, 1, true}, {32768, 8, 1, true}, {2048, 8, 1, false},
              {131072, 8, 1, false}, {5000, 8, 1, false}, {0, 8, 1, false},    {4096, 9, 1, false},
              {4096, 8, 2, false},   {4096, 0, 1, false}};

Test(spake2p, device_bounds_scrypt)
{
    uint8_t w0[32], w1[32];
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        struct spake2p_scrypt s = {.n = bounds[i].n, .r = bounds[i].r, .p = bounds[i].p};
        cr_expect(eq(int, spake2p_scrypt_acceptable(&s), bounds[i].ok), "row %zu", i);
        if (!bounds[i].ok)
            cr_expect(eq(int, spake2p_derive(test_crypto(), span_of("x", 1), &s, w0, w1), ERR_BAD_ARGUMENT));
    }
}

struct sides {
    struct spake2p device, vehicle;
    struct spake2p_prover_set prover;
    struct spake2p_verifier_set verifier;
    uint8_t m1[16], m2[16];
    struct spake2p_keys device_keys, vehicle_keys;
};

static void prepare(struct sides *s)
{
    HEX(w0, V1_W0);
    HEX(w1, V1_W1);
    HEX(tlv_5b, "5b020101");
    HEX(tlv_5c, "5c0401010100");
    memset(s, 0, sizeof *s);
    cr_assert(eq(int, spake2p_prover_set_make(test_crypto(), w0, w1, &s->prover), ERR_OK));
    cr_assert(eq(int, spake2p_register(test_crypto(), w0, w1, &s->verifier), ERR_OK));
    spake2p_set_versions(&s->device, span_of(tlv_5b, 4), span_of(tlv_5c, 6));
    spake2p_set_versions(&s->vehicle, span_of(tlv_5b, 4), span_of(tlv_5c, 6));
    HEX(x, V1_XS);
    cr_assert(eq(int, spake2p_prover_begin(test_crypto(), &s->device, &s->prover, x), ERR_OK));
}

Test(spake2p, ccc_vector_both_sides)
{
    struct sides s;
    HEX(y, V1_YS);
    uint8_t share[P256_POINT];
    prepare(&s);
    expect_hex(span_of(s.device.x, P256_POINT), V1_X, "X");
    cr_assert(
        eq(int, spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, s.device.x, y, s.m1), ERR_OK));
    expect_hex(span_of(s.vehicle.y, P256_POINT), V1_Y, "Y");
    expect_hex(span_of(s.m1, 16), V1_M1, "M[1]");
    memcpy(share, s.vehicle.y, sizeof share);
    cr_assert(
        eq(int, spake2p_prover_finish(test_crypto(), &s.device, &s.prover, share, s.m1, s.m2, &s.device_keys),
           ERR_OK));
    expect_hex(span_of(s.m2, 16), V1_M2, "M[2]");
    cr_assert(eq(int, spake2p_verifier_finish(test_crypto(), &s.vehicle, s.m2, &s.vehicle_keys), ERR_OK));
    cr_expect(memcmp(&s.device_keys, &s.vehicle_keys, sizeof s.device_keys) == 0);
    expect_hex(span_of(s.vehicle_keys.kenc, 16), V1_KENC, "Kenc");
    expect_hex(span_of(s.vehicle_keys.kmac, 16), V1_KMAC, "Kmac");
    expect_hex(span_of(s.vehicle_keys.krmac, 16), V1_KRMAC, "Krmac");
    expect_hex(span_of(s.vehicle_keys.long_term_shared_secret, 16), V1_LONG, "long term");
    expect_hex(span_of(s.vehicle_keys.kble_intro, 16), V1_INTRO, "Kble_intro");
    expect_hex(span_of(s.vehicle_keys.kble_oob_master, 16), V1_OOB, "Kble_oob_master");
}

Test(spake2p, points_and_transcript_of_the_vector)
{
    struct sides s;
    HEX(y, V1_YS);
    HEX(x_share, V1_X);
    HEX(y_share, V1_Y);
    uint8_t z[P256_POINT], v[P256_POINT], k[32];
    prepare(&s);
    cr_assert(eq(int, spake2p_verifier_points(test_crypto(), &s.verifier, x_share, y, z, v), ERR_OK));
    expect_hex(span_of(z, P256_POINT), V1_Z, "Z");
    expect_hex(span_of(v, P256_POINT), V1_V, "V");
    spake2p_transcript_key(test_crypto(), x_share, y_share, z, v, s.verifier.w0, k);
    expect_hex(span_of(k, 32), V1_K, "K");
}

Test(spake2p, wrong_evidence_or_points_give_nothing_and_wipe)
{
    HEX(y, V1_YS);
    for (int fault = 0; fault < 5; fault++) {
        struct sides s;
        uint8_t share[P256_POINT];
        prepare(&s);
        memcpy(share, s.device.x, sizeof share);
        if (fault == 0)
            share[64] ^= 1; /* X not on the curve */
        if (fault == 1)
            share[0] = 2; /* compressed */
        enum err e = spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, share, y, s.m1);
        if (fault < 2) {
            cr_expect(eq(int, (int)e, ERR_KEY_INVALID));
            cr_expect(is_wiped(&s.vehicle, sizeof s.vehicle));
            continue;
        }
        cr_assert(eq(int, (int)e, ERR_OK));
        memcpy(share, s.vehicle.y, sizeof share);
        if (fault == 2)
            s.m1[15] ^= 1;
        if (fault == 3)
            share[1] ^= 1;
        e = spake2p_prover_finish(test_crypto(), &s.device, &s.prover, share, s.m1, s.m2, &s.device_keys);
        cr_expect(is_wiped(&s.device, sizeof s.device));
        if (fault < 4) {
            cr_expect(eq(int, (int)e, fault == 2 ? ERR_SIGNATURE_INVALID : ERR_KEY_INVALID));
            cr_expect(is_wiped(s.m2, sizeof s.m2));
            cr_expect(is_wiped(&s.device_keys, sizeof s.device_keys));
            continue;
        }
        s.m2[0] ^= 0x80;
        cr_expect(eq(int, spake2p_verifier_finish(test_crypto(), &s.vehicle, s.m2, &s.vehicle_keys),
                     ERR_SIGNATURE_INVALID));
        cr_expect(is_wiped(&s.vehicle, sizeof s.vehicle));
        cr_expect(is_wiped(&s.vehicle_keys, sizeof s.vehicle_keys));
    }
}

/* w0 alone, without a password, makes a share that is its own blind: Z would be at infinity. */
Test(spake2p, share_that_is_only_its_blind)
{
    HEX(y, V1_YS);
    struct sides s;
    prepare(&s);
    EXPECT_ERR(spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, s.verifier.w0_m, y, s.m1),
               ERR_DK_EVIDENCE);
    cr_expect(is_wiped(&s.vehicle, sizeof s.vehicle));
    cr_expect(is_wiped(s.m1, sizeof s.m1));
    EXPECT_ERR(
        spake2p_prover_finish(test_crypto(), &s.device, &s.prover, s.prover.w0_n, s.m1, s.m2, &s.device_keys),
        ERR_DK_EVIDENCE);
    cr_expect(is_wiped(&s.device, sizeof s.device));
    cr_expect(is_wiped(&s.device_keys, sizeof s.device_keys));
}

struct transcript {
    uint8_t points[4][P256_POINT], w0[P256_SCALAR], k[SHA256_SIZE];
};

static void hash_transcript(void *arg)
{
    struct transcript *t = arg;
    spake2p_transcript_key(test_crypto(), t->points[0], t->points[1], t->points[2], t->points[3], t->w0,
                           t->k);
}

/* A hash's state after its last block is the hash: words in the order of the machine. */
Test(spake2p, k_does_not_stay_in_the_hash)
{
    static struct transcript t = {.w0 = {1}};
    uint8_t state[SHA256_SIZE];
    hash_transcript(&t);
    for (size_t i = 0; i < sizeof state; i++)
        state[i] = t.k[i ^ 3];
    cr_expect(not(own_stack_keeps(hash_transcript, &t, state, sizeof state)));
}

/* w = (z mod (n - 1)) + 1 by OpenSSL's division. */
static void scalar_by_division(const uint8_t z[SPAKE2P_HALF], uint8_t w[P256_SCALAR])
{
    static const uint8_t n[P256_SCALAR] = {0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF,
                                           0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17,
                                           0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *big = BN_bin2bn(z, SPAKE2P_HALF, NULL), *limit = BN_bin2bn(n, sizeof n, NULL);
    cr_assert(BN_sub_word(limit, 1) == 1 && BN_mod(big, big, limit, ctx) == 1 && BN_add_word(big, 1) == 1);
    cr_assert(BN_bn2binpad(big, w, P256_SCALAR) == P256_SCALAR);
    BN_free(big);
    BN_free(limit);
    BN_CTX_free(ctx);
}

Test(spake2p, scalars_are_reduced_as_by_division)
{
    static const char *const edges[] = {
        "0000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000"
        "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC63254F", /* n - 2 */
        "0000000000000000"
        "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632550", /* n - 1 */
        "0000000000000000"
        "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
        "0000000000000001"
        "FFFFFFFE00000001FFFFFFFFFFFFFFFF79CDF55B4E2F3D09E7739585F8C64AA0", /* 2(n - 1) */
        "0000000000000001"
        "FFFFFFFE00000001FFFFFFFFFFFFFFFF79CDF55B4E2F3D09E7739585F8C64A9F",
        "0000000000000000"
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        "FFFFFFFFFFFFFFFF"
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
    };
    enum { EDGES = sizeof edges / sizeof edges[0] };
    for (size_t i = 0; i < 1000; i++) {
        uint8_t z[SPAKE2P_HALF], w[P256_SCALAR], want[P256_SCALAR];
        if (i < EDGES)
            unhex(edges[i], z, sizeof z);
        else
            crypto_random(test_crypto(), z, sizeof z);
        spake2p_scalar(z, w);
        scalar_by_division(z, want);
        cr_assert(memcmp(w, want, sizeof w) == 0, "row %zu", i);
    }
}

Test(spake2p, evidence_of_zeros_does_not_pass_without_an_exchange)
{
    struct spake2p none = {0};
    struct spake2p_keys keys = {0};
    const uint8_t zeros[SPAKE2P_EVIDENCE] = {0};
    cr_expect(eq(int, spake2p_verifier_finish(test_crypto(), &none, zeros, &keys), ERR_MSG_OUT_OF_ORDER));
    cr_expect(is_wiped(&keys, sizeof keys));
}

Test(spake2p, another_password_fails_at_the_evidence)
{
    struct sides s;
    HEX(y, V1_YS);
    HEX(x, V1_XS);
    uint8_t w0[32] = {0}, w1[32] = {0}, share[P256_POINT];
    prepare(&s);
    w0[31] = 5;
    w1[31] = 6;
    cr_assert(eq(int, spake2p_prover_set_make(test_crypto(), w0, w1, &s.prover), ERR_OK));
    spake2p_prover_begin(test_crypto(), &s.device, &s.prover, x);
    cr_assert(
        eq(int, spake2p_verifier_begin(test_crypto(), &s.vehicle, &s.verifier, s.device.x, y, s.m1), ERR_OK));
    memcpy(share, s.vehicle.y, sizeof share);
    cr_expect(
        eq(int, spake2p_prover_finish(test_crypto(), &s.device, &s.prover, share, s.m1, s.m2, &s.device_keys),
           ERR_SIGNATURE_INVALID));
}

Test(spake2p, scalars_out_of_range_are_refused)
{
    struct spake2p_verifier_set set;
    uint8_t zero[32] = {0}, high[32], one[32] = {0}, l[P256_POINT];
    HEX(good_l, V1_L);
    one[31] = 1;
    memset(high, 0xFF, sizeof high);
    memcpy(l, good_l, sizeof l);
    cr_expect(eq(int, spake2p_verifier_set_make(test_crypto(), zero, l, &set), ERR_KEY_INVALID));
    cr_expect(eq(int, spake2p_verifier_set_make(test_crypto(), high, l, &set), ERR_KEY_INVALID));
    l[10] ^= 1;
    cr_expect(eq(int, spake2p_verifier_set_make(test_crypto(), one, l, &set), ERR_KEY_INVALID));
}

static const struct {
    const char *name, *ikm, *info;
    size_t len;
    const char *okm;
} derivations[] = {
    /* A.3: the RFC's case without salt */
    {"RFC 5869", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", 42,
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    {"its beginning", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", 1, "8d"},
    {"nothing", "0b", "", 0, ""},
};

Test(hkdf, rfc_5869_vector)
{
    for (size_t i = 0; i < sizeof derivations / sizeof derivations[0]; i++) {
        HEX(ikm, derivations[i].ikm);
        uint8_t okm[64];
        EXPECT_ERR(ccc_hkdf(test_crypto(), span_of(ikm, ikm_len), span_of("", 0), okm, derivations[i].len),
                   ERR_OK);
        expect_hex(span_of(okm, derivations[i].len), derivations[i].okm, derivations[i].name);
    }
}

static void by_openssl(struct span ikm, struct span info, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)ikm.p, ikm.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info.p, info.len),
        OSSL_PARAM_construct_end()};
    cr_assert(eq(int, EVP_KDF_derive(ctx, out, len, params), 1));
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

Test(hkdf, every_length_as_openssl_has_it)
{
    uint8_t in[200], ours[160], theirs[160];
    crypto_random(test_crypto(), in, sizeof in);
    for (size_t len = 1; len <= sizeof ours; len++) {
        struct span ikm = span_of(in, 1 + len % 80), info = span_of(in + 1, len);
        EXPECT_ERR(ccc_hkdf(test_crypto(), ikm, info, ours, len), ERR_OK);
        by_openssl(ikm, info, theirs, len);
        cr_assert(memcmp(ours, theirs, len) == 0, "%zu bytes", len);
    }
}

/* RFC 9383 appendix C: the group layer, CMAC and HKDF under the RFC's own transcript and key order. */
Test(spake2p, rfc_9383_vector)
{
    struct spake2p_verifier_set set;
    struct spake2p_prover_set prover;
    struct spake2p device = {0};
    uint8_t z[P256_POINT], v[P256_POINT], k[32], confirm[32], shared[32], mac[16];
    struct crypto *c = test_crypto();
    HEX(w0, V2_W0);
    HEX(w1, V2_W1);
    HEX(xs, V2_XS);
    HEX(ys, V2_YS);
    HEX(tt, V2_TT);
    HEX(x, V2_X);
    HEX(y, V2_Y);
    cr_assert(eq(int, spake2p_register(c, w0, w1, &set), ERR_OK));
    expect_hex(span_of(set.l, P256_POINT), V2_L, "L");
    spake2p_prover_set_make(c, w0, w1, &prover);
    spake2p_prover_begin(c, &device, &prover, xs);
    expect_hex(span_of(device.x, P256_POINT), V2_X, "shareP");
    cr_assert(eq(int, spake2p_verifier_points(c, &set, x, ys, z, v), ERR_OK));
    expect_hex(span_of(z, P256_POINT), V2_Z, "Z");
    expect_hex(span_of(v, P256_POINT), V2_V, "V");
    cr_expect(ne(ptr, memmem(tt, tt_len, z, P256_POINT), NULL), "stands in the transcript");
    const struct span transcript = {tt, tt_len};
    crypto_sha256(c, &transcript, 1, k);
    expect_hex(span_of(k, 32), V2_KMAIN, "K_main");
    ccc_hkdf(c, span_of(k, 32), span_of("ConfirmationKeys", 16), confirm, 32);
    expect_hex(span_of(confirm, 16), V2_KCP, "K_confirmP");
    expect_hex(span_of(confirm + 16, 16), V2_KCV, "K_confirmV");
    ccc_hkdf(c, span_of(k, 32), span_of("SharedKey", 9), shared, 32);
    expect_hex(span_of(shared, 32), V2_KSHARED, "K_shared");
    const struct span share_v = {y, y_len}, share_p = {x, x_len};
    ccc_cmac(c, confirm, &share_v, 1, mac);
    expect_hex(span_of(mac, 16), V2_CP, "confirmP");
    ccc_cmac(c, confirm + 16, &share_p, 1, mac);
    expect_hex(span_of(mac, 16), V2_CV, "confirmV");
}
