#include "lib/token/token.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/signature.h"
#include "lib/token/base64url.h"

#define PART_MAX  (TOKEN_MAX * 3 / 4) /* bytes of a decoded part */
#define ALGORITHM "ES256"
#define TYPE      "at+jwt"

/* The parts of a token, each without its dots. */
struct parts {
    struct span header, claims, signature, signed_text;
};

/* ---- JSON ---- */

/* An object of at most so many bytes whose values are texts and whole numbers; each name once. NULL: it is
 * none. */
static json_t *object_of(struct span base64)
{
    uint8_t text[PART_MAX];
    json_error_t why;
    long len = base64url_decode(base64, text, sizeof text);
    if (len < 2)
        return NULL;
    json_object_seed(1); /* jansson would read a seed from a file; of so few names none can be a burden */
    json_t *o = json_loadb((const char *)text, (size_t)len, JSON_REJECT_DUPLICATES, &why);
    const char *name;
    json_t *value;
    bool flat = json_is_object(o);
    if (flat)
        json_object_foreach(o, name, value) flat &= json_is_string(value) || json_is_integer(value);
    if (flat)
        return o;
    json_decref(o);
    return NULL;
}

/* Printable ASCII, one character and more unless `may_lack`. */
static bool take_text(const json_t *o, const char *name, bool may_lack, char out[TOKEN_WORD + 1])
{
    const json_t *value = json_object_get(o, name);
    const char *text = value ? json_string_value(value) : "";
    if (!text || (!*text && !may_lack) || strlen(text) > TOKEN_WORD ||
        (value && json_string_length(value) != strlen(text)))
        return false;
    for (const char *c = text; *c; c++)
        if (*c < 0x20 || *c > 0x7E)
            return false;
    text_copy(out, TOKEN_WORD + 1, text);
    return true;
}

static bool take_time(const json_t *o, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(o, name);
    if (!json_is_integer(value))
        return false;
    *out = json_integer_value(value);
    return *out > 0 && *out < INT64_C(1) << 40;
}

/* ---- checking ---- */

static bool take_part(struct rd *r, struct span *out)
{
    const uint8_t *dot = r->left ? memchr(r->p, '.', r->left) : NULL;
    *out = rd_span(r, dot ? (size_t)(dot - r->p) : r->left);
    rd_span(r, dot ? 1 : 0);
    return out->len > 0;
}

static enum err split(struct span token, struct parts *out)
{
    struct rd r = rd_of(token.p, token.len);
    if (token.len > TOKEN_MAX || !take_part(&r, &out->header) || !take_part(&r, &out->claims))
        return ERR_TOKEN_MALFORMED;
    out->signed_text = span_of(token.p, out->header.len + 1 + out->claims.len);
    out->signature = span_of(r.p, r.left);
    return token.len > out->signed_text.len && out->signature.len ? ERR_OK : ERR_TOKEN_MALFORMED;
}

/* Nothing may stand in a header but these three: each other name is one that somebody would have to obey. */
static enum err check_header(const json_t *o, char kid[TOKEN_WORD + 1])
{
    char algorithm[TOKEN_WORD + 1], type[TOKEN_WORD + 1];
    if (!take_text(o, "alg", false, algorithm))
        return ERR_TOKEN_MALFORMED;
    if (strcmp(algorithm, ALGORITHM) != 0)
        return ERR_TOKEN_ALGORITHM;
    if (!take_text(o, "typ", false, type) || strcmp(type, TYPE) != 0 || !take_text(o, "kid", false, kid) ||
        json_object_size(o) != 3)
        return ERR_TOKEN_MALFORMED;
    return ERR_OK;
}

static const struct p256_key *find_key(const struct token_policy *p, const char *kid)
{
    for (size_t i = 0; i < p->key_count; i++)
        if (strcmp(p->keys[i].id, kid) == 0)
            return p->keys[i].key;
    return NULL;
}

