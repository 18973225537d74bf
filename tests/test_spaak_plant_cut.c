/* The way of a SpaaK Module through the plant (RP-01, RP-02): undisturbed, asked twice, and with a power cut
 * or a refusing store at each of its commits. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/spaak.h"
#include "lib/pki/csr.h"
#include "tests/check.h"
#include "tests/module_bench.h"

/* ---- the whole way ---- */

static void expect_digest(struct module_bench *m, uint16_t did, struct span der)
{
    uint8_t request[3] = {0x22, (uint8_t)(did >> 8), (uint8_t)did}, digest[SHA256_SIZE];
    const struct tester_answer *a = module_ask(m, span_of(request, 3));
    crypto_sha256(test_crypto(), &der, 1, digest);
    cr_assert(a && a->len == 3 + SHA256_SIZE, "%04X", did);
    cr_expect(memcmp(a->bytes + 3, digest, SHA256_SIZE) == 0, "%04X", did);
}

static void expect_sound_csr(struct module_bench *m)
{
    const struct tester_answer *a = module_ask(m, span_of("\x31\x03\x03\x02", 4));
    struct csr csr;
    cr_assert(a && a->len > 5 && memcmp(a->bytes, "\x71\x03\x03\x02\x00", 5) == 0);
    ASSERT_OK(csr_check(test_crypto(), span_of(a->bytes + 5, a->len - 5), &csr));
    cr_expect(eq(str, csr.subject, MODULE_SERIAL));
    a = module_ask(m, span_of("\x22\x02\x16", 3));
    cr_expect(a && memcmp(a->bytes + 3, csr.public_key, P256_POINT) == 0);
}

static const char *const steps[] = {"RP-01/2", "RP-01/3", "RP-01/4", "RP-01/5", "RP-01/6",
                                    "RP-01/8", "RP-02/1", "RP-02/2", "RP-02/7", "RP-02/8"};

Test(spaak_plant_cut, the_whole_way_of_a_module)
{
    static const char *const slots[] = {"J", "J1", "J_PhysicalKey", "Z1", "ZZ2"};
    struct module_bench *m = module_open(false);
    cr_expect(strncmp(bench_last(&m->b, TRACE_STATE)->detail, "in the plant, its anchors", 25) == 0);
    PLAY(m, "tbm 3; wait 1000; tbm 3; " MODULE_OPEN "; " MODULE_ANCHORS "; 220201 > 6202011F");
    for (size_t i = 0; i < 5; i++)
        expect_digest(m, (uint16_t)(0x0210 + i), module_bytes(m, slots[i]));
    PLAY(m, MODULE_LOCK "7101030500; 220200 > 62020002; 31030301 > 7103030102; " MODULE_KEY
                        "; 31030301 > 7103030100; 31010302 > 7101030200; 220201 > 6202015F");
    expect_sound_csr(m);
    module_certify(m, TEST_NOW_S);
    PLAY(m, "31010304{identity}{ecu-ca} > 7101030400; 190201 > 5902399A0251299A035529");
    expect_digest(m, 0x0215, module_bytes(m, "identity"));
    cr_expect(eq(sz, m->others, 0), "nothing but diagnostics before DONE");
    PLAY(m, "tbm 3; " MODULE_DONE "7101030500; 22F186 > 62F18601; 220200 > 62020003; 220201 > 6202017F");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        cr_expect(eq(sz, module_steps(m, steps[i]), 1), "%s", steps[i]);
    cr_expect(ge(sz, m->others, 1), "SP-02 begins at once");
    cr_expect(eq(str, (char *)bench_last(&m->b, TRACE_SEND)->step, "SP-02/1"));
    PLAY(m, "1060 > 7F1022; cut");
    m->others = 0;
    PLAY(m, "tbm 3");
    cr_expect(ge(sz, m->others, 1), "and after each start");
    module_close(m);
}

