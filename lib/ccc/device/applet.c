/* Internal link of the applet: instance CAs, keys, mailboxes. */

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/applet_internal.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/ecies.h"

void applet_open(struct applet *a, struct crypto *c)
{
    assert(a && c);
    memset(a, 0, sizeof *a);
    a->crypto = c;
    a->versions = (struct op_versions){{0x0100}, 1};
}

void applet_free_key(struct digital_key *k)
{
    p256_free(k->device_key);
    p256_free(k->vehicle_key);
    p256_free(k->encryption_key);
    OPENSSL_cleanse(k, sizeof *k);
}

void applet_close(struct applet *a)
{
    for (size_t l = 0; l < DK_LINKS; l++)
        applet_end_transaction(&a->sessions[l], APPLET_DESELECTED);
    applet_free_key(&a->decoy);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        applet_free_key(&a->keys[i]);
    for (size_t i = 0; i < APPLET_INSTANCE_CAS; i++)
        p256_free(a->instance_cas[i].key);
    OPENSSL_cleanse(a, sizeof *a);
}

/* One of our entries, with a key in it. */
static bool owns(const struct applet *a, const struct digital_key *k)
{
    return a && k >= a->keys && k < a->keys + APPLET_KEYS && k->state != APPLET_KEY_NONE;
}

size_t applet_key_index(const struct applet *a, const struct digital_key *k)
{
    assert(owns(a, k));
    return (size_t)(k - a->keys);
}

/* ---- instance CAs ---- */

/* APPLET_INSTANCE_CAS: no such one. */
static size_t ca_index(const struct applet *a, const char *id)
{
    size_t i = 0;
    while (i < APPLET_INSTANCE_CAS && !(a->instance_cas[i].key && strcmp(a->instance_cas[i].id, id) == 0))
        i++;
    return i;
}

enum err applet_create_ca(struct applet *a, const char *id, uint8_t public_key[P256_POINT])
{
    assert(a && id && public_key);
    struct applet_instance_ca *free_entry = NULL;
    if (strlen(id) > X509_CN_MAX)
        return ERR_BAD_ARGUMENT;
    if (ca_index(a, id) < APPLET_INSTANCE_CAS)
        return ERR_BUSY;
    for (size_t i = 0; i < APPLET_INSTANCE_CAS && !free_entry; i++)
        if (!a->instance_cas[i].key)
            free_entry = &a->instance_cas[i];
    if (!free_entry)
        return ERR_NO_SPACE;
    enum err e = p256_generate(a->crypto, &free_entry->key);
    if (e)
        return e;
    text_copy(free_entry->id, sizeof free_entry->id, id);
    p256_public(free_entry->key, public_key);
    return ERR_OK;
}

enum err applet_ca_public(const struct applet *a, const char *id, uint8_t public_key[P256_POINT])
{
    assert(a && id && public_key);
    size_t i = ca_index(a, id);
    if (i == APPLET_INSTANCE_CAS)
        return ERR_NOT_FOUND;
    p256_public(a->instance_cas[i].key, public_key);
    return ERR_OK;
}

enum err applet_delete_ca(struct applet *a, const char *id)
{
    assert(a && id);
    size_t i = ca_index(a, id);
    if (i == APPLET_INSTANCE_CAS)
        return ERR_NOT_FOUND;
    struct applet_instance_ca *ca = &a->instance_cas[i];
    p256_free(ca->key);
    memset(ca, 0, sizeof *ca);
    return ERR_OK;
}

/* ---- keys ---- */

static enum err make_key(struct applet *a, const struct applet_create *create, const struct p256_key *ca,
                         struct digital_key *k)
{
    const struct dk_cert_endpoint t = {.creation = create->creation,
                                       .endpoint_id = create->endpoint_id,
                                       .instance_ca_id = create->instance_ca_id,
                                       .device_pk = k->device_pk,
                                       .not_before_s = create->not_before_s,
                                       .not_after_s = create->not_after_s};
    enum err e = p256_from_public(a->crypto, create->creation->vehicle_pk, &k->vehicle_key);
    if (!e)
        e = p256_generate(a->crypto, &k->device_key);
    if (e)
        return e;
    p256_public(k->device_key, k->device_pk);
    x509_key_id(a->crypto, k->device_pk, k->key_id);
    return dk_cert_issue_endpoint(a->crypto, &t, ca, k->certificate, &k->certificate_len);
}

