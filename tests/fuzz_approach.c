/* Both ends of an approach over Bluetooth LE, against the same stranger: steps of one byte, a length and
 * bytes. An SDU goes to either end; a byte alone is what the radio brings. The honest messages of the other
 * end are among the steps, so that each state is reached. */
#include <string.h>

#include "lib/ccc/device/device_approach.h"
#include "lib/ccc/vehicle/vehicle_approach.h"
#include "tests/fuzz_targets.h"

#define STEPS 60

enum step {
    A_SDU,
    A_HONEST, /* what the other end said last */
    A_OOB,
    A_ENCRYPTED,
    A_LTK,
    A_IDENTITY,
    A_FAILED,
    A_LATE,
    A_ACCEPTED,
    A_WANT,
    A_KINDS,
    A_DEVICE = 0x80 /* to the phone, else to the vehicle */
};

static struct pair {
    struct vehicle_key keys[1];
    struct vehicle_approach vehicle;
    struct device_approach device;
    struct first_approach_keys device_keys;
    uint8_t said[2][APPROACH_SDU_MAX]; /* by the vehicle, by the phone */
    size_t said_len[2];
    bool added[2], over[2], bonded[2];
} both;

static const struct approach_oob oobs[2] = {{.address = {0xC1}, .confirm = {7}, .random = {8}},
                                            {.address = {0xD1}, .confirm = {9}, .random = {10}}};

/* Whose step it is; what must hold of each. */
static void take(bool device, struct approach_step s)
{
    struct pair *b = &both;
    for (unsigned n = 0; s.what != APPROACH_WAIT; n++) {
        MUST(n < 16 && !b->over[device]);
        if (s.what == APPROACH_SEND) {
            MUST(s.sdu.len >= DK_MESSAGE_HEADER && s.sdu.len <= APPROACH_SDU_MAX);
            memcpy(b->said[device], s.sdu.p, s.sdu.len);
            b->said_len[device] = s.sdu.len;
        }
        b->added[device] |= s.what == APPROACH_ADD_OOB;
        if (s.what == APPROACH_ADD_OOB) /* nothing but the other end's own comes through the MAC */
            MUST(memcmp(s.oob, &oobs[!device], sizeof *s.oob) == 0);
        if (s.what == APPROACH_APDU) /* an applet hears nothing on a link that is not secure */
            MUST(s.type == DK_FRAMEWORK || b->bonded[device]);
        if (s.what == APPROACH_STORE_BOND) {
            MUST(b->added[device] && !b->bonded[device]);
            MUST(memcmp(s.bond->address, oobs[!device].address, APPROACH_ADDRESS) == 0);
            b->bonded[device] = true;
            s = device ? device_approach_stored(&b->device, ERR_OK)
                       : vehicle_approach_stored(&b->vehicle, ERR_OK);
            continue;
        }
        if (s.what == APPROACH_READY)
            MUST(b->bonded[device]);
        if (s.what == APPROACH_OVER) {
            b->over[device] = true;
            return;
        }
        s = device ? approach_proceed(&b->device.both) : approach_proceed(&b->vehicle.both);
    }
}

static void begin(bool asks)
{
    struct pair *b = &both;
    static const uint8_t key[CCC_KEY] = {1}, slot[8] = {1};
    memset(b, 0, sizeof *b);
    struct vehicle_key *k = &b->keys[0];
    k->state = VEHICLE_KEY_ACTIVE;
    memcpy(k->kble_intro, key, sizeof key);
    memcpy(k->kble_oob_master, key, sizeof key);
    memcpy(k->slot.b, slot, sizeof slot);
    k->slot.len = sizeof slot;
    MUST(first_approach_keys_make(fuzz_crypto(), key, key, span_of(slot, sizeof slot), &b->device_keys) ==
         ERR_OK);
    b->vehicle = (struct vehicle_approach){
        .both.crypto = fuzz_crypto(), .keys = b->keys, .n_keys = 1, .may_pair = asks};
    b->device = (struct device_approach){.both.crypto = fuzz_crypto()};
    take(false, vehicle_approach_begin(&b->vehicle, NULL, 1, 0));
    if (asks)
        take(true, device_approach_begin_pairing(&b->device));
    else
        take(true, device_approach_begin(&b->device, &b->device_keys));
}

