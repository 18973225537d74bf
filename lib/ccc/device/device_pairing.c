/* What the vehicle and the framework do inside the secure channel: WRITE DATA, GET DATA, OP CONTROL FLOW
 * (CCC-TS-101, 5.1 and 6.3). */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device_internal.h"
#include "lib/ccc/tlv.h"

#define MORE_MAX 238 /* longest remainder that a status word names */

enum { LAST_PIECE = 0x80 };
enum {
    TAG_NAME = 0xD3,
    TAG_MODE = 0xD4,
    TAG_DEVICE_OEM = 0x7F20,
    TAG_INSTANCE_CA = 0x7F22,
    TAG_ENDPOINT = 0x7F24
};

/* ---- WRITE DATA ---- */

/* Keeps what an attestation block brought. */
static uint16_t take_attestation(struct dk_device *d)
{
    assert(d->pairing.key); /* SECURE2 has one */
    struct dk_pairing *p = &d->pairing;
    struct dk_owned *o = dk_device_owned(d, p->key);
    struct span a = key_data_attestation(span_of(p->block.bytes, p->block.len));
    if (a.len > sizeof o->attestation)
        return APDU_SW_NO_MEMORY;
    if (a.len)
        memcpy(o->attestation, a.p, a.len);
    o->attestation_len = a.len;
    p->attested = true;
    return 0;
}

uint16_t dk_write_data(struct dk_device *d, const struct dk_input *in)
{
    struct dk_pairing *p = &d->pairing;
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    bool last = in->cmd->p1 == LAST_PIECE, second = d->state == DK_SECURE2;
    if (second && (p->attested || p->object_sent < p->object_len))
        return APDU_SW_CONDITIONS;
    if (channel_unwrap_command(d->crypto, &p->channel, in->cmd, plain, &len))
        return APDU_SW_SECURE_MESSAGING;
    /* table 5-11 or 5-12, a piece */
    enum err e =
        key_data_add(&p->block, second ? KEY_DATA_ATTESTATION : KEY_DATA_CREATION, span_of(plain, len), last);
    OPENSSL_cleanse(plain, sizeof plain);
    if (e)
        return e == ERR_NO_SPACE ? APDU_SW_NO_MEMORY : APDU_SW_WRONG_DATA;
    if (last && second) {
        uint16_t sw = take_attestation(d);
        if (sw)
            return sw;
    }
    if (channel_wrap_response(d->crypto, &p->channel, (struct span){0}, APDU_SW_OK, in->out))
        return APDU_SW_SECURE_MESSAGING;
    if (last && !second)
        d->state = DK_WRITTEN;
    return DK_SW_PUT;
}

/* ---- GET DATA, GET RESPONSE ---- */

static enum err load_object(struct dk_device *d, struct span tag)
{
    assert(d->pairing.key && d->pairing.partner && d->pairing.anchor); /* SECURE2 has them */
    struct dk_pairing *p = &d->pairing;
    const struct digital_key *k = p->key;
    static const uint8_t ready = 0x02;
    struct rd r = rd_of(tag.p, tag.len);
    uint16_t wanted = tag.len == 1 ? rd_u8(&r) : rd_be16(&r); /* 0 when it is neither one byte nor two */
    struct wr w = wr_of(p->object, sizeof p->object);
    if (r.left)
        return ERR_NOT_FOUND;
    switch (wanted) {
    case TAG_DEVICE_OEM:
        wr_copy(&w, p->anchor->device_oem, p->anchor->device_oem_len);
        break;
    case TAG_INSTANCE_CA:
        wr_copy(&w, p->partner->instance_ca, p->partner->instance_ca_len);
        break;
    case TAG_ENDPOINT:
        wr_copy(&w, k->certificate, k->certificate_len);
        break;
    case TAG_NAME:
        tlv_put(&w, TAG_NAME, span_of(d->name, strlen(d->name)));
        break;
    case TAG_MODE: /* as in the answer to SELECT, table 5-3 */
        tlv_put(&w, TAG_MODE, span_of(&ready, 1));
        break;
    default:
        return ERR_NOT_FOUND;
    }
    p->object_tag = wanted;
    p->object_len = w.len;
    p->object_sent = 0;
    return w.failed ? ERR_NO_SPACE : ERR_OK;
}

