/* The OEM's certification authorities and server certificates, made once per world.
 *
 *   J  (root) ---- J1 (sub-CA) ---- [K] of each vehicle
 *   J  ----------- Z1 (VOS intermediate) ---- VOS signer, GSDP signer
 *   J  ----------- ECU identity authority ---- one identity per SpaaK Module, one client per TBM
 *   J  ----------- ZZ2 (KTS signer)
 *        J1 ------ testers: end of line, workshop
 *   J_PhysicalKey (root of the physical keys)
 *
 * And the device OEM's: D (root), which J has cross-certified as F. */
#ifndef sim_plant_oem_h
#define sim_plant_oem_h

#include "lib/pki/x509.h"

enum oem_role {
    OEM_J,
    OEM_J1,
    OEM_J_PHYSICAL_KEY,
    OEM_Z1,
    OEM_ZZ2,
    OEM_ECU_CA,
    OEM_VOS,
    OEM_GSDP,
    OEM_TESTER_EOL,
    OEM_TESTER_WORKSHOP,
    OEM_D,
    OEM_F, /* D's key, certified by J */
    OEM_ROLES
};

/* A key and its certificate. */
struct oem_identity {
    struct p256_key *key;
    uint8_t der[X509_MAX];
    size_t len;
};

struct oem {
    struct oem_identity roles[OEM_ROLES];
};

struct oem_options {
    int64_t now_s;
};

/* A role by the name that classes use: "J", "J1", "J_PhysicalKey", "Z1", "ZZ2", "ecu-ca", "vos-signer",
 * "gsdp-signer", "tester-eol", "tester-workshop", "D", "F". */
bool oem_role_find(const char *name, enum oem_role *out);

/* On error nothing is left to free. */
enum err oem_make(struct crypto *c, const struct oem_options *options, struct oem *out);
void oem_free(struct oem *o);
/* The identity of the module with that serial number (RP-02). */
enum err oem_make_ecu(struct crypto *c, const struct oem *o, const char *serial, int64_t now_s,
                      struct oem_identity *out);
/* An ECU as client of a server, by its own serial number. */
enum err oem_make_client(struct crypto *c, const struct oem *o, const char *serial, int64_t now_s,
                         struct oem_identity *out);
/* A vehicle's key and [K], below J1, with that subject id. */
enum err oem_make_vehicle(struct crypto *c, const struct oem *o, const char *subject, int64_t now_s,
                          struct oem_identity *out);
/* The role's certificate as it would be if it had ended yesterday: same key. out->key stays NULL. */
enum err oem_make_expired(struct crypto *c, const struct oem *o, enum oem_role role, int64_t now_s,
                          struct oem_identity *out);
void oem_identity_free(struct oem_identity *i);

#endif