/* What a tester may ask again before it goes on: nothing is made a second time, and nothing is stored. */
Test(spaak_plant_cut, each_step_may_be_asked_again)
{
    struct module_bench *m = module_open(false);
    uint8_t csr[MODULE_CSR], point[P256_POINT];
    PLAY(m, MODULE_OPEN "; " MODULE_ANCHORS);
    module_count_commits(m);
    PLAY(m, MODULE_ANCHORS);
    cr_expect(eq(u32, m->commits, 0));
    PLAY(m, MODULE_LOCK "7101030500; " MODULE_KEY);
    module_count_commits(m);
    PLAY(m, MODULE_LOCK "7101030501; 31010301 > 7101030101; 31010302 > 7101030200");
    const struct tester_answer *a = module_ask(m, span_of("\x31\x03\x03\x02", 4));
    size_t len = a->len;
    memcpy(csr, a->bytes, len);
    PLAY(m, "31010302 > 7101030200");
    a = module_ask(m, span_of("\x31\x03\x03\x02", 4));
    cr_expect(a->len == len && memcmp(a->bytes, csr, len) == 0, "the same CSR");
    a = module_ask(m, span_of("\x22\x02\x16", 3));
    memcpy(point, a->bytes + 3, P256_POINT);
    cr_expect(eq(u32, m->commits, 0));
    PLAY(m, "cut; " MODULE_OPEN "; 31030302 > 7F3124; 31010301 > 7101030101; 31010302 > 7101030200");
    a = module_ask(m, span_of("\x22\x02\x16", 3));
    cr_expect(memcmp(a->bytes + 3, point, P256_POINT) == 0, "the same key");
    module_certify(m, TEST_NOW_S);
    PLAY(m, "31010304{identity}{ecu-ca} > 7101030400");
    module_count_commits(m);
    PLAY(m, "31010304{identity}{ecu-ca} > 7101030400; 31010304{identity} > 7101030400");
    cr_expect(eq(u32, m->commits, 0));
    module_close(m);
}

Test(spaak_plant_cut, locked_is_for_good)
{
    struct module_bench *m = module_open(false);
    PLAY(m, MODULE_OPEN "; " MODULE_ANCHORS "; " MODULE_LOCK "7101030500");
    module_expect_refusal(m, "another", "3101030301{J_PhysicalKey} > 7F3122", ERR_PLANT_LOCKED);
    module_expect_refusal(m, "the same", "3101030301{J} > 7F3122", ERR_PLANT_LOCKED);
    module_expect_refusal(m, "DONE without identity", MODULE_DONE "7F3122", ERR_NOT_FOUND);
    PLAY(m, "cut; " MODULE_OPEN);
    module_expect_refusal(m, "after a cut", "3101030302{J1} > 7F3122", ERR_PLANT_LOCKED);
    PLAY(m, "220200 > 62020002");
    module_close(m);
}

/* 0301: the tester hears 78, then power goes. Nothing of a key is left. */
Test(spaak_plant_cut, power_lost_while_the_key_is_made)
{
    struct module_bench *m = module_open(false);
    PLAY(m, MODULE_OPEN "; B 31010301; wait 100 > 7F3178; cut; wait 1000; 220201 > 62020100; " MODULE_OPEN);
    cr_expect(eq(ptr, (void *)module_stored(m, SPAAK_ECU_KEY).p, NULL));
    PLAY(m, "31030301 > 7103030102; " MODULE_KEY);
    module_close(m);
}

/* ---- power cuts and refusals at each commit ---- */

#define KEPT_MAX 40

/* What the plant has to leave; the rest of a store is what time has made of it. */
static const char *const kept[] = {SPAAK_PLANT_LIFE,          SPAAK_ANCHOR_J,  SPAAK_ANCHOR_J1,
                                   SPAAK_ANCHOR_PHYSICAL_KEY, SPAAK_ANCHOR_Z1, SPAAK_ANCHOR_ZZ2};

/* What the tester remembers: which key it has had certified, once. */
struct plant_tester {
    bool certified;
    uint8_t point[P256_POINT];
    struct module_blob identity;
};

