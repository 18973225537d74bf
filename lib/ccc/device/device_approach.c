#include "lib/ccc/device/device_approach.h"

#include <openssl/crypto.h>
#include <string.h>

const char *device_approach_state_name(enum device_approach_state s)
{
    static const char *const names[DA_STATES] = {"ASKING",  "READING", "ASKED", "PAIRING",
                                                 "STORING", "READY",   "OVER"};
    return s < DA_STATES ? names[s] : "?";
}

static struct approach_step end(struct device_approach *a, enum err reason)
{
    a->state = DA_OVER;
    approach_put_over(&a->queue, reason);
    return approach_take(&a->queue);
}

static struct approach_step end_saying(struct device_approach *a, enum dk_event event, enum err reason)
{
    a->state = DA_OVER;
    a->queue.count = 0;
    approach_put_event(&a->queue, event);
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_OVER, .reason = reason});
    return approach_take(&a->queue);
}

static struct approach_step refuse(struct device_approach *a, enum err reason)
{
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_REFUSED, .reason = reason});
    return approach_take(&a->queue);
}

/* ---- the beginning ---- */

static struct approach_step read_oob(struct device_approach *a)
{
    a->state = DA_READING;
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_READ_OOB});
    return approach_take(&a->queue);
}

void device_approach_use(struct device_approach *a, const struct first_approach_keys *keys)
{
    a->keys = *keys;
    a->has_keys = true;
}

struct approach_step device_approach_begin(struct device_approach *a, const struct first_approach_keys *keys)
{
    device_approach_use(a, keys);
    return read_oob(a);
}

/* CCC-TS-101 19: the event that asks for owner pairing */
struct approach_step device_approach_begin_pairing(struct device_approach *a)
{
    a->state = DA_ASKING;
    approach_put_event(&a->queue, DK_EVENT_REQUEST_OWNER_PAIRING);
    return approach_take(&a->queue);
}

/* OP-06/6 */
static struct approach_step become_ready(struct device_approach *a)
{
    uint8_t data[TIME_SYNC_LENGTH];
    time_sync_put(&a->time_sync, data);
    a->state = DA_READY;
    approach_put_message(&a->queue, DK_SUPPLEMENTARY, DK_TIME_SYNC, span_of(data, sizeof data));
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_READY});
    return approach_take(&a->queue);
}

struct approach_step device_approach_begin_bonded(struct device_approach *a, unsigned level,
                                                  unsigned key_size)
{
    enum err e = approach_check_security(level, key_size);
    return e ? end(a, e) : become_ready(a);
}

/* ---- first approach ---- */

/* OP-06/4 */
struct approach_step device_approach_oob(struct device_approach *a, const struct approach_oob *own)
{
    uint8_t nonces[2][FIRST_APPROACH_NONCE], oob[FIRST_APPROACH_OOB], request[FIRST_APPROACH_REQUEST];
    if (a->state != DA_READING)
        return refuse(a, ERR_MSG_UNEXPECTED);
    if (!own || !a->has_keys)
        return end(a, ERR_DK_OOB);
    approach_oob_put(own, oob);
    crypto_random(a->crypto, nonces, sizeof nonces);
    enum err e = first_approach_create_request(a->crypto, &a->keys,
                                               (const uint8_t(*)[FIRST_APPROACH_NONCE])nonces, oob, request);
    OPENSSL_cleanse(oob, sizeof oob);
    if (e)
        return end(a, e);
    a->state = DA_ASKED;
    approach_put_message(&a->queue, DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ, span_of(request, sizeof request));
    return approach_take(&a->queue);
}

static struct approach_step on_response(struct device_approach *a, struct span response)
{
    uint8_t oob[FIRST_APPROACH_OOB];
    enum err e = first_approach_consume_response(a->crypto, &a->keys, response, oob);
    if (e)
        return end_saying(a, DK_EVENT_FIRST_APPROACH_FAILED, e == ERR_TRUNCATED ? ERR_MSG_MALFORMED : e);
    approach_oob_take(oob, &a->peer);
    OPENSSL_cleanse(oob, sizeof oob);
    a->state = DA_PAIRING;
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_ADD_OOB, .oob = &a->peer});
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_PAIR});
    return approach_take(&a->queue);
}

/* ---- OP-06/5 ---- */

static struct approach_step look_at_pairing(struct device_approach *a)
{
    if (!approach_pairing_done(&a->pairing))
        return approach_take(&a->queue);
    a->state = DA_STORING;
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_STORE_BOND, .bond = &a->pairing.bond});
    return approach_take(&a->queue);
}

struct approach_step device_approach_encrypted(struct device_approach *a, unsigned level, unsigned key_size)
{
    enum err e = approach_check_security(level, key_size);
    if (a->state != DA_PAIRING)
        return end(a, ERR_DK_BOND);
    if (e)
        return end(a, e);
    a->pairing.encrypted = true;
    return look_at_pairing(a);
}

