#include <string.h>

#include "tests/cards/cards.h"

#define BLOCK 64 /* of SHA-256, bytes */

void cards_mac(const uint8_t key[CARDS_KEY], struct span message, uint8_t out[CARDS_MAC])
{
    uint8_t inner[BLOCK], outer[BLOCK], digest[SHA256_SIZE];
    memset(inner, 0x36, sizeof inner);
    memset(outer, 0x5C, sizeof outer);
    for (size_t i = 0; i < CARDS_KEY; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    crypto_sha256(NULL, (struct span[]){span_of(inner, BLOCK), message}, 2, digest);
    crypto_sha256(NULL, (struct span[]){span_of(outer, BLOCK), span_of(digest, sizeof digest)}, 2, out);
}

void cards_stretch(const uint8_t challenge[CARDS_CHALLENGE], uint64_t rounds, uint8_t out[SHA256_SIZE])
{
    struct span in = {challenge, CARDS_CHALLENGE};
    crypto_sha256(NULL, &in, 1, out);
    for (uint64_t i = 1; i < rounds; i++) {
        in = span_of(out, SHA256_SIZE);
        crypto_sha256(NULL, &in, 1, out);
    }
}
