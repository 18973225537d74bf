/* The vehicle against a phone that answers what it should not, also one that knows the right password. */
#include "lib/ccc/applet_message.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/tlv.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

/* ---- pairing ---- */

/* An honest phone up to the command whose answer is awaited in that state. */
static struct vehicle_step step_to(struct rig *r, enum vehicle_pairing_state state)
{
    struct vehicle_pairing *v = &r->pairing;
    uint8_t answer[APDU_RESPONSE_MAX];
    r->pairing_config.attest_with = r->k.key;
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_pairing_begin(v, &r->pairing_config);
    while (v->state != state || s.what != VEHICLE_SEND) {
        struct wr w = wr_of(answer, sizeof answer);
        cr_assert(s.what != VEHICLE_FAILED && s.what != VEHICLE_DONE);
        if (s.what == VEHICLE_RESET_LINK) {
            rig_phone_reset(r);
            ASSERT_OK(dk_device_create_key(&r->device));
        }
        if (s.what == VEHICLE_SEND) {
            rig_phone_input(r, s.apdu, &w);
            s = vehicle_pairing_input(v, span_of(answer, w.len));
        } else {
            s = rig_pairing_proceed(r, &s);
        }
    }
    return s;
}

#define ZEROS_16 "00000000000000000000000000000000"
#define NO_POINT \
    "5041"       \
    "04" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16
enum { POLLS = 0x100 }; /* instead of an abort code */

static const struct {
    enum vehicle_pairing_state state;
    const char *answer;
    enum err reason;
    unsigned p2;
} plain[] = {
    {VP_SELECTING, "6A82", ERR_DK_STATUS, POLLS},
    {VP_SELECTING, "5A0201005C020100D401009000", ERR_OK, POLLS},
    {VP_SELECTING, "6985", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_SELECTING, "9000", ERR_DK_ANSWER, APDU_ABORT_OTHER},
    {VP_SELECTING, "5A0203005C020100D401029000", ERR_DK_SPAKE_VERSION, APDU_ABORT_SPAKE_VERSION},
    {VP_SELECTING, "5A0201005C020300D401029000", ERR_DK_APPLET_VERSION, APDU_ABORT_APPLET_VERSION},
    {VP_REQUESTING, "9484", ERR_DK_STATUS, POLLS},
    {VP_REQUESTING, "6A88", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_REQUESTING, "9000", ERR_DK_ANSWER, APDU_ABORT_OTHER},
    {VP_REQUESTING, NO_POINT "9000", ERR_DK_POINT, APDU_ABORT_POINT},
    {VP_REQUESTING,
     "5041"
     "00" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16 "9000",
     ERR_DK_POINT, APDU_ABORT_POINT},
    {VP_VERIFYING, "6A88", ERR_DK_EVIDENCE, APDU_ABORT_EVIDENCE},
    {VP_VERIFYING, "5810" ZEROS_16 "9000", ERR_DK_EVIDENCE, APDU_ABORT_EVIDENCE},
    {VP_VERIFYING, "9000", ERR_DK_EVIDENCE, APDU_ABORT_EVIDENCE},
    {VP_WRITING, "6A80", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_WRITING, "9000", ERR_TRUNCATED, APDU_ABORT_OTHER},
    {VP_WRITING, "00000000000000009000", ERR_SIGNATURE_INVALID, APDU_ABORT_OTHER},
    {VP_COMPLETING, "6A80", ERR_DK_KEY_DATA, APDU_ABORT_KEY_DATA},
    {VP_SELECTING_AGAIN, "6985", ERR_OK, POLLS},
    {VP_SELECTING_AGAIN, "6A82", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_GETTING, "6A88", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_ATTESTING, "6A84", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_ACCEPTING, "6985", ERR_DK_STATUS, APDU_ABORT_OTHER},
    {VP_ACCEPTING, "90", ERR_DK_ANSWER, APDU_ABORT_OTHER},
};

