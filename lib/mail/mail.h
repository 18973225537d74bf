/* Mail messages (RFC 5322, MIME) in one canonical form: short, plain text, one recipient. Both worlds carry
 * these bytes, and the file that a person reads holds them.
 *
 * Seven bits throughout, lines end with CR LF, fields in this order and each once:
 *
 *     Date: Thu, 01 Jan 2026 00:00:00 +0000
 *     From: <address>
 *     To: <address>
 *     Message-ID: <32 hex digits@domain of From>
 *     Subject: as it is, or in encoded words (RFC 2047, UTF-8, Q) of whole characters, one a line
 *     MIME-Version: 1.0
 *     Content-Type: text/plain; charset=utf-8
 *     Content-Transfer-Encoding: 7bit, or quoted-printable when the text is not ASCII, has a line of more
 * than MAIL_LINE_MAX characters or one that ends with a blank
 *
 * and the text after an empty line. Dots at the beginning of lines are the transport's affair. Nothing that a
 * caller hands in reaches the head but what was checked or encoded: it cannot add a line. */
#ifndef lib_mail_mail_h
#define lib_mail_mail_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define MAIL_ADDRESS_MAX 254 /* characters; RFC 5321 4.5.3.1: 256 with its brackets */
#define MAIL_LOCAL_MAX   64
#define MAIL_SUBJECT_MAX 200 /* bytes of UTF-8 */
#define MAIL_TEXT_MAX    8000
#define MAIL_LINE_MAX    200 /* of a text that goes as it is; a link stays whole */
#define MAIL_ID_SIZE     16
#define MAIL_MESSAGE_MAX 28000 /* whole, bytes: every byte of the text encoded, and the longest head */
#define MAIL_NAME_MAX    64    /* of a message for faults, with its end */

struct mail {
    int64_t date_s;           /* since 1970, up to the end of 9999 */
    struct span from, to;     /* addresses, without brackets */
    struct span subject;      /* UTF-8, one line, may be empty */
    struct span text;         /* UTF-8, lines end with LF */
    uint8_t id[MAIL_ID_SIZE]; /* of the sender's randomness */
};

/* One mailbox: "name@host.example", a local part of dot-separated atoms (RFC 5322 3.4.1, ASCII, not quoted),
 * a domain of letters, digits and inner hyphens. */
bool mail_address_ok(struct span address);

/* ERR_BAD_ARGUMENT for an address or a date that is none, ERR_BAD_SYNTAX for a subject or text that is not
 * UTF-8 or has characters that must not reach a terminal (text_character; the text may have LF),
 * ERR_MSG_TOO_LONG, ERR_NO_SPACE. */
enum err mail_write(const struct mail *m, struct wr *w);

/* Takes exactly what mail_write writes; the addresses point into the message, subject and text into `room`. A
 * last line that had no end has one. ERR_MSG_MALFORMED, ERR_MSG_TOO_LONG. */
#define MAIL_ROOM (MAIL_SUBJECT_MAX + MAIL_TEXT_MAX + 1)
enum err mail_read(struct span bytes, uint8_t room[MAIL_ROOM], struct mail *out);

/* For faults: whom it is to; "?" for what is no message, and for a longer address. Valid until the next call
 * in this thread. */
const char *mail_message_name(struct span bytes);
/* Could that be one? */
bool mail_message_name_ok(const char *name);

#endif
