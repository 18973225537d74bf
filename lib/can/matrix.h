/* The vehicle's message matrix: one table from which components take their identifiers, the SGW its
 * allow-list, links their filters and people a DBC file. */
#ifndef lib_can_matrix_h
#define lib_can_matrix_h

#include <stdio.h>

#include "lib/can/frame.h"

enum segment { SEGMENT_BODY, SEGMENT_TELEMATICS, SEGMENT_INFOTAINMENT, SEGMENT_DIAGNOSTIC, SEGMENTS };

enum matrix_node { NODE_SPAAK = 1, NODE_SGW = 2, NODE_TBM = 4, NODE_HU = 8, NODE_WCP = 16, NODE_TESTER = 32 };
#define MATRIX_NODES 6

enum matrix_kind {
    MATRIX_FRAME, /* the frame is the message */
    MATRIX_ISOTP  /* frames carry ISO-TP; flow control comes back on the paired row's identifier */
};

/* Order of the enum = order of the table. Names are spelt as in the DBC. */
enum matrix_message {
    MATRIX_TBM_STATUS,
    MATRIX_SPAAK_VOS_UP,
    MATRIX_SPAAK_VOS_DOWN,
    MATRIX_SPAAK_GSDP_UP,
    MATRIX_SPAAK_GSDP_DOWN,
    MATRIX_PHONE_KEY_REQ,
    MATRIX_HU_NTF,
    MATRIX_SPAAK_STATUS,
    MATRIX_WCP_STATUS,
    MATRIX_SPAAK_WCP_CMD,
    MATRIX_WCP_SPAAK_RSP,
    MATRIX_UDS_REQ,
    MATRIX_UDS_RSP,
    MATRIX_MESSAGES
};

struct matrix_row {
    uint32_t id; /* 11-bit */
    const char *name;
    enum matrix_kind kind;
    enum matrix_node sender;
    unsigned receivers; /* set of enum matrix_node, the SGW not counted */
    enum segment from, to;
    uint8_t length; /* longest frame, bytes */
    bool fd;
    uint16_t cycle_ms;   /* 0: on event */
    uint16_t pdu_max;    /* ISO-TP: longest message, bytes */
    uint16_t burst;      /* frames the SGW lets through at once ... */
    uint16_t per_second; /* ... and the steady rate after that */
};

/* Fields of TBM_Status, 8 bytes: byte 0 flags, byte 1 alive counter (0..15), byte 7 checksum. */
#define TBM_STATUS_LENGTH     8
#define TBM_STATUS_CONNECTED  1u /* the TBM has a session with GSDP */
#define TBM_STATUS_SUBSCRIBED 2u /* and is subscribed to the SpaaK topic */

const struct matrix_row *matrix_row(enum matrix_message m);
/* NULL when no row has this identifier. */
const struct matrix_row *matrix_find(uint32_t id);
const struct matrix_row *matrix_find_name(const char *name);

const char *segment_name(enum segment s);
/* SEGMENTS when there is none of that name. */
enum segment segment_from_name(const char *name);
const char *matrix_node_name(enum matrix_node n);

/* Identifiers that a node receives on a segment; returns how many, at most cap. */
size_t matrix_filter(enum matrix_node node, enum segment s, uint32_t *ids, size_t cap);

/* XOR of the identifier's two bytes, of the data before the last byte, and of A5 (hex). */
uint8_t matrix_checksum(uint32_t id, const uint8_t *data, size_t len);

/* lib/can/dbc.c: the matrix as a DBC file. Each receiver stands on the message's signals, where tools read
 * it. */
void matrix_write_dbc(FILE *out);

#endif
