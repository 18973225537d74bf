/* Between radio.c and radio_approach.c. */
#ifndef ecu_spaak_radio_parts_h
#define ecu_spaak_radio_parts_h

#include "ecu/spaak/pairing.h"
#include "ecu/spaak/radio.h"

/* As in the store. */
struct radio_own {
    uint8_t irk[CCC_KEY], address[APPROACH_ADDRESS];
};

/* ---- radio.c ---- */

/* ERR_NOT_FOUND before the first pairing. */
enum err radio_own(struct spaak *s, struct radio_own *out);
/* Traced when it fails. */
enum err radio_tell(struct spaak *s, const char *address, enum ble_tell verb, const struct ble_said *said);
/* Disconnects; a session there has lost its phone. */
void radio_leave(struct spaak *s, unsigned link);

/* ---- radio_approach.c ---- */

/* Of that key. ERR_NOT_FOUND; ERR_STORE_FAILED: it cannot be read. */
enum err radio_bond_get(struct spaak *s, const struct vehicle_key *k, struct approach_bond *out);
void radio_channel(struct spaak *s, unsigned link);
/* Does the step and all that follow it. */
void radio_do(struct spaak *s, unsigned link, struct approach_step step);
/* Whose turn is it to have our out-of-band data? */
void radio_next_oob(struct spaak *s);
void radio_time(struct spaak *s, unsigned link);

#endif
