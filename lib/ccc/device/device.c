/* What the phone does by itself: partners, password, making the key, mailboxes. The vehicle's commands are in
 * device_commands.c. */
#include "lib/ccc/device/device.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/ecies.h"
#include "lib/ccc/tlv.h"

#define CLOCK_LAG_S 86400 /* the vehicle's clock may be behind by that much when it checks a new key */
#define RECEIPT_MAX 2048  /* sealed receipt with its user interface bundle */

const char *dk_device_state_name(enum dk_device_state s)
{
    assert(s < DK_STATES);
    static const char *const names[DK_STATES] = {"IDLE",    "SELECTED", "REQUESTED", "SECURE1",
                                                 "WRITTEN", "CREATING", "SECURE2",   "PAIRED"};
    return names[s];
}

enum err dk_device_open(struct dk_device *d, struct crypto *c, struct applet *a, const char *oem)
{
    assert(d && c && a && oem);
    memset(d, 0, sizeof *d);
    d->crypto = c;
    d->applet = a;
    d->versions = (struct op_versions){{0x0100}, 1};
    crypto_random(c, d->id, sizeof d->id);
    d->rules = &channel_framework;
    text_copy(d->oem, sizeof d->oem, oem);
    text_copy(d->name, sizeof d->name, oem);
    return p256_generate(c, &d->enc_key);
}

void dk_device_close(struct dk_device *d)
{
    assert(d && d->applet);
    dk_device_end_pairing(d, DK_IDLE);
    p256_free(d->enc_key);
    OPENSSL_cleanse(d, sizeof *d);
}

enum err dk_device_add_partner(struct dk_device *d, const char *manufacturer, struct span root,
                               struct dk_partner **out, uint8_t public_key[P256_POINT])
{
    assert(d && manufacturer && manufacturer[0] && out && public_key);
    struct dk_partner *p = NULL;
    struct x509 parsed;
    for (size_t i = 0; i < DK_DEVICE_PARTNERS && !p; i++)
        if (!d->partners[i].manufacturer[0])
            p = &d->partners[i];
    if (!p || strlen(manufacturer) > X509_CN_MAX || root.len > X509_MAX)
        return ERR_NO_SPACE;
    enum err e = x509_parse(root, &parsed);
    if (!e)
        e = dk_cert_instance_ca_id(d->oem, manufacturer, p->instance_ca_id);
    if (!e)
        e = applet_create_ca(d->applet, p->instance_ca_id, public_key);
    if (e)
        return e;
    text_copy(p->manufacturer, sizeof p->manufacturer, manufacturer);
    memcpy(p->anchors[0].root, root.p, root.len);
    p->anchors[0].root_len = root.len;
    *out = p;
    return ERR_OK;
}

enum err dk_partner_certify(struct dk_partner *p, struct span device_oem, struct span instance_ca)
{
    assert(p && p->manufacturer[0]);
    if (device_oem.len > X509_MAX || instance_ca.len > X509_MAX)
        return ERR_NO_SPACE;
    memcpy(p->anchors[0].device_oem, device_oem.p, device_oem.len);
    memcpy(p->instance_ca, instance_ca.p, instance_ca.len);
    p->anchors[0].device_oem_len = device_oem.len;
    p->instance_ca_len = instance_ca.len;
    return ERR_OK;
}

static struct dk_anchor *find_root(struct dk_partner *p, struct span root)
{
    for (size_t i = 0; i < DK_PARTNER_ANCHORS; i++)
        if (span_equal(span_of(p->anchors[i].root, p->anchors[i].root_len), root))
            return &p->anchors[i];
    return NULL;
}

