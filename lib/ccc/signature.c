#include "lib/ccc/signature.h"

#include <string.h>

#include "lib/pki/der.h"

/* One INTEGER of a DER signature, right-aligned in 32 bytes. */
static bool take_half(struct rd *r, uint8_t out[32])
{
    struct span s = der_integer(r);
    if (s.len == 33 && s.p[0] == 0)
        s = span_of(s.p + 1, 32);
    if (r->failed || s.len == 0 || s.len > 32)
        return false;
    memset(out, 0, 32);
    memcpy(out + 32 - s.len, s.p, s.len);
    return true;
}

enum err signature_make(struct crypto *c, struct span data, const struct p256_key *key,
                        uint8_t out[SIGNATURE_SIZE])
{
    uint8_t digest[SHA256_SIZE], der[P256_SIG_MAX];
    size_t len;
    crypto_sha256(c, &data, 1, digest);
    enum err e = p256_sign(key, digest, der, &len);
    if (e)
        return e;
    struct rd r = rd_of(der, len), seq = der_enter(&r, DER_SEQUENCE);
    return take_half(&seq, out) && take_half(&seq, out + 32) ? ERR_OK : ERR_CRYPTO_FAILED;
}

enum err signature_check(struct crypto *c, struct span data, const struct p256_key *key,
                         const uint8_t signature[SIGNATURE_SIZE])
{
    uint8_t digest[SHA256_SIZE], buf[P256_SIG_MAX];
    struct der_w w = der_w_of(buf, sizeof buf);
    crypto_sha256(c, &data, 1, digest);
    der_put_integer(&w, signature + 32, 32);
    der_put_integer(&w, signature, 32);
    der_wrap(&w, DER_SEQUENCE, w.end);
    return w.failed ? ERR_SIGNATURE_INVALID : p256_verify(key, digest, der_written(&w));
}
