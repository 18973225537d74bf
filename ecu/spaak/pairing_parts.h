/* Between pairing.c, pairing_phases.c and pairing_air.c. */
#ifndef ecu_spaak_pairing_parts_h
#define ecu_spaak_pairing_parts_h

#include "ecu/spaak/pairing.h"

/* ---- pairing.c ---- */

void pairing_enter(struct spaak *s, enum pairing_state state);
/* The pairing is over; the head unit hears what, and why. */
void pairing_leave(struct spaak *s, enum cabin_notice what, enum err reason);
/* The next session, wherever the phone is; at the pad after a gap. */
void pairing_ask_phone(struct spaak *s, unsigned gap_ms);
/* The pad looks for a phone. */
void pairing_at_pad(struct spaak *s);

/* ---- pairing_phases.c ---- */

/* OP-05/3: until the key is tracked, or the time for it over. Who else is asked for at the pad goes before.
 */
void pairing_phase_4(struct spaak *s);

/* ---- pairing_air.c ---- */

#define PAIRING_PHASE_3_TRIES 3

/* A session is over, and the next phase is asked for at the same link. False: the pad has it. */
bool pairing_air_goes_on(struct spaak *s);
/* The phone of the key that waits for phase 3 is READY at a link: it is tried there. */
bool pairing_air_finds(struct spaak *s);
/* Phase 4 goes back to the pad when the link is gone; waits while the link has something else. */
void pairing_air_settle(struct spaak *s);
bool pairing_air_waits(const struct spaak *s);

#endif