enum err dk_partner_add_root(struct dk_partner *p, struct span root, struct span device_oem)
{
    assert(p && p->manufacturer[0] && root.p && root.len && device_oem.p);
    struct dk_anchor *free_entry = find_root(p, (struct span){0});
    struct x509 parsed;
    if (root.len > X509_MAX || device_oem.len > X509_MAX)
        return ERR_NO_SPACE;
    if (find_root(p, root))
        return ERR_BUSY;
    if (!free_entry)
        return ERR_NO_SPACE;
    enum err e = x509_parse(root, &parsed);
    if (e)
        return e;
    memcpy(free_entry->root, root.p, root.len);
    memcpy(free_entry->device_oem, device_oem.p, device_oem.len);
    free_entry->root_len = root.len;
    free_entry->device_oem_len = device_oem.len;
    return ERR_OK;
}

enum err dk_partner_drop_root(struct dk_partner *p, struct span root)
{
    assert(p && root.p && root.len);
    struct dk_anchor *a = find_root(p, root);
    if (!a)
        return ERR_NOT_FOUND;
    if (find_root(p, (struct span){0}))
        return ERR_BUSY;
    memset(a, 0, sizeof *a);
    return ERR_OK;
}

/* ---- password ---- */

static void wipe_password(struct dk_device *d)
{
    OPENSSL_cleanse(d->password, sizeof d->password);
    OPENSSL_cleanse(&d->prover, sizeof d->prover);
    d->password_len = 0;
    d->derived = false;
}

enum err dk_device_set_password(struct dk_device *d, struct span password)
{
    assert(d && (password.p || password.len == 0));
    if (password.len == 0 || password.len > sizeof d->password)
        return ERR_BAD_ARGUMENT;
    bool same = span_equal(password, span_of(d->password, d->password_len));
    dk_device_end_pairing(d, DK_IDLE);
    if (same)
        return ERR_OK;
    wipe_password(d);
    memcpy(d->password, password.p, password.len);
    d->password_len = password.len;
    return ERR_OK;
}

void dk_device_forget_password(struct dk_device *d)
{
    wipe_password(d);
    dk_device_end_pairing(d, d->state == DK_PAIRED ? DK_PAIRED : DK_IDLE);
}

/* ---- the pairing under way ---- */

struct dk_owned *dk_device_owned(struct dk_device *d, const struct digital_key *k)
{
    assert(d && k >= d->applet->keys && k < d->applet->keys + APPLET_KEYS);
    return &d->owned[k - d->applet->keys];
}

void dk_device_end_pairing(struct dk_device *d, enum dk_device_state next)
{
    assert(next == DK_IDLE || next == DK_SELECTED || next == DK_PAIRED);
    struct digital_key *k = d->pairing.key;
    if (k) {
        struct dk_owned *o = dk_device_owned(d, k);
        if (!o->paired) {
            applet_delete_endpoint(d->applet, k);
            OPENSSL_cleanse(o, sizeof *o);
        }
    }
    channel_close(&d->pairing.channel);
    OPENSSL_cleanse(&d->pairing, sizeof d->pairing);
    d->state = next;
}

void dk_device_reset(struct dk_device *d, enum transaction_interface interface)
{
    struct dk_pairing *p = &d->pairing;
    d->selected = DK_SELECTED_NOBODY;
    applet_reset(d->applet, interface);
    if (d->state == DK_CREATING || d->state == DK_PAIRED)
        return;
    /* The link was lost: the channel is gone; a key that was made waits for the password's end. */
    channel_close(&p->channel);
    spake2p_wipe(&p->spake);
    OPENSSL_cleanse(&p->keys, sizeof p->keys);
    OPENSSL_cleanse(&p->block, sizeof p->block);
    OPENSSL_cleanse(p->object, sizeof p->object);
    p->object_len = p->object_sent = 0;
    d->state = DK_IDLE;
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
    if (d->state != DK_CREATING || d->pairing.key)
        return ERR_MSG_OUT_OF_ORDER;
    enum err e = create_key(d);
    if (e)
        dk_device_end_pairing(d, DK_IDLE);
    return e;
}

/* ---- mailboxes ---- */

