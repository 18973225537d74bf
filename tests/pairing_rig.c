/* The rig is made and freed: authorities, a phone that they know, what the vehicle brings. */
#include "tests/pairing_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_S (365 * 86400ll)

static const char vehicle_subject[] = "V.SPAAKSIM.EU.0001.00010123456789AB";
static const char manufacturer[] = "SPAAKSIM";

/* ---- authorities ---- */

static bool certify(struct rig *r, struct rig_authority *subject, const struct rig_authority *issuer,
                    enum x509_profile profile, const char *name, const char *issuer_name,
                    const uint8_t *public_key)
{
    uint8_t own[P256_POINT], signer[P256_POINT];
    p256_public(issuer->key, signer);
    if (!public_key)
        p256_public(subject->key, own);
    struct x509_template t = {.profile = profile,
                              .subject = name,
                              .issuer = issuer_name,
                              .not_before_s = RIG_NOW_S - YEAR_S,
                              .not_after_s = RIG_NOW_S + 20 * YEAR_S,
                              .public_key = public_key ? public_key : own,
                              .issuer_public_key = signer};
    return x509_issue(r->crypto, &t, issuer->key, subject->der, &subject->len) == ERR_OK;
}

static bool make_authorities(struct rig *r)
{
    struct rig_authority *const with_key[] = {&r->j, &r->j1, &r->k, &r->kts, &r->d};
    uint8_t d_public[P256_POINT];
    for (size_t i = 0; i < sizeof with_key / sizeof with_key[0]; i++)
        if (p256_generate(r->crypto, &with_key[i]->key))
            return false;
    p256_public(r->d.key, d_public);
    return certify(r, &r->j, &r->j, X509_OEM_ROOT, "Root J", "Root J", NULL) &&
           certify(r, &r->j1, &r->j, X509_OEM_SUB_CA, "Sub-CA J1", "Root J", NULL) &&
           certify(r, &r->k, &r->j1, X509_VEHICLE, vehicle_subject, "Sub-CA J1", NULL) &&
           certify(r, &r->d, &r->d, X509_DEVICE_OEM, "Device OEM CA", "Device OEM CA", NULL) &&
           certify(r, &r->f, &r->j, X509_DEVICE_CROSS, "Device OEM CA", "Root J", d_public) &&
           x509_parse(span_of(r->j.der, r->j.len), &r->root) == ERR_OK;
}

static bool make_phone(struct rig *r)
{
    uint8_t instance_ca[P256_POINT];
    applet_open(&r->applet, r->crypto);
    if (dk_device_open(&r->device, r->crypto, &r->applet, "phonemaker") ||
        dk_device_add_partner(&r->device, manufacturer, span_of(r->j.der, r->j.len), &r->partner,
                              instance_ca))
        return false;
    r->device.now_s = RIG_NOW_S;
    return certify(r, &r->e, &r->d, X509_INSTANCE_CA, r->partner->instance_ca_id, "Device OEM CA",
                   instance_ca) &&
           dk_partner_certify(r->partner, span_of(r->f.der, r->f.len), span_of(r->e.der, r->e.len)) == ERR_OK;
}

/* ---- what the vehicle brings ---- */

/* One salt for all rigs, and scrypt once in a program: it is most of what a rig costs. */
static bool make_verifier(struct rig *r)
{
    static const struct spake2p_scrypt scrypt = {
        .salt = "spaaksim's salt", .n = SPAKE2P_N_MIN, .r = SPAKE2P_R, .p = SPAKE2P_P};
    static bool made;
    static struct spake2p_verifier_set verifier;
    static struct spake2p_prover_set prover;
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    if (!made)
        made = spake2p_derive(r->crypto, span_of(RIG_PASSWORD, 8), &scrypt, w0, w1) == ERR_OK &&
               spake2p_register(r->crypto, w0, w1, &verifier) == ERR_OK &&
               spake2p_prover_set_make(r->crypto, w0, w1, &prover) == ERR_OK;
    r->pairing_config.scrypt = scrypt;
    r->verifier = verifier;
    r->prover = prover;
    return made;
}

