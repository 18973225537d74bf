/* Records of a phone: what was saved, loaded and saved again is the same to the byte; how long they get. */
#include "lib/ccc/records/envelope.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/support.h"

/* ---- saved, loaded, saved again ---- */

static struct digital_key *first_key(struct rig *r)
{
    return &r->applet.keys[0];
}

static void prepare_nothing(struct rig *r)
{
    (void)r;
}

static void prepare_password(struct rig *r)
{
    rig_enter_password(r, false);
    r->device.password_since_s = RIG_NOW_S - 60;
    r->device.evidence_failures = 6;
}

static void prepare_derived(struct rig *r)
{
    rig_enter_password(r, true);
}

static void prepare_password_gone(struct rig *r)
{
    rig_enter_password(r, true);
    r->device.password_len = 0;
}

static void prepare_longest_password(struct rig *r)
{
    ASSERT_OK(dk_device_set_password(&r->device, span_of("12345678901234567890123456789012", 32)));
    r->device.password_since_s = INT64_MAX;
    r->device.evidence_failures = UINT8_MAX;
}

static void prepare_paired(struct rig *r)
{
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    rig_walk_away(r);
}

static void prepare_phase_2(struct rig *r)
{
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair_phase_2(r));
    rig_walk_away(r);
    cr_assert(not(first_key(r)->has_kpersistent));
}

static void prepare_terminated(struct rig *r)
{
    prepare_paired(r);
    applet_terminate_endpoint(&r->applet, first_key(r));
    first_key(r)->has_kpersistent = true; /* not even if it were left behind */
    r->device.owned[0].termination_len = 130;
    memset(r->device.owned[0].termination, 0x7F, 130);
}

static void prepare_suspended(struct rig *r)
{
    prepare_paired(r);
    first_key(r)->state = APPLET_KEY_SUSPENDED;
}

static void prepare_encryption_key(struct rig *r)
{
    uint8_t public_key[P256_POINT];
    prepare_paired(r);
    ASSERT_OK(applet_encryption_key(&r->applet, first_key(r), public_key));
}

static void prepare_waiting(struct rig *r)
{
    prepare_paired(r);
    struct dk_owned *o = &r->device.owned[0];
    o->waiting_len = sizeof o->waiting;
    memset(o->waiting, 0xAB, sizeof o->waiting);
    o->has_kble_oob = true;
    memset(o->kble_oob, 0xCD, sizeof o->kble_oob);
}

static void prepare_every_entry(struct rig *r)
{
    prepare_paired(r);
    keyring_make_keys(r, APPLET_KEYS);
}

static void prepare_gaps(struct rig *r)
{
    prepare_every_entry(r);
    for (size_t i = 0; i < APPLET_KEYS; i += 2) {
        applet_delete_endpoint(&r->applet, &r->applet.keys[i]);
        memset(&r->device.owned[i], 0, sizeof r->device.owned[i]);
    }
}

static void prepare_partners(struct rig *r)
{
    static const char *const names[DK_DEVICE_PARTNERS - 1] = {"first", "second", "third"};
    struct dk_partner *p;
    uint8_t public_key[P256_POINT];
    for (size_t i = 0; i < DK_DEVICE_PARTNERS - 1; i++)
        ASSERT_OK(dk_device_add_partner(&r->device, names[i], span_of(r->j.der, r->j.len), &p, public_key));
}

static void prepare_ca_gap(struct rig *r)
{
    prepare_partners(r);
    ASSERT_OK(applet_delete_ca(&r->applet, r->device.partners[0].instance_ca_id));
    ASSERT_OK(applet_delete_ca(&r->applet, r->device.partners[3].instance_ca_id));
}

static void prepare_two_anchors(struct rig *r)
{
    ASSERT_OK(dk_partner_add_root(r->partner, span_of(r->d.der, r->d.len), span_of(r->f.der, r->f.len)));
}

static void prepare_second_anchor(struct rig *r)
{
    prepare_two_anchors(r);
    ASSERT_OK(dk_partner_drop_root(r->partner, span_of(r->j.der, r->j.len)));
}

