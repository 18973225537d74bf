/* What the framework does with an owner key that is there: its mailboxes, its statements, its end. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device_internal.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/tlv.h"

#define RECEIPT_MAX 2048 /* sealed receipt with its user interface bundle */

enum { TAG_STATEMENT = 0x7F2B };

/* The owner of the device may call for this key now. */
static bool accepted(const struct dk_device *d, const struct digital_key *k)
{
    return d && !d->storing.what && d->owned[dk_key_index(d, k)].paired && k->state != APPLET_KEY_NONE &&
           k->state != APPLET_KEY_CREATED;
}

/* ---- KeyAtt ---- */

/* An attestation for the KTS, if one lies in KeyAtt: taken and erased. A statement of ours that the vehicle
 * has not taken yet stays. */
static enum err take_attestation(struct dk_device *d, struct digital_key *k, bool clear, uint8_t *bits)
{
    static const uint8_t zeros[MAILBOX_PRIVATE_MAX];
    struct dk_owned *o = dk_device_owned(d, k);
    uint8_t area[MAILBOX_PRIVATE_MAX];
    size_t size = mailbox_attestation_size(&o->map);
    struct tlv t;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, o->map.attestation, area, size);
    if (e)
        return e;
    struct rd r = rd_of(area, size);
    bool readable = tlv_next(&r, &t);
    enum err said = ERR_OK;
    if (readable && t.tag == TAG_STATEMENT)
        return ERR_OK;
    if (!readable || t.tag != KEY_DATA_TAG_ATTESTATION)
        said = ERR_MSG_MALFORMED;
    else if (t.value.len > sizeof o->attestation)
        said = ERR_NO_SPACE;
    if (said && !clear)
        return said;
    if (!said) {
        memcpy(o->attestation, t.value.p, t.value.len);
        o->attestation_len = t.value.len;
    }
    *bits &= (uint8_t)~MAILBOX_ATTESTATION;
    e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, o->map.attestation, span_of(zeros, size));
    return e ? e : said;
}

enum err dk_collect(struct dk_device *d, struct digital_key *k, bool clear)
{
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    uint8_t bits = 0;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, &bits, 1);
    if (e)
        return e;
    enum err said = bits & MAILBOX_ATTESTATION ? take_attestation(d, k, clear, &bits) : ERR_OK;
    if (bits & MAILBOX_SLOTS_WRITTEN) /* else a changed slot bitmap is our own word to the vehicle */
        bits &= (uint8_t) ~(MAILBOX_SLOTS_WRITTEN | MAILBOX_SLOT_BITMAP_CHANGED);
    e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, span_of(&bits, 1));
    return e ? e : said;
}

enum err dk_device_collect(struct dk_device *d, struct digital_key *k)
{
    assert(accepted(d, k));
    if (applet_session_open(d->applet, k)) {
        d->later[dk_key_index(d, k)].collect = true;
        return ERR_BUSY;
    }
    d->changed.put |= dk_key_bit(d, k);
    enum err e = dk_collect(d, k, true);
    dk_write_waiting(d, k);
    return e;
}

enum err dk_write_statement(struct dk_device *d, struct digital_key *k, struct span statement)
{
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    uint8_t bits = 0, area[MAILBOX_PRIVATE_MAX] = {0};
    size_t size = mailbox_attestation_size(m);
    if (statement.len > size)
        return ERR_NO_SPACE;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, &bits, 1);
    if (!e && bits & MAILBOX_ATTESTATION)
        (void)!take_attestation(d, k, true, &bits);
    memcpy(area, statement.p, statement.len);
    /* KeyAtt, then its bit of SigBmp (table 4-1) */
    if (!e)
        e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->attestation, span_of(area, size));
    bits |= MAILBOX_ATTESTATION;
    return e ? e : applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, span_of(&bits, 1));
}

/* A statement of ours that the vehicle has not read yet lies in KeyAtt; it points into the mailbox. */
static bool find_unread(struct dk_device *d, struct digital_key *k, struct span *statement)
{
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    const size_t size = mailbox_attestation_size(m);
    const uint8_t *bits = mailbox_at(&k->mailboxes, MAILBOX_PRIVATE, m->signalling, 1);
    const uint8_t *area = mailbox_at(&k->mailboxes, MAILBOX_PRIVATE, m->attestation, size);
    struct tlv said, signature;
    if (!bits || !area || !(*bits & MAILBOX_ATTESTATION))
        return false;
    struct rd r = rd_of(area, size);
    if (!tlv_next(&r, &said) || said.tag != TAG_STATEMENT || !tlv_next(&r, &signature))
        return false;
    *statement = span_of(area, said.whole.len + signature.whole.len);
    return true;
}

