/* Key creation data as several tests want them. */
#ifndef tests_ccc_samples_h
#define tests_ccc_samples_h

#include "lib/ccc/key_data.h"
#include "tests/ccc_vectors.h"
#include "tests/check.h"

static inline struct endpoint_creation some_creation(void)
{
    struct endpoint_creation e = {.vehicle_id = {0, 1, 1, 0x23, 0x45, 0x67, 0x89, 0xAB},
                                  .options_1 = ENDPOINT_OWNER_OPTIONS_1,
                                  .options_2 = ENDPOINT_OWNER_OPTIONS_2,
                                  .version = 0x0100,
                                  .confidential_size = MAILBOX_DEFAULT_CONFIDENTIAL,
                                  .private_size = MAILBOX_DEFAULT_PRIVATE,
                                  .slot = {.b = {0, 0, 0, 0, 0, 0, 0, 1}, .len = 8}};
    unhex(V4_VPK, e.vehicle_pk, sizeof e.vehicle_pk);
    unhex(V4_DPK, e.authorized_pk, sizeof e.authorized_pk);
    return e;
}

#endif
