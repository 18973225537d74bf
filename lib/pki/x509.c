#include "lib/pki/x509.h"

#include <string.h>

#include "lib/pki/der.h"
#include "lib/pki/x509_parts.h"

static const uint8_t oid_ecdsa_sha256[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
static const uint8_t oid_ec_public_key[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
static const uint8_t oid_p256[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
static const uint8_t oid_cn[] = {0x55, 0x04, 0x03};
static const uint8_t oid_ou[] = {0x55, 0x04, 0x0B};
static const uint8_t oid_key_usage[] = {0x55, 0x1D, 0x0F};
static const uint8_t oid_basic_constraints[] = {0x55, 0x1D, 0x13};
static const uint8_t oid_subject_key_id[] = {0x55, 0x1D, 0x0E};
static const uint8_t oid_authority_key_id[] = {0x55, 0x1D, 0x23};
static const uint8_t oid_ext_key_usage[] = {0x55, 0x1D, 0x25};
/* 1.3.6.1.4.1.41577.5.x, without x */
static const uint8_t oid_ccc[] = {0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0xC4, 0x69, 0x05};
/* 2.999.1.x, without x: the arc kept free for examples (X.660); no OEM's real arc is taken */
static const uint8_t oid_purpose[] = {0x88, 0x37, 0x01};
/* SEQUENCE { INTEGER 1 } */
static const uint8_t ccc_value[] = {0x30, 0x03, 0x02, 0x01, 0x01};

enum { CCC_ENDPOINT = 4 };
enum { USAGE_SIGN = 0x80, USAGE_CA = 0x06 };

static const struct profile {
    bool ca;
    int path_len;
    uint8_t key_usage, ccc_type, purpose;
} profiles[X509_PROFILES] = {
    [X509_OEM_ROOT] = {true, -1, USAGE_CA, 9, 0},        [X509_OEM_SUB_CA] = {true, 0, USAGE_CA, 8, 0},
    [X509_VEHICLE] = {false, -1, USAGE_SIGN, 1, 0},      [X509_SERVER_CA] = {true, 0, USAGE_CA, 0, 0},
    [X509_ECU_IDENTITY] = {false, -1, USAGE_SIGN, 0, 1}, [X509_VOS_SIGNER] = {false, -1, USAGE_SIGN, 0, 2},
    [X509_GSDP_SIGNER] = {false, -1, USAGE_SIGN, 0, 3},  [X509_KTS_SIGNER] = {false, -1, USAGE_SIGN, 0, 4},
    [X509_DEVICE_OEM] = {true, -1, USAGE_CA, 0, 0},      [X509_DEVICE_CROSS] = {true, 1, USAGE_CA, 2, 0},
    [X509_INSTANCE_CA] = {true, 0, USAGE_CA, 3, 0},      [X509_ENDPOINT] = {false, -1, USAGE_SIGN, 4, 0},
    [X509_TESTER] = {false, -1, USAGE_SIGN, 0, 0},       [X509_ECU_CLIENT] = {false, -1, USAGE_SIGN, 0, 5},
    [X509_CARD_KEY] = {false, -1, USAGE_SIGN, 0, 6},
};

void x509_key_id(struct crypto *c, const uint8_t point[P256_POINT], uint8_t out[SHA1_SIZE])
{
    crypto_sha1(c, span_of(point, P256_POINT), out);
}

/* ---- issuing: every put_ function writes backwards ---- */

static void put_oid(struct der_w *w, const uint8_t *oid, size_t len, uint8_t last_arc)
{
    size_t mark = w->at;
    if (last_arc)
        der_put(w, &last_arc, 1);
    der_put(w, oid, len);
    der_wrap(w, DER_OID, mark);
}

#define PUT_OID(w, oid)          put_oid(w, oid, sizeof oid, 0)
#define PUT_OID_ARC(w, oid, arc) put_oid(w, oid, sizeof oid, arc)

static void put_signature_algorithm(struct der_w *w)
{
    size_t mark = w->at;
    PUT_OID(w, oid_ecdsa_sha256);
    der_wrap(w, DER_SEQUENCE, mark);
}

/* One attribute of a name. */
static void put_attribute(struct der_w *w, const uint8_t *oid, size_t len, const char *text)
{
    size_t mark = w->at;
    der_put_tlv(w, DER_UTF8, text, strlen(text));
    put_oid(w, oid, len, 0);
    der_wrap(w, DER_SEQUENCE, mark);
    der_wrap(w, DER_SET, mark);
}

static void put_subject(struct der_w *w, const char *unit, const char *cn)
{
    size_t mark = w->at;
    put_attribute(w, oid_cn, sizeof oid_cn, cn);
    if (unit)
        put_attribute(w, oid_ou, sizeof oid_ou, unit);
    der_wrap(w, DER_SEQUENCE, mark);
}

void x509_put_name(struct der_w *w, const char *cn)
{
    put_subject(w, NULL, cn);
}

void x509_put_public_key(struct der_w *w, const uint8_t point[P256_POINT])
{
    size_t mark = w->at;
    der_put_bits(w, point, P256_POINT, 0);
    size_t algorithm = w->at;
    PUT_OID(w, oid_p256);
    PUT_OID(w, oid_ec_public_key);
    der_wrap(w, DER_SEQUENCE, algorithm);
    der_wrap(w, DER_SEQUENCE, mark);
}

/* Closes an extension whose value was written since mark. */
static void end_extension(struct der_w *w, size_t mark, const uint8_t *oid, size_t len, uint8_t arc,
                          bool critical)
{
    der_wrap(w, DER_OCTET_STRING, mark);
    if (critical)
        der_put_tlv(w, DER_BOOLEAN, "\xFF", 1);
    put_oid(w, oid, len, arc);
    der_wrap(w, DER_SEQUENCE, mark);
}

static void put_key_ids(struct crypto *c, struct der_w *w, const struct x509_template *t)
{
    uint8_t id[SHA1_SIZE];
    size_t mark = w->at;
    x509_key_id(c, t->public_key, id);
    der_put_tlv(w, DER_OCTET_STRING, id, sizeof id);
    end_extension(w, mark, oid_subject_key_id, sizeof oid_subject_key_id, 0, false);
    mark = w->at;
    x509_key_id(c, t->issuer_public_key, id);
    der_put_tlv(w, 0x80, id, sizeof id);
    der_wrap(w, DER_SEQUENCE, mark);
    end_extension(w, mark, oid_authority_key_id, sizeof oid_authority_key_id, 0, false);
}

static void put_ccc(struct der_w *w, const struct x509_template *t, uint8_t arc)
{
    size_t mark = w->at;
    if (t->ccc_value.len)
        der_put(w, t->ccc_value.p, t->ccc_value.len);
    else
        der_put(w, ccc_value, sizeof ccc_value);
    end_extension(w, mark, oid_ccc, sizeof oid_ccc, arc, true);
}

static void put_extensions(struct crypto *c, struct der_w *w, const struct x509_template *t)
{
    const struct profile *p = &profiles[t->profile];
    size_t all = w->at;
    /* last: OpenSSL forgets that those behind a critical one that it does not know are critical, too */
    if (p->ccc_type)
        put_ccc(w, t, p->ccc_type);
    put_key_ids(c, w, t);
    size_t mark = w->at;
    if (p->path_len >= 0)
        der_put_small(w, (uint8_t)p->path_len);
    if (p->ca)
        der_put_tlv(w, DER_BOOLEAN, "\xFF", 1);
    der_wrap(w, DER_SEQUENCE, mark);
    end_extension(w, mark, oid_basic_constraints, sizeof oid_basic_constraints, 0, true);
    mark = w->at;
    der_put_bits(w, &p->key_usage, 1, p->ca ? 1 : 7);
    end_extension(w, mark, oid_key_usage, sizeof oid_key_usage, 0, true);
    if (p->purpose) {
        mark = w->at;
        PUT_OID_ARC(w, oid_purpose, p->purpose);
        der_wrap(w, DER_SEQUENCE, mark);
        end_extension(w, mark, oid_ext_key_usage, sizeof oid_ext_key_usage, 0, true);
    }
    der_wrap(w, DER_SEQUENCE, all);
    der_wrap(w, DER_CONTEXT_3, all);
}

static void put_tbs(struct crypto *c, struct der_w *w, const struct x509_template *t)
{
    size_t mark = w->at;
    uint8_t serial[16];
    put_extensions(c, w, t);
    x509_put_public_key(w, t->public_key);
    put_subject(w, t->unit, t->subject);
    size_t validity = w->at;
    der_put_time(w, t->not_after_s);
    der_put_time(w, t->not_before_s);
    der_wrap(w, DER_SEQUENCE, validity);
    x509_put_name(w, t->issuer);
    put_signature_algorithm(w);
    crypto_random(c, serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7F) | 0x40);
    der_put_integer(w, serial, sizeof serial);
    size_t version = w->at;
    der_put_small(w, 2);
    der_wrap(w, DER_CONTEXT_0, version);
    der_wrap(w, DER_SEQUENCE, mark);
}

enum err x509_put_signed(struct crypto *c, const struct der_w *to_sign, const struct p256_key *key,
                         uint8_t *out, size_t cap, size_t *len)
{
    uint8_t buf[X509_MAX], digest[SHA256_SIZE], sig[P256_SIG_MAX];
    struct span signed_part = der_written(to_sign);
    size_t sig_len;
    if (to_sign->failed)
        return ERR_NO_SPACE;
    crypto_sha256(c, &signed_part, 1, digest);
    enum err e = p256_sign(key, digest, sig, &sig_len);
    if (e)
        return e;
    struct der_w w = der_w_of(buf, sizeof buf);
    der_put_bits(&w, sig, sig_len, 0);
    put_signature_algorithm(&w);
    der_put(&w, signed_part.p, signed_part.len);
    der_wrap(&w, DER_SEQUENCE, w.end);
    return der_take(&w, out, cap, len);
}

enum err x509_issue(struct crypto *c, const struct x509_template *t, const struct p256_key *issuer_key,
                    uint8_t out[X509_MAX], size_t *len)
{
    uint8_t tbs[X509_MAX];
    struct der_w w = der_w_of(tbs, sizeof tbs);
    if (strlen(t->subject) > X509_CN_MAX || strlen(t->issuer) > X509_CN_MAX ||
        (t->unit && strlen(t->unit) > X509_OU_MAX))
        return ERR_BAD_ARGUMENT;
    put_tbs(c, &w, t);
    return x509_put_signed(c, &w, issuer_key, out, X509_MAX, len);
}

/* ---- parsing ---- */

void x509_read_signature_algorithm(struct rd *r)
{
    struct rd in = der_enter(r, DER_SEQUENCE);
    struct rd oid = der_enter(&in, DER_OID);
    if (!der_is(oid, oid_ecdsa_sha256, sizeof oid_ecdsa_sha256) || in.left)
        r->failed = true;
}

/* One attribute of that kind, of up to max characters. */
static bool read_attribute(struct rd *name, const uint8_t *oid, size_t len, char *out, size_t max)
{
    struct rd set = der_enter(name, DER_SET);
    struct rd pair = der_enter(&set, DER_SEQUENCE);
    struct rd kind = der_enter(&pair, DER_OID);
    struct rd text;
    if (!der_optional(&pair, DER_PRINTABLE, &text))
        text = der_enter(&pair, DER_UTF8);
    if (!der_is(kind, oid, len) || text.failed || pair.left || set.left || text.left == 0 ||
        text.left > max || memchr(text.p, 0, text.left))
        return false;
    memcpy(out, text.p, text.left);
    out[text.left] = '\0';
    return true;
}

void x509_read_name(struct rd *r, char out[X509_CN_MAX + 1])
{
    struct rd name = der_enter(r, DER_SEQUENCE);
    if (!read_attribute(&name, oid_cn, sizeof oid_cn, out, X509_CN_MAX) || name.left)
        r->failed = true;
}

/* CN, or OU and CN. */
static void read_subject(struct rd *r, struct x509 *x)
{
    struct rd name = der_enter(r, DER_SEQUENCE), rest = name;
    if (read_attribute(&rest, oid_ou, sizeof oid_ou, x->unit, X509_OU_MAX))
        name = rest;
    if (!read_attribute(&name, oid_cn, sizeof oid_cn, x->subject, X509_CN_MAX) || name.left)
        r->failed = true;
}

enum err x509_read_public_key(struct rd *r, uint8_t out[P256_POINT])
{
    struct rd in = der_enter(r, DER_SEQUENCE);
    struct rd algorithm = der_enter(&in, DER_SEQUENCE);
    struct rd kind = der_enter(&algorithm, DER_OID);
    if (in.failed || algorithm.failed || kind.failed)
        return ERR_DER_SYNTAX;
    struct rd curve = der_enter(&algorithm, DER_OID);
    struct span point = der_bits(&in);
    if (!der_is(kind, oid_ec_public_key, sizeof oid_ec_public_key) ||
        !der_is(curve, oid_p256, sizeof oid_p256) || point.len != P256_POINT || point.p[0] != 4)
        return ERR_KEY_NOT_P256;
    if (in.failed || in.left || algorithm.left)
        return ERR_DER_SYNTAX;
    memcpy(out, point.p, P256_POINT);
    return ERR_OK;
}

/* A BOOLEAN that DER leaves out when it is false: 00 is looked over, what is neither 00 nor FF is none. */
static bool read_flag(struct rd *in, bool *out)
{
    struct rd flag;
    *out = false;
    if (!der_optional(in, DER_BOOLEAN, &flag))
        return true;
    *out = der_is(flag, (const uint8_t *)"\xFF", 1);
    return *out || der_is(flag, (const uint8_t *)"\x00", 1);
}

static void read_basic_constraints(struct rd *value, struct x509 *x)
{
    struct rd in = der_enter(value, DER_SEQUENCE);
    bool known = read_flag(&in, &x->ca);
    if (in.left)
        x->path_len = der_small(&in);
    if (in.failed || in.left || !known)
        value->failed = true;
}

static void read_key_usage(struct rd *value, struct x509 *x)
{
    struct rd in = der_enter(value, DER_BIT_STRING);
    uint8_t unused = rd_u8(&in);
    x->key_usage = rd_u8(&in);
    if (in.failed || in.left || unused > 7 || x->key_usage & ((1u << unused) - 1))
        value->failed = true;
}

static void read_key_id(struct rd *contents, uint8_t out[SHA1_SIZE])
{
    rd_copy(contents, out, SHA1_SIZE);
    if (contents->left)
        contents->failed = true;
}

static void read_purpose(struct rd *value, struct x509 *x)
{
    struct rd in = der_enter(value, DER_SEQUENCE);
    struct rd oid = der_enter(&in, DER_OID);
    if (in.left || oid.left != sizeof oid_purpose + 1 || memcmp(oid.p, oid_purpose, sizeof oid_purpose) != 0)
        value->failed = true;
    else
        x->purpose = oid.p[sizeof oid_purpose];
}

static void read_ccc(struct rd *value, struct x509 *x, uint8_t arc)
{
    x->ccc_value = rd_span(value, value->left);
    x->ccc_type = arc;
    if (arc != CCC_ENDPOINT && !span_equal(x->ccc_value, span_of(ccc_value, sizeof ccc_value)))
        value->failed = true;
}

enum {
    SEEN_BASIC_CONSTRAINTS = 1,
    SEEN_KEY_USAGE = 2,
    SEEN_SUBJECT_KEY_ID = 4,
    SEEN_AUTHORITY_KEY_ID = 8,
    SEEN_MANDATORY = 15,
    SEEN_PURPOSE = 16,
    SEEN_CCC = 32
};

/* One known extension: sets its bit in *seen, false for an unknown one. */
static bool read_known(struct rd oid, struct rd *value, struct x509 *x, unsigned *seen)
{
    unsigned bit = 0;
    struct rd in;
    if (der_is(oid, oid_basic_constraints, sizeof oid_basic_constraints)) {
        bit = SEEN_BASIC_CONSTRAINTS;
        read_basic_constraints(value, x);
    } else if (der_is(oid, oid_key_usage, sizeof oid_key_usage)) {
        bit = SEEN_KEY_USAGE;
        read_key_usage(value, x);
    } else if (der_is(oid, oid_subject_key_id, sizeof oid_subject_key_id)) {
        bit = SEEN_SUBJECT_KEY_ID;
        in = der_enter(value, DER_OCTET_STRING);
        read_key_id(&in, x->subject_key_id);
        value->failed |= in.failed;
    } else if (der_is(oid, oid_authority_key_id, sizeof oid_authority_key_id)) {
        bit = SEEN_AUTHORITY_KEY_ID;
        struct rd outer = der_enter(value, DER_SEQUENCE);
        in = der_enter(&outer, 0x80);
        read_key_id(&in, x->authority_key_id);
        value->failed |= in.failed || outer.left;
    } else if (der_is(oid, oid_ext_key_usage, sizeof oid_ext_key_usage)) {
        bit = SEEN_PURPOSE;
        read_purpose(value, x);
    } else if (oid.left == sizeof oid_ccc + 1 && memcmp(oid.p, oid_ccc, sizeof oid_ccc) == 0) {
        bit = SEEN_CCC;
        read_ccc(value, x, oid.p[sizeof oid_ccc]);
    }
    if (*seen & bit)
        value->failed = true;
    *seen |= bit;
    return bit != 0;
}

static enum err read_extensions(struct rd *tbs, struct x509 *x)
{
    struct rd outer = der_enter(tbs, DER_CONTEXT_3);
    struct rd list = der_enter(&outer, DER_SEQUENCE);
    unsigned seen = 0;
    if (outer.failed || outer.left || list.failed)
        return ERR_DER_SYNTAX;
    while (list.left) {
        struct rd ext = der_enter(&list, DER_SEQUENCE);
        unsigned before = seen;
        bool critical;
        struct rd oid = der_enter(&ext, DER_OID);
        bool known = read_flag(&ext, &critical);
        struct rd value = der_enter(&ext, DER_OCTET_STRING);
        if (!known || list.failed || ext.failed || ext.left || oid.failed)
            return ERR_DER_SYNTAX;
        if (read_known(oid, &value, x, &seen)) {
            if (value.failed || value.left)
                return ERR_DER_SYNTAX;
            if ((seen ^ before) == SEEN_CCC && !critical)
                return ERR_CERT_PROFILE;
        } else if (critical) {
            return ERR_CERT_PROFILE;
        }
    }
    return (seen & SEEN_MANDATORY) == SEEN_MANDATORY ? ERR_OK : ERR_CERT_PROFILE;
}

static enum err read_tbs(struct rd *r, struct x509 *x)
{
    struct rd tbs = der_enter(r, DER_SEQUENCE);
    struct rd version = der_enter(&tbs, DER_CONTEXT_0);
    if (der_small(&version) != 2)
        return ERR_DER_SYNTAX;
    if (der_integer(&tbs).len > 20) /* RFC 5280, 4.1.2.2 */
        return ERR_DER_SYNTAX;
    x509_read_signature_algorithm(&tbs);
    x509_read_name(&tbs, x->issuer);
    struct rd validity = der_enter(&tbs, DER_SEQUENCE);
    x->not_before_s = der_time(&validity);
    x->not_after_s = der_time(&validity);
    read_subject(&tbs, x);
    if (tbs.failed || validity.failed || validity.left)
        return ERR_DER_SYNTAX;
    enum err e = x509_read_public_key(&tbs, x->public_key);
    if (!e)
        e = read_extensions(&tbs, x);
    if (!e && (tbs.failed || tbs.left))
        e = ERR_DER_SYNTAX;
    return e;
}

enum err x509_parse(struct span der, struct x509 *out)
{
    struct x509 x = {.der = der, .path_len = -1};
    struct rd r = rd_of(der.p, der.len);
    struct rd cert = der_enter(&r, DER_SEQUENCE);
    if (r.failed || r.left || der.len > X509_MAX)
        return ERR_DER_SYNTAX;
    struct rd peek = cert;
    x.tbs = der_element(&peek, DER_SEQUENCE);
    enum err e = read_tbs(&cert, &x);
    if (e)
        return e;
    x509_read_signature_algorithm(&cert);
    x.signature = der_bits(&cert);
    if (cert.failed || cert.left)
        return ERR_DER_SYNTAX;
    *out = x;
    return ERR_OK;
}

/* ---- checking ---- */

/* Without a CCC extension the path length is what tells authorities apart. */
static bool path_len_fits(const struct x509 *x, const struct profile *p)
{
    if (!p->ca || !p->ccc_type)
        return x->path_len == p->path_len;
    return x->path_len < 0 || p->path_len < 0 || x->path_len <= p->path_len;
}

enum err x509_check_profile(struct crypto *c, const struct x509 *x, enum x509_profile profile)
{
    const struct profile *p = &profiles[profile];
    uint8_t id[SHA1_SIZE];
    if (x->ca != p->ca || !path_len_fits(x, p) || x->key_usage != p->key_usage ||
        x->ccc_type != p->ccc_type || (x->unit[0] != '\0') != (profile == X509_TESTER))
        return ERR_CERT_PROFILE;
    if (x->purpose != p->purpose)
        return ERR_CERT_PURPOSE;
    x509_key_id(c, x->public_key, id);
    return memcmp(id, x->subject_key_id, SHA1_SIZE) == 0 ? ERR_OK : ERR_CERT_PROFILE;
}

enum err x509_check_time(const struct x509 *x, int64_t now_s)
{
    if (now_s < x->not_before_s)
        return ERR_CERT_NOT_YET_VALID;
    return now_s > x->not_after_s ? ERR_CERT_EXPIRED : ERR_OK;
}

enum err x509_check_issued(struct crypto *c, const struct x509 *x, const struct x509 *issuer)
{
    uint8_t digest[SHA256_SIZE];
    struct p256_key *key;
    if (strcmp(x->issuer, issuer->subject) != 0 ||
        memcmp(x->authority_key_id, issuer->subject_key_id, SHA1_SIZE) != 0)
        return ERR_CERT_ISSUER_UNKNOWN;
    if (!issuer->ca || !(issuer->key_usage & 0x04))
        return ERR_CERT_NOT_CA;
    enum err e = p256_from_public(c, issuer->public_key, &key);
    if (e)
        return e;
    crypto_sha256(c, &x->tbs, 1, digest);
    e = p256_verify(key, digest, x->signature);
    p256_free(key);
    return e == ERR_SIGNATURE_INVALID ? ERR_CERT_SIGNATURE : e;
}

enum err x509_check_chain(struct crypto *c, const struct x509 *cert, enum x509_profile profile,
                          const struct x509 *const *issuers, size_t n, int64_t now_s)
{
    enum err e = x509_check_profile(c, cert, profile);
    if (!e)
        e = x509_check_time(cert, now_s);
    for (size_t i = 0; !e && i < n; i++) {
        e = x509_check_issued(c, i ? issuers[i - 1] : cert, issuers[i]);
        if (!e)
            e = x509_check_time(issuers[i], now_s);
        if (!e && issuers[i]->path_len >= 0 && (size_t)issuers[i]->path_len < i)
            e = ERR_CERT_PROFILE;
    }
    return e;
}

/* Five parts, none empty; the last of 16 such digits. */
static bool subject_has_form(const char *cn, const char *digits)
{
    size_t dots = 0, part = 0;
    if (strlen(cn) > X509_CN_MAX || strncmp(cn, "V.", 2) != 0)
        return false;
    const char *last = strrchr(cn, '.') + 1;
    for (const char *p = cn; *p; p++) {
        bool dot = *p == '.';
        if (dot && part == 0)
            return false;
        part = dot ? 0 : part + 1;
        dots += dot;
    }
    return dots == 4 && strlen(last) == 16 && strspn(last, digits) == 16;
}

bool x509_vehicle_subject_ok(const char *cn)
{
    return subject_has_form(cn, "0123456789ABCDEF");
}

bool x509_vehicle_subject_readable(const char *cn)
{
    return subject_has_form(cn, "0123456789ABCDEFabcdef");
}
