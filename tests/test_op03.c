/* Owner pairing with its faults, in virtual time: whoever died and wherever the phone was, in the end vehicle
 * and phone hold one key, with the same secrets, and the vehicle has used its verifiers up. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/spaak.h"
#include "lib/ccc/records/dk_records.h"
#include "lib/ccc/records/vehicle_record.h"
#include "lib/host/seal.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/check.h"
#include "tests/support.h"

static void open_secret(const struct past *left, const char *component, const char *key, uint8_t *out,
                        size_t cap, size_t *len)
{
    unsigned n = 0;
    while (strcmp(cast.classes[n]->name, component) != 0)
        n++;
    const struct seal seal = {
        .crypto = test_crypto(), .class = cast.classes[n], .key = left->plant.store_key};
    ASSERT_OK(seal_get(&seal, past_store(left, component), key, out, cap, len));
}

struct names {
    size_t count;
    char first[VEHICLE_RECORD_NAME_MAX];
};

static void note_name(void *ctx, const char *name, struct span value)
{
    struct names *n = ctx;
    (void)value;
    if (n->count++ == 0)
        text_copy(n->first, sizeof n->first, name);
}

static void load_vehicle(const struct past *left, struct vehicle_key *out, const char *name)
{
    struct names found = {.count = 0};
    uint8_t der[X509_MAX], record[VEHICLE_RECORD_MAX], key_id[ENDPOINT_KEY_ID];
    uint8_t vehicle_id[TRANSACTION_VEHICLE_ID];
    struct store *s = past_store(left, "spaak");
    struct x509 k;
    size_t len;
    ASSERT_OK(store_scan(s, VEHICLE_RECORD_PREFIX, note_name, &found));
    cr_assert(eq(sz, found.count, 1), "%s: keys in the vehicle", name);
    ASSERT_OK(store_get(s, SPAAK_VEHICLE_CERTIFICATE, der, sizeof der, &len));
    ASSERT_OK(x509_parse(span_of(der, len), &k));
    ASSERT_OK(dk_cert_vehicle_id(k.subject, vehicle_id));
    ASSERT_OK(vehicle_record_parse_name(found.first, key_id));
    open_secret(left, "spaak", found.first, record, sizeof record, &len);
    ASSERT_OK(vehicle_record_load(test_crypto(), vehicle_id, key_id, span_of(record, len), out));
    cr_expect(eq(int, (int)store_get(s, SPAAK_VERIFIERS_ID, der, sizeof der, &len), ERR_NOT_FOUND), "%s",
              name);
    cr_expect(eq(int, (int)store_get(s, SPAAK_PAIRING_ON, der, sizeof der, &len), ERR_NOT_FOUND), "%s", name);
}

static void compare(const struct past *left, const char *name)
{
    static struct applet applet;
    static struct dk_device device;
    static uint8_t record[DK_RECORD_FRAMEWORK_MAX];
    struct vehicle_key k = {0};
    size_t len;
    load_vehicle(left, &k, name);
    open_secret(left, "phone", DK_RECORD_FRAMEWORK_NAME, record, sizeof record, &len);
    ASSERT_OK(dk_record_load_framework(&device, &applet, test_crypto(), span_of(record, len)));
    open_secret(left, "phone", DK_RECORD_KEY_PREFIX "0", record, sizeof record, &len);
    ASSERT_OK(dk_record_load_key(&device, 0, span_of(record, len)));
    const struct digital_key *phone = &applet.keys[0];
    const struct dk_owned *owned = &device.owned[0];
    cr_expect(k.state == VEHICLE_KEY_ACTIVE && k.role == VEHICLE_KEY_OWNER, "%s", name);
    cr_expect(eq(int, (int)phone->state, APPLET_KEY_ACTIVE), "%s", name);
    cr_expect(memcmp(phone->device_pk, k.device_pk, P256_POINT) == 0, "%s: the same key", name);
    cr_expect(k.has_kpersistent && memcmp(k.kpersistent, phone->kpersistent, sizeof k.kpersistent) == 0, "%s",
              name);
    cr_expect(memcmp(owned->kble_intro, k.kble_intro, CCC_KEY) == 0, "%s", name);
    cr_expect(memcmp(owned->long_term_shared_secret, k.long_term_shared_secret, CCC_KEY) == 0, "%s", name);
    if (strncmp(name, "op03-killed", 11) != 0) /* there the user opens the link once more */
        cr_expect(eq(sz, device.password_len, 0), "%s: the password is gone", name);
    vehicle_key_close(&k);
    dk_device_close(&device);
    applet_close(&applet);
}

