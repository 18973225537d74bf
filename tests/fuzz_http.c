/* What the readers of lib/http take is written the same again, and cut at any byte it is not whole. */
#include <string.h>

#include "lib/http/http_problem.h"
#include "tests/fuzz_targets.h"

static uint8_t again[HTTP_MESSAGE_MAX];

static void check_size(struct span in, size_t total)
{
    size_t size = 0;
    MUST(http_request_size(in, &size) == ERR_OK && size == total);
}

void fuzz_http_request(const uint8_t *p, size_t len)
{
    struct http_request q, cut;
    struct span in = span_of(p, len);
    struct wr w = wr_of(again, sizeof again);
    bool is_door = http_request_read(in, HTTP_FROM_DOOR, &q) == ERR_OK;
    bool is_own = http_request_read(in, HTTP_FROM_COMPONENT, &cut) == ERR_OK;
    MUST(!is_own || is_door);
    if (!is_door)
        return;
    check_size(in, len);
    MUST(http_request_write(&q, &w) == ERR_OK);
    if (is_own)
        MUST(span_equal(in, span_of(again, w.len)));
    MUST(http_request_read(span_of(again, w.len), HTTP_FROM_COMPONENT, &cut) == ERR_OK);
    MUST(http_request_read(span_of(p, len - 1), HTTP_FROM_DOOR, &cut) == ERR_TRUNCATED);
    (void)http_type_of(q.words[HTTP_WORD_TYPE]);
}

void fuzz_http_response(const uint8_t *p, size_t len)
{
    struct http_response r, cut;
    enum err reason;
    struct wr w = wr_of(again, sizeof again);
    (void)http_message_name(span_of(p, len));
    if (http_response_read(span_of(p, len), &r) != ERR_OK)
        return;
    MUST(http_response_write(&r, &w) == ERR_OK && span_equal(span_of(p, len), span_of(again, w.len)));
    MUST(http_response_read(span_of(p, len - 1), &cut) != ERR_OK);
    (void)!http_problem_reason(&r, &reason);
}

static struct span text_of(const char *s)
{
    return span_of(s, strlen(s));
}

void fuzz_http_request_seeds(fuzz_emit *emit, void *arg)
{
    static const char certificate[] = "SSL_CLIENT_VERIFY\0NONE";
    for (unsigned m = 0; m < HTTP_METHODS; m++) {
        struct http_request q = {.method = (enum http_method)m, .body = text_of(m % 2 ? "" : "{\"a\":1}")};
        struct wr w = wr_of(again, sizeof again);
        q.words[HTTP_WORD_PATH] = text_of(m ? "/v1/keys/00ff" : "/");
        q.words[HTTP_WORD_TYPE] = text_of(m % 2 ? "" : "application/json");
        q.words[HTTP_WORD_QUERY] = text_of(m == 2 ? "a=%2F&b" : "");
        q.words[HTTP_WORD_AUTHORIZATION] = text_of(m > 2 ? "Bearer abc" : "");
        if (http_request_write(&q, &w) == ERR_OK)
            emit(arg, again, w.len);
    }
    /* the door's own word behind the others */
    static const char head[] = "CONTENT_LENGTH\0"
                               "0\0SCGI\0"
                               "1\0REQUEST_METHOD\0GET\0DOCUMENT_URI\0/";
    struct wr w = wr_of(again, sizeof again);
    char length[24];
    snprintf(length, sizeof length, "%zu:", sizeof head + sizeof certificate);
    wr_copy(&w, length, strlen(length));
    wr_copy(&w, head, sizeof head);
    wr_copy(&w, certificate, sizeof certificate);
    wr_copy(&w, ",", 1);
    emit(arg, again, w.len);
}

void fuzz_http_response_seeds(fuzz_emit *emit, void *arg)
{
    static const unsigned statuses[] = {200, 204, 303, 404, 504};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct http_response r = {.status = statuses[i], .body = text_of(statuses[i] == 200 ? "hello" : "")};
        struct wr w = wr_of(again, sizeof again);
        r.lines[HTTP_LINE_TYPE] = text_of(r.body.len ? "text/plain" : "");
        r.lines[HTTP_LINE_LOCATION] = text_of(statuses[i] == 303 ? "/keys" : "");
        if (http_response_write(&r, &w) == ERR_OK)
            emit(arg, again, w.len);
    }
    size_t len = http_problem_write(413, ERR_MSG_TOO_LONG, "more than 2048 bytes", again);
    emit(arg, again, len);
}
