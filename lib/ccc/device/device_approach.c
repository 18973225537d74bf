#include "lib/ccc/device/device_approach.h"

#include <openssl/crypto.h>
#include <string.h>

/* ---- the beginning ---- */

static struct approach_step read_oob(struct device_approach *a)
{
    a->both.state = AP_READING;
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_READ_OOB});
    return approach_proceed(&a->both);
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
    a->both.state = AP_OWNER_PAIRING;
    approach_put_event(&a->both.queue, DK_EVENT_REQUEST_OWNER_PAIRING);
    return approach_proceed(&a->both);
}

/* OP-06/6 */
static struct approach_step become_ready(struct device_approach *a)
{
    uint8_t data[TIME_SYNC_LENGTH];
    time_sync_put(&a->both.time_sync, data);
    a->both.state = AP_READY;
    approach_put_message(&a->both.queue, DK_SUPPLEMENTARY, DK_TIME_SYNC, span_of(data, sizeof data));
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_READY});
    return approach_proceed(&a->both);
}

struct approach_step device_approach_begin_bonded(struct device_approach *a, unsigned level,
                                                  unsigned key_size)
{
    enum err e = approach_check_security(level, key_size);
    return e ? approach_end(&a->both, e) : become_ready(a);
}

/* ---- first approach ---- */

/* OP-06/4 */
struct approach_step device_approach_oob(struct device_approach *a, const struct approach_oob *own)
{
    uint8_t nonces[2][FIRST_APPROACH_NONCE], oob[FIRST_APPROACH_OOB], request[FIRST_APPROACH_REQUEST];
    if (a->both.state != AP_READING)
        return approach_refuse(&a->both, ERR_MSG_UNEXPECTED);
    if (!own || !a->has_keys)
        return approach_end(&a->both, ERR_DK_OOB);
    approach_oob_put(own, oob);
    crypto_random(a->both.crypto, nonces, sizeof nonces);
    enum err e = first_approach_create_request(a->both.crypto, &a->keys,
                                               (const uint8_t(*)[FIRST_APPROACH_NONCE])nonces, oob, request);
    OPENSSL_cleanse(oob, sizeof oob);
    if (e)
        return approach_end(&a->both, e);
    a->both.state = AP_ASKED;
    approach_put_message(&a->both.queue, DK_SUPPLEMENTARY, DK_FIRST_APPROACH_RQ,
                         span_of(request, sizeof request));
    return approach_proceed(&a->both);
}

static struct approach_step on_response(struct device_approach *a, struct span response)
{
    uint8_t oob[FIRST_APPROACH_OOB];
    enum err e = first_approach_consume_response(a->both.crypto, &a->keys, response, oob);
    if (e)
        return approach_end_saying(&a->both, DK_EVENT_FIRST_APPROACH_FAILED,
                                   e == ERR_TRUNCATED ? ERR_MSG_MALFORMED : e);
    approach_oob_take(oob, &a->both.peer);
    OPENSSL_cleanse(oob, sizeof oob);
    a->both.state = AP_PAIRING;
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_ADD_OOB, .oob = &a->both.peer});
    approach_put(&a->both.queue, (struct approach_step){.what = APPROACH_PAIR});
    return approach_proceed(&a->both);
}

/* OP-06/5 */
struct approach_step device_approach_stored(struct device_approach *a, enum err stored)
{
    struct approach_step step;
    return approach_stored(&a->both, stored, &step) ? become_ready(a) : step;
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
    if (!e && event == DK_EVENT_BLE_PAIRING_READY && a->both.state == AP_OWNER_PAIRING && a->has_keys)
        return read_oob(a);
    for (size_t i = 0; !e && i < sizeof ends / sizeof ends[0]; i++)
        if (event == ends[i].event)
            return approach_end(&a->both, ends[i].reason);
    if (!e && event == DK_EVENT_DESELECT_SE && a->both.state == AP_READY)
        return approach_proceed(&a->both); /* the transaction is over, the link may stay */
    return approach_refuse(&a->both, e ? e : ERR_MSG_UNEXPECTED);
}

static bool is_command(const struct device_approach *a, const struct dk_message *m)
{
    return m->id == DK_APDU_RQ && ((a->both.state == AP_OWNER_PAIRING && m->type == DK_FRAMEWORK) ||
                                   (a->both.state == AP_READY && m->type == DK_SE));
}

struct approach_step device_approach_input(struct device_approach *a, struct span sdu)
{
    struct dk_message m;
    enum err e = dk_message_parse(sdu, &m);
    if (a->both.state == AP_OVER)
        return approach_proceed(&a->both);
    if (!e && m.type == DK_SUPPLEMENTARY && m.id == DK_FIRST_APPROACH_RS && a->both.state == AP_ASKED)
        return on_response(a, m.data);
    if (!e && m.type == DK_EVENT && m.id == DK_EVENT_NOTIFICATION)
        return on_event(a, m.data);
    if (e || !is_command(a, &m))
        return approach_refuse(&a->both, e ? e : ERR_MSG_UNEXPECTED);
    approach_put(&a->both.queue,
                 (struct approach_step){.what = APPROACH_APDU, .type = m.type, .apdu = m.data});
    return approach_proceed(&a->both);
}

struct approach_step device_approach_want(struct device_approach *a)
{
    if (a->both.state == AP_READY)
        approach_put_event(&a->both.queue, DK_EVENT_REQUEST_STANDARD);
    return approach_proceed(&a->both);
}

/* ---- time ---- */

unsigned device_approach_patience_ms(const struct device_approach *a)
{
    switch (a->both.state) {
    case AP_ASKED:
        return DEVICE_APPROACH_ANSWER_MS;
    case AP_PAIRING:
        return DEVICE_APPROACH_PAIRING_MS;
    default:
        return 0;
    }
}

struct approach_step device_approach_late(struct device_approach *a)
{
    return device_approach_patience_ms(a) ? approach_end(&a->both, ERR_DK_TIMEOUT)
                                          : approach_proceed(&a->both);
}

void device_approach_wipe(struct device_approach *a)
{
    OPENSSL_cleanse(a, sizeof *a);
    a->both.state = AP_OVER;
}
