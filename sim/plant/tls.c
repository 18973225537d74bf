#define OPENSSL_SUPPRESS_DEPRECATED /* EC_KEY: see lib/crypto/p256.h */
#include "sim/plant/tls.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define DAY_S   86400ll
#define LIFE_S  (365 * DAY_S)
#define CN_MAX  64 /* RFC 5280, ub-common-name */
#define CA_NAME "spaaksim TLS CA"

/* What is to be certified, by whom. */
struct order {
    const char *name;
    const char *const *extensions; /* names and values in turn, NULL at the end */
    int64_t from_s, to_s;
    EVP_PKEY *key, *issuer_key;
    X509 *issuer; /* NULL: itself */
};

static EVP_PKEY *key_of(struct p256_key *k)
{
    EVP_PKEY *key = EVP_PKEY_new();
    if (key && EVP_PKEY_set1_EC_KEY(key, p256_openssl(k)) == 1)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static bool set_serial(struct crypto *c, X509 *x)
{
    uint8_t random[16];
    crypto_random(c, random, sizeof random);
    random[0] = (uint8_t)((random[0] & 0x7F) | 0x40); /* positive, of one length */
    BIGNUM *n = BN_bin2bn(random, sizeof random, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

static bool add_extensions(X509 *x, const struct order *o)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, o->issuer ? o->issuer : x, x, NULL, NULL, 0);
    for (const char *const *e = o->extensions; *e; e += 2) {
        X509_EXTENSION *ext = X509V3_EXT_nconf(NULL, &ctx, e[0], e[1]);
        bool ok = ext && X509_add_ext(x, ext, -1) == 1;
        X509_EXTENSION_free(ext);
        if (!ok)
            return false;
    }
    return true;
}

static bool fill_in(struct crypto *c, X509 *x, const struct order *o)
{
    X509_NAME *subject = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(c, x) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)o->name, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x, o->issuer ? X509_get_subject_name(o->issuer) : subject) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(x), (time_t)o->from_s) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)o->to_s) && X509_set_pubkey(x, o->key) == 1 &&
           add_extensions(x, o) && X509_sign(x, o->issuer_key, EVP_sha256()) > 0;
}

static enum err certify(struct crypto *c, const struct order *o, struct tls_identity *out)
{
    uint8_t *p = out->der;
    X509 *x = X509_new_ex(crypto_openssl(c), NULL);
    int len = x && fill_in(c, x, o) ? i2d_X509(x, NULL) : -1;
    bool ok = len > 0 && len <= TLS_CERTIFICATE_MAX && i2d_X509(x, &p) == len;
    out->len = ok ? (size_t)len : 0;
    X509_free(x);
    return ok ? ERR_OK : ERR_CRYPTO_FAILED;
}

/* A new key in the order, and its scalar in the identity. */
static enum err make_key(struct crypto *c, struct order *o, struct tls_identity *out)
{
    struct p256_key *k = NULL;
    enum err e = p256_generate(c, &k);
    if (!e)
        e = p256_private(k, out->scalar);
    if (!e && !(o->key = key_of(k)))
        e = ERR_NO_MEMORY;
    p256_free(k);
    return e;
}

static enum err end_order(enum err e, struct order *o, struct tls_identity *out)
{
    if (o->issuer_key != o->key)
        EVP_PKEY_free(o->issuer_key);
    EVP_PKEY_free(o->key);
    X509_free(o->issuer);
    if (e)
        OPENSSL_cleanse(out, sizeof *out);
    return e;
}

enum err tls_authority_make(struct crypto *c, int64_t now_s, struct tls_identity *out)
{
    static const char *const extensions[] = {"basicConstraints",
                                             "critical,CA:TRUE,pathlen:0",
                                             "keyUsage",
                                             "critical,keyCertSign,cRLSign",
                                             "subjectKeyIdentifier",
                                             "hash",
                                             NULL};
    struct order o = {CA_NAME, extensions, now_s - DAY_S, now_s + LIFE_S, NULL, NULL, NULL};
    enum err e = make_key(c, &o, out);
    o.issuer_key = o.key;
    return end_order(e ? e : certify(c, &o, out), &o, out);
}

static bool name_ok(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    return *name && strlen(name) <= CN_MAX && strspn(name, letters) == strlen(name);
}

static bool take_issuer(struct crypto *c, const struct tls_identity *authority, struct order *o)
{
    const uint8_t *p = authority->der;
    struct p256_key *k = NULL;
    if (p256_from_private(c, authority->scalar, &k) == ERR_OK)
        o->issuer_key = key_of(k);
    p256_free(k);
    o->issuer = d2i_X509(NULL, &p, (long)authority->len);
    return o->issuer_key && o->issuer;
}

/* The subjectAltName of a host. */
static void write_names(const char *name, char out[2 * CN_MAX + 16])
{
    static const char real[] = ".example";
    size_t len = strlen(name), end = sizeof real - 1;
    int used = snprintf(out, 2 * CN_MAX + 16, "DNS:%s", name);
    if (len > end && strcmp(name + len - end, real) == 0)
        snprintf(out + used, 2 * CN_MAX + 16 - (size_t)used, ",DNS:%.*s.localhost", (int)(len - end), name);
}

static enum err issue(struct crypto *c, const struct tls_identity *authority, enum tls_role role,
                      const char *name, int64_t from_s, int64_t to_s, struct tls_identity *out)
{
    char host[2 * CN_MAX + 16];
    const char *extensions[] = {"basicConstraints",
                                "critical,CA:FALSE",
                                "keyUsage",
                                "critical,digitalSignature",
                                "extendedKeyUsage",
                                role == TLS_SERVER ? "serverAuth" : "clientAuth",
                                "subjectKeyIdentifier",
                                "hash",
                                "authorityKeyIdentifier",
                                "keyid",
                                role == TLS_SERVER ? "subjectAltName" : NULL,
                                host,
                                NULL};
    struct order o = {name, extensions, from_s, to_s, NULL, NULL, NULL};
    if (!name_ok(name))
        return ERR_BAD_ARGUMENT;
    write_names(name, host);
    enum err e = make_key(c, &o, out);
    if (!e && !take_issuer(c, authority, &o))
        e = ERR_CRYPTO_FAILED;
    return end_order(e ? e : certify(c, &o, out), &o, out);
}

enum err tls_issue(struct crypto *c, const struct tls_identity *authority, enum tls_role role,
                   const char *name, int64_t now_s, struct tls_identity *out)
{
    return issue(c, authority, role, name, now_s - DAY_S, now_s + LIFE_S, out);
}

enum err tls_issue_expired(struct crypto *c, const struct tls_identity *authority, enum tls_role role,
                           const char *name, int64_t now_s, struct tls_identity *out)
{
    return issue(c, authority, role, name, now_s - LIFE_S, now_s - DAY_S, out);
}
