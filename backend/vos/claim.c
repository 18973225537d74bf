#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

/* The certificate that was active before the identity in the record, if that one is not active yet. */
static enum err last_active(struct vos *v, const char *serial, const struct vehicle *r, uint8_t out[X509_MAX],
                            size_t *len)
{
    char key[ENV_KEY_MAX];
    bool renewing = r->state == BACKEND__V1__VEHICLE_RECORD__STATE__STATE_RENEWING;
    uint32_t generation = renewing ? r->generation : r->generation - 1;
    snprintf(key, sizeof key, VOS_RETIRED_PREFIX "%s/%u", serial, generation);
    return env_store_get(v->env, key, out, X509_MAX, len);
}

void vos_claim(struct vos *v, const char *serial, const struct vehicle *r)
{
    uint8_t certificate[X509_MAX];
    size_t len;
    struct span held = {NULL, 0};
    if (r->state == BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE)
        held = span_of(r->certificate, r->certificate_len);
    else if (last_active(v, serial, r, certificate, &len) == ERR_OK)
        held = span_of(certificate, len);
    env_claim(v->env, VOS_CLAIM_K, serial, held);
}

static void claim_one(void *ctx, const char *key, struct span value)
{
    struct vos *v = ctx;
    struct vehicle r;
    const char *serial = key + strlen(VOS_VEHICLE_PREFIX);
    (void)value;
    if (record_load(v, serial, &r) == ERR_OK)
        vos_claim(v, serial, &r);
}

enum err vos_claim_all(struct vos *v)
{
    enum err e = env_store_scan(v->env, VOS_VEHICLE_PREFIX, claim_one, v);
    return e ? e : vos_verifiers_claim_all(v);
}
