#include "tests/pairing_rig.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/ecies.h"
#include "lib/ccc/exchange.h"

#define YEAR_S (365 * 86400ll)

static const char vehicle_subject[] = "V.spaaksim.EU.0001.00010123456789AB";
static const char manufacturer[] = "spaaksim";

const char *const rig_fault_names[RIG_FAULTS] = {"none",
                                                 "command lost",
                                                 "answer lost",
                                                 "command repeated",
                                                 "answer repeated",
                                                 "command cut",
                                                 "answer cut",
                                                 "bit of command flipped",
                                                 "bit of answer flipped",
                                                 "replaced"};

const char *const rig_commands[RIG_COMMANDS] = {
    "00A404000DA000000809434343444B46763100",                       /* SELECT framework */
    "00A404000DA000000809434343444B41763100",                       /* SELECT applet */
    "00A4040005A00000000100",                                       /* SELECT something else */
    "80300000045B02010000",                                         /* SPAKE2+ REQUEST */
    "8032000004520201000000",                                       /* SPAKE2+ VERIFY, a byte too many */
    "84D48000184FAC89109242B8F800CD7407680D37FA34237FBA336E416300", /* WRITE DATA */
    "84CA000018DED1D7E536BB17E338BA770A21FA1348AD77C0B91745E7FB00", /* GET DATA */
    "84C0000000",                                                   /* GET RESPONSE */
    "803C1001",                                                     /* OP CONTROL FLOW: key data complete */
    "803C1002",                                                     /* OP CONTROL FLOW: key accepted */
    "803C1200",             /* OP CONTROL FLOW: abort; CONTROL FLOW of the applet */
    "80800000045C02010000", /* AUTH0 */
    "80810000049E02000000", /* AUTH1 */
    "84C90000181CC26B216642B49B8526B6D1F1F1F3F942BE4AEBA25F052300", /* EXCHANGE */
};

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

