#include "lib/ccc/tlv.h"

static uint16_t read_tag(struct rd *r)
{
    uint8_t first = rd_u8(r);
    if ((first & 0x1F) != 0x1F)
        return first;
    uint8_t second = rd_u8(r);
    if (second & 0x80 || second < 0x1F) /* longer tags, and tags that fit one byte */
        r->failed = true;
    return (uint16_t)(first << 8 | second);
}

static size_t read_length(struct rd *r)
{
    uint8_t first = rd_u8(r);
    if (first < 0x80)
        return first;
    size_t len = first == 0x81 ? rd_u8(r) : rd_be16(r);
    if (first != 0x81 && first != 0x82)
        r->failed = true;
    return len;
}

bool tlv_next(struct rd *r, struct tlv *out)
{
    const uint8_t *start = r->p;
    if (r->left == 0 || r->failed)
        return false;
    uint16_t tag = read_tag(r);
    size_t len = read_length(r);
    struct span value = rd_span(r, len);
    if (r->failed)
        return false;
    *out = (struct tlv){tag, value, {start, (size_t)(r->p - start)}};
    return true;
}

enum err tlv_peek(struct span in, uint16_t *tag, size_t *whole)
{
    struct rd r = rd_of(in.p, in.len);
    uint16_t t = read_tag(&r);
    size_t len = read_length(&r);
    if (r.failed)
        return ERR_TRUNCATED;
    *tag = t;
    *whole = in.len - r.left + len;
    return ERR_OK;
}

enum err tlv_find(struct span in, uint16_t tag, struct tlv *out)
{
    struct rd r = rd_of(in.p, in.len);
    while (tlv_next(&r, out))
        if (out->tag == tag)
            return ERR_OK;
    return r.failed ? ERR_TRUNCATED : ERR_NOT_FOUND;
}

enum err tlv_find_once(struct span in, uint16_t tag, struct tlv *out)
{
    struct rd r = rd_of(in.p, in.len);
    struct tlv t;
    size_t found = 0;
    while (tlv_next(&r, &t))
        if (t.tag == tag && found++ == 0)
            *out = t;
    if (r.failed)
        return ERR_TRUNCATED;
    if (found > 1)
        return ERR_TRAILING_BYTES;
    return found ? ERR_OK : ERR_NOT_FOUND;
}

enum err tlv_find_exact(struct span in, uint16_t tag, size_t len, struct span *value)
{
    struct tlv t;
    enum err e = tlv_find_once(in, tag, &t);
    if (e)
        return e;
    if (t.value.len != len)
        return ERR_BAD_ARGUMENT;
    *value = t.value;
    return ERR_OK;
}

bool tlv_well_formed(struct span in)
{
    struct rd r = rd_of(in.p, in.len);
    struct tlv t;
    while (tlv_next(&r, &t))
        ;
    return !r.failed;
}

void tlv_put_header(struct wr *w, uint16_t tag, size_t len)
{
    if (tag > 0xFF)
        wr_u8(w, (uint8_t)(tag >> 8));
    wr_u8(w, (uint8_t)tag);
    if (len > 0xFFFF) {
        w->failed = true;
    } else if (len > 0xFF) {
        wr_u8(w, 0x82);
        wr_be16(w, (uint16_t)len);
    } else {
        if (len > 0x7F)
            wr_u8(w, 0x81);
        wr_u8(w, (uint8_t)len);
    }
}

void tlv_put(struct wr *w, uint16_t tag, struct span value)
{
    tlv_put_header(w, tag, value.len);
    wr_copy(w, value.p, value.len);
}
