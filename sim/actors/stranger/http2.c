/* HTTP/2: headers and bodies. */
#include <string.h>

#include "sim/actors/stranger/attacks.h"
#include "sim/actors/stranger/frames.h"

static void put_letters(struct wr *w, const char *name, size_t len)
{
    char letters[20000];
    memset(letters, 'a', sizeof letters);
    h2_put_literal(w, 0, name, letters, len);
}

/* ---- headers ---- */

static void plain(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/let-in", NULL, NULL);
}
static void upper_case(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/bad", "X-Upper", "x");
}
static void connection(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/let-in", "connection", "close");
}
static void encoding(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/let-in", "transfer-encoding", "chunked");
}
static void line_end(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/bad", "a", "b\r\nc: d");
}
static void nul(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_literal(&b, 0, "a", "b\0c", 3);
    h2_put_block(w, H2_WHOLE, 1, &b);
}
static void unknown_pseudo(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/bad", ":more", "x");
}
static void two_paths(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/bad", ":path", "/smuggled");
}
static void no_slash(struct wr *w)
{
    h2_put_request(w, 1, "GET", "bad", NULL, NULL);
}
static void empty_path(struct wr *w)
{
    h2_put_request(w, 1, "GET", "", NULL, NULL);
}
static void path_with_line_end(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/bad HTTP/1.1\r\nHost: x\r\n\r\nGET /smuggled", NULL, NULL);
}
static void above(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/../bad", NULL, NULL);
}
static void unknown_method(struct wr *w)
{
    h2_put_request(w, 1, "FOO", "/bad", NULL, NULL);
}
static void method_with_blank(struct wr *w)
{
    h2_put_request(w, 1, "GET /smuggled", "/bad", NULL, NULL);
}
static void two_hosts(struct wr *w)
{
    h2_put_request(w, 1, "GET", "/bad", "host", "operator.tbe.example");
}

static void pseudo_late(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_header(&b, "a", "b");
    h2_put_pseudo(&b, "GET", "/let-in");
    h2_put_block(w, H2_WHOLE, 1, &b);
}

static void without(struct wr *w, const char *left_out)
{
    static const char *const pairs[][2] = {
        {":method", "GET"}, {":scheme", "https"}, {":authority", "app.tbe.example"}, {":path", "/bad"}};
    struct wr b = h2_block();
    for (size_t i = 0; i < 4; i++)
        if (strcmp(pairs[i][0], left_out) != 0)
            h2_put_header(&b, pairs[i][0], pairs[i][1]);
    h2_put_block(w, H2_WHOLE, 1, &b);
}
static void no_method(struct wr *w)
{
    without(w, ":method");
}
static void no_path(struct wr *w)
{
    without(w, ":path");
}
static void no_authority(struct wr *w)
{
    without(w, ":authority");
}

static void other_authority(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_header(&b, ":method", "GET");
    h2_put_header(&b, ":scheme", "https");
    h2_put_header(&b, ":authority", "operator.tbe.example");
    h2_put_header(&b, ":path", "/bad");
    h2_put_block(w, H2_WHOLE, 1, &b);
}

static void long_header(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "GET", "/bad");
    put_letters(&b, "a", 16000);
    h2_put_block(w, H2_WHOLE, 1, &b);
}

/* Each fits into a frame, all together do not into the limit. */
static void long_list(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_block(w, H2_END_STREAM, 1, &b);
    for (int i = 0; i < 8; i++) {
        b = h2_block();
        put_letters(&b, "a", 7000);
        h2_put_frame(w, H2_CONTINUATION, i == 7 ? H2_END_HEADERS : 0, 1, b.buf, b.len);
    }
}

/* ---- tables of headers ---- */

static void bad_index(struct wr *w)
{
    h2_put_frame(w, H2_HEADERS, H2_WHOLE, 1, "\xff\xff\x03", 3);
}
static void endless_number(struct wr *w)
{
    h2_put_frame(w, H2_HEADERS, H2_WHOLE, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11);
}
static void text_beyond_block(struct wr *w)
{
    h2_put_frame(w, H2_HEADERS, H2_WHOLE, 1,
                 "\x00\x7f\x20"
                 "a",
                 4);
}
static void table_too_large(struct wr *w)
{
    h2_put_frame(w, H2_HEADERS, H2_WHOLE, 1, "\x3f\xff\xff\x7f", 4);
}

