#include "sim/plant/plant.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/host/seal.h"
#include "lib/uds/uds_serial.h"
#include "sim/plant/bad_csr.h"

#define OTHER_SERIAL "SPAAK99999999"
#define BODY_KEY     16 /* bytes */

/* Security levels of UDS, by who opens them. */
enum { LEVEL_WORKSHOP = 0x01, LEVEL_PLANT = 0x61 };

enum err plant_make(struct crypto *c, int64_t now_s, struct plant *out)
{
    struct oem oem;
    struct oem_options options = {.now_s = now_s};
    enum err e = oem_make(c, &options, &oem);
    if (e)
        return e;
    for (size_t r = 0; !e && r < OEM_ROLES; r++) {
        struct plant_identity *i = &out->roles[r];
        e = p256_private(oem.roles[r].key, i->scalar);
        memcpy(i->der, oem.roles[r].der, oem.roles[r].len);
        i->len = oem.roles[r].len;
    }
    crypto_random(c, out->tester_secret, sizeof out->tester_secret);
    oem_free(&oem);
    crypto_random(c, out->store_key, sizeof out->store_key);
    crypto_random(c, out->body_secret, sizeof out->body_secret);
    if (e)
        plant_wipe(out);
    return e;
}

void plant_wipe(struct plant *p)
{
    OPENSSL_cleanse(p, sizeof *p);
}

enum err plant_open(const struct plant *p, struct crypto *c, int64_t now_s, const char *const *serials,
                    struct plant_shift *out)
{
    enum err e = ERR_OK;
    *out = (struct plant_shift){.crypto = c, .now_s = now_s, .serials = serials};
    memcpy(out->store_key, p->store_key, sizeof out->store_key);
    memcpy(out->tester_secret, p->tester_secret, sizeof out->tester_secret);
    memcpy(out->body_secret, p->body_secret, sizeof out->body_secret);
    for (size_t r = 0; !e && r < OEM_ROLES; r++) {
        e = p256_from_private(c, p->roles[r].scalar, &out->oem.roles[r].key);
        memcpy(out->oem.roles[r].der, p->roles[r].der, p->roles[r].len);
        out->oem.roles[r].len = p->roles[r].len;
    }
    if (e)
        plant_close(out);
    return e;
}

void plant_close(struct plant_shift *s)
{
    oem_free(&s->oem);
    OPENSSL_cleanse(s->store_key, sizeof s->store_key);
    OPENSSL_cleanse(s->former_store_key, sizeof s->former_store_key);
    OPENSSL_cleanse(s->tester_secret, sizeof s->tester_secret);
    OPENSSL_cleanse(s->body_secret, sizeof s->body_secret);
}

/* ---- items ---- */

static enum err put_secret(const struct plant_shift *s, const struct component_class *class, const char *name,
                           struct span value, struct store *store)
{
    const struct seal seal = {.crypto = s->crypto, .class = class, .key = s->store_key};
    struct seal_value sealed;
    if (!seal_covers(class, name))
        return store_set(store, name, value);
    enum err e = seal_make(&seal, name, value, &sealed);
    if (!e)
        e = store_set(store, name, span_of(sealed.bytes, sealed.len));
    seal_value_free(&sealed);
    return e;
}

