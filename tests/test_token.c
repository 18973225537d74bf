/* Access tokens: what a checker takes, and each way in which one is refused. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "lib/ccc/signature.h"
#include "lib/token/base64url.h"
#include "lib/token/token.h"
#include "tests/check.h"
#include "tests/support.h"

#define HEADER "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\"}"
#define CLAIMS                                                           \
    "{\"iss\":\"tbe\",\"sub\":\"ann\",\"aud\":\"api\",\"scope\":\"link " \
    "vehicle\",\"jti\":\"7\",\"iat\":1767225590,"                        \
    "\"exp\":1767225900}"

static struct token_key keys[2];

static struct token_policy policy(void)
{
    return (struct token_policy){.crypto = test_crypto(),
                                 .keys = keys,
                                 .key_count = 1,
                                 .issuer = "tbe",
                                 .audience = "api",
                                 .now_s = TEST_NOW_S};
}

static void make_keys(void)
{
    keys[0] = (struct token_key){"tbe-1", test_oem(TEST_NOW_S)->roles[OEM_VOS].key};
    keys[1] = (struct token_key){"tbe-2", test_oem(TEST_NOW_S)->roles[OEM_GSDP].key};
}

TestSuite(token, .init = make_keys);

/* ---- base64url ---- */

static const struct {
    const char *text;
    long len;
    const char *bytes;
} codes[] = {
    {"", 0, ""},          {"Zg", 1, "f"},      {"Zm8", 2, "fo"},   {"Zm9v", 3, "foo"}, {"-_8", 2, "\xFB\xFF"},
    {"Z", -1, NULL},      {"Zh", -1, NULL},    {"Zg==", -1, NULL}, {"Zm9", -1, NULL},  {"Zm+v", -1, NULL},
    {"Zm9v\n", -1, NULL}, {"Zm9vZ", -1, NULL},
};

Test(token, base64url)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        uint8_t got[8], again[16];
        struct wr w = wr_of(again, sizeof again);
        long n = base64url_decode(span_of(codes[i].text, strlen(codes[i].text)), got, 3);
        cr_expect(eq(long, n, codes[i].len), "%s", codes[i].text);
        if (n < 0)
            continue;
        cr_expect(memcmp(got, codes[i].bytes, (size_t)n) == 0, "%s", codes[i].text);
        base64url_encode(span_of(got, (size_t)n), &w);
        cr_expect(w.len == strlen(codes[i].text) && memcmp(again, codes[i].text, w.len) == 0, "%s",
                  codes[i].text);
    }
}

/* ---- tokens ---- */

enum signer { OURS, OTHER, HMAC_OF_PUBLIC_KEY, NOBODY, SHORT };

static void put(struct wr *w, const char *text)
{
    base64url_encode(span_of(text, strlen(text)), w);
}

static void sign(struct wr *w, enum signer signer)
{
    uint8_t signature[SIGNATURE_SIZE], point[P256_POINT];
    struct span text = span_of(w->buf, w->len);
    unsigned len = 0;
    wr_u8(w, '.');
    if (signer == HMAC_OF_PUBLIC_KEY) {
        p256_public(keys[0].key, point);
        HMAC(EVP_sha256(), point, sizeof point, text.p, text.len, signature, &len);
        base64url_encode(span_of(signature, len), w);
    } else if (signer != NOBODY) {
        ASSERT_OK(signature_make(test_crypto(), text, keys[signer == OTHER].key, signature));
        base64url_encode(span_of(signature, signer == SHORT ? 63 : 64), w);
    }
}

static size_t forge(const char *header, const char *claims, enum signer signer, uint8_t out[4096])
{
    struct wr w = wr_of(out, 4096);
    put(&w, header);
    wr_u8(&w, '.');
    put(&w, claims);
    sign(&w, signer);
    return w.len;
}

#define WITH(iss, aud, iat, exp)                                                                         \
    "{\"iss\":\"" iss "\",\"sub\":\"ann\",\"aud\":\"" aud "\",\"scope\":\"\",\"jti\":\"7\",\"iat\":" iat \
    ",\"exp\":" exp "}"

