/* Anchors and identity out of the store, for the life that the plant has finished. */
#include <openssl/crypto.h>

#include "ecu/spaak/spaak_internal.h"

enum err load_anchor(struct spaak *s, const char *key, enum x509_profile profile, struct spaak_anchor *a)
{
    size_t len;
    enum err e = env_store_get(s->env, key, a->der, sizeof a->der, &len);
    if (!e)
        e = x509_parse(span_of(a->der, len), &a->cert);
    if (!e)
        e = x509_check_profile(s->env->crypto, &a->cert, profile);
    return e;
}

static enum err load_identity(struct spaak *s)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_ECU_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(s->env->crypto, scalar, &s->ecu_key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (!e)
        e = env_store_get(s->env, SPAAK_ECU_CERTIFICATE, s->ecu_certificate, X509_MAX,
                          &s->ecu_certificate_len);
    return e;
}

enum err load_all(struct spaak *s)
{
    size_t len;
    load_nothing(s);
    enum err e = load_identity(s);
    if (!e)
        e = load_anchor(s, SPAAK_ANCHOR_J, X509_OEM_ROOT, &s->j);
    if (!e)
        e = load_anchor(s, SPAAK_ANCHOR_J1, X509_OEM_SUB_CA, &s->j1);
    if (!e)
        e = load_anchor(s, SPAAK_ANCHOR_Z1, X509_SERVER_CA, &s->z1);
    if (e) {
        load_nothing(s);
        return e;
    }
    s->signer = (struct requester_signer){
        .ecu_serial = s->serial,
        .key = s->ecu_key,
        .certificate = span_of(s->ecu_certificate, s->ecu_certificate_len),
    };
    if (env_store_get(s->env, SPAAK_DRM_UUID, s->drm_uuid, MSG_UUID, &len) == ERR_OK && len == MSG_UUID)
        s->signer.drm_uuid = s->drm_uuid;
    return ERR_OK;
}

void load_nothing(struct spaak *s)
{
    p256_free(s->ecu_key);
    s->ecu_key = NULL;
    s->signer = (struct requester_signer){.ecu_serial = s->serial};
    OPENSSL_cleanse(&s->j, sizeof s->j);
    OPENSSL_cleanse(&s->j1, sizeof s->j1);
    OPENSSL_cleanse(&s->z1, sizeof s->z1);
    OPENSSL_cleanse(s->verified, sizeof s->verified);
    OPENSSL_cleanse(s->drm_uuid, sizeof s->drm_uuid);
}
