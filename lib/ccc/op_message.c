#include "lib/ccc/op_message.h"

#include <string.h>

#include "lib/ccc/tlv.h"

enum {
    TAG_FRAMEWORK_VERSIONS = 0x5A,
    TAG_VERSION = 0x5B,
    TAG_APPLET_VERSIONS = 0x5C,
    TAG_READY = 0xD4,
    TAG_SCRYPT = 0x7F50,
    TAG_SALT = 0xC0,
    TAG_N = 0xC1,
    TAG_R = 0xC2,
    TAG_P = 0xC3,
    TAG_BRAND = 0xD6,
    TAG_X = 0x50,
    TAG_Y = 0x52,
    TAG_M1 = 0x57,
    TAG_M2 = 0x58
};
enum { READY = 0x02 };

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

bool op_versions_has(const struct op_versions *v, uint16_t version)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->v[i] == version)
            return true;
    return false;
}

uint16_t op_versions_common(const struct op_versions *ours, const struct op_versions *theirs)
{
    for (size_t i = 0; i < ours->n; i++)
        if (op_versions_has(theirs, ours->v[i]))
            return ours->v[i];
    return 0;
}

void op_versions_put_value(struct wr *w, const struct op_versions *v)
{
    for (size_t i = 0; i < v->n; i++)
        wr_be16(w, v->v[i]);
}

void op_versions_put(struct wr *w, uint16_t tag, const struct op_versions *v)
{
    tlv_put_header(w, tag, 2 * v->n);
    op_versions_put_value(w, v);
}

enum err op_versions_parse(struct span value, struct op_versions *out)
{
    if (value.len == 0 || value.len % 2)
        return ERR_BAD_ARGUMENT;
    *out = (struct op_versions){.n = value.len / 2 < OP_VERSIONS ? value.len / 2 : OP_VERSIONS};
    for (size_t i = 0; i < out->n; i++)
        out->v[i] = be16(value.p + 2 * i);
    return ERR_OK;
}

static enum err find_versions(struct span data, uint16_t tag, struct op_versions *out)
{
    struct tlv t;
    enum err e = tlv_find_once(data, tag, &t);
    return e ? e : op_versions_parse(t.value, out);
}

void op_select_put(struct wr *w, const struct op_select *s)
{
    const uint8_t ready = s->ready ? READY : 0;
    op_versions_put(w, TAG_FRAMEWORK_VERSIONS, &s->framework);
    op_versions_put(w, TAG_APPLET_VERSIONS, &s->applet);
    tlv_put(w, TAG_READY, span_of(&ready, 1));
}

enum err op_select_parse(struct span data, struct op_select *out)
{
    struct op_select s;
    struct span ready;
    enum err e = find_versions(data, TAG_FRAMEWORK_VERSIONS, &s.framework);
    if (!e)
        e = find_versions(data, TAG_APPLET_VERSIONS, &s.applet);
    if (!e)
        e = tlv_find_exact(data, TAG_READY, 1, &ready);
    if (e)
        return e;
    s.ready = ready.p[0] == READY;
    *out = s;
    return ERR_OK;
}

/* ---- REQUEST ---- */

#define SCRYPT_SIZE (2 + SPAKE2P_SALT + 2 + 4 + 2 + 2 + 2 + 2)

static void put_scrypt(struct wr *w, const struct spake2p_scrypt *s)
{
    tlv_put_header(w, TAG_SCRYPT, SCRYPT_SIZE);
    tlv_put(w, TAG_SALT, span_of(s->salt, sizeof s->salt));
    tlv_put_header(w, TAG_N, 4);
    wr_be32(w, s->n);
    tlv_put_header(w, TAG_R, 2);
    wr_be16(w, s->r);
    tlv_put_header(w, TAG_P, 2);
    wr_be16(w, s->p);
}

static enum err parse_scrypt(struct span data, struct spake2p_scrypt *out)
{
    struct tlv t;
    struct span salt, n, r, p;
    enum err e;
    if ((e = tlv_find_once(data, TAG_SCRYPT, &t)) ||
        (e = tlv_find_exact(t.value, TAG_SALT, SPAKE2P_SALT, &salt)) ||
        (e = tlv_find_exact(t.value, TAG_N, 4, &n)) || (e = tlv_find_exact(t.value, TAG_R, 2, &r)) ||
        (e = tlv_find_exact(t.value, TAG_P, 2, &p)))
        return e;
    memcpy(out->salt, salt.p, salt.len);
    out->n = (uint32_t)be16(n.p) << 16 | be16(n.p + 2);
    out->r = be16(r.p);
    out->p = be16(p.p);
    return ERR_OK;
}

void op_request_put(struct wr *w, const struct op_request *r)
{
    tlv_put_header(w, TAG_VERSION, 2);
    wr_be16(w, r->version);
    op_versions_put(w, TAG_APPLET_VERSIONS, &r->applet);
    put_scrypt(w, &r->scrypt);
    tlv_put_header(w, TAG_BRAND, 2);
    wr_be16(w, r->brand);
}

enum err op_request_parse(struct span data, struct op_request *out)
{
    struct op_request r;
    struct tlv version, versions;
    struct span brand;
    enum err e = tlv_find_once(data, TAG_VERSION, &version);
    if (e)
        return e;
    if (version.value.len != 2)
        return ERR_BAD_ARGUMENT;
    if ((e = tlv_find_once(data, TAG_APPLET_VERSIONS, &versions)) ||
        (e = op_versions_parse(versions.value, &r.applet)) || (e = parse_scrypt(data, &r.scrypt)) ||
        (e = tlv_find_exact(data, TAG_BRAND, 2, &brand)))
        return e;
    r.version = be16(version.value.p);
    r.brand = be16(brand.p);
    r.tlv_5b = version.whole;
    r.tlv_5c = versions.whole;
    *out = r;
    return ERR_OK;
}

/* ---- shares and evidence ---- */

static enum err parse_fixed(struct span data, uint16_t tag, size_t len, const uint8_t **out)
{
    struct span v;
    enum err e = tlv_find_exact(data, tag, len, &v);
    if (!e)
        *out = v.p;
    return e;
}

void op_share_put(struct wr *w, const uint8_t x[P256_POINT])
{
    tlv_put(w, TAG_X, span_of(x, P256_POINT));
}

enum err op_share_parse(struct span data, const uint8_t **x)
{
    return parse_fixed(data, TAG_X, P256_POINT, x);
}

void op_evidence_put(struct wr *w, const uint8_t m2[SPAKE2P_EVIDENCE])
{
    tlv_put(w, TAG_M2, span_of(m2, SPAKE2P_EVIDENCE));
}

enum err op_evidence_parse(struct span data, const uint8_t **m2)
{
    return parse_fixed(data, TAG_M2, SPAKE2P_EVIDENCE, m2);
}

void op_verify_put(struct wr *w, const uint8_t y[P256_POINT], const uint8_t m1[SPAKE2P_EVIDENCE])
{
    tlv_put(w, TAG_Y, span_of(y, P256_POINT));
    tlv_put(w, TAG_M1, span_of(m1, SPAKE2P_EVIDENCE));
}

enum err op_verify_parse(struct span data, const uint8_t **y, const uint8_t **m1)
{
    const uint8_t *point, *evidence;
    enum err e = parse_fixed(data, TAG_Y, P256_POINT, &point);
    if (!e)
        e = parse_fixed(data, TAG_M1, SPAKE2P_EVIDENCE, &evidence);
    if (e)
        return e;
    *y = point;
    *m1 = evidence;
    return ERR_OK;
}
