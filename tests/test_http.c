/* Requests, responses and problem documents as bytes. In tables "|" stands for NUL. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "tests/check.h"

static uint8_t buffer[HTTP_MESSAGE_MAX + 100];

static struct span text_of(const char *s)
{
    return span_of(s, strlen(s));
}

/* A copy of its own size, so that a sanitizer sees a byte too far. */
struct exact {
    uint8_t *p;
    size_t len;
};

static struct exact exact_of(const char *text, size_t len)
{
    struct exact x = {malloc(len ? len : 1), len};
    for (size_t i = 0; i < len; i++)
        x.p[i] = text[i] == '|' ? 0 : (uint8_t)text[i];
    return x;
}

#define FIRST "CONTENT_LENGTH|0|SCGI|1|"
#define GET   FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a|"

/* ---- requests ---- */

/* Name, what stands in the netstring, what comes after its comma, what a reader of the door's words says, and
 * one of a component's. Lengths are put before. */
static const struct {
    const char *name, *head, *body;
    enum err door, own;
} requests[] = {
    {"the shortest", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/|", "", ERR_OK, ERR_OK},
    {"with a body", "CONTENT_LENGTH|5|SCGI|1|REQUEST_METHOD|POST|DOCUMENT_URI|/a/b|CONTENT_TYPE|text/plain|",
     "hello", ERR_OK, ERR_OK},
    {"a body of NULs and commas", "CONTENT_LENGTH|3|SCGI|1|REQUEST_METHOD|PUT|DOCUMENT_URI|/a|", "|,|",
     ERR_OK, ERR_OK},
    {"a query", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a/|QUERY_STRING|x=%2f&y|", "", ERR_OK, ERR_OK},
    {"the door's own words", GET "SSL_CLIENT_VERIFY|SUCCESS|SSL_CLIENT_CERT|x|", "", ERR_OK,
     ERR_MSG_MALFORMED},
    {"no length", "SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"the length is not first", "SCGI|1|" GET, "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"an empty length", "CONTENT_LENGTH||SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"a signed length", "CONTENT_LENGTH|+0|SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"a negative length", "CONTENT_LENGTH|-1|SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "",
     ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a leading zero", "CONTENT_LENGTH|00|SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"a length that wraps", "CONTENT_LENGTH|18446744073709551616|SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|",
     "", ERR_MSG_TOO_LONG, ERR_MSG_TOO_LONG},
    {"a length without end",
     "CONTENT_LENGTH|0000000000000000000000000000000000000000000000000000000000000000", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"one more than a body may have", "CONTENT_LENGTH|65537|SCGI|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "",
     ERR_MSG_TOO_LONG, ERR_MSG_TOO_LONG},
    {"a longer body", GET, "x", ERR_TRAILING_BYTES, ERR_TRAILING_BYTES},
    {"a shorter body", "CONTENT_LENGTH|2|SCGI|1|REQUEST_METHOD|POST|DOCUMENT_URI|/a|", "x", ERR_TRUNCATED,
     ERR_TRUNCATED},
    {"not SCGI", "CONTENT_LENGTH|0|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"SCGI 2", "CONTENT_LENGTH|0|SCGI|2|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"the length twice", FIRST "CONTENT_LENGTH|1|REQUEST_METHOD|GET|DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"a word twice", GET "HTTP_COOKIE|a|HTTP_COOKIE|b|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"words in another order", FIRST "DOCUMENT_URI|/a|REQUEST_METHOD|GET|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"an unknown word", GET "HTTP_X|1|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"an empty name", GET "|1|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"an empty value", GET "HTTP_COOKIE||", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a name without a value", GET "HTTP_COOKIE|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a value without an end", GET "HTTP_COOKIE|a", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a line break in a value", GET "HTTP_COOKIE|a\r\nX: y|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a line feed in a value", GET "HTTP_COOKIE|a\nX: y|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a value that is no ASCII", GET "HTTP_COOKIE|\xC3\xA4|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a blank before a value", GET "HTTP_COOKIE| a|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a method that nobody knows", FIRST "REQUEST_METHOD|FOO|DOCUMENT_URI|/a|", "", ERR_HTTP_METHOD,
     ERR_HTTP_METHOD},
    {"a method in small letters", FIRST "REQUEST_METHOD|get|DOCUMENT_URI|/a|", "", ERR_HTTP_METHOD,
     ERR_HTTP_METHOD},
    {"no method", FIRST "DOCUMENT_URI|/a|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"no path", FIRST "REQUEST_METHOD|GET|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a path that does not begin at the root", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|a|", "",
     ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a way up", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a/../b|", "", ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a way up at the end", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a/..|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"a segment of one dot", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/./a|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"three dots are a name", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/...|", "", ERR_OK, ERR_OK},
    {"an empty segment", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a//b|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"an escape in a path", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/%61|", "", ERR_MSG_MALFORMED,
     ERR_MSG_MALFORMED},
    {"half an escape in a query", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a|QUERY_STRING|a=%4|", "",
     ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
    {"a blank in a query", FIRST "REQUEST_METHOD|GET|DOCUMENT_URI|/a|QUERY_STRING|a b|", "",
     ERR_MSG_MALFORMED, ERR_MSG_MALFORMED},
};

static size_t netstring(const char *head, const char *body, char out[1000])
{
    return (size_t)snprintf(out, 1000, "%zu:%s,%s", strlen(head), head, body);
}

Test(http, requests_by_their_bytes)
{
    char text[1000];
    struct http_request q;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct exact x = exact_of(text, netstring(requests[i].head, requests[i].body, text));
        enum err door = http_request_read(span_of(x.p, x.len), HTTP_FROM_DOOR, &q);
        enum err own = http_request_read(span_of(x.p, x.len), HTTP_FROM_COMPONENT, &q);
        cr_expect(eq(str, (char *)err_name(door), (char *)err_name(requests[i].door)), "%s",
                  requests[i].name);
        cr_expect(eq(str, (char *)err_name(own), (char *)err_name(requests[i].own)), "%s", requests[i].name);
        free(x.p);
    }
}

/* The netstring around a head that is sound. */
Test(http, netstrings_by_their_bytes)
{
    static const struct {
        const char *name, *text;
        enum err e;
    } rows[] = {
        {"sound", "59:" GET ",", ERR_OK},
        {"nothing", "", ERR_TRUNCATED},
        {"a colon", ":" GET ",", ERR_MSG_MALFORMED},
        {"a leading zero", "059:" GET ",", ERR_MSG_MALFORMED},
        {"one too few", "58:" GET ",", ERR_TRAILING_BYTES},
        {"one too many", "60:" GET ",", ERR_TRUNCATED},
        {"one too many, and there", "60:" GET ",,", ERR_MSG_MALFORMED},
        {"no comma", "59:" GET ";", ERR_MSG_MALFORMED},
        {"letters", "5x:" GET ",", ERR_MSG_MALFORMED},
        {"a sign", "+59:" GET ",", ERR_MSG_MALFORMED},
        {"a blank", " 59:" GET ",", ERR_MSG_MALFORMED},
        {"six digits", "100000:", ERR_MSG_MALFORMED},
        {"six digits so far", "100000", ERR_MSG_MALFORMED},
        {"longer than a head may be", "12289:" GET ",", ERR_MSG_TOO_LONG},
        {"an empty head", "0:,", ERR_MSG_MALFORMED},
        {"HTTP", "GET / HTTP/1.1\r\n\r\n", ERR_MSG_MALFORMED},
    };
    struct http_request q;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exact x = exact_of(rows[i].text, strlen(rows[i].text));
        enum err e = http_request_read(span_of(x.p, x.len), HTTP_FROM_DOOR, &q);
        cr_expect(eq(str, (char *)err_name(e), (char *)err_name(rows[i].e)), "%s", rows[i].name);
        free(x.p);
    }
}

static struct http_request full_request(void)
{
    struct http_request q = {.method = HTTP_PATCH, .body = text_of("{}")};
    q.words[HTTP_WORD_PATH] = text_of("/v1/keys/1");
    q.words[HTTP_WORD_QUERY] = text_of("dry=1");
    q.words[HTTP_WORD_TYPE] = text_of("application/json");
    q.words[HTTP_WORD_ACCEPT] = text_of("*/*");
    q.words[HTTP_WORD_AUTHORIZATION] = text_of("Bearer t");
    q.words[HTTP_WORD_IF_MATCH] = text_of("\"7\"");
    return q;
}

Test(http, a_request_cut_at_any_byte_is_not_whole)
{
    struct http_request q = full_request(), back;
    struct wr w = wr_of(buffer, sizeof buffer);
    size_t total = 0;
    ASSERT_OK(http_request_write(&q, &w));
    for (size_t len = 0; len < w.len; len++) {
        uint8_t *cut = malloc(len ? len : 1);
        memcpy(cut, buffer, len);
        EXPECT_ERR(http_request_read(span_of(cut, len), HTTP_FROM_DOOR, &back), ERR_TRUNCATED);
        enum err e = http_request_size(span_of(cut, len), &total);
        cr_expect(e == ERR_TRUNCATED || (e == ERR_OK && total == w.len), "%zu bytes", len);
        free(cut);
    }
    ASSERT_OK(http_request_read(span_of(buffer, w.len), HTTP_FROM_COMPONENT, &back));
    cr_expect(eq(int, back.method, HTTP_PATCH));
    for (unsigned i = HTTP_WORD_PATH; i < HTTP_WORDS; i++)
        cr_expect(span_equal(back.words[i], q.words[i]), "%s", http_words[i].scgi);
    cr_expect(span_is(back.body, "{}"));
}

/* The bytes that both worlds and nginx agree upon. */
Test(http, a_request_is_written_as_nginx_writes_it)
{
    static const char want[] =
        "117:CONTENT_LENGTH|2|SCGI|1|REQUEST_METHOD|POST|DOCUMENT_URI|/a|QUERY_STRING|b=c|"
        "CONTENT_TYPE|text/plain|HTTP_ACCEPT|*/*|,hi";
    struct http_request q = {.method = HTTP_POST, .body = text_of("hi")};
    struct wr w = wr_of(buffer, sizeof buffer);
    q.words[HTTP_WORD_PATH] = text_of("/a");
    q.words[HTTP_WORD_QUERY] = text_of("b=c");
    q.words[HTTP_WORD_TYPE] = text_of("text/plain");
    q.words[HTTP_WORD_ACCEPT] = text_of("*/*");
    ASSERT_OK(http_request_write(&q, &w));
    struct exact x = exact_of(want, sizeof want - 1);
    cr_expect(span_equal(span_of(buffer, w.len), span_of(x.p, x.len)), "%.*s", (int)w.len, buffer);
    free(x.p);
}

static char *filled(size_t len)
{
    char *text = malloc(len + 1);
    memset(text, 'a', len);
    text[len] = '\0';
    return text;
}

/* Each word has a longest value, and one more is too long: read and written. */
Test(http, the_longest_value_of_each_word)
{
    for (unsigned i = HTTP_WORD_PATH; i < HTTP_WORD_DOOR; i++)
        for (size_t more = 0; more < 2; more++) {
            struct http_request q = {.method = HTTP_GET}, back;
            char *value = filled(http_words[i].max + more);
            struct wr w = wr_of(buffer, sizeof buffer);
            value[0] = i == HTTP_WORD_PATH ? '/' : 'a';
            q.words[HTTP_WORD_PATH] = text_of("/");
            q.words[i] = text_of(value);
            enum err e = http_request_write(&q, &w);
            cr_expect(eq(int, e, more ? ERR_MSG_TOO_LONG : ERR_OK), "%s", http_words[i].scgi);
            if (!e)
                EXPECT_OK(http_request_read(span_of(buffer, w.len), HTTP_FROM_COMPONENT, &back), "%s",
                          http_words[i].scgi);
            free(value);
        }
}

Test(http, what_could_not_be_read_is_not_written)
{
    static const struct {
        const char *name;
        enum http_word word;
        const char *value;
        enum err e;
    } rows[] = {
        {"a line break", HTTP_WORD_COOKIE, "a\r\nHost: b", ERR_MSG_MALFORMED},
        {"a blank at the end", HTTP_WORD_COOKIE, "a ", ERR_MSG_MALFORMED},
        {"a path up", HTTP_WORD_PATH, "/../a", ERR_MSG_MALFORMED},
        {"a query in the path", HTTP_WORD_PATH, "/a?b", ERR_MSG_MALFORMED},
        {"a fragment in the query", HTTP_WORD_QUERY, "a#b", ERR_MSG_MALFORMED},
        {"no path", HTTP_WORD_PATH, "", ERR_MSG_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_request q = full_request();
        struct wr w = wr_of(buffer, sizeof buffer);
        q.words[rows[i].word] = text_of(rows[i].value);
        cr_expect(eq(int, http_request_write(&q, &w), rows[i].e), "%s", rows[i].name);
    }
    struct http_request q = full_request();
    struct wr small = wr_of(buffer, 60);
    EXPECT_ERR(http_request_write(&q, &small), ERR_NO_SPACE);
}

/* The longest request that there is. */
Test(http, the_longest_body)
{
    for (size_t more = 0; more < 2; more++) {
        char *body = filled(HTTP_BODY_MAX + more);
        struct http_request q = full_request(), back;
        struct wr w = wr_of(buffer, sizeof buffer);
        q.body = text_of(body);
        EXPECT_ERR(http_request_write(&q, &w), more ? ERR_MSG_TOO_LONG : ERR_OK);
        if (!more)
            EXPECT_OK(http_request_read(span_of(buffer, w.len), HTTP_FROM_COMPONENT, &back));
        free(body);
    }
}

/* ---- responses ---- */

#define OK_0 "Status: 200\r\nContent-Length: 0\r\n"

static const struct {
    const char *name, *bytes;
    enum err e;
} responses[] = {
    {"the shortest", OK_0 "\r\n", ERR_OK},
    {"with a body", "Status: 404\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nno", ERR_OK},
    {"a place to go to", "Status: 303\r\nContent-Length: 0\r\nLocation: /a\r\n\r\n", ERR_OK},
    {"no content", "Status: 204\r\nContent-Length: 0\r\n\r\n", ERR_OK},
    {"no content with content", "Status: 204\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\nx",
     ERR_MSG_MALFORMED},
    {"a body without a type", "Status: 200\r\nContent-Length: 1\r\n\r\nx", ERR_MSG_MALFORMED},
    {"nothing", "", ERR_MSG_MALFORMED},
    {"no status", "Content-Length: 0\r\n\r\n", ERR_MSG_MALFORMED},
    {"no length", "Status: 200\r\n\r\n", ERR_MSG_MALFORMED},
    {"a phrase", "Status: 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_MSG_MALFORMED},
    {"a status line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_MSG_MALFORMED},
    {"status 199", "Status: 199\r\nContent-Length: 0\r\n\r\n", ERR_MSG_MALFORMED},
    {"status 600", "Status: 600\r\nContent-Length: 0\r\n\r\n", ERR_MSG_MALFORMED},
    {"a shorter body", "Status: 200\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nx",
     ERR_TRUNCATED},
    {"a longer body", OK_0 "\r\nx", ERR_TRAILING_BYTES},
    {"no empty line", OK_0, ERR_TRUNCATED},
    {"line feeds only", "Status: 200\nContent-Length: 0\n\n", ERR_MSG_MALFORMED},
    {"a line feed in a value", OK_0 "Location: /a\nX: y\r\n\r\n", ERR_MSG_MALFORMED},
    {"a line twice", OK_0 "ETag: \"1\"\r\nETag: \"2\"\r\n\r\n", ERR_MSG_MALFORMED},
    {"the length twice", OK_0 "Content-Length: 0\r\n\r\n", ERR_MSG_MALFORMED},
    {"lines in another order", OK_0 "ETag: \"1\"\r\nLocation: /a\r\n\r\n", ERR_MSG_MALFORMED},
    {"an unknown line", OK_0 "X-Powered-By: us\r\n\r\n", ERR_MSG_MALFORMED},
    {"a chunked body", OK_0 "Transfer-Encoding: chunked\r\n\r\n", ERR_MSG_MALFORMED},
    {"a line without a value", OK_0 "Location: \r\n\r\n", ERR_MSG_MALFORMED},
    {"a line without a colon", OK_0 "Location\r\n\r\n", ERR_MSG_MALFORMED},
    {"a body that is too long", "Status: 200\r\nContent-Length: 65537\r\n\r\n", ERR_MSG_MALFORMED},
};

Test(http, responses_by_their_bytes)
{
    for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
        struct exact x = exact_of(responses[i].bytes, strlen(responses[i].bytes));
        struct http_response r;
        struct wr w = wr_of(buffer, sizeof buffer);
        enum err e = http_response_read(span_of(x.p, x.len), &r);
        bool as_wanted = e == responses[i].e || (responses[i].e && e == ERR_MSG_TOO_LONG);
        cr_expect(as_wanted, "%s: %s", responses[i].name, err_name(e));
        if (!e) {
            EXPECT_OK(http_response_write(&r, &w), "%s", responses[i].name);
            cr_expect(span_equal(span_of(buffer, w.len), span_of(x.p, x.len)), "%s", responses[i].name);
        }
        free(x.p);
    }
}

Test(http, a_response_cut_at_any_byte_is_not_whole)
{
    static const char whole[] =
        "Status: 200\r\nContent-Length: 5\r\nContent-Type: text/plain\r\nETag: \"1\"\r\n\r\nhello";
    struct http_response r;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct exact x = exact_of(whole, len);
        cr_expect(ne(int, http_response_read(span_of(x.p, x.len), &r), ERR_OK), "%zu bytes", len);
        free(x.p);
    }
    EXPECT_OK(http_response_read(text_of(whole), &r));
}

Test(http, no_line_of_a_response_can_carry_another)
{
    struct http_response r = {.status = 303};
    struct wr w = wr_of(buffer, sizeof buffer);
    r.lines[HTTP_LINE_LOCATION] = text_of("/a\r\nSet-Cookie: x=y");
    EXPECT_ERR(http_response_write(&r, &w), ERR_MSG_MALFORMED);
    cr_expect(eq(sz, w.len, 0), "nothing was written");
}

/* ---- problem documents, types, names ---- */

Test(http, a_problem_document)
{
    struct http_response r;
    enum err reason;
    size_t len = http_problem_write(413, ERR_MSG_TOO_LONG, "say \"less\"", buffer);
    ASSERT_OK(http_response_read(span_of(buffer, len), &r));
    cr_expect(eq(int, (int)r.status, 413));
    cr_expect(span_is(r.lines[HTTP_LINE_TYPE], "application/problem+json"));
    cr_expect(span_is(r.body,
                      "{\"type\":\"urn:spaaksim:reason:MSG_TOO_LONG\",\"title\":\"the message is longer "
                      "than its limit\",\"status\":413,\"reason\":\"MSG_TOO_LONG\",\"detail\":\"say "
                      "\\\"less\\\"\"}"),
              "%.*s", (int)r.body.len, r.body.p);
    ASSERT_OK(http_problem_reason(&r, &reason));
    EXPECT_ERR(reason, ERR_MSG_TOO_LONG);
}

Test(http, what_is_no_problem_document_has_no_reason)
{
    static const struct {
        const char *type, *body;
    } rows[] = {
        {"application/json", "{\"reason\":\"MSG_TOO_LONG\"}"},
        {"application/problem+json", "{\"reason\":\"NOBODY_KNOWS\"}"},
        {"application/problem+json", "{\"reason\":\"MSG_TOO_LONG"},
        {"application/problem+json", "{\"reason\":\""},
        {"application/problem+json", "{}"},
        {"application/problem+json",
         "{\"reason\":\"MSG_TOO_LONGMSG_TOO_LONGMSG_TOO_LONGMSG_TOO_LONGMSG_TOO_LONGMSG_TOO_LONG\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_response r = {.status = 400, .body = text_of(rows[i].body)};
        enum err reason;
        r.lines[HTTP_LINE_TYPE] = text_of(rows[i].type);
        EXPECT_ERR(http_problem_reason(&r, &reason), ERR_NOT_FOUND);
    }
}

/* Every status of the door is a response that can be read, once. */
Test(http, all_that_the_door_says)
{
    for (const struct http_door_problem *p = http_door_problems; p->status; p++) {
        struct http_response r;
        enum err reason;
        size_t len = http_problem_write(p->status, p->reason, NULL, buffer);
        ASSERT_OK(http_response_read(span_of(buffer, len), &r));
        ASSERT_OK(http_problem_reason(&r, &reason));
        cr_expect(eq(int, reason, p->reason), "%u", p->status);
        for (const struct http_door_problem *q = http_door_problems; q < p; q++)
            cr_expect(ne(int, (int)q->status, (int)p->status));
    }
    cr_expect(eq(int, (int)http_door_status(ERR_TRAILING_BYTES), 400));
    cr_expect(eq(int, (int)http_door_status(ERR_MSG_TOO_LONG), 413));
    cr_expect(eq(int, (int)http_door_status(ERR_MSG_NO_ANSWER), 504));
}

Test(http, types_by_their_text)
{
    static const struct {
        const char *text;
        enum http_type type;
    } rows[] = {{"application/json", HTTP_TYPE_JSON},
                {"Application/JSON; charset=utf-8", HTTP_TYPE_JSON},
                {"text/html", HTTP_TYPE_HTML},
                {"text/html;charset=iso-8859-1", HTTP_TYPE_HTML},
                {"application/jsonx", HTTP_TYPES},
                {"application/jso", HTTP_TYPES},
                {"", HTTP_TYPES},
                {"; a", HTTP_TYPES}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(eq(int, http_type_of(text_of(rows[i].text)), rows[i].type), "%s", rows[i].text);
}

Test(http, messages_have_names_for_faults)
{
    struct http_request q = full_request();
    struct wr w = wr_of(buffer, sizeof buffer);
    ASSERT_OK(http_request_write(&q, &w));
    cr_expect(eq(str, (char *)http_message_name(span_of(buffer, w.len)), "PATCH /v1/keys/1"));
    cr_expect(eq(str, (char *)http_message_name(text_of(OK_0 "\r\n")), "200"));
    cr_expect(eq(str, (char *)http_message_name(text_of("x")), "?"));
}

#define FITS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* with "GET /" 63 characters */

/* A scenario may name these, and nothing else of HTTP. */
Test(http, names_that_messages_can_have)
{
    static const struct {
        const char *name;
        bool ok;
    } rows[] = {{"GET /", true},      {"DELETE /a/b", true}, {"200", true},        {"599", true},
                {"GET", false},       {"GET a", false},      {"get /", false},     {"HEAD /", false},
                {"GET /../a", false}, {"GET /a?b", false},   {"199", false},       {"600", false},
                {"2000", false},      {"", false},           {"GET /" FITS, true}, {"GET /" FITS "a", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(eq(int, http_message_name_ok(rows[i].name), rows[i].ok), "%s", rows[i].name);
}
