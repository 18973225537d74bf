#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/manage.h"

enum err identity_store_drm_uuid(struct spaak *s, struct span uuid)
{
    if (uuid.len != MSG_UUID)
        return ERR_MSG_MALFORMED;
    enum err e = env_store_put(s->env, SPAAK_DRM_UUID, uuid);
    if (!e)
        e = env_store_commit(s->env);
    if (e)
        return e;
    memcpy(s->drm_uuid, uuid.p, MSG_UUID);
    s->signer.drm_uuid = s->drm_uuid;
    return ERR_OK;
}

static enum err put_fresh_key(struct spaak *s, const char *at, struct p256_key **out)
{
    uint8_t scalar[P256_SCALAR];
    struct p256_key *key = NULL;
    enum err e = p256_generate(s->env->crypto, &key);
    if (!e)
        e = p256_private(key, scalar);
    if (!e)
        e = env_store_put(s->env, at, span_of(scalar, sizeof scalar));
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (e || !out)
        p256_free(key);
    else
        *out = key;
    return e;
}

enum err identity_begin(struct spaak *s, const char *subject)
{
    uint8_t csr[CSR_MAX];
    size_t csr_len;
    struct p256_key *key = NULL;
    enum err e = put_fresh_key(s, SPAAK_PENDING_KEY, &key);
    if (!e)
        e = put_fresh_key(s, SPAAK_PENDING_TRANSPORT, NULL);
    if (e)
        goto out;
    env_trace_step(s->env, "PP-01/8", "generates vehicle identity key pair");
    e = csr_create(s->env->crypto, subject, key, csr, &csr_len);
    if (e)
        goto out;
    env_trace_step(s->env, "PP-01/9", "generates vehicle identity CSR");
    env_store_put(s->env, SPAAK_PENDING_SUBJECT, span_of(subject, strlen(subject)));
    env_store_put(s->env, SPAAK_PENDING_CSR, span_of(csr, csr_len));
    e = env_store_commit(s->env);
out:
    p256_free(key);
    return e;
}

enum err identity_pending_csr(struct spaak *s, uint8_t csr[CSR_MAX], size_t *len)
{
    return env_store_get(s->env, SPAAK_PENDING_CSR, csr, CSR_MAX, len);
}

static void delete_pending(struct spaak *s)
{
    env_store_delete(s->env, SPAAK_PENDING_SUBJECT);
    env_store_delete(s->env, SPAAK_PENDING_KEY);
    env_store_delete(s->env, SPAAK_PENDING_CSR);
    env_store_delete(s->env, SPAAK_PENDING_TRANSPORT);
}

enum err identity_discard_pending(struct spaak *s)
{
    delete_pending(s);
    return env_store_commit(s->env);
}

static enum err pending_public_key(struct spaak *s, uint8_t out[P256_POINT])
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    struct p256_key *key = NULL;
    enum err e = env_store_get(s->env, SPAAK_PENDING_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(s->env->crypto, scalar, &key) : ERR_STORE_FAILED;
    if (!e)
        p256_public(key, out);
    p256_free(key);
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err identity_verify(struct spaak *s, struct span certificate)
{
    struct x509 cert;
    uint8_t own[P256_POINT];
    char subject[X509_CN_MAX + 1] = "";
    size_t len;
    const struct x509 *issuers[] = {&s->j1.cert, &s->j.cert};
    enum err e = x509_parse(certificate, &cert);
    if (!e)
        e = pending_public_key(s, own);
    if (!e && memcmp(own, cert.public_key, P256_POINT) != 0)
        e = ERR_CERT_KEY_MISMATCH;
    if (!e)
        e = env_store_get(s->env, SPAAK_PENDING_SUBJECT, subject, X509_CN_MAX, &len);
    if (!e && !span_is(span_of(subject, len), cert.subject))
        e = ERR_CERT_SUBJECT_MISMATCH;
    if (!e)
        e = x509_check_chain(s->env->crypto, &cert, X509_VEHICLE, issuers, 2, env_wall_ms(s->env) / 1000);
    return e;
}

/* The pending key becomes the one in force; one that is not there stays away. */
static enum err promote(struct spaak *s, const char *from, const char *to)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(s->env, from, scalar, sizeof scalar, &len);
    if (!e)
        e = env_store_put(s->env, to, span_of(scalar, len));
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err identity_install(struct spaak *s, struct span certificate)
{
    enum err e = promote(s, SPAAK_PENDING_KEY, SPAAK_VEHICLE_KEY);
    if (e)
        return e;
    e = promote(s, SPAAK_PENDING_TRANSPORT, SPAAK_TRANSPORT_KEY);
    if (e && e != ERR_NOT_FOUND)
        return e;
    env_store_put(s->env, SPAAK_VEHICLE_CERTIFICATE, certificate);
    env_store_delete(s->env, SPAAK_VEHICLE_ACKED);
    delete_pending(s);
    e = env_store_commit(s->env);
    if (!e)
        s->retest = true;
    return e;
}

enum err identity_transport_key(struct spaak *s, struct p256_key **out)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_TRANSPORT_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(s->env->crypto, scalar, out) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e == ERR_NOT_FOUND ? ERR_TRANSPORT_KEY_MISSING : e;
}

