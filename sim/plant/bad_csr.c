#include "sim/plant/bad_csr.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define OTHER_SUBJECT "V.SPAAKSIM.EU.01.0001FFFFFFFFFFFF"

static bool has_csr(struct store *s, const char *csr_at)
{
    uint8_t old[CSR_MAX];
    size_t len;
    return store_get(s, csr_at, old, sizeof old, &len) == ERR_OK;
}

enum err bad_csr_other_subject(struct crypto *c, struct store *s, const char *csr_at, const char *key_at)
{
    uint8_t scalar[P256_SCALAR], csr[CSR_MAX];
    size_t len;
    struct p256_key *key = NULL;
    enum err e = has_csr(s, csr_at) ? store_get(s, key_at, scalar, sizeof scalar, &len) : ERR_NOT_FOUND;
    if (e)
        return e;
    e = len == sizeof scalar ? p256_from_private(c, scalar, &key) : ERR_STORE_FAILED;
    if (!e)
        e = csr_create(c, OTHER_SUBJECT, key, csr, &len);
    if (!e)
        e = store_set(s, csr_at, span_of(csr, len));
    p256_free(key);
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

/* Our own writer makes P-256 only: this one is OpenSSL's. */
enum err bad_csr_make_weak(struct crypto *c, const char *subject, uint8_t out[CSR_MAX], size_t *len)
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
    if (n > 0 && n <= CSR_MAX) {
        memcpy(out, der, (size_t)n);
        *len = (size_t)n;
        e = ERR_OK;
    }
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return e;
}

enum err bad_csr_weak_key(struct crypto *c, struct store *s, const char *csr_at, const char *subject_at)
{
    char subject[X509_CN_MAX + 1] = "";
    uint8_t csr[CSR_MAX];
    size_t len;
    enum err e = has_csr(s, csr_at) ? store_get(s, subject_at, subject, X509_CN_MAX, &len) : ERR_NOT_FOUND;
    if (!e)
        e = bad_csr_make_weak(c, subject, csr, &len);
    return e ? e : store_set(s, csr_at, span_of(csr, len));
}
