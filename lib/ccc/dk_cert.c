#include "lib/ccc/dk_cert.h"

#include <stdio.h>
#include <string.h>

#include "lib/pki/der.h"
#include "lib/pki/x509_parts.h"

enum { EXTENSION_VERSION = 1 };
enum { TAG_AUTHORIZED = 0xA0, TAG_CONFIDENTIAL = 0xA1, TAG_PRIVATE = 0xA2, TAG_COUNTER = 0xA3 };

/* ---- the extension of [H] ---- */

static void put_size(struct der_w *w, uint8_t tag, uint16_t v)
{
    const uint8_t be[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    size_t mark = w->at;
    der_put_integer(w, be, sizeof be);
    der_wrap(w, tag, mark);
}

enum err dk_cert_put_extension(const struct endpoint_creation *e, uint8_t out[DK_CERT_EXTENSION_MAX],
                               size_t *len)
{
    const uint8_t version[2] = {(uint8_t)(e->version >> 8), (uint8_t)e->version};
    uint8_t buf[DK_CERT_EXTENSION_MAX];
    struct der_w w = der_w_of(buf, sizeof buf);
    put_size(&w, TAG_PRIVATE, e->private_size);
    put_size(&w, TAG_CONFIDENTIAL, e->confidential_size);
    size_t mark = w.at;
    x509_put_public_key(&w, e->authorized_pk);
    der_wrap(&w, DER_SEQUENCE, mark);
    der_wrap(&w, TAG_AUTHORIZED, mark);
    der_put_tlv(&w, DER_OCTET_STRING, e->slot.b, e->slot.len);
    x509_put_public_key(&w, e->vehicle_pk);
    der_put_tlv(&w, DER_OCTET_STRING, version, sizeof version);
    der_put_tlv(&w, DER_OCTET_STRING, &e->options_2, 1);
    der_put_tlv(&w, DER_OCTET_STRING, &e->options_1, 1);
    der_put_tlv(&w, DER_OCTET_STRING, e->vehicle_id, sizeof e->vehicle_id);
    der_put_small(&w, EXTENSION_VERSION);
    der_wrap(&w, DER_SEQUENCE, w.end);
    return der_take(&w, out, DK_CERT_EXTENSION_MAX, len);
}

/* An OCTET STRING of that length. */
static void read_octets(struct rd *r, uint8_t *out, size_t len)
{
    struct rd in = der_enter(r, DER_OCTET_STRING);
    rd_copy(&in, out, len);
    if (in.failed || in.left)
        r->failed = true;
}

static void read_size(struct rd *r, uint8_t tag, uint16_t *out)
{
    struct rd in;
    if (!der_optional(r, tag, &in))
        return;
    struct span v = der_integer(&in);
    uint32_t size = 0;
    for (size_t i = 0; i < v.len && v.len <= 3; i++)
        size = size << 8 | v.p[i];
    if (in.failed || in.left || v.len == 0 || v.len > 3 || v.p[0] & 0x80 || size > 0xFFFF)
        r->failed = true;
    else
        *out = (uint16_t)size;
}

enum err dk_cert_parse_extension(struct span der, struct endpoint_creation *out)
{
    struct endpoint_creation e = {0};
    struct rd outer = rd_of(der.p, der.len), r = der_enter(&outer, DER_SEQUENCE);
    uint8_t version[2] = {0};
    uint16_t counter;
    if (der_small(&r) != EXTENSION_VERSION)
        return ERR_DER_SYNTAX;
    read_octets(&r, e.vehicle_id, sizeof e.vehicle_id);
    read_octets(&r, &e.options_1, 1);
    read_octets(&r, &e.options_2, 1);
    read_octets(&r, version, sizeof version);
    if (r.failed || x509_read_public_key(&r, e.vehicle_pk))
        return ERR_DER_SYNTAX;
    struct rd slot = der_enter(&r, DER_OCTET_STRING);
    if (r.failed || slot_id_parse(span_of(slot.p, slot.left), &e.slot))
        return ERR_DER_SYNTAX;
    struct rd authorized = der_enter(&r, TAG_AUTHORIZED), list = der_enter(&authorized, DER_SEQUENCE);
    if (r.failed || authorized.failed || x509_read_public_key(&list, e.authorized_pk) || list.left ||
        authorized.left) /* exactly one in Release 3 */
        return ERR_DER_SYNTAX;
    read_size(&r, TAG_CONFIDENTIAL, &e.confidential_size);
    read_size(&r, TAG_PRIVATE, &e.private_size);
    read_size(&r, TAG_COUNTER, &counter);
    if (outer.failed || outer.left || r.failed || r.left)
        return ERR_DER_SYNTAX;
    e.version = (uint16_t)(version[0] << 8 | version[1]);
    *out = e;
    return ERR_OK;
}

enum err dk_cert_issue_endpoint(struct crypto *c, const struct dk_cert_endpoint *t,
                                const struct p256_key *instance_ca, uint8_t out[X509_MAX], size_t *len)
{
    uint8_t extension[DK_CERT_EXTENSION_MAX], issuer[P256_POINT];
    size_t extension_len;
    enum err e = dk_cert_put_extension(t->creation, extension, &extension_len);
    if (e)
        return e;
    p256_public(instance_ca, issuer);
    const struct x509_template x = {.profile = X509_ENDPOINT,
                                    .subject = t->endpoint_id,
                                    .issuer = t->instance_ca_id,
                                    .not_before_s = t->not_before_s,
                                    .not_after_s = t->not_after_s,
                                    .public_key = t->device_pk,
                                    .issuer_public_key = issuer,
                                    .ccc_value = span_of(extension, extension_len)};
    return x509_issue(c, &x, instance_ca, out, len);
}

/* ---- checks of the device ---- */

static const struct x509 *find_root(const struct dk_cert_vehicle_chain *chain, const struct x509 *last)
{
    for (size_t i = 0; i < chain->n_roots; i++)
        if (strcmp(chain->roots[i].subject, last->issuer) == 0 &&
            memcmp(chain->roots[i].subject_key_id, last->authority_key_id, SHA1_SIZE) == 0)
            return &chain->roots[i];
    return NULL;
}

enum err dk_cert_check_vehicle(struct crypto *c, const struct dk_cert_vehicle_chain *chain,
                               const struct endpoint_creation *asked, int64_t now_s)
{
    struct x509 k, intermediate;
    const struct x509 *issuers[2], *last = &k;
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    size_t n = 0;
    /* [K] */
    enum err e = x509_parse(chain->vehicle, &k);
    if (e)
        return e;
    if (memcmp(k.public_key, asked->vehicle_pk, P256_POINT) != 0)
        return ERR_CERT_KEY_MISMATCH;
    if ((e = dk_cert_vehicle_id(k.subject, vehicle_id)))
        return e;
    if (memcmp(vehicle_id, asked->vehicle_id, sizeof vehicle_id) != 0)
        return ERR_CERT_SUBJECT_MISMATCH;
    /* 7F4C */
    if (chain->intermediate.len) {
        if ((e = x509_parse(chain->intermediate, &intermediate)) ||
            (e = x509_check_profile(c, &intermediate, X509_OEM_SUB_CA)))
            return e;
        issuers[n++] = last = &intermediate;
    }
    /* [J] */
    issuers[n] = find_root(chain, last);
    if (!issuers[n])
        return ERR_CERT_ISSUER_UNKNOWN;
    return x509_check_chain(c, &k, X509_VEHICLE, issuers, n + 1, now_s);
}

/* ---- checks of the vehicle ---- */

enum err dk_cert_check_device(struct crypto *c, const struct x509 *root,
                              const struct dk_cert_device_chain *chain, int64_t now_s, struct x509 *h)
{
    struct x509 f, ca, endpoint;
    const struct x509 *const issuers[] = {&ca, &f, root};
    enum err e;
    if ((e = x509_parse(chain->device_oem, &f)) || (e = x509_parse(chain->instance_ca, &ca)) ||
        (e = x509_parse(chain->endpoint, &endpoint)) || (e = x509_check_profile(c, &f, X509_DEVICE_CROSS)) ||
        (e = x509_check_profile(c, &ca, X509_INSTANCE_CA)) ||
        (e = x509_check_chain(c, &endpoint, X509_ENDPOINT, issuers, 3, now_s)))
        return e;
    *h = endpoint;
    return ERR_OK;
}

enum err dk_cert_check_endpoint(struct crypto *c, const struct x509 *h, const struct endpoint_creation *asked)
{
    struct endpoint_creation got;
    enum err e = dk_cert_parse_extension(h->ccc_value, &got);
    if (e)
        return e;
    bool same = memcmp(got.vehicle_id, asked->vehicle_id, sizeof got.vehicle_id) == 0 &&
                got.version == asked->version && slot_id_equal(&got.slot, &asked->slot) &&
                memcmp(got.vehicle_pk, asked->vehicle_pk, P256_POINT) == 0 &&
                memcmp(got.authorized_pk, asked->authorized_pk, P256_POINT) == 0 &&
                got.confidential_size == asked->confidential_size && got.private_size == asked->private_size;
    bool wider = got.options_1 & ~asked->options_1 || got.options_2 & ~asked->options_2;
    if (!same || wider)
        return ERR_DK_KEY_MISMATCH;
    return p256_check_point(c, h->public_key);
}

/* ---- names ---- */

struct span dk_cert_manufacturer(const char *subject)
{
    if (!x509_vehicle_subject_readable(subject))
        return (struct span){0};
    const char *start = subject + 2;
    return span_of(start, strcspn(start, "."));
}

enum err dk_cert_vehicle_id(const char *subject, uint8_t out[TRANSACTION_VEHICLE_ID])
{
    if (!x509_vehicle_subject_readable(subject))
        return ERR_CERT_SUBJECT_MISMATCH;
    const char *id = strrchr(subject, '.') + 1;
    return hex_decode(id, 2 * TRANSACTION_VEHICLE_ID, out, TRANSACTION_VEHICLE_ID) == TRANSACTION_VEHICLE_ID
               ? ERR_OK
               : ERR_CERT_SUBJECT_MISMATCH;
}

enum err dk_cert_endpoint_id(const char *device_oem, const uint8_t unique[8], char out[X509_CN_MAX + 1])
{
    char hex[17];
    hex_encode(unique, 8, hex);
    return snprintf(out, X509_CN_MAX + 1, "E.%s.%s", device_oem, hex) > X509_CN_MAX ? ERR_NO_SPACE : ERR_OK;
}

enum err dk_cert_instance_ca_id(const char *device_oem, const char *vehicle_oem, char out[X509_CN_MAX + 1])
{
    return snprintf(out, X509_CN_MAX + 1, "I.%s.%s", device_oem, vehicle_oem) > X509_CN_MAX ? ERR_NO_SPACE
                                                                                            : ERR_OK;
}
