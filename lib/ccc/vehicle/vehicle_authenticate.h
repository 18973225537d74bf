/* Inside a transaction: who the device is, by its cryptogram or by its signature. */
#ifndef lib_ccc_vehicle_vehicle_authenticate_h
#define lib_ccc_vehicle_vehicle_authenticate_h

#include "lib/ccc/vehicle/vehicle_transaction.h"

/* Whose cryptogram is it? t->key, and the channel is open. False: nobody's, or the keys could not be made;
 * then AUTH1. */
bool vehicle_authenticate_fast(struct vehicle_transaction *t, const uint8_t cryptogram[CCC_KEY]);
/* The answer of AUTH1 under the new keys; the slot says whose signature it must be. t->key, the answer's
 * plaintext in t->data, and the channel is open. Errors of channel_unwrap_response,
 * applet_auth1_answer_parse, vehicle_admission_check; ERR_DK_UNKNOWN_KEY, ERR_SIGNATURE_INVALID. */
enum err vehicle_authenticate(struct vehicle_transaction *t, struct span data, uint16_t sw,
                              uint8_t kpersistent[TRANSACTION_KPERSISTENT]);

#endif
