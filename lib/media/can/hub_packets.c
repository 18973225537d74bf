#include "lib/media/can/hub.h"

size_t hub_hello_write(const struct hub_hello *h, uint8_t out[256])
{
    struct wr w = wr_of(out, 256);
    wr_u8(&w, HUB_HELLO);
    wr_u8(&w, h->segment);
    wr_u8(&w, h->everything);
    wr_u8(&w, (uint8_t)h->id_count);
    for (size_t i = 0; i < h->id_count; i++)
        wr_be32(&w, h->ids[i]);
    wr_copy(&w, h->name, HUB_NAME_MAX);
    wr_copy(&w, h->token.bytes, TOKEN_SIZE);
    return w.len;
}

enum err hub_hello_read(struct span packet, struct hub_hello *out)
{
    struct hub_hello h = {0};
    struct rd r = rd_of(packet.p, packet.len);
    uint8_t type = rd_u8(&r);
    h.segment = rd_u8(&r);
    h.everything = rd_u8(&r) != 0;
    h.id_count = rd_u8(&r);
    if (type != HUB_HELLO || h.id_count > HUB_FILTER_MAX || h.segment >= HUB_BUSES)
        return ERR_BAD_SYNTAX;
    for (size_t i = 0; i < h.id_count; i++)
        h.ids[i] = rd_be32(&r);
    rd_copy(&r, h.name, HUB_NAME_MAX);
    rd_copy(&r, h.token.bytes, TOKEN_SIZE);
    if (r.failed || r.left)
        return ERR_BAD_SYNTAX; /* a packet is whole: nothing more is to come */
    h.name[HUB_NAME_MAX - 1] = '\0';
    *out = h;
    return ERR_OK;
}
