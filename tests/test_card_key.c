/* The card key, both ends: what a genuine card says, and all that is none. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/card/card_check.h"
#include "lib/card/card_chip.h"
#include "tests/check.h"
#include "tests/support.h"

#define VEHICLE "SPAAK00000001"
#define OTHER   "SPAAK00000002"
#define SELECT         \
    "00A404000BF05350" \
    "41414B43415244"   \
    "0100"

struct table {
    struct oem_identity card; /* its key and certificate */
    struct card_chip chip;
    struct x509 root;
    struct card_check check;
    struct card_step step;
    size_t commands;
};

static void make(struct table *t, enum oem_role authority, const char *vehicle, enum oem_card_flaw flaw)
{
    const struct oem *o = test_oem(TEST_NOW_S);
    const struct oem_identity *root = &o->roles[OEM_J_PHYSICAL_KEY];
    memset(t, 0, sizeof *t);
    cr_assert(
        eq(int, oem_make_card(test_crypto(), o, authority, vehicle, flaw, TEST_NOW_S, &t->card), ERR_OK));
    cr_assert(eq(int, card_chip_init(&t->chip, test_crypto(), t->card.key, span_of(t->card.der, t->card.len)),
                 ERR_OK));
    cr_assert(eq(int, x509_parse(span_of(root->der, root->len), &t->root), ERR_OK));
}

static void begin(struct table *t)
{
    const struct card_check_config c = {
        .crypto = test_crypto(), .root = &t->root, .vehicle = VEHICLE, .purpose = CARD_PAIRING};
    t->step = card_check_begin(&t->check, &c);
    t->commands = 0;
}

static void drop(struct table *t)
{
    oem_identity_free(&t->card);
}

static struct span ask(struct table *t, uint8_t out[APDU_RESPONSE_MAX])
{
    struct wr w = wr_of(out, APDU_RESPONSE_MAX);
    card_chip_input(&t->chip, t->step.apdu, &w);
    cr_assert(not(w.failed));
    t->commands++;
    return span_of(out, w.len);
}

/* To the end, or before command number `until`. */
static void carry(struct table *t, size_t until, int64_t now_s)
{
    uint8_t out[APDU_RESPONSE_MAX];
    while (t->step.what == CARD_SEND && t->commands < until) {
        struct span answer = ask(t, out);
        t->step = card_check_input(&t->check, answer, now_s);
    }
}

static enum err verdict(struct table *t, int64_t now_s)
{
    begin(t);
    carry(t, 100, now_s);
    cr_assert(ne(int, t->step.what, CARD_SEND));
    return t->step.what == CARD_GENUINE ? ERR_OK : t->step.reason;
}

#define PROOF_AT 3 /* SELECT, two pieces, and then */

Test(card_key, a_genuine_card_in_four_commands)
{
    struct table t;
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    begin(&t);
    expect_hex(t.step.apdu,
               "00a404000bf05350"
               "41414b43415244"
               "0100",
               "SELECT");
    carry(&t, 1, TEST_NOW_S);
    expect_hex(t.step.apdu, "00b0000000", "first piece");
    carry(&t, 2, TEST_NOW_S);
    expect_hex(t.step.apdu, "00b0010000", "second piece");
    carry(&t, PROOF_AT, TEST_NOW_S);
    cr_assert(eq(sz, t.step.apdu.len, CARD_COMMAND_MAX));
    expect_hex(span_of(t.step.apdu.p, 6), "008800002101", "INTERNAL AUTHENTICATE");
    cr_expect(eq(int, memcmp(t.step.apdu.p + 6, t.check.challenge, CARD_CHALLENGE), 0));
    carry(&t, 100, TEST_NOW_S);
    cr_expect(eq(int, t.step.what, CARD_GENUINE));
    cr_expect(eq(sz, t.commands, PROOF_AT + 1));
    t.step = card_check_input(&t.check, span_of("\x90\x00", 2), TEST_NOW_S);
    cr_expect(eq(int, t.step.reason, ERR_MSG_UNEXPECTED), "it is over");
    drop(&t);
}

