/* Records of a phone and of a vehicle, as somebody else might have written them. The first byte of an input
 * says what follows: a record, or its body, which then gets a good envelope. */
#include <string.h>

#include "lib/ccc/records/dk_records.h"
#include "lib/ccc/records/envelope.h"
#include "lib/ccc/records/vehicle_record.h"
#include "tests/fuzz_targets.h"
#include "tests/pairing_rig.h"
#include "tests/vehicle_samples.h"

enum { FRAMEWORK = 1, BODY_ONLY = 2 };

static const uint8_t owner[ENVELOPE_OWNER] = "fuzzed";

/* Made once: a phone without keys. */
static struct dk_device *empty_device(void)
{
    static struct dk_device d;
    static struct applet a;
    if (!d.crypto) {
        applet_open(&a, fuzz_crypto());
        MUST(dk_device_open(&d, fuzz_crypto(), &a, "phonemaker") == ERR_OK);
        memcpy(d.id, owner, sizeof owner);
    }
    return &d;
}

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *bytes = p;
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* All or nothing; what was loaded is saved the same. */
static void load_key(struct span record)
{
    struct dk_device *d = empty_device();
    uint8_t again[DK_RECORD_KEY_MAX];
    size_t len;
    if (dk_record_load_key(d, 0, record) == ERR_OK) {
        MUST(dk_record_save_key(d, 0, again, sizeof again, &len) == ERR_OK);
        MUST(span_equal(span_of(again, len), record));
        applet_delete_endpoint(d->applet, &d->applet->keys[0]);
        memset(&d->owned[0], 0, sizeof d->owned[0]);
    }
    MUST(all_zero(&d->applet->keys[0], sizeof d->applet->keys[0]));
    MUST(all_zero(&d->owned[0], sizeof d->owned[0]));
}

static void load_framework(struct span record)
{
    static struct dk_device d;
    static struct applet a;
    uint8_t again[DK_RECORD_FRAMEWORK_MAX];
    size_t len;
    if (dk_record_load_framework(&d, &a, fuzz_crypto(), record) == ERR_OK) {
        MUST(dk_record_save_framework(&d, again, sizeof again, &len) == ERR_OK);
        MUST(span_equal(span_of(again, len), record));
        dk_device_close(&d);
        applet_close(&a);
    }
    MUST(all_zero(&d, sizeof d));
    MUST(all_zero(&a, sizeof a));
}

void fuzz_dk_record(const uint8_t *p, size_t len)
{
    uint8_t record[ENVELOPE_HEADER + FUZZ_INPUT_MAX];
    struct envelope e = {.kind = ENVELOPE_PHONE_KEY, .version = DK_RECORD_VERSION};
    if (len == 0)
        return;
    size_t body_len = len - 1;
    memcpy(record, p + 1, body_len);
    if (p[0] & BODY_ONLY) {
        if (p[0] & FRAMEWORK)
            e.kind = ENVELOPE_PHONE_FRAMEWORK;
        memcpy(e.owner, owner, sizeof owner);
        memcpy(record + ENVELOPE_HEADER, p + 1, body_len);
        envelope_close(fuzz_crypto(), &e, record, body_len);
        body_len += ENVELOPE_HEADER;
    }
    if (p[0] & FRAMEWORK)
        load_framework(span_of(record, body_len));
    else
        load_key(span_of(record, body_len));
}

/* ---- a vehicle's ---- */

/* Made once; its device key is that of all seeds. */
static const struct vehicle_sample *vehicle_sample(void)
{
    static struct vehicle_sample s;
    if (s.len == 0)
        vehicle_sample_make(fuzz_crypto(), &s);
    return &s;
}

static void load_vehicle_key(struct span record)
{
    const struct vehicle_key *wanted = &vehicle_sample()->key;
    struct vehicle_key k;
    uint8_t again[VEHICLE_RECORD_MAX];
    size_t len;
    memset(&k, 0, sizeof k);
    if (vehicle_record_load(fuzz_crypto(), wanted->vehicle_id, wanted->key_id, record, &k) == ERR_OK) {
        MUST(k.device_key && memcmp(k.key_id, wanted->key_id, sizeof k.key_id) == 0);
        MUST(vehicle_record_save(fuzz_crypto(), &k, again, sizeof again, &len) == ERR_OK);
        MUST(span_equal(span_of(again, len), record));
        vehicle_key_close(&k);
    }
    MUST(all_zero(&k, sizeof k));
}

