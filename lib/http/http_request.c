/* Requests in the form of SCGI: "<length>:" names and values "," body. */
#include <string.h>

#include "lib/http/http_internal.h"

#define LENGTH_NAME "CONTENT_LENGTH"
#define LENGTH_MAX  5 /* digits of the netstring's length */

/* ---- words that have a form of their own ---- */

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool segment_ok(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_unreserved(s.p[i]))
            return false;
    return s.len > 0 && !span_is(s, ".") && !span_is(s, "..");
}

/* "/" alone, or segments of which only the last may be empty. */
bool http_path_ok(struct span path)
{
    size_t at = 0;
    if (path.len == 0 || path.p[0] != '/')
        return false;
    while (++at < path.len) {
        size_t begin = at;
        while (at < path.len && path.p[at] != '/')
            at++;
        if (!segment_ok(span_of(path.p + begin, at - begin)))
            return false;
    }
    return true;
}

/* RFC 3986, 3.4: with every "%" before two hex digits. */
static bool query_ok(struct span query)
{
    for (size_t i = 0; i < query.len; i++) {
        if (query.p[i] == '%' && query.len - i > 2 && is_hex(query.p[i + 1]) && is_hex(query.p[i + 2]))
            i += 2;
        else if (!is_unreserved(query.p[i]) && !(query.p[i] && strchr("!$&'()*+,;=:@/?", query.p[i])))
            return false;
    }
    return true;
}

static enum err word_check(enum http_word word, struct span value)
{
    enum err e = http_value_check(value, http_words[word].max);
    if (!e && word == HTTP_WORD_PATH && !http_path_ok(value))
        return ERR_MSG_MALFORMED;
    if (!e && word == HTTP_WORD_QUERY && !query_ok(value))
        return ERR_MSG_MALFORMED;
    return e;
}

/* ---- reading ---- */

/* Up to the next NUL, which is taken, too. */
static struct span text_next(struct rd *r)
{
    const uint8_t *end = r->left ? memchr(r->p, 0, r->left) : NULL;
    struct span text = rd_span(r, end ? (size_t)(end - r->p) : r->left + 1);
    rd_u8(r);
    return text;
}

/* The netstring's length and the bytes before its content. */
static enum err head_length(struct span bytes, size_t *prefix, size_t *head)
{
    size_t digits = 0;
    while (digits < bytes.len && digits <= LENGTH_MAX && bytes.p[digits] != ':')
        digits++;
    if (digits > LENGTH_MAX)
        return ERR_MSG_MALFORMED;
    if (digits == bytes.len) {
        enum err e = digits ? http_number_read(bytes, SIZE_MAX / 20, head) : ERR_OK;
        return e ? e : ERR_TRUNCATED;
    }
    *prefix = digits + 1;
    return http_number_read(span_of(bytes.p, digits), HTTP_HEAD_MAX, head);
}

/* The first pair, as far as it is there. */
static enum err body_length(struct span head, bool whole, size_t *body)
{
    struct rd r = rd_of(head.p, head.len);
    size_t known = head.len < sizeof LENGTH_NAME ? head.len : sizeof LENGTH_NAME;
    if (memcmp(head.p, LENGTH_NAME, known) != 0)
        return ERR_MSG_MALFORMED;
    text_next(&r);
    struct span digits = text_next(&r);
    if (r.failed)
        return whole || head.len > sizeof LENGTH_NAME + 20 ? ERR_MSG_MALFORMED : ERR_TRUNCATED;
    return http_number_read(digits, HTTP_BODY_MAX, body);
}

enum err http_request_size(struct span bytes, size_t *total)
{
    size_t prefix = 0, head = 0, body = 0;
    enum err e = head_length(bytes, &prefix, &head);
    if (e)
        return e;
    size_t there = bytes.len - prefix < head ? bytes.len - prefix : head;
    e = there || head == 0 ? body_length(span_of(bytes.p + prefix, there), there == head, &body)
                           : ERR_TRUNCATED;
    if (!e)
        *total = prefix + head + 1 + body;
    return e;
}

/* The word of that name after the one before: neither unknown nor twice nor out of order. */
static bool word_find(struct span name, unsigned *next, enum http_word *out)
{
    while (*next < HTTP_WORDS && !span_is(name, http_words[*next].scgi))
        ++*next;
    *out = (enum http_word) * next;
    return (*next)++ < HTTP_WORDS;
}

