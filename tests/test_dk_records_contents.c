/* Records that are whole, with contents that saving never writes: none is loaded, not even in part. */
#include <stdalign.h>

#include "lib/ccc/records/body.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/support.h"

/* Everything that a row makes of a message lives here. */
static struct scratch {
    alignas(16) uint8_t memory[1 << 16];
    uint8_t bytes[4096];
    char text[200];
    uint32_t numbers[OP_VERSIONS + 1];
    uint8_t record[2 * DK_RECORD_FRAMEWORK_MAX];
} scratch;

/* The same bytes, cut or with zeros behind. */
static void resize(ProtobufCBinaryData *b, size_t len)
{
    memset(scratch.bytes, 0, sizeof scratch.bytes);
    if (b->len)
        memcpy(scratch.bytes, b->data, b->len < len ? b->len : len);
    *b = (ProtobufCBinaryData){len, scratch.bytes};
}

static void fill(ProtobufCBinaryData *b, uint8_t byte)
{
    memset(b->data, byte, b->len);
}

/* No neighbour of a point on the curve is one. */
static void leave_curve(ProtobufCBinaryData *b)
{
    b->data[b->len - 1] ^= 1;
}

static char *text_of(size_t len)
{
    memset(scratch.text, 'x', len);
    scratch.text[len] = '\0';
    return scratch.text;
}

static uint32_t *numbers(uint32_t last)
{
    memset(scratch.numbers, 0, sizeof scratch.numbers);
    scratch.numbers[0] = last;
    return scratch.numbers;
}

static const struct rig *now; /* whose record it is */

static ProtobufCBinaryData der(const struct rig_authority *a)
{
    return body_bytes(a->der, a->len);
}

