/* The records of framework and keys: loaded at a start, stored when they change. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sim/actors/phone/phone_parts.h"

#define DEVICE_OEM "phonemaker"

/* ---- storing ---- */

static enum err put_key(struct phone *p, unsigned index)
{
    struct handset *h = &p->handset;
    char name[DK_RECORD_NAME_MAX];
    size_t len;
    dk_record_key_name(index, name);
    enum err e = dk_record_save_key(&h->device, index, h->record, sizeof h->record, &len);
    if (!e)
        e = env_store_put(p->env, name, span_of(h->record, len));
    OPENSSL_cleanse(h->record, sizeof h->record);
    return e;
}

static enum err erase_key(struct phone *p, unsigned index)
{
    char name[DK_RECORD_NAME_MAX];
    char tracked[ENV_KEY_MAX];
    dk_record_key_name(index, name);
    handset_tracking_name(index, tracked);
    enum err e = env_store_delete(p->env, tracked);
    if (!e)
        e = handset_radio_put_no_bond(p, index);
    return e ? e : env_store_delete(p->env, name);
}

/* Beside the record, so that the judge of a run knows what must stand nowhere. */
static enum err put_password(struct phone *p)
{
    struct handset *h = &p->handset;
    if (h->device.password_len)
        return env_store_put(p->env, PHONE_PASSWORD, span_of(h->device.password, h->device.password_len));
    return h->password_kept ? env_store_delete(p->env, PHONE_PASSWORD) : ERR_OK;
}

static enum err put_framework(struct phone *p)
{
    struct handset *h = &p->handset;
    size_t len;
    enum err e = dk_record_save_framework(&h->device, h->record, sizeof h->record, &len);
    if (!e)
        e = env_store_put(p->env, DK_RECORD_FRAMEWORK_NAME, span_of(h->record, len));
    OPENSSL_cleanse(h->record, sizeof h->record);
    return e ? e : put_password(p);
}

enum err handset_store(struct phone *p, struct dk_change change)
{
    struct handset *h = &p->handset;
    enum err e = change.framework ? put_framework(p) : ERR_OK;
    for (unsigned i = 0; !e && i < APPLET_KEYS; i++) {
        if (change.put & 1u << i)
            e = put_key(p, i);
        else if (change.erase & 1u << i)
            e = erase_key(p, i);
    }
    if (!e)
        e = env_store_commit(p->env);
    if (!e && change.framework)
        h->password_kept = h->device.password_len != 0;
    return e;
}

/* ---- loading ---- */

static enum err make(struct phone *p)
{
    struct handset *h = &p->handset;
    applet_open(&h->applet, p->env->crypto);
    enum err e = dk_device_open(&h->device, p->env->crypto, &h->applet, DEVICE_OEM);
    h->open = !e;
    return e ? e : handset_store(p, (struct dk_change){.framework = true});
}

/* A key that cannot be read is left where it lies until a new one takes its entry. */
static void load_key(struct phone *p, unsigned index)
{
    struct handset *h = &p->handset;
    char name[DK_RECORD_NAME_MAX];
    size_t len;
    dk_record_key_name(index, name);
    enum err e = env_store_get(p->env, name, h->record, sizeof h->record, &len);
    if (e == ERR_NOT_FOUND)
        return;
    if (!e)
        e = dk_record_load_key(&h->device, index, span_of(h->record, len));
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, NULL, name, e, 0, "this key is left out");
    OPENSSL_cleanse(h->record, sizeof h->record);
}

static enum err load(struct phone *p, size_t len)
{
    struct handset *h = &p->handset;
    enum err e = dk_record_load_framework(&h->device, &h->applet, p->env->crypto, span_of(h->record, len));
    OPENSSL_cleanse(h->record, sizeof h->record);
    h->open = !e;
    h->broken = e;
    if (e) {
        env_trace_reason(p->env, TRACE_FAIL, NULL, DK_RECORD_FRAMEWORK_NAME, e, 0, "no Digital Key");
        return ERR_OK;
    }
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        load_key(p, i);
    return ERR_OK;
}

