/* The certificates of owner pairing and their checks (CCC-TS-101 chapter 16; letters of figure 16-1).
 *
 *   device's proof to the vehicle:   J (vehicle OEM root) -> F (device OEM) -> E (instance CA) -> H (the key)
 *   vehicle's proof to the device:   J -> [intermediate] -> K (the vehicle)
 *
 * Profiles and signatures are lib/pki's; here are the extension of [H], the names, and which chain proves
 * what. */
#ifndef lib_ccc_dk_cert_h
#define lib_ccc_dk_cert_h

#include "lib/ccc/endpoint.h"
#include "lib/pki/x509.h"

/* [H]'s extension carries the whole of the endpoint creation data but the dates, which are the validity
 * (members and tagging: a choice, docs/ccc.md). */
/* "No well-defined expiration date" (RFC 5280, 4.1.2.5): 9999-12-31 23:59:59, for keys without tag 52. */
#define DK_CERT_NO_END_S      253402300799
#define DK_CERT_EXTENSION_MAX 320
enum err dk_cert_put_extension(const struct endpoint_creation *e, uint8_t out[DK_CERT_EXTENSION_MAX],
                               size_t *len);
/* ERR_DER_SYNTAX. Dates are left 0. */
enum err dk_cert_parse_extension(struct span der, struct endpoint_creation *out);

/* Applet: signs [H] for the device's key with the instance CA's. not_before_s, not_after_s: validity. */
struct dk_cert_endpoint {
    const struct endpoint_creation *creation;
    const char *endpoint_id, *instance_ca_id;
    const uint8_t *device_pk;
    int64_t not_before_s, not_after_s;
};
enum err dk_cert_issue_endpoint(struct crypto *c, const struct dk_cert_endpoint *t,
                                const struct p256_key *instance_ca, uint8_t out[X509_MAX], size_t *len);

/* Device: [K] is the vehicle's of that creation data, and a known root stands behind it. */
struct dk_cert_vehicle_chain {
    struct span vehicle, intermediate; /* intermediate may be empty */
    const struct x509 *roots;
    size_t n_roots;
};
/* ERR_CERT_KEY_MISMATCH, ERR_CERT_SUBJECT_MISMATCH, ERR_CERT_ISSUER_UNKNOWN, and the errors of
 * x509_check_chain. */
enum err dk_cert_check_vehicle(struct crypto *c, const struct dk_cert_vehicle_chain *chain,
                               const struct endpoint_creation *e, int64_t now_s);

/* Vehicle: the chain from its root to [H]. The errors of x509_check_chain. */
struct dk_cert_device_chain {
    struct span device_oem, instance_ca, endpoint; /* F, E, H: as GET DATA gave them */
};
enum err dk_cert_check_device(struct crypto *c, const struct x509 *root,
                              const struct dk_cert_device_chain *chain, int64_t now_s, struct x509 *h);
/* Vehicle, after the chain: every member of the extension is what it asked for, options not wider, key on the
 * curve. ERR_DK_KEY_MISMATCH, ERR_KEY_INVALID. */
enum err dk_cert_check_endpoint(struct crypto *c, const struct x509 *h,
                                const struct endpoint_creation *asked);

/* Names (forms: a choice, docs/ccc.md). */
/* Manufacturer of a vehicle's subject id "V.<manufacturer>.<region>.<brand>.<id>"; {NULL, 0} when it is none.
 */
struct span dk_cert_manufacturer(const char *vehicle_subject);
/* The vehicle identifier at its end, hex digits in either case. ERR_CERT_SUBJECT_MISMATCH. */
enum err dk_cert_vehicle_id(const char *vehicle_subject, uint8_t out[TRANSACTION_VEHICLE_ID]);
/* "E.<device OEM>.<16 hex digits>" and "I.<device OEM>.<vehicle OEM>". ERR_NO_SPACE. */
enum err dk_cert_endpoint_id(const char *device_oem, const uint8_t unique[8], char out[X509_CN_MAX + 1]);
enum err dk_cert_instance_ca_id(const char *device_oem, const char *vehicle_oem, char out[X509_CN_MAX + 1]);

#endif
