/* A SpaaK Module between the plant and its use cases: what it says of itself while the plant has not finished
 * it, resets, communication that is off, and an identity that is not its own. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/spaak.h"
#include "tests/check.h"
#include "tests/module_bench.h"

/* ---- before DONE, and after a start that is not whole ---- */

Test(spaak_life, an_open_module_refuses_messages_and_calls)
{
    static const char *const calls[] = {"start-pairing-mode", "pairing-attempt"};
    struct module_bench *m = module_open(false);
    struct call_value values[ENV_VALUES] = {{0}};
    unsigned call;
    size_t before = bench_count(&m->b, TRACE_STORE, ERR_OK);
    module_message(m, MATRIX_SPAAK_VOS_DOWN, span_of("hello", 5));
    module_message(m, MATRIX_SPAAK_GSDP_DOWN, span_of("hello", 5));
    cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, ERR_PLANT_OPEN), 2));
    for (size_t i = 0; i < 2; i++) {
        cr_assert(component_call(&spaak_class, calls[i], &call));
        node_on_call(&m->b.node, call, values);
        cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, ERR_PLANT_OPEN), 3 + i), "%s", calls[i]);
    }
    cr_expect(eq(sz, bench_count(&m->b, TRACE_STORE, ERR_OK), before));
    module_close(m);
}

static const struct {
    const char *key, *value;
    size_t len;
    enum err start;
} odd_lives[] = {
    {SPAAK_PLANT_LIFE, "\1", 1, ERR_OK},
    {SPAAK_PLANT_LIFE, "\2", 1, ERR_OK},
    {SPAAK_PLANT_LIFE, "\4", 1, ERR_STORE_FAILED},
    {SPAAK_PLANT_LIFE, "\0", 1, ERR_STORE_FAILED},
    {SPAAK_PLANT_LIFE, "\3\3", 2, ERR_STORE_FAILED},
    {SPAAK_PLANT_LIFE, "\3", 1, ERR_NOT_FOUND},
};

Test(spaak_life, what_the_store_says_of_its_life)
{
    for (size_t i = 0; i < sizeof odd_lives / sizeof odd_lives[0]; i++) {
        struct module_bench *m = module_open(false);
        ASSERT_OK(
            store_set(m->b.node.store, odd_lives[i].key, span_of(odd_lives[i].value, odd_lives[i].len)));
        cr_expect(eq(int, (int)module_boot(m), (int)odd_lives[i].start), "row %zu", i);
        module_close(m);
    }
}

/* A reset of a finished module: what it had loaded comes out of the store again, or it says why not. */
Test(spaak_life, a_reset_loads_anew)
{
    struct module_bench *m = module_open(true);
    PLAY(m, "tbm 3");
    cr_expect(ge(sz, m->others, 1));
    PLAY(m, "1101 > 5101; wait 70");
    m->others = 0;
    PLAY(m, "tbm 3; wait 100");
    cr_expect(eq(sz, m->others, 0), "it boots");
    PLAY(m, "wait 200");
    cr_expect(eq(sz, m->others, 0), "it waits for the TBM");
    PLAY(m, "tbm 3");
    cr_expect(ge(sz, m->others, 1));
    struct store_put gone = {SPAAK_ANCHOR_J1, {NULL, 0}};
    ASSERT_OK(store_apply(m->b.node.store, &gone, 1));
    PLAY(m, "1101 > 5101; wait 300");
    m->others = 0;
    PLAY(m, "tbm 3; 190201 > 5902399A0051299A0251299A035529; 220200 > 62020003");
    cr_expect(eq(sz, m->others, 0));
    cr_expect(eq(sz, bench_count(&m->b, TRACE_FAIL, ERR_NOT_FOUND), 1));
    module_close(m);
}

/* 28 03: nothing to the servers, nothing from them, and what was asked is not repeated. */
Test(spaak_life, communication_that_is_off)
{
    struct module_bench *m = module_open(true);
    PLAY(m, "1003 > 5003*; 280301 > 6803; tbm 3");
    module_message(m, MATRIX_SPAAK_VOS_DOWN, span_of("hello", 5));
    cr_expect(eq(sz, m->others, 0));
    cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, ERR_OK), 0));
    PLAY(m, "280001 > 6800; tbm 3");
    cr_expect(ge(sz, m->others, 1));
    struct bus_frame f;
    ASSERT_OK(bus_frame_parse("6B9##5300000CCCCCCCCCC", &f)); /* the first request gets through */
    bench_frame(&m->b.node, 0, &f);
    PLAY(m, "wait 440; tbm 3; 280301 > 6803");
    m->others = 0;
    PLAY(m, "wait 200");
    cr_expect(eq(sz, bench_count(&m->b, TRACE_RETRY, ERR_MSG_NO_ANSWER), 1), "its time has come");
    cr_expect(eq(sz, m->others, 0));
    module_close(m);
}

/* An identity that has ended while the module was up is noticed at the next session. */
Test(spaak_life, an_identity_that_ends)
{
    struct module_bench *m = module_open(true);
    PLAY(m, "190201 > 5902399A0251299A035529");
    m->b.wall_ms += 26ll * 365 * 86400 * 1000;
    PLAY(m, "1003 > 5003*; 190201 > 5902399A0156299A0251299A035529");
    m->b.wall_ms -= 26ll * 365 * 86400 * 1000;
    PLAY(m, "tbm 3; 190201 > 5902399A0251299A035529");
    module_close(m);
}

/* ---- the defect ---- */

static enum err make_foreign(struct store *store)
{
    static const char *const nobody[] = {NULL};
    const struct defect_spec *foreign = spaak_class.defects;
    struct plant_shift shift = {
        .crypto = test_crypto(), .oem = *test_oem(TEST_NOW_S), .now_s = TEST_NOW_S, .serials = nobody};
    while (foreign->kind != DEFECT_FOREIGN)
        foreign++;
    return plant_equip(&shift, &spaak_class, MODULE_SERIAL, false, &foreign, 1, store);
}

Test(spaak_life, a_foreign_identity_replaces_a_finished_one_only)
{
    uint8_t point[P256_POINT];
    struct p256_key *pair;
    struct x509 x, ca;
    const struct oem_identity *authority = &test_oem(TEST_NOW_S)->roles[OEM_ECU_CA];
    struct module_bench *m = module_open(true);
    struct span before = module_stored(m, SPAAK_ECU_KEY);
    ASSERT_OK(make_foreign(m->b.node.store));
    struct span after = module_stored(m, SPAAK_ECU_KEY);
    cr_expect(not(span_equal(before, after)));
    ASSERT_OK(p256_from_private(test_crypto(), after.p, &pair));
    p256_public(pair, point);
    p256_free(pair);
    ASSERT_OK(x509_parse(module_stored(m, SPAAK_ECU_CERTIFICATE), &x));
    ASSERT_OK(x509_parse(span_of(authority->der, authority->len), &ca));
    const struct x509 *issuer = &ca;
    ASSERT_OK(x509_check_chain(test_crypto(), &x, X509_ECU_IDENTITY, &issuer, 1, TEST_NOW_S));
    cr_expect(eq(str, x.subject, "SPAAK99999999"));
    cr_expect(memcmp(point, x.public_key, P256_POINT) == 0);
    EXPECT_OK(module_boot(m), "it starts with it");
    module_close(m);
    m = module_open(false);
    EXPECT_ERR(make_foreign(m->b.node.store), ERR_NOT_FOUND);
    module_close(m);
}
