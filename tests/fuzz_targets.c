#include "tests/fuzz_targets.h"

#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/dk_message.h"
#include "lib/ccc/ecies.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/first_approach.h"
#include "lib/ccc/tlv.h"
#include "lib/host/seeded.h"
#include "tests/pairing_rig.h"

struct crypto *fuzz_crypto(void)
{
    static struct seeded_context context;
    static struct seeded_stream stream;
    static struct crypto *c;
    if (!c) {
        MUST(seeded_context_open(&context));
        c = crypto_new(context.openssl);
    }
    seeded_stream_init(&stream, 1, "fuzz");
    seeded_use(&stream);
    return c;
}

/* ---- parsers ---- */

static void run_tlv(const uint8_t *p, size_t len)
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

static void run_apdu(const uint8_t *p, size_t len)
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

static void run_messages(const uint8_t *p, size_t len)
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

static void run_key_data(const uint8_t *p, size_t len)
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

static void run_exchange(const uint8_t *p, size_t len)
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

static void run_certificate(const uint8_t *p, size_t len)
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

static void run_attestation(const uint8_t *p, size_t len)
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

/* ---- both ends, as sequences of records: operation, length (2 bytes), bytes ---- */

struct record {
    uint8_t op;
    struct span bytes;
};

static bool next_record(struct rd *r, struct record *out)
{
    uint8_t op = rd_u8(r);
    uint16_t n = rd_be16(r);
    if (r->failed)
        return false;
    *out = (struct record){op, rd_span(r, n < r->left ? n : r->left)};
    return true;
}

/* The phone's half of the key that the vehicle stored; NULL when the phone has replaced it. */
static struct digital_key *vehicles_key(struct rig *r)
{
    for (size_t i = 0; i < APPLET_KEYS; i++)
        if (r->applet.keys[i].state == APPLET_KEY_ACTIVE && r->device.owned[i].paired &&
            memcmp(r->applet.keys[i].device_pk, r->key.device_pk, P256_POINT) == 0)
            return &r->applet.keys[i];
    return NULL;
}

/* Made once; every run begins with a phone that has one paired key, and a password for the next pairing. */
static struct rig *fuzz_rig(void)
{
    static struct rig *r;
    struct crypto *c = fuzz_crypto();
    if (!r)
        r = rig_new(c);
    r->store.attempts = 0;
    rig_walk_away(r);
    struct digital_key *k = vehicles_key(r);
    if (!k) {
        for (size_t i = 0; i < APPLET_KEYS; i++)
            if (r->applet.keys[i].state != APPLET_KEY_NONE)
                applet_delete_endpoint(&r->applet, &r->applet.keys[i]);
        memset(r->device.owned, 0, sizeof r->device.owned);
        memset(r->device.later, 0, sizeof r->device.later);
        rig_enter_password(r, true);
        MUST(rig_pair(r) == ERR_OK);
        k = vehicles_key(r);
    }
    MUST(k);
    memset(k->mailboxes.private_area, 0, sizeof k->mailboxes.private_area);
    rig_walk_away(r);
    rig_enter_password(r, true);
    return r;
}

enum device_op {
    D_APDU,
    D_RESET,
    D_CREATE_KEY,
    D_WRITE,    /* protected: P1, then the plaintext */
    D_GET,      /* protected: the plaintext */
    D_EXCHANGE, /* protected by the applet's channel */
    D_PAIR_TO,  /* an honest vehicle takes over until so many APDUs were sent */
    D_UNLOCK_TO,
    D_PASSWORD,
    D_FORGET,
    D_MESSAGE, /* an SDU of Bluetooth LE as it is */
    D_BLE,     /* framework or applet, then an APDU for it */
    D_REFUSE,  /* the store refuses what comes next */
    D_OWNER,   /* which of his calls, then what it is given */
    D_OPS
};

