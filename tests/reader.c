#include "tests/reader.h"

#include <stdlib.h>
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/tlv.h"
#include "tests/support.h"

void reader_open(struct reader *v, struct rig *r, enum dk_link_id link)
{
    *v = (struct reader){.rig = r, .link = link, .vehicle_key = r->k.key};
    memcpy(v->transaction.vehicle_id, r->finish_config.transaction.vehicle_id, TRANSACTION_VEHICLE_ID);
}

void reader_close(struct reader *v)
{
    p256_free(v->ephemeral);
    *v = (struct reader){0};
}

struct rig *readers_open(struct reader *near, struct reader *far)
{
    struct rig *r = rig_ready(test_crypto());
    if (rig_pair(r))
        abort();
    rig_phone_reset_over(r, DK_CONTACTLESS);
    reader_open(near, r, DK_CONTACTLESS);
    reader_open(far, r, DK_BLE);
    return r;
}

void readers_close(struct reader *near, struct reader *far)
{
    struct rig *r = near->rig;
    reader_close(near);
    reader_close(far);
    rig_free(r);
}

/* The answer without its status is in v->data. */
static uint16_t command(struct reader *v, const struct apdu_command *c)
{
    uint8_t apdu[APDU_COMMAND_MAX], answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(apdu, sizeof apdu), a = wr_of(answer, sizeof answer);
    struct span data;
    uint16_t sw;
    apdu_command_put(&w, c);
    rig_phone_input_over(v->rig, v->link, v->link == DK_BLE ? DK_TO_APPLET : DK_TO_SELECTED,
                         span_of(apdu, w.len), &a);
    if (apdu_response_parse(span_of(answer, a.len), &data, &sw) || data.len > sizeof v->data)
        return 0;
    memcpy(v->data, data.p, data.len);
    v->len = data.len;
    return sw;
}

uint16_t reader_select(struct reader *v)
{
    return command(v, &(struct apdu_command){APDU_CLA_ISO, APDU_SELECT, 0x04, 0,
                                             span_of(apdu_aid_applet, APDU_AID), true});
}

uint16_t reader_auth0(struct reader *v, uint8_t p1)
{
    uint8_t data[APDU_DATA_MAX];
    struct wr w = wr_of(data, sizeof data);
    struct transaction *t = &v->transaction;
    struct applet_auth0_answer a;
    bool fast = p1 & TRANSACTION_FAST;
    p256_free(v->ephemeral);
    if (p256_generate(v->rig->crypto, &v->ephemeral))
        return 0;
    p256_public(v->ephemeral, t->vehicle_epk);
    crypto_random(v->rig->crypto, t->id, sizeof t->id);
    t->p1 = p1;
    t->p2 = TRANSACTION_UNLOCK;
    t->version[0] = t->versions[0] = 0x01;
    t->versions_len = 2;
    t->interface = v->link == DK_BLE ? TRANSACTION_BLE : TRANSACTION_CONTACTLESS;
    applet_auth0_put(&w, t);
    uint16_t sw =
        command(v, &(struct apdu_command){APDU_CLA_PLAIN, APDU_AUTH0, p1, t->p2, span_of(data, w.len), true});
    if (sw != APDU_SW_OK || applet_auth0_answer_parse(span_of(v->data, v->len), fast, &a))
        return sw;
    memcpy(t->endpoint_epk, a.endpoint_epk, P256_POINT);
    if (fast)
        memcpy(v->cryptogram, a.cryptogram, CCC_KEY);
    return sw;
}

static void find_signer(struct reader *v, struct span plain)
{
    static const enum transaction_signer signers[] = {TRANSACTION_ENDPOINT, TRANSACTION_TERMINATED};
    const struct p256_key *device_key = v->rig->applet.keys[0].device_key;
    struct applet_auth1_answer a;
    v->signer = 0;
    if (applet_auth1_answer_parse(plain, &a))
        return;
    for (size_t i = 0; i < sizeof signers / sizeof signers[0]; i++)
        if (transaction_verify(v->rig->crypto, &v->transaction, signers[i], device_key, a.signature) ==
            ERR_OK)
            v->signer = signers[i];
}

uint16_t reader_auth1(struct reader *v)
{
    struct crypto *c = v->rig->crypto;
    uint8_t data[2 + SIGNATURE_SIZE], signature[SIGNATURE_SIZE], plain[CCC_BLOCK * 16];
    struct wr w = wr_of(data, sizeof data);
    struct transaction_keys keys;
    size_t len;
    if (transaction_sign(c, &v->transaction, TRANSACTION_VEHICLE, v->vehicle_key, signature))
        return 0;
    tlv_put(&w, APPLET_TAG_SIGNATURE, span_of(signature, sizeof signature));
    uint16_t sw =
        command(v, &(struct apdu_command){APDU_CLA_PLAIN, APDU_AUTH1, 0, 0, span_of(data, w.len), true});
    if (sw != APDU_SW_OK || transaction_standard_keys(c, &v->transaction, v->ephemeral,
                                                      v->transaction.endpoint_epk, &keys, v->kpersistent))
        return sw;
    channel_open(&v->channel, &channel_applet, keys.kenc, keys.kmac, keys.krmac);
    if (channel_unwrap_response(c, &v->channel, span_of(v->data, v->len), sw, plain, &len))
        return 0;
    memcpy(v->data, plain, len);
    v->len = len;
    find_signer(v, span_of(plain, len));
    return sw;
}

bool reader_authenticate(struct reader *v)
{
    return reader_select(v) == APDU_SW_OK && reader_auth0(v, 0) == APDU_SW_OK &&
           reader_auth1(v) == APDU_SW_OK;
}

bool reader_fast(struct reader *v, const uint8_t kpersistent[TRANSACTION_KPERSISTENT])
{
    uint8_t cryptogram[CCC_KEY], vehicle_pk[P256_POINT];
    struct transaction_keys keys;
    p256_public(v->vehicle_key, vehicle_pk);
    if (transaction_fast_keys(v->rig->crypto, &v->transaction, kpersistent, vehicle_pk,
                              v->rig->applet.keys[0].device_pk, cryptogram, &keys) ||
        !bytes_equal_ct(cryptogram, v->cryptogram, CCC_KEY))
        return false;
    channel_open(&v->channel, &channel_applet_fast, keys.kenc, keys.kmac, keys.krmac);
    return true;
}

uint16_t reader_exchange(struct reader *v, const struct wr *plain)
{
    struct crypto *c = v->rig->crypto;
    uint8_t apdu[APDU_COMMAND_MAX], out[CCC_BLOCK * 16];
    struct wr w = wr_of(apdu, sizeof apdu);
    struct apdu_command parsed;
    size_t len;
    if (plain->failed ||
        channel_wrap_command(c, &v->channel, APDU_EXCHANGE, 0, 0, span_of(plain->buf, plain->len), &w) ||
        apdu_command_parse(span_of(apdu, w.len), &parsed))
        return 0;
    uint16_t sw = command(v, &parsed);
    if (sw != APDU_SW_OK)
        return sw;
    if (channel_unwrap_response(c, &v->channel, span_of(v->data, v->len), sw, out, &len))
        return 0;
    memcpy(v->data, out, len);
    v->len = len;
    return sw;
}

uint16_t reader_end(struct reader *v)
{
    return command(v, &(struct apdu_command){APDU_CLA_PLAIN, APDU_CONTROL_FLOW, 0x01, 0, {0}, false});
}
