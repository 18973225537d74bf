/* Vehicle and phone pair in memory, with and without faults on the link. */
#include "lib/env/seeded.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

static size_t phone_keys(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < APPLET_KEYS; i++)
        n += r->applet.keys[i].state != APPLET_KEY_NONE;
    return n;
}

/* The private mailbox of the phone's only key. */
static const uint8_t *phone_mailbox(const struct rig *r)
{
    const struct digital_key *k = r->applet.keys;
    while (k->state == APPLET_KEY_NONE)
        k++;
    return k->mailboxes.private_area;
}

Test(pairing, from_select_to_receipt_then_unlock)
{
    struct rig *r = rig_new(test_crypto());
    bool fast = true;
    rig_enter_password(r, false); /* scrypt and all */
    ASSERT_OK(rig_pair(r));
    cr_assert(eq(int, r->device.state, DK_PAIRED));
    cr_assert(eq(sz, phone_keys(r), 1));
    ASSERT_OK(rig_unlock(r, false, true, &fast));
    cr_assert(not(fast));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_assert(fast);
    rig_free(r);
}

Test(pairing, over_bluetooth_le)
{
    struct rig *r = rig_new(test_crypto());
    bool fast;
    r->interface = r->finish_config.transaction.interface = TRANSACTION_BLE;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    ASSERT_OK(rig_unlock(r, false, true, &fast));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(fast);
    r->interface = r->finish_config.transaction.interface = TRANSACTION_CONTACTLESS;
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(fast, "Kpersistent serves both");
    r->interface = TRANSACTION_BLE; /* relayed from one interface to the other */
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_SIGNATURE_INVALID);
    EXPECT_ERR(rig_unlock(r, true, false, &fast), ERR_SIGNATURE_INVALID);
    rig_free(r);
}

Test(pairing, attestation_may_wait_for_phase_3)
{
    struct rig *r = rig_new(test_crypto());
    const struct dk_owned *o = &r->device.owned[0];
    uint8_t bits;
    r->attest_in_phase_3 = true;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair_phase_2(r));
    cr_assert(eq(sz, o->attestation_len, 0));
    ASSERT_OK(rig_phase_3(r));
    ASSERT_OK(applet_get_data(&r->applet, &r->applet.keys[0], MAILBOX_PRIVATE, 0, &bits, 1));
    cr_assert(eq(int, bits, MAILBOX_SLOT_BITMAP_CHANGED | MAILBOX_SLOTS_WRITTEN | MAILBOX_ATTESTATION));
    ASSERT_OK(rig_track_key(r));
    cr_assert(gt(sz, o->attestation_len, 100));
    ASSERT_OK(rig_phase_4(r));
    rig_free(r);
}

Test(pairing, mailboxes_after_all_phases)
{
    struct rig *r = rig_new(test_crypto());
    const struct digital_key *k = &r->applet.keys[0];
    const struct mailbox_map *m = &mailbox_map_default;
    static const uint8_t zeros[512];
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    const uint8_t *p = k->mailboxes.private_area;
    cr_expect(eq(int, p[m->signalling], MAILBOX_SLOT_BITMAP_CHANGED | MAILBOX_SLOTS_WRITTEN));
    cr_expect(eq(int, p[m->slot_bitmap], 0xFF));
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        cr_expect(eq(int, p[m->slots + 8 * i + 7], (int)(i + 1)));
    cr_expect(memcmp(k->mailboxes.confidential_area, r->tokens, sizeof r->tokens) == 0);
    cr_expect(memcmp(p + m->attestation, zeros, mailbox_attestation_size(m)) == 0, "the receipt was erased");
    rig_free(r);
}

