/* The plant: the OEM's authorities, what each component begins its first life with, and defects that no life
 * would make. Components declare what they need (component_class.plant, .defects); nothing here names one. */
#ifndef sim_plant_plant_h
#define sim_plant_plant_h

#include "lib/env/component.h"
#include "lib/host/store.h"
#include "lib/uds/uds_security.h"
#include "sim/plant/oem.h"

/* The authorities as bytes, so that they outlive the world that made them, and the key that stores' secrets
 * are sealed with. Wiped by plant_wipe. */
struct plant {
    uint8_t store_key[ENV_STORE_KEY];
    struct plant_identity {
        uint8_t scalar[P256_SCALAR];
        uint8_t der[X509_MAX];
        size_t len;
    } roles[OEM_ROLES];
    uint8_t tester_secret[UDS_SECRET]; /* M of diagnostics */
    uint8_t body_secret[SHA256_SIZE];  /* from which each vehicle's body key is derived; in no ECU */
};

enum err plant_make(struct crypto *c, int64_t now_s, struct plant *out);
void plant_wipe(struct plant *p);

/* Work at the plant, in one crypto context. */
struct plant_shift {
    struct crypto *crypto;
    struct oem oem;
    int64_t now_s;
    uint8_t tester_secret[UDS_SECRET], body_secret[SHA256_SIZE];
    const char *const *serials; /* of all vehicles of the run, NULL at the end */
    uint8_t store_key[ENV_STORE_KEY], former_store_key[ENV_STORE_KEY];
    bool store_key_changed; /* by a defect: both are handed in from now on */
};
enum err plant_open(const struct plant *p, struct crypto *c, int64_t now_s, const char *const *serials,
                    struct plant_shift *out);
void plant_close(struct plant_shift *s);

/* Puts what the class declares into its store: everything before a first life (`first`), else only vehicles
 * that are not known yet. Then the defects. */
enum err plant_equip(struct plant_shift *s, const struct component_class *class, const char *serial,
                     bool first, const struct defect_spec *const *defects, size_t defect_count,
                     struct store *store);

#endif
