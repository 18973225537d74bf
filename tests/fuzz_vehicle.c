/* The vehicle's end: pairing, and the transaction that finishes it. */
#include <string.h>

#include "tests/fuzz_rig.h"

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

static void vehicle_answer(struct vehicle_end *v, const struct fuzz_record *rec)
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

void fuzz_vehicle_pairing(const uint8_t *p, size_t len)
{
    struct rig *r = fuzz_rig();
    struct rd in = rd_of(p, len);
    struct fuzz_record rec;
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
        else if (fuzz_record_next(&in, &rec))
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

void fuzz_vehicle_finish(const uint8_t *p, size_t len)
{
    struct rig *r = fuzz_rig();
    struct rd in = rd_of(p, len);
    struct fuzz_record rec;
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
        else if (fuzz_record_next(&in, &rec))
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

/* So many honest answers, then one of each other kind. */
static void put_answers(struct wr *w, size_t honest)
{
    for (size_t i = 0; i < honest; i++)
        fuzz_record_put(w, V_HONEST, "", 0);
    fuzz_record_put(w, V_PROTECTED, "\x90\x00\x01\x02\x03\x04", 6);
    fuzz_record_put(w, V_RAW, "\x90\x00", 2);
}

void fuzz_vehicle_pairing_seeds(fuzz_emit *emit, void *arg)
{
    uint8_t buf[256];
    for (size_t honest = 0; honest < 34; honest++) {
        struct wr w = wr_of(buf, sizeof buf);
        put_answers(&w, honest);
        emit(arg, buf, w.len);
    }
}

void fuzz_vehicle_finish_seeds(fuzz_emit *emit, void *arg)
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