static bool make_verifier(struct rig *r)
{
    struct spake2p_scrypt s = {.n = SPAKE2P_N_MIN, .r = SPAKE2P_R, .p = SPAKE2P_P};
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    crypto_random(r->crypto, s.salt, sizeof s.salt);
    r->pairing_config.scrypt = s;
    return spake2p_derive(r->crypto, span_of(RIG_PASSWORD, 8), &s, w0, w1) == ERR_OK &&
           spake2p_register(r->crypto, w0, w1, &r->verifier) == ERR_OK &&
           spake2p_prover_set_make(r->crypto, w0, w1, &r->prover) == ERR_OK;
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

/* ---- the owner of the phone ---- */

static struct dk_step store(struct rig *r, const struct dk_step *s)
{
    r->stores++;
    r->stored = s->change;
    enum rig_fate fate = r->fate ? r->fate(r->fate_arg, &s->change) : RIG_STORED;
    if (fate == RIG_LOST_BEFORE || fate == RIG_LOST_AFTER) {
        r->phone_died = true;
        return (struct dk_step){.what = DK_NOTHING};
    }
    bool refused = r->stores == r->store_fails_at || fate == RIG_REFUSED;
    return dk_device_stored(&r->device, refused ? ERR_STORE_FAILED : ERR_OK);
}

static bool phone_died(struct rig *r)
{
    bool died = r->phone_died;
    r->phone_died = false;
    return died;
}

static struct dk_step derive(struct rig *r, struct dk_step *s)
{
    struct dk_derived w;
    bool ok = dk_derive(r->crypto, &s->derivation, &w) == ERR_OK;
    struct dk_step next = dk_device_derived(&r->device, s->link, ok ? &w : NULL);
    OPENSSL_cleanse(&w, sizeof w);
    OPENSSL_cleanse(&s->derivation, sizeof s->derivation);
    return next;
}

struct dk_step rig_phone_finish(struct rig *r, struct dk_step s)
{
    while (s.what == DK_STORE || s.what == DK_DERIVE)
        s = s.what == DK_STORE ? store(r, &s) : derive(r, &s);
    return s;
}

enum dk_link_id rig_phone_link(const struct rig *r)
{
    return r->interface == TRANSACTION_BLE ? DK_BLE : DK_CONTACTLESS;
}

void rig_phone_input_over(struct rig *r, enum dk_link_id link, enum dk_to to, struct span apdu,
                          struct wr *answer)
{
    struct dk_step s = rig_phone_finish(r, dk_device_input(&r->device, link, to, apdu));
    if (phone_died(r))
        return;
    if (s.what != DK_ANSWER)
        abort();
    wr_copy(answer, s.answer.p, s.answer.len);
}

void rig_phone_reset_over(struct rig *r, enum dk_link_id link)
{
    if (rig_phone_finish(r, dk_device_reset(&r->device, link)).what != DK_NOTHING)
        abort();
    phone_died(r);
}

void rig_phone_reset(struct rig *r)
{
    rig_phone_reset_over(r, rig_phone_link(r));
}

/* Over Bluetooth LE, in DK messages of the type of the exchange under way. */
void rig_phone_input(struct rig *r, struct span apdu, struct wr *answer)
{
    uint8_t sdu[DK_MESSAGE_HEADER + APDU_COMMAND_MAX];
    struct wr w = wr_of(sdu, sizeof sdu);
    struct dk_message m;
    if (rig_phone_link(r) == DK_CONTACTLESS) {
        rig_phone_input_over(r, DK_CONTACTLESS, DK_TO_SELECTED, apdu, answer);
        return;
    }
    dk_message_put(&w, &(struct dk_message){r->ble_type, DK_APDU_RQ, apdu});
    struct dk_step s = rig_phone_finish(r, dk_device_message(&r->device, span_of(sdu, w.len)));
    if (phone_died(r))
        return;
    if (s.what != DK_ANSWER || dk_message_parse(s.answer, &m) || m.type != r->ble_type || m.id != DK_APDU_RS)
        abort();
    wr_copy(answer, m.data.p, m.data.len);
}

/* ---- the link, with its faults ---- */

static void flip(uint8_t *p, size_t len, unsigned arg)
{
    if (len)
        p[(len - 1) * (arg % 9) / 8] ^= (uint8_t)(1u << arg % 8);
}

/* The command to the phone; the length of what it gets, 0 when it gets nothing. */
static size_t spoil_command(const struct rig *r, uint8_t *p, size_t len)
{
    switch (r->fault.kind) {
    case RIG_LOSE_COMMAND:
        return 0;
    case RIG_CUT_COMMAND:
        return len * r->fault.arg / 8;
    case RIG_FLIP_COMMAND:
        flip(p, len, r->fault.arg);
        return len;
    case RIG_REPLACE:
        return (size_t)hex_decode(rig_commands[r->fault.arg], strlen(rig_commands[r->fault.arg]), p,
                                  APDU_COMMAND_MAX);
    default:
        return len;
    }
}

static size_t spoil_answer(const struct rig *r, uint8_t *p, size_t len)
{
    switch (r->fault.kind) {
    case RIG_LOSE_ANSWER:
        return 0;
    case RIG_CUT_ANSWER:
        return len * r->fault.arg / 8;
    case RIG_FLIP_ANSWER:
        flip(p, len, r->fault.arg);
        return len;
    case RIG_REPEAT_ANSWER:
        if (r->last_answer_len)
            memcpy(p, r->last_answer, r->last_answer_len);
        return r->last_answer_len ? r->last_answer_len : len;
    default:
        return len;
    }
}

static void note_verify(struct rig *r, struct span command)
{
    struct apdu_command c;
    if (apdu_command_parse(command, &c) == ERR_OK && c.cla == APDU_CLA_PLAIN && c.ins == APDU_SPAKE2P_VERIFY)
        r->verifies_seen++;
}

/* One command there, its answer back; false when the vehicle hears nothing. */
static bool carry(struct rig *r, struct span command, uint8_t answer[APDU_RESPONSE_MAX], size_t *len)
{
    bool here = r->fault.kind != RIG_NO_FAULT && r->fault.apdu == r->apdus;
    uint8_t sent[APDU_COMMAND_MAX], honest[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, APDU_RESPONSE_MAX);
    size_t n = command.len;
    memcpy(sent, command.p, command.len);
    r->apdus++;
    if (here)
        r->fault_on_protected = command.p[0] == APDU_CLA_SECURE && command.p[1] != APDU_GET_RESPONSE;
    note_verify(r, command);
    if (here)
        n = spoil_command(r, sent, n);
    r->fault_fired |= !span_equal(span_of(sent, n), command);
    if (n == 0)
        return false;
    if (here && r->fault.kind == RIG_REPEAT_COMMAND) {
        rig_phone_input(r, span_of(sent, n), &w);
        w = wr_of(answer, APDU_RESPONSE_MAX);
        r->fault_fired = true;
    }
    if (r->tap)
        r->tap(r->tap_arg, true, span_of(sent, n));
    rig_phone_input(r, span_of(sent, n), &w);
    memcpy(honest, answer, w.len);
    *len = here ? spoil_answer(r, answer, w.len) : w.len;
    r->fault_fired |= !span_equal(span_of(answer, *len), span_of(honest, w.len));
    if (r->tap && *len)
        r->tap(r->tap_arg, false, span_of(answer, *len));
    if (!here) {
        memcpy(r->last_answer, answer, *len);
        r->last_answer_len = *len;
    }
    return *len != 0;
}

/* ---- the vehicle's store ---- */

static void store_key(struct rig *r, const struct vehicle_key *k)
{
    r->store.key = *k;
    r->store.key.device_key = NULL;
}

/* The vehicle's memory is what its store has. */
static void load_key(struct rig *r)
{
    vehicle_key_close(&r->key);
    r->key = r->store.key;
    r->finish_config.transaction.n_keys = r->key.state && vehicle_key_open(r->crypto, &r->key) == ERR_OK;
}

static void commit(struct rig *r, const struct vehicle_step *s)
{
    struct rig_store *store = &r->store;
    store->commits[s->what]++;
    if (s->what == VEHICLE_STORE_ATTEMPT)
        store->attempts++;
    if (s->key)
        store_key(r, s->key);
    if (s->what == VEHICLE_STORE_KEY)
        load_key(r);
    if (s->what == VEHICLE_STORE_ACTIVE) {
        store->verifier_erased = true;
        store->attempts = 0;
    }
    if (s->statement.len) {
        memcpy(store->statement, s->statement.p, s->statement.len);
        store->statement_len = s->statement.len;
    }
}

struct vehicle_step rig_pairing_proceed(struct rig *r, const struct vehicle_step *s)
{
    commit(r, s);
    return s->what == VEHICLE_STORE_ATTEMPT ? vehicle_pairing_counted(&r->pairing, r->store.attempts)
                                            : vehicle_pairing_proceed(&r->pairing);
}

struct vehicle_step rig_finish_proceed(struct rig *r, const struct vehicle_step *s)
{
    commit(r, s);
    return vehicle_finish_proceed(&r->finish);
}

struct vehicle_step rig_transaction_proceed(struct rig *r, const struct vehicle_step *s)
{
    commit(r, s);
    return vehicle_transaction_proceed(&r->unlock);
}

/* ---- driving ---- */

/* One of the vehicle's three kinds of session. */
struct session {
    struct vehicle_step (*input)(struct rig *r, struct span answer);
    struct vehicle_step (*proceed)(struct rig *r, const struct vehicle_step *s);
    struct vehicle_step (*store_failed)(struct rig *r);
    struct vehicle_step (*lost)(struct rig *r);
    void (*wipe)(struct rig *r);
};

static struct vehicle_step pairing_input(struct rig *r, struct span answer)
{
    return vehicle_pairing_input(&r->pairing, answer);
}

static struct vehicle_step pairing_store_failed(struct rig *r)
{
    return vehicle_pairing_store_failed(&r->pairing, ERR_OK);
}

static struct vehicle_step pairing_lost(struct rig *r)
{
    return vehicle_pairing_link_lost(&r->pairing);
}

static void pairing_wipe(struct rig *r)
{
    vehicle_pairing_wipe(&r->pairing);
}

static struct vehicle_step finish_input(struct rig *r, struct span answer)
{
    return vehicle_finish_input(&r->finish, answer);
}

static struct vehicle_step finish_store_failed(struct rig *r)
{
    return vehicle_finish_store_failed(&r->finish, ERR_OK);
}

static struct vehicle_step finish_lost(struct rig *r)
{
    return vehicle_finish_link_lost(&r->finish);
}

static void finish_wipe(struct rig *r)
{
    vehicle_finish_wipe(&r->finish);
}

static struct vehicle_step unlock_input(struct rig *r, struct span answer)
{
    return vehicle_transaction_input(&r->unlock, answer);
}

static struct vehicle_step unlock_store_failed(struct rig *r)
{
    return vehicle_transaction_store_failed(&r->unlock, ERR_OK);
}

static struct vehicle_step unlock_lost(struct rig *r)
{
    return vehicle_transaction_link_lost(&r->unlock);
}

static void unlock_wipe(struct rig *r)
{
    vehicle_transaction_wipe(&r->unlock);
}

static const struct session pairing_session = {pairing_input, rig_pairing_proceed, pairing_store_failed,
                                               pairing_lost, pairing_wipe};
static const struct session finish_session = {finish_input, rig_finish_proceed, finish_store_failed,
                                              finish_lost, finish_wipe};
static const struct session unlock_session = {unlock_input, rig_transaction_proceed, unlock_store_failed,
                                              unlock_lost, unlock_wipe};

static bool is_store(const struct vehicle_step *s)
{
    return s->key || s->what == VEHICLE_STORE_ATTEMPT;
}

/* The store takes it, or does not, or is the last that the vehicle had power for. */
static struct vehicle_step do_store(struct rig *r, const struct session *e, const struct vehicle_step *s)
{
    enum rig_fate fate = r->fate ? r->fate(r->fate_arg, NULL) : RIG_STORED;
    if (r->store.refuses == s->what || fate == RIG_REFUSED)
        return e->store_failed(r);
    if (r->store.cut_after != s->what && fate == RIG_STORED)
        return e->proceed(r, s);
    if (fate != RIG_LOST_BEFORE)
        commit(r, s);
    e->wipe(r);
    load_key(r);
    return (struct vehicle_step){.what = VEHICLE_FAILED, .reason = ERR_KILLED};
}

/* Sends and stores until something else is to be done. */
static struct vehicle_step drive(struct rig *r, const struct session *e, struct vehicle_step s)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    size_t len;
    while (s.what == VEHICLE_SEND || is_store(&s)) {
        if (s.what != VEHICLE_SEND)
            s = do_store(r, e, &s);
        else
            s = carry(r, s.apdu, answer, &len) ? e->input(r, span_of(answer, len)) : e->lost(r);
    }
    return s;
}