static void check_device(const struct rig *r, const struct wr *answer)
{
    const struct dk_device *d = &r->device;
    MUST(!answer->failed && answer->len >= 2);
    uint16_t sw = (uint16_t)(answer->buf[answer->len - 2] << 8 | answer->buf[answer->len - 1]);
    MUST(sw == APDU_SW_OK || (sw & 0xFF00) == APDU_SW_MORE || answer->len == 2);
    MUST(d->state < DK_STATES);
    MUST(!d->pairing.channel.open || (d->state >= DK_SECURE1 && d->state <= DK_SECURE2));
    MUST(!d->storing.what);
    for (size_t l = 0; l < DK_LINKS; l++) {
        const struct applet_session *s = &r->applet.sessions[l];
        MUST(!s->channel.open || s->key);
        MUST(!s->staged || s->channel.open);
        MUST(!s->unstored);
        MUST(!s->key || s->key->state == APPLET_KEY_ACTIVE || s->key->state == APPLET_KEY_TERMINATED);
    }
}

static void feed(struct rig *r, struct span apdu)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    rig_phone_input(r, apdu, &w);
    check_device(r, &w);
}

/* As the vehicle would send it: the ends of a channel are equal between two commands. */
static void feed_protected(struct rig *r, const struct channel *theirs, uint8_t ins, uint8_t p1,
                           struct span plain)
{
    struct channel ch = *theirs;
    uint8_t apdu[APDU_COMMAND_MAX];
    struct wr w = wr_of(apdu, sizeof apdu);
    if (ch.open && channel_wrap_command(r->crypto, &ch, ins, p1, 0, plain, &w) == ERR_OK)
        feed(r, span_of(apdu, w.len));
}

/* An honest vehicle pairs up to so many APDUs; the phone stays in the middle. */
static void pair_to(struct rig *r, size_t apdus)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_pairing_begin(&r->pairing, &r->pairing_config);
    for (size_t n = 0; n < apdus && s.what != VEHICLE_DONE && s.what != VEHICLE_FAILED;) {
        struct wr w = wr_of(answer, sizeof answer);
        if (s.what == VEHICLE_SEND) {
            rig_phone_input(r, s.apdu, &w);
            s = vehicle_pairing_input(&r->pairing, span_of(answer, w.len));
            n++;
            continue;
        }
        if (s.what == VEHICLE_POLL)
            return;
        if (s.what == VEHICLE_RESET_LINK) {
            rig_phone_reset(r);
            (void)!dk_device_create_key(&r->device);
        }
        s = rig_pairing_proceed(r, &s);
    }
}

static void unlock_to(struct rig *r, size_t apdus)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    dk_device_forget_password(&r->device);
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction,
                                                      apdus & 1 ? TRANSACTION_FAST : 0, TRANSACTION_UNLOCK);
    for (size_t n = 0; n < apdus / 2 && s.what == VEHICLE_SEND; n++) {
        struct wr w = wr_of(answer, sizeof answer);
        rig_phone_input(r, s.apdu, &w);
        s = vehicle_transaction_input(&r->unlock, span_of(answer, w.len));
        if (s.what == VEHICLE_STORE_KPERSISTENT)
            s = rig_transaction_proceed(r, &s);
    }
    vehicle_transaction_wipe(&r->unlock);
}

static void feed_message(struct rig *r, struct span sdu)
{
    struct dk_step s = rig_phone_finish(r, dk_device_message(&r->device, sdu));
    struct dk_message m;
    MUST(s.what == DK_NOTHING || s.what == DK_ANSWER);
    MUST(s.what == DK_NOTHING || dk_message_parse(s.answer, &m) == ERR_OK);
}

static void feed_ble(struct rig *r, struct span b)
{
    uint8_t sdu[DK_MESSAGE_HEADER + APDU_COMMAND_MAX];
    struct wr w = wr_of(sdu, sizeof sdu);
    if (b.len == 0 || b.len > APDU_COMMAND_MAX)
        return;
    dk_message_put(
        &w, &(struct dk_message){b.p[0] & 1 ? DK_SE : DK_FRAMEWORK, DK_APDU_RQ, span_of(b.p + 1, b.len - 1)});
    feed_message(r, span_of(sdu, w.len));
}

