#include "sim/plant/oem.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/pki/ecu_identity.h"

#define DAY_S  86400ll
#define YEAR_S (365 * DAY_S)

static const struct {
    const char *name, *subject;
    enum x509_profile profile;
    enum oem_role issuer;
    int64_t years;
} plan[OEM_ROLES] = {
    [OEM_J] = {"J", "spaaksim OEM CA Root J", X509_OEM_ROOT, OEM_J, 40},
    [OEM_J1] = {"J1", "spaaksim OEM Sub-CA J1", X509_OEM_SUB_CA, OEM_J, 30},
    [OEM_J_PHYSICAL_KEY] = {"J_PhysicalKey", "spaaksim OEM CA Root J_PhysicalKey", X509_OEM_ROOT,
                            OEM_J_PHYSICAL_KEY, 40},
    [OEM_Z1] = {"Z1", "spaaksim VOS Intermediate CA Z1", X509_SERVER_CA, OEM_J, 30},
    [OEM_ZZ2] = {"ZZ2", "spaaksim KTS Signing ZZ2", X509_KTS_SIGNER, OEM_J, 30},
    [OEM_ECU_CA] = {"ecu-ca", "spaaksim ECU Identity CA", X509_SERVER_CA, OEM_J, 30},
    [OEM_VOS] = {"vos-signer", "spaaksim VOS", X509_VOS_SIGNER, OEM_Z1, 2},
    [OEM_GSDP] = {"gsdp-signer", "spaaksim GSDP", X509_GSDP_SIGNER, OEM_Z1, 2},
    [OEM_TESTER_EOL] = {"tester-eol", "spaaksim Tester EOL", X509_TESTER, OEM_J1, 2},
    [OEM_TESTER_WORKSHOP] = {"tester-workshop", "spaaksim Tester Workshop", X509_TESTER, OEM_J1, 2},
    [OEM_D] = {"D", "phonemaker Device OEM CA", X509_DEVICE_OEM, OEM_D, 30},
    [OEM_F] = {"F", "phonemaker Device OEM CA", X509_DEVICE_CROSS, OEM_J, 30},
};

/* What a tester is for: its OU. */
static const char *const units[OEM_ROLES] = {[OEM_TESTER_EOL] = "eol", [OEM_TESTER_WORKSHOP] = "workshop"};

bool oem_role_find(const char *name, enum oem_role *out)
{
    for (unsigned r = 0; r < OEM_ROLES; r++)
        if (strcmp(plan[r].name, name) == 0) {
            *out = (enum oem_role)r;
            return true;
        }
    return false;
}

/* Signs a certificate for a key. */
static enum err certify(struct crypto *c, const struct p256_key *key, struct x509_template t,
                        const struct oem_identity *issuer, struct oem_identity *out)
{
    uint8_t point[P256_POINT], issuer_point[P256_POINT];
    p256_public(key, point);
    p256_public(issuer->key, issuer_point);
    t.public_key = point;
    t.issuer_public_key = issuer_point;
    return x509_issue(c, &t, issuer->key, out->der, &out->len);
}

static struct x509_template template_of(enum oem_role r, int64_t not_before_s, int64_t not_after_s)
{
    return (struct x509_template){
        .profile = plan[r].profile,
        .subject = plan[r].subject,
        .unit = units[r],
        .issuer = plan[plan[r].issuer].subject,
        .not_before_s = not_before_s,
        .not_after_s = not_after_s,
    };
}

/* A key of its own, but for the second certificate of D's. */
static enum err make_key(struct crypto *c, const struct oem *o, unsigned r, struct p256_key **out)
{
    uint8_t scalar[P256_SCALAR];
    if (r != OEM_F)
        return p256_generate(c, out);
    enum err e = p256_private(o->roles[OEM_D].key, scalar);
    if (!e)
        e = p256_from_private(c, scalar, out);
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

enum err oem_make(struct crypto *c, const struct oem_options *options, struct oem *out)
{
    enum err e = ERR_OK;
    memset(out, 0, sizeof *out);
    for (unsigned r = 0; !e && r < OEM_ROLES; r++) {
        struct oem_identity *i = &out->roles[r];
        e = make_key(c, out, r, &i->key);
        if (!e)
            e = certify(c, i->key,
                        template_of((enum oem_role)r, options->now_s - DAY_S,
                                    options->now_s + plan[r].years * YEAR_S),
                        &out->roles[plan[r].issuer], i);
    }
    if (e)
        oem_free(out);
    return e;
}

enum err oem_make_expired(struct crypto *c, const struct oem *o, enum oem_role role, int64_t now_s,
                          struct oem_identity *out)
{
    memset(out, 0, sizeof *out);
    return certify(c, o->roles[role].key, template_of(role, now_s - YEAR_S, now_s - DAY_S),
                   &o->roles[plan[role].issuer], out);
}

void oem_free(struct oem *o)
{
    for (size_t r = 0; r < OEM_ROLES; r++)
        oem_identity_free(&o->roles[r]);
}

enum err oem_make_ecu(struct crypto *c, const struct oem *o, const char *serial, int64_t now_s,
                      struct oem_identity *out)
{
    const struct oem_identity *authority = &o->roles[OEM_ECU_CA];
    struct x509 ca;
    uint8_t point[P256_POINT];
    memset(out, 0, sizeof *out);
    enum err e = x509_parse(span_of(authority->der, authority->len), &ca);
    if (!e)
        e = p256_generate(c, &out->key);
    if (!e) {
        p256_public(out->key, point);
        e = ecu_identity_issue(c, &ca, authority->key, serial, point, now_s, out->der, &out->len);
    }
    if (e)
        oem_identity_free(out);
    return e;
}

static enum err make_below(struct crypto *c, struct x509_template t, const struct oem_identity *issuer,
                           int64_t now_s, struct oem_identity *out)
{
    t.not_before_s = now_s - DAY_S;
    t.not_after_s = now_s + 25 * YEAR_S;
    memset(out, 0, sizeof *out);
    enum err e = p256_generate(c, &out->key);
    if (!e)
        e = certify(c, out->key, t, issuer, out);
    if (e)
        oem_identity_free(out);
    return e;
}

enum err oem_make_client(struct crypto *c, const struct oem *o, const char *serial, int64_t now_s,
                         struct oem_identity *out)
{
    const struct x509_template t = {
        .profile = X509_ECU_CLIENT, .subject = serial, .issuer = plan[OEM_ECU_CA].subject};
    return make_below(c, t, &o->roles[OEM_ECU_CA], now_s, out);
}

enum err oem_make_vehicle(struct crypto *c, const struct oem *o, const char *subject, int64_t now_s,
                          struct oem_identity *out)
{
    const struct x509_template t = {
        .profile = X509_VEHICLE, .subject = subject, .issuer = plan[OEM_J1].subject};
    return make_below(c, t, &o->roles[OEM_J1], now_s, out);
}

void oem_identity_free(struct oem_identity *i)
{
    p256_free(i->key);
    i->key = NULL;
}
