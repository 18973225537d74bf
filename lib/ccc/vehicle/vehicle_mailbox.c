/* The mailboxes as the vehicle reads and fills them: bitmaps, slot list, tokens, KeyAtt. */
#include <assert.h>
#include <string.h>

#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"
#include "lib/ccc/vehicle/vehicle_finish_parts.h"

#define SET_MAX   255 /* bytes that one "set" reaches */
#define ALL_SLOTS 0xFF
_Static_assert(2 + MAILBOX_SLOTS * ENDPOINT_SLOT_MAX <= CHANNEL_PLAIN_MAX,
               "one EXCHANGE reads bitmaps and slots");

static const struct mailbox_map *map_of(const struct vehicle_finish *f)
{
    return &vehicle_finish_key(f)->map;
}

static size_t slot_list_size(const struct mailbox_map *m)
{
    return (size_t)(m->oem - m->slots);
}

/* ---- reading ---- */

void vehicle_mailbox_put_read_bits(const struct vehicle_finish *f, struct wr *w)
{
    const struct mailbox_map *m = map_of(f);
    exchange_begin(w, EXCHANGE_MORE);
    /* table 4-2: SigBmp, SlotIdentBmp, SlotIdentLst */
    exchange_put_read(w, MAILBOX_PRIVATE, m->signalling, 1);
    exchange_put_read(w, MAILBOX_PRIVATE, m->slot_bitmap, 1);
    exchange_put_read(w, MAILBOX_PRIVATE, m->slots, (uint8_t)slot_list_size(m));
}

static bool lies_there(const struct slot_id *s, const uint8_t *list, size_t i)
{
    return memcmp(s->b, list + i * s->len, s->len) == 0;
}

/* An identifier that was given out and never arrived is offered again; whatever the owner offers now. */
static void choose_slots(struct vehicle_finish *f, const uint8_t *list)
{
    const struct vehicle_key *k = vehicle_finish_key(f);
    for (size_t i = 0; i < MAILBOX_SLOTS; i++) {
        bool given = k->offered & 1u << i;
        bool arrived = given && f->phase != VEHICLE_PHASE_3 && lies_there(&k->offers[i], list, i);
        f->slots[i] = given && !arrived ? k->offers[i] : f->config->offer.slots[i];
    }
}

/* Entries that the device lacks. One that went in before and is free again was handed out: the same
 * identifier must not reach a second friend. */
static uint8_t lacking(struct vehicle_finish *f, uint8_t entries, const uint8_t *list)
{
    entries &= (uint8_t)~f->slot_bits;
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        if (entries & 1u << i && lies_there(&f->slots[i], list, i))
            f->spent |= (uint8_t)(1u << i);
    return entries & (uint8_t)~f->spent;
}

enum err vehicle_mailbox_take_bits(struct vehicle_finish *f)
{
    const struct vehicle_transaction *t = &f->transaction;
    if (t->len != 2 + slot_list_size(map_of(f)))
        return ERR_DK_ANSWER;
    f->bits = t->data[0];
    f->slot_bits = t->data[1];
    f->entries = f->config->offer.entries & vehicle_phase_rules[f->phase].fills;
    choose_slots(f, t->data + 2);
    if (f->phase != VEHICLE_PHASE_3) /* which writes its entry again when it is tried again */
        f->entries = lacking(f, f->entries, t->data + 2);
    return ERR_OK;
}

/* ---- writing: items 0 the attestation area, 1..8 slots, 9..16 tokens ---- */

enum { ITEM_AREA, ITEM_SLOT, ITEM_TOKEN = ITEM_SLOT + MAILBOX_SLOTS, ITEM_END = ITEM_TOKEN + MAILBOX_SLOTS };

/* KeyAtt: the attestation in phase 3, nothing any more once a statement is taken. */
static void put_area(const struct vehicle_finish *f, struct wr *w)
{
    const struct mailbox_map *m = map_of(f);
    struct span a = f->config->attestation;
    uint8_t buf[ATTESTATION_MAX + 4];
    struct wr t = wr_of(buf, sizeof buf);
    if (f->phase == VEHICLE_PHASE_3 && a.len) {
        /* 5F5A */
        tlv_put(&t, KEY_DATA_TAG_ATTESTATION, a);
        exchange_put_write(w, MAILBOX_PRIVATE, m->attestation, span_of(buf, t.len));
        w->failed |= t.failed;
    }
    for (size_t at = m->attestation; f->clear_area && at < m->end; at += SET_MAX)
        exchange_put_set(w, MAILBOX_PRIVATE, (uint16_t)at,
                         (uint8_t)(m->end - at < SET_MAX ? m->end - at : SET_MAX), 0);
}

static void put_item(const struct vehicle_finish *f, size_t item, struct wr *w)
{
    const struct mailbox_map *m = map_of(f);
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
        exchange_put_write(w, MAILBOX_PRIVATE, (uint16_t)(m->slots + i * f->slots[i].len),
                           slot_id_span(&f->slots[i]));
}

/* Table 4-1. After phase 3 the slots for friends are missing; who writes them says so and takes back that
 * they are. */
static uint8_t new_bits(const struct vehicle_finish *f)
{
    uint8_t bits = f->bits;
    if (f->phase == VEHICLE_PHASE_3) {
        if ((f->slot_bits | f->entries) != ALL_SLOTS)
            bits |= MAILBOX_SLOT_BITMAP_CHANGED;
        if (f->config->attestation.len)
            bits |= MAILBOX_ATTESTATION;
    } else if (f->entries) {
        bits |= MAILBOX_SLOTS_WRITTEN;
        bits &= (uint8_t)~MAILBOX_SLOT_BITMAP_CHANGED;
    }
    if (f->clear_area)
        bits &= (uint8_t)~MAILBOX_ATTESTATION;
    return bits;
}

/* Bitmaps, behind the data that they announce and in the command that commits. SlotIdentBmp only when it
 * changes: with a terminated key no more than SigBmp and KeyAtt may be written. */
static void put_bitmaps(const struct vehicle_finish *f, struct wr *w)
{
    uint8_t bits = new_bits(f), slots = f->slot_bits | f->entries;
    if (f->entries)
        exchange_put_write(w, MAILBOX_PRIVATE, map_of(f)->slot_bitmap, span_of(&slots, 1));
    exchange_put_write(w, MAILBOX_PRIVATE, map_of(f)->signalling, span_of(&bits, 1));
}

bool vehicle_mailbox_put_writes(struct vehicle_finish *f, struct wr *w)
{
    assert(f->item <= ITEM_END && w->len == 0);
    exchange_begin(w, EXCHANGE_MORE);
    while (f->item <= ITEM_END) {
        struct wr before = *w;
        if (f->item < ITEM_END)
            put_item(f, f->item, w);
        else
            put_bitmaps(f, w);
        if (w->failed && before.len > 1) {
            *w = before; /* the next command takes it */
            return false;
        }
        f->item++;
    }
    w->buf[0] = EXCHANGE_COMMIT;
    return true;
}
