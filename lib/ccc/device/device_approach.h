/* The phone's end of an approach (approach.h; OP-06/3 to /7) for one key, or for owner pairing over Bluetooth
 * LE.
 *
 *   OWNER_PAIRING  commands of the framework come (type 0), until the vehicle's event BLE_pairing_ready; then
 *                  READING. device_approach_use says for which key
 *   READING
 *   ASKED          First_Approach_RQ is out: the vehicle answers within DEVICE_APPROACH_ANSWER_MS
 *   PAIRING        within DEVICE_APPROACH_PAIRING_MS
 *   STORING
 *   READY          Time_Sync is out: commands of the applet come (type 1)
 *   OVER
 *
 * Before READY no command reaches the applet. A bond is kept only when the vehicle's data came in a good
 * First_Approach_RS and the identity that comes with the keys is that of the answer. */
#ifndef lib_ccc_device_device_approach_h
#define lib_ccc_device_device_approach_h

#include "lib/ccc/approach.h"

#define DEVICE_APPROACH_ANSWER_MS  5000
#define DEVICE_APPROACH_PAIRING_MS 30000

struct device_approach {
    struct approach both; /* whose time_sync the owner sets */
    bool has_keys;
    struct first_approach_keys keys;
};

/* The channel is open and the link in the clear. The first approach of that key. */
struct approach_step device_approach_begin(struct device_approach *a, const struct first_approach_keys *keys);
/* The same for a phone without key: asks for owner pairing. */
struct approach_step device_approach_begin_pairing(struct device_approach *a);
/* The channel is open on a link that a bond has encrypted. */
struct approach_step device_approach_begin_bonded(struct device_approach *a, unsigned level,
                                                  unsigned key_size);
/* OWNER_PAIRING: which key the owner pairing made. Before the vehicle's event, or the approach ends with it.
 */
void device_approach_use(struct device_approach *a, const struct first_approach_keys *keys);

struct approach_step device_approach_input(struct device_approach *a, struct span sdu);
struct approach_step device_approach_oob(struct device_approach *a, const struct approach_oob *own);
struct approach_step device_approach_stored(struct device_approach *a, enum err stored);
/* The user, or the app, wants a transaction (event 01/03). READY, else nothing. */
struct approach_step device_approach_want(struct device_approach *a);
unsigned device_approach_patience_ms(const struct device_approach *a);
struct approach_step device_approach_late(struct device_approach *a);
void device_approach_wipe(struct device_approach *a);

#endif
