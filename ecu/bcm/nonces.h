/* What a command must answer (lib/msg/cabin.h). One nonce is announced in BCM_Status; a command uses it up.
 * One that nobody used is followed by another after BCM_NONCE_ANNOUNCED_US, and stays good until
 * BCM_NONCE_GOOD_US for a command that is on its way: so no command is obeyed later than that after it was
 * made. The SpaaK Module takes none that it has not heard for 500 ms. */
#ifndef ecu_bcm_nonces_h
#define ecu_bcm_nonces_h

#include "lib/env/env.h"
#include "lib/msg/cabin.h"

#define BCM_NONCE_ANNOUNCED_US 1000000
#define BCM_NONCE_GOOD_US      1500000

/* The one announced, and the one before it. Begins zeroed. */
struct bcm_nonces {
    uint8_t list[2][CABIN_NONCE];
    uint64_t drawn_us[2];
    size_t count; /* how many of them no command has used up */
};

/* Another, and none before it: a life begins, or a command was taken. */
void bcm_nonces_use_up(struct bcm_nonces *n, struct env *env);
/* Another, if it is time. */
void bcm_nonces_renew(struct bcm_nonces *n, struct env *env);
/* How many of list, from the first, a command may answer now. */
size_t bcm_nonces_good(const struct bcm_nonces *n, uint64_t now_us);

#endif