/* An attestation for the KTS, if one lies in KeyAtt: taken and erased. A receipt that the vehicle has not
 * taken yet stays. */
static enum err take_attestation(struct dk_device *d, struct digital_key *k, uint8_t *bits)
{
    static const uint8_t zeros[MAILBOX_PRIVATE_MAX];
    struct dk_owned *o = dk_device_owned(d, k);
    uint8_t area[MAILBOX_PRIVATE_MAX];
    size_t size = mailbox_attestation_size(&o->map);
    struct tlv t;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, o->map.attestation, area, size);
    struct rd r = rd_of(area, e ? 0 : size);
    if (!tlv_next(&r, &t) || t.tag != KEY_DATA_TAG_ATTESTATION || t.value.len > sizeof o->attestation)
        return e;
    memcpy(o->attestation, t.value.p, t.value.len);
    o->attestation_len = t.value.len;
    *bits &= (uint8_t)~MAILBOX_ATTESTATION;
    return applet_set_data(d->applet, k, MAILBOX_PRIVATE, o->map.attestation, span_of(zeros, size));
}

enum err dk_device_collect(struct dk_device *d, struct digital_key *k)
{
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    uint8_t bits;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, &bits, 1);
    if (!e && bits & MAILBOX_ATTESTATION)
        e = take_attestation(d, k, &bits);
    if (bits & MAILBOX_SLOTS_WRITTEN) /* else a changed slot bitmap is our own word to the vehicle */
        bits &= (uint8_t) ~(MAILBOX_SLOTS_WRITTEN | MAILBOX_SLOT_BITMAP_CHANGED);
    return e ? e : applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, span_of(&bits, 1));
}

enum err dk_device_hand_out_slot(struct dk_device *d, struct digital_key *k, struct slot_id *slot,
                                 unsigned *entry)
{
    assert(slot && entry);
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    struct slot_id s = {.len = k->creation.slot.len};
    uint8_t maps[2]; /* signalling, slots: neighbours by definition */
    unsigned i = 1;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, maps, sizeof maps);
    while (!e && i < MAILBOX_SLOTS && !(maps[1] & 1u << i))
        i++;
    if (!e && i == MAILBOX_SLOTS)
        e = ERR_NOT_FOUND;
    if (!e)
        e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->slots + (size_t)i * s.len, s.b, s.len);
    if (e)
        return e;
    maps[0] &= (uint8_t)~MAILBOX_SLOTS_WRITTEN; /* we have read what the vehicle wrote */
    maps[0] |= MAILBOX_SLOT_BITMAP_CHANGED;
    maps[1] &= (uint8_t) ~(1u << i);
    e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, span_of(maps, sizeof maps));
    if (e)
        return e;
    *slot = s;
    *entry = i;
    return ERR_OK;
}

enum err dk_device_receipt(struct dk_device *d, struct digital_key *k, const uint8_t ephemeral[P256_POINT],
                           struct span sealed)
{
    assert(ephemeral && (sealed.p || sealed.len == 0));
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    uint8_t plain[RECEIPT_MAX], bits;
    struct span receipt, ui_bundle;
    if (sealed.len < ECIES_OVERHEAD || sealed.len > sizeof plain)
        return ERR_NO_SPACE;
    enum err e;
    if ((e = ecies_open(d->crypto, d->enc_key, ephemeral, sealed, plain)) ||
        (e = receipt_split(span_of(plain, sealed.len - ECIES_OVERHEAD), &receipt, &ui_bundle)))
        goto out;
    if (receipt.len > mailbox_attestation_size(m)) {
        e = ERR_NO_SPACE;
        goto out;
    }
    /* KeyAtt, then its bit of SigBmp (table 4-1) */
    if ((e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, &bits, 1)) ||
        (e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->attestation, receipt)))
        goto out;
    bits |= MAILBOX_ATTESTATION;
    e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, span_of(&bits, 1));
out:
    OPENSSL_cleanse(plain, sizeof plain);
    return e;
}
