/* What an owner may know: how far owner pairing has come with a vehicle, and which vehicles are theirs. */
#include <string.h>

#include "backend/vos/vos_internal.h"

#define STATUS(kind, value) INIT__V1__VEHICLE_STATUS__##kind##__##kind##_##value
#define RECORD(value)       BACKEND__V1__VEHICLE_RECORD__STATE__STATE_##value

static Init__V1__VehicleStatus__Identity identity_of(const struct vehicle *r)
{
    if (r->state == RECORD(UNSPECIFIED))
        return STATUS(IDENTITY, NONE);
    return r->state == RECORD(ACTIVE) ? STATUS(IDENTITY, INSTALLED) : STATUS(IDENTITY, IN_PROGRESS);
}

static Init__V1__VehicleStatus__Verifiers verifiers_of(const struct verifiers *set)
{
    switch (set->state) {
    case VERIFIERS_WANTED:
        return STATUS(VERIFIERS, WANTED);
    case VERIFIERS_PUSHED:
        return STATUS(VERIFIERS, ON_THE_WAY);
    case VERIFIERS_STORED:
        return STATUS(VERIFIERS, READY);
    case VERIFIERS_USED:
        return STATUS(VERIFIERS, USED);
    default:
        return STATUS(VERIFIERS, MISSING);
    }
}

/* Of a set that is used up somebody has had it; the record went with the set. */
static enum err password_of(struct vos *v, const char *serial, const struct verifiers *set,
                            Init__V1__VehicleStatus__Password *out)
{
    Backend__V1__DeliveryRecord__State state;
    *out = set->state == VERIFIERS_USED ? STATUS(PASSWORD, DELIVERED) : STATUS(PASSWORD, UNDELIVERED);
    if (set->state != VERIFIERS_PUSHED && set->state != VERIFIERS_STORED)
        return ERR_OK;
    enum err e = vos_delivery_state(v, serial, set, &state);
    if (state == BACKEND__V1__DELIVERY_RECORD__STATE__STATE_HANDED_OUT)
        *out = STATUS(PASSWORD, HANDED_OUT);
    else if (state == BACKEND__V1__DELIVERY_RECORD__STATE__STATE_DELIVERED)
        *out = STATUS(PASSWORD, DELIVERED);
    return e;
}

enum err vos_status(struct vos *v, const char *serial, const char *user, Init__V1__VehicleStatus *out)
{
    struct vehicle r;
    struct verifiers set;
    enum err e = record_load(v, serial, &r);
    if (!e)
        e = vos_check_owner(v, serial, user);
    if (!e)
        e = vos_verifiers_get(v, serial, &set);
    if (!e)
        e = password_of(v, serial, &set, &out->password);
    if (e)
        return e;
    out->provisioned = r.has_drm_uuid;
    out->identity = identity_of(&r);
    out->verifiers = verifiers_of(&set);
    out->paired = vos_is_paired(v, serial);
    return ERR_OK;
}

struct scan {
    const char *user;
    struct vos_vehicles *out;
};

static void take_owned(void *ctx, const char *key, struct span value)
{
    struct scan *scan = ctx;
    struct vos_vehicles *out = scan->out;
    if (out->count < VOS_VEHICLES_MAX && span_is(value, scan->user))
        text_copy(out->serials[out->count++], sizeof out->serials[0], key + strlen(VOS_OWNER_PREFIX));
}

enum err vos_vehicles(struct vos *v, const char *user, struct vos_vehicles *out)
{
    struct scan scan = {user, out};
    out->count = 0;
    return env_store_scan(v->env, VOS_OWNER_PREFIX, take_owned, &scan);
}
