#include "tests/vehicle_samples.h"

#include <stdlib.h>
#include <string.h>

#include "lib/pki/x509.h"

#define BEGINS_S 1767225600ll
#define ENDS_S   (BEGINS_S + 86400)

static void make_device_key(struct crypto *c, struct vehicle_key *k)
{
    static const uint8_t scalar[P256_SCALAR] = {0x5E, [31] = 0x01};
    struct p256_key *key;
    if (p256_from_private(c, scalar, &key))
        abort();
    p256_public(key, k->device_pk);
    x509_key_id(c, k->device_pk, k->key_id);
    p256_free(key);
}

void vehicle_sample_make(struct crypto *c, struct vehicle_sample *s)
{
    static const uint8_t vehicle_id[TRANSACTION_VEHICLE_ID] = {0x00, 0x01, 0x01, 0x23,
                                                               0x45, 0x67, 0x89, 0xAB};
    struct vehicle_key *k = &s->key;
    memset(s, 0, sizeof *s);
    make_device_key(c, k);
    k->role = VEHICLE_KEY_OWNER;
    k->state = VEHICLE_KEY_ACTIVE;
    memcpy(k->vehicle_id, vehicle_id, sizeof vehicle_id);
    k->slot = (struct slot_id){.b = {0x51, [7] = 0x57}, .len = 8};
    k->options_1 = ENDPOINT_OWNER_OPTIONS_1;
    k->options_2 = ENDPOINT_OWNER_OPTIONS_2;
    k->not_before_s = BEGINS_S;
    k->not_after_s = ENDS_S;
    k->suspended_s = BEGINS_S + 60;
    k->map = mailbox_map_default;
    k->tokens_by_vehicle = k->attested = k->tracked = k->has_kpersistent = true;
    k->offered = 0x05;
    k->offers[0] = k->slot;
    k->offers[2] = (struct slot_id){.b = {0xA1, [7] = 0xA7}, .len = 8};
    memset(k->kpersistent, 0xC1, sizeof k->kpersistent);
    memset(k->long_term_shared_secret, 0xC2, CCC_KEY);
    memset(k->kble_intro, 0xC3, CCC_KEY);
    memset(k->kble_oob_master, 0xC4, CCC_KEY);
    if (vehicle_record_save(c, k, s->record, VEHICLE_RECORD_MAX, &s->len))
        abort();
}

struct envelope vehicle_sample_envelope(const struct vehicle_sample *s)
{
    struct envelope e = {.kind = ENVELOPE_VEHICLE_KEY, .version = VEHICLE_RECORD_VERSION};
    memcpy(e.owner, s->key.vehicle_id, 8);
    memcpy(e.owner + 8, s->key.key_id, 8);
    return e;
}

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *bytes = p;
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

enum err vehicle_sample_load(struct crypto *c, const struct vehicle_sample *s, struct span record)
{
    struct vehicle_key out;
    memset(&out, 0, sizeof out);
    enum err e = vehicle_record_load(c, s->key.vehicle_id, s->key.key_id, record, &out);
    if (!e)
        vehicle_key_close(&out);
    return all_zero(&out, sizeof out) ? e : ERR_INTERNAL;
}