static bool is_resumption(struct span statement)
{
    uint32_t usage;
    size_t len;
    return attestation_peek(statement, &usage, &len) == ERR_OK && usage == ATTESTATION_RESUMED;
}

static void drop_waiting(struct dk_owned *o)
{
    OPENSSL_cleanse(o->waiting, sizeof o->waiting);
    o->waiting_len = 0;
}

static void keep_waiting(struct dk_owned *o, struct span statement)
{
    assert(statement.len <= sizeof o->waiting);
    drop_waiting(o);
    memcpy(o->waiting, statement.p, statement.len);
    o->waiting_len = statement.len;
}

bool dk_waiting_due(struct dk_device *d, struct digital_key *k)
{
    const struct dk_owned *o = &d->owned[dk_key_index(d, k)];
    const uint8_t *bits = mailbox_at(&k->mailboxes, MAILBOX_PRIVATE, o->map.signalling, 1);
    return o->waiting_len != 0 && bits && !(*bits & MAILBOX_ATTESTATION);
}

void dk_write_waiting(struct dk_device *d, struct digital_key *k)
{
    struct dk_owned *o = dk_device_owned(d, k);
    if (dk_waiting_due(d, k) && dk_write_statement(d, k, span_of(o->waiting, o->waiting_len)) == ERR_OK)
        drop_waiting(o);
}

/* Now; or when the last session with the key has ended and a resumption that lies in KeyAtt was read. The
 * newer of two receipts counts. */
static enum err put_receipt(struct dk_device *d, struct digital_key *k, struct span receipt)
{
    struct dk_owned *o = dk_device_owned(d, k);
    struct span unread;
    if (receipt.len > mailbox_attestation_size(&o->map) || receipt.len > sizeof o->waiting)
        return ERR_NO_SPACE;
    if (applet_session_open(d->applet, k) || (find_unread(d, k, &unread) && is_resumption(unread))) {
        keep_waiting(o, receipt);
        return ERR_OK;
    }
    enum err e = dk_write_statement(d, k, receipt);
    if (!e)
        drop_waiting(o);
    return e;
}

/* At once, for a suspended key has no session; a receipt that was not read yet waits until this one was,
 * unless a newer one does. */
static enum err put_resumption(struct dk_device *d, struct digital_key *k, struct span resumption)
{
    struct dk_owned *o = dk_device_owned(d, k);
    struct span unread;
    assert(!applet_session_open(d->applet, k));
    if (resumption.len > mailbox_attestation_size(&o->map))
        return ERR_NO_SPACE;
    if (find_unread(d, k, &unread) && !is_resumption(unread) && o->waiting_len == 0 &&
        unread.len <= sizeof o->waiting)
        keep_waiting(o, unread);
    return dk_write_statement(d, k, resumption);
}

enum err dk_device_receipt(struct dk_device *d, struct digital_key *k, const uint8_t ephemeral[P256_POINT],
                           struct span sealed)
{
    assert(ephemeral && (sealed.p || sealed.len == 0) && accepted(d, k));
    uint8_t plain[RECEIPT_MAX];
    struct span receipt, ui_bundle;
    if (k->state == APPLET_KEY_TERMINATED)
        return ERR_DK_TERMINATED;
    if (sealed.len < ECIES_OVERHEAD || sealed.len > sizeof plain)
        return ERR_NO_SPACE;
    enum err e = ecies_open(d->crypto, d->enc_key, ephemeral, sealed, plain);
    if (!e)
        e = receipt_split(span_of(plain, sealed.len - ECIES_OVERHEAD), &receipt, &ui_bundle);
    if (!e)
        e = put_receipt(d, k, receipt);
    if (!e)
        d->changed.put |= dk_key_bit(d, k);
    OPENSSL_cleanse(plain, sizeof plain);
    return e;
}

/* ---- slots ---- */

enum err dk_device_hand_out_slot(struct dk_device *d, struct digital_key *k, struct slot_id *slot,
                                 unsigned *entry)
{
    assert(slot && entry && accepted(d, k));
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    if (k->state == APPLET_KEY_TERMINATED)
        return ERR_DK_TERMINATED;
    if (k->state == APPLET_KEY_SUSPENDED)
        return ERR_DK_SUSPENDED;
    if (applet_session_open(d->applet, k))
        return ERR_BUSY;
    struct slot_id s = {.len = k->creation.slot.len};
    uint8_t maps[2]; /* signalling, slots: neighbours by definition */
    unsigned i = 1;
    enum err e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, maps, sizeof maps);
    while (!e && i < MAILBOX_SLOTS && !(maps[1] & 1u << i))
        i++;
    if (!e && i == MAILBOX_SLOTS)
        e = ERR_NOT_FOUND;
    if (!e)
        e = applet_get_data(d->applet, k, MAILBOX_PRIVATE, m->slots + (size_t)i * s.len, s.b, s.len);
    if (e)
        return e;
    maps[0] &= (uint8_t)~MAILBOX_SLOTS_WRITTEN; /* we have read what the vehicle wrote */
    maps[0] |= MAILBOX_SLOT_BITMAP_CHANGED;
    maps[1] &= (uint8_t) ~(1u << i);
    e = applet_set_data(d->applet, k, MAILBOX_PRIVATE, m->signalling, span_of(maps, sizeof maps));
    if (e)
        return e;
    *slot = s;
    *entry = i;
    d->changed.put |= dk_key_bit(d, k);
    return ERR_OK;
}

