/* Phones with many keys, and what a store has of a phone: for tests and benchmarks of lib/ccc/records. */
#ifndef tests_keyring_h
#define tests_keyring_h

#include "lib/ccc/records/dk_records.h"
#include "tests/pairing_rig.h"

/* One record each; len 0: there is none. */
struct keyring_record {
    uint8_t bytes[DK_RECORD_FRAMEWORK_MAX];
    size_t len;
};
struct keyring {
    struct keyring_record framework, keys[APPLET_KEYS];
};

/* The phone of the rig has been paired: gives it n keys in all, each like the first but of its own vehicle
 * and with its own device key. Ends the program when they cannot be made. */
void keyring_make_keys(struct rig *r, unsigned n);

/* Everything that is to be stored. */
enum err keyring_save(const struct dk_device *d, struct keyring *out);
/* The phone's next life; the clock goes on. */
enum err keyring_load(struct dk_device *d, struct applet *a, struct crypto *c, const struct keyring *k);
/* Power goes and comes back: saved, closed, loaded. */
enum err keyring_restart(struct rig *r);

/* ---- what is refused ---- */

/* A phone that was paired, with an encryption key and a password for another pairing; what was saved of it;
 * and its next life, so far without keys. */
struct keyring_loader {
    struct rig *rig;
    struct keyring saved;
    struct dk_device device;
    struct applet applet;
};
struct keyring_loader *keyring_loader_new(struct crypto *c);
void keyring_loader_free(struct keyring_loader *l);
/* Loads, and takes out again what was good. ERR_INTERNAL when a refused record left a trace. */
enum err keyring_loader_key(struct keyring_loader *l, unsigned index, struct span record);
enum err keyring_loader_framework(struct keyring_loader *l, struct span record);
enum err keyring_loader_load(struct keyring_loader *l, bool framework, struct span record);

#endif
