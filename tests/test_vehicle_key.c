/* The vehicle's record of a key: what a pairing leaves in it, and whom a transaction opens to. */
#include "lib/ccc/applet_message.h"
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

enum { DAY_S = 86400 };

/* ---- from a pairing ---- */

Test(vehicle_key, a_pairing_leaves_a_whole_record)
{
    struct rig *r = rig_ready(test_crypto());
    struct endpoint_creation *asked = &r->pairing_config.key_data.creation;
    static const uint8_t intro[CCC_KEY] = {0x77};
    asked->not_before_s = RIG_NOW_S - DAY_S;
    asked->not_after_s = RIG_NOW_S + DAY_S;
    r->pairing_config.key_data.config.ble.kble_intro = intro;
    ASSERT_OK(rig_pair_phase_2(r));
    const struct vehicle_key *k = &r->key;
    const struct vehicle_pairing_result *p = &r->pairing.result;
    cr_expect(k->role == VEHICLE_KEY_OWNER && k->state == VEHICLE_KEY_PENDING);
    cr_expect(memcmp(k->vehicle_id, asked->vehicle_id, sizeof k->vehicle_id) == 0);
    cr_expect(slot_id_equal(&k->slot, &asked->slot));
    cr_expect(memcmp(k->key_id, p->key_id, sizeof k->key_id) == 0);
    cr_expect(memcmp(k->device_pk, p->device_pk, sizeof k->device_pk) == 0);
    cr_expect(k->options_1 == asked->options_1 && k->options_2 == asked->options_2);
    cr_expect(k->not_before_s == asked->not_before_s && k->not_after_s == asked->not_after_s);
    cr_expect(memcmp(&k->map, &r->pairing_config.key_data.map, sizeof k->map) == 0);
    cr_expect(k->tokens_by_vehicle && !k->tracked && !k->has_kpersistent && k->offered == 0);
    cr_expect(memcmp(k->long_term_shared_secret, p->long_term_shared_secret, CCC_KEY) == 0);
    cr_expect(memcmp(k->kble_intro, intro, CCC_KEY) == 0, "what the vehicle sends goes before");
    cr_expect(memcmp(k->kble_oob_master, p->kble_oob_master, CCC_KEY) == 0);
    cr_expect(k->attested, "the attestation goes before the key is accepted");
    rig_free(r);
}

/* In phase 2, or in phase 3: afterwards the record says that it went. */
Test(vehicle_key, knows_that_it_was_attested)
{
    for (int phase_3 = 0; phase_3 <= 1; phase_3++) {
        struct rig *r = rig_ready(test_crypto());
        r->attest_in_phase_3 = phase_3;
        ASSERT_OK(rig_pair_phase_2(r));
        cr_expect(eq(int, r->key.attested, !phase_3));
        ASSERT_OK(rig_phase_3(r));
        cr_expect(r->key.attested && r->store.key.attested);
        rig_free(r);
    }
}

Test(vehicle_key, a_record_with_a_bad_point_does_not_open)
{
    struct vehicle_key k = {.device_pk = {4}};
    EXPECT_ERR(vehicle_key_open(test_crypto(), &k), ERR_KEY_INVALID);
    cr_expect(k.device_key == NULL);
}

/* ---- state and time ---- */

