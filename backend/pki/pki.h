/* The OEM's certification authority for vehicle identities: signs [K] for the VOS (PP-01/12). It trusts the
 * VOS to have verified the CSR, and refuses on its own what is not a vehicle subject, not a P-256 point, or a
 * second key for a subject it has certified. */
#ifndef backend_pki_pki_h
#define backend_pki_pki_h

#include "lib/env/env.h"

/* Store: the signing authority [J1] and what it has issued, by subject. */
#define PKI_CA_KEY         "J1/key"
#define PKI_CA_CERTIFICATE "J1/certificate"
#define PKI_ISSUED_PREFIX  "issued/"

#define PKI_VEHICLE_VALIDITY_S (15ll * 365 * 86400)

extern const struct component_class pki_class;

#endif