/* What the vehicle does is to poll, or to abort with that code and reason. */
static void expect_end(struct rig *r, struct vehicle_step s, enum err reason, unsigned p2, const char *row)
{
    if (p2 == POLLS) {
        cr_expect(s.what == VEHICLE_POLL && s.reason == reason, "%s", row);
        s = vehicle_pairing_proceed(&r->pairing);
        cr_expect(s.what == VEHICLE_SEND && s.apdu.p[1] == APDU_SELECT, "%s: asks again", row);
        return;
    }
    cr_assert(s.what == VEHICLE_SEND && s.apdu.len == 4, "%s: aborts", row);
    cr_expect(s.apdu.p[1] == APDU_CONTROL_FLOW && s.apdu.p[2] == APDU_FLOW_ABORT, "%s", row);
    cr_expect(eq(uint, s.apdu.p[3], p2), "%s", row);
    cr_expect(not(r->pairing.channel.open), "%s", row);
    s = vehicle_pairing_input(&r->pairing, span_of("\x90", 1)); /* whatever comes back */
    cr_expect(s.what == VEHICLE_FAILED, "%s", row);
    cr_expect(eq(str, (char *)err_name(s.reason), (char *)err_name(reason)), "%s", row);
}

Test(vehicle_pairing, wrong_answers)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        HEX(in, plain[i].answer);
        step_to(r, plain[i].state);
        expect_end(r, vehicle_pairing_input(&r->pairing, span_of(in, in_len)), plain[i].reason, plain[i].p2,
                   plain[i].answer);
        rig_free(r);
    }
}

/* A protected answer under the phone's own keys. */
static struct vehicle_step answer_protected(struct rig *r, uint16_t sw, struct span data)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    struct channel phone = r->pairing.channel; /* both ends are equal once the command is out */
    ASSERT_OK(channel_wrap_response(r->crypto, &phone, data, sw, &w));
    return vehicle_pairing_input(&r->pairing, span_of(answer, w.len));
}

static const struct {
    enum vehicle_pairing_state state;
    uint16_t sw;
    const char *data;
    enum err reason;
    unsigned p2;
} protected_answers[] = {
    {.state = VP_WRITING, .sw = 0x9000, .data = "AA", .reason = ERR_DK_ANSWER, .p2 = APDU_ABORT_OTHER},
    {.state = VP_WRITING, .sw = 0x6110, .data = "", .reason = ERR_DK_ANSWER, .p2 = APDU_ABORT_OTHER},
    {.state = VP_ATTESTING, .sw = 0x9000, .data = "AA", .reason = ERR_DK_ANSWER, .p2 = APDU_ABORT_OTHER},
    {.state = VP_GETTING, .sw = 0x9000, .data = "", .reason = ERR_DK_ANSWER, .p2 = APDU_ABORT_CERTIFICATE},
};

