/* Responses in the form of CGI (RFC 3875, 6): "Status: 200", lines, an empty line, body. */
#include <string.h>

#include "lib/http/http_internal.h"

#define STATUS_MIN 200
#define STATUS_MAX 599

static bool has_no_body(unsigned status)
{
    return status == 204 || status == 304;
}

static enum err response_check(const struct http_response *r)
{
    if (r->status < STATUS_MIN || r->status > STATUS_MAX || (has_no_body(r->status) && r->body.len) ||
        (r->body.len && !r->lines[HTTP_LINE_TYPE].len))
        return ERR_MSG_MALFORMED;
    return r->body.len > HTTP_BODY_MAX ? ERR_MSG_TOO_LONG : ERR_OK;
}

/* ---- reading ---- */

/* A line without its CRLF; NULL when none ends here. */
static struct span line_next(struct rd *r)
{
    const uint8_t *end = r->left ? memmem(r->p, r->left, "\r\n", 2) : NULL;
    struct span line = rd_span(r, end ? (size_t)(end - r->p) : r->left + 1);
    rd_span(r, 2);
    return line;
}

/* The value of "<name>: <value>". */
static bool value_of(struct span line, const char *name, struct span *value)
{
    size_t len = strlen(name);
    if (line.len < len + 2 || memcmp(line.p, name, len) != 0 || memcmp(line.p + len, ": ", 2) != 0)
        return false;
    *value = span_of(line.p + len + 2, line.len - len - 2);
    return true;
}

static enum err first_lines(struct rd *r, struct http_response *out, size_t *body)
{
    struct span value;
    size_t status;
    if (!value_of(line_next(r), "Status", &value) || http_number_read(value, STATUS_MAX, &status))
        return ERR_MSG_MALFORMED;
    out->status = (unsigned)status;
    return value_of(line_next(r), "Content-Length", &value) ? http_number_read(value, HTTP_BODY_MAX, body)
                                                            : ERR_MSG_MALFORMED;
}

static enum err other_lines(struct rd *r, struct http_response *out)
{
    struct span line, value;
    unsigned next = 0;
    for (line = line_next(r); !r->failed && line.len; line = line_next(r)) {
        while (next < HTTP_LINES && !value_of(line, http_lines[next].header, &value))
            next++;
        if (next == HTTP_LINES)
            return ERR_MSG_MALFORMED;
        enum err e = http_value_check(value, http_lines[next].max);
        if (e)
            return e;
        out->lines[next++] = value;
    }
    return r->failed ? ERR_TRUNCATED : ERR_OK;
}

enum err http_response_read(struct span bytes, struct http_response *out)
{
    struct http_response q = {0};
    struct rd r = rd_of(bytes.p, bytes.len);
    size_t body = 0;
    enum err e = first_lines(&r, &q, &body);
    if (!e)
        e = other_lines(&r, &q);
    if (!e && bytes.len - r.left > HTTP_HEAD_MAX)
        e = ERR_MSG_TOO_LONG;
    if (!e && r.left != body)
        e = r.left < body ? ERR_TRUNCATED : ERR_TRAILING_BYTES;
    if (e)
        return e;
    q.body = rd_span(&r, body);
    e = response_check(&q);
    if (!e)
        *out = q;
    return e;
}

/* ---- writing ---- */

static void line_put(struct wr *w, const char *name, struct span value)
{
    http_text_put(w, name);
    http_text_put(w, ": ");
    wr_copy(w, value.p, value.len);
    http_text_put(w, "\r\n");
}

enum err http_response_write(const struct http_response *r, struct wr *w)
{
    size_t begin = w->len;
    enum err e = response_check(r);
    for (unsigned i = 0; !e && i < HTTP_LINES; i++)
        e = r->lines[i].len ? http_value_check(r->lines[i], http_lines[i].max) : ERR_OK;
    if (e)
        return e;
    http_text_put(w, "Status: ");
    http_number_put(w, r->status);
    http_text_put(w, "\r\nContent-Length: ");
    http_number_put(w, r->body.len);
    http_text_put(w, "\r\n");
    for (unsigned i = 0; i < HTTP_LINES; i++)
        if (r->lines[i].len)
            line_put(w, http_lines[i].header, r->lines[i]);
    http_text_put(w, "\r\n");
    if (w->len - begin > HTTP_HEAD_MAX)
        return ERR_MSG_TOO_LONG;
    wr_copy(w, r->body.p, r->body.len);
    return w->failed ? ERR_NO_SPACE : ERR_OK;
}
