/* What the vehicle brings to a session: its identity, verifier, key creation data [L], slots and tokens. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/session.h"

#define BRAND 0x0001

static const struct op_versions versions = {{0x0100}, 1};
/* [L] D9: what an owner may do */
static const uint8_t profiles[] = {0x01};

void session_set_time(struct session *n, int64_t now_s)
{
    n->pairing_config.now_s = now_s;
    n->finish_config.transaction.now_s = now_s;
    n->transaction_config.now_s = now_s;
}

/* ---- the vehicle's identity ---- */

enum err vehicle_identity_id(struct spaak *s, uint8_t out[TRANSACTION_VEHICLE_ID])
{
    uint8_t der[X509_MAX];
    size_t len;
    struct x509 cert;
    enum err e = env_store_get(s->env, SPAAK_VEHICLE_CERTIFICATE, der, sizeof der, &len);
    if (!e)
        e = x509_parse(span_of(der, len), &cert);
    return e ? e : dk_cert_vehicle_id(cert.subject, out);
}

static enum err load_identity(struct spaak *s, struct session *n)
{
    uint8_t scalar[P256_SCALAR];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_VEHICLE_KEY, scalar, sizeof scalar, &len);
    if (!e)
        e = len == sizeof scalar ? p256_from_private(s->env->crypto, scalar, &n->vehicle_key)
                                 : ERR_STORE_FAILED;
    OPENSSL_cleanse(scalar, sizeof scalar);
    if (!e)
        e = env_store_get(s->env, SPAAK_VEHICLE_CERTIFICATE, n->certificate, sizeof n->certificate,
                          &n->certificate_len);
    return e;
}

static enum err load_kts(struct spaak *s, struct session *n)
{
    uint8_t der[X509_MAX];
    size_t len;
    struct x509 cert;
    enum err e = env_store_get(s->env, SPAAK_ANCHOR_ZZ2, der, sizeof der, &len);
    if (!e)
        e = x509_parse(span_of(der, len), &cert);
    if (!e)
        memcpy(n->kts_pk, cert.public_key, P256_POINT);
    return e;
}

static void drop_unused(struct session *n)
{
    if (!n)
        return;
    p256_free(n->vehicle_key);
    OPENSSL_cleanse(n, sizeof *n);
    free(n);
}

static enum err make(struct spaak *s, enum session_kind kind, struct session **out)
{
    struct session *n = calloc(1, sizeof *n);
    if (!n)
        return ERR_NO_MEMORY;
    n->kind = kind;
    enum err e = load_identity(s, n);
    if (e)
        drop_unused(n);
    else
        *out = n;
    return e;
}

static enum err set_transaction(struct spaak *s, struct session *n, struct vehicle_transaction_config *c)
{
    *c = (struct vehicle_transaction_config){.crypto = s->env->crypto,
                                             .vehicle_key = n->vehicle_key,
                                             .versions = versions,
                                             .keys = s->keys.list,
                                             .n_keys = s->keys.count,
                                             .now_s = env_wall_ms(s->env) / 1000,
                                             .interface = TRANSACTION_CONTACTLESS};
    p256_public(n->vehicle_key, c->vehicle_pk);
    return vehicle_identity_id(s, c->vehicle_id);
}

/* ---- phase 2 ---- */

static enum err load_verifier(struct spaak *s, struct session *n)
{
    uint8_t w0[P256_SCALAR], l[P256_POINT], scrypt[SPAAK_SCRYPT];
    size_t w0_len = 0, l_len = 0, scrypt_len = 0;
    enum err e = env_store_get(s->env, SPAAK_VERIFIERS_W0, w0, sizeof w0, &w0_len);
    if (!e)
        e = env_store_get(s->env, SPAAK_VERIFIERS_L, l, sizeof l, &l_len);
    if (!e)
        e = env_store_get(s->env, SPAAK_VERIFIERS_SCRYPT, scrypt, sizeof scrypt, &scrypt_len);
    if (!e && (w0_len != sizeof w0 || l_len != sizeof l || scrypt_len != sizeof scrypt))
        e = ERR_STORE_FAILED;
    if (!e)
        e = spake2p_verifier_set_make(s->env->crypto, w0, l, &n->verifier);
    OPENSSL_cleanse(w0, sizeof w0);
    OPENSSL_cleanse(l, sizeof l);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_VERIFIERS_MISSING : e;
    struct spake2p_scrypt *p = &n->pairing_config.scrypt;
    struct rd r = rd_of(scrypt + SPAKE2P_SALT, sizeof scrypt - SPAKE2P_SALT);
    memcpy(p->salt, scrypt, SPAKE2P_SALT);
    p->n = rd_be32(&r);
    p->r = SPAKE2P_R;
    p->p = SPAKE2P_P;
    return ERR_OK;
}

/* IRK and address of the vehicle's radio, drawn with the first pairing (OP-06 advertises with them). */
static enum err load_radio(struct spaak *s, struct device_config_ble *out)
{
    uint8_t stored[CCC_KEY + DEVICE_CONFIG_BLE_ADDRESS];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_RADIO, stored, sizeof stored, &len);
    if (e == ERR_NOT_FOUND) {
        env_random(s->env, stored, sizeof stored);
        stored[CCC_KEY] |= 0xC0; /* a static random address */
        e = env_store_put(s->env, SPAAK_RADIO, span_of(stored, sizeof stored));
        if (!e)
            e = env_store_commit(s->env);
    } else if (!e && len != sizeof stored) {
        e = ERR_STORE_FAILED;
    }
    out->present = true;
    memcpy(out->irk, stored, CCC_KEY);
    memcpy(out->address, stored + CCC_KEY, DEVICE_CONFIG_BLE_ADDRESS);
    OPENSSL_cleanse(stored, sizeof stored);
    return e;
}

