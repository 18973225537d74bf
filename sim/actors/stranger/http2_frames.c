/* HTTP/2: frames out of place, windows, floods. */
#include <string.h>

#include "sim/actors/stranger/attacks.h"
#include "sim/actors/stranger/frames.h"

/* ---- frames out of place ---- */

static void headers_on_0(struct wr *w)
{
    h2_put_request(w, 0, "GET", "/bad", NULL, NULL);
}
static void even_stream(struct wr *w)
{
    h2_put_request(w, 2, "GET", "/bad", NULL, NULL);
}
static void backwards(struct wr *w)
{
    h2_put_head(w, 0, H2_SETTINGS, 1, 0);
    h2_put_post(w, "1", NULL);
    h2_put_request(w, 1, "GET", "/bad", NULL, NULL);
}
static void data_on_idle(struct wr *w)
{
    h2_put_frame(w, H2_DATA, H2_END_STREAM, 1, "abc", 3);
}
static void data_on_0(struct wr *w)
{
    h2_put_frame(w, H2_DATA, H2_END_STREAM, 0, "abc", 3);
}
static void continuation_alone(struct wr *w)
{
    h2_put_frame(w, H2_CONTINUATION, H2_END_HEADERS, 1, "\x82", 1);
}
static void interrupted_block(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_block(w, H2_END_STREAM, 1, &b);
    h2_put_frame(w, H2_PING, 0, 0, "12345678", 8);
}
static void padding_too_long(struct wr *w)
{
    h2_put_frame(w, H2_HEADERS, H2_WHOLE | H2_PADDED, 1, "\x40\x82", 2);
}
static void own_parent(struct wr *w)
{
    uint8_t bytes[400] = {0, 0, 0, 1, 16};
    struct wr b = wr_of(bytes, sizeof bytes);
    b.len = 5;
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_frame(w, H2_HEADERS, H2_WHOLE | H2_WITH_ORDER, 1, bytes, b.len);
}
static void endless_frame(struct wr *w)
{
    h2_put_head(w, 0xfffff, H2_HEADERS, H2_WHOLE, 1);
}
static void short_ping(struct wr *w)
{
    h2_put_frame(w, H2_PING, 0, 0, "1234", 4);
}
static void push_promise(struct wr *w)
{
    h2_put_frame(w, H2_PUSH_PROMISE, H2_END_HEADERS, 1, "\0\0\0\2\x82", 5);
}
static void no_preface(struct wr *w)
{
    wr_copy(w, "GET /bad HTTP/1.1\r\nHost: app.tbe.example\r\n\r\n", 44);
}

/* ---- windows and settings ---- */

