#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/msg/cabin.h"
#include "sim/replay/compare.h"

void compare_free(struct compare *c)
{
    for (size_t i = 0; i < c->stream_count; i++)
        free(c->streams[i]);
    c->stream_count = 0;
}

static struct compare_stream *stream_of(struct compare *c, const char *bus, uint32_t id)
{
    for (size_t i = 0; i < c->stream_count; i++)
        if (c->streams[i]->id == id && strcmp(c->streams[i]->bus, bus) == 0)
            return c->streams[i];
    struct compare_stream *s = c->stream_count < COMPARE_STREAMS ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->id = id;
    text_copy(s->bus, sizeof s->bus, bus);
    c->streams[c->stream_count++] = s;
    return s;
}

void compare_name_frame(const char *bus, const struct bus_frame *f, char out[COMPARE_TEXT])
{
    const struct matrix_row *row = matrix_find(f->id);
    snprintf(out, COMPARE_TEXT, "%s%s%s (%X)", row ? row->name : "frame", bus[0] ? " on " : "", bus, f->id);
}

/* ---- frames that are messages ---- */

/* Counters that begin anywhere, what is drawn anew, and what is computed over them. */
static const struct {
    const char *signal, *why;
    bool root; /* others answer it */
} varying[] = {
    {"AliveCounter", "begins anywhere", false},
    {"Checksum", "of what differs", false},
    {"Nonce", "a new random number", true},
    {"Challenge", "a new random number", true},
    {"Transaction", "of a transaction with new random numbers", false},
    {"Mac", "over what differs, or with a key of the life before", false},
};

static const char *why_varies(const char *signal, bool *root)
{
    for (size_t i = 0; i < sizeof varying / sizeof varying[0]; i++)
        if (strcmp(varying[i].signal, signal) == 0) {
            *root = varying[i].root;
            return varying[i].why;
        }
    return NULL;
}

static bool varies(const char *signal)
{
    bool root;
    return why_varies(signal, &root);
}

/* The same, but for what others answer. */
static bool is_no_root(const char *signal)
{
    bool root = false;
    return !why_varies(signal, &root) || !root;
}

static bool is_no_mac(const char *signal)
{
    return strcmp(signal, "Mac") != 0;
}

static bool is_same_shape(const struct bus_frame *a, const struct bus_frame *b)
{
    return a->id == b->id && a->flags == b->flags && a->len == b->len;
}

bool compare_frames_alike(const struct bus_frame *a, const struct bus_frame *b)
{
    struct signal_difference d;
    const struct matrix_row *row = matrix_find(a->id);
    if (!row || row->kind != MATRIX_FRAME || !is_same_shape(a, b))
        return bus_frame_equal(a, b);
    return !signals_differ(a, b, varies, &d);
}

/* A checksum that does not hold is explained by nothing. */
static bool checksums_hold(const struct bus_frame *a, const struct bus_frame *b)
{
    struct signal_difference d;
    struct bus_frame other = *a;
    if (a->len < 8 || a->len > 8)
        return true;
    other.data[7] ^= 1;
    if (!signals_differ(a, &other, NULL, &d) || strcmp(d.name, "Checksum") != 0)
        return true;
    return a->data[7] == matrix_checksum(a->id, a->data, a->len) &&
           b->data[7] == matrix_checksum(b->id, b->data, b->len);
}

static struct span data_of(const struct bus_frame *f)
{
    return span_of(f->data, bus_frame_data(f));
}

static enum compare_result plain(struct compare *c, const struct bus_frame *a, const struct bus_frame *b,
                                 char out[COMPARE_TEXT])
{
    struct signal_difference d;
    if (!is_same_shape(a, b)) {
        snprintf(out, COMPARE_TEXT, "format: flags %u, %u bytes in the record, now %u, %u", a->flags, a->len,
                 b->flags, b->len);
        return COMPARE_DIFFERENT;
    }
    bool hold = checksums_hold(a, b);
    if (!c->exact && hold && !signals_differ(a, b, varies, &d) && signals_differ(a, b, NULL, &d)) {
        bool root = signals_differ(a, b, is_no_root, &d);
        c->roots |= root;
        snprintf(out, COMPARE_TEXT, "%s: %s", d.name, why_varies(d.name, &root));
        return COMPARE_EXPLAINED;
    }
    if (signals_differ(a, b, hold && !c->exact ? varies : NULL, &d)) {
        snprintf(out, COMPARE_TEXT, "%s: %" PRIu64 " in the record, now %" PRIu64 "%s", d.name, d.a, d.b,
                 hold ? "" : "; the checksum of one of them does not hold");
        return COMPARE_DIFFERENT;
    }
    return compare_say(out, COMPARE_DIFFERENT, "data", data_of(a), data_of(b));
}