#define KEY_ROWS(X)                                                                                   \
    X(state_unspecified, m->state = 0)                                                                \
    X(state_unknown, m->state = 4)                                                                    \
    X(state_negative, m->state = -1)                                                                  \
    X(terminated_with_kpersistent, m->state = 2)                                                      \
    X(no_creation, m->creation = NULL)                                                                \
    X(vehicle_id_short, resize(&m->creation->vehicle_id, 7))                                          \
    X(vehicle_id_long, resize(&m->creation->vehicle_id, 9))                                           \
    X(options_1_wide, m->creation->options_1 |= 0x100)                                                \
    X(options_2_wide, m->creation->options_2 |= 0x100)                                                \
    X(options_2_reserved, m->creation->options_2 |= 0x10)                                             \
    X(version_wide, m->creation->version |= 0x10000)                                                  \
    X(vehicle_pk_short, resize(&m->creation->vehicle_pk, 64))                                         \
    X(vehicle_pk_off_curve, leave_curve(&m->creation->vehicle_pk))                                    \
    X(vehicle_pk_of_another, memcpy(m->creation->vehicle_pk.data, m->device_key->public_.data, 65))   \
    X(authorized_pk_short, resize(&m->creation->authorized_pk, 64))                                   \
    X(authorized_pk_off_curve, leave_curve(&m->creation->authorized_pk))                              \
    X(dates_reversed, m->creation->not_before_s = 2; m->creation->not_after_s = 1)                    \
    X(slot_empty, resize(&m->creation->slot, 0))                                                      \
    X(slot_short, resize(&m->creation->slot, 1))                                                      \
    X(slot_not_the_maps, resize(&m->creation->slot, 7))                                               \
    X(slot_long, resize(&m->creation->slot, 17))                                                      \
    X(endpoint_id_long, m->endpoint_id = text_of(X509_CN_MAX + 1))                                    \
    X(endpoint_id_of_another, m->endpoint_id[0] ^= 1)                                                 \
    X(endpoint_id_empty, m->endpoint_id = text_of(0))                                                 \
    X(instance_ca_id_long, m->instance_ca_id = text_of(X509_CN_MAX + 1))                              \
    X(instance_ca_id_of_another, m->instance_ca_id[0] ^= 1)                                           \
    X(no_device_key, m->device_key = NULL)                                                            \
    X(device_key_empty, resize(&m->device_key->public_, 0); resize(&m->device_key->private_, 0))      \
    X(device_sk_missing, resize(&m->device_key->private_, 0))                                         \
    X(device_sk_short, resize(&m->device_key->private_, 31))                                          \
    X(device_sk_long, resize(&m->device_key->private_, 33))                                           \
    X(device_sk_zero, fill(&m->device_key->private_, 0))                                              \
    X(device_sk_above_the_order, fill(&m->device_key->private_, 0xFF))                                \
    X(device_pk_missing, resize(&m->device_key->public_, 0))                                          \
    X(device_pk_off_curve, leave_curve(&m->device_key->public_))                                      \
    X(device_pk_of_another, memcpy(m->device_key->public_.data, m->creation->vehicle_pk.data, 65))    \
    X(no_encryption_key, m->encryption_key = NULL)                                                    \
    X(encryption_sk_missing, resize(&m->encryption_key->private_, 0))                                 \
    X(encryption_sk_zero, fill(&m->encryption_key->private_, 0))                                      \
    X(encryption_pk_missing, resize(&m->encryption_key->public_, 0))                                  \
    X(encryption_pk_off_curve, leave_curve(&m->encryption_key->public_))                              \
    X(encryption_pk_compressed, m->encryption_key->public_.data[0] = 2)                               \
    X(certificate_missing, resize(&m->certificate, 0))                                                \
    X(certificate_cut, m->certificate.len--)                                                          \
    X(certificate_long, resize(&m->certificate, X509_MAX + 1))                                        \
    X(certificate_of_another, m->certificate = der(&now->e))                                          \
    X(private_mailbox_missing, resize(&m->private_mailbox, 0))                                        \
    X(private_mailbox_below_its_map, m->private_mailbox.len--)                                        \
    X(private_mailbox_long, resize(&m->private_mailbox, MAILBOX_PRIVATE_MAX + 1))                     \
    X(confidential_mailbox_below_its_map, m->confidential_mailbox.len--)                              \
    X(confidential_mailbox_long, resize(&m->confidential_mailbox, MAILBOX_CONFIDENTIAL_MAX + 1))      \
    X(no_auth1_confidential, m->auth1_confidential = NULL)                                            \
    X(auth1_confidential_outside, m->auth1_confidential->offset = 129)                                \
    X(no_auth1_private, m->auth1_private = NULL)                                                      \
    X(auth1_private_outside, m->auth1_private->offset = MAILBOX_DEFAULT_PRIVATE - 1)                  \
    X(auth1_private_offset_wide, m->auth1_private->offset |= 0x10000)                                 \
    X(auth1_private_len_wide, m->auth1_private->len |= 0x100)                                         \
    X(auth1_more_than_an_answer, m->auth1_private->len = 255)                                         \
    X(kpersistent_short, resize(&m->kpersistent, 31))                                                 \
    X(kpersistent_long, resize(&m->kpersistent, 33))                                                  \
    X(no_map, m->map = NULL)                                                                          \
    X(map_signalling, m->map->signalling = 1)                                                         \
    X(map_slot_bitmap, m->map->slot_bitmap = 2)                                                       \
    X(map_slots, m->map->slots = 3)                                                                   \
    X(map_oem, m->map->oem++)                                                                         \
    X(map_attestation, m->map->attestation = 0x0262 + 1)                                              \
    X(map_end, m->map->end++)                                                                         \
    X(map_end_wide, m->map->end |= 0x10000)                                                           \
    X(map_token_len, m->map->token_len++)                                                             \
    X(map_token_len_wide, m->map->token_len |= 0x100)                                                 \
    X(long_term_shared_secret_short, resize(&m->long_term_shared_secret, 15))                         \
    X(kble_intro_short, resize(&m->kble_intro, 15))                                                   \
    X(kble_oob_master_long, resize(&m->kble_oob_master, 17))                                          \
    X(kble_oob_short, resize(&m->kble_oob, 15))                                                       \
    X(irk_short, resize(&m->irk, 15))                                                                 \
    X(ble_address_short, resize(&m->ble_address, 5))                                                  \
    X(versions_many, m->vehicle_versions = numbers(1); m->n_vehicle_versions = OP_VERSIONS + 1)       \
    X(version_of_the_vehicle_wide, m->vehicle_versions = numbers(0x10000); m->n_vehicle_versions = 1) \
    X(vehicle_certificate_missing, resize(&m->vehicle_certificate, 0))                                \
    X(vehicle_certificate_long, resize(&m->vehicle_certificate, X509_MAX + 1))                        \
    X(vehicle_certificate_of_another, m->vehicle_certificate = der(&now->j1))                         \
    X(attestation_long, resize(&m->attestation, DK_OPAQUE_MAX + 1))                                   \
    X(waiting_long, resize(&m->waiting, ATTESTATION_LONG + 1))                                        \
    X(termination_long, resize(&m->termination, ATTESTATION_LONG + 1))

