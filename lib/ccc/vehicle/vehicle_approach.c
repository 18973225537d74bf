#include "lib/ccc/vehicle/vehicle_approach.h"

#include <openssl/crypto.h>
#include <string.h>

const char *vehicle_approach_state_name(enum vehicle_approach_state s)
{
    static const char *const names[VA_STATES] = {"CLEAR",   "PAIRING", "READING", "ANSWERED",
                                                 "STORING", "SECURE",  "READY",   "OVER"};
    return s < VA_STATES ? names[s] : "?";
}

/* Whoever is told to go, and why in the words of the air. */
static struct approach_step end(struct vehicle_approach *a, enum err reason)
{
    a->state = VA_OVER;
    approach_put_over(&a->queue, reason);
    return approach_take(&a->queue);
}

static struct approach_step end_saying(struct vehicle_approach *a, enum dk_event event, enum err reason)
{
    a->state = VA_OVER;
    a->queue.count = 0;
    approach_put_event(&a->queue, event);
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_OVER, .reason = reason});
    return approach_take(&a->queue);
}

static struct approach_step refuse(struct vehicle_approach *a, enum err reason)
{
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_REFUSED, .reason = reason});
    return approach_take(&a->queue);
}

struct approach_step vehicle_approach_begin(struct vehicle_approach *a, const struct vehicle_key *bonded,
                                            unsigned level, unsigned key_size)
{
    a->state = VA_CLEAR;
    if (!bonded)
        return approach_take(&a->queue);
    enum err e = approach_check_security(level, key_size);
    if (e)
        return end(a, e);
    a->has_key = true;
    memcpy(a->key_id, bonded->key_id, sizeof a->key_id);
    a->state = VA_SECURE;
    return approach_take(&a->queue);
}

/* ---- first approach ---- */

static enum err try_key(struct vehicle_approach *a, const struct vehicle_key *k, struct span request)
{
    struct first_approach_keys keys;
    uint8_t oob[FIRST_APPROACH_OOB];
    enum err e = first_approach_keys_make(a->crypto, k->kble_intro, k->kble_oob_master,
                                          span_of(k->slot.b, k->slot.len), &keys);
    if (!e)
        e = first_approach_consume_request(a->crypto, &keys, request, oob);
    if (!e)
        approach_oob_take(oob, &a->peer);
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(oob, sizeof oob);
    return e;
}

/* Who is it? A key of this vehicle whose phone could have made the request; ERR_DK_UNKNOWN_KEY. */
static enum err find_key(struct vehicle_approach *a, struct span request)
{
    for (size_t i = 0; i < a->n_keys; i++) {
        const struct vehicle_key *k = &a->keys[i];
        if (k->state == VEHICLE_KEY_TERMINATED)
            continue;
        enum err e = try_key(a, k, request);
        if (e == ERR_NOT_FOUND)
            continue;
        if (!e) {
            a->has_key = true;
            memcpy(a->key_id, k->key_id, sizeof a->key_id);
        }
        return e;
    }
    return ERR_DK_UNKNOWN_KEY;
}

/* OP-06/4 */
static struct approach_step on_request(struct vehicle_approach *a, struct span request)
{
    enum err e = request.len == FIRST_APPROACH_REQUEST ? find_key(a, request) : ERR_MSG_MALFORMED;
    if (e == ERR_MSG_MALFORMED)
        return end_saying(a, DK_EVENT_WRONG_PARAMETERS, e);
    if (e)
        return end_saying(a, DK_EVENT_FIRST_APPROACH_FAILED, e);
    a->state = VA_READING;
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_READ_OOB});
    return approach_take(&a->queue);
}

static const struct vehicle_key *key_of(const struct vehicle_approach *a)
{
    for (size_t i = 0; a->has_key && i < a->n_keys; i++)
        if (memcmp(a->keys[i].key_id, a->key_id, sizeof a->key_id) == 0)
            return &a->keys[i];
    return NULL;
}