Test(pairing, both_sides_hold_the_same)
{
    struct rig *r = rig_new(test_crypto());
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair_phase_2(r));
    const struct vehicle_pairing_result *v = &r->pairing.result;
    const struct digital_key *k = &r->applet.keys[0];
    const struct dk_owned *o = &r->device.owned[0];
    uint8_t id[SHA1_SIZE];
    cr_expect(memcmp(v->device_pk, k->device_pk, P256_POINT) == 0);
    x509_key_id(r->crypto, k->device_pk, id);
    cr_expect(memcmp(v->key_id, id, sizeof id) == 0 && memcmp(k->key_id, id, sizeof id) == 0);
    cr_expect(memcmp(v->long_term_shared_secret, o->long_term_shared_secret, CCC_KEY) == 0);
    cr_expect(memcmp(v->kble_intro, o->kble_intro, CCC_KEY) == 0);
    cr_expect(memcmp(v->kble_oob_master, o->kble_oob_master, CCC_KEY) == 0);
    cr_expect(
        span_equal(span_of(v->certificate, v->certificate_len), span_of(k->certificate, k->certificate_len)));
    cr_expect(
        span_equal(span_of(o->vehicle_certificate, o->vehicle_certificate_len), span_of(r->k.der, r->k.len)));
    ASSERT_OK(rig_phase_3(r));
    cr_expect(r->key.has_kpersistent && k->has_kpersistent);
    cr_expect(memcmp(r->key.kpersistent, k->kpersistent, TRANSACTION_KPERSISTENT) == 0);
    rig_free(r);
}

Test(pairing, kpersistent_is_replaced_by_each_standard_transaction)
{
    struct rig *r = rig_new(test_crypto());
    uint8_t before[TRANSACTION_KPERSISTENT];
    bool fast;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    memcpy(before, r->key.kpersistent, sizeof before);
    ASSERT_OK(rig_unlock(r, true, false, &fast));
    cr_expect(memcmp(before, r->key.kpersistent, sizeof before) == 0);
    ASSERT_OK(rig_unlock(r, false, false, &fast));
    cr_expect(memcmp(before, r->key.kpersistent, sizeof before) != 0);
    r->key.kpersistent[0] ^=
        1; /* the vehicle lost it: fast fails, the same transaction goes on as standard */
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(not(fast));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(fast);
    rig_free(r);
}

Test(pairing, exchange_after_fast_needs_its_option)
{
    struct rig *r = rig_new(test_crypto());
    bool fast;
    r->pairing_config.key_data.creation.options_1 = ENDPOINT_OWNER_OPTIONS_1;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    EXPECT_ERR(rig_unlock(r, true, true, &fast), ERR_DK_STATUS);
    ASSERT_OK(rig_unlock(r, true, false, &fast));
    cr_expect(fast);
    r->pairing_config.key_data.creation.options_1 = ENDPOINT_STANDARD_CONTACTLESS;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(not(fast));
    rig_free(r);
}

Test(pairing, terminated_key_opens_nothing)
{
    struct rig *r = rig_new(test_crypto());
    bool fast;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    applet_terminate_endpoint(&r->applet, &r->applet.keys[0]);
    EXPECT_ERR(rig_unlock(r, true, false, &fast), ERR_DK_STATUS);
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_DK_STATUS);
    applet_delete_endpoint(&r->applet, &r->applet.keys[0]);
    cr_expect(eq(sz, phone_keys(r), 0));
    rig_free(r);
}

