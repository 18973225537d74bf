/* What the phone does by itself: opening, password, making the key. The vehicle's commands are in
 * device_commands.c. */
#include "lib/ccc/device/device.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device_internal.h"

#define CLOCK_LAG_S 86400 /* the vehicle's clock may be behind by that much when it checks a new key */

const char *dk_device_state_name(enum dk_device_state s)
{
    assert(s < DK_STATES);
    static const char *const names[DK_STATES] = {"IDLE",    "SELECTED", "DERIVING", "REQUESTED", "SECURE1",
                                                 "WRITTEN", "CREATING", "SECURE2",  "PAIRED"};
    return names[s];
}

enum err dk_device_open_blank(struct dk_device *d, struct crypto *c, struct applet *a, const char *oem)
{
    assert(d && c && a && oem);
    char id[X509_CN_MAX + 1];
    memset(d, 0, sizeof *d);
    d->crypto = c;
    d->applet = a;
    d->versions = (struct op_versions){{0x0100}, 1};
    crypto_random(c, d->id, sizeof d->id);
    d->rules = &channel_framework;
    enum err e = oem[0] ? dk_cert_endpoint_id(oem, d->id, id) : ERR_BAD_ARGUMENT;
    if (e)
        return e;
    text_copy(d->oem, sizeof d->oem, oem);
    text_copy(d->name, sizeof d->name, oem);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        a->maps[i] = &d->owned[i].map;
    return ERR_OK;
}

enum err dk_device_open(struct dk_device *d, struct crypto *c, struct applet *a, const char *oem)
{
    enum err e = dk_device_open_blank(d, c, a, oem);
    return e ? e : p256_generate(c, &d->enc_key);
}

void dk_device_close(struct dk_device *d)
{
    assert(d && d->applet);
    dk_end_pairing(d, DK_IDLE);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        d->applet->maps[i] = NULL;
    p256_free(d->enc_key);
    OPENSSL_cleanse(d, sizeof *d);
}

struct dk_change dk_device_changes(struct dk_device *d)
{
    assert(d && !d->storing.what);
    struct dk_change changed = d->changed;
    d->changed = (struct dk_change){0};
    return changed;
}

/* ---- password ---- */

void dk_wipe_password(struct dk_device *d)
{
    OPENSSL_cleanse(d->password, sizeof d->password);
    OPENSSL_cleanse(&d->prover, sizeof d->prover);
    d->password_len = 0;
    d->password_since_s = 0;
    d->evidence_failures = 0;
    d->derived = false;
}

enum err dk_device_set_password(struct dk_device *d, struct span password)
{
    assert(d && !d->storing.what && (password.p || password.len == 0));
    if (password.len == 0 || password.len > sizeof d->password)
        return ERR_BAD_ARGUMENT;
    dk_end_pairing(d, DK_IDLE);
    if (!span_equal(password, span_of(d->password, d->password_len)))
        dk_wipe_password(d);
    memcpy(d->password, password.p, password.len);
    d->password_len = password.len;
    d->password_since_s = d->now_s;
    d->evidence_failures = d->derivations = 0;
    d->changed.framework = true;
    return ERR_OK;
}

void dk_device_forget_password(struct dk_device *d)
{
    assert(d && !d->storing.what);
    dk_wipe_password(d);
    d->changed.framework = true;
    dk_end_pairing(d, d->state == DK_PAIRED ? DK_PAIRED : DK_IDLE);
}

bool dk_has_password(const struct dk_device *d)
{
    return d->password_len != 0 && d->evidence_failures < DK_EVIDENCE_MAX;
}

bool dk_pairing_mode(const struct dk_device *d)
{
    return dk_has_password(d) && d->state != DK_PAIRED;
}

/* ---- keys ---- */

size_t dk_key_index(const struct dk_device *d, const struct digital_key *k)
{
    assert(d && k >= d->applet->keys && k < d->applet->keys + APPLET_KEYS);
    return (size_t)(k - d->applet->keys);
}

uint16_t dk_key_bit(const struct dk_device *d, const struct digital_key *k)
{
    _Static_assert(APPLET_KEYS <= 16, "a bit for each key");
    return (uint16_t)(1u << dk_key_index(d, k));
}

struct dk_owned *dk_device_owned(struct dk_device *d, const struct digital_key *k)
{
    return &d->owned[dk_key_index(d, k)];
}

