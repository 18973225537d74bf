/* X.509 certificates as this system uses them: P-256, ecdsa-with-SHA256, subject and issuer one CN each; a
 * tester's subject has an OU before it, which is its role.
 * One table of profiles says what each kind of certificate must look like; issuing and checking both
 * follow it. Profile of [K]: CCC Digital Key, vehicle public key certificate. */
#ifndef lib_pki_x509_h
#define lib_pki_x509_h

#include "lib/crypto/p256.h"

#define X509_MAX    800 /* longest certificate we make or accept, bytes */
#define X509_CN_MAX 64  /* RFC 5280, ub-common-name */
#define X509_OU_MAX 16  /* the longest role has 8 characters */

enum x509_profile {
    X509_OEM_ROOT,     /* [J], [J_PhysicalKey]: CCC extension .9 */
    X509_OEM_SUB_CA,   /* [J1]: CCC extension .8 */
    X509_VEHICLE,      /* [K]: CCC extension .1 */
    X509_SERVER_CA,    /* [Z1], and the authority of ECU identities */
    X509_ECU_IDENTITY, /* signs SpaakRequest */
    X509_VOS_SIGNER,   /* signs SpaakResponse */
    X509_GSDP_SIGNER,  /* signs the service provisioning answer */
    X509_KTS_SIGNER,   /* [ZZ2] */
    X509_DEVICE_OEM,   /* [D], self-signed */
    X509_DEVICE_CROSS, /* [F]: D's key signed by J; CCC extension .2 */
    X509_INSTANCE_CA,  /* [E]: CCC extension .3 */
    X509_ENDPOINT,     /* [H]: CCC extension .4, whose value is lib/ccc's */
    X509_TESTER,       /* who may open the SGW's gate; role in the OU */
    X509_ECU_CLIENT,   /* an ECU as client of a server */
    X509_CARD_KEY,     /* a card key, below [J_PhysicalKey]; CN: the serial of its vehicle */
    X509_PROFILES
};

/* A parsed certificate. Its spans are borrowed: der, tbs, signature and ccc_value point into the bytes that
 * were given to x509_parse, which must stay where they are, unchanged, as long as the structure or a copy of
 * it is used. All else is its own. */
struct x509 {
    struct span der, tbs, signature;
    char subject[X509_CN_MAX + 1], issuer[X509_CN_MAX + 1];
    char unit[X509_OU_MAX + 1];        /* OU of the subject, "" when absent */
    int64_t not_before_s, not_after_s; /* seconds since 1970 */
    uint8_t public_key[P256_POINT];
    bool ca;
    int path_len;          /* -1: no limit */
    uint8_t key_usage;     /* first byte of the BIT STRING: 0x80 digitalSignature, 0x06 certSign|crlSign */
    uint8_t ccc_type;      /* last arc of 1.3.6.1.4.1.41577.5.x, 0 when absent */
    struct span ccc_value; /* value of that extension, borrowed like der */
    uint8_t purpose;       /* last arc of our extended key usage, 0 when absent */
    uint8_t subject_key_id[SHA1_SIZE], authority_key_id[SHA1_SIZE];
};

struct x509_template {
    enum x509_profile profile;
    const char *subject, *issuer;
    const char *unit; /* OU of the subject; NULL: none */
    int64_t not_before_s, not_after_s;
    const uint8_t *public_key;        /* P256_POINT bytes */
    const uint8_t *issuer_public_key; /* its own for a root */
    struct span ccc_value;            /* of the CCC extension; empty: SEQUENCE { INTEGER 1 } */
};

/* The certificate goes to out (X509_MAX bytes). Serial number: 16 random bytes. */
enum err x509_issue(struct crypto *c, const struct x509_template *t, const struct p256_key *issuer_key,
                    uint8_t out[X509_MAX], size_t *len);
/* Syntax only; the result points into der. An unknown critical extension, or a CCC extension that is not
 * critical, is ERR_CERT_PROFILE. */
enum err x509_parse(struct span der, struct x509 *out);
/* The profile's row: CA flag, path length, key usage, CCC extension, purpose, OU or none, key identifiers. An
 * authority with a CCC extension may have a tighter path length than we would give it, or none: RFC
 * 5280, 6.1.4 decides in the chain. */
enum err x509_check_profile(struct crypto *c, const struct x509 *cert, enum x509_profile profile);
enum err x509_check_time(const struct x509 *cert, int64_t now_s);
/* Issuer is a CA, names match, key identifier matches, signature verifies. */
enum err x509_check_issued(struct crypto *c, const struct x509 *cert, const struct x509 *issuer);
/* Profile of cert; time, signature and path length of each certificate up to the last, which is trusted as it
 * is. */
enum err x509_check_chain(struct crypto *c, const struct x509 *cert, enum x509_profile profile,
                          const struct x509 *const *issuers, size_t n, int64_t now_s);

/* SHA-1 of the point: subject key identifier, and keyID of a device's key. */
void x509_key_id(struct crypto *c, const uint8_t point[P256_POINT], uint8_t out[SHA1_SIZE]);

/* Text form of the vehicle subject id: V.<manufacturer>.<region>.<brand>.<16 upper-case hex digits>. */
bool x509_vehicle_subject_ok(const char *cn);
/* The same as others may have issued it, with hex digits in either case. */
bool x509_vehicle_subject_readable(const char *cn);

#endif
