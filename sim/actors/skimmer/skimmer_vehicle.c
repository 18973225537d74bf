/* Whom the skimmer plays. */
#include <openssl/crypto.h>
#include <string.h>

#include "sim/actors/skimmer/skimmer_parts.h"

#define SCRYPT_N SPAKE2P_N_MIN
#define BRAND    0x0001

static const struct op_versions versions = {{0x0100}, 1};
static const uint8_t profiles[] = {0x01};

/* ---- what the plant gave ---- */

static enum err load_key(struct skimmer *s)
{
    uint8_t scalar[P256_SCALAR];
    size_t len = 0;
    enum err e = env_store_get(s->env, SKIMMER_KEY, scalar, sizeof scalar, &len);
    if (!e && len != sizeof scalar)
        e = ERR_STORE_FAILED;
    if (!e)
        e = p256_from_private(s->env->crypto, scalar, &s->key);
    OPENSSL_cleanse(scalar, sizeof scalar);
    return e;
}

/* [K] as its issuer would have signed it, by a key that is nobody's. */
static enum err forge_certificate(struct skimmer *s)
{
    struct x509 was;
    uint8_t own[P256_POINT];
    p256_public(s->other, own);
    enum err e = x509_parse(span_of(s->certificate, s->certificate_len), &was);
    const struct x509_template t = {.profile = X509_VEHICLE,
                                    .subject = was.subject,
                                    .issuer = was.issuer,
                                    .not_before_s = was.not_before_s,
                                    .not_after_s = was.not_after_s,
                                    .public_key = was.public_key,
                                    .issuer_public_key = own};
    return e ? e : x509_issue(s->env->crypto, &t, s->other, s->forged, &s->forged_len);
}

enum err skimmer_vehicle_open(struct skimmer *s)
{
    enum err e = load_key(s);
    if (!e)
        e = env_store_get(s->env, SKIMMER_CERTIFICATE, s->certificate, sizeof s->certificate,
                          &s->certificate_len);
    if (!e)
        e = env_store_get(s->env, SKIMMER_J, s->j, sizeof s->j, &s->j_len);
    if (!e)
        e = env_store_get(s->env, SKIMMER_J1, s->j1, sizeof s->j1, &s->j1_len);
    if (!e)
        e = x509_parse(span_of(s->j, s->j_len), &s->root);
    if (!e)
        e = p256_generate(s->env->crypto, &s->other);
    return e ? e : forge_certificate(s);
}

void skimmer_vehicle_close(struct skimmer *s)
{
    if (s->owns)
        vehicle_key_close(&s->record);
    vehicle_pairing_wipe(&s->pairing);
    vehicle_transaction_wipe(&s->transaction);
    p256_free(s->key);
    p256_free(s->other);
}

void skimmer_vehicle_id(const struct skimmer *s, uint8_t out[TRANSACTION_VEHICLE_ID])
{
    struct x509 k;
    memset(out, 0, TRANSACTION_VEHICLE_ID);
    if (x509_parse(span_of(s->certificate, s->certificate_len), &k) == ERR_OK)
        dk_cert_vehicle_id(k.subject, out);
}

/* ---- a password ---- */

enum err skimmer_learn(struct skimmer *s, const char *digits)
{
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    if (*s->digits && strcmp(s->digits, digits) == 0)
        return ERR_OK;
    s->scrypt = (struct spake2p_scrypt){.n = SCRYPT_N, .r = SPAKE2P_R, .p = SPAKE2P_P};
    crypto_random(s->env->crypto, s->scrypt.salt, sizeof s->scrypt.salt);
    enum err e = spake2p_derive(s->env->crypto, span_of(digits, strlen(digits)), &s->scrypt, w0, w1);
    if (!e)
        e = spake2p_register(s->env->crypto, w0, w1, &s->verifier);
    OPENSSL_cleanse(w0, sizeof w0);
    OPENSSL_cleanse(w1, sizeof w1);
    if (!e)
        text_copy(s->digits, sizeof s->digits, digits);
    return e;
}

void skimmer_put_request(const struct skimmer *s, struct wr *w)
{
    uint8_t data[APDU_DATA_MAX];
    struct wr d = wr_of(data, sizeof data);
    const struct op_request r = {.version = 0x0100, .applet = versions, .scrypt = s->scrypt, .brand = BRAND};
    op_request_put(&d, &r);
    const struct apdu_command cmd = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_SPAKE2P_REQUEST, .data = span_of(data, d.len), .has_le = true};
    apdu_command_put(w, &cmd);
}

/* ---- protocols ---- */

static void set_key_data(struct skimmer *s, struct key_data *d)
{
    static const uint8_t slot[] = "skimmed";
    d->creation =
        (struct endpoint_creation){.options_1 = ENDPOINT_OWNER_OPTIONS_1 | ENDPOINT_EXCHANGE_AFTER_FAST,
                                   .options_2 = ENDPOINT_OWNER_OPTIONS_2,
                                   .confidential_size = MAILBOX_DEFAULT_CONFIDENTIAL,
                                   .private_size = MAILBOX_DEFAULT_PRIVATE};
    memcpy(d->creation.slot.b, slot, sizeof slot);
    d->creation.slot.len = sizeof slot;
    skimmer_vehicle_id(s, d->creation.vehicle_id);
    p256_public(s->key, d->creation.vehicle_pk);
    memcpy(d->creation.authorized_pk, s->root.public_key, P256_POINT);
    d->vehicle_certificate = span_of(s->certificate, s->certificate_len);
    d->intermediate = span_of(s->j1, s->j1_len);
    d->map = mailbox_map_default;
    d->config = (struct device_config){
        .profiles = span_of(profiles, sizeof profiles),
        .nfc = true,
        .sharing = {.present = true, .source = DEVICE_CONFIG_FROM_VEHICLE, .max_attestations = 1}};
}

enum err skimmer_set_pairing(struct skimmer *s)
{
    struct vehicle_pairing_config *c = &s->pairing_config;
    *c = (struct vehicle_pairing_config){.crypto = s->env->crypto,
                                         .verifier = &s->verifier,
                                         .scrypt = s->scrypt,
                                         .versions = versions,
                                         .applet_versions = versions,
                                         .brand = BRAND,
                                         .roots = &s->root,
                                         .n_roots = 1,
                                         .now_s = env_wall_ms(s->env) / 1000,
                                         .rules = &channel_framework};
    set_key_data(s, &c->key_data);
    return *s->digits ? ERR_OK : ERR_VERIFIERS_MISSING;
}

void skimmer_set_transaction(struct skimmer *s)
{
    struct vehicle_transaction_config *c = &s->transaction_config;
    *c = (struct vehicle_transaction_config){.crypto = s->env->crypto,
                                             .vehicle_key = s->key,
                                             .versions = versions,
                                             .keys = &s->record,
                                             .n_keys = s->owns,
                                             .now_s = env_wall_ms(s->env) / 1000,
                                             .interface = TRANSACTION_CONTACTLESS};
    p256_public(s->key, c->vehicle_pk);
    skimmer_vehicle_id(s, c->vehicle_id);
}
