#include <stdio.h>
#include <string.h>

#include "lib/http/http_internal.h"

const struct http_word_spec http_words[HTTP_WORDS] = {
#define X(id, scgi, header, max) [HTTP_WORD_##id] = {scgi, header, max},
    HTTP_WORD_LIST(X)
#undef X
};

const struct http_line_spec http_lines[HTTP_LINES] = {
#define X(id, header, max) [HTTP_LINE_##id] = {header, max},
    HTTP_LINE_LIST(X)
#undef X
};

static const char *const methods[HTTP_METHODS] = {
#define X(name) #name,
    HTTP_METHOD_LIST(X)
#undef X
};

static const char *const types[HTTP_TYPES] = {
#define X(id, text) [HTTP_TYPE_##id] = text,
    HTTP_TYPE_LIST(X)
#undef X
};

const char *http_method_name(enum http_method m)
{
    return methods[m];
}

bool http_method_find(struct span name, enum http_method *out)
{
    for (unsigned m = 0; m < HTTP_METHODS; m++)
        if (span_is(name, methods[m])) {
            *out = (enum http_method)m;
            return true;
        }
    return false;
}

const char *http_type_name(enum http_type t)
{
    return types[t];
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Length of "type/subtype", without what stands behind it. */
static size_t bare_length(struct span value)
{
    size_t n = 0;
    while (n < value.len && value.p[n] != ';' && value.p[n] != ' ')
        n++;
    return n;
}

enum http_type http_type_of(struct span value)
{
    size_t len = bare_length(value);
    for (unsigned t = 0; t < HTTP_TYPES; t++) {
        struct span known = span_of(types[t], strlen(types[t]));
        size_t same = 0;
        while (same < len && same < known.len && lower(value.p[same]) == known.p[same])
            same++;
        if (same == len && len == bare_length(known))
            return (enum http_type)t;
    }
    return HTTP_TYPES;
}

enum err http_value_check(struct span value, size_t max)
{
    if (value.len > max)
        return ERR_MSG_TOO_LONG;
    for (size_t i = 0; i < value.len; i++)
        if (value.p[i] < 0x20 || value.p[i] > 0x7E)
            return ERR_MSG_MALFORMED;
    if (value.len == 0 || value.p[0] == ' ' || value.p[value.len - 1] == ' ')
        return ERR_MSG_MALFORMED;
    return ERR_OK;
}

enum err http_number_read(struct span digits, size_t max, size_t *out)
{
    size_t n = 0;
    if (digits.len == 0 || (digits.len > 1 && digits.p[0] == '0'))
        return ERR_MSG_MALFORMED;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return ERR_MSG_MALFORMED;
        if (n > max)
            continue; /* too long already, and perhaps no number */
        n = n * 10 + (size_t)(digits.p[i] - '0');
    }
    *out = n;
    return n > max ? ERR_MSG_TOO_LONG : ERR_OK;
}

void http_text_put(struct wr *w, const char *text)
{
    wr_copy(w, text, strlen(text));
}

void http_number_put(struct wr *w, size_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", number);
    http_text_put(w, text);
}

const char *http_message_name(struct span bytes)
{
    static _Thread_local char name[HTTP_NAME_MAX];
    struct http_request q;
    struct http_response r;
    if (http_request_read(bytes, HTTP_FROM_COMPONENT, &q) == ERR_OK)
        snprintf(name, sizeof name, "%s %.*s", methods[q.method], (int)q.words[HTTP_WORD_PATH].len,
                 (const char *)q.words[HTTP_WORD_PATH].p);
    else if (http_response_read(bytes, &r) == ERR_OK)
        snprintf(name, sizeof name, "%u", r.status);
    else
        snprintf(name, sizeof name, "?");
    return name;
}

bool http_message_name_ok(const char *name)
{
    enum http_method m;
    size_t len = strlen(name), method = strcspn(name, " "), status;
    if (len >= HTTP_NAME_MAX)
        return false;
    if (len == 3 && http_number_read(span_of(name, len), 599, &status) == ERR_OK)
        return status >= 200;
    return method < len && http_method_find(span_of(name, method), &m) &&
           http_path_ok(span_of(name + method + 1, len - method - 1));
}
