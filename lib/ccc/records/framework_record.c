/* The record of the framework, with the applet's instance CAs. */
#include <assert.h>
#include <openssl/crypto.h>
#include <stdalign.h>
#include <string.h>

#include "lib/ccc/records/body.h"
#include "lib/ccc/records/dk_records.h"

#define ARENA 24576 /* the longest body once more, and protobuf-c's structures */

#define LONGEST_PARTNER (2 * X509_CN_MAX + DK_PARTNER_ANCHORS * 2 * X509_MAX + X509_MAX)
#define LONGEST                                                                                              \
    (ENVELOPE_HEADER + X509_CN_MAX + DK_DEVICE_NAME_MAX + DK_DEVICE_PASSWORD_MAX +                           \
     DK_DEVICE_PARTNERS * LONGEST_PARTNER + APPLET_INSTANCE_CAS * (X509_CN_MAX + P256_POINT + P256_SCALAR) + \
     3 * P256_POINT + 3 * P256_SCALAR)
#define TAGS_AND_NUMBERS 400 /* tags, lengths, and what is shorter than 17 bytes */
_Static_assert(LONGEST + TAGS_AND_NUMBERS <= DK_RECORD_FRAMEWORK_MAX, "DK_RECORD_FRAMEWORK_MAX is enough");

/* ---- writing ---- */

struct partner_message {
    Dk__V1__FrameworkRecord__Partner partner;
    Dk__V1__FrameworkRecord__Anchor anchor[DK_PARTNER_ANCHORS], *anchors[DK_PARTNER_ANCHORS];
};

struct instance_ca_message {
    Dk__V1__FrameworkRecord__InstanceCa ca;
    struct body_key key;
};

/* A message with all its parts. Secret. */
struct framework_message {
    Dk__V1__FrameworkRecord record;
    uint32_t versions[OP_VERSIONS], applet_versions[OP_VERSIONS];
    struct body_key enc_key;
    struct partner_message partner[DK_DEVICE_PARTNERS];
    Dk__V1__FrameworkRecord__Partner *partners[DK_DEVICE_PARTNERS];
    struct instance_ca_message instance_ca[APPLET_INSTANCE_CAS];
    Dk__V1__FrameworkRecord__InstanceCa *instance_cas[APPLET_INSTANCE_CAS];
    Dk__V1__FrameworkRecord__Derived derived;
};

static void put_anchors(const struct dk_partner *p, struct partner_message *m)
{
    m->partner.anchors = m->anchors;
    for (size_t i = 0; i < DK_PARTNER_ANCHORS; i++) {
        const struct dk_anchor *a = &p->anchors[i];
        m->anchor[i] = (Dk__V1__FrameworkRecord__Anchor)DK__V1__FRAMEWORK_RECORD__ANCHOR__INIT;
        m->anchors[i] = &m->anchor[i];
        if (a->root_len == 0)
            continue;
        m->anchor[i].root = body_bytes(a->root, a->root_len);
        m->anchor[i].device_oem = body_bytes(a->device_oem, a->device_oem_len);
        m->partner.n_anchors = i + 1;
    }
}

/* Here as elsewhere: a free entry is empty, whatever was left in it. */
static void put_partners(const struct dk_device *d, struct framework_message *m)
{
    m->record.partners = m->partners;
    for (size_t i = 0; i < DK_DEVICE_PARTNERS; i++) {
        const struct dk_partner *p = &d->partners[i];
        Dk__V1__FrameworkRecord__Partner *out = &m->partner[i].partner;
        *out = (Dk__V1__FrameworkRecord__Partner)DK__V1__FRAMEWORK_RECORD__PARTNER__INIT;
        m->partners[i] = out;
        if (!p->manufacturer[0])
            continue;
        out->manufacturer = body_text(p->manufacturer);
        out->instance_ca = body_bytes(p->instance_ca, p->instance_ca_len);
        out->instance_ca_id = body_text(p->instance_ca_id);
        put_anchors(p, &m->partner[i]);
        m->record.n_partners = i + 1;
    }
}

static void put_instance_cas(const struct applet *a, struct framework_message *m)
{
    m->record.instance_cas = m->instance_cas;
    for (size_t i = 0; i < APPLET_INSTANCE_CAS; i++) {
        struct instance_ca_message *ca = &m->instance_ca[i];
        ca->ca = (Dk__V1__FrameworkRecord__InstanceCa)DK__V1__FRAMEWORK_RECORD__INSTANCE_CA__INIT;
        body_key_of(a->instance_cas[i].key, &ca->key);
        ca->ca.key = &ca->key.pair;
        m->instance_cas[i] = &ca->ca;
        if (!a->instance_cas[i].key)
            continue;
        ca->ca.id = body_text(a->instance_cas[i].id);
        m->record.n_instance_cas = i + 1;
    }
}