Test(pairing, slots_are_handed_out_and_refilled)
{
    struct rig *r = rig_new(test_crypto());
    struct digital_key *k = &r->applet.keys[0];
    const uint8_t *p = k->mailboxes.private_area;
    struct slot_id slot;
    unsigned entry;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    ASSERT_OK(dk_device_collect(&r->device, k));
    cr_expect(eq(int, p[0], 0), "the phone took note of the slots");
    for (unsigned i = 1; i < MAILBOX_SLOTS; i++) {
        ASSERT_OK(dk_device_hand_out_slot(&r->device, k, &slot, &entry));
        cr_expect(eq(uint, entry, i));
        cr_expect(eq(int, slot.b[7], (int)i + 1));
        cr_expect(eq(int, p[0], MAILBOX_SLOT_BITMAP_CHANGED));
        cr_expect(eq(int, p[1], 0xFF & ~((1 << (i + 1)) - 2)));
    }
    EXPECT_ERR(dk_device_hand_out_slot(&r->device, k, &slot, &entry), ERR_NOT_FOUND);
    for (uint8_t i = 1; i < MAILBOX_SLOTS; i++)
        r->finish_config.offer.slots[i].b[6] = 1;
    ASSERT_OK(rig_refill(r));
    cr_expect(eq(int, p[0], MAILBOX_SLOT_BITMAP_CHANGED | MAILBOX_SLOTS_WRITTEN));
    cr_expect(eq(int, p[1], 0xFF));
    ASSERT_OK(dk_device_hand_out_slot(&r->device, k, &slot, &entry));
    cr_expect(slot.b[6] == 1 && slot.b[7] == 2 && entry == 1);
    cr_expect(eq(int, p[0], MAILBOX_SLOT_BITMAP_CHANGED), "the list counts as read");
    ASSERT_OK(dk_device_collect(&r->device, k));
    cr_expect(eq(int, p[0], MAILBOX_SLOT_BITMAP_CHANGED), "the phone's own word stays for the vehicle");
    size_t before = r->apdus;
    ASSERT_OK(rig_refill(r)); /* the same identifier again: a friend has it */
    cr_expect(eq(sz, r->apdus - before, 5));
    cr_expect(eq(int, r->finish.spent, 0x02));
    cr_expect(eq(int, p[1], 0xFD));
    r->finish_config.offer.slots[1].b[6] = 2;
    before = r->apdus;
    ASSERT_OK(rig_refill(r)); /* one entry: AUTH0, AUTH1, two EXCHANGE */
    cr_expect(eq(sz, r->apdus - before, 6));
    cr_expect(eq(int, r->finish.spent, 0));
    cr_expect(eq(int, p[1], 0xFF));
    before = r->apdus;
    ASSERT_OK(rig_refill(r)); /* nothing to do but to look */
    cr_expect(eq(sz, r->apdus - before, 5));
    rig_free(r);
}

Test(pairing, what_has_ended_stays_as_it_ended)
{
    struct rig *r = rig_new(test_crypto());
    bool fast;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair_phase_2(r));
    struct vehicle_step s =
        vehicle_pairing_link_lost(&r->pairing); /* the phone leaves, later a timer runs out */
    cr_expect(s.what == VEHICLE_DONE && s.reason == ERR_OK);
    s = vehicle_pairing_timeout(&r->pairing);
    cr_expect(s.what == VEHICLE_DONE && s.reason == ERR_OK);
    s = vehicle_pairing_proceed(&r->pairing);
    cr_expect(s.what == VEHICLE_DONE && s.reason == ERR_OK);
    cr_expect(memcmp(r->pairing.result.device_pk, r->key.device_pk, P256_POINT) == 0);
    ASSERT_OK(rig_phase_3(r));
    s = vehicle_finish_link_lost(&r->finish);
    cr_expect(s.what == VEHICLE_DONE && s.reason == ERR_OK);
    ASSERT_OK(rig_unlock(r, false, false, &fast));
    s = vehicle_transaction_fail(&r->unlock, ERR_DK_TIMEOUT);
    cr_expect(s.what == VEHICLE_DONE && s.reason == ERR_OK);
    s = vehicle_transaction_exchange(&r->unlock, span_of("\x00", 1));
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_OUT_OF_ORDER);
    rig_free(r);
}

/* ---- dialects: where the public record leaves two readings, both ends must use the same ---- */

Test(pairing, get_response_may_rest_the_channel)
{
    for (int both = 0; both < 2; both++) {
        struct rig *r = rig_new(test_crypto());
        r->device.rules = &channel_framework_resting;
        if (both)
            r->pairing_config.rules = &channel_framework_resting;
        rig_enter_password(r, true);
        EXPECT_ERR(rig_pair_phase_2(r), both ? ERR_OK : ERR_SIGNATURE_INVALID);
        rig_free(r);
    }
}

Test(pairing, version_list_may_enter_the_keys)
{
    for (int both = 0; both < 2; both++) {
        struct rig *r = rig_new(test_crypto());
        bool fast;
        r->applet.versions_in_info = true;
        r->finish_config.transaction.versions_in_info = both;
        rig_enter_password(r, true);
        ASSERT_OK(rig_pair_phase_2(r));
        EXPECT_ERR(rig_phase_3(r), both ? ERR_OK : ERR_SIGNATURE_INVALID);
        if (both)
            EXPECT_ERR(rig_unlock(r, true, true, &fast), ERR_OK);
        rig_free(r);
    }
}