/* One long header kept in the table, and then named thousands of times. */
static void bomb(struct wr *w)
{
    char letters[3900];
    struct wr b = h2_block();
    memset(letters, 'a', sizeof letters);
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_literal(&b, 0x40, "a", letters, sizeof letters);
    for (int i = 0; i < 10000; i++)
        wr_u8(&b, 0xbe); /* the first of the dynamic table */
    h2_put_block(w, H2_WHOLE, 1, &b);
}

/* ---- bodies ---- */

static void body_shorter(struct wr *w)
{
    h2_put_post(w, "5", NULL);
    h2_put_frame(w, H2_DATA, H2_END_STREAM, 1, "abc", 3);
}
static void body_longer(struct wr *w)
{
    h2_put_post(w, "1", NULL);
    h2_put_frame(w, H2_DATA, H2_END_STREAM, 1, "abc", 3);
}
static void two_lengths(struct wr *w)
{
    h2_put_post(w, "3", "0");
    h2_put_frame(w, H2_DATA, H2_END_STREAM, 1, "abc", 3);
}
static void long_body(struct wr *w)
{
    h2_put_post(w, "70000", NULL);
}
static void slow_body(struct wr *w)
{
    h2_put_post(w, "5", NULL);
}

const struct attack attacks_http2[] = {
    {"h2-plain", .write = plain, .answer = "404"},
    {"h2-upper-case-name", .write = upper_case, .answer = "reset"},
    {"h2-connection", .write = connection, .answer = "404"},
    {"h2-transfer-encoding", .write = encoding, .answer = "404"},
    {"h2-line-end-in-value", .write = line_end, .answer = "reset"},
    {"h2-nul-in-value", .write = nul, .answer = "reset"},
    {"h2-unknown-pseudo", .write = unknown_pseudo, .answer = "400"},
    {"h2-two-paths", .write = two_paths, .answer = "400"},
    {"h2-path-without-slash", .write = no_slash, .answer = "400"},
    {"h2-empty-path", .write = empty_path, .answer = "400"},
    {"h2-line-end-in-path", .write = path_with_line_end, .answer = "reset"},
    {"h2-above-the-root", .write = above, .answer = "400"},
    {"h2-unknown-method", .write = unknown_method, .answer = "405"},
    {"h2-blank-in-method", .write = method_with_blank, .answer = "400"},
    {"h2-two-hosts", .write = two_hosts, .answer = "400"},
    {"h2-pseudo-behind-others", .write = pseudo_late, .answer = "404"},
    {"h2-no-method", .write = no_method, .answer = "400"},
    {"h2-no-path", .write = no_path, .answer = "400"},
    {"h2-no-authority", .write = no_authority, .answer = "400"},
    {"h2-another-authority", .write = other_authority, .answer = "421"},
    {"h2-long-header", .write = long_header, .answer = "goaway"},
    {"h2-long-header-list", .write = long_list, .answer = "goaway"},
    {"h2-bad-index", .write = bad_index, .answer = "goaway"},
    {"h2-endless-number", .write = endless_number, .answer = "goaway"},
    {"h2-text-beyond-its-block", .write = text_beyond_block, .answer = "goaway"},
    {"h2-table-too-large", .write = table_too_large, .answer = "goaway"},
    {"h2-bomb", .write = bomb, .answer = "goaway"},
    {"h2-body-shorter", .write = body_shorter, .answer = "400"},
    {"h2-body-longer", .write = body_longer, .answer = "400"},
    {"h2-two-lengths", .write = two_lengths, .answer = "400"},
    {"h2-long-body", .write = long_body, .answer = "413"},
    {"h2-slow-body", .write = slow_body, .answer = "reset|goaway|closed"},
    {.name = NULL},
};
