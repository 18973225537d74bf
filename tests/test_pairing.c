/* Vehicle and phone pair in memory; what each refuses. The same on a bad link: test_link_fault.c. */
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

Test(pairing, from_select_to_receipt_then_unlock)
{
    struct rig *r = rig_new(test_crypto());
    bool fast = true;
    rig_enter_password(r, false); /* scrypt and all */
    ASSERT_OK(rig_pair(r));
    cr_assert(eq(int, r->device.state, DK_PAIRED));
    cr_assert(eq(sz, rig_phone_keys(r), 1));
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
    cr_assert(eq(int, bits, MAILBOX_SLOT_BITMAP_CHANGED | MAILBOX_ATTESTATION));
    ASSERT_OK(rig_track_key(r));
    cr_assert(lt(sz, 100, o->attestation_len));
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
    cr_expect(eq(int, p[m->signalling], MAILBOX_SLOTS_WRITTEN));
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
    size_t before = r->apdus;
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(fast && !r->unlock.fast, "opened fast, then AUTH1 for the EXCHANGE");
    cr_expect(eq(sz, r->apdus - before, 5));
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
    EXPECT_ERR(rig_unlock(r, true, false, &fast), ERR_DK_TERMINATED);
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_DK_TERMINATED);
    applet_delete_endpoint(&r->applet, &r->applet.keys[0]);
    cr_expect(eq(sz, rig_phone_keys(r), 0));
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
    cr_expect(eq(int, p[0], MAILBOX_SLOTS_WRITTEN), "the vehicle took note of the phone's word");
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
        cr_expect(eq(uint, r->store.attempts, i));
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
    cr_expect(eq(uint, r->store.attempts, 0));
    rig_free(r);
}

/* ---- what each side refuses ---- */

/* Each changes one thing behind the back of the vehicle, which would refuse some of it at once. */

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
    memcpy(r->partner->anchors[0].root, r->d.der, r->d.len);
    r->partner->anchors[0].root_len = r->d.len;
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
    memcpy(r->partner->anchors[0].device_oem, r->d.der, r->d.len);
    r->partner->anchors[0].device_oem_len = r->d.len;
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

/* Tampers once the vehicle has looked at its configuration; remembers the last OP CONTROL FLOW. */
struct tamper_run {
    struct rig *rig;
    void (*tamper)(struct rig *r); /* NULL: done */
    uint8_t p2;
};

static void tamper_and_remember(void *arg, bool command, struct span apdu)
{
    struct tamper_run *run = arg;
    if (run->tamper)
        run->tamper(run->rig);
    run->tamper = NULL;
    if (command && apdu.len >= 4 && apdu.p[1] == APDU_CONTROL_FLOW && apdu.p[2] == APDU_FLOW_ABORT)
        run->p2 = apdu.p[3];
}

Test(pairing, refusals_name_their_reason)
{
    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        struct rig *r = rig_new(test_crypto());
        struct tamper_run run = {.rig = r, .tamper = tampers[i].tamper, .p2 = 0xEE};
        r->tap = tamper_and_remember;
        r->tap_arg = &run;
        rig_enter_password(r, true);
        enum err e = rig_pair_phase_2(r);
        cr_expect(eq(int, (int)e, (int)tampers[i].reason), "%s: %s", tampers[i].name, err_name(e));
        cr_expect(eq(int, run.p2, tampers[i].p2), "%s", tampers[i].name);
        cr_expect(eq(int, r->key.state, 0), "%s", tampers[i].name);
        cr_expect(eq(sz, rig_phone_keys(r), 0), "%s", tampers[i].name);
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
    cr_expect(eq(int, r->key.state, 0));
    cr_expect(eq(sz, rig_phone_keys(r), 0));
    rig_free(r);
}
