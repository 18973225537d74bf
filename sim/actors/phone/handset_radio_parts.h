/* Between handset_radio.c and handset_approach.c. */
#ifndef sim_actors_phone_handset_radio_parts_h
#define sim_actors_phone_handset_radio_parts_h

#include "sim/actors/phone/handset_radio.h"

struct digital_key;

struct radio_identity {
    uint8_t address[APPROACH_ADDRESS]; /* static random */
    uint8_t irk[CCC_KEY];
};

/* ---- handset_approach.c ---- */

void handset_radio_claim(struct phone *p);

/* ---- handset_radio.c ---- */

/* Drawn at the first time. */
enum err handset_radio_identity(struct phone *p, struct radio_identity *out);
/* Traced when it fails. */
enum err handset_radio_tell(struct phone *p, const char *address, enum ble_tell verb,
                            const struct ble_said *said);
void handset_radio_enter(struct phone *p, enum radio_state state);
/* Disconnects. */
void handset_radio_leave(struct phone *p);
void handset_radio_down(struct phone *p);
/* A key that may approach its vehicle; NULL. */
const struct digital_key *handset_radio_key_at(const struct phone *p, unsigned index);

/* ---- handset_approach.c ---- */

/* ERR_NOT_FOUND; ERR_STORE_FAILED: it cannot be read. */
enum err handset_radio_bond_get(struct phone *p, unsigned key, struct approach_bond *out);
/* The channel is open. */
void handset_radio_channel(struct phone *p);
/* Keys of a pairing, and our own out-of-band data. */
void handset_radio_keys(struct phone *p, enum ble_news verb, const struct ble_said *said);
/* Does the step and all that follow it. */
void handset_radio_do(struct phone *p, struct approach_step s);

#endif
