/* Anybody's card before the vehicle, anybody's reader before the card. */
#include <string.h>

#include "lib/card/card_check.h"
#include "lib/card/card_chip.h"
#include "tests/fuzz_targets.h"

#define NOW_S   1767225600ll
#define VEHICLE "SPAAK00000001"

static const struct fuzz_card {
    struct p256_key *root_key, *key;
    uint8_t root_der[X509_MAX], der[X509_MAX];
    size_t root_len, len;
    struct x509 root;
} * the_card(void)
{
    static struct fuzz_card f;
    uint8_t root_point[P256_POINT], point[P256_POINT];
    struct crypto *c = fuzz_crypto();
    if (f.key)
        return &f;
    MUST(p256_generate(c, &f.root_key) == ERR_OK && p256_generate(c, &f.key) == ERR_OK);
    p256_public(f.root_key, root_point);
    p256_public(f.key, point);
    struct x509_template t = {.profile = X509_OEM_ROOT,
                              .subject = "root",
                              .issuer = "root",
                              .not_before_s = NOW_S - 1000,
                              .not_after_s = NOW_S + 1000,
                              .public_key = root_point,
                              .issuer_public_key = root_point};
    MUST(x509_issue(c, &t, f.root_key, f.root_der, &f.root_len) == ERR_OK);
    t.profile = X509_CARD_KEY;
    t.subject = VEHICLE;
    t.public_key = point;
    MUST(x509_issue(c, &t, f.root_key, f.der, &f.len) == ERR_OK);
    MUST(x509_parse(span_of(f.root_der, f.root_len), &f.root) == ERR_OK);
    return &f;
}

/* Pieces of a length byte and as many bytes; FF: 255 and another byte says how many more. */
static bool next(struct rd *r, struct span *out)
{
    size_t len = rd_u8(r);
    if (len == 0xFF)
        len += rd_u8(r);
    if (len > r->left)
        len = r->left;
    *out = rd_span(r, len);
    return !r->failed;
}

static void put(struct wr *w, struct span s)
{
    wr_u8(w, (uint8_t)(s.len < 0xFF ? s.len : 0xFF));
    if (s.len >= 0xFF)
        wr_u8(w, (uint8_t)(s.len - 0xFF));
    wr_copy(w, s.p, s.len);
}

/* Answers to whatever the vehicle asks. None has signed its challenge, which they are older than. */
void fuzz_card_check(const uint8_t *p, size_t len)
{
    const struct fuzz_card *f = the_card();
    struct rd r = rd_of(p, len);
    struct card_check check;
    struct span answer;
    size_t commands = 1;
    const struct card_check_config config = {
        .crypto = fuzz_crypto(), .root = &f->root, .vehicle = VEHICLE, .purpose = CARD_PAIRING};
    struct card_step step = card_check_begin(&check, &config);
    while (step.what == CARD_SEND && next(&r, &answer)) {
        MUST(step.apdu.len >= 4 && step.apdu.len <= CARD_COMMAND_MAX);
        step = card_check_input(&check, answer, NOW_S);
        commands += step.what == CARD_SEND;
        MUST(commands <= 2 + X509_MAX / CARD_PIECE + 1);
    }
    MUST(step.what != CARD_GENUINE);
    MUST(step.what == CARD_SEND || (step.reason && check.state == CARD_OVER));
}

void fuzz_card_chip(const uint8_t *p, size_t len)
{
    const struct fuzz_card *f = the_card();
    struct rd r = rd_of(p, len);
    struct card_chip chip;
    struct span command;
    bool selected = false;
    MUST(card_chip_init(&chip, fuzz_crypto(), f->key, span_of(f->der, f->len)) == ERR_OK);
    while (next(&r, &command)) {
        uint8_t out[APDU_RESPONSE_MAX];
        struct wr w = wr_of(out, sizeof out);
        card_chip_input(&chip, command, &w);
        MUST(!w.failed && w.len >= 2);
        bool ok = out[w.len - 2] == 0x90 && out[w.len - 1] == 0x00;
        MUST(ok || w.len == 2);                               /* a refusal says nothing else */
        MUST(!ok || selected || command.p[1] == APDU_SELECT); /* nothing without SELECT */
        selected = chip.selected;
    }
}

static size_t honest(struct wr *commands, struct wr *answers)
{
    const struct fuzz_card *f = the_card();
    struct card_chip chip;
    struct card_check check;
    const struct card_check_config config = {
        .crypto = fuzz_crypto(), .root = &f->root, .vehicle = VEHICLE, .purpose = CARD_PAIRING};
    uint8_t other[CARD_CHALLENGE], out[APDU_RESPONSE_MAX];
    crypto_random(config.crypto, other, sizeof other); /* so that the challenge is not the one of a run */
    MUST(card_chip_init(&chip, config.crypto, f->key, span_of(f->der, f->len)) == ERR_OK);
    struct card_step step = card_check_begin(&check, &config);
    size_t n = 0;
    for (; step.what == CARD_SEND; n++) {
        struct wr w = wr_of(out, sizeof out);
        put(commands, step.apdu);
        card_chip_input(&chip, step.apdu, &w);
        put(answers, span_of(out, w.len));
        step = card_check_input(&check, span_of(out, w.len), NOW_S);
    }
    MUST(step.what == CARD_GENUINE);
    return n;
}

static void seed(fuzz_emit *emit, void *arg, bool chip)
{
    uint8_t commands[1024], answers[1024];
    struct wr c = wr_of(commands, sizeof commands), a = wr_of(answers, sizeof answers);
    MUST(honest(&c, &a) == 4);
    struct wr *w = chip ? &c : &a;
    MUST(!w->failed);
    for (size_t cut = 0; cut <= 8; cut++)
        emit(arg, w->buf, w->len - cut * w->len / 9);
}

void fuzz_card_check_seeds(fuzz_emit *emit, void *arg)
{
    seed(emit, arg, false);
}

void fuzz_card_chip_seeds(fuzz_emit *emit, void *arg)
{
    seed(emit, arg, true);
}
