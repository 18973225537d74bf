#include "tests/history.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/pki/pki.h"
#include "ecu/spaak/spaak.h"
#include "lib/pki/csr.h"

static enum err put_key(struct store *s, const char *name, const struct p256_key *key)
{
    uint8_t scalar[P256_SCALAR];
    enum err e = p256_private(key, scalar);
    if (!e)
        e = store_set(s, name, span_of(scalar, sizeof scalar));
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err history_finish(struct crypto *c, const struct oem *o, const char *serial, int64_t now_s,
                        struct store *s)
{
    static const struct {
        const char *key;
        enum oem_role role;
    } anchors[] = {{SPAAK_ANCHOR_J, OEM_J},
                   {SPAAK_ANCHOR_J1, OEM_J1},
                   {SPAAK_ANCHOR_PHYSICAL_KEY, OEM_J_PHYSICAL_KEY},
                   {SPAAK_ANCHOR_Z1, OEM_Z1},
                   {SPAAK_ANCHOR_ZZ2, OEM_ZZ2}};
    struct oem_identity ecu;
    enum err e = oem_make_ecu(c, o, serial, now_s, &ecu);
    if (!e)
        e = put_key(s, SPAAK_ECU_KEY, ecu.key);
    if (!e)
        e = store_set(s, SPAAK_ECU_CERTIFICATE, span_of(ecu.der, ecu.len));
    oem_identity_free(&ecu);
    for (size_t i = 0; !e && i < sizeof anchors / sizeof anchors[0]; i++) {
        const struct oem_identity *a = &o->roles[anchors[i].role];
        e = store_set(s, anchors[i].key, span_of(a->der, a->len));
    }
    return e ? e : store_set(s, SPAAK_PLANT_LIFE, span_of("\3", 1));
}

/* A vehicle's identity before the run: subject, key, and certificate if it got that far. */
struct identity {
    char subject[X509_CN_MAX + 1];
    struct p256_key *key;
    uint8_t drm_uuid[16], certificate[X509_MAX];
    size_t certificate_len;
};

static enum err identity_make(struct crypto *c, const struct oem *o, const struct history *g, int64_t now_ms,
                              struct identity *p)
{
    uint8_t id[6], point[P256_POINT], issuer[P256_POINT];
    crypto_random(c, p->drm_uuid, sizeof p->drm_uuid);
    crypto_random(c, id, sizeof id);
    int n = snprintf(p->subject, sizeof p->subject, "V.SPAAKSIM.EU.01.0001");
    for (size_t i = 0; i < sizeof id; i++)
        n += snprintf(p->subject + n, sizeof p->subject - (size_t)n, "%02X", id[i]);
    enum err e = p256_generate(c, &p->key);
    if (e || g->certificate == HISTORY_NO_CERTIFICATE)
        return e;
    p256_public(p->key, point);
    p256_public(o->roles[OEM_J1].key, issuer);
    struct x509_template t = {
        .profile = X509_VEHICLE,
        .subject = p->subject,
        .issuer = "spaaksim OEM Sub-CA J1",
        .not_before_s = now_ms / 1000 - 86400,
        .not_after_s = now_ms / 1000 + PKI_VEHICLE_VALIDITY_S,
        .public_key = point,
        .issuer_public_key = issuer,
    };
    return x509_issue(c, &t, o->roles[OEM_J1].key, p->certificate, &p->certificate_len);
}

static enum err seed_pending(struct crypto *c, const struct identity *p, struct store *s)
{
    uint8_t csr[CSR_MAX];
    size_t len;
    enum err e = csr_create(c, p->subject, p->key, csr, &len);
    if (!e)
        e = store_set(s, SPAAK_PENDING_SUBJECT, span_of(p->subject, strlen(p->subject)));
    if (!e)
        e = put_key(s, SPAAK_PENDING_KEY, p->key);
    return e ? e : store_set(s, SPAAK_PENDING_CSR, span_of(csr, len));
}

static enum err seed_certificate(const struct history *g, const struct identity *p, struct store *s)
{
    enum err e = put_key(s, SPAAK_VEHICLE_KEY, p->key);
    if (!e)
        e = store_set(s, SPAAK_VEHICLE_CERTIFICATE, span_of(p->certificate, p->certificate_len));
    if (!e && g->certificate == HISTORY_INSTALLED)
        e = store_set(s, SPAAK_VEHICLE_ACKED, span_of("\1", 1));
    return e;
}

enum err history_write(struct crypto *c, const struct oem *o, const struct history *g, int64_t now_ms,
                       struct store *s)
{
    struct identity p = {0};
    enum err e = identity_make(c, o, g, now_ms, &p);
    if (!e && g->drm_uuid)
        e = store_set(s, SPAAK_DRM_UUID, span_of(p.drm_uuid, sizeof p.drm_uuid));
    if (!e && g->pending_csr)
        e = seed_pending(c, &p, s);
    if (!e && g->certificate != HISTORY_NO_CERTIFICATE)
        e = seed_certificate(g, &p, s);
    p256_free(p.key);
    return e;
}
