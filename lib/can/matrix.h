/* The vehicle's message matrix: one table from which components take their identifiers, the SGW its
 * allow-list, links their filters and people a DBC file. */
#ifndef lib_can_matrix_h
#define lib_can_matrix_h

#include <stdio.h>

#include "lib/can/frame.h"

enum segment { SEGMENT_BODY, SEGMENT_TELEMATICS, SEGMENT_INFOTAINMENT, SEGMENT_DIAGNOSTIC, SEGMENTS };
/* A set of segments. */
#define SEGMENT_SET(s) (1u << (s))

enum matrix_node {
    NODE_SPAAK = 1,
    NODE_SGW = 2,
    NODE_TBM = 4,
    NODE_HU = 8,
    NODE_WCP = 16,
    NODE_TESTER = 32,
    NODE_BCM = 64
};
#define MATRIX_NODES 7

enum matrix_kind {
    MATRIX_FRAME, /* the frame is the message */
    MATRIX_ISOTP, /* frames carry ISO-TP; flow control comes back on the paired row's identifier */
    MATRIX_SINGLE /* single frames of ISO-TP only: many hear them, and none could say how fast */
};

/* Set of formats that a row's frames may have. */
enum matrix_format { MATRIX_CLASSIC = 1, MATRIX_FD = 2, MATRIX_ANY_FORMAT = 3 };

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
    MATRIX_DOOR_STATUS,
    MATRIX_SPAAK_WCP_CMD,
    MATRIX_WCP_SPAAK_RSP,
    MATRIX_SPAAK_DOOR_CMD,
    MATRIX_DOOR_SPAAK_RSP,
    MATRIX_SPAAK_HU_KEYS, /* the cabin */
    MATRIX_HU_SPAAK_KEYS,
    MATRIX_BCM_STATUS,
    MATRIX_SPAAK_BCM_CMD,
    MATRIX_SPAAK_BCM_ASK,
    MATRIX_BCM_SPAAK_ANSWER,
    MATRIX_UDS_SPAAK_REQ,
    MATRIX_UDS_SPAAK_RSP,
    MATRIX_UDS_TBM_REQ,
    MATRIX_UDS_TBM_RSP,
    MATRIX_UDS_SGW_REQ,
    MATRIX_UDS_SGW_RSP,
    MATRIX_UDS_FUNCTIONAL,
    MATRIX_MESSAGES
};

struct matrix_row {
    uint32_t id; /* 11-bit */
    const char *name;
    enum matrix_kind kind;
    enum matrix_node sender;
    unsigned receivers; /* set of enum matrix_node; the SGW only where the message ends there */
    enum segment from;
    unsigned to;         /* set of segments where it is heard; with `from` in it, the sender's own is one */
    uint8_t length;      /* longest frame, bytes */
    unsigned formats;    /* set of enum matrix_format; with both, an answer has the format of its request */
    uint16_t cycle_ms;   /* 0: on event */
    uint16_t pdu_max;    /* ISO-TP: longest message in frames of `length`, bytes */
    uint16_t burst;      /* frames the SGW lets through at once ... */
    uint16_t per_second; /* ... and the steady rate after that */
};

/* Fields of TBM_Status, 8 bytes: byte 0 flags, byte 1 alive counter (0..15), byte 7 checksum. */
#define TBM_STATUS_LENGTH     8
#define TBM_STATUS_CONNECTED  1u /* the TBM has a session with GSDP */
#define TBM_STATUS_SUBSCRIBED 2u /* and is subscribed to the SpaaK topic */

/* WCP_Status and Door_Status, from the readers of pad and door, 8 bytes: byte 0 flags, byte 1 alive counter
 * (0..15), byte 7 checksum. */
#define READER_STATUS_LENGTH 8
#define READER_STATUS_WORKS  1u /* the reader can make a field */
#define READER_STATUS_FIELD  2u /* the field is on */
#define READER_STATUS_CARD   4u /* a Digital Key device is selected */

const struct matrix_row *matrix_row(enum matrix_message m);
/* NULL when no row has this identifier. */
const struct matrix_row *matrix_find(uint32_t id);
const struct matrix_row *matrix_find_name(const char *name);

/* Where flow control and answers to an ISO-TP row come back; NULL for other kinds. */
const struct matrix_row *matrix_pair(const struct matrix_row *row);
/* Where frames of this row must go to be heard by all, beside the segment they come from: a set. */
unsigned matrix_relayed(const struct matrix_row *row);
/* Is this one of diagnostics, which the SGW lets through only while its gate is open? */
bool matrix_diagnostic(const struct matrix_row *row);

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