static enum err put_key(const struct plant_shift *s, const struct component_class *class, const char *name,
                        const struct p256_key *key, struct store *store)
{
    uint8_t scalar[P256_SCALAR];
    enum err e = p256_private(key, scalar);
    if (!e)
        e = put_secret(s, class, name, span_of(scalar, sizeof scalar), store);
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

static enum err put_vehicles(const struct plant_shift *s, const char *prefix, struct store *store)
{
    char key[ENV_KEY_MAX];
    uint8_t known[8];
    size_t len;
    enum err e = ERR_OK;
    for (const char *const *serial = s->serials; !e && *serial; serial++) {
        snprintf(key, sizeof key, "%s%s", prefix, *serial);
        if (store_get(store, key, known, sizeof known, &len) == ERR_NOT_FOUND)
            e = store_set(store, key, span_of("\1", 1));
    }
    return e;
}

static enum err put_level(const struct plant_shift *s, const struct component_class *class,
                          const struct plant_item *item, uint8_t level, const char *serial,
                          struct store *store)
{
    uint8_t k[UDS_SECRET];
    enum err e = uds_security_ecu_key(s->crypto, s->tester_secret, level, span_of(serial, UDS_SERIAL_LEN), k);
    if (!e)
        e = put_secret(s, class, item->key, span_of(k, sizeof k), store);
    OPENSSL_cleanse(k, sizeof k);
    return e;
}

/* Derived, so that an ECU which joins its vehicle in a later life gets the same. */
static enum err put_body_key(const struct plant_shift *s, const struct component_class *class,
                             const struct plant_item *item, const char *serial, struct store *store)
{
    static const char label[] = "body-key";
    const struct span parts[] = {span_of(label, sizeof label), span_of(serial, strlen(serial))};
    uint8_t key[SHA256_SIZE];
    crypto_hmac(s->crypto, s->body_secret, parts, 2, key);
    enum err e = put_secret(s, class, item->key, span_of(key, BODY_KEY), store);
    OPENSSL_cleanse(key, sizeof key);
    return e;
}

/* Whose key and certificate are put: the plant's own, or this ECU's. */
struct bearer {
    const char *serial; /* of its vehicle */
    struct oem_identity client, vehicle;
};

static enum err put_identity(const struct plant_shift *s, const struct component_class *class,
                             const struct plant_item *item, const struct oem_identity *i, struct store *store)
{
    bool key = item->kind == PLANT_KEY || item->kind == PLANT_CLIENT_KEY || item->kind == PLANT_VEHICLE_KEY;
    return key ? put_key(s, class, item->key, i->key, store)
               : store_set(store, item->key, span_of(i->der, i->len));
}

static enum err put_item(const struct plant_shift *s, const struct component_class *class,
                         const struct plant_item *item, const struct bearer *b, struct store *store)
{
    char serial[UDS_SERIAL_LEN + 1];
    enum oem_role role;
    switch (item->kind) {
    case PLANT_VEHICLES:
        return put_vehicles(s, item->key, store);
    case PLANT_CLIENT_KEY:
    case PLANT_CLIENT_CERTIFICATE:
        return put_identity(s, class, item, &b->client, store);
    case PLANT_VEHICLE_KEY:
    case PLANT_VEHICLE_CERTIFICATE:
        return put_identity(s, class, item, &b->vehicle, store);
    case PLANT_LEVEL_WORKSHOP:
    case PLANT_LEVEL_PLANT:
        uds_serial_of(item->of, b->serial, UDS_SERIAL_LEN, serial);
        return put_level(s, class, item, item->kind == PLANT_LEVEL_PLANT ? LEVEL_PLANT : LEVEL_WORKSHOP,
                         serial, store);
    case PLANT_TESTER_SECRET:
        return put_secret(s, class, item->key, span_of(s->tester_secret, sizeof s->tester_secret), store);
    case PLANT_BODY_KEY:
        return put_body_key(s, class, item, b->serial, store);
    case PLANT_KEY:
    case PLANT_CERTIFICATE:
        break;
    }
    return oem_role_find(item->of, &role) ? put_identity(s, class, item, &s->oem.roles[role], store)
                                          : ERR_NOT_FOUND;
}

static bool is_client(const struct plant_item *i)
{
    return i->kind == PLANT_CLIENT_KEY || i->kind == PLANT_CLIENT_CERTIFICATE;
}

static bool is_vehicle(const struct plant_item *i)
{
    return i->kind == PLANT_VEHICLE_KEY || i->kind == PLANT_VEHICLE_CERTIFICATE;
}

/* Makes what the class needs of its own, each once. */
static enum err make_bearer(struct plant_shift *s, const struct component_class *class, const char *vehicle,
                            struct bearer *out)
{
    char serial[UDS_SERIAL_LEN + 1];
    enum err e = ERR_OK;
    *out = (struct bearer){.serial = vehicle};
    for (const struct plant_item *i = class->plant; !e && i && i->key; i++) {
        if (is_client(i) && !out->client.key) {
            uds_serial_of(i->of, vehicle, UDS_SERIAL_LEN, serial);
            e = oem_make_client(s->crypto, &s->oem, serial, s->now_s, &out->client);
        }
        if (!e && is_vehicle(i) && !out->vehicle.key)
            e = oem_make_vehicle(s->crypto, &s->oem, i->of, s->now_s, &out->vehicle);
    }
    return e;
}

static void free_bearer(struct bearer *b)
{
    oem_identity_free(&b->client);
    oem_identity_free(&b->vehicle);
}

static bool has_defect(const struct defect_spec *const *defects, size_t n, enum defect_kind kind,
                       const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (defects[i]->kind == kind && strcmp(defects[i]->key, key) == 0)
            return true;
    return false;
}

static enum err put_items(struct plant_shift *s, const struct component_class *class, const char *serial,
                          bool first, const struct defect_spec *const *defects, size_t n, struct store *store)
{
    struct bearer b = {.serial = serial};
    enum err e = first ? make_bearer(s, class, serial, &b) : ERR_OK;
    for (const struct plant_item *i = class->plant; !e && i && i->key; i++)
        if ((first || i->kind == PLANT_VEHICLES) && !has_defect(defects, n, DEFECT_ABSENT, i->key))
            e = put_item(s, class, i, &b, store);
    free_bearer(&b);
    return e;
}

/* ---- defects ---- */

static bool holds(struct store *store, const char *key)
{
    uint8_t any[X509_MAX];
    size_t len;
    enum err e = store_get(store, key, any, sizeof any, &len);
    OPENSSL_cleanse(any, sizeof any);
    return !e;
}

/* In the place of the identity that a life has brought; ERR_NOT_FOUND when none has. */
static enum err make_foreign(struct plant_shift *s, const struct component_class *class,
                             const struct defect_spec *d, struct store *store)
{
    struct oem_identity other = {0};
    if (!holds(store, d->key) || !holds(store, d->with))
        return ERR_NOT_FOUND;
    enum err e = oem_make_ecu(s->crypto, &s->oem, OTHER_SERIAL, s->now_s, &other);
    if (!e)
        e = put_key(s, class, d->key, other.key, store);
    if (!e)
        e = store_set(store, d->with, span_of(other.der, other.len));
    oem_identity_free(&other);
    return e;
}

static enum err make_expired(struct plant_shift *s, const struct component_class *class, const char *key,
                             struct store *store)
{
    struct oem_identity old = {0};
    enum oem_role role;
    const struct plant_item *i = class->plant;
    while (i->key && strcmp(i->key, key) != 0)
        i++;
    if (!i->key || !oem_role_find(i->of, &role))
        return ERR_NOT_FOUND;
    enum err e = oem_make_expired(s->crypto, &s->oem, role, s->now_s, &old);
    return e ? e : store_set(store, key, span_of(old.der, old.len));
}

/* What lies in the store stays as it is: who opens it next has both keys. */
static enum err change_store_key(struct plant_shift *s)
{
    memcpy(s->former_store_key, s->store_key, sizeof s->former_store_key);
    crypto_random(s->crypto, s->store_key, sizeof s->store_key);
    s->store_key_changed = true;
    return ERR_OK;
}

static enum err apply(struct plant_shift *s, const struct component_class *class, const struct defect_spec *d,
                      struct store *store)
{
    switch (d->kind) {
    case DEFECT_ABSENT:
        return ERR_OK; /* left out above */
    case DEFECT_FOREIGN:
        return make_foreign(s, class, d, store);
    case DEFECT_EXPIRED:
        return make_expired(s, class, d->key, store);
    case DEFECT_CSR_OTHER_SUBJECT:
        return bad_csr_other_subject(s->crypto, store, d->key, d->with);
    case DEFECT_CSR_WEAK_KEY:
        return bad_csr_weak_key(s->crypto, store, d->key, d->with);
    case DEFECT_STORE_KEY:
        return change_store_key(s);
    }
    return ERR_BAD_ARGUMENT;
}

enum err plant_equip(struct plant_shift *s, const struct component_class *class, const char *serial,
                     bool first, const struct defect_spec *const *defects, size_t defect_count,
                     struct store *store)
{
    enum err e = put_items(s, class, serial, first, defects, defect_count, store);
    for (size_t i = 0; !e && i < defect_count; i++)
        e = apply(s, class, defects[i], store);
    return e;
}