static enum err words_read(struct rd *r, enum http_source source, struct http_request *q)
{
    unsigned next = 0;
    enum http_word word;
    text_next(r); /* the length is known */
    text_next(r);
    struct span name = text_next(r), value = text_next(r);
    if (r->failed || !span_is(name, "SCGI") || !span_is(value, "1"))
        return ERR_MSG_MALFORMED;
    while (r->left) {
        name = text_next(r);
        value = text_next(r);
        if (r->failed || !word_find(name, &next, &word) ||
            (word >= HTTP_WORD_DOOR && source != HTTP_FROM_DOOR))
            return ERR_MSG_MALFORMED;
        enum err e = word_check(word, value);
        if (e)
            return e;
        q->words[word] = value;
    }
    return ERR_OK;
}

/* What every request has. */
static enum err request_check(struct http_request *q)
{
    if (!q->words[HTTP_WORD_METHOD].p || !q->words[HTTP_WORD_PATH].p)
        return ERR_MSG_MALFORMED;
    return http_method_find(q->words[HTTP_WORD_METHOD], &q->method) ? ERR_OK : ERR_HTTP_METHOD;
}

enum err http_request_read(struct span bytes, enum http_source source, struct http_request *out)
{
    struct http_request q = {0};
    size_t prefix = 0, head = 0, total = 0;
    enum err e = http_request_size(bytes, &total);
    if (!e && bytes.len != total)
        e = bytes.len < total ? ERR_TRUNCATED : ERR_TRAILING_BYTES;
    if (!e)
        e = head_length(bytes, &prefix, &head);
    if (!e && bytes.p[prefix + head] != ',')
        e = ERR_MSG_MALFORMED;
    if (e)
        return e;
    struct rd r = rd_of(bytes.p + prefix, head);
    e = words_read(&r, source, &q);
    if (!e)
        e = request_check(&q);
    if (e)
        return e;
    q.body = span_of(bytes.p + prefix + head + 1, total - prefix - head - 1);
    *out = q;
    return ERR_OK;
}

/* ---- writing ---- */

static void pair_put(struct wr *w, const char *name, struct span value)
{
    wr_copy(w, name, strlen(name) + 1);
    wr_copy(w, value.p, value.len);
    wr_u8(w, 0);
}

static size_t digits_of(size_t n)
{
    size_t digits = 1;
    while (n /= 10)
        digits++;
    return digits;
}

enum err http_request_write(const struct http_request *r, struct wr *w)
{
    struct span words[HTTP_WORDS];
    if ((unsigned)r->method >= HTTP_METHODS)
        return ERR_HTTP_METHOD;
    memcpy(words, r->words, sizeof words);
    const char *method = http_method_name(r->method);
    words[HTTP_WORD_METHOD] = span_of(method, strlen(method));
    size_t head = sizeof LENGTH_NAME + digits_of(r->body.len) + 1 + sizeof "SCGI" + sizeof "1";
    if (words[HTTP_WORD_PATH].len == 0)
        return ERR_MSG_MALFORMED;
    for (unsigned i = 0; i < HTTP_WORD_DOOR; i++) {
        enum err e = words[i].len ? word_check((enum http_word)i, words[i]) : ERR_OK;
        if (e)
            return e;
        head += words[i].len ? strlen(http_words[i].scgi) + 1 + words[i].len + 1 : 0;
    }
    if (head > HTTP_HEAD_MAX || r->body.len > HTTP_BODY_MAX)
        return ERR_MSG_TOO_LONG;
    http_number_put(w, head);
    http_text_put(w, ":");
    wr_copy(w, LENGTH_NAME, sizeof LENGTH_NAME);
    http_number_put(w, r->body.len);
    wr_u8(w, 0);
    pair_put(w, "SCGI", span_of("1", 1));
    for (unsigned i = 0; i < HTTP_WORD_DOOR; i++)
        if (words[i].len)
            pair_put(w, http_words[i].scgi, words[i]);
    http_text_put(w, ",");
    wr_copy(w, r->body.p, r->body.len);
    return w->failed ? ERR_NO_SPACE : ERR_OK;
}
