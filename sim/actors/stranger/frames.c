#include "sim/actors/stranger/frames.h"

#include <string.h>

void h2_put_head(struct wr *w, size_t len, uint8_t type, uint8_t flags, uint32_t stream)
{
    wr_u8(w, (uint8_t)(len >> 16));
    wr_be16(w, (uint16_t)len);
    wr_u8(w, type);
    wr_u8(w, flags);
    wr_be32(w, stream);
}

void h2_put_frame(struct wr *w, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t len)
{
    h2_put_head(w, len, type, flags, stream);
    wr_copy(w, p, len);
}

void h2_put_number(struct wr *w, uint8_t type, uint32_t stream, uint32_t number)
{
    uint8_t bytes[4];
    struct wr n = wr_of(bytes, sizeof bytes);
    wr_be32(&n, number);
    h2_put_frame(w, type, 0, stream, bytes, sizeof bytes);
}

/* ---- header blocks ---- */

/* A length in 7 bits, or more behind them. */
static void put_length(struct wr *w, size_t len)
{
    if (len < 127) {
        wr_u8(w, (uint8_t)len);
        return;
    }
    wr_u8(w, 127);
    for (len -= 127; len >= 128; len >>= 7)
        wr_u8(w, (uint8_t)(len | 128));
    wr_u8(w, (uint8_t)len);
}

void h2_put_literal(struct wr *w, uint8_t kind, const char *name, const char *value, size_t len)
{
    wr_u8(w, kind);
    put_length(w, strlen(name));
    wr_copy(w, name, strlen(name));
    put_length(w, len);
    wr_copy(w, value, len);
}

void h2_put_header(struct wr *w, const char *name, const char *value)
{
    h2_put_literal(w, 0, name, value, strlen(value));
}

void h2_put_pseudo(struct wr *w, const char *method, const char *path)
{
    h2_put_header(w, ":method", method);
    h2_put_header(w, ":scheme", "https");
    h2_put_header(w, ":authority", "app.tbe.example");
    h2_put_header(w, ":path", path);
}

struct wr h2_block(void)
{
    static uint8_t bytes[H2_BLOCK_MAX];
    return wr_of(bytes, sizeof bytes);
}

void h2_put_block(struct wr *w, uint8_t flags, uint32_t stream, const struct wr *b)
{
    h2_put_frame(w, H2_HEADERS, flags, stream, b->buf, b->len);
}

/* A request of these and one more header. */
void h2_put_request(struct wr *w, uint32_t stream, const char *method, const char *path, const char *name,
                    const char *value)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, method, path);
    if (name)
        h2_put_header(&b, name, value);
    h2_put_block(w, H2_WHOLE, stream, &b);
}

void h2_put_post(struct wr *w, const char *length, const char *second)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "POST", "/bad");
    h2_put_header(&b, "content-length", length);
    if (second)
        h2_put_header(&b, "content-length", second);
    h2_put_block(w, H2_END_HEADERS, 1, &b);
}
