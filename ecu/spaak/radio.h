/* The SpaaK Module's Bluetooth LE (lib/media/ble; OP-06): it is on the air for phones that hold a key, and
 * for owner pairing; each that opens the channel has a link here, whose approach
 * (lib/ccc/vehicle/vehicle_approach.h) says who it is. A link that is READY is a place for sessions, as the
 * readers are.
 *
 *   radio.c           what is advertised, links that come and go, the news of the radio
 *   radio_approach.c  the steps of approaches, bonds in the store, APDUs of sessions
 *   nearness.c        how strong a phone is heard, and what for that is enough */
#ifndef ecu_spaak_radio_h
#define ecu_spaak_radio_h

#include "lib/ble/words.h"
#include "lib/ccc/vehicle/vehicle_approach.h"
#include "lib/env/env.h"

struct spaak;

#define SPAAK_LINKS       4          /* phones at a time; one more is sent away */
#define SPAAK_BOND_PREFIX "dk/bond/" /* and keyID: how Bluetooth knows the phone of that key, sealed */
#define SPAAK_SPSM        0x0080
#define SPAAK_SELECT      32 /* a SELECT is at most so long */
/* There is one out-of-band key at a time. Who has it pairs within this time if others wait: three turns end
 * before a phone gives up waiting for First_Approach_RS (5 s). */
#define SPAAK_OOB_TURN_MS 1500
#define SPAAK_NAMELESS_MS 1000 /* then a link gives way to another, unless it has said whose it is */

struct spaak_link {
    bool used, channel;
    char peer[BLE_ADDRESS_TEXT]; /* its address on the link */
    bool bonded;                 /* encrypted with the bond of key_id */
    uint8_t key_id[ENDPOINT_KEY_ID];
    bool gave_oob;            /* our radio has the phone\'s out-of-band data, until the link is over */
    unsigned level, key_size; /* of the link */
    uint64_t up_us;
    unsigned oob_number;       /* not 0: waits for its turn to have our out-of-band data, lowest first */
    enum approach_state timed; /* the state that due_us is of; 0: of none yet */
    uint64_t due_us;
    bool has_opened; /* the doors were unlocked in this link's time */
    bool wanted;     /* the phone asks for a transaction */
    bool told;       /* that its key has ended: once over this link */
    bool awaits;     /* an answer to an APDU */
    bool measures;   /* how strong it is heard was asked for */
    bool heard;      /* at heard_us, so strong: INT8_MIN when the radio does not know */
    int8_t signal_dbm;
    uint64_t heard_us;
    uint8_t said_far;             /* for which orders, bit by bit: said once until it is near enough */
    uint8_t select[SPAAK_SELECT]; /* goes out when the timer fires */
    size_t select_len;
    struct vehicle_approach approach;
};

struct spaak_radio {
    bool up;
    bool on_air, for_pairing; /* advertises; with what pairing needs */
    int oob_of;               /* link whose turn it is to have our out-of-band data; -1: none */
    uint64_t oob_since_us;    /* its turn */
    unsigned oob_number;      /* of the last that asked */
    struct spaak_link links[SPAAK_LINKS];
};

/* After a start, and when keys, identity or pairing have changed: what is on the air. */
void radio_look(struct spaak *s);
/* The module goes down: nobody is told. */
void radio_stop(struct spaak *s);
void radio_on_link(struct spaak *s, enum link_state state);
void radio_on_news(struct spaak *s, const char *address, const char *news);
void radio_on_bytes(struct spaak *s, const char *address, struct span sdu);
/* Of a link; SPAAK_LINKS: another private address; SPAAK_LINKS + 1: a phone is not near enough yet. */
void radio_on_timer(struct spaak *s, unsigned link);

/* ---- for sessions at a link, whose place is SPAAK_AIR + link ---- */

/* After that gap, if not 0. */
void radio_select(struct spaak *s, unsigned link, struct span select, unsigned gap_ms);
void radio_send(struct spaak *s, unsigned link, struct span command);
/* The transaction is over; the link stays. */
void radio_deselect(struct spaak *s, unsigned link);
/* A phone is there that may open the car: READY, no session under way. */
bool radio_is_ready(const struct spaak *s, unsigned link);
/* The same, whatever is under way there. */
bool radio_is_secure(const struct spaak *s, unsigned link);
/* Owner pairing is under way over it, and no key of it was accepted. */
bool radio_waits_for_key(const struct spaak *s, unsigned link);
/* Owner pairing over this link has made a key that the phone knows. */
void radio_accepted(struct spaak *s, unsigned link);
/* Disconnects. */
void radio_hang_up(struct spaak *s, unsigned link);
/* It is gone. */
void radio_drop(struct spaak *s, unsigned link);
/* Claims the bond of that key, if there is one; of a key that is forgotten, none. */
void radio_claim(struct spaak *s, const struct vehicle_key *k);
void radio_unclaim(struct spaak *s, const struct vehicle_key *k);
/* Puts: what Bluetooth knew of that key goes with it. */
void radio_put_no_bond(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID]);

#endif