/* ---- passwords ---- */

Test(pairing, seven_attempts_then_none)
{
    struct rig *r = rig_new(test_crypto());
    for (unsigned i = 1; i <= SPAKE2P_ATTEMPTS_MAX; i++) {
        dk_device_set_password(&r->device, span_of("00000000", 8));
        EXPECT_ERR(rig_pair_phase_2(r), ERR_DK_EVIDENCE);
        cr_expect(eq(uint, r->attempts, i));
    }
    rig_enter_password(r, true);
    EXPECT_ERR(rig_pair_phase_2(r), ERR_DK_ATTEMPTS); /* the right one comes too late */
    cr_expect(eq(sz, r->verifies_seen, SPAKE2P_ATTEMPTS_MAX));
    rig_free(r);
}

Test(pairing, no_password_is_polled_then_times_out)
{
    struct rig *r = rig_new(test_crypto());
    EXPECT_ERR(rig_pair_phase_2(r), ERR_DK_TIMEOUT);
    cr_expect(eq(uint, r->attempts, 0));
    rig_free(r);
}

/* ---- what each side refuses ---- */

/* Each changes one thing before pairing. */

static void spake_version(struct rig *r)
{
    r->pairing_config.versions.v[0] = 0x0900;
}

static void applet_version(struct rig *r)
{
    r->pairing_config.applet_versions.v[0] = 0x0900;
}

static void key_not_k(struct rig *r)
{
    p256_public(r->j1.key, r->pairing_config.key_data.creation.vehicle_pk);
}

static void vehicle_id(struct rig *r)
{
    r->pairing_config.key_data.creation.vehicle_id[7] ^= 1;
}

static void unknown_root(struct rig *r)
{
    memcpy(r->partner->root, r->d.der, r->d.len);
    r->partner->root_len = r->d.len;
}

static void no_intermediate(struct rig *r)
{
    r->pairing_config.key_data.intermediate = (struct span){0};
}

static void vehicle_expired(struct rig *r)
{
    r->device.now_s += 30 * 365 * 86400ll;
}

static void map_too_large(struct rig *r)
{
    r->pairing_config.key_data.map.end = MAILBOX_DEFAULT_PRIVATE + 1;
}

static void mailbox_too_large(struct rig *r)
{
    r->pairing_config.key_data.creation.private_size = MAILBOX_PRIVATE_MAX + 1;
}

static void weak_scrypt(struct rig *r)
{
    r->pairing_config.scrypt.n = 1024;
}

static void zero_salt(struct rig *r)
{
    memset(r->pairing_config.scrypt.salt, 0, sizeof r->pairing_config.scrypt.salt);
}

static void f_foreign(struct rig *r)
{
    memcpy(r->partner->device_oem, r->d.der, r->d.len);
    r->partner->device_oem_len = r->d.len;
}

static void device_expired(struct rig *r)
{
    r->pairing_config.now_s += 30 * 365 * 86400ll;
}

static void part_outside(struct rig *r)
{
    r->pairing_config.key_data.config.auth1_confidential =
        (struct mailbox_part){MAILBOX_DEFAULT_CONFIDENTIAL - 1, 2};
}

static void authorized_off_curve(struct rig *r)
{
    r->pairing_config.key_data.creation.authorized_pk[40] ^= 1;
}

static void not_certified(struct rig *r)
{
    r->partner->instance_ca_len = 0;
}

static void no_partner(struct rig *r)
{
    text_copy(r->partner->manufacturer, sizeof r->partner->manufacturer, "somebody");
}

static void swapped_f_e(struct rig *r)
{
    dk_partner_certify(r->partner, span_of(r->e.der, r->e.len), span_of(r->f.der, r->f.len));
}

