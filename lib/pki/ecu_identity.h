/* The ECU identity certificate (RP-02): what the PKI issues and what the plant makes by hand have one
 * profile, written down here. */
#ifndef lib_pki_ecu_identity_h
#define lib_pki_ecu_identity_h

#include "lib/pki/x509.h"

#define ECU_SERIAL_MAX   32  /* characters of a module's serial number */
#define ECU_IDENTITY_MAX 512 /* longest certificate: such a serial, an issuer of X509_CN_MAX characters */

#define ECU_IDENTITY_BEFORE_S   86400ll /* clocks of testers and servers may lag */
#define ECU_IDENTITY_VALIDITY_S (25ll * 365 * 86400)

/* Subject: CN = serial. Valid as long as its authority, if that ends first. The authority's own validity is
 * checked: ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID. ERR_BAD_ARGUMENT for an empty or too long serial. */
enum err ecu_identity_issue(struct crypto *c, const struct x509 *authority,
                            const struct p256_key *authority_key, const char *serial,
                            const uint8_t public_key[P256_POINT], int64_t now_s,
                            uint8_t out[ECU_IDENTITY_MAX], size_t *len);

/* As they are given to modules: upper-case letters and digits, 1 to ECU_SERIAL_MAX. */
bool ecu_serial_ok(const char *serial);
/* The serial `n` after `first`, by the digits that it ends with; their number stays. ERR_BAD_ARGUMENT when
 * there are none or too few of them. */
enum err ecu_serial_after(const char *first, uint64_t n, char out[ECU_SERIAL_MAX + 1]);

#endif