/* OP-03/4: [L] */
static enum err set_key_data(struct spaak *s, struct session *n)
{
    struct key_data *d = &n->pairing_config.key_data;
    d->creation =
        (struct endpoint_creation){.options_1 = ENDPOINT_OWNER_OPTIONS_1 | ENDPOINT_EXCHANGE_AFTER_FAST,
                                   .options_2 = ENDPOINT_OWNER_OPTIONS_2,
                                   .confidential_size = MAILBOX_DEFAULT_CONFIDENTIAL,
                                   .private_size = MAILBOX_DEFAULT_PRIVATE};
    if (s->key_us)
        d->creation.not_after_s = (env_wall_ms(s->env) + (int64_t)(s->key_us / 1000)) / 1000;
    slots_offer(s, &d->creation.slot, 1);
    p256_public(n->vehicle_key, d->creation.vehicle_pk);
    memcpy(d->creation.authorized_pk, s->j.cert.public_key, P256_POINT);
    d->vehicle_certificate = span_of(n->certificate, n->certificate_len);
    d->intermediate = s->j1.cert.der;
    d->map = mailbox_map_default;
    d->config = (struct device_config){
        .vehicle_info = span_of("spaaksim One", 12),
        .auth1_private = {.offset = 0, .len = 2}, /* both bitmaps */
        .profiles = span_of(profiles, sizeof profiles),
        .nfc = true,
        .sharing = {.present = true, .source = DEVICE_CONFIG_FROM_VEHICLE, .max_attestations = 1}};
    enum err e = vehicle_identity_id(s, d->creation.vehicle_id);
    return e ? e : load_radio(s, &d->config.ble);
}

static enum err set_pairing(struct spaak *s, struct session *n)
{
    struct vehicle_pairing_config *c = &n->pairing_config;
    enum err e = load_verifier(s, n);
    if (e)
        return e;
    c->crypto = s->env->crypto;
    c->verifier = &n->verifier;
    c->attempts = verifiers_attempts(s);
    c->versions = c->applet_versions = versions;
    c->brand = BRAND;
    c->roots = &s->j.cert;
    c->n_roots = 1;
    c->now_s = env_wall_ms(s->env) / 1000;
    c->known_keys = (const uint8_t(*)[P256_POINT])n->known;
    for (size_t i = 0; i < s->keys.count; i++)
        memcpy(n->known[c->n_known_keys++], s->keys.list[i].device_pk, P256_POINT);
    c->rules = &channel_framework;
    c->attest_with = n->vehicle_key;
    return set_key_data(s, n);
}

enum err session_begin_pairing(struct spaak *s, enum spaak_place place, unsigned gap_ms)
{
    struct session *n = NULL;
    enum err e = make(s, SESSION_PAIRING, &n);
    if (!e)
        e = set_pairing(s, n);
    if (e) {
        drop_unused(n);
        return e;
    }
    n->of_pairing = true;
    n->gap_ms = gap_ms;
    session_start(s, place, n, vehicle_pairing_begin(&n->protocol.pairing, &n->pairing_config));
    return ERR_OK;
}

/* ---- phases 3 and 4, and later ---- */

/* Entry 0 is the key's own slot, the others are a friend's each. */
static enum err set_offer(struct spaak *s, struct session *n, const struct vehicle_key *k)
{
    struct vehicle_offer *o = &n->finish_config.offer;
    slots_offer(s, o->slots, MAILBOX_SLOTS);
    o->slots[0] = k->slot;
    o->entries = 0xFF;
    o->tokens = n->tokens;
    return tokens_make(s, o->slots, n->tokens);
}

/* Where the device has it not from phase 2. */
static enum err set_attestation(struct spaak *s, struct session *n, const struct vehicle_key *k)
{
    struct wr w = wr_of(n->attestation, sizeof n->attestation);
    struct attestation a = vehicle_key_subject(k);
    if (n->phase != VEHICLE_PHASE_3 || k->attested)
        return ERR_OK;
    enum err e = attestation_make(s->env->crypto, &a, ATTESTATION_OF_VEHICLE, n->vehicle_key, &w);
    n->finish_config.attestation = span_of(n->attestation, w.len);
    return e;
}

enum err session_begin_finish(struct spaak *s, enum spaak_place place, enum vehicle_phase phase,
                              struct vehicle_key *k, unsigned gap_ms, bool of_pairing)
{
    struct session *n = NULL;
    enum err e = make(s, SESSION_FINISH, &n);
    if (e)
        return e;
    n->phase = phase;
    n->gap_ms = gap_ms;
    n->of_pairing = of_pairing;
    e = set_transaction(s, n, &n->finish_config.transaction);
    n->finish_config.transaction.keys = k;
    n->finish_config.transaction.n_keys = 1;
    n->finish_config.kts_pk = n->kts_pk;
    if (!e)
        e = load_kts(s, n);
    if (!e)
        e = set_offer(s, n, k);
    if (!e)
        e = set_attestation(s, n, k);
    if (e) {
        drop_unused(n);
        return e;
    }
    session_start(s, place, n, vehicle_finish_begin(&n->protocol.finish, &n->finish_config, phase));
    return ERR_OK;
}

/* ---- a plain transaction ---- */

enum err session_begin_transaction(struct spaak *s, enum spaak_place place, uint8_t purpose)
{
    struct session *n = NULL;
    enum err e = make(s, SESSION_TRANSACTION, &n);
    if (!e)
        e = set_transaction(s, n, &n->transaction_config);
    if (e) {
        drop_unused(n);
        return e;
    }
    session_start(s, place, n,
                  vehicle_transaction_begin(&n->protocol.transaction, &n->transaction_config,
                                            TRANSACTION_FAST, purpose));
    return ERR_OK;
}
