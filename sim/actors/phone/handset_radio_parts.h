/* Between handset_radio.c, handset_heard.c and handset_approach.c. */
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
/* Disconnects: the phone does not want this link. */
void handset_radio_leave(struct phone *p);
/* The same, and it may be approached again soon. */
void handset_radio_hang_up(struct phone *p);
void handset_radio_down(struct phone *p);
/* Index of the key whose vehicle it is, or PHONE_RADIO_PAIRS. */
unsigned handset_radio_vehicle(const struct phone_radio *r);
/* The user is there: whom it has left alone is approached again. */
void handset_radio_come_back(struct phone *p);
/* A key that may approach its vehicle; NULL. */
const struct digital_key *handset_radio_key_at(const struct phone *p, unsigned index);

/* ---- handset_patience.c ---- */

/* Ours: CCC-TS-101 leaves to the phone when it comes back. `vehicle` is the index of its key, or
 * PHONE_RADIO_PAIRS. */
#define HANDSET_PATIENCE_FIRST_MS  1000
#define HANDSET_PATIENCE_LAST_MS   60000
#define HANDSET_PATIENCE_LISTEN_MS 5000  /* who was not heard for so long has gone away */
#define HANDSET_PATIENCE_SERVED_MS 10000 /* a link that was READY for so long was none that is refused */

/* One more link with it was refused. */
void handset_patience_refused(struct phone *p, unsigned vehicle);
void handset_patience_forget(struct phone *p, unsigned vehicle);
void handset_patience_forget_all(struct phone *p);
/* It is heard: may it be approached? */
bool handset_patience_admits(struct phone *p, unsigned vehicle);
/* Until the phone listens anew; 0: nobody is left alone. */
unsigned handset_patience_listen_ms(struct phone *p);
/* It does so now: who was not heard has gone away. */
void handset_patience_listened(struct phone *p);

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
