/* The vehicle's keys: their records in the store and in memory, and what is given out with them: slot
 * identifiers, each once in the vehicle's life, and immobilizer tokens. */
#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "ecu/spaak/manage.h"
#include "lib/ccc/records/vehicle_record.h"
#include "lib/msg/tracking.h"

#define TOKEN_KEY SHA256_SIZE

/* ---- records ---- */

struct loading {
    struct spaak *s;
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    enum err failed;
};

static void load_one(void *ctx, const char *name, struct span value)
{
    struct loading *l = ctx;
    struct spaak_keys *keys = &l->s->keys;
    uint8_t key_id[ENDPOINT_KEY_ID];
    struct vehicle_key *k = &keys->list[keys->count];
    enum err e = vehicle_record_parse_name(name, key_id);
    if (!e && keys->count == SPAAK_KEYS)
        e = ERR_NO_SPACE;
    if (!e)
        e = vehicle_record_load(l->s->env->crypto, l->vehicle_id, key_id, value, k);
    keys->count += !e;
    if (!e)
        return;
    memset(k, 0, keys->count < SPAAK_KEYS ? sizeof *k : 0);
    /* one that cannot be read opens nothing; the others do */
    env_trace_reason(l->s->env, TRACE_FAIL, NULL, NULL, e, (uint32_t)value.len, name);
    l->failed = e;
}

void keys_load(struct spaak *s)
{
    struct loading l = {.s = s};
    keys_close(s);
    if (vehicle_identity_id(s, l.vehicle_id) == ERR_OK)
        env_store_scan(s->env, VEHICLE_RECORD_PREFIX, load_one, &l);
    for (size_t i = 0; i < s->keys.count; i++)
        radio_claim(s, &s->keys.list[i]);
    keys_claim(s);
}

void keys_close(struct spaak *s)
{
    for (size_t i = 0; i < s->keys.count; i++)
        vehicle_key_close(&s->keys.list[i]);
    OPENSSL_cleanse(&s->keys, sizeof s->keys);
}

enum err keys_put(struct spaak *s, const struct vehicle_key *k)
{
    char name[VEHICLE_RECORD_NAME_MAX];
    uint8_t record[VEHICLE_RECORD_MAX];
    size_t len;
    enum err e = vehicle_record_save(s->env->crypto, k, record, sizeof record, &len);
    if (!e) {
        vehicle_record_name(k->key_id, name);
        e = env_store_put(s->env, name, span_of(record, len));
    }
    OPENSSL_cleanse(record, sizeof record);
    return e;
}

static void statement_name(const struct vehicle_key *k, char out[ENV_KEY_MAX])
{
    char hex[2 * ENDPOINT_KEY_ID + 1];
    hex_encode(k->key_id, ENDPOINT_KEY_ID, hex);
    snprintf(out, ENV_KEY_MAX, SPAAK_STATEMENT_PREFIX "%s", hex);
}

void keys_put_statement(struct spaak *s, const struct vehicle_key *k, struct span statement)
{
    char name[ENV_KEY_MAX];
    statement_name(k, name);
    if (statement.len)
        env_store_put(s->env, name, statement);
}

static void put_gone(struct spaak *s, const struct vehicle_key *k)
{
    char name[VEHICLE_RECORD_NAME_MAX], statement[ENV_KEY_MAX];
    vehicle_record_name(k->key_id, name);
    statement_name(k, statement);
    env_store_delete(s->env, name);
    env_store_delete(s->env, statement);
    manage_put_gone(s, k);
    radio_put_no_bond(s, k->key_id);
}

static void unclaim(struct spaak *s, const struct vehicle_key *k)
{
    manage_key_unclaim(s, k);
    radio_unclaim(s, k);
}

static void forget(struct spaak *s, size_t i)
{
    struct spaak_keys *keys = &s->keys;
    unclaim(s, &keys->list[i]);
    vehicle_key_close(&keys->list[i]);
    keys->count--;
    memmove(&keys->list[i], &keys->list[i + 1], (keys->count - i) * sizeof keys->list[0]);
    OPENSSL_cleanse(&keys->list[keys->count], sizeof keys->list[0]);
}

/* What a pairing that did not end has left opens nothing, and its successor takes its place. */
static void forget_pending(struct spaak *s, bool put)
{
    for (size_t i = s->keys.count; i > 0; i--)
        if (s->keys.list[i - 1].state == VEHICLE_KEY_PENDING) {
            if (put)
                put_gone(s, &s->keys.list[i - 1]);
            else
                forget(s, i - 1);
        }
}

/* Slot identifiers count up over the vehicle's life. */
static bool was_paired_before(const struct vehicle_key *a, const struct vehicle_key *b)
{
    return memcmp(a->slot.b, b->slot.b, SPAAK_SLOT) < 0;
}

/* Who must go for another key, where the list is full: of those that were terminated, and whose phones never
 * came to hear it, the one that was paired first. NULL: there is room, or none to be had. */
static struct vehicle_key *find_outworn(struct spaak *s)
{
    struct vehicle_key *first = NULL;
    size_t lasting = 0;
    for (size_t i = 0; i < s->keys.count; i++) {
        struct vehicle_key *k = &s->keys.list[i];
        lasting += k->state != VEHICLE_KEY_PENDING;
        if (k->state == VEHICLE_KEY_TERMINATED && (!first || was_paired_before(k, first)))
            first = k;
    }
    return lasting < SPAAK_KEYS ? NULL : first;
}

static void forget_outworn(struct spaak *s, struct vehicle_key *k)
{
    char hex[2 * ENDPOINT_KEY_ID + 1], note[96];
    hex_encode(k->key_id, 4, hex);
    snprintf(note, sizeof note, "key %s was terminated, and makes room for another", hex);
    env_trace_note(s->env, TRACE_NOTE, note);
    forget(s, (size_t)(k - s->keys.list));
}