static void live(const struct scenario *s)
{
    struct past left = {.count = 0};
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .quiet = true, .result = &left};
    struct run *r = calloc(1, sizeof *r);
    cr_assert(eq(int, world_run(r, s, &o), VERDICT_PASS), "%s", s->name);
    compare(&left, s->name);
    for (size_t i = 0; i < left.count; i++)
        store_close(left.stores[i].store);
    plant_wipe(&left.plant);
    run_free(r);
    free(r);
}

static size_t live_all(const char *const *files)
{
    size_t lived = 0;
    char path[80];
    scenario_finder = scenario_find_quietly;
    for (; *files; files++) {
        struct scenario *s = NULL;
        size_t n = 0;
        snprintf(path, sizeof path, "scenarios/%.4s/%s.yaml", *files, *files);
        cr_assert(catalogue_load(path, &s, &n), "%s", path);
        for (size_t i = 0; i < n; i++, lived++)
            live(&s[i]);
        free(s);
    }
    return lived;
}

Test(op03, undisturbed_and_with_the_wrong_password_first, .timeout = 60)
{
    static const char *const files[] = {"op03",
                                        "op03-wrong-password",
                                        "op03-seven-wrong-passwords",
                                        "op03-counter-survives-kill",
                                        "op03-not-a-ccc-device",
                                        NULL};
    cr_expect(eq(sz, live_all(files), 5));
}

Test(op03, the_phone_is_lifted_or_without_power_at_each_step, .timeout = 120)
{
    static const char *const files[] = {"op03-lifted", "op03-phone-restarted", NULL};
    cr_expect(eq(sz, live_all(files), 24));
}

Test(op03, frames_are_lost_on_the_way, .timeout = 120)
{
    static const char *const files[] = {"op03-frame-lost", "op03-answer-lost", NULL};
    cr_expect(eq(sz, live_all(files), 30));
}

Test(op03, the_vehicle_its_reader_or_the_phone_is_killed_at_each_step, .timeout = 120)
{
    static const char *const files[] = {"op03-killed-spaak", "op03-killed-wcp", "op03-killed-phone", NULL};
    cr_expect(eq(sz, live_all(files), 51));
}

Test(op03, what_was_forged_leaves_nothing_behind, .timeout = 120)
{
    static const char *const files[] = {"op03-version-mismatch",
                                        "op03-version-mismatch-applet",
                                        "op03-version-mismatch-reader",
                                        "op03-invalid-point",
                                        "op03-invalid-point-reader",
                                        "op03-bad-evidence",
                                        "op03-bad-evidence-reader",
                                        "op03-bad-chain",
                                        "op03-bad-chain-expired",
                                        "op03-bad-chain-identifiers",
                                        "op03-foreign-vehicle-identifier",
                                        "op03-foreign-vehicle-identifier-reader",
                                        "op03-tampered-write",
                                        "op03-tampered-write-answer",
                                        NULL};
    cr_expect(eq(sz, live_all(files), 33));
}

Test(op03, the_phone_is_lifted_at_each_APDU_of_phase_3, .timeout = 120)
{
    static const char *const files[] = {"op04-lifted", "op04-apdu-lost", NULL};
    cr_expect(eq(sz, live_all(files), 27));
}
