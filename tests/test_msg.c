#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/msg/msg.h"
#include "tests/support.h"

#define SERIAL "SPAAK00000001"

struct fixture {
    struct oem_identity ecu, other;
    struct x509 ecu_ca, z1;
    uint8_t bytes[MSG_MAX];
    size_t len;
};

static struct msg_header header(Spaak__V1__MessageType type)
{
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_01, .type = type, .sequence = 3};
    strcpy(h.ecu_serial, SERIAL);
    memset(h.correlation, 0x5A, sizeof h.correlation);
    h.has_drm_uuid = true;
    memset(h.drm_uuid, 0xD1, sizeof h.drm_uuid);
    h.issued_at_ms = TEST_NOW_S * 1000;
    return h;
}

static struct fixture make(void)
{
    struct fixture f;
    const struct oem *o = test_oem(TEST_NOW_S);
    cr_assert(eq(int, oem_make_ecu(test_crypto(), o, SERIAL, TEST_NOW_S, &f.ecu), ERR_OK));
    cr_assert(eq(int, oem_make_ecu(test_crypto(), o, "SPAAK99999999", TEST_NOW_S, &f.other), ERR_OK));
    x509_parse(span_of(o->roles[OEM_ECU_CA].der, o->roles[OEM_ECU_CA].len), &f.ecu_ca);
    x509_parse(span_of(o->roles[OEM_Z1].der, o->roles[OEM_Z1].len), &f.z1);
    struct msg_header h = header(SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST);
    cr_assert(eq(int,
                 msg_seal(test_crypto(), MSG_REQUEST, &h, span_of("body", 4), f.ecu.key,
                          span_of(f.ecu.der, f.ecu.len), f.bytes, &f.len),
                 ERR_OK));
    return f;
}

static struct msg_policy server_policy(const struct fixture *f)
{
    return (struct msg_policy){.crypto = test_crypto(),
                               .direction = MSG_REQUEST,
                               .signer = X509_ECU_IDENTITY,
                               .issuer = &f->ecu_ca,
                               .now_ms = TEST_NOW_S * 1000};
}

static void drop(struct fixture *f)
{
    oem_identity_free(&f->ecu);
    oem_identity_free(&f->other);
}

Test(msg, request_arrives_as_it_was_sealed)
{
    struct fixture f = make();
    struct msg_policy p = server_policy(&f);
    struct msg_opened m;
    cr_assert(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK));
    cr_expect(eq(str, m.header.ecu_serial, SERIAL));
    cr_expect(eq(u32, m.header.sequence, 3));
    cr_expect(eq(i64, m.header.issued_at_ms, TEST_NOW_S * 1000));
    cr_expect(m.header.has_drm_uuid && m.header.drm_uuid[15] == 0xD1 && m.header.correlation[0] == 0x5A);
    cr_expect(span_is(m.body, "body"));
    cr_expect(eq(str, (char *)msg_peek_name(span_of(f.bytes, f.len)), "VehicleSubjectIdRequest"));
    drop(&f);
}

Test(msg, no_flipped_bit_and_no_cut_is_accepted)
{
    struct fixture f = make();
    struct msg_policy p = server_policy(&f);
    struct msg_opened m;
    for (size_t bit = 0; bit < f.len * 8; bit++) {
        f.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect(ne(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK), "bit %zu", bit);
        cr_expect(eq(sz, m.body.len, 0), "bit %zu", bit);
        f.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < f.len; cut++)
        cr_expect(ne(int, msg_open(&p, span_of(f.bytes, cut), &m), ERR_OK), "cut at %zu", cut);
    drop(&f);
}

Test(msg, every_refusal_has_its_reason)
{
    struct fixture f = make();
    struct msg_policy good = server_policy(&f), p;
    struct msg_opened m;
    struct span in = {f.bytes, f.len};
    static uint8_t large[MSG_MAX + 1];
    cr_expect(eq(int, msg_open(&good, span_of("\xFF\xFF", 2), &m), ERR_MSG_MALFORMED));
    cr_expect(eq(int, msg_open(&good, span_of("", 0), &m), ERR_MSG_MALFORMED));
    cr_expect(eq(int, msg_open(&good, span_of(large, sizeof large), &m), ERR_MSG_TOO_LONG));
    p = good, p.direction = MSG_RESPONSE;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_MSG_WRONG_DIRECTION));
    p = good, p.signer = X509_VOS_SIGNER;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_CERT_PURPOSE));
    p = good, p.issuer = &f.z1;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_CERT_ISSUER_UNKNOWN));
    p = good, p.now_ms = (TEST_NOW_S - 2 * 86400) * 1000;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_CERT_NOT_YET_VALID));
    p = good, p.now_ms = (TEST_NOW_S + 29ll * 365 * 86400) * 1000;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_CERT_EXPIRED));
    p = good, p.ecu_serial = "SPAAK00000002";
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_MSG_WRONG_ECU));
    p = good, p.now_ms += MSG_FRESHNESS_MS + 1;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_MSG_STALE));
    p = good, p.now_ms -= MSG_FRESHNESS_MS + 1;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_MSG_STALE));
    p = good, p.now_ms += MSG_FRESHNESS_MS;
    cr_expect(eq(int, msg_open(&p, in, &m), ERR_OK));
    drop(&f);
}

