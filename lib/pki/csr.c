#include "lib/pki/csr.h"

#include <string.h>

#include "lib/pki/x509_parts.h"

enum err csr_create(struct crypto *c, const char *subject, const struct p256_key *key, uint8_t out[CSR_MAX],
                    size_t *len)
{
    uint8_t info[CSR_MAX], point[P256_POINT];
    struct der_w w = der_w_of(info, sizeof info);
    if (strlen(subject) > X509_CN_MAX)
        return ERR_NO_SPACE;
    p256_public(key, point);
    der_put_tlv(&w, DER_CONTEXT_0, "", 0);
    x509_put_public_key(&w, point);
    x509_put_name(&w, subject);
    der_put_small(&w, 0);
    der_wrap(&w, DER_SEQUENCE, w.end);
    return x509_put_signed(c, &w, key, out, CSR_MAX, len);
}

static enum err csr_read_info(struct rd *r, struct csr *out)
{
    struct rd info = der_enter(r, DER_SEQUENCE), attributes;
    if (der_small(&info) != 0)
        return ERR_CSR_MALFORMED;
    x509_read_name(&info, out->subject);
    if (info.failed)
        return ERR_CSR_MALFORMED;
    enum err e = x509_read_public_key(&info, out->public_key);
    if (e)
        return e == ERR_KEY_NOT_P256 ? ERR_CSR_KEY_NOT_P256 : ERR_CSR_MALFORMED;
    if (!der_optional(&info, DER_CONTEXT_0, &attributes) || info.left)
        return ERR_CSR_MALFORMED;
    return ERR_OK;
}

/* The parts that the signature is about, and is. */
static enum err csr_read(struct span der, struct csr *out, struct span *info, struct span *signature)
{
    struct rd r = rd_of(der.p, der.len);
    struct rd request = der_enter(&r, DER_SEQUENCE), peek = request;
    if (r.failed || r.left || der.len > CSR_MAX)
        return ERR_CSR_MALFORMED;
    *info = der_element(&peek, DER_SEQUENCE);
    enum err e = csr_read_info(&request, out);
    if (e)
        return e;
    x509_read_signature_algorithm(&request);
    *signature = der_bits(&request);
    return request.failed || request.left ? ERR_CSR_MALFORMED : ERR_OK;
}

enum err csr_parse(struct span der, struct csr *out)
{
    struct csr parsed;
    struct span info, signature;
    enum err e = csr_read(der, &parsed, &info, &signature);
    if (!e)
        *out = parsed;
    return e;
}

enum err csr_check(struct crypto *c, struct span der, struct csr *out)
{
    struct csr parsed;
    struct span info, signature;
    struct p256_key *key;
    uint8_t digest[SHA256_SIZE];
    enum err e = csr_read(der, &parsed, &info, &signature);
    if (e)
        return e;
    if (p256_from_public(c, parsed.public_key, &key))
        return ERR_CSR_KEY_NOT_P256;
    crypto_sha256(c, &info, 1, digest);
    e = p256_verify(key, digest, signature);
    p256_free(key);
    if (e)
        return ERR_CSR_SIGNATURE;
    *out = parsed;
    return ERR_OK;
}
