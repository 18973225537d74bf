#include "lib/ccc/vehicle/vehicle_pairing.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/attestation.h"
#include "lib/ccc/tlv.h"

enum { LAST_PIECE = 0x80 };
enum { OBJECT_F, OBJECT_E, OBJECT_H, OBJECTS };
static const uint8_t object_tags[OBJECTS][2] = {{0x7F, 0x20}, {0x7F, 0x22}, {0x7F, 0x24}};

/* ---- ending ---- */

static void wipe_secrets(struct vehicle_pairing *v)
{
    spake2p_wipe(&v->spake);
    channel_close(&v->channel);
    OPENSSL_cleanse(&v->keys, sizeof v->keys);
    OPENSSL_cleanse(v->m1, sizeof v->m1);
    OPENSSL_cleanse(&v->block, sizeof v->block);
}

void vehicle_pairing_wipe(struct vehicle_pairing *v)
{
    assert(v);
    OPENSSL_cleanse(v, sizeof *v);
}

static struct vehicle_step over(struct vehicle_pairing *v, enum err reason)
{
    wipe_secrets(v);
    if (reason)
        OPENSSL_cleanse(&v->result, sizeof v->result);
    v->state = VP_OVER;
    v->reason = reason;
    return (struct vehicle_step){.what = reason ? VEHICLE_FAILED : VEHICLE_DONE, .reason = reason};
}

/* Begun, or wiped. */
static bool sound(const struct vehicle_pairing *v)
{
    return v && v->state < VP_STATES && (v->config || v->state == VP_IDLE);
}

/* What has ended stays as it ended. */
static struct vehicle_step out_of_turn(struct vehicle_pairing *v)
{
    return over(v, v->state == VP_OVER ? v->reason : ERR_MSG_UNEXPECTED);
}

/* ---- sending ---- */

static struct vehicle_step send_plain(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                      const struct apdu_command *cmd)
{
    struct wr w = wr_of(v->out, sizeof v->out);
    apdu_command_put(&w, cmd);
    v->state = state;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(v->out, w.len)};
}

static struct vehicle_step flow(struct vehicle_pairing *v, enum vehicle_pairing_state state, uint8_t p1,
                                uint8_t p2)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_PLAIN, .ins = APDU_CONTROL_FLOW, .p1 = p1, .p2 = p2};
    return send_plain(v, state, &cmd);
}

struct vehicle_step vehicle_pairing_abort(struct vehicle_pairing *v, uint8_t p2, enum err reason)
{
    assert(sound(v) && reason);
    if (v->state == VP_OVER || v->state == VP_IDLE)
        return out_of_turn(v);
    wipe_secrets(v);
    OPENSSL_cleanse(&v->result, sizeof v->result);
    v->reason = reason;
    return flow(v, VP_ABORTING, APDU_FLOW_ABORT, p2);
}

struct vehicle_step vehicle_pairing_timeout(struct vehicle_pairing *v)
{
    static const uint8_t codes[VP_STATES] = {
        [VP_REQUESTING] = APDU_ABORT_TIMEOUT_REQUEST, [VP_VERIFYING] = APDU_ABORT_TIMEOUT_VERIFY,
        [VP_WRITING] = APDU_ABORT_TIMEOUT_WRITE,      [VP_ATTESTING] = APDU_ABORT_TIMEOUT_WRITE,
        [VP_GETTING] = APDU_ABORT_TIMEOUT_GET,
    };
    assert(sound(v));
    return vehicle_pairing_abort(v, codes[v->state] ? codes[v->state] : APDU_ABORT_TIMEOUT, ERR_DK_TIMEOUT);
}

struct vehicle_step vehicle_pairing_link_lost(struct vehicle_pairing *v)
{
    assert(sound(v));
    if (v->state == VP_OVER)
        return out_of_turn(v);
    return over(v, v->state == VP_ABORTING ? v->reason : ERR_DK_LINK_LOST);
}

static struct vehicle_step send_secure(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                       uint8_t ins, uint8_t p1, struct span data)
{
    struct wr w = wr_of(v->out, sizeof v->out);
    enum err e = channel_wrap_command(v->config->crypto, &v->channel, ins, p1, 0, data, &w);
    if (e)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, e);
    v->state = state;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(v->out, w.len)};
}

static struct vehicle_step ask(enum vehicle_do what, struct vehicle_pairing *v,
                               enum vehicle_pairing_state state)
{
    v->state = state;
    return (struct vehicle_step){.what = what, .reason = v->reason};
}