static const struct {
    enum vehicle_key_state state;
    uint8_t p2;
    enum err reason;
} admitted[] = {
    {VEHICLE_KEY_PENDING, TRANSACTION_UNLOCK, ERR_DK_UNKNOWN_KEY},
    {VEHICLE_KEY_PENDING, TRANSACTION_PAIRING_PHASE_3, ERR_OK},
    {VEHICLE_KEY_PENDING, TRANSACTION_PAIRING_PHASE_4, ERR_DK_UNKNOWN_KEY},
    {VEHICLE_KEY_ACTIVE, TRANSACTION_UNLOCK, ERR_OK},
    {VEHICLE_KEY_ACTIVE, TRANSACTION_PAIRING_PHASE_3, ERR_OK},
    {VEHICLE_KEY_ACTIVE, TRANSACTION_PAIRING_PHASE_4, ERR_OK},
    {VEHICLE_KEY_SUSPENDED, TRANSACTION_UNLOCK, ERR_DK_SUSPENDED},
    {VEHICLE_KEY_SUSPENDED, TRANSACTION_PAIRING_PHASE_3, ERR_DK_SUSPENDED},
    {VEHICLE_KEY_SUSPENDED, TRANSACTION_PAIRING_PHASE_4, ERR_DK_SUSPENDED},
    {VEHICLE_KEY_TERMINATED, TRANSACTION_UNLOCK, ERR_DK_TERMINATED},
    {VEHICLE_KEY_TERMINATED, TRANSACTION_PAIRING_PHASE_3, ERR_DK_TERMINATED},
    {VEHICLE_KEY_TERMINATED, TRANSACTION_PAIRING_PHASE_4, ERR_DK_TERMINATED},
};

/* Until it is open or refused; what the vehicle sent last. */
static struct vehicle_step contact(struct rig *r, uint8_t p1, uint8_t p2, uint8_t last[APDU_COMMAND_MAX])
{
    uint8_t answer[APDU_RESPONSE_MAX];
    vehicle_transaction_wipe(&r->unlock);
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, p1, p2);
    while (s.what == VEHICLE_SEND || s.what == VEHICLE_STORE_KPERSISTENT) {
        struct wr w = wr_of(answer, sizeof answer);
        if (s.what != VEHICLE_SEND) {
            s = rig_transaction_proceed(r, &s);
            continue;
        }
        memcpy(last, s.apdu.p, s.apdu.len);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    }
    return s;
}

static void expect_contact(struct rig *r, uint8_t p1, uint8_t p2, enum err reason, const char *what)
{
    uint8_t last[APDU_COMMAND_MAX];
    size_t stored = r->store.commits[VEHICLE_STORE_KPERSISTENT];
    struct vehicle_step s = contact(r, p1, p2, last);
    cr_expect(eq(str, (char *)err_name(s.reason), (char *)err_name(reason)), "%s", what);
    cr_expect(eq(int, s.what, reason ? VEHICLE_FAILED : VEHICLE_OPEN), "%s", what);
    if (reason) {
        cr_expect(memcmp(last, "\x80\x3C\x00\x00", 4) == 0, "%s: CONTROL FLOW 00/00", what);
        cr_expect(eq(sz, r->store.commits[VEHICLE_STORE_KPERSISTENT], stored), "%s", what);
        cr_expect(r->unlock.key == &r->key, "%s: the caller knows whose it was", what);
    }
}

Test(vehicle_key, states_open_to_what_they_are_for)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    for (size_t i = 0; i < sizeof admitted / sizeof admitted[0]; i++)
        for (uint8_t p1 = 0; p1 <= TRANSACTION_FAST; p1++) {
            char what[40];
            snprintf(what, sizeof what, "state %d, P1 %02X, P2 %02X", (int)admitted[i].state, p1,
                     admitted[i].p2);
            r->key.state = admitted[i].state;
            expect_contact(r, p1, admitted[i].p2, admitted[i].reason, what);
            if (!admitted[i].reason)
                cr_expect(eq(int, r->unlock.fast, p1), "%s", what);
        }
    rig_free(r);
}

static const struct {
    int64_t not_before_s, not_after_s; /* from now; 0: none */
    enum err reason;
} validities[] = {{0, 0, ERR_OK},           {1, 0, ERR_DK_VALIDITY},  {-1, 0, ERR_OK},
                  {0, -1, ERR_DK_VALIDITY}, {0, 1, ERR_OK},           {-1, 1, ERR_OK},
                  {1, 2, ERR_DK_VALIDITY},  {-2, -1, ERR_DK_VALIDITY}};