Test(vehicle_pairing, wrong_answers_inside_the_channel)
{
    for (size_t i = 0; i < sizeof protected_answers / sizeof protected_answers[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        HEX(in, protected_answers[i].data);
        step_to(r, protected_answers[i].state);
        struct vehicle_step s = answer_protected(r, protected_answers[i].sw, span_of(in, in_len));
        expect_end(r, s, protected_answers[i].reason, protected_answers[i].p2, protected_answers[i].data);
        rig_free(r);
    }
}

Test(vehicle_pairing, endless_certificate)
{
    struct rig *r = rig_ready(test_crypto());
    const uint8_t piece[CHANNEL_PLAIN_MAX] = {0x30};
    struct vehicle_step s = step_to(r, VP_GETTING);
    size_t pieces = 0;
    while (s.what == VEHICLE_SEND && s.apdu.p[1] != APDU_CONTROL_FLOW && pieces++ < 20)
        s = answer_protected(r, 0x6100, span_of(piece, sizeof piece));
    cr_expect(eq(sz, pieces, X509_MAX / CHANNEL_PLAIN_MAX + 1));
    expect_end(r, s, ERR_DK_ANSWER, APDU_ABORT_CERTIFICATE, "endless certificate");
    rig_free(r);
}

/* The phone gives [F], [E] and [H]; one of them is no certificate. */
Test(vehicle_pairing, false_certificates)
{
    for (size_t wrong = 0; wrong < 3; wrong++) {
        struct rig *r = rig_ready(test_crypto());
        struct vehicle_step s = step_to(r, VP_GETTING);
        for (size_t object = 0; object < 3; object++) {
            const uint8_t garbage[] = {0x30, 0x01, 0x00};
            struct span der = object == 0 ? span_of(r->f.der, r->f.len)
                              : object == 1
                                  ? span_of(r->e.der, r->e.len)
                                  : span_of(r->applet.keys[0].certificate, r->applet.keys[0].certificate_len);
            if (object == wrong)
                der = span_of(garbage, sizeof garbage);
            while (der.len > CHANNEL_PLAIN_MAX) {
                s = answer_protected(r, 0x6100, span_of(der.p, CHANNEL_PLAIN_MAX));
                der = span_of(der.p + CHANNEL_PLAIN_MAX, der.len - CHANNEL_PLAIN_MAX);
            }
            s = answer_protected(r, 0x9000, der);
        }
        expect_end(r, s, ERR_DER_SYNTAX, APDU_ABORT_CERTIFICATE, "no certificate");
        rig_free(r);
    }
}

static const struct {
    enum vehicle_pairing_state state;
    uint8_t p2;
} timeouts[] = {{VP_SELECTING, APDU_ABORT_TIMEOUT},        {VP_REQUESTING, APDU_ABORT_TIMEOUT_REQUEST},
                {VP_VERIFYING, APDU_ABORT_TIMEOUT_VERIFY}, {VP_WRITING, APDU_ABORT_TIMEOUT_WRITE},
                {VP_COMPLETING, APDU_ABORT_TIMEOUT},       {VP_SELECTING_AGAIN, APDU_ABORT_TIMEOUT},
                {VP_GETTING, APDU_ABORT_TIMEOUT_GET},      {VP_ATTESTING, APDU_ABORT_TIMEOUT_WRITE},
                {VP_ACCEPTING, APDU_ABORT_TIMEOUT}};

Test(vehicle_pairing, timeouts_say_what_was_awaited)
{
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        struct vehicle_pairing *v = &r->pairing;
        step_to(r, timeouts[i].state);
        struct vehicle_step s = vehicle_pairing_timeout(v);
        cr_expect(s.what == VEHICLE_SEND && s.apdu.len == 4 && s.apdu.p[2] == APDU_FLOW_ABORT);
        cr_expect(eq(int, s.apdu.p[3], timeouts[i].p2), "state %d", (int)timeouts[i].state);
        s = vehicle_pairing_link_lost(v); /* the answer to the abort is of no interest */
        cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_DK_TIMEOUT);
        s = vehicle_pairing_input(v, span_of("\x90\x00", 2)); /* what is over stays over */
        cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_DK_TIMEOUT);
        rig_free(r);
    }
}

Test(vehicle_pairing, answers_out_of_turn)
{
    struct rig *r = rig_ready(test_crypto());
    step_to(r, VP_REQUESTING);
    struct vehicle_step s = vehicle_pairing_proceed(&r->pairing); /* nothing to proceed with */
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    struct vehicle_pairing fresh = {0};
    s = vehicle_pairing_input(&fresh, span_of("\x90\x00", 2));
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_MSG_UNEXPECTED);
    rig_free(r);
}

/* ---- transactions ---- */

static struct vehicle_step transaction_to(struct rig *r, enum vehicle_transaction_state state, uint8_t p1)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    ASSERT_OK(rig_pair(r));
    rig_phone_reset(r);
    struct vehicle_step s =
        vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, p1, TRANSACTION_UNLOCK);
    while (r->unlock.state != state) {
        struct wr w = wr_of(answer, sizeof answer);
        cr_assert(s.what == VEHICLE_SEND);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    }
    return s;
}

