#define OPENSSL_SUPPRESS_DEPRECATED /* EC_KEY: see lib/crypto/p256.h */
#include "lib/media/http/http_tls.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>

/* What was written, as text; the BIO goes, and is wiped. */
static size_t take_text(BIO *bio, bool ok, char out[HTTP_PEM_MAX])
{
    char *text = NULL;
    long len = ok ? BIO_get_mem_data(bio, &text) : 0;
    size_t taken = len > 0 && len < HTTP_PEM_MAX ? (size_t)len : 0;
    if (taken)
        memcpy(out, text, taken);
    out[taken] = '\0';
    BIO_free(bio);
    return taken;
}

size_t http_tls_key(const uint8_t scalar[P256_SCALAR], char out[HTTP_PEM_MAX])
{
    struct crypto *c = crypto_new(NULL);
    struct p256_key *k = NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = c && bio && p256_from_private(c, scalar, &k) == ERR_OK &&
              PEM_write_bio_ECPrivateKey(bio, p256_openssl(k), NULL, NULL, 0, NULL, NULL) == 1;
    p256_free(k);
    crypto_free(c);
    return take_text(bio, ok, out);
}

size_t http_tls_certificate(struct span der, char out[HTTP_PEM_MAX])
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio(bio, "CERTIFICATE", "", der.p, (long)der.len) > 0;
    return take_text(bio, ok, out);
}

void http_tls_fingerprint(struct span der, uint8_t out[SHA256_SIZE])
{
    SHA256(der.p, der.len, out);
}

static size_t unescape(struct span in, char out[HTTP_PEM_MAX])
{
    size_t n = 0;
    uint8_t byte;
    for (size_t i = 0; i < in.len; i++) {
        byte = in.p[i];
        if (byte == '%') {
            if (in.len - i < 3 || hex_decode((const char *)in.p + i + 1, 2, &byte, 1) != 1)
                return 0;
            i += 2;
        }
        if (n + 1 >= HTTP_PEM_MAX)
            return 0;
        out[n++] = (char)byte;
    }
    return n;
}

bool http_tls_escaped_fingerprint(struct span escaped, uint8_t out[SHA256_SIZE])
{
    char pem[HTTP_PEM_MAX], *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    size_t n = unescape(escaped, pem);
    BIO *bio = n ? BIO_new_mem_buf(pem, (int)n) : NULL;
    bool ok = bio && PEM_read_bio(bio, &name, &header, &der, &len) == 1 && strcmp(name, "CERTIFICATE") == 0;
    if (ok)
        http_tls_fingerprint(span_of(der, (size_t)len), out);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    return ok;
}
