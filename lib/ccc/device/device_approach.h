/* The phone's end of an approach (approach.h; OP-06/3 to /7) for one key, or for owner pairing over Bluetooth
 * LE.
 *
 *   ASKING    owner pairing: commands of the framework come (type 0), until the vehicle's event
 *             BLE_pairing_ready; then READING. device_approach_use says for which key
 *   READING   of our own out-of-band data
 *   ASKED     First_Approach_RQ is out: the vehicle answers within DEVICE_APPROACH_ANSWER_MS
 *   PAIRING   out of band, both ways
 *   STORING   the bond
 *   READY     Time_Sync is out: commands of the applet come (type 1)
 *   OVER
 *
 * Before READY no command reaches the applet. A bond is kept only when the vehicle's data came in a good
 * First_Approach_RS and the identity that comes with the keys is that of the answer. */
#ifndef lib_ccc_device_device_approach_h
#define lib_ccc_device_device_approach_h

#include "lib/ccc/approach.h"

#define DEVICE_APPROACH_ANSWER_MS  5000
#define DEVICE_APPROACH_PAIRING_MS 30000

enum device_approach_state {
    DA_ASKING,
    DA_READING,
    DA_ASKED,
    DA_PAIRING,
    DA_STORING,
    DA_READY,
    DA_OVER,
    DA_STATES
};

struct device_approach {
    struct crypto *crypto;
    enum device_approach_state state;
    bool has_keys;
    struct first_approach_keys keys;
    struct approach_oob peer; /* from First_Approach_RS */
    struct approach_pairing pairing;
    struct time_sync time_sync; /* said when the link is secure; set by the owner */
    struct approach_queue queue;
};

/* The channel is open and the link in the clear. The first approach of that key. */
struct approach_step device_approach_begin(struct device_approach *a, const struct first_approach_keys *keys);
/* The same for a phone without key: asks for owner pairing. */
struct approach_step device_approach_begin_pairing(struct device_approach *a);
/* The channel is open on a link that a bond has encrypted. */
struct approach_step device_approach_begin_bonded(struct device_approach *a, unsigned level,
                                                  unsigned key_size);
/* ASKING: which key the owner pairing made. Before the vehicle's event, or the approach ends with it. */
void device_approach_use(struct device_approach *a, const struct first_approach_keys *keys);

struct approach_step device_approach_input(struct device_approach *a, struct span sdu);
struct approach_step device_approach_oob(struct device_approach *a, const struct approach_oob *own);
struct approach_step device_approach_encrypted(struct device_approach *a, unsigned level, unsigned key_size);
struct approach_step device_approach_ltk(struct device_approach *a, bool authenticated, unsigned key_size,
                                         const uint8_t ltk[CCC_KEY]);
struct approach_step device_approach_identity(struct device_approach *a,
                                              const uint8_t address[APPROACH_ADDRESS],
                                              const uint8_t irk[CCC_KEY]);
struct approach_step device_approach_failed(struct device_approach *a);
struct approach_step device_approach_stored(struct device_approach *a, enum err stored);
/* The user, or the app, wants a transaction (event 01/03). READY, else nothing. */
struct approach_step device_approach_want(struct device_approach *a);
unsigned device_approach_patience_ms(const struct device_approach *a);
struct approach_step device_approach_late(struct device_approach *a);
struct approach_step device_approach_proceed(struct device_approach *a);
const char *device_approach_state_name(enum device_approach_state s);
void device_approach_wipe(struct device_approach *a);

#endif