static const struct {
    const char *name, *header, *claims;
    enum signer signer;
    enum err e;
} rows[] = {
    {"as it must be", HEADER, CLAIMS, OURS, ERR_OK},
    {"names in another order, blanks", "{ \"kid\" : \"tbe-1\", \"typ\":\"at+jwt\",\"alg\":\"ES256\" }",
     CLAIMS, OURS, ERR_OK},
    {"a claim that nobody knows", HEADER,
     "{\"nice\":1,"
     "\"iss\":\"tbe\",\"sub\":\"a\",\"aud\":\"api\",\"jti\":\"7\",\"iat\":1767225590,\"exp\":1767225900}",
     OURS, ERR_OK},
    {"HS256 with the public key", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\"}", CLAIMS,
     HMAC_OF_PUBLIC_KEY, ERR_TOKEN_ALGORITHM},
    {"ES256 by name, HMAC by deed", HEADER, CLAIMS, HMAC_OF_PUBLIC_KEY, ERR_TOKEN_MALFORMED},
    {"none", "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\"}", CLAIMS, NOBODY, ERR_TOKEN_MALFORMED},
    {"none, signed", "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\"}", CLAIMS, OURS,
     ERR_TOKEN_ALGORITHM},
    {"es256", "{\"alg\":\"es256\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\"}", CLAIMS, OURS, ERR_TOKEN_ALGORITHM},
    {"two algorithms", "{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\"}", CLAIMS,
     OURS, ERR_TOKEN_MALFORMED},
    {"another type", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"tbe-1\"}", CLAIMS, OURS,
     ERR_TOKEN_MALFORMED},
    {"a key beside it", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\",\"jku\":\"https://x\"}",
     CLAIMS, OURS, ERR_TOKEN_MALFORMED},
    {"crit", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"tbe-1\",\"crit\":[\"b64\"]}", CLAIMS, OURS,
     ERR_TOKEN_MALFORMED},
    {"a key that nobody knows", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"tbe-2\"}", CLAIMS, OTHER,
     ERR_TOKEN_KEY},
    {"another's key by our name", HEADER, CLAIMS, OTHER, ERR_SIGNATURE_INVALID},
    {"a short signature", HEADER, CLAIMS, SHORT, ERR_TOKEN_MALFORMED},
    {"no header", "[]", CLAIMS, OURS, ERR_TOKEN_MALFORMED},
    {"no claims", HEADER, "{}", OURS, ERR_TOKEN_MALFORMED},
    {"no JSON", HEADER, "claims", OURS, ERR_TOKEN_MALFORMED},
    {"more behind it", HEADER, CLAIMS "x", OURS, ERR_TOKEN_MALFORMED},
    {"an audience twice", HEADER,
     "{\"aud\":\"x\","
     "\"iss\":\"tbe\",\"sub\":\"a\",\"aud\":\"api\",\"jti\":\"7\",\"iat\":1767225590,\"exp\":1767225900}",
     OURS, ERR_TOKEN_MALFORMED},
    {"a client that is a number", HEADER,
     "{\"iss\":\"tbe\",\"sub\":\"a\",\"aud\":\"api\",\"client_id\":7,\"jti\":\"7\",\"iat\":1767225590,"
     "\"exp\":1767225900}",
     OURS, ERR_TOKEN_MALFORMED},
    {"a list of audiences", HEADER,
     "{\"iss\":\"tbe\",\"sub\":\"a\",\"aud\":[\"api\"],\"jti\":\"7\",\"iat\":1767225590,\"exp\":1767225900}",
     OURS, ERR_TOKEN_MALFORMED},
    {"nobody", HEADER,
     "{\"iss\":\"tbe\",\"sub\":\"\",\"aud\":\"api\",\"jti\":\"7\",\"iat\":1767225590,\"exp\":1767225900}",
     OURS, ERR_TOKEN_MALFORMED},
    {"a zero in a name", HEADER,
     "{\"iss\":\"tbe\\u0000x\",\"sub\":\"a\",\"aud\":\"api\",\"jti\":\"7\",\"iat\":1767225590,\"exp\":"
     "1767225900}",
     OURS, ERR_TOKEN_MALFORMED},
    {"an end that is a text", HEADER, WITH("tbe", "api", "1767225590", "\"1767225900\""), OURS,
     ERR_TOKEN_MALFORMED},
    {"an end that is a fraction", HEADER, WITH("tbe", "api", "1767225590", "1767225900.5"), OURS,
     ERR_TOKEN_MALFORMED},
    {"an end before its beginning", HEADER, WITH("tbe", "api", "1767225590", "1767225589"), OURS,
     ERR_TOKEN_MALFORMED},
    {"another issuer", HEADER, WITH("tbf", "api", "1767225590", "1767225900"), OURS, ERR_TOKEN_ISSUER},
    {"for somebody else", HEADER, WITH("tbe", "apis", "1767225590", "1767225900"), OURS, ERR_TOKEN_AUDIENCE},
    {"issued as far ahead as may be", HEADER, WITH("tbe", "api", "1767225605", "1767225900"), OURS, ERR_OK},
    {"issued in the future", HEADER, WITH("tbe", "api", "1767225606", "1767225900"), OURS,
     ERR_TOKEN_NOT_YET_VALID},
    {"the last second", HEADER, WITH("tbe", "api", "1767225500", "1767225596"), OURS, ERR_OK},
    {"ended", HEADER, WITH("tbe", "api", "1767225500", "1767225595"), OURS, ERR_TOKEN_EXPIRED},
    {"the longest life", HEADER, WITH("tbe", "api", "1767225600", "1767229200"), OURS, ERR_OK},
    {"too long a life", HEADER, WITH("tbe", "api", "1767225600", "1767229201"), OURS, ERR_TOKEN_EXPIRED},
};