#define FRAMEWORK_ROWS(X)                                                                            \
    X(oem_long, m->oem = text_of(X509_CN_MAX + 1))                                                   \
    X(name_long, m->name = text_of(DK_DEVICE_NAME_MAX + 1))                                          \
    X(versions_many, m->versions = numbers(1); m->n_versions = OP_VERSIONS + 1)                      \
    X(version_wide, m->versions = numbers(0x10000); m->n_versions = 1)                               \
    X(applet_versions_many, m->applet_versions = numbers(1); m->n_applet_versions = OP_VERSIONS + 1) \
    X(applet_version_wide, m->applet_versions = numbers(0x10000); m->n_applet_versions = 1)          \
    X(no_enc_key, m->enc_key = NULL)                                                                 \
    X(enc_key_empty, resize(&m->enc_key->public_, 0); resize(&m->enc_key->private_, 0))              \
    X(enc_sk_missing, resize(&m->enc_key->private_, 0))                                              \
    X(enc_sk_zero, fill(&m->enc_key->private_, 0))                                                   \
    X(enc_pk_off_curve, leave_curve(&m->enc_key->public_))                                           \
    X(partners_many, repeat_partner(m))                                                              \
    X(partner_without_name, m->partners[0]->manufacturer = text_of(0))                               \
    X(partner_name_long, m->partners[0]->manufacturer = text_of(X509_CN_MAX + 1))                    \
    X(partner_without_root, m->partners[0]->n_anchors = 0)                                           \
    X(partner_empty, empty_partner(m->partners[0]))                                                  \
    X(anchors_many, repeat_anchor(m->partners[0]))                                                   \
    X(anchor_without_root, put_anchor_without_root(m->partners[0]))                                  \
    X(root_empty, resize(&m->partners[0]->anchors[0]->root, 0))                                      \
    X(root_cut, m->partners[0]->anchors[0]->root.len--)                                              \
    X(root_long, resize(&m->partners[0]->anchors[0]->root, X509_MAX + 1))                            \
    X(device_oem_long, resize(&m->partners[0]->anchors[0]->device_oem, X509_MAX + 1))                \
    X(instance_ca_certificate_long, resize(&m->partners[0]->instance_ca, X509_MAX + 1))              \
    X(instance_ca_id_missing, m->partners[0]->instance_ca_id = text_of(0))                           \
    X(instance_ca_id_long, m->partners[0]->instance_ca_id = text_of(X509_CN_MAX + 1))                \
    X(instance_cas_many, repeat_ca(m, APPLET_INSTANCE_CAS + 1))                                      \
    X(instance_ca_twice, repeat_ca(m, 2))                                                            \
    X(ca_without_name, m->instance_cas[0]->id = text_of(0))                                          \
    X(ca_name_long, m->instance_cas[0]->id = text_of(X509_CN_MAX + 1))                               \
    X(ca_no_key, m->instance_cas[0]->key = NULL)                                                     \
    X(ca_without_key, resize(&m->instance_cas[0]->key->public_, 0);                                  \
      resize(&m->instance_cas[0]->key->private_, 0))                                                 \
    X(ca_sk_above_the_order, fill(&m->instance_cas[0]->key->private_, 0xFF))                         \
    X(ca_pk_off_curve, leave_curve(&m->instance_cas[0]->key->public_))                               \
    X(password_long, resize(&m->password, DK_DEVICE_PASSWORD_MAX + 1))                               \
    X(evidence_failures_wide, m->evidence_failures = 256)                                            \
    X(derived_without_password, resize(&m->password, 0))                                             \
    X(salt_short, resize(&m->derived->salt, 15))                                                     \
    X(n_small, m->derived->n = SPAKE2P_N_MIN / 2)                                                    \
    X(n_large, m->derived->n = SPAKE2P_N_MAX * 2)                                                    \
    X(r_other, m->derived->r++)                                                                      \
    X(r_wide, m->derived->r |= 0x10000)                                                              \
    X(p_other, m->derived->p++)                                                                      \
    X(p_wide, m->derived->p |= 0x10000)                                                              \
    X(w0_short, resize(&m->derived->w0, 31))                                                         \
    X(w0_zero, fill(&m->derived->w0, 0))                                                             \
    X(w0_above_the_order, fill(&m->derived->w0, 0xFF))                                               \
    X(w1_long, resize(&m->derived->w1, 33))                                                          \
    X(w1_zero, fill(&m->derived->w1, 0))                                                             \
    X(w0_m_short, resize(&m->derived->w0_m, 64))                                                     \
    X(w0_m_off_curve, leave_curve(&m->derived->w0_m))                                                \
    X(w0_n_off_curve, leave_curve(&m->derived->w0_n))

