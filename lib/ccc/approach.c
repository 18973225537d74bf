#include "lib/ccc/approach.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

/* ---- the queue ---- */

void approach_put(struct approach_queue *q, struct approach_step s)
{
    assert(q->count < APPROACH_STEPS);
    q->steps[(q->first + q->count++) % APPROACH_STEPS] = s;
}

void approach_put_message(struct approach_queue *q, enum dk_type type, uint8_t id, struct span data)
{
    struct wr w = wr_of(q->sdu, sizeof q->sdu);
    dk_message_put(&w, &(struct dk_message){.type = type, .id = id, .data = data});
    assert(!w.failed);
    approach_put(q, (struct approach_step){.what = APPROACH_SEND, .sdu = span_of(q->sdu, w.len)});
}

void approach_put_event(struct approach_queue *q, enum dk_event event)
{
    const uint8_t data[] = {DK_EVENT_COMMAND_COMPLETE, (uint8_t)event};
    approach_put_message(q, DK_EVENT, DK_EVENT_NOTIFICATION, span_of(data, sizeof data));
}

void approach_put_over(struct approach_queue *q, enum err reason)
{
    q->count = 0;
    approach_put(q, (struct approach_step){.what = APPROACH_OVER, .reason = reason});
}

struct approach_step approach_take(struct approach_queue *q)
{
    if (!q->count)
        return (struct approach_step){.what = APPROACH_WAIT};
    struct approach_step s = q->steps[q->first];
    q->first = (q->first + 1) % APPROACH_STEPS;
    q->count--;
    return s;
}

/* ---- bytes ---- */

/* BT_Addr || C || r */
void approach_oob_put(const struct approach_oob *oob, uint8_t out[FIRST_APPROACH_OOB])
{
    memcpy(out, oob->address, sizeof oob->address);
    memcpy(out + sizeof oob->address, oob->confirm, sizeof oob->confirm);
    memcpy(out + sizeof oob->address + sizeof oob->confirm, oob->random, sizeof oob->random);
}

void approach_oob_take(const uint8_t in[FIRST_APPROACH_OOB], struct approach_oob *out)
{
    memcpy(out->address, in, sizeof out->address);
    memcpy(out->confirm, in + sizeof out->address, sizeof out->confirm);
    memcpy(out->random, in + sizeof out->address + sizeof out->confirm, sizeof out->random);
}

static enum err ended(const struct rd *r)
{
    if (r->failed)
        return ERR_TRUNCATED;
    return r->left ? ERR_TRAILING_BYTES : ERR_OK;
}

enum err approach_event_parse(struct span data, enum dk_event *out)
{
    struct rd r = rd_of(data.p, data.len);
    uint8_t category = rd_u8(&r), code = rd_u8(&r);
    enum err e = ended(&r);
    if (!e && category != DK_EVENT_COMMAND_COMPLETE)
        e = ERR_BAD_ARGUMENT;
    if (!e)
        *out = (enum dk_event)code;
    return e;
}

void time_sync_put(const struct time_sync *t, uint8_t out[TIME_SYNC_LENGTH])
{
    struct wr w = wr_of(out, TIME_SYNC_LENGTH);
    wr_be64(&w, t->event_count);
    wr_be64(&w, t->device_us);
    wr_u8(&w, t->uncertainty);
    wr_u8(&w, t->skew_available);
    wr_be16(&w, t->max_ppm);
    wr_u8(&w, t->success);
    wr_be16(&w, t->retry_delay_ms);
    assert(w.len == TIME_SYNC_LENGTH);
}

enum err time_sync_parse(struct span in, struct time_sync *out)
{
    struct rd r = rd_of(in.p, in.len);
    struct time_sync t = {.event_count = rd_be64(&r), .device_us = rd_be64(&r)};
    t.uncertainty = rd_u8(&r);
    uint8_t skew = rd_u8(&r);
    t.max_ppm = rd_be16(&r);
    uint8_t success = rd_u8(&r);
    t.retry_delay_ms = rd_be16(&r);
    enum err e = ended(&r);
    if (!e && (skew > 1 || success > 1))
        e = ERR_BAD_ARGUMENT;
    t.skew_available = skew;
    t.success = success;
    if (!e)
        *out = t;
    return e;
}

/* ---- how it ends, what is refused ---- */

