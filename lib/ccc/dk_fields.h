/* What stands in DK messages, field by field: for people, and for who compares two of them. Those of a
 * message come in the order of their bytes, and cover all of them. */
#ifndef lib_ccc_dk_fields_h
#define lib_ccc_dk_fields_h

#include "lib/ccc/dk_message.h"

#define DK_FIELDS_MAX 8

enum dk_nature {
    DK_PLAIN,
    DK_RANDOM, /* drawn anew each time */
    DK_SEALED, /* under a key, with a random number beside it */
    DK_CLOCK   /* of the sender's own clock */
};

struct dk_field {
    const char *name;
    enum dk_nature nature;
    struct span value; /* borrowed */
};

/* How many; 0: the message carries an APDU, has another length than it must have, or is none that we know. */
size_t dk_fields(const struct dk_message *m, struct dk_field out[DK_FIELDS_MAX]);
/* The nth field that such a message has, its length in *len; NULL: there are no more. */
const char *dk_fields_name(enum dk_type type, uint8_t id, size_t n, size_t *len);
bool dk_message_is_apdu(const struct dk_message *m);
/* "BLE_pairing_ready"; NULL: none of category 01. */
const char *dk_event_name(uint8_t code);
/* A field's value as people read it: a number, an event's name, or hex. */
#define DK_VALUE_MAX 100
void dk_fields_describe(const struct dk_message *m, const struct dk_field *f, char out[DK_VALUE_MAX]);
/* One line for people: "SE DK_APDU_RQ, 19 bytes: SELECT applet 00 A4 04 00, 13 bytes",
 * "Event notification, 2 bytes: category 01, code 00 deselect_SE". What is sealed or random has its length.
 */
#define DK_TEXT_MAX 400
void dk_fields_line(struct span sdu, char out[DK_TEXT_MAX]);

#endif
