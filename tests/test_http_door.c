/* nginx before a server, as strangers meet it: raw bytes over TLS, certificates of all kinds, and the sockets
 * behind it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/http/http_problem.h"
#include "lib/media/http/http.h"
#include "lib/media/http/http_tls.h"
#include "tests/check.h"
#include "tests/stage.h"

#define FAIR  "fair.server.example"
#define WEB   "web.server.example"
#define TURNS 6000 /* of a millisecond, at most */

TestSuite(door, .timeout = 120);

/* ---- a client that keeps to nothing ---- */

struct visit {
    const char *host;              /* SNI; NULL: none */
    const struct tls_identity *as; /* NULL: no certificate */
    int version;                   /* the highest of TLS; 0: any */
    bool stays;                    /* until it is told that it asks too often */
    char said[20000];
    size_t len;
    bool shaken; /* the handshake was done */
};

static SSL *make_ssl(const struct visit *v, SSL_CTX *ctx)
{
    char key[HTTP_PEM_MAX], certificate[HTTP_PEM_MAX];
    if (v->version)
        SSL_CTX_set_max_proto_version(ctx, v->version);
    SSL *ssl = SSL_new(ctx);
    if (v->host)
        SSL_set_tlsext_host_name(ssl, v->host);
    if (v->as && http_tls_key(v->as->scalar, key) &&
        http_tls_certificate(span_of(v->as->der, v->as->len), certificate)) {
        BIO *b = BIO_new_mem_buf(key, -1);
        EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
        BIO_free(b);
        cr_assert(eq(int, SSL_use_PrivateKey(ssl, k), 1));
        EVP_PKEY_free(k);
        cr_assert(eq(int, SSL_use_certificate_ASN1(ssl, v->as->der, (int)v->as->len), 1));
    }
    return ssl;
}

static int connect_door(const char *name)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", stage.directory, name);
    int fd = link_connect_unix(path, SOCK_STREAM);
    cr_assert(ge(int, fd, 0));
    return fd;
}

