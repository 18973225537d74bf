#include "sim/plant/given.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "backend/gsdp/gsdp.h"
#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/msg/responder.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"

#define OTHER_SERIAL  "SPAAK99999999"
#define OTHER_SUBJECT "V.SPAAKSIM.EU.01.0001FFFFFFFFFFFF"

static enum err put_key(struct store *s, const char *name, const struct p256_key *key)
{
    uint8_t scalar[P256_SCALAR];
    enum err e = p256_private(key, scalar);
    if (!e)
        e = store_set(s, name, span_of(scalar, sizeof scalar));
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

static enum err put_certificate(struct store *s, const char *name, const struct oem_identity *i)
{
    return store_set(s, name, span_of(i->der, i->len));
}

static enum err seed_responder(struct store *s, const struct oem *o, enum oem_role role)
{
    enum err e = put_key(s, RESPONDER_KEY, o->roles[role].key);
    if (!e)
        e = put_certificate(s, RESPONDER_CERTIFICATE, &o->roles[role]);
    if (!e)
        e = put_certificate(s, RESPONDER_ECU_ANCHOR, &o->roles[OEM_ECU_CA]);
    return e;
}

enum err given_servers(struct crypto *c, const struct oem *o, const struct given_stores *stores)
{
    (void)c;
    enum err e = seed_responder(stores->vos, o, OEM_VOS);
    if (!e)
        e = seed_responder(stores->gsdp, o, OEM_GSDP);
    if (!e)
        e = put_key(stores->pki, PKI_CA_KEY, o->roles[OEM_J1].key);
    if (!e)
        e = put_certificate(stores->pki, PKI_CA_CERTIFICATE, &o->roles[OEM_J1]);
    return e;
}

static enum err seed_plant(struct crypto *c, const struct oem *o, const struct given *g, const char *serial,
                           int64_t now_ms, struct store *s)
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
    enum err e =
        oem_make_ecu(c, o, g->identity == GIVEN_FOREIGN ? OTHER_SERIAL : serial, now_ms / 1000, &ecu);
    if (e)
        return e;
    e = put_key(s, SPAAK_ECU_KEY, ecu.key);
    if (!e)
        e = put_certificate(s, SPAAK_ECU_CERTIFICATE, &ecu);
    for (size_t i = 0; !e && i < sizeof anchors / sizeof anchors[0]; i++)
        e = put_certificate(s, anchors[i].key, &o->roles[anchors[i].role]);
    oem_identity_free(&ecu);
    return e;
}

/* A vehicle's identity before the run: subject, key, and certificate if it got that far. */
struct past {
    char subject[X509_CN_MAX + 1];
    struct p256_key *key;
    uint8_t drm_uuid[MSG_UUID], certificate[X509_MAX];
    size_t certificate_len;
};

static enum err past_make(struct crypto *c, const struct oem *o, const struct given *g, int64_t now_ms,
                          struct past *p)
{
    uint8_t id[6], point[P256_POINT], issuer[P256_POINT];
    crypto_random(c, p->drm_uuid, sizeof p->drm_uuid);
    crypto_random(c, id, sizeof id);
    int n = snprintf(p->subject, sizeof p->subject, "V.SPAAKSIM.EU.01.0001");
    for (size_t i = 0; i < sizeof id; i++)
        n += snprintf(p->subject + n, sizeof p->subject - (size_t)n, "%02X", id[i]);
    enum err e = p256_generate(c, &p->key);
    if (e || g->certificate == GIVEN_NO_CERTIFICATE)
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

static enum err weak_csr(struct crypto *c, const char *subject, uint8_t out[512], size_t *len)
{
    enum err e = ERR_CRYPTO_FAILED;
    uint8_t *der = NULL;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(crypto_openssl(c), NULL, "EC", "P-224");
    X509_REQ *req = X509_REQ_new_ex(crypto_openssl(c), NULL);
    int n = 0;
    if (key && req &&
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_ASC,
                                   (const unsigned char *)subject, -1, -1, 0) == 1 &&
        X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0)
        n = i2d_X509_REQ(req, &der);
    if (n > 0 && n <= 512) {
        memcpy(out, der, (size_t)n);
        *len = (size_t)n;
        e = ERR_OK;
    }
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return e;
}

