/* HTTP without I/O: requests and responses as bytes, read and written.
 *
 * A request has the form of SCGI (a netstring of names and values, then the body), a response that of CGI
 * ("Status: 200", lines, an empty line, the body). Both are canonical: names come from the tables below, each
 * at most once and in the order of its table, no value is empty, lengths have no leading zeros, nothing
 * follows the body. So there is one way to write a message, and what was read is written the same. What is
 * not in the tables does not exist here: the door (lib/media/http) hands on no other header.
 *
 * A path is absolute, in unreserved characters (RFC 3986, 2.3) and "/", without empty, "." and ".." segments:
 * decoded and raw it is the same. Values are printable ASCII, without blanks at either end: no line can be
 * smuggled into a header. Spans that a reader gives point into what it read. */
#ifndef lib_http_http_h
#define lib_http_http_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define HTTP_HEAD_MAX    12288 /* bytes of all names and values of a request, or lines of a response */
#define HTTP_BODY_MAX    65536
#define HTTP_MESSAGE_MAX (HTTP_HEAD_MAX + HTTP_BODY_MAX + 8) /* with the netstring's own characters */
#define HTTP_NAME_MAX    64                                  /* http_message_name, with its end */

/* ---- words ---- */

#define HTTP_METHOD_LIST(X) X(GET) X(POST) X(PUT) X(PATCH) X(DELETE)

enum http_method {
#define X(name) HTTP_##name,
    HTTP_METHOD_LIST(X)
#undef X
        HTTP_METHODS
};

const char *http_method_name(enum http_method m);
bool http_method_find(struct span name, enum http_method *out);

/* What a request says beside its length: name in SCGI, name as a header ("" for what is none), longest
 * value. The last two are the door's own and never part of what a component sees or sends. */
#define HTTP_WORD_LIST(X)                                              \
    X(METHOD, "REQUEST_METHOD", "", 8)                                 \
    X(PATH, "DOCUMENT_URI", "", 256)                                   \
    X(QUERY, "QUERY_STRING", "", 1024)                                 \
    X(TYPE, "CONTENT_TYPE", "Content-Type", 128)                       \
    X(ACCEPT, "HTTP_ACCEPT", "Accept", 256)                            \
    X(ACCEPT_LANGUAGE, "HTTP_ACCEPT_LANGUAGE", "Accept-Language", 128) \
    X(AUTHORIZATION, "HTTP_AUTHORIZATION", "Authorization", 2048)      \
    X(COOKIE, "HTTP_COOKIE", "Cookie", 1024)                           \
    X(IDEMPOTENCY_KEY, "HTTP_IDEMPOTENCY_KEY", "Idempotency-Key", 64)  \
    X(IF_MATCH, "HTTP_IF_MATCH", "If-Match", 80)                       \
    X(IF_NONE_MATCH, "HTTP_IF_NONE_MATCH", "If-None-Match", 80)        \
    X(ORIGIN, "HTTP_ORIGIN", "Origin", 256)                            \
    X(FETCH_SITE, "HTTP_SEC_FETCH_SITE", "Sec-Fetch-Site", 16)         \
    X(VERIFY, "SSL_CLIENT_VERIFY", "", 200)                            \
    X(CERTIFICATE, "SSL_CLIENT_CERT", "", 4096)

enum http_word {
#define X(id, scgi, header, max) HTTP_WORD_##id,
    HTTP_WORD_LIST(X)
#undef X
        HTTP_WORDS,
    HTTP_WORD_DOOR = HTTP_WORD_VERIFY /* the first of the door's own */
};

struct http_word_spec {
    const char *scgi, *header;
    size_t max; /* longest value, bytes */
};
extern const struct http_word_spec http_words[HTTP_WORDS];

/* The same of a response, beside its status and length. */
#define HTTP_LINE_LIST(X)                                  \
    X(TYPE, "Content-Type", 128)                           \
    X(LOCATION, "Location", 1024)                          \
    X(ETAG, "ETag", 80)                                    \
    X(SET_COOKIE, "Set-Cookie", 1024)                      \
    X(RETRY_AFTER, "Retry-After", 16)                      \
    X(WWW_AUTHENTICATE, "WWW-Authenticate", 256)           \
    X(ALLOW, "Allow", 64)                                  \
    X(CACHE_CONTROL, "Cache-Control", 128)                 \
    X(CONTENT_SECURITY, "Content-Security-Policy", 512)    \
    X(TYPE_OPTIONS, "X-Content-Type-Options", 16)          \
    X(REFERRER, "Referrer-Policy", 64)                     \
    X(TRANSPORT_SECURITY, "Strict-Transport-Security", 80) \
    X(OPENER, "Cross-Origin-Opener-Policy", 32)            \
    X(PERMISSIONS, "Permissions-Policy", 512)

enum http_line {
#define X(id, header, max) HTTP_LINE_##id,
    HTTP_LINE_LIST(X)
#undef X
        HTTP_LINES
};

struct http_line_spec {
    const char *header;
    size_t max;
};
extern const struct http_line_spec http_lines[HTTP_LINES];

/* Content types that are used here. */
#define HTTP_TYPE_LIST(X)                        \
    X(JSON, "application/json")                  \
    X(PROBLEM, "application/problem+json")       \
    X(HTML, "text/html; charset=utf-8")          \
    X(TEXT, "text/plain; charset=utf-8")         \
    X(FORM, "application/x-www-form-urlencoded") \
    X(OCTETS, "application/octet-stream")

enum http_type {
#define X(id, text) HTTP_TYPE_##id,
    HTTP_TYPE_LIST(X)
#undef X
        HTTP_TYPES /* none of them */
};

const char *http_type_name(enum http_type t);
/* By type and subtype in either case; parameters are looked over. HTTP_TYPES for another. */
enum http_type http_type_of(struct span value);

/* ---- messages ---- */

struct http_request {
    enum http_method method;
    struct span words[HTTP_WORDS]; /* empty: not there. METHOD is the writer's, from `method` */
    struct span body;
};

struct http_response {
    unsigned status;               /* 200 to 599 */
    struct span lines[HTTP_LINES]; /* empty: not there */
    struct span body;              /* with a TYPE; none with 204 and 304 */
};

/* Whose word it is: a component's, or the door's, who may add its own. */
enum http_source { HTTP_FROM_COMPONENT, HTTP_FROM_DOOR };

/* How long the request is of which these are the first bytes. ERR_TRUNCATED: that is not known yet;
 * ERR_MSG_MALFORMED, ERR_MSG_TOO_LONG: it is none. Nothing but the length has been checked. */
enum err http_request_size(struct span bytes, size_t *total);
/* A whole one. ERR_TRUNCATED, ERR_TRAILING_BYTES, ERR_MSG_TOO_LONG, ERR_HTTP_METHOD, ERR_MSG_MALFORMED. */
enum err http_request_read(struct span bytes, enum http_source source, struct http_request *out);
/* The words of a component only. The errors of the reader; ERR_NO_SPACE: w is too small. */
enum err http_request_write(const struct http_request *r, struct wr *w);

/* The errors are those of requests. */
enum err http_response_read(struct span bytes, struct http_response *out);
enum err http_response_write(const struct http_response *r, struct wr *w);

/* "POST /v1/keys" of a request, "404" of a response, "?" of what is neither: a port's name_of. Cut to fit;
 * good until the thread's next call. */
const char *http_message_name(struct span bytes);
/* Could that be the name of a message? */
bool http_message_name_ok(const char *name);

#endif
