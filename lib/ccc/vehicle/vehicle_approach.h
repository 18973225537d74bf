/* The vehicle's end of an approach (approach.h; OP-06/3 to /7): who it is that opened the channel, pairing
 * with out-of-band data of both ends, Time_Sync; then the APDUs of its owner's sessions pass.
 *
 *   CLEAR          First_Approach_RQ, or the event that asks for owner pairing, and nothing else, within
 *                  VEHICLE_APPROACH_CLEAR_MS
 *   OWNER_PAIRING  APDUs of the framework, no time limit but the owner's; vehicle_approach_accepted says that
 *                  a key was made, then CLEAR again, for that key's First_Approach_RQ
 *   READING
 *   PAIRING        First_Approach_RS is out: the phone pairs within VEHICLE_APPROACH_PAIRING_MS
 *   STORING
 *   SECURE         Time_Sync within VEHICLE_APPROACH_CLEAR_MS
 *   READY
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

struct vehicle_approach {
    struct approach both;
    const struct vehicle_key *keys; /* borrowed: any of them may approach that is not terminated */
    size_t n_keys;
    bool may_pair;                   /* owner pairing is open */
    uint8_t key_id[ENDPOINT_KEY_ID]; /* who it says it is, once has_key */
    bool has_key;
};

/* The channel is open. bonded: the key whose bond the link is encrypted with, level and key size as the radio
 * has them; NULL: it is in the clear. */
struct approach_step vehicle_approach_begin(struct vehicle_approach *a, const struct vehicle_key *bonded,
                                            unsigned level, unsigned key_size);
struct approach_step vehicle_approach_input(struct vehicle_approach *a, struct span sdu);
/* Ours, as APPROACH_READ_OOB asked for; NULL: the radio has none. */
struct approach_step vehicle_approach_oob(struct vehicle_approach *a, const struct approach_oob *own);
/* Of STORE_BOND. */
struct approach_step vehicle_approach_stored(struct vehicle_approach *a, enum err stored);
/* Owner pairing made this key and the phone knows: event BLE_pairing_ready; its approach may follow. `keys`
 * were set anew. */
struct approach_step vehicle_approach_accepted(struct vehicle_approach *a);
/* Nothing happened for so long; 0: it may take what it takes. */
unsigned vehicle_approach_patience_ms(const struct vehicle_approach *a);
struct approach_step vehicle_approach_late(struct vehicle_approach *a);
void vehicle_approach_wipe(struct vehicle_approach *a);

#endif
