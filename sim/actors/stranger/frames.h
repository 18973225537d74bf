/* Frames of HTTP/2 (RFC 9113) by hand, headers as literals without Huffman (RFC 7541, 6.2). */
#ifndef sim_actors_stranger_frames_h
#define sim_actors_stranger_frames_h

#include "lib/base/bytes.h"

enum {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION
};
#define H2_END_STREAM  0x01
#define H2_END_HEADERS 0x04
#define H2_PADDED      0x08
#define H2_WITH_ORDER  0x20
#define H2_WHOLE       (H2_END_STREAM | H2_END_HEADERS)
#define H2_FRAME_HEAD  9
#define H2_BLOCK_MAX   70000

void h2_put_head(struct wr *w, size_t len, uint8_t type, uint8_t flags, uint32_t stream);
void h2_put_frame(struct wr *w, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t len);
/* One with a number of 32 bits. */
void h2_put_number(struct wr *w, uint8_t type, uint32_t stream, uint32_t number);

/* An empty header block, good until the next. */
struct wr h2_block(void);
/* A literal; `kind` 0x00: not kept in the table, 0x40: kept. */
void h2_put_literal(struct wr *w, uint8_t kind, const char *name, const char *value, size_t len);
void h2_put_header(struct wr *w, const char *name, const char *value);
/* The four that each request has, for the TBE's host. */
void h2_put_pseudo(struct wr *w, const char *method, const char *path);
void h2_put_block(struct wr *w, uint8_t flags, uint32_t stream, const struct wr *b);
/* A whole request of these and one more header, NULL for none. */
void h2_put_request(struct wr *w, uint32_t stream, const char *method, const char *path, const char *name,
                    const char *value);
/* The head of a POST whose body is to come, of that length by its headers. */
void h2_put_post(struct wr *w, const char *length, const char *second);

#endif