const char *approach_state_name(enum approach_state s)
{
    static const char *const names[AP_STATES] = {"CLEAR",   "OWNER_PAIRING", "READING", "ASKED", "PAIRING",
                                                 "STORING", "SECURE",        "READY",   "OVER"};
    return s < AP_STATES ? names[s] : "?";
}

struct approach_step approach_proceed(struct approach *a)
{
    return approach_take(&a->queue);
}

struct approach_step approach_end(struct approach *a, enum err reason)
{
    a->state = AP_OVER;
    approach_put_over(&a->queue, reason);
    return approach_take(&a->queue);
}

/* Whoever is told to go, and why in the words of the air. */
struct approach_step approach_end_saying(struct approach *a, enum dk_event event, enum err reason)
{
    a->state = AP_OVER;
    a->queue.count = 0;
    approach_put_event(&a->queue, event);
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_OVER, .reason = reason});
    return approach_take(&a->queue);
}

struct approach_step approach_refuse(struct approach *a, enum err reason)
{
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_REFUSED, .reason = reason});
    if (a->state != AP_OVER && ++a->refusals == APPROACH_REFUSALS_MAX) {
        a->state = AP_OVER;
        approach_put_event(&a->queue, DK_EVENT_GENERAL_ERROR);
        approach_put(&a->queue, (struct approach_step){.what = APPROACH_OVER, .reason = ERR_DK_REFUSALS});
    }
    return approach_take(&a->queue);
}

/* ---- OP-06/5 ---- */

enum err approach_check_security(unsigned level, unsigned key_size)
{
    return level == APPROACH_LEVEL && key_size == APPROACH_KEY ? ERR_OK : ERR_DK_LINK_WEAK;
}

static struct approach_step look_at_pairing(struct approach *a)
{
    const struct approach_pairing *p = &a->pairing;
    if (!p->encrypted || !p->has_ltk || !p->has_identity)
        return approach_take(&a->queue);
    a->state = AP_STORING;
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_STORE_BOND, .bond = &a->pairing.bond});
    return approach_take(&a->queue);
}

struct approach_step approach_encrypted(struct approach *a, unsigned level, unsigned key_size)
{
    enum err e = a->state == AP_PAIRING ? approach_check_security(level, key_size) : ERR_DK_BOND;
    if (e)
        return approach_end(a, e);
    a->pairing.encrypted = true;
    return look_at_pairing(a);
}

struct approach_step approach_ltk(struct approach *a, bool authenticated, unsigned key_size,
                                  const uint8_t ltk[CCC_KEY])
{
    if (a->state != AP_PAIRING)
        return approach_end(a, ERR_DK_BOND);
    if (!authenticated || key_size != APPROACH_KEY)
        return approach_end(a, ERR_DK_LINK_WEAK);
    memcpy(a->pairing.bond.ltk, ltk, CCC_KEY);
    a->pairing.has_ltk = true;
    return look_at_pairing(a);
}

/* It must be who the first approach has said. */
struct approach_step approach_identity(struct approach *a, const uint8_t address[APPROACH_ADDRESS],
                                       const uint8_t irk[CCC_KEY])
{
    if (a->state != AP_PAIRING)
        return approach_end(a, ERR_DK_BOND);
    if (memcmp(address, a->peer.address, APPROACH_ADDRESS) != 0)
        return approach_end_saying(a, DK_EVENT_OOB_MISMATCH, ERR_DK_OOB);
    memcpy(a->pairing.bond.address, address, APPROACH_ADDRESS);
    memcpy(a->pairing.bond.irk, irk, CCC_KEY);
    a->pairing.has_identity = true;
    return look_at_pairing(a);
}

struct approach_step approach_failed(struct approach *a)
{
    return a->state == AP_OVER ? approach_take(&a->queue)
                               : approach_end_saying(a, DK_EVENT_BLE_PAIRING_FAILED, ERR_DK_OOB);
}

bool approach_stored(struct approach *a, enum err stored, struct approach_step *step)
{
    if (a->state != AP_STORING) {
        *step = approach_refuse(a, ERR_MSG_UNEXPECTED);
        return false;
    }
    OPENSSL_cleanse(&a->pairing, sizeof a->pairing);
    if (stored)
        *step = approach_end_saying(a, DK_EVENT_GENERAL_ERROR, stored);
    return !stored;
}
