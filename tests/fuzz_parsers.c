/* The parsers of lib/ccc, one by one. */
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/dk_message.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/first_approach.h"
#include "lib/ccc/tlv.h"
#include "tests/fuzz_rig.h"

void fuzz_tlv(const uint8_t *p, size_t len)
{
    struct rd r = rd_of(p, len);
    struct tlv t, once;
    uint8_t again[FUZZ_INPUT_MAX];
    while (tlv_next(&r, &t)) {
        struct wr w = wr_of(again, sizeof again);
        tlv_put(&w, t.tag, t.value); /* what was read is written the same, or shorter */
        struct rd back = rd_of(again, w.len);
        struct tlv same;
        MUST(w.len <= t.whole.len && tlv_next(&back, &same) && back.left == 0);
        MUST(same.tag == t.tag && span_equal(same.value, t.value));
        tlv_find_once(span_of(p, len), t.tag, &once);
    }
}

void fuzz_apdu(const uint8_t *p, size_t len)
{
    struct apdu_command cmd;
    struct span data;
    uint16_t sw;
    uint8_t again[APDU_COMMAND_MAX];
    char line[APDU_LINE_MAX];
    struct wr w = wr_of(again, sizeof again);
    if (apdu_command_parse(span_of(p, len), &cmd) == ERR_OK) {
        apdu_command_put(&w, &cmd);
        /* Le is the last byte, and ignored */
        MUST(w.len == len && span_equal(span_of(again, len - cmd.has_le), span_of(p, len - cmd.has_le)));
    }
    (void)!apdu_response_parse(span_of(p, len), &data, &sw);
    apdu_describe_command(span_of(p, len), line);
    MUST(strlen(line) < sizeof line);
    apdu_describe_response(span_of(p, len), line);
    MUST(strlen(line) < sizeof line);
}

void fuzz_messages(const uint8_t *p, size_t len)
{
    struct span in = {p, len};
    struct op_select select;
    struct op_request request;
    struct applet_auth0 auth0;
    struct applet_auth0_answer answer0;
    struct applet_auth1_answer answer1;
    struct dk_message dk;
    const uint8_t *a, *b;
    if (op_select_parse(in, &select) == ERR_OK)
        MUST(select.framework.n && select.framework.n <= OP_VERSIONS);
    if (op_request_parse(in, &request) == ERR_OK)
        MUST(request.applet.n && request.tlv_5b.len == 4);
    (void)!op_share_parse(in, &a);
    (void)!op_evidence_parse(in, &a);
    (void)!op_verify_parse(in, &a, &b);
    (void)!applet_auth0_parse(in, &auth0);
    (void)!applet_auth0_answer_parse(in, true, &answer0);
    if (applet_auth1_answer_parse(in, &answer1) == ERR_OK)
        MUST(answer1.slot.len >= ENDPOINT_SLOT_MIN && answer1.slot.len <= ENDPOINT_SLOT_MAX);
    (void)!dk_message_parse(in, &dk);
}

void fuzz_key_data(const uint8_t *p, size_t len)
{
    static struct key_data_buffer b;
    struct key_data k;
    struct span in = {p, len};
    struct device_config config;
    struct mailbox_map map;
    struct endpoint_creation creation;
    memset(&b, 0, sizeof b);
    if (endpoint_creation_parse(in, &creation) == ERR_OK)
        MUST(creation.slot.len >= ENDPOINT_SLOT_MIN);
    if (mailbox_map_parse(in, &map) == ERR_OK && mailbox_map_check(&map, 8, 610, 128) == ERR_OK)
        MUST(map.end <= 610 && map.attestation <= map.end);
    (void)!device_config_parse(in, &config);
    for (size_t at = 0; at < len; at += CHANNEL_PLAIN_MAX) {
        size_t n = len - at < CHANNEL_PLAIN_MAX ? len - at : CHANNEL_PLAIN_MAX;
        if (key_data_add(&b, KEY_DATA_CREATION, span_of(p + at, n), at + n == len)) {
            MUST(b.len == 0);
            return;
        }
    }
    if (key_data_parse(span_of(b.bytes, b.len), &k) == ERR_OK) {
        MUST(k.creation.private_size <= MAILBOX_PRIVATE_MAX);
        MUST(k.vehicle_certificate.p >= b.bytes && k.vehicle_certificate.p < b.bytes + b.len);
    }
}