/* Who must notice, with which reason. */
static const struct {
    const char *name;
    void (*tamper)(struct rig *r);
    enum err reason;
    uint8_t p2; /* of the abort */
} tampers[] = {
    {"SPAKE2+ version", spake_version, ERR_DK_SPAKE_VERSION, APDU_ABORT_SPAKE_VERSION},
    {"applet version", applet_version, ERR_DK_APPLET_VERSION, APDU_ABORT_APPLET_VERSION},
    {"vehicle key is not that of [K]", key_not_k, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"vehicle id", vehicle_id, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"unknown root", unknown_root, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"no intermediate", no_intermediate, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"vehicle certificate expired", vehicle_expired, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"map too large", map_too_large, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"mailbox too large", mailbox_too_large, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"part outside", part_outside, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"no partner", no_partner, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"authorized_PK off the curve", authorized_off_curve, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"not certified", not_certified, ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {"weak scrypt", weak_scrypt, ERR_DK_STATUS, APDU_ABORT_OTHER},
    {"zero salt", zero_salt, ERR_DK_STATUS, APDU_ABORT_OTHER},
    {"[F] is of another authority", f_foreign, ERR_CERT_PROFILE, APDU_ABORT_CERTIFICATE},
    {"device certificate expired", device_expired, ERR_CERT_EXPIRED, APDU_ABORT_CERTIFICATE},
    {"[E] and [F] change places", swapped_f_e, ERR_CERT_PROFILE, APDU_ABORT_CERTIFICATE},
};

/* Remembers the last OP CONTROL FLOW. */
static void remember_flow(void *arg, bool command, struct span apdu)
{
    uint8_t *p2 = arg;
    if (command && apdu.len >= 4 && apdu.p[1] == APDU_CONTROL_FLOW && apdu.p[2] == APDU_FLOW_ABORT)
        *p2 = apdu.p[3];
}

Test(pairing, refusals_name_their_reason)
{
    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        struct rig *r = rig_new(test_crypto());
        uint8_t p2 = 0xEE;
        r->tap = remember_flow;
        r->tap_arg = &p2;
        rig_enter_password(r, true);
        tampers[i].tamper(r);
        enum err e = rig_pair_phase_2(r);
        cr_expect(eq(int, (int)e, (int)tampers[i].reason), "%s: %s", tampers[i].name, err_name(e));
        cr_expect(eq(int, p2, tampers[i].p2), "%s", tampers[i].name);
        cr_expect(not(r->key_pending), "%s", tampers[i].name);
        cr_expect(eq(sz, phone_keys(r), 0), "%s", tampers[i].name);
        rig_free(r);
    }
}

/* The tap lends the vehicle the phone's new public key the moment it is made. */
struct lend {
    struct rig *rig;
    uint8_t known[1][P256_POINT];
};

static void lend_key(void *arg, bool command, struct span apdu)
{
    struct lend *l = arg;
    (void)command;
    (void)apdu;
    if (l->rig->device.pairing.key)
        memcpy(l->known[0], l->rig->device.pairing.key->device_pk, P256_POINT);
}

Test(pairing, a_key_that_the_vehicle_has_already_is_refused)
{
    struct rig *r = rig_new(test_crypto());
    struct lend l = {.rig = r};
    r->tap = lend_key;
    r->tap_arg = &l;
    r->pairing_config.known_keys = l.known;
    r->pairing_config.n_known_keys = 1;
    rig_enter_password(r, true);
    EXPECT_ERR(rig_pair_phase_2(r), ERR_DK_KEY_MISMATCH);
    cr_expect(not(r->key_pending));
    cr_expect(eq(sz, phone_keys(r), 0));
    rig_free(r);
}

/* ---- faults ---- */

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        if (b[i])
            return false;
    return true;
}

#define EXPECT_WIPED(field)                                                                \
    cr_expect(all_zero(&(field), sizeof(field)), "%s is left: %s of APDU %zu, %u", #field, \
              rig_fault_names[f.kind], f.apdu, f.arg)

