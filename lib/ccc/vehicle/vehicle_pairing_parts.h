/* Inside vehicle_pairing: what its files say to each other. */
#ifndef lib_ccc_vehicle_vehicle_pairing_parts_h
#define lib_ccc_vehicle_vehicle_pairing_parts_h

#include "lib/ccc/vehicle/vehicle_pairing.h"

/* What of the configuration a device would refuse, as a phrase; NULL when nothing. Works in the block, which
 * is wiped. */
const char *vehicle_pairing_find_fault(const struct vehicle_pairing_config *c, struct key_data_buffer *block);

/* Steps: the state that they lead to is the one in which their answer is awaited. */
struct vehicle_step vehicle_pairing_send(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                         const struct apdu_command *cmd);
struct vehicle_step vehicle_pairing_send_secure(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                                uint8_t ins, uint8_t p1, struct span data);
struct vehicle_step vehicle_pairing_flow(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                         uint8_t p1, uint8_t p2);
struct vehicle_step vehicle_pairing_ask(enum vehicle_do what, struct vehicle_pairing *v,
                                        enum vehicle_pairing_state state);
struct vehicle_step vehicle_pairing_poll(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                         enum err reason);

/* Answers inside the secure channel, and VERIFY's, which opens it. */
struct vehicle_step vehicle_pairing_on_verify(struct vehicle_pairing *v, struct span data, uint16_t sw);
struct vehicle_step vehicle_pairing_on_write(struct vehicle_pairing *v, struct span data, uint16_t sw);
struct vehicle_step vehicle_pairing_on_complete(struct vehicle_pairing *v, struct span data, uint16_t sw);
struct vehicle_step vehicle_pairing_on_select_again(struct vehicle_pairing *v, struct span data, uint16_t sw);
struct vehicle_step vehicle_pairing_on_get(struct vehicle_pairing *v, struct span data, uint16_t sw);
struct vehicle_step vehicle_pairing_on_attest(struct vehicle_pairing *v, struct span data, uint16_t sw);
/* STORE_KEY is done. */
struct vehicle_step vehicle_pairing_after_storing(struct vehicle_pairing *v);

#endif