/* Bytes of a certificate for a root that is no more, of a partner that is none. */
static void prepare_leftovers(struct rig *r)
{
    struct dk_partner *p;
    uint8_t public_key[P256_POINT];
    char id[X509_CN_MAX + 1];
    prepare_second_anchor(r);
    ASSERT_OK(dk_partner_certify(r->partner, span_of(r->f.der, r->f.len), span_of(r->e.der, r->e.len)));
    ASSERT_OK(dk_cert_instance_ca_id(r->device.oem, "taken", id));
    ASSERT_OK(applet_create_ca(&r->applet, id, public_key));
    EXPECT_ERR(dk_device_add_partner(&r->device, "taken", span_of(r->j.der, r->j.len), &p, public_key),
               ERR_BUSY);
    memset(r->device.partners[1].instance_ca_id, 'x', 3);
}

/* Names of 64 characters, the largest mailboxes, all the rest as long as it may be. */
static void prepare_maximal(struct rig *r)
{
    char id[X509_CN_MAX + 1], ca[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
    struct digital_key *k;
    prepare_paired(r);
    memset(id, 'e', X509_CN_MAX);
    memset(ca, 'c', X509_CN_MAX);
    id[X509_CN_MAX] = ca[X509_CN_MAX] = '\0';
    struct endpoint_creation creation = first_key(r)->creation;
    creation.vehicle_id[0] ^= 1;
    creation.private_size = MAILBOX_PRIVATE_MAX;
    creation.confidential_size = MAILBOX_CONFIDENTIAL_MAX;
    creation.slot.len = ENDPOINT_SLOT_MAX;
    creation.not_before_s = RIG_NOW_S;
    creation.not_after_s = DK_CERT_NO_END_S;
    struct applet_create create = {.creation = &creation,
                                   .endpoint_id = id,
                                   .instance_ca_id = ca,
                                   .not_before_s = RIG_NOW_S,
                                   .not_after_s = DK_CERT_NO_END_S};
    ASSERT_OK(applet_create_ca(&r->applet, ca, public_key));
    ASSERT_OK(applet_create_endpoint(&r->applet, &create, &k));
    ASSERT_OK(applet_setup_endpoint(k, &(struct mailbox_part){MAILBOX_CONFIDENTIAL_MAX - 60, 60},
                                    &(struct mailbox_part){MAILBOX_PRIVATE_MAX - 60, 60}));
    applet_accept_endpoint(k);
    ASSERT_OK(applet_encryption_key(&r->applet, k, public_key));
    memset(k->mailboxes.private_area, 0xEE, MAILBOX_PRIVATE_MAX);
    memset(k->mailboxes.confidential_area, 0xEE, MAILBOX_CONFIDENTIAL_MAX);
    k->has_kpersistent = true;
    struct dk_owned *o = dk_device_owned(&r->device, k);
    *o = r->device.owned[0];
    o->map = (struct mailbox_map){0, 1, 2, 130, 130, MAILBOX_PRIVATE_MAX, 64};
    o->vehicle_versions = (struct op_versions){{8, 7, 6, 5, 4, 3, 2, UINT16_MAX}, OP_VERSIONS};
    o->has_kble_oob = true;
    o->attestation_len = sizeof o->attestation;
    o->waiting_len = sizeof o->waiting;
    o->termination_len = sizeof o->termination;
}

static const struct setup {
    const char *name;
    void (*prepare)(struct rig *r);
    size_t keys;
} setups[] = {
    {.name = "no key", .prepare = prepare_nothing, .keys = 0},
    {.name = "a password", .prepare = prepare_password, .keys = 0},
    {.name = "a password and w0, w1", .prepare = prepare_derived, .keys = 0},
    {.name = "w0 and w1 without a password", .prepare = prepare_password_gone, .keys = 0},
    {.name = "the longest password", .prepare = prepare_longest_password, .keys = 0},
    {.name = "after phase 2", .prepare = prepare_phase_2, .keys = 1},
    {.name = "paired", .prepare = prepare_paired, .keys = 1},
    {.name = "terminated", .prepare = prepare_terminated, .keys = 1},
    {.name = "suspended", .prepare = prepare_suspended, .keys = 1},
    {.name = "encryption key", .prepare = prepare_encryption_key, .keys = 1},
    {.name = "a statement waits", .prepare = prepare_waiting, .keys = 1},
    {.name = "a key in every entry", .prepare = prepare_every_entry, .keys = APPLET_KEYS},
    {.name = "keys with gaps", .prepare = prepare_gaps, .keys = APPLET_KEYS / 2},
    {.name = "an instance CA in every entry", .prepare = prepare_partners, .keys = 0},
    {.name = "instance CAs with gaps", .prepare = prepare_ca_gap, .keys = 0},
    {.name = "two roots", .prepare = prepare_two_anchors, .keys = 0},
    {.name = "the second root alone", .prepare = prepare_second_anchor, .keys = 0},
    {.name = "leftovers in free entries", .prepare = prepare_leftovers, .keys = 0},
    {.name = "as long as it may be", .prepare = prepare_maximal, .keys = 2},
};

static void expect_same_record(const struct keyring_record *a, const struct keyring_record *b,
                               const char *what)
{
    cr_expect(span_equal(span_of(a->bytes, a->len), span_of(b->bytes, b->len)), "%s", what);
}

/* What is no part of the form, but follows from it. */
static void expect_same_key(const struct digital_key *a, const struct digital_key *b, const char *what)
{
    uint8_t pk[P256_POINT];
    cr_assert(eq(int, a->state, b->state), "%s", what);
    cr_expect(memcmp(a->key_id, b->key_id, sizeof a->key_id) == 0, "%s: keyID", what);
    cr_expect(eq(int, a->creation.private_size, b->creation.private_size), "%s", what);
    cr_expect(eq(int, a->creation.confidential_size, b->creation.confidential_size), "%s", what);
    if (a->state == APPLET_KEY_NONE)
        return;
    p256_public(b->vehicle_key, pk);
    cr_expect(memcmp(a->creation.vehicle_pk, pk, sizeof pk) == 0, "%s: vehicle.PK", what);
    cr_expect(eq(int, a->encryption_key != NULL, b->encryption_key != NULL), "%s: encryption key", what);
}

Test(records, saved_the_same_after_loading)
{
    static struct keyring before, after;
    static struct dk_device d;
    static struct applet a;
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++) {
        const struct setup *s = &setups[i];
        struct rig *r = rig_new(test_crypto());
        size_t keys = 0;
        s->prepare(r);
        ASSERT_OK(keyring_save(&r->device, &before));
        EXPECT_OK(keyring_load(&d, &a, r->crypto, &before), "%s", s->name);
        cr_assert(eq(int, d.state, DK_IDLE));
        ASSERT_OK(keyring_save(&d, &after));
        expect_same_record(&before.framework, &after.framework, s->name);
        for (size_t k = 0; k < APPLET_KEYS; k++) {
            expect_same_record(&before.keys[k], &after.keys[k], s->name);
            expect_same_key(&r->applet.keys[k], &a.keys[k], s->name);
            keys += before.keys[k].len != 0;
        }
        cr_expect(eq(sz, keys, s->keys), "%s", s->name);
        dk_device_close(&d);
        applet_close(&a);
        rig_free(r);
    }
}