static void put_derived(const struct dk_device *d, Dk__V1__FrameworkRecord__Derived *m)
{
    const struct spake2p_scrypt *s = &d->derived_from;
    *m = (Dk__V1__FrameworkRecord__Derived)DK__V1__FRAMEWORK_RECORD__DERIVED__INIT;
    m->salt = body_bytes(s->salt, sizeof s->salt);
    m->n = s->n;
    m->r = s->r;
    m->p = s->p;
    m->w0 = body_bytes(d->prover.w0, P256_SCALAR);
    m->w1 = body_bytes(d->prover.w1, P256_SCALAR);
    m->w0_m = body_bytes(d->prover.w0_m, P256_POINT);
    m->w0_n = body_bytes(d->prover.w0_n, P256_POINT);
}

static void put_record(const struct dk_device *d, struct framework_message *m)
{
    Dk__V1__FrameworkRecord *r = &m->record;
    *r = (Dk__V1__FrameworkRecord)DK__V1__FRAMEWORK_RECORD__INIT;
    r->oem = body_text(d->oem);
    r->name = body_text(d->name);
    r->n_versions = body_versions(&d->versions, m->versions);
    r->versions = m->versions;
    r->n_applet_versions = body_versions(&d->applet->versions, m->applet_versions);
    r->applet_versions = m->applet_versions;
    body_key_of(d->enc_key, &m->enc_key);
    r->enc_key = &m->enc_key.pair;
    put_partners(d, m);
    put_instance_cas(d->applet, m);
    r->password = body_bytes(d->password, d->password_len);
    r->password_since_s = d->password_since_s;
    r->evidence_failures = d->evidence_failures;
    put_derived(d, &m->derived);
    /* w0 and w1 go with their password, even while it is only being forgotten */
    r->derived = d->derived && d->password_len ? &m->derived : NULL;
}

enum err dk_record_save_framework(const struct dk_device *d, uint8_t *out, size_t cap, size_t *len)
{
    assert(d && d->applet && (out || cap == 0) && len);
    struct framework_message m;
    struct envelope envelope = {.kind = ENVELOPE_PHONE_FRAMEWORK, .version = DK_RECORD_VERSION};
    memcpy(envelope.owner, d->id, sizeof envelope.owner);
    put_record(d, &m);
    enum err e = body_seal(d->crypto, &envelope, &m.record.base, out, cap, len);
    OPENSSL_cleanse(&m, sizeof m);
    return e;
}

/* ---- reading ---- */

static bool read_anchor(const Dk__V1__FrameworkRecord__Anchor *m, struct dk_anchor *a)
{
    struct x509 x;
    if (!body_read_up_to(&m->root, a->root, sizeof a->root, &a->root_len) ||
        !body_read_up_to(&m->device_oem, a->device_oem, sizeof a->device_oem, &a->device_oem_len))
        return false;
    /* a root was read when it was added; [F] and [E] are carried as they came */
    return a->root_len == 0 || x509_parse(span_of(a->root, a->root_len), &x) == ERR_OK;
}

static bool read_partner(const Dk__V1__FrameworkRecord__Partner *m, struct dk_partner *p)
{
    if (m->n_anchors > DK_PARTNER_ANCHORS ||
        !body_read_text(m->manufacturer, p->manufacturer, sizeof p->manufacturer) ||
        !body_read_up_to(&m->instance_ca, p->instance_ca, sizeof p->instance_ca, &p->instance_ca_len) ||
        !body_read_text(m->instance_ca_id, p->instance_ca_id, sizeof p->instance_ca_id))
        return false;
    bool has_root = false;
    for (size_t i = 0; i < m->n_anchors; i++) {
        if (!read_anchor(m->anchors[i], &p->anchors[i]))
            return false;
        has_root |= p->anchors[i].root_len != 0;
    }
    return !p->manufacturer[0] || (has_root && p->instance_ca_id[0]);
}

static bool read_partners(const Dk__V1__FrameworkRecord *m, struct dk_device *d)
{
    if (m->n_partners > DK_DEVICE_PARTNERS)
        return false;
    for (size_t i = 0; i < m->n_partners; i++)
        if (!read_partner(m->partners[i], &d->partners[i]))
            return false;
    return true;
}

/* A name with a key, or neither; no name twice. */
static enum err read_instance_cas(struct crypto *c, const Dk__V1__FrameworkRecord *m, struct applet *a)
{
    if (m->n_instance_cas > APPLET_INSTANCE_CAS)
        return ERR_RECORD_TORN;
    for (size_t i = 0; i < m->n_instance_cas; i++) {
        struct applet_instance_ca *ca = &a->instance_cas[i];
        enum err e = body_read_key(c, m->instance_cas[i]->key, &ca->key);
        if (e)
            return e;
        if (!body_read_text(m->instance_cas[i]->id, ca->id, sizeof ca->id) || !ca->id[0] != !ca->key)
            return ERR_RECORD_TORN;
        for (size_t j = 0; j < i; j++)
            if (ca->key && strcmp(ca->id, a->instance_cas[j].id) == 0)
                return ERR_RECORD_TORN;
    }
    return ERR_OK;
}

