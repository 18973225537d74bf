/* The phone's end: commands, honest and hostile, and what its owner does meanwhile. */
#include <string.h>

#include "tests/fuzz_rig.h"

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
    struct digital_key *k = fuzz_rig_key(r);
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

static void device_step(struct rig *r, const struct fuzz_record *rec)
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

void fuzz_device(const uint8_t *p, size_t len)
{
    struct rig *r = fuzz_rig();
    struct rd in = rd_of(p, len);
    struct fuzz_record rec;
    for (int i = 0; i < 24 && fuzz_record_next(&in, &rec); i++)
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

void fuzz_device_seeds(fuzz_emit *emit, void *arg)
{
    static const uint8_t objects[][2] = {{0x7F, 0x20}, {0x7F, 0x24}};
    uint8_t buf[256];
    for (uint8_t n = 0; n < 40; n += 2) { /* an honest run up to here, then a little of everything */
        struct wr w = wr_of(buf, sizeof buf);
        fuzz_record_put(&w, D_PAIR_TO, &n, 1);
        fuzz_record_put(&w, D_GET, objects[n & 1], 2);
        fuzz_record_put(&w, D_WRITE, "\x80\x5F\x5A\x01\xAA\x5F\x5F\x00", 8);
        fuzz_record_put(&w, D_APDU, "\x80\x3C\x10\x02", 4);
        fuzz_record_put(&w, D_RESET, "", 0);
        fuzz_record_put(&w, D_CREATE_KEY, "", 0);
        emit(arg, buf, w.len);
    }
    for (uint8_t n = 0; n < 12; n++) {
        struct wr w = wr_of(buf, sizeof buf);
        fuzz_record_put(&w, D_UNLOCK_TO, &n, 1);
        fuzz_record_put(&w, D_EXCHANGE, "\x01\x8A\x04\x00\x50\xAA\xBB", 7);
        fuzz_record_put(&w, D_EXCHANGE, "\x00\x87\x03\x00\x50\x02\x95\x04\x00\x60\x08\x01", 12);
        fuzz_record_put(&w, D_BLE, "\x01\x80\x3C\x01\x00", 5);
        fuzz_record_put(&w, D_OWNER, &n, 1);
        fuzz_record_put(&w, D_REFUSE, "", 0);
        fuzz_record_put(&w, D_APDU, "\x80\x3C\x01\x00", 4);
        fuzz_record_put(&w, D_MESSAGE, "\x00\x0B\x00\x04\x80\x3C\x12\x00", 8);
        emit(arg, buf, w.len);
    }
}
