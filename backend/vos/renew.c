/* A vehicle identity is renewed: [K], transport key and verifier set go together, here in one transaction,
 * and in another at the vehicle when the push arrives. It is repeated until the vehicle asks for its next
 * subject id, so a kill on either side only delays it. */
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos_internal.h"

static enum err push(struct vos *v, const char *serial)
{
    struct response r = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_01,
        .type = SPAAK__V1__MESSAGE_TYPE__VEHICLE_IDENTITY_RENEW,
        .ecu_serial = serial,
        .step = "PP-01/0",
    };
    return responder_send(&v->responder, &r);
}

enum err vos_renew(struct vos *v, const char *serial)
{
    struct vehicle r;
    struct verifiers set;
    enum err e = record_load(v, serial, &r);
    if (!e)
        e = vos_verifiers_get(v, serial, &set);
    if (!e)
        e = vos_verifiers_put_retired(v, serial);
    if (!e)
        e = vos_put_unpaired(v, serial); /* all keys go with the identity */
    if (!e)
        e = vos_keys_put_retired(v, serial);
    if (!e)
        e = record_put_identifier(v, serial, &r, false);
    if (e)
        return e;
    if (r.certificate_len)
        e = record_put_retired(v, serial, &r);
    if (e)
        return e;
    r.certificate_len = 0;
    r.has_public_key = r.has_transport_key = false;
    r.subject_id[0] = '\0';
    r.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_RENEWING;
    e = record_put(v, serial, &r);
    if (!e)
        e = env_store_commit(v->env);
    if (e)
        return e;
    vos_verifiers_retired(v, serial, &set);
    vos_keys_retired(v, serial);
    env_timer_in(v->env, VOS_TIMER_RENEW, v->renew_pause_us);
    push(v, serial); /* GSDP down: the timer repeats it */
    return ERR_OK;
}

enum err vos_renew_once(struct vos *v, const char *serial, const char *key)
{
    char name[ENV_KEY_MAX], last[VOS_WORD + 1] = "";
    size_t len;
    struct vehicle r;
    enum err e = strlen(serial) <= MSG_SERIAL_MAX ? record_load(v, serial, &r) : ERR_ECU_UNKNOWN;
    if (e)
        return e;
    snprintf(name, sizeof name, VOS_RENEWAL_PREFIX "%s", serial);
    e = env_store_get(v->env, name, last, sizeof last - 1, &len);
    if (e && e != ERR_NOT_FOUND)
        return e;
    if (strcmp(last, key) == 0)
        return ERR_OK;
    e = env_store_put(v->env, name, span_of(key, strlen(key)));
    return e ? e : vos_renew(v, serial);
}

struct scan {
    struct vos *v;
    unsigned waiting;
};

static void push_if_waiting(void *ctx, const char *key, struct span value)
{
    struct scan *scan = ctx;
    struct vehicle r;
    const char *serial = key + strlen(VOS_VEHICLE_PREFIX);
    (void)value;
    if (record_load(scan->v, serial, &r) || r.state != BACKEND__V1__VEHICLE_RECORD__STATE__STATE_RENEWING)
        return;
    scan->waiting++;
    push(scan->v, serial);
}

void vos_renew_again(struct vos *v)
{
    struct scan scan = {v, 0};
    env_store_scan(v->env, VOS_VEHICLE_PREFIX, push_if_waiting, &scan);
    if (scan.waiting)
        env_timer_in(v->env, VOS_TIMER_RENEW, v->renew_pause_us);
}