/* APPLET_KEYS: none is free. */
static size_t free_entry(const struct applet *a)
{
    size_t i = 0;
    while (i < APPLET_KEYS && a->keys[i].state != APPLET_KEY_NONE)
        i++;
    return i;
}

enum err applet_check_create(const struct applet *a, const struct endpoint_creation *creation,
                             const char *instance_ca_id)
{
    assert(a && creation && instance_ca_id);
    if (ca_index(a, instance_ca_id) == APPLET_INSTANCE_CAS)
        return ERR_NOT_FOUND;
    if (free_entry(a) == APPLET_KEYS || creation->private_size > MAILBOX_PRIVATE_MAX ||
        creation->confidential_size > MAILBOX_CONFIDENTIAL_MAX)
        return ERR_NO_SPACE;
    return ERR_OK;
}

enum err applet_create_endpoint(struct applet *a, const struct applet_create *create,
                                struct digital_key **out)
{
    assert(a && create && create->creation && create->endpoint_id && create->instance_ca_id && out);
    const struct endpoint_creation *creation = create->creation;
    enum err e = applet_check_create(a, creation, create->instance_ca_id);
    if (e)
        return e;
    struct digital_key *k = &a->keys[free_entry(a)];
    e = make_key(a, create, a->instance_cas[ca_index(a, create->instance_ca_id)].key, k);
    if (e) {
        applet_free_key(k);
        return e;
    }
    k->creation = *creation;
    k->mailboxes.private_size = creation->private_size;
    k->mailboxes.confidential_size = creation->confidential_size;
    text_copy(k->endpoint_id, sizeof k->endpoint_id, create->endpoint_id);
    text_copy(k->instance_ca_id, sizeof k->instance_ca_id, create->instance_ca_id);
    k->state = APPLET_KEY_CREATED;
    *out = k;
    return ERR_OK;
}

enum err applet_check_setup(const struct endpoint_creation *creation, const struct mailbox_part *confidential,
                            const struct mailbox_part *private_part)
{
    assert(creation && confidential && private_part);
    /* 4E, 9E and both parts with their headers must fit into one answer. */
    size_t total =
        2u + creation->slot.len + 2 + SIGNATURE_SIZE + 3 + confidential->len + 3 + private_part->len;
    if (total > CHANNEL_PLAIN_MAX || confidential->offset + confidential->len > creation->confidential_size ||
        private_part->offset + private_part->len > creation->private_size)
        return ERR_BAD_ARGUMENT;
    return ERR_OK;
}

enum err applet_setup_endpoint(struct digital_key *k, const struct mailbox_part *confidential,
                               const struct mailbox_part *private_part)
{
    assert(k && k->state == APPLET_KEY_CREATED && confidential && private_part);
    enum err e = applet_check_setup(&k->creation, confidential, private_part);
    if (e)
        return e;
    k->auth1_confidential = *confidential;
    k->auth1_private = *private_part;
    return ERR_OK;
}

/* ---- states of a key ---- */

/* Nothing of a transaction under way may reach a key that is no more. */
static void leave(struct applet *a, const struct digital_key *k)
{
    for (size_t l = 0; l < DK_LINKS; l++) {
        assert(a->sessions[l].key != k || !a->sessions[l].unstored);
        if (a->sessions[l].key == k)
            applet_end_transaction(&a->sessions[l], APPLET_DESELECTED);
    }
}

void applet_accept_endpoint(struct digital_key *k)
{
    assert(k && k->state == APPLET_KEY_CREATED);
    k->state = APPLET_KEY_ACTIVE;
}

void applet_suspend_endpoint(struct applet *a, struct digital_key *k)
{
    assert(owns(a, k) && k->state == APPLET_KEY_ACTIVE);
    leave(a, k);
    k->state = APPLET_KEY_SUSPENDED;
}

void applet_resume_endpoint(struct digital_key *k)
{
    assert(k && k->state == APPLET_KEY_SUSPENDED);
    k->state = APPLET_KEY_ACTIVE;
}