static bool have_certified(struct module_bench *m, struct plant_tester *t)
{
    const struct tester_answer *a = module_ask(m, span_of("\x22\x02\x16", 3));
    if (!a || a->len != 3 + P256_POINT)
        return false;
    cr_assert(not(t->certified && memcmp(t->point, a->bytes + 3, P256_POINT) != 0), "a second key pair");
    if (!t->certified) {
        memcpy(t->point, a->bytes + 3, P256_POINT);
        module_certify(m, TEST_NOW_S);
        t->certified = true;
    }
    return true;
}

/* RP-01 and RP-02 from the beginning, as a tester goes through them that knows nothing but DID 0200; false
 * when the module does not answer as a sound one does. */
static bool go_through(struct module_bench *m, struct plant_tester *t)
{
    const struct tester_answer *a = module_ask(m, span_of("\x22\x02\x00", 3));
    if (!a || a->len != 4)
        return false;
    uint8_t life = a->bytes[3];
    if (life == 3)
        return true;
    if (!module_play(m, MODULE_OPEN))
        return false;
    if (life == 1 && !(module_play(m, MODULE_ANCHORS) && module_play(m, MODULE_LOCK "7101030500")))
        return false;
    a = module_ask(m, span_of("\x31\x01\x03\x01", 4));
    if (!a || a->len != 5)
        return false;
    return module_play(m, "31010302 > 7101030200; 31030302 > 7103030200*") && have_certified(m, t) &&
           module_play(m, "31010304{identity}{ecu-ca} > 7101030400; " MODULE_DONE "7101030500");
}

struct key_list {
    char keys[KEPT_MAX][ENV_KEY_MAX];
    size_t count;
};

static void list_key(void *ctx, const char *key, struct span value)
{
    struct key_list *l = ctx;
    (void)value;
    cr_assert(lt(sz, l->count, KEPT_MAX));
    text_copy(l->keys[l->count++], ENV_KEY_MAX, key);
}

static void keys_of(struct module_bench *m, struct key_list *out)
{
    out->count = 0;
    ASSERT_OK(store_scan(m->b.node.store, "", list_key, out));
}

/* Byte for byte what the plant meant it to be, the keys of an undisturbed life, and a key pair that the
 * certificate is for. */
static void expect_same_end(struct module_bench *m, const struct key_list *undisturbed, const char *what,
                            unsigned n)
{
    static const char *const names[] = {NULL, "J", "J1", "J_PhysicalKey", "Z1", "ZZ2"};
    uint8_t point[P256_POINT];
    struct key_list keys;
    struct p256_key *key;
    struct x509 x;
    keys_of(m, &keys);
    cr_assert(eq(sz, keys.count, undisturbed->count), "%s %u", what, n);
    for (size_t i = 0; i < keys.count; i++)
        cr_expect(eq(str, keys.keys[i], (char *)undisturbed->keys[i]), "%s %u", what, n);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        cr_expect(
            span_equal(module_stored(m, kept[i]), names[i] ? module_bytes(m, names[i]) : span_of("\3", 1)),
            "%s %u: %s", what, n, kept[i]);
    cr_expect(span_equal(module_stored(m, SPAAK_ECU_CERTIFICATE), module_bytes(m, "identity")), "%s %u", what,
              n);
    ASSERT_OK(p256_from_private(test_crypto(), module_stored(m, SPAAK_ECU_KEY).p, &key));
    p256_public(key, point);
    p256_free(key);
    ASSERT_OK(x509_parse(module_bytes(m, "identity"), &x));
    cr_expect(memcmp(point, x.public_key, P256_POINT) == 0, "%s %u", what, n);
}

/* The commits of a life without disturbance, counted from after the start, and the keys it leaves. */
static unsigned live_undisturbed(struct key_list *keys)
{
    struct plant_tester t = {0};
    struct module_bench *m = module_open(false);
    module_count_commits(m);
    cr_assert(go_through(m, &t), "%s", m->why);
    unsigned commits = m->commits;
    keys_of(m, keys);
    module_close(m);
    return commits;
}

