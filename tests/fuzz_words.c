/* JSON and access tokens from outside. */
#include <string.h>

#include "lib/json/json.h"
#include "lib/token/token.h"
#include "tests/fuzz_targets.h"

#define NOW_S 1767225600ll

/* ---- JSON ---- */

static void check_text(const char *text, size_t min, size_t cap)
{
    size_t len = strlen(text);
    MUST(len >= min && len < cap);
    for (size_t i = 0; i < len; i++)
        MUST(text[i] >= ' ' && text[i] <= '~');
}

/* What is taken is within its bounds; who skips others takes all that one takes who refuses them, and the
 * same. */
void fuzz_json(const uint8_t *p, size_t len)
{
    char texts[2][2][20];
    enum err e[2];
    memset(texts, 0x55, sizeof texts);
    for (int i = 0; i < 2; i++) {
        const struct json_field fields[] = {{"user", 1, texts[i][0], 20}, {"client", 3, texts[i][1], 8}};
        e[i] = json_read(span_of(p, len), fields, 2, i ? JSON_SKIP_OTHERS : JSON_REFUSE_OTHERS);
        MUST(e[i] == ERR_OK || e[i] == ERR_MSG_MALFORMED || e[i] == ERR_MSG_TOO_LONG);
        if (e[i])
            continue;
        check_text(texts[i][0], 1, 20);
        check_text(texts[i][1], 3, 8);
    }
    if (e[0] == ERR_OK)
        MUST(e[1] == ERR_OK && strcmp(texts[0][0], texts[1][0]) == 0 &&
             strcmp(texts[0][1], texts[1][1]) == 0);
}

void fuzz_json_seeds(fuzz_emit *emit, void *arg)
{
    static const char *const texts[] = {
        "{\"user\":\"anna\",\"client\":\"app-1\"}",
        " { \"client\" : \"app\\u002d1\" , \"user\" : \"a\\\\\\\"\\/\" } ",
        "{\"user\":\"anna\",\"client\":\"app-1\",\"age\":1.5e3}",
        "{\"user\":\"anna\",\"user\":\"bert\",\"client\":\"app-1\"}",
        "{\"user\":\"\\ud83d\\ude00\",\"client\":\"\303\274\303\274\"}",
        "{\"user\":{\"user\":\"a\"},\"client\":[\"app\"]}",
        "{\"user\":null,\"client\":true}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        emit(arg, (const uint8_t *)texts[i], strlen(texts[i]));
}

/* ---- tokens ---- */

static const struct token_key *keys(void)
{
    static struct p256_key *key;
    static struct token_key made = {"tbe-1", NULL};
    if (!key)
        MUST(p256_generate(fuzz_crypto(), &key) == ERR_OK);
    made.key = key;
    return &made;
}

static size_t make(unsigned i, char out[TOKEN_MAX + 1])
{
    struct token_claims c = {.issuer = "tbe",
                             .subject = "anna",
                             .audience = "tbe-app",
                             .scope = "pairing",
                             .id = "1",
                             .issued_s = NOW_S - 10,
                             .expires_s = NOW_S + 60};
    if (i & 1)
        memcpy(c.client, "installation-0001", 18);
    if (i & 2)
        memcpy(c.audience, "tbe-operator", 13);
    if (i & 4)
        c.scope[0] = '\0';
    MUST(token_make(fuzz_crypto(), &c, keys(), out) == ERR_OK);
    return strlen(out);
}

/* Who has not the key makes no token: what is taken says what one of ours says, to the byte before the
 * signature. */
void fuzz_token(const uint8_t *p, size_t len)
{
    struct token_claims c;
    char ours[TOKEN_MAX + 1];
    const struct token_policy policy = {.crypto = fuzz_crypto(),
                                        .keys = keys(),
                                        .key_count = 1,
                                        .issuer = "tbe",
                                        .audience = "tbe-app",
                                        .now_s = NOW_S};
    if (token_check(&policy, span_of(p, len), &c) != ERR_OK)
        return;
    bool known = false;
    for (unsigned i = 0; i < 8; i++) {
        size_t said = make(i, ours), covered = (size_t)(strrchr(ours, '.') - ours);
        known = known || (len == said && memcmp(p, ours, covered) == 0);
    }
    MUST(known && strcmp(c.subject, "anna") == 0 && strcmp(c.audience, "tbe-app") == 0);
}

void fuzz_token_seeds(fuzz_emit *emit, void *arg)
{
    char out[TOKEN_MAX + 1];
    for (unsigned i = 0; i < 8; i++)
        emit(arg, (const uint8_t *)out, make(i, out));
    static const char none[] =
        "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoidGJlLTEifQ.eyJpc3MiOiJ0YmUifQ.";
    emit(arg, (const uint8_t *)none, sizeof none - 1);
}