void dk_drop_key(struct dk_device *d, struct digital_key *k)
{
    size_t i = dk_key_index(d, k);
    applet_delete_endpoint(d->applet, k);
    OPENSSL_cleanse(&d->owned[i], sizeof d->owned[i]);
    d->later[i] = (struct dk_later){0};
}

void dk_store_begin(struct dk_device *d, enum dk_storing_what what, enum dk_link_id link,
                    struct dk_change change)
{
    assert(!d->storing.what);
    d->storing.what = what;
    d->storing.link = link;
    d->storing.answers = true;
    d->storing.change = change;
}

/* ---- the pairing under way ---- */

bool dk_pairing_open(const struct dk_device *d)
{
    return d->state > DK_SELECTED && d->state != DK_PAIRED;
}

bool dk_pairing_open_on(const struct dk_device *d, enum dk_link_id link)
{
    return dk_pairing_open(d) && d->pairing.link == link;
}

void dk_end_pairing(struct dk_device *d, enum dk_device_state next)
{
    assert(next == DK_IDLE || next == DK_SELECTED || next == DK_PAIRED);
    struct digital_key *k = d->pairing.key;
    if (k && k->state == APPLET_KEY_CREATED)
        dk_drop_key(d, k);
    channel_close(&d->pairing.channel);
    OPENSSL_cleanse(&d->pairing, sizeof d->pairing);
    d->state = next;
}

/* What the framework keeps beside the applet's key. */
static void keep(struct dk_device *d, const struct key_data *k, struct dk_owned *o)
{
    const struct spake2p_keys *keys = &d->pairing.keys;
    const struct device_config_ble *ble = &k->config.ble;
    *o = (struct dk_owned){.map = k->map, .vehicle_versions = d->pairing.vehicle_versions};
    memcpy(o->long_term_shared_secret, keys->long_term_shared_secret, CCC_KEY);
    memcpy(o->kble_intro, ble->kble_intro ? ble->kble_intro : keys->kble_intro, CCC_KEY);
    memcpy(o->kble_oob_master,
           ble->kble_oob_master_online ? ble->kble_oob_master_online : keys->kble_oob_master, CCC_KEY);
    o->has_kble_oob = ble->kble_oob != NULL;
    if (ble->kble_oob)
        memcpy(o->kble_oob, ble->kble_oob, CCC_KEY);
    memcpy(o->irk, ble->irk, sizeof o->irk);
    memcpy(o->ble_address, ble->address, sizeof o->ble_address);
    memcpy(o->vehicle_certificate, k->vehicle_certificate.p, k->vehicle_certificate.len);
    o->vehicle_certificate_len = k->vehicle_certificate.len;
}

static enum err create_key(struct dk_device *d)
{
    struct dk_pairing *p = &d->pairing;
    struct key_data k;
    uint8_t unique[8];
    char endpoint_id[X509_CN_MAX + 1];
    assert(p->partner); /* 10/01 found it */
    enum err e = key_data_parse(span_of(p->block.bytes, p->block.len), &k);
    crypto_random(d->crypto, unique, sizeof unique);
    if (!e)
        e = dk_cert_endpoint_id(d->oem, unique, endpoint_id);
    if (e)
        return e;
    struct applet_create create = {
        .creation = &k.creation,
        .endpoint_id = endpoint_id,
        .instance_ca_id = p->partner->instance_ca_id,
        .not_before_s = k.creation.not_before_s ? k.creation.not_before_s : d->now_s - CLOCK_LAG_S,
        .not_after_s = k.creation.not_after_s ? k.creation.not_after_s : DK_CERT_NO_END_S,
    };
    /* CREATE ENDPOINT */
    e = applet_create_endpoint(d->applet, &create, &p->key);
    if (e)
        return e;
    keep(d, &k, dk_device_owned(d, p->key));
    /* SETUP ENDPOINT */
    e = applet_setup_endpoint(p->key, &k.config.auth1_confidential, &k.config.auth1_private);
    OPENSSL_cleanse(&p->block, sizeof p->block); /* k points into it; the next block begins empty */
    return e;
}

enum err dk_device_create_key(struct dk_device *d)
{
    assert(d && !d->storing.what);
    if (d->state != DK_CREATING || d->pairing.key)
        return ERR_MSG_OUT_OF_ORDER;
    enum err e = create_key(d);
    if (e)
        dk_end_pairing(d, DK_IDLE);
    return e;
}
