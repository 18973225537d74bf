/* A phone that is switched off and on again: its records hold all that it needs to go on. */
#include <signal.h>

#include "lib/ccc/ecies.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/support.h"

static struct digital_key *first_key(struct rig *r)
{
    return &r->applet.keys[0];
}

static struct rig *paired(void)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    rig_walk_away(r);
    return r;
}

Test(records, every_phase_in_another_life)
{
    struct rig *r = rig_new(test_crypto());
    ASSERT_OK(keyring_restart(r));
    rig_enter_password(r, true);
    ASSERT_OK(keyring_restart(r));
    cr_assert(r->device.derived, "no second scrypt");
    cr_assert(memcmp(&r->device.prover, &r->prover, sizeof r->prover) == 0);
    ASSERT_OK(rig_pair_phase_2(r));
    dk_device_forget_password(&r->device);
    ASSERT_OK(keyring_restart(r));
    cr_assert(eq(sz, rig_phone_keys(r), 1));
    ASSERT_OK(rig_phase_3(r));
    ASSERT_OK(keyring_restart(r));
    ASSERT_OK(rig_track_key(r));
    ASSERT_OK(keyring_restart(r));
    ASSERT_OK(rig_phase_4(r));
    cr_expect(r->key.tracked);
    rig_free(r);
}

Test(records, attestation_in_phase_3)
{
    struct rig *r = rig_new(test_crypto());
    r->attest_in_phase_3 = true;
    rig_enter_password(r, true);
    ASSERT_OK(rig_pair_phase_2(r));
    dk_device_forget_password(&r->device);
    ASSERT_OK(rig_phase_3(r));
    ASSERT_OK(keyring_restart(r));
    ASSERT_OK(rig_track_key(r));
    cr_expect(lt(sz, 100, r->device.owned[0].attestation_len));
    ASSERT_OK(keyring_restart(r));
    ASSERT_OK(rig_phase_4(r));
    rig_free(r);
}

Test(records, unlocks)
{
    static const struct {
        bool fast, exchange;
        enum transaction_interface interface;
    } rows[] = {
        {.fast = true, .exchange = false, .interface = TRANSACTION_CONTACTLESS},
        {.fast = true, .exchange = true, .interface = TRANSACTION_CONTACTLESS},
        {.fast = false, .exchange = true, .interface = TRANSACTION_CONTACTLESS},
        {.fast = false, .exchange = false, .interface = TRANSACTION_CONTACTLESS},
        {.fast = true, .exchange = true, .interface = TRANSACTION_CONTACTLESS},
        {.fast = true, .exchange = true, .interface = TRANSACTION_BLE},
        {.fast = false, .exchange = false, .interface = TRANSACTION_BLE},
    };
    struct rig *r = paired();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool fast = !rows[i].fast;
        r->interface = r->finish_config.transaction.interface = rows[i].interface;
        ASSERT_OK(keyring_restart(r));
        EXPECT_OK(rig_unlock(r, rows[i].fast, rows[i].exchange, &fast), "row %zu", i);
        cr_expect(eq(int, fast, rows[i].fast), "row %zu", i);
    }
    rig_free(r);
}

Test(records, slots_are_handed_out_and_refilled)
{
    struct rig *r = paired();
    struct slot_id slot;
    unsigned entry;
    const uint8_t *p = first_key(r)->mailboxes.private_area;
    for (unsigned i = 1; i < MAILBOX_SLOTS; i++) {
        ASSERT_OK(keyring_restart(r));
        ASSERT_OK(dk_device_hand_out_slot(&r->device, first_key(r), &slot, &entry));
        cr_expect(eq(uint, entry, i));
        cr_expect(eq(int, slot.b[7], (int)i + 1));
    }
    ASSERT_OK(keyring_restart(r));
    EXPECT_ERR(dk_device_hand_out_slot(&r->device, first_key(r), &slot, &entry), ERR_NOT_FOUND);
    for (uint8_t i = 1; i < MAILBOX_SLOTS; i++)
        r->finish_config.offer.slots[i].b[6] = 1;
    ASSERT_OK(rig_refill(r));
    ASSERT_OK(keyring_restart(r));
    cr_expect(eq(int, p[1], 0xFF));
    ASSERT_OK(dk_device_collect(&r->device, first_key(r)));
    ASSERT_OK(dk_device_hand_out_slot(&r->device, first_key(r), &slot, &entry));
    cr_expect(slot.b[6] == 1 && slot.b[7] == 2 && entry == 1);
    rig_free(r);
}

