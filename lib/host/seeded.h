/* Repeatable randomness for the virtual world: an OpenSSL library context whose generators all draw from a
 * stream of ours. Keys, nonces and signatures then repeat to the byte for one seed.
 *
 * Never part of a component's process: only the runner, tests and benchmarks link this file, and the symbol
 * test says so. */
#ifndef lib_host_seeded_h
#define lib_host_seeded_h

#include <openssl/types.h>

#include "lib/base/bytes.h"

/* One component's stream, split off the root seed by name, so that a draw in one place shifts no other. */
struct seeded_stream {
    uint64_t s[4];
};

void seeded_stream_init(struct seeded_stream *stream, uint64_t root_seed, const char *name);
void seeded_stream_draw(struct seeded_stream *stream, void *out, size_t len);

/* The stream that OpenSSL draws from, from now on, in this thread. */
void seeded_use(struct seeded_stream *stream);

/* A context with the default algorithms and our generator. Draws without seeded_use abort: they would not be
 * repeatable. */
struct seeded_context {
    OSSL_LIB_CTX *openssl;
    OSSL_PROVIDER *standard, *ours;
};
/* False when OpenSSL refuses; nothing is then left to free. */
bool seeded_context_open(struct seeded_context *c);
void seeded_context_close(struct seeded_context *c);

#endif
