#include "tests/keyring.h"

#include <stdlib.h>
#include <string.h>

static struct span span_of_record(const struct keyring_record *r)
{
    return span_of(r->bytes, r->len);
}

void keyring_make_keys(struct rig *r, unsigned n)
{
    const struct digital_key *first = &r->applet.keys[0];
    for (uint8_t i = 1; i < n; i++) {
        struct digital_key *k;
        const uint8_t unique[8] = {i};
        char endpoint_id[X509_CN_MAX + 1];
        struct endpoint_creation creation = first->creation;
        creation.vehicle_id[0] ^= i;
        struct applet_create create = {.creation = &creation,
                                       .endpoint_id = endpoint_id,
                                       .instance_ca_id = first->instance_ca_id,
                                       .not_before_s = RIG_NOW_S,
                                       .not_after_s = DK_CERT_NO_END_S};
        if (dk_cert_endpoint_id(r->device.oem, unique, endpoint_id) ||
            applet_create_endpoint(&r->applet, &create, &k) ||
            applet_setup_endpoint(k, &first->auth1_confidential, &first->auth1_private))
            abort();
        applet_accept_endpoint(k);
        k->mailboxes = first->mailboxes;
        k->has_kpersistent = true;
        memset(k->kpersistent, i, sizeof k->kpersistent);
        *dk_device_owned(&r->device, k) = r->device.owned[0];
    }
}

enum err keyring_save(const struct dk_device *d, struct keyring *out)
{
    struct keyring_record *f = &out->framework;
    enum err e = dk_record_save_framework(d, f->bytes, sizeof f->bytes, &f->len);
    for (unsigned i = 0; i < APPLET_KEYS && !e; i++) {
        struct keyring_record *k = &out->keys[i];
        k->len = 0;
        if (d->owned[i].paired)
            e = dk_record_save_key(d, i, k->bytes, sizeof k->bytes, &k->len);
    }
    return e;
}

enum err keyring_load(struct dk_device *d, struct applet *a, struct crypto *c, const struct keyring *k)
{
    enum err e = dk_record_load_framework(d, a, c, span_of_record(&k->framework));
    if (e)
        return e;
    d->now_s = RIG_NOW_S;
    for (unsigned i = 0; i < APPLET_KEYS && !e; i++)
        if (k->keys[i].len)
            e = dk_record_load_key(d, i, span_of_record(&k->keys[i]));
    return e;
}

enum err keyring_restart(struct rig *r)
{
    struct keyring *k = malloc(sizeof *k);
    enum err e = k ? keyring_save(&r->device, k) : ERR_NO_MEMORY;
    dk_device_close(&r->device);
    applet_close(&r->applet);
    if (!e)
        e = keyring_load(&r->device, &r->applet, r->crypto, k);
    free(k);
    return e;
}

/* ---- what is refused ---- */

struct keyring_loader *keyring_loader_new(struct crypto *c)
{
    struct keyring_loader *l = calloc(1, sizeof *l);
    uint8_t public_key[P256_POINT];
    if (!l)
        abort();
    l->rig = rig_ready(c);
    enum err e = rig_pair(l->rig);
    rig_walk_away(l->rig);
    rig_enter_password(l->rig, true);
    if (!e)
        e = applet_encryption_key(&l->rig->applet, &l->rig->applet.keys[0], public_key);
    if (!e)
        e = keyring_save(&l->rig->device, &l->saved);
    if (!e)
        e = dk_record_load_framework(&l->device, &l->applet, c, span_of_record(&l->saved.framework));
    if (e)
        abort();
    return l;
}

void keyring_loader_free(struct keyring_loader *l)
{
    dk_device_close(&l->device);
    applet_close(&l->applet);
    rig_free(l->rig);
    free(l);
}

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *bytes = p;
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

enum err keyring_loader_key(struct keyring_loader *l, unsigned index, struct span record)
{
    enum err e = dk_record_load_key(&l->device, index, record);
    if (!e) {
        applet_delete_endpoint(&l->applet, &l->applet.keys[index]);
        memset(&l->device.owned[index], 0, sizeof l->device.owned[index]);
    }
    bool clean =
        all_zero(l->applet.keys, sizeof l->applet.keys) && all_zero(l->device.owned, sizeof l->device.owned);
    return clean ? e : ERR_INTERNAL;
}

enum err keyring_loader_framework(struct keyring_loader *l, struct span record)
{
    static struct dk_device d;
    static struct applet a;
    enum err e = dk_record_load_framework(&d, &a, l->rig->crypto, record);
    if (!e) {
        dk_device_close(&d);
        applet_close(&a);
    }
    return all_zero(&d, sizeof d) && all_zero(&a, sizeof a) ? e : ERR_INTERNAL;
}

enum err keyring_loader_load(struct keyring_loader *l, bool framework, struct span record)
{
    return framework ? keyring_loader_framework(l, record) : keyring_loader_key(l, 0, record);
}
