#include "lib/ccc/spake2p.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/spake2p_points.h"

/* RFC 9383, section 4: the constant points of P-256. */
static const uint8_t point_m[P256_POINT] = {
    0x04, 0x88, 0x6e, 0x2f, 0x97, 0xac, 0xe4, 0x6e, 0x55, 0xba, 0x9d, 0xd7, 0x24, 0x25, 0x79, 0xf2, 0x99,
    0x3b, 0x64, 0xe1, 0x6e, 0xf3, 0xdc, 0xab, 0x95, 0xaf, 0xd4, 0x97, 0x33, 0x3d, 0x8f, 0xa1, 0x2f, 0x5f,
    0xf3, 0x55, 0x16, 0x3e, 0x43, 0xce, 0x22, 0x4e, 0x0b, 0x0e, 0x65, 0xff, 0x02, 0xac, 0x8e, 0x5c, 0x7b,
    0xe0, 0x94, 0x19, 0xc7, 0x85, 0xe0, 0xca, 0x54, 0x7d, 0x55, 0xa1, 0x2e, 0x2d, 0x20};
static const uint8_t point_n[P256_POINT] = {
    0x04, 0xd8, 0xbb, 0xd6, 0xc6, 0x39, 0xc6, 0x29, 0x37, 0xb0, 0x4d, 0x99, 0x7f, 0x38, 0xc3, 0x77, 0x07,
    0x19, 0xc6, 0x29, 0xd7, 0x01, 0x4d, 0x49, 0xa2, 0x4b, 0x4f, 0x98, 0xba, 0xa1, 0x29, 0x2b, 0x49, 0x07,
    0xd6, 0x0a, 0xa6, 0xbf, 0xad, 0xe4, 0x50, 0x08, 0xa6, 0x36, 0x33, 0x7f, 0x51, 0x68, 0xc6, 0x4d, 0x9b,
    0xd3, 0x60, 0x34, 0x80, 0x8c, 0xd5, 0x64, 0x49, 0x0b, 0x1e, 0x65, 0x6e, 0xdb, 0xe7};

/* ---- registration ---- */

bool spake2p_scrypt_acceptable(const struct spake2p_scrypt *s)
{
    bool power_of_two = s->n && (s->n & (s->n - 1)) == 0;
    return power_of_two && s->n >= SPAKE2P_N_MIN && s->n <= SPAKE2P_N_MAX && s->r == SPAKE2P_R &&
           s->p == SPAKE2P_P;
}

/* Bit by bit and without a branch: z is as secret as the password, and BN_mod divides in a time that depends
 * on what it divides. */
void spake2p_scalar(const uint8_t z[SPAKE2P_HALF], uint8_t w[P256_SCALAR])
{
    enum { LIMBS = P256_SCALAR / 4 };
    static const uint32_t limit[LIMBS] = {0xFC632550, 0xF3B9CAC2, 0xA7179E84, 0xBCE6FAAD,
                                          0xFFFFFFFF, 0xFFFFFFFF, 0x00000000, 0xFFFFFFFF};
    uint32_t r[LIMBS] = {0}, less[LIMBS] = {0};
    for (size_t bit = 0; bit < 8 * SPAKE2P_HALF; bit++) {
        /* r = 2 * r + bit, less = r - (n - 1) */
        uint64_t carry = z[bit / 8] >> (7 - bit % 8) & 1, borrow = 0;
        for (size_t i = 0; i < LIMBS; i++) {
            carry |= (uint64_t)r[i] << 1;
            r[i] = (uint32_t)carry;
            carry >>= 32;
            uint64_t d = (uint64_t)r[i] - limit[i] - borrow;
            less[i] = (uint32_t)d;
            borrow = d >> 63;
        }
        uint32_t reduce = 0 - (uint32_t)(carry | (borrow ^ 1)); /* all ones when r has reached n - 1 */
        for (size_t i = 0; i < LIMBS; i++)
            r[i] = (less[i] & reduce) | (r[i] & ~reduce);
    }
    uint64_t sum = 1;
    for (size_t i = 0; i < LIMBS; i++, sum >>= 32) {
        sum += r[i];
        uint8_t *at = w + P256_SCALAR - 4 * (i + 1);
        for (size_t j = 0; j < 4; j++)
            at[j] = (uint8_t)(sum >> (8 * (3 - j)));
    }
    OPENSSL_cleanse(r, sizeof r);
    OPENSSL_cleanse(less, sizeof less);
}

enum err spake2p_derive(struct crypto *c, struct span password, const struct spake2p_scrypt *s,
                        uint8_t w0[P256_SCALAR], uint8_t w1[P256_SCALAR])
{
    uint8_t z[2 * SPAKE2P_HALF];
    if (!spake2p_scrypt_acceptable(s))
        return ERR_BAD_ARGUMENT;
    /* z0 || z1 */
    enum err e = ccc_scrypt(c, password, span_of(s->salt, SPAKE2P_SALT), s->n, s->r, s->p, z, sizeof z);
    if (!e) {
        spake2p_scalar(z, w0);
        spake2p_scalar(z + SPAKE2P_HALF, w1);
    }
    OPENSSL_cleanse(z, sizeof z);
    return e;
}

