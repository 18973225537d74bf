/* What both ends of an approach over Bluetooth LE share (CCC-TS-101 chapter 19): their steps, what they hand
 * over out of band, what a pairing leaves behind, Time_Sync, events.
 *
 * An approach is one connection, from the open channel on. It does no radio: whoever owns it tells it what
 * happens, and does what its steps say, in this order and until one is WAIT:
 *
 *   step = ..._begin(...) or whatever else happened
 *   while (step.what != APPROACH_WAIT) { do it; step = ..._proceed(...); }
 *
 * What a step asks the radio or the store for comes back by a call of its own, later; OVER is the last.
 *
 * From the other end's out-of-band data to the stored bond both ends are the same. That is here: states,
 * what pairing brings, how an approach ends. What each end says is in vehicle_approach.h, device_approach.h.
 */
#ifndef lib_ccc_approach_h
#define lib_ccc_approach_h

#include "lib/ccc/dk_message.h"
#include "lib/ccc/first_approach.h"

#define APPROACH_ADDRESS 6
#define APPROACH_SDU_MAX (DK_MESSAGE_HEADER + FIRST_APPROACH_REQUEST) /* of what an approach itself says */
#define APPROACH_LEVEL   4  /* security of a link: LE Secure Connections, authenticated */
#define APPROACH_KEY     16 /* octets of an encryption key; no shorter one is taken */
/* Messages refused until the link ends. Ours; CCC-TS-101 19 names none. A fault of the air makes one or two.
 */
#define APPROACH_REFUSALS_MAX 8

enum approach_do {
    APPROACH_WAIT,     /* until something happens, or its patience is over */
    APPROACH_SEND,     /* sdu over the channel */
    APPROACH_READ_OOB, /* fresh out-of-band data of our radio; then ..._oob */
    APPROACH_ADD_OOB, /* oob is the other end's, for this link; its address is the identity, not the link's */
    APPROACH_PAIR,    /* the phone: begins pairing */
    APPROACH_STORE_BOND, /* bond, in the store; then ..._stored */
    APPROACH_READY,      /* the link is secure and the clocks were told: transactions may be */
    APPROACH_APDU,       /* apdu, of that type: the vehicle's session has its answer, the phone a command */
    APPROACH_WANTED,     /* event: the other end asks for a transaction, or for owner pairing */
    APPROACH_REFUSED,    /* something that does not belong here was dropped: reason */
    APPROACH_OVER        /* disconnect; reason says why, ERR_OK: all is done */
};

/* Most significant octet first. */
struct approach_oob {
    uint8_t address[APPROACH_ADDRESS]; /* identity address */
    uint8_t confirm[16], random[16];
};

/* What pairing leaves: how the other end is known again. Secret. */
struct approach_bond {
    uint8_t address[APPROACH_ADDRESS]; /* identity address */
    uint8_t irk[CCC_KEY], ltk[CCC_KEY];
};

/* Pointers are valid until the next call. */
struct approach_step {
    enum approach_do what;
    struct span sdu;                  /* SEND */
    const struct approach_oob *oob;   /* ADD_OOB */
    const struct approach_bond *bond; /* STORE_BOND */
    enum dk_type type;                /* APDU */
    struct span apdu;
    enum dk_event event; /* WANTED */
    enum err reason;     /* REFUSED, OVER */
};

/* What an approach still has to say, in turn. */
#define APPROACH_STEPS 4
struct approach_queue {
    struct approach_step steps[APPROACH_STEPS];
    size_t first, count;
    uint8_t sdu[APPROACH_SDU_MAX]; /* of the one SEND that may be in it */
};
/* Asserted: there is room. */
void approach_put(struct approach_queue *q, struct approach_step s);
/* Makes the message and puts it. */
void approach_put_message(struct approach_queue *q, enum dk_type type, uint8_t id, struct span data);
void approach_put_event(struct approach_queue *q, enum dk_event event);
/* All that was to be said is not said; OVER. */
void approach_put_over(struct approach_queue *q, enum err reason);
/* WAIT when nothing is left. */
struct approach_step approach_take(struct approach_queue *q);

