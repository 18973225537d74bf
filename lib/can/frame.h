/* CAN frames (classic and FD) and their candump text, both ways.
 *
 * Text grammar (the one of can-utils, so that its tools read ours):
 *   123#1122AABB      classic data frame, 11-bit identifier (8 digits: 29-bit)
 *   123#R4            classic remote frame with a DLC
 *   123##<f><data>    CAN FD, f = flags nibble: 1 BRS, 2 ESI, 4 FDF
 *   (secs.usecs) bus frame      one line of a log */
#ifndef lib_can_frame_h
#define lib_can_frame_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define BUS_CLASSIC_MAX 8
#define BUS_FD_MAX      64

enum bus_flag {
    BUS_EXTENDED = 1, /* 29-bit identifier */
    BUS_REMOTE = 2,   /* classic only; len is then the requested DLC */
    BUS_FD = 4,
    BUS_BRS = 8, /* bit rate switch, FD only */
    BUS_ESI = 16 /* error state indicator, FD only */
};

struct bus_frame {
    uint32_t id;
    uint8_t flags; /* enum bus_flag */
    uint8_t len;   /* 0..8, or one of the FD lengths */
    uint8_t data[BUS_FD_MAX];
};

/* Longest text: 29-bit id, "##", flags, 64 bytes, zero. */
#define BUS_TEXT_MAX 144
/* "(seconds.micros) " + bus name + " " + frame */
#define BUS_LOG_MAX (BUS_TEXT_MAX + 48)

/* The smallest legal FD length that holds len bytes (len <= 64). */
uint8_t bus_fd_length(size_t len);
bool bus_frame_valid(const struct bus_frame *f);
/* Bytes of data that it carries: none of a remote frame. */
size_t bus_frame_data(const struct bus_frame *f);
bool bus_frame_equal(const struct bus_frame *a, const struct bus_frame *b);

void bus_frame_print(const struct bus_frame *f, char out[BUS_TEXT_MAX]);
enum err bus_frame_parse(const char *text, struct bus_frame *out);

void bus_log_print(uint64_t time_us, const char *bus, const struct bus_frame *f, char out[BUS_LOG_MAX]);
/* bus holds at least 17 characters. */
enum err bus_log_parse(const char *line, uint64_t *time_us, char bus[17], struct bus_frame *out);

/* Bytes of one frame on our own sockets: id, flags, len, data; 6 to 70 bytes. */
#define BUS_FRAME_MIN 6 /* bytes of one without data */
void bus_frame_write(struct wr *w, const struct bus_frame *f);
enum err bus_frame_read(struct rd *r, struct bus_frame *out);

#endif