static void owner_calls(struct rig *r, struct span b)
{
    struct digital_key *k = vehicles_key(r);
    struct slot_id slot;
    unsigned entry;
    if (b.len == 0 || !k)
        return;
    struct span rest = {b.p + 1, b.len - 1};
    enum err (*const calls[])(struct dk_device *, struct digital_key *) = {
        dk_device_collect, dk_device_terminate, dk_device_suspend};
    size_t which = b.p[0] % 6;
    if (which < 3)
        (void)!calls[which](&r->device, k);
    else if (which == 3)
        (void)!dk_device_hand_out_slot(&r->device, k, &slot, &entry);
    else if (which == 4 && dk_device_suspend(&r->device, k) == ERR_OK)
        (void)!dk_device_resume(&r->device, k, rest);
    else if (which == 5)
        dk_device_delete(&r->device, k);
    (void)dk_device_changes(&r->device);
}

static void device_step(struct rig *r, const struct record *rec)
{
    struct span b = rec->bytes;
    switch ((enum device_op)(rec->op % D_OPS)) {
    case D_APDU:
        feed(r, b);
        break;
    case D_RESET:
        rig_phone_reset_over(r, b.len ? DK_BLE : DK_CONTACTLESS);
        break;
    case D_CREATE_KEY:
        (void)!dk_device_create_key(&r->device);
        break;
    case D_WRITE:
        if (b.len)
            feed_protected(r, &r->device.pairing.channel, APDU_WRITE_DATA, b.p[0],
                           span_of(b.p + 1, b.len - 1));
        break;
    case D_GET:
        feed_protected(r, &r->device.pairing.channel, APDU_GET_DATA, 0, b);
        break;
    case D_EXCHANGE:
        feed_protected(r, &r->applet.sessions[DK_CONTACTLESS].channel, APDU_EXCHANGE, 0, b);
        break;
    case D_PAIR_TO:
        pair_to(r, b.len ? b.p[0] % 40 : 0);
        break;
    case D_UNLOCK_TO:
        unlock_to(r, b.len ? b.p[0] % 12 : 0);
        break;
    case D_PASSWORD:
        rig_enter_password(r, true);
        break;
    case D_MESSAGE:
        feed_message(r, b);
        break;
    case D_BLE:
        feed_ble(r, b);
        break;
    case D_REFUSE:
        r->store_fails_at = r->stores + 1;
        break;
    case D_OWNER:
        owner_calls(r, b);
        break;
    case D_FORGET:
    case D_OPS:
        dk_device_forget_password(&r->device);
        break;
    }
}

static void run_device(const uint8_t *p, size_t len)
{
    struct rig *r = fuzz_rig();
    struct rd in = rd_of(p, len);
    struct record rec;
    for (int i = 0; i < 24 && next_record(&in, &rec); i++)
        device_step(r, &rec);
    r->store_fails_at = 0;
    rig_phone_reset_over(r, DK_BLE);
    rig_walk_away(r);
    MUST(!r->device.pairing.key && !r->device.pairing.channel.open);
    for (size_t l = 0; l < DK_LINKS; l++)
        MUST(!r->applet.sessions[l].ephemeral && !r->applet.sessions[l].channel.open);
    for (size_t i = 0; i < APPLET_KEYS; i++) /* no key is half there */
        MUST((r->applet.keys[i].state != APPLET_KEY_NONE) == r->device.owned[i].paired);
}

/* The vehicle: every answer is either the honest phone's, or the fuzzer's, plain or protected. */
enum vehicle_op { V_HONEST, V_RAW, V_PROTECTED, V_ABORT, V_LOST, V_OPS };

/* SW, then the plaintext, under the phone's keys: what a hostile phone with the right password can send. */
static struct span protect_answer(struct rig *r, const struct channel *theirs, struct span bytes,
                                  struct wr *w)
{
    struct channel ch = *theirs;
    if (bytes.len >= 2 && ch.open)
        (void)!channel_wrap_response(r->crypto, &ch, span_of(bytes.p + 2, bytes.len - 2),
                                     (uint16_t)(bytes.p[0] << 8 | bytes.p[1]), w);
    return span_of(w->buf, w->len);
}

struct vehicle_end {
    struct rig *rig;
    struct vehicle_step step;
    struct channel *channel; /* the vehicle's, whose keys the phone has, too */
    struct vehicle_step (*input)(struct rig *r, struct span answer);
    struct vehicle_step (*abort)(struct rig *r);
    struct vehicle_step (*lost)(struct rig *r);
};

