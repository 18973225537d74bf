#include "lib/http/http_problem.h"

#include <stdio.h>
#include <string.h>

#include "lib/http/http_internal.h"

const struct http_door_problem http_door_problems[] = {
    {400, ERR_MSG_MALFORMED},      {403, ERR_LINK_NOT_ADMITTED},
    {404, ERR_NOT_FOUND},          {405, ERR_HTTP_METHOD},
    {408, ERR_LINK_GREETING_LATE}, {413, ERR_MSG_TOO_LONG},
    {414, ERR_MSG_TOO_LONG},       {421, ERR_HTTP_HOST},
    {429, ERR_HTTP_RATE},          {500, ERR_INTERNAL},
    {501, ERR_MSG_MALFORMED},      {502, ERR_HTTP_GONE},
    {503, ERR_LINK_CROWDED},       {504, ERR_MSG_NO_ANSWER},
    {505, ERR_MSG_VERSION},        {0, ERR_OK}};

size_t http_problem_text(unsigned status, enum err reason, const char *detail, char out[HTTP_PROBLEM_MAX])
{
    char cut[HTTP_DETAIL_MAX + 1], json[TEXT_JSON_MAX(HTTP_DETAIL_MAX)];
    text_copy(cut, sizeof cut, detail ? detail : "");
    text_json(cut, json, sizeof json);
    return (size_t)snprintf(out, HTTP_PROBLEM_MAX,
                            "{\"type\":\"urn:spaaksim:reason:%s\",\"title\":\"%s\",\"status\":%u,"
                            "\"reason\":\"%s\"%s%s%s}",
                            err_name(reason), err_text(reason), status, err_name(reason),
                            *json ? ",\"detail\":\"" : "", json, *json ? "\"" : "");
}

/* r has its status, and lines of its own. */
static size_t write_problem(struct http_response r, enum err reason, const char *detail,
                            uint8_t out[HTTP_PROBLEM_MAX])
{
    char text[HTTP_PROBLEM_MAX];
    const char *type = http_type_name(HTTP_TYPE_PROBLEM);
    struct wr w = wr_of(out, HTTP_PROBLEM_MAX);
    r.body = span_of(text, http_problem_text(r.status, reason, detail, text));
    r.lines[HTTP_LINE_TYPE] = span_of(type, strlen(type));
    return http_response_write(&r, &w) ? 0 : w.len;
}

size_t http_problem_write(unsigned status, enum err reason, const char *detail, uint8_t out[HTTP_PROBLEM_MAX])
{
    struct http_response r = {.status = status};
    return write_problem(r, reason, detail, out);
}

enum err http_problem_reason(const struct http_response *r, enum err *out)
{
    static const char key[] = "\"reason\":\"";
    char name[64];
    if (http_type_of(r->lines[HTTP_LINE_TYPE]) != HTTP_TYPE_PROBLEM || r->body.len == 0)
        return ERR_NOT_FOUND;
    const uint8_t *at = memmem(r->body.p, r->body.len, key, sizeof key - 1);
    if (!at)
        return ERR_NOT_FOUND;
    struct rd rest = rd_of(at, (size_t)(r->body.p + r->body.len - at));
    rd_span(&rest, sizeof key - 1);
    const uint8_t *end = rest.left ? memchr(rest.p, '"', rest.left) : NULL;
    if (!end || (size_t)(end - rest.p) >= sizeof name)
        return ERR_NOT_FOUND;
    snprintf(name, sizeof name, "%.*s", (int)(end - rest.p), (const char *)rest.p);
    if (!err_name_known(name))
        return ERR_NOT_FOUND;
    *out = err_from_name(name);
    return ERR_OK;
}

void http_door_lines(unsigned status, struct http_response *out)
{
    static const struct {
        unsigned status; /* 0: all */
        enum http_line line;
        const char *text;
    } rows[] = {
        {0, HTTP_LINE_CACHE_CONTROL, "no-store"},
        {0, HTTP_LINE_TYPE_OPTIONS, "nosniff"},
        {0, HTTP_LINE_CONTENT_SECURITY, "default-src 'none'; frame-ancestors 'none'"},
        {0, HTTP_LINE_REFERRER, "no-referrer"},
        {0, HTTP_LINE_TRANSPORT_SECURITY, "max-age=31536000"},
        {405, HTTP_LINE_ALLOW, "GET, POST, PUT, PATCH, DELETE"},
        {429, HTTP_LINE_RETRY_AFTER, "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!rows[i].status || rows[i].status == status)
            out->lines[rows[i].line] = span_of(rows[i].text, strlen(rows[i].text));
}

/* By the first row of that reason; what has none, and all that a reader says, is a bad request. */
unsigned http_door_status(enum err reason)
{
    for (const struct http_door_problem *p = http_door_problems; p->status; p++)
        if (p->reason == reason)
            return p->status;
    return 400;
}

size_t http_door_write(enum err reason, uint8_t out[HTTP_PROBLEM_MAX])
{
    struct http_response r = {.status = http_door_status(reason)};
    http_door_lines(r.status, &r);
    return write_problem(r, r.status == 400 ? ERR_MSG_MALFORMED : reason, NULL, out);
}