static struct vehicle_step send_select(struct vehicle_pairing *v, enum vehicle_pairing_state state)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_ISO,
                                     .ins = APDU_SELECT,
                                     .p1 = 0x04,
                                     .data = span_of(apdu_aid_framework, APDU_AID),
                                     .has_le = true};
    return send_plain(v, state, &cmd);
}

struct vehicle_step vehicle_pairing_begin(struct vehicle_pairing *v, const struct vehicle_pairing_config *c)
{
    assert(v && c && c->crypto && c->verifier && c->root && c->rules);
    assert(c->known_keys || c->n_known_keys == 0);
    memset(v, 0, sizeof *v);
    v->config = c;
    return send_select(v, VP_SELECTING);
}

/* ---- SPAKE2+ ---- */

static struct vehicle_step send_request(struct vehicle_pairing *v, uint16_t version)
{
    const struct vehicle_pairing_config *c = v->config;
    const struct op_request r = {
        .version = version, .applet = c->applet_versions, .scrypt = c->scrypt, .brand = c->brand};
    struct op_request sent;
    uint8_t data[APDU_DATA_MAX];
    struct wr w = wr_of(data, sizeof data);
    /* table 5-4 */
    op_request_put(&w, &r);
    enum err e = w.failed ? ERR_NO_SPACE : op_request_parse(span_of(data, w.len), &sent);
    if (!e)
        e = spake2p_set_versions(&v->spake, sent.tlv_5b, sent.tlv_5c);
    if (e)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, e);
    const struct apdu_command cmd = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_SPAKE2P_REQUEST, .data = span_of(data, w.len), .has_le = true};
    return send_plain(v, VP_REQUESTING, &cmd);
}

static struct vehicle_step on_select(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    const struct vehicle_pairing_config *c = v->config;
    struct op_select s;
    if (sw == APDU_SW_NOT_FOUND) {
        v->reason = ERR_DK_STATUS;
        return ask(VEHICLE_POLL, v, VP_SELECTING);
    }
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
    /* table 5-3 */
    if (op_select_parse(data, &s))
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_ANSWER);
    if (!s.ready)
        return ask(VEHICLE_POLL, v, VP_SELECTING);
    uint16_t version = op_versions_common(&c->versions, &s.framework);
    v->creation = c->key_data.creation;
    v->creation.version = op_versions_common(&c->applet_versions, &s.applet);
    if (version == 0)
        return vehicle_pairing_abort(v, APDU_ABORT_SPAKE_VERSION, ERR_DK_SPAKE_VERSION);
    if (v->creation.version == 0)
        return vehicle_pairing_abort(v, APDU_ABORT_APPLET_VERSION, ERR_DK_APPLET_VERSION);
    if (c->attempts >= SPAKE2P_ATTEMPTS_MAX)
        return vehicle_pairing_abort(v, APDU_ABORT_ATTEMPTS, ERR_DK_ATTEMPTS);
    return send_request(v, version);
}

static struct vehicle_step on_request(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    const struct vehicle_pairing_config *c = v->config;
    const uint8_t *x;
    uint8_t random[P256_SCALAR];
    if (sw == APDU_SW_NOT_READY) {
        v->reason = ERR_DK_STATUS;
        return ask(VEHICLE_POLL, v, VP_SELECTING);
    }
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
    /* table 5-5: X */
    if (op_share_parse(data, &x))
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_ANSWER);
    /* Y, Z, V, K, M[1] */
    crypto_random(c->crypto, random, sizeof random);
    enum err e = spake2p_verifier_begin(c->crypto, &v->spake, c->verifier, x, random, v->m1);
    OPENSSL_cleanse(random, sizeof random);
    if (e)
        return vehicle_pairing_abort(v, APDU_ABORT_POINT, ERR_DK_POINT);
    return ask(VEHICLE_STORE_ATTEMPT, v, VP_COUNTING); /* counted before VERIFY goes out */
}

static struct vehicle_step send_verify(struct vehicle_pairing *v)
{
    uint8_t data[APDU_DATA_MAX];
    struct wr w = wr_of(data, sizeof data);
    /* table 5-7: Y, M[1] */
    op_verify_put(&w, v->spake.y, v->m1);
    const struct apdu_command cmd = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_SPAKE2P_VERIFY, .data = span_of(data, w.len), .has_le = true};
    return send_plain(v, VP_VERIFYING, &cmd);
}

/* ---- key creation data ---- */

static struct vehicle_step send_piece(struct vehicle_pairing *v, enum vehicle_pairing_state state)
{
    bool last;
    struct span piece = key_data_piece(&v->block, &last);
    return send_secure(v, state, APDU_WRITE_DATA, last ? LAST_PIECE : 0, piece);
}

