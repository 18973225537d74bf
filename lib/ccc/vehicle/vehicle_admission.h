/* Whom a transaction opens to: what the vehicle's record of the key and the device's own word must be. */
#ifndef lib_ccc_vehicle_vehicle_admission_h
#define lib_ccc_vehicle_vehicle_admission_h

#include "lib/ccc/vehicle/vehicle_key.h"

enum vehicle_admission {
    VEHICLE_ADMIT_USE,         /* active keys */
    VEHICLE_ADMIT_PAIRING,     /* pending ones too: phase 3 */
    VEHICLE_ADMIT_RESUMPTION,  /* suspended ones too, to hear that they were resumed */
    VEHICLE_ADMIT_TERMINATION, /* all, also those that the device terminated, to hear it */
    VEHICLE_ADMIT_TERMINATE,   /* terminated by the vehicle, which the device does not know yet */
    VEHICLE_ADMISSIONS
};

/* The admission that AUTH0's P2 stands for. */
enum vehicle_admission vehicle_admission_of(uint8_t p2);
/* ERR_DK_TERMINATED (also when only the device says so), ERR_DK_SUSPENDED, ERR_DK_UNKNOWN_KEY (pending),
 * ERR_DK_VALIDITY. */
enum err vehicle_admission_check(enum vehicle_admission a, const struct vehicle_key *k,
                                 bool terminated_by_device, int64_t now_s);
/* The transaction's Kpersistent is worth keeping. */
bool vehicle_admission_keeps(enum vehicle_admission a);

#endif