/* After a run that met a fault: nothing is left but what a finished pairing leaves. */
static void expect_defined_state(struct rig *r, struct rig_fault f)
{
    cr_expect(r->pairing.state == VP_OVER);
    EXPECT_WIPED(r->pairing.spake);
    EXPECT_WIPED(r->pairing.channel);
    EXPECT_WIPED(r->pairing.keys);
    EXPECT_WIPED(r->pairing.m1);
    EXPECT_WIPED(r->pairing.block);
    EXPECT_WIPED(r->finish.transaction.channel);
    EXPECT_WIPED(r->finish.transaction.ephemeral);
    rig_walk_away(r);
    EXPECT_WIPED(r->device.pairing);
    EXPECT_WIPED(r->device.password);
    EXPECT_WIPED(r->device.prover);
    EXPECT_WIPED(r->applet.session.channel);
    EXPECT_WIPED(r->applet.session.ephemeral);
    EXPECT_WIPED(r->applet.session.stage);
    cr_expect(r->device.state == DK_IDLE || r->device.state == DK_PAIRED);
    for (size_t i = 0; i < APPLET_KEYS; i++) {
        bool there = r->applet.keys[i].state == APPLET_KEY_ACTIVE;
        cr_expect(eq(int, there, r->device.owned[i].paired), "a key is half there: %s of APDU %zu, %u",
                  rig_fault_names[f.kind], f.apdu, f.arg);
        if (!there)
            EXPECT_WIPED(r->device.owned[i]);
    }
    cr_expect(eq(sz, r->verifies_seen, r->attempts_counted));
}

/* False when the fault changed nothing: the right command in place of itself, no answer yet to repeat. */
static bool run_with(struct rig *r, struct rig_fault f)
{
    bool fast = false;
    r->fault = f;
    r->fault_fired = false;
    r->apdus = r->verifies_seen = r->attempts_counted = 0;
    r->last_answer_len = 0;
    rig_enter_password(r, true);
    enum err e = rig_pair(r);
    if (!e)
        e = rig_unlock(r, false, true, &fast);
    if (!e)
        e = rig_unlock(r, true, true, &fast);
    bool fired = r->fault_fired;
    expect_defined_state(r, f);
    bool lost = f.kind == RIG_LOSE_COMMAND || f.kind == RIG_LOSE_ANSWER;
    bool flipped = f.kind == RIG_FLIP_COMMAND || f.kind == RIG_FLIP_ANSWER;
    if (lost || (flipped && r->fault_on_protected))
        cr_expect(e != ERR_OK, "%s of APDU %zu, %u went through", rig_fault_names[f.kind], f.apdu, f.arg);
    if (e == ERR_OK)
        cr_expect(r->device.state == DK_PAIRED && r->key_active);
    r->fault.kind = RIG_NO_FAULT;
    r->attempts = 0;
    rig_enter_password(r, true);
    e = rig_pair(r);
    cr_expect(eq(str, (char *)err_name(e), "OK"), "a fresh pairing after %s of APDU %zu, %u",
              rig_fault_names[f.kind], f.apdu, f.arg);
    e = rig_unlock(r, false, true, &fast);
    cr_expect(eq(str, (char *)err_name(e), "OK"), "unlock after %s of APDU %zu, %u", rig_fault_names[f.kind],
              f.apdu, f.arg);
    cr_expect(eq(sz, phone_keys(r), 1));
    return fired;
}

/* Counts commands that are byte for byte a row of rig_commands. */
static void count_rows(void *arg, bool command, struct span apdu)
{
    size_t *n = arg;
    for (size_t i = 0; command && i < RIG_COMMANDS; i++) {
        HEX(row, rig_commands[i]);
        *n += span_equal(apdu, span_of(row, row_len));
    }
}

/* How many APDUs a run has, from SELECT to the second unlock, and how many of them rig_commands has, too. */
static size_t count_apdus(struct rig *r, size_t *rows)
{
    bool fast;
    *rows = 0;
    r->tap = count_rows;
    r->tap_arg = rows;
    r->apdus = 0;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair(r));
    ASSERT_OK(rig_unlock(r, false, true, &fast));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    r->tap = NULL;
    return r->apdus;
}

