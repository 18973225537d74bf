#include <stdio.h>
#include <string.h>

#include "sim/actors/stranger/attacks.h"
#include "sim/actors/stranger/frames.h"

/* ---- what is sent ---- */

static void write_text(const char *text, struct wr *w)
{
    char letters[1000];
    memset(letters, 'a', sizeof letters);
    for (; *text; text++) {
        if (*text == '\1')
            wr_copy(w, letters, sizeof letters);
        else
            wr_u8(w, *text == '\2' ? 0 : (uint8_t)*text);
    }
}

void attack_write(const struct attack *a, struct wr *w)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (a->text) {
        write_text(a->text, w);
        return;
    }
    if (!a->bare) {
        wr_copy(w, preface, sizeof preface - 1);
        h2_put_head(w, 0, H2_SETTINGS, 0, 0);
    }
    a->write(w);
}

/* ---- what comes ---- */

/* The status of a block of headers: of the static table, or a literal without Huffman; before it the table
 * may get another size (RFC 7541, 6.3). */
static const char *status_of(struct span block, char out[4])
{
    static const char *const known[] = {"200", "204", "206", "304", "400", "404", "500"};
    struct rd r = rd_of(block.p, block.len);
    uint8_t first = rd_u8(&r);
    while (!r.failed && (first & 0xE0) == 0x20) {
        if ((first & 0x1F) == 0x1F)
            while (rd_u8(&r) & 0x80)
                ;
        first = rd_u8(&r);
    }
    if (!r.failed && first >= 0x88 && first <= 0x8E)
        return known[first - 0x88];
    uint8_t len = rd_u8(&r);
    struct span digits = rd_span(&r, 3);
    if (r.failed || len != 3 || ((first & 0x3F) != 8 && (first & 0x0F) != 8))
        return "?";
    memcpy(out, digits.p, 3);
    out[3] = '\0';
    return out;
}

static const char *answer_of_frames(struct span heard, char out[4])
{
    struct rd r = rd_of(heard.p, heard.len);
    while (r.left >= H2_FRAME_HEAD) {
        size_t len = (size_t)rd_u8(&r) << 16;
        len |= rd_be16(&r);
        uint8_t type = rd_u8(&r), flags = rd_u8(&r);
        rd_be32(&r);
        struct span payload = rd_span(&r, len);
        (void)flags;
        if (r.failed)
            return NULL;
        if (type == H2_HEADERS)
            return status_of(payload, out);
        if (type == H2_RST_STREAM || type == H2_GOAWAY)
            return type == H2_GOAWAY ? "goaway" : "reset";
    }
    return NULL;
}

const char *attack_answer(const struct attack *a, struct span heard)
{
    static char status[4];
    if (!a->text)
        return answer_of_frames(heard, status);
    if (heard.len < 12)
        return NULL;
    if (memcmp(heard.p, "HTTP/1.1 ", 9) != 0)
        return "no head";
    memcpy(status, heard.p + 9, 3);
    status[3] = '\0';
    return status;
}

/* ---- finding ---- */

static const struct attack *const tables[] = {attacks_http1, attacks_http2, attacks_frames, NULL};

const struct attack *attack_at(const char *how, unsigned index)
{
    for (const struct attack *const *t = tables; *t; t++)
        for (const struct attack *a = *t; a->name; a++) {
            bool fits = strcmp(how, "all") == 0 || strcmp(how, a->name) == 0 ||
                        strcmp(how, a->text ? "http1" : "http2") == 0;
            if (fits && index-- == 0)
                return a;
        }
    return NULL;
}
