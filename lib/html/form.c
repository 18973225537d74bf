#include "lib/html/form.h"

#include <openssl/crypto.h>
#include <string.h>

static int hex_of(uint8_t c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

/* Takes what stands before `end`, and `end` with it when it is there. */
static struct span take_until(struct rd *r, char end)
{
    const uint8_t *at = r->left ? memchr(r->p, end, r->left) : NULL;
    struct span part = rd_span(r, at ? (size_t)(at - r->p) : r->left);
    if (at)
        (void)rd_u8(r);
    return part;
}

/* One byte of a value; -1 for what no form sends. */
static int take_byte(struct rd *r)
{
    uint8_t c = rd_u8(r);
    if (c == '+')
        return ' ';
    if (c != '%')
        return c > ' ' && c <= '~' && c != '=' ? c : -1;
    int high = hex_of(rd_u8(r)), low = hex_of(rd_u8(r));
    return r->failed || high < 0 || low < 0 ? -1 : high * 16 + low;
}

static enum err take_value(struct span value, const struct form_field *f)
{
    struct rd r = rd_of(value.p, value.len);
    size_t len = 0;
    while (r.left) {
        int c = take_byte(&r);
        if (c < 0)
            return ERR_MSG_MALFORMED;
        if (len + 1 >= f->cap)
            return ERR_MSG_TOO_LONG;
        f->out[len++] = (char)c;
    }
    f->out[len] = '\0';
    for (size_t i = 0, size; i < len; i += size)
        if (!(size = text_character(f->out + i, len - i)))
            return ERR_MSG_MALFORMED;
    return len < f->min ? ERR_MSG_MALFORMED : ERR_OK;
}

static enum err take_pair(struct span pair, const struct form_field *fields, size_t n, bool *seen)
{
    struct rd r = rd_of(pair.p, pair.len);
    struct span name = take_until(&r, '=');
    size_t i = 0;
    if (name.len == pair.len)
        return ERR_MSG_MALFORMED; /* no "=" */
    while (i < n && !span_is(name, fields[i].name))
        i++;
    if (i == n || seen[i])
        return ERR_MSG_MALFORMED;
    seen[i] = true;
    return take_value(span_of(r.p, r.left), &fields[i]);
}

enum err form_read(struct span body, const struct form_field *fields, size_t n)
{
    bool seen[FORM_FIELDS] = {false};
    struct rd r = rd_of(body.p, body.len);
    enum err e = body.len > FORM_MAX ? ERR_MSG_TOO_LONG : n > FORM_FIELDS ? ERR_BAD_ARGUMENT : ERR_OK;
    for (size_t i = 0; i < n; i++)
        fields[i].out[0] = '\0';
    if (!e && body.len && body.p[body.len - 1] == '&')
        e = ERR_MSG_MALFORMED;
    while (!e && r.left)
        e = take_pair(take_until(&r, '&'), fields, n, seen);
    for (size_t i = 0; i < n && !e; i++)
        if (!seen[i] && fields[i].min)
            e = ERR_MSG_MALFORMED;
    for (size_t i = 0; e && i < n; i++)
        OPENSSL_cleanse(fields[i].out, fields[i].cap);
    return e;
}
