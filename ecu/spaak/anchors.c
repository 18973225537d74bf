/* Certificates that the plant brings: the five anchors (RP-01/2 to /6) and the identity (RP-02/7). Each is
 * checked whole, then stored in one transaction with what diagnostics keeps; what fails is answered with a
 * verdict and leaves nothing. The same one again is there already: a tester may repeat whatever it did not
 * hear the answer of. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/spaak_internal.h"
#include "lib/pki/der.h"

enum verdict {
    VERDICT_INSTALLED,
    VERDICT_MALFORMED,
    VERDICT_CA, /* not a CA; of an identity: one */
    VERDICT_SLOT,
    VERDICT_EXPIRED,
    VERDICT_NOT_YET_VALID,
    VERDICT_CHAIN,
    VERDICT_KEY_TYPE,
    VERDICT_HELD,
    VERDICT_KEY_NOT_OURS,
    VERDICT_SERIAL_NOT_OURS,
    VERDICT_NONE /* nothing that a certificate could do for it */
};

static const struct {
    enum err reason;
    enum verdict verdict;
} verdicts[] = {
    {ERR_DER_SYNTAX, VERDICT_MALFORMED},
    {ERR_CERT_PROFILE, VERDICT_MALFORMED},
    {ERR_CERT_PURPOSE, VERDICT_MALFORMED},
    {ERR_CERT_NOT_CA, VERDICT_CA},
    {ERR_ANCHOR_SLOT, VERDICT_SLOT},
    {ERR_CERT_EXPIRED, VERDICT_EXPIRED},
    {ERR_CERT_NOT_YET_VALID, VERDICT_NOT_YET_VALID},
    {ERR_CERT_ISSUER_UNKNOWN, VERDICT_CHAIN},
    {ERR_CERT_SIGNATURE, VERDICT_CHAIN},
    {ERR_KEY_NOT_P256, VERDICT_KEY_TYPE},
    {ERR_KEY_INVALID, VERDICT_KEY_TYPE},
    {ERR_ANCHOR_HELD, VERDICT_HELD},
    {ERR_CERT_KEY_MISMATCH, VERDICT_KEY_NOT_OURS},
    {ERR_CERT_SUBJECT_MISMATCH, VERDICT_SERIAL_NOT_OURS},
};

static const struct slot {
    const char *name, *key, *step, *kept;
    enum x509_profile profile;
    int path_min; /* authorities that must have room below it */
} slots[PLANT_SLOTS] = {
    {"J", SPAAK_ANCHOR_J, "RP-01/2", "stores anchor J", X509_OEM_ROOT, 1},
    {"J1", SPAAK_ANCHOR_J1, "RP-01/3", "stores anchor J1", X509_OEM_SUB_CA, 0},
    {"J_PhysicalKey", SPAAK_ANCHOR_PHYSICAL_KEY, "RP-01/4", "stores anchor J_PhysicalKey", X509_OEM_ROOT, 0},
    {"Z1", SPAAK_ANCHOR_Z1, "RP-01/5", "stores anchor Z1", X509_SERVER_CA, 0},
    {"ZZ2", SPAAK_ANCHOR_ZZ2, "RP-01/6", "stores anchor ZZ2", X509_KTS_SIGNER, 0},
};

const char *plant_slot_key(size_t slot)
{
    assert(slot < PLANT_SLOTS);
    return slots[slot].key;
}

/* ---- what both routines share ---- */

static enum verdict verdict_of(enum err e)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (verdicts[i].reason == e)
            return verdicts[i].verdict;
    return e ? VERDICT_NONE : VERDICT_INSTALLED;
}

static bool is_held(struct spaak *s, const char *key, struct span der)
{
    uint8_t held[X509_MAX];
    size_t len;
    return !env_store_get(s->env, key, held, sizeof held, &len) && span_equal(der, span_of(held, len));
}

/* A place for one certificate, and what is said of it. */
struct shelf {
    const char *routine, *name, *key, *step, *kept;
};