static void window_of_0(struct wr *w)
{
    h2_put_number(w, H2_WINDOW_UPDATE, 0, 0);
}
static void window_overflow(struct wr *w)
{
    h2_put_number(w, H2_WINDOW_UPDATE, 0, 0x7fffffff);
}
static void initial_window(struct wr *w)
{
    h2_put_frame(w, H2_SETTINGS, 0, 0, "\0\4\x80\0\0\0", 6);
}
static void frame_size(struct wr *w)
{
    h2_put_frame(w, H2_SETTINGS, 0, 0, "\0\5\0\0\0\1", 6);
}
static void half_setting(struct wr *w)
{
    h2_put_frame(w, H2_SETTINGS, 0, 0, "\0\4\0", 3);
}
/* The answer's body must wait for a window that never comes. */
static void no_window(struct wr *w)
{
    h2_put_frame(w, H2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    h2_put_request(w, 1, "GET", "/let-in", NULL, NULL);
}

/* ---- floods ---- */

static void reset_flood(struct wr *w)
{
    for (uint32_t stream = 1; stream < 2 * 400; stream += 2) {
        struct wr b = h2_block();
        h2_put_pseudo(&b, "POST", "/bad");
        h2_put_block(w, H2_END_HEADERS, stream, &b); /* its body is to come */
        h2_put_number(w, H2_RST_STREAM, stream, 8);
    }
    h2_put_request(w, 2 * 400 + 1, "GET", "/let-in", NULL, NULL);
}
static void too_many_streams(struct wr *w)
{
    for (uint32_t stream = 1; stream < 2 * 200; stream += 2) {
        struct wr b = h2_block();
        h2_put_pseudo(&b, "POST", "/bad");
        h2_put_block(w, H2_END_HEADERS, stream, &b);
    }
}
static void continuation_flood(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_block(w, H2_END_STREAM, 1, &b);
    for (int i = 0; i < 20000; i++) {
        b = h2_block();
        h2_put_header(&b, "a", "bcdefgh");
        h2_put_frame(w, H2_CONTINUATION, 0, 1, b.buf, b.len);
    }
}
static void empty_continuations(struct wr *w)
{
    struct wr b = h2_block();
    h2_put_pseudo(&b, "GET", "/bad");
    h2_put_block(w, H2_END_STREAM, 1, &b);
    for (int i = 0; i < 200000; i++)
        h2_put_head(w, 0, H2_CONTINUATION, 0, 1);
}
static void flood(struct wr *w, uint8_t type, const char *p, size_t len)
{
    for (size_t i = 0; i < 2000000 / (H2_FRAME_HEAD + len); i++)
        h2_put_frame(w, type, 0, 0, p, len);
}
static void settings_flood(struct wr *w)
{
    flood(w, H2_SETTINGS, "\0\3\0\0\0\1", 6);
}
static void ping_flood(struct wr *w)
{
    flood(w, H2_PING, "12345678", 8);
}
static void empty_data_flood(struct wr *w)
{
    h2_put_post(w, "5", NULL);
    for (int i = 0; i < 200000; i++)
        h2_put_head(w, 0, H2_DATA, 0, 1);
}

const struct attack attacks_frames[] = {
    {"h2-headers-on-stream-0", .write = headers_on_0, .answer = "goaway"},
    {"h2-even-stream", .write = even_stream, .answer = "goaway"},
    {"h2-stream-again", .write = backwards, .answer = "goaway"},
    {"h2-data-on-idle-stream", .write = data_on_idle, .answer = "goaway|closed"},
    {"h2-data-on-stream-0", .write = data_on_0, .answer = "goaway"},
    {"h2-continuation-alone", .write = continuation_alone, .answer = "goaway"},
    {"h2-interrupted-block", .write = interrupted_block, .answer = "goaway"},
    {"h2-padding-too-long", .write = padding_too_long, .answer = "goaway"},
    {"h2-its-own-parent", .write = own_parent, .answer = "goaway"},
    {"h2-endless-frame", .write = endless_frame, .answer = "reset|goaway|closed"},
    {"h2-short-ping", .write = short_ping, .answer = "goaway"},
    {"h2-push-promise", .write = push_promise, .answer = "goaway"},
    {"h2-window-of-0", .write = window_of_0, .answer = "goaway"},
    {"h2-window-overflow", .write = window_overflow, .answer = "goaway"},
    {"h2-initial-window", .write = initial_window, .answer = "goaway"},
    {"h2-frame-size", .write = frame_size, .answer = "goaway"},
    {"h2-half-a-setting", .write = half_setting, .answer = "goaway"},
    {"h2-no-window", .write = no_window, .answer = "404"},
    {"h2-reset-flood", .write = reset_flood, .answer = "reset|404|goaway"},
    {"h2-too-many-streams", .write = too_many_streams, .answer = "reset"},
    {"h2-continuation-flood", .write = continuation_flood, .answer = "400|goaway"},
    {"h2-empty-continuations", .write = empty_continuations, .answer = "reset|goaway|closed"},
    {"h2-settings-flood", .write = settings_flood, .answer = "goaway|closed"},
    {"h2-ping-flood", .write = ping_flood, .answer = "goaway|closed"},
    {"h2-empty-data-flood", .write = empty_data_flood, .answer = "reset|goaway|closed"},
    {"h2-other-preface", .bare = true, .write = no_preface, .answer = "goaway"},
    {.name = NULL},
};