void fuzz_exchange(const uint8_t *p, size_t len)
{
    struct rd r = rd_of(p, len);
    enum exchange_option option;
    struct exchange_op op;
    if (exchange_open(&r, &option))
        return;
    while (exchange_next(&r, &op) == ERR_OK)
        if (op.kind == EXCHANGE_WRITE)
            MUST(op.data.p >= p && op.data.p + op.data.len <= p + len && op.len == op.data.len);
}

void fuzz_certificate(const uint8_t *p, size_t len)
{
    struct x509 x;
    struct endpoint_creation e;
    uint8_t der[DK_CERT_EXTENSION_MAX];
    size_t n;
    if (x509_parse(span_of(p, len), &x) == ERR_OK)
        MUST(strlen(x.subject) <= X509_CN_MAX);
    if (dk_cert_parse_extension(span_of(p, len), &e) == ERR_OK)
        MUST(dk_cert_put_extension(&e, der, &n) == ERR_OK);
}

void fuzz_attestation(const uint8_t *p, size_t len)
{
    static uint8_t pk[P256_POINT];
    struct crypto *c = fuzz_crypto();
    struct attestation a;
    struct span receipt, bundle;
    struct p256_key *k;
    size_t used;
    if (!pk[0] && p256_generate(c, &k) == ERR_OK) {
        p256_public(k, pk);
        p256_free(k);
    }
    MUST(attestation_open(c, span_of(p, len), ATTESTATION_OF_VEHICLE, pk, &a, &used) !=
         ERR_OK); /* nobody signed */
    (void)!receipt_split(span_of(p, len), &receipt, &bundle);
}

/* What comes sealed or over Bluetooth LE: ECIES, DK messages, first approach. */
void fuzz_sealed(const uint8_t *p, size_t len)
{
    static const uint8_t key[CCC_KEY] = {1}, slot[8] = {1};
    struct crypto *c = fuzz_crypto();
    uint8_t opened[FUZZ_INPUT_MAX], oob[FIRST_APPROACH_OOB];
    char line[DK_LINE_MAX];
    struct first_approach_keys keys;
    struct p256_key *own;
    MUST(first_approach_keys_make(c, key, key, span_of(slot, sizeof slot), &keys) == ERR_OK);
    (void)!first_approach_consume_request(c, &keys, span_of(p, len), oob);
    (void)!first_approach_consume_response(c, &keys, span_of(p, len), oob);
    dk_message_describe(span_of(p, len), line);
    if (len < P256_POINT + ECIES_OVERHEAD || p256_generate(c, &own))
        return;
    (void)!ecies_open(c, own, p, span_of(p + P256_POINT, len - P256_POINT), opened);
    p256_free(own);
}

/* ---- seeds ---- */

struct seed_sink {
    fuzz_emit *emit;
    void *arg;
    bool commands, answers, data_only;
};

static void seed_apdu(void *arg, bool command, struct span apdu)
{
    struct seed_sink *s = arg;
    struct apdu_command c;
    struct span data = apdu;
    uint16_t sw;
    if (command ? !s->commands : !s->answers)
        return;
    if (s->data_only && command)
        data = apdu_command_parse(apdu, &c) == ERR_OK ? c.data : (struct span){0};
    else if (s->data_only && apdu_response_parse(apdu, &data, &sw))
        return;
    if (data.len)
        s->emit(s->arg, data.p, data.len);
}