static enum err make_answer(struct vehicle_approach *a, const struct approach_oob *own,
                            uint8_t out[FIRST_APPROACH_RESPONSE])
{
    const struct vehicle_key *k = key_of(a);
    struct first_approach_keys keys;
    uint8_t nonce[FIRST_APPROACH_NONCE], oob[FIRST_APPROACH_OOB];
    if (!k)
        return ERR_DK_UNKNOWN_KEY; /* it was deleted meanwhile */
    enum err e = first_approach_keys_make(a->crypto, k->kble_intro, k->kble_oob_master,
                                          span_of(k->slot.b, k->slot.len), &keys);
    crypto_random(a->crypto, nonce, sizeof nonce);
    approach_oob_put(own, oob);
    if (!e)
        e = first_approach_create_response(a->crypto, &keys, nonce, oob, out);
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(oob, sizeof oob);
    return e;
}

struct approach_step vehicle_approach_oob(struct vehicle_approach *a, const struct approach_oob *own)
{
    uint8_t answer[FIRST_APPROACH_RESPONSE];
    if (a->state != VA_READING)
        return refuse(a, ERR_MSG_UNEXPECTED);
    enum err e = own ? make_answer(a, own, answer) : ERR_DK_OOB;
    if (e)
        return end_saying(a, DK_EVENT_FIRST_APPROACH_FAILED, e);
    a->state = VA_ANSWERED;
    /* the phone may pair as soon as it has the answer: its data come first */
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_ADD_OOB, .oob = &a->peer});
    approach_put_message(&a->queue, DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS, span_of(answer, sizeof answer));
    OPENSSL_cleanse(answer, sizeof answer);
    return approach_take(&a->queue);
}

/* ---- OP-06/5 ---- */

static struct approach_step look_at_pairing(struct vehicle_approach *a)
{
    if (!approach_pairing_done(&a->pairing))
        return approach_take(&a->queue);
    a->state = VA_STORING;
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_STORE_BOND, .bond = &a->pairing.bond});
    return approach_take(&a->queue);
}

struct approach_step vehicle_approach_encrypted(struct vehicle_approach *a, unsigned level, unsigned key_size)
{
    enum err e = approach_check_security(level, key_size);
    if (a->state != VA_ANSWERED)
        return end(a, ERR_DK_BOND);
    if (e)
        return end(a, e);
    a->pairing.encrypted = true;
    return look_at_pairing(a);
}

struct approach_step vehicle_approach_ltk(struct vehicle_approach *a, bool authenticated, unsigned key_size,
                                          const uint8_t ltk[CCC_KEY])
{
    if (a->state != VA_ANSWERED)
        return end(a, ERR_DK_BOND);
    if (!authenticated || key_size != APPROACH_KEY)
        return end(a, ERR_DK_LINK_WEAK);
    memcpy(a->pairing.bond.ltk, ltk, CCC_KEY);
    a->pairing.has_ltk = true;
    return look_at_pairing(a);
}

struct approach_step vehicle_approach_identity(struct vehicle_approach *a,
                                               const uint8_t address[APPROACH_ADDRESS],
                                               const uint8_t irk[CCC_KEY])
{
    if (a->state != VA_ANSWERED)
        return end(a, ERR_DK_BOND);
    if (memcmp(address, a->peer.address, APPROACH_ADDRESS) != 0)
        return end_saying(a, DK_EVENT_OOB_MISMATCH, ERR_DK_OOB);
    memcpy(a->pairing.bond.address, address, APPROACH_ADDRESS);
    memcpy(a->pairing.bond.irk, irk, CCC_KEY);
    a->pairing.has_identity = true;
    return look_at_pairing(a);
}

struct approach_step vehicle_approach_failed(struct vehicle_approach *a)
{
    if (a->state == VA_OVER)
        return approach_take(&a->queue);
    return end_saying(a, DK_EVENT_BLE_PAIRING_FAILED, ERR_DK_OOB);
}

struct approach_step vehicle_approach_stored(struct vehicle_approach *a, enum err stored)
{
    if (a->state != VA_STORING)
        return refuse(a, ERR_MSG_UNEXPECTED);
    OPENSSL_cleanse(&a->pairing, sizeof a->pairing);
    if (stored)
        return end_saying(a, DK_EVENT_GENERAL_ERROR, stored);
    a->state = VA_SECURE;
    return approach_take(&a->queue);
}