/* ---- cards that are none ---- */

#define YEAR_S (365ll * 86400)

Test(card_key, whose_card_is_refused)
{
    static const struct {
        const char *name;
        enum oem_role authority;
        const char *vehicle;
        enum oem_card_flaw flaw;
        int64_t at_s; /* after it was made */
        enum err reason;
        size_t commands; /* a card that is refused by its certificate is asked for no proof */
    } rows[] = {
        {"genuine", OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND, 0, ERR_OK, PROOF_AT + 1},
        {"genuine for 20 years", OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND, 20 * YEAR_S, ERR_OK,
         PROOF_AT + 1},
        {"later", OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND, 20 * YEAR_S + 1, ERR_CERT_EXPIRED, PROOF_AT},
        {"earlier", OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND, -86401, ERR_CERT_NOT_YET_VALID, PROOF_AT},
        {"expired", OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_EXPIRED, 0, ERR_CERT_EXPIRED, PROOF_AT},
        {"another car's", OEM_J_PHYSICAL_KEY, OTHER, OEM_CARD_SOUND, 0, ERR_CARD_OTHER_VEHICLE, PROOF_AT},
        {"a name that begins so", OEM_J_PHYSICAL_KEY, VEHICLE "0", OEM_CARD_SOUND, 0, ERR_CARD_OTHER_VEHICLE,
         PROOF_AT},
        {"a piece of the name", OEM_J_PHYSICAL_KEY, "SPAAK0000000", OEM_CARD_SOUND, 0, ERR_CARD_OTHER_VEHICLE,
         PROOF_AT},
        {"self-made", OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_FORGED, 0, ERR_CERT_SIGNATURE, PROOF_AT},
        {"another car's and self-made", OEM_J_PHYSICAL_KEY, OTHER, OEM_CARD_FORGED, 0, ERR_CERT_SIGNATURE,
         PROOF_AT},
        {"under J", OEM_J, VEHICLE, OEM_CARD_SOUND, 0, ERR_CERT_ISSUER_UNKNOWN, PROOF_AT},
        {"under J1", OEM_J1, VEHICLE, OEM_CARD_SOUND, 0, ERR_CERT_ISSUER_UNKNOWN, PROOF_AT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct table t;
        make(&t, rows[i].authority, rows[i].vehicle, rows[i].flaw);
        cr_expect(eq(int, verdict(&t, TEST_NOW_S + rows[i].at_s), rows[i].reason), "%s", rows[i].name);
        cr_expect(eq(sz, t.commands, rows[i].commands), "%s", rows[i].name);
        drop(&t);
    }
}

/* Other certificates of the OEM, with their own keys: each is refused, whatever it is for. */
Test(card_key, no_other_certificate_is_a_cards)
{
    const struct oem *o = test_oem(TEST_NOW_S);
    for (unsigned r = 0; r < OEM_ROLES; r++) {
        struct table t;
        make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
        const struct oem_identity *i = &o->roles[r];
        struct card_chip other;
        cr_assert(eq(int, card_chip_init(&other, test_crypto(), i->key, span_of(i->der, i->len)), ERR_OK));
        t.chip = other;
        enum err e = verdict(&t, TEST_NOW_S);
        cr_expect(e == ERR_CERT_PROFILE || e == ERR_CERT_PURPOSE, "role %u: %s", r, err_name(e));
        drop(&t);
    }
}

Test(card_key, a_copy_without_the_key_fails_and_so_does_what_was_said_before)
{
    struct table t, other;
    uint8_t said[APDU_RESPONSE_MAX];
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    make(&other, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    begin(&t);
    carry(&t, PROOF_AT, TEST_NOW_S);
    uint8_t first[CARD_CHALLENGE];
    memcpy(first, t.check.challenge, sizeof first);
    struct span proof = ask(&t, said);
    t.step = card_check_input(&t.check, proof, TEST_NOW_S);
    cr_assert(eq(int, t.step.what, CARD_GENUINE));
    begin(&t);
    carry(&t, PROOF_AT, TEST_NOW_S);
    cr_expect(ne(int, memcmp(first, t.check.challenge, sizeof first), 0), "each challenge is another");
    t.step = card_check_input(&t.check, proof, TEST_NOW_S);
    cr_expect(eq(int, t.step.reason, ERR_CARD_PROOF), "replayed");
    t.chip.key = other.card.key;
    cr_expect(eq(int, verdict(&t, TEST_NOW_S), ERR_CARD_PROOF), "cloned");
    drop(&t);
    drop(&other);
}

Test(card_key, a_proof_is_for_one_challenge_purpose_vehicle_and_key)
{
    struct table t, other;
    uint8_t challenge[CARD_CHALLENGE] = {1}, next[CARD_CHALLENGE] = {2}, proof[CARD_PROOF], a[P256_POINT],
            b[P256_POINT];
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    make(&other, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    p256_public(t.card.key, a);
    p256_public(other.card.key, b);
    struct crypto *c = test_crypto();
    cr_assert(eq(int, card_sign(c, t.card.key, CARD_PAIRING, challenge, VEHICLE, proof), ERR_OK));
    cr_expect(eq(int, card_verify(c, a, CARD_PAIRING, challenge, VEHICLE, proof), ERR_OK));
    cr_expect(eq(int, card_verify(c, a, CARD_PAIRING, next, VEHICLE, proof), ERR_CARD_PROOF));
    cr_expect(eq(int, card_verify(c, a, (enum card_purpose)2, challenge, VEHICLE, proof), ERR_CARD_PROOF));
    cr_expect(eq(int, card_verify(c, a, CARD_PAIRING, challenge, OTHER, proof), ERR_CARD_PROOF));
    cr_expect(eq(int, card_verify(c, b, CARD_PAIRING, challenge, VEHICLE, proof), ERR_CARD_PROOF));
    for (size_t bit = 0; bit < 8 * CARD_PROOF; bit++) {
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect(eq(int, card_verify(c, a, CARD_PAIRING, challenge, VEHICLE, proof), ERR_CARD_PROOF),
                  "bit %zu", bit);
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(proof, 0, sizeof proof);
    cr_expect(eq(int, card_verify(c, a, CARD_PAIRING, challenge, VEHICLE, proof), ERR_CARD_PROOF), "zeros");
    a[64] ^= 1;
    cr_expect(eq(int, card_verify(c, a, CARD_PAIRING, challenge, VEHICLE, proof), ERR_KEY_INVALID));
    drop(&t);
    drop(&other);
}

/* ---- answers that are none ---- */

enum spoil { STATUS, NO_STATUS, EMPTY, SHORT, LONG, SPOILS };
static const char *const spoils[SPOILS] = {"error status", "no status", "empty", "a byte less",
                                           "a byte more"};

static struct span spoil(enum spoil how, struct span answer, uint8_t *buf)
{
    size_t len = answer.len;
    if (how == STATUS) {
        buf[len - 2] = 0x69;
        buf[len - 1] = 0x85;
    } else if (how == NO_STATUS) {
        len = 1;
    } else {
        len = how == EMPTY ? 2 : how == SHORT ? len - 1 : len + 1;
        buf[len - 2] = 0x90;
        buf[len - 1] = 0x00;
    }
    return span_of(buf, len);
}

Test(card_key, each_answer_is_what_was_asked_for_or_refused)
{
    for (size_t at = 0; at <= PROOF_AT; at++)
        for (int how = 0; how < SPOILS; how++) {
            struct table t;
            uint8_t buf[APDU_RESPONSE_MAX + 1];
            make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
            begin(&t);
            carry(&t, at, TEST_NOW_S);
            struct span answer = ask(&t, buf);
            t.step = card_check_input(&t.check, spoil((enum spoil)how, answer, buf), TEST_NOW_S);
            cr_expect(eq(int, t.step.what, CARD_REFUSED), "%s at %zu", spoils[how], at);
            cr_expect(eq(int, t.step.reason, ERR_CARD_ANSWER), "%s at %zu", spoils[how], at);
            drop(&t);
        }
}

/* Each byte of the certificate, on its way to the vehicle. */
Test(card_key, a_certificate_with_another_byte_is_refused, .timeout = 60)
{
    struct table t;
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    for (size_t i = 0; i < t.card.len; i++) {
        t.card.der[i] ^= 0x01;
        enum err e = verdict(&t, TEST_NOW_S);
        cr_expect(e != ERR_OK, "byte %zu", i);
        t.card.der[i] ^= 0x01;
    }
    cr_expect(eq(int, verdict(&t, TEST_NOW_S), ERR_OK));
    drop(&t);
}

Test(card_key, the_answer_to_select)
{
    static const struct {
        const char *data;
        enum err reason;
        unsigned len;
    } rows[] = {
        {"80030101BA", ERR_OK, 442},
        {"8003010001", ERR_OK, 1},
        {"8003010320", ERR_OK, 800},
        {"5C020100"
         "80030101BA",
         ERR_OK, 442},
        {"8003010321", ERR_CARD_ANSWER, 0},
        {"8003010000", ERR_CARD_ANSWER, 0},
        {"80030201BA", ERR_CARD_ANSWER, 0},
        {"80030001BA", ERR_CARD_ANSWER, 0},
        {"800201BA", ERR_CARD_ANSWER, 0},
        {"80040101BA00", ERR_CARD_ANSWER, 0},
        {"80030101", ERR_CARD_ANSWER, 0},
        {"80030101BA"
         "80030101BA",
         ERR_CARD_ANSWER, 0},
        {"5C020100", ERR_CARD_ANSWER, 0},
        {"", ERR_CARD_ANSWER, 0},
        {"80030101BA"
         "5C05",
         ERR_CARD_ANSWER, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct card_hello h = {.version = 7, .certificate_len = 7};
        HEX(data, rows[i].data);
        cr_expect(eq(int, card_hello_parse(span_of(data, data_len), &h), rows[i].reason), "%s", rows[i].data);
        cr_expect(eq(uint, h.certificate_len, rows[i].reason ? 7 : rows[i].len), "%s", rows[i].data);
    }
}

/* ---- the card ---- */

#define AUTH(purpose) "0088000021" purpose "0101010101010101010101010101010101010101010101010101010101010101"

Test(card_key, what_the_card_refuses)
{
    static const struct {
        const char *name, *before, *command, *status;
        size_t len; /* of what comes before the status */
    } rows[] = {
        {"selected", NULL, SELECT, "9000", 5},
        {"not selected: read", NULL, "00B0000000", "6985", 0},
        {"not selected: sign", NULL, AUTH("01") "00", "6985", 0},
        {"sign", SELECT, AUTH("01") "00", "9000", CARD_PROOF},
        {"sign without Le", SELECT, AUTH("01"), "9000", CARD_PROOF},
        {"another purpose", SELECT, AUTH("02"), "6A80", 0},
        {"no purpose", SELECT, AUTH("00"), "6A80", 0},
        {"a short challenge", SELECT,
         "0088000010"
         "01010101010101010101010101010101",
         "6700", 0},
        {"no challenge", SELECT, "00880000", "6700", 0},
        {"P1 of sign", SELECT,
         "0088010021"
         "01",
         "6700", 0},
        {"read", SELECT, "00B0000000", "9000", CARD_PIECE},
        {"read far inside", SELECT, "00B000FF00", "9000", 0}, /* what is left */
        {"read far behind", SELECT, "00B07FFF00", "6B00", 0},
        {"read a file by its name", SELECT, "00B0800000", "6B00", 0},
        {"read with data", SELECT, "00B000000101", "6700", 0},
        {"another application", SELECT, "00A404000DA000000809434343444B46763100", "6A82", 0},
        {"a longer AID", SELECT,
         "00A404000CF0535041414B4341524401"
         "00",
         "6A82", 0},
        {"a shorter AID", SELECT, "00A404000AF0535041414B43415244", "6A82", 0},
        {"select by another way", SELECT, "00A400000BF0535041414B4341524401", "6B00", 0},
        {"another instruction", SELECT, "00CA0000", "6D00", 0},
        {"another class", SELECT, "80B0000000", "6E00", 0},
        {"no APDU", SELECT, "00B0", "6700", 0},
        {"extended length", SELECT, "00B00000000010", "6700", 0},
    };
    struct table t;
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[APDU_RESPONSE_MAX];
        card_chip_reset(&t.chip);
        if (rows[i].before) {
            HEX(before, rows[i].before);
            struct wr w = wr_of(out, sizeof out);
            card_chip_input(&t.chip, span_of(before, before_len), &w);
        }
        HEX(command, rows[i].command);
        struct wr w = wr_of(out, sizeof out);
        card_chip_input(&t.chip, span_of(command, command_len), &w);
        bool rest = strcmp(rows[i].name, "read far inside") == 0;
        cr_assert(eq(sz, w.len, (rest ? t.card.len - 0xFF : rows[i].len) + 2), "%s", rows[i].name);
        HEX(status, rows[i].status);
        cr_expect(eq(int, memcmp(out + w.len - 2, status, 2), 0), "%s: %02X%02X", rows[i].name,
                  out[w.len - 2], out[w.len - 1]);
    }
    drop(&t);
}

/* Whatever is asked for, what comes is the certificate from there on. */
Test(card_key, the_certificate_is_read_from_anywhere)
{
    struct table t;
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    t.chip.selected = true;
    for (size_t at = 0; at <= t.card.len; at++) {
        uint8_t out[APDU_RESPONSE_MAX];
        const uint8_t read[] = {0x00, 0xB0, (uint8_t)(at >> 8), (uint8_t)at, 0x00};
        size_t left = t.card.len - at, len = left < CARD_PIECE ? left : CARD_PIECE;
        struct wr w = wr_of(out, sizeof out);
        card_chip_input(&t.chip, span_of(read, sizeof read), &w);
        cr_assert(eq(sz, w.len, len + 2), "from %zu", at);
        cr_expect(eq(int, memcmp(out, t.card.der + at, len), 0), "from %zu", at);
        cr_expect(eq(uint, out[len], left ? 0x90 : 0x6B), "from %zu", at);
    }
    drop(&t);
}

Test(card_key, another_application_or_a_reset_deselects)
{
    struct table t;
    make(&t, OEM_J_PHYSICAL_KEY, VEHICLE, OEM_CARD_SOUND);
    for (int reset = 0; reset < 2; reset++) {
        uint8_t out[APDU_RESPONSE_MAX];
        HEX(select, SELECT);
        HEX(other, "00A404000DA000000809434343444B46763100");
        HEX(read, "00B0000000");
        struct wr w = wr_of(out, sizeof out);
        card_chip_input(&t.chip, span_of(select, select_len), &w);
        cr_assert(t.chip.selected);
        w = wr_of(out, sizeof out);
        if (reset)
            card_chip_reset(&t.chip);
        else
            card_chip_input(&t.chip, span_of(other, other_len), &w);
        w = wr_of(out, sizeof out);
        card_chip_input(&t.chip, span_of(read, read_len), &w);
        expect_hex(span_of(out, w.len), "6985", reset ? "after a reset" : "after another application");
    }
    drop(&t);
}

Test(card_key, a_chip_without_a_certificate_is_none)
{
    struct card_chip chip;
    cr_expect(eq(int, card_chip_init(&chip, test_crypto(), NULL, span_of("\x30\x00", 2)), ERR_DER_SYNTAX));
}