Test(records, a_phone_without_anything)
{
    static struct keyring before, after;
    static struct dk_device d;
    static struct applet a;
    applet_open(&a, test_crypto());
    ASSERT_OK(dk_device_open(&d, test_crypto(), &a, "p"));
    d.versions.n = a.versions.n = 0;
    ASSERT_OK(keyring_save(&d, &before));
    dk_device_close(&d);
    applet_close(&a);
    ASSERT_OK(keyring_load(&d, &a, test_crypto(), &before));
    ASSERT_OK(keyring_save(&d, &after));
    expect_same_record(&before.framework, &after.framework, "empty");
    dk_device_close(&d);
    applet_close(&a);
}

/* ---- room ---- */

/* Longer than anything that could be loaded: every length at its bound. */
static void stretch(struct rig *r)
{
    struct dk_device *d = &r->device;
    prepare_maximal(r);
    rig_enter_password(r, true);
    r->applet.keys[1].certificate_len = d->owned[1].vehicle_certificate_len = X509_MAX;
    memset(d->oem, 'o', X509_CN_MAX);
    memset(d->name, 'n', DK_DEVICE_NAME_MAX);
    d->password_len = DK_DEVICE_PASSWORD_MAX;
    d->password_since_s = -1; /* the longest number of the form */
    d->derived_from.n = SPAKE2P_N_MAX;
    d->evidence_failures = UINT8_MAX;
    d->versions = r->applet.versions = (struct op_versions){
        {UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX},
        OP_VERSIONS};
    for (size_t i = 0; i < DK_DEVICE_PARTNERS; i++) {
        struct dk_partner *p = &d->partners[i];
        memset(p->manufacturer, 'm', X509_CN_MAX);
        memset(p->instance_ca_id, 'i', X509_CN_MAX);
        p->instance_ca_len = X509_MAX;
        for (size_t j = 0; j < DK_PARTNER_ANCHORS; j++)
            p->anchors[j].root_len = p->anchors[j].device_oem_len = X509_MAX;
    }
    for (size_t i = 0; i < APPLET_INSTANCE_CAS; i++) {
        struct applet_instance_ca *ca = &r->applet.instance_cas[i];
        memset(ca->id, 'i', X509_CN_MAX);
        if (!ca->key)
            ASSERT_OK(p256_generate(r->crypto, &ca->key));
    }
}