/* `e`: what the checks have found. */
static enum uds_nrc conclude(struct spaak *s, const struct shelf *to, struct span der, enum err e,
                             enum verdict verdict, struct wr *out)
{
    struct spaak_routine *r = &s->routine;
    if (!e && (e = env_store_put(s->env, to->key, der)))
        verdict = VERDICT_NONE;
    if (e && verdict == VERDICT_NONE)
        return plant_refuse(s, UDS_NRC_PROGRAMMING, to->routine, e, to->name);
    if (e) {
        plant_refuse(s, UDS_OK, to->routine, e, to->name);
        r->keeps_nothing = true;
    } else {
        r->step = to->step;
        r->what = to->kept;
    }
    wr_u8(out, (uint8_t)verdict);
    return UDS_OK;
}

static enum uds_nrc there_already(struct spaak *s, const struct shelf *to, struct wr *out)
{
    char text[64];
    snprintf(text, sizeof text, "%s is there already", to->name);
    env_trace_step(s->env, to->step, text);
    s->routine.keeps_nothing = true;
    wr_u8(out, VERDICT_INSTALLED);
    return UDS_OK;
}

static int64_t now_s(struct spaak *s)
{
    return env_wall_ms(s->env) / 1000;
}

/* ---- anchors ---- */

static bool fits(struct spaak *s, const struct x509 *x, const struct slot *slot)
{
    return x509_check_profile(s->env->crypto, x, slot->profile) == ERR_OK;
}

/* The slot itself, or another one that its profile is made for; NULL: none. */
static const struct slot *slot_for(struct spaak *s, const struct x509 *x, const struct slot *wanted)
{
    if (fits(s, x, wanted))
        return wanted;
    for (size_t i = 0; i < PLANT_SLOTS; i++)
        if (fits(s, x, &slots[i]))
            return &slots[i];
    return NULL;
}

/* A root signs itself, all else stands below J. ERR_NOT_FOUND while J is not there. */
static enum err check_chain(struct spaak *s, const struct x509 *x, enum x509_profile profile)
{
    struct spaak_anchor j;
    const struct x509 *issuer = x;
    if (profile != X509_OEM_ROOT) {
        if (load_anchor(s, SPAAK_ANCHOR_J, X509_OEM_ROOT, &j))
            return ERR_NOT_FOUND;
        issuer = &j.cert;
    }
    return x509_check_chain(s->env->crypto, x, profile, &issuer, 1, now_s(s));
}

/* The two roots have one profile: what is in one's slot does not belong into the other's. */
static bool is_other_root(struct spaak *s, const struct x509 *x, const struct slot *wanted)
{
    struct spaak_anchor a;
    for (size_t i = 0; i < PLANT_SLOTS; i++)
        if (&slots[i] != wanted && slots[i].profile == X509_OEM_ROOT && wanted->profile == X509_OEM_ROOT &&
            !load_anchor(s, slots[i].key, X509_OEM_ROOT, &a) &&
            memcmp(a.cert.public_key, x->public_key, P256_POINT) == 0)
            return true;
    return false;
}

static enum err check_anchor(struct spaak *s, const struct x509 *x, const struct slot *wanted)
{
    enum err e = p256_check_point(s->env->crypto, x->public_key);
    if (e)
        return e;
    const struct slot *slot = slot_for(s, x, wanted);
    if (!slot)
        return !x->ca && wanted->profile != X509_KTS_SIGNER
                   ? ERR_CERT_NOT_CA
                   : x509_check_profile(s->env->crypto, x, wanted->profile);
    /* nothing could ever stand below it, and LOCK would be for good */
    if (slot == wanted && x->path_len >= 0 && x->path_len < slot->path_min)
        return ERR_CERT_PROFILE;
    e = x509_check_time(x, now_s(s));
    if (!e)
        e = check_chain(s, x, slot->profile);
    /* without J nobody knows more of it than its profile */
    if (slot != wanted && (!e || e == ERR_NOT_FOUND))
        return ERR_ANCHOR_SLOT;
    if (e == ERR_NOT_FOUND)
        return ERR_CERT_ISSUER_UNKNOWN;
    return !e && is_other_root(s, x, wanted) ? ERR_ANCHOR_SLOT : e;
}