/* ERR_DK_LINK_WEAK: not APPROACH_LEVEL, or a shorter key. */
enum err approach_check_security(unsigned level, unsigned key_size);

/* ---- bytes ---- */

void approach_oob_put(const struct approach_oob *oob, uint8_t out[FIRST_APPROACH_OOB]);
void approach_oob_take(const uint8_t in[FIRST_APPROACH_OOB], struct approach_oob *out);

/* The category that an approach knows, command complete. ERR_TRUNCATED, ERR_TRAILING_BYTES; ERR_BAD_ARGUMENT:
 * another category, whose code means something else. */
#define DK_EVENT_COMMAND_COMPLETE 0x01
enum err approach_event_parse(struct span data, enum dk_event *out);

/* Time_Sync: the phone's clock at an event that both ends count. */
#define TIME_SYNC_LENGTH 23
struct time_sync {
    uint64_t event_count; /* of connection events */
    uint64_t device_us;   /* the device's own time at that event, microseconds */
    uint8_t uncertainty;
    bool skew_available;
    uint16_t max_ppm;
    bool success;
    uint16_t retry_delay_ms;
};
void time_sync_put(const struct time_sync *t, uint8_t out[TIME_SYNC_LENGTH]);
/* ERR_TRUNCATED, ERR_TRAILING_BYTES; ERR_BAD_ARGUMENT: a truth value that is neither 0 nor 1. */
enum err time_sync_parse(struct span in, struct time_sync *out);

/* ---- what both ends are in the middle ---- */

/* Of either end, unless it says whose. */
enum approach_state {
    AP_CLEAR,         /* vehicle: the link is not encrypted, and nobody has said who it is */
    AP_OWNER_PAIRING, /* phase 2 goes over it */
    AP_READING,       /* of our own out-of-band data */
    AP_ASKED,         /* phone: First_Approach_RQ is out */
    AP_PAIRING,       /* the other end's data are here, ours are there */
    AP_STORING,       /* the bond */
    AP_SECURE,        /* vehicle: Time_Sync is to come */
    AP_READY,         /* transactions */
    AP_OVER,
    AP_STATES
};

/* Of the radio, after a pairing; collected in any order. */
struct approach_pairing {
    bool encrypted, has_ltk, has_identity;
    struct approach_bond bond;
};

struct approach {
    struct crypto *crypto;
    enum approach_state state;
    struct approach_oob peer; /* from First_Approach_RQ or RS */
    struct approach_pairing pairing;
    struct time_sync time_sync; /* the vehicle has heard it, or the phone will say it */
    unsigned refusals;
    struct approach_queue queue;
};

/* The link is encrypted now. Like the two below: in AP_PAIRING only; when all is there, STORE_BOND. */
struct approach_step approach_encrypted(struct approach *a, unsigned level, unsigned key_size);
/* Keys that pairing has brought. authenticated: as the radio says. */
struct approach_step approach_ltk(struct approach *a, bool authenticated, unsigned key_size,
                                  const uint8_t ltk[CCC_KEY]);
struct approach_step approach_identity(struct approach *a, const uint8_t address[APPROACH_ADDRESS],
                                       const uint8_t irk[CCC_KEY]);
/* Pairing or encryption has failed. */
struct approach_step approach_failed(struct approach *a);
/* Of STORE_BOND: what the store said. True: go on behind it; false: *step is what comes of it. */
bool approach_stored(struct approach *a, enum err stored, struct approach_step *step);

/* The next step of those that are to be done; WAIT when none is left. */
struct approach_step approach_proceed(struct approach *a);
/* Over, without a word or with an event to the other end; what was to be said is not said. */
struct approach_step approach_end(struct approach *a, enum err reason);
struct approach_step approach_end_saying(struct approach *a, enum dk_event event, enum err reason);
/* REFUSED; behind the last that is permitted, ERR_DK_REFUSALS ends it, and the other end hears a general
 * error.
 */
struct approach_step approach_refuse(struct approach *a, enum err reason);
/* In the words of traces: "CLEAR". */
const char *approach_state_name(enum approach_state s);

#endif