Test(vehicle_key, outside_its_validity_a_key_opens_nothing)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    for (size_t i = 0; i < sizeof validities / sizeof validities[0]; i++)
        for (uint8_t p1 = 0; p1 <= TRANSACTION_FAST; p1++) {
            char what[40];
            snprintf(what, sizeof what, "row %zu, P1 %02X", i, p1);
            r->key.not_before_s = validities[i].not_before_s ? RIG_NOW_S + validities[i].not_before_s : 0;
            r->key.not_after_s = validities[i].not_after_s ? RIG_NOW_S + validities[i].not_after_s : 0;
            expect_contact(r, p1, TRANSACTION_UNLOCK, validities[i].reason, what);
        }
    rig_free(r);
}

Test(vehicle_key, the_borders_of_its_validity_are_inside)
{
    const struct vehicle_key k = {.not_before_s = 100, .not_after_s = 200};
    EXPECT_ERR(vehicle_key_check_time(&k, 99), ERR_DK_VALIDITY);
    EXPECT_ERR(vehicle_key_check_time(&k, 100), ERR_OK);
    EXPECT_ERR(vehicle_key_check_time(&k, 200), ERR_OK);
    EXPECT_ERR(vehicle_key_check_time(&k, 201), ERR_DK_VALIDITY);
}

/* ---- options ---- */

Test(vehicle_key, fast_is_asked_only_of_keys_that_may)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t last[APDU_COMMAND_MAX];
    ASSERT_OK(rig_pair(r));
    r->key.options_1 = ENDPOINT_STANDARD_CONTACTLESS;
    cr_expect(eq(int, contact(r, TRANSACTION_FAST, TRANSACTION_UNLOCK, last).what, VEHICLE_OPEN));
    cr_expect(eq(int, r->unlock.transaction.p1, 0));
    cr_expect(not(r->unlock.fast));
    rig_free(r);
}

/* Another key of the vehicle may, so that it is asked; this one's cryptogram is not accepted. */
Test(vehicle_key, fast_is_accepted_only_of_keys_that_may)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t last[APDU_COMMAND_MAX];
    ASSERT_OK(rig_pair(r));
    struct vehicle_key keys[2] = {r->key, r->key};
    keys[0].slot.b[0] ^= 1;
    keys[0].has_kpersistent = false;
    keys[1].options_1 = ENDPOINT_STANDARD_CONTACTLESS;
    r->finish_config.transaction.keys = keys;
    r->finish_config.transaction.n_keys = 2;
    cr_expect(eq(int, contact(r, TRANSACTION_FAST, TRANSACTION_UNLOCK, last).what, VEHICLE_OPEN));
    cr_expect(eq(int, r->unlock.transaction.p1, TRANSACTION_FAST));
    cr_expect(r->unlock.key == &keys[1]);
    cr_expect(not(r->unlock.fast));
    rig_free(r);
}

struct seen {
    uint8_t ins[32];
    size_t n;
};

static void note_instruction(void *arg, bool command, struct span apdu)
{
    struct seen *s = arg;
    if (command && s->n < sizeof s->ins)
        s->ins[s->n++] = apdu.p[1];
}

/* Default owner options forbid EXCHANGE after fast; the device does not answer it then. */
static struct rig *without_exchange_after_fast(struct seen *seen)
{
    struct rig *r = rig_ready(test_crypto());
    r->pairing_config.key_data.creation.options_1 = ENDPOINT_OWNER_OPTIONS_1;
    ASSERT_OK(rig_pair(r));
    *seen = (struct seen){0};
    r->tap = note_instruction;
    r->tap_arg = seen;
    return r;
}

Test(vehicle_key, exchange_after_fast_goes_on_with_auth1)
{
    static const uint8_t order[] = {APDU_SELECT, APDU_AUTH0, APDU_AUTH1, APDU_EXCHANGE, APDU_CONTROL_FLOW};
    struct seen seen;
    struct rig *r = without_exchange_after_fast(&seen);
    uint8_t before[TRANSACTION_KPERSISTENT];
    bool fast = false;
    memcpy(before, r->key.kpersistent, sizeof before);
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_expect(fast, "it was open before");
    cr_expect(seen.n == sizeof order && memcmp(seen.ins, order, sizeof order) == 0);
    cr_expect(memcmp(before, r->key.kpersistent, sizeof before) != 0, "stored on the way");
    cr_expect(memcmp(r->store.key.kpersistent, r->key.kpersistent, sizeof before) == 0);
    r->store.refuses = VEHICLE_STORE_KPERSISTENT;
    EXPECT_ERR(rig_unlock(r, true, true, &fast), ERR_STORE_FAILED);
    r->store.refuses = VEHICLE_SEND;
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    rig_free(r);
}

