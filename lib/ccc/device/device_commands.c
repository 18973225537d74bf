/* The vehicle's commands to the framework, as a table of what is permitted when (CCC-TS-101, 5.1 and 6.3). */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/device/device.h"
#include "lib/ccc/tlv.h"

#define MORE_MAX 238 /* longest remainder that a status word names */

enum { LAST_PIECE = 0x80 };
enum { TAG_NAME = 0xD3, TAG_DEVICE_OEM = 0x7F20, TAG_INSTANCE_CA = 0x7F22, TAG_ENDPOINT = 0x7F24 };

/* ---- SELECT ---- */

static bool pairing_mode(const struct dk_device *d)
{
    return d->password_len != 0 && d->state != DK_PAIRED;
}

static uint16_t select_framework(struct dk_device *d, struct wr *out)
{
    if (d->state == DK_CREATING && !d->pairing.key)
        return APDU_SW_CONDITIONS; /* the key is not made yet: the vehicle asks again */
    if (d->state == DK_CREATING)
        d->state = DK_SECURE2;
    else if (pairing_mode(d))
        d->state = DK_SELECTED;
    /* table 5-3 */
    const struct op_select s = {d->versions, d->applet->versions, pairing_mode(d)};
    op_select_put(out, &s);
    d->selected = DK_SELECTED_FRAMEWORK;
    return APDU_SW_OK;
}

/* ---- SPAKE2+ ---- */

static enum err derive(struct dk_device *d, const struct spake2p_scrypt *s)
{
    uint8_t w0[P256_SCALAR], w1[P256_SCALAR];
    if (d->derived && memcmp(d->derived_from.salt, s->salt, sizeof s->salt) == 0 &&
        d->derived_from.n == s->n && d->derived_from.r == s->r && d->derived_from.p == s->p)
        return ERR_OK;
    /* w0, w1 */
    enum err e = spake2p_derive(d->crypto, span_of(d->password, d->password_len), s, w0, w1);
    if (!e)
        e = spake2p_prover_set_make(d->crypto, w0, w1, &d->prover);
    d->derived = !e;
    d->derived_from = *s;
    OPENSSL_cleanse(w0, sizeof w0);
    OPENSSL_cleanse(w1, sizeof w1);
    return e;
}

static uint16_t request(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    static const uint8_t zeros[SPAKE2P_SALT];
    struct dk_pairing *p = &d->pairing;
    struct op_request r;
    uint8_t random[P256_SCALAR];
    if (d->password_len == 0)
        return APDU_SW_NOT_READY;
    if (d->state == DK_IDLE)
        return APDU_SW_CONDITIONS;         /* the password came after SELECT */
    dk_device_end_pairing(d, DK_SELECTED); /* a new REQUEST ends what was before */
    /* table 5-4 */
    if (op_request_parse(cmd->data, &r) || r.brand == 0 || !spake2p_scrypt_acceptable(&r.scrypt) ||
        memcmp(r.scrypt.salt, zeros, sizeof zeros) == 0 || !op_versions_has(&d->versions, r.version))
        return APDU_SW_INVALID;
    p->applet_version = op_versions_common(&r.applet, &d->applet->versions);
    if (p->applet_version == 0)
        return APDU_SW_INVALID;
    p->vehicle_versions = r.applet;
    crypto_random(d->crypto, random, sizeof random);
    enum err e = derive(d, &r.scrypt);
    if (!e)
        e = spake2p_set_versions(&p->spake, r.tlv_5b, r.tlv_5c);
    if (!e)
        e = spake2p_prover_begin(d->crypto, &p->spake, &d->prover, random);
    OPENSSL_cleanse(random, sizeof random);
    if (e)
        return APDU_SW_INVALID;
    /* table 5-5: X */
    op_share_put(out, p->spake.x);
    d->state = DK_REQUESTED;
    return APDU_SW_OK;
}