static void reset_field(struct rig *r)
{
    rig_phone_reset(r);
    if (r->device.state == DK_CREATING && !r->device.pairing.key)
        dk_device_create_key(&r->device);
}

enum err rig_pair_phase_2(struct rig *r)
{
    size_t polls = 0;
    r->pairing_config.attempts = (uint8_t)r->store.attempts;
    r->pairing_config.attest_with = r->attest_in_phase_3 ? NULL : r->k.key;
    r->ble_type = DK_FRAMEWORK;
    rig_phone_reset(r);
    struct vehicle_step s =
        drive(r, &pairing_session, vehicle_pairing_begin(&r->pairing, &r->pairing_config));
    while (!vehicle_step_over(&s)) {
        if (s.what == VEHICLE_RESET_LINK && r->interface == TRANSACTION_BLE)
            dk_device_create_key(&r->device); /* there is no field */
        else if (s.what == VEHICLE_RESET_LINK)
            reset_field(r);
        bool late = s.what == VEHICLE_POLL && polls++ == 3; /* the pairing timer */
        s = late ? vehicle_pairing_timeout(&r->pairing) : vehicle_pairing_proceed(&r->pairing);
        s = drive(r, &pairing_session, s);
    }
    reset_field(r);
    return s.reason;
}

enum err rig_finish(struct rig *r, enum vehicle_phase phase)
{
    r->ble_type = DK_SE;
    rig_phone_reset(r);
    struct vehicle_step s =
        drive(r, &finish_session, vehicle_finish_begin(&r->finish, &r->finish_config, phase));
    reset_field(r);
    return s.reason;
}

