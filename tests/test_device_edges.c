/* What one rule of the phone keeps from another: between two sessions, two keys, two pairings. Each of these
 * would go wrong without a sound. */
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/phone.h"
#include "tests/reader.h"
#include "tests/support.h"

#define OEM 0x42 /* mailbox_map_default */

static uint16_t set_byte(struct reader *v, enum exchange_option option, uint16_t offset, uint8_t value)
{
    uint8_t buf[32];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, option);
    exchange_put_set(&w, MAILBOX_PRIVATE, offset, 1, value);
    return reader_exchange(v, &w);
}

/* ---- transactions ---- */

/* Else the phone would accept a fast transaction under a Kpersistent of zeros. */
Test(edges, first_kpersistent_that_is_not_stored_is_none)
{
    static const uint8_t zeros[TRANSACTION_KPERSISTENT];
    struct rig *r = rig_ready(test_crypto());
    struct reader v;
    const struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(rig_pair_phase_2(r));
    cr_assert(not(k->has_kpersistent));
    reader_open(&v, r, DK_CONTACTLESS);
    cr_assert(reader_select(&v) == APDU_SW_OK && reader_auth0(&v, 0) == APDU_SW_OK);
    r->store_fails_at = r->stores + 1;
    cr_expect(eq(int, reader_auth1(&v), APDU_SW_CONDITIONS));
    cr_expect(not(k->has_kpersistent));
    cr_expect(memcmp(k->kpersistent, zeros, sizeof zeros) == 0);
    cr_assert(reader_select(&v) == APDU_SW_OK && reader_auth0(&v, TRANSACTION_FAST) == APDU_SW_OK);
    cr_expect(not(reader_fast(&v, zeros)));
    reader_close(&v);
    rig_free(r);
}

Test(edges, atomic_session_keeps_others_off_its_own_key_only)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    keyring_make_keys(r, 2);
    memcpy(far.transaction.vehicle_id, r->applet.keys[1].creation.vehicle_id, TRANSACTION_VEHICLE_ID);
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    cr_expect(r->applet.sessions[DK_BLE].key == &r->applet.keys[1]);
    cr_expect(eq(int, set_byte(&near, EXCHANGE_MORE, OEM, 0x11), APDU_SW_OK));
    cr_expect(eq(int, set_byte(&far, EXCHANGE_COMMIT, OEM, 0x22), APDU_SW_OK), "another key");
    cr_expect(eq(int, set_byte(&near, EXCHANGE_COMMIT, OEM, 0x33), APDU_SW_OK));
    cr_expect(eq(int, r->applet.keys[0].mailboxes.private_area[OEM], 0x33));
    cr_expect(eq(int, r->applet.keys[1].mailboxes.private_area[OEM], 0x22));
    readers_close(&near, &far);
}

Test(edges, key_is_not_erased_under_the_session_of_the_other_link)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    const struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(dk_device_terminate(&r->device, &r->applet.keys[0]));
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    cr_expect(eq(int, set_byte(&near, EXCHANGE_COMMIT, 0, 0), APDU_SW_OK));
    size_t stores = r->stores;
    cr_expect(eq(int, reader_end(&near), APDU_SW_OK));
    cr_expect(k->state == APPLET_KEY_TERMINATED && r->applet.sessions[DK_BLE].key == k);
    cr_expect(eq(sz, r->stores, stores));
    rig_phone_reset_over(r, DK_CONTACTLESS);
    cr_expect(k->state == APPLET_KEY_TERMINATED && r->applet.sessions[DK_BLE].key == k);
    cr_expect(eq(int, reader_end(&far), APDU_SW_OK));
    cr_expect(eq(int, k->state, APPLET_KEY_NONE));
    cr_expect(eq(uint, r->stored.erase, 1));
    readers_close(&near, &far);
}

