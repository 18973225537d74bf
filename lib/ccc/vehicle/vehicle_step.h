/* What a vehicle's session asks its owner to do next. */
#ifndef lib_ccc_vehicle_vehicle_step_h
#define lib_ccc_vehicle_vehicle_step_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

enum vehicle_do {
    VEHICLE_SEND,          /* send the APDU, bring the answer */
    VEHICLE_POLL,          /* the device is not ready: wait a little, then proceed */
    VEHICLE_STORE_ATTEMPT, /* commit one more attempt to the store, then proceed */
    VEHICLE_RESET_LINK,    /* field off and on again (on Bluetooth LE: nothing), then proceed */
    VEHICLE_STORE_KEY,     /* commit the device's key as pending, then proceed */
    VEHICLE_STORE_RECEIPT, /* commit that the key is tracked, then proceed: the phone's copy goes next */
    VEHICLE_OPEN,          /* authenticated: EXCHANGE or end as you like */
    VEHICLE_DATA,          /* the answer to EXCHANGE is there */
    VEHICLE_DONE,
    VEHICLE_FAILED /* over; reason says why */
};

struct vehicle_step {
    enum vehicle_do what;
    struct span apdu; /* VEHICLE_SEND: valid until the next call */
    enum err reason;  /* VEHICLE_FAILED, and VEHICLE_POLL */
};

#endif
