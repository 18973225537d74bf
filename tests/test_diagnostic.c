/* What ECUs have in common in diagnostics: their numbers, what they keep, what the plant gives them. */
#include <stdio.h>

#include "lib/msg/diagnostic.h"
#include "tbm/tbm.h"
#include "tests/check.h"
#include "tests/support.h"

Test(diagnostic, numbers_follow_from_the_serial_of_the_vehicle)
{
    static const struct {
        const char *letters, *serial;
        size_t len;
        const char *want;
    } rows[] = {
        {"TBM", "SPAAK00000001", 13, "TBM0000000001"},
        {"SGW", "SPAAK00000042", 13, "SGW0000000042"},
        {"SPAAK", "SPAAK00000001", 13, "SPAAK00000001"},
        {"1SPAAK", "SPAAK00000001", 17, "1SPAAK00000000001"},
        {"TBM", "S1", 13, "TBM0000000001"},
        {"TBM", "", 13, "TBM0000000000"},
        {"TBM", "no digits", 13, "TBM0000000000"},
        {"TBM", "S123456789012345", 13, "TBM6789012345"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[UDS_VIN_LEN + 1];
        uds_serial_of(rows[i].letters, rows[i].serial, rows[i].len, out);
        cr_expect(eq(str, out, (char *)rows[i].want), "%s", rows[i].serial);
    }
}

/* K of the plant is that of the ECU's own serial: no other ECU of the vehicle has the same. */
Test(diagnostic, the_plant_gives_k_of_this_ecu)
{
    static const char *const nobody[] = {NULL};
    static const struct plant_item items[] = {{"tbm", PLANT_LEVEL_WORKSHOP, "TBM"},
                                              {"spaak", PLANT_LEVEL_WORKSHOP, "SPAAK"},
                                              {"spaak-plant", PLANT_LEVEL_PLANT, "SPAAK"},
                                              {"m", PLANT_TESTER_SECRET, NULL},
                                              {.key = NULL}};
    static const struct {
        const char *key, *want;
    } rows[] = {{"m", "000102030405060708090a0b0c0d0e0f"},
                {"spaak", "b982d65a6aaabdd55912e6eb0d73abd0"},
                {"spaak-plant", "f82b427fd2f5ca8073ce29efdc317eb2"}};
    struct component_class class = {.name = "any", .stores = true, .plant = items};
    struct plant_shift shift = {
        .crypto = test_crypto(), .oem = *test_oem(TEST_NOW_S), .now_s = TEST_NOW_S, .serials = nobody};
    struct store *store = store_memory_new();
    uint8_t value[UDS_SECRET], tbm[UDS_SECRET];
    size_t len;
    for (uint8_t i = 0; i < UDS_SECRET; i++)
        shift.tester_secret[i] = i;
    ASSERT_OK(plant_equip(&shift, &class, "SPAAK00000001", true, NULL, 0, store));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ASSERT_OK(store_get(store, rows[i].key, value, sizeof value, &len));
        expect_hex(span_of(value, len), rows[i].want, rows[i].key);
    }
    ASSERT_OK(store_get(store, "tbm", tbm, sizeof tbm, &len));
    ASSERT_OK(
        uds_security_ecu_key(test_crypto(), shift.tester_secret, 0x01, span_of("TBM0000000001", 13), value));
    cr_expect(memcmp(tbm, value, sizeof tbm) == 0);
    store_close(store);
}

/* ---- what is kept ---- */

/* A TBM that finds this in its store; its codes as 19 0A tells them. */
static enum err begin(struct bench *b, const char *stored)
{
    HEX(bytes, stored);
    static const struct component_args args = {.serial = "SPAAK00000001"};
    bench_prepare(b, &tbm_class, test_crypto());
    test_equip(&tbm_class, args.serial, b->node.store);
    store_set(b->node.store, DIAGNOSTIC_STORED, span_of(bytes, bytes_len));
    return node_start(&b->node, &args);
}

static const char *codes(struct bench *b)
{
    static char text[BUS_TEXT_MAX];
    struct bus_frame f;
    bus_frame_parse("7A1##502190ACCCCCCCCCC", &f);
    b->up[0] = true;
    b->sent_count = 0;
    bench_frame(&b->node, 0, &f);
    bus_frame_print(&b->sent[0].frame, text);
    return text;
}

Test(diagnostic, what_is_kept_is_read_by_level_and_code)
{
    static const struct {
        const char *name, *stored, *codes;
    } rows[] = {
        {"as it was written", "010100DA0087299A1051099A105600", "7A9##5000F590A39DA0087299A1051099A105600"},
        {"in another order", "0101009A105109DA008729", "7A9##5000F590A39DA0087299A1051099A105610"},
        {"of a table with more", "0201006103DA008729123456099A105108",
         "7A9##5000F590A39DA0087299A1051089A105610"},
        {"of a table without levels", "00DA008729", "7A9##5000F590A39DA0087299A1051109A105610"},
        {"bits that are not kept", "0101009A1051FF", "7A9##5000F590A39DA0087109A1051399A105610"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        ASSERT_OK(begin(&b, rows[i].stored));
        const char *got = codes(&b);
        cr_expect(strncmp(got, rows[i].codes, strlen(rows[i].codes)) == 0, "%s: %s", rows[i].name, got);
        bench_free(&b);
    }
}

Test(diagnostic, what_nobody_wrote_is_refused)
{
    static const char *const rows[] = {"01", "0101", "050100", "010100DA0087", "010100DA0087299A"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        cr_expect(eq(int, begin(&b, rows[i]), ERR_STORE_FAILED), "%s", rows[i]);
        bench_free(&b);
    }
}