void applet_terminate_endpoint(struct applet *a, struct digital_key *k)
{
    assert(owns(a, k) && k->state != APPLET_KEY_CREATED);
    leave(a, k);
    k->state = APPLET_KEY_TERMINATED;
    k->has_kpersistent = false;
    OPENSSL_cleanse(k->kpersistent, sizeof k->kpersistent);
    OPENSSL_cleanse(k->mailboxes.confidential_area, sizeof k->mailboxes.confidential_area);
}

void applet_delete_endpoint(struct applet *a, struct digital_key *k)
{
    assert(owns(a, k));
    leave(a, k);
    applet_free_key(k);
}

bool applet_has_key(const struct applet *a)
{
    assert(a);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (a->keys[i].state != APPLET_KEY_NONE && a->keys[i].state != APPLET_KEY_CREATED)
            return true;
    return false;
}

struct digital_key *applet_session_key(const struct applet *a, enum dk_link_id link)
{
    assert(a && link < DK_LINKS);
    const struct applet_session *s = &a->sessions[link];
    return s->state == APPLET_AUTHENTICATED ? s->key : NULL;
}

bool applet_session_open(const struct applet *a, const struct digital_key *k)
{
    assert(owns(a, k));
    for (size_t l = 0; l < DK_LINKS; l++)
        if (applet_session_key(a, (enum dk_link_id)l) == k)
            return true;
    return false;
}

/* ---- mailboxes ---- */

static bool busy(const struct applet *a, const struct digital_key *k)
{
    for (size_t l = 0; l < DK_LINKS; l++)
        if (a->sessions[l].staged && a->sessions[l].key == k)
            return true;
    return false;
}

/* What the framework asks for, unless the vehicle is in the middle of something. */
static enum err reach(struct applet *a, struct digital_key *k, enum mailbox_kind kind, size_t offset,
                      size_t len, uint8_t **out)
{
    assert(owns(a, k));
    enum err e = mailbox_reach(&k->mailboxes, MAILBOX_FRAMEWORK, kind, offset, len, out);
    return !e && busy(a, k) ? ERR_BUSY : e;
}

enum err applet_get_data(struct applet *a, struct digital_key *k, enum mailbox_kind kind, size_t offset,
                         void *out, size_t len)
{
    assert(out || len == 0);
    uint8_t *p;
    enum err e = reach(a, k, kind, offset, len, &p);
    if (!e)
        memcpy(out, p, len);
    return e;
}

enum err applet_set_data(struct applet *a, struct digital_key *k, enum mailbox_kind kind, size_t offset,
                         struct span data)
{
    assert(data.p || data.len == 0);
    uint8_t *p;
    enum err e = reach(a, k, kind, offset, data.len, &p);
    if (!e)
        memcpy(p, data.p, data.len);
    return e;
}

enum err applet_encryption_key(struct applet *a, struct digital_key *k, uint8_t out[P256_POINT])
{
    assert(owns(a, k) && out);
    enum err e = k->encryption_key ? ERR_OK : p256_generate(a->crypto, &k->encryption_key);
    if (!e)
        p256_public(k->encryption_key, out);
    return e;
}

enum err applet_set_confidential(struct applet *a, struct digital_key *k, const uint8_t ephemeral[P256_POINT],
                                 struct span sealed)
{
    assert(owns(a, k) && ephemeral && (sealed.p || sealed.len == 0));
    uint8_t plain[2 + MAILBOX_CONFIDENTIAL_MAX], *p = NULL;
    size_t len = sealed.len - ECIES_OVERHEAD;
    if (busy(a, k))
        return ERR_BUSY;
    if (!k->encryption_key || sealed.len < ECIES_OVERHEAD + 2 || len > sizeof plain)
        return ERR_BAD_ARGUMENT;
    enum err e = ecies_open(a->crypto, k->encryption_key, ephemeral, sealed, plain);
    if (!e) {
        p = mailbox_at(&k->mailboxes, MAILBOX_CONFIDENTIAL, (size_t)(plain[0] << 8 | plain[1]), len - 2);
        e = p ? ERR_OK : ERR_BAD_ARGUMENT;
    }
    if (!e)
        memcpy(p, plain + 2, len - 2);
    OPENSSL_cleanse(plain, sizeof plain);
    return e;
}
