#include "lib/can/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t fd_lengths[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64};

uint8_t bus_fd_length(size_t len)
{
    for (size_t i = 0; i < sizeof fd_lengths; i++)
        if (fd_lengths[i] >= len)
            return fd_lengths[i];
    return BUS_FD_MAX;
}

bool bus_frame_valid(const struct bus_frame *f)
{
    if (f->id > (f->flags & BUS_EXTENDED ? 0x1FFFFFFFu : 0x7FFu))
        return false;
    if (f->flags & BUS_FD)
        return !(f->flags & BUS_REMOTE) && f->len <= BUS_FD_MAX && bus_fd_length(f->len) == f->len;
    return !(f->flags & (BUS_BRS | BUS_ESI)) && f->len <= BUS_CLASSIC_MAX;
}

size_t bus_frame_data(const struct bus_frame *f)
{
    size_t len = f->len < BUS_FD_MAX ? f->len : BUS_FD_MAX;
    return f->flags & BUS_REMOTE ? 0 : len;
}

bool bus_frame_equal(const struct bus_frame *a, const struct bus_frame *b)
{
    size_t data = bus_frame_data(a);
    return a->id == b->id && a->flags == b->flags && a->len == b->len && memcmp(a->data, b->data, data) == 0;
}

void bus_frame_print(const struct bus_frame *f, char out[BUS_TEXT_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    int n = snprintf(out, BUS_TEXT_MAX, f->flags & BUS_EXTENDED ? "%08" PRIX32 : "%03" PRIX32, f->id);
    char *p = out + n;
    *p++ = '#';
    if (f->flags & BUS_REMOTE) {
        *p++ = 'R';
        *p++ = (char)('0' + f->len % 10);
        *p = '\0';
        return;
    }
    if (f->flags & BUS_FD) {
        *p++ = '#';
        *p++ = (char)('0' + 4 + (f->flags & BUS_BRS ? 1 : 0) + (f->flags & BUS_ESI ? 2 : 0));
    }
    /* by hand: a day's log has millions of frames */
    for (size_t i = 0; i < f->len; i++) {
        *p++ = digits[f->data[i] >> 4];
        *p++ = digits[f->data[i] & 15];
    }
    *p = '\0';
}

static enum err parse_id(const char *text, size_t digits, struct bus_frame *f)
{
    uint8_t b[4];
    char even[9] = "00000000";
    if (digits != 3 && digits != 8)
        return ERR_BAD_SYNTAX;
    memcpy(even + 8 - digits, text, digits);
    if (hex_decode(even, 8, b, sizeof b) != 4)
        return ERR_BAD_SYNTAX;
    f->id = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    if (digits == 8)
        f->flags = BUS_EXTENDED;
    return ERR_OK;
}

static enum err parse_data(const char *text, struct bus_frame *f)
{
    char packed[2 * BUS_FD_MAX + 1];
    size_t n = 0;
    for (; *text; text++) {
        if (*text == '.')
            continue;
        if (n == sizeof packed - 1)
            return ERR_BAD_SYNTAX;
        packed[n++] = *text;
    }
    long len = hex_decode(packed, n, f->data, sizeof f->data);
    if (len < 0)
        return ERR_BAD_SYNTAX;
    f->len = (uint8_t)len;
    return ERR_OK;
}

static enum err parse_flags(char c, struct bus_frame *f)
{
    if (c < '0' || c > '7')
        return ERR_BAD_SYNTAX;
    int nibble = c - '0';
    f->flags |= BUS_FD;
    if (nibble & 1)
        f->flags |= BUS_BRS;
    if (nibble & 2)
        f->flags |= BUS_ESI;
    return ERR_OK;
}

enum err bus_frame_parse(const char *text, struct bus_frame *out)
{
    struct bus_frame f = {0};
    const char *hash = strchr(text, '#');
    if (!hash || parse_id(text, (size_t)(hash - text), &f))
        return ERR_BAD_SYNTAX;
    const char *p = hash + 1;
    enum err e = ERR_OK;
    if (*p == 'R') {
        f.flags |= BUS_REMOTE;
        if (p[1] && (p[1] < '0' || p[1] > '8' || p[2]))
            return ERR_BAD_SYNTAX;
        f.len = p[1] ? (uint8_t)(p[1] - '0') : 0;
    } else if (*p == '#') {
        e = parse_flags(p[1], &f);
        if (!e)
            e = parse_data(p + 2, &f);
    } else {
        e = parse_data(p, &f);
    }
    if (e || !bus_frame_valid(&f))
        return ERR_BAD_SYNTAX;
    *out = f;
    return ERR_OK;
}

void bus_log_print(uint64_t time_us, const char *bus, const struct bus_frame *f, char out[BUS_LOG_MAX])
{
    char text[BUS_TEXT_MAX];
    bus_frame_print(f, text);
    snprintf(out, BUS_LOG_MAX, "(%010" PRIu64 ".%06" PRIu64 ") %.16s %s", time_us / 1000000,
             time_us % 1000000, bus, text);
}

enum err bus_log_parse(const char *line, uint64_t *time_us, char bus[17], struct bus_frame *out)
{
    char text[BUS_TEXT_MAX], name[17], seconds[13], micros[7];
    if (sscanf(line, " (%12[0-9].%6[0-9]) %16s %143s", seconds, micros, name, text) != 4 ||
        strlen(micros) != 6)
        return ERR_BAD_SYNTAX;
    enum err e = bus_frame_parse(text, out);
    if (e)
        return e;
    *time_us = strtoull(seconds, NULL, 10) * 1000000 + strtoull(micros, NULL, 10);
    memcpy(bus, name, sizeof name);
    return ERR_OK;
}

void bus_frame_write(struct wr *w, const struct bus_frame *f)
{
    wr_be32(w, f->id);
    wr_u8(w, f->flags);
    wr_u8(w, f->len);
    if (!(f->flags & BUS_REMOTE))
        wr_copy(w, f->data, f->len);
}

enum err bus_frame_read(struct rd *r, struct bus_frame *out)
{
    struct bus_frame f = {0}; /* frames travel and are recorded whole: nothing of the stack beyond len */
    f.id = rd_be32(r);
    f.flags = rd_u8(r);
    f.len = rd_u8(r);
    if (r->failed)
        return ERR_TRUNCATED;
    if (!bus_frame_valid(&f))
        return ERR_BAD_ARGUMENT;
    if (!(f.flags & BUS_REMOTE))
        rd_copy(r, f.data, f.len);
    if (r->failed)
        return ERR_TRUNCATED;
    *out = f;
    return ERR_OK;
}