static enum err check_signature(const struct token_policy *p, const struct parts *parts)
{
    uint8_t signature[SIGNATURE_SIZE];
    char kid[TOKEN_WORD + 1];
    json_t *header = object_of(parts->header);
    enum err e = header ? check_header(header, kid) : ERR_TOKEN_MALFORMED;
    json_decref(header);
    if (e)
        return e;
    const struct p256_key *key = find_key(p, kid);
    if (!key)
        return ERR_TOKEN_KEY;
    if (base64url_decode(parts->signature, signature, sizeof signature) != SIGNATURE_SIZE)
        return ERR_TOKEN_MALFORMED;
    return signature_check(p->crypto, parts->signed_text, key, signature);
}

static enum err read_claims(struct span base64, struct token_claims *out)
{
    json_t *o = object_of(base64);
    bool whole = o && take_text(o, "iss", false, out->issuer) && take_text(o, "sub", false, out->subject) &&
                 take_text(o, "aud", false, out->audience) && take_text(o, "scope", true, out->scope) &&
                 take_text(o, "client_id", true, out->client) && take_text(o, "jti", false, out->id) &&
                 take_time(o, "iat", &out->issued_s) && take_time(o, "exp", &out->expires_s) &&
                 out->expires_s > out->issued_s;
    json_decref(o);
    return whole ? ERR_OK : ERR_TOKEN_MALFORMED;
}

static enum err check_claims(const struct token_policy *p, const struct token_claims *c)
{
    if (strcmp(c->issuer, p->issuer) != 0)
        return ERR_TOKEN_ISSUER;
    if (strcmp(c->audience, p->audience) != 0)
        return ERR_TOKEN_AUDIENCE;
    if (c->issued_s > p->now_s + TOKEN_LEEWAY_S)
        return ERR_TOKEN_NOT_YET_VALID;
    if (c->expires_s + TOKEN_LEEWAY_S <= p->now_s || c->expires_s - c->issued_s > TOKEN_LIFETIME_S)
        return ERR_TOKEN_EXPIRED;
    return ERR_OK;
}

enum err token_check(const struct token_policy *policy, struct span token, struct token_claims *out)
{
    struct parts parts;
    struct token_claims claims = {0};
    enum err e = split(token, &parts);
    if (!e)
        e = check_signature(policy, &parts);
    if (!e)
        e = read_claims(parts.claims, &claims);
    if (!e)
        e = check_claims(policy, &claims);
    if (!e)
        *out = claims;
    return e;
}

bool token_may(const struct token_claims *claims, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = claims->scope; len && (at = strstr(at, word)); at += len)
        if ((at == claims->scope || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

/* ---- making ---- */

static void put_json(struct wr *w, json_t *o)
{
    char text[PART_MAX];
    size_t len = o ? json_dumpb(o, text, sizeof text, JSON_COMPACT) : 0;
    if (!len || len > sizeof text)
        w->failed = true;
    else
        base64url_encode(span_of(text, len), w);
    json_decref(o);
}

static json_t *claims_json(const struct token_claims *c)
{
    return json_pack("{ss ss ss ss ss* ss sI sI}", "iss", c->issuer, "sub", c->subject, "aud", c->audience,
                     "scope", c->scope, "client_id", *c->client ? c->client : NULL, "jti", c->id, "iat",
                     (json_int_t)c->issued_s, "exp", (json_int_t)c->expires_s);
}

enum err token_make(struct crypto *c, const struct token_claims *claims, const struct token_key *key,
                    char out[TOKEN_MAX + 1])
{
    uint8_t signature[SIGNATURE_SIZE];
    struct token_claims read;
    struct wr w = wr_of(out, TOKEN_MAX);
    put_json(&w, json_pack("{ss ss ss}", "alg", ALGORITHM, "typ", TYPE, "kid", key->id));
    size_t header_len = w.len;
    wr_u8(&w, '.');
    put_json(&w, claims_json(claims));
    if (w.failed || read_claims(span_of(out + header_len + 1, w.len - header_len - 1), &read))
        return ERR_BAD_ARGUMENT;
    enum err e = signature_make(c, span_of(out, w.len), key->key, signature);
    if (e)
        return e;
    wr_u8(&w, '.');
    base64url_encode(span_of(signature, sizeof signature), &w);
    if (w.failed)
        return ERR_BAD_ARGUMENT;
    out[w.len] = '\0';
    return ERR_OK;
}