Test(msg, another_ecus_certificate_is_not_bound)
{
    struct fixture f = make();
    struct msg_policy p = server_policy(&f);
    struct msg_opened m;
    struct msg_header h = header(SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST);
    msg_seal(test_crypto(), MSG_REQUEST, &h, (struct span){NULL, 0}, f.other.key,
             span_of(f.other.der, f.other.len), f.bytes, &f.len);
    cr_expect(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_MSG_SIGNER_NOT_BOUND));
    /* the right certificate with somebody else's signature */
    msg_seal(test_crypto(), MSG_REQUEST, &h, (struct span){NULL, 0}, f.other.key,
             span_of(f.ecu.der, f.ecu.len), f.bytes, &f.len);
    cr_expect(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_SIGNATURE_INVALID));
    drop(&f);
}

Test(msg, cached_certificates_keep_their_purpose_and_time)
{
    struct fixture f = make();
    struct msg_policy p = server_policy(&f);
    struct msg_cert_slot slots[1] = {0};
    struct msg_opened m;
    p.cache = (struct msg_cert_cache){slots, 1};
    cr_assert(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK));
    cr_assert(slots[0].used);
    cr_assert(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK));
    p.signer = X509_VOS_SIGNER;
    cr_expect(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_CERT_PURPOSE));
    p.signer = X509_ECU_IDENTITY;
    p.now_ms = (TEST_NOW_S + 29ll * 365 * 86400) * 1000;
    cr_expect(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_CERT_EXPIRED));
    drop(&f);
}

/* Four signers have a place each in a cache of four, whatever their digests are; a fifth drives one out, and
 * is verified like everybody whom the cache does not know. */
Test(msg, a_small_cache_remembers_as_many_signers_as_it_has_places)
{
    struct fixture f = make();
    struct msg_policy p = server_policy(&f);
    struct msg_cert_slot slots[4] = {0};
    struct msg_opened m;
    const struct oem *o = test_oem(TEST_NOW_S);
    p.cache = (struct msg_cert_cache){slots, 4};
    for (unsigned i = 0; i < 5; i++) {
        struct oem_identity ecu;
        struct msg_header h = header(SPAAK__V1__MESSAGE_TYPE__VEHICLE_SUBJECT_ID_REQUEST);
        unsigned used = 0;
        snprintf(h.ecu_serial, sizeof h.ecu_serial, "SPAAK%08u", i);
        cr_assert(eq(int, oem_make_ecu(test_crypto(), o, h.ecu_serial, TEST_NOW_S, &ecu), ERR_OK));
        msg_seal(test_crypto(), MSG_REQUEST, &h, (struct span){NULL, 0}, ecu.key, span_of(ecu.der, ecu.len),
                 f.bytes, &f.len);
        p.issuer = &f.z1; /* did not issue it */
        cr_expect(ne(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK), "signer %u", i);
        p.issuer = &f.ecu_ca;
        for (int again = 0; again < 2; again++)
            cr_expect(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK), "signer %u", i);
        for (size_t k = 0; k < 4; k++)
            used += slots[k].used;
        cr_expect(eq(uint, used, i < 4 ? i + 1 : 4), "after signer %u", i);
        oem_identity_free(&ecu);
    }
    drop(&f);
}

Test(msg, unknown_fields_do_not_hurt_and_are_not_signed)
{
    struct fixture f = make();
    struct msg_policy p = server_policy(&f);
    struct msg_opened m;
    /* field 15, varint 1: a newer sender's */
    f.bytes[f.len++] = 15 << 3;
    f.bytes[f.len++] = 1;
    cr_expect(eq(int, msg_open(&p, span_of(f.bytes, f.len), &m), ERR_OK));
    drop(&f);
}

Test(msg, families_of_the_notes_have_their_place)
{
    cr_expect(eq(int, msg_type_from_name("OpInitRequest"), 300));
    cr_expect(eq(int, msg_type_from_name("OpSpake2Request"), 400));
    cr_expect(eq(str, (char *)msg_type_name((Spaak__V1__MessageType)205), "C2VUsecaseCompletionAck"));
    cr_expect(eq(str, (char *)msg_type_name((Spaak__V1__MessageType)777), "?"));
    cr_expect(eq(str, (char *)msg_type_name((Spaak__V1__MessageType)202), "VehicleIdentityCSRRequest"));
    for (size_t i = 1; i < msg_type_count(); i++)
        cr_expect(eq(str, (char *)msg_type_name(msg_type_from_name(msg_type_at(i))), (char *)msg_type_at(i)));
}

Test(msg, arena_is_bounded)
{
    uint8_t memory[100];
    struct msg_arena a;
    msg_arena_init(&a, memory, sizeof memory);
    void *p = a.allocator.alloc(a.allocator.allocator_data, 16);
    cr_assert(eq(sz, (uintptr_t)p % 16, 0));
    cr_assert(eq(ptr, a.allocator.alloc(a.allocator.allocator_data, 90), NULL));
    cr_assert(eq(ptr, a.allocator.alloc(a.allocator.allocator_data, SIZE_MAX), NULL));
}
