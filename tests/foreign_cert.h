/* Certificates as another maker's authority writes them: by OpenSSL, in the order and with the choices that
 * our own x509_issue does not make. */
#ifndef tests_foreign_cert_h
#define tests_foreign_cert_h

#include "lib/pki/x509.h"

struct foreign_cert {
    const char *subject, *issuer;
    const struct p256_key *key, *issuer_key;
    int path_len;     /* of an authority; -1: none given, -2: no authority */
    uint8_t ccc_type; /* last arc */
    bool ccc_not_critical;
    struct span ccc_value; /* empty: SEQUENCE { INTEGER 1 } */
};

/* Valid from TEST_NOW_S for 1000 s. Returns the length of what is in der. */
size_t foreign_cert_make(struct crypto *c, const struct foreign_cert *f, uint8_t der[X509_MAX]);

#endif