/* Every APDU of a run meets every fault of these kinds; args 0..args-1 each. */
static void sweep(enum rig_fault_kind kind, unsigned first_arg, unsigned args)
{
    struct rig *r = rig_new(test_crypto());
    size_t rows, n = count_apdus(r, &rows), idle = 0;
    cr_assert(gt(sz, n, 40));
    for (size_t i = 0; i < n; i++)
        for (unsigned a = first_arg; a < args; a++)
            idle += !run_with(r, (struct rig_fault){kind, i, a});
    cr_expect(eq(sz, idle,
                 kind == RIG_REPLACE         ? rows
                 : kind == RIG_REPEAT_ANSWER ? 1
                                             : 0),
              "faults that changed nothing");
    rig_free(r);
}

Test(pairing_fault, lost)
{
    sweep(RIG_LOSE_COMMAND, 0, 1);
    sweep(RIG_LOSE_ANSWER, 0, 1);
}

Test(pairing_fault, repeated)
{
    sweep(RIG_REPEAT_COMMAND, 0, 1);
    sweep(RIG_REPEAT_ANSWER, 0, 1);
}

Test(pairing_fault, command_cut)
{
    sweep(RIG_CUT_COMMAND, 1, 8);
}

Test(pairing_fault, answer_cut)
{
    sweep(RIG_CUT_ANSWER, 1, 8);
}

Test(pairing_fault, bit_of_command_flipped)
{
    sweep(RIG_FLIP_COMMAND, 0, 9);
}

Test(pairing_fault, bit_of_answer_flipped)
{
    sweep(RIG_FLIP_ANSWER, 0, 9);
}

Test(pairing_fault, replaced)
{
    sweep(RIG_REPLACE, 0, RIG_COMMANDS);
}

/* ---- a bad link for longer: what failed is tried again, with no fresh pairing between ---- */

struct bad_link {
    struct rig *rig;
    struct seeded_stream chance;
    size_t faults; /* that changed something */
};

static struct bad_link bad_link_new(const char *name)
{
    struct bad_link l = {.rig = rig_ready(test_crypto())};
    seeded_stream_init(&l.chance, 1, name);
    return l;
}

static unsigned draw(struct bad_link *l, unsigned below)
{
    uint32_t x;
    seeded_stream_draw(&l->chance, &x, sizeof x);
    return x % below;
}

/* One APDU of six meets a fault, of any kind. */
static void next_fault(struct bad_link *l)
{
    struct rig *r = l->rig;
    l->faults += r->fault_fired;
    r->fault_fired = false;
    r->fault = (struct rig_fault){.kind = RIG_NO_FAULT, .apdu = r->apdus};
    if (draw(l, 6) == 0)
        r->fault.kind = 1 + draw(l, RIG_FAULTS - 1);
    r->fault.arg = r->fault.kind == RIG_REPLACE ? draw(l, RIG_COMMANDS) : 1 + draw(l, 7);
}

static void after_answer(void *arg, bool command, struct span apdu)
{
    (void)apdu;
    if (!command)
        next_fault(arg);
}

/* The link is bad for one step of the rig, then good again. */
static enum err badly(struct bad_link *l, enum err (*step)(struct rig *r))
{
    l->rig->tap = after_answer;
    l->rig->tap_arg = l;
    next_fault(l);
    enum err e = step(l->rig);
    l->rig->tap = NULL;
    l->rig->fault.kind = RIG_NO_FAULT;
    return e;
}

static enum err unlock_standard(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, false, &fast);
}

static enum err unlock_standard_and_read(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, true, &fast);
}

static enum err unlock_fast(struct rig *r)
{
    bool fast;
    return rig_unlock(r, true, false, &fast);
}

static enum err unlock_fast_and_read(struct rig *r)
{
    bool fast;
    return rig_unlock(r, true, true, &fast);
}

/* What went wrong before costs the owner a fast transaction at most. */
static void expect_opens(struct rig *r, unsigned round)
{
    bool fast = false;
    enum err e = rig_unlock(r, true, true, &fast);
    cr_assert(eq(str, (char *)err_name(e), "OK"), "round %u", round);
    e = rig_unlock(r, true, true, &fast);
    cr_assert(eq(str, (char *)err_name(e), "OK"), "round %u", round);
    cr_assert(fast, "round %u", round);
    cr_assert(eq(sz, phone_keys(r), 1), "round %u", round);
}