static struct key_data make_key_data(struct rig *r)
{
    static const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID] = {0x00, 0x01, 0x01, 0x23,
                                                               0x45, 0x67, 0x89, 0xAB};
    struct key_data k = {
        .creation = {.options_1 = ENDPOINT_OWNER_OPTIONS_1 | ENDPOINT_EXCHANGE_AFTER_FAST,
                     .options_2 = ENDPOINT_OWNER_OPTIONS_2,
                     .confidential_size = MAILBOX_DEFAULT_CONFIDENTIAL,
                     .private_size = MAILBOX_DEFAULT_PRIVATE,
                     .slot = {.b = {0, 0, 0, 0, 0, 0, 0, 1}, .len = 8}},
        .vehicle_certificate = span_of(r->k.der, r->k.len),
        .intermediate = span_of(r->j1.der, r->j1.len),
        .map = mailbox_map_default,
        .config = {
            .vehicle_info = span_of("spaaksim One", 12),
            .auth1_private = {.offset = 0, .len = 2},
            .nfc = true,
            .ble = {.present = true, .irk = {0x1B}, .address = {0xC0, 1, 2, 3, 4, 5}},
            .sharing = {.present = true, .source = DEVICE_CONFIG_FROM_VEHICLE, .max_attestations = 1}}};
    memcpy(k.creation.vehicle_id, vehicle_id, sizeof vehicle_id);
    p256_public(r->k.key, k.creation.vehicle_pk);
    p256_public(r->j.key, k.creation.authorized_pk);
    return k;
}

static void make_vehicle(struct rig *r)
{
    const struct op_versions one = {{0x0100}, 1};
    struct vehicle_pairing_config *p = &r->pairing_config;
    struct vehicle_finish_config *f = &r->finish_config;
    p->crypto = r->crypto;
    p->verifier = &r->verifier;
    p->versions = p->applet_versions = one;
    p->rules = &channel_framework;
    p->brand = 0x0001;
    p->roots = &r->root;
    p->n_roots = 1;
    p->now_s = RIG_NOW_S;
    p->key_data = make_key_data(r);
    p->attest_with = r->k.key;
    f->transaction = (struct vehicle_transaction_config){.crypto = r->crypto,
                                                         .vehicle_key = r->k.key,
                                                         .versions = one,
                                                         .keys = &r->key,
                                                         .now_s = RIG_NOW_S,
                                                         .interface = TRANSACTION_CONTACTLESS};
    memcpy(f->transaction.vehicle_id, p->key_data.creation.vehicle_id, TRANSACTION_VEHICLE_ID);
    p256_public(r->k.key, f->transaction.vehicle_pk);
    p256_public(r->kts.key, r->kts_pk);
    f->kts_pk = r->kts_pk;
    crypto_random(r->crypto, r->tokens, sizeof r->tokens);
    f->offer.tokens = r->tokens;
    f->offer.entries = 0xFF;
    for (uint8_t i = 0; i < MAILBOX_SLOTS; i++)
        f->offer.slots[i] = (struct slot_id){.b = {0, 0, 0, 0, 0, 0, 0, (uint8_t)(1 + i)}, .len = 8};
}

bool rig_open(struct rig *r, struct crypto *c)
{
    memset(r, 0, sizeof *r);
    r->crypto = c;
    r->interface = TRANSACTION_CONTACTLESS;
    if (!make_authorities(r) || !make_phone(r) || !make_verifier(r)) {
        fprintf(stderr, "the rig could not be made\n");
        return false;
    }
    make_vehicle(r);
    return true;
}

void rig_close(struct rig *r)
{
    dk_device_close(&r->device);
    applet_close(&r->applet);
    struct rig_authority *const with_key[] = {&r->j, &r->j1, &r->k, &r->kts, &r->d};
    for (size_t i = 0; i < sizeof with_key / sizeof with_key[0]; i++)
        p256_free(with_key[i]->key);
    vehicle_key_close(&r->key);
    vehicle_pairing_wipe(&r->pairing);
    vehicle_finish_wipe(&r->finish);
    vehicle_transaction_wipe(&r->unlock);
}

struct rig *rig_new(struct crypto *c)
{
    struct rig *r = malloc(sizeof *r);
    if (!r || !rig_open(r, c))
        abort();
    return r;
}

struct rig *rig_ready(struct crypto *c)
{
    struct rig *r = rig_new(c);
    rig_enter_password(r, true);
    return r;
}

void rig_free(struct rig *r)
{
    rig_close(r);
    free(r);
}

void rig_enter_password(struct rig *r, bool skip_scrypt)
{
    dk_device_set_password(&r->device, span_of(RIG_PASSWORD, 8));
    if (!skip_scrypt)
        return;
    r->device.prover = r->prover;
    r->device.derived_from = r->pairing_config.scrypt;
    r->device.derived = true;
}
