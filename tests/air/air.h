/* A small pair on Bluetooth LE: a lock that advertises, and a fob that pairs with it once and opens it from
 * then on. */
#ifndef tests_air_air_h
#define tests_air_air_h

#include "lib/ble/words.h"
#include "lib/crypto/smp.h"
#include "lib/env/env.h"

#define AIR_SPSM  0x0080
#define AIR_MTU   512
#define AIR_UUID  0xFF, 0xF5
#define AIR_HELLO (1 + 2 * BLE_KEY) /* 'H', confirm value, random value: in clear, as no real one does */

extern const struct component_class lock_class, fob_class;

/* "Hello", "Open", "Done" */
const char *air_name_of(struct span message);
extern const char *const air_names[];

/* Tells the port of both. */
enum err air_tell(struct env *env, const char *address, enum ble_tell verb, const struct ble_said *said);
/* Sends the confirm and random values of "oob". */
enum err air_send_hello(struct env *env, const char *address, const struct ble_said *oob);
/* Those of another; ERR_MSG_MALFORMED. */
enum err air_take_hello(struct env *env, const char *address, struct span message);
void air_refuse(struct env *env, const char *step, enum err reason, const char *address);

#endif
