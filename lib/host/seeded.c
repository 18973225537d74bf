#include "lib/host/seeded.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct seeded_stream *current;

/* ---- streams: seeded by SHA-256 of root and name, stepped by xoshiro256** (Blackman, Vigna) ---- */

/* A virtual world begins a stream at every turn: looked up each time, SHA-256 would take longer than it
 * works. */
static EVP_MD *sha256;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256)
        abort();
}

void seeded_stream_init(struct seeded_stream *stream, uint64_t root_seed, const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint8_t in[8 + 64], digest[SHA256_DIGEST_LENGTH];
    struct wr w = wr_of(in, sizeof in);
    wr_be64(&w, root_seed);
    wr_copy(&w, name, strnlen(name, 64));
    pthread_once(&once, fetch_sha256);
    if (EVP_Digest(in, w.len, digest, NULL, sha256, NULL) != 1)
        abort();
    struct rd r = rd_of(digest, sizeof digest);
    for (size_t i = 0; i < 4; i++)
        stream->s[i] = rd_be64(&r);
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t step(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

void seeded_stream_draw(struct seeded_stream *stream, void *out, size_t len)
{
    uint8_t *p = out;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = step(stream->s);
        memcpy(p + i, &v, len - i < 8 ? len - i : 8);
    }
}

void seeded_use(struct seeded_stream *stream)
{
    current = stream;
}

/* ---- the provider: one algorithm of OpenSSL's RAND operation ---- */

static void *rand_newctx(void *provider, void *parent, const OSSL_DISPATCH *parent_calls)
{
    (void)provider;
    (void)parent;
    (void)parent_calls;
    return calloc(1, 1);
}

static void rand_freectx(void *ctx)
{
    free(ctx);
}

static int rand_instantiate(void *ctx, unsigned int strength, int resistance, const unsigned char *pstr,
                            size_t pstr_len, const OSSL_PARAM params[])
{
    (void)ctx, (void)strength, (void)resistance, (void)pstr, (void)pstr_len, (void)params;
    return 1;
}

static int rand_uninstantiate(void *ctx)
{
    (void)ctx;
    return 1;
}

static int rand_generate(void *ctx, unsigned char *out, size_t len, unsigned int strength, int resistance,
                         const unsigned char *extra, size_t extra_len)
{
    (void)ctx, (void)strength, (void)resistance, (void)extra, (void)extra_len;
    if (!current)
        abort();
    seeded_stream_draw(current, out, len);
    return 1;
}

static int rand_reseed(void *ctx, int resistance, const unsigned char *entropy, size_t len,
                       const unsigned char *extra, size_t extra_len)
{
    (void)ctx, (void)resistance, (void)entropy, (void)len, (void)extra, (void)extra_len;
    return 1;
}

static int rand_enable_locking(void *ctx)
{
    (void)ctx;
    return 1;
}

static int rand_get_params(void *ctx, OSSL_PARAM params[])
{
    OSSL_PARAM *p;
    (void)ctx;
    if ((p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE)) &&
        !OSSL_PARAM_set_int(p, EVP_RAND_STATE_READY))
        return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH)) && !OSSL_PARAM_set_uint(p, 256))
        return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST)) && !OSSL_PARAM_set_size_t(p, 1 << 16))
        return 0;
    return 1;
}

static const OSSL_DISPATCH rand_calls[] = {
    {OSSL_FUNC_RAND_NEWCTX, (void (*)(void))rand_newctx},
    {OSSL_FUNC_RAND_FREECTX, (void (*)(void))rand_freectx},
    {OSSL_FUNC_RAND_INSTANTIATE, (void (*)(void))rand_instantiate},
    {OSSL_FUNC_RAND_UNINSTANTIATE, (void (*)(void))rand_uninstantiate},
    {OSSL_FUNC_RAND_GENERATE, (void (*)(void))rand_generate},
    {OSSL_FUNC_RAND_RESEED, (void (*)(void))rand_reseed},
    {OSSL_FUNC_RAND_ENABLE_LOCKING, (void (*)(void))rand_enable_locking},
    {OSSL_FUNC_RAND_GET_CTX_PARAMS, (void (*)(void))rand_get_params},
    {0, NULL},
};

static const OSSL_ALGORITHM rand_algorithms[] = {
    {"SPAAKSIM-SEEDED", "provider=spaaksim", rand_calls, "repeatable streams of the virtual world"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_RAND ? rand_algorithms : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                         void **provider)
{
    static const OSSL_DISPATCH calls[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))provider_query},
        {0, NULL},
    };
    static char instance;
    (void)handle, (void)in;
    *out = calls;
    *provider = &instance;
    return 1;
}

bool seeded_context_open(struct seeded_context *c)
{
    *c = (struct seeded_context){.openssl = OSSL_LIB_CTX_new()};
    if (c->openssl && OSSL_PROVIDER_add_builtin(c->openssl, "spaaksim", provider_init) == 1 &&
        (c->standard = OSSL_PROVIDER_load(c->openssl, "default")) &&
        (c->ours = OSSL_PROVIDER_load(c->openssl, "spaaksim")) &&
        RAND_set_DRBG_type(c->openssl, "SPAAKSIM-SEEDED", NULL, NULL, NULL) == 1)
        return true;
    seeded_context_close(c);
    return false;
}

void seeded_context_close(struct seeded_context *c)
{
    if (c->ours)
        OSSL_PROVIDER_unload(c->ours);
    if (c->standard)
        OSSL_PROVIDER_unload(c->standard);
    OSSL_LIB_CTX_free(c->openssl);
    *c = (struct seeded_context){0};
}