static struct vehicle_step on_verify(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    const struct vehicle_pairing_config *c = v->config;
    const uint8_t *m2;
    /* table 5-8: M[2] */
    if (sw != APDU_SW_OK || op_evidence_parse(data, &m2) ||
        spake2p_verifier_finish(c->crypto, &v->spake, m2, &v->keys))
        return vehicle_pairing_abort(v, APDU_ABORT_EVIDENCE, ERR_DK_EVIDENCE);
    channel_open(&v->channel, c->rules, v->keys.kenc, v->keys.kmac, v->keys.krmac);
    spake2p_wipe(&v->spake);
    /* table 5-11 */
    struct key_data k = c->key_data;
    k.creation = v->creation;
    enum err e = key_data_put(&v->block, &k);
    return e ? vehicle_pairing_abort(v, APDU_ABORT_OTHER, e) : send_piece(v, VP_WRITING);
}

/* The body of a protected answer; an abort when it does not hold. */
static bool unwrap(struct vehicle_pairing *v, struct span data, uint16_t sw, uint8_t plain[CCC_BLOCK * 16],
                   size_t *len, struct vehicle_step *step)
{
    bool status_ok = sw == APDU_SW_OK || (sw & 0xFF00) == APDU_SW_MORE;
    enum err e = status_ok ? channel_unwrap_response(v->config->crypto, &v->channel, data, sw, plain, len)
                           : ERR_DK_STATUS;
    if (e)
        *step = vehicle_pairing_abort(v, APDU_ABORT_OTHER, e);
    return e == ERR_OK;
}

/* A WRITE DATA is answered; false when it was not, or when it was not the last piece. */
static bool written(struct vehicle_pairing *v, struct span data, uint16_t sw, struct vehicle_step *step)
{
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    if (!unwrap(v, data, sw, plain, &len, step))
        return false;
    if (len || sw != APDU_SW_OK) {
        *step = vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_ANSWER);
        return false;
    }
    if (v->block.taken == v->block.len)
        return true;
    *step = send_piece(v, v->state);
    return false;
}

static struct vehicle_step on_write(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    struct vehicle_step step;
    if (!written(v, data, sw, &step))
        return step;
    /* 10/01 */
    return flow(v, VP_COMPLETING, APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_DATA_COMPLETE);
}

static struct vehicle_step on_complete(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    (void)data;
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_KEY_DATA, ERR_DK_KEY_DATA);
    return ask(VEHICLE_RESET_LINK, v, VP_RESETTING);
}

/* ---- the device's certificates ---- */

static struct vehicle_step send_get(struct vehicle_pairing *v)
{
    assert(v->object < OBJECTS);
    return send_secure(v, VP_GETTING, APDU_GET_DATA, 0, span_of(object_tags[v->object], 2));
}

static struct vehicle_step on_select_again(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    (void)data;
    if (sw == APDU_SW_CONDITIONS) {
        v->reason = ERR_OK;
        return ask(VEHICLE_POLL, v, VP_SELECTING_AGAIN); /* the key is not ready yet */
    }
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
    v->object = 0;
    return send_get(v);
}

static enum err check_device(struct vehicle_pairing *v, uint8_t *abort_code)
{
    assert(v->object == OBJECTS);
    const struct vehicle_pairing_config *c = v->config;
    const struct dk_cert_device_chain chain = {span_of(v->objects[OBJECT_F].der, v->objects[OBJECT_F].len),
                                               span_of(v->objects[OBJECT_E].der, v->objects[OBJECT_E].len),
                                               span_of(v->objects[OBJECT_H].der, v->objects[OBJECT_H].len)};
    struct x509 h;
    /* [J], [F], [E], [H] */
    *abort_code = APDU_ABORT_CERTIFICATE;
    enum err e = dk_cert_check_device(c->crypto, c->root, &chain, c->now_s, &h);
    if (e)
        return e;
    /* [H] is what was asked for, and new */
    *abort_code = APDU_ABORT_KEY_DATA;
    e = dk_cert_check_endpoint(c->crypto, &h, &v->creation);
    for (size_t i = 0; !e && i < c->n_known_keys; i++)
        if (memcmp(c->known_keys[i], h.public_key, P256_POINT) == 0)
            e = ERR_DK_KEY_MISMATCH;
    if (e)
        return e;
    memcpy(v->result.device_pk, h.public_key, P256_POINT);
    memcpy(v->result.key_id, h.subject_key_id, ENDPOINT_KEY_ID);
    memcpy(v->result.certificate, chain.endpoint.p, chain.endpoint.len);
    v->result.certificate_len = chain.endpoint.len;
    memcpy(v->result.long_term_shared_secret, v->keys.long_term_shared_secret, CCC_KEY);
    memcpy(v->result.kble_intro, v->keys.kble_intro, CCC_KEY);
    memcpy(v->result.kble_oob_master, v->keys.kble_oob_master, CCC_KEY);
    return ERR_OK;
}

