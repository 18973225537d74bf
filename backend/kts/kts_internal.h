/* What the files of the KTS share. */
#ifndef backend_kts_internal_h
#define backend_kts_internal_h

#include "backend/kts/kts.h"
#include "lib/ccc/attestation.h"
#include "lib/msg/manage.h"

enum { KTS_PORT_VOS };
enum { KTS_SETTING_SIGN_MS };
enum { KTS_CLAIM_KEY, KTS_CLAIM_STATE };

struct kts_anchor {
    uint8_t der[X509_MAX];
    struct x509 certificate; /* points into der */
};

struct kts {
    struct env *env;
    struct p256_key *key; /* of ZZ2 */
    struct kts_anchor root, sub_ca;
    int64_t sign_ms; /* so long after its registration a receipt is signed */
};

/* check.c: is it a key that a vehicle of ours has accepted? Gives what the vehicle has attested.
 *
 * ERR_CERT_*, ERR_DER_SYNTAX: [K], or the chain to [H]. ERR_SIGNATURE_INVALID: the attestation. ERR_DK_*:
 * they speak of different keys. ERR_KEY_INVALID: Device.Enc. */
enum err kts_check(struct kts *k, const struct tracking_ask *a, struct attestation *out);

/* manage.c: a key is suspended, resumed, ended; what was said is answered. */
void kts_on_manage(struct kts *k, const char *caller, struct span bytes);

#endif
