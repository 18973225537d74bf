/* Records of a vehicle that are whole, with contents that saving never writes: none is loaded. */
#include <stdalign.h>

#include "lib/ccc/records/body.h"
#include "proto/vehicle_records.pb-c.h"
#include "tests/check.h"
#include "tests/support.h"
#include "tests/vehicle_samples.h"

/* Everything that a row makes of a message lives here. */
static struct scratch {
    alignas(16) uint8_t memory[8192];
    uint8_t bytes[200];
    ProtobufCBinaryData offers[MAILBOX_SLOTS + 1];
    uint8_t record[8 * VEHICLE_RECORD_MAX];
} scratch;

static struct vehicle_sample sample;

/* The same bytes, cut or with zeros behind. */
static void resize(ProtobufCBinaryData *b, size_t len)
{
    memset(scratch.bytes, 0, sizeof scratch.bytes);
    if (b->len)
        memcpy(scratch.bytes, b->data, b->len < len ? b->len : len);
    *b = (ProtobufCBinaryData){len, scratch.bytes};
}

/* No neighbour of a point on the curve is one. */
static void leave_curve(ProtobufCBinaryData *b)
{
    b->data[b->len - 1] ^= 1;
}

/* On the curve, but nobody's here. */
static void replace_point(ProtobufCBinaryData *b)
{
    uint8_t p[P256_POINT];
    struct p256_key *other;
    ASSERT_OK(p256_generate(test_crypto(), &other));
    p256_public(other, p);
    p256_free(other);
    memcpy(b->data, p, sizeof p);
}

/* So many entries, the last like the first. */
static void stretch_offers(Dk__V1__VehicleKeyRecord *m, size_t n)
{
    memset(scratch.offers, 0, sizeof scratch.offers);
    memcpy(scratch.offers, m->offers, m->n_offers * sizeof *m->offers);
    scratch.offers[n - 1] = m->offers[0];
    m->offers = scratch.offers;
    m->n_offers = n;
}

static void end_with_an_empty_offer(Dk__V1__VehicleKeyRecord *m)
{
    stretch_offers(m, m->n_offers + 1);
    m->offers[m->n_offers - 1].len = 0;
}

#define ROWS(X)                                                                               \
    X(role_unspecified, m->role = 0)                                                          \
    X(role_unknown, m->role = 2)                                                              \
    X(role_negative, m->role = -1)                                                            \
    X(state_unspecified, m->state = 0)                                                        \
    X(state_unknown, m->state = 5)                                                            \
    X(state_negative, m->state = -1)                                                          \
    X(pending_but_once_suspended, m->state = 1)                                               \
    X(terminated_with_kpersistent, m->state = 4)                                              \
    X(device_pk_missing, resize(&m->device_pk, 0))                                            \
    X(device_pk_short, resize(&m->device_pk, 64))                                             \
    X(device_pk_long, resize(&m->device_pk, 66))                                              \
    X(device_pk_off_curve, leave_curve(&m->device_pk))                                        \
    X(device_pk_compressed, m->device_pk.data[0] = 2)                                         \
    X(device_pk_of_another, replace_point(&m->device_pk))                                     \
    X(slot_empty, resize(&m->slot, 0))                                                        \
    X(slot_not_the_maps, resize(&m->slot, 7))                                                 \
    X(slot_longer_than_the_maps, resize(&m->slot, 9))                                         \
    X(slot_long, resize(&m->slot, 17))                                                        \
    X(options_1_wide, m->options_1 |= 0x100)                                                  \
    X(options_2_wide, m->options_2 |= 0x100)                                                  \
    X(options_2_reserved, m->options_2 |= 0x10)                                               \
    X(dates_reversed, m->not_before_s = 2; m->not_after_s = 1)                                \
    X(dates_equal, m->not_after_s = m->not_before_s)                                          \
    X(no_map, m->map = NULL)                                                                  \
    X(map_signalling, m->map->signalling = 1)                                                 \
    X(map_slot_bitmap, m->map->slot_bitmap = 2)                                               \
    X(map_slots, m->map->slots = 3)                                                           \
    X(map_oem, m->map->oem++)                                                                 \
    X(map_attestation, m->map->attestation = m->map->end + 1)                                 \
    X(map_end_below, m->map->end = m->map->attestation - 1)                                   \
    X(map_end_beyond, m->map->end = MAILBOX_PRIVATE_MAX + 1)                                  \
    X(map_end_wide, m->map->end |= 0x10000)                                                   \
    X(map_token_len_beyond, m->map->token_len = MAILBOX_CONFIDENTIAL_MAX / MAILBOX_SLOTS + 1) \
    X(map_token_len_wide, m->map->token_len |= 0x100)                                         \
    X(tokens_of_no_length, m->map->token_len = 0)                                             \
    X(offers_many, stretch_offers(m, MAILBOX_SLOTS + 1))                                      \
    X(offer_empty_at_the_end, end_with_an_empty_offer(m))                                     \
    X(offer_short, resize(&m->offers[2], 7))                                                  \
    X(offer_long, resize(&m->offers[0], 9))                                                   \
    X(offer_too_long, resize(&m->offers[2], 17))                                              \
    X(kpersistent_short, resize(&m->kpersistent, 31))                                         \
    X(kpersistent_long, resize(&m->kpersistent, 33))                                          \
    X(long_term_shared_secret_missing, resize(&m->long_term_shared_secret, 0))                \
    X(long_term_shared_secret_short, resize(&m->long_term_shared_secret, 15))                 \
    X(kble_intro_short, resize(&m->kble_intro, 15))                                           \
    X(kble_oob_master_long, resize(&m->kble_oob_master, 17))

