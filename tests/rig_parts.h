/* Between the parts of the rig (pairing_rig.h): rig_phone.c, rig_link.c, rig_vehicle.c. */
#ifndef tests_rig_parts_h
#define tests_rig_parts_h

#include "tests/pairing_rig.h"

/* One command there, its answer back; false when the vehicle hears nothing. */
bool rig_carry(struct rig *r, struct span command, uint8_t answer[APDU_RESPONSE_MAX], size_t *len);
/* Field off and on again: time for the phone to make its key. */
void rig_reset_field(struct rig *r);

#endif