static uint16_t verify(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    struct dk_pairing *p = &d->pairing;
    const uint8_t *y, *m1;
    uint8_t m2[SPAKE2P_EVIDENCE];
    /* table 5-7: Y, M[1] */
    if (op_verify_parse(cmd->data, &y, &m1) ||
        spake2p_prover_finish(d->crypto, &p->spake, &d->prover, y, m1, m2, &p->keys))
        return APDU_SW_INVALID;
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

/* ---- WRITE DATA ---- */

/* Keeps what an attestation block brought. */
static uint16_t take_attestation(struct dk_device *d)
{
    assert(d->pairing.key); /* SECURE2 has one */
    struct dk_pairing *p = &d->pairing;
    struct dk_owned *o = dk_device_owned(d, p->key);
    struct span a = key_data_attestation(span_of(p->block.bytes, p->block.len));
    if (a.len > sizeof o->attestation)
        return APDU_SW_NO_MEMORY;
    if (a.len)
        memcpy(o->attestation, a.p, a.len);
    o->attestation_len = a.len;
    p->attested = true;
    return 0;
}

static uint16_t write_data(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    struct dk_pairing *p = &d->pairing;
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    bool last = cmd->p1 == LAST_PIECE, second = d->state == DK_SECURE2;
    if (second && (p->attested || p->object_sent < p->object_len))
        return APDU_SW_CONDITIONS;
    if (channel_unwrap_command(d->crypto, &p->channel, cmd, plain, &len))
        return APDU_SW_SECURE_MESSAGING;
    /* table 5-11 or 5-12, a piece */
    enum err e =
        key_data_add(&p->block, second ? KEY_DATA_ATTESTATION : KEY_DATA_CREATION, span_of(plain, len), last);
    OPENSSL_cleanse(plain, sizeof plain);
    if (e)
        return e == ERR_NO_SPACE ? APDU_SW_NO_MEMORY : APDU_SW_WRONG_DATA;
    if (last && second) {
        uint16_t sw = take_attestation(d);
        if (sw)
            return sw;
    }
    if (channel_wrap_response(d->crypto, &p->channel, (struct span){0}, APDU_SW_OK, out))
        return APDU_SW_SECURE_MESSAGING;
    if (last && !second)
        d->state = DK_WRITTEN;
    return 0; /* the answer is complete */
}

/* ---- GET DATA, GET RESPONSE ---- */

static enum err load_object(struct dk_device *d, struct span tag)
{
    assert(d->pairing.key && d->pairing.partner && d->pairing.anchor); /* SECURE2 has them */
    struct dk_pairing *p = &d->pairing;
    const struct digital_key *k = p->key;
    struct rd r = rd_of(tag.p, tag.len);
    uint16_t wanted = tag.len == 1 ? rd_u8(&r) : rd_be16(&r); /* 0 when it is neither one byte nor two */
    struct wr w = wr_of(p->object, sizeof p->object);
    if (r.left)
        return ERR_NOT_FOUND;
    switch (wanted) {
    case TAG_DEVICE_OEM:
        wr_copy(&w, p->anchor->device_oem, p->anchor->device_oem_len);
        break;
    case TAG_INSTANCE_CA:
        wr_copy(&w, p->partner->instance_ca, p->partner->instance_ca_len);
        break;
    case TAG_ENDPOINT:
        wr_copy(&w, k->certificate, k->certificate_len);
        break;
    case TAG_NAME:
        tlv_put(&w, TAG_NAME, span_of(d->name, strlen(d->name)));
        break;
    default:
        return ERR_NOT_FOUND;
    }
    p->object_len = w.len;
    p->object_sent = 0;
    return w.failed ? ERR_NO_SPACE : ERR_OK;
}

/* The next piece of the object, each protected by itself. */
static uint16_t send_piece(struct dk_device *d, struct wr *out)
{
    assert(d->pairing.object_sent <= d->pairing.object_len);
    struct dk_pairing *p = &d->pairing;
    size_t left = p->object_len - p->object_sent, n = left < CHANNEL_PLAIN_MAX ? left : CHANNEL_PLAIN_MAX;
    struct span piece = {p->object + p->object_sent, n};
    left -= n;
    uint16_t sw = APDU_SW_OK;
    if (left)
        sw = (uint16_t)(APDU_SW_MORE + (left <= MORE_MAX ? left : 0));
    if (channel_wrap_response(d->crypto, &p->channel, piece, sw, out))
        return APDU_SW_SECURE_MESSAGING;
    p->object_sent += n;
    return 0;
}

static uint16_t get_data(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    struct dk_pairing *p = &d->pairing;
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    if (p->object_sent < p->object_len)
        return APDU_SW_CONDITIONS;
    if (channel_unwrap_command(d->crypto, &p->channel, cmd, plain, &len))
        return APDU_SW_SECURE_MESSAGING;
    return load_object(d, span_of(plain, len)) ? APDU_SW_INVALID : send_piece(d, out);
}

static uint16_t get_response(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    struct dk_pairing *p = &d->pairing;
    (void)cmd;
    if (p->object_sent >= p->object_len)
        return APDU_SW_CONDITIONS;
    return channel_continue(d->crypto, &p->channel) ? APDU_SW_SECURE_MESSAGING : send_piece(d, out);
}

/* ---- OP CONTROL FLOW ---- */

static const struct dk_partner *find_partner(const struct dk_device *d, const struct key_data *k)
{
    struct x509 vehicle;
    if (x509_parse(k->vehicle_certificate, &vehicle))
        return NULL;
    struct span manufacturer = dk_cert_manufacturer(vehicle.subject);
    for (size_t i = 0; i < DK_DEVICE_PARTNERS; i++)
        if (d->partners[i].instance_ca_len && span_is(manufacturer, d->partners[i].manufacturer))
            return &d->partners[i];
    return NULL;
}

/* 10/01: everything about the key data that can be checked before a key is made. */
static enum err check_key_data(struct dk_device *d)
{
    struct dk_pairing *p = &d->pairing;
    struct key_data k;
    struct x509 root;
    enum err e = key_data_parse(span_of(p->block.bytes, p->block.len), &k);
    if (e)
        return e;
    if (k.creation.version != p->applet_version)
        return ERR_DK_APPLET_VERSION;
    if ((e = p256_check_point(d->crypto, k.creation.authorized_pk)) ||
        (e = p256_check_point(d->crypto, k.creation.vehicle_pk)))
        return e;
    /* [K], 7F4C, [J] */
    p->partner = find_partner(d, &k);
    if (!p->partner)
        return ERR_CERT_ISSUER_UNKNOWN;
    for (size_t i = 0; i < DK_PARTNER_ANCHORS; i++) {
        const struct dk_anchor *a = &p->partner->anchors[i];
        if (a->root_len == 0)
            continue;
        struct dk_cert_vehicle_chain chain = {k.vehicle_certificate, k.intermediate, &root, 1};
        e = x509_parse(span_of(a->root, a->root_len), &root);
        if (!e)
            e = dk_cert_check_vehicle(d->crypto, &chain, &k.creation, d->now_s);
        if (!e) {
            p->anchor = a;
            return ERR_OK;
        }
    }
    return e;
}

/* 10/02: the vehicle accepted the key; an older one of the same vehicle goes. */
static uint16_t accept_key(struct dk_device *d)
{
    struct digital_key *k = d->pairing.key;
    assert(k);
    for (size_t i = 0; i < APPLET_KEYS; i++) {
        struct digital_key *other = &d->applet->keys[i];
        if (other == k || other->state == APPLET_KEY_NONE ||
            memcmp(other->creation.vehicle_id, k->creation.vehicle_id, TRANSACTION_VEHICLE_ID) != 0)
            continue;
        applet_delete_endpoint(d->applet, other);
        OPENSSL_cleanse(&d->owned[i], sizeof d->owned[i]);
    }
    dk_device_owned(d, k)->paired = true;
    dk_device_forget_password(d);
    dk_device_end_pairing(d, DK_PAIRED);
    return APDU_SW_OK;
}

static uint16_t op_control_flow(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    (void)out;
    if (cmd->p1 == APDU_FLOW_ABORT) {
        dk_device_end_pairing(d, d->state == DK_PAIRED ? DK_PAIRED : DK_IDLE);
        return APDU_SW_OK;
    }
    if (cmd->p1 == APDU_FLOW_END)
        return d->state == DK_PAIRED ? APDU_SW_OK : APDU_SW_CONDITIONS;
    /* 10/01 */
    if (cmd->p2 == APDU_CONTINUE_KEY_DATA_COMPLETE) {
        if (d->state != DK_WRITTEN || check_key_data(d))
            return APDU_SW_WRONG_DATA;
        d->state = DK_CREATING;
        return APDU_SW_OK;
    }
    /* 10/02 */
    if (cmd->p2 == APDU_CONTINUE_KEY_ACCEPTED) {
        if (d->state != DK_SECURE2 || d->pairing.object_sent != d->pairing.object_len)
            return APDU_SW_CONDITIONS;
        return accept_key(d);
    }
    return APDU_SW_OK;
}

/* ---- what is permitted when ---- */

#define IN(state)   (1u << (state))
#define CHANNEL     (IN(DK_SECURE1) | IN(DK_WRITTEN) | IN(DK_CREATING) | IN(DK_SECURE2))
#define MAY_REQUEST (IN(DK_IDLE) | IN(DK_SELECTED) | IN(DK_REQUESTED) | IN(DK_SECURE2))
#define MAY_WRITE   (IN(DK_SECURE1) | IN(DK_SECURE2))
#define MAY_CONTROL (IN(DK_SELECTED) | IN(DK_REQUESTED) | CHANNEL | IN(DK_PAIRED))

/* A handler returns the status of an answer whose data it put, or 0 when it put the status, too. */
static const struct command {
    uint8_t ins;
    uint8_t cla[3]; /* permitted classes; unused entries repeat one */
    size_t lc_min, lc_max;
    unsigned states;
    uint16_t (*run)(struct dk_device *d, const struct apdu_command *cmd, struct wr *out);
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
     .run = write_data},
    {.ins = APDU_GET_DATA,
     .cla = {0x84, 0x84, 0x84},
     .lc_min = CHANNEL_MAC,
     .lc_max = 255,
     .states = IN(DK_SECURE2),
     .run = get_data},
    {.ins = APDU_GET_RESPONSE, .cla = {0x84, 0x80, 0x00}, .states = IN(DK_SECURE2), .run = get_response},
    {.ins = APDU_CONTROL_FLOW, .cla = {0x80, 0x84, 0x80}, .states = MAY_CONTROL, .run = op_control_flow},
};

