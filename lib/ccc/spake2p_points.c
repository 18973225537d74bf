#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/ccc/spake2p_points.h"

#include <assert.h>
#include <openssl/ec.h>

#define POINTS 3 /* own share, Z, V */

/* A little workspace: one side of an exchange never needs more than these. */
struct work {
    const EC_GROUP *group;
    BN_MONT_CTX *field; /* borrowed */
    BN_CTX *ctx;
    BIGNUM *scalar;
    EC_POINT *a, *b, *results[POINTS];
    bool ok;
};

static void free_field(void *field)
{
    BN_MONT_CTX_free(field);
}

/* Arithmetic modulo the field's prime, made once. */
static BN_MONT_CTX *field_of(struct crypto *c, const EC_GROUP *group, BN_CTX *ctx)
{
    struct crypto_slot *s = crypto_slot(c, CRYPTO_P256_FIELD);
    if (s->object || !ctx)
        return s->object;
    BN_MONT_CTX *field = BN_MONT_CTX_new();
    if (field && BN_MONT_CTX_set(field, EC_GROUP_get0_field(group), ctx) != 1) {
        BN_MONT_CTX_free(field);
        field = NULL;
    }
    *s = (struct crypto_slot){field, free_field};
    return field;
}

static struct work work_begin(struct crypto *c, size_t results)
{
    struct work w = {.group = crypto_p256_group(c), .ctx = BN_CTX_secure_new_ex(crypto_openssl(c))};
    w.field = field_of(c, w.group, w.ctx);
    w.scalar = BN_secure_new();
    w.a = EC_POINT_new(w.group);
    w.b = EC_POINT_new(w.group);
    w.ok = w.ctx && w.field && w.scalar && w.a && w.b;
    for (size_t i = 0; i < results; i++) {
        w.results[i] = EC_POINT_new(w.group);
        w.ok = w.ok && w.results[i];
    }
    return w;
}

static void work_end(struct work *w)
{
    BN_clear_free(w->scalar);
    EC_POINT_clear_free(w->a);
    EC_POINT_clear_free(w->b);
    for (size_t i = 0; i < POINTS; i++)
        EC_POINT_clear_free(w->results[i]);
    BN_CTX_free(w->ctx);
}

/* A point of the curve that is not infinity; OpenSSL checks the equation when it decodes. */
static enum err decode(struct work *w, EC_POINT *out, const uint8_t in[P256_POINT])
{
    bool ok = in[0] == 4 && EC_POINT_oct2point(w->group, out, in, P256_POINT, w->ctx) == 1;
    return ok ? ERR_OK : ERR_KEY_INVALID;
}

