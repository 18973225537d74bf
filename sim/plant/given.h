/* The stores of a world when a run begins: authorities, identities, and what the scenario's `given` says. */
#ifndef sim_plant_given_h
#define sim_plant_given_h

#include "lib/host/store.h"
#include "sim/language/scenario.h"
#include "sim/plant/oem.h"

#define GIVEN_SERIAL "SPAAK00000001" /* of the one vehicle of a scenario */

struct given_stores {
    struct store *spaak, *vos, *gsdp, *pki;
};

/* Servers: signing keys, anchors, registered ECUs come later, one by one. */
enum err given_servers(struct crypto *c, const struct oem *o, const struct given_stores *stores);
/* One vehicle: its module's store, and what the servers know of it. */
enum err given_vehicle(struct crypto *c, const struct oem *o, const struct given *g, const char *serial,
                       int64_t now_ms, const struct given_stores *stores);

/* A CSR as only a faulty or hostile module would send: another subject, or a key on curve P-224. */
enum err given_bad_csr(struct crypto *c, enum given_csr kind, const char *subject, const struct p256_key *key,
                       uint8_t out[512], size_t *len);

#endif
