/* What waits until no transaction with a key is open any more: the framework's own writes into its mailboxes,
 * a termination that the vehicle asked for, the end of a terminated key. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device_internal.h"

void dk_sessions(const struct dk_device *d, struct digital_key *open[DK_LINKS])
{
    for (size_t l = 0; l < DK_LINKS; l++)
        open[l] = applet_session_key(d->applet, (enum dk_link_id)l);
}

bool dk_take_notification(struct dk_device *d, enum dk_link_id link, const struct digital_key *k)
{
    const struct applet *a = d->applet;
    struct attestation said, ours = {.slot = k->creation.slot};
    size_t used;
    if (a->notification_len == 0 || k->state != APPLET_KEY_ACTIVE)
        return false;
    memcpy(ours.key_id, k->key_id, sizeof ours.key_id);
    memcpy(ours.vehicle_id, k->creation.vehicle_id, sizeof ours.vehicle_id);
    if (attestation_open(d->crypto, span_of(a->notification, a->notification_len),
                         ATTESTATION_VEHICLE_TERMINATES, k->creation.vehicle_pk, &said, &used) ||
        !attestation_same_key(&said, &ours))
        return false;
    struct dk_later *later = &d->later[dk_key_index(d, k)];
    const uint8_t bit = (uint8_t)(1u << link);
    bool told = !(later->terminate & bit);
    later->terminate |= bit;
    return told;
}

/* What was before, should the store refuse. */
static void keep_key(struct dk_device *d, struct digital_key *k)
{
    struct dk_storing *s = &d->storing;
    s->key = k;
    s->owned = *dk_device_owned(d, k);
    s->mailboxes = k->mailboxes;
    s->key_state = k->state;
    s->has_kpersistent = k->has_kpersistent;
    memcpy(s->kpersistent, k->kpersistent, sizeof s->kpersistent);
}

static void put_back(struct dk_device *d)
{
    const struct dk_storing *s = &d->storing;
    *dk_device_owned(d, s->key) = s->owned;
    s->key->mailboxes = s->mailboxes;
    s->key->state = s->key_state;
    s->key->has_kpersistent = s->has_kpersistent;
    memcpy(s->key->kpersistent, s->kpersistent, sizeof s->kpersistent);
}

/* The mailboxes are free: an attestation out of KeyAtt, then the statement that waits into it if there is
 * room. */
static void settle_mailboxes(struct dk_device *d, struct digital_key *k)
{
    if (d->later[dk_key_index(d, k)].collect)
        (void)!dk_collect(d, k, false); /* what cannot be read is said when the owner asks again */
    dk_write_waiting(d, k);
}

/* The session in which the vehicle said so has ended. */
static bool termination_due(const struct dk_device *d, const struct digital_key *k)
{
    struct digital_key *open[DK_LINKS];
    dk_sessions(d, open);
    for (size_t l = 0; l < DK_LINKS; l++)
        if (d->later[dk_key_index(d, k)].terminate & 1u << l && open[l] != k)
            return true;
    return false;
}

static bool settle_key(struct dk_device *d, struct digital_key *k, enum dk_link_id link)
{
    const struct dk_later *later = &d->later[dk_key_index(d, k)];
    bool terminate = termination_due(d, k);
    bool free = !applet_session_open(d->applet, k);
    bool known = free && dk_termination_known(d, k);
    if (!terminate && !known && !(free && (later->collect || dk_waiting_due(d, k))))
        return false;
    keep_key(d, k);
    /* with VehiclePropDat too long it stays, and the owner may still delete it */
    bool terminated = terminate && dk_terminate(d, k) == ERR_OK;
    if (free && !terminated && !known)
        settle_mailboxes(d, k);
    struct dk_change change = {.put = known ? 0 : dk_key_bit(d, k), .erase = known ? dk_key_bit(d, k) : 0};
    dk_store_begin(d, DK_STORING_SETTLED, link, change);
    return true;
}

bool dk_settle(struct dk_device *d, struct digital_key *const before[DK_LINKS], enum dk_link_id link)
{
    for (size_t l = 0; l < DK_LINKS; l++) {
        struct digital_key *k = before[l];
        bool ended =
            k && k->state != APPLET_KEY_NONE && applet_session_key(d->applet, (enum dk_link_id)l) != k;
        if (ended && settle_key(d, k, link))
            return true;
    }
    return false;
}

bool dk_settle_ended(struct dk_device *d, enum dk_link_id link)
{
    for (size_t i = 0; i < APPLET_KEYS; i++) {
        struct digital_key *k = &d->applet->keys[i];
        if (k->state == APPLET_KEY_TERMINATED && !applet_session_open(d->applet, k) &&
            dk_termination_known(d, k))
            return settle_key(d, k, link);
    }
    return false;
}

uint16_t dk_device_noted(const struct dk_device *d)
{
    uint16_t keys = 0;
    assert(d);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        keys |= d->later[i].noted ? dk_key_bit(d, &d->applet->keys[i]) : 0;
    return keys;
}

void dk_device_note(struct dk_device *d, uint16_t keys)
{
    assert(d && !d->storing.what);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (keys & dk_key_bit(d, &d->applet->keys[i]))
            d->later[i].noted = true;
}

void dk_settle_stored(struct dk_device *d, bool stored)
{
    struct digital_key *k = d->storing.key;
    assert(d->storing.what == DK_STORING_SETTLED && k);
    if (!stored) {
        put_back(d);
        return;
    }
    if (d->storing.change.erase) {
        dk_drop_key(d, k);
        return;
    }
    struct dk_later *later = &d->later[dk_key_index(d, k)];
    later->terminate = 0;
    later->collect &= applet_session_open(d->applet, k);
}