Test(records, the_longest_ones_have_room)
{
    static uint8_t out[DK_RECORD_FRAMEWORK_MAX];
    struct rig *r = rig_new(test_crypto());
    size_t len;
    stretch(r);
    ASSERT_OK(dk_record_save_key(&r->device, 1, out, DK_RECORD_KEY_MAX, &len));
    cr_expect(lt(sz, DK_RECORD_KEY_MAX - 512, len), "%zu", len);
    ASSERT_OK(dk_record_save_framework(&r->device, out, DK_RECORD_FRAMEWORK_MAX, &len));
    cr_expect(lt(sz, DK_RECORD_FRAMEWORK_MAX - 512, len), "%zu", len);
    rig_free(r);
}

Test(records, what_does_not_fit_is_not_begun)
{
    static uint8_t out[DK_RECORD_FRAMEWORK_MAX];
    static struct keyring k;
    struct rig *r = rig_new(test_crypto());
    size_t len = 7;
    prepare_paired(r);
    ASSERT_OK(keyring_save(&r->device, &k));
    EXPECT_ERR(dk_record_save_key(&r->device, 0, out, k.keys[0].len - 1, &len), ERR_NO_SPACE);
    EXPECT_ERR(dk_record_save_key(&r->device, 0, out, 0, &len), ERR_NO_SPACE);
    EXPECT_ERR(dk_record_save_framework(&r->device, out, k.framework.len - 1, &len), ERR_NO_SPACE);
    EXPECT_ERR(dk_record_save_framework(&r->device, out, ENVELOPE_HEADER, &len), ERR_NO_SPACE);
    cr_expect(eq(sz, len, 7));
    for (size_t i = 0; i < sizeof out; i++)
        cr_assert(eq(int, out[i], 0));
    EXPECT_OK(dk_record_save_key(&r->device, 0, out, k.keys[0].len, &len), "just enough");
    EXPECT_OK(dk_record_save_framework(&r->device, out, k.framework.len, &len), "just enough");
    rig_free(r);
}

Test(records, names)
{
    char name[DK_RECORD_NAME_MAX];
    dk_record_key_name(0, name);
    cr_expect(eq(str, name, "dk/key/0"));
    dk_record_key_name(APPLET_KEYS - 1, name);
    cr_expect(eq(str, name, "dk/key/7"));
    cr_expect(lt(sz, strlen(DK_RECORD_FRAMEWORK_NAME), DK_RECORD_NAME_MAX));
}
