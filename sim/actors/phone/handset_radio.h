/* The phone's Bluetooth LE (lib/media/ble): it looks for the vehicles whose keys it holds, and approaches
 * those that it hears (lib/ccc/device/device_approach.h); over the channel its applet and framework hear the
 * vehicle, as over a reader. One vehicle at a time.
 *
 *   OFF         Bluetooth is switched off, there is no adapter, or no battery
 *   IDLE        nothing to look for
 *   SCANNING
 *   CONNECTING  to the vehicle of `key`; with its bond, if there is one, also ENCRYPTING, within
 *               HANDSET_RADIO_ENCRYPT_MS
 *   READING     the SPSM, OPENING the channel: each within DEVICE_APPROACH_ANSWER_MS, as an answer of the
 *               approach
 *   CONNECTED   the channel is open: the approach
 *   LEAVING     until the link is down */
#ifndef sim_actors_phone_handset_radio_h
#define sim_actors_phone_handset_radio_h

#include "lib/ble/words.h"
#include "lib/ccc/device/applet.h"
#include "lib/ccc/device/device_approach.h"
#include "lib/env/env.h"

struct phone;

enum radio_state {
    RADIO_OFF,
    RADIO_IDLE,
    RADIO_SCANNING,
    RADIO_CONNECTING,
    RADIO_ENCRYPTING,
    RADIO_READING,
    RADIO_OPENING,
    RADIO_CONNECTED,
    RADIO_LEAVING,
    RADIO_STATES
};

/* More than the 5 s after which a vehicle's radio itself says that it has no key (lib/media/ble). */
#define HANDSET_RADIO_ENCRYPT_MS 10000

/* Store, by index of the key: its vehicle as Bluetooth knows it (secret). And who this phone is. */
#define PHONE_BOND     "radio/bond/"
#define PHONE_RADIO    "radio/own"
#define PHONE_RADIO_ON "radio/on" /* present when the user has switched Bluetooth on */

/* A bond that this phone claims to have. */
struct phone_bond_claim {
    bool is;
    uint8_t key_id[ENDPOINT_KEY_ID];
};

/* Of one vehicle, or of whoever offers owner pairing. */
struct phone_patience {
    unsigned refused;  /* links, one after the other */
    uint64_t until_us; /* it is left alone so long */
    bool heard;        /* since the phone listened anew */
};
#define PHONE_RADIO_PAIRS APPLET_KEYS /* in the place of a key: owner pairing */

struct phone_radio {
    bool on, up; /* switched on; the adapter is there */
    enum radio_state state;
    bool wants_pairing;             /* the user wants to pair over Bluetooth */
    bool pairs;                     /* this link is for that */
    unsigned key;                   /* index, unless it pairs */
    bool bonded;                    /* there is a bond of that key, and the link goes by it */
    bool distrusts;                 /* the vehicle did not know it: the next approach is a first one */
    char vehicle[BLE_ADDRESS_TEXT]; /* its address on the link */
    uint16_t spsm;
    bool gave_oob; /* our radio has the vehicle's out-of-band data, until the link is over */
    struct device_approach approach;
    uint64_t ready_us; /* the link is READY since then; 0: it is not */
    bool refused;      /* the link has ended, or ends, because one of the two does not want it */
    struct phone_patience patience[APPLET_KEYS + 1];
    struct phone_bond_claim claimed[APPLET_KEYS];
    unsigned known; /* keys, bit by bit, when that was looked at */
};

/* After a start, and when the battery is back. */
void handset_radio_begin(struct phone *p);
/* As when the battery goes. */
void handset_radio_stop(struct phone *p);
enum err handset_radio_switch(struct phone *p, bool on);
/* Owner pairing over Bluetooth, with the password that the framework holds. */
enum err handset_radio_pair(struct phone *p);
/* The app asks the vehicle for a transaction. ERR_MSG_UNEXPECTED: it is not near; whom the phone has left
 * alone is approached again. */
enum err handset_radio_want(struct phone *p);
/* Keys or password have changed. */
void handset_radio_look(struct phone *p);
void handset_radio_on_link(struct phone *p, enum link_state state);
void handset_radio_on_news(struct phone *p, const char *address, const char *news);
void handset_radio_on_bytes(struct phone *p, struct span sdu);
/* The framework's answer. */
void handset_radio_answer(struct phone *p, struct span message);
/* An approach took too long, or a pause is over. */
void handset_radio_late(struct phone *p);
void handset_radio_show(struct phone *p);
/* Puts: the key of that index is gone. */
enum err handset_radio_put_no_bond(struct phone *p, unsigned key);

#endif