Test(vehicle_key, exchange_that_is_announced_goes_on_at_once)
{
    struct seen seen;
    struct rig *r = without_exchange_after_fast(&seen);
    uint8_t last[APDU_COMMAND_MAX];
    struct vehicle_step s =
        contact(r, TRANSACTION_FAST | TRANSACTION_EXCHANGE_FOLLOWS, TRANSACTION_UNLOCK, last);
    cr_expect(s.what == VEHICLE_OPEN && !r->unlock.fast && last[1] == APDU_AUTH1);
    s = contact(r, TRANSACTION_FAST, TRANSACTION_UNLOCK, last);
    cr_expect(s.what == VEHICLE_OPEN && r->unlock.fast && last[1] == APDU_AUTH0);
    rig_free(r);
}

Test(vehicle_key, an_exchange_that_is_too_long_is_not_kept)
{
    struct seen seen;
    struct rig *r = without_exchange_after_fast(&seen);
    const uint8_t plain[CHANNEL_PLAIN_MAX + 1] = {0};
    uint8_t last[APDU_COMMAND_MAX];
    contact(r, TRANSACTION_FAST, TRANSACTION_UNLOCK, last);
    struct vehicle_step s = vehicle_transaction_exchange(&r->unlock, span_of(plain, sizeof plain));
    cr_expect(s.what == VEHICLE_SEND && memcmp(s.apdu.p, "\x80\x3C\x00\x00", 4) == 0);
    s = vehicle_transaction_input(&r->unlock, span_of("\x90\x00", 2));
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_BAD_ARGUMENT);
    rig_free(r);
}

/* Two records have the same device key and Kpersistent; the cryptogram fits the first, the slot of AUTH1 the
 * second. */
Test(vehicle_key, who_matched_must_be_who_signs)
{
    struct seen seen;
    struct rig *r = without_exchange_after_fast(&seen);
    struct vehicle_key keys[2] = {r->key, r->key};
    bool fast;
    keys[0].slot.b[0] ^= 1;
    r->finish_config.transaction.keys = keys;
    r->finish_config.transaction.n_keys = 2;
    EXPECT_ERR(rig_unlock(r, true, true, &fast), ERR_DK_UNKNOWN_KEY);
    cr_expect(memcmp(keys[1].kpersistent, r->key.kpersistent, TRANSACTION_KPERSISTENT) == 0);
    rig_free(r);
}

/* ---- what peers send beside what they must ---- */

static const struct {
    const char *name, *before, *behind; /* TLVs around slot and signature */
    enum err reason;
} auth1_answers[] = {
    {"as it must be", "", "", ERR_OK},
    {"signature counter", "", "570400000001", ERR_OK},
    {"signature counter in front", "570400000001", "", ERR_OK},
    {"mailbox parts", "", "4A02AABB4B020900", ERR_OK},
    {"unknown tags", "5F5101AA", "DF2000C50101", ERR_OK},
    {"slot twice", "", "4E080000000000000001", ERR_TRAILING_BYTES},
    {"cut", "", "4B05", ERR_TRUNCATED},
};

