/* The vehicle's NFC readers with both their neighbours played: the asker in the SpaaK Module's place, which
 * does what a scenario calls, and a phone that answers to SELECT and to whatever else. */
#ifndef tests_readers_readers_h
#define tests_readers_readers_h

#include "lib/env/env.h"

/* wcp and card: the product's, taken as they are. */
extern const struct component_class asker_class, phone_class, wcp_class, card_class;

#endif
