#include "lib/card/card_chip.h"

#include <string.h>

enum err card_chip_init(struct card_chip *c, struct crypto *crypto, const struct p256_key *key,
                        struct span certificate)
{
    struct x509 x;
    enum err e = x509_parse(certificate, &x);
    if (e)
        return e;
    *c = (struct card_chip){.crypto = crypto, .key = key, .certificate = certificate};
    text_copy(c->vehicle, sizeof c->vehicle, x.subject);
    return *c->vehicle ? ERR_OK : ERR_CERT_PROFILE;
}

void card_chip_reset(struct card_chip *c)
{
    c->selected = false;
}

static uint16_t select_application(struct card_chip *c, const struct apdu_command *a, struct wr *out)
{
    c->selected = false;
    if (a->p1 != 0x04 || a->p2 != 0x00)
        return APDU_SW_WRONG_P1P2;
    if (!span_equal(a->data, span_of(card_aid, CARD_AID)))
        return APDU_SW_NOT_FOUND;
    c->selected = true;
    card_hello_put(
        out, &(struct card_hello){.version = CARD_VERSION, .certificate_len = (uint16_t)c->certificate.len});
    return APDU_SW_OK;
}

/* The highest bit of P1 would name a file: there is but one. */
static uint16_t read_certificate(const struct card_chip *c, const struct apdu_command *a, struct wr *out)
{
    size_t offset = (size_t)(a->p1 << 8 | a->p2), left = c->certificate.len - offset;
    if (a->data.len)
        return APDU_SW_WRONG_LENGTH;
    if (a->p1 & 0x80 || offset >= c->certificate.len)
        return APDU_SW_WRONG_P1P2;
    wr_copy(out, c->certificate.p + offset, left < CARD_PIECE ? left : CARD_PIECE);
    return APDU_SW_OK;
}

static uint16_t authenticate(const struct card_chip *c, const struct apdu_command *a, struct wr *out)
{
    uint8_t proof[CARD_PROOF];
    if (a->p1 || a->p2)
        return APDU_SW_WRONG_P1P2;
    if (a->data.len != 1 + CARD_CHALLENGE)
        return APDU_SW_WRONG_LENGTH;
    if (a->data.p[0] != CARD_PAIRING)
        return APDU_SW_WRONG_DATA;
    if (card_sign(c->crypto, c->key, CARD_PAIRING, a->data.p + 1, c->vehicle, proof))
        return APDU_SW_CONDITIONS;
    wr_copy(out, proof, sizeof proof);
    return APDU_SW_OK;
}

static uint16_t obey(struct card_chip *c, const struct apdu_command *a, struct wr *out)
{
    if (a->cla != APDU_CLA_ISO)
        return APDU_SW_CLA;
    if (a->ins == APDU_SELECT)
        return select_application(c, a, out);
    if (a->ins != CARD_READ_BINARY && a->ins != CARD_INTERNAL_AUTHENTICATE)
        return APDU_SW_INS;
    if (!c->selected)
        return APDU_SW_CONDITIONS;
    return a->ins == CARD_READ_BINARY ? read_certificate(c, a, out) : authenticate(c, a, out);
}

void card_chip_input(struct card_chip *c, struct span command, struct wr *out)
{
    struct apdu_command a;
    wr_be16(out, apdu_command_parse(command, &a) ? APDU_SW_WRONG_LENGTH : obey(c, &a, out));
}