static bool p1p2_known(const struct apdu_command *cmd)
{
    if (cmd->ins == APDU_CONTROL_FLOW)
        return apdu_flow_name(cmd->p1, cmd->p2) != NULL;
    return (cmd->p1 == 0 || (cmd->ins == APDU_WRITE_DATA && cmd->p1 == LAST_PIECE)) && cmd->p2 == 0;
}

/* Order of checks: class, instruction, P1 P2, length, state (a choice, docs/ccc.md). */
static uint16_t refuse(const struct dk_device *d, const struct apdu_command *cmd, const struct command **out)
{
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
    if (d->selected != DK_SELECTED_FRAMEWORK || !(c->states & IN(d->state)))
        return APDU_SW_CONDITIONS;
    *out = c;
    return 0;
}

/* Any error ends the secure channel; the password stays, so that the vehicle may begin again at REQUEST. */
static void after_error(struct dk_device *d)
{
    if (d->state > DK_SELECTED && d->state != DK_PAIRED)
        dk_device_end_pairing(d, DK_SELECTED);
}

static void framework_input(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    const struct command *c = NULL;
    size_t before = out->len;
    uint16_t sw = refuse(d, cmd, &c);
    if (sw == 0)
        sw = c->run(d, cmd, out);
    if (sw == 0)
        return;
    if (sw != APDU_SW_OK) {
        out->len = before;
        after_error(d);
    }
    wr_be16(out, sw);
}