enum err keys_store_new(struct spaak *s, const struct vehicle_key *k)
{
    struct vehicle_key opened = *k, *outworn = find_outworn(s);
    enum err e = vehicle_key_open(s->env->crypto, &opened);
    if (!e && !keys_have_room(s))
        e = ERR_NO_SPACE;
    if (!e) {
        forget_pending(s, true);
        if (outworn)
            put_gone(s, outworn);
        slots_put_used(s, 1);
        e = keys_put(s, k);
    }
    if (!e)
        e = env_store_commit(s->env);
    if (e) {
        vehicle_key_close(&opened);
        return e;
    }
    if (outworn)
        forget_outworn(s, outworn);
    forget_pending(s, false);
    s->keys.list[s->keys.count++] = opened;
    return ERR_OK;
}

enum err keys_store(struct spaak *s, const struct vehicle_key *k)
{
    enum err e = keys_put(s, k);
    return e ? e : env_store_commit(s->env);
}

enum err keys_delete(struct spaak *s, struct vehicle_key *k)
{
    assert(k >= s->keys.list && k < s->keys.list + s->keys.count);
    put_gone(s, k);
    enum err e = env_store_commit(s->env);
    if (!e)
        forget(s, (size_t)(k - s->keys.list));
    return e;
}

void keys_retire(struct spaak *s)
{
    for (size_t i = 0; i < s->keys.count; i++)
        unclaim(s, &s->keys.list[i]);
    keys_close(s);
    keys_claim(s);
}

size_t keys_put_none(struct spaak *s)
{
    size_t ended = 0;
    for (size_t i = 0; i < s->keys.count; i++) {
        ended += manage_put_ended(s, &s->keys.list[i], KEY_OWNER_CHANGE);
        put_gone(s, &s->keys.list[i]);
    }
    return ended;
}

/* ---- questions ---- */

bool keys_have_room(const struct spaak *s)
{
    size_t living = 0;
    for (size_t i = 0; i < s->keys.count; i++)
        living +=
            s->keys.list[i].state == VEHICLE_KEY_ACTIVE || s->keys.list[i].state == VEHICLE_KEY_SUSPENDED;
    return living < SPAAK_KEYS;
}

struct vehicle_key *keys_find(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID])
{
    for (size_t i = 0; i < s->keys.count; i++)
        if (memcmp(s->keys.list[i].key_id, key_id, ENDPOINT_KEY_ID) == 0)
            return &s->keys.list[i];
    return NULL;
}

struct vehicle_key *keys_in_state(struct spaak *s, enum vehicle_key_state state)
{
    for (size_t i = 0; i < s->keys.count; i++)
        if (s->keys.list[i].state == state)
            return &s->keys.list[i];
    return NULL;
}

struct vehicle_key *keys_owner(struct spaak *s)
{
    for (size_t i = 0; i < s->keys.count; i++)
        if (s->keys.list[i].role == VEHICLE_KEY_OWNER &&
            (s->keys.list[i].state == VEHICLE_KEY_ACTIVE || s->keys.list[i].state == VEHICLE_KEY_SUSPENDED))
            return &s->keys.list[i];
    return NULL;
}

void keys_claim(struct spaak *s)
{
    const struct vehicle_key *k = keys_owner(s);
    env_claim(s->env, SPAAK_CLAIM_OWNER_KEY, s->serial,
              k ? span_of(k->key_id, sizeof k->key_id) : (struct span){NULL, 0});
    for (size_t i = 0; i < s->keys.count; i++)
        manage_key_claim(s, &s->keys.list[i]);
}

/* ---- slot identifiers and tokens ---- */

static uint64_t slots_next(struct spaak *s)
{
    uint8_t stored[8];
    size_t len;
    if (env_store_get(s->env, SPAAK_SLOTS, stored, sizeof stored, &len) || len != sizeof stored)
        return 1;
    struct rd r = rd_of(stored, sizeof stored);
    return rd_be64(&r);
}

void slots_offer(struct spaak *s, struct slot_id *out, size_t n)
{
    uint64_t next = slots_next(s);
    for (size_t i = 0; i < n; i++) {
        struct wr w = wr_of(out[i].b, sizeof out[i].b);
        wr_be64(&w, next + i);
        out[i].len = SPAAK_SLOT;
    }
}

void slots_put_used(struct spaak *s, size_t n)
{
    uint8_t out[8];
    struct wr w = wr_of(out, sizeof out);
    wr_be64(&w, slots_next(s) + n);
    env_store_put(s->env, SPAAK_SLOTS, span_of(out, sizeof out));
}

enum err tokens_make(struct spaak *s, const struct slot_id slots[MAILBOX_SLOTS],
                     uint8_t out[MAILBOX_SLOTS * SPAAK_TOKEN])
{
    uint8_t key[TOKEN_KEY], mac[SHA256_SIZE];
    size_t len;
    enum err e = env_store_get(s->env, SPAAK_TOKEN_KEY, key, sizeof key, &len);
    if (e == ERR_NOT_FOUND) {
        env_random(s->env, key, sizeof key);
        e = env_store_put(s->env, SPAAK_TOKEN_KEY, span_of(key, sizeof key));
        if (!e)
            e = env_store_commit(s->env);
    }
    for (size_t i = 0; !e && i < MAILBOX_SLOTS; i++) {
        struct span slot = slot_id_span(&slots[i]);
        crypto_hmac(s->env->crypto, key, &slot, 1, mac);
        memcpy(out + i * SPAAK_TOKEN, mac, SPAAK_TOKEN);
    }
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(mac, sizeof mac);
    return e;
}
