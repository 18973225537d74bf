/* Key tracking on benches: a key that the rig's vehicle and phone have made in phases 2 and 3, as DOS and VOS
 * ask for its receipt, and what each server must know of the rig's authorities. */
#ifndef tests_tracking_rig_h
#define tests_tracking_rig_h

#include "lib/msg/tracking.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* With a key that has been through phase 3. */
struct rig *tracking_rig_new(void);
/* Points into the rig. Number 7; [K] only if so. */
struct tracking_ask tracking_rig_ask(struct rig *r, bool vehicle);
/* Another attestation of the same key, signed with that key; good until the next call. */
struct span tracking_rig_attest(struct rig *r, const struct p256_key *signer);
/* A receipt opens with the phone's key: its plain text; 0: it does not. */
size_t tracking_rig_open(struct rig *r, const struct tracking_answer *a, uint8_t out[TRACKING_SEALED_MAX]);

/* A message to a component on a bench; what it answered, last. ERR_MSG_NO_ANSWER in it when nothing came. */
struct tracking_answer tracking_rig_tell(struct bench *b, unsigned port, const struct tracking_ask *a,
                                         struct tracking_memory *m);
struct tracking_answer tracking_rig_last(const struct bench *b, unsigned port, struct tracking_memory *m);
/* The last request that it sent there; false: none. */
bool tracking_rig_asked(const struct bench *b, unsigned port, struct tracking_memory *m,
                        struct tracking_ask *out);

#endif
