/* The vehicle's commands to the framework, as a table of what is permitted when, and SELECT, REQUEST, VERIFY
 * (CCC-TS-101, 5.1 and 6.3). */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device_internal.h"

enum { LAST_PIECE = 0x80 };

/* ---- SELECT ---- */

uint16_t dk_framework_select(struct dk_device *d, const struct dk_input *in)
{
    static const unsigned may = 1u << DK_IDLE | 1u << DK_SELECTED | 1u << DK_CREATING | 1u << DK_PAIRED;
    bool elsewhere = dk_pairing_open(d) && d->pairing.link != in->link;
    if (elsewhere || !(may & 1u << d->state))
        return APDU_SW_CONDITIONS;
    if (d->state == DK_CREATING && !d->pairing.key)
        return APDU_SW_CONDITIONS; /* the key is not made yet: the vehicle asks again */
    if (d->state == DK_CREATING)
        d->state = DK_SECURE2;
    else if (dk_pairing_mode(d))
        d->state = DK_SELECTED;
    /* table 5-3 */
    const struct op_select s = {d->versions, d->applet->versions, dk_pairing_mode(d)};
    op_select_put(in->out, &s);
    d->links[in->link].selected = DK_SELECTED_FRAMEWORK;
    return APDU_SW_OK;
}

/* ---- SPAKE2+ REQUEST ---- */

bool dk_scrypt_equal(const struct spake2p_scrypt *a, const struct spake2p_scrypt *b)
{
    return memcmp(a->salt, b->salt, sizeof a->salt) == 0 && a->n == b->n && a->r == b->r && a->p == b->p;
}

uint16_t dk_put_share(struct dk_device *d, struct wr *out)
{
    struct dk_pairing *p = &d->pairing;
    uint8_t random[P256_SCALAR];
    assert(d->derived && dk_scrypt_equal(&d->derived_from, &p->scrypt));
    crypto_random(d->crypto, random, sizeof random);
    enum err e = spake2p_prover_begin(d->crypto, &p->spake, &d->prover, random);
    OPENSSL_cleanse(random, sizeof random);
    if (e)
        return APDU_SW_INVALID;
    /* table 5-5: X */
    op_share_put(out, p->spake.x);
    d->state = DK_REQUESTED;
    return APDU_SW_OK;
}

static bool may_derive(struct dk_device *d)
{
    bool anew = d->now_s < d->derivations_since_s || d->now_s - d->derivations_since_s >= DK_DERIVATIONS_S;
    if (anew) {
        d->derivations = 0;
        d->derivations_since_s = d->now_s;
    }
    return d->derivations < DK_DERIVATIONS_MAX;
}

/* w0 and w1 are there, or scrypt is begun; a vehicle that has to wait for it polls. */
static uint16_t begin(struct dk_device *d, struct wr *out)
{
    if (d->derived && dk_scrypt_equal(&d->derived_from, &d->pairing.scrypt))
        return dk_put_share(d, out);
    if (!may_derive(d))
        return APDU_SW_NOT_READY;
    d->derivations++;
    d->changed.framework = true;
    d->state = DK_DERIVING;
    d->derivation += d->derivation == UINT32_MAX ? 2 : 1;
    d->links[d->pairing.link].derivation = d->derivation;
    return DK_SW_LATER;
}

static uint16_t request(struct dk_device *d, const struct dk_input *in)
{
    static const uint8_t zeros[SPAKE2P_SALT];
    struct dk_pairing *p = &d->pairing;
    struct op_request r;
    if (!dk_has_password(d))
        return APDU_SW_NOT_READY;
    if (d->state == DK_IDLE)
        return APDU_SW_CONDITIONS;  /* the password came after SELECT */
    dk_end_pairing(d, DK_SELECTED); /* a new REQUEST ends what was before */
    /* table 5-4 */
    if (op_request_parse(in->cmd->data, &r) || r.brand == 0 || !spake2p_scrypt_acceptable(&r.scrypt) ||
        memcmp(r.scrypt.salt, zeros, sizeof zeros) == 0 || !op_versions_has(&d->versions, r.version))
        return APDU_SW_INVALID;
    uint16_t version = op_versions_common(&r.applet, &d->applet->versions);
    if (version == 0 || spake2p_set_versions(&p->spake, r.tlv_5b, r.tlv_5c))
        return APDU_SW_INVALID;
    applet_reset(d->applet, in->link);
    p->link = in->link;
    p->applet_version = version;
    p->vehicle_versions = r.applet;
    p->scrypt = r.scrypt;
    return begin(d, in->out);
}

/* ---- SPAKE2+ VERIFY ---- */

/* The attempt counts before anything of it is looked at, also when the power goes. */
static uint16_t verify(struct dk_device *d, const struct dk_input *in)
{
    const uint8_t *y, *m1;
    /* table 5-7: Y, M[1] */
    if (op_verify_parse(in->cmd->data, &y, &m1))
        return APDU_SW_INVALID;
    memcpy(d->pairing.y, y, sizeof d->pairing.y);
    memcpy(d->pairing.m1, m1, sizeof d->pairing.m1);
    d->evidence_failures++;
    dk_store_begin(d, DK_STORING_EVIDENCE, in->link, (struct dk_change){.framework = true});
    return DK_SW_LATER;
}

