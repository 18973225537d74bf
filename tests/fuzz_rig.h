/* What the targets of pairing and transaction share: a rig in a known state, and inputs as sequences of
 * records of operation, length (2 bytes) and bytes. */
#ifndef tests_fuzz_rig_h
#define tests_fuzz_rig_h

#include "tests/fuzz_targets.h"
#include "tests/pairing_rig.h"

struct fuzz_record {
    uint8_t op;
    struct span bytes;
};

/* False at the end. A record that is cut has fewer bytes. */
bool fuzz_record_next(struct rd *r, struct fuzz_record *out);
void fuzz_record_put(struct wr *w, uint8_t op, const void *p, size_t len);
/* Made once; every run begins with a phone that has one paired key, and a password for the next pairing. */
struct rig *fuzz_rig(void);
/* The phone's half of the key that the vehicle stored; NULL when the phone has replaced it. */
struct digital_key *fuzz_rig_key(struct rig *r);

#endif