enum uds_nrc anchors_install(void *spaak, const struct uds_routine_call *call, struct wr *out)
{
    static const char routine[] = "installAnchor";
    struct spaak *s = spaak;
    struct span der = span_of(call->options.p + 1, call->options.len - 1);
    size_t number = call->options.p[0];
    struct x509 x;
    if (number < 1 || number > PLANT_SLOTS)
        return plant_refuse(s, UDS_NRC_OUT_OF_RANGE, routine, ERR_BAD_ARGUMENT, "no such slot");
    const struct slot *slot = &slots[number - 1];
    const struct shelf to = {routine, slot->name, slot->key, slot->step, slot->kept};
    if (plant_life(s) != PLANT_OPEN)
        return plant_refuse(s, UDS_NRC_CONDITIONS, routine, ERR_PLANT_LOCKED, slot->name);
    if (is_held(s, slot->key, der))
        return there_already(s, &to, out);
    enum err e = x509_parse(der, &x);
    if (!e)
        e = check_anchor(s, &x, slot);
    if (!e && plant_is_stored(s, slot->key))
        e = ERR_ANCHOR_HELD;
    return conclude(s, &to, der, e, verdict_of(e), out);
}

/* ---- the identity ---- */

/* The certificate, and the authority that issued it unless that is J. */
struct identity {
    struct span der;
    struct x509 cert, authority;
    bool has_authority;
};

static enum err parse_identity(struct span options, struct identity *out)
{
    struct rd r = rd_of(options.p, options.len);
    out->der = der_element(&r, DER_SEQUENCE);
    out->has_authority = r.left > 0;
    if (r.failed)
        return ERR_DER_SYNTAX;
    enum err e = x509_parse(out->der, &out->cert);
    return !e && out->has_authority ? x509_parse(span_of(r.p, r.left), &out->authority) : e;
}

/* Nobody but J is known beforehand: the authority must be one for servers and modules, below J. */
static enum err check_identity_chain(struct spaak *s, const struct identity *i)
{
    struct crypto *c = s->env->crypto;
    struct spaak_anchor j;
    const struct x509 *issuers[] = {&i->authority, &j.cert};
    const size_t skip = i->has_authority ? 0 : 1;
    if (i->has_authority && (x509_check_profile(c, &i->authority, X509_SERVER_CA) ||
                             p256_check_point(c, i->authority.public_key)))
        return ERR_CERT_ISSUER_UNKNOWN;
    if (load_anchor(s, SPAAK_ANCHOR_J, X509_OEM_ROOT, &j))
        return ERR_CERT_ISSUER_UNKNOWN;
    return x509_check_chain(c, &i->cert, X509_ECU_IDENTITY, issuers + skip, 2 - skip, now_s(s));
}

static enum err check_identity(struct spaak *s, const struct identity *i, const uint8_t own[P256_POINT])
{
    enum err e = p256_check_point(s->env->crypto, i->cert.public_key);
    if (!e)
        e = x509_check_profile(s->env->crypto, &i->cert, X509_ECU_IDENTITY);
    if (!e && memcmp(own, i->cert.public_key, P256_POINT) != 0)
        e = ERR_CERT_KEY_MISMATCH;
    if (!e && strcmp(i->cert.subject, s->diagnostic.serial) != 0)
        e = ERR_CERT_SUBJECT_MISMATCH;
    if (!e)
        e = check_identity_chain(s, i);
    if (!e && plant_is_stored(s, SPAAK_ECU_CERTIFICATE))
        e = ERR_ANCHOR_HELD;
    return e;
}

enum uds_nrc anchors_install_identity(void *spaak, const struct uds_routine_call *call, struct wr *out)
{
    static const struct shelf to = {"installIdentityCertificate", "identity", SPAAK_ECU_CERTIFICATE,
                                    "RP-02/7", "stores the identity certificate"};
    struct spaak *s = spaak;
    uint8_t own[P256_POINT];
    struct identity i = {0};
    if (plant_identity_point(s, own))
        return plant_refuse(s, UDS_NRC_CONDITIONS, to.routine, ERR_NOT_FOUND, "no key pair");
    enum err e = parse_identity(call->options, &i);
    if (!e && is_held(s, to.key, i.der))
        return there_already(s, &to, out);
    bool ca = !e && i.cert.ca;
    if (!e)
        e = check_identity(s, &i, own);
    return conclude(s, &to, i.der, e, ca && e ? VERDICT_CA : verdict_of(e), out);
}
