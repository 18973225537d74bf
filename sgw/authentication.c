/* Who may open the gate: a tester whose certificate stands below J1, is for digital signatures, is no CA's
 * and names a role, and who signs a challenge with the key of it. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/signature.h"
#include "sgw/sgw_internal.h"

#define PROOF_LABEL "spaaksim-29"

struct anchor {
    uint8_t der[X509_MAX];
    struct x509 cert;
};

static const struct {
    const char *unit;
    enum role role;
} roles[] = {{"eol", ROLE_EOL}, {"workshop", ROLE_WORKSHOP}};

/* Why a certificate is refused, in the words of 29. */
static const struct {
    enum err reason;
    enum uds_nrc nrc;
} nrcs[] = {
    {ERR_DER_SYNTAX, UDS_NRC_CERT_FORMAT},       {ERR_KEY_NOT_P256, UDS_NRC_CERT_TYPE},
    {ERR_KEY_INVALID, UDS_NRC_CERT_TYPE},        {ERR_CERT_PROFILE, UDS_NRC_CERT_CONTENT},
    {ERR_CERT_PURPOSE, UDS_NRC_CERT_CONTENT},    {ERR_CERT_EXPIRED, UDS_NRC_CERT_TIME},
    {ERR_CERT_NOT_YET_VALID, UDS_NRC_CERT_TIME}, {ERR_CERT_ISSUER_UNKNOWN, UDS_NRC_CERT_CHAIN},
    {ERR_CERT_NOT_CA, UDS_NRC_CERT_CHAIN},       {ERR_CERT_SIGNATURE, UDS_NRC_CERT_SIGNATURE},
};

static enum uds_nrc nrc_of(enum err e)
{
    for (size_t i = 0; i < sizeof nrcs / sizeof nrcs[0]; i++)
        if (nrcs[i].reason == e)
            return nrcs[i].nrc;
    return e ? UDS_NRC_GENERAL_REJECT : UDS_OK;
}

void authentication_forget(struct sgw *g)
{
    OPENSSL_cleanse(&g->gate.claimed, sizeof g->gate.claimed);
    OPENSSL_cleanse(g->gate.challenge, sizeof g->gate.challenge);
}

/* ---- 29 01 ---- */

static bool load_anchor(struct sgw *g, const char *key, enum x509_profile profile, struct anchor *out)
{
    size_t len;
    return !env_store_get(g->env, key, out->der, sizeof out->der, &len) &&
           !x509_parse(span_of(out->der, len), &out->cert) &&
           !x509_check_profile(g->env->crypto, &out->cert, profile);
}

/* Up to J where the plant gave it, else up to J1. */
static enum err check_chain(struct sgw *g, const struct x509 *x)
{
    struct anchor j1, j;
    const struct x509 *issuers[] = {&j1.cert, &j.cert};
    if (!load_anchor(g, SGW_ANCHOR_J1, X509_OEM_SUB_CA, &j1))
        return ERR_CERT_ISSUER_UNKNOWN;
    size_t n = load_anchor(g, SGW_ANCHOR_J, X509_OEM_ROOT, &j) ? 2 : 1;
    return x509_check_chain(g->env->crypto, x, X509_TESTER, issuers, n, env_wall_ms(g->env) / 1000);
}

static bool is_revoked(struct sgw *g, const uint8_t digest[SHA256_SIZE])
{
    char key[sizeof SGW_REVOKED + 2 * SHA256_SIZE] = SGW_REVOKED;
    uint8_t any[8];
    size_t len;
    hex_encode(digest, SHA256_SIZE, key + strlen(SGW_REVOKED));
    return env_store_get(g->env, key, any, sizeof any, &len) != ERR_NOT_FOUND;
}

static enum role role_of(const struct x509 *x)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(x->unit, roles[i].unit) == 0)
            return roles[i].role;
    return ROLE_NONE;
}

static enum uds_nrc check_certificate(struct sgw *g, struct span certificate, struct tester *out)
{
    struct x509 x;
    enum uds_nrc nrc = nrc_of(x509_parse(certificate, &x));
    if (nrc)
        return nrc;
    out->role = role_of(&x);
    memcpy(out->public_key, x.public_key, P256_POINT);
    crypto_sha256(g->env->crypto, &x.der, 1, out->digest);
    /* 53, 56, 55, 50, 52, 51, 57 */
    if (x.ca)
        return UDS_NRC_CERT_TYPE;
    if (out->role == ROLE_NONE)
        return UDS_NRC_CERT_SCOPE;
    nrc = nrc_of(check_chain(g, &x));
    return nrc ? nrc : is_revoked(g, out->digest) ? UDS_NRC_CERT_REVOKED : UDS_OK;
}

enum uds_nrc authentication_certificate(void *ctx, uint8_t configuration, struct span certificate,
                                        struct span challenge, uint32_t ticket, struct wr *challenge_server)
{
    struct sgw *g = ctx;
    struct tester tester;
    (void)ticket;
    authentication_forget(g);
    /* one way, without a session key: nothing to configure, and the tester asks for no proof of ours */
    if (configuration || challenge.len)
        return UDS_NRC_CONFIGURATION;
    enum uds_nrc nrc = check_certificate(g, certificate, &tester);
    if (nrc)
        return nrc;
    g->gate.claimed = tester;
    env_random(g->env, g->gate.challenge, GATE_CHALLENGE);
    wr_copy(challenge_server, g->gate.challenge, GATE_CHALLENGE);
    return UDS_OK;
}

/* ---- 29 03 ---- */

/* Over the label, the challenge and our serial number. */
static enum err check_proof(struct sgw *g, struct span proof)
{
    uint8_t buf[sizeof PROOF_LABEL - 1 + GATE_CHALLENGE + UDS_SERIAL_LEN];
    struct wr w = wr_of(buf, sizeof buf);
    struct p256_key *key;
    wr_copy(&w, PROOF_LABEL, sizeof PROOF_LABEL - 1);
    wr_copy(&w, g->gate.challenge, GATE_CHALLENGE);
    wr_copy(&w, g->diagnostic.serial, UDS_SERIAL_LEN);
    if (proof.len != SIGNATURE_SIZE)
        return ERR_SIGNATURE_INVALID;
    enum err e = p256_from_public(g->env->crypto, g->gate.claimed.public_key, &key);
    if (e)
        return e;
    e = signature_check(g->env->crypto, span_of(buf, w.len), key, proof.p);
    p256_free(key);
    return e;
}

enum uds_nrc authentication_proof(void *ctx, struct span proof, struct span ephemeral, uint32_t ticket,
                                  struct wr *key_info)
{
    struct sgw *g = ctx;
    (void)ticket;
    (void)key_info;
    enum err e = check_proof(g, proof);
    if (e)
        g->gate.wrong_proofs++;
    else if (!ephemeral.len) {
        g->gate.wrong_proofs = 0;
        g->gate.tester = g->gate.claimed;
    }
    authentication_forget(g);
    return e ? UDS_NRC_OWNERSHIP : ephemeral.len ? UDS_NRC_SESSION_KEY : UDS_OK;
}