/* What a server sealed before arrives after. */
Test(records, confidential_data_for_the_same_encryption_key)
{
    struct rig *r = paired();
    static const uint8_t plain[] = {0x00, 0x10, 't', 'o', 'k', 'e', 'n'};
    uint8_t public_key[P256_POINT], again[P256_POINT], ephemeral_pk[P256_POINT];
    uint8_t sealed[sizeof plain + ECIES_OVERHEAD];
    struct p256_key *ephemeral;
    ASSERT_OK(applet_encryption_key(&r->applet, first_key(r), public_key));
    ASSERT_OK(p256_generate(r->crypto, &ephemeral));
    p256_public(ephemeral, ephemeral_pk);
    ASSERT_OK(ecies_seal(r->crypto, ephemeral, public_key, span_of(plain, sizeof plain), sealed));
    ASSERT_OK(keyring_restart(r));
    ASSERT_OK(
        applet_set_confidential(&r->applet, first_key(r), ephemeral_pk, span_of(sealed, sizeof sealed)));
    cr_expect(memcmp(first_key(r)->mailboxes.confidential_area + 0x10, "token", 5) == 0);
    ASSERT_OK(applet_encryption_key(&r->applet, first_key(r), again));
    cr_expect(memcmp(public_key, again, sizeof again) == 0);
    p256_free(ephemeral);
    rig_free(r);
}

/* The loaded instance CA signs [H], under the partner's certificates; the older key goes. */
Test(records, another_pairing)
{
    struct rig *r = paired();
    uint8_t older[P256_POINT];
    memcpy(older, first_key(r)->device_pk, sizeof older);
    ASSERT_OK(keyring_restart(r));
    rig_enter_password(r, false);
    ASSERT_OK(rig_pair(r));
    cr_expect(eq(sz, rig_phone_keys(r), 1));
    cr_expect(memcmp(older, r->key.device_pk, sizeof older) != 0);
    rig_free(r);
}

Test(records, keys_that_open_nothing_stay_so)
{
    static const struct {
        bool terminate;
        enum applet_key_state state;
    } rows[] = {{true, APPLET_KEY_TERMINATED}, {false, APPLET_KEY_SUSPENDED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = paired();
        bool fast;
        if (rows[i].terminate)
            applet_terminate_endpoint(&r->applet, first_key(r));
        else
            first_key(r)->state = APPLET_KEY_SUSPENDED;
        enum err before = rig_unlock(r, true, false, &fast);
        ASSERT_OK(keyring_restart(r));
        cr_assert(eq(int, first_key(r)->state, rows[i].state));
        EXPECT_ERR(rig_unlock(r, true, false, &fast), before);
        cr_expect(ne(int, before, ERR_OK));
        rig_free(r);
    }
}

/* A link that is lost when the device's key is made, and not yet accepted. */
static struct rig *half_paired(void)
{
    for (size_t apdu = 0; apdu < 60; apdu++) {
        struct rig *r = rig_ready(test_crypto());
        r->fault = (struct rig_fault){.kind = RIG_LOSE_COMMAND, .apdu = apdu};
        (void)!rig_pair_phase_2(r);
        if (rig_phone_keys(r) == 1 && !r->device.owned[0].paired)
            return r;
        rig_free(r);
    }
    cr_fatal("no APDU leaves a key that is not paired");
    return NULL;
}

Test(records, a_pairing_under_way_is_lost_with_the_power)
{
    struct rig *r = half_paired();
    r->fault.kind = RIG_NO_FAULT;
    ASSERT_OK(keyring_restart(r));
    cr_expect(eq(sz, rig_phone_keys(r), 0));
    cr_expect(eq(sz, r->device.password_len, 8), "the password is still there");
    ASSERT_OK(rig_pair(r));
    rig_free(r);
}

/* Nothing that a bad link does to a phone is more than its records hold. */
Test(records, whatever_was_saved_is_loaded)
{
    size_t paired_keys = 0;
    for (enum rig_fault_kind kind = RIG_NO_FAULT + 1; kind < RIG_REPLACE; kind++)
        for (size_t apdu = 0; apdu < 45; apdu += 2) {
            struct rig *r = rig_ready(test_crypto());
            r->fault = (struct rig_fault){.kind = kind, .apdu = apdu, .arg = 3};
            (void)!rig_pair(r);
            size_t paired_before = 0, paired_after = 0;
            for (size_t i = 0; i < APPLET_KEYS; i++)
                paired_before += r->device.owned[i].paired;
            EXPECT_OK(keyring_restart(r), "%s, APDU %zu", rig_fault_names[kind], apdu);
            for (size_t i = 0; i < APPLET_KEYS; i++)
                paired_after += r->device.owned[i].paired;
            cr_expect(eq(sz, paired_before, paired_after));
            paired_keys += paired_after;
            rig_free(r);
        }
    cr_expect(lt(sz, 50, paired_keys), "%zu", paired_keys);
}

Test(records, a_key_that_is_not_paired_has_no_record, .signal = SIGABRT)
{
    static uint8_t out[DK_RECORD_KEY_MAX];
    size_t len;
    struct rig *r = half_paired();
    (void)!dk_record_save_key(&r->device, 0, out, sizeof out, &len);
}

Test(records, no_key_is_loaded_over_another, .signal = SIGABRT)
{
    static struct keyring k;
    struct rig *r = paired();
    ASSERT_OK(keyring_save(&r->device, &k));
    (void)!dk_record_load_key(&r->device, 0, span_of(k.keys[0].bytes, k.keys[0].len));
}