static void vehicle_answer(struct vehicle_end *v, const struct record *rec)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    switch ((enum vehicle_op)(rec->op % V_OPS)) {
    case V_HONEST:
        rig_phone_input(v->rig, v->step.apdu, &w);
        v->step = v->input(v->rig, span_of(answer, w.len));
        break;
    case V_RAW:
        v->step = v->input(v->rig, rec->bytes);
        break;
    case V_PROTECTED:
        v->step = v->input(v->rig, protect_answer(v->rig, v->channel, rec->bytes, &w));
        break;
    case V_ABORT:
        v->step = v->abort(v->rig);
        break;
    case V_LOST:
    case V_OPS:
        v->step = v->lost(v->rig);
        break;
    }
}

static struct vehicle_step pairing_input(struct rig *r, struct span answer)
{
    return vehicle_pairing_input(&r->pairing, answer);
}

static struct vehicle_step pairing_abort(struct rig *r)
{
    return vehicle_pairing_abort(&r->pairing, APDU_ABORT_TIMEOUT, ERR_DK_TIMEOUT);
}

static struct vehicle_step pairing_lost(struct rig *r)
{
    return vehicle_pairing_link_lost(&r->pairing);
}

static void run_vehicle_pairing(const uint8_t *p, size_t len)
{
    struct rig *r = fuzz_rig();
    struct rd in = rd_of(p, len);
    struct record rec;
    struct vehicle_end v = {r,
                            vehicle_pairing_begin(&r->pairing, &r->pairing_config),
                            &r->pairing.channel,
                            pairing_input,
                            pairing_abort,
                            pairing_lost};
    for (int i = 0; i < 60 && v.step.what != VEHICLE_DONE && v.step.what != VEHICLE_FAILED; i++) {
        MUST(v.step.what != VEHICLE_SEND || (v.step.apdu.len >= 4 && v.step.apdu.len <= APDU_COMMAND_MAX));
        if (v.step.what == VEHICLE_RESET_LINK) {
            rig_phone_reset(r);
            (void)!dk_device_create_key(&r->device);
        }
        if (v.step.what != VEHICLE_SEND)
            v.step = rig_pairing_proceed(r, &v.step);
        else if (next_record(&in, &rec))
            vehicle_answer(&v, &rec);
        else
            v.step = pairing_lost(r);
    }
    if (v.step.what == VEHICLE_DONE)
        MUST(memcmp(r->pairing.result.certificate, "\x30\x82", 2) == 0);
    (void)pairing_lost(r);
    MUST(!r->pairing.channel.open);
    vehicle_pairing_wipe(&r->pairing);
}

static struct vehicle_step finish_input(struct rig *r, struct span answer)
{
    return vehicle_finish_input(&r->finish, answer);
}

static struct vehicle_step finish_lost(struct rig *r)
{
    return vehicle_finish_link_lost(&r->finish);
}

/* First byte: the phase, and what it finds. */
enum {
    FINISH_RECEIPT_THERE = 0x40,
    FINISH_RECEIPT_STORED = 0x80,
    FINISH_SUSPENDED = 0x20,
    FINISH_PHASE = 0x1F
};

static void prepare_finish(struct rig *r, uint8_t choice, enum vehicle_phase phase)
{
    r->key.tracked = choice & FINISH_RECEIPT_STORED;
    r->key.state = phase == VEHICLE_TERMINATE_KEY ? VEHICLE_KEY_TERMINATED : VEHICLE_KEY_ACTIVE;
    if (choice & FINISH_SUSPENDED)
        r->key.state = VEHICLE_KEY_SUSPENDED;
    dk_device_forget_password(&r->device);
    if (choice & FINISH_RECEIPT_THERE)
        MUST(rig_track_key(r) == ERR_OK);
}

