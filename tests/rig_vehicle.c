/* The owner of the rig's vehicle: its store, and its sessions from begin to end. */
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/exchange.h"
#include "tests/rig_parts.h"

/* ---- the vehicle's store ---- */

static bool loads(struct rig *r, struct vehicle_key *out)
{
    const struct rig_store *store = &r->store;
    uint8_t key_id[ENDPOINT_KEY_ID];
    return vehicle_record_parse_name(store->name, key_id) == ERR_OK &&
           vehicle_record_load(r->crypto, r->finish_config.transaction.vehicle_id, key_id,
                               span_of(store->record, store->record_len), out) == ERR_OK;
}

/* Nothing but the bytes of the record, for the key that its name tells. OpenSSL may refuse once. */
static void load_key(struct rig *r, struct vehicle_key *out)
{
    if (!loads(r, out) && !loads(r, out))
        abort();
}

void rig_store_key(struct rig *r, const struct vehicle_key *k)
{
    struct rig_store *store = &r->store;
    if (vehicle_record_save(r->crypto, k, store->record, sizeof store->record, &store->record_len))
        abort();
    vehicle_record_name(k->key_id, store->name);
    memset(&store->key, 0, sizeof store->key);
    load_key(r, &store->key);
    p256_free(store->key.device_key);
    store->key.device_key = NULL;
}

void rig_vehicle_restart(struct rig *r)
{
    vehicle_key_close(&r->key);
    if (r->store.record_len)
        load_key(r, &r->key);
    r->finish_config.transaction.n_keys = r->key.state != 0;
}

static void commit(struct rig *r, const struct vehicle_step *s)
{
    struct rig_store *store = &r->store;
    store->commits[s->what]++;
    if (s->what == VEHICLE_STORE_ATTEMPT)
        store->attempts++;
    if (s->key)
        rig_store_key(r, s->key);
    if (s->what == VEHICLE_STORE_KEY)
        rig_vehicle_restart(r);
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
    rig_vehicle_restart(r);
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
            s = rig_carry(r, s.apdu, answer, &len) ? e->input(r, span_of(answer, len)) : e->lost(r);
    }
    return s;
}

/* ---- sessions from begin to end ---- */

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
            rig_reset_field(r);
        bool late = s.what == VEHICLE_POLL && polls++ == 3; /* the pairing timer */
        s = late ? vehicle_pairing_timeout(&r->pairing) : vehicle_pairing_proceed(&r->pairing);
        s = drive(r, &pairing_session, s);
    }
    rig_reset_field(r);
    return s.reason;
}

enum err rig_finish(struct rig *r, enum vehicle_phase phase)
{
    r->ble_type = DK_SE;
    rig_phone_reset(r);
    struct vehicle_step s =
        drive(r, &finish_session, vehicle_finish_begin(&r->finish, &r->finish_config, phase));
    rig_reset_field(r);
    return s.reason;
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