Test(token, each_with_its_reason)
{
    uint8_t token[4096];
    struct token_policy p = policy();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct token_claims c = {.subject = "before"};
        size_t len = forge(rows[i].header, rows[i].claims, rows[i].signer, token);
        cr_expect(eq(int, token_check(&p, span_of(token, len), &c), rows[i].e), "%s", rows[i].name);
        cr_expect(eq(int, strcmp(c.subject, "before") == 0, rows[i].e != ERR_OK), "%s", rows[i].name);
    }
}

Test(token, whole_or_not_at_all)
{
    uint8_t token[4096], bad[4096];
    struct token_policy p = policy();
    struct token_claims c;
    size_t len = forge(HEADER, CLAIMS, OURS, token);
    ASSERT_OK(token_check(&p, span_of(token, len), &c));
    for (size_t n = 0; n < len; n++)
        cr_expect(ne(int, token_check(&p, span_of(token, n), &c), ERR_OK), "cut at %zu", n);
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 7; bit++) {
            memcpy(bad, token, len);
            bad[i] ^= (uint8_t)(1 << bit);
            cr_expect(ne(int, token_check(&p, span_of(bad, len), &c), ERR_OK), "bit %d of %zu", bit, i);
        }
    memcpy(bad, token, len);
    bad[len] = '.';
    cr_expect(eq(int, token_check(&p, span_of(bad, len + 1), &c), ERR_TOKEN_MALFORMED));
    memset(bad, 'A', sizeof bad);
    cr_expect(eq(int, token_check(&p, span_of(bad, sizeof bad), &c), ERR_TOKEN_MALFORMED));
}

Test(token, what_is_made_is_taken)
{
    char text[TOKEN_MAX + 1];
    struct token_policy p = policy();
    struct token_claims got, claims = {.issuer = "tbe",
                                       .subject = "ann@example.com",
                                       .audience = "api",
                                       .scope = "link vehicle-status",
                                       .id = "0123456789abcdef",
                                       .issued_s = TEST_NOW_S,
                                       .expires_s = TEST_NOW_S + 600};
    ASSERT_OK(token_make(test_crypto(), &claims, &keys[0], text));
    ASSERT_OK(token_check(&p, span_of(text, strlen(text)), &got));
    cr_expect(memcmp(&got, &claims, sizeof got) == 0);
    text_copy(claims.client, sizeof claims.client, "an-app");
    ASSERT_OK(token_make(test_crypto(), &claims, &keys[0], text));
    ASSERT_OK(token_check(&p, span_of(text, strlen(text)), &got));
    cr_expect(eq(str, got.client, "an-app"));
    cr_expect(token_may(&got, "link"));
    cr_expect(token_may(&got, "vehicle-status"));
    cr_expect(not(token_may(&got, "vehicle")));
    cr_expect(not(token_may(&got, "status")));
    cr_expect(not(token_may(&got, "")));
    claims.subject[0] = '\0';
    cr_expect(eq(int, token_make(test_crypto(), &claims, &keys[0], text), ERR_BAD_ARGUMENT));
    text_copy(claims.subject, sizeof claims.subject, "tab\there");
    cr_expect(eq(int, token_make(test_crypto(), &claims, &keys[0], text), ERR_BAD_ARGUMENT));
}
