/* What must be true of a key before it is registered. */
#include <string.h>

#include "backend/kts/kts_internal.h"
#include "lib/ccc/dk_cert.h"

/* [K] is a vehicle's of ours, and of the vehicle that is named. */
static enum err check_vehicle(struct kts *k, const struct tracking_ask *a, int64_t now_s, struct x509 *out)
{
    const struct x509 *const issuers[] = {&k->sub_ca.certificate, &k->root.certificate};
    uint8_t id[TRANSACTION_VEHICLE_ID];
    enum err e = x509_parse(a->vehicle, out);
    if (!e)
        e = x509_check_chain(k->env->crypto, out, X509_VEHICLE, issuers, 2, now_s);
    if (!e)
        e = dk_cert_vehicle_id(out->subject, id);
    if (!e && memcmp(id, a->vehicle_id, sizeof id) != 0)
        e = ERR_CERT_SUBJECT_MISMATCH;
    return e;
}

/* The vehicle's word, about the key that is asked for. */
static enum err check_attestation(struct kts *k, const struct tracking_ask *a, const struct x509 *vehicle,
                                  struct attestation *out)
{
    uint8_t key_id[SHA1_SIZE];
    size_t used;
    enum err e = attestation_open(k->env->crypto, a->attestation, ATTESTATION_OF_VEHICLE, vehicle->public_key,
                                  out, &used);
    if (e)
        return e;
    crypto_sha1(k->env->crypto, span_of(out->device_pk, P256_POINT), key_id);
    return used != a->attestation.len || memcmp(out->key_id, a->key_id, ENDPOINT_KEY_ID) != 0 ||
                   memcmp(key_id, a->key_id, sizeof key_id) != 0 ||
                   memcmp(out->vehicle_id, a->vehicle_id, TRANSACTION_VEHICLE_ID) != 0
               ? ERR_DK_ATTESTATION
               : ERR_OK;
}

/* [F], [E] and [H]: a phone whose maker this OEM works with holds that key for that vehicle. */
static enum err check_device(struct kts *k, const struct tracking_ask *a, const struct attestation *said,
                             int64_t now_s)
{
    const struct dk_cert_device_chain chain = {a->device_oem, a->instance_ca, a->endpoint};
    struct endpoint_creation creation;
    struct x509 h;
    enum err e = dk_cert_check_device(k->env->crypto, &k->root.certificate, &chain, now_s, &h);
    if (!e)
        e = dk_cert_parse_extension(h.ccc_value, &creation);
    if (e)
        return e;
    return memcmp(h.public_key, said->device_pk, P256_POINT) != 0 ||
                   memcmp(creation.vehicle_id, said->vehicle_id, TRANSACTION_VEHICLE_ID) != 0 ||
                   !slot_id_equal(&creation.slot, &said->slot)
               ? ERR_DK_KEY_MISMATCH
               : ERR_OK;
}

enum err kts_check(struct kts *k, const struct tracking_ask *a, struct attestation *out)
{
    const int64_t now_s = env_wall_ms(k->env) / 1000;
    struct x509 vehicle;
    enum err e = check_vehicle(k, a, now_s, &vehicle);
    if (!e)
        e = check_attestation(k, a, &vehicle, out);
    if (!e)
        e = check_device(k, a, out, now_s);
    return e ? e : p256_check_point(k->env->crypto, a->encryption_pk);
}
