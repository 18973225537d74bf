/* OpenSSL refuses each of the calls of a whole pairing and of the unlocks: neither end goes on as if nothing
 * had happened, and the owner is not locked out. */
#include "tests/check.h"
#include "tests/failing_openssl.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

static enum err pair(struct rig *r)
{
    return rig_pair(r);
}

static enum err unlock_standard(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, true, &fast);
}

static enum err unlock_fast(struct rig *r)
{
    bool fast;
    return rig_unlock(r, true, true, &fast);
}

/* With the n-th call refused; *refused tells whether there was one. */
static enum err run_failing(struct rig *r, enum err (*run)(struct rig *r), size_t n, bool *refused)
{
    failing_openssl_arm(n);
    enum err e = run(r);
    *refused = failing_openssl_disarm();
    return e;
}

static void expect_pairs_again(struct rig *r, size_t n)
{
    rig_walk_away(r);
    rig_enter_password(r, true);
    EXPECT_OK(rig_pair(r), "pairing after call %zu", n);
    EXPECT_OK(unlock_standard(r), "unlock after call %zu", n);
    cr_expect(eq(sz, rig_phone_keys(r), 1), "keys after call %zu", n);
}

Test(crypto_failure_pairing, every_call_of_a_pairing)
{
    struct rig *r = rig_ready(test_crypto());
    bool refused = true;
    size_t n = 1, ended = 0;
    for (; refused && n < 3000; n++) {
        rig_enter_password(r, true);
        enum err e = run_failing(r, pair, n, &refused);
        cr_expect(e == ERR_OK || refused, "call %zu: %s", n, err_name(e));
        ended += e != ERR_OK;
        if (refused)
            expect_pairs_again(r, n);
    }
    cr_expect(not(refused));
    cr_expect(lt(sz, 100, n));
    cr_expect(lt(sz, n * 9 / 10, ended), "%zu of %zu ended the pairing", ended, n);
    rig_free(r);
}

static const struct {
    const char *name;
    enum err (*run)(struct rig *r);
} unlocks[] = {{"standard", unlock_standard}, {"fast", unlock_fast}};

Test(crypto_failure_pairing, every_call_of_an_unlock)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    for (size_t i = 0; i < sizeof unlocks / sizeof unlocks[0]; i++) {
        bool refused = true;
        for (size_t n = 1; refused; n++) {
            cr_assert(n < 500);
            enum err e = run_failing(r, unlocks[i].run, n, &refused);
            cr_expect(e == ERR_OK || refused, "%s, call %zu: %s", unlocks[i].name, n, err_name(e));
            EXPECT_OK(unlock_standard(r), "after %s, call %zu", unlocks[i].name, n);
            EXPECT_OK(unlock_fast(r), "after %s, call %zu", unlocks[i].name, n);
        }
    }
    rig_free(r);
}
