/* A card key (lib/card), as it comes from the plant with its vehicle: somebody lays it before a reader.
 * Claims each challenge that it has signed, so that the judge hears of an admission without one. */
#ifndef sim_actors_card_card_h
#define sim_actors_card_card_h

#include "lib/env/env.h"

#define CARD_STORE_KEY         "card/key" /* 32 bytes */
#define CARD_STORE_CERTIFICATE "card/certificate"

extern const struct component_class card_class;

#endif
