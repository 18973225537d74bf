#include "lib/card/card_check.h"

#include <assert.h>
#include <string.h>

static struct card_step refuse(struct card_check *c, enum err reason)
{
    c->state = CARD_OVER;
    return (struct card_step){.what = CARD_REFUSED, .reason = reason};
}

static struct card_step send(struct card_check *c, enum card_state state, struct apdu_command a)
{
    struct wr w = wr_of(c->command, sizeof c->command);
    a.has_le = true;
    apdu_command_put(&w, &a);
    assert(!w.failed);
    c->state = state;
    c->command_len = w.len;
    return (struct card_step){.what = CARD_SEND, .apdu = span_of(c->command, c->command_len)};
}

struct card_step card_check_begin(struct card_check *c, const struct card_check_config *config)
{
    size_t len = strlen(config->vehicle);
    assert(config->root && len >= 1 && len <= X509_CN_MAX);
    *c = (struct card_check){.config = *config};
    return send(
        c, CARD_SELECTING,
        (struct apdu_command){
            .cla = APDU_CLA_ISO, .ins = APDU_SELECT, .p1 = 0x04, .data = span_of(card_aid, CARD_AID)});
}

/* ---- the certificate ---- */

static struct card_step ask_piece(struct card_check *c)
{
    return send(c, CARD_READING,
                (struct apdu_command){.cla = APDU_CLA_ISO,
                                      .ins = CARD_READ_BINARY,
                                      .p1 = (uint8_t)(c->read >> 8),
                                      .p2 = (uint8_t)c->read});
}

static struct card_step take_hello(struct card_check *c, struct span data)
{
    struct card_hello h;
    enum err e = card_hello_parse(data, &h);
    if (e)
        return refuse(c, e);
    c->len = h.certificate_len;
    return ask_piece(c);
}

/* The chain first: only of a genuine card is it worth saying whose it is. */
static enum err check_certificate(struct card_check *c, int64_t now_s)
{
    const struct card_check_config *config = &c->config;
    struct x509 x;
    enum err e = x509_parse(span_of(c->certificate, c->len), &x);
    if (!e)
        e = x509_check_chain(config->crypto, &x, X509_CARD_KEY, &config->root, 1, now_s);
    if (!e && strcmp(x.subject, config->vehicle) != 0)
        e = ERR_CARD_OTHER_VEHICLE;
    if (!e)
        memcpy(c->point, x.public_key, sizeof c->point);
    return e;
}

static struct card_step challenge(struct card_check *c)
{
    uint8_t data[1 + CARD_CHALLENGE] = {(uint8_t)c->config.purpose};
    crypto_random(c->config.crypto, c->challenge, sizeof c->challenge);
    memcpy(data + 1, c->challenge, sizeof c->challenge);
    return send(c, CARD_PROVING,
                (struct apdu_command){.cla = APDU_CLA_ISO,
                                      .ins = CARD_INTERNAL_AUTHENTICATE,
                                      .data = span_of(data, sizeof data)});
}

/* A piece is as long as it can be: a card cannot draw a check out. */
static struct card_step take_piece(struct card_check *c, struct span data, int64_t now_s)
{
    size_t left = c->len - c->read, wanted = left < CARD_PIECE ? left : CARD_PIECE;
    if (data.len != wanted)
        return refuse(c, ERR_CARD_ANSWER);
    memcpy(c->certificate + c->read, data.p, data.len);
    c->read += data.len;
    if (c->read < c->len)
        return ask_piece(c);
    enum err e = check_certificate(c, now_s);
    return e ? refuse(c, e) : challenge(c);
}

/* ---- the proof ---- */

static struct card_step take_proof(struct card_check *c, struct span data)
{
    const struct card_check_config *config = &c->config;
    if (data.len != CARD_PROOF)
        return refuse(c, ERR_CARD_ANSWER);
    enum err e =
        card_verify(config->crypto, c->point, config->purpose, c->challenge, config->vehicle, data.p);
    if (e)
        return refuse(c, e);
    c->state = CARD_OVER;
    return (struct card_step){.what = CARD_GENUINE};
}

struct card_step card_check_input(struct card_check *c, struct span answer, int64_t now_s)
{
    struct span data;
    uint16_t sw;
    if (c->state == CARD_OVER)
        return refuse(c, ERR_MSG_UNEXPECTED);
    if (apdu_response_parse(answer, &data, &sw) || sw != APDU_SW_OK)
        return refuse(c, ERR_CARD_ANSWER);
    switch (c->state) {
    case CARD_SELECTING:
        return take_hello(c, data);
    case CARD_READING:
        return take_piece(c, data, now_s);
    default:
        return take_proof(c, data);
    }
}
