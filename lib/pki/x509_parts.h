/* The pieces that certificates and certification requests share. Internal to lib/pki. */
#ifndef lib_pki_x509_parts_h
#define lib_pki_x509_parts_h

#include "lib/pki/der.h"
#include "lib/pki/x509.h"

void x509_put_name(struct der_w *w, const char *cn);
void x509_put_public_key(struct der_w *w, const uint8_t point[P256_POINT]);

/* SEQUENCE { what was written, algorithm, signature over it }: a certificate or a request. */
enum err x509_put_signed(struct crypto *c, const struct der_w *to_sign, const struct p256_key *key,
                         uint8_t *out, size_t cap, size_t *len);

/* The read functions set r->failed on bad syntax. */
void x509_read_signature_algorithm(struct rd *r);
void x509_read_name(struct rd *r, char out[X509_CN_MAX + 1]);
/* ERR_KEY_NOT_P256 for a well-formed key of another kind, ERR_DER_SYNTAX for the rest. */
enum err x509_read_public_key(struct rd *r, uint8_t out[P256_POINT]);

#endif
