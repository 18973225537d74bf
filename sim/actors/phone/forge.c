/* What an attacker would make: tokens of the same form as the one that the app was given, with other claims
 * or without a proof; a key tracking receipt that no server has signed. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/ecies.h"
#include "lib/ccc/signature.h"
#include "lib/token/base64url.h"
#include "sim/actors/phone/phone_parts.h"

#define CLAIMS_MAX 600

struct parts {
    struct span header, claims;
};

static bool split(const char *token, struct parts *out)
{
    const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    if (!second)
        return false;
    out->header = span_of(token, (size_t)(first - token));
    out->claims = span_of(first + 1, (size_t)(second - first - 1));
    return true;
}

static void put_header(struct wr *w, const struct parts *parts, uint64_t how)
{
    static const char none[] = "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"tbe\"}";
    static const char hs256[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"tbe\"}";
    if (how == PHONE_FORGE_NONE)
        base64url_encode(span_of(none, sizeof none - 1), w);
    else if (how == PHONE_FORGE_HS256)
        base64url_encode(span_of(hs256, sizeof hs256 - 1), w);
    else
        wr_copy(w, parts->header.p, parts->header.len);
}

/* Of another user, as long as the first. */
static enum err put_claims(struct wr *w, const struct parts *parts, uint64_t how)
{
    char text[CLAIMS_MAX + 1];
    long len = base64url_decode(parts->claims, (uint8_t *)text, CLAIMS_MAX);
    if (len < 0)
        return ERR_TOKEN_MALFORMED;
    text[len] = '\0';
    char *user = strstr(text, "\"sub\":\"bert\"");
    for (size_t i = 0; user && how == PHONE_FORGE_OTHER_USER && i < 4; i++)
        user[7 + i] = "anna"[i];
    base64url_encode(span_of(text, (size_t)len), w);
    return ERR_OK;
}

static enum err put_signature(struct phone *p, struct wr *w, size_t signed_len, uint64_t how)
{
    uint8_t bytes[SIGNATURE_SIZE], key[SHA256_SIZE] = "a public key, say";
    struct span text = span_of(w->buf, signed_len);
    struct p256_key *own = NULL;
    enum err e = ERR_OK;
    if (how == PHONE_FORGE_HS256) {
        crypto_hmac(p->env->crypto, key, &text, 1, bytes);
        base64url_encode(span_of(bytes, SHA256_SIZE), w);
        return ERR_OK;
    }
    if (how == PHONE_FORGE_OTHER_KEY) {
        e = p256_generate(p->env->crypto, &own);
        if (!e)
            e = signature_make(p->env->crypto, text, own, bytes);
        p256_free(own);
    } else {
        env_random(p->env, bytes, sizeof bytes);
    }
    base64url_encode(span_of(bytes, sizeof bytes), w);
    return e;
}

enum err phone_forge(struct phone *p, uint64_t how)
{
    char out[TOKEN_MAX + 1];
    struct parts parts;
    struct wr w = wr_of(out, TOKEN_MAX);
    if (!split(p->token, &parts))
        return ERR_NOT_FOUND;
    put_header(&w, &parts, how);
    wr_u8(&w, '.');
    enum err e = put_claims(&w, &parts, how);
    size_t signed_len = w.len;
    wr_u8(&w, '.');
    if (!e)
        e = put_signature(p, &w, signed_len, how);
    if (e || w.failed)
        return e ? e : ERR_NO_SPACE;
    out[w.len] = '\0';
    text_copy(p->token, sizeof p->token, out);
    return ERR_OK;
}

/* ---- a receipt ---- */

static enum err sign_receipt(struct crypto *c, const struct digital_key *k, const struct p256_key *key,
                             struct wr *plain)
{
    uint8_t receipt[ATTESTATION_MAX];
    struct wr w = wr_of(receipt, sizeof receipt);
    struct attestation a = {.slot = k->creation.slot};
    memcpy(a.key_id, k->key_id, sizeof a.key_id);
    memcpy(a.vehicle_id, k->creation.vehicle_id, sizeof a.vehicle_id);
    enum err e = attestation_make(c, &a, ATTESTATION_RECEIPT, key, &w);
    if (!e)
        receipt_put(plain, span_of(receipt, w.len), span_of("{}", 2));
    return e;
}

enum err phone_forge_receipt(struct phone *p, const struct digital_key *k, uint8_t ephemeral[P256_POINT],
                             struct wr *sealed)
{
    uint8_t bytes[ATTESTATION_MAX + 8], receiver[P256_POINT];
    struct crypto *c = p->env->crypto;
    struct wr plain = wr_of(bytes, sizeof bytes);
    struct p256_key *key = NULL;
    p256_public(p->handset.device.enc_key, receiver);
    enum err e = p256_generate(c, &key);
    if (!e)
        e = sign_receipt(c, k, key, &plain);
    if (!e && plain.len + ECIES_OVERHEAD > sealed->cap)
        e = ERR_NO_SPACE;
    if (!e)
        e = ecies_seal(c, key, receiver, span_of(bytes, plain.len), sealed->buf);
    if (!e) {
        p256_public(key, ephemeral);
        sealed->len = plain.len + ECIES_OVERHEAD;
    }
    p256_free(key);
    return e;
}
