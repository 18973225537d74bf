#include "lib/ccc/vehicle/vehicle_pairing.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/vehicle/vehicle_pairing_parts.h"

/* ---- ending ---- */

static void wipe_secrets(struct vehicle_pairing *v)
{
    spake2p_wipe(&v->spake);
    channel_close(&v->channel);
    OPENSSL_cleanse(&v->keys, sizeof v->keys);
    OPENSSL_cleanse(v->m1, sizeof v->m1);
    OPENSSL_cleanse(&v->block, sizeof v->block);
    OPENSSL_cleanse(&v->record, sizeof v->record);
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

struct vehicle_step vehicle_pairing_send(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                         const struct apdu_command *cmd)
{
    struct wr w = wr_of(v->out, sizeof v->out);
    apdu_command_put(&w, cmd);
    v->state = state;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(v->out, w.len), .type = DK_FRAMEWORK};
}

struct vehicle_step vehicle_pairing_flow(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                         uint8_t p1, uint8_t p2)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_PLAIN, .ins = APDU_CONTROL_FLOW, .p1 = p1, .p2 = p2};
    return vehicle_pairing_send(v, state, &cmd);
}

struct vehicle_step vehicle_pairing_abort(struct vehicle_pairing *v, uint8_t p2, enum err reason)
{
    assert(sound(v) && reason);
    if (v->state == VP_OVER || v->state == VP_IDLE)
        return out_of_turn(v);
    wipe_secrets(v);
    OPENSSL_cleanse(&v->result, sizeof v->result);
    v->reason = reason;
    return vehicle_pairing_flow(v, VP_ABORTING, APDU_FLOW_ABORT, p2);
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

struct vehicle_step vehicle_pairing_send_secure(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                                uint8_t ins, uint8_t p1, struct span data)
{
    struct wr w = wr_of(v->out, sizeof v->out);
    enum err e = channel_wrap_command(v->config->crypto, &v->channel, ins, p1, 0, data, &w);
    if (e)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, e);
    v->state = state;
    return (struct vehicle_step){.what = VEHICLE_SEND, .apdu = span_of(v->out, w.len), .type = DK_FRAMEWORK};
}

struct vehicle_step vehicle_pairing_ask(enum vehicle_do what, struct vehicle_pairing *v,
                                        enum vehicle_pairing_state state)
{
    v->state = state;
    return (struct vehicle_step){.what = what, .key = what == VEHICLE_STORE_KEY ? &v->record : NULL};
}

struct vehicle_step vehicle_pairing_poll(struct vehicle_pairing *v, enum vehicle_pairing_state state,
                                         enum err reason)
{
    v->state = state;
    return (struct vehicle_step){.what = VEHICLE_POLL, .reason = reason};
}

static struct vehicle_step send_select(struct vehicle_pairing *v, enum vehicle_pairing_state state)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_ISO,
                                     .ins = APDU_SELECT,
                                     .p1 = 0x04,
                                     .data = span_of(apdu_aid_framework, APDU_AID),
                                     .has_le = true};
    return vehicle_pairing_send(v, state, &cmd);
}

struct vehicle_step vehicle_pairing_begin(struct vehicle_pairing *v, const struct vehicle_pairing_config *c)
{
    assert(v && c && c->crypto && c->verifier && c->rules && (c->roots || c->n_roots == 0));
    assert(c->known_keys || c->n_known_keys == 0);
    memset(v, 0, sizeof *v);
    v->config = c;
    const char *fault = vehicle_pairing_find_fault(c, &v->block);
    if (fault) {
        over(v, ERR_BAD_ARGUMENT);
        return vehicle_step_fault(fault);
    }
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
    return vehicle_pairing_send(v, VP_REQUESTING, &cmd);
}

