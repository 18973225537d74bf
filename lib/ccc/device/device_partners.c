/* Vehicle OEMs that the device OEM works with: roots, cross-certificates, instance CAs. */
#include <assert.h>
#include <string.h>

#include "lib/ccc/device/device.h"

/* The one of that name; "": a free entry. */
static struct dk_partner *find_partner(struct dk_device *d, const char *manufacturer)
{
    for (size_t i = 0; i < DK_DEVICE_PARTNERS; i++)
        if (strcmp(d->partners[i].manufacturer, manufacturer) == 0)
            return &d->partners[i];
    return NULL;
}

/* Its instance CA: a new one, or that of a partner who was added before. */
static enum err make_instance_ca(struct dk_device *d, struct dk_partner *p, const char *manufacturer,
                                 uint8_t public_key[P256_POINT])
{
    char id[X509_CN_MAX + 1];
    if (p->manufacturer[0])
        return applet_ca_public(d->applet, p->instance_ca_id, public_key);
    enum err e = dk_cert_instance_ca_id(d->oem, manufacturer, id);
    if (!e)
        e = applet_create_ca(d->applet, id, public_key);
    if (!e)
        text_copy(p->instance_ca_id, sizeof p->instance_ca_id, id);
    return e;
}

enum err dk_device_add_partner(struct dk_device *d, const char *manufacturer, struct span root,
                               struct dk_partner **out, uint8_t public_key[P256_POINT])
{
    assert(d && !d->storing.what && manufacturer && manufacturer[0] && out && public_key);
    struct x509 parsed;
    struct dk_partner *p = find_partner(d, manufacturer);
    if (p && p->instance_ca_len)
        return ERR_BUSY;
    if (!p)
        p = find_partner(d, "");
    if (!p || strlen(manufacturer) > X509_CN_MAX || root.len > X509_MAX)
        return ERR_NO_SPACE;
    enum err e = x509_parse(root, &parsed);
    if (!e)
        e = make_instance_ca(d, p, manufacturer, public_key);
    if (e)
        return e;
    text_copy(p->manufacturer, sizeof p->manufacturer, manufacturer);
    memset(p->anchors, 0, sizeof p->anchors);
    memcpy(p->anchors[0].root, root.p, root.len);
    p->anchors[0].root_len = root.len;
    d->changed.framework = true;
    *out = p;
    return ERR_OK;
}

enum err dk_partner_certify(struct dk_partner *p, struct span device_oem, struct span instance_ca)
{
    assert(p && p->manufacturer[0]);
    if (device_oem.len > X509_MAX || instance_ca.len > X509_MAX)
        return ERR_NO_SPACE;
    memcpy(p->anchors[0].device_oem, device_oem.p, device_oem.len);
    memcpy(p->instance_ca, instance_ca.p, instance_ca.len);
    p->anchors[0].device_oem_len = device_oem.len;
    p->instance_ca_len = instance_ca.len;
    return ERR_OK;
}

static struct dk_anchor *find_root(struct dk_partner *p, struct span root)
{
    for (size_t i = 0; i < DK_PARTNER_ANCHORS; i++)
        if (span_equal(span_of(p->anchors[i].root, p->anchors[i].root_len), root))
            return &p->anchors[i];
    return NULL;
}

enum err dk_partner_add_root(struct dk_partner *p, struct span root, struct span device_oem)
{
    assert(p && p->manufacturer[0] && root.p && root.len && device_oem.p);
    struct dk_anchor *free_entry = find_root(p, (struct span){0});
    struct x509 parsed;
    if (root.len > X509_MAX || device_oem.len > X509_MAX)
        return ERR_NO_SPACE;
    if (find_root(p, root))
        return ERR_BUSY;
    if (!free_entry)
        return ERR_NO_SPACE;
    enum err e = x509_parse(root, &parsed);
    if (e)
        return e;
    memcpy(free_entry->root, root.p, root.len);
    memcpy(free_entry->device_oem, device_oem.p, device_oem.len);
    free_entry->root_len = root.len;
    free_entry->device_oem_len = device_oem.len;
    return ERR_OK;
}

enum err dk_partner_drop_root(struct dk_partner *p, struct span root)
{
    assert(p && root.p && root.len);
    struct dk_anchor *a = find_root(p, root);
    if (!a)
        return ERR_NOT_FOUND;
    if (find_root(p, (struct span){0}))
        return ERR_BUSY;
    memset(a, 0, sizeof *a);
    return ERR_OK;
}