/* ---- rows that take more than a line ---- */

static void repeat_partner(Dk__V1__FrameworkRecord *m)
{
    static Dk__V1__FrameworkRecord__Partner *list[DK_DEVICE_PARTNERS + 1];
    for (size_t i = 0; i <= DK_DEVICE_PARTNERS; i++)
        list[i] = m->partners[0];
    m->partners = list;
    m->n_partners = DK_DEVICE_PARTNERS + 1;
}

/* Behind the last one that is in use nothing is written. */
static void empty_partner(Dk__V1__FrameworkRecord__Partner *p)
{
    *p = (Dk__V1__FrameworkRecord__Partner)DK__V1__FRAMEWORK_RECORD__PARTNER__INIT;
}

static void repeat_anchor(Dk__V1__FrameworkRecord__Partner *p)
{
    static Dk__V1__FrameworkRecord__Anchor *list[DK_PARTNER_ANCHORS + 1];
    for (size_t i = 0; i <= DK_PARTNER_ANCHORS; i++)
        list[i] = p->anchors[0];
    p->anchors = list;
    p->n_anchors = DK_PARTNER_ANCHORS + 1;
}

/* The first entry is free, but not empty. */
static void put_anchor_without_root(Dk__V1__FrameworkRecord__Partner *p)
{
    static Dk__V1__FrameworkRecord__Anchor first, *list[2];
    first = *p->anchors[0];
    first.root.len = 0;
    list[0] = &first;
    list[1] = p->anchors[0];
    p->anchors = list;
    p->n_anchors = 2;
}

static void repeat_ca(Dk__V1__FrameworkRecord *m, size_t n)
{
    static Dk__V1__FrameworkRecord__InstanceCa *list[APPLET_INSTANCE_CAS + 1];
    for (size_t i = 0; i < n; i++)
        list[i] = m->instance_cas[0];
    m->instance_cas = list;
    m->n_instance_cas = n;
}

#define KEY_FUNCTION(name, change)               \
    static void key_##name(Dk__V1__KeyRecord *m) \
    {                                            \
        change;                                  \
    }
#define FRAMEWORK_FUNCTION(name, change)                     \
    static void framework_##name(Dk__V1__FrameworkRecord *m) \
    {                                                        \
        change;                                              \
    }
KEY_ROWS(KEY_FUNCTION)
FRAMEWORK_ROWS(FRAMEWORK_FUNCTION)

static const struct {
    const char *name;
    void (*change)(Dk__V1__KeyRecord *m);
} key_rows[] = {
#define X(name, change) {#name, key_##name},
    KEY_ROWS(X)
#undef X
};

static const struct {
    const char *name;
    void (*change)(Dk__V1__FrameworkRecord *m);
} framework_rows[] = {
#define X(name, change) {#name, framework_##name},
    FRAMEWORK_ROWS(X)
#undef X
};

