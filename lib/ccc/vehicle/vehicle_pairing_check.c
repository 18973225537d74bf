/* What a device would refuse is found before the first APDU. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/vehicle/vehicle_pairing_parts.h"

static bool versions_ok(const struct op_versions *v)
{
    return v->n > 0 && v->n <= OP_VERSIONS && !op_versions_has(v, 0);
}

static bool scrypt_ok(const struct spake2p_scrypt *s)
{
    static const uint8_t none[SPAKE2P_SALT];
    return spake2p_scrypt_acceptable(s) && memcmp(s->salt, none, sizeof none) != 0;
}

static bool dates_ok(const struct endpoint_creation *e)
{
    return !e->not_before_s || !e->not_after_s || e->not_after_s > e->not_before_s;
}

static bool points_ok(struct crypto *c, const struct endpoint_creation *e)
{
    return p256_check_point(c, e->vehicle_pk) == ERR_OK && p256_check_point(c, e->authorized_pk) == ERR_OK;
}

/* [K] is of this vehicle. Who signed it is the device's question. */
static bool certificate_ok(const struct key_data *k)
{
    struct x509 x;
    uint8_t id[TRANSACTION_VEHICLE_ID];
    return x509_parse(k->vehicle_certificate, &x) == ERR_OK &&
           memcmp(x.public_key, k->creation.vehicle_pk, P256_POINT) == 0 &&
           dk_cert_vehicle_id(x.subject, id) == ERR_OK && memcmp(id, k->creation.vehicle_id, sizeof id) == 0;
}

/* As a device reads it. */
static bool readable(const struct vehicle_pairing_config *c, struct key_data_buffer *block)
{
    struct key_data k = c->key_data, parsed;
    k.creation.version = c->applet_versions.v[0]; /* whichever is agreed upon */
    enum err e = key_data_put(block, &k);
    if (!e)
        e = key_data_parse(span_of(block->bytes, block->len), &parsed);
    OPENSSL_cleanse(block, sizeof *block);
    return e == ERR_OK;
}

const char *vehicle_pairing_find_fault(const struct vehicle_pairing_config *c, struct key_data_buffer *block)
{
    const struct key_data *k = &c->key_data;
    const struct endpoint_creation *e = &k->creation;
    struct slot_id slot;
    if (c->n_roots == 0)
        return "no root to check a device against";
    if (!versions_ok(&c->versions) || !versions_ok(&c->applet_versions))
        return "no versions of SPAKE2+ or of the applet protocol, or too many";
    if (!scrypt_ok(&c->scrypt))
        return "scrypt parameters out of bounds, or no salt";
    if (k->vehicle_certificate.len == 0)
        return "no vehicle certificate";
    if (!certificate_ok(k))
        return "the vehicle certificate is of another key or another vehicle, or none at all";
    if (!points_ok(c->crypto, e))
        return "a public key is not on the curve";
    if (slot_id_parse(slot_id_span(&e->slot), &slot))
        return "slot identifier too short or too long";
    if (mailbox_map_check(&k->map, e->slot.len, e->private_size, e->confidential_size))
        return "mailbox layout, slot length and mailbox sizes do not fit each other";
    if (!dates_ok(e))
        return "the key ends before it begins";
    if (!readable(c, block))
        return "key creation data that a device refuses";
    return NULL;
}