enum err identity_installed(struct spaak *s, uint8_t digest[SHA256_SIZE], bool *acknowledged)
{
    uint8_t der[X509_MAX], flag;
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_VEHICLE_CERTIFICATE, der, sizeof der, &len);
    if (e)
        return e;
    struct span cert = {der, len};
    crypto_sha256(s->env->crypto, &cert, 1, digest);
    *acknowledged = env_store_get(s->env, SPAAK_VEHICLE_ACKED, &flag, 1, &len) == ERR_OK;
    return ERR_OK;
}

enum err identity_acknowledge(struct spaak *s)
{
    env_store_put(s->env, SPAAK_VEHICLE_ACKED, span_of("\1", 1));
    enum err e = env_store_commit(s->env);
    if (!e)
        identity_claim(s);
    return e;
}

void identity_claim(struct spaak *s)
{
    uint8_t der[X509_MAX], flag;
    size_t len, flag_len;
    if (env_store_get(s->env, SPAAK_VEHICLE_CERTIFICATE, der, sizeof der, &len) == ERR_OK &&
        env_store_get(s->env, SPAAK_VEHICLE_ACKED, &flag, 1, &flag_len) == ERR_OK)
        env_claim(s->env, SPAAK_CLAIM_K, s->serial, span_of(der, len));
}

enum err identity_retire(struct spaak *s, int64_t issued_at_ms)
{
    uint8_t stored[8] = {0}, now[8];
    size_t len;
    env_store_get(s->env, SPAAK_LAST_RENEW, stored, sizeof stored, &len);
    struct rd r = rd_of(stored, sizeof stored);
    if (issued_at_ms <= (int64_t)rd_be64(&r))
        return ERR_MSG_REPLAYED;
    struct wr w = wr_of(now, sizeof now);
    wr_be64(&w, (uint64_t)issued_at_ms);
    verifiers_put_retired(s);
    size_t ended = keys_put_none(s);
    env_store_put(s->env, SPAAK_LAST_RENEW, span_of(now, sizeof now));
    env_store_delete(s->env, SPAAK_VEHICLE_KEY);
    env_store_delete(s->env, SPAAK_VEHICLE_CERTIFICATE);
    env_store_delete(s->env, SPAAK_VEHICLE_ACKED);
    env_store_delete(s->env, SPAAK_TRANSPORT_KEY);
    delete_pending(s);
    enum err e = env_store_commit(s->env);
    if (e)
        return e;
    s->retest = true;
    while (ended--)
        manage_trace_ended(s, KEY_OWNER_CHANGE);
    pairing_retired(s);
    env_claim(s->env, SPAAK_CLAIM_K, s->serial, (struct span){NULL, 0});
    env_claim(s->env, SPAAK_CLAIM_VERIFIERS, s->serial, (struct span){NULL, 0});
    return ERR_OK;
}