static enum err read_derived(struct crypto *c, const Dk__V1__FrameworkRecord__Derived *m, struct dk_device *d)
{
    struct spake2p_scrypt *s = &d->derived_from;
    if (!m)
        return ERR_OK;
    s->n = m->n;
    if (d->password_len == 0 || !body_read_exact(&m->salt, s->salt, sizeof s->salt) ||
        !body_read_u16(m->r, &s->r) || !body_read_u16(m->p, &s->p) || !spake2p_scrypt_acceptable(s) ||
        !body_read_exact(&m->w0, d->prover.w0, P256_SCALAR) ||
        !body_read_exact(&m->w1, d->prover.w1, P256_SCALAR) ||
        !body_read_exact(&m->w0_m, d->prover.w0_m, P256_POINT) ||
        !body_read_exact(&m->w0_n, d->prover.w0_n, P256_POINT))
        return ERR_RECORD_TORN;
    d->derived = true;
    enum err e;
    if ((e = p256_check_scalar(c, d->prover.w0)) || (e = p256_check_scalar(c, d->prover.w1)) ||
        (e = p256_check_point(c, d->prover.w0_m)) || (e = p256_check_point(c, d->prover.w0_n)))
        return body_reason(e);
    return ERR_OK;
}

static bool read_numbers(const Dk__V1__FrameworkRecord *m, struct dk_device *d)
{
    d->password_since_s = m->password_since_s;
    return body_read_up_to(&m->password, d->password, sizeof d->password, &d->password_len) &&
           body_read_u8(m->evidence_failures, &d->evidence_failures) &&
           body_read_versions(m->n_versions, m->versions, &d->versions) &&
           body_read_versions(m->n_applet_versions, m->applet_versions, &d->applet->versions);
}

static enum err read_enc_key(const Dk__V1__KeyPair *m, struct dk_device *d)
{
    enum err e = body_read_key(d->crypto, m, &d->enc_key);
    return !e && !d->enc_key ? ERR_RECORD_TORN : e;
}

/* Into what was just opened. */
static enum err read_record(const Dk__V1__FrameworkRecord *m, struct dk_device *d)
{
    if (!body_read_text(m->oem, d->oem, sizeof d->oem) || !body_read_text(m->name, d->name, sizeof d->name) ||
        !read_numbers(m, d) || !read_partners(m, d))
        return ERR_RECORD_TORN;
    enum err e = read_enc_key(m->enc_key, d);
    if (!e)
        e = read_instance_cas(d->crypto, m, d->applet);
    return e ? e : read_derived(d->crypto, m->derived, d);
}

/* It would be saved as these very bytes: so a free entry is empty, too. */
static bool saved_as(const struct dk_device *d, struct span body)
{
    struct framework_message m;
    put_record(d, &m);
    bool same = body_is(&m.record.base, body);
    OPENSSL_cleanse(&m, sizeof m);
    return same;
}

/* Both were closed: all that an error leaves is closed again. */
static enum err open_with(struct dk_device *d, struct applet *a, struct crypto *c,
                          const Dk__V1__FrameworkRecord *m, const struct envelope *envelope, struct span body)
{
    applet_open(a, c);
    enum err e = dk_device_open_blank(d, c, a, m->oem);
    if (e == ERR_NO_SPACE || e == ERR_BAD_ARGUMENT) /* a name that none can have */
        e = ERR_RECORD_TORN;
    if (!e)
        e = read_record(m, d);
    if (!e && !saved_as(d, body))
        e = ERR_RECORD_TORN;
    if (e) {
        dk_device_close(d);
        applet_close(a);
    } else {
        memcpy(d->id, envelope->owner, sizeof d->id);
    }
    return e;
}

enum err dk_record_load_framework(struct dk_device *d, struct applet *a, struct crypto *c, struct span record)
{
    assert(d && a && c && (record.p || record.len == 0));
    static const struct envelope_wanted wanted = {
        .kind = ENVELOPE_PHONE_FRAMEWORK, .oldest = DK_RECORD_VERSION, .newest = DK_RECORD_VERSION};
    alignas(16) uint8_t memory[ARENA];
    struct body_arena arena;
    struct envelope envelope;
    struct span body;
    enum err e = envelope_open(c, record, &wanted, &envelope, &body);
    if (e)
        return e;
    body_arena_open(&arena, memory, sizeof memory);
    const ProtobufCMessage *unpacked = body_unpack(&arena, &dk__v1__framework_record__descriptor, body);
    const Dk__V1__FrameworkRecord *m = (const Dk__V1__FrameworkRecord *)unpacked;
    e = m ? open_with(d, a, c, m, &envelope, body) : ERR_RECORD_TORN;
    body_arena_wipe(&arena);
    return e;
}