Test(bad_link, an_owner_is_never_locked_out)
{
    static enum err (*const steps[])(struct rig * r) = {unlock_standard, unlock_standard_and_read,
                                                        unlock_fast,     unlock_fast_and_read,
                                                        rig_refill,      rig_phase_4};
    struct bad_link l = bad_link_new("unlocks");
    size_t done[6] = {0}, failed[6] = {0};
    ASSERT_OK(rig_pair(l.rig));
    for (unsigned round = 0; round < 1000; round++) {
        unsigned what = draw(&l, 6);
        enum err e = badly(&l, steps[what]);
        (e ? failed : done)[what]++;
        expect_opens(l.rig, round);
    }
    cr_expect(gt(sz, l.faults, 500));
    for (size_t i = 0; i < 6; i++)
        cr_expect(done[i] > 20 && failed[i] > 20, "step %zu: %zu done, %zu failed", i, done[i], failed[i]);
    rig_free(l.rig);
}

/* A step on the bad link, up to twice; then on a good one, unless it is done. True when it failed at first.
 */
static bool expect_done_in_the_end(struct bad_link *l, enum err (*step)(struct rig *r), const char *name,
                                   unsigned round)
{
    enum err e = badly(l, step);
    bool failed = e != ERR_OK;
    if (e)
        e = badly(l, step);
    if (e)
        e = step(l->rig);
    cr_expect(eq(str, (char *)err_name(e), "OK"), "%s, round %u", name, round);
    return failed;
}

Test(bad_link, phases_3_and_4_are_tried_again_on_the_same_key)
{
    struct bad_link l = bad_link_new("phases");
    struct rig *r = l.rig;
    size_t failed_3 = 0, failed_4 = 0;
    for (unsigned round = 0; round < 200; round++) {
        r->attest_in_phase_3 = round & 1;
        rig_enter_password(r, true);
        ASSERT_OK(rig_pair_phase_2(r));
        const uint8_t *p = phone_mailbox(r);
        failed_3 += expect_done_in_the_end(&l, rig_phase_3, "phase 3", round);
        ASSERT_OK(rig_track_key(r));
        failed_4 += expect_done_in_the_end(&l, rig_phase_4, "phase 4", round);
        cr_expect(r->receipt_stored);
        cr_expect(eq(int, p[0] & MAILBOX_ATTESTATION, 0), "round %u: the receipt was erased", round);
        cr_expect(eq(int, p[1], 0xFF), "round %u", round);
        expect_opens(r, round);
    }
    cr_expect(failed_3 > 100 && failed_4 > 100, "%zu, %zu", failed_3, failed_4);
    rig_free(r);
}

/* The vehicle stored the key and the link broke: either the phone heard that it was accepted, and phase 3
 * goes on, or it did not, and phase 2 begins again. */
Test(bad_link, phase_2_leaves_a_way_on)
{
    struct bad_link l = bad_link_new("phase 2");
    struct rig *r = l.rig;
    size_t whole = 0, goes_on = 0, again = 0, nothing = 0;
    for (unsigned round = 0; round < 400; round++) {
        r->attempts = 0;
        r->key_pending = false;
        rig_enter_password(r, true);
        enum err e = badly(&l, rig_pair_phase_2);
        bool stored = r->key_pending, accepted = r->device.state == DK_PAIRED;
        cr_expect(e != ERR_OK || (stored && accepted), "round %u", round);
        whole += e == ERR_OK;
        if (stored && accepted) {
            goes_on += e != ERR_OK;
        } else {
            (stored ? &again : &nothing)[0]++;
            if (stored)
                EXPECT_ERR(rig_phase_3(r), ERR_DK_STATUS);
            rig_enter_password(r, true);
            ASSERT_OK(rig_pair_phase_2(r));
        }
        ASSERT_OK(rig_phase_3(r));
        expect_opens(r, round);
    }
    cr_expect(whole > 0 && goes_on > 0 && again > 0 && nothing > 0, "%zu %zu %zu %zu", whole, goes_on, again,
              nothing);
    rig_free(r);
}
