/* State of owner pairing and unlocking inside the SpaaK Module (pairing.h). */
#ifndef ecu_spaak_pairing_types_h
#define ecu_spaak_pairing_types_h

#include "ecu/spaak/radio.h"
#include "lib/card/card_check.h"
#include "lib/ccc/vehicle/vehicle_finish.h"
#include "lib/msg/cabin.h"
#include "lib/msg/reader_channel.h"

#define SPAAK_KEYS  8  /* of phones, whatever their state */
#define SPAAK_SLOT  8  /* bytes of a slot identifier */
#define SPAAK_TOKEN 16 /* bytes of an immobilizer token */

/* Numbers are those of enum reader_place. */
enum spaak_place {
    SPAAK_PAD,
    SPAAK_DOOR,
    SPAAK_PLACES,
    SPAAK_AIR = SPAAK_PLACES, /* the first link over Bluetooth; the others follow */
    SPAAK_ALL_PLACES = SPAAK_AIR + SPAAK_LINKS
};

struct spaak_keys {
    struct vehicle_key list[SPAAK_KEYS]; /* open */
    size_t count;
    bool ended; /* the device knows that this one is terminated: deleted when no session looks at the list */
    uint8_t ended_id[ENDPOINT_KEY_ID];
    uint64_t ended_from_us; /* and not before this */
    bool ownerless;         /* verifiers are to be asked for, at the next look */
};

struct session;
#define READER_SELECT 32 /* a SELECT is at most so long */

/* Of a phone that has unlocked, at its reader (presence.c). */
enum spaak_presence {
    PRESENCE_NONE,   /* nobody has to leave before somebody is asked for */
    PRESENCE_HERE,   /* selected; the field stays on until it is gone */
    PRESENCE_UNSEEN, /* the field was off: it may be there still */
    PRESENCE_ASKED,  /* the field is on again: is it? */
    PRESENCE_LEAVING /* the reader says that it is gone; not yet for long enough */
};

struct spaak_reader {
    struct reader_channel *channel; /* from the first message on: most readers of a fleet never have one */
    uint8_t number;                 /* of the last command; answers repeat it */
    uint8_t polled;                 /* of the last that polls: SELECTED and LOST repeat it */
    bool awaits;                    /* SELECT was asked for, SELECTED has not come */
    bool begun;                     /* DONE has: the reader polls */
    struct session *session;        /* NULL: none */
    uint8_t select[READER_SELECT];  /* of the last poll */
    size_t select_len;
    unsigned waited;           /* for the answer to a command, in rounds of the timer */
    uint64_t polled_us;        /* when the field is on, at the latest */
    uint64_t not_before_us;    /* a phone that failed is asked again then */
    uint64_t follows_until_us; /* a follow-up waits so long for the same phone; 0: the session is none */
    bool opened;               /* the phone under way, follow-ups included, has unlocked */
    bool obeyed;               /* the doors were unlocked since the last command */
    enum spaak_presence presence;
    uint64_t left_us; /* LEAVING: since then */
};

enum session_kind { SESSION_PAIRING, SESSION_FINISH, SESSION_TRANSACTION, SESSION_CARD };

/* How a session ended. */
struct session_end {
    enum session_kind kind;
    enum vehicle_phase phase; /* FINISH */
    enum vehicle_do what;     /* DONE, NO_RECEIPT, FAILED */
    enum err reason;
    enum vehicle_learnt learnt; /* FINISH */
    bool has_key;               /* who it was, or is about, though it may be refused */
    uint8_t key_id[ENDPOINT_KEY_ID];
    bool lacks_slots; /* TRANSACTION: the device has handed out slots since */
    bool stored;      /* PAIRING: its key is in the store, pending: phase 3 comes before another phase 2 */
};

/* What the pairing does now, and waits for. */
enum pairing_state {
    PAIRING_OFF,
    PAIRING_WAITS_CARD,      /* OP-02a: nothing is stored */
    PAIRING_WAITS_VERIFIERS, /* PP-03 */
    PAIRING_PHASE_2,
    PAIRING_PHASE_3,
    PAIRING_PHASE_4,
    PAIRING_STATES
};

struct pairing {
    enum pairing_state state;
    enum spaak_place place; /* the pad, or the link whose phone has asked; the pad again when that is lost */
    uint8_t key_id[ENDPOINT_KEY_ID]; /* phases 3 and 4 */
    unsigned tries;                  /* of phase 3 */
    bool turned;       /* a pending key is there, and phase 2 looks for its phone all the same */
    uint64_t until_us; /* phase 4 */
    unsigned in_vain;  /* its transactions with the same phone that brought no receipt */
    bool by_card;      /* it has stood in for the fob: still lies on the pad */
    uint8_t challenge[CARD_CHALLENGE]; /* the last that a card was asked to sign */
};

/* A key that is to be deleted, once a key fob or a card key has proved itself (deletion.c). */
struct deletion {
    bool on;
    uint8_t key_id[ENDPOINT_KEY_ID];
};

/* What is heard of head unit and body controller. */
struct cabin {
    bool bcm_heard;
    struct cabin_bcm_status bcm;
    struct cabin_heard request, status;
    uint8_t alive_notice, alive_status, alive_command;
    unsigned asked; /* how often for the key fob, with this challenge; 0: no answer is awaited (user.c) */
    uint8_t challenge[CABIN_CHALLENGE];
    struct isotp_port keys; /* the list for the head unit */
};

#endif
