/* NFC: a reader listens, a connection is a card in its field. Closing it takes the card away, two connections
 * are two cards. One command to a card, one answer back.
 *
 * A reader: env_tell(port, "", "field-on" or "field-off"), off at first. News "card-here" with the card's
 * address ("card1"), told while the field is on, and "card-gone" of a card that was told of since then.
 * env_send_bytes(port, card, command): ERR_BUSY while an answer is awaited, ERR_NOT_FOUND for no such card.
 *
 * A card: env_tell(port, reader, "open"), env_tell(port, "", "close"). Its link is up when the reader has
 * taken it, with or without field; a reader that is away takes it when it is there, one with NFC_CARDS cards
 * tells it "down". News "field-on", "field-off" (a reset). Bytes are a command; env_send_bytes(port, "",
 * answer): ERR_MSG_UNEXPECTED when none is awaited.
 *
 * In the process world a Unix stream socket carries frames of type(1) length(2, big-endian) payload: 00 APDU,
 * 01 field on, 02 field off, 03 tag lost. A reader's first frame, 01 or 02, says that it has taken the card.
 * Anything else ends the connection. A card of the run first proves itself by 04 greeting (lib/host/door.h);
 * a reader whose socket was put elsewhere by --nfc takes any card of this user, and no greeting. docs/air.md
 * tells it all to somebody outside. */
#ifndef lib_media_nfc_nfc_h
#define lib_media_nfc_nfc_h

#include "lib/host/medium.h"

#define NFC_APDU_MAX 4096 /* bytes; a longer frame ends the connection */
#define NFC_CARDS    8    /* in one field, at most */
#define NFC_HEADER   3
#define NFC_OUT_MAX  65536      /* bytes that wait for one card; no more are taken for it */
#define NFC_ADDRESS  16         /* "card12", with its end */
#define NFC_FOREIGN  "foreign." /* option of a card's endpoint: somebody outside the run is that reader */

enum nfc_frame { NFC_APDU, NFC_FIELD_ON, NFC_FIELD_OFF, NFC_TAG_LOST, NFC_FRAMES, NFC_GREETING = NFC_FRAMES };

/* In virtual time. */
#define NFC_TOUCH_US 1000u /* until a card that comes or goes, or a field that changes, is noticed */
/* How long so many bytes are in the air, at 106 kbit/s. */
uint64_t nfc_air_us(size_t len);

extern const struct medium medium_nfc;

#endif
