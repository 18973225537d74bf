/* A vehicle's record of a key with something in every member: for the tests of lib/ccc/records. */
#ifndef tests_vehicle_samples_h
#define tests_vehicle_samples_h

#include "lib/ccc/records/envelope.h"
#include "lib/ccc/records/vehicle_record.h"

struct vehicle_sample {
    struct vehicle_key key; /* active, not open; padding is 0 */
    uint8_t record[4 * VEHICLE_RECORD_MAX];
    size_t len;
};
/* Always the same, so that a fuzzer's seeds are of its key. Ends the program when it cannot be made. */
void vehicle_sample_make(struct crypto *c, struct vehicle_sample *s);
/* What stands around its record. */
struct envelope vehicle_sample_envelope(const struct vehicle_sample *s);
/* Loads for the sample's vehicle and keyID, and closes what was good. ERR_INTERNAL when a refused record left
 * a trace. */
enum err vehicle_sample_load(struct crypto *c, const struct vehicle_sample *s, struct span record);

#endif
