/* PKCS #10 certification requests (RFC 2986): P-256, subject one CN, no attributes. */
#ifndef lib_pki_csr_h
#define lib_pki_csr_h

#include "lib/pki/x509.h"

#define CSR_MAX 400 /* longest request accepted, bytes */

struct csr {
    char subject[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
};

enum err csr_create(struct crypto *c, const char *subject, const struct p256_key *key, uint8_t out[CSR_MAX],
                    size_t *len);
/* Syntax only: what is said by whom is not known. ERR_CSR_MALFORMED, ERR_CSR_KEY_NOT_P256. */
enum err csr_parse(struct span der, struct csr *out);
/* Parses and verifies the self-signature. ERR_CSR_MALFORMED, ERR_CSR_KEY_NOT_P256, ERR_CSR_SIGNATURE. */
enum err csr_check(struct crypto *c, struct span der, struct csr *out);

#endif
