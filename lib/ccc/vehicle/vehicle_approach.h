/* The vehicle's end of an approach (approach.h; OP-06/3 to /7): who it is that opened the channel, pairing
 * with out-of-band data of both ends, Time_Sync; then the APDUs of its owner's sessions pass.
 *
 *   CLEAR     the link is not encrypted: First_Approach_RQ, or the event that asks for owner pairing, and
 *             nothing else, within VEHICLE_APPROACH_CLEAR_MS
 *   PAIRING   owner pairing: APDUs of the framework, no time limit but the owner's; vehicle_approach_accepted
 *             says that a key was made, then CLEAR again, for that key's First_Approach_RQ
 *   READING   of our own out-of-band data
 *   ANSWERED  First_Approach_RS is out: the phone pairs within VEHICLE_APPROACH_PAIRING_MS
 *   STORING   the bond
 *   SECURE    Time_Sync within VEHICLE_APPROACH_CLEAR_MS
 *   READY     transactions
 *   OVER
 *
 * Bluetooth takes a pairing for authenticated when one end had the other's data. So a bond is kept only when
 * this approach had the phone's data from a good First_Approach_RQ, its own answer was sent, and the identity
 * that comes with the keys is that of the request; whatever else brings keys ends the approach. */
#ifndef lib_ccc_vehicle_vehicle_approach_h
#define lib_ccc_vehicle_vehicle_approach_h

#include "lib/ccc/approach.h"
#include "lib/ccc/vehicle/vehicle_key.h"

#define VEHICLE_APPROACH_CLEAR_MS   5000
#define VEHICLE_APPROACH_PAIRING_MS 30000

enum vehicle_approach_state {
    VA_CLEAR,
    VA_PAIRING,
    VA_READING,
    VA_ANSWERED,
    VA_STORING,
    VA_SECURE,
    VA_READY,
    VA_OVER,
    VA_STATES
};

struct vehicle_approach {
    struct crypto *crypto;
    const struct vehicle_key *keys; /* borrowed: any of them may approach that is not terminated */
    size_t n_keys;
    bool may_pair; /* owner pairing is open */
    enum vehicle_approach_state state;
    uint8_t key_id[ENDPOINT_KEY_ID]; /* who it says it is, once has_key */
    bool has_key;
    struct approach_oob peer; /* from First_Approach_RQ */
    struct approach_pairing pairing;
    struct time_sync time_sync;
    struct approach_queue queue;
};

/* The channel is open. bonded: the key whose bond the link is encrypted with, level and key size as the radio
 * has them; NULL: it is in the clear. */
struct approach_step vehicle_approach_begin(struct vehicle_approach *a, const struct vehicle_key *bonded,
                                            unsigned level, unsigned key_size);
struct approach_step vehicle_approach_input(struct vehicle_approach *a, struct span sdu);
/* Ours, as APPROACH_READ_OOB asked for; NULL: the radio has none. */
struct approach_step vehicle_approach_oob(struct vehicle_approach *a, const struct approach_oob *own);
/* The link is encrypted now. */
struct approach_step vehicle_approach_encrypted(struct vehicle_approach *a, unsigned level,
                                                unsigned key_size);
/* Keys that pairing has brought. authenticated: as the radio says. */
struct approach_step vehicle_approach_ltk(struct vehicle_approach *a, bool authenticated, unsigned key_size,
                                          const uint8_t ltk[CCC_KEY]);
struct approach_step vehicle_approach_identity(struct vehicle_approach *a,
                                               const uint8_t address[APPROACH_ADDRESS],
                                               const uint8_t irk[CCC_KEY]);
/* Pairing or encryption has failed. */
struct approach_step vehicle_approach_failed(struct vehicle_approach *a);
/* Of STORE_BOND. */
struct approach_step vehicle_approach_stored(struct vehicle_approach *a, enum err stored);
/* Owner pairing made this key and the phone knows: event BLE_pairing_ready; its approach may follow. `keys`
 * were set anew. */
struct approach_step vehicle_approach_accepted(struct vehicle_approach *a);
/* Nothing happened for so long; 0: it may take what it takes. */
unsigned vehicle_approach_patience_ms(const struct vehicle_approach *a);
struct approach_step vehicle_approach_late(struct vehicle_approach *a);
struct approach_step vehicle_approach_proceed(struct vehicle_approach *a);
/* In the words of traces: "CLEAR". */
const char *vehicle_approach_state_name(enum vehicle_approach_state s);
void vehicle_approach_wipe(struct vehicle_approach *a);

#endif
