/* TLS material of the medium, as nginx and libcurl want it. */
#ifndef lib_media_http_http_tls_h
#define lib_media_http_http_tls_h

#include "lib/base/bytes.h"
#include "lib/crypto/p256.h"

#define HTTP_PEM_MAX 2048

/* The private key as PEM, in `out` with an end; the caller wipes it. 0 when it cannot be. */
size_t http_tls_key(const uint8_t scalar[P256_SCALAR], char out[HTTP_PEM_MAX]);
size_t http_tls_certificate(struct span der, char out[HTTP_PEM_MAX]);
void http_tls_fingerprint(struct span der, uint8_t out[SHA256_SIZE]);
/* The fingerprint of a certificate in PEM with URL escapes, as nginx hands it over. False when it is none. */
bool http_tls_escaped_fingerprint(struct span escaped, uint8_t out[SHA256_SIZE]);

#endif
