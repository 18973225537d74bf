/* Bodies of up to BOUND bytes with a status word, through an open channel. The ciphers are any that write
 * what they promise to write. */
#include "lib/ccc/channel.h"

#include <openssl/crypto.h>

#include "tests/prove/prove.h"

static enum err any_result(void)
{
    return prove_any(0, 1) ? ERR_CRYPTO_FAILED : ERR_OK;
}

static void any_bytes(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)prove_any(0, 255);
}

enum err ccc_ecb_block(struct crypto *c, const uint8_t key[CCC_KEY], const uint8_t in[CCC_BLOCK],
                       uint8_t out[CCC_BLOCK])
{
    (void)c;
    prove_reach(span_of(key, CCC_KEY));
    prove_reach(span_of(in, CCC_BLOCK));
    any_bytes(out, CCC_BLOCK);
    return any_result();
}

enum err ccc_cbc(struct crypto *c, bool encrypt, const uint8_t key[CCC_KEY], const uint8_t iv[CCC_BLOCK],
                 const uint8_t *in, size_t len, uint8_t *out)
{
    (void)c;
    (void)encrypt;
    prove_reach(span_of(key, CCC_KEY));
    prove_reach(span_of(iv, CCC_BLOCK));
    prove_reach(span_of(in, len));
    any_bytes(out, len);
    return any_result();
}

enum err ccc_cmac(struct crypto *c, const uint8_t key[CCC_KEY], const struct span *parts, size_t n,
                  uint8_t out[CCC_BLOCK])
{
    (void)c;
    prove_reach(span_of(key, CCC_KEY));
    for (size_t i = 0; i < n; i++)
        prove_reach(parts[i]);
    any_bytes(out, CCC_BLOCK);
    return any_result();
}

void OPENSSL_cleanse(void *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)p)[i] = 0;
}

void apdu_command_put(struct wr *w, const struct apdu_command *c)
{
    (void)w;
    (void)c;
}

int main(void)
{
    static uint8_t plain[CCC_BLOCK * 16], crypto_context;
    struct crypto *c = (struct crypto *)&crypto_context;
    const uint8_t key[CCC_KEY] = {0};
    struct channel ch;
    size_t len;
    struct span in = prove_input();
    channel_open(&ch, prove_any(0, 1) ? &channel_framework : &channel_applet, key, key, key);
    ch.counter = (uint16_t)prove_any(0, 0x100);
    ch.open = prove_any(0, 1);
    if (prove_any(0, 1)) {
        const struct apdu_command cmd = {.data = in};
        if (channel_unwrap_command(c, &ch, &cmd, plain, &len) == ERR_OK)
            prove_reach(span_of(plain, len));
    } else if (channel_unwrap_response(c, &ch, in, (uint16_t)prove_any(0, 0xFFFF), plain, &len) == ERR_OK) {
        prove_reach(span_of(plain, len));
    }
    return 0;
}