enum err given_bad_csr(struct crypto *c, enum given_csr kind, const char *subject, const struct p256_key *key,
                       uint8_t out[512], size_t *len)
{
    if (kind == GIVEN_CSR_WEAK_KEY)
        return weak_csr(c, subject, out, len);
    return csr_create(c, kind == GIVEN_CSR_WRONG_SUBJECT ? OTHER_SUBJECT : subject, key, out, len);
}

static enum err seed_pending(struct crypto *c, const struct given *g, const struct past *p, struct store *s)
{
    uint8_t csr[512];
    size_t len;
    enum err e = given_bad_csr(c, (enum given_csr)g->pending_csr, p->subject, p->key, csr, &len);
    if (!e)
        e = store_set(s, SPAAK_PENDING_SUBJECT, span_of(p->subject, strlen(p->subject)));
    if (!e)
        e = put_key(s, SPAAK_PENDING_KEY, p->key);
    return e ? e : store_set(s, SPAAK_PENDING_CSR, span_of(csr, len));
}

static enum err seed_certificate(const struct given *g, const struct past *p, struct store *s)
{
    enum err e = put_key(s, SPAAK_VEHICLE_KEY, p->key);
    if (!e)
        e = store_set(s, SPAAK_VEHICLE_CERTIFICATE, span_of(p->certificate, p->certificate_len));
    if (!e && g->certificate == GIVEN_INSTALLED)
        e = store_set(s, SPAAK_VEHICLE_ACKED, span_of("\1", 1));
    return e;
}

static enum err seed_record(const struct given *g, struct past *p, const char *serial, struct store *s)
{
    char key[ENV_KEY_MAX];
    uint8_t out[ENV_VALUE_MAX], point[P256_POINT];
    Backend__V1__VehicleRecord m = BACKEND__V1__VEHICLE_RECORD__INIT;
    p256_public(p->key, point);
    m.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_SUBJECT_ISSUED;
    m.subject_id = p->subject;
    m.generation = 1;
    m.drm_uuid = (ProtobufCBinaryData){MSG_UUID, p->drm_uuid};
    if (g->certificate != GIVEN_NO_CERTIFICATE) {
        m.state = g->certificate == GIVEN_INSTALLED
                      ? BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE
                      : BACKEND__V1__VEHICLE_RECORD__STATE__STATE_CERTIFICATE_ISSUED;
        m.public_key = (ProtobufCBinaryData){sizeof point, point};
        m.certificate = (ProtobufCBinaryData){p->certificate_len, p->certificate};
    }
    snprintf(key, sizeof key, VOS_VEHICLE_PREFIX "%s", serial);
    return store_set(s, key, span_of(out, backend__v1__vehicle_record__pack(&m, out)));
}

enum err given_vehicle(struct crypto *c, const struct oem *o, const struct given *g, const char *serial,
                       int64_t now_ms, const struct given_stores *stores)
{
    struct past p = {0};
    char key[ENV_KEY_MAX];
    enum err e = seed_plant(c, o, g, serial, now_ms, stores->spaak);
    if (!e && g->ecu == GIVEN_PRESENT) {
        snprintf(key, sizeof key, VOS_ECU_PREFIX "%s", serial);
        e = store_set(stores->vos, key, span_of("\1", 1));
    }
    if (!e)
        e = past_make(c, o, g, now_ms, &p);
    if (!e && g->drm_uuid == GIVEN_PRESENT) {
        snprintf(key, sizeof key, GSDP_DRM_UUID_PREFIX "%s", serial);
        e = store_set(stores->gsdp, key, span_of(p.drm_uuid, MSG_UUID));
        if (!e)
            e = store_set(stores->spaak, SPAAK_DRM_UUID, span_of(p.drm_uuid, MSG_UUID));
    }
    if (!e && g->pending_csr != GIVEN_NO_CSR)
        e = seed_pending(c, g, &p, stores->spaak);
    if (!e && g->certificate != GIVEN_NO_CERTIFICATE)
        e = seed_certificate(g, &p, stores->spaak);
    if (!e && (g->pending_csr != GIVEN_NO_CSR || g->certificate != GIVEN_NO_CERTIFICATE))
        e = seed_record(g, &p, serial, stores->vos);
    p256_free(p.key);
    return e;
}