/* All APDUs of a pairing and its first two unlocks. */
static void record_run(struct seed_sink *s)
{
    struct rig *r = fuzz_rig();
    bool fast;
    r->tap = seed_apdu;
    r->tap_arg = s;
    MUST(rig_pair(r) == ERR_OK && rig_unlock(r, false, true, &fast) == ERR_OK &&
         rig_unlock(r, true, true, &fast) == ERR_OK);
    r->tap = NULL;
}

void fuzz_apdus_seeds(fuzz_emit *emit, void *arg)
{
    record_run(&(struct seed_sink){emit, arg, true, true, false});
}

void fuzz_data_seeds(fuzz_emit *emit, void *arg)
{
    record_run(&(struct seed_sink){emit, arg, true, true, true});
}

void fuzz_key_data_seeds(fuzz_emit *emit, void *arg)
{
    static struct key_data_buffer b;
    struct rig *r = fuzz_rig();
    uint8_t part[400];
    struct wr w = wr_of(part, sizeof part);
    struct key_data k = r->pairing_config.key_data;
    k.creation.version = 0x0100;
    MUST(key_data_put(&b, &k) == ERR_OK);
    emit(arg, b.bytes, b.len);
    endpoint_creation_put(&w, &k.creation);
    emit(arg, part, w.len);
    w = wr_of(part, sizeof part);
    mailbox_map_put(&w, &k.map);
    emit(arg, part, w.len);
    w = wr_of(part, sizeof part);
    device_config_put(&w, &k.config);
    emit(arg, part, w.len);
}

void fuzz_exchange_seeds(fuzz_emit *emit, void *arg)
{
    uint8_t buf[64];
    struct wr w = wr_of(buf, sizeof buf);
    exchange_begin(&w, EXCHANGE_MORE);
    exchange_put_read(&w, MAILBOX_PRIVATE, 0, 2);
    exchange_put_write(&w, MAILBOX_CONFIDENTIAL, 0, span_of("token", 5));
    exchange_put_set(&w, MAILBOX_PRIVATE, 9, 8, 7);
    exchange_put_notify(&w, span_of("n", 1));
    emit(arg, buf, w.len);
}

void fuzz_certificate_seeds(fuzz_emit *emit, void *arg)
{
    struct rig *r = fuzz_rig();
    uint8_t der[DK_CERT_EXTENSION_MAX];
    size_t len;
    emit(arg, r->j.der, r->j.len);
    emit(arg, r->k.der, r->k.len);
    emit(arg, r->e.der, r->e.len);
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].certificate_len)
            emit(arg, r->applet.keys[i].certificate, r->applet.keys[i].certificate_len);
    MUST(dk_cert_put_extension(&r->pairing_config.key_data.creation, der, &len) == ERR_OK);
    emit(arg, der, len);
}

void fuzz_attestation_seeds(fuzz_emit *emit, void *arg)
{
    struct rig *r = fuzz_rig();
    struct attestation a = vehicle_key_subject(&r->key);
    uint8_t buf[ATTESTATION_MAX + 16];
    for (int usage = 0; usage < 2; usage++) {
        struct wr w = wr_of(buf, sizeof buf);
        MUST(attestation_make(r->crypto, &a, usage ? ATTESTATION_RECEIPT : ATTESTATION_OF_VEHICLE, r->kts.key,
                              &w) == ERR_OK);
        tlv_put(&w, 0xC0, span_of("{}", 2));
        emit(arg, buf, w.len);
    }
}

void fuzz_sealed_seeds(fuzz_emit *emit, void *arg)
{
    const struct rig *r = fuzz_rig();
    uint8_t buf[P256_POINT + 40] = {0};
    memcpy(buf, r->key.device_pk, P256_POINT); /* some point of the curve */
    emit(arg, buf, sizeof buf);
    emit(arg, buf, 70);
    emit(arg, buf, 50);
    emit(arg, (const uint8_t *)"\x05\x02\x00\x01\xAA", 5);
}