/* The vehicle's termination comes to nothing, for VehiclePropDat is too long; its session alone has ended. */
Test(edges, collecting_is_remembered_until_the_other_session_has_ended)
{
    struct reader near, far;
    struct rig *r = readers_open(&near, &far);
    struct digital_key *k = &r->applet.keys[0];
    struct dk_owned *o = &r->device.owned[0];
    k->mailboxes.private_size = o->map.end = 1024;
    o->map.attestation = OEM + ATTESTATION_OEM_MAX + 1;
    o->attestation_len = 0;
    cr_assert(reader_authenticate(&near) && reader_authenticate(&far));
    EXPECT_ERR(dk_device_collect(&r->device, k), ERR_BUSY);
    r->device.later[0].terminate = 1u << DK_CONTACTLESS;
    memcpy(k->mailboxes.private_area + o->map.attestation, "\x5F\x5A\x02\x11\x22", 5);
    k->mailboxes.private_area[0] = MAILBOX_ATTESTATION;
    cr_expect(eq(int, reader_end(&near), APDU_SW_OK));
    cr_expect(eq(int, k->state, APPLET_KEY_ACTIVE));
    cr_expect(eq(int, r->device.later[0].terminate, 0));
    cr_expect(eq(sz, o->attestation_len, 0), "the other is still open");
    cr_expect(r->device.later[0].collect);
    cr_expect(eq(int, reader_end(&far), APDU_SW_OK));
    cr_expect(eq(sz, o->attestation_len, 2));
    cr_expect(not(r->device.later[0].collect));
    readers_close(&near, &far);
}

/* ---- pairing ---- */

Test(edges, key_is_not_accepted_with_an_object_half_read)
{
    static const uint8_t endpoint[2] = {0x7F, 0x24};
    struct rig *r = rig_ready(test_crypto());
    phone_bring_to(r, DK_SECURE2);
    cr_assert(eq(int, phone_read_object(r, 0x7F24, "84C0000000"), APDU_SW_OK));
    uint16_t sw = phone_send_protected(r, APDU_GET_DATA, 0, span_of(endpoint, sizeof endpoint));
    cr_assert(eq(int, sw & 0xFF00, APDU_SW_MORE));
    size_t stores = r->stores;
    cr_expect(eq(int, phone_send(r, "803C1002"), APDU_SW_CONDITIONS));
    cr_expect(eq(int, r->device.state, DK_SELECTED));
    cr_expect(eq(sz, rig_phone_keys(r), 0));
    cr_expect(eq(sz, r->stores, stores));
    rig_free(r);
}

static bool is_zero(const void *p, size_t len)
{
    const uint8_t *b = p;
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= b[i];
    return any == 0;
}

Test(edges, link_that_is_lost_takes_the_pairings_secrets_along)
{
    static const enum dk_device_state states[] = {DK_REQUESTED, DK_SECURE1, DK_WRITTEN, DK_SECURE2};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        const char *name = dk_device_state_name(states[i]);
        const struct dk_pairing *p = &r->device.pairing;
        phone_bring_to(r, states[i]);
        if (states[i] == DK_REQUESTED)
            cr_expect(not(is_zero(&p->spake, sizeof p->spake)));
        else
            cr_expect(not(is_zero(&p->keys, sizeof p->keys)), "%s", name);
        rig_phone_reset(r);
        cr_expect(eq(int, r->device.state, DK_IDLE), "%s", name);
        cr_expect(is_zero(&p->keys, sizeof p->keys), "%s: keys", name);
        cr_expect(is_zero(&p->spake, sizeof p->spake), "%s: SPAKE2+", name);
        cr_expect(is_zero(&p->block, sizeof p->block), "%s: key data", name);
        cr_expect(is_zero(p->object, sizeof p->object), "%s: object", name);
        cr_expect(not(p->channel.open), "%s", name);
        rig_free(r);
    }
}

/* The owner asks for his changes after the pairing only: what he is told to erase must not be the new key,
 * and what he is told to put must be there. */
Test(edges, changes_of_before_do_not_undo_an_accepted_key)
{
    for (int deleted = 0; deleted < 2; deleted++) {
        struct rig *r = rig_ready(test_crypto());
        struct digital_key *k = &r->applet.keys[0];
        ASSERT_OK(rig_pair(r));
        (void)dk_device_changes(&r->device);
        if (deleted)
            dk_device_delete(&r->device, k);
        else
            ASSERT_OK(dk_device_suspend(&r->device, k));
        rig_enter_password(r, true);
        phone_bring_to(r, DK_SECURE2);
        cr_assert(eq(int, phone_accept(r), APDU_SW_OK));
        cr_expect(eq(uint, r->stored.put, deleted ? 1 : 2), "%d", deleted);
        cr_expect(eq(uint, r->stored.erase, deleted ? 0 : 1), "%d", deleted);
        struct dk_change c = dk_device_changes(&r->device);
        cr_expect(eq(uint, c.erase, 0), "%d", deleted);
        cr_expect(eq(uint, c.put, 0), "%d", deleted);
        rig_free(r);
    }
}
