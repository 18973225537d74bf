/* The OEM's certification authority for vehicle identities: signs [K] for the VOS (PP-01/12), nobody else
 * reaches it. It verifies the CSR itself, which proves that the vehicle has the key, and refuses what is not
 * a vehicle subject, a CSR for another subject than the one asked for, a subject of another ECU, and a second
 * key for a subject that it has certified. */
#ifndef backend_pki_pki_h
#define backend_pki_pki_h

#include "lib/env/env.h"

/* Store: the signing authority [J1], what it has issued and to which ECU, by subject. */
#define PKI_CA_KEY         "J1/key"
#define PKI_CA_CERTIFICATE "J1/certificate"
#define PKI_ISSUED_PREFIX  "issued/"
#define PKI_ECU_PREFIX     "ecu/"

#define PKI_VEHICLE_VALIDITY_S (15ll * 365 * 86400)

extern const struct component_class pki_class;

#endif
