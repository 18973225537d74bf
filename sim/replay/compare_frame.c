#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/apdu.h"
#include "lib/msg/msg.h"
#include "lib/msg/reader.h"
#include "lib/uds/uds.h"
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

static enum compare_result bytes_differ(const char *what, struct span a, struct span b,
                                        char out[COMPARE_TEXT])
{
    size_t at = 0;
    while (at < a.len && at < b.len && a.p[at] == b.p[at])
        at++;
    if (a.len == b.len && at < a.len)
        snprintf(out, COMPARE_TEXT, "%s: byte %zu of %zu is %02x in the record, now %02x", what, at + 1,
                 a.len, a.p[at], b.p[at]);
    else
        snprintf(out, COMPARE_TEXT, "%s: %zu bytes in the record, now %zu", what, a.len, b.len);
    return COMPARE_DIFFERENT;
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
    return bytes_differ("data", data_of(a), data_of(b), out);
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

static const char *place_of(uint32_t id, bool *command)
{
    static const char *const names[READER_PLACES] = {"pad's messages", "door's messages"};
    for (unsigned i = 0; i < READER_PLACES; i++) {
        *command = id == matrix_row(reader_row_command((enum reader_place)i))->id;
        if (*command || id == matrix_row(reader_row_report((enum reader_place)i))->id)
            return names[i];
    }
    return NULL;
}

/* Their types, numbers, and the APDUs in them. */
struct carried {
    unsigned type;
    uint8_t number;
    struct span apdu;
    uint16_t rest; /* gap, loss, reason */
};

static bool parse(bool command, struct span pdu, struct carried *out)
{
    struct reader_command c;
    struct reader_report r;
    if (command ? reader_command_parse(pdu, &c, NULL) : reader_report_parse(pdu, &r))
        return false;
    *out = command ? (struct carried){c.type, c.number, c.apdu, c.gap_ms}
                   : (struct carried){r.type, r.number, r.apdu,
                                      (uint16_t)((unsigned)r.loss + (unsigned)r.reason)};
    return true;
}

static enum compare_result carried(struct compare *c, const char *place, bool command, struct span a,
                                   struct span b, char out[COMPARE_TEXT])
{
    struct carried x, y;
    char text[COMPARE_TEXT] = "";
    if (!parse(command, a, &x) || !parse(command, b, &y))
        return bytes_differ("message", a, b, out);
    if (x.type != y.type || x.rest != y.rest) {
        snprintf(out, COMPARE_TEXT, "%s (%u) in the record, now %s (%u)", reader_type_name(x.type), x.rest,
                 reader_type_name(y.type), y.rest);
        return COMPARE_DIFFERENT;
    }
    enum compare_result r = x.apdu.len || y.apdu.len
                                ? compare_fields(c, compare_talk_of(c, place), command, x.apdu, y.apdu, text)
                                : COMPARE_SAME;
    if (r != COMPARE_SAME) {
        snprintf(out, COMPARE_TEXT, "%s: %.300s", reader_type_name(x.type), text);
        return r;
    }
    if (x.number == y.number)
        return COMPARE_SAME;
    snprintf(out, COMPARE_TEXT, "%s: number %u in the record, now %u", reader_type_name(x.type), x.number,
             y.number);
    c->roots |= !c->exact;
    return c->exact ? COMPARE_DIFFERENT : COMPARE_EXPLAINED;
}

static enum compare_result messages(struct compare *c, uint32_t id, struct span a, struct span b,
                                    char out[COMPARE_TEXT])
{
    bool command;
    const char *place = place_of(id, &command), *x = msg_peek_name(a), *y = msg_peek_name(b);
    if (place)
        return carried(c, place, command, a, b, out);
    if (span_equal(a, b))
        return COMPARE_SAME;
    if (!x || !y || strcmp(x, y) != 0 || c->exact)
        return bytes_differ(x ? x : "message", a, b, out);
    snprintf(out, COMPARE_TEXT, "%s: signed over a new nonce, with keys of the life before", x);
    c->roots = true;
    return COMPARE_EXPLAINED;
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
        return same ? COMPARE_SAME : bytes_differ("ISO-TP", data_of(a), data_of(b), out);
    }
    bool differs = s->differs;
    s->differs = false;
    enum compare_result r = messages(c, a->id, pdu_of(&s->recorded), pdu_of(&s->got), out);
    if (r == COMPARE_SAME && differs && !same)
        return bytes_differ("ISO-TP", data_of(a), data_of(b), out);
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
    if (!c->roots || !has_mac(played))
        return;
    snprintf(why, sizeof why, "the record goes on with %s, whose MAC is over its own random numbers",
             matrix_find(played->id)->name);
    compare_end(c, why);
}

/* "Certificate" of our own messages, "UDS ReadDataByIdentifier F190" of a tester's. */
static void name_message(uint32_t id, struct span pdu, char out[UDS_LINE_MAX + 8])
{
    char line[UDS_LINE_MAX];
    const char *row = matrix_find(id)->name;
    if (strncmp(row, "UDS_", 4) != 0) {
        text_copy(out, UDS_LINE_MAX + 8, msg_peek_name(pdu));
        return;
    }
    uds_describe(pdu, line);
    snprintf(out, UDS_LINE_MAX + 8, "UDS %s", line);
}

/* An answer to a number that was never asked, or what follows from others' random numbers. */
void compare_played_frame(struct compare *c, const char *bus, const struct bus_frame *played)
{
    const struct matrix_row *row = matrix_find(played->id);
    struct compare_stream *s = row && row->kind != MATRIX_FRAME ? stream_of(c, bus, played->id) : NULL;
    struct carried x;
    char why[COMPARE_TEXT], name[UDS_LINE_MAX + 8];
    bool command;
    if (row && row->kind == MATRIX_FRAME)
        played_whole(c, played);
    if (!s || add(&s->recorded, played) != PIECE_WHOLE)
        return;
    struct span pdu = pdu_of(&s->recorded);
    const char *place = place_of(played->id, &command);
    bool known = place && parse(command, pdu, &x);
    if (known)
        compare_hear(compare_talk_of(c, place), command, x.apdu);
    if (!c->roots)
        return;
    name_message(played->id, pdu, name);
    snprintf(why, sizeof why, "the record goes on with %s, which answers its own numbers",
             known ? reader_type_name(x.type) : name);
    if (!known || x.number || compare_follows(compare_talk_of(c, place), command, x.apdu))
        compare_end(c, why);
}
