#include "lib/token/base64url.h"

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct span in, struct wr *out)
{
    for (size_t i = 0; i < in.len; i += 3) {
        size_t n = in.len - i < 3 ? in.len - i : 3;
        uint32_t group = (uint32_t)in.p[i] << 16;
        if (n > 1)
            group |= (uint32_t)in.p[i + 1] << 8;
        if (n > 2)
            group |= in.p[i + 2];
        for (size_t k = 0; k <= n; k++)
            wr_u8(out, (uint8_t)alphabet[group >> (18 - 6 * k) & 63]);
    }
}

static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

long base64url_decode(struct span text, uint8_t *out, size_t cap)
{
    uint32_t bits = 0;
    size_t n = 0;
    unsigned held = 0;
    if (text.len % 4 == 1)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        int v = value_of(text.p[i]);
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (n == cap)
            return -1;
        out[n++] = (uint8_t)(bits >> held);
        bits &= (1u << held) - 1;
    }
    return bits ? -1 : (long)n;
}
