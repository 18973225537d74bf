#include "lib/card/card.h"

#include <assert.h>
#include <string.h>

#include "lib/ccc/tlv.h"

#define TAG_HELLO 0x80
#define HELLO     3 /* bytes of its value */

const uint8_t card_aid[CARD_AID] = {0xF0, 'S', 'P', 'A', 'A', 'K', 'C', 'A', 'R', 'D', 0x01};

/* No other protocol's signatures begin so: none of them is a card's. */
static const char context[] = "spaaksim card key, version 1";

#define SIGNED_MAX (sizeof context + 1 + CARD_CHALLENGE + 1 + X509_CN_MAX)

void card_hello_put(struct wr *w, const struct card_hello *h)
{
    tlv_put_header(w, TAG_HELLO, HELLO);
    wr_u8(w, h->version);
    wr_be16(w, h->certificate_len);
}

enum err card_hello_parse(struct span data, struct card_hello *out)
{
    struct span value;
    if (tlv_find_exact(data, TAG_HELLO, HELLO, &value))
        return ERR_CARD_ANSWER;
    struct rd r = rd_of(value.p, value.len);
    struct card_hello h = {.version = rd_u8(&r), .certificate_len = rd_be16(&r)};
    if (h.version != CARD_VERSION || h.certificate_len == 0 || h.certificate_len > X509_MAX)
        return ERR_CARD_ANSWER;
    *out = h;
    return ERR_OK;
}

static struct span signed_bytes(enum card_purpose purpose, const uint8_t challenge[CARD_CHALLENGE],
                                const char *vehicle, uint8_t out[SIGNED_MAX])
{
    struct wr w = wr_of(out, SIGNED_MAX);
    size_t len = strlen(vehicle);
    assert(len >= 1 && len <= X509_CN_MAX);
    wr_copy(&w, context, sizeof context);
    wr_u8(&w, (uint8_t)purpose);
    wr_copy(&w, challenge, CARD_CHALLENGE);
    wr_u8(&w, (uint8_t)len);
    wr_copy(&w, vehicle, len);
    return span_of(out, w.len);
}

enum err card_sign(struct crypto *c, const struct p256_key *key, enum card_purpose purpose,
                   const uint8_t challenge[CARD_CHALLENGE], const char *vehicle, uint8_t out[CARD_PROOF])
{
    uint8_t bytes[SIGNED_MAX];
    return signature_make(c, signed_bytes(purpose, challenge, vehicle, bytes), key, out);
}

enum err card_verify(struct crypto *c, const uint8_t point[P256_POINT], enum card_purpose purpose,
                     const uint8_t challenge[CARD_CHALLENGE], const char *vehicle,
                     const uint8_t proof[CARD_PROOF])
{
    uint8_t bytes[SIGNED_MAX];
    struct p256_key *key = NULL;
    enum err e = p256_from_public(c, point, &key);
    if (e)
        return e;
    e = signature_check(c, signed_bytes(purpose, challenge, vehicle, bytes), key, proof);
    p256_free(key);
    return e == ERR_SIGNATURE_INVALID ? ERR_CARD_PROOF : e;
}