/* The answer of AUTH1 under the phone's keys, with more in it. */
static struct vehicle_step answer_auth1(struct rig *r, const char *before, const char *behind)
{
    struct channel ch = r->applet.sessions[DK_CONTACTLESS].channel;
    const struct digital_key *k = &r->applet.keys[0];
    uint8_t plain[CHANNEL_PLAIN_MAX], answer[APDU_RESPONSE_MAX], signature[SIGNATURE_SIZE];
    struct wr p = wr_of(plain, sizeof plain), w = wr_of(answer, sizeof answer);
    HEX(front, before);
    HEX(rest, behind);
    ASSERT_OK(transaction_sign(r->crypto, &r->applet.sessions[DK_CONTACTLESS].transaction,
                               TRANSACTION_ENDPOINT, k->device_key, signature));
    wr_copy(&p, front, front_len);
    wr_copy(&p, "\x4E\x08", 2);
    wr_copy(&p, k->creation.slot.b, 8);
    wr_copy(&p, "\x9E\x40", 2);
    wr_copy(&p, signature, sizeof signature);
    wr_copy(&p, rest, rest_len);
    ch.counter = 0; /* the answer of AUTH1 is the first */
    ASSERT_OK(channel_wrap_response(r->crypto, &ch, span_of(plain, p.len), APDU_SW_OK, &w));
    return vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
}

Test(vehicle_key, auth1_answers_may_hold_more)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    ASSERT_OK(rig_pair(r));
    for (size_t i = 0; i < sizeof auth1_answers / sizeof auth1_answers[0]; i++) {
        rig_phone_reset(r);
        struct vehicle_step s =
            vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, TRANSACTION_UNLOCK);
        while (s.apdu.p[1] != APDU_AUTH1) {
            struct wr w = wr_of(answer, sizeof answer);
            rig_phone_input(r, s.apdu, &w);
            s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
        }
        struct wr w = wr_of(answer, sizeof answer);
        rig_phone_input(r, s.apdu, &w);
        s = answer_auth1(r, auth1_answers[i].before, auth1_answers[i].behind);
        if (auth1_answers[i].reason == ERR_OK)
            cr_expect(eq(int, s.what, VEHICLE_STORE_KPERSISTENT), "%s", auth1_answers[i].name);
        else
            cr_expect(eq(int, r->unlock.reason, auth1_answers[i].reason), "%s", auth1_answers[i].name);
        vehicle_transaction_wipe(&r->unlock);
    }
    rig_free(r);
}

/* ---- on Bluetooth LE ---- */

Test(vehicle_step, says_whose_apdu_it_is)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t buf[APDU_COMMAND_MAX + 4];
    struct dk_message m;
    ASSERT_OK(rig_pair(r));
    const struct vehicle_step s[] = {
        vehicle_pairing_begin(&r->pairing, &r->pairing_config),
        vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, 0, TRANSACTION_UNLOCK),
        vehicle_finish_begin(&r->finish, &r->finish_config, VEHICLE_REFILL)};
    static const enum dk_type types[] = {DK_FRAMEWORK, DK_SE, DK_SE};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        struct wr w = wr_of(buf, sizeof buf);
        vehicle_step_message(&w, &s[i]);
        ASSERT_OK(dk_message_parse(span_of(buf, w.len), &m));
        cr_expect(eq(int, m.type, types[i]));
        cr_expect(eq(int, m.id, DK_APDU_RQ));
        cr_expect(span_equal(m.data, s[i].apdu));
    }
    rig_free(r);
}

Test(vehicle_step, takes_the_answer_of_its_type_only)
{
    static const struct {
        const char *name, *sdu;
        enum err e;
    } rows[] = {{"an answer", "010C00029000", ERR_OK},
                {"the framework's", "000C00029000", ERR_MSG_UNEXPECTED},
                {"a request", "010B00029000", ERR_MSG_UNEXPECTED},
                {"an event", "0301000101", ERR_MSG_UNEXPECTED},
                {"cut", "010C000290", ERR_TRUNCATED},
                {"too long", "010C0002900000", ERR_TRAILING_BYTES},
                {"no type", "C10C00029000", ERR_BAD_ARGUMENT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span apdu = {0};
        HEX(sdu, rows[i].sdu);
        cr_expect(eq(int, (int)vehicle_message_answer(span_of(sdu, sdu_len), DK_SE, &apdu), (int)rows[i].e),
                  "%s", rows[i].name);
        cr_expect(eq(sz, apdu.len, rows[i].e ? 0 : 2), "%s", rows[i].name);
    }
}