struct approach_step device_approach_ltk(struct device_approach *a, bool authenticated, unsigned key_size,
                                         const uint8_t ltk[CCC_KEY])
{
    if (a->state != DA_PAIRING)
        return end(a, ERR_DK_BOND);
    if (!authenticated || key_size != APPROACH_KEY)
        return end(a, ERR_DK_LINK_WEAK);
    memcpy(a->pairing.bond.ltk, ltk, CCC_KEY);
    a->pairing.has_ltk = true;
    return look_at_pairing(a);
}

struct approach_step device_approach_identity(struct device_approach *a,
                                              const uint8_t address[APPROACH_ADDRESS],
                                              const uint8_t irk[CCC_KEY])
{
    if (a->state != DA_PAIRING)
        return end(a, ERR_DK_BOND);
    if (memcmp(address, a->peer.address, APPROACH_ADDRESS) != 0)
        return end_saying(a, DK_EVENT_OOB_MISMATCH, ERR_DK_OOB);
    memcpy(a->pairing.bond.address, address, APPROACH_ADDRESS);
    memcpy(a->pairing.bond.irk, irk, CCC_KEY);
    a->pairing.has_identity = true;
    return look_at_pairing(a);
}

struct approach_step device_approach_failed(struct device_approach *a)
{
    return a->state == DA_OVER ? approach_take(&a->queue)
                               : end_saying(a, DK_EVENT_BLE_PAIRING_FAILED, ERR_DK_OOB);
}

struct approach_step device_approach_stored(struct device_approach *a, enum err stored)
{
    if (a->state != DA_STORING)
        return refuse(a, ERR_MSG_UNEXPECTED);
    OPENSSL_cleanse(&a->pairing, sizeof a->pairing);
    return stored ? end_saying(a, DK_EVENT_GENERAL_ERROR, stored) : become_ready(a);
}

/* ---- what the vehicle says ---- */

/* The vehicle ends it, or owner pairing over this link has made a key. */
static struct approach_step on_event(struct device_approach *a, struct span data)
{
    static const struct {
        enum dk_event event;
        enum err reason;
    } ends[] = {{DK_EVENT_GENERAL_ERROR, ERR_DK_STATUS},
                {DK_EVENT_OOB_MISMATCH, ERR_DK_OOB},
                {DK_EVENT_BLE_PAIRING_FAILED, ERR_DK_OOB},
                {DK_EVENT_FIRST_APPROACH_FAILED, ERR_DK_UNKNOWN_KEY},
                {DK_EVENT_WRONG_PARAMETERS, ERR_MSG_MALFORMED}};
    enum dk_event event;
    enum err e = approach_event_parse(data, &event);
    if (!e && event == DK_EVENT_BLE_PAIRING_READY && a->state == DA_ASKING && a->has_keys)
        return read_oob(a);
    for (size_t i = 0; !e && i < sizeof ends / sizeof ends[0]; i++)
        if (event == ends[i].event)
            return end(a, ends[i].reason);
    if (!e && event == DK_EVENT_DESELECT_SE && a->state == DA_READY)
        return approach_take(&a->queue); /* the transaction is over, the link may stay */
    return refuse(a, e ? e : ERR_MSG_UNEXPECTED);
}

static bool is_command(const struct device_approach *a, const struct dk_message *m)
{
    return m->id == DK_APDU_RQ &&
           ((a->state == DA_ASKING && m->type == DK_FRAMEWORK) || (a->state == DA_READY && m->type == DK_SE));
}

struct approach_step device_approach_input(struct device_approach *a, struct span sdu)
{
    struct dk_message m;
    enum err e = dk_message_parse(sdu, &m);
    if (a->state == DA_OVER)
        return approach_take(&a->queue);
    if (!e && m.type == DK_SUPPLEMENTARY && m.id == DK_FIRST_APPROACH_RS && a->state == DA_ASKED)
        return on_response(a, m.data);
    if (!e && m.type == DK_EVENT && m.id == DK_EVENT_NOTIFICATION)
        return on_event(a, m.data);
    if (e || !is_command(a, &m))
        return refuse(a, e ? e : ERR_MSG_UNEXPECTED);
    approach_put(&a->queue, (struct approach_step){.what = APPROACH_APDU, .type = m.type, .apdu = m.data});
    return approach_take(&a->queue);
}

struct approach_step device_approach_want(struct device_approach *a)
{
    if (a->state == DA_READY)
        approach_put_event(&a->queue, DK_EVENT_REQUEST_STANDARD);
    return approach_take(&a->queue);
}

/* ---- time ---- */

unsigned device_approach_patience_ms(const struct device_approach *a)
{
    switch (a->state) {
    case DA_ASKED:
        return DEVICE_APPROACH_ANSWER_MS;
    case DA_PAIRING:
        return DEVICE_APPROACH_PAIRING_MS;
    default:
        return 0;
    }
}

struct approach_step device_approach_late(struct device_approach *a)
{
    return device_approach_patience_ms(a) ? end(a, ERR_DK_TIMEOUT) : approach_take(&a->queue);
}

struct approach_step device_approach_proceed(struct device_approach *a)
{
    return approach_take(&a->queue);
}

void device_approach_wipe(struct device_approach *a)
{
    OPENSSL_cleanse(a, sizeof *a);
    a->state = DA_OVER;
}
