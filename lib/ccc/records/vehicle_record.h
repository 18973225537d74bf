/* A vehicle's record of a key (vehicle_key.h) in a store: save at each STORE step, load in the next life. The
 * bytes are the owner's to keep.
 *
 * An envelope (envelope.h) of kind ENVELOPE_VEHICLE_KEY around a protobuf body (proto/vehicle_records.proto);
 * entry 0; its owner is the vehicle identifier and the first 8 bytes of keyID. The name has all of keyID: so
 * a STORE step, which gives a record and no place, says where it goes; two keys never share a name, when one
 * that was terminated waits for the device's statement beside its successor, nor when friends' keys will
 * come. What keys there are says the store, by the prefix.
 *
 *   starting   for each name with the prefix: vehicle_record_parse_name, vehicle_record_load
 *   running    STORE_KEY and all after it: vehicle_record_save of the step's key, and what else the step
 *              stores, in one transaction
 *
 * A record holds secrets (Kpersistent, keys of the pairing): the owner seals what he stores, and wipes his
 * buffers. Functions here wipe what they used in between.
 *
 * Not saved: device_key, made again by loading, which gives a record that is open; vehicle identifier and
 * keyID, which the envelope and device_pk tell; Kpersistent of a terminated key, which opens nothing any
 * more; what stands in entries that were not given out.
 *
 * Promises of the owner, asserted: no pointer is NULL; a record that is saved has a role and a state, its
 * keyID is that of device_pk, identifiers are as long as its map says; what is loaded into is empty.
 *
 * Loading takes all or nothing, for one of these reasons:
 *
 *   ERR_RECORD_TORN     a bit, a cut; or whole, but no content that saving could have written: a length, a
 *                       number, a point that is not on the curve, a key that is not the envelope's
 *   ERR_RECORD_FOREIGN  another kind of record, another vehicle's, another key's
 *   ERR_RECORD_OLDER, ERR_RECORD_NEWER   another version of the form
 *   ERR_CRYPTO_FAILED   OpenSSL has no memory */
#ifndef lib_ccc_records_vehicle_record_h
#define lib_ccc_records_vehicle_record_h

#include "lib/ccc/vehicle/vehicle_key.h"

#define VEHICLE_RECORD_VERSION 1

/* Names in a store: the prefix and keyID in lower-case hex. */
#define VEHICLE_RECORD_PREFIX   "dk/vehicle-key/"
#define VEHICLE_RECORD_NAME_MAX (sizeof VEHICLE_RECORD_PREFIX + 2 * ENDPOINT_KEY_ID) /* with its zero */
void vehicle_record_name(const uint8_t key_id[ENDPOINT_KEY_ID], char out[VEHICLE_RECORD_NAME_MAX]);
/* ERR_NOT_FOUND: no name that vehicle_record_name gives. */
enum err vehicle_record_parse_name(const char *name, uint8_t key_id[ENDPOINT_KEY_ID]);

/* Longest record, bytes. */
#define VEHICLE_RECORD_MAX 480

/* ERR_NO_SPACE: cap is less than it needs; never when it is the longest. out is written on success only. */
enum err vehicle_record_save(struct crypto *c, const struct vehicle_key *k, uint8_t *out, size_t cap,
                             size_t *len);
/* The record of this vehicle and this key; vehicle_key_close ends it. */
enum err vehicle_record_load(struct crypto *c, const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID],
                             const uint8_t key_id[ENDPOINT_KEY_ID], struct span record,
                             struct vehicle_key *out);

#endif
