/* TLS identities of a run: an authority of its own, made when the first is asked for, and what it certifies.
 * They live as long as the run and carry no CCC extension, which the TLS of others would not know: J and
 * those below it stay what they are. Made with OpenSSL's own writer, since OpenSSL's readers are who judge
 * them. */
#ifndef sim_plant_tls_h
#define sim_plant_tls_h

#include "lib/crypto/p256.h"

#define TLS_CERTIFICATE_MAX 1024 /* bytes of DER */

struct tls_identity {
    uint8_t scalar[P256_SCALAR]; /* of its key */
    uint8_t der[TLS_CERTIFICATE_MAX];
    size_t len;
};

enum tls_role {
    TLS_SERVER, /* its name is a host's: also in subjectAltName, which is what clients look at. Below
                 * ".example" it is certified below ".localhost", too: so browsers reach it without any set-up
                 */
    TLS_CLIENT
};

/* The authority of a run, self-signed; the caller wipes what it gets. ERR_CRYPTO_FAILED. */
enum err tls_authority_make(struct crypto *c, int64_t now_s, struct tls_identity *out);
/* A new key, and its certificate from a day ago on for a year. ERR_BAD_ARGUMENT for a name that is longer
 * than a common name may be, or not of letters, digits, "-" and ".". */
enum err tls_issue(struct crypto *c, const struct tls_identity *authority, enum tls_role role,
                   const char *name, int64_t now_s, struct tls_identity *out);
/* The same, ended yesterday. */
enum err tls_issue_expired(struct crypto *c, const struct tls_identity *authority, enum tls_role role,
                           const char *name, int64_t now_s, struct tls_identity *out);

#endif