#define FUNCTION(name, change)                          \
    static void row_##name(Dk__V1__VehicleKeyRecord *m) \
    {                                                   \
        change;                                         \
    }
ROWS(FUNCTION)

static const struct {
    const char *name;
    void (*change)(Dk__V1__VehicleKeyRecord *m);
} rows[] = {
#define X(name, change) {#name, row_##name},
    ROWS(X)
#undef X
};

/* A fresh message of what was saved. */
static Dk__V1__VehicleKeyRecord *unpack(void)
{
    static struct body_arena arena;
    body_arena_open(&arena, scratch.memory, sizeof scratch.memory);
    void *m = body_unpack(&arena, &dk__v1__vehicle_key_record__descriptor,
                          span_of(sample.record + ENVELOPE_HEADER, sample.len - ENVELOPE_HEADER));
    cr_assert(m != NULL);
    return m;
}

/* A good envelope around so many bytes at scratch.record + ENVELOPE_HEADER. */
static enum err load_body(size_t len)
{
    const struct envelope e = vehicle_sample_envelope(&sample);
    envelope_close(test_crypto(), &e, scratch.record, len);
    return vehicle_sample_load(test_crypto(), &sample, span_of(scratch.record, ENVELOPE_HEADER + len));
}

static enum err load_message(const Dk__V1__VehicleKeyRecord *m)
{
    return load_body(protobuf_c_message_pack(&m->base, scratch.record + ENVELOPE_HEADER));
}

Test(vehicle_record, contents)
{
    vehicle_sample_make(test_crypto(), &sample);
    EXPECT_OK(load_message(unpack()), "unchanged");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Dk__V1__VehicleKeyRecord *m = unpack();
        rows[i].change(m);
        cr_expect(eq(int, load_message(m), ERR_RECORD_TORN), "%s", rows[i].name);
    }
}

/* Changes that a vehicle may well have saved. */
Test(vehicle_record, contents_at_their_bounds)
{
    Dk__V1__VehicleKeyRecord *m;
    vehicle_sample_make(test_crypto(), &sample);
    m = unpack();
    m->map->end = MAILBOX_PRIVATE_MAX;
    m->map->token_len = MAILBOX_CONFIDENTIAL_MAX / MAILBOX_SLOTS;
    EXPECT_OK(load_message(m), "the largest mailboxes");
    m = unpack();
    stretch_offers(m, MAILBOX_SLOTS);
    EXPECT_OK(load_message(m), "the last entry given out");
    m = unpack();
    m->n_offers = 0;
    EXPECT_OK(load_message(m), "none given out");
    m = unpack();
    m->state = 1;
    m->suspended_s = 0;
    EXPECT_OK(load_message(m), "pending");
    m = unpack();
    m->kpersistent.len = 0;
    m->state = 4;
    EXPECT_OK(load_message(m), "terminated");
}

/* Protobuf has many encodings for one content; a record has one. */
Test(vehicle_record, other_encodings_of_the_same)
{
    static const struct {
        const char *what;
        size_t len;
        const char *behind;
    } encodings[] = {
        {"a field of a later form", 3, "\xF0\x03\x01"},
        {"a number once more", 2, "\x08\x01"},
        {"a number in more bytes than it needs", 3, "\x08\x81\x00"},
        {"yes, but not 1", 2, "\x68\x02"},
        {"a message once more, empty", 2, "\x52\x00"},
        {"an empty entry behind the last", 2, "\x62\x00"},
        {"the beginning of a field", 1, "\x52"},
        {"more than is there", 2, "\x52\x05"},
        {"a tag without a number", 2, "\x00\x01"},
    };
    vehicle_sample_make(test_crypto(), &sample);
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        memcpy(scratch.record, sample.record, sample.len);
        memcpy(scratch.record + sample.len, encodings[i].behind, encodings[i].len);
        cr_expect(eq(int, load_body(sample.len - ENVELOPE_HEADER + encodings[i].len), ERR_RECORD_TORN), "%s",
                  encodings[i].what);
    }
    EXPECT_ERR(load_body(0), ERR_RECORD_TORN);
}

/* More than the arena holds: hundreds of entries. */
Test(vehicle_record, a_body_that_wants_all_memory)
{
    size_t len = sizeof scratch.record - ENVELOPE_HEADER;
    vehicle_sample_make(test_crypto(), &sample);
    for (size_t i = 0; i + 1 < len; i += 2)
        memcpy(scratch.record + ENVELOPE_HEADER + i, "\x62\x00", 2);
    EXPECT_ERR(load_body(len), ERR_RECORD_TORN);
}