uint16_t dk_check_evidence(struct dk_device *d, struct wr *out)
{
    struct dk_pairing *p = &d->pairing;
    uint8_t m2[SPAKE2P_EVIDENCE];
    assert(d->state == DK_REQUESTED && d->evidence_failures > 0);
    if (spake2p_prover_finish(d->crypto, &p->spake, &d->prover, p->y, p->m1, m2, &p->keys)) {
        if (d->evidence_failures >= DK_EVIDENCE_MAX) {
            dk_wipe_password(d);
            d->changed.framework = true;
        }
        return APDU_SW_INVALID;
    }
    d->evidence_failures = d->derivations = 0;
    d->changed.framework = true;
    channel_open(&p->channel, d->rules, p->keys.kenc, p->keys.kmac, p->keys.krmac);
    OPENSSL_cleanse(p->keys.kenc, CCC_KEY);
    OPENSSL_cleanse(p->keys.kmac, CCC_KEY);
    OPENSSL_cleanse(p->keys.krmac, CCC_KEY);
    spake2p_wipe(&p->spake);
    /* table 5-8: M[2] */
    op_evidence_put(out, m2);
    d->state = DK_SECURE1;
    return APDU_SW_OK;
}

/* ---- what is permitted when ---- */

#define IN(state)   (1u << (state))
#define CHANNEL     (IN(DK_SECURE1) | IN(DK_WRITTEN) | IN(DK_CREATING) | IN(DK_SECURE2))
#define MAY_REQUEST (IN(DK_IDLE) | IN(DK_SELECTED) | IN(DK_REQUESTED) | IN(DK_SECURE2))
#define MAY_WRITE   (IN(DK_SECURE1) | IN(DK_SECURE2))
#define MAY_CONTROL (IN(DK_SELECTED) | IN(DK_REQUESTED) | CHANNEL | IN(DK_PAIRED))

/* A handler returns the status of an answer whose data it put, or a DK_SW_ value. */
static const struct command {
    uint8_t ins;
    uint8_t cla[3]; /* permitted classes; unused entries repeat one */
    size_t lc_min, lc_max;
    unsigned states;
    uint16_t (*run)(struct dk_device *d, const struct dk_input *in);
} commands[] = {
    {.ins = APDU_SPAKE2P_REQUEST,
     .cla = {0x80, 0x80, 0x80},
     .lc_min = 1,
     .lc_max = 255,
     .states = MAY_REQUEST,
     .run = request},
    {.ins = APDU_SPAKE2P_VERIFY,
     .cla = {0x80, 0x80, 0x80},
     .lc_min = 1,
     .lc_max = 255,
     .states = IN(DK_REQUESTED),
     .run = verify},
    {.ins = APDU_WRITE_DATA,
     .cla = {0x84, 0x84, 0x84},
     .lc_min = CHANNEL_MAC,
     .lc_max = 248,
     .states = MAY_WRITE,
     .run = dk_write_data},
    {.ins = APDU_GET_DATA,
     .cla = {0x84, 0x84, 0x84},
     .lc_min = CHANNEL_MAC,
     .lc_max = 255,
     .states = IN(DK_SECURE2),
     .run = dk_get_data},
    {.ins = APDU_GET_RESPONSE, .cla = {0x84, 0x80, 0x00}, .states = IN(DK_SECURE2), .run = dk_get_response},
    {.ins = APDU_CONTROL_FLOW, .cla = {0x80, 0x84, 0x80}, .states = MAY_CONTROL, .run = dk_control_flow},
};

static bool p1p2_known(const struct apdu_command *cmd)
{
    if (cmd->ins == APDU_CONTROL_FLOW)
        return apdu_flow_name(cmd->p1, cmd->p2) != NULL;
    return (cmd->p1 == 0 || (cmd->ins == APDU_WRITE_DATA && cmd->p1 == LAST_PIECE)) && cmd->p2 == 0;
}

/* Order of checks: class, instruction, P1 P2, length, state (a choice, docs/ccc.md). */
static uint16_t refuse(const struct dk_device *d, const struct dk_input *in, const struct command **out)
{
    const struct apdu_command *cmd = in->cmd;
    const struct command *c = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].ins == cmd->ins)
            c = &commands[i];
    bool any_class = cmd->cla == APDU_CLA_ISO || cmd->cla == APDU_CLA_PLAIN || cmd->cla == APDU_CLA_SECURE;
    if (!any_class || (c && cmd->cla != c->cla[0] && cmd->cla != c->cla[1] && cmd->cla != c->cla[2]))
        return APDU_SW_CLA;
    if (!c)
        return APDU_SW_INS;
    if (!p1p2_known(cmd))
        return APDU_SW_WRONG_P1P2;
    if (cmd->data.len < c->lc_min || cmd->data.len > c->lc_max)
        return APDU_SW_WRONG_LENGTH;
    bool elsewhere = dk_pairing_open(d) && d->pairing.link != in->link;
    if (d->links[in->link].selected != DK_SELECTED_FRAMEWORK || elsewhere || !(c->states & IN(d->state)))
        return APDU_SW_CONDITIONS;
    *out = c;
    return 0;
}

void dk_after_error(struct dk_device *d, enum dk_link_id link)
{
    if (dk_pairing_open_on(d, link) && d->state != DK_CREATING)
        dk_end_pairing(d, d->password_len ? DK_SELECTED : DK_IDLE);
}

void dk_framework_conclude(struct dk_device *d, enum dk_link_id link, struct wr *out, uint16_t sw)
{
    if (sw == DK_SW_PUT || sw == DK_SW_LATER)
        return;
    if (sw != APDU_SW_OK) {
        out->len = 0;
        dk_after_error(d, link);
    }
    wr_be16(out, sw);
}

void dk_framework_input(struct dk_device *d, const struct dk_input *in)
{
    const struct command *c = NULL;
    uint16_t sw = refuse(d, in, &c);
    if (sw == 0)
        sw = c->run(d, in);
    dk_framework_conclude(d, in->link, in->out, sw);
}