enum err spake2p_verifier_set_make(struct crypto *c, const uint8_t w0[P256_SCALAR],
                                   const uint8_t l[P256_POINT], struct spake2p_verifier_set *out)
{
    struct spake2p_verifier_set s = {0};
    enum err e = p256_check_point(c, l);
    memcpy(s.w0, w0, sizeof s.w0);
    memcpy(s.l, l, sizeof s.l);
    if (!e)
        e = spake2p_points_multiply(c, w0, point_m, s.w0_m);
    if (!e)
        e = spake2p_points_multiply(c, w0, point_n, s.w0_n);
    if (!e)
        *out = s;
    OPENSSL_cleanse(&s, sizeof s);
    return e;
}

enum err spake2p_register(struct crypto *c, const uint8_t w0[P256_SCALAR], const uint8_t w1[P256_SCALAR],
                          struct spake2p_verifier_set *out)
{
    uint8_t l[P256_POINT];
    /* L = w1*G */
    enum err e = spake2p_points_multiply(c, w1, NULL, l);
    return e ? e : spake2p_verifier_set_make(c, w0, l, out);
}

enum err spake2p_prover_set_make(struct crypto *c, const uint8_t w0[P256_SCALAR],
                                 const uint8_t w1[P256_SCALAR], struct spake2p_prover_set *out)
{
    struct spake2p_prover_set s = {0};
    memcpy(s.w0, w0, sizeof s.w0);
    memcpy(s.w1, w1, sizeof s.w1);
    enum err e = spake2p_points_multiply(c, w0, point_m, s.w0_m);
    if (!e)
        e = spake2p_points_multiply(c, w0, point_n, s.w0_n);
    if (!e)
        *out = s;
    OPENSSL_cleanse(&s, sizeof s);
    return e;
}

/* ---- keys ---- */

void spake2p_wipe(struct spake2p *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

enum err spake2p_set_versions(struct spake2p *s, struct span tlv_5b, struct span tlv_5c)
{
    struct wr w = wr_of(s->versions, sizeof s->versions);
    wr_copy(&w, tlv_5b.p, tlv_5b.len);
    wr_copy(&w, tlv_5c.p, tlv_5c.len);
    s->versions_len = w.len;
    return w.failed ? ERR_NO_SPACE : ERR_OK;
}

static struct span le64(uint8_t out[8], size_t len)
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)len >> (8 * i));
    return span_of(out, 8);
}

void spake2p_transcript_key(struct crypto *c, const uint8_t x[P256_POINT], const uint8_t y[P256_POINT],
                            const uint8_t z[P256_POINT], const uint8_t v[P256_POINT],
                            const uint8_t w0[P256_SCALAR], uint8_t k[SHA256_SIZE])
{
    uint8_t point_len[8], scalar_len[8];
    struct span p = le64(point_len, P256_POINT), s = le64(scalar_len, P256_SCALAR);
    const struct span parts[] = {p, span_of(x, P256_POINT),  p, span_of(y, P256_POINT),
                                 p, span_of(z, P256_POINT),  p, span_of(v, P256_POINT),
                                 s, span_of(w0, P256_SCALAR)};
    crypto_sha256(c, parts, sizeof parts / sizeof parts[0], k);
}

/* K to SK and both evidences. */
static enum err conclude(struct crypto *c, const struct spake2p *s, const uint8_t z[P256_POINT],
                         const uint8_t v[P256_POINT], const uint8_t w0[P256_SCALAR], uint8_t sk[CCC_KEY],
                         uint8_t m1[SPAKE2P_EVIDENCE], uint8_t m2[SPAKE2P_EVIDENCE])
{
    static const char label[] = "ConfirmationKeys";
    uint8_t k[SHA256_SIZE], info[sizeof label + SPAKE2P_VERSIONS_MAX], k12[2 * CCC_KEY];
    struct wr w = wr_of(info, sizeof info);
    struct span x_share = span_of(s->x, P256_POINT), y_share = span_of(s->y, P256_POINT);
    wr_copy(&w, label, sizeof label - 1);
    wr_copy(&w, s->versions, s->versions_len);
    /* K = CK || SK */
    spake2p_transcript_key(c, s->x, s->y, z, v, w0, k);
    /* K1 || K2 */
    enum err e = ccc_hkdf(c, span_of(k, CCC_KEY), span_of(info, w.len), k12, sizeof k12);
    /* M[1] = CMAC(K1, X), the vehicle's; M[2] = CMAC(K2, Y) */
    if (!e)
        e = ccc_cmac(c, k12, &x_share, 1, m1);
    if (!e)
        e = ccc_cmac(c, k12 + CCC_KEY, &y_share, 1, m2);
    memcpy(sk, k + CCC_KEY, CCC_KEY);
    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(k12, sizeof k12);
    return e;
}

static enum err system_keys(struct crypto *c, const uint8_t sk[CCC_KEY], struct spake2p_keys *out)
{
    _Static_assert(sizeof *out == 96, "six keys and nothing between them");
    return ccc_hkdf(c, span_of(sk, CCC_KEY), span_of("SystemKeys", 10), out->kenc, sizeof *out);
}