static struct digital_key *phone_key(struct rig *r)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].state == APPLET_KEY_ACTIVE)
            return &r->applet.keys[i];
    return NULL;
}

enum err rig_phase_3(struct rig *r)
{
    uint8_t attestation[ATTESTATION_MAX];
    struct wr w = wr_of(attestation, sizeof attestation);
    struct attestation a = vehicle_key_subject(&r->key);
    r->finish_config.attestation = (struct span){0};
    if (r->attest_in_phase_3) {
        if (attestation_make(r->crypto, &a, ATTESTATION_OF_VEHICLE, r->k.key, &w))
            return ERR_CRYPTO_FAILED;
        r->finish_config.attestation = span_of(attestation, w.len);
    }
    enum err e = rig_finish(r, VEHICLE_PHASE_3);
    r->finish_config.attestation = (struct span){0};
    return e;
}

/* Phone -> KTS: the attestation; KTS -> phone: the receipt, sealed. */
enum err rig_track_key(struct rig *r)
{
    static const char ui_bundle[] = "{\"name\":\"spaaksim One\"}";
    struct digital_key *k = phone_key(r);
    uint8_t vehicle_pk[P256_POINT], receiver[P256_POINT], ephemeral_pk[P256_POINT];
    uint8_t receipt[ATTESTATION_MAX], plain[512], sealed[512 + ECIES_OVERHEAD];
    struct wr w = wr_of(receipt, sizeof receipt), p = wr_of(plain, sizeof plain);
    struct p256_key *ephemeral = NULL;
    struct attestation a;
    size_t used;
    if (!k)
        return ERR_NOT_FOUND;
    enum err e = dk_device_collect(&r->device, k);
    const struct dk_owned *o = dk_device_owned(&r->device, k);
    p256_public(r->k.key, vehicle_pk);
    p256_public(r->device.enc_key, receiver);
    if (!e)
        e = attestation_open(r->crypto, span_of(o->attestation, o->attestation_len), ATTESTATION_OF_VEHICLE,
                             vehicle_pk, &a, &used);
    if (!e && memcmp(a.device_pk, k->device_pk, P256_POINT) != 0)
        e = ERR_DK_ATTESTATION;
    if (!e)
        e = attestation_make(r->crypto, &a, ATTESTATION_RECEIPT, r->kts.key, &w);
    if (!e)
        e = p256_generate(r->crypto, &ephemeral);
    if (!e) {
        p256_public(ephemeral, ephemeral_pk);
        receipt_put(&p, span_of(receipt, w.len), span_of(ui_bundle, sizeof ui_bundle - 1));
        e = ecies_seal(r->crypto, ephemeral, receiver, span_of(plain, p.len), sealed);
    }
    if (!e)
        e = dk_device_receipt(&r->device, k, ephemeral_pk, span_of(sealed, p.len + ECIES_OVERHEAD));
    p256_free(ephemeral);
    return e;
}

