/* A smartphone. Its app of the vehicle's maker signs its user in at the TBE, asks for the deep link with the
 * pairing password (OP-01a), and opens it; its Digital Key framework then holds the password. What went wrong
 * on the way is asked again with the same Idempotency-Key.
 *
 * Framework and applet (lib/ccc/device) are a card before NFC readers: they pair, and unlock. The device
 * OEM's server certifies their instance CA (phase 0) when it takes part in the run. Where the phone lies is
 * the user's affair and in no store: a phone that was killed has to be laid down again. */
#ifndef sim_actors_phone_phone_h
#define sim_actors_phone_phone_h

#include "lib/env/env.h"

/* Store, beside the records of lib/ccc/records: the app's installation; the vehicle whose link it asks for,
 * and the key it asks with, until it has acknowledged it; the link; the password that the framework holds. */
#define PHONE_CLIENT        "app/client"
#define PHONE_VEHICLE       "app/vehicle"
#define PHONE_KEY           "app/key"
#define PHONE_SECRET        "app/secret"
#define PHONE_LINK_ID       "link/id"
#define PHONE_LINK_PASSWORD "link/password"
#define PHONE_LINK_UNTOLD   "link/unacknowledged" /* the TBE does not know yet that it is here */
#define PHONE_PASSWORD      "framework/password"
#define PHONE_ROOT          "partner/root" /* [J] of the vehicle OEM, from the plant */
#define PHONE_TRACKED       "tracked/"     /* by index: id of a key whose receipt is here */

#define PHONE_DIGITS 8 /* of a pairing password */

extern const struct component_class phone_class;

#endif