static void run_vehicle_finish(const uint8_t *p, size_t len)
{
    struct rig *r = fuzz_rig();
    struct rd in = rd_of(p, len);
    struct record rec;
    uint8_t choice = rd_u8(&in);
    enum vehicle_phase phase = (choice & FINISH_PHASE) % VEHICLE_PHASES;
    prepare_finish(r, choice, phase);
    struct vehicle_end v = {r,
                            vehicle_finish_begin(&r->finish, &r->finish_config, phase),
                            &r->finish.transaction.channel,
                            finish_input,
                            finish_lost,
                            finish_lost};
    for (int i = 0; i < 40 && !vehicle_step_over(&v.step); i++) {
        MUST(v.step.what != VEHICLE_SEND || (v.step.apdu.len >= 4 && v.step.apdu.len <= APDU_COMMAND_MAX));
        if (v.step.what != VEHICLE_SEND)
            v.step = rig_finish_proceed(r, &v.step);
        else if (next_record(&in, &rec))
            vehicle_answer(&v, &rec);
        else
            v.step = finish_lost(r);
    }
    MUST(!(v.step.what == VEHICLE_DONE && r->finish.transaction.reason));
    MUST(!(v.step.what == VEHICLE_DONE && phase == VEHICLE_PHASE_4) || r->key.tracked ||
         r->finish.learnt == VEHICLE_LEARNT_TERMINATED);
    (void)finish_lost(r);
    MUST(!r->finish.transaction.channel.open && !r->finish.transaction.ephemeral);
    vehicle_finish_wipe(&r->finish);
    r->key.state = VEHICLE_KEY_ACTIVE;
}

/* What comes sealed or over Bluetooth LE: ECIES, DK messages, first approach. */
static void run_sealed(const uint8_t *p, size_t len)
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

static void seed_apdus(fuzz_emit *emit, void *arg)
{
    record_run(&(struct seed_sink){emit, arg, true, true, false});
}

static void seed_data(fuzz_emit *emit, void *arg)
{
    record_run(&(struct seed_sink){emit, arg, true, true, true});
}

static void seed_key_data(fuzz_emit *emit, void *arg)
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

static void seed_exchange(fuzz_emit *emit, void *arg)
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

static void seed_certificate(fuzz_emit *emit, void *arg)
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

static void seed_attestation(fuzz_emit *emit, void *arg)
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

static void put_record(struct wr *w, uint8_t op, const void *p, size_t len)
{
    wr_u8(w, op);
    wr_be16(w, (uint16_t)len);
    wr_copy(w, p, len);
}

static void seed_device(fuzz_emit *emit, void *arg)
{
    static const uint8_t objects[][2] = {{0x7F, 0x20}, {0x7F, 0x24}};
    uint8_t buf[256];
    for (uint8_t n = 0; n < 40; n += 2) { /* an honest run up to here, then a little of everything */
        struct wr w = wr_of(buf, sizeof buf);
        put_record(&w, D_PAIR_TO, &n, 1);
        put_record(&w, D_GET, objects[n & 1], 2);
        put_record(&w, D_WRITE, "\x80\x5F\x5A\x01\xAA\x5F\x5F\x00", 8);
        put_record(&w, D_APDU, "\x80\x3C\x10\x02", 4);
        put_record(&w, D_RESET, "", 0);
        put_record(&w, D_CREATE_KEY, "", 0);
        emit(arg, buf, w.len);
    }
    for (uint8_t n = 0; n < 12; n++) {
        struct wr w = wr_of(buf, sizeof buf);
        put_record(&w, D_UNLOCK_TO, &n, 1);
        put_record(&w, D_EXCHANGE, "\x01\x8A\x04\x00\x50\xAA\xBB", 7);
        put_record(&w, D_EXCHANGE, "\x00\x87\x03\x00\x50\x02\x95\x04\x00\x60\x08\x01", 12);
        put_record(&w, D_BLE, "\x01\x80\x3C\x01\x00", 5);
        put_record(&w, D_OWNER, &n, 1);
        put_record(&w, D_REFUSE, "", 0);
        put_record(&w, D_APDU, "\x80\x3C\x01\x00", 4);
        put_record(&w, D_MESSAGE, "\x00\x0B\x00\x04\x80\x3C\x12\x00", 8);
        emit(arg, buf, w.len);
    }
}

/* So many honest answers, then one of each other kind. */
static void put_answers(struct wr *w, size_t honest)
{
    for (size_t i = 0; i < honest; i++)
        put_record(w, V_HONEST, "", 0);
    put_record(w, V_PROTECTED, "\x90\x00\x01\x02\x03\x04", 6);
    put_record(w, V_RAW, "\x90\x00", 2);
}

static void seed_vehicle_pairing(fuzz_emit *emit, void *arg)
{
    uint8_t buf[256];
    for (size_t honest = 0; honest < 34; honest++) {
        struct wr w = wr_of(buf, sizeof buf);
        put_answers(&w, honest);
        emit(arg, buf, w.len);
    }
}

