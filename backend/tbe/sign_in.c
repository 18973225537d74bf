/* Sign-in and tokens. A secret is hashed beside the loop, whether its user is known or not: how long the
 * answer takes tells nothing. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_portal.h"
#include "lib/ccc/primitives.h"

#define HASH_N 16384
#define HASH_R 8
#define HASH_P 1
#define JTI    16 /* random bytes */

/* ---- the secret ---- */

/* The pure function of the work: salt || secret to its hash. */
enum err tbe_hash(struct span in, uint8_t *out, size_t cap, size_t *len)
{
    struct rd r = rd_of(in.p, in.len);
    struct span salt = rd_span(&r, TBE_SALT);
    if (r.failed || cap < TBE_HASH)
        return ERR_BAD_ARGUMENT;
    struct crypto *c = crypto_new(NULL); /* draws nothing from it */
    if (!c)
        return ERR_NO_MEMORY;
    enum err e = ccc_scrypt(c, span_of(r.p, r.left), salt, HASH_N, HASH_R, HASH_P, out, TBE_HASH);
    *len = e ? 0 : TBE_HASH;
    crypto_free(c);
    return e;
}

enum err tbe_hash_begin(struct tbe *t, const struct tbe_signing *s, const char *salt, const char *secret)
{
    static const char nobodys[] = "spaaksim-nobody!";
    uint8_t in[TBE_SALT + TBE_WORD];
    struct wr w = wr_of(in, sizeof in);
    if (t->signing_count == TBE_SIGNING_MAX)
        return ERR_BUSY;
    t->signing[(t->signing_first + t->signing_count) % TBE_SIGNING_MAX] = *s;
    wr_copy(&w, salt ? salt : nobodys, TBE_SALT);
    wr_copy(&w, secret, strlen(secret));
    enum err e = env_work(t->env, TBE_WORK_HASH, span_of(in, w.len));
    t->signing_count += !e;
    OPENSSL_cleanse(in, sizeof in);
    return e;
}

enum err tbe_sign_in(struct tbe *t, struct tbe_visit *v)
{
    char user[TBE_WORD + 1], secret[TBE_WORD + 1], client[TBE_WORD + 1];
    const struct json_field fields[] = {{"user", 1, user, sizeof user},
                                        {"secret", 1, secret, sizeof secret},
                                        {"client", TBE_KEY_MIN, client, sizeof client}};
    enum err e = tbe_read_body(v->request, fields, 3);
    if (!e && !tbe_is_word(client, TBE_KEY_MIN))
        e = ERR_MSG_MALFORMED;
    size_t i = e ? TBE_USERS : tbe_user_find(user);
    if (i < TBE_USERS && tbe_users[i].port != v->caller.port)
        i = TBE_USERS;
    unsigned wait_s = e ? 0 : tbe_sign_in_take(t, v->caller.port, user);
    struct tbe_signing s = {.caller = v->caller, .user = i};
    text_copy(s.client, sizeof s.client, client);
    if (!e && !wait_s)
        e = tbe_hash_begin(t, &s, i < TBE_USERS ? tbe_users[i].salt : NULL, secret);
    OPENSSL_cleanse(secret, sizeof secret);
    if (wait_s) {
        env_trace_reason(t->env, TRACE_REJECT, NULL, "sign-in", ERR_HTTP_RATE, 0, v->caller.address);
        tbe_refuse(t, &v->caller, ERR_HTTP_RATE, wait_s);
    }
    return e;
}

/* ---- tokens ---- */

static const char *audience(unsigned port)
{
    return port == TBE_PORT_APP ? TBE_AUDIENCE_APP : TBE_AUDIENCE_OPERATOR;
}

static enum err issue(struct tbe *t, const struct tbe_signing *s)
{
    uint8_t id[JTI];
    char token[TOKEN_MAX + 1], json[TOKEN_MAX + 100];
    const struct tbe_user *user = &tbe_users[s->user];
    struct token_claims claims = {.issued_s = env_wall_ms(t->env) / 1000};
    const struct token_key key = {t->key_id, t->key};
    claims.expires_s = claims.issued_s + (int64_t)t->token_s;
    env_random(t->env, id, sizeof id);
    hex_encode(id, sizeof id, claims.id);
    text_copy(claims.issuer, sizeof claims.issuer, TBE_ISSUER);
    text_copy(claims.subject, sizeof claims.subject, user->name);
    text_copy(claims.audience, sizeof claims.audience, audience(s->caller.port));
    text_copy(claims.scope, sizeof claims.scope, user->scope);
    text_copy(claims.client, sizeof claims.client, s->client);
    enum err e = token_make(t->env->crypto, &claims, &key, token);
    if (!e) {
        snprintf(json, sizeof json, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%u}",
                 token, (unsigned)t->token_s);
        tbe_answer(t, &s->caller, 200, json);
    }
    OPENSSL_cleanse(token, sizeof token);
    OPENSSL_cleanse(json, sizeof json);
    return e;
}