static struct vehicle_step send_get_response(struct vehicle_pairing *v)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_SECURE, .ins = APDU_GET_RESPONSE, .has_le = true};
    enum err e = channel_continue(v->config->crypto, &v->channel);
    return e ? vehicle_pairing_abort(v, APDU_ABORT_OTHER, e) : send_plain(v, VP_GETTING, &cmd);
}

static struct vehicle_step on_get(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    uint8_t plain[CCC_BLOCK * 16], abort_code;
    size_t len;
    struct vehicle_step step;
    if (!unwrap(v, data, sw, plain, &len, &step))
        return step;
    size_t have = v->objects[v->object].len;
    if (len == 0 || len > X509_MAX - have)
        return vehicle_pairing_abort(v, APDU_ABORT_CERTIFICATE, ERR_DK_ANSWER);
    memcpy(v->objects[v->object].der + have, plain, len);
    v->objects[v->object].len += len;
    if (sw != APDU_SW_OK)
        return send_get_response(v);
    if (++v->object < OBJECTS)
        return send_get(v);
    enum err e = check_device(v, &abort_code);
    if (e)
        return vehicle_pairing_abort(v, abort_code, e);
    return ask(VEHICLE_STORE_KEY, v, VP_STORING);
}

/* ---- attestation, end ---- */

static struct vehicle_step accept_key(struct vehicle_pairing *v)
{
    /* 10/02 */
    return flow(v, VP_ACCEPTING, APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_ACCEPTED);
}

static struct vehicle_step after_storing(struct vehicle_pairing *v)
{
    const struct vehicle_pairing_config *c = v->config;
    struct attestation a = {.slot = v->creation.slot};
    uint8_t buf[ATTESTATION_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    if (!c->attest_with)
        return accept_key(v);
    /* 7F2B, 9E; table 5-12 */
    memcpy(a.key_id, v->result.key_id, sizeof a.key_id);
    memcpy(a.vehicle_id, v->creation.vehicle_id, sizeof a.vehicle_id);
    memcpy(a.device_pk, v->result.device_pk, P256_POINT);
    enum err e = attestation_make(c->crypto, &a, ATTESTATION_OF_VEHICLE, c->attest_with, &w);
    if (!e)
        e = key_data_put_attestation(&v->block, span_of(buf, w.len));
    return e ? vehicle_pairing_abort(v, APDU_ABORT_OTHER, e) : send_piece(v, VP_ATTESTING);
}

static struct vehicle_step on_attest(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    struct vehicle_step step;
    if (!written(v, data, sw, &step))
        return step;
    v->result.attested = true;
    return accept_key(v);
}

static struct vehicle_step on_accept(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    (void)data;
    return sw == APDU_SW_OK ? over(v, ERR_OK) : vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
}

static struct vehicle_step on_abort(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    (void)data;
    (void)sw;
    return over(v, v->reason);
}

/* ---- what is expected when ---- */

static struct vehicle_step (*const on_answer[VP_STATES])(struct vehicle_pairing *v, struct span data,
                                                         uint16_t sw) = {
    [VP_SELECTING] = on_select, [VP_REQUESTING] = on_request,  [VP_VERIFYING] = on_verify,
    [VP_WRITING] = on_write,    [VP_COMPLETING] = on_complete, [VP_SELECTING_AGAIN] = on_select_again,
    [VP_GETTING] = on_get,      [VP_ATTESTING] = on_attest,    [VP_ACCEPTING] = on_accept,
    [VP_ABORTING] = on_abort,
};

struct vehicle_step vehicle_pairing_input(struct vehicle_pairing *v, struct span response)
{
    assert(sound(v) && (response.p || response.len == 0));
    struct span data;
    uint16_t sw;
    if (!on_answer[v->state])
        return out_of_turn(v);
    if (apdu_response_parse(response, &data, &sw))
        return v->state == VP_ABORTING ? over(v, v->reason)
                                       : vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_ANSWER);
    return on_answer[v->state](v, data, sw);
}

struct vehicle_step vehicle_pairing_proceed(struct vehicle_pairing *v)
{
    assert(sound(v));
    switch (v->state) {
    case VP_SELECTING: /* after a poll */
        return send_select(v, VP_SELECTING);
    case VP_COUNTING:
        return send_verify(v);
    case VP_RESETTING:
    case VP_SELECTING_AGAIN:
        return send_select(v, VP_SELECTING_AGAIN);
    case VP_STORING:
        return after_storing(v);
    default:
        return out_of_turn(v);
    }
}