/* ---- termination, suspension, deletion ---- */

static enum err make_termination(struct dk_device *d, struct digital_key *k, struct wr *w)
{
    const struct mailbox_map *m = &dk_device_owned(d, k)->map;
    struct attestation a = {.slot = k->creation.slot};
    size_t len = (size_t)(m->attestation - m->oem);
    const uint8_t *oem = mailbox_at(&k->mailboxes, MAILBOX_PRIVATE, m->oem, len);
    if (!oem || len > ATTESTATION_OEM_MAX)
        return ERR_NO_SPACE;
    memcpy(a.key_id, k->key_id, sizeof a.key_id);
    memcpy(a.vehicle_id, k->creation.vehicle_id, sizeof a.vehicle_id);
    a.oem = span_of(oem, len);
    return attestation_make(d->crypto, &a, ATTESTATION_TERMINATED, k->device_key, w);
}

enum err dk_terminate(struct dk_device *d, struct digital_key *k)
{
    struct dk_owned *o = dk_device_owned(d, k);
    uint8_t statement[ATTESTATION_LONG];
    struct wr w = wr_of(statement, sizeof statement);
    if (k->state == APPLET_KEY_TERMINATED)
        return ERR_DK_TERMINATED;
    enum err e = make_termination(d, k, &w);
    if (e)
        return e;
    applet_terminate_endpoint(d->applet, k);
    memcpy(o->termination, statement, w.len);
    o->termination_len = w.len;
    drop_waiting(o);
    e = dk_write_statement(d, k, span_of(statement, w.len));
    return e == ERR_NO_SPACE ? ERR_OK : e; /* then only the servers get it */
}

enum err dk_device_terminate(struct dk_device *d, struct digital_key *k)
{
    assert(accepted(d, k));
    enum err e = dk_terminate(d, k);
    if (k->state == APPLET_KEY_TERMINATED)
        d->changed.put |= dk_key_bit(d, k);
    return e;
}

bool dk_termination_known(struct dk_device *d, struct digital_key *k)
{
    const struct dk_owned *o = dk_device_owned(d, k);
    uint8_t bits;
    if (k->state == APPLET_KEY_TERMINATED && d->later[dk_key_index(d, k)].noted)
        return true;
    bool told = k->state == APPLET_KEY_TERMINATED && o->termination_len && o->waiting_len == 0 &&
                o->termination_len <= mailbox_attestation_size(&o->map);
    return told && applet_get_data(d->applet, k, MAILBOX_PRIVATE, o->map.signalling, &bits, 1) == ERR_OK &&
           !(bits & MAILBOX_ATTESTATION);
}

enum err dk_device_suspend(struct dk_device *d, struct digital_key *k)
{
    assert(accepted(d, k));
    if (k->state != APPLET_KEY_ACTIVE)
        return k->state == APPLET_KEY_TERMINATED ? ERR_DK_TERMINATED : ERR_DK_SUSPENDED;
    applet_suspend_endpoint(d->applet, k);
    d->changed.put |= dk_key_bit(d, k);
    return ERR_OK;
}

enum err dk_device_resume(struct dk_device *d, struct digital_key *k, struct span statement)
{
    assert(accepted(d, k) && (statement.p || statement.len == 0));
    uint32_t usage;
    size_t len;
    if (k->state != APPLET_KEY_SUSPENDED)
        return ERR_BAD_ARGUMENT;
    if (statement.len && (attestation_peek(statement, &usage, &len) || len != statement.len))
        return ERR_MSG_MALFORMED;
    enum err e = statement.len ? put_resumption(d, k, statement) : ERR_OK;
    if (e)
        return e;
    applet_resume_endpoint(k);
    d->changed.put |= dk_key_bit(d, k);
    return ERR_OK;
}

void dk_device_delete(struct dk_device *d, struct digital_key *k)
{
    assert(accepted(d, k));
    const uint16_t bit = dk_key_bit(d, k);
    dk_drop_key(d, k);
    d->changed.put &= (uint16_t)~bit;
    d->changed.erase |= bit;
}