Test(spaak_plant_cut, power_cut_before_and_behind_each_commit)
{
    struct key_list keys;
    unsigned commits = live_undisturbed(&keys);
    cr_assert(ge(u32, commits, 9), "five anchors, LOCK, key, identity, DONE");
    for (unsigned n = 1; n <= commits; n++)
        for (int behind = 0; behind < 2; behind++) {
            struct plant_tester t = {0};
            struct module_bench *m = module_open(false);
            module_count_commits(m);
            m->cut_at = n;
            m->cut_keeps = behind;
            bool through = go_through(m, &t);
            cr_assert(m->b.node.dead, "commit %u was not reached", n);
            ASSERT_OK(module_boot(m));
            for (int tries = 0; !(through = go_through(m, &t)) && tries < 3; tries++)
                ;
            cr_expect(through, "%s %u: %s", behind ? "behind" : "before", n, m->why);
            expect_same_end(m, &keys, behind ? "behind" : "before", n);
            module_close(m);
        }
}

/* A store that refuses once: 72 for the tester, nothing of it is true, and asking again goes on. */
Test(spaak_plant_cut, a_store_that_refuses_each_commit)
{
    struct key_list keys;
    unsigned commits = live_undisturbed(&keys);
    for (unsigned n = 1; n <= commits; n++) {
        struct plant_tester t = {0};
        struct module_bench *m = module_open(false);
        module_count_commits(m);
        m->refuse_at = n;
        for (int tries = 0; tries < 2 && !go_through(m, &t); tries++)
            ;
        cr_expect(go_through(m, &t), "%u: %s", n, m->why);
        expect_same_end(m, &keys, "refused", n);
        module_close(m);
    }
}

static const struct {
    const char *before, *request, *after;
} refused_stores[] = {
    {MODULE_OPEN, "3101030301{J} > 7F3172", "220201 > 62020100; 3101030301{J} > 7101030300"},
    {MODULE_OPEN "; " MODULE_ANCHORS, MODULE_LOCK "7F3172", "220200 > 62020001; " MODULE_LOCK "7101030500"},
    {MODULE_OPEN, "31010301 > 7F3178,7F3172", "31030301 > 7103030102; " MODULE_KEY},
    {MODULE_OPEN, "2EF19031535041414B3030303030303030303033 > 7F2E72",
     "22F190 > 62F19031535041414B3030303030303030303031"},
};

Test(spaak_plant_cut, a_store_that_refuses)
{
    for (size_t i = 0; i < sizeof refused_stores / sizeof refused_stores[0]; i++) {
        struct module_bench *m = module_open(false);
        PLAY(m, refused_stores[i].before);
        module_count_commits(m);
        m->refuse_at = 1;
        size_t done = bench_count(&m->b, TRACE_STEP, ERR_OK);
        PLAY(m, refused_stores[i].request);
        cr_expect(eq(sz, bench_count(&m->b, TRACE_STEP, ERR_OK), done), "row %zu", i);
        PLAY(m, refused_stores[i].after);
        module_close(m);
    }
}

/* DONE that was not kept: the module is what it was, and says nothing to servers. */
Test(spaak_plant_cut, done_that_was_not_kept)
{
    struct module_bench *m = module_open(false);
    PLAY(m, MODULE_OPEN "; " MODULE_ANCHORS "; " MODULE_LOCK "7101030500; " MODULE_KEY);
    module_certify(m, TEST_NOW_S);
    PLAY(m, "31010304{identity}{ecu-ca} > 7101030400; tbm 3");
    module_count_commits(m);
    m->refuse_at = 1;
    PLAY(m, MODULE_DONE "7F3172; 22F186 > 62F18660; 220200 > 62020002");
    PLAY(m, "tbm 0; tbm 3");
    cr_expect(eq(sz, m->others, 0));
    module_message(m, MATRIX_SPAAK_VOS_DOWN, span_of("hello", 5));
    cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, ERR_PLANT_OPEN), 1));
    PLAY(m, "tbm 3; " MODULE_DONE "7101030500; 22F186 > 62F18601");
    cr_expect(ge(sz, m->others, 1));
    module_close(m);
}