struct approach_step vehicle_approach_accepted(struct vehicle_approach *a)
{
    if (a->state != VA_PAIRING)
        return refuse(a, ERR_MSG_UNEXPECTED);
    a->state = VA_CLEAR;
    a->may_pair = false;
    approach_put_event(&a->queue, DK_EVENT_BLE_PAIRING_READY);
    return approach_take(&a->queue);
}

/* ---- what the phone says ---- */

/* OP-06/6 */
static struct approach_step on_time_sync(struct vehicle_approach *a, struct span data)
{
    enum err e = time_sync_parse(data, &a->time_sync);
    if (e)
        return a->state == VA_READY ? refuse(a, e) : end_saying(a, DK_EVENT_WRONG_PARAMETERS, e);
    if (a->state == VA_SECURE) {
        a->state = VA_READY;
        approach_put(&a->queue, (struct approach_step){.what = APPROACH_READY});
    }
    return approach_take(&a->queue);
}

static struct approach_step on_event(struct vehicle_approach *a, struct span data)
{
    enum dk_event event;
    enum err e = approach_event_parse(data, &event);
    if (!e && a->state == VA_CLEAR && a->may_pair && event == DK_EVENT_REQUEST_OWNER_PAIRING)
        a->state = VA_PAIRING;
    else if (!e && (a->state != VA_READY || event != DK_EVENT_REQUEST_STANDARD))
        e = ERR_MSG_UNEXPECTED;
    if (e && a->state == VA_CLEAR)
        return end_saying(a, DK_EVENT_WRONG_PARAMETERS, e);
    if (e)
        return refuse(a, e);
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_WANTED, .event = event});
    return approach_take(&a->queue);
}

static struct approach_step on_answer(struct vehicle_approach *a, const struct dk_message *m)
{
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_APDU, .type = m->type, .apdu = m->data});
    return approach_take(&a->queue);
}

/* What may come when: of any other, by the state. */
static bool is_apdu(const struct vehicle_approach *a, const struct dk_message *m)
{
    return m->id == DK_APDU_RS && ((a->state == VA_PAIRING && m->type == DK_FRAMEWORK) ||
                                   (a->state == VA_READY && m->type == DK_SE));
}

struct approach_step vehicle_approach_input(struct vehicle_approach *a, struct span sdu)
{
    struct dk_message m;
    enum err e = dk_message_parse(sdu, &m);
    if (a->state == VA_OVER)
        return approach_take(&a->queue);
    if (!e && m.type == DK_SUPPLEMENTARY && m.id == DK_FIRST_APPROACH_RQ && a->state == VA_CLEAR)
        return on_request(a, m.data);
    if (!e && m.type == DK_SUPPLEMENTARY && m.id == DK_TIME_SYNC &&
        (a->state == VA_SECURE || a->state == VA_READY))
        return on_time_sync(a, m.data);
    if (!e && m.type == DK_EVENT && m.id == DK_EVENT_NOTIFICATION)
        return on_event(a, m.data);
    if (!e && is_apdu(a, &m))
        return on_answer(a, &m);
    e = e ? e : ERR_MSG_UNEXPECTED;
    if (a->state == VA_READY || a->state == VA_PAIRING)
        return refuse(a, e);
    return end_saying(a, DK_EVENT_WRONG_PARAMETERS, e);
}

/* ---- time ---- */

unsigned vehicle_approach_patience_ms(const struct vehicle_approach *a)
{
    switch (a->state) {
    case VA_CLEAR:
    case VA_SECURE:
        return VEHICLE_APPROACH_CLEAR_MS;
    case VA_ANSWERED:
        return VEHICLE_APPROACH_PAIRING_MS;
    default:
        return 0;
    }
}

struct approach_step vehicle_approach_late(struct vehicle_approach *a)
{
    return vehicle_approach_patience_ms(a) ? end(a, ERR_DK_TIMEOUT) : approach_take(&a->queue);
}

struct approach_step vehicle_approach_proceed(struct vehicle_approach *a)
{
    return approach_take(&a->queue);
}

void vehicle_approach_wipe(struct vehicle_approach *a)
{
    OPENSSL_cleanse(a, sizeof *a);
    a->state = VA_OVER;
}
