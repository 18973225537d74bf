#include "lib/ccc/vehicle/vehicle_finish.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/exchange.h"
#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"

enum { CONTROL_OK = 0x01 };
#define SET_MAX 255 /* bytes that one "set" reaches */
_Static_assert(ATTESTATION_RECEIPT_SIZE(ENDPOINT_SLOT_MAX) <= CHANNEL_PLAIN_MAX,
               "one EXCHANGE reads a receipt");
_Static_assert(2 + MAILBOX_SLOTS * ENDPOINT_SLOT_MAX <= CHANNEL_PLAIN_MAX,
               "one EXCHANGE reads bitmaps and slots");

void vehicle_finish_wipe(struct vehicle_finish *f)
{
    assert(f);
    vehicle_transaction_wipe(&f->transaction);
    OPENSSL_cleanse(f, sizeof *f);
}

/* AUTH0 P2, and P2 of CONTROL FLOW at the end. */
static const uint8_t purposes[] = {[VEHICLE_PHASE_3] = TRANSACTION_PAIRING_PHASE_3,
                                   [VEHICLE_PHASE_4] = TRANSACTION_PAIRING_PHASE_4,
                                   [VEHICLE_REFILL] = TRANSACTION_UNLOCK};

struct vehicle_step vehicle_finish_begin(struct vehicle_finish *f, const struct vehicle_finish_config *c,
                                         enum vehicle_phase phase)
{
    assert(f && c && phase <= VEHICLE_REFILL && (c->kts_pk || phase != VEHICLE_PHASE_4));
    memset(f, 0, sizeof *f);
    f->config = c;
    f->phase = phase;
    return vehicle_transaction_begin(&f->transaction, &c->transaction, TRANSACTION_EXCHANGE_FOLLOWS,
                                     purposes[phase]);
}

struct vehicle_step vehicle_finish_link_lost(struct vehicle_finish *f)
{
    assert(f && f->config);
    f->state = VF_OVER;
    return vehicle_transaction_link_lost(&f->transaction);
}

static struct vehicle_step send(struct vehicle_finish *f, enum vehicle_finish_state state, const struct wr *w)
{
    f->state = state;
    return w->failed ? vehicle_transaction_fail(&f->transaction, ERR_NO_SPACE)
                     : vehicle_transaction_exchange(&f->transaction, span_of(w->buf, w->len));
}

static struct vehicle_step end(struct vehicle_finish *f)
{
    f->state = VF_ENDING;
    return vehicle_transaction_end(&f->transaction, CONTROL_OK, purposes[f->phase]);
}

static struct vehicle_step fail(struct vehicle_finish *f, enum err reason)
{
    f->state = VF_ENDING;
    return vehicle_transaction_fail(&f->transaction, reason);
}

/* ---- reading ---- */

static size_t slot_list_size(const struct mailbox_map *m)
{
    return (size_t)(m->oem - m->slots);
}

static struct vehicle_step read_bits(struct vehicle_finish *f)
{
    const struct mailbox_map *m = &f->config->map;
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_MORE);
    /* table 4-2: SigBmp, SlotIdentBmp, SlotIdentLst */
    exchange_put_read(&w, MAILBOX_PRIVATE, m->signalling, 1);
    exchange_put_read(&w, MAILBOX_PRIVATE, m->slot_bitmap, 1);
    exchange_put_read(&w, MAILBOX_PRIVATE, m->slots, (uint8_t)slot_list_size(m));
    return send(f, VF_READING_BITS, &w);
}

static struct vehicle_step read_receipt(struct vehicle_finish *f)
{
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_MORE);
    /* KeyAtt */
    exchange_put_read(&w, MAILBOX_PRIVATE, f->config->map.attestation,
                      (uint8_t)ATTESTATION_RECEIPT_SIZE(f->config->of.slot.len));
    return send(f, VF_READING_RECEIPT, &w);
}

/* ---- writing: items 0 the attestation area, 1..8 slots, 9..16 tokens ---- */

enum { ITEM_AREA, ITEM_SLOT, ITEM_TOKEN = ITEM_SLOT + MAILBOX_SLOTS, ITEM_END = ITEM_TOKEN + MAILBOX_SLOTS };

/* KeyAtt: the attestation in phase 3, nothing any more once a receipt is taken. */
static void put_area(const struct vehicle_finish *f, struct wr *w)
{
    const struct mailbox_map *m = &f->config->map;
    struct span a = f->config->attestation;
    uint8_t buf[ATTESTATION_MAX + 4];
    struct wr t = wr_of(buf, sizeof buf);
    if (f->phase == VEHICLE_PHASE_3 && a.len) {
        /* 5F5A */
        tlv_put(&t, KEY_DATA_TAG_ATTESTATION, a);
        exchange_put_write(w, MAILBOX_PRIVATE, m->attestation, span_of(buf, t.len));
        w->failed |= t.failed || t.len > mailbox_attestation_size(m);
    }
    for (size_t at = m->attestation; f->receipt_taken && at < m->end; at += SET_MAX)
        exchange_put_set(w, MAILBOX_PRIVATE, (uint16_t)at,
                         (uint8_t)(m->end - at < SET_MAX ? m->end - at : SET_MAX), 0);
}