static const struct {
    enum vehicle_transaction_state state;
    uint8_t p1;
    const char *answer;
    enum err reason;
} transaction_answers[] = {
    {VT_SELECTING, 0, "6A82", ERR_DK_STATUS},
    {VT_SELECTING, 0, "", ERR_DK_STATUS},
    {VT_SELECTING, 0, "9000", ERR_DK_ANSWER},
    {VT_SELECTING, 0, "5C030100009000", ERR_DK_ANSWER},
    {VT_SELECTING, 0, "5C0203009000", ERR_DK_APPLET_VERSION},
    {VT_AUTH0, 0, "6985", ERR_DK_STATUS},
    {VT_AUTH0, 0, "9000", ERR_DK_ANSWER},
    {VT_AUTH0, TRANSACTION_FAST,
     "8641"
     "04" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16 "9000",
     ERR_DK_ANSWER},
    {VT_AUTH1, 0, "6A80", ERR_DK_STATUS},
    {VT_AUTH1, 0, "9000", ERR_TRUNCATED},
    {VT_AUTH1, 0, ZEROS_16 "00000000000000009000", ERR_SIGNATURE_INVALID},
};

Test(vehicle_transaction, wrong_answers)
{
    for (size_t i = 0; i < sizeof transaction_answers / sizeof transaction_answers[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        HEX(in, transaction_answers[i].answer);
        uint8_t before[TRANSACTION_KPERSISTENT];
        transaction_to(r, transaction_answers[i].state, transaction_answers[i].p1);
        memcpy(before, r->key.kpersistent, sizeof before);
        struct vehicle_step s = vehicle_transaction_input(&r->unlock, span_of(in, in_len));
        if (s.what == VEHICLE_SEND) { /* CONTROL FLOW: failed */
            cr_expect(memcmp(s.apdu.p, "\x80\x3C\x00\x00", 4) == 0, "row %zu", i);
            s = vehicle_transaction_input(&r->unlock, span_of("\x90\x00", 2));
        }
        cr_expect(s.what == VEHICLE_FAILED, "row %zu", i);
        cr_expect(eq(str, (char *)err_name(s.reason), (char *)err_name(transaction_answers[i].reason)),
                  "row %zu", i);
        cr_expect(memcmp(before, r->key.kpersistent, sizeof before) == 0, "row %zu: Kpersistent stays", i);
        cr_expect(r->unlock.ephemeral == NULL && !r->unlock.channel.open, "row %zu", i);
        rig_free(r);
    }
}

Test(vehicle_transaction, endpoint_epk_off_the_curve)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t answer[APDU_RESPONSE_MAX];
    struct vehicle_step s = transaction_to(r, VT_AUTH0, 0);
    struct wr w = wr_of(answer, sizeof answer);
    rig_phone_input(r, s.apdu, &w);
    answer[40] ^= 1;
    s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
    cr_assert(s.what == VEHICLE_SEND && s.apdu.p[1] == APDU_AUTH1);
    const uint8_t body[26] = {[24] = 0x90};
    s = vehicle_transaction_input(&r->unlock, span_of(body, sizeof body));
    cr_assert(s.what == VEHICLE_SEND);
    s = vehicle_transaction_input(&r->unlock, span_of("\x90\x00", 2));
    cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_KEY_INVALID);
    rig_free(r);
}

Test(vehicle_transaction, key_that_the_vehicle_does_not_know)
{
    struct rig *r = rig_ready(test_crypto());
    bool fast;
    ASSERT_OK(rig_pair(r));
    r->key.slot.b[0] ^= 1; /* no such slot any more */
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_DK_UNKNOWN_KEY);
    r->key.slot.b[0] ^= 1;
    struct p256_key *right = r->key.device_key, *other;
    ASSERT_OK(p256_generate(r->crypto, &other));
    r->key.device_key = other; /* the slot belongs to another key */
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_SIGNATURE_INVALID);
    r->key.device_key = right;
    ASSERT_OK(rig_unlock(r, false, false, &fast));
    p256_free(other);
    rig_free(r);
}