/* ---- ISO-TP ---- */

enum piece { PIECE_NONE, PIECE_MORE, PIECE_WHOLE, PIECE_FLOW };

static void take(struct compare_pdu *p, const uint8_t *bytes, size_t len)
{
    size_t left = p->len - p->have;
    len = len < left ? len : left;
    memcpy(p->bytes + p->have, bytes, len);
    p->have += len;
}

/* ISO 15765-2, 9.6: single, first, consecutive frame, flow control. */
static enum piece add(struct compare_pdu *p, const struct bus_frame *f)
{
    size_t n = bus_frame_data(f), at = 1, len = n ? f->data[0] & 0x0Fu : 0;
    unsigned type = n ? f->data[0] >> 4 : 15;
    if (type == 3)
        return PIECE_FLOW;
    if (type > 2 || n < 2)
        return PIECE_NONE;
    if (type == 0 && len == 0)
        len = f->data[at++];
    if (type == 1) {
        len = len << 8 | f->data[at++];
        if (len == 0 && n >= 6) {
            len = (size_t)f->data[2] << 24 | (size_t)f->data[3] << 16 | (size_t)f->data[4] << 8 | f->data[5];
            at = 6;
        }
    }
    if (type < 2) {
        p->len = p->have = 0;
        if (len > COMPARE_PDU)
            return PIECE_NONE;
        p->len = len;
    }
    take(p, f->data + at, n - at);
    return p->len && p->have == p->len ? PIECE_WHOLE : PIECE_MORE;
}

static struct span pdu_of(const struct compare_pdu *p)
{
    return span_of(p->bytes, p->len);
}

static enum compare_result in_pieces(struct compare *c, struct compare_stream *s, const struct bus_frame *a,
                                     const struct bus_frame *b, char out[COMPARE_TEXT])
{
    bool same = bus_frame_equal(a, b);
    enum piece x = add(&s->recorded, a), y = add(&s->got, b);
    s->differs |= !same;
    if (x == PIECE_MORE && y == PIECE_MORE && s->recorded.len == s->got.len)
        return COMPARE_SAME;
    if (x != PIECE_WHOLE || y != PIECE_WHOLE) {
        s->differs = false;
        return same ? COMPARE_SAME : compare_say(out, COMPARE_DIFFERENT, "ISO-TP", data_of(a), data_of(b));
    }
    bool differs = s->differs;
    s->differs = false;
    enum compare_result r =
        compare_message(c, matrix_find(a->id), pdu_of(&s->recorded), pdu_of(&s->got), out);
    if (r == COMPARE_SAME && differs && !same)
        return compare_say(out, COMPARE_DIFFERENT, "ISO-TP", data_of(a), data_of(b));
    return r;
}

enum compare_result compare_frame(struct compare *c, const char *bus, const struct bus_frame *recorded,
                                  const struct bus_frame *got, char out[COMPARE_TEXT])
{
    const struct matrix_row *row = matrix_find(recorded->id);
    struct compare_stream *s = row && row->kind != MATRIX_FRAME ? stream_of(c, bus, recorded->id) : NULL;
    if (s)
        return in_pieces(c, s, recorded, got, out);
    return bus_frame_equal(recorded, got) ? COMPARE_SAME : plain(c, recorded, got, out);
}

/* Is there a MAC in it? Its bytes are looked for in a frame that differs in all of them. */
static bool has_mac(const struct bus_frame *f)
{
    struct bus_frame other = *f;
    struct signal_difference d;
    for (size_t i = 0; i < sizeof other.data; i++)
        other.data[i] = (uint8_t)~other.data[i];
    return signals_differ(f, &other, is_no_mac, &d);
}

static void played_whole(struct compare *c, const struct bus_frame *played)
{
    char why[COMPARE_TEXT];
    bool names_key =
        c->keys && played->id == matrix_row(MATRIX_PHONE_KEY_REQ)->id && played->data[0] == CABIN_DELETE_KEY;
    if (!names_key && (!c->roots || !has_mac(played)))
        return;
    snprintf(why, sizeof why, "the record goes on with %s, %s", matrix_find(played->id)->name,
             names_key ? "which names a key of its own life before"
                       : "whose MAC is over its own random numbers");
    compare_end(c, why);
}

void compare_played_frame(struct compare *c, const char *bus, const struct bus_frame *played)
{
    const struct matrix_row *row = matrix_find(played->id);
    struct compare_stream *s = row && row->kind != MATRIX_FRAME ? stream_of(c, bus, played->id) : NULL;
    if (row && row->kind == MATRIX_FRAME)
        played_whole(c, played);
    if (s && add(&s->recorded, played) == PIECE_WHOLE)
        compare_played_message(c, row, pdu_of(&s->recorded));
}