/* ---- the device ---- */

enum err spake2p_prover_begin(struct crypto *c, struct spake2p *s, const struct spake2p_prover_set *set,
                              const uint8_t random[P256_SCALAR])
{
    uint8_t x[P256_POINT];
    /* X = x*G + w0*M */
    const struct spake2p_terms t = {.scalar = random, .own_blind = set->w0_m};
    enum err e = spake2p_points_compute(c, &t, x, NULL, NULL);
    if (e)
        return e;
    memcpy(s->scalar, random, P256_SCALAR);
    memcpy(s->x, x, P256_POINT);
    return ERR_OK;
}

enum err spake2p_prover_finish(struct crypto *c, struct spake2p *s, const struct spake2p_prover_set *set,
                               const uint8_t y[P256_POINT], const uint8_t m1[SPAKE2P_EVIDENCE],
                               uint8_t m2[SPAKE2P_EVIDENCE], struct spake2p_keys *keys)
{
    uint8_t z[P256_POINT], v[P256_POINT], sk[CCC_KEY], want[SPAKE2P_EVIDENCE], own[SPAKE2P_EVIDENCE];
    const struct spake2p_terms t = {.scalar = s->scalar, .peer = y, .blind = set->w0_n, .scalar_v = set->w1};
    struct spake2p_keys k;
    /* Z = x*(Y - w0*N), V = w1*(Y - w0*N) */
    enum err e = spake2p_points_compute(c, &t, NULL, z, v);
    if (e)
        goto out;
    memcpy(s->y, y, P256_POINT);
    /* K, M[1], M[2] */
    e = conclude(c, s, z, v, set->w0, sk, want, own);
    if (!e && !bytes_equal_ct(want, m1, SPAKE2P_EVIDENCE))
        e = ERR_SIGNATURE_INVALID;
    /* listing 18-9 */
    if (!e)
        e = system_keys(c, sk, &k);
    if (e)
        goto out;
    memcpy(m2, own, SPAKE2P_EVIDENCE);
    *keys = k;
out:
    OPENSSL_cleanse(z, sizeof z);
    OPENSSL_cleanse(v, sizeof v);
    OPENSSL_cleanse(sk, sizeof sk);
    OPENSSL_cleanse(&k, sizeof k);
    spake2p_wipe(s);
    return e;
}

/* ---- the vehicle ---- */

static struct spake2p_terms verifier_terms(const struct spake2p_verifier_set *set, const uint8_t *x,
                                           const uint8_t *random)
{
    return (struct spake2p_terms){.scalar = random,
                                  .own_blind = set->w0_n,
                                  .peer = x,
                                  .blind = set->w0_m,
                                  .other = set->l,
                                  .scalar_v = random};
}

enum err spake2p_verifier_points(struct crypto *c, const struct spake2p_verifier_set *set,
                                 const uint8_t x[P256_POINT], const uint8_t random[P256_SCALAR],
                                 uint8_t z[P256_POINT], uint8_t v[P256_POINT])
{
    const struct spake2p_terms t = verifier_terms(set, x, random);
    return spake2p_points_compute(c, &t, NULL, z, v);
}

enum err spake2p_verifier_begin(struct crypto *c, struct spake2p *s, const struct spake2p_verifier_set *set,
                                const uint8_t x[P256_POINT], const uint8_t random[P256_SCALAR],
                                uint8_t m1[SPAKE2P_EVIDENCE])
{
    uint8_t y[P256_POINT], z[P256_POINT], v[P256_POINT], own[SPAKE2P_EVIDENCE];
    const struct spake2p_terms t = verifier_terms(set, x, random);
    /* Y = y*G + w0*N, Z = y*(X - w0*M), V = y*L */
    enum err e = spake2p_points_compute(c, &t, y, z, v);
    if (e)
        goto out;
    memcpy(s->x, x, P256_POINT);
    memcpy(s->y, y, P256_POINT);
    /* K, M[1] */
    e = conclude(c, s, z, v, set->w0, s->sk, own, s->evidence);
    if (!e)
        memcpy(m1, own, SPAKE2P_EVIDENCE);
out:
    OPENSSL_cleanse(z, sizeof z);
    OPENSSL_cleanse(v, sizeof v);
    if (e)
        spake2p_wipe(s);
    return e;
}

enum err spake2p_verifier_finish(struct crypto *c, struct spake2p *s, const uint8_t m2[SPAKE2P_EVIDENCE],
                                 struct spake2p_keys *keys)
{
    struct spake2p_keys k;
    enum err e = s->y[0] == 4 ? ERR_OK : ERR_MSG_OUT_OF_ORDER; /* else no evidence is awaited */
    /* M[2] */
    if (!e && !bytes_equal_ct(m2, s->evidence, SPAKE2P_EVIDENCE))
        e = ERR_SIGNATURE_INVALID;
    /* listing 18-9 */
    if (!e)
        e = system_keys(c, s->sk, &k);
    if (!e)
        *keys = k;
    OPENSSL_cleanse(&k, sizeof k);
    spake2p_wipe(s);
    return e;
}