static void seed_vehicle_finish(fuzz_emit *emit, void *arg)
{
    static const uint8_t choices[] = {VEHICLE_PHASE_3,
                                      VEHICLE_PHASE_4,
                                      VEHICLE_PHASE_4 | FINISH_RECEIPT_THERE,
                                      VEHICLE_PHASE_4 | FINISH_RECEIPT_STORED,
                                      VEHICLE_PHASE_4 | FINISH_RECEIPT_THERE | FINISH_RECEIPT_STORED,
                                      VEHICLE_REFILL,
                                      VEHICLE_REFILL | FINISH_RECEIPT_THERE,
                                      VEHICLE_RESUMPTION | FINISH_SUSPENDED,
                                      VEHICLE_RESUMPTION | FINISH_RECEIPT_THERE,
                                      VEHICLE_TERMINATION,
                                      VEHICLE_TERMINATION | FINISH_RECEIPT_THERE,
                                      VEHICLE_TERMINATE_KEY};
    uint8_t buf[256];
    for (size_t i = 0; i < sizeof choices; i++)
        for (size_t honest = 0; honest < 12; honest++) {
            struct wr w = wr_of(buf, sizeof buf);
            wr_u8(&w, choices[i]);
            put_answers(&w, honest);
            emit(arg, buf, w.len);
        }
}

static void seed_sealed(fuzz_emit *emit, void *arg)
{
    const struct rig *r = fuzz_rig();
    uint8_t buf[P256_POINT + 40] = {0};
    memcpy(buf, r->key.device_pk, P256_POINT); /* some point of the curve */
    emit(arg, buf, sizeof buf);
    emit(arg, buf, 70);
    emit(arg, buf, 50);
    emit(arg, (const uint8_t *)"\x05\x02\x00\x01\xAA", 5);
}

const struct fuzz_target fuzz_targets[] = {
    {"tlv", run_tlv, seed_data},
    {"apdu", run_apdu, seed_apdus},
    {"messages", run_messages, seed_data},
    {"key_data", run_key_data, seed_key_data},
    {"exchange", run_exchange, seed_exchange},
    {"certificate", run_certificate, seed_certificate},
    {"attestation", run_attestation, seed_attestation},
    {"sealed", run_sealed, seed_sealed},
    {"device", run_device, seed_device},
    {"vehicle_pairing", run_vehicle_pairing, seed_vehicle_pairing},
    {"vehicle_finish", run_vehicle_finish, seed_vehicle_finish},
    {"dk_record", fuzz_dk_record, fuzz_seed_dk_record},
    {"uds_server", fuzz_uds_server, fuzz_uds_server_seeds},
    {"uds_client", fuzz_uds_client, fuzz_uds_client_seeds},
    {"gate", fuzz_gate, fuzz_gate_seeds},
    {"http_request", fuzz_http_request, fuzz_http_request_seeds},
    {"http_response", fuzz_http_response, fuzz_http_response_seeds},
    {"mail", fuzz_mail, fuzz_mail_seeds},
    {"json", fuzz_json, fuzz_json_seeds},
    {"token", fuzz_token, fuzz_token_seeds},
    {"vos_init", fuzz_vos_init, fuzz_vos_init_seeds},
    {"tbe_vos", fuzz_tbe_vos, fuzz_tbe_vos_seeds},
    {"tbe_request", fuzz_tbe_request, fuzz_tbe_request_seeds},
    {"reader", fuzz_reader, fuzz_reader_seeds},
    {"card_check", fuzz_card_check, fuzz_card_check_seeds},
    {"card_chip", fuzz_card_chip, fuzz_card_chip_seeds},
    {"ble", fuzz_ble, fuzz_ble_seeds},
    {"approach", fuzz_approach, fuzz_approach_seeds},
    {"dk_vehicle_record", fuzz_dk_vehicle_record, fuzz_seed_dk_vehicle_record},
    {"keys", fuzz_keys, fuzz_keys_seeds},
    {"logs", fuzz_logs, fuzz_logs_seeds},
};
const size_t fuzz_target_count = sizeof fuzz_targets / sizeof fuzz_targets[0];