/* One of our own set, which was checked when the set was made: only the coordinates are read. */
static enum err decode_own(struct work *w, EC_POINT *out, const uint8_t in[P256_POINT])
{
    BN_CTX_start(w->ctx);
    BIGNUM *x = BN_CTX_get(w->ctx), *y = BN_CTX_get(w->ctx);
    bool ok = y && BN_bin2bn(in + 1, P256_SCALAR, x) && BN_bin2bn(in + 1 + P256_SCALAR, P256_SCALAR, y) &&
              EC_POINT_set_Jprojective_coordinates_GFp(w->group, out, x, y, BN_value_one(), w->ctx) == 1;
    BN_CTX_end(w->ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

static enum err load_scalar(struct work *w, const uint8_t in[P256_SCALAR])
{
    if (!BN_bin2bn(in, P256_SCALAR, w->scalar))
        return ERR_CRYPTO_FAILED;
    BN_set_flags(w->scalar, BN_FLG_CONSTTIME);
    bool in_range = !BN_is_zero(w->scalar) && BN_cmp(w->scalar, EC_GROUP_get0_order(w->group)) < 0;
    return in_range ? ERR_OK : ERR_KEY_INVALID;
}

/* ---- results to bytes ---- */

/* Jacobian coordinates: (x / z^2, y / z^3). z, and its product with those before it, in Montgomery form. */
struct jacobian {
    BIGNUM *x, *y, *z, *product;
};

static bool product(const struct work *w, BIGNUM *out, const BIGNUM *a, const BIGNUM *b)
{
    return BN_mod_mul_montgomery(out, a, b, w->field, w->ctx) == 1;
}

static bool take_coordinates(const struct work *w, const EC_POINT *point, const struct jacobian *before,
                             struct jacobian *out)
{
    *out = (struct jacobian){BN_CTX_get(w->ctx), BN_CTX_get(w->ctx), BN_CTX_get(w->ctx), BN_CTX_get(w->ctx)};
    return out->product &&
           EC_POINT_get_Jprojective_coordinates_GFp(w->group, point, out->x, out->y, out->z, w->ctx) == 1 &&
           BN_to_montgomery(out->z, out->z, w->field, w->ctx) == 1 &&
           (before ? product(w, out->product, before->product, out->z)
                   : BN_copy(out->product, out->z) != NULL);
}

/* out = 1 / z. OpenSSL offers no constant-time inversion as quick as the one in its affine coordinates: those
 * of (1, 1, z) are 1 / z^2 and 1 / z^3. */
static bool invert(struct work *w, const BIGNUM *z, BIGNUM *out)
{
    BIGNUM *plain = BN_CTX_get(w->ctx), *square = BN_CTX_get(w->ctx);
    return square && BN_from_montgomery(plain, z, w->field, w->ctx) == 1 &&
           EC_POINT_set_Jprojective_coordinates_GFp(w->group, w->a, BN_value_one(), BN_value_one(), plain,
                                                    w->ctx) == 1 &&
           EC_POINT_get_affine_coordinates(w->group, w->a, NULL, out, w->ctx) == 1 &&
           BN_to_montgomery(out, out, w->field, w->ctx) == 1 && product(w, square, z, z) &&
           product(w, out, out, square);
}

/* x * i^2 and y * i^3, with i = 1 / z: the affine point. */
static bool put_affine(const struct work *w, const struct jacobian *p, const BIGNUM *i, BIGNUM *square,
                       uint8_t out[P256_POINT])
{
    out[0] = 4;
    return product(w, square, i, i) && product(w, p->x, p->x, square) && product(w, p->y, p->y, square) &&
           product(w, p->y, p->y, i) && BN_bn2binpad(p->x, out + 1, P256_SCALAR) == P256_SCALAR &&
           BN_bn2binpad(p->y, out + 1 + P256_SCALAR, P256_SCALAR) == P256_SCALAR;
}

/* All at once: of what it costs to bring a point to bytes nine tenths are the inversion of z, and one
 * inversion serves for all (1 / z1 = z2 / (z1 * z2)). */
static bool put_all(struct work *w, EC_POINT *const points[], size_t n, uint8_t *const out[])
{
    struct jacobian p[POINTS];
    BIGNUM *rest = BN_CTX_get(w->ctx), *i = BN_CTX_get(w->ctx), *square = BN_CTX_get(w->ctx);
    bool ok = square != NULL;
    assert(n > 0 && n <= POINTS);
    for (size_t k = 0; ok && k < n; k++)
        ok = take_coordinates(w, points[k], k ? &p[k - 1] : NULL, &p[k]);
    ok = ok && invert(w, p[n - 1].product, rest);
    for (size_t k = n; ok && k-- > 0;)
        ok = (k ? product(w, i, rest, p[k - 1].product) : BN_copy(i, rest) != NULL) &&
             product(w, rest, rest, p[k].z) && put_affine(w, &p[k], i, square, out[k]);
    return ok;
}

/* Infinity has no 65 bytes. */
static enum err encode(struct work *w, EC_POINT *const points[], size_t n, uint8_t *const out[])
{
    for (size_t i = 0; i < n; i++)
        if (EC_POINT_is_at_infinity(w->group, points[i]))
            return ERR_DK_EVIDENCE;
    BN_CTX_start(w->ctx);
    bool ok = n == 1 ? EC_POINT_point2oct(w->group, points[0], POINT_CONVERSION_UNCOMPRESSED, out[0],
                                          P256_POINT, w->ctx) == P256_POINT
                     : put_all(w, points, n, out);
    BN_CTX_end(w->ctx);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

/* ---- products ---- */

enum err spake2p_points_multiply(struct crypto *c, const uint8_t scalar[P256_SCALAR], const uint8_t *point,
                                 uint8_t out[P256_POINT])
{
    struct work w = work_begin(c, 1);
    enum err e = w.ok ? load_scalar(&w, scalar) : ERR_CRYPTO_FAILED;
    if (!e && point)
        e = decode(&w, w.b, point);
    if (!e && EC_POINT_mul(w.group, w.results[0], point ? NULL : w.scalar, point ? w.b : NULL,
                           point ? w.scalar : NULL, w.ctx) != 1)
        e = ERR_CRYPTO_FAILED;
    if (!e)
        e = encode(&w, w.results, 1, &out);
    work_end(&w);
    return e;
}

/* scalar * G + own_blind */
static enum err make_share(struct work *w, const struct spake2p_terms *t, EC_POINT *out)
{
    enum err e = load_scalar(w, t->scalar);
    if (!e)
        e = decode_own(w, w->b, t->own_blind);
    if (e)
        return e;
    bool ok = EC_POINT_mul(w->group, out, w->scalar, NULL, NULL, w->ctx) == 1 &&
              EC_POINT_add(w->group, out, out, w->b, w->ctx) == 1;
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

/* out = peer - blind. A share that is its own blind was made without a scalar: nothing else than w0 is needed
 * for it. */
static enum err unblind(struct work *w, const struct spake2p_terms *t, EC_POINT *out)
{
    enum err e = decode(w, out, t->peer);
    if (!e)
        e = decode_own(w, w->b, t->blind);
    if (e)
        return e;
    if (EC_POINT_invert(w->group, w->b, w->ctx) != 1 || EC_POINT_add(w->group, out, out, w->b, w->ctx) != 1)
        return ERR_CRYPTO_FAILED;
    return EC_POINT_is_at_infinity(w->group, out) ? ERR_DK_EVIDENCE : ERR_OK;
}

static enum err multiply(struct work *w, const uint8_t *scalar, const EC_POINT *point, EC_POINT *out)
{
    enum err e = load_scalar(w, scalar);
    if (!e && EC_POINT_mul(w->group, out, NULL, point, w->scalar, w->ctx) != 1)
        e = ERR_CRYPTO_FAILED;
    return e;
}

/* Z and V */
static enum err multiply_both(struct work *w, const struct spake2p_terms *t, EC_POINT *z, EC_POINT *v)
{
    enum err e = unblind(w, t, w->a);
    if (!e)
        e = multiply(w, t->scalar, w->a, z);
    if (!e && t->other)
        e = decode_own(w, w->a, t->other);
    if (!e)
        e = multiply(w, t->scalar_v, w->a, v);
    return e;
}

enum err spake2p_points_compute(struct crypto *c, const struct spake2p_terms *t, uint8_t *share, uint8_t *z,
                                uint8_t *v)
{
    struct work w = work_begin(c, (share ? 1u : 0u) + (z ? 2u : 0u));
    uint8_t *out[POINTS];
    size_t n = 0;
    enum err e = w.ok ? ERR_OK : ERR_CRYPTO_FAILED;
    if (!e && share) {
        e = make_share(&w, t, w.results[n]);
        out[n++] = share;
    }
    if (!e && z) {
        e = multiply_both(&w, t, w.results[n], w.results[n + 1]);
        out[n++] = z;
        out[n++] = v;
    }
    if (!e)
        e = encode(&w, w.results, n, out);
    work_end(&w);
    return e;
}
