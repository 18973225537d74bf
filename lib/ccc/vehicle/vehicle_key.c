#include "lib/ccc/vehicle/vehicle_key.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/vehicle/vehicle_pairing.h"

void vehicle_key_of_pairing(const struct vehicle_pairing *v, struct vehicle_key *out)
{
    assert(v && v->config && v->result.certificate_len && out);
    const struct vehicle_pairing_result *r = &v->result;
    const struct device_config_sharing *sharing = &v->config->key_data.config.sharing;
    const struct device_config_ble *ble = &v->config->key_data.config.ble;
    *out = (struct vehicle_key){.role = VEHICLE_KEY_OWNER,
                                .state = VEHICLE_KEY_PENDING,
                                .slot = v->creation.slot,
                                .options_1 = r->options_1,
                                .options_2 = r->options_2,
                                .not_before_s = v->creation.not_before_s,
                                .not_after_s = v->creation.not_after_s,
                                .map = v->config->key_data.map,
                                .tokens_by_vehicle =
                                    v->config->key_data.map.token_len &&
                                    (!sharing->present || sharing->source == DEVICE_CONFIG_FROM_VEHICLE),
                                .attested = v->config->attest_with != NULL};
    memcpy(out->vehicle_id, v->creation.vehicle_id, sizeof out->vehicle_id);
    memcpy(out->key_id, r->key_id, sizeof out->key_id);
    memcpy(out->device_pk, r->device_pk, sizeof out->device_pk);
    memcpy(out->long_term_shared_secret, r->long_term_shared_secret, CCC_KEY);
    /* D4, D5 replace what was derived */
    memcpy(out->kble_intro, ble->kble_intro ? ble->kble_intro : r->kble_intro, CCC_KEY);
    memcpy(out->kble_oob_master,
           ble->kble_oob_master_online ? ble->kble_oob_master_online : r->kble_oob_master, CCC_KEY);
}

enum err vehicle_key_open(struct crypto *c, struct vehicle_key *k)
{
    assert(c && k && !k->device_key);
    return p256_from_public(c, k->device_pk, &k->device_key);
}

void vehicle_key_close(struct vehicle_key *k)
{
    assert(k);
    p256_free(k->device_key);
    OPENSSL_cleanse(k, sizeof *k);
}

bool vehicle_key_suspend(struct vehicle_key *k, int64_t issued_s)
{
    assert(k && k->role);
    if (k->state != VEHICLE_KEY_ACTIVE && k->state != VEHICLE_KEY_SUSPENDED)
        return false;
    k->state = VEHICLE_KEY_SUSPENDED;
    if (issued_s > k->suspended_s) /* what was said earlier may arrive later */
        k->suspended_s = issued_s;
    return true;
}

bool vehicle_key_resume(struct vehicle_key *k, int64_t issued_s)
{
    assert(k && k->role);
    bool may = k->state == VEHICLE_KEY_ACTIVE || k->state == VEHICLE_KEY_SUSPENDED;
    if (!may || issued_s <= k->suspended_s)
        return false;
    k->state = VEHICLE_KEY_ACTIVE;
    return true;
}

void vehicle_key_terminate(struct vehicle_key *k)
{
    assert(k && k->role);
    k->state = VEHICLE_KEY_TERMINATED;
    k->has_kpersistent = false;
    OPENSSL_cleanse(k->kpersistent, sizeof k->kpersistent);
}

enum err vehicle_key_check_time(const struct vehicle_key *k, int64_t now_s)
{
    bool early = k->not_before_s && now_s < k->not_before_s;
    bool late = k->not_after_s && now_s > k->not_after_s;
    return early || late ? ERR_DK_VALIDITY : ERR_OK;
}

struct attestation vehicle_key_subject(const struct vehicle_key *k)
{
    struct attestation a = {.slot = k->slot};
    memcpy(a.key_id, k->key_id, sizeof a.key_id);
    memcpy(a.vehicle_id, k->vehicle_id, sizeof a.vehicle_id);
    memcpy(a.device_pk, k->device_pk, sizeof a.device_pk);
    return a;
}