static struct vehicle_step on_select(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    const struct vehicle_pairing_config *c = v->config;
    struct op_select s;
    if (sw == APDU_SW_NOT_FOUND)
        return vehicle_pairing_poll(v, VP_SELECTING, ERR_DK_STATUS);
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
    /* table 5-3 */
    if (op_select_parse(data, &s))
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_ANSWER);
    if (!s.ready)
        return vehicle_pairing_poll(v, VP_SELECTING, ERR_OK);
    if (c->attempts >= SPAKE2P_ATTEMPTS_MAX)
        return vehicle_pairing_abort(v, APDU_ABORT_ATTEMPTS, ERR_DK_ATTEMPTS);
    uint16_t version = op_versions_common(&c->versions, &s.framework);
    v->creation = c->key_data.creation;
    v->creation.version = op_versions_common(&c->applet_versions, &s.applet);
    if (version == 0)
        return vehicle_pairing_abort(v, APDU_ABORT_SPAKE_VERSION, ERR_DK_SPAKE_VERSION);
    if (v->creation.version == 0)
        return vehicle_pairing_abort(v, APDU_ABORT_APPLET_VERSION, ERR_DK_APPLET_VERSION);
    return send_request(v, version);
}

static struct vehicle_step on_request(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    const struct vehicle_pairing_config *c = v->config;
    const uint8_t *x;
    uint8_t random[P256_SCALAR];
    if (sw == APDU_SW_NOT_READY)
        return vehicle_pairing_poll(v, VP_SELECTING, ERR_DK_STATUS);
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
    /* table 5-5: X */
    if (op_share_parse(data, &x))
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_ANSWER);
    /* Y, Z, V, K, M[1] */
    crypto_random(c->crypto, random, sizeof random);
    enum err e = spake2p_verifier_begin(c->crypto, &v->spake, c->verifier, x, random, v->m1);
    OPENSSL_cleanse(random, sizeof random);
    if (e == ERR_DK_EVIDENCE) /* X = w0*M */
        return vehicle_pairing_abort(v, APDU_ABORT_EVIDENCE, e);
    if (e)
        return vehicle_pairing_abort(v, APDU_ABORT_POINT, ERR_DK_POINT);
    return vehicle_pairing_ask(VEHICLE_STORE_ATTEMPT, v, VP_COUNTING); /* counted before VERIFY goes out */
}

static struct vehicle_step send_verify(struct vehicle_pairing *v)
{
    uint8_t data[APDU_DATA_MAX];
    struct wr w = wr_of(data, sizeof data);
    /* table 5-7: Y, M[1] */
    op_verify_put(&w, v->spake.y, v->m1);
    const struct apdu_command cmd = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_SPAKE2P_VERIFY, .data = span_of(data, w.len), .has_le = true};
    return vehicle_pairing_send(v, VP_VERIFYING, &cmd);
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
    [VP_SELECTING] = on_select,
    [VP_REQUESTING] = on_request,
    [VP_VERIFYING] = vehicle_pairing_on_verify,
    [VP_WRITING] = vehicle_pairing_on_write,
    [VP_COMPLETING] = vehicle_pairing_on_complete,
    [VP_SELECTING_AGAIN] = vehicle_pairing_on_select_again,
    [VP_GETTING] = vehicle_pairing_on_get,
    [VP_ATTESTING] = vehicle_pairing_on_attest,
    [VP_ACCEPTING] = on_accept,
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

struct vehicle_step vehicle_pairing_counted(struct vehicle_pairing *v, unsigned attempts)
{
    assert(sound(v));
    if (v->state != VP_COUNTING)
        return out_of_turn(v);
    if (attempts > SPAKE2P_ATTEMPTS_MAX)
        return vehicle_pairing_abort(v, APDU_ABORT_ATTEMPTS, ERR_DK_ATTEMPTS);
    return send_verify(v);
}

struct vehicle_step vehicle_pairing_store_failed(struct vehicle_pairing *v, enum err reason)
{
    assert(sound(v));
    if (v->state != VP_COUNTING && v->state != VP_STORING)
        return out_of_turn(v);
    return vehicle_pairing_abort(v, APDU_ABORT_OTHER, reason ? reason : ERR_STORE_FAILED);
}

struct vehicle_step vehicle_pairing_proceed(struct vehicle_pairing *v)
{
    assert(sound(v));
    switch (v->state) {
    case VP_SELECTING: /* after a poll */
        return send_select(v, VP_SELECTING);
    case VP_RESETTING:
    case VP_SELECTING_AGAIN:
        return send_select(v, VP_SELECTING_AGAIN);
    case VP_STORING:
        return vehicle_pairing_after_storing(v);
    default:
        return out_of_turn(v);
    }
}