/* True: go on; false: it is over. */
static bool goes_on(SSL *ssl, int rc)
{
    int e = SSL_get_error(ssl, rc);
    return rc > 0 || e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

static bool handshake(struct visit *v, SSL *ssl)
{
    int rc = 0;
    for (int i = 0; i < TURNS && rc != 1; i++) {
        rc = SSL_connect(ssl);
        if (!goes_on(ssl, rc))
            return false;
        if (rc != 1)
            sd_event_run(stage.event, 1000);
    }
    v->shaken = rc == 1;
    return v->shaken;
}

/* A whole answer: by its Content-Length. */
static bool has_answer(struct visit *v)
{
    if (v->stays) {
        bool told = strstr(v->said, "HTTP_RATE") != NULL;
        if (!told && v->len > sizeof v->said / 2)
            v->len = 0; /* of earlier answers nothing is needed */
        return told;
    }
    const char *body = strstr(v->said, "\r\n\r\n"), *length = strcasestr(v->said, "\nContent-Length: ");
    return body && length && (size_t)(body + 4 - v->said) + strtoul(length + 17, NULL, 10) <= v->len;
}

/* Connects, sends all, and hears what comes until an answer is whole, or the connection ends, or the server
 * has heard what the test waits for. */
static void visit(struct visit *v, struct span bytes, const char *until_log)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = make_ssl(v, ctx);
    int fd = connect_door("https.sock");
    size_t sent = 0;
    v->len = 0;
    v->said[0] = '\0';
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_fd(ssl, fd);
    bool open = handshake(v, ssl);
    for (int i = 0; i < TURNS && open && !has_answer(v); i++) {
        int n = sent < bytes.len ? SSL_write(ssl, bytes.p + sent, (int)(bytes.len - sent)) : 0;
        sent += n > 0 ? (size_t)n : 0;
        n = SSL_read(ssl, v->said + v->len, (int)(sizeof v->said - 1 - v->len));
        open = goes_on(ssl, n);
        v->len += n > 0 ? (size_t)n : 0;
        v->said[v->len] = '\0';
        if (until_log && strncmp(stage_find("server")->log, until_log, strlen(until_log)) == 0)
            break;
        sd_event_run(stage.event, n > 0 ? 0 : 1000);
        stage_flush();
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
}

/* Status and reason of the answer, "closed" for none, "no handshake". */
static const char *outcome(const struct visit *v)
{
    static char text[80];
    static const char key[] = "\"reason\":\"";
    const char *reason = strstr(v->said, key);
    if (!v->shaken)
        return "no handshake";
    if (v->len < 12)
        return "closed";
    snprintf(text, sizeof text, "%.3s %.*s", v->said + 9,
             reason ? (int)strcspn(reason + sizeof key - 1, "\"") : 0, reason ? reason + sizeof key - 1 : "");
    bool typed = strstr(v->said, "\r\nContent-Type: application/problem+json\r\n") != NULL;
    return reason && !typed ? "a problem without its type" : text;
}

static void begin(unsigned port)
{
    signal(SIGPIPE, SIG_IGN); /* who is hung up on goes on writing */
    stage_begin(true, port, 1);
    stage_start(stage_find("server"));
    stage_settle();
}

/* ---- what is said ---- */

#define HOST  "Host: " FAIR "\r\n"
#define POST  "POST /x HTTP/1.1\r\n" HOST
#define LONG_ "%LONG%" /* 3000 letters */

static const struct {
    const char *name, *host, *bytes, *outcome;
} sayings[] = {
    {"another name in the handshake", "other.example", "GET / HTTP/1.1\r\n" HOST "\r\n", "no handshake"},
    {"no name in the handshake", NULL, "GET / HTTP/1.1\r\n" HOST "\r\n", "no handshake"},
    {"another name in Host", FAIR, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", "421 HTTP_HOST"},
    {"another host of the run in Host", FAIR, "GET / HTTP/1.1\r\nHost: " WEB "\r\n\r\n", "421 HTTP_HOST"},
    {"an absolute URI with another name", FAIR, "GET https://other.example/ HTTP/1.1\r\n" HOST "\r\n",
     "421 HTTP_HOST"},
    {"no Host", FAIR, "GET / HTTP/1.1\r\n\r\n", "400 MSG_MALFORMED"},
    {"two Hosts", FAIR, "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400 MSG_MALFORMED"},
    {"an unknown method", FAIR, "FOO / HTTP/1.1\r\n" HOST "\r\n", "405 HTTP_METHOD"},
    {"TRACE", FAIR, "TRACE / HTTP/1.1\r\n" HOST "\r\n", "405 HTTP_METHOD"},
    {"OPTIONS", FAIR, "OPTIONS / HTTP/1.1\r\n" HOST "\r\n", "405 HTTP_METHOD"},
    {"two lengths", FAIR, POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400 MSG_MALFORMED"},
    {"a signed length", FAIR, POST "Content-Length: +1\r\n\r\nx", "400 MSG_MALFORMED"},
    {"a length and chunks", FAIR, POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400 MSG_MALFORMED"},
    {"another transfer encoding", FAIR, POST "Transfer-Encoding: gzip\r\n\r\n", "501 MSG_MALFORMED"},
    {"a blank in a header's name", FAIR, "GET / HTTP/1.1\r\n" HOST "A b: c\r\n\r\n", "400 MSG_MALFORMED"},
    {"a folded line", FAIR, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "400 MSG_MALFORMED"},
    {"a page of the door's own", FAIR, "GET /.problems/400 HTTP/1.1\r\n" HOST "\r\n", "404 NOT_FOUND"},
    {"no HTTP at all", FAIR, "nonsense\r\n\r\n", "400 MSG_MALFORMED"},
    {"a NUL in the path", FAIR, "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "400 MSG_MALFORMED"},
    {"a way above the root", FAIR, "GET /../.. HTTP/1.1\r\n" HOST "\r\n", "400 MSG_MALFORMED"},
    {"a path of other letters", FAIR, "GET /%C3%A4 HTTP/1.1\r\n" HOST "\r\n", "400 MSG_MALFORMED"},
    {"a header of other letters", FAIR, "GET / HTTP/1.1\r\n" HOST "Cookie: \xC3\xA4\r\n\r\n",
     "400 MSG_MALFORMED"},
    {"a long token", FAIR, "GET / HTTP/1.1\r\n" HOST "Authorization: " LONG_ "\r\n\r\n", "413 MSG_TOO_LONG"},
    {"a long header", FAIR, "GET / HTTP/1.1\r\n" HOST "A: " LONG_ LONG_ LONG_ "\r\n\r\n",
     "400 MSG_MALFORMED"},
    {"a long URI", FAIR, "GET /" LONG_ LONG_ LONG_ " HTTP/1.1\r\n" HOST "\r\n", "414 MSG_TOO_LONG"},
    {"a long body", FAIR, POST "Content-Length: 3000\r\n\r\n" LONG_, "413 MSG_TOO_LONG"},
    {"a long body in chunks", FAIR, POST "Transfer-Encoding: chunked\r\n\r\nbb8\r\n" LONG_ "\r\n0\r\n\r\n",
     "413 MSG_TOO_LONG"},
    {"a body that fits without its head", FAIR, POST "Content-Length: 2000\r\n\r\n%2000%",
     "413 MSG_TOO_LONG"},
    {"another version", FAIR, "GET / HTTP/3.0\r\n" HOST "\r\n", "505 MSG_VERSION"},
    {"half a header, then nothing", FAIR, "GET / HTTP/1.1\r\nHo", "closed"},
    {"half a body, then nothing", FAIR, POST "Content-Length: 9\r\n\r\nx", "closed"},
};

/* The text with letters in place of %LONG% and %2000%. */
static struct span expand(const char *text, char out[20000])
{
    size_t len = 0;
    while (*text) {
        size_t letters = strncmp(text, LONG_, 6) == 0 ? 3000 : strncmp(text, "%2000%", 6) == 0 ? 2000 : 0;
        memset(out + len, 'a', letters);
        len += letters;
        if (!letters)
            out[len++] = *text;
        text += letters ? 6 : 1;
    }
    return span_of(out, len);
}

Test(door, what_it_refuses_by_itself)
{
    static struct visit v;
    static char bytes[20000];
    begin(PORT_FAIR);
    for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++) {
        v = (struct visit){.host = sayings[i].host};
        visit(&v, expand(sayings[i].bytes, bytes), NULL);
        cr_expect(eq(int, strncmp(outcome(&v), sayings[i].outcome, strlen(sayings[i].outcome)), 0),
                  "%s: %s: %s", sayings[i].name, outcome(&v), v.said);
    }
    cr_expect(eq(str, stage_find("server")->log, "up"), "the server has heard of none of them");
    stage_finish();
}

/* ---- what it lets in, and as what ---- */

Test(door, what_it_lets_in_is_in_our_form)
{
    static const struct {
        const char *name, *bytes, *path, *body;
        enum http_method method;
    } rows[] = {
        {"plain", POST "Content-Length: 2\r\n\r\nhi", "/x", "hi", HTTP_POST},
        {"bare line feeds", "POST /x HTTP/1.1\nHost: " FAIR "\nContent-Length: 2\n\nhi", "/x", "hi",
         HTTP_POST},
        {"chunks", POST "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "/x", "hi",
         HTTP_POST},
        {"a way around", "GET /a/../b//c%2fd HTTP/1.1\r\n" HOST "\r\n", "/b/c/d", "", HTTP_GET},
        {"a header that only looks like the door's",
         "GET / HTTP/1.1\r\n" HOST
         "SSL_CLIENT_VERIFY: SUCCESS\r\nSSL-CLIENT-VERIFY: SUCCESS\r\nScgi: 2\r\n\r\n",
         "/", "", HTTP_GET},
        {"smuggled lines after the end", "GET /a HTTP/1.1\r\n" HOST "\r\n", "/a", "", HTTP_GET},
    };
    static struct visit v;
    char want[40] = "up";
    begin(PORT_FAIR);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t used = strlen(stage_find("server")->log);
        snprintf(want, sizeof want, "/%zu=%s", i + 1, rows[i].body);
        v = (struct visit){.host = FAIR};
        stage.watched = span_of(NULL, 0);
        char all[460];
        snprintf(all, sizeof all, "%s %s", stage_find("server")->log, want);
        visit(&v, span_of(rows[i].bytes, strlen(rows[i].bytes)), all);
        cr_expect(eq(str, stage_find("server")->log + used + 1, want), "%s: %s", rows[i].name, outcome(&v));
        struct http_request q;
        ASSERT_OK(http_request_read(stage.watched, HTTP_FROM_COMPONENT, &q));
        cr_expect(span_is(q.words[HTTP_WORD_PATH], rows[i].path), "%s", rows[i].name);
        cr_expect(eq(int, q.method, rows[i].method), "%s", rows[i].name);
        cr_expect(q.words[HTTP_WORD_VERIFY].p == NULL && q.words[HTTP_WORD_COOKIE].p == NULL);
        for (int turn = 0; turn < 2000 && !strstr(stage_find("server")->log + used, "gone"); turn++)
            sd_event_run(stage.event, 1000);
    }
    stage_finish();
}

/* Around the size of the first piece that the server reads. */
Test(door, requests_of_every_length_around_a_buffer)
{
    static struct visit v;
    static char bytes[2400], body[2000];
    char want[20];
    memset(body, 'b', sizeof body);
    begin(PORT_FAIR);
    for (int i = 0; i < 64; i++) {
        int n = 1870 + i;
        stage_find("server")->log[0] = '\0';
        stage.watched = span_of(NULL, 0);
        snprintf(want, sizeof want, "/%d=", i + 1);
        int len = snprintf(bytes, sizeof bytes, POST "Content-Length: %d\r\n\r\n%.*s", n, n, body);
        v = (struct visit){.host = FAIR};
        visit(&v, span_of(bytes, (size_t)len), want);
        struct http_request q = {.body = {NULL, 0}};
        EXPECT_OK(http_request_read(stage.watched, HTTP_FROM_COMPONENT, &q), "%d bytes: %s", n, outcome(&v));
        cr_expect(eq(sz, q.body.len, (size_t)n));
    }
    stage_finish();
}

Test(door, tls_of_before_1_2_is_refused)
{
    static struct visit v;
    begin(PORT_FAIR);
    v = (struct visit){.host = FAIR, .version = TLS1_1_VERSION};
    visit(&v, span_of("FOO", 3), NULL);
    cr_expect(eq(str, (char *)outcome(&v), "no handshake"));
    static const char foo[] = "FOO / HTTP/1.1\r\n" HOST "\r\n";
    v = (struct visit){.host = FAIR, .version = TLS1_2_VERSION};
    visit(&v, span_of(foo, sizeof foo - 1), NULL);
    cr_expect(eq(str, (char *)outcome(&v), "405 HTTP_METHOD"));
    stage_finish();
}

/* ---- who comes ---- */

static struct tls_identity identity(const char *kind)
{
    struct crypto *c = crypto_new(NULL);
    struct tls_identity out = {.len = 0}, other;
    int64_t now_s = (int64_t)time(NULL);
    const struct tls_identity *ca = &stage.authority;
    if (strcmp(kind, "other") == 0) {
        ASSERT_OK(tls_authority_make(c, now_s, &other));
        ca = &other;
    }
    enum tls_role role = strcmp(kind, "server") == 0 ? TLS_SERVER : TLS_CLIENT;
    if (strcmp(kind, "expired") == 0)
        ASSERT_OK(tls_issue_expired(c, ca, TLS_CLIENT, "a", now_s, &out));
    else
        ASSERT_OK(tls_issue(c, ca, role, "a", now_s, &out));
    crypto_free(c);
    return out;
}

Test(door, who_is_no_caller_is_refused)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: " WEB "\r\n\r\n";
    static const struct {
        const char *name, *kind;
    } rows[] = {{"no certificate", NULL},
                {"of another authority", "other"},
                {"expired", "expired"},
                {"a server's", "server"},
                {"of our authority and with a caller's name, but not the caller's", "same name"}};
    static struct visit v;
    begin(PORT_WEB);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_identity as = {.len = 0};
        if (rows[i].kind)
            as = identity(rows[i].kind);
        v = (struct visit){.host = WEB, .as = rows[i].kind ? &as : NULL};
        visit(&v, span_of(get, sizeof get - 1), NULL);
        cr_expect(eq(str, (char *)outcome(&v), "403 LINK_NOT_ADMITTED"), "%s: %s", rows[i].name, v.said);
    }
    cr_expect(eq(str, stage_find("server")->log, "up"));
    stage_finish();
}

/* Where everybody may come, a certificate must still be a caller's, when one is shown. */
Test(door, a_wrong_certificate_is_worse_than_none)
{
    static const char get[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    static struct visit v;
    begin(PORT_FAIR);
    struct tls_identity as = identity("same name");
    v = (struct visit){.host = FAIR, .as = &as};
    visit(&v, span_of(get, sizeof get - 1), NULL);
    cr_expect(eq(str, (char *)outcome(&v), "403 LINK_NOT_ADMITTED"));
    as = identity("other");
    visit(&v, span_of(get, sizeof get - 1), NULL);
    cr_expect(eq(str, (char *)outcome(&v), "403 LINK_NOT_ADMITTED"));
    v = (struct visit){.host = FAIR};
    visit(&v, span_of(get, sizeof get - 1), "up /1=");
    cr_expect(eq(str, stage_find("server")->log, "up /1="));
    stage_finish();
}

/* ---- behind the door ---- */

/* It is not the door, but a neighbour: hung up on, and the server hears nothing. */
Test(door, nobody_else_is_heard_at_the_server_s_socket)
{
    static const char request[] =
        "59:CONTENT_LENGTH\0000\0SCGI\0001\0REQUEST_METHOD\0GET\0DOCUMENT_URI\0/a\0,";
    char byte;
    ssize_t n = -1;
    begin(PORT_FAIR);
    int fd = connect_door("server.fair.scgi");
    cr_assert(eq(int, (int)send(fd, request, sizeof request - 1, MSG_NOSIGNAL), (int)sizeof request - 1));
    for (int i = 0; i < 2000 && n < 0; i++) {
        sd_event_run(stage.event, 1000);
        n = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (n < 0 && errno == ECONNRESET)
            n = 0;
    }
    cr_expect(eq(int, (int)n, 0));
    cr_expect(eq(str, stage_find("server")->log, "up"));
    close(fd);
    stage_finish();
}

/* Its path is another's now: nginx keeps to the socket that it was given. */
Test(door, a_socket_in_the_server_s_place_gets_no_request)
{
    static const char get[] = "GET /secret HTTP/1.1\r\n" HOST "\r\n";
    static struct visit v;
    char path[120], moved[130];
    begin(PORT_FAIR);
    snprintf(path, sizeof path, "%s/server.fair.scgi", stage.directory);
    snprintf(moved, sizeof moved, "%s.moved", path);
    cr_assert(eq(int, rename(path, moved), 0));
    int squatter = spawn_listen(path, SOCK_STREAM);
    cr_assert(ge(int, squatter, 0));
    v = (struct visit){.host = FAIR};
    visit(&v, span_of(get, sizeof get - 1), "up /1=");
    cr_expect(eq(str, stage_find("server")->log, "up /1="));
    cr_expect(eq(int, accept(squatter, NULL, NULL), -1));
    close(squatter);
    stage_finish();
}

/* ---- how often ---- */

Test(door, who_asks_far_too_often_is_told_so)
{
    static const char once[] = "GET /%C3%A4 HTTP/1.1\r\n" HOST "\r\n"; /* answered without the component */
    static char many[5000 * sizeof once];
    static struct visit v;
    size_t len = 0;
    begin(PORT_FAIR);
    for (int i = 0; i < 5000; i++, len += sizeof once - 1)
        memcpy(many + len, once, sizeof once - 1);
    v = (struct visit){.host = FAIR, .stays = true};
    visit(&v, span_of(many, len), NULL);
    cr_expect(ne(ptr, strstr(v.said, "\"status\":429,\"reason\":\"HTTP_RATE\""), NULL), "%s", v.said);
    stage_finish();
}