/* SELECT decides who gets the commands that follow. */
static void select_input(struct dk_device *d, const struct apdu_command *cmd, struct wr *out)
{
    bool framework = span_equal(cmd->data, span_of(apdu_aid_framework, APDU_AID));
    bool applet = span_equal(cmd->data, span_of(apdu_aid_applet, APDU_AID));
    uint16_t sw = 0;
    if (cmd->cla != APDU_CLA_ISO)
        sw = APDU_SW_CLA;
    else if (cmd->p1 != 0x04 || cmd->p2 != 0)
        sw = APDU_SW_WRONG_P1P2;
    else if (!framework && (!applet || pairing_mode(d))) /* the framework comes first in pairing */
        sw = APDU_SW_NOT_FOUND;
    else if (framework && d->state != DK_IDLE && d->state != DK_SELECTED && d->state != DK_CREATING &&
             d->state != DK_PAIRED)
        sw = APDU_SW_CONDITIONS;
    if (sw == 0 && applet) {
        d->selected = DK_SELECTED_APPLET;
        applet_input(d->applet, cmd, out);
        return;
    }
    if (sw == 0) {
        applet_reset(d->applet, d->applet->session.interface);
        d->selected = DK_SELECTED_NOBODY;
        sw = select_framework(d, out);
    } else {
        after_error(d);
    }
    wr_be16(out, sw);
}

void dk_device_input(struct dk_device *d, struct span command, struct wr *out)
{
    assert(d && d->applet && (command.p || command.len == 0));
    assert(out && out->cap - out->len >= APDU_RESPONSE_MAX);
    struct apdu_command cmd;
    if (apdu_command_parse(command, &cmd)) {
        after_error(d);
        applet_reset(d->applet, d->applet->session.interface);
        if (d->selected == DK_SELECTED_APPLET)
            d->selected = DK_SELECTED_NOBODY;
        wr_be16(out, APDU_SW_WRONG_LENGTH);
    } else if (cmd.ins == APDU_SELECT) {
        select_input(d, &cmd, out);
    } else if (d->selected == DK_SELECTED_APPLET) {
        applet_input(d->applet, &cmd, out);
    } else {
        framework_input(d, &cmd, out);
    }
    assert(!out->failed);
}
