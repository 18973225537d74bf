/* The OEM's certification authorities for vehicle and ECU identities.
 *
 * PP-01/12: signs [K] for the VOS, nobody else reaches that. It verifies the CSR itself, which proves that
 * the vehicle has the key, and refuses what is not a vehicle subject, a CSR for another subject than the one
 * asked for, a subject of another ECU, and a second key for a subject that it has certified.
 *
 * RP-02: certifies the identities of modules for the tester at the end of the line, in pages of a batch
 * (proto/plant.proto), each module for itself: its CSR is checked (syntax, P-256, self-signature), names the
 * module that it was read from, which is on the plant's list; a module has one key, and the CSR that comes
 * again gets the certificate that was issued before. What a page has issued is kept in one transaction,
 * before any of it leaves. */
#ifndef backend_pki_pki_h
#define backend_pki_pki_h

#include "lib/env/env.h"

/* Store: the signing authority [J1], what it has issued and to which ECU, by subject. */
#define PKI_CA_KEY         "J1/key"
#define PKI_CA_CERTIFICATE "J1/certificate"
#define PKI_ISSUED_PREFIX  "issued/"
#define PKI_ECU_PREFIX     "ecu/"
/* The authority of ECU identities; the plant's list, and the certificates issued, by serial. */
#define PKI_ECU_CA_KEY         "ecu-ca/key"
#define PKI_ECU_CA_CERTIFICATE "ecu-ca/certificate"
#define PKI_SERIAL_PREFIX      "serial/"
#define PKI_IDENTITY_PREFIX    "identity/"

#define PKI_VEHICLE_VALIDITY_S (15ll * 365 * 86400)

#define PKI_PAGE_ITEMS   7    /* modules in a page: their certificates fill an answer */
#define PKI_PAGE_MAX     4096 /* bytes of a page and of its answer, what a call carries */
#define PKI_BATCH_ID     16
#define PKI_SERIALS_ONCE 1000 /* that one call puts on the list */

extern const struct component_class pki_class;

#endif
