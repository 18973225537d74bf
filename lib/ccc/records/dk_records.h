/* A phone's Digital Keys in a store: save, and load in the next life. The bytes are the owner's to keep.
 *
 * There is one record for the framework (who we are, partners, instance CAs, the password that was entered)
 * and one for each key (the applet's half and the framework's), each with a name of its own, so that a change
 * of one key stores one key. A record is an envelope (envelope.h) around a protobuf body
 * (proto/dk_records.proto); its owner is the device's id, its entry the key's index.
 *
 *   starting   dk_record_load_framework, then dk_record_load_key for each key record that the store has
 *   running    after a change: dk_record_save_..., one transaction for all that changed together
 *
 * Every record holds secrets (private keys, Kpersistent, mailboxes, the password, w0 and w1): the owner seals
 * what he stores, and wipes his buffers. Functions here wipe what they used in between.
 *
 * Saved is what outlives a session. Not saved: sessions and pairings under way, the last notification, the
 * clock; and what is a setting of the owner's, made again after loading: `rules`, `versions_in_info`. What
 * follows from the rest is made again (keyID, ready keys). A device that was loaded is IDLE, its applet
 * DESELECTED. A key whose pairing has not ended has no record: power that goes takes it along.
 *
 * Promises of the owner, asserted: no pointer is NULL; the device is open unless the framework is being
 * loaded, and then neither device nor applet is; an index is one of the applet's; a key that is saved is
 * there and paired, an entry that is loaded into is free.
 *
 * Loading takes all or nothing, for one of these reasons:
 *
 *   ERR_RECORD_TORN     a bit, a cut; or whole, but no content that saving could have written: a length, a
 *                       number, a point that is not on the curve, a certificate of another key
 *   ERR_RECORD_FOREIGN  another kind of record, another device's, another key's; a second key of one vehicle
 *   ERR_RECORD_OLDER, ERR_RECORD_NEWER   another version of the form
 *   ERR_CRYPTO_FAILED   OpenSSL has no memory
 *
 * Not checked, because it would cost a multiplication each: that a private key belongs to its public one, and
 * w0_m and w0_n to w0. The digest stands for them. */
#ifndef lib_ccc_records_dk_records_h
#define lib_ccc_records_dk_records_h

#include "lib/ccc/device/device.h"

#define DK_RECORD_VERSION 1

/* Names in a store. */
#define DK_RECORD_FRAMEWORK_NAME "dk/framework"
#define DK_RECORD_KEY_PREFIX     "dk/key/"
#define DK_RECORD_NAME_MAX       16 /* with its zero */
/* "dk/key/3" */
void dk_record_key_name(unsigned index, char out[DK_RECORD_NAME_MAX]);

/* Longest records, bytes. */
#define DK_RECORD_KEY_MAX       7680
#define DK_RECORD_FRAMEWORK_MAX 18432

/* ERR_NO_SPACE: cap is less than it needs; never when it is the longest. out is written on success only. */
enum err dk_record_save_key(const struct dk_device *d, unsigned index, uint8_t *out, size_t cap, size_t *len);
enum err dk_record_save_framework(const struct dk_device *d, uint8_t *out, size_t cap, size_t *len);

/* Opens device and applet; on an error neither is open. now_s is the owner's to set. */
enum err dk_record_load_framework(struct dk_device *d, struct applet *a, struct crypto *c,
                                  struct span record);
enum err dk_record_load_key(struct dk_device *d, unsigned index, struct span record);

#endif
