/* What a vehicle's session asks its owner to do next.
 *
 * What must outlast a loss of power is a STORE step: the owner commits it, then calls the session's proceed;
 * if it cannot, store_failed. A session changes the owner's memory of a key only then, so that memory and
 * store agree. From a STORE step to that answer the record belongs to the step: nobody else changes it, no
 * other session of that key goes on. One that was suspended or terminated all the same ends the session, and
 * the owner stores the record again as it is. What a power loss before or after each step leaves:
 * docs/ccc.md. */
#ifndef lib_ccc_vehicle_vehicle_step_h
#define lib_ccc_vehicle_vehicle_step_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/ccc/dk_message.h"

struct vehicle_key;

enum vehicle_do {
    VEHICLE_SEND,              /* send the APDU, bring the answer */
    VEHICLE_POLL,              /* the device is not ready: wait a little, then proceed */
    VEHICLE_STORE_ATTEMPT,     /* one more attempt; go on with vehicle_pairing_counted */
    VEHICLE_RESET_LINK,        /* field off and on again (on Bluetooth LE: nothing), then proceed */
    VEHICLE_STORE_KEY,         /* a new record: the device's key, pending */
    VEHICLE_STORE_KPERSISTENT, /* the record with its new Kpersistent */
    VEHICLE_STORE_OFFER,       /* the record with what is given out: these identifiers are used for ever */
    VEHICLE_STORE_ACTIVE,      /* the record, active; the verifier is erased, its attempts are 0 */
    VEHICLE_STORE_RECEIPT,     /* the record, tracked; the phone's copy of the receipt goes next */
    VEHICLE_STORE_TERMINATION, /* the record, terminated, and the device's statement */
    VEHICLE_STORE_RESUMED,     /* the record, active again, and the key tracking server's statement */
    VEHICLE_OPEN,              /* authenticated: EXCHANGE or end as you like */
    VEHICLE_DATA,              /* the answer to EXCHANGE is there */
    VEHICLE_DONE,
    VEHICLE_NO_RECEIPT, /* over; phase 4 found none yet: another one at the next contact */
    VEHICLE_FAILED      /* over; reason says why */
};

/* Pointers are valid until the session's next call. */
struct vehicle_step {
    enum vehicle_do what;
    struct span apdu;              /* SEND */
    enum dk_type type;             /* SEND: whose APDU it is on Bluetooth LE */
    const struct vehicle_key *key; /* STORE_KEY and all after it: the record as it shall be stored */
    uint8_t entries;               /* STORE_OFFER: bit i: entry i */
    struct span statement;         /* STORE_RECEIPT, _TERMINATION, _RESUMED: whole, signature and all */
    enum err reason;               /* FAILED, NO_RECEIPT and POLL */
    const char *fault; /* FAILED at begin with ERR_BAD_ARGUMENT: what of the configuration is wrong */
};

/* No call but begin does anything any more. */
bool vehicle_step_over(const struct vehicle_step *s);
/* The configuration is refused. */
struct vehicle_step vehicle_step_fault(const char *fault);

/* On Bluetooth LE: the DK message that carries the APDU of a SEND (asserted). */
void vehicle_step_message(struct wr *w, const struct vehicle_step *s);
/* The APDU in the message that answers one of that type. Errors of dk_message_parse; ERR_MSG_UNEXPECTED for
 * any other message, which is no answer: the APDU is still awaited. */
enum err vehicle_message_answer(struct span sdu, enum dk_type type, struct span *apdu);

#endif