enum err rig_phase_4(struct rig *r)
{
    return rig_finish(r, VEHICLE_PHASE_4);
}

enum err rig_refill(struct rig *r)
{
    return rig_finish(r, VEHICLE_REFILL);
}

enum err rig_pair(struct rig *r)
{
    enum err e = rig_pair_phase_2(r);
    if (!e)
        e = rig_phase_3(r);
    if (!e)
        e = rig_track_key(r);
    return e ? e : rig_phase_4(r);
}

enum err rig_unlock(struct rig *r, bool want_fast, bool exchange, bool *fast)
{
    uint8_t plain[16];
    struct wr w = wr_of(plain, sizeof plain);
    r->ble_type = DK_SE;
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction,
                                                      want_fast ? TRANSACTION_FAST : 0, TRANSACTION_UNLOCK);
    exchange_begin(&w, EXCHANGE_COMMIT);
    exchange_put_read(&w, MAILBOX_PRIVATE, 0, 2);
    s = drive(r, &unlock_session, s);
    if (s.what == VEHICLE_OPEN) {
        *fast = r->unlock.fast;
        s = exchange ? vehicle_transaction_exchange(&r->unlock, span_of(plain, w.len))
                     : vehicle_transaction_end(&r->unlock, 0x01, 0x00);
        s = drive(r, &unlock_session, s);
    }
    if (s.what == VEHICLE_DATA)
        s = drive(r, &unlock_session, vehicle_transaction_end(&r->unlock, 0x01, 0x00));
    rig_phone_reset(r);
    return s.reason;
}

void rig_walk_away(struct rig *r)
{
    rig_phone_reset(r);
    dk_device_forget_password(&r->device);
}

size_t rig_phone_keys(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < APPLET_KEYS; i++)
        n += r->applet.keys[i].state != APPLET_KEY_NONE;
    return n;
}

const uint8_t *rig_phone_mailbox(const struct rig *r)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].state != APPLET_KEY_NONE)
            return r->applet.keys[i].mailboxes.private_area;
    return NULL;
}