void fuzz_dk_vehicle_record(const uint8_t *p, size_t len)
{
    uint8_t record[ENVELOPE_HEADER + FUZZ_INPUT_MAX];
    const struct envelope e = vehicle_sample_envelope(vehicle_sample());
    if (len == 0)
        return;
    size_t body_len = len - 1;
    if (!(p[0] & BODY_ONLY)) {
        load_vehicle_key(span_of(p + 1, body_len));
        return;
    }
    memcpy(record + ENVELOPE_HEADER, p + 1, body_len);
    envelope_close(fuzz_crypto(), &e, record, body_len);
    load_vehicle_key(span_of(record, ENVELOPE_HEADER + body_len));
}

/* ---- seeds ---- */

static void emit_record(fuzz_emit *emit, void *arg, uint8_t kind, struct span record)
{
    uint8_t in[1 + DK_RECORD_FRAMEWORK_MAX];
    in[0] = kind;
    memcpy(in + 1, record.p, record.len);
    emit(arg, in, 1 + record.len);
    in[0] = kind | BODY_ONLY;
    memcpy(in + 1, record.p + ENVELOPE_HEADER, record.len - ENVELOPE_HEADER);
    emit(arg, in, 1 + record.len - ENVELOPE_HEADER);
}

static void emit_phone(fuzz_emit *emit, void *arg, const struct dk_device *d)
{
    uint8_t record[DK_RECORD_FRAMEWORK_MAX];
    size_t len;
    MUST(dk_record_save_framework(d, record, sizeof record, &len) == ERR_OK);
    emit_record(emit, arg, FRAMEWORK, span_of(record, len));
    if (!d->owned[0].paired)
        return;
    MUST(dk_record_save_key(d, 0, record, sizeof record, &len) == ERR_OK);
    emit_record(emit, arg, 0, span_of(record, len));
}

void fuzz_seed_dk_record(fuzz_emit *emit, void *arg)
{
    uint8_t public_key[P256_POINT];
    struct rig *r = rig_ready(fuzz_crypto());
    memcpy(r->device.id, owner, sizeof owner);
    emit_phone(emit, arg, &r->device); /* with a password, w0 and w1 */
    MUST(rig_pair(r) == ERR_OK);
    rig_walk_away(r);
    emit_phone(emit, arg, &r->device);
    MUST(applet_encryption_key(&r->applet, &r->applet.keys[0], public_key) == ERR_OK);
    MUST(dk_partner_add_root(r->partner, span_of(r->e.der, r->e.len), span_of(r->f.der, r->f.len)) == ERR_OK);
    applet_terminate_endpoint(&r->applet, &r->applet.keys[0]);
    emit_phone(emit, arg, &r->device);
    rig_free(r);
}

static void emit_vehicle_key(fuzz_emit *emit, void *arg, const struct vehicle_key *k)
{
    uint8_t record[VEHICLE_RECORD_MAX];
    size_t len;
    MUST(vehicle_record_save(fuzz_crypto(), k, record, sizeof record, &len) == ERR_OK);
    emit_record(emit, arg, 0, span_of(record, len));
}

void fuzz_seed_dk_vehicle_record(fuzz_emit *emit, void *arg)
{
    struct vehicle_key k = vehicle_sample()->key;
    emit_vehicle_key(emit, arg, &k);
    k.state = VEHICLE_KEY_TERMINATED;
    k.offered = 0x80;
    k.offers[7] = k.slot;
    emit_vehicle_key(emit, arg, &k);
    k.state = VEHICLE_KEY_PENDING;
    k.suspended_s = k.not_before_s = k.not_after_s = 0;
    k.offered = 0;
    k.has_kpersistent = k.attested = k.tracked = k.tokens_by_vehicle = false;
    emit_vehicle_key(emit, arg, &k);
}
