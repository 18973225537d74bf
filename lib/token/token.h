/* Access tokens: signed, with an end, for one audience. A JWT (RFC 7519) as JWS compact serialisation (RFC
 * 7515), with ES256 (RFC 7518, 3.4) and nothing else:
 *
 *   header  {"alg":"ES256","typ":"at+jwt","kid":"tbe-1"}
 *   claims  {"iss":..,"sub":..,"aud":..,"scope":..,"jti":..,"iat":1767225600,"exp":1767229200}
 *           and "client_id" (RFC 9068), which may lack
 *
 * What decides is never taken from the token: not the algorithm, not a key, not where a key may be had. The
 * signature is checked before anybody looks at the claims. */
#ifndef lib_token_token_h
#define lib_token_token_h

#include "lib/crypto/p256.h"

#define TOKEN_MAX        1024 /* characters of a token */
#define TOKEN_WORD       64   /* of a claim, of a key's name */
#define TOKEN_LIFETIME_S 3600 /* the longest that a token may live */
#define TOKEN_LEEWAY_S   5    /* so far the clocks of issuer and checker may be apart */

struct token_claims {
    char issuer[TOKEN_WORD + 1], subject[TOKEN_WORD + 1], audience[TOKEN_WORD + 1];
    char scope[TOKEN_WORD + 1];  /* words with a blank between them; may be empty */
    char client[TOKEN_WORD + 1]; /* client_id: the app's installation; may be empty */
    char id[TOKEN_WORD + 1];     /* jti: no two tokens have the same */
    int64_t issued_s, expires_s; /* seconds since 1970 */
};

struct token_key {
    const char *id; /* kid: 1 to TOKEN_WORD characters */
    const struct p256_key *key;
};

/* What a checker wants. */
struct token_policy {
    struct crypto *crypto;
    const struct token_key *keys; /* of issuers: no token is checked with another */
    size_t key_count;
    const char *issuer, *audience;
    int64_t now_s;
};

/* `out` with an end; ERR_BAD_ARGUMENT for claims that token_check would refuse by their form. */
enum err token_make(struct crypto *c, const struct token_claims *claims, const struct token_key *key,
                    char out[TOKEN_MAX + 1]);
/* Into *out when all of it holds. By the order of checks: ERR_TOKEN_MALFORMED (three parts, base64url, JSON
 * with each name once, types), ERR_TOKEN_ALGORITHM, ERR_TOKEN_KEY, ERR_SIGNATURE_INVALID,
 * ERR_TOKEN_MALFORMED (claims), ERR_TOKEN_ISSUER, ERR_TOKEN_AUDIENCE, ERR_TOKEN_NOT_YET_VALID,
 * ERR_TOKEN_EXPIRED (also one that would live too long). */
enum err token_check(const struct token_policy *policy, struct span token, struct token_claims *out);
/* Is the word one of the scope's? */
bool token_may(const struct token_claims *claims, const char *word);

#endif