static void put_item(const struct vehicle_finish *f, size_t item, struct wr *w)
{
    const struct mailbox_map *m = &f->config->map;
    const struct vehicle_offer *o = &f->config->offer;
    if (item == ITEM_AREA) {
        put_area(f, w);
        return;
    }
    bool token = item >= ITEM_TOKEN;
    size_t i = item - (token ? ITEM_TOKEN : ITEM_SLOT);
    if (!(f->entries & 1u << i))
        return;
    /* table 4-3, or SlotIdentLst */
    if (token && o->tokens)
        exchange_put_write(w, MAILBOX_CONFIDENTIAL, (uint16_t)(i * m->token_len),
                           span_of(o->tokens + i * m->token_len, m->token_len));
    else if (!token)
        exchange_put_write(w, MAILBOX_PRIVATE, (uint16_t)(m->slots + i * o->slots[i].len),
                           slot_id_span(&o->slots[i]));
}

/* Both bitmaps, behind the data that they announce and in the command that commits. */
static void put_bitmaps(const struct vehicle_finish *f, struct wr *w)
{
    const struct mailbox_map *m = &f->config->map;
    uint8_t bits = f->bits, slots = f->slot_bits | f->entries;
    /* table 4-1 */
    if (f->entries)
        bits |= MAILBOX_SLOT_BITMAP_CHANGED | MAILBOX_SLOTS_WRITTEN;
    if (f->phase == VEHICLE_PHASE_3 && f->config->attestation.len)
        bits |= MAILBOX_ATTESTATION;
    if (f->receipt_taken)
        bits &= (uint8_t)~MAILBOX_ATTESTATION;
    exchange_put_write(w, MAILBOX_PRIVATE, m->slot_bitmap, span_of(&slots, 1));
    exchange_put_write(w, MAILBOX_PRIVATE, m->signalling, span_of(&bits, 1));
}

/* As many items as fit into one EXCHANGE; the bitmaps go with the last. */
static struct vehicle_step write_items(struct vehicle_finish *f)
{
    assert(f->item <= ITEM_END);
    uint8_t buf[CHANNEL_PLAIN_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_MORE);
    while (f->item <= ITEM_END) {
        struct wr before = w;
        if (f->item < ITEM_END)
            put_item(f, f->item, &w);
        else
            put_bitmaps(f, &w);
        if (w.failed && before.len > 1) {
            w = before; /* the next command takes it */
            break;
        }
        f->item++;
    }
    if (f->item > ITEM_END)
        buf[0] = EXCHANGE_COMMIT;
    struct vehicle_step step = send(f, VF_WRITING, &w);
    OPENSSL_cleanse(buf, sizeof buf); /* tokens */
    return step;
}

/* ---- what comes back ---- */

/* Entries of the offer that the device lacks. One that went in before and is free again was handed out: the
 * same identifier must not reach a second friend. */
static uint8_t lacking(struct vehicle_finish *f, const uint8_t *list)
{
    const struct vehicle_offer *o = &f->config->offer;
    uint8_t entries = o->entries & (uint8_t)~f->slot_bits;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++) {
        struct span offered = slot_id_span(&o->slots[i]);
        if (entries & 1u << i && span_equal(offered, span_of(list + i * offered.len, offered.len)))
            f->spent |= (uint8_t)(1u << i);
    }
    return entries & (uint8_t)~f->spent;
}

static struct vehicle_step on_bits(struct vehicle_finish *f)
{
    if (f->transaction.len != 2 + slot_list_size(&f->config->map))
        return fail(f, ERR_DK_ANSWER);
    f->bits = f->transaction.data[0];
    f->slot_bits = f->transaction.data[1];
    f->entries = f->config->offer.entries;
    if (f->phase == VEHICLE_PHASE_3)
        return write_items(f);
    f->entries = lacking(f, f->transaction.data + 2);
    if (f->phase == VEHICLE_PHASE_4 && f->bits & MAILBOX_ATTESTATION)
        return read_receipt(f);
    return f->entries && (f->phase == VEHICLE_REFILL || f->config->receipt_stored) ? write_items(f) : end(f);
}

static struct vehicle_step on_receipt(struct vehicle_finish *f)
{
    const struct vehicle_finish_config *c = f->config;
    enum err e = attestation_check_receipt(
        c->transaction.crypto, span_of(f->transaction.data, f->transaction.len), c->kts_pk, &c->of);
    if (e)
        return fail(f, e);
    f->receipt_taken = true;
    f->state = VF_STORING;
    return (struct vehicle_step){.what = VEHICLE_STORE_RECEIPT};
}

static struct vehicle_step on_data(struct vehicle_finish *f)
{
    switch (f->state) {
    case VF_READING_BITS:
        return on_bits(f);
    case VF_READING_RECEIPT:
        return on_receipt(f);
    case VF_WRITING:
        return f->item > ITEM_END ? end(f) : write_items(f);
    default:
        return fail(f, ERR_MSG_UNEXPECTED);
    }
}

struct vehicle_step vehicle_finish_proceed(struct vehicle_finish *f)
{
    assert(f && f->config);
    return f->state == VF_STORING ? write_items(f) : fail(f, ERR_MSG_UNEXPECTED);
}

struct vehicle_step vehicle_finish_input(struct vehicle_finish *f, struct span response)
{
    assert(f && f->config);
    struct vehicle_step step = vehicle_transaction_input(&f->transaction, response);
    if (step.what == VEHICLE_OPEN)
        return read_bits(f);
    if (step.what == VEHICLE_DATA)
        return on_data(f);
    if (step.what == VEHICLE_DONE || step.what == VEHICLE_FAILED)
        f->state = VF_OVER;
    bool tracked = f->phase != VEHICLE_PHASE_4 || f->receipt_taken || f->config->receipt_stored;
    if (step.what == VEHICLE_DONE && !tracked)
        return (struct vehicle_step){.what = VEHICLE_POLL, .reason = ERR_DK_NO_RECEIPT};
    return step;
}