/* The next piece of the object, each protected by itself. */
static uint16_t send_piece(struct dk_device *d, struct wr *out)
{
    assert(d->pairing.object_sent <= d->pairing.object_len);
    struct dk_pairing *p = &d->pairing;
    size_t left = p->object_len - p->object_sent, n = left < CHANNEL_PLAIN_MAX ? left : CHANNEL_PLAIN_MAX;
    struct span piece = {p->object + p->object_sent, n};
    left -= n;
    uint16_t sw = APDU_SW_OK;
    if (left)
        sw = (uint16_t)(APDU_SW_MORE + (left <= MORE_MAX ? left : 0));
    if (channel_wrap_response(d->crypto, &p->channel, piece, sw, out))
        return APDU_SW_SECURE_MESSAGING;
    p->object_sent += n;
    p->endpoint_read |= left == 0 && p->object_tag == TAG_ENDPOINT;
    return DK_SW_PUT;
}

uint16_t dk_get_data(struct dk_device *d, const struct dk_input *in)
{
    struct dk_pairing *p = &d->pairing;
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    if (p->object_sent < p->object_len)
        return APDU_SW_CONDITIONS;
    if (channel_unwrap_command(d->crypto, &p->channel, in->cmd, plain, &len))
        return APDU_SW_SECURE_MESSAGING;
    return load_object(d, span_of(plain, len)) ? APDU_SW_INVALID : send_piece(d, in->out);
}

uint16_t dk_get_response(struct dk_device *d, const struct dk_input *in)
{
    struct dk_pairing *p = &d->pairing;
    if (p->object_sent >= p->object_len)
        return APDU_SW_CONDITIONS;
    return channel_continue(d->crypto, &p->channel) ? APDU_SW_SECURE_MESSAGING : send_piece(d, in->out);
}

/* ---- OP CONTROL FLOW ---- */

static const struct dk_partner *find_partner(const struct dk_device *d, const struct key_data *k)
{
    struct x509 vehicle;
    if (x509_parse(k->vehicle_certificate, &vehicle))
        return NULL;
    struct span manufacturer = dk_cert_manufacturer(vehicle.subject);
    for (size_t i = 0; i < DK_DEVICE_PARTNERS; i++)
        if (d->partners[i].instance_ca_len && span_is(manufacturer, d->partners[i].manufacturer))
            return &d->partners[i];
    return NULL;
}

/* [K], 7F4C, [J] */
static enum err find_anchor(struct dk_device *d, const struct key_data *k)
{
    struct dk_pairing *p = &d->pairing;
    struct x509 root;
    enum err e = ERR_CERT_ISSUER_UNKNOWN;
    for (size_t i = 0; i < DK_PARTNER_ANCHORS; i++) {
        const struct dk_anchor *a = &p->partner->anchors[i];
        if (a->root_len == 0)
            continue;
        struct dk_cert_vehicle_chain chain = {k->vehicle_certificate, k->intermediate, &root, 1};
        e = x509_parse(span_of(a->root, a->root_len), &root);
        if (!e)
            e = dk_cert_check_vehicle(d->crypto, &chain, &k->creation, d->now_s);
        if (!e) {
            p->anchor = a;
            return ERR_OK;
        }
    }
    return e;
}

/* 10/01: everything about the key data that can be checked before a key is made. */
static enum err check_key_data(struct dk_device *d)
{
    struct dk_pairing *p = &d->pairing;
    struct key_data k;
    enum err e = key_data_parse(span_of(p->block.bytes, p->block.len), &k);
    if (e)
        return e;
    if (k.creation.version != p->applet_version)
        return ERR_DK_APPLET_VERSION;
    /* A key that would never open anything is better not made: the password is gone once it is accepted. */
    if (!(k.creation.options_1 & ENDPOINT_STANDARD_CONTACTLESS))
        return ERR_DK_KEY_DATA;
    if (k.creation.not_after_s && k.creation.not_after_s < d->now_s)
        return ERR_DK_VALIDITY;
    if ((e = p256_check_point(d->crypto, k.creation.authorized_pk)) ||
        (e = p256_check_point(d->crypto, k.creation.vehicle_pk)))
        return e;
    p->partner = find_partner(d, &k);
    if (!p->partner)
        return ERR_CERT_ISSUER_UNKNOWN;
    /* CREATE ENDPOINT, SETUP ENDPOINT: what is answered 9000 must succeed */
    if ((e = applet_check_create(d->applet, &k.creation, p->partner->instance_ca_id)) ||
        (e = applet_check_setup(&k.creation, &k.config.auth1_confidential, &k.config.auth1_private)))
        return e;
    return find_anchor(d, &k);
}

