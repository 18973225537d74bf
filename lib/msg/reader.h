/* What the SpaaK Module and an NFC reader (charging pad, door handle) say to each other: each message is one
 * ISO-TP PDU, type(1) number(1) body. lib/msg/reader_channel.h carries them.
 *
 * SpaaK Module to reader; it chooses the number, one that differs from the one before:
 *
 * - 01 POLL, C-APDU: field on; each card that comes is selected with this SELECT, and again while it is there
 *   and does not answer as a Digital Key device
 * - 02 APDU, C-APDU: to the card that is selected
 * - 03 REPOLL, gap_ms(2) C-APDU: field off for the gap, a reset of all cards; then as POLL
 * - 04 OFF: field off
 *
 * Reader to SpaaK Module:
 *
 * - 81 SELECTED, R-APDU: a Digital Key device is here and alone; its answer to SELECT
 * - 82 RESPONSE, R-APDU: to the APDU of this number
 * - 83 LOST, reason(1): nobody is served any more: enum reader_loss; the reader goes on polling with the last
 *   SELECT, and what comes of it is another SELECTED
 * - 84 DONE: the OFF, POLL or REPOLL of this number: polling has begun
 * - 85 REFUSED, reason(2): the command of this number: enum err
 *
 * SELECTED and LOST have the number of the POLL or REPOLL whose polling they belong to; of another number
 * they are of a time that is over. LOST comes without SELECTED before it when two came at once, and when a
 * reader fails that polls.
 *
 * POLL, REPOLL and OFF replace whatever was before, what the reader has not yet said included: who has begun
 * anew begins with one of them. An APDU with the number of the last one is that one again: the card hears it
 * once, and the answer that got lost is said again. Who hears in the reader's status that a card is selected
 * and has had no SELECTED asks by POLL.
 *
 * REFUSED: NOT_FOUND (no card is selected), BUSY (an APDU is under way), LINK_DOWN (the reader cannot make a
 * field; nothing has begun), MSG_MALFORMED (no such type), MSG_WRONG_DIRECTION, TRUNCATED, TRAILING_BYTES,
 * MSG_TOO_LONG, BAD_ARGUMENT (a gap out of its range, no SELECT of framework, applet or card key, no C-APDU).
 */
#ifndef lib_msg_reader_h
#define lib_msg_reader_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/can/matrix.h"

#define READER_COMMAND_MIN  4   /* C-APDU, bytes: the header */
#define READER_COMMAND_MAX  261 /* short form */
#define READER_RESPONSE_MIN 2   /* R-APDU: the status word */
#define READER_RESPONSE_MAX 258
#define READER_GAP_MIN_MS   1
#define READER_GAP_MAX_MS   10000
#define READER_PDU_MAX      (4 + READER_COMMAND_MAX)

enum reader_type {
    READER_POLL = 0x01,
    READER_APDU = 0x02,
    READER_REPOLL = 0x03,
    READER_OFF = 0x04,
    READER_SELECTED = 0x81,
    READER_RESPONSE = 0x82,
    READER_LOST = 0x83,
    READER_DONE = 0x84,
    READER_REFUSED = 0x85
};

enum reader_loss {
    READER_LOST_LIFTED = 1, /* the card was taken away */
    READER_LOST_MUTE,       /* no answer in time, or none that is an R-APDU; the field is reset */
    READER_LOST_SECOND,     /* another Digital Key device is in the field: until one is gone */
    READER_LOST_FAILED,     /* the reader can make no field; it polls again when it can */
    READER_LOSSES
};

struct reader_command {
    enum reader_type type; /* POLL, APDU, REPOLL, OFF */
    uint8_t number;
    uint16_t gap_ms;  /* REPOLL */
    struct span apdu; /* POLL, REPOLL: SELECT; APDU. Borrowed */
};

struct reader_report {
    enum reader_type type; /* SELECTED, RESPONSE, LOST, DONE, REFUSED */
    uint8_t number;
    struct span apdu;      /* SELECTED, RESPONSE. Borrowed */
    enum reader_loss loss; /* LOST */
    enum err reason;       /* REFUSED; a newer reader may have one that we do not know */
};

/* Promises, asserted: lengths, gap, loss and reason are in their range, and the type is of this direction. */
void reader_command_put(struct wr *w, const struct reader_command *c);
void reader_report_put(struct wr *w, const struct reader_report *r);
/* out is written when all is well; but *number, when not NULL, as soon as there is one, else 0: a refusal
 * repeats it. Errors as REFUSED has them above; what is in an APDU is not looked at. */
enum err reader_command_parse(struct span pdu, struct reader_command *out, uint8_t *number);
enum err reader_report_parse(struct span pdu, struct reader_report *out);

/* For traces: "POLL"; NULL for no such type. */
const char *reader_type_name(unsigned type);
/* "lifted", "mute", "second card", "failed". */
const char *reader_loss_name(enum reader_loss loss);

/* ---- where it is, and which rows of the matrix are its own ---- */

enum reader_place { READER_PAD, READER_DOOR, READER_PLACES };

enum matrix_message reader_row_command(enum reader_place p);
enum matrix_message reader_row_report(enum reader_place p);
enum matrix_message reader_row_status(enum reader_place p);

#endif
