/* Phase 2 inside the secure channel: key creation data out, the device's certificates in, the attestation. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/ccc/attestation.h"
#include "lib/ccc/vehicle/vehicle_pairing_parts.h"

enum { LAST_PIECE = 0x80 };
enum { OBJECT_F, OBJECT_E, OBJECT_H, OBJECTS };
static const uint8_t object_tags[OBJECTS][2] = {{0x7F, 0x20}, {0x7F, 0x22}, {0x7F, 0x24}};

/* ---- key creation data ---- */

static struct vehicle_step send_piece(struct vehicle_pairing *v, enum vehicle_pairing_state state)
{
    bool last;
    struct span piece = key_data_piece(&v->block, &last);
    return vehicle_pairing_send_secure(v, state, APDU_WRITE_DATA, last ? LAST_PIECE : 0, piece);
}

struct vehicle_step vehicle_pairing_on_verify(struct vehicle_pairing *v, struct span data, uint16_t sw)
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

struct vehicle_step vehicle_pairing_on_write(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    struct vehicle_step step;
    if (!written(v, data, sw, &step))
        return step;
    /* 10/01 */
    return vehicle_pairing_flow(v, VP_COMPLETING, APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_DATA_COMPLETE);
}

struct vehicle_step vehicle_pairing_on_complete(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    (void)data;
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_KEY_DATA, ERR_DK_KEY_DATA);
    return vehicle_pairing_ask(VEHICLE_RESET_LINK, v, VP_RESETTING);
}

/* ---- the device's certificates ---- */

static struct vehicle_step send_get(struct vehicle_pairing *v)
{
    assert(v->object < OBJECTS);
    return vehicle_pairing_send_secure(v, VP_GETTING, APDU_GET_DATA, 0, span_of(object_tags[v->object], 2));
}

struct vehicle_step vehicle_pairing_on_select_again(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    (void)data;
    if (sw == APDU_SW_CONDITIONS) /* the key is not ready yet */
        return vehicle_pairing_poll(v, VP_SELECTING_AGAIN, ERR_OK);
    if (sw != APDU_SW_OK)
        return vehicle_pairing_abort(v, APDU_ABORT_OTHER, ERR_DK_STATUS);
    v->object = 0;
    return send_get(v);
}

/* The root that [F] names; the first when it names none, for the chain's own reason. */
static const struct x509 *find_root(const struct vehicle_pairing_config *c, struct span device_oem)
{
    struct x509 f;
    if (x509_parse(device_oem, &f) == ERR_OK)
        for (size_t i = 0; i < c->n_roots; i++)
            if (strcmp(c->roots[i].subject, f.issuer) == 0 &&
                memcmp(c->roots[i].subject_key_id, f.authority_key_id, SHA1_SIZE) == 0)
                return &c->roots[i];
    return &c->roots[0];
}

/* [H] is what was asked for, and new. */
static enum err check_endpoint(const struct vehicle_pairing *v, const struct x509 *h)
{
    const struct vehicle_pairing_config *c = v->config;
    const struct endpoint_creation *asked = &v->creation;
    enum err e = dk_cert_check_endpoint(c->crypto, h, asked);
    if (e)
        return e;
    /* 51, 52 */
    if ((asked->not_before_s && h->not_before_s != asked->not_before_s) ||
        (asked->not_after_s && h->not_after_s != asked->not_after_s))
        return ERR_DK_KEY_MISMATCH;
    for (size_t i = 0; i < c->n_known_keys; i++)
        if (memcmp(c->known_keys[i], h->public_key, P256_POINT) == 0)
            return ERR_DK_KEY_MISMATCH;
    return ERR_OK;
}

static enum err take_result(struct vehicle_pairing *v, const struct x509 *h)
{
    struct vehicle_pairing_result *r = &v->result;
    struct endpoint_creation got;
    enum err e = dk_cert_parse_extension(h->ccc_value, &got);
    if (e)
        return e;
    memcpy(r->device_pk, h->public_key, P256_POINT);
    memcpy(r->key_id, h->subject_key_id, ENDPOINT_KEY_ID);
    r->options_1 = got.options_1;
    r->options_2 = got.options_2;
    memcpy(r->certificate, h->der.p, h->der.len);
    r->certificate_len = h->der.len;
    memcpy(r->long_term_shared_secret, v->keys.long_term_shared_secret, CCC_KEY);
    memcpy(r->kble_intro, v->keys.kble_intro, CCC_KEY);
    memcpy(r->kble_oob_master, v->keys.kble_oob_master, CCC_KEY);
    vehicle_key_of_pairing(v, &v->record);
    return ERR_OK;
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
    enum err e = dk_cert_check_device(c->crypto, find_root(c, chain.device_oem), &chain, c->now_s, &h);
    if (e)
        return e;
    *abort_code = APDU_ABORT_KEY_DATA;
    e = check_endpoint(v, &h);
    return e ? e : take_result(v, &h);
}

static struct vehicle_step send_get_response(struct vehicle_pairing *v)
{
    const struct apdu_command cmd = {.cla = APDU_CLA_SECURE, .ins = APDU_GET_RESPONSE, .has_le = true};
    enum err e = channel_continue(v->config->crypto, &v->channel);
    return e ? vehicle_pairing_abort(v, APDU_ABORT_OTHER, e) : vehicle_pairing_send(v, VP_GETTING, &cmd);
}

struct vehicle_step vehicle_pairing_on_get(struct vehicle_pairing *v, struct span data, uint16_t sw)
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
    return vehicle_pairing_ask(VEHICLE_STORE_KEY, v, VP_STORING);
}

/* ---- attestation, end ---- */

static struct vehicle_step accept_key(struct vehicle_pairing *v)
{
    /* 10/02 */
    return vehicle_pairing_flow(v, VP_ACCEPTING, APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_ACCEPTED);
}

struct vehicle_step vehicle_pairing_after_storing(struct vehicle_pairing *v)
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

struct vehicle_step vehicle_pairing_on_attest(struct vehicle_pairing *v, struct span data, uint16_t sw)
{
    struct vehicle_step step;
    if (!written(v, data, sw, &step))
        return step;
    return accept_key(v);
}