static struct approach_step to_vehicle(enum step what, struct span in)
{
    struct vehicle_approach *a = &both.vehicle;
    const uint8_t first = in.len ? in.p[0] : 0;
    static const uint8_t secret[CCC_KEY] = {5};
    switch (what) {
    case A_SDU:
        return vehicle_approach_input(a, in);
    case A_HONEST:
        return vehicle_approach_input(a, span_of(both.said[1], both.said_len[1]));
    case A_OOB:
        return vehicle_approach_oob(a, first & 1 ? NULL : &oobs[0]);
    case A_ENCRYPTED:
        return approach_encrypted(&a->both, first & 1 ? 2 : 4, first & 2 ? 7 : 16);
    case A_LTK:
        return approach_ltk(&a->both, !(first & 1), first & 2 ? 7 : 16, secret);
    case A_IDENTITY:
        return approach_identity(&a->both, oobs[!(first & 1)].address, secret);
    case A_FAILED:
        return approach_failed(&a->both);
    case A_LATE:
        return vehicle_approach_late(a);
    case A_ACCEPTED:
        return vehicle_approach_accepted(a);
    default:
        return approach_proceed(&a->both);
    }
}

static struct approach_step to_device(enum step what, struct span in)
{
    struct device_approach *a = &both.device;
    const uint8_t first = in.len ? in.p[0] : 0;
    static const uint8_t secret[CCC_KEY] = {5};
    switch (what) {
    case A_SDU:
        return device_approach_input(a, in);
    case A_HONEST:
        return device_approach_input(a, span_of(both.said[0], both.said_len[0]));
    case A_OOB:
        return device_approach_oob(a, first & 1 ? NULL : &oobs[1]);
    case A_ENCRYPTED:
        return approach_encrypted(&a->both, first & 1 ? 2 : 4, first & 2 ? 7 : 16);
    case A_LTK:
        return approach_ltk(&a->both, !(first & 1), first & 2 ? 7 : 16, secret);
    case A_IDENTITY:
        return approach_identity(&a->both, oobs[first & 1].address, secret);
    case A_FAILED:
        return approach_failed(&a->both);
    case A_LATE:
        return device_approach_late(a);
    case A_WANT:
        return device_approach_want(a);
    case A_ACCEPTED:
        if (a->both.state == AP_OWNER_PAIRING)
            device_approach_use(a, &both.device_keys);
        return approach_proceed(&a->both);
    default:
        return approach_proceed(&a->both);
    }
}

void fuzz_approach(const uint8_t *p, size_t len)
{
    struct rd in = rd_of(p, len);
    begin(rd_u8(&in) & 1);
    for (unsigned n = 0; n < STEPS && in.left && !in.failed; n++) {
        const uint8_t op = rd_u8(&in), size = rd_u8(&in);
        const bool device = op & A_DEVICE;
        const struct span data = rd_span(&in, size < in.left ? size : in.left);
        if (both.over[device])
            continue;
        const enum step what = (enum step)((op & 0x7F) % A_KINDS);
        take(device, device ? to_device(what, data) : to_vehicle(what, data));
    }
    vehicle_approach_wipe(&both.vehicle);
    device_approach_wipe(&both.device);
}

/* An honest one of either kind up to each of its steps, and then something of each kind. */
void fuzz_approach_seeds(fuzz_emit *emit, void *arg)
{
    static const uint8_t first[] = {A_OOB | A_DEVICE,
                                    A_HONEST,
                                    A_OOB,
                                    A_HONEST | A_DEVICE,
                                    A_ENCRYPTED,
                                    A_LTK,
                                    A_IDENTITY,
                                    A_ENCRYPTED | A_DEVICE,
                                    A_LTK | A_DEVICE,
                                    A_IDENTITY | A_DEVICE,
                                    A_HONEST,
                                    A_WANT | A_DEVICE};
    static const uint8_t pairing[] = {A_HONEST, A_ACCEPTED | A_DEVICE, A_ACCEPTED, A_HONEST | A_DEVICE};
    uint8_t buf[200];
    for (unsigned kind = 0; kind < 2; kind++)
        for (size_t n = 0; n <= sizeof first; n++)
            for (uint8_t last = 0; last < A_KINDS; last++) {
                struct wr w = wr_of(buf, sizeof buf);
                wr_u8(&w, (uint8_t)kind);
                for (size_t i = 0; kind && i < sizeof pairing; i++)
                    wr_be16(&w, (uint16_t)(pairing[i] << 8));
                for (size_t i = 0; i < n; i++)
                    wr_be16(&w, (uint16_t)(first[i] << 8));
                wr_u8(&w, last);
                wr_u8(&w, 8);
                wr_copy(&w, "\x01\x0B\x00\x04\x80\x80\x01\x00", 8);
                emit(arg, buf, w.len);
            }
}