void tbe_on_hash(struct tbe *t, enum err e, struct span hash)
{
    struct tbe_signing s = t->signing[t->signing_first];
    t->signing_first = (t->signing_first + 1) % TBE_SIGNING_MAX;
    t->signing_count--;
    if (!e && hash.len != TBE_HASH)
        e = ERR_INTERNAL;
    if (s.page) {
        tbe_page_on_hash(t, s.page - 1, e, hash);
        return;
    }
    if (!e && (s.user == TBE_USERS || !bytes_equal_ct(hash.p, tbe_users[s.user].hash, TBE_HASH)))
        e = ERR_SIGN_IN;
    if (!e)
        e = issue(t, &s);
    if (!e)
        return;
    if (e == ERR_SIGN_IN)
        tbe_audit_sign_in(t, s.caller.port, s.user, s.client);
    env_trace_reason(t->env, TRACE_REJECT, NULL, "sign-in", e, 0,
                     s.user < TBE_USERS ? tbe_users[s.user].name : "nobody that we know");
    tbe_refuse(t, &s.caller, e, 0);
}

/* Credentials of another kind than Bearer are none. A scheme is written in either case (RFC 9110, 11.1). */
static bool take_token(struct span authorization, struct span *out)
{
    static const char scheme[] = "bearer";
    struct rd r = rd_of(authorization.p, authorization.len);
    for (const char *c = scheme; *c; c++)
        if ((rd_u8(&r) | 0x20) != *c)
            return false;
    if (r.left < 2 || *r.p != ' ')
        return false;
    while (r.left > 1 && *r.p == ' ')
        rd_u8(&r);
    *out = span_of(r.p, r.left);
    return true;
}

enum err tbe_authorise(struct tbe *t, const char *scope, struct tbe_visit *v)
{
    struct span token;
    const struct token_key key = {t->key_id, t->key};
    const struct token_policy policy = {.crypto = t->env->crypto,
                                        .keys = &key,
                                        .key_count = 1,
                                        .issuer = TBE_ISSUER,
                                        .audience = audience(v->caller.port),
                                        .now_s = env_wall_ms(t->env) / 1000};
    if (!take_token(v->request->words[HTTP_WORD_AUTHORIZATION], &token))
        return ERR_TOKEN_MISSING;
    enum err e = token_check(&policy, token, &v->claims);
    if (!e && !tbe_is_word(v->claims.client, TBE_KEY_MIN))
        e = ERR_TOKEN_MALFORMED;
    return e || token_may(&v->claims, scope) ? e : ERR_TOKEN_SCOPE;
}

/* ---- the key ---- */

static enum err key_make(struct tbe *t)
{
    uint8_t scalar[P256_SCALAR];
    enum err e = p256_generate(t->env->crypto, &t->key);
    if (!e)
        e = p256_private(t->key, scalar);
    if (!e)
        e = env_store_put(t->env, TBE_TOKEN_KEY, span_of(scalar, sizeof scalar));
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e ? e : env_store_commit(t->env);
}

static enum err key_read(struct tbe *t)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(t->env, TBE_TOKEN_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(t->env->crypto, scalar, &t->key) : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err tbe_key_load(struct tbe *t)
{
    uint8_t point[P256_POINT], digest[SHA256_SIZE];
    const struct span part = {point, sizeof point};
    enum err e = key_read(t);
    if (e == ERR_NOT_FOUND)
        e = key_make(t);
    if (e)
        return e;
    p256_public(t->key, point);
    crypto_sha256(t->env->crypto, &part, 1, digest);
    text_copy(t->key_id, sizeof t->key_id, "tbe-");
    hex_encode(digest, 8, t->key_id + 4);
    return ERR_OK;
}