/* 10/02, 11/xx: the vehicle accepted the key; an older one of the same vehicle goes. It must have read [H]
 * for that, for anybody can send these commands. */
static uint16_t accept_key(struct dk_device *d, enum dk_link_id link)
{
    struct dk_storing *s = &d->storing;
    struct digital_key *k = d->pairing.key;
    assert(k && d->state == DK_SECURE2);
    if (!d->pairing.endpoint_read || d->pairing.object_sent != d->pairing.object_len)
        return APDU_SW_CONDITIONS;
    struct dk_change change = {.put = dk_key_bit(d, k), .framework = true};
    for (size_t i = 0; i < APPLET_KEYS; i++) {
        const struct digital_key *other = &d->applet->keys[i];
        if (other != k && other->state != APPLET_KEY_NONE &&
            memcmp(other->creation.vehicle_id, k->creation.vehicle_id, TRANSACTION_VEHICLE_ID) == 0)
            change.erase |= dk_key_bit(d, other);
    }
    dk_store_begin(d, DK_STORING_ACCEPTED, link, change);
    memcpy(s->password, d->password, sizeof s->password);
    s->password_len = d->password_len;
    s->password_since_s = d->password_since_s;
    s->evidence_failures = d->evidence_failures;
    s->derived = d->derived;
    applet_accept_endpoint(k);
    dk_device_owned(d, k)->paired = true;
    OPENSSL_cleanse(d->password, sizeof d->password);
    d->password_len = 0;
    d->password_since_s = 0;
    d->evidence_failures = 0;
    d->derived = false;
    return DK_SW_LATER;
}

static void take_back(struct dk_device *d)
{
    const struct dk_storing *s = &d->storing;
    d->pairing.key->state = APPLET_KEY_CREATED;
    dk_device_owned(d, d->pairing.key)->paired = false;
    memcpy(d->password, s->password, sizeof d->password);
    d->password_len = s->password_len;
    d->password_since_s = s->password_since_s;
    d->evidence_failures = s->evidence_failures;
    d->derived = s->derived;
}

uint16_t dk_accept_stored(struct dk_device *d, bool stored)
{
    const struct dk_change change = d->storing.change;
    assert(d->storing.what == DK_STORING_ACCEPTED && d->pairing.key);
    if (!stored) {
        take_back(d);
        return APDU_SW_CONDITIONS;
    }
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (change.erase & 1u << i)
            dk_drop_key(d, &d->applet->keys[i]);
    dk_wipe_password(d);
    d->changed.put &= (uint16_t)~change.erase;
    d->changed.erase &= (uint16_t)~change.put;
    dk_end_pairing(d, DK_PAIRED);
    return APDU_SW_OK;
}

uint16_t dk_control_flow(struct dk_device *d, const struct dk_input *in)
{
    uint8_t p1 = in->cmd->p1, p2 = in->cmd->p2;
    bool key_data_complete = p1 == APDU_FLOW_CONTINUE && p2 == APDU_CONTINUE_KEY_DATA_COMPLETE;
    bool accepted = p1 == APDU_FLOW_END || (p1 == APDU_FLOW_CONTINUE && p2 == APDU_CONTINUE_KEY_ACCEPTED);
    if (p1 == APDU_FLOW_ABORT) {
        dk_end_pairing(d, d->state == DK_PAIRED ? DK_PAIRED : DK_IDLE);
        return APDU_SW_OK;
    }
    if (key_data_complete) {
        if (d->state != DK_WRITTEN || check_key_data(d))
            return APDU_SW_WRONG_DATA;
        d->state = DK_CREATING;
        return APDU_SW_OK;
    }
    if (!accepted)
        return APDU_SW_OK;
    if (d->state == DK_SECURE2)
        return accept_key(d, in->link);
    return d->state == DK_PAIRED && p1 == APDU_FLOW_END ? APDU_SW_OK : APDU_SW_CONDITIONS;
}