/* A fresh message of what was saved. */
static void *unpack(const struct keyring_loader *b, bool framework)
{
    static struct body_arena arena;
    const struct keyring_record *r = framework ? &b->saved.framework : &b->saved.keys[0];
    body_arena_open(&arena, scratch.memory, sizeof scratch.memory);
    void *m = body_unpack(&arena,
                          framework ? &dk__v1__framework_record__descriptor : &dk__v1__key_record__descriptor,
                          span_of(r->bytes + ENVELOPE_HEADER, r->len - ENVELOPE_HEADER));
    cr_assert(m != NULL);
    return m;
}

/* A good envelope around these bytes at scratch.record + ENVELOPE_HEADER. */
static enum err load_body(struct keyring_loader *b, bool framework, size_t len)
{
    struct envelope e = {.kind = framework ? ENVELOPE_PHONE_FRAMEWORK : ENVELOPE_PHONE_KEY,
                         .version = DK_RECORD_VERSION};
    memcpy(e.owner, b->device.id, sizeof e.owner);
    envelope_close(test_crypto(), &e, scratch.record, len);
    return keyring_loader_load(b, framework, span_of(scratch.record, ENVELOPE_HEADER + len));
}

static enum err load_message(struct keyring_loader *b, bool framework, const void *m)
{
    return load_body(b, framework, protobuf_c_message_pack(m, scratch.record + ENVELOPE_HEADER));
}

Test(refused, contents_of_a_key)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    now = b->rig;
    EXPECT_OK(load_message(b, false, unpack(b, false)), "unchanged");
    for (size_t i = 0; i < sizeof key_rows / sizeof key_rows[0]; i++) {
        Dk__V1__KeyRecord *m = unpack(b, false);
        key_rows[i].change(m);
        cr_expect(eq(int, load_message(b, false, m), ERR_RECORD_TORN), "%s", key_rows[i].name);
    }
    keyring_loader_free(b);
}

Test(refused, contents_of_the_framework)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    EXPECT_OK(load_message(b, true, unpack(b, true)), "unchanged");
    for (size_t i = 0; i < sizeof framework_rows / sizeof framework_rows[0]; i++) {
        Dk__V1__FrameworkRecord *m = unpack(b, true);
        framework_rows[i].change(m);
        cr_expect(eq(int, load_message(b, true, m), ERR_RECORD_TORN), "%s", framework_rows[i].name);
    }
    keyring_loader_free(b);
}

/* Protobuf has many encodings for one content; a record has one. */
Test(refused, other_encodings_of_the_same)
{
    static const struct {
        const char *what;
        size_t len;
        const char *behind;
    } rows[] = {
        {"a field of a later form", 3, "\xF0\x03\x01"},
        {"a number once more", 2, "\x08\x01"},
        {"a number in more bytes than it needs", 3, "\x08\x81\x00"},
        {"a message once more, empty", 2, "\x12\x00"},
        {"the beginning of a field", 1, "\x12"},
        {"more than is there", 2, "\x12\x05"},
        {"a tag without a number", 2, "\x00\x01"},
    };
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    for (size_t k = 0; k < 2; k++) {
        const struct keyring_record *r = k == 1 ? &b->saved.framework : &b->saved.keys[0];
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            memcpy(scratch.record, r->bytes, r->len);
            memcpy(scratch.record + r->len, rows[i].behind, rows[i].len);
            cr_expect(eq(int, load_body(b, k == 1, r->len - ENVELOPE_HEADER + rows[i].len), ERR_RECORD_TORN),
                      "%s", rows[i].what);
        }
        EXPECT_ERR(load_body(b, k == 1, 0), ERR_RECORD_TORN);
    }
    keyring_loader_free(b);
}

/* More than the arena holds: thousands of empty partners. */
Test(refused, a_body_that_wants_all_memory)
{
    struct keyring_loader *b = keyring_loader_new(test_crypto());
    size_t len = sizeof scratch.record - ENVELOPE_HEADER;
    for (size_t i = 0; i + 1 < len; i += 2)
        memcpy(scratch.record + ENVELOPE_HEADER + i, "\x32\x00", 2);
    EXPECT_ERR(load_body(b, true, len), ERR_RECORD_TORN);
    EXPECT_ERR(load_body(b, false, len), ERR_RECORD_TORN);
    keyring_loader_free(b);
}
