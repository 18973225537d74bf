/* What surrounds a stored record, so that a reader can tell damage from a form that it does not know, and its
 * own records from those of another device or vehicle. The same for every kind:
 *
 *   "DKR1" | version(2) | kind(1) | entry(1) | owner(16) | length of the body(4) | digest(32) | body
 *
 * Numbers begin with the most significant byte. digest: SHA-256 of everything else. It is no MAC and hides
 * nothing: who stores a record that holds secrets seals it. */
#ifndef lib_ccc_records_envelope_h
#define lib_ccc_records_envelope_h

#include "lib/crypto/p256.h"

#define ENVELOPE_HEADER 60 /* bytes in front of the body */
#define ENVELOPE_OWNER  16

/* Numbers are stored. */
enum envelope_kind { ENVELOPE_PHONE_FRAMEWORK = 1, ENVELOPE_PHONE_KEY = 2, ENVELOPE_VEHICLE_KEY = 3 };

struct envelope {
    enum envelope_kind kind;
    uint16_t version; /* of the form of such a body */
    uint8_t entry;    /* where there are several of that kind; else 0 */
    uint8_t owner[ENVELOPE_OWNER];
};

/* Closes the envelope around a body that stands at record + ENVELOPE_HEADER. */
void envelope_close(struct crypto *c, const struct envelope *e, uint8_t *record, size_t body_len);

/* What a reader takes. */
struct envelope_wanted {
    enum envelope_kind kind;
    uint16_t oldest, newest; /* versions of the form */
    uint8_t entry;
    const uint8_t *owner; /* NULL: any */
};
/* *body points into the record. In this order: ERR_RECORD_TORN (magic, length, digest: so a flipped bit is
 * always this), ERR_RECORD_FOREIGN (another kind), ERR_RECORD_OLDER, ERR_RECORD_NEWER, ERR_RECORD_FOREIGN
 * (another owner, another entry). */
enum err envelope_open(struct crypto *c, struct span record, const struct envelope_wanted *wanted,
                       struct envelope *out, struct span *body);

#endif
