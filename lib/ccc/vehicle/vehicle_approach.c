#include "lib/ccc/vehicle/vehicle_approach.h"

#include <openssl/crypto.h>
#include <string.h>

struct approach_step vehicle_approach_begin(struct vehicle_approach *a, const struct vehicle_key *bonded,
                                            unsigned level, unsigned key_size)
{
    a->both.state = AP_CLEAR;
    if (!bonded)
        return approach_proceed(&a->both);
    enum err e = approach_check_security(level, key_size);
    if (e)
        return approach_end(&a->both, e);
    a->has_key = true;
    memcpy(a->key_id, bonded->key_id, sizeof a->key_id);
    a->both.state = AP_SECURE;
    return approach_proceed(&a->both);
}

/* ---- first approach ---- */

static enum err try_key(struct vehicle_approach *a, const struct vehicle_key *k, struct span request)
{
    struct first_approach_keys keys;
    uint8_t oob[FIRST_APPROACH_OOB];
    enum err e = first_approach_keys_make(a->both.crypto, k->kble_intro, k->kble_oob_master,
                                          span_of(k->slot.b, k->slot.len), &keys);
    if (!e)
        e = first_approach_consume_request(a->both.crypto, &keys, request, oob);
    if (!e)
        approach_oob_take(oob, &a->both.peer);
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
        return approach_end_saying(&a->both, DK_EVENT_WRONG_PARAMETERS, e);
    if (e)
        return approach_end_saying(&a->both, DK_EVENT_FIRST_APPROACH_FAILED, e);
    a->both.state = AP_READING;
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_READ_OOB});
    return approach_proceed(&a->both);
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
    enum err e = first_approach_keys_make(a->both.crypto, k->kble_intro, k->kble_oob_master,
                                          span_of(k->slot.b, k->slot.len), &keys);
    crypto_random(a->both.crypto, nonce, sizeof nonce);
    approach_oob_put(own, oob);
    if (!e)
        e = first_approach_create_response(a->both.crypto, &keys, nonce, oob, out);
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(oob, sizeof oob);
    return e;
}

struct approach_step vehicle_approach_oob(struct vehicle_approach *a, const struct approach_oob *own)
{
    uint8_t answer[FIRST_APPROACH_RESPONSE];
    if (a->both.state != AP_READING)
        return approach_refuse(&a->both, ERR_MSG_UNEXPECTED);
    enum err e = own ? make_answer(a, own, answer) : ERR_DK_OOB;
    if (e)
        return approach_end_saying(&a->both, DK_EVENT_FIRST_APPROACH_FAILED, e);
    a->both.state = AP_PAIRING;
    /* the phone may pair as soon as it has the answer: its data come first */
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_ADD_OOB, .oob = &a->both.peer});
    approach_put_message(&a->both.queue, DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RS,
                         span_of(answer, sizeof answer));
    OPENSSL_cleanse(answer, sizeof answer);
    return approach_proceed(&a->both);
}

/* ---- OP-06/5 ---- */

struct approach_step vehicle_approach_stored(struct vehicle_approach *a, enum err stored)
{
    struct approach_step step;
    if (!approach_stored(&a->both, stored, &step))
        return step;
    a->both.state = AP_SECURE;
    return approach_proceed(&a->both);
}

struct approach_step vehicle_approach_accepted(struct vehicle_approach *a)
{
    if (a->both.state != AP_OWNER_PAIRING)
        return approach_refuse(&a->both, ERR_MSG_UNEXPECTED);
    a->both.state = AP_CLEAR;
    a->may_pair = false;
    approach_put_event(&a->both.queue, DK_EVENT_BLE_PAIRING_READY);
    return approach_proceed(&a->both);
}

/* ---- what the phone says ---- */

/* OP-06/6 */
static struct approach_step on_time_sync(struct vehicle_approach *a, struct span data)
{
    enum err e = time_sync_parse(data, &a->both.time_sync);
    if (e)
        return a->both.state == AP_READY ? approach_refuse(&a->both, e)
                                         : approach_end_saying(&a->both, DK_EVENT_WRONG_PARAMETERS, e);
    if (a->both.state == AP_SECURE) {
        a->both.state = AP_READY;
        approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_READY});
    }
    return approach_proceed(&a->both);
}

static struct approach_step on_event(struct vehicle_approach *a, struct span data)
{
    enum dk_event event;
    enum err e = approach_event_parse(data, &event);
    if (!e && a->both.state == AP_CLEAR && a->may_pair && event == DK_EVENT_REQUEST_OWNER_PAIRING)
        a->both.state = AP_OWNER_PAIRING;
    else if (!e && (a->both.state != AP_READY || event != DK_EVENT_REQUEST_STANDARD))
        e = ERR_MSG_UNEXPECTED;
    if (e && a->both.state == AP_CLEAR)
        return approach_end_saying(&a->both, DK_EVENT_WRONG_PARAMETERS, e);
    if (e)
        return approach_refuse(&a->both, e);
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_WANTED, .event = event});
    return approach_proceed(&a->both);
}

static struct approach_step on_answer(struct vehicle_approach *a, const struct dk_message *m)
{
    approach_put(&a->both.queue,
                 (struct approach_step){.what = APPROACH_APDU, .type = m->type, .apdu = m->data});
    return approach_proceed(&a->both);
}

/* What may come when: of any other, by the state. */
static bool is_apdu(const struct vehicle_approach *a, const struct dk_message *m)
{
    return m->id == DK_APDU_RS && ((a->both.state == AP_OWNER_PAIRING && m->type == DK_FRAMEWORK) ||
                                   (a->both.state == AP_READY && m->type == DK_SE));
}

struct approach_step vehicle_approach_input(struct vehicle_approach *a, struct span sdu)
{
    struct dk_message m;
    enum err e = dk_message_parse(sdu, &m);
    if (a->both.state == AP_OVER)
        return approach_proceed(&a->both);
    if (!e && m.type == DK_SUPPLEMENTARY && m.id == DK_FIRST_APPROACH_RQ && a->both.state == AP_CLEAR)
        return on_request(a, m.data);
    if (!e && m.type == DK_SUPPLEMENTARY && m.id == DK_TIME_SYNC &&
        (a->both.state == AP_SECURE || a->both.state == AP_READY))
        return on_time_sync(a, m.data);
    if (!e && m.type == DK_EVENT && m.id == DK_EVENT_NOTIFICATION)
        return on_event(a, m.data);
    if (!e && is_apdu(a, &m))
        return on_answer(a, &m);
    e = e ? e : ERR_MSG_UNEXPECTED;
    if (a->both.state == AP_READY || a->both.state == AP_OWNER_PAIRING)
        return approach_refuse(&a->both, e);
    return approach_end_saying(&a->both, DK_EVENT_WRONG_PARAMETERS, e);
}

/* ---- time ---- */

unsigned vehicle_approach_patience_ms(const struct vehicle_approach *a)
{
    switch (a->both.state) {
    case AP_CLEAR:
    case AP_SECURE:
        return VEHICLE_APPROACH_CLEAR_MS;
    case AP_PAIRING:
        return VEHICLE_APPROACH_PAIRING_MS;
    default:
        return 0;
    }
}

struct approach_step vehicle_approach_late(struct vehicle_approach *a)
{
    return vehicle_approach_patience_ms(a) ? approach_end(&a->both, ERR_DK_TIMEOUT)
                                           : approach_proceed(&a->both);
}

void vehicle_approach_wipe(struct vehicle_approach *a)
{
    OPENSSL_cleanse(a, sizeof *a);
    a->both.state = AP_OVER;
}
