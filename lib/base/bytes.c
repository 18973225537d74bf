#include "lib/base/bytes.h"

#include <stdio.h>
#include <string.h>

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool span_is(struct span a, const char *s)
{
    return span_equal(a, span_of(s, strlen(s)));
}

bool bytes_equal_ct(const uint8_t *a, const uint8_t *b, size_t len)
{
    volatile uint8_t diff = 0;
    for (size_t i = 0; i < len; i++)
        diff = (uint8_t)(diff | (a[i] ^ b[i]));
    return diff == 0;
}

struct rd rd_of(const void *p, size_t len)
{
    return (struct rd){(const uint8_t *)p, len, false};
}

struct span rd_span(struct rd *r, size_t len)
{
    if (r->failed || len > r->left) {
        r->failed = true;
        return (struct span){NULL, 0};
    }
    struct span s = {r->p, len};
    /* so that `make prove` keeps apart what is left and what was asked for */
    /*@ dynamic_split r->left; */
    /*@ split len; */
    r->p += len;
    r->left -= len;
    return s;
}

static uint64_t rd_be(struct rd *r, size_t len)
{
    struct span s = rd_span(r, len);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | s.p[i];
    return v;
}

uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_be(r, 1);
}

uint16_t rd_be16(struct rd *r)
{
    return (uint16_t)rd_be(r, 2);
}

uint32_t rd_be32(struct rd *r)
{
    return (uint32_t)rd_be(r, 4);
}

uint64_t rd_be64(struct rd *r)
{
    return rd_be(r, 8);
}

void rd_copy(struct rd *r, void *out, size_t len)
{
    struct span s = rd_span(r, len);
    if (s.p)
        memcpy(out, s.p, len);
    else
        memset(out, 0, len);
}

struct wr wr_of(void *buf, size_t cap)
{
    return (struct wr){(uint8_t *)buf, cap, 0, false};
}

void wr_copy(struct wr *w, const void *p, size_t len)
{
    if (w->failed || len > w->cap - w->len) {
        w->failed = true;
        return;
    }
    if (len)
        memcpy(w->buf + w->len, p, len);
    w->len += len;
}

static void wr_be(struct wr *w, uint64_t v, size_t len)
{
    uint8_t b[8];
    for (size_t i = 0; i < len; i++)
        b[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
    wr_copy(w, b, len);
}

void wr_u8(struct wr *w, uint8_t v)
{
    wr_be(w, v, 1);
}

void wr_be16(struct wr *w, uint16_t v)
{
    wr_be(w, v, 2);
}

void wr_be32(struct wr *w, uint32_t v)
{
    wr_be(w, v, 4);
}

void wr_be64(struct wr *w, uint64_t v)
{
    wr_be(w, v, 8);
}

void hex_encode(const uint8_t *p, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

long hex_decode(const char *text, size_t text_len, uint8_t *out, size_t cap)
{
    if (text_len % 2 != 0 || text_len / 2 > cap)
        return -1;
    for (size_t i = 0; i < text_len; i += 2) {
        int hi = hex_value(text[i]), lo = hex_value(text[i + 1]);
        if (hi < 0 || lo < 0)
            return -1;
        out[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    return (long)(text_len / 2);
}

#define CONTINUES(c) (((unsigned char)(c)&0xC0) == 0x80)

/* The greatest length up to len that does not end inside a UTF-8 character; text has more than len bytes. */
static size_t text_cut(const char *text, size_t len)
{
    size_t end = len;
    while (end > 0 && len - end < 3 && CONTINUES(text[end]))
        end--;
    return CONTINUES(text[end]) ? len : end;
}

void text_copy(char *out, size_t cap, const char *text)
{
    size_t len = strnlen(text, cap);
    if (len == cap)
        len = text_cut(text, cap - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

void text_shown(char *out, size_t cap, const char *text)
{
    size_t left = strlen(text), used = 0;
    for (size_t n; left; text += n, left -= n) {
        n = text_character(text, left);
        if (used + (n ? n : 1) >= cap)
            break;
        memcpy(out + used, n ? text : "?", n ? n : 1);
        used += n ? n : 1;
        n = n ? n : 1;
    }
    out[used] = '\0';
}

size_t utf8_character(const char *s, size_t len, uint32_t *code)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least; /* longer forms of smaller numbers are no UTF-8 */
    } forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    const uint8_t *p = (const uint8_t *)s;
    size_t more = 0;
    if (len == 0)
        return 0;
    while (more < 4 && (p[0] & forms[more].mask) != forms[more].lead)
        more++;
    if (more == 4 || more >= len)
        return 0;
    uint32_t c = p[0] & (uint8_t)~forms[more].mask;
    for (size_t i = 1; i <= more; i++) {
        if (!CONTINUES(p[i]))
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < forms[more].least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *code = c;
    return more + 1;
}

/* Code points, both ends included, that show nothing, or something else than what stands there. */
static const struct {
    uint32_t from, to;
} unshown[] = {
    {0x00, 0x1F},       {0x7F, 0x9F},     /* controls */
    {0xAD, 0xAD},       {0x200B, 0x200F}, /* soft hyphen, zero widths and marks of direction */
    {0x2028, 0x202E},   {0x2060, 0x206F}, /* line separators, changes of direction, invisible operators */
    {0xE0000, 0xE007F},                   /* tags */
    {0xD800, 0xDFFF},   {0xFDD0, 0xFDEF}, /* surrogates, non-characters */
    {0xFEFF, 0xFEFF},                     /* byte order mark */
};

static bool is_shown(uint32_t point)
{
    for (size_t i = 0; i < sizeof unshown / sizeof unshown[0]; i++)
        if (point >= unshown[i].from && point <= unshown[i].to)
            return false;
    return point <= 0x10FFFF && (point & 0xFFFE) != 0xFFFE;
}

size_t text_character(const char *text, size_t len)
{
    uint32_t code;
    size_t n = utf8_character(text, len, &code);
    return n && is_shown(code) ? n : 0;
}

/* One character as JSON has it. */
static size_t json_character(const char *s, size_t len, uint32_t code, char out[8])
{
    if (code == '"' || code == '\\')
        return (size_t)snprintf(out, 8, "\\%c", (char)code);
    if (code < 0x20 || code == TEXT_REPLACEMENT)
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)code);
    memcpy(out, s, len);
    return len;
}

size_t text_json(const char *text, char *out, size_t cap)
{
    size_t used = 0;
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        char c[8];
        uint32_t code;
        n = utf8_character(text, left, &code);
        if (n == 0) {
            code = TEXT_REPLACEMENT;
            n = 1;
        }
        size_t len = json_character(text, n, code, c);
        if (used + len >= cap)
            break;
        memcpy(out + used, c, len);
        used += len;
    }
    out[used] = '\0';
    return used;
}