enum err handset_open(struct phone *p)
{
    struct handset *h = &p->handset;
    uint8_t password[DK_DEVICE_PASSWORD_MAX];
    struct handset_turn t;
    size_t len;
    h->password_kept = env_store_get(p->env, PHONE_PASSWORD, password, sizeof password, &len) == ERR_OK;
    OPENSSL_cleanse(password, sizeof password);
    enum err e = env_store_get(p->env, DK_RECORD_FRAMEWORK_NAME, h->record, sizeof h->record, &len);
    if (e == ERR_NOT_FOUND)
        e = make(p);
    else if (!e)
        e = load(p, len);
    if (e)
        return e;
    if (!handset_begin(p, &t)) {
        handset_show(p);
        return ERR_OK;
    }
    for (unsigned i = 0; i < APPLET_KEYS; i++) /* the last life may have ended before it looked there */
        handset_collect(p, &h->applet.keys[i]);
    handset_tracking_open(p);
    dk_device_note(&h->device, h->noted);
    h->noted = 0;
    return handset_end(p, &t, dk_device_reset(&h->device, DK_CONTACTLESS));
}

void handset_close(struct phone *p)
{
    struct handset *h = &p->handset;
    if (h->open) {
        dk_device_close(&h->device);
        applet_close(&h->applet);
    }
    h->open = false;
    handset_phase0_stop(p);
    handset_tracking_stop(p);
    handset_state_stop(p);
    for (size_t i = 0; i < HANDSET_DERIVING_MAX; i++)
        OPENSSL_cleanse(&h->deriving[i].from, sizeof h->deriving[i].from);
    env_timer_set(p->env, PHONE_TIMER_PASSWORD, ENV_NEVER);
}

/* ---- what it shows ---- */

static const char *framework_text(const struct handset *h)
{
    const struct dk_device *d = &h->device;
    switch (d->state) {
    case DK_DERIVING:
    case DK_REQUESTED:
    case DK_SECURE1:
    case DK_WRITTEN:
        return "pairing";
    case DK_CREATING:
        return d->pairing.key ? "key made" : "pairing";
    case DK_SECURE2:
        return "key made";
    case DK_IDLE:
    case DK_SELECTED:
    case DK_PAIRED:
    case DK_STATES:
        break;
    }
    if (d->password_len)
        return "password entered";
    return applet_has_key(&h->applet) ? "paired" : "no password";
}

static const char *key_text(enum applet_key_state s)
{
    return s == APPLET_KEY_ACTIVE ? "active" : s == APPLET_KEY_SUSPENDED ? "suspended" : "terminated";
}

/* As in the subject of [K]. */
static void vehicle_text(const struct digital_key *k, char out[2 * TRANSACTION_VEHICLE_ID + 1])
{
    hex_encode(k->creation.vehicle_id, TRANSACTION_VEHICLE_ID, out);
    for (char *p = out; *p; p++)
        if (*p >= 'a')
            *p = (char)(*p - 'a' + 'A');
}

/* "0 00010123456789AB active", as many as the line takes. */
static void show_keys(struct phone *p)
{
    const struct applet *a = &p->handset.applet;
    char text[ENV_TEXT_MAX] = "", id[2 * TRANSACTION_VEHICLE_ID + 1], one[48];
    size_t len = 0;
    for (unsigned i = 0; i < APPLET_KEYS; i++) {
        const struct digital_key *k = &a->keys[i];
        if (k->state == APPLET_KEY_NONE || k->state == APPLET_KEY_CREATED)
            continue;
        vehicle_text(k, id);
        snprintf(one, sizeof one, "%s%u %s %s", *text ? ", " : "", i, id, key_text(k->state));
        if (len + strlen(one) < sizeof text)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s", one);
    }
    env_show(p->env, PHONE_SHOW_KEYS, *text ? text : "none");
}

static void show_field(struct phone *p)
{
    const struct handset *h = &p->handset;
    char text[ENV_TEXT_MAX] = "nowhere";
    if (*h->at && h->up)
        snprintf(text, sizeof text, "%s %s", h->field ? "in the field of" : "at", h->at);
    env_show(p->env, PHONE_SHOW_FIELD, text);
}

void handset_show(struct phone *p)
{
    const struct handset *h = &p->handset;
    char text[ENV_TEXT_MAX];
    show_field(p);
    if (h->open) {
        show_keys(p);
        env_show(p->env, PHONE_SHOW_FRAMEWORK, framework_text(h));
    } else if (h->off) {
        env_show(p->env, PHONE_SHOW_FRAMEWORK, "off");
    } else if (h->broken) {
        snprintf(text, sizeof text, "unusable: %s", err_name(h->broken));
        env_show(p->env, PHONE_SHOW_FRAMEWORK, text);
    }
}
