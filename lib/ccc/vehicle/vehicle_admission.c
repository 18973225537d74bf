#include "lib/ccc/vehicle/vehicle_admission.h"

#include <assert.h>

#define IN(state) (1u << (state))
#define ANY                                                                         \
    (IN(VEHICLE_KEY_PENDING) | IN(VEHICLE_KEY_ACTIVE) | IN(VEHICLE_KEY_SUSPENDED) | \
     IN(VEHICLE_KEY_TERMINATED))

static const struct {
    unsigned states;
    bool in_time;     /* validity is looked at */
    bool by_device;   /* the device may have terminated the key */
    bool kpersistent; /* is kept */
} rows[VEHICLE_ADMISSIONS] = {
    [VEHICLE_ADMIT_USE] = {.states = IN(VEHICLE_KEY_ACTIVE), .in_time = true, .kpersistent = true},
    [VEHICLE_ADMIT_PAIRING] = {.states = IN(VEHICLE_KEY_PENDING) | IN(VEHICLE_KEY_ACTIVE),
                               .in_time = true,
                               .kpersistent = true},
    [VEHICLE_ADMIT_RESUMPTION] = {.states = IN(VEHICLE_KEY_ACTIVE) | IN(VEHICLE_KEY_SUSPENDED),
                                  .in_time = true,
                                  .kpersistent = true},
    [VEHICLE_ADMIT_TERMINATION] = {.states = ANY, .by_device = true},
    [VEHICLE_ADMIT_TERMINATE] = {.states = IN(VEHICLE_KEY_TERMINATED)},
};

enum vehicle_admission vehicle_admission_of(uint8_t p2)
{
    return p2 == TRANSACTION_PAIRING_PHASE_3 ? VEHICLE_ADMIT_PAIRING : VEHICLE_ADMIT_USE;
}

enum err vehicle_admission_check(enum vehicle_admission a, const struct vehicle_key *k,
                                 bool terminated_by_device, int64_t now_s)
{
    assert(a < VEHICLE_ADMISSIONS && k && k->state <= VEHICLE_KEY_TERMINATED);
    if (terminated_by_device && !rows[a].by_device)
        return ERR_DK_TERMINATED;
    if (rows[a].states & IN(k->state))
        return rows[a].in_time ? vehicle_key_check_time(k, now_s) : ERR_OK;
    switch (k->state) {
    case VEHICLE_KEY_TERMINATED:
        return ERR_DK_TERMINATED;
    case VEHICLE_KEY_SUSPENDED:
        return ERR_DK_SUSPENDED;
    default:
        return ERR_DK_UNKNOWN_KEY;
    }
}

bool vehicle_admission_keeps(enum vehicle_admission a)
{
    assert(a < VEHICLE_ADMISSIONS);
    return rows[a].kpersistent;
}
