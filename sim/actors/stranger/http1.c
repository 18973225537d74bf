#include <string.h>

#include "sim/actors/stranger/attacks.h"

#define HOST    "Host: app.tbe.example\r\n"
#define BAD     "GET /bad HTTP/1.1\r\n" HOST
#define POST    "POST /bad HTTP/1.1\r\n" HOST
#define NEXT    "GET /smuggled HTTP/1.1\r\n" HOST "\r\n"
#define SEVENTY SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN
#define SEVEN   "\1\1\1\1\1\1\1"
#define LET     "GET /let-in HTTP/1.1\r\n" HOST

const struct attack attacks_http1[] = {
    /* paths */
    {"above-the-root", .text = "GET /../../bad HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"above-the-root-encoded", .text = "GET /%2e%2e/%2e%2e%2fbad HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"backslashes", .text = "GET /..\\..\\bad HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"encoded-twice", .text = "GET /%252e%252e/bad HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"around-within", .text = "GET /x/..//let-in HTTP/1.1\r\n" HOST "\r\n", .answer = "404"},
    {"nul-in-path", .text = "GET /bad%00 HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"nul-raw", .text = "GET /bad\2 HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"overlong-utf8", .text = "GET /%c0%ae%c0%ae/bad HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    /* smuggling */
    {"two-lengths", .text = POST "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" NEXT, .answer = "400"},
    {"two-equal-lengths", .text = POST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" NEXT,
     .answer = "400"},
    {"lengths-in-a-list", .text = POST "Content-Length: 0, 60\r\n\r\n" NEXT, .answer = "400"},
    {"signed-length", .text = POST "Content-Length: +0\r\n\r\n" NEXT, .answer = "400"},
    {"length-too-large", .text = POST "Content-Length: 99999999999999999999\r\n\r\n" NEXT, .answer = "400"},
    {"length-and-chunks",
     .text = POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT, .answer = "400"},
    {"chunks-and-length",
     .text = POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" NEXT, .answer = "400"},
    {"encoding-gzip", .text = POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT, .answer = "501"},
    {"encoding-x", .text = POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT, .answer = "501"},
    {"encoding-blank", .text = POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT, .answer = "400"},
    {"encoding-tab",
     .text = POST "Transfer-Encoding:\x0b"
                  "chunked\r\n\r\n0\r\n\r\n" NEXT,
     .answer = "501"},
    {"encoding-twice",
     .text = POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" NEXT,
     .answer = "400"},
    {"encoding-of-1.0",
     .text = "POST /bad HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
     .answer = "400"},
    {"chunk-overflow", .text = POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n" NEXT,
     .answer = "400"},
    {"chunk-no-number", .text = POST "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n" NEXT, .answer = "400"},
    {"folded-line", .text = BAD "A: b\r\n Transfer-Encoding: chunked\r\n\r\n", .answer = "400"},
    {"blank-in-name", .text = BAD "A b: c\r\n\r\n", .answer = "400"},
    {"nul-in-header", .text = BAD "A: b\2c\r\n\r\n", .answer = "400"},
    {"return-in-header", .text = BAD "A: b\rTransfer-Encoding: chunked\r\n\r\n", .answer = "400"},
    {"bare-line-feeds", .text = "GET /let-in HTTP/1.1\nHost: app.tbe.example\n\n", .answer = "404"},
    {"words-of-the-door", .text = LET "SSL_CLIENT_VERIFY: SUCCESS\r\nSSL-Client-Verify: SUCCESS\r\n\r\n",
     .answer = "404"},
    {"upgrade-to-h2c",
     .text = LET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
     .answer = "404"},
    /* methods and versions */
    {"unknown-method", .text = "FOO /bad HTTP/1.1\r\n" HOST "\r\n", .answer = "405"},
    {"lower-case-method", .text = "get /bad HTTP/1.1\r\n" HOST "\r\n", .answer = "400"},
    {"trace", .text = "TRACE /bad HTTP/1.1\r\n" HOST "\r\n", .answer = "405"},
    {"connect", .text = "CONNECT app.tbe.example:443 HTTP/1.1\r\n" HOST "\r\n", .answer = "400|405"},
    {"options", .text = "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", .answer = "400|405"},
    {"version-0.9", .text = "GET /bad\r\n", .answer = "no head"},
    {"version-3", .text = "GET /bad HTTP/3.0\r\n" HOST "\r\n", .answer = "505"},
    {"no-http", .text = "\x16\x03\x01 nonsense\r\n\r\n", .answer = "400"},
    /* sizes */
    {"long-uri", .text = "GET /bad\1\1\1\1\1\1\1\1\1 HTTP/1.1\r\n" HOST "\r\n", .answer = "414"},
    {"long-path", .text = "GET /bad\1 HTTP/1.1\r\n" HOST "\r\n", .answer = "400|413"},
    {"long-header", .text = BAD "A: \1\1\1\1\1\1\1\1\1\r\n\r\n", .answer = "400"},
    {"many-long-headers",
     .text = BAD "A: \1\1\1\1\1\1\1\r\nB: \1\1\1\1\1\1\1\r\nC: \1\1\1\1\1\1\1\r\nD: \1\1\1\1\1\1\1\r\n"
                 "E: \1\1\1\1\1\1\1\r\n\r\n",
     .answer = "400"},
    {"long-token", .text = BAD "Authorization: Bearer \1\1\1\r\n\r\n", .answer = "400|413"},
    {"long-body", .text = POST "Content-Length: 70000\r\n\r\n", .answer = "413"},
    {"long-body-in-chunks",
     .text = POST "Transfer-Encoding: chunked\r\n\r\n11170\r\n" SEVENTY "\r\n0\r\n\r\n", .answer = "413"},
    /* time */
    {"slow-header", .text = "GET /bad HTTP/1.1\r\n", .drip = "Host: app.tbe.example", .answer = "closed"},
    {"no-header-at-all", .text = "", .answer = "closed"},
    {"slow-body", .text = POST "Content-Length: 9\r\n\r\nx", .answer = "closed"},
    /* names and certificates */
    {"another-name-in-tls", .host = "app.vos.example", .text = BAD "\r\n", .answer = "refused"},
    {"no-name-in-tls", .host = "-", .text = BAD "\r\n", .answer = "refused"},
    {"another-host", .text = "GET /bad HTTP/1.1\r\nHost: app.vos.example\r\n\r\n", .answer = "421"},
    {"the-operators-host", .text = "GET /bad HTTP/1.1\r\nHost: operator.tbe.example\r\n\r\n",
     .answer = "421"},
    {"absolute-uri", .text = "GET https://operator.tbe.example/bad HTTP/1.1\r\n" HOST "\r\n",
     .answer = "421"},
    {"no-host", .text = "GET /bad HTTP/1.1\r\n\r\n", .answer = "400"},
    {"two-hosts", .text = BAD HOST "\r\n", .answer = "400"},
    {"foreign-certificate", .as = "foreign", .text = BAD "\r\n", .answer = "403"},
    {"expired-certificate", .as = "expired", .text = BAD "\r\n", .answer = "403"},
    {"a-server-s-certificate", .as = "server", .text = BAD "\r\n", .answer = "403"},
    {"no-caller-s-certificate", .as = "neighbour", .text = BAD "\r\n", .answer = "403"},
    {.name = NULL},
};
