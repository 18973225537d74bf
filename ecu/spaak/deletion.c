/* A key is deleted at the head unit by whoever has what a pairing needs: the ignition on, and a key fob that
 * the body controller proves, or a card key on the pad. PhoneKey_Req itself can be forged, and would end the
 * owner's key for good. Nothing of the wish is stored. */
#include <string.h>

#include "ecu/spaak/pairing.h"

static bool is_deletable(const struct vehicle_key *k)
{
    return k->state == VEHICLE_KEY_ACTIVE || k->state == VEHICLE_KEY_SUSPENDED;
}

/* The list may have moved since somebody read it. */
static enum err check(struct spaak *s, const struct cabin_request *r, struct vehicle_key **out)
{
    struct vehicle_key *k = r->key && r->key <= s->keys.count ? &s->keys.list[r->key - 1] : NULL;
    *out = k;
    if (!k)
        return ERR_NOT_FOUND;
    if (memcmp(k->key_id, r->id, CABIN_KEY_ID) != 0)
        return ERR_LIST_CHANGED;
    if (!is_deletable(k))
        return ERR_NOT_FOUND;
    return pairing_is_on(s) || s->cabin.asked ? ERR_BUSY : ERR_OK;
}

static void refuse(struct spaak *s, enum err e)
{
    s->deletion.on = false;
    env_trace_reason(s->env, TRACE_REJECT, NULL, "PhoneKey_Req", e, 0, NULL);
    cabin_notify(s, CABIN_FAILED, e);
}

void deletion_begin(struct spaak *s, const struct cabin_request *r)
{
    struct vehicle_key *k;
    if (s->deletion.on)
        return; /* pressed twice */
    enum err e = check(s, r, &k);
    if (e) {
        refuse(s, e);
        if (e == ERR_LIST_CHANGED)
            cabin_send_keys(s);
        return;
    }
    memcpy(s->deletion.key_id, k->key_id, ENDPOINT_KEY_ID);
    s->deletion.on = true;
    user_ask(s);
}

/* Others may have ended it meanwhile. */
void deletion_admit(struct spaak *s)
{
    struct vehicle_key *k = keys_find(s, s->deletion.key_id);
    s->deletion.on = false;
    if (k && is_deletable(k))
        unlock_terminate(s, k, KEY_IN_CAR);
    else
        refuse(s, ERR_NOT_FOUND);
    unlock_look(s); /* its phone may be near */
}

void deletion_on_user(struct spaak *s, enum err e)
{
    if (!e) {
        deletion_admit(s);
        return;
    }
    if (e == ERR_FOB_AWAY)
        e = pairing_wait_for_card(s);
    if (e)
        refuse(s, e);
}
